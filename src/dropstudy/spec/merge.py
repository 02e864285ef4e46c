"""Merge a request into a stored study: it may add arms, seeds, networks and training sizes, nothing else.

Runs of one study differ only in what it compares. A request may extend it, and keeps all that it has; a request that
would make runs incomparable is refused.
"""

from __future__ import annotations

import shlex
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from dropstudy.core.metrics import check_margin, margin_of, metric_of
from dropstudy.core.model import ModelReference
from dropstudy.core.types import Arm, Optimizer, StudySpec
from dropstudy.core.validation import shown
from dropstudy.errors import InvalidArgument
from dropstudy.spec.arms import arm_name, check_layers, of_its_sizes
from dropstudy.spec.data_names import is_data_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

LISTS = ("arms", "hidden", "train_sizes", "seeds")
"""Fields of the grid, which a request extends."""

FREE = ("name", "keep_weights", "metric", "margin", "published")
"""Fields that no run depends on: a request replaces them, where it has them."""

FIXED = tuple(field.name for field in fields(StudySpec) if field.name not in {*LISTS, *FREE})
"""Fields that must be equal, for runs to be comparable."""


def grow(stored: StudySpec, asked: StudySpec) -> StudySpec:
    """Extend a stored study by a request.

    `precision = "auto"`, `scale = "auto"` and `data = None` match any recorded value. A data file may have moved: the
    request's path is used, and `check_data` compares digests. Arms are identified by their settings, so that
    a request without a name for an arm keeps the stored name.

    Args:
        stored: the study that exists.
        asked: the request.

    Raises:
        InvalidArgument: they cannot be one study; `received` lists the `differences`. Or the margin asked for is too
            large for the study's metric.
    """
    if lines := differences(stored, asked):
        raise InvalidArgument(
            "study",
            expected="runs that can be compared with those of the study",
            received="; ".join(lines),
            next_step="Leave those arguments as the study has them, or start a new study in another folder (--out).",
        )
    arms = (*stored.arms, *_new_arms(stored, asked))
    grown: dict[str, Any] = {name: _union(getattr(stored, name), getattr(asked, name)) for name in LISTS}
    grown |= {name: getattr(asked, name) for name in FREE}
    if asked.metric is None:
        grown["metric"] = stored.metric
    elif asked.margin is None and metric_of(asked) is not metric_of(stored):
        grown["margin"] = metric_of(asked).margin  # the stored one is of another metric
    grown["margin"] = grown["margin"] or stored.margin
    grown["published"] = grown["published"] or stored.published
    grown["data"] = asked.data if _moved(stored, asked) else stored.data
    grown["test"] = asked.test or stored.test
    check_layers(arms, grown["hidden"] if stored.model is None else (stored.model.noise,))
    study = replace(stored, **{**grown, "arms": arms})
    check_margin(metric_of(study), margin_of(study))
    return study


def differences(stored: StudySpec, asked: StudySpec) -> list[str]:
    """Differences that keep a request from extending the study, one line a field."""
    lines = [
        f"{name} is {shown(old)} in the study, {shown(new)} was requested"
        for name, old, new in _changes(stored, asked)
    ]
    return lines + _arms_misnamed(stored, asked)


def differing_settings(stored: StudySpec, asked: StudySpec) -> tuple[str, str, set[str]]:
    """The same differences as settings: those of the study, those asked for, and the names of their fields."""
    changes = _changes(stored, asked)
    misnamed = _arms_misnamed(stored, asked)
    ours = [_flag(name, old, new) for name, old, new in changes] + ["the names of its arms"] * bool(misnamed)
    theirs = [_flag(name, new, old) for name, old, new in changes] + misnamed
    return ", ".join(ours), ", ".join(theirs), {name for name, *_ in changes}


def _changes(stored: StudySpec, asked: StudySpec) -> list[tuple[str, Any, Any]]:
    """Fields in which a request differs from the study, with both values."""
    resolved = replace(
        asked,
        data=stored.data if asked.data is None or _moved(stored, asked) else asked.data,
        test=stored.test if stored.test and asked.test else asked.test,
        precision=stored.precision if asked.precision == "auto" else asked.precision,
        scale=stored.scale if asked.scale == "auto" else asked.scale,
    )
    return [
        (name, old, new)
        for name in FIXED
        if (old := getattr(stored, name)) != (new := getattr(resolved, name))
    ]


def _flag(name: str, value: Any, other: Any) -> str:
    """A field's value as a flag; of an optimizer, what differs from the other one."""
    flag = f"--{name.replace('_', '-')}"
    if value is None or value is False or value == ():
        return f"no {flag}"
    if value is True:
        return flag
    if isinstance(value, ModelReference):
        return f"the {'training function' if value.is_function else 'model'} {value}"
    if isinstance(value, Optimizer):
        parts = {
            f.name: getattr(value, f.name)
            for f in fields(value)
            if getattr(value, f.name) != getattr(other, f.name)
        }
        value = [part if key == "name" else f"{key}={part}" for key, part in parts.items()]
    text = ",".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)
    return f"{flag}={shlex.quote(text)}"


def shrink(stored: StudySpec, out: Mapping[str, Sequence[Any]]) -> StudySpec:
    """Remove arms, networks, training sizes or seeds from a study.

    Args:
        stored: the study that exists.
        out: items to remove, by field of `LISTS`; arms by name.

    Raises:
        InvalidArgument: the study does not have an item, or it is the baseline or the last of its list.
    """
    has = {name: getattr(stored, name) for name in LISTS} | {"arms": tuple(arm.name for arm in stored.arms)}
    for name, items in out.items():
        for item in items:
            if item not in has[name]:
                there = _listed(has[name]) if name != "arms" else ", ".join(map(repr, has[name]))
                raise InvalidArgument(name, expected=f"what the study has: {there}", received=shown(item))
        if name == "arms" and stored.arms[0].name in items:
            raise InvalidArgument(
                name,
                expected="arms other than the baseline, which all others are compared with",
                received=shown(stored.arms[0].name),
                next_step="Start a new study, with another first arm, in another folder (--out).",
            )
        if set(items) >= set(has[name]):
            raise InvalidArgument(
                name,
                expected=f"fewer than the {len(has[name])} that the study has",
                received="all of them",
                next_step="Leave one, or remove the whole study.",
            )
    left: dict[str, Any] = {
        name: tuple(item for item in has[name] if item not in out.get(name, ())) for name in LISTS[1:]
    }
    gone = out.get("arms", ())
    left["arms"] = tuple(arm for arm in stored.arms if arm.name not in gone)
    left["published"] = tuple(result for result in stored.published if result.arm not in gone)
    return of_its_sizes(replace(stored, **left))


def additions(stored: StudySpec, grown: StudySpec, sign: str = " + ") -> list[str]:
    """Additions of a grown study to the stored one, one line a field, such as "seeds + 10 to 19"."""
    lines = (
        [f"arms{sign}{', '.join(repr(arm.name) for arm in new)}"] if (new := _new_arms(stored, grown)) else []
    )
    for name in LISTS[1:]:
        items = [item for item in getattr(grown, name) if item not in getattr(stored, name)]
        if items and getattr(stored, name):  # seeds that were left open ask for no number
            lines.append(f"{name}{sign}{_listed(items)}")
    return lines


def _moved(stored: StudySpec, asked: StudySpec) -> bool:
    return all(data is not None and is_data_file(data) for data in (stored.data, asked.data))


def _new_arms(stored: StudySpec, asked: StudySpec) -> list[Arm]:
    known = {arm_name(arm) for arm in stored.arms}
    return [arm for arm in asked.arms if arm_name(arm) not in known]


def _arms_misnamed(stored: StudySpec, asked: StudySpec) -> list[str]:
    by_settings = {arm_name(arm): arm.name for arm in stored.arms}
    by_name = {arm.name: arm_name(arm) for arm in stored.arms}
    lines = []
    for arm in asked.arms:
        settings = arm_name(arm)
        name = by_settings.get(settings, arm.name)
        if arm.name not in {name, settings}:
            lines.append(f"the arm of {settings} is called {name!r} in the study, {arm.name!r} was requested")
        elif settings not in by_settings and arm.name in by_name:
            lines.append(
                f"the arm {arm.name!r} is {by_name[arm.name]} in the study, {settings} was requested"
            )
    return lines


def _union(old: Iterable[Any], new: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys((*old, *new)))


def _listed(items: Sequence[Any]) -> str:
    first, last = items[0], items[-1]
    if len(items) > 2 and isinstance(first, int) and list(items) == list(range(first, first + len(items))):  # noqa: PLR2004 - "3, 4" is as short
        return f"{first} to {last}"
    return ", ".join("-".join(map(str, item)) if isinstance(item, tuple) else str(item) for item in items)
