"""In a notebook a study that trains has one output, kept up to date; results are sentences and tables there."""

import sys
from html import escape
from types import SimpleNamespace

import pytest

import random_results
from dropstudy import Study
from dropstudy.runtime.progress.display import DefaultDisplay
from dropstudy.runtime.progress.inline import InlineTable, in_notebook
from dropstudy.runtime.progress.lines import EpochLines
from fake_training import InlineExecutor
from sources import SMALL_STUDY as SETTINGS


class Notebook:
    """As IPython's kernel: `display` makes an output, its handle replaces what is in it."""

    def __init__(self):
        self.outputs, self.updates = [], 0

    def display(self, shown, *, display_id):
        assert display_id is True
        self.outputs.append(shown)
        place = len(self.outputs) - 1

        def update(shown):
            self.updates += 1
            self.outputs[place] = shown

        return SimpleNamespace(update=update)


@pytest.fixture
def notebook(monkeypatch):
    made = Notebook()
    shell = SimpleNamespace(kernel=object())
    ipython_display = SimpleNamespace(display=made.display)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setitem(sys.modules, "IPython.display", ipython_display)
    return made


@pytest.fixture
def make(monkeypatch, tmp_path):
    random_results.replace_workers(monkeypatch)
    monkeypatch.setattr("dropstudy.runtime.scheduler.COMMIT_INTERVAL", 0.0)
    return lambda **settings: Study("notebook", out=tmp_path / "study", **{**SETTINGS, **settings})


@pytest.mark.parametrize("seeds", [1, 8])
def test_a_study_that_trains_updates_one_output(notebook, make, capsys, monkeypatch, seeds):
    monkeypatch.setattr("dropstudy.runtime.progress.inline._UPDATE_INTERVAL", 0.0)
    make(seeds=seeds).run(executor=InlineExecutor())
    (shown,) = notebook.outputs
    assert notebook.updates > 4 * seeds
    assert capsys.readouterr().out == ""
    assert repr(shown).splitlines()[-1].startswith(f"{2 * seeds} of {2 * seeds} runs done; this took ")
    assert "2 runs of" in repr(shown) or seeds > 1
    assert shown._repr_html_().startswith("<pre")
    assert "&#x27;" in shown._repr_html_() or "'" not in repr(shown)


def test_the_output_has_notices_and_the_table_during_training(notebook, make):
    seen = []

    class Looking(InlineExecutor):
        def submit(self, *what):
            seen.append(repr(notebook.outputs[-1]))
            return super().submit(*what)

    make(seeds=4).run(executor=Looking())
    assert "; study in " in seen[-1]
    assert "queued" in seen[-1]
    assert "0 of 8 runs" in seen[0]


@pytest.mark.usefixtures("notebook")
def test_only_a_notebook_kernel_counts_as_a_notebook(monkeypatch):
    assert in_notebook()
    assert isinstance(DefaultDisplay().callbacks[0], InlineTable)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: None))
    assert isinstance(DefaultDisplay().callbacks[0], EpochLines)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=SimpleNamespace))
    assert not in_notebook()  # IPython in a terminal
    monkeypatch.delitem(sys.modules, "IPython")
    assert not in_notebook()


def test_a_study_shows_its_answer_and_a_verdict_its_headline_each_with_a_table(make):
    study = make(seeds=6, arms=[{"rate": 0}, {"rate": 0.5, "name": "<b>bold</b>"}], rates=None)
    assert study._repr_html_().startswith("<p>Study(")
    assert "<table" not in study._repr_html_()
    study.run(executor=InlineExecutor())
    verdict = study.verdict()
    shown = verdict._repr_html_()
    assert f"<p><b>{escape(verdict.headline)}</b></p>" in shown
    assert shown.count("<table") == 1
    assert "<b>bold" not in shown
    assert repr(verdict) == f"Verdict({verdict.decision!r}: {verdict.headline})"
    shown = study._repr_html_()
    for question, sentence in study.answer().lines:
        assert f"<b>{question}</b>" in shown
        assert sentence.split("'")[0].replace("<", "&lt;") in shown
    assert shown.count("<table") == 1
    assert "<b>bold" not in shown
    assert str(study.answer()).startswith("Does dropout help? ")
