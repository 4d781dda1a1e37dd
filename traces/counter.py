"""Random numbers by counter: value ``i`` of a stream depends on the key of the stream and on ``i`` alone.

Only 64-bit integer arithmetic, so that the numbers are the same on every machine and for every way of cutting
the work. The generator is SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
generators", OOPSLA 2014), whose state after ``i`` steps is ``key + i * GOLDEN``.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

U64 = NDArray[np.uint64]

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
FEISTEL_ROUNDS = 4


def mix(values: U64) -> U64:
    """Return the SplitMix64 finaliser of every value; a bijection of 64-bit words."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def stream_key(*words: int) -> np.uint64:
    """Return the key of a stream named by integers from 0 to 2**64 - 1; the order of the words matters."""
    key = np.zeros(1, np.uint64)
    for word in words:
        key = mix((key ^ np.uint64(word)) + GOLDEN)
    return np.uint64(key[0])


def draw(key: np.uint64 | U64, counter: U64) -> U64:
    """Return the 64-bit random words at the places ``counter`` of a stream."""
    return mix(counter * GOLDEN + key)


def below(bits: U64, bound: int) -> NDArray[np.int64]:
    """Map random words to integers from 0 to ``bound - 1``, with ``bound`` of at most 2**31."""
    return (((bits >> np.uint64(32)) * np.uint64(bound)) >> np.uint64(32)).astype(np.int64)


def unit(bits: U64) -> NDArray[np.float64]:
    """Map random words to the multiples of 2**-53 in [0, 1), exactly."""
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def permute(index: NDArray[np.int64], size: int, key: np.uint64) -> NDArray[np.int64]:
    """Apply a keyed bijection of the integers from 0 to ``size - 1``.

    A Feistel network over the smallest even number of bits that can hold ``size - 1``; results outside the
    range go round again until they fall inside (cycle walking), which keeps it a bijection and needs no
    table.

    Parameters
    ----------
    index : ndarray of int64
        Values in the range.
    size : int
        Size of the range.
    key : numpy.uint64
        Which bijection.

    Returns
    -------
    ndarray of int64
        The images, in the same shape.
    """
    half = np.uint64(((size - 1).bit_length() + 1) // 2)
    out = _feistel(index.astype(np.uint64), half, key)
    while (outside := np.flatnonzero(out >= np.uint64(size))).size:
        out[outside] = _feistel(out[outside], half, key)
    return out.astype(np.int64)


def round_keys(keys: Iterable[np.uint64]) -> U64:
    """Return the keys of the rounds of `permute`, one row of `FEISTEL_ROUNDS` per key; compiled loops use them."""
    return np.array([[stream_key(int(key), turn) for turn in range(FEISTEL_ROUNDS)] for key in keys])


def _feistel(values: U64, half: np.uint64, key: np.uint64) -> U64:
    """Permute words of ``2 * half`` bits."""
    mask = (np.uint64(1) << half) - np.uint64(1)
    left, right = values >> half, values & mask
    for turn in range(FEISTEL_ROUNDS):
        left, right = right, left ^ (draw(stream_key(int(key), turn), right) & mask)
    return (left << half) | right
