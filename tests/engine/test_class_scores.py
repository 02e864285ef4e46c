"""Balanced accuracy and AUC are those of scikit-learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from dropstudy.engine.class_scores import auc_and_misranked, balanced_accuracy


def auc(probabilities, y):
    return auc_and_misranked(probabilities, y)[0]


@st.composite
def predictions(draw):
    """Labels and float32 probabilities, with ties, of imbalanced classes that are all present."""
    count, seed = draw(st.integers(2, 6)), draw(st.integers(0, 2**32 - 1))
    n = draw(st.integers(count, 60))
    draws = np.random.default_rng(seed)
    y = np.concatenate([np.arange(count), draws.choice(count, n - count, p=draws.dirichlet(np.ones(count)))])
    odds = np.exp(draws.integers(0, draw(st.integers(1, 9)), (n, count))).astype(np.float32)
    return y, odds / odds.sum(axis=1, keepdims=True)


@given(predictions())
def test_equal_to_scikit_learn(given):
    y, p = given
    labels = p.argmax(axis=1)
    expected = roc_auc_score(y, p[:, 1]) if p.shape[1] == 2 else roc_auc_score(y, p, multi_class="ovr")
    assert auc(p, y) == pytest.approx(expected, abs=1e-12)
    assert balanced_accuracy(labels, y) == pytest.approx(balanced_accuracy_score(y, labels), abs=1e-12)


def test_absent_classes_do_not_count():
    y = np.array([0, 0, 2, 2])
    p = np.array([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.3, 0.5, 0.2], [0.1, 0.1, 0.8]], np.float32)
    expected = np.mean([roc_auc_score(y == label, p[:, label]) for label in (0, 2)])
    assert auc(p, y) == pytest.approx(expected, abs=1e-12)
    # Class 1 is predicted twice and never true: recalls 1/2 and 1/2.
    assert balanced_accuracy(p.argmax(axis=1), y) == 0.5


def test_one_class_alone_has_no_area():
    y, p = np.zeros(3, int), np.full((3, 2), 0.5, np.float32)
    assert np.isnan(auc(p, y))
    assert balanced_accuracy(np.array([0, 0, 1]), y) == pytest.approx(2 / 3)


def test_the_largest_class_alone_is_worth_one_class():
    """Always answering the largest of c classes: accuracy 0.9, balanced accuracy 1 / c, AUC 1/2."""
    y = np.repeat([0, 1, 2], [90, 5, 5])
    assert balanced_accuracy(np.zeros(100, int), y) == pytest.approx(1 / 3)
    assert auc(np.full((100, 3), 1 / 3, np.float32), y) == 0.5


def test_what_examples_take_from_the_area_has_its_mean_and_its_jackknife_variance():
    """The mean over five classes, each against all others; leaving out each example in turn, by scikit-learn."""
    rng = np.random.default_rng(0)
    n, classes = 150, 5
    y = np.concatenate([np.arange(classes), rng.choice(classes, n - classes, p=[0.4, 0.3, 0.1, 0.1, 0.1])])
    odds = np.exp(rng.normal(size=(n, classes)).round(1) + np.eye(classes)[y])
    p = odds / odds.sum(axis=1, keepdims=True)
    area, misranked = auc_and_misranked(p, y)
    assert 1 - misranked.astype(np.float64).mean() == pytest.approx(area, abs=1e-4)  # 16 bits
    without = [roc_auc_score(np.delete(y, i), np.delete(p, i, axis=0), multi_class="ovr") for i in range(n)]
    jackknife = (n - 1) / n * np.square(np.array(without) - np.mean(without)).sum()
    assert misranked.astype(np.float64).var() / n == pytest.approx(jackknife, rel=0.1)
    # Misses of a rare class count more: the variance is not that of equal weights.
    assert misranked[y >= 2].astype(float).std() > 1.5 * misranked[y == 0].astype(float).std()


def test_a_single_class_has_no_area():
    area, misranked = auc_and_misranked(np.full((4, 3), 1 / 3), np.ones(4, int))
    assert np.isnan(area)
    assert misranked is None
