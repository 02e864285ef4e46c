"""Scores of runs that others trained, from a table: a row for each run, or a column for each arm."""

from __future__ import annotations

import difflib
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import narwhals as nw
import numpy as np
import pandas as pd

from dropstudy.core.text import counted
from dropstudy.data.column_names import Place, check_names, listed
from dropstudy.data.columns import as_numbers
from dropstudy.data.formats.csv_parquet import read_table
from dropstudy.errors import DataError, InvalidArgument

if TYPE_CHECKING:
    from narwhals.typing import IntoFrame
    from numpy.typing import NDArray

    from dropstudy.core.metrics import Metric

__all__ = ["ScoreTable", "read_scores"]

ARM, SEED, SCORE, VALIDATION = "arm", "seed", "score", "validation"
"""Columns of runs; the first three are those of a table with a row for each run, where no others are named."""

_MANY = "Keep one row for each run, or give runs of their own seeds."


@dataclass(frozen=True, eq=False)
class ScoreTable:
    """Scores of runs.

    Args:
        runs: arm (text), seed, score and validation, in the order of the table. Scores are as a study stores them
            (`Metric`); NaN where a run has none, and where there are no validation scores.
        source: name of the table, for messages.
        sha256: digest of the file; of a data frame, that of `runs` as CSV.
        path: the file; None for a data frame.
        notes: sentences on how it was read.
    """

    runs: pd.DataFrame
    source: str
    sha256: str
    path: Path | None
    notes: tuple[str, ...]


def read_scores(
    source: IntoFrame | str | Path,
    metric: Metric,
    *,
    arm_column: str | None = None,
    seed_column: str | None = None,
    score_column: str | None = None,
    validation_column: str | None = None,
) -> ScoreTable:
    """Read the scores of runs.

    Args:
        source: a data frame, or the path of a CSV or Parquet file. It has a row for each run with the columns arm, seed
            and score, or a row for each seed and a column for each arm.
        metric: what the scores are.
        arm_column: name of the column with the arms; "arm" by default.
        seed_column: likewise; "seed".
        score_column: likewise of the test scores; "score".
        validation_column: likewise of the validation scores; none by default.

    Raises:
        DataError: the table has no such columns, or a cell that cannot be used.
        InvalidArgument: the source is neither a data frame nor a path.
    """
    place, notes = _place(source)
    check_names(place)
    names = list(place.frame.columns)
    if not len(place.frame):
        raise DataError(place.source, expected="rows", received="a header alone", next_step="Check the file.")
    named = (arm_column, score_column, validation_column)
    if not any(named) and not {ARM, SCORE} & set(names):
        runs = _wide(place, seed_column, notes)
    else:
        columns = {
            ARM: arm_column or ARM,
            SEED: seed_column or SEED,
            SCORE: score_column or SCORE,
            **({VALIDATION: validation_column} if validation_column else {}),
        }
        runs = _tidy(place, columns, notes)
    _check_runs(place, runs)
    _in_stored_unit(place, runs, metric, notes)
    _note_diverged(place, runs, notes)
    runs = runs[[ARM, SEED, SCORE, VALIDATION]]
    path = Path(source) if isinstance(source, str | Path) else None
    return ScoreTable(runs, place.source, _digest(path, runs), path, tuple(notes))


def _digest(path: Path | None, runs: pd.DataFrame) -> str:
    if path is None:
        return hashlib.sha256(runs.to_csv(index=False).encode()).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _place(source: Any) -> tuple[Place, list[str]]:
    if isinstance(source, str | Path):
        table = read_table(Path(source))
        return Place(table.frame, str(source), table.line), list(table.notes)
    frame = nw.from_native(source, pass_through=True)
    if isinstance(frame, nw.LazyFrame):
        frame = frame.collect()
    if not isinstance(frame, nw.DataFrame):
        raise InvalidArgument(
            "scores",
            expected="a data frame, or the path of a CSV or Parquet file",
            received=f"a {type(source).__name__}",
            next_step="For instance: pandas.DataFrame(scores).",
        )
    rows = frame.to_pandas()
    if rows.index.name is not None and rows.index.name not in rows.columns:
        rows = rows.reset_index()  # of a pivoted table: the seeds
    return Place(rows.copy(deep=False), "the data frame"), []


def _tidy(place: Place, columns: dict[str, str], notes: list[str]) -> pd.DataFrame:
    """Runs of a table with a row for each: arm, seed, score, validation, and where each stands: row, column."""
    names = list(place.frame.columns)
    for what, name in columns.items():
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            raise DataError(
                f"{what}_column of {place.source}",
                expected=f"one of its columns: {listed(names)}",
                received=repr(name),
                next_step=f"Did you mean {near[0]!r}?" if near else f"Name it: --{what}-column.",
            )
    if unused := [name for name in names if name not in columns.values()]:
        notes.append(f"Columns that were not used: {listed(unused)}.")
    rows = np.flatnonzero(place.frame[[columns[SEED], columns[SCORE]]].notna().any(axis=1))
    if 0 < len(rows) < len(place.frame):
        place = _parents_left_out(place, rows, notes)
    arms = place.frame[columns[ARM]]
    if arms.isna().any():
        raise _cell(place, columns[ARM], int(arms.isna().to_numpy().argmax()), "the name of an arm")
    return pd.DataFrame(
        {
            ARM: [str(arm) for arm in arms],
            SEED: _seeds(place, columns[SEED]),
            SCORE: _numbers(place, columns[SCORE]),
            VALIDATION: _numbers(place, columns[VALIDATION]) if VALIDATION in columns else np.nan,
            "row": rows,
            "column": columns[SCORE],
        }
    )


def _parents_left_out(place: Place, rows: NDArray[np.intp], notes: list[str]) -> Place:
    """The table without rows that have neither a seed nor a score: runs of MLflow that hold other runs."""
    left_out = np.setdiff1d(np.arange(len(place.frame)), rows)
    notes.append(
        f"Left out: {counted(len(left_out), 'row')} with neither a seed nor a score, the first in "
        f"{place.where(int(left_out[0]))}, as MLflow has them for runs that hold other runs."
    )
    line = place.line
    return place._replace(
        frame=place.frame.iloc[rows],
        line=None if line is None else lambda position: line(int(rows[position])),
    )


def _wide(place: Place, seed_column: str | None, notes: list[str]) -> pd.DataFrame:
    """The same of a table with a row for each seed and a column for each arm."""
    names = list(place.frame.columns)
    unnamed = SEED not in names and "" in names  # the index that pandas writes first
    seed = seed_column or ("" if unnamed else SEED)
    if seed in names:
        seeds = _seeds(place, seed)
    elif seed_column is None:
        seeds = np.arange(len(place.frame))
        notes.append(f"Each row counts as a seed, since there is no column {SEED!r}.")
    else:
        raise DataError(
            f"seed_column of {place.source}",
            expected=f"one of its columns: {listed(names)}",
            received=repr(seed),
            next_step="Name another one, or leave it out: each row then counts as a seed.",
        )
    arms = [name for name in names if name != seed]
    for arm in arms:
        values = place.frame[arm]
        if values.notna().any() and np.isnan(as_numbers(values[values.notna()])).all():
            raise DataError(
                place.source,
                expected="columns arm, seed and score; or a column of numbers for each arm",
                received=f"the columns {listed(names)}, with text in {arm!r}",
                next_step="Name the columns of a table with a row for each run: --arm-column, --seed-column, "
                "--score-column.",
            )
    notes.append(f"Each column is an arm, and each row a seed: {listed(arms)}.")
    parts = [
        pd.DataFrame(
            {ARM: arm, SEED: seeds, SCORE: _numbers(place, arm), VALIDATION: np.nan, "column": arm}
        ).assign(row=np.arange(len(seeds)))
        for arm in arms
    ]
    return pd.concat(parts, ignore_index=True)


def _cell(place: Place, column: str, row: int, expected: str, next_step: str = "") -> DataError:
    """Error on one cell: file, line, column."""
    value = place.frame[column].iloc[row]
    return DataError(
        f"{place.source}, {place.where(row)}, column {column!r}",
        expected=expected,
        received="an empty cell"
        if pd.isna(value)
        else repr(value if isinstance(value, str) else float(value)),
        next_step=next_step or "Correct the cell, or leave the row out.",
    )


def _numbers(place: Place, column: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Numbers of a column, NaN where a cell is empty."""
    values = place.frame[column]
    numbers = as_numbers(values)
    text = np.isnan(numbers) & ~values.isna().to_numpy()
    if text.any():
        raise _cell(
            place,
            column,
            int(text.argmax()),
            "a number",
            "Write it without a unit, or leave it empty where a run has none.",
        )
    return numbers


def _seeds(place: Place, column: str) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Seeds, in whole numbers."""
    numbers = as_numbers(place.frame[column])
    wrong = ~np.isfinite(numbers) | (numbers != np.round(numbers)) | (np.abs(numbers) > 2**53)
    if wrong.any():
        raise _cell(
            place,
            column,
            int(wrong.argmax()),
            "a seed, in whole numbers",
            "Runs of one seed are compared with each other: number them.",
        )
    return numbers.astype(np.int64)


def _check_runs(place: Place, runs: pd.DataFrame) -> None:
    """Refuse a run that stands twice, and a table of one arm."""
    again = runs.duplicated([ARM, SEED]).to_numpy()
    if again.any():
        run = runs.iloc[int(again.argmax())]
        first = runs[(runs[ARM] == run[ARM]) & (runs[SEED] == run[SEED])].iloc[0]
        raise DataError(
            f"{place.source}, {place.where(run['row'])}",
            expected="one score of each arm and seed",
            received=f"a second one of {run[ARM]!r}, seed {run[SEED]}; the first is in {place.where(first['row'])}",
            next_step=_MANY,
        )
    arms = runs[ARM].unique()
    if len(arms) == 1:
        raise DataError(
            place.source,
            expected="two arms or more",
            received=f"only {arms[0]!r}",
            next_step="Add the runs that it is to be compared with, or name the column of the arms: --arm-column.",
        )


def _in_stored_unit(place: Place, runs: pd.DataFrame, metric: Metric, notes: list[str]) -> None:
    """Check the range of the scores; turn per cent into shares."""
    scores = runs[[SCORE, VALIDATION]].to_numpy(dtype=np.float64)
    scores = scores[np.isfinite(scores)]
    percent = metric.factor != 1 and bool((scores > 1).any())
    most = np.inf if metric.better == "lower" else 100.0 if percent else 1.0
    for column in (SCORE, VALIDATION):
        values = runs[column].to_numpy(dtype=np.float64)
        finite = np.isfinite(values)
        wrong = finite & ((values < 0) | (values > most) | (percent & (values > 0) & (values <= 1)))
        if wrong.any():
            run = runs.iloc[int(wrong.argmax())]
            raise DataError(
                _where(place, run, column),
                expected=_range(metric),
                received=f"{run[column]:g}"
                + (", among scores above 1" if percent and 0 < run[column] <= 1 else ""),
                next_step="Check the column, or name another metric: --metric.",
            )
        if percent:
            runs[column] = values / 100
    if metric.factor != 1 and scores.size:
        unit = "per cent" if percent else "shares"
        notes.append(f"Scores were read as {unit}: the largest is {scores.max():.6g}.")


def _where(place: Place, run: pd.Series[Any], column: str) -> str:
    """Place of a run's score: file, line, column."""
    name = run["column"] if column == SCORE else column
    return f"{place.source}, {place.where(run['row'])}, column {name!r}"


def _range(metric: Metric) -> str:
    if metric.better == "lower":
        return f"{metric.title} of 0 or more"
    if metric.factor == 1:
        return f"{metric.title} from 0 to 1"
    return f"{metric.title}, all as shares from 0 to 1 or all in per cent"


def _note_diverged(place: Place, runs: pd.DataFrame, notes: list[str]) -> None:
    """Say which runs have no finite score, and what that means; refuse others without a validation score."""
    finite = np.isfinite(runs[SCORE].to_numpy(dtype=np.float64))
    chosen = np.isfinite(runs[VALIDATION].to_numpy(dtype=np.float64))
    if chosen.any() and (finite & ~chosen).any():
        run = runs.iloc[int((finite & ~chosen).argmax())]
        raise DataError(
            _where(place, run, VALIDATION),
            expected="a validation score of each run that has a test score",
            received="none",
            next_step="Add it, or leave --validation-column out.",
        )
    if finite.all():
        return
    first = runs.iloc[int((~finite).argmax())]
    notes.append(
        f"{counted(int((~finite).sum()), 'run')} without a finite score, the first in {place.where(first['row'])} "
        f"({first[ARM]!r}, seed {first[SEED]}): such a run counts as diverged. If it was never made, leave the row out."
    )
