"""Many image files as one array: checked by their headers and against memory, then read by several threads."""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import psutil

from dropstudy.core.text import counted, first_of
from dropstudy.data.formats.image_file import quiet, read_header, read_image
from dropstudy.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from dropstudy.data.formats.image_file import Form, Header

__all__ = ["is_hidden", "natural", "read_headers", "read_images"]

T = TypeVar("T")

# Per pixel while an image is read: four channels as unpacked, turned, converted, with a background.
_WORKING_BYTES = 16
_CHUNK = 16  # images that a thread reads in one go
_NAMED = 5
_JUNK = {"__macosx", "thumbs.db", "desktop.ini"}


def is_hidden(path: Path) -> bool:
    """True for names that begin with a dot, and for those that macOS and Windows add to folders."""
    return path.name.startswith(".") or path.name.casefold() in _JUNK


def natural(name: str) -> tuple[list[str | int], str]:
    """Key that sorts names with their numbers by value: 2 before 10."""
    parts = re.split(r"(\d+)", name.casefold())
    return [int(part) if number % 2 else part for number, part in enumerate(parts)], name


def read_headers(paths: Sequence[Path], *, progress: bool) -> list[Header]:
    """Read the headers of images.

    Args:
        paths: the images.
        progress: show a bar where it takes more than a moment and standard error is a terminal.

    Raises:
        DataError: the first that is no image, and how many others; or images of 8 and of 16 bits together.
    """
    headers = _in_threads(lambda number: read_header(paths[number]), paths, "checking images", progress)
    deep = [header.deep for header in headers]
    if any(deep) and not all(deep):
        raise DataError(
            str(paths[deep.index(True)]),
            expected=f"an image of 8 bits per channel, as {paths[deep.index(False)]} is",
            received="one of 16 bits",
            next_step="Save all with as many bits: the white of one would be another value in the others.",
        )
    return headers


def read_images(
    paths: Sequence[Path], headers: Sequence[Header], form: Form, *, subject: str, progress: bool
) -> tuple[NDArray[np.uint8] | NDArray[np.uint16], list[str]]:
    """Read images in one form, (n, height, width) or (n, height, width, 3), and list what was changed in them.

    Args:
        paths: the images.
        headers: theirs.
        form: that all are brought to.
        subject: the file or folder, for errors about all of them.
        progress: as for `read_headers`.

    Raises:
        DataError: the first that is damaged or too narrow to be resized, and how many others; or they do not fit in
            memory, which is checked before any is unpacked.
    """
    shape = (len(paths), form.height, form.width, *(3,) * (form.mode == "RGB"))
    dtype = np.uint16 if form.mode == "I;16" else np.uint8
    threads = _threads(headers, int(np.prod(shape)) * (dtype().itemsize + 4), subject)
    images: NDArray[Any] = np.empty(shape, dtype)

    def read(number: int) -> bool:
        _check_ratio(paths[number], headers[number], form)
        images[number], transparent = read_image(paths[number], form)
        return transparent

    transparent = sum(_in_threads(read, paths, "reading images", progress, threads))
    resized = sum((header.width, header.height) != (form.width, form.height) for header in headers)
    level = f"{round(form.background)} of {form.white:.0f}"
    changes = (
        (sum(header.turned for header in headers), "turned or mirrored as the EXIF data say."),
        (sum(header.frames > 1 for header in headers), "of several frames or pages: only the first is used."),
        (transparent, f"transparent: laid on {level}, the training data's background."),
        (
            resized,
            f"of another size: resized to {form.width} wide and {form.height} high, ratio kept, padded with {level}.",
        ),
        (len(paths) * form.invert, "inverted."),
    )
    notes = [
        f"{count:,} of {counted(len(paths), 'image')} {'was' if count == 1 else 'were'} {change}"
        for count, change in changes
        if count
    ]
    return images, notes


def _threads(headers: Sequence[Header], needed: int, subject: str) -> int:
    """Number of images to read at once; refuses those that do not fit in memory, once more as float32."""
    largest = max(header.width * header.height for header in headers) * _WORKING_BYTES
    free = psutil.virtual_memory().available
    if needed + largest > free:
        raise DataError(
            subject,
            expected=f"images that fit in memory, {free:,} bytes",
            received=f"{counted(len(headers), 'image')} that take {needed + largest:,} bytes once unpacked",
            next_step="Use a smaller size with --image-size, fewer images, or a machine with more memory.",
        )
    return max(1, min(os.cpu_count() or 1, (free - needed) // largest))


def _check_ratio(path: Path, header: Header, form: Form) -> None:
    share = min(form.width / header.width, form.height / header.height)
    if share * min(header.width, header.height) < 1 and share < 1:
        raise DataError(
            str(path),
            expected=f"an image of which a pixel is left once it is {form.width} wide and {form.height} high",
            received=f"one {header.width} wide and {header.height} high",
            next_step="Cut it, or use a larger size.",
        )


def _in_threads(
    task: Callable[[int], T], paths: Sequence[Path], label: str, progress: bool, threads: int | None = None
) -> list[T]:
    """Call `task` with the number of each path; raises the first DataError, with the names of others that failed."""
    # Imported here, as in the module that downloads: few commands show a bar.
    from tqdm import tqdm  # noqa: PLC0415

    results: list[T] = []
    errors: list[DataError] = []

    def in_order(first: int) -> list[T | DataError]:
        return [_result_or_error(task, number) for number in range(first, min(first + _CHUNK, len(paths)))]

    # tqdm takes None as "only on a terminal".
    with (
        quiet(),
        ThreadPoolExecutor(threads or os.cpu_count() or 1) as pool,
        tqdm(desc=label, total=len(paths), unit="", delay=1, disable=None if progress else True) as bar,
    ):
        for chunk in pool.map(in_order, range(0, len(paths), _CHUNK)):
            for result in chunk:
                if isinstance(result, DataError):
                    errors.append(result)
                else:
                    results.append(result)
            bar.update(len(chunk))
    if errors:
        raise _together(errors)
    return results


def _result_or_error(task: Callable[[int], T], number: int) -> T | DataError:
    try:
        return task(number)
    except DataError as error:
        return error


def _together(errors: Sequence[DataError]) -> DataError:
    first, others = errors[0], errors[1:]
    if not others:
        return first
    names = first_of([error.subject for error in others], _NAMED)
    return DataError(
        first.subject,
        expected=first.expected,
        received=f"{first.received}; {counted(len(others), 'other image')} cannot be used either: {names}",
        next_step=first.next_step,
    )
