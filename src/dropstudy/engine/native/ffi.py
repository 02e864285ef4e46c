"""Kernels of our own in the place of XLA's, where the process that trains was given them.

`kernels.cc` beside this file says what they do better. `DROPSTUDY_KERNELS` names the compiled library; the
local workers set it. Where there is none, or it gains nothing on this processor, nothing here is called.
"""

from __future__ import annotations

import ctypes
import itertools
import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

if TYPE_CHECKING:
    from collections.abc import Callable

    from jax.typing import ArrayLike, DTypeLike

_VARIABLE = "DROPSTUDY_KERNELS"
_GATHER, _MULTIPLY, _UPDATE = "dropstudy_gather", "dropstudy_multiply", "dropstudy_update"

# jax ships no types for these two.
_array_of = cast("Callable[..., Any]", jax.ShapeDtypeStruct)
_capsule = cast("Callable[..., Any]", jax.ffi.pycapsule)

LEAST_WORK = 2_000_000
"""Multiplications of a batch on its way through a network, from which on the kernels gain: benchmarks/README.md."""


class Layer(NamedTuple):
    """A layer's kernel, (out, in), with its moments and the copies that products take, as `network.Operands`."""

    kernel_OxI: Array
    m_OxI: Array
    v_OxI: Array
    forward_OxI: Array | None
    backward_IxO: Array | None


@lru_cache(maxsize=1)
def precisions() -> frozenset[str]:
    """In which types of operands the kernels are used."""
    path = Path(os.environ.get(_VARIABLE, "off"))
    if not path.is_file():
        return frozenset()
    try:
        library = ctypes.CDLL(str(path))
        calls = {name: getattr(library, name) for name in (_GATHER, _MULTIPLY, _UPDATE)}
    except (
        OSError,
        AttributeError,
    ):  # damaged, or on a disk from which the system runs no code: XLA's do as well
        return frozenset()
    for name, call in calls.items():
        jax.ffi.register_ffi_target(name, _capsule(call), platform="cpu")
    types = ("float32", "bfloat16")
    return frozenset(name for bf16, name in enumerate(types) if library.dropstudy_gains(bf16))


def gains(precision: str, widths: tuple[int, ...], batch_size: int) -> bool:
    """Whether a network of `widths` trains sooner with the kernels: they are there, and its products are not tiny."""
    weights = sum(units_in * units_out for units_in, units_out in itertools.pairwise(widths))
    return weights * batch_size >= LEAST_WORK and precision in precisions()


def gather(x: Array, rows: Array, scale: ArrayLike, compute: DTypeLike) -> Array:
    """Rows of uint8 inputs divided by `scale` as float32, (rows, features), in type `compute`."""
    call: Callable[..., Any] = jax.ffi.ffi_call(_GATHER, _array_of((*rows.shape, x.shape[1]), compute))
    taken: Array = call(x, rows, jnp.asarray(scale, jnp.float32))
    return taken


def multiply(left: Array, right: Array, axis: int) -> Array:
    """The product of a matrix over its second axis with another over `axis`, both of one type; float32."""
    columns = right.shape[1 - axis]
    call: Callable[..., Any] = jax.ffi.ffi_call(_MULTIPLY, _array_of((left.shape[0], columns), jnp.float32))
    product: Array = call(left, right, transposed=np.bool_(axis == 1))
    return product


def update(
    delta_OxB: Array,
    right: Array,
    axis: int,
    *,
    before: Layer,
    numbers: Array,
    after: tuple[Array, ...] = (),
) -> Layer:
    """Adam on a kernel whose gradient is the product of `delta` over its second axis with `right` over `axis`.

    Args:
        delta_OxB: dL/dz of the layer, in the type of the products.
        right: what the layer was given, in the same type: (B, I) for axis 0, (I, B) for axis 1.
        axis: of `right`, the examples.
        before: the layer before this step; its memory is used again.
        numbers: (5,) float32: step size, gain of m, gain of v, epsilon, and what of the weights themselves is added
            to the gradient.
        after: arrays computed before the inputs are overwritten; else XLA copies the inputs.
    """
    weights = [before.kernel_OxI, before.m_OxI, before.v_OxI]
    copies = [copy for copy in (before.forward_OxI, before.backward_IxO) if copy is not None]
    results = [_array_of(array.shape, array.dtype) for array in (*weights, *copies)]
    aliases = {2: 0, 3: 1, 4: 2} | {6 + number: 3 + number for number in range(len(copies))}
    call: Callable[..., Any] = jax.ffi.ffi_call(_UPDATE, results, input_output_aliases=aliases)
    turned = before.backward_IxO is not None
    arrays = (delta_OxB, right, *weights, numbers, *copies, *after)
    kernel, m, v, *made = call(*arrays, transposed=np.bool_(axis == 1), turned=np.bool_(turned))
    return Layer(
        kernel, m, v, made[0] if before.forward_OxI is not None else None, made[-1] if turned else None
    )
