"""What a verdict says, and when it says nothing."""

import json
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
from dropstudy.records import Arm
from dropstudy.stats.calibration import expected_calibration_error
from dropstudy.verdict import SEEDS, give_verdict
from dropstudy.verdict.cells import comparison_cells, gap_cells
from dropstudy.verdict.testing import arm_tests, holm
from verdicts import around, flat, rates, tables, verdict_of

ARMS = rates(0, 0.5)


def two(points, n=10, **more):
    """The verdict on one arm whose differences have this mean."""
    return verdict_of(ARMS, {"no dropout": flat(n), "dropout 0.5": around(points, n, **more)})


@given(st.lists(st.floats(0, 1), min_size=1, max_size=9))
@settings(max_examples=10, deadline=None)  # statsmodels collects garbage at each call
def test_holm_is_statsmodels(p_values):
    assert holm(p_values) == pytest.approx(list(multipletests(p_values, method="holm")[1]))
    corrected = holm([*p_values, nan])
    assert isnan(corrected[-1])
    assert corrected[:-1] == pytest.approx(holm(p_values))


def test_an_arm_that_is_better_helps():
    verdict = two(0.13, spread=0.05)
    assert verdict.decision == "helps"
    assert verdict.headline.startswith(
        "Dropout at rate 0.5 (drops 50%, keeps 50%) helps: test accuracy +0.13 points (95% interval +0.09 to +0.17, "
        "10 paired seeds, p = 0.002"
    )


def test_an_arm_that_is_worse_hurts():
    verdict = two(-1.0)
    assert verdict.decision == "hurts"
    assert "hurts: test accuracy -1.00 points" in verdict.headline


def test_an_arm_within_the_margin_is_equivalent():
    verdict = two(0.01, spread=0.05)
    assert verdict.decision == "equivalent"
    assert "within ±0.1 points" in verdict.headline
    wider = verdict_of(ARMS, {"no dropout": flat(), "dropout 0.5": around(0.3)}, margin=0.5)
    assert (
        wider.decision == "equivalent"
    )  # there is a difference, and whoever asked said that it does not matter


def test_an_open_question_says_what_it_would_take():
    verdict = two(0.05, spread=0.2)
    assert verdict.decision == "undecided"
    assert "To find a difference of 0.1 points takes about 34 seeds" in str(verdict)
    assert "with 10 a difference of 0.20 points would have been found as surely" in str(verdict)


@pytest.mark.parametrize("n", range(1, SEEDS))
def test_below_six_seeds_there_is_no_verdict_and_it_is_said_how_many_are_missing(n):
    verdict = two(5, n)
    assert verdict.decision == "too few seeds"
    assert f"{SEEDS - n} more {'is' if n == 5 else 'are'} missing" in verdict.headline
    assert not verdict.decided


def test_seeds_that_differ_by_as_many_examples_differ_equally():
    """(107 - 100) / 360 and 108 / 360 - 101 / 360 are not the same float."""
    right = dict(enumerate((100, 101, 103, 217, 19, 333)))
    scores = {
        "no dropout": {seed: count / 360 for seed, count in right.items()},
        "dropout 0.5": {seed: (count + 7) / 360 for seed, count in right.items()},
    }
    (comparison,) = verdict_of(ARMS, scores).shapes[0].comparisons
    assert len(set(comparison.differences)) == 1
    assert comparison.difference.low == comparison.difference.high == pytest.approx(700 / 360)
    assert isnan(comparison.effect_size.value)
    assert comparison.decision == "helps"


def test_a_verdict_is_json():
    verdict = two(0.13)
    table = json.loads(json.dumps(verdict.to_dict(), allow_nan=False))
    assert table["decision"] == verdict.decision
    assert table["shapes"][0]["comparisons"][0]["difference"]["value"] == pytest.approx(0.13)
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
    assert "best of 4 arms by validation accuracy" in str(verdict)
    assert "'dropout 0.8' hurts by 1.00 points" in str(verdict)


def test_where_the_test_set_was_watched_nothing_is_chosen():
    arms = rates(0, 0.2, 0.8)
    accuracies = {"no dropout": flat(), "dropout 0.2": around(0.3), "dropout 0.8": around(-1)}
    verdict = verdict_of(arms, accuracies, watches_test=True)
    assert verdict.chosen is None
    assert "best" not in str(verdict)
    assert "nothing may be chosen on it" in str(verdict)
    assert "intervals that hold together" in str(verdict)
    assert verdict.decision == "helps"  # that one does needs no choice: the p allow for two arms


def test_an_arm_with_fewer_seeds_is_compared_on_those_that_it_shares():
    arms = rates(0, 0.2, 0.8)
    short = {seed: accuracy for seed, accuracy in around(-1).items() if seed not in {0, 7}}
    verdict = verdict_of(arms, {"no dropout": flat(), "dropout 0.2": around(0.3), "dropout 0.8": short})
    full, fewer = verdict.shapes[0].comparisons
    assert (full.n, fewer.n) == (10, 8)
    assert fewer.seeds == (1, 2, 3, 4, 5, 6, 8, 9)


def test_runs_that_diverged_or_failed_are_counted_and_said():
    accuracies = {"no dropout": flat(), "dropout 0.5": {s: a for s, a in around(0.3).items() if s < 8}}
    history, _ = tables(ARMS, {arm.name: flat() for arm in ARMS})
    outcomes = history[["arm", "hidden", "train_size", "seed"]].drop_duplicates().assign(status="done")
    outcomes.loc[(outcomes["arm"] == "dropout 0.5") & (outcomes["seed"] == 8), "status"] = "diverged"
    outcomes.loc[(outcomes["arm"] == "dropout 0.5") & (outcomes["seed"] == 9), "status"] = "failed"
    verdict = verdict_of(ARMS, accuracies, outcomes=outcomes)
    assert verdict.shapes[0].comparisons[0].n == 8
    assert "1 run of 'dropout 0.5' diverged, 1 run of 'dropout 0.5' failed" in str(verdict)
    assert "flatters one that diverges" in str(verdict)


def test_an_arm_still_improving_is_flagged_with_what_more_epochs_cost():
    verdict = verdict_of(ARMS, {"no dropout": flat(), "dropout 0.5": around(-0.3)}, falling={"dropout 0.5"})
    assert "Not converged" in str(verdict)
    assert "'dropout 0.5' (10 of 10 seeds; 15 epochs instead of 10 are 5 min of training)" in str(verdict)
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
    assert "98.00% over 10 seeds" in alone.headline


def test_a_study_of_which_no_run_finished_has_nothing_to_compare():
    history, finals = tables(ARMS, {"no dropout": flat(2), "dropout 0.5": flat(2)})
    for rows in (history, history.iloc[:0]):
        verdict = give_verdict(rows, finals.iloc[:0], ARMS, watches_test=False)
        assert verdict.decision == "nothing to compare"
        assert verdict.headline == "No run finished, so there is nothing to compare."


def test_several_shapes_each_have_their_verdict():
    small = tables(
        ARMS, {"no dropout": flat(), "dropout 0.5": around(-1)}, shape={"hidden": "64", "train_size": 500}
    )
    large = tables(ARMS, {"no dropout": flat(), "dropout 0.5": around(1)})
    history, finals = (pd.concat(pair, ignore_index=True) for pair in zip(small, large, strict=True))
    verdict = give_verdict(history, finals, ARMS, watches_test=False)
    assert [shape.decision for shape in verdict.shapes] == ["hurts", "helps"]
    assert verdict.decision == "depends on the shape"
    assert verdict.headline == (
        "Dropout at rate 0.5 (drops 50%, keeps 50%) hurts in 1 of 2 networks and training sizes (64 with 500), "
        "helps in 1 of 2 (512-512 with 50,000)."
    )
    assert "Hidden layers 64, 500 training examples: Dropout at rate 0.5" in str(verdict)


@pytest.mark.parametrize(
    ("other", "where"),
    [
        ({"hidden": "512-512", "train_size": 500}, "both training sizes (500, 50,000)"),
        ({"hidden": "64", "train_size": 50_000}, "both networks (64, 512-512)"),
    ],
)
def test_the_headline_of_several_shapes_names_the_arm_and_what_varies(other, where):
    accuracies = {"no dropout": flat(), "dropout 0.5": around(-1)}
    both = zip(tables(ARMS, accuracies, shape=other), tables(ARMS, accuracies), strict=True)
    history, finals = (pd.concat(pair, ignore_index=True) for pair in both)
    verdict = give_verdict(history, finals, ARMS, watches_test=True)
    assert verdict.headline == f"Dropout at rate 0.5 (drops 50%, keeps 50%) hurts in {where}."


def test_an_arm_that_is_more_than_dropout_goes_by_its_name():
    arms = (Arm("no dropout"), Arm("l2 <b>", l2=1e-4))
    verdict = verdict_of(arms, {"no dropout": flat(), "l2 <b>": around(1)})
    assert verdict.headline.startswith("'l2 <b>' helps")


SCORES = st.dictionaries(
    st.integers(0, 8), st.integers(9700, 9900).map(lambda right: right / 10_000), max_size=9
)


@given(st.lists(SCORES, min_size=1, max_size=8), st.booleans(), st.sampled_from([(), (6, 8)]))
@settings(max_examples=60, deadline=None)
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
    for comparison in verdict.shapes[0].comparisons:
        assert comparison.n == len(set(scores[0]) & set(accuracies[comparison.arm]))
        assert (comparison.decision == "too few seeds") == (comparison.n < SEEDS)
    cells = comparison_cells(verdict.shapes[0])
    assert not (cells == "-").all().any()
    gap_cells(verdict.shapes[0])


@pytest.mark.parametrize(("n", "arms"), [(6, 1), (6, 9), (10, 3), (20, 1)])
def test_false_verdicts_stay_within_their_error(n, arms):
    """No effect, and an effect of exactly the margin, in studies whose arms share a baseline; benchmarks have more."""
    rng = np.random.default_rng([n, arms])
    studies, moved, called = 300, 0, 0
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

    (comparison,) = verdict_of(ARMS, accuracies, predictions=predictions).shapes[0].comparisons
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
    shape = give_verdict(history, finals, ARMS, watches_test=False).shapes[0]
    gap = shape.gaps[1]
    assert gap.moving.value == pytest.approx(2.0)  # running 95% - 93%
    assert gap.dropout.value == pytest.approx(-5.5)  # 93% - 98.5%
    assert gap.artefact.value == pytest.approx(gap.moving.value + gap.dropout.value)
    assert gap.true.value == pytest.approx(1.5)
    assert gap.printed.value == pytest.approx(gap.artefact.value + gap.true.value + gap.validation.value)
    cells = gap_cells(shape)
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
    verdict = give_verdict(history, finals, ARMS, watches_test=False, protocol="best")
    assert verdict.chosen == "dropout 0.5"
    assert verdict.shapes[0].gaps[1].printed.value == pytest.approx(-8)
    assert "each run at its epoch of lowest validation loss" in str(verdict)


def test_two_runs_of_one_network_are_held_against_each_other_answer_by_answer(tmp_path, monkeypatch):
    made_up.instead_of_workers(monkeypatch)
    study = Study(
        "notebook", out=tmp_path / "s", data="digits", rates=[0, 0.5], hidden=[4], epochs=1, seeds=2
    ).run()
    table = study.mcnemar()
    assert table["seed"].to_list() == [0, 1]
    counts = table[["both_right", "arm_only", "baseline_only", "both_wrong"]]
    assert (counts.sum(axis=1) == study.facts["n_test"]).all()
    assert table["p_value"].between(0, 1).all()
