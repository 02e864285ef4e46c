"""A run's key is what its numbers depend on and nothing else; a grid holds each of its runs once."""

import hashlib
import json
import os
import re
import string
from dataclasses import asdict, fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropstudy.core.model import ModelReference
from dropstudy.core.types import Arm, Optimizer
from dropstudy.data.load import load_dataset
from dropstudy.errors import InvalidArgument
from dropstudy.spec import plan
from dropstudy.spec.study_file import FIELDS, parse_spec

TABLE = {
    "name": "mine",
    "hidden": [16],
    "epochs": 3,
    "batch_size": 100,
    "seeds": [4, 7],
    "validation_split": "test",
}
SPEC = parse_spec({**TABLE, "rates": [0, 0.5, 0.8]})
NAMES = st.text(string.printable, min_size=1, max_size=20)


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


def keys(spec, dataset, precision="float32"):
    return [run.key for run in plan.plan_runs(spec, dataset, precision)]


# --- which runs there are ---


@given(
    rates=st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=5, unique=True),
    seeds=st.lists(st.integers(0, 99), min_size=1, max_size=5, unique=True),
)
def test_there_is_one_run_for_each_arm_and_seed_each_with_a_key_of_its_own(digits, rates, seeds):
    arms = tuple(Arm(f"arm {number}", rate) for number, rate in enumerate(rates))
    runs = plan.plan_runs(replace(SPEC, arms=arms, seeds=tuple(seeds)), digits, "float32")
    assert [(run.seed, run.arm) for run in runs] == [(seed, arm) for seed in seeds for arm in arms]
    assert len({run.key for run in runs}) == len(arms) * len(seeds)
    assert all(set(run.key) <= set(string.hexdigits) and len(run.key) == 64 for run in runs)


def test_the_notebooks_network_has_the_parameters_and_steps_that_keras_counts(digits):
    mnist = replace(
        digits,
        x_train=np.zeros((60_000, 28, 28), np.uint8),
        y_train=np.arange(60_000, dtype=np.int64) % 10,
    )
    notebook = replace(SPEC, hidden=((512, 512),), batch_size=128)
    condition = plan.plan_runs(notebook, mnist, "float32")[0].condition
    assert condition.widths == (784, 512, 512, 10)
    assert condition.parameters == 669_706
    assert condition.steps == 469


def test_held_out_examples_are_not_trained_on(digits):
    run = plan.plan_runs(replace(SPEC, validation_split=437), digits, "float32")[0]
    assert run.condition.train_size == 1000
    assert run.condition.steps == 10


# --- keys ---

CHANGES = {
    "hidden": ((16, 16),),
    "activation": "other",
    "batch_size": 99,
    "epochs": 4,
    "validation_split": 0.1,
    "fixed_validation": True,
    "train_sizes": (1000,),
    "restore_best_weights": True,
    "optimizer": Optimizer(learning_rate=0.002),
    "model": ModelReference("net", "0" * 64, 10, 60.0, "Adam", ("dropout",)),
    "redraw": "masks",
}
NO_PART_OF_A_KEY = {
    "patience": "only with restore_best_weights, see the test of both",
    "name": "a title",
    "data": "the digest of the content stands for it",
    **dict.fromkeys(
        ("target", "test", "test_size", "group", "drop", "image_size"),
        "says which content is read, and the digest stands for it",
    ),
    "arms": "each run has its own",
    "seeds": "each run has its own",
    "scale": "what it became with the data, which is in their digest too, stands for it",
    "precision": "what it became on the machine stands for it",
    **dict.fromkeys(("metric", "margin", "published"), "of the verdict, not of training"),
    "keep_weights": "what is kept of a run changes nothing in it",
}


def test_every_field_of_a_study_is_in_the_key_or_has_a_reason_not_to_be():
    assert set(FIELDS) == {*CHANGES, *NO_PART_OF_A_KEY}


@pytest.mark.parametrize("field", CHANGES)
def test_a_field_that_matters_gives_other_keys(digits, field):
    assert not set(keys(SPEC, digits)) & set(keys(replace(SPEC, **{field: CHANGES[field]}), digits))


@pytest.mark.parametrize("part", [field.name for field in fields(Optimizer)])
def test_each_setting_of_the_optimizer_gives_other_keys(digits, part):
    changed = replace(Optimizer(), **{part: "other" if part == "name" else 0.5})
    assert not set(keys(SPEC, digits)) & set(keys(replace(SPEC, optimizer=changed), digits))


@pytest.mark.parametrize("part", [field.name for field in fields(Arm) if field.name != "name"])
def test_each_setting_of_an_arm_but_its_name_gives_another_key(digits, part):
    arm = Arm("a", 0.25)
    changed = replace(arm, **{part: "other" if isinstance(getattr(arm, part), str) else 0.125})
    assert keys(replace(SPEC, arms=(arm,)), digits) != keys(replace(SPEC, arms=(changed,)), digits)


def test_a_key_has_the_rate_of_each_layer_and_equal_rates_are_one(digits):
    def key(rate):
        return keys(parse_spec({**TABLE, "hidden": [8, 4], "arms": [{"rate": rate}]}), digits)

    assert key([0.5, 0.5]) == key(0.5)
    assert len({key(rate)[0] for rate in (0.2, 0.5, [0.2, 0.5], [0.5, 0.2])}) == 4


def test_other_data_another_scale_precision_or_semantics_give_other_keys(digits, monkeypatch):
    before = set(keys(SPEC, digits))
    assert not before & set(keys(SPEC, replace(digits, sha256="0" * 64)))
    assert not before & set(keys(SPEC, replace(digits, scale=1.0)))
    assert not before & set(keys(SPEC, digits, "bfloat16"))
    monkeypatch.setattr(plan, "SEMANTICS", plan.SEMANTICS + 1)
    assert not before & set(keys(SPEC, digits))


@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=2, max_size=2, unique=True), st.integers(0, 9))
def test_rates_and_seeds_that_differ_however_little_have_other_keys(digits, rates, seed):
    def key(rate, seed):
        return keys(replace(SPEC, arms=(Arm("a", rate),), seeds=(seed,)), digits)[0]

    assert key(rates[0], seed) != key(rates[1], seed)
    assert key(rates[0], seed) != key(rates[0], seed + 1)


@given(study=NAMES, arms=st.lists(NAMES, min_size=3, max_size=3, unique=True), data=st.none() | NAMES)
def test_what_things_are_called_and_where_they_lie_does_not_change_a_key(digits, study, arms, data):
    named = tuple(Arm(name, arm.rate) for name, arm in zip(arms, SPEC.arms, strict=True))
    renamed = replace(SPEC, name=study, arms=named, data=data, precision="bfloat16")
    moved = replace(digits, name=study, source=f"/elsewhere/{study}", fallback=True)
    assert keys(renamed, moved) == keys(SPEC, digits)


def test_patience_is_in_the_key_of_runs_that_may_stop_early(digits):
    patient = replace(SPEC, validation_split=0.1, restore_best_weights=True, patience=3)
    assert not set(keys(patient, digits)) & set(keys(replace(patient, patience=4), digits))


def test_neither_the_folder_nor_the_environment_changes_a_key(digits, tmp_path, monkeypatch):
    before = keys(SPEC, digits)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "environ", {"HOSTNAME": "elsewhere", "JAX_PLATFORMS": "tpu"})
    assert keys(SPEC, digits) == before


def test_arms_and_seeds_that_are_added_leave_the_keys_of_the_others(digits):
    grown = replace(SPEC, arms=(Arm("new", 0.1), *SPEC.arms), seeds=(1, *SPEC.seeds))
    assert set(keys(SPEC, digits)) < set(keys(grown, digits))


def test_keys_of_before_there_were_grids_are_still_the_keys(digits):
    """A study that was begun then is finished now. Recomputed from the canonical form as docs/semantics.md has it."""
    for run in plan.plan_runs(replace(SPEC, validation_split=0.1), digits, "float32"):
        settings = {name: value for name, value in asdict(run.arm).items() if name != "name"}
        canonical = {
            "semantics": plan.SEMANTICS,
            "data": digits.sha256,
            "preprocessing": {"flatten": True, "divide_by": 16.0},
            "shape": {"features": 64, "hidden": [16], "classes": 10, "train_size": 1293, "batch_size": 100},
            "activation": "relu",
            "arm": settings,
            "optimizer": asdict(Optimizer()),
            "epochs": 3,
            "validation": 0.1,
            "seed": run.seed,
            "precision": "float32",
        }
        assert run.key == hashlib.sha256(json.dumps(canonical, sort_keys=True).encode()).hexdigest()


# --- grids ---


@given(
    networks=st.lists(
        st.lists(st.integers(1, 9), min_size=1, max_size=3).map(tuple), min_size=1, unique=True
    ),
    sizes=st.lists(st.integers(100, 1000) | st.just("all"), min_size=1, max_size=4, unique=True),
)
def test_lists_cross_into_a_grid_of_runs_that_all_differ(digits, networks, sizes):
    spec = replace(SPEC, hidden=tuple(networks), train_sizes=tuple(sizes))
    runs = plan.plan_runs(spec, digits, "float32")
    counts = [1437 if size == "all" else size for size in sizes]
    expected = {
        (arm.name, network, count, seed)
        for arm in SPEC.arms
        for network in networks
        for count in counts
        for seed in SPEC.seeds
    }
    assert {
        (run.arm.name, run.condition.hidden, run.condition.train_size, run.seed) for run in runs
    } == expected
    assert len(runs) == len(expected) == len({run.key for run in runs})


def test_a_grid_is_trained_seed_by_seed_so_that_what_an_interrupt_leaves_can_be_compared(digits):
    spec = replace(SPEC, hidden=((16,), (8,)), train_sizes=(200, "all"))
    seeds = [run.seed for run in plan.plan_runs(spec, digits, "float32")]
    assert seeds == sorted(seeds)


def test_a_size_of_all_is_the_run_that_names_no_size(digits):
    assert keys(replace(SPEC, train_sizes=(1437,)), digits) == keys(SPEC, digits)


# --- what the data do not allow ---


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ((1438,), "at most the 1,437 training examples, received 1438"),
        ((1437, "all"), 'received 1437 and "all"'),
    ],
)
def test_training_sizes_that_the_data_do_not_allow_are_refused(digits, sizes, said):
    with pytest.raises(InvalidArgument, match=re.escape(said)) as refusal:
        plan.plan_runs(replace(SPEC, train_sizes=sizes), digits, "float32")
    assert refusal.value.subject == "train_sizes"
    with pytest.raises(InvalidArgument, match="1,000 training examples that validation leaves"):
        plan.plan_runs(replace(SPEC, train_sizes=(1001,), validation_split=437), digits, "float32")


def test_a_batch_larger_than_the_smallest_training_size_is_refused(digits):
    with pytest.raises(InvalidArgument, match="at most the 99 training examples of digits that the smallest"):
        plan.plan_runs(replace(SPEC, train_sizes=(99, "all")), digits, "float32")


@pytest.mark.parametrize("validation", [1437, 5000, 0.9999, 0.0001])
def test_validation_data_that_leave_nothing_or_are_nothing_are_refused(digits, validation):
    with pytest.raises(InvalidArgument, match="1437 training examples") as refusal:
        plan.plan_runs(replace(SPEC, validation_split=validation), digits, "float32")
    assert refusal.value.subject == "validation_split"


def test_a_batch_may_be_as_large_as_the_training_data_and_no_larger(digits):
    assert plan.plan_runs(replace(SPEC, batch_size=1437), digits, "float32")[0].condition.steps == 1
    with pytest.raises(InvalidArgument, match="at most the 1437 training examples") as refusal:
        plan.plan_runs(replace(SPEC, batch_size=1438), digits, "float32")
    assert refusal.value.subject == "batch_size"
    with pytest.raises(InvalidArgument, match="at most the 1000"):
        plan.plan_runs(replace(SPEC, batch_size=1001, validation_split=437), digits, "float32")
