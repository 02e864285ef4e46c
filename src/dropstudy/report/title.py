"""Title of a report, such as "Dropout on MNIST, 784-512-512-10: rates 0 and 0.8", and the line below it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from dropstudy.analysis.verdict.phrases import MOST_LISTED, is_dropout, listed, quoted
from dropstudy.core.text import counted, plain_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dropstudy.core.types import Arm
    from dropstudy.report.snapshot import Snapshot

DATA = {
    "mnist": "MNIST",
    "fashion_mnist": "Fashion-MNIST",
    "kmnist": "Kuzushiji-MNIST",
    "qmnist": "QMNIST",
    "cifar10": "CIFAR-10",
    **{
        f"emnist/{split}": f"EMNIST {split}"
        for split in ("balanced", "letters", "digits", "mnist", "byclass", "bymerge")
    },
}
"""Names of data as their makers write them."""

MOST_NETWORKS = 2
"""Networks or training sizes that a title names; more are counted."""

LONGEST_NAME = 24
"""Letters of the longest name of an arm in a title."""


def title(snapshot: Snapshot) -> str:
    """Title of a study's page: what is compared, on which data and networks."""
    conditions = [run.condition for run in snapshot.runs]
    topic = "Dropout" if any(arm.rate or arm.input_rate for arm in snapshot.arms) else "Regularisation"
    data = None if snapshot.has_own_data else data_name(snapshot)
    sizes = list(dict.fromkeys(f"{condition.train_size:,}" for condition in conditions))
    examples = f", {_few(sizes, 'training size', ' training examples')}" if len(sizes) > 1 else ""
    networks = list(dict.fromkeys(condition.title for condition in conditions))
    on_data = topic if data is None else f"{topic} on {data}"
    where = ", ".join(filter(None, (on_data, _few(networks, "network")))) + examples
    return f"{where}: {compared(snapshot.arms)}"


def data_name(snapshot: Snapshot) -> str:
    """Name of a study's data in a sentence."""
    return plain_name(DATA.get(snapshot.metadata["data"], snapshot.metadata["data"]))


def _few(names: Sequence[str], noun: str, ending: str = "") -> str:
    return (
        counted(len(names), noun) if len(names) > MOST_NETWORKS else listed([*names]) + ending * bool(names)
    )


def compared(arms: Sequence[Arm]) -> str:
    """What arms are in a title: their rates where they differ in nothing else."""
    if all(map(is_dropout, arms)):
        rates = [f"{arm.common_rate:g}" for arm in arms]
        if len(rates) > MOST_LISTED:
            return f"{len(rates)} rates from {min(rates, key=float)} to {max(rates, key=float)}"
        return f"{'rate' if len(rates) == 1 else 'rates'} {listed(rates)}"
    # A name with a comma, such as "dropout 0.2, 0.5", would be two in a list.
    names = [quoted(arm.name) if "," in arm.name else plain_name(arm.name) for arm in arms]
    if len(arms) > MOST_LISTED or max(map(len, names)) > LONGEST_NAME:
        return counted(len(arms), "arm")
    return listed(names)


def about(snapshot: Snapshot) -> str:
    """The study in a line: training examples, arms, seeds, epochs, and how many runs have finished."""
    sizes = [size for _, size in snapshot.conditions]
    size = f"{min(sizes):,} to {max(sizes):,}" if len(set(sizes)) > 1 else f"{max(sizes, default=0):,}"
    seeds = {*Counter((run.arm, run.condition) for run in snapshot.runs).values()} or {0}
    parts = (
        *([] if snapshot.has_own_data else [f"{size} training examples"]),
        counted(len(snapshot.arms), "arm"),
        f"{min(seeds)} to {counted(max(seeds), 'seed')}" if len(seeds) > 1 else counted(max(seeds), "seed"),
        *([] if snapshot.spec.of_function else [counted(snapshot.spec.epochs, "epoch")]),
        f"{len(snapshot.finals):,} of {counted(len(snapshot.runs), 'run')} finished",
    )
    return " · ".join(parts)
