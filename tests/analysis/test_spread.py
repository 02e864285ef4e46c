"""The spread over seeds and its sources, against scipy, and against simulated runs whose sources are known."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as reference

from dropstudy.analysis.redrawn import with_sources
from dropstudy.analysis.stats.spread import deviation, deviation_redrawn
from dropstudy.core.types import Arm
from dropstudy.spec.study_file import parse_spec
from verdicts import CONDITION, around, flat, verdict_of

SPEC = parse_spec(
    {"name": "s", "rates": [0, 0.5], "hidden": [4], "epochs": 1, "seeds": 8, "validation_split": 0.2}
)


def test_together_it_is_the_deviation_with_the_interval_of_chi_square():
    x = np.random.default_rng(0).normal(3, 2, 12)
    found = deviation(x)
    assert found.value == pytest.approx(x.std(ddof=1))
    spread = reference.chi2(11)
    assert found.low == pytest.approx(found.value * np.sqrt(11 / spread.ppf(0.975)))
    assert found.high == pytest.approx(found.value * np.sqrt(11 / spread.ppf(0.025)))


def runs(rng, n, *, weights, order, both=0.0):
    """Scores of runs, and of the same with other weights; `both` is what weights and order make together."""
    w, other, o = (rng.normal(0, 1, n) for _ in range(3))
    return [weights * each + order * o + both * each * o for each in (w, other)]


def test_alone_it_is_what_the_source_makes_and_is_covered_by_its_interval():
    rng, held, values = np.random.default_rng(1), 0, []
    for _ in range(2000):
        found = deviation_redrawn(*runs(rng, 8, weights=0.3, order=2.0))
        values.append(found.value**2)
        held += found.low <= 0.3 <= found.high
    assert np.mean(values) == pytest.approx(0.3**2, rel=0.05)
    assert 0.935 <= held / 2000 <= 0.965


def test_what_sources_make_together_counts_for_each_of_them():
    found = deviation_redrawn(*runs(np.random.default_rng(2), 100_000, weights=0.3, order=2.0, both=0.5))
    assert found.value**2 == pytest.approx(0.3**2 + 0.5**2, rel=0.02)


def test_where_nothing_differs_there_is_no_interval():
    same = np.full(6, 0.9)
    assert deviation_redrawn(same, same).value == 0
    assert not deviation_redrawn(same, same).known
    assert not deviation(same).known
    assert not deviation(same[:1]).known
    assert not deviation_redrawn(same[:0], same[:0]).known


def finals(scores):
    """Finished runs of a table of accuracies, arms by seeds; NaN for a run that did not finish."""
    rows = [
        {"arm": arm, **CONDITION, "seed": seed, "test_accuracy": score}
        for arm, values in scores.items()
        for seed, score in enumerate(values)
        if np.isfinite(score)
    ]
    return pd.DataFrame(rows, columns=["arm", *CONDITION, "seed", "test_accuracy"])


SCORES = st.lists(st.floats(0, 1) | st.just(np.nan), min_size=8, max_size=8).map(np.array)


@settings(max_examples=30, deadline=None)
@given(ours=st.tuples(SCORES, SCORES), order=st.tuples(SCORES, SCORES), masks=SCORES)
def test_sources_are_those_of_the_seeds_that_finished_and_decide_nothing(ours, order, masks):
    names = [arm.name for arm in SPEC.arms]
    verdict = FIRST
    told = with_sources(
        verdict,
        SPEC,
        finals(dict(zip(names, ours, strict=True))),
        {"order": finals(dict(zip(names, order, strict=True))), "masks": finals({names[1]: masks})},
    )
    without = replace(
        told,
        conditions=tuple(replace(each, sources=()) for each in told.conditions),
        sentences=told.sentences[: len(verdict.sentences)],
    )
    assert without.to_dict() == verdict.to_dict()
    found = {(row.arm, row.baseline): row.alone for row in told.conditions[0].sources}
    pairs = {
        (names[0], "", "order"): (ours[0], order[0]),
        (names[1], "", "order"): (ours[1], order[1]),
        (names[1], names[0], "order"): (ours[1] - ours[0], order[1] - order[0]),
        (names[1], "", "masks"): (ours[1], masks),
        (names[1], names[0], "masks"): (ours[1] - ours[0], masks - ours[0]),  # the baseline draws none
    }
    assert "masks" not in found.get((names[0], ""), {})
    for (arm, baseline, source), (x, y) in pairs.items():
        finished = np.isfinite(x) & np.isfinite(y)
        alone = found.get((arm, baseline), {})
        if finished.sum() < 2:
            assert source not in alone
        else:
            expected = 100 * np.sqrt(np.mean((y - x)[finished] ** 2) / 2)
            assert alone[source].value == pytest.approx(expected, abs=1e-9)
            assert alone[source].n == finished.sum()


FIRST = verdict_of(SPEC.arms, {"no dropout": flat(8), "dropout 0.5": around(0.1, 8)})


def test_the_sentence_has_the_numbers_of_the_arm_that_the_verdict_is_about():
    rng = np.random.default_rng(3)
    ours, order = ({arm.name: rng.uniform(0.9, 1, 8) for arm in SPEC.arms} for _ in range(2))
    told = with_sources(FIRST, SPEC, finals(ours), {"order": finals(order)})
    x, y = (scores["dropout 0.5"] - scores["no dropout"] for scores in (ours, order))
    both, alone = deviation(100 * x), deviation_redrawn(100 * x, 100 * y)
    assert told.sentences[-1].startswith(
        "Over 8 seeds the standard deviation of the difference of 'dropout 0.5' from 'no dropout' is "
        f"{both.value:.2f} percentage points ({both.low:.2f} to {both.high:.2f}). With one thing drawn anew, all else "
        f"the same: order of examples {alone.value:.2f} ({alone.low:.2f} to {alone.high:.2f})."
    )
    assert with_sources(FIRST, SPEC, finals(ours), {}) is FIRST


def test_noise_on_the_inputs_is_a_mask_too():
    arms = (SPEC.arms[0], Arm("inputs", input_rate=0.2))
    verdict = verdict_of(arms, {"no dropout": flat(8), "inputs": around(0.1, 8)})
    rng = np.random.default_rng(4)
    ours, masks = (
        {name: rng.random(8) for name in names} for names in (("no dropout", "inputs"), ("inputs",))
    )
    told = with_sources(verdict, replace(SPEC, arms=arms), finals(ours), {"masks": finals(masks)})
    assert [(row.arm, row.baseline) for row in told.conditions[0].sources] == [
        ("inputs", ""),
        ("inputs", "no dropout"),
    ]
