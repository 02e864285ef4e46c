"""Do runs that train side by side in one program gain by it on this device, and in what memory?

    python benchmarks/groups.py

Trains an epoch of the notebook's network in groups of 1, 2, 4 and 8 lanes on the device that `--device` names, in
dropstudy's own worker, the sizes alternating, and asks the compiler what memory each group's program takes.

    s per run-epoch   seconds of the training steps of one epoch, evaluation left out, divided by the lanes
    memory            arguments and temporaries of the compiled program; the pixels are one copy for all lanes

On a CPU the engine trains one lane at a time on each core, because of what this prints.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from common import ScriptWorkers, head, mnist, spread, table, write_json
from dropstudy.core.hardware import choose_device, choose_precision
from dropstudy.data.arrays import store_arrays
from dropstudy.engine.mlp import programs
from dropstudy.engine.mlp.config import stacked, static_config, traced_config
from dropstudy.engine.mlp.inputs import train_examples
from dropstudy.spec.plan import plan_runs
from dropstudy.spec.study_file import read_spec

LANES = (1, 2, 4, 8)
MEBIBYTE = 2**20


@dataclass(frozen=True)
class Taken:
    """Cost of a group.

    Args:
        seconds: of an epoch's steps, a run, each time.
        memory: bytes of the program's arguments, outputs that are not arguments, and temporaries.
        data: bytes of the pixels among them.
        state: bytes of one lane's weights and moments.
    """

    seconds: list[float]
    memory: int
    data: int
    state: int


def measure(lanes: int, precision: str, repeats: int, steps: int) -> Taken:
    """In a worker: train `lanes` runs of the notebook's dropout arm side by side."""
    spec = read_spec("notebook", {"data": "mnist", "precision": precision, "seeds": lanes, "rates": [0.8]})
    dataset = mnist()
    runs = plan_runs(spec, dataset, precision)  # type: ignore[arg-type]
    static, traced = static_config(runs), stacked([traced_config(run) for run in runs])
    data, _ = train_examples(store_arrays(dataset), skip_zero_inputs=False)
    rows = np.arange(len(dataset.y_train), dtype=np.int32)
    index = jnp.asarray(np.stack([rows] * lanes))
    widths = runs[0].condition.widths
    state: Any = programs.start(traced.seeds.weights, widths=widths, optimizer="adam")
    arguments = (state, data, index, traced)
    compiled = programs.train_steps.lower(*arguments, epoch=0, first=0, count=steps, static=static).compile()
    sizes: Any = compiled.memory_analysis()
    seconds = []
    for number in range(repeats + 1):
        began = time.perf_counter()
        state = programs.train_steps(
            state, data, index, traced, epoch=number, first=0, count=steps, static=static
        )
        jax.block_until_ready(state)
        seconds.append((time.perf_counter() - began) * runs[0].condition.steps / steps / lanes)
    memory = sizes.argument_size_in_bytes + sizes.output_size_in_bytes
    memory += sizes.temp_size_in_bytes - sizes.alias_size_in_bytes
    return Taken(seconds[1:], memory, data.x.nbytes, 12 * runs[0].condition.parameters)


def main() -> None:
    """Measure every size in turn and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="auto", help="auto, cpu or gpu")
    parser.add_argument("--lanes", default=",".join(map(str, LANES)))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--steps", type=int, default=235, help="of an epoch, to measure")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every timing there")
    options = parser.parse_args()
    device = choose_device(options.device)
    precision = choose_precision("auto", device)
    sizes = [int(lanes) for lanes in options.lanes.split(",")]
    about = head(trains_on=device, precision=precision, steps=options.steps, n=options.repeats)
    taken: dict[int, Taken] = {}
    for lanes in sizes:
        with ScriptWorkers(1, device) as worker_pool:
            taken[lanes] = worker_pool.submit(
                measure, lanes, precision, options.repeats, options.steps
            ).result()
    rows = [
        ["lanes", "s per run-epoch", "program's memory, MiB", "pixels", "the rest, a lane", "state of a lane"]
    ]
    for lanes, each in taken.items():
        mebibytes = [each.memory, each.data, (each.memory - each.data) / lanes, each.state]
        rows.append(
            [str(lanes), spread(each.seconds).text(), *(f"{size / MEBIBYTE:.1f}" for size in mebibytes)]
        )
    write_json(options.json, about, lanes={lanes: vars(each) for lanes, each in taken.items()})
    print(f"\nMedian (lowest to highest) of {options.repeats}.\n\n{table(rows)}")


if __name__ == "__main__":
    main()
