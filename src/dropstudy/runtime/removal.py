"""Remove a study, its weights, or seeds, training sizes, arms and networks with their runs."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any

from dropstudy.errors import InvalidArgument, StoreError
from dropstudy.runtime.retention import drop_weights
from dropstudy.spec import merge, splits
from dropstudy.spec.study_file import STUDY_FILE
from dropstudy.store.directory import has_database, holds_study, inner_studies, no_study, recorded_spec
from dropstudy.store.locking import lock
from dropstudy.store.paths import (
    CONFIRMATION,
    DATABASE,
    FIGURE,
    FIGURES,
    FOLDERS,
    JOURNAL,
    REDRAWN,
    WRITTEN,
    StudyPaths,
    entries,
)
from dropstudy.store.record import spec_metadata, write_study_file
from dropstudy.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from dropstudy.core.types import Run, StudySpec

REMOVED_PARTS = "removed_parts"
"""Metadata: parts removed although some of their runs were finished, by field of the study file."""

_LAST = (DATABASE, JOURNAL, STUDY_FILE)
"""Removed last, in this order: an interrupted removal leaves a study that can be removed."""

_BACKUPS = re.compile(r"study\.v\d+\.backup\.db")


@dataclass(frozen=True)
class Part:
    """Part of a study to remove.

    Args:
        remaining: specification of the rest.
        items: what is removed, by field of the study file.
        runs: runs that are removed.
        description: such as "seeds 3; train_sizes 113".
    """

    remaining: StudySpec
    items: Mapping[str, Sequence[Any]]
    runs: tuple[Run, ...]
    description: str


def find_part(folder: Path, **asked: Sequence[Any] | None) -> Part:
    """Find the part to remove from the study in a folder.

    Args:
        folder: the study's.
        asked: seeds, training sizes (counts or "all"), arms (names) and networks (layer widths) by field.

    Raises:
        InvalidArgument: nothing was named, the study has no such part, or cannot do without it.
        StoreError: nothing was recorded in the folder.
    """
    stored = recorded_spec(folder)
    if stored is None:
        raise StoreError(
            str(folder), expected="a study whose runs are recorded", received="one that was not started"
        )
    with Store(folder) as store:
        counts = splits.training_sizes(stored, store.meta["n_train"])
        size_of = dict(zip(counts, stored.train_sizes, strict=True))
        runs = store.runs()
    items = {name: _items(name, asked[name]) for name in merge.LISTS if asked.get(name) is not None}
    items = {name: values for name, values in items.items() if values}
    if not items:
        raise InvalidArgument(
            "seeds",
            expected="--seeds, --train-sizes, --arms or --hidden to remove from the study",
            received="none of them",
        )
    if "train_sizes" in items:
        items["train_sizes"] = [size_of.get(size, size) for size in items["train_sizes"]]
    remaining = merge.shrink(stored, items)

    def is_removed(run: Run) -> bool:
        values = {
            "seeds": run.seed,
            "arms": run.arm.name,
            "hidden": run.condition.hidden,
            "train_sizes": size_of.get(run.condition.train_size),
        }
        return any(values[name] in removed for name, removed in items.items())

    description = "; ".join(merge.additions(remaining, stored, " "))
    return Part(remaining, items, tuple(filter(is_removed, runs)), description)


def remove_part(folder: Path, **asked: Sequence[Any] | None) -> Part:
    """Remove a part of a study; arguments and errors as for `find_part`.

    Runs, files and specification change together: a kill leaves the study before or after. Confirmations of a removed
    arm, network or size are removed too, and its runs with a source drawn anew.

    Raises:
        StudyLocked: a process runs the study.
    """
    with lock(folder):
        removed = find_part(folder, **asked)
        with Store(folder, write=True) as store:
            remaining = {(run.arm.name, run.condition) for run in set(store.runs()) - set(removed.runs)}
            for path in filter(has_database, inner_studies(folder)):
                with Store(path) as inner:
                    stale = not {(run.arm.name, run.condition) for run in inner.runs()} <= remaining
                if stale:
                    remove_study(path)
            known = store.meta
            # The file first: a file that asks for less than the database has is harmless.
            write_study_file(folder, removed.remaining, known)
            with_results = _with_results(known.get(REMOVED_PARTS, {}), removed, store)
            store.remove(
                removed.runs, spec_metadata(removed.remaining, store) | {REMOVED_PARTS: with_results}
            )
    return removed


def removed_with_results(metadata: Mapping[str, Any], spec: StudySpec) -> list[str]:
    """Sentences on parts that were removed although they had results, for the verdict.

    Args:
        metadata: of the study.
        spec: of the study; parts that were added again are left out.
    """
    present: dict[str, list[Any]] = {name: list(getattr(spec, name)) for name in merge.LISTS}
    present["arms"] = [arm.name for arm in spec.arms]
    present["hidden"] = [list(network) for network in spec.hidden]
    removed = metadata.get(REMOVED_PARTS, {})
    items = {
        name: [item for item in removed.get(name, ()) if item not in present[name]] for name in merge.LISTS
    }
    parts = [f"{name} {', '.join(map(_shown, values))}" for name, values in items.items() if values]
    if not parts:
        return []
    removal = f"Removed from this study after training: {'; '.join(parts)}."
    return [f"{removal} If the results were known then, the choice may flatter what is left."]


def remove_weights(folder: Path) -> None:
    """Remove the weights of all finished runs of a study; metrics and predictions stay.

    Raises:
        StoreError: there is no study in that folder.
        StudyLocked: a process runs it.
    """
    _require_study(folder)
    with lock(folder), Store(folder, write=True) as store:
        drop_weights(store, "none")


def remove_study(folder: Path) -> list[str]:
    """Remove a study with those inside it, and its folder if it is empty then.

    Only files with the names of a study's files are removed, never through a link.

    Returns:
        Names of other files, which stay with the folder.

    Raises:
        StoreError: there is no study in that folder.
        StudyLocked: a process runs it.
    """
    _require_study(folder)
    with lock(folder):
        for path in inner_studies(folder):
            remove_study(path)
        for name in (CONFIRMATION, REDRAWN):
            _remove_folder(folder / name)
        paths = StudyPaths(folder)
        for path in paths.strays(()):
            path.unlink(missing_ok=True)
        for kind in FOLDERS:
            for path in paths.own(kind):
                path.unlink(missing_ok=True)
            _remove_folder(folder / kind)
        for name in filter(FIGURE.fullmatch, entries(folder / FIGURES)):
            _remove_file(folder / FIGURES / name)
        _remove_folder(folder / FIGURES)
        for name in (*WRITTEN, *filter(_BACKUPS.fullmatch, entries(folder)), *_LAST):
            _remove_file(folder / name)
    _remove_folder(folder)
    return [name for entry in entries(folder) for name in _other_files(folder, entry)]


def _remove_file(path: Path) -> None:
    """Remove a file, or a link without its target; a folder of that name is not the study's."""
    if path.is_symlink() or path.is_file():
        path.unlink(missing_ok=True)


def _remove_folder(path: Path) -> None:
    with suppress(OSError):  # it does not exist, or holds other files
        path.rmdir()


def _other_files(folder: Path, name: str) -> list[str]:
    """Files in one of the study's folders by path; any other entry by name."""
    inside = entries(folder / name) if name in {*FOLDERS, FIGURES, CONFIRMATION, REDRAWN} else []
    return [f"{name}/{each}" for each in inside] or [name]


def _require_study(folder: Path) -> None:
    if not holds_study(folder):
        raise no_study(folder, "Nothing was removed.")


def _items(name: str, asked: Any) -> list[Any]:
    """Convert a request to the study's own values: plain numbers, texts, or tuples of layer widths."""
    single = isinstance(asked, (str, Integral))
    if single or (name == "hidden" and asked and all(isinstance(width, Integral) for width in asked)):
        asked = [asked]
    if name == "hidden":
        return [tuple(map(int, network)) for network in asked]
    return [int(item) if isinstance(item, Integral) else item for item in asked]


def _with_results(before: Mapping[str, Any], part: Part, store: Store) -> dict[str, list[Any]]:
    """Parts removed so far, and the items of this part that have finished runs."""
    done = set(store.runs("done")) & set(part.runs)
    finished: dict[str, set[Any]] = {
        "seeds": {run.seed for run in done},
        "arms": {run.arm.name for run in done},
        "hidden": {run.condition.hidden for run in done},
    }
    after = {name: list(items) for name, items in before.items()}
    for name, items in part.items.items():
        listed = after.setdefault(name, [])
        for item in items:
            entry = list(item) if isinstance(item, tuple) else item
            if done and item in finished.get(name, items) and entry not in listed:
                listed.append(entry)
    return after


def _shown(item: Any) -> str:
    return "-".join(map(repr, item)) if isinstance(item, list) else repr(item)
