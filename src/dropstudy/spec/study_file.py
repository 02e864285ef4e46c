"""Study files: TOML and flags in, a checked StudySpec out, and back to TOML.

A field of the file, a flag of the command line and an argument in Python bear one name. Whatever cannot be
used is refused here, before any data is read.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from numbers import Integral, Real
from pathlib import Path
from typing import Any, get_args

import tomli_w

from dropstudy.core import validation as values
from dropstudy.core.atomic import at_home
from dropstudy.core.types import Activation, KeepWeights, Precision, StudySpec
from dropstudy.errors import InvalidArgument
from dropstudy.spec import presets
from dropstudy.spec.arms import parse_arms, parse_optimizer

STUDY_FILE = "study.toml"
FIELDS = tuple(field.name for field in fields(StudySpec))
SHORTHANDS = ("rates",)
_DEFAULTS: dict[str, Any] = {
    "activation": "relu",
    "batch_size": 128,
    "data": None,
    "keep_weights": "all",
    "margin": None,
    "optimizer": {},
    "patience": 0,
    "precision": "auto",
    "restore_best_weights": None,
    "scale": "auto",
    "seeds": 1,
    "train_sizes": ["all"],
    "fixed_validation": False,
}
_LARGEST_FILE = 1 << 18
"""Bytes: twice what 10,000 seeds of ten digits take."""

_DEEP_KEY = re.compile(r"""(?:(?:(?<![\w-])[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){16}""")
"""A key of many parts, a.b.c and on: its reader keeps each beginning of it, and memory grows with their square."""

MAX_SEED = 2**32 - 1
MOST_SEEDS = 10_000
"""More than any study trains: a larger count is a seed that was given for one, as in `--seeds 20240101`."""


def read_spec(
    source: str | Path | Mapping[str, Any], overrides: Mapping[str, Any] | None = None
) -> StudySpec:
    """Read a preset, a study file or the folder of a study, and apply flags to it.

    Args:
        source: name of a preset, path of a TOML file, a folder that holds `study.toml`, or the fields themselves.
        overrides: values by field name; None means not given. `rates` is a short way to write arms. A part of
            the optimizer's table replaces that part alone.

    Raises:
        InvalidArgument: the source does not exist or a field cannot be used; the message names the field.
    """
    table, origin = _read_table(source)
    given = {name: value for name, value in (overrides or {}).items() if value is not None}
    values.refuse_unknown(given, (*FIELDS, *SHORTHANDS), "argument")
    if "rates" in given or "arms" in given:  # either way, they are instead of the file's
        table = {name: value for name, value in table.items() if name not in {"rates", "arms"}}
    if isinstance(given.get("optimizer"), dict) and isinstance(table.get("optimizer"), dict):
        given["optimizer"] = {**table["optimizer"], **given["optimizer"]}
    unnamed = {} if isinstance(source, Mapping) else {"name": Path(source).stem}
    return parse_spec({**unnamed, **table, **given}, origin)


def parse_spec(table: Mapping[str, Any], origin: str = "study file") -> StudySpec:
    """Check the fields of a study and fill in defaults.

    Args:
        table: fields by name, as TOML gives them.
        origin: what to call the source in messages.

    Raises:
        InvalidArgument: a field is unknown, missing or cannot be used.
    """
    values.refuse_unknown(table, (*FIELDS, *SHORTHANDS), origin)
    table = {**_DEFAULTS, **table}
    if "rates" in table:
        if "arms" in table:
            raise InvalidArgument(
                "rates",
                expected="either rates or arms",
                received="both",
                next_step="Leave one of them out.",
            )
        table["arms"] = [{"rate": rate} for rate in values.sequence("rates", table.pop("rates"), "rates")]
    for name in FIELDS:
        if name not in table:
            raise InvalidArgument(
                name,
                expected=f"a value ({origin})",
                received="none",
                next_step="A complete study file: dropstudy presets notebook",
            )
    validation = _validation(table["validation_split"])
    return StudySpec(
        name=values.name("name", table["name"]),
        data=None if table["data"] is None else _data(table["data"]),
        arms=parse_arms(table["arms"]),
        hidden=_hidden(table["hidden"]),
        activation=values.choice("activation", table["activation"], get_args(Activation)),
        optimizer=parse_optimizer(table["optimizer"]),
        batch_size=values.count("batch_size", table["batch_size"]),
        epochs=values.count("epochs", table["epochs"]),
        seeds=_seeds(table["seeds"]),
        validation_split=validation,
        precision=values.choice("precision", table["precision"], get_args(Precision)),
        train_sizes=_train_sizes(table["train_sizes"]),
        fixed_validation=_fixed_validation(table["fixed_validation"], validation),
        keep_weights=_keep_weights(table["keep_weights"], validation),
        restore_best_weights=_restore_best(table["restore_best_weights"], table["patience"], validation),
        patience=values.integer(
            "patience", table["patience"], 0, values.MAX_COUNT, "a number of epochs, 0 for never"
        ),
        margin=None if table["margin"] is None else values.margin(table["margin"]),
        scale=_scale(table["scale"]),
    )


def to_toml(spec: StudySpec, recorded: Mapping[str, Any] | None = None) -> str:
    """The study file of a specification; `recorded` is written as a comment for people above it."""
    table = {name: value for name, value in asdict(spec).items() if value is not None}
    table["seeds"] = list(spec.seeds)
    networks = [list(network) for network in spec.hidden]
    table["hidden"] = networks[0] if len(networks) == 1 else networks
    table["train_sizes"] = list(spec.train_sizes)
    notes = "".join(f"# {key}: {values.one_line(str(value))}\n" for key, value in (recorded or {}).items())
    return notes + ("\n" if notes else "") + tomli_w.dumps(table)


def is_study(folder: Path) -> bool:
    """True where a folder holds a study file."""
    return _is_file(folder / STUDY_FILE)


def _read_table(source: str | Path | Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    if isinstance(source, Mapping):
        return dict(source), "study"
    path = Path(source)
    if str(source) in presets.names():
        return tomllib.loads(presets.text(str(source))), f"preset {source}"
    if not _is_file(path):
        path /= STUDY_FILE
    if not _is_file(path):
        near = difflib.get_close_matches(str(source), presets.names(), n=1)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        raise InvalidArgument(
            "SPEC",
            expected=f"a preset ({', '.join(presets.names())}), a study file or the folder of a study",
            received=repr(str(source)),
            next_step=f"{hint}What ships: dropstudy presets",
        )
    try:
        with path.open("rb") as file:
            return parse_toml(file.read(_LARGEST_FILE + 1)), str(path)
    except (ValueError, RecursionError) as error:  # not UTF-8, not TOML, absurd numbers or nesting
        raise InvalidArgument(
            str(path),
            expected="a study file in TOML",
            received=f"text that is not ({values.one_line(str(error))})",
            next_step="A complete study file: dropstudy presets notebook",
        ) from error
    except OSError as error:
        raise InvalidArgument(
            str(path), expected="a file that can be read", received=error.strerror or "an error"
        ) from error


def parse_toml(content: bytes) -> dict[str, Any]:
    """The table of a study file, once it is of a size and depth that its reader takes no gigabytes for.

    Raises:
        ValueError: it is no TOML in UTF-8, or larger or deeper than any study file.
        RecursionError: it is nested too deep.
    """
    if len(content) > _LARGEST_FILE:
        raise ValueError(f"more than {_LARGEST_FILE:,} bytes")
    text = content.decode("utf-8-sig")
    if _DEEP_KEY.search(text):
        raise ValueError("a key of more than 16 parts")
    return tomllib.loads(text)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long, a folder that may not be looked into
        return False


def _data(value: object) -> str:
    """A dataset's name, or the whole path of a file: whoever goes on with the study may do so from another folder."""
    data = values.text("data", value)
    return str(at_home(data).resolve()) if values.is_file_of_data(data) else data


def _hidden(value: object) -> tuple[tuple[int, ...], ...]:
    """One network, [512, 512], or several, [[512, 512], [1024]]."""
    networks = values.sequence("hidden", value, "layer widths, or of such lists")
    if not any(isinstance(item, Sequence) for item in networks):
        networks = [networks]
    widths = tuple(
        tuple(values.count("hidden", width) for width in values.sequence("hidden", network, "layer widths"))
        for network in networks
    )
    values.refuse_twice("hidden", "network", widths)
    return widths


def _train_sizes(value: object) -> tuple[Any, ...]:
    expected = f'a list of counts of training examples, from 1 to {values.MAX_COUNT}, or "all"'
    given = values.sequence("train_sizes", value, "counts") if _is_list(value) else [value]
    sizes = tuple(
        size
        if isinstance(size, str) and size == "all"
        else values.integer("train_sizes", size, 1, values.MAX_COUNT, expected)
        for size in given
    )
    values.refuse_twice("train_sizes", "size", sizes)
    return sizes


def _fixed_validation(value: object, validation: Any) -> Any:
    chosen = values.boolean("fixed_validation", value)
    if chosen and validation == "test":
        raise InvalidArgument(
            "fixed_validation",
            expected="validation examples that are held out",
            received='validation_split = "test", which holds none out',
            next_step="Leave fixed_validation out, or hold some out, such as validation_split = 0.1.",
        )
    return chosen


def _restore_best(value: object, patience: object, validation: Any) -> bool:
    """Patience brings it with it: whoever stops early wants the weights of before."""
    if value is None:
        value = bool(patience)
    value = values.boolean("restore_best_weights", value)
    if patience and not value:
        raise InvalidArgument(
            "restore_best_weights",
            expected="true, as patience asks for it",
            received="false",
            next_step="Add --restore-best-weights (restore_best_weights = true) and hold examples out, such as "
            "--validation-split 0.1.",
        )
    if value and validation == "test":
        raise InvalidArgument(
            "patience" if patience else "restore_best_weights",
            expected="validation examples that are held out, to choose an epoch on",
            received='validation_split = "test": an epoch chosen on the test set makes its accuracy look too good',
            next_step="Hold some training examples out, such as --validation-split 0.1.",
        )
    return value


def _scale(value: object) -> Any:
    """Divisor of the inputs."""
    if value == "auto":
        return value
    expected = '"auto", to find it from the values of the training data, or a number above 0, such as 255'
    return values.number("scale", value, lambda scale: 0 < scale < float("inf"), expected)


def _keep_weights(value: object, validation: Any) -> Any:
    chosen = values.choice("keep_weights", value, get_args(KeepWeights))
    if chosen == "best" and validation == "test":
        raise InvalidArgument(
            "keep_weights",
            expected="validation examples to choose the best run on",
            received='validation_split = "test": nothing may be selected on the test set',
            next_step="Keep all or none, or hold some out, such as validation_split = 0.1.",
        )
    return chosen


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def _seeds(value: object) -> tuple[int, ...]:
    expected = f"a count from 1 to {MOST_SEEDS}, or a list of seeds from 0 to {MAX_SEED}"
    if not _is_list(value):
        return tuple(range(values.integer("seeds", value, 1, MOST_SEEDS, expected)))
    seeds = tuple(
        values.integer("seeds", seed, 0, MAX_SEED, expected)
        for seed in values.sequence("seeds", value, "seeds")
    )
    values.refuse_twice("seeds", "value", seeds)
    return seeds


def _validation(value: object) -> Any:
    expected = '"test", a share of the training examples below 1, or a count of them'
    if isinstance(value, str):
        return values.choice("validation_split", value, ("test",))
    if isinstance(value, Real) and not isinstance(value, Integral):
        return values.number("validation_split", value, lambda share: 0 < share < 1, expected)
    return values.integer("validation_split", value, 1, values.MAX_COUNT, expected)
