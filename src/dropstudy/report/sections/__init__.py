"""Sections of the page, one a file: each a function from a study to a section, or to None without data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from altair.utils.schemapi import debug_mode

from dropstudy.report.sections.calibration import calibration
from dropstudy.report.sections.curves import curves
from dropstudy.report.sections.gap import gap
from dropstudy.report.sections.inside_the_network import inside_the_network
from dropstudy.report.sections.paired_seeds import paired_seeds
from dropstudy.report.sections.predictions import predictions
from dropstudy.report.sections.provenance import provenance
from dropstudy.report.sections.published import published
from dropstudy.report.sections.rates import rates
from dropstudy.report.sections.runs import all_runs
from dropstudy.report.sections.verdict import each_condition, verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from dropstudy.report.sections.blocks import Section
    from dropstudy.report.snapshot import Snapshot

SECTIONS: tuple[Callable[[Snapshot], Section | None], ...] = (
    verdict,
    published,
    each_condition,
    rates,
    curves,
    gap,
    paired_seeds,
    predictions,
    calibration,
    inside_the_network,
    all_runs,
    provenance,
)
"""In the order of the page."""


def sections(snapshot: Snapshot) -> list[Section]:
    """All sections that the study has the data for."""
    # Altair checks each piece of a chart against its schema as it is built, which takes half of the time.
    with debug_mode(False):
        return [section for make in SECTIONS if (section := make(snapshot)) is not None]
