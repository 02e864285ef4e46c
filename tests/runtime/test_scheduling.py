"""Length of segments and order of groups, and the time that a study takes with them."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dropstudy.core.types import Arm, Condition, DataReference, Optimizer, Run, Segment, SegmentResult
from dropstudy.runtime import scheduling
from dropstudy.runtime.scheduling import (
    MAX_OVERHEAD,
    MAX_SEGMENT_SECONDS,
    MIN_SEGMENT_SECONDS,
    SEGMENT_SECONDS,
    first_steps,
    makespan,
    max_started,
    next_group,
    next_segments,
)
from dropstudy.store.store import Store
from fake_training import SECONDS, Recorder, make_run, run_key, train
from file_systems import quick_folder
from kill_points import META
from simulated_workers import SimulatedWorkers, train_on

DATA = DataReference("0" * 64, 255.0)


def run_of(train_size=60_000, hidden=(512, 512), epochs=20, batch_size=128):
    condition = Condition(784, hidden, 10, train_size, batch_size)
    return Run("key", Arm("arm"), condition, 0, "relu", Optimizer(), epochs, "test", "float32")


def after(run, done, steps, seconds, state_bytes=100):
    """A segment that took `seconds`, and its result."""
    state = {"weights": np.zeros(state_bytes, np.uint8)}
    segment = Segment(run, DATA, np.arange(1, dtype=np.int32), None, None, done, steps)
    return segment, SegmentResult((), state, done + steps, seconds, None, diverged=False, device="")


# --- length of segments ---


@given(
    train_size=st.integers(1, 10**7),
    epochs=st.integers(1, 50),
    step_seconds=st.floats(1e-6, 100),
    share=st.floats(0, 0.999),
)
def test_segments_last_some_seconds_and_end_with_an_epoch_where_one_fits(
    train_size, epochs, step_seconds, share
):
    run = run_of(train_size, epochs=epochs)
    done = int(share * run.steps)
    steps = min(10, run.steps - done)
    last, result = after(run, done, steps, step_seconds * steps)
    if result.done == run.steps:
        return
    (following,) = next_segments([(last, result)])
    assert (following.done, following.state) == (result.done, result.state)
    assert 1 <= following.steps <= run.steps - following.done
    end = following.done + following.steps
    step_seconds = max(step_seconds, 1e-3 / steps)  # no clock is trusted below a millisecond
    assert following.steps == 1 or following.steps * step_seconds <= SEGMENT_SECONDS * 1.0001
    if end % run.condition.steps:  # ends within an epoch only if the end of the epoch does not fit
        assert following.steps < run.condition.steps
        assert end // run.condition.steps == following.done // run.condition.steps
        assert (following.steps + 1) * step_seconds > SEGMENT_SECONDS * 0.999


def test_segments_with_a_large_state_are_longer():
    run = run_of(epochs=10_000)
    small, large = (after(run, 469, 469, 0.1, size) for size in (10**6, 10**8))
    short, long = (next_segments([pair])[0].steps * 0.1 / 469 for pair in (small, large))
    assert short == pytest.approx(SEGMENT_SECONDS, rel=0.05)
    assert long == pytest.approx(10**8 / scheduling._TRANSFER_RATE / MAX_OVERHEAD, rel=0.05)
    (shared,) = next_segments([large], link_users=40)  # as long as the link needs for the states of 40
    assert shared.steps * 0.1 / 469 == pytest.approx(
        40 * 10**8 / scheduling._TRANSFER_RATE / MAX_OVERHEAD, rel=0.05
    )
    several = next_segments([large] * 100)
    assert len(several) == 100
    assert several[0].steps * 0.1 / 469 == pytest.approx(MAX_SEGMENT_SECONDS, rel=0.05)


@pytest.mark.parametrize("done", [0, 5, 469, 900])
def test_the_first_segment_of_the_notebooks_network_ends_with_the_epoch(done):
    assert (done + first_steps(run_of(), done)) % 469 == 0


def test_the_first_segment_of_a_large_network_is_a_part_of_an_epoch():
    large = run_of(hidden=(8192, 8192), train_size=10**7)
    assert 1 <= first_steps(large, 0) < 100
    assert first_steps(run_of(hidden=(10**6, 10**6), train_size=10**7), 0) == 1


@given(share=st.floats(0, 100))
def test_a_segment_has_at_most_half_of_the_remaining_work_per_worker(share):
    """The share in seconds here."""
    run = run_of(epochs=10_000)
    operations = share / 0.002 * scheduling.step_operations(run)
    (following,) = next_segments([after(run, 469, 469, 469 * 0.002)], operations)
    longest = min(SEGMENT_SECONDS, max(share / 2, MIN_SEGMENT_SECONDS))
    assert following.steps <= longest / 0.002 + 1
    assert following.steps >= min(longest / 0.002 - 1, 469)


# --- order of groups ---


def study(lengths, count):
    """Train runs of these epochs: seconds taken, keys in the order of segments, most runs in progress at once."""
    runs = tuple(make_run(f"run {number}", epochs=epochs) for number, epochs in enumerate(lengths))
    workers, segments = SimulatedWorkers([0.0] * count), []

    def logged(segment):
        segments.append(segment.run.key)
        return train(segment)

    with quick_folder() as folder, Store(folder / "study", create=True) as store:
        store.begin(META, runs)
        train_on(workers, store, runs, logged, Recorder())
        assert set(store.status().values()) == {"done"}
    last = {key: place for place, key in enumerate(segments)}
    first = {key: segments.index(key) for key in last}
    started = max(sum(first[key] <= place <= last[key] for key in last) for place in range(len(segments)))
    return workers.now, segments, started


@pytest.mark.slow
@given(lengths=st.lists(st.integers(1, 24), min_size=1, max_size=14), count=st.integers(1, 6))
@example(lengths=[20] * 4, count=2)
@example(lengths=[20] * 3, count=2)
@example(lengths=[20] * 9, count=4)
@example(lengths=[24] + [3] * 12, count=4)
@settings(max_examples=60, deadline=None)
def test_a_study_takes_the_optimal_makespan_and_a_segment_at_most(lengths, count):
    """The bound: McNaughton 1959; a segment of fake_training is two epochs, and no run is stopped within it."""
    seconds, _, started = study(lengths, count)
    optimal = makespan([SECONDS * epochs for epochs in lengths], count)
    assert optimal - 1e-6 <= seconds <= optimal + 2 * SECONDS + 1e-6
    assert started <= max_started(count)


def test_four_runs_on_two_workers_take_as_long_as_two_runs():
    """Three that alternate, and then the fourth alone, would take two and a half."""
    seconds, _, _ = study([40] * 4, 2)
    assert seconds <= 2 * 40 * SECONDS + SECONDS


def test_runs_that_start_first_end_first():
    _, segments, started = study([12] * 10, 2)
    order = list(dict.fromkeys(segments))
    assert order == [run_key(f"run {number}") for number in range(10)]
    assert max(map(segments[::-1].index, order[6:])) < min(map(segments[::-1].index, order[:3]))
    assert started <= 4


@given(st.lists(st.floats(0, 1e6), max_size=20), st.integers(1, 9))
def test_no_schedule_is_shorter_than_the_makespan(lengths, count):
    shortest = makespan(lengths, count)
    assert shortest >= max(lengths, default=0)
    assert shortest * count >= sum(lengths) * (1 - 1e-12)
    assert shortest in {0.0, max(lengths, default=0.0), sum(lengths) / count}


@pytest.mark.parametrize("workers", [1, 3])
def test_one_more_group_than_workers_is_dispatched(workers):
    full = [5.0] * (workers + 1)
    assert next_group([5.0] * 9, full[:-1], share=100.0, workers=workers, segment=1.0) == 0
    assert next_group([5.0] * 9, full, share=100.0, workers=workers, segment=1.0) is None
    assert next_group([], [], share=0.0, workers=workers, segment=0.0) is None


def test_the_critical_group_goes_first_and_has_a_free_worker():
    assert next_group([6.0, 14.5], [9.5], share=15.0, workers=2, segment=1.0) == 1
    assert next_group([6.0, 13.0], [11.0], share=15.0, workers=2, segment=1.0) == 0
    assert next_group([6.0], [14.5, 9.5], share=15.0, workers=2, segment=1.0) is None
