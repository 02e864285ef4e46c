"""Tables of scores: both forms are the same runs, units are found, and wrong cells are named by line and column."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from dropstudy.core.metrics import METRICS
from dropstudy.data.score_table import read_scores
from dropstudy.errors import DataError, InvalidArgument

ACCURACY = METRICS["accuracy"]
RUNS = pd.DataFrame(
    [(arm, seed, 0.9 + seed / 100 + place / 1000) for place, arm in enumerate("ba") for seed in range(3)],
    columns=["arm", "seed", "score"],
)
WIDE = RUNS.pivot(index="seed", columns="arm", values="score")[["b", "a"]]  # noqa: PD010 - the wide form


def read(text, tmp_path, metric=ACCURACY, **columns):
    path = tmp_path / "scores.csv"
    path.write_text(text, encoding="utf-8")
    return read_scores(path, metric, **columns)


def refused(text, tmp_path, *words, metric=ACCURACY, **columns):
    with pytest.raises(DataError) as error:
        read(text, tmp_path, metric, **columns)
    for word in words:
        assert word in str(error.value)
    return True


@pytest.mark.parametrize(
    "source",
    [
        RUNS,
        RUNS.sample(frac=1, random_state=0).sort_values("arm", ascending=False, kind="stable"),
        pa.Table.from_pandas(RUNS),
        WIDE,
        WIDE.reset_index(),
        RUNS.assign(score=100 * RUNS["score"]),
    ],
    ids=["tidy", "shuffled", "pyarrow", "pivoted", "wide", "per cent"],
)
def test_every_form_of_a_table_has_the_same_runs(source):
    found = read_scores(source, ACCURACY).runs
    assert list(found["arm"].unique()) == ["b", "a"]
    ours, theirs = (frame.sort_values(["arm", "seed"], ignore_index=True) for frame in (found, RUNS))
    pd.testing.assert_frame_equal(ours[list(theirs)], theirs, check_dtype=False)


@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "parquet"])
def test_files_hold_the_numbers_to_the_bit(suffix, tmp_path):
    path = tmp_path / f"scores.{suffix}"
    scores = RUNS.assign(score=np.random.default_rng(0).random(len(RUNS)))
    scores.to_parquet(path) if suffix == "parquet" else scores.to_csv(path, index=False)
    assert read_scores(str(path), ACCURACY).runs["score"].tolist() == scores["score"].tolist()


def test_the_callers_frame_is_left_alone():
    frame = RUNS.assign(score=100 * RUNS["score"])
    before = frame.copy()
    read_scores(frame, ACCURACY)
    pd.testing.assert_frame_equal(frame, before)


def test_rows_of_a_wide_table_are_seeds_also_without_a_column_for_them(tmp_path):
    assert read("a,b\n.9,.8\n.7,.6\n", tmp_path).runs["seed"].tolist() == [0, 1, 0, 1]
    assert read(",a,b\n3,.9,.8\n4,.7,.6\n", tmp_path).runs["seed"].tolist() == [3, 4, 3, 4]


def test_columns_that_are_not_used_are_told(tmp_path):
    table = read(
        "Name,rate,seed,test/acc,val/acc\nx,0,1,.9,.8\ny,.5,1,.7,.6\n",
        tmp_path,
        arm_column="rate",
        score_column="test/acc",
        validation_column="val/acc",
    )
    assert table.runs.to_numpy().tolist() == [["0.0", 1, 0.9, 0.8], ["0.5", 1, 0.7, 0.6]]
    assert "Columns that were not used: 'Name'." in table.notes


@pytest.mark.parametrize("cell", ["", "NaN", "inf"])
def test_a_run_without_a_score_is_told_with_its_line(cell, tmp_path):
    table = read(f"arm,seed,score\na,0,.9\nb,0,{cell}\n", tmp_path)
    assert not np.isfinite(table.runs["score"][1])
    assert any("line 3 ('b', seed 0)" in note and "counts as diverged" in note for note in table.notes)


def test_what_cannot_be_used_is_named_by_line_and_column(tmp_path):
    head = "arm,seed,score\na,0,.9\n"
    assert refused(f"{head}b,0,.8\na,0,.7\n", tmp_path, "scores.csv, line 4", "'a', seed 0", "in line 2")
    assert refused(f"{head}a,1,.8\n", tmp_path, "two arms or more", "only 'a'")
    assert refused(f"{head}b,0,97%\n", tmp_path, "line 3, column 'score'", "'97%'")
    assert refused(f"{head}b,one,.9\n", tmp_path, "line 3, column 'seed'", "whole numbers", "'one'")
    assert refused(f"{head}b,0.5,.9\n", tmp_path, "line 3, column 'seed'", "0.5")
    assert refused(f"{head},1,.9\n", tmp_path, "line 3, column 'arm'", "an empty cell")
    assert refused(f"{head}b,0,-0.1\n", tmp_path, "line 3, column 'score'", "-0.1")
    assert refused(f"{head}b,0,91.2\n", tmp_path, "line 2, column 'score'", "0.9, among scores above 1")
    assert refused("arm,seed,score\na,0,90\nb,0,102\n", tmp_path, "line 3, column 'score'", "102")
    assert refused("arm,seed,score\n", tmp_path, "a header alone")
    assert refused("arm,sed,score\na,0,.9\n", tmp_path, "seed_column", "Did you mean 'sed'?")
    assert refused("seed,a,b\n0,.9,.8\n0,.9,.8\n", tmp_path, "line 3", "'a', seed 0")
    assert refused("seed,a,b\n0,.9,.8\n1,.9,x\n", tmp_path, "line 3, column 'b'", "'x'")
    assert refused("Name,rate,acc\nx,0,.9\n", tmp_path, "text in 'Name'", "`arm_column`")
    assert refused(f"{head}b,0,1.5\n", tmp_path, "AUC from 0 to 1", "1.5", metric=METRICS["auc"])
    assert refused(f"{head}b,0,-1\n", tmp_path, "log loss of 0 or more", metric=METRICS["log-loss"])
    valid = "arm,seed,score,val\na,0,.9,.9\nb,0,.9,\n"
    assert refused(valid, tmp_path, "line 3, column 'validation'", validation_column="val")


def test_what_is_no_table_is_refused():
    with pytest.raises(InvalidArgument, match="expected a data frame"):
        read_scores([("a", 0, 0.9)], ACCURACY)
