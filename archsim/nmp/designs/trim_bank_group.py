"""TRiM (MICRO 2021) at the level of bank groups: a reduction unit per bank group, inside the devices."""

from __future__ import annotations

from typing import ClassVar

from archsim.dram.spec import DramSpec
from archsim.nmp.designs.base import Adder, Design
from archsim.spec import FieldError


class TRiMBankGroup(Design):
    """Bank groups of a rank read side by side; what binds ACT to the rank stays."""

    name = "trim-bank-group"
    adder: ClassVar[Adder] = "bank_group"
    needs = ("rank_instruction_clk", "gather_overlap")

    def check(self) -> None:
        """Also ask for bank groups with a read distance of their own."""
        super().check()
        if self.dram.organization.bank_groups == 1 or self.dram.timing.tCCD_L is None:
            rule = f"must be more than 1, with a tCCD_L, with design = {self.name!r}"
            raise FieldError(f"dram.organization.bank_groups = {self.dram.organization.bank_groups}", rule)

    def memory(self) -> DramSpec:
        """Return the memory where RD binds RD of the same bank group alone: their data do not leave it."""
        rules = [
            rule
            for rule in self.dram.rules
            if (rule.before, rule.after) != ("RD", "RD") or rule.level in ("bank", "bank_group")
        ]
        return self.dram.model_copy(update={"rules": tuple(rules)})
