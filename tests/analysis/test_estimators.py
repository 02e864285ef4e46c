"""Paired estimators and tests against scipy, statsmodels, R and what can be counted by hand."""

from itertools import product
from math import inf, isnan, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as reference
from statsmodels.stats.power import TTestPower
from statsmodels.stats.weightstats import ttost_paired

from dropstudy.analysis.stats.anytime import anytime, evidence
from dropstudy.analysis.stats.equivalence import detectable, deviation_interval, seeds_needed, tost
from dropstudy.analysis.stats.least_seeds import least_seeds
from dropstudy.analysis.stats.mcnemar import mcnemar
from dropstudy.analysis.stats.paired import bca, effect_size, improvement, paired_t
from dropstudy.analysis.stats.sign_flip import sign_flips
from dropstudy.analysis.stats.simultaneous import sidak, simultaneous
from dropstudy.analysis.stats.unseen import accuracy_interval

# Student 1908 and every R session since: `t.test(extra ~ group, data = sleep, paired = TRUE)`.
SLEEP = np.array([1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4])

POINTS = st.lists(st.integers(-200, 200).map(lambda points: points / 100), min_size=2, max_size=9).map(
    np.array
)


def test_students_sleep_data_as_r_prints_them():
    interval = paired_t(SLEEP)
    assert (interval.value, interval.low, interval.high) == pytest.approx((1.58, 0.7001142, 2.4598858))
    assert interval.n == 10


@given(POINTS)
def test_paired_t_is_scipys(x):
    interval = paired_t(x)
    if np.ptp(x) > 0:
        expected = reference.ttest_1samp(x, 0).confidence_interval(0.95)
        assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high))
    else:
        assert not interval.known  # values that are all equal do not say how much another one may differ
        assert interval.value == pytest.approx(x[0])


def every_flip(x):
    """Two-sided p by going through all 2^n sign patterns, one after the other."""
    sums = [
        abs(sum(s * v for s, v in zip(signs, x, strict=True))) for signs in product((1, -1), repeat=len(x))
    ]
    return np.mean([total >= abs(sum(x)) - 1e-9 for total in sums])


@given(POINTS)
def test_sign_flips_are_all_flips(x):
    flips = sign_flips(x[:, None])
    assert flips.exact
    if np.ptp(x) > 0:
        assert flips.p_values[0] == flips.adjusted[0] == pytest.approx(every_flip(x))
    else:
        assert isnan(flips.p_values[0])
        assert isnan(flips.adjusted[0])


def test_sign_flips_are_scipys_permutation_test():
    expected = reference.permutation_test(
        (SLEEP,), np.mean, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
    )
    assert sign_flips(SLEEP[:, None]).p_values[0] == pytest.approx(expected.pvalue)


@pytest.mark.parametrize(("n", "p"), [(5, 0.0625), (6, 0.03125), (9, 2 / 2**9), (10, 2 / 2**10)])
def test_the_smallest_p_is_two_in_two_to_the_n(n, p):
    rng = np.random.default_rng(n)
    flips = sign_flips(rng.uniform(0.5, 1.5, (n, 9)))
    assert min(flips.p_values) == p
    # However many arms there are: the adjusted p cannot be smaller, and Holm's could not be below 9 times it.
    assert min(flips.adjusted) == p


def test_sampled_flips_agree_with_the_paired_t_test_where_differences_are_normal():
    rng = np.random.default_rng(4)
    x = rng.normal(0.3, 1, (40, 1))
    flips = sign_flips(x)
    assert not flips.exact
    assert flips.p_values[0] == pytest.approx(reference.ttest_1samp(x[:, 0], 0).pvalue, abs=0.005)
    assert sign_flips(x) == flips  # the same flips again


@given(st.integers(3, 8), st.integers(2, 4), st.integers(0, 2**32 - 1))
def test_adjusted_p_are_step_down_max_t_by_hand(n, k, seed):
    x = np.random.default_rng(seed).normal(0.5, 1, (n, k))

    def statistics(signs):
        return np.abs(signs @ x) / np.sqrt((x**2).sum(axis=0))

    observed = statistics(np.ones(n))
    everything = np.array([statistics(np.array(signs)) for signs in product((1, -1), repeat=n)])
    order = np.argsort(-observed)
    expected, so_far = np.empty(k), 0.0
    for place, arm in enumerate(order):
        rivals = order[place:]
        so_far = max(so_far, (everything[:, rivals].max(axis=1) >= observed[arm] - 1e-9).mean())
        expected[arm] = so_far
    flips = sign_flips(x)
    assert flips.adjusted == pytest.approx(expected)
    assert all(adjusted >= p - 1e-12 for adjusted, p in zip(flips.adjusted, flips.p_values, strict=True))


def test_an_arm_with_fewer_pairs_has_the_p_of_its_own_pairs():
    rng = np.random.default_rng(0)
    x = rng.normal(0.5, 1, (8, 2))
    x[6:, 1] = np.nan
    assert sign_flips(x).p_values[1] == pytest.approx(every_flip(x[:6, 1]))


@pytest.mark.parametrize("rounding", [0, 1e-14])
@pytest.mark.parametrize("value", [0.0, 100 / 360])
def test_seeds_that_all_agree_carry_no_information(value, rounding):
    """No interval of no width, no p, no effect size of 1e15: judged by the spread, and rounding is none."""
    x = value + rounding * np.arange(7)
    for interval in (paired_t(x), bca(x), anytime(x), effect_size(x), simultaneous(x[:, None])[0]):
        assert not interval.known
    assert isnan(effect_size(x).value)
    assert isnan(tost(x, 1))
    assert evidence(x) == 1
    flips = sign_flips(np.column_stack([x, SLEEP[:7]]))
    assert isnan(flips.p_values[0])
    assert isnan(flips.adjusted[0])
    # And such an arm makes nothing of its neighbour's.
    assert flips.adjusted[1] == sign_flips(SLEEP[:7, None]).adjusted[0]
    both = simultaneous(np.column_stack([x, SLEEP[:7]]))
    assert (both[1].low, both[1].high) == pytest.approx((paired_t(SLEEP[:7]).low, paired_t(SLEEP[:7]).high))


def test_accuracies_at_the_end_of_the_range_are_not_certain():
    # Wilson 1927; R's `binom::binom.confint(40, 40, methods = "wilson")`.
    assert accuracy_interval(1, 40) == pytest.approx((0.9123783, 1))
    low, high = accuracy_interval(0, 1)
    assert low == pytest.approx(0, abs=1e-12)
    assert high > 0.7
    assert accuracy_interval(0.985, 10_000) == pytest.approx((0.985 - 0.0024, 0.985 + 0.0024), abs=2e-4)


def test_the_deviation_of_few_seeds_is_known_roughly():
    # Tables of the chi-square distribution with 5 degrees: 0.831 and 12.833.
    low, high = deviation_interval(1.0, 6)
    assert (low, high) == pytest.approx((sqrt(5 / 12.8325), sqrt(5 / 0.831212)), rel=1e-5)


@given(POINTS, st.sampled_from([0.1, 0.5, 1.0]))
def test_tost_is_statsmodels_and_the_90_percent_interval(x, margin):
    p = tost(x, margin)
    if np.ptp(x) > 0:
        assert p == pytest.approx(ttost_paired(x, np.zeros(len(x)), -margin, margin)[0])
    if abs(p - 0.05) > 1e-6 and np.ptp(x) > 0:
        assert (p < 0.05) == paired_t(x, 0.9).within(margin)


def test_seeds_that_a_decision_takes():
    assert seeds_needed(0.1, 0.1) == 10
    assert seeds_needed(0.1, 0.05) == 34
    expected = TTestPower().solve_power(nobs=10, alpha=0.05, power=0.8)
    assert detectable(0.1, 10) == pytest.approx(0.1 * expected, rel=1e-4)
    assert isnan(detectable(0.1, 1))
    assert seeds_needed(1, 1e-4) == np.inf
    # The smallest difference that n seeds find is the one for which n seeds are needed.
    assert seeds_needed(1, detectable(1, 17) * 1.001) == 17


@given(st.integers(1, 20_000), st.integers(1, 12_000))
def test_the_least_number_of_seeds_is_the_first_that_is_enough_up_to_ten_thousand(too_few, first):
    expected = max(first, too_few + 1)
    found = least_seeds(too_few, lambda seeds: seeds >= first)
    assert found == (expected if first <= max(10_000, too_few + 1) else inf)


def test_effect_size_is_the_noncentral_t_of_r():
    # effectsize::cohens_d gives 1.28 (0.41, 2.12) for Student's data.
    d = effect_size(SLEEP)
    assert (round(d.value, 2), round(d.low, 2), round(d.high, 2)) == (1.28, 0.41, 2.12)
    turned = effect_size(-SLEEP)
    assert (turned.low, turned.high) == (-d.high, -d.low)
    for end, quantile in ((d.low, 0.975), (d.high, 0.025)):
        assert reference.nct.cdf(d.value * sqrt(10), 9, end * sqrt(10)) == pytest.approx(quantile, abs=1e-5)


@pytest.mark.parametrize("n", [2, 3, 10])
@pytest.mark.parametrize("spread", [1e-3, 1e-5, 1e-8])
def test_an_effect_however_large_has_an_interval(n, spread):
    d = effect_size(1 + spread * np.linspace(-1, 1, n))
    assert 0 < d.low < d.value < d.high < np.inf


@pytest.mark.parametrize("n", [2, 3, 10, 30])
def test_the_effect_size_of_a_sure_difference_goes_on_from_that_of_an_unsure_one(n):
    shape = np.linspace(-1, 1, n)
    at_border = sqrt(n) / (1000 * shape.std(ddof=1))  # where t is 1,000
    below, above = (effect_size(1 + at_border * (1 + shift) * shape) for shift in (1e-7, -1e-7))
    assert (below.low, below.high) == pytest.approx((above.low, above.high), rel=1e-4)


def test_probability_of_improvement_is_exact_and_counts_ties_as_half():
    every = improvement(np.ones(10))
    expected = reference.binomtest(10, 10).proportion_ci(0.95, method="exact")
    assert (every.value, every.low, every.high) == (1, pytest.approx(expected.low), 1)
    assert improvement(np.array([1.0, 0.0, -1.0, 0.0])).value == 0.5


def test_the_bootstrap_is_scipys_at_the_widened_level():
    interval = bca(SLEEP)
    assert interval.value == pytest.approx(1.58)
    plain = reference.bootstrap(
        (SLEEP,), np.mean, method="BCa", n_resamples=20_000, rng=np.random.default_rng(0)
    )
    assert interval.low < plain.confidence_interval.low
    assert interval.high > plain.confidence_interval.high
    assert interval == bca(SLEEP)
    assert not bca(np.full(6, 0.25)).known


def test_simultaneous_intervals_are_between_one_column_and_sidak():
    rng = np.random.default_rng(1)
    shared = rng.normal(size=(10, 1))
    table = shared + 0.5 * rng.normal(size=(10, 4))
    half = [(e.high - e.low) / 2 for e in simultaneous(table)]
    error = table.std(axis=0, ddof=1) / sqrt(10)
    critical = np.array(half) / error
    assert np.ptp(critical) == pytest.approx(0, abs=1e-9)
    assert sidak(1, 10) < critical[0] < sidak(4, 10)
    # Columns that are one and the same need no correction; independent ones need nearly Sidak's.
    same = simultaneous(np.repeat(shared, 4, axis=1))[0]
    alone = paired_t(shared[:, 0])
    assert (same.low, same.high) == pytest.approx((alone.low, alone.high), rel=0.03)


def test_simultaneous_intervals_with_a_seed_missing_are_sidaks():
    table = np.random.default_rng(1).normal(size=(10, 3))
    table[4, 1] = np.nan
    full, short, _ = simultaneous(table)
    assert (full.n, short.n) == (10, 9)
    expected = sidak(3, 9) * np.nanstd(table[:, 1], ddof=1) / 3
    assert (short.high - short.low) / 2 == pytest.approx(expected)


def test_the_evidence_is_a_likelihood_ratio():
    """Against the integral that it is the closed form of: noncentral t over normally spread effects."""
    x = SLEEP[:7]
    n, t = len(x), reference.ttest_1samp(x, 0).statistic
    effects, step = np.linspace(-8, 8, 4001, retstep=True)
    spread = (reference.nct.pdf(t, n - 1, effects * sqrt(n)) * reference.norm.pdf(effects)).sum() * step
    assert evidence(x) == pytest.approx(spread / reference.t.pdf(t, n - 1), rel=1e-4)


def test_mcnemar_is_the_exact_binomial_of_the_answers_that_differ():
    first = np.array([True] * 12 + [False] * 8)
    second = np.array([True] * 3 + [False] * 9 + [True] * 2 + [False] * 6)
    table = mcnemar(first, second)
    assert (table.both, table.first_only, table.second_only, table.neither) == (3, 9, 2, 6)
    assert table.p_value == pytest.approx(reference.binomtest(9, 11, 0.5).pvalue)
    assert mcnemar(first, first).p_value == 1


@given(st.integers(6, 30), st.floats(-2, 2), st.integers(0, 2**32 - 1))
def test_the_confidence_sequence_holds_the_means_without_evidence_against_them(n, mean, seed):
    x = np.random.default_rng(seed).normal(mean, 1, n)
    interval = anytime(x)
    if np.isfinite(interval.low):
        for end in (interval.low, interval.high):
            assert evidence(x - end) == pytest.approx(20, rel=1e-6)
    assert interval.low < paired_t(x).low
