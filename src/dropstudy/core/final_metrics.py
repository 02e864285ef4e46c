"""Final metrics of a run, and its predictions for the test set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


PREDICTED = ("labels", "confidence", "likelihood", "right", "truth", "misranked")
"""Fields of `FinalMetrics` with a value for each test example."""


@dataclass(frozen=True, eq=False)
class FinalMetrics:
    """Final metrics of a run, measured in float32 at its end: the only evaluation on the test set.

    Args:
        epoch: epoch of the weights, from 1: the last, or with `restore_best_weights` that of lowest validation loss.
        clean_loss: mean cross-entropy on all training examples, noise off, in nats.
        clean_accuracy: share of them classified correctly.
        noisy_loss: the same with noise on, as in training, but with final weights.
        noisy_accuracy: likewise. Keras' running accuracy differs from it because weights change during the epoch, and
            `clean_accuracy` because of the noise.
        loss: mean cross-entropy on the test set, in nats.
        accuracy: share of test examples classified correctly.
        balanced_accuracy: mean over the classes in the test set of the share of each classified correctly.
        auc: area under the ROC curve on the test set, in [0, 1]: of class 1 where there are two, else the mean of each
            class against all others. NaN where a single class is present.
        brier: mean over examples of the squared distance between probabilities and one-hot label, in [0, 2]
            (Brier 1950).
        val_balanced_accuracy: on the validation data, which are the test set where that is watched.
        val_auc: likewise.
        labels: predicted class per test example, (n,), uint8 or uint16.
        confidence: probability of the predicted class, (n,), float16.
        likelihood: probability of the true class, (n,), float16.
        right: 1 where the predicted class is the true one, (n,), uint8; of a training function alone.
        truth: true class per test example, (n,); of a training function that brings its data.
        misranked: what each test example takes from the area, (n,), float16; of three classes or more, since with two
            it follows from `likelihood`.

    What a training function leaves out is NaN or None.
    """

    epoch: int
    clean_loss: float
    clean_accuracy: float
    noisy_loss: float
    noisy_accuracy: float
    loss: float
    accuracy: float
    balanced_accuracy: float
    auc: float
    brier: float
    val_balanced_accuracy: float
    val_auc: float
    labels: NDArray[np.unsignedinteger] | None
    confidence: NDArray[np.float16] | None
    likelihood: NDArray[np.float16] | None
    right: NDArray[np.uint8] | None = None
    truth: NDArray[np.unsignedinteger] | None = None
    misranked: NDArray[np.float16] | None = None

    @property
    def predictions(self) -> dict[str, NDArray[np.generic]]:
        """What is known of each test example, as named arrays."""
        known = {name: getattr(self, name) for name in PREDICTED}
        return {name: array for name, array in known.items() if array is not None}
