"""The notebook's two networks, trained by one system in this process; peers.py and notebook_vs_keras.py start it.

    python benchmarks/sides.py SIDE MNIST.npz EPOCHS

Prints `BEGIN` before the first epoch of a network and `EPOCH {...}` after each epoch, for whoever started it to time.
The peers' sides import nothing of dropstudy: they run in an environment of their own.

    keras             the notebook's code in Keras 3 form; KERAS_BACKEND says on what
    pytorch           eager PyTorch: batches by indexing, fused Adam, a look at the test set after each epoch
    scikit-learn      MLPClassifier, which has no dropout; an epoch is one `partial_fit`
    dropstudy-float32, dropstudy-auto
                      a study in a fresh folder, both networks at once on as many workers as there are cores
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Arrays = dict[str, NDArray[Any]]

ARMS = (("no dropout", 0.0), ("dropout 0.8", 0.8))
BATCH = 128


def begin() -> None:
    """Say that a network's first epoch begins."""
    print("BEGIN", flush=True)


def epoch(arm: str, val_accuracy: float, **more: Any) -> None:
    """Say that an epoch has ended."""
    print("EPOCH", json.dumps({"arm": arm, "val_accuracy": val_accuracy, **more}), flush=True)


def load(path: str) -> Arrays:
    """The notebook's preparation: flat, float32, divided by 255; labels as they are."""
    with np.load(path) as data:
        return {
            name: array.reshape(len(array), 784).astype("float32") / 255 if name.startswith("x") else array
            for name, array in data.items()
        }


def keras(data: Arrays, epochs: int) -> None:
    """The notebook's code. Only what Keras 3 has renamed differs: Input, to_categorical, the imports."""
    from keras import Input, Sequential, callbacks  # noqa: PLC0415 - each side imports its own system
    from keras.layers import Activation, Dense, Dropout  # noqa: PLC0415
    from keras.utils import to_categorical  # noqa: PLC0415

    one_hot_train, one_hot_test = to_categorical(data["y_train"], 10), to_categorical(data["y_test"], 10)

    class Watch(callbacks.Callback):
        """Tells of the first epoch's begin and of every end."""

        def __init__(self, arm: str) -> None:
            super().__init__()
            self.arm = arm

        def on_epoch_begin(self, number: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras' signature
            """Keras calls it."""
            if number == 0:
                begin()

        def on_epoch_end(self, number: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras' signature
            """Keras calls it, validation included."""
            epoch(self.arm, float(logs["val_accuracy"]))

    for arm, rate in ARMS:
        model = Sequential()
        model.add(Input((784,)))
        for _ in range(2):
            model.add(Dense(512))
            model.add(Activation("relu"))
            if rate:
                model.add(Dropout(rate))
        model.add(Dense(10))
        model.add(Activation("softmax"))
        model.compile(loss="categorical_crossentropy", metrics=["accuracy"], optimizer="adam")
        model.fit(
            data["x_train"],
            one_hot_train,
            batch_size=BATCH,
            epochs=epochs,
            verbose=2,
            validation_data=(data["x_test"], one_hot_test),
            callbacks=[Watch(arm)],
        )


def pytorch(data: Arrays, epochs: int) -> None:
    """A plain loop. No DataLoader: collating example by example would cost more than the training."""
    import torch  # noqa: PLC0415 - each side imports its own system
    from torch import nn  # noqa: PLC0415

    x_train, x_test = torch.from_numpy(data["x_train"]), torch.from_numpy(data["x_test"])
    y_train, y_test = (torch.from_numpy(data[name].astype(np.int64)) for name in ("y_train", "y_test"))
    criterion = nn.CrossEntropyLoss()
    for arm, rate in ARMS:
        noise = [nn.Dropout(rate)] if rate else []
        hidden = [nn.Linear(784, 512), nn.ReLU(), *noise, nn.Linear(512, 512), nn.ReLU(), *noise]
        model = nn.Sequential(*hidden, nn.Linear(512, 10))
        optimizer = torch.optim.Adam(model.parameters(), fused=True)
        begin()
        for _ in range(epochs):
            model.train()
            loss_sum, correct = torch.zeros(()), torch.zeros((), dtype=torch.int64)
            for rows in torch.randperm(len(x_train)).split(BATCH):
                x, y = x_train[rows], y_train[rows]
                optimizer.zero_grad()
                logits = model(x)
                loss = criterion(logits, y)
                loss.backward()
                optimizer.step()
                loss_sum += loss.detach() * len(rows)
                correct += (logits.detach().argmax(1) == y).sum()
            model.eval()
            with torch.inference_mode():
                right = sum(
                    (model(x).argmax(1) == y).sum()
                    for x, y in zip(x_test.split(BATCH), y_test.split(BATCH), strict=True)
                )
            running = (correct / len(x_train)).item()
            epoch(arm, float(right) / len(x_test), loss=(loss_sum / len(x_train)).item(), accuracy=running)


def scikit_learn(data: Arrays, epochs: int) -> None:
    """MLPClassifier without its penalty. `fit` would look at no test set, so epochs are handed out one by one."""
    from sklearn.neural_network import MLPClassifier  # noqa: PLC0415 - each side imports its own system

    model = MLPClassifier((512, 512), batch_size=BATCH, alpha=0.0, early_stopping=False)
    begin()
    for _ in range(epochs):
        model.partial_fit(data["x_train"], data["y_train"], classes=np.arange(10))
        epoch(ARMS[0][0], float(model.score(data["x_test"], data["y_test"])))


def dropstudy(precision: str, path: str, epochs: int) -> None:
    """As `dropstudy run notebook --data FILE` trains, without figures and tables."""
    from dropstudy import Callback, Study  # noqa: PLC0415 - each side imports its own system

    class Watch(Callback):
        """Tells of every epoch that is trained and stored."""

        def on_epoch_end(self, run: Any, metrics: Any) -> None:
            """The scheduler calls it."""
            epoch(run.arm.name, metrics.val_accuracy, seconds=metrics.seconds, precision=run.precision)

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "study"
        begin()
        Study("notebook", data=path, epochs=epochs, precision=precision, out=out).run(
            callbacks=Watch(), verbose=False
        )


def main() -> None:
    """Train one side."""
    side, path, epochs = sys.argv[1], sys.argv[2], int(sys.argv[3])
    if side.startswith("dropstudy-"):
        dropstudy(side.removeprefix("dropstudy-"), path, epochs)
        return
    sides: dict[str, Callable[[Arrays, int], None]] = {
        "keras": keras,
        "pytorch": pytorch,
        "scikit-learn": scikit_learn,
    }
    sides[side](load(path), epochs)


if __name__ == "__main__":
    main()
