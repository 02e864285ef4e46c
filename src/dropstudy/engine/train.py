"""Train some epochs of a group of runs: a pure function of the segments it is given."""

from __future__ import annotations

import math
import time
from functools import lru_cache
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from dropstudy.engine import programs
from dropstudy.engine.network import BatchScore, Dense, Params
from dropstudy.engine.optimizers import Moments
from dropstudy.engine.programs import Examples, State
from dropstudy.engine.recipe import recipe_of, settings_of, stacked
from dropstudy.records import METRICS, ArrayFiles, EpochMetrics, FinalMetrics, Segment, SegmentResult

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Arrays = dict[str, NDArray[np.float32]]

_PARTS = ("weights", "m", "v")


def train_segment(segment: Segment) -> SegmentResult:
    """Train a run by itself; see `train_group`."""
    return train_group((segment,))[0]


def train_group(segments: tuple[Segment, ...]) -> tuple[SegmentResult, ...]:
    """Train the epochs of several runs side by side.

    A run's result does not depend on its company: its draws are the same to the bit, its numbers up to the order in
    which floats are added. The same segments give the same result to the bit in the same environment.

    Args:
        segments: one a lane, of runs of one shape, activation, optimiser and precision, at the same epoch.

    Returns:
        For each lane history rows, the new state, and after the run's last epoch the final look at the test set. A
        lane whose loss is no longer finite ends there; the others go on.
    """
    lead = segments[0]
    run = lead.run
    train, test = _examples(lead.data, "train"), _examples(lead.data, "test")
    index = _rows([segment.train_index for segment in segments])
    test_index = _rows([np.arange(test.x.shape[0], dtype=np.int32)] * len(segments))
    held_out = [segment.validation_index for segment in segments]
    watches_test = lead.validation_index is None
    watched, watched_index = (test, test_index) if watches_test else (train, _rows(held_out))
    recipe = recipe_of([segment.run for segment in segments])
    settings = stacked([settings_of(segment.run) for segment in segments])

    # As large as the test set, or all there are.
    count = min(test.x.shape[0], index.shape[1])
    sample = programs.sample(settings.seed, index, count=count)
    state = (
        _initial(segments) if lead.state is None else _unpack([segment.state or {} for segment in segments])
    )
    histories: list[list[EpochMetrics]] = [[] for _ in segments]
    for epoch in range(lead.first_epoch, lead.first_epoch + lead.epochs):
        began = time.perf_counter()
        last = epoch + 1 == run.epochs
        state, running = programs.train_epoch(state, train, index, epoch, settings, recipe=recipe)
        # The weights that a user gets are float32, so the numbers that stay are measured in float32.
        compute = "float32" if last else recipe.compute
        clean_index = index if last else sample
        clean = programs.evaluate(
            state.params, train, clean_index, compute=compute, activation=run.activation
        )
        val = programs.evaluate(
            state.params, watched, watched_index, compute=compute, activation=run.activation
        )
        scores = ((running, index), (val, watched_index), (clean, clean_index))
        rows = np.concatenate([_means(score, which.shape[1]) for score, which in scores], axis=1)
        seconds = time.perf_counter() - began
        for history, row in zip(histories, rows.tolist(), strict=True):
            if not history or _finite(history[-1]):
                metrics = dict(zip(METRICS, row, strict=True))
                history.append(EpochMetrics(epoch + 1, **metrics, seconds=seconds))
        if not any(_finite(history[-1]) for history in histories):
            break

    finished = lead.first_epoch + lead.epochs == run.epochs
    finals = _finals(state.params, test, run.activation) if finished else None
    results = []
    for lane, history in enumerate(histories):
        diverged = not _finite(history[-1])
        final = None if finals is None or diverged else finals[lane]
        results.append(SegmentResult(tuple(history), _pack(state, lane), final, diverged, device_name()))
    return tuple(results)


def _finite(row: EpochMetrics) -> bool:
    return math.isfinite(row.loss) and math.isfinite(row.clean_loss)


@lru_cache(maxsize=4)
def _examples(data: ArrayFiles, part: str) -> Examples:
    x = np.load(data.folder / f"x_{part}.npy", mmap_mode="r")
    y = np.load(data.folder / f"y_{part}.npy", mmap_mode="r")
    # device_put, not asarray: on a CPU it takes the mapped file as it lies, so that all workers share one copy.
    pixels = jax.device_put(x.reshape(len(x), -1))
    return Examples(pixels, jnp.asarray(y, jnp.int32), np.float32(data.scale))


def _rows(indices: list[NDArray[np.int32] | None] | list[NDArray[np.int32]]) -> jax.Array:
    return jnp.asarray(np.stack([np.asarray(index, np.int32) for index in indices]))


def _means(score: BatchScore, examples: int) -> NDArray[np.float64]:
    """Mean loss and accuracy, (lanes, 2). In double precision, so that 9,807 of 10,000 reads 0.9807."""
    return np.stack([np.asarray(total, np.float64) / examples for total in score], axis=1)


def _initial(segments: tuple[Segment, ...]) -> State:
    run = segments[0].run
    seeds = jnp.asarray([segment.run.seed for segment in segments], jnp.uint32)
    state: State = programs.start(seeds, widths=run.shape.widths, optimizer=run.optimizer.name)
    return state


def _finals(params: Params, test: Examples, activation: str) -> list[FinalMetrics]:
    """Each lane's look at the test set, in one pass."""
    answers = programs.answer(params, test, activation=activation)
    lanes, classes = params[-1].bias_O.shape
    loss, brier = np.asarray(answers.loss, np.float64), np.asarray(answers.brier, np.float64)
    labels, y = np.asarray(answers.label), np.asarray(test.y)
    return [
        FinalMetrics(
            loss=float(loss[lane].mean()),
            accuracy=float((labels[lane] == y).mean()),
            brier=float(brier[lane].mean()),
            labels=labels[lane].astype(np.uint8 if classes <= 2**8 else np.uint16),
            confidence=np.asarray(answers.confidence[lane]).astype(np.float16),
            likelihood=np.asarray(answers.likelihood[lane]).astype(np.float16),
        )
        for lane in range(lanes)
    ]


def _pack(state: State, lane: int) -> Arrays:
    """One lane's state by name. Outside this room a kernel has Keras' layout, (in, out)."""
    arrays: Arrays = {}
    for part, layers in zip(_PARTS, (state.params, *state.moments), strict=True):
        for number, dense in enumerate(layers or ()):
            arrays[f"{part}/dense_{number}/kernel"] = np.ascontiguousarray(
                np.asarray(dense.kernel_OxI[lane]).T
            )
            arrays[f"{part}/dense_{number}/bias"] = np.asarray(dense.bias_O[lane])
    return arrays


def _unpack(lanes: list[Arrays]) -> State:
    """The group's state. Its arrays are copies, because training consumes them and the caller's are not ours to."""

    def layers(part: str) -> Params | None:
        depth = sum(name.startswith(f"{part}/") for name in lanes[0]) // 2
        if depth == 0:
            return None
        return tuple(
            Dense(
                jnp.array(np.stack([arrays[f"{part}/dense_{number}/kernel"].T for arrays in lanes])),
                jnp.array(np.stack([arrays[f"{part}/dense_{number}/bias"] for arrays in lanes])),
            )
            for number in range(depth)
        )

    weights, m, v = (layers(part) for part in _PARTS)
    if weights is None or m is None:
        raise ValueError("a state without weights or moments")
    return State(weights, Moments(m, v))


def device_name() -> str:
    """What this process trains on, for people."""
    device = jax.devices()[0]
    return f"{device.platform} ({device.device_kind})"
