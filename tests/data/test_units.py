"""The scale is found from the values of the training data: the same numbers are the same data, whatever their type."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_wine

from dropstudy import load_dataset
from dropstudy.data.dataset import make_dataset
from dropstudy.errors import DataError

LABELS = np.arange(12) % 3
PIXELS = (np.arange(12 * 20) * 37 % 256).reshape(12, 4, 5)
TYPES = [np.uint8, np.int16, np.uint16, np.int64, np.float32, np.float64]


def dataset(x, scale="auto"):
    return make_dataset(
        name="tiny",
        source="here.npz",
        x_train=x,
        y_train=LABELS,
        x_test=x[:6],
        y_test=LABELS[:6],
        scale=scale,
    )


def inputs(data):
    return data.x_train.astype(np.float32) / np.float32(data.scale)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("white", [255, 16])
def test_the_same_pixels_of_any_type_are_the_same_data_to_the_bit(dtype, white):
    pixels = PIXELS % (white + 1)
    data, bytes_ = dataset(pixels.astype(dtype)), dataset(pixels.astype(np.uint8))
    assert data.scale == white
    assert data.sha256 == bytes_.sha256
    np.testing.assert_array_equal(data.x_train, bytes_.x_train, strict=True)
    assert data.profile.dtype == np.dtype(dtype).name
    assert np.dtype(dtype).name in data.notes[0]
    assert f"divided by {white}" in data.notes[0]


@pytest.mark.parametrize("dtype", [*TYPES, bool])
def test_zeros_and_ones_are_not_divided(dtype):
    data = dataset((PIXELS > 100).astype(dtype))
    assert data.scale == 1
    assert set(np.unique(inputs(data))) == {0, 1}


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        (PIXELS * 257, 65535),
        (PIXELS * 16, 4095),
        (PIXELS.astype(np.float16) / 2, 255),  # resized images have halves
        (PIXELS / 255, 1),
        (PIXELS / 127.5 - 1, 1),
        (np.repeat(PIXELS.reshape(12, 20), 4, axis=1), 255),  # flat images
        (PIXELS * 1000, 1),
    ],
    ids=["16 bits", "12 bits", "halves", "0 to 1", "-1 to 1", "flat", "beyond 16 bits"],
)
def test_scales_are_chosen_by_the_values(values, scale):
    assert dataset(values).scale == scale


@pytest.mark.parametrize("load", [load_wine, load_breast_cancer])
def test_a_table_of_different_columns_is_not_scaled_and_gives_a_notice(load):
    x, y = load(return_X_y=True)
    data = make_dataset(name="t", source="t", x_train=x, y_train=y, x_test=x[:50], y_test=y[:50])
    assert data.scale == 1
    assert "mean 0 and standard deviation 1" in data.notes[1]
    standard = (x - x.mean(axis=0)) / x.std(axis=0)
    data = make_dataset(
        name="t", source="t", x_train=standard, y_train=y, x_test=standard[:50], y_test=y[:50]
    )
    assert data.scale == 1
    assert len(data.notes) == 1


def test_whole_numbers_in_different_columns_are_a_table_too():
    ages_and_counts = np.stack([LABELS, 20 + LABELS * 30, LABELS % 2, LABELS * 100, 1 + LABELS % 2], axis=1)
    assert dataset(ages_and_counts).scale == 1


def test_a_given_scale_is_used_and_part_of_the_digest():
    assert dataset(PIXELS, 16).scale == 16
    assert "divided by 16" in dataset(PIXELS, 16).notes[0]
    assert dataset(PIXELS, 16).sha256 != dataset(PIXELS).sha256
    with pytest.raises(DataError, match="above 0"):
        dataset(PIXELS, -1)


def test_the_digits_are_divided_by_16_and_have_a_black_background():
    digits = load_dataset("digits")
    assert (digits.scale, digits.profile.white, digits.profile.background) == (16, 16, 0)
    assert (digits.profile.low, digits.profile.high, digits.profile.whole) == (0, 16, True)


@pytest.mark.mnist
def test_mnist_is_divided_by_255_and_keeps_its_digest(mnist_folder):
    data = load_dataset("mnist", data_dir=mnist_folder)
    assert (data.scale, data.profile.background) == (255, 0)
    assert data.sha256 == "0ac722097806b04b98f872c15a2da652eac1f607508c7ce32b1041f28a1d5425"
