"""Records of a Keras model or training function of the user's: its reference in a study, and what workers need."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, repr=False)
class ModelReference:
    """Reference to a Keras model or training function by its description, which the study holds.

    Args:
        name: name in tables and charts.
        sha256: digest of the description, which is all that the model's numbers depend on.
        parameters: number of weights.
        operations: floating-point operations of training on one example, approximately.
        optimizer: its optimiser, in words.
        noise: names of the dropout layers that the rate moves.
        function: module and name of a training function, of which nothing else is known; empty for a Keras model.
        builder: module and name of the function that builds a Keras model, where its configuration is not enough.
    """

    name: str
    sha256: str
    parameters: int = field(compare=False)
    operations: float = field(compare=False)
    optimizer: str = field(compare=False)
    noise: tuple[str, ...] = field(compare=False)
    function: str = field(default="", compare=False)
    builder: str = field(default="", compare=False)

    @property
    def is_function(self) -> bool:
        """True for a training function."""
        return bool(self.function)

    @property
    def can_be_continued(self) -> bool:
        """True where a command finds what it needs: the user's function by its name, or the model's description."""
        needed = self.function or self.builder
        return not needed.startswith("__main__:") and "<" not in needed

    def __repr__(self) -> str:
        return f"{self.name!r} ({self.sha256[:8]})"


@dataclass(frozen=True)
class ModelSource:
    """What a worker builds a Keras model from, or the training function that it calls.

    Args:
        description: `ModelReference.sha256` is its digest; see `engine/keras/description.py`.
        builder: the function that builds it, pickled, where the description is not enough; or the training function.
            It is passed on to workers, and never stored.
        weights: initial weights of all seeds as a safetensors file, where they are not drawn for each seed.
        reports: folder in which a training function's epochs and output are seen while it runs; empty for none.
    """

    description: str
    builder: bytes = b""
    weights: bytes = b""
    reports: str = ""
