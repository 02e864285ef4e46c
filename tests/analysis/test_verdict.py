"""Verdicts: their sentences, and when there is none."""

import json
import re
from itertools import product
from math import isnan, nan

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from statsmodels.stats.multitest import multipletests

import made_up
from dropstudy import Study
from dropstudy.analysis.sequential import out_of_reach
from dropstudy.analysis.stats.calibration import expected_calibration_error
from dropstudy.analysis.verdict.build import give_verdict
from dropstudy.analysis.verdict.inference import arm_tests, holm
from dropstudy.analysis.verdict.rule import SEEDS
from dropstudy.analysis.verdict.tables import comparison_cells, gap_cells
from dropstudy.analysis.verdict.types import Design
from dropstudy.core.text import rounded, span
from dropstudy.core.types import Arm
from expected import Analysis
from verdicts import around, flat, rates, tables, verdict_of

ARMS = rates(0, 0.5)


def two(points, n=10, **more):
    """The verdict on one arm whose differences have this mean."""
    return verdict_of(ARMS, {"no dropout": flat(n), "dropout 0.5": around(points, n, **more)})


@pytest.mark.slow
@given(st.lists(st.floats(0, 1), min_size=1, max_size=9))
@settings(max_examples=10, deadline=None)  # statsmodels collects garbage at each call
def test_holm_is_statsmodels(p_values):
    assert holm(p_values) == pytest.approx(list(multipletests(p_values, method="holm")[1]))
    corrected = holm([*p_values, nan])
    assert isnan(corrected[-1])
    assert corrected[:-1] == pytest.approx(holm(p_values))


@pytest.mark.parametrize(
    ("points", "spread", "decision", "sentence"),
    [
        (
            0.13,
            0.05,
            "helps",
            Analysis.HELPS.format("+0.13 points (95% interval +0.09 to +0.17, 10 paired seeds, p = 0.002)"),
        ),
        (
            -1.0,
            0.1,
            "hurts",
            Analysis.HURTS.format("-1.00 points (95% interval -1.07 to -0.93, 10 paired seeds, p = 0.002)"),
        ),
        (
            0.01,
            0.05,
            "equivalent",
            Analysis.EQUIVALENT.format("0.1", "+0.01 points (95% interval -0.03 to +0.05"),
        ),
        # Deviation 0.2 over 10 seeds: 0.138 to 0.365 by chi-square, so 17 to 107 seeds by the noncentral t.
        (0.05, 0.2, "undecided", Analysis.NEEDS.format("0.1 points", 34, "17 to 107", "10 can detect 0.20")),
    ],
)
def test_a_verdict_is_a_sentence_with_its_numbers(points, spread, decision, sentence):
    verdict = two(points, spread=spread)
    assert verdict.decision == decision
    assert sentence in str(verdict)


def test_a_difference_within_a_wide_margin_does_not_matter_even_where_it_is_shown():
    wide = verdict_of(ARMS, {"no dropout": flat(), "dropout 0.5": around(0.3)}, margin=0.5)
    assert wide.decision == "equivalent"


@pytest.mark.parametrize("n", range(1, SEEDS))
def test_below_six_seeds_there_is_no_verdict(n):
    verdict = two(5, n)
    assert verdict.decision == "too few seeds"
    assert verdict.headline.startswith(Analysis.TOO_FEW.format(n))
    assert not verdict.decided


def test_seeds_that_differ_by_as_many_examples_differ_equally():
    """(107 - 100) / 360 and 108 / 360 - 101 / 360 are not the same float."""
    right = dict(enumerate((100, 101, 103, 217, 19, 333)))
    scores = {
        "no dropout": {seed: count / 360 for seed, count in right.items()},
        "dropout 0.5": {seed: (count + 7) / 360 for seed, count in right.items()},
    }
    (comparison,) = verdict_of(ARMS, scores).conditions[0].comparisons
    assert len(set(comparison.differences)) == 1
    assert comparison.difference.value == pytest.approx(700 / 360)
    assert comparison.all_equal
    assert isnan(comparison.effect_size.value)
    assert isnan(comparison.p_value)
    assert comparison.decision == "undecided"  # six seeds that all agree do not say what the seventh would do


def test_a_verdict_is_json():
    verdict = two(0.13)
    table = json.loads(json.dumps(verdict.to_dict(), allow_nan=False))
    assert table["decision"] == verdict.decision
    assert table["conditions"][0]["comparisons"][0]["difference"]["value"] == pytest.approx(0.13)
    assert str(verdict) == "\n".join(verdict.sentences)


def test_the_arm_is_chosen_on_validation_data_not_on_the_test_set():
    arms = rates(0, 0.2, 0.5, 0.8)
    accuracies = {
        "no dropout": flat(),
        "dropout 0.2": around(0.3, spread=0.05),
        "dropout 0.5": around(0.2, spread=0.05),
        "dropout 0.8": around(-1),
    }
    validation = {"no dropout": 0.979, "dropout 0.2": 0.981, "dropout 0.5": 0.982, "dropout 0.8": 0.97}
    verdict = verdict_of(arms, accuracies, validation=validation)
    assert (verdict.chosen, verdict.decision) == ("dropout 0.5", "helps")
    assert Analysis.CHOSEN.format("dropout 0.5", 4, "0.10", "dropout 0.2") in str(verdict)
    assert "'dropout 0.8' hurts by 1.00 points" in str(verdict)


def test_where_the_test_set_was_watched_nothing_is_chosen():
    arms = rates(0, 0.2, 0.8)
    accuracies = {"no dropout": flat(), "dropout 0.2": around(0.3), "dropout 0.8": around(-1)}
    verdict = verdict_of(arms, accuracies, watches_test=True)
    assert verdict.chosen is None
    assert "alidation data chose" not in str(verdict)
    assert Analysis.WATCHED in str(verdict)
    assert "In order, with the 95% interval for all 2 arms together" in str(verdict)
    assert verdict.decision == "helps"  # that one does needs no choice: the p allow for two arms


def test_an_arm_with_fewer_seeds_is_compared_on_those_that_it_shares():
    arms = rates(0, 0.2, 0.8)
    short = {seed: accuracy for seed, accuracy in around(-1).items() if seed not in {0, 7}}
    verdict = verdict_of(arms, {"no dropout": flat(), "dropout 0.2": around(0.3), "dropout 0.8": short})
    full, fewer = verdict.conditions[0].comparisons
    assert (full.n, fewer.n) == (10, 8)
    assert fewer.seeds == (1, 2, 3, 4, 5, 6, 8, 9)


def test_runs_that_diverged_or_failed_are_counted_and_said():
    accuracies = {"no dropout": flat(), "dropout 0.5": {s: a for s, a in around(0.3).items() if s < 8}}
    history, _ = tables(ARMS, {arm.name: flat() for arm in ARMS})
    outcomes = history[["arm", "hidden", "train_size", "seed"]].drop_duplicates().assign(status="done")
    outcomes.loc[(outcomes["arm"] == "dropout 0.5") & (outcomes["seed"] == 8), "status"] = "diverged"
    outcomes.loc[(outcomes["arm"] == "dropout 0.5") & (outcomes["seed"] == 9), "status"] = "failed"
    verdict = verdict_of(ARMS, accuracies, outcomes=outcomes)
    assert verdict.conditions[0].comparisons[0].n == 8
    assert "1 run of 'dropout 0.5' diverged, 1 run of 'dropout 0.5' failed" in str(verdict)
    assert verdict.headline == Analysis.DIVERGED.format("dropout 0.5", "1 of 10", 8)
    assert (verdict.decision, verdict.chosen, verdict.decided) == ("diverged", None, False)
    assert "more seeds do not change that" in out_of_reach(verdict, 50)


def test_an_arm_still_improving_is_flagged_with_what_more_epochs_cost():
    verdict = verdict_of(ARMS, {"no dropout": flat(), "dropout 0.5": around(-0.3)}, falling={"dropout 0.5"})
    assert "Not converged" in str(verdict)
    assert "'dropout 0.5' (10 of 10 seeds)" in str(verdict)
    assert "try 15 instead of 10 in a new study" in str(verdict)
    assert (
        "hurts after 10 epochs, with 'dropout 0.5' still improving: test accuracy -0.30" in verdict.headline
    )
    assert "'no dropout' (" not in str(verdict)


@pytest.mark.parametrize("epochs", [1, 2, 3, 40])
def test_from_two_epochs_on_it_is_said_who_was_still_improving(epochs):
    falling = {"no dropout", "dropout 0.5"}
    accuracies = {"no dropout": flat(), "dropout 0.5": around(-0.3)}
    verdict = verdict_of(ARMS, accuracies, falling=falling, epochs=epochs)
    assert ("Not converged" in str(verdict)) == (epochs > 1)


def test_one_arm_is_nothing_to_compare():
    alone = verdict_of(ARMS[:1], {"no dropout": flat()})
    assert alone.decision == "nothing to compare"
    assert alone.headline == Analysis.ONE_ARM.format("98.00% (10 seeds)")


def test_a_study_of_which_no_run_finished_has_nothing_to_compare():
    history, finals = tables(ARMS, {"no dropout": flat(2), "dropout 0.5": flat(2)})
    for rows in (history, history.iloc[:0]):
        verdict = give_verdict(rows, finals.iloc[:0], Design(ARMS))
        assert verdict.decision == "nothing to compare"
        assert verdict.headline == Analysis.NOTHING


def test_several_conditions_each_have_their_verdict():
    small = tables(
        ARMS, {"no dropout": flat(), "dropout 0.5": around(-1)}, condition={"hidden": "64", "train_size": 500}
    )
    large = tables(ARMS, {"no dropout": flat(), "dropout 0.5": around(1)})
    history, finals = (pd.concat(pair, ignore_index=True) for pair in zip(small, large, strict=True))
    verdict = give_verdict(history, finals, Design(ARMS))
    assert [condition.decision for condition in verdict.conditions] == ["hurts", "helps"]
    assert verdict.decision == "depends on the condition"
    assert verdict.headline == (
        f"{Analysis.DROPOUT} hurts in 1 of 2 networks and training sizes (64 with 500), "
        "helps in 1 of 2 (512-512 with 50,000) after 10 epochs."
    )
    assert "Hidden layers 64, 500 training examples: Dropout at rate 0.5" in str(verdict)


@pytest.mark.parametrize(
    ("other", "where"),
    [
        ({"hidden": "512-512", "train_size": 500}, "both training sizes (500, 50,000)"),
        ({"hidden": "64", "train_size": 50_000}, "both networks (64, 512-512)"),
    ],
)
def test_the_headline_of_several_conditions_names_the_arm_and_what_varies(other, where):
    accuracies = {"no dropout": flat(), "dropout 0.5": around(-1)}
    both = zip(tables(ARMS, accuracies, condition=other), tables(ARMS, accuracies), strict=True)
    history, finals = (pd.concat(pair, ignore_index=True) for pair in both)
    verdict = give_verdict(history, finals, Design(ARMS, watches_test=True))
    assert verdict.headline == f"{Analysis.DROPOUT} hurts in {where} after 10 epochs."


def test_an_arm_that_is_more_than_dropout_goes_by_its_name():
    arms = (Arm("no dropout"), Arm("l2 <b>", l2=1e-4))
    verdict = verdict_of(arms, {"no dropout": flat(), "l2 <b>": around(1)})
    assert verdict.headline.startswith("'l2 <b>' helps")


def answered(wrong, examples=40, one_class=()):
    """Predictions of runs that are wrong about these examples, by arm; `one_class` arms name one class for all."""

    def predictions(arm, _hidden, _size, seed):
        right = np.ones(examples, bool)
        right[list(wrong(arm, seed))] = False
        labels = np.zeros(examples, np.uint8) if arm in one_class else np.arange(examples, dtype=np.uint8) % 2
        return {
            "confidence": np.full(examples, 0.9),
            "likelihood": np.where(right, 0.9, 0.1),
            "labels": labels,
        }

    return predictions


def shares(wrong, examples, n=6, arms=ARMS):
    """The accuracies that go with `answered`."""
    return {arm.name: {s: 1 - len(wrong(arm.name, s)) / examples for s in range(n)} for arm in arms}


@pytest.mark.parametrize("watches_test", [False, True])
def test_all_answers_right_on_40_examples_is_no_equivalence(watches_test):
    def none(*_):
        return ()

    verdict = verdict_of(ARMS, shares(none, 40), predictions=answered(none), watches_test=watches_test)
    (comparison,) = verdict.conditions[0].comparisons
    assert verdict.decision == "undecided"
    assert not verdict.decided  # so seeds go on being added
    assert (
        comparison.new_data.high == -comparison.new_data.low == pytest.approx(100 * (1 - 0.025 ** (1 / 40)))
    )
    assert "the same in all 6 paired seeds, so no interval" in verdict.headline
    assert Analysis.TOO_COARSE.format(40, "0.1", "2.50", "8.81") in str(verdict)
    assert "p = " not in str(verdict)


def test_six_seeds_that_each_gain_the_only_example_show_nothing():
    def first(arm, _):
        return () if arm == "dropout 0.5" else (0,)

    verdict = verdict_of(ARMS, shares(first, 1), predictions=answered(first, 1), margin=50)
    assert verdict.decision == "undecided"
    assert Analysis.ONE_EXAMPLE in str(verdict)


def test_no_equivalence_within_a_margin_below_what_the_examples_can_show():
    """Every seed loses another example of 360 or none: on these examples the difference is known to 0.2 points."""

    def one(arm, seed):
        return (seed,) if arm == "dropout 0.5" and seed % 2 else ()

    accuracies = shares(one, 360, n=12)
    coarse, wide = (
        verdict_of(ARMS, accuracies, predictions=answered(one, 360), margin=margin) for margin in (0.5, 1.5)
    )
    assert (coarse.decision, wide.decision) == ("undecided", "equivalent")
    assert Analysis.TOO_COARSE.format(360, "0.5", "0.28", "1.02") in str(coarse)
    # Without predictions the number of test examples says the same.
    assert verdict_of(ARMS, accuracies, margin=0.5, test_examples=360).decision == "undecided"


def test_what_helps_on_these_examples_alone_is_said_to():
    def wrong(arm, seed):
        return (0, 1, 2) if arm == "no dropout" else (2,) if seed else (2, 1)

    (told,) = verdict_of(ARMS, shares(wrong, 40, 8), predictions=answered(wrong)).conditions
    assert told.decision == "helps"
    assert told.comparisons[0].new_data.low <= 0
    assert "helps on these 40 test examples after 10 epochs" in told.headline


def test_networks_that_answer_one_class_are_told_of():
    def wrong(*_):
        return range(20)

    verdict = verdict_of(
        ARMS, shares(wrong, 40), predictions=answered(wrong, one_class={arm.name for arm in ARMS})
    )
    assert Analysis.ONE_CLASS.format("'no dropout' (6 of 6 seeds) and 'dropout 0.5' (6 of 6 seeds)") in str(
        verdict
    )
    assert "scale the inputs" in str(verdict)
    fine = verdict_of(ARMS, shares(wrong, 40), predictions=answered(wrong))
    assert "One class" not in str(fine)


@pytest.mark.parametrize("lost", ["no dropout", "dropout 0.8"])
def test_no_verdict_on_the_seeds_in_which_an_arm_did_not_diverge(lost):
    arms = rates(0, 0.8)
    accuracies = {"no dropout": flat(20), "dropout 0.8": around(-1, 20)}
    accuracies[lost] = {seed: share for seed, share in accuracies[lost].items() if seed < 6}
    history, _ = tables(arms, {arm.name: flat(20) for arm in arms})
    outcomes = history[["arm", "hidden", "train_size", "seed"]].drop_duplicates().assign(status="done")
    outcomes.loc[(outcomes["arm"] == lost) & (outcomes["seed"] >= 6), "status"] = "diverged"
    verdict = verdict_of(arms, accuracies, outcomes=outcomes)
    assert verdict.headline == Analysis.DIVERGED.format(lost, "14 of 20", 6)
    assert (verdict.decision, verdict.label) == ("diverged", "No verdict: runs diverged")
    assert "diverged" in comparison_cells(verdict.conditions[0])["decision"].to_list()


def test_an_arm_that_diverges_is_in_the_headline_of_the_arm_that_was_chosen():
    arms = rates(0, 0.2, 0.8)
    accuracies = {"no dropout": flat(), "dropout 0.2": around(0.3), "dropout 0.8": around(2, 8)}
    history, _ = tables(arms, {arm.name: flat() for arm in arms})
    outcomes = history[["arm", "hidden", "train_size", "seed"]].drop_duplicates().assign(status="done")
    outcomes.loc[(outcomes["arm"] == "dropout 0.8") & (outcomes["seed"] >= 8), "status"] = "diverged"
    validation = {"dropout 0.2": 0.99, "dropout 0.8": 0.995}
    verdict = verdict_of(arms, accuracies, outcomes=outcomes, validation=validation)
    assert (verdict.chosen, verdict.decision) == (
        "dropout 0.2",
        "helps",
    )  # whatever 0.8 reached in the others
    assert verdict.headline.endswith("'dropout 0.8' diverged in 2 of 10 seeds.")


def test_where_validation_chose_the_baseline_the_test_set_chooses_nothing_else():
    accuracies = {"no dropout": flat(), "dropout 0.2": around(0.3), "dropout 0.5": around(0.2)}
    for arms in (rates(0, 0.2), rates(0, 0.2, 0.5)):
        verdict = verdict_of(arms, accuracies, validation={"no dropout": 0.99})
        assert (verdict.chosen, verdict.decision) == ("no dropout", "undecided")
        assert "alidation data chose 'no dropout'" in verdict.headline
        assert not verdict.headline.startswith("Dropout")
        assert verdict.label != "Dropout helps"


@pytest.mark.parametrize(
    ("validation", "loss", "told"),
    [
        ({"dropout 0.5": 0.98 + 1e-11}, None, None),  # a lead that is rounding is none
        ({"dropout 0.5": nan, "no dropout": nan}, None, None),
        (
            {"dropout 0.5": 0.98},
            0.01,
            "equal to 'no dropout' in validation accuracy, with the lower validation loss",
        ),
        ({"dropout 0.5": 0.9801}, None, Analysis.CHOSEN.format("dropout 0.5", 2, "0.01", "no dropout")),
    ],
)
def test_only_a_lead_makes_an_arm_the_best(validation, loss, told):
    history, finals = tables(ARMS, {"no dropout": flat(), "dropout 0.5": around(0.3)}, validation=validation)
    if loss is not None:
        history.loc[history["arm"] == "dropout 0.5", "val_loss"] = loss
    verdict = give_verdict(history, finals, Design(ARMS))
    assert verdict.chosen == (None if told is None else "dropout 0.5")
    assert (told or "") in str(verdict)
    assert ("alidation data chose" in str(verdict)) == (told is not None)


def test_the_interval_of_a_chosen_arm_allows_for_the_others_and_decides():
    arms = rates(0, *(i / 10 for i in range(1, 10)))
    accuracies = {
        "no dropout": flat(),
        **{arm.name: around(i / 9, spread=0.4) for i, arm in enumerate(arms[1:])},
    }
    verdict = verdict_of(arms, accuracies, validation={"dropout 0.9": 0.99})
    chosen = verdict.conditions[0].comparisons[-1]
    assert chosen.deciding == chosen.simultaneous
    wide = f"95% interval for all 9 arms together {chosen.simultaneous.low:+.2f} to {chosen.simultaneous.high:+.2f}"
    assert wide in verdict.headline
    for c in verdict.conditions[0].comparisons:
        if c.decision in {"helps", "hurts"}:
            assert not c.simultaneous.low <= 0 <= c.simultaneous.high
    # The p of step-down tests alone would call more of them; the interval beside them holds 0.
    assert any(c.p_adjusted <= 0.05 and c.decision == "undecided" for c in verdict.conditions[0].comparisons)


def test_what_nothing_decides_says_why_and_what_this_arm_would_take():
    worse = {seed: 0.5 - points / 100 for seed, points in enumerate((0.4, 0.5, 3.9, 4.4, 2.6, 3.2))}
    wide = {seed: 0.5 + points / 100 for seed, points in enumerate((9.0, -9.1, 9.2, -9.0, 9.1, -9.2))}
    arms = rates(0, 0.5, 0.8)
    verdict = verdict_of(arms, {"no dropout": flat(6, 0.5), "dropout 0.5": worse, "dropout 0.8": wide})
    (first, _) = verdict.conditions[0].comparisons
    assert first.decision == "undecided"
    assert first.sought == pytest.approx(2.5)
    told = next(line for line in verdict.sentences if line.startswith("'dropout 0.5': worse in all 6 seeds"))
    assert f"needs about {max(7, round(first.seeds_needed))} seeds" in told
    assert "the observed 2.50 points" in told


def test_a_label_names_what_is_true_of_each_arm():
    arms = rates(0, 0.2, 0.8)
    accuracies = {"no dropout": flat(), "dropout 0.2": around(0, spread=0.05), "dropout 0.8": around(-2)}
    assert verdict_of(arms, accuracies).label == "1 arm hurts, 1 makes no difference that matters"
    assert "Both arms hurt" in verdict_of(arms, {**accuracies, "dropout 0.2": around(-1)}).label
    chosen = verdict_of(arms, accuracies, validation={"dropout 0.2": 0.99})
    assert chosen.label == "'dropout 0.2' makes no difference that matters"
    other = (Arm("no dropout"), Arm("l2", l2=1e-4))
    assert verdict_of(other, {"no dropout": flat(), "l2": around(1)}).label == "'l2' helps"


def test_arms_that_hurt_hurt_by_so_much_not_by_less_than_nothing():
    arms = rates(0, *(i / 10 for i in range(1, 10)))
    accuracies = {
        "no dropout": flat(),
        **{a.name: around(-1 - i / 5, spread=0.05) for i, a in enumerate(arms[1:])},
    }
    verdict = verdict_of(arms, accuracies, watches_test=True)
    assert "hurt by 1.00 to 2.60 points" in verdict.headline


@pytest.mark.parametrize(
    ("low", "high", "told"),
    [
        (-1.25, 0.0049, "-1.25 to +0.005"),
        (-1.25, -0.0049, "-1.25 to -0.005"),
        (-1.25, 0.0, "-1.25 to +0.00"),
        (-0.1004, 0.0996, "-0.1004 to +0.0996"),
        (1.765, 100 * (0.98765 - 0.97), "+1.77 to +1.77"),
    ],
)
def test_the_ends_of_an_interval_say_on_which_side_they_are(low, high, told):
    assert span(low, high, margin=0.1) == told


@given(st.integers(-10_000, 10_000))
def test_numbers_are_rounded_half_away_from_zero_wherever_they_come_from(thousandths):
    expected = (abs(thousandths) + 5) // 10 * (1 if thousandths > 0 else -1) / 100
    for value in (thousandths / 1000, 100 * (thousandths / 1e5 + 0.5) - 50):
        assert float(rounded(value)) == expected
        assert not rounded(value).startswith("-0.00")


SCORES = st.dictionaries(
    st.integers(0, 8), st.integers(9700, 9900).map(lambda right: right / 10_000), max_size=9
)


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
    history, _ = tables(arms, {arm.name: flat(n) for arm in arms})
    outcomes = history[["arm", "hidden", "train_size", "seed"]].drop_duplicates().assign(status="done")
    ended = [seed in accuracies[arm] for arm, seed in zip(outcomes["arm"], outcomes["seed"], strict=True)]
    outcomes.loc[~np.array(ended), "status"] = data.draw(st.sampled_from(["diverged", "failed", "pending"]))
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
            assert c.decision != "equivalent" or margin >= c.resolution >= 100 / examples
        elif c.decision == "diverged":
            assert c.diverged
    if verdict.decision == "helps":
        assert verdict.chosen != condition.baseline
    elif verdict.decision in {"undecided", "too few seeds", "diverged"}:
        assert not re.match(r"\S* ?(at rate \S+ \(.*?\) )?(helps|hurts|makes no)", verdict.headline)
    assert ("Dropout helps" not in (verdict.label, verdict.headline[:13])) or verdict.decision == "helps"
    lost = {arm.arm for arm in condition.arms if arm.diverged}
    assert all(f"'{arm}' diverged" in verdict.headline for arm in lost)
    comparison_cells(condition)


@given(st.lists(SCORES, min_size=1, max_size=8), st.booleans(), st.sampled_from([(), (6, 8)]))
@settings(max_examples=25, deadline=None)
def test_any_study_gets_a_verdict_in_whole_sentences(scores, watches_test, looks):
    arms = rates(*(i / 10 for i in range(len(scores))))
    accuracies = {arm.name: accuracies for arm, accuracies in zip(arms, scores, strict=True)}
    if not any(scores):
        scores[0][0] = 0.98
    verdict = verdict_of(arms, accuracies, watches_test=watches_test, looks=looks)
    for sentence in verdict.sentences:
        assert sentence[0] == "'" or sentence[0].isupper() or sentence[0].isdigit()
        assert sentence.endswith(".")
        assert "nan" not in sentence
    json.dumps(verdict.to_dict(), allow_nan=False)
    for comparison in verdict.conditions[0].comparisons:
        assert comparison.n == len(set(scores[0]) & set(accuracies[comparison.arm]))
        assert (comparison.decision == "too few seeds") == (comparison.n < SEEDS)
    cells = comparison_cells(verdict.conditions[0])
    assert not (cells == "-").all().any()
    gap_cells(verdict.conditions[0])


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


def test_metrics_stand_beside_accuracy_and_new_data_widen_its_interval():
    rng = np.random.default_rng(3)
    accuracies = {"no dropout": flat(8), "dropout 0.5": around(0.3, 8)}
    confidence = {run: rng.uniform(0.5, 1, 400).astype(np.float16) for run in product(accuracies, range(8))}

    def predictions(arm, hidden, train_size, seed):
        assert (hidden, train_size) == ("512-512", 50_000)
        sure = confidence[arm, seed]
        return {"confidence": sure, "likelihood": np.where(np.arange(400) % 10 < 8, sure, np.float16(0.1))}

    (comparison,) = verdict_of(ARMS, accuracies, predictions=predictions).conditions[0].comparisons
    assert comparison.new_data.low <= comparison.new_data.value <= comparison.new_data.high
    metrics = {metric.metric: metric for metric in comparison.metrics}
    assert list(metrics)[:2] == ["log loss", "Brier score"]  # the proper ones lead
    assert metrics["error"].difference.value == pytest.approx(-comparison.difference.value)
    ece = metrics["ECE, 15 equal-width bins"]
    expected = [
        expected_calibration_error(confidence["dropout 0.5", s], np.arange(400) % 10 < 8) for s in range(8)
    ]
    assert ece.arm == pytest.approx(100 * np.mean(expected))


def test_the_gap_is_taken_apart_and_its_parts_add_up():
    history, finals = tables(ARMS, {"no dropout": flat(3), "dropout 0.5": flat(3, base=0.97)})
    finals["epoch"], finals["noisy_accuracy"], finals["clean_accuracy"] = 10, 0.93, 0.985
    condition = give_verdict(history, finals, Design(ARMS)).conditions[0]
    gap = condition.gaps[1]
    assert gap.moving.value == pytest.approx(2.0)  # running 95% - 93%
    assert gap.dropout.value == pytest.approx(-5.5)  # 93% - 98.5%
    assert gap.artefact.value == pytest.approx(gap.moving.value + gap.dropout.value)
    assert gap.true.value == pytest.approx(1.5)
    assert gap.printed.value == pytest.approx(gap.artefact.value + gap.true.value + gap.validation.value)
    cells = gap_cells(condition)
    assert list(cells.columns) == [
        "arm", "gap as Keras prints it", "moving weights", "dropout on", "artefact", "true gap", "test - validation"
    ]  # fmt: skip


def test_a_best_study_is_chosen_and_measured_at_the_epoch_whose_weights_were_tested():
    history, finals = tables(ARMS, {"no dropout": flat(8), "dropout 0.5": around(0.3, 8)})
    finals["epoch"] = 5
    better = (history["epoch"] == 5) & (history["arm"] == "dropout 0.5")
    history.loc[better, ["val_accuracy", "accuracy"]] = [0.99, 0.91]
    last = (history["epoch"] == 10) & (history["arm"] == "no dropout")
    history.loc[last, "val_accuracy"] = 0.999  # of weights that were not tested
    verdict = give_verdict(history, finals, Design(ARMS, tested_weights="best"))
    assert verdict.chosen == "dropout 0.5"
    assert verdict.conditions[0].gaps[1].printed.value == pytest.approx(-8)
    assert "each run at its epoch of lowest validation loss" in str(verdict)


def test_two_runs_of_one_network_are_held_against_each_other_answer_by_answer(tmp_path, monkeypatch):
    made_up.instead_of_workers(monkeypatch)
    study = Study(
        "notebook", out=tmp_path / "s", data="digits", rates=[0, 0.5], hidden=[4], epochs=1, seeds=2
    ).run()
    table = study.results().mcnemar()
    assert table["seed"].to_list() == [0, 1]
    counts = table[["both_right", "arm_only", "baseline_only", "both_wrong"]]
    assert (counts.sum(axis=1) == study.metadata["n_test"]).all()
    assert table["p_value"].between(0, 1).all()


def test_runs_of_a_network_that_has_not_begun_are_not_counted_with_another():
    places = [("512-512", 50_000, "done"), ("4", 50_000, "failed")]
    rows = [(arm.name, *place[:2], seed, place[2]) for place in places for arm in ARMS for seed in range(6)]
    outcomes = pd.DataFrame(rows, columns=["arm", "hidden", "train_size", "seed", "status"])
    verdict = verdict_of(ARMS, {"no dropout": flat(6), "dropout 0.5": around(1, 6)}, outcomes=outcomes)
    assert [[scores.failed for scores in c.arms] for c in verdict.conditions] == [[0, 0], [6, 6]]
    assert f"Hidden layers 4, 50,000 training examples: {Analysis.NOTHING}" in str(verdict)


def test_networks_of_which_no_run_has_an_epoch_each_have_their_runs():
    history, finals = (
        frame.iloc[:0] for frame in tables(ARMS, {"no dropout": flat(2), "dropout 0.5": flat(2)})
    )
    places = [("512-512", "failed"), ("4", "pending")]
    rows = [
        (arm.name, hidden, 500, seed, status) for hidden, status in places for arm in ARMS for seed in (0, 1)
    ]
    outcomes = pd.DataFrame(rows, columns=["arm", "hidden", "train_size", "seed", "status"])
    verdict = give_verdict(history, finals, Design(ARMS), outcomes=outcomes)
    assert [(condition.hidden, condition.train_size) for condition in verdict.conditions] == [
        ("512-512", 500),
        ("4", 500),
    ]
    counts = [
        [(scores.failed, scores.missing) for scores in condition.arms] for condition in verdict.conditions
    ]
    assert counts == [[(2, 0), (2, 0)], [(0, 2), (0, 2)]]
    assert "2 runs of 'no dropout' failed, 2 runs of 'dropout 0.5' failed" in str(verdict)
    assert "2 runs of 'no dropout' are not finished, 2 runs of 'dropout 0.5' are not finished" in str(verdict)
