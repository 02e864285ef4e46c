"""The sections of the page, one a file, each a function from a study to a section, or to None where it has no data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from altair.utils.schemapi import debug_mode

from dropstudy.report.sections.calibration import trust
from dropstudy.report.sections.curves import curves
from dropstudy.report.sections.gap import gap
from dropstudy.report.sections.inside import inside
from dropstudy.report.sections.paired_seeds import seeds
from dropstudy.report.sections.predictions import answers
from dropstudy.report.sections.provenance import made
from dropstudy.report.sections.rates import rates
from dropstudy.report.sections.runs import all_runs
from dropstudy.report.sections.verdict import verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from dropstudy.report.sections.blocks import Section
    from dropstudy.report.snapshot import Snapshot

SECTIONS: tuple[Callable[[Snapshot], Section | None], ...] = (
    verdict,
    rates,
    curves,
    gap,
    seeds,
    answers,
    trust,
    inside,
    all_runs,
    made,
)
"""In the order of the page."""


def sections(snapshot: Snapshot, made_one: Callable[[Section], None] | None = None) -> list[Section]:
    """All sections that the study has the data for; `made_one` is told of each as soon as it is made."""
    by_maker: dict[Callable[[Snapshot], Section | None], Section | None] = {}
    # Altair holds each piece of a chart against its schema as it is built, which takes half of the time.
    with debug_mode(False):
        # The curves first: most figures are theirs, which somebody may draw while the rest is made.
        for make in sorted(SECTIONS, key=lambda make: make is not curves):
            section = by_maker[make] = make(snapshot)
            if section is not None and made_one is not None:
                made_one(section)
    return [section for make in SECTIONS if (section := by_maker[make]) is not None]
