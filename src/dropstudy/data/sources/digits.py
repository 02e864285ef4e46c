"""The handwritten digits inside scikit-learn: always available, trained in seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dropstudy.data.dataset import make_dataset

if TYPE_CHECKING:
    from dropstudy.core.dataset import Dataset
    from dropstudy.data.source import Scale

__all__ = ["Digits"]

_TEST_EXAMPLES = 360  # of 1,797: a fifth, as near as can be


class Digits:
    """The 8x8 digits: 1,437 training and 360 test examples, ten classes.

    A value counts the dark pixels among 4 x 4, from 0 to 16. The split keeps the share of every class and never
    changes. The digits are the test part of E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits,
    UCI 1998, https://doi.org/10.24432/C50P49.
    """

    name = "digits"
    about = "handwritten digits inside scikit-learn: 1,437 + 360, 8 x 8"
    accepts: frozenset[str] = frozenset()

    def describe(self) -> list[str]:
        """List where the digits are."""
        return ["digits: inside scikit-learn, always available"]

    def load(self, scale: Scale, *, progress: bool = False) -> Dataset:  # noqa: ARG002 - nothing is downloaded
        """Load and split the digits."""
        # Imported here, because scikit-learn takes longer to load than everything else in this room.
        import sklearn  # noqa: PLC0415
        from sklearn.datasets import load_digits  # noqa: PLC0415
        from sklearn.model_selection import train_test_split  # noqa: PLC0415

        digits = load_digits()
        x_train, x_test, y_train, y_test = train_test_split(
            digits.images.astype(np.uint8),
            digits.target,
            test_size=_TEST_EXAMPLES,
            stratify=digits.target,
            random_state=0,
        )
        return make_dataset(
            name=self.name,
            x_train=x_train,
            y_train=y_train,
            x_test=x_test,
            y_test=y_test,
            classes=[str(name) for name in digits.target_names],
            scale=scale,
            source=f"scikit-learn {sklearn.__version__}, sklearn.datasets.load_digits",
        )
