"""Images of examples and of weights as PNG."""

import base64
import io

import numpy as np
from PIL import Image

from dropstudy.data.images import visible
from dropstudy.report.sections.images import data_address, tiles


def opened(address):
    kind, _, content = address.partition(",")
    assert kind == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))


def test_an_example_becomes_the_picture_that_it_is():
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert np.array_equal(opened(data_address(visible(pixels, 255.0), 4, 3)), pixels)


def test_tiles_have_zero_in_mid_grey_and_gaps_that_are_seen_through():
    images = np.stack([np.zeros((2, 2)), np.array([[-4.0, 4.0], [0.0, 2.0]]), np.ones((2, 2))])[..., None]
    sheet = opened(data_address(tiles(images, columns=2), 5, 5))
    assert sheet.shape == (5, 5, 2)
    assert set(sheet[0:2, 0:2, 0].ravel()) == {128}
    assert sheet[0:2, 3:5, 0].tolist() == [[0, 255], [128, 191]]
    assert sheet[:, 2, 1].max() == sheet[2, :, 1].max() == 0
    assert sheet[3:, 3:, 1].max() == 0


def test_colours_stay_colours_in_examples_and_in_tiles():
    pixels = np.random.default_rng(0).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    assert np.array_equal(opened(data_address(visible(pixels, 255.0), 4, 3)), pixels)
    red = np.zeros((1, 2, 2, 3))
    red[..., 0] = 3.0
    sheet = opened(data_address(tiles(red, columns=1), 2, 2))
    assert sheet.shape == (2, 2, 4)
    assert sheet[0, 0].tolist() == [255, 128, 128, 255]


def test_a_large_image_has_no_more_pixels_than_a_page_can_show():
    pixels = np.random.default_rng(0).integers(0, 256, (300, 600, 3), dtype=np.uint8)
    assert opened(data_address(pixels, 72, 36)).shape == (72, 144, 3)
