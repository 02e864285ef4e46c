"""Section 8: inside the networks. First-layer weights as images, active units, lengths of weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from dropstudy import charts
from dropstudy.report.parts import Figure, Picture, Pictures, Section
from dropstudy.report.pixels import data_address, tiles
from dropstudy.stats.inside import active_shares, strongest_units, unit_norms

if TYPE_CHECKING:
    from dropstudy.records import Weights
    from dropstudy.report.parts import Block
    from dropstudy.report.source import Source

MOST_SEEDS = 3
MOST_ARMS = 12
"""Weights are large files; more networks than these are not opened."""
UNITS, COLUMNS = 32, 8
TILE = 50
"""Pixels of the page for the longer side of one unit's weights."""
EXAMPLES = 2000
"""Test examples on which activations are measured."""


def inside(source: Source) -> Section | None:
    """What the 2014 paper showed of features and sparsity, for each arm of the study's first shape."""
    if not source.shapes:
        return None
    shape = source.shapes[0]
    labels = charts.arm_labels(source.arms)
    features, norms, active = [], [], []
    for arm in source.arms[:MOST_ARMS]:
        networks = source.networks(source.finished(arm.name, shape), MOST_SEEDS)
        for number, (run, weights) in enumerate(networks):
            about = {"arm": labels[arm.name], "seed": run.seed}
            norms += [
                {**about, "layer": f"hidden layer {i}", "value": float(unit_norms(layer.kernel).mean())}
                for i, layer in enumerate(weights[:-1], start=1)
            ]
            active += [
                {**about, "layer": f"hidden layer {i}", "value": 100 * share}
                for i, share in enumerate(_active(source, weights, run.activation), start=1)
            ]
            if number == 0:
                features += _features(source, weights, labels[arm.name])
    if not norms:
        return None
    paragraph = (
        "The paper that introduced dropout (Srivastava et al. 2014, section 7) found that features learned with it "
        "look less like noise, and that fewer units are active for an example. Here is what these networks show; up to "
        f"{MOST_SEEDS} seeds of each arm."
    )
    return Section(
        "inside", "Inside the networks", (paragraph,), tuple(_blocks(source, features, norms, active))
    )


def _blocks(
    source: Source, features: list[Picture], norms: list[dict[str, object]], active: list[dict[str, object]]
) -> list[Block]:
    blocks: list[Block] = []
    if features:
        blocks.append(
            Pictures(
                "First-layer weights",
                tuple(features),
                f"The {UNITS} hidden units with the longest weights, first seed; each scaled by its own largest "
                "weight: white excites, black inhibits, grey does neither.",
            )
        )
    if active:
        table = pd.DataFrame(active)
        blocks.append(
            Figure(
                name="active-units",
                title="Active units",
                chart=charts.by_layer(
                    table,
                    source.arms,
                    title="Active units (%)",
                    words="Share of hidden units above zero for a test example, by arm and layer.",
                    form=".1f",
                ),
                caption=f"Share of a layer's units above zero, mean over up to {EXAMPLES:,} test examples. A point is "
                "a network.",
                table=table,
            )
        )
    table = pd.DataFrame(norms)
    blocks.append(
        Figure(
            name="weight-norms",
            title="Length of weights",
            chart=charts.by_layer(
                table,
                source.arms,
                title="Length of a unit's weights",
                words="Mean Euclidean length of the weights into a hidden unit, by arm and layer.",
            ),
            caption="Mean Euclidean length of the weights into a unit; a point is a network.",
            table=table,
        )
    )
    return blocks


def _active(source: Source, weights: Weights, activation: str) -> list[float]:
    """Shares of active units; none for activations that have no zero to be above."""
    test = source.test_set
    if test is None or activation != "relu":
        return []
    from dropstudy import models  # noqa: PLC0415 - few sections need a network

    layers = models.activations(weights, test.x[:EXAMPLES], activation=activation, scale=test.scale)
    return active_shares(layers)


def _features(source: Source, weights: Weights, label: str) -> list[Picture]:
    height, width, *channels = (
        source.facts["input_shape"] if len(source.facts["input_shape"]) > 1 else (0, 0, 0)
    )
    if not height or channels not in ([], [1]):
        return []
    kernel = weights[0].kernel
    units = strongest_units(kernel, UNITS)
    sheet = tiles(kernel[:, units].T.reshape(-1, height, width), COLUMNS)
    zoom = TILE / max(height, width)
    return [
        Picture(
            data_address(sheet),
            round(sheet.shape[1] * zoom),
            round(sheet.shape[0] * zoom),
            f"First-layer weights of {len(units)} hidden units of {label}.",
            (label,),
        )
    ]
