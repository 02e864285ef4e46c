import tempfile

import pytest

from dropstudy.data import cache


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("DROPSTUDY_CACHE", str(folder))
    return folder


@pytest.fixture
def no_cache(tmp_path, monkeypatch):
    """A cache folder that cannot be made, not even by the superuser: its parent is a file."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DROPSTUDY_CACHE", str(tmp_path / "file" / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    cache._temporary_folder.cache_clear()
    yield tmp_path / "file" / "cache"
    cache._temporary_folder.cache_clear()


def test_the_environment_variable_names_the_cache(own_cache):
    assert cache.cache_folder() == own_cache
    assert own_cache.is_dir()


def test_the_default_cache_is_the_users(tmp_path, monkeypatch):
    monkeypatch.delenv("DROPSTUDY_CACHE")
    monkeypatch.setattr(cache, "user_cache_dir", lambda name: str(tmp_path / "users" / name))
    assert cache.cache_folder() == tmp_path / "users" / "dropstudy"


def test_an_empty_variable_counts_as_unset(tmp_path, monkeypatch):
    monkeypatch.setenv("DROPSTUDY_CACHE", "")
    monkeypatch.setattr(cache, "user_cache_dir", lambda name: str(tmp_path / "users" / name))
    assert cache.cache_folder() == tmp_path / "users" / "dropstudy"


def test_a_temporary_folder_replaces_a_cache_that_cannot_be_written(no_cache):
    folder = cache.cache_folder()
    assert folder.is_dir()
    assert folder.parent == no_cache.parent.parent
    assert cache.cache_folder() == folder  # one for the whole process
    assert cache.cache_folders() == (no_cache, folder)
    assert cache.download_folders("mnist")[-1] == folder / "downloads" / "mnist"
