"""`compare(fn)`: a study of any training function, from the call to its page, and whatever goes wrong in it."""

# ruff: noqa: ARG001, ARG005 - the parameters of training functions

import functools
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ttest_rel

import dropstudy
import training_functions as given
from dropstudy.errors import InvalidArgument, ModelError, RunsFailed
from dropstudy.report.overview import overview
from dropstudy.runtime import watchdog
from dropstudy.spec.data_names import OWN_DATA
from dropstudy.store.store import Store
from dropstudy.study.study import Study


def trained(function, out, *, seeds=1, rates=(0, 0.5), **options):
    """A study of a function, without its page."""
    fields = {"rates": list(rates), "seeds": seeds, **options}
    return Study(function=function, out=out, **fields).run(workers=2, verbose=False)


def failures(wrong, out):
    return trained(given.only_without_dropout(wrong), out).results().failures()


# What a function returns


def test_the_verdict_on_scores_alone_is_that_of_a_paired_t_test(tmp_path):
    study = trained(given.score, tmp_path / "s", seeds=8)
    (comparison,) = study.verdict().conditions[0].comparisons
    pairs = [[given.score(rate, seed)["test_accuracy"] for seed in range(8)] for rate in (0.5, 0)]
    low, high = (100 * end for end in ttest_rel(*pairs).confidence_interval(0.95))
    assert (comparison.difference.low, comparison.difference.high) == pytest.approx((low, high))
    assert comparison.decision == "helps"
    assert comparison.new_data is None
    page = study.report()[0].read_text(encoding="utf-8")
    assert "It returned scores without test predictions." in page
    assert "training_functions:score" in page


def test_what_only_the_function_knows_is_neither_shown_nor_stored(tmp_path):
    study = trained(given.score, tmp_path / "s", seeds=6)
    results, file = study.results(), (tmp_path / "s" / "study.toml").read_text(encoding="utf-8")
    for name in ("validation_split", "train_sizes", "epochs", "batch_size", "keep_weights", "scale"):
        assert f"\n{name} =" not in file
    for table in (study.summary(), results.test_scores(), results.history_frame(), results.table().frame):
        assert "train_size" not in table
    said = " ".join([str(study.answer()), *results.table().methods, results.table().caption, repr(study)])
    for word in ("epoch", "training examples", "validation data are", OWN_DATA, "precision", "jax"):
        assert word not in said
    assert set(study.summary()["last_epoch"]) == {0}
    assert OWN_DATA not in overview(study.folder).cells.values()
    page = study.report()[0].read_text(encoding="utf-8")
    assert "It told nothing of its epochs, so learning curves are left out." in page
    assert "Accuracy while training" not in page
    again = Study.open(tmp_path / "s").run(verbose=False)  # the file is read with its placeholders
    assert again.finished
    assert again.spec == study.spec


def test_epochs_become_the_history_and_predicted_classes_are_counted(tmp_path):
    study = trained(given.classes, tmp_path / "s", seeds=2)
    history = study.history("dropout 0.5", seed=1)
    assert history.history["val_accuracy"] == pytest.approx([0.65, 0.75])
    scores = study.results().test_scores()
    for row in scores.itertuples():
        truth, predicted = given.answers(row.rate, row.seed)
        assert row.test_accuracy == pytest.approx((truth == predicted).mean())
    counts = study.results().mcnemar()
    assert (
        counts[["both_right", "arm_only", "baseline_only", "both_wrong"]].sum(axis=1) == given.EXAMPLES
    ).all()
    assert study.verdict().conditions[0].comparisons[0].test_examples == given.EXAMPLES


def test_probabilities_give_all_scores_and_a_history_as_of_keras_its_epochs(tmp_path):
    study = trained(given.probabilities, tmp_path / "s")
    row = study.results().test_scores().iloc[0]
    truth, predicted = given.answers(0, 0)
    right = (truth == predicted).mean()
    assert row["test_loss"] == pytest.approx(-right * np.log(0.7) - (1 - right) * np.log(0.1))
    assert row["brier"] == pytest.approx(right * (0.09 + 3 * 0.01) + (1 - right) * (0.49 + 0.81 + 2 * 0.01))
    assert study.history().history["loss"] == [1.0, 0.5]
    page = study.report()[0].read_text(encoding="utf-8")
    assert "Are predicted probabilities right?" in page
    assert "Which class is taken for which" in page


def test_a_function_gets_the_data_of_its_run(tmp_path):
    study = trained(given.nearest, tmp_path / "s", data="digits")
    assert study.results().test_scores().set_index("arm").loc["no dropout", "test_accuracy"] > 0.85
    assert study.results().test_scores()["test_balanced_accuracy"].notna().all()
    assert study.finished


@pytest.mark.parametrize(
    "function",
    [
        lambda rate, seed: {**given.score(rate, seed)},
        functools.partial(lambda width, rate, seed: given.score(rate, seed), 3),
        lambda p, s: {**given.score(p, s)},
    ],
    ids=["lambda", "partial", "other names"],
)
def test_functions_without_a_name_of_their_own(function, tmp_path):
    assert len(trained(function, tmp_path / "s").results().test_scores()) == 2


# What goes wrong: the run with dropout fails, the other is kept


@pytest.mark.parametrize(
    ("wrong", "cause"),
    [
        (given.raises, "failed: ZeroDivisionError: no such thing"),
        (given.exits, "failed: SystemExit: it called sys.exit(3)"),
        (given.dies, "failed: its worker died 3 times (exit code 7)"),
        (given.nan, "diverged: the loss was no longer finite in epoch 2"),
        (given.renames, "expected loss, val_accuracy in every epoch"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_run_that_goes_wrong_is_named_and_others_are_kept(wrong, cause, tmp_path):
    study = trained(given.only_without_dropout(wrong), tmp_path / "s")
    (failure,) = study.results().failures()
    assert failure.startswith("'dropout 0.5', seed 0 ")
    assert cause in failure
    assert len(study.results().test_scores()) == 1
    if "ZeroDivision" in cause:
        (traceback,) = (tmp_path / "s" / "tracebacks").iterdir()
        assert "in raises" in traceback.read_text(encoding="utf-8")


def test_a_function_that_hangs_is_killed_and_the_others_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(watchdog, "FUNCTION_TIMEOUT", 10.0)
    monkeypatch.setattr(watchdog, "MIN_TIMEOUT", 2.0)
    monkeypatch.setattr(watchdog, "TIMEOUT_FACTOR", 1.0)
    (failure,) = failures(given.hangs, tmp_path / "s")
    assert "its worker died 3 times (silent for" in failure


def test_what_a_function_and_its_children_print_goes_to_a_log(tmp_path, capfd, monkeypatch):
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)  # workers keep lines back, as on a user's machine
    assert failures(given.prints, tmp_path / "s") == []
    (log,) = (tmp_path / "s" / "logs").iterdir()
    assert log.read_text(encoding="utf-8").split("\n") == ["to the log", "from a child", "and errors", ""]
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_that_a_function_forks_does_not_go_on_as_a_worker(tmp_path):
    assert failures(given.forks, tmp_path / "s") == []


TRUTH = np.arange(10) % 2


@pytest.mark.parametrize(
    ("returned", "received"),
    [
        (lambda _: None, "received None"),
        (lambda _: [], "received nothing"),
        (lambda _: 0.9, "received 0.9"),
        (lambda _: {"test_accuracy": 90}, "received 90. Divide per cent by 100"),
        (lambda _: {"predictions": TRUTH[1:], "y_test": TRUTH}, "expected 10 predictions"),
        (lambda _: {"predictions": TRUTH}, "expected y_test beside the predictions"),
        (lambda _: {"probabilities": np.ones((10, 2)), "y_test": TRUTH}, "Put softmax behind logits"),
        (lambda _: {"predictions": TRUTH, "y_test": TRUTH, "test_accuracy": 0.5}, "received 0.5000"),
        (lambda _: {"probabilities": np.full(10, np.nan), "y_test": TRUTH}, "received 10 that are not"),
        (lambda _: {"score": 1}, "received score"),
        (lambda _: {"loss": 1.0}, "expected predictions or test_accuracy at the end"),
        (lambda _: [{"test_accuracy": 0.9}, {"loss": 1.0}], "expected nothing behind the test results"),
    ],
    ids=range(12),
)
def test_what_cannot_be_used_is_refused_with_its_cause(returned, received, tmp_path):
    with pytest.raises(RunsFailed) as error:
        trained(lambda rate, seed: returned(rate), tmp_path / "s", rates=[0])
    assert received in str(error.value)


@pytest.mark.parametrize(
    ("returned", "cause"),
    [
        (
            lambda rate: {"predictions": TRUTH[int(2 * rate) :], "y_test": TRUTH[int(2 * rate) :]},
            "test examples",
        ),
        (
            lambda rate: {"predictions": TRUTH, "y_test": (TRUTH + int(2 * rate)) % 2},
            "the same test examples",
        ),
        (
            lambda rate: {"test_accuracy": 0.9, **({"brier": 0.1} if rate else {})},
            "the scores of the first run",
        ),
    ],
    ids=["lengths", "labels", "scores"],
)
def test_runs_that_cannot_be_compared_are_refused(returned, cause, tmp_path):
    study = Study(function=lambda rate, seed: returned(rate), out=tmp_path / "s", rates=[0, 0.5], seeds=1)
    study.run(workers=1, verbose=False)
    (failure,) = study.results().failures()
    assert cause in failure


# Before anything is trained


@pytest.mark.parametrize(
    ("function", "options", "words"),
    [
        (lambda seed: 1, {}, "received fn(seed)"),
        (lambda rate, seed, data, more: 1, {}, "received fn(rate, seed, data, more)"),
        (given.nearest, {}, "expected data for training_functions:nearest"),
        (given.score, {"epochs": 3}, "expected no epochs beside a training function"),
        (given.score, {"hidden": [64]}, "expected no hidden"),
        (given.score, {"data": "digits"}, "expected no data"),
        (
            given.score,
            {"arms": [{"rate": 0}, {"name": "front", "rate": [0.5, 0.2]}]},
            "rate of the arm 'front': expected one rate alone, with which the training function score is called",
        ),
        (
            given.score,
            {"arms": [{"rate": 0}, {"name": "late", "rate": 0.2, "schedule": "late"}]},
            "schedule of",
        ),
        (functools.partial(lambda lock, rate, seed: 1, sys.stdout.buffer), {}, "can be passed on"),
    ],
    ids=range(9),
)
def test_a_function_that_cannot_be_used_is_refused_before_training(function, options, words, tmp_path):
    with pytest.raises(InvalidArgument) as error:
        Study(function=function, out=tmp_path / "s", **options)
    assert words in str(error.value)
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("name", ["score", "no.such:fn", "training_functions:absent"])
def test_a_name_without_a_function_is_refused(name, tmp_path):
    with pytest.raises(ModelError, match=r"can be imported, as package\.module:function"):
        Study(function=name, out=tmp_path / "s")


def test_networks_of_a_function_cannot_be_asked_for(tmp_path):
    study = trained(given.score, tmp_path / "s")
    for ask in (study.model, study.results().export, lambda: study.results().predict("x.npy")):
        with pytest.raises(InvalidArgument, match="which keeps them to itself"):
            ask()
    with pytest.raises(InvalidArgument, match="whose steps can be measured"):
        study.dry_run()


# Kept and resumed


def test_a_study_grows_by_run_and_stores_no_pickle(tmp_path):
    trained(given.epochs, tmp_path / "s", seeds=1)
    first = sorted(path.stat().st_mtime_ns for path in (tmp_path / "s").rglob("*") if path.is_file())
    study = trained("training_functions:epochs", tmp_path / "s", seeds=2)
    assert len(study.results().test_scores()) == 4
    assert len(first) < 10
    for path in (tmp_path / "s").rglob("*"):
        assert path.is_dir() or b"cloudpickle" not in path.read_bytes()
    again = Study.open(tmp_path / "s").run(verbose=False)
    assert again.finished


def test_a_changed_function_does_not_mix_with_old_results(tmp_path):
    def study_of(bonus):
        return trained(lambda rate, seed: {"test_accuracy": bonus}, tmp_path / "s")

    study_of(0.5)
    with pytest.raises(InvalidArgument, match="The function has changed since"):
        study_of(0.6)


SCRIPT = """
import sys, time
import dropstudy

def fn(rate, seed):
    for epoch in range(4):
        time.sleep(0.5)
        yield {"loss": 1.0, "val_loss": 1.0, "val_accuracy": 0.5}
    yield {"test_accuracy": 0.5 + rate / 10 + seed / 1000}

if __name__ == "__main__":
    study = dropstudy.compare(fn, rates=[0, 0.5], seeds=2, out=sys.argv[1], workers=1)
    print(len(study.results().test_scores()))
"""


def test_a_killed_study_of_a_script_keeps_its_finished_runs(tmp_path):
    script, out = tmp_path / "script.py", tmp_path / "s"
    script.write_text(textwrap.dedent(SCRIPT), encoding="utf-8")
    first = subprocess.Popen([sys.executable, script, out])  # noqa: S603 - our own script
    until = time.monotonic() + 120
    while time.monotonic() < until:
        if (out / "study.db").exists() and done(out):
            break
        time.sleep(0.2)
    first.send_signal(signal.SIGKILL)
    first.wait()
    kept = done(out)
    assert 1 <= len(kept) < 4
    copy = tmp_path / "copy"
    shutil.copytree(out, copy)
    second = subprocess.run([sys.executable, script, out], check=True, capture_output=True, text=True)  # noqa: S603 - our own script
    assert second.stdout.strip().endswith("4")
    assert "Epoch 4 [" in second.stdout
    trained_again = second.stdout.count("Epoch 1 [")
    assert trained_again == 4 - len(kept)


def done(out):
    with Store(out) as store:
        return store.runs("done")


def test_epochs_are_told_while_a_run_is_trained(tmp_path):
    told = []

    class Told(dropstudy.Callback):
        def on_epoch_end(self, run, metrics):
            told.append((run.seed, metrics.epoch, time.monotonic()))

    def slow(rate, seed):
        for _ in range(3):
            time.sleep(1.5)
            yield {"val_accuracy": 0.5}
        yield {"test_accuracy": 0.5}

    Study(function=slow, out=tmp_path / "s", rates=[0], seeds=1).run(callbacks=Told(), verbose=False)
    assert [epoch for _, epoch, _ in told] == [1, 2, 3]
    assert told[-1][2] - told[0][2] > 1.5


def test_the_command_line_names_a_function_and_continues_its_study(tmp_path):
    (tmp_path / "mine.py").write_text(
        "def fn(rate, seed):\n    return {'test_accuracy': 0.5 + rate * (10 + seed) / 100}\n",
        encoding="utf-8",
    )
    begun = run_in(tmp_path, "run", "--function", "mine:fn", "--rates", "0,0.2", "--seeds", "1", "--out", "s")
    assert "Training function mine:fn; 2 runs; study in s" in begun.stdout
    assert "For a verdict" in begun.stdout
    assert "dropstudy run s --seeds 6" in begun.stdout
    grown = run_in(tmp_path, "run", "s", "--seeds", "6", "--quiet")
    assert "Does dropout help? Yes" in grown.stdout
    refused = run_in(tmp_path, "run", "--function", "mine:gn", "--out", "t", code=2)
    assert "mine:gn: expected a function that can be imported, as package.module:function" in refused.stderr


def run_in(folder, *arguments, code=0):
    """A command in a folder, as a user types it there."""
    command = [Path(sys.executable).with_name("dropstudy"), *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603 - our own command
    assert done.returncode == code, done.stderr
    return done
