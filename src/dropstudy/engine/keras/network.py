"""A Keras model as pure functions of its variables: built from its description, with noise from outside."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import keras
import numpy as np
import safetensors.numpy

from dropstudy.engine.keras import noise
from dropstudy.engine.keras.build import build, noise_rates, require_jax, variable_names
from dropstudy.engine.keras.cpu import use_fast_pooling
from dropstudy.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jax import Array
    from numpy.typing import NDArray

    from dropstudy.core.model import ModelSource
    from dropstudy.core.types import Arm, State

_SMALLEST = 1e-7  # Keras' epsilon, to which it clips probabilities


class Values(NamedTuple):
    """Values of a network's variables, in the order of Keras' lists."""

    trainable: list[Array]
    other: list[Array]


class Network:
    """A Keras model whose noise, weights and optimiser are arguments.

    Args:
        source: what to build it from.

    Attributes:
        description: of the model, see `engine/keras/description.py`.
        model: the Keras model, whose own variables are not used.
        layers: its noise layers.
        optimizer: its optimiser.
    """

    def __init__(self, source: ModelSource) -> None:
        require_jax()
        self.description = json.loads(source.description)
        self._source = source
        self.model = build(source, 0)
        self.layers = noise.take_over(self.model)
        use_fast_pooling(self.model)
        self.optimizer = keras.optimizers.deserialize(self.description["optimizer"])
        self.optimizer.build(self.model.trainable_variables)
        self._optimizer_start = [np.array(variable.value) for variable in self.optimizer.variables]
        self._loss = keras.losses.deserialize(self.description["loss"])
        self.names = variable_names(self.model)

    def initial(self, seed: int, masks: int | None = None) -> tuple[Values, list[Array]]:
        """Initial values of the model's variables, drawn from its layers' initialisers, and those of the optimiser.

        Args:
            seed: of the weights.
            masks: seed of the generators that other random layers have as variables; by default the same.
        """
        values = values_of(build(self._source, seed))
        if masks not in {None, seed}:
            others = self.pack(values_of(build(self._source, masks)))
            generators = {name: array for name, array in others.items() if name.startswith("seeds/")}
            values = self.unpack({**self.pack(values), **generators})
        if "pretrained" in self.description:
            values = self._pretrained(values)
        return values, [jnp.array(array) for array in self._optimizer_start]

    def _pretrained(self, values: Values) -> Values:
        """The weights that all seeds start from; seeds of other layers as they are."""
        if not self._source.weights:
            raise ModelError(
                "the pretrained weights of the study",
                expected="the model with which the study was started",
                received="none",
                next_step="Give it again, with --pretrained.",
            )
        given = safetensors.numpy.load(self._source.weights)
        named = {f"weights/{name}": array for name, array in given.items()}
        return self.unpack({**self.pack(values), **named})

    def rates(self, arm: Arm) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Rate of each noise layer in an arm, and whether the arm sets it."""
        moved = [each["factor"] is not None for each in self.description["noise"]]
        return np.array(noise_rates(self.description, arm), np.float32), np.array(moved, bool)

    def outputs(
        self, values: Values, x: Array, draws: noise.Draws | None, *, training: bool
    ) -> tuple[Array, list[Array], Array]:
        """Outputs of the model, the new values of its other variables, and its penalties."""
        # float32 is float32: a GPU would round products to TF32.
        with noise.drawing(draws), jax.default_matmul_precision("highest"):
            outputs, other, losses = self.model.stateless_call(
                values.trainable, values.other, x, training=training, return_losses=True
            )
        penalty = sum((jnp.asarray(loss).sum() for loss in losses), jnp.float32(0))
        return jnp.asarray(outputs).astype(jnp.float32), list(other), penalty

    def loss(self, y: Array, outputs: Array) -> Array:
        """The model's own loss, a mean over the batch."""
        match self.description["labels"]:
            case "one-hot":
                return jnp.asarray(self._loss(jax.nn.one_hot(y, outputs.shape[-1]), outputs))
            case "binary":
                return jnp.asarray(self._loss(y[:, None].astype(jnp.float32), outputs))
        return jnp.asarray(self._loss(y, outputs))

    def log_probabilities(self, outputs: Array) -> Array:
        """Logarithms of the probabilities of the classes, (n, classes)."""
        if self.description["outputs"] == "logits":
            if self.description["labels"] == "binary":
                outputs = jnp.concatenate([jnp.zeros_like(outputs), outputs], axis=-1)
            return jax.nn.log_softmax(outputs)
        if self.description["labels"] == "binary":
            outputs = jnp.concatenate([1 - outputs, outputs], axis=-1)
        return jnp.log(jnp.clip(outputs, _SMALLEST, 1))

    # Checkpoints

    def pack(self, values: Values) -> State:
        """Values by name: weights as `weights/<path>`, seeds of other layers as `seeds/<number>`."""
        variables = [*self.model.trainable_variables, *self.model.non_trainable_variables]
        arrays = [*values.trainable, *values.other]
        return {self.names[id(v)]: np.asarray(array) for v, array in zip(variables, arrays, strict=True)}

    def unpack(self, arrays: Mapping[str, NDArray[Any]]) -> Values:
        """Values from their names, copied because training overwrites them."""
        return Values(
            *(
                [jnp.array(arrays[self.names[id(v)]]) for v in variables]
                for variables in (self.model.trainable_variables, self.model.non_trainable_variables)
            )
        )


@lru_cache(maxsize=2)
def network_of(source: ModelSource) -> Network:
    """The network of a description, built once in each process: its programs are compiled once."""
    return Network(source)


def values_of(model: Any) -> Values:
    """Values of a model's variables, copied."""
    return Values(
        [jnp.array(variable.value) for variable in model.trainable_variables],
        [jnp.array(variable.value) for variable in model.non_trainable_variables],
    )


def digest(description: str) -> str:
    """Digest that identifies a description."""
    return hashlib.sha256(description.encode()).hexdigest()
