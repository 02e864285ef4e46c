"""Trimmed mean, median and values that lie apart, against published numbers, counting by hand, and laws."""

from itertools import product

import numpy as np
import pytest
from scipy import stats as reference

from dropstudy.analysis.cautions import cautions
from dropstudy.analysis.stats.robust import lies_apart, median, robust_centres, trimmed_mean
from dropstudy.analysis.verdict.centres import centre_cells
from expected import Analysis
from verdicts import around, flat, rates, verdict_of

# Self-awareness data, Wilcox 2012, "Introduction to Robust Estimation and Hypothesis Testing", chapters 3 and 4.
AWARENESS = np.array(
    [77, 87, 88, 114, 151, 210, 219, 246, 253, 262, 296, 299, 306, 376, 428, 515, 666, 1310, 2611]
)


def test_the_trimmed_mean_of_wilcox_book():
    found = trimmed_mean(AWARENESS)
    error = (found.high - found.low) / 2 / reference.t.ppf(0.975, 12)
    assert (round(found.value), round(error, 1)) == (283, 56.1)


@pytest.mark.parametrize(("n", "cut"), [(6, 1), (9, 1), (10, 2), (20, 4)])
def test_the_trimmed_mean_is_tukeys_and_mclaughlins(n, cut):
    x = np.random.default_rng(n).normal(size=n)
    ordered = np.sort(x)
    drawn_in = np.clip(x, ordered[cut], ordered[n - cut - 1])
    reach = reference.t.ppf(0.975, n - 2 * cut - 1) * drawn_in.std(ddof=1) / (0.6 * np.sqrt(n))
    centre = ordered[cut : n - cut].mean()
    found = trimmed_mean(x)
    assert (found.value, found.low, found.high) == pytest.approx((centre, centre - reach, centre + reach))


@pytest.mark.parametrize(("n", "rank"), [(6, 1), (8, 1), (9, 2), (10, 2), (20, 6), (50, 18)])
def test_the_median_lies_between_the_ranks_of_the_sign_test(n, rank):
    """Ranks r and n + 1 - r, r - 1 the 2.5% quantile of a fair coin's: tables print 2 and 9 for n = 10."""
    x = np.random.default_rng(n).normal(size=n)
    ordered, found = np.sort(x), median(x)
    assert (found.low, found.high) == (ordered[rank - 1], ordered[n - rank])
    assert found.value == pytest.approx(np.median(x))
    assert reference.binom.cdf(rank - 1, n, 0.5) <= 0.025 < reference.binom.cdf(rank, n, 0.5)


def test_one_value_far_away_moves_neither():
    x = np.random.default_rng(0).normal(1, 0.1, 20)
    far = x.copy()
    far[np.argmin(x)] = -1000
    usual, pulled = robust_centres(x), robust_centres(far)
    assert usual.trimmed_mean == pulled.trimmed_mean
    assert usual.median == pulled.median
    assert (usual.apart, pulled.apart) == ((), (-1000,))
    assert pulled.mean_without == pytest.approx(np.delete(far, np.argmin(far)).mean())


@pytest.mark.parametrize("x", [[], [0.3], [0.3] * 8, [0.1, 0.2], [0.0] * 7 + [5.0]])
def test_values_without_variation_in_their_middle_give_no_interval(x):
    found = robust_centres(np.array(x, dtype=float))
    assert not found.trimmed_mean.known or len(set(x)) == len(x) == 2
    assert not found.median.known or max(x) == 5
    assert not any(lies_apart(np.array(x, dtype=float)))  # half of them are equal, or there are two


def test_shifts_and_signs_go_through():
    for n, shift in product((6, 13), (-2.0, 3.0)):
        x = np.random.default_rng(n).exponential(size=n)
        here, there = robust_centres(x), robust_centres(shift - x)
        for name in ("trimmed_mean", "median"):
            one, other = getattr(here, name), getattr(there, name)
            assert (other.low, other.high) == pytest.approx((shift - one.high, shift - one.low))
        assert sorted(there.apart) == pytest.approx(sorted(shift - np.array(here.apart)))


def pulled(bad, n=20, **more):
    """Verdict on an arm that is about 0.3 points better, but for its last `bad` seeds, which are 3 points worse."""
    arms = rates(0, 0.5)
    better = around(0.3, n, spread=0.05)
    better |= {seed: better[seed] - 0.03 for seed in list(better)[n - bad :]}
    return verdict_of(arms, {"no dropout": flat(n), "dropout 0.5": better}, **more)


def test_seeds_that_pull_the_mean_are_named_beside_the_answer():
    verdict = pulled(3)
    (comparison,) = verdict.conditions[0].comparisons
    assert comparison.decision == "undecided"
    assert comparison.robust.trimmed_mean.above_zero
    (told,) = [text for text in cautions(verdict) if "far from the others" in text]
    assert told == Analysis.SEEDS_APART.format(
        "3 of 20 seeds (17, 18 and 19)", "'dropout 0.5'", "+0.31", "-0.15 percentage points"
    )
    cells = centre_cells(verdict.conditions[0])
    assert cells["seeds apart"].to_list() == ["17, 18, 19"]
    assert verdict.to_dict()["conditions"][0]["comparisons"][0]["robust"]["apart"] == pytest.approx(
        [-2.7] * 3, abs=0.2
    )


def test_nothing_is_told_where_mean_and_trimmed_mean_agree():
    assert not [text for text in cautions(pulled(0)) if "far from the others" in text]
    assert list(centre_cells(pulled(0).conditions[0])) == ["arm", "mean", "trimmed mean", "median"]
    assert centre_cells(pulled(0, n=5).conditions[0]).empty
