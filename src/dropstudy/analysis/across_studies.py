"""Arms over several studies, each of its own data: what their ranks show, in sentences."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING

from dropstudy.analysis.stats.ranks import LEVEL, fewest_sets
from dropstudy.analysis.verdict.phrases import capital, every, listed, p_value, quoted
from dropstudy.core.text import counted, rounded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dropstudy.analysis.stats.ranks import Ranks

_MOST_PAIRS = 4


def sentences_on_ranks(ranks: Ranks, arms: Sequence[str]) -> list[str]:
    """What the ranks show, and what they cannot show with so few data sets.

    Args:
        ranks: of the arms.
        arms: their names, in the order of the columns.
    """
    sets, k = ranks.ranks.shape
    found = f"{ranks.test}, {p_value(ranks.p_value)}"
    over = f"over these {sets} data sets"
    fewest = fewest_sets(k)
    if sets < fewest:
        least = f"With {counted(sets, 'data set')} no difference between {counted(k, 'arm')} can be shown"
        return [f"{least} at {100 * LEVEL:g}%: it takes {fewest} at least."]
    if isnan(ranks.p_value):
        return [f"{capital(every(k))} arms are equal {over}."]
    if not ranks.shown:
        return [f"No arm is shown to rank before another one {over} ({found})."]
    apart = [
        (i, j) for i in range(k) for j in range(k) if ranks.means[i] < ranks.means[j] and ranks.differ(i, j)
    ]
    lead = f"The arms differ {over} ({found})"
    if not apart:
        return [f"{lead}, but no two of them are shown to: no mean ranks are {_distance(ranks)} apart."]
    if len(apart) > _MOST_PAIRS:
        return [
            f"{lead}. {len(apart)} pairs are shown to: their mean ranks are {_distance(ranks)} or more apart."
        ]
    pairs = (f"{quoted(arms[i])} before {quoted(arms[j])}" for i, j in apart)
    besides = "" if k == 2 else f": mean ranks {_distance(ranks)} or more apart"  # noqa: PLR2004 - the test itself
    return [f"{lead}. Shown to rank: {listed(list(pairs))}{besides}."]


def _distance(ranks: Ranks) -> str:
    return f"{rounded(ranks.critical_difference)} (Nemenyi's critical difference)"
