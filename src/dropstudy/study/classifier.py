"""DropoutClassifier: a network with dropout as a classifier of scikit-learn, trained without a study."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from hashlib import blake2b
from numbers import Integral
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from msgspec import Meta
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from dropstudy.core.bounds import MAX_COUNT, Count
from dropstudy.core.types import Arm, Condition, Layer, Optimizer, Run
from dropstudy.core.validation import validate, validate_fields
from dropstudy.engine.mlp.in_memory import layers_of, train_in_memory
from dropstudy.engine.mlp.rules import ArraysInMemory
from dropstudy.errors import InvalidArgument
from dropstudy.models.predict import predict
from dropstudy.spec import splits
from dropstudy.spec.study_file import parse_spec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from dropstudy.core.types import StudySpec

__all__ = ["DropoutClassifier"]

_ARM = tuple(field.name for field in fields(Arm) if field.name != "name")

_Hidden = Annotated[
    list[Count],
    Meta(min_length=1, description="units of each hidden layer, in whole numbers from 1, such as (512, 512)"),
]

_MANY = 10
"""Times as many examples as rows: weights that repeat rows as often are told."""


class DropoutClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn has no types
    """A network of dense layers with dropout, as a classifier of scikit-learn.

    Settings have the names, meanings and bounds of a study file's. Inputs are taken as they are: put a
    `StandardScaler` or `MinMaxScaler` before it in a pipeline. With an integer `random_state`, `fit` gives the same
    weights to the bit in the same environment, whatever the order of the rows. A network trains on one
    core. Where XLA trains, it has as many threads as joblib allows in the workers that `n_jobs` starts.

    Args:
        hidden: units of each hidden layer.
        rate: share of hidden units dropped in training, in [0, 1): 0.8 drops 80% and keeps 20%. One for all hidden
            layers, or a list of one for each.
        input_rate: share of inputs dropped in training, in [0, 1).
        noise: `dropout`, or `gaussian` for factors of mean 1 and the variance of dropout.
        l2: weight of the sum of squared kernels in the loss; 0 for none.
        max_norm: longest vector of incoming weights of a hidden unit; 0 for no limit.
        schedule: change of the rates during training, as `dropstudy.Arm` has it; `switch` likewise.
        switch: see there.
        activation: of the hidden layers: `relu`, `tanh` or `sigmoid`.
        optimizer: `adam` or `sgd`; or a table such as `{"name": "sgd", "momentum": 0.9}`, or a `dropstudy.Optimizer`.
        learning_rate: None for that of `optimizer`, 0.001 unless it says otherwise.
        batch_size: examples of a training step; all examples where there are fewer.
        epochs: passes over the training examples.
        restore_best_weights: hold examples out, and keep the weights of the epoch of lowest loss on them.
        patience: epochs without a lower loss after which training ends; 0 for never. More restores the best weights.
        validation_split: share or count of the examples held out, stratified; of no effect without the two above.
        random_state: seed of initial weights, order of examples, dropout and examples held out: a number, None for a
            new one in each fit, or a `RandomState` that draws it.

    Attributes:
        classes_: labels, sorted.
        n_features_in_: number of features; `feature_names_in_` where `fit` was given a frame with names.
        coefs_: kernel of each layer, (inputs, outputs).
        intercepts_: bias of each layer.
        loss_curve_: mean training loss of each epoch, dropout on.
        n_iter_: epochs trained.

    Example:
        >>> from sklearn.datasets import load_digits
        >>> from sklearn.model_selection import GridSearchCV
        >>> from sklearn.pipeline import make_pipeline
        >>> from sklearn.preprocessing import StandardScaler
        >>> pixels, digits = load_digits(return_X_y=True)
        >>> model = make_pipeline(StandardScaler(), DropoutClassifier((64, 64), random_state=0))
        >>> search = GridSearchCV(model, {"dropoutclassifier__rate": [0, 0.2, 0.5]}, cv=3)
        >>> search.fit(pixels[:1200], digits[:1200]).score(pixels[1200:], digits[1200:]) > 0.9
        True
    """

    def __init__(
        self,
        hidden: Sequence[int] = (512, 512),
        rate: float | Sequence[float] = 0.5,
        *,
        input_rate: float = 0.0,
        noise: str = "dropout",
        l2: float = 0.0,
        max_norm: float = 0.0,
        schedule: str = "constant",
        switch: float = 0.5,
        activation: str = "relu",
        optimizer: str | Mapping[str, Any] | Optimizer = "adam",
        learning_rate: float | None = None,
        batch_size: int = 64,
        epochs: int = 50,
        restore_best_weights: bool = False,
        patience: int = 0,
        validation_split: float = 0.1,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.hidden = hidden
        self.rate = rate
        self.input_rate = input_rate
        self.noise = noise
        self.l2 = l2
        self.max_norm = max_norm
        self.schedule = schedule
        self.switch = switch
        self.activation = activation
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.epochs = epochs
        self.restore_best_weights = restore_best_weights
        self.patience = patience
        self.validation_split = validation_split
        self.random_state = random_state

    def fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> DropoutClassifier:  # noqa: N803 - scikit-learn's name
        """Train on examples.

        Args:
            X: examples, (n, features), dense; an array or a frame of numbers. They are used as float32.
            y: label of each example.
            sample_weight: of each example, 0 or more. A row of weight 0 is left out. Whole numbers count as repeated
                rows: to the bit the same network. Other weights multiply the losses of the examples, divided by their
                mean, so that the learning rate keeps its meaning.

        Raises:
            ValueError: arguments or data that cannot be used, or a loss that is no longer finite.
        """
        spec, seed = self._spec(), _seed(self.random_state)
        needed = 1 + spec.restore_best_weights  # one to hold out
        X, y = _validated(self, X, y, ensure_min_samples=needed)  # noqa: N806 - as above
        check_classification_targets(y)
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        rows = _order(X, y, weight)
        if not rows.size:
            raise InvalidArgument(
                "sample_weight", expected="a weight above 0 for one example or more", received="0 for each"
            )
        self.classes_, labels = np.unique(y[rows], return_inverse=True)
        index, factors = _repeated(weight[rows])
        train, held = _split(spec, labels[index], self.classes_, seed)
        if factors is not None:
            for part in (train, held):
                if part is not None:
                    factors[part] /= factors[part].mean()
        run = _run(spec, (X.shape[1], len(train), len(self.classes_)), seed)
        arrays = ArraysInMemory(
            X[rows], labels.astype(np.int32), None if factors is None else factors.astype(np.float32)
        )
        result = train_in_memory(run, arrays, index[train], None if held is None else index[held])
        self.loss_curve_ = [epoch.loss for epoch in result.history]
        self.n_iter_ = len(result.history)
        if result.diverged:
            raise InvalidArgument(
                "learning_rate",
                expected="steps under which the loss stays finite",
                received=f"{run.optimizer.learning_rate:g}, with which it does not in epoch {self.n_iter_}",
                next_step="Use a smaller one, or put a StandardScaler before the classifier.",
            )
        layers = layers_of(run, result)
        self.coefs_ = [layer.kernel for layer in layers]
        self.intercepts_ = [layer.bias for layer in layers]
        self._activation = run.activation
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float32]:  # noqa: N803 - as above
        """Return the probability of each class, (n, classes), in the order of `classes_`."""
        check_is_fitted(self)
        examples = _validated(self, X, reset=False)
        # In float64, so that an example's probabilities do not depend on the others of its batch.
        layers = tuple(
            Layer(kernel.astype(np.float64), bias.astype(np.float64))
            for kernel, bias in zip(self.coefs_, self.intercepts_, strict=True)
        )
        return predict(layers, examples, activation=self._activation, scale=1.0)

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803 - as above
        """Return the most probable class of each example, (n,)."""
        probabilities = self.predict_proba(X)
        labels: NDArray[Any] = self.classes_[probabilities.argmax(axis=1)]
        return labels

    def _spec(self) -> StudySpec:
        """The settings, checked, as those of a study of one arm."""
        settings = self.get_params(deep=False)
        optimizer: Any = self.optimizer
        if isinstance(optimizer, str):
            optimizer = {"name": optimizer}
        elif isinstance(optimizer, Optimizer):
            optimizer = asdict(optimizer)
        if self.learning_rate is not None and isinstance(optimizer, Mapping):
            optimizer = {**optimizer, "learning_rate": self.learning_rate}
        hidden = list(self.hidden) if isinstance(self.hidden, Iterable) else self.hidden
        arm = validate_fields(Arm, {name: settings[name] for name in _ARM})
        restores = bool(self.restore_best_weights or self.patience)
        return parse_spec(
            {
                "name": "classifier",
                "arms": [arm],
                "hidden": validate("hidden", hidden, _Hidden),
                **{name: settings[name] for name in ("activation", "batch_size", "epochs")},
                "optimizer": optimizer,
                "restore_best_weights": restores,
                "patience": self.patience,
                "validation_split": self.validation_split if restores else "test",
            },
            "DropoutClassifier",
        )


def _validated(estimator: DropoutClassifier, *data: Any, **options: Any) -> Any:
    """Data as arrays, examples in float32, checked and named as scikit-learn does."""
    with np.errstate(over="ignore"):  # a number that is too large becomes infinite, which is refused
        return validate_data(estimator, *data, dtype=np.float32, order="C", **options)


def _seed(random_state: Any) -> int:
    """Seed of a run: the number itself, or one that is drawn."""
    draw = check_random_state(random_state)  # refuses what scikit-learn refuses
    return int(random_state) if isinstance(random_state, Integral) else int(draw.randint(MAX_COUNT))


def _run(spec: StudySpec, sizes: tuple[int, int, int], seed: int) -> Run:
    features, examples, classes = sizes
    return Run(
        key="",
        arm=spec.arms[0],
        condition=Condition(features, spec.hidden[0], classes, examples, min(spec.batch_size, examples)),
        seed=seed,
        activation=spec.activation,
        optimizer=spec.optimizer,
        epochs=spec.epochs,
        validation_split=spec.validation_split,
        precision="float32",
        restore_best_weights=spec.restore_best_weights,
        patience=spec.patience,
    )


def _order(x: NDArray[np.float32], y: NDArray[Any], weight: NDArray[np.float64]) -> NDArray[np.intp]:
    """Rows of a weight above 0, in an order that depends on their content alone."""
    rows = np.flatnonzero(weight)
    # Sorting by the numbers themselves would take longer than an epoch of training.
    digests = b"".join(blake2b(x[row], digest_size=8).digest() for row in rows)
    labels = np.unique(y[rows], return_inverse=True)[1]
    order: NDArray[np.intp] = rows[np.lexsort((weight[rows], np.frombuffer(digests, np.uint64), labels))]
    return order


def _repeated(weight: NDArray[np.float64]) -> tuple[NDArray[np.int32], NDArray[np.float64] | None]:
    """Rows of an epoch, and the weights of their losses: whole numbers repeat rows."""
    rows = np.arange(len(weight), dtype=np.int32)
    if (weight % 1).any():
        return rows, weight
    if (count := weight.sum()) > _MANY * len(weight):
        hint = "Divide sample_weight by its mean to weigh the losses of the rows."
        if count > MAX_COUNT:
            raise InvalidArgument(
                "sample_weight",
                expected=f"whole numbers, which repeat rows, with a sum of at most {MAX_COUNT}",
                received=f"a sum of {count:g}",
                next_step=hint,
            )
        warnings.warn(
            f"sample_weight has whole numbers, which repeat rows: an epoch has {count:,.0f} examples of "
            f"{len(weight):,} rows. {hint}",
            stacklevel=3,
        )
    return np.repeat(rows, weight.astype(np.int64)), None


def _split(
    spec: StudySpec, labels: NDArray[np.int64], classes: NDArray[Any], seed: int
) -> tuple[NDArray[np.int32], NDArray[np.int32] | None]:
    """Examples to train on and to hold out."""
    if spec.watches_test:
        return np.arange(len(labels), dtype=np.int32), None
    splits.check(spec, labels, [str(each) for each in classes])
    return splits.split(labels, splits.validation_count(spec, len(labels)), seed)
