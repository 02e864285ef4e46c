"""A study grows by what is asked for and loses nothing; what would part its runs is refused."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropstudy.core.model import ModelReference
from dropstudy.core.types import Arm, Optimizer
from dropstudy.errors import InvalidArgument
from dropstudy.spec import merge
from dropstudy.spec.merge import FIXED, FREE, LISTS, additions, differences, grow, shrink
from dropstudy.spec.study_file import FIELDS, parse_spec

TABLE = {
    "name": "mine",
    "data": "mnist",
    "rates": [0, 0.5],
    "hidden": [16],
    "epochs": 3,
    "seeds": 3,
    "validation_split": 0.1,
    "precision": "float32",
}


def parse(**fields):
    table = {**TABLE, **fields}
    if "arms" in fields:
        del table["rates"]
    return parse_spec(table)


def some(values):
    return st.lists(values, min_size=1, max_size=4, unique=True)


GRIDS = st.builds(
    parse,
    rates=some(st.sampled_from([0, 0.1, 0.25, 0.5, 0.8])),
    seeds=some(st.integers(0, 9)),
    hidden=some(st.lists(st.integers(1, 3), min_size=1, max_size=2).map(tuple)),
    train_sizes=some(st.integers(1, 5) | st.just("all")),
)


def test_each_field_of_a_study_grows_is_fixed_or_is_free():
    assert sorted((*LISTS, *FIXED, *FREE)) == sorted(FIELDS)


# --- what grows ---


@given(GRIDS, GRIDS)
def test_a_grown_study_has_all_that_was_there_in_its_place_and_all_that_was_asked_for(stored, asked):
    grown = grow(stored, asked)
    for name in LISTS:
        old, new, both = (getattr(spec, name) for spec in (stored, asked, grown))
        assert both[: len(old)] == old
        assert set(both) == {*old, *new}
        assert len(both) == len(set(both))
    assert grow(stored, grown) == grow(grown, asked) == grow(grown, stored) == grown


def test_published_results_stay_with_a_study_as_long_as_their_arm_does():
    results = [{"arm": "dropout 0.5", "source": "A. Author 2014", "value": 1.25}]
    stored = parse(rates=(0, 0.5), published=results)
    grown = grow(stored, parse(rates=(0, 0.2)))
    assert grown.published == stored.published
    assert shrink(grown, {"arms": ["dropout 0.2"]}).published == stored.published
    assert shrink(grown, {"arms": ["dropout 0.5"]}).published == ()


@given(GRIDS, st.data())
def test_asking_for_less_leaves_a_study_as_it_is(stored, data):
    less = {name: data.draw(some(st.sampled_from(getattr(stored, name)))) for name in LISTS}
    assert grow(stored, replace(stored, **{name: tuple(values) for name, values in less.items()})) == stored


@given(GRIDS, GRIDS)
def test_what_a_study_grows_by_is_said_and_nothing_else(stored, asked):
    lines = additions(stored, grow(stored, asked))
    grown_fields = [name for name in LISTS if not set(getattr(asked, name)) <= set(getattr(stored, name))]
    assert [line.split(" + ")[0] for line in lines] == grown_fields
    assert additions(stored, stored) == []


def test_ten_seeds_become_twenty():
    grown = grow(parse(seeds=10), parse(seeds=20))
    assert grown.seeds == tuple(range(20))
    assert additions(parse(seeds=10), grown) == ["seeds + 10 to 19"]


def test_seeds_by_number_stay_when_a_count_is_asked_for():
    assert grow(parse(seeds=[8, 2]), parse(seeds=4)).seeds == (8, 2, 0, 1, 3)


def test_an_arm_is_known_by_its_settings_and_keeps_its_name():
    stored = parse(arms=[{"name": "plain", "rate": 0}, {"name": "half", "rate": 0.5}])
    grown = grow(stored, parse(rates=[0, 0.25, 0.5]))
    assert [arm.name for arm in grown.arms] == ["plain", "half", "dropout 0.25"]


def test_the_baseline_stays_whatever_is_asked_for_first():
    assert grow(parse(rates=[0, 0.5]), parse(rates=[0.5, 0])).arms[0].rate == 0


def test_a_title_and_what_is_kept_of_weights_follow_the_last_word():
    grown = grow(parse(), parse(name="another", keep_weights="none"))
    assert (grown.name, grown.keep_weights) == ("another", "none")


def test_data_left_open_and_precision_auto_agree_with_what_is_recorded():
    stored = parse(data="digits", precision="bfloat16")
    assert grow(stored, parse(data=None, precision="auto")) == stored
    assert differences(stored, parse(data="digits", precision="float32"))


def test_a_file_of_data_may_have_moved():
    stored, asked = parse(data="/before/mine.npz"), parse(data="/now/mine.npz")
    assert differences(stored, asked) == []
    assert grow(stored, asked) == asked
    assert grow(stored, parse(data=None)) == stored
    assert differences(stored, parse(data="digits"))
    assert differences(parse(data="digits"), asked)


# --- what is refused ---

CHANGES = {
    "data": "other",
    "activation": "tanh",
    "optimizer": Optimizer(learning_rate=0.123),
    "batch_size": 77,
    "epochs": 99,
    "validation_split": 0.123,
    "fixed_validation": True,
    "precision": "bfloat16",
    "scale": 16.0,
    "restore_best_weights": True,
    "patience": 5,
    "target": "species",
    "test": "/data/test.csv",
    "test_size": 0.25,
    "group": "patient",
    "drop": ("id",),
    "image_size": (32, 48),
    "model": ModelReference("net", "0" * 64, 10, 60.0, "Adam", ("dropout",)),
    "redraw": "order",
}


def test_every_field_that_is_fixed_has_its_test():
    assert set(CHANGES) == set(FIXED)


@pytest.mark.parametrize("field", CHANGES)
def test_a_field_that_makes_runs_incomparable_is_refused_with_both_values(field):
    stored = parse(restore_best_weights=field == "patience")  # which patience asks for
    change = list(CHANGES[field]) if isinstance(CHANGES[field], tuple) else CHANGES[field]  # as TOML has it
    if field == "model":  # which fields of dense layers exclude
        asked = replace(stored, model=change)
    else:
        asked = parse(**{"restore_best_weights": stored.restore_best_weights, field: change})
    (line,) = differences(stored, asked)
    assert (
        line == f"{field} is {getattr(stored, field)!r} in the study, {getattr(asked, field)!r} was requested"
    )
    with pytest.raises(InvalidArgument) as refusal:
        grow(stored, asked)
    assert line in refusal.value.received
    assert "--out" in refusal.value.next_step
    assert "as the study has them" in refusal.value.next_step


def test_all_that_differs_is_named():
    assert len(differences(parse(), parse(epochs=9, batch_size=3, validation_split=0.2, seeds=9))) == 3


def test_one_name_for_two_arms_and_two_names_for_one_are_refused():
    stored = parse(arms=[Arm("plain"), Arm("noisy", 0.5)])
    (line,) = differences(stored, parse(arms=[Arm("noisy", 0.5, l2=0.1)]))
    assert line == "the arm 'noisy' is dropout 0.5 in the study, dropout 0.5, l2 0.1 was requested"
    (line,) = differences(stored, parse(arms=[Arm("loud", 0.5)]))
    assert line == "the arm of dropout 0.5 is called 'noisy' in the study, 'loud' was requested"
    assert merge.differences(stored, parse(arms=[Arm("noisy", 0.5), Arm("loud", 0.75)])) == []
