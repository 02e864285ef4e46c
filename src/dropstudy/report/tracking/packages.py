"""Packages that write for other programs, each of them an extra."""

from __future__ import annotations

from dropstudy.errors import InvalidArgument


def missing_package(what: str, extra: str) -> InvalidArgument:
    """Error of a format whose package is not installed.

    Args:
        what: the package, and what it does.
        extra: of ours that installs it.
    """
    return InvalidArgument(
        "file_format",
        expected=f"the package {what}",
        received="none installed",
        next_step=f"Install it with the extra {extra}: pip install 'dropstudy[{extra}]'. "
        f"In a checkout: pip install -e '.[{extra}]'.",
    )
