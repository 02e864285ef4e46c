"""Small networks with random weights, for tests of files and models."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from dropstudy.core.tensors import pack_weights
from dropstudy.core.types import Arm, Layer
from dropstudy.models.keras import export as export_to

SMALL = (4, 3, 2)


def network(widths=SMALL, seed=0):
    """Random weights of about unit gain, biases too, so that no unit is idle."""
    random = np.random.default_rng(seed)
    return tuple(
        Layer(
            random.normal(0, a**-0.5, size=(a, b)).astype(np.float32),
            random.normal(size=b).astype(np.float32),
        )
        for a, b in pairwise(widths)
    )


def same(a, b):
    """Compare two networks to the bit."""
    ours, theirs = pack_weights(a), pack_weights(b)
    return ours.keys() == theirs.keys() and all(np.array_equal(ours[name], theirs[name]) for name in ours)


def export(
    path, weights=None, *, file_format="keras", rate=0.5, arm=None, activation="relu", name="net", **notes
):
    """Call `export` with everything but the path filled in, and return the path."""
    export_to(
        network() if weights is None else weights,
        path=path,
        file_format=file_format,
        arm=arm or Arm("arm", rate),
        activation=activation,
        name=name,
        metadata=notes,
    )
    return path
