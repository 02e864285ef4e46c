"""The notebook's own two runs as tables: what its output printed, epoch by epoch (notebook_runs.csv).

The notebook did not measure clean accuracy. The clean columns are from a run of the same two networks in
Keras 3 on MNIST (keras.utils.set_random_seed(0)): the first 10,000 training examples each epoch, all 60,000
at the last. So keras_gap is the notebook's, artefact and true_gap are only as real as two runs mixed can be.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from dropstudy.core.types import Arm

ARMS = (Arm("no dropout"), Arm("dropout 0.8", 0.8))


def notebook_history() -> pd.DataFrame:
    return pd.read_csv(Path(__file__).with_name("notebook_runs.csv"))


def notebook_finals() -> pd.DataFrame:
    """The test set was the validation set, so the last epoch is the final look."""
    return finals_of(notebook_history(), ARMS)


def finals_of(history, arms) -> pd.DataFrame:
    """Finals of a study that watches the test set and whose runs all finished."""
    rates = {arm.name: arm.rate for arm in arms}
    last = history.sort_values("epoch").groupby(["arm", "seed"], sort=False).tail(1)
    return pd.DataFrame(
        {
            "arm": last["arm"],
            "rate": last["arm"].map(rates),
            "seed": last["seed"],
            "test_loss": last["val_loss"],
            "test_accuracy": last["val_accuracy"],
            "brier": 0.03,
        }
    ).reset_index(drop=True)


def many_seeds(arms, seeds, epochs=20) -> pd.DataFrame:
    """The notebook's curves under other names, moved a little from seed to seed."""
    source = notebook_history()
    rng = np.random.default_rng(7)
    parts = []
    for i, arm in enumerate(arms):
        for seed in range(seeds):
            rows = source[(source["arm"] == ARMS[min(i, 1)].name) & (source["epoch"] <= epochs)].copy()
            rows["arm"], rows["seed"] = arm.name, seed
            for column in ("accuracy", "val_accuracy", "clean_accuracy"):
                rows[column] = (rows[column] + rng.normal(0, 0.001, len(rows))).clip(0, 1)
            parts.append(rows)
    return pd.concat(parts, ignore_index=True)
