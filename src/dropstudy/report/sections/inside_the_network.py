"""Section 8: inside the networks. First-layer weights as images, active units, lengths of weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from dropstudy.analysis.stats.weights import active_shares, strongest_units, unit_norms
from dropstudy.analysis.verdict.phrases import quoted
from dropstudy.core.types import METRICS
from dropstudy.data.images import image_shape
from dropstudy.report import charts
from dropstudy.report.sections import conditions
from dropstudy.report.sections.blocks import Figure, Picture, Pictures, Section
from dropstudy.report.sections.images import data_address, tiles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dropstudy.core.types import Arm, Run, Weights
    from dropstudy.report.sections.blocks import Block
    from dropstudy.report.snapshot import Snapshot

MOST_SEEDS, MOST_ARMS, MOST_NETWORKS = 3, 12, 36
"""Limits on the weight files that are read: fewer seeds where there are many arms and conditions."""
UNITS, COLUMNS = 32, 8
TILE = 50
"""Pixels of the page for the longer side of one unit's weights."""
IN_GREY = "White excites, black inhibits, grey does neither."
IN_COLOUR = "Each of red, green and blue excites where it is bright, and inhibits where it is dark."
EXAMPLES = 2000
"""Test examples on which activations are measured."""


def _not_given(snapshot: Snapshot) -> tuple[str, ...]:
    """What a training function keeps to itself, or did not return."""
    kept = (
        "The training function keeps its networks to itself, so their weights and active units are left out."
    )
    if not snapshot.history[[*METRICS]].notna().any(axis=None):
        kept += " It told nothing of its epochs, so learning curves are left out."
    done = [run for run in snapshot.runs if snapshot.status[run.key] == "done"]
    read = (snapshot.predictions([run]) for run in done[:1])
    predictions = next(read, None)
    if not done or (predictions is not None and "confidence" in predictions):
        return (kept,)
    if predictions is not None:
        return (
            kept,
            "It returned predicted classes without probabilities, so their calibration is left out.",
        )
    left_out = "Which examples and classes change, calibration, and what other test examples may change are left out."
    return (kept, f"It returned scores without test predictions. {left_out}")


def inside_the_network(snapshot: Snapshot) -> Section | None:
    """First-layer weights, active units and lengths of weights of each arm and condition."""
    if (model := snapshot.spec.model) is not None and model.is_function:
        return Section(
            "inside",
            "Inside the networks",
            "What is not shown of a training function.",
            _not_given(snapshot),
            (),
        )
    if model is not None:
        paragraph = (
            f"The networks are those of the Keras model {quoted(model.name)}. What its layers mean is not known here, "
            "so their weights and active units are left out."
        )
        return Section(
            "inside", "Inside the networks", "What is not shown of a Keras model.", (paragraph,), ()
        )
    shown = snapshot.conditions[: conditions.MOST]
    arms = snapshot.arms[:MOST_ARMS]
    seeds = max(1, min(MOST_SEEDS, MOST_NETWORKS // max(1, len(shown) * len(arms))))
    blocks = [block for condition in shown for block in _blocks(snapshot, condition, arms, seeds)]
    if not blocks:
        return None
    known = "features look less like noise, and " if any(isinstance(b, Pictures) for b in blocks) else ""
    paragraph = (
        f"Dropout is known to make {known}fewer units active (Srivastava et al. 2014). "
        f"Here are {f'up to {seeds} seeds' if seeds > 1 else 'networks of one seed'} of each arm"
        f"{f', of the first {MOST_ARMS} arms' if len(snapshot.arms) > MOST_ARMS else ''}."
    )
    purpose = "What dropout changes in weights and hidden units."
    paragraphs = (paragraph, *conditions.left_out(snapshot))
    return Section("inside", "Inside the networks", purpose, paragraphs, tuple(blocks))


def _blocks(snapshot: Snapshot, condition: tuple[str, int], arms: Sequence[Arm], seeds: int) -> list[Block]:
    """Blocks of one condition; none without weights."""
    labels = charts.arm_labels(snapshot.arms)
    features, norms, active = [], [], []
    for arm in arms:
        networks = snapshot.networks(snapshot.finished(arm.name, condition), seeds)
        for number, (run, weights) in enumerate(networks):
            about = {"arm": labels[arm.name], "seed": run.seed}
            norms += [
                {**about, "layer": f"hidden layer {i}", "value": float(unit_norms(layer.kernel).mean())}
                for i, layer in enumerate(weights[:-1], start=1)
            ]
            active += [
                {**about, "layer": f"hidden layer {i}", "value": 100 * share}
                for i, share in enumerate(_active(snapshot, weights, run), start=1)
            ]
            if number == 0 and not conditions.folded(snapshot, condition):
                features += _features(snapshot, weights, labels[arm.name])
    blocks: list[Block] = []
    if features:
        blocks.append(
            Pictures(
                f"First-layer weights{conditions.title_suffix(snapshot, condition)}",
                tuple(features),
                f"The {UNITS} hidden units with the longest weights, first seed, each scaled by its largest weight. "
                f"{IN_COLOUR if list(snapshot.metadata['input_shape'])[2:] == [3] else IN_GREY}",
            )
        )
    for make, rows in ((_active_units, active), (_weight_norms, norms)):
        if rows:
            blocks.append(
                conditions.of_condition(snapshot, condition, make(snapshot.arms, pd.DataFrame(rows)))
            )
    return blocks


def _active_units(arms: Sequence[Arm], table: pd.DataFrame) -> Figure:
    words = "Share of hidden units above zero for a test example, by arm and layer."
    return Figure(
        name="active-units",
        title="Active units",
        chart=charts.by_layer(table, arms, title="Active units (%)", words=words, form=".1f"),
        caption=f"Share of a layer's units above zero, mean over up to {EXAMPLES:,} test examples. A point is "
        "a network.",
        table=table,
        sample=conditions.sample(table.groupby("arm")["seed"].nunique()),
    )


def _weight_norms(arms: Sequence[Arm], table: pd.DataFrame) -> Figure:
    words = "Mean Euclidean length of the weights into a hidden unit, by arm and layer."
    return Figure(
        name="weight-norms",
        title="Length of weights",
        chart=charts.by_layer(table, arms, title="Length of a unit's weights", words=words),
        caption="Mean Euclidean length of the weights into a unit; a point is a network.",
        table=table,
        sample=conditions.sample(table.groupby("arm")["seed"].nunique()),
    )


def _active(snapshot: Snapshot, weights: Weights, run: Run) -> list[float]:
    """Shares of active units; none for activations that have no zero to be above."""
    test = snapshot.test_set
    if test is None or run.activation != "relu":
        return []
    from dropstudy.models.predict import hidden_activations  # noqa: PLC0415 - few sections need a network

    inputs = snapshot.test_inputs(run, test, EXAMPLES)
    layers = hidden_activations(weights, inputs, activation=run.activation, scale=test.scale)
    return active_shares(layers)


def _features(snapshot: Snapshot, weights: Weights, label: str) -> list[Picture]:
    shape = image_shape(snapshot.metadata["input_shape"])
    if shape is None:
        return []
    kernel = weights[0].kernel
    units = strongest_units(kernel, UNITS)
    sheet = tiles(kernel[:, units].T.reshape(-1, *shape), COLUMNS)
    zoom = TILE / max(shape[:2])
    width, height = round(sheet.shape[1] * zoom), round(sheet.shape[0] * zoom)
    return [
        Picture(
            data_address(sheet, width, height),
            width,
            height,
            f"First-layer weights of {len(units)} hidden units of {label}.",
            (label,),
        )
    ]
