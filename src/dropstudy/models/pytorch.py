"""Set the dropout rate of a PyTorch module: `dropstudy.set_dropout_rate`. PyTorch itself is never imported here."""

from __future__ import annotations

from typing import Any

from dropstudy.core.bounds import Rate
from dropstudy.core.validation import validate
from dropstudy.errors import InvalidArgument, ModelError

__all__ = ["set_dropout_rate"]

_ATTRIBUTES = {
    "_DropoutNd": "p",
    "MultiheadAttention": "dropout",
    "RNNBase": "dropout",
    "RNNCellBase": "dropout",
}
"""Classes of PyTorch whose dropout has a rate, and the attribute that holds it."""


def set_dropout_rate(module: Any, rate: float) -> list[str]:
    """Set the rate of all dropout in a PyTorch module, and return the names of the modules that have it.

    These are Dropout, Dropout1d to 3d, AlphaDropout and FeatureAlphaDropout, MultiheadAttention, and LSTM, GRU and RNN
    of several layers, since PyTorch drops between layers alone.

    Args:
        module: a `torch.nn.Module`; it is changed.
        rate: share dropped, from 0 to below 1.

    Raises:
        ModelError: the module has no dropout.
        InvalidArgument: another kind of object, or a rate out of range.

    Example:
        >>> set_dropout_rate(network, 0.2)  # doctest: +SKIP
        ['features.2', 'classifier.1']
    """
    share = validate("rate", rate, Rate)
    if not hasattr(module, "named_modules"):
        raise InvalidArgument("module", expected="a torch.nn.Module", received=f"a {type(module).__name__}")
    found = []
    for name, each in module.named_modules():
        attribute = _attribute(each)
        if attribute is not None:
            setattr(each, attribute, share)
            found.append(name or type(each).__name__)
    if not found:
        raise ModelError(
            type(module).__name__,
            expected="a module with dropout",
            received=_received(module),
            next_step="Put torch.nn.Dropout(rate) into it where units are to be dropped.",
        )
    return found


def _attribute(module: Any) -> str | None:
    """Attribute with the rate of a module; None for a module without dropout of its own."""
    for base in type(module).__mro__:
        name = _ATTRIBUTES.get(base.__name__)
        if name is not None and base.__module__.partition(".")[0] == "torch" and hasattr(module, name):
            return None if getattr(module, "num_layers", 2) == 1 else name
    return None


def _received(module: Any) -> str:
    single = [
        name
        for name, each in module.named_modules()
        if getattr(each, "num_layers", 2) == 1
        and any(base.__name__ == "RNNBase" for base in type(each).__mro__)
    ]
    if single:
        return f"recurrent layers of one layer ({', '.join(single)}), in which PyTorch drops nothing"
    return "none among its modules; torch.nn.functional.dropout in `forward` cannot be found"
