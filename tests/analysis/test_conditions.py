"""Claims over several networks and training sizes."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from hypothesis import assume, given
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from dropstudy.analysis.answer import answer
from dropstudy.analysis.verdict.build import give_verdict
from dropstudy.analysis.verdict.conditions import discoveries_over_groups, holm_over_groups
from dropstudy.analysis.verdict.design import Design
from dropstudy.analysis.verdict.tables import comparison_cells
from verdicts import around, flat, rates, tables

P = st.floats(1e-6, 1)
TWO, THREE = rates(0, 0.5), rates(0, 0.2, 0.5)


@given(st.lists(P, min_size=1, max_size=12))
def test_with_one_arm_in_each_condition_it_is_holms_correction(p):
    expected = multipletests(p, method="holm")[1]
    assert [found for (found,) in holm_over_groups([[each] for each in p])] == pytest.approx(expected)


@given(st.lists(st.lists(P, min_size=1, max_size=4), min_size=1, max_size=6), st.floats(0.001, 0.2))
def test_the_claims_at_a_level_are_those_of_the_steps(groups, level):
    """Reject at level / (groups not rejected as a whole), until nothing more is."""
    rejected = [[False] * len(group) for group in groups]
    while True:
        left = max(1, sum(not all(group) for group in rejected))
        new = [[p <= level / left for p in group] for group in groups]
        if new == rejected:
            break
        rejected = new
    found = [[p <= level for p in group] for group in holm_over_groups(groups)]
    assert found == rejected


def test_any_false_claim_over_ten_conditions_of_three_arms_has_at_most_the_levels_probability():
    """In half of the conditions one of the arms has an effect, so that the steps go on past it."""
    rng = np.random.default_rng(0)
    alone = everywhere = 0
    studies = 4000
    for _ in range(studies):
        p = np.minimum(1, 3 * rng.random((10, 3)))  # Bonferroni within a condition
        p[:5, 0] = 1e-9
        true = np.ones((10, 3), bool)
        true[:5, 0] = False
        alone += bool((p[true] <= 0.05).any())
        everywhere += bool((np.array(holm_over_groups(p.tolist()))[true] <= 0.05).any())
    assert alone / studies > 0.3
    assert everywhere / studies <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / studies)


@given(st.lists(P, min_size=1, max_size=12))
def test_with_one_arm_in_each_condition_a_list_is_benjamini_and_hochbergs(p):
    expected = multipletests(p, method="fdr_bh")[1]
    found = discoveries_over_groups([[each] for each in p])
    assert [q for (q,) in found] == pytest.approx(expected)


@given(st.lists(st.lists(P, min_size=1, max_size=4), min_size=1, max_size=6), st.floats(0.001, 0.2))
def test_the_claims_of_a_list_are_those_of_the_selected_conditions(groups, level):
    """Benjamini and Bogomolov 2014: select groups by their smallest p, then test at R q / m in the R selected."""
    selected = multipletests([min(group) for group in groups], alpha=level, method="fdr_bh")[0]
    at = selected.sum() * level / len(groups)
    expected = [
        [bool(chosen and p <= at) for p in group] for chosen, group in zip(selected, groups, strict=True)
    ]
    found = discoveries_over_groups(groups)
    assume(all(abs(q / level - 1) > 1e-9 for group in found for q in group))  # else rounding decides
    assert [[q <= level for q in group] for group in found] == expected


def test_unknown_p_do_not_count():
    found = holm_over_groups([[0.01], [float("nan")], [0.02, float("nan")]])
    assert found[0] == [0.02]
    assert found[2][0] == 0.02
    assert np.isnan([found[1][0], found[2][1]]).all()
    found = discoveries_over_groups([[0.01], [float("nan")], [0.02, float("nan")]])
    assert (found[0], found[2][0]) == ([0.02], 0.02)
    assert np.isnan([found[1][0], found[2][1]]).all()
    assert np.isnan(discoveries_over_groups([[float("nan")]])).all()


@pytest.mark.parametrize(("networks", "listed"), [(20, False), (21, True)])
def test_above_20_networks_claims_are_counted_as_a_list_too(networks, listed):
    """Of 8 normal values t = 4 is p = 0.0052: for 21 it is 0.11, and as one of 10 alike of 21, 0.011."""
    verdict = study_of(*[(0.1 * 4 / np.sqrt(8),)] * 10, *[(0.001,)] * (networks - 10))
    first = verdict.conditions[0].comparisons[0]
    assert first.p_interval == pytest.approx(scipy.stats.ttest_1samp(first.differences, 0).pvalue)
    told = "none of the 10 claims of an effect is shown."
    if listed:
        assert first.q_everywhere == pytest.approx(2.1 * first.p_interval)
        told += " As a list of which about 5% may be false, 10 are shown."
    assert verdict.headline.endswith(told)
    assert ("q, all conditions" in comparison_cells(verdict.conditions[0])) == listed


def study_of(*points, n=8, arms=TWO, spread=0.1):
    """The verdict on a network for each mean difference of the arms."""
    parts = []
    for number, means in enumerate(points):
        others = {arm.name: around(mean, n, spread=spread) for arm, mean in zip(arms[1:], means, strict=True)}
        condition = {"hidden": str(16 * (number + 1)), "train_size": 1000}
        parts.append(tables(arms, {"no dropout": flat(n), **others}, condition=condition))
    history, finals = (pd.concat(each, ignore_index=True) for each in zip(*parts, strict=True))
    return give_verdict(history, finals, Design(arms, watches_test=True))


def test_a_claim_that_one_of_ten_networks_makes_is_not_shown_of_all():
    """Of 8 normal values t = 2.83 is p = 0.025: enough for one network, and 0.25 for ten."""
    verdict = study_of((0.1,), *[(0.02,)] * 9)
    first = verdict.conditions[0].comparisons[0]
    assert first.decision == "helps"
    assert first.p_interval == pytest.approx(scipy.stats.ttest_1samp(first.differences, 0).pvalue)
    assert first.p_everywhere == pytest.approx(10 * first.p_interval)
    told = "Allowing for all 10 networks at once, the one claim of an effect is not shown."
    assert verdict.headline.endswith(told)
    assert told in answer_of(verdict)
    (cell,) = comparison_cells(verdict.conditions[0])["p, all conditions"]
    assert cell == f"{first.p_everywhere:.2g}"


def test_claims_that_stand_are_named():
    """All arms of one network hurt, so that the p of the others are doubled: that of the first is 0.034."""
    verdict = study_of((0.11, 0.02), (-1.0, -1.0), (0.02, 0.02), arms=THREE)
    assert [each.decision for each in verdict.conditions] == ["helps", "hurts", "undecided"]
    first = verdict.conditions[0].comparisons[0]
    assert first.p_everywhere == pytest.approx(2 * first.p_interval)
    assert verdict.headline.endswith(
        "Allowing for all 3 networks at once, 1 of the 2 claims of an effect is still shown (32)."
    )


def test_a_claim_that_stands_alone_is_named_in_the_answer():
    verdict = study_of((0.3,), (0.02,), (0.02,))
    told = "Allowing for all 3 networks at once, the one claim of an effect still holds (16)."
    assert verdict.headline.endswith(told)
    assert told in answer_of(verdict)


def test_one_network_has_no_such_p():
    verdict = study_of((0.1,))
    assert np.isnan(verdict.conditions[0].comparisons[0].p_everywhere)
    assert "at once" not in str(verdict)
    assert "p, all conditions" not in comparison_cells(verdict.conditions[0])


def answer_of(verdict):
    return str(answer(verdict, Design(TWO, watches_test=True), ()))
