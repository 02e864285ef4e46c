"""Safetensors files: what goes in comes out, and what is damaged is named."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dropstudy.core.tensors import pack_weights, read_tensors, unpack_weights, write_tensors
from dropstudy.errors import DamagedFile, DropstudyError, ModelError, StoreError
from random_networks import network

WIDTHS = (5, 4, 3)
# Each example of hypothesis writes the same file anew, so that one folder for all of them is right.
SHARED_FOLDER = [HealthCheck.function_scoped_fixture]


@pytest.fixture
def weights_file(tmp_path):
    path = tmp_path / "weights.safetensors"
    digest = write_tensors(path, pack_weights(network(WIDTHS)), {"arm": "dropout 0.8"})
    return path, digest


def equal(a, b):
    return a.keys() == b.keys() and all(
        a[name].dtype == b[name].dtype and np.array_equal(a[name], b[name]) for name in a
    )


# Round trips


@pytest.mark.parametrize(
    "dtype", ["float32", "float64", "float16", "int8", "uint8", "uint16", "int64", "bool"]
)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (2, 0, 4)])
def test_arrays_of_every_type_and_shape_come_back(tmp_path, dtype, shape):
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    path = tmp_path / "a.safetensors"
    digest = write_tensors(path, {"a": array}, {})
    arrays, metadata = read_tensors(path, sha256=digest)
    assert equal(arrays, {"a": array})
    assert arrays["a"].shape == shape
    assert metadata == {}


def test_transposed_and_strided_arrays_keep_their_values(tmp_path):
    base = np.arange(24, dtype=np.float32).reshape(4, 6)
    path = tmp_path / "a.safetensors"
    write_tensors(path, {"t": base.T, "s": base[::2, ::3]}, {})
    assert equal(read_tensors(path)[0], {"t": base.T, "s": base[::2, ::3]})


@settings(max_examples=30, suppress_health_check=SHARED_FOLDER)
@given(
    metadata=st.dictionaries(st.text(max_size=20), st.text(max_size=40), max_size=5),
    value=st.floats(width=32),
)
def test_metadata_of_any_text_comes_back(tmp_path, metadata, value):
    path = tmp_path / "a.safetensors"
    array = np.array([value], np.float32)
    # A name of an array that is itself odd, so that names and notes cannot be mistaken for each other.
    write_tensors(path, {"a/\n\u2028": array}, metadata)
    arrays, notes = read_tensors(path)
    assert notes == metadata
    assert arrays["a/\n\u2028"].tobytes() == array.tobytes()


def test_digest_is_that_of_the_file_and_same_content_gives_same_bytes(tmp_path):
    notes = {f"note {i}": str(i) for i in range(20)}
    digests = set()
    for i in range(5):
        path = tmp_path / f"{i}.safetensors"
        digests.add(write_tensors(path, pack_weights(network(WIDTHS)), notes))
        assert hashlib.sha256(path.read_bytes()).hexdigest() in digests
    assert len(digests) == 1


def test_other_readers_of_safetensors_agree(weights_file):
    from safetensors import safe_open  # noqa: PLC0415 - the reference reader, for this test alone

    path, _ = weights_file
    with safe_open(path, framework="np") as file:
        assert file.metadata() == {"arm": "dropout 0.8"}
        assert np.array_equal(file.get_tensor("dense_1/bias"), network(WIDTHS)[1].bias)


def test_tensors_are_aligned_to_eight_bytes(weights_file):
    path, _ = weights_file
    assert int.from_bytes(path.read_bytes()[:8], "little") % 8 == 0


def test_a_file_is_replaced_and_nothing_else_is_left(weights_file):
    path, _ = weights_file
    digest = write_tensors(path, {"a": np.zeros(3)}, {})
    assert read_tensors(path, sha256=digest)[0].keys() == {"a"}
    assert list(path.parent.iterdir()) == [path]


def test_spaces_and_unicode_in_paths(tmp_path):
    path = tmp_path / "Müller's läuft 数字" / "a b.safetensors"
    path.parent.mkdir()
    digest = write_tensors(path, {"a": np.ones(2)}, {})
    assert read_tensors(path, sha256=digest)[0]["a"].tolist() == [1, 1]


# Damage


def test_a_flipped_bit_in_any_byte_is_found(weights_file):
    path, digest = weights_file
    content = path.read_bytes()
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1 << place % 8]) + content[place + 1 :])
        with pytest.raises(DamagedFile, match="SHA-256"):
            read_tensors(path, sha256=digest)


def test_a_file_cut_anywhere_is_found_without_a_digest(weights_file):
    path, _ = weights_file
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(DamagedFile, match="complete safetensors file"):
            read_tensors(path)


@pytest.mark.parametrize("tail", [b"\0", b"trailing", bytes(8)])
def test_trailing_bytes_are_found(weights_file, tail):
    path, _ = weights_file
    path.write_bytes(path.read_bytes() + tail)
    with pytest.raises(DamagedFile, match="complete safetensors file"):
        read_tensors(path)


def test_a_file_that_has_grown_is_refused_before_it_is_read(weights_file, monkeypatch):
    path, digest = weights_file
    with path.open("r+b") as file:
        file.truncate(20_000_000_000)  # with a hole, so that it takes no room
    with pytest.raises(DamagedFile, match="received 20,000,000,000"):
        read_tensors(path, sha256=digest)
    claim = json.dumps({"a": {"dtype": "U8", "shape": [10**10], "data_offsets": [0, 10**10]}}).encode()
    with path.open("wb") as file:
        file.write(len(claim).to_bytes(8, "little") + claim)
        file.truncate(8 + len(claim) + 10**10)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=10**9))
    with pytest.raises(DamagedFile, match="at most 1,000,000,000 bytes, the free memory"):
        read_tensors(path)


def raw(header, numbers=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + numbers


def entry(dtype="F32", shape=(1,), offsets=(0, 4)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04 some zip archive, not a safetensors file",
        (2**63).to_bytes(8, "little") + b"{}",
        (1000).to_bytes(8, "little") + b"{}",
        raw(b"[]"),
        raw(b"{" * 100_000),
        raw(b'{"a":' * 5000 + b"1" + b"}" * 5000),
        raw(b"\xff\xfe{}"),
        raw({"a": entry(dtype="BF16", offsets=(0, 2))}, bytes(2)),
        raw({"a": entry(dtype="F999")}, bytes(4)),
        raw({"a": entry(shape=(2,))}, bytes(4)),
        raw({"a": entry(shape=(-1,))}, bytes(4)),
        raw({"a": entry(shape=(2**62, 2**62))}, bytes(4)),
        raw({"a": entry(shape=(2**63, 0), offsets=(0, 0))}),
        raw({"a": entry(shape=(1,) * 100)}, bytes(4)),
        raw({"a": entry(offsets=(4, 0))}, bytes(4)),
        raw({"a": entry(), "b": entry()}, bytes(4)),
        raw({"a": entry(offsets=(4, 8))}, bytes(8)),
        raw({"__metadata__": {"a": 1}}),
        raw({"a": 1}),
    ],
)
def test_wrong_headers_are_damage_reported_in_one_line(tmp_path, content):
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    with pytest.raises(DamagedFile) as caught:
        read_tensors(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "delete it and run the study again" in caught.value.next_step


@settings(max_examples=300, suppress_health_check=SHARED_FOLDER)
@given(content=st.binary(max_size=300))
@example(content=raw({"__metadata__": None}))
@example(content=raw({"a": entry(dtype="BOOL", offsets=(0, 1))}, b"\x07"))
def test_arbitrary_bytes_raise_nothing_but_our_errors(tmp_path, content):
    path = tmp_path / "any.safetensors"
    path.write_bytes(content)
    try:
        arrays, metadata = read_tensors(path)
        unpack_weights(arrays, WIDTHS)
    except DropstudyError:
        return
    pytest.fail(f"read {arrays} and {metadata} out of {content!r}")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
ENTRIES = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["F32", "F16", "BOOL", "BF16", "C64", "F8_E4M3", "F4", "I64"]),
        "shape": st.lists(st.integers(-1, 4) | st.integers(), max_size=4),
        "data_offsets": st.lists(st.integers(0, 16) | st.integers(), min_size=2, max_size=2),
    }
)


@settings(max_examples=300, suppress_health_check=SHARED_FOLDER)
@given(
    header=st.dictionaries(
        st.sampled_from(["__metadata__", "a", "dense_0/kernel"]), ENTRIES | JSON, max_size=3
    ),
    size=st.integers(0, 16),
)
def test_any_header_is_read_or_refused(tmp_path, header, size):
    path = tmp_path / "any.safetensors"
    path.write_bytes(raw(header, bytes(size)))
    try:
        arrays, _ = read_tensors(path)
        assert all(isinstance(array, np.ndarray) for array in arrays.values())
    except DropstudyError:
        pass


def test_a_missing_file_a_folder_and_a_pipe_are_not_called_damage(tmp_path):
    import os  # noqa: PLC0415 - for mkfifo alone, which Windows lacks

    pipe = tmp_path / "pipe.safetensors"
    os.mkfifo(pipe)
    for path, received in (
        (tmp_path / "none.safetensors", "no such file"),
        (tmp_path, "not a file"),
        (pipe, "not a file"),
    ):
        with pytest.raises(StoreError, match=received) as caught:
            read_tensors(path)
        assert not isinstance(caught.value, DamagedFile)
        assert str(path) in str(caught.value)


# Disk


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 KiB; needs the right to mount one."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(  # noqa: S603 - our own arguments
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)],  # noqa: S607 - where mount is differs
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount a small file system here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)  # noqa: S603, S607 - as above


def test_a_full_disk_is_named_with_the_bytes_needed_and_keeps_the_old_file(small_disk):
    path = small_disk / "weights.safetensors"
    digest = write_tensors(path, {"a": np.arange(10)}, {})
    array = np.zeros(100_000, np.uint8)
    with pytest.raises(StoreError, match=r"room for 100,\d\d\d bytes") as caught:
        write_tensors(path, {"a": array}, {})
    assert str(path) in str(caught.value)
    assert list(small_disk.iterdir()) == [path]
    assert read_tensors(path, sha256=digest)[0]["a"].tolist() == list(range(10))


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    in_the_way = tmp_path / "file"
    in_the_way.write_text("not a folder")
    path = in_the_way / "weights.safetensors"
    with pytest.raises(StoreError, match=r"file/weights\.safetensors"):
        write_tensors(path, {"a": np.zeros(2)}, {})


# Weights


def test_weights_come_back_with_and_without_known_widths(weights_file):
    path, digest = weights_file
    arrays, _ = read_tensors(path, sha256=digest)
    assert list(pack_weights(network(WIDTHS))) == [
        "dense_0/kernel",
        "dense_0/bias",
        "dense_1/kernel",
        "dense_1/bias",
    ]
    assert equal(pack_weights(unpack_weights(arrays, WIDTHS)), pack_weights(network(WIDTHS)))


def without(arrays, name):
    return {key: array for key, array in arrays.items() if key != name}


def changed(name, array):
    return lambda arrays: {**arrays, name: array}


def poisoned(value):
    kernel = network(WIDTHS)[1].kernel.copy()
    kernel[2, 1] = value
    return changed("dense_1/kernel", kernel)


@pytest.mark.parametrize(
    ("change", "named", "received"),
    [
        (lambda a: without(a, "dense_1/bias"), "dense_1/bias", "no such tensor"),
        (lambda a: without(a, "dense_0/kernel"), "dense_0/kernel", "no such tensor"),
        (lambda _: {}, "dense_0/kernel", "no such tensor"),
        (changed("optimizer/m", np.zeros(1)), "optimizer/m", "one more"),
        (changed("dense_0/mask", np.zeros(1)), "dense_0/mask", "one more"),
        (changed("dense_1/kernel", np.zeros((5, 3), np.float32)), "dense_1/kernel", "shape (5, 3)"),
        (changed("dense_1/kernel", np.zeros(12, np.float32)), "dense_1/kernel", "shape (12,)"),
        (changed("dense_1/kernel", np.zeros((4, 0), np.float32)), "dense_1/kernel", "shape (4, 0)"),
        (changed("dense_0/bias", np.zeros((4, 1), np.float32)), "dense_0/bias", "shape (4, 1)"),
        (changed("dense_0/bias", np.zeros(4, np.float64)), "dense_0/bias", "type float64"),
        (changed("dense_0/bias", np.zeros(4, ">f4")), "dense_0/bias", "type >f4"),
        (poisoned(np.nan), "dense_1/kernel", "1 NaN or infinite, the first at (2, 1)"),
        (poisoned(-np.inf), "dense_1/kernel", "1 NaN or infinite, the first at (2, 1)"),
    ],
)
def test_wrong_tensors_are_named(change, named, received):
    with pytest.raises(ModelError) as caught:
        unpack_weights(change(pack_weights(network(WIDTHS))), WIDTHS)
    assert named in str(caught.value)
    assert received in str(caught.value)


def test_layers_beyond_the_known_widths_are_extra():
    with pytest.raises(ModelError, match=r"dense_1/bias.*received 2 more"):
        unpack_weights(pack_weights(network(WIDTHS)), WIDTHS[:2])


def test_names_from_a_file_cannot_write_to_the_terminal():
    arrays = {**pack_weights(network(WIDTHS)), "\x1b[2J\n" + "x" * 1000: np.zeros(1)}
    with pytest.raises(ModelError) as caught:
        unpack_weights(arrays, WIDTHS)
    assert "\x1b" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_importing_tensors_needs_no_array_framework():
    code = "import sys, dropstudy.core.tensors; print({'jax', 'keras', 'torch'} & set(sys.modules))"
    source = str(Path(__file__).parents[2] / "src")
    done = subprocess.run(  # noqa: S603 - our own arguments
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": source}
    )
    assert done.stdout.strip() == "set()"
