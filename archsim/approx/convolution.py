"""Convolutions as matrix products of approximate multipliers."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archsim.approx.base import Ints, Multiplier
from archsim.approx.checks import whole_number
from archsim.approx.gemm import check_fit, gemm
from archsim.errors import InputError

#: One number for both directions, or (vertical, horizontal).
Pair = int | tuple[int, ...]
#: Numbers of the unfolded input that are held at a time.
_HELD = 1 << 24
#: Numbers of the padded images, and of the result.
_MOST_NUMBERS = 1 << 32


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
    strides, pads, dilations = (
        _pair("stride", stride, 1),
        _pair("padding", padding, 0),
        _pair("dilation", dilation, 1),
    )
    groups = whole_number("groups", groups, 1)
    accumulator_bits = whole_number("accumulator_bits", accumulator_bits, 8, 64)
    _check_shapes(x, weight, groups)
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
    _check_size(x, weight, pads, size)
    padded = np.pad(x, ((0, 0), (0, 0), *((pad, pad) for pad in pads)))
    out = np.empty((images, outputs, *size), np.int64)
    share = outputs // groups
    step = max(1, _HELD // max(depth * rows * columns * size[0] * size[1], 1))
    for group in range(groups):
        part = slice(group * share, (group + 1) * share)
        kernels = weight[part].reshape(share, depth * rows * columns).T
        for first in range(0, images, step):
            some = padded[first : first + step, group * depth : (group + 1) * depth]
            patches = _patches(some, rows, columns, size, strides, dilations)
            sums = gemm(
                patches,
                kernels,
                multiplier,
                method=method,
                threads=threads,
            )
            out[first : first + step, part] = sums.reshape(len(some), *size, share).transpose(0, 3, 1, 2)
    check_fit(out, accumulator_bits)
    return out


def _pair(name: str, value: Pair, least: int) -> tuple[int, ...]:
    both = value if isinstance(value, tuple | list) else (value, value)
    if len(both) != 2:
        raise InputError(f"{name} = {value}: must be one number or two")
    return tuple(whole_number(name, each, least) for each in both)


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
    groups: int,
) -> None:
    if x.ndim != 4 or weight.ndim != 4:
        raise InputError(f"x {x.shape} and weight {weight.shape}: must have four axes each")
    if x.shape[1] != weight.shape[1] * groups or weight.shape[0] % groups:
        raise InputError(
            f"x {x.shape} and weight {weight.shape}: {groups} groups need channels {weight.shape[1] * groups} and "
            f"outputs that {groups} divides"
        )
    if not weight.shape[2] or not weight.shape[3]:
        raise InputError(f"weight {weight.shape}: a kernel must have a height and a width")


def _check_size(
    x: NDArray[np.integer], weight: NDArray[np.integer], padding: tuple[int, ...], size: tuple[int, ...]
) -> None:
    """Refuse what no memory holds before any of it is taken: a mistaken padding is soon that large."""
    images, channels, height, width = x.shape
    padded = images * channels * (height + 2 * padding[0]) * (width + 2 * padding[1])
    results = images * len(weight) * size[0] * size[1]
    if max(padded, results) > _MOST_NUMBERS:
        raise InputError(
            f"x {x.shape}, padding = {padding}: {padded:,} numbers with padding and {results:,} results: must be at "
            f"most {_MOST_NUMBERS:,} each; take fewer images at a time"
        )
