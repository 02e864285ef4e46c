"""Metrics that the choice of an arm and the verdict can rest on: names, units, directions, margins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from dropstudy.core.text import plain_name, rounded
from dropstudy.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dropstudy.core.types import MetricName, StudySpec


@dataclass(frozen=True)
class Metric:
    """A metric that an arm is judged by.

    Values are as they are stored: shares in [0, 1], nats for log loss. Differences and margins are in `unit`.

    Args:
        name: in file, flag and Python.
        phrase: name in a sentence, with a place for "test" or "validation".
        title: name in a table.
        column: stored value on the test set.
        validation: stored value on the validation data, for the weights that are tested.
        factor: from a stored value to `unit`.
        unit: of differences in a sentence; empty for AUC, which has none.
        short: the same in tables and brackets.
        places: decimal places of values and differences.
        margin: default of differences that do not matter, in `unit`.
        most: largest margin, in `unit`: from guessing one of two classes to a network that is always right. With a
            larger one every two useful networks would be equivalent.
        better: direction.
    """

    name: MetricName
    phrase: str
    title: str
    column: str
    validation: str
    factor: float
    unit: str
    short: str
    places: int
    margin: float
    most: float
    better: Literal["higher", "lower"] = "higher"

    @property
    def sign(self) -> int:
        """1 where a higher value is better, -1 where a lower one is."""
        return 1 if self.better == "higher" else -1

    @property
    def on_test(self) -> str:
        """Name on the test set: "test accuracy", "balanced test accuracy"."""
        return self.phrase.format("test")

    @property
    def subject(self) -> str:
        """The same at the beginning of a sentence."""
        return f"{self.on_test[:1].upper()}{self.on_test[1:]}"

    @property
    def on_validation(self) -> str:
        """Name on the validation data."""
        return self.phrase.format("validation")

    @property
    def axis_unit(self) -> str:
        """Unit of values on an axis."""
        return "%" if self.factor != 1 else self.unit

    @property
    def heading(self) -> str:
        """Name and unit of values on an axis: "Test accuracy (%)"."""
        return f"{self.subject} ({self.axis_unit})" if self.axis_unit else self.subject

    def value(self, stored: float) -> str:
        """A stored value as text: "98.12%", "0.0712 nats", "0.9512"."""
        number = rounded(self.factor * stored, self.places)
        return f"{number}%" if self.factor != 1 else f"{number} {self.unit}".rstrip()

    def amount(self, number: str) -> str:
        """A difference with its unit, in a sentence: "0.32 percentage points"."""
        return f"{number} {self.unit}".rstrip()

    def brief(self, number: str) -> str:
        """A difference with its unit, in short: "0.32 points"."""
        return f"{number} {self.short}".rstrip()

    def verb(self, *, helps: bool) -> str:
        """What an arm that helps, or hurts, does to the metric: "raise" or "lower"."""
        return "raise" if helps == (self.better == "higher") else "lower"


# The margins: one answer, or one pair of answers, in a thousand. For log loss, what such an answer costs a network that
# is 99% sure of it: ln(0.99 / 0.01) = 4.6 nats of a thousandth. Journals print AUC as a number below 1.
METRICS: dict[MetricName, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "accuracy",
            "{} accuracy",
            "accuracy",
            "test_accuracy",
            "val_accuracy",
            margin=0.1,
            most=50.0,
            factor=100.0,
            unit="percentage points",
            short="points",
            places=2,
        ),
        Metric(
            "balanced-accuracy",
            "balanced {} accuracy",
            "balanced accuracy",
            "test_balanced_accuracy",
            "val_balanced_accuracy",
            margin=0.1,
            most=50.0,
            factor=100.0,
            unit="percentage points",
            short="points",
            places=2,
        ),
        Metric(
            "log-loss",
            "{} log loss",
            "log loss",
            "test_loss",
            "val_loss",
            margin=0.005,
            most=0.7,
            factor=1.0,
            unit="nats",
            short="nats",
            places=4,
            better="lower",
        ),
        Metric(
            "auc",
            "{} AUC",
            "AUC",
            "test_auc",
            "val_auc",
            margin=0.001,
            most=0.5,
            factor=1.0,
            unit="",
            short="",
            places=4,
        ),
    )
}
"""Metrics by name."""

ACCURACY = METRICS["accuracy"]


def metric_of(spec: StudySpec) -> Metric:
    """Metric of a study."""
    return METRICS[spec.metric or ACCURACY.name]


def margin_of(spec: StudySpec) -> float:
    """Equivalence margin of a study, in the unit of its metric."""
    return metric_of(spec).margin if spec.margin is None else spec.margin


def imbalance_hint(counts: Sequence[int], classes: Sequence[str], metric: Metric) -> str:
    """Where accuracy hides small classes: the largest has more than twice as many examples as the others on average.

    Args:
        counts: training examples of each class.
        classes: their names.
        metric: of the study; only with accuracy there is a hint.
    """
    most, total = max(counts), sum(counts)
    if metric is not ACCURACY or most * (len(counts) - 1) <= 2 * (total - most):
        return ""
    name, share = plain_name(classes[list(counts).index(most)], 40), f"{100 * most / total:.0f}%"
    return (
        f"{share} of the training examples are of class {name!r}: always answering it is about {share} right. "
        "The metrics balanced-accuracy and auc (--metric) count each class alike."
    )


def check_margin(metric: Metric, margin: float) -> None:
    """Refuse a margin that no difference of the metric reaches, such as points where it has none.

    Raises:
        InvalidArgument: the margin is too large for the metric.
    """
    if margin > metric.most:
        raise InvalidArgument(
            "margin",
            expected=f"{metric.amount(f'at most {metric.most:g}')} for the metric {metric.name}",
            received=f"{margin:g}",
            next_step=f"Its default: {metric.amount(f'{metric.margin:g}')}.",
        )
