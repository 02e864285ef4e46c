"""A first estimate of the time, before anything is measured."""

import pytest

from dropstudy import Study
from dropstudy.core.hardware import processor
from dropstudy.runtime import first_estimate as module
from dropstudy.runtime.first_estimate import first_estimate
from dropstudy.store.store import Store
from fake_training import InlineExecutor
from sources import trained_at_once


def first(study, **how):
    """The first estimate of a dry run."""
    seen = []
    study.dry_run(executor=InlineExecutor(), on_first=seen.append, **how)
    return seen[0]


def speed(folder):
    """Seconds of an epoch in each run of a study."""
    with Store(folder) as store:
        return [each.last.seconds for each in store.progress()]


def test_earlier_runs_of_this_machine_tell_the_time_of_others(monkeypatch, tmp_path):
    old = trained_at_once(monkeypatch, tmp_path / "old", seeds=3)
    planned = first(Study(old.folder / "study.toml", out=tmp_path / "new", seeds=10), workers=2)
    assert "earlier runs on this machine" in str(planned)
    assert str(planned).endswith("Some seconds of training are being measured.")
    seconds = sorted(speed(old.folder))
    assert seconds[0] <= planned.seconds / (3 * 20 / 2) <= seconds[-1]
    grown = first(Study(old.folder, seeds=10), workers=2)
    assert len(grown.missing) == 14
    assert seconds[0] <= grown.seconds / (3 * 14 / 2) <= seconds[-1]
    monkeypatch.setattr(module, "processor", lambda: f"not {processor()}")
    assert "guessed" in first(Study(old.folder, seeds=10)).basis


def test_without_earlier_runs_the_time_follows_from_the_size(monkeypatch, tmp_path):
    study = trained_at_once(monkeypatch, tmp_path / "studies" / "one", seeds=1)
    with Store(study.folder) as store:
        runs = store.runs()
    nowhere = tmp_path / "elsewhere" / "two"
    (alone, basis), (both, _) = (first_estimate(nowhere, runs[:n], 1, "cpu") for n in (1, 2))
    assert "guessed" in basis
    assert 0 < alone < both == pytest.approx(2 * alone)
    assert first_estimate(nowhere, runs, 2, "cpu")[0] == pytest.approx(alone)
    assert first_estimate(nowhere, runs, 1, "gpu") is None


def test_a_study_that_cannot_be_read_is_left_out(monkeypatch, tmp_path):
    study = trained_at_once(monkeypatch, tmp_path / "one", seeds=1)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "study.db").write_text("no database" * 99)
    assert "earlier runs" in first(Study(study.folder / "study.toml", out=tmp_path / "new")).basis
