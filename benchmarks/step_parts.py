"""Where does each millisecond of a training step of the compiled program go?

    python benchmarks/step_parts.py
    python benchmarks/step_parts.py --flags=-march=haswell      # without AVX-512, on a processor that has it

Compiles a copy of mlp.cc that reads the thread's clock around each part of a step. Trains the notebook's network on
MNIST for two epochs, and then times steps of the third, 60 of 128 examples at a time.
"""

from __future__ import annotations

import argparse
import ctypes
import subprocess
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common import head, mnist, spread, table
from dropstudy.engine.mlp.rules import glorot_limit
from dropstudy.engine.native import build
from dropstudy.engine.native.library import Examples, LayerArrays, Library, OptimizerNumbers, Running

if TYPE_CHECKING:
    from collections.abc import Iterator

WIDTHS, BATCH, STEPS, EPOCHS = (784, 512, 512, 10), 128, 60, 2

# A part, the call that it is, and the number that tells its layers apart.
PARTS = {
    "read inputs": "ReadInputs(rows, examples)",
    "masks": "AddNoise(l, examples, noise)",
    "forward, layer {}": "::Forward(",
    "relu": "Activate(layer, examples",
    "inputs by unit, layer {}": "Transpose(layer.x",
    "dL/dh, gradient, optimiser, layer {}": "update(by_unit_",
    "dL/dh by example": "PassBack(noise.gaussian",
    "biases": "UpdateBias(layer, examples, o",
}
_CLOCK = """
#include <time.h>
extern "C" double dropstudy_parts[16][8] = {};
static double Seconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec + 1e-9 * now.tv_nsec;
}
struct Clock {
  double& sum;
  double began = Seconds();
  ~Clock() { sum += Seconds() - began; }
};
"""


def timed_source() -> str:
    """The program, with a clock around each part."""
    source = build.SOURCE.read_text(encoding="utf-8")
    for number, (part, call) in enumerate(PARTS.items()):
        start = source.index(f" {call}") + 1
        end = source.index(";\n", start) + 1
        layer = "static_cast<int>(l)" if "{}" in part else "0"
        clock = f"{{ Clock clock{{dropstudy_parts[{number}][{layer}]}}; {source[start:end]} }}"
        source = source[:start] + clock + source[end:]
    return source.replace("namespace {", f"{_CLOCK}namespace {{", 1)


def compile_timed(source: Path, library: Path, flag: str) -> None:
    """Write the program with its clocks to `source`, and compile it."""
    source.write_text(timed_source(), encoding="utf-8")
    command = ("c++", *build.FLAGS, flag, f"-I{build.SOURCE.parent}", "-o", library, source)
    subprocess.run(command, check=True)  # noqa: S603 - ours


def initial_layers() -> list[LayerArrays]:
    """Glorot-uniform weights and moments of 0."""
    draw = np.random.default_rng(0)
    layers = []
    for units_in, units_out in pairwise(WIDTHS):
        limit = glorot_limit(units_in, units_out)
        kernel = draw.uniform(-limit, limit, (units_in, units_out)).astype(np.float32)
        bias = np.zeros(units_out, np.float32)
        layers.append(LayerArrays(kernel, bias, *(np.zeros_like(a) for a in (kernel, bias, kernel, bias))))
    return layers


def train(
    library: Library,
    layers: list[LayerArrays],
    data: Examples,
    *,
    rate: float,
    epoch: int,
    first: int,
    steps: int,
) -> None:
    """Take some steps of an epoch with Adam.

    Its steps have their bias correction: without it the first ones are three times as long and switch units off for
    good.
    """
    first_step = epoch * (len(data.y) // BATCH) + first
    t = np.arange(first_step, first_step + steps) + 1
    learning_rates = 1e-3 * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
    one = np.ones(steps, np.float32)
    hidden_rates = np.full((steps, len(layers) - 1), rate, np.float32)
    adam = OptimizerNumbers(adam=1, gain_1=0.1, gain_2=0.001, epsilon=1e-7)
    order = np.random.default_rng(epoch).permutation(len(data.y)).astype(np.int32)
    library.train(
        layers, data, order, seed=0, batch_size=BATCH, first=first, first_step=first_step,
        learning_rates=learning_rates.astype(np.float32), hidden_rates=hidden_rates, input_rates=0 * one,
        optimizer=adam, running=Running(),
    )  # fmt: skip


def milliseconds(
    library: Library, path: Path, data: Examples, rate: float, repeats: int
) -> dict[str, list[float]]:
    """Milliseconds of a step that each part takes, in each repetition."""
    parts = ((ctypes.c_double * 8) * 16).in_dll(ctypes.CDLL(str(path)), "dropstudy_parts")
    layers = initial_layers()
    whole = len(data.y) // BATCH
    for epoch in range(EPOCHS):
        train(library, layers, data, rate=rate, epoch=epoch, first=0, steps=whole)
    taken: dict[str, list[float]] = {}
    for repeat in range(repeats):
        # The steps of an epoch, one after the other; further epochs where these do not suffice.
        epoch, first = divmod(repeat * STEPS, whole // STEPS * STEPS)
        ctypes.memset(parts, 0, ctypes.sizeof(parts))
        train(library, layers, data, rate=rate, epoch=EPOCHS + epoch, first=first, steps=STEPS)
        for name, seconds in _named(parts):
            taken.setdefault(name, []).append(1e3 * seconds / STEPS)
    return taken


def _named(parts: ctypes.Array[ctypes.Array[ctypes.c_double]]) -> Iterator[tuple[str, float]]:
    for number, part in enumerate(PARTS):
        if "{}" in part:
            yield from ((part.format(layer + 1), parts[number][layer]) for layer in range(len(WIDTHS) - 1))
        else:
            yield part, parts[number][0]


def main() -> None:
    """Compile, train, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rates", default="0,0.5,0.8")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--flags", default="-march=native", help="of the compiler, for the processor")
    options = parser.parse_args()
    head(flags=options.flags, n=options.repeats)
    dataset = mnist()
    data = Examples(
        np.ascontiguousarray(dataset.x_train.reshape(len(dataset.x_train), -1)),
        dataset.y_train.astype(np.int32),
        dataset.scale,
    )
    rates = [float(rate) for rate in options.rates.split(",")]
    with tempfile.TemporaryDirectory() as folder:
        source, path = Path(folder, "timed.cc"), Path(folder, "timed.so")
        compile_timed(source, path, options.flags)
        library = Library(path)
        columns = [milliseconds(library, path, data, rate, options.repeats) for rate in rates]
    rows = [["ms a step", *(f"rate {rate:g}" for rate in rates)]]
    rows += [[part, *(spread(column[part]).text() for column in columns)] for part in columns[0]]
    rows.append(["all", *(spread(map(sum, zip(*column.values(), strict=True))).text() for column in columns)])
    print(table(rows))


if __name__ == "__main__":
    main()
