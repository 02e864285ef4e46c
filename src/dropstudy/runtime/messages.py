"""Messages about a study: announcement and warnings before training, outcomes of runs."""

from __future__ import annotations

import shlex
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np

from dropstudy.core.metrics import imbalance_hint, metric_of
from dropstudy.core.text import counted
from dropstudy.core.types import Arm
from dropstudy.data import describe
from dropstudy.spec import presets, splits
from dropstudy.spec.arms import has_choice
from dropstudy.spec.data_names import OWN_DATA
from dropstudy.store.paths import named

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dropstudy.core.dataset import Dataset
    from dropstudy.core.types import Condition, Run, StudySpec

LARGE_RATE = 0.5
"""Rates above are warned about."""

FALLBACK = (
    "MNIST was not found. This study uses scikit-learn's 8x8 digits in its place: small images that train in seconds.",
    "Where MNIST is searched for: dropstudy data mnist",
)
REPLACED = "MNIST was not found: this is about the 8x8 digits of scikit-learn, not about MNIST"


def mnist_folder(folder: Path) -> Path:
    """Folder for a study of MNIST like the one in a folder, whose data stand in for it."""
    folder = named(folder)
    return folder.with_name("mnist" if folder.name == "notebook" else f"{folder.name}-mnist")


def _on_mnist(spec: StudySpec, folder: Path) -> str:
    preset = f" {spec.name}" if spec.name in presets.names() else ""
    return f"dropstudy run{preset} --data mnist --out {shlex.quote(str(mnist_folder(folder)))}"


def announcement(
    spec: StudySpec,
    dataset: Dataset,
    runs: Sequence[Run],
    folder: Path,
    *,
    fallback: bool,
    added: Sequence[str] = (),
) -> list[str]:
    """Describe the data, the networks and the runs to train, with warnings.

    Args:
        spec: the study.
        dataset: its data.
        runs: runs to train, one or more.
        folder: the study's folder.
        fallback: true if the data replace MNIST.
        added: additions to the study, from `merge.additions`.
    """
    lines = [*FALLBACK, f"Once it is there, a study of it: {_on_mnist(spec, folder)}"] if fallback else []
    if not added:  # else the data were described when the study began
        lines += describe.shapes(dataset, flat=spec.model is None) if dataset.name != OWN_DATA else []
    lines += [f"The study grows: {'; '.join(added)}."] if added else []
    lines += [
        large_rate(rate)
        for rate in dict.fromkeys(rate for arm in spec.arms for rate in arm.rates)
        if rate > LARGE_RATE
    ]
    counts = np.bincount(dataset.y_train, minlength=len(dataset.classes)).tolist()
    lines += filter(None, [imbalance_hint(counts, dataset.classes, metric_of(spec))])
    if spec.watches_test:
        lines.append(
            "This study watches the test set every epoch (val_* is test data): nothing may be selected on it."
        )
        if has_choice(spec.arms):
            lines.append(
                "So it cannot choose among its rates. A new study with validation data can: "
                "--validation-split 0.15."
            )
    lines += splits.missing_classes(spec, dataset.y_train, dataset.classes)
    conditions = list(dict.fromkeys(run.condition for run in runs))
    lines += filter(None, [_training_examples(spec, conditions, len(dataset.y_train))])
    lines += only_arm(spec)
    settings = f" of {counted(spec.epochs, 'epoch')}, precision {spec.precision}"
    function = spec.of_function
    lines.append(
        f"{networks(conditions)}; {counted(len(runs), 'run')}{'' if function else settings}; study in {folder}"
    )
    if spec.model is not None and not function:
        lines.append(f"The rate moves {', '.join(spec.model.noise)}. Optimiser: {spec.model.optimizer}.")
    return lines


def only_arm(spec: StudySpec) -> list[str]:
    """Line on an arm that has none beside it, with the flag that adds one; none where arms are compared."""
    if len(spec.arms) > 1:
        return []
    (arm,) = spec.arms
    flag = "--arms"
    if arm == Arm(arm.name, arm.rate) and isfinite(arm.common_rate):
        flag = f"--rates 0,{arm.common_rate or 0.5:g}"
    return [f"{arm.name!r} is the only arm, so nothing is compared. To compare it with another one: {flag}"]


def _training_examples(spec: StudySpec, conditions: Sequence[Condition], available: int) -> str:
    """How many examples each network trains on; empty where these are all, or a function's own."""
    sizes = list(dict.fromkeys(condition.train_size for condition in conditions))
    if spec.of_function or sizes == [available]:
        return ""
    held = splits.validation_count(spec, available)
    validation = f"; {held:,} are held out for validation" if held else ""
    return f"Training on {' and '.join(f'{size:,}' for size in sizes)} of {available:,} examples{validation}."


def networks(conditions: Sequence[Condition]) -> str:
    """The networks and training sizes of conditions: "Network 784-512-10, 407,050 parameters"."""
    each = list(dict.fromkeys(condition.network for condition in conditions))
    sizes = list(dict.fromkeys(condition.train_size for condition in conditions))
    words = f"{'Network' if len(each) == 1 else 'Networks'} {'; '.join(each)}"
    if conditions[0].model is not None and conditions[0].model.is_function:
        words = f"Training function {conditions[0].model.function}"
    if len(sizes) > 1:
        words += f"; trained on {', '.join(f'{size:,}' for size in sizes[:-1])} and {sizes[-1]:,} examples"
    return words


def large_rate(rate: float) -> str:
    """Warn that a rate is the share dropped, not kept."""
    dropped, kept = f"{100 * rate:.10g}%", f"{100 * (1 - rate):.10g}%"
    return (
        f"Large dropout rate: {rate} (drops {dropped}, keeps {kept}). `rate` is the share dropped, not kept: "
        f"if {dropped} was to be kept, the rate is {1 - rate:.10g}."
    )


def run_ended(run: Run, status: str, cause: str) -> str:
    """Outcome of a run that did not finish."""
    kept = "traceback" if run.of_function and status == "failed" else "history"
    return f"{run_name(run)} {status}: {cause.rstrip('.')}. Its {kept} is saved; the other runs continue."


def run_name(run: Run) -> str:
    """A run by its arm and seed: "'dropout 0.8', seed 0"."""
    return f"'{run.arm.name}', seed {run.seed}"


def run_names(runs: Sequence[Run], most: int = 3) -> str:
    """The first runs by name, and how many more: "'dropout 0.8', seed 0; 'dropout 0.8', seed 1 and 4 more"."""
    names = [run_name(run) for run in runs[:most]]
    names += [f"{len(runs) - most} more"] if len(runs) > most else []
    return names[0] if len(names) == 1 else f"{'; '.join(names[:-1])} and {names[-1]}"
