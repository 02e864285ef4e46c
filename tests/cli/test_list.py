"""`dropstudy list`: all studies below a folder."""

import re

import pytest

from command_line import TINY, run_script


@pytest.mark.usefixtures("made_up_training")
def test_list_has_a_row_for_each_study_and_says_what_it_leaves_out(call, tmp_path):
    assert call("list").is_error("studies", "no such folder", "dropstudy run")
    (tmp_path / "studies").mkdir()
    assert call("list", "studies").is_error("none in it")
    assert call("run", *TINY, "--quiet", "--out", "studies/one").code == 0
    shown = call("list")
    assert shown.code == 0
    assert re.search(r"^ one +finished +2/2 +too few seeds +\d\d:\d\d +digits +16$", shown.out, re.MULTILINE)
    assert "time left" not in shown.out  # nothing is left
    assert "dropstudy report" not in shown.out
    assert "dropstudy view studies" in shown.out
    for path in ("report.stamp", "report.html"):
        (tmp_path / "studies" / "one" / path).unlink()
    (tmp_path / "studies" / "broken").mkdir()
    (tmp_path / "studies" / "broken" / "study.db").write_text("no database" * 99)
    shown = call("list", "studies").out
    assert "dropstudy report studies/one" in shown
    assert re.search(r"^ broken +unreadable +- ", shown, re.MULTILINE)
    assert "studies/broken cannot be read: studies/broken/study.db: expected" in shown


@pytest.mark.slow
def test_list_imports_nothing_that_trains_or_draws(trained):
    script = (
        "import sys\n"
        "from dropstudy import cli\n"
        f"sys.argv = ['dropstudy', 'list', {str(trained[0].parent)!r}]\n"
        "slow = 'jax', 'keras', 'sklearn', 'scipy', 'altair', 'starlette'\n"
        "try:\n    cli.main()\n"
        "finally:\n    print([name for name in slow if name in sys.modules])\n"
    )
    shown = run_script(script)
    assert "finished" in shown
    assert shown.endswith("[]\n")
