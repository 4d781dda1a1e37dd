"""The packets that a replay sends, as the words of its host: written while it runs, and read again.

``docs/nmp-packets.md`` is the contract of the file.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from archsim.errors import InputError
from archsim.files import new_file
from archsim.nmp.instruction import WORD_BITS
from archsim.nmp.packet_arrays import Bursts, PacketArrays, RowState

if TYPE_CHECKING:
    from archsim.dram.spec import DramSpec
    from archsim.nmp.designs import Design

COLUMNS = ("packet", "channel", "kind", "word")
KINDS = ("header", "counter", "instruction", "load", "tail")
#: Instructions that are written when nothing is said.
DEFAULT_INSTRUCTIONS = 1_000_000
#: Most words of one packet in a channel; the reader holds one packet at a time.
MOST_WORDS = 1 << 20
_ROWS = 1 << 16  # lines that are made together: bounds memory


def check_name(path: Path) -> None:
    """Refuse a name that tells no format.

    Raises
    ------
    InputError
        Before any work is done for the file.
    """
    if not path.name.endswith((".csv", ".csv.gz")):
        raise InputError(f"{path}: a packet file must end in .csv or .csv.gz")


@dataclass
class Sent:
    """What was counted: packets, as each channel sees them, and their instructions."""

    packets: int = 0
    instructions: int = 0


class PacketLog:
    """The words of the packets of one replay; made by `write_packets`, filled by ``archsim.simulate``.

    Attributes
    ----------
    written, sent : Sent
        What is in the file, and what the replay sent.
    """

    def __init__(self, stream: IO[str], limit: int) -> None:
        self.written, self.sent = Sent(), Sent()
        self._stream, self._limit = stream, limit
        self._rows: RowState | None = None
        self._packets = 0  # seen, with and without lookups
        stream.write(",".join(COLUMNS) + "\n")

    def begin(self, name: str, design: Design, dram: DramSpec) -> None:
        """Take a replay.

        Parameters
        ----------
        name : str
            Name of the system, for messages.
        design : Design
            Its near-memory design.
        dram : DramSpec
            Its memory.

        Raises
        ------
        InputError
            When its host does not send NMP instructions of 79 bits, Daddr cannot name its memory, or the log had a
            replay before.
        """
        if not design.nmp_instructions:
            raise InputError(
                f"system {name!r}: the host of design {design.name!r} sends no NMP instructions, so there are no "
                "packets to write; 'recnmp' does"
            )
        if design.nmp.instruction_bits != WORD_BITS:
            raise InputError(
                f"system {name!r}: nmp.instruction_bits = {design.nmp.instruction_bits}: packets are written in words "
                f"of {WORD_BITS} bits"
            )
        if self._rows is not None:
            raise InputError("a packet log holds the packets of one replay; make another one")
        self._rows = RowState(dram.organization, design.nmp.ranks_per_dimm)

    def take(self, bursts: Bursts) -> None:
        """Write packets that the replay has executed.

        Raises
        ------
        InputError
            When an instruction cannot be encoded: with packet, channel and field.
        """
        assert self._rows is not None  # `begin` was called
        first, self._packets = self._packets, self._packets + len(bursts.packet_first) - 1
        sizes, shares = self._rows.count(bursts)
        whole = self.written.instructions + np.cumsum(sizes) <= self._limit
        # Once a packet was left out, so are all that follow.
        kept = int(np.count_nonzero(whole)) if self.written == self.sent else 0
        self.sent = Sent(self.sent.packets + int(shares.sum()), self.sent.instructions + int(sizes.sum()))
        if not kept:
            return
        self.written = Sent(
            self.written.packets + int(shares[:kept].sum()),
            self.written.instructions + int(sizes[:kept].sum()),
        )
        self._write(self._rows.encode(bursts.part(kept), first))

    def _write(self, words: PacketArrays) -> None:
        longest = np.bincount(words.group)
        if len(longest) and longest.max() > MOST_WORDS:
            at = int(np.argmax(words.group == np.argmax(longest)))
            raise InputError(
                f"packet {words.packet[at]}, channel {words.channel[at]}: {longest.max()} words; a packet file takes "
                f"{MOST_WORDS} of a packet"
            )
        for start in range(0, len(words.packet), _ROWS):
            here = slice(start, start + _ROWS)
            columns = (words.packet[here], words.channel[here], words.kind[here], *words.word[here].T)
            self._stream.writelines(
                f"{packet},{channel},{KINDS[kind]},{high << 64 | low:020x}\n"
                for packet, channel, kind, low, high in zip(*(c.tolist() for c in columns), strict=True)
            )

    def summary(self) -> str:
        """Return what was written of what was sent."""
        parts = (
            f"{written:,} of {sent:,} {what}"
            for what, written, sent in (
                ("packets", self.written.packets, self.sent.packets),
                ("instructions", self.written.instructions, self.sent.instructions),
            )
        )
        return ", ".join(parts)


@contextmanager
def write_packets(path: Path, limit: int = DEFAULT_INSTRUCTIONS) -> Iterator[PacketLog]:
    """Give a log for ``archsim.simulate``; the file appears, whole, when the block ends without an error.

    Parameters
    ----------
    path : Path
        Ends in ``.csv`` or ``.csv.gz``; must not exist.
    limit : int
        Whole packets are written from the first on, as long as they have no more instructions than this together.

    Raises
    ------
    InputError
        When the file exists or cannot be written.
    """
    check_name(path)
    with new_file(path) as temporary, temporary.open("wb") as raw:
        # No name and no time inside: the same packets give the same file.
        packed = gzip.GzipFile("", "wb", 6, raw, mtime=0) if path.suffix == ".gz" else None
        with io.TextIOWrapper(packed or raw, encoding="ascii", newline="\n") as text:
            yield PacketLog(text, limit)
