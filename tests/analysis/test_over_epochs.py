"""Differences over the epochs: beside scipy's paired t, with early stops and best weights; the answer at half-time."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from dropstudy.analysis.half_time import on_half_time
from dropstudy.analysis.stats.over_epochs import differences_over_epochs, settled
from dropstudy.analysis.verdict.build import give_verdict
from dropstudy.analysis.verdict.design import Design
from dropstudy.analysis.verdict.over_epochs import half_time
from verdicts import around, flat, rates, tables

ARMS = rates(0, 0.5)
NAMES = [arm.name for arm in ARMS]


def history(n=8, epochs=6, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {"arm": arm, "seed": s, "epoch": epoch, "val_accuracy": rng.normal(0.9, 0.01), "val_loss": rng.normal(1, 0.2)}
        for arm in NAMES
        for s in range(n)
        for epoch in range(1, epochs + 1)
    )  # fmt: skip


def after(rows, epoch, *, best=False):
    found = differences_over_epochs(rows, NAMES, "val_accuracy", [epoch], best=best, fewest=6)
    return found.iloc[0]


def test_the_interval_of_one_arm_is_scipys_paired_t_at_that_epoch():
    rows = history()
    at = rows[rows["epoch"] == 4].pivot_table(index="seed", columns="arm", values="val_accuracy")
    ends = stats.ttest_rel(at["dropout 0.5"], at["no dropout"]).confidence_interval()
    found = after(rows, 4)
    assert (found["n"], found["low"], found["high"]) == (8, pytest.approx(ends.low), pytest.approx(ends.high))


def test_with_best_weights_a_run_has_the_value_of_its_lowest_validation_loss_until_then():
    rows = history()
    until = rows[rows["epoch"] <= 5]
    best = until.loc[until.groupby(["arm", "seed"])["val_loss"].idxmin()]
    means = best.groupby("arm")["val_accuracy"].mean()
    found = after(rows, 5, best=True)
    assert found["mean"] == pytest.approx(means["dropout 0.5"] - means["no dropout"])


def test_a_run_that_stopped_early_keeps_its_last_value_and_one_without_a_partner_does_not_count():
    rows = history()
    stopped = rows[~((rows["arm"] == "dropout 0.5") & (rows["seed"] == 0) & (rows["epoch"] > 3))]
    last = stopped.groupby(["arm", "seed"])["val_accuracy"].last().unstack("arm")  # noqa: PD010 - of a series
    assert after(stopped, 6)["mean"] == pytest.approx((last["dropout 0.5"] - last["no dropout"]).mean())
    alone = rows[~((rows["arm"] == "no dropout") & (rows["seed"] == 0))]
    assert after(alone, 6)["n"] == 7


def test_few_seeds_have_no_interval():
    found = after(history(n=5), 2)
    assert np.isnan(found["low"])
    assert found["n"] == 5


@pytest.mark.parametrize(
    ("low", "high", "epoch"),
    [([-1, 1, 1], [2, 2, 2], 2), ([1, -1, 1], [2, 2, 2], 3), ([-2, -2, -2], [-1] * 3, 1), ([1, 1, -1], [2] * 3, None)],
)  # fmt: skip
def test_a_sign_is_settled_from_where_the_interval_stays_on_its_side(low, high, epoch):
    assert settled(pd.DataFrame({"epoch": [1, 2, 3], "low": low, "high": high})) == epoch


def study(then, now, *, test=0.3, **design):
    """The verdict where validation accuracies differ by these points at half of the epochs and at the end."""
    rows, finals = tables(ARMS, {"no dropout": flat(), "dropout 0.5": around(test, spread=0.05)})
    noise = np.random.default_rng(1).normal(0, 5e-4, 10)
    ours = rows["arm"] == "dropout 0.5"
    points = np.where(rows.loc[ours, "epoch"] <= 5, then, now)
    rows.loc[ours, "val_accuracy"] = 0.98 + points / 100 + noise[rows.loc[ours, "seed"]]
    return give_verdict(rows, finals, Design(ARMS, **design))


def test_the_answer_says_where_half_of_the_epochs_would_have_answered_otherwise():
    assert on_half_time(study(-0.5, 0.3)) == (
        "After 5 of 10 epochs, validation data would have said: 'dropout 0.5' hurts."
    )
    assert on_half_time(study(0, 0.3)).endswith("'dropout 0.5' makes no difference that matters.")
    assert "After 5 of 10 epochs, test data" in on_half_time(study(-0.5, 0.3, watches_test=True))


def test_it_says_nothing_where_the_answer_was_the_same_or_validation_data_do_not_give_it():
    assert on_half_time(study(0.3, 0.3)) == ""
    # Validation data say otherwise than the test set at the end.
    assert on_half_time(study(-0.5, 0.3, test=0)) == ""
    assert on_half_time(study(-0.5, 0.3, metric="auc", margin=0.001)) == ""  # not in histories


def test_arms_whose_rate_changes_during_training_have_no_shorter_study_in_their_histories():
    arms = (ARMS[0], replace(ARMS[1], schedule="early"))
    assert half_time(history(), Design(ARMS)) != ()
    assert half_time(history(), Design(arms)) == ()
