"""Check output paths that a user names: files of a study and inputs of the command are not overwritten."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dropstudy.errors import InvalidArgument
from dropstudy.store.paths import CONFIRMATION, DATABASE, FIGURES, FOLDERS, REDRAWN, WRITTEN

if TYPE_CHECKING:
    from collections.abc import Iterable

_OWN = {*FOLDERS, *WRITTEN, CONFIRMATION, REDRAWN, FIGURES}
_OWN_PREFIX = "study."


def refuse_overwriting(out: Path, inputs: Iterable[str | Path] = (), *, kind: str = "") -> None:
    """Refuse an output file that would replace a study's own file or an input.

    Args:
        out: the file to be written.
        inputs: files and folders that are read. All files in a folder count as inputs, except CSV files, which are
            never read.
        kind: suffix that an existing file must have to be replaced; empty for any.

    Raises:
        InvalidArgument: the file may not be replaced.
    """
    if out.exists() and not out.is_file():
        raise _refusal(out, "not a file")
    if out.exists() and not out.name.lower().endswith(kind):
        raise _refusal(out, f"not a {kind} file")
    # Writing replaces a link and leaves its target as it is. Both are checked: the user may mean either.
    for path in {out.parent.resolve() / out.name, out.resolve()}:
        for folder in path.parents:
            first = path.relative_to(folder).parts[0].casefold()
            if (first in _OWN or first.startswith(_OWN_PREFIX)) and (folder / DATABASE).exists():
                raise _refusal(out, f"a file of the study in {folder}")
    for source in map(Path, inputs):
        if _is_input(out, source):
            raise _refusal(out, f"an input, {source}")


def _is_input(out: Path, source: Path) -> bool:
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
