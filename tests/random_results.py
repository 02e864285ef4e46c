"""Training with random results, for studies of any condition: numbers drawn from seed and rate of the run."""

from contextlib import nullcontext
from dataclasses import replace

import numpy as np

from dropstudy.analysis.verdict import pairs
from dropstudy.core.final_metrics import FinalMetrics
from dropstudy.core.types import METRICS, EpochMetrics, SegmentResult
from dropstudy.data.arrays import map_arrays
from dropstudy.runtime import local, workers
from fake_training import ExecutorPool, InlineExecutor


class WorkerError(Exception):
    """Error that a worker raises in a test."""


def train(segment):
    """Replacement of `local.train`: random metrics in [0, 1] and weights of the right shapes."""
    run = segment.run
    draws = np.random.default_rng([run.seed, *(round(rate * 1e6) for rate in run.arm.rates), segment.done])
    until = segment.done + segment.steps
    epochs = range(segment.done // run.condition.steps + 1, until // run.condition.steps + 1)
    history = tuple(
        EpochMetrics(epoch, **{name: float(draws.random()) for name in METRICS}, seconds=0.5)
        for epoch in epochs
    )
    state = {}
    for layer, (inputs, outputs) in enumerate(
        zip(run.condition.widths, run.condition.widths[1:], strict=False)
    ):
        state[f"weights/dense_{layer}/kernel"] = draws.normal(size=(inputs, outputs)).astype(np.float32)
        state[f"weights/dense_{layer}/bias"] = np.zeros(outputs, np.float32)
    final = _final(segment, draws) if until == run.steps else None
    return SegmentResult(history, state, until, 0.5 * len(history), final, diverged=False, device="none")


def learned(effect):
    """Training whose test accuracy depends on the rate by `effect`, AUC by as much the other way; both by chance."""

    def by_rule(segment):
        result = train(segment)
        if result.final is None:
            return result
        draws = np.random.default_rng([segment.run.seed, round(1e3 * segment.run.arm.rate)])
        accuracy = 0.9 + effect * segment.run.arm.rate + 0.001 * draws.normal()
        last = replace(result.history[-1], val_accuracy=accuracy)
        auc = 0.9 - effect * segment.run.arm.rate + 0.001 * draws.normal()
        final = replace(result.final, accuracy=accuracy, auc=auc, val_auc=auc)
        return replace(result, history=(*result.history[:-1], last), final=final)

    return by_rule


def replace_workers(monkeypatch):
    """Train every segment in this process by `train`, or by a replacement of `local.train`.

    Verdicts rest on its accuracies alone: its predictions, of a few examples, do not fit them.
    """
    monkeypatch.setattr(pairs, "per_example", lambda *_: None)
    monkeypatch.setattr(local, "train", train)
    monkeypatch.setattr(local, "train_group", lambda segments: tuple(map(local.train, segments)))
    monkeypatch.setattr(
        workers,
        "LocalWorkers",
        lambda count, _device: nullcontext(ExecutorPool(InlineExecutor(), count)),
    )


def _final(segment, draws):
    n = len(map_arrays(segment.data).y_test)
    shares = draws.random(n).astype(np.float16)
    labels = draws.integers(0, segment.run.condition.classes, n).astype(np.uint8)
    clean, noisy, *rest = draws.random(5).tolist()
    return FinalMetrics(
        segment.run.epochs, 0.1, clean, 0.2, noisy, 0.5, *rest, 0.25, *rest[1:], labels, shares, shares
    )
