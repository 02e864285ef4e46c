"""`--redraw`: runs with one source drawn anew, beside a study's own; they show its spread and decide nothing."""

from dataclasses import replace

import numpy as np
import pytest

import dropstudy
from command_line import run_process
from dropstudy import Callback, Study
from dropstudy.analysis.redrawn import checked_sources
from dropstudy.core.model import ModelReference
from dropstudy.errors import InvalidArgument
from dropstudy.report.sections.noise import redrawn_table
from dropstudy.runtime.removal import remove_study
from dropstudy.spec.study_file import parse_spec
from dropstudy.store.store import Store
from fake_training import InlineExecutor
from keras_models import cnn, examples

QUIET = {"verbose": False}


def small(where, **more):
    settings = {"rates": [0, 0.5], "validation_split": 300, "hidden": [4], "seeds": 3, "epochs": 1, **more}
    return Study("notebook", out=where, data="digits", **settings)


@pytest.fixture(scope="module")
def redrawn(tmp_path_factory):
    study = small(tmp_path_factory.mktemp("redrawn") / "study").run(**QUIET)
    before = study.verdict().to_dict()
    study.redraw(**QUIET)
    return study, before


def scores(folder):
    with Store(folder) as store:
        return {(row["arm"], row["seed"]): row["test_accuracy"] for row in store.finals()}


def test_no_decision_and_no_number_of_the_verdict_changes(redrawn):
    study, before = redrawn
    after = study.verdict().to_dict()
    assert after.pop("sentences")[: len(before["sentences"])] == before.pop("sentences")
    for condition in (*after["conditions"], *before["conditions"]):
        del condition["sources"]
    assert after == before


def test_each_source_has_the_numbers_of_its_own_runs(redrawn):
    study, _ = redrawn
    own = scores(study.folder)
    (condition,) = study.verdict().conditions
    of_arm = {row.arm: row for row in condition.sources if not row.baseline}
    for source in ("weights", "order", "masks", "split"):
        anew = scores(study.folder / "redrawn" / source)
        assert set(anew) == {place for place in own if source != "masks" or place[0] != "no dropout"}
        for arm, row in of_arm.items():
            if (arm, 0) in anew:
                squares = [100**2 * (anew[arm, seed] - own[arm, seed]) ** 2 / 2 for seed in range(3)]
                assert row.alone[source].value == pytest.approx(np.sqrt(np.mean(squares)))
    snapshot = study.results().snapshot
    cells = redrawn_table(snapshot, snapshot.conditions[0]).frame.set_index("standard deviation of")
    assert cells.loc["no dropout", "dropout masks"] == "none"
    value = of_arm["dropout 0.5"].alone["order"].value
    assert cells.loc["dropout 0.5", "order of examples"].startswith(f"{value:.2f} (")


def test_runs_with_a_source_anew_are_other_runs_and_continue_after_an_interrupt(redrawn, tmp_path):
    class Stop(Callback):
        def on_run_end(self, *_, **__):
            raise KeyboardInterrupt

    study = small(tmp_path / "study").run(**QUIET)
    with pytest.raises(KeyboardInterrupt):
        study.redraw("order", callbacks=Stop(), **QUIET)
    study.redraw("order", **QUIET)
    straight, here = (folder / "redrawn" / "order" for folder in (redrawn[0].folder, study.folder))
    assert scores(here) == scores(straight)
    with Store(here) as inner, Store(study.folder) as outer:
        assert not {run.key for run in inner.runs()} & {run.key for run in outer.runs()}


def test_seeds_that_are_added_are_drawn_anew_too_and_the_others_not_again(tmp_path):
    small(tmp_path / "study", seeds=2).run(**QUIET).redraw("masks", **QUIET)
    inner = tmp_path / "study" / "redrawn" / "masks"
    before = {path: path.stat().st_mtime_ns for path in (inner / "predictions").iterdir()}
    grown = small(tmp_path / "study").run(**QUIET)
    assert {row.together.n for row in grown.verdict().conditions[0].sources} == {2}  # of the same seeds
    grown.redraw("masks", **QUIET)
    assert {row.together.n for row in grown.verdict().conditions[0].sources} == {3}
    assert set(scores(inner)) == {("dropout 0.5", seed) for seed in range(3)}
    assert all(path.stat().st_mtime_ns == then for path, then in before.items())
    remove_study(tmp_path / "study")
    assert not (tmp_path / "study").exists()


@pytest.mark.slow
def test_the_command_tells_them(redrawn):
    told = run_process("run", redrawn[0].folder, "--redraw", "weights,masks", "--quiet")
    assert "With one thing drawn anew, all else the same: initial weights" in " ".join(told.out.split())


def test_the_command_refuses_before_it_trains(tmp_path):
    out = tmp_path / "study"
    refused = run_process("run", "--data", "digits", "--seeds", "1", "--redraw", "all", "--out", out)
    assert "--redraw: expected a study of 2 seeds or more" in refused.err
    assert not out.exists()


TABLE = {"name": "s", "rates": [0, 0.5], "hidden": [4], "epochs": 1, "seeds": 8, "validation_split": 0.2}


@pytest.mark.parametrize(
    ("changes", "source", "received"),
    [
        ({}, "seeds", "seeds"),
        ({"validation_split": "test"}, "split", "split"),
        ({"fixed_validation": True}, "split", "split"),
        ({"rates": [0]}, "masks", "masks, without dropout"),
        ({"redraw": "order"}, "weights", "order of examples anew"),
    ],
)
def test_what_no_run_draws_is_refused(changes, source, received):
    spec = parse_spec({**TABLE, **changes})
    with pytest.raises(InvalidArgument, match="redraw") as refusal:
        checked_sources(spec, [source])
    assert received in refusal.value.received


def test_all_is_what_the_runs_draw():
    assert checked_sources(parse_spec(TABLE), ["all"]) == ["weights", "order", "masks", "split"]
    watched = parse_spec({**TABLE, "validation_split": "test", "rates": [0]})
    assert checked_sources(watched, ["all"]) == ["weights", "order"]
    subsets = parse_spec({**TABLE, "validation_split": "test", "train_sizes": [100]})
    assert "split" in checked_sources(subsets, ["all"])
    assert "weights" not in checked_sources(parse_spec(TABLE), ["all"], pretrained=True)


def test_a_training_function_draws_for_itself():
    function = ModelReference("fn", "0" * 64, 0, 0.0, "", (), function="module:fn")
    for asked in ("weights", "all"):
        with pytest.raises(InvalidArgument) as refusal:
            checked_sources(replace(parse_spec(TABLE), model=function), [asked])
        assert "gets one seed for all that it draws" in refusal.value.received


@pytest.mark.slow
def test_a_keras_model_has_its_sources_too(tmp_path):
    study = dropstudy.compare(
        cnn, *examples(), *examples(40, 1), rates=[0, 0.4], out=tmp_path / "study", epochs=1, seeds=2,
        batch_size=16, scale=1.0, executor=InlineExecutor(), verbose=False,
    )  # fmt: skip
    study.redraw("masks", executor=InlineExecutor(), **QUIET)
    (condition,) = study.verdict().conditions
    rows = {(row.arm, row.baseline): row.alone for row in condition.sources}
    assert rows["dropout 0.4", ""]["masks"].value > 0
    assert rows["no dropout", ""]["masks"].value == 0  # trained all the same: other layers may be random
