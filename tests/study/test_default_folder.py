"""The folder of a study that names none: one for each preset and data, and those of earlier versions go on."""

import pytest

from dropstudy import Study
from sources import trained_at_once


@pytest.mark.parametrize(
    ("preset", "data", "folder"),
    [
        ("tune", None, "tune"),
        ("tune", "mnist", "tune"),
        ("tune", "digits", "tune-digits"),
        ("tune", "penguins.csv", "tune-penguins"),
        ("notebook", "deep/penguins.csv", "notebook-penguins"),
        ("tune", "emnist/letters", "tune-letters"),
        ("table", "openml:iris", "table-openml-iris"),
        (None, "penguins.csv", "penguins"),
        (None, "wine", "wine"),
        (None, "digits", "notebook-digits"),
        (None, None, "notebook"),
    ],
)
def test_a_preset_has_a_folder_for_each_data(preset, data, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    target = {"target": "species"} if data and data.endswith(".csv") else {}
    assert str(Study(preset, data=data, **target).folder) == f"studies/{folder}"
    assert str(Study(preset, data=data, out="mine", **target).folder) == "mine"


def test_a_study_in_the_folder_of_its_preset_goes_on_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    same = {"hidden": [4], "epochs": 3, "validation_split": 300}
    trained_at_once(monkeypatch, tmp_path / "studies" / "notebook", **same)
    assert str(Study("notebook", data="digits", **same).folder) == "studies/notebook"
    assert str(Study("notebook", data="fashion_mnist", **same).folder) == "studies/notebook-fashion_mnist"
