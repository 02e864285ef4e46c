"""Calls of our native kernels in place of XLA's, in processes that have the compiled library.

`DROPSTUDY_KERNELS` is the path of the library; the local workers set it. Without it, or on a processor where the
kernels are not faster, nothing here is called.
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

from dropstudy.engine.native.build import VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from jax.typing import ArrayLike, DTypeLike

_GATHER, _MULTIPLY, _UPDATE = "dropstudy_gather", "dropstudy_multiply", "dropstudy_update"

# jax has no types for these two.
_array_of = cast("Callable[..., Any]", jax.ShapeDtypeStruct)
_capsule = cast("Callable[..., Any]", jax.ffi.pycapsule)

MIN_MULTIPLICATIONS = 2_000_000
"""Multiplications of a batch's forward pass from which the kernels are faster: benchmarks/README.md."""


class Layer(NamedTuple):
    """A layer's kernel, (out, in), with its moments and, as `network.Operands`, the operands of products."""

    kernel_OxI: Array
    m_OxI: Array
    v_OxI: Array
    forward_OxI: Array | None
    backward_IxO: Array | None


@lru_cache(maxsize=1)
def precisions() -> frozenset[str]:
    """Types of operands for which this process has kernels that are faster than XLA's."""
    path = Path(os.environ.get(VARIABLE, "off"))
    if not path.is_file():
        return frozenset()
    try:
        library = ctypes.CDLL(str(path))
        calls = {name: getattr(library, name) for name in (_GATHER, _MULTIPLY, _UPDATE)}
    except (
        OSError,
        AttributeError,
    ):  # damaged, or on a disk that allows no execution: XLA's kernels do as well
        return frozenset()
    for name, call in calls.items():
        jax.ffi.register_ffi_target(name, _capsule(call), platform="cpu")
    types = ("float32", "bfloat16")
    return frozenset(name for bf16, name in enumerate(types) if library.dropstudy_is_faster(bf16))


def is_faster(precision: str, widths: tuple[int, ...], batch_size: int) -> bool:
    """True if a network of `widths` trains faster with the kernels: they exist, and its products are not tiny."""
    weights = sum(units_in * units_out for units_in, units_out in itertools.pairwise(widths))
    return weights * batch_size >= MIN_MULTIPLICATIONS and precision in precisions()


def gather(x: Array, rows: Array, scale: ArrayLike, compute: DTypeLike) -> Array:
    """Rows of uint8 inputs divided by `scale` as float32, (rows, features), in type `compute`."""
    call: Callable[..., Any] = jax.ffi.ffi_call(_GATHER, _array_of((*rows.shape, x.shape[1]), compute))
    gathered: Array = call(x, rows, jnp.asarray(scale, jnp.float32))
    return gathered


def multiply(left: Array, right: Array, axis: int) -> Array:
    """Product of a matrix over its second axis with another over `axis`, both of one type; float32."""
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
    """Take a step of Adam on a kernel whose gradient is the product of `delta` with `right` over the examples.

    Args:
        delta_OxB: dL/dz of the layer, in the type of the products.
        right: inputs of the layer, in the same type: (B, I) for axis 0, (I, B) for axis 1.
        axis: axis of the examples in `right`.
        before: the layer before this step; its memory is reused.
        numbers: (5,) float32: step size, 1 - beta_1, 1 - beta_2, epsilon, and the L2 penalty's factor on the weights.
        after: arrays computed before the inputs are overwritten; else XLA copies the inputs.
    """
    weights = [before.kernel_OxI, before.m_OxI, before.v_OxI]
    copies = [copy for copy in (before.forward_OxI, before.backward_IxO) if copy is not None]
    results = [_array_of(array.shape, array.dtype) for array in (*weights, *copies)]
    aliases = {2: 0, 3: 1, 4: 2} | {6 + number: 3 + number for number in range(len(copies))}
    call: Callable[..., Any] = jax.ffi.ffi_call(_UPDATE, results, input_output_aliases=aliases)
    arrays = (delta_OxB, right, *weights, numbers, *copies, *after)
    with_transpose = np.bool_(before.backward_IxO is not None)
    kernel, m, v, *copies = call(*arrays, transposed=np.bool_(axis == 1), with_transpose=with_transpose)
    forward = copies.pop(0) if before.forward_OxI is not None else None
    return Layer(kernel, m, v, forward, copies.pop() if with_transpose else None)
