"""A packet as the words that the host sends: header, counter writes, instructions, result loads, tail.

``docs/recnmp.md``, section Instructions, is the contract.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from archsim.errors import InputError, nearest
from archsim.nmp.daddr import DaddrFormat
from archsim.nmp.instruction import (
    POOLINGS_MAX,
    Field,
    Instruction,
    lay_out,
    pack_word,
    unpack_word,
)
from archsim.nmp.operators import COUNTER, ELEMENT_TYPES, HEADER, LOAD, OPERATORS, TAIL, op_code

HEADER_FIELDS = lay_out(
    ("op_code", 4), ("operator", 4), ("element_type", 3), ("vsize", 3), ("poolings", 5), ("counters", 16),
    ("instructions", 32), ("loads", 12),
)  # fmt: skip
COUNTER_FIELDS = lay_out(("op_code", 4), ("rank", 8), ("psum_tag", 4), ("instructions", 32))
LOAD_FIELDS = lay_out(("op_code", 4), ("dimm", 8), ("psum_tag", 4), ("bursts", 16))
TAIL_FIELDS = lay_out(("op_code", 4))


@dataclass(frozen=True)
class CounterWrite:
    """Tell a rank unit how many instructions of a pooling to wait for."""

    rank: int
    psum_tag: int
    instructions: int


@dataclass(frozen=True)
class ResultLoad:
    """Read the sum of a pooling from a DIMM."""

    dimm: int
    psum_tag: int
    bursts: int


@dataclass(frozen=True)
class Packet:
    """What the host sends for the poolings of one packet.

    Parameters
    ----------
    operator : str
        One of `archsim.nmp.operators.OPERATORS`.
    dtype : str
        Element type of the table, one of `archsim.nmp.operators.ELEMENT_TYPES`.
    poolings : int
        Poolings of the packet, 1 to 16.
    counters : tuple of CounterWrite
        One per rank and pooling that has instructions there.
    instructions : tuple of Instruction
        In program order.
    loads : tuple of ResultLoad
        In the order in which results are read.

    Raises
    ------
    InputError
        When a limit is broken or the counts do not match.
    """

    operator: str
    dtype: str
    poolings: int
    counters: tuple[CounterWrite, ...]
    instructions: tuple[Instruction, ...]
    loads: tuple[ResultLoad, ...]

    def __post_init__(self) -> None:
        for what, name, known in (
            ("operator", self.operator, OPERATORS),
            ("element type", self.dtype, ELEMENT_TYPES),
        ):
            if name not in known:
                raise InputError(f"NMP packet: unknown {what} {name!r}{nearest(name, known)}")
        if not 1 <= self.poolings <= POOLINGS_MAX:
            raise InputError(
                f"NMP packet: {self.poolings} poolings must be 1 to {POOLINGS_MAX}, the values of a PsumTag"
            )
        code = op_code(self.operator, self.dtype)
        for k, instruction in enumerate(self.instructions):
            if instruction.encode() >> FIELDS_OP_SHIFT != code:
                raise InputError(
                    f"NMP packet: instruction {k} is {instruction.operator!r}, not the packet's op code {code}"
                )
        tags = [write.psum_tag for write in self.counters]
        tags += [instruction.psum_tag for instruction in self.instructions]
        tags += [load.psum_tag for load in self.loads]
        if any(not 0 <= tag < self.poolings for tag in tags):
            raise InputError(
                f"NMP packet: PsumTag {max(tags)} must be below the packet's {self.poolings} poolings"
            )
        expected = Counter(instruction.psum_tag for instruction in self.instructions)
        counted: Counter[int] = Counter()
        for write in self.counters:
            counted[write.psum_tag] += write.instructions
        for tag in range(self.poolings):
            if expected[tag] != counted[tag]:
                raise InputError(
                    f"NMP packet: the counters of pooling {tag} wait for {counted[tag]} instructions, "
                    f"but it has {expected[tag]}"
                )

    @classmethod
    def of(
        cls,
        operator: str,
        dtype: str,
        poolings: int,
        instructions: Sequence[Instruction],
        layout: DaddrFormat,
        ranks_per_dimm: int,
        result_bursts: int,
    ) -> Packet:
        """Add to the instructions the counter writes and result loads that they need.

        Parameters
        ----------
        operator, dtype, poolings, instructions
            As of the class.
        layout : DaddrFormat
            Where Daddr holds the rank.
        ranks_per_dimm : int
            Ranks behind one buffer chip.
        result_bursts : int
            64-byte bursts of one result.
        """
        ranks = [(layout.unpack(each.daddr).rank, each.psum_tag) for each in instructions]
        counts = sorted(Counter(ranks).items())
        loads = sorted({(tag, rank // ranks_per_dimm) for rank, tag in ranks})
        return cls(
            operator,
            dtype,
            poolings,
            tuple(CounterWrite(rank, tag, count) for (rank, tag), count in counts),
            tuple(instructions),
            tuple(ResultLoad(dimm, tag, result_bursts) for tag, dimm in loads),
        )

    def encode(self) -> list[int]:
        """Return the 79-bit words, in the order in which they are sent."""
        longest = max((each.vsize for each in self.instructions), default=0)
        header = [
            HEADER, OPERATORS.index(self.operator), ELEMENT_TYPES.index(self.dtype), longest, self.poolings,
            len(self.counters), len(self.instructions), len(self.loads),
        ]  # fmt: skip
        return [
            pack_word(HEADER_FIELDS, header, "NMP packet header"),
            *(
                pack_word(COUNTER_FIELDS, (COUNTER, w.rank, w.psum_tag, w.instructions), "NMP counter write")
                for w in self.counters
            ),
            *(instruction.encode() for instruction in self.instructions),
            *(
                pack_word(LOAD_FIELDS, (LOAD, r.dimm, r.psum_tag, r.bursts), "NMP result load")
                for r in self.loads
            ),
            pack_word(TAIL_FIELDS, (TAIL,), "NMP packet tail"),
        ]

    @classmethod
    def decode(cls, words: Sequence[int]) -> Packet:
        """Read the words of one packet; `InputError` names the first word that is wrong."""
        reader = _Reader(words)
        operator, dtype, longest, poolings, counters, instructions, loads = reader.take(HEADER, HEADER_FIELDS)
        needed = counters + instructions + loads + 2
        if len(words) != needed:
            raise InputError(f"NMP packet: {len(words)} words, but its header announces {needed}")
        for name, number, known in (
            ("operator", operator, OPERATORS),
            ("element type", dtype, ELEMENT_TYPES),
        ):
            if number >= len(known):
                raise InputError(f"NMP packet word 0: {name} {number} must be 0 to {len(known) - 1}")
        writes = tuple(CounterWrite(*reader.take(COUNTER, COUNTER_FIELDS)) for _ in range(counters))
        body = tuple(reader.instruction() for _ in range(instructions))
        reads = tuple(ResultLoad(*reader.take(LOAD, LOAD_FIELDS)) for _ in range(loads))
        reader.take(TAIL, TAIL_FIELDS)
        if longest != max((each.vsize for each in body), default=0):
            raise InputError(
                f"NMP packet word 0: vsize = {longest} must be that of the packet's longest instruction"
            )
        return cls(OPERATORS[operator], ELEMENT_TYPES[dtype], poolings, writes, body, reads)


#: Where the op code of every kind of word lies.
FIELDS_OP_SHIFT = HEADER_FIELDS[0].low
_KINDS = {HEADER: "header", COUNTER: "counter write", LOAD: "result load", TAIL: "tail"}


def kind_of(word: int) -> str:
    """Return what a word is, by its op code: header, counter, instruction, load or tail."""
    kinds = {HEADER: "header", COUNTER: "counter", LOAD: "load", TAIL: "tail"}
    return kinds.get(word >> FIELDS_OP_SHIFT, "instruction")


class _Reader:
    """The words of a packet one after another, with the place of each in the error messages."""

    def __init__(self, words: Sequence[int]) -> None:
        self._words = words
        self._next = 0

    def _word(self) -> tuple[int, str]:
        place = f"NMP packet word {self._next}"
        if self._next >= len(self._words):
            raise InputError(f"{place}: the packet ends before it")
        self._next += 1
        return self._words[self._next - 1], place

    def take(self, code: int, fields: Sequence[Field]) -> list[int]:
        """Return the values of the next word behind its op code, which must be ``code``."""
        word, place = self._word()
        if word >> FIELDS_OP_SHIFT != code:
            raise InputError(
                f"{place}: op code {word >> FIELDS_OP_SHIFT} must be {code}, that of a {_KINDS[code]}"
            )
        return unpack_word(fields, word, place)[1:]

    def instruction(self) -> Instruction:
        """Return the next word as an instruction."""
        word, place = self._word()
        try:
            return Instruction.decode(word)
        except InputError as error:
            raise InputError(f"{place}: {error}") from None
