"""The training function of a study: described, and put into the study's fields."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dropstudy.engine.function.call import describe
from dropstudy.engine.user_code import imported
from dropstudy.errors import InvalidArgument
from dropstudy.spec.data_names import OWN_DATA
from dropstudy.spec.placeholders import OF_FUNCTION
from dropstudy.study.model import refuse_fields

if TYPE_CHECKING:
    from collections.abc import Callable

    from dropstudy.core.model import ModelSource
    from dropstudy.core.types import Run, StudySpec

PRESET = "tune"
"""Preset with the rates and seeds of a training function."""

_OF_FUNCTION = (
    "hidden",
    "activation",
    "optimizer",
    "precision",
    "epochs",
    "batch_size",
    "patience",
    "restore_best_weights",
    "keep_weights",
)
"""Fields that describe what the function does itself."""

_ABOUT_DATA = (
    "data",
    "target",
    "test",
    "test_size",
    "group",
    "drop",
    "image_size",
    "scale",
    "train_sizes",
    "fixed_validation",
)


def with_function(
    function: Callable[..., Any] | str, overrides: dict[str, Any], *, has_data: bool, beside: object = None
) -> ModelSource:
    """Describe a training function, and put it into the fields of a study.

    Args:
        function: `fn(rate, seed)` or `fn(rate, seed, data)`; or its name, `package.module:fn`.
        overrides: fields of the study, which are changed.
        has_data: data in memory are given for it.
        beside: a model that was given too, which is refused.

    Raises:
        InvalidArgument: the function has other parameters, or a field describes what it does itself.
        ModelError: it cannot be imported.
    """
    if beside is not None:
        step = "Leave one of them out."
        raise InvalidArgument(
            "function", expected="a model or a training function", received="both", next_step=step
        )
    refuse_fields(_OF_FUNCTION, overrides, "a training function", "The function decides that itself.")
    source, reference = describe(imported(function) if isinstance(function, str) else function)
    description = json.loads(source.description)
    name = description["function"]
    given = [field for field in _ABOUT_DATA if overrides.get(field) not in {None, ()}] if not has_data else []
    if description["takes_data"]:
        if not has_data and overrides.get("data") is None:
            raise InvalidArgument(
                "data",
                expected=f"data for {name}(rate, seed, data)",
                received="none",
                next_step="Name them, such as --data=mnist; or let the function take rate and seed alone.",
            )
    elif has_data or given:
        raise InvalidArgument(
            given[0] if given else "data",
            expected=f"no data, which {name}(rate, seed) does not take",
            received=repr(overrides[given[0]]) if given else "examples",
            next_step="Give the function a third parameter, data; or leave the data out.",
        )
    else:  # half of a place holder
        watches = overrides.get("validation_split") == "test"
        overrides |= {"data": OWN_DATA, "validation_split": "test" if watches else 0.5}
    overrides.update(OF_FUNCTION)
    overrides["model"] = reference
    overrides["name"] = overrides.get("name") or reference.name
    return source


def refuse_to_measure(spec: StudySpec) -> None:
    """Refuse to estimate how long a training function takes."""
    if spec.model is not None and spec.of_function:
        raise InvalidArgument(
            "dry_run",
            expected="networks whose steps can be measured",
            received=f"the training function {spec.model.function}",
            next_step="Call it once yourself, with a clock.",
        )


def refuse_network(run: Run) -> None:
    """Refuse to use the network of a run whose training function keeps it to itself."""
    if run.condition.model is not None and run.of_function:
        raise InvalidArgument(
            "study",
            expected="a study that has networks",
            received=f"one of the training function {run.condition.model.name!r}, which keeps them to itself",
            next_step="Let the function save its network to a file.",
        )
