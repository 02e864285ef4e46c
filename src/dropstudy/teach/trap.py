"""What a finished pair of runs shows, in words: the notebook's trap, and what one run cannot tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dropstudy.core.text import rounded, signed

if TYPE_CHECKING:
    from dropstudy.core.types import EpochMetrics


def shown(share: float) -> float:
    """A share in percent as the page shows it, so that the differences it tells are those of its numbers."""
    return float(rounded(100 * share, 1))


def words(without: EpochMetrics, dropped: EpochMetrics, rate: float) -> list[str]:
    """Sentences on the last epoch of two runs.

    Args:
        without: of the network without dropout.
        dropped: of that with dropout.
        rate: its share of units dropped.
    """
    running, clean, test = map(shown, (dropped.accuracy, dropped.clean_accuracy, dropped.val_accuracy))
    baseline = shown(without.val_accuracy)
    printed = (
        f"With dropout {rate:g}, Keras' fit prints {_percent(running)} training accuracy and {_percent(test)} test "
        f"accuracy: training seems {_distance(running - test)} test."
    )
    cleanly = (
        f"Measured with dropout off, the same network has {_percent(clean)} on its training examples, "
        f"{_distance(clean - test)} test. The {_points(abs(clean - running))} between the two come from measuring "
        "with dropout on, while the weights still change."
    )
    gained = (
        f"Test accuracy is {_percent(test)} with dropout and {_percent(baseline)} without: "
        f"{signed(test - baseline, places=1)} points in this run. Train again: another seed gives another difference."
    )
    return [printed, cleanly, gained]


def row(without: EpochMetrics, dropped: EpochMetrics, rate: float, seed: int) -> list[str]:
    """Cells of the table of runs: rate, seed, both test accuracies, their difference in points."""
    tests = [shown(epoch.val_accuracy) for epoch in (without, dropped)]
    return [f"{rate:g}", str(seed), *map(_percent, tests), signed(tests[1] - tests[0], places=1)]


def _percent(value: float) -> str:
    return f"{rounded(value, 1)}%"


def _points(value: float) -> str:
    return f"{rounded(value, 1)} points"


def _distance(points: float) -> str:
    return f"{_points(abs(points))} {'above' if points >= 0 else 'below'}"
