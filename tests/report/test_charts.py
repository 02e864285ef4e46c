"""Charts: their data and the ends of their axes, read from their Vega-Lite; and real picture files."""

import io
import re
from itertools import pairwise
from math import ceil, inf, nan

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dropstudy.analysis.stats import learning_curves
from dropstudy.core.text import plain_name
from dropstudy.core.types import Arm
from dropstudy.report import charts
from dropstudy.report.charts.all_arms import HEIGHT, near_the_top
from dropstudy.report.charts.learning_curves import accuracy_axis, spread_labels
from dropstudy.report.charts.render import draw, save
from dropstudy.report.charts.theme import epoch_axis, rate_in_words
from expected import Report
from notebook_runs import ARMS, many_seeds, notebook_history

HOSTILE = [
    "<script>alert(1)</script>",
    'it\'s "quoted" & 50%',
    "../x",
    "n" * 300,
    "a\nb\x00\u202ec",
    "",
    "Δ中🙂",
]


def rows_of(spec, chart):
    """The rows that a chart of a specification draws, inline or by name."""
    data = chart.get("data") or spec["data"]
    return data["values"] if "values" in data else spec["datasets"][data["name"]]


def panels_of(spec):
    """Facet that draws the panels."""
    return spec["vconcat"][0]


def layers_of(panels, kind):
    return [layer for layer in panels["spec"]["layer"] if layer["mark"]["type"] == kind]


def heads_of(spec, panels):
    """The panels' names in their order, each with what stands below it."""
    words = {row["arm"]: row["words"] for row in rows_of(spec, panels) if "words" in row}
    return {name: words[name] for name in panels["facet"]["sort"]}


def key_of(spec):
    return spec["vconcat"][1]


def line_layer(panels):
    return layers_of(panels, "line")[0]


def svg_of(chart):
    return draw([chart.to_dict()], ["svg"])[0]["svg"].decode()


def renamed(names):
    arms = [Arm(name, i / 10) for i, name in enumerate(names)]
    return many_seeds(arms, 1, epochs=3), arms


@pytest.mark.parametrize(
    ("figure", "title", "metrics"),
    [
        (
            lambda h, a: charts.notebook_test(h, a, watches_test=True),
            "Test Data",
            ("val_loss", "val_accuracy"),
        ),
        (
            lambda h, a: charts.notebook_test(h, a, watches_test=False),
            "Validation Data",
            ("val_loss", "val_accuracy"),
        ),
        (charts.notebook_training, "Training Data", ("loss", "accuracy")),
    ],
)
def test_the_notebooks_figures(figure, title, metrics):
    history = notebook_history()
    spec = figure(history, ARMS).to_dict()
    assert spec["title"]["text"] == title
    assert heads_of(spec, spec) == {"no dropout": "drops nothing", "dropout 0.8": "drops 80%, keeps 20%"}
    layer = line_layer(spec)
    x, y = layer["encoding"]["x"], layer["encoding"]["y"]
    assert x["axis"]["values"] == list(range(1, 21))
    assert x["axis"]["title"] == "Epoch"
    assert y["axis"]["values"] == list(range(0, 101, 10))
    assert y["axis"]["title"] == "Rate (%)"
    assert y["scale"]["domain"] == [-5, 105]
    assert layer["encoding"]["color"]["scale"]["domain"] == ["loss", "accuracy"]
    assert layer["encoding"]["color"]["legend"] is not None
    rows = [row for row in rows_of(spec, spec) if "epoch" in row]
    for arm, arm_rows in history.sort_values("epoch").groupby("arm"):
        for name, metric in zip(("loss", "accuracy"), metrics, strict=True):
            drawn = [row["mean"] for row in rows if (row["arm"], row["series"]) == (arm, name)]
            assert drawn == pytest.approx((100 * arm_rows[metric]).to_list())


def test_several_seeds_have_a_band_that_the_title_explains():
    spec = charts.notebook_test(many_seeds(ARMS, 3), ARMS, watches_test=True).to_dict()
    assert len(layers_of(spec, "area")) == len(layers_of(spec, "line")) == 1
    assert "Mean of 3 seeds" in spec["title"]["subtitle"]
    panels = panels_of(charts.accuracy_curves(many_seeds(ARMS, 3), ARMS, watches_test=True).to_dict())
    assert len(layers_of(panels, "area")) == 1
    alone = panels_of(charts.accuracy_curves(many_seeds(ARMS, 1), ARMS, watches_test=True).to_dict())
    assert not layers_of(alone, "area")


def test_both_arms_side_by_side_on_one_axis_where_the_curves_live():
    spec = charts.accuracy_curves(notebook_history(), ARMS, watches_test=True).to_dict()
    panels = panels_of(spec)
    assert list(heads_of(spec, panels)) == ["no dropout", "dropout 0.8"]
    low, high = line_layer(panels)["encoding"]["y"]["scale"]["domain"]
    # From the late epochs of the lowest curve, not from its first (74.5%), to just above 100.
    assert 85 <= low <= 94
    assert 100 <= high < 101
    rows = [row for row in rows_of(spec, panels) if row["arm"] == "dropout 0.8" and "epoch" in row]
    assert {row["metric"] for row in rows} == {"clean_accuracy", "accuracy", "val_accuracy"}
    assert [r["mean"] for r in rows if r["metric"] == "accuracy"][-1] == pytest.approx(94.5)


def test_the_three_lines_differ_in_color_dash_or_shape_and_each_is_explained():
    spec = charts.accuracy_curves(notebook_history(), ARMS, watches_test=True).to_dict()
    encoding = key_of(spec)["layer"][0]["encoding"]
    assert len(set(encoding["color"]["scale"]["range"])) == 3
    assert encoding["strokeDash"]["scale"]["range"][1] != encoding["strokeDash"]["scale"]["range"][0]
    point = key_of(spec)["layer"][1]["encoding"]
    assert len(set(point["shape"]["scale"]["range"])) == 3
    words = [row["text"] for row in rows_of(spec, key_of(spec))]
    assert [word.split(":")[0] for word in words] == [
        "Training accuracy measured cleanly",
        "Training accuracy as Keras measures it",
        "Test accuracy",
    ]
    not_watched = charts.accuracy_curves(notebook_history(), ARMS, watches_test=False).to_dict()
    words = [row["text"] for row in rows_of(not_watched, key_of(not_watched))]
    assert words[-1].startswith("Validation accuracy")


def test_colors_keep_apart_in_grey():
    spec = charts.accuracy_curves(notebook_history(), ARMS, watches_test=True).to_dict()
    colors = key_of(spec)["layer"][0]["encoding"]["color"]["scale"]["range"]
    weights = (0.299, 0.587, 0.114)  # ITU-R BT.601 luma
    greys = sorted(
        sum(w * int(color[i : i + 2], 16) for w, i in zip(weights, (1, 3, 5), strict=True))
        for color in colors
    )
    assert min(b - a for a, b in pairwise(greys)) > 25


@pytest.mark.parametrize("count", [1, 3, 4, 7])
def test_a_panel_for_every_arm(count):
    arms = [Arm(f"dropout {i / 10}", i / 10) for i in range(count)]
    spec = charts.accuracy_curves(many_seeds(arms, 1, epochs=4), arms, watches_test=True).to_dict()
    assert list(heads_of(spec, panels_of(spec))) == [arm.name for arm in arms]
    assert panels_of(spec)["columns"] <= 3


def test_one_epoch_is_a_dot():
    history = notebook_history().query("epoch == 1")
    spec = charts.notebook_training(history, ARMS).to_dict()
    layer = line_layer(spec)
    assert layer["mark"]["point"]
    assert layer["encoding"]["x"]["axis"]["values"] == [1]
    low, high = layer["encoding"]["x"]["scale"]["domain"]
    assert low < 1 < high
    panels = panels_of(charts.accuracy_curves(history, ARMS, watches_test=True).to_dict())
    low, high = line_layer(panels)["encoding"]["y"]["scale"]["domain"]
    assert low <= 74.51
    assert high >= 96.9


def test_a_diverged_run_draws_what_is_finite(tmp_path):
    history = notebook_history()
    bad = (history["arm"] == "dropout 0.8") & (history["epoch"] > 3)
    history.loc[bad, ["loss", "val_loss", "clean_loss"]] = nan
    history.loc[bad, ["accuracy", "val_accuracy", "clean_accuracy"]] = inf
    for name, chart in {
        "sides": charts.accuracy_curves(history, ARMS, watches_test=True),
        "test": charts.notebook_test(history, ARMS, watches_test=True),
    }.items():
        save(chart.to_dict(), tmp_path / f"{name}.png")
    spec = charts.notebook_training(history, ARMS).to_dict()
    drawn = [row for row in rows_of(spec, spec) if row["arm"] == "dropout 0.8" and "epoch" in row]
    assert {row["epoch"] for row in drawn} == {1, 2, 3}


@pytest.mark.slow
def test_no_history_at_all_is_an_empty_chart():
    nothing = notebook_history().iloc[:0]
    draw(
        [
            charts.accuracy_curves(nothing, ARMS, watches_test=True).to_dict(),
            charts.notebook_training(nothing, ARMS).to_dict(),
        ]
    )
    spec = charts.accuracy_curves(nothing, ARMS, watches_test=True).to_dict()
    assert all(Report.NO_EPOCH in words for words in heads_of(spec, panels_of(spec)).values())


@pytest.mark.slow
def test_hostile_names_are_text():
    history, arms = renamed(HOSTILE)
    for chart in (
        charts.accuracy_curves(history, arms, watches_test=True),
        charts.notebook_training(history, arms),
    ):
        svg = svg_of(chart)
        assert "<script" not in svg
        assert "&lt;script&gt;" in svg
        assert "\x00" not in svg
        assert "\u202e" not in svg


def test_a_picture_is_whole_and_says_what_it_shows():
    chart = charts.accuracy_curves(notebook_history(), ARMS, watches_test=True, subtitle="Study notebook")
    (drawn,) = draw([chart.to_dict()])
    with Image.open(io.BytesIO(drawn["png"])) as image:
        image.load()
        width, height = image.size
        assert 1400 <= width <= 2000
        assert 800 <= height <= 1300
        # Nothing is cut off: the margin all round is paper.
        bands = [(0, 0, width, 10), (0, height - 10, width, height), (0, 0, 10, height)]
        for box in [*bands, (width - 10, 0, width, height)]:
            assert image.convert("L").crop(box).getextrema() == (255, 255)
    svg = drawn["svg"].decode()
    for words in (
        "Accuracy while training",
        "Study notebook",
        *(arm.name for arm in ARMS),
        "Test accuracy: end",
    ):
        assert words in svg


def test_a_figure_of_the_notebook_holds_title_and_legend_as_text():
    svg = svg_of(charts.notebook_test(notebook_history(), ARMS, watches_test=True))
    for words in (">Test Data<", ">loss<", ">accuracy<", ">Epoch<", ">Rate (%)<", ">100<", ">20<"):
        assert words in svg


def test_more_rows_than_altair_takes_by_default():
    history = notebook_history().query("arm == 'no dropout' and epoch == 1")
    long = history.loc[history.index.repeat(2501)].assign(epoch=range(1, 2502))
    spec = charts.notebook_training(long, ARMS[:1]).to_dict()
    assert sum("epoch" in row for row in rows_of(spec, spec)) == 5002


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60), st.lists(st.floats(0, 1), min_size=1, max_size=60))
def test_the_accuracy_axis_has_round_ticks_and_holds_nine_tenths_of_each_curve(first, second):
    rows = [
        (name, 0, epoch, value)
        for name, values in (("a", first), ("b", second))
        for epoch, value in enumerate(values, 1)
    ]
    history = pd.DataFrame(rows, columns=["arm", "seed", "epoch", "accuracy"])
    curves = learning_curves(history, ["accuracy"])
    curves[["mean", "low", "high"]] *= 100
    axis = accuracy_axis(curves)
    assert 2 <= len(axis.ticks) <= 10
    assert axis.low == axis.ticks[0] <= axis.ticks[-1] < axis.high
    for values in (first, second):
        assert 100 * max(values) <= axis.high
        below = sum(100 * value < axis.low - 1e-9 for value in values)
        assert below <= ceil(0.1 * (len(values) - 1))


MEANS = st.lists(st.lists(st.floats(0, 100), min_size=1, max_size=30), min_size=1, max_size=6)


@given(MEANS, st.floats(0, 30))
def test_on_the_axis_of_all_arms_a_difference_of_0_3_points_can_be_seen(arms, band):
    rows = [(f"{i}", epoch, mean) for i, means in enumerate(arms) for epoch, mean in enumerate(means, 1)]
    curves = pd.DataFrame(rows, columns=["arm", "epoch", "mean"])
    curves = curves.assign(low=curves["mean"] - band, high=curves["mean"] + band)
    axis = near_the_top(curves, title="Test accuracy (%)")
    assert 0.3 * HEIGHT / (axis.high - axis.low) >= 9  # pixels; a line has 2
    late = curves[curves["epoch"] > 0.25 * curves["epoch"].max()]
    assert axis.low <= late["mean"].max() <= axis.high
    assert 2 <= len(axis.ticks) <= 12


def test_all_arms_are_drawn_on_one_axis_by_name_and_one_below_it_is_marked():
    arms = [Arm("no dropout"), Arm("dropout 0.2", 0.2), Arm("dropout 0.9", 0.9)]
    rows = [
        (arm.name, epoch, mean + epoch / 10, 6)
        for arm, mean in zip(arms, (97, 97.3, 60), strict=True)
        for epoch in (1, 2)
    ]
    curves = pd.DataFrame(rows, columns=["arm", "epoch", "mean", "n"]).assign(low=nan, high=nan)
    chart = charts.all_arms(curves, arms, measure="Test accuracy")
    spec = chart.to_dict()
    assert not [layer for layer in spec["layer"] if layer["mark"]["type"] == "area"]  # no interval, no band
    svg = svg_of(chart)
    assert all(words in svg for words in ("no dropout 97.20", "dropout 0.2 97.50", "dropout 0.9 60.20 ↓"))
    banded = charts.all_arms(
        curves.assign(low=curves["mean"] - 0.1, high=curves["mean"] + 0.1), arms, measure="x"
    )
    assert [layer["mark"]["type"] for layer in banded.to_dict()["layer"]].count("area") == 1


def test_each_panel_has_its_axis_where_the_last_row_is_not_full():
    pairs = [(f"arm {n}", seed, 90 + seed, 91 + n) for n in range(5) for seed in range(2)]
    frame = pd.DataFrame(pairs, columns=["arm", "seed", "before", "after"])
    assert svg_of(charts.paired_lines(frame, baseline="plain")).count(">baseline</text>") == 5


POINTS = st.one_of(st.just(0.0), st.floats(-60, 60))
ENDS = st.one_of(st.just((nan, nan)), st.just((0.0, 0.0)), st.tuples(st.floats(0, 60), st.floats(0, 60)))


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(POINTS, ENDS, st.lists(POINTS, min_size=1)), min_size=1, max_size=6), st.floats(0, 1)
)
def test_the_axis_of_differences_holds_every_mean_and_seed_and_every_interval_but_a_far_wider_one(
    arms, margin
):
    rows = pd.DataFrame(
        [(f"arm {n}", 6, mean, mean - low, mean + high) for n, (mean, (low, high), _) in enumerate(arms)],
        columns=["arm", "n", "mean", "all_low", "all_high"],
    )
    seeds = pd.DataFrame(
        [
            (f"arm {n}", seed, value)
            for n, (*_, values) in enumerate(arms)
            for seed, value in enumerate(values)
        ],
        columns=["arm", "seed", "difference"],
    )
    spec = charts.intervals(rows, seeds, margin=margin, baseline="no dropout").to_dict(validate=False)
    first, last = spec["layer"][0]["encoding"]["x"]["scale"]["domain"]
    assert first < -margin <= 0 <= margin < last
    assert rows["mean"].between(first, last).all()
    assert seeds["difference"].between(first, last).all()
    drawn = {
        layer["mark"].get("shape", layer["mark"]["type"]): rows_of(spec, layer) for layer in spec["layer"]
    }
    bars = pd.DataFrame(drawn["rule"]).astype({"all_low": float, "all_high": float})
    arrows = {(row["arm"], row["side"]): row["end"] for row in drawn["triangle"]}
    expected = {}
    for arm, low, high in zip(rows["arm"], rows["all_low"], rows["all_high"], strict=True):
        expected |= {(arm, "below"): first} if low < first else {}
        expected |= {(arm, "above"): last} if high > last else {}
    assert arrows == expected  # an arrow on each side where an interval is cut, and nowhere else
    assert bars["all_low"].fillna(0).between(first, last).all()
    assert bars["all_high"].fillna(0).between(first, last).all()
    if cut := {arm for arm, _ in arrows}:
        widths = (rows["all_high"] - rows["all_low"]).set_axis(rows["arm"])
        assert len(cut) == 1
        assert len(widths.dropna()) > 1
        assert widths[cut.pop()] > 4 * widths.dropna().nlargest(2).min()


@pytest.mark.parametrize("size", [0.002, 0.01, 0.4, 30.0])
def test_labels_of_the_axis_of_differences_are_told_apart(size):
    rows = pd.DataFrame(
        [("a", 6, size, size / 2, 1.5 * size)], columns=["arm", "n", "mean", "all_low", "all_high"]
    )
    seeds = pd.DataFrame([("a", 0, size)], columns=["arm", "seed", "difference"])
    svg = svg_of(charts.intervals(rows, seeds, margin=size, baseline="no dropout"))
    labels = re.findall(r">([+\u2212-]?[\d.]+)</text>", svg)
    assert len(labels) > 3
    assert len(set(labels)) == len(labels)


def test_arms_without_a_difference_leave_room_for_one_that_differs():
    """The penguins: four arms equal in all seeds, one with a mean of +0.72."""
    rows = pd.DataFrame(
        [("equal", 6, 0.0, nan, nan), ("other", 6, 0.72, -0.11, 1.56)],
        columns=["arm", "n", "mean", "all_low", "all_high"],
    )
    seeds = pd.DataFrame(
        [
            (arm, seed, value)
            for arm, high in (("equal", 0.0), ("other", 1.45))
            for seed, value in enumerate((0.0, high))
        ],
        columns=["arm", "seed", "difference"],
    )
    spec = charts.intervals(rows, seeds, margin=0.1, baseline="no dropout").to_dict()
    first, last = spec["layer"][0]["encoding"]["x"]["scale"]["domain"]
    assert first < -0.11
    assert last > 1.56
    assert svg_of(charts.intervals(rows, seeds, margin=0.1, baseline="no dropout"))


def test_an_interval_many_times_as_wide_as_all_others_is_cut_and_written():
    rows = pd.DataFrame(
        [("narrow", 6, 0.3, 0.1, 0.5), ("wide", 6, -0.4, -9.0, 8.2)],
        columns=["arm", "n", "mean", "all_low", "all_high"],
    )
    seeds = pd.DataFrame([("narrow", 0, 0.3), ("wide", 0, -0.4)], columns=["arm", "seed", "difference"])
    spec = charts.intervals(rows, seeds, margin=0.1, baseline="no dropout").to_dict()
    first, last = spec["layer"][0]["encoding"]["x"]["scale"]["domain"]
    assert -1 < first < -0.4
    assert 0.5 < last < 1
    drawn = next(rows_of(spec, layer) for layer in spec["layer"] if layer["mark"]["type"] == "rule")
    # What is not drawn to scale is written.
    assert "-0.40  (-9.00 to +8.20)" in [row["text"] for row in drawn]


@given(st.lists(st.floats(-50, 150), max_size=6))
def test_labels_keep_their_distance_and_order(heights):
    placed = spread_labels(heights, 10, 0, 100)
    order = sorted(range(len(heights)), key=lambda i: heights[i])
    for lower, upper in pairwise(order):
        assert placed[upper] - placed[lower] >= 10 - 1e-9
    assert all(-1e-9 <= place <= 100 for place in placed)


@given(st.integers(1, 5000), st.integers(100, 600))
def test_epoch_numbers_have_room(last_epoch, width):
    _, axis = epoch_axis(last_epoch, width)
    spec = axis.to_dict()
    assert spec["values"][0] == 1
    if last_epoch <= 60:
        assert spec["values"] == list(range(1, last_epoch + 1))
    step = int(spec["labelExpr"].split("% ")[1].split(" ")[0])
    assert last_epoch // step <= max(2, width // 22)


@given(st.text(max_size=400))
def test_a_plain_name_is_one_short_visible_line(name):
    plain = plain_name(name, 40)
    assert 1 <= len(plain) <= 40
    assert plain.isprintable()
    assert plain_name(plain, 40) == plain


def test_both_readings_of_a_rate_are_printed():
    assert rate_in_words(Arm("x", 0.8)) == "drops 80%, keeps 20%"
    assert rate_in_words(Arm("x", 0.125)) == "drops 12.5%, keeps 87.5%"
    assert rate_in_words(Arm("x", 0.0)) == "drops nothing"
    assert rate_in_words(Arm("x", (0.2, 0.0, 0.125))) == "drops 20%, 0%, 12.5% by layer"
