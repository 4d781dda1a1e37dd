"""What a DRAM channel is: organization, timing, rules, controller, refresh, address map, energy.

Classes state the shape and the checks; the numbers are in ``archsim/presets/dram``, each with its source.
"""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import Field, model_validator

from archsim.dram.address_map import AddressMap
from archsim.dram.controller import HOT_C, Controller, Idle, Refresh
from archsim.dram.energy import Energy
from archsim.dram.organization import LINE_BYTES, Organization
from archsim.dram.timing import Rule, Timing, resolve_latency
from archsim.errors import InputError
from archsim.spec import FieldError, Spec

__all__ = [
    "LINE_BYTES",
    "AddressMap",
    "Controller",
    "DramSpec",
    "Energy",
    "Organization",
    "Refresh",
    "Rule",
    "Timing",
]


class DramSpec(Spec):
    """One DRAM channel."""

    preset_kind: ClassVar[str] = "dram"

    standard: str = Field(description="label of the standard and speed", min_length=1)
    organization: Organization
    timing: Timing
    rules: tuple[Rule, ...] = Field(description="when a command may follow another", min_length=1)
    controller: Controller
    refresh: Refresh
    idle: Idle = Field(default_factory=Idle)
    address_map: AddressMap
    energy: Energy

    @model_validator(mode="after")
    def _check(self) -> Self:
        burst, beats = self.organization.burst_length, self.organization.beats_per_clk
        if self.timing.tBL != -(-burst // beats):
            rule = f"must be organization.burst_length / beats_per_clk = {burst} / {beats}"
            raise FieldError(f"timing.tBL = {self.timing.tBL}", rule)
        if self.timing.tCCD_S < self.timing.tBL:
            raise FieldError(
                f"timing.tCCD_S = {self.timing.tCCD_S}",
                f"must be at least tBL = {self.timing.tBL}, or bursts overlap",
            )
        self._check_refresh()
        self.address_map.check_against(self.organization)
        self.energy.check_against(self.organization)
        for i, row in enumerate(self.rules):
            try:
                resolve_latency(row.latency, self.timing)
            except InputError as error:
                raise FieldError(f"rules[{i}].latency", str(error)) from None
        return self

    def _check_refresh(self) -> None:
        mode, given = self.refresh.mode, len(self.refresh.rank_temperatures_c)
        ranks = self.organization.channels * self.organization.all_ranks
        if given not in (0, ranks):
            raise FieldError("refresh.rank_temperatures_c", f"{given} temperatures for {ranks} ranks")
        if mode in ("per-bank", "same-bank"):
            needed = "tRFCpb" if mode == "per-bank" else "tRFCsb"
            if getattr(self.timing, needed) is None:
                raise FieldError(f"refresh.mode = {mode!r}", f"this standard gives no timing.{needed}")
            if not any("REFB" in (rule.before, rule.after) for rule in self.rules):
                raise FieldError(f"refresh.mode = {mode!r}", "this standard has no rules for REFB")
        if self.refresh_interval_clk <= self.refresh_clk and mode != "none":
            raise FieldError(
                f"refresh.mode = {mode!r}",
                f"one refresh takes {self.refresh_clk} clocks and one is due every {self.refresh_interval_clk}",
            )
        commands = self.refresh_steps * self.organization.all_ranks
        if commands * self.timing.REF_clk >= self.refresh_interval_clk and mode != "none":
            raise FieldError(
                f"refresh.mode = {mode!r}",
                f"the {commands} REF of all ranks are due every {self.refresh_interval_clk} clocks and leave the "
                "command pins to nothing else",
            )
        if self.idle.self_refresh_clk and mode != "all-bank":
            raise FieldError(
                f"idle.self_refresh_clk = {self.idle.self_refresh_clk}", "needs refresh.mode = 'all-bank'"
            )
        if self.refresh.postpone and mode != "all-bank":
            raise FieldError(f"refresh.postpone = {self.refresh.postpone}", "needs refresh.mode = 'all-bank'")
        if self.idle.power_down_clk and (self.timing.tXP is None or self.timing.tCKE is None):
            raise FieldError("idle.power_down_clk", "this standard gives no timing.tXP or no timing.tCKE")
        if self.idle.self_refresh_clk and (self.timing.tXS is None or self.timing.tCKESR is None):
            raise FieldError("idle.self_refresh_clk", "this standard gives no timing.tXS or no timing.tCKESR")

    @property
    def refresh_steps(self) -> int:
        """Refresh commands that together refresh one row of every bank of a rank."""
        steps = {"per-bank": self.organization.banks_per_rank, "same-bank": self.organization.banks_per_group}
        return steps.get(self.refresh.mode, 1)

    @property
    def refresh_interval_clk(self) -> int:
        """Clocks between two refreshes of one bank, that is of all steps of a rank; of the hottest rank."""
        return self.refresh_interval_of(0, self.organization.channels * self.organization.all_ranks)

    def refresh_interval_of(self, first: int, ranks: int) -> int:
        """Return the same of ranks that one controller refreshes, counted channel by channel; halved above 85 degC."""
        own = self.timing.tREFIsb if self.refresh.mode == "same-bank" else None
        interval = self.timing.tREFI if own is None else own
        each = self.refresh.rank_temperatures_c[first : first + ranks] or (self.refresh.temperature_c,)
        return interval // (2 if max(each) > HOT_C else 1)

    @property
    def refresh_clk(self) -> int:
        """Clocks that one refresh command takes."""
        timing = self.timing
        clk = {"per-bank": timing.tRFCpb, "same-bank": timing.tRFCsb}.get(self.refresh.mode)
        return timing.tRFC if clk is None else clk
