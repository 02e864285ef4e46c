"""Configuration of a group of runs: static parts select the compiled program, traced numbers are its arguments.

Whatever differs between the runs of a group is traced. Parts that cost time (noise on the inputs, the L2 penalty, the
max-norm constraint) are compiled in if one run of the group uses them; the others then pass its neutral value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np

from dropstudy.core.types import Activation, OptimizerName, Schedule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jax.typing import ArrayLike

    from dropstudy.core.types import Run

SCHEDULES = get_args(Schedule)


class StaticConfig(NamedTuple):
    """Configuration that is compiled in: one program for each value.

    Args:
        compute: type of the matrix products' operands.
        batch_size: examples per step.
        activation: of the hidden layers.
        optimizer: name of the optimiser.
        gaussian: some run has Gaussian noise in place of dropout.
        input_noise: some run has noise on its inputs.
        scheduled: some run's noise rate changes during training.
        l2: some run has the L2 penalty.
        max_norm: some run has the max-norm constraint.
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

    @property
    def relu_dropout(self) -> bool:
        """True if the sign of a layer's output is all that its backward pass needs."""
        return self.activation == "relu" and not self.gaussian


class NoiseConfig(NamedTuple):
    """Noise of a run: float32, bool and int32, scalars where no shape is given.

    Args:
        hidden: rate on the units of each hidden layer, (layers,).
        inputs: rate on inputs.
        gaussian: true for Gaussian noise, false for dropout.
        schedule: index in `SCHEDULES`.
        switch: see `Arm`.
        steps: training steps of the whole run.
    """

    hidden: ArrayLike
    inputs: ArrayLike
    gaussian: ArrayLike
    schedule: ArrayLike
    switch: ArrayLike
    steps: ArrayLike


class Hyperparameters(NamedTuple):
    """Hyperparameters of an optimiser: float32 scalars, named as in `Optimizer`."""

    learning_rate: ArrayLike
    decay: ArrayLike
    beta_1: ArrayLike
    beta_2: ArrayLike
    one_minus_beta_1: ArrayLike
    one_minus_beta_2: ArrayLike
    epsilon: ArrayLike
    momentum: ArrayLike


class Seeds(NamedTuple):
    """Seeds of what a run draws, uint32 scalars, all of them the run's own unless one is drawn anew.

    Args:
        run: of the run; the rows that are evaluated in each epoch are drawn with it.
        weights: of the initial weights.
        order: of the order of examples.
        masks: of the noise.
    """

    run: ArrayLike
    weights: ArrayLike
    order: ArrayLike
    masks: ArrayLike


class TracedConfig(NamedTuple):
    """Arguments of the program, for one run; a group's arrays have an axis of lanes before all others."""

    seeds: Seeds
    noise: NoiseConfig
    l2: ArrayLike
    max_norm: ArrayLike
    optimizer: Hyperparameters


def static_config(runs: Sequence[Run]) -> StaticConfig:
    """Configuration of the program that trains these runs side by side.

    Args:
        runs: of one condition, activation, optimiser and precision.
    """
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
    )


def traced_config(run: Run) -> TracedConfig:
    """Arguments of the program for one run."""
    arm, optimizer = run.arm, run.optimizer
    numbers = {name: value for name, value in vars(optimizer).items() if name != "name"}
    # 1 - beta in double precision, as in Keras: in float32 the relative error of 1 - 0.999 is 1.3e-5.
    numbers |= {
        "one_minus_beta_1": 1 - optimizer.beta_1,
        "one_minus_beta_2": 1 - optimizer.beta_2,
    }
    return TracedConfig(
        seeds=Seeds(np.uint32(run.seed), *(np.uint32(run.seed_of(s)) for s in ("weights", "order", "masks"))),
        noise=NoiseConfig(
            hidden=np.array(arm.layer_rates(len(run.condition.hidden)), np.float32),
            inputs=np.float32(arm.input_rate),
            gaussian=np.bool_(arm.noise == "gaussian"),
            schedule=np.int32(SCHEDULES.index(arm.schedule)),
            switch=np.float32(arm.switch),
            steps=np.float32(run.steps),
        ),
        l2=np.float32(arm.l2),
        max_norm=np.float32(arm.max_norm),
        optimizer=Hyperparameters(**{name: np.float32(value) for name, value in numbers.items()}),
    )


def stacked(configs: Sequence[TracedConfig]) -> TracedConfig:
    """Stack the configurations of several runs as arrays of (lanes, ...)."""
    together: TracedConfig = jax.tree.map(
        lambda *values: jnp.stack([jnp.asarray(v) for v in values]), *configs
    )
    return together
