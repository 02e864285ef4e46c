"""`rm`: nothing is removed without --yes, and nothing but what is named."""

from pathlib import Path

import pytest

from dropstudy import Study

pytestmark = pytest.mark.usefixtures("no_report")
TINY = ("--data", "digits", "--hidden", "8", "--epochs", "2")
STUDY = "studies/notebook-digits"


def test_a_study_and_its_weights_are_removed_only_with_yes(call):
    call("run", *TINY)
    assert call("rm", STUDY).is_error("--yes", f"Add --yes to remove the study {STUDY}")
    assert Study.open(STUDY).finished
    assert "Removed the weights of all finished runs" in call("rm", STUDY, "--weights", "--yes").out
    assert Study.open(STUDY).finished
    Path(STUDY, "mine.txt").write_text("mine")
    removed = call("rm", STUDY, "--yes").out
    assert f"Removed the study {STUDY}" in removed
    assert f"{STUDY} stays, because it holds other files: mine.txt." in removed
    assert call("rm", STUDY, "--yes").is_error("expected the folder of a study")
    assert Path(STUDY, "mine.txt").read_text() == "mine"


def test_a_seed_and_an_arm_are_removed_only_with_yes(call):
    call("run", *TINY, "--seeds", "3", "--rates", "0,0.25,0.5")
    words = ("rm", STUDY, "--seeds", "1", "--arms", "dropout 0.5")
    assert call(*words).is_error(
        f"Add --yes to remove arms 'dropout 0.5'; seeds 1 from the study {STUDY}, 5 runs"
    )
    assert Study.open(STUDY).spec.seeds == (0, 1, 2)
    assert "Removed arms 'dropout 0.5'; seeds 1 from the study" in call(*words, "--yes").out
    left = Study.open(STUDY).results().test_scores()
    assert set(zip(left["arm"], left["seed"], strict=True)) == {
        (arm, seed) for arm in ("no dropout", "dropout 0.25") for seed in (0, 2)
    }
    assert call(*words, "--weights").is_error("either --weights or a part")
    assert call("rm", STUDY, "--arms", "no dropout", "--yes").is_error("baseline")
    assert "nothing to train" in call("run", STUDY).out
