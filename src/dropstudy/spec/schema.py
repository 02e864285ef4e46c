"""JSON schema of a study file, with which an editor completes and checks it."""

from __future__ import annotations

import json
import re
from typing import Any

from msgspec.json import schema_components

from dropstudy.core.model import ModelReference
from dropstudy.core.published_result import PublishedResult
from dropstudy.core.types import Arm, Optimizer, StudySpec
from dropstudy.spec.fields import StudyFields

_DIALECT = "http://json-schema.org/draft-07/schema#"
"""What editors of TOML support; later drafts differ in nothing that is used here."""


def study_schema() -> dict[str, Any]:
    """JSON schema of a study file.

    It accepts every file that `read_spec` accepts, and some that it refuses: a schema cannot compare fields.
    """
    _, records = schema_components([StudyFields], ref_template="#/definitions/{name}")
    for documented in ((StudyFields, StudySpec), (Arm,), (Optimizer,), (ModelReference,), (PublishedResult,)):
        table = records[documented[0].__name__]
        texts = {name: text for each in reversed(documented) for name, text in _arguments(each).items()}
        properties = table["properties"]
        table["properties"] = {
            name: _property(kind, texts.get(name, "")) for name, kind in properties.items()
        }
        table["description"] = table["description"].partition("\n")[0]
        table["additionalProperties"] = False
    study = records.pop("StudyFields")
    study["required"].remove("name")
    return {
        "$schema": _DIALECT,
        **study,
        "title": "Study file of dropstudy",
        "oneOf": [{"required": ["arms"]}, {"required": ["rates"]}],
        "anyOf": [{"required": ["hidden"]}, {"required": ["model"]}],
        "definitions": records,
    }


def schema_text() -> str:
    """The schema as a JSON file."""
    return json.dumps(study_schema(), indent=2, ensure_ascii=False) + "\n"


def _arguments(record: type) -> dict[str, str]:
    """Description of each argument in a docstring."""
    found = re.findall(r"^        (\w+): (.+(?:\n {12}.+)*)", record.__doc__ or "", re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in found}


def _property(kind: dict[str, Any], text: str) -> dict[str, Any]:
    """A field with its description, and without null, which TOML lacks."""
    shown = {**kind, "description": f"{text[:1].upper()}{text[1:]}"}
    if (null := {"type": "null"}) in shown.get("anyOf", []):
        others = [each for each in shown.pop("anyOf") if each != null]
        shown = {**(others[0] if len(others) == 1 else {"anyOf": others}), **shown}
    return {name: value for name, value in shown.items() if name != "default" or value not in {None, ""}}
