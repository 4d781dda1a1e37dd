"""``journal.jsonl``: one line per finished point, in the file as soon as the point is done.

A line is a JSON object whose last key, ``crc32``, is the CRC-32 of the text before it. A last line without its end
is what a kill leaves behind and is dropped; anything else that is not as it was written is damage.
"""

from __future__ import annotations

import errno
import json
import os
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

from archsim.errors import InputError
from archsim.files import check_plain, open_own
from archsim.studies.columns import STATUSES, Row
from archsim.studies.definition import parse_json

FILE = "journal.jsonl"
#: Lines reach the disk at most this often while they come: a full flush takes milliseconds.
SYNC_S = 1.0
_CHECK = b',"crc32":'


def encode(row: Row) -> bytes:
    """Return the line of a row; columns that are None are left out."""
    body = json.dumps({key: value for key, value in row.items() if value is not None}, separators=(",", ":"))
    text = body[:-1].encode("ascii")
    return text + _CHECK + b"%d}\n" % zlib.crc32(text)


def decode(line: bytes, where: str) -> Row:
    """Return the row of a line; ``where`` opens the error message.

    Raises
    ------
    InputError
        For a line that is not as `encode` wrote it.
    """
    text, mark, check = line.rpartition(_CHECK)
    if not mark:
        parse_json(line, where)  # says where it stops being JSON
        raise InputError(f"{where}: damaged: key 'crc32' is missing at the end")
    if check != b"%d}" % zlib.crc32(text):
        raise InputError(
            f"{where}: damaged: its CRC-32 is {zlib.crc32(text)}, not {check[:-1].decode('latin-1')}"
        )
    row = parse_json(text + b"}", where)
    if type(row.get("point_id")) is not str or row.get("status") not in STATUSES:
        raise InputError(f"{where}: damaged: must have a point_id, and a status of {', '.join(STATUSES)}")
    return {sys.intern(key): value for key, value in row.items()}


def read_rows(file: Path) -> Iterator[Row]:
    """Yield the whole lines of a journal; none when there is no journal.

    Raises
    ------
    InputError
        Naming the first damaged line; for a pipe or a device, whose end may never come.
    """
    try:
        check_plain(file)
        content = file.read_bytes()
    except FileNotFoundError:
        return
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror}") from None
    start, number = 0, 1
    while (end := content.find(b"\n", start)) >= 0:
        yield decode(content[start:end], f"{file}: line {number}")
        start, number = end + 1, number + 1


class JournalWriter:
    """Appends lines, each with one system call; a line that does not fit is taken back.

    Opening drops a torn last line. What is appended outlives this process at once, and a loss of power from the next
    flush on: with the first line that comes `SYNC_S` after the last flush, and at the end.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._descriptor = open_own(file, os.O_APPEND)
        self._size = _whole(self._descriptor)
        os.ftruncate(self._descriptor, self._size)
        self._synced_s = time.monotonic()

    def append(self, row: Row) -> None:
        """Write one row.

        Raises
        ------
        InputError
            When the disk is full or fails; the file then ends with its last whole line.
        """
        line = encode(row)
        self._settle()
        try:
            written = _write(self._descriptor, line)
        except OSError as error:
            self._take_back()
            raise self._refused(error) from None
        if written < len(line):
            self._take_back()
            raise self._refused(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
        self._size += len(line)
        if time.monotonic() - self._synced_s >= SYNC_S:
            self._sync()

    def close(self) -> None:
        """Close the file, and have its lines last through a loss of power.

        Raises
        ------
        InputError
            When the disk fails only now, as those of a network do.
        """
        try:
            self._sync()
        finally:
            os.close(self._descriptor)

    def _sync(self) -> None:
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            raise self._refused(error) from None
        self._synced_s = time.monotonic()

    def _settle(self) -> None:
        """Take in what an interrupted `append` wrote, if it is whole."""
        if os.fstat(self._descriptor).st_size != self._size:
            self._size = _whole(self._descriptor)
            self._take_back()

    def _take_back(self) -> None:
        os.ftruncate(self._descriptor, self._size)

    def _refused(self, error: OSError) -> InputError:
        why = error.strerror or str(error)
        return InputError(
            f"{self._file}: cannot be written: {why}; all points before are kept, and the same call goes on from there"
        )


def _write(descriptor: int, line: bytes) -> int:
    """Write as much of a line as goes; a disk that fills up takes a part first."""
    written = 0
    while written < len(line):
        count = os.write(descriptor, line[written:])
        if not count:
            break
        written += count
    return written


def _whole(descriptor: int) -> int:
    """Return the bytes up to the end of the last whole line."""
    end = os.fstat(descriptor).st_size
    while end:
        start = max(0, end - 65536)
        os.lseek(descriptor, start, os.SEEK_SET)  # lines are appended wherever this stands
        found = os.read(descriptor, end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0
