"""Decisions: what is compared, chosen and concluded, and when there is no verdict."""

import json
from itertools import product
from math import isnan, nan

import numpy as np
import pandas as pd
import pytest

import random_results
from dropstudy import Study
from dropstudy.analysis.sequential import out_of_reach
from dropstudy.analysis.stats.calibration import expected_calibration_error
from dropstudy.analysis.verdict.build import give_verdict
from dropstudy.analysis.verdict.design import Design
from dropstudy.analysis.verdict.tables import comparison_cells
from expected import Analysis
from verdicts import accuracies_of, around, flat, outcomes_of, predictions_of, rates, tables, two, verdict_of

ARMS = rates(0, 0.5)


def test_a_difference_within_a_wide_margin_does_not_matter_even_where_it_is_shown():
    wide = verdict_of(ARMS, {"no dropout": flat(), "dropout 0.5": around(0.3)}, margin=0.5)
    assert wide.decision == "equivalent"


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
    assert "In order, with the 95% interval over seeds for both arms together" in str(verdict)
    assert verdict.decision == "helps"  # that one does needs no choice: the p allow for two arms


def test_an_arm_with_fewer_seeds_is_compared_on_those_that_it_accuracies_of():
    arms = rates(0, 0.2, 0.8)
    short = {seed: accuracy for seed, accuracy in around(-1).items() if seed not in {0, 7}}
    verdict = verdict_of(arms, {"no dropout": flat(), "dropout 0.2": around(0.3), "dropout 0.8": short})
    full, fewer = verdict.conditions[0].comparisons
    assert (full.n, fewer.n) == (10, 8)
    assert fewer.seeds == (1, 2, 3, 4, 5, 6, 8, 9)


def test_runs_that_diverged_or_failed_are_counted():
    accuracies = {"no dropout": flat(), "dropout 0.5": {s: a for s, a in around(0.3).items() if s < 8}}
    outcomes = outcomes_of(ARMS, 10, {("dropout 0.5", 8): "diverged", ("dropout 0.5", 9): "failed"})
    verdict = verdict_of(ARMS, accuracies, outcomes=outcomes)
    assert verdict.conditions[0].comparisons[0].n == 8
    assert "1 run of 'dropout 0.5' diverged, 1 run of 'dropout 0.5' failed" in str(verdict)
    assert verdict.headline == Analysis.DIVERGED.format("dropout 0.5", "1 of 10", 8)
    assert (verdict.decision, verdict.chosen, verdict.decided) == ("diverged", None, False)
    assert "more seeds do not change that" in out_of_reach(verdict, 50)


@pytest.mark.parametrize("watches_test", [False, True])
def test_all_answers_right_on_40_examples_is_no_equivalence(watches_test):
    def none(*_):
        return ()

    verdict = verdict_of(
        ARMS, accuracies_of(none, 40), predictions=predictions_of(none), watches_test=watches_test
    )
    (comparison,) = verdict.conditions[0].comparisons
    assert verdict.decision == "undecided"
    assert not verdict.decided  # so seeds go on being added
    assert (
        comparison.new_data.high == -comparison.new_data.low == pytest.approx(100 * (1 - 0.025 ** (1 / 40)))
    )
    assert verdict.headline.startswith("Nothing to improve: every network is right on the whole test set")
    assert Analysis.TOO_COARSE.format(40, "0.1", "2.50", "3,700", 40) in str(verdict)
    assert "p = " not in str(verdict)


def test_six_seeds_that_each_gain_the_only_example_show_nothing():
    def first(arm, _):
        return () if arm == "dropout 0.5" else (0,)

    verdict = verdict_of(ARMS, accuracies_of(first, 1), predictions=predictions_of(first, 1), margin=50)
    assert verdict.decision == "undecided"
    assert Analysis.ONE_EXAMPLE.format("about 6 test examples") in str(verdict)


def test_no_equivalence_within_a_margin_below_what_the_examples_can_show():
    """Every seed loses another example of 360 or none: on these examples the difference is known to 0.2 points."""

    def one(arm, seed):
        return (seed,) if arm == "dropout 0.5" and seed % 2 else ()

    accuracies = accuracies_of(one, 360, n=12)
    coarse, wide = (
        verdict_of(ARMS, accuracies, predictions=predictions_of(one, 360), margin=margin)
        for margin in (0.5, 1.5)
    )
    assert (coarse.decision, wide.decision) == ("undecided", "equivalent")
    assert Analysis.TOO_COARSE.format(360, "0.5", "0.28", "1,100", 360) in str(coarse)
    # Without predictions the number of test examples says the same.
    assert verdict_of(ARMS, accuracies, margin=0.5, test_examples=360).decision == "undecided"


def test_a_margin_that_the_examples_cannot_show_has_their_number_and_no_width_beside_the_interval():
    """Six seeds that differ widely on other examples each: more of them decide, but never within ±0.1 points."""
    gains = [-6, 24, 0, 20, -2, 18]

    def wrong(arm, seed):
        lost = range(40 * seed, 40 * seed + abs(gains[seed]))
        return lost if (arm == "no dropout") == (gains[seed] > 0) else ()

    verdict = verdict_of(ARMS, accuracies_of(wrong, 360), predictions=predictions_of(wrong, 360))
    (comparison,) = verdict.conditions[0].comparisons
    assert comparison.decision == "undecided"
    assert 1 - (1 - 0.001) ** 3688 >= 0.975 > 1 - (1 - 0.001) ** 3687  # Clopper and Pearson at none of m
    assert (
        "360 test examples cannot show that a difference is within ±0.1 points: one is worth 0.28 points. "
        "Showing that takes 3,700 or more."
    ) in str(verdict)
    assert f"{comparison.unseen:.2f}" not in str(verdict)


@pytest.mark.parametrize("lost", ["no dropout", "dropout 0.8"])
def test_no_verdict_on_the_seeds_in_which_an_arm_did_not_diverge(lost):
    arms = rates(0, 0.8)
    accuracies = {"no dropout": flat(20), "dropout 0.8": around(-1, 20)}
    accuracies[lost] = {seed: share for seed, share in accuracies[lost].items() if seed < 6}
    outcomes = outcomes_of(arms, 20, {(lost, seed): "diverged" for seed in range(6, 20)})
    verdict = verdict_of(arms, accuracies, outcomes=outcomes)
    assert verdict.headline == Analysis.DIVERGED.format(lost, "14 of 20", 6)
    assert (verdict.decision, verdict.label) == ("diverged", "No verdict: runs diverged")
    assert "diverged" in comparison_cells(verdict.conditions[0])["decision"].to_list()


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
    ends = f"{chosen.simultaneous.low:+.2f} to {chosen.simultaneous.high:+.2f}"
    assert f"95% interval over seeds for all 9 arms together {ends}" in verdict.headline
    for c in verdict.conditions[0].comparisons:
        if c.decision in {"helps", "hurts"}:
            assert not c.simultaneous.low <= 0 <= c.simultaneous.high
    # The p of step-down tests alone would call more of them; the interval beside them holds 0.
    assert any(c.p_adjusted <= 0.05 and c.decision == "undecided" for c in verdict.conditions[0].comparisons)


def test_other_metrics_and_the_interval_for_new_data():
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


def test_runs_are_compared_pair_by_pair(tmp_path, monkeypatch):
    random_results.replace_workers(monkeypatch)
    small = {"data": "digits", "rates": [0, 0.5], "hidden": [4], "epochs": 1, "seeds": 2}
    results = Study("notebook", out=tmp_path / "s", **small).run(verbose=False).results()
    table = results.mcnemar()
    assert table["seed"].to_list() == [0, 1]
    counts = table[["both_right", "arm_only", "baseline_only", "both_wrong"]]
    assert (counts.sum(axis=1) == results.snapshot.metadata["n_test"]).all()
    assert table["p_value"].between(0, 1).all()


def test_runs_of_each_condition_are_counted_apart_although_one_has_no_record():
    other = {"hidden": "4", "train_size": 50_000}
    failed = {(arm.name, seed): "failed" for arm in ARMS for seed in range(6)}
    outcomes = pd.concat([outcomes_of(ARMS, 6, {}), outcomes_of(ARMS, 6, failed, [other])])
    accuracies = {"no dropout": flat(6), "dropout 0.5": around(1, 6)}
    verdict = verdict_of(ARMS, accuracies, outcomes=outcomes)
    assert [[scores.failed for scores in c.arms] for c in verdict.conditions] == [[0, 0], [6, 6]]
    assert f"Hidden layers 4, 50,000 training examples: {Analysis.NOTHING}" in str(verdict)


def test_runs_of_each_condition_are_counted_apart_although_none_has_a_record():
    history, finals = (
        frame.iloc[:0] for frame in tables(ARMS, {"no dropout": flat(2), "dropout 0.5": flat(2)})
    )
    places = {"512-512": "failed", "4": "pending"}
    outcomes = pd.concat(
        outcomes_of(
            ARMS,
            2,
            {(arm.name, s): status for arm in ARMS for s in (0, 1)},
            [{"hidden": hidden, "train_size": 500}],
        )
        for hidden, status in places.items()
    )
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
