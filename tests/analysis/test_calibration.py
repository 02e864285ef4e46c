"""Reliability bins, calibration error and entropy: by hand, by law, and against scikit-learn and scipy."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve

from dropstudy.analysis.stats.calibration import (
    BINS,
    entropy_shares,
    expected_calibration_error,
    predictive_entropy,
    reliability_bins,
)

PAIRS = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=80)


def test_bins_by_hand():
    rows = reliability_bins([0.05, 0.1, 0.95, 1.0, 1.0], [0, 1, 1, 1, 0], bins=10)
    assert rows["count"].to_list() == [2, 3]
    assert rows["confidence"].to_list() == pytest.approx([0.075, 2.95 / 3])
    assert rows["accuracy"].to_list() == pytest.approx([0.5, 2 / 3])
    assert rows["share"].to_list() == pytest.approx([0.4, 0.6])
    error = expected_calibration_error([0.05, 0.1, 0.95, 1.0, 1.0], [0, 1, 1, 1, 0], bins=10)
    assert error == pytest.approx(0.4 * 0.425 + 0.6 * abs(2 / 3 - 2.95 / 3))


def test_bins_are_scikit_learns():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.001, 0.999, 2000)
    right = rng.random(2000) < confidence**2
    theirs, mean = calibration_curve(right, confidence, n_bins=BINS)
    ours = reliability_bins(confidence, right)
    assert ours["accuracy"].to_list() == pytest.approx(list(theirs))
    assert ours["confidence"].to_list() == pytest.approx(list(mean))


@given(PAIRS)
def test_every_example_is_in_one_bin_and_the_error_is_a_share(pairs):
    confidence, right = zip(*pairs, strict=True)
    rows = reliability_bins(confidence, right)
    assert rows["count"].sum() == len(pairs)
    assert rows["share"].sum() == pytest.approx(1)
    assert (rows["share"] * rows["confidence"]).sum() == pytest.approx(np.mean(confidence))
    assert (rows["share"] * rows["accuracy"]).sum() == pytest.approx(np.mean(right))
    error = expected_calibration_error(confidence, right)
    assert abs(np.mean(confidence) - np.mean(right)) - 1e-9 <= error <= 1  # by the triangle inequality


def test_who_is_right_as_often_as_it_says_has_no_error():
    confidence = np.repeat([0.25, 0.75], 4)
    assert expected_calibration_error(confidence, [1, 0, 0, 0, 1, 1, 1, 0]) == pytest.approx(0)
    assert expected_calibration_error(np.ones(5), np.zeros(5)) == pytest.approx(1)


def test_entropy_is_scipys_from_none_to_the_logarithm_of_the_classes():
    rng = np.random.default_rng(1)
    p = rng.dirichlet(np.ones(7), 50)
    assert predictive_entropy(p) == pytest.approx(scipy.stats.entropy(p, axis=1))
    assert predictive_entropy([[1, 0, 0], [1 / 3] * 3]) == pytest.approx([0, np.log(3)])


def test_shares_of_right_and_of_wrong_answers_each_sum_to_one():
    entropy = np.linspace(0, np.log(4), 40)
    rows = entropy_shares(entropy, entropy < 1, classes=4)
    assert rows.groupby("answer")["share"].sum().to_dict() == pytest.approx({"right": 1, "wrong": 1})
    assert rows[(rows["answer"] == "wrong") & (rows["share"] > 0)]["entropy"].min() > 0.9
    assert set(entropy_shares([0.1], [True], classes=4)["answer"]) == {"right"}
