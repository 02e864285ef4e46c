"""Digests in the database: a flipped bit is found, or changes nothing that is read."""

import math
import random
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropstudy.errors import DamagedFile, StoreError
from dropstudy.store import ledger, migrations
from dropstudy.store.store import DATABASE, Store
from fake_training import complete_result, make_runs, run_key, segment_of, train
from file_systems import quick_folder

DONE, UNDER_WAY, DIVERGED, FAILED, PLANNED = RUNS = make_runs(
    "done", "under way", "diverged", "failed", "planned"
)
META = {"data": "digits", "scale": 16.0, "fallback": False}


@pytest.fixture(scope="module")
def folder():
    """A study with a run of each status."""
    with quick_folder() as folder:
        with Store(folder, create=True) as store:
            store.begin(META, RUNS)
            lost = train(segment_of(DIVERGED, epochs=2))
            lost = replace(
                lost, history=(lost.history[0], replace(lost.history[1], loss=math.nan)), diverged=True
            )
            store.commit(
                [
                    (DONE, complete_result(DONE)),
                    (UNDER_WAY, train(segment_of(UNDER_WAY, epochs=2))),
                    (DIVERGED, lost),
                ]
            )
            store.fail(FAILED, "ValueError: no", "Traceback")
        yield folder


def everything(folder):
    """All that can be asked of a study's database. Of the order of runs, which no digest covers, nothing."""
    with Store(folder) as store:
        return repr(
            (
                sorted(store.meta.items()),
                sorted(store.status().items()),
                sorted(map(repr, store.runs())),
                sorted(map(repr, store.progress())),
                sorted(map(repr, store.finals())),
                sorted(store.failures()),
                sorted(store.histories().items()),
                [[row.seconds for row in rows] for _, rows in sorted(store.histories().items())],
            )
        )


@pytest.mark.slow
def test_a_flipped_bit_anywhere_in_the_database_is_found_or_changes_nothing(folder):
    path = folder / DATABASE
    content = path.read_bytes()
    before = everything(folder)
    draw = random.Random(0)  # noqa: S311 - no secret
    found = 0
    try:
        for place in draw.sample(range(8 * len(content)), 800):
            flipped = bytearray(content)
            flipped[place // 8] ^= 1 << place % 8
            path.write_bytes(flipped)
            try:
                after = everything(folder)
            except StoreError as error:
                found += str(path) in str(error)
            else:
                assert after == before, f"bit {place} changes what is read and is not found"
    finally:
        path.write_bytes(content)
    assert found > 100  # most of a small database is empty space


COLUMNS = [
    ("run", "test_accuracy", f"key = '{run_key('done')}'"),
    ("run", "epochs_done", f"key = '{run_key('under way')}'"),
    ("run", "status", f"key = '{run_key('planned')}'"),
    ("run", "error", f"key = '{run_key('failed')}'"),
    ("run", "specification", f"key = '{run_key('done')}'"),
    ("meta", "value", "name = 'scale'"),
    ("history", "val_accuracy", f"key = '{run_key('done')}' AND epoch = 3"),
    ("history", "loss", f"key = '{run_key('diverged')}' AND epoch = 2"),
    ("history", "seconds", f"key = '{run_key('under way')}' AND epoch = 1"),
]


@pytest.mark.parametrize(("table", "column", "where"), COLUMNS, ids=lambda value: value.split()[0])
def test_a_changed_value_is_named_with_its_run_or_metadata(folder, tmp_path, table, column, where):
    with (
        sqlite3.connect(tmp_path / DATABASE) as copy,
        closing(sqlite3.connect(folder / DATABASE)) as original,
    ):
        original.backup(copy)
        value = "'other'" if column in {"status", "error", "value"} else "1"
        value = f"replace({column}, 'relu', 'tanh')" if column == "specification" else value
        changed = copy.execute(f"UPDATE {table} SET {column} = {value} WHERE {where}")  # noqa: S608 - our own words
        assert changed.rowcount == 1
    copy.close()
    name = where.split("'")[1]
    name = next((run.arm.name for run in RUNS if run.key == name), name)
    with pytest.raises(DamagedFile, match=rf"study\.db.*'{name}'"):
        everything(tmp_path)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("DELETE FROM history WHERE epoch = 5", 4),
        ("DELETE FROM history WHERE epoch < 3", 3),
        ("DELETE FROM history", 0),
    ],
)
def test_a_history_with_missing_rows_is_found(folder, tmp_path, change, found):
    with (
        sqlite3.connect(tmp_path / DATABASE) as copy,
        closing(sqlite3.connect(folder / DATABASE)) as original,
    ):
        original.backup(copy)
        copy.execute(change)
    copy.close()
    with pytest.raises(DamagedFile, match=f"{found} of 5 epochs in the row of 'done', seed 0"):
        Store(tmp_path)


def test_the_digest_of_a_history_covers_its_columns_in_table_order(folder):
    """As `ledger` reads them, all columns, and as `recorded` asks for them, by name."""
    with Store(folder) as store:
        rows = ledger.history_rows(store._db, DONE.key)
        assert [tuple(vars(row).values()) for row in store.histories().get(DONE.key, ())] == rows


@given(st.lists(st.tuples(st.integers(1, 9), st.none() | st.floats(allow_nan=False)), max_size=4), st.data())
def test_different_rows_have_different_digests(rows, data):
    digest = ledger.history_digest(rows)
    other = data.draw(st.permutations(rows)) if rows else [(1, 0.0)]
    assert (ledger.history_digest(other) == digest) == (repr(other) == repr(rows))
    assert ledger.history_digest([*rows, (10, None)]) != digest


def test_a_migrated_database_has_new_digests(folder, tmp_path, monkeypatch):
    shutil.copy(folder / DATABASE, tmp_path / DATABASE)
    more = ("ALTER TABLE run ADD COLUMN note TEXT", "UPDATE meta SET value = '1.0' WHERE name = 'scale'")
    monkeypatch.setattr(migrations, "MIGRATIONS", (*migrations.MIGRATIONS, more))
    Store(tmp_path, write=True).close()
    with Store(tmp_path) as store:
        assert store.meta == {**META, "scale": 1.0}
