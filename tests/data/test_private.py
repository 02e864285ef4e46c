"""Code is loaded from the cache only if no other user can have written it."""

import os
import stat
import tempfile

import pytest

import fast_command
from dropstudy.data import cache, private
from dropstudy.data.private import other_writers
from dropstudy.engine.native import build
from dropstudy.engine.native.library import VARIABLE
from dropstudy.report import vega
from dropstudy.runtime import process

OTHER_USER = 54321  # number of a user who does not run the tests

pytestmark = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="Windows keeps rights elsewhere")
as_superuser = pytest.mark.skipif(
    getattr(os, "geteuid", lambda: 1)() != 0, reason="only the superuser gives files away"
)


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """A cache that does not exist yet, and a place for temporary folders that is not in it."""
    folder = tmp_path / "above" / "cache"
    temporary = tmp_path / "temporary"
    temporary.mkdir(mode=0o700)
    monkeypatch.setenv("DROPSTUDY_CACHE", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    cache._temporary_folder.cache_clear()
    yield folder
    cache._temporary_folder.cache_clear()


def give_away(path):
    os.chown(path, OTHER_USER, OTHER_USER)


def open_to_all(path):
    path.chmod(0o777)


def open_to_a_group(path):
    os.chown(path, -1, OTHER_USER)
    path.chmod(0o770)


FAULTS = [
    pytest.param(give_away, "another user", marks=as_superuser),
    (open_to_all, "may write"),
    pytest.param(open_to_a_group, "may write", marks=as_superuser),
]


@pytest.mark.parametrize("old_mask", [0o000, 0o022])
def test_new_files_are_private_whatever_the_umask(own_cache, old_mask):
    before = os.umask(old_mask)
    try:
        folder = cache.code_folder("kernels")
        cache.store_code(folder / "code", b"code")
    finally:
        os.umask(before)
    made = [own_cache.parent, own_cache, folder]
    assert [stat.S_IMODE(each.stat().st_mode) for each in made] == [0o700] * 3
    assert cache.code_folder("kernels") == folder  # the modes of files do not matter in there
    assert cache.is_intact(folder / "code")
    assert cache.ownership_fault("kernels") == ""


@pytest.mark.parametrize("place", ["above", "above/cache", "above/cache/kernels", "above/cache/kernels/code"])
@pytest.mark.parametrize(("fault", "message"), FAULTS)
def test_no_code_is_loaded_from_where_others_may_write(own_cache, tmp_path, place, fault, message):
    cache.store_code(cache.code_folder("kernels") / "code", b"code")
    if place.endswith("code"):
        (own_cache / "kernels").chmod(0o755)  # else the file cannot be reached
    fault(tmp_path / place)
    folder = cache.code_folder("kernels")
    assert folder.parent.parent == tmp_path / "temporary"
    assert list(folder.iterdir()) == []
    assert other_writers(folder) == ""
    assert message in cache.ownership_fault("kernels")
    assert str(tmp_path / place) in cache.ownership_fault("kernels")


@pytest.mark.parametrize("place", ["above/cache/kernels", "above/cache/kernels/code"])
def test_no_link_is_followed_to_code(own_cache, tmp_path, place):
    cache.code_folder("kernels")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "code").write_text("code")
    link = tmp_path / place
    if link.is_dir():
        link.rmdir()
    link.symlink_to(elsewhere if place.endswith("kernels") else elsewhere / "code")
    assert own_cache not in cache.code_folder("kernels").parents
    assert "is a symbolic link" in cache.ownership_fault("kernels")


def test_workers_compile_for_themselves_without_a_private_folder(own_cache, tmp_path, monkeypatch):
    own_cache.parent.mkdir()
    for folder in (own_cache.parent, tmp_path / "temporary"):
        folder.chmod(0o777)
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    assert cache.code_folder("kernels") is None
    assert "no folder" in build.kernels().obstacle
    environment = process.environment("cpu")
    assert (environment["JAX_ENABLE_COMPILATION_CACHE"], environment[VARIABLE]) == ("False", "off")


@as_superuser
@pytest.mark.parametrize(("mapped", "trusted"), [("0 0 4294967295", False), ("1000 1000 1", True)])
def test_the_superuser_of_another_namespace_may_own_the_folders_above(
    own_cache, tmp_path, monkeypatch, mapped, trusted
):
    """His files belong to the overflow user where his number is not mapped."""
    (tmp_path / "uid_map").write_text(f"{mapped}\n")
    (tmp_path / "overflowuid").write_text(f"{OTHER_USER}\n")
    monkeypatch.setattr(private, "_UID_MAP", tmp_path / "uid_map")
    monkeypatch.setattr(private, "_OVERFLOW_UID", tmp_path / "overflowuid")
    private._hidden_superuser.cache_clear()
    cache.code_folder("kernels")
    give_away(own_cache.parent)
    assert (other_writers(own_cache) == "") is trusted
    give_away(own_cache)
    assert "another user" in other_writers(own_cache)
    private._hidden_superuser.cache_clear()


def test_a_cache_below_a_folder_with_the_sticky_bit_is_used(own_cache):
    own_cache.parent.mkdir()
    own_cache.parent.chmod(0o1777)  # as /tmp
    assert cache.code_folder("kernels") == own_cache / "kernels"
    assert cache.ownership_fault("kernels") == ""


def test_a_users_own_link_to_the_cache_is_followed_once(own_cache, tmp_path):
    (tmp_path / "real").mkdir()
    own_cache.parent.mkdir()
    own_cache.symlink_to(tmp_path / "real")
    assert cache.code_folder("kernels") == tmp_path / "real" / "kernels"


@as_superuser
def test_workers_load_no_library_and_no_programs_of_another_user(own_cache, monkeypatch):
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr("shutil.which", lambda _: None)  # nothing can be made in its place
    for name in (build.FOLDER, process.programs_folder()):
        planted = cache.code_folder(name) / f"{build._digest()}.so"
        cache.store_code(planted, b"another user's code, and its digest beside it")
        for path in (planted, cache.digest_file(planted)):
            give_away(path)
    environment = process.environment("cpu")
    assert environment[VARIABLE] == "off"
    assert not environment["JAX_COMPILATION_CACHE_DIR"].startswith(str(own_cache))
    assert "belongs to another user" in process.cache_fault()


@as_superuser
def test_a_page_has_no_script_of_another_user(own_cache, monkeypatch):
    monkeypatch.setattr(vega, "apart", lambda *_: "drawn")
    vega.script.cache_clear()
    assert vega.script() == "drawn"
    (script,) = own_cache.glob("scripts/*.js")
    cache.store_code(script, b"stolen")
    vega.script.cache_clear()
    assert vega.script() == "stolen"  # this user's own script is used
    give_away(script)
    vega.script.cache_clear()
    assert vega.script() == "drawn"
    vega.script.cache_clear()


@pytest.mark.slow
def test_an_unsafe_cache_is_reported_once(own_cache, tmp_path):
    cache.code_folder("kernels")
    own_cache.chmod(0o777)
    done = fast_command.run("run", *fast_command.SETTINGS, "--out", tmp_path / "study")
    assert done.code == 0, done.err
    assert f"{done.out}{done.err}".count(f"other users may write to {own_cache}") == 1
