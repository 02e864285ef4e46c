"""A curve over the rates that were tried: its band, its top with an interval, and the rates to try next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dropstudy.analysis.stats.best_set import best_set
from dropstudy.analysis.stats.simultaneous import simultaneous

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

FEWEST_RATES = 4
"""Through three points every curve with a top fits."""
FEWEST_SEEDS = 6
MOST_KNOTS = 7
"""Harrell 2015, "Regression Modeling Strategies", section 2.4.6: three to seven. Fewer cannot follow a curve that is
flat below a rate and falls steeply above it."""
POINTS = 41
"""Of the curve: 40 steps between the lowest and the highest rate."""
_FAR = 3.0
_DRAWS = 4_000
_DIGITS = 9  # of a rate


@dataclass(frozen=True)
class RateCurve:
    """Fitted score over the rate, above the score of the first column; higher is better.

    Args:
        tried: the rates, ascending.
        rates: of the curve's points, ascending.
        mean: of the curve, at each point.
        low: of the band that holds for the whole curve at once.
        high: likewise.
        top: the rate where the curve is highest.
        top_low: lowest rate that may be the top.
        top_high: highest rate that may be the top.
        gains: what it is fitted to: score of each seed at each rate that was tried, minus that of the first column.
        knots: of the natural cubic spline, its degrees of freedom.
        far: other rates, at the ends, that are far worse: a spline through them would swing up beside them.
        level: of band and interval.
    """

    tried: tuple[float, ...]
    rates: tuple[float, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    top: float
    top_low: float
    top_high: float
    gains: tuple[tuple[float, ...], ...]
    knots: int
    far: tuple[float, ...] = ()
    level: float = 0.95

    @property
    def anywhere(self) -> bool:
        """True where every rate between the lowest and the highest may be the top."""
        return (self.top_low, self.top_high) == (self.tried[0], self.tried[-1])

    @property
    def at_low_end(self) -> bool:
        """True where the top may lie at the lowest rate that was tried, which is not 0, or below it."""
        return min(self.tried + self.far) == self.top_low > 0

    @property
    def at_high_end(self) -> bool:
        """True where the top may lie at the highest rate that was tried, or above it."""
        return max(self.tried + self.far) == self.top_high

    def next_rates(self, margin: float = 0.0) -> tuple[float, ...]:
        """Rates to try next, ascending: where the curve promises more than the rates that were tried.

        The top, where the curve is higher there than at every tried rate by more than `margin`; a rate beyond the
        highest or lowest one, where the curve is highest at it. None where the top may be anywhere: more seeds then
        tell more than more rates.
        """
        if self.anywhere:
            return ()
        if self.top == self.tried[-1] and self.at_high_end:
            step = self.tried[-1] - self.tried[-2]
            return (round(min(self.top + step, (self.top + 1) / 2), 2),)
        if self.top == self.tried[0] and self.at_low_end:
            return (round(self.top / 2, 2),)
        near = [self.at(rate) for rate in self.tried]
        return (round(self.top, 2),) if max(self.mean) - max(near) > margin else ()

    def at(self, rate: float) -> float:
        """The curve at a rate."""
        return float(np.interp(rate, self.rates, self.mean))


def fit_rate_curve(rates: Sequence[float], values: ArrayLike, level: float = 0.95) -> RateCurve | None:
    """Fit a natural cubic spline over the rates to each seed's scores.

    Its parameters are its values at the knots, which lie at equal shares of the rates that were tried. They are fitted
    to each seed by least squares, so that seeds, not runs, are what varies: the band is the simultaneous max-t interval
    of the fitted scores at all points of the curve. A rate may be the top where no other point of the curve is higher
    by more than noise: the inversion of the one-sided tests of all contrasts with that rate (`best_set`), which is the
    region of Peterson, Cahya and del Castillo 2002 ("A general approach to confidence regions for optimal factor levels
    of response surfaces", Biometrics 58) with critical values by simulation. It reaches from the lowest to the highest
    such rate, on a flat curve over everything, and holds the tried rates that cannot be told apart from the best.

    Args:
        rates: of the columns.
        values: (n, k), seeds by rates, higher is better; seeds that lack a rate are left out. The band is of the
            differences from the first column.
        level: of band and interval.

    Returns:
        None where there are fewer than `FEWEST_RATES` rates, without those that are far worse, or `FEWEST_SEEDS`
        complete seeds, or nothing varies.
    """
    table = np.asarray(values, dtype=np.float64)
    table = table[~np.isnan(table).any(axis=1)]
    if len(set(rates)) < FEWEST_RATES or len(table) < FEWEST_SEEDS:
        return None
    order = np.argsort(rates)
    tried = np.asarray(rates, dtype=np.float64)[order]
    differences = (table - table[:, :1])[:, order]
    kept = _near(differences)
    far, tried, differences = tuple(np.delete(tried, kept).tolist()), tried[kept], differences[:, kept]
    if len(tried) < FEWEST_RATES:
        return None
    points = np.linspace(tried[0], tried[-1], POINTS).round(_DIGITS)
    knots = min(MOST_KNOTS, len(tried))
    fitted = differences @ smoother(tried, points, knots).T
    mean, band = fitted.mean(axis=0), simultaneous(fitted, level)
    if not any(each.known for each in band):
        return None
    low, high = top_interval(tried, differences, level)
    return RateCurve(
        tried=tuple(tried.tolist()),
        rates=tuple(points.tolist()),
        mean=tuple(mean.tolist()),
        low=tuple(each.low if each.known else each.value for each in band),
        high=tuple(each.high if each.known else each.value for each in band),
        top=float(points[mean.argmax()]),
        top_low=low,
        top_high=high,
        gains=tuple(map(tuple, differences.tolist())),
        knots=knots,
        far=far,
        level=level,
    )


def _near(values: NDArray[np.float64]) -> NDArray[np.intp]:
    """Columns but those at the ends that are worse than the best by `_FAR` times as much as any other is, and noise."""
    losses = values.mean(axis=0).max() - values.mean(axis=0)
    noise = (values - values.mean(axis=1, keepdims=True)).std(axis=0, ddof=1) / np.sqrt(len(values))
    first, last = 0, values.shape[1]
    while last - first > 1:
        end = first if losses[first] > losses[last - 1] else last - 1
        others = np.setdiff1d(np.arange(first, last), [end])
        if losses[end] <= _FAR * (losses[others].max() + 2 * np.median(noise)):
            break
        first, last = (first + 1, last) if end == first else (first, last - 1)
    return np.arange(first, last)


def top_interval(
    tried: NDArray[np.float64], values: NDArray[np.float64], level: float, draws: int = _DRAWS
) -> tuple[float, float]:
    """Lowest and highest rate that may be the top of the curve, or the best of the rates that were tried.

    Args:
        tried: the rates, ascending.
        values: (n, k), seeds by rates, higher is better.
        level: that the top lies between them.
        draws: simulated tables.
    """
    points = np.linspace(tried[0], tried[-1], POINTS)
    fitted = values @ smoother(tried, points, min(MOST_KNOTS, len(tried))).T
    may = [*points[best_set(fitted, level, draws)], *tried[best_set(values, level, draws)]]
    return round(float(min(may)), _DIGITS), round(float(max(may)), _DIGITS)


def smoother(rates: NDArray[np.float64], points: NDArray[np.float64], knots: int) -> NDArray[np.float64]:
    """Matrix from scores at the rates to the fitted spline at the points, (points, rates)."""
    from scipy.interpolate import CubicSpline  # noqa: PLC0415 - few studies have a curve

    places = np.quantile(rates, np.linspace(0, 1, knots))
    basis = CubicSpline(places, np.eye(knots), bc_type="natural")
    return np.asarray(basis(points) @ np.linalg.pinv(basis(rates)))
