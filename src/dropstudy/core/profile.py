"""Profile of a study's training examples: kept in the study, and compared with all later data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DataProfile:
    """Profile of a study's training examples; all later data are compared with it.

    Args:
        dtype: in which they were stored.
        shape: of one example.
        low: their smallest value.
        high: their largest.
        whole: true where all are whole numbers.
        typical: size of a value that is not 0, in the median column.
        scale: the network sees `x / scale`.
        white: the value of white, where they are pixels from 0 up; else None.
        background: the most frequent value along the border, where they are images; else None.
        background_share: its share of the values there.
    """

    dtype: str
    shape: tuple[int, ...]
    low: float
    high: float
    whole: bool
    typical: float
    scale: float
    white: float | None
    background: float | None
    background_share: float | None
