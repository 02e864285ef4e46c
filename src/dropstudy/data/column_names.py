"""Names of a table's columns: those that a study asks for, and flags that leave columns out."""

from __future__ import annotations

import csv
import difflib
import shlex
from io import StringIO
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from dropstudy.core.text import first_of
from dropstudy.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["FEW", "NAMED", "Place", "check_columns", "check_names", "dropping", "is_index", "listed"]

FEW = 20
"""As many distinct values are categories in every table."""

NAMED = 5
"""Columns that a message names."""


class Place(NamedTuple):
    """A table of the user: its rows, its name for messages, and what returns a row's line, or None for no file.

    A column can be left out of training (`may_drop`), but not of rows to classify.
    """

    frame: pd.DataFrame
    source: str
    line: Callable[[int], int] | None = None
    may_drop: bool = True

    def where(self, position: int) -> str:
        """Place of a row for people: a line of the file, or the label of the row."""
        if self.line is None:
            return f"row {self.frame.index[position]}"
        return f"line {self.line(position)}"

    def advice(self, what: str, column: str) -> str:
        """What to do, or to leave a column out where that is possible."""
        return f"{what}, or leave the column out: {dropping([column])}" if self.may_drop else f"{what}."


def check_columns(
    train: Place, test: Place | None, target: str | None, group: str | None, drop: Sequence[str]
) -> str:
    """Refuse names that a table does not have, once or at all. Returns the target."""
    check_names(train)
    names = train.frame.columns.tolist()
    if target is None:
        raise DataError(
            train.source,
            expected="the name of the column with the labels, as target",
            received=f"none; its columns are {listed(names)}",
            next_step=f"For instance: --target {_likely_target(train.frame)}" if names else "Check the file.",
        )
    for argument, wanted in (("target", target), ("group", group), *(("drop", name) for name in drop)):
        if wanted is not None and wanted not in names:
            near = difflib.get_close_matches(wanted, names, n=1)
            raise DataError(
                f"{argument} of {train.source}",
                expected=f"one of its columns: {listed(names)}",
                received=repr(wanted),
                next_step=f"Did you mean {near[0]!r}?" if near else "Check the spelling.",
            )
    if target in {group, *drop}:
        raise DataError(
            f"target of {train.source}",
            expected="a column that is neither dropped nor the group",
            received=repr(target),
            next_step="Name another column.",
        )
    if not len(train.frame) or (test is not None and not len(test.frame)):
        empty = train if not len(train.frame) or test is None else test
        raise DataError(empty.source, expected="rows", received="a header alone", next_step="Check the file.")
    if test is not None:
        check_names(test)
        missing = [name for name in names if name not in {*test.frame.columns, *drop}]
        if missing:
            raise DataError(
                test.source,
                expected=f"the columns of {train.source}",
                received=f"a table without {listed(missing)}",
                next_step=f"Give both files the same columns, or leave these out: {dropping(missing)}",
            )
    return target


def check_names(place: Place) -> None:
    """Make the names of columns text, and refuse two that are equal."""
    place.frame.columns = pd.Index([str(name) for name in place.frame.columns])
    if twice := place.frame.columns[place.frame.columns.duplicated()].tolist():
        raise DataError(
            place.source,
            expected="a name for each column that no other has",
            received=f"more than one column {twice[0]!r}",
            next_step="Rename one of them.",
        )


def _likely_target(frame: pd.DataFrame) -> str:
    """The first column of few values, for a message."""
    likely = (name for name in frame.columns if 1 < frame[name].astype(str).nunique() <= FEW)
    return str(next(likely, frame.columns[-1]))


def is_index(values: pd.Series[Any], name: str) -> bool:
    """True for the number of each row that pandas writes in front, in a column without a name."""
    return (name == "" or name.startswith("Unnamed: ")) and values.dtype.kind == "i" and values.is_unique


def dropping(names: Sequence[str]) -> str:
    """Flag that leaves columns out, to copy: names with a comma between, in quotes where they have one themselves."""
    if [*names] == [""]:
        return "--drop ''"
    line = StringIO()
    csv.writer(line, lineterminator="\n").writerow(names)
    return f"--drop {shlex.quote(line.getvalue()[:-1])}"


def listed(names: Sequence[str]) -> str:
    """List the names of some columns, and the number of the others."""
    return first_of([repr(str(name)) for name in names], NAMED)
