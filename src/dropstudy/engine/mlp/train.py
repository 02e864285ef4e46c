"""Take some training steps of a group of runs: a pure function of the segments it is given."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from dropstudy.core.types import METRICS, EpochMetrics, FinalMetrics, Segment, SegmentResult
from dropstudy.engine.mlp import programs
from dropstudy.engine.mlp.config import stacked, static_config, traced_config
from dropstudy.engine.mlp.early_stopping import BestEpoch
from dropstudy.engine.mlp.inputs import InputColumns, can_skip_zero_inputs, test_examples, train_examples
from dropstudy.engine.mlp.state import State, epoch_seconds, pack, reset_sums, unpack

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dropstudy.engine.mlp.network import BatchScore, Params


def train_segment(segment: Segment) -> SegmentResult:
    """Train a run by itself; see `train_group`."""
    return train_group((segment,))[0]


def train_group(segments: tuple[Segment, ...]) -> tuple[SegmentResult, ...]:
    """Take the steps of several runs side by side.

    A run's result does not depend on its company: its draws are the same to the bit, its numbers up to the order in
    which floats are added. The same segments give the same result to the bit in the same environment, and so do
    segments that cut the same runs elsewhere.

    Args:
        segments: one a lane, of runs of one condition, activation, optimiser and precision, with as many steps done.

    Returns:
        For each lane history rows, the new state, and where the run has ended what its network amounts to. A run ends
        at its last epoch, or when its patience is exhausted, or where its loss is no longer finite; the others go on.
    """
    group = _Group(segments)
    lead, steps = segments[0], segments[0].run.condition.steps
    done, until = lead.done, lead.done + lead.steps
    while done < until and group.training:
        epoch, first = divmod(done, steps)
        count = min(until - done, steps - first)
        group.take(epoch, first, count)
        done += count
        if first + count == steps:
            group.end_epoch(epoch)
    return group.results(done)


class _Group:
    """Runs that train side by side; what they share, and what became of each so far."""

    def __init__(self, segments: tuple[Segment, ...]) -> None:
        self.began = self.epoch_began = time.perf_counter()
        lead = segments[0]
        self.segments, self.run = segments, lead.run
        runs = [segment.run for segment in segments]
        self.static = static_config(runs)
        self.in_float32 = self.static.products._replace(compute="float32")
        self.traced = stacked([traced_config(run) for run in runs])
        self.train, used = train_examples(lead.data, narrow=can_skip_zero_inputs(self.static))
        self.test = test_examples(lead.data)
        self.index = _rows([segment.train_index for segment in segments])
        self.test_index = _rows([np.arange(self.test.x.shape[0], dtype=np.int32)] * len(segments))
        held_out = [segment.validation_index for segment in segments]
        self.watches_test = lead.validation_index is None
        self.watched_index = self.test_index if self.watches_test else _rows(held_out)
        # As large as the test set, or all there are.
        count = min(self.test.x.shape[0], self.index.shape[1])
        self.sample = programs.sample(self.traced.seed, self.index, count=count)
        self.histories: list[list[EpochMetrics]] = [[] for _ in segments]
        self.ended = [False] * len(segments)
        named = [segment.state for segment in segments if segment.state is not None]
        state = unpack(named) if named else self._first_state()
        self.best = BestEpoch.of(runs, named, state.params) if self.run.restore_best_weights else None
        self.columns = InputColumns(used, jnp.copy(state.params[0].kernel_OxI))
        self.state = self.columns.narrow(state)
        self.epoch_began -= epoch_seconds(named[0]) if named else 0
        self.on_all: tuple[BatchScore, BatchScore] | None = None

    @property
    def training(self) -> bool:
        """True while a run has not ended."""
        return not all(self.ended)

    def take(self, epoch: int, first: int, count: int) -> None:
        """Take `count` steps of an epoch, of which `first` are taken already."""
        self.state = programs.train_steps(
            self.state,
            self.train,
            self.index,
            self.traced,
            epoch=epoch,
            first=first,
            count=count,
            static=self.static,
        )

    def end_epoch(self, epoch: int) -> None:
        """Measure, and see which runs end here. A run that has ended is trained on beside the others, and forgotten."""
        last = epoch + 1 == self.run.epochs
        params, activation = self.state.params, self.run.activation
        # The weights that a user gets are float32, so the numbers that stay are measured in float32.
        products = self.in_float32 if last else self.static.products
        clean_index = self.index if last else self.sample
        if last and not self.best:  # or else the weights that stay may be those of another epoch
            self.on_all = self._on_all(params, [epoch + 1] * len(self.ended))
            clean = self.on_all[0]
        else:
            clean = programs.evaluate(
                params, self.train, clean_index, products=products, activation=activation
            )
        # Epochs whose losses are compared are measured alike.
        val_products = self.in_float32 if self.best else products
        whole = self.columns.scatter_params(params)
        watched = (whole, self.test) if self.watches_test else (params, self.train)
        val = programs.evaluate(*watched, self.watched_index, products=val_products, activation=activation)
        running = (self.state.running.loss, self.state.running.correct)
        scores = ((running, self.index), (val, self.watched_index), (clean, clean_index))
        rows = np.concatenate([_means(score, which.shape[1]) for score, which in scores], axis=1)
        self.state = reset_sums(self.state)
        seconds = time.perf_counter() - self.epoch_began
        self.epoch_began = time.perf_counter()
        exhausted = [False] * len(self.ended)
        if self.best:
            losses = rows[:, METRICS.index("val_loss")]
            exhausted = self.best.consider(whole, losses, epoch + 1, self.ended)
        for lane, row in enumerate(rows.tolist()):
            if not self.ended[lane]:
                metrics = dict(zip(METRICS, row, strict=True))
                self.histories[lane].append(EpochMetrics(epoch + 1, **metrics, seconds=seconds))
                self.ended[lane] = last or exhausted[lane] or self._diverged(lane)

    def results(self, done: int) -> tuple[SegmentResult, ...]:
        """Result of each run, `done` steps from its start."""
        self.state.running.loss.block_until_ready()  # or else the clock is read before the steps are taken
        seconds = time.perf_counter() - self.began
        state = self.columns.scatter(self.state)
        if self.best:
            state = state._replace(params=self.best.restore(state.params, self.ended))
        finished = [ended and not self._diverged(lane) for lane, ended in enumerate(self.ended)]
        finals = self._finals(state.params) if any(finished) else [None] * len(finished)
        results = []
        for lane, history in enumerate(self.histories):
            # An epoch's time goes on in the segment that ends it.
            inside_epoch = not self.ended[lane] and done % self.run.condition.steps
            named = pack(state, lane, time.perf_counter() - self.epoch_began if inside_epoch else 0)
            if self.best and not self.ended[lane]:
                named |= self.best.pack(lane)
            results.append(
                SegmentResult(
                    history=tuple(history),
                    state=named,
                    done=history[-1].epoch * self.run.condition.steps if self.ended[lane] else done,
                    seconds=seconds,
                    final=finals[lane] if finished[lane] else None,
                    diverged=self._diverged(lane),
                    device=device_name(),
                )
            )
        return tuple(results)

    def _diverged(self, lane: int) -> bool:
        history = self.histories[lane]
        return bool(history) and not (
            math.isfinite(history[-1].loss) and math.isfinite(history[-1].clean_loss)
        )

    def _first_state(self) -> State:
        seeds = jnp.asarray([segment.run.seed for segment in self.segments], jnp.uint32)
        state: State = programs.start(
            seeds, widths=self.run.condition.widths, optimizer=self.run.optimizer.name
        )
        return state

    def _on_all(self, params: Params, epochs: list[int]) -> tuple[BatchScore, BatchScore]:
        """Scores on all training examples after each lane's epoch, noise off and on."""
        if not any(segment.run.arm.rate or segment.run.arm.input_rate for segment in self.segments):
            clean = programs.evaluate(
                params, self.train, self.index, products=self.in_float32, activation=self.run.activation
            )
            return clean, clean
        last_steps = jnp.asarray(np.asarray(epochs, np.int32) * self.run.condition.steps - 1)
        both: tuple[BatchScore, BatchScore] = programs.evaluate_with_noise(
            params, self.train, self.index, last_steps, self.traced, static=self.static
        )
        return both

    def _finals(self, params: Params) -> list[FinalMetrics]:
        """Final metrics of each lane's network; the test set in one pass."""
        activation = self.run.activation
        epochs = [self.best.epochs[lane] if self.best else self.run.epochs for lane in range(len(self.ended))]
        clean, noisy = self.on_all or self._on_all(self.columns.gather_params(params), epochs)
        answers = programs.predict(params, self.test, products=self.in_float32, activation=activation)
        classes = self.run.condition.classes
        loss, brier = np.asarray(answers.loss, np.float64), np.asarray(answers.brier, np.float64)
        labels, y = np.asarray(answers.label), np.asarray(self.test.y)
        clean_means, noisy_means = (_means(score, self.index.shape[1]).tolist() for score in (clean, noisy))
        return [
            FinalMetrics(
                epoch=epochs[lane],
                clean_loss=clean_means[lane][0],
                clean_accuracy=clean_means[lane][1],
                noisy_loss=noisy_means[lane][0],
                noisy_accuracy=noisy_means[lane][1],
                loss=float(loss[lane].mean()),
                accuracy=float((labels[lane] == y).mean()),
                brier=float(brier[lane].mean()),
                labels=labels[lane].astype(np.uint8 if classes <= 2**8 else np.uint16),
                confidence=np.asarray(answers.confidence[lane]).astype(np.float16),
                likelihood=np.asarray(answers.likelihood[lane]).astype(np.float16),
            )
            for lane in range(len(self.ended))
        ]


def _rows(indices: list[NDArray[np.int32] | None] | list[NDArray[np.int32]]) -> jax.Array:
    return jnp.asarray(np.stack([np.asarray(index, np.int32) for index in indices]))


def _means(score: BatchScore | tuple[jax.Array, jax.Array], examples: int) -> NDArray[np.float64]:
    """Mean loss and accuracy, (lanes, 2). In double precision, so that 9,807 of 10,000 reads 0.9807."""
    return np.stack([np.asarray(total, np.float64) / examples for total in score], axis=1)


def device_name() -> str:
    """Readable name of the device that this process trains on."""
    device = jax.devices()[0]
    return f"{device.platform} ({device.device_kind})"
