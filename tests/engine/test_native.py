"""The compiled training program: against float64, against XLA's programs, and through whole runs."""

import math
import shutil
import subprocess
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st

from dropstudy.core.types import METRICS, Arm, Condition, Optimizer, Run, Segment
from dropstudy.data.arrays import store_arrays
from dropstudy.data.load import load_dataset
from dropstudy.engine.mlp import dropout, rng
from dropstudy.engine.mlp.config import static_config, traced_config
from dropstudy.engine.mlp.rules import Purpose
from dropstudy.engine.mlp.train import train_group
from dropstudy.engine.native import train as native
from dropstudy.engine.native.build import SOURCE
from dropstudy.engine.native.library import Examples, LayerArrays, Library, Noise, OptimizerNumbers, Running

EPSILON = 2.0**-23
PLAIN, ODD = (32, 16), (37,)


def values(draw, shape, density):
    """Normal numbers, most of them 0 or -0, some denormal."""
    numbers = draw.standard_normal(shape) * (draw.random(shape) < density)
    numbers[draw.random(shape) < 0.02] = 1e-42
    return np.where(draw.random(shape) < 0.5, numbers, -numbers).astype(np.float32)


def network(draw, widths, adam=True):
    layers = []
    for units_in, units_out in pairwise(widths):
        kernel = (draw.standard_normal((units_in, units_out)) / units_in**0.5).astype(np.float32)
        bias = draw.standard_normal(units_out).astype(np.float32)
        moments = [np.zeros_like(kernel), np.zeros_like(bias)]
        layers.append(LayerArrays(kernel, bias, *(np.copy(m) for m in moments * (2 if adam else 1))))
    return layers


ACTIVATED = {  # and its slope, from its value
    "relu": (lambda z: np.maximum(z, 0), lambda h: h > 0),
    "tanh": (np.tanh, lambda h: 1 - h * h),
    "sigmoid": (scipy.special.expit, lambda h: h * (1 - h)),
}


def forward(layers, x, activation="relu"):
    """Activations of each layer in float64, and a bound of the rounding errors of the last ones."""
    activations, bound = [x.astype(np.float64)], np.zeros_like(x, np.float64)
    for number, layer in enumerate(layers):
        kernel = layer.kernel.astype(np.float64)
        z = activations[-1] @ kernel + layer.bias
        # Rounding of a sum of products, in any order (Higham 2002, section 3.1), and of what comes in.
        size = np.abs(activations[-1]) @ np.abs(kernel) + np.abs(layer.bias)
        bound = bound @ np.abs(kernel) + (len(kernel) + 3) * EPSILON * size
        activations.append(ACTIVATED[activation][0](z) if number + 1 < len(layers) else z)
    return activations, bound


@given(
    widths=st.lists(st.integers(1, 150), min_size=2, max_size=4), examples=st.integers(1, 40),
    batch_size=st.integers(1, 40), density=st.sampled_from([0.0, 0.1, 0.5, 1.0]), seed=st.integers(0, 2**32 - 1),
    as_bytes=st.booleans(), activation=st.sampled_from([*ACTIVATED]),
)  # fmt: skip
@settings(max_examples=60)
def test_an_evaluation_is_that_of_the_network(
    library, *, widths, examples, batch_size, density, seed, as_bytes, activation
):
    draw = np.random.default_rng(seed)
    layers = network(draw, widths)
    x = values(draw, (examples, widths[0]), density)
    if as_bytes:
        x = (np.abs(x) * 50).clip(0, 255).astype(np.uint8)
    y = draw.integers(0, widths[-1], examples).astype(np.int32)
    rows = draw.permutation(examples).astype(np.int32)
    scores = library.evaluate(layers, Examples(x, y, 3.0), rows, batch_size=batch_size, activation=activation)
    one_by_one = library.evaluate(layers, Examples(x, y, 3.0), rows, batch_size=1, activation=activation)
    assert (scores.loss == one_by_one.loss).all()
    activations, bound = forward(layers, x[rows].astype(np.float32) / np.float32(3), activation)
    log_p = scipy.special.log_softmax(activations[-1], axis=1)
    near = 4 * bound.max(axis=1) + 1e-5
    assert (np.abs(scores.loss + log_p[np.arange(examples), y[rows]]) <= near).all()
    top = activations[-1].max(axis=1)
    assert (top - activations[-1][np.arange(examples), scores.label] <= near).all()
    p = np.exp(log_p)
    assert np.allclose(scores.confidence, p.max(axis=1), atol=near.max())
    assert np.allclose(scores.likelihood, p[np.arange(examples), y[rows]], atol=near.max())
    assert np.allclose(
        scores.brier, ((p - np.eye(widths[-1])[y[rows]]) ** 2).sum(axis=1), atol=4 * near.max()
    )


@given(
    widths=st.lists(st.integers(1, 90), min_size=2, max_size=4), examples=st.integers(1, 30),
    density=st.sampled_from([0.0, 0.2, 1.0]), seed=st.integers(0, 2**32 - 1), l2=st.sampled_from([0.0, 0.01]),
    activation=st.sampled_from([*ACTIVATED]), biases=st.sampled_from([0, 1]),
)  # fmt: skip
@settings(max_examples=40)
def test_a_step_of_sgd_is_that_of_the_gradient(
    library, *, widths, examples, density, seed, l2, activation, biases
):
    draw = np.random.default_rng(seed)
    layers = network(draw, widths, adam=False)
    for layer in layers:  # without biases, an example of zeros has z = 0, where tanh has a slope of 1
        layer.bias[:] *= biases
    before = [LayerArrays(*(None if a is None else a.astype(np.float64) for a in layer)) for layer in layers]
    x, y = (
        values(draw, (examples, widths[0]), density),
        draw.integers(0, widths[-1], examples).astype(np.int32),
    )
    running = Running()
    step(
        library,
        layers,
        x,
        y,
        OptimizerNumbers(momentum=0.5, l2=l2),
        rate=0.25,
        running=running,
        activation=activation,
    )
    # Without biases, z may be as small as the smallest inputs, which count as 0.
    activations, _ = forward(before, np.where(np.abs(x) < 2.0**-126, 0, x), activation)
    log_p = scipy.special.log_softmax(activations[-1], axis=1)
    p = np.exp(log_p)
    assert running.loss == pytest.approx(-log_p[np.arange(examples), y].sum(), rel=1e-3, abs=1e-3)
    delta = (p - np.eye(widths[-1])[y]) / examples
    for number in reversed(range(len(layers))):
        layer, after = before[number], layers[number]
        gradient = activations[number].T @ delta + 2 * l2 * layer.kernel
        assert np.allclose(after.kernel, layer.kernel - 0.25 * gradient, atol=2e-4, rtol=1e-4)
        assert np.allclose(after.bias, layer.bias - 0.25 * delta.sum(axis=0), atol=2e-4, rtol=1e-4)
        delta = (delta @ layer.kernel.T) * ACTIVATED[activation][1](activations[number])


def step(library, layers, x, y, optimizer, *, rate, running, seed=0, hidden=0.0, activation="relu"):
    """Take one step on all examples."""
    one = np.ones(1, np.float32)
    library.train(
        layers, Examples(x, y, 1.0), np.arange(len(y), dtype=np.int32), seed=seed, batch_size=len(y), first=0,
        first_step=0, learning_rates=one * np.float32(rate),
        hidden_rates=np.full((1, len(layers) - 1), hidden, np.float32),
        input_rates=0 * one, optimizer=optimizer, running=running, activation=activation,
    )  # fmt: skip


def test_numbers_too_small_for_full_precision_count_as_zero(library):
    """Moments of rare inputs fade to them; many processors take a hundred times as long for them."""
    layers = network(np.random.default_rng(0), (3, 20, 2))
    layers[0].m_kernel[:] = 1e-41  # below 2^-126
    layers[0].m_kernel[:, 0] = 1  # so that the rows move
    adam = OptimizerNumbers(adam=1, gain_1=0.1, gain_2=0.001, epsilon=1e-7)
    step(
        library,
        layers,
        np.zeros((4, 3), np.float32),
        np.zeros(4, np.int32),
        adam,
        rate=0.1,
        running=Running(),
    )
    assert not layers[0].m_kernel[:, 1:].any()
    assert np.float32(1e-41) * np.float32(0.5) > 0  # nothing has changed outside


@pytest.mark.parametrize("seed", [0, 7, 2**32 - 1])
def test_draws_are_those_of_the_engine(library, seed):
    key = rng.derive(seed, Purpose.SHUFFLE, 3)
    order = library.permutation(1001, seed=seed, purpose=Purpose.SHUFFLE, when=3)
    assert np.array_equal(order, rng.permutation(key, 1001))
    u = library.uniform(999, seed=seed, purpose=Purpose.INIT, layer=2)
    assert np.array_equal(u, rng.uniform(rng.derive(seed, Purpose.INIT, layer=2), (999,)))


@pytest.mark.parametrize("schedule", ["constant", "early", "late", "ramp", "curriculum", "early-linear"])
def test_schedules_are_those_of_the_engine(schedule):
    run = run_of(Arm("arm", 0.5, schedule=schedule, switch=0.3), epochs=10)
    steps = np.arange(run.steps)
    noise, static = traced_config(run).noise, static_config([run])
    expected = [dropout.schedule_scale(step, noise, static) for step in steps]
    assert np.allclose(native.schedule_scale(run, steps), expected, rtol=1e-6, atol=1e-7)


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


def run_of(arm, *, hidden=PLAIN, epochs=3, **changes):
    condition = Condition(64, hidden, 10, 1237, 100)
    run = Run("key", arm, condition, 3, "relu", Optimizer(), epochs, 0.1, "float32")
    return replace(run, **changes)


def segment_of(run, dataset, *, state=None, done=0, steps=None, held_out=True):
    rows = np.arange(1437, dtype=np.int32)
    validation = rows[:200] if held_out else None
    left = run.steps - done
    return Segment(run, store_arrays(dataset), rows[200:], validation, state, done, min(steps or left, left))


RUNS = {
    "no dropout": run_of(Arm("arm")),
    "dropout": run_of(Arm("arm", 0.5)),
    "everything at once": run_of(
        Arm("arm", 0.5, 0.2, l2=1e-3, max_norm=2.0, schedule="curriculum"),
        optimizer=Optimizer(decay=0.9, epsilon=1e-3),
    ),
    "momentum": run_of(Arm("arm", 0.8, schedule="early"), optimizer=Optimizer("sgd", 0.1, momentum=0.9)),
    "early stopping": run_of(Arm("arm", 0.3), hidden=ODD, epochs=12, restore_best_weights=True, patience=1),
    "the best weights": run_of(Arm("arm", 0.3, schedule="late"), restore_best_weights=True),
    "wider than a panel": run_of(Arm("arm", 0.2), hidden=(300, 129, 1)),
    "a rate for each layer": run_of(
        Arm("arm", (0.6, 0.0, 0.2), 0.1, schedule="ramp"), hidden=(40, 30, 20), restore_best_weights=True
    ),
    "Gaussian noise": run_of(
        Arm("arm", (0.5, 0.2), 0.2, noise="gaussian", max_norm=2.0, schedule="early-linear"), epochs=4
    ),
    "tanh": run_of(Arm("arm", 0.5, 0.2), activation="tanh"),
    "sigmoid": run_of(
        Arm("arm", 0.2, noise="gaussian"), activation="sigmoid", hidden=ODD, optimizer=Optimizer("sgd", 0.5)
    ),
    "batches of 1": run_of(Arm("arm", 0.5), epochs=1, condition=Condition(64, (8,), 10, 1237, 1)),
}

# XLA compiles a program for each run, which takes seconds.
EVERY_DAY = {"everything at once", "early stopping", "Gaussian noise"}


@pytest.mark.parametrize(
    "run",
    [
        pytest.param(run, id=name, marks=() if name in EVERY_DAY else pytest.mark.slow)
        for name, run in RUNS.items()
    ],
)
def test_a_run_is_that_of_xla_up_to_the_order_of_sums(library, digits, run):
    # The test set is watched by the runs that need no validation data.
    segment = segment_of(run, digits, held_out=run.restore_best_weights)
    ours, (theirs,) = native.train_segment(segment, library), train_group((segment,))
    assert ours.done == theirs.done
    assert [row.epoch for row in ours.history] == [row.epoch for row in theirs.history]
    for name in METRICS:
        of = [[getattr(row, name) for row in result.history] for result in (ours, theirs)]
        assert of[0] == pytest.approx(of[1], abs=1e-2 if "accuracy" in name else 1e-3), name
    assert {name: (a.dtype, a.shape) for name, a in ours.state.items()} == {
        name: (a.dtype, a.shape) for name, a in theirs.state.items()
    }
    for name in (name for name in ours.state if name.startswith(("weights/", "running/c"))):
        assert np.allclose(ours.state[name], theirs.state[name], atol=2e-3), name
    assert ours.final.epoch == theirs.final.epoch
    for name in ("clean_loss", "noisy_loss", "loss", "brier"):
        assert getattr(ours.final, name) == pytest.approx(getattr(theirs.final, name), abs=2e-3), name
    for name in ("balanced_accuracy", "auc", "val_balanced_accuracy", "val_auc"):
        assert getattr(ours.final, name) == pytest.approx(getattr(theirs.final, name), abs=1e-2), name
    assert (ours.final.labels == theirs.final.labels).mean() > 0.99
    assert ours.final.labels.dtype == theirs.final.labels.dtype


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
def test_a_run_is_the_same_to_the_bit_wherever_it_is_cut(library, digits, run):
    whole = native.train_segment(segment_of(run, digits), library)
    state, done, history, final = None, 0, (), None
    for steps in (1, 7, 20, run.steps):
        result = native.train_segment(segment_of(run, digits, state=state, done=done, steps=steps), library)
        state, done, history, final = result.state, result.done, history + result.history, result.final
        if final:
            break
    assert history == whole.history
    assert done == whole.done
    assert all(np.array_equal(state[name], whole.state[name]) for name in state if name != "running/seconds")
    assert np.array_equal(final.likelihood, whole.final.likelihood)


@pytest.mark.parametrize("steps", [5, 13])
def test_one_program_continues_where_the_other_stopped(library, digits, steps):
    run = RUNS["early stopping"]

    def ours(segment):
        return native.train_segment(segment, library)

    def theirs(segment):
        return train_group((segment,))[0]

    ends = []
    for first, then in ((ours, theirs), (theirs, ours)):
        stopped = first(segment_of(run, digits, steps=steps))
        ends.append(then(segment_of(run, digits, state=stopped.state, done=stopped.done)))
    assert ends[0].final.epoch == ends[1].final.epoch
    assert ends[0].final.loss == pytest.approx(ends[1].final.loss, abs=2e-3)
    assert ends[0].state.keys() == ends[1].state.keys()


def test_the_caller_keeps_its_state(library, digits):
    run = RUNS["the best weights"]
    state = native.train_segment(segment_of(run, digits, steps=20), library).state
    before = {name: array.copy() for name, array in state.items()}
    native.train_segment(segment_of(run, digits, state=state, done=20), library)
    assert all(np.array_equal(before[name], state[name]) for name in state)


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_weights_that_are_not_finite_are_seen(library, wrong):
    draw = np.random.default_rng(0)
    layers = network(draw, (20, 30, 4))
    layers[0].kernel[3, 5] = wrong
    x, y = np.ones((6, 20), np.float32), np.zeros(6, np.int32)
    running = Running()
    step(library, layers, x, y, OptimizerNumbers(1, 0.1, 0.001, 1e-7), rate=0.001, running=running)
    assert not math.isfinite(running.loss)


def test_a_run_that_diverges_ends_as_it_does_with_xla(library, digits):
    run = run_of(Arm("arm"), optimizer=Optimizer("sgd", 1e20), epochs=4)
    ours, (theirs,) = (
        native.train_segment(segment_of(run, digits), library),
        train_group((segment_of(run, digits),)),
    )
    assert ours.diverged
    assert theirs.diverged
    assert (ours.final, ours.done, len(ours.history)) == (None, theirs.done, len(theirs.history))


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_gaussian_factors_are_the_normal_quantiles_of_the_draws(library, rate):
    """Each factor is the distance between the logits of two classes; scipy has the quantiles."""
    examples = 60_000
    kernel, none = np.array([[1, 0]], np.float32), np.zeros(2, np.float32)
    noise = Noise.of(5, 7, none[:0], rate, gaussian=True)
    scores = library.evaluate(
        [LayerArrays(kernel, none)],
        Examples(np.full((examples, 1), 0.25, np.float32), np.zeros(examples, np.int32), 1.0),
        np.arange(examples, dtype=np.int32), batch_size=examples, noise=noise, probabilities=True,
    )  # fmt: skip
    factors = 4 * scipy.special.logit(scores.probabilities.astype(np.float64))[:, 0]
    u = library.uniform(examples, seed=5, purpose=Purpose.INPUT_MASK, when=7).astype(np.float64)
    expected = 1 + (rate / (1 - rate)) ** 0.5 * scipy.special.ndtri(u + 2.0**-25)
    assert np.allclose(factors, expected, atol=2e-5)
    assert np.abs(expected).max() > 4 * (rate / (1 - rate)) ** 0.5  # both branches of the quantile


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_masks_are_nested_and_of_their_rate(library, rate):
    """Noise on the inputs of a network that hands them on: each is 0 or x / (1 - rate), where u >= rate."""
    n, features = 50, 70
    x, y = np.full((n, features), 2.0, np.float32), np.zeros(n, np.int32)
    u = np.asarray(rng.uniform(rng.derive(9, Purpose.INPUT_MASK, 4), (n, features)))
    mask = np.where(u >= rate, 2 / (1 - np.float32(rate)), 0)
    layers = [LayerArrays(np.eye(features, dtype=np.float32), np.zeros(features, np.float32))]
    noise = Noise(seed=9, step=4, inputs=rate)
    scores = library.evaluate(
        layers, Examples(x, y, 1.0), np.arange(n, dtype=np.int32), batch_size=n, noise=noise
    )
    assert np.allclose(scores.loss, scipy.special.logsumexp(mask, axis=1) - mask[:, 0], rtol=1e-5)


def test_equal_rates_of_all_layers_are_one_rate_to_the_bit(library, digits):
    one, both = (
        native.train_segment(segment_of(run_of(Arm("arm", rate), hidden=(40, 30)), digits), library)
        for rate in (0.3, (0.3, 0.3))
    )
    assert one.history == both.history
    assert one.final.noisy_loss == both.final.noisy_loss
    assert all(np.array_equal(one.state[name], both.state[name]) for name in trained(one))


def trained(result):
    return [name for name in result.state if name.startswith(("weights/", "m/", "v/"))]


def test_a_library_of_another_interface_is_refused(tmp_path):
    if not shutil.which("c++"):
        pytest.skip("no C++ compiler")
    source, path = tmp_path / "other.cc", tmp_path / "other.so"
    source.write_text('extern "C" int dropstudy_version() { return -1; }')
    subprocess.run(["c++", "-shared", "-fPIC", "-o", path, source], check=True)  # noqa: S603, S607 - ours
    with pytest.raises(OSError, match="has interface -1"):
        Library(path)


_ON_ARM = """
#include "{source}"
#include <cstdio>
int main() {{
  float w1[20 * 70], b1[70] = {{}}, w2[70 * 3], b2[3] = {{}};
  float m1[20 * 70] = {{}}, m2[70 * 3] = {{}}, c1[70] = {{}}, c2[3] = {{}};
  float v1[20 * 70] = {{}}, v2[70 * 3] = {{}}, d1[70] = {{}}, d2[3] = {{}}, x[40 * 20];
  int32_t y[40], rows[40], widths[] = {{20, 70, 3}};
  for (int i = 0; i < 20 * 70; i++) w1[i] = ((i * 7919) % 101 - 50) / 400.0f;
  for (int i = 0; i < 70 * 3; i++) w2[i] = ((i * 104729) % 97 - 48) / 200.0f;
  for (int i = 0; i < 40 * 20; i++) x[i] = (i * 31) % 3 ? 0 : (i % 13) / 7.0f;
  for (int i = 0; i < 40; i++) y[i] = i % 3, rows[i] = i;
  Arrays arrays[] = {{{{w1, b1, m1, c1, v1, d1}}, {{w2, b2, m2, c2, v2, d2}}}};
  Network network = {{2, kRelu, widths, arrays}};
  Examples data = {{x, 0, 1.0f, y}};
  float rate[] = {{.01f, .01f, .01f, .01f}}, hidden[] = {{.5f, .5f, .5f, .5f}}, inputs[] = {{.1f, .1f, .1f, .1f}};
  Epoch epoch = {{rows, 40, 12, 0, 4, 0, 5, 0, rate, hidden, inputs}};
  Optimizer optimizer = {{1, .1f, .001f, 1e-7f, 0, 1e-3f, 1.0f}};
  Running running = {{0, 0, 0}};
  int failed = 0;
  for (Activation activation : {{kRelu, kTanh, kSigmoid}}) {{
    network.activation = activation;
    epoch.gaussian = activation == kTanh;
    failed |= dropstudy_train(&network, &data, &epoch, &optimizer, &running);
  }}
  std::printf("%d %.9g %d", failed, running.loss, running.correct);
  for (float w : w1) std::printf(" %.9g", w);
  for (float w : w2) std::printf(" %.9g", w);
}}
"""


@pytest.mark.slow
@pytest.mark.skipif(
    not all(map(shutil.which, ("c++", "aarch64-linux-gnu-g++", "qemu-aarch64"))),
    reason="needs a cross compiler and an emulator for aarch64 (g++-aarch64-linux-gnu, qemu-user)",
)
def test_numbers_with_neon_are_those_of_this_processor(tmp_path):
    source = tmp_path / "main.cc"
    source.write_text(_ON_ARM.format(source=SOURCE))
    flags = ["-O3", "-std=c++17", "-fno-math-errno", "-static", source]
    subprocess.run(["aarch64-linux-gnu-g++", *flags, "-o", tmp_path / "arm"], check=True)  # noqa: S603, S607 - ours
    subprocess.run(["c++", "-march=native", *flags, "-o", tmp_path / "here"], check=True)  # noqa: S603, S607 - ours
    commands = (["qemu-aarch64", tmp_path / "arm"], [tmp_path / "here"])
    arm, here = (
        np.array(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split(), float)  # noqa: S603 - ours
        for command in commands
    )
    assert arm[0] == here[0] == 0
    assert arm[2] == here[2]
    assert np.allclose(arm, here, rtol=1e-4, atol=1e-5)
