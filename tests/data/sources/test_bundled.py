import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_wine

from dropstudy.data.load import load_dataset
from dropstudy.errors import InvalidArgument

ORIGINALS = {"breast-cancer": load_breast_cancer, "wine": load_wine}


@pytest.mark.parametrize("name", ORIGINALS)
def test_rows_columns_and_classes_are_scikit_learns(name):
    found, original = load_dataset(name), ORIGINALS[name]()
    assert [column.name for column in found.table.columns] == list(original.feature_names)
    assert sorted(found.classes) == sorted(original.target_names)
    rows = np.concatenate([found.x_train, found.x_test]).tolist()
    labels = [found.classes[label] for label in (*found.y_train, *found.y_test)]
    expected = zip(original.data.tolist(), original.target_names[original.target], strict=True)
    assert sorted(zip(rows, labels, strict=True)) == sorted(expected)


@pytest.mark.parametrize("name", ORIGINALS)
def test_a_fifth_is_set_aside_for_the_test_and_said(name):
    found = load_dataset(name)
    total = len(found.y_train) + len(found.y_test)
    assert len(found.y_test) == round(total / 5)
    assert any("set aside" in note for note in found.notes)
    assert found.sha256 == load_dataset(name).sha256
    assert len(load_dataset(name, test_size=60).y_test) == 60


def test_columns_may_be_left_out_but_the_target_is_given():
    dropped = load_dataset("wine", drop=["alcohol", "hue"])
    assert not {"alcohol", "hue"} & {column.name for column in dropped.table.columns}
    with pytest.raises(InvalidArgument, match="target"):
        load_dataset("wine", target="hue")
