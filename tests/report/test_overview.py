"""The studies below a folder in a line each: state, runs, verdict, time left."""

import time

import pytest

from dropstudy import Callback, Study
from dropstudy.report.overview import moment, overview
from dropstudy.store.directory import find_studies
from dropstudy.store.locking import lock
from dropstudy.store.store import Store
from sources import trained_at_once


def stopped_after(runs):
    """Callback that interrupts a study once so many of its runs have ended."""

    class Stopping(Callback):
        ended = 0

        def on_run_end(self, *_):
            self.ended += 1
            if self.ended == runs:
                raise KeyboardInterrupt

    return Stopping()


@pytest.fixture
def study(monkeypatch, tmp_path):
    monkeypatch.setattr("dropstudy.runtime.scheduler.COMMIT_INTERVAL", 0.0)
    return trained_at_once(monkeypatch, tmp_path / "study", name="made up")


def test_a_finished_study_has_the_decision_of_its_report_as_long_as_that_is_current(study):
    assert overview(study.folder).decision is None
    study.report()
    found = overview(study.folder)
    assert (found.state, found.runs, found.done, found.seconds_left) == ("finished", 12, 12, None)
    assert found.decision == study.verdict().decision
    assert found.share == 1
    assert (found.data, found.networks) == ("digits", "4")
    assert abs(found.updated_at - time.time()) < 600
    Study(study.folder, seeds=7).run(verbose=False)
    assert overview(study.folder).decision is None
    assert overview(study.folder).runs == 14


def test_a_study_that_was_interrupted_has_its_runs_and_the_time_of_the_others(study):
    larger = Study(study.folder, seeds=20)
    with pytest.raises(KeyboardInterrupt):
        larger.run(verbose=False, callbacks=stopped_after(3))
    found = overview(study.folder)
    assert found.state == "interrupted"
    assert found.runs == 40
    assert 12 < found.done < 40
    assert found.done / 40 <= found.share < 1
    with Store(study.folder) as store:
        seconds = {each.last.seconds for each in store.progress() if each.last}
    longest = 3 * max(seconds) * (40 - found.done)
    assert 0 < found.seconds_left <= longest
    with lock(study.folder):
        assert overview(study.folder).state == "running"


def test_runs_that_failed_are_counted(study):
    with Store(study.folder, write=True) as store:
        runs = store.runs()[:2]
        store.restart(runs)
        for run in runs:
            store.fail(run, "no luck", "")
    found = overview(study.folder)
    assert (found.state, found.done) == ("2 failed", 10)


def test_what_was_not_started_and_what_cannot_be_read_is_said(study, tmp_path):
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    (fresh / "study.toml").write_bytes((study.folder / "study.toml").read_bytes())
    assert overview(fresh).state == "not started"
    database = study.folder / "study.db"
    database.write_bytes(database.read_bytes()[:5000])
    damaged = overview(study.folder)
    assert damaged.state == "unreadable"
    assert str(database) in damaged.problem


def test_studies_are_found_below_a_folder_and_not_inside_others_or_behind_links(tmp_path):
    def put(*names):
        path = tmp_path.joinpath(*names)
        path.mkdir(parents=True)
        (path / "study.toml").write_text("")
        return path

    one, two = put("b"), put("a", "deep", "er")
    put("b", "confirmation")
    put(".hidden", "study")
    put("far", "too", "deep", "down")
    (tmp_path / "link").symlink_to(one)
    assert find_studies(tmp_path) == [two, one]
    assert find_studies(one) == [one]
    assert find_studies(tmp_path / "nowhere") == []
    (tmp_path / "a" / "elsewhere").symlink_to(tmp_path)
    assert find_studies(tmp_path / "a" / "elsewhere") == [
        tmp_path / "a" / "elsewhere" / path.relative_to(tmp_path) for path in (two, one)
    ]


def test_a_time_of_today_is_a_time_and_another_one_a_date():
    now = time.time()
    assert moment(now) == time.strftime("%H:%M", time.localtime(now))
    assert moment(now - 3 * 86_400) == time.strftime("%Y-%m-%d", time.localtime(now - 3 * 86_400))
