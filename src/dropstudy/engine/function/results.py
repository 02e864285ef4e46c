"""Read what a training function returns: metrics by epoch, and test predictions or scores at the end.

Everything that cannot be used is refused with its name, what was expected and what was received.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from dropstudy.core.final_metrics import PREDICTED, FinalMetrics
from dropstudy.core.types import METRICS, EpochMetrics
from dropstudy.engine.class_scores import auc_and_misranked, balanced_accuracy
from dropstudy.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

EPOCH_NAMES = {
    **{name: name for name in METRICS},
    "train_loss": "loss",
    "train_accuracy": "accuracy",
    "acc": "accuracy",
    "val_acc": "val_accuracy",
}
"""Names of an epoch's metrics: those of Keras and of a history of dropstudy, and other usual ones."""

SCORE_NAMES = {
    "test_accuracy": "accuracy",
    "test_acc": "accuracy",
    "test_loss": "loss",
    "test_balanced_accuracy": "balanced_accuracy",
    "test_auc": "auc",
    "brier": "brier",
    "noisy_loss": "noisy_loss",
    "noisy_accuracy": "noisy_accuracy",
    "val_balanced_accuracy": "val_balanced_accuracy",
    "val_auc": "val_auc",
}
"""Names of the scores at the end, and the fields of `FinalMetrics` that they are."""

PREDICTIONS, PROBABILITIES, Y_TEST = "predictions", "probabilities", "y_test"
_ARRAYS = (PREDICTIONS, PROBABILITIES, Y_TEST)
_SCORED = ("accuracy", "loss", "balanced_accuracy", "auc")

MAX_EPOCHS = 100_000
_LEAST_PROBABILITY = 1e-7  # as in Keras' cross-entropy
_TOLERANCE = 1e-3
_SHARES = {"accuracy", "val_accuracy", "clean_accuracy", "noisy_accuracy"} | {
    "balanced_accuracy",
    "auc",
    "val_balanced_accuracy",
    "val_auc",
}
_MAX_CLASSES = 2**16


class Reader:
    """Reads the dicts of one run in their order.

    Args:
        name: of the function.
        y_test: labels of the test examples; None where only the function knows them.
    """

    def __init__(self, name: str, y_test: NDArray[np.integer] | None) -> None:
        self.name, self.y_test = name, y_test
        self.history: list[EpochMetrics] = []
        self.ignored: set[str] = set()
        self.over = self.diverged = False
        self._names: frozenset[str] | None = None
        self._end: dict[str, Any] = {}

    def items(self, returned: Any) -> Iterator[Any]:
        """The dicts that a function returned or yields."""
        if isinstance(returned, Mapping):
            yield from self._epochs_of(returned)
        elif isinstance(returned, Iterable) and not isinstance(returned, (str, bytes, np.ndarray)):
            yield from returned
        else:
            self.refuse("a dict of metrics, or one for each epoch", _shown(returned))

    def read(self, item: Any, seconds: float) -> EpochMetrics | None:
        """Take in a dict; return the epoch that it ends, None where it has test results alone."""
        if not isinstance(item, Mapping) or not all(isinstance(key, str) for key in item):
            self.refuse("dicts of metrics by name", _shown(item))
        if self.over:
            self.refuse("nothing behind the test results", f"a dict with {_listed(item)}")
        metrics = {EPOCH_NAMES[key]: self._number(key, item[key]) for key in item if key in EPOCH_NAMES}
        ends = {key: item[key] for key in item if key in SCORE_NAMES or key in _ARRAYS}
        self.ignored |= {key for key in item if key not in EPOCH_NAMES and key not in ends} - {
            "epoch",
            "seconds",
        }
        if not metrics and not ends:
            self.refuse(
                f"names such as accuracy, val_accuracy, {PREDICTIONS} or test_accuracy", _listed(item)
            )
        if ends:
            self.over, self._end = True, ends
            if not metrics:
                return None
        return self._epoch(metrics, seconds)

    def final(self, seconds: float) -> FinalMetrics | None:
        """Metrics at the end; None for a run that has diverged."""
        if self.diverged:
            return None
        if not self._end:
            got = (
                f"{len(self.history)} epochs without them"
                if self.history
                else "nothing: it ended without a dict"
            )
            self.refuse(f"{PREDICTIONS} or test_accuracy at the end", got)
        if not self.history:
            self.history.append(_row(1, {}, seconds))
        given = {
            SCORE_NAMES[key]: self._number(key, self._end[key]) for key in self._end if key in SCORE_NAMES
        }
        arrays = self._predictions()
        measured = arrays.pop("scores", {})
        if measured and abs(given.get("accuracy", measured["accuracy"]) - measured["accuracy"]) > _TOLERANCE:
            expected = f"the test_accuracy of the {PREDICTIONS}, {measured['accuracy']:.4f}"
            self.refuse(expected, f"{given['accuracy']:.4f}")
        scores = {**given, **measured}
        known = [scores[name] for name in _SCORED if name in scores]
        if not known:
            self.refuse(f"{PREDICTIONS} or test_accuracy at the end", _listed(self._end))
        if not all(map(math.isfinite, (scores[name] for name in ("accuracy", "loss") if name in scores))):
            self.diverged = True
            return None
        last = self.history[-1]
        values: dict[str, Any] = dict.fromkeys((field.name for field in fields(FinalMetrics)), math.nan)
        values |= {"clean_loss": last.clean_loss, "clean_accuracy": last.clean_accuracy} | scores
        values |= {
            "epoch": last.epoch,
            **dict.fromkeys(PREDICTED),
        }
        return FinalMetrics(**(values | arrays))

    def refuse(self, expected: str, received: str, next_step: str = "") -> NoReturn:
        """Refuse what the function returned."""
        raise ModelError(self.name, expected=expected, received=received, next_step=next_step)

    def _epochs_of(self, item: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """A dict as it is; one of a list for each metric, as of Keras' `History`, epoch by epoch."""
        lists: dict[str, Any] = {
            key: value for key, value in item.items() if key in EPOCH_NAMES and _array(value).ndim == 1
        }
        if not lists:
            yield dict(item)
            return
        lengths = {key: len(value) for key, value in lists.items()}
        if len(set(lengths.values())) > 1:
            self.refuse(
                "as many epochs of each metric", ", ".join(f"{n} of {key}" for key, n in lengths.items())
            )
        for epoch in zip(*lists.values(), strict=True):
            yield dict(zip(lists, epoch, strict=True))
        if rest := {key: value for key, value in item.items() if key not in lists}:
            yield rest

    def _epoch(self, metrics: dict[str, float], seconds: float) -> EpochMetrics:
        names, number = frozenset(metrics), len(self.history) + 1
        if self._names not in {None, names} and not self.over:
            self.refuse(
                f"{_listed(self._names or ())} in every epoch, as in the first",
                f"{_listed(names)} in epoch {number}",
            )
        self._names = self._names or names
        if number > MAX_EPOCHS:
            self.refuse(f"at most {MAX_EPOCHS:,} epochs", "more")
        row = _row(number, metrics, seconds)
        self.history.append(row)
        losses = [metrics[name] for name in ("loss", "val_loss", "clean_loss") if name in metrics]
        self.diverged = not all(map(math.isfinite, losses))
        return row

    def _number(self, key: str, value: Any) -> float:
        array = _array(value)
        if array.size != 1 or array.dtype.kind not in "fiub":
            self.refuse(f"a number as {key}", _shown(value))
        number = float(array.reshape(())[()])
        name = EPOCH_NAMES.get(key) or SCORE_NAMES[key]
        if name in _SHARES and not math.isnan(number) and not 0 <= number <= 1:
            step = "Divide per cent by 100." if 1 < number <= 100 else ""  # noqa: PLR2004 - per cent
            self.refuse(f"{key} as a share from 0 to 1", f"{number:g}", step)
        return number

    # Predictions

    def _predictions(self) -> dict[str, Any]:
        """Arrays to store of the predictions, and `scores` by them; empty where there are none."""
        given = {key: self._end[key] for key in _ARRAYS if self._end.get(key) is not None}
        if set(given) <= {Y_TEST}:
            return {}
        y = self._truth(given)
        key = PROBABILITIES if PROBABILITIES in given else PREDICTIONS
        array = _array(given[key])
        if array.ndim == 2 and array.shape[1] == 1:  # noqa: PLR2004 - as of one output unit
            array = array[:, 0]
        if array.ndim not in {1, 2} or array.dtype.kind not in "fiub":
            self.refuse(f"{key} of shape (n,) or (n, classes), in numbers", _shown(given[key]))
        if len(array) != len(y):
            self.refuse(f"{len(y):,} {key}, one for each test example", f"{len(array):,}")
        if not np.isfinite(array).all():
            self.refuse(f"finite {key}", f"{int((~np.isfinite(array)).sum()):,} that are not")
        truth = {} if self.y_test is not None else {"truth": _small(y)}
        if array.ndim == 1 and key == PREDICTIONS:
            labels = self._classes(key, array)
            scores = {
                "accuracy": float((labels == y).mean()),
                "balanced_accuracy": balanced_accuracy(labels, y),
            }
            return {
                "labels": _small(labels),
                "right": (labels == y).astype(np.uint8),
                **truth,
                "scores": scores,
            }
        probabilities = np.asarray(array, np.float64)
        if probabilities.ndim == 1:
            probabilities = np.stack([1 - probabilities, probabilities], axis=1)
        return {**self._of_probabilities(key, probabilities, y), **truth}

    def _of_probabilities(
        self, key: str, probabilities: NDArray[np.float64], y: NDArray[np.int64]
    ) -> dict[str, Any]:
        if probabilities.min() < -_TOLERANCE or abs(probabilities.sum(axis=1) - 1).max() > 10 * _TOLERANCE:
            self.refuse(
                f"{key} that sum to 1 for each example",
                f"rows that sum to {probabilities.sum(axis=1).min():.4g} to {probabilities.sum(axis=1).max():.4g}",
                "Put softmax behind logits.",
            )
        if y.max() >= probabilities.shape[1]:
            self.refuse(f"{key} of {int(y.max()) + 1} classes or more", f"{probabilities.shape[1]} columns")
        rows = np.arange(len(y))
        labels = probabilities.argmax(axis=1)
        likelihood = probabilities[rows, y]
        area, misranked = auc_and_misranked(probabilities, y)
        several = misranked is not None and probabilities.shape[1] > 2  # noqa: PLR2004 - else the likelihood has it
        one_hot = np.zeros_like(probabilities)
        one_hot[rows, y] = 1
        return {
            "labels": _small(labels),
            "confidence": probabilities[rows, labels].astype(np.float16),
            "likelihood": likelihood.astype(np.float16),
            "right": (labels == y).astype(np.uint8),
            **({"misranked": misranked} if several else {}),
            "scores": {
                "accuracy": float((labels == y).mean()),
                "balanced_accuracy": balanced_accuracy(labels, y),
                "loss": float(-np.log(np.maximum(likelihood, _LEAST_PROBABILITY)).mean()),
                "brier": float(((probabilities - one_hot) ** 2).sum(axis=1).mean()),
                "auc": area,
            },
        }

    def _truth(self, given: Mapping[str, Any]) -> NDArray[np.int64]:
        if self.y_test is not None:
            return np.asarray(self.y_test, np.int64)
        if Y_TEST not in given:
            self.refuse(f"{Y_TEST} beside the {PREDICTIONS}: the labels of the test examples", _listed(given))
        return self._classes(Y_TEST, _array(given[Y_TEST]))

    def _classes(self, key: str, array: NDArray[Any]) -> NDArray[np.int64]:
        """Numbers of classes, checked."""
        if array.ndim != 1 or not len(array) or array.dtype.kind not in "fiub":
            self.refuse(f"{key} as numbers of classes, (n,)", _shown(array))
        if (array != np.round(array)).any() or array.min() < 0 or array.max() >= _MAX_CLASSES:
            self.refuse(
                f"{key} as numbers of classes from 0",
                f"{array.min():g} to {array.max():g}",
                f"Give the probabilities of class 1 as {PROBABILITIES}." if key == PREDICTIONS else "",
            )
        return array.astype(np.int64)


def _row(number: int, metrics: Mapping[str, float], seconds: float) -> EpochMetrics:
    return EpochMetrics(number, **{**dict.fromkeys(METRICS, math.nan), **metrics}, seconds=seconds)


def _array(value: Any) -> NDArray[Any]:
    """A value as an array; a tensor of PyTorch from wherever it is."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    try:
        return np.asarray(value)
    except (ValueError, TypeError):  # ragged
        return np.asarray(None)


def _small(labels: NDArray[np.integer]) -> NDArray[np.unsignedinteger]:
    kind: Any = np.uint8 if labels.max() < 2**8 else np.uint16
    return labels.astype(kind)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "no names"


def _shown(value: Any) -> str:
    if value is None:
        return "None"
    shape = getattr(value, "shape", None)
    of_shape = f" of shape {tuple(shape)}" if shape else ""
    return f"{type(value).__name__}{of_shape}" if of_shape else f"{value!r:.60}"
