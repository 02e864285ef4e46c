"""Arms, optimisers and published results of a study, from tables of its file or from records."""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from msgspec import Meta

from dropstudy.core.published_result import PublishedResult
from dropstudy.core.text import visible_form
from dropstudy.core.types import Arm, Optimizer
from dropstudy.core.validation import refuse_duplicates, refuse_unknown, shown, validate, validate_fields
from dropstudy.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence, Sized

    from dropstudy.core.types import StudySpec

Record = TypeVar("Record", Arm, Optimizer, PublishedResult)
_Arms = Annotated[list[Any], Meta(min_length=1, description="a list of one or more arms")]
_Published = Annotated[list[Any], Meta(description="a list of published results")]


def parse_arms(value: object, networks: Sequence[Sequence[object]] = ()) -> tuple[Arm, ...]:
    """The arms of a study; an arm without a name is named after its settings.

    Args:
        value: a list of tables or of `Arm`.
        networks: units of the hidden layers of each network of the study, which rates by layer must fit.

    Raises:
        InvalidArgument: a setting is invalid, a network has another number of hidden layers than an arm has rates, or
            two arms have equal settings or one name.
    """
    arms = []
    for position, item in enumerate(validate("arms", value, _Arms), start=1):
        where = f"arm {position}"
        arm = _record(Arm, item, where, f"{{}} ({where})", "{name = ..., rate = ...}")
        _check_layers(arm, networks, f"rate ({where})")
        arm = replace(arm, rate=arm.rates[0] if len({*arm.rates}) == 1 else arm.rate)
        arms.append(replace(arm, name=arm.name or arm_name(arm)))
    refuse_duplicates("arms", "settings", map(arm_name, arms))
    # Names that look alike count as one name: readers could not distinguish them in tables and charts.
    refuse_duplicates("arms", "name", [visible_form(arm.name) for arm in arms])
    return tuple(arms)


def parse_optimizer(value: object) -> Optimizer:
    """An optimiser with its defaults.

    Args:
        value: a table, or an `Optimizer`.

    Raises:
        InvalidArgument: a setting is unknown or invalid.
    """
    return _record(Optimizer, value, "optimizer", "optimizer.{}", '{name = "adam", learning_rate = 0.001}')


def parse_published(value: object, arms: Sequence[Arm]) -> tuple[PublishedResult, ...]:
    """The published results that a study repeats.

    Args:
        value: a list of tables or of `PublishedResult`.
        arms: of the study, the baseline first.

    Raises:
        InvalidArgument: a setting is invalid, the study lacks the arm, or there is not either a value or a comparison.
    """
    results = []
    for position, item in enumerate(validate("published", value, _Published), start=1):
        where = f"published result {position}"
        missing = [name for name in ("arm", "source") if isinstance(item, dict) and name not in item]
        if missing:
            raise InvalidArgument(f"{missing[0]} ({where})", expected="a text", received="none")
        result = _record(
            PublishedResult, item, where, f"{{}} ({where})", "{arm = ..., source = ..., value = 1.25}"
        )
        if (result.value is None) == (result.expected is None):
            raise InvalidArgument(
                where,
                expected="either a value, or what is expected in comparison with the baseline",
                received="neither" if result.value is None else "both",
            )
        if result.measure == "error" and (result.value or 0) > 100:  # noqa: PLR2004 - percent
            raise InvalidArgument(
                f"value ({where})", expected="an error in percent, 0 to 100", received=shown(result.value)
            )
        if result.expected == "same" and not result.within:
            raise InvalidArgument(
                f"within ({where})",
                expected="a difference that does not matter, since two measures are never the same to the last digit",
                received="none",
            )
        others = [arm.name for arm in arms[result.expected is not None :]]
        if result.arm not in others:
            raise InvalidArgument(
                f"arm ({where})",
                expected=f"one of {', '.join(map(repr, others))}",
                received=shown(result.arm),
            )
        results.append(result)
    return tuple(results)


def of_its_sizes(spec: StudySpec, *, refuse: bool = False) -> StudySpec:
    """A specification without the published results of training sizes that the study does not have.

    Args:
        spec: the specification.
        refuse: raise an error where there are such results.

    Raises:
        InvalidArgument: there are, and they are refused.
    """
    sizes = {None, *spec.train_sizes}
    for position, result in enumerate(spec.published, start=1):
        if refuse and result.train_size not in sizes:
            raise InvalidArgument(
                f"train_size (published result {position})",
                expected=f"one of the study's training sizes, {', '.join(map(str, spec.train_sizes))}, or none",
                received=shown(result.train_size),
            )
    return replace(spec, published=tuple(each for each in spec.published if each.train_size in sizes))


def arm_name(arm: Arm) -> str:
    """Name of an arm after its settings: its rates, and every other setting that is not the default.

    Numbers have all their digits, so that different arms have different names.
    """
    implied = {"name", "rate"} if arm.rate == 0 else {"name", "rate", "noise"}
    others = [
        f"{field.name.replace('_', ' ')} {getattr(arm, field.name)}"
        for field in fields(Arm)
        if field.name not in implied and getattr(arm, field.name) != field.default
    ]
    rates = ", ".join(str(rate) if rate else "0" for rate in arm.rates)
    return ", ".join(["no dropout" if arm.rate == 0 else f"{arm.noise} {rates}", *others])


def check_layers(arms: Iterable[Arm], networks: Sequence[Sequence[object]]) -> None:
    """Refuse arms with rates by layer for networks with another number of hidden layers."""
    for arm in arms:
        _check_layers(arm, networks, f"rate of {arm.name!r}")


def _check_layers(arm: Arm, networks: Sequence[Sequence[object]], subject: str) -> None:
    for hidden in networks:
        if isinstance(arm.rate, tuple) and len(arm.rate) != len(hidden):
            layers = "-".join(map(str, hidden))
            raise InvalidArgument(
                subject,
                expected=f"one rate for all hidden layers, or {len(hidden)} for those of the network {layers}",
                received=f"{len(arm.rate)}: {', '.join(map(str, arm.rate))}",
                next_step="Networks of another depth need a study of their own. Arms of one rate each: "
                f"--rates {','.join(f'{rate:g}' for rate in arm.rate)}",
            )


def has_choice(arms: Sized) -> bool:
    """True where there are several arms besides the baseline, so that one may be chosen."""
    return len(arms) > 2  # noqa: PLR2004 - baseline and one arm


def _record(kind: type[Record], value: object, where: str, subject: str, example: str) -> Record:
    """A record from a table or from a record of its kind, validated."""
    if isinstance(value, kind):
        value = {name: setting for name, setting in asdict(value).items() if setting not in {"", None}}
    if not isinstance(value, dict):
        raise InvalidArgument(where, expected=f"a table such as {example}", received=shown(value))
    refuse_unknown(value, (field.name for field in fields(kind)), where)
    return kind(**validate_fields(kind, value, subject))
