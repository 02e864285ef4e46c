"""`dropstudy verdict`: the answer on a table of scores, as text and as JSON; MLflow's and W&B's tables as exported."""

import json
import shlex

import pandas as pd
import pytest

import dropstudy
from dropstudy.report.sections.blocks import Code
from dropstudy.report.sections.given_scores import sections_on_scores

MLFLOW = pd.DataFrame(
    {
        "run_id": [f"{number:032x}" for number in range(12)],
        "status": "FINISHED",
        "metrics.test_accuracy": [0.95 + 0.001 * (number % 6) + 0.004 * (number < 6) for number in range(12)],
        "params.rate": ["0.5"] * 6 + ["0.0"] * 6,
        "params.seed": [str(number % 6) for number in range(12)],
    }
)
WANDB = pd.DataFrame(
    {
        "Name": [f"sunny-sky-{number}" for number in range(12)],
        "rate": MLFLOW["params.rate"],
        "seed": MLFLOW["params.seed"],
        "test/accuracy": MLFLOW["metrics.test_accuracy"] + [0.0003 * (number % 4) for number in range(12)],
    }
)


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        (MLFLOW, ("params.rate", "params.seed", "metrics.test_accuracy")),
        (WANDB, ("rate", "seed", "test/accuracy")),
    ],
    ids=["mlflow", "wandb"],
)
def test_exported_tables_of_runs_are_read_by_naming_their_columns(table, columns, call, tmp_path):
    path = tmp_path / "runs.csv"
    table.to_csv(path, index=False)
    arm, seed, score = columns
    flags = ("--arm-column", arm, "--seed-column", seed, "--score-column", score)
    shown = call("verdict", path, *flags)
    assert shown.code == 0
    assert "Does dropout help?" in shown.out
    assert "Columns that were not used:" in shown.out
    assert "The baseline is 'no dropout'" in shown.out
    found = json.loads(call("verdict", path, *flags, "--json").out)
    assert found["conditions"][0]["comparisons"][0]["n"] == 6
    assert found["answer"]["helps"] in " ".join(shown.out.split())
    everything = call("verdict", path, *flags, "--all").out
    assert found["headline"] in " ".join(everything.split())
    assert "The gap" not in everything
    for file_format, part in (
        ("latex", "\\toprule"),
        ("markdown", "| dropout 0.5 |"),
        ("csv", "dropout 0.5,0.5,"),
    ):
        assert part in call("verdict", path, *flags, "--format", file_format).out
    assert call("verdict", path, *flags, "--format", "docx").is_error("format", "latex, markdown, csv")


def test_runs_of_mlflow_that_hold_other_runs_are_left_out_and_lines_stay_right(call, tmp_path):
    path, columns = tmp_path / "runs.csv", ("params.rate", "params.seed", "metrics.test_accuracy")
    flags = [part for what, name in zip(("arm", "seed", "score"), columns, strict=True)
             for part in (f"--{what}-column", name)]  # fmt: skip
    parents = pd.DataFrame({"run_id": ["a", "b"], "status": "FINISHED", "params.rate": [None, "0.5"]})
    MLFLOW.to_csv(path, index=False)
    without = json.loads(call("verdict", path, *flags, "--json").out)
    pd.concat([parents, MLFLOW]).to_csv(path, index=False)
    found = json.loads(call("verdict", path, *flags, "--json").out)
    assert found["conditions"] == without["conditions"]
    assert "2 rows with neither a seed nor a score, the first in line 2" in call("verdict", path, *flags).out
    pd.concat([parents, MLFLOW.assign(**{columns[2]: "good"})]).to_csv(path, index=False)
    assert call("verdict", path, *flags).is_error("line 4", "'good'")
    pd.concat([parents, MLFLOW, MLFLOW[3:4]]).to_csv(path, index=False)
    assert call("verdict", path, *flags).is_error("line 16", "the first is in line 7")


def test_a_table_that_cannot_be_used_is_an_error_of_one_line(call, tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text("arm,seed,score\na,0,.9\na,0,.8\n", encoding="utf-8")
    assert call("verdict", path).is_error("scores.csv, line 3", "'a', seed 0")
    assert call("verdict", tmp_path / "none.csv").is_error("none.csv")


def test_a_page_is_written_beside_the_table_or_where_out_names_it(call, tmp_path):
    path, page, other = (tmp_path / name for name in ("runs.csv", "runs.verdict.html", "other.html"))
    WANDB.to_csv(path, index=False)
    flags = ("--arm-column", "rate", "--seed-column", "seed", "--score-column", "test/accuracy")
    call("verdict", path, *flags, "--json")
    assert not page.exists()
    assert f"The report: {page}" in "".join(call("verdict", path, *flags).out.split("\n"))
    assert "sunny-sky" not in page.read_text(encoding="utf-8")
    call("verdict", path, *flags, "--json", "--out", other)
    assert "<title>Test accuracy in runs.csv: rates 0 and 0.5</title>" in other.read_text(encoding="utf-8")


def test_a_page_that_cannot_be_written_takes_no_verdict_away(call, tmp_path):
    path, page = tmp_path / "runs.csv", tmp_path / "runs.verdict.html"
    WANDB.to_csv(path, index=False)
    page.write_text("mine", encoding="utf-8")
    flags = ("--arm-column", "rate", "--seed-column", "seed", "--score-column", "test/accuracy")
    shown = call("verdict", path, *flags)
    assert shown.code == 0
    assert "Does dropout help?" in shown.out
    assert "No report was written." in shown.out
    assert call("verdict", path, *flags, "--out", page).is_error("--out", "runs.verdict.html")
    assert page.read_text(encoding="utf-8") == "mine"


def test_the_command_on_the_page_makes_it_again(call, tmp_path):
    path = tmp_path / "my runs.csv"
    WANDB.to_csv(path, index=False)
    found = dropstudy.verdict(path, arm_column="Name", score_column="test/accuracy", baseline="sunny-sky-3")
    code = [
        block for part in sections_on_scores(found.scores) for block in part.blocks if isinstance(block, Code)
    ]
    words = shlex.split(code[-1].text)
    assert words[:3] == ["dropstudy", "verdict", str(path)]
    shown = call(*words[1:])
    assert shown.code == 0
    assert "'sunny-sky-3'" in shown.out
    assert found.answer().helps in " ".join(shown.out.split())
