"""Machines of a cluster: their workers, what these train, what was lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dropstudy.runtime.events import Callback
from dropstudy.store.directory import LEFT_OUT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dropstudy.core.types import Run
    from dropstudy.store.store import Store


@dataclass(frozen=True)
class Machine:
    """Workers of a machine, at a moment.

    Args:
        name: of the machine; its address until it has answered.
        workers: that are there; None where the executor cannot tell.
        runs: that these train; empty where the executor cannot tell.
        parts: parts of runs that it has trained for this study.
        lost: parts that it began, and whose worker died, left or was silent.
        refused: why it is left out; empty where it is not.
    """

    name: str
    workers: int | None = None
    runs: tuple[Run, ...] = ()
    parts: int = 0
    lost: int = 0
    refused: str = ""


class RecordLeftOut(Callback):
    """Record in a study which machines were left out, and what differs there.

    Args:
        store: of the study.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, str] = store.meta.get(LEFT_OUT, {})

    def on_machines(self, machines: Sequence[Machine]) -> None:
        """Record those that are new."""
        found = self._known | {each.name: each.refused for each in machines if each.refused}
        if found != self._known:
            self._known = found
            self._store.record({LEFT_OUT: found})
