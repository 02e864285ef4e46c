"""Confusion, examples that change sides, statistics of weights: against scikit-learn and NumPy."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from dropstudy.analysis.stats.confusion import confusion, flips
from dropstudy.analysis.stats.weights import active_shares, strongest_units, unit_norms


def test_confusion_is_the_mean_of_scikit_learns():
    rng = np.random.default_rng(0)
    truth, labels = rng.integers(0, 4, 200), rng.integers(0, 4, (3, 200)).astype(np.uint8)
    theirs = np.mean([confusion_matrix(truth, row, labels=range(4)) for row in labels], axis=0)
    assert confusion(labels, truth, 4) == pytest.approx(theirs)


def test_an_example_changes_sides_where_most_seeds_of_both_arms_say_so():
    truth = np.array([0, 1, 2, 3, 4])
    before = [[9, 1, 2, 9, 4], [9, 1, 2, 3, 4], [8, 1, 9, 9, 4]]
    after = [[0, 7, 2, 3, 4], [0, 7, 2, 3, 9], [0, 1, 2, 9, 4]]
    gained, lost = flips(before, after, truth)
    assert [flip.example for flip in gained] == [0, 3]
    assert (gained[0].truth, gained[0].before, gained[0].after) == (0, 9, 0)
    assert [(flip.example, flip.before, flip.after) for flip in lost] == [(1, 1, 7)]
    assert flips(before, before, truth) == ([], [])
    assert flips(after, before, truth)[0] == [type(lost[0])(1, 1, lost[0].after, lost[0].before)]


def test_an_arm_that_is_wrong_in_most_seeds_has_its_most_frequent_mistake():
    mixed, right = [[2], [2], [7], [7], [1]], [[2], [2], [2], [7], [7]]
    gained, lost = flips(mixed, right, [2])
    assert (gained[0].before, gained[0].after) == (7, 2)
    assert lost == []
    gained, lost = flips(right, [[2], [2], [7], [3], [1]], [2])
    assert (lost[0].before, lost[0].after) == (2, 1)
    assert gained == []


def test_half_of_the_seeds_are_not_most():
    gained, lost = flips([[1], [0]], [[0], [0]], [0])
    assert gained == lost == []


def test_norms_strongest_units_and_active_shares():
    kernel = np.array([[3.0, 0.0, -1.0], [4.0, 0.5, 0.0]])
    assert unit_norms(kernel) == pytest.approx([5, 0.5, 1])
    assert strongest_units(kernel, 2).tolist() == [0, 2]
    assert len(strongest_units(kernel, 9)) == 3
    assert active_shares([np.array([[0.0, 2.0], [1.0, -1.0]])]) == [0.5]
