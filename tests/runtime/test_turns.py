"""Scheduling order, and the time that a study takes with it."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clockwork import Clockwork, train_on
from dropstudy.runtime.turns import makespan, most_under_way, next_turn
from dropstudy.store.store import Store
from file_systems import quick_folder
from killing import META
from standin import SECONDS, Recorder, key_of, make_run, train

SEGMENT = 2 * SECONDS  # of the stand-in: two epochs


def study(lengths, count):
    """Train runs of so many epochs: seconds taken, keys in the order of segments, most runs under way at once."""
    runs = tuple(make_run(f"run {number}", epochs=epochs) for number, epochs in enumerate(lengths))
    worker_pool, segments = Clockwork([0.0] * count), []

    def logged(segment):
        segments.append(segment.run.key)
        return train(segment)

    with quick_folder() as folder, Store(folder / "study", create=True) as store:
        store.begin(META, runs)
        train_on(worker_pool, store, runs, logged, Recorder())
        assert set(store.status().values()) == {"done"}
    ends = {key: place for place, key in enumerate(segments)}
    begins = {key: segments.index(key) for key in ends}
    under_way = max(sum(begins[key] <= place <= ends[key] for key in ends) for place in range(len(segments)))
    return worker_pool.now, segments, under_way


@pytest.mark.slow
@given(
    lengths=st.lists(st.integers(1, 24), min_size=1, max_size=14),
    count=st.integers(1, 6),
)
@example(lengths=[20] * 4, count=2)
@example(lengths=[20] * 3, count=2)
@example(lengths=[20] * 9, count=4)
@example(lengths=[24] + [3] * 12, count=4)
@settings(max_examples=60, deadline=None)
def test_a_study_lasts_as_long_as_its_longest_run_or_an_even_share_of_all(lengths, count):
    """And two epochs more, a segment, within which no run can be stopped (the bound: McNaughton 1959)."""
    seconds, _, under_way = study(lengths, count)
    at_best = makespan([SECONDS * epochs for epochs in lengths], count)
    assert at_best - 1e-6 <= seconds <= at_best + SEGMENT + 1e-6
    assert under_way <= most_under_way(count)


def test_four_runs_on_two_workers_take_as_long_as_two_runs():
    """Three that take turns, and then the fourth alone, would take two and a half."""
    seconds, _, _ = study([40] * 4, 2)
    assert seconds <= 2 * 40 * SECONDS + SECONDS


def test_runs_that_begin_first_end_first():
    _, segments, under_way = study([12] * 10, 2)
    begun = list(dict.fromkeys(segments))
    assert begun == [key_of(f"run {number}") for number in range(10)]
    assert max(map(segments[::-1].index, begun[6:])) < min(map(segments[::-1].index, begun[:3]))
    assert under_way <= 4


@given(st.lists(st.floats(0, 1e6), max_size=20), st.integers(1, 9))
def test_no_way_to_share_work_is_shorter_than_the_makespan(lengths, count):
    shortest = makespan(lengths, count)
    assert shortest >= max(lengths, default=0)
    assert shortest * count >= sum(lengths) * (1 - 1e-12)
    assert shortest in {0.0, max(lengths, default=0.0), sum(lengths) / count}


@pytest.mark.parametrize("workers", [1, 3])
def test_one_more_than_there_are_workers_is_handed_out_and_no_more(workers):
    full = [5.0] * (workers + 1)
    assert next_turn([5.0] * 9, full[:-1], share=100.0, workers=workers, segment=1.0) == 0
    assert next_turn([5.0] * 9, full, share=100.0, workers=workers, segment=1.0) is None
    assert next_turn([], [], share=0.0, workers=workers, segment=0.0) is None


def test_one_that_must_be_at_work_to_the_end_goes_first_and_nothing_stands_before_it():
    assert next_turn([6.0, 14.5], [9.5], share=15.0, workers=2, segment=1.0) == 1
    assert next_turn([6.0, 13.0], [11.0], share=15.0, workers=2, segment=1.0) == 0
    assert next_turn([6.0], [14.5, 9.5], share=15.0, workers=2, segment=1.0) is None
