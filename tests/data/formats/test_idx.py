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
from dropstudy.data.formats.idx import idx_digest, open_idx
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


def test_digest_is_that_of_the_unpacked_content(tmp_path):
    expected = hashlib.sha256(idx(IMAGES)).hexdigest()
    for level in (0, 1, 9):
        path = tmp_path / f"{level}.gz"
        path.write_bytes(gzip.compress(idx(IMAGES), compresslevel=level))
        assert idx_digest(open_idx(path).read()) == expected
    assert idx_digest(IMAGES.copy(order="F")) == expected


def test_digest_differs_with_shape_and_value():
    changed = IMAGES.copy()
    changed[-1, -1, -1] ^= 1
    assert len({idx_digest(IMAGES), idx_digest(changed), idx_digest(IMAGES.reshape(3, 20))}) == 3


# FAULTS 23


def cut(missing):
    return (
        idx(IMAGES)[:-missing],
        "expected 60 bytes of values, 3 x 4 x 5",
        f"{60 - missing}. The file is damaged or cut",
    )


PACKED = gzip.compress(idx(IMAGES), mtime=0)
FAULTS = {
    "web page": (b"<!DOCTYPE html><html>404</html>", "expected an IDX file", "<!DO", "web page"),
    "empty": (b"", "received nothing"),
    "type float32": (idx(IMAGES, kind=0x0D), "0x0D", "float32"),
    "type int16": (idx(IMAGES, kind=0x0B), "0x0B", "int16"),
    "unknown type": (idx(IMAGES, kind=0x42), "0x42", "does not have"),
    "rank 0": (bytes([0, 0, 8, 0]), "received rank 0"),
    "rank 5": (bytes([0, 0, 8, 5]) + bytes(20), "received rank 5"),
    "rank 255": (bytes([0, 0, 8, 255]) + bytes(1020), "received rank 255"),
    "cut header": (idx(IMAGES)[:10], "header with 3 sizes", "ends after 10 bytes"),
    "zero size": (idx(IMAGES, shape=(3, 0, 5)), "(3, 0, 5)"),
    "1 short": cut(1),
    "7 short": cut(7),
    "no values": cut(60),
    "more in 3 dimensions": (idx(IMAGES, shape=(3, 4, 4)), "received more"),
    "more in one": (idx(IMAGES, shape=(59,)), "received more"),
    "far more": (idx(IMAGES, shape=(1, 1)), "received more"),
}


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("fault", FAULTS)
def test_fault_23_is_refused_and_named(tmp_path, fault, packed):
    content, *words = FAULTS[fault]
    line = refusal(tmp_path, gzip.compress(content) if packed else content)
    assert all(word in line for word in words), line


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"not packed at all", "expected an IDX file"),
        (PACKED[:-9], "damaged"),
        (PACKED[:-3], "damaged"),
        (PACKED[:-6] + bytes([PACKED[-6] ^ 1]) + PACKED[-5:], "CRC"),
        (PACKED[:2], "damaged"),
    ],
    ids=["not gzip", "cut", "cut checksum", "flipped checksum", "two bytes"],
)
def test_fault_23_damaged_gzip(tmp_path, content, word):
    assert word in refusal(tmp_path, content, "images.gz")


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


def test_sizes_beyond_deflate_or_memory_are_refused():
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
