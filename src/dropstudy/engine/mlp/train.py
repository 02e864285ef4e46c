"""Train a group of runs for some steps: a pure function of their segments."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from dropstudy.core.types import METRICS, EpochMetrics, Segment, SegmentResult
from dropstudy.engine.mlp import programs
from dropstudy.engine.mlp.config import stacked, static_config, traced_config
from dropstudy.engine.mlp.early_stopping import BestEpoch
from dropstudy.engine.mlp.inputs import (
    InputColumns,
    can_skip_zero_inputs,
    given_examples,
    test_examples,
    train_examples,
)
from dropstudy.engine.mlp.rules import diverged, final_metrics, take_steps
from dropstudy.engine.mlp.state import epoch_seconds, pack, reset_sums, unpack

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dropstudy.core.final_metrics import FinalMetrics
    from dropstudy.engine.mlp.network import BatchScore, Params
    from dropstudy.engine.mlp.rules import ArraysInMemory


def train_group(
    segments: tuple[Segment, ...], arrays: ArraysInMemory | None = None
) -> tuple[SegmentResult, ...]:
    """Train several runs side by side; see `Trainer.train`.

    A run draws the same bits in any group; its numbers depend on the group only by the order of float sums. The same
    segments give the same bits in the same environment, and so do segments that cut the same runs at other steps.

    Args:
        segments: one per lane, of runs of one condition, activation, optimiser and precision, with equal `done`.
        arrays: examples in place of those that the segments refer to.

    Returns:
        For each lane the metrics of each ended epoch, the new state and, if the run has ended, its test metrics. A run
        ends at its last epoch, when its patience is exhausted, or when its loss is not finite; the others continue.
    """
    group = _Group(segments, arrays)
    return group.results(take_steps(group, segments[0]))


def device_name() -> str:
    """Readable name of the device that this process trains on."""
    device = jax.devices()[0]
    return f"{device.platform} ({device.device_kind})"


class _Group:
    """Runs that train side by side: shared arrays, and each lane's state and history."""

    def __init__(self, segments: tuple[Segment, ...], arrays: ArraysInMemory | None) -> None:
        self.began = self.epoch_began = time.perf_counter()
        lead = segments[0]
        runs = [segment.run for segment in segments]
        self.runs, self.run = runs, lead.run
        self.static = static_config(runs)
        self.traced = stacked([traced_config(run) for run in runs])
        if arrays:
            self.train, self.test = given_examples(arrays)
            used = None
        else:
            self.train, used = train_examples(lead.data, skip_zero_inputs=can_skip_zero_inputs(self.static))
            self.test = test_examples(lead.data)
        self.index = _rows([segment.train_index for segment in segments])
        every_test_row = np.arange(len(self.test.y), dtype=np.int32)
        held_out = [segment.validation_index for segment in segments]
        self.validation_index = _rows([every_test_row if rows is None else rows for rows in held_out])
        self.watches_test = lead.validation_index is None
        # As large as the test set, if there are so many training examples.
        count = min(self.test.x.shape[0], self.index.shape[1])
        self.sample = programs.sample(self.traced.seeds.run, self.index, count=count)
        self.histories: list[list[EpochMetrics]] = [[] for _ in segments]
        self.ended = [False] * len(segments)
        states = [segment.state for segment in segments if segment.state is not None]
        if states:
            state = unpack(states)
            self.epoch_began -= epoch_seconds(states[0])
        else:
            widths, optimizer = self.run.condition.widths, self.run.optimizer.name
            state = programs.start(self.traced.seeds.weights, widths=widths, optimizer=optimizer)
        self.best = BestEpoch.of(runs, states, state.params) if self.run.restore_best_weights else None
        self.columns = InputColumns(used, jnp.copy(state.params[0].kernel_OxI))
        self.state = self.columns.gather(state)
        self.last_scores: tuple[BatchScore, BatchScore] | None = None

    @property
    def over(self) -> bool:
        """True once every run has ended."""
        return all(self.ended)

    def train_steps(self, epoch: int, first: int, count: int) -> None:
        """Take `count` steps of an epoch, after its `first` ones."""
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
        """Evaluate, and end runs that end here. A lane that ended earlier trains on, but nothing of it is recorded."""
        last = epoch + 1 == self.run.epochs
        params, activation = self.state.params, self.run.activation
        # Weights are stored in float32, so the last epoch is evaluated in float32.
        compute = "float32" if last else self.static.compute
        clean_index = self.index if last else self.sample
        if last and not self.best:  # with `best`, another epoch's weights may be kept
            self.last_scores = self._score_training(params, [epoch + 1] * len(self.ended))
            clean = self.last_scores[0]
        else:
            clean = programs.evaluate(params, self.train, clean_index, compute=compute, activation=activation)
        # Losses that are compared have one precision.
        val_compute = "float32" if self.best else compute
        all_params = self.columns.scatter_params(params)
        val_data = (all_params, self.test) if self.watches_test else (params, self.train)
        val = programs.evaluate(*val_data, self.validation_index, compute=val_compute, activation=activation)
        running = (self.state.running.loss, self.state.running.correct)
        scores = ((running, self.index), (val, self.validation_index), (clean, clean_index))
        rows = np.concatenate([_means(score, index.shape[1]) for score, index in scores], axis=1)
        self.state = reset_sums(self.state)
        seconds = time.perf_counter() - self.epoch_began
        self.epoch_began = time.perf_counter()
        exhausted = [False] * len(self.ended)
        if self.best:
            losses = rows[:, METRICS.index("val_loss")]
            exhausted = self.best.update(all_params, losses, epoch + 1, self.ended)
        for lane, row in enumerate(rows.tolist()):
            if not self.ended[lane]:
                metrics = dict(zip(METRICS, row, strict=True))
                self.histories[lane].append(EpochMetrics(epoch + 1, **metrics, seconds=seconds))
                self.ended[lane] = last or exhausted[lane] or diverged(self.histories[lane])

    def results(self, done: int) -> tuple[SegmentResult, ...]:
        """Result of each run, `done` steps from its start."""
        self.state.running.loss.block_until_ready()  # else the clock is read before the steps are finished
        seconds = time.perf_counter() - self.began
        state = self.columns.scatter(self.state)
        if self.best:
            state = state._replace(params=self.best.restore(state.params, self.ended))
        finished = [ended and not diverged(self.histories[lane]) for lane, ended in enumerate(self.ended)]
        finals = self._final_metrics(state.params) if any(finished) else [None] * len(finished)
        # At once: a transfer of each lane's arrays would take as long each time.
        state = jax.device_get(state)
        results = []
        for lane, history in enumerate(self.histories):
            # The next segment continues the epoch's time.
            inside_epoch = not self.ended[lane] and done % self.run.condition.steps
            arrays = pack(state, lane, time.perf_counter() - self.epoch_began if inside_epoch else 0)
            if self.best and not self.ended[lane]:
                arrays |= self.best.pack(lane)
            results.append(
                SegmentResult(
                    history=tuple(history),
                    state=arrays,
                    done=history[-1].epoch * self.run.condition.steps if self.ended[lane] else done,
                    seconds=seconds,
                    final=finals[lane] if finished[lane] else None,
                    diverged=diverged(self.histories[lane]),
                    device=device_name(),
                )
            )
        return tuple(results)

    def _score_training(self, params: Params, epochs: list[int]) -> tuple[BatchScore, BatchScore]:
        """Scores on all training examples without and with noise, of weights at the end of each lane's epoch."""
        if not any(run.arm.rate or run.arm.input_rate for run in self.runs):
            clean = programs.evaluate(
                params, self.train, self.index, compute="float32", activation=self.run.activation
            )
            return clean, clean
        last_steps = jnp.asarray(np.asarray(epochs, np.int32) * self.run.condition.steps - 1)
        both: tuple[BatchScore, BatchScore] = programs.evaluate_with_noise(
            params, self.train, self.index, last_steps, self.traced, static=self.static
        )
        return both

    def _final_metrics(self, params: Params) -> list[FinalMetrics]:
        """Final metrics of each lane's network."""
        epochs = self.best.epochs if self.best else [self.run.epochs] * len(self.ended)
        scores = self.last_scores or self._score_training(self.columns.gather_params(params), epochs)
        clean, noisy = (_means(score, self.index.shape[1]).tolist() for score in scores)
        test = self._predictions(params, self.test, None)
        validation: list[_Answers] | list[None] = [None] * len(epochs)
        if not self.watches_test:
            validation = self._predictions(
                self.columns.gather_params(params), self.train, self.validation_index
            )
        return [
            final_metrics(
                epoch, (clean[lane], noisy[lane]), test[lane], validation[lane], self.run.condition.classes
            )
            for lane, epoch in enumerate(epochs)
        ]

    def _predictions(
        self, params: Params, data: programs.Examples, index: jax.Array | None
    ) -> list[_Answers]:
        """Each lane's predictions for its rows of `index`, or for all rows, and their labels."""
        found = jax.device_get(
            programs.predict(params, data, index, compute="float32", activation=self.run.activation)
        )
        labels = np.asarray(data.y)
        return [
            (
                programs.Predictions(*(values[lane] for values in found)),
                labels if index is None else labels[np.asarray(index[lane])],
            )
            for lane in range(len(self.runs))
        ]


_Answers = tuple[programs.Predictions, "NDArray[np.int32]"]


def _rows(indices: list[NDArray[np.int32]]) -> jax.Array:
    return jnp.asarray(np.stack(indices), jnp.int32)


def _means(score: BatchScore | tuple[jax.Array, jax.Array], examples: int) -> NDArray[np.float64]:
    """Mean loss and accuracy, (lanes, 2), in double precision, so that 9,807 of 10,000 is 0.9807."""
    return np.stack([np.asarray(total, np.float64) / examples for total in score], axis=1)
