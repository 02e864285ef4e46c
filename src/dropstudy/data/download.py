"""Download from public mirrors, one after another; only files with the right content are stored.

Slow to import (requests, tqdm), so it is imported only where something must be fetched.
"""

from __future__ import annotations

import shutil
import tarfile
import threading
import time
import zipfile
from contextlib import suppress
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import requests
from filelock import FileLock
from tqdm import tqdm

from dropstudy.data.cache import no_space
from dropstudy.data.published import check_archive, read_named, stored_as
from dropstudy.errors import DataError, DataUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from dropstudy.data.catalogue import Archive, NamedFile

__all__ = ["fetch_all", "fetch_archive"]

_TIMEOUT = (4.0, 20.0)
"""Seconds until a mirror must have answered, and seconds without data after that."""

_CHUNK = 1 << 16


class _RefusedError(Exception):
    """One mirror cannot give one file; the message says why."""


class _Wanted(NamedTuple):
    """A file as mirrors serve it.

    Args:
        name: its name, which is added to a mirror's address.
        size: bytes that it has at most.
        check: raises a DataError if a path holds another file or a damaged one.
    """

    name: str
    size: int
    check: Callable[[Path], object]


def fetch_all(
    files: Sequence[NamedFile],
    folder: Path,
    *,
    mirrors: Sequence[str],
    timeout: tuple[float, float] = _TIMEOUT,
    progress: bool = True,
) -> list[Path]:
    """Fetch the files that a folder lacks, or holds damaged.

    A file gets its name once its unpacked content is verified. Several processes may call this at once: one fetches,
    the others wait and find the files.

    Args:
        files: the files.
        folder: theirs; made if it does not exist.
        mirrors: addresses to which `<name>.gz` is added, asked in this order. One that does not answer is
            skipped for all files; one that gave a file is asked first for the next.
        timeout: seconds until a mirror must have answered, and seconds without data after that.
        progress: show a bar for each file, where standard error is a terminal.

    Returns:
        The path of each file, packed as the mirror packs it, or as the user stored it.

    Raises:
        DataUnavailable: no mirror gave a file. It lists the error of each, and where to store the files by hand.
        DataError: no room, or no right to write.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):
            intact = {file: path for file in files if (path := _intact(file, folder))}
            missing = [_packed(file) for file in files if file not in intact]
            if missing:
                _fetch_missing(missing, folder, mirrors, timeout, progress=progress)
            return [intact.get(file, folder / f"{file.name}.gz") for file in files]
    except OSError as error:
        raise no_space(folder, sum(file.size for file in files), error) from error


def fetch_archive(
    archive: Archive,
    files: Sequence[NamedFile],
    folder: Path,
    *,
    members: Sequence[NamedFile],
    mirrors: Sequence[str],
    timeout: tuple[float, float] = _TIMEOUT,
    progress: bool = True,
) -> None:
    """Fetch an archive, unless a folder holds the files intact, and store the files that are in it.

    The archive is unpacked once it is verified, and removed; one that the user stored in the folder is used and stays.

    Args:
        archive: the archive.
        files: the files that are wanted.
        folder: theirs; made if it does not exist.
        members: all files to store, those of other datasets in the archive among them.
        mirrors: as of `fetch_all`.
        timeout: as of `fetch_all`.
        progress: as of `fetch_all`.

    Raises:
        DataUnavailable: no mirror gave the archive.
        DataError: no room, or no right to write, or the user stored another archive in the folder.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):
            if all(_intact(file, folder) for file in files):  # another process fetched them
                return
            wanted = _Wanted(archive.name, archive.size, partial(check_archive, archive))
            path = folder / archive.name
            own = not path.is_file()
            if own:
                _fetch_missing([wanted], folder, mirrors, timeout, progress=progress)
            else:
                check_archive(archive, path)
            _unpack(path, members, folder)
            if own:
                path.unlink()
    except OSError as error:
        raise no_space(folder, 2 * archive.size, error) from error


def _unpack(archive: Path, files: Sequence[NamedFile], folder: Path) -> None:
    """Store the files of a verified archive in a folder, under their own names whatever the archive's folders are."""
    names = {file.name for file in files}
    for name, stream in _members(archive):
        if name.removesuffix(".gz") in names:
            part = folder / f".{name}.part"
            with part.open("wb") as out:
                shutil.copyfileobj(stream, out)
            part.replace(folder / name)


def _members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as unzipped:
            for name in unzipped.namelist():
                with unzipped.open(name) as stream:
                    yield PurePosixPath(name).name, stream
    else:
        with tarfile.open(archive) as tape:
            for member in tape:
                if (content := tape.extractfile(member)) is not None:  # None of a folder
                    yield PurePosixPath(member.name).name, content


def _intact(file: NamedFile, folder: Path) -> Path | None:
    for path in stored_as(file, folder):
        with suppress(DataError):
            read_named(file, path, pinned=True)
            return path
    return None


def _packed(file: NamedFile) -> _Wanted:
    # gzip adds less than a chunk to what it cannot shrink.
    return _Wanted(f"{file.name}.gz", file.size + _CHUNK, partial(read_named, file, pinned=True))


def _fetch_missing(
    missing: Sequence[_Wanted],
    folder: Path,
    mirrors: Sequence[str],
    timeout: tuple[float, float],
    *,
    progress: bool,
) -> None:
    unreachable = _unreachable([_address(mirror, missing[0]) for mirror in mirrors], timeout[0])
    answering = [mirror for mirror in mirrors if _address(mirror, missing[0]) not in unreachable]
    for number, file in enumerate(missing):
        failures = dict(unreachable)
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
            raise _unavailable(missing[number:], folder, unreachable, failures)


def _address(mirror: str, file: _Wanted) -> str:
    return f"{mirror}{file.name}"


def _unreachable(urls: Sequence[str], seconds: float) -> dict[str, str]:
    """Ask all mirrors at once for an answer of any kind; return the reasons of those that gave none.

    Without this, a machine without network would wait for each mirror. Name resolution has no timeout at all:
    hence threads, which are abandoned when time is up.
    """
    answers: dict[str, str] = {}

    def ask(url: str) -> None:
        try:
            requests.head(url, timeout=seconds, allow_redirects=False).close()
        except requests.RequestException as error:
            answers[url] = _explain(error, (seconds, seconds))
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


def _download(file: _Wanted, url: str, folder: Path, timeout: tuple[float, float], *, progress: bool) -> None:
    """Fetch to a temporary name, check the content, then rename. The caller holds the folder's lock."""
    part = folder / f".{file.name}.part"  # one that a killed process left is overwritten
    try:
        # A server that packs the file once more on the way would change the count of bytes.
        with requests.get(
            url, stream=True, timeout=timeout, headers={"Accept-Encoding": "identity"}
        ) as response:
            response.raise_for_status()
            _save(response, part, file, progress=progress)
        file.check(part)
        part.replace(folder / file.name)
    except DataError as error:
        raise _RefusedError(f"a wrong or damaged file ({error.received})") from error
    except (requests.RequestException, ValueError) as error:
        raise _RefusedError(_explain(error, timeout)) from error
    finally:
        part.unlink(missing_ok=True)


def _save(response: requests.Response, part: Path, file: _Wanted, *, progress: bool) -> None:
    """Write an answer to a file, with a progress bar; stop a mirror that sends more than the file."""
    total = int(response.headers.get("Content-Length", 0))
    # tqdm takes None as "only on a terminal".
    with (
        part.open("wb") as out,
        tqdm(
            desc=file.name, total=total, unit="B", unit_scale=True, disable=None if progress else True
        ) as bar,
    ):
        for chunk in response.iter_content(_CHUNK):
            out.write(chunk)
            bar.update(len(chunk))
            if out.tell() > file.size:
                raise _RefusedError("more bytes than the file has")


def _explain(error: Exception, timeout: tuple[float, float]) -> str:
    """Explain a failed transfer in a few words, without the internals of three libraries."""
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


def _unavailable(
    missing: Sequence[_Wanted], folder: Path, unreachable: Mapping[str, str], failures: Mapping[str, str]
) -> DataUnavailable:
    hosts: dict[str, list[str]] = {}
    for url, why in failures.items():
        hosts.setdefault(why, []).append(urlsplit(url).netloc if url in unreachable else url)
    causes = "; ".join(f"{', '.join(names)}: {why}" for why, names in hosts.items())
    names = ", ".join(file.name for file in missing)
    many = len(missing) > 1
    return DataUnavailable(
        folder.name,
        expected=f"a mirror that serves {f'its {len(missing)} files' if many else 'it'}",
        received=f"none ({causes or 'it has no mirror'})",
        next_step=f"Try again with a network, or get {names} elsewhere and store {'them' if many else 'it'} in "
        f"{folder}, or in a folder that you name with --data-dir or DROPSTUDY_DATA.",
    )
