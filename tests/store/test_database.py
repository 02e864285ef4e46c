"""Database: which files are accepted, and how an older one is migrated."""

import shutil
import sqlite3
from contextlib import closing
from functools import partial

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dropstudy.errors import DamagedFile, StoreError
from dropstudy.store import database, migrations
from dropstudy.store.store import DATABASE, Store
from fake_training import complete_result, make_run, make_runs, run_key
from file_systems import small_disk


@pytest.fixture
def path(tmp_path):
    """A study's database with a run in it, finished."""
    run = make_run()
    with Store(tmp_path, create=True) as store:
        store.begin({"data": "digits"}, [run])
        store.commit([(run, complete_result(run))])
    return tmp_path / DATABASE


def tables(path):
    with closing(sqlite3.connect(path)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def version(path):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("PRAGMA user_version").fetchone()[0]


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def assert_refused(path, error, match):
    """Refused with a message that names the file; not one byte has changed, and nothing keeps it open."""
    before = contents(path.parent)
    for open_ in (database.connect, partial(database.connect, create=True), database.snapshot):
        with pytest.raises(error, match=match) as caught:
            open_(path)
        assert str(path) in str(caught.value)
        assert contents(path.parent) == before
        assert str(path) not in [file.path for file in psutil.Process().open_files()]


# Files that are accepted as a database


def test_a_new_database_is_made_only_when_asked(tmp_path):
    path = tmp_path / "new" / DATABASE
    with pytest.raises(StoreError, match=r"no such file.*dropstudy run"):
        database.connect(path)
    assert not path.parent.exists()
    database.connect(path, create=True).close()
    assert tables(path) == {"meta", "run", "history"}
    assert version(path) == len(migrations.MIGRATIONS)
    assert [entry.name for entry in path.parent.iterdir()] == [DATABASE]


@pytest.mark.parametrize(
    "name", ["two words", "Übung 学習 🎲", "n" * 200, "a?mode=ro#b%20c", "file:x", ":memory:"]
)
def test_any_folder_name_will_do(tmp_path, name):
    with Store(tmp_path / name, create=True) as store:
        store.begin({"data": name}, [make_run()])
    assert [entry.name for entry in tmp_path.iterdir()] == [name]
    assert [entry.name for entry in (tmp_path / name).iterdir()] == [DATABASE]
    with Store(tmp_path / name) as store:
        assert store.meta == {"data": name}


def test_a_newer_schema_is_refused(path):
    newer = len(migrations.MIGRATIONS) + 1
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {newer}")
    assert_refused(path, StoreError, rf"version {newer}, written by a newer dropstudy.*Update")


@pytest.mark.parametrize("content", ["CREATE TABLE run (key TEXT)", "PRAGMA user_version = 1"])
def test_another_programs_database_is_refused(tmp_path, content):
    path = tmp_path / DATABASE
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(content)
    assert_refused(path, StoreError, "another SQLite database")


@pytest.mark.parametrize("size", [0, 1, 511])
def test_an_empty_file_is_not_mistaken_for_a_new_database(path, size):
    path.write_bytes(path.read_bytes()[:size])
    assert_refused(path, DamagedFile, f"a file of {size} bytes")


@pytest.mark.parametrize("content", [b"<html>not a database</html>" * 100, bytes(5000)])
def test_a_file_that_is_no_database_is_refused(path, content):
    path.write_bytes(content)
    assert_refused(path, DamagedFile, "the database that was written")


def test_a_folder_instead_of_the_database_is_refused(tmp_path):
    (tmp_path / DATABASE).mkdir()
    for create in (False, True):
        with pytest.raises(StoreError, match=DATABASE):
            database.connect(tmp_path / DATABASE, create=create)
    assert [entry.name for entry in tmp_path.iterdir()] == [DATABASE]


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match=r"file/study\.db.*a folder that can be written"):
        database.connect(tmp_path / "file" / DATABASE, create=True)


def test_a_path_too_long_for_sqlite_is_refused_and_nothing_is_created(tmp_path):
    place = tmp_path
    while len(str(place)) < 600:
        place /= "n" * 50
    with pytest.raises(StoreError, match=rf"at most 480 bytes.*SQLite.*one of {len(str(place)) + 9}\."):
        database.connect(place / DATABASE, create=True)
    assert list(tmp_path.iterdir()) == []
    place = tmp_path
    while (left := 480 - len(str(place / "n" / DATABASE))) >= 0:
        place /= "n" * min(left + 1, 90)
    database.connect(place / DATABASE, create=True).close()
    assert len(str(place / DATABASE)) in {479, 480}


# Damage


@pytest.mark.parametrize("kept", [0.3, 0.7, 0.95])
def test_a_cut_database_is_refused_and_not_written_to(path, kept):
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    assert_refused(path, StoreError, "database")


@given(data=st.data())
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_bytes_in_any_page_are_refused(tmp_path_factory, path, data):
    folder = tmp_path_factory.mktemp("rubbish")
    content = bytearray(path.read_bytes())
    page = data.draw(st.integers(0, len(content) // 4096 - 1))
    content[page * 4096 : (page + 1) * 4096] = data.draw(st.binary(min_size=1, max_size=64)).ljust(
        4096, b"\xaa"
    )
    (folder / DATABASE).write_bytes(content)
    assert_refused(folder / DATABASE, StoreError, "database")


@pytest.mark.parametrize("put", [b"\xe5", b"\x1b", b"\n", b")", b"\x00"])
def test_damage_to_the_schema_is_reported_in_one_printable_line(path, put):
    """SQLite's own message quotes them, in whatever encoding they are in now."""
    content = path.read_bytes()
    path.write_bytes(content.replace(b"CREATE TABLE meta (n", b"CREATE TABLE meta " + put + b"n"))
    assert path.read_bytes() != content
    for open_ in (database.connect, database.snapshot):
        with pytest.raises(DamagedFile, match="the database that was written") as refusal:
            open_(path)
        assert str(refusal.value).isprintable()


def test_a_database_of_a_format_that_sqlite_does_not_know_is_refused(path):
    content = bytearray(path.read_bytes())
    content[44:48] = (9).to_bytes(4, "big")  # the schema's format; SQLite calls it an error of the statement
    path.write_bytes(content)
    assert_refused(path, DamagedFile, "unsupported file format")


def test_a_damaged_older_database_is_refused_before_it_is_migrated(path, monkeypatch):
    content = bytearray(path.read_bytes())
    content[4096:8192] = b"\xaa" * 4096
    path.write_bytes(content)
    monkeypatch.setattr(migrations, "MIGRATIONS", (*migrations.MIGRATIONS, ("CREATE TABLE more (x)",)))
    assert_refused(path, DamagedFile, "the database that was written")


def test_damage_found_while_it_is_open_is_named(path):
    with Store(path.parent, write=True) as store:
        content = bytearray(path.read_bytes())
        content[24:28] = b"\xff" * 4  # the file's change counter: pages in memory are out of date
        path.write_bytes(content[:4096] + b"\xaa" * (len(content) - 4096))
        with pytest.raises(DamagedFile, match="the database that was written") as caught:
            store.begin({"more": 1}, make_runs("another"))
    assert str(path) in str(caught.value)


# Older schemas

NEXT = ("ALTER TABLE run ADD COLUMN note TEXT", "CREATE TABLE more (x INTEGER) STRICT")


def test_an_older_database_is_backed_up_and_migrated(path, monkeypatch):
    old = len(migrations.MIGRATIONS)
    with Store(path.parent) as store:
        history = store.histories().get(run_key("arm"), ())
    monkeypatch.setattr(
        migrations, "MIGRATIONS", (*migrations.MIGRATIONS, NEXT, ("INSERT INTO more VALUES (1)",))
    )
    with Store(path.parent, write=True) as store:
        assert store.histories().get(run_key("arm"), ()) == history
    assert version(path) == old + 2
    assert "more" in tables(path)
    backup = path.with_name(f"study.v{old}.backup.db")
    assert version(backup) == old
    assert "more" not in tables(backup)
    monkeypatch.undo()
    backup.rename(path)
    with Store(path.parent) as store:
        assert store.histories().get(run_key("arm"), ()) == history


def test_a_current_database_is_not_backed_up(path):
    before = contents(path.parent)
    Store(path.parent, write=True).close()
    assert contents(path.parent) == before


@pytest.mark.parametrize("broken", ["INSERT INTO nowhere VALUES (1)", "CREATE TABLE more (y)", "rubbish"])
def test_a_migration_that_fails_leaves_the_old_database(path, monkeypatch, broken):
    old = len(migrations.MIGRATIONS)
    before = path.read_bytes()
    monkeypatch.setattr(migrations, "MIGRATIONS", (*migrations.MIGRATIONS, NEXT, (broken,)))
    with pytest.raises(sqlite3.OperationalError):  # a bug of ours: no advice would help
        Store(path.parent, write=True)
    assert path.read_bytes() == before
    monkeypatch.undo()
    with Store(path.parent) as store:
        assert len(store.histories().get(run_key("arm"), ())) == 5
    assert version(path) == old


def test_one_of_two_processes_migrates_an_older_database(path, monkeypatch):
    """The second found it old before the first was done, and must not do it again."""
    monkeypatch.setattr(migrations, "MIGRATIONS", (*migrations.MIGRATIONS, NEXT))
    slow = sqlite3.connect(path, isolation_level=None)
    with closing(slow):
        assert version(path) < len(migrations.MIGRATIONS)
        database.connect(path).close()
        migrations.migrate(slow, path)
    assert version(path) == len(migrations.MIGRATIONS)


def test_no_room_for_the_backup_leaves_the_old_database(tmp_path, path, monkeypatch):
    with small_disk(tmp_path / "disk", 64) as disk:
        shutil.copy(path, disk / DATABASE)
        room = 64 * 1024 - path.stat().st_size
        (disk / "filler").write_bytes(bytes(room - 8 * 1024))
        before = path.read_bytes()
        with monkeypatch.context() as context:
            context.setattr(migrations, "MIGRATIONS", (*migrations.MIGRATIONS, NEXT))
            with pytest.raises(StoreError, match=r"room for [\d,]+ bytes"):
                database.connect(disk / DATABASE)
        assert (disk / DATABASE).read_bytes() == before
        (disk / "filler").unlink()
        database.connect(disk / DATABASE).close()


# Safety of what it promises


def test_a_commit_is_on_disk_before_anything_that_follows_it(path):
    """EXTRA (3) syncs the folder after the journal goes, which FULL (2) does not."""
    with closing(database.connect(path)) as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (3,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        assert connection.execute("PRAGMA foreign_keys").fetchone() == (1,)
