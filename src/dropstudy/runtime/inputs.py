"""Rows and arrays of each run: its split, and the inputs that its network sees."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from dropstudy.data.arrays import store_arrays, store_briefly
from dropstudy.data.preprocessing import Preprocessing, fit, transform
from dropstudy.runtime.reports import remove_reports, with_reports
from dropstudy.spec import splits

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from types import TracebackType
    from typing import Self

    import numpy as np
    from numpy.typing import NDArray

    from dropstudy.core.dataset import Dataset
    from dropstudy.core.model import ModelSource
    from dropstudy.core.types import DataReference, Run, StudySpec

_KEPT = 64


class Inputs(Protocol):
    """What the scheduler needs of the data of a run."""

    def rows(self, run: Run) -> tuple[NDArray[np.int32], NDArray[np.int32] | None]:
        """Training rows of a run, and the rows held out; None where none are."""

    def data(self, run: Run) -> DataReference:
        """Reference to the arrays of a run, which are in the cache."""

    def preprocessing(self, run: Run) -> dict[str, NDArray[Any]]:
        """Numbers that the network of a run needs for other rows, as named arrays; empty where there are none."""

    @property
    def model(self) -> ModelSource | None:
        """What workers build the network from, where it is a Keras model."""


class _Rows(NamedTuple):
    """What the training rows of a run depend on."""

    seed: int
    train_size: int


class RunInputs:
    """`Inputs` of the runs of a study. To use in a `with` statement, which removes arrays made for it alone.

    Runs share the arrays of the dataset. Those of a table share arrays only with runs of the same training rows: what
    is fitted to its columns is fitted on these rows alone.

    Args:
        spec: the study, resolved.
        dataset: its data.
        model: what workers build its network from, where that is a Keras model.
    """

    def __init__(self, spec: StudySpec, dataset: Dataset, model: ModelSource | None = None) -> None:
        self.model = with_reports(model) if model is not None and spec.of_function else model
        self._dataset, self._fixed = dataset, spec.fixed_validation
        self._held_out = splits.validation_count(spec, len(dataset.y_train))
        self._made: list[Callable[[], None]] = []
        self._split = lru_cache(_KEPT)(self._draw)
        self._fitted = lru_cache(_KEPT)(self._fit)
        self._stored = lru_cache(None)(self._store)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for remove in self._made:
            remove()
        if self.model is not None and self.model.reports:
            remove_reports(self.model)

    def rows(self, run: Run) -> tuple[NDArray[np.int32], NDArray[np.int32] | None]:
        """Training rows of a run, and the rows held out; None where none are."""
        return self._rows(run.seed_of("split"), run.condition.train_size)

    def shared(self, run: Run) -> Hashable:
        """Return an equal value for runs that have the same arrays."""
        return self._place(run) if self._dataset.table else None

    def data(self, run: Run) -> DataReference:
        """Write the arrays of a run into the cache, unless it holds them, and return their reference."""
        return self._stored(self._place(run) if self._dataset.table else None)

    def preprocessing(self, run: Run) -> dict[str, NDArray[Any]]:
        """Numbers fitted to the columns of a table on the training rows of a run, as named arrays; else none."""
        return self._fitted(self._place(run)).tensors() if self._dataset.table else {}

    def _draw(self, seed: int) -> tuple[NDArray[np.int32], NDArray[np.int32] | None]:
        return splits.split(
            self._dataset.y_train,
            self._held_out,
            splits.FIXED_SEED if self._fixed else seed,
            groups=self._dataset.groups,
        )

    def _rows(self, seed: int, train_size: int) -> tuple[NDArray[np.int32], NDArray[np.int32] | None]:
        train, validation = self._split(seed)
        return splits.subset(self._dataset.y_train, train, train_size, seed), validation

    def _place(self, run: Run) -> _Rows:
        """All seeds have the same training rows where none are left over and the same are held out."""
        everything = run.condition.train_size == len(self._dataset.y_train) - self._held_out
        same = everything and (self._fixed or not self._held_out)
        return _Rows(splits.FIXED_SEED if same else run.seed_of("split"), run.condition.train_size)

    def _fit(self, place: _Rows) -> Preprocessing:
        table = self._dataset.table
        assert table is not None  # noqa: S101 - callers ask for tables alone
        return fit(table, self._dataset.x_train[self._rows(*place)[0]])

    def _store(self, place: _Rows | None) -> DataReference:
        dataset, table = self._dataset, self._dataset.table
        if place is None or table is None:
            return store_arrays(dataset)
        fitted = self._fitted(place)
        digest = hashlib.sha256(dataset.sha256.encode())
        for array in fitted.tensors().values():
            digest.update(array.tobytes())
        inputs = replace(
            dataset,
            x_train=transform(table, fitted, dataset.x_train),
            x_test=transform(table, fitted, dataset.x_test),
            sha256=digest.hexdigest(),
        )
        reference, remove = store_briefly(inputs)
        self._made.append(remove)
        return reference
