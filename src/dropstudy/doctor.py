"""What training would use on this machine, and why."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version

from dropstudy.data.cache import cache_folder
from dropstudy.workers import LocalWorkers, physical_cores


def lines() -> list[str]:
    """Device, precision, workers, versions and folders, one line each. Starts one worker, to ask it."""
    workers = LocalWorkers(1)
    try:
        device = workers.submit(_device).result()
    finally:
        workers.shutdown()
    libraries = ("dropstudy", "jax", "jaxlib", "keras", "numpy", "scikit-learn")
    data = os.environ.get("DROPSTUDY_DATA")
    return [
        f"device: {device}",
        "precision: float32 (auto); bfloat16 only where it is asked for",
        f"workers: {physical_cores()}, one for each physical core, one thread each",
        f"python: {platform.python_version()} on {platform.system()} {platform.machine()}",
        "versions: " + ", ".join(f"{name} {version(name)}" for name in libraries),
        f"data: {data or 'DROPSTUDY_DATA is not set'}",
        f"cache: {cache_folder()}",
    ]


def _device() -> str:
    import jax  # noqa: PLC0415 - in the worker, whose settings are those of training

    device = jax.devices()[0]
    return f"{device.platform} ({device.device_kind})"
