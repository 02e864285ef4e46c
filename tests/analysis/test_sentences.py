"""Sentences, labels and tables of a verdict."""

import json
import sys

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dropstudy.analysis.verdict.build import give_verdict
from dropstudy.analysis.verdict.design import Design
from dropstudy.analysis.verdict.rule import SEEDS
from dropstudy.analysis.verdict.tables import answer_cells, comparison_cells, gap_cells
from dropstudy.analysis.verdict.undecided import projected_seeds
from dropstudy.core.tables import text as text_of
from dropstudy.core.text import rounded, span
from dropstudy.core.types import Arm
from expected import Analysis
from verdicts import accuracies_of, around, flat, outcomes_of, predictions_of, rates, tables, two, verdict_of

ARMS = rates(0, 0.5)


@pytest.mark.parametrize(
    ("points", "spread", "decision", "sentence"),
    [
        (
            0.13,
            0.05,
            "helps",
            Analysis.HELPS.format(
                "+0.13 points (95% interval over seeds +0.09 to +0.17, 10 paired seeds, p = 0.002)"
            ),
        ),
        (
            -1.0,
            0.1,
            "hurts",
            Analysis.HURTS.format(
                "-1.00 points (95% interval over seeds -1.07 to -0.93, 10 paired seeds, p = 0.002)"
            ),
        ),
        (
            0.01,
            0.05,
            "equivalent",
            Analysis.EQUIVALENT.format("0.1", "+0.01 points (95% interval over seeds -0.03 to +0.05"),
        ),
        (0.05, 0.2, "undecided", Analysis.DETECTS.format(10, "0.20")),
    ],
)
def test_a_verdict_is_a_sentence_with_its_numbers(points, spread, decision, sentence):
    verdict = two(points, spread=spread)
    assert verdict.decision == decision
    assert sentence in str(verdict)


def test_scores_of_others_need_the_seeds_of_a_single_look():
    accuracies = {"no dropout": flat(), "dropout 0.5": around(0.05, spread=0.2)}
    # Deviation 0.2 over 10 seeds: 0.138 to 0.365 by chi-square, so 17 to 107 seeds by the noncentral t.
    needs = Analysis.NEEDS.format("0.1 points", 34, "17 to 107", "10 can detect 0.20")
    assert needs in str(verdict_of(ARMS, accuracies, scores_only=True))


@pytest.mark.parametrize("n", range(1, SEEDS))
def test_below_six_seeds_there_is_no_verdict(n):
    verdict = two(5, n)
    assert verdict.decision == "too few seeds"
    assert verdict.headline.startswith(Analysis.TOO_FEW.format(n))
    assert not verdict.decided


def test_an_arm_still_improving_is_named_with_epochs_to_try():
    verdict = verdict_of(ARMS, {"no dropout": flat(), "dropout 0.5": around(-0.3)}, falling={"dropout 0.5"})
    assert "Not converged" in str(verdict)
    assert "'dropout 0.5' (10 of 10 seeds)" in str(verdict)
    assert "try 20 instead of 10 in a new study" in str(verdict)
    assert (
        "hurts on these test examples after 10 epochs, with 'dropout 0.5' still improving: test accuracy -0.30"
        in verdict.headline
    )
    assert "'no dropout' (" not in str(verdict)


@pytest.mark.parametrize("epochs", [1, 2, 3, 40])
def test_a_single_epoch_cannot_show_who_was_still_improving(epochs):
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


def of_two_conditions(first, second, other, **design):
    """The verdict on an arm whose differences have these means, in `other` and in the usual condition."""
    small = tables(ARMS, {"no dropout": flat(), "dropout 0.5": around(first)}, condition=other)
    large = tables(ARMS, {"no dropout": flat(), "dropout 0.5": around(second)})
    history, finals = (pd.concat(pair, ignore_index=True) for pair in zip(small, large, strict=True))
    return give_verdict(history, finals, Design(ARMS, **design))


def test_several_conditions_each_have_their_verdict():
    verdict = of_two_conditions(-1, 1, {"hidden": "64", "train_size": 500})
    assert [condition.decision for condition in verdict.conditions] == ["hurts", "helps"]
    assert verdict.decision == "depends on the condition"
    assert verdict.headline == (
        f"{Analysis.DROPOUT} hurts in 1 of 2 networks and training sizes (64 with 500), "
        "helps in 1 of 2 (512-512 with 50,000) on these test examples after 10 epochs. "
        "Allowing for both networks and training sizes at once, both claims of an effect still hold."
    )
    assert "Hidden layers 64, 500 training examples: Dropout at rate 0.5" in str(verdict)


def test_each_network_and_training_size_has_its_interval_in_one_table_on_a_terminal_of_80(monkeypatch):
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda _: True, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    verdict = of_two_conditions(-1, 1, {"hidden": "64", "train_size": 500})
    lines = text_of(answer_cells(verdict)[0]).splitlines()
    assert max(map(len, lines)) <= 80
    rows = [line.split() for line in lines if "dropout 0.5" in line]
    for row, condition in zip(rows, verdict.conditions, strict=True):
        decides = condition.comparisons[0].deciding
        assert row[-4:] == [f"{decides.low:+.2f}", "to", f"{decides.high:+.2f}", condition.decision]


@pytest.mark.parametrize(
    ("other", "where"),
    [
        ({"hidden": "512-512", "train_size": 500}, ("both training sizes", " (500, 50,000)")),
        ({"hidden": "64", "train_size": 50_000}, ("both networks", " (64, 512-512)")),
    ],
)
def test_the_headline_of_several_conditions_names_the_arm_and_what_varies(other, where):
    verdict = of_two_conditions(-1, -1, other, watches_test=True)
    assert verdict.headline == (
        f"{Analysis.DROPOUT} hurts in {''.join(where)} on these test examples after 10 epochs. "
        f"Allowing for {where[0]} at once, both claims of an effect still hold."
    )


def test_an_arm_that_is_more_than_dropout_goes_by_its_name():
    arms = (Arm("no dropout"), Arm("l2 <b>", l2=1e-4))
    verdict = verdict_of(arms, {"no dropout": flat(), "l2 <b>": around(1)})
    assert verdict.headline.startswith("'l2 <b>' helps")


def test_a_verdict_on_these_examples_alone_says_so():
    def wrong(arm, seed):
        return (0, 1, 2) if arm == "no dropout" else (2,) if seed else (2, 1)

    (told,) = verdict_of(ARMS, accuracies_of(wrong, 40, 8), predictions=predictions_of(wrong)).conditions
    assert (told.decision, told.decision_on_these) == ("undecided", "helps")
    (c,) = told.comparisons
    assert c.new_data.low <= 0 < c.over_seeds.low
    assert told.label == "Undecided for new data"
    assert told.headline.startswith(
        f"Undecided for new data. {Analysis.DROPOUT} helps on these 40 test examples after 10 epochs"
    )
    assert f"for new data {c.new_data.low:+.2f} to {c.new_data.high:+.2f}." in told.headline


def test_networks_that_predict_one_class_are_named():
    def wrong(*_):
        return range(20)

    verdict = verdict_of(
        ARMS,
        accuracies_of(wrong, 40),
        predictions=predictions_of(wrong, one_class={arm.name for arm in ARMS}),
    )
    assert Analysis.ONE_CLASS.format("'no dropout' (6 of 6 seeds) and 'dropout 0.5' (6 of 6 seeds)") in str(
        verdict
    )
    assert "scale the inputs" in str(verdict)
    fine = verdict_of(ARMS, accuracies_of(wrong, 40), predictions=predictions_of(wrong))
    assert "One class" not in str(fine)


def test_an_arm_that_diverges_is_in_the_headline_of_the_arm_that_was_chosen():
    arms = rates(0, 0.2, 0.8)
    accuracies = {"no dropout": flat(), "dropout 0.2": around(0.3), "dropout 0.8": around(2, 8)}
    outcomes = outcomes_of(arms, 10, {("dropout 0.8", seed): "diverged" for seed in (8, 9)})
    validation = {"dropout 0.2": 0.99, "dropout 0.8": 0.995}
    verdict = verdict_of(arms, accuracies, outcomes=outcomes, validation=validation)
    # Whatever 0.8 reached in the others.
    assert (verdict.chosen, verdict.decision) == ("dropout 0.2", "helps")
    assert verdict.headline.endswith("'dropout 0.8' diverged in 2 of 10 seeds.")


def test_an_undecided_arm_has_its_reason_and_the_seeds_it_takes():
    worse = {seed: 0.5 - points / 100 for seed, points in enumerate((0.4, 0.5, 3.9, 4.4, 2.6, 3.2))}
    wide = {seed: 0.5 + points / 100 for seed, points in enumerate((9.0, -9.1, 9.2, -9.0, 9.1, -9.2))}
    arms = rates(0, 0.5, 0.8)
    verdict = verdict_of(arms, {"no dropout": flat(6, 0.5), "dropout 0.5": worse, "dropout 0.8": wide})
    (first, _) = verdict.conditions[0].comparisons
    assert first.decision == "undecided"
    assert first.sought == pytest.approx(2.5)
    told = next(line for line in verdict.sentences if line.startswith("'dropout 0.5': worse in all 6 seeds"))
    assert f"A decision probably takes up to {projected_seeds(first, 0.1):.0f} seeds" in told


def test_a_label_names_what_is_true_of_each_arm():
    arms = rates(0, 0.2, 0.8)
    accuracies = {"no dropout": flat(), "dropout 0.2": around(0, spread=0.05), "dropout 0.8": around(-2)}
    assert verdict_of(arms, accuracies).label == "1 arm hurts, 1 makes no difference that matters"
    assert "Both arms hurt" in verdict_of(arms, {**accuracies, "dropout 0.2": around(-1)}).label
    chosen = verdict_of(arms, accuracies, validation={"dropout 0.2": 0.99})
    assert chosen.label == "'dropout 0.2' makes no difference that matters"
    other = (Arm("no dropout"), Arm("l2", l2=1e-4))
    assert verdict_of(other, {"no dropout": flat(), "l2": around(1)}).label == "'l2' helps"


def test_arms_hurt_by_positive_points():
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


def test_the_parts_of_the_gap_add_up():
    history, finals = tables(ARMS, {"no dropout": flat(3), "dropout 0.5": flat(3, base=0.97)})
    finals["epoch"], finals["noisy_accuracy"], finals["clean_accuracy"] = 10, 0.93, 0.985
    verdict = give_verdict(history, finals, Design(ARMS, watches_test=True))
    (condition,) = verdict.conditions
    gap = condition.gaps[1]
    assert gap.moving.value == pytest.approx(2.0)  # running 95% - 93%
    assert gap.dropout.value == pytest.approx(-5.5)  # 93% - 98.5%
    assert gap.artefact.value == pytest.approx(gap.moving.value + gap.dropout.value)
    assert gap.true.value == pytest.approx(1.5)
    assert gap.printed.value == pytest.approx(gap.artefact.value + gap.true.value + gap.validation.value)
    assert Analysis.GAP.format(
        "no dropout",
        "3.00 points below",
        "0.50 points above",
        "-3.50 points (+2.00 by weights that still move, -5.50 by dropout)",
    ) in str(verdict)
    cells = gap_cells(condition)
    assert list(cells.columns) == [
        "arm", "gap as Keras measures it", "moving weights", "dropout on", "artefact", "true gap", "test - validation"
    ]  # fmt: skip


SCORES = st.dictionaries(
    st.integers(0, 8), st.integers(9700, 9900).map(lambda right: right / 10_000), max_size=9
)


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
