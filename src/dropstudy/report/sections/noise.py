"""Tables of where the noise of each arm's difference comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from dropstudy.analysis.redrawn import TITLES, with_ends
from dropstudy.analysis.verdict.noise import of_spread
from dropstudy.core.text import rounded, whole_percent
from dropstudy.report import charts
from dropstudy.report.sections import conditions
from dropstudy.report.sections.blocks import Table

if TYPE_CHECKING:
    from dropstudy.report.assessed import Assessed


def noise_table(snapshot: Assessed, condition: tuple[str, int]) -> Table | None:
    """Sources of the noise of each arm at a condition; None where they are not known."""
    labels, metric = charts.arm_labels(snapshot.arms), snapshot.metric
    found = [c for c in snapshot.condition_verdict(condition).comparisons if c.noise is not None]
    rows = [
        {
            "arm": labels[c.arm],
            f"spread over seeds{f', {metric.short}' if metric.short else ''}": _spread(
                c.differences, metric.places
            ),
            "of it, from measuring on few examples": of_spread(c.noise.of_spread),
            "seeds": whole_percent(c.noise.seeds),
            "test examples": whole_percent(c.noise.examples),
            "answers from seed to seed": whole_percent(c.noise.both),
        }
        for c in found
        if c.noise is not None
    ]
    if not rows:
        return None
    return Table(
        f"Where the noise comes from{conditions.title_suffix(snapshot, condition)}",
        "The spread is the standard deviation of the paired differences. A part of it is not training: each seed is "
        f"measured on the same {found[0].test_examples:,} test examples, and on more of them it would be smaller (in "
        "brackets a 95% interval). The last three columns share out the variance of the mean difference for new seeds "
        "and new test examples: the seeds, the choice of test examples, and how single examples are answered from seed "
        "to seed. More seeds make the first smaller, more test examples the second, both the third.",
        pd.DataFrame(rows),
        {},
        sortable=False,
    )


def redrawn_table(snapshot: Assessed, condition: tuple[str, int]) -> Table | None:
    """Spread over seeds of one source drawn anew; None where none was asked for."""
    labels, metric = charts.arm_labels(snapshot.arms), snapshot.metric
    rows = snapshot.condition_verdict(condition).sources
    if not rows:
        return None
    drawn = [source for source in TITLES if any(source in row.alone for row in rows)]
    cells = [
        {
            "standard deviation of": labels[row.arm] + (f" - {labels[row.baseline]}" if row.baseline else ""),
            "all together": with_ends(row.together, metric),
            **{
                TITLES[source]: with_ends(row.alone[source], metric) if source in row.alone else "none"
                for source in drawn
            },
        }
        for row in rows
    ]
    return Table(
        f"What the spread over seeds is made of{conditions.title_suffix(snapshot, condition)}",
        f"Standard deviations over seeds{f', in {metric.short},' if metric.short else ''} with 95% intervals "
        "(chi-square). All together: a seed draws everything. The other columns: each run was trained again with this "
        "one thing drawn anew, and all else the same. What one thing changes depends on the others, so that the "
        "columns need not add up. These runs have no part in the verdict.",
        pd.DataFrame(cells),
        {},
        sortable=False,
    )


def _spread(differences: tuple[float, ...], places: int) -> str:
    return rounded(float(pd.Series(differences).std(ddof=1)), places)
