import gzip

import numpy as np
import pytest

from dropstudy.data.formats.records import read_records
from dropstudy.errors import DataError

RECORDS = np.arange(4 * 7, dtype=np.uint8).reshape(4, 7)


@pytest.mark.parametrize("packed", [True, False])
def test_records_are_read(tmp_path, packed):
    path = tmp_path / "x.bin"
    path.write_bytes(gzip.compress(RECORDS.tobytes()) if packed else RECORDS.tobytes())
    np.testing.assert_array_equal(read_records(path, 4, 7), RECORDS, strict=True)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "received 0"),
        (RECORDS.tobytes()[:-1], "28 bytes, 4 records of 7, received 27"),
        (RECORDS.tobytes() + b"!", "received more"),
        (gzip.compress(RECORDS.tobytes() + bytes(50 << 20)), "received more"),
        (gzip.compress(RECORDS.tobytes())[:-9], "damaged"),
        (gzip.compress(RECORDS.tobytes())[:-3], "damaged"),
    ],
    ids=["nothing", "short", "long", "bomb", "cut gzip", "cut checksum"],
)
def test_fault_23_is_refused_and_named(tmp_path, content, words):
    path = tmp_path / "x.bin"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_records(path, 4, 7)
    assert caught.value.subject == str(path)
    assert words in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        read_records(tmp_path / "x.bin", 4, 7)
