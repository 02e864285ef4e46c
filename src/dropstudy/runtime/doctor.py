"""Report what training would use on this machine, and why."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from typing import TYPE_CHECKING

from dropstudy.core.hardware import choose_device, choose_precision, physical_cores, why_device, why_precision
from dropstudy.data.cache import cache_folder
from dropstudy.engine.native.build import kernels
from dropstudy.runtime.local import LocalWorkers
from dropstudy.runtime.process import cache_fault

if TYPE_CHECKING:
    from dropstudy.core.hardware import Device


def machine_lines() -> list[str]:
    """Device, precision, kernels, workers, versions and folders, one line each. Starts a worker to ask it."""
    chosen = choose_device()
    precisions: tuple[str, ...] = ()
    try:
        with LocalWorkers(1, chosen) as workers:
            info = workers.probe().result()
        device, precisions = info.device, info.kernel_precisions
    except Exception as error:  # noqa: BLE001 - any error here is what the user looks for
        cause = " ".join(str(error).split())
        device = f"{chosen}, but its worker failed ({type(error).__name__}: {cause})"
    libraries = ("dropstudy", "jax", "jaxlib", "keras", "numpy", "scikit-learn")
    data = os.environ.get("DROPSTUDY_DATA")
    return [
        f"device: {device}: {why_device()}",
        f"precision: {choose_precision('auto', chosen)}: {why_precision(chosen)}",
        f"kernels: {_kernels(chosen, precisions)}",
        f"workers: {physical_cores()}, one for each physical core, one thread each",
        f"python: {platform.python_version()} on {platform.system()} {platform.machine()}",
        "versions: " + ", ".join(f"{name} {version(name)}" for name in libraries),
        f"data: {data or 'DROPSTUDY_DATA is not set'}",
        f"cache: {' '.join(filter(None, (str(cache_folder()), cache_fault())))}",
    ]


def _kernels(device: Device, precisions: tuple[str, ...]) -> str:
    """Name the kernels that multiply, and the reason."""
    if precisions:
        return f"our own for {' and '.join(precisions)} where runs train singly and are not tiny, XLA's for the rest"
    if device != "cpu":
        return "XLA's; ours are for CPUs"
    return f"XLA's: {kernels().obstacle or 'ours cannot be loaded here, or gain nothing on this processor'}"
