"""Train some epochs of a run: a pure function of the segment it is given."""

from __future__ import annotations

import math
import time
from functools import lru_cache
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from dropstudy.engine import programs
from dropstudy.engine.network import Dense, Params
from dropstudy.engine.optimizers import AdamState, adam_settings
from dropstudy.engine.programs import Examples, Settings, State
from dropstudy.records import (
    ArrayFiles,
    EpochMetrics,
    FinalMetrics,
    Run,
    Segment,
    SegmentResult,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PARTS = ("weights", "m", "v")


def train_segment(segment: Segment) -> SegmentResult:
    """Train `segment.epochs` epochs from `segment.state`, or from the run's initial weights.

    The same segment gives the same result to the bit in the same environment, whatever trains beside it.

    Returns:
        History rows, the new state, and after the run's last epoch the final look at the test set.
    """
    run = segment.run
    train, test = _examples(segment.data, "train"), _examples(segment.data, "test")
    index = jnp.asarray(segment.train_index)
    if segment.validation_index is None:
        watched, watched_index = test, jnp.arange(test.x.shape[0], dtype=jnp.int32)
    else:
        watched, watched_index = train, jnp.asarray(segment.validation_index)
    settings = Settings(np.float32(run.arm.rate), np.uint32(run.seed), adam_settings(run.optimizer))
    training_type = jnp.bfloat16 if run.precision == "bfloat16" else jnp.float32

    state = _initial(run) if segment.state is None else _unpack(segment.state)
    history: list[EpochMetrics] = []
    diverged = False
    for epoch in range(segment.first_epoch, segment.first_epoch + segment.epochs):
        began = time.perf_counter()
        last = epoch + 1 == run.epochs
        state, running = programs.train_epoch(
            state, train, index, epoch, settings, batch_size=run.shape.batch_size, compute=training_type
        )
        # The weights that a user gets are float32, so the numbers that stay are measured in float32.
        compute = jnp.float32 if last else training_type
        clean_index = index if last else _evenly_spaced(index, test.x.shape[0])
        clean = programs.evaluate(state.params, train, clean_index, compute=compute)
        val = programs.evaluate(state.params, watched, watched_index, compute=compute)
        history.append(
            EpochMetrics(
                epoch + 1,
                *(float(value) for value in (*running, *val, *clean)),
                seconds=time.perf_counter() - began,
            )
        )
        diverged = not math.isfinite(history[-1].loss) or not math.isfinite(history[-1].clean_loss)
        if diverged:
            break

    finished = segment.first_epoch + len(history) == run.epochs
    final = _final(state.params, test) if finished and not diverged else None
    return SegmentResult(tuple(history), _pack(state), final, diverged, _device())


@lru_cache(maxsize=4)
def _examples(data: ArrayFiles, part: str) -> Examples:
    x = np.load(data.folder / f"x_{part}.npy", mmap_mode="r")
    y = np.load(data.folder / f"y_{part}.npy", mmap_mode="r")
    return Examples(jnp.asarray(x.reshape(len(x), -1)), jnp.asarray(y, jnp.int32), np.float32(data.scale))


def _evenly_spaced(index: jax.Array, count: int) -> jax.Array:
    """The fixed subset on which clean metrics are measured each epoch: every so-manieth training example."""
    n = index.shape[0]
    return index if count >= n else index[np.arange(count) * n // count]


def _initial(run: Run) -> State:
    return programs.start(np.uint32(run.seed), run.shape.widths)


def _final(params: Params, test: Examples) -> FinalMetrics:
    score = programs.evaluate(params, test, jnp.arange(test.x.shape[0], dtype=jnp.int32), compute=jnp.float32)
    answers = programs.answer(params, test)
    classes = params[-1].bias_O.shape[0]
    return FinalMetrics(
        loss=float(score.loss),
        accuracy=float(score.correct),
        brier=float(np.asarray(answers.brier, np.float64).mean()),
        labels=np.asarray(answers.label).astype(np.uint8 if classes <= 2**8 else np.uint16),
        confidence=np.asarray(answers.confidence).astype(np.float16),
        likelihood=np.asarray(answers.likelihood).astype(np.float16),
    )


def _pack(state: State) -> dict[str, NDArray[np.float32]]:
    parts = zip(_PARTS, (state.params, state.moments.m, state.moments.v), strict=True)
    return {
        f"{part}/dense_{number}/{field}": np.ascontiguousarray(array)
        for part, layers in parts
        for number, dense in enumerate(layers)
        # Outside this room a kernel has Keras' layout, (in, out).
        for field, array in (("kernel", np.asarray(dense.kernel_OxI).T), ("bias", np.asarray(dense.bias_O)))
    }


def _unpack(state: dict[str, NDArray[np.float32]]) -> State:
    depth = len(state) // (2 * len(_PARTS))

    def layers(part: str) -> Params:
        # A copy, because training consumes its state and the caller's arrays are not ours to consume.
        return tuple(
            Dense(
                jnp.array(state[f"{part}/dense_{number}/kernel"].T),
                jnp.array(state[f"{part}/dense_{number}/bias"]),
            )
            for number in range(depth)
        )

    weights, m, v = (layers(part) for part in _PARTS)
    return State(weights, AdamState(m, v))


def _device() -> str:
    device = jax.devices()[0]
    return f"{device.platform} {device.device_kind}"
