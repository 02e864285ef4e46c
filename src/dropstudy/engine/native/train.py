"""Train one run with the compiled program: a pure function of its segment, as `engine.mlp.train`, in NumPy alone."""

from __future__ import annotations

import math
import time
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, cast

import numpy as np

from dropstudy.core.hardware import processor
from dropstudy.core.types import METRICS, EpochMetrics, Segment, SegmentResult
from dropstudy.data.arrays import map_arrays
from dropstudy.engine.mlp.rules import (
    AFTER_TRAINING,
    CURRICULUM_SPEED,
    EVALUATION_ROWS,
    Purpose,
    diverged,
    final_metrics,
    glorot_limit,
    take_steps,
)
from dropstudy.engine.native.library import Examples, LayerArrays, Library, Noise, OptimizerNumbers, Running

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dropstudy.core.final_metrics import FinalMetrics
    from dropstudy.core.types import DataReference, Run, State
    from dropstudy.engine.mlp.rules import ArraysInMemory
    from dropstudy.engine.native.library import Scores

_CLEAN_ROWS = 256
"""Examples per evaluation batch without noise: no score depends on it, and activations stay in a core's cache."""


def supports(run: Run) -> bool:
    """True for what the program trains: any network in float32."""
    return run.precision == "float32"


def train_segment(segment: Segment, library: Library, arrays: ArraysInMemory | None = None) -> SegmentResult:
    """Take the steps of one run, on the arrays that its segment refers to, or on given ones."""
    training = _Training(segment, library, arrays)
    return training.result(take_steps(training, segment))


class _Training:
    """A run in training. Its state has the names and layouts of a checkpoint (`engine.mlp.state`)."""

    def __init__(self, segment: Segment, library: Library, arrays: ArraysInMemory | None) -> None:
        self.began = time.perf_counter()
        self.run, self.library = segment.run, library
        self.train, self.test = _given_examples(arrays) if arrays else _examples(segment.data)
        self.rows = np.ascontiguousarray(segment.train_index, np.int32)
        self.held_out = segment.validation_index
        given = _initial_state(self.run, library) if segment.state is None else segment.state
        self.state: State = {name: np.array(array) for name, array in given.items()}
        self.running = Running(*(given[f"running/{name}"].item() for name in Running.names))
        self.epoch_began = self.began - float(given["running/seconds"])
        self.history: list[EpochMetrics] = []
        self.over = False
        self.last_score: tuple[float, float] | None = None

    def train_steps(self, epoch: int, first: int, count: int) -> None:
        """Take `count` steps of an epoch, after its `first` ones."""
        run, first_step = self.run, epoch * self.run.condition.steps + first
        steps = np.arange(first_step, first_step + count)
        scale = schedule_scale(run, steps)
        order = self.library.permutation(
            len(self.rows), seed=run.seed_of("order"), purpose=Purpose.SHUFFLE, when=epoch
        )
        self.library.train(
            self._layers("weights", "m", "v"),
            self.train,
            self.rows[order],
            seed=run.seed_of("masks"),
            batch_size=run.condition.batch_size,
            first=first,
            first_step=first_step,
            learning_rates=learning_rates(run, epoch, steps),
            hidden_rates=scale[:, None] * self._rates(),
            input_rates=np.float32(run.arm.input_rate) * scale,
            optimizer=_optimizer(run),
            running=self.running,
            activation=run.activation,
            gaussian=run.arm.noise == "gaussian",
        )

    def end_epoch(self, epoch: int) -> None:
        """Measure the epoch, and decide whether the run ends."""
        run, last, n = self.run, epoch + 1 == self.run.epochs, len(self.rows)
        validation = (
            self._score(self.test, _all(self.test))
            if self.held_out is None
            else self._score(self.train, self.held_out)
        )
        clean = self._score(self.train, self.rows if last else self._sample)
        if last and not run.restore_best_weights:  # else another epoch's weights may be the final ones
            self.last_score = clean
        metrics = (self.running.loss / n, self.running.correct / n, *validation, *clean)
        self.running = Running()
        seconds, self.epoch_began = time.perf_counter() - self.epoch_began, time.perf_counter()
        row = EpochMetrics(epoch + 1, **dict(zip(METRICS, metrics, strict=True)), seconds=seconds)
        self.history.append(row)
        exhausted = False
        if run.restore_best_weights:
            if row.val_loss < float(self.state["best/loss"]):
                self.state |= {
                    f"best{name}": array.copy() for name, array in _part(self.state, "weights").items()
                }
                self.state |= {"best/loss": np.array(row.val_loss), "best/epoch": np.array(row.epoch)}
            exhausted = 0 < run.patience <= row.epoch - int(self.state["best/epoch"])
        self.over = last or exhausted or diverged(self.history)

    def result(self, done: int) -> SegmentResult:
        """Result of the segment, `done` steps from the start of the run."""
        epoch_began = time.perf_counter() if done % self.run.condition.steps == 0 else self.epoch_began
        epoch = self.run.epochs
        if self.over:
            done = self.history[-1].epoch * self.run.condition.steps
            if self.run.restore_best_weights:
                epoch = int(self.state["best/epoch"])
                self.state |= {f"weights{name}": array for name, array in _part(self.state, "best").items()}
            self.state = {name: array for name, array in self.state.items() if not name.startswith("best/")}
        for name in Running.names:
            self.state[f"running/{name}"] = np.array(
                getattr(self.running, name), self.state[f"running/{name}"].dtype
            )
        self.state["running/seconds"] = np.array(time.perf_counter() - epoch_began)
        return SegmentResult(
            history=tuple(self.history),
            state=self.state,
            done=done,
            seconds=time.perf_counter() - self.began,
            final=self._final(epoch) if self.over and not diverged(self.history) else None,
            diverged=diverged(self.history),
            device=device_name(),
        )

    def _final(self, epoch: int) -> FinalMetrics:
        """Metrics of the final weights, which are those of `epoch`."""
        run = self.run
        clean = self.last_score or self._score(self.train, self.rows)
        noisy = clean
        if run.arm.rate or run.arm.input_rate:
            scale = schedule_scale(run, np.array([epoch * run.condition.steps - 1]))[0]
            noise = Noise.of(
                run.seed_of("masks"),
                AFTER_TRAINING,
                self._rates() * scale,
                np.float32(run.arm.input_rate) * scale,
                gaussian=run.arm.noise == "gaussian",
            )
            noisy = self._score(self.train, self.rows, noise)
        test = (self._evaluate(self.test, _all(self.test), probabilities=True), self.test.y)
        validation = None
        if self.held_out is not None:
            held_out = self._evaluate(self.train, self.held_out, probabilities=True)
            validation = (held_out, self.train.y[self.held_out])
        return final_metrics(epoch, (clean, noisy), test, validation, run.condition.classes)

    def _rates(self) -> NDArray[np.float32]:
        """Rate of each hidden layer."""
        return np.array(self.run.arm.layer_rates(len(self.run.condition.hidden)), np.float32)

    def _evaluate(
        self,
        data: Examples,
        rows: NDArray[np.int32],
        noise: Noise | None = None,
        *,
        probabilities: bool = False,
    ) -> Scores:
        rows = np.ascontiguousarray(rows, np.int32)
        return self.library.evaluate(
            self._layers("weights"),
            data,
            rows,
            batch_size=EVALUATION_ROWS if noise else _CLEAN_ROWS,
            activation=self.run.activation,
            noise=noise,
            probabilities=probabilities,
        )

    def _score(
        self, data: Examples, rows: NDArray[np.int32], noise: Noise | None = None
    ) -> tuple[float, float]:
        """Mean loss and accuracy on some rows."""
        scores = self._evaluate(data, rows, noise)
        loss = scores.loss if data.weight is None else scores.loss * data.weight[rows]
        return float(loss.mean(dtype=np.float64)), float((scores.label == data.y[rows]).mean())

    @cached_property
    def _sample(self) -> NDArray[np.int32]:
        """Training rows for the clean metrics of an epoch: as many as the test set has, the same in each epoch."""
        order = self.library.permutation(len(self.rows), seed=self.run.seed, purpose=Purpose.SAMPLE)
        return self.rows[order[: len(self.test.y)]]

    def _layers(self, *parts: str) -> list[LayerArrays]:
        """Layers with the arrays of some parts of the state; a part that an optimiser lacks is left out."""
        names = [part for part in parts if f"{part}/dense_0/kernel" in self.state]
        kinds = [(part, kind) for part in names for kind in ("kernel", "bias")]
        return [
            LayerArrays(
                *(
                    cast("NDArray[np.float32]", self.state[f"{part}/dense_{number}/{kind}"])
                    for part, kind in kinds
                )
            )
            for number in range(len(self.run.condition.widths) - 1)
        ]


def _part(state: State, part: str) -> State:
    """Layers of a part of the state, by the names behind it."""
    return {
        name.removeprefix(part): array for name, array in state.items() if name.startswith(f"{part}/dense_")
    }


def learning_rates(run: Run, epoch: int, steps: NDArray[np.int64]) -> NDArray[np.float32]:
    """Step sizes, as in engine.mlp.optimizers: decayed by epoch; Adam's with its bias correction."""
    optimizer = run.optimizer
    rate = np.float32(optimizer.learning_rate) * np.float32(optimizer.decay) ** np.float32(epoch)
    if optimizer.name != "adam":
        return np.full(len(steps), rate, np.float32)
    t = (steps + 1).astype(np.float32)
    beta_1, beta_2 = np.float32(optimizer.beta_1), np.float32(optimizer.beta_2)
    correction: NDArray[np.float32] = np.sqrt(1 - beta_2**t) / (1 - beta_1**t)
    return rate * correction


def schedule_scale(run: Run, steps: NDArray[np.int64]) -> NDArray[np.float32]:
    """Multiplier of the rates at some steps, in [0, 1], as engine.mlp.dropout has it."""
    done = steps.astype(np.float32) / np.float32(run.steps)
    switch = np.float32(run.arm.switch)
    match run.arm.schedule:
        case "constant":
            scale = np.ones_like(done)
        case "early":
            scale = done < switch
        case "late":
            scale = done >= switch
        case "ramp":
            scale = np.minimum(done / switch, np.float32(1))
        case "curriculum":
            scale = 1 - np.exp(np.float32(-CURRICULUM_SPEED) * done)
        case "early-linear":
            scale = np.maximum(1 - done / switch, np.float32(0))
    return scale.astype(np.float32)


def device_name() -> str:
    """Readable name of the processor."""
    return f"cpu ({processor()})"


def _initial_state(run: Run, library: Library) -> State:
    """State before the first step: Glorot-uniform kernels, all else zeros."""
    state: State = {}
    for number, (units_in, units_out) in enumerate(pairwise(run.condition.widths)):
        limit = np.float32(glorot_limit(units_in, units_out))
        u = library.uniform(
            units_in * units_out, seed=run.seed_of("weights"), purpose=Purpose.INIT, layer=number
        )
        kernel, bias = ((2 * u - 1) * limit).reshape(units_in, units_out), np.zeros(units_out, np.float32)
        state |= {f"weights/dense_{number}/kernel": kernel, f"weights/dense_{number}/bias": bias}
        for moment in ("m", "v")[: 2 if run.optimizer.name == "adam" else 1]:
            state |= {
                f"{moment}/dense_{number}/kernel": np.zeros_like(kernel),
                f"{moment}/dense_{number}/bias": np.zeros_like(bias),
            }
    if run.restore_best_weights:
        state |= {f"best{name}": array.copy() for name, array in _part(state, "weights").items()}
        state |= {"best/loss": np.array(math.inf), "best/epoch": np.array(0)}
    state |= {"running/loss": np.array(0, np.float32), "running/lost": np.array(0, np.float32)}
    return state | {"running/correct": np.array(0, np.int32), "running/seconds": np.array(0.0)}


def _optimizer(run: Run) -> OptimizerNumbers:
    optimizer = run.optimizer
    return OptimizerNumbers(
        optimizer.name == "adam",
        1 - optimizer.beta_1,  # in double precision, as in Keras
        1 - optimizer.beta_2,
        optimizer.epsilon,
        optimizer.momentum,
        run.arm.l2,
        run.arm.max_norm,
    )


@lru_cache(maxsize=2)
def _examples(data: DataReference) -> tuple[Examples, Examples]:
    """Training and test examples."""
    arrays = map_arrays(data)
    return tuple(  # type: ignore[return-value] # of two
        Examples(x.reshape(len(x), -1), y.astype(np.int32), data.scale)
        for x, y in ((arrays.x_train, arrays.y_train), (arrays.x_test, arrays.y_test))
    )


def _given_examples(arrays: ArraysInMemory) -> tuple[Examples, Examples]:
    """Training and test examples."""
    return Examples(arrays.x, arrays.y, 1.0, arrays.weight), Examples(*arrays.tested, 1.0)


def _all(data: Examples) -> NDArray[np.int32]:
    return np.arange(len(data.y), dtype=np.int32)
