"""Networks trained by one system in this process; peers.py and notebook_vs_keras.py start it.

    python benchmarks/sides.py SIDE MNIST.npz EPOCHS [--hidden 512-512] [--rates 0,0.8] [--core-each]

Prints `BEGIN` before the first epoch of a network and `EPOCH {...}` after each epoch, for whoever started it to time.
The peers' sides import nothing of dropstudy: they run in an environment of their own. All train in float32, on batches
of 128, and look at the test set after each epoch.

    keras             the notebook's code in Keras 3 form; KERAS_BACKEND says on what
    pytorch           eager PyTorch: batches by indexing, fused Adam
    pytorch-compile   the same, forward and backward pass compiled by torch.compile
    scikit-learn      MLPClassifier, which has no dropout; an epoch is one `partial_fit`
    dropstudy         studies in a fresh folder, as many networks at once as there are cores

A peer trains one network after the other on all cores. With `--core-each` a process for each core trains its share of
the networks on that core alone (Linux).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    Arrays = dict[str, NDArray[Any]]

BATCH = 128
KERAS_SETTINGS: dict[str, dict[str, Any]] = {
    "jax": {"jit_compile": True, "steps_per_execution": 32},
    "tensorflow": {"jit_compile": True, "steps_per_execution": 32},
    "torch": {"jit_compile": False},  # compiled it is slower; it takes one step per execution only
}


def begin() -> None:
    """Say that a network's first epoch begins."""
    print("BEGIN\n", end="", flush=True)


def epoch(rate: float, val_accuracy: float, **more: float) -> None:
    """Say that an epoch has ended, in one write: several processes may share the stream."""
    row = {"arm": arm_name(rate), "val_accuracy": val_accuracy, **more}
    print(f"EPOCH {json.dumps(row)}\n", end="", flush=True)


def arm_name(rate: float) -> str:
    """Name of a network, as dropstudy has it."""
    return f"dropout {rate}" if rate else "no dropout"


def load(path: str) -> Arrays:
    """The notebook's preparation: flat, float32, divided by 255; labels as they are."""
    with np.load(path) as data:
        return {
            name: array.reshape(len(array), 784).astype("float32") / 255 if name.startswith("x") else array
            for name, array in data.items()
        }


def keras(path: str, epochs: int, hidden: list[int], rates: Iterable[float]) -> None:
    """The notebook's code. Only what Keras 3 has renamed differs: Input, to_categorical, the imports."""
    from keras import Input, Sequential, backend, callbacks  # noqa: PLC0415 - each side imports its own system
    from keras.layers import Activation, Dense, Dropout  # noqa: PLC0415
    from keras.utils import to_categorical  # noqa: PLC0415

    if backend.backend() == "torch":
        import torch  # noqa: PLC0415 - as above

        torch.set_flush_denormal(True)  # as in `pytorch`
    data = load(path)
    one_hot_train, one_hot_test = to_categorical(data["y_train"], 10), to_categorical(data["y_test"], 10)

    class Watch(callbacks.Callback):
        """Tells of the first epoch's begin and of every end."""

        def __init__(self, rate: float) -> None:
            super().__init__()
            self.rate = rate

        def on_epoch_begin(self, number: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras' signature
            """Keras calls it."""
            if number == 0:
                begin()

        def on_epoch_end(self, number: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras' signature
            """Keras calls it, validation included."""
            epoch(self.rate, float(logs["val_accuracy"]))

    for rate in rates:
        model = Sequential()
        model.add(Input((784,)))
        for units in hidden:
            model.add(Dense(units))
            model.add(Activation("relu"))
            if rate:
                model.add(Dropout(rate))
        model.add(Dense(10))
        model.add(Activation("softmax"))
        model.compile(
            loss="categorical_crossentropy",
            metrics=["accuracy"],
            optimizer="adam",
            **KERAS_SETTINGS[backend.backend()],
        )
        model.fit(
            data["x_train"],
            one_hot_train,
            batch_size=BATCH,
            epochs=epochs,
            verbose=0,
            validation_data=(data["x_test"], one_hot_test),
            callbacks=[Watch(rate)],
        )


def pytorch(
    path: str, epochs: int, hidden: list[int], rates: Iterable[float], *, compiled: bool = False
) -> None:
    """A plain loop. No DataLoader: collating example by example would cost more than the training."""
    import torch  # noqa: PLC0415 - each side imports its own system
    from torch import nn  # noqa: PLC0415

    torch.set_flush_denormal(True)  # as XLA and TensorFlow do; a step takes 11 to 15% less
    data = load(path)
    x_train, x_test = torch.from_numpy(data["x_train"]), torch.from_numpy(data["x_test"])
    y_train, y_test = (torch.from_numpy(data[name].astype(np.int64)) for name in ("y_train", "y_test"))
    for rate in rates:
        layers: list[nn.Module] = []
        for units_in, units in zip([784, *hidden], hidden, strict=False):
            layers += [nn.Linear(units_in, units), nn.ReLU(), *([nn.Dropout(rate)] if rate else [])]
        model = nn.Sequential(*layers, nn.Linear(hidden[-1], 10))

        def forward(x: Any, y: Any, model: Any = model) -> tuple[Any, Any]:
            """Loss and number of right answers of a batch."""
            logits = model(x)
            return nn.functional.cross_entropy(logits, y), (logits.detach().argmax(1) == y).sum()

        step = torch.compile(forward, dynamic=False) if compiled else forward
        optimizer = torch.optim.Adam(model.parameters(), fused=True)
        begin()
        for _ in range(epochs):
            model.train()
            loss_sum, correct = torch.zeros(()), torch.zeros((), dtype=torch.int64)
            for rows in torch.randperm(len(x_train)).split(BATCH):
                optimizer.zero_grad()
                loss, right = step(x_train[rows], y_train[rows])
                loss.backward()
                optimizer.step()
                loss_sum += loss.detach() * len(rows)
                correct += right
            model.eval()
            with torch.inference_mode():
                batches = zip(x_test.split(BATCH), y_test.split(BATCH), strict=True)
                right = sum(forward(x, y)[1] for x, y in batches)
            means = {"loss": float(loss_sum) / len(x_train), "accuracy": float(correct) / len(x_train)}
            epoch(rate, float(right) / len(x_test), **means)


def pytorch_compile(*arguments: Any) -> None:
    """PyTorch's compiler for the forward and backward pass; the fused optimiser is compiled already."""
    pytorch(*arguments, compiled=True)


def scikit_learn(path: str, epochs: int, hidden: list[int], rates: Iterable[float]) -> None:
    """MLPClassifier without its penalty. `fit` would look at no test set, so epochs are handed out one by one."""
    from sklearn.neural_network import MLPClassifier  # noqa: PLC0415 - each side imports its own system

    data = load(path)
    for rate in rates:
        if rate == 0:
            model = MLPClassifier(tuple(hidden), batch_size=BATCH, alpha=0.0, early_stopping=False)
            begin()
            for _ in range(epochs):
                model.partial_fit(data["x_train"], data["y_train"], classes=np.arange(10))
                epoch(rate, float(model.score(data["x_test"], data["y_test"])))


def dropstudy(path: str, epochs: int, hidden: list[int], rates: list[float]) -> None:
    """As `dropstudy run notebook --data FILE` trains, without report.

    A study for as many networks as train at once, so that none waits for a core and the wall clock tells its time.
    """
    from dropstudy import Callback, Study  # noqa: PLC0415 - each side imports its own system
    from dropstudy.core.hardware import physical_cores  # noqa: PLC0415

    class Watch(Callback):
        """Tells of every epoch that is trained and stored."""

        def on_epoch_end(self, run: Any, metrics: Any) -> None:
            """The scheduler calls it."""
            epoch(run.arm.rate, metrics.val_accuracy, seconds=metrics.seconds)

    with tempfile.TemporaryDirectory() as folder:
        for first in range(0, len(rates), physical_cores()):
            begin()
            Study(
                "notebook",
                data=path,
                epochs=epochs,
                hidden=hidden,
                rates=rates[first : first + physical_cores()],
                out=Path(folder) / f"study{first}",
            ).run(callbacks=Watch(), verbose=False)


SIDES: dict[str, Callable[..., None]] = {
    "keras": keras,
    "pytorch": pytorch,
    "pytorch-compile": pytorch_compile,
    "scikit-learn": scikit_learn,
    "dropstudy": dropstudy,
}


def on_core(core: int, side: str, *arguments: Any) -> None:
    """In a process of its own: train on one core. All libraries take the cores that they may use."""
    os.sched_setaffinity(0, {core})
    SIDES[side](*arguments)


def main() -> None:
    """Train one side."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("side", choices=SIDES)
    parser.add_argument("data")
    parser.add_argument("epochs", type=int)
    parser.add_argument("--hidden", default="512-512")
    parser.add_argument("--rates", default="0,0.8")
    parser.add_argument("--core-each", action="store_true")
    options = parser.parse_args()
    rates = [float(rate) for rate in options.rates.split(",")]
    hidden = [int(units) for units in options.hidden.split("-")]
    if not options.core_each:
        SIDES[options.side](options.data, options.epochs, hidden, rates)
        return
    cores = sorted(os.sched_getaffinity(0))
    spawn = multiprocessing.get_context("spawn")
    processes = [
        spawn.Process(
            target=on_core,
            args=(core, options.side, options.data, options.epochs, hidden, rates[i :: len(cores)]),
        )
        for i, core in enumerate(cores)
        if rates[i:]
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    sys.exit(any(process.exitcode for process in processes))


if __name__ == "__main__":
    main()
