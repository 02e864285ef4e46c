"""What to run: a specification and a dataset in, runs with keys out."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from dropstudy.errors import InvalidArgument
from dropstudy.records import Run, Shape

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Literal

    from numpy.typing import NDArray

    from dropstudy.records import Arm, Dataset, StudySpec

SEMANTICS = 1
"""Version of docs/semantics.md. Raised when the same specification would train to other numbers."""


def plan_runs(
    spec: StudySpec, dataset: Dataset, precision: Literal["float32", "bfloat16"]
) -> tuple[Run, ...]:
    """Every arm x shape x seed of a study, arms of one seed next to each other.

    Args:
        spec: the study.
        dataset: its data.
        precision: what the study's precision became on this machine.

    Raises:
        InvalidArgument: the batch or the validation data are larger than the data allow.
    """
    held_out = validation_count(spec, len(dataset.y_train))
    train_size = len(dataset.y_train) - held_out
    if spec.batch_size > train_size:
        raise InvalidArgument(
            "batch_size",
            expected=f"at most the {train_size} training examples of {dataset.name}",
            received=str(spec.batch_size),
            next_step="Use a smaller batch.",
        )
    shape = Shape(dataset.features, spec.hidden, len(dataset.classes), train_size, spec.batch_size)
    return tuple(
        Run(
            key=run_key(spec, dataset, shape, arm, seed=seed, precision=precision),
            arm=arm,
            shape=shape,
            seed=seed,
            activation=spec.activation,
            optimizer=spec.optimizer,
            epochs=spec.epochs,
            validation=spec.validation,
            precision=precision,
        )
        for seed in spec.seeds
        for arm in spec.arms
    )


def groups(runs: Iterable[Run], lanes: int) -> list[tuple[Run, ...]]:
    """Runs that may train side by side, at most `lanes` in each group; the groups that take longest first.

    A group's runs have one shape, activation, optimiser, number of epochs and precision, so that one program trains
    them; everything else about them is a number to it.
    """
    alike: dict[object, list[Run]] = {}
    for run in runs:
        program = (run.shape, run.activation, run.optimizer.name, run.epochs, run.precision)
        alike.setdefault(program, []).append(run)
    made = [
        tuple(family[first : first + lanes])
        for family in alike.values()
        for first in range(0, len(family), lanes)
    ]
    return sorted(made, key=lambda group: -len(group) * _cost(group[0]))


def _cost(run: Run) -> int:
    """What a run's time is in proportion to: parameters times examples seen."""
    return run.shape.parameters * run.shape.train_size * run.epochs


def run_key(spec: StudySpec, dataset: Dataset, shape: Shape, arm: Arm, *, seed: int, precision: str) -> str:
    """SHA-256 of a run's canonical specification: all that its numbers depend on, and nothing else.

    The arm's name is left out, since calling it otherwise changes nothing, and so are host, path, worker and
    device.
    """
    settings = asdict(arm)
    del settings["name"]
    canonical = {
        "semantics": SEMANTICS,
        "data": dataset.sha256,
        "preprocessing": {"flatten": True, "divide_by": dataset.scale},
        "shape": asdict(shape),
        "activation": spec.activation,
        "arm": settings,
        "optimizer": asdict(spec.optimizer),
        "epochs": spec.epochs,
        "validation": spec.validation,
        "seed": seed,
        "precision": precision,
    }
    return hashlib.sha256(json.dumps(canonical, sort_keys=True).encode()).hexdigest()


def validation_count(spec: StudySpec, n: int) -> int:
    """Training examples held out for validation, of n; 0 where the study watches the test set."""
    if spec.validation == "test":
        return 0
    share_or_count = spec.validation
    count = round(share_or_count * n) if isinstance(share_or_count, float) else share_or_count
    if not 0 < count < n:
        raise InvalidArgument(
            "validation",
            expected=f"fewer than the {n} training examples, and at least one",
            received=str(count) if share_or_count == count else f"{share_or_count}, that is {count}",
        )
    return count


def split(
    labels: NDArray[np.int64], held_out: int, seed: int
) -> tuple[NDArray[np.int32], NDArray[np.int32] | None]:
    """Rows to train on and rows held out, each in rising order; stratified, the same for every arm of a seed.

    Args:
        labels: of the training examples, (n,).
        held_out: how many to hold out; 0 for none.
        seed: the run's.

    Raises:
        InvalidArgument: too few are held out, or left, to have every class in both parts.
    """
    rows = np.arange(len(labels), dtype=np.int32)
    if held_out == 0:
        return rows, None
    # Imported here: scikit-learn takes most of a second, and who watches the test set needs none of it.
    from sklearn.model_selection import train_test_split  # noqa: PLC0415

    try:
        train, held = train_test_split(rows, test_size=held_out, stratify=labels, random_state=seed)
    except ValueError as error:
        raise InvalidArgument(
            "validation",
            expected="enough examples for every class to be in both parts",
            received=f"{held_out} of {len(labels)} ({error})",
        ) from error
    return np.sort(train), np.sort(held)
