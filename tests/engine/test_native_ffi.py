"""Native products and Adam, compared with float64, with XLA's kernels, and in whole runs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dropstudy.core.types import Arm, Optimizer
from dropstudy.data.load import load_dataset
from dropstudy.engine.mlp import network
from dropstudy.engine.mlp.config import Products, static_config
from dropstudy.engine.mlp.train import train_group
from dropstudy.engine.native import ffi
from small_runs import run_on, segment_of, train_segment

pytestmark = pytest.mark.usefixtures("our_kernels")

# The fixture sets an environment variable once for all examples, as intended.
of_any_shape = settings(
    deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
sizes = st.integers(1, 70)
types = st.sampled_from(["float32", "bfloat16"])
EPSILON = 2.0**-23


def matrix(rng, rows, columns, kind):
    return jnp.asarray(rng.standard_normal((rows, columns)), kind)


def sparse(rng, examples, features, kind):
    """Examples in which columns, rows and single numbers are 0 or -0."""
    x = rng.standard_normal((examples, features)) * (rng.random((examples, features)) > 0.5)
    x[:, rng.random(features) < 0.4] = 0
    x[rng.random(examples) < 0.3] = -0.0
    return jnp.asarray(x, kind)


def exact(array):
    return np.asarray(array, np.float64)


@given(rows=sizes, inner=sizes, columns=sizes, kind=types, axis=st.integers(0, 1), seed=st.integers(0, 99))
@of_any_shape
def test_a_product_is_that_of_its_operands(*, rows, inner, columns, kind, axis, seed):
    rng = np.random.default_rng(seed)
    left, right = matrix(rng, rows, inner, kind), sparse(rng, columns, inner, kind)
    product = np.asarray(ffi.multiply(left, right if axis else right.T, axis))
    # The rounding error of a sum of products, in whatever order: Higham 2002, section 3.1.
    bound = (inner + 1) * EPSILON * (np.abs(exact(left)) @ np.abs(exact(right)).T)
    assert product.dtype == np.float32
    assert (np.abs(product - exact(left) @ exact(right).T) <= bound + 1e-30).all()


@pytest.mark.parametrize("kind", ["float32", "bfloat16"])
@pytest.mark.parametrize("axis", [0, 1])
def test_skipping_zeros_changes_no_bit(kind, axis):
    rng = np.random.default_rng(0)
    left, x = np.asarray(matrix(rng, 40, 200, kind)), np.array(sparse(rng, 64, 200, kind))
    used = np.arange(200) % 10 < 4  # pairs, as bfloat16 is multiplied in pairs
    x[:, ~used] = 0
    right, fewer = (jnp.asarray(each if axis else each.T) for each in (x, x[:, used]))
    whole = ffi.multiply(jnp.asarray(left), right, axis)
    assert np.array_equal(whole, ffi.multiply(jnp.asarray(left[:, used]), fewer, axis))


def test_a_product_does_not_depend_on_other_examples_of_the_batch():
    rng = np.random.default_rng(1)
    left, x = matrix(rng, 33, 90, "float32"), sparse(rng, 75, 90, "float32")
    together = np.asarray(ffi.multiply(left, x, 1))
    for first in (0, 31, 32, 74):
        assert np.array_equal(ffi.multiply(left, x[first : first + 1], 1)[:, 0], together[:, first])


@given(
    units=sizes, inputs=sizes, examples=sizes, kind=types, axis=st.integers(0, 1), with_transpose=st.booleans(),
    seed=st.integers(0, 99),
)  # fmt: skip
@of_any_shape
def test_an_update_is_adam_on_the_product(*, units, inputs, examples, kind, axis, with_transpose, seed):
    rng = np.random.default_rng(seed)
    delta, x = matrix(rng, units, examples, kind), sparse(rng, examples, inputs, kind)
    w, m = (matrix(rng, units, inputs, "float32") for _ in range(2))
    v = jnp.square(matrix(rng, units, inputs, "float32"))
    alpha, one_minus_beta_1, one_minus_beta_2, epsilon, penalty = numbers = (1e-2, 0.1, 1e-3, 1e-7, 0.05)
    forward = jnp.zeros_like(w, dtype=kind) if kind == "bfloat16" else None
    backward = jnp.zeros((inputs, units), kind) if with_transpose else None
    before = ffi.Layer(w, m, v, forward, backward)
    after = ffi.update(
        delta, x.T if axis else x, axis, before=before, numbers=jnp.asarray(numbers, jnp.float32)
    )
    gradient = exact(delta) @ exact(x) + penalty * exact(w)
    m_new = exact(m) + (gradient - exact(m)) * one_minus_beta_1
    v_new = exact(v) + (gradient**2 - exact(v)) * one_minus_beta_2
    w_new = exact(w) - alpha * m_new / (np.sqrt(v_new) + epsilon)
    size = np.abs(exact(delta)) @ np.abs(exact(x)) + np.abs(exact(w)) + np.abs(exact(m)) + 1
    slack = (examples + 8) * EPSILON * size
    assert (np.abs(after.m_OxI - m_new) <= slack).all()
    assert (np.abs(after.v_OxI - v_new) <= slack * size + 4 * EPSILON * exact(v)).all()
    # Exactly Adam's step from the moments that it left.
    step = alpha * exact(after.m_OxI) / (np.sqrt(exact(after.v_OxI)) + epsilon)
    assert np.allclose(after.kernel_OxI, exact(w) - step, rtol=1e-6, atol=1e-6)
    assert np.allclose(after.kernel_OxI, w_new, rtol=1e-3, atol=1e-3)
    if forward is not None:
        assert np.array_equal(after.forward_OxI, after.kernel_OxI.astype(kind))
    if with_transpose:
        assert np.array_equal(after.backward_IxO, after.kernel_OxI.T.astype(kind))
    assert (after.forward_OxI is None, after.backward_IxO is None) == (forward is None, backward is None)


@pytest.mark.parametrize("kind", ["float32", "bfloat16"])
@pytest.mark.parametrize("features", [1, 15, 16, 97])
def test_gathered_pixels_are_divided_as_numpy_divides(features, kind):
    # XLA multiplies by the reciprocal, which is off by a bit now and then.
    rng = np.random.default_rng(0)
    pixels, rows = rng.integers(0, 256, (300, features), np.uint8), rng.integers(0, 300, 77, np.int32)
    products = Products(kind, native=True)
    taken = network.load_rows(jnp.asarray(pixels), jnp.asarray(rows), np.float32(255), products)
    assert taken.dtype == kind
    assert np.array_equal(taken, jnp.asarray(pixels[rows].astype(np.float32) / np.float32(255), kind))


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


def digits_run(digits, arm=None, *, hidden=(32, 17), batch_size=50, **changes):
    return run_on(digits, arm=arm, hidden=hidden, batch_size=batch_size, **changes)


def with_xla(run, digits, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(ffi, "precisions", frozenset)
        return train_segment(segment_of(run, digits))


VARIANTS = [
    (Arm("penalty", 0.5, l2=1e-3), {"hidden": (33, 1, 8), "batch_size": 33}),
    (Arm("limit", 0.3, input_rate=0.2, noise="gaussian", max_norm=2.0), {}),
    (Arm("dropout", 0.5), {"optimizer": Optimizer("sgd", learning_rate=0.1, momentum=0.9)}),
]


@pytest.mark.parametrize(("arm", "changes"), VARIANTS, ids=["penalty", "limit", "sgd"])
def test_a_run_equals_that_of_xlas_kernels(arm, changes, digits, monkeypatch):
    run = digits_run(digits, arm, epochs=1, **changes)
    assert static_config([run]).native
    ours, theirs = train_segment(segment_of(run, digits)), with_xla(run, digits, monkeypatch)
    assert ours.history[0].loss == pytest.approx(theirs.history[0].loss, rel=1e-4)
    assert ours.final.loss == pytest.approx(theirs.final.loss, rel=1e-4)
    assert ours.state.keys() == theirs.state.keys()
    for name, values in theirs.state.items():
        if name.startswith("weights/"):
            assert np.linalg.norm(ours.state[name] - values) <= 1e-4 * np.linalg.norm(values) + 1e-6, name


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_run_cut_at_any_step_is_the_same_to_the_bit(precision, digits, monkeypatch):
    monkeypatch.setattr(ffi, "precisions", lambda: frozenset({"float32", "bfloat16"}))
    run = digits_run(digits, precision=precision, rate=0.5)
    straight = train_segment(segment_of(run, digits))
    state, done = None, 0
    for cut in (1, 2, 30, 31, run.condition.steps * 2 + 5, run.condition.steps * 3):
        piece = train_segment(segment_of(run, digits, state=state, done=done, steps=cut - done))
        state, done = piece.state, cut
    assert piece.final.loss == straight.final.loss
    for name, values in straight.state.items():
        if name != "running/seconds":
            assert np.array_equal(state[name], values), name


@pytest.mark.parametrize(("hidden", "ours"), [((512, 512), True), ((64, 64), False)])
def test_tiny_products_are_left_to_xla(digits, monkeypatch, hidden, ours):
    monkeypatch.setattr(ffi, "MIN_MULTIPLICATIONS", 2_000_000)
    assert static_config([digits_run(digits, hidden=hidden, batch_size=128)]).native == ours


def test_runs_side_by_side_are_left_to_xla(digits):
    runs = [digits_run(digits, rate=rate, epochs=1) for rate in (0.0, 0.5)]
    assert not static_config(runs).native
    for run, lane in zip(runs, train_group(tuple(segment_of(run, digits) for run in runs)), strict=True):
        alone = train_segment(segment_of(run, digits))
        assert lane.history[0].loss == pytest.approx(alone.history[0].loss, rel=1e-4)


def test_a_run_that_diverges_is_reported(digits):
    optimizer = Optimizer("sgd", learning_rate=1e30)
    assert train_segment(segment_of(digits_run(digits, optimizer=optimizer), digits)).diverged
    adam = Optimizer(learning_rate=1e30)
    assert train_segment(segment_of(digits_run(digits, optimizer=adam), digits)).diverged


def test_a_step_keeps_no_second_copy_of_the_weights():
    # XLA copies what a kernel overwrites if another operation may still read it: 0.1 ms of a step's 2.4 ms.
    layer = ffi.Layer(*(jnp.ones((64, 64)) for _ in range(3)), None, jnp.ones((64, 64)))
    x = jnp.ones((64, 16))

    def steps(layer):
        def step(_, layer):
            delta = ffi.multiply(layer.kernel_OxI, x, 0)
            below = ffi.multiply(layer.backward_IxO, delta, 0)
            return ffi.update(delta, x, 1, before=layer, numbers=jnp.ones(5), after=(below,))

        return jax.lax.fori_loop(0, 9, step, layer)

    program = jax.jit(steps, donate_argnums=0).lower(layer).compile().as_text()
    assert "dropstudy_update" in program
    assert "f32[64,64]{1,0} copy(" not in program
