"""Remove seeds, training sizes, arms and networks from a study, with their runs."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any

from dropstudy.errors import InvalidArgument, StoreError
from dropstudy.runtime.retention import remove_study
from dropstudy.spec import merge, splits
from dropstudy.store import directory as folders
from dropstudy.store.locking import lock
from dropstudy.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from dropstudy.core.types import Run, StudySpec

TAKEN_OUT = "taken_out"
"""Fact: what was taken out although some of its runs were finished, by field of the study file."""


@dataclass(frozen=True)
class Part:
    """Part of a study that would be removed.

    Args:
        spec: the study that stays.
        out: what goes, by field of the study file.
        runs: those that go.
        words: what goes, such as "seeds 3; train_sizes 113".
    """

    spec: StudySpec
    out: Mapping[str, Sequence[Any]]
    runs: tuple[Run, ...]
    words: str


def part(folder: Path, **asked: Sequence[Any] | None) -> Part:
    """Find the part that is to be removed from the study in a folder.

    Args:
        folder: the study's.
        asked: seeds, training sizes (counts or "all"), arms (names) and networks (layer widths) by field.

    Raises:
        InvalidArgument: nothing is asked for, the study has no such thing, or it cannot do without.
        StoreError: nothing has been recorded there.
    """
    stored = folders.recorded(folder)
    if stored is None:
        raise StoreError(
            str(folder), expected="a study whose runs are recorded", received="one that has not begun"
        )
    with Store(folder) as store:
        sizes = dict(
            zip(splits.training_sizes(stored, store.meta["n_train"]), stored.train_sizes, strict=True)
        )
        runs = store.runs()
    out = {name: _items(name, asked[name]) for name in merge.LISTS if asked.get(name) is not None}
    out = {name: items for name, items in out.items() if items}
    if not out:
        raise InvalidArgument(
            "seeds",
            expected="seeds, train_sizes, arms or hidden, to take out of the study",
            received="none of them",
        )
    if "train_sizes" in out:
        out["train_sizes"] = [sizes.get(size, size) for size in out["train_sizes"]]
    left = merge.shrink(stored, out)
    going = {name: set(items) for name, items in out.items()}
    gone = tuple(
        run
        for run in runs
        if run.seed in going.get("seeds", ())
        or run.arm.name in going.get("arms", ())
        or run.condition.hidden in going.get("hidden", ())
        or sizes.get(run.condition.train_size) in going.get("train_sizes", ())
    )
    return Part(left, out, gone, "; ".join(merge.additions(left, stored, " ")))


def take_out(folder: Path, **asked: Sequence[Any] | None) -> Part:
    """Take a part out of a study; arguments and errors as for `part`.

    Its runs, their files and what the study says of itself change together: a kill leaves the one or the other study.
    What confirmed an arm, a network or a size that goes, goes too.

    Raises:
        StudyLocked: a process runs the study.
    """
    with lock(folder):
        going = part(folder, **asked)
        with Store(folder, write=True) as store:
            stay = {(run.arm.name, run.condition) for run in set(store.runs()) - set(going.runs)}
            for path in filter(folders.begun, folders.confirmations(folder)):
                with Store(path) as confirmation:
                    stale = not {(run.arm.name, run.condition) for run in confirmation.runs()} <= stay
                if stale:
                    remove_study(path)
            known = store.meta
            # The file first: one that asks for less than the database has is no harm.
            folders.write_study_file(folder, going.spec, known)
            metadata = folders.said(going.spec, known)
            store.remove(
                going.runs, metadata | {TAKEN_OUT: _with_results(known.get(TAKEN_OUT, {}), going, store)}
            )
    return going


def remarks(metadata: Mapping[str, Any], spec: StudySpec) -> list[str]:
    """Remark on parts that were removed although they had results, in a sentence.

    Args:
        metadata: of the study.
        spec: what it compares; what was put back is not told.
    """
    has: dict[str, list[Any]] = {name: list(getattr(spec, name)) for name in merge.LISTS}
    has["arms"] = [arm.name for arm in spec.arms]
    has["hidden"] = [list(network) for network in spec.hidden]
    taken = metadata.get(TAKEN_OUT, {})
    out = {name: [item for item in taken.get(name, ()) if item not in has[name]] for name in merge.LISTS}
    words = [f"{name} {', '.join(_shown(item) for item in items)}" for name, items in out.items() if items]
    if not words:
        return []
    said = f"Taken out of this study after training: {'; '.join(words)}."
    return [f"{said} If the results were known then, the choice may flatter what is left."]


def _items(name: str, asked: Any) -> list[Any]:
    """Convert a request to the study's own values: a list of plain numbers, of texts, or of tuples of layer widths."""
    flat = isinstance(asked, (str, Integral))
    if flat or (name == "hidden" and asked and all(isinstance(width, Integral) for width in asked)):
        asked = [asked]
    if name == "hidden":
        return [tuple(map(int, network)) for network in asked]
    return [int(item) if isinstance(item, Integral) else item for item in asked]


def _with_results(before: Mapping[str, Any], going: Part, store: Store) -> dict[str, list[Any]]:
    """Parts removed so far, and parts removed now although runs of them are finished."""
    done = set(store.runs("done")) & set(going.runs)
    found: dict[str, set[Any]] = {
        "seeds": {run.seed for run in done},
        "arms": {run.arm.name for run in done},
        "hidden": {run.condition.hidden for run in done},
    }
    after = {name: list(items) for name, items in before.items()}
    for name, items in going.out.items():
        kept = after.setdefault(name, [])
        told = [
            list(item) if isinstance(item, tuple) else item
            for item in items
            if item in found.get(name, items)
        ]
        kept += [item for item in told if item not in kept] if done else []
    return after


def _shown(item: Any) -> str:
    return "-".join(map(repr, item)) if isinstance(item, list) else repr(item)
