"""The JSON schema accepts every study file that the reader accepts, and refuses what an editor should mark."""

import json
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from dropstudy.errors import InvalidArgument
from dropstudy.spec import presets
from dropstudy.spec.schema import schema_text, study_schema
from dropstudy.spec.study_file import parse_spec, to_toml
from study_specs import specs

PUBLISHED = Path(__file__).parents[2] / "docs" / "study.schema.json"
SCHEMA = Draft7Validator(study_schema())
MINIMAL = {"name": "mine", "rates": [0, 0.5], "hidden": [16], "epochs": 3, "validation_split": 0.1}

NUMBERS = st.integers() | st.floats() | st.sampled_from([0, 1, 0.5, 1.0])
VALUES = st.recursive(
    NUMBERS | st.booleans() | st.text(max_size=5) | st.sampled_from(["all", "auto", "best", "test", "tanh"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


def test_the_published_schema_is_that_of_the_fields():
    assert PUBLISHED.read_text(encoding="utf-8") == schema_text(), (
        "Write it again: dropstudy presets --schema > docs/study.schema.json"
    )
    Draft7Validator.check_schema(json.loads(schema_text()))


@pytest.mark.parametrize("name", presets.names())
def test_the_schema_accepts_every_preset(name):
    SCHEMA.validate(tomllib.loads(presets.text(name)))


@given(specs())
def test_the_schema_accepts_every_file_that_is_written(spec):
    SCHEMA.validate(tomllib.loads(to_toml(spec)))


@given(st.sampled_from(sorted(study_schema()["properties"])), VALUES)
def test_the_schema_accepts_what_the_reader_accepts(field, value):
    table = {**MINIMAL, field: value}
    try:
        parse_spec(table)
    except InvalidArgument:
        return
    SCHEMA.validate(table)


@pytest.mark.parametrize(
    "changes",
    [
        {"epoch": 3},
        {"epochs": 0},
        {"epochs": 2.5},
        {"name": "a/b"},
        {"activation": "swish"},
        {"rates": [1.0]},
        {"rates": []},
        {"arms": [{"rate": 0}]},
        {"optimizer": {"lr": 1}},
        {"optimizer": {"beta_1": 1.0}},
        {"validation_split": 1.5},
        {"validation_split": "val"},
        {"fixed_validation": "fixed"},
        {"seeds": [-1]},
        {"hidden": [[]]},
        {"margin": 0},
    ],
)
def test_an_editor_marks_what_is_wrong(changes):
    assert not SCHEMA.is_valid({**MINIMAL, **changes})


@pytest.mark.parametrize("field", ["rates", "hidden", "epochs", "validation_split"])
def test_an_editor_marks_what_is_missing(field):
    assert not SCHEMA.is_valid({name: value for name, value in MINIMAL.items() if name != field})


def test_every_field_is_described():
    schema = study_schema()
    for table in (schema, *schema["definitions"].values()):
        assert all(field["description"] for field in table["properties"].values())
