"""Does adding seeds until a verdict is decided keep its error, and how many seeds does it take?

    python benchmarks/until_decided.py --studies 2000

Each study begins with 6 seeds and is looked at as `dropstudy run --until-decided` does, up to 50. Differences have a
deviation of 0.1 points; the margin is the default of 0.1 points. Beside it stands what happens where the test for one
look is used at each.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from common import head, write_json
from dropstudy.analysis.sequential import MAX_SEEDS, looks
from dropstudy.analysis.stats.anytime import anytime
from dropstudy.analysis.verdict.inference import arm_tests
from dropstudy.analysis.verdict.rule import LEVEL, SEEDS
from dropstudy.core.metrics import ACCURACY
from simulated import differences, share

if TYPE_CHECKING:
    from numpy.typing import NDArray

SPREAD = 0.1  # points
CASES = (
    # arms, true difference of the first in points, shape of the distribution
    (1, 0.0, "normal"),
    (3, 0.0, "normal"),
    (9, 0.0, "normal"),
    (1, 0.0, "skewed"),
    (1, 0.0, "very skewed"),
    (1, 0.0, "heavy tails"),
    (1, 0.1, "normal"),
    (1, 0.05, "normal"),
    (1, 0.15, "normal"),
    (1, 0.2, "normal"),
    (1, 0.3, "normal"),
    (3, 0.2, "normal"),
    (3, 0.3, "normal"),
)
NOTHING = 1e-9
"""A margin so small that nothing is equivalent: the error and the power of "helps" and "hurts" alone."""


def main() -> None:
    """Simulate, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--cases", type=int, nargs="*", default=range(len(CASES)))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    about = head(studies=options.studies, spread=SPREAD)
    rows: list[dict[str, Any]] = []
    print(
        "\n| arms | true difference | differences | margin | helps or hurts, % | equivalent, % | mean seeds | median | "
        "repeated single looks, % |\n|---|---|---|---|---|---|---|---|---|"
    )
    for case in options.cases:
        arms, effect, shape = CASES[case]
        for margin in (NOTHING, ACCURACY.margin):
            rng = np.random.default_rng(case)
            ends = []
            for _ in range(options.studies):
                x = SPREAD * differences(rng, MAX_SEEDS, arms, shape=shape)
                x[:, 0] += effect
                ends.append((*_decided(x, margin), _naively(x)))
            print(_row(arms, effect, shape, margin, ends), flush=True)
            rows.append({"arms": arms, "effect": effect, "shape": shape, "margin": margin, "ends": ends})
    write_json(options.json, about, studies_ended=rows)


def _decided(x: NDArray[np.float64], margin: float) -> tuple[str, int]:
    """How a study ends and at how many seeds: of the first arm, and of any arm where it is helps or hurts."""
    level = 1 - LEVEL / x.shape[1]
    n = 0
    for n in looks(SEEDS, MAX_SEEDS):
        intervals = [anytime(column, level) for column in x[:n].T]
        if not any(e.above_zero or e.below_zero or e.within(margin) for e in intervals):
            continue  # no arm can be decided: the sign flips, which take longer, need not be gone through
        decisions = [test.decision for test in arm_tests(x[:n], margin=margin, always_valid=True)]
        if {"helps", "hurts"} & set(decisions):
            return "helps or hurts", n
        if set(decisions) == {"equivalent"}:
            return "equivalent", n
    return "undecided", n


def _naively(x: NDArray[np.float64]) -> bool:
    """Whether a t test at 5% of the first arm, repeated at every look, is ever significant."""
    for n in looks(SEEDS, MAX_SEEDS):
        column = x[:n, 0]
        t = abs(column.mean()) / (column.std(ddof=1) / np.sqrt(n))
        if t > stats.t.ppf(1 - LEVEL / 2, n - 1):
            return True
    return False


def _row(arms: int, effect: float, shape: str, margin: float, ends: list[tuple[str, int, bool]]) -> str:
    decisions, seeds, naive = zip(*ends, strict=True)
    cells = [
        str(arms),
        f"{effect:g}",
        shape,
        f"{margin:g}" if margin > NOTHING else "none",
        share(decisions.count("helps or hurts"), len(ends)),
        share(decisions.count("equivalent"), len(ends)),
        f"{np.mean(seeds):.1f}",
        f"{np.median(seeds):.0f}",
        share(sum(naive), len(ends)),
    ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
