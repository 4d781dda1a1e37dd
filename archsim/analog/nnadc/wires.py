"""Wires inside a stage, as what they make of the ratios of its columns.

A voltage-mode column without a load forms a weighted mean of its lines, with wires as without them: when all lines have
one voltage, no current flows, and the column has it too. The weights are those of the exact transfer matrix of the
crossbar, and take the place of the conductances.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from archsim.analog.crossbar import MOST_LINES, Crossbar, Wires
from archsim.errors import InputError

F64 = NDArray[np.float64]


def checked_wires(wires: Wires) -> Wires:
    """Return wires whose columns end in the input of a comparator or an amplifier, which takes no current.

    Raises
    ------
    InputError
        For a resistance or a load at the ends.
    """
    if wires.r_sense_ohm or wires.g_load_s:
        raise InputError("wires: r_sense_ohm and g_load_s must be 0; columns of stages end without a load")
    return wires


def _around(wires: Wires, output: str) -> Wires:
    resistances = {name: getattr(wires, name) for name in ("r_word_ohm", "r_bit_ohm", "r_driver_ohm")}
    return Wires.from_dict({**resistances, "output": output}, "wires")


def effective_columns(g_s: F64, wires: Wires) -> F64:
    """Return conductances that form the same ratios without wires.

    Parameters
    ----------
    g_s : ndarray of float64, shape (columns, lines)
        One crossbar: neighbouring columns are neighbouring bit lines, and line 0 is furthest from their ends.
    wires : Wires

    Returns
    -------
    ndarray of float64, shape (columns, lines)
        The sum of each column is that of its cells.
    """
    share = Crossbar(g_s.T, _around(wires, "voltage")).transfer.T
    found: F64 = share * g_s.sum(axis=1, keepdims=True)
    return found


def effective_units(g_s: F64, wires: Wires) -> F64:
    """Return the weight of each line of a column whose units are many cells in parallel.

    The cells of a unit are on one word line, each on a bit line of its own, and the ends of all bit lines are one node.
    With this node at 0 V, line ``i`` sends the current ``Y_i`` per volt into it; left alone, it has the voltage
    ``sum(Y_i v_i) / sum(Y_i)``.

    Parameters
    ----------
    g_s : ndarray of float64, shape (units, cells per unit)
    wires : Wires

    Returns
    -------
    ndarray of float64, shape (units,)
        Adding up to 1.

    Raises
    ------
    InputError
        For more cells than a crossbar has lines.
    """
    if g_s.shape[1] > MOST_LINES:
        raise InputError(f"column.unit_cells = {g_s.shape[1]}: with wires at most {MOST_LINES}")
    current = Crossbar(g_s, _around(wires, "current")).transfer.sum(axis=1)
    found: F64 = current / current.sum()
    return found
