"""A study in one call: `compare(x_train, y_train)`, `compare(frame, target="species")`, `compare("train.csv", ...)`."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from dropstudy.core.dataset import Dataset
from dropstudy.core.streams import say
from dropstudy.data.load import load_dataset
from dropstudy.data.memory import dataset
from dropstudy.data.sources.kept import name_of
from dropstudy.engine.function.call import is_training_function
from dropstudy.errors import InvalidArgument
from dropstudy.report.stamp import is_current
from dropstudy.runtime.progress.inline import in_notebook
from dropstudy.spec import presets
from dropstudy.spec.study_file import read_spec, to_toml
from dropstudy.store.directory import STUDIES
from dropstudy.study.function import PRESET, with_function
from dropstudy.study.model import OPTIONS, described
from dropstudy.study.short_answer import short_answer
from dropstudy.study.study import Study

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from concurrent.futures import Executor

    from narwhals.typing import IntoFrame
    from numpy.typing import ArrayLike

    from dropstudy.core.types import StudySpec
    from dropstudy.runtime.events import Callback

__all__ = ["compare"]

_LETTERS = 8  # of a digest that tells studies apart


@overload
def compare(
    x_train: ArrayLike,
    y_train: ArrayLike,
    x_test: ArrayLike | None = None,
    y_test: ArrayLike | None = None,
    *,
    rates: Sequence[float] | None = None,
    seeds: int | Sequence[int] | None = None,
    out: str | Path | None = None,
    test_size: float | None = None,
    **fields: Any,
) -> Study: ...


@overload
def compare(
    x_train: IntoFrame,
    *,
    target: str,
    rates: Sequence[float] | None = None,
    seeds: int | Sequence[int] | None = None,
    out: str | Path | None = None,
    test: IntoFrame | None = None,
    test_size: float | None = None,
    group: str | None = None,
    drop: Sequence[str] = (),
    **fields: Any,
) -> Study: ...


@overload
def compare(
    x_train: Dataset | str | Path,
    *,
    rates: Sequence[float] | None = None,
    seeds: int | Sequence[int] | None = None,
    out: str | Path | None = None,
    **fields: Any,
) -> Study: ...


@overload
def compare(
    x_train: Callable[..., Any],
    *data: Any,
    rates: Sequence[float] | None = None,
    seeds: int | Sequence[int] | None = None,
    out: str | Path | None = None,
    dropout_layers: Sequence[str] = (),
    optimizer: Any = None,
    loss: Any = None,
    **fields: Any,
) -> Study: ...


def compare(
    x_train: Any,
    y_train: Any = None,
    x_test: Any = None,
    y_test: Any = None,
    *more: Any,
    rates: Sequence[float] | None = None,
    seeds: int | Sequence[int] | None = None,
    out: str | Path | None = None,
    spec: str | Path | None = None,
    name: str | None = None,
    workers: int | None = None,
    device: str = "auto",
    executor: Executor | None = None,
    callbacks: Callback | Iterable[Callback] | None = None,
    verbose: bool = True,
    **fields: Any,
) -> Study:
    """Compare dropout rates on data: train what is missing, print the answer, write the report, and return the study.

    A part of the training examples is held out for validation and chooses the rate; the test set is used once. The
    same call again finishes at once, and more rates or seeds train only what is missing. Other data or other settings
    get a folder of their own.

    The network is one of dense layers. For a model of yours, put a function that builds it before the data:
    `compare(build, x_train, y_train)`, where `build()` or `build(rate)` returns a keras.Model.

    Any training function does, of any framework: `compare(fn)` with `fn(rate, seed)`, which trains once and returns
    its metrics, or `compare(fn, x_train, y_train)` with `fn(rate, seed, data)`; docs/models.md says what it returns.

    Args:
        x_train: training examples, (n, ...): an array, nested lists, a tensor on the CPU; or a data frame of pandas,
            polars or whatever else narwhals reads; or a `Dataset`; or the path or name of data, as for
            `dropstudy.load_dataset`.
        y_train: label of each example; left out where `target` names the column of a frame.
        x_test: test examples; without them a fifth of the training examples is set aside (`test_size`).
        y_test: label of each test example.
        more: the last array, behind a function.
        rates: dropout rates, the share dropped; those of the preset by default.
        seeds: number of seeds or a list of them; those of the preset by default.
        out: the study's folder; `studies/compare-<digest>` by default, or `studies/<name>`.
        spec: preset or study file with the other settings; by default `tune` for images and `table` for rows.
        name: of the study and of its data.
        workers: as for `Study.run`; likewise `device`, `executor`, `callbacks`, `verbose`.
        device: see there.
        executor: see there.
        callbacks: see there.
        verbose: see there; false prints no answer either.
        fields: `target`, `test`, `test_size`, `group`, `drop`, `classes`, `scale` as for `dropstudy.dataset` and
            `dropstudy.load_dataset`; with a function, `dropout_layers`, names of the layers whose dropout the rate
            moves (all by default), `add_dropout` to put dropout behind each activation, `pretrained` to start all
            seeds from the model's weights, and `optimizer` and `loss` in place of those that it was compiled with;
            else fields of the study file by name, such as `hidden=[256, 256]` or `epochs=30`.

    Raises:
        DropstudyError: before any training, for whatever cannot be used; else as for `Study.run`.

    Example:
        >>> compare(x_train, y_train, x_test, y_test, rates=[0, 0.2, 0.5], seeds=10)  # doctest: +SKIP
        >>> compare(penguins, target="species")  # doctest: +SKIP
        >>> compare("penguins.csv", target="species")  # doctest: +SKIP
        >>> compare(build, x_train, y_train, x_test, y_test, rates=[0, 0.2, 0.5], seeds=10)  # doctest: +SKIP
    """
    build = None
    how = {"workers": workers, "device": device, "executor": executor, "callbacks": callbacks}
    if is_training_function(x_train):
        arrays = {"y_train": x_test, "x_test": y_test, "y_test": next(iter(more), None)}
        options = {option: fields.pop(option) for option in _DATA_OPTIONS if option in fields}
        own = None if y_train is None else _dataset(y_train, arrays, name, options)
        wanted = {**fields, "rates": rates, "seeds": seeds, **(options if own is None else {})}
        return _answered(
            _of_function(x_train, own, wanted, spec=spec, name=name, out=out), verbose=verbose, **how
        )
    if callable(x_train):
        build, x_train, y_train, x_test, y_test = x_train, y_train, x_test, y_test, *(more or (None,))
    elif more:
        raise InvalidArgument(
            "compare",
            expected="x_train, y_train, x_test, y_test, or a function that builds a model before them",
            received=f"{4 + len(more)} arguments",
        )
    of_model = {name: fields.pop(name) for name in OPTIONS if build is not None and name in fields}
    given = {option: fields.pop(option) for option in _DATA_OPTIONS if option in fields}
    data = _dataset(x_train, {"y_train": y_train, "x_test": x_test, "y_test": y_test}, name, given)
    overrides = {**fields, "rates": rates, "seeds": seeds}
    preset = spec or presets.default(None, None, data)
    source = None
    if build is not None:
        overrides["data"] = name_of(data)
        source = described(build, preset, overrides, data, executor=executor, **of_model)
        del overrides["data"]
    if out is None:
        asked = read_spec(preset, {**overrides, "data": name_of(data)})
        out = STUDIES / (name or f"compare-{_digest(asked)}")
    overrides["name"] = name or Path(out).resolve().name
    study = Study(preset, out=out, dataset=data, source=source, **overrides)
    return _answered(study, verbose=verbose, **how)


def _answered(study: Study, *, verbose: bool, **how: Any) -> Study:
    """Train a study, write its page and print its answer."""
    study.run(**how, verbose=verbose)
    results = study.results()
    if not is_current(results.snapshot):
        results.report()
    if verbose and not in_notebook():  # where the study shows itself
        say(short_answer(results.snapshot))
    return study


def _of_function(
    function: Callable[..., Any],
    data: Dataset | None,
    fields: dict[str, Any],
    *,
    spec: str | Path | None,
    name: str | None,
    out: str | Path | None,
) -> Study:
    """Study of a training function, on data in memory or on those of the function."""
    preset = spec or (PRESET if data is None else presets.default(None, None, data))
    overrides = fields if data is None else {**fields, "data": name_of(data)}
    source = with_function(function, overrides, has_data=data is not None)
    if out is None:
        out = STUDIES / (name or f"compare-{_digest(read_spec(preset, overrides))}")
    overrides["name"] = name or Path(out).resolve().name
    if data is not None:
        del overrides["data"]
    return Study(preset, out=out, dataset=data, source=source, **overrides)


_DATA_OPTIONS = ("target", "test", "test_size", "group", "drop", "classes", "scale", "image_size")
"""Arguments of `dataset` and `load_dataset`; the others are fields of the study."""


def _dataset(data: Any, arrays: Mapping[str, Any], name: str | None, given: dict[str, Any]) -> Dataset:
    """The dataset that `compare` was given, in whatever form."""
    more = [*(argument for argument, array in arrays.items() if array is not None), *given]
    if isinstance(data, Dataset):
        if more:
            raise InvalidArgument(
                more[0],
                expected="a Dataset alone, which has labels and test set",
                received="more arguments about data",
                next_step="Give them where the dataset is made.",
            )
        return data
    if not isinstance(data, str | Path):
        if "image_size" in given:
            raise InvalidArgument(
                "image_size",
                expected="a folder of images, which --image-size is for",
                received=f"a first argument of type {type(data).__name__}",
                next_step="Leave it out.",
            )
        return dataset(data, **arrays, name=name, **given)
    if isinstance(column := arrays["y_train"], str):
        raise InvalidArgument(
            "target",
            expected="the column of the labels, by name: target=",
            received=f"{column!r} without a name",
            next_step=f"Write target={column!r}.",
        )
    if wrong := next((each for each in more if each in {*arrays, "classes"}), None):
        raise InvalidArgument(
            wrong,
            expected=f"arrays, which {wrong} is for",
            received=f"{str(data)!r}, which names data that have labels",
            next_step=f"Leave {wrong} out; name the column of labels as target, a file of test examples as test.",
        )
    if not isinstance(test := given.get("test"), str | Path | None):
        raise InvalidArgument(
            "test",
            expected=f"the path of a file, as {str(data)!r} is",
            received=f"a {type(test).__name__}",
            next_step="Give both as files, or both as data frames.",
        )
    loaded = load_dataset(data, **given)
    return loaded if name is None else replace(loaded, name=name)


def _digest(asked: StudySpec) -> str:
    """Digest of what the runs of a study share: a study grows by rates and seeds alone."""
    shared = replace(asked, name="", arms=(), seeds=(), margin=None, keep_weights="all")
    return hashlib.sha256(to_toml(shared).encode()).hexdigest()[:_LETTERS]
