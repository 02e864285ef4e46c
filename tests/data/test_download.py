import gzip
import hashlib
import io
import os
import re
import subprocess
import sys
import threading
import time
from urllib.parse import urlsplit

import pytest
import requests

from dropstudy.data.download import fetch_all
from dropstudy.errors import DataError, DataUnavailable
from mirror_server import closed_port, mirror, says, sends, serves, stalls, tiny_contents, tiny_files

CONTENTS = tiny_contents()
FILES = tiny_files(CONTENTS)
FILE = FILES[0]
NAME = f"{FILE.name}.gz"
CONTENT = CONTENTS[FILE.name]
QUICK = (2.0, 0.3)
HTML = b"<!DOCTYPE html><html><body>Please log in to this network</body></html>"


def get(folder, *mirrors, file=FILE):
    urls = [m if isinstance(m, str) else m.url for m in mirrors]
    return fetch_all((file,), folder, mirrors=urls, timeout=QUICK, progress=False)[0]


def kept(folder):
    """Files that a download left in the folder, the lock aside."""
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


@pytest.mark.parametrize("level", [0, 1, 9])
def test_a_file_is_stored_as_the_mirror_packs_it(tmp_path, level):
    with mirror(serves(CONTENTS, level=level)) as first, mirror(serves(CONTENTS)) as second:
        path = get(tmp_path / "new" / "folder", first, second)
        assert get(path.parent, first, second) == path  # not fetched again
    assert path == tmp_path / "new" / "folder" / NAME
    assert gzip.decompress(path.read_bytes()) == CONTENT
    assert kept(path.parent) == [NAME]
    assert (first.asked, second.asked) == ([NAME], [])


def test_a_mirror_with_unpacked_files_is_accepted(tmp_path):
    with mirror(sends(CONTENT)) as plain:
        assert get(tmp_path, plain).read_bytes() == CONTENT


BAD_MIRRORS = {
    "403": (says(403), "HTTP 403 Forbidden"),
    "404": (says(404), "HTTP 404 Not Found"),
    "503": (says(503), "HTTP 503 Service Unavailable"),
    "stall": (stalls, "silent for 0.3 s"),
    "cut": (sends(gzip.compress(CONTENT)[:40], length=500), "the connection was cut"),
    "short without a length": (sends(gzip.compress(CONTENT)[:40]), "a wrong or damaged file"),
    "web page": (sends(HTML), "a wrong or damaged file (one that starts with b'<!DO')"),
    "packed web page": (sends(gzip.compress(HTML)), "a wrong or damaged file"),
    "nothing": (sends(b""), "a wrong or damaged file"),
    "other content": (
        sends(gzip.compress(tiny_contents(seed=1)[FILE.name])),
        f"content with SHA-256 {hashlib.sha256(tiny_contents(seed=1)[FILE.name]).hexdigest()}",
    ),
    "trailing bytes": (sends(gzip.compress(CONTENT + b"!")), "a wrong or damaged file"),
    "far too long": (sends(b"\0" * 400_000), "more bytes than the file has"),
    "promises too much": (sends(b"\0", length=10**12), "the connection was cut"),
}


@pytest.mark.parametrize(("answer", "words"), BAD_MIRRORS.values(), ids=BAD_MIRRORS)
def test_a_bad_mirror_is_named_and_the_next_one_asked(tmp_path, answer, words):
    with mirror(answer) as bad, pytest.raises(DataUnavailable) as caught:
        get(tmp_path, bad)
    assert f"{bad.url}{NAME}: " in caught.value.received
    assert words in caught.value.received
    assert kept(tmp_path) == []
    with mirror(answer) as bad, mirror(serves(CONTENTS)) as good:
        path = get(tmp_path, bad, good)
    assert gzip.decompress(path.read_bytes()) == CONTENT
    assert (bad.asked, good.asked) == ([NAME], [NAME])
    assert kept(tmp_path) == [NAME]


def test_the_mirror_that_gave_a_file_is_asked_first_for_the_next(tmp_path):
    with mirror(says(404)) as bad, mirror(serves(CONTENTS)) as good:
        fetch_all(FILES, tmp_path, mirrors=[bad.url, good.url], timeout=QUICK, progress=False)
    assert bad.asked == [NAME]
    assert good.asked == [f"{file.name}.gz" for file in FILES]


def test_when_all_mirrors_fail_the_error_names_causes_and_a_manual_step(tmp_path):
    unreachable = closed_port()
    with mirror(says(404)) as bad, pytest.raises(DataUnavailable) as caught:
        fetch_all(FILES, tmp_path, mirrors=[unreachable, bad.url], timeout=QUICK, progress=False)
    message = str(caught.value)
    assert f"{urlsplit(unreachable).netloc}: connection refused" in message
    assert f"{bad.url}{NAME}: HTTP 404 Not Found" in message
    for file in FILES:
        assert f"{file.name}.gz" in message
        assert file.digest not in message  # a file that is stored by hand is checked when it is read
    assert str(tmp_path) in message
    assert "`data_dir`" in message
    assert len(message) < 500 + len(str(tmp_path))
    assert "\n" not in message
    assert bad.asked == [NAME]  # no second file is tried once one cannot be had


def test_a_file_copied_by_hand_is_used_packed_or_not(tmp_path):
    (tmp_path / FILE.name).write_bytes(CONTENT)
    assert get(tmp_path, closed_port()) == tmp_path / FILE.name


@pytest.mark.parametrize(
    "damage", [b"", b"rubbish", gzip.compress(CONTENT)[:-9]], ids=["empty", "other", "cut"]
)
def test_a_damaged_file_is_fetched_again(tmp_path, damage):
    (tmp_path / NAME).write_bytes(damage)
    with mirror(serves(CONTENTS)) as good:
        path = get(tmp_path, good)
    assert gzip.decompress(path.read_bytes()) == CONTENT


def test_a_damaged_file_stays_until_a_better_one_is_fetched(tmp_path):
    (tmp_path / NAME).write_bytes(b"rubbish")
    with pytest.raises(DataUnavailable):
        get(tmp_path, closed_port())
    assert kept(tmp_path) == [NAME]


def test_files_of_a_killed_process_are_harmless(tmp_path):
    (tmp_path / f".{NAME}.part").write_bytes(b"half a file, longer than the whole one" * 100)
    with mirror(serves(CONTENTS)) as good:
        get(tmp_path, good)
    assert kept(tmp_path) == [NAME]


FETCH_ALL = """
import sys
from pathlib import Path
from mirror_server import tiny_contents, tiny_files
from dropstudy.data.download import fetch_all
fetch_all(tiny_files(tiny_contents()), Path(sys.argv[1]), mirrors=[sys.argv[2]], progress=False)
"""


def test_two_downloads_at_once_give_one_valid_file(tmp_path):
    with mirror(serves(CONTENTS, seconds=0.2)) as good:
        command = [sys.executable, "-c", FETCH_ALL, str(tmp_path), good.url]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        both = [subprocess.Popen(command, env=environment) for _ in "ab"]  # noqa: S603 - our own interpreter
        assert [process.wait(timeout=60) for process in both] == [0, 0]
    assert sorted(good.asked) == sorted(f"{file.name}.gz" for file in FILES)  # each once
    for file in FILES:
        assert gzip.decompress((tmp_path / f"{file.name}.gz").read_bytes()) == CONTENTS[file.name]


def test_a_machine_without_network_fails_quickly(tmp_path, monkeypatch):
    # Name resolution knows no time-out: here it hangs until the test lets go.
    released = threading.Event()

    def hangs(*_args, **_kwargs):
        released.wait(30)
        raise requests.ConnectionError("let go")

    monkeypatch.setattr(requests, "head", hangs)
    started = time.monotonic()
    try:
        with pytest.raises(DataUnavailable, match=re.escape("no answer within 0.3 s")) as caught:
            fetch_all(
                FILES,
                tmp_path,
                mirrors=[f"https://{i}.invalid/" for i in range(3)],
                timeout=(0.3, 9),
                progress=False,
            )
    finally:
        released.set()
    assert time.monotonic() - started < 2
    assert caught.value.received.startswith("none (0.invalid, 1.invalid, 2.invalid: no answer")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (requests.exceptions.SSLError("CERTIFICATE_VERIFY_FAILED"), "no trusted certificate"),
        (requests.exceptions.ProxyError("tunnel"), "the proxy refused"),
        (requests.ConnectTimeout("timed out"), "no connection within 2 s"),
        (requests.ConnectionError("NameResolutionError(...)"), "its name could not be resolved"),
        (requests.ConnectionError("something\nelse"), "something else"),
    ],
)
def test_download_errors_are_reported_in_plain_words(tmp_path, monkeypatch, error, words):
    def fails(*_args, **_kwargs):
        raise error

    monkeypatch.setattr(requests, "head", fails)
    with pytest.raises(DataUnavailable) as caught:
        get(tmp_path, "https://example.invalid/")
    assert caught.value.received == f"none (example.invalid: {words})"


def test_a_folder_without_write_permission_is_named(tmp_path):
    occupied = tmp_path / "a file"
    occupied.write_text("")
    with pytest.raises(DataError, match="write permission") as caught:
        get(occupied, closed_port())
    assert caught.value.subject == str(occupied)
    assert "DROPSTUDY_CACHE" in caught.value.next_step


@pytest.mark.parametrize(("terminal", "progress"), [(True, True), (False, True), (True, False)])
def test_the_progress_bar_is_drawn_on_a_terminal_if_requested(tmp_path, monkeypatch, terminal, progress):
    screen = io.StringIO()
    screen.isatty = lambda: terminal
    monkeypatch.setattr(sys, "stderr", screen)
    with mirror(serves(CONTENTS)) as good:
        fetch_all((FILE,), tmp_path, mirrors=[good.url], timeout=QUICK, progress=progress)
    assert (FILE.name in screen.getvalue()) == (terminal and progress)
