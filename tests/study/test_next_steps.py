"""Next steps where the studies that they would make exist already."""

from dataclasses import replace

import pytest

import random_results
from dropstudy import Study
from dropstudy.analysis.next_steps import next_steps
from verdicts import around, flat, rates, verdict_of


@pytest.mark.parametrize("data", ["digits", "mnist"])
def test_a_study_that_is_finished_is_shown_and_not_offered_again(tmp_path, monkeypatch, data):
    random_results.replace_workers(monkeypatch)
    settings = {"data": "digits", "hidden": [4], "epochs": 2, "validation_split": 300, "rates": [0, 0.5]}
    study = Study("notebook", out=tmp_path / "s", **settings)
    accuracies = {"no dropout": flat(), "dropout 0.5": around(0.05, spread=0.3)}
    verdict = verdict_of(rates(0, 0.5), accuracies, falling={"dropout 0.5"})

    def first():
        return next_steps(verdict, replace(study.spec, data=data), tmp_path / "s")[0].command

    longer = tmp_path / "s-20-epochs"
    offered = first()
    assert offered.endswith(f"--out {longer}")
    Study("notebook", out=longer, **settings)
    assert first() == offered  # nothing is trained yet
    Study("notebook", out=longer, **settings).run()
    assert first() == (f"dropstudy show {longer}" if data == "digits" else offered)
