"""Input of `dropstudy predict`: every kind of file gives the same examples; what cannot be used is named."""

import gzip
import struct
import zlib
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dropstudy.core.profile import DataProfile
from dropstudy.data.examples import Examples, read_examples
from dropstudy.errors import DataError, InvalidArgument

SHAPE = (4, 5)
PIXELS = (np.arange(3 * 4 * 5) * 37 % 256).astype(np.uint8).reshape(3, 4, 5)


def profile(input_shape=SHAPE, white=255.0, scale=None, background=0.0, share=0.9, **changed):
    """Profile of training data that reach from black to white; of features, where white is None."""
    seen = {
        "dtype": "uint8",
        "shape": input_shape,
        "low": 0.0,
        "high": white or 1.0,
        "whole": white != 1,
        "typical": (white or 1.0) / 2,
        "scale": scale or white or 1.0,
        "white": white,
        "background": background,
        "background_share": share,
    }
    return DataProfile(**seen | changed)


def read(path, input_shape=SHAPE, how=None, **seen):
    return read_examples(path, profile(input_shape, **seen), **how or {})


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


IDX = struct.pack(">BBBB3I", 0, 0, 8, 3, 3, 4, 5) + PIXELS.tobytes()
WRITERS = {
    "npy": lambda file: np.save(file, PIXELS),
    "flat npy": lambda file: np.save(file, PIXELS.reshape(3, 20)),
    "npz with x": lambda file: np.savez(file, other=PIXELS[:1], x_test=PIXELS[:1], x=PIXELS),
    "npz of Keras": lambda file: np.savez_compressed(
        file, x_train=PIXELS[:1], y_test=[1, 2, 3], x_test=PIXELS
    ),
    "npz with one array": lambda file: np.savez(file, pictures=PIXELS),
    "IDX": lambda file: file.write(IDX),
    "packed IDX": lambda file: file.write(gzip.compress(IDX)),
}


@pytest.fixture(params=WRITERS)
def three(request, tmp_path):
    """The three examples in a file of each kind, whose name says nothing."""
    path = tmp_path / "\u00dcn\u00ef code.png"
    with path.open("wb") as file:
        WRITERS[request.param](file)
    return path


def test_pixels_are_found_whatever_the_name_of_the_file(three):
    examples = read(three)
    np.testing.assert_array_equal(examples.x, PIXELS, strict=True)
    assert examples.names == tuple(f"{three.name}[{i}]" for i in range(3))


def test_a_file_may_hold_one_image(tmp_path):
    examples = read(png(tmp_path / "seven.png"))
    assert isinstance(examples, Examples)
    np.testing.assert_array_equal(examples.x, PIXELS[:1], strict=True)
    assert examples.names == ("seven.png",)


def test_a_folder_of_images_is_read_in_order_of_names(tmp_path):
    for name, pixels in (("c.png", PIXELS[2]), ("a.png", PIXELS[0]), ("b.PNG", PIXELS[1])):
        png(tmp_path / name, pixels)
    (tmp_path / "notes.txt").write_text("left alone")
    examples = read(tmp_path)
    np.testing.assert_array_equal(examples.x, PIXELS, strict=True)
    assert examples.names == ("a.png", "b.PNG", "c.png")


@pytest.mark.parametrize("channels", [1, 3])
def test_images_with_channels_first_are_those_with_channels_last(tmp_path, channels):
    images = np.stack([PIXELS[:2]] * channels, axis=-1) // (1 + np.arange(channels, dtype=np.uint8))
    np.save(tmp_path / "many.npy", np.moveaxis(images, -1, 1))
    np.save(tmp_path / "one.npy", np.moveaxis(images[0], -1, 0))
    for name, expected in (("many.npy", images), ("one.npy", images[:1])):
        examples = read(tmp_path / name, (4, 5, channels))
        np.testing.assert_array_equal(examples.x, expected, strict=True)
        assert any("channels first" in note for note in examples.notes)


@pytest.mark.parametrize("input_shape", [(4, 5), (20,), (4, 5, 1)])
@pytest.mark.parametrize("array", [PIXELS[0], PIXELS[0].ravel()])
def test_a_single_example_may_lack_the_first_axis(tmp_path, array, input_shape):
    np.save(tmp_path / "one.npy", array.reshape(input_shape) if array.ndim > 1 else array)
    examples = read(tmp_path / "one.npy", input_shape=input_shape)
    np.testing.assert_array_equal(examples.x, PIXELS[:1].reshape(1, *input_shape), strict=True)


def test_image_for_networks_of_one_channel_input(tmp_path):
    examples = read(png(tmp_path / "seven.png"), input_shape=(4, 5, 1))
    np.testing.assert_array_equal(examples.x, PIXELS[:1].reshape(1, 4, 5, 1))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_images_of_every_8_bit_mode_become_grey_as_in_pillow(tmp_path, mode):
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


@pytest.mark.parametrize("white", [16.0, 1.0])
def test_white_of_an_image_is_that_of_the_training_data(tmp_path, white):
    pixels = np.array([[0, 51, 102, 204, 255]] * 4, np.uint8)
    for scale in (white, 1.0):
        examples = read(png(tmp_path / "grey.png", pixels), white=white, scale=scale)
        assert examples.x.dtype == np.float32
        np.testing.assert_allclose(examples.x[0] / white, pixels / 255, rtol=1e-6)


UNITS = {"bytes": 255.0, "digits": 16.0, "floats": 1.0, "16 bits": 65535.0}


@pytest.mark.parametrize("theirs", UNITS.values(), ids=UNITS)
@pytest.mark.parametrize("ours", UNITS.values(), ids=UNITS)
def test_pixels_are_converted_to_the_units_of_the_training_data_with_a_notice(tmp_path, ours, theirs):
    shares = np.tile([0, 1, 5, 11, 15], (3, 4, 1)) / 15
    values = shares * theirs if theirs == 1 else np.round(shares * theirs)
    np.save(tmp_path / "some.npy", values)
    # As whole numbers they could be dark pixels of the training data's units.
    if theirs > 1 and theirs * 8 < ours:
        assert "very dark images, or images in other units" in refusal(tmp_path / "some.npy", white=ours)
        return
    examples = read(tmp_path / "some.npy", white=ours)
    np.testing.assert_allclose(examples.x / ours, values / theirs, rtol=1e-6)
    assert [note.partition(": ")[2].partition(" ")[0] for note in examples.notes] == (
        [] if ours == theirs else ["divided"] if theirs > ours else ["multiplied"]
    )


def test_an_idx_file_for_a_network_of_floats_from_0_to_1(tmp_path):
    (tmp_path / "images").write_bytes(IDX)
    examples = read(tmp_path / "images", white=1.0)
    np.testing.assert_allclose(examples.x, PIXELS / 255, rtol=1e-6)
    assert "divided by 255, since the training data reach 1" in examples.notes[0]


@pytest.mark.parametrize(
    ("values", "white", "why"),
    [
        (PIXELS % 2, 255.0, "very dark"),
        (PIXELS % 17, 255.0, "very dark"),
        (PIXELS % 12, 1.0, "too few levels"),
        (PIXELS * 1e3, 255.0, "times white"),
        (PIXELS / 127.5 - 1, 255.0, "nothing negative"),
        (PIXELS, None, "times as large"),
    ],
)
def test_unknown_units_are_refused_with_the_option_to_use(tmp_path, values, white, why):
    np.save(tmp_path / "other.npy", values)
    line = refusal(tmp_path / "other.npy", white=white)
    assert why in line
    assert "`scale`" in line
    x = read(tmp_path / "other.npy", white=white, how={"scale": 3.0}).x
    np.testing.assert_allclose(x / (white or 1.0), values / 3, rtol=1e-5, atol=1e-7)


def test_true_is_white(tmp_path):
    np.save(tmp_path / "mask.npy", PIXELS > 100)
    np.testing.assert_array_equal(read(tmp_path / "mask.npy", white=16.0).x, (PIXELS > 100) * 16.0)


def test_images_are_refused_for_tables(tmp_path):
    path = png(tmp_path / "seven.png")
    assert "black and white have no value" in refusal(path, white=None)
    np.testing.assert_allclose(read(path, white=None, how={"scale": 100.0}).x[0], PIXELS[0] / 100, rtol=1e-6)
    with pytest.raises(InvalidArgument, match="invert"):
        read(path, white=None, how={"invert": True})
    with pytest.raises(InvalidArgument, match="scale"):
        read(path, how={"scale": 0.0})


# Backgrounds


def ink(transparent, colour, size=(5, 4)):
    """A bar of some grey on transparent ground, or on the grey of `transparent`."""
    mode, ground = ("LA", (0, 0)) if transparent is None else ("L", transparent)
    image = Image.new(mode, size, ground)
    image.paste((colour, 255) if mode == "LA" else colour, (2, 1, 3, 3))
    return image


BAR = np.zeros((4, 5), np.uint8)
BAR[1:3, 2] = 255


@pytest.mark.parametrize("mode", ["LA", "RGBA", "PA"])
def test_a_transparent_background_becomes_that_of_the_training_data(tmp_path, mode):
    ink(None, 255).convert("RGBA" if mode == "PA" else mode).save(tmp_path / "bar.png")
    examples = read(tmp_path / "bar.png")
    np.testing.assert_array_equal(examples.x[0], BAR)
    assert examples.notes == (
        "1 of 1 image was transparent: laid on 0 of 255, the training data's background.",
    )
    light = read(tmp_path / "bar.png", background=128.0)
    assert light.x[0, 0, 0] == 128


def test_dark_ink_on_a_transparent_background_gives_a_notice_and_invert_corrects_it(tmp_path):
    ink(None, 0).save(tmp_path / "bar.png")
    assert "one value only, the first bar.png" in read(tmp_path / "bar.png").notes[-1]
    assert "--invert" in read(tmp_path / "bar.png").notes[-1]
    np.testing.assert_array_equal(read(tmp_path / "bar.png", how={"invert": True}).x[0], BAR)


def test_black_on_white_gives_a_notice_and_invert_corrects_it(tmp_path):
    ink(255, 0).save(tmp_path / "bar.png")
    np.save(tmp_path / "bar.npy", np.array(ink(255, 0)))
    for name in ("bar.png", "bar.npy"):
        notes = read(tmp_path / name).notes
        assert (
            "1 of 1 example shows a light background, the training data a dark one: add --invert" in notes[-1]
        )
        turned = read(tmp_path / name, how={"invert": True})
        np.testing.assert_array_equal(turned.x[0], BAR)
        assert not any("--invert" in note for note in turned.notes)


def test_images_of_another_size_are_resized_without_distortion(tmp_path):
    png(tmp_path / "wide.png", np.full((8, 20), 255, np.uint8))
    examples = read(tmp_path / "wide.png")
    assert examples.x[0][:, 0].tolist() == [0, 255, 255, 0]
    assert "resized to 5 wide and 4 high, ratio kept, padded with 0 of 255" in examples.notes[0]


# What cannot be used


def test_fault_28_not_an_image(tmp_path):
    (tmp_path / "page.png").write_text("<html>not here</html>")
    line = refusal(tmp_path / "page.png")
    assert "starts with b'<html>no'" in line
    assert "Save images as PNG" in line


def test_fault_28_not_an_image_within_a_folder(tmp_path):
    png(tmp_path / "a.png")
    (tmp_path / "b.png").write_text("not a picture")
    line = refusal(tmp_path, subject=tmp_path / "b.png")
    assert "expected an image" in line
    assert "another kind, which starts with b'not a pi'" in line


@pytest.mark.parametrize("form", ["JPEG", "GIF", "BMP", "TIFF", "WEBP"])
def test_images_of_every_format_are_read_whatever_their_name(tmp_path, form):
    Image.fromarray(PIXELS[0]).save(tmp_path / "seven.png", format=form, quality=100, lossless=True)
    with Image.open(tmp_path / "seven.png") as image:
        expected = np.array(image.convert("L"))
    np.testing.assert_allclose(expected, PIXELS[0], atol=80 if form == "JPEG" else 0)
    np.testing.assert_array_equal(read(tmp_path / "seven.png").x[0], expected)
    np.testing.assert_array_equal(read(tmp_path).x[0], expected)


def test_fault_28_image_for_a_network_that_takes_none(tmp_path):
    assert "no image has" in refusal(png(tmp_path / "small.png"), input_shape=(4, 5, 7))
    assert "no image has" in refusal(tmp_path / "small.png", input_shape=(20,))


def test_white_of_16_bits_is_white_of_8_bits_for_networks_of_8_bits(tmp_path):
    png(tmp_path / "deep.png", PIXELS[0].astype(np.uint16) * 257)
    np.testing.assert_allclose(read(tmp_path / "deep.png").x[0], PIXELS[0], rtol=1e-6)
    np.testing.assert_allclose(
        read(tmp_path / "deep.png", how={"invert": True}).x[0], 255.0 - PIXELS[0], rtol=1e-6
    )
    colours = read(tmp_path / "deep.png", input_shape=(4, 5, 3)).x[0]
    np.testing.assert_allclose(colours, np.stack([PIXELS[0]] * 3, axis=-1), rtol=1e-6)


@pytest.mark.parametrize("white", [4095.0, 65535.0])
def test_numbers_of_16_bits_are_those_of_training_data_of_more_than_8_bits(tmp_path, white):
    values = PIXELS[0].astype(np.uint16) * 16
    png(tmp_path / "deep.png", values)
    np.testing.assert_array_equal(read(tmp_path / "deep.png", white=white).x[0], values)
    np.testing.assert_array_equal(
        read(tmp_path / "deep.png", white=white, how={"invert": True}).x[0], white - values
    )


def test_a_folder_of_8_and_16_bits_is_refused(tmp_path):
    png(tmp_path / "a.png")
    png(tmp_path / "b.png", PIXELS[0].astype(np.uint16))
    line = refusal(tmp_path, subject=tmp_path / "b.png")
    assert f"8 bits per channel, as {tmp_path / 'a.png'} is, received one of 16 bits" in line


def test_fault_28_numbers_without_a_white(tmp_path):
    Image.fromarray(PIXELS[0].astype(np.float32)).save(tmp_path / "numbers.tif")
    assert "Pillow's mode F, whose white has no certain value" in refusal(tmp_path / "numbers.tif")


def test_all_images_that_cannot_be_used_are_counted(tmp_path):
    for name in "abcdefghij":
        (tmp_path / f"{name}.png").write_text("not a picture")
    line = refusal(tmp_path, subject=tmp_path / "a.png")
    assert "9 other images cannot be used either: " in line
    assert "f.png and 4 more" in line


def test_hidden_files_and_folders_are_no_examples(tmp_path):
    png(tmp_path / "a.png")
    (tmp_path / "._a.png").write_text("left by macOS")
    (tmp_path / "folder.png").mkdir()
    assert read(tmp_path).names == ("a.png",)


UPRIGHT = {
    1: lambda x: x,
    2: np.fliplr,
    3: lambda x: np.rot90(x, 2),
    4: np.flipud,
    5: np.transpose,
    6: lambda x: np.rot90(x, -1),
    7: lambda x: np.rot90(x, 2).T,
    8: np.rot90,
}
"""What the orientations of EXIF 2.32 (tag 0x0112) mean."""


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_images_are_upright_as_exif_says(tmp_path, form, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.arange(20, dtype=np.uint8).reshape(4, 5) * 12
    Image.fromarray(stored).save(tmp_path / "turned.png", format=form, exif=exif, quality=100, lossless=True)
    upright = UPRIGHT[orientation](stored)
    examples = read(tmp_path / "turned.png", input_shape=upright.shape)
    np.testing.assert_allclose(examples.x[0].astype(int), upright, atol=3 * (form == "JPEG"))
    assert len(examples.notes) == (orientation > 1)
    assert not any("resized" in note for note in examples.notes)


def test_of_several_frames_the_first_is_used_with_a_notice(tmp_path):
    frames = [Image.fromarray(pixels) for pixels in PIXELS]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    examples = read(tmp_path / "moving.gif")
    np.testing.assert_array_equal(examples.x, PIXELS[:1])
    assert "of several frames or pages: only the first is used" in examples.notes[0]


def test_a_strip_of_which_nothing_would_be_left_is_refused(tmp_path):
    png(tmp_path / "strip.png", np.zeros((1, 400), np.uint8))
    assert "received one 400 wide and 1 high" in refusal(tmp_path / "strip.png")


def test_a_large_photograph_is_as_if_it_were_unpacked_whole(tmp_path):
    """JPEGs are unpacked at a fraction of their size; the result is within a few levels."""
    rows, columns = np.mgrid[0:640, 0:800]
    whole = np.stack([rows % 256, columns % 256, (rows + columns) % 256], axis=-1).astype(np.uint8)
    smooth = Image.fromarray(whole).resize((80, 64)).resize((800, 640))
    smooth.save(tmp_path / "photo.jpg", quality=95)
    with Image.open(tmp_path / "photo.jpg") as image:
        expected = np.array(image.resize((20, 16), Image.Resampling.BICUBIC), int)
    x = read(tmp_path / "photo.jpg", input_shape=(16, 20, 3)).x[0]
    assert np.abs(x - expected).mean() < 3


@pytest.mark.parametrize("side", [12_000, 60_000])
def test_fault_28_decompression_bomb(tmp_path, side):
    """Above 89 million pixels Pillow warns, above 179 million it raises; here both are refused unread."""
    (tmp_path / "bomb.png").write_bytes(header_only_png(side, side))
    line = refusal(tmp_path / "bomb.png")
    assert "decompression bomb" in line or f"received one {side} wide and {side} high" in line


def test_fault_28_bomb_below_pillows_limit_is_not_unpacked(tmp_path):
    (tmp_path / "large.png").write_bytes(header_only_png(9_000, 9_000))
    assert "at most 67,108,864 pixels, received one 9000 wide and 9000 high" in refusal(
        tmp_path / "large.png"
    )


def test_fault_28_images_that_do_not_fit_in_memory_are_not_unpacked(tmp_path, monkeypatch):
    (tmp_path / "large.png").write_bytes(header_only_png(8_000, 8_000))
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=100_000_000))
    assert "images that fit in memory, 100,000,000 bytes, received 1 image" in refusal(
        tmp_path / "large.png", subject=tmp_path
    )


def test_fault_28_more_than_can_be_used_at_once_is_refused_by_its_header(three, monkeypatch):
    monkeypatch.setattr("dropstudy.data.examples._MOST_BYTES", 3 * 20 * 4 - 1)
    monkeypatch.setattr("dropstudy.data.examples.numbers", None)  # nothing gets so far
    assert "received 3 examples, 240 bytes. Split the file." in refusal(three)


@pytest.mark.parametrize("keep", [8, 20, 40, 50, 60])
def test_fault_28_image_cut_short(tmp_path, keep):
    whole = png(tmp_path / "seven.png").read_bytes()
    (tmp_path / "seven.png").write_bytes(whole[:keep])
    assert "damaged" in refusal(tmp_path / "seven.png")


def test_fault_28_empty_folder(tmp_path):
    (tmp_path / "readme.txt").touch()
    assert "without a file named *.png, *.jpg" in refusal(tmp_path)


def test_fault_25_arrays_of_an_npz_are_ambiguous_or_none(tmp_path):
    np.savez(tmp_path / "many.npz", a=PIXELS, b=PIXELS)
    np.savez(tmp_path / "none.npz")
    assert "received arrays named a, b" in refusal(tmp_path / "many.npz")
    assert "received no array" in refusal(tmp_path / "none.npz")


def test_fault_25_object_arrays_are_refused(tmp_path):
    np.save(tmp_path / "objects.npy", np.array([{}, []], dtype=object), allow_pickle=True)
    assert "never unpickled" in refusal(tmp_path / "objects.npy")


def test_fault_27_nan_is_counted_and_located(tmp_path):
    values = PIXELS.astype(np.float64)
    values[2, 3, 1] = np.nan
    np.save(tmp_path / "holes.npy", values)
    assert "1 NaN, first at holes.npy[2, 3, 1]" in refusal(tmp_path / "holes.npy")


@pytest.mark.parametrize("shape", [(3, 5, 4), (60,), (3, 2, 10), (3, 4, 5, 1), ()])
def test_arrays_of_another_shape_are_refused(tmp_path, shape):
    values = PIXELS.reshape(shape) if shape else np.uint8(7)
    np.save(tmp_path / "other.npy", values)
    line = refusal(tmp_path / "other.npy")
    assert f"shape (4, 5), or flat with 20 numbers each, received an array of shape {shape}" in line


def test_empty_and_missing_files_are_refused(tmp_path):
    (tmp_path / "empty").touch()
    assert "received an empty file" in refusal(tmp_path / "empty")
    assert "received no such file" in refusal(tmp_path / "missing.png")


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"])
@given(st.data())
@settings(max_examples=30, deadline=None)
def test_mutated_images(tmp_path_factory, form, data):
    """A mutated image gives an example of the right shape, or a DataError that names the file."""
    path = tmp_path_factory.getbasetemp() / "fuzz.png"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(PIXELS[0]).save(path, format=form, exif=exif)
    raw = bytearray(path.read_bytes())
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
