"""Tell what the folder of a study holds already, before the study goes on."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from dropstudy.cli.wording import retyped
from dropstudy.core.text import plain_name
from dropstudy.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dropstudy.study.study import Study


def study_of(
    spec: str | None, out: Path | None, *, dry_run: bool, notify: Callable[[str], None], **asked: Any
) -> Study:
    """The study asked for.

    Where its folder holds another one, a dry run, which writes nothing, is told a free folder. A dry run also has a
    line if published results are not compared with the study, which a run tells itself.

    Args:
        spec: as for `Study`.
        out: likewise.
        dry_run: whether it will only be estimated.
        notify: gets the lines.
        asked: other arguments of `Study`.
    """
    from dropstudy.study.study import Study

    try:
        study = Study(spec, out=out, **asked)
    except InvalidArgument as error:
        free = error.retry.get("out")
        if not dry_run or free is None:
            raise
        place = plain_name(error.subject)
        notify(f"{place} holds another study, so a run of this one needs a folder of its own: --out {free}")
        study = Study(spec, out=free, **asked)
    if dry_run and study.not_compared:
        notify(study.not_compared)
    return study


def about_existing(study: Study, context: Any) -> list[str]:
    """Lines on the study in a folder: more than was asked for, or data that stand in for MNIST.

    Args:
        study: the one to run.
        context: click's, of the command.
    """
    more = "; ".join(study.unrequested)
    lines = [f"The study has more than this command asks for, and keeps it: {more}."] if more else []
    return [*lines, *filter(None, [_on_stand_in(study, context)])]


def _on_stand_in(study: Study, context: Any) -> str:
    """Sentences on a study that began without MNIST, with the command that studies it; empty for others."""
    from dropstudy.data.catalogue import CATALOGUE
    from dropstudy.data.sources.named import NamedFiles
    from dropstudy.runtime.messages import mnist_folder
    from dropstudy.store.directory import existing_folder, has_database, read_metadata

    data_dir: Path | None = context.params["data_dir"]
    if (
        context.params["data"]
        or not has_database(study.folder)
        or not read_metadata(study.folder).get("fallback")
    ):
        return ""
    changes: dict[str, str | None] = {"data": "mnist", "out": str(mnist_folder(study.folder))}
    if context.params["spec"] and existing_folder(context.params["spec"]):
        changes["scale"] = "auto"  # the folder's is that of the digits
    here = NamedFiles(CATALOGUE["mnist"], data_dir).is_here()
    when = "MNIST is here now. A study of it" if here else "For a study of MNIST, once it is here"
    about = f"{study.folder} holds a study of the digits, which began without MNIST."
    return f"{about} {when}: {retyped(changes, context)}"


def how_to_continue(study: Study, data_dir: Path | None, flags: str) -> str:
    """Sentence on how to go on after an interruption.

    Args:
        study: the interrupted one.
        data_dir: as it was given.
        flags: to add to the command.
    """
    from dropstudy.spec.merge import additions
    from dropstudy.store.directory import recorded_spec
    from dropstudy.store.paths import command
    from dropstudy.store.store import Store

    so_far = recorded_spec(study.folder)
    if so_far is None or additions(so_far, study.spec):
        return "Nothing was recorded. The same command starts again."
    data = "" if data_dir is None else f" --data-dir {shlex.quote(str(data_dir))}"
    with Store(study.folder) as store:
        nothing = all(status == "planned" for status in store.status().values())
    saved = "Nothing was saved yet. Begin again with" if nothing else "Progress is saved. Continue with"
    return f"{saved}: {command('run', study.folder)}{data}{flags}"
