"""How often does each interval hold the truth? Its coverage on few seeds, for normal and for skewed differences.

    python benchmarks/coverage.py --studies 2000

The plain BCa interval stands beside the one that dropstudy gives, to show why it is not that.
"""

from __future__ import annotations

import argparse
import warnings
from collections import Counter
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from common import head, write_json
from dropstudy.analysis.stats import Estimate
from dropstudy.analysis.stats.anytime import anytime
from dropstudy.analysis.stats.paired import bca, effect_size, improvement, paired_t
from dropstudy.analysis.stats.simultaneous import simultaneous
from dropstudy.analysis.stats.two_way import two_way
from simulated import CONDITIONS, differences, share

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

SEEDS = (6, 10, 20)
EFFECT = 0.5  # deviations
EXAMPLES = 500
NOISES = {"seeds": (0.5, 0.5, 1.0), "both": (0.1, 2.0, 1.0), "examples": (0.05, 2.0, 3.0)}
"""Deviations over seeds, over examples, of single answers; named by what most of the error comes from."""


def main() -> None:
    """Simulate, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--seeds", type=int, nargs="*", default=SEEDS)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    about = head(studies=options.studies)
    covered: Counter[tuple[str, str, int]] = Counter()
    for n, shape in product(options.seeds, CONDITIONS):
        rng = np.random.default_rng([n, CONDITIONS.index(shape)])
        for _ in range(options.studies):
            for name, holds in _one_study(rng, n, shape):
                covered[name, shape, n] += int(holds)
    for n, (noise, deviations) in product(options.seeds, NOISES.items()):
        rng = np.random.default_rng([n, len(noise)])
        for _ in range(options.studies):
            covered["new data", f"noise of {noise}", n] += int(_new_data(rng, n, *deviations))
    rows = list(dict.fromkeys((name, shape) for name, shape, _ in covered))
    print(f"\n| interval | differences | {' | '.join(f'n = {n}' for n in options.seeds)} |")
    print(f"|---|---|{'---|' * len(options.seeds)}")
    for name, shape in rows:
        told = [share(covered[name, shape, n], options.studies) for n in options.seeds]
        print(f"| {name} | {shape} | {' | '.join(told)} |")
    counts = [
        {"interval": name, "shape": shape, "n": n, "covered": c} for (name, shape, n), c in covered.items()
    ]
    write_json(options.json, about, coverage=counts)


def _one_study(rng: np.random.Generator, n: int, shape: str) -> Iterator[tuple[str, bool]]:
    """Each interval of one study, and whether it holds the truth."""
    for arms in (3, 9) if shape == "normal" else (3,):
        table = differences(rng, n, arms, shape=shape)
        yield f"max-t, {arms} arms together", all(_holds(e, 0) for e in simultaneous(table))
    x = differences(rng, n, 1, shape=shape)[:, 0]
    yield "paired t", _holds(paired_t(x), 0)
    yield "BCa as it is", _holds(_plain_bca(x), 0)
    yield "BCa, expanded", _holds(bca(x), 0)
    yield "always-valid t, at this n alone", _holds(anytime(x), 0)
    yield "effect size", _holds(effect_size(x + EFFECT), EFFECT)
    yield "P(A > B)", _holds(improvement(x + EFFECT), _better(shape))


def _holds(estimate: Estimate, truth: float) -> bool:
    return estimate.low <= truth <= estimate.high


def _plain_bca(x: NDArray[np.float64]) -> Estimate:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        found = stats.bootstrap((x,), np.mean, n_resamples=2000, method="BCa", rng=np.random.default_rng(0))
    return Estimate(x.mean(), found.confidence_interval.low, found.confidence_interval.high, len(x), "BCa")


def _better(shape: str) -> float:
    """The true probability that a difference with mean EFFECT is above 0."""
    tails = {
        "normal": stats.norm.sf(-EFFECT),
        "skewed": stats.gamma(4).sf(4 - 2 * EFFECT),
        "very skewed": stats.expon.sf(1 - EFFECT),
        "heavy tails": stats.t(5).sf(-EFFECT * (5 / 3) ** 0.5),
    }
    return float(tails[shape])


def _new_data(rng: np.random.Generator, n: int, seed: float, example: float, both: float) -> bool:
    noise = (
        seed * rng.normal(size=(n, 1))
        + example * rng.normal(size=(1, EXAMPLES))
        + both * rng.normal(size=(n, EXAMPLES))
    )
    (beyond,) = two_way([noise])
    return _holds(beyond.difference, 0)


if __name__ == "__main__":
    main()
