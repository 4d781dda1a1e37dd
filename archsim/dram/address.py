"""Packed DRAM coordinates, and the XOR tables that lead from the number of an access unit to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from archsim.dram.spec import DramSpec

#: Where each field lies in a packed coordinate, ``channel << 56 | row << 32 | bank << 16 | column``. The bank number
#: counts over pseudo channels, ranks and bank groups:
#: ``((pseudo_channel * ranks + rank) * bank_groups + bank_group) * banks_per_group + bank``.
CHANNEL_SHIFT, ROW_SHIFT, BANK_SHIFT = 56, 32, 16


def decode_table(spec: DramSpec) -> npt.NDArray[np.int64]:
    """Return the table [bytes of a unit number, 256] whose entries, combined by XOR, are the packed coordinate.

    A unit is one access: unit number = byte address / ``organization.access_bytes``.
    """
    bits, masks = spec.organization.field_bits(), spec.address_map.masks(spec.organization)
    shifts = {"column": 0, "bank": BANK_SHIFT, "row": ROW_SHIFT, "channel": CHANNEL_SHIFT}
    shifts["bank_group"] = shifts["bank"] + bits["bank"]
    shifts["rank"] = shifts["bank_group"] + bits["bank_group"]
    shifts["pseudo_channel"] = shifts["rank"] + bits["rank"]
    unit_bits = sum(bits.values())
    table = np.zeros((max(-(-unit_bits // 8), 1), 256), dtype=np.int64)
    values = [0] * unit_bits  # what each bit of a unit number contributes
    for name, field in masks.items():
        for bit, mask in enumerate(field):
            while mask:
                place = mask.bit_length() - 1
                values[place] |= 1 << (shifts[name] + bit)
                mask ^= 1 << place
    for place, value in enumerate(values):
        byte, bit = divmod(place, 8)
        # The entries that have this bit, and no higher one, are those without it and the contribution of the bit.
        table[byte, 1 << bit : 2 << bit] = table[byte, : 1 << bit] ^ value
    for byte in range(len(table)):
        known = 1 << min(8, unit_bits - 8 * byte) if unit_bits > 8 * byte else 1
        if known < 256:  # bits beyond the number of units contribute nothing
            table[byte] = np.resize(table[byte, :known], 256)
    return table


def channel_of(coordinates: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the channel of each packed coordinate."""
    channels: npt.NDArray[np.int64] = coordinates >> CHANNEL_SHIFT
    return channels


def encode(
    rank: npt.ArrayLike,
    bank_group: npt.ArrayLike,
    bank: npt.ArrayLike,
    row: npt.ArrayLike,
    column: npt.ArrayLike,
    spec: DramSpec,
    *,
    pseudo_channel: npt.ArrayLike = 0,
    channel: npt.ArrayLike = 0,
) -> npt.NDArray[np.int64]:
    """Pack fields into coordinates (int64, broadcast shape of the arguments)."""
    o = spec.organization
    fields = (rank, bank_group, bank, row, column, pseudo_channel, channel)
    ranks, groups, banks, rows, columns, pseudo, channels = (np.asarray(f, dtype=np.int64) for f in fields)
    flat = ((pseudo * o.ranks + ranks) * o.bank_groups + groups) * o.banks_per_group + banks
    packed: npt.NDArray[np.int64] = (
        (channels << CHANNEL_SHIFT) | (rows << ROW_SHIFT) | (flat << BANK_SHIFT) | columns
    )
    return packed
