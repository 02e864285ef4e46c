"""Number of runs that fit in a device's memory side by side, computed from array sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax

from dropstudy.engine.mlp.rules import EVALUATION_ROWS

if TYPE_CHECKING:
    from dropstudy.core.types import Run

SHARE = 0.75
"""Usable share of the free memory; XLA needs the rest."""

_MAX_LANES = 256  # with fewer the device is already fully used


def lanes_that_fit(run: Run, data_bytes: int) -> int:
    """Number of runs like this one that fit beside the data on this process's device.

    Args:
        run: one of them.
        data_bytes: size of the data, which all lanes share.

    Returns:
        At least 1; on a CPU exactly 1, because there lanes are slower than one run after another.
    """
    device = jax.devices()[0]
    if device.platform == "cpu":
        return 1
    stats = device.memory_stats() or {}
    free = stats.get("bytes_limit", 0) - stats.get("bytes_in_use", 0)
    return max(1, min(_MAX_LANES, int((SHARE * free - data_bytes) / lane_bytes(run))))


def lane_bytes(run: Run) -> int:
    """Bytes of one lane: state and its copy during a step, gradients, operands, activations, order of the rows."""
    condition = run.condition
    weights = 4 * condition.parameters
    moments = 2 if run.optimizer.name == "adam" else 1
    state = weights * (1 + moments)
    operands = 2 * weights // (2 if run.precision == "bfloat16" else 1)
    # Each unit has a product, a draw, an output and a gradient; the inputs exist as stored and scaled.
    units = sum(condition.widths[1:])
    batch = 4 * condition.batch_size * (4 * units + 2 * condition.features)
    evaluation = 4 * EVALUATION_ROWS * (2 * max(condition.widths[1:]) + 2 * condition.features)
    rows = 4 * 6 * condition.train_size
    # Of test and validation examples, which are fewer.
    probabilities = 4 * condition.classes * condition.train_size
    best = 2 * weights if run.restore_best_weights else 0  # the best weights and their replacement
    return 2 * state + best + weights + operands + max(batch, evaluation) + rows + probabilities
