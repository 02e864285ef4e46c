"""Studies of data in memory: they are continued, reported and confirmed as those of files are."""

import shutil
import subprocess
import sys
import tempfile

import numpy as np
import pytest

import random_results
from dropstudy import Callback, Study
from dropstudy.data import cache
from dropstudy.data.dataset import make_dataset
from dropstudy.data.load import load_dataset
from dropstudy.data.sources import kept
from dropstudy.errors import DataError, InvalidArgument

FIELDS = {
    "rates": [0, 0.5],
    "seeds": 1,
    "epochs": 1,
    "hidden": [8],
    "batch_size": 16,
    "validation_split": 0.2,
}


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    random_results.replace_workers(monkeypatch)
    monkeypatch.setenv("DROPSTUDY_KERNELS", "off")  # not compiled anew for each cache
    folder = tmp_path / "cache"
    monkeypatch.setenv("DROPSTUDY_CACHE", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


def images(seed=0):
    rng = np.random.default_rng(seed)
    return make_dataset(
        name="squares",
        x_train=rng.integers(0, 256, (60, 8, 8), dtype=np.uint8),
        y_train=np.arange(60) % 3,
        x_test=rng.integers(0, 256, (30, 8, 8), dtype=np.uint8),
        y_test=np.arange(30) % 3,
        source="a test",
    )


def trained(dataset, out, **fields):
    study = Study("tune", dataset=dataset, out=out, **{**FIELDS, **fields})
    return study.run(verbose=False)


def forget():
    """Leave a dataset to the copy that was kept, as another process has to."""
    kept._in_memory.clear()


def test_a_study_of_a_dataset_in_memory_is_continued_by_its_folder_alone(tmp_path):
    study = trained(images(), tmp_path / "study")
    forget()
    again = Study.open(tmp_path / "study")
    assert again.finished
    grown = Study(tmp_path / "study", seeds=2)
    assert not grown.finished
    grown.run(verbose=False)
    assert len(grown.results().test_scores()) == 4
    assert study.spec.data == grown.spec.data


def test_the_report_finds_the_examples(tmp_path):
    trained(images(), tmp_path / "study")
    forget()
    test_set = Study.open(tmp_path / "study").results().snapshot.test_set
    np.testing.assert_array_equal(test_set.x, images().x_test)


def test_lost_data_are_named_with_the_way_out_and_given_again(tmp_path, own_cache):
    trained(images(), tmp_path / "study")
    forget()
    shutil.rmtree(own_cache / "datasets")
    with pytest.raises(DataError, match=r"Call dropstudy\.compare again with the same arrays") as caught:
        Study(tmp_path / "study", seeds=2).run(verbose=False)
    assert "\n" not in str(caught.value)
    assert len(Study.open(tmp_path / "study").results().test_scores()) == 2  # what is trained is shown
    trained(images(), tmp_path / "study")  # nothing is missing, and the data are kept again
    forget()
    Study(tmp_path / "study", seeds=2).run(verbose=False)
    assert len(Study.open(tmp_path / "study").results().test_scores()) == 4


def test_other_data_are_refused_and_nothing_is_lost(tmp_path):
    trained(images(), tmp_path / "study")
    with pytest.raises(InvalidArgument, match="`data='arrays:"):
        trained(images(seed=1), tmp_path / "study")
    assert Study.open(tmp_path / "study").finished


def test_a_dry_run_keeps_no_data(tmp_path, own_cache):
    study = Study("tune", dataset=images(), out=tmp_path / "study", **FIELDS)
    study.dry_run()
    assert not (own_cache / "datasets").exists()


@pytest.mark.parametrize(
    ("field", "value"), [("data", "digits"), ("target", "y"), ("test_size", 0.2), ("scale", 255)]
)
def test_fields_that_say_how_to_read_data_are_refused_beside_a_dataset(field, value):
    with pytest.raises(InvalidArgument, match=f"^{field}: expected either dataset"):
        Study("tune", dataset=images(), **{field: value})


def test_a_cache_that_cannot_be_written_is_told_of_and_trains(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DROPSTUDY_CACHE", str(tmp_path / "file" / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    cache._temporary_folder.cache_clear()
    told = []

    class Notices(Callback):
        def on_notice(self, line):
            told.append(line)

    try:
        study = Study("tune", dataset=images(), out=tmp_path / "study", **FIELDS)
        study.run(verbose=False, callbacks=Notices())
    finally:
        cache._temporary_folder.cache_clear()
    assert study.finished
    assert sum("until this process ends" in line for line in told) == 1


@pytest.mark.slow
def test_real_workers_train_it_in_another_process_and_the_page_shows_it(tmp_path):
    code = (
        "import dropstudy\n"
        "if __name__ == '__main__':\n"
        "    data = dropstudy.load_dataset('digits')\n"
        "    dropstudy.Study('tune', dataset=data, out='study', epochs=1, seeds=1, rates=[0]).run(verbose=False)\n"
    )
    (tmp_path / "mine.py").write_text(code)
    subprocess.run([sys.executable, "mine.py"], cwd=tmp_path, check=True)
    study = Study.open(tmp_path / "study")
    assert load_dataset(study.spec.data).name == "digits"
    assert "digits" in study.report()[0].read_text("utf-8")
