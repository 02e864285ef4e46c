"""Study files: TOML and flags in, a checked StudySpec out, and back to TOML.

A field of the file, a flag of the command line and an argument in Python bear one name. Whatever cannot be
used is refused here, before any data is read.
"""

from __future__ import annotations

import difflib
import math
import tomllib
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, fields, replace
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import tomli_w

from dropstudy import presets
from dropstudy.errors import InvalidArgument
from dropstudy.records import Arm, Optimizer, Precision, StudySpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

STUDY_FILE = "study.toml"
FIELDS = tuple(field.name for field in fields(StudySpec))
SHORTHANDS = ("rates",)
_DEFAULTS: dict[str, Any] = {
    "activation": "relu",
    "batch_size": 128,
    "data": None,
    "optimizer": {},
    "precision": "auto",
    "seeds": 1,
}
MAX_SEED = 2**32 - 1
MOST_SEEDS = 10_000
"""More than any study trains: a larger count is a seed that was given for one, as in `--seeds 20240101`."""
_MAX_COUNT = 2**31 - 1  # the engine counts steps and sizes arrays with 32-bit integers
_UNPRINTABLE = {"Cc", "Cs", "Zl", "Zp"}
"""Unicode's categories of what would break a line, command a terminal or not encode."""
_SHOWN = 200


def read_spec(source: str | Path, overrides: Mapping[str, Any] | None = None) -> StudySpec:
    """Read a preset, a study file or the folder of a study, and apply flags to it.

    Args:
        source: name of a preset, path of a TOML file, or a folder that holds `study.toml`.
        overrides: values by field name; None means not given. `rates` is a short way to write arms. A part of
            the optimizer's table replaces that part alone.

    Raises:
        InvalidArgument: the source does not exist or a field cannot be used; the message names the field.
    """
    table, origin = _read_table(source)
    given = {name: value for name, value in (overrides or {}).items() if value is not None}
    _refuse_unknown(given, (*FIELDS, *SHORTHANDS), "argument")
    if "rates" in given or "arms" in given:  # either way, they are instead of the file's
        table = {name: value for name, value in table.items() if name not in {"rates", "arms"}}
    if isinstance(given.get("optimizer"), dict) and isinstance(table.get("optimizer"), dict):
        given["optimizer"] = {**table["optimizer"], **given["optimizer"]}
    return parse_spec({**table, **given}, origin)


def parse_spec(table: Mapping[str, Any], origin: str = "study file") -> StudySpec:
    """Check the fields of a study and fill in defaults.

    Args:
        table: fields by name, as TOML gives them.
        origin: what to call the source in messages.

    Raises:
        InvalidArgument: a field is unknown, missing or cannot be used.
    """
    _refuse_unknown(table, (*FIELDS, *SHORTHANDS), origin)
    table = {**_DEFAULTS, **table}
    if "rates" in table:
        if "arms" in table:
            raise InvalidArgument(
                "rates",
                expected="either rates or arms",
                received="both",
                next_step="Leave one of them out.",
            )
        table["arms"] = [{"rate": rate} for rate in _sequence("rates", table.pop("rates"), "rates")]
    for name in FIELDS:
        if name not in table:
            raise InvalidArgument(
                name,
                expected=f"a value in the {origin}",
                received="none",
                next_step="`dropstudy presets notebook` prints a complete study file.",
            )
    return StudySpec(
        name=_name("name", table["name"]),
        data=None if table["data"] is None else _text("data", table["data"]),
        arms=_arms(table["arms"]),
        hidden=_hidden(table["hidden"]),
        activation=_choice("activation", table["activation"], ("relu",)),
        optimizer=_optimizer(table["optimizer"]),
        batch_size=_count("batch_size", table["batch_size"]),
        epochs=_count("epochs", table["epochs"]),
        seeds=_seeds(table["seeds"]),
        validation=_validation(table["validation"]),
        precision=_choice("precision", table["precision"], get_args(Precision)),
    )


def to_toml(spec: StudySpec, recorded: Mapping[str, Any] | None = None) -> str:
    """The study file of a specification; `recorded` is written as a comment for people above it."""
    table = {name: value for name, value in asdict(spec).items() if value is not None}
    table["seeds"] = list(spec.seeds)
    table["hidden"] = list(spec.hidden)
    notes = "".join(f"# {key}: {_one_line(str(value))}\n" for key, value in (recorded or {}).items())
    return notes + ("\n" if notes else "") + tomli_w.dumps(table)


def differences(stored: StudySpec, asked: StudySpec) -> list[str]:
    """What a request asks for that a stored study is not, one line a field.

    `precision = "auto"` and data left open agree with whatever the study has recorded.
    """
    asked = replace(
        asked,
        name=stored.name,
        data=stored.data if asked.data is None else asked.data,
        precision=stored.precision if asked.precision == "auto" else asked.precision,
    )
    lines = []
    for name in FIELDS:
        old, new = getattr(stored, name), getattr(asked, name)
        if old != new:
            stored_words, asked_words = (_arms_shown(v) if name == "arms" else _shown(v) for v in (old, new))
            lines.append(f"{name} is {stored_words} in the study, {asked_words} was asked for")
    return lines


def study_folder(source: str | Path) -> Path | None:
    """The folder that `source` names, if it is that of a study and not a preset's name."""
    folder = Path(source)
    return folder if str(source) not in presets.names() and is_study(folder) else None


def is_study(folder: Path) -> bool:
    """True where a folder holds a study file."""
    return _is_file(folder / STUDY_FILE)


def arm_name(rate: float) -> str:
    """How an arm is called that was given by its rate alone."""
    return "no dropout" if rate == 0 else f"dropout {rate}"  # all digits, so that no two rates share a name


def _read_table(source: str | Path) -> tuple[dict[str, Any], str]:
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
            next_step=f"{hint}`dropstudy presets` lists what ships.",
        )
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig")), str(path)
    except (ValueError, RecursionError) as error:  # not UTF-8, not TOML, absurd numbers or nesting
        raise InvalidArgument(
            str(path),
            expected="a study file in TOML",
            received=f"text that is not ({_one_line(str(error))})",
            next_step="`dropstudy presets notebook` prints a complete study file.",
        ) from error
    except OSError as error:
        raise InvalidArgument(
            str(path), expected="a file that can be read", received=error.strerror or "an error"
        ) from error


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long, a folder that may not be looked into
        return False


def _refuse_unknown(table: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    known = tuple(known)
    for name in map(str, table):
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise InvalidArgument(
                f"{_one_line(name)} ({where})",
                expected=f"one of {', '.join(known)}",
                received=f"the unknown field {name!r}",
                next_step=f"Did you mean {near[0]!r}?" if near else "Remove it.",
            )


def _text(subject: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise InvalidArgument(subject, expected="a text", received=_shown(value))
    if _one_line(value) != value:
        raise InvalidArgument(
            subject, expected="a text of one line, without control characters", received=_shown(value)
        )
    return value


def _name(subject: str, value: object) -> str:
    name = _text(subject, value)
    if any(c in name for c in "/\\") or name in {".", ".."}:
        raise InvalidArgument(
            subject,
            expected="a name that can be a folder's, without slashes",
            received=_shown(name),
        )
    return name


def _choice(subject: str, value: object, choices: tuple[Any, ...]) -> Any:
    if value not in choices:
        raise InvalidArgument(subject, expected=" or ".join(map(repr, choices)), received=_shown(value))
    return value


def _integer(subject: str, value: object, lowest: int, highest: int, expected: str) -> int:
    # Integral and Real, since NumPy's numbers are those too.
    if isinstance(value, bool) or not isinstance(value, Integral) or not lowest <= int(value) <= highest:
        raise InvalidArgument(subject, expected=expected, received=_shown(value))
    return int(value)


def _count(subject: str, value: object) -> int:
    return _integer(subject, value, 1, _MAX_COUNT, f"a whole number from 1 to {_MAX_COUNT}")


def _number(subject: str, value: object, holds: Callable[[float], bool], expected: str) -> float:
    number = math.nan  # which no condition holds for
    if isinstance(value, Real) and not isinstance(value, bool):
        with suppress(OverflowError):
            number = float(value)
    if not holds(number):
        raise InvalidArgument(subject, expected=expected, received=_shown(value))
    return number + 0.0  # -0.0 becomes 0.0: one number, one key


def _sequence(subject: str, value: object, of: str) -> list[Any]:
    if not isinstance(value, Sequence) or isinstance(value, (str, bytes)) or not value:
        raise InvalidArgument(subject, expected=f"a list of one or more {of}", received=_shown(value))
    return list(value)


def _rate(subject: str, value: object) -> float:
    if isinstance(value, Real) and not isinstance(value, bool) and value == 1:
        raise InvalidArgument(
            subject,
            expected="a share of units dropped, at least 0 and below 1",
            received="1, which drops every unit",
            next_step="`rate` is the share dropped, not kept: 0.2 drops 20% and keeps 80%.",
        )
    return _number(
        subject, value, lambda r: 0 <= r < 1, "a share of units dropped, at least 0 and below 1, such as 0.5"
    )


def _arms(value: object) -> tuple[Arm, ...]:
    arms = []
    for number, item in enumerate(_sequence("arms", value, "arms"), start=1):
        where = f"arm {number}"
        if isinstance(item, Arm):
            item = asdict(item)  # noqa: PLW2901 - Python callers may hand over records; one path checks both
        if not isinstance(item, dict):
            raise InvalidArgument(
                where, expected="a table such as {name = ..., rate = ...}", received=_shown(item)
            )
        _refuse_unknown(item, (f.name for f in fields(Arm)), where)
        rate = _rate(f"rate ({where})", item.get("rate", 0.0))
        arms.append(Arm(_text(f"name ({where})", item.get("name", arm_name(rate))), rate))
    _refuse_twice("arms", "rate", [arm.rate for arm in arms])
    _refuse_twice("arms", "name", [arm.name for arm in arms])
    return tuple(arms)


def _refuse_twice(subject: str, what: str, values: Sequence[Any]) -> None:
    seen = set()
    for value in values:
        if value in seen:
            raise InvalidArgument(
                subject, expected=f"{subject} that differ in {what}", received=f"{what} {_shown(value)} twice"
            )
        seen.add(value)


def _hidden(value: object) -> tuple[int, ...]:
    return tuple(_count("hidden", width) for width in _sequence("hidden", value, "layer widths"))


def _optimizer(value: object) -> Optimizer:
    if isinstance(value, Optimizer):
        value = asdict(value)
    if not isinstance(value, dict):
        raise InvalidArgument(
            "optimizer",
            expected='a table such as {name = "adam", learning_rate = 0.001}',
            received=_shown(value),
        )
    table = {**asdict(Optimizer()), **value}
    _refuse_unknown(table, (f.name for f in fields(Optimizer)), "optimizer")

    def positive(x: float) -> bool:
        return 0 < x < math.inf

    def share(x: float) -> bool:
        return 0 <= x < 1

    return Optimizer(
        name=_choice("optimizer.name", table["name"], ("adam",)),
        learning_rate=_number(
            "optimizer.learning_rate", table["learning_rate"], positive, "a number above 0"
        ),
        beta_1=_number("optimizer.beta_1", table["beta_1"], share, "a number from 0 to below 1"),
        beta_2=_number("optimizer.beta_2", table["beta_2"], share, "a number from 0 to below 1"),
        epsilon=_number("optimizer.epsilon", table["epsilon"], positive, "a number above 0"),
    )


def _seeds(value: object) -> tuple[int, ...]:
    expected = f"a count from 1 to {MOST_SEEDS}, or a list of seeds from 0 to {MAX_SEED}"
    if not isinstance(value, Sequence) or isinstance(value, str):
        return tuple(range(_integer("seeds", value, 1, MOST_SEEDS, expected)))
    seeds = tuple(
        _integer("seeds", seed, 0, MAX_SEED, expected) for seed in _sequence("seeds", value, "seeds")
    )
    _refuse_twice("seeds", "value", seeds)
    return seeds


def _validation(value: object) -> Any:
    expected = '"test", a share of the training examples below 1, or a count of them'
    if isinstance(value, str):
        return _choice("validation", value, ("test",))
    if isinstance(value, Real) and not isinstance(value, Integral):
        return _number("validation", value, lambda share: 0 < share < 1, expected)
    return _integer("validation", value, 1, _MAX_COUNT, expected)


def _arms_shown(arms: tuple[Arm, ...]) -> str:
    return ", ".join(f"{arm.name!r} (rate {arm.rate})" for arm in arms)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN // 2]}...{text[-_SHOWN // 2 :]}"


def _one_line(text: str) -> str:
    return "".join(" " if unicodedata.category(c) in _UNPRINTABLE else c for c in text)
