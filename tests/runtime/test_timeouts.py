"""How long a worker may be silent: by what was measured, and never so short that a slow one is taken for dead."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from dropstudy.core.types import Condition
from dropstudy.runtime.timeouts import AT_LEAST, TIMES, Patience
from standin import make_run, segment_of

SECONDS = st.floats(1e-3, 1e5)
EPOCHS = st.integers(1, 1000)

NOTEBOOK = Condition(784, (512, 512), 10, 60_000, 128)
SMALL = Condition(64, (16,), 10, 1437, 128)


def segments(*, epochs=1, condition=NOTEBOOK, lanes=1):
    run = replace(make_run(epochs=epochs), condition=condition)
    return (segment_of(run, epochs=epochs),) * lanes


@given(measured=EPOCHS, seconds=SECONDS, epochs=EPOCHS)
def test_a_segment_may_take_many_times_what_the_slowest_of_its_shape_took_an_epoch(measured, seconds, epochs):
    patience = Patience()
    patience.learn(segments(epochs=measured), seconds)
    patience.learn(segments(epochs=measured), seconds / 2)
    allowed = patience.allowed(segments(epochs=epochs))
    assert allowed >= AT_LEAST
    assert allowed >= TIMES * seconds * epochs / measured * (1 - 1e-9)
    assert allowed <= AT_LEAST + TIMES * seconds * epochs / measured * (1 + 1e-9)


@given(seconds=SECONDS)
def test_what_was_measured_of_one_shape_says_nothing_of_another(seconds):
    patience = Patience()
    before = patience.allowed(segments(condition=SMALL))
    patience.learn(segments(condition=NOTEBOOK), seconds)
    assert patience.allowed(segments(condition=SMALL)) == before
    assert patience.expected(segments(condition=SMALL)) is None


@given(epochs=EPOCHS, lanes=st.integers(1, 64))
def test_before_anything_is_measured_a_computer_a_hundred_times_slower_than_a_laptop_core_is_given_its_time(
    epochs, lanes
):
    """A core of 2020 makes more than 10 thousand million operations a second in such products."""
    multiplications = NOTEBOOK.parameters * NOTEBOOK.train_size * epochs * lanes
    operations = 2 * 3 * multiplications  # and additions; forward, and twice that for the gradients
    assert Patience().allowed(segments(epochs=epochs, lanes=lanes)) > 100 * operations / 1e10


def test_a_hang_in_the_first_segment_is_found_in_the_end():
    assert Patience().allowed(segments()) < 2 * 3600
    assert Patience().allowed(segments(condition=SMALL)) < 3600
