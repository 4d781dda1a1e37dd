"""The NMP instruction: 79 bits that fetch one vector; ``docs/recnmp.md``, section Instructions, is the contract."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from archsim.errors import InputError, nearest
from archsim.nmp.daddr import DADDR_BITS, DaddrFormat, check_range, refuse
from archsim.nmp.designs.recnmp import MOST_BURSTS
from archsim.nmp.operators import OP_CODES

WORD_BITS = 79
#: PsumTag has four bits.
POOLINGS_MAX = 16
_OPERATOR_OF = {code: name for name, code in OP_CODES.items()}
_LOW_BITS = 64  # of the two 64-bit halves of a word in an array


class Field(NamedTuple):
    """Where a field lies in a word."""

    name: str
    low: int
    bits: int

    @property
    def largest(self) -> int:
        """Largest number that fits."""
        return (1 << self.bits) - 1


def lay_out(*widths: tuple[str, int]) -> tuple[Field, ...]:
    """Put fields side by side, from the top bit of a word down."""
    fields, end = [], WORD_BITS
    for name, bits in widths:
        end -= bits
        fields.append(Field(name, end, bits))
    assert end >= 0
    return tuple(fields)


#: The fields of an instruction as unsigned numbers, in the order of the paper's Fig. 8d.
FIELDS = lay_out(
    ("op_code", 4), ("commands", 3), ("daddr", DADDR_BITS), ("vsize", 3), ("weight", 32), ("locality", 1),
    ("psum_tag", 4),
)  # fmt: skip
#: Presence bits of the DDR commands, in the field ``commands``.
ACT, RD, PRE = 4, 2, 1


def pack_word(fields: Sequence[Field], values: Sequence[int], place: str) -> int:
    """Return the word of unsigned ``values``; a value that does not fit is refused, ``place`` opens the message."""
    word = 0
    for field, value in zip(fields, values, strict=True):
        if not 0 <= value <= field.largest:
            raise InputError(
                f"{place}: {field.name} = {value} must be 0 to {field.largest} ({field.bits} bits)"
            )
        word |= int(value) << field.low
    return word


def unpack_word(fields: Sequence[Field], word: int, place: str) -> list[int]:
    """Return the values of a word; bits outside all fields must be zero."""
    if not 0 <= word < 1 << WORD_BITS:
        raise InputError(f"{place}: {word:#x} must be a word of {WORD_BITS} bits")
    values = [word >> field.low & field.largest for field in fields]
    rest = word & ((1 << min(field.low for field in fields)) - 1)
    if rest:
        raise InputError(f"{place}: {word:#022x} has bits set below its last field, {fields[-1].name}")
    return values


class Command(NamedTuple):
    """A DRAM command of an expanded instruction; ``row`` and ``column`` are -1 where it has none.

    The column is a device column, as it goes over the pins.
    """

    name: str
    rank: int
    bank_group: int
    bank: int
    row: int = -1
    column: int = -1


@dataclass(frozen=True, slots=True)
class Instruction:
    """One NMP instruction.

    Parameters
    ----------
    operator : str
        A key of `archsim.nmp.operators.OP_CODES`.
    daddr : int
        Place of the first burst, packed by a `DaddrFormat`.
    vsize : int
        64-byte bursts, 1 to 7.
    psum_tag : int
        Pooling of the packet, 0 to 15.
    weight : float
        Factor; a number that FP32 holds exactly.
    locality : bool
        Through the RankCache.
    commands : int
        Presence bits: `ACT`, `RD` and `PRE` added.

    Raises
    ------
    InputError
        When a field breaks its limits.
    """

    operator: str
    daddr: int
    vsize: int
    psum_tag: int
    weight: float = 1.0
    locality: bool = False
    commands: int = RD

    def __post_init__(self) -> None:
        if self.operator not in OP_CODES:
            raise InputError(
                f"NMP instruction: unknown operator {self.operator!r}{nearest(self.operator, OP_CODES)}"
            )
        if not 1 <= self.vsize <= MOST_BURSTS:
            raise InputError(
                f"NMP instruction: vsize = {self.vsize} must be 1 to {MOST_BURSTS} bursts of 64 bytes"
            )
        if _from_fp32(_fp32_bits(self.weight)) != self.weight:
            raise InputError(
                f"NMP instruction: weight = {self.weight!r} must be a number that FP32 holds exactly"
            )
        pack_word(FIELDS, self._values(), "NMP instruction")

    def _values(self) -> list[int]:
        return [
            OP_CODES[self.operator], self.commands, self.daddr, self.vsize, _fp32_bits(self.weight),
            int(self.locality), self.psum_tag,
        ]  # fmt: skip

    def encode(self) -> int:
        """Return the 79-bit word."""
        return pack_word(FIELDS, self._values(), "NMP instruction")

    @classmethod
    def decode(cls, word: int) -> Instruction:
        """Read a 79-bit word; `InputError` when it is no instruction."""
        code, commands, daddr, vsize, weight, locality, tag = unpack_word(FIELDS, word, "NMP instruction")
        if code not in _OPERATOR_OF:
            raise InputError(f"NMP instruction: op code {code} is no operator (1 to {len(OP_CODES)})")
        return cls(_OPERATOR_OF[code], daddr, vsize, tag, _from_fp32(weight), bool(locality), commands)

    def expand(self, layout: DaddrFormat) -> list[Command]:
        """Return the DRAM commands of the presence bits: PRE, ACT, then one RD for each burst."""
        rank, group, bank, row, column = layout.unpack(self.daddr)
        if column + self.vsize > layout.bursts_per_row:
            raise InputError(
                f"NMP instruction: {self.vsize} bursts from column {column} leave a row of {layout.bursts_per_row}"
            )
        commands = []
        if self.commands & PRE:
            commands.append(Command("PRE", rank, group, bank))
        if self.commands & ACT:
            commands.append(Command("ACT", rank, group, bank, row))
        if self.commands & RD:
            columns = [(column + burst) * layout.burst_columns for burst in range(self.vsize)]
            commands += [Command("RD", rank, group, bank, row, device_column) for device_column in columns]
        return commands


class RowBuffers:
    """The rows that the host knows to be open, from which it sets the presence bits in program order."""

    def __init__(self, layout: DaddrFormat) -> None:
        self._layout = layout
        self._open: dict[tuple[int, int, int], int] = {}

    def present(self, instruction: Instruction) -> Instruction:
        """Return the instruction with the commands that it needs now; its row is open afterwards."""
        place = self._layout.unpack(instruction.daddr)
        bank = place[:3]
        before = self._open.get(bank)
        self._open[bank] = place.row
        commands = RD if before == place.row else RD | ACT if before is None else RD | ACT | PRE
        return replace(instruction, commands=commands)

    def close(self, rank: int) -> None:
        """Forget the rows of a rank: it was precharged to refresh."""
        self._open = {bank: row for bank, row in self._open.items() if bank[0] != rank}


def encode_arrays(fields: Mapping[str, npt.ArrayLike]) -> npt.NDArray[np.uint64]:
    """Encode many instructions.

    Parameters
    ----------
    fields : mapping of str to array [n]
        Every name of `FIELDS`: unsigned numbers, but ``weight`` in float32.

    Returns
    -------
    uint64 array [n, 2]
        Bits 0 to 63 and 64 to 78 of each instruction.
    """
    columns: dict[str, npt.NDArray[np.generic]] = {}
    for field in FIELDS:
        if field.name == "weight":
            weight = np.asarray(fields["weight"], dtype=np.float32)
            refuse(np.isnan(weight), "weight", weight, "must be a number")
            columns["weight"] = weight.view(np.uint32)
            continue
        columns[field.name] = numbers = np.asarray(fields[field.name])
        least = {"op_code": 1, "vsize": 1}.get(field.name, 0)
        check_range(numbers, least, len(OP_CODES) if field.name == "op_code" else field.largest, field.name)
    return pack_words(FIELDS, columns)


def pack_words(
    fields: Sequence[Field], columns: Mapping[str, npt.NDArray[np.generic]]
) -> npt.NDArray[np.uint64]:
    """Return words [n, 2], bits 0 to 63 and 64 to 78, of columns [n] of unsigned numbers that fit their fields."""
    words = np.zeros((len(columns[fields[0].name]), 2), dtype=np.uint64)
    for field in fields:
        values = columns[field.name].astype(np.uint64)
        if field.low < _LOW_BITS:
            words[:, 0] |= values << np.uint64(field.low)
        if field.low + field.bits > _LOW_BITS:
            shift = field.low - _LOW_BITS
            words[:, 1] |= values << np.uint64(shift) if shift >= 0 else values >> np.uint64(-shift)
    return words


def decode_arrays(words: npt.NDArray[np.uint64]) -> dict[str, npt.NDArray[np.generic]]:
    """Return the fields of many instructions, as `encode_arrays` takes them.

    Parameters
    ----------
    words : uint64 array [n, 2]
        Bits 0 to 63 and 64 to 78 of each instruction.
    """
    above = words[:, 1] >> np.uint64(WORD_BITS - _LOW_BITS)
    refuse(above != 0, "bits 79 and up", above, "must be 0")
    fields: dict[str, npt.NDArray[np.generic]] = {}
    for field in FIELDS:
        values = (
            words[:, 0] >> np.uint64(field.low) if field.low < _LOW_BITS else np.zeros(len(words), np.uint64)
        )
        if field.low + field.bits > _LOW_BITS:
            shift = field.low - _LOW_BITS
            values = values | (
                words[:, 1] >> np.uint64(shift) if shift >= 0 else words[:, 1] << np.uint64(-shift)
            )
        values = values & np.uint64(field.largest)
        fields[field.name] = values.astype(np.uint32 if field.bits == 32 else np.uint8)
    fields["weight"] = fields["weight"].view(np.float32)
    for name, rule in (("op_code", len(OP_CODES)), ("vsize", MOST_BURSTS)):
        check_range(fields[name], 1, rule, name)
    weight = fields["weight"]
    refuse(weight != weight, "weight", weight, "must be a number")
    return fields


def _fp32_bits(value: float) -> int:
    try:
        return int.from_bytes(struct.pack("<f", value), "little")
    except OverflowError:
        raise InputError(f"NMP instruction: weight = {value!r} is beyond FP32") from None


def _from_fp32(bits: int) -> float:
    value: float = struct.unpack("<f", bits.to_bytes(4, "little"))[0]
    return value
