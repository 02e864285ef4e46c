"""Published results beside a study's: intervals are scipy's, and an outcome follows from the interval alone."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dropstudy.analysis.as_published import as_published, caption, cells, in_words, other_length
from dropstudy.core.published_result import PublishedResult
from dropstudy.core.types import Condition
from dropstudy.spec import presets
from dropstudy.spec.study_file import read_spec

SMALL, LARGE = (Condition(784, (1024, 1024), 10, size, 100) for size in (1000, 60_000))
SEEDS = 10


def finals(seeds=SEEDS, sizes=(60_000,)):
    """Errors of 1.30% without and 1.10% with dropout, training losses of 0.02 and 0.05."""
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "arm": arm,
            "hidden": "1024-1024",
            "train_size": size,
            "seed": seed,
            "test_accuracy": 1 - (error + 0.03 * rng.normal()) / 100,
            "test_loss": 0.1,
            "clean_loss": loss + 0.001 * rng.normal(),
        }
        for size in sizes
        for arm, error, loss in (("none", 1.3, 0.02), ("dropout", 1.1, 0.05))
        for seed in range(seeds)
    )


def result(arm="dropout", **fields):
    return PublishedResult(arm=arm, source="A. Author 2014, Table 1", **fields)


def found(*results, table=None, conditions=None):
    table = finals() if table is None else table
    return as_published(results, table, conditions or {LARGE: 120_000}, "none")


def test_the_interval_of_a_number_is_students_of_the_mean_and_of_a_comparison_that_of_paired_differences():
    number, comparison, losses = found(
        result(value=1.1), result(expected="lower"), result(expected="higher", measure="training-loss")
    )
    errors = {arm: 100 * (1 - rows["test_accuracy"]) for arm, rows in finals().groupby("arm")}
    here = stats.ttest_1samp(errors["dropout"], 0).confidence_interval()
    assert (number.here.low, number.here.high) == pytest.approx(tuple(here))
    here = stats.ttest_rel(errors["dropout"].to_numpy(), errors["none"].to_numpy()).confidence_interval()
    assert (comparison.here.low, comparison.here.high) == pytest.approx(tuple(here))
    assert losses.here.value == pytest.approx(0.03, abs=0.002)
    assert [each.outcome for each in (number, comparison, losses)] == ["as published"] * 3


@pytest.mark.parametrize(
    ("fields", "outcome"),
    [
        ({"value": 1.25}, "not as published"),
        ({"value": 1.25, "within": 0.2}, "as published"),
        ({"expected": "higher"}, "not as published"),
        ({"expected": "same", "within": 0.1}, "not as published"),
        ({"expected": "same", "within": 0.3}, "as published"),
        ({"expected": "not lower", "within": 0.1}, "not as published"),
        ({"expected": "not lower", "within": 0.3}, "as published"),
        ({"expected": "lower", "within": 0.2}, "undecided"),
        ({"expected": "same", "within": 0.2}, "undecided"),
    ],
)
def test_an_outcome_needs_an_interval_on_the_right_side(fields, outcome):
    assert found(result(**fields))[0].outcome == outcome


@given(st.floats(-2, 2), st.floats(0, 1), st.sampled_from(["lower", "higher", "same", "not lower"]))
def test_no_difference_is_both_as_published_and_not(shift, within, expected):
    """With a seed of each arm missing nothing is paired to it, and opposite expectations never both hold."""
    table = finals()
    table.loc[table["arm"] == "dropout", "test_accuracy"] -= shift / 100
    outcome = {
        name: found(result(expected=name, within=within), table=table)[0].outcome
        for name in ("lower", "higher", "same", "not lower")
    }
    assert not (outcome["lower"] == outcome["higher"] == "as published")
    assert not (outcome["lower"] == outcome["not lower"] == "as published")
    assert not (outcome["same"] == outcome["lower"] == "as published")
    assert outcome[expected] != "too few seeds"


def test_five_seeds_decide_nothing_and_seeds_without_their_pair_do_not_count():
    (few,) = found(result(value=1.1), table=finals(5))
    assert few.outcome == "too few seeds"
    table = finals(7)
    alone = table[(table["arm"] != "none") | (table["seed"] > 1)]
    (paired,) = found(result(expected="lower"), table=alone)
    assert (paired.here.n, paired.outcome) == (5, "too few seeds")
    (nothing,) = found(result(value=1.1), table=table.iloc[:0])
    assert nothing.outcome == "too few seeds"
    assert in_words([nothing]) == ""
    assert "here not known, n = 0" in in_words([few, nothing])
    assert caption([few]).endswith("An interval needs 6 seeds.")


def test_a_result_of_one_training_size_is_compared_at_this_size_alone():
    both = {SMALL: 2000, LARGE: 120_000}
    of_one = result(expected="lower", train_size=1000)
    table = finals(sizes=(1000, 60_000))
    rows = found(of_one, result(value=1.1), table=table, conditions=both)
    assert [row.train_size for row in rows] == [1000, 60_000]
    assert found(of_one) == ()
    assert cells(rows)["training examples"].tolist() == ["1,000", "60,000"]
    assert "training examples" not in cells(rows[:1])


def test_words_give_both_numbers_and_say_when_training_was_shorter():
    rows = found(result(value=1.25, updates=1_000_000))
    low, high = rows[0].here.low, rows[0].here.high
    assert in_words(rows) == (
        f"dropout: test error 1.25%, here {rows[0].here.value:.2f} ({low:.2f} to {high:.2f}), n = 10. "
        "Trained for 120,000 updates, not 1,000,000 as published."
    )
    assert "Trained for" not in in_words(found(result(value=1.25, updates=125_000)))
    assert in_words(found(result(expected="lower"), result(expected="higher"))) == (
        "1 of 2 as published, 1 not."
    )
    other = "Trained for 5 epochs, not 200 as the preset x does."
    length = as_published((result(expected="lower"),), finals(), {LARGE: 3000}, "none", other)
    assert in_words(length) == f"1 of 1 as published. {other}"
    assert caption(length).endswith(other)
    few = found(result(expected="lower"), table=finals(3))
    assert in_words(few) == "Not known yet: that needs 6 seeds."
    assert caption(rows).startswith("A. Author 2014, Table 1. Intervals are over 10 seeds, each for itself")
    of_training = found(result(expected="not lower", measure="training-loss"))
    assert "test examples" not in caption(of_training)
    (row,) = cells(of_training).to_dict("records")
    assert row["published"] == "training loss not lower"
    assert row["here (95% interval)"].startswith("+0.03")
    assert row["as published?"] == "yes"
    (margin,) = cells(found(result(expected="not lower", within=0.5))).to_dict("records")
    assert margin["published"] == "test error at most 0.5 points lower"
    (loss,) = cells(found(result(expected="higher", within=0.005, measure="test-loss"))).to_dict("records")
    assert loss["published"] == "test loss higher by more than 0.005 nats"
    both = [*rows, *found(result(expected="lower"))]
    assert "Differences are to none, in points." in caption(both)
    assert in_words(()) == ""


# Figure 11 has no numbers.
@pytest.mark.parametrize("name", sorted({*presets.published()} - {"srivastava-figure11"}))
def test_a_preset_of_another_length_says_so(name):
    whole = read_spec(name)
    assert not other_length(whole)
    for epochs in (whole.epochs + 1, 10 * whole.epochs):
        said = other_length(read_spec(name, {"epochs": epochs}))
        assert said == f"Trained for {epochs:,} epochs, not {whole.epochs:,} as the preset {name} does."


def test_a_part_of_a_preset_is_compared_with_the_whole_and_results_of_others_with_none():
    short = read_spec("srivastava-figure10", {"epochs": 1, "train_sizes": [100, 500]})
    part = replace(short, published=short.published[:2])
    assert other_length(part).startswith("Trained for 1 epoch, not 200 ")
    assert not other_length(replace(short, published=(replace(short.published[0], source="A. Author 2014"),)))
