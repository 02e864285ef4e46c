"""Sources of reports from tables that a test makes up; and studies that were trained in no time."""

from dataclasses import replace

import pandas as pd

import random_results
from dropstudy import Study
from dropstudy.core.types import Condition, Run
from dropstudy.report.snapshot import COLUMNS, Snapshot
from dropstudy.spec.study_file import read_spec
from dropstudy.store.paths import RESULTS, StudyPaths
from dropstudy.store.reader import ResultFiles, RunProgress

SMALL_STUDY = {"data": "digits", "hidden": [16], "epochs": 3, "rates": [0, 0.5]}
"""Settings of a study that really trains, in a second."""

FACTS = {
    "data": "mnist",
    "data_source": "nowhere",
    "data_notes": [],
    "data_sha256": "0" * 64,
    "fallback": False,
    "scale": 255.0,
    "input_shape": [28, 28],
    "classes": [str(i) for i in range(10)],
    "n_train": 60_000,
    "n_test": 10_000,
    "dropstudy": "0",
    "jax": "0",
    "python": "3",
}


def source_of(folder, history, finals, arms, *, watches_test=True, **metadata):
    """A study of one condition, each of whose runs is in `history`; those that are in `finals` are done."""
    spec = replace(
        read_spec("notebook", {}),
        arms=tuple(arms),
        validation_split="test" if watches_test else 10_000,
        data="none",
    )
    condition = Condition(784, (512, 512), 10, 60_000, 128)
    by_name = {arm.name: arm for arm in arms}
    finite = finals[finals["test_loss"].notna()]
    done = set(zip(finite["arm"], finite["seed"], strict=True))
    runs = tuple(
        Run(
            key=f"{arm}/{seed}",
            arm=by_name[arm],
            condition=condition,
            seed=seed,
            activation="relu",
            optimizer=spec.optimizer,
            epochs=20,
            validation_split=spec.validation_split,
            precision="float32",
        )
        for arm, seed in history[["arm", "seed"]].drop_duplicates().itertuples(index=False)
    )
    told = finite.assign(
        key=[f"{arm}/{seed}" for arm, seed in zip(finite["arm"], finite["seed"], strict=True)],
        hidden="512-512",
        train_size=60_000,
        device="made up",
    )
    status = {run.key: "done" if (run.arm.name, run.seed) in done else "diverged" for run in runs}
    return Snapshot(
        folder=folder,
        spec=spec,
        metadata=FACTS | metadata,
        progress=tuple(RunProgress(run, status[run.key], 20, None, None) for run in runs),
        history=history.assign(hidden="512-512", train_size=60_000),
        finals=pd.DataFrame(told, columns=list(COLUMNS)),
        files=ResultFiles(
            StudyPaths(folder), {key: (each, dict.fromkeys(RESULTS)) for key, each in status.items()}
        ),
        failures=tuple(
            f"'{run.arm.name}', seed {run.seed} diverged"
            for run in runs
            if (run.arm.name, run.seed) not in done
        ),
    )


def trained_at_once(monkeypatch, folder, **overrides):
    """A finished study of the digits whose numbers are made up."""
    random_results.replace_workers(monkeypatch)
    settings = {
        "data": "digits",
        "hidden": [4],
        "epochs": 3,
        "rates": [0, 0.5],
        "seeds": 6,
        "validation_split": 300,
    }
    return Study("notebook", out=folder, **(settings | overrides)).run(verbose=False)
