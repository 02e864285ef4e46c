"""Reading IDX: round trips, the real MNIST files, every fault of FAULTS 23, and fuzzing."""

import errno
import gzip
import hashlib
import os
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dropstudy.data.formats.files import unpack_limit
from dropstudy.data.formats.idx import idx_sha256, open_idx
from dropstudy.errors import DataError

FUZZ = settings(max_examples=200, deadline=None)
IMAGES = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)

arrays = hnp.arrays(np.uint8, hnp.array_shapes(min_dims=1, max_dims=4, max_side=6))


def idx(array, shape=None, kind=0x08):
    """The IDX form of an array; its header may be made to lie."""
    shape = array.shape if shape is None else shape
    return struct.pack(f">BBBB{len(shape)}I", 0, 0, kind, len(shape), *shape) + array.tobytes()


def refusal(tmp_path, content, name="images.idx"):
    """Write the content, read it, and return the error's line, which has to name the file."""
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        open_idx(path).read()
    line = str(caught.value)
    assert caught.value.subject == str(path)
    assert caught.value.next_step
    assert "\n" not in line
    return line


# What is read


@given(arrays, st.booleans())
@FUZZ
def test_round_trip(tmp_path_factory, array, packed):
    path = tmp_path_factory.getbasetemp() / "x.idx"
    path.write_bytes(gzip.compress(idx(array), mtime=0) if packed else idx(array))
    stored = open_idx(path)
    assert (stored.shape, stored.dtype) == (array.shape, np.uint8)
    np.testing.assert_array_equal(stored.read(), array, strict=True)


@pytest.mark.parametrize("name", ["images", "images.gz", "Ünï code.idx", "l" * 200])
@pytest.mark.parametrize("packed", [True, False])
def test_content_says_whether_it_is_packed_and_names_do_not_matter(tmp_path, name, packed):
    path = tmp_path / name
    path.write_bytes(gzip.compress(idx(IMAGES)) if packed else idx(IMAGES))
    np.testing.assert_array_equal(open_idx(path).read(), IMAGES)


def test_digest_is_that_of_the_unpacked_content_whoever_packed_it(tmp_path):
    expected = hashlib.sha256(idx(IMAGES)).hexdigest()
    for level in (0, 1, 9):
        path = tmp_path / f"{level}.gz"
        path.write_bytes(gzip.compress(idx(IMAGES), compresslevel=level))
        assert idx_sha256(open_idx(path).read()) == expected
    assert idx_sha256(IMAGES.copy(order="F")) == expected


def test_digest_differs_with_shape_and_value():
    changed = IMAGES.copy()
    changed[-1, -1, -1] ^= 1
    assert len({idx_sha256(IMAGES), idx_sha256(changed), idx_sha256(IMAGES.reshape(3, 20))}) == 3


@pytest.mark.mnist
@pytest.mark.parametrize(
    ("name", "shape", "sha256"),
    [
        (
            "train-images-idx3-ubyte.gz",
            (60_000, 28, 28),
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        ),
        (
            "train-labels-idx1-ubyte.gz",
            (60_000,),
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        ),
        (
            "t10k-images-idx3-ubyte.gz",
            (10_000, 28, 28),
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        ),
        (
            "t10k-labels-idx1-ubyte.gz",
            (10_000,),
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ],
)
def test_mnist(mnist_folder, name, shape, sha256):
    path = mnist_folder / "mnist" / name
    stored = open_idx(path)
    assert stored.shape == shape
    assert idx_sha256(stored.read()) == sha256


# FAULTS 23


def test_fault_23_wrong_magic(tmp_path):
    line = refusal(tmp_path, b"<!DOCTYPE html><html>404</html>")
    assert "expected an IDX file" in line
    assert "<!DO" in line
    assert "web page" in line


def test_fault_23_empty_file(tmp_path):
    assert "received nothing" in refusal(tmp_path, b"")
    assert "received nothing" in refusal(tmp_path, gzip.compress(b""))


@pytest.mark.parametrize(("kind", "called"), [(0x0D, "float32"), (0x0B, "int16"), (0x42, "does not have")])
def test_fault_23_wrong_type_byte(tmp_path, kind, called):
    line = refusal(tmp_path, idx(IMAGES, kind=kind))
    assert f"0x{kind:02X}" in line
    assert called in line


@pytest.mark.parametrize("rank", [0, 5, 255])
def test_fault_23_wrong_rank(tmp_path, rank):
    assert f"received rank {rank}" in refusal(tmp_path, bytes([0, 0, 8, rank]) + bytes(4 * rank))


def test_fault_23_header_cut(tmp_path):
    line = refusal(tmp_path, idx(IMAGES)[:10])
    assert "header with 3 sizes" in line
    assert "ends after 10 bytes" in line


def test_fault_23_zero_dimension(tmp_path):
    assert "(3, 0, 5)" in refusal(tmp_path, idx(IMAGES, shape=(3, 0, 5)))


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("shape", [(2**32 - 1,) * 4, (60_000, 2**31), (2**31,)])
def test_fault_23_absurd_dimensions(tmp_path, shape, packed):
    content = idx(IMAGES, shape=shape)
    tracemalloc.start()
    line = refusal(tmp_path, gzip.compress(content) if packed else content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert " x ".join(map(str, shape)) in line
    assert "at most" in line
    assert peak < 4 << 20


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("missing", [1, 7, 59, 60])
def test_fault_23_short(tmp_path, packed, missing):
    content = idx(IMAGES)[:-missing]
    line = refusal(tmp_path, gzip.compress(content) if packed else content)
    assert "expected 60 bytes of values, 3 x 4 x 5" in line
    assert f"{60 - missing}. The file is damaged or cut" in line


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("shape", [(3, 4, 4), (59,), (1,), (1, 1)])
def test_fault_23_trailing_bytes(tmp_path, packed, shape):
    content = idx(IMAGES, shape=shape)
    line = refusal(tmp_path, gzip.compress(content) if packed else content)
    assert "received more" in line


def test_fault_23_not_gzip_in_spite_of_its_name(tmp_path):
    assert "expected an IDX file" in refusal(tmp_path, b"not packed at all", "images.gz")


def test_fault_23_gzip_cut_or_flipped(tmp_path):
    packed = gzip.compress(idx(IMAGES), mtime=0)
    assert "damaged" in refusal(tmp_path, packed[:-9])
    assert "damaged" in refusal(tmp_path, packed[:-3])
    flipped = bytearray(packed)
    flipped[-6] ^= 1  # in the checksum at the end
    assert "CRC" in refusal(tmp_path, bytes(flipped))
    assert "damaged" in refusal(tmp_path, packed[:2])


def test_fault_23_gzip_bomb(tmp_path):
    """A hundred kilobytes that unpack to a hundred megabytes, behind a header that speaks of sixty bytes."""
    bomb = gzip.compress(idx(IMAGES) + bytes(100 << 20), compresslevel=9)
    assert len(bomb) < 200_000
    tracemalloc.start()
    line = refusal(tmp_path, bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "received more" in line
    assert peak < 4 << 20


def test_no_claim_beyond_what_deflate_can_pack_or_memory_should_hold():
    honest = gzip.compress(bytes(10 << 20), compresslevel=9)
    assert 10 << 20 <= unpack_limit(len(honest)) <= 11 << 20
    assert unpack_limit(1 << 40) == 4 << 30


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(DataError, match=r"nowhere\.gz: expected an IDX file, received no such file"):
        open_idx(tmp_path / "nowhere.gz")
    with pytest.raises(DataError, match="for instance a folder"):
        open_idx(tmp_path)


def test_file_that_may_not_be_read(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    path = tmp_path / "images"
    path.touch()
    monkeypatch.setattr(Path, "open", refuse)  # chmod would not stop root
    with pytest.raises(DataError, match=r"images: .*Permission denied.*Check the path and who may read it"):
        open_idx(path).read()


# Fuzzing: the right array or a DataError, whatever the bytes


def right_or_refused(path, raw):
    path.write_bytes(raw)
    array, line = None, ""
    tracemalloc.start()
    try:
        array = open_idx(path).read()
    except DataError as error:
        line = str(error)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20
    if array is None:
        assert line.startswith(f"{path}: expected ")
        assert "\n" not in line
    else:
        assert idx(array) == (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw)


@given(st.binary(max_size=200), st.sampled_from([b"", b"\0\0\x08\x01", b"\0\0\x08\x03", b"\x1f\x8b\x08\0"]))
@FUZZ
def test_arbitrary_bytes(tmp_path_factory, raw, start):
    right_or_refused(tmp_path_factory.getbasetemp() / "fuzz", start + raw)


@given(arrays, st.booleans(), st.data())
@FUZZ
def test_mutated_files(tmp_path_factory, array, packed, data):
    raw = bytearray(gzip.compress(idx(array), mtime=0) if packed else idx(array))
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.one_of(st.just(len(raw)), st.integers(0, len(raw))))
    end = data.draw(st.sampled_from([b"", b"", b"\0", b"more"]))
    right_or_refused(tmp_path_factory.getbasetemp() / "fuzz", bytes(raw[:cut]) + end)


@given(arrays, st.data())
@FUZZ
def test_mutated_content_packed_soundly(tmp_path_factory, array, data):
    raw = bytearray(idx(array))
    raw[data.draw(st.integers(0, min(20, len(raw) - 1)))] = data.draw(st.integers(0, 255))
    right_or_refused(tmp_path_factory.getbasetemp() / "fuzz", gzip.compress(raw, mtime=0))
