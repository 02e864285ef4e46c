"""How fast does this machine multiply float32 matrices, and how long would an epoch's dense products take at that rate?

    python benchmarks/arithmetic.py LIBRARY HIDDEN SECONDS CORE     (`measure` starts it)

A process on each core, all at the same time, because cores that work together share caches, memory and heat. Each
multiplies matrices of the network's shapes, by NumPy (OpenBLAS), XLA and PyTorch (MKL and oneDNN). The fastest shape of
the fastest library counts for all of the arithmetic.
"""

from __future__ import annotations

import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

INPUTS, CLASSES, BATCH = 784, 10, 128
TRAINED, TESTED = 60_000, 10_000


def epoch_flops(hidden: Sequence[int], examples: int = TRAINED) -> int:
    """Operations of a run-epoch's matrix products; a multiplication and an addition count as two.

    All examples forward and backward, the backward products being those for the kernels' gradients and for the inputs
    of every layer but the first; then forward the test set and as many training examples.
    """
    layers = [a * b for a, b in itertools.pairwise((INPUTS, *hidden, CLASSES))]
    forward, kernels, inputs = sum(layers), sum(layers), sum(layers[1:])
    evaluated = TESTED + min(TESTED, examples)
    return 2 * (examples * (forward + kernels + inputs) + evaluated * forward)


def measure(
    cores: Sequence[int], hidden: Sequence[int], peer_python: str = sys.executable, seconds: float = 2.0
) -> dict[str, dict[str, float]]:
    """Operations a second of all cores together, by library that is installed and shape.

    Args:
        cores: numbers of those that multiply.
        hidden: units of each hidden layer.
        peer_python: has PyTorch.
        seconds: for each library.
    """
    widths = "-".join(map(str, hidden))
    measured = {}
    for library in LIBRARIES:
        python = peer_python if library == "torch" else sys.executable
        command = [python, __file__, library, widths, str(seconds)]
        processes = [
            subprocess.Popen([*command, str(core)], stdout=subprocess.PIPE, text=True)  # noqa: S603 - ours
            for core in cores
        ]
        taken: list[dict[str, float]] = [json.loads(process.communicate()[0]) for process in processes]
        if taken[0]:
            measured[library] = {shape: sum(one[shape] for one in taken) for shape in taken[0]}
    return measured


def rates(library: str, hidden: Sequence[int], seconds: float) -> dict[str, float]:
    """Operations a second of each shape on this core, by the median call."""
    import numpy as np  # noqa: PLC0415 - its threads begin on the cores that the process may use by now

    shapes = {
        shape
        for units_in, units in itertools.pairwise((INPUTS, *hidden))
        for shape in ((BATCH, units_in, units), (units_in, BATCH, units), (BATCH, units, units_in))
    }
    found = {}
    for rows, inner, columns in sorted(shapes):
        a, b = (
            np.random.default_rng(0).standard_normal(shape, np.float32)
            for shape in ((rows, inner), (inner, columns))
        )
        multiply = LIBRARIES[library](a, b)
        multiply()
        taken: list[float] = []
        end = time.perf_counter() + seconds / len(shapes)
        while not taken or time.perf_counter() < end:
            start = time.perf_counter()
            multiply()
            taken.append(time.perf_counter() - start)
        found[f"{rows}x{inner} . {inner}x{columns}"] = 2 * rows * inner * columns / statistics.median(taken)
    return found


def by_numpy(a: Any, b: Any) -> Callable[[], object]:
    """NumPy's product of two matrices."""
    import numpy as np  # noqa: PLC0415 - as in `rates`

    out = a @ b
    return lambda: np.matmul(a, b, out=out)


def by_jax(a: Any, b: Any) -> Callable[[], object]:
    """XLA's."""
    import jax  # noqa: PLC0415 - each process imports its own library

    lefts, rights = jax.device_put(a), jax.device_put(b)
    product = jax.jit(jax.numpy.matmul)
    return lambda: product(lefts, rights).block_until_ready()


def by_torch(a: Any, b: Any) -> Callable[[], object]:
    """PyTorch's."""
    import torch  # noqa: PLC0415 - each process imports its own library

    left, right = torch.from_numpy(a), torch.from_numpy(b)
    out = left @ right
    return lambda: torch.mm(left, right, out=out)


LIBRARIES = {"numpy": by_numpy, "jax": by_jax, "torch": by_torch}


def main() -> None:
    """Measure one library on one core and print the rates."""
    library, hidden, seconds, core = sys.argv[1:]
    os.environ.pop("OPENBLAS_CORETYPE", None)  # it may name a slower processor
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {int(core)})
    units = [int(width) for width in hidden.split("-")]
    print(json.dumps(rates(library, units, float(seconds)) if find_spec(library) else {}))


if __name__ == "__main__":
    main()
