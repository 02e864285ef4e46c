"""How often is the best rate among those that cannot be told from it? And how many are left?

    python benchmarks/which_rate.py --studies 2000

Validation scores are made up: a curve over the rates, a shift of each seed, and noise of each run of deviation 1.
"""

from __future__ import annotations

import argparse
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common import head, write_json
from dropstudy.analysis.stats.best_set import best_set
from simulated import CONDITIONS, differences, share

if TYPE_CHECKING:
    from numpy.typing import NDArray

SEEDS = (6, 10, 20)
RATES = {4: (0, 0.2, 0.5, 0.8), 9: tuple(np.arange(9) / 10)}
CURVES = ("all equal", "flat top", "peak")


def main() -> None:
    """Simulate, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    about = head(studies=options.studies)
    print("| rates | truth | runs | seeds | holds the best, % | rates in the set | first is the best, % |")
    print("|---|---|---|---|---|---|---|")
    rows = []
    for (k, rates), curve, shape, n in product(RATES.items(), CURVES, CONDITIONS, SEEDS):
        if shape != "normal" and (curve != "all equal" or k == 9):  # noqa: PLR2004 - the hardest case alone
            continue
        truth = true_scores(np.array(rates), curve)
        best, rng = int(truth.argmax()), np.random.default_rng([k, CURVES.index(curve), n])
        held = left = first = 0
        for _ in range(options.studies):
            values = truth + differences(rng, n, k, shape=shape)
            found = best_set(values, draws=1000)
            held, left = held + int(found[best]), left + int(found.sum())
            first += int(values.mean(axis=0).argmax() == best)
        rows.append(
            {
                "rates": k,
                "curve": curve,
                "shape": shape,
                "seeds": n,
                "held": held,
                "left": left,
                "first": first,
            }
        )
        told = (
            share(held, options.studies),
            f"{left / options.studies:.1f}",
            f"{100 * first / options.studies:.0f}",
        )
        print(f"| {k} | {curve} | {shape} | {n} | {' | '.join(told)} |", flush=True)
    write_json(options.json, about, best=rows)


def true_scores(rates: NDArray[np.float64], curve: str) -> NDArray[np.float64]:
    """True validation score of each rate, in deviations of a run."""
    if curve == "all equal":
        return np.zeros(len(rates))
    if curve == "flat top":  # as on MNIST: hardly any difference below 0.5, a steep fall above
        return -0.5 * ((rates - 0.3) / 0.3) ** 2 - 30 * np.maximum(0, rates - 0.5) ** 2
    return -3 * np.abs(rates - 0.2) / 0.2


if __name__ == "__main__":
    main()
