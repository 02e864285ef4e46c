"""The seam between scheduling and training."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropstudy.core.types import Arm, Condition, Optimizer, Run
from dropstudy.engine.trainer import groups, trainer_of
from fake_training import make_run, segment_of


@given(
    st.lists(st.tuples(st.sampled_from([(4,), (9, 9), (30,)]), st.integers(0, 3)), max_size=30),
    st.integers(1, 5),
)
def test_groups_hold_every_run_once_with_runs_that_one_program_trains_and_the_longest_first(kinds, lanes):
    runs = [
        Run(str(i), Arm("a"), Condition(8, hidden, 3, 10, 5), seed, "relu", Optimizer(), 2, "test", "float32")
        for i, (hidden, seed) in enumerate(kinds)
    ]
    made = groups(runs, lanes)
    assert sorted(run.key for group in made for run in group) == sorted(run.key for run in runs)
    assert all(1 <= len(group) <= lanes for group in made)
    assert all(len({run.condition for run in group}) == 1 for group in made)
    costs = [len(group) * group[0].condition.parameters for group in made]
    assert costs == sorted(costs, reverse=True)


class XlaRuntimeError(RuntimeError):
    """Named as jaxlib's."""


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (XlaRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 8589934592 bytes."), MemoryError),
        (XlaRuntimeError("INTERNAL: CUDA_ERROR_OUT_OF_MEMORY: out of memory"), MemoryError),
        (XlaRuntimeError("INTERNAL: ptxas failed"), XlaRuntimeError),
        (RuntimeError("out of memory, says another library"), RuntimeError),
    ],
)
def test_a_device_without_room_raises_memory_error(monkeypatch, error, expected):
    def fail(_):
        raise error

    monkeypatch.setattr("dropstudy.engine.mlp.train.train_group", fail)
    run = make_run()
    with pytest.raises(expected) as caught:
        trainer_of(run.condition).train((segment_of(run),))
    assert type(caught.value) is expected
