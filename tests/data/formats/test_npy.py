"""Reading NPY and NPZ: round trips, every fault of FAULTS 25, and fuzzing against numpy itself."""

import io
import pickle
import struct
import tracemalloc
import warnings
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.lib import format as npy_format

from dropstudy.data.formats.npy import npz_names, open_npy, open_npz
from dropstudy.errors import DataError

FUZZ = settings(max_examples=200, deadline=None)
X = np.arange(24, dtype=np.float32).reshape(2, 3, 4)

plain = st.one_of(
    hnp.boolean_dtypes(),
    hnp.integer_dtypes(endianness="?"),
    hnp.unsigned_integer_dtypes(endianness="?"),
    hnp.floating_dtypes(endianness="?"),
    hnp.unicode_string_dtypes(endianness="?", max_len=4),
    hnp.byte_string_dtypes(endianness="?", max_len=4),
)
arrays = hnp.arrays(plain, hnp.array_shapes(min_dims=0, max_dims=4, max_side=4))


def npy(array, **header):
    """The NPY form of an array; parts of its header may be made to lie."""
    file = io.BytesIO()
    npy_format.write_array_header_1_0(file, npy_format.header_data_from_array_1_0(array) | header)
    return file.getvalue() + array.tobytes(order="A")


def npz(*, compressed=False, **named):
    file = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(file, **named)
    return file.getvalue()


def zipped(content, method=zipfile.ZIP_STORED, name="x.npy"):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr(name, content)
    return file.getvalue()


def npy_refusal(tmp_path, content):
    path = tmp_path / "x.npy"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_npy(path)
    return advice(caught.value, path)


def npz_refusal(tmp_path, content):
    path = tmp_path / "data.npz"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_npz(path, ["x"])
    return advice(caught.value, path)


def advice(error, path):
    assert error.subject.startswith(str(path))
    assert error.next_step
    assert "\n" not in str(error)
    return str(error)


def read_npy(path):
    return open_npy(path).read()


def read_npz(path, names):
    return {name: stored.read() for name, stored in open_npz(path, names).items()}


class Trap:
    """An object whose unpickling is noticed."""

    sprung = False

    def __reduce__(self):
        return setattr, (Trap, "sprung", True)


# What is read


@given(arrays, st.booleans(), st.booleans())
@FUZZ
def test_round_trip(tmp_path_factory, array, fortran, compressed):
    folder = tmp_path_factory.getbasetemp()
    array = np.asarray(array, order="F" if fortran else "C")
    np.save(folder / "x.npy", array)
    (folder / "x.npz").write_bytes(npz(compressed=compressed, x=array, other=X))
    for back in (read_npy(folder / "x.npy"), read_npz(folder / "x.npz", ["x"])["x"]):
        assert back.dtype == array.dtype.newbyteorder("=")
        assert back.flags.c_contiguous
        assert back.flags.writeable
        np.testing.assert_array_equal(back, array.astype(back.dtype), strict=True)


def test_only_requested_keys_are_read_in_order(tmp_path):
    path = tmp_path / "data.npz"
    np.savez(path, a=X, b=X + 1, c=np.array(["left", "alone"]))
    assert npz_names(path) == ("a", "b", "c")
    read = read_npz(path, ["b", "a"])
    assert list(read) == ["b", "a"]
    np.testing.assert_array_equal(read["b"], X + 1)


def test_members_that_are_no_arrays_are_not_listed(tmp_path):
    path = tmp_path / "data.npz"
    path.write_bytes(npz(x=X))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("README.txt", "hello")
    assert npz_names(path) == ("x",)


def test_files_of_python_2_are_read_without_a_warning(tmp_path):
    """Python 2 wrote long integers into the header: (2L, 3L, 4L)."""
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 3L, 4L), }"
    header = header.ljust(117) + b"\n"
    path = tmp_path / "x.npy"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + X.tobytes())
    np.testing.assert_array_equal(read_npy(path), X)


# FAULTS 25


def test_fault_25_object_arrays_are_never_unpickled(tmp_path):
    trap = np.array([Trap()], dtype=object)
    assert "never unpickled" in npz_refusal(tmp_path, npz(x=trap))
    np.save(tmp_path / "saved.npy", trap, allow_pickle=True)
    assert "type object" in npy_refusal(tmp_path, (tmp_path / "saved.npy").read_bytes())
    assert not Trap.sprung


def test_fault_25_pickle_in_place_of_an_array(tmp_path):
    assert "damaged file or one of another kind" in npy_refusal(tmp_path, pickle.dumps(Trap()))
    assert not Trap.sprung


def test_fault_25_pickled_field_in_a_record(tmp_path):
    record = np.zeros(2, dtype=[("a", "<i4"), ("b", "O")])
    assert "never unpickled" in npy_refusal(tmp_path, npy(record))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (npz(x_train=X, y_train=X), ["no x; the file holds x_train, y_train", "numpy.savez"]),
        (zipped(b"text", name="a.txt"), ["the file holds no array"]),
        (zipped(npy(X), zipfile.ZIP_BZIP2), [f"method {zipfile.ZIP_BZIP2}"]),
        (zipped(npy(X), zipfile.ZIP_LZMA), [f"method {zipfile.ZIP_LZMA}"]),
    ],
    ids=["missing key", "no array", "bzip2", "lzma"],
)
def test_fault_25_archives_without_the_array_or_with_another_compression(tmp_path, content, words):
    line = npz_refusal(tmp_path, content)
    assert all(word in line for word in words), line


@pytest.mark.parametrize("compressed", [True, False])
def test_fault_25_bad_crc(tmp_path, compressed):
    content = npz(compressed=compressed, x=np.random.default_rng(0).random(500))
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 1
    line = npz_refusal(tmp_path, bytes(flipped))
    assert "array 'x'" in line
    assert "damaged" in line


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, None])
@pytest.mark.parametrize("shape", [(2, 3, 5), (10**9, 10**3), (2**62, 2**62), (1 << 200,)])
def test_fault_25_shape_larger_than_the_file(tmp_path, shape, method):
    content = npy(X, shape=shape)
    tracemalloc.start()
    line = (
        npy_refusal(tmp_path, content) if method is None else npz_refusal(tmp_path, zipped(content, method))
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert f"float32 of shape {shape}" in line
    assert "received 96." in line
    assert peak < 4 << 20


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (npy(X, shape=(3, 4)), "expected 48 bytes"),
        (npy(X) + b"!", "received 97."),
        (npy(X, shape=(2, -3, 4)), "received the shape (2, -3, 4)"),
        (npy(X, shape=(1,) * 33), f"received the shape {(1,) * 33}"),
        *(
            (
                npy(X, shape=shape),
                f"at least one example, and one number in it, received none: the shape {shape}",
            )
            for shape in [(0,), (0, 8, 8), (0, 10**30)]
        ),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + npy(X), "a header of at most 10,000 bytes"),
    ],
)
def test_fault_25_headers_that_do_not_fit_the_file(tmp_path, content, words):
    assert words in npy_refusal(tmp_path, content)


def test_fault_25_bomb_of_a_zip(tmp_path):
    """An honest entry may be large; one that claims more than deflate can pack is refused unread."""
    content = bytearray(zipped(npy(X), zipfile.ZIP_DEFLATED))
    central = content.index(b"PK\x01\x02")
    content[central + 24 : central + 28] = struct.pack("<I", 2**31)
    line = npz_refusal(tmp_path, bytes(content))
    assert "claims 2,147,483,648" in line


def test_fault_25_entry_shorter_than_its_header_says(tmp_path):
    """Header and directory both say 120 bytes of values; 96 are packed, and the checksum is theirs."""
    content = bytearray(zipped(npy(X, shape=(2, 3, 5)), zipfile.ZIP_DEFLATED))
    size = content.index(b"PK\x01\x02") + 24
    claimed = struct.unpack_from("<I", content, size)[0] + 24
    struct.pack_into("<I", content, size, claimed)
    assert "expected 120 bytes of values, received 96." in npz_refusal(tmp_path, bytes(content))


def test_fault_25_encrypted(tmp_path):
    content = bytearray(zipped(npy(X)))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    assert "encrypted" in npz_refusal(tmp_path, bytes(content))


@pytest.mark.parametrize("keep", [0, 1, 3, 30, 100, -1, -30])
def test_fault_25_truncated(tmp_path, keep):
    assert "damaged" in npz_refusal(tmp_path, npz(x=X)[:keep])
    assert "received" in npy_refusal(tmp_path, npy(X)[:keep])


@pytest.mark.parametrize(
    "array",
    [np.array([1j]), np.zeros(2, "M8[s]"), np.zeros(2, "i4,f4"), np.zeros(2, "V4")],
    ids=lambda array: array.dtype.str,
)
def test_fault_25_types_that_are_no_plain_numbers(tmp_path, array):
    assert f"values of type {array.dtype}" in npy_refusal(tmp_path, npy(array))
    assert "plain numbers" in npz_refusal(tmp_path, npz(x=array))


def test_fault_25_text_that_is_no_unicode(tmp_path):
    content = npy(np.array(["ab"])).replace(b"b\0\0\0", b"\0\0\x11\0")
    assert "a character beyond U+10FFFF" in npy_refusal(tmp_path, content)


@pytest.mark.parametrize("version", [(2, 0), (3, 0)])
def test_later_format_versions_are_read(tmp_path, version):
    file = io.BytesIO()
    npy_format.write_array(file, X, version=version)
    (tmp_path / "later.npy").write_bytes(file.getvalue())
    np.testing.assert_array_equal(read_npy(tmp_path / "later.npy"), X, strict=True)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(DataError, match=r"nowhere\.npz: expected an .npz file.*no such file"):
        read_npz(tmp_path / "nowhere.npz", ["x"])
    with pytest.raises(DataError, match="for instance a folder"):
        read_npy(tmp_path)


# Fuzzing: what numpy reads, or a DataError


def right_or_refused(read, path, raw):
    path.write_bytes(raw)
    array, line = None, ""
    tracemalloc.start()
    try:
        array = read(path)
    except DataError as error:
        line = str(error)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20
    if array is None:
        assert line.startswith(str(path))
        assert "\n" not in line
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # numpy's, of files by Python 2
        loaded = np.load(path, allow_pickle=False)
    expected = loaded if isinstance(loaded, np.ndarray) else loaded["x"]
    np.testing.assert_array_equal(array, expected)
    assert array.shape == expected.shape


def read_x(path):
    return read_npz(path, ["x"])["x"]


@given(
    st.binary(max_size=200),
    st.sampled_from([b"", b"\x93NUMPY\x01\0", b"\x93NUMPY\x01\0\x20\0{", b"PK\x03\x04"]),
)
@FUZZ
def test_arbitrary_bytes(tmp_path_factory, raw, start):
    path = tmp_path_factory.getbasetemp() / "fuzz"
    right_or_refused(read_npy, path, start + raw)
    right_or_refused(read_x, path, start + raw)


@given(st.text("()[]{}'\":,-+*0123456789LOfui<>|= \n\tdescrfortran_orderTrueFalseshape", max_size=80))
@FUZZ
def test_arbitrary_headers(tmp_path_factory, header):
    for text in (header, f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({header}), }}"):
        raw = b"\x93NUMPY\x01\0" + struct.pack("<H", len(text)) + text.encode() + X.tobytes()
        right_or_refused(read_npy, tmp_path_factory.getbasetemp() / "fuzz", raw)


def mutated(raw, data):
    content = bytearray(raw)
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.one_of(st.just(len(content)), st.integers(0, len(content))))
    return bytes(content[:cut])


@given(arrays, st.data())
@FUZZ
def test_mutated_npy(tmp_path_factory, array, data):
    right_or_refused(read_npy, tmp_path_factory.getbasetemp() / "fuzz", mutated(npy(array), data))


@given(arrays, st.booleans(), st.data())
@FUZZ
def test_mutated_npz(tmp_path_factory, array, compressed, data):
    raw = mutated(npz(compressed=compressed, x=array), data)
    right_or_refused(read_x, tmp_path_factory.getbasetemp() / "fuzz", raw)
