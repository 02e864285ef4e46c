"""How long does the notebook take: `dropstudy run notebook` beside the same two networks in plain Keras?

Wall time of whole commands, start-up included, alternating, each in a process of its own:

    dropstudy     `dropstudy run notebook` into a fresh folder: both networks at once, figures, tables
    keras-jax     the notebook's code in Keras 3 form, one network after the other, JAX backend
    keras-tf      the same on the TensorFlow backend

"Start-up" is the time until the first epoch begins: imports, data, building. In Keras a callback says when
that is; on dropstudy's side it is when the first epoch's line appears, less the seconds that the epoch took.
Compilation is part of the first epoch on both sides.

    python benchmarks/notebook_vs_keras.py --peer-python /path/to/python/with/keras/jax/tensorflow-cpu

The data are the IDX files under $DROPSTUDY_DATA/mnist. Nothing else should run on the machine meanwhile.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dropstudy import Study

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

# Lines come as they are printed, so that they can be timed, and without TensorFlow's notes on its build.
ENVIRONMENT = {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONUNBUFFERED": "1"}
ARMS = ("no dropout", "dropout 0.8")
BEGINS = "FIRST EPOCH BEGINS"
RESULT = "RESULT "

# The notebook's code. Only what Keras 3 has renamed differs: Input, to_categorical, the imports.
KERAS_NOTEBOOK = """
import json, sys
import numpy as np
from keras import Input, Sequential, callbacks
from keras.layers import Activation, Dense, Dropout
from keras.utils import to_categorical

data, epochs = np.load(sys.argv[1]), int(sys.argv[2])
X_train = data["x_train"].reshape(60000, 784).astype("float32") / 255
X_test = data["x_test"].reshape(10000, 784).astype("float32") / 255
Y_train = to_categorical(data["y_train"], 10)
Y_test = to_categorical(data["y_test"], 10)

class Begin(callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 0:
            print("FIRST EPOCH BEGINS", flush=True)

result = {}
for arm, rate in (("no dropout", 0), ("dropout 0.8", 0.8)):
    model = Sequential()
    model.add(Input((784,)))
    model.add(Dense(512))
    model.add(Activation("relu"))
    if rate:
        model.add(Dropout(rate))
    model.add(Dense(512))
    model.add(Activation("relu"))
    if rate:
        model.add(Dropout(rate))
    model.add(Dense(10))
    model.add(Activation("softmax"))
    model.compile(loss="categorical_crossentropy", metrics=["accuracy"], optimizer="adam")
    history = model.fit(X_train, Y_train, batch_size=128, epochs=epochs, verbose=2,
                        validation_data=(X_test, Y_test), callbacks=[Begin()])
    result[arm] = history.history["val_accuracy"][-1]
print("RESULT " + json.dumps(result), flush=True)
"""


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


def read_idx(folder: Path, name: str) -> NDArray[np.uint8]:
    """An IDX file, packed or not; read here so that the Keras side owes nothing to dropstudy."""
    packed, plain = folder / f"{name}.gz", folder / name
    raw = gzip.decompress(packed.read_bytes()) if packed.exists() else plain.read_bytes()
    shape = [int.from_bytes(raw[4 * i : 4 * i + 4], "big") for i in range(1, raw[3] + 1)]
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * len(shape)).reshape(shape)


def write_npz(path: Path) -> None:
    """MNIST from $DROPSTUDY_DATA as the file that keras.datasets.mnist downloads."""
    folder = Path(os.environ.get("DROPSTUDY_DATA", ".")) / "mnist"
    if not folder.is_dir():
        sys.exit(f"{folder}: expected MNIST's four IDX files. Set DROPSTUDY_DATA to the folder above mnist/.")
    np.savez(
        path,
        x_train=read_idx(folder, "train-images-idx3-ubyte"),
        y_train=read_idx(folder, "train-labels-idx1-ubyte"),
        x_test=read_idx(folder, "t10k-images-idx3-ubyte"),
        y_test=read_idx(folder, "t10k-labels-idx1-ubyte"),
    )


def watched(command: list[str], environment: dict[str, str]) -> tuple[float, list[tuple[float, str]]]:
    """Run a command; its wall time and its lines of output, each with the seconds after which it came."""
    start = time.perf_counter()
    with subprocess.Popen(  # noqa: S603 - our own arguments
        command,
        env={**os.environ, **ENVIRONMENT, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        if process.stdout is None:  # never: stdout is a pipe
            raise RuntimeError(command)
        lines = [(time.perf_counter() - start, line.rstrip()) for line in process.stdout]
    wall = time.perf_counter() - start
    if process.returncode:
        sys.exit(
            "\n".join([f"{command[:3]} failed with {process.returncode}:", *(text for _, text in lines)])
        )
    return wall, lines


def time_keras(python: str, backend: str, data: Path, epochs: int) -> Timing:
    """The notebook in plain Keras."""
    environment = {"KERAS_BACKEND": backend}
    wall, lines = watched([python, "-c", KERAS_NOTEBOOK, str(data), str(epochs)], environment)
    start_up = next(seconds for seconds, text in lines if text == BEGINS)
    result = next(text for _, text in lines if text.startswith(RESULT))
    return Timing(wall, start_up, json.loads(result.removeprefix(RESULT)))


def time_dropstudy(epochs: int) -> Timing:
    """The notebook as one command of dropstudy, into a folder that does not exist yet."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "notebook"
        command = [sys.executable, "-m", "dropstudy", "run", "notebook", "--epochs", str(epochs)]
        wall, lines = watched([*command, "--out", str(out)], {})
        study = Study.open(out)
        first = study.frame().query("epoch == 1").set_index("arm")["seconds"]
        accuracies = {arm: study.history(arm).history["val_accuracy"][-1] for arm in ARMS}
    appeared, heading = next((seconds, text) for seconds, text in lines if text.startswith("Epoch 1/"))
    arm = next(arm for arm in ARMS if f"[{arm}" in heading)
    return Timing(wall, appeared - first[arm], accuracies)


def spread(values: list[float]) -> str:
    """Median, lowest and highest."""
    return f"{statistics.median(values):7.1f}  ({min(values):.1f} to {max(values):.1f})"


def processor() -> str:
    """The CPU's name and how many cores this process may use."""
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        if line.startswith("model name")
    ]
    name = names[0] if names else platform.processor()
    return f"{name}, {len(os.sched_getaffinity(0))} cores"


def peer_versions(python: str) -> str:
    """Versions of the peers' packages."""
    code = "from importlib.metadata import version as v; print(*(f'{p} {v(p)}' for p in %r), sep=', ')"
    packages = ("keras", "jax", "tensorflow-cpu")
    done = subprocess.run([python, "-c", code % (packages,)], capture_output=True, text=True, check=False)  # noqa: S603 - ours
    return done.stdout.strip() or "unknown"


def main() -> None:
    """Time all sides in turn and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3, help="times that each side runs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every timing there")
    parser.add_argument("--peer-python", default=sys.executable, help="has keras, jax and tensorflow-cpu")
    parser.add_argument("--only", action="append", help="a side to time (dropstudy, keras-jax, keras-tf)")
    options = parser.parse_args()

    about = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": processor(),
        "python": platform.python_version(),
        "dropstudy": f"dropstudy {version('dropstudy')}, jax {version('jax')}, keras {version('keras')}",
        "peers": peer_versions(options.peer_python),
        "epochs": options.epochs,
        "n": options.repeats,
    }
    for name, value in about.items():
        print(f"{name:10} {value}")

    timings: dict[str, list[Timing]] = {}
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "mnist.npz"
        write_npz(data)
        sides: dict[str, Callable[[], Timing]] = {
            "dropstudy": lambda: time_dropstudy(options.epochs),
            "keras-jax": lambda: time_keras(options.peer_python, "jax", data, options.epochs),
            "keras-tf": lambda: time_keras(options.peer_python, "tensorflow", data, options.epochs),
        }
        chosen = {name: side for name, side in sides.items() if not options.only or name in options.only}
        for _ in range(options.repeats):
            for name, side in chosen.items():
                timing = side()
                timings.setdefault(name, []).append(timing)
                accuracy = ", ".join(f"{arm} {value:.4f}" for arm, value in timing.val_accuracy.items())
                print(
                    f"  {name:10} {timing.wall:6.1f} s, start-up {timing.start_up:4.1f} s; {accuracy}",
                    flush=True,
                )

    if options.json:
        runs = {name: [asdict(timing) for timing in taken] for name, taken in timings.items()}
        options.json.write_text(json.dumps({**about, "runs": runs}, indent=1) + "\n", encoding="utf-8")
    print_table(timings)


def print_table(timings: dict[str, list[Timing]]) -> None:
    """Median and range of each side, and how many times as fast dropstudy is as the faster peer."""
    print("\nseconds    wall: median (range)     start-up: median (range)")
    for name, taken in timings.items():
        print(f"{name:10} {spread([t.wall for t in taken])}  {spread([t.start_up for t in taken])}")
    medians = {name: statistics.median(t.wall for t in taken) for name, taken in timings.items()}
    ours = medians.pop("dropstudy", None)
    if ours and medians:
        fastest = min(medians, key=lambda name: medians[name])
        print(f"\ndropstudy is {medians[fastest] / ours:.2f} times as fast as the faster peer, {fastest}.")


if __name__ == "__main__":
    main()
