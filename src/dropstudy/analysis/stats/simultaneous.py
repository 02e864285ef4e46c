"""Simultaneous intervals: they hold for all columns of a table at once."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from dropstudy.analysis.stats.estimate import mean_interval, spread_out, t_half_width

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dropstudy.analysis.stats.estimate import Estimate

DRAWS = 20_000
_CHUNK = 2_000
_SEED = 19_550_901


def simultaneous(table: NDArray[np.float64], level: float = 0.95) -> tuple[Estimate, ...]:
    """Mean of each column with an interval; all k of them hold together with probability `level`.

    mean ± c s / sqrt(n), where c is the `level` quantile of the largest |t| among k columns of normal values with the
    table's correlations, by simulation (Hothorn, Bretz and Westfall 2008: estimated correlations in place of the known
    ones of Dunnett 1955, who also pools s). Correlations estimated from few seeds are unreliable, so c stays between
    that of one column and Sidak's (1967), which needs none.

    Args:
        table: (n, k), seeds by arms: scores or differences. NaN where an arm lacks a seed; with any, c is Sidak's, at
            each column's own n. Columns that do not vary have no interval and do not count among the k.
        level: of the intervals together.
    """
    columns = [column[~np.isnan(column)] for column in table.T]
    varying = [spread_out(column) for column in columns]
    k, varied = sum(varying), table[:, varying]
    complete = len(table) > 2 and not np.isnan(varied).any()  # noqa: PLR2004 - two seeds always correlate fully
    shared = _critical(varied, level) if complete and k > 1 else None

    def half_width(deviation: float, n: int) -> float:
        return t_half_width(sidak(k, n, level) if shared is None else shared, deviation, n)

    return tuple(mean_interval(column, level, "simultaneous max-t", half_width) for column in columns)


def sidak(k: int, n: float, level: float = 0.95) -> float:
    """Critical |t| at n - 1 degrees of freedom for k intervals that hold together whatever their correlations."""
    return float(stats.t.ppf((1 + level ** (1 / k)) / 2, n - 1))


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
