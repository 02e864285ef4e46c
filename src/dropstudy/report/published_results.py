"""Published results beside those of a study, for its answer, its page and `show --json`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dropstudy.core.text import counted
from dropstudy.spec import presets
from dropstudy.spec.study_file import read_spec

if TYPE_CHECKING:
    from dropstudy.analysis.as_published import AsPublished
    from dropstudy.core.types import StudySpec
    from dropstudy.report.snapshot import Snapshot


def published_results(snapshot: Snapshot) -> tuple[AsPublished, ...]:
    """Each result of the study's `published`, beside its own."""
    if not snapshot.spec.published:
        return ()
    from dropstudy.analysis.as_published import as_published  # noqa: PLC0415 - scipy is slow to import

    updates = {run.condition: run.steps for run in snapshot.runs}
    other = other_length(snapshot.spec)
    return as_published(snapshot.spec.published, snapshot.finals, updates, snapshot.arms[0].name, other)


def published_in_words(snapshot: Snapshot) -> str:
    """The same in a sentence or two; empty where the study repeats no published results."""
    found = published_results(snapshot)
    if not found:
        return ""
    from dropstudy.analysis.as_published import in_words  # noqa: PLC0415 - as above

    return in_words(found)


def other_length(spec: StudySpec) -> str:
    """A sentence where the study has the results of a preset, and trains for more or fewer epochs than it."""
    for name in presets.published():
        preset = read_spec(name)
        if spec.published and set(spec.published) <= set(preset.published):
            same = spec.epochs == preset.epochs
            ours = counted(spec.epochs, "epoch")
            return "" if same else f"Trained for {ours}, not {preset.epochs:,} as the preset {name} does."
    return ""
