"""A study file is checked to the last field before anything happens, and says the same when written back."""

import math
import tomllib
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropstudy.core.types import Activation, Arm, Noise, Optimizer, OptimizerName, Schedule, StudySpec
from dropstudy.errors import InvalidArgument
from dropstudy.spec import presets
from dropstudy.spec.arms import arm_name
from dropstudy.spec.study_file import (
    FIELDS,
    MAX_SEED,
    MOST_SEEDS,
    STUDY_FILE,
    is_study,
    parse_spec,
    read_spec,
    to_toml,
)
from dropstudy.store import directory

MINIMAL = {"name": "mine", "rates": [0, 0.5], "hidden": [16], "epochs": 3, "validation_split": 0.1}


def parse(**changes):
    return parse_spec({**MINIMAL, **changes})


def with_arms(*arms):
    return parse_spec({**{k: v for k, v in MINIMAL.items() if k != "rates"}, "arms": list(arms)})


def study_file(tmp_path, text):
    path = tmp_path / "mine.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


# --- what is accepted ---


def test_what_a_file_leaves_out_is_as_keras_has_it():
    spec = parse()
    assert spec == StudySpec(
        name="mine",
        data=None,
        arms=(Arm("no dropout", 0.0), Arm("dropout 0.5", 0.5)),
        hidden=((16,),),
        activation="relu",
        optimizer=Optimizer(name="adam", learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7),
        batch_size=128,
        epochs=3,
        seeds=(0,),
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
        ("train_sizes", [100, "all"], (100, "all")),
        ("train_sizes", 100, (100,)),
        ("train_sizes", "all", ("all",)),
        ("fixed_validation", True, True),
        ("keep_weights", "best", "best"),
        ("hidden", (32,), ((32,),)),
        ("batch_size", 1, 1),
        ("epochs", 1, 1),
        ("epochs", np.int64(4), 4),
        ("seeds", 3, (0, 1, 2)),
        ("seeds", [7], (7,)),
        ("seeds", range(2, 5), (2, 3, 4)),
        ("seeds", [MAX_SEED, 0], (MAX_SEED, 0)),
        ("validation_split", "test", "test"),
        ("validation_split", 0.25, 0.25),
        ("validation_split", 1, 1),
        ("validation_split", 10_000, 10_000),
        ("precision", "bfloat16", "bfloat16"),
        ("scale", "auto", "auto"),
        ("scale", 16, 16.0),
        ("precision", "float32", "float32"),
        ("optimizer", {"learning_rate": 1}, Optimizer(learning_rate=1.0)),
        ("optimizer", Optimizer(beta_1=0.0), Optimizer(beta_1=0.0)),
    ],
)
def test_a_right_value_is_taken(field, value, parsed):
    received = getattr(parse(**{field: value}), field)
    assert received == parsed
    assert type(received) is type(parsed)


def test_arms_are_tables_or_records_and_are_named_after_their_rate_where_they_have_no_name():
    spec = with_arms({"rate": 0}, {"name": "[red]", "rate": 0.2}, Arm("half", 0.5), {"rate": 0.75})
    assert spec.arms == (
        Arm("no dropout", 0.0),
        Arm("[red]", 0.2),
        Arm("half", 0.5),
        Arm("dropout 0.75", 0.75),
    )


@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=2, max_size=6, unique=True))
def test_rates_that_differ_make_arms_whose_names_differ(rates):
    arms = parse(rates=rates).arms
    assert [arm.rate for arm in arms] == rates
    assert len({arm.name for arm in arms}) == len(rates)


def test_minus_zero_is_zero():
    rate = parse(rates=[-0.0]).arms[0].rate
    assert math.copysign(1, rate) == 1
    assert arm_name(Arm("a", rate)) == "no dropout"


# A right value, other than the default, for each setting of an arm and of the optimizer.
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


@pytest.mark.parametrize(("kind", "settings"), [(Arm, ARM), (Optimizer, OPTIMIZER)])
def test_every_setting_of_a_table_is_taken_and_none_is_left_by_the_wayside(kind, settings):
    assert set(settings) == {field.name for field in fields(kind)}
    assert all(field.default != settings[field.name] for field in fields(kind))
    spec = parse_spec({**MINIMAL, "optimizer": settings}) if kind is Optimizer else with_arms(settings)
    assert asdict(spec.optimizer if kind is Optimizer else spec.arms[0]) == settings


def test_arms_that_differ_in_one_setting_are_two_arms_with_names_of_their_own():
    usual = {"rate": 0.5}
    others = [{**usual, part: value} for part, value in ARM.items() if part != "name"]
    arms = with_arms(usual, *others).arms
    assert len({arm.name for arm in arms}) == len(ARM)
    assert arms[0].name == "dropout 0.5"
    assert {"gaussian 0.5", "dropout 0.5, input rate 0.125", "dropout 0.5, schedule late"} < {
        a.name for a in arms
    }


# --- what is refused, and how ---

WRONG = [
    ("name", ""),
    ("name", "  "),
    ("name", 3),
    ("name", "a/b"),
    ("name", "a\\b"),
    ("name", ".."),
    ("name", "."),
    ("name", "two\nlines"),
    ("name", "nul\0"),
    ("data", ""),
    ("data", 5),
    ("data", "half \udcff character"),
    ("hidden", []),
    ("hidden", 512),
    ("hidden", "512"),
    ("hidden", [0]),
    ("hidden", [512, -1]),
    ("hidden", [1.5]),
    ("hidden", [True]),
    ("hidden", [2**31]),
    ("hidden", [[]]),
    ("hidden", [[8], 8]),
    ("hidden", [[8], [8]]),
    ("hidden", [[8], "8"]),
    ("train_sizes", []),
    ("train_sizes", [0]),
    ("train_sizes", [0.5]),
    ("train_sizes", [True]),
    ("train_sizes", ["half"]),
    ("train_sizes", [10, 10]),
    ("train_sizes", ["all", "all"]),
    ("fixed_validation", "fixed"),
    ("fixed_validation", 1),
    ("keep_weights", "some"),
    ("keep_weights", True),
    ("activation", "swish"),
    ("activation", None),
    ("activation", ["relu"]),
    ("batch_size", 0),
    ("batch_size", -128),
    ("batch_size", 12.0),
    ("batch_size", True),
    ("batch_size", "128"),
    ("epochs", 0),
    ("epochs", -1),
    ("epochs", 2.5),
    ("epochs", False),
    ("epochs", math.nan),
    ("epochs", 10**30),
    ("seeds", 0),
    ("seeds", -3),
    ("seeds", 1.0),
    ("seeds", True),
    ("seeds", "3"),
    ("seeds", []),
    ("seeds", [1, 2, 1]),
    ("seeds", [-1]),
    ("seeds", [MAX_SEED + 1]),
    ("seeds", [True]),
    ("seeds", MOST_SEEDS + 1),
    ("validation_split", 0),
    ("validation_split", 0.0),
    ("validation_split", 1.0),
    ("validation_split", -0.1),
    ("validation_split", -5),
    ("validation_split", math.nan),
    ("validation_split", math.inf),
    ("validation_split", True),
    ("validation_split", "val"),
    ("validation_split", [0.1]),
    ("precision", "float16"),
    ("precision", 32),
    ("scale", 0),
    ("scale", -1.0),
    ("scale", math.nan),
    ("scale", math.inf),
    ("scale", "255"),
    ("scale", True),
    ("optimizer", "adam"),
    ("rates", []),
    ("rates", 0.5),
    ("rates", "0,0.5"),
]


@pytest.mark.parametrize(("field", "value"), WRONG)
def test_a_wrong_value_is_refused_and_its_field_named(field, value):
    with pytest.raises(InvalidArgument) as refusal:
        parse(**{field: value})
    assert refusal.value.subject == field
    assert refusal.value.expected
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("name", "rmsprop"),
        ("decay", 0),
        ("decay", math.inf),
        ("momentum", 1.0),
        ("momentum", -0.5),
        ("learning_rate", 0),
        ("learning_rate", -1e-3),
        ("learning_rate", math.nan),
        ("learning_rate", math.inf),
        ("learning_rate", 10**400),
        ("learning_rate", True),
        ("learning_rate", "0.001"),
        ("beta_1", 1.0),
        ("beta_1", -0.1),
        ("beta_2", 1),
        ("beta_2", math.nan),
        ("epsilon", 0.0),
    ],
)
def test_a_wrong_part_of_the_optimizer_is_refused_and_named(part, value):
    with pytest.raises(InvalidArgument) as refusal:
        parse(optimizer={part: value})
    assert refusal.value.subject == f"optimizer.{part}"


@pytest.mark.parametrize(
    "rate", [1, 1.0, 1.5, 20, -0.1, -1, math.nan, math.inf, -math.inf, True, False, "0.5"]
)
def test_a_rate_outside_0_to_1_is_refused_and_its_arm_named(rate):
    for spell in (
        lambda: parse(rates=[0, rate]),
        lambda: with_arms({"rate": 0}, {"rate": rate, "name": "b"}),
    ):
        with pytest.raises(InvalidArgument) as refusal:
            spell()
        assert refusal.value.subject == "rate (arm 2)"
        assert "below 1" in refusal.value.expected


def test_rate_1_is_told_what_a_rate_is():
    with pytest.raises(InvalidArgument, match="share dropped, not kept"):
        parse(rates=[1.0])


@pytest.mark.parametrize(
    ("arms", "subject"),
    [
        ([{"rate": 0.1}, {"rate": 0.1}], "arms"),
        ([{"name": "a", "rate": 0.1}, {"name": "b", "rate": 0.1}], "arms"),
        ([{"name": "a", "rate": 0.1}, {"name": "a", "rate": 0.2}], "arms"),
        ([{"rate": 0}, {"rate": -0.0}], "arms"),
        ([0.5], "arm 1"),
        ([{"rate": 0}, "half"], "arm 2"),
        ([{"rate": 0}, {"name": "", "rate": 0.5}], "name (arm 2)"),
        ([{"rate": 0}, {"name": "a\x1b[2Jb", "rate": 0.5}], "name (arm 2)"),
        ([{"rate": 0}, {"name": "two\u2028lines", "rate": 0.5}], "name (arm 2)"),
        ([{"rat": 0}], "rat (arm 1)"),
        ([{1: 2}], "1 (arm 1)"),
        ([{"rate": 0.1, "l2": 0.1}, {"name": "b", "rate": 0.1, "l2": 0.1}], "arms"),
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
def test_wrong_arms_are_refused_and_named(arms, subject):
    with pytest.raises(InvalidArgument) as refusal:
        with_arms(*arms)
    assert refusal.value.subject == subject


@pytest.mark.parametrize("other", ["a\u200b", "\uff41", "a\u2060 ", "\u202ea"])
def test_arms_whose_names_look_alike_are_refused(other):
    with pytest.raises(InvalidArgument, match="name 'a' twice"):
        read_spec("notebook", {"arms": [{"name": "a", "rate": 0}, {"name": other, "rate": 0.5}]})


def test_what_stands_twice_is_said():
    with pytest.raises(InvalidArgument, match=r"settings 'dropout 0\.5' twice"):
        parse(rates=[0.5, 0, 0.5])
    with pytest.raises(InvalidArgument, match="value 3 twice"):
        parse(seeds=[3, 1, 3])


@pytest.mark.parametrize(
    ("unknown", "meant"),
    [("epoch", "epochs"), ("rate", "rates"), ("batchsize", "batch_size"), ("optimiser", "optimizer")],
)
def test_an_unknown_field_is_refused_with_the_nearest_known_one(unknown, meant):
    with pytest.raises(InvalidArgument, match=f"Did you mean '{meant}'") as refusal:
        parse(**{unknown: 1})
    assert refusal.value.subject.startswith(unknown)


@pytest.mark.parametrize(
    ("where", "meant"),
    [({"optimizer": {"lr": 1}}, "optimizer"), ({"optimizer": {"learningrate": 1}}, "learning_rate")],
)
def test_an_unknown_part_of_a_table_is_refused_with_where_it_stands(where, meant):
    with pytest.raises(InvalidArgument, match=meant) as refusal:
        parse(**where)
    assert "(optimizer)" in refusal.value.subject


def test_an_unknown_field_far_from_all_is_refused_too():
    with pytest.raises(InvalidArgument, match="Remove it"):
        parse(xyzzy=1)


def test_rates_and_arms_together_are_refused():
    with pytest.raises(InvalidArgument, match="either rates or arms, received both"):
        parse(arms=[{"rate": 0}])


@pytest.mark.parametrize("field", ["name", "hidden", "epochs", "validation_split"])
def test_a_field_without_a_default_is_asked_for(field):
    with pytest.raises(InvalidArgument, match="received none") as refusal:
        parse_spec({name: value for name, value in MINIMAL.items() if name != field})
    assert refusal.value.subject == field


def test_a_study_file_without_a_name_has_the_files(tmp_path):
    path = study_file(tmp_path, "rates = [0, 0.5]\nhidden = [16]\nepochs = 3\nvalidation_split = 0.1\n")
    assert read_spec(path).name == "mine"
    assert read_spec(path, {"name": "yours"}).name == "yours"


def test_without_rates_arms_are_asked_for():
    with pytest.raises(InvalidArgument, match=r"^arms: "):
        parse_spec({name: value for name, value in MINIMAL.items() if name != "rates"})


# --- files, folders and presets ---

MINIMAL_FILE = 'name = "mine"\nrates = [0, 0.5]\nhidden = [16]\nepochs = 3\nvalidation_split = "test"\n'


def test_a_file_a_folder_and_the_file_in_it_are_the_same_study(tmp_path):
    (tmp_path / STUDY_FILE).write_text(MINIMAL_FILE)
    specs = {read_spec(source) for source in (tmp_path, str(tmp_path), tmp_path / STUDY_FILE)}
    assert specs == {parse_spec(tomllib.loads(MINIMAL_FILE))}


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path):
    assert read_spec(study_file(tmp_path, "\ufeff" + MINIMAL_FILE)).name == "mine"


@pytest.mark.parametrize(
    "text",
    [
        "epochs = ",
        "epochs = 3\nepochs = 4\n",
        "[arms\n",
        "just words",
        b"name = '\xff\xfe'",
        b"\x00\x01\x02",
        MINIMAL_FILE.encode("utf-16"),
        "epochs = " + "9" * 5000,
        "a = " + "[" * 5000 + "]" * 5000,
    ],
)
def test_a_file_that_is_not_toml_is_refused_and_named(tmp_path, text):
    path = study_file(tmp_path, text)
    with pytest.raises(InvalidArgument, match="expected a study file in TOML") as refusal:
        read_spec(path)
    assert refusal.value.subject == str(path)
    assert "\n" not in str(refusal.value)


def test_a_study_file_that_would_take_gigabytes_to_read_is_refused(tmp_path):
    for text, received in (
        ("a." * 20_000 + "a = 1", "a key of more than 16 parts"),
        ('"a" . ' * 20 + "a = 1", "a key of more than 16 parts"),
        ("#" * 300_000, "more than 262,144 bytes"),
    ):
        (tmp_path / "deep.toml").write_text(text)
        with pytest.raises(InvalidArgument, match=received):
            read_spec(tmp_path / "deep.toml")


def test_a_syntax_error_says_the_line(tmp_path):
    with pytest.raises(InvalidArgument, match="line 2"):
        read_spec(study_file(tmp_path, 'name = "a"\nepochs = = 3\n'))


def test_a_wrong_field_in_a_file_names_the_file(tmp_path):
    path = study_file(tmp_path, MINIMAL_FILE + "epoch = 3\n")
    with pytest.raises(InvalidArgument) as refusal:
        read_spec(path)
    assert str(path) in str(refusal.value)


def test_an_unknown_field_with_control_characters_cannot_command_the_terminal(tmp_path):
    path = study_file(tmp_path, MINIMAL_FILE + r'"\u001b[2J\nok" = 3' + "\n")
    with pytest.raises(InvalidArgument) as refusal:
        read_spec(path)
    assert str(refusal.value).isprintable()


@pytest.mark.parametrize("source", ["no-such-thing", "notebok", "x" * 5000, "a\0b", "/dev/null", ""])
def test_a_source_that_is_none_is_refused_with_what_there_is(tmp_path, monkeypatch, source):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidArgument, match="notebook") as refusal:
        read_spec(source)
    assert refusal.value.subject == "SPEC"
    assert ("Did you mean 'notebook'" in str(refusal.value)) == (source == "notebok")


def test_a_folder_without_a_study_file_is_refused(tmp_path):
    with pytest.raises(InvalidArgument, match="the folder of a study") as refusal:
        read_spec(tmp_path)
    assert str(tmp_path) in refusal.value.received
    assert not is_study(tmp_path)


def test_a_file_that_cannot_be_read_is_refused_and_named(tmp_path, monkeypatch):
    path = study_file(tmp_path, MINIMAL_FILE)

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(path), "open", refuse)
    with pytest.raises(InvalidArgument, match="Permission denied") as refusal:
        read_spec(path)
    assert refusal.value.subject == str(path)


def test_a_presets_name_is_the_preset_and_its_path_the_folder(tmp_path, monkeypatch):
    (tmp_path / "notebook").mkdir()
    (tmp_path / "notebook" / STUDY_FILE).write_text(MINIMAL_FILE)
    monkeypatch.chdir(tmp_path)
    assert read_spec("notebook").name == "notebook"
    assert directory.named("notebook") is None
    assert read_spec("./notebook").name == "mine"
    assert directory.named("./notebook") is not None


# --- flags over files ---


def test_what_is_given_replaces_the_files_and_what_is_not_given_stays(tmp_path):
    path = study_file(tmp_path, MINIMAL_FILE)
    asked = read_spec(path, {"epochs": 9, "hidden": None, "data": "digits"})
    assert asked == replace(read_spec(path), epochs=9, data="digits")


@pytest.mark.parametrize("in_file", ["rates = [0, 0.5]", "arms = [{rate = 0}, {rate = 0.5}]"])
@pytest.mark.parametrize("given_as", [{"rates": [0.1]}, {"arms": [Arm("dropout 0.1", 0.1)]}])
def test_rates_and_arms_that_are_given_replace_either_in_the_file(tmp_path, in_file, given_as):
    path = study_file(tmp_path, MINIMAL_FILE.replace("rates = [0, 0.5]", in_file))
    assert read_spec(path, given_as).arms == (Arm("dropout 0.1", 0.1),)


def test_a_part_of_the_optimizer_replaces_that_part_alone(tmp_path):
    path = study_file(tmp_path, MINIMAL_FILE + "[optimizer]\nbeta_1 = 0.8\n")
    asked = read_spec(path, {"optimizer": {"learning_rate": 0.01}})
    assert asked.optimizer == Optimizer(learning_rate=0.01, beta_1=0.8)


def test_an_unknown_argument_is_not_blamed_on_the_file():
    with pytest.raises(InvalidArgument, match="Did you mean 'epochs'") as refusal:
        read_spec("notebook", {"epoch": 3})
    assert refusal.value.subject == "epoch (argument)"


def test_what_is_given_is_left_as_it_was():
    given_values = {"optimizer": {"learning_rate": 0.5}, "rates": [0, 0.1], "epochs": None}
    before = repr(given_values)
    read_spec("notebook", given_values)
    assert repr(given_values) == before


# --- there and back ---

ONE_LINE = st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), min_size=1, max_size=30).filter(
    lambda text: text.strip()
)
POSITIVE = st.floats(min_value=0, exclude_min=True, allow_infinity=False, allow_nan=False)
SHARE = st.floats(0, 1, exclude_max=True)
ARMS = st.builds(
    Arm,
    name=st.just("one"),
    rate=SHARE,
    input_rate=SHARE,
    noise=st.sampled_from(get_args(Noise)),
    l2=st.just(0.0) | POSITIVE,
    max_norm=st.just(0.0) | POSITIVE,
    schedule=st.sampled_from(get_args(Schedule)),
    switch=st.floats(0, 1, exclude_min=True),
)
OPTIMIZERS = st.builds(
    Optimizer,
    name=st.sampled_from(get_args(OptimizerName)),
    learning_rate=POSITIVE,
    decay=POSITIVE,
    beta_1=SHARE,
    beta_2=SHARE,
    epsilon=POSITIVE,
    momentum=SHARE,
)


@st.composite
def specs(draw):
    settings = draw(st.lists(ARMS, min_size=1, max_size=4, unique_by=arm_name))
    names = draw(st.lists(ONE_LINE, min_size=len(settings), max_size=len(settings), unique=True))
    count = st.integers(1, 2**31 - 1)
    validation = draw(st.just("test") | count | st.floats(0, 1, exclude_min=True, exclude_max=True))
    watched = validation == "test"
    return StudySpec(
        name=draw(ONE_LINE.filter(lambda text: not {"/", "\\"} & set(text) and text not in {".", ".."})),
        data=draw(st.none() | ONE_LINE),
        arms=tuple(replace(arm, name=name) for arm, name in zip(settings, names, strict=True)),
        hidden=tuple(
            draw(
                st.lists(
                    st.lists(count, min_size=1, max_size=4).map(tuple), min_size=1, max_size=3, unique=True
                )
            )
        ),
        activation=draw(st.sampled_from(get_args(Activation))),
        optimizer=draw(OPTIMIZERS),
        batch_size=draw(count),
        epochs=draw(count),
        seeds=tuple(draw(st.lists(st.integers(0, MAX_SEED), min_size=1, max_size=5, unique=True))),
        validation_split=validation,
        precision=draw(st.sampled_from(["auto", "float32", "bfloat16"])),
        train_sizes=tuple(draw(st.lists(count | st.just("all"), min_size=1, max_size=4, unique=True))),
        fixed_validation=not watched and draw(st.booleans()),
        keep_weights=draw(st.sampled_from(["all", "none"] if watched else ["all", "best", "none"])),
    )


@given(specs())
def test_a_study_written_and_read_is_the_same_study(spec):
    assert parse_spec(tomllib.loads(to_toml(spec))) == spec


@given(specs(), st.dictionaries(st.sampled_from(["data_source", "jax"]), st.text(max_size=50)))
def test_no_note_above_a_study_file_changes_the_study(spec, notes):
    text = to_toml(spec, notes)
    assert parse_spec(tomllib.loads(text)) == spec
    assert text.count("#") >= len(notes)


@given(specs())
def test_records_and_tables_say_the_same(spec):
    assert parse_spec({name: getattr(spec, name) for name in FIELDS}) == spec
    assert parse_spec(asdict(spec)) == spec


@pytest.mark.parametrize(("field", "value"), [("fixed_validation", True), ("keep_weights", "best")])
def test_what_needs_validation_data_is_refused_where_the_test_set_is_watched(field, value):
    with pytest.raises(InvalidArgument, match='validation_split = "test"') as refusal:
        parse(validation_split="test", **{field: value})
    assert refusal.value.subject == field
    assert getattr(parse(validation_split=0.1, **{field: value}), field) == value


# --- presets ---


@pytest.mark.parametrize("name", presets.names())
def test_a_preset_is_complete_and_bears_its_own_name(name):
    table = tomllib.loads(presets.text(name))
    assert set(table) | {"data", "margin"} == set(FIELDS)  # those two may be left open
    assert read_spec(name).name == name
    assert presets.title(name)
    assert not presets.title(name).startswith("#")


def test_the_notebook_preset_is_the_notebook():
    spec = read_spec("notebook")
    assert spec.hidden == ((512, 512),)
    assert spec.epochs == 20
    assert spec.batch_size == 128
    assert [arm.rate for arm in spec.arms] == [0.0, 0.8]
    assert spec.seeds == (0,)
    assert spec.optimizer == Optimizer()
    assert spec.watches_test
    assert spec.data is None
    assert not replace(spec, validation_split=0.1).watches_test


# The best epoch


@pytest.mark.parametrize(
    ("given", "best", "patience"),
    [
        ({}, False, 0),
        ({"restore_best_weights": True}, True, 0),
        ({"patience": 3}, True, 3),
        ({"restore_best_weights": True, "patience": 3}, True, 3),
    ],
)
def test_patience_brings_the_best_epoch_with_it(given, best, patience):
    spec = parse_spec({**MINIMAL, **given, "validation_split": 0.1})
    assert (spec.restore_best_weights, spec.patience) == (best, patience)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (
            {"restore_best_weights": True, "validation_split": "test"},
            "restore_best_weights.*held out.*look too good",
        ),
        ({"patience": 2, "validation_split": "test"}, "patience.*held out.*look too good"),
        (
            {"patience": 2, "restore_best_weights": False, "validation_split": 0.1},
            "restore_best_weights.*patience asks for it.*Add --restore-best-weights.*--validation-split 0.1",
        ),
        ({"patience": -1, "validation_split": 0.1}, "patience"),
        ({"restore_best_weights": "yes", "validation_split": 0.1}, "restore_best_weights.*true or false"),
    ],
)
def test_an_epoch_is_not_chosen_on_the_test_set(given, named):
    with pytest.raises(InvalidArgument, match=named):
        parse_spec({**MINIMAL, **given})
