"""Matrix products and convolutions whose every product is that of an approximate multiplier; sums are exact.

Two routes give the same whole numbers. *low-rank*: both operands are mapped, once per term, and multiplied by the
fast exact product of floating point, in pieces of the sum that are exact in it. *gather*: a compiled loop looks up
every product. A third, *direct*, multiplies pair by pair; it is for wide multipliers that have neither.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archsim.approx.base import TABLE_BITS, Ints, Multiplier
from archsim.approx.checks import whole_number
from archsim.approx.lowrank import Factors, factors_of
from archsim.errors import InputError, nearest
from archsim.kernels import approx as kernel

Method = Literal["low-rank", "gather", "direct"]
METHODS = ("auto", "low-rank", "gather", "direct")
#: Whole numbers up to here are exact in the type.
_EXACT = {np.dtype(np.float32): 1 << 24, np.dtype(np.float64): 1 << 53}
#: Shortest piece of a sum for which the faster 32-bit product pays.
_SHORTEST = 64
#: Time of a product by table over that of an exact one in 64-bit floating point, measured by benchmarks/approx.py, and
#: of the other route: fixed, and per term, by the type that the pieces are exact in.
_GATHER_COST = 2.2
_TERMS_COST = {np.dtype(np.float32): (0.45, 0.55), np.dtype(np.float64): (0.2, 1.0)}
#: Sums of int32 in the kernel are over so many products at most, so that its part of the operands stays near.
_STEPS = 256
_DIRECT_PAIRS = 1 << 22


@dataclass(frozen=True)
class Plan:
    """How a multiplier's matrix products are computed.

    Attributes
    ----------
    method : {"low-rank", "gather", "direct"}
    rank : int or None
        Terms of the low-rank route; None where no factors of small rank are known.
    why : str
        The reason, in words.
    """

    method: Method
    rank: int | None
    why: str


def plan(multiplier: Multiplier, method: str = "auto") -> Plan:
    """Choose the route of a multiplier's matrix products.

    Parameters
    ----------
    multiplier : Multiplier
    method : {"auto", "low-rank", "gather", "direct"}
        A route to insist on.

    Raises
    ------
    InputError
        For an unknown route, or one that the multiplier does not have.
    """
    if method not in METHODS:
        raise InputError(f"method {method!r}: unknown{nearest(str(method), METHODS)}")
    if method == "direct":
        return Plan("direct", None, "asked for")
    if method == "gather":
        multiplier.table()  # refuses wide operands
        return Plan("gather", None, "asked for")
    factors = factors_of(multiplier)
    if factors is None:
        if method == "low-rank":
            raise InputError(f"{multiplier.label}: no exact factors of small rank; use gather")
        if multiplier.bits <= TABLE_BITS:
            return Plan("gather", None, "no exact factors of small rank")
        return Plan("direct", None, f"no table above {TABLE_BITS} bits, and no factors")
    rank, kind = factors.rank, _type(factors)
    fixed, each = _TERMS_COST[kind]
    cost = fixed + each * rank
    if method == "low-rank" or cost <= _GATHER_COST or multiplier.bits > TABLE_BITS:
        return Plan("low-rank", rank, f"rank {rank}, in pieces that {kind} holds exactly")
    return Plan("gather", rank, f"rank {rank} costs more than a table")


def _type(factors: Factors) -> np.dtype[Any]:
    return np.dtype(np.float32 if (1 << 24) // max(factors.bound, 1) >= _SHORTEST else np.float64)


def gemm(
    a: ArrayLike, b: ArrayLike, multiplier: Multiplier, *, method: str = "auto", accumulator_bits: int = 64,
    threads: int | None = None,
) -> Ints:  # fmt: skip
    """Multiply matrices: ``sum over k of multiplier(a[i, k], b[k, j])``.

    Parameters
    ----------
    a : array_like of int, shape (m, k)
        First operands of the multiplier.
    b : array_like of int, shape (k, n)
        Second operands.
    multiplier : Multiplier
    method : {"auto", "low-rank", "gather", "direct"}
        All give the same numbers.
    accumulator_bits : int
        Refuse sums that do not fit in a signed accumulator of so many bits, 8 to 64.
    threads : int, optional
        Of the gather route; default: processors. Changes no result.

    Returns
    -------
    ndarray of int64, shape (m, n)

    Raises
    ------
    InputError
        For shapes that do not go together, operands that do not fit the multiplier, and sums that do not fit.
    """
    a, b = multiplier.check_operands(a, "a"), multiplier.check_operands(b, "b")
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0]:
        raise InputError(f"a {a.shape} and b {b.shape}: must be (m, k) and (k, n)")
    accumulator_bits = whole_number("accumulator_bits", accumulator_bits, 8, 64)
    threads = None if threads is None else whole_number("threads", threads, 1)
    route = plan(multiplier, method)
    if route.method == "low-rank":
        factors = factors_of(multiplier)
        assert factors is not None
        out = _low_rank(a, b, multiplier, factors)
    elif route.method == "gather":
        out = _gather(a, b, multiplier, threads)
    else:
        out = _direct(a, b, multiplier)
    check_fit(out, accumulator_bits)
    return out


def check_fit(out: Ints, bits: int) -> None:
    """Refuse sums that do not fit in a signed accumulator, with the place of the first one."""
    if bits < 64 and out.size:
        limit = 1 << (bits - 1)
        if int(out.max()) >= limit or int(out.min()) < -limit:
            place = np.argwhere((out >= limit) | (out < -limit))[0].tolist()
            raise InputError(
                f"sum {place}: {int(out[tuple(place)])}: does not fit in an accumulator of {bits} bits"
            )


def _check_depth(depth: int, greatest: int, multiplier: Multiplier) -> None:
    if depth * greatest >= 1 << 63:
        raise InputError(f"{multiplier.label}: sums of {depth} products may not fit in 64 bits")


def _places(values: NDArray[Any], multiplier: Multiplier) -> NDArray[Any]:
    """Return places in the table as the kernel takes them."""
    kind = np.uint8 if multiplier.bits <= 8 else np.uint16
    if multiplier.low and values.dtype == np.int8:  # the sign bit alone differs; -128 is place 0
        values = values.view(np.uint8) ^ np.uint8(128) if multiplier.bits == 8 else values - multiplier.low
    elif multiplier.low:
        values = values.astype(np.int32) - multiplier.low
    return np.ascontiguousarray(values, kind)


def _low_rank(a: NDArray[Any], b: NDArray[Any], multiplier: Multiplier, factors: Factors) -> Ints:
    depth, bound = a.shape[1], max(factors.bound, 1)
    _check_depth(depth, bound, multiplier)
    kind = _type(factors)
    if bound >= _EXACT[np.dtype(np.float64)]:
        return _direct(a, b, multiplier)
    step = min(_EXACT[kind] // bound, max(depth, 1))
    left, right = _places(a, multiplier), _places(b, multiplier)
    out = np.zeros((a.shape[0], b.shape[1]))
    # Exact as long as a sum of magnitudes is; longer sums move on to whole numbers before.
    total: Ints | None = None
    held = 0
    for start in range(0, depth, step):
        stop = min(start + step, depth)
        if held + (stop - start) > _EXACT[np.dtype(np.float64)] // bound:
            total = out.astype(np.int64) if total is None else total + out.astype(np.int64)
            out[:], held = 0.0, 0
        kernel.add_pieces(_piece(left[:, start:stop], right[start:stop], factors, kind), out)
        held += stop - start
    found = out.astype(np.int64) if total is None else total + out.astype(np.int64)
    return found if factors.denominator == 1 else found // factors.denominator


def _piece(left: NDArray[Any], right: NDArray[Any], factors: Factors, kind: np.dtype[Any]) -> NDArray[Any]:
    """Multiply all terms of a piece at once: side by side on the left, under each other on the right."""
    depth, terms = left.shape[1], factors.rank
    x = np.empty((left.shape[0], terms * depth), kind)
    y = np.empty((terms * depth, right.shape[1]), kind)
    for term in range(terms):
        part = slice(term * depth, (term + 1) * depth)
        kernel.take(factors.left[term].astype(kind), left, x[:, part])
        kernel.take(factors.right[term].astype(kind), right, y[part])
    return np.ascontiguousarray(x @ y)


def _gather(a: NDArray[Any], b: NDArray[Any], multiplier: Multiplier, threads: int | None) -> Ints:
    table = multiplier.table()
    greatest = max(-int(table.min()), int(table.max()), 1)
    _check_depth(a.shape[1], greatest, multiplier)
    chunk = max(1, min(_STEPS, ((1 << 31) - 1) // greatest))
    left, right = _places(a, multiplier), _places(b, multiplier)
    out = np.zeros((a.shape[0], b.shape[1]), np.int64)
    workers = min(threads or os.cpu_count() or 1, max(a.shape[0], 1))
    edges = [a.shape[0] * number // workers for number in range(workers + 1)]
    if workers == 1 or out.size * a.shape[1] < 1 << 20:
        kernel.gather(table, left, right, chunk, out)
        return out
    with ThreadPoolExecutor(workers) as pool:
        parts = [
            pool.submit(kernel.gather, table, left[low:high], right, chunk, out[low:high])
            for low, high in pairwise(edges)
        ]
        for part in parts:
            part.result()
    return out


def _direct(a: NDArray[Any], b: NDArray[Any], multiplier: Multiplier) -> Ints:
    _check_depth(a.shape[1], 1 << (2 * multiplier.bits + 2), multiplier)
    out = np.zeros((a.shape[0], b.shape[1]), np.int64)
    step = max(1, _DIRECT_PAIRS // max(out.size, 1))
    for start in range(0, a.shape[1], step):
        products = multiplier.multiply(a[:, start : start + step, None], b[None, start : start + step])
        out += products.sum(axis=1)
    return out
