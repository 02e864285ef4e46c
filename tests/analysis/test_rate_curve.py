"""The curve over the rates: its spline beside scipy's and patsy's, its band, and the interval of its top."""

import numpy as np
import patsy
import pytest
from scipy.interpolate import CubicSpline

from dropstudy.analysis.stats.rate_curve import MOST_KNOTS, fit_rate_curve, smoother, top_interval
from dropstudy.analysis.stats.simultaneous import simultaneous
from dropstudy.analysis.verdict.build import give_verdict
from dropstudy.analysis.verdict.design import Design
from dropstudy.analysis.verdict.which_rate import no_curve, top_of_curve
from verdicts import flat, rates, tables

NINE = np.arange(9) / 10


def scores(truth, n=10, seed=0, *, spread=0.1):
    rng = np.random.default_rng(seed)
    return truth + rng.normal(size=(n, 1)) + spread * rng.normal(size=(n, len(truth)))


def peak(rates_, top=0.35):
    return -6 * (np.asarray(rates_) - top) ** 2


def test_up_to_seven_rates_the_curve_is_scipys_natural_spline_through_the_means():
    tried = np.array([0, 0.1, 0.25, 0.5, 0.8])
    values = scores(peak(tried))
    curve = fit_rate_curve(tried, values)
    through = CubicSpline(tried, (values - values[:, :1]).mean(axis=0), bc_type="natural")
    assert curve.mean == pytest.approx(through(curve.rates))


def test_with_more_rates_it_is_the_least_squares_fit_in_patsys_basis():
    """patsy's `cr` is R mgcv's natural cubic regression spline: another basis of the same curves."""
    tried = np.linspace(0, 0.8, 13)
    points = np.linspace(0, 0.8, 41)
    knots = np.quantile(tried, np.linspace(0, 1, MOST_KNOTS))
    design = patsy.dmatrix(
        "cr(x, knots=inner, lower_bound=0, upper_bound=0.8) - 1", {"x": tried, "inner": knots[1:-1]}
    )
    at = patsy.build_design_matrices([design.design_info], {"x": points, "inner": knots[1:-1]})[0]
    theirs = np.asarray(at) @ np.linalg.pinv(np.asarray(design))
    values = scores(peak(tried))
    assert values @ smoother(tried, points, MOST_KNOTS).T == pytest.approx(values @ theirs.T, abs=1e-8)


def test_the_band_is_the_simultaneous_interval_at_the_rates():
    curve = fit_rate_curve(NINE[:5], scores(peak(NINE[:5])))
    gains = np.array(curve.gains)
    ours = simultaneous(gains)[4]
    assert curve.mean[-1] == pytest.approx(ours.value)
    assert curve.low[-1] <= ours.low  # it holds for more points than these
    assert curve.low[0] == curve.high[0] == pytest.approx(0)  # every seed gains nothing over itself


def test_a_peak_is_found_and_what_all_rates_of_a_seed_share_changes_nothing():
    curve = fit_rate_curve(NINE, scores(peak(NINE)))
    assert curve.top == pytest.approx(0.35, abs=0.05)
    assert 0.1 < curve.top_low < 0.35 < curve.top_high < 0.6
    assert not curve.at_high_end
    shifted = scores(peak(NINE)) + np.arange(10)[:, None]
    again = fit_rate_curve(NINE, shifted)
    assert (again.top, again.top_low, again.top_high) == (curve.top, curve.top_low, curve.top_high)
    order = [4, 0, 8, 2, 6, 1, 3, 5, 7]
    mixed = fit_rate_curve(NINE[order], scores(peak(NINE))[:, order])
    assert (mixed.top, mixed.top_low, mixed.top_high) == (curve.top, curve.top_low, curve.top_high)


def test_a_flat_curve_says_nothing_about_its_top():
    curve = fit_rate_curve(NINE, scores(np.zeros(9)))
    assert curve.anywhere
    assert curve.next_rates() == ()


def test_a_curve_that_rises_to_the_end_asks_for_a_rate_beyond_it():
    rising = fit_rate_curve(NINE[:5], scores(4 * NINE[:5]))
    assert rising.at_high_end
    assert rising.top == 0.4
    assert rising.next_rates() == (0.5,)
    falling = fit_rate_curve(NINE[:5], scores(-4 * NINE[:5]))
    # Below 0 there is no rate.
    assert (falling.top, falling.at_low_end, falling.next_rates()) == (0, False, ())
    from_a_fifth = fit_rate_curve(NINE[2:], scores(-4 * NINE[2:]))
    assert from_a_fifth.at_low_end
    assert from_a_fifth.next_rates() == (0.1,)
    high = fit_rate_curve([0, 0.4, 0.6, 0.9], scores(np.array([0, 4, 6, 9.0])))
    assert high.next_rates() == (0.95,)


def test_a_rate_between_those_tried_is_proposed_where_it_promises_more_than_the_margin():
    tried = [0, 0.2, 0.5, 0.8]
    curve = fit_rate_curve(tried, scores(peak(tried), spread=0.02))
    (promising,) = curve.next_rates(margin=0.05)
    assert promising == pytest.approx(0.35, abs=0.05)
    assert curve.next_rates(margin=1) == ()


def test_a_cliff_at_the_end_is_left_out_so_that_the_curve_does_not_swing_up_beside_it():
    """A natural spline through 0, 0, 0, 0, -9 rises above 0.6 between its last two points."""
    tried = [0, 0.2, 0.4, 0.6, 0.8, 0.95]
    curve = fit_rate_curve(tried, scores(np.array([0, 0.3, 0.4, 0.3, 0, -9.0])))
    assert curve.far == (0.95,)
    assert curve.tried[-1] == 0.8
    assert curve.top == pytest.approx(0.4, abs=0.05)
    rising = fit_rate_curve(tried, scores(np.array([0, 0.1, 0.2, 0.3, 0.4, -9.0])))
    assert not rising.at_high_end  # beyond 0.8 a rate was tried
    assert fit_rate_curve([0, 0.2, 0.5, 0.95], scores(np.array([0, 0.1, 0, -9.0]))) is None
    assert (
        fit_rate_curve(
            NINE, np.array([0, 0.07, 0.14, 0.1, -0.1, -0.24, -0.8, -1.6, -3.2]) + scores(0 * NINE)
        ).far
        == ()
    )


def test_few_rates_few_seeds_and_equal_seeds_have_no_curve():
    assert fit_rate_curve(NINE[:3], scores(peak(NINE[:3]))) is None
    assert fit_rate_curve(NINE, scores(peak(NINE), n=5)) is None
    some = scores(peak(NINE), n=6)
    some[0, 3] = np.nan
    assert fit_rate_curve(NINE, some) is None
    assert fit_rate_curve(NINE, np.tile(peak(NINE), (8, 1))) is None


@pytest.mark.slow
@pytest.mark.parametrize("top", [0, 0.2])
def test_the_interval_holds_the_top(top):
    """Of curves that are no splines; 300 studies, so that 92.5% is 2 errors below 95%."""
    held = 0
    for seed in range(300):
        truth = -8 * np.abs(NINE - top) ** 1.5
        low, high = top_interval(NINE, scores(truth, 6, seed, spread=1.0), 0.95, draws=300)
        held += low - 0.01 <= top <= high + 0.01
    assert held / 300 >= 0.925


SIX = rates(0, 0.1, 0.2, 0.3, 0.4, 0.5)


def verdict_on(truth, arms=SIX, n=10, **design):
    """The verdict where validation accuracy gains this many points over the first rate."""
    history, finals = tables(arms, {arm.name: flat(n) for arm in arms})
    values = scores(np.asarray(truth, dtype=float), n)
    for place, arm in enumerate(arms):
        ours = history["arm"] == arm.name
        history.loc[ours, "val_accuracy"] = 0.95 + values[history.loc[ours, "seed"], place] / 100
    return give_verdict(history, finals, Design(arms, **design)).conditions[0]


def test_the_answer_says_where_the_top_is():
    found = verdict_on(peak([arm.rate for arm in SIX], 0.2))
    curve = found.curve
    assert top_of_curve(found, 0.1) == (
        f"The curve over the rates is highest at {curve.top:.2g} "
        f"({curve.top_low:.2g} to {curve.top_high:.2g}, 95% confidence)."
    )
    assert verdict_on(np.zeros(6)).curve.anywhere
    assert top_of_curve(verdict_on(np.zeros(6)), 0.1) == (
        "The top of the curve over the rates may lie anywhere from 0 to 0.5: more seeds would tell."
    )
    rising = top_of_curve(verdict_on(np.arange(6)), 0.1)
    assert "The top may lie above 0.5, the highest rate tried." in rising
    assert rising.endswith("Rate to try next: 0.6.")


def test_a_study_without_a_curve_says_why():
    three = verdict_on([0, 0.3, 0.5], rates(0, 0.2, 0.5))
    assert three.curve is None
    assert top_of_curve(three, 0.1) == ""
    sentence = no_curve(three, rates(0, 0.2, 0.5))
    assert sentence == "A curve over the rates takes 4 rates and 6 seeds; here are 3 and 10."
    assert no_curve(verdict_on(np.zeros(6)), SIX) == ""
    assert verdict_on(peak(NINE[:6]), watches_test=True).curve is None  # the test set chooses nothing


def test_log_loss_is_turned_so_that_higher_is_better():
    gains = verdict_on(peak(NINE[:6], 0.2), metric="log-loss")
    assert gains.curve is None  # every val_loss of these tables is the same
    history, finals = tables(SIX, {arm.name: flat() for arm in SIX})
    values = scores(peak(NINE[:6], 0.2))
    for place, arm in enumerate(SIX):
        ours = history["arm"] == arm.name
        history.loc[ours, "val_loss"] = 1 - values[history.loc[ours, "seed"], place] / 100
    curve = give_verdict(history, finals, Design(SIX, metric="log-loss", margin=0.005)).conditions[0].curve
    assert curve.top == pytest.approx(0.2, abs=0.06)
