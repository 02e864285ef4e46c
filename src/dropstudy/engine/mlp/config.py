"""Configuration of a run: static parts that are compiled in, and traced numbers that the program is given.

Whatever differs between the runs of a group is traced. What costs time where it is not wanted (noise on the inputs,
a penalty, a limit on norms) is compiled in only where a run of the group wants it; the others then pass its neutral
value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np

from dropstudy.core.types import Activation, OptimizerName, Schedule
from dropstudy.engine.native import ffi

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jax.typing import ArrayLike

    from dropstudy.core.types import Run

SCHEDULES = get_args(Schedule)


class Products(NamedTuple):
    """Types and precision of matrix products.

    Args:
        compute: type of the operands; sums are float32.
        native: by kernels of our own.
    """

    compute: Literal["float32", "bfloat16"]
    native: bool = False


class StaticConfig(NamedTuple):
    """Compiled in: one program for each.

    Args:
        compute: type of the matrix products' operands.
        batch_size: examples per step.
        activation: of the hidden layers.
        optimizer: which one.
        gaussian: a run has Gaussian noise in place of dropout.
        input_noise: a run has noise on its inputs.
        scheduled: a run's rates change while it trains.
        l2: a run has the penalty.
        max_norm: a run has the limit.
        native: products, and Adam, by kernels of our own.
    """

    compute: Literal["float32", "bfloat16"]
    batch_size: int
    activation: Activation = "relu"
    optimizer: OptimizerName = "adam"
    gaussian: bool = False
    input_noise: bool = False
    scheduled: bool = False
    l2: bool = False
    max_norm: bool = False
    native: bool = False

    @property
    def products(self) -> Products:
        """Types and precision of its matrix products."""
        return Products(self.compute, self.native)

    @property
    def fused(self) -> bool:
        """True where gradient and Adam are one kernel of our own; a limit on norms looks at all of a unit's weights."""
        return self.native and self.optimizer == "adam" and not self.max_norm

    @property
    def relu_dropout(self) -> bool:
        """True where `h > 0` after a layer says all that its way back needs."""
        return self.activation == "relu" and not self.gaussian


class NoiseConfig(NamedTuple):
    """The noise of a run, as float32 and int32 scalars, traced."""

    hidden: ArrayLike
    inputs: ArrayLike
    gaussian: ArrayLike
    schedule: ArrayLike
    switch: ArrayLike
    steps: ArrayLike


class Hyperparameters(NamedTuple):
    """An optimiser's numbers, as float32 scalars, traced."""

    learning_rate: ArrayLike
    decay: ArrayLike
    beta_1: ArrayLike
    beta_2: ArrayLike
    gain_1: ArrayLike
    gain_2: ArrayLike
    epsilon: ArrayLike
    momentum: ArrayLike


class TracedConfig(NamedTuple):
    """Traced numbers, which may differ within a group: scalars, or arrays of (lanes,) for a group."""

    seed: ArrayLike
    noise: NoiseConfig
    l2: ArrayLike
    max_norm: ArrayLike
    optimizer: Hyperparameters


def static_config(runs: Sequence[Run]) -> StaticConfig:
    """The program that trains these runs side by side; they share condition, activation, optimiser and precision."""
    first, arms = runs[0], [run.arm for run in runs]
    return StaticConfig(
        compute=first.precision,
        batch_size=first.condition.batch_size,
        activation=first.activation,
        optimizer=first.optimizer.name,
        gaussian=any(arm.noise == "gaussian" for arm in arms),
        input_noise=any(arm.input_rate > 0 for arm in arms),
        scheduled=any(arm.schedule != "constant" for arm in arms),
        l2=any(arm.l2 > 0 for arm in arms),
        max_norm=any(arm.max_norm > 0 for arm in arms),
        native=len(runs) == 1
        and ffi.gains(first.precision, first.condition.widths, first.condition.batch_size),
    )


def traced_config(run: Run) -> TracedConfig:
    """A run's numbers as the program takes them."""
    arm, o = run.arm, run.optimizer
    return TracedConfig(
        seed=np.uint32(run.seed),
        noise=NoiseConfig(
            hidden=np.float32(arm.rate),
            inputs=np.float32(arm.input_rate),
            gaussian=np.bool_(arm.noise == "gaussian"),
            schedule=np.int32(SCHEDULES.index(arm.schedule)),
            switch=np.float32(arm.switch),
            steps=np.float32(run.epochs * run.condition.steps),
        ),
        l2=np.float32(arm.l2),
        max_norm=np.float32(arm.max_norm),
        optimizer=Hyperparameters(
            learning_rate=np.float32(o.learning_rate),
            decay=np.float32(o.decay),
            beta_1=np.float32(o.beta_1),
            beta_2=np.float32(o.beta_2),
            # 1 - beta in double precision, as Keras has it: in float32, 1 - 0.999 is off by 1.3e-5 of itself.
            gain_1=np.float32(1 - o.beta_1),
            gain_2=np.float32(1 - o.beta_2),
            epsilon=np.float32(o.epsilon),
            momentum=np.float32(o.momentum),
        ),
    )


def stacked(traced: Sequence[TracedConfig]) -> TracedConfig:
    """Settings of several runs as arrays of (lanes,)."""
    together: TracedConfig = jax.tree.map(
        lambda *values: jnp.stack([jnp.asarray(v) for v in values]), *traced
    )
    return together
