"""Length of segments: some seconds for any condition, within a run, in whole epochs where they fit."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropstudy.core.types import Arm, Condition, DataReference, Optimizer, Run, Segment, SegmentResult
from dropstudy.runtime import segments

DATA = DataReference("0" * 64, 255.0)


def run_of(train_size=60_000, hidden=(512, 512), epochs=20, batch_size=128):
    condition = Condition(784, hidden, 10, train_size, batch_size)
    return Run("key", Arm("arm"), condition, 0, "relu", Optimizer(), epochs, "test", "float32")


def after(run, done, steps, seconds, state_bytes=100):
    """A segment that took `seconds`, and its result."""
    state = {"weights": np.zeros(state_bytes, np.uint8)}
    segment = Segment(run, DATA, np.arange(1, dtype=np.int32), None, None, done, steps)
    return segment, SegmentResult((), state, done + steps, seconds, None, diverged=False, device="")


@given(
    train_size=st.integers(1, 10**7),
    epochs=st.integers(1, 50),
    a_step=st.floats(1e-6, 100),
    share=st.floats(0, 0.999),
)
def test_segments_last_some_seconds_and_end_with_an_epoch_where_one_ends(train_size, epochs, a_step, share):
    run = run_of(train_size, epochs=epochs)
    done = int(share * run.steps)
    took = min(10, run.steps - done)
    last, result = after(run, done, took, a_step * took)
    if result.done == run.steps:
        return
    (following,) = segments.next_segments([(last, result)])
    assert (following.done, following.state) == (result.done, result.state)
    assert 1 <= following.steps <= run.steps - following.done
    end = following.done + following.steps
    a_step = max(a_step, 1e-3 / took)  # no clock is trusted below a millisecond
    fits = following.steps * a_step <= segments.SECONDS * 1.0001
    assert fits or following.steps == 1
    # Inside an epoch only where no end of one could be reached in time.
    if end % run.condition.steps:
        assert following.steps < run.condition.steps
        assert end // run.condition.steps == following.done // run.condition.steps
        assert (following.steps + 1) * a_step > segments.SECONDS * 0.999


def test_what_is_costly_to_hand_over_trains_longer():
    run = run_of(epochs=10_000)
    small, large = (after(run, 469, 469, 0.1, size) for size in (10**6, 10**8))
    short, long = (segments.next_segments([pair])[0].steps * 0.1 / 469 for pair in (small, large))
    assert short == pytest.approx(segments.SECONDS, rel=0.05)
    assert long == pytest.approx(10**8 / segments._BYTES_A_SECOND / segments.OVERHEAD, rel=0.05)
    several = segments.next_segments([large] * 100)
    assert len(several) == 100
    assert several[0].steps * 0.1 / 469 == pytest.approx(segments.LONGEST, rel=0.05)


@pytest.mark.parametrize("done", [0, 5, 469, 900])
def test_the_first_segment_of_the_notebooks_network_is_an_epoch(done):
    assert (done + segments.first_steps(run_of(), done)) % 469 == 0


def test_the_first_segment_of_a_large_network_is_a_part_of_an_epoch():
    large = run_of(hidden=(8192, 8192), train_size=10**7)
    steps = segments.first_steps(large, 0)
    assert 1 <= steps < 100
    assert (
        segments.first_steps(replace(large, condition=replace(large.condition, hidden=(10**6, 10**6))), 0)
        == 1
    )


@given(share=st.floats(0, 100))
def test_segments_are_half_of_what_a_worker_has_before_it_at_most(share):
    """The share in seconds here."""
    run = run_of(epochs=10_000)
    last, result = after(run, 469, 469, 469 * 0.002)
    operations = share / 0.002 * segments.operations(run)
    (following,) = segments.next_segments([(last, result)], operations)
    longest = min(segments.SECONDS, max(share / 2, segments.SHORTEST))
    assert following.steps <= longest / 0.002 + 1
    assert following.steps >= min(longest / 0.002 - 1, 469)
