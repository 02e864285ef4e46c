"""Verdicts by another metric than accuracy: what decides, the direction, the unit, the choice."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropstudy.analysis.answer import answer
from dropstudy.analysis.verdict.build import give_verdict
from dropstudy.analysis.verdict.design import Design
from dropstudy.analysis.verdict.inference import arm_tests
from dropstudy.core.metrics import ACCURACY, METRICS, imbalance_hint
from dropstudy.spec.study_file import parse_spec
from verdicts import flat, rates, tables

ARMS = rates(0, 0.2, 0.5)
N = 10


def measured(metric, effects, *, validation=None, spread=0.0005):
    """Verdict of a study whose accuracies are all equal and whose stored values of a metric differ by these effects."""
    history, finals = tables(ARMS, {arm.name: flat(N) for arm in ARMS})
    rng = np.random.default_rng(0)
    noise = rng.normal(scale=spread, size=(len(ARMS), N))
    for arm, effect, each in zip(ARMS, effects, noise, strict=True):
        rows = finals["arm"] == arm.name
        finals.loc[rows, METRICS[metric].column] = 0.5 + effect + each
        column, better = METRICS[metric].validation, (validation or effects)[ARMS.index(arm)]
        if column in history:
            history.loc[history["arm"] == arm.name, column] = 0.5 + better
        else:
            finals.loc[rows, column] = 0.5 + better
    design = Design(ARMS, metric=metric, margin=METRICS[metric].margin)
    return give_verdict(history, finals, design, test_examples=10_000)


@pytest.mark.parametrize("metric", [name for name in METRICS if name != "accuracy"])
@pytest.mark.parametrize("side", [1, -1])
def test_a_metric_decides_where_accuracy_is_equal(metric, side):
    """The better direction helps: upwards, for log loss downwards."""
    (condition,) = measured(metric, [0, side * 0.004, side * 0.02]).conditions
    better = side == METRICS[metric].sign
    last = condition.comparisons[-1]
    assert last.decision == ("helps" if better else "hurts")
    assert last.difference.value == pytest.approx(side * 0.02 * METRICS[metric].factor, rel=0.05)
    assert last.improvement.value == (1.0 if better else 0.0)
    assert condition.chosen == ("dropout 0.5" if better else "no dropout")
    assert condition.choice.lead > 0
    accuracy = next(each for each in last.metrics if each.metric == "accuracy")
    assert accuracy.difference.value == 0


@pytest.mark.parametrize(
    ("metric", "effect", "sentence"),
    [
        ("auc", 0.02, "raises test AUC by 0.0"),
        ("auc", -0.02, "lowers test AUC by 0.0"),
        ("log-loss", -0.02, "lowers test log loss by 0.0"),
        ("log-loss", 0.02, "raises test log loss by 0.0"),
        ("balanced-accuracy", 0.02, "raises balanced test accuracy by "),
    ],
)
def test_the_answer_names_metric_direction_and_unit(metric, effect, sentence):
    history, finals = tables(ARMS[:2], {arm.name: flat(N) for arm in ARMS[:2]})
    noise = np.random.default_rng(1).normal(scale=0.0005, size=N)
    finals[METRICS[metric].column] = np.where(finals["arm"] == ARMS[0].name, 0.5, 0.5 + effect) + np.tile(
        noise, 2
    ) * np.repeat([1, -1], N)
    design = Design(ARMS[:2], metric=metric, margin=METRICS[metric].margin, watches_test=True)
    verdict = give_verdict(history, finals, design, test_examples=10_000)
    table = {"name": "s", "rates": [0, 0.2], "hidden": [4], "epochs": 10, "validation_split": "test"}
    spec = parse_spec({**table, "metric": metric})
    helps = answer(verdict, spec, ()).helps
    assert sentence in helps
    assert helps.startswith(
        "Yes, on these 10,000 test examples."
        if effect * METRICS[metric].sign > 0
        else "No, on these 10,000 test examples."
    )
    assert METRICS[metric].unit in helps
    assert "points" not in helps or METRICS[metric].short == "points"
    assert METRICS[metric].on_test in verdict.headline


def test_the_choice_is_made_on_the_validation_data_of_the_metric():
    """The test set prefers the last arm, validation data the one before it."""
    (condition,) = measured("auc", [0, 0.01, 0.02], validation=[0, 0.02, 0.01]).conditions
    assert condition.chosen == "dropout 0.2"
    assert condition.choice.lead == pytest.approx(0.01)
    lower = measured("log-loss", [0, -0.01, -0.02], validation=[0, -0.02, -0.01]).conditions[0]
    assert lower.chosen == "dropout 0.2"


@given(st.lists(st.floats(-1, 1), min_size=6, max_size=9), st.floats(0.01, 1))
def test_the_direction_alone_turns_helps_into_hurts(differences, margin):
    x = np.asarray(differences)[:, None]
    up = arm_tests(x, margin=margin, always_valid=False)[0]
    down = arm_tests(x, margin=margin, always_valid=False, sign=-1)[0]
    turned = {"helps": "hurts", "hurts": "helps"}
    assert down.decision == turned.get(up.decision, up.decision)
    assert down.decision_on_these == turned.get(up.decision_on_these, up.decision_on_these)
    assert replace(down, decision=up.decision, decision_on_these=up.decision_on_these) == up or np.isnan(
        up.difference.low
    )


def test_few_test_examples_show_no_equivalence_in_any_unit():
    """An unseen example may cost an answer, a pair of answers or a nat: 40 examples resolve no default margin."""
    for metric in METRICS:
        history, finals = tables(ARMS[:2], {arm.name: flat(N) for arm in ARMS[:2]})
        noise = np.random.default_rng(2).normal(scale=1e-6, size=2 * N)
        finals[METRICS[metric].column] = 0.5 + noise
        design = Design(ARMS[:2], metric=metric, margin=METRICS[metric].margin)
        few, many = (give_verdict(history, finals, design, test_examples=count) for count in (40, 10_000))
        assert (few.decision, many.decision) == ("undecided", "equivalent")


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        ([60, 40], False),
        ([66, 34], False),
        ([67, 33], True),
        ([10] * 10, False),
        ([17, *[9] * 9], False),
        ([19, *[9] * 9], True),
        ([0, 5], True),
    ],
)
def test_unequal_classes_get_a_hint(counts, told):
    """The largest class has more than twice as many examples as the others on average: two thirds of two classes."""
    names = [f"class {number}" for number in range(len(counts))]
    hint = imbalance_hint(counts, names, ACCURACY)
    assert bool(hint) == told
    if told:
        assert f"{max(counts) / sum(counts):.0%}" in hint
        assert names[int(np.argmax(counts))] in hint
    assert not imbalance_hint(counts, names, METRICS["auc"])
