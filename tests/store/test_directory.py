"""A study's folder: what it says after a kill at any point while a study begins or grows, and on another machine."""

import pytest

from dropstudy import Study
from dropstudy.core import hardware
from dropstudy.errors import DamagedFile, StoreError
from dropstudy.spec import plan
from dropstudy.spec.study_file import STUDY_FILE, is_study, read_spec
from dropstudy.store import record
from dropstudy.store.directory import merged_with_stored, read_metadata
from dropstudy.store.record import environment, environment_changes
from dropstudy.store.store import DATABASE, Store
from file_systems import quick_folder
from kill_points import create_study, grow_study, kill_at_every_point, prepare_study


@pytest.fixture
def place():
    with quick_folder() as place:
        yield place / "study"


def what_it_says(place):
    """Everything that a folder records about a study."""
    with Store(place) as store:
        return store.meta, store.runs(), store.status(), (place / STUDY_FILE).read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_study_killed_at_any_point_of_its_creation_or_growth_ends_as_without_the_kill():
    """SIGKILL before each action. The recorded settings stay, the data fallback too."""
    with quick_folder() as places:
        killed, points, survivor = kill_at_every_point("grow", places)
        straight = what_it_says(survivor)
        assert straight[0]["fallback"] is True
        assert "fallback: True" in straight[3]
        assert any(point.endswith(f" {STUDY_FILE}") for point in points)
        for place, before in killed:
            if is_study(place):  # then the database says at least as much, and whoever looks is told so
                assert read_metadata(place)["fallback"] is True, before
                asked = read_spec(place / STUDY_FILE)
                assert set(asked.arms) <= set(merged_with_stored(place, asked).arms), before
            grow_study(place)
            assert what_it_says(place) == straight, before
            assert [path.name for path in place.iterdir() if path.name.endswith(".tmp")] == [], before


def test_a_kill_between_database_and_study_file_is_repaired_by_the_next_command(place):
    """The file is what it was before the study grew; the database has the runs."""
    create_study(place)
    before = (place / STUDY_FILE).read_text(encoding="utf-8")
    grow_study(place)
    after = (place / STUDY_FILE).read_text(encoding="utf-8")
    assert before != after
    (place / STUDY_FILE).write_text(before, encoding="utf-8")
    with Store(place, write=True) as store:
        store.record({"study_file_due": True})
    spec = merged_with_stored(place, read_spec(place / STUDY_FILE))
    assert [arm.rate for arm in spec.arms] == [0, 0.5, 0.8]
    prepare_study(place, epochs=2)  # asks for less than there is
    assert (place / STUDY_FILE).read_text(encoding="utf-8") == after
    assert read_metadata(place)["study_file_due"] is False


def test_a_missing_study_file_is_written_again(place):
    create_study(place)
    text = (place / STUDY_FILE).read_text(encoding="utf-8")
    (place / STUDY_FILE).unlink()
    create_study(place)
    assert (place / STUDY_FILE).read_text(encoding="utf-8") == text


@pytest.mark.parametrize("loop", [False, True])
def test_a_study_without_its_file_is_read_from_its_folder(place, loop):
    create_study(place)
    before = Study.open(place)
    (place / STUDY_FILE).unlink()
    if loop:
        (place / STUDY_FILE).symlink_to(place / STUDY_FILE)
    for study in (Study.open(place), Study(place)):
        assert (study.folder, study.spec) == (place, before.spec)
        assert not study.finished  # so that `run` writes the file again
    assert Study(place, epochs=2, rates=[0, 0.9]).spec.arms[-1].rate == 0.9
    create_study(place)
    assert is_study(place)


def test_an_empty_database_is_that_of_a_new_study(place):
    Store(place, create=True).close()
    assert environment_changes(place, environment("cpu")) == []
    create_study(place)
    with Store(place) as store:
        assert len(store.runs()) == 2


def test_a_damaged_database_stops_a_study_before_training_and_nothing_is_written(place):
    create_study(place)
    content = (place / DATABASE).read_bytes()
    damaged = content[: len(content) // 2]
    (place / DATABASE).write_bytes(damaged)
    with pytest.raises(DamagedFile, match=DATABASE):
        create_study(place)
    assert (place / DATABASE).read_bytes() == damaged


# Another machine, another version


def test_the_same_environment_gives_no_notice(place):
    assert environment_changes(place, environment("cpu")) == []
    create_study(place)
    assert environment_changes(place, environment("cpu")) == []


def test_a_changed_library_device_or_processor_is_reported_once_and_the_study_continues(place, monkeypatch):
    create_study(place)
    monkeypatch.setattr(record, "version", lambda name: "99.0" if name == "jax" else "0.1.0")
    monkeypatch.setattr(record, "processor", lambda: "Abacus 9000")
    (change,) = environment_changes(place, environment("gpu"))
    for words in ("jax ", ", now 99.0", "device cpu, now gpu", f"{hardware.processor()}, now Abacus 9000"):
        assert words in change
    assert "dropstudy" not in change
    prepare_study(place, epochs=2)
    # Reported once: the database records the last environment.
    assert environment_changes(place, environment("cpu")) == []
    assert read_metadata(place)["jax"] != "99.0"  # what it began with stays on record
    assert read_metadata(place)["environment"]["jax"] == "99.0"


def test_a_study_of_another_semantics_version_is_shown_but_not_continued(place, monkeypatch):
    create_study(place)
    monkeypatch.setattr(plan, "SEMANTICS", plan.SEMANTICS + 1)
    with pytest.raises(StoreError, match=r"rules in docs/semantics.*made by version \d+.*`out`"):
        create_study(place)
    with Store(place) as store:
        assert len(store.runs()) == 2
