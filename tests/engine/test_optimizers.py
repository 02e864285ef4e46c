import jax.numpy as jnp
import keras
import numpy as np
import pytest

from dropstudy.core.types import Arm, Condition, Optimizer, Run
from dropstudy.engine.mlp import network, optimizers
from dropstudy.engine.mlp.config import traced_config
from dropstudy.engine.mlp.network import Dense

STEPS_AN_EPOCH = 10


def traced(optimizer):
    condition = Condition(1, (1,), 1, 1, 1)
    run = Run("key", Arm("arm"), condition, 0, "relu", optimizer, 1, "test", "float32")
    return traced_config(run).optimizer


def keras_optimizer(o):
    # Keras' own schedule for what we call decay: a factor from each epoch to the next.
    rate = keras.optimizers.schedules.ExponentialDecay(
        o.learning_rate, STEPS_AN_EPOCH, o.decay, staircase=True
    )
    if o.name == "sgd":
        return keras.optimizers.SGD(rate, o.momentum)
    return keras.optimizers.Adam(rate, o.beta_1, o.beta_2, o.epsilon)


@pytest.mark.parametrize(
    "optimizer",
    [
        Optimizer(),
        Optimizer(learning_rate=0.05, beta_1=0.8, beta_2=0.99, epsilon=1e-3),
        Optimizer(beta_1=0.0),
        Optimizer(decay=0.9),
        Optimizer("sgd", learning_rate=0.01),
        Optimizer("sgd", learning_rate=0.01, momentum=0.95, decay=0.8),
    ],
)
def test_optimizers_walk_with_keras_for_100_steps(optimizer):
    rng = np.random.default_rng(0)
    shapes = [(7, 5), (5,)]
    values = [rng.normal(size=shape).astype(np.float32) for shape in shapes]
    variables = [keras.Variable(value) for value in values]
    theirs_optimizer = keras_optimizer(optimizer)
    params = (Dense(*map(jnp.asarray, values)),)
    moments = optimizers.start(params, optimizer.name)
    for step in range(100):
        # Gradients over many orders of magnitude, some of them zero.
        gradients = [
            (rng.normal(size=s) * 10.0 ** rng.integers(-6, 2, s) * (rng.random(s) > 0.1)).astype(np.float32)
            for s in shapes
        ]
        theirs_optimizer.apply(gradients, variables)
        params, moments = optimizers.update(
            params,
            moments,
            (Dense(*map(jnp.asarray, gradients)),),
            step=jnp.int32(step),
            epoch=jnp.int32(step // STEPS_AN_EPOCH),
            hyper=traced(optimizer),
        )
    for ours, theirs in zip(params[0], variables, strict=True):
        assert np.allclose(ours, keras.ops.convert_to_numpy(theirs), rtol=1e-6, atol=1e-7)


def test_the_first_step_is_a_learning_rate_long():
    # At t = 1 the ratio m / sqrt(v) is sign(g), whatever the gradient's size, as long as epsilon is small beside it.
    params = (Dense(jnp.zeros((3, 1)), jnp.zeros(3)),)
    gradients = (Dense(jnp.array([[0.5], [-20.0], [300.0]]), jnp.array([1.0, -1.0, 0.0])),)
    moved, _ = optimizers.update(
        params,
        optimizers.start(params, "adam"),
        gradients,
        step=jnp.int32(0),
        epoch=jnp.int32(0),
        hyper=traced(Optimizer()),
    )
    assert np.allclose(moved[0].kernel_OxI[:, 0], [-1e-3, 1e-3, -1e-3], rtol=1e-3)
    assert np.allclose(moved[0].bias_O, [-1e-3, 1e-3, 0], rtol=1e-3)


@pytest.mark.parametrize("limit", [0.5, 2.0, 100.0])
def test_max_norm_is_that_of_keras(limit):
    rng = np.random.default_rng(1)
    kernels = [rng.normal(size=shape).astype(np.float32) for shape in ((6, 9), (3, 6))]
    params = tuple(Dense(jnp.asarray(kernel), jnp.ones(len(kernel))) for kernel in kernels)
    limited = network.apply_max_norm(params, np.float32(limit))
    theirs = keras.constraints.MaxNorm(limit, axis=0)(kernels[0].T)
    assert np.allclose(limited[0].kernel_OxI.T, theirs, rtol=1e-6)
    assert np.array_equal(limited[1].kernel_OxI, kernels[1])
    assert np.array_equal(limited[0].bias_O, params[0].bias_O)


def test_no_max_norm_leaves_weights_to_the_bit():
    kernel = np.random.default_rng(2).normal(size=(5, 4)).astype(np.float32)
    params = (Dense(jnp.asarray(kernel), jnp.zeros(5)), Dense(jnp.ones((2, 5)), jnp.zeros(2)))
    assert np.array_equal(network.apply_max_norm(params, np.float32(0))[0].kernel_OxI, kernel)
