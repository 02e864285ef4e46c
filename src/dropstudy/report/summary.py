"""What a study says to its reader in a terminal: a table and a few plain sentences.

Accuracies are in percent, differences of accuracies in percentage points ("points"). The sentences describe
the runs at hand and go no further: this version gives no verdict.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

import pandas as pd

from dropstudy import stats
from dropstudy.names import plain_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dropstudy.records import Arm
    from dropstudy.stats import ArmSummary, Comparison, Mean

# The exact sign-flip test's smallest two-sided p is 2 / 2^n: above 0.05 at 5 pairs, below at 6.
SEEDS_FOR_A_VERDICT = 6

_MEANS = (
    "test_accuracy",
    "keras_accuracy",
    "val_accuracy",
    "clean_accuracy",
    "keras_gap",
    "artefact",
    "true_gap",
)
_MOST_LISTED = 6
_TIE = 0.005  # points; below it two decimals show no difference


def summary_table(summaries: Sequence[ArmSummary]) -> pd.DataFrame:
    """The summaries as numbers, one row per arm and shape.

    Args:
        summaries: as `stats.summarise` gives them.

    Returns:
        arm, rate, hidden, train_size, seeds, unfinished, then test_accuracy, keras_accuracy, val_accuracy,
        clean_accuracy, keras_gap, artefact and true_gap as shares, each followed by its deviation over seeds (`_sd`),
        then best_epoch (median over seeds), best_val_loss, last_epoch, last_val_loss (means, in nats).
    """
    rows = []
    for summary in summaries:
        row: dict[str, str | float | None] = {
            "arm": summary.arm,
            "rate": summary.rate,
            "hidden": summary.hidden,
            "train_size": summary.train_size,
            "seeds": summary.n,
            "unfinished": summary.unfinished,
        }
        for name in _MEANS:
            mean: Mean = getattr(summary, name)
            row[name] = mean.value
            row[f"{name}_sd"] = mean.sd
        row["best_epoch"] = summary.best_epoch
        row["best_val_loss"] = summary.best_val_loss.value
        row["last_epoch"] = summary.last_epoch
        row["last_val_loss"] = summary.last_val_loss.value
        rows.append(row)
    return pd.DataFrame(rows)


def summary_cells(summaries: Sequence[ArmSummary]) -> pd.DataFrame:
    """The summaries as text for a table on screen, one row per arm; the columns' names are its headings.

    With several seeds each mean is followed by its standard deviation over them.

    Args:
        summaries: as `stats.summarise` gives them.
    """
    return pd.DataFrame(
        {
            "arm": [plain_name(s.arm) for s in summaries],
            "test accuracy": [_percent_cell(s.test_accuracy) for s in summaries],
            "Keras' running training accuracy": [_percent_cell(s.keras_accuracy) for s in summaries],
            "clean training accuracy": [_percent_cell(s.clean_accuracy) for s in summaries],
            "artefact (points)": [_points_cell(s.artefact) for s in summaries],
            "true gap (points)": [_points_cell(s.true_gap) for s in summaries],
            "best epoch": [_best_epoch_cell(s) for s in summaries],
            "last epoch": [str(s.last_epoch) if s.last_epoch else "-" for s in summaries],
        }
    )


def shape_title(hidden: str, train_size: int) -> str:
    """A shape as a heading: "Hidden layers 512-512, 60,000 training examples"."""
    return f"Hidden layers {hidden}, {train_size:,} training examples"


def conclusions(
    history: pd.DataFrame, finals: pd.DataFrame, arms: Sequence[Arm], *, watches_test: bool, n_test: int
) -> list[str]:
    """What the study shows, shape by shape; each shape's sentences begin with its title where there are several.

    Args:
        history: one row per arm, shape, seed and epoch, columns of `EpochMetrics`.
        finals: one row per finished run: arm, rate, shape, seed, test_loss, test_accuracy, brier.
        arms: the study's arms, baseline first.
        watches_test: whether the test set was looked at every epoch.
        n_test: test examples.
    """
    parts = stats.by_shape(history, finals)
    sentences = []
    for shape, rows, done in parts:
        of_shape = conclusion(
            stats.summarise(rows, done, arms),
            stats.compare(done, arms),
            watches_test=watches_test,
            n_test=n_test,
        )
        if len(parts) > 1:
            of_shape[0] = f"{shape_title(*shape)}: {of_shape[0]}"
        sentences += of_shape
    return list(dict.fromkeys(sentences))  # what holds for all of them is said once


def conclusion(
    summaries: Sequence[ArmSummary], comparisons: Sequence[Comparison], *, watches_test: bool, n_test: int
) -> list[str]:
    """What the study shows, in at most four sentences: accuracy, gap, how far it carries, what it forbids.

    Args:
        summaries: as `stats.summarise` gives them, baseline first.
        comparisons: as `stats.compare` gives them.
        watches_test: whether the test set was looked at every epoch.
        n_test: test examples.
    """
    unfinished = _unfinished(summaries)
    if not any(summary.n for summary in summaries):
        return [f"No run finished, so there is nothing to compare{unfinished}."]
    sentences = [
        f"{_on_the_test_set(summaries, comparisons, n_test)}{unfinished}.",
        _about_the_gap(summaries, watches_test=watches_test),
        _how_far_it_carries(summaries, comparisons, n_test),
    ]
    if watches_test:
        sentences.append(
            "The test set was watched after every epoch, so nothing may be selected on it, no epoch and no "
            "rate: hold out validation data to choose one."
        )
    return [sentence for sentence in sentences if sentence]


def file_stems(names: Sequence[str], limit: int = 40) -> list[str]:
    """A part of a file name for each name: small ASCII letters, digits, dots and dashes; no two are alike.

    Args:
        names: anything at all.
        limit: most characters of a name that are kept; a number that tells two apart comes on top.
    """
    stems: list[str] = []
    for position, name in enumerate(names, start=1):
        ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", errors="ignore").decode("ascii")
        base = re.sub(r"[^a-z0-9.]+|\.{2,}", "-", ascii_name.lower())[:limit].strip("-.") or f"arm-{position}"
        stem, number = base, 1
        while stem in stems:
            number += 1
            stem = f"{base}-{number}"
        stems.append(stem)
    return stems


# --- sentences ---


def _on_the_test_set(summaries: Sequence[ArmSummary], comparisons: Sequence[Comparison], n_test: int) -> str:
    by_name = {summary.arm: summary for summary in summaries}
    paired = [comparison for comparison in comparisons if comparison.n]
    if not comparisons:
        only = summaries[0]
        return f"On the test set {_quoted(only.arm)} reaches {_percent(only.test_accuracy)}{_over(only.n)}"
    baseline = by_name[comparisons[0].baseline]
    if not paired:
        return f"No seed finished in both {_quoted(baseline.arm)} and another arm, so they cannot be compared"
    if len(comparisons) == 1:
        return _one_comparison(by_name[paired[0].arm], baseline, paired[0], n_test)
    return _many_comparisons(baseline, paired)


def _one_comparison(arm: ArmSummary, baseline: ArmSummary, comparison: Comparison, n_test: int) -> str:
    n, points = comparison.n, abs(comparison.mean)
    if points < _TIE:
        accuracy = _percent(baseline.test_accuracy)
        pair = f"{_quoted(baseline.arm)} and {_quoted(arm.arm)}"
        return f"On the test set {pair} do equally well: {accuracy}{_over(n)}"
    if comparison.mean > 0:
        higher, lower, wins = arm, baseline, comparison.positive
        ends = f"{_signed(comparison.minimum)} to {_signed(comparison.maximum)}"
    else:
        higher, lower, wins = baseline, arm, comparison.negative
        ends = f"{_signed(-comparison.maximum)} to {_signed(-comparison.minimum)}"
    better = f"On the test set {_quoted(higher.arm)} classifies better"
    size = f"{points:.2f} points"
    if arm.n == baseline.n == n:  # else the means are over other seeds than the difference
        size = f"{_percent(higher.test_accuracy)} against {_percent(lower.test_accuracy)}, {size}"
    if n == 1:
        return f"{better}: {size} or {round(points / 100 * n_test):,} of {n_test:,} examples"
    if wins == n:
        return f"{better} in each of {n} seeds: {size} on average ({ends})"
    return f"{better} on average over {n} seeds: {size} ({ends}; better in {wins} of {n})"


def _many_comparisons(baseline: ArmSummary, paired: Sequence[Comparison]) -> str:
    fewest, most = min(c.n for c in paired), max(c.n for c in paired)
    over = _over(most) if fewest == most else f" on average over {fewest} to {most} seeds"
    start = f"On the test set, against the {_percent(baseline.test_accuracy)} of {_quoted(baseline.arm)}"
    if len(paired) > _MOST_LISTED:
        low, high = min(paired, key=lambda c: c.mean), max(paired, key=lambda c: c.mean)
        return (
            f"{start}, {len(paired)} arms differ by {_signed(low.mean)} points ({_quoted(low.arm)}) "
            f"to {_signed(high.mean)} points ({_quoted(high.arm)}){over}"
        )
    each = ", ".join(f"{_quoted(c.arm)} {_signed(c.mean)}" for c in paired)
    return f"{start}: {each} points{over}"


def _about_the_gap(summaries: Sequence[ArmSummary], *, watches_test: bool) -> str:
    """The arm whose printed gap misleads most: the most negative, else the one of largest artefact."""
    known = [s for s in summaries if s.keras_gap.known and s.true_gap.known]
    if not known:
        return ""
    arm = min(known, key=lambda s: s.keras_gap.value)
    if 100 * arm.keras_gap.value > -_TIE:
        arm = max(known, key=lambda s: abs(s.artefact.value))
    printed = 100 * arm.keras_gap.value
    seen = "test" if watches_test else "validation"
    side = "above" if printed > -_TIE else "below"
    how = "same weights, dropout off" if arm.rate else "with the weights of the epoch's end"
    wonder = ", as if it did better on data it was not trained on" if side == "below" else ""
    return (
        f"Keras' numbers put the training accuracy of {_quoted(arm.arm)} {abs(printed):.2f} percentage "
        f"points {side} its {seen} accuracy{wonder}; measured cleanly ({how}) training "
        f"accuracy is {_percent(arm.clean_accuracy)} and the gap to the test set "
        f"{_signed(100 * arm.true_gap.value)} points{_over(arm.n)}."
    )


def _how_far_it_carries(
    summaries: Sequence[ArmSummary], comparisons: Sequence[Comparison], n_test: int
) -> str:
    n = min((comparison.n for comparison in comparisons if comparison.n), default=0)
    if not n:
        return ""
    baseline = summaries[0]
    error = 100 * stats.accuracy_standard_error(baseline.test_accuracy.value, n_test)
    examples = (
        f"{n_test:,} test examples alone leave such an accuracy uncertain by {error:.2f} points "
        "(standard error)"
    )
    more = f"ask for --seeds {SEEDS_FOR_A_VERDICT} or more"
    if n == 1:
        return f"One seed cannot settle it: another one gives other accuracies, and {examples}; {more}."
    spread = ""
    if baseline.test_accuracy.sd is not None:
        spread = (
            f"from seed to seed the accuracy of {_quoted(baseline.arm)} varies by "
            f"{100 * baseline.test_accuracy.sd:.2f} points (standard deviation), and "
        )
    if n < SEEDS_FOR_A_VERDICT:
        return f"{n} seeds cannot settle it: {spread}{examples}; {more}."
    return f"This describes {n} seeds and is no verdict: {spread}{examples}."


def _unfinished(summaries: Sequence[ArmSummary]) -> str:
    parts = [
        f"{s.unfinished} run{'s' if s.unfinished > 1 else ''} of {_quoted(s.arm)}"
        for s in summaries
        if s.unfinished
    ]
    if not parts:
        return ""
    total = sum(s.unfinished for s in summaries)
    return f" ({', '.join(parts)} did not finish and {'is' if total == 1 else 'are'} left out)"


# --- words and numbers ---


def _quoted(name: str) -> str:
    return f"'{plain_name(name, 40)}'"


def _over(seeds: int) -> str:
    return f" on average over {seeds} seeds" if seeds > 1 else ""


def _percent(share: Mean) -> str:
    return f"{100 * share.value:.2f}%"


def _signed(points: float) -> str:
    return f"{round(points, 2) + 0.0:+.2f}"  # + 0.0 turns -0.0 into 0.0


def _percent_cell(mean: Mean) -> str:
    return f"{_percent(mean)}{_sd_cell(mean)}" if mean.known else "-"


def _points_cell(mean: Mean) -> str:
    return f"{_signed(100 * mean.value)}{_sd_cell(mean)}" if mean.known else "-"


def _sd_cell(mean: Mean) -> str:
    return "" if mean.sd is None else f" (SD {100 * mean.sd:.2f})"


def _best_epoch_cell(summary: ArmSummary) -> str:
    if not summary.best_epochs:
        return "-"
    first, last = min(summary.best_epochs), max(summary.best_epochs)
    return f"{summary.best_epoch:g} ({first} to {last})" if first != last else f"{first}"
