"""Short runs on the digits, trained in this process."""

from dataclasses import replace

import numpy as np

from dropstudy.core.types import Arm, Condition, Optimizer, Run, Segment
from dropstudy.data.arrays import store_arrays
from dropstudy.engine.trainer import BUILT_IN


def run_on(
    dataset, *, hidden=(32, 16), seed=0, epochs=3, batch_size=100, rows=None, rate=0.0, arm=None, **changes
):
    condition = Condition(
        dataset.features, hidden, len(dataset.classes), rows or len(dataset.y_train), batch_size
    )
    run = Run("key", arm or Arm("arm", rate), condition, seed, "relu", Optimizer(), epochs, "test", "float32")
    return replace(run, **changes)


def segment_of(run, dataset, *, state=None, done=0, steps=None, validation=None):
    index = np.arange(run.condition.train_size, dtype=np.int32)
    steps = run.steps - done if steps is None else steps
    return Segment(run, store_arrays(dataset), index, validation, state, done, steps)


def train_segment(segment):
    return BUILT_IN.train((segment,))[0]


def trained(result):
    """Weights of a result, in the order of Keras."""
    return [value for name, value in result.state.items() if name.startswith("weights/")]
