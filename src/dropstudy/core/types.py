"""Records that are passed between rooms: frozen, without behaviour.

Shapes: n examples, d features (the product of the input shape), c classes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from math import nan
from typing import TYPE_CHECKING, Literal

from dropstudy.core.bounds import (
    Fraction,
    NonNegative,
    Positive,
    Progress,
    Rate,
    Rates,
    Text,
    other_seed,
)
from dropstudy.core.text import joined_parts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dropstudy.core.final_metrics import FinalMetrics
    from dropstudy.core.model import ModelReference, ModelSource
    from dropstudy.core.published_result import PublishedResult

Precision = Literal["auto", "float32", "bfloat16"]
Activation = Literal["relu", "tanh", "sigmoid"]
Noise = Literal["dropout", "gaussian"]
Schedule = Literal["constant", "early", "late", "ramp", "curriculum", "early-linear"]
OptimizerName = Literal["adam", "sgd"]
KeepWeights = Literal["all", "best", "none"]
MetricName = Literal["accuracy", "balanced-accuracy", "log-loss", "auc"]
NoiseSource = Literal["weights", "order", "masks", "split"]
"""What a run draws: initial weights, order of the examples, noise in training, examples held out and left out."""

State = dict[str, "NDArray[np.generic]"]
Status = Literal["planned", "running", "done", "diverged", "failed"]
ENDED: frozenset[Status] = frozenset({"done", "diverged"})
"""Statuses of runs that are not trained again."""


@dataclass(frozen=True)
class Arm:
    """Regularisation settings that a study compares. Its first arm is the baseline.

    Args:
        name: name in tables and charts; by default made of the settings.
        rate: share of hidden units dropped, in [0, 1): 0.8 drops 80% and keeps 20%. One number for all hidden layers,
            or one for each, such as [0.2, 0.5].
        input_rate: share of inputs dropped, in [0, 1).
        noise: `dropout`, or `gaussian` for factors of mean 1 and the variance of dropout, rate / (1 - rate).
        l2: weight of the sum of squared kernels in the loss, as Keras' `L2`; 0 for none.
        max_norm: longest vector of incoming weights of a hidden unit, as Keras' `MaxNorm`; 0 for no limit.
        schedule: change of the rates during training: `constant`; `early`, on until the switch; `early-linear`, falling
            linearly to 0 at the switch; `late`, on from the switch; `ramp`, rising linearly from 0 until the switch;
            `curriculum`, rising as 1 - exp(-10 t).
        switch: share of the training steps, in (0, 1], at which `early` and `early-linear` end, `late` starts and
            `ramp` is complete.
    """

    name: Text = ""
    rate: Rates = 0.0  # NaN for an arm of runs that others trained, where it is not known
    input_rate: Rate = 0.0
    noise: Noise = "dropout"
    l2: NonNegative = 0.0
    max_norm: NonNegative = 0.0
    schedule: Schedule = "constant"
    switch: Progress = 0.5

    @property
    def rates(self) -> tuple[float, ...]:
        """The rate of all hidden layers, or that of each of them."""
        return self.rate if isinstance(self.rate, tuple) else (self.rate,)

    @property
    def common_rate(self) -> float:
        """The rate of all hidden layers; NaN where they differ, or where it is not known."""
        return nan if isinstance(self.rate, tuple) else self.rate

    def layer_rates(self, layers: int) -> tuple[float, ...]:
        """The rate of each hidden layer of a network."""
        return self.rate if isinstance(self.rate, tuple) else (self.rate,) * layers


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
    """A network and a training size: with the batch size, all array shapes of a run.

    Args:
        features: inputs of the network.
        hidden: units of each hidden layer.
        classes: outputs of the network.
        train_size: training examples.
        batch_size: examples per step; the last step of an epoch may have fewer.
        model: a Keras model or training function, which has no hidden layers that dropstudy knows; None for a network
            of dense layers.
    """

    features: int
    hidden: tuple[int, ...]
    classes: int
    train_size: int
    batch_size: int
    model: ModelReference | None = None

    @property
    def widths(self) -> tuple[int, ...]:
        """Units of every layer from the input to the output, for instance (784, 512, 512, 10)."""
        return (self.features, *self.hidden, self.classes)

    @property
    def layers(self) -> str:
        """The network in tables: its hidden layers, for instance "512-512", or the name of its model."""
        return "-".join(map(str, self.hidden)) if self.model is None else self.model.name

    @property
    def network(self) -> str:
        """The network as text, for instance "784-512-512-10, 669,706 parameters"."""
        if self.model is not None and self.model.is_function:
            return f"of the training function {self.title}"
        return f"{self.title}, {self.parameters:,} parameters"

    @property
    def title(self) -> str:
        """The network in a title, for instance "784-512-512-10"."""
        return "-".join(map(str, self.widths)) if self.model is None else self.model.name

    @property
    def parameters(self) -> int:
        """Number of weights and biases."""
        pairs = zip(self.widths, self.widths[1:], strict=False)
        dense = sum(units_in * units_out + units_out for units_in, units_out in pairs)
        return dense if self.model is None else self.model.parameters

    @property
    def steps(self) -> int:
        """Optimiser steps per epoch, the smaller last batch included."""
        return -(-self.train_size // self.batch_size)


@dataclass(frozen=True)
class StudySpec:
    """Specification of a study: its study file with flags and defaults applied.

    Args:
        name: name of the study, and of its folder unless one is given.
        data: name of a dataset or path of a file or folder; None for MNIST where it is available, else the digits.
        target: column of a table that holds the labels.
        test: file of the test examples, where `data` holds those for training alone.
        test_size: share (below 1) or count of the examples set aside for the test, where there is no test set; None
            for a fifth.
        group: column of a table whose equal values belong together, such as a patient: on one side of every split.
        drop: columns of a table that are left out.
        image_size: height and width that images are resized to; None for images of one size.
        arms: settings to compare; the first is the baseline.
        hidden: networks to compare, each as the units of its hidden layers.
        activation: activation function of the hidden layers.
        optimizer: Adam or SGD, with its settings.
        batch_size: examples per step.
        epochs: passes over the training examples.
        seeds: seeds of the replicates; empty for one, or for those of a verdict where the digits stand in for MNIST.
        validation_split: `"test"` to watch the test set, else the share (below 1) or count of training examples
            held out.
        precision: precision of matrix products; `"auto"` is bfloat16 on GPUs that multiply it in hardware, else
            float32.
        train_sizes: numbers of training examples, or `"all"` that are not held out. A seed's larger sizes contain its
            smaller ones; all are stratified by class.
        fixed_validation: hold out the same examples for every seed.
        keep_weights: runs whose weights stay on disk: `"all"`, the `"best"` of each arm and condition, or `"none"`.
            No run depends on it.
        restore_best_weights: keep and test the weights of the epoch of lowest validation loss in place of the last
            epoch's, as Keras' EarlyStopping does.
        patience: epochs without a lower validation loss after which a run ends; 0 for never.
        metric: what the choice of an arm and the verdict rest on; None for the study's own, or `accuracy`. No run
            depends on it.
        margin: differences of the metric within ±margin do not matter: percentage points of accuracies, nats of
            `log-loss`, `auc` as it is. None for the study's own, or `Metric.margin`. No run depends on it.
        scale: the network sees `x / scale`; `"auto"` finds it from the values of the training data.
        model: a Keras model in place of `hidden`, `activation` and `optimizer`, as dropstudy writes it.
        redraw: what each run draws anew, all else as a run of its seed draws it; None for nothing. Beside the study
            without it, it shows how much of the spread over seeds that source makes.
        published: published results that the study repeats, which its own are shown beside. No run depends on them.
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
    metric: MetricName | None = None
    margin: float | None = None
    scale: float | Literal["auto"] = "auto"
    target: str | None = None
    test: str | None = None
    test_size: float | int | None = None
    group: str | None = None
    drop: tuple[str, ...] = ()
    image_size: tuple[int, int] | None = None
    model: ModelReference | None = None
    redraw: NoiseSource | None = None
    published: tuple[PublishedResult, ...] = ()

    @property
    def of_function(self) -> bool:
        """True for a study of a training function."""
        return self.model is not None and self.model.is_function

    @property
    def watches_test(self) -> bool:
        """True where the test set is evaluated every epoch, so that nothing may be selected on it."""
        return self.validation_split == "test"


@dataclass(frozen=True)
class Run:
    """One arm x condition x seed. Its key identifies all that its numbers depend on (`spec.plan.run_key`)."""

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
    redraw: NoiseSource | None = None

    def seed_of(self, source: NoiseSource) -> int:
        """The seed that a source is drawn with: the run's own, or another one where this source is drawn anew."""
        return other_seed(self.seed) if source == self.redraw else self.seed

    @property
    def steps(self) -> int:
        """Optimiser steps of the whole run, without early stopping."""
        return self.epochs * self.condition.steps

    @property
    def of_function(self) -> bool:
        """True for a run of a training function, which trains as many epochs as it likes."""
        return self.condition.model is not None and self.condition.model.is_function

    @property
    def of_epochs(self) -> str:
        """Epochs of the run behind a number of those done: "/20"; empty where they are not known."""
        return "" if self.of_function else f"/{self.epochs}"


@dataclass(frozen=True)
class EpochMetrics:
    """One row of a run's history. Accuracies are shares in [0, 1]; losses are mean cross-entropies in nats.

    Args:
        epoch: from 1.
        loss: training loss as Keras reports it: running mean over the epoch, with dropout, while weights change.
        accuracy: likewise.
        val_loss: validation data at the end of the epoch, dropout off.
        val_accuracy: likewise.
        clean_loss: training data at the end of the epoch, dropout off. A fixed subset as large as the test
            set, at the last epoch all training examples.
        clean_accuracy: likewise.
        seconds: wall time of the epoch with its evaluation; ignored in comparisons.
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
"""Columns that identify a condition in tables: hidden layers as text, and number of training examples."""

METRICS = tuple(f.name for f in fields(EpochMetrics) if f.name not in {"epoch", "seconds"})


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
    """Some steps of a run, with all that a worker needs to take them.

    Args:
        run: the run.
        data: the dataset, by digest.
        train_index: rows of x_train to train on, (n,), int32.
        validation_index: rows of x_train held out, or None where the test set is watched.
        state: arrays by name that training continues from, such as weights and moments; None at the start.
        done: optimiser steps taken already, over the whole run.
        steps: number of steps to take, at most as many as the run has left. They may end inside an epoch.
        model: what to build the network from, where it is a Keras model; or the training function.
    """

    run: Run
    data: DataReference
    train_index: NDArray[np.int32]
    validation_index: NDArray[np.int32] | None
    state: State | None
    done: int
    steps: int
    model: ModelSource | None = None


@dataclass(frozen=True, eq=False)
class SegmentResult:
    """Result of a segment.

    Args:
        history: one row for each epoch that ended.
        state: arrays that the next segment continues from; at the end of a run, with its network.
        done: optimiser steps taken, over the whole run.
        seconds: wall time.
        final: final metrics where the run has ended, else None.
        diverged: true where a loss became NaN or infinite; the run ends there.
        device: name of the device, for readers; of a machine of a cluster with its name and what is other there.
        notice: what the worker has to tell the user, in a line.
    """

    history: tuple[EpochMetrics, ...]
    state: State
    done: int
    seconds: float
    final: FinalMetrics | None
    diverged: bool
    device: str
    notice: str = ""

    def after(self, before: SegmentResult) -> SegmentResult:
        """This result with the epochs, the seconds and the devices of the segment before it."""
        history, seconds = before.history + self.history, before.seconds + self.seconds
        device = joined_parts(before.device, self.device)
        return replace(self, history=history, seconds=seconds, device=device)
