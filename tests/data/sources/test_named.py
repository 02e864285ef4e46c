import gzip
import hashlib

import numpy as np
import pytest

from dropstudy.data import describe
from dropstudy.data.catalogue import CATALOGUE
from dropstudy.data.load import load_dataset
from dropstudy.errors import DataError, DataUnavailable, InvalidArgument
from mirror_server import (
    closed_port,
    idx_bytes,
    mirror,
    published,
    put_in_catalogue,
    says,
    serves,
    tiny_contents,
    tiny_entry,
    tiny_examples,
    write_files,
)

CONTENTS = tiny_contents()
OTHER = tiny_contents(seed=1)
IMAGES = "train-images-idx3-ubyte"


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("DROPSTUDY_CACHE", str(folder))
    return folder


@pytest.fixture
def tiny(monkeypatch):
    """Let `mnist` be a tiny dataset without mirrors."""
    return put_in_catalogue(monkeypatch, "mnist", CONTENTS, [closed_port()])


def expected_pixels(contents):
    return np.frombuffer(contents[IMAGES], np.uint8, offset=16).reshape(30, 4, 4)


# The catalogue


@pytest.mark.mnist
def test_the_digests_of_mnist_are_those_of_the_files(mnist_folder):
    for file in CATALOGUE["mnist"].files:
        content = gzip.decompress((mnist_folder / "mnist" / f"{file.name}.gz").read_bytes())
        assert (hashlib.sha256(content).hexdigest(), len(content)) == (file.digest, file.size)


# Where a named dataset comes from


@pytest.mark.mnist
def test_mnist_files_are_read(mnist_folder):
    mnist = load_dataset("mnist", data_dir=mnist_folder)
    assert (mnist.x_train.shape, mnist.x_test.shape) == ((60_000, 28, 28), (10_000, 28, 28))
    assert (mnist.x_train.dtype, mnist.scale, mnist.classes) == (np.uint8, 255.0, tuple("0123456789"))
    assert (mnist.name, mnist.fallback) == ("mnist", False)


@pytest.mark.mnist
@pytest.mark.parametrize("name", [None, "mnist"])
def test_mnist_from_the_environment(mnist_folder, monkeypatch, name):
    monkeypatch.setenv("DROPSTUDY_DATA", str(mnist_folder))
    assert load_dataset(name).source == str(mnist_folder / "mnist")


@pytest.mark.mnist
def test_mnist_files_are_refused_as_fashion_mnist(mnist_folder):
    with pytest.raises(DataError) as caught:
        load_dataset("fashion_mnist", data_dir=mnist_folder / "mnist")
    assert f"which is {IMAGES} of mnist" in caught.value.received


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("name", [None, "mnist"])
@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("inner", ["mnist", "."])
def test_files_in_a_data_folder_may_be_packed(tmp_path, name, packed, inner):
    write_files(tmp_path / "data" / inner, CONTENTS, packed=packed)
    found = load_dataset(name, data_dir=tmp_path / "data")
    assert np.array_equal(found.x_train, expected_pixels(CONTENTS))
    assert found.y_train.tolist() == [i % 10 for i in range(30)]
    assert (found.name, found.fallback) == ("mnist", False)
    assert found.source == str(tmp_path / "data" / inner)


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(
    ("inner", "rename"),
    [
        ("mnist", lambda name: name.replace("-idx", ".idx")),
        ("MNIST", str.upper),
        (".", lambda name: f"{name}.IDX"),
        ("Mnist", lambda name: name.partition("-idx")[0] + ".idx"),
    ],
)
def test_files_may_have_the_names_that_other_sites_use(tmp_path, inner, rename):
    for name, content in CONTENTS.items():
        path = tmp_path / inner / rename(name)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    assert np.array_equal(load_dataset("mnist", data_dir=tmp_path).x_train, expected_pixels(CONTENTS))
    assert any("all 4 files, intact" in line for line in describe.where("mnist", tmp_path))


@pytest.mark.usefixtures("tiny")
def test_a_broken_link_is_named(tmp_path):
    write_files(tmp_path, CONTENTS)
    (tmp_path / IMAGES).unlink(missing_ok=True)
    (tmp_path / f"{IMAGES}.gz").unlink(missing_ok=True)
    (tmp_path / IMAGES).symlink_to(tmp_path / "gone")
    with pytest.raises(DataError, match=r"a link to .*gone, where there is no such file"):
        load_dataset("mnist", data_dir=tmp_path)


@pytest.mark.usefixtures("tiny")
def test_a_file_of_another_size_is_refused_by_its_header(tmp_path, monkeypatch):
    write_files(tmp_path, CONTENTS)
    (tmp_path / f"{IMAGES}.gz").unlink(missing_ok=True)
    large = b"\0\0\x08\x03" + b"".join(n.to_bytes(4) for n in (30, 400, 400))
    (tmp_path / IMAGES).write_bytes(gzip.compress(large + bytes(30 * 400 * 400)))
    monkeypatch.setattr(np, "frombuffer", None)  # nothing gets so far
    with pytest.raises(DataError, match="received a file of 4,800,016, as its header says"):
        load_dataset("mnist", data_dir=tmp_path)


@pytest.mark.usefixtures("tiny")
def test_a_data_folder_comes_before_the_environments_and_that_before_the_cache(
    tmp_path, monkeypatch, own_cache
):
    cached = own_cache / "downloads" / "mnist"
    write_files(cached, CONTENTS)
    assert load_dataset("mnist").source == str(cached)
    write_files(tmp_path / "theirs" / "mnist", CONTENTS)
    monkeypatch.setenv("DROPSTUDY_DATA", str(tmp_path / "theirs"))
    assert load_dataset("mnist").source == str(tmp_path / "theirs" / "mnist")
    write_files(tmp_path / "mine" / "mnist", CONTENTS)
    assert load_dataset("mnist", data_dir=tmp_path / "mine").source == str(tmp_path / "mine" / "mnist")


@pytest.mark.usefixtures("tiny")
def test_foreign_files_in_the_environments_folder_are_ignored_and_in_a_named_folder_refused(
    tmp_path, own_cache, monkeypatch
):
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    write_files(own_cache / "downloads" / "mnist", CONTENTS)
    monkeypatch.setenv("DROPSTUDY_DATA", str(photographs))
    assert load_dataset("mnist").name == "mnist"
    for name in ("mnist", None):
        with pytest.raises(
            InvalidArgument, match=r"data_dir: expected a folder that holds mnist/.*photographs"
        ):
            load_dataset(name, data_dir=photographs)


@pytest.mark.parametrize("name", [name for name, entry in CATALOGUE.items() if not entry.archive])
def test_mirrors_are_asked_once_and_then_the_cache_is_used(monkeypatch, own_cache, name):
    with mirror(serves(published(name, tiny_examples(name)))) as good:
        entry = tiny_entry(monkeypatch, name, mirrors=[good.url])
        first = load_dataset(name, progress=False)
        assert good.asked == [f"{file.name}.gz" for file in entry.files]
    again = load_dataset(name, progress=False)  # the mirror is gone: offline
    assert first.sha256 == again.sha256
    assert again.source == str(own_cache / "downloads" / name)
    assert again.classes == entry.classes


@pytest.mark.parametrize("damage", [b"", b"rubbish", gzip.compress(OTHER[IMAGES])])
def test_a_damaged_file_in_the_cache_is_fetched_again(monkeypatch, own_cache, damage):
    write_files(own_cache / "downloads" / "mnist", CONTENTS)
    (own_cache / "downloads" / "mnist" / f"{IMAGES}.gz").write_bytes(damage)
    with mirror(serves(CONTENTS)) as good:
        put_in_catalogue(monkeypatch, "mnist", CONTENTS, [good.url])
        found = load_dataset("mnist", progress=False)
    assert good.asked == [f"{IMAGES}.gz"]
    assert np.array_equal(found.x_train, expected_pixels(CONTENTS))


# What is refused


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("name", [None, "mnist"])
def test_other_content_in_a_data_folder_is_refused_and_named(tmp_path, name):
    write_files(tmp_path, {**CONTENTS, IMAGES: OTHER[IMAGES]})
    with pytest.raises(DataError) as caught:
        load_dataset(name, data_dir=tmp_path)
    assert caught.value.subject == str(tmp_path / f"{IMAGES}.gz")
    assert hashlib.sha256(CONTENTS[IMAGES]).hexdigest() in caught.value.expected
    assert hashlib.sha256(OTHER[IMAGES]).hexdigest() in caught.value.received


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("name", [None, "mnist"])
def test_a_damaged_file_in_a_data_folder_is_refused(tmp_path, own_cache, name):
    write_files(own_cache / "downloads" / "mnist", CONTENTS)
    write_files(tmp_path, CONTENTS)
    (tmp_path / f"{IMAGES}.gz").write_bytes(gzip.compress(CONTENTS[IMAGES])[:-20])
    with pytest.raises(DataError) as caught:
        load_dataset(name, data_dir=tmp_path)
    assert caught.value.subject == str(tmp_path / f"{IMAGES}.gz")
    assert not isinstance(caught.value, DataUnavailable)


@pytest.mark.usefixtures("tiny")
def test_a_data_folder_with_some_of_the_files_is_refused(tmp_path):
    write_files(tmp_path / "mnist", CONTENTS)
    (tmp_path / "mnist" / f"{IMAGES}.gz").unlink()
    with pytest.raises(DataError, match=f"no {IMAGES}") as caught:
        load_dataset("mnist", data_dir=tmp_path)
    assert caught.value.subject == str(tmp_path / "mnist")


@pytest.mark.parametrize("name", [None, "mnist", "fashion_mnist"])
def test_a_missing_data_folder_is_refused(tmp_path, monkeypatch, name):
    with pytest.raises(InvalidArgument) as caught:
        load_dataset(name, data_dir=tmp_path / "nowhere")
    assert caught.value.subject == "data_dir"
    monkeypatch.setenv("DROPSTUDY_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(InvalidArgument) as caught:
        load_dataset(name)
    assert caught.value.subject == "DROPSTUDY_DATA"


def test_valid_files_that_make_no_dataset_are_refused(tmp_path, monkeypatch):
    one_class = {**CONTENTS, "train-labels-idx1-ubyte": idx_bytes(np.zeros(30, np.uint8))}
    put_in_catalogue(monkeypatch, "mnist", one_class)
    write_files(tmp_path, one_class)
    with pytest.raises(DataError, match="two classes"):
        load_dataset("mnist", data_dir=tmp_path)


# When MNIST is unavailable


@pytest.mark.usefixtures("tiny")
def test_the_digits_replace_mnist_only_by_default_and_say_why():
    digits = load_dataset()
    assert (digits.name, digits.fallback) == ("digits", True)
    assert "MNIST is unavailable" in digits.source
    assert "connection refused" in digits.source
    assert digits.sha256 == load_dataset("digits").sha256


def test_mirrors_that_answer_with_errors_count_as_unreachable(monkeypatch):
    with mirror(says(404)) as bad:
        put_in_catalogue(monkeypatch, "mnist", CONTENTS, [bad.url])
        assert load_dataset().fallback
        with pytest.raises(DataUnavailable, match="HTTP 404"):
            load_dataset("mnist")


@pytest.mark.usefixtures("tiny")
def test_mnist_by_name_never_falls_back(own_cache):
    with pytest.raises(DataUnavailable) as caught:
        load_dataset("mnist")
    assert str(own_cache / "downloads" / "mnist") in caught.value.next_step
