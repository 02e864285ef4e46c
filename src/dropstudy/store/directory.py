"""The folder of a study: find, check and merge the study that it holds."""

from __future__ import annotations

import difflib
import os
import shlex
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from dropstudy.core.text import first_of, plain_name
from dropstudy.core.types import NoiseSource
from dropstudy.errors import InvalidArgument, StoreError
from dropstudy.spec import merge, plan, presets
from dropstudy.spec.data_names import is_data_file
from dropstudy.spec.study_file import STUDY_FILE, is_study, parse_spec, parse_toml, read_spec
from dropstudy.store.paths import CONFIRMATION, FIGURES, REDRAWN, WRITTEN, StudyPaths, command, entries, named
from dropstudy.store.store import DATABASE, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dropstudy.core.dataset import Dataset
    from dropstudy.core.types import StudySpec

STUDIES = Path("studies")
"""Folder of studies whose own is not named."""

SEED_COUNTS = "seed_counts"
"""Name in the metadata: numbers of seeds that the study was run with: each that had a verdict, and the last."""

EARLIER_RULES = "earlier_rules"
"""Name in the metadata: pairs of a metric's name and a margin that were replaced after runs had finished."""

UNTIL_DECIDED = "until_decided"
"""Name in the metadata: largest number of seeds of a study that adds seeds until its verdict is decided."""

LEFT_OUT = "left_out"
"""Name in the metadata: machines of a cluster that were refused, each with what differs there."""

FIND_RATE = "find_rate"
"""Name in the metadata: of a study that searches the best rate, its budget (runs) and the seeds that each arm has."""

FILE_DUE = "study_file_due"
"""Name in the metadata: true while the study file is older than the database."""

_MAX_NAMED = 3  # foreign files that a message names


def confirmations(folder: Path) -> list[Path]:
    """Folders of the studies that confirm the one in a folder."""
    inside = folder / CONFIRMATION
    paths = [inside, *(inside / name for name in entries(inside) if name != CONFIRMATION)]
    return [path for path in paths if is_study(path) and not path.is_symlink()]


def redrawn_folder(folder: Path, source: NoiseSource) -> Path:
    """Folder of the runs of a study that draw a source anew."""
    return folder / REDRAWN / source


def redrawn(folder: Path) -> list[Path]:
    """Folders of the studies that draw a source of the one in a folder anew."""
    if (folder / REDRAWN).is_symlink():
        return []
    paths = [redrawn_folder(folder, source) for source in get_args(NoiseSource)]
    return [path for path in paths if is_study(path) and not path.is_symlink()]


def inner_studies(folder: Path) -> list[Path]:
    """Folders of all studies that belong to the one in a folder."""
    return [*confirmations(folder), *redrawn(folder)]


def has_database(folder: Path) -> bool:
    """True where runs have been recorded."""
    try:
        return (folder / DATABASE).is_file()
    except OSError:  # a name that is too long, a folder that may not be read
        return False


def holds_study(folder: Path) -> bool:
    """True where a folder holds a study: its file, or its database where the file was lost."""
    return is_study(folder) or has_database(folder)


def find_studies(folder: Path, depth: int = 3) -> list[Path]:
    """Folders of studies: the folder itself if it holds one, else those below it; links below it are not followed.

    Args:
        folder: where to look.
        depth: levels of folders to look into.
    """
    if holds_study(folder):
        return [folder]
    if not depth or not folder.is_dir():
        return []
    names = [name for name in entries(folder.resolve()) if not name.startswith(".")]
    inside = (path for path in map(folder.joinpath, names) if path.is_dir() and not path.is_symlink())
    return [found for path in inside for found in find_studies(path, depth - 1)]


def existing_folder(source: str | Path) -> Path | None:
    """The folder `source` if it holds a study and is not the name of a preset; else None."""
    folder = Path(source)
    return folder if str(source) not in presets.names() and holds_study(folder) else None


def name_of_study(preset: str, data: str, *, asked: bool, placed: bool) -> str:
    """Name of a preset's study on data other than its own, so that two data never have one folder: `tune-penguins`.

    It is the preset's where its folder holds a study of these data already, and that of the data where these alone were
    given.

    Args:
        preset: its name.
        data: name or path of the data.
        asked: the preset was named, and is not the default for such data.
        placed: the study's folder was named.
    """
    stem = named(Path(data)).stem.replace(":", "-")
    alone = not asked and (preset == "table" or is_data_file(data))
    if data == "mnist" or (placed and not alone):
        return preset
    name = stem if alone else f"{preset}-{stem}"
    before = None if holds_study(STUDIES / name) else recorded_spec(STUDIES / preset)
    return preset if before is not None and before.data == data else name


def spec_source(asked: str | Path) -> str | Path | dict[str, Any]:
    """The source as it was given, or the fields in the database if it is a study whose file was lost."""
    place = Path(asked).parent if Path(asked).name == STUDY_FILE else existing_folder(asked)
    if place is None or is_study(place) or not has_database(place):
        return asked
    text = read_metadata(place).get("specification")
    return asked if text is None else parse_toml(text.encode())


def read_metadata(folder: Path) -> dict[str, Any]:
    """Metadata recorded when the study was started: data, its digest, scale and classes, versions.

    Raises:
        StoreError: no study was started there.
    """
    with Store(folder) as store:
        return store.meta


def merged_with_stored(
    folder: Path, asked: StudySpec, refuse_unreadable: Callable[[set[str]], object] = lambda _: None
) -> StudySpec:
    """Specification of the study in a folder, extended by the one asked for; the latter alone if there is no study.

    Args:
        folder: of the study.
        asked: specification asked for.
        refuse_unreadable: called with the fields that differ, before a refusal for them: the data asked for may be
            misspelt.

    Raises:
        InvalidArgument: the runs asked for, or those of the study's file, cannot be compared with the study's runs.
    """
    stored = _stored(folder)
    if stored is None:
        return asked
    if merge.differences(stored, asked):
        ours, theirs, names = merge.differing_settings(stored, asked)
        refuse_unreadable(names)
        out = str(unused_folder(folder))
        raise InvalidArgument(
            str(folder),
            expected=f"the settings of the study in this folder, {ours}",
            received=theirs,
            next_step=f"{_to_continue(folder, stored, asked)}; for a new one, choose another folder with "
            f"--out={shlex.quote(out)}.",
            retry={"out": out},
        )
    return merge.grow(stored, asked)


def _to_continue(folder: Path, stored: StudySpec, asked: StudySpec) -> str:
    ours, theirs = stored.model, asked.model
    if ours and theirs and ours.function == theirs.function != "":
        return "The function has changed since. To continue that study, undo the change"
    return f"To continue that study: {command('run', folder)}"


def unused_folder(folder: Path) -> Path:
    """A folder beside another one that does not exist: `studies/first-2`."""
    return next(
        path
        for n in count(2)
        if not (path := named(folder).with_name(f"{folder.resolve().name}-{n}")).exists()
    )


def no_study(folder: Path, next_step: str = "") -> StoreError:
    """Error for a folder without a study; it names the one that may be meant.

    Args:
        folder: the one that was named.
        next_step: what to do where none may be meant; by default to create a study there.
    """
    near = nearest_study(folder)
    create = next_step or f"To create one there: dropstudy run --out {shlex.quote(str(folder))}"
    return StoreError(
        str(folder) or "''",
        expected="the folder of a study",
        received="a folder without one" if os.path.isdir(folder) else "no such folder",  # noqa: PTH112 - false for a name that is too long
        next_step=create if near is None else f"Did you mean {shlex.quote(str(near))}?",
    )


def nearest_study(folder: Path) -> Path | None:
    """The study whose folder is named most alike, beside a folder or in `studies`; None where none is alike."""
    try:
        if folder.is_file() and holds_study(folder.parent):
            return folder.parent
        found = [*find_studies(folder.parent, 1), *find_studies(STUDIES, 1)]
    except (OSError, ValueError):  # a name that no folder can have
        return None
    by_name = {path.name: path for path in reversed(found) if path != folder.parent}
    near = difflib.get_close_matches(folder.name, by_name, n=1)
    return by_name[near[0]] if near else None


def is_finished(folder: Path) -> bool:
    """True where each run of the study in a folder has ended; False where there is none, or it cannot be read."""
    if not has_database(folder):
        return False
    try:
        with Store(folder) as store:
            return bool(store.runs()) and not store.runs("planned", "running")
    except StoreError:
        return False


def recorded_spec(folder: Path) -> StudySpec | None:
    """Specification of the recorded runs; None if there are none."""
    return spec_of(read_metadata(folder)) if has_database(folder) else None


def spec_of(metadata: Mapping[str, Any]) -> StudySpec | None:
    """Specification in recorded metadata; None if there is none yet."""
    text = metadata.get("specification")
    return None if text is None else parse_spec(parse_toml(text.encode()))


def _stored(folder: Path) -> StudySpec | None:
    """Specification of the study in a folder. The database takes precedence: the study file is written after it."""
    known = read_metadata(folder) if has_database(folder) else {}
    recorded = spec_of(known)
    if recorded is None:  # killed before anything was recorded
        return read_spec(folder / STUDY_FILE) if is_study(folder) else None
    if is_study(folder) and not known.get(FILE_DUE):
        stored = read_spec(folder / STUDY_FILE)
        if lines := merge.differences(recorded, stored):
            raise InvalidArgument(
                str(folder / STUDY_FILE),
                expected="the study file as it was when the study was started, or one with more runs",
                received=f"a changed file: {'; '.join(lines)}",
                next_step="Change it back, and run a copy of the changed file in another folder with --out.",
            )
        return merge.grow(recorded, stored)
    return recorded


def not_started(folder: Path) -> StoreError:
    """Error for a study without recorded runs."""
    return StoreError(
        str(folder),
        expected="a study that was started",
        received="one that stopped before anything was recorded",
        next_step=f"Start it with: {command('run', folder)}",
    )


def check_data(folder: Path, dataset: Dataset) -> None:
    """Refuse to continue with other data than the study was started with, or with another version of the rules.

    Raises:
        StoreError: the content differs, or the same specification gave other numbers in the version of the study.
    """
    if not has_database(folder):
        return
    known = read_metadata(folder)
    if known and known["semantics"] != plan.SEMANTICS:
        raise StoreError(
            str(folder),
            expected=f"a study made by version {plan.SEMANTICS} of the rules in docs/semantics.md",
            received=f"one made by version {known['semantics']}, whose runs cannot be compared with new ones",
            next_step="Start a new study with --out, or continue this one with the dropstudy that made it, "
            f"version {plain_name(known['dropstudy'])}. It can still be shown.",
        )
    recorded = known.get("data_sha256", dataset.sha256)
    if recorded != dataset.sha256:
        raise StoreError(
            str(folder),
            expected=f"the data that the study was started with (SHA-256 {recorded[:12]}...)",
            received=f"{dataset.source} with SHA-256 {dataset.sha256[:12]}...{_unlike(known, dataset)}",
            next_step=f"Restore the data, or start a new study: --out {shlex.quote(str(unused_folder(folder)))}.",
        )


def refuse_foreign(folder: Path) -> None:
    """Refuse to start a study in a folder with foreign files under the names that a study uses.

    Raises:
        StoreError: there are such files; it names them.
    """
    if has_database(folder):
        return
    found = StudyPaths(folder).foreign()
    if not is_study(folder):  # otherwise only the database was lost, and a report may be left
        found += [name for name in WRITTEN if (folder / name).exists()]
        found += [f"{name}/" for name in ("runs", FIGURES) if entries(folder / name)]
    if found:
        raise StoreError(
            str(folder),
            expected="a folder without files under the names that a study uses",
            received=first_of(list(map(plain_name, found)), _MAX_NAMED),
            next_step="Choose another folder with --out.",
        )


def _unlike(known: Mapping[str, Any], dataset: Dataset) -> str:
    """Describe a difference in shape or range from the data that a study was started with; empty if there is none."""
    recorded, given = known["profile"], dataset.profile
    ranges = [
        (list(recorded["shape"]), recorded["low"], recorded["high"]),
        (list(given.shape), given.low, given.high),
    ]
    words = [f"of shape {tuple(shape)} from {low:g} to {high:g}" for shape, low, high in ranges]
    return f"; its examples are {words[1]}, the study's {words[0]}" if ranges[0] != ranges[1] else ""
