"""Input of `dropstudy predict`: every kind of file gives the same examples; what cannot be used is named."""

import gzip
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dropstudy.data.inputs import Examples, read_examples
from dropstudy.errors import DataError

SHAPE = (4, 5)
PIXELS = (np.arange(3 * 4 * 5) * 37 % 256).astype(np.uint8).reshape(3, 4, 5)


def read(path, input_shape=SHAPE, scale=255.0):
    return read_examples(path, input_shape=input_shape, scale=scale)


def refusal(path, subject=None, **how):
    with pytest.raises(DataError) as caught:
        read(path, **how)
    assert caught.value.subject.startswith(str(subject or path))
    assert caught.value.next_step
    assert "\n" not in str(caught.value)
    return str(caught.value)


def png(path, pixels=PIXELS[0], **options):
    Image.fromarray(pixels).save(path, format="PNG", **options)
    return path


def header_only_png(width, height):
    """A sound PNG header, and data that would unpack to nothing of that size."""

    def chunk(kind, content):
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


# The same three examples, from every kind of file


def write_npy(folder):
    np.save(folder / "some.npy", PIXELS)
    return folder / "some.npy"


def write_flat_npy(folder):
    np.save(folder / "flat.npy", PIXELS.reshape(3, 20))
    return folder / "flat.npy"


def write_npz_x(folder):
    np.savez(folder / "x.npz", other=PIXELS[:1], x_test=PIXELS[:1], x=PIXELS)
    return folder / "x.npz"


def write_npz_x_test(folder):
    np.savez_compressed(folder / "keras.npz", x_train=PIXELS[:1], y_test=[1, 2, 3], x_test=PIXELS)
    return folder / "keras.npz"


def write_npz_only(folder):
    np.savez(folder / "only.npz", pictures=PIXELS)
    return folder / "only.npz"


def write_idx(folder):
    (folder / "images").write_bytes(struct.pack(">BBBB3I", 0, 0, 8, 3, 3, 4, 5) + PIXELS.tobytes())
    return folder / "images"


def write_idx_gz(folder):
    path = write_idx(folder)
    path.write_bytes(gzip.compress(path.read_bytes()))
    return path


WRITERS = [write_npy, write_flat_npy, write_npz_x, write_npz_x_test, write_npz_only, write_idx, write_idx_gz]


@pytest.mark.parametrize("write", WRITERS)
def test_arrays_of_pixels(tmp_path, write):
    path = write(tmp_path)
    examples = read(path)
    np.testing.assert_array_equal(examples.x, PIXELS, strict=True)
    assert examples.names == tuple(f"{path.name}[{i}]" for i in range(3))


def test_names_do_not_matter(tmp_path):
    path = write_npy(tmp_path).rename(tmp_path / "Ünï code.png")
    np.testing.assert_array_equal(read(path).x, PIXELS)


def test_one_image(tmp_path):
    examples = read(png(tmp_path / "seven.png"))
    assert isinstance(examples, Examples)
    np.testing.assert_array_equal(examples.x, PIXELS[:1], strict=True)
    assert examples.names == ("seven.png",)


def test_folder_of_images_by_name(tmp_path):
    for name, pixels in (("c.png", PIXELS[2]), ("a.png", PIXELS[0]), ("b.PNG", PIXELS[1])):
        png(tmp_path / name, pixels)
    (tmp_path / "notes.txt").write_text("left alone")
    examples = read(tmp_path)
    np.testing.assert_array_equal(examples.x, PIXELS, strict=True)
    assert examples.names == ("a.png", "b.PNG", "c.png")


@pytest.mark.parametrize("input_shape", [(4, 5), (20,), (4, 5, 1)])
@pytest.mark.parametrize("array", [PIXELS[0], PIXELS[0].ravel()])
def test_a_single_example_without_its_n(tmp_path, array, input_shape):
    np.save(tmp_path / "one.npy", array.reshape(input_shape) if array.ndim > 1 else array)
    examples = read(tmp_path / "one.npy", input_shape=input_shape)
    np.testing.assert_array_equal(examples.x, PIXELS[:1].reshape(1, *input_shape), strict=True)


@pytest.mark.parametrize("input_shape", [(20,), (4, 5, 1)])
def test_image_for_networks_of_flat_or_one_channel_input(tmp_path, input_shape):
    examples = read(png(tmp_path / "seven.png"), input_shape=input_shape)
    np.testing.assert_array_equal(examples.x, PIXELS[:1].reshape(1, *input_shape))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_images_of_every_8_bit_mode_become_grey_as_pillow_does_it(tmp_path, mode):
    colours = np.random.default_rng(0).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    Image.fromarray(colours).convert(mode).save(tmp_path / "colour.png")
    with Image.open(tmp_path / "colour.png") as image:
        expected = np.array(image.convert("L"))
    np.testing.assert_array_equal(read(tmp_path / "colour.png").x[0], expected)


def test_grey_is_the_luma_of_itu_r_601_2(tmp_path):
    red, green, blue = 200, 100, 50
    png(tmp_path / "colour.png", np.full((4, 5, 3), (red, green, blue), np.uint8))
    np.testing.assert_allclose(
        read(tmp_path / "colour.png").x, 0.299 * red + 0.587 * green + 0.114 * blue, atol=1
    )


def test_colour_stays_for_networks_that_take_it(tmp_path):
    colours = np.random.default_rng(0).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    examples = read(png(tmp_path / "colour.png", colours), input_shape=(4, 5, 3))
    np.testing.assert_array_equal(examples.x[0], colours)


# Units


@pytest.mark.parametrize("scale", [16.0, 1.0])
def test_white_of_an_image_is_the_scale(tmp_path, scale):
    pixels = np.array([[0, 51, 102, 204, 255]] * 4, np.uint8)
    examples = read(png(tmp_path / "grey.png", pixels), scale=scale)
    assert examples.x.dtype == np.float32
    np.testing.assert_allclose(examples.x[0] / scale, pixels / 255, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f8"])
def test_floats_within_0_and_1_are_scaled_already(tmp_path, dtype):
    scaled = (PIXELS / 255).astype(dtype)
    np.save(tmp_path / "scaled.npy", scaled)
    x = read(tmp_path / "scaled.npy").x
    assert x.dtype == np.float32
    np.testing.assert_allclose(x / 255, scaled.astype(float), rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "scale"), [(1.001, 255.0), (-0.001, 255.0), (0.5, 1.0)], ids=["above 1", "below 0", "scale 1"]
)
def test_other_floats_are_raw(tmp_path, change, scale):
    values = (PIXELS / 255).astype(np.float32)
    values[1, 2, 3] = change
    np.save(tmp_path / "raw.npy", values)
    np.testing.assert_array_equal(read(tmp_path / "raw.npy", scale=scale).x, values)


@pytest.mark.parametrize("scale", [255.0, 16.0, 1.0])
def test_integers_are_raw_even_if_small(tmp_path, scale):
    values = (PIXELS % 2).astype(np.int64)
    np.save(tmp_path / "small.npy", values)
    np.testing.assert_array_equal(read(tmp_path / "small.npy", scale=scale).x, values)


def test_true_is_white(tmp_path):
    np.save(tmp_path / "mask.npy", PIXELS > 100)
    np.testing.assert_array_equal(read(tmp_path / "mask.npy", scale=16.0).x, (PIXELS > 100) * 16.0)


# What cannot be used


def test_fault_28_not_an_image(tmp_path):
    (tmp_path / "page.png").write_text("<html>not here</html>")
    line = refusal(tmp_path / "page.png")
    assert "starts with b'<html>no'" in line
    assert "Save pictures as PNG" in line


def test_fault_28_not_an_image_within_a_folder(tmp_path):
    png(tmp_path / "a.png")
    (tmp_path / "b.png").write_text("not a picture")
    line = refusal(tmp_path, subject=tmp_path / "b.png")
    assert "expected a PNG image" in line
    assert "another kind" in line


@pytest.mark.parametrize("form", ["JPEG", "GIF", "BMP"])
def test_fault_28_image_of_another_format(tmp_path, form):
    Image.fromarray(PIXELS[0]).save(tmp_path / "seven.png", format=form)
    assert "expected a PNG image" in refusal(tmp_path / "seven.png")


def test_fault_28_image_of_another_size(tmp_path):
    line = refusal(png(tmp_path / "wide.png", PIXELS[0].T.copy()))
    assert "expected an image 5 wide and 4 high, received one 4 wide and 5 high." in line
    assert "resize it" in line
    assert "20 pixels" in refusal(png(tmp_path / "small.png", PIXELS[0, :2]), input_shape=(20,))
    assert "no image has" in refusal(tmp_path / "small.png", input_shape=(4, 5, 7))


def test_fault_28_mixed_sizes_in_a_folder(tmp_path):
    png(tmp_path / "a.png")
    png(tmp_path / "b.png", PIXELS[0].T.copy())
    assert "4 wide and 5 high" in refusal(tmp_path, subject=tmp_path / "b.png")


def test_fault_28_sixteen_bits(tmp_path):
    png(tmp_path / "deep.png", PIXELS[0].astype(np.uint16) * 257)
    line = refusal(tmp_path / "deep.png")
    assert "8 bits per channel, received one of mode I;16" in line


@pytest.mark.parametrize("side", [12_000, 60_000])
def test_fault_28_decompression_bomb(tmp_path, side):
    """Above 89 million pixels Pillow warns, above 179 million it raises; here both are refused unread."""
    (tmp_path / "bomb.png").write_bytes(header_only_png(side, side))
    assert "decompression bomb" in refusal(tmp_path / "bomb.png")


def test_fault_28_bomb_below_pillows_limit_is_not_unpacked(tmp_path):
    (tmp_path / "large.png").write_bytes(header_only_png(9_000, 9_000))
    assert "received one 9000 wide and 9000 high" in refusal(tmp_path / "large.png")


@pytest.mark.parametrize("keep", [8, 20, 40, 50, 60])
def test_fault_28_image_cut_short(tmp_path, keep):
    whole = png(tmp_path / "seven.png").read_bytes()
    (tmp_path / "seven.png").write_bytes(whole[:keep])
    assert "damaged" in refusal(tmp_path / "seven.png")


def test_fault_28_empty_folder(tmp_path):
    (tmp_path / "readme.txt").touch()
    assert "without a file named *.png" in refusal(tmp_path)


def test_fault_25_arrays_of_an_npz_are_ambiguous_or_none(tmp_path):
    np.savez(tmp_path / "many.npz", a=PIXELS, b=PIXELS)
    np.savez(tmp_path / "none.npz")
    assert "received arrays named a, b" in refusal(tmp_path / "many.npz")
    assert "received no array" in refusal(tmp_path / "none.npz")


def test_fault_25_object_arrays_are_refused(tmp_path):
    np.save(tmp_path / "objects.npy", np.array([{}, []], dtype=object), allow_pickle=True)
    assert "never unpickled" in refusal(tmp_path / "objects.npy")


def test_fault_27_nan_is_counted_and_placed(tmp_path):
    values = PIXELS.astype(np.float64)
    values[2, 3, 1] = np.nan
    np.save(tmp_path / "holes.npy", values)
    assert "1 NaN, first at holes.npy[2, 3, 1]" in refusal(tmp_path / "holes.npy")


@pytest.mark.parametrize("shape", [(3, 5, 4), (60,), (3, 2, 10), (3, 4, 5, 1), ()])
def test_arrays_of_another_shape(tmp_path, shape):
    values = PIXELS.reshape(shape) if shape else np.uint8(7)
    np.save(tmp_path / "other.npy", values)
    line = refusal(tmp_path / "other.npy")
    assert f"shape (4, 5), or flat with 20 numbers each, received an array of shape {shape}" in line


def test_empty_and_missing_files(tmp_path):
    (tmp_path / "empty").touch()
    assert "received an empty file" in refusal(tmp_path / "empty")
    assert "received no such file" in refusal(tmp_path / "missing.png")


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_mutated_images(tmp_path_factory, data):
    """A mutated PNG gives an example of the right shape, or a DataError that names the file."""
    path = tmp_path_factory.getbasetemp() / "fuzz.png"
    raw = bytearray(png(path).read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(raw[: data.draw(st.integers(0, len(raw)))] if data.draw(st.booleans()) else raw)
    try:
        x = read(path).x
    except DataError as error:
        named = error.subject
    else:
        named = str(path)
        assert x.shape == (1, *SHAPE)
    assert named == str(path)
