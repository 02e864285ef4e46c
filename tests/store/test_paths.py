"""Paths of a study's files; foreign files are never removed or written."""

import shutil

import pytest

from dropstudy.core.atomic import temporary_path
from dropstudy.errors import StoreError
from dropstudy.runtime import removal
from dropstudy.spec.study_file import STUDY_FILE
from dropstudy.store.directory import has_database
from dropstudy.store.paths import FOLDERS, WRITTEN, StudyPaths
from dropstudy.store.store import DATABASE, Store
from fake_training import complete_result, make_runs, run_key, segment_of, train
from file_systems import quick_folder
from kill_points import create_study

DONE, UNDER_WAY, FAILED = RUNS = make_runs("done", "under way", "failed")


@pytest.fixture
def folder():
    with quick_folder() as folder:
        with Store(folder, create=True) as store:
            store.begin({}, RUNS)
            store.commit([(DONE, complete_result(DONE)), (UNDER_WAY, train(segment_of(UNDER_WAY, epochs=2)))])
            store.fail(FAILED, "ValueError: no", "Traceback")
        yield folder


def files(folder):
    """Every file below a folder, with its content."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


KEY = run_key("foreign")
THEIRS = (
    "download.tmp",
    ".0123456789abcdef.tmp",
    "checkpoints/best.ckpt",
    f"checkpoints/{KEY}.safetensors",
    f"checkpoints/{KEY}-0123456789abcdef.safetensors.bak",
    f"checkpoints/x{KEY}-0123456789abcdef.safetensors",
    f"checkpoints/sub/{KEY}-0123456789abcdef.safetensors",
    "runs/exp1/checkpoint-500.pt",
    "runs/exp1/.0123456789abcdef.tmp",
    "weights/mine.keras",
    "weights/.download.tmp",
    "predictions/table.csv",
    "tracebacks/notes.txt",
    "figures/my_plot.png",
    "figures/gap.jpg",
)
"""Files that a study's folder may hold besides, each for a name that is nearly one of ours."""


def put_theirs(folder):
    for name in THEIRS:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("mine")
    return {folder / name for name in THEIRS}


def test_resuming_removes_files_left_by_a_kill_and_nothing_else(folder):
    (folder / "logs").mkdir(exist_ok=True)  # only training functions have logs
    theirs, before = put_theirs(folder), files(folder)
    scraps = [temporary_path(folder / name) for name in ("", *FOLDERS, "figures")]
    scraps.append(folder / "checkpoints" / f"{KEY}-0123456789abcdef.safetensors")
    for scrap in scraps:
        scrap.write_bytes(b"left by a kill")
    with Store(folder, write=True) as store:
        store.begin({}, RUNS)
    after = files(folder)
    assert after.keys() == before.keys() >= theirs
    assert all(after[path] == before[path] for path in before if path.name != DATABASE)


def test_a_study_in_a_folder_named_checkpoints_keeps_its_database(folder):
    place = folder / "checkpoints" / "checkpoints"
    with Store(place, create=True) as store:
        store.begin({}, RUNS)
        store.begin({}, RUNS)
        assert store.runs() == RUNS
    assert (place / DATABASE).is_file()


@pytest.mark.parametrize(
    "name", ["checkpoints", "weights", "predictions", "tracebacks", "figures", "confirmation"]
)
def test_nothing_is_written_or_removed_through_a_link(folder, tmp_path, name):
    """Files of our own form behind a link are those of another study."""
    shutil.rmtree(folder / name, ignore_errors=True)
    victim = tmp_path / "victim"
    shutil.copytree(folder, victim / "8-100" if name == "confirmation" else victim)
    victim.joinpath(f"{KEY}-0123456789abcdef.safetensors").write_text("mine")
    victim.joinpath(f"{DONE.key}.safetensors").write_text("mine")
    victim.joinpath("gap.png").write_text("mine")
    temporary_path(victim).write_text("mine")
    before = files(victim)
    (folder / name).symlink_to(victim)
    with pytest.raises(StoreError, match=rf"{name}: expected a file or folder of the study's own.*a link"):
        Store(folder, write=True)
    assert list(StudyPaths(folder).strays(())) == (
        [] if name == "checkpoints" else StudyPaths(folder).own("checkpoints")
    )
    (folder / STUDY_FILE).touch()
    assert removal.remove_study(folder) == [name]
    assert files(victim) == before


def test_removing_a_link_leaves_its_target(folder, tmp_path):
    victim = tmp_path / "victim.txt"
    victim.write_text("mine")
    names = (*WRITTEN, STUDY_FILE, "study.lock", "study.holder", "study.v1.backup.db", "figures/gap.png")
    (folder / "figures").mkdir()
    for name in names:
        (folder / name).symlink_to(victim)
    (folder / "study.lock").unlink()
    assert removal.remove_study(folder) == []
    assert not folder.exists()
    assert victim.read_text() == "mine"


def test_a_removal_leaves_foreign_files_and_names_them(folder):
    (folder / STUDY_FILE).touch()
    theirs = put_theirs(folder)
    left = removal.remove_study(folder)
    assert set(files(folder)) == theirs
    assert set(left) == {name for name in THEIRS if name.count("/") < 2 and "runs" not in name} | {
        "runs", "checkpoints/sub"
    }  # fmt: skip


@pytest.mark.parametrize(
    "name", [*WRITTEN, "checkpoints/best.ckpt", "weights/mine.keras", "runs/a", "figures/a"]
)
def test_a_study_is_not_created_among_foreign_files(tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    before = files(tmp_path)
    with pytest.raises(StoreError, match=r"without files under the names that a study uses.*`out`"):
        create_study(tmp_path)
    assert files(tmp_path) == before
    assert not has_database(tmp_path)


def test_a_study_is_created_again_where_its_database_is_missing(tmp_path):
    create_study(tmp_path)
    (tmp_path / DATABASE).unlink()
    for name in (f"weights/{DONE.key}.safetensors", "report.html"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("ours")
    create_study(tmp_path)
    assert has_database(tmp_path)


def test_sizes_are_those_of_the_files(folder):
    sizes = StudyPaths(folder).sizes()
    assert set(sizes) == {"database", *FOLDERS}
    assert sum(sizes.values()) == sum(len(content) for content in files(folder).values())
    assert sizes["weights"] == (folder / "weights" / f"{DONE.key}.safetensors").stat().st_size
    assert sizes["tracebacks"] == len("Traceback")


def test_a_missing_folder_has_no_sizes(tmp_path):
    assert set(StudyPaths(tmp_path / "nowhere").sizes().values()) == {0}
    assert list(StudyPaths(tmp_path / "nowhere").strays(())) == []
