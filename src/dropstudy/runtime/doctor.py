"""Report what training would use on this machine, and why."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from typing import TYPE_CHECKING

from dropstudy.core.hardware import choose_device, choose_precision, physical_cores, why_device, why_precision
from dropstudy.data.cache import cache_folder
from dropstudy.engine.native.build import carried_library, kernels
from dropstudy.runtime.local import LocalWorkers
from dropstudy.runtime.process import cache_fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from dropstudy.core.hardware import Device
    from dropstudy.runtime.local import WorkerInfo


def machine_lines(notify: Callable[[str], None] = lambda _: None) -> list[str]:
    """Device, precision, program, workers, versions and folders, one line each. Starts a worker to ask it.

    Args:
        notify: called before the training program is compiled.
    """
    chosen = choose_device()
    if chosen == "cpu":
        kernels(notify)
    try:
        with LocalWorkers(1, chosen) as workers:
            info = workers.probe().result()
    except Exception as error:  # noqa: BLE001 - any error here is what the user looks for
        cause = " ".join(str(error).split())
        device = f"{chosen}, but its worker failed ({type(error).__name__}: {cause})"
        program = "not known, since the worker failed"
    else:
        device, program = f"{info.device}: {why_device()}", _program(chosen, info)
    libraries = ("dropstudy", "jax", "jaxlib", "keras", "numpy", "scikit-learn")
    data = os.environ.get("DROPSTUDY_DATA")
    return [
        f"device: {device}",
        f"precision: {choose_precision('auto', chosen)}: {why_precision(chosen)}",
        f"program: {program}",
        "workers: "
        + (
            f"{physical_cores()}, one for each physical core, one thread each"
            if chosen == "cpu"
            else "1, which trains many runs side by side"
        ),
        f"python: {platform.python_version()} on {platform.system()} {platform.machine()}",
        "versions: " + ", ".join(f"{name} {version(name)}" for name in libraries),
        f"data: {data or 'DROPSTUDY_DATA is not set'}",
        f"cache: {' '.join(filter(None, (str(cache_folder()), cache_fault())))}",
    ]


def _program(device: Device, worker: WorkerInfo) -> str:
    """Name the program that trains, and the reason."""
    if worker.compiled:
        carried = carried_library()
        origin = f"carried by the wheel, for {carried[0].name}" if carried else "compiled for this processor"
        return f"{origin}; skips zeros; XLA's for bfloat16"
    if device != "cpu":
        return "XLA's; the compiled one is for CPUs"
    return f"XLA's: {worker.fault or kernels().obstacle}"
