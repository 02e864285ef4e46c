"""Intervals for new seeds and new examples: an analysis of variance by statsmodels, their limits, their coverage."""

from math import sqrt

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as reference
from statsmodels.stats.anova import anova_lm

from dropstudy.analysis.stats.paired import paired_t
from dropstudy.analysis.stats.simultaneous import sidak
from dropstudy.analysis.stats.two_way import two_way
from dropstudy.analysis.stats.unseen import unseen


def crossed(rng, seeds, examples, *, seed=0.0, example=0.0, both=0.0):
    """Differences around 0 whose effects of seed, example and both have these deviations."""
    return (
        seed * rng.normal(size=(seeds, 1))
        + example * rng.normal(size=(1, examples))
        + both * rng.normal(size=(seeds, examples))
    )


def half(found):
    return (found.difference.high - found.difference.low) / 2


def test_the_parts_are_the_mean_squares_of_an_analysis_of_variance():
    table = crossed(np.random.default_rng(1), 7, 30, seed=0.3, example=0.5, both=0.8) + 0.2
    (found,) = two_way([table])
    seeds, examples = np.indices(table.shape)
    frame = pd.DataFrame({"d": table.ravel(), "seed": seeds.ravel(), "example": examples.ravel()})
    squares = anova_lm(smf.ols("d ~ C(seed) + C(example)", frame).fit())["sum_sq"] / [6, 29, 6 * 29]
    ms_seed, ms_example, ms_rest = squares
    assert found.seed * 30 == pytest.approx(ms_seed)
    assert found.example * 7 == pytest.approx(ms_example)
    assert found.residual == pytest.approx(ms_rest)
    # Cornfield and Tukey: the variance of the mean, (MS_seed + MS_example - MS_rest) / (n m); Satterthwaite's degrees.
    variance = (ms_seed + ms_example - ms_rest) / (7 * 30)
    freedom = (ms_seed + ms_example - ms_rest) ** 2 / (
        ms_seed**2 / 6 + ms_example**2 / 29 + ms_rest**2 / (6 * 29)
    )
    assert half(found) == pytest.approx(reference.t.ppf(0.975, freedom) * sqrt(variance))


@pytest.mark.parametrize(("part", "axis"), [("seed", 1), ("example", 0)])
def test_where_one_factor_vanishes_it_is_the_t_interval_over_the_other(part, axis):
    table = crossed(np.random.default_rng(2), 8, 300, **{part: 0.4}) + 0.3
    (found,) = two_way([table])
    means = table.mean(axis=axis)
    expected = reference.ttest_1samp(means, 0).confidence_interval(0.95)
    assert (found.difference.low, found.difference.high) == pytest.approx((expected.low, expected.high))


def test_many_examples_give_the_paired_t_and_many_seeds_the_interval_over_examples():
    rng = np.random.default_rng(3)
    (many_examples,) = two_way([table := crossed(rng, 6, 100_000, seed=0.2, example=1, both=1)])
    seeds = paired_t(table.mean(axis=1))
    assert half(many_examples) == pytest.approx((seeds.high - seeds.low) / 2, rel=0.01)
    (many_seeds,) = two_way([table := crossed(rng, 2_000, 100, seed=0.2, example=1, both=1)])
    examples = paired_t(table.mean(axis=0))
    assert half(many_seeds) == pytest.approx((examples.high - examples.low) / 2, rel=0.01)


def test_the_order_of_seeds_and_examples_does_not_matter():
    rng = np.random.default_rng(4)
    arms = [rng.integers(-1, 2, (9, 50)).astype(np.int8) for _ in range(3)]
    seeds, examples = rng.permutation(9), rng.permutation(50)
    shuffled = two_way([arm[seeds][:, examples] for arm in arms])
    assert [half(arm) for arm in two_way(arms)] == pytest.approx([half(arm) for arm in shuffled])
    assert [half(arm) for arm in two_way(arms[::-1])][::-1] == pytest.approx(
        [half(arm) for arm in shuffled], rel=0.02
    )


@pytest.mark.parametrize(
    "noises",
    [(0.5, 0.5, 1.0), (0.1, 2.0, 0.3), (0.1, 2.0, 3.0), (0.02, 0.0, 1.0), (0.0, 1.0, 1.0)],
    ids=str,
)
def test_it_covers_whichever_noise_is_the_larger(noises):
    rng = np.random.default_rng(5)
    parts = dict(zip(("seed", "example", "both"), noises, strict=True))
    inside = 0
    for _ in range(300):
        (found,) = two_way([crossed(rng, 6, 200, **parts)])
        inside += found.difference.low <= 0 <= found.difference.high
    assert reference.binomtest(inside, 300, 0.95, alternative="less").pvalue > 0.001


@pytest.mark.parametrize("noises", [(0.5, 0.5, 1.0), (0.05, 1.0, 1.0)], ids=str)
def test_intervals_of_several_arms_hold_together(noises):
    """Arms that share a baseline correlate by a half."""
    rng = np.random.default_rng(6)
    parts = dict(zip(("seed", "example", "both"), noises, strict=True))
    inside = 0
    for _ in range(200):
        baseline, *arms = (crossed(rng, 10, 100, **parts) for _ in range(5))
        found = two_way([arm - baseline for arm in arms])
        inside += all(each.difference.low <= 0 <= each.difference.high for each in found)
        alone = half(two_way([arms[0] - baseline])[0])
        assert alone * 1.05 < half(found[0]) < 1.6 * alone
    assert reference.binomtest(inside, 200, 0.95, alternative="less").pvalue > 0.001


def test_arms_of_other_seeds_have_sidaks_limit():
    rng = np.random.default_rng(7)
    arms = [crossed(rng, 8, 20_000, seed=1) for _ in range(3)]
    found = two_way(arms, same_seeds=False)
    for each, arm in zip(found, arms, strict=True):
        assert half(each) == pytest.approx(sidak(3, 8) * arm.mean(axis=1).std(ddof=1) / sqrt(8), rel=1e-3)
    assert all(half(a) < half(b) for a, b in zip(two_way(arms), found, strict=True))


def test_no_discordant_example_leaves_what_was_not_seen():
    assert unseen(40) == pytest.approx(0.088, abs=5e-4)
    assert unseen(40) == pytest.approx(reference.binomtest(0, 40).proportion_ci().high)
    (found,) = two_way([np.zeros((6, 40), np.int8)])
    assert (found.difference.low, found.difference.high) == pytest.approx((-unseen(40), unseen(40)))
    (one,) = two_way([np.ones((6, 1), np.int8)])
    assert one.difference.high - one.difference.low > 0.9


def test_a_repeated_pair_leaves_mcnemars_error_to_the_choice_of_examples():
    rng = np.random.default_rng(2)
    right = rng.random((2, 500)) < 0.9
    answers = right[0].astype(np.int8) - right[1].astype(np.int8)
    (pair,) = two_way([np.repeat(answers[None], 8, axis=0)])
    flips = np.mean(answers != 0)
    assert pair.example_error == pytest.approx(sqrt((flips - answers.mean() ** 2) / 499), rel=1e-6)


@given(
    better=st.integers(0, 60), worse=st.integers(0, 60), seeds=st.integers(2, 30), equal=st.integers(1, 2000)
)
def test_where_all_seeds_agree_it_finds_what_mcnemars_exact_test_finds(better, worse, seeds, equal):
    row = np.repeat([1, -1, 0], [better, worse, equal]).astype(np.int8)
    (found,) = two_way([np.tile(row, (seeds, 1))])
    differs = not found.difference.low <= 0 <= found.difference.high
    p = reference.binomtest(better, better + worse).pvalue if better + worse else 1.0
    assert differs or p > 0.03  # the t interval and the exact test have their limits between these
    assert not differs or p < 0.065


@pytest.mark.parametrize("share", [0.01, 0.05])
def test_few_examples_that_differ_are_no_evidence_of_much(share):
    """Most seeds agree on an example; the true difference is 0."""
    rng = np.random.default_rng(8)
    wrong = 0
    for _ in range(400):
        kind = rng.choice([1, -1, 0], p=[share / 2, share / 2, 1 - share], size=360)
        row = kind * (rng.random((10, 360)) < rng.beta(0.7, 0.7, size=360))
        (found,) = two_way([row.astype(np.int8)])
        wrong += not found.difference.low <= 0 <= found.difference.high
    assert reference.binomtest(wrong, 400, 0.05, alternative="greater").pvalue > 0.01
