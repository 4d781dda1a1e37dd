"""A crossbar of conductances between word lines and bit lines, with the resistance of its wires, drivers and ends.

>>> import numpy as np
>>> from archsim.analog import Crossbar, Wires
>>> tile = Crossbar(np.array([[1e-4, 1e-5], [2e-5, 1e-4]]), Wires(r_word_ohm=1.0, r_bit_ohm=1.0))
>>> tile.outputs([0.2, 0.1]).shape  # currents, in amperes
(2,)
"""

from __future__ import annotations

from functools import cached_property
from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, model_validator

from archsim.analog import network
from archsim.analog.arrays import instance, number, numbers
from archsim.analog.elimination import Ends, transfer_of_ends
from archsim.analog.threads import one_thread
from archsim.errors import InputError
from archsim.spec import FieldError, Spec, quantity

F64 = NDArray[np.float64]

#: Lines of each kind of the largest crossbar; its transfer matrix takes time with the fourth power of their number:
#: minutes for this many.
MOST_LINES = 1024
#: Greatest ratio of conductances in one network: what is left of the digits of a double is then still right.
MOST_RATIO = 1e12


class Wires(Spec):
    """What is around the cells. Word line ``i`` is driven at column 0, bit line ``j`` ends below the last row.

    Between a source and the first cell of its word line are the driver and one segment; between two cells one segment;
    between the last cell of a bit line and its end one segment. 0 ohm means one node. Defaults: an ideal crossbar.
    """

    r_word_ohm: float = quantity("ohm", "one segment of a word line", default=0.0, ge=0, le=1e9)
    r_bit_ohm: float = quantity("ohm", "one segment of a bit line", default=0.0, ge=0, le=1e9)
    r_driver_ohm: float = quantity("ohm", "from a source to its word line", default=0.0, ge=0, le=1e9)
    output: Literal["current", "voltage"] = Field(
        "current", description="current: into a (virtual) ground; voltage: of the end of the bit line"
    )
    r_sense_ohm: float = quantity("ohm", "current: from a bit line to ground", default=0.0, ge=0, le=1e9)
    g_load_s: float = quantity(
        "S", "voltage: load from the end of a bit line to ground", default=0.0, ge=0, le=1e3
    )

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        absent = "g_load_s" if self.output == "current" else "r_sense_ohm"
        if getattr(self, absent):
            raise FieldError(absent, f"must be 0 when output = {self.output!r}")
        return self

    @property
    def ideal(self) -> Wires:
        """The same output, without any resistance of wires, drivers and ends."""
        return Wires(output=self.output, g_load_s=self.g_load_s)

    def ends(self) -> Ends:
        """Return the resistances as the solvers take them."""
        end_s = self.g_load_s
        if self.output == "current":
            end_s = 1.0 / self.r_sense_ohm if self.r_sense_ohm else float("inf")
        return Ends(self.r_word_ohm, self.r_bit_ohm, self.r_driver_ohm, end_s)


class Crossbar:
    """Cells at the crossings of ``m`` word lines (inputs) and ``n`` bit lines (outputs).

    Parameters
    ----------
    g_s : array_like of float64, shape (m, n)
        Conductances in siemens, positive.
    wires : Wires

    Raises
    ------
    InputError
        For anything else, or more than 1024 lines of a kind.
    """

    def __init__(self, g_s: ArrayLike, wires: Wires | None = None):
        self.g_s = np.array(numbers(g_s, "conductances"), order="C")
        self.wires = instance(wires or Wires(), Wires, "wires")
        if self.g_s.ndim != 2 or 0 in self.g_s.shape:
            raise InputError(f"conductances of shape {self.g_s.shape}: must be (word lines, bit lines)")
        if max(self.g_s.shape) > MOST_LINES:
            raise InputError(f"conductances of shape {self.g_s.shape}: at most {MOST_LINES} lines each way")
        wrong = ~((self.g_s > 0) & np.isfinite(self.g_s))
        if wrong.any():
            i, j = (int(index[0]) for index in np.nonzero(wrong))
            raise InputError(f"conductance [{i}, {j}] = {self.g_s[i, j]:g} S: must be positive and finite")
        self._check_ratio()
        self.g_s.setflags(write=False)

    def _check_ratio(self) -> None:
        """Refuse what double precision cannot solve."""
        wires = self.wires
        ohms = (wires.r_word_ohm, wires.r_bit_ohm, wires.r_driver_ohm, wires.r_sense_ohm)
        beside = [1.0 / ohm for ohm in ohms if ohm] + [wires.g_load_s] * bool(wires.g_load_s)
        least = min([float(self.g_s.min()), *beside])
        greatest = max([float(self.g_s.max()), *beside])
        if greatest > MOST_RATIO * least:
            raise InputError(
                f"conductances of cells, wires and ends from {least:g} to {greatest:g} S: the greatest must be at most "
                f"{MOST_RATIO:g} times the least, or rounding decides the outputs"
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Word lines and bit lines."""
        m, n = self.g_s.shape
        return m, n

    def ideal(self) -> Crossbar:
        """Return the same cells without any resistance of wires, drivers and ends."""
        return Crossbar(self.g_s, self.wires.ideal)

    @cached_property
    def transfer(self) -> F64:
        """The transfer matrix, shape (m, n): outputs are inputs times it. A/V, or V/V in voltage mode.

        Found once, by block elimination, exact up to rounding.
        """
        ends = self.wires.ends()
        with one_thread():
            found = self._scaled(np.ascontiguousarray(transfer_of_ends(self.g_s, ends)), ends)
        found.setflags(write=False)
        return found

    def outputs(self, v: ArrayLike) -> F64:
        """Return the outputs of linear cells: one matrix product with `transfer`.

        Parameters
        ----------
        v : array_like of float64, shape (..., m)
            Voltages of the sources.

        Returns
        -------
        ndarray of float64, shape (..., n)
            Currents in amperes, or voltages.
        """
        v = self._inputs(v)
        transfer = self.transfer
        with one_thread():
            return v @ transfer

    def solve_direct(self, v: ArrayLike) -> F64:
        """Return the same outputs by a sparse direct solution of the whole network (SuperLU); slower, for checks."""
        v = self._inputs(v)
        return self._solved(v, lambda flat, ends: network.solve_linear(self.g_s, ends, flat))

    def solve_sinh(self, v: ArrayLike, sinh_v: float) -> F64:
        """Return the outputs of cells with the current g V0 sinh(V / V0), by Newton's method.

        Parameters
        ----------
        v : array_like of float64, shape (..., m)
        sinh_v : float
            V0 in volts; the greater, the more linear.

        Returns
        -------
        ndarray of float64, shape (..., n)
        """
        sinh_v = number("sinh_v", sinh_v, 0.0, 1e300, above=True)
        v = self._inputs(v)
        return self._solved(v, lambda flat, ends: network.solve_sinh(self.g_s, ends, flat, sinh_v))

    def _solved(self, v: F64, solve: network.Solver) -> F64:
        ends = self.wires.ends()
        with one_thread():
            found = self._scaled(solve(v.reshape(-1, v.shape[-1]), ends), ends)
        return found.reshape(*v.shape[:-1], self.shape[1])

    def _scaled(self, ended: F64, ends: Ends) -> F64:
        """Turn what ends the bit lines into the output: with a load, the solvers give its current."""
        return ended / ends.end_s if self.wires.output == "voltage" and ends.end_s else ended

    def _inputs(self, v: ArrayLike) -> F64:
        v = numbers(v, "inputs")
        if v.ndim == 0 or v.shape[-1] != self.shape[0]:
            raise InputError(f"inputs of shape {v.shape}: the last must be {self.shape[0]}, the word lines")
        if not np.isfinite(v).all():
            raise InputError("inputs: must be finite voltages")
        return v
