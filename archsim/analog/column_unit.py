"""A matrix-vector unit of RRAM columns that sums embedding vectors: rows are switched on, bit lines add their cells.

An element is a whole number of a few bits, cut into digits, one cell each; what a bit line carries is converted, and
the digits are put together again digitally. ``docs/nnadc.md`` has the formulas.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archsim.analog.crossbar import MOST_LINES, Crossbar, Wires
from archsim.analog.device import Cell, program, read
from archsim.analog.metrology import ideal_codes
from archsim.analog.nnadc.cost import CONVERSIONS, Costs
from archsim.analog.nnadc.scheme import compand, expand
from archsim.analog.nnadc.spec import Scheme
from archsim.errors import InputError
from archsim.ledger import LedgerRow

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

#: Elements have no more bits: their sums are exact in a double.
MOST_ELEMENT_BITS = 16


class Quantiser(Protocol):
    """What turns fractions of full scale into codes: an `archsim.analog.nnadc.Converter` or `IdealQuantiser`."""

    bits: int
    scheme: Scheme
    clipped: int

    def convert(self, inputs: ArrayLike, first: int = 0) -> I64:
        """Return the codes of samples ``first`` and following, shape (samples,)."""


@dataclass
class IdealQuantiser:
    """Even steps of ``f(x)`` (see `Scheme`), no noise; inputs beyond full scale are clipped and counted."""

    bits: int
    scheme: Scheme = field(default_factory=Scheme)
    clipped: int = 0

    def convert(self, inputs: ArrayLike, first: int = 0) -> I64:
        """Return the codes of inputs, shape (samples,); ``first`` changes nothing."""
        x = np.atleast_1d(np.asarray(inputs, np.float64))
        self.clipped += int(np.count_nonzero((x < 0.0) | (x > 1.0)))
        return ideal_codes(compand(self.scheme, np.clip(x, 0.0, 1.0)), self.bits)


def reconstructed(quantiser: Quantiser, codes: I64) -> F64:
    """Return the input that a code stands for, in full scales: the middle of its step, in the scheme's domain."""
    return expand(quantiser.scheme, (codes + 0.5) / (1 << quantiser.bits))


@dataclass(frozen=True)
class Accuracy:
    """How near sums are to the true ones.

    Attributes
    ----------
    relative_rms : float
        Root of the squared error over all elements, over that of the true sums.
    cosine : float
        Of the angle between a sum and the true one, mean over sums; those that are zero are left out.
    """

    relative_rms: float
    cosine: float


def accuracy(sums: ArrayLike, true: ArrayLike) -> Accuracy:
    """Compare sums with the true ones, both of shape (requests, elements)."""
    found, right = np.asarray(sums, np.float64), np.asarray(true, np.float64)
    if found.shape != right.shape or found.ndim != 2:
        raise InputError(f"sums of shapes {found.shape} and {right.shape}: must both be (requests, elements)")
    power = float((right * right).sum())
    lengths = np.sqrt((found * found).sum(axis=1) * (right * right).sum(axis=1))
    if not power or not lengths.any():
        raise InputError("sums: all are 0, and nothing is relative to them")
    cosine = (found * right).sum(axis=1)[lengths > 0] / lengths[lengths > 0]
    error = float(((found - right) ** 2).sum())
    return Accuracy(float(np.sqrt(error / power)), float(cosine.mean()))


class ColumnUnit:
    """An embedding table in the cells of one crossbar, in current mode.

    Element ``x`` is stored as ``round(x / step) + 2**(element_bits - 1)``, in digits of ``cell.bits`` bits, lowest
    first, on neighbouring bit lines. Full scale of the converter is the current of ``most_rows`` cells of the highest
    level.

    Parameters
    ----------
    table : array_like of float64, shape (rows, elements)
    cell : Cell
        Its levels in equal steps of conductance.
    element_bits : int
        2 to 16.
    most_rows : int
        Rows of the longest sum; all by default.
    read_v : float
        Voltage of a row that is on, in volts; the others are at 0 V.
    wires : Wires, optional
        Default: an ideal crossbar.
    seed, device : int
        Of what is drawn for the cells.

    Attributes
    ----------
    step : float
        Value of one unit of the whole numbers.
    whole : ndarray of int64, shape (rows, elements)
        The table in units of ``step``, signed.

    Raises
    ------
    InputError
        For what does not fit: more than 1024 rows or bit lines, and cells whose levels are no digits.
    """

    def __init__(
        self, table: ArrayLike, cell: Cell, *, element_bits: int = 8, most_rows: int | None = None,
        read_v: float = 0.2, wires: Wires | None = None, seed: int = 1, device: int = 0,
    ):  # fmt: skip
        values = _checked_table(table)
        self.rows, self.elements = values.shape
        self.element_bits, self.cell = _whole("element_bits", element_bits, 2, MOST_ELEMENT_BITS), cell
        self.most_rows = self.rows if most_rows is None else _whole("most_rows", most_rows, 1, self.rows)
        if not 0.0 < read_v <= 10.0:
            raise InputError(f"read_v = {read_v:g} V: must be above 0, at most 10")
        self.read_v, self.wires = float(read_v), wires or Wires()
        self.seed, self.device = seed, device
        self.slices = -(-self.element_bits // cell.bits)
        self._check_fit()
        self.step = float(np.abs(values).max()) / ((1 << (self.element_bits - 1)) - 1)
        self.whole = np.rint(values / self.step).astype(np.int64)
        self.g_s = program(cell, self.levels(), seed, device)

    def _check_fit(self) -> None:
        """Refuse what one crossbar cannot hold, or its columns cannot add."""
        if self.rows > MOST_LINES:
            raise InputError(
                f"table of {self.rows} rows: a crossbar has at most {MOST_LINES}; divide the table"
            )
        if self.columns > MOST_LINES:
            raise InputError(
                f"table of {self.elements} elements, {self.slices} cells each ({self.element_bits} bits in cells of "
                f"{self.cell.bits}): a crossbar has at most {MOST_LINES} bit lines; divide the table"
            )
        if self.wires.output != "current":
            raise InputError(f'wires.output = "{self.wires.output}": must be "current"; voltages are no sums')
        if self.cell.sinh_v is not None:
            raise InputError(f"cell.sinh_v = {self.cell.sinh_v:g}: columns are modelled with linear cells")
        steps = np.diff(self.cell.levels_s())
        if np.abs(steps - steps.mean()).max() > 1e-9 * steps.mean():
            raise InputError(
                "cell: levels are not in equal steps of conductance, and a column adds conductances"
            )

    @property
    def columns(self) -> int:
        """Bit lines, and conversions of one sum."""
        count: int = self.elements * self.slices
        return count

    @property
    def full_scale_a(self) -> float:
        """Current that is an input of 1 of the converter, in amperes."""
        return self.read_v * self.cell.g_max_s * self.most_rows

    def levels(self) -> I64:
        """Return the level of each cell, shape (rows, elements * slices); digits of an element lowest first."""
        stored = self.whole + (1 << (self.element_bits - 1))
        shifts = self.cell.bits * np.arange(self.slices)
        digits = (stored[:, :, None] >> shifts) & (self.cell.levels - 1)
        return digits.reshape(self.rows, self.columns)

    @cached_property
    def _crossbar(self) -> Crossbar:
        return Crossbar(self.g_s, self.wires)

    def currents(self, requests: Sequence[Sequence[int]]) -> F64:
        """Return the currents of the bit lines in amperes, shape (requests, elements * slices).

        Every request is a read with its own variation; its number among the requests decides it.
        """
        v = np.zeros((len(requests), self.rows))
        for number, rows in enumerate(requests):
            v[number, self._checked_rows(number, rows)] = self.read_v
        if not self.cell.read_sigma:
            return self._crossbar.outputs(v)
        found = np.empty((len(requests), self.columns))
        for number in range(len(requests)):
            g_s = read(self.cell, self.g_s, self.seed, number, self.device)
            found[number] = Crossbar(g_s, self.wires).outputs(v[number])
        return found

    def _checked_rows(self, number: int, rows: Sequence[int]) -> I64:
        """Return the rows of a request that can all be on at once."""
        chosen = np.asarray(rows)
        if chosen.ndim != 1 or not chosen.size or chosen.dtype.kind not in "iu":
            raise InputError(f"request [{number}]: must be a list of whole numbers, one at least")
        wrong = (chosen < 0) | (chosen >= self.rows)
        if wrong.any():
            raise InputError(
                f"request [{number}]: row {int(chosen[wrong][0])}: must be from 0 to {self.rows - 1}"
            )
        if chosen.size > self.most_rows:
            raise InputError(
                f"request [{number}]: {chosen.size} rows; most_rows = {self.most_rows} is the full scale; divide it"
            )
        values, counts = np.unique(chosen, return_counts=True)
        if counts.max() > 1:
            raise InputError(
                f"request [{number}]: row {int(values[counts > 1][0])} twice; a row is on or off"
            )
        return chosen.astype(np.int64)

    def sums(self, requests: Sequence[Sequence[int]], quantiser: Quantiser | None = None) -> F64:
        """Return the sums of rows, shape (requests, elements), in units of the table.

        Parameters
        ----------
        requests : sequence of sequences of int
            Rows of each sum, none twice.
        quantiser : Quantiser, optional
            Takes one column after another, request by request: sample ``request * columns + column``. Without one,
            currents are known exactly.
        """
        inputs = self.currents(requests) / self.full_scale_a
        if quantiser is not None:
            codes = quantiser.convert(inputs.reshape(-1))
            inputs = reconstructed(quantiser, codes).reshape(inputs.shape)
        rows = np.array([len(each) for each in requests], np.float64)[:, None]
        # Of all cells that are on, the lowest level carries current too; a sum of digits is a whole number.
        level = (self.cell.g_max_s - self.cell.g_min_s) / (self.cell.levels - 1)
        digits = np.rint((inputs * self.most_rows * self.cell.g_max_s - rows * self.cell.g_min_s) / level)
        weights = 2.0 ** (self.cell.bits * np.arange(self.slices))
        stored = digits.reshape(len(requests), self.elements, self.slices) @ weights
        found: F64 = (stored - rows * (1 << (self.element_bits - 1))) * self.step
        return found

    def ledger(self, taken: Costs, sums: int = 1) -> list[LedgerRow]:
        """Return the energy of the conversions of so many sums, from the converter's own ledger.

        That of the array, its drivers and the digital part is not in it.

        Parameters
        ----------
        taken : Costs
            From `archsim.analog.nnadc.costs`.
        sums : int
        """
        conversions = sums * self.columns
        return [
            LedgerRow(row.component, row.event, row.count // CONVERSIONS * conversions, row.pj_per_event)
            for row in taken.rows
        ]

    def sum_s(self, taken: Costs) -> float:
        """Return the seconds between two sums: one converter takes all columns in turn."""
        return self.columns / taken.rate_hz


def _whole(name: str, value: Any, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not least <= value <= most:
        raise InputError(f"{name} = {value}: must be a whole number from {least} to {most}")
    return int(value)


def _checked_table(table: ArrayLike) -> F64:
    values = np.asarray(table, np.float64)
    if values.ndim != 2 or 0 in values.shape:
        raise InputError(f"table of shape {values.shape}: must be (rows, elements)")
    wrong = ~np.isfinite(values)
    if wrong.any():
        row, element = (int(index[0]) for index in np.nonzero(wrong))
        raise InputError(f"table [{row}, {element}] = {values[row, element]:g}: must be finite")
    if not values.any():
        raise InputError("table: all values are 0, and no step fits")
    return values
