"""The table for a paper has the verdict's numbers, in each format; the methods are those of the study's design."""

import io
import json
import re
import shutil
import subprocess
from html import unescape

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

import random_results
from dropstudy import Study
from dropstudy.core.text import decimals
from dropstudy.core.types import Arm
from dropstudy.errors import InvalidArgument
from dropstudy.report.paper.table import _LATEX, FORMATS, latex, result_table
from dropstudy.runtime import local
from expected import Report
from notebook_runs import ARMS, finals_of, many_seeds, notebook_finals, notebook_history
from sources import source_of

EVIL = r"50% & $x_1$ {~^\} #1 <a> | ``b' *c*"
"""A name that means something in LaTeX, Markdown and HTML."""


@pytest.fixture
def study(monkeypatch, tmp_path):
    """Train a small study by a rule: test accuracy rises with the rate by `effect`."""

    def train(effect=0.01, **settings):
        random_results.replace_workers(monkeypatch)
        monkeypatch.setattr(local, "train", random_results.learned(effect))
        defaults = {"rates": [0, 0.2, 0.5], "seeds": 6, "validation_split": 300, "hidden": [4], "epochs": 2}
        return Study("notebook", out=tmp_path / "s", data="digits", **(defaults | settings))

    return train


def made_up(folder, arms=ARMS, seeds=6, **more):
    """Table of a study from the notebook's curves, moved from seed to seed."""
    history = many_seeds(arms, seeds)
    return result_table(source_of(folder, history, finals_of(history, arms), arms, **more))


@pytest.mark.parametrize(
    ("uncertainty", "places"),
    [(0.119, 2), (0.367, 1), (0.00354, 4), (0.00355, 3), (0.097, 2), (1.2, 1), (6.0, 0), (42.0, 0)],
)
def test_numbers_are_rounded_by_their_uncertainty_as_the_particle_data_group_does(uncertainty, places):
    assert decimals(uncertainty) == places  # 0.827 ± 0.119 is 0.83 ± 0.12 there, and ± 0.367 is 0.8 ± 0.4


def test_the_csv_has_the_numbers_of_the_json(study):
    trained = study(train_sizes=[500, "all"]).run(verbose=False)
    verdict = json.loads(json.dumps(trained.verdict().to_dict()))
    table = pd.read_csv(io.StringIO(trained.table().to_csv()))
    rows = table.set_index(["train_size", "arm"])
    assert len(rows) == 2 * 3
    for condition in verdict["conditions"]:
        for arm in condition["arms"]:
            row = rows.loc[(condition["train_size"], arm["arm"])]
            assert row["n"] == len(arm["seeds"]) == 6
            assert row["test_accuracy_percent"] == pytest.approx(100 * arm["mean"]["value"], rel=1e-9)
            assert row["sd_points"] == pytest.approx(100 * arm["mean"]["sd"], rel=1e-9)
        for comparison in condition["comparisons"]:
            row = rows.loc[(condition["train_size"], comparison["arm"])]
            expected = {
                "pairs": comparison["n"],
                "difference_points": comparison["difference"]["value"],
                "low_points": comparison["deciding"]["low"],
                "high_points": comparison["deciding"]["high"],
                "p": comparison["p_value"],
                "p_adjusted": comparison["p_adjusted"],
                "effect_size": comparison["effect_size"]["value"],
                "effect_size_low": comparison["effect_size"]["low"],
                "effect_size_high": comparison["effect_size"]["high"],
            }
            assert row[list(expected)].to_dict() == pytest.approx(expected, rel=1e-9)
            assert (row["interval"], row["decision"]) == (
                comparison["deciding_label"],
                comparison["decision"],
            )


def test_the_table_reads_as_the_numbers_rounded(tmp_path):
    table = made_up(tmp_path, (*ARMS, Arm("dropout 0.5", 0.5)))
    frame, cells = table.frame, table.cells
    widths = (frame["high_points"] - frame["low_points"]) / 2
    assert cells["arm"].to_list() == frame["arm"].to_list()
    for number, text in zip(frame["difference_points"][1:], cells["difference"][1:], strict=True):
        assert float(text) == pytest.approx(number, abs=widths.min() / 5)
    for ends, text in zip(
        frame[["low_points", "high_points"]].to_numpy()[1:], cells["95% interval"][1:], strict=True
    ):
        low, high = map(float, text.split(" to "))
        assert (low, high) == pytest.approx(ends, abs=widths.min() / 5)
        assert [np.sign(low), np.sign(high)] == np.sign(ends).tolist()
    assert "for both arms together (simultaneous max-t)" in " ".join(table.notes)
    assert "percentage points" in table.caption


def test_the_notebooks_one_seed_has_no_column_without_information(tmp_path):
    table = result_table(source_of(tmp_path, notebook_history(), notebook_finals(), ARMS))
    assert list(table.cells) == ["arm", "accuracy, %", "n", "difference", "decision"]
    assert table.cells.to_numpy().tolist() == [
        ["no dropout", "98.49", "1", "", "baseline"],
        ["dropout 0.8", "97.37", "1", "-1.12", "too few seeds"],
    ]
    assert Report.NO_TEST in table.methods


def test_markdown_and_html_show_the_cells_whatever_arms_are_called(tmp_path):
    table = made_up(tmp_path, (Arm("no dropout"), Arm(EVIL, 0.8)))
    lines = table.to_markdown().splitlines()
    assert max(len(line) for line in lines if not line.startswith("|")) <= 80
    page = MarkdownIt("commonmark").enable("table").render(table.to_markdown())
    for html in (page, table._repr_html_()):
        shown = [unescape(cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", html)]
        assert shown == table.cells.to_numpy().ravel().tolist()


@given(st.text(st.characters(categories=["L", "N", "P", "S"]), max_size=20))
def test_no_character_of_a_name_means_something_in_latex(name):
    text = latex(name)
    for plain, escaped in _LATEX.items():
        assert name.count(chr(plain)) <= text.count(escaped)
        text = text.replace(escaped, "")
    assert not set(text) & set(r"&%$#_{}~^\<>|" + '"')


@pytest.mark.slow
@pytest.mark.parametrize("names", [("no dropout", "dropout 0.8"), ("plain", EVIL, "größer, 0.5 ± 0.1")])
def test_the_latex_compiles_and_is_no_wider_than_the_text(tmp_path, names):
    program = shutil.which("pdflatex") or shutil.which("tectonic")
    if program is None:
        pytest.skip("neither pdflatex nor tectonic is installed")
    table = made_up(tmp_path, tuple(Arm(name, i / 10) for i, name in enumerate(names)))
    code = table.to_latex()
    methods = table.text("latex", methods=True)
    head = r"\documentclass{article}\usepackage[utf8]{inputenc}" + code.splitlines()[0].removeprefix("% ")
    (tmp_path / "t.tex").write_text(
        f"{head}\\begin{{document}}{code}{methods}\\end{{document}}", encoding="utf-8"
    )
    options = (
        ["-halt-on-error", "-interaction=nonstopmode"] if program.endswith("pdflatex") else ["--keep-logs"]
    )
    done = subprocess.run(  # noqa: S603 - a program that was found
        [program, *options, "t.tex"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "t.pdf").stat().st_size > 1000
    assert "Overfull" not in (tmp_path / "t.log").read_text(encoding="latin-1")


def sentences(trained):
    return " ".join(trained.table().methods)


def test_methods_of_one_arm_and_of_several(study, tmp_path):
    several = sentences(study().run(verbose=False))
    for part in (Report.PAIRED.format(6), Report.ALL_FLIPS.format(64), Report.TOGETHER.format(2)):
        assert part in several
    for part in (
        Report.STEP_DOWN.format(2),
        Report.TOST,
        "Holm 1979",
        Report.CHOSEN,
        "300 training examples",
    ):
        assert part in several
    shutil.rmtree(tmp_path / "s")
    one = sentences(study(rates=[0, 0.5], validation_split="test").run(verbose=False))
    assert Report.T_INTERVAL in one
    assert Report.WATCHED in one
    for part in (Report.TOGETHER.format(1), "step-down", "Holm", Report.CHOSEN, Report.ALWAYS_VALID, "fresh"):
        assert part not in one


def test_methods_of_sampled_flips(study):
    text = sentences(study(seeds=21, epochs=1).run(verbose=False))
    assert Report.SAMPLED_FLIPS in text
    assert "exact" not in text


def test_methods_of_a_sequential_design(study, tmp_path):
    trained = study(effect=0.004, rates=[0, 0.5])
    trained.run_until_decided(max_seeds=40, verbose=False)
    text = sentences(trained)
    assert Report.ALWAYS_VALID in text
    assert Report.UNTIL.format(40) in text
    assert Report.TOST not in text  # the rule needs none there
    assert "always-valid" in " ".join(trained.table().notes)
    shutil.rmtree(tmp_path / "s")
    study(rates=[0, 0.5]).run(verbose=False)
    assert Report.ADDED.format("6 and 8") in sentences(study(rates=[0, 0.5], seeds=8).run(verbose=False))


def test_a_confirmation_has_rows_of_its_own_and_a_sentence(study):
    trained = study().run(verbose=False)
    verdict = trained.confirm(verbose=False)
    table = trained.table()
    fresh = table.frame[table.frame["fresh_seeds"]]
    (comparison,) = verdict.confirmations[0].conditions[0].comparisons
    assert fresh["arm"].to_list() == ["no dropout", "dropout 0.5"]
    assert fresh["difference_points"].to_list()[1] == comparison.difference.value
    assert table.cells["arm"].to_list()[-2:] == ["no dropout (fresh)", "dropout 0.5 (fresh)"]
    assert Report.FRESH.format("dropout 0.5", 6) in " ".join(table.methods)


def test_arms_with_settings_of_their_own_are_described_by_them(tmp_path):
    table = made_up(tmp_path, (Arm("plain"), Arm("limited", 0.5, max_norm=3.0)))
    assert "'limited' (dropout 0.5, max norm 3.0) was compared with no dropout." in table.methods


def test_seeds_that_all_agree_have_neither_interval_nor_digits_of_rounding(tmp_path):
    history = many_seeds(ARMS, 6)
    accuracy = {"no dropout": 0.98, "dropout 0.8": 0.97}
    finals = finals_of(history, ARMS)
    table = result_table(
        source_of(tmp_path, history, finals.assign(test_accuracy=finals["arm"].map(accuracy)), ARMS)
    )
    assert table.cells.to_numpy().tolist() == [
        ["no dropout", "98.00 (0.00)", "6", "", "baseline"],
        ["dropout 0.8", "97.00 (0.00)", "6", "-1.00", "undecided"],
    ]
    assert Report.ALL_EQUAL in table.methods


def test_an_arm_alone_is_compared_with_nothing(tmp_path):
    table = made_up(tmp_path, ARMS[:1])
    assert list(table.cells) == ["arm", "accuracy, %", "n", "decision"]
    assert not [
        sentence for sentence in table.methods if "test was made" in sentence or "compared" in sentence
    ]


def test_runs_without_a_result_are_named(tmp_path):
    history = many_seeds(ARMS, 6)
    finals = finals_of(history, ARMS)
    finals.loc[finals.index[-1], "test_loss"] = np.nan
    table = result_table(source_of(tmp_path, history, finals, ARMS))
    assert "The loss diverged in 1 run of 'dropout 0.8'." in " ".join(table.methods)
    assert "1 of 12 runs" in " ".join(table.notes)
    assert table.cells["decision"].to_list() == ["baseline", "diverged"]


def test_a_format_that_there_is_not_is_refused(tmp_path):
    with pytest.raises(InvalidArgument, match="latex, markdown, csv"):
        made_up(tmp_path).text("docx")
    assert {made_up(tmp_path).text(name)[:1] for name in FORMATS} == {"%", "T", "a"}
    assert re.match(r"% \\usepackage", made_up(tmp_path).to_latex())
