"""The folder of a study: which study it holds, and how one begins in it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropstudy.core.text import plain_name
from dropstudy.core.types import MARGIN
from dropstudy.errors import InvalidArgument, StoreError
from dropstudy.spec import merge, plan, presets
from dropstudy.spec.study_file import STUDY_FILE, is_study, parse_spec, parse_toml, read_spec
from dropstudy.store.paths import CONFIRMATION, FIGURES, WRITTEN, StudyPaths, entries
from dropstudy.store.store import DATABASE, Store

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dropstudy.core.types import Dataset, StudySpec

SEED_COUNTS = "seed_counts"
"""Fact: how many seeds the study was run with, each time that it was other than before."""

EARLIER_MARGINS = "earlier_margins"
"""Fact: the margins that the study had before its present one, when runs had finished already."""

UNTIL_DECIDED = "until_decided"
"""Fact: the most seeds that a study may have, to which seeds are added until its verdict is decided."""

FILE_DUE = "study_file_due"
"""Fact: the study file is not yet what the database says."""

_NAMED = 3  # files of somebody else's, in a message
_NOTED = ("data_source", "data_sha256", "fallback", "dropstudy", "jax", "python")


def command(verb: str, folder: Path) -> str:
    """A command for the study in a folder, for instance `dropstudy run studies/first`, fit for a shell."""
    text = str(folder)
    if text in presets.names() or text.startswith("-"):
        text = f"./{text}"
    return f"dropstudy {verb} {shlex.quote(text)}"


def confirmations(folder: Path) -> list[Path]:
    """Folders of the studies that confirm the one in a folder, as far as there are any."""
    inside = folder / CONFIRMATION
    paths = [inside, *(inside / name for name in entries(inside) if name != CONFIRMATION)]
    return [path for path in paths if is_study(path) and not path.is_symlink()]


def has_database(folder: Path) -> bool:
    """True where runs have been recorded."""
    try:
        return (folder / DATABASE).is_file()
    except OSError:  # a name that is too long, a folder that may not be looked into
        return False


def holds_study(folder: Path) -> bool:
    """True where a folder holds a study: its file, or its database where the file was lost."""
    return is_study(folder) or has_database(folder)


def existing_folder(source: str | Path) -> Path | None:
    """The folder that `source` names, if it is that of a study and not a preset's name."""
    folder = Path(source)
    return folder if str(source) not in presets.names() and holds_study(folder) else None


def spec_source(asked: str | Path) -> str | Path | dict[str, Any]:
    """Specification as it was asked for; of a study whose file was lost, the fields that its database has."""
    place = Path(asked).parent if Path(asked).name == STUDY_FILE else existing_folder(asked)
    if place is None or is_study(place) or not has_database(place):
        return asked
    text = read_metadata(place).get("specification")
    return asked if text is None else parse_toml(text.encode())


def read_metadata(folder: Path) -> dict[str, Any]:
    """Metadata recorded when the study began: data, its digest, scale and classes, versions.

    Raises:
        StoreError: no study has begun there.
    """
    with Store(folder) as store:
        return store.meta


def merged_with_stored(folder: Path, asked: StudySpec) -> StudySpec:
    """The study that a folder holds with all that is asked for besides; what is asked for, if it holds none.

    Raises:
        InvalidArgument: what is asked for, or what its file says, cannot stand in one table with the study's runs.
    """
    stored = _stored(folder)
    if stored is None:
        return asked
    if lines := merge.differences(stored, asked):
        raise InvalidArgument(
            str(folder),
            expected="runs that can stand in one table with those of the study that is there",
            received="; ".join(lines),
            next_step="Choose another folder with --out. "
            f"To go on with the study as it is: {command('run', folder)}",
        )
    return merge.grow(stored, asked)


def margin_of(spec: StudySpec) -> float:
    """Differences within ±this do not matter to a study, in percentage points."""
    return MARGIN if spec.margin is None else spec.margin


def recorded_spec(folder: Path) -> StudySpec | None:
    """The specification of the runs that have been recorded; None where none have."""
    return spec_of(read_metadata(folder)) if has_database(folder) else None


def spec_of(metadata: Mapping[str, Any]) -> StudySpec | None:
    """The specification among recorded metadata; None where there is none yet."""
    text = metadata.get("specification")
    return None if text is None else parse_spec(parse_toml(text.encode()))


def _stored(folder: Path) -> StudySpec | None:
    """The study that a folder holds. The database has the last word: its study file is written after it."""
    began = recorded_spec(folder)
    if began is None:  # killed before anything was recorded
        return read_spec(folder / STUDY_FILE) if is_study(folder) else None
    if is_study(folder) and not read_metadata(folder).get(FILE_DUE):
        stored = read_spec(folder / STUDY_FILE)
        if lines := merge.differences(began, stored):
            raise InvalidArgument(
                str(folder / STUDY_FILE),
                expected="the study file as it was when the study began, or one that asks for more",
                received=f"a changed one: {'; '.join(lines)}",
                next_step="Change it back, and run a copy of the changed file in another folder with --out.",
            )
        return merge.grow(began, stored)
    return began


def check_data(folder: Path, dataset: Dataset) -> None:
    """Refuse to go on with data other than those that the study began with, or by other rules.

    Raises:
        StoreError: the content differs, or the study was made when the same specification gave other numbers.
    """
    if not has_database(folder):
        return
    known = read_metadata(folder)
    if known and known["semantics"] != plan.SEMANTICS:
        raise StoreError(
            str(folder),
            expected=f"a study made by version {plan.SEMANTICS} of the rules in docs/semantics.md",
            received=f"one made by version {known['semantics']}: new runs could not stand in one table with it",
            next_step="It can be shown as it is. Make it anew with --out, or go on with the dropstudy that made it, "
            f"version {plain_name(known['dropstudy'])}.",
        )
    recorded = known.get("data_sha256", dataset.sha256)
    if recorded != dataset.sha256:
        raise StoreError(
            str(folder),
            expected=f"the data that the study began with (SHA-256 {recorded[:12]}...)",
            received=f"{dataset.source} with SHA-256 {dataset.sha256[:12]}...{_unlike(known, dataset)}",
            next_step="Restore the data, or start a new study with --out.",
        )


def refuse_foreign(folder: Path) -> None:
    """Refuse to begin a study in a folder that has files of somebody else where a study has its own.

    Raises:
        StoreError: with their names.
    """
    if has_database(folder):
        return
    found = StudyPaths(folder).foreign()
    if not is_study(folder):  # or else a report of it may be there, and it was the database that was lost
        found += [name for name in WRITTEN if (folder / name).exists()]
        found += [f"{name}/" for name in ("runs", FIGURES) if entries(folder / name)]
    if found:
        more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        raise StoreError(
            str(folder),
            expected="a folder without files where a study keeps its own",
            received=f"{', '.join(map(plain_name, found[:_NAMED]))}{more}",
            next_step="Choose another folder with --out.",
        )


def _unlike(known: Mapping[str, Any], dataset: Dataset) -> str:
    """Describe how other data differ from those that a study began with, where that can be seen."""
    before, now = known["profile"], dataset.profile
    seen = [(list(before["shape"]), before["low"], before["high"]), (list(now.shape), now.low, now.high)]
    words = [f"of shape {tuple(shape)} from {low:g} to {high:g}" for shape, low, high in seen]
    return f"; its examples are {words[1]}, the study's {words[0]}" if seen[0] != seen[1] else ""
