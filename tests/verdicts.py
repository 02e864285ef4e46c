"""Studies as tables, from the test accuracies of their runs, and the verdicts on them."""

from dataclasses import fields

import numpy as np
import pandas as pd

from dropstudy.analysis.verdict.build import give_verdict
from dropstudy.analysis.verdict.design import Design
from dropstudy.core.types import Arm

CONDITION = {"hidden": "512-512", "train_size": 50_000}


def rates(*values):
    """Arms as `--rates` makes them."""
    return tuple(Arm(f"dropout {rate:g}" if rate else "no dropout", rate) for rate in values)


def tables(arms, accuracies, *, validation=None, epochs=10, falling=(), condition=None):
    """History and finals of a study.

    Args:
        arms: baseline first.
        accuracies: test accuracy of each run, {arm name: {seed: share}}.
        validation: validation accuracy of each arm; 0.98 where it is not given.
        epochs: of every run; the lowest validation loss is halfway, in `falling` arms at the end.
        falling: names of arms.
        condition: hidden and train_size.
    """
    condition = CONDITION if condition is None else condition
    history, finals = [], []
    for arm in arms:
        for seed, accuracy in accuracies[arm.name].items():
            for epoch in range(1, epochs + 1):
                away = epochs - epoch if arm.name in falling else abs(epoch - epochs // 2)
                history.append(
                    {
                        "arm": arm.name, **condition, "seed": seed, "epoch": epoch, "loss": 0.1, "accuracy": 0.95,
                        "val_loss": 0.1 + 0.01 * away, "val_accuracy": (validation or {}).get(arm.name, 0.98),
                        "clean_loss": 0.05, "clean_accuracy": 0.99, "seconds": 2.0,
                    }
                )  # fmt: skip
            finals.append(
                {
                    "arm": arm.name,
                    "rate": arm.rate,
                    **condition,
                    "seed": seed,
                    "test_loss": 0.1,
                    "test_accuracy": accuracy,
                }
                | {"brier": 0.03}
            )
    return pd.DataFrame(history), pd.DataFrame(finals, columns=["arm", "rate", *condition, "seed", "test_loss",
                                                                "test_accuracy", "brier"])  # fmt: skip


def around(points, n=10, *, spread=0.1, base=0.98, first=0):
    """Accuracies of an arm whose differences from `base` have exactly this mean and deviation, in points."""
    rng = np.random.default_rng(abs(hash((round(points, 6), n))) % 2**32)
    noise = rng.normal(size=n)
    noise = (noise - noise.mean()) / noise.std(ddof=1) if n > 1 else np.zeros(n)
    return {first + i: base + (points + spread * noise[i]) / 100 for i in range(n)}


def flat(n=10, base=0.98):
    """Accuracies of a baseline that never varies."""
    return dict.fromkeys(range(n), base)


def verdict_of(arms, accuracies, *, outcomes=None, predictions=None, test_examples=None, **more):
    """The verdict on a study made of these; `more` are fields of its design, and arguments of `tables`."""
    design = {field.name: more.pop(field.name) for field in fields(Design) if field.name in more}
    return give_verdict(
        *tables(arms, accuracies, **more),
        Design(arms, **design),
        outcomes=outcomes,
        predictions=predictions,
        test_examples=test_examples,
    )


def two(points, n=10, **more):
    """The verdict on one arm whose differences have this mean."""
    return verdict_of(rates(0, 0.5), {"no dropout": flat(n), "dropout 0.5": around(points, n, **more)})


def outcomes_of(arms, n, unfinished, conditions=(CONDITION,)):
    """Status of n runs of each arm; those of `unfinished`, {(arm name, seed): status}, are not done."""
    return pd.DataFrame(
        {"arm": arm.name, **condition, "seed": seed, "status": unfinished.get((arm.name, seed), "done")}
        for condition in conditions
        for arm in arms
        for seed in range(n)
    )


def predictions_of(wrong, examples=40, one_class=()):
    """Predictions of runs, wrong for the examples `wrong(arm name, seed)`; `one_class` arms predict one class."""

    def predictions(arm, _hidden, _size, seed):
        right = np.ones(examples, bool)
        right[list(wrong(arm, seed))] = False
        labels = np.zeros(examples, np.uint8) if arm in one_class else np.arange(examples, dtype=np.uint8) % 2
        return {
            "confidence": np.full(examples, 0.9),
            "likelihood": np.where(right, 0.9, 0.1),
            "labels": labels,
        }

    return predictions


def accuracies_of(wrong, examples, n=6):
    """Accuracies that go with `predictions_of`."""
    arms = rates(0, 0.5)
    return {arm.name: {s: 1 - len(wrong(arm.name, s)) / examples for s in range(n)} for arm in arms}
