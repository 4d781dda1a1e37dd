"""A system: a memory, the placement of pages in it, and the units that compute on it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from archsim.cache.spec import Hierarchy, MemoryCache
from archsim.dram.spec import LINE_BYTES, DramSpec
from archsim.nmp.designs import guarded, make_design
from archsim.nmp.spec import NmpSpec
from archsim.spec import FieldError, Spec
from archsim.systems.frames import check_placement
from archsim.systems.placement import Placement


class SystemSpec(Spec):
    """What is simulated: a host that reads all vectors itself, or one with RecNMP DIMMs."""

    preset_kind: ClassVar[str] = "system"

    name: str = Field(description="label in results", min_length=1)
    description: str = Field(description="one line for people")
    kind: Literal["host", "recnmp"] = Field(description="who sums the vectors")
    dram: DramSpec
    placement: Placement
    nmp: NmpSpec | None = None
    cache: MemoryCache | None = None
    hierarchy: Hierarchy | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.kind == "host" and self.nmp is not None:
            raise FieldError("nmp", "must be absent when kind = 'host'")
        if self.kind == "recnmp" and self.nmp is None:
            raise FieldError("nmp", "missing; kind = 'recnmp' needs it")
        self._check_caches()
        check_placement(self.placement, self.dram)
        if self.nmp is not None:
            self._check_bursts()
        if self.nmp is not None and self.dram.organization.ranks % self.nmp.ranks_per_dimm:
            raise FieldError(
                f"nmp.ranks_per_dimm = {self.nmp.ranks_per_dimm}",
                f"must divide dram.organization.ranks = {self.dram.organization.ranks}",
            )
        if self.nmp is not None:
            design = make_design(self.nmp, self.dram)
            guarded(type(design), "check", design.check)
            self._check_multiplier(self.nmp)
        return self

    def _check_multiplier(self, nmp: NmpSpec) -> None:
        if nmp.multiplier is None:
            return
        from archsim.nmp.approx_sums import delay_refusal

        refusal = delay_refusal(nmp, self.dram.timing.tCK_ps)
        if refusal:
            raise FieldError(f"nmp.multiplier = {nmp.multiplier!r}", refusal)

    def _check_caches(self) -> None:
        for name, caches in (("cache", self.cache), ("hierarchy", self.hierarchy)):
            if caches is not None and self.kind != "host":
                raise FieldError(
                    name, f"must be absent when kind = {self.kind!r}, whose units read the memory themselves"
                )
        if self.cache is None:
            return
        if self.hierarchy is not None:
            raise FieldError(
                "cache", "must be absent beside hierarchy: one of them is in front of the memory"
            )
        ranks = self.dram.organization.all_ranks
        if self.cache.size and self.cache.per == "dimm" and ranks % self.cache.ranks_per_dimm:
            raise FieldError(
                f"cache.ranks_per_dimm = {self.cache.ranks_per_dimm}",
                f"must divide the {ranks} ranks of a channel",
            )

    def _check_bursts(self) -> None:
        organization = self.dram.organization
        if organization.pseudo_channels != 1:
            rule = f"must be 1 with kind = {self.kind!r}, whose units share the pins of a whole channel"
            raise FieldError(f"dram.organization.pseudo_channels = {organization.pseudo_channels}", rule)
        if organization.access_bytes != LINE_BYTES:
            rule = f"moves {organization.access_bytes} bytes; with kind = {self.kind!r} a burst must move {LINE_BYTES}"
            raise FieldError(f"dram.organization.burst_length = {organization.burst_length}", rule)


def load_system(name_or_path: str | Path, overrides: Iterable[str] = ()) -> SystemSpec:
    """Load a system preset by name, or a ``.toml`` file, and lay ``overrides`` over it.

    Raises
    ------
    InputError
        For an unknown preset (with the nearest name), an unreadable file, or anything the checks refuse.
    """
    return SystemSpec.load(name_or_path, overrides)
