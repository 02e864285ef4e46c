"""Describe the machine: `dropstudy doctor`."""

from __future__ import annotations

from dropstudy.cli.output import echo


def doctor() -> None:
    """Print what training uses on this machine. That is device, precision, workers, versions and folders.

    Example: dropstudy doctor
    """
    from dropstudy.runtime.doctor import machine_lines

    for line in machine_lines(notify=echo):
        echo(line)
