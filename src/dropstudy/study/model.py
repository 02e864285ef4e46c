"""The Keras model of a study: described for the data that it is to be trained on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropstudy.core.model import ModelReference, ModelSource
from dropstudy.data.load import dataset_of
from dropstudy.errors import InvalidArgument
from dropstudy.runtime.model import describe_model
from dropstudy.spec.study_file import STUDY_FILE, read_spec
from dropstudy.store.directory import existing_folder, has_database, read_metadata
from dropstudy.store.models import MODEL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from dropstudy.core.dataset import Dataset

OPTIONS = ("dropout_layers", "add_dropout", "pretrained", "loss")
"""Arguments about a model; `optimizer` is also a field of a study."""

_UNNAMED = {"build", "build_model", "create_model", "make_model", "model", "<lambda>"}
"""Names of functions that say nothing about the model."""


def described(  # noqa: PLR0917 - called with what `Study` was given
    build: Callable[..., Any] | str | Path | ModelReference,
    spec: str | Path | Mapping[str, Any],
    overrides: dict[str, Any],
    dataset: Dataset | None,
    data_dir: str | Path | None = None,
    source: ModelSource | None = None,
    **options: Any,
) -> ModelSource | None:
    """Describe a model for the data and the rates of a study, and put it into the study's fields.

    Args:
        build: the function that builds it, a `.keras` file, or a model that was described before.
        spec: preset or study file.
        overrides: fields of the study; those about the model are taken out, and the model is put in.
        dataset: the data; None for those that the fields name.
        data_dir: where named data are.
        source: what a model that was described before is built from.
        options: those of `OPTIONS`, and the executor.

    Raises:
        ModelError: the model cannot be used.
        InvalidArgument: a field describes dense layers.
    """
    if isinstance(build, ModelReference):
        overrides["model"] = build
        return source
    refuse_fields(
        ("hidden", "activation", "precision"), overrides, "a model", "Leave it out; the model has its own."
    )
    if isinstance(build, (str, Path)):
        overrides.setdefault("name", Path(build).stem)
    optimizer = overrides.pop("optimizer", None)
    asked = read_spec(spec, overrides)
    given = {name: value for name, value in options.items() if value}
    layers = given.get("dropout_layers", ())
    given["dropout_layers"] = (layers,) if isinstance(layers, str) else layers
    source, reference = describe_model(
        build,
        dataset or dataset_of(asked, data_dir=None if data_dir is None else Path(data_dir), warn=False),
        rates=[rate for arm in asked.arms for rate in arm.rates],
        name=_name(build),
        optimizer=optimizer,
        **given,
    )
    overrides["model"] = reference
    return source


def refuse_fields(names: Iterable[str], overrides: Mapping[str, Any], beside: str, next_step: str) -> None:
    """Refuse fields that describe what is given in another form."""
    for name in names:
        if overrides.get(name) is not None:
            raise InvalidArgument(
                name,
                expected=f"no {name} beside {beside}",
                received=repr(overrides[name]),
                next_step=next_step,
            )


def of_study(spec: str | Path) -> ModelSource | None:
    """What the model of a study that exists is built from, where the study is the specification of another one."""
    place = Path(spec).parent if Path(spec).name == STUDY_FILE else existing_folder(spec)
    if place is None or not has_database(place):
        return None
    text = read_metadata(place).get(MODEL)
    return None if text is None else ModelSource(text)


def _name(build: Any) -> str:
    if isinstance(build, (str, Path)):
        return Path(build).stem
    name = getattr(build, "__name__", "")
    return "" if name in _UNNAMED else name
