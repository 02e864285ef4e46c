"""The handwritten digits that ship inside scikit-learn: always there, trained in seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from dropstudy.data.dataset import make_dataset

if TYPE_CHECKING:
    from dropstudy.core.types import Dataset

__all__ = ["load_digits"]

_TEST_EXAMPLES = 360  # of 1,797: a fifth, as near as can be


def load_digits(scale: float | Literal["auto"] = "auto") -> Dataset:
    """Return the 8x8 digits: 1,437 training and 360 test examples, 0 to 16, ten classes.

    A pixel counts the dark ones among 4 x 4, and is divided by 16 unless another `scale` is given.

    The split keeps the share of every class and never changes. The digits are the test part of E. Alpaydin
    and C. Kaynak, Optical Recognition of Handwritten Digits, UCI 1998, https://doi.org/10.24432/C50P49.
    """
    # Imported here, because scikit-learn takes longer to load than everything else in this room.
    import sklearn  # noqa: PLC0415
    from sklearn.datasets import load_digits as sklearn_digits  # noqa: PLC0415
    from sklearn.model_selection import train_test_split  # noqa: PLC0415

    digits = sklearn_digits()
    x_train, x_test, y_train, y_test = train_test_split(
        digits.images.astype(np.uint8),
        digits.target,
        test_size=_TEST_EXAMPLES,
        stratify=digits.target,
        random_state=0,
    )
    return make_dataset(
        name="digits",
        x_train=x_train,
        y_train=y_train,
        x_test=x_test,
        y_test=y_test,
        classes=[str(name) for name in digits.target_names],
        scale=scale,
        source=f"scikit-learn {sklearn.__version__}, sklearn.datasets.load_digits",
    )
