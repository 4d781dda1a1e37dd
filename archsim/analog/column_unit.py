"""A matrix-vector unit of RRAM columns that sums embedding vectors: rows are switched on, bit lines add their cells.

An element is a whole number of a few bits, cut into digits; what a bit line carries, or a pair of them, is converted,
and the digits are put together again digitally. ``docs/nnadc.md`` has the formulas.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archsim.analog.arrays import instance, number, numbers, whole
from archsim.analog.column_reads import Read, Signed, checked_form, digits_of, planned, slices_of
from archsim.analog.crossbar import MOST_LINES, Crossbar, Wires
from archsim.analog.device import Cell, program, read
from archsim.analog.nnadc.cost import CONVERSIONS, Costs
from archsim.analog.quantiser import IdealQuantiser, Quantiser, checked_quantiser, reconstructed
from archsim.errors import InputError
from archsim.ledger import LedgerRow

__all__ = ["Accuracy", "ColumnUnit", "IdealQuantiser", "Quantiser", "accuracy", "reconstructed"]

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

#: Elements have no more bits: their sums are exact in a double.
MOST_ELEMENT_BITS = 16
#: Reads computed together, so that long requests take no more memory than short ones.
BLOCK = 1024
#: Reads of a calibration have numbers, and so variation and noise, of their own.
_CALIBRATION = 1 << 41
#: How strongly gains hold to 1, against the squares of what they are fitted to.
_HOLD = 1e-9


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
    found, right = numbers(sums, "sums"), numbers(true, "true sums")
    if found.shape != right.shape or found.ndim != 2:
        raise InputError(f"sums of shapes {found.shape} and {right.shape}: must both be (requests, elements)")
    if not (np.isfinite(found).all() and np.isfinite(right).all()):
        raise InputError("sums: must be finite")
    power = float((right * right).sum())
    lengths = np.sqrt((found * found).sum(axis=1) * (right * right).sum(axis=1))
    if not power or not lengths.any():
        raise InputError("sums: all are 0, and nothing is relative to them")
    cosine = (found * right).sum(axis=1)[lengths > 0] / lengths[lengths > 0]
    error = float(((found - right) ** 2).sum())
    return Accuracy(float(np.sqrt(error / power)), float(cosine.mean()))


class ColumnUnit:
    """An embedding table in the cells of crossbars, in current mode.

    Element ``x`` is stored as the whole number ``round(x / step)``, in digits of ``cell.bits`` bits, lowest first, on
    neighbouring bit lines. Full scale of the converter is the current of as many cells of the highest level as can be
    on at once, times ``full_scale``.

    Parameters
    ----------
    table : array_like of float64, shape (rows, elements)
    cell : Cell
        Its levels in equal steps of conductance.
    element_bits : int
        2 to 16, with the sign.
    most_rows : int
        Different rows of the longest sum; all by default.
    read_v : float
        Voltage of a row that is on, in volts; the others are at 0 V.
    wires : Wires, optional
        Default: an ideal crossbar.
    signed : {"offset", "dual-path"}
        ``2**(element_bits - 1)`` is added to every number before it is cut into digits; or each digit has two bit
        lines, for numbers above and below 0, and the difference of their currents is converted, 0 A in the middle of
        the range.
    rows_per_tile : int, optional
        Rows of one crossbar; their sums are added digitally. All by default.
    full_scale : float
        Full scale as a share of the largest current; what is beyond is clipped, and counted by the converter.
    seed, device : int
        Of what is drawn for the cells.

    Attributes
    ----------
    step : float
        Value of one unit of the whole numbers.
    whole : ndarray of int64, shape (rows, elements)
        The table in units of ``step``, signed.
    g_s : ndarray of float64, shape (rows, bit lines)
    gain, per_row : ndarray of float64, shape (tiles, columns)
        What `calibrate` has found; 1 and 0 before. A column's sum of digits is ``gain`` times what was read, plus
        ``per_row`` times the rows that were on.

    Raises
    ------
    InputError
        For what does not fit: more than 1024 rows of a tile or bit lines, and cells whose levels are no digits.
    """

    def __init__(
        self, table: ArrayLike, cell: Cell, *, element_bits: int = 8, most_rows: int | None = None,
        read_v: float = 0.2, wires: Wires | None = None, signed: Signed = "offset",
        rows_per_tile: int | None = None, full_scale: float = 1.0, seed: int = 1, device: int = 0,
    ):  # fmt: skip
        values = _checked_table(table)
        instance(cell, Cell, "cell", 'Cell.load("rram-3bit")')
        self.rows, self.elements = values.shape
        self.element_bits, self.cell = whole("element_bits", element_bits, 2, MOST_ELEMENT_BITS), cell
        self.most_rows = self.rows if most_rows is None else whole("most_rows", most_rows, 1, self.rows)
        self.rows_per_tile = (
            self.rows if rows_per_tile is None else whole("rows_per_tile", rows_per_tile, 1, self.rows)
        )
        self.read_v, self.wires = number("read_v", read_v, 0.0, 10.0, above=True), wires or Wires()
        self.full_scale = number("full_scale", full_scale, 0.0, 1.0, above=True)
        self.seed, self.device = seed, device
        self.signed = checked_form(signed)
        self.slices = slices_of(self.signed, self.element_bits, cell.bits)
        self._check_fit()
        self.step = float(np.abs(values).max()) / ((1 << (self.element_bits - 1)) - 1)
        self.whole = np.rint(values / self.step).astype(np.int64)
        levels = self.levels()
        parts = [program(cell, levels[part], seed, device, tile) for tile, part in enumerate(self._tiles())]
        self.g_s = np.concatenate(parts)
        self.gain: F64 = np.ones((self.tiles, self.columns))
        self.per_row: F64 = np.zeros((self.tiles, self.columns))

    def _check_fit(self) -> None:
        """Refuse what one crossbar cannot hold, or its columns cannot add."""
        if self.rows_per_tile > MOST_LINES:
            raise InputError(
                f"table of {self.rows} rows: a crossbar has at most {MOST_LINES}; divide the table (rows_per_tile)"
            )
        if self.bit_lines > MOST_LINES:
            cells = self.bit_lines // self.elements
            raise InputError(
                f"table of {self.elements} elements, {cells} cells each ({self.element_bits} bits in cells of "
                f"{self.cell.bits}): a crossbar has at most {MOST_LINES} bit lines; divide the table"
            )
        instance(self.wires, Wires, "wires")
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
        """Conversions of one read: digits of all elements."""
        count: int = self.elements * self.slices
        return count

    @property
    def bit_lines(self) -> int:
        """Of each crossbar: one per column, or two."""
        count: int = self.columns * (2 if self.signed == "dual-path" else 1)
        return count

    @property
    def tiles(self) -> int:
        """Crossbars."""
        count: int = -(-self.rows // self.rows_per_tile)
        return count

    def _tiles(self) -> Iterator[slice]:
        return (slice(at, at + self.rows_per_tile) for at in range(0, self.rows, self.rows_per_tile))

    @property
    def full_scale_a(self) -> float:
        """Current that is an input of 1 of the converter, in amperes; of dual paths, minus that is an input of 0."""
        most = min(self.most_rows, self.rows_per_tile)
        full_a: float = self.read_v * self.cell.g_max_s * most * self.full_scale
        return full_a

    @property
    def level_s(self) -> float:
        """Step between two levels of a cell, in siemens."""
        return (self.cell.g_max_s - self.cell.g_min_s) / (self.cell.levels - 1)

    def levels(self) -> I64:
        """Return the level of each cell, shape (rows, bit lines); see `archsim.analog.column_reads.digits_of`."""
        return digits_of(self.whole, self.signed, self.element_bits, self.cell.bits)

    @cached_property
    def _crossbars(self) -> list[Crossbar]:
        return [Crossbar(self.g_s[part], self.wires) for part in self._tiles()]

    def reads(self, requests: Sequence[Sequence[int]]) -> list[Read]:
        """Return the reads that requests take: one per tile with rows of it, more if a row occurs more than once.

        Parameters
        ----------
        requests : sequence of sequences of int
        """
        return planned(requests, self.rows, self.most_rows, self.rows_per_tile)

    def currents(self, requests: Sequence[Sequence[int]]) -> F64:
        """Return the currents of the bit lines in amperes, shape (reads, bit lines).

        Every read has its own variation; its number among the reads of all requests decides it.
        """
        return self._currents(self.reads(requests), 0)

    def _currents(self, reads: Sequence[Read], first: int) -> F64:
        """Return the currents of reads, the first of which has a number."""
        found = np.empty((len(reads), self.bit_lines))
        tiles = np.array([each.tile for each in reads], np.int64)
        for tile in sorted({each.tile for each in reads}):
            chosen = np.flatnonzero(tiles == tile)
            crossbar = self._crossbars[tile]
            v = np.zeros((chosen.size, crossbar.shape[0]))
            for place, at in enumerate(chosen.tolist()):
                v[place, reads[at].rows] = self.read_v
            if not self.cell.read_sigma:
                found[chosen] = crossbar.outputs(v)
                continue
            for place, at in enumerate(chosen.tolist()):
                g_s = read(self.cell, crossbar.g_s, self.seed, first + at, self.device, tile)
                found[at] = Crossbar(g_s, self.wires).outputs(v[place])
        return found

    def _digits(self, reads: Sequence[Read], quantiser: Quantiser | None, first: int) -> F64:
        """Return the sums of digits that reads show, before gains and rounding, shape (reads, columns)."""
        current_a = self._currents(reads, first)
        dual = self.signed == "dual-path"
        if dual:
            current_a = current_a[:, 0::2] - current_a[:, 1::2]
        if quantiser is not None:
            checked_quantiser(quantiser)
            x = current_a / self.full_scale_a
            x = 0.5 + x / 2.0 if dual else x
            x = reconstructed(quantiser, quantiser.convert(x.reshape(-1), first * self.columns)).reshape(
                x.shape
            )
            current_a = (2.0 * x - 1.0 if dual else x) * self.full_scale_a
        conductance_s = current_a / self.read_v
        if not dual:  # of all cells that are on, the lowest level carries current too
            conductance_s = conductance_s - _on(reads) * self.cell.g_min_s
        found: F64 = conductance_s / self.level_s
        return found

    def sums(self, requests: Sequence[Sequence[int]], quantiser: Quantiser | None = None) -> F64:
        """Return the sums of rows, shape (requests, elements), in units of the table.

        Parameters
        ----------
        requests : sequence of sequences of int
            Rows of each sum; one that is there several times is added as often, see `reads`.
        quantiser : Quantiser, optional
            Takes one column after another, read by read: sample ``read * columns + column``. Without one, currents are
            known exactly.
        """
        reads = self.reads(requests)
        weights = 2.0 ** (self.cell.bits * np.arange(self.slices))
        total = np.zeros((len(requests), self.elements))
        for at in range(0, len(reads), BLOCK):
            part = reads[at : at + BLOCK]
            tile = np.array([each.tile for each in part])
            digits = self.gain[tile] * self._digits(part, quantiser, at) + self.per_row[tile] * _on(part)
            # A sum of digits is a whole number.
            stored = np.rint(digits).reshape(len(part), self.elements, self.slices) @ weights
            if self.signed == "offset":
                stored -= _on(part) * (1 << (self.element_bits - 1))
            np.add.at(total, [each.request for each in part], stored)
        found: F64 = total * self.step
        return found

    def calibrate(self, requests: Sequence[Sequence[int]], quantiser: Quantiser | None = None) -> None:
        """Find a digital gain for each column of each tile, by least squares on sums that are known.

        Parameters
        ----------
        requests : sequence of sequences of int
            To read; a tile that is in none gets gains of 1.
        quantiser : Quantiser, optional
            As for `sums`; its samples begin at ``2**41 columns``.
        """
        reads = self.reads(requests)
        levels = self.levels()
        known = levels[:, 0::2] - levels[:, 1::2] if self.signed == "dual-path" else levels
        normal = np.zeros((self.tiles, self.columns, 2, 2))
        right = np.zeros((self.tiles, self.columns, 2))
        for at in range(0, len(reads), BLOCK):
            part = reads[at : at + BLOCK]
            found = self._digits(part, quantiser, _CALIBRATION + at)
            for each, digits in zip(part, found, strict=True):
                true = known[each.tile * self.rows_per_tile + each.rows].sum(axis=0)
                columns = np.stack([digits, np.full(self.columns, float(each.rows.size))], axis=1)
                normal[each.tile] += columns[:, :, None] * columns[:, None, :]
                right[each.tile] += columns * (true - digits)[:, None]
        # What never varies, or a tile that was not read, must not move.
        normal[..., [0, 1], [0, 1]] += _HOLD * (normal[..., 1:, 1] + 1.0)
        change: F64 = np.asarray(np.linalg.solve(normal, right[..., None])[..., 0], np.float64)
        self.gain, self.per_row = 1.0 + change[..., 0], change[..., 1]

    def ledger(self, taken: Costs, reads: int = 1, *, adder_j: float = 0.0) -> list[LedgerRow]:
        """Return the energy of so many reads: of conversions, from the converter's own ledger, and of adding them.

        That of the array, its drivers and the gains is not in it.

        Parameters
        ----------
        taken : Costs
            From `archsim.analog.nnadc.costs`.
        reads : int
            Of all columns of one tile; ``len(unit.reads(requests))`` of requests.
        adder_j : float
            Energy of adding one conversion to the sum of its element, such as ``adc.cost.adder_j``.
        """
        instance(taken, Costs, "taken", "costs(adc)")
        conversions = whole("reads", reads, 0, 1 << 53) * self.columns
        rows = [
            LedgerRow(row.component, row.event, row.count // CONVERSIONS * conversions, row.pj_per_event)
            for row in taken.rows
        ]
        if number("adder_j", adder_j, 0.0, 1.0):
            rows.append(LedgerRow("digital", "sum_add", conversions, adder_j * 1e12))
        return rows

    def reads_s(self, taken: Costs, reads: int = 1) -> float:
        """Return the seconds of so many reads: one converter takes all columns in turn."""
        instance(taken, Costs, "taken", "costs(adc)")
        return whole("reads", reads, 0, 1 << 53) * self.columns / taken.rate_hz


def _on(reads: Sequence[Read]) -> F64:
    """Return how many rows of each read are on, shape (reads, 1)."""
    return np.array([each.rows.size for each in reads], np.float64)[:, None]


def _checked_table(table: ArrayLike) -> F64:
    values = numbers(table, "table")
    if values.ndim != 2 or 0 in values.shape:
        raise InputError(f"table of shape {values.shape}: must be (rows, elements)")
    wrong = ~np.isfinite(values)
    if wrong.any():
        row, element = (int(index[0]) for index in np.nonzero(wrong))
        raise InputError(f"table [{row}, {element}] = {values[row, element]:g}: must be finite")
    if not values.any():
        raise InputError("table: all values are 0, and no step fits")
    return values
