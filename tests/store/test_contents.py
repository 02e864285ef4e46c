"""A foreign database: valid digests, and rows that this program would not have written."""

import json
import random
import shutil
import sqlite3
from contextlib import closing

import pytest

import random_results
from dropstudy import Study
from dropstudy.errors import DamagedFile, StoreError
from dropstudy.spec.study_file import STUDY_FILE
from dropstudy.store import ledger
from dropstudy.store.contents import run_of
from dropstudy.store.store import DATABASE, Store
from fake_training import InlineExecutor

SETTINGS = {
    "data": "digits",
    "hidden": [8],
    "epochs": 2,
    "rates": [0, 0.5],
    "validation_split": 0.2,
    "seeds": 2,
}


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """Study with random results: its file and its database."""
    with pytest.MonkeyPatch.context() as patch:
        random_results.replace_workers(patch)
        folder = tmp_path_factory.mktemp("original") / "study"
        Study("notebook", out=folder, **SETTINGS).run(executor=InlineExecutor(), verbose=False)
    return folder


@pytest.fixture
def folder(original, tmp_path):
    for name in (STUDY_FILE, DATABASE):
        shutil.copy(original / name, tmp_path / name)
    return tmp_path


def change(folder, statement, *values):
    """Change rows and write valid digests for them."""
    with closing(sqlite3.connect(folder / DATABASE, isolation_level=None)) as db:
        db.execute(statement, values)
        ledger.seal_all(db)


def ask(folder, question):
    with closing(sqlite3.connect(folder / DATABASE)) as db:
        return db.execute(question).fetchall()


def look(folder):
    """All that the commands ask of a study."""
    study = Study.open(folder)
    results = study.results()
    shown = [study.finished, results.failures(), results.snapshot.progress, results.summary()]
    shown += [
        results.snapshot.outcomes,
        results.verdict().sentences,
        results.history_frame(),
        results.test_scores(),
    ]
    return shown


def assert_refused(folder, match="expected the database that was written"):
    with pytest.raises(DamagedFile, match=match) as refusal:
        look(folder)
    assert str(folder / DATABASE) in str(refusal.value)
    assert str(refusal.value).isprintable()
    with pytest.raises(DamagedFile, match=match):
        Store(folder, write=True)


def test_new_digests_alone_change_nothing(original, folder):
    change(folder, "UPDATE run SET position = position")
    assert look(folder)[4].equals(look(original)[4])


@pytest.mark.parametrize("place", ["../../victim", "/etc/passwd", "..", "", "a" * 64 + "\n", "A" * 64])
def test_a_key_that_is_a_path_is_refused(folder, place):
    ((key, text),) = ask(folder, "SELECT key, specification FROM run LIMIT 1")
    change(
        folder,
        "UPDATE run SET specification = ? WHERE key = ?",
        json.dumps({**json.loads(text), "key": place}),
        key,
    )
    change(folder, "UPDATE history SET key = ? WHERE key = ?", place, key)
    change(folder, "UPDATE run SET key = ? WHERE key = ?", place, key)
    assert_refused(folder, "an invalid key in the row of")


@pytest.mark.parametrize(
    "place", ["../../victim", "{other}-0123456789abcdef.safetensors", "{key}.safetensors", ""]
)
def test_a_checkpoint_of_another_run_is_refused(folder, place):
    (key,), (other,) = ask(folder, "SELECT key FROM run LIMIT 2")
    name = place.format(key=key, other=other)
    change(
        folder,
        "UPDATE run SET status = 'running', checkpoint = ?, checkpoint_sha256 = ? WHERE key = ?",
        name,
        "0" * 64,
        key,
    )
    assert_refused(folder, "a checkpoint of another run in the row of")


@pytest.mark.parametrize(
    "place", ["../../victim", "study.toml", "weights/mine.keras", f"weights/../{'a' * 64}.txt"]
)
def test_a_removal_list_with_foreign_files_is_refused(folder, place):
    change(folder, "INSERT INTO meta VALUES ('files_due', ?, '')", json.dumps([place]))
    assert_refused(folder, "metadata 'files_due' of another kind")


def test_a_run_under_another_runs_key_is_refused(folder):
    """Its weights would be used as those of other settings."""
    (text,), *_ = ask(folder, "SELECT specification FROM run")
    run = json.loads(text)
    other = "0123456789abcdef" * 4
    change(folder, "UPDATE history SET key = ? WHERE key = ?", other, run["key"])
    change(
        folder,
        "UPDATE run SET key = ?, specification = ? WHERE key = ?",
        other,
        json.dumps({**run, "key": other}),
        run["key"],
    )
    assert_refused(folder, "does not match the study or the key")


@pytest.mark.parametrize(
    "part",
    [{"seed": 7}, {"epochs": 3}, {"validation_split": "test"}, {"precision": "bfloat16"}, {"patience": 1}],
)
def test_a_run_with_other_settings_than_its_key_is_refused(folder, part):
    (text,), *_ = ask(folder, "SELECT specification FROM run")
    run = {**json.loads(text), **part}
    change(
        folder,
        "UPDATE run SET specification = ?, seed = ? WHERE key = ?",
        json.dumps(run),
        run["seed"],
        run["key"],
    )
    assert_refused(folder)


def test_a_run_that_is_done_without_all_its_epochs_is_refused(folder):
    change(folder, "DELETE FROM history WHERE epoch = 1")
    assert_refused(folder, "1 of 2 epochs in the row of 'no dropout', seed 0")
    change(folder, "UPDATE history SET epoch = 1")
    change(folder, "UPDATE run SET epochs_done = 1, steps_done = steps_done / 2")
    assert_refused(folder, "an end after 1 of 2 epochs")


COLUMNS = (
    "arm", "seed", "status", "epochs_done", "steps_done", "checkpoint", "checkpoint_sha256", "weights_sha256",
    "predictions_sha256", "epoch", "clean_accuracy", "test_accuracy", "test_loss", "brier", "device", "error",
)  # fmt: skip

SPOILT = (
    "", "null", "3", "[]", "{}", '"\\u001b[31m"', "[[[[", "NaN", "1e999", "-1", '"x\\ny"', "[" * 100_000, "9" * 5000,
    "true", '{"a": {"b": null}}',
)  # fmt: skip


def spoil(value, draw):
    """Something else in the place of a JSON value, or of a part of it."""
    if isinstance(value, (dict, list)) and value and draw.random() < 0.8:
        keys = list(value) if isinstance(value, dict) else range(len(value))
        key = draw.choice(list(keys))
        spoilt = value.copy()
        if draw.random() < 0.15:
            del spoilt[key]
        elif isinstance(value, dict) and draw.random() < 0.1:
            spoilt["\x1b]0;other\x07"] = spoilt.pop(key)
        else:
            spoilt[key] = spoil(value[key], draw)
        return spoilt
    return draw.choice(
        [None, 0, -1, 2**70, 0.5, float("nan"), True, "", "../x", "\x1b[31m\n", [], [None], {}, {"a": 1}]
    )


def one_spoilt(folder, draw):
    """Change one value of the database's, and seal it."""
    kind = draw.choice(["fact", "fact", "specification", "column"])
    if kind == "fact":
        name, value = draw.choice(ask(folder, "SELECT name, value FROM meta"))
        text = draw.choice(SPOILT) if draw.random() < 0.4 else json.dumps(spoil(json.loads(value), draw))
        change(folder, "UPDATE meta SET value = ? WHERE name = ?", text, name)
        return name, text[:80]
    key, text = draw.choice(ask(folder, "SELECT key, specification FROM run"))
    if kind == "specification":
        text = draw.choice(SPOILT) if draw.random() < 0.3 else json.dumps(spoil(json.loads(text), draw))
        change(folder, "UPDATE run SET specification = ? WHERE key = ?", text, key)
        return kind, text[:200]
    column = draw.choice(COLUMNS)
    value = draw.choice(
        [None, 0, 1, -1, 2**62, "x", "../x", "\x1b[31m\n", "done", "failed", 0.5, float("inf")]
    )
    try:
        change(folder, f"UPDATE run SET {column} = ? WHERE key = ?", value, key)  # noqa: S608 - our own columns
    except sqlite3.IntegrityError:  # another type than the column's
        return None
    return column, value


def shown_or_refused(folder, what):
    """Check that the output is safe for a terminal, or that the file is refused in one printable line."""
    try:
        shown = look(folder)
    except StoreError as error:
        text = str(error)
        fine = text.isprintable() and str(folder / DATABASE) in text
    else:
        text = "".join(map(str, shown))
        fine = "\x1b" not in text
    assert fine, (what, text)


@pytest.mark.parametrize("seed", range(40))
def test_other_values_with_valid_digests_are_refused_in_one_line_or_harmless(folder, seed):
    draw = random.Random(seed)  # noqa: S311 - no secret
    shown_or_refused(folder, one_spoilt(folder, draw))


def test_a_run_goes_to_json_and_back(original):
    with Store(original) as store:
        runs = store.runs()
    assert (
        tuple(run_of(text) for (text,) in ask(original, "SELECT specification FROM run ORDER BY position"))
        == runs
    )
