import jax.numpy as jnp
import keras
import numpy as np
import pytest

from dropstudy.engine import optimizers
from dropstudy.engine.network import Dense
from dropstudy.records import Optimizer


@pytest.mark.parametrize(
    "settings",
    [
        Optimizer(),
        Optimizer(learning_rate=0.05, beta_1=0.8, beta_2=0.99, epsilon=1e-3),
        Optimizer(beta_1=0.0),
    ],
)
def test_adam_walks_with_keras_for_100_steps(settings):
    rng = np.random.default_rng(0)
    shapes = [(7, 5), (5,)]
    values = [rng.normal(size=shape).astype(np.float32) for shape in shapes]
    variables = [keras.Variable(value) for value in values]
    keras_adam = keras.optimizers.Adam(
        settings.learning_rate, settings.beta_1, settings.beta_2, settings.epsilon
    )
    params = (Dense(*map(jnp.asarray, values)),)
    state = optimizers.adam_start(params)
    traced = optimizers.adam_settings(settings)
    for step in range(100):
        # Gradients over many orders of magnitude, some of them zero.
        gradients = [
            (rng.normal(size=s) * 10.0 ** rng.integers(-6, 2, s) * (rng.random(s) > 0.1)).astype(np.float32)
            for s in shapes
        ]
        keras_adam.apply(gradients, variables)
        params, state = optimizers.adam_step(
            params, state, (Dense(*map(jnp.asarray, gradients)),), jnp.int32(step), traced
        )
    for ours, theirs in zip(params[0], variables, strict=True):
        assert np.allclose(ours, keras.ops.convert_to_numpy(theirs), rtol=1e-6, atol=1e-7)


def test_the_first_step_is_a_learning_rate_long():
    # At t = 1 the ratio m / sqrt(v) is sign(g), whatever the gradient's size, as long as epsilon is small beside it.
    params = (Dense(jnp.zeros((3, 1)), jnp.zeros(3)),)
    gradients = (Dense(jnp.array([[0.5], [-20.0], [300.0]]), jnp.array([1.0, -1.0, 0.0])),)
    traced = optimizers.adam_settings(Optimizer())
    moved, _ = optimizers.adam_step(params, optimizers.adam_start(params), gradients, jnp.int32(0), traced)
    assert np.allclose(moved[0].kernel_OxI[:, 0], [-1e-3, 1e-3, -1e-3], rtol=1e-3)
    assert np.allclose(moved[0].bias_O, [-1e-3, 1e-3, 0], rtol=1e-3)
