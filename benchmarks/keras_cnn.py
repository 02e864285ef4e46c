"""Time of an epoch of a CNN on MNIST: runs of dropstudy side by side, and `model.fit` of Keras on JAX.

1.2 million parameters: two convolutions, pooling, dropout 0.25 and 0.5, a dense layer of 128. Both train the same
number of steps, of 128 examples, and evaluate nothing. Rounds alternate; ratios are those of a round.

- fit: one run in a process with all cores, a second epoch after one that compiles; the number of steps in one call
  that is fastest here.
- fit, own convolutions: the same with the option of XLA that dropstudy sets (`engine/keras/cpu.py`), by an environment
  variable.
- dropstudy: one run on each core at once, each in a worker with one thread, as in a study. The time is that of the
  slowest, over the number of runs.

Usage: python benchmarks/keras_cnn.py [--steps 40] [--rounds 3]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time

BATCH, RATE = 128, 0.5


def cnn(rate: float) -> object:
    """The model."""
    import keras  # noqa: PLC0415 - in the processes that train
    from keras import layers  # noqa: PLC0415 - as above

    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Dropout(rate / 2),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dropout(rate),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def fit(steps: int) -> None:
    """Print the seconds of a second epoch of `model.fit`."""
    import numpy as np  # noqa: PLC0415 - as above

    import dropstudy  # noqa: PLC0415 - as above

    data = dropstudy.load_dataset("mnist")
    model = cnn(RATE)
    x = (data.x_train[: steps * BATCH, :, :, None] / np.float32(255)).astype(np.float32)
    y = data.y_train[: steps * BATCH].astype(np.int32)
    model.fit(x, y, batch_size=BATCH, epochs=1, verbose=0)
    began = time.perf_counter()
    model.fit(x, y, batch_size=BATCH, epochs=1, verbose=0)
    print(time.perf_counter() - began)


def fit_elsewhere(steps: int, flags: str = "") -> float:
    """Seconds of a second epoch of `model.fit`, in a process of its own."""
    command = [sys.executable, __file__, "--fit", "--steps", str(steps)]
    env = {**os.environ, "KERAS_BACKEND": "jax", "XLA_FLAGS": flags}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=env)  # noqa: S603 - this file
    return float(done.stdout.split()[-1])


def cpu_options() -> dict[str, str]:
    """Options of XLA that dropstudy sets here."""
    os.environ["KERAS_BACKEND"] = "jax"
    from dropstudy.engine.keras.cpu import compiler_options  # noqa: PLC0415 - after the backend is set

    return compiler_options()


def ours(steps: int, runs: int) -> float:
    """Seconds of an epoch of runs side by side, over their number, compiled before."""
    import numpy as np  # noqa: PLC0415 - as above

    import dropstudy  # noqa: PLC0415 - as above
    from dropstudy.core.types import Arm, Condition, Optimizer, Run, Segment  # noqa: PLC0415 - as above
    from dropstudy.data.arrays import store_arrays  # noqa: PLC0415 - as above
    from dropstudy.runtime import local  # noqa: PLC0415 - as above
    from dropstudy.runtime.model import describe_model  # noqa: PLC0415 - as above

    data = dropstudy.load_dataset("mnist")
    source, reference = describe_model(cnn, data, rates=[RATE])
    count = steps * BATCH
    condition = Condition(784, (), 10, count, BATCH, reference)
    run = Run("k" * 64, Arm("arm", RATE), condition, 0, "relu", Optimizer(), 3, "test", "float32")
    rows = np.arange(count, dtype=np.int32)
    segment = Segment(run, store_arrays(data), rows, None, None, 0, steps - 1, source)
    with local.LocalWorkers(runs) as workers:
        for _ in range(2):  # compiled in the first
            futures = [workers.submit(local.train, segment) for _ in range(runs)]
            seconds = [future.result().seconds for future in futures]
    return max(seconds) * steps / (steps - 1) / runs


def main() -> None:
    """Measure both sides, alternating."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--fit", action="store_true")
    given = parser.parse_args()
    if given.fit:
        fit(given.steps)
        return
    cores = len(os.sched_getaffinity(0))
    own = " ".join(f"--{name}={value}" for name, value in cpu_options().items())
    sides = {
        "fit": lambda: fit_elsewhere(given.steps),
        "fit, own convolutions": lambda: fit_elsewhere(given.steps, own),
        "dropstudy": lambda: ours(given.steps, cores),
    }
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    for _ in range(given.rounds):
        for side, measure in sides.items():
            seconds[side].append(measure())
            print(f"{side}: {seconds[side][-1]:.2f} s a run", flush=True)
    for side, theirs in seconds.items():
        ratios = [a / b for a, b in zip(theirs, seconds["dropstudy"], strict=True)]
        print(
            f"{given.steps} steps, {side}: median {statistics.median(theirs):.2f} s, "
            f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) times as long as dropstudy"
        )


if __name__ == "__main__":
    main()
