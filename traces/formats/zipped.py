"""Where the members of a zip archive stand in a buffer, so that large ones that are not compressed are never copied."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from itertools import pairwise

from archsim.errors import InputError

MAX_DIRECTORY_BYTES = 1 << 20
"""Largest directory that is read: some ten thousand members."""

STORED, DEFLATED = 0, 8
"""Methods of compression."""

_END = struct.Struct("<4s4H2IH")
_END64_LOCATOR = struct.Struct("<4sIQI")
_END64 = struct.Struct("<4sQ2H2I4Q")
_ENTRY = struct.Struct("<4s6H3I5H2I")
_LOCAL = struct.Struct("<4s5H3I2H")
_CRC_BLOCK, _PACKED_BLOCK = 1 << 24, 1 << 12


@dataclass(frozen=True)
class Member:
    """A member: its first byte in the buffer, its size there, its size unpacked, its checksum and method."""

    start: int
    packed: int
    size: int
    crc: int
    method: int


def zip_members(data: memoryview, where: str, methods: tuple[int, ...] = (STORED,)) -> dict[str, Member]:
    """Read the directory of a zip archive.

    Parameters
    ----------
    data : memoryview
        The archive.
    where : str
        Start of error messages.
    methods : tuple of int
        `STORED`, `DEFLATED` or both: how members may be compressed.

    Returns
    -------
    dict of str to Member
        By name.

    Raises
    ------
    InputError
        An archive that is cut short or damaged, or a member that is compressed otherwise or encrypted.
    """
    count, size, offset = _directory(data, where)
    if size > MAX_DIRECTORY_BYTES:
        raise InputError(
            f"{where}: byte {offset}: zip directory of {size} bytes; at most {MAX_DIRECTORY_BYTES} are read"
        )
    members: dict[str, Member] = {}
    at, end = offset, offset + size
    for _ in range(count):
        if at + _ENTRY.size > end or bytes(data[at : at + 4]) != b"PK\x01\x02":
            raise _damaged(where, at, "no entry of the directory here")
        entry = _ENTRY.unpack_from(data, at)
        flags, method, crc, packed, full = entry[3], entry[4], *entry[7:10]
        name_size, extra_size, comment_size, local = *entry[10:13], entry[16]
        names = at + _ENTRY.size
        extras = names + name_size
        at = extras + extra_size + comment_size
        if at > end:
            raise _damaged(where, names, "an entry runs beyond the directory")
        name = bytes(data[names:extras]).decode("utf-8", "replace")
        full, packed, local = _wide(data[extras : extras + extra_size], [full, packed, local], where, extras)
        if method not in methods or flags & 1 or (method == STORED and packed != full):
            allowed = "stored as it is, or deflated" if DEFLATED in methods else "stored as it is"
            raise InputError(f"{where}: {name!r} is compressed or encrypted; it must be {allowed}")
        if name in members:
            raise _damaged(where, names, f"a second member {name!r}")
        members[name] = Member(_start(data, local, packed, name, where), packed, full, crc, method)
    if at != end:
        raise _damaged(where, at, f"the directory goes on after its {count} entries")
    # Members that share bytes could make a small file take long.
    for before, after in pairwise(sorted(members.values(), key=lambda member: member.start)):
        if before.start + before.packed > after.start:
            raise _damaged(where, after.start, "two members overlap")
    return members


def member_content(data: memoryview, member: Member, name: str, where: str) -> memoryview:
    """Return the bytes of a member, unpacked, after comparing them with their checksum."""
    content = data[member.start : member.start + member.packed]
    if member.method == DEFLATED:
        content = _inflated(content, member.size, f"{where}: {name!r}")
    crc = 0
    for start in range(0, member.size, _CRC_BLOCK):
        crc = zlib.crc32(content[start : start + _CRC_BLOCK], crc)
    if crc != member.crc:
        raise InputError(
            f"{where}: {name!r}: CRC-32 {crc:08x}, but the archive says {member.crc:08x}: damaged"
        )
    return content


def _inflated(packed: memoryview, size: int, what: str) -> memoryview:
    """Unpack a member into as many bytes as the directory says, and no more."""
    unpacked, at = bytearray(size), 0
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        for start in range(0, len(packed), _PACKED_BLOCK):
            made = stream.decompress(packed[start : start + _PACKED_BLOCK], size - at + 1)
            if at + len(made) > size:
                raise InputError(f"{what} holds more than the {size} bytes that the archive says: damaged")
            unpacked[at : at + len(made)] = made
            at += len(made)
    except zlib.error as error:
        raise InputError(f"{what}: damaged deflate data: {error}") from None
    if not stream.eof or stream.unused_data or at != size:
        raise InputError(f"{what} holds {at} of the {size} bytes that the archive says, or goes on: damaged")
    return memoryview(unpacked).toreadonly()


def _directory(data: memoryview, where: str) -> tuple[int, int, int]:
    """Return the number of entries, the size and the place of the directory."""
    tail = max(0, len(data) - _END.size - 0xFFFF)
    end = bytes(data[tail:]).rfind(b"PK\x05\x06")
    if end < 0 or tail + end + _END.size > len(data):
        raise InputError(
            f"{where}: byte {len(data)}: not a complete zip archive: the file ends without a directory"
        )
    end += tail
    _, _, _, _, count, size, offset, comment = _END.unpack_from(data, end)
    if end + _END.size + comment != len(data):
        raise _damaged(where, end, "the end record does not end the file")
    place = end
    locator = end - _END64_LOCATOR.size
    if locator >= 0 and bytes(data[locator : locator + 4]) == b"PK\x06\x07":
        place = _END64_LOCATOR.unpack_from(data, locator)[2]
        if place + _END64.size > locator or bytes(data[place : place + 4]) != b"PK\x06\x06":
            raise _damaged(where, locator, "no 64-bit end record where this says")
        count, size, offset = _END64.unpack_from(data, place)[7:10]
    if offset + size != place:
        raise _damaged(where, end, f"a directory of {size} bytes at {offset} does not end at {place}")
    return count, size, offset


def _wide(extra: memoryview, values: list[int], where: str, place: int) -> list[int]:
    """Take the sizes and the offset that do not fit 32 bits from the extra field."""
    if 0xFFFFFFFF not in values:
        return values
    at = 0
    while at + 4 <= len(extra):
        kind, size = struct.unpack_from("<2H", extra, at)
        if kind == 1:
            wanted = [k for k, value in enumerate(values) if value == 0xFFFFFFFF]
            if at + 4 + size > len(extra) or size < 8 * len(wanted):
                break
            for k, value in zip(wanted, struct.unpack_from(f"<{len(wanted)}Q", extra, at + 4), strict=True):
                values[k] = value
            return values
        at += 4 + size
    raise _damaged(where, place, "a size beyond 32 bits is missing")


def _start(data: memoryview, local: int, size: int, name: str, where: str) -> int:
    """Return where the bytes of a member begin."""
    if local + _LOCAL.size > len(data) or bytes(data[local : local + 4]) != b"PK\x03\x04":
        raise _damaged(where, local, f"no header of {name!r} here")
    name_size, extra_size = _LOCAL.unpack_from(data, local)[9:11]
    start: int = local + _LOCAL.size + name_size + extra_size
    if bytes(data[local + _LOCAL.size :][:name_size]) != name.encode(
        "utf-8", "replace"
    ) or start + size > len(data):
        raise _damaged(where, local, f"the header of {name!r} does not match the directory")
    return start


def _damaged(where: str, place: int, what: str) -> InputError:
    return InputError(f"{where}: byte {place}: damaged zip archive: {what}")
