"""Fields that say nothing about a training function, which decides them itself: their values are placeholders.

A study needs a value of each. They are neither in its study file nor on its page.
"""

from __future__ import annotations

from typing import Any

from dropstudy.spec.data_names import OWN_DATA

OF_FUNCTION = {
    "epochs": 1,
    "batch_size": 1,
    "patience": 0,
    "restore_best_weights": False,
    "keep_weights": "none",
}
"""A run is one unit to dropstudy, which keeps no weights."""

_OF_OWN_DATA = {"validation_split": 0.5, "train_sizes": ["all"], "fixed_validation": False, "scale": 1.0}
"""Of data that only the function knows."""


def placeholders(model: object, data: object) -> dict[str, Any]:
    """Placeholders of a study by field, as its file would have them; none without a training function.

    Args:
        model: of the study, a `ModelReference` or its table.
        data: name of its data.
    """
    function = model.get("function") if isinstance(model, dict) else getattr(model, "function", "")
    if not function:
        return {}
    return OF_FUNCTION | (_OF_OWN_DATA if data == OWN_DATA else {})
