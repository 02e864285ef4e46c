"""CSV and Parquet files of all kinds are read alike; what cannot be read is named by file and line."""

import gzip
import io
import os

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from dropstudy.data.formats import csv_parquet
from dropstudy.data.formats.csv_parquet import read_table
from dropstudy.errors import DataError

TEXTS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), min_size=1, max_size=12
).map(lambda text: text.strip() or "x")
"""Cells of text as people write them, and worse: quotes, separators, line breaks, signs that start formulas."""

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


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize(("mark", "note"), [(";", "semicolons"), ("^", "separated by ^."), (",", None)])
def test_excels_line_with_the_separator_is_no_header(tmp_path, mark, note, encoding):
    text = f"sep={mark}\r\n" + FRAME.to_csv(index=False, sep=mark, lineterminator="\r\n")
    stored = read_table(written(tmp_path, text.encode(encoding)))
    assert_frame_equal(stored.frame.astype(FRAME.dtypes), FRAME)
    assert any(note in said for said in stored.notes) if note else not stored.notes
    assert [stored.line(row) for row in range(3)] == [3, 4, 6]
    ragged = written(tmp_path, f"{text}1{mark}2\r\n".encode(encoding))
    assert "line 7: expected 3 cells, as in the header, received 2" in refused(ragged)


@pytest.mark.parametrize("first", [2**53 + 1, 2**63 - 3, 2**63, 2**64 - 1, 10**25])
@pytest.mark.parametrize("end", ["", "\n"])
def test_whole_numbers_are_exact_however_long_they_are(tmp_path, first, end):
    numbers = [first + n for n in range(6)]
    text = "id,size\n" + "".join(f"{number},1e30\n" for number in numbers) + end
    table = read_table(written(tmp_path, text)).frame
    assert [int(value) for value in table["id"]] == numbers
    assert table["size"].dtype.kind == "f"


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


@given(
    rows=st.lists(st.tuples(st.floats(-1e9, 1e9).map(lambda x: x + 0.5), TEXTS), min_size=2, max_size=9),
    names=st.lists(
        TEXTS.filter(lambda name: not set(name) & set(",;\t|")), min_size=2, max_size=2, unique=True
    ),
    separator=st.sampled_from(",;\t|"),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    end=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([0, 1, 2]),
    packed=st.booleans(),
)
def test_what_pandas_writes_is_what_is_read(
    tmp_path_factory, *, rows, names, separator, encoding, end, quoting, packed
):
    frame = pd.DataFrame(rows, columns=[f"number {names[0]}", f"text {names[1]}"])
    frame.iloc[:, 1] = "text " + frame.iloc[:, 1]  # nothing that reads as a number, a date or a missing cell
    text = frame.to_csv(index=False, sep=separator, lineterminator=end, quoting=quoting).encode(encoding)
    path = written(tmp_path_factory.mktemp("any"), gzip.compress(text) if packed else text)
    stored = read_table(path)
    assert list(stored.frame.columns) == list(frame.columns)
    assert stored.frame.iloc[:, 0].tolist() == frame.iloc[:, 0].tolist()
    assert stored.frame.iloc[:, 1].astype(object).tolist() == frame.iloc[:, 1].tolist()
    lines = io.StringIO(text.decode(encoding), newline="").readlines()
    for row in range(len(frame)):
        assert str(frame.iloc[row, 0]) in lines[stored.line(row) - 1]


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


def test_rows_that_a_quote_joins_are_named_from_the_first_to_the_last(tmp_path):
    message = refused(written(tmp_path, 'a,b\n1,2\n"3,4\n5,6\n7,8\n'))
    assert "lines 3 to 5" in message
    assert "is it closed?" in message


@pytest.mark.parametrize("before", [0, 1, 100_000])
def test_bytes_of_another_encoding_are_named_by_line(tmp_path, before):
    text = b"name,size\n" + b"anna,1\n" * before + "Zoë,2\n".encode("latin-1")
    message = refused(written(tmp_path, text))
    assert f"line {before + 2}: expected text in UTF-8" in message
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
        (gzip.compress(os.urandom(100_000).hex().encode())[:50_000], "damaged"),
        ("a,b\n1,2\n".encode("utf-16-le"), "zero bytes"),
        ("a,b\n1,2\n".encode("utf-32"), "zero bytes"),
        ("a,b\n1,2\n".encode("utf-16") + b"x", "text in UTF-16"),
        ("\n\n", "a header alone"),
        ("s" * 200_000 + ",kind\n1,2\n", "field larger than"),
        ("a,b,c", "a header alone"),
        ('"a\nb",c\n1,2,3\n', "line 3: expected 2 cells"),
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


@pytest.mark.parametrize(
    ("cells", "read"),
    [
        (["1,5", "2,25"], [1.5, 2.25]),
        (["1,5", "2.25"], ["1,5", "2.25"]),  # a point for decimals, or for thousands? Neither is taken
        (["1.234,5", "2,25"], ["1.234,5", "2,25"]),
        (["1.2.2020", "3,5"], ["1.2.2020", "3,5"]),
    ],
)
def test_a_decimal_comma_is_never_guessed_where_cells_also_have_points(tmp_path, cells, read):
    path = written(tmp_path, "\n".join(["a;b", *(f"{cell};x" for cell in cells)]))
    assert read_table(path).frame["a"].tolist() == read


@pytest.mark.parametrize("name", ['"size, in cm, or so"', "size, in cm"])
def test_separators_are_those_that_make_rows_alike(tmp_path, name):
    path = written(tmp_path, f"\n{name}; kind \n1,5;cat\n")
    assert list(read_table(path).frame.columns) == [name.strip('"'), "kind"]


def test_tables_that_unpack_beyond_memory_are_refused_before(tmp_path, monkeypatch):
    pq = pytest.importorskip("pyarrow.parquet")
    pa = pytest.importorskip("pyarrow")
    bomb = written(tmp_path, gzip.compress(b"a,b\n" + b"1,2\n" * 20_000_000))
    pq.write_table(pa.table({"a": np.zeros(20_000_000)}), tmp_path / "bomb.parquet")

    class Memory:
        available = 60_000_000

    monkeypatch.setattr(csv_parquet.psutil, "virtual_memory", Memory)
    for path in (bomb, tmp_path / "bomb.parquet"):
        assert path.stat().st_size < 1_000_000
        assert "fits in memory" in refused(path)


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
