"""TRiM (MICRO 2021) at the level of banks: a reduction unit per bank, inside the devices."""

from __future__ import annotations

from archsim.dram.spec import DramSpec
from archsim.dram.timing import Rule
from archsim.nmp.designs.trim_bank_group import TRiMBankGroup


class TRiMBank(TRiMBankGroup):
    """Banks read side by side, each once in tCCD_L; what binds ACT to the rank stays."""

    name = "trim-bank"
    adder = "bank"

    def memory(self) -> DramSpec:
        """Return the memory where RD binds RD of the same bank alone."""
        rules = [rule for rule in self.dram.rules if (rule.before, rule.after) != ("RD", "RD")]
        rules.append(Rule(level="bank", before="RD", after="RD", latency="tCCD_L"))
        return self.dram.model_copy(update={"rules": tuple(rules)})
