"""Train a Keras model: a pure function of a segment, as `engine/mlp/train.py`."""

from __future__ import annotations

import math
import time
from functools import lru_cache
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from dropstudy.core.types import METRICS, EpochMetrics, SegmentResult
from dropstudy.data.arrays import map_arrays
from dropstudy.engine.keras.network import digest, network_of
from dropstudy.engine.keras.programs import Examples, Noise, Programs, State
from dropstudy.engine.mlp import rng
from dropstudy.engine.mlp.config import static_config, traced_config
from dropstudy.engine.mlp.rules import Purpose, diverged, final_metrics, take_steps
from dropstudy.engine.mlp.state import RunningSums, zero_sums
from dropstudy.engine.native.library import Scores
from dropstudy.errors import ModelError

if TYPE_CHECKING:
    from jax import Array
    from numpy.typing import NDArray

    from dropstudy.core.final_metrics import FinalMetrics
    from dropstudy.core.model import ModelSource
    from dropstudy.core.types import DataReference, Segment
    from dropstudy.core.types import State as NamedArrays
    from dropstudy.engine.keras.network import Values
    from dropstudy.engine.mlp.config import StaticConfig

_OPTIMIZER = "optimizer/"


def train_segment(segment: Segment) -> SegmentResult:
    """Take the steps of one run; see `Trainer.train`."""
    training = _Training(segment)
    return training.result(take_steps(training, segment))


def device_name() -> str:
    """Readable name of the device that this process trains on."""
    device = jax.devices()[0]
    return f"{device.platform} ({device.device_kind})"


class _Training:
    """A run in training."""

    def __init__(self, segment: Segment) -> None:
        self.began = self.epoch_began = time.perf_counter()
        self.run, source = segment.run, _checked(segment)
        self.network = network_of(source)
        self.programs = _programs(source, static_config([self.run]), self.run.condition.batch_size)
        shape = tuple(self.network.description["input_shape"])
        self.train, self.test = _examples(segment.data, shape)
        self.index = jnp.asarray(segment.train_index, jnp.int32)
        self.watches_test = segment.validation_index is None
        self.test_index = jnp.arange(len(self.test.y), dtype=jnp.int32)
        self.validation_index = (
            self.test_index
            if segment.validation_index is None
            else jnp.asarray(segment.validation_index, jnp.int32)
        )
        traced = traced_config(self.run)
        rates, moved = self.network.rates(self.run.arm)
        self.noise = Noise(
            jnp.uint32(self.run.seed_of("masks")), jnp.asarray(rates), jnp.asarray(moved), traced.noise
        )
        self.noisy = bool(rates.any())
        # As many as the test set has, the same in each epoch.
        order = rng.permutation(rng.derive(jnp.uint32(self.run.seed), Purpose.SAMPLE), len(self.index))
        self.sample = self.index[order[: len(self.test_index)]]
        self.history: list[EpochMetrics] = []
        self.over = False
        self.best: NamedArrays = {}
        self.best_loss, self.best_epoch = math.inf, 0
        self.clean: tuple[float, float] | None = None
        self._start(segment.state)

    def _start(self, given: NamedArrays | None) -> None:
        """Continue from a checkpoint, or start with new weights."""
        if given is None:
            values, optimizer = self.network.initial(self.run.seed_of("weights"), self.run.seed_of("masks"))
            self.state = State(values, optimizer, jax.tree.map(jnp.array, zero_sums()))
            return
        optimizer = [
            jnp.array(given[f"{_OPTIMIZER}{number}"]) for number in range(len(_having(given, _OPTIMIZER)))
        ]
        running = RunningSums(*(jnp.array(given[f"running/{name}"]) for name in RunningSums._fields))
        self.state = State(self.network.unpack(given), optimizer, running)
        self.epoch_began -= float(given["running/seconds"])
        if self.run.restore_best_weights:
            self.best = {name.removeprefix("best/"): array for name, array in _having(given, "best/").items()}
            self.best_loss, self.best_epoch = float(given["stop/loss"]), int(given["stop/epoch"])

    def train_steps(self, epoch: int, first: int, count: int) -> None:
        """Take `count` steps of an epoch, after its `first` ones."""
        self.state = self.programs.train(
            self.state,
            self.train,
            self.index,
            self.noise,
            seed=self.run.seed_of("order"),
            epoch=epoch,
            first=first,
            count=count,
        )

    def end_epoch(self, epoch: int) -> None:
        """Measure the epoch, and decide whether the run ends."""
        run, last = self.run, epoch + 1 == self.run.epochs
        values, running = self.state.values, self.state.running
        clean_index = self.index if last else self.sample
        data = self.test if self.watches_test else self.train
        validation = self._score(values, data, self.validation_index)
        clean = self._score(values, self.train, clean_index)
        if last and not run.restore_best_weights:  # else another epoch's weights may be the final ones
            self.clean = clean
        means = (float(running.loss) / len(self.index), int(running.correct) / len(self.index))
        self.state = self.state._replace(running=jax.tree.map(jnp.array, zero_sums()))
        seconds, self.epoch_began = time.perf_counter() - self.epoch_began, time.perf_counter()
        metrics = dict(zip(METRICS, (*means, *validation, *clean), strict=True))
        row = EpochMetrics(epoch + 1, **metrics, seconds=seconds)
        self.history.append(row)
        exhausted = False
        if run.restore_best_weights:
            if row.val_loss < self.best_loss:
                self.best = self.network.pack(values)
                self.best_loss, self.best_epoch = row.val_loss, row.epoch
            exhausted = 0 < run.patience <= row.epoch - self.best_epoch
        self.over = last or exhausted or diverged(self.history)

    def result(self, done: int) -> SegmentResult:
        """Result of the segment, `done` steps from the start of the run."""
        self.state.running.loss.block_until_ready()  # else the clock is read before the steps are finished
        run = self.run
        epoch = run.epochs
        if self.over:
            done = self.history[-1].epoch * run.condition.steps
            if run.restore_best_weights and self.best:
                epoch = self.best_epoch
                self.state = self.state._replace(values=self.network.unpack(self.best))
        finished = self.over and not diverged(self.history)
        final = self._final(epoch) if finished else None
        return SegmentResult(
            history=tuple(self.history),
            state=self._pack(done),
            done=done,
            seconds=time.perf_counter() - self.began,
            final=final,
            diverged=diverged(self.history),
            device=device_name(),
        )

    def _pack(self, done: int) -> NamedArrays:
        state = jax.device_get(self.state)
        arrays = self.network.pack(state.values)
        if self.over:
            return arrays
        arrays |= {f"{_OPTIMIZER}{number}": np.asarray(array) for number, array in enumerate(state.optimizer)}
        arrays |= {f"running/{name}": np.asarray(array) for name, array in state.running._asdict().items()}
        inside_epoch = done % self.run.condition.steps
        seconds = time.perf_counter() - self.epoch_began if inside_epoch else 0.0
        arrays["running/seconds"] = np.asarray(seconds)
        if self.run.restore_best_weights:
            arrays |= {f"best/{name}": array for name, array in self.best.items()}
            arrays |= {"stop/loss": np.asarray(self.best_loss), "stop/epoch": np.asarray(self.best_epoch)}
        return arrays

    def _score(
        self, values: Values, data: Examples, index: Array, noise: Noise | None = None, step: int = 0
    ) -> tuple[float, float]:
        """Mean loss and accuracy on some rows."""
        scores, y = self._predictions(values, data, index, noise, step)
        return float(scores.loss.mean(dtype=np.float64)), float((scores.label == y).mean())

    def _final(self, epoch: int) -> FinalMetrics:
        """Metrics of the final weights, which are those of `epoch`."""
        values, run = self.state.values, self.run
        clean = self.clean or self._score(values, self.train, self.index)
        noisy = clean
        if self.noisy:
            last_step = epoch * run.condition.steps - 1
            noisy = self._score(values, self.train, self.index, self.noise, last_step)
        test = self._predictions(values, self.test, self.test_index)
        validation = (
            None if self.watches_test else self._predictions(values, self.train, self.validation_index)
        )
        return final_metrics(epoch, (clean, noisy), test, validation, run.condition.classes)

    def _predictions(
        self, values: Values, data: Examples, index: Array, noise: Noise | None = None, step: int = 0
    ) -> tuple[Scores, NDArray[np.int32]]:
        """Scores for some rows, and their labels."""
        log_p = self.programs.log_probabilities(values, data, index, noise, step)
        y = np.asarray(data.y)[np.asarray(index)]
        p, of_label = np.exp(log_p), np.arange(len(y))
        scores = Scores(
            loss=-log_p[of_label, y],
            label=log_p.argmax(axis=1),
            confidence=p.max(axis=1),
            likelihood=p[of_label, y],
            brier=np.square(p - np.eye(p.shape[1], dtype=np.float32)[y]).sum(axis=1),
            probabilities=p,
        )
        return scores, y


def _having(arrays: NamedArrays, prefix: str) -> NamedArrays:
    return {name: array for name, array in arrays.items() if name.startswith(prefix)}


def _checked(segment: Segment) -> ModelSource:
    """The source of a segment's model, once it is that of its run."""
    reference, source = segment.run.condition.model, segment.model
    if reference is None or source is None or digest(source.description) != reference.sha256:
        raise ModelError(
            "the Keras model of the study",
            expected="the description with which the study was started",
            received="none or another one",
            next_step="Call dropstudy.compare or dropstudy.Study(..., model=...) with the model again.",
        )
    return source


@lru_cache(maxsize=4)
def _programs(source: ModelSource, static: StaticConfig, batch_size: int) -> Programs:
    return Programs(network_of(source), static, batch_size)


@lru_cache(maxsize=2)
def _examples(data: DataReference, shape: tuple[int, ...]) -> tuple[Examples, Examples]:
    """Training and test examples, each of the shape that the model takes."""
    arrays = map_arrays(data)
    pairs = ((arrays.x_train, arrays.y_train), (arrays.x_test, arrays.y_test))
    # On a CPU device_put, unlike asarray, uses the mapped file in place, so that all workers share one copy.
    return tuple(  # type: ignore[return-value] # of two
        Examples(
            jax.device_put(x.reshape(len(x), *shape)), jnp.asarray(y, jnp.int32), jnp.float32(data.scale)
        )
        for x, y in pairs
    )
