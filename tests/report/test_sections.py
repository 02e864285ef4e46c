"""Each section says what the study has, and is left out where it has not: grids, tables without images, single runs."""

import base64
import io
import json
import re
from math import nan

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from dropstudy.core.text import span
from dropstudy.core.types import Arm
from dropstudy.errors import InvalidArgument
from dropstudy.report.charts import DARK, arm_labels
from dropstudy.report.charts.palette import RAMP, arm_colors
from dropstudy.report.charts.render import FORMATS
from dropstudy.report.figures import caption
from dropstudy.report.plots import Plots
from dropstudy.report.sections import conditions, sections
from dropstudy.report.sections.blocks import Pictures, Table, figures_of
from dropstudy.report.sections.rates import _has_band
from dropstudy.report.snapshot import read_snapshot
from dropstudy.report.vega import page_spec
from dropstudy.runtime.machines import Machine, RecordLeftOut
from dropstudy.store.paths import CHARTS, FIGURE
from dropstudy.store.store import Store
from expected import Analysis, Report
from sources import trained_at_once


def made(study, **settings):
    parts = sections(read_snapshot(study.folder, **settings))
    return {part.name: part for part in parts}, {figure.name: figure for figure in figures_of(parts)}


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("sections") / "grid"
        sizes = {"hidden": [[4], [6, 5]], "train_sizes": [200, 900], "rates": [0, 0.2, 0.5], "seeds": 6}
        return trained_at_once(patch, folder, **sizes)


@pytest.fixture(scope="module")
def figures_of_grid(grid):
    return made(grid)[1]


@pytest.mark.slow
def test_a_grid_has_its_rate_curves_and_says_when_dropout_pays(grid, figures_of_grid):
    figures = figures_of_grid
    curve, pay = figures["rate-curve"].table, figures["payoff"].table
    assert len(curve) == 4 * 3
    assert len(pay) == 4 * 2
    finals = grid.results().test_scores()
    of_one = finals[(finals["hidden"] == "6-5") & (finals["train_size"] == 900) & (finals["rate"] == 0.2)]
    row = curve[(curve["hidden"] == "6-5") & (curve["train_size"] == 900) & (curve["rate"] == 0.2)].iloc[0]
    assert row["mean"] == pytest.approx(100 * (1 - of_one["test_accuracy"].mean()))
    assert row["low"] < row["mean"] < row["high"]
    compared = next(
        s for s in grid.verdict().conditions if (s.hidden, s.train_size) == ("6-5", 900)
    ).comparisons[0]
    told = pay[(pay["hidden"] == "6-5") & (pay["train_size"] == 900)].iloc[0]
    assert told[["mean", "low", "high"]].to_list() == pytest.approx(
        [compared.difference.value, compared.difference.low, compared.difference.high]
    )
    assert [name for name in figures if name.startswith("difference")] == [
        "differences",
        *(f"difference-{i}" for i in range(1, 5)),
    ]


@pytest.mark.slow
def test_answers_trust_and_weights_are_looked_into_for_every_network_and_size(grid, monkeypatch):
    parts, figures = made(grid)
    for name in (
        "confusion",
        "reliability",
        "active-units",
        "weight-norms",
        "notebook-validation",
        "notebook-training",
    ):
        titles = [figures[f"{name}-{number}"].title for number in range(1, 5)]
        assert len(set(titles)) == 4
        assert "6-5 units, 900 training examples" in titles[3]
    # Two for each, one of them on averages, and one on what counts.
    assert len(parts["predictions"].paragraphs) == 9
    (scores,) = [block for block in parts["calibration"].blocks if isinstance(block, Table)]
    finals = grid.results().test_scores().groupby(["hidden", "train_size", "rate"])
    told = scores.frame.set_index(["units", "training examples", "arm"])
    for (hidden, size, rate), rows in finals:
        row = told.loc[(hidden, size, f"dropout {rate:g}" if rate else "no dropout")]
        assert row["log loss, nats"] == pytest.approx(rows["test_loss"].mean())
        assert row["Brier"] == pytest.approx(rows["brier"].mean())
        assert row["seeds"] == 6

    monkeypatch.setattr(conditions, "MOST", 3)
    fewer, figures = made(grid)
    assert "reliability-3" in figures
    assert "reliability-4" not in figures
    for name in ("predictions", "calibration", "inside"):
        assert Report.FIRST_CONDITIONS.format(3, 4) in fewer[name].paragraphs[-1]
        assert "This section shows" not in " ".join(parts[name].paragraphs)


def test_a_study_of_two_rates_and_one_size_has_no_curve_over_either(tmp_path, monkeypatch):
    parts, figures = made(trained_at_once(monkeypatch, tmp_path / "x", seeds=2))
    assert "rates" not in parts
    assert "entropy" not in figures


def test_a_run_alone_has_nothing_to_compare(tmp_path, monkeypatch):
    parts, _ = made(trained_at_once(monkeypatch, tmp_path / "x", seeds=1, rates=[0.5]))
    assert set(parts) == {"verdict", "curves", "gap", "calibration", "inside", "runs", "provenance"}
    assert parts["verdict"].blocks == ()
    assert Analysis.ALONE in parts["verdict"].head.lines[0][1]


def test_the_page_says_which_machines_trained_and_which_were_left_out(tmp_path, monkeypatch):
    study = trained_at_once(monkeypatch, tmp_path / "x", seeds=2)
    other = "jax 0.11.0 where the study has 0.10.2"
    with Store(study.folder, write=True) as store:
        RecordLeftOut(store).on_machines([Machine("node9", 1, refused=other), Machine("node1", 1)])
        for run, places in zip(store.runs(), ("a", "a; b", "b", "b"), strict=True):
            store._update(run.key, {"device": places})
    facts = dict(made(study)[0]["provenance"].blocks[0].rows)
    assert facts["Device"] == "b: 3 runs; a: 2 runs"
    assert facts["Machines left out"] == f"node9: {other}"


@pytest.mark.parametrize("seeds", [2, 6])
def test_below_six_seeds_there_is_no_band_and_no_claim_from_lines(tmp_path, monkeypatch, seeds):
    study = trained_at_once(monkeypatch, tmp_path / "x", seeds=seeds, rates=[0, 0.2, 0.5])
    parts, figures = made(study)
    curve, difference = figures["rate-curve"], figures["difference"]
    assert curve.table["low"].notna().all() == difference.table["all_low"].notna().all() == (seeds == 6)
    assert (Report.CLEAR_EFFECT in parts["paired-seeds"].paragraphs[0]) == (seeds == 6)
    assert ("band" in curve.caption) == (seeds == 6)
    compared = study.verdict().conditions[0].comparisons
    for row, comparison in zip(difference.table.itertuples(), compared, strict=True):
        assert row.mean == pytest.approx(comparison.difference.value)
        if seeds == 6:
            assert (row.all_low, row.all_high) == (comparison.deciding.low, comparison.deciding.high)
            told = span(row.all_low, row.all_high, margin=0.1)
            assert told in repr(difference.chart.to_dict())


def images_in(folder, colour, background):
    """Noise on a plain border, in the folders of two classes."""
    pixels = np.random.default_rng(0).integers(0, 256, (80, 8, 8, 3), dtype=np.uint8)
    pixels[:, [0, -1]] = pixels[:, :, [0, -1]] = background
    for number, image in enumerate(pixels):
        path = folder / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image if colour else image[..., 0]).save(path)
    return str(folder)


@pytest.mark.parametrize(
    ("colour", "background", "ink"), [(True, 0, False), (False, 0, True), (False, 255, False)]
)
def test_images_keep_their_colours_and_only_those_on_a_dark_background_are_inverted(
    tmp_path, monkeypatch, colour, background, ink
):
    data = images_in(tmp_path / "pets", colour, background)
    study = trained_at_once(
        monkeypatch, tmp_path / "x", data=data, validation_split=16, seeds=2, batch_size=16
    )
    parts, _ = made(study)
    pictures = {
        name: block for name, part in parts.items() for block in part.blocks if isinstance(block, Pictures)
    }
    assert pictures["predictions"].ink == ink
    assert not pictures["inside"].ink
    for name, mode in (("predictions", "RGB" if colour else "L"), ("inside", "RGBA" if colour else "LA")):
        content = pictures[name].pictures[0].source.partition(",")[2]
        with Image.open(io.BytesIO(base64.b64decode(content))) as image:
            assert image.mode == mode


def test_a_table_without_images_has_all_else(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(300, 5)).astype(np.float32), np.arange(300) % 3
    np.savez(tmp_path / "t.npz", x_train=x[:200], y_train=y[:200], x_test=x[200:], y_test=y[200:])
    study = trained_at_once(
        monkeypatch, tmp_path / "x", data=str(tmp_path / "t.npz"), validation_split=50, seeds=2
    )
    parts, figures = made(study)
    assert {"confusion", "reliability", "active-units", "weight-norms"} <= set(figures)
    assert not [block for part in parts.values() for block in part.blocks if isinstance(block, Pictures)]
    (tmp_path / "t.npz").unlink()
    assert "predictions" in made(study)[0]  # from the arrays that the runs were trained on
    monkeypatch.setenv("DROPSTUDY_CACHE", str(tmp_path / "other"))
    parts, figures = made(study)  # the examples are gone, the runs are not
    assert "predictions" not in parts
    assert "calibration" not in parts
    assert "weight-norms" in figures


def test_sampled_networks_are_asked_for_and_then_shown(tmp_path, monkeypatch):
    _, figures = made(trained_at_once(monkeypatch, tmp_path / "x", seeds=1), mc=2)
    table = figures["entropy"].table
    assert set(table["arm"]) == {"dropout 0.5"}
    assert table.groupby("answer")["share"].sum().to_list() == pytest.approx(
        [100] * table["answer"].nunique()
    )


def test_a_notebook_gets_each_chart_and_is_told_what_there_is(grid):
    charts = grid.plot
    assert charts.rate_curve().chart.to_dict()["title"]["text"] == "Test error over the rate"
    assert charts.difference(2).chart.to_dict() != charts.difference(1).chart.to_dict()
    for name in ("payoff", "gap", "seeds", "reliability", "weight_norms"):
        assert getattr(charts, name)().chart.to_dict()["$schema"]
        assert name in repr(charts)
    with pytest.raises(InvalidArgument, match="for condition 9"):
        charts.gap(9)


def test_a_chart_shows_itself_in_a_notebook_without_a_network(grid):
    chart = grid.plot.rate_curve()
    bundle, about = chart._repr_mimebundle_(include=None, exclude=None)
    # No HTML: its script would come from a network.
    assert set(bundle) == {"application/vnd.vegalite.v6+json", "image/png", "text/plain"}
    spec = json.loads(json.dumps(bundle["application/vnd.vegalite.v6+json"], allow_nan=False))
    assert "url" not in str(spec.keys() | spec["datasets"].keys())
    assert spec["title"]["text"] == chart.chart.title.text
    assert "rate-curve" in bundle["text/plain"]
    with Image.open(io.BytesIO(base64.b64decode(bundle["image/png"]))) as image:
        image.load()
        assert image.size == tuple(2 * about["image/png"][side] for side in ("width", "height"))
        assert len(image.convert("RGB").getcolors(1 << 24)) > 20  # lines, points and words, not a blank


@pytest.mark.slow
def test_each_chart_has_one_name_in_its_files_and_in_python(grid, figures_of_grid):
    methods = {name for name in dir(Plots) if not name.startswith("_")} - {"save"}
    assert {
        name.replace("-", "_").replace("notebook_validation", "notebook_test") for name in CHARTS
    } == methods
    assert {re.sub(r"-\d+$", "", name) for name in figures_of_grid} <= set(CHARTS)
    assert grid.plot.notebook_test(2).name == "notebook-validation-2"


@pytest.mark.slow
def test_a_caption_says_what_is_drawn_the_interval_and_the_seeds(figures_of_grid):
    for name, figure in figures_of_grid.items():
        text = caption(figure, "mine, data: digits")
        assert text.startswith(f"{figure.title}. ")
        assert re.search(r"n = \d+( to \d+)? (paired )?seeds? for each arm\.", text), name
        assert "Click" not in text
        if {"low", "high"} <= set(figure.table) and figure.table["low"].notna().any():
            assert re.search("(bars|[Bb]ands?) .*(95%|lowest to the highest)", text), name
        assert text.endswith(f"\n\nAlt text: {figure.chart.description}\n")


def test_one_chart_is_saved_as_a_picture_and_all_as_the_report_writes_them(grid, tmp_path, monkeypatch):
    path = grid.plot.gap(2).save(tmp_path / "gap.svg")
    assert ">true gap<" in path.read_text("utf-8")
    monkeypatch.setattr(
        "dropstudy.report.figures.draw", lambda specs: [dict.fromkeys(FORMATS, b"drawn") for _ in specs]
    )
    written = {path.relative_to(tmp_path / "all").as_posix() for path in grid.plot.save(tmp_path / "all")}
    assert written == {path.name for path in (tmp_path / "all").iterdir()}
    assert {"gap-2.png", "gap-2.svg", "gap-2.pdf", "gap-2.csv", "gap-2.txt", "payoff.csv"} <= written
    assert all(FIGURE.fullmatch(name) for name in written)


@pytest.mark.slow
def test_the_charts_of_the_page_have_no_colour_without_a_dark_counterpart(figures_of_grid):
    for figure in figures_of_grid.values():
        spec = page_spec(figure)
        spec.pop("datasets")
        assert not [color for color in DARK if f"'{color}'" in repr(spec)]
    assert DARK.keys() >= set(RAMP)


def test_a_name_that_reads_as_a_colour_stays_a_name(tmp_path, monkeypatch):
    arms = [{"name": "#222222", "rate": 0.0}, {"name": "#0072b2", "rate": 0.5}]
    study = trained_at_once(monkeypatch, tmp_path / "x", seeds=1, arms=arms, rates=None)
    _, figures = made(study)
    spec = page_spec(figures["reliability"])
    assert "['#222222', '#0072b2']" in repr(spec)


def test_arms_have_labels_and_colours_of_their_own():
    arms = [Arm("no dropout"), *(Arm(f"dropout {i / 10}", i / 10) for i in range(1, 10))]
    assert len(set(arm_colors(arms))) == 10
    twins = [Arm("a" * 50 + c + "z" * 50) for c in "xyz"]
    assert len(set(arm_labels(twins).values())) == 3


@pytest.mark.parametrize(
    ("lows", "highs", "seen"),
    [
        ([1, 1, 2], [2, 3, 4], True),
        ([nan, 1, 2], [nan, 3, 4], True),
        ([nan, 1, nan], [nan, 3, nan], False),  # a band needs two neighbours
        ([1, 2, 3], [1, 2, 3], False),  # and some width
        ([nan, nan, nan], [nan, nan, nan], False),
    ],
)
def test_the_caption_speaks_of_a_band_where_one_is_seen(lows, highs, seen):
    assert _has_band(pd.DataFrame({"low": lows, "high": highs}, dtype=float)) == seen
