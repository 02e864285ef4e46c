"""Disk space: which weights of finished runs stay, and sizes as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dropstudy.runtime.events import Callback

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dropstudy.core.types import Condition, EpochMetrics, KeepWeights, Run
    from dropstudy.store.reader import RunProgress
    from dropstudy.store.store import Store

_KILO = 1000
_UNITS = ("bytes", "kB", "MB", "GB", "TB")


def weights_to_drop(progress: Iterable[RunProgress], keep: KeepWeights) -> list[str]:
    """Keys of the finished runs whose weights are to be removed.

    The best run of an arm and condition has the highest validation accuracy in the epoch of its weights; between equal
    ones the lowest validation loss decides, then the order.
    """
    done = [each for each in progress if each.status == "done"]
    if keep == "all":
        return []
    best: dict[tuple[str, Condition], RunProgress] = {}
    if keep == "best":
        for each in done:
            group = _group(each.run)
            if group not in best or _score(each.tested) > _score(best[group].tested):
                best[group] = each
    keys = {each.run.key for each in best.values()}
    return [each.run.key for each in done if each.run.key not in keys]


def drop_weights(store: Store, keep: KeepWeights) -> None:
    """Remove the weights that `keep` does not keep."""
    keys = weights_to_drop(store.progress(), keep)
    if existing := [key for key in keys if store.path("weights", key).exists()]:
        store.drop_weights(existing)


class KeepBest(Callback):
    """Remove the weights of runs that are not the best of their arm and condition, as runs end.

    Args:
        store: of the study.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        progress = store.progress()
        dropped = set(weights_to_drop(progress, "best"))
        self._best = {
            _group(each.run): each.run.key
            for each in progress
            if each.status == "done" and each.run.key not in dropped
        }

    def on_run_end(self, run: Run, status: str, cause: str) -> None:  # noqa: ARG002 - as in the base class
        """Of a finished run and the best one so far, keep the weights of the better."""
        if status != "done":
            return
        best = self._best.setdefault(_group(run), run.key)
        if best != run.key:
            better = _score(self._store.tested_epoch(run.key)) > _score(self._store.tested_epoch(best))
            self._best[_group(run)], worse = (run.key, best) if better else (best, run.key)
            self._store.drop_weights([worse])


def format_bytes(count: int) -> str:
    """A size as text: "812 bytes", "3.2 MB"; a kB is 1,000 bytes."""
    number = float(count)
    for unit in _UNITS:
        if number < _KILO - 0.5 or unit == _UNITS[-1]:
            break
        number /= _KILO
    return f"{count} bytes" if unit == "bytes" else f"{number:.3g} {unit}"


def disk_usage(sizes: Mapping[str, int]) -> str:
    """Disk space of a study: "12.3 MB on disk: weights 10.7 MB, predictions 1.2 MB, database 412 kB"."""
    parts = sorted(((kind, size) for kind, size in sizes.items() if size), key=lambda part: -part[1])
    each = ", ".join(f"{kind} {format_bytes(size)}" for kind, size in parts)
    return f"{format_bytes(sum(sizes.values()))} on disk: {each}" if parts else "nothing on disk"


def _score(row: EpochMetrics | None) -> tuple[float, float]:
    return (float("-inf"), 0.0) if row is None else (row.val_accuracy, -row.val_loss)


def _group(run: Run) -> tuple[str, Condition]:
    return run.arm.name, run.condition
