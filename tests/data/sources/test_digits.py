"""The digits inside scikit-learn: what they are, and that their split never changes."""

import subprocess
import sys

import numpy as np
from sklearn.datasets import load_digits

from dropstudy.data.sources.digits import Digits


def test_shapes_types_and_names():
    digits = Digits().load("auto")
    assert digits.x_train.shape == (1437, 8, 8)
    assert digits.x_test.shape == (360, 8, 8)
    assert digits.x_train.dtype == np.uint8
    assert digits.scale == digits.x_train.max() == 16
    assert digits.classes == tuple("0123456789")
    assert digits.name == "digits"
    assert "scikit-learn" in digits.source
    assert not digits.fallback


def test_split_never_changes():
    """Runs are found again by this digest: if scikit-learn split otherwise one day, keep the old split."""
    assert Digits().load("auto").sha256 == "4fc079cc3ed310dc6baba3edd9c2199367416e82a1dc68e62f1a16ab7a615db9"


def test_every_example_is_in_one_part_of_the_split():
    digits, original = Digits().load("auto"), load_digits()
    together = np.concatenate([digits.x_train, digits.x_test]).reshape(1797, 64)
    labels = np.concatenate([digits.y_train, digits.y_test])
    rows = sorted((*row, label) for row, label in zip(together.tolist(), labels.tolist(), strict=True))
    expected = zip(original.data.astype(int).tolist(), original.target.tolist(), strict=True)
    assert rows == sorted((*row, label) for row, label in expected)


def test_split_keeps_the_share_of_every_class():
    digits = Digits().load("auto")
    train, test = np.bincount(digits.y_train), np.bincount(digits.y_test)
    np.testing.assert_allclose(test, (train + test) * 360 / 1797, atol=1)


def test_importing_the_module_does_not_import_scikit_learn():
    code = "import sys, dropstudy.data.sources.digits; assert 'sklearn' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)  # noqa: S603 - our own interpreter and code
