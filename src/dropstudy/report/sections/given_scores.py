"""Sections of a page on scores that others computed: the table of arms, all scores, and where they are from."""

from __future__ import annotations

import platform
import shlex
from importlib.metadata import version
from typing import TYPE_CHECKING

from altair.utils.schemapi import debug_mode

from dropstudy.core.text import counted, plain_name
from dropstudy.report.paper.methods import methods_on_scores
from dropstudy.report.paper.table import verdict_table
from dropstudy.report.sections.blocks import Code, Facts, Section, Table
from dropstudy.report.sections.paired_seeds import paired_seeds
from dropstudy.report.sections.rates import rates
from dropstudy.report.sections.verdict import verdict

if TYPE_CHECKING:
    from dropstudy.analysis.given_scores import ScoresAssessed


def sections_on_scores(scores: ScoresAssessed) -> list[Section]:
    """All sections that scores alone have the data for."""
    # Altair checks each piece of a chart against its schema as it is built, which takes half of the time.
    with debug_mode(False):
        found = [
            make(scores) for make in (verdict, _arms, rates, paired_seeds, _all_scores, _methods, _provenance)
        ]
    return [section for section in found if section is not None]


def _arms(scores: ScoresAssessed) -> Section:
    """The table of a paper, its notes, and every sentence of the verdict."""
    table = verdict_table(scores.verdict)
    title = f"Each arm against {plain_name(scores.arms[0].name)}"
    block = Table(title, " ".join(table.notes), table.cells, {}, sortable=False, folded=False)
    told = [sentence for sentence in scores.verdict.sentences if sentence not in scores.verdict.disclosures]
    return Section("arms", "Arm by arm", "Means, differences, p values and decisions.", tuple(told), (block,))


def _all_scores(scores: ScoresAssessed) -> Section:
    metric, runs = scores.metric, scores.table.runs
    unit = f", {metric.axis_unit}" if metric.axis_unit else ""
    columns = {"score": f"{metric.on_test}{unit}", "validation": f"{metric.on_validation}{unit}"}
    frame = runs.assign(
        arm=runs["arm"].map(plain_name), **{name: metric.factor * runs[name] for name in columns}
    ).rename(columns=columns)
    frame = frame.dropna(axis="columns", how="all")
    forms = dict.fromkeys(columns.values(), f".{metric.places + 1}f")
    table = Table("Table of all scores", "A click on a heading sorts.", frame, forms)
    return Section("scores", "All scores", "The score of every run.", (), (table,))


def _methods(scores: ScoresAssessed) -> Section:
    text = " ".join(methods_on_scores(scores))
    return Section("methods", "For a paper", "What was done, for a methods section.", (text,))


def _provenance(scores: ScoresAssessed) -> Section:
    table = scores.table
    examples = scores.test_examples
    rows = [
        ("Scores", table.source),
        ("SHA-256 of the file" if table.path else "SHA-256 of the scores, as CSV", table.sha256),
        ("How they were read", " ".join(table.notes) or "as they are"),
        ("Baseline", plain_name(scores.arms[0].name)),
        ("Margin", f"±{scores.metric.amount(f'{scores.margin:g}')}"),
        ("Test examples", f"{examples:,}" if examples else "not known"),
        ("Versions", f"dropstudy {version('dropstudy')}, Python {platform.python_version()}"),
    ]
    again = (Code("To make it again", _command(scores)),) if table.path else ()
    purpose = "Where the scores are from, and how to make this page again."
    return Section("provenance", "How it was made", purpose, blocks=(Facts(tuple(rows)), *again))


def _command(scores: ScoresAssessed) -> str:
    flags = (f"--{name.replace('_', '-')}={value}" for name, value in scores.options.items())
    path = str(scores.table.path)
    return shlex.join(["dropstudy", "verdict", f"./{path}" if path.startswith("-") else path, *flags])


def about(scores: ScoresAssessed) -> str:
    """The scores in a line, and what they do not show."""
    runs = scores.table.runs
    counts = (
        counted(len(scores.arms), "arm"),
        counted(runs["seed"].nunique(), "seed"),
        counted(len(runs), "run"),
    )
    return f"{' · '.join(counts)}. Scores alone show no learning curves, predictions or weights."
