"""Find examples to classify, and their labels if these are there: files, folders, arrays, data frames."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dropstudy.core.text import first_of
from dropstudy.data.class_folders import class_folders, open_layout
from dropstudy.data.formats.csv_parquet import SUFFIXES, StoredTable, read_table
from dropstudy.data.formats.files import StoredArray, open_file, reporting_damage
from dropstudy.data.formats.idx import open_idx
from dropstudy.data.formats.image_file import IMAGE_STARTS, IMAGE_SUFFIXES
from dropstudy.data.formats.npy import npz_names, open_npy, open_npz
from dropstudy.data.image_files import is_hidden, natural
from dropstudy.data.memory import is_frame, readable, to_pandas
from dropstudy.data.sources.array_files import npy_files, standard_name
from dropstudy.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

__all__ = ["Found", "Target", "find_examples", "find_table", "labels_of"]

_NPY, _ZIP, _GZIP, _IDX = b"\x93NUMPY", b"PK", b"\x1f\x8b", b"\0\0"
_KINDS = "an image, a folder of images, an .npy, .npz or IDX file"
_NAMED = 5  # columns that a message names
_FRAME = "the data frame"
_PAIRS = {"x": "y", "x_test": "y_test"}
"""Standard names of the examples that are classified, and of their labels; those for training are not."""


@dataclass(frozen=True, eq=False)
class Found:
    """Examples that were found.

    Args:
        source: for messages: a path, or what was given in memory.
        name: short name, from which each example has its own.
        stored: the images' paths; or an array, read on demand.
        labels: of the examples, in whatever form they are there; None where there are none.
        notes: sentences on how they were found.
    """

    source: str
    name: str
    stored: list[Path] | StoredArray
    labels: Any = None
    notes: tuple[str, ...] = ()


class Target(NamedTuple):
    """Column of the labels in a table of examples.

    Args:
        usual: the one of the study; a table need not have it.
        named: another one, which the table must have.
    """

    usual: str | None = None
    named: str | None = None


NO_TARGET = Target()


def find_examples(source: Any, *, target: Target = NO_TARGET, without: Sequence[str] = ()) -> Found:
    """Find images or an array of examples, and their labels.

    Args:
        source: path of an image, of a folder of images or `.npy` files, of an `.npy`, `.npz` or IDX file, or of a
            table; or a data frame; or whatever NumPy reads. Of an `.npz` the array `x` is read, else `x_test` or
            another usual name of test examples, else its only one. The folders of a folder are classes, as in
            training.
        target: column of a table with the labels.
        without: other columns of a table that are no part of an example.

    Raises:
        DataError: nothing readable. It names the file.
        InvalidArgument: an array that NumPy cannot read.
    """
    if is_frame(source) or (_is_path(source) and str(source).lower().endswith(SUFFIXES)):
        return _of_columns(*find_table(source), target, without)
    if not _is_path(source):
        try:
            values = np.asarray(readable("x", source))
        except ValueError as error:
            raise DataError(
                "x",
                expected="examples of one shape",
                received="lists of different lengths",
                next_step="Give each example as many numbers as the network has inputs.",
            ) from error
        return Found("x", "x", StoredArray(values.shape, values.dtype, lambda: values))
    return _of_folder(Path(source)) if Path(source).is_dir() else _of_file(Path(source))


def find_table(source: Any) -> tuple[StoredTable, str, str]:
    """Rows of a CSV or Parquet file or of a data frame; what to call them in messages, and in short.

    Raises:
        DataError: no table.
    """
    if is_frame(source):
        frame = to_pandas("x", source)
        frame.columns = frame.columns.map(str)
        return StoredTable(frame), _FRAME, "row"
    if _is_path(source):
        return read_table(Path(source)), str(source), Path(source).name
    raise DataError(
        "x",
        expected="a data frame, or a CSV or Parquet file, with the columns of the training rows",
        received=f"a {type(source).__name__}",
        next_step="The network was trained on columns with names: give the rows with these names.",
    )


def labels_of(frame: pd.DataFrame, target: Target, source: str) -> Any:
    """Column of the labels of a table; None where there is none.

    Raises:
        DataError: the column that was named is not there.
    """
    if target.named is not None and target.named not in frame.columns:
        raise DataError(
            f"target of {source}",
            expected=f"one of its columns: {first_of([*map(repr, frame.columns)], _NAMED)}",
            received=repr(target.named),
            next_step="Check the spelling.",
        )
    column = target.named or target.usual
    return frame[column] if column in frame.columns else None


def _is_path(source: Any) -> bool:
    return isinstance(source, str | Path)


def _of_columns(table: StoredTable, source: str, name: str, target: Target, without: Sequence[str]) -> Found:
    """Columns of a table as an array, (n, columns); an image's pixels, say."""
    labels = labels_of(table.frame, target, source)
    frame = table.frame.drop(columns=[*filter(None, target), *without], errors="ignore")
    text = [name for name, kind in frame.dtypes.items() if kind.kind not in "iuf"]
    if text:
        raise DataError(
            f"column {text[0]!r} of {source}",
            expected="numbers, as the training data hold",
            received="text",
            next_step="Leave the column out. If it holds the labels, name it with --target.",
        )
    values = frame.to_numpy()
    return Found(source, name, StoredArray(values.shape, values.dtype, lambda: values), labels, table.notes)


def _of_file(path: Path) -> Found:
    with open_file(path, _KINDS) as file:
        start = file.read(8)
    if start.startswith(IMAGE_STARTS):
        return Found(str(path), path.name, [path])
    if start.startswith(_NPY):
        return Found(str(path), path.name, open_npy(path))
    if start.startswith(_ZIP):
        return _of_arrays(path, npz_names(path), lambda name: open_npz(path, [name])[name])
    if start.startswith((_GZIP, _IDX)):
        return Found(str(path), path.name, open_idx(path))
    raise DataError(
        str(path),
        expected="an image, an .npy, .npz or IDX file",
        received=f"a file that starts with {start!r}" if start else "an empty file",
        next_step="Save images as PNG and numbers with numpy.save.",
    )


def _of_folder(path: Path) -> Found:
    """Images of a folder; or those of its folders, which are classes; or its `.npy` files."""
    with reporting_damage(str(path), "a folder of images"):
        entries = [entry for entry in path.iterdir() if not is_hidden(entry)]
        folders = [entry for entry in entries if entry.is_dir()]
        images = [
            entry for entry in entries if entry.suffix.lower() in IMAGE_SUFFIXES and entry not in folders
        ]
    if images:
        return Found(str(path), path.name, sorted(images, key=lambda file: natural(file.name)))
    if files := npy_files(path):
        return _of_arrays(path, tuple(files), lambda name: open_npy(files[name]))
    if not folders:
        raise DataError(
            str(path),
            expected="a folder of images",
            received=f"one without a file named {', '.join(f'*{suffix}' for suffix in IMAGE_SUFFIXES)}",
            next_step="Name the folder that holds the images itself, or save them as PNG.",
        )
    layout = open_layout(path)
    root = layout.test or layout.validation or layout.train
    classes = class_folders(root).images
    notes = (f"Of {path.name} the images in {root.name} are classified.",) if root != path else ()
    labels = [name for name, files in classes.items() for _ in files]
    return Found(str(root), root.name, [file for files in classes.values() for file in files], labels, notes)


def _of_arrays(path: Path, names: Sequence[str], open_array: Callable[[str], StoredArray]) -> Found:
    """The array of examples among several, with the array of their labels."""
    for kind, labels in _PAIRS.items():
        if name := _meant(kind, names):
            found = _meant(labels, names)
            return Found(str(path), path.name, open_array(name), open_array(found).read() if found else None)
    if len(names) == 1:
        return Found(str(path), path.name, open_array(names[0]))
    raise DataError(
        str(path),
        expected="an array named x or x_test, or one array only",
        received=f"arrays named {', '.join(names)}" if names else "no array",
        next_step="Write the examples with numpy.savez(file, x=...).",
    )


def _meant(standard: str, names: Sequence[str]) -> str | None:
    """Name of the array with this standard name: itself, or the only other usual one."""
    others = [name for name in names if standard_name(name) == standard]
    return standard if standard in names else others[0] if len(others) == 1 else None
