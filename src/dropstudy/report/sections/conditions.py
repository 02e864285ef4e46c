"""Names of figures where a study has several networks or training-set sizes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dropstudy.report.sections.blocks import Figure
    from dropstudy.report.source import Source

MOST = 6
"""Shapes that are looked into run by run: answers, weights. The figures of others would be many and slow to make."""


def shape_words(shape: tuple[str, int]) -> str:
    """A shape as a title says it, for instance `512-512 units, 60,000 training examples`."""
    return f"{shape[0]} units, {shape[1]:,} training examples"


def of_shape(source: Source, shape: tuple[str, int], figure: Figure) -> Figure:
    """A figure named and titled as that of a shape, and folded where it is not of the first."""
    return replace(
        figure,
        name=f"{figure.name}{ending(source, shape)}",
        title=f"{figure.title}{where(source, shape)}",
        folded=figure.folded or folded(source, shape),
    )


def ending(source: Source, shape: tuple[str, int]) -> str:
    """Ending of the name of a shape's figure: its number, where there are several."""
    return f"-{source.shapes.index(shape) + 1}" if len(source.shapes) > 1 else ""


def where(source: Source, shape: tuple[str, int]) -> str:
    """Ending of a shape's title: the shape, where there are several."""
    return f": {shape_words(shape)}" if len(source.shapes) > 1 else ""


def folded(source: Source, shape: tuple[str, int]) -> bool:
    """Whether the page shows a shape's figure only when it is asked for: all but the first."""
    return shape != source.shapes[0]


def left_out(source: Source) -> tuple[str, ...]:
    """A sentence that says which shapes a section leaves out that looks into `MOST` of them; none where it has all."""
    count = len(source.shapes)
    if count <= MOST:
        return ()
    return (
        f"The study has {count} networks and training sizes; here are the first {MOST}, in its own order.",
    )
