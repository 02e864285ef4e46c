"""How long does the notebook take: `dropstudy run notebook` beside the same two networks in plain Keras?

Wall time of whole commands, start-up included, alternating, each in a process of its own:

    dropstudy     `dropstudy run notebook` into a fresh folder: both networks at once, figures, tables
    keras-jax     the notebook's code in Keras 3 form, one network after the other, JAX backend
    keras-tf      the same on the TensorFlow backend

"Start-up" is the time until the first epoch begins: imports, data, building. In Keras a callback says when
that is; on dropstudy's side it is when the first epoch's line appears, less the seconds that the epoch took.
Compilation is part of the first epoch on both sides.

    python benchmarks/notebook_vs_keras.py --peer-python /path/to/python/with/keras/jax/tensorflow-cpu

Nothing else should run on the machine meanwhile.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from common import ARMS, head, spread, table, versions, watched, write_json, write_npz
from dropstudy import Study

BACKENDS = {"keras-jax": "jax", "keras-tf": "tensorflow"}
SIDES = ("dropstudy", *BACKENDS)


@dataclass(frozen=True)
class Timing:
    """One command.

    Args:
        wall: seconds from its start to its end.
        start_up: seconds from its start until the first epoch begins.
        val_accuracy: of the last epoch, by arm: the two sides do the same work only if these agree.
    """

    wall: float
    start_up: float
    val_accuracy: dict[str, float]


def time_keras(python: str, backend: str, data: Path, epochs: int) -> Timing:
    """The notebook in plain Keras."""
    program = [str(Path(__file__).with_name("sides.py")), "keras", str(data), str(epochs)]
    wall, lines = watched([python, *program], {"KERAS_BACKEND": backend})
    start_up = next(seconds for seconds, text in lines if text == "BEGIN")
    rows = [json.loads(text.removeprefix("EPOCH ")) for _, text in lines if text.startswith("EPOCH ")]
    return Timing(wall, start_up, {row["arm"]: row["val_accuracy"] for row in rows})  # the last of each arm


def time_dropstudy(epochs: int) -> Timing:
    """The notebook as one command of dropstudy, into a folder that does not exist yet."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "notebook"
        command = [sys.executable, "-m", "dropstudy", "run", "notebook", "--data", "mnist"]
        wall, lines = watched([*command, "--epochs", str(epochs), "--out", str(out)], {})
        study = Study.open(out)
        first = study.results().history_frame().query("epoch == 1").set_index("arm")["seconds"]
        accuracies = {arm: study.history(arm).history["val_accuracy"][-1] for arm in ARMS}
    appeared, heading = next((seconds, text) for seconds, text in lines if text.startswith("Epoch 1/"))
    arm = next(arm for arm in ARMS if f"[{arm}" in heading)
    return Timing(wall, appeared - first[arm], accuracies)


def main() -> None:
    """Time all sides in turn and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3, help="times that each side runs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every timing there")
    parser.add_argument("--peer-python", default=sys.executable, help="has keras, jax and tensorflow-cpu")
    parser.add_argument("--only", action="append", choices=SIDES, help="a side to time")
    options = parser.parse_args()

    about = head(
        peers=versions("keras", "jax", "tensorflow-cpu", python=options.peer_python),
        epochs=options.epochs,
        n=options.repeats,
    )
    timings: dict[str, list[Timing]] = {}
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "mnist.npz"
        write_npz(data)
        for _ in range(options.repeats):
            for name in options.only or SIDES:
                backend = BACKENDS.get(name)
                if backend is None:
                    timing = time_dropstudy(options.epochs)
                else:
                    timing = time_keras(options.peer_python, backend, data, options.epochs)
                timings.setdefault(name, []).append(timing)
                print(f"{name:10} {timing.wall:6.1f} s, start-up {timing.start_up:4.1f} s", flush=True)

    write_json(
        options.json, about, runs={name: [asdict(t) for t in taken] for name, taken in timings.items()}
    )
    print(f"\nMedian (lowest to highest) of {options.repeats}, in seconds.\n\n{side_by_side(timings)}\n")
    walls = {name: spread(t.wall for t in taken).median for name, taken in timings.items()}
    ours = walls.pop("dropstudy", None)
    if ours and walls:
        fastest = min(walls, key=lambda name: walls[name])
        print(f"dropstudy is {walls[fastest] / ours:.2f} times as fast as the faster peer, {fastest}.")


def side_by_side(timings: dict[str, list[Timing]]) -> str:
    """The table of all sides."""
    rows = [["side", "wall, s", "start-up, s", "last val accuracy, " + " / ".join(ARMS)]]
    for name, taken in timings.items():
        walls, start_ups = spread(t.wall for t in taken), spread(t.start_up for t in taken)
        accuracies = " / ".join(f"{taken[-1].val_accuracy[arm]:.4f}" for arm in ARMS)
        rows.append([name, walls.text(1), start_ups.text(1), accuracies])
    return table(rows)


if __name__ == "__main__":
    main()
