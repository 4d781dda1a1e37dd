"""Convolutions as matrix products of approximate multipliers."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archsim.approx.base import Ints, Multiplier
from archsim.approx.gemm import gemm
from archsim.errors import InputError

#: One number for both directions, or (vertical, horizontal).
Pair = int | tuple[int, ...]
#: Numbers of the unfolded input that are held at a time.
_HELD = 1 << 24


def conv2d(
    x: ArrayLike, weight: ArrayLike, multiplier: Multiplier, *, stride: Pair = 1, padding: Pair = 0,
    dilation: Pair = 1, groups: int = 1, method: str = "auto", accumulator_bits: int = 64, threads: int | None = None,
) -> Ints:  # fmt: skip
    """Convolve images with kernels, as neural networks do (no kernel is turned round).

    Padding is with zeros that are multiplied like any others: a multiplier whose product with 0 is not 0 shows it.

    Parameters
    ----------
    x : array_like of int, shape (images, channels, height, width)
        First operands of the multiplier.
    weight : array_like of int, shape (outputs, channels / groups, kernel_height, kernel_width)
        Second operands.
    multiplier : Multiplier
    stride, dilation : int or (int, int)
        Of both directions, or vertical and horizontal; at least 1.
    padding : int or (int, int)
        At least 0: above and below, left and right.
    groups : int
        At least 1.
    method, accumulator_bits, threads
        As of `archsim.approx.gemm`.

    Returns
    -------
    ndarray of int64, shape (images, outputs, out_height, out_width)

    Raises
    ------
    InputError
        For shapes that do not go together, and what `archsim.approx.gemm` refuses.
    """
    x, weight = multiplier.check_operands(x, "x"), multiplier.check_operands(weight, "weight")
    strides, pads, dilations = _pair("stride", stride), _pair("padding", padding), _pair("dilation", dilation)
    _check_shapes(x, weight, strides, pads, dilations, groups)
    images, _, height, width = x.shape
    outputs, depth, rows, columns = weight.shape
    size = tuple(
        (edge + 2 * pad - apart * (kernel - 1) - 1) // step + 1
        for edge, kernel, step, pad, apart in zip(
            (height, width), (rows, columns), strides, pads, dilations, strict=True
        )
    )
    if min(size) < 1:
        raise InputError(f"x {x.shape} and weight {weight.shape}: the kernel is larger than the padded image")
    padded = np.pad(x, ((0, 0), (0, 0), *((pad, pad) for pad in pads)))
    out = np.empty((images, outputs, *size), np.int64)
    share = outputs // groups
    step = max(1, _HELD // max(depth * rows * columns * size[0] * size[1], 1))
    for group in range(groups):
        part = slice(group * share, (group + 1) * share)
        kernels = weight[part].reshape(share, -1).T
        for first in range(0, images, step):
            some = padded[first : first + step, group * depth : (group + 1) * depth]
            patches = _patches(some, rows, columns, size, strides, dilations)
            sums = gemm(
                patches,
                kernels,
                multiplier,
                method=method,
                accumulator_bits=accumulator_bits,
                threads=threads,
            )
            out[first : first + step, part] = sums.reshape(len(some), *size, share).transpose(0, 3, 1, 2)
    return out


def _pair(name: str, value: Pair) -> tuple[int, ...]:
    both = (value, value) if isinstance(value, int) else tuple(value)
    if len(both) != 2:
        raise InputError(f"{name} = {value}: must be one number or two")
    return both


def _patches(
    x: NDArray[np.integer],
    rows: int,
    columns: int,
    size: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
) -> NDArray[np.integer]:
    """Unfold images: one row for each place of the kernel, shape (images * out_height * out_width, depth)."""
    span = (dilation[0] * (rows - 1) + 1, dilation[1] * (columns - 1) + 1)
    windows = np.lib.stride_tricks.sliding_window_view(x, span, axis=(2, 3))
    windows = windows[:, :, :: stride[0], :: stride[1], :: dilation[0], :: dilation[1]]
    ordered = windows.transpose(0, 2, 3, 1, 4, 5)
    return np.ascontiguousarray(ordered).reshape(len(x) * size[0] * size[1], -1)


def _check_shapes(
    x: NDArray[np.integer],
    weight: NDArray[np.integer],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
    groups: int,
) -> None:
    for name, value, least in (
        ("stride", stride, 1),
        ("padding", padding, 0),
        ("dilation", dilation, 1),
        ("groups", (groups,), 1),
    ):
        if min(value) < least:
            raise InputError(f"{name} = {min(value)}: must be at least {least}")
    if x.ndim != 4 or weight.ndim != 4:
        raise InputError(f"x {x.shape} and weight {weight.shape}: must have four axes each")
    if x.shape[1] != weight.shape[1] * groups or weight.shape[0] % groups:
        raise InputError(
            f"x {x.shape} and weight {weight.shape}: {groups} groups need channels {weight.shape[1] * groups} and "
            f"outputs that {groups} divides"
        )
