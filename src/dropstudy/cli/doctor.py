"""Describe the machine: `dropstudy doctor`."""

from __future__ import annotations

from dropstudy.cli.output import echo


def doctor() -> None:
    """Print what training uses on this machine. That is device, precision, workers, versions and folders.

    Example: dropstudy doctor
    """
    from dropstudy.runtime import doctor as checks

    for line in checks.lines():
        echo(line)
