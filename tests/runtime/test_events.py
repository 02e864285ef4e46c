"""Callbacks of a study: beside the display, in order, and stopping the study with everything stored."""

import pytest

import random_results
from dropstudy import Callback, Study
from dropstudy.errors import InvalidArgument
from dropstudy.runtime.progress.lines import EpochLines
from fake_training import InlineExecutor
from sources import SMALL_STUDY


class Recorder(Callback):
    """Records the names of the methods called."""

    def __init__(self, stop_at=None):
        self.calls, self.stop_at = [], stop_at

    def on_train_begin(self, progress, workers):
        self.calls.append(("begin", len(progress), workers))

    def on_train_end(self):
        self.calls.append(("end",))

    def on_epoch_end(self, run, metrics):
        self.calls.append((run.key, metrics.epoch))
        if len(self.calls) == self.stop_at:
            raise RuntimeError("enough")

    def on_run_end(self, run, status, cause):
        self.calls.append((run.key, status, cause))


@pytest.fixture
def make(monkeypatch, tmp_path):
    random_results.replace_workers(monkeypatch)
    return lambda **settings: Study("notebook", out=tmp_path / "study", **{**SMALL_STUDY, **settings})


def run(study, callbacks, **how):
    return study.run(executor=InlineExecutor(), workers=1, callbacks=callbacks, **how)


def test_callbacks_are_called_beside_the_display_and_one_needs_no_list(make, capsys):
    first, second = Recorder(), Recorder()
    study = run(make(), [first, second])
    assert first.calls == second.calls
    assert (first.calls[0], first.calls[-1]) == (("begin", 2, 1), ("end",))
    assert sum(len(call) == 3 for call in first.calls[1:]) == len(study.results().test_scores())
    assert "Epoch 1/" in capsys.readouterr().out
    silent = Recorder()
    run(make(seeds=2), silent, verbose=False)
    assert len(silent.calls) == len(first.calls)
    assert capsys.readouterr().out == ""


def test_a_display_among_the_callbacks_replaces_the_default_one(make, capsys):
    study = run(make(), EpochLines())
    assert capsys.readouterr().out.count("Epoch 1/") == len(study.results().test_scores())


def test_an_error_in_a_callback_stops_the_study_with_what_it_was_called_with_stored(make):
    stopped = Recorder(stop_at=3)
    with pytest.raises(RuntimeError, match="enough"):
        run(make(), stopped)
    assert stopped.calls[-1] == ("end",)
    stored = {(each.run.key, each.epochs_done) for each in make().results().snapshot.progress}
    for key, epoch in stopped.calls[1:-1]:
        assert any(key == other and epoch <= done for other, done in stored)
    assert run(make(), Recorder()).finished


@pytest.mark.parametrize("callbacks", [Recorder, [Recorder], "Recorder", 3, [None]], ids=repr)
def test_an_object_that_is_no_callback_is_refused_before_training(make, callbacks):
    with pytest.raises(InvalidArgument, match="callbacks"):
        run(make(), callbacks)
    assert not (make().folder / "study.db").exists()
