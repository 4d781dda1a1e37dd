"""Opening trace files that may be compressed, and reporting what is wrong with them in one line."""

from __future__ import annotations

import lzma
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader, RawIOBase
from pathlib import Path
from tokenize import TokenError
from typing import Any, BinaryIO, cast

import zstandard

from archsim.errors import InputError
from archsim.files import check_plain

HEAD_BYTES = 4096
"""How much of a file, decompressed, is looked at to tell its format."""

BLOCK_BYTES = 1 << 20
"""How much text is read at a time."""

FREE_BYTES = 64 << 20
"""Compressed data may expand this far at any ratio ..."""

RATIO = 200
"""... and beyond that only to this multiple of the compressed bytes read so far."""

MEMORY_BYTES = 128 << 20
"""What a decompressor may take; ``xz -9`` takes 65 MiB, and zstd stops here by itself."""

MOST_EMPTY_PARTS = 1000
"""Parts of compressed data (members, streams, frames) that may follow one another without holding any data."""

NPY_DAMAGE = (
    *(ValueError, TypeError, SyntaxError, EOFError, LookupError, AttributeError, ArithmeticError),
    *(TokenError, RecursionError, MemoryError, struct.error),
)
"""What NumPy raises over a damaged ``.npy`` header or content."""


FIRST_FEED_BYTES = 256
"""How much of a part is unpacked first, and then twice as much each time: parts may be tiny and very many."""


class _Zstd:
    """One zstd frame; offers what `zlib` and `lzma` decompressors offer."""

    needs_input = True

    def __init__(self, frame: Any) -> None:
        self._frame = frame

    @property
    def eof(self) -> bool:
        return bool(self._frame.eof)

    @property
    def unused_data(self) -> bytes:
        return cast(bytes, self._frame.unused_data)

    def decompress(self, data: bytes, _max_length: int) -> bytes:
        return cast(bytes, self._frame.decompress(data))


def _zstd_frames() -> Callable[[], _Zstd]:
    # One context for all frames of a file: making it is what takes long.
    frames = zstandard.ZstdDecompressor()
    return lambda: _Zstd(frames.decompressobj())


class _Gzip:
    """One gzip member; gives `zlib`'s decompressor the attributes of `lzma`'s."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._member.eof

    @property
    def needs_input(self) -> bool:
        return not self._member.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._member.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._member.decompress(self._member.unconsumed_tail + data, max_length)


@dataclass(frozen=True)
class Compression:
    """A compressed form of files: what it is called, how a part of it begins and is unpacked.

    ``parts`` is called per file, and gives what is called per part. At most ``feed_bytes`` are unpacked at a time.
    """

    name: str
    magic: tuple[bytes, ...]
    parts: Callable[[], Callable[[], Any]]
    feed_bytes: int = BLOCK_BYTES >> 4


COMPRESSIONS = (
    Compression("gzip", (b"\x1f\x8b",), lambda: _Gzip),
    Compression(
        "xz", (b"\xfd7zXZ\x00",), lambda: lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, MEMORY_BYTES)
    ),
    # Skippable frames, the other magic numbers, may come before, between and behind the data.
    # Four bytes can stand for 128 KiB, and this decompressor has no output limit: 1 KiB gives 32 MiB at most.
    Compression(
        "zstd",
        (b"\x28\xb5\x2f\xfd", *(bytes([0x50 + n]) + b"\x2a\x4d\x18" for n in range(16))),
        _zstd_frames,
        1024,
    ),
)
"""Compressions told by the first bytes of a file. Members (streams, frames) may follow one another."""


@contextmanager
def no_warnings() -> Iterator[None]:
    """Keep what NumPy warns of while it parses a ``.npy`` header from the user: it is read, or refused in one line."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, or what it is when it says nothing."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


def trace_name(path: Path) -> str:
    """Return the name of a trace read from a file: the file's, without its endings."""
    return path.name.split(".")[0] or path.name


class _Unpacked(RawIOBase):
    """The decompressed bytes of a file; every way to be damaged is an `InputError` with its place."""

    def __init__(self, path: Path, raw: BinaryIO, compression: Compression) -> None:
        self._path, self._raw, self._kind = path, raw, compression
        self._new_part = compression.parts()
        self._part, self._feed_bytes = self._new_part(), FIRST_FEED_BYTES
        self._fetched, self._at = b"", 0
        self._read_bytes = self._made_bytes = self._empty_parts = 0
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        while not self._ready:
            made = self._more()
            if made is None:
                return 0
            self._ready = memoryview(made)
        count = min(len(target), len(self._ready))
        target[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def _more(self) -> bytes | None:
        """Unpack a little more; None at the end of a file that is whole."""
        if self._part.eof:
            head = self._next(8)
            self._give_back(len(head))
            if not head:
                return None
            if not head.startswith(self._kind.magic):
                raise self._damage(f"{head!r} follows the end", self._read_bytes)
            self._part, self._feed_bytes = self._new_part(), FIRST_FEED_BYTES
            self._empty_parts += 1
            if self._empty_parts > MOST_EMPTY_PARTS:
                raise self._damage(f"more than {MOST_EMPTY_PARTS} empty parts in a row", self._read_bytes)
        data = b""
        if self._part.needs_input:
            data = self._next(self._feed_bytes)
            self._feed_bytes = min(2 * self._feed_bytes, self._kind.feed_bytes)
            if not data:
                raise self._damage("the file is cut short", self._read_bytes)
        try:
            made = self._part.decompress(data, BLOCK_BYTES)
            if self._part.eof:
                self._give_back(len(self._part.unused_data))
        except (lzma.LZMAError, zlib.error, zstandard.ZstdError, EOFError) as error:
            raise self._damage(first_line(error), self._read_bytes) from None
        self._made_bytes += len(made)
        if made:
            self._empty_parts = 0
        if self._made_bytes > max(FREE_BYTES, RATIO * self._read_bytes):
            raise InputError(
                f"{self._path}: {self._kind.name} data expand more than {RATIO} times, {self._read_bytes} to over "
                f"{FREE_BYTES >> 20} MiB; decompress the file first if that is meant"
            )
        return cast(bytes, made)

    def _next(self, most: int) -> bytes:
        """Return the next bytes of the file, as many as there are up to ``most``."""
        if len(self._fetched) < self._at + most:
            self._fetched = self._fetched[self._at :] + self._raw.read(BLOCK_BYTES >> 4)
            self._at = 0
        data = self._fetched[self._at : self._at + most]
        self._at += len(data)
        self._read_bytes += len(data)
        return data

    def _give_back(self, count: int) -> None:
        """Make the last bytes the next ones again."""
        self._at -= count
        self._read_bytes -= count

    def _damage(self, what: str, place: int) -> InputError:
        return InputError(f"{self._path}: damaged {self._kind.name} data: byte {place}: {what}")


@contextmanager
def open_binary(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading bytes, decompressed where its first bytes say so.

    Parameters
    ----------
    path : Path
        A gzip, xz, zstd or plain file.

    Yields
    ------
    binary stream
        Raises `InputError` where the compressed data are damaged, cut short, followed by something else, or
        expand beyond `FREE_BYTES` and `RATIO`.

    Raises
    ------
    InputError
        The file cannot be opened or read, or is a pipe or a device.
    """
    try:
        _check_path(path)
        with path.open("rb") as raw:
            head = raw.read(8)
            raw.seek(0)
            for compression in COMPRESSIONS:
                if head.startswith(compression.magic):
                    yield BufferedReader(_Unpacked(path, raw, compression), BLOCK_BYTES)
                    return
            yield raw
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None


def _check_path(path: Path) -> None:
    """Refuse what is no file, and names that no file can have."""
    try:
        check_plain(path)
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
