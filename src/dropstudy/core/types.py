"""The records that pass from room to room: frozen, plain, free of behaviour.

Shapes: n examples, d features (the product of the input shape), c classes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from math import prod
from typing import TYPE_CHECKING, Literal

from dropstudy.core.bounds import (  # noqa: TC001 - validation reads the types of Arm and Optimizer
    Fraction,
    NonNegative,
    Positive,
    Progress,
    Rate,
    Text,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dropstudy.core.profile import DataProfile

Precision = Literal["auto", "float32", "bfloat16"]
Activation = Literal["relu", "tanh", "sigmoid"]
Noise = Literal["dropout", "gaussian"]
Schedule = Literal["constant", "early", "late", "ramp", "curriculum"]
OptimizerName = Literal["adam", "sgd"]
KeepWeights = Literal["all", "best", "none"]

MARGIN = 0.1
"""Percentage points: differences within ±MARGIN are taken not to matter unless a study says otherwise."""

State = dict[str, "NDArray[np.generic]"]
Status = Literal["planned", "running", "done", "diverged", "failed"]


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Training and test examples with integer labels, as a study uses them.

    Args:
        name: `mnist`, `digits`, or the name of the file it was read from.
        x_train: training examples, (n, *input_shape), uint8 or float32.
        y_train: training labels, (n,), int64, from 0 to c - 1.
        x_test: test examples, (n, *input_shape), of the type of x_train.
        y_test: test labels, (n,), int64.
        classes: one name per class.
        scale: the network sees `x / scale`, float32.
        sha256: digest of the content, whatever file it came from.
        source: where it came from, for people: a folder, an address, a library.
        profile: what x_train looks like.
        notes: what was found or converted while it was checked, a sentence each.
        fallback: true where MNIST was wanted and could not be had, and this stands in for it.
    """

    name: str
    x_train: NDArray[np.generic]
    y_train: NDArray[np.int64]
    x_test: NDArray[np.generic]
    y_test: NDArray[np.int64]
    classes: tuple[str, ...]
    scale: float
    sha256: str
    source: str
    profile: DataProfile
    notes: tuple[str, ...] = ()
    fallback: bool = False

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one example, for instance (28, 28)."""
        return tuple(self.x_train.shape[1:])

    def __repr__(self) -> str:
        shape = " x ".join(map(str, self.input_shape))
        return (
            f"Dataset({self.name!r}: {len(self.y_train):,} training and {len(self.y_test):,} test examples of {shape}, "
            f"{len(self.classes)} classes, from {self.source})"
        )

    @property
    def features(self) -> int:
        """Numbers in one example once flattened, for instance 784."""
        return prod(self.input_shape)


@dataclass(frozen=True)
class Arm:
    """One regularisation setting being compared. The first arm of a study is its baseline.

    Args:
        name: its name in tables and charts; made of its settings where none is given.
        rate: share of hidden units dropped, in [0, 1): 0.8 drops 80% and keeps 20%.
        input_rate: share of inputs dropped, in [0, 1).
        noise: `dropout`, or `gaussian` for factors of mean 1 and the variance of dropout, rate / (1 - rate).
        l2: weight of the sum of squared kernels in the loss, as Keras' `L2`; 0 for none.
        max_norm: longest vector of incoming weights of a hidden unit, as Keras' `MaxNorm`; 0 for no limit.
        schedule: how the rates change while training: `constant`; `early`, on until the switch; `late`, on from
            the switch; `ramp`, rising linearly from 0 until the switch; `curriculum`, rising as 1 - exp(-10 t).
        switch: share of the training steps, in (0, 1], at which `early` ends, `late` begins and `ramp` arrives.
    """

    name: Text = ""
    rate: Rate = 0.0
    input_rate: Rate = 0.0
    noise: Noise = "dropout"
    l2: NonNegative = 0.0
    max_norm: NonNegative = 0.0
    schedule: Schedule = "constant"
    switch: Progress = 0.5


@dataclass(frozen=True)
class Optimizer:
    """Adam, or SGD with momentum, in Keras' form, with Keras' names and defaults.

    Args:
        name: `adam` or `sgd`.
        learning_rate: learning rate of the first epoch.
        decay: factor on the learning rate from each epoch to the next; 1 keeps it.
        beta_1: Adam's decay of the first moment.
        beta_2: Adam's decay of the second moment.
        epsilon: Adam's term beside the root of the second moment.
        momentum: SGD's share of the last step in the next.
    """

    name: OptimizerName = "adam"
    learning_rate: Positive = 1e-3
    decay: Positive = 1.0
    beta_1: Fraction = 0.9
    beta_2: Fraction = 0.999
    epsilon: Positive = 1e-7
    momentum: Fraction = 0.0


@dataclass(frozen=True)
class Condition:
    """Array shapes of a run, and with them its compiled program.

    Args:
        features: inputs of the network.
        hidden: units of each hidden layer.
        classes: outputs of the network.
        train_size: training examples.
        batch_size: examples per step; the last step of an epoch may have fewer.
    """

    features: int
    hidden: tuple[int, ...]
    classes: int
    train_size: int
    batch_size: int

    @property
    def widths(self) -> tuple[int, ...]:
        """Units of every layer from the input to the output, for instance (784, 512, 512, 10)."""
        return (self.features, *self.hidden, self.classes)

    @property
    def layers(self) -> str:
        """The hidden layers as tables say them, for instance "512-512"."""
        return "-".join(map(str, self.hidden))

    @property
    def network(self) -> str:
        """The network in words, for instance "784-512-512-10, 669,706 parameters"."""
        return f"{'-'.join(map(str, self.widths))}, {self.parameters:,} parameters"

    @property
    def parameters(self) -> int:
        """Number of weights and biases."""
        pairs = zip(self.widths, self.widths[1:], strict=False)
        return sum(units_in * units_out + units_out for units_in, units_out in pairs)

    @property
    def steps(self) -> int:
        """Optimiser steps per epoch, the smaller last batch included."""
        return -(-self.train_size // self.batch_size)


@dataclass(frozen=True)
class StudySpec:
    """A study, resolved: what its study file says, with flags applied and nothing left open.

    Args:
        name: the study's name, and its folder's unless one is given.
        data: name of a dataset or path of a file; None for MNIST where it can be had, else the digits.
        arms: the settings compared; the first is the baseline.
        hidden: the networks compared, each by the units of its hidden layers.
        activation: activation function of the hidden layers.
        optimizer: Adam or SGD, with its settings.
        batch_size: examples per step.
        epochs: passes over the training examples.
        seeds: one replicate each.
        validation_split: `"test"` to watch the test set, else the share (below 1) or count of training examples
            held out.
        precision: precision of matrix products; `"auto"` is bfloat16 where the hardware has it, else float32.
        train_sizes: examples trained on, by count, or `"all"` that validation leaves. A seed's smaller size is
            contained in its larger ones; all are stratified by class.
        fixed_validation: hold out the same examples for every seed.
        keep_weights: runs whose weights stay on disk: `"all"`, the `"best"` of each arm and condition, or `"none"`.
            Training does not depend on it.
        restore_best_weights: keep and test the weights of the epoch of lowest validation loss in place of the last
            epoch's, as Keras' EarlyStopping does.
        patience: epochs without a lower validation loss after which a run ends; 0 for never.
        margin: differences of test accuracy within ±margin do not matter, in percentage points; None while it is left
            open, for what the study has, or `MARGIN`. No part of what is trained.
        scale: the network sees `x / scale`; `"auto"` finds it from the values of the training data.
    """

    name: str
    data: str | None
    arms: tuple[Arm, ...]
    hidden: tuple[tuple[int, ...], ...]
    activation: Activation
    optimizer: Optimizer
    batch_size: int
    epochs: int
    seeds: tuple[int, ...]
    validation_split: Literal["test"] | float | int
    precision: Precision
    train_sizes: tuple[int | Literal["all"], ...] = ("all",)
    fixed_validation: bool = False
    keep_weights: KeepWeights = "all"
    restore_best_weights: bool = False
    patience: int = 0
    margin: float | None = None
    scale: float | Literal["auto"] = "auto"

    @property
    def watches_test(self) -> bool:
        """True where the test set is looked at every epoch, so that nothing may be selected on it."""
        return self.validation_split == "test"


@dataclass(frozen=True)
class Run:
    """One arm x shape x seed. Its key says what it is; where it is trained does not matter to it."""

    key: str
    arm: Arm
    condition: Condition
    seed: int
    activation: Activation
    optimizer: Optimizer
    epochs: int
    validation_split: Literal["test"] | float | int
    precision: Literal["float32", "bfloat16"]
    restore_best_weights: bool = False
    patience: int = 0

    @property
    def steps(self) -> int:
        """Optimiser steps of the whole run, if nothing ends it early."""
        return self.epochs * self.condition.steps


@dataclass(frozen=True)
class EpochMetrics:
    """One row of a run's history. Accuracies are shares in [0, 1]; losses are mean cross-entropies in nats.

    Args:
        epoch: from 1.
        loss: what Keras prints: running mean over the epoch, dropout on, weights moving.
        accuracy: likewise.
        val_loss: validation data at the end of the epoch, dropout off.
        val_accuracy: likewise.
        clean_loss: training data at the end of the epoch, dropout off. A fixed subset as large as the test
            set, at the last epoch all training examples.
        clean_accuracy: likewise.
        seconds: wall time of the epoch, evaluation included. No part of a run's identity.
    """

    epoch: int
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
    clean_loss: float
    clean_accuracy: float
    seconds: float = field(compare=False)


CONDITION = ("hidden", "train_size")
"""Columns that identify a shape in a study's tables: hidden layers as text, and examples trained on."""

METRICS = tuple(f.name for f in fields(EpochMetrics) if f.name not in {"epoch", "seconds"})


@dataclass(frozen=True, eq=False)
class FinalMetrics:
    """Final metrics of a run, measured once, at its end, in float32: the only evaluation on the test set.

    Args:
        epoch: whose weights these are, from 1: the last, or with `restore_best_weights` that of lowest validation loss.
        clean_loss: mean cross-entropy on all training examples, noise off, in nats.
        clean_accuracy: share of them classified correctly.
        noisy_loss: the same with noise on, as in training, but with weights that stand still.
        noisy_accuracy: likewise. What lies between Keras' running accuracy and this is the weights' moving; what lies
            between this and `clean_accuracy` is the noise.
        loss: mean cross-entropy on the test set, in nats.
        accuracy: share of test examples classified correctly.
        brier: mean over examples of the squared distance between probabilities and one-hot label, in [0, 2]
            (Brier 1950).
        labels: predicted class per test example, (n,), uint8 or uint16.
        confidence: probability of the predicted class, (n,), float16.
        likelihood: probability of the true class, (n,), float16.
    """

    epoch: int
    clean_loss: float
    clean_accuracy: float
    noisy_loss: float
    noisy_accuracy: float
    loss: float
    accuracy: float
    brier: float
    labels: NDArray[np.unsignedinteger]
    confidence: NDArray[np.float16]
    likelihood: NDArray[np.float16]


@dataclass(frozen=True, eq=False)
class Layer:
    """A dense layer's weights: kernel (in, out) and bias (out,), float32."""

    kernel: NDArray[np.float32]
    bias: NDArray[np.float32]


Weights = tuple[Layer, ...]


@dataclass(frozen=True)
class DataReference:
    """Reference to a dataset by its content: the process that trains finds the arrays in its own cache.

    Args:
        sha256: digest of the content.
        scale: the network sees `x / scale`.
    """

    sha256: str
    scale: float


@dataclass(frozen=True, eq=False)
class Segment:
    """Some steps of a run: all that a worker needs to take them, wherever it is.

    Args:
        run: what is trained.
        data: the dataset, by digest.
        train_index: rows of x_train to train on, (n,), int32.
        validation_index: rows of x_train held out, or None where the test set is watched.
        state: weights, moments and whatever else training goes on from, by name, as the last segment left them; None
            at the start.
        done: optimiser steps taken already, over the whole run.
        steps: how many to take, at most as many as the run has left. They may end inside an epoch.
    """

    run: Run
    data: DataReference
    train_index: NDArray[np.int32]
    validation_index: NDArray[np.int32] | None
    state: State | None
    done: int
    steps: int


@dataclass(frozen=True, eq=False)
class SegmentResult:
    """Result of a segment.

    Args:
        history: one row for each epoch that ended.
        state: what the next segment goes on from; of a run that has ended, its network among it.
        done: optimiser steps taken, over the whole run.
        seconds: wall time.
        final: the look at the test set, where the run has ended.
        diverged: true where a loss became NaN or infinite; the run ends there.
        device: what trained it, for people.
    """

    history: tuple[EpochMetrics, ...]
    state: State
    done: int
    seconds: float
    final: FinalMetrics | None
    diverged: bool
    device: str
