"""New trace files, compressed as their name says, that appear whole or not at all."""

from __future__ import annotations

import gzip
import lzma
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from io import RawIOBase
from pathlib import Path
from typing import IO, Any, cast

import zstandard

from archsim.files import new_file
from archsim.traces.addresses import AddressTrace
from archsim.traces.checks import forget_pages

Progress = Callable[[int], object]
"""Called with the number of lookups or requests that were written since the last call."""


def pieces(trace: AddressTrace | Iterable[AddressTrace], most: int) -> Iterator[AddressTrace]:
    """Cut addresses, one trace or windows of one, into pieces of at most ``most`` requests."""
    for window in (trace,) if isinstance(trace, AddressTrace) else trace:
        for first, last in window.chunks(most):
            yield window.window(first, last)
            for column in window.columns.values():
                forget_pages(column)


def silent(_written: int) -> None:
    """Show no progress."""


ENDINGS: dict[str, Callable[[IO[bytes]], Any]] = {
    # Neither a name nor a time goes into the file: the same trace gives the same bytes.
    ".gz": lambda raw: gzip.GzipFile("", "wb", 6, raw, 0),
    ".xz": lambda raw: lzma.LZMAFile(raw, "wb", preset=1),  # noqa: SIM115
    ".zst": lambda raw: zstandard.ZstdCompressor(level=3).stream_writer(raw, closefd=False),
}
"""Endings of names that ask for compression, and what compresses into an open file."""


class _Counted(RawIOBase):
    """Tells how many bytes were written before compression, which not every compressor does."""

    def __init__(self, target: Any) -> None:
        self._target, self._bytes = target, 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._target.write(data)
        self._bytes += len(data)
        return len(data)

    def tell(self) -> int:
        return self._bytes


@contextmanager
def new_output(path: Path) -> Iterator[IO[bytes]]:
    """Open a new file for writing, compressed where its name ends in .gz, .xz or .zst.

    Parameters
    ----------
    path : Path
        The new file, which appears when the block ends without an error.

    Yields
    ------
    binary stream

    Raises
    ------
    InputError
        ``path`` exists already or cannot be written.
    """
    with new_file(path) as temporary, temporary.open("wb") as raw:
        compress = ENDINGS.get(path.suffix)
        if compress is None:
            yield raw
        else:
            with compress(raw) as packed:
                yield cast(IO[bytes], _Counted(packed))
