"""The settings of an arm and of an optimiser, from the tables of a study file."""

from __future__ import annotations

import math
from dataclasses import asdict, fields
from numbers import Real
from typing import Any, get_args

from dropstudy.core import validation
from dropstudy.core.text import look
from dropstudy.core.types import Arm, Noise, Optimizer, OptimizerName, Schedule
from dropstudy.errors import InvalidArgument


def parse_arms(value: object) -> tuple[Arm, ...]:
    """The arms of a study, named or named for you.

    Args:
        value: a list of tables or of `Arm`.

    Raises:
        InvalidArgument: a setting cannot be used, or two arms are alike or have one name.
    """
    arms = tuple(
        _arm(item, f"arm {position}")
        for position, item in enumerate(validation.sequence("arms", value, "arms"), start=1)
    )
    validation.refuse_twice("arms", "settings", [arm_name(arm) for arm in arms])
    # By their look: tables and charts of arms that nobody can tell apart would be of no use.
    validation.refuse_twice("arms", "name", [look(arm.name) for arm in arms])
    return arms


def arm_name(arm: Arm) -> str:
    """Default name of an arm: its rate, and all other settings that differ from the defaults.

    With all digits, so that no two arms share a name.
    """
    said = {"name", "rate"} if arm.rate == 0 else {"name", "rate", "noise"}
    unusual = [
        f"{field.name.replace('_', ' ')} {getattr(arm, field.name)}"
        for field in fields(Arm)
        if field.name not in said and getattr(arm, field.name) != field.default
    ]
    return ", ".join(["no dropout" if arm.rate == 0 else f"{arm.noise} {arm.rate}", *unusual])


def parse_optimizer(value: object) -> Optimizer:
    """An optimiser, its defaults filled in.

    Args:
        value: a table, or an `Optimizer`.

    Raises:
        InvalidArgument: a setting is unknown or cannot be used.
    """
    table = _table("optimizer", value, '{name = "adam", learning_rate = 0.001}')
    validation.refuse_unknown(table, (f.name for f in fields(Optimizer)), "optimizer")
    table = {**asdict(Optimizer()), **table}

    def checked(name: str, low: float, high: float, expected: str, *, low_too: bool) -> float:
        def holds(x: float) -> bool:
            return (low <= x if low_too else low < x) and x < high

        return validation.number(f"optimizer.{name}", table[name], holds, expected)

    share, positive = "a number from 0 to below 1", "a number above 0"
    return Optimizer(
        name=validation.choice("optimizer.name", table["name"], get_args(OptimizerName)),
        learning_rate=checked("learning_rate", 0, math.inf, positive, low_too=False),
        decay=checked("decay", 0, math.inf, positive, low_too=False),
        beta_1=checked("beta_1", 0, 1, share, low_too=True),
        beta_2=checked("beta_2", 0, 1, share, low_too=True),
        epsilon=checked("epsilon", 0, math.inf, positive, low_too=False),
        momentum=checked("momentum", 0, 1, share, low_too=True),
    )


def _arm(item: object, where: str) -> Arm:
    table = _table(where, item, "{name = ..., rate = ...}")
    validation.refuse_unknown(table, (f.name for f in fields(Arm)), where)
    table = {**asdict(Arm("")), **table}

    def size(name: str) -> float:
        return validation.number(
            f"{name} ({where})", table[name], lambda x: 0 <= x < math.inf, "a number of 0 or more"
        )

    arm = Arm(
        name=table["name"],
        rate=_rate(f"rate ({where})", table["rate"]),
        input_rate=_rate(f"input_rate ({where})", table["input_rate"]),
        noise=validation.choice(f"noise ({where})", table["noise"], get_args(Noise)),
        l2=size("l2"),
        max_norm=size("max_norm"),
        schedule=validation.choice(f"schedule ({where})", table["schedule"], get_args(Schedule)),
        switch=validation.number(
            f"switch ({where})",
            table["switch"],
            lambda x: 0 < x <= 1,
            "a share of training above 0, at most 1",
        ),
    )
    given = isinstance(item, Arm) or "name" in (item if isinstance(item, dict) else {})
    name = validation.text(f"name ({where})", table["name"]) if given else arm_name(arm)
    return Arm(**{**asdict(arm), "name": name})


def _table(subject: str, value: object, example: str) -> dict[str, Any]:
    if isinstance(value, (Arm, Optimizer)):
        return asdict(value)
    if not isinstance(value, dict):
        raise InvalidArgument(
            subject, expected=f"a table such as {example}", received=validation.shown(value)
        )
    return value


def _rate(subject: str, value: object) -> float:
    if isinstance(value, Real) and not isinstance(value, bool) and value == 1:
        raise InvalidArgument(
            subject,
            expected="a share of units dropped, at least 0 and below 1",
            received="1, which drops every unit",
            next_step="`rate` is the share dropped, not kept: 0.2 drops 20% and keeps 80%.",
        )
    return validation.number(
        subject, value, lambda r: 0 <= r < 1, "a share of units dropped, at least 0 and below 1, such as 0.5"
    )
