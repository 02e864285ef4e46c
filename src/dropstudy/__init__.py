"""Does dropout help my network, at which rate, and how sure can I be?

The public names, and nothing else. Importing this package is cheap: each name brings what it needs when it is
used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dropstudy.core.dataset import Dataset
    from dropstudy.core.types import Arm, Optimizer
    from dropstudy.data.load import load_dataset
    from dropstudy.data.memory import dataset
    from dropstudy.errors import DropstudyError
    from dropstudy.models.pytorch import set_dropout_rate
    from dropstudy.runtime.cluster import connect
    from dropstudy.runtime.events import Callback
    from dropstudy.store.history import History
    from dropstudy.study.classifier import DropoutClassifier
    from dropstudy.study.compare import compare
    from dropstudy.study.compare_studies import compare_studies
    from dropstudy.study.given_scores import verdict
    from dropstudy.study.study import Study

__version__ = "0.1.0"

__all__ = [
    "Arm",
    "Callback",
    "Dataset",
    "DropoutClassifier",
    "DropstudyError",
    "History",
    "Optimizer",
    "Study",
    "__version__",
    "compare",
    "compare_studies",
    "connect",
    "dataset",
    "load_dataset",
    "set_dropout_rate",
    "verdict",
]

_HOMES = {
    "Arm": "core.types",
    "Callback": "runtime.events",
    "Dataset": "core.dataset",
    "DropoutClassifier": "study.classifier",
    "DropstudyError": "errors",
    "History": "store.history",
    "Optimizer": "core.types",
    "Study": "study.study",
    "compare": "study.compare",
    "compare_studies": "study.compare_studies",
    "connect": "runtime.cluster",
    "dataset": "data.memory",
    "load_dataset": "data.load",
    "set_dropout_rate": "models.pytorch",
    "verdict": "study.given_scores",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'dropstudy' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(f"dropstudy.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
