"""Check output paths that a user names: no file that a study or the command needs may be overwritten."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dropstudy.errors import InvalidArgument
from dropstudy.store.paths import CONFIRMATION, DATABASE, FIGURES, FOLDERS, WRITTEN

if TYPE_CHECKING:
    from collections.abc import Iterable

_OWN = {*FOLDERS, *WRITTEN, CONFIRMATION, FIGURES}
_OWN_BEGINNING = "study."


def refuse_overwriting(out: Path, inputs: Iterable[str | Path] = (), *, kind: str = "") -> None:
    """Refuse an output file that would take the place of a study's own file or of an input.

    Args:
        out: the file to be written.
        inputs: files and folders that are read. Of a folder all files count but CSV, which none is read from.
        kind: what the name of a file ends in that may be replaced; empty for any.

    Raises:
        InvalidArgument: it would.
    """
    if out.exists() and not out.is_file():
        raise _refusal(out, "something that is not a file")
    if out.exists() and not out.name.lower().endswith(kind):
        raise _refusal(out, f"a file of another kind than {kind}")
    # A file is written beside its place and renamed: a link goes, what it leads to stays. Yet nobody means that.
    for path in {out.parent.resolve() / out.name, out.resolve()}:
        for folder in path.parents:
            first = path.relative_to(folder).parts[0].casefold()
            if (first in _OWN or first.startswith(_OWN_BEGINNING)) and (folder / DATABASE).exists():
                raise _refusal(out, f"a file of the study in {folder}")
    for source in map(Path, inputs):
        if _is_read(out, source):
            raise _refusal(out, f"an input, {source}")


def _is_read(out: Path, source: Path) -> bool:
    if not out.exists() or not source.exists():
        return False
    if source.is_dir():
        return out.suffix.lower() != ".csv" and out.resolve().is_relative_to(source.resolve())
    return out.samefile(source)


def _refusal(out: Path, received: str) -> InvalidArgument:
    return InvalidArgument(
        "--out",
        expected="a new file, or one that may be replaced",
        received=f"{out}, which is {received}",
        next_step="Choose another name; nothing was written.",
    )
