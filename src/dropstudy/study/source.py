"""The source of a study's specification: refuse what is none, and tell what of it no longer applies."""

from __future__ import annotations

import shlex
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropstudy.data.load import dataset_of, looks_like_data, source_of
from dropstudy.data.source import DataOptions
from dropstudy.errors import InvalidArgument
from dropstudy.spec import presets
from dropstudy.spec.data_names import KEPT, is_data_file
from dropstudy.spec.study_file import FIELDS, SHORTHANDS, is_study_file, unlike_published
from dropstudy.store.directory import existing_folder, find_studies, nearest_study, no_study, spec_source

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from dropstudy.core.types import StudySpec


def refuse_other_source(spec: str | Path) -> None:
    """Refuse data in place of a specification, and a folder without a study whose name is like that of a study.

    Raises:
        InvalidArgument: data.
        StoreError: no study, and one of a name much like it.
    """
    if str(spec) in presets.names() or is_study_file(spec) or existing_folder(spec) is not None:
        return
    if looks_like_data(spec) and not find_studies(Path(spec)):
        raise InvalidArgument(
            "spec",
            expected="a preset, a study file or the folder of a study",
            received=f"{str(spec)!r}, which is data",
            next_step=f"Give it with --data={shlex.quote(str(spec))}.",
            retry={"spec": None, "data": str(spec)},
        )
    near = None if presets.nearest(str(spec)) else nearest_study(Path(spec))
    if near is not None:
        raise no_study(Path(spec))


def refuse_unreadable(spec: StudySpec, changed: AbstractSet[str], data_dir: Path | None) -> None:
    """Refuse data that cannot be read, before fields of a study that differ are refused.

    Data with a name are not loaded, which may download them, unless other columns of them are asked for.

    Raises:
        DropstudyError: as of `load_dataset`.
    """
    if spec.data is None or spec.data.startswith(KEPT):  # of arrays in memory
        return
    if is_data_file(spec.data) or spec.test or changed & {"target", "drop", "group"}:
        dataset_of(spec, data_dir=data_dir, warn=False)
    else:
        source_of(spec.data, data_dir)


def refuse_data_fields(overrides: Mapping[str, Any]) -> None:
    """Refuse fields that say how data are read: a dataset has been read."""
    for name in ("data", "scale", *(field.name for field in fields(DataOptions))):
        if overrides.get(name) is not None:
            raise InvalidArgument(
                name,
                expected="either dataset or the fields that say which data and how to read them",
                received=f"dataset and {name}",
                next_step=f"Leave {name} out, or give it where the dataset is made.",
            )


def on_published(source: str | Path, spec: StudySpec, overrides: Mapping[str, Any]) -> str:
    """Sentence on published results of a source that are not compared with its study; empty where there are none.

    Args:
        source: of the specification.
        spec: what the overrides made of it.
        overrides: fields by name.
    """
    if spec.published:
        return ""
    asked = {name: overrides[name] for name in (*FIELDS, *SHORTHANDS, "function") if name in overrides}
    words = {"hidden": "hidden layers", "train_sizes": "training sizes"}
    names = unlike_published(spec_source(source), asked)
    changed = [f"the {words.get(name, name.replace('_', ' '))}" for name in names]
    if not changed:
        return ""
    from dropstudy.analysis.verdict.phrases import listed  # noqa: PLC0415 - scipy is slow to import

    return f"The published results of {source} are not compared with this study, which changes {listed(changed)}."
