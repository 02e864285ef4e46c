"""Kernels of our own in the place of XLA's, where the process that trains was given them.

`dropstudy/kernels/kernels.cc` says what they do better. `DROPSTUDY_KERNELS` names the compiled library; the
local workers set it. Where there is none, or it gains nothing on this processor, nothing here is called.
"""

from __future__ import annotations

import ctypes
import os
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

if TYPE_CHECKING:
    from collections.abc import Callable

    from jax.typing import DTypeLike

_VARIABLE = "DROPSTUDY_KERNELS"
# jax ships no types for these two.
_array_of = cast("Callable[..., Any]", jax.ShapeDtypeStruct)
_capsule = cast("Callable[..., Any]", jax.ffi.pycapsule)

_MULTIPLY, _UPDATE = "dropstudy_multiply", "dropstudy_update"


class Updated(NamedTuple):
    """A layer's kernel after a step, (out, in), and its copies for the next products."""

    kernel_OxI: Array
    m_OxI: Array
    v_OxI: Array
    forward_OxI: Array | None
    backward_IxO: Array | None


@lru_cache(maxsize=1)
def precisions() -> frozenset[str]:
    """In which types of operands the kernels are used."""
    path = os.environ.get(_VARIABLE, "")
    if not path or not os.path.isfile(path):  # noqa: PTH113 - `off` is no path, and `Path` would say nothing more
        return frozenset()
    library = ctypes.CDLL(path)
    for name in (_MULTIPLY, _UPDATE):
        jax.ffi.register_ffi_target(name, _capsule(getattr(library, name)), platform="cpu")
    types = ("float32", "bfloat16")
    return frozenset(name for bf16, name in enumerate(types) if library.dropstudy_gains(bf16))


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
    kernel_OxI: Array,
    m_OxI: Array,
    v_OxI: Array,
    numbers: Array,
    turned: bool,
) -> Updated:
    """Adam on a kernel whose gradient is the product of `delta` over its second axis with `right` over `axis`.

    Args:
        delta_OxB: dL/dz of the layer, in the type of the products.
        right: what the layer was given, in the same type: (B, I) for axis 0, (I, B) for axis 1.
        axis: of `right`, the examples.
        kernel_OxI: weights.
        m_OxI: first moment.
        v_OxI: second moment.
        numbers: (5,) float32: step size, gain of m, gain of v, epsilon, and what of the weights themselves is added
            to the gradient.
        turned: whether a transposed copy is wanted.
    """
    compute: DTypeLike = delta_OxB.dtype
    shape, copied = kernel_OxI.shape, compute != jnp.float32
    results: list[Any] = [_array_of(shape, jnp.float32)] * 3
    if copied:
        results.append(_array_of(shape, compute))
    if turned:
        results.append(_array_of(shape[::-1], compute))
    call: Callable[..., Any] = jax.ffi.ffi_call(_UPDATE, results, input_output_aliases={2: 0, 3: 1, 4: 2})
    arrays = (delta_OxB, right, kernel_OxI, m_OxI, v_OxI, numbers)
    kernel, m, v, *copies = call(*arrays, transposed=np.bool_(axis == 1), turned=np.bool_(turned))
    return Updated(kernel, m, v, copies[0] if copied else None, copies[-1] if turned else None)
