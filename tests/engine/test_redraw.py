"""A source that is drawn anew changes, and nothing else does: in each training program."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

import keras_models
import small_runs
from dropstudy.core.types import Arm, other_seed
from dropstudy.data.load import load_dataset
from dropstudy.engine.keras import train as keras_train
from dropstudy.engine.keras.network import network_of
from dropstudy.engine.mlp.train import train_group
from dropstudy.engine.native import train as native
from keras_models import described, plain_cnn

SEED = 3
OTHER = other_seed(SEED)


def xla(_):
    digits = load_dataset("digits")
    return (
        lambda segment: train_group((segment,))[0],
        lambda rate, seed, **how: small_runs.segment_of(
            small_runs.run_on(
                digits, arm=Arm("arm", rate, rate / 2), seed=seed, epochs=1, **how.pop("run", {})
            ),
            digits,
            **how,
        ),
    )


def compiled(request):
    return partial(native.train_segment, library=request.getfixturevalue("library")), xla(request)[1]


def keras_model(_):
    data = keras_models.data()
    model = described(plain_cnn, data)
    return keras_train.train_segment, lambda rate, seed, run=None, **how: keras_models.segment(
        data, model, rate=rate, seed=seed, epochs=1, **(run or {}), **how
    )


@pytest.fixture(
    scope="module",
    params=[compiled, *(pytest.param(slow, marks=pytest.mark.slow) for slow in (xla, keras_model))],
)
def program(request):
    """Train with rate, seed and what is drawn anew, from given initial values: the weights at the end."""
    train, segment = request.param(request)

    def trained(rate, seed, redraw=None, *, start=None):
        state = None
        if start is not None:  # all that a run starts from, before its first step
            state = train(replace(segment(rate, start, steps=1), steps=0)).state
        return weights(train(segment(rate, seed, run={"redraw": redraw}, state=state)))

    return trained


def weights(result):
    return {name: array for name, array in result.state.items() if name.startswith("weights/")}


def equal(first, second):
    return first.keys() == second.keys() and all(np.array_equal(first[name], second[name]) for name in first)


def test_other_initial_weights_alone(program):
    anew = program(0.5, SEED, "weights")
    assert equal(anew, program(0.5, SEED, start=OTHER))
    assert not equal(anew, program(0.5, SEED))


def test_another_order_alone(program):
    """Without noise, weights and order are all that a run draws."""
    anew = program(0.0, SEED, "order")
    assert equal(anew, program(0.0, OTHER, start=SEED))
    assert not equal(anew, program(0.0, SEED))


def test_other_masks_alone(program):
    anew = program(0.5, SEED, "masks")
    assert equal(anew, program(0.5, OTHER, "order", start=SEED))
    assert not equal(anew, program(0.5, SEED))


def test_without_noise_other_masks_are_none(program):
    assert equal(program(0.0, SEED, "masks"), program(0.0, SEED))


def test_other_rows_are_not_the_programs_affair(program):
    """A program trains on the rows that its segment names."""
    assert equal(program(0.5, SEED, "split"), program(0.5, SEED))


@pytest.mark.slow
def test_generators_of_other_layers_of_a_model_belong_to_the_masks():
    network = network_of(described(plain_cnn, keras_models.data())[0])
    drawn, weights, masks = (
        network.pack(network.initial(*seeds)[0]) for seeds in ((SEED, OTHER), (SEED,), (OTHER,))
    )
    for name, array in drawn.items():
        assert np.array_equal(array, (masks if name.startswith("seeds/") else weights)[name])
    assert any(name.startswith("seeds/") for name in drawn)


@pytest.mark.parametrize("source", ["weights", "order", "masks"])
def test_a_run_with_one_source_anew_is_the_same_to_the_bit_wherever_it_is_cut(request, source):
    train, segment = compiled(request)
    run = {"redraw": source}
    whole = train(segment(0.5, SEED, run=run))
    first = train(segment(0.5, SEED, run=run, steps=7))
    second = train(segment(0.5, SEED, run=run, state=first.state, done=7))
    assert equal(weights(whole), weights(second))
    assert whole.history == second.history
