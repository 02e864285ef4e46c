"""Number of runs that fit in a device's memory side by side, computed from array sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax

from dropstudy.engine.mlp.programs import EVALUATION_ROWS

if TYPE_CHECKING:
    from dropstudy.core.types import Run

SHARE = 0.75
"""Usable share of the free memory: XLA needs some for itself."""

_MOST_LANES = 256
"""Beyond it nothing is gained: the device is full long before."""


def lanes_that_fit(run: Run, data_bytes: int) -> int:
    """Runs like this one that fit beside the data in the memory of this process' device.

    Args:
        run: one of them.
        data_bytes: what all lanes share.

    Returns:
        At least 1. On a CPU exactly 1: there lanes are slower than runs one after another.
    """
    device = jax.devices()[0]
    if device.platform == "cpu":
        return 1
    stats = device.memory_stats() or {}
    free = stats.get("bytes_limit", 0) - stats.get("bytes_in_use", 0)
    return max(1, min(_MOST_LANES, int((SHARE * free - data_bytes) / lane_bytes(run))))


def lane_bytes(run: Run) -> int:
    """Bytes of one lane: state, its copy while a step is taken, gradients, operands, activations, order of the rows."""
    # And the best weights so far, where a run keeps them, beside those that take their place.
    condition = run.condition
    weights = 4 * condition.parameters
    moments = 2 if run.optimizer.name == "adam" else 1
    state = weights * (1 + moments)
    operands = 2 * weights // (2 if run.precision == "bfloat16" else 1)
    # Of every unit the product, the draw, the output and its gradient; the inputs once scaled.
    units = sum(condition.widths[1:])
    batch = 4 * condition.batch_size * (4 * units + 2 * condition.features)
    evaluation = 4 * EVALUATION_ROWS * (2 * max(condition.widths[1:]) + 2 * condition.features)
    rows = 4 * 6 * condition.train_size
    best = 2 * weights if run.restore_best_weights else 0
    return 2 * state + best + weights + operands + max(batch, evaluation) + rows
