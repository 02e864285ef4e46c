"""Folders of images: any layout, mode and size gives the pixels that are in the files, or an error that names one."""

import os
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dropstudy.data.image_files import natural
from dropstudy.data.load import load_dataset
from dropstudy.errors import DataError, InvalidArgument

GREY = np.random.default_rng(0).integers(0, 256, (12, 6, 8), dtype=np.uint8)
COLOURS = np.random.default_rng(1).integers(0, 256, (12, 6, 8, 3), dtype=np.uint8)


def write(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(path, **options)
    return path


def folder(root, images=GREY, classes=("cats", "dogs"), suffix="png"):
    """Images in turn in the folders of classes."""
    for number, pixels in enumerate(images):
        write(root / classes[number % len(classes)] / f"{number}.{suffix}", pixels)
    return root


def split(root, train="train", test="test"):
    folder(root / train, GREY[:8])
    folder(root / test, GREY[8:])
    return root


def load(root, **options):
    return load_dataset(root, progress=False, **options)


def refusal(root, subject=None, **options):
    with pytest.raises(DataError) as caught:
        load(root, **options)
    assert caught.value.subject == str(subject or root)
    assert caught.value.next_step
    assert "\n" not in str(caught.value)
    return str(caught.value)


def all_images(dataset):
    return sorted(
        (*x.ravel(), y)
        for x, y in zip(
            np.concatenate([dataset.x_train, dataset.x_test]),
            np.concatenate([dataset.y_train, dataset.y_test]),
            strict=True,
        )
    )


# Layouts


def test_folders_are_classes_and_a_fifth_is_set_aside(tmp_path):
    found = load(folder(tmp_path / "pets"))
    assert (found.name, found.source, found.classes) == ("pets", str(tmp_path / "pets"), ("cats", "dogs"))
    assert (found.x_train.dtype, found.x_train.shape, len(found.y_test)) == (np.uint8, (10, 6, 8), 2)
    assert all_images(found) == sorted((*pixels.ravel(), i % 2) for i, pixels in enumerate(GREY))
    assert any(note.startswith("No test set: 2 of 12 examples are set aside") for note in found.notes)


@pytest.mark.parametrize(
    "names", [("train", "test"), ("Training", "Testing"), ("train", "val"), ("train", "dev")]
)
def test_train_and_test_are_kept_apart(tmp_path, names):
    found = load(split(tmp_path, *names))
    assert np.array_equal(found.x_train, np.concatenate([GREY[0:8:2], GREY[1:8:2]]))
    assert np.array_equal(found.x_test, np.concatenate([GREY[8::2], GREY[9::2]]))
    assert found.y_test.tolist() == [0, 0, 1, 1]
    told = [note for note in found.notes if "has no folder test: the test images are those in" in note]
    assert len(told) == (names[1] not in {"test", "Testing"})


def test_a_test_set_may_be_another_folder(tmp_path):
    folder(tmp_path / "a", GREY[:8])
    folder(tmp_path / "b", GREY[8:])
    found = load(tmp_path / "a", test=tmp_path / "b")
    assert found.sha256 == load(split(tmp_path / "c")).sha256


def test_images_for_validation_are_training_images_too(tmp_path):
    folder(split(tmp_path) / "valid", GREY[:3] // 2)
    found = load(tmp_path)
    assert (len(found.y_train), len(found.y_test)) == (11, 4)
    assert "Images in valid are training images too" in found.notes[0]
    assert "(--validation-split)" in found.notes[0]


def test_train_is_a_class_where_it_is_one(tmp_path):
    found = load(folder(tmp_path, classes=("bus", "train")))
    assert found.classes == ("bus", "train")


def test_two_test_sets_are_refused(tmp_path):
    split(tmp_path / "a")
    folder(tmp_path / "b")
    with pytest.raises(InvalidArgument, match="one test set"):
        load(tmp_path / "a", test=tmp_path / "b")
    with pytest.raises(InvalidArgument, match="test_size: expected data without a test set"):
        load(tmp_path / "a", test_size=0.5)
    with pytest.raises(InvalidArgument, match="target"):
        load(tmp_path / "a", target="species")
    (tmp_path / "a" / "Test").mkdir()
    assert "one folder for test, received Test and test" in refusal(tmp_path / "a")


def test_classes_and_files_are_in_natural_order(tmp_path):
    for name in ("10", "9", "Zebra", "ant"):
        for number in (2, 10, 1):
            write(tmp_path / "train" / name / f"{number}.png", np.full((2, 2), number, np.uint8))
            write(tmp_path / "test" / name / f"{number}.png", np.full((2, 2), number, np.uint8))
    found = load(tmp_path)
    assert found.classes == ("9", "10", "ant", "Zebra")
    assert found.x_train[:, 0, 0].tolist() == [1, 2, 10] * 4


@given(st.lists(st.text(max_size=6), max_size=4))
@settings(max_examples=50)
def test_natural_order_is_an_order_of_any_names(names):
    ordered = sorted(names, key=natural)
    assert sorted(ordered) == sorted(names)
    backwards = names[::-1]
    assert sorted(backwards, key=natural) == ordered


@given(st.lists(st.integers(0, 10**6), unique=True), st.sampled_from(["", "img_"]))
def test_natural_order_of_numbers_is_that_of_their_values(numbers, prefix):
    names = [f"{prefix}{number}.png" for number in numbers]
    assert sorted(names, key=natural) == [f"{prefix}{number}.png" for number in sorted(numbers)]


def test_what_systems_leave_behind_is_ignored_and_other_files_are_named(tmp_path):
    plain = load(folder(tmp_path / "plain"))
    root = folder(tmp_path / "pets")
    write(root / ".ipynb_checkpoints" / "1.png", GREY[0])
    write(root / "__MACOSX" / "1.png", GREY[0])
    for name in (".DS_Store", "cats/Thumbs.db", "cats/._1.png", "dogs/desktop.ini"):
        (root / name).touch()
    assert load(root).notes == plain.notes
    (root / "readme.md").touch()
    (root / "cats" / "labels.csv").touch()
    found = load(root)
    assert found.sha256 == plain.sha256
    assert "Not used, since they are no images of a class: 'readme.md', 'cats/labels.csv'." in found.notes


# Modes and sizes


@pytest.mark.parametrize("suffix", ["png", "bmp", "gif", "tif", "TIFF", "webp"])
def test_every_lossless_format_gives_the_same_pixels(tmp_path, suffix):
    for number, pixels in enumerate(GREY):
        path = tmp_path / suffix / ("cats", "dogs")[number % 2] / f"{number}.{suffix}"
        write(path, pixels, **{"lossless": True} if suffix == "webp" else {})
    assert load(tmp_path / suffix).sha256 == load(folder(tmp_path / "png")).sha256


@given(modes=st.lists(st.sampled_from(["1", "L", "LA", "P", "RGB", "RGBA"]), min_size=12, max_size=12))
@settings(max_examples=25, deadline=None)
def test_grey_stays_grey_however_it_is_stored(tmp_path_factory, modes):
    root = tmp_path_factory.mktemp("grey")
    black_and_white = np.where(GREY > 100, 255, 0).astype(np.uint8)
    for number, mode in enumerate(modes):
        image = Image.fromarray(black_and_white[number] if mode == "1" else GREY[number])
        write(root / "ab"[number % 2] / f"{number}.png", image.convert(mode))
    found = load(root)
    assert found.x_train.shape == (10, 6, 8)
    expected = [black_and_white[i] if mode == "1" else GREY[i] for i, mode in enumerate(modes)]
    assert all_images(found) == sorted((*pixels.ravel(), i % 2) for i, pixels in enumerate(expected))


def test_one_image_in_colour_makes_all_colour(tmp_path):
    found = load(folder(tmp_path, [*GREY[:11], COLOURS[11]]))
    assert found.x_train.shape[1:] == (6, 8, 3)
    expected = [np.stack([pixels] * 3, axis=-1) for pixels in GREY[:11]] + [COLOURS[11]]
    assert all_images(found) == sorted((*pixels.ravel(), i % 2) for i, pixels in enumerate(expected))
    assert "11 of 12 images are grey, others in colour: all are read in colour." in found.notes


def test_numbers_of_16_bits_are_kept(tmp_path):
    deep = GREY.astype(np.uint16) * 257
    found = load(folder(tmp_path, deep))
    assert (found.x_train.dtype, found.scale) == (np.float32, 65535)
    assert all_images(found) == sorted(
        (*pixels.ravel().astype(float), i % 2) for i, pixels in enumerate(deep)
    )


@pytest.mark.parametrize(("ink", "background"), [(0, 255), (255, 0)])
def test_transparent_images_are_laid_on_what_makes_them_visible(tmp_path, ink, background):
    for number in range(12):
        image = Image.new("LA", (8, 6), (128, 0))
        image.putpixel((number % 8, 3), (ink, 255))
        write(tmp_path / "ab"[number % 2] / f"{number}.png", image)
    found = load(tmp_path)
    assert (found.x_train == ink).sum(axis=(1, 2)).tolist() == [1] * 10
    assert (found.x_train == background).sum(axis=(1, 2)).tolist() == [47] * 10
    assert f"12 of 12 images were transparent: laid on {background} of 255" in "".join(found.notes)


def test_a_transparent_image_among_others_gets_their_background(tmp_path):
    sheet = np.full((6, 8), 200, np.uint8)
    folder(tmp_path, [sheet] * 11)
    write(tmp_path / "dogs" / "11.png", Image.new("LA", (8, 6), (0, 0)))
    found = load(tmp_path)
    assert np.unique(found.x_train).tolist() == np.unique(found.x_test).tolist() == [200]


@given(
    sizes=st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=4, max_size=4),
    wanted=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    colour=st.booleans(),
)
@settings(max_examples=15, deadline=None)
def test_images_of_any_size_become_the_one_asked_for(tmp_path_factory, sizes, wanted, colour):
    """A plain image keeps its colour in its middle, whatever its size was."""
    root = tmp_path_factory.mktemp("sizes")
    for number, (height, width) in enumerate(sizes):
        level = (180, 90, 20) if colour else 180
        for part in ("train", "test"):
            write(
                root / part / "ab"[number % 2] / f"{number}.png",
                Image.new("RGB" if colour else "L", (width, height), level),
            )
    try:
        found = load(root, image_size=wanted)
    except DataError as error:
        assert "of which a pixel is left" in str(error)  # noqa: PT017 - one of two outcomes
        return
    assert found.x_train.shape == (4, *wanted, *(3,) * colour)
    middle = found.x_train[
        :, (wanted[0] - 1) // 2 : wanted[0] // 2 + 1, (wanted[1] - 1) // 2 : wanted[1] // 2 + 1
    ]
    right = (middle == ((180, 90, 20) if colour else 180)).reshape(*middle.shape[:3], -1).all(axis=3)
    assert right.any(axis=(1, 2)).all()


def test_images_are_resized_as_for_predictions(tmp_path):
    from dropstudy.data.examples import read_examples  # noqa: PLC0415 - the other side of the comparison

    sheet = np.zeros((12, 30, 40), np.uint8)
    sheet[:, 10:20, 15:25] = GREY.repeat(2, 1)[:, :10, :1].repeat(10, 2)
    folder(tmp_path / "train", sheet)
    folder(tmp_path / "test", sheet)
    found = load(tmp_path, image_size=(12, 12))
    assert "24 of 24 images were of another size: resized to 12 wide and 12 high" in found.notes[0]
    examples = read_examples(tmp_path / "test" / "cats", found.profile)
    assert np.array_equal(examples.x, found.x_test[found.y_test == 0])


# What cannot be used


def test_fault_28_mixed_sizes_name_two_files_and_the_flag(tmp_path):
    folder(tmp_path)
    other = write(tmp_path / "dogs" / "99.png", np.zeros((7, 9), np.uint8))
    line = refusal(tmp_path, subject=other)
    assert f"8 wide and 6 high, as {tmp_path / 'cats' / '0.png'} is, received one 9 wide and 7 high" in line
    assert "`image_size=32` for squares, a height and width such as `image_size=[32, 48]`" in line


def test_fault_28_empty_class_folders_are_named(tmp_path):
    folder(tmp_path)
    for name in ("empty", "words"):
        (tmp_path / name).mkdir()
    (tmp_path / "words" / "a.txt").touch()
    assert "none in empty, words" in refusal(tmp_path)


def test_fault_28_images_without_folders_of_classes(tmp_path):
    write(tmp_path / "1.png", GREY[0])
    line = refusal(tmp_path)
    assert "1 image and no folder" in line
    assert "FOLDER/train/cats/1.png" in line
    (tmp_path / "none").mkdir()
    assert "none in none" in refusal(tmp_path)
    assert "no folder in it" in refusal(tmp_path / "none")


def test_fault_28_unlabelled_test_images(tmp_path):
    folder(tmp_path / "train")
    write(tmp_path / "test" / "1.png", GREY[0])
    assert "1 image and no folder" in refusal(tmp_path, subject=tmp_path / "test")


def test_fault_28_one_class(tmp_path):
    assert "received one class, cats" in refusal(folder(tmp_path, classes=("cats",)))


def test_fault_28_classes_that_the_test_set_alone_has_and_those_it_lacks(tmp_path):
    split(tmp_path)
    write(tmp_path / "train" / "emus" / "1.png", GREY[0])
    assert "There are no test images of 'emus'." in load(tmp_path).notes
    write(tmp_path / "test" / "fish" / "1.png", GREY[0])
    assert "received others too: 'fish'" in refusal(tmp_path, subject=tmp_path / "test")


def test_fault_28_deeper_folders_name_the_one_to_give(tmp_path):
    folder(tmp_path / "pictures" / "pets")
    line = refusal(tmp_path / "pictures", subject=tmp_path / "pictures" / "pets")
    assert "received a folder in it: cats" in line
    assert f"whose folders are the classes: {tmp_path / 'pictures' / 'pets'}?" in line


def test_fault_28_a_loop_of_links_ends_in_a_line(tmp_path):
    folder(tmp_path)
    (tmp_path / "loop").symlink_to(tmp_path)
    assert "received a folder in it: cats" in refusal(tmp_path, subject=tmp_path / "loop")
    (tmp_path / "loop").unlink()
    (tmp_path / "cats" / "self.png").symlink_to(tmp_path / "cats" / "self.png")
    assert "an image" in refusal(tmp_path, subject=tmp_path / "cats" / "self.png")


def test_fault_28_links_to_images_are_followed_and_broken_ones_named(tmp_path):
    folder(tmp_path / "real")
    (tmp_path / "linked").mkdir()
    for name in ("cats", "dogs"):
        (tmp_path / "linked" / name).symlink_to(tmp_path / "real" / name)
    assert load(tmp_path / "linked").sha256 == load(tmp_path / "real").sha256
    (tmp_path / "real" / "cats" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    broken = tmp_path / "linked" / "cats" / "gone.png"
    assert f"a link to {tmp_path / 'nowhere.png'}" in refusal(tmp_path / "linked", subject=broken)


def test_fault_28_not_an_image_is_named_with_others(tmp_path):
    folder(tmp_path)
    for name in ("cats/a.png", "dogs/b.JPG"):
        (tmp_path / name).write_text("words")
    line = refusal(tmp_path, subject=tmp_path / "cats" / "a.png")
    assert "starts with b'words'" in line
    assert f"1 other image cannot be used either: {tmp_path / 'dogs' / 'b.JPG'}" in line


@pytest.mark.parametrize(
    ("suffix", "kind"), [("svg", "svg+xml"), ("HEIC", "heic"), ("pgm", "x-portable-graymap")]
)
def test_fault_28_pictures_of_other_kinds_are_refused(tmp_path, suffix, kind):
    folder(tmp_path)
    other = tmp_path / "cats" / f"a.{suffix}"
    other.touch()
    assert f"of another kind, image/{kind}. Convert it to PNG" in refusal(tmp_path, subject=other)


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "gif", "tif"])
def test_fault_28_images_cut_short_are_named(tmp_path, suffix):
    folder(tmp_path, suffix=suffix)
    cut = tmp_path / "dogs" / f"5.{suffix}"
    noise = np.random.default_rng(0).integers(0, 256, (6, 8), dtype=np.uint8)
    content = write(cut, noise).read_bytes()
    cut.write_bytes(content[: len(content) // 2] if suffix != "gif" else content[:-20])
    refusal(tmp_path, subject=cut)


def test_fault_28_more_images_than_memory_are_refused_unread(tmp_path, monkeypatch):
    folder(tmp_path, GREY.repeat(200, 1).repeat(200, 2))
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=100_000_000))
    monkeypatch.setattr("dropstudy.data.image_files.read_image", None)  # nothing gets so far
    line = refusal(tmp_path)
    assert (
        "images that fit in memory, 100,000,000 bytes, received 12 images that take 145,920,000 bytes" in line
    )
    assert "`image_size`" in line


def test_fault_28_a_name_that_is_no_text_is_refused(tmp_path):
    folder(tmp_path)
    try:
        os.rename(tmp_path / "cats", os.fsencode(tmp_path / "c") + b"\xff")  # noqa: PTH104 - a path of bytes
    except OSError:
        pytest.skip("this file system has names in Unicode alone")
    with pytest.raises(DataError, match="one that is not UTF-8"):
        load(tmp_path)


def test_fault_29_an_image_that_shrinks_between_two_looks_is_resized_or_named(tmp_path, monkeypatch):
    """A file that changes while it is read gives an example of the right shape; the digest tells later."""
    folder(tmp_path)
    from dropstudy.data import image_files  # noqa: PLC0415 - its reader is wrapped

    read = image_files.read_image

    def changed(path, form):
        if path.name == "4.png":
            write(path, np.zeros((3, 3), np.uint8))
        return read(path, form)

    monkeypatch.setattr(image_files, "read_image", changed)
    assert load(tmp_path).x_train.shape == (10, 6, 8)
