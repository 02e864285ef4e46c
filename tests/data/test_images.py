import numpy as np
import pytest

from dropstudy.data.images import as_images, border, image_shape, visible


@pytest.mark.parametrize(
    ("input_shape", "expected"),
    [
        ((4, 5), (4, 5, 1)),
        ((4, 5, 1), (4, 5, 1)),
        ((4, 5, 3), (4, 5, 3)),
        ((4, 5, 7), None),
        ((64,), None),
        ((2, 3, 4, 1), None),
    ],
)
def test_images_have_rows_columns_and_one_or_three_channels(input_shape, expected):
    assert image_shape(input_shape) == expected


@pytest.mark.parametrize(("features", "side"), [(64, 8), (784, 28), (49, None), (65, None)])
def test_flat_examples_are_images_where_they_are_large_squares(features, side):
    x = np.arange(2 * features).reshape(2, features)
    images = as_images(x)
    assert images is None if side is None else np.array_equal(images, x.reshape(2, side, side, 1))


def test_the_border_excludes_the_inside():
    images = np.arange(2 * 4 * 5).reshape(2, 4, 5, 1)
    inside = set(images[0, 1:-1, 1:-1].ravel())
    assert sorted(border(images)[0]) == sorted(set(images[0].ravel()) - inside)


def test_values_to_show_reach_from_0_to_255():
    assert visible(np.array([[0.0, 8.0, 16.0]]), 16.0).tolist() == [[0, 128, 255]]
    assert visible(np.zeros((3, 4, 1)), 1.0).shape == (3, 4)
    assert visible(np.zeros((3, 4, 3)), 1.0).shape == (3, 4, 3)
