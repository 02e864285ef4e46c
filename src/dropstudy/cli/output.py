"""Print sentences on a terminal, wrapped to its width."""

from __future__ import annotations

import sys

import typer

from dropstudy.core.streams import wrap_paragraphs


def echo(text: str, *, err: bool = False) -> None:
    """Print sentences to standard output, or to standard error."""
    typer.echo(wrap_paragraphs(text, sys.stderr if err else sys.stdout), err=err)
