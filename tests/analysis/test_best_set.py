"""The columns that cannot be told from the best: laws, scipy's distributions, and how often the best is among them."""

import numpy as np
import pytest
from scipy import optimize, stats

from dropstudy.analysis.stats.best_set import _largest, best_set
from dropstudy.analysis.verdict.build import give_verdict
from dropstudy.analysis.verdict.design import Design
from dropstudy.analysis.verdict.which_rate import best_rates, rate_ranges
from verdicts import around, flat, rates, tables


def table(n=10, k=5, seed=0, *, gap=0.0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 1)) + rng.normal(size=(n, k)) - gap * np.arange(k)


@pytest.mark.parametrize("seed", range(20))
def test_two_columns_are_told_apart_where_scipys_one_sided_paired_t_does(seed):
    values = table(8, 2, seed, gap=0.7)
    p = [stats.ttest_rel(values[:, 1 - i], values[:, i], alternative="greater").pvalue for i in (0, 1)]
    assert best_set(values).tolist() == [each > 0.05 for each in p]


def test_its_critical_value_is_that_of_scipys_multivariate_t():
    """With many rows, the t of 3 others against a column of equal variance are jointly t with correlations of 1/2."""
    n, k = 400, 4
    values = np.random.default_rng(3).normal(size=(n, k))
    # Covariance: identity.
    values = np.linalg.solve(np.linalg.cholesky(np.cov(values, rowvar=False)), values.T).T
    joint = stats.multivariate_t(shape=0.5 + 0.5 * np.eye(k - 1), df=n - 1, seed=1)
    exact = optimize.brentq(lambda c: joint.cdf(np.full(k - 1, c)) - 0.95, 1.5, 3, xtol=1e-3)
    ours = np.quantile(_largest(values, ~np.eye(k, dtype=bool), 20_000), 0.95, axis=0)
    assert ours == pytest.approx(np.full(k, exact), abs=0.03)


def test_scale_order_and_what_all_columns_of_a_row_share_change_nothing():
    values = table(gap=0.4)
    expected = best_set(values)
    assert expected[values.mean(axis=0).argmax()]
    assert not expected.all()
    moved = 1e-3 * values + np.random.default_rng(1).normal(size=(10, 1))
    assert (best_set(moved) == expected).all()
    order = [3, 0, 4, 1, 2]
    assert (best_set(values[:, order]) == expected[order]).all()


def test_columns_that_always_differ_alike_are_not_told_apart():
    values = table(k=3)
    both = np.column_stack([values[:, 0], values[:, 0] - 9, values[:, 2] - 50])
    assert best_set(both).tolist() == [True, True, False]
    assert best_set(both[:, :2]).all()


def test_missing_rows_leave_each_comparison_its_own():
    values = table(12, 4, gap=2.0)
    values[:3, 1] = np.nan
    found = best_set(values)
    own = values[3:, [0, 1]]
    test = stats.ttest_rel(own[:, 0], own[:, 1], alternative="greater")
    assert bool(found[1]) == (test.pvalue > 0.05 / 3)
    assert found[0]
    assert not found[3]


@pytest.mark.parametrize(("n", "k"), [(6, 4), (10, 9)])
def test_the_best_is_among_them(n, k):
    """In the hardest case, where all are equally good; 600 tables, so that 93% is 2 errors below 95%."""
    rng = np.random.default_rng(n)
    held = [best_set(rng.normal(size=(n, 1)) + rng.normal(size=(n, k)), draws=500)[0] for _ in range(600)]
    assert np.mean(held) >= 0.93


def test_rates_in_a_row_are_a_range():
    tried = [0, 0.1, 0.2, 0.3, 0.5, 0.8]
    assert rate_ranges([0.1, 0.2, 0.3], tried) == "0.1 to 0.3"
    assert rate_ranges([0, 0.1], tried) == "0 and 0.1"
    assert rate_ranges([0, 0.2, 0.3, 0.5], tried) == "0 and 0.2 to 0.5"


FOUR = rates(0, 0.2, 0.5, 0.8)


def verdict_on(means, **design):
    """The verdict on four rates whose validation accuracies have these means, in points, and deviation 0.05."""
    history, finals = tables(FOUR, {arm.name: flat() for arm in FOUR})
    for place, (arm, mean) in enumerate(zip(FOUR, means, strict=True)):
        noise = np.random.default_rng(place).normal(0, 5e-4, 10)
        ours = history["arm"] == arm.name
        history.loc[ours, "val_accuracy"] = 0.97 + mean / 100 + noise[history.loc[ours, "seed"]]
    return give_verdict(history, finals, Design(FOUR, **design)).conditions[0]


def test_the_answer_names_the_rates_that_may_be_best():
    found = verdict_on([0, 0.5, 0.51, -1])
    assert found.choice.best == ("dropout 0.2", "dropout 0.5")
    sentence = best_rates(found.choice, FOUR)
    assert sentence == "By validation data, each of rates 0.2 and 0.5 may be the best (95% confidence)."
    alone = verdict_on([0, 0.2, 0.5, -1]).choice
    assert alone.best == ("dropout 0.5",)
    assert best_rates(alone, FOUR) == "By validation data, only rate 0.5 may be the best (95% confidence)."
    none = verdict_on([0, 0, 0, 0]).choice
    assert (
        best_rates(none, FOUR) == "By validation data, each of the 4 arms may be the best (95% confidence)."
    )


def test_growing_studies_leave_out_only_what_holds_at_every_look():
    means = [0, 0.04, 0.07, -1]
    once, always = verdict_on(means).choice.best, verdict_on(means, looks=(6, 10)).choice.best
    assert set(once) < set(always)


def test_validation_scores_that_never_vary_show_nothing():
    accuracies = {arm.name: around(0.1 * place) for place, arm in enumerate(FOUR)}
    validation = {arm.name: 0.97 + 0.001 * place for place, arm in enumerate(FOUR)}
    found = give_verdict(*tables(FOUR, accuracies, validation=validation), Design(FOUR)).conditions[0]
    assert found.choice.best == ()
    assert best_rates(found.choice, FOUR) == ""
