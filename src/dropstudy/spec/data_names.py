"""Names of datasets. They are names also where a folder is called alike; `data` knows what each one is."""

from __future__ import annotations

import os
import re

IMAGES = ("mnist", "fashion_mnist", "kmnist", "qmnist", "cifar10", "digits")
TABLES = ("breast-cancer", "wine")
"""Named datasets that are tables, and know their target."""

EMNIST, OPENML, KEPT = "emnist/", "openml:", "arrays:"
"""How the names of EMNIST's splits, of tables of openml.org and of data that were given in memory begin."""

OWN_DATA = "own-data"
"""Name of the data of a training function that brings them itself."""


def is_data_file(data: str) -> bool:
    """True for the path of a file or folder, False for the name of a dataset."""
    if (
        data in {*IMAGES, *TABLES, OWN_DATA}
        or data.startswith((OPENML, KEPT))
        or re.fullmatch(rf"{EMNIST}\w*", data)
    ):
        return False
    return "." in data or "/" in data or os.sep in data or os.path.exists(data)  # noqa: PTH110 - raises for no name
