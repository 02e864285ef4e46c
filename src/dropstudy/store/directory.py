"""The folder of a study: which study it holds, and how one begins in it."""

from __future__ import annotations

import platform
import shlex
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropstudy.core.atomic import write_text
from dropstudy.core.hardware import choose_precision, processor
from dropstudy.core.text import plain_name
from dropstudy.core.types import MARGIN
from dropstudy.errors import InvalidArgument, StoreError
from dropstudy.spec import merge, plan, presets, splits
from dropstudy.spec.study_file import STUDY_FILE, is_study, parse_spec, parse_toml, read_spec, to_toml
from dropstudy.store.locking import lock
from dropstudy.store.paths import CONFIRMATION, FIGURES, WRITTEN, StudyPaths, entries
from dropstudy.store.store import DATABASE, Store

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dropstudy.core.hardware import Device
    from dropstudy.core.types import Dataset, Run, StudySpec

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


def begun(folder: Path) -> bool:
    """True where runs have been recorded."""
    try:
        return (folder / DATABASE).is_file()
    except OSError:  # a name that is too long, a folder that may not be looked into
        return False


def is_there(folder: Path) -> bool:
    """True where a folder holds a study: its file, or its database where the file was lost."""
    return is_study(folder) or begun(folder)


def named(source: str | Path) -> Path | None:
    """The folder that `source` names, if it is that of a study and not a preset's name."""
    folder = Path(source)
    return folder if str(source) not in presets.names() and is_there(folder) else None


def source(asked: str | Path) -> str | Path | dict[str, Any]:
    """Specification as it was asked for; of a study whose file was lost, the fields that its database has."""
    place = Path(asked).parent if Path(asked).name == STUDY_FILE else named(asked)
    if place is None or is_study(place) or not begun(place):
        return asked
    text = metadata(place).get("specification")
    return asked if text is None else parse_toml(text.encode())


def metadata(folder: Path) -> dict[str, Any]:
    """Metadata recorded when the study began: data, its digest, scale and classes, versions.

    Raises:
        StoreError: no study has begun there.
    """
    with Store(folder) as store:
        return store.meta


def agreed(folder: Path, asked: StudySpec) -> StudySpec:
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


def recorded(folder: Path) -> StudySpec | None:
    """The specification of the runs that have been recorded; None where none have."""
    return specification(metadata(folder)) if begun(folder) else None


def specification(metadata: Mapping[str, Any]) -> StudySpec | None:
    """The specification among recorded metadata; None where there is none yet."""
    text = metadata.get("specification")
    return None if text is None else parse_spec(parse_toml(text.encode()))


def _stored(folder: Path) -> StudySpec | None:
    """The study that a folder holds. The database has the last word: its study file is written after it."""
    began = recorded(folder)
    if began is None:  # killed before anything was recorded
        return read_spec(folder / STUDY_FILE) if is_study(folder) else None
    if is_study(folder) and not metadata(folder).get(FILE_DUE):
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
    if not begun(folder):
        return
    known = metadata(folder)
    if known and known.get("semantics", 1) != plan.SEMANTICS:
        raise StoreError(
            str(folder),
            expected=f"a study made by version {plan.SEMANTICS} of the rules in docs/semantics.md",
            received=f"one made by version {known.get('semantics', 1)}: new runs could not stand in one table with it",
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
    if begun(folder):
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
    before, now = known.get("profile"), dataset.profile
    if before is None:
        return ""
    seen = [(list(before["shape"]), before["low"], before["high"]), (list(now.shape), now.low, now.high)]
    words = [f"of shape {tuple(shape)} from {low:g} to {high:g}" for shape, low, high in seen]
    return f"; its examples are {words[1]}, the study's {words[0]}" if seen[0] != seen[1] else ""


def settled(spec: StudySpec, dataset: Dataset, device: Device) -> tuple[StudySpec, tuple[Run, ...]]:
    """Resolve a specification with these data and this device, and plan its runs.

    Raises:
        InvalidArgument: the data do not allow what it asks for.
    """
    precision = choose_precision(spec.precision, device)
    spec = replace(
        spec,
        precision=precision,
        data=dataset.name if spec.data is None else spec.data,
        scale=dataset.scale,
        margin=MARGIN if spec.margin is None else spec.margin,
    )
    runs = plan.plan_runs(spec, dataset, precision)
    splits.check(spec, dataset.y_train, dataset.classes)
    return spec, runs


def begin(folder: Path, spec: StudySpec, dataset: Dataset, device: Device) -> StudySpec:
    """Settle what the specification left open, and write down what the study is. Once begun, it stays so.

    Returns:
        The specification with nothing left open.

    Raises:
        InvalidArgument: the data do not allow what it asks for; nothing is written.
        StoreError: the folder has files of somebody else where a study has its own; nothing is written.
    """
    refuse_foreign(folder)
    spec, runs = settled(spec, dataset, device)
    text = to_toml(spec)
    known = {
        "data": dataset.name,
        "data_sha256": dataset.sha256,
        "data_source": dataset.source,
        "fallback": dataset.fallback,
        "scale": dataset.scale,
        "profile": asdict(dataset.profile),
        "input_shape": dataset.input_shape,
        "classes": dataset.classes,
        "n_train": len(dataset.y_train),
        "n_test": len(dataset.y_test),
        "semantics": plan.SEMANTICS,
        "dropstudy": version("dropstudy"),
        "jax": version("jax"),
        "python": platform.python_version(),
    }
    with Store(folder, create=True) as store:
        before = store.meta
        due = before.get("specification") != text or bool(before.get(FILE_DUE)) or not is_study(folder)
        fresh = {"environment": environment(device), **said(spec, before), FILE_DUE: due}
        fresh[EARLIER_MARGINS] = _earlier_margins(store, spec.margin)
        store.begin(known | before | fresh, runs)
        if due:  # a kill from here on is made good by whoever comes next, since the database says so
            write_study_file(folder, spec, store.meta)
            store.record({FILE_DUE: False})
    for path in confirmations(folder):
        set_margin(path, spec.margin)
    return spec


def said(spec: StudySpec, before: Mapping[str, Any]) -> dict[str, Any]:
    """Facts that follow from a specification that takes the place of another one, or begins a study.

    Args:
        spec: what the study is from now on.
        before: its metadata so far.
    """
    counts = before.get(SEED_COUNTS, [])
    now = len(spec.seeds)
    return {
        "specification": to_toml(spec),
        # Every number of seeds that it was run with: a verdict has to allow for being looked at more than once.
        SEED_COUNTS: counts if counts[-1:] == [now] else [*counts, now],
        FILE_DUE: False,
    }


def write_study_file(folder: Path, spec: StudySpec, known: Mapping[str, Any]) -> None:
    """Write the study file, headed by some of the metadata for people."""
    write_text(folder / STUDY_FILE, to_toml(spec, {name: known[name] for name in _NOTED}))


def set_margin(folder: Path, margin: float | None) -> None:
    """Record another margin for a study that has begun, and for those that confirm it; nothing where it has that one.

    Raises:
        StoreError: the folder cannot be written.
        StudyLocked: another process runs the study.
    """
    spec = recorded(folder)
    if spec is None or margin is None:
        return
    if spec.margin != margin:
        spec = replace(spec, margin=margin)
        with lock(folder), Store(folder, write=True) as store:
            earlier = {EARLIER_MARGINS: _earlier_margins(store, margin)}
            store.record(said(spec, store.meta) | earlier | {FILE_DUE: True})
            write_study_file(folder, spec, store.meta)
            store.record({FILE_DUE: False})
    for path in confirmations(folder):
        set_margin(path, margin)


def _earlier_margins(store: Store, now: float | None) -> list[float]:
    """Margins before the present one with which runs had finished: to choose another after looking weakens a claim."""
    known = store.meta
    before, earlier = specification(known), known.get(EARLIER_MARGINS, [])
    changed = before is not None and margin_of(before) != now and store.runs("done")
    return [*earlier, margin_of(before)] if before is not None and changed else earlier


def environment(device: Device) -> dict[str, str]:
    """Environment that a run's last digits may depend on besides its specification."""
    return {
        "dropstudy": version("dropstudy"),
        "jax": version("jax"),
        "Python": platform.python_version(),
        "device": device,
        "processor": processor(),
    }


def changes(folder: Path, device: Device) -> list[str]:
    """Changes of the environment since the study in a folder was last run, in words; none for a new study."""
    if not begun(folder):
        return []
    before, now = metadata(folder).get("environment", {}), environment(device)
    changed = [
        f"{name} {plain_name(before[name])}, now {now[name]}"
        for name in now
        if name in before and before[name] != now[name]
    ]
    said = (
        f"This study was last run with {'; '.join(changed)}. It goes on; runs trained from here on may differ "
        "in their last digits from what they would have been before."
    )
    return [said] if changed else []
