"""The decision rule: its error rates, its power, and that no verdict claims more than its numbers."""

import json
import re
from math import isnan, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from statsmodels.stats.multitest import multipletests

from dropstudy.analysis.stats.two_way import two_way
from dropstudy.analysis.verdict.inference import arm_tests, holm
from dropstudy.analysis.verdict.rule import SEEDS
from dropstudy.analysis.verdict.tables import comparison_cells
from verdicts import outcomes_of, rates, verdict_of

ARMS = rates(0, 0.5)


@pytest.mark.slow
@given(st.lists(st.floats(0, 1), min_size=1, max_size=9))
@settings(max_examples=10, deadline=None)  # statsmodels collects garbage at each call
def test_holm_is_statsmodels(p_values):
    assert holm(p_values) == pytest.approx(list(multipletests(p_values, method="holm")[1]))
    corrected = holm([*p_values, nan])
    assert isnan(corrected[-1])
    assert corrected[:-1] == pytest.approx(holm(p_values))


@pytest.mark.slow
@pytest.mark.parametrize(("n", "arms"), [(6, 1), (6, 9), (10, 3), (20, 1)])
def test_false_verdicts_stay_within_their_error(n, arms):
    """No effect, and an effect of exactly the margin, in studies whose arms share a baseline; benchmarks have more."""
    rng = np.random.default_rng([n, arms])
    studies, moved, called = 300 if arms == 1 else 60, 0, 0
    for _ in range(studies):
        x = rng.normal(size=(n, arms)) - rng.normal(size=(n, 1))
        found = {test.decision for test in arm_tests(x, margin=0.01, always_valid=False)}
        moved += bool(found & {"helps", "hurts"})
        at_the_margin = arm_tests(x + 2, margin=2, always_valid=False)
        called += any(test.decision == "equivalent" for test in at_the_margin)
    for false in (moved, called):
        assert binomtest(false, studies, 0.05, alternative="greater").pvalue > 0.01


def test_the_rule_finds_what_is_there():
    """Else the test above would hold for a rule that decides nothing."""
    rng = np.random.default_rng(1)
    found = [
        arm_tests(rng.normal(1, 1, (12, 1)), margin=0.1, always_valid=False)[0].decision for _ in range(100)
    ]
    assert found.count("helps") > 75
    same = [
        arm_tests(rng.normal(0, 0.5, (12, 1)), margin=1, always_valid=False)[0].decision for _ in range(100)
    ]
    assert same.count("equivalent") > 90


@pytest.mark.slow
@given(st.data(), st.sampled_from([0.01, 0.1, 1.0, 50.0]), st.booleans(), st.sampled_from([(), (6, 8)]))
@settings(max_examples=40, deadline=None)
def test_no_verdict_claims_more_than_its_fields(data, margin, watches_test, looks):
    arms = rates(*(i / 10 for i in range(data.draw(st.integers(2, 4)))))
    n, examples = data.draw(st.integers(1, 9)), data.draw(st.sampled_from([1, 40, 10_000]))
    base = data.draw(st.integers(0, examples))
    step = st.sampled_from([0, 1, 1, 2, examples // 8])
    accuracies = {
        arm.name: {
            seed: min(examples, max(0, base + data.draw(step) - place)) / examples
            for seed in range(n)
            if data.draw(st.integers(0, 15))
        }
        for place, arm in enumerate(arms)
    }
    lost = [(arm, seed) for arm, scores in accuracies.items() for seed in range(n) if seed not in scores]
    status = data.draw(st.sampled_from(["diverged", "failed", "pending"]))
    outcomes = outcomes_of(arms, n, dict.fromkeys(lost, status))
    accuracies[arms[0].name] = accuracies[arms[0].name] or {0: 0.5}
    validation = {arm.name: data.draw(st.sampled_from([0.97, 0.98, nan])) for arm in arms}
    verdict = verdict_of(
        arms, accuracies, margin=margin, watches_test=watches_test, looks=looks, outcomes=outcomes,
        validation=validation, test_examples=examples, falling=data.draw(st.sets(st.sampled_from([*accuracies]))),
    )  # fmt: skip
    (condition,) = verdict.conditions
    json.dumps(verdict.to_dict(), allow_nan=False)
    for sentence in verdict.sentences:
        assert sentence.endswith(".")
        assert not re.search(r"\bnan\b|\binf\b|\(\)|, ,|: ;|  |: points|accuracy: \.", sentence)
        assert sentence[0] == "'" or sentence[0].isupper() or sentence[0].isdigit()
    for c in condition.comparisons:
        estimates = (
            c.difference,
            c.bca,
            c.simultaneous,
            c.deciding,
            c.over_seeds,
            c.effect_size,
            *(m.difference for m in c.metrics),
        )
        assert not any(e.low == e.high for e in estimates if e.known)
        if c.decision in {"helps", "hurts", "equivalent"}:
            assert c.n >= SEEDS
            assert c.diverged == 0
            assert examples > 1
            assert c.deciding.known
            inside = c.deciding.within(margin)
            apart = c.deciding.low > 0 if c.decision == "helps" else c.deciding.high < 0
            assert inside if c.decision == "equivalent" else apart and not inside
            assert c.decision != "equivalent" or margin >= c.unseen >= 100 / examples
        elif c.decision == "diverged":
            assert c.diverged
    if verdict.decision == "helps":
        assert verdict.chosen != condition.baseline
    elif verdict.decision in {"undecided", "too few seeds", "diverged"}:
        assert not re.match(r"\S* ?(at rate \S+ \(.*?\) )?(helps|hurts|makes no)", verdict.headline)
    assert ("Dropout helps" not in (verdict.label, verdict.headline[:13])) or verdict.decision == "helps"
    lost = {arm.arm for arm in condition.arms if arm.diverged}
    assert all(f"'{arm}' diverged" in verdict.headline for arm in lost)
    cells = comparison_cells(condition)
    assert (cells != "-").any().all()
    if len(condition.comparisons) == 1:  # one arm is all arms together
        assert not {"p, all arms", "p, Holm", "all arms together", "single look, all arms"} & set(cells)


def test_examples_that_favour_an_arm_make_no_verdict_on_new_data():
    """On each test set the arm is a little better or worse, on all of them it is the same."""
    rng = np.random.default_rng(7)
    decided, on_these = 0, 0
    for _ in range(100):
        answers = rng.normal(size=(1, 300)) + rng.normal(size=(20, 1)) / 30 + rng.normal(size=(20, 300))
        (new_data,) = two_way([answers])
        (test,) = arm_tests(
            answers.mean(axis=1)[:, None], margin=1e-9, always_valid=False, new_data=[new_data.difference]
        )
        decided += test.decision in {"helps", "hurts"}
        on_these += test.decision_on_these in {"helps", "hurts"}
        assert test.deciding.low <= test.over_seeds.low
        assert test.deciding.high >= test.over_seeds.high
    assert binomtest(decided, 100, 0.05, alternative="greater").pvalue > 0.01
    assert on_these > 40
