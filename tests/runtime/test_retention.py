"""Which runs keep their weights, and the size of a study on disk."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_status import row_of, run_of

import expected
import random_results
from dropstudy import Study
from dropstudy.errors import StoreError
from dropstudy.runtime import local, retention
from dropstudy.store.paths import StudyPaths
from dropstudy.store.reader import RunProgress
from dropstudy.store.store import Store
from fake_training import InlineExecutor

SETTINGS = {
    "data": "digits",
    "hidden": [8],
    "epochs": 2,
    "rates": [0, 0.5],
    "validation_split": 0.2,
    "seeds": 4,
}


@pytest.fixture
def make(monkeypatch, tmp_path):
    """Make studies in one folder, with random results."""
    random_results.replace_workers(monkeypatch)

    def study(**settings):
        return Study("notebook", out=tmp_path / "study", **{**SETTINGS, **settings})

    return study


def run(study, executor=None):
    return study.run(executor=executor or InlineExecutor(), verbose=False)


def stored_weights(study):
    """Arm and seed of the runs whose weights are on disk."""
    with Store(study.folder) as store:
        return {(run.arm.name, run.seed) for run in store.runs() if store.path("weights", run.key).exists()}


def best(study, epoch=2):
    """Arm and seed of the runs of highest validation accuracy in an epoch, one for each arm."""
    rows = study.results().history_frame().query(f"epoch == {epoch}")
    rows = rows.loc[rows.groupby("arm")["val_accuracy"].idxmax()]
    return set(rows[["arm", "seed"]].itertuples(index=False, name=None))


# --- whose weights stay ---


def test_the_best_run_of_each_arm_keeps_weights_and_every_run_keeps_metrics(make):
    study = run(make(keep_weights="best"))
    assert stored_weights(study) == best(study)
    assert len(study.results().test_scores()) == 8
    assert study.finished
    for arm, seed in best(study):
        assert study.results().weights(arm, seed)
    with Store(study.folder) as store:
        assert all(
            len(store.result_files().read("predictions", run.key)["labels"]) == 360 for run in store.runs()
        )


@pytest.fixture
def first_is_best(make, monkeypatch):
    """Studies whose runs test the weights of their first epoch, as `restore_best_weights` does where it is best."""

    def train(segment):
        result = random_results.train(segment)
        return replace(result, final=replace(result.final, epoch=1)) if result.final else result

    monkeypatch.setattr(local, "train", train)
    return make


@pytest.mark.parametrize("killed", [False, True], ids=["while it trains", "with the next run"])
def test_runs_are_ranked_by_the_epoch_whose_weights_they_store(first_is_best, monkeypatch, killed):
    settings = {"keep_weights": "best", "restore_best_weights": True}
    study = first_is_best(**settings, seeds=8)
    with monkeypatch.context() as patch:
        if killed:
            patch.setattr(retention.KeepBest, "on_run_end", lambda *_: None)
        run(study)
    if killed:
        assert len(stored_weights(study)) == 16
        study = run(first_is_best(**settings, seeds=9))
    assert stored_weights(study) == best(study, epoch=1)
    assert best(study, epoch=1) != best(study, epoch=2)


def test_weights_are_removed_during_training_once_a_better_run_ends(make):
    most = []

    class Counting(InlineExecutor):
        def submit(self, fn, group):
            most.append(len(list((study.folder / "weights").glob("*"))))
            return super().submit(fn, group)

    study = make(keep_weights="best", seeds=12)
    run(study, Counting())
    assert max(most) <= 2 + 4  # one of each arm, and what waits for the next commit


def test_none_stores_no_weights_and_the_error_says_what_to_do(make):
    study = run(make(keep_weights="none"))
    assert stored_weights(study) == set()
    assert StudyPaths(study.folder).sizes()["weights"] == 0
    assert study.finished
    with pytest.raises(StoreError, match=expected.Store.NO_WEIGHTS) as refusal:
        study.results().weights()
    assert "--out" in refusal.value.next_step


def test_a_finished_study_drops_weights_without_training_again(make):
    study = run(make())
    assert len(stored_weights(study)) == 8
    before = study.results().history_frame()
    asked = make(keep_weights="best")
    assert not asked.finished
    run(asked, NoExecutor())
    assert stored_weights(asked) == best(asked)
    # What is gone stays gone; nothing is trained for it.
    assert run(make(keep_weights="all"), NoExecutor()).finished
    assert stored_weights(study) == best(study)
    assert study.results().history_frame().equals(before)


class NoExecutor(InlineExecutor):
    def submit(self, *_, **__):
        raise AssertionError("something was trained")


def test_weights_left_by_a_kill_are_removed_by_the_next_command(make, monkeypatch):
    study = make(keep_weights="best")
    with monkeypatch.context() as patch:
        patch.setattr(retention.KeepBest, "on_run_end", lambda *_: None)  # as if killed before
        run(study)
    assert len(stored_weights(study)) == 8
    run(make(keep_weights="best", seeds=5))
    assert stored_weights(make(keep_weights="best", seeds=5)) == best(study)


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(["done", "running"]), st.integers(0, 3)))
)
def test_the_first_of_equal_runs_keeps_its_weights_and_unfinished_runs_are_ignored(parts):
    progress = [
        RunProgress(
            run_of(seed, arm),
            status,
            2,
            row_of(2, 0.5),
            None,
            row_of(1, value / 10) if status == "done" else None,
        )
        for seed, (arm, status, value) in enumerate(parts)
    ]
    dropped = set(retention.weights_to_drop(progress, "best"))
    done = [each for each in progress if each.status == "done"]
    for arm in {each.run.arm.name for each in done}:
        of_arm = [each for each in done if each.run.arm.name == arm]
        top = max(each.tested.val_accuracy for each in of_arm)
        first = next(each for each in of_arm if each.tested.val_accuracy == top)
        assert {each.run.key for each in of_arm} - dropped == {first.run.key}
    assert dropped <= {each.run.key for each in done}
    assert retention.weights_to_drop(progress, "all") == []
    assert set(retention.weights_to_drop(progress, "none")) == {each.run.key for each in done}


# --- what it takes ---


def test_sizes_are_those_of_the_files(make):
    study = run(make())
    sizes = StudyPaths(study.folder).sizes()
    for kind in ("weights", "predictions"):
        assert sizes[kind] == sum(path.stat().st_size for path in (study.folder / kind).iterdir())
    assert sizes["database"] == (study.folder / "study.db").stat().st_size
    assert retention.disk_usage(sizes).startswith(f"{retention.format_bytes(sum(sizes.values()))} on disk: ")


@given(st.integers(0, 10**16))
def test_sizes_are_printed_within_half_a_percent(count):
    number, unit = retention.format_bytes(count).split()
    factor = {"bytes": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}[unit]
    assert float(number) * factor == pytest.approx(count, rel=0.006)
    assert float(number) < 1000 or unit == "TB"
