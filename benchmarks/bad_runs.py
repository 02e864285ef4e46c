"""Would a trimmed mean or a median decide better than the mean, where some runs of an arm are bad?

    python benchmarks/bad_runs.py --studies 1000

The verdict is about the mean: that of new runs, bad ones included. Its true value is 0 here, so every "helps" and
"hurts" is false. With bad runs a tenth of the differences is `LOSS` deviations lower, with very bad ones `GREAT_LOSS`,
and the others lie above 0. A trimmed mean and a median are then not 0, which their own errors allow for: those about
their own true values.
"""

from __future__ import annotations

import argparse
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common import head, write_json
from dropstudy.analysis.sequential import MAX_SEEDS, looks
from dropstudy.analysis.stats import sign_flip
from dropstudy.analysis.stats.anytime import anytime
from dropstudy.analysis.stats.paired import paired_t
from dropstudy.analysis.stats.robust import robust_centres
from dropstudy.analysis.verdict.inference import arm_tests
from dropstudy.analysis.verdict.rule import SEEDS
from simulated import differences, share

if TYPE_CHECKING:
    from numpy.typing import NDArray

BAD, LOSS, GREAT_LOSS = 0.1, 5.0, 20.0  # a share; deviations
COUNTS = (6, 10, 20, 50)
NOTHING = 1e-9
"""A margin so small that nothing is equivalent."""

sign_flip.MOST_EXACT, sign_flip.SAMPLED = 12, 16_384


def with_bad_runs(rng: np.random.Generator, n: int, loss: float = LOSS) -> NDArray[np.float64]:
    """Differences of mean 0, a tenth of them lower by `loss` than the others, whose deviation is 1."""
    return rng.normal(size=n) + loss * (BAD - (rng.random(n) < BAD))


KINDS = {
    "normal": lambda rng, n: differences(rng, n, 1)[:, 0],
    "very skewed": lambda rng, n: differences(rng, n, 1, shape="very skewed")[:, 0],
    "10% bad runs": with_bad_runs,
    "10% very bad runs": partial(with_bad_runs, loss=GREAT_LOSS),
}


def main() -> None:
    """Simulate, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--kinds", nargs="*", default=KINDS, choices=KINDS)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    about = head(studies=options.studies)
    print(
        "\n| differences | n | mean, % | trimmed mean, % | median, % | mean and trimmed mean, % "
        "| trimmed mean of its own, % | median of its own, % | caution shown, % |\n"
        "|---|---|---|---|---|---|---|---|---|"
    )
    rows: list[dict[str, Any]] = []
    for kind, n in product(options.kinds, COUNTS):
        draw, rng = KINDS[kind], np.random.default_rng([len(kind), n])
        own = robust_centres(draw(rng, 200_001))
        counts = np.zeros(7, dtype=int)
        for _ in range(options.studies):
            counts += _one_study(draw(rng, n), own.trimmed_mean.value, own.median.value)
        told = [share(int(count), options.studies) for count in counts]
        print(f"| {kind} | {n} | {' | '.join(told)} |", flush=True)
        rows.append({"differences": kind, "n": n, "counts": counts.tolist()})
    print(f"\n| differences | false until decided, {MAX_SEEDS} seeds at most, % |\n|---|---|")
    for kind in options.kinds:
        rng = np.random.default_rng(len(kind))
        false = sum(_ever_decided(KINDS[kind](rng, MAX_SEEDS)) for _ in range(options.studies))
        print(f"| {kind} | {share(false, options.studies)} |", flush=True)
        rows.append({"differences": kind, "until decided": false})
    write_json(options.json, about, rates=rows)


def _one_study(x: NDArray[np.float64], trimmed: float, median: float) -> list[bool]:
    """False claims about the mean by each centre, by two together, and of each about itself; and the caution."""
    found, mean = robust_centres(x), arm_tests(x[:, None], margin=NOTHING, always_valid=False)[0]
    by_mean = mean.decision in {"helps", "hurts"}
    side = mean.deciding.above_zero - mean.deciding.below_zero
    of_trimmed = found.trimmed_mean.above_zero - found.trimmed_mean.below_zero
    return [
        by_mean,
        of_trimmed != 0,
        found.median.above_zero or found.median.below_zero,
        by_mean and side == of_trimmed,
        not found.trimmed_mean.low <= trimmed <= found.trimmed_mean.high,
        not found.median.low <= median <= found.median.high,
        found.disagrees(paired_t(x)),
    ]


def _ever_decided(x: NDArray[np.float64]) -> bool:
    """Whether `--until-decided` ends with a claim about the mean."""
    for n in looks(SEEDS, len(x)):
        interval = anytime(x[:n])
        if interval.above_zero or interval.below_zero:
            tests = arm_tests(x[:n, None], margin=NOTHING, always_valid=True)
            if tests[0].decision in {"helps", "hurts"}:
                return True
    return False


if __name__ == "__main__":
    main()
