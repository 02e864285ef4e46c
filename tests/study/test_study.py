"""A study from Python, from its first line to its exported networks.

Real workers train one study on the digits for all tests. Tests of the folder use random results.
"""

import contextlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

import dropstudy
import expected
import random_results
from dropstudy import Callback, Study
from dropstudy.core.hardware import choose_precision
from dropstudy.core.types import METRICS
from dropstudy.engine.native.library import VARIABLE
from dropstudy.errors import DataUnavailable, InvalidArgument, RunsFailed, StoreError, StudyLocked
from dropstudy.report.stamp import is_current
from dropstudy.runtime import local, workers
from dropstudy.runtime import run as running
from dropstudy.runtime.local import LocalWorkers
from dropstudy.runtime.messages import large_rate
from dropstudy.runtime.progress.lines import EpochLines
from dropstudy.spec.study_file import read_spec
from dropstudy.store import locking
from dropstudy.store.paths import command
from dropstudy.store.store import DATABASE, Store
from fake_training import InlineExecutor
from sources import SMALL_STUDY

ARMS = ("no dropout", "dropout 0.5")
EPOCHS = 3
SETTINGS = SMALL_STUDY


class NoWorker(Executor):
    """For studies that have nothing to train."""

    def submit(self, *_, **__):
        raise AssertionError("a finished study gave work to a worker")


@pytest.fixture(scope="module")
def trained(tmp_path_factory, cache_folder):
    """Study trained by real workers, and its output to a replaced sys.stdout, as in Jupyter."""
    screen = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(screen):
        patch.setenv("DROPSTUDY_CACHE", str(cache_folder))
        finished = Study("notebook", out=tmp_path_factory.mktemp("real") / "first", **SETTINGS).run(workers=1)
    return finished, screen.getvalue()


@pytest.fixture
def finished(trained):
    return trained[0]


@pytest.fixture
def results(finished):
    return finished.results()


@pytest.fixture
def copied(finished, tmp_path):
    """Copy of the finished study's folder, which a test may damage."""
    return shutil.copytree(finished.folder, tmp_path / "copy")


@pytest.fixture
def quick(monkeypatch, tmp_path):
    """Make studies with random results; settings replace the default ones."""
    random_results.replace_workers(monkeypatch)

    def make(spec="notebook", *, out="quick", **settings):
        settings = {name: value for name, value in {**SETTINGS, **settings}.items() if value is not None}
        return Study(spec, out=tmp_path / out, **settings)

    return make


@pytest.fixture
def fail_if(monkeypatch):
    """Let training raise for every segment for which `condition` holds."""

    def install(condition):
        def train(segment):
            if condition(segment):
                raise random_results.WorkerError("no luck")
            return random_results.train(segment)

        monkeypatch.setattr(local, "train", train)

    return install


@pytest.fixture
def digits():
    return dropstudy.load_dataset("digits")


def network_input(examples):
    """Test examples as the network takes them: flat, divided by the digits' scale of 16."""
    return examples.x_test.reshape(360, 64).astype(np.float32) / np.float32(16)


def probabilities(predictions):
    return predictions.filter(like="p(").to_numpy()


class Events(Callback):
    """A callback that records its calls."""

    def __init__(self):
        self.notices, self.ends, self.epochs = [], [], []

    def on_notice(self, text):
        self.notices.append(text)

    def on_run_end(self, run, status, cause):
        self.ends.append((run.arm.name, run.seed, status, cause))

    def on_epoch_end(self, run, row):
        self.epochs.append((run.arm.name, run.seed, row.epoch))


class Interrupting(Events):
    """Ctrl-C at the epoch of that number."""

    def __init__(self, at):
        super().__init__()
        self.at = at

    def on_epoch_end(self, run, row):
        super().on_epoch_end(run, row)
        if len(self.epochs) == self.at:
            raise KeyboardInterrupt


# --- results of a trained study ---


@pytest.mark.slow
def test_a_history_has_the_names_and_shape_of_keras(finished, digits):
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(10, activation="softmax")])
    model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    x, y = network_input(digits), digits.y_test
    theirs = model.fit(x, y, batch_size=128, epochs=EPOCHS, validation_data=(x, y), verbose=0)
    ours = finished.history("dropout 0.5", seed=0)
    assert set(theirs.history) < set(ours.history)
    assert set(ours.history) - set(theirs.history) == {"clean_loss", "clean_accuracy"}
    assert ours.epoch == theirs.epoch
    assert set(ours.params) == set(theirs.params) - {"verbose"}
    assert ours.params == {"epochs": EPOCHS, "steps": 12}
    for values in ours.history.values():
        assert [type(value) for value in values] == [float] * EPOCHS


def test_baseline_and_first_seed_are_the_default(finished):
    assert finished.history().history == finished.history("no dropout", 0).history
    assert finished.history().history != finished.history("dropout 0.5").history


def test_the_history_frame_is_tidy_and_equals_the_histories(finished, results):
    frame = results.history_frame()
    assert list(frame.columns) == ["arm", "hidden", "train_size", "seed", "epoch", *METRICS, "seconds"]
    assert len(frame) == len(ARMS) * EPOCHS
    for arm in ARMS:
        rows = frame[frame["arm"] == arm]
        assert rows["epoch"].tolist() == [1, 2, 3]
        for name in METRICS:
            assert rows[name].tolist() == finished.history(arm).history[name]


def test_training_lowers_the_loss(finished):
    for arm in ARMS:
        losses = finished.history(arm).history["clean_loss"]
        assert losses == sorted(losses, reverse=True)
        assert finished.history(arm).history["clean_accuracy"][-1] > 0.15  # ten classes: 0.1 is chance


def test_test_scores_equal_the_last_validation_on_the_test_set(results):
    for _, final in results.test_scores().iterrows():
        last = results.history_frame().query("arm == @final.arm and epoch == @EPOCHS").iloc[0]
        assert final.test_accuracy == pytest.approx(last.val_accuracy, abs=1e-7)
        assert final.test_loss == pytest.approx(last.val_loss, rel=1e-5)


def test_the_summary_is_of_the_last_epoch_and_its_gaps_add_up(finished, results):
    summary = finished.summary().set_index("arm")
    last = results.history_frame().query("epoch == @EPOCHS").set_index("arm")
    test = results.test_scores().set_index("arm")["test_accuracy"]
    assert tuple(summary.index) == ARMS
    for arm in ARMS:
        row = summary.loc[arm]
        assert row["seeds"] == 1
        assert row["unfinished"] == 0
        assert row["test_accuracy"] == test[arm]
        assert row["keras_accuracy"] == last["accuracy"][arm]
        assert row["clean_accuracy"] == last["clean_accuracy"][arm]
        assert row["artefact"] == pytest.approx(row["keras_accuracy"] - row["clean_accuracy"])
        assert row["true_gap"] == pytest.approx(row["clean_accuracy"] - row["test_accuracy"])
        assert row["keras_gap"] == pytest.approx(row["artefact"] + row["true_gap"])


def test_the_conclusion_of_one_seed_has_the_difference_and_no_verdict(finished, results):
    accuracies = results.test_scores().set_index("arm")["test_accuracy"]
    points = 100 * (accuracies["dropout 0.5"] - accuracies["no dropout"])
    first = finished.verdict().sentences[0]
    assert first.startswith(expected.Analysis.TOO_FEW.format(1))
    assert f"'dropout 0.5' {points:+.2f} points against 'no dropout'" in first


@pytest.mark.parametrize("arm", ARMS)
def test_keras_evaluation_of_a_trained_network_equals_the_recorded_one(finished, results, digits, arm):
    model = finished.model(arm, seed=0)
    loss, accuracy = model.evaluate(network_input(digits), digits.y_test, verbose=0)
    recorded = results.test_scores().set_index("arm").loc[arm]
    assert accuracy == pytest.approx(recorded["test_accuracy"], abs=1e-6)
    assert loss == pytest.approx(recorded["test_loss"], rel=1e-5)
    dropped = [layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
    assert dropped == ([0.5] if arm == "dropout 0.5" else [])


@pytest.mark.parametrize("arm", ARMS)
def test_stored_predictions_equal_those_of_keras(finished, results, digits, arm):
    probabilities = finished.model(arm).predict(network_input(digits), verbose=0)
    with Store(finished.folder) as store:
        (key,) = [run.key for run in store.runs() if run.arm.name == arm]
        stored = store.result_files().read("predictions", key)
    assert np.array_equal(stored["labels"], probabilities.argmax(axis=1))
    assert stored["confidence"] == pytest.approx(probabilities.max(axis=1), abs=1e-3)
    assert stored["likelihood"] == pytest.approx(probabilities[np.arange(360), digits.y_test], abs=1e-3)
    one_hot = np.eye(10)[digits.y_test]
    brier = results.test_scores().set_index("arm")["brier"][arm]
    assert brier == pytest.approx(((probabilities - one_hot) ** 2).sum(axis=1).mean(), rel=1e-4)


def test_a_network_exported_for_keras_predicts_the_same(results, digits, tmp_path):
    path = results.export(arm="dropout 0.5", out=tmp_path / "network.keras")
    np.save(tmp_path / "digits.npy", digits.x_test)
    ours = results.predict(tmp_path / "digits.npy", arm="dropout 0.5")
    theirs = keras.models.load_model(path).predict(network_input(digits), verbose=0)
    assert probabilities(ours) == pytest.approx(theirs, abs=1e-5)
    assert ours["label"].tolist() == [str(label) for label in theirs.argmax(axis=1)]
    assert list(ours.columns) == ["example", "label", *(f"p({digit})" for digit in range(10))]


def test_a_network_exported_as_tensors_holds_the_weights(results, tmp_path):
    tensors = load_file(results.export(file_format="safetensors", out=tmp_path / "w.safetensors"))
    for number, layer in enumerate(results.weights()):
        assert np.array_equal(tensors[f"dense_{number}/kernel"], layer.kernel)
        assert np.array_equal(tensors[f"dense_{number}/bias"], layer.bias)
    assert len(tensors) == 4


def test_a_picture_of_a_digit_is_classified_as_the_digit(results, digits, tmp_path):
    for number in range(5):
        pixels = np.round(digits.x_test[number] * (255 / 16)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    np.save(tmp_path / "five.npy", digits.x_test[:5])
    pictures, numbers = results.predict(tmp_path), results.predict(tmp_path / "five.npy")
    assert pictures["example"].tolist() == [f"{number}.png" for number in range(5)]
    assert probabilities(pictures) == pytest.approx(probabilities(numbers), abs=0.02)
    assert probabilities(results.predict(tmp_path / "3.png")).sum() == pytest.approx(1)


def test_examples_in_other_units_or_inverted_give_the_same_predictions_and_a_warning(
    results, digits, tmp_path
):
    bytes_ = np.round(digits.x_test[:5] * (255 / 16)).astype(np.uint8)
    np.save(tmp_path / "own.npy", digits.x_test[:5])
    np.save(tmp_path / "bytes.npy", bytes_)
    np.save(tmp_path / "shares.npy", digits.x_test[:5] / 16)
    np.save(tmp_path / "negative.npy", 16 - digits.x_test[:5])
    own = probabilities(results.predict(tmp_path / "own.npy"))
    for name, word, how in (
        ("bytes.npy", "divided by 15.9375", {}),
        ("shares.npy", "multiplied by 16", {}),
        ("bytes.npy", None, {"scale": 255.0}),
        ("negative.npy", None, {"invert": True}),
    ):
        notices = []
        shares = probabilities(results.predict(tmp_path / name, **how, notify=notices.append))
        assert shares == pytest.approx(own, abs=0.02)
        assert [word in note for note in notices] == ([] if word is None else [True])
    with pytest.warns(UserWarning, match="add --invert"):
        results.predict(tmp_path / "negative.npy")


def test_examples_of_another_type_continue_a_study_and_other_units_are_refused(quick, digits, tmp_path):
    def saved(name, x_train, x_test):
        np.savez(
            tmp_path / name, x_train=x_train, x_test=x_test, y_train=digits.y_train, y_test=digits.y_test
        )
        return str(tmp_path / name)

    study = quick(data=saved("bytes.npz", digits.x_train, digits.x_test))
    study.run()
    assert study.results().snapshot.metadata["profile"]["high"] == 16
    assert study.spec.scale == 16
    assert "scale = 16.0" in (study.folder / "study.toml").read_text()
    wide = saved("wide.npz", digits.x_train.astype(np.int64), digits.x_test.astype(float))
    assert quick(data=wide, seeds=2).run().results().snapshot.metadata["scale"] == 16
    shares = saved("shares.npz", digits.x_train / 16, digits.x_test / 16)
    with pytest.raises(
        StoreError, match=r"its examples are of shape \(8, 8\) from 0 to 1, the study's .* from 0 to 16"
    ):
        quick(data=shares, seeds=3).run()
    with pytest.raises(InvalidArgument, match=r"this folder, `scale=16\.0`, received `scale=255\.0`\."):
        quick(data=wide, scale=255)


def test_unknown_arms_seeds_and_formats_are_refused_with_the_valid_ones(finished, results):
    with pytest.raises(InvalidArgument, match=r"'no dropout', 'dropout 0\.5', received 'dropout'"):
        finished.history("dropout")
    with pytest.raises(InvalidArgument, match="one of 0, received 1"):
        results.weights(seed=1)
    with pytest.raises(
        InvalidArgument, match="keras, onnx, safetensors, mlflow, tensorboard, received 'pmml'"
    ):
        results.export(file_format="pmml")


def test_every_epoch_is_printed_as_keras_does_with_the_numbers_of_the_history(trained, results):
    _, screen = trained
    for arm in ARMS:
        for row in results.history_frame().query("arm == @arm").itertuples():
            assert re.search(
                rf"^Epoch {row.epoch}/{EPOCHS} \[{re.escape(arm)}, seed 0\]\n"
                rf"12/12 - \d+s - loss: {row.loss:.4f} - accuracy: {row.accuracy:.4f}"
                rf" - val_loss: {row.val_loss:.4f} - val_accuracy: {row.val_accuracy:.4f}$",
                screen,
                re.MULTILINE,
            )
    assert screen.count("Epoch ") == len(ARMS) * EPOCHS
    assert "1437 x 8 x 8" in screen
    assert "watches the test set" in screen
    assert "64-16-10, 1,210 parameters" in screen
    assert "Large dropout rate" not in screen  # 0.5 is not above a half


def test_a_study_opened_again_is_the_same(finished, results):
    again = Study.open(finished.folder)
    assert again.spec == finished.spec
    assert again.results().history_frame().equals(results.history_frame())
    assert again.finished
    for word in (*ARMS, str(finished.folder)):
        assert word in repr(again)


# --- a finished study ---


def test_a_finished_study_loads_nothing_trains_nothing_prints_nothing_and_writes_nothing(
    finished, monkeypatch, capsys
):
    before = {path: path.stat().st_mtime_ns for path in finished.folder.rglob("*")}
    monkeypatch.setattr(workers, "LocalWorkers", NoWorker)
    monkeypatch.setattr(running, "dataset_of", None)
    again = Study("notebook", out=finished.folder, **SETTINGS)
    assert again.run(executor=NoWorker()) is again
    assert Study.open(finished.folder).run().finished
    assert capsys.readouterr().out == ""
    assert {path: path.stat().st_mtime_ns for path in finished.folder.rglob("*")} == before


@pytest.mark.parametrize(
    ("more", "difference"),
    [
        ({"epochs": 9}, "`epochs=3`, received `epochs=9`."),
        ({"batch_size": 64, "seeds": 2}, "`batch_size=128`, received `batch_size=64`."),
        (
            {"validation_split": 0.2, "activation": "tanh", "optimizer": {"name": "sgd", "momentum": 0.9}},
            "received `activation='tanh'`, `optimizer={'name': 'sgd', 'momentum': 0.9}`, `validation_split=0.2`.",
        ),
    ],
)
def test_a_change_that_an_existing_study_does_not_allow_is_refused_with_two_next_steps(
    finished, more, difference
):
    with pytest.raises(InvalidArgument) as refusal:
        Study("notebook", out=finished.folder, **{**SETTINGS, **more})
    assert refusal.value.subject == str(finished.folder)
    assert difference in str(refusal.value)
    assert f"dropstudy run {finished.folder}" in refusal.value.next_step
    assert "--out" in refusal.value.next_step


def test_a_study_file_changed_afterwards_is_refused_with_the_change(copied):
    file = copied / "study.toml"
    file.write_text(file.read_text().replace("epochs = 3", "epochs = 5"))
    for use in (Study.open, Study):
        with pytest.raises(InvalidArgument, match=expected.Store.CHANGED.format("epochs", 3, 5)) as refusal:
            use(copied)
        assert refusal.value.subject == str(file)


def test_a_comment_or_another_title_in_a_study_file_changes_nothing(copied):
    file = copied / "study.toml"
    file.write_text("# mine\n" + file.read_text().replace('name = "notebook"', 'name = "my title"'))
    assert Study(copied).spec.name == "my title"


def test_a_missing_weights_file_is_named_with_the_command_that_trains_it_again(copied):
    for path in copied.glob("weights/*.safetensors"):
        path.unlink()
    with pytest.raises(StoreError, match=r"weights/\w+\.safetensors.*dropstudy run"):
        Study.open(copied).model()


def test_the_report_is_in_the_folder_and_is_current_until_runs_change(copied):
    opened = Study.open(copied)
    assert not is_current(opened.results().snapshot)
    paths = opened.report()
    assert is_current(opened.results().snapshot)
    os.utime(copied / DATABASE, (2e9, 2e9))  # a clock that was set back since
    assert is_current(opened.results().snapshot)
    with Store(copied, write=True) as store:
        store.restart(store.runs()[:1])
    os.utime(copied / DATABASE, (1e9, 1e9))
    assert not is_current(opened.results().snapshot)
    assert all(path.is_file() and path.is_relative_to(copied) for path in paths)
    assert {path.suffix for path in paths} == {".html", ".png", ".svg", ".pdf", ".csv", ".txt"}
    assert "MNIST was not found" not in (copied / "conclusion.txt").read_text()


# --- other ways to run ---


@pytest.mark.slow
def test_a_script_needs_no_main_guard(tmp_path):
    script = tmp_path / "mine.py"
    script.write_text(
        textwrap.dedent(f"""
        import sys
        from dropstudy import Callback, Study
        print("once")
        study = Study("notebook", out={str(tmp_path / "out")!r}, **{{**{SETTINGS!r}, "epochs": 1}})
        study.run()
        print(len(study.results().history_frame()), "jax" in sys.modules)
        """)
    )
    done = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, "-W", "error", script], check=False, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.startswith("once\n")
    assert done.stdout.count("once") == 1
    assert done.stdout.endswith("2 False\n")


@pytest.mark.slow
@pytest.mark.mnist
def test_mnist_is_learned(mnist_folder, tmp_path):
    settings = {"hidden": [32], "epochs": 1, "rates": [0.2], "data": "mnist", "data_dir": mnist_folder}
    mnist = Study("notebook", out=tmp_path / "mnist", **settings).run(verbose=False)
    assert mnist.results().snapshot.metadata["n_train"] == 60_000
    assert mnist.results().snapshot.metadata["scale"] == 255
    assert mnist.history().params["steps"] == 469
    assert mnist.results().test_scores()["test_accuracy"][0] > 0.85


def test_validation_rows_are_shared_by_the_arms_of_a_seed_and_differ_between_seeds(quick):
    segments = []

    class Watching(InlineExecutor):
        def submit(self, fn, group):
            segments.extend(group)
            return super().submit(fn, group)

    quick(validation_split=100, seeds=[3, 8], epochs=1).run(executor=Watching(), device="cpu", verbose=False)
    rows = {(s.run.seed, s.run.arm.name): (s.train_index, s.validation_index) for s in segments}
    assert len(rows) == 4
    for seed in (3, 8):
        for part in (0, 1):
            assert np.array_equal(rows[seed, ARMS[0]][part], rows[seed, ARMS[1]][part])
    assert not np.array_equal(rows[3, ARMS[0]][1], rows[8, ARMS[0]][1])
    for train, held in rows.values():
        assert len(held) == 100
        assert not set(train) & set(held)


def test_a_given_executor_is_never_shut_down(quick):
    class Mine(InlineExecutor):
        closed = False

        def shutdown(self, *_, **__):
            self.closed = True

    mine = Mine()
    with pytest.raises(KeyboardInterrupt):
        quick().run(executor=mine, callbacks=Interrupting(at=2), verbose=False)
    assert quick().run(executor=mine, verbose=False).finished
    assert not mine.closed


def test_own_workers_are_shut_down_when_a_study_ends_or_is_interrupted(quick, monkeypatch):
    ends = []

    class Ours(LocalWorkers):
        def shutdown(self, wait=True, *, cancel_futures=False):
            ends.append(cancel_futures)
            super().shutdown(wait, cancel_futures=cancel_futures)

        def submit(self, function, /, *args, **kwargs):
            return InlineExecutor().submit(function, *args, **kwargs)

    monkeypatch.setattr(workers, "LocalWorkers", Ours)
    with pytest.raises(KeyboardInterrupt):
        quick().run(callbacks=Interrupting(at=2), verbose=False)
    quick().run(verbose=False)
    assert ends == [True, True]


@pytest.mark.parametrize("at", range(1, 2 * EPOCHS + 1))
def test_an_interrupted_study_resumes_and_records_no_epoch_twice(quick, at):
    first, then = Interrupting(at), Events()
    with pytest.raises(KeyboardInterrupt):
        quick().run(callbacks=first, verbose=False)
    assert quick().run(callbacks=then, verbose=False).finished
    assert not set(first.epochs) & set(then.epochs)
    frame = quick().results().history_frame()
    assert sorted(zip(frame["arm"], frame["epoch"], strict=True)) == sorted(
        (a, e) for a in ARMS for e in (1, 2, 3)
    )


@pytest.mark.parametrize("workers", [0, -1])
def test_zero_workers_are_refused(quick, workers):
    fresh = quick()
    with pytest.raises(InvalidArgument, match="1 or more") as refusal:
        fresh.run(workers=workers)
    assert refusal.value.subject == "workers"
    assert not fresh.folder.exists()


def test_a_failed_run_is_named_the_others_stay_and_it_is_tried_again(quick, fail_if):
    fail_if(lambda segment: segment.run.arm.rate)
    events = Events()
    unlucky = quick().run(callbacks=events, verbose=False)
    assert not unlucky.finished
    assert ("dropout 0.5", 0, "failed", "WorkerError: no luck") in events.ends
    assert unlucky.results().failures() == ["'dropout 0.5', seed 0 failed: WorkerError: no luck"]
    assert unlucky.summary().set_index("arm")["seeds"].to_dict() == {"no dropout": 1, "dropout 0.5": 0}
    assert any("1 run of 'dropout 0.5' failed" in sentence for sentence in unlucky.verdict().sentences)
    fail_if(lambda _: False)
    again = Events()
    assert quick().run(callbacks=again, verbose=False).finished
    assert {arm for arm, _, _ in again.epochs} == {"dropout 0.5"}
    assert not quick().results().failures()


def test_a_failure_is_printed_on_a_line(quick, fail_if, capsys):
    fail_if(lambda _: True)
    with pytest.raises(RunsFailed):
        quick(rates=[0.2]).run(callbacks=EpochLines())
    assert (
        "'dropout 0.2', seed 0 failed: WorkerError: no luck. Its history is saved" in capsys.readouterr().out
    )


@pytest.mark.parametrize("at", [0, 1])
def test_a_study_without_a_finished_run_has_a_table_a_verdict_and_a_report(quick, fail_if, at):
    fail_if(lambda segment: segment.done == at * segment.run.condition.steps)
    unlucky = quick()
    with pytest.raises(RunsFailed):
        unlucky.run(verbose=False)
    assert len(unlucky.results().history_frame()) == at * len(ARMS)
    assert unlucky.summary()["seeds"].tolist() == [0, 0]
    assert expected.Analysis.NOTHING in unlucky.verdict().sentences[0]
    assert unlucky.report()
    with pytest.raises(StoreError, match="dropstudy run"):
        unlucky.results().weights()


def test_a_run_that_diverged_is_not_tried_again(quick, monkeypatch):
    def diverge(segment):
        result = random_results.train(segment)
        if not segment.run.arm.rate:
            return result
        rows = tuple(replace(row, loss=float("nan")) for row in result.history)
        return replace(result, history=rows, final=None, diverged=True)

    monkeypatch.setattr(local, "train", diverge)
    unlucky = quick().run(verbose=False)
    assert unlucky.finished
    assert "diverged" in unlucky.results().failures()[0]
    assert np.isnan(unlucky.history("dropout 0.5").history["loss"][0])
    assert unlucky.run(executor=NoWorker()) is unlucky


# --- the folder ---


@pytest.mark.usefixtures("quick")
def test_the_default_folder_of_a_study_is_in_studies(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fresh = Study("notebook", name="größer [b]", **SETTINGS).run(verbose=False)
    assert fresh.folder == Path("studies/größer [b]")
    assert Study.open(fresh.folder).finished


def test_the_study_file_records_resolved_settings_and_the_software(quick):
    fresh = quick(data="digits", precision="auto").run(verbose=False)
    written = read_spec(fresh.folder)
    assert written == fresh.spec
    assert written.precision == choose_precision("auto", "cpu")
    text = (fresh.folder / "study.toml").read_text()
    for known in ("data_sha256: 4fc079cc", "data_source: scikit-learn", "jax: ", "python: 3."):
        assert known in text


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("name", ["notebook", "-rates", "with space", "größer", "x" * 200])
def test_a_folder_may_have_any_name_even_that_of_a_preset(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    created = Study("notebook", out=name, **SETTINGS).run(verbose=False)
    opened = Study.open(name)
    assert opened.spec == created.spec
    assert opened.folder == Path(name)
    # The printed command, parsed by a shell, names the study again.
    source = shlex.split(command("run", created.folder))[2]
    assert not source.startswith("-")
    assert Study(source).spec.arms == created.spec.arms


def test_a_folder_without_a_study_is_not_opened(tmp_path):
    for place in (tmp_path, tmp_path / "x", tmp_path / ("x" * 300)):
        with pytest.raises(StoreError, match="the folder of a study") as refusal:
            Study.open(place)
        assert refusal.value.subject == str(place)


@pytest.mark.parametrize("place", ["file", "in a file", "/proc/none", "too long"])
def test_a_folder_that_cannot_be_made_is_refused_before_training(quick, tmp_path, place):
    (tmp_path / "file").write_text("in the way")
    out = {"in a file": tmp_path / "file" / "x", "too long": tmp_path / ("x" * 300)}.get(
        place, tmp_path / place
    )
    with pytest.raises(StoreError, match="`out`") as refusal:
        quick(out=out).run(executor=NoWorker())
    assert refusal.value.subject == str(out)


def test_a_read_only_folder_is_refused_before_training(quick, tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir()
    with read_only(closed), pytest.raises(StoreError, match="a folder that can be written") as refusal:
        quick(out=closed).run(executor=NoWorker())
    assert refusal.value.subject == str(closed)
    assert list(closed.iterdir()) == []


@contextlib.contextmanager
def read_only(place):
    """Make a folder read-only: by permissions or, for the superuser, by the immutable flag of the file system."""
    if os.geteuid() != 0:
        place.chmod(0o500)
        yield
        place.chmod(0o700)
        return
    chattr = shutil.which("chattr")
    if chattr is None or _quietly(chattr, "+i", place):
        pytest.skip("the tests run as root and the file system has no immutable flag: nothing is read-only")
    try:
        yield
    finally:
        assert _quietly(chattr, "-i", place) == 0


def _quietly(*command):
    return subprocess.run(command, check=False, capture_output=True).returncode  # noqa: S603 - chattr, found above


@pytest.mark.parametrize(
    "wrong",
    [
        {"batch_size": 5000},
        {"validation_split": 5},
        {"validation_split": 1430, "batch_size": 1},
        {"validation_split": 2000},
    ],
)
def test_settings_that_the_data_do_not_allow_are_refused_before_the_study_is_created(quick, wrong):
    asked = quick(**wrong)
    with pytest.raises(InvalidArgument) as refusal:
        asked.run(executor=NoWorker(), verbose=False)
    assert refusal.value.subject == next(iter(wrong))
    assert not (asked.folder / "study.toml").exists()
    assert quick().run(verbose=False).finished  # the folder stays usable


def test_a_study_that_another_process_runs_is_refused(quick):
    waiting = quick()
    with (
        locking.lock(waiting.folder),
        pytest.raises(StudyLocked, match=f"process {os.getpid()} on") as refusal,
    ):
        waiting.run(executor=NoWorker())
    assert refusal.value.subject == str(waiting.folder)
    assert waiting.run(verbose=False).finished
    assert not (waiting.folder / "study.holder").exists()


def test_a_lock_left_by_a_dead_process_is_replaced(quick):
    asked = quick()
    asked.folder.mkdir(parents=True)
    (asked.folder / "study.lock").touch()
    (asked.folder / "study.holder").write_text("process 1 on nowhere")
    assert asked.run(verbose=False).finished


def test_a_study_created_meanwhile_by_another_process_is_not_changed(quick):
    asked = quick(epochs=5)
    quick(epochs=2).run(verbose=False, executor=InlineExecutor())
    with Store(asked.folder) as store:
        keys = set(store.status())
    (asked.folder / DATABASE).rename(asked.folder / "elsewhere")  # so that it does not look finished
    with pytest.raises(InvalidArgument, match="`epochs=2`, received `epochs=5`"):
        asked.run(executor=NoWorker())
    (asked.folder / "elsewhere").rename(asked.folder / DATABASE)
    with Store(asked.folder) as store:
        assert set(store.status()) == keys


def test_arms_with_similar_names_have_different_files(quick):
    arms = [{"name": "a b", "rate": 0.1}, {"name": "a-b", "rate": 0.2}, {"name": "../a b", "rate": 0.3}]
    alike = quick(rates=None, arms=arms).run(verbose=False)
    paths = [alike.results().export(arm=arm["name"], file_format="safetensors") for arm in arms]
    assert len(set(paths)) == 3
    assert {path.parent for path in paths} == {alike.folder}
    for arm, path in zip(arms, paths, strict=True):
        kernel = load_file(path)["dense_0/kernel"]
        assert np.array_equal(kernel, alike.results().weights(arm["name"])[0].kernel)


# --- the data ---


def own_data(path, seed):
    rng = np.random.default_rng(seed)
    labels = np.arange(40) % 4
    arrays = {"x_train": rng.random((40, 6), np.float32), "x_test": rng.random((40, 6), np.float32)}
    np.savez(path, y_train=labels, y_test=labels, **arrays)
    return str(path)


def test_data_that_change_stop_a_study(quick, tmp_path):
    path = own_data(tmp_path / "mine.npz", seed=0)
    settings = {"data": path, "batch_size": 8}
    with pytest.raises(KeyboardInterrupt):
        quick(**settings).run(callbacks=Interrupting(at=2), verbose=False)
    before = quick(**settings).results().snapshot.metadata["data_sha256"]
    own_data(tmp_path / "mine.npz", seed=1)
    with pytest.raises(StoreError, match="SHA-256") as refusal:
        quick(**settings).run(executor=NoWorker(), verbose=False)
    assert refusal.value.subject == str(quick(**settings).folder)
    assert before[:12] in refusal.value.expected
    own_data(tmp_path / "mine.npz", seed=0)
    assert quick(**settings).run(verbose=False).finished


def test_a_file_of_data_is_found_from_any_folder_and_may_move(quick, tmp_path, monkeypatch):
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    here.mkdir()
    elsewhere.mkdir()
    own_data(here / "mine.npz", seed=0)
    monkeypatch.chdir(here)
    folder = quick(data="mine.npz", batch_size=8).run(verbose=False).folder
    monkeypatch.chdir(elsewhere)
    assert Study(folder, seeds=2).run(verbose=False).finished
    (here / "mine.npz").rename(elsewhere / "moved.npz")
    grown = Study(folder, seeds=3, data="moved.npz").run(verbose=False)
    assert len(grown.results().test_scores()) == 3 * len(grown.spec.arms)
    monkeypatch.chdir(here)
    assert Study(folder, seeds=4).run(verbose=False).finished
    own_data(here / "other.npz", seed=1)
    with pytest.raises(StoreError, match="SHA-256"):
        Study(folder, seeds=5, data="other.npz").run(verbose=False)


@pytest.fixture
def no_mnist(monkeypatch, tmp_path):
    """A machine without MNIST and without a network."""

    def refuse(*_, **__):
        raise DataUnavailable("mnist", expected="a mirror that answers", received="no network\nat all")

    monkeypatch.setenv("DROPSTUDY_CACHE", str(tmp_path / "empty cache"))
    monkeypatch.setenv(VARIABLE, "off")  # or the program would be compiled for this cache
    monkeypatch.setattr("dropstudy.data.download.fetch_all", refuse)


@pytest.mark.usefixtures("no_mnist")
def test_screen_study_and_report_say_that_the_digits_replace_mnist(quick):
    events = Events()
    with pytest.raises(KeyboardInterrupt):
        quick(data=None).run(callbacks=Interrupting(at=1), verbose=False)
    resumed = quick(data=None).run(callbacks=events, verbose=False)
    first = quick(data=None, out="again")
    shown = io.StringIO()
    first.run(callbacks=EpochLines(shown))
    for text in (shown.getvalue(), events.notices[0]):
        assert expected.Data.FALLBACK in text
        assert "8x8 digits" in text
    for each in (resumed, first):
        assert each.results().snapshot.metadata["fallback"] is True
        assert each.spec.data == "digits"
        text = (each.folder / "study.toml").read_text()
        assert "fallback: True" in text
        assert "MNIST is unavailable: no network at all" in text
    first.report()
    assert expected.Data.FALLBACK in (first.folder / "conclusion.txt").read_text()


@pytest.mark.usefixtures("no_mnist")
def test_mnist_requested_by_name_is_never_replaced_by_the_digits(quick):
    asked = quick(data="mnist")
    with pytest.raises(DataUnavailable):
        asked.run(executor=NoWorker(), verbose=False)
    assert not (asked.folder / "study.toml").exists()


# --- messages ---


@pytest.mark.parametrize(
    ("rate", "dropped", "kept"),
    [
        (0.8, "80%", "20%"),
        (0.55, "55%", "45%"),
        (0.999, "99.9%", "0.1%"),
        (2 / 3, "66.66666667%", "33.33333333%"),
    ],
)
def test_a_large_rate_is_printed_with_both_shares(rate, dropped, kept):
    assert f"(drops {dropped}, keeps {kept})" in large_rate(rate)


def test_only_rates_above_a_half_are_reported_as_large(quick):
    events = Events()
    quick(rates=[0, 0.5, 0.51, 0.8]).run(callbacks=events, verbose=False)
    assert [line.split()[3] for line in events.notices if line.startswith("Large")] == ["0.51", "0.8"]


@pytest.mark.slow
def test_arms_may_have_any_name_of_one_line(quick, capsys):
    names = ["[red]x[/red]", "<b>&amp;</b></script>", "дропаут 0,5 😀", "=1+1", "n" * 300]
    arms = [{"name": name, "rate": number / 10} for number, name in enumerate(names)]
    odd = quick(rates=None, arms=arms).run(callbacks=EpochLines())
    screen = capsys.readouterr().out
    for name in names:
        assert f"[{name}, seed 0]" in screen
        assert len(odd.history(name).epoch) == EPOCHS
    assert odd.summary()["arm"].tolist() == names
    assert odd.report()


# --- public names ---


def test_public_names_exist_and_unknown_ones_are_refused_with_them():
    for name in dropstudy.__all__:
        assert getattr(dropstudy, name) is not None
    assert dir(dropstudy) == sorted(dropstudy.__all__)
    with pytest.raises(AttributeError, match="Study"):
        _ = dropstudy.Studie


@pytest.mark.slow
def test_only_the_run_whose_weights_are_missing_is_trained_again(copied):
    copy = Study(copied)
    before = copy.results().weights("dropout 0.5")
    with Store(copied) as store:
        lost = next(run for run in store.runs() if run.arm.name == "dropout 0.5")
        store.path("weights", lost.key).unlink()
    with pytest.raises(StoreError, match=r"weights/\w+\.safetensors.*dropstudy run"):
        copy.results().weights("dropout 0.5")
    assert not copy.finished
    events = Events()
    copy.run(callbacks=events, verbose=False)
    assert {arm for arm, _, _ in events.epochs} == {"dropout 0.5"}
    for old, new in zip(before, copy.results().weights("dropout 0.5"), strict=True):
        assert np.array_equal(old.kernel, new.kernel)
        assert np.array_equal(old.bias, new.bias)
