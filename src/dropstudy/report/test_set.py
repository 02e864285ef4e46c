"""Test examples of a study, for the sections of the report that show examples or need networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dropstudy.data.arrays import stored_test_set
from dropstudy.data.images import image_shape
from dropstudy.data.load import dataset_of
from dropstudy.data.preprocessing import from_tensors, transform
from dropstudy.errors import DropstudyError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from dropstudy.core.dataset import Table
    from dropstudy.core.types import StudySpec


@dataclass(frozen=True)
class TestSet:
    """Test examples of a study.

    Args:
        x: (n, *input_shape), as in the dataset: not divided by `scale`.
        y: labels, (n,).
        classes: one name per class.
        scale: divisor of the inputs: the network receives `x / scale`.
        table: columns of x where they are those of a table, else None.
    """

    x: NDArray[np.generic]
    y: NDArray[np.int64]
    classes: tuple[str, ...]
    scale: float
    table: Table | None

    @property
    def image_shape(self) -> tuple[int, int, int] | None:
        """Rows, columns and channels where the examples are images, else None."""
        return None if self.table else image_shape(self.x.shape[1:])

    def inputs(self, tensors: Mapping[str, NDArray[Any]], most: int | None = None) -> NDArray[Any]:
        """Examples as a network receives them, except for `scale`: the first `most`, or all.

        Args:
            tensors: what is stored with the network's weights.
            most: number of examples.
        """
        x = self.x[:most]
        return x if self.table is None else transform(self.table, from_tensors(tensors, self.table), x)


def own_test_set(predictions: Mapping[str, NDArray[Any]]) -> TestSet | None:
    """Test labels that a training function returned with its predictions, without examples; None where it did not."""
    if "truth" not in predictions:
        return None
    y = predictions["truth"].astype(np.int64)
    classes = 1 + max(int(y.max()), int(predictions["labels"].max()))
    return TestSet(np.zeros((len(y), 1), np.float32), y, tuple(map(str, range(classes))), 1.0, None)


def read_test_set(spec: StudySpec, metadata: Mapping[str, Any], data_dir: Path | None) -> TestSet | None:
    """Test set of a study, from the arrays in the cache that its runs were trained on, else from the data.

    None if the data are missing or differ from those that the study was started with.
    """
    sha256, scale, classes = metadata["data_sha256"], metadata["scale"], tuple(metadata["classes"])
    if stored := stored_test_set(sha256, scale, classes):
        return TestSet(*stored, classes, scale, None)
    try:
        dataset = dataset_of(spec, data_dir=data_dir, scale=scale, warn=False)
    except DropstudyError:
        return None
    if dataset.sha256 != sha256:
        return None
    return TestSet(dataset.x_test, dataset.y_test, dataset.classes, dataset.scale, dataset.table)
