"""Section 2: which rate is best, the metric over the rate, and the gain over the size of the training set."""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING

import pandas as pd

from dropstudy.analysis.verdict import SEEDS
from dropstudy.analysis.verdict.phrases import lead, quoted
from dropstudy.analysis.verdict.rates import rate_family
from dropstudy.analysis.verdict.which_rate import best_rates, no_curve, top_of_curve
from dropstudy.core.metrics import ACCURACY
from dropstudy.core.types import CONDITION
from dropstudy.report import charts
from dropstudy.report.differences import differences
from dropstudy.report.sections.blocks import Figure, Section
from dropstudy.report.sections.conditions import condition_words, of_condition, of_table, sample

if TYPE_CHECKING:
    from dropstudy.analysis.verdict import ConditionVerdict
    from dropstudy.core.metrics import Metric
    from dropstudy.core.types import Arm
    from dropstudy.report.assessed import Assessed

FEWEST_RATES = 3
"""Two points make no curve."""


def rates(snapshot: Assessed) -> Section | None:
    """Rate curve of a study with several rates, pay-off of one with several training-set sizes."""
    tops = [top_rate(snapshot, condition) for condition in snapshot.conditions]
    blocks = [figure for figure in (*tops, rate_curve(snapshot), payoff(snapshot)) if figure is not None]
    if not blocks:
        return None
    paragraphs = ["A rate is the share of hidden units dropped: 0.8 drops 80% and keeps 20%."]
    if snapshot.verdict.watches_test:
        paragraphs.append(
            "No rate is marked: the test set was watched during training, so it cannot choose one."
        )
    if len(snapshot.conditions) == 1:
        (condition,) = snapshot.verdict.conditions
        paragraphs += [_lead(condition), no_curve(condition, snapshot.arms)]
    purpose = f"How {_measured(snapshot.metric)} on test examples depends on the share of units dropped."
    return Section("rates", "Which rate", purpose, tuple(filter(None, paragraphs)), tuple(blocks))


def _lead(condition: ConditionVerdict) -> str:
    """By how much validation data prefer the chosen arm; empty where nothing was chosen."""
    choice = condition.choice
    if choice is None:
        return ""
    if not choice.lead:
        where = condition.measure.on_validation
        return f"{quoted(choice.arm)} and {quoted(choice.second)} are equal in {where}; the loss decided."
    return f"{quoted(choice.arm)} is {lead(choice, condition.measure)} of {quoted(choice.second)}."


def top_rate(snapshot: Assessed, condition: tuple[str, int]) -> Figure | None:
    """Curve over the rates on validation data, with its top; None where there is none."""
    verdict, metric = snapshot.condition_verdict(condition), snapshot.metric
    curve, choice = verdict.curve, verdict.choice
    if curve is None:
        return None
    may = () if choice is None else choice.best
    best = frozenset(arm.common_rate for arm in rate_family(snapshot.arms) if arm.name in may)
    baseline = charts.arm_labels(snapshot.arms)[verdict.baseline]
    dots = " Orange rates cannot be told apart from the best (Hsu)." if best else ""
    alone = " Band and interval are of a single look." if snapshot.verdict.anytime else ""
    outside = curve.far or min(map(min, curve.gains)) < charts.axis_ends(curve)[0]
    said = "" if choice is None else best_rates(choice, snapshot.arms)
    where = top_of_curve(verdict, snapshot.margin, anytime=snapshot.verdict.anytime)
    caption = (
        f"{said} {where} Validation data, seed by seed: large points are means, small ones single seeds.{dots} "
        f"The line is a natural cubic spline with {curve.knots} knots, fitted to each seed. "
        "Its band holds for the whole curve at once, "
        "with 95% confidence. The top lies on the orange ground; the dashed line is where the curve is highest."
        f"{alone}{' Rates that are far worse are left out.' if outside else ''}"
    )
    figure = Figure(
        name="top-rate",
        title="Where the best rate lies",
        chart=charts.top_rate(curve, best, metric=metric, baseline=baseline),
        caption=caption.lstrip(),
        table=pd.DataFrame(
            {
                "rate": curve.rates,
                **{
                    name: metric.sign * pd.Series(values)
                    for name, values in (("mean", curve.mean), ("low", curve.low), ("high", curve.high))
                },
            }
        ),
        sample=sample([len(curve.gains)]),
    )
    return of_condition(snapshot, condition, figure)


def rate_curve(snapshot: Assessed) -> Figure | None:
    """Test error over the rate, of the arms that differ from the baseline in the rate alone."""
    family, metric = rate_family(snapshot.arms), snapshot.metric
    means, seeds = [], []
    several = len(snapshot.conditions) > 1
    for condition in snapshot.conditions:
        finals = snapshot.of_condition(snapshot.finals, condition)
        rows = finals[finals["arm"].isin([arm.name for arm in family])]
        if rows["rate"].nunique() < FEWEST_RATES:
            continue
        errors = rows.assign(
            value=metric.factor * (1 - rows[metric.column] if metric is ACCURACY else rows[metric.column]),
            condition=condition_words(condition) if several else "all",
        )
        means.append(of_table(_band(errors), condition).assign(condition=errors["condition"].iloc[0]))
        seeds.append(errors[["condition", "rate", "seed", "value"]])
    if not means:
        return None
    table = pd.concat(means, ignore_index=True)
    chosen = _chosen(snapshot, family)
    banded = any(_has_band(part) for _, part in table.groupby("condition"))
    caption = "Large points are means over seeds, small ones single seeds."
    if banded:
        caption += " The band holds for all rates of a curve at once, with 95% confidence (max-t)."
    if chosen:
        caption += " The ring marks the rate that validation data chose."
    if any(isinstance(arm.rate, tuple) for arm in snapshot.arms):
        caption += " Arms with a rate for each layer are no points of it."
    return Figure(
        name="rate-curve",
        title="Test error over the rate" if metric is ACCURACY else f"{metric.subject} over the rate",
        chart=charts.rate_curve(table, pd.concat(seeds, ignore_index=True), metric=metric, chosen=chosen),
        caption=caption,
        table=table[table.columns.intersection([*CONDITION, "rate", "mean", "low", "high", "n"])],
        sample=sample(table["n"]),
    )


def _measured(metric: Metric) -> str:
    """What the curve shows: the error in place of accuracy, else the metric."""
    return "error" if metric is ACCURACY else metric.title


def payoff(snapshot: Assessed) -> Figure | None:
    """Gain of each arm over the baseline, for each size of the training set."""
    if len({size for _, size in snapshot.conditions}) < 2:  # noqa: PLR2004 - one size has no course
        return None
    parts = [
        differences(snapshot, condition)[0].assign(hidden=condition[0], train_size=condition[1])
        for condition in snapshot.conditions
    ]
    rows = pd.concat(parts, ignore_index=True)
    if rows.empty:
        return None
    baseline = charts.arm_labels(snapshot.arms)[snapshot.arms[0].name]
    side = "Above" if snapshot.metric.better == "higher" else "Below"
    return Figure(
        name="payoff",
        title="When dropout starts to pay",
        chart=charts.payoff(rows, snapshot.arms, metric=snapshot.metric, baseline=baseline),
        caption=f"{side} the line an arm classifies better than the baseline. Points are mean differences, paired by "
        f"seed. Bands are 95% intervals of each arm alone at a single look, from {SEEDS} seeds on.",
        table=rows[["hidden", "train_size", "arm", "n", "mean", "low", "high"]],
        sample=sample(rows["n"], "paired seed"),
    )


def _band(errors: pd.DataFrame) -> pd.DataFrame:
    """Mean error of each rate with a simultaneous band: rate, n, mean, low, high.

    A rate with fewer seeds than a verdict needs has no band: two seeds may lie close by chance.
    """
    from dropstudy.analysis.stats.simultaneous import simultaneous  # noqa: PLC0415 - scipy is slow to import, others are not

    table = errors.pivot_table(index="seed", columns="rate", values="value")
    estimates = simultaneous(table.to_numpy(dtype=float))
    rows = [
        (rate, e.n, e.value, *((e.low, e.high) if e.n >= SEEDS else (nan, nan)))
        for rate, e in zip(table.columns, estimates, strict=True)
    ]
    return pd.DataFrame(rows, columns=["rate", "n", "mean", "low", "high"])


def _has_band(rates: pd.DataFrame) -> bool:
    """True where a band is seen: two neighbouring rates have one, and it has some width."""
    wide, known = rates["high"] > rates["low"], rates["low"].notna()
    return bool((known & known.shift(fill_value=False) & (wide | wide.shift(fill_value=False))).any())


def _chosen(snapshot: Assessed, family: list[Arm]) -> dict[str, float]:
    """Rate chosen on validation data, by the chart's name of the condition; empty if the test set was watched."""
    rates = {arm.name: arm.common_rate for arm in family}
    several = len(snapshot.conditions) > 1
    return {
        condition_words(condition) if several else "all": rates[chosen]
        for condition in snapshot.conditions
        if (chosen := snapshot.condition_verdict(condition).chosen) in rates
    }
