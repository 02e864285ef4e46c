"""Published results beside those of a study that repeats them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from dropstudy.analysis.answered import AS_PUBLISHED
from dropstudy.analysis.stats.paired import paired_t
from dropstudy.analysis.stats.runs import at_condition, is_finite
from dropstudy.core.bounds import SEEDS
from dropstudy.core.text import counted, plain_name, rounded, signed, span
from dropstudy.spec import presets
from dropstudy.spec.study_file import read_spec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from dropstudy.analysis.stats.estimate import Estimate
    from dropstudy.core.published_result import Expected, PublishedResult
    from dropstudy.core.types import Condition, StudySpec

Outcome = Literal["as published", "not as published", "undecided", "too few seeds"]

_MEASURES = {
    "error": ("test error", "%", "points", 2),
    "test-loss": ("test loss", " nats", "nats", 4),
    "training-loss": ("training loss", " nats", "nats", 4),
}
"""Name, unit, unit of differences, and decimal places."""

_OTHERWISE: dict[Outcome, str] = {
    "not as published": "not",
    "undecided": "undecided",
    "too few seeds": "with too few seeds",
}
"""Outcomes other than "as published", behind a count."""

_SHORT: dict[Outcome, str] = {"as published": "yes", "not as published": "no"}
"""Outcomes in a table."""

_MOST_TOLD = 2
"""Results that one answer has room for."""

_ALMOST = 0.9
"""Share of the published updates from which on a study counts as long enough."""


@dataclass(frozen=True)
class AsPublished:
    """A published result beside that of a study.

    Args:
        published: the published result.
        baseline: name of the arm that a difference is to.
        hidden: network of the study, such as "512-512".
        train_size: its training examples.
        updates: optimiser steps of its runs.
        here: the arm's mean over seeds, or its mean paired difference to the baseline, in the measure's unit, with
            Student's 95% interval over seeds, on the study's test examples.
        other_length: a sentence where its runs are shorter or longer than those of the preset, else empty.
    """

    published: PublishedResult
    baseline: str
    hidden: str
    train_size: int
    updates: int
    here: Estimate
    other_length: str = ""

    @property
    def outcome(self) -> Outcome:
        """What the study says of the published result: see `docs/known_results.md`."""
        if self.here.n < SEEDS or not self.here.known:
            return "too few seeds"
        low, high, within = self.here.low, self.here.high, self.published.within
        if self.published.value is not None:
            agrees = low <= self.published.value + within and high >= self.published.value - within
            return "as published" if agrees else "not as published"
        holds, fails = _compared(low, high, within)[self.published.expected or "same"]
        return "as published" if holds else "not as published" if fails else "undecided"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as `show --json` prints them."""
        published = {name: value for name, value in vars(self.published).items() if value is not None}
        ends = {name: getattr(self.here, name) for name in ("value", "low", "high")}
        here: dict[str, Any] = {name: end if isfinite(end) else None for name, end in ends.items()}
        here |= {"n": self.here.n, "method": self.here.method, "level": self.here.level}
        here |= {"hidden": self.hidden, "train_size": self.train_size, "updates": self.updates}
        if self.published.value is None:
            here["difference_to"] = self.baseline
        return {"published": published, "here": here, "outcome": self.outcome}


def as_published(
    results: Iterable[PublishedResult],
    finals: pd.DataFrame,
    conditions: Mapping[Condition, int],
    baseline: str,
    other_length: str = "",
) -> tuple[AsPublished, ...]:
    """Each published result beside that of the study, for each network of the training size that it is about.

    Args:
        results: published.
        finals: one row per finished run: arm, hidden, train_size, seed, test_accuracy, test_loss, clean_loss.
        conditions: optimiser steps of the runs of each condition of the study.
        baseline: name of the first arm.
        other_length: what the function of this name says of the study.
    """
    done = finals[is_finite(finals)] if len(finals) else finals
    largest = max((condition.train_size for condition in conditions), default=0)
    found = []
    for result in results:
        for condition, updates in conditions.items():
            if condition.train_size != (result.train_size or largest):
                continue
            runs = at_condition(done, condition.layers, condition.train_size)
            values = _values(runs, result.arm, result.measure)
            if result.value is None:
                values = (values - _values(runs, baseline, result.measure)).dropna()
            here = paired_t(np.asarray(values, np.float64))
            of_condition = (condition.layers, condition.train_size, updates)
            found.append(AsPublished(result, baseline, *of_condition, here, other_length))
    return tuple(found)


def other_length(spec: StudySpec) -> str:
    """A sentence where the study has the results of a preset, and trains for more or fewer epochs than it."""
    for name in presets.published() if spec.published else ():
        preset = read_spec(name)
        if set(spec.published) <= set(preset.published):
            same = spec.epochs == preset.epochs
            ours = counted(spec.epochs, "epoch")
            return "" if same else f"Trained for {ours}, not {preset.epochs:,} as the preset {name} does."
    return ""


def in_words(found: Sequence[AsPublished]) -> str:
    """The results in a sentence or two, for the answer; empty where there are none, or no run to compare with."""
    if not any(each.here.n for each in found):
        return ""
    if len(found) <= _MOST_TOLD and all(each.published.value is not None for each in found):
        text = " ".join(_told(each) for each in found)
    else:
        text = _counted([each.outcome for each in found])
    return f"{text} {_length(found)}".rstrip()


def cells(found: Sequence[AsPublished]) -> pd.DataFrame:
    """The results as a table, a row each; columns without information are left out."""
    frame = pd.DataFrame(
        {
            "arm": plain_name(each.published.arm),
            "training examples": f"{each.train_size:,}",
            "published": _claim(each.published),
            "here (95% interval)": _number_here(each),
            "seeds": each.here.n,
            AS_PUBLISHED.lower(): _SHORT.get(each.outcome, each.outcome),
        }
        for each in found
    )
    return frame.drop(columns=[name for name in ("training examples", "seeds") if len(set(frame[name])) == 1])


def expectation(result: PublishedResult) -> str:
    """How the arm is expected to compare with the baseline: "lower", "higher by more than 0.005 nats"."""
    if not result.within:
        return "the same" if result.expected == "same" else str(result.expected)
    apart = f"{result.within:g} {_MEASURES[result.measure][2]}"
    return {
        "lower": f"lower by more than {apart}",
        "higher": f"higher by more than {apart}",
        "same": f"the same within {apart}",
        "not lower": f"at most {apart} lower",
    }[result.expected or "same"]


def caption(found: Sequence[AsPublished]) -> str:
    """Whose results they are, what the numbers and intervals are, and how long was trained."""
    sources = "; ".join(dict.fromkeys(each.published.source for each in found))
    compared = [each for each in found if each.published.value is None]
    units = " or ".join(dict.fromkeys(_MEASURES[each.published.measure][2] for each in compared))
    to = f"Differences are to {plain_name(compared[0].baseline)}, in {units}. " if compared else ""
    seeds = {each.here.n for each in found}
    over = f"{counted(seeds.pop(), 'seed')}" if len(seeds) == 1 else "seeds"
    tested = any(each.published.measure != "training-loss" for each in found)
    intervals = f"Intervals are over {over}, each for itself{', on these test examples' * tested}."
    if all(each.outcome == "too few seeds" for each in found):
        intervals = f"An interval needs {SEEDS} seeds."
    margins = "Margins are the study's, not the paper's. " * any(each.published.within for each in compared)
    return f"{sources}. {to}{margins}{intervals} {_length(found)}".rstrip()


def _compared(low: float, high: float, within: float) -> dict[Expected, tuple[bool, bool]]:
    """Whether an interval of a difference shows what is expected, and whether it shows the contrary."""
    return {
        "lower": (high < -within, low > -within),
        "higher": (low > within, high < within),
        "same": (low > -within and high < within, low > within or high < -within),
        "not lower": (low > -within, high < -within),
    }


def _values(runs: pd.DataFrame, arm: str, measure: str) -> pd.Series[float]:
    """The measure of an arm's runs, by seed."""
    rows = runs[runs["arm"] == arm].set_index("seed")
    column = {"error": "test_accuracy", "test-loss": "test_loss", "training-loss": "clean_loss"}[measure]
    values = rows[column].astype(float)
    return 100 * (1 - values) if measure == "error" else values


def _counted(outcomes: Sequence[Outcome]) -> str:
    counts = Counter(outcomes)
    if set(counts) == {"too few seeds"}:
        return f"Not known yet: that needs {SEEDS} seeds."
    parts = [
        f"{counts['as published']} of {len(outcomes)} as published",
        *(f"{counts[outcome]} {words}" for outcome, words in _OTHERWISE.items() if counts[outcome]),
    ]
    return f"{', '.join(parts)}."


def _told(each: AsPublished) -> str:
    here = _number_here(each) if each.here.n else "not known"
    return f"{plain_name(each.published.arm)}: {_claim(each.published)}, here {here}, n = {each.here.n}."


def _claim(result: PublishedResult) -> str:
    """What was published, in short: "test error 1.08%", "training loss lower"."""
    name, unit, _, places = _MEASURES[result.measure]
    if result.value is None:
        return f"{name} {expectation(result)}"
    return f"{name} {rounded(result.value, places)}{unit}"


def _number_here(each: AsPublished) -> str:
    """The number of the study, with its interval where there is one: "1.12 (1.08 to 1.15)"."""
    places, here = _MEASURES[each.published.measure][3], each.here
    difference = each.published.value is None
    value = signed(here.value, places=places) if difference and here.n else rounded(here.value, places)
    if here.n < SEEDS or not here.known:
        return value
    ends = f"{rounded(here.low, places)} to {rounded(here.high, places)}"
    return f"{value} ({span(here.low, here.high, margin=each.published.within, places=places) if difference else ends})"


def _length(found: Sequence[AsPublished]) -> str:
    """Sentences where training is shorter than that which was published, or another than that of the preset."""
    other = found[0].other_length if found else ""
    short = [each for each in found if each.updates < _ALMOST * (each.published.updates or 0)]
    if not short:
        return other
    ours = [f"{n:,}" for n in sorted({each.updates for each in short})]
    theirs = max(each.published.updates or 0 for each in short)
    trained = ours[0] if len(ours) == 1 else f"{ours[0]} to {ours[-1]}"
    return f"{other} Trained for {trained} updates, not {theirs:,} as published.".lstrip()
