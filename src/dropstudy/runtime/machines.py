"""Machines of a cluster: their workers, what these train, what was lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dropstudy.core.types import Run


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
