"""Rows are split by seed and by nothing else; a smaller training set is contained in a larger one, and stratified."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dropstudy import splits
from dropstudy.errors import InvalidArgument
from dropstudy.spec import parse_spec


def spec_of(**fields):
    return parse_spec({"name": "mine", "rates": [0], "hidden": [3], "epochs": 1, **fields})


def labels_of(counts):
    labels = np.repeat(np.arange(len(counts)), counts).astype(np.int64)
    return np.random.default_rng(0).permutation(labels)


@settings(deadline=None)  # the first call imports scikit-learn
@given(
    counts=st.lists(st.integers(8, 60), min_size=2, max_size=6),
    share=st.floats(0.2, 0.8),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_split_is_disjoint_complete_in_order_and_stratified(counts, share, seed):
    labels = labels_of(counts)
    held_out = round(share * len(labels))
    train, held = splits.split(labels, held_out, seed)
    assert len(held) == held_out
    assert np.array_equal(np.sort(np.concatenate([train, held])), np.arange(len(labels)))
    for rows in (train, held):
        assert rows.dtype == np.int32
        assert np.all(np.diff(rows) > 0)
    for label, count in enumerate(counts):
        assert abs(int((labels[held] == label).sum()) - count * held_out / len(labels)) <= 1


def test_a_split_follows_the_seed_and_nothing_else():
    labels = labels_of([50, 60, 70])
    drawn = {seed: splits.split(labels, 40, seed)[1] for seed in range(5)}
    assert all(np.array_equal(held, splits.split(labels, 40, seed)[1]) for seed, held in drawn.items())
    assert len({held.tobytes() for held in drawn.values()}) == len(drawn)


def test_a_study_that_watches_the_test_set_trains_on_every_row():
    train, held = splits.split(labels_of([5, 6]), 0, seed=3)
    assert train.tolist() == list(range(11))
    assert train.dtype == np.int32
    assert held is None


@pytest.mark.parametrize(("validation", "count"), [("test", 0), (0.1, 144), (1, 1), (1436, 1436), (0.5, 718)])
def test_a_share_or_a_count_is_held_out(validation, count):
    assert splits.validation_count(spec_of(validation=validation), 1437) == count


@pytest.mark.parametrize(("counts", "held_out"), [([20, 20, 20], 2), ([20, 20, 20], 58), ([30, 1], 10)])
def test_a_split_that_cannot_have_every_class_in_both_parts_is_refused(counts, held_out):
    with pytest.raises(InvalidArgument, match="every class to be in both parts") as refusal:
        splits.split(labels_of(counts), held_out, 0)
    assert refusal.value.subject == "validation"


# --- nested subsets ---

COUNTS = st.lists(st.integers(5, 80), min_size=2, max_size=6)


@given(counts=COUNTS, seed=st.integers(0, 2**32 - 1), data=st.data())
def test_a_smaller_training_set_is_contained_in_a_larger_one_and_each_class_has_its_share(counts, seed, data):
    labels = labels_of(counts)
    rows = np.flatnonzero(np.random.default_rng(1).random(len(labels)) < 0.9).astype(np.int32)
    assume(set(labels[rows]) == set(range(len(counts))))
    least = least_size(labels, rows, seed)
    sizes = sorted(data.draw(st.sets(st.integers(least, len(rows)), min_size=1, max_size=5)))
    subsets = [splits.subset(labels, rows, size, seed) for size in sizes]
    for size, taken in zip(sizes, subsets, strict=True):
        assert len(taken) == len(set(taken)) == size
        assert taken.dtype == np.int32
        assert np.all(np.diff(taken) > 0)
        assert set(taken) <= set(rows)
        for label in range(len(counts)):
            exact = (labels[rows] == label).sum() * size / len(rows)
            # Each class is rounded at the same threshold; they differ from their shares by less than one each.
            assert abs((labels[taken] == label).sum() - exact) < max(1, len(counts) / 2)
    for smaller, larger in pairwise(subsets):
        assert set(smaller) <= set(larger)


def least_size(labels, rows, seed):
    """The smallest size that is not refused."""
    try:
        splits.subset(labels, rows, 1, seed)
    except InvalidArgument as refusal:
        return int(refusal.expected.split()[0])
    return 1


def test_sizes_that_a_class_divides_hold_exactly_its_share():
    labels = labels_of([30, 60, 90])
    taken = splits.subset(labels, np.arange(180, dtype=np.int32), 60, 4)
    assert np.bincount(labels[taken]).tolist() == [10, 20, 30]


def test_all_rows_are_the_rows_themselves_and_other_seeds_take_others():
    labels = labels_of([50, 50])
    rows = np.arange(100, dtype=np.int32)
    assert np.array_equal(splits.subset(labels, rows, 100, 3), rows)
    taken = {splits.subset(labels, rows, 20, seed).tobytes() for seed in range(6)}
    assert len(taken) == 6
    assert splits.subset(labels, rows, 20, 3).tobytes() in taken


def test_the_largest_set_that_would_lack_a_class_is_refused_and_one_more_is_not():
    labels = labels_of([95, 5])
    rows = np.arange(100, dtype=np.int32)
    least = least_size(labels, rows, 0)
    assert set(labels[splits.subset(labels, rows, least, 0)]) == {0, 1}
    with pytest.raises(InvalidArgument, match="every class is among them") as refusal:
        splits.subset(labels, rows, least - 1, 0)
    assert refusal.value.subject == "train_sizes"
