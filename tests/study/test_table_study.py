"""A study of a table from file to verdict: trained, continued, and its networks used on raw rows."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from dropstudy import DropstudyError, Study
from dropstudy.core.types import ENDED
from dropstudy.spec.study_file import read_spec
from dropstudy.store.store import Store

FIELDS = {"target": "kind", "epochs": 4, "patience": 0, "seeds": 2, "rates": [0, 0.5], "hidden": [8]}


def pets(rows, seed):
    rng = np.random.default_rng(seed)
    kind = rng.choice(["cat", "dog"], rows)
    return pd.DataFrame(
        {
            "size": rng.normal(30, 9, rows) + 20 * (kind == "dog"),
            "age": np.where(rng.random(rows) < 0.2, np.nan, rng.integers(1, 15, rows)),
            "colour": np.where(rng.random(rows) < 0.1, None, rng.choice(["red", "black", "white"], rows)),
            "kind": kind,
        }
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pets")
    pets(300, 0).to_csv(folder / "train.csv", index=False)
    pets(80, 1).to_csv(folder / "test.csv", index=False)
    study = Study(data=folder / "train.csv", test=folder / "test.csv", out=folder / "study", **FIELDS)
    return folder, study.run(verbose=False)


def test_the_preset_is_that_of_tables_and_the_name_that_of_the_file(trained):
    _, study = trained
    assert study.spec.name == "train"
    assert study.spec.restore_best_weights
    assert study.spec.validation_split == 0.2
    assert study.spec.batch_size == 64


def test_raw_rows_are_predicted_as_the_test_rows_were(trained):
    """The file of the test rows has to give the labels and probabilities that training stored for them."""
    folder, study = trained
    results = study.results()
    for run in results.snapshot.runs:
        stored = results.snapshot.predictions([run])
        found = results.predict(folder / "test.csv", arm=run.arm.name, seed=run.seed)
        classes = results.snapshot.metadata["classes"]
        assert [classes[number] for number in stored["labels"][0]] == list(found["label"])
        shares = found[[f"p({name})" for name in classes]].to_numpy().max(axis=1)
        assert_allclose(shares, stored["confidence"][0], atol=2e-3)  # stored as float16


def test_a_file_with_other_columns_in_another_order_is_predicted_alike(trained):
    folder, study = trained
    table = pd.read_csv(folder / "test.csv")
    table.drop(columns="kind")[["colour", "age", "size"]].assign(note="x").to_parquet(folder / "new.parquet")
    before = study.results().predict(folder / "test.csv")
    after = study.results().predict(folder / "new.parquet")
    assert list(before["label"]) == list(after["label"])


def test_rows_that_lack_a_column_or_hold_text_are_refused(trained):
    folder, study = trained
    table = pd.read_csv(folder / "test.csv")
    table.drop(columns="age").to_csv(folder / "short.csv", index=False)
    with pytest.raises(DropstudyError, match=r"short\.csv.*without 'age'"):
        study.results().predict(folder / "short.csv")
    table.astype({"size": object}).assign(size=["big", *table["size"][1:]]).to_csv(
        folder / "text.csv", index=False
    )
    with pytest.raises(DropstudyError, match=r"'size' of .*text\.csv.*.big. in line 2"):
        study.results().predict(folder / "text.csv")


def test_the_study_is_continued_from_its_folder_and_refused_with_other_rows(trained, tmp_path, monkeypatch):
    folder, study = trained
    monkeypatch.chdir(tmp_path)
    again = Study(study.folder, seeds=3).run(verbose=False)
    with Store(study.folder) as store:
        assert len(store.status()) == 6
        assert set(store.status().values()) <= ENDED
    assert "fitted on each run's training rows" in " ".join(again.results().snapshot.metadata["data_notes"])
    text = (folder / "train.csv").read_text()
    try:
        (folder / "train.csv").write_text(text.replace("cat", "dog", 1))
        with pytest.raises(DropstudyError, match="the data that the study was started with"):
            Study(study.folder, seeds=4).run(verbose=False)
    finally:
        (folder / "train.csv").write_text(text)


def test_the_report_has_what_needs_networks(trained):
    """Activations are those of prepared rows, not of codes and unscaled numbers."""
    _, study = trained
    (page, *_) = study.report()
    assert "Active units" in page.read_text(encoding="utf-8")


def test_rows_of_pixels_are_predicted_with_and_without_their_labels(tmp_path):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (120, 64))
    table = pd.DataFrame(pixels, columns=[f"pixel{n}" for n in range(64)])
    labelled = table.assign(label=np.where(pixels[:, :32].sum(axis=1) > pixels[:, 32:].sum(axis=1), "a", "b"))
    labelled.to_csv(tmp_path / "train.csv", index=False)
    table.to_csv(tmp_path / "new.csv", index=False)
    study = Study(
        data=tmp_path / "train.csv", out=tmp_path / "study", **{**FIELDS, "target": "label", "seeds": 1}
    )
    results = study.run(verbose=False).results()
    found = [results.predict(tmp_path / name)["label"].to_list() for name in ("train.csv", "new.csv")]
    assert found[0] == found[1]
    np.save(tmp_path / "new.npy", pixels.reshape(-1, 8, 8).astype(np.uint8))
    assert results.predict(tmp_path / "new.npy")["label"].to_list() == found[0]
    table.assign(name="x").to_csv(tmp_path / "text.csv", index=False)
    with pytest.raises(DropstudyError, match=r"column 'name' of .*text\.csv.*received text"):
        results.predict(tmp_path / "text.csv")
    table.iloc[:, 1:].to_csv(tmp_path / "short.csv", index=False)
    with pytest.raises(DropstudyError, match=r"short\.csv.*64 numbers each.*\(120, 63\)"):
        results.predict(tmp_path / "short.csv")


@pytest.mark.parametrize(
    ("given", "preset", "name"),
    [
        ({}, "notebook", "notebook"),
        ({"data": "digits"}, "notebook", "notebook"),
        ({"data": "wine"}, "table", "wine"),
        ({"data": "openml:credit-g"}, "table", "openml-credit-g"),
        ({"data": "pets.csv", "target": "kind"}, "table", "pets"),
        ({"data": "mine.npz"}, "tune", "mine"),
        ({"data": "photos/pets"}, "tune", "pets"),
    ],
)
def test_data_without_a_preset_get_the_one_for_their_kind(tmp_path, given, preset, name):
    study = Study(**given, out=tmp_path / "study")
    assert [arm.rate for arm in study.spec.arms] == [arm.rate for arm in read_spec(preset).arms]
    assert study.spec.name == name
