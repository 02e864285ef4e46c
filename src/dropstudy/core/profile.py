"""Profile of a study's training examples: stored in the study, and compared with all later data."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import isfinite


@dataclass(frozen=True)
class DataProfile:
    """Profile of a study's training examples; all later data are compared with it.

    Args:
        dtype: type in which they were stored.
        shape: of one example.
        low: smallest value.
        high: largest value.
        whole: true where all are whole numbers.
        typical: mean size of the values other than 0, in the median column.
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


def is_profile(value: object) -> bool:
    """Check that a value from JSON has the fields of a `DataProfile`, each with a value that is possible."""
    if not isinstance(value, dict) or value.keys() != {field.name for field in fields(DataProfile)}:
        return False
    optional = [
        value[name] for name in ("white", "background", "background_share") if value[name] is not None
    ]
    return (
        isinstance(value["dtype"], str)
        and isinstance(value["shape"], list)
        and all(isinstance(length, int) and length > 0 for length in value["shape"])
        and isinstance(value["whole"], bool)
        and all(_is_number(value[name]) for name in ("low", "high", "typical", "scale"))
        and all(map(_is_number, optional))
        and value["scale"] > 0
        and (value["white"] is None or value["white"] > 0)
    )


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)
