"""The sentences follow the numbers, whatever the study; the files are there, whole and safely named."""

import json
import os
import re
import shutil
from dataclasses import replace
from math import nan

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import random_results
from dropstudy import Study, report
from dropstudy.analysis import stats
from dropstudy.cli.result import export_command
from dropstudy.cli.show import show
from dropstudy.core.types import Arm
from dropstudy.report import charts, figures
from dropstudy.report.charts.render import FORMATS
from dropstudy.report.snapshot import read_snapshot
from dropstudy.report.stamp import STAMP, is_current
from dropstudy.report.vega import script
from dropstudy.report.write import write_report
from dropstudy.runtime.messages import REPLACED
from dropstudy.store.paths import FIGURE
from expected import Analysis, Report
from notebook_runs import ARMS, finals_of, many_seeds, notebook_finals, notebook_history
from sources import source_of, trained_at_once


def test_table_and_cells():
    summaries = stats.summarise(notebook_history(), notebook_finals(), ARMS)
    table = report.summary_table(summaries)
    assert table["arm"].to_list() == ["no dropout", "dropout 0.8"]
    assert table["keras_gap"].to_list() == pytest.approx([0.0136, -0.0287])
    assert table["best_epoch"].to_list() == [4, 20]
    cells = report.summary_cells(summaries, watches_test=True)
    assert list(cells.columns) == [
        "arm",
        "test accuracy",
        "running training accuracy",
        "clean training accuracy",
        "artefact (points)",
        "true gap (points)",
        "epoch of lowest test loss",
        "last epoch",
    ]
    assert cells.iloc[1].to_list() == [
        "dropout 0.8",
        "97.37%",
        "94.50%",
        "98.03%",
        "-3.53",
        "+0.66",
        "20",
        "20",
    ]


def test_cells_of_several_seeds_and_of_none():
    history = many_seeds(ARMS, 3)
    history.loc[(history["seed"] == 1) & (history["epoch"] == 6), "val_loss"] = 0.01
    cells = report.summary_cells(stats.summarise(history, finals_of(history, ARMS), ARMS), watches_test=False)
    assert re.fullmatch(r"98\.\d\d% \(SD 0\.\d\d\)", cells["test accuracy"][0])
    assert cells["epoch of lowest validation loss"][0] == "4 (4 to 6)"
    none = pd.DataFrame([], columns=notebook_finals().columns)  # as untyped as an empty store gives it
    empty = report.summary_cells(stats.summarise(history, none, ARMS), watches_test=True)
    assert set(empty.iloc[0].to_list()[1:]) == {"-"}


def write(folder, history, finals, arms, *, figures=False, **changes):
    return write_report(source_of(folder, history, finals, arms, **changes), folder, figures=figures)


MAIN = {"accuracy", "notebook-test", "notebook-training"}
"""Figures that every report writes."""


@pytest.mark.parametrize("asked", [False, True])
def test_a_report_is_a_page_figures_tables_and_conclusion(tmp_path, asked):
    folder = tmp_path / "new" / "report"
    paths = write(folder, notebook_history(), notebook_finals(), ARMS, figures=asked, fallback=True)
    names = [path.relative_to(folder).as_posix() for path in paths]
    assert names[0] == "report.html"
    assert names[-1] == "conclusion.txt"
    drawn = {name.removeprefix("figures/").rpartition(".") for name in names if name.startswith("figures/")}
    assert {kind for _, _, kind in drawn} == {"png", "svg", "pdf", "csv", "txt"}
    others = {"all-arms", "difference", "gap", "loss", "seeds"} if asked else set()
    assert {stem for stem, _, _ in drawn} == MAIN | others
    assert {name for name in names if "/" not in name} == {
        "report.html",
        "history.csv",
        "runs.csv",
        "summary.csv",
        "conclusion.txt",
    }
    assert all(path.stat().st_size > 0 for path in paths)
    assert {p for p in folder.rglob("*") if p.is_file()} == {*paths, folder / "report.stamp"}
    written = pd.read_csv(folder / "history.csv")[list(notebook_history().columns)]
    pd.testing.assert_frame_equal(written, notebook_history())
    summary = pd.read_csv(folder / "summary.csv")
    assert summary["test_accuracy"].to_list() == [0.9849, 0.9737]
    conclusion = (folder / "conclusion.txt").read_text(encoding="utf-8")
    assert REPLACED in conclusion
    assert Analysis.TOO_FEW.format(1) in conclusion
    assert REPLACED in (folder / "figures/accuracy.svg").read_text("utf-8")
    assert "n = 1 seed for each arm." in (folder / "figures/accuracy.txt").read_text("utf-8")
    runs = pd.read_csv(folder / "runs.csv")
    assert {"arm", "hidden", "train_size", "test_accuracy"} <= set(runs) & set(summary)
    assert runs["test_accuracy"].to_list() == [0.9849, 0.9737]
    assert REPLACED in (folder / "report.html").read_text("utf-8")


def test_a_figures_csv_holds_what_the_figure_draws(tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "draw", draw_nothing)
    history = many_seeds(ARMS, 3)
    write(tmp_path, history, finals_of(history, ARMS), ARMS, figures=True)
    gap = pd.read_csv(tmp_path / "figures/gap.csv")
    last = history[history["epoch"] == 20].groupby("arm")["accuracy"].mean()
    assert gap.set_index("arm")["running"].to_dict() == pytest.approx((100 * last).to_dict())
    pairs = pd.read_csv(tmp_path / "figures/seeds.csv")
    finals = finals_of(history, ARMS).set_index(["arm", "seed"])["test_accuracy"]
    assert pairs["after"].to_list() == pytest.approx([100 * finals["dropout 0.8", seed] for seed in range(3)])


def test_arm_names_cannot_leave_the_folder_or_meet_in_one_file(tmp_path):
    names = ["../x", "..\\X", "n" * 300, "中🙂", "a,\"b\"\n'c'"]
    arms = [Arm(name, i / 10) for i, name in enumerate(names)]
    history = many_seeds(arms, 1, epochs=2)
    folder = tmp_path / "report"
    paths = write(folder, history, finals_of(history, arms), arms, watches_test=False)
    assert len({path.name.lower() for path in paths}) == len(paths)
    assert [p.name for p in tmp_path.iterdir()] == ["report"]
    assert all(re.fullmatch(r"[a-z0-9._-]{1,80}", path.name) for path in paths)
    back = pd.read_csv(folder / "history.csv")
    assert set(back["arm"]) == set(names)


@given(st.lists(st.text(max_size=60), max_size=8))
def test_file_stems_are_safe_and_unlike(names):
    stems = report.file_stems(names)
    assert len(set(stems)) == len(stems) == len(names)
    for stem in stems:
        assert re.fullmatch(r"[a-z0-9][a-z0-9.-]{0,44}", stem)
        assert ".." not in stem


def test_file_stems_stay_readable_and_do_not_change_between_runs():
    names = ["no dropout", "dropout 0.8", "Dropout 0.8", "a-2", "a", "A", "é"]
    stems = ["no-dropout", "dropout-0.8", "dropout-0.8-2", "a-2", "a", "a-3", "e"]
    assert report.file_stems(names) == stems


def test_a_diverged_arm_is_reported(tmp_path):
    history, finals = notebook_history(), notebook_finals()
    history.loc[history["arm"] == "dropout 0.8", ["loss", "val_loss", "clean_loss"]] = nan
    finals.loc[1, "test_loss"] = nan
    write(tmp_path, history, finals, ARMS)
    assert "'dropout 0.8', seed 0 diverged" in (tmp_path / "report.html").read_text("utf-8").replace(
        "&#39;", "'"
    )
    assert pd.read_csv(tmp_path / "summary.csv")["unfinished"].to_list() == [0, 1]


def test_pictures_are_drawn_from_finished_runs_and_an_arm_without_any_is_there_by_name(tmp_path, monkeypatch):
    history = many_seeds(ARMS, 2)
    finals = finals_of(history, ARMS).query("seed == 0")
    seen = []
    real = charts.accuracy_curves

    def watch(history, arms, **rest):
        seen.append(set(history["seed"]))
        return real(history, arms, **rest)

    monkeypatch.setattr(charts, "accuracy_curves", watch)
    write(tmp_path, history, finals, (*ARMS, Arm("late", 0.5)))
    assert seen == [{0}]
    for figure in ("accuracy", "notebook-test", "notebook-training"):
        svg = (tmp_path / f"figures/{figure}.svg").read_text("utf-8")
        assert "late" in svg
        assert Report.NO_EPOCH in svg
    assert set(pd.read_csv(tmp_path / "history.csv")["seed"]) == {0, 1}


def test_the_script_that_draws_is_kept_and_gathered_again_where_it_was_damaged(tmp_path, monkeypatch):
    monkeypatch.setenv("DROPSTUDY_CACHE", str(tmp_path))
    script.cache_clear()
    code = script()
    (kept,) = tmp_path.glob("scripts/vega-*.js")
    monkeypatch.setattr("dropstudy.report.vega.apart", None)
    script.cache_clear()
    assert script() == code
    monkeypatch.undo()
    monkeypatch.setenv("DROPSTUDY_CACHE", str(tmp_path))
    kept.write_text(kept.read_text(encoding="utf-8").replace("vegaEmbed", "evil"), encoding="utf-8")
    script.cache_clear()
    assert script() == code
    script.cache_clear()


def change(path):
    path.write_bytes(path.read_bytes()[:-1] + b"?")


def test_a_report_is_current_only_while_each_of_its_files_is_as_it_was_written(reported):
    now = read_snapshot(reported)
    assert is_current(now)
    assert now.verdict.headline in (reported / "conclusion.txt").read_text(encoding="utf-8")
    for name in ("report.html", "conclusion.txt", "runs.csv", "figures/gap.csv", "figures/gap.png", STAMP):
        content = (reported / name).read_bytes()
        change(reported / name)
        assert not is_current(now), name
        (reported / name).unlink()
        assert not is_current(now), name
        (reported / name).write_bytes(content)
        assert is_current(now), name


def test_a_stamp_from_elsewhere_has_no_other_files_read(reported, tmp_path):
    now = read_snapshot(reported)
    stamp = json.loads((reported / STAMP).read_text())
    (tmp_path / "secret").write_text("x")
    os.mkfifo(tmp_path / "pipe")  # to read it would take for ever
    for name in ("../secret", str(tmp_path / "pipe"), "figures/../../pipe", "", "figures"):
        (reported / STAMP).write_text(json.dumps(stamp | {"files": {name: "0" * 64}}))
        assert not is_current(now), name
    for text in ("[]", "{", "null", '{"state": 1}', "[" * 100_000):
        (reported / STAMP).write_text(text)
        assert not is_current(now), text


def draw_nothing(specs):
    return [dict.fromkeys(FORMATS, b"drawn") for _ in specs]


@pytest.fixture(scope="module")
def reported_once(tmp_path_factory, cache_folder):
    """The folder of a study whose report is written, with all figures; no picture has content."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DROPSTUDY_CACHE", str(cache_folder))
        patch.setattr(figures, "draw", draw_nothing)
        study = trained_at_once(patch, tmp_path_factory.mktemp("reported") / "s")
        study.report(figures=True)
    return study.folder


@pytest.fixture
def reported(reported_once, tmp_path, monkeypatch):
    """A copy of that folder, which a test may damage."""
    random_results.replace_workers(monkeypatch)
    monkeypatch.setattr(figures, "draw", draw_nothing)
    return shutil.copytree(reported_once, tmp_path / "s")


def test_figures_that_a_report_does_not_write_are_removed_as_they_may_be_older(reported):
    study = Study.open(reported)
    assert is_current(read_snapshot(reported))
    names = {path.stem for path in (reported / "figures").iterdir()}
    assert names > {"notebook-validation", "notebook-training", "accuracy", "gap", "confusion"}
    study.report()
    assert is_current(read_snapshot(reported))
    assert {path.stem for path in (reported / "figures").iterdir()} == {
        "notebook-validation",
        "notebook-training",
        "accuracy",
    }


def test_damaged_files_are_named_with_what_is_left_out_and_no_old_figure_stays(reported, capsys):
    folder = reported / "figures"
    assert all(FIGURE.fullmatch(path.name) for path in folder.iterdir())
    old, mine = folder / "reliability-3.png", folder / "my_plot.png"
    for path in (old, mine):
        path.write_bytes(b"x")
    now = read_snapshot(reported)
    assert now.verdict
    assert now.left_out is None
    baseline = [run.key for run in now.runs if run.arm.name == "no dropout"]
    damaged = [
        reported / "predictions" / f"{baseline[2]}.safetensors",
        reported / "weights" / f"{baseline[0]}.safetensors",
    ]
    for path in damaged:
        change(path)
    now = read_snapshot(reported)
    write_report(now, reported, figures=True)
    page, text = ((reported / name).read_text("utf-8") for name in ("report.html", "conclusion.txt"))
    for path, what in zip(
        damaged,
        ("the predictions of 'no dropout', seed 2", "the weights of 'no dropout', seed 0"),
        strict=True,
    ):
        assert f"{what} ({path} is not what was written)" in text
        assert f"{path} is not what was written" in page
    assert not old.exists()
    assert mine.exists()
    assert not (folder / "confusion.png").exists()  # of answers that are no longer known
    show(reported)
    printed = " ".join(capsys.readouterr().out.split())
    assert "Left out, with all that depends on it: the predictions of 'no dropout', seed 2" in printed
    # What it says to do about it helps.
    damaged[0].unlink()
    Study.open(reported).run(verbose=False)
    now = read_snapshot(reported)
    assert now.verdict
    assert now.left_out is None


def test_a_network_is_offered_only_where_it_is_the_one_to_use_and_there(tmp_path, monkeypatch):
    study = trained_at_once(monkeypatch, tmp_path / "s", rates=[0, 0.5], seeds=[3, 4], hidden=[[4], [5]])
    assert export_command(study.results().snapshot) is None  # nothing is decided
    command = f"dropstudy export {tmp_path / 's'} --arm 'no dropout'"

    def offered():
        now = study.results().snapshot
        now.__dict__["verdict"] = replace(now.verdict, decision="hurts")
        return export_command(now)

    assert offered() == command
    for run in study.results().snapshot.runs:
        if run.arm.name == "no dropout" and (run.condition.hidden, run.seed) != ((5,), 4):
            (study.folder / "weights" / f"{run.key}.safetensors").unlink()
    assert offered() == f"{command} --hidden 5 --seed 4"
    assert study.results().weights("no dropout", 4, hidden="5")
    shutil.rmtree(study.folder / "weights")
    assert offered() is None
