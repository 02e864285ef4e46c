"""Which rate does a budget of runs find, by a search and by a plain grid, and how often is it wrong that it helps?

    python benchmarks/find_rate.py --studies 300

Scores are made up, in points of accuracy: a curve over the rates, and noise of each run of deviation 0.15, half of its
variance that of the seed. Validation and test scores of a run are two draws that share half of the run's own variance.
"""

from __future__ import annotations

import argparse
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats
from scipy.interpolate import PchipInterpolator

from common import head, write_json
from dropstudy.analysis.find_rate import START, START_SEEDS, next_round, search_runs
from simulated import share

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

BUDGETS = (60, 120)
MARGIN = 0.1
NOISE = 0.15
MOST = 200
"""Seeds, more than any study has."""
GRIDS = {"grid of 5": START, "grid of 9": tuple((np.arange(9) / 10).tolist())}
MEASURED = (0, 0.074, 0.136, 0.097, -0.103, -0.236, -0.794, -1.596, -3.244)
"""Points of validation accuracy over rates 0 to 0.8: 10 networks on 10,000 digits of MNIST, 5 epochs."""
_MNIST = PchipInterpolator(np.append(np.arange(9) / 10, 0.99), [*MEASURED, -10])
FINE = np.linspace(0, 0.98, 197)
TRUTHS: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "flat": lambda r: 0 * r,
    "MNIST": _MNIST,
    "peak at 0.35": lambda r: 0.4 * np.exp(-(((r - 0.35) / 0.25) ** 2)),
    "sharp peak at 0.27": lambda r: 0.4 - 2 * np.abs(r - 0.27),
    "peak at the edge": lambda r: 0.6 * r - 6 * np.maximum(0, r - 0.9) ** 2,
    "falling": lambda r: -1.5 * r,
    "0.2 and 0.4 equal": lambda r: 0.3 - 3 * np.minimum(np.abs(r - 0.2), np.abs(r - 0.4)),
}
"""True curves, in points."""


class World:
    """Scores of one made-up study: of each rate and seed, on validation and test data."""

    def __init__(
        self, truth: Callable[[NDArray[np.float64]], NDArray[np.float64]], rng: np.random.Generator
    ) -> None:
        self._truth, self._rng = truth, rng
        self._seeds = rng.normal(0, NOISE * np.sqrt(0.5), (MOST, 1))
        self._runs: dict[float, NDArray[np.float64]] = {}

    def of(self, rate: float) -> NDArray[np.float64]:
        """Validation and test scores, (seeds, 2)."""
        if rate not in self._runs:
            own = self._rng.normal(0, NOISE / 2, (MOST, 1)) + self._rng.normal(0, NOISE / 2, (MOST, 2))
            self._runs[rate] = float(self._truth(np.asarray(rate))) + self._seeds + own
        return self._runs[rate]


def found_by_search(world: World, budget: int) -> tuple[float, bool, int]:
    """Rate that validation data choose, whether fresh seeds say that it helps, and the runs used."""
    rates, counts = list(START), [START_SEEDS] * len(START)
    while True:
        values = np.full((max(counts), len(rates)), np.nan)
        for place, (rate, count) in enumerate(zip(rates, counts, strict=True)):
            values[:count, place] = world.of(rate)[:count, 0]
        found = next_round(rates, counts, values, search_runs(budget) - sum(counts), draws=300)
        if found is None:
            break
        counts = [found.seeds if place in found.racing else count for place, count in enumerate(counts)]
        if found.new is not None:
            rates, counts = [*rates, found.new], [*counts, found.seeds]
    last = [place for place, count in enumerate(counts) if count == max(counts)]
    rate = rates[last[int(values[:, last].mean(axis=0).argmax())]]
    if rate == 0:
        return rate, False, sum(counts)
    fresh = slice(MOST // 2, MOST // 2 + (budget - sum(counts)) // 2)
    differences = (world.of(rate) - world.of(0.0))[fresh, 1:]
    used = sum(counts) + 2 * len(differences)
    return rate, helps(differences, 0), used


def found_by_grid(world: World, rates: tuple[float, ...], budget: int) -> tuple[float, bool, int]:
    """The same of a grid that spends the whole budget at once: the interval of the chosen rate allows for all rates."""
    n = budget // len(rates)
    values = np.stack([world.of(rate)[:n] for rate in rates], axis=1)
    best = int(values[:, :, 0].mean(axis=0).argmax())
    if best == 0:
        return 0.0, False, n * len(rates)
    return rates[best], helps(values[:, 1:, 1] - values[:, :1, 1], best - 1), n * len(rates)


def helps(differences: NDArray[np.float64], place: int) -> bool:
    """Whether the interval for all arms together says that one of them is better."""
    n, arms = differences.shape
    x = differences[:, place]
    return bool(x.mean() / (x.std(ddof=1) / np.sqrt(n)) > critical(n, arms))


@cache
def critical(n: int, arms: int) -> float:
    """95% quantile of the largest abs(t) of as many arms against one baseline, by simulation; of one, Student's."""
    if arms == 1:
        return float(stats.t.ppf(0.975, n - 1))
    rng, most = np.random.default_rng(n), []
    for _ in range(20):
        # Correlated by 0.5, as differences are.
        x = rng.normal(size=(500, n, arms)) + rng.normal(size=(500, n, 1))
        most.append(np.abs(x.mean(axis=1) / (x.std(axis=1, ddof=1) / np.sqrt(n))).max(axis=1))
    return float(np.quantile(np.concatenate(most), 0.95))


def main() -> None:
    """Simulate, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=300)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    about, rows = head(studies=options.studies), []
    print(
        "| truth | runs | by | regret, points | within the margin of the best, % | says helps, % | runs used |"
    )
    print("|---|---|---|---|---|---|---|")
    ways: dict[str, Callable[[World, int], tuple[float, bool, int]]] = {"search": found_by_search}
    ways |= {
        name: lambda world, budget, r=rates: found_by_grid(world, r, budget) for name, rates in GRIDS.items()
    }
    for (truth, curve), budget, (way, find) in (
        (truth, budget, way) for truth in TRUTHS.items() for budget in BUDGETS for way in ways.items()
    ):
        best, regrets, claims, used = float(curve(FINE).max()), [], 0, []
        for study in range(options.studies):
            rate, claimed, runs = find(World(curve, np.random.default_rng([study, budget])), budget)
            regrets.append(best - float(curve(np.asarray(rate))))
            claims += claimed
            used.append(runs)
        near = int(np.sum(np.asarray(regrets) <= MARGIN + 1e-9))
        error = float(stats.sem(regrets))
        told = (
            f"{np.mean(regrets):.3f} ± {1.96 * error:.3f}",
            share(near, options.studies),
            share(claims, options.studies),
        )
        print(f"| {truth} | {budget} | {way} | {' | '.join(told)} | {np.mean(used):.0f} |", flush=True)
        rows.append(
            {
                "truth": truth,
                "budget": budget,
                "way": way,
                "regret": float(np.mean(regrets)),
                "near": near,
                "helps": claims,
                "used": float(np.mean(used)),
            }
        )
    write_json(options.json, about, rows=rows)


if __name__ == "__main__":
    main()
