"""Where the spread over seeds comes from: runs that draw one source anew, beside the study's own.

A seed draws initial weights, the order of examples, dropout masks and the split. Runs of the same seeds that draw one
of them anew, and all else alike, show what that source alone makes. They are studies of their own inside the first
one's folder, one for each source, and have no part in its verdict.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, get_args

import numpy as np
import pandas as pd

from dropstudy.analysis.stats.runs import at_condition
from dropstudy.analysis.stats.spread import deviation, deviation_redrawn
from dropstudy.analysis.verdict.phrases import listed, quoted
from dropstudy.analysis.verdict.types import SourcesOfNoise
from dropstudy.core.text import condition_title, counted, rounded
from dropstudy.core.types import NoiseSource
from dropstudy.errors import InvalidArgument
from dropstudy.spec.study_file import check_redraw

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dropstudy.analysis.stats import Estimate
    from dropstudy.analysis.verdict.types import ConditionVerdict, Verdict
    from dropstudy.core.metrics import Metric
    from dropstudy.core.types import Arm, StudySpec

TITLES: dict[NoiseSource, str] = {
    "weights": "initial weights",
    "order": "order of examples",
    "masks": "dropout masks",
    "split": "split of examples",
}
"""Sources in words, in the order in which they are shown."""

FEWEST = 2
"""Seeds below which nothing spreads."""


def checked_sources(spec: StudySpec, asked: Sequence[str], *, pretrained: bool = False) -> list[NoiseSource]:
    """The sources asked for, each once; "all" for those that the study draws.

    Args:
        spec: of the study.
        asked: their names.
        pretrained: all seeds start from the same weights.

    Raises:
        InvalidArgument: there is no such source, or no run of the study draws it.
    """
    names: tuple[NoiseSource, ...] = get_args(NoiseSource)
    if wrong := [name for name in asked if name not in {*names, "all"}]:
        raise InvalidArgument("redraw", expected=f"{', '.join(names)} or all", received=wrong[0])
    if spec.redraw is not None:
        raise InvalidArgument(
            "redraw",
            expected="a study whose seeds draw everything",
            received=f"one of runs that draw the {TITLES[spec.redraw]} anew",
            next_step="Name the study that it belongs to.",
        )
    found: list[NoiseSource] = []
    for name in names:
        try:
            _check_source(spec, name, pretrained=pretrained)
        except InvalidArgument:
            if name in asked or spec.of_function:
                raise
        else:
            found += [name] * (name in asked or "all" in asked)
    return found


def refuse_one_seed(seeds: int) -> None:
    """Refuse a study of a single seed.

    Raises:
        InvalidArgument: it has no more.
    """
    if seeds < FEWEST:
        raise InvalidArgument(
            "redraw",
            expected=f"a study of {FEWEST} seeds or more, whose spread has sources",
            received=counted(seeds, "seed"),
            next_step="Add seeds, such as --seeds 10: the spread of few is known roughly.",
        )


def _check_source(spec: StudySpec, source: NoiseSource, *, pretrained: bool) -> None:
    check_redraw(spec, source)
    if source == "masks" and not any(draws_masks(spec, arm) for arm in spec.arms):
        raise InvalidArgument(
            "redraw", expected="sources that the arms draw", received="masks, without dropout"
        )
    if source == "weights" and pretrained:
        raise InvalidArgument(
            "redraw",
            expected="order, masks or split, since all seeds start from one model",
            received="weights",
        )


def draws_masks(spec: StudySpec, arm: Arm) -> bool:
    """True where runs of an arm draw noise. Of a Keras model that is not known: it may have other random layers."""
    return spec.model is not None or any(arm.rates) or arm.input_rate > 0


def plans(
    spec: StudySpec, verdict: Verdict, finals: pd.DataFrame, sources: Sequence[NoiseSource]
) -> dict[NoiseSource, StudySpec]:
    """Studies to train: the baseline, and at each condition the arm that its verdict is about, else the best one.

    Args:
        spec: of the study.
        verdict: of the study.
        finals: its finished runs.
        sources: as `checked_sources` gives them.

    Raises:
        InvalidArgument: fewer than two seeds have finished.
    """
    names = {spec.arms[0].name, *(c for each in verdict.conditions if (c := _subject(each)) is not None)}
    arms = tuple(arm for arm in spec.arms if arm.name in names)
    done = finals[finals["arm"].isin(names)].groupby("seed")["arm"].nunique()
    seeds = tuple(seed for seed in spec.seeds if done.get(seed, 0) == len(arms))
    refuse_one_seed(len(seeds))
    found = {}
    for source in sources:
        drawing = tuple(arm for arm in arms if source != "masks" or draws_masks(spec, arm))
        if drawing:
            found[source] = replace(
                spec,
                name=f"{spec.name}-{source}",
                arms=drawing,
                seeds=seeds,
                redraw=source,
                keep_weights="none",  # their scores are all that is asked for
            )
    return found


def announcement(source: NoiseSource, study: StudySpec, anew: StudySpec) -> str:
    """Notice before the runs of a source."""
    silent = [quoted(arm.name) for arm in study.arms if source == "masks" and not draws_masks(study, arm)]
    without = f" Without noise, so not trained again: {listed(silent)}." if silent else ""
    return f"{counted(len(anew.seeds), 'seed')}, {TITLES[source]} drawn anew, all else the same.{without}"


def _subject(condition: ConditionVerdict) -> str | None:
    """The arm that a condition's sentences on noise are about; None without a comparison."""
    compared = sorted((c for c in condition.comparisons if c.n), key=lambda c: -c.gain)
    best = compared[0].arm if compared else None
    return best if condition.subject is None else condition.subject.arm


def with_sources(
    verdict: Verdict, spec: StudySpec, finals: pd.DataFrame, anew: Mapping[NoiseSource, pd.DataFrame]
) -> Verdict:
    """A verdict that also tells the sources of the spread over seeds; its decisions and numbers stay as they are.

    Args:
        verdict: of the study.
        spec: of the study.
        finals: its finished runs.
        anew: finished runs with a source drawn anew.
    """
    if not anew:
        return verdict
    silent = {arm.name for arm in spec.arms if not draws_masks(spec, arm)}
    conditions = tuple(
        replace(each, sources=tuple(_sources(each, finals, anew, silent))) for each in verdict.conditions
    )
    return replace(verdict, conditions=conditions, sentences=(*verdict.sentences, *sentences(conditions)))


def sentences(conditions: Sequence[ConditionVerdict]) -> list[str]:
    """What is told on the sources, condition by condition."""
    several = len(conditions) > 1
    return [
        f"{condition_title(each.hidden, each.train_size)}: {sentence}" if several else sentence
        for each in conditions
        if (sentence := on_sources(each))
    ]


def _sources(
    condition: ConditionVerdict,
    finals: pd.DataFrame,
    anew: Mapping[NoiseSource, pd.DataFrame],
    silent: set[str],
) -> Iterator[SourcesOfNoise]:
    """Of each arm's score, and of its difference from the baseline."""

    def scores(frame: pd.DataFrame) -> pd.DataFrame:
        rows = at_condition(frame, condition.hidden, condition.train_size)
        table: pd.DataFrame = rows.pivot_table(index="seed", columns="arm", values=condition.measure.column)
        return condition.measure.factor * table.replace([np.inf, -np.inf], np.nan).astype(float)

    ours, theirs = scores(finals), {source: scores(frame) for source, frame in anew.items()}
    if "masks" in theirs:  # an arm without noise stays as it is, and is not trained again
        theirs["masks"] = theirs["masks"].join(ours[[arm for arm in ours if arm in silent]])
    for arm in (scores.arm for scores in condition.arms if scores.arm in ours):
        known = {s: table for s, table in theirs.items() if arm in table}
        alone = {s: table[arm] for s, table in known.items() if not (s == "masks" and arm in silent)}
        yield from _row(arm, "", ours[arm], alone)
        base = condition.baseline
        if arm != base and base in ours:
            both = {s: table[arm] - table[base] for s, table in known.items() if base in table}
            yield from _row(arm, base, ours[arm] - ours[base], both)


def _row(
    arm: str, baseline: str, ours: pd.Series[float], anew: Mapping[NoiseSource, pd.Series[float]]
) -> Iterator[SourcesOfNoise]:
    alone: dict[NoiseSource, Estimate] = {}
    for source in TITLES:
        if source in anew:
            pairs = pd.concat([ours, anew[source]], axis=1, keys=["ours", "anew"]).dropna()
            if len(pairs) >= FEWEST:
                alone[source] = deviation_redrawn(*pairs.to_numpy(np.float64).T)
    if alone:
        # Seeds that were added since have no runs to compare with.
        again = pd.concat(anew.values(), axis=1).dropna(how="all").index
        together = ours[ours.index.isin(again)].dropna()
        yield SourcesOfNoise(arm, baseline, deviation(np.asarray(together, np.float64)), alone)


def on_sources(condition: ConditionVerdict) -> str:
    """Sources of the spread of the difference that the verdict is about, else of the baseline's score."""
    subject, metric = _subject(condition), condition.measure
    rows = [row for row in condition.sources if row.baseline and row.arm == subject] or condition.sources[:1]
    if not rows:
        return ""
    (row,) = rows
    what = f"difference of {quoted(row.arm)} from {quoted(row.baseline)}" if row.baseline else quoted(row.arm)
    together = metric.amount(rounded(row.together.value, metric.places))
    parts = listed([f"{TITLES[source]} {with_ends(found, metric)}" for source, found in row.alone.items()])
    return (
        f"Over {counted(row.together.n, 'seed')} the standard deviation of {'the ' * bool(row.baseline)}{what} is "
        f"{together}{_ends(row.together, metric)}. With one thing drawn anew, all else the same: {parts}. What one "
        "thing changes depends on the others, so that these need not add up."
    )


def with_ends(found: Estimate, metric: Metric) -> str:
    """A standard deviation with its interval: "0.20 (0.14 to 0.35)"."""
    return f"{rounded(found.value, metric.places)}{_ends(found, metric)}"


def _ends(found: Estimate, metric: Metric) -> str:
    if not found.known:
        return ""
    low, high = (rounded(end, metric.places) for end in (found.low, found.high))
    return f" ({low} to {high})"
