"""Chameleon (MICRO 2016): accelerators in the data buffers of an LRDIMM, whose commands share the data pins."""

from __future__ import annotations

from archsim.dram.spec import DramSpec
from archsim.dram.timing import resolve_latency
from archsim.nmp.designs.base import Design
from archsim.spec import FieldError


class Chameleon(Design):
    """One accelerator per DIMM; command bits and data share its data pins, in turns or pin by pin."""

    name = "chameleon"
    level = "dimm"
    needs = ("multiplexing", "command_bits", "command_pins")

    def check(self) -> None:
        """Also ask for pins on both sides of the division."""
        super().check()
        pins, width = self.nmp.command_pins, self.dram.organization.device_width_bits
        assert pins is not None
        if pins >= width:
            rule = f"must be below dram.organization.device_width_bits = {width}, which leaves pins for data"
            raise FieldError(f"nmp.command_pins = {pins}", rule)

    def memory(self) -> DramSpec:
        """Return the memory with commands, and bursts, as long as the pins they have left take."""
        nmp, timing, organization = self.nmp, self.dram.timing, self.dram.organization
        assert nmp.command_bits is not None  # held by check, as the next
        assert nmp.command_pins is not None
        spatial = nmp.multiplexing == "spatial"
        width, beats = organization.device_width_bits, organization.beats_per_clk
        command_clk = -(-nmp.command_bits // (beats * (nmp.command_pins if spatial else width)))
        commands = {f"{name}_clk": command_clk for name in ("ACT", "PRE", "RD", "WR", "REF")}
        if spatial:
            burst_clk = -(-width * organization.burst_length // (beats * (width - nmp.command_pins)))
            longer = {
                name: max(burst_clk, clk)
                for name in ("tBL", "tCCD_S", "tCCD_L")
                if (clk := getattr(timing, name)) is not None
            }
            timing = timing.model_copy(update=longer)
        else:
            # A burst takes the pins as well: their time is booked with its RD, which comes CL earlier.
            commands |= {name: command_clk + timing.tBL for name in ("RD_clk", "WR_clk")}
        # Latencies may name the clocks of a command; they are those of the device's own pins.
        rules = tuple(
            rule.model_copy(update={"latency": str(resolve_latency(rule.latency, timing))})
            for rule in self.dram.rules
        )
        return self.dram.model_copy(update={"timing": timing.model_copy(update=commands), "rules": rules})
