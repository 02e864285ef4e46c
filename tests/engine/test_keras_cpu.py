"""Fast max pooling on a CPU is Keras' function, with its gradients; the compiler's options are used where known."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from keras import layers

from dropstudy.engine.keras import cpu


def outputs_and_gradient(model, x):
    def loss(x):
        out = model(x)
        return (out * jnp.arange(out.size).reshape(out.shape)).sum(), out

    (_, out), gradient = jax.jit(jax.value_and_grad(loss, has_aux=True))(x)
    return np.asarray(out), np.asarray(gradient)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(("window", "strides"), [(2, None), (3, 2), ((2, 3), (3, 1)), (3, 5)])
def test_max_pooling_is_that_of_keras_also_where_places_are_equal(padding, window, strides):
    x = np.random.default_rng(0).normal(size=(2, 7, 10, 3))
    # As after relu: most windows have several zeros, and some nothing else.
    x = jnp.asarray(np.maximum(x, 0), jnp.float32)
    model = keras.Sequential([keras.Input((7, 10, 3)), layers.MaxPooling2D(window, strides, padding)])
    expected = outputs_and_gradient(model, x)
    cpu.use_fast_pooling(model)
    for ours, theirs in zip(outputs_and_gradient(model, x), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("place", [0, 3])
def test_max_pooling_keeps_what_is_not_a_number(place):
    x = np.zeros((1, 2, 2, 1), np.float32)
    x[0, place // 2, place % 2] = np.nan
    model = keras.Sequential([keras.Input((2, 2, 1)), layers.MaxPooling2D()])
    cpu.use_fast_pooling(model)
    assert np.isnan(model(x)).all()


def test_an_option_that_xla_does_not_know_is_left_out(monkeypatch):
    assert cpu.compiler_options() == {} or cpu.compiler_options() is cpu._OWN_CONVOLUTIONS
    monkeypatch.setattr(cpu, "_OWN_CONVOLUTIONS", {"xla_cpu_no_such_option": "1"})
    cpu.compiler_options.cache_clear()
    try:
        assert cpu.compiler_options() == {}
    finally:
        cpu.compiler_options.cache_clear()
