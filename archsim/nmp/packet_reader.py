"""Packet files, as `archsim.nmp.packet_log` writes them, read again."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

from archsim.errors import InputError, nearest
from archsim.files import check_plain
from archsim.nmp.instruction import WORD_BITS
from archsim.nmp.packet_log import COLUMNS, KINDS, MOST_WORDS
from archsim.nmp.packet_words import Packet, kind_of
from archsim.spec_errors import short

_HEX = re.compile(r"[0-9a-f]{1,20}")
_WHOLE = re.compile(r"[0-9]{1,18}")
#: Longest line: three numbers and a word.
_LONGEST = 80


class SentPacket(NamedTuple):
    """A packet as one channel sees it.

    Attributes
    ----------
    number : int
        Which packet of the replay, from 0; packets without lookups are counted and not there.
    channel : int
        Whose pins carry it.
    packet : Packet
        What is sent.
    """

    number: int
    channel: int
    packet: Packet


class _Line(NamedTuple):
    number: int
    packet: int
    channel: int
    word: int


def read_packets(path: Path) -> Iterator[SentPacket]:
    """Yield the packets of a file in the order in which they were sent; memory holds one at a time.

    Raises
    ------
    InputError
        For a file that cannot be read, and for anything that no packet file holds; with the line.
    """
    group: list[_Line] = []
    for line in _lines(path):
        if group and line[1:3] != group[0][1:3]:
            yield _packet(path, group)
            if line[1:3] < group[0][1:3]:
                rule = f"must follow packet {group[0].packet}, channel {group[0].channel}"
                raise InputError(
                    f"{path}: line {line.number}: packet {line.packet}, channel {line.channel} {rule}"
                )
            group = []
        if len(group) == MOST_WORDS:
            raise InputError(f"{path}: line {line.number}: a packet of more than {MOST_WORDS} words")
        group.append(line)
    if group:
        yield _packet(path, group)


def _packet(path: Path, group: list[_Line]) -> SentPacket:
    try:
        packet = Packet.decode([line.word for line in group])
    except InputError as error:
        raise InputError(f"{path}: lines {group[0].number} to {group[-1].number}: {error}") from None
    return SentPacket(group[0].packet, group[0].channel, packet)


def _lines(path: Path) -> Iterator[_Line]:
    try:
        check_plain(path)
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            stream: IO[bytes] = gzip.GzipFile(fileobj=raw) if packed else raw  # type: ignore[assignment]
            yield from _rows(path, stream)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _rows(path: Path, stream: IO[bytes]) -> Iterator[_Line]:
    number, header = 0, ",".join(COLUMNS)
    while data := stream.readline(_LONGEST + 2):
        number += 1
        text = data.decode("ascii", "backslashreplace").rstrip("\r\n")
        if number == 1:
            if text != header:
                raise InputError(f"{path}: line 1: {short(text)}: a packet file begins with {header!r}")
            continue
        yield _line(f"{path}: line {number}", number, text)
    if not number:
        raise InputError(f"{path}: empty; a packet file begins with {header!r}")


def _line(place: str, number: int, text: str) -> _Line:
    cells = text.split(",")
    if len(cells) != len(COLUMNS):
        raise InputError(f"{place}: {short(text)}: {len(cells)} entries, must be {len(COLUMNS)}")
    packet, channel, kind, word = cells
    for name, cell in (("packet", packet), ("channel", channel)):
        if not _WHOLE.fullmatch(cell):
            raise InputError(f"{place}: {name} = {short(cell)} must be a whole number")
    if kind not in KINDS:
        raise InputError(f"{place}: kind = {short(kind)}: unknown{nearest(kind, KINDS)}")
    if not _HEX.fullmatch(word) or int(word, 16) >> WORD_BITS:
        raise InputError(f"{place}: word = {short(word)} must be {WORD_BITS} bits as hexadecimal digits")
    found = kind_of(int(word, 16))
    if found != kind:
        raise InputError(f"{place}: kind = {kind!r}: the op code of the word is that of {found!r}")
    return _Line(number, int(packet), int(channel), int(word, 16))
