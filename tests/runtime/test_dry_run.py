"""Dry runs: the estimated cost of a study against the real one."""

import re
import time
from dataclasses import replace

import pytest

import random_results
from dropstudy import Study
from dropstudy.core.tensors import to_bytes
from dropstudy.core.types import Arm, Condition, Optimizer, Run, SegmentResult
from dropstudy.errors import InvalidArgument, RunsFailed
from dropstudy.runtime import dry_run, local
from dropstudy.runtime.dry_run import Cost
from dropstudy.store.paths import StudyPaths
from fake_training import InlineExecutor
from small_runs import train_segment

SETTINGS = {"data": "digits", "hidden": [8], "epochs": 3, "rates": [0, 0.5], "batch_size": 64}
STEP, EPOCH_END, RUN_END = 0.002, 0.02, 0.05  # seconds


@pytest.fixture
def make(monkeypatch, tmp_path):
    """Make studies with random results that take the times above."""
    random_results.replace_workers(monkeypatch)

    def slow(segment):
        run = segment.run
        first, last = (
            segment.done // run.condition.steps,
            (segment.done + segment.steps) // run.condition.steps,
        )
        ended = segment.done + segment.steps == run.steps
        time.sleep(segment.steps * STEP + (last - first - ended) * EPOCH_END + ended * RUN_END)
        return SegmentResult((), {}, segment.done + segment.steps, 0.0, None, diverged=False, device="none")

    def study(**settings):
        return Study("notebook", out=tmp_path / "study", **{**SETTINGS, **settings})

    study.time = lambda: monkeypatch.setattr(local, "train", slow)
    return study


def test_the_grid_is_planned_and_nothing_is_written(make, tmp_path):
    planned = make(seeds=3, hidden=[[8], [4, 4]], train_sizes=[100, "all"]).dry_run(
        executor=InlineExecutor(2), workers=2, device="cpu"
    )
    assert len(planned.runs) == len(planned.missing) == 2 * 2 * 2 * 3
    text = str(planned)
    assert "grid: 2 arms x 2 networks x 2 training sizes x 3 seeds = 24 runs of 3 epochs" in text
    assert "network: 64-8-10, 610 parameters" in text
    assert "network: 64-4-4-10, 330 parameters" in text
    assert "training examples: 100, 1,437 of digits" in text
    assert "to train: 24 runs, 72 run-epochs, in 24 groups of one, 2 at a time" in text
    assert text.count("measured: ") == dry_run.MAX_MEASURED
    assert not (tmp_path / "study").exists()


def test_only_missing_runs_of_an_existing_study_count(make):
    make(seeds=2).run(executor=InlineExecutor(), verbose=False)
    before = {path: path.read_bytes() for path in make().folder.rglob("*") if path.is_file()}
    grown = make(seeds=5).dry_run(executor=InlineExecutor())
    assert len(grown.missing) == 6
    assert "already done: 4 runs" in str(grown)
    assert {path: path.read_bytes() for path in make().folder.rglob("*") if path.is_file()} == before
    nothing = make(seeds=2).dry_run(executor=InlineExecutor())
    assert nothing.seconds == 0
    assert str(nothing).endswith("to train: nothing")


def test_the_time_includes_steps_and_the_measurements_between_them(make):
    make.time()
    planned = make(seeds=4).dry_run(executor=InlineExecutor(), workers=1)
    steps = 23 * 3
    each = steps * STEP + 2 * EPOCH_END + RUN_END
    assert planned.seconds == pytest.approx(8 * each, rel=0.25)
    (cost,) = planned.measured.values()
    assert cost.step == pytest.approx(STEP, rel=0.25)
    assert cost.epoch_end == pytest.approx(EPOCH_END, rel=0.4)
    assert cost.run_end == pytest.approx(RUN_END, rel=0.4)


@pytest.mark.parametrize("keep", ["all", "best", "none"])
def test_the_estimated_disk_space_is_what_a_study_takes(make, keep):
    study = make(seeds=6, validation_split=0.2, keep_weights=keep, hidden=[256, 256])
    estimated = study.dry_run(executor=InlineExecutor()).disk
    study.run(executor=InlineExecutor(), verbose=False)
    assert estimated == pytest.approx(sum(StudyPaths(study.folder).sizes().values()), rel=0.15)


@pytest.mark.parametrize("restore_best_weights", [False, True])
def test_the_disk_space_during_training_includes_checkpoints(make, monkeypatch, restore_best_weights):
    study = make(validation_split=0.2, hidden=[256, 256], restore_best_weights=restore_best_weights)
    estimated = study.dry_run(executor=InlineExecutor(), workers=1).checkpoint_disk
    sizes = []

    def train(segment):
        result = train_segment(replace(segment, steps=1))
        sizes.append(len(to_bytes(result.state, {})))
        raise random_results.WorkerError

    monkeypatch.setattr(local, "train", train)
    with pytest.raises(RunsFailed):
        study.run(executor=InlineExecutor(), verbose=False, workers=1)
    assert len(sizes) == 2  # runs, both under way at once
    assert estimated == pytest.approx(sum(sizes), rel=0.02)


def test_a_dry_run_refuses_what_a_study_refuses(make):
    with pytest.raises(InvalidArgument, match="1,437 training examples"):
        make(train_sizes=[5000]).dry_run(executor=InlineExecutor())
    with pytest.raises(InvalidArgument, match="whole number of 1 or more"):
        make().dry_run(workers=0)


def test_a_run_costs_its_steps_the_ends_of_its_epochs_and_its_own_end():
    condition = Condition(64, (8,), 10, 100, 10)
    run = Run("key", Arm("a"), condition, 0, "relu", Optimizer(), 5, "test", "float32")
    assert Cost(1.0, 10.0, 100.0).total(run) == 50 * 1 + 4 * 10 + 100


@pytest.mark.slow
def test_real_workers_are_measured(tmp_path):
    study = Study("notebook", out=tmp_path / "real", **SETTINGS, seeds=2)
    planned = study.dry_run(workers=1)
    (cost,) = planned.measured.values()
    assert 0 < cost.step < 0.1
    assert planned.seconds > 0
    assert re.search(r"time: (about \d+ (s|min)|less than 1 s)", str(planned))
