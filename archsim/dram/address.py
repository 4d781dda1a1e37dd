"""Address maps: from a physical line number to (rank, bank group, bank, row, column), by XOR of address bits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from archsim.errors import InputError

if TYPE_CHECKING:
    from archsim.dram.spec import DramSpec

#: Where each field lies in a packed coordinate, ``row << 32 | bank << 16 | column``; the bank number counts over
#: ranks and bank groups: ``(rank * bank_groups + bank_group) * banks_per_group + bank``.
ROW_SHIFT, BANK_SHIFT = 32, 16


def field_masks(spec: DramSpec) -> dict[str, list[int]]:
    """Return, per field and per bit of it (lowest first), the mask of line-number bits whose XOR it is."""
    bits = spec.organization.field_bits()
    masks: dict[str, list[int]] = {name: [] for name in bits}
    position = 0
    for part in spec.address_map.layout:
        name, _, count = part.partition(":")
        for _ in range(int(count) if count else bits[name] - len(masks[name])):
            masks[name].append(1 << position)
            position += 1
    row_bit = 0
    for name in spec.address_map.hash:
        for bit in range(bits[name]):
            masks[name][bit] ^= masks["row"][row_bit]
            row_bit += 1
    return masks


def decode_table(spec: DramSpec) -> npt.NDArray[np.int64]:
    """Return the table [bytes of a line number, 256] whose entries, combined by XOR, are the packed coordinate.

    Raises
    ------
    InputError
        When two lines would share one place in the memory (the map is not a bijection).
    """
    bits, masks = spec.organization.field_bits(), field_masks(spec)
    shifts = {"column": 0, "bank": BANK_SHIFT, "row": ROW_SHIFT}
    shifts["bank_group"] = BANK_SHIFT + bits["bank"]
    shifts["rank"] = shifts["bank_group"] + bits["bank_group"]
    line_bits = sum(bits.values())
    contribution = [0] * line_bits
    for name, field in masks.items():
        for bit, mask in enumerate(field):
            for position in range(line_bits):
                if mask >> position & 1:
                    contribution[position] ^= 1 << (shifts[name] + bit)
    if _rank(contribution) != line_bits:
        raise InputError(
            "dram.address_map: two addresses would share one place in the memory (not a bijection)"
        )
    table = np.zeros((-(-line_bits // 8), 256), dtype=np.int64)
    for position, value in enumerate(contribution):
        byte, bit = divmod(position, 8)
        table[byte] ^= np.where(np.arange(256) >> bit & 1, value, 0)
    return table


def _rank(vectors: list[int]) -> int:
    """Rank over GF(2), by elimination on the highest set bit."""
    basis: dict[int, int] = {}
    for vector in vectors:
        while vector:
            top = vector.bit_length()
            if top not in basis:
                basis[top] = vector
                break
            vector ^= basis[top]
    return len(basis)


def encode(
    rank: npt.ArrayLike,
    bank_group: npt.ArrayLike,
    bank: npt.ArrayLike,
    row: npt.ArrayLike,
    column: npt.ArrayLike,
    spec: DramSpec,
) -> npt.NDArray[np.int64]:
    """Pack fields into coordinates (int64, broadcast shape of the arguments)."""
    o = spec.organization
    fields = (rank, bank_group, bank, row, column)
    ranks, groups, banks, rows, columns = (np.asarray(field, dtype=np.int64) for field in fields)
    flat = (ranks * o.bank_groups + groups) * o.banks_per_group + banks
    packed: npt.NDArray[np.int64] = (rows << ROW_SHIFT) | (flat << BANK_SHIFT) | columns
    return packed
