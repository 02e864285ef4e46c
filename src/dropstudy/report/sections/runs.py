"""Section 9, first half: every run, finished or not."""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING

import pandas as pd

from dropstudy.core.text import plain_name
from dropstudy.core.types import CONDITION
from dropstudy.report.sections.blocks import Section, Table

if TYPE_CHECKING:
    from dropstudy.report.snapshot import Snapshot

_HEADINGS = {
    "hidden": "units",
    "train_size": "training examples",
    "test_accuracy": "test accuracy, %",
    "test_balanced_accuracy": "balanced, %",
    "test_auc": "AUC",
    "test_loss": "log loss",
    "brier": "Brier",
    "clean_accuracy": "clean training, %",
    "keras_accuracy": "running training, %",
}
_SHARES = ["test_accuracy", "test_balanced_accuracy", "clean_accuracy", "keras_accuracy"]
_OPTIONAL = {"test_balanced_accuracy", "test_auc"}
"""Columns of metrics that are shown only where they are the study's: with all, the table is wider than a screen."""

FORMS = {
    "test accuracy, %": ".2f",
    "balanced, %": ".2f",
    "AUC": ".4f",
    "log loss": ".4f",
    "Brier": ".4f",
    "clean training, %": ".2f",
    "running training, %": ".2f",
    "seconds": ".1f",
}


def all_runs(snapshot: Snapshot) -> Section:
    """Table of all runs, below the failures and their causes."""
    frame = run_table(snapshot)
    ended = frame["status"].value_counts()
    counts = ", ".join(f"{count} {status}" for status, count in ended.items())
    paragraphs = [f"{len(frame):,} runs: {counts}." if len(frame) else "No run is planned."]
    paragraphs += [f"{plain_name(failure, 400)}." for failure in snapshot.failures[:20]]
    if len(snapshot.failures) > 20:  # noqa: PLR2004 - as above
        paragraphs.append(f"And {len(snapshot.failures) - 20} more.")
    alike = [name for name in CONDITION if len(set(frame[name])) == 1]
    others = sorted(_OPTIONAL - {snapshot.metric.column})
    shown = frame.assign(**100 * frame[_SHARES]).drop(columns=[*alike, *others]).rename(columns=_HEADINGS)
    table = Table("Table of all runs", "A click on a heading sorts.", shown, FORMS)
    purpose = "What became of every run, and its scores."
    return Section("runs", "All runs", purpose, tuple(paragraphs), (table,) if len(frame) else ())


def run_table(snapshot: Snapshot) -> pd.DataFrame:
    """A row for each run: settings, status, scores. Accuracies are shares in [0, 1], losses in nats."""
    where = ["arm", *CONDITION, "seed"]
    last = snapshot.history.drop_duplicates(where, keep="last").set_index(where).to_dict(orient="index")
    seconds = snapshot.history.groupby(where)["seconds"].sum().to_dict()
    finals = snapshot.finals.set_index("key").to_dict(orient="index")
    rows = []
    for run in snapshot.runs:
        place = (run.arm.name, run.condition.layers, run.condition.train_size, run.seed)
        end, final = last.get(place, {}), finals.get(run.key, {})
        rows.append(
            {
                "arm": plain_name(run.arm.name),
                "rate": run.arm.common_rate,
                "hidden": run.condition.layers,
                "train_size": run.condition.train_size,
                "seed": run.seed,
                "status": snapshot.status[run.key],
                "epochs": int(end.get("epoch", 0)),
                "test_accuracy": final.get("test_accuracy", nan),
                "test_balanced_accuracy": final.get("test_balanced_accuracy", nan),
                "test_auc": final.get("test_auc", nan),
                "test_loss": final.get("test_loss", nan),
                "brier": final.get("brier", nan),
                "clean_accuracy": end.get("clean_accuracy", nan),
                "keras_accuracy": end.get("accuracy", nan),
                "seconds": float(seconds.get(place, 0.0)),
            }
        )
    return pd.DataFrame(rows)
