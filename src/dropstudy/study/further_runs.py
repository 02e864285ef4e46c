"""Train what follows from a verdict: seeds until it is decided, fresh seeds, and runs with one source drawn anew."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dropstudy.analysis import confirm, redrawn
from dropstudy.analysis.sequential import until_decided
from dropstudy.core.atomic import write_text
from dropstudy.core.text import counted
from dropstudy.runtime.progress.display import taken_once, with_display
from dropstudy.spec import merge
from dropstudy.spec.study_file import STUDY_FILE, to_toml
from dropstudy.store.directory import UNTIL_DECIDED, recorded_spec, redrawn_folder
from dropstudy.store.locking import lock
from dropstudy.store.models import stored_model
from dropstudy.store.paths import StudyPaths
from dropstudy.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dropstudy.analysis.verdict import Verdict
    from dropstudy.core.types import NoiseSource
    from dropstudy.study.study import Study


def run_until_decided(study: Study, max_seeds: int, how: dict[str, Any]) -> Verdict:
    """Add seeds until the verdict is decided; as `Study.run_until_decided`."""
    callback = taken_once(how)

    def look(seeds: tuple[int, ...]) -> Verdict:
        study.spec = replace(study.spec, seeds=seeds)
        study.run(callbacks=callback, verbose=False, **how)
        study._announced = True  # noqa: SLF001 - as below
        with lock(study.folder), Store(study.folder, write=True) as store:
            store.record({UNTIL_DECIDED: max_seeds})
        return study.verdict()

    return until_decided(study.spec.seeds, max_seeds, look, callback.on_notice)


def confirm_study(study: Study, seeds: int | None, how: dict[str, Any]) -> Verdict:
    """Train chosen arms and the baseline on fresh seeds; as `Study.confirm`."""
    snapshot = study.results().snapshot
    folders = confirm.prepare(study.folder, snapshot.spec, snapshot.verdict, seeds=seeds)
    notify = with_display(how.get("callbacks"), verbose=how.get("verbose", True)).on_notice
    if seeds is None and (note := confirm.nothing_decided(snapshot.verdict, snapshot.answer.steps)):
        notify(note)
    for where, more in folders.items():
        fresh = _inner(study, where, seeds=list(more))
        if not fresh.finished:
            notify(f"Confirmation: 2 arms on {counted(len(more), 'fresh seed')}; study in {where}")
        fresh._announced = True  # noqa: SLF001 - as below; the data were described with the study
        fresh.run(**how)
    return study.verdict()


def sources_of(study: Study, asked: Sequence[str]) -> list[NoiseSource]:
    """The sources asked for, of those that a study draws; errors as for `Study.redraw`."""
    source = study._source  # noqa: SLF001 - as below
    pretrained = (
        source is not None and bool(source.description) and "pretrained" in json.loads(source.description)
    )
    return redrawn.checked_sources(study.spec, asked or ["all"], pretrained=pretrained)


def redraw(study: Study, asked: Sequence[str], how: dict[str, Any]) -> Verdict:
    """Train runs with one source drawn anew; as `Study.redraw`."""
    sources = sources_of(study, asked)
    snapshot = study.results().snapshot
    StudyPaths(study.folder).refuse_links()
    callback = taken_once(how)
    for source, spec in redrawn.plans(snapshot.spec, snapshot.verdict, snapshot.finals, sources).items():
        callback.on_notice(redrawn.announcement(source, snapshot.spec, spec))
        where = redrawn_folder(study.folder, source)
        if recorded_spec(where) is None:
            where.mkdir(parents=True, exist_ok=True)
            write_text(where / STUDY_FILE, to_toml(spec))
        again = _inner(study, where)
        again.spec = merge.grow(again.spec, spec)
        again.run(callbacks=callback, verbose=False, **how)
    return study.verdict()


def _inner(study: Study, where: Path, **overrides: Any) -> Study:
    """The study in a folder inside that of another one, whose data and model it has."""
    model = stored_model(study.folder, study.spec, study._source)  # noqa: SLF001 - part of the class, in a file of its own
    return type(study)(where / STUDY_FILE, out=where, data_dir=study._data_dir, source=model, **overrides)  # noqa: SLF001
