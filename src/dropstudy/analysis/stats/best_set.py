"""Multiple comparisons with the best: which columns of a table cannot be told from the best one."""

from __future__ import annotations

from math import inf, sqrt
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from dropstudy.analysis.stats.estimate import ROUNDING

if TYPE_CHECKING:
    from numpy.typing import NDArray

DRAWS = 20_000
_CELLS = 500_000
"""Numbers in an array of simulated tables."""
_SEED = 19_810_901
_CAREFUL = 0.8
"""Share of the error that is used up: covariances from few rows make the quantile too small. With all of it, the best
of nine equal columns of 6 to 20 rows was among those named in 94% of 4,000 tables."""
_NONE = -1e9
"""In place of a t where there is none; quantiles of infinite numbers are not defined."""


def best_set(values: NDArray[np.float64], level: float = 0.95, draws: int = DRAWS) -> NDArray[np.bool_]:
    """Which columns may be the best; the one of the highest true mean is among them with probability `level`.

    A column is left out where another one is better by more than c s / sqrt(n), s the deviation of their differences
    within rows. c is the `level` quantile of the largest t among the other columns if all true means were equal: of
    one-sided t, and one for each column (Hsu 1981, 1984, with unequal variances: that is Dunnett's one-sided comparison
    of all others with this column). If this column is the best, no other one has a true mean above its own, so that it
    is left out in at most 1 - `level` of all tables. c is simulated from normal values with the covariances of the
    table, at 80% of the error, since these are estimates, and stays between that of one comparison and Bonferroni's.

    Args:
        values: (n, k), seeds by arms, higher is better. NaN where an arm lacks a seed; with any, c is Bonferroni's, at
            the rows that two columns share. Two columns that differ equally in all rows, or share one row at most, are
            not told apart.
        level: that the best column is among them.
        draws: simulated tables.

    Returns:
        (k,)
    """
    differences = values[:, None, :] - values[:, :, None]  # (n, i, j): j minus i
    shared = (~np.isnan(differences)).sum(axis=0)
    if shared.size == 0 or shared.max() < 2:  # noqa: PLR2004 - one row has no deviation
        return np.ones(values.shape[1], dtype=np.bool_)
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = np.nanmax(differences, axis=0, initial=-inf) - np.nanmin(differences, axis=0, initial=inf)
        varying = (shared > 1) & (spread > ROUNDING)
        rows = np.where(varying, shared, 2)
        safe = np.where(varying, differences, np.arange(len(values))[:, None, None])
        t = np.where(
            varying, np.nanmean(safe, axis=0) / (np.nanstd(safe, axis=0, ddof=1) / np.sqrt(rows)), _NONE
        )
    highest = stats.t.ppf(1 - (1 - level) / np.maximum(1, varying.sum(axis=1, keepdims=True)), rows - 1)
    if np.isnan(values).any() or len(values) == 2:  # noqa: PLR2004 - two rows always correlate fully
        return np.asarray((t <= highest).all(axis=1))
    # Weibull's plotting position: the quantile of few draws is exceeded as often as that of many.
    careful = 1 - _CAREFUL * (1 - level)
    critical = np.quantile(_largest(values, varying, draws), careful, axis=0, method="weibull")
    critical = np.clip(critical, stats.t.ppf(level, len(values) - 1), highest.max(axis=1))
    return np.asarray(t.max(axis=1) <= critical)


def _largest(values: NDArray[np.float64], varying: NDArray[np.bool_], draws: int) -> NDArray[np.float64]:
    """Largest t of the others minus each column, in simulated tables without a difference: (draws, k)."""
    n, k = values.shape
    eigenvalues, vectors = np.linalg.eigh(np.cov(values, rowvar=False).reshape(k, k))
    used = eigenvalues > 1e-12 * max(eigenvalues.max(), 0.0)  # fitted curves have few dimensions
    factor = (vectors[:, used] * np.sqrt(eigenvalues[used])).T
    rng = np.random.default_rng(_SEED)
    found, most = [], max(1, _CELLS // (k * max(k, n)))
    for start in range(0, draws, most):
        drawn = rng.standard_normal((min(most, draws - start), n, len(factor)))
        means = drawn.mean(axis=1) @ factor
        centred = drawn - drawn.mean(axis=1, keepdims=True)
        covariances = factor.T @ (np.swapaxes(centred, 1, 2) @ centred / (n - 1)) @ factor
        variances = np.diagonal(covariances, axis1=1, axis2=2)
        squares = variances[:, None, :] + variances[:, :, None] - 2 * covariances
        errors = np.sqrt(np.where(varying, squares, 1.0)) / sqrt(n)
        t = np.where(varying, (means[:, None, :] - means[:, :, None]) / errors, _NONE)
        found.append(t.max(axis=2))
    return np.concatenate(found)
