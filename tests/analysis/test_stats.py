"""Laws of the estimators, and the notebook's own numbers as outside values."""

from math import isnan, nan, sqrt

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from dropstudy.analysis import stats
from dropstudy.core.types import Arm
from notebook_runs import ARMS, finals_of, many_seeds, notebook_finals, notebook_history

SHARES = st.floats(0, 1)


def history_of(rows):
    """One-arm history from (seed, epoch, accuracy, val_loss, val_accuracy, clean_accuracy)."""
    columns = ["seed", "epoch", "accuracy", "val_loss", "val_accuracy", "clean_accuracy"]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(arm="a", loss=0.1, clean_loss=0.1, seconds=1.0)


def scores(arm, accuracies):
    """Finals of one arm from {seed: accuracy}."""
    rows = [(arm, 0.0, seed, 0.1, accuracy, 0.03) for seed, accuracy in accuracies.items()]
    return pd.DataFrame(rows, columns=["arm", "rate", "seed", "test_loss", "test_accuracy", "brier"])


def test_the_notebooks_table():
    plain, dropped = stats.summarise(notebook_history(), notebook_finals(), ARMS)
    assert (plain.arm, dropped.arm, dropped.rate) == ("no dropout", "dropout 0.8", 0.8)
    assert 100 * dropped.keras_gap.value == pytest.approx(-2.87)
    assert 100 * plain.keras_gap.value == pytest.approx(1.36)
    assert (plain.test_accuracy.value, dropped.test_accuracy.value) == (0.9849, 0.9737)
    assert (plain.keras_accuracy.value, dropped.keras_accuracy.value) == (0.9985, 0.9450)
    assert (plain.best_epochs, plain.best_val_loss.value) == ((4,), 0.0673)
    assert (dropped.best_epochs, dropped.best_val_loss.value) == ((20,), 0.0917)
    assert (plain.last_epoch, plain.last_val_loss.value) == (20, 0.0852)
    assert plain.n == 1
    assert plain.test_accuracy.sd is None


@given(st.lists(st.tuples(SHARES, SHARES, SHARES), min_size=1, max_size=8))
def test_the_printed_gap_is_artefact_plus_true_gap_where_the_test_set_is_watched(rows):
    history = history_of(
        [(seed, 1, running, 0.1, test, clean) for seed, (running, test, clean) in enumerate(rows)]
    )
    arms = (Arm("a"),)
    (summary,) = stats.summarise(history, finals_of(history, arms), arms)
    assert summary.keras_gap.value == pytest.approx(
        summary.artefact.value + summary.true_gap.value, abs=1e-12
    )
    assert summary.keras_gap.n == summary.n == len(rows)


def test_mean_and_deviation_over_seeds():
    mean = stats.mean_over_seeds([1.0, 2.0, 4.0, nan])
    assert (mean.value, mean.n) == (pytest.approx(7 / 3), 3)
    assert mean.sd == pytest.approx(sqrt(7 / 3))
    empty = stats.mean_over_seeds([])
    assert isnan(empty.value)
    assert (empty.sd, empty.n, empty.known) == (None, 0, False)


def test_the_best_epoch_is_found_per_seed_and_the_first_of_equals_counts():
    losses = {0: [0.3, 0.1, 0.2], 1: [0.3, 0.2, 0.1], 2: [0.1, 0.1, 0.2]}
    history = history_of(
        [(s, e, 0.9, loss, 0.9, 0.9) for s, run in losses.items() for e, loss in enumerate(run, 1)]
    )
    (summary,) = stats.summarise(history, finals_of(history, [Arm("a")]), [Arm("a")])
    assert summary.best_epochs == (2, 3, 1)
    assert summary.best_epoch == 2
    assert summary.best_val_loss.value == pytest.approx(0.1)
    assert summary.last_val_loss.value == pytest.approx(0.5 / 3)


def test_a_summary_is_of_the_epoch_whose_weights_were_tested():
    history = history_of([(0, 1, 0.7, 0.1, 0.8, 0.85), (0, 2, 0.9, 0.5, 0.6, 0.95)])
    finals = scores("a", {0: 0.75}).assign(epoch=1)
    (summary,) = stats.summarise(history, finals, [Arm("a")])
    assert (summary.keras_accuracy.value, summary.val_accuracy.value, summary.last_epoch) == (0.7, 0.8, 2)
    assert summary.true_gap.value == pytest.approx(0.85 - 0.75)


def test_the_order_and_index_of_rows_do_not_matter():
    history = many_seeds(ARMS, 3)
    finals = finals_of(history, ARMS)
    rng = np.random.default_rng(0)
    shuffled = history.iloc[rng.permutation(len(history))].set_axis([0] * len(history))
    assert stats.summarise(shuffled, finals[::-1], ARMS) == stats.summarise(history, finals, ARMS)


def test_a_diverged_run_is_counted_and_enters_no_mean():
    history = history_of(
        [(0, 1, 0.9, 0.2, 0.9, 0.95), (1, 1, 0.1, nan, 0.1, 0.1), (2, 1, 0.9, 0.3, 0.8, 0.9)]
    )
    finals = scores("a", {0: 0.9, 1: 0.1})
    finals.loc[finals["seed"] == 1, "test_loss"] = nan  # 1 diverged, 2 was never finished
    (summary,) = stats.summarise(history, finals, [Arm("a")])
    assert (summary.n, summary.unfinished) == (1, 2)
    assert summary.test_accuracy.value == summary.val_accuracy.value == 0.9


def test_an_arm_without_a_finished_run_has_no_numbers():
    history = history_of([(0, 1, 0.9, nan, 0.9, 0.9)])
    summaries = stats.summarise(history, scores("a", {}), [Arm("a"), Arm("never started", 0.5)])
    for summary, unfinished in zip(summaries, (1, 0), strict=True):
        assert (summary.n, summary.unfinished, summary.last_epoch) == (0, unfinished, 0)
        assert isnan(summary.test_accuracy.value)
        assert isnan(summary.best_epoch)


def test_curves_are_means_and_ranges_over_seeds_without_what_is_not_finite():
    history = history_of([(0, 1, 0.5, 0.2, 0.9, 0.9), (1, 1, 0.7, 0.2, 0.9, 0.9), (0, 2, nan, 0.2, 0.9, 0.9)])
    curves = stats.learning_curves(history, ["accuracy", "val_loss"])
    (row,) = curves[curves["metric"] == "accuracy"].itertuples()
    assert (row.epoch, row.mean, row.low, row.high, row.n) == (1, pytest.approx(0.6), 0.5, 0.7, 2)
    assert len(curves[curves["metric"] == "val_loss"]) == 2
    assert stats.learning_curves(history.iloc[:0]).empty


def test_curves_of_means_have_students_interval_where_there_are_enough_seeds_that_differ():
    rng = np.random.default_rng(0)
    values = rng.normal(0.9, 0.01, (6, 2))
    history = pd.DataFrame(
        [("a", seed, epoch + 1, values[seed, epoch]) for seed in range(6) for epoch in range(2)]
        + [("b", seed, 1, 0.5) for seed in range(6)]
        + [("c", seed, 1, rng.normal()) for seed in range(5)],
        columns=["arm", "seed", "epoch", "accuracy"],
    )
    curves = stats.mean_curves(history, "accuracy", fewest=6).set_index(["arm", "epoch"])
    for epoch in (1, 2):
        one = values[:, epoch - 1]
        ends = scipy.stats.t.interval(0.95, 5, one.mean(), scipy.stats.sem(one))
        row = curves.loc["a", epoch]
        assert row[["mean", "low", "high"]].to_list() == pytest.approx([one.mean(), *ends])
    assert curves.loc["b", "mean"].item() == 0.5
    assert curves.loc[["b", "c"], ["low", "high"]].isna().all(axis=None)  # all agree; a seed too few


def test_charts_get_finished_runs_or_all_where_none_finished():
    history = many_seeds(ARMS, 2)
    finals = finals_of(history, ARMS)
    kept = finals[(finals["arm"] == ARMS[0].name) & (finals["seed"] == 1)]
    drawn = stats.finished_history(history, kept, ARMS)
    assert set(drawn.loc[drawn["arm"] == ARMS[0].name, "seed"]) == {1}
    assert set(drawn.loc[drawn["arm"] == ARMS[1].name, "seed"]) == {0, 1}
