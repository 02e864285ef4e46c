"""Intervals that hold for all columns of a table at once: for a chart of all rates."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from dropstudy.analysis.stats.estimate import Estimate, spread_out, unknown

if TYPE_CHECKING:
    from numpy.typing import NDArray

DRAWS = 20_000
_CHUNK = 2_000
_SEED = 19_550_901
_METHOD = "simultaneous max-t"


def simultaneous(table: NDArray[np.float64], level: float = 0.95) -> tuple[Estimate, ...]:
    """Mean of each column with an interval; all k of them hold together with probability `level`.

    mean ± c s / sqrt(n), where c is the `level` quantile of the largest |t| among k columns of normal values that
    hang together as the table's do (Dunnett 1955; Hothorn, Bretz and Westfall 2008, with the covariance estimated,
    by simulation). Where n is small the estimated correlations are unsure; c is then held between that of one
    column and Sidak's (1967), which needs none.

    Args:
        table: (n, k), seeds by arms: scores or differences. NaN where an arm lacks a seed; with any, c is
            Sidak's, at each column's own n. Columns that do not vary have no interval and count for nothing.
        level: of the intervals together.
    """
    varying = [spread_out(column[~np.isnan(column)]) for column in table.T]
    k, told = sum(varying), table[:, varying]
    whole = len(table) > 2 and not np.isnan(told).any()  # noqa: PLR2004 - two seeds always correlate fully
    shared = _critical(told, level) if whole and k > 1 else None
    return tuple(_interval(column[~np.isnan(column)], k, level, shared) for column in table.T)


def sidak(k: int, n: int, level: float = 0.95) -> float:
    """Critical |t| at n - 1 degrees of freedom for k intervals that hold together whatever their correlations."""
    return float(stats.t.ppf((1 + level ** (1 / k)) / 2, n - 1))


def _interval(values: NDArray[np.float64], k: int, level: float, critical: float | None) -> Estimate:
    n = len(values)
    if not spread_out(values):
        return unknown(n, _METHOD, value=float(values.mean()) if n else np.nan, level=level)
    reach = (sidak(k, n, level) if critical is None else critical) * float(values.std(ddof=1)) / sqrt(n)
    mean = float(values.mean())
    return Estimate(mean, mean - reach, mean + reach, n, _METHOD, level)


def _critical(table: NDArray[np.float64], level: float) -> float:
    n, k = table.shape
    correlation = np.corrcoef(table, rowvar=False)
    values, vectors = np.linalg.eigh(correlation)
    factor = (vectors * np.sqrt(np.clip(values, 0, None))).T
    rng = np.random.default_rng(_SEED)
    largest = []
    for _ in range(DRAWS // _CHUNK):
        drawn = rng.standard_normal((_CHUNK, n, k)) @ factor
        t = drawn.mean(axis=1) / (drawn.std(axis=1, ddof=1) / sqrt(n))
        largest.append(np.abs(t).max(axis=1))
    simulated = float(np.quantile(np.concatenate(largest), level))
    return float(np.clip(simulated, sidak(1, n, level), sidak(k, n, level)))
