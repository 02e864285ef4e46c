"""Values as JSON has them."""

from __future__ import annotations

from math import isfinite
from typing import Any


def json_values(value: Any) -> Any:
    """Dicts, lists, text and numbers; tuples become lists, and numbers that are not finite None."""
    if isinstance(value, dict):
        return {name: json_values(item) for name, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [json_values(item) for item in value]
    return None if isinstance(value, float) and not isfinite(value) else value
