"""Arms and optimisers: every setting is read, an invalid one is named, and different arms have different names."""

import math
from dataclasses import asdict, fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropstudy.core.types import Arm, Optimizer
from dropstudy.errors import InvalidArgument
from dropstudy.spec.arms import arm_name, parse_arms, parse_optimizer

# A valid value, other than the default, for each setting.
ARM = {
    "name": "mine",
    "rate": 0.25,
    "input_rate": 0.125,
    "noise": "gaussian",
    "l2": 0.001,
    "max_norm": 3.0,
    "schedule": "late",
    "switch": 1.0,
}
OPTIMIZER = {
    "name": "sgd",
    "learning_rate": 0.1,
    "decay": 0.95,
    "beta_1": 0.8,
    "beta_2": 0.99,
    "epsilon": 1e-8,
    "momentum": 0.9,
}


@pytest.mark.parametrize(
    ("kind", "settings", "parse"),
    [(Arm, ARM, lambda table: parse_arms([table])[0]), (Optimizer, OPTIMIZER, parse_optimizer)],
)
def test_every_setting_of_a_table_is_read(kind, settings, parse):
    assert set(settings) == {field.name for field in fields(kind)}
    assert all(field.default != settings[field.name] for field in fields(kind))
    assert asdict(parse(settings)) == settings
    assert parse(kind(**settings)) == kind(**settings)


def test_arms_are_tables_or_records_and_are_named_after_their_settings_where_they_have_no_name():
    tables = {"rate": 0}, {"name": "[red]", "rate": 0.2}, Arm("half", 0.5), Arm(rate=0.75)
    named = Arm("no dropout", 0.0), Arm("[red]", 0.2), Arm("half", 0.5), Arm("dropout 0.75", 0.75)
    assert parse_arms(tables) == named


@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=2, max_size=6, unique=True))
def test_arms_with_different_rates_have_different_names(rates):
    arms = parse_arms([{"rate": rate} for rate in rates])
    assert [arm.rate for arm in arms] == rates
    assert len({arm.name for arm in arms}) == len(rates)


def test_arms_that_differ_in_one_setting_have_different_names():
    usual = {"rate": 0.5}
    arms = parse_arms([usual, *({**usual, part: value} for part, value in ARM.items() if part != "name")])
    names = {arm.name for arm in arms}
    assert len(names) == len(ARM)
    assert {
        "dropout 0.5",
        "gaussian 0.5",
        "dropout 0.5, input rate 0.125",
        "dropout 0.5, schedule late",
    } < names


@given(
    st.lists(st.lists(st.sampled_from([0, 0.2, 0.25, 0.5]), min_size=2, max_size=3), min_size=1, max_size=4)
)
def test_rates_by_layer_are_read_from_any_sequence_and_told_apart_by_name(rates):
    for kind in (list, tuple):
        arms = [parse_arms([{"rate": kind(each)}])[0] for each in rates]
        assert [arm.layer_rates(len(each)) for arm, each in zip(arms, rates, strict=True)] == [
            *map(tuple, rates)
        ]
        assert len({arm.name for arm in arms}) == len({arm.rate for arm in arms})


def test_an_arm_with_rates_by_layer_is_named_after_them():
    arms = parse_arms(
        [{"rate": [0.2, 0.5]}, {"rate": [0.5, 0], "noise": "gaussian", "l2": 0.1}], [(8, 8), (4, 2)]
    )
    assert [arm.name for arm in arms] == ["dropout 0.2, 0.5", "gaussian 0.5, 0, l2 0.1"]
    assert [arm.rate for arm in arms] == [(0.2, 0.5), (0.5, 0.0)]


def test_equal_rates_of_all_layers_are_one_rate():
    assert parse_arms([{"rate": [0.5, 0.5]}, {"rate": [0.0]}], ()) == parse_arms([{"rate": 0.5}, {"rate": 0}])
    with pytest.raises(InvalidArgument, match="twice"):
        parse_arms([{"rate": [0.5, 0.5]}, {"rate": 0.5}])


@pytest.mark.parametrize("networks", [[(8,)], [(8, 8), (8, 8, 8)], [(16, 8), (16,)]])
@pytest.mark.parametrize("rates", [[0.2, 0.5], [0.5, 0.5]])
def test_a_network_with_another_number_of_hidden_layers_is_refused_and_named(networks, rates):
    with pytest.raises(InvalidArgument, match="received 2: ") as refusal:
        parse_arms([{"rate": 0.1}, {"rate": rates}], networks)
    wrong = networks[-1]
    assert refusal.value.subject == "rate (arm 2)"
    assert f"or {len(wrong)} for those of the network {'-'.join(map(str, wrong))}" in refusal.value.expected
    assert f"--rates {rates[0]},{rates[1]}" in refusal.value.next_step


@pytest.mark.parametrize("rates", [[], [0.2, 1], [0.2, "0.5"], [[0.2], 0.5], [0.2, math.nan]])
def test_one_rate_of_a_layer_outside_0_to_1_is_refused(rates):
    with pytest.raises(InvalidArgument, match="dropped, not kept") as refusal:
        parse_arms([{"rate": rates}], [(8, 8)])
    assert refusal.value.subject == "rate (arm 1)"


def test_minus_zero_is_zero():
    (arm,) = parse_arms([{"rate": -0.0}])
    assert math.copysign(1, arm.rate) == 1
    assert arm_name(arm) == "no dropout"


@pytest.mark.parametrize("rate", [1, 1.5, 20, -0.1, math.nan, math.inf, -math.inf, True, "0.5"])
def test_a_rate_outside_0_to_1_is_refused_and_its_arm_named(rate):
    with pytest.raises(InvalidArgument, match="dropped, not kept") as refusal:
        parse_arms([{"rate": 0}, {"rate": rate, "name": "b"}])
    assert refusal.value.subject == "rate (arm 2)"
    assert "below 1" in refusal.value.expected


@pytest.mark.parametrize(
    ("arms", "subject"),
    [
        ([], "arms"),
        ("adam", "arms"),
        ([{"rate": 0.1}, {"rate": 0.1}], "arms"),
        ([{"name": "a", "rate": 0.1}, {"name": "b", "rate": 0.1}], "arms"),
        ([{"name": "a", "rate": 0.1}, {"name": "a", "rate": 0.2}], "arms"),
        ([{"rate": 0}, {"rate": -0.0}], "arms"),
        ([{"rate": 0.1, "l2": 0.1}, {"name": "b", "rate": 0.1, "l2": 0.1}], "arms"),
        ([0.5], "arm 1"),
        ([{"rate": 0}, "half"], "arm 2"),
        ([{"rate": 0}, {"name": "", "rate": 0.5}], "name (arm 2)"),
        ([{"rate": 0}, {"name": "a\x1b[2Jb", "rate": 0.5}], "name (arm 2)"),
        ([{"rate": 0}, {"name": "two\u2028lines", "rate": 0.5}], "name (arm 2)"),
        ([{"rat": 0}], "rat (arm 1)"),
        ([{1: 2}], "1 (arm 1)"),
        ([{"input_rate": 1.0}], "input_rate (arm 1)"),
        ([{"noise": "Gaussian"}], "noise (arm 1)"),
        ([{"l2": -0.1}], "l2 (arm 1)"),
        ([{"l2": math.inf}], "l2 (arm 1)"),
        ([{"max_norm": "3"}], "max_norm (arm 1)"),
        ([{"max_norm": math.nan}], "max_norm (arm 1)"),
        ([{"schedule": "cosine"}], "schedule (arm 1)"),
        ([{"switch": 0}], "switch (arm 1)"),
        ([{"switch": 1.01}], "switch (arm 1)"),
    ],
)
def test_invalid_arms_are_refused_and_named(arms, subject):
    with pytest.raises(InvalidArgument) as refusal:
        parse_arms(arms)
    assert refusal.value.subject == subject


@pytest.mark.parametrize("other", ["a\u200b", "\uff41", "a\u2060 ", "\u202ea"])
def test_arms_whose_names_look_alike_are_refused(other):
    with pytest.raises(InvalidArgument, match="name 'a' twice"):
        parse_arms([{"name": "a", "rate": 0}, {"name": other, "rate": 0.5}])


WRONG = {
    "name": ["rmsprop"],
    "decay": [0, math.inf],
    "momentum": [1.0, -0.5],
    "learning_rate": [0, -1e-3, math.nan, math.inf, 10**400, True, "0.001"],
    "beta_1": [1.0, -0.1],
    "beta_2": [1, math.nan],
    "epsilon": [0.0],
}


@pytest.mark.parametrize(("part", "value"), [(part, value) for part in WRONG for value in WRONG[part]])
def test_an_invalid_setting_of_the_optimizer_is_refused_and_named(part, value):
    with pytest.raises(InvalidArgument) as refusal:
        parse_optimizer({part: value})
    assert refusal.value.subject == f"optimizer.{part}"


@pytest.mark.parametrize(("unknown", "near"), [("lr", "learning_rate"), ("learningrate", "learning_rate")])
def test_an_unknown_setting_of_the_optimizer_is_refused_with_the_known_ones(unknown, near):
    with pytest.raises(InvalidArgument, match=near) as refusal:
        parse_optimizer({unknown: 1})
    assert refusal.value.subject == f"{unknown} (optimizer)"
