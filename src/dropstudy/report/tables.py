"""Tables of the arms' scores, as numbers and as text; file names from arms' names.

Text has accuracies in percent, and differences of accuracies in percentage points ("points").
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

import pandas as pd

from dropstudy.core.metrics import METRICS
from dropstudy.core.text import percent, plain_name, rounded, signed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dropstudy.analysis.stats import ArmSummary, Mean
    from dropstudy.core.metrics import Metric


_MEANS = (
    "test_accuracy",
    "test_balanced_accuracy",
    "test_loss",
    "test_auc",
    "keras_accuracy",
    "val_accuracy",
    "clean_accuracy",
    "keras_gap",
    "artefact",
    "true_gap",
)


def summary_table(summaries: Sequence[ArmSummary]) -> pd.DataFrame:
    """Summaries as numbers, one row per arm and condition.

    Args:
        summaries: as `stats.summarise` gives them.

    Returns:
        arm, rate, hidden, train_size, seeds, unfinished, then test_accuracy, test_balanced_accuracy, test_loss (nats),
        test_auc, keras_accuracy, val_accuracy, clean_accuracy, keras_gap, artefact and true_gap as shares, each
        followed by its deviation over seeds (`_sd`), then best_epoch (median over seeds), best_val_loss, last_epoch,
        last_val_loss (means, in nats).
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


def summary_cells(summaries: Sequence[ArmSummary], *, watches_test: bool) -> pd.DataFrame:
    """Summaries as text, one row per arm; the columns' names are headings.

    With several seeds each mean is followed by its standard deviation over them.

    Args:
        summaries: as `stats.summarise` gives them.
        watches_test: whether the validation data are the test set.
    """
    lowest = f"epoch of lowest {'test' if watches_test else 'validation'} loss"
    return pd.DataFrame(
        {
            "arm": [plain_name(s.arm) for s in summaries],
            "test accuracy": [_percent_cell(s.test_accuracy) for s in summaries],
            "running training accuracy": [_percent_cell(s.keras_accuracy) for s in summaries],
            "clean training accuracy": [_percent_cell(s.clean_accuracy) for s in summaries],
            "artefact (points)": [_points_cell(s.artefact) for s in summaries],
            "true gap (points)": [_points_cell(s.true_gap) for s in summaries],
            lowest: [_best_epoch_cell(s) for s in summaries],
            "last epoch": [str(s.last_epoch) if s.last_epoch else "-" for s in summaries],
        }
    )


def metric_cells(summaries: Sequence[ArmSummary]) -> pd.DataFrame:
    """Every metric on the test set as text, one row per arm, as `summary_cells`."""
    columns = {
        metric.on_test: [_metric_cell(getattr(s, metric.column), metric) for s in summaries]
        for metric in METRICS.values()
    }
    return pd.DataFrame({"arm": [plain_name(s.arm) for s in summaries], **columns})


def file_stems(names: Sequence[str], limit: int = 40) -> list[str]:
    """Unique file name stem of each name: small ASCII letters, digits, dots and dashes.

    Args:
        names: any text.
        limit: most characters of a stem before the number that makes it unique.
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


def _percent_cell(mean: Mean) -> str:
    return f"{percent(mean.value)}{_sd_cell(mean)}" if mean.known else "-"


def _metric_cell(mean: Mean, metric: Metric) -> str:
    if not mean.known:
        return "-"
    sd = "" if mean.sd is None else f" (SD {rounded(metric.factor * mean.sd, metric.places)})"
    return f"{metric.value(mean.value)}{sd}"


def _points_cell(mean: Mean) -> str:
    return f"{signed(100 * mean.value)}{_sd_cell(mean)}" if mean.known else "-"


def _sd_cell(mean: Mean) -> str:
    return "" if mean.sd is None else f" (SD {rounded(100 * mean.sd)})"


def _best_epoch_cell(summary: ArmSummary) -> str:
    if not summary.best_epochs:
        return "-"
    first, last = min(summary.best_epochs), max(summary.best_epochs)
    return f"{summary.best_epoch:g} ({first} to {last})" if first != last else f"{first}"
