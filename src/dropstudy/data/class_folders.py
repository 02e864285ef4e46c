"""Folders of images, one for each class: which there are, and what is in them."""

from __future__ import annotations

import mimetypes
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - the records below are of paths
from typing import NamedTuple

from dropstudy.core.text import counted, first_of
from dropstudy.data.formats.image_file import IMAGE_SUFFIXES
from dropstudy.data.image_files import is_hidden, natural
from dropstudy.errors import DataError

__all__ = ["ClassFolders", "Layout", "class_folders", "open_layout"]

_LAYOUT = "a folder with one folder of images for each class, or with train and test, which hold such folders"
_TRAIN = ("train", "training")
_TEST = ("test", "testing")
_VALIDATION = ("val", "valid", "validation", "dev")
_NAMED = 5
# Without the types that a machine adds, so that every machine refuses the same files.
_TYPES = mimetypes.MimeTypes()


class Layout(NamedTuple):
    """Where the images of a data folder are.

    Args:
        train: folder whose folders are the classes.
        validation: likewise; None without one.
        test: likewise.
        unused: files and folders beside these.
    """

    train: Path
    validation: Path | None
    test: Path | None
    unused: list[Path]


@dataclass(frozen=True)
class ClassFolders:
    """Images of a folder by class, in natural order, and other files that were found."""

    root: Path
    images: dict[str, list[Path]]
    unused: list[Path]


def open_layout(root: Path) -> Layout:
    """Find out whether a folder holds classes, or training and test images with classes each.

    A folder named train is one of training images where one for the test or validation stands beside it, or where it
    holds folders. Else it is a class: trains beside cars.

    Raises:
        DataError: no folder, one that cannot be read, or two for the same use such as val and valid.
    """
    folders, files = _entries(root)
    found = {
        use: [folder for folder in folders if folder.name.casefold() in names]
        for use, names in (("train", _TRAIN), ("validation", _VALIDATION), ("test", _TEST))
    }
    for use, several in found.items():
        if found["train"] and len(several) > 1:
            raise _refused(root, f"one folder for {use}", " and ".join(folder.name for folder in several))
    train, validation, test = (next(iter(several), None) for several in found.values())
    if train is None or not (validation or test or _entries(train)[0]):
        return Layout(root, None, None, [])
    used = {train, validation, test}
    return Layout(train, validation, test, [path for path in (*folders, *files) if path not in used])


def class_folders(root: Path) -> ClassFolders:
    """List the images in the folders of a folder; each is a class.

    Raises:
        DataError: images outside a class or in a folder within a class, a class without images, images of a kind that
            is not read, or a folder that cannot be read.
    """
    folders, files = _entries(root)
    if not folders:
        loose = sum(file.suffix.lower() in IMAGE_SUFFIXES for file in files)
        raise _refused(
            root, _LAYOUT, f"{counted(loose, 'image')} and no folder" if loose else "no folder in it"
        )
    images: dict[str, list[Path]] = {}
    unused, empty = list(files), []
    for folder in folders:
        deeper, inside = _entries(folder)
        if deeper:
            raise _refused(
                folder,
                "images alone in the folder of a class",
                f"a folder in it: {deeper[0].name}",
                f"Give the folder whose folders are the classes: {folder}? Or move the images of {deeper[0].name} up.",
            )
        images[folder.name] = [file for file in inside if file.suffix.lower() in IMAGE_SUFFIXES]
        others = [file for file in inside if file.suffix.lower() not in IMAGE_SUFFIXES]
        _check_kinds(others)
        unused += others
        if not images[folder.name]:
            empty.append(folder)
    if empty:
        raise _refused(
            root,
            "images in the folder of each class",
            f"none in {first_of([folder.name for folder in empty], _NAMED)}",
            "Remove folders that are no classes, or add their images: "
            f"files named {', '.join(f'*{suffix}' for suffix in IMAGE_SUFFIXES)}.",
        )
    _check_names(folders)
    return ClassFolders(root, images, unused)


def _entries(folder: Path) -> tuple[list[Path], list[Path]]:
    """Folders and files of a folder, each in natural order, without hidden ones."""
    try:
        entries = sorted(
            (path for path in folder.iterdir() if not is_hidden(path)), key=lambda path: natural(path.name)
        )
        folders = [path for path in entries if path.is_dir()]
    except OSError as error:
        raise _refused(
            folder, "a folder of images", error.strerror or str(error), "Check the path and who may read it."
        ) from error
    inside = set(folders)
    return folders, [path for path in entries if path not in inside]


def _check_kinds(others: list[Path]) -> None:
    """Refuse pictures of kinds that are not read: their class would be without them."""
    for file in others:
        kind = _TYPES.guess_type(file.name, strict=False)[0] or ""
        if kind.startswith("image/"):
            raise _refused(
                file,
                f"an image named {', '.join(f'*{suffix}' for suffix in IMAGE_SUFFIXES)}",
                f"one of another kind, {kind}",
                "Convert it to PNG, or take it out of the folder.",
            )


def _check_names(folders: list[Path]) -> None:
    for folder in folders:
        try:
            folder.name.encode()
        except UnicodeEncodeError as error:
            raise _refused(
                folder, "a name that is text", "one that is not UTF-8", "Rename the folder of this class."
            ) from error


def _refused(path: Path, expected: str, received: str, next_step: str = "") -> DataError:
    return DataError(
        str(path),
        expected=expected,
        received=received,
        next_step=next_step
        or "Wanted: FOLDER/cats/1.png, FOLDER/dogs/1.png; or "
        "FOLDER/train/cats/1.png, FOLDER/test/cats/1.png and so on.",
    )
