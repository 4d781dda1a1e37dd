"""The results of rank units, compared with sums of the same vectors that were formed a second time."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from archsim.nmp.functional import RowLayout, TableContents
from archsim.nmp.instruction import POOLINGS_MAX

if TYPE_CHECKING:
    from archsim.kernels.sums_check import CheckSums

#: Numbers of results that are compared together: they and what is made of them fit into a cache.
_BLOCK = 1 << 13
_FP32_EPSILON = 2.0**-23
_FP32_TINY = 2.0**-126
_FP32_MAX = float(np.finfo(np.float32).max)

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


class Bursts(NamedTuple):
    """Bursts of whole packets, and the lookups they belong to.

    Attributes
    ----------
    packet_first : int64 array [packets + 1]
        First burst of each packet.
    order : int64 array [bursts]
        Bursts of each packet in order of arrival at their rank unit.
    lookup, rank : int32 arrays [bursts]
        Lookup of each burst and its rank; the bursts of a lookup follow one another in address order.
    rows : int64 array [lookups]
        Row of each lookup.
    tables, pooling : int32 arrays [lookups]
        Table of each lookup, and the pooling it belongs to.
    """

    packet_first: Ints
    order: Ints
    lookup: npt.NDArray[np.int32]
    rank: npt.NDArray[np.int32]
    rows: Ints
    tables: npt.NDArray[np.int32]
    pooling: npt.NDArray[np.int32]


def check_float64(
    contents: TableContents,
    rows: Ints,
    weights: Floats | None,
    tables: npt.NDArray[np.int32],
    starts: Ints,
    sizes: Ints,
    pooled: Floats,
    *,
    mean: bool = False,
) -> float:
    """Compare poolings with their sums in float64.

    Parameters
    ----------
    contents : TableContents
        The tables.
    rows : int64 array [lookups]
        Row of each lookup.
    weights : float32 array [lookups] or None
        Factors, for weighted sums or means.
    tables : int32 array [poolings]
        Table of each pooling.
    starts, sizes : int64 arrays [poolings]
        First lookup of each pooling, and its lookups.
    pooled : float32 array [poolings, elements]
        What came back from the rank units; no narrower than the tables' vectors.
    mean : bool
        The sums are divided by the numbers of lookups.

    Returns
    -------
    float
        Largest absolute difference over the elements.

    Raises
    ------
    ArithmeticError
        When a difference exceeds what FP32 rounding explains: two units of rounding of the sum of magnitudes per
        operation (Higham, Accuracy and Stability of Numerical Algorithms, sections 3.1 and 4.2). A pooling of n
        lookups rounds at most n - 1 additions; up to 3 operations make a term (weight into scale and bias, product,
        bias), 2 more a mean (reciprocal, product). Of an 8-bit row the magnitude is that of product and bias apart,
        which may cancel.
    """
    kernel, step, largest = _kernel(contents), max(1, _BLOCK // pooled.shape[1]), 0.0
    for low in range(0, len(pooled), step):
        here = slice(low, low + step)
        results, lookups = pooled[here], sizes[here]
        exact, magnitude = np.zeros(results.shape), np.zeros(results.shape)
        kernel.in_float64(rows, weights, tables[here], starts[here], lookups, exact, magnitude)
        # Near the largest FP32 number a sum may rightly overflow, even when the mean would not.
        finite = magnitude < _FP32_MAX
        if mean:
            divisor = np.maximum(lookups, 1)[:, None]
            exact /= divisor
            magnitude /= divisor
        # Below the smallest normal number rounding is absolute.
        bound = (lookups + 8)[:, None] * (_FP32_EPSILON * magnitude + _FP32_TINY)
        error = np.where(finite, np.abs(results - exact), 0.0)
        explained = error <= bound
        if not np.all(explained):
            k, element = (int(part) for part in np.argwhere(~explained)[0])
            raise ArithmeticError(
                f"pooled {'mean' if mean else 'sum'} of {lookups[k]} rows of table {tables[low + k]}: element "
                f"{element} is {results[k, element]!r}, float64 says {exact[k, element]!r}"
            )
        largest = max(largest, float(error.max(initial=0.0)))
    return largest


def sums_in_order(
    contents: TableContents,
    bursts: Bursts,
    weights: Floats | None,
    ranks: int,
    ranks_per_dimm: int,
    poolings: int,
    layout: RowLayout | None = None,
) -> Floats:
    """Add vectors in FP32, addition by addition in the modelled order.

    Parameters
    ----------
    contents : TableContents
        The tables.
    bursts : Bursts
        Whole packets.
    weights : float32 array [lookups] or None
        Factors, for weighted sums or means.
    ranks, ranks_per_dimm : int
        Psum registers of a pooling, and those that one DIMM adds pairwise; the host adds the DIMMs in order.
    poolings : int
        Poolings to add: the first ones.
    layout : RowLayout, optional
        How rows are stored; packed by default.

    Returns
    -------
    float32 array [poolings, elements]
        Their sums, each padded with zeros to the widest table.
    """
    sums = np.zeros((poolings, int(contents.elements.max())), np.float32)
    _kernel(contents, layout).in_order(*bursts, weights, ranks, ranks_per_dimm, POOLINGS_MAX, sums)
    return sums


def check_bits(pooled: Floats, expected: Floats, sizes: Ints, first: int) -> None:
    """Compare results [poolings, elements] bit by bit with those expected; ``first`` is the number of the first one.

    Raises
    ------
    ArithmeticError
        When a bit differs.
    """
    # A number that is no number has no one pattern of bits.
    wrong = (pooled.view(np.uint32) != expected.view(np.uint32)) & ~(np.isnan(pooled) & np.isnan(expected))
    if np.any(wrong):
        k, element = (int(part) for part in np.argwhere(wrong)[0])
        raise ArithmeticError(
            f"pooling {first + k} of {sizes[k]} rows: element {element} is {pooled[k, element]!r}, but adding in the "
            f"same order a second time gives {expected[k, element]!r}"
        )


def _kernel(contents: TableContents, layout: RowLayout | None = None) -> CheckSums:
    from archsim.kernels.sums_check import CheckSums

    vector_bytes = np.array(contents.vector_bytes, np.int64)
    return CheckSums(
        contents.keys, contents.elements, vector_bytes, contents.bits, contents.scales, contents.rowwise,
        *(layout or RowLayout.packed(contents)),
    )  # fmt: skip
