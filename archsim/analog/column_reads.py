"""How a column unit stores whole numbers in cells, and which of its rows are on together in each read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from archsim.errors import InputError, nearest

I64 = NDArray[np.int64]

Signed = Literal["offset", "dual-path"]
FORMS = ("offset", "dual-path")


def checked_form(signed: Any) -> Signed:
    """Return how negative numbers are stored.

    Raises
    ------
    InputError
        For a name that is none.
    """
    if signed not in FORMS:
        raise InputError(f"signed = {signed!r}: must be 'offset' or 'dual-path'{nearest(str(signed), FORMS)}")
    found: Signed = signed
    return found


def slices_of(signed: Signed, element_bits: int, cell_bits: int) -> int:
    """Return the digits of an element: of all its bits, or of its size without the sign."""
    return -(-(element_bits - (signed == "dual-path")) // cell_bits)


def digits_of(whole: I64, signed: Signed, element_bits: int, cell_bits: int) -> I64:
    """Return the level of each cell.

    Parameters
    ----------
    whole : ndarray of int64, shape (rows, elements)
        From ``-(2**(element_bits - 1) - 1)`` to as much above 0.
    signed : {"offset", "dual-path"}
        Digits of ``whole + 2**(element_bits - 1)``, or of the positive and of the negative part.
    element_bits, cell_bits : int

    Returns
    -------
    ndarray of int64, shape (rows, bit lines)
        The lowest digit of an element first; of dual paths each digit on two bit lines, plus first.
    """
    shifts = cell_bits * np.arange(slices_of(signed, element_bits, cell_bits))
    if signed == "offset":
        parts = (whole + (1 << (element_bits - 1)))[:, :, None, None]
    else:
        parts = np.stack([np.maximum(whole, 0), np.maximum(-whole, 0)], axis=-1)[:, :, None, :]
    digits: I64 = (parts >> shifts[:, None]) & ((1 << cell_bits) - 1)
    return digits.reshape(len(whole), -1)


@dataclass(frozen=True)
class Read:
    """Rows of one tile that are on together, once.

    Attributes
    ----------
    request, tile : int
    rows : ndarray of int64
        Within the tile, increasing.
    """

    request: int
    tile: int
    rows: I64


def planned(requests: Sequence[Sequence[int]], rows: int, most_rows: int, rows_per_tile: int) -> list[Read]:
    """Return the reads of requests: request by request, pass by pass, tile by tile.

    A row is on or off, so that a request has as many passes as its commonest row occurs; pass ``p`` reads the rows that
    occur more than ``p`` times. A tile without any of them is not read.
    """
    if isinstance(requests, str | bytes) or not isinstance(requests, Sequence | np.ndarray):
        raise InputError(f"requests of type {type(requests).__name__}: must be a list of lists of rows")
    reads = []
    for number, request in enumerate(requests):
        values, counts = _checked(number, request, rows, most_rows)
        for done in range(int(counts.max())):
            left = values[counts > done]
            tiles = left // rows_per_tile
            cuts = np.flatnonzero(np.diff(tiles)) + 1
            for part in np.split(left, cuts):
                tile = int(part[0]) // rows_per_tile
                reads.append(Read(number, tile, part - tile * rows_per_tile))
    return reads


def _checked(number: int, request: Sequence[int], rows: int, most_rows: int) -> tuple[I64, I64]:
    """Return the different rows of a request, increasing, and how often each occurs."""
    try:
        chosen = np.asarray(request)
    except ValueError:
        chosen = np.empty((0, 0))
    if chosen.ndim != 1 or not chosen.size or chosen.dtype.kind not in "iu":
        raise InputError(f"request [{number}]: must be a list of whole numbers, one at least")
    wrong = (chosen < 0) | (chosen >= rows)
    if wrong.any():
        raise InputError(f"request [{number}]: row {int(chosen[wrong][0])}: must be from 0 to {rows - 1}")
    values, counts = np.unique(chosen.astype(np.int64), return_counts=True)
    if values.size > most_rows:
        raise InputError(
            f"request [{number}]: {values.size} rows; most_rows = {most_rows} is the full scale; divide it"
        )
    return values, counts.astype(np.int64)
