"""A folder of images, with a folder for each class: root/class/1.png, or root/train/class/1.png and root/test/..."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from dropstudy.core.text import counted, first_of
from dropstudy.data.class_folders import class_folders, open_layout
from dropstudy.data.dataset import make_dataset
from dropstudy.data.formats.image_file import BYTE, DEEP, Form, quiet, shares_and_opacity
from dropstudy.data.image_files import natural, read_headers, read_images
from dropstudy.data.images import border
from dropstudy.errors import DataError, InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from dropstudy.core.dataset import Dataset
    from dropstudy.data.class_folders import ClassFolders
    from dropstudy.data.formats.image_file import Header
    from dropstudy.data.source import DataOptions, Scale

__all__ = ["ImageFolder"]

_SAMPLED = 200  # images in which the background is looked for
_NAMED = 5


@dataclass(frozen=True)
class ImageFolder:
    """The images of a folder; its folders are the classes."""

    path: Path
    options: DataOptions
    accepts: ClassVar[frozenset[str]] = frozenset({"test", "test_size", "image_size"})

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.path.resolve().name or "images"

    def describe(self) -> list[str]:
        """List the folder, and whether it exists."""
        return [f"{self.path}: {'a folder' if self.path.is_dir() else 'no such folder'}"]

    def load(self, scale: Scale, *, progress: bool) -> Dataset:
        """List the images, check their headers, then read them: as grey where all are grey, else in colour."""
        train, test, notes = self._parts()
        classes = sorted({name for part in train for name in part.images}, key=natural)
        _check_classes(self.path, classes, test)
        paths, labels = _listed((*train, *(() if test is None else (test,))), classes)
        count = sum(len(files) for part in train for files in part.images.values())
        x, changes = self._read(paths, count, progress=progress)
        return make_dataset(
            name=self.name,
            x_train=x[:count],
            y_train=labels[:count],
            x_test=None if test is None else x[count:],
            y_test=None if test is None else labels[count:],
            test_size=self.options.test_size,
            classes=classes,
            scale=scale,
            source=str(self.path),
            test_source=None if test is None else str(test.root),
            notes=[*notes, *changes],
        )

    def _parts(self) -> tuple[list[ClassFolders], ClassFolders | None, list[str]]:
        """Training images, test images or None, and what to say about both."""
        layout, notes = open_layout(self.path), []
        train, test, validation = [class_folders(layout.train)], layout.test, layout.validation
        if self.options.test is not None:
            if test is not None:
                raise InvalidArgument(
                    "test", expected="one test set", received=f"{self.options.test}, and {test}",
                    next_step=f"Leave --test out, or give {layout.train} with --data.",
                )  # fmt: skip
            test = self.options.test
        elif test is None and validation is not None:
            test, validation = validation, None
            notes.append(f"{self.name} has no folder test: the test images are those in {test.name}.")
        if validation is not None:
            train.append(class_folders(validation))
            notes.append(
                f"Images in {validation.name} are training images too: validation images are drawn from them all "
                "(--validation-split)."
            )
        if test is not None and self.options.test_size is not None:
            raise InvalidArgument(
                "test_size",
                expected="data without a test set",
                received=f"{self.options.test_size}, and test images in {test}",
                next_step="Leave it out.",
            )
        found = None if test is None else class_folders(test)
        unused = [*layout.unused, *(path for part in (*train, found) if part for path in part.unused)]
        notes += _unused(unused, self.path)
        if found is not None:
            notes += _untested(found, {name for part in train for name in part.images})
        return train, found, notes

    def _read(self, paths: Sequence[Path], train: int, *, progress: bool) -> tuple[NDArray[Any], list[str]]:
        """Read images in one form; the background is that of the first `train`."""
        headers = read_headers(paths, progress=progress)
        height, width = self.options.image_size or _common_size(paths, headers)
        form = Form(width, height, _mode(headers), white=DEEP if headers[0].deep else BYTE)
        other_sizes = any((header.width, header.height) != (width, height) for header in headers)
        if other_sizes or any(header.transparent for header in headers):
            form = replace(form, background=form.white * _background(paths[:train]))
        x, notes = read_images(paths, headers, form, subject=str(self.path), progress=progress)
        if form.mode != "RGB":
            return x, notes
        red, green, blue = np.moveaxis(x, -1, 0)
        if np.array_equal(red, green) and np.array_equal(red, blue):
            return np.ascontiguousarray(red), [*notes, "All images are grey, and are read as such."]
        if grey := sum(header.grey for header in headers):
            kinds = f"{grey:,} of {counted(len(headers), 'image')} {'is' if grey == 1 else 'are'} grey"
            notes = [*notes, f"{kinds}, others in colour: all are read in colour."]
        return x, notes


def _listed(parts: Iterable[ClassFolders], classes: Sequence[str]) -> tuple[list[Path], NDArray[np.int64]]:
    """Paths of all images, part by part and class by class, with their labels."""
    number = {name: label for label, name in enumerate(classes)}
    found = [(path, number[name]) for part in parts for name in part.images for path in part.images[name]]
    return [path for path, _ in found], np.array([label for _, label in found], np.int64)


def _check_classes(root: Path, classes: Sequence[str], test: ClassFolders | None) -> None:
    if len(classes) == 1:
        raise DataError(
            str(root),
            expected="images of two classes or more, each in a folder of its own",
            received=f"one class, {classes[0]}",
            next_step="A classifier needs two classes: give the folder whose folders are the classes.",
        )
    unknown = [] if test is None else [name for name in test.images if name not in classes]
    if test is not None and unknown:
        raise DataError(
            str(test.root),
            expected=f"the classes of the training images: {_some(classes)}",
            received=f"others too: {_some(unknown)}",
            next_step="Add training images of these classes, or take their folders out.",
        )


def _untested(test: ClassFolders, classes: set[str]) -> list[str]:
    missing = sorted(classes - test.images.keys(), key=natural)
    return [f"There are no test images of {_some(missing)}."] if missing else []


def _unused(paths: Sequence[Path], root: Path) -> list[str]:
    names = [str(path.relative_to(root)) if path.is_relative_to(root) else str(path) for path in paths]
    return [f"Not used, since they are no images of a class: {_some(names)}."] if names else []


def _some(names: Sequence[str]) -> str:
    return first_of([ascii(name) for name in names], _NAMED)


def _common_size(paths: Sequence[Path], headers: Sequence[Header]) -> tuple[int, int]:
    """Height and width of all images; refuses others than the first's."""
    first = headers[0]
    for path, header in zip(paths, headers, strict=True):
        if (header.width, header.height) != (first.width, first.height):
            raise DataError(
                str(path),
                expected=f"an image {first.width} wide and {first.height} high, as {paths[0]} is",
                received=f"one {header.width} wide and {header.height} high",
                next_step="Resize all: --image-size 32 for squares, a height and width such as --image-size 32,48 "
                "for others.",
            )
    return first.height, first.width


def _mode(headers: Sequence[Header]) -> Literal["L", "RGB", "I;16"]:
    if headers[0].deep:
        return "I;16"
    return "L" if all(header.grey for header in headers) else "RGB"


def _background(paths: Sequence[Path]) -> float:
    """The most frequent value along the borders of images, from 0 to 1 for white.

    Where most of the border is transparent: white below what is dark, black below what is light. It is one value for
    all images, so that it tells nothing about a class.
    """
    edges, drawn, opaque_share = [], [], []
    with quiet():
        for path in paths[:: -(-len(paths) // _SAMPLED)]:
            shares, opaque = shares_and_opacity(path)
            solid = border(np.broadcast_to(opaque[..., None], shares.shape)[None])[0]
            edges.append(border(shares[None])[0][solid])
            drawn.append(shares[opaque].ravel())
            opaque_share.append(solid.mean())
    visible = np.concatenate(drawn)
    if np.mean(opaque_share) < 0.5:  # noqa: PLR2004 - most of the border
        return float(visible.size > 0 and visible.mean() < 0.5)  # noqa: PLR2004 - half of white
    values, counts = np.unique(np.concatenate(edges), return_counts=True)
    return float(values[counts.argmax()])
