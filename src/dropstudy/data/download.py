"""Files from public mirrors: asked in turn, and believed only where the content is right.

Slow to import (pooch, requests, tqdm), so it is imported only where something must be fetched.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pooch
import requests
from filelock import FileLock
from tqdm import tqdm

from dropstudy.data.catalogue import read_named, stored_as
from dropstudy.errors import DataError, DataUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dropstudy.data.catalogue import NamedFile

__all__ = ["TIMEOUT", "fetch", "fetch_all"]

TIMEOUT = (4.0, 20.0)
"""Seconds until a mirror must have answered, and seconds that it may then stay silent."""

_CHUNK = 1 << 16


class _RefusedError(Exception):
    """One mirror cannot give one file; says why, in words for the user."""


def fetch(
    file: NamedFile,
    folder: Path,
    *,
    mirrors: Sequence[str],
    timeout: tuple[float, float] = TIMEOUT,
    progress: bool = True,
) -> Path:
    """Fetch one file, as `fetch_all` fetches several."""
    return fetch_all((file,), folder, mirrors=mirrors, timeout=timeout, progress=progress)[0]


def fetch_all(
    files: Sequence[NamedFile],
    folder: Path,
    *,
    mirrors: Sequence[str],
    timeout: tuple[float, float] = TIMEOUT,
    progress: bool = True,
) -> list[Path]:
    """Make sure that a folder holds these files, fetching those that are missing or damaged.

    A file appears under its name only once its unpacked content has been found right. Several processes may
    call this at once: one fetches, the others wait and find the files.

    Args:
        files: what is wanted.
        folder: where to keep it; made if it is not there.
        mirrors: addresses to which `<name>.gz` is added, asked in this order. One that does not answer is
            left out for all files; one that gave a file is asked first for the next.
        timeout: seconds until a mirror must have answered, and seconds that it may then stay silent.
        progress: show a bar for each file, where standard error is a terminal.

    Returns:
        The path of each file, packed as the mirror packs it, or as somebody put it there by hand.

    Raises:
        DataUnavailable: no mirror gave a file. Says what each answered, and where to put the files by hand.
        DataError: no room, or no right to write.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):
            intact = {file: path for file in files if (path := _intact(file, folder))}
            missing = [file for file in files if file not in intact]
            if missing:
                _fetch_missing(missing, folder, mirrors, timeout, progress=progress)
            return [intact.get(file, folder / f"{file.name}.gz") for file in files]
    except OSError as error:
        raise DataError(
            str(folder),
            expected=f"room for {sum(file.size for file in files):,} bytes and the right to write",
            received=error.strerror or str(error),
            next_step="Make room, or name another folder with DROPSTUDY_CACHE.",
        ) from error


def _intact(file: NamedFile, folder: Path) -> Path | None:
    for path in stored_as(file, folder):
        try:
            read_named(file, path)
        except DataError:
            continue
        return path
    return None


def _fetch_missing(
    missing: Sequence[NamedFile],
    folder: Path,
    mirrors: Sequence[str],
    timeout: tuple[float, float],
    *,
    progress: bool,
) -> None:
    silent = _silent([_address(mirror, missing[0]) for mirror in mirrors], timeout[0])
    answering = [mirror for mirror in mirrors if _address(mirror, missing[0]) not in silent]
    for number, file in enumerate(missing):
        failures = dict(silent)
        for mirror in answering:
            url = _address(mirror, file)
            try:
                _download(file, url, folder, timeout, progress=progress)
            except _RefusedError as why:
                failures[url] = str(why)
            else:
                answering = [mirror, *(other for other in answering if other != mirror)]
                break
        else:
            raise _unavailable(missing[number:], folder, failures)


def _address(mirror: str, file: NamedFile) -> str:
    return f"{mirror}{file.name}.gz"


def _silent(urls: Sequence[str], seconds: float) -> dict[str, str]:
    """Ask all mirrors at once for a sign of life, whatever it says, and return why some gave none.

    Without this a machine without network would wait for each mirror in turn, and for name resolution
    there is no time-out at all: hence threads, which are left behind when time is up.
    """
    answers: dict[str, str] = {}

    def ask(url: str) -> None:
        try:
            requests.head(url, timeout=seconds, allow_redirects=False).close()
        except requests.RequestException as error:
            answers[url] = _in_words(error, (seconds, seconds))
        else:
            answers[url] = ""

    threads = [threading.Thread(target=ask, args=(url,), daemon=True) for url in urls]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    reasons = {url: answers.get(url, f"no answer within {seconds:g} s") for url in urls}
    return {url: reason for url, reason in reasons.items() if reason}


def _download(
    file: NamedFile, url: str, folder: Path, timeout: tuple[float, float], *, progress: bool
) -> None:
    """Fetch beside the final place, look at the content, then rename. The caller holds the folder's lock."""
    part = folder / f".{file.name}.part"  # one that a killed process left is written over
    meter = _Meter(file, shown=progress)
    # Packed is what we want; a server that packs it once more on the way would spoil the count of bytes.
    headers = {"Accept-Encoding": "identity"}
    download = pooch.HTTPDownloader(progressbar=meter, chunk_size=_CHUNK, timeout=timeout, headers=headers)
    try:
        download(url, str(part), None)
        read_named(file, part)
        part.replace(folder / f"{file.name}.gz")
    except DataError as error:
        raise _RefusedError(f"a wrong or damaged file ({error.received})") from error
    except (requests.RequestException, ValueError) as error:
        raise _RefusedError(_in_words(error, timeout)) from error
    finally:
        meter.close()
        part.unlink(missing_ok=True)


class _Meter:
    """Progress callback for pooch: draws the bar, and stops a mirror that sends more than the file.

    The names are pooch's: https://www.fatiando.org/pooch/latest/progressbars.html.
    """

    def __init__(self, file: NamedFile, *, shown: bool) -> None:
        self.total = 0
        self._received = 0
        # gzip adds less than a chunk to what it cannot shrink; pooch counts the last chunk as a whole one.
        self._most = file.size + 2 * _CHUNK
        # tqdm takes None as "only on a terminal".
        self._bar = tqdm(desc=file.name, unit="B", unit_scale=True, disable=None if shown else True)

    def update(self, count: int) -> None:
        self._received += count
        if self._received > self._most:
            raise _RefusedError("more bytes than the file has")
        self._bar.total = self.total
        self._bar.update(count)

    def reset(self) -> None:
        self._received = 0
        self._bar.reset()

    def close(self) -> None:
        self._bar.close()


def _in_words(error: Exception, timeout: tuple[float, float]) -> str:
    """Say what went wrong on the way, without the inner life of three libraries."""
    text = repr(error)
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"HTTP {error.response.status_code} {error.response.reason}"
    meanings = (
        (isinstance(error, requests.exceptions.SSLError), "no trusted certificate"),
        (isinstance(error, requests.exceptions.ProxyError), "the proxy refused"),
        (isinstance(error, requests.ConnectTimeout), f"no connection within {timeout[0]:g} s"),
        (isinstance(error, requests.ReadTimeout) or "Read timed out" in text, f"silent for {timeout[1]:g} s"),
        ("NameResolutionError" in text, "its name could not be resolved"),
        ("refused" in text, "connection refused"),
        ("ProtocolError" in text or "IncompleteRead" in text, "the connection was cut"),
    )
    words = " ".join(str(error).split()) or type(error).__name__
    return next((meaning for applies, meaning in meanings if applies), words)


def _unavailable(missing: Sequence[NamedFile], folder: Path, failures: dict[str, str]) -> DataUnavailable:
    wanted = ", ".join(f"{file.name}.gz (unpacked: SHA-256 {file.sha256})" for file in missing)
    return DataUnavailable(
        f"{missing[0].name}.gz",
        expected="a mirror that serves it",
        received="; ".join(f"{url}: {why}" for url, why in failures.items()) or "no mirror at all",
        next_step=f"Try again later, name a folder that holds the files with --data-dir or DROPSTUDY_DATA, "
        f"or put them, packed or not, into {folder}: {wanted}.",
    )
