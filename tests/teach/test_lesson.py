"""The networks of the page learn, and their numbers are those of the training program and of plain prediction."""

from dataclasses import replace

import numpy as np
import pytest

from dropstudy.core.types import Arm, EpochMetrics
from dropstudy.engine.mlp.in_memory import epochs_in_memory, layers_of, train_in_memory
from dropstudy.models.mc_dropout import sampled_probabilities
from dropstudy.models.predict import predict
from dropstudy.teach import lesson as lessons
from dropstudy.teach.answer import SAMPLES, answer
from dropstudy.teach.trap import row, words


def run_of(lesson, rate, epochs=3):
    return lessons._run(lesson.arrays, Arm(rate=rate), 7, epochs)


@pytest.mark.parametrize(
    "kernels",
    [pytest.param("", id="the compiled program"), pytest.param("off", id="XLA", marks=pytest.mark.slow)],
)
def test_a_run_in_epochs_is_the_run_at_once_and_measures_the_given_test_set(lesson, kernels, monkeypatch):
    monkeypatch.setenv("DROPSTUDY_KERNELS", kernels)
    run, arrays = run_of(lesson, 0.5), lesson.arrays
    rows = np.arange(len(arrays.y), dtype=np.int32)
    at_once = train_in_memory(run, arrays, rows, None)
    results = list(epochs_in_memory(run, arrays, rows))
    assert [result.history[0] for result in results] == list(at_once.history)
    x, y = arrays.tested
    for result in results:
        labels = predict(layers_of(run, result), x, activation="relu", scale=1).argmax(axis=1)
        assert result.history[0].val_accuracy == pytest.approx((labels == y).mean())


def test_the_network_reads_test_digits(lesson):
    digits = lesson.dataset
    labels = predict(lesson.reader, digits.x_test, activation="relu", scale=digits.scale).argmax(axis=1)
    assert (labels == digits.y_test).mean() > 0.9


def test_both_networks_start_alike_and_the_trap_is_there_to_be_seen(lesson):
    same = list(lesson.train(0.0, 3))
    assert all(without == dropped for without, dropped in same)
    pairs = list(lesson.train(0.8, 3))
    assert [without for without, _ in pairs] == [without for without, _ in same]
    assert len(pairs) == lessons.EPOCHS
    last = pairs[-1][1]
    assert last.accuracy < last.val_accuracy < last.clean_accuracy


def test_the_words_take_the_printed_gap_apart():
    epoch = EpochMetrics(20, 1, 0.72, 1, 0.92, 1, 0.945, 1)
    printed, cleanly, gained = words(replace(epoch, val_accuracy=0.931), epoch, 0.8)
    assert "72.0% training accuracy and 92.0% test accuracy: training seems 20.0 points below" in printed
    assert "94.5% on its training examples, 2.5 points above test. The 22.5 points between" in cleanly
    assert "92.0% with dropout and 93.1% without: -1.1 points in this run" in gained
    assert row(replace(epoch, val_accuracy=0.931), epoch, 0.8, 5) == ["0.8", "5", "93.1%", "92.0%", "-1.1"]


def asked(lesson, rate, number=0):
    digits = lesson.dataset
    return answer(lesson.reader, digits.x_test[number], scale=digits.scale, rate=rate)


def test_without_dropout_every_sample_is_the_network_itself(lesson):
    found = asked(lesson, 0.0)
    assert found["on"] == pytest.approx(found["off"], abs=1e-6)
    assert max(found["votes"]) == SAMPLES
    assert {one["dropped"] for one in found["samples"]} == {"0" * lessons.HIDDEN}
    digits = lesson.dataset
    expected = predict(lesson.reader, digits.x_test[:1], activation="relu", scale=digits.scale)[0]
    assert found["off"] == pytest.approx(expected.tolist())


@pytest.mark.parametrize("rate", [0.2, 0.5, 0.9])
def test_samples_drop_their_share_and_their_mean_is_that_of_monte_carlo_dropout(lesson, rate):
    found = asked(lesson, rate, 5)
    shares = [one["dropped"].count("1") / lessons.HIDDEN for one in found["samples"]]
    deviation = (rate * (1 - rate) / (lessons.HIDDEN * SAMPLES)) ** 0.5
    assert np.mean(shares) == pytest.approx(rate, abs=5 * deviation)
    assert sum(found["votes"]) == SAMPLES
    digits = lesson.dataset
    settings = {"arm": Arm(rate=rate), "activation": "relu", "scale": digits.scale}
    many = sampled_probabilities(lesson.reader, digits.x_test[5:6], samples=5000, seed=1, **settings)[0]
    assert found["on"] == pytest.approx(many.tolist(), abs=5 * 0.5 / SAMPLES**0.5)


def test_a_higher_rate_drops_more_units_and_brings_none_back(lesson):
    low, high = asked(lesson, 0.3)["samples"], asked(lesson, 0.6)["samples"]
    for few, many in zip(low, high, strict=True):
        assert all(b == "1" for a, b in zip(few["dropped"], many["dropped"], strict=True) if a == "1")
