"""Caches in front of a memory, and the caches of a host: geometry, rules, latency, energy.

Classes state the shape and the checks; ``docs/memory-caches.md`` says what each field does. The numbers are in
``archsim/presets/cache``, ``archsim/presets/hierarchy`` and ``archsim/presets/sram``, each with its source.
"""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from archsim.cache.sram import SramTable
from archsim.spec import FieldError, Spec, preset_path, quantity
from archsim.toml import read_toml

#: What a request of the front end is: a line of this many bytes.
LINE_BYTES = 64
DEFAULT_SRAM = "cacti-40nm"
#: Windows of lookups are whole numbers of batches of this size at most.
MOST_PROFILED = 1 << 17
_LARGEST_BYTES = 1 << 40


def _default_sram() -> SramTable:
    path = preset_path("sram", DEFAULT_SRAM, "cache")
    return SramTable.from_dict({"rows": read_toml(path)["rows"]}, f"sram preset {DEFAULT_SRAM}")


class CacheLevel(Spec):
    """A set-associative cache."""

    size: int = quantity("B", "data that each cache holds; 0: no cache", ge=0, le=_LARGEST_BYTES)
    ways: int = quantity("", "lines per set; as many as there are lines: fully associative", default=16, ge=1)
    line_bytes: int = quantity("B", "data of one line", default=LINE_BYTES, ge=1)
    policy: Literal["lru", "fifo", "random", "clock", "sieve"] = Field(
        default="lru", description="which line of a full set goes"
    )
    latency_clk: int | None = quantity(
        "clk", "memory clocks from lookup to data; default: latency_ns", default=None, ge=0, le=1_000_000
    )
    latency_ns: float | None = quantity(
        "ns", "from lookup to data; default: by size from sram", default=None, ge=0, le=1e6
    )
    access_pj: float | None = quantity(
        "pJ", "one lookup, fill or read of a dirty line; default: by size from sram", default=None, ge=0
    )
    sram: SramTable = Field(default_factory=_default_sram)

    @model_validator(mode="after")
    def _check_level(self) -> Self:
        if self.latency_clk is not None and self.latency_ns is not None:
            raise FieldError("latency_ns", "has no meaning beside latency_clk; give one of them")
        if not self.size:
            return self
        if self.size % self.line_bytes:
            raise FieldError(
                f"size = {self.size}", f"must be a whole number of lines of line_bytes = {self.line_bytes}"
            )
        if self.ways > self.lines:
            rule = f"must be at most the {self.lines} lines that size = {self.size} holds"
            raise FieldError(f"ways = {self.ways}", rule)
        if self.lines % self.ways:
            rule = f"must be a whole number of sets, each ways x line_bytes = {self.ways * self.line_bytes} bytes"
            raise FieldError(f"size = {self.size}", rule)
        if self.access_pj is None or (self.latency_clk is None and self.latency_ns is None):
            self.sram.at(self.size)
        return self

    @property
    def lines(self) -> int:
        """Lines of the cache."""
        return self.size // self.line_bytes

    @property
    def sets(self) -> int:
        """Sets of the cache."""
        return self.lines // self.ways

    def clocks(self, tCK_ps: int) -> int:
        """Return the memory clocks from lookup to data, rounded up."""
        if self.latency_clk is not None:
            return self.latency_clk
        ns = self.sram.at(self.size).latency_ns if self.latency_ns is None else self.latency_ns
        return -(-round(ns * 1000) // tCK_ps)

    @property
    def read_pj(self) -> float:
        """Energy of a lookup, or of reading a line that is driven out."""
        return self.sram.at(self.size).read_pj if self.access_pj is None else self.access_pj

    @property
    def write_pj(self) -> float:
        """Energy of writing a line."""
        return self.sram.at(self.size).write_pj if self.access_pj is None else self.access_pj

    def check_whole_lines(self) -> None:
        """Check that lines of the cache are whole lines of the memory."""
        size = self.line_bytes
        if self.size and (size % LINE_BYTES or size & (size - 1)):
            rule = f"must be {LINE_BYTES}, the bytes of a request, times a power of two"
            raise FieldError(f"line_bytes = {size}", rule)


class MemoryCache(CacheLevel):
    """Caches between the front end of a host and its memory channels."""

    preset_kind: ClassVar[str] = "cache"

    per: Literal["rank", "dimm", "channel", "memory"] = Field(
        default="channel", description="one cache for each; memory: one for all channels"
    )
    ranks_per_dimm: int = quantity("", "ranks behind one cache with per = 'dimm'", default=2, ge=1, le=16)
    granularity: Literal["line", "vector"] = Field(
        default="line", description="a line of the cache holds memory at its address, or one embedding vector"
    )
    ports: int = quantity("", "lookups of one cache in a memory clock", default=1, ge=1, le=64)
    accesses_per_clk: int = quantity(
        "", "lookups that the front end offers to a channel in a memory clock", default=1, ge=1, le=1024
    )
    mshrs: int = quantity("", "misses of one cache in flight", default=32, ge=1, le=4096)
    merging: bool = Field(default=True, description="a miss of a line in flight shares its data")
    write: Literal["back", "through"] = Field(default="back", description="when a write reaches the memory")
    allocate_writes: bool = Field(default=True, description="a write that misses brings its line in")
    bypass: Literal["none", "profile"] = Field(
        default="none",
        description="what is not brought in: nothing, or what its batch needs too seldom",
    )
    bypass_up_to: int = quantity(
        "", "with bypass = 'profile': bring in what a batch needs more often than this", default=1, ge=0
    )
    batch_lookups: int = quantity(
        "",
        "with bypass = 'profile': lookups of a batch, a power of two",
        default=4096,
        ge=1,
        le=MOST_PROFILED,
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.granularity == "line":
            self.check_whole_lines()
        if self.batch_lookups & (self.batch_lookups - 1):
            raise FieldError(f"batch_lookups = {self.batch_lookups}", "must be a power of two")
        return self


class Hierarchy(Spec):
    """Private caches of the cores of a host, and a last level that they share."""

    preset_kind: ClassVar[str] = "hierarchy"

    cores: int = quantity("", "cores that read at the same time", ge=1, le=1024)
    distribute: Literal["bag", "sample", "table"] = Field(
        default="bag", description="what goes to the cores in turn"
    )
    window_bags: int = quantity(
        "", "bags that are handed out together; the cores wait for each other before the next", default=256, ge=1,
        le=1 << 20,
    )  # fmt: skip
    accesses_per_clk: int = quantity(
        "", "lookups of all cores in a memory clock, to each channel", ge=1, le=4096
    )
    ports: int = quantity("", "lookups of one core in a memory clock", default=1, ge=1, le=64)
    mshrs: int = quantity("", "misses of one core in flight", ge=1, le=4096)
    merging: bool = Field(default=True, description="a miss of a line in flight shares its data")
    inclusion: Literal["non-inclusive", "inclusive", "exclusive"] = Field(
        default="non-inclusive",
        description="last level: filled by misses; and holds all that the cores hold; or holds what they drove out",
    )
    l1: CacheLevel
    l2: CacheLevel | None = None
    llc: CacheLevel | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name, level in self.levels():
            try:
                level.check_whole_lines()
            except FieldError as error:
                raise FieldError(
                    f"{name}.{error}".partition(": ")[0], str(error).partition(": ")[2]
                ) from None
            if not level.size:
                raise FieldError(
                    f"{name}.size = 0", "must hold a line or more; leave the table out for no such level"
                )
            if level.line_bytes != self.l1.line_bytes:
                rule = f"must equal l1.line_bytes = {self.l1.line_bytes}"
                raise FieldError(f"{name}.line_bytes = {level.line_bytes}", rule)
        if self.llc is None and self.inclusion != "non-inclusive":
            raise FieldError(f"inclusion = {self.inclusion!r}", "has no meaning without llc")
        if self.llc is not None and self.inclusion == "inclusive":
            private = sum(level.size for name, level in self.levels() if name != "llc")
            if self.llc.size < private:
                rule = f"must, being inclusive, hold at least what one core does: {private} bytes"
                raise FieldError(f"llc.size = {self.llc.size}", rule)
        return self

    def levels(self) -> list[tuple[str, CacheLevel]]:
        """Return the levels there are, by name, from the cores on."""
        levels = [("l1", self.l1), ("l2", self.l2), ("llc", self.llc)]
        return [(name, level) for name, level in levels if level is not None]
