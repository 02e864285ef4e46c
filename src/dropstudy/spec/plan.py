"""Plan of a study: the runs of a specification on a dataset, and their keys."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Protocol

from dropstudy.core.types import Condition, Run
from dropstudy.errors import InvalidArgument
from dropstudy.spec.splits import training_sizes

if TYPE_CHECKING:
    from typing import Literal

    from dropstudy.core.dataset import Dataset
    from dropstudy.core.types import Arm, StudySpec

SEMANTICS = 1
"""Version of docs/semantics.md: raised when a specification trains to other numbers than before."""


def plan_runs(
    spec: StudySpec, dataset: Dataset, precision: Literal["float32", "bfloat16"]
) -> tuple[Run, ...]:
    """Plan every seed x condition x arm of a study, in this order.

    Args:
        spec: the study.
        dataset: its data.
        precision: precision of training; what `auto` is on this machine.

    Raises:
        InvalidArgument: the data have too few examples for the batch size or the validation data.
    """
    return tuple(
        Run(
            key=run_key(spec, dataset, condition, arm, seed=seed, precision=precision),
            arm=arm,
            condition=condition,
            seed=seed,
            activation=spec.activation,
            optimizer=spec.optimizer,
            epochs=spec.epochs,
            validation_split=spec.validation_split,
            precision=precision,
            restore_best_weights=spec.restore_best_weights,
            patience=spec.patience,
            redraw=spec.redraw,
        )
        for seed in spec.seeds
        for condition in conditions(spec, dataset)
        for arm in spec.arms
    )


def conditions(spec: StudySpec, dataset: Dataset) -> tuple[Condition, ...]:
    """Every network x training size of a study.

    Raises:
        InvalidArgument: the data have too few examples for the batch size, the validation data or a training size.
    """
    sizes = training_sizes(spec, len(dataset.y_train))
    if spec.batch_size > min(sizes):
        raise InvalidArgument(
            "batch_size",
            expected=f"at most the {min(sizes)} training examples of {dataset.name}"
            + (" that the smallest of --train-sizes has" if len(sizes) > 1 else ""),
            received=str(spec.batch_size),
            next_step=f"Use a smaller one, for instance --batch-size={max(1, min(sizes) // 4)}.",
        )
    return tuple(
        Condition(dataset.features, network, len(dataset.classes), size, spec.batch_size, spec.model)
        for network in spec.hidden
        for size in sizes
    )


class Data(Protocol):
    """Properties of a dataset that a run's numbers depend on: a `Dataset`, or its record in a study."""

    @property
    def sha256(self) -> str:
        """Digest of its content."""

    @property
    def scale(self) -> float:
        """The network sees its examples divided by this."""


def run_key(
    spec: StudySpec, dataset: Data, condition: Condition, arm: Arm, *, seed: int, precision: str
) -> str:
    """SHA-256 of a run's canonical specification: all that its numbers depend on, and nothing else.

    It excludes the arm's name, host, path, worker and device.
    """
    settings = asdict(arm)
    del settings["name"]
    shape = asdict(condition)
    del shape["model"]
    canonical = {
        "semantics": SEMANTICS,
        "data": dataset.sha256,
        "preprocessing": {"flatten": True, "divide_by": dataset.scale},
        "shape": shape,
        "activation": spec.activation,
        "arm": settings,
        "optimizer": asdict(spec.optimizer),
        "epochs": spec.epochs,
        "validation": spec.validation_split,
        "seed": seed,
        "precision": precision,
    }
    # The names and values of this text do not follow a field that is renamed: they would change every key. Fields that
    # were added later are left out at their default, for the same reason.
    if condition.model is not None:
        canonical["model"] = condition.model.sha256
    if spec.fixed_validation:
        canonical["validation_split"] = "fixed"
    if spec.restore_best_weights:
        canonical["restore_best"] = {"patience": spec.patience}
    if spec.redraw is not None:
        canonical["redraw"] = spec.redraw
    return hashlib.sha256(json.dumps(canonical, sort_keys=True).encode()).hexdigest()
