"""Run a compiler, and the library that it made, in processes of their own: either may crash, hang or be wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dropstudy.core.safe_path import safe_path
from dropstudy.engine.mlp.rules import Purpose
from dropstudy.engine.native.library import Examples, LayerArrays, Library, OptimizerNumbers, Running

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CHECK_TIMEOUT = 60.0  # seconds; takes a third of one
_CHECK = """
import sys
sys.path[:] = {path!r}
from dropstudy.engine.native.check import check
check({library!r})
"""


def command_fault(command: tuple[str, ...], timeout: float) -> str:
    """Run a command; return why it failed, in a phrase, or nothing.

    Args:
        command: with its arguments.
        timeout: seconds after which it is killed, with the processes that it started.
    """
    try:
        process = subprocess.Popen(  # noqa: S603 - ours
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,  # its processes can be killed together
        )
    except OSError as error:
        return str(error)
    try:
        _, output = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        return f"not done within {timeout:.0f} s"
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    if process.returncode == 0:
        return ""
    lines = list(filter(None, map(str.strip, output.splitlines())))
    errors = [line for line in lines if "error" in line.lower()]
    if process.returncode < 0:
        return f"killed by {signal.Signals(-process.returncode).name}"
    return next(iter(errors or lines), f"exit status {process.returncode}")


def check_fault(library: Path) -> str:
    """Load a library in another process and take a step with it; return what is wrong, or nothing."""
    code = _CHECK.format(path=safe_path(), library=str(library))
    return command_fault((sys.executable, "-c", code), _CHECK_TIMEOUT)


def check(path: str) -> None:
    """End this process with a message unless the library takes a training step as NumPy does."""
    try:
        library = Library(Path(path))
        right = all(
            np.allclose(found, expected, rtol=1e-4, atol=1e-5)
            for found, expected in zip(*_one_step(library), strict=True)
        )
    except (OSError, AttributeError) as error:
        sys.exit(f"{error}")
    if not right:
        sys.exit("its numbers are wrong")


def _one_step(library: Library) -> tuple[list[NDArray[np.float32]], list[NDArray[np.float64]]]:
    """Weights after one step of Adam with dropout, as the library has them and in double precision."""
    examples, features, units, classes, seed, rate = 9, 20, 150, 3, 5, 0.5
    draw = np.random.default_rng(0)
    x = draw.integers(0, 3, (examples, features), np.uint8)  # a third are 0
    y = np.arange(examples, dtype=np.int32) % classes
    shapes = ((features, units), (units,), (units, classes), (classes,))
    w = [draw.normal(0, 0.3, shape).astype(np.float32) for shape in shapes]
    layers = [
        LayerArrays(*w[at : at + 2], *(np.zeros_like(w[at + k % 2]) for k in range(4))) for at in (0, 2)
    ]
    before = [array.astype(np.float64) for array in w]
    one = np.ones(1, np.float32)
    library.train(
        layers, Examples(x, y, 1.0), np.arange(examples, dtype=np.int32), seed=seed, batch_size=examples, first=0,
        first_step=0, learning_rates=one, hidden_rates=rate * one[:, None], input_rates=0 * one,
        # With a large epsilon, a step depends on the size of the gradient, not on its sign alone.
        optimizer=OptimizerNumbers(adam=1, gain_1=0.5, gain_2=0.25, epsilon=0.1), running=Running(),
    )  # fmt: skip
    draws = library.uniform(examples * units, seed=seed, purpose=Purpose.MASK)
    kept = (draws.reshape(examples, units) >= rate) / (1 - rate)
    h = np.maximum(x @ before[0] + before[1], 0) * kept
    p = np.exp(h @ before[2] + before[3])
    delta = (p / p.sum(axis=1, keepdims=True) - np.eye(classes)[y]) / examples
    below = delta @ before[2].T * (h > 0) * kept
    gradients = (x.T @ below, below.sum(axis=0), h.T @ delta, delta.sum(axis=0))
    return w, [array - 0.5 * g / (0.5 * np.abs(g) + 0.1) for array, g in zip(before, gradients, strict=True)]
