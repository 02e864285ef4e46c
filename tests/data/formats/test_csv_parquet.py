"""CSV and Parquet files of all kinds are read alike; what cannot be read is named by file and line."""

import gzip

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from dropstudy.data.formats import csv_parquet
from dropstudy.data.formats.csv_parquet import read_table
from dropstudy.errors import DataError

FRAME = pd.DataFrame(
    {"size": [1.5, 2.25, None], "name": ["Zoë, the dog", "a\nb", 'quo"te'], "count": [1, 2, 3]}
)


def refused(path):
    with pytest.raises(DataError) as error:
        read_table(path)
    return str(error.value)


def written(folder, text, name="data.csv"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    ("options", "note"),
    [
        ({}, None),
        ({"encoding": "utf-8-sig"}, None),
        ({"encoding": "utf-16"}, None),
        ({"sep": ";"}, "semicolons"),
        ({"sep": ";", "decimal": ","}, "decimal comma"),
        ({"sep": "\t"}, "tabs"),
        ({"sep": "|"}, "vertical bars"),
        ({"lineterminator": "\r\n"}, None),
        ({"compression": "gzip"}, None),
        ({"quoting": 1}, None),
    ],
)
def test_a_table_is_the_same_however_it_is_written(tmp_path, options, note):
    path = tmp_path / ("data.csv.gz" if "compression" in options else "data.csv")
    FRAME.to_csv(path, index=False, **options)
    stored = read_table(path)
    assert_frame_equal(stored.frame.astype(FRAME.dtypes), FRAME)
    assert any(note in said for said in stored.notes) if note else not stored.notes


def test_parquet_is_the_same_table(tmp_path):
    path = tmp_path / "data.parquet"
    FRAME.to_parquet(path)
    assert_frame_equal(read_table(path).frame, FRAME, check_dtype=False)


@given(st.integers(0, 200), st.integers(-2, 2).filter(bool), st.booleans())
def test_a_ragged_row_is_named_by_its_line(tmp_path_factory, before, more, packed):
    cells = ["1", "2", "3", "4"]
    lines = ["a,b,c,d", *[",".join(cells)] * before, ",".join((cells * 2)[: 4 + more]), "1,2,3,4"]
    path = tmp_path_factory.mktemp("ragged") / ("data.csv.gz" if packed else "data.csv")
    text = "\n".join(lines).encode()
    path.write_bytes(gzip.compress(text) if packed else text)
    message = refused(path)
    assert f"{path}, line {before + 2}:" in message
    assert "expected 4 cells" in message
    assert f"received {4 + more}" in message


def test_bytes_of_another_encoding_are_named_by_line(tmp_path):
    path = written(tmp_path, b"name,size\nanna,1\n" + "Zoë,2\n".encode("latin-1"))
    message = refused(path)
    assert "UTF-8" in message
    assert "0xeb" in message
    assert "iconv" in message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "an empty file"),
        ("5.1,3.5,1.4\n4.9,3.0,1.4\n", "the header is missing"),
        ("5,0,0\n4,0,1\n", "the header is missing"),
        ("a,,c,\n1,2,3,4\n", "no name for column 4"),
        (",".join(f"c{n}" for n in range(30_000)) + "\n", "30,000"),
        (b"PAR1 and no more", "a Parquet file"),
        (b"\x1f\x8bno gzip", "damaged"),
    ],
)
def test_files_that_are_no_table_are_refused(tmp_path, text, words):
    path = written(tmp_path, text)
    message = refused(path)
    assert str(path) in message
    assert words in message


def test_what_is_no_file_is_refused(tmp_path):
    assert "no such file" in refused(tmp_path / "none.csv")
    assert "a folder" in refused(tmp_path)
    loop = tmp_path / "loop.csv"
    loop.symlink_to(loop)
    assert str(loop) in refused(loop)


def test_a_file_that_grows_while_it_is_read_is_refused(tmp_path, monkeypatch):
    path = written(tmp_path, "a,b\n1,2\n")
    encoding = csv_parquet._encoding

    def grow(*args, **options):
        with path.open("a") as file:
            file.write("3,4\n")
        return encoding(*args, **options)

    monkeypatch.setattr(csv_parquet, "_encoding", grow)
    assert "changed while it was read, from 8 to 12 bytes" in refused(path)


def test_columns_named_by_numbers_are_names(tmp_path):
    """pandas writes such a header for an array."""
    assert list(read_table(written(tmp_path, "0,1,2\n5,6,7\n")).frame.columns) == ["0", "1", "2"]
