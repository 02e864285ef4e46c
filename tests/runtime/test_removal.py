"""Removal of parts of a study: their runs and files are gone, and the rest can always go on."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import random_results
from dropstudy import Study
from dropstudy.errors import InvalidArgument, StoreError, StudyLocked
from dropstudy.runtime import removal
from dropstudy.runtime.retention import disk_usage
from dropstudy.store import store
from dropstudy.store.directory import SEED_COUNTS, has_database, read_metadata
from dropstudy.store.locking import lock
from dropstudy.store.paths import StudyPaths
from dropstudy.store.store import Store
from fake_training import InlineExecutor

SETTINGS = {
    "data": "digits",
    "rates": [0, 0.25, 0.5],
    "hidden": [[4], [6]],
    "train_sizes": [200, "all"],
    "epochs": 1,
    "seeds": 3,
    "validation_split": 0.2,
}
SMALL = {"rates": [0, 0.5], "hidden": [8], "train_sizes": ["all"], "epochs": 2, "seeds": 4}


@pytest.fixture
def make(monkeypatch, tmp_path):
    random_results.replace_workers(monkeypatch)

    def study(**settings):
        made = Study("notebook", out=tmp_path / "study", **{**SETTINGS, **settings})
        return made.run(executor=InlineExecutor(), verbose=False)

    return study


def files(study):
    return {path.stem for kind in ("weights", "predictions") for path in (study.folder / kind).iterdir()}


@pytest.mark.parametrize(
    ("out", "column", "gone"),
    [
        ({"seeds": [1]}, "seed", 1),
        ({"train_sizes": [200]}, "train_size", 200),
        ({"train_sizes": ["all"]}, "train_size", 1150),
        ({"train_sizes": [1150]}, "train_size", 1150),
        ({"arms": ["dropout 0.25"]}, "arm", "dropout 0.25"),
        ({"hidden": [[6]]}, "hidden", "6"),
        ({"hidden": [6]}, "hidden", "6"),
        ({"seeds": np.int64(1)}, "seed", 1),
        ({"train_sizes": "all"}, "train_size", 1150),
        ({"arms": "dropout 0.25"}, "arm", "dropout 0.25"),
    ],
)
def test_a_removed_part_takes_its_runs_and_files_and_nothing_else(make, out, column, gone):
    study = make()
    before = study.results().test_scores()
    study.remove(**out)
    stays = before[before[column] != gone].reset_index(drop=True)
    assert 0 < len(stays) < len(before)
    assert study.results().test_scores().equals(stays)
    assert set(study.results().history_frame()[column]) == set(stays[column])
    opened = Study.open(study.folder)
    assert opened.spec == study.spec
    assert opened.finished
    with Store(study.folder) as store:
        assert {run.key for run in store.runs()} == files(study)


def test_a_removed_part_can_be_requested_again_and_trains_as_before(make):
    study = make()
    before = study.results().test_scores()
    study.remove(seeds=[1], arms=["dropout 0.5"])
    assert len(study.results().test_scores()) == 16
    columns = ["arm", "hidden", "train_size", "seed"]
    assert (
        make()
        .results()
        .test_scores()
        .set_index(columns)
        .sort_index()
        .equals(before.set_index(columns).sort_index())
    )


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ({"seeds": [7]}, "seeds: expected what the study has: 0 to 2, received 7"),
        ({"seeds": [0, 1, 2]}, "fewer than the 3 that the study has"),
        ({"arms": ["no dropout"]}, "other than the baseline"),
        ({"arms": ["none"]}, "'dropout 0.25', 'dropout 0.5'"),
        ({"hidden": [[4], [6]]}, "hidden: expected fewer than the 2"),
        ({"train_sizes": [100]}, "train_sizes: expected what the study has: 200, all"),
        ({}, "received none of them"),
    ],
)
def test_removing_an_absent_or_a_required_part_is_refused(make, out, message):
    study = make()
    with pytest.raises(InvalidArgument, match=message):
        study.remove(**out)
    assert len(study.results().test_scores()) == 36


def test_a_running_study_refuses_the_removal_of_a_part(make):
    study = make()
    with lock(study.folder), pytest.raises(StudyLocked):
        study.remove(seeds=[1])
    assert len(study.results().test_scores()) == 36


def test_a_kill_after_the_transaction_is_repaired_by_the_next_command(make, monkeypatch):
    study = make()
    with monkeypatch.context() as patch:
        patch.setattr(store, "_remove", _killed)
        with pytest.raises(KeyboardInterrupt):
            study.remove(seeds=[1])
    opened = Study.open(study.folder)
    assert opened.spec.seeds == (0, 2)
    make(seeds=[0, 2, 5])
    with Store(study.folder) as now:
        assert {run.key for run in now.runs()} == files(study)
    assert Study.open(study.folder).spec.seeds == (0, 2, 5)


def _killed(_):
    raise KeyboardInterrupt


def test_the_verdict_names_removed_results_and_counts_a_look(make):
    study = make(seeds=8, hidden=[4], train_sizes=["all"])
    study.remove(seeds=[3], arms=["dropout 0.5"])
    assert read_metadata(study.folder)[SEED_COUNTS] == [8, 7]
    verdict = study.verdict()
    assert verdict.anytime
    assert "Seeds were added and removed after a first verdict (8, then 7)" in str(verdict)
    assert "Removed from this study after training: arms 'dropout 0.5'; seeds 3." in str(verdict)
    again = make(seeds=8, hidden=[4], train_sizes=["all"])
    assert "Removed from" not in str(again.verdict())


def test_a_database_with_unknown_removed_parts_still_has_a_verdict(make):
    study = make()
    with Store(study.folder, write=True) as now:
        now.record({removal.REMOVED_PARTS: {"other": [1], "seeds": ["\x1b[31m", 9]}})
    assert r"after training: seeds '\x1b[31m', 9." in str(study.verdict())


def test_confirmations_of_a_removed_part_go_and_others_stay(make):
    study = make()
    for name in ("4-200", "6-200"):
        shutil.copytree(study.folder, study.folder.parent / name)
        Study.open(study.folder.parent / name).remove(hidden=[[6 if name == "4-200" else 4]])
        shutil.move(study.folder.parent / name, study.folder / "confirmation" / name)
    study.remove(hidden=[[6]])
    assert [path.name for path in (study.folder / "confirmation").iterdir()] == ["4-200"]


# --- a study that is accepted can always go on ---


def test_a_study_that_any_seed_could_not_continue_is_refused_and_nothing_is_recorded(make, tmp_path):
    """1,000 of one class and 4 of another: the smallest size that has both is not the same for all seeds."""
    draws = np.random.default_rng(0)
    file, labels = tmp_path / "rare.npz", np.repeat([0, 1], [1000, 4])
    images = draws.integers(0, 17, (1004, 8, 8)).astype(np.uint8)
    np.savez(file, x_train=images, y_train=labels, x_test=images[-104:], y_test=labels[-104:])
    asked = {"data": str(file), "batch_size": 32, "validation_split": 100, "hidden": [4], "seeds": [0, 3]}
    with pytest.raises(
        InvalidArgument, match="expected 114 examples or more, so that they contain every class"
    ):
        make(**asked, train_sizes=[113])
    assert not has_database(tmp_path / "study")
    make(**asked, train_sizes=[114])
    grown = make(**asked | {"seeds": list(range(40))}, train_sizes=[114])
    assert len(grown.results().test_scores()) == 120


# --- a whole study ---


def test_a_study_is_removed_with_everything_it_wrote(make):
    study = make(**SMALL)
    study.report()
    study.folder.joinpath("study.v1.backup.db").write_bytes(b"old")
    assert removal.remove_study(study.folder) == []
    assert not study.folder.exists()


@pytest.mark.parametrize("places", [["confirmation"], ["confirmation/8-1149", "confirmation/8-100"]])
def test_confirmations_of_a_study_are_removed_with_it(make, places):
    study = make(**SMALL)
    for place in places:
        shutil.copytree(study.folder / "weights", study.folder / place / "weights")
        for name in ("study.toml", "study.db"):
            shutil.copy(study.folder / name, study.folder / place / name)
    assert removal.remove_study(study.folder) == []
    assert not study.folder.exists()


def test_other_files_beside_a_confirmation_stay(make):
    study = make(**SMALL)
    inside = study.folder / "confirmation"
    inside.mkdir()
    for name in ("study.toml", "study.db"):
        shutil.copy(study.folder / name, inside / name)
    (inside / "notes.txt").write_text("mine")
    assert removal.remove_study(study.folder) == ["confirmation/notes.txt"]
    assert [path.name for path in inside.iterdir()] == ["notes.txt"]


def test_foreign_files_stay_and_are_named(make, tmp_path):
    study = make(**SMALL)
    (study.folder / "notes.txt").write_text("mine")
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_text("mine too")
    (study.folder / "figures").symlink_to(tmp_path / "precious")
    exported = study.results().export(file_format="safetensors")
    left = sorted(["figures", exported.name, "notes.txt"])
    assert removal.remove_study(study.folder) == left
    assert sorted(path.name for path in study.folder.iterdir()) == left
    assert (tmp_path / "precious" / "file").read_text() == "mine too"


@pytest.mark.parametrize("remove", [removal.remove_study, removal.remove_weights])
def test_a_folder_without_a_study_is_not_touched(remove, tmp_path):
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "other.safetensors").write_text("mine")
    with pytest.raises(StoreError, match="Nothing was removed"):
        remove(tmp_path)
    assert (tmp_path / "weights" / "other.safetensors").exists()


@pytest.mark.parametrize("remove", [removal.remove_study, removal.remove_weights])
def test_a_running_study_is_not_removed(make, remove):
    study = make(**SMALL)
    files = sorted(study.folder.rglob("*"))
    with lock(study.folder), pytest.raises(StudyLocked):
        remove(study.folder)
    assert sorted(study.folder.rglob("*")) == files


@pytest.mark.parametrize("cut", [2, 17, 18])
def test_an_interrupted_removal_can_be_repeated(make, monkeypatch, cut):
    study = make(**SMALL)
    removed, real = [], Path.unlink

    def once(path, **how):
        removed.append(path)
        if len(removed) == cut:
            raise KeyboardInterrupt
        real(path, **how)

    monkeypatch.setattr(Path, "unlink", once)
    with pytest.raises(KeyboardInterrupt):
        removal.remove_study(study.folder)
    assert removal.remove_study(study.folder) == []
    assert not study.folder.exists()


def test_removing_weights_leaves_the_metrics(make):
    study = make(**SMALL)
    finals = study.results().test_scores()
    removal.remove_weights(study.folder)
    assert not list((study.folder / "weights").iterdir())
    assert study.results().test_scores().equals(finals)
    usage = disk_usage(StudyPaths(study.folder).sizes())
    assert "predictions" in usage
    assert "weights" not in usage
    assert Study("notebook", out=study.folder, **{**SETTINGS, **SMALL}).finished
