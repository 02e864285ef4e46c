"""How often is the best rate among those that cannot be told from it, and the top of the curve in its interval?

    python benchmarks/which_rate.py --studies 2000

Validation scores are made up: a curve over the rates, a shift of each seed, and noise of each run of deviation 1.
"""

from __future__ import annotations

import argparse
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.interpolate import PchipInterpolator

from common import head, write_json
from dropstudy.analysis.stats.best_set import best_set
from dropstudy.analysis.stats.rate_curve import MOST_KNOTS, POINTS, smoother, top_interval
from simulated import CONDITIONS, differences, share

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

SEEDS = (6, 10, 20)
RATES = {4: (0, 0.2, 0.5, 0.8), 9: tuple(np.arange(9) / 10)}
TRIED = (tuple(np.arange(9) / 10), (0, 0.2, 0.4, 0.6, 0.8), (0, 0.2, 0.5, 0.8))
MEASURED = (0, 0.074, 0.136, 0.097, -0.103, -0.236, -0.794, -1.596, -3.244)
"""Points of validation accuracy over rates 0 to 0.8: 10 networks on 10,000 digits of MNIST, 5 epochs."""
SMOOTH: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "MNIST": lambda r: 3 * PchipInterpolator(np.arange(9) / 10, MEASURED)(r),
    "flat": lambda r: 0 * r,
    "peak at 0.35": lambda r: 3 * np.exp(-(((r - 0.35) / 0.25) ** 2)),
    "rising": lambda r: 3 * (1 - np.exp(-r / 0.3)),
    "falling": lambda r: -5 * r**2,
    "sharp at 0.2": lambda r: -8 * np.abs(r - 0.2) ** 1.5,
}
"""True curves, in deviations of a run."""

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
    write_json(options.json, about, best=rows, tops=_tops(options.studies // 4))


def _tops(studies: int) -> list[dict[str, object]]:
    """Print how often the interval of the curve's top holds it, and how wide it is, of the range that was tried."""
    print(
        "\n| rates | curve | seeds | interval holds the top, % | mean width | top of the fitted curve is off by |"
    )
    print("|---|---|---|---|---|---|")
    rows = []
    for tried, (name, curve), n in product(TRIED, SMOOTH.items(), (6, 10)):
        rates, fine = np.array(tried), np.linspace(tried[0], tried[-1], 801)
        top, rng = fine[curve(fine).argmax()], np.random.default_rng([len(tried), n])
        held, widths, off = 0, [], []
        points = np.linspace(rates[0], rates[-1], POINTS)
        smooth = smoother(rates, points, min(MOST_KNOTS, len(rates)))
        for _ in range(studies):
            values = curve(rates) + differences(rng, n, len(rates))
            low, high = top_interval(rates, values, 0.95, draws=300)
            held += int(low - 0.5 * (points[1] - points[0]) <= top <= high + 0.5 * (points[1] - points[0]))
            widths.append(high - low)
            off.append(points[(smooth @ values.mean(axis=0)).argmax()] - top)
        error = float(np.sqrt(np.mean(np.square(off))))
        rows.append(
            {"tried": tried, "curve": name, "seeds": n, "held": held, "width": np.mean(widths), "off": error}
        )
        told = share(held, studies), f"{np.mean(widths):.2f}", f"{error:.2f}"
        print(
            f"| {len(tried)}, {tried[0]:g} to {tried[-1]:g} | {name} | {n} | {' | '.join(told)} |", flush=True
        )
    return rows


def true_scores(rates: NDArray[np.float64], curve: str) -> NDArray[np.float64]:
    """True validation score of each rate, in deviations of a run."""
    if curve == "all equal":
        return np.zeros(len(rates))
    if curve == "flat top":  # as on MNIST: hardly any difference below 0.5, a steep fall above
        return -0.5 * ((rates - 0.3) / 0.3) ** 2 - 30 * np.maximum(0, rates - 0.5) ** 2
    return -3 * np.abs(rates - 0.2) / 0.2


if __name__ == "__main__":
    main()
