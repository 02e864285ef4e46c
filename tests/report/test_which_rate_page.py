"""The page on which rate is best and at which budget: its charts beside the verdict."""

import numpy as np
import pytest

from dropstudy.analysis.stats.rate_curve import fit_rate_curve
from dropstudy.analysis.verdict.over_epochs import over_epochs
from dropstudy.core.metrics import METRICS
from dropstudy.report import charts
from dropstudy.report.charts.top_rate import means
from dropstudy.report.sections import sections
from dropstudy.report.sections.blocks import figures_of
from dropstudy.report.snapshot import read_snapshot
from sources import trained_at_once


def page(study):
    snapshot = read_snapshot(study.folder)
    parts = sections(snapshot)
    return (
        snapshot,
        {part.name: part for part in parts},
        {figure.name: figure for figure in figures_of(parts)},
    )


def test_four_rates_and_six_seeds_have_a_curve_and_differences_over_the_epochs(tmp_path, monkeypatch):
    rates = {"rates": [0, 0.2, 0.5, 0.8], "seeds": 6, "epochs": 3}
    study = trained_at_once(monkeypatch, tmp_path / "x", validation_split=0.2, **rates)
    snapshot, _, figures = page(study)
    (condition,) = snapshot.verdict.conditions
    top = figures["top-rate"]
    assert top.table["rate"].iloc[[0, -1]].to_list() == [0, 0.8]
    assert top.table["mean"].to_numpy() == pytest.approx(condition.curve.mean)
    assert f"{condition.curve.top:.2g}" in top.caption or "anywhere" in top.caption
    last = figures["over-epochs"].table.groupby("arm", sort=False)["mean"].last()
    expected = over_epochs(snapshot.history, snapshot.arms, snapshot.metric, [3], best=False)
    assert last.to_numpy() == pytest.approx(expected["mean"].to_numpy())
    assert snapshot.verdict.to_dict()["conditions"][0]["curve"]["top"] == condition.curve.top


def test_where_the_test_set_was_watched_there_is_no_curve_and_it_says_why(tmp_path, monkeypatch):
    study = trained_at_once(
        monkeypatch, tmp_path / "x", rates=[0, 0.2, 0.5, 0.8], seeds=6, validation_split="test"
    )
    _, parts, figures = page(study)
    assert "top-rate" not in figures
    assert any("the test set was watched" in text for text in parts["rates"].paragraphs)


def test_few_rates_have_no_curve_and_it_says_why(tmp_path, monkeypatch):
    study = trained_at_once(monkeypatch, tmp_path / "x", rates=[0, 0.2, 0.5], seeds=6, validation_split=0.2)
    _, parts, figures = page(study)
    assert "top-rate" not in figures
    assert "A curve over the rates takes 4 rates and 6 seeds; here are 3 and 6." in parts["rates"].paragraphs


def test_a_lower_metric_is_drawn_in_its_own_direction_and_a_far_worse_rate_leaves_room_for_the_others():
    rates = [0, 0.2, 0.4, 0.6, 0.8]
    gains = np.array([0, 0.01, 0.02, -0.1, -0.2]) + np.random.default_rng(0).normal(0, 0.01, (8, 5))
    curve = fit_rate_curve(rates, gains)
    loss = METRICS["log-loss"]
    drawn = means(curve, frozenset({0.4}), loss)
    assert drawn["mean"].to_numpy() == pytest.approx(-np.mean(curve.gains, axis=0))
    assert drawn["best"].to_list() == ["no", "no", "yes", "no", "no"]
    low, high = charts.axis_ends(curve)
    assert low > np.min(curve.gains)  # the axis ends above the worst seed
    assert low < 0 < high
    chart = charts.top_rate(curve, frozenset({0.4}), metric=loss, baseline="no dropout")
    assert "its top may lie from" in chart.to_dict(validate=False)["description"]


def test_where_no_dropout_is_best_the_axis_shows_the_rates_below_it():
    rates = [0, 0.1, 0.2, 0.3, 0.4, 0.5]
    noise = np.random.default_rng(0).normal(0, 1, (6, 6)) * (np.array(rates) > 0)
    gains = np.array([0, -0.5, -1.2, -2.5, -4, -5.5]) + noise - noise.mean(axis=0)
    curve = fit_rate_curve(rates, gains)
    assert curve.top == 0
    low, high = charts.axis_ends(curve)
    assert low < np.mean(curve.gains, axis=0)[2] < 0 < high
