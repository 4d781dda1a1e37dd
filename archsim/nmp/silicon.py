"""The unit of one DIMM as silicon: rows of (component, part, count, area, power of one) that add up.

Cells and memories are in ``archsim/presets/logic`` and ``archsim/presets/sram``, how much of them a unit has in
``archsim/presets/nmp`` under ``unit``; ``docs/recnmp.md`` says what is counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import Field, model_validator

from archsim.cache.sram import SramTable
from archsim.dram.spec import LINE_BYTES, DramSpec
from archsim.nmp.designs import design_class
from archsim.spec import FieldError, Spec, quantity

if TYPE_CHECKING:
    from archsim.nmp.spec import NmpSpec

#: FP32 numbers of a burst.
_BURST_NUMBERS = LINE_BYTES // 4
#: The input vector register and the Psum vector register hold a burst each; weight, scalar and bias a number each.
_VECTOR_REGISTER_BITS = 2 * 8 * LINE_BYTES + 3 * 32


class LogicCell(Spec):
    """One synthesised piece of logic."""

    area_um2: float = quantity("", "area in square micrometres", ge=0)
    dynamic_mw: float = quantity(
        "mW", "power at the clock of the table, used every clock, without leakage", ge=0
    )
    leakage_mw: float = quantity("mW", "power at rest", ge=0)


class LogicTable(Spec):
    """Area and power of the logic that a unit is made of, in one process, synthesised for one clock."""

    preset_kind: ClassVar[str] = "logic"

    clock_mhz: float = quantity("", "clock in MHz that the cells were synthesised for", gt=0)
    fp32_add: LogicCell = Field(description="FP32 adder that takes operands every clock")
    fp32_mult: LogicCell = Field(description="FP32 multiplier that takes operands every clock")
    register_bit: LogicCell = Field(description="flip-flop of one bit")


class NmpUnit(Spec):
    """What the unit of one DIMM is made of, for its area and power; timing and energy do not depend on it."""

    clock_mhz: float = quantity("", "clock in MHz", gt=0)
    lanes: int | None = quantity(
        "",
        "FP32 numbers that a rank unit takes per clock; default: as many as keep up with the bursts of its rank",
        default=None,
        ge=1,
        le=1 << 16,
    )
    psum_vectors: int = quantity("", "Psum registers of a rank unit, each of one pooling", ge=1, le=1 << 16)
    psum_bytes: int = quantity("B", "FP32 sums that a Psum register holds", ge=4, le=1 << 16)
    instructions: int = quantity(
        "", "NMP instructions that the buffer of a rank unit holds", ge=0, le=1 << 20
    )
    logic: LogicTable = Field(description="adders, multipliers and registers")
    array: SramTable = Field(description="memories with a read and a write port, for Psum registers")

    @model_validator(mode="after")
    def _check(self) -> Self:
        largest = self.array.rows[-1].size
        if self.psum_vectors * self.psum_bytes > largest:
            rule = f"times psum_vectors = {self.psum_vectors} must be at most {largest}, the largest memory of array"
            raise FieldError(f"psum_bytes = {self.psum_bytes}", rule)
        return self


@dataclass(frozen=True)
class PartRow:
    """One kind of part of the unit of a DIMM.

    Parameters
    ----------
    component : str
        ``rank_unit``, ``rank_cache`` or ``dimm_unit``, as in the energy ledger.
    part : str
        What it is.
    count : int
        How many of them the DIMM has.
    um2 : float or None
        Area of one in square micrometres; None where its table has no areas.
    mw : float
        Power of one in milliwatts when logic works every clock and memories are used with every burst of a rank.
        Leakage of logic is included, that of memories is not.
    """

    component: str
    part: str
    count: int
    um2: float | None
    mw: float

    @property
    def area_mm2(self) -> float | None:
        """Area of all of them in square millimetres."""
        return None if self.um2 is None else self.count * self.um2 / 1e6

    @property
    def power_mw(self) -> float:
        """Power of all of them in milliwatts."""
        return self.count * self.mw

    def to_dict(self) -> dict[str, str | int | float | None]:
        """Return the row as plain values, for JSON."""
        return {
            "component": self.component,
            "part": self.part,
            "count": self.count,
            "um2": self.um2,
            "area_mm2": self.area_mm2,
            "power_mw": self.power_mw,
        }


def total_mm2(rows: Iterable[PartRow]) -> float | None:
    """Return the area of all rows in square millimetres; None without rows, or where one has none."""
    areas = [row.area_mm2 for row in rows]
    return None if not areas or None in areas else sum(area for area in areas if area is not None)


def lanes(nmp: NmpSpec, dram: DramSpec) -> int:
    """Return how many FP32 numbers a rank unit takes per clock of its own; by default it keeps up with its rank."""
    if nmp.unit.lanes is not None:
        return nmp.unit.lanes
    period_ns = 1000 / nmp.unit.clock_mhz
    return ceil(_BURST_NUMBERS * period_ns / _burst_ns(dram))


def unit_rows(nmp: NmpSpec, dram: DramSpec) -> tuple[PartRow, ...]:
    """Return the parts of one DIMM's unit; none for designs whose units are made of something else.

    Parameters
    ----------
    nmp : NmpSpec
        The units; ``nmp.unit`` says what they are made of.
    dram : DramSpec
        The memory, whose bursts they keep up with.
    """
    if not design_class(nmp.design).silicon:
        return ()
    return (*_rank_rows(nmp, dram), *_dimm_rows(nmp, dram))


def _burst_ns(dram: DramSpec) -> float:
    return dram.timing.tBL * dram.timing.tCK_ps / 1000


def _rank_rows(nmp: NmpSpec, dram: DramSpec) -> Iterator[PartRow]:
    unit, ranks = nmp.unit, nmp.ranks_per_dimm
    arithmetic = ranks * lanes(nmp, dram)
    yield _cells("rank_unit", "fp32_add", arithmetic, unit, unit.logic.fp32_add)
    yield _cells("rank_unit", "fp32_mult", arithmetic, unit, unit.logic.fp32_mult)
    yield _psums("rank_unit", "psum_registers", nmp, dram)
    yield _registers("rank_unit", "vector_registers", ranks, unit, _VECTOR_REGISTER_BITS)
    yield _registers("rank_unit", "instruction_buffer", ranks, unit, unit.instructions * nmp.instruction_bits)
    if nmp.cache.size:
        sram = nmp.cache.sram
        # A cache whose latency and energy are given may be larger than its table knows.
        mm2 = sram.at(nmp.cache.size).area_mm2 if nmp.cache.size <= sram.rows[-1].size else None
        # One lookup per burst of the rank.
        mw = nmp.cache.read_pj / _burst_ns(dram)
        yield PartRow("rank_cache", "array", ranks, None if mm2 is None else 1e6 * mm2, mw)


def _dimm_rows(nmp: NmpSpec, dram: DramSpec) -> Iterator[PartRow]:
    # Results leave at the rate of the channel, which is that of one rank.
    adders = (nmp.ranks_per_dimm - 1) * lanes(nmp, dram)
    yield _cells("dimm_unit", "fp32_add", adders, nmp.unit, nmp.unit.logic.fp32_add)
    yield _psums("dimm_unit", "psum_buffers", nmp, dram)


def _cells(
    component: str, part: str, count: int, unit: NmpUnit, cell: LogicCell, of_each: int = 1
) -> PartRow:
    mw = cell.dynamic_mw * unit.clock_mhz / unit.logic.clock_mhz + cell.leakage_mw
    return PartRow(component, part, count, of_each * cell.area_um2, of_each * mw)


def _registers(component: str, part: str, count: int, unit: NmpUnit, bits: int) -> PartRow:
    """Return flip-flops, all of which the clock reaches, whatever they store."""
    return _cells(component, part, count, unit, unit.logic.register_bit, bits)


def _psums(component: str, part: str, nmp: NmpSpec, dram: DramSpec) -> PartRow:
    """Return the Psum registers of every rank: flip-flops or a memory, whichever is smaller."""
    unit, ranks = nmp.unit, nmp.ranks_per_dimm
    size = unit.psum_vectors * unit.psum_bytes
    registers, array = _registers(component, part, ranks, unit, 8 * size), unit.array.at(size)
    if array.area_mm2 is None or (registers.um2 is not None and registers.um2 <= 1e6 * array.area_mm2):
        return registers
    # With every burst, sums are read and written once.
    mw = (array.read_pj + array.write_pj) / _burst_ns(dram)
    return PartRow(component, part, ranks, 1e6 * array.area_mm2, mw)
