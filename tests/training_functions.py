"""Training functions for tests: quick ones, and ones that go wrong in every way that a user's can."""

import math
import os
import subprocess
import sys
import time

import numpy as np

EXAMPLES = 200


def answers(rate, seed, *, right=0.8):
    """Labels of a test set, and predictions that are right with a share that rises with the rate."""
    truth = np.arange(EXAMPLES) % 4
    draw = np.random.default_rng([seed, int(100 * rate)])
    wrong = draw.random(EXAMPLES) > right + rate / 10
    return truth, np.where(wrong, (truth + 1) % 4, truth)


def score(rate, seed):
    """A score alone."""
    draw = np.random.default_rng([seed, int(100 * rate)])
    return {"test_accuracy": 0.8 + rate / 10 + draw.random() / 100}


def epochs(rate, seed):
    """Three epochs, then a score."""
    for epoch in range(3):
        yield {"loss": 1 / (epoch + 1), "accuracy": 0.5, "val_loss": 1 / (epoch + 1), "val_accuracy": 0.6}
    yield score(rate, seed)


def classes(rate, seed):
    """Two epochs, then predicted classes."""
    yield {"loss": 1.0, "accuracy": 0.5, "val_loss": 1.0, "val_accuracy": 0.6 + rate / 10}
    yield {"loss": 0.5, "accuracy": 0.6, "val_loss": 0.6, "val_accuracy": 0.7 + rate / 10}
    truth, predicted = answers(rate, seed)
    yield {"predictions": predicted, "y_test": truth}


def probabilities(rate, seed):
    """A history as Keras has it, and probabilities."""
    truth, predicted = answers(rate, seed)
    shares = np.full((EXAMPLES, 4), 0.1)
    shares[np.arange(EXAMPLES), predicted] = 0.7
    history = {"loss": [1.0, 0.5], "accuracy": [0.5, 0.6], "val_loss": [1.0, 0.7], "val_accuracy": [0.5, 0.6]}
    return {**history, "probabilities": shares, "y_test": truth}


def nearest(rate, seed, data):
    """Nearest mean of a class, some inputs of which are dropped: a network that needs no training."""
    kept = np.random.default_rng(seed).random(data.x_train.shape[1:]) >= rate
    train, test = ((x * kept).reshape(len(x), -1) for x in (data.x_train, data.x_test))
    means = np.stack([train[data.y_train == label].mean(axis=0) for label in range(data.classes)])
    return {"predictions": ((test[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)}


def only_without_dropout(wrong):
    """A function that does something wrong with dropout alone."""

    def function(rate, seed):
        yield {"loss": 1.0, "val_accuracy": 0.5}
        if rate > 0:
            yield from wrong() or ()
        yield score(rate, seed)

    return function


def raises():
    raise ZeroDivisionError("no such thing")


def exits():
    sys.exit(3)


def dies():
    os._exit(7)


def nan():
    yield {"loss": math.nan, "val_accuracy": 0.5}


def renames():
    yield {"loss": 1.0, "val_acc": 0.5, "clean_loss": 1.0}


def hangs():
    time.sleep(3600)


def prints():
    sys.stdout.write("to the log\n")
    subprocess.run([sys.executable, "-c", "print('from a child')"], check=True)
    sys.stderr.write("and errors\n")


def forks():
    if os.fork() == 0:
        return
    os.wait()
