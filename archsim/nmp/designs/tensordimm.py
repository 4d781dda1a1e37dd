"""TensorDIMM (MICRO 2019): every DIMM holds, gathers and reduces its own 64-byte pieces of every vector."""

from __future__ import annotations

from archsim.dram.spec import LINE_BYTES
from archsim.nmp.designs.base import Design
from archsim.spec import FieldError


class TensorDIMM(Design):
    """One core per DIMM, which reads its ranks in turns; the list of indices goes to all DIMMs at once."""

    name = "tensordimm"
    level = "dimm"
    striped = True
    broadcast = True

    def check(self) -> None:
        """Also ask for an address map that puts 64-byte piece *n* on DIMM *n* mod DIMMs."""
        super().check()
        organization = self.dram.organization
        masks = self.dram.address_map.masks(organization)["rank"][self.unit_ranks.bit_length() - 1 :]
        if masks != [1 << bit for bit in range(len(masks))]:
            rule = (
                f"must put consecutive {LINE_BYTES}-byte pieces on the {self.units} DIMMs in turn with design = "
                f"{self.name!r}, as the preset 'tensordimm-8rank' does for 4 DIMMs of 2 ranks"
            )
            raise FieldError("dram.address_map", rule)
