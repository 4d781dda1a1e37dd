"""RecNMP with the vectors of every packet dealt out evenly over the ranks, whatever their addresses."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from archsim.dram.address import BANK_SHIFT, CHANNEL_SHIFT
from archsim.nmp.designs.base import Design, Ints
from archsim.nmp.designs.recnmp import MOST_BURSTS


class Ideal(Design):
    """No rank waits for another: what perfect placement could bring. Bank, row and column stay as they are."""

    name = "ideal"
    most_bursts = MOST_BURSTS
    most_bursts_because = "vsize has 3 bits"
    nmp_instructions = True
    _dealt = 0

    def place(self, coordinates: Ints, lookup: npt.NDArray[np.int32], packet_first: Ints) -> Ints:
        """Deal vectors to the ranks of all channels in turn: the shares of a packet differ by one at most."""
        if not len(lookup):
            return coordinates
        organization = self.dram.organization
        vector = np.concatenate([[0], np.cumsum(lookup[1:] != lookup[:-1])]) + self._dealt
        self._dealt = int(vector[-1]) + 1
        channel, rank = np.divmod(vector % (organization.channels * organization.ranks), organization.ranks)
        bank_bits = organization.banks_per_rank.bit_length() - 1
        shift = BANK_SHIFT + bank_bits
        kept = ~(((organization.ranks - 1) << shift) | (-1 << CHANNEL_SHIFT))
        placed: Ints = (coordinates & kept) | (rank << shift) | (channel << CHANNEL_SHIFT)
        return placed
