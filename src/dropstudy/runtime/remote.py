"""Calls on a machine of a cluster: what a task there does, in a local worker process of its own.

A task of a cluster runs inside a process that somebody else started, with their threads and their imports. So it hands
the work to a worker process as `LocalWorkers` starts them on any machine: one thread, the program compiled for that
processor, and an end with its parent.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import platform
import sys
import threading
import time
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from dropstudy.core.hardware import choose_device, choose_precision, instructions
from dropstudy.core.text import UNLIKE
from dropstudy.data import parcel
from dropstudy.engine.native.build import kernels
from dropstudy.runtime.local import LocalWorkers, train_group

if TYPE_CHECKING:
    from collections.abc import Callable

    from dropstudy.core.hardware import Device
    from dropstudy.core.types import DataReference, Precision, Segment
    from dropstudy.data.parcel import Parcel

_REFUSED_PAUSE = 2.0
"""Seconds that a refused machine waits before it says so: else it would take all the work from the others."""

_VECTORS = (("avx512f", "AVX-512"), ("avx2", "AVX2"), ("asimd", "NEON"))


@dataclass(frozen=True)
class Identity:
    """What the last digits of a run depend on.

    Args:
        dropstudy: version; likewise jax, keras.
        device: `cpu` or `gpu`.
        precision: that `auto` stands for.
        program: that trains, compiled or XLA's.
        vectors: widest vector instructions of the processor.
    """

    dropstudy: str
    jax: str
    keras: str
    device: Device
    precision: Precision
    program: str
    vectors: str

    @property
    def environment(self) -> dict[str, str]:
        """As a study records it, see `environment` in `store/record.py`."""
        return {
            "dropstudy": self.dropstudy,
            "jax": self.jax,
            "keras": self.keras,
            "device": self.device,
            "processor": f"{self.vectors} processors, by an executor or a cluster",
        }

    def differences(self, other: Identity) -> str:
        """What differs, as "jax 0.11.0 where the study has 0.10.2"; empty where nothing does."""
        mine, theirs = asdict(self), asdict(other)
        changed = [name for name in mine if mine[name] != theirs[name]]
        return ", ".join(f"{name} {mine[name]} {UNLIKE} {theirs[name]}" for name in changed)


@dataclass(frozen=True)
class Reply:
    """Answer of a task.

    Args:
        host: name of the machine.
        address: of the task's process in a Dask cluster, else empty.
        identity: of its machine.
        result: of the function.
        refused: the machine would give other numbers.
        lacks_data: the machine has not the arrays, which must be sent.
    """

    host: str
    address: str
    identity: Identity
    result: Any = None
    refused: bool = False
    lacks_data: bool = False


@lru_cache
def identity(device: str = "auto") -> Identity:
    """Identity of this machine, whose training program is compiled if it was not before."""
    chosen = choose_device(device)
    return Identity(
        dropstudy=version("dropstudy"),
        jax=version("jax"),
        keras=version("keras"),
        device=chosen,
        precision=choose_precision("auto", chosen),
        program="compiled" if chosen == "cpu" and kernels().path else "of XLA",
        vectors=next((name for flag, name in _VECTORS if flag in instructions()), platform.machine()),
    )


def call(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    device: str = "auto",
    expected: Identity | None = None,
    data: Parcel | None = None,
) -> Reply:
    """Call a function in a worker process of this machine.

    Args:
        function: of `runtime/local.py`.
        args: its arguments; those of `train_group` are segments, whose arrays `data` describes.
        device: to train on.
        expected: identity that this machine must have; None for any.
        data: arrays that the segments refer to.
    """
    mine = identity(device)
    reply = Reply(platform.node(), _address(), mine)
    if expected is not None and mine != expected:
        time.sleep(_REFUSED_PAUSE)
        return replace(reply, refused=True)
    if function is train_group and data is not None:
        here = parcel.found(data.digest, data.reference)
        if here is None and not data.content:
            return replace(reply, lacks_data=True)
        args = (_here(args[0], here or parcel.unpack(data)),)
    return replace(reply, result=_workers(mine.device).submit(function, *args).result())


def _here(segments: tuple[Segment, ...], data: DataReference) -> tuple[Segment, ...]:
    """Segments with the arrays of this machine; reports of a training function are files of the other one."""
    models = (segment.model and replace(segment.model, reports="") for segment in segments)
    return tuple(replace(s, data=data, model=model) for s, model in zip(segments, models, strict=True))


def _address() -> str:
    distributed = sys.modules.get("distributed")
    try:
        return str(distributed.get_worker().address) if distributed else ""
    except ValueError:  # another executor
        return ""


_lock = threading.Lock()
_started: dict[str, LocalWorkers] = {}


def _workers(device: Device) -> LocalWorkers:
    """Workers of this process: one for each call at a time, since a cluster's worker may have several threads."""
    with _lock:
        if device not in _started:
            # Dask marks its worker processes so that Python refuses to start others from them.
            multiprocessing.current_process()._config["daemon"] = False  # type: ignore[attr-defined]  # noqa: SLF001
            _started[device] = LocalWorkers(1 if device == "gpu" else os.cpu_count() or 1, device)
        return _started[device]


def stop() -> None:
    """End the workers of this process, and what they train."""
    with _lock:
        started = list(_started.values())
        _started.clear()
    for workers in started:
        workers.shutdown(cancel_futures=True)


atexit.register(stop)
