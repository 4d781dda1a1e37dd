"""Latency, energy and area of on-chip memories by size, read off a table."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import Field, model_validator

from archsim.spec import FieldError, Spec, quantity
from archsim.units import format_bytes


class SramRow(Spec):
    """One size."""

    size: int = quantity("B", "data of the memory", ge=1)
    latency_ns: float = quantity("ns", "from address to data", gt=0)
    read_pj: float = quantity("pJ", "one read of a line, tags included", ge=0)
    write_pj: float = quantity("pJ", "one write of a line", ge=0)
    area_mm2: float | None = quantity("", "area in square millimetres", default=None, ge=0)


class SramTable(Spec):
    """Latency and energy per access, and area, by size; between two sizes in proportion to the size.

    Below the smallest size its values hold; beyond the largest there are none.
    """

    preset_kind: ClassVar[str] = "sram"

    rows: tuple[SramRow, ...] = Field(description="by ascending size", min_length=1)

    @model_validator(mode="after")
    def _check(self) -> Self:
        for before, row in zip(self.rows, self.rows[1:], strict=False):
            if row.size <= before.size:
                raise FieldError(f"rows: size = {row.size}", f"must be above {before.size}, the row before")
        return self

    def at(self, size: int) -> SramRow:
        """Return the values of a size.

        Raises
        ------
        FieldError
            Beyond the largest size of the table.
        """
        if size > self.rows[-1].size:
            rule = f"beyond the table, which ends at {format_bytes(self.rows[-1].size)}; give latency and access_pj"
            raise FieldError(f"size = {size}", rule)
        above = next(row for row in self.rows if row.size >= size)
        below = next((row for row in reversed(self.rows) if row.size <= size), above)
        if above.size == below.size:
            return above.model_copy(update={"size": size})
        share = (size - below.size) / (above.size - below.size)
        area_mm2 = None
        if below.area_mm2 is not None and above.area_mm2 is not None:
            area_mm2 = below.area_mm2 + share * (above.area_mm2 - below.area_mm2)
        return SramRow(
            size=size,
            latency_ns=below.latency_ns + share * (above.latency_ns - below.latency_ns),
            read_pj=below.read_pj + share * (above.read_pj - below.read_pj),
            write_pj=below.write_pj + share * (above.write_pj - below.write_pj),
            area_mm2=area_mm2,
        )
