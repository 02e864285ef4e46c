"""Where files lie: the folders of today, and those of the first release."""

import shutil

import pytest

from disks import quick_folder
from dropstudy.errors import DamagedFile
from dropstudy.layout import FOLDERS, Layout
from dropstudy.store import Store
from standin import assert_finished, files_of, make_runs, same_tensors, segment_of, train, whole

DONE, UNDER_WAY = RUNS = make_runs("done", "under way")


@pytest.fixture
def folder():
    with quick_folder() as folder:
        with Store(folder, create=True) as store:
            store.begin({}, RUNS)
            store.commit([(DONE, whole(DONE)), (UNDER_WAY, train(segment_of(UNDER_WAY, epochs=2)))])
        yield folder


def as_the_first_release_had_it(folder):
    """Move every file to where it lay then: a folder for each run."""
    for what in ("weights", "predictions"):
        for path in (folder / what).iterdir():
            place = folder / "runs" / path.stem
            place.mkdir(parents=True, exist_ok=True)
            path.rename(place / f"{what}.safetensors")
    (checkpoint,) = (folder / "checkpoints").iterdir()
    place = folder / "runs" / UNDER_WAY.key
    place.mkdir(parents=True)
    checkpoint.rename(place / "checkpoint-2.safetensors")
    with Store(folder, write=True) as store, store._transaction():
        store._update(UNDER_WAY.key, {"checkpoint": "checkpoint-2.safetensors"})
    for name in FOLDERS:
        shutil.rmtree(folder / name, ignore_errors=True)


def test_a_study_of_the_first_release_is_read_and_gone_on_with(folder):
    state = train(segment_of(UNDER_WAY, epochs=2)).state
    as_the_first_release_had_it(folder)
    (folder / "runs" / UNDER_WAY.key / "checkpoint-1.safetensors").write_bytes(b"left by a kill")
    (folder / "runs" / UNDER_WAY.key / ".0123.tmp").write_bytes(b"left by a kill")
    with Store(folder, write=True) as store:
        assert store.lost() == ()
        assert same_tensors(
            store.weights(DONE.key),
            {
                name.removeprefix("weights/"): array
                for name, array in whole(DONE).state.items()
                if name.startswith("weights/")
            },
        )
        assert store.predictions(DONE.key)
        sizes = store.sizes()
        assert all(sizes[kind] > 0 for kind in ("weights", "predictions", "checkpoints"))
        store.begin({}, RUNS)
        place = folder / "runs" / UNDER_WAY.key
        assert [path.name for path in place.iterdir()] == ["checkpoint-2.safetensors"]
        done, kept = store.progress(UNDER_WAY.key)
        assert done == 2 * UNDER_WAY.shape.steps
        assert same_tensors(kept, state)
        store.commit([(UNDER_WAY, train(segment_of(UNDER_WAY, state=kept, first_epoch=2, epochs=3)))])
        assert list(place.iterdir()) == []
        assert_finished(store, UNDER_WAY)
        store.drop_weights([DONE.key])
        assert files_of(folder, DONE.key) == {f"runs/{DONE.key}/predictions.safetensors"}


def test_a_lost_file_of_the_first_release_is_named(folder):
    as_the_first_release_had_it(folder)
    (folder / "runs" / DONE.key / "predictions.safetensors").unlink()
    (folder / "runs" / UNDER_WAY.key / "checkpoint-2.safetensors").unlink()
    with Store(folder) as store:
        assert store.lost() == (DONE,)
        with pytest.raises(DamagedFile, match=r"checkpoint-2\.safetensors"):
            store.progress(UNDER_WAY.key)


def test_sizes_are_those_of_the_files(folder):
    sizes = Layout(folder).sizes()
    assert set(sizes) == {"database", *FOLDERS}
    on_disk = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert sum(sizes.values()) == on_disk
    assert sizes["weights"] == (folder / "weights" / f"{DONE.key}.safetensors").stat().st_size
    assert sizes["tracebacks"] == 0


def test_a_folder_that_is_not_there_has_no_sizes(tmp_path):
    assert set(Layout(tmp_path / "nowhere").sizes().values()) == {0}
    assert list(Layout(tmp_path / "nowhere").strays([])) == []
