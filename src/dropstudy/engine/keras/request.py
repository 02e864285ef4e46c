"""Request to describe a Keras model, as it goes to a worker. Imports neither Keras nor jax."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ModelRequest:
    """A model to describe, and how it is used.

    Args:
        builder: the function or model, pickled.
        chosen: optimiser and loss in place of the model's, pickled; None for the model's.
        name: of the model in tables; empty for Keras' own.
        builder_name: module and name of the function.
        source: digest of its source.
        input_shape: of an example.
        classes: number of classes.
        rates: rates of the arms.
        dropout_layers: names of the layers that the rate moves; empty for all with dropout.
        add_dropout: put a dropout layer behind each activation.
        pretrained: all seeds start from the weights that the model has, in place of weights drawn for each.
    """

    builder: bytes
    chosen: bytes
    name: str
    builder_name: str
    source: str
    input_shape: tuple[int, ...]
    classes: int
    rates: tuple[float, ...]
    dropout_layers: tuple[str, ...] = ()
    add_dropout: bool = False
    pretrained: bool = False
