"""Study files: from TOML and flags to a checked StudySpec, and back to TOML.

A field of the file, a flag of the command line and an argument in Python have one name. Invalid values are refused
before any data is read.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import tomli_w

from dropstudy.core.atomic import expand_home
from dropstudy.core.metrics import ACCURACY, check_margin, margin_of, metric_of
from dropstudy.core.model import ModelReference
from dropstudy.core.types import Arm, NoiseSource, StudySpec
from dropstudy.core.validation import (
    one_line,
    refuse_duplicates,
    refuse_unknown,
    shown,
    validate,
    validate_fields,
)
from dropstudy.errors import InvalidArgument
from dropstudy.spec import presets
from dropstudy.spec.arms import of_its_sizes, parse_arms, parse_optimizer, parse_published
from dropstudy.spec.data_names import is_data_file
from dropstudy.spec.fields import Hidden, Model, Rates, StudyFields
from dropstudy.spec.placeholders import placeholders

STUDY_FILE = "study.toml"
FIELDS = tuple(field.name for field in fields(StudySpec))
SHORTHANDS = ("rates",)
_REQUIRED = ("name", "arms", "hidden", "epochs", "validation_split")
_REPLACED = ("hidden", "activation", "optimizer", "precision")
"""Fields that a Keras model replaces."""
_AS_PUBLISHED = {"name", "seeds", "epochs", "precision", "keep_weights", "metric", "margin"}
"""Fields that a request may change without making a study another one than that of its published results."""
_NOT_OF_MODELS = ("input_rate", "noise", "l2", "max_norm")
"""Settings of an arm that a Keras model has in its layers."""

_LARGEST_FILE = 1 << 18
"""Bytes: twice what 10,000 seeds of ten digits take."""

_DEEP_KEY = re.compile(r"""(?:(?:(?<![\w-])[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){16}""")
"""A key of many parts, a.b.c...: the reader stores each prefix, and memory grows with the square of their number."""


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
    given = _given(table, overrides or {})
    refuse_unknown(given, (*FIELDS, *SHORTHANDS), "argument")
    changed = _changed(table, given)
    if "rates" in given or "arms" in given:  # either way, they are instead of the file's
        table = {name: value for name, value in table.items() if name not in {"rates", "arms"}}
    if "model" in given:
        table = {name: value for name, value in table.items() if name not in _REPLACED}
    # The file's margin is that of another metric.
    if given.get("metric", "") not in {"", table.get("metric", ACCURACY.name)}:
        table = {name: value for name, value in table.items() if name != "margin"}
    if changed:
        sizes = changed == {"train_sizes"}
        stay = [result for result in table.get("published", ()) if sizes and "train_size" in result]
        table = {**table, "published": stay}
    unnamed = {} if isinstance(source, Mapping) else {"name": Path(source).stem}
    spec = parse_spec({**unnamed, **table, **given}, origin)
    return of_its_sizes(spec, refuse=not changed)


def unlike_published(source: str | Path | Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    """Fields, sorted, in which a request differs from a source that has published results, so that they do not apply.

    Args:
        source: as for `read_spec`.
        asked: likewise its overrides.
    """
    table, _ = _read_table(source)
    published = table.get("published", ())
    changed = _changed(table, _given(table, asked)) if published else set()
    return sorted(changed - {"train_sizes"} if all("train_size" in each for each in published) else changed)


def _given(table: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The overrides that were given; a part of the optimizer with the rest of the file's."""
    given = {name: value for name, value in overrides.items() if value is not None}
    if isinstance(given.get("optimizer"), dict) and isinstance(table.get("optimizer"), dict):
        given["optimizer"] = {**table["optimizer"], **given["optimizer"]}
    return given


def _changed(table: Mapping[str, Any], given: Mapping[str, Any]) -> set[str]:
    """Fields that make the study another one than that of the file's published results."""
    changed = {name for name in given if name not in _AS_PUBLISHED and table.get(name) != given[name]}
    # The decay of a learning rate that falls over the whole length belongs to the length.
    if "epochs" in given and _without_decay(given.get("optimizer")) == _without_decay(table.get("optimizer")):
        changed.discard("optimizer")
    return changed


def _without_decay(optimizer: object) -> object:
    return {**optimizer, "decay": None} if isinstance(optimizer, dict) else optimizer


def parse_spec(table: Mapping[str, Any], origin: str = "study file") -> StudySpec:
    """Validate the fields of a study and fill in defaults.

    Args:
        table: fields by name, as TOML gives them.
        origin: name of the source in messages.

    Raises:
        InvalidArgument: a field is unknown, missing or invalid.
    """
    refuse_unknown(table, (*FIELDS, *SHORTHANDS), origin)
    table = _with_arms(table)
    model = table.get("model")
    table = {**placeholders(model, table.get("data")), **table}
    if model:
        _refuse_replaced(table, origin)
    for name in _REQUIRED:
        if name not in table and not (model and name in _REPLACED):
            raise InvalidArgument(
                name,
                expected=f"a value ({origin})",
                received="none",
                next_step="A complete study file: dropstudy presets notebook",
            )
    dense = table.get("model") is None
    networks = _networks(validate("hidden", table["hidden"], Hidden)) if dense else ((),)
    if isinstance(model, ModelReference):
        model = asdict(model)
    # An arm of a Keras model has a rate for each of the layers that the rate moves.
    layers = networks if dense else _layers(validate("model", model, Model))
    arms = parse_arms(table["arms"], layers)
    parsed = {
        "arms": arms,
        "optimizer": parse_optimizer(table.get("optimizer", {})),
        "published": parse_published(table.get("published", []), arms),
    }
    if not dense:
        parsed["model"] = model
    given = StudyFields(**validate_fields(StudyFields, {**table, **parsed}))
    spec = StudySpec(
        **{
            **{name: getattr(given, name) for name in FIELDS},
            **parsed,
            "model": given.model,
            **({"precision": "float32"} if given.model else {}),
            "data": _absolute(given.data),
            "test": None if given.test is None else str(expand_home(given.test).resolve()),
            "drop": tuple(given.drop),
            "image_size": _height_and_width(given.image_size),
            "hidden": networks,
            "seeds": tuple(given.seeds if isinstance(given.seeds, list) else range(given.seeds or 0)),
            "train_sizes": tuple(
                given.train_sizes if isinstance(given.train_sizes, list) else [given.train_sizes]
            ),
            "restore_best_weights": bool(
                given.patience if given.restore_best_weights is None else given.restore_best_weights
            ),
        }
    )
    if spec.model is not None:
        _check_arms_of_model(spec.model, spec.arms)
    refuse_duplicates("hidden", "network", spec.hidden)
    refuse_duplicates("seeds", "value", spec.seeds)
    refuse_duplicates("train_sizes", "size", spec.train_sizes)
    _check_validation(spec)
    check_redraw(spec, spec.redraw)
    check_margin(metric_of(spec), margin_of(spec))
    return spec


def to_toml(spec: StudySpec, recorded: Mapping[str, Any] | None = None) -> str:
    """The study file of a specification; `recorded` is written as a comment for people above it."""
    table = {name: value for name, value in asdict(spec).items() if value is not None and value != ()}
    networks = [list(network) for network in spec.hidden]
    if spec.model is None:
        table["hidden"] = networks[0] if len(networks) == 1 else networks
    else:  # the last, since it is a table
        for name in _REPLACED:
            del table[name]
        table["model"] = table.pop("model")
    table["train_sizes"] = list(spec.train_sizes)
    if spec.published:
        table["published"] = [
            {name: value for name, value in asdict(result).items() if value is not None}
            for result in spec.published
        ]
    unsaid = placeholders(spec.model, spec.data)
    table = {name: value for name, value in table.items() if name not in unsaid or value != unsaid[name]}
    notes = "".join(f"# {key}: {one_line(str(value))}\n" for key, value in (recorded or {}).items())
    return notes + ("\n" if notes else "") + tomli_w.dumps(table)


def is_study(folder: Path) -> bool:
    """True where a folder holds a study file."""
    return _is_file(folder / STUDY_FILE)


def is_study_file(source: str | Path) -> bool:
    """True for the path of an existing TOML file."""
    return Path(source).suffix.lower() == ".toml" and _is_file(Path(source))


def _read_table(source: str | Path | Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    if isinstance(source, Mapping):
        return dict(source), "study"
    path = Path(source)
    if str(source) in presets.names():
        return tomllib.loads(presets.text(str(source))), f"preset {source}"
    if not _is_file(path):
        path /= STUDY_FILE
    if not _is_file(path):
        near = presets.nearest(str(source))
        hint = f"Did you mean {near!r}? " if near else ""
        raise InvalidArgument(
            "spec",
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
            received=f"text that is not ({one_line(str(error))})",
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


def _with_arms(table: Mapping[str, Any]) -> dict[str, Any]:
    """The table with `arms` in place of `rates`."""
    if "rates" not in table:
        return dict(table)
    if "arms" in table:
        raise InvalidArgument(
            "rates", expected="either --rates or --arms", received="both", next_step="Leave one of them out."
        )
    arms = [Arm(rate=rate) for rate in validate("rates", table["rates"], Rates)]
    return {**{name: value for name, value in table.items() if name != "rates"}, "arms": arms}


def _refuse_replaced(table: Mapping[str, Any], origin: str) -> None:
    """Refuse fields that a Keras model replaces."""
    for name in _REPLACED:
        if name in table:
            raise InvalidArgument(
                name,
                expected="no value, since the Keras model has its own",
                received=f"{shown(table[name])} ({origin})",
                next_step=f"Leave {name} out.",
            )


def _layers(model: ModelReference) -> tuple[tuple[str, ...], ...]:
    """Layers of a Keras model that an arm may have rates for; a training function's are not known."""
    return () if model.is_function else (tuple(model.noise),)


def _check_arms_of_model(model: ModelReference, arms: tuple[Arm, ...]) -> None:
    """Refuse settings of an arm that a Keras model has in its layers, or that a training function is not told."""
    names: tuple[str, ...] = _NOT_OF_MODELS
    expected = "rate and schedule alone, since a Keras model has its other settings in its layers"
    next_step = "Build it into the model, for all arms."
    if model.is_function:
        names = (*_NOT_OF_MODELS, "schedule")
        expected = f"one rate alone, with which the training function {model.name} is called"
        next_step = "Let the function make its settings from the rate."
    for arm in arms:
        wrong = [name for name in names if getattr(arm, name) != getattr(Arm(), name)]
        if model.is_function and isinstance(arm.rate, tuple):
            wrong.append("rate")
        for name in wrong:
            raise InvalidArgument(
                f"{name} of the arm {arm.name!r}",
                expected=expected,
                received=shown(getattr(arm, name)),
                next_step=next_step,
            )


def _absolute(data: str | None) -> str | None:
    """A dataset's name, or the absolute path of a file: the study may be continued from another folder."""
    return str(expand_home(data).resolve()) if data is not None and is_data_file(data) else data


def _height_and_width(size: int | list[int] | None) -> tuple[int, int] | None:
    if size is None:
        return None
    height, width = (size, size) if isinstance(size, int) else size
    return height, width


def _networks(hidden: list[Any]) -> tuple[tuple[int, ...], ...]:
    """Networks of [512, 512], which is one, or of [[512, 512], [1024]]."""
    several = [isinstance(item, list) for item in hidden]
    if any(several) and not all(several):
        raise InvalidArgument(
            "hidden", expected="one network or a list of networks", received=f"both in {hidden!r}"
        )
    return tuple(map(tuple, hidden if all(several) else [hidden]))


def _check_validation(spec: StudySpec) -> None:
    """Refuse to choose an epoch or a run on the test set, and patience that keeps the last epoch's weights."""
    if spec.patience and not spec.restore_best_weights:
        raise InvalidArgument(
            "restore_best_weights",
            expected=f"yes, since --patience={spec.patience} asks for it",
            received="no",
            next_step="Use --restore-best-weights, and hold examples out, such as --validation-split 0.1.",
        )
    chosen = "nothing may be selected on the test set"
    for name, asked, reason in (
        ("fixed_validation", spec.fixed_validation, "no examples are held out"),
        ("keep_weights", spec.keep_weights == "best", chosen),
        ("patience", spec.patience > 0, chosen),
        ("restore_best_weights", spec.restore_best_weights, chosen),
    ):
        if asked and spec.watches_test:
            raise InvalidArgument(
                name,
                expected="training examples that are held out",
                received=f"--validation-split=test: {reason}",
                next_step="Hold some out, such as --validation-split 0.1.",
            )


def check_redraw(spec: StudySpec, source: NoiseSource | None) -> None:
    """Refuse to draw anew what the runs of a study do not draw, or what dropstudy does not draw for them.

    Raises:
        InvalidArgument: such a source.
    """
    if source is not None and spec.of_function:
        raise InvalidArgument(
            "redraw",
            expected="a network that dropstudy trains, whose weights, order and masks it draws",
            received=f"the training function {spec.model}, which gets one seed for all that it draws",
            next_step="Leave redraw out.",
        )
    if source == "split" and spec.train_sizes == ("all",) and (spec.watches_test or spec.fixed_validation):
        raise InvalidArgument(
            "redraw",
            expected="weights, order or masks, since all seeds train on the same examples",
            received="split",
            next_step="Leave split out.",
        )
