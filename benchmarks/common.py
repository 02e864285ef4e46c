"""Helpers of the benchmark scripts: the head of every result, the data, timed commands, medians and spreads."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cloudpickle
import numpy as np

from dropstudy.data.load import load_dataset
from dropstudy.runtime.local import LocalWorkers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Future

    from dropstudy.core.dataset import Dataset

ARMS = ("no dropout", "dropout 0.8")
PEER_PACKAGES = ("keras", "jax", "tensorflow-cpu", "torch", "scikit-learn")

# Lines come as they are printed, so that they can be timed, and without TensorFlow's notes on its build.
_ENVIRONMENT = {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONUNBUFFERED": "1"}


_CALL = """(
    __import__("sys").path.append(folder),
    (lambda function, args, kwargs: function(*args, **kwargs))(*__import__("cloudpickle").loads(call)),
)[1]"""


class ScriptWorkers(LocalWorkers):
    """Workers that find the modules of this folder: dropstudy's own search no script's folder."""

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Call a function of a script, or of a module in this folder, in a worker."""
        names = {"folder": str(Path(__file__).parent), "call": cloudpickle.dumps((function, args, kwargs))}
        return super().submit(eval, _CALL.strip(), names)


@dataclass(frozen=True)
class Spread:
    """The middle and the ends of some measurements."""

    median: float
    low: float
    high: float
    n: int

    def text(self, digits: int = 2) -> str:
        """For instance `1.21 (1.18 to 1.30)`."""
        return f"{self.median:.{digits}f} ({self.low:.{digits}f} to {self.high:.{digits}f})"


def spread(values: Iterable[float]) -> Spread:
    """Median, lowest and highest of one or more values."""
    taken = list(values)
    return Spread(statistics.median(taken), min(taken), max(taken), len(taken))


def head(**more: Any) -> dict[str, Any]:
    """Print date, device, versions and what else is given, a line each, and return them for the JSON file."""
    about = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": processor(),
        "versions": f"python {platform.python_version()}, {versions('dropstudy', 'jax', 'numpy')}",
        **more,
    }
    for name, value in about.items():
        print(f"{name:10} {value}", flush=True)
    print(flush=True)
    return about


def processor() -> str:
    """The CPU's name and how many cores this process may use."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.processor()
    return f"{name}, {len(cores())} cores"


def cores() -> list[int]:
    """Numbers of the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def versions(*packages: str, python: str = sys.executable) -> str:
    """Versions of installed packages in the environment of `python`; those that it lacks are left out."""
    code = (
        "from importlib.metadata import distributions as d; print(*(f'{p.name}=={p.version}' for p in d()))"
    )
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603 - ours
    pairs = (item.split("==") for item in done.stdout.split())
    found = {name.lower().replace("_", "-"): version for name, version in pairs}
    return ", ".join(f"{name} {found[name]}" for name in packages if name in found)


def mnist() -> Dataset:
    """MNIST from $DROPSTUDY_DATA, the cache or a mirror, checked; never the stand-in digits."""
    return load_dataset("mnist")


def write_npz(path: Path, examples: int = 60_000) -> None:
    """MNIST as the file that keras.datasets.mnist downloads, or its first training examples: the peers' only input."""
    data = mnist()
    x_train, y_train = data.x_train[:examples], data.y_train[:examples]
    np.savez(path, x_train=x_train, y_train=y_train, x_test=data.x_test, y_test=data.y_test)


def watched(command: list[str], environment: dict[str, str]) -> tuple[float, list[tuple[float, str]]]:
    """Run a command; its wall time and its lines of output, each with the seconds after which it came."""
    start = time.perf_counter()
    with subprocess.Popen(  # noqa: S603 - our own arguments
        command,
        env={**os.environ, **_ENVIRONMENT, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        if process.stdout is None:  # never: stdout is a pipe
            raise RuntimeError(command)
        lines = [(time.perf_counter() - start, line.rstrip()) for line in process.stdout]
    wall = time.perf_counter() - start
    if process.returncode:
        sys.exit("\n".join([f"{command[:4]} ended with {process.returncode}:", *(text for _, text in lines)]))
    return wall, lines


def table(rows: list[list[str]]) -> str:
    """Rows as a Markdown table, aligned, the first row its head."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    padded = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows]
    padded.insert(1, ["-" * width for width in widths])
    return "\n".join(f"| {' | '.join(row)} |" for row in padded)


def write_json(path: Path | None, about: dict[str, Any], **results: Any) -> None:
    """Write the head and the results, where a file is asked for."""
    if path is not None:
        path.write_text(json.dumps({**about, **results}, indent=1) + "\n", encoding="utf-8")
