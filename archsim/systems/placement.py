"""Where tables lie in memory: the parameters of the steps from rows to page frames."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from archsim.dram.spec import LINE_BYTES
from archsim.spec import FieldError, Spec, quantity

Part = Literal["channel", "pseudo_channel", "rank", "bank_group", "bank"]
#: Parts of a memory that a table can be kept to, from the outside in. A colour is one such part of the whole memory.
PARTS: tuple[Part, ...] = ("channel", "pseudo_channel", "rank", "bank_group", "bank")


class Placement(Spec):
    """Where the pages of the embedding tables lie in physical memory; see ``docs/lowering.md``."""

    page_bytes: int = quantity("B", "size of a page", ge=LINE_BYTES)
    policy: Literal["random", "contiguous", "colored"] = Field(
        description="frame of each page: random free, in order, or random free of its table's colour"
    )
    seed: int = quantity("", "seed of the random placement", ge=0, lt=2**63)
    align_bytes: int | None = quantity(
        "B", "tables begin at multiples of it; default: page_bytes", default=None, ge=1
    )
    row_align_bytes: int | None = quantity(
        "B",
        "rows of a table are stored at multiples of it; default: packed, and to near-memory units padded where a row "
        "would lie over two",
        default=None,
        ge=1,
    )
    color: Part | None = Field(
        default=None, description="what a table of one colour is kept to; default with 'colored': rank"
    )
    colors: tuple[int, ...] | None = Field(
        default=None, description="colour of each table in turn, repeated; default: all colours in turn"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name, size in (
            ("page_bytes", self.page_bytes),
            ("align_bytes", self.table_align_bytes),
            ("row_align_bytes", self.row_align_bytes or 1),
        ):
            if size & (size - 1):
                raise FieldError(f"{name} = {size}", "must be a power of two")
        if self.policy != "colored":
            for name in ("color", "colors"):
                if getattr(self, name) is not None:
                    raise FieldError(
                        name, f"has no meaning with policy = {self.policy!r}, only with 'colored'"
                    )
        elif self.table_align_bytes < self.page_bytes:
            rule = f"must be at least page_bytes = {self.page_bytes}: a page of two tables has no one colour"
            raise FieldError(f"align_bytes = {self.align_bytes}", rule)
        if self.colors is not None and not self.colors:
            raise FieldError("colors = []", "must name one colour or more")
        return self

    @property
    def table_align_bytes(self) -> int:
        """Tables begin at multiples of this many bytes of the virtual address space."""
        return self.page_bytes if self.align_bytes is None else self.align_bytes

    @property
    def color_part(self) -> Part | None:
        """What a colour is: a part of the memory, or None where pages have no colours."""
        return (self.color or "rank") if self.policy == "colored" else None
