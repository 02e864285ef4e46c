"""Probabilities that an arm is better, makes no difference that matters, or is worse."""

from math import nan, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropstudy.analysis.how_likely import how_likely
from dropstudy.analysis.stats.posterior import posterior
from dropstudy.analysis.verdict.build import give_verdict
from dropstudy.analysis.verdict.design import Design
from dropstudy.analysis.verdict.tables import comparison_cells
from verdicts import accuracies_of, around, flat, predictions_of, rates, tables, verdict_of

ARMS, TWO = rates(0, 0.2, 0.5), rates(0, 0.5)
SIMULATED = (
    (6, 0.05, 0.1, 0.1),
    (10, 0.3, 0.2, 0.1),
    (10, -0.02, 0.05, 0.1),
    (20, 0.0, 1.0, 0.5),
    (50, -1, 2, 0.1),
)


def reference(mean, error, degrees, margin):
    """Probabilities of worse, equal and better, by baycomp."""
    return pytest.importorskip("baycomp.single").Posterior(mean, error**2, degrees, margin).probs()


def line_of(verdict, arms=TWO):
    """The line of a study with this verdict."""
    return how_likely(verdict.conditions[0], Design(arms), verdict.margin)


@pytest.mark.parametrize(("n", "mean", "spread", "margin"), SIMULATED)
def test_probabilities_are_those_of_baycomp(n, mean, spread, margin):
    x = np.random.default_rng(n).normal(mean, spread, n)
    expected = reference(x.mean(), x.std(ddof=1) / sqrt(n), n - 1, margin)
    accuracies = {"no dropout": flat(n, 0.9), "dropout 0.5": {i: 0.9 + d / 100 for i, d in enumerate(x)}}
    found = verdict_of(TWO, accuracies, margin=margin).conditions[0].comparisons[0].posterior
    assert (found.worse, found.equal, found.better) == pytest.approx(expected, abs=1e-9)


@given(
    mean=st.floats(-5, 5), error=st.floats(0.001, 5), degrees=st.floats(1, 200), margin=st.floats(0.001, 3)
)
def test_probabilities_add_up_and_swap_with_the_direction(mean, error, degrees, margin):
    found, other = (posterior(mean, error, degrees, margin=margin, sign=sign) for sign in (1, -1))
    assert found.better + found.equal + found.worse == pytest.approx(1)
    assert (found.better, found.equal, found.worse) == pytest.approx((other.worse, other.equal, other.better))
    mirrored = posterior(-mean, error, degrees, margin=margin)
    assert (found.better, found.worse) == pytest.approx((mirrored.worse, mirrored.better))


def test_they_are_the_paired_ts_tails_at_the_margin():
    """A margin at the end of the 95% interval leaves 2.5% on its side."""
    (c,) = verdict_of(TWO, {"no dropout": flat(), "dropout 0.5": around(0.3)}).conditions[0].comparisons
    error = (c.difference.high - c.difference.value) / 2.2621571627  # t of 9 degrees at 97.5%
    assert posterior(0.3, error, 9, margin=c.difference.high).better == pytest.approx(0.025, abs=1e-6)


def test_without_an_error_there_are_none():
    assert posterior(0.1, 0.0, 5, margin=0.1) is None
    assert posterior(0.1, nan, 5, margin=0.1) is None
    for n, spread in ((5, 0.1), (10, 0.0)):  # too few seeds for a verdict, and all equal
        accuracies = {"no dropout": flat(n), "dropout 0.5": around(0.3, n, spread=spread)}
        verdict = verdict_of(TWO, accuracies)
        assert verdict.conditions[0].comparisons[0].posterior is None
        assert not line_of(verdict)


def test_the_line_names_the_arm_the_margin_and_what_it_is_about():
    verdict = verdict_of(TWO, {"no dropout": flat(), "dropout 0.5": around(0.13, spread=0.08)})
    worse, equal, better = reference(0.13, 0.08 / sqrt(10), 9, 0.1)
    assert (round(100 * better), round(100 * equal)) == (87, 13)
    assert line_of(verdict) == (
        "Rate 0.5 is better: 87%, no difference that matters (within 0.1 points): 13%, worse: below 1%. "
        "That is for this arm alone, other seeds on these test examples, and no earlier opinion. "
        "The verdict is about any difference, these are about more than 0.1 points."
    )
    assert worse < 0.005
    (cell,) = comparison_cells(verdict.conditions[0])["better / same / worse"]
    assert cell == "87 / 13 / 0%"


def test_lower_log_loss_is_better():
    history, finals = tables(ARMS[:2], {"no dropout": flat(), "dropout 0.2": flat()})
    rows = finals["arm"] == "dropout 0.2"
    finals.loc[rows, "test_loss"] -= 0.02 + 0.001 * np.random.default_rng(0).normal(size=10)
    verdict = give_verdict(
        history, finals, Design(ARMS[:2], metric="log-loss", margin=0.005, watches_test=True)
    )
    assert verdict.decision == "helps"
    assert line_of(verdict, ARMS[:2]).startswith("Rate 0.2 is better: above 99%")


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("looks", [(), (6, 8)])
def test_where_headline_and_probability_seem_to_disagree_the_answer_says_how_both_fit(seed, looks):
    rng = np.random.default_rng(seed)
    mean, spread, n = rng.uniform(-0.3, 0.3), rng.uniform(0.02, 0.4), int(rng.integers(6, 30))
    accuracies = {
        "no dropout": flat(n),
        "dropout 0.2": around(mean, n, spread=spread),
        "dropout 0.5": around(-0.2, n, spread=0.3),
    }
    verdict = verdict_of(ARMS, accuracies, validation={"dropout 0.2": 0.99}, looks=looks)
    subject = verdict.conditions[0].subject
    found, line = subject.posterior, line_of(verdict, ARMS)
    sure = {"helps": found.better, "hurts": found.worse, "equivalent": found.equal}.get(subject.decision)
    if subject.decision == "equivalent":
        assert sure >= 0.95
    elif subject.decision == "undecided":
        assert ("The verdict asks for more" in line) == (max(found.better, found.equal, found.worse) >= 0.95)
    else:
        assert sure > 0.5 or abs(mean) < verdict.margin
        assert ("The verdict is about any difference" in line) == (sure < 0.95)


def test_for_new_data_they_are_of_the_interval_that_decides():
    """A margin at its end leaves 2.5% beyond it: 20 of 400 examples differ in some seeds."""

    def wrong(arm, seed):
        return range(100, 105 + seed % 2) if arm == "dropout 0.5" else range(seed, seed + 14)

    (c,) = (
        verdict_of(TWO, accuracies_of(wrong, 400, 8), predictions=predictions_of(wrong, 400), margin=0.1)
        .conditions[0]
        .comparisons
    )
    assert c.new_data.high - c.new_data.low > 1.05 * (c.difference.high - c.difference.low)
    end = c.new_data.low
    (there,) = (
        verdict_of(TWO, accuracies_of(wrong, 400, 8), predictions=predictions_of(wrong, 400), margin=end)
        .conditions[0]
        .comparisons
    )
    assert there.posterior.new_data
    assert 1 - there.posterior.better == pytest.approx(0.025, abs=1e-6)
