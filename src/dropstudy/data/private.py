"""Check that only this user can write a file before code is loaded from it, as StrictModes of sshd."""

from __future__ import annotations

import os
import stat
from functools import cache
from pathlib import Path

__all__ = ["make_private", "other_writers", "other_writers_inside"]

_SUPERUSER = 0
_UID_MAP, _OVERFLOW_UID = Path("/proc/self/uid_map"), Path("/proc/sys/kernel/overflowuid")
_ENTER = stat.S_IXGRP | stat.S_IXOTH


def make_private(folder: Path) -> None:
    """Create a folder, and missing folders above it, for this user alone; raises OSError on failure."""
    if not folder.is_dir():
        make_private(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def other_writers(path: Path) -> str:
    """Explain who besides this user and the superuser can change or replace a path; empty if no one can.

    Args:
        path: absolute and resolved. The folders above it count: a user who can write to one can replace all
            below it, unless it has the sticky bit, as /tmp.

    Raises:
        OSError: the path does not exist.
    """
    above = next(filter(None, (_fault(place, above=True) for place in path.parents)), "")
    return above or _fault(path, above=False)


def other_writers_inside(folder: Path) -> str:
    """Explain the same for a folder and the files in it."""
    closed = not folder.stat().st_mode & _ENTER  # the modes of its files do not matter then
    entries = (_fault(entry, above=False, modes=not closed) for entry in sorted(folder.iterdir()))
    return other_writers(folder) or next(filter(None, entries), "")


def _fault(path: Path, *, above: bool, modes: bool = True) -> str:
    if not hasattr(os, "geteuid"):  # Windows has other permissions, and gives each user private folders
        return ""
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode):
        return f"{path} is a symbolic link"
    if status.st_uid not in {_SUPERUSER, os.geteuid(), *(_hidden_superuser() if above else ())}:
        return f"{path} belongs to another user (uid {status.st_uid})"
    group = 0 if _is_own_group(status.st_gid) else stat.S_IWGRP
    others = status.st_mode & (group | stat.S_IWOTH)
    protected = above and status.st_mode & stat.S_ISVTX
    return f"other users may write to {path}" if modes and others and not protected else ""


@cache
def _hidden_superuser() -> tuple[int, ...]:
    """Return the user id that represents the superuser in a user namespace without one.

    In containers that a plain user starts, on clusters for instance, `/` belongs to the user id for unknown users.
    """
    try:
        ranges = [line.split() for line in _UID_MAP.read_text().splitlines()]
        return () if any(first == "0" for first, _, _ in ranges) else (int(_OVERFLOW_UID.read_text()),)
    except (OSError, ValueError):  # another system
        return ()


@cache
def _is_own_group(number: int) -> bool:
    """True for a group with this user's name and no other member, as many systems create for each user."""
    import grp  # noqa: PLC0415 - Windows has neither
    import pwd  # noqa: PLC0415 - as above

    try:
        group, user = grp.getgrgid(number), pwd.getpwuid(os.geteuid())
    except KeyError:
        return False
    return group.gr_name == user.pw_name and number == user.pw_gid and set(group.gr_mem) <= {user.pw_name}
