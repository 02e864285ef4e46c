"""The faster program of a convolution is Keras' function, with its gradients."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from keras import layers

from dropstudy.engine.keras.cpu import use_fast_convolutions


@pytest.mark.parametrize(
    "layer",
    [
        lambda: layers.Conv2D(5, 3),
        lambda: layers.Conv2D(5, (2, 4), padding="same", activation="relu"),
        lambda: layers.Conv2D(5, 3, strides=2),
    ],
    ids=["conv", "conv-same", "conv-strided"],
)
def test_outputs_and_gradients_are_those_of_keras(layer):
    x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 7, 9, 3)), jnp.float32)
    model = keras.Sequential([keras.Input((7, 9, 3)), layer()])

    def outputs_and_gradients():
        variables = [jnp.asarray(v.value) for v in model.trainable_variables]

        def loss(variables, x):
            out = model.stateless_call(variables, [], x)[0]
            return (out * jnp.arange(out.size).reshape(out.shape)).sum(), out

        (_, out), gradients = jax.jit(jax.value_and_grad(loss, argnums=(0, 1), has_aux=True))(variables, x)
        return [out, *jax.tree.leaves(gradients)]

    expected = outputs_and_gradients()
    use_fast_convolutions(model)
    for ours, theirs in zip(outputs_and_gradients(), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-3)
