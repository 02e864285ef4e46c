"""Records of a Keras model that the user brings: its reference in a study, and what a worker builds it from."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, repr=False)
class ModelReference:
    """Reference to a Keras model by its description: the study holds that, and a worker builds the model from it.

    Args:
        name: name in tables and charts.
        sha256: digest of the description, which is all that the model's numbers depend on.
        parameters: number of weights.
        operations: floating-point operations of training on one example, approximately.
        optimizer: its optimiser, in words.
        noise: names of the dropout layers that the rate moves.
    """

    name: str
    sha256: str
    parameters: int = field(compare=False)
    operations: float = field(compare=False)
    optimizer: str = field(compare=False)
    noise: tuple[str, ...] = field(compare=False)

    def __repr__(self) -> str:
        return f"{self.name!r} ({self.sha256[:8]})"


@dataclass(frozen=True)
class ModelSource:
    """What a worker builds a Keras model from.

    Args:
        description: `ModelReference.sha256` is its digest; see `engine/keras/description.py`.
        builder: the function that builds it, pickled, where the description is not enough. It is passed on to
            workers, and never stored.
        weights: initial weights of all seeds as a safetensors file, where they are not drawn for each seed.
    """

    description: str
    builder: bytes = b""
    weights: bytes = b""
