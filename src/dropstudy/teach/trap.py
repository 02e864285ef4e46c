"""What a finished pair of runs shows, in words: the notebook's trap, and what one run cannot tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dropstudy.core.text import rounded, signed

if TYPE_CHECKING:
    from dropstudy.core.types import EpochMetrics


def words(without: EpochMetrics, dropped: EpochMetrics, rate: float) -> list[str]:
    """Sentences on the last epoch of two runs.

    Args:
        without: of the network without dropout.
        dropped: of that with dropout.
        rate: its share of units dropped.
    """
    running, clean, test = (
        100 * share for share in (dropped.accuracy, dropped.clean_accuracy, dropped.val_accuracy)
    )
    gain = 100 * (dropped.val_accuracy - without.val_accuracy)
    printed = (
        f"With dropout {rate:g}, Keras' fit prints {_percent(running)} training accuracy and {_percent(test)} test "
        f"accuracy: training seems {_distance(running - test)} test."
    )
    cleanly = (
        f"Measured with dropout off, the same network has {_percent(clean)} on its training examples, "
        f"{_distance(clean - test)} test. The other {_points(abs(clean - running))} come from measuring with dropout "
        "on, while the weights still change."
    )
    gained = (
        f"Test accuracy is {_percent(test)} with dropout and {_percent(100 * without.val_accuracy)} without: "
        f"{signed(gain, places=1)} points in this run. Train again: another seed gives another difference."
    )
    return [printed, cleanly, gained]


def row(without: EpochMetrics, dropped: EpochMetrics, rate: float, seed: int) -> list[str]:
    """Cells of the table of runs: rate, seed, both test accuracies, their difference in points."""
    tests = [100 * epoch.val_accuracy for epoch in (without, dropped)]
    return [f"{rate:g}", str(seed), *map(_percent, tests), signed(tests[1] - tests[0], places=1)]


def _percent(value: float) -> str:
    return f"{rounded(value, 1)}%"


def _points(value: float) -> str:
    return f"{rounded(value, 1)} points"


def _distance(points: float) -> str:
    return f"{_points(abs(points))} {'above' if points >= 0 else 'below'}"
