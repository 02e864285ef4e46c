"""Ranks of arms over data sets, against Demsar's example, autorank and simulation."""

import warnings
from math import isnan

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from dropstudy.analysis.across_studies import sentences_on_ranks
from dropstudy.analysis.stats.ranks import critical_difference, fewest_sets, rank_arms

ARMS = ("C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf")
DEMSAR = np.array(
    [
        [4, 3, 2, 1], [1, 2, 3, 4], [4, 1, 2, 3], [4, 1, 3, 2], [4, 2, 3, 1], [1, 2.5, 4, 2.5],
        [3, 2, 4, 1], [2.5, 2.5, 4, 1], [4, 3, 2, 1], [2.5, 2.5, 2.5, 2.5], [4, 2.5, 1, 2.5],
        [3, 2, 4, 1], [4, 1, 2, 3], [3, 1, 4, 2],
    ]
)  # fmt: skip
"""Ranks of four variants of C4.5 on 14 data sets (Demsar 2006, table 6)."""


def test_demsars_example():
    """Mean ranks, Nemenyi's critical difference of 1.25, and no pair that reaches it (section 3.2.4)."""
    found = rank_arms(DEMSAR, sign=-1)
    assert found.ranks.tolist() == DEMSAR.tolist()
    assert found.means == pytest.approx([3.143, 2.000, 2.893, 1.964], abs=5e-4)
    assert found.critical_difference == pytest.approx(1.25, abs=5e-3)
    # The paper's chi-square, 9.28, is without the correction for ties: three of 2 and one of 4 arms.
    ties = 1 - (3 * 6 + 60) / (14 * 4 * 15)
    assert ties * scipy.stats.chi2.isf(found.p_value, 3) == pytest.approx(9.28, abs=5e-3)
    assert found.groups == [[3, 1, 2, 0]]
    (told,) = sentences_on_ranks(found, ARMS)
    assert told == (
        f"The arms differ over these 14 data sets (Friedman's test, p = {found.p_value:.2g}), but no two of them are "
        "shown to: no mean ranks are 1.25 (Nemenyi's critical difference) apart."
    )


@pytest.mark.parametrize(
    ("k", "q"), [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (9, 3.102), (10, 3.164)]
)
def test_critical_values_are_those_of_demsars_table_5(k, q):
    assert critical_difference(k, k * (k + 1) / 6) == pytest.approx(q, abs=1e-3)


@pytest.mark.parametrize("seed", range(5))
def test_ranks_and_tests_are_those_of_autorank(seed):
    autorank = pytest.importorskip("autorank").autorank
    rng = np.random.default_rng(seed)
    scores = rng.normal([0, 0.2, 0.9, 1.0], size=(20, 4))
    found = rank_arms(scores)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs
        theirs = autorank(pd.DataFrame(scores, columns=ARMS), force_mode="nonparametric", verbose=False)
    assert (theirs.omnibus, theirs.posthoc) == ("friedman", "nemenyi")
    assert found.p_value == pytest.approx(theirs.pvalue)
    assert found.critical_difference == pytest.approx(theirs.cd, abs=2e-3)
    assert found.means == pytest.approx([theirs.rankdf.loc[arm, "meanrank"] for arm in ARMS])


def test_two_arms_are_compared_by_wilcoxons_test():
    scores = np.array([[0.9, 0.91], [0.8, 0.83], [0.7, 0.77], [0.6, 0.62], [0.5, 0.55], [0.4, 0.46]])
    found = rank_arms(scores)
    assert found.p_value == pytest.approx(2 / 2**6)  # all six agree
    assert isnan(found.critical_difference)
    assert found.groups == []
    (told,) = sentences_on_ranks(found, ("a", "b"))
    assert told.endswith("p = 0.031). Shown to rank: 'b' before 'a'.")
    assert rank_arms(scores[:5]).groups == [[1, 0]]


@pytest.mark.parametrize(("arms", "sets"), [(2, 6), (3, 3), (4, 3), (9, 3)])
def test_the_fewest_data_sets_are_the_first_that_can_show_a_difference(arms, sets):
    """The clearest result that there is: the same order on each data set."""
    assert fewest_sets(arms) == sets
    for n in range(2, sets + 2):
        clearest = np.tile(np.arange(arms, dtype=float), (n, 1)) + 0.01 * np.arange(n)[:, None] * np.arange(
            arms
        )
        found = rank_arms(clearest)
        assert found.differ(0, arms - 1) == (n >= sets)
        told = " ".join(sentences_on_ranks(found, [f"arm {i}" for i in range(arms)]))
        assert ("can be shown" in told) == (n < sets)


def test_equal_arms_have_no_p_and_are_told_as_equal():
    found = rank_arms(np.full((6, 3), 0.9))
    assert isnan(found.p_value)
    assert found.groups == [[0, 1, 2]]
    assert sentences_on_ranks(found, "abc") == ["All 3 arms are equal over these 6 data sets."]


@given(
    st.lists(st.lists(st.integers(0, 4), min_size=4, max_size=4), min_size=3, max_size=12),
    st.sampled_from([1, -1]),
)
def test_groups_hold_every_pair_that_is_not_shown_to_differ_and_no_other(rows, sign):
    found = rank_arms(np.array(rows, dtype=float), sign=sign)
    assert found.ranks.sum(axis=1) == pytest.approx(10)
    joined = {frozenset((i, j)) for group in found.groups for i in group for j in group if i != j}
    for i in range(4):
        for j in range(i):
            assert (frozenset((i, j)) in joined) == (not found.differ(i, j))


def test_a_lower_score_may_be_the_better_one():
    scores = np.array([[0.1, 0.2, 0.3]] * 4)
    assert rank_arms(scores, sign=-1).means.tolist() == [1, 2, 3]
    assert rank_arms(scores).means.tolist() == [3, 2, 1]
