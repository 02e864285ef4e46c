"""Check a result of dropstudy against plain Keras.

Twice: the trained network, exported and loaded by `keras.models.load_model`, must predict and evaluate on the
test set as dropstudy recorded it. And a network of the same form, trained by `keras.Model.fit` for as many
epochs, must come out about as good; its random numbers are others, so it differs by the noise of a seed.

    dropstudy run notebook
    python examples/check_against_keras.py studies/notebook --arm "dropout 0.8"

Exit code 0 where the exported network agrees, 1 where it does not.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dropstudy import Dataset, Study, load_dataset
from dropstudy.models.keras import save_keras
from dropstudy.models.predict import predict

if TYPE_CHECKING:
    from numpy.typing import NDArray

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras

PROBABILITY_TOLERANCE = 1e-5
"""Float32 sums in another order differ by about 1e-6."""


def scaled(x: NDArray[Any], scale: float) -> NDArray[np.float32]:
    """Examples as the network sees them: flattened, divided, float32."""
    return (x.reshape(len(x), -1).astype(np.float32) / np.float32(scale)).astype(np.float32)


def recorded(study: Study, arm: str) -> tuple[float, NDArray[Any]]:
    """Test accuracy and predicted labels of an arm's first seed, as the study keeps them."""
    snapshot = study.results().snapshot
    row = snapshot.finals[snapshot.finals["arm"] == arm].iloc[0]
    return row["test_accuracy"], snapshot.files.read("predictions", row["key"])["labels"]


def check_export(study: Study, arm: str, data: Dataset) -> bool:
    """Whether the exported network does in plain Keras what the study recorded."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "exported.keras"
        save_keras(study.model(arm), path)
        model = keras.models.load_model(path)
    x_test = scaled(data.x_test, data.scale)
    probabilities = model.predict(x_test, verbose=0)
    _, accuracy = model.evaluate(x_test, data.y_test, verbose=0)
    ours = predict(
        study.results().weights(arm), data.x_test, activation=study.spec.activation, scale=data.scale
    )
    recorded_accuracy, labels = recorded(study, arm)

    apart = float(np.abs(probabilities - ours).max())
    # A label may differ only where two probabilities are equal within the tolerance.
    two_best = np.sort(probabilities, axis=1)[:, -2:]
    ties = int((two_best[:, 1] - two_best[:, 0] < PROBABILITY_TOLERANCE).sum())
    differing = int((probabilities.argmax(axis=1) != labels).sum())
    print(f"probabilities: at most {apart:.1e} apart from Keras' (tolerance {PROBABILITY_TOLERANCE:.0e})")
    print(f"labels:        {differing} of {len(labels)} differ from the recorded ones ({ties} ties)")
    print(f"accuracy:      {accuracy:.4f} by Keras' evaluate, {recorded_accuracy:.4f} recorded")
    accuracy_apart = abs(accuracy - recorded_accuracy) * len(labels)
    return apart < PROBABILITY_TOLERANCE and differing <= ties and accuracy_apart < ties + 0.5


def trained_by_keras(study: Study, arm: str, data: Dataset) -> list[float]:
    """Validation accuracy per epoch of the same network, trained by Keras alone on the whole training set."""
    rate = next(each.rate for each in study.spec.arms if each.name == arm)
    model = keras.Sequential([keras.Input((data.features,))])
    for units in study.spec.hidden[0]:
        model.add(keras.layers.Dense(units))
        model.add(keras.layers.Activation("relu"))
        if rate > 0:
            model.add(keras.layers.Dropout(rate))
    model.add(keras.layers.Dense(len(data.classes)))
    model.add(keras.layers.Activation("softmax"))
    model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"], optimizer="adam")
    fitted = model.fit(
        scaled(data.x_train, data.scale),
        data.y_train,
        batch_size=study.spec.batch_size,
        epochs=study.spec.epochs,
        verbose=2,
        validation_data=(scaled(data.x_test, data.scale), data.y_test),
    )
    accuracies: list[float] = fitted.history["val_accuracy"]
    return accuracies


def main() -> int:
    """Run both checks and print what they find."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("studies/notebook"))
    parser.add_argument("--arm", default="dropout 0.8", help="the arm to check")
    parser.add_argument("--no-training", action="store_true", help="check the exported network alone")
    options = parser.parse_args()
    study = Study.open(options.folder)
    data = load_dataset(study.spec.data)

    print(f"The network of {options.arm!r}, exported and loaded by Keras {keras.__version__}")
    agrees = check_export(study, options.arm, data)
    print("agrees" if agrees else "DOES NOT AGREE")
    if options.no_training:
        return not agrees
    if not study.spec.watches_test:
        print("This study held out validation data; Keras below trains on all training data.")
    print(f"\nThe same network, trained by Keras for {study.spec.epochs} epochs")
    theirs = trained_by_keras(study, options.arm, data)
    ours = study.history(options.arm).history["val_accuracy"]
    print("\nepoch  dropstudy   Keras   val_accuracy, the test set's in a study that watches it")
    for epoch, (mine, other) in enumerate(zip(ours, theirs, strict=True), start=1):
        print(f"{epoch:5}     {mine:.4f}  {other:.4f}")
    last = slice(-5, None)
    print(f"mean of the last five: {np.mean(ours[last]):.4f} and {np.mean(theirs[last]):.4f}")
    return not agrees


if __name__ == "__main__":
    sys.exit(main())
