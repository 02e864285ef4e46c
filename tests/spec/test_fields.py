"""Fields of a study: which values they accept, and that an error names the field of any other."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dropstudy.core.types import Arm, Optimizer, StudySpec
from dropstudy.errors import InvalidArgument
from dropstudy.spec.data_names import is_data_file
from dropstudy.spec.fields import MAX_SEED, MAX_SEEDS
from dropstudy.spec.study_file import parse_spec
from expected import Spec

MINIMAL = {"name": "mine", "rates": [0, 0.5], "hidden": [16], "epochs": 3, "validation_split": 0.1}


def parse(**changes):
    return parse_spec({**MINIMAL, **changes})


def refusal_of(**changes):
    with pytest.raises(InvalidArgument) as refusal:
        parse(**changes)
    assert "\n" not in str(refusal.value)
    return refusal.value


def test_a_field_that_is_left_out_has_kerass_default():
    assert parse() == StudySpec(
        name="mine",
        data=None,
        arms=(Arm("no dropout", 0.0), Arm("dropout 0.5", 0.5)),
        hidden=((16,),),
        activation="relu",
        optimizer=Optimizer(name="adam", learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7),
        batch_size=128,
        epochs=3,
        seeds=(),
        validation_split=0.1,
        precision="auto",
    )


@pytest.mark.parametrize(
    ("field", "value", "parsed"),
    [
        ("name", "größer & <b>", "größer & <b>"),
        ("data", "my data/numbers.npz", str(Path.cwd() / "my data" / "numbers.npz")),
        ("data", "~/numbers.NPZ", str(Path.home() / "numbers.NPZ")),
        ("data", "digits", "digits"),
        ("hidden", [512, 1, 7], ((512, 1, 7),)),
        ("hidden", [[512, 1], [7]], ((512, 1), (7,))),
        ("hidden", (32,), ((32,),)),
        ("train_sizes", [100, "all"], (100, "all")),
        ("train_sizes", 100, (100,)),
        ("train_sizes", "all", ("all",)),
        ("fixed_validation", True, True),
        ("keep_weights", "best", "best"),
        ("batch_size", 1, 1),
        ("epochs", np.int64(4), 4),
        ("seeds", 3, (0, 1, 2)),
        ("seeds", [7], (7,)),
        ("seeds", range(2, 5), (2, 3, 4)),
        ("seeds", [MAX_SEED, 0], (MAX_SEED, 0)),
        ("validation_split", "test", "test"),
        ("validation_split", np.float32(0.25), 0.25),
        ("validation_split", 1, 1),
        ("validation_split", 10_000, 10_000),
        ("precision", "bfloat16", "bfloat16"),
        ("scale", "auto", "auto"),
        ("scale", 16, 16.0),
        ("margin", 50, 50.0),
        ("optimizer", {"learning_rate": 1}, Optimizer(learning_rate=1.0)),
        ("optimizer", Optimizer(beta_1=0.0), Optimizer(beta_1=0.0)),
    ],
)
def test_a_valid_value_is_accepted(field, value, parsed):
    received = getattr(parse(**{field: value}), field)
    assert received == parsed
    assert type(received) is type(parsed)


WRONG = {
    "name": ["", "  ", 3, b"x", None, "a/b", "a\\b", "..", ".", "two\nlines", "end\n", "nul\0"],
    "data": ["", 5, "half \udcff character"],
    "hidden": [
        [],
        512,
        "512",
        [0],
        [512, -1],
        [1.5],
        [True],
        [2**31],
        [[]],
        [[8], 8],
        [[8], [8]],
        [[8], "8"],
    ],
    "train_sizes": [[], [0], [0.5], [True], ["half"], [10, 10], ["all", "all"]],
    "fixed_validation": ["fixed", 1],
    "keep_weights": ["some", True],
    "activation": ["swish", None, ["relu"]],
    "batch_size": [0, -128, 12.0, True, "128"],
    "epochs": [0, -1, 2.5, False, math.nan, 10**30],
    "seeds": [0, -3, 1.0, True, "3", [], [1, 2, 1], [-1], [MAX_SEED + 1], [True], MAX_SEEDS + 1],
    "validation_split": [0, 0.0, 1.0, -0.1, -5, math.nan, math.inf, True, "val", [0.1]],
    "precision": ["float16", 32],
    "scale": [0, -1.0, math.nan, math.inf, "255", True],
    "margin": [0, -0.1, 50.1, math.nan, "0.1", True],
    "patience": [-1, 1.5],
    "restore_best_weights": ["yes", 1],
    "optimizer": ["adam", None],
    "rates": [[], 0.5, "0,0.5", [0, 1], [0, 1.5], [-0.1], [math.nan], [math.inf], [True], ["0.5"]],
}


@pytest.mark.parametrize(("field", "value"), [(field, value) for field in WRONG for value in WRONG[field]])
def test_an_invalid_value_is_refused_and_its_field_named(field, value):
    assert refusal_of(**{field: value}).subject == field


def test_an_error_shows_the_element_that_is_wrong_and_the_values_that_are_allowed():
    assert str(refusal_of(hidden=[[8], [4, 0]])) == Spec.HIDDEN_WRONG
    assert str(refusal_of(rates=[0, 1.0])) == Spec.RATE_1
    assert str(refusal_of(activation="swish")) == Spec.CHOICE_WRONG


def test_duplicates_are_named():
    assert "settings 'dropout 0.5' twice" in str(refusal_of(rates=[0.5, 0, 0.5]))
    assert "value 3 twice" in str(refusal_of(seeds=[3, 1, 3]))


@pytest.mark.parametrize(
    ("unknown", "near"),
    [("epoch", "epochs"), ("rate", "rates"), ("batchsize", "batch_size"), ("optimiser", "optimizer")],
)
def test_an_unknown_field_is_refused_with_the_closest_known_one(unknown, near):
    refused = refusal_of(**{unknown: 1})
    assert refused.subject == f"{unknown} (study file)"
    assert refused.next_step == f"Did you mean {near!r}?"


def test_an_unknown_field_that_is_close_to_none_is_refused():
    assert refusal_of(xyzzy=1).next_step == "Remove it."


def test_rates_and_arms_together_are_refused():
    assert "either `rates` or `arms`, received both" in str(refusal_of(arms=[{"rate": 0}]))


@pytest.mark.parametrize("field", ["name", "hidden", "epochs", "validation_split", "rates"])
def test_a_missing_field_without_a_default_is_named(field):
    with pytest.raises(InvalidArgument, match="received none") as refusal:
        parse_spec({name: value for name, value in MINIMAL.items() if name != field})
    assert refusal.value.subject == {"rates": "arms"}.get(field, field)


# Validation data


@pytest.mark.parametrize(
    ("field", "value"),
    [("fixed_validation", True), ("keep_weights", "best"), ("restore_best_weights", True), ("patience", 2)],
)
def test_a_field_that_needs_validation_data_is_refused_where_the_test_set_is_watched(field, value):
    refused = refusal_of(validation_split="test", **{field: value})
    assert refused.subject == field
    assert "`validation_split='test'`" in str(refused)
    assert getattr(parse(**{field: value}), field) == value


@pytest.mark.parametrize(
    ("given", "best", "patience"),
    [
        ({}, False, 0),
        ({"restore_best_weights": True}, True, 0),
        ({"patience": 3}, True, 3),
        ({"restore_best_weights": True, "patience": 3}, True, 3),
    ],
)
def test_patience_restores_the_best_weights(given, best, patience):
    spec = parse(**given)
    assert (spec.restore_best_weights, spec.patience) == (best, patience)


def test_patience_without_the_best_weights_is_refused():
    assert str(refusal_of(patience=2, restore_best_weights=False)) == Spec.PATIENCE_ALONE


def test_a_study_watches_its_test_set_where_it_holds_nothing_out():
    assert parse(validation_split="test").watches_test
    assert not replace(parse(validation_split="test"), validation_split=0.1).watches_test


@pytest.mark.parametrize(
    ("data", "is_file"),
    [
        ("mnist", False),
        ("emnist/letters", False),
        ("openml:credit-g", False),
        ("openml:31", False),
        ("breast-cancer", False),
        ("mine.npz", True),
        ("emnist/letters.csv", True),
        ("photos/emnist/letters", True),
        ("./mnist", True),
    ],
)
def test_names_of_data_with_a_slash_or_a_colon_are_no_paths(data, is_file):
    assert is_data_file(data) == is_file


# --- published results ---


PUBLISHED = {"arm": "dropout 0.5", "source": "A. Author 2014, Table 1"}


@pytest.mark.parametrize(
    ("result", "subject", "received"),
    [
        (PUBLISHED, "published result 1", "neither"),
        ({**PUBLISHED, "value": 1, "expected": "lower"}, "published result 1", "both"),
        ({**PUBLISHED, "arm": "dropout", "value": 1}, "arm (published result 1)", "'dropout'"),
        ({**PUBLISHED, "arm": "no dropout", "expected": "lower"}, "arm (published result 1)", "'no dropout'"),
        ({"arm": "dropout 0.5", "value": 1}, "source (published result 1)", "none"),
        ({**PUBLISHED, "value": -1}, "value (published result 1)", "-1"),
        ({**PUBLISHED, "value": 125}, "value (published result 1)", "125"),
        ({**PUBLISHED, "expected": "same"}, "within (published result 1)", "none"),
        ({**PUBLISHED, "expected": "better"}, "expected (published result 1)", "'better'"),
        ({**PUBLISHED, "error": 1}, "error (published result 1)", "the unknown field 'error'"),
        ("1.25%", "published result 1", "'1.25%'"),
    ],
)
def test_a_published_result_that_says_too_little_or_too_much_is_refused(result, subject, received):
    refusal = refusal_of(published=[result])
    assert refusal.subject == subject
    assert received in refusal.received
