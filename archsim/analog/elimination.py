"""Exact transfer matrix of a crossbar with wire resistance, by block elimination over its word lines.

Word line ``i`` with its ``n`` crossings is a tridiagonal matrix; eliminating it leaves an ``n x n`` matrix between the
crossings of the bit lines in row ``i``. Row after row, these are eliminated by one Cholesky factorisation and inverse
each, while the response of the bit lines to every word line driven so far is carried along. All matrices are symmetric
and positive definite. ``docs/analog.md`` has the equations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from archsim.errors import InputError

F64 = NDArray[np.float64]

_SINGULAR = "the crossbar has no unique solution in double precision: conductances differ by too much"


@dataclass(frozen=True)
class Ends:
    """Resistances and ends of the lines.

    Attributes
    ----------
    r_word_ohm, r_bit_ohm : float
        One segment of a word line, of a bit line.
    r_driver_ohm : float
        From the source to the first segment of its word line.
    end_s : float
        Conductance from the last segment of a bit line to ground; infinite for a virtual ground.
    """

    r_word_ohm: float
    r_bit_ohm: float
    r_driver_ohm: float
    end_s: float


class _Row(NamedTuple):
    """What eliminating a word line leaves: ``matrix`` between the bit lines, ``drive`` by one volt of its source."""

    matrix: F64
    drive: F64


def _row(g: F64, ends: Ends) -> _Row:
    """Eliminate one word line with the cells ``g``, shape (n,)."""
    into_ohm = ends.r_word_ohm + ends.r_driver_ohm
    if into_ohm == 0.0:
        return _Row(np.diag(g), g)
    driver = 1.0 / into_ohm
    if ends.r_word_ohm == 0.0 or len(g) == 1:  # one node
        total = driver + g.sum()
        return _Row(np.diag(g) - np.outer(g / total, g), g * (driver / total))
    from scipy.linalg.lapack import dpttrf, dpttrs

    wire = 1.0 / ends.r_word_ohm
    diagonal = g + 2.0 * wire
    diagonal[0] += driver - wire
    diagonal[-1] -= wire
    diagonal, below, info = dpttrf(diagonal, np.full(len(g) - 1, -wire))
    if info:
        raise InputError(_SINGULAR)
    # Columns of the inverse times g: the potentials of the word line by 1 V on each bit line in turn.
    potentials, _ = dpttrs(diagonal, below, np.diag(g))
    # Symmetric up to rounding: what is read below is one triangle. The drive is the first column of the inverse.
    matrix = np.diag(g) - g[:, None] * potentials
    return _Row(matrix, driver * potentials[0, :])


def transfer_of_ends(g: F64, ends: Ends) -> F64:
    """Return what one volt on each word line makes of each bit line.

    Parameters
    ----------
    g : ndarray of float64, shape (m, n)
        Conductances of the cells, positive.
    ends : Ends

    Returns
    -------
    ndarray of float64, shape (m, n)
        Currents into the ends of the bit lines (A/V) if ``end_s`` is not 0, else potentials of the ends (V/V).

    Raises
    ------
    InputError
        If rounding leaves a matrix that is not positive definite.
    """
    if ends.r_bit_ohm == 0.0:
        return _short_bit_lines(g, ends)
    return _long_bit_lines(g, ends)


def _short_bit_lines(g: F64, ends: Ends) -> F64:
    """Solve with bit lines without resistance: each is one node."""
    rows = [_row(line, ends) for line in g]
    drives = np.array([row.drive for row in rows])
    if np.isinf(ends.end_s):
        return drives
    from scipy.linalg.lapack import dposv

    matrix = np.sum([row.matrix for row in rows], axis=0)
    matrix[np.diag_indices_from(matrix)] += ends.end_s
    _, potentials, info = dposv(matrix, drives.T, lower=1)
    if info:
        raise InputError(_SINGULAR)
    found: F64 = potentials.T
    return found * ends.end_s if ends.end_s else found


def _long_bit_lines(g: F64, ends: Ends) -> F64:
    """Solve with resistance in the bit lines, row after row."""
    from scipy.linalg.blas import dsymm
    from scipy.linalg.lapack import dpotrf, dpotri, dpotrs

    m, n = g.shape
    wire = 1.0 / ends.r_bit_ohm
    last = wire if np.isinf(ends.end_s) else wire * ends.end_s / (wire + ends.end_s)
    carried = np.zeros((n, m), order="F")
    inverse = np.zeros((n, n), order="F")
    diagonal = np.diag_indices(n)
    for i, line in enumerate(g):
        row = _row(line, ends)
        matrix = np.asfortranarray(row.matrix)
        matrix[diagonal] += (wire if i else 0.0) + (wire if i < m - 1 else last)
        if i:
            matrix -= (wire * wire) * inverse
            carried[:, :i] = dsymm(wire, inverse, carried[:, :i], lower=1)
        carried[:, i] = row.drive
        # The other triangle is cleared: nothing reads it, but from row to row it would grow and overflow.
        factor, info = dpotrf(matrix, lower=1, clean=1, overwrite_a=1)
        if info:
            raise InputError(_SINGULAR)
        if i < m - 1:
            inverse, info = dpotri(factor, lower=1, overwrite_c=1)
    potentials, _ = dpotrs(factor, carried, lower=1, overwrite_b=1)
    found: F64 = potentials.T
    return found * last if last else found
