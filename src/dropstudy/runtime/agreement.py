"""Runs of a training function that can be compared: with one test set, and the same numbers measured."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dropstudy.errors import ModelError
from dropstudy.store.reader import MEASURED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from dropstudy.core.types import Run, SegmentResult
    from dropstudy.store.store import Store

_FREE = {"epoch", "test_auc", "val_auc"}  # an AUC is not known where a single class is present


class _Measured(NamedTuple):
    """What a run measured."""

    scores: frozenset[str]
    arrays: dict[str, int]
    truth: NDArray[Any] | None


class Agreement:
    """Compares each finished run of a training function with the first one.

    Args:
        store: of the study, with the runs that finished before.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._first: _Measured | None = None
        self._looked = False

    def check(self, run: Run, result: SegmentResult) -> None:
        """Check that a run can be compared with those before it.

        Raises:
            ModelError: it has other test examples, or other scores.
        """
        model = run.condition.model
        if model is None or not run.of_function or result.final is None:
            return
        final = result.final
        scores = {column for column, name in MEASURED.items() if math.isfinite(getattr(final, name))}
        ours = _measured(scores, final.predictions)
        first = self._found()
        if first is None:
            self._first = ours
            return
        if first.arrays != ours.arrays:
            _refuse(model.function, _words(first.arrays), _words(ours.arrays))
        if first.truth is not None and ours.truth is not None and not np.array_equal(first.truth, ours.truth):
            differ = int((first.truth != ours.truth).sum())
            _refuse(
                model.function,
                "the same test examples in every run, in the same order",
                f"y_test that differs in {differ:,} of {len(ours.truth):,} places from that of the first run",
                "Fix the test set: it must not depend on the seed.",
            )
        if first.scores != ours.scores:
            _refuse(
                model.function,
                f"the scores of the first run: {', '.join(sorted(first.scores)) or 'none'}",
                ", ".join(sorted(ours.scores)) or "none",
            )

    def _found(self) -> _Measured | None:
        if self._first is None and not self._looked:
            self._looked = True
            for row in self._store.finals()[:1]:
                files = self._store.result_files()
                arrays = (
                    files.read("predictions", row["key"]) if files.exists("predictions", row["key"]) else {}
                )
                self._first = _measured({name for name in MEASURED if row[name] is not None}, arrays)
        return self._first


def _measured(scores: set[str], arrays: Mapping[str, NDArray[Any]]) -> _Measured:
    return _Measured(
        frozenset(scores - _FREE), {name: len(array) for name, array in arrays.items()}, arrays.get("truth")
    )


def _words(arrays: Mapping[str, int]) -> str:
    if not arrays:
        return "scores without predictions"
    kind = "probabilities" if "confidence" in arrays else "classes"
    return f"predicted {kind} of {next(iter(arrays.values())):,} test examples"


def _refuse(name: str, expected: str, received: str, next_step: str = "") -> None:
    end = "" if next_step else ", as in the first run"
    raise ModelError(name, expected=expected + end, received=received, next_step=next_step)
