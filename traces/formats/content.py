"""The whole content of a binary file as one buffer: mapped where it is plain, in memory where it was compressed."""

from __future__ import annotations

import mmap
from pathlib import Path

from archsim.errors import InputError
from archsim.traces.formats.sources import BLOCK_BYTES, open_binary


def file_content(path: Path) -> memoryview:
    """Return the bytes of a file, decompressed where its first bytes say so.

    Parameters
    ----------
    path : Path
        A plain or compressed file.

    Returns
    -------
    memoryview
        Read-only bytes. A plain file is a memory map, which lives as long as anything refers to it.

    Raises
    ------
    InputError
        The file cannot be read, is damaged, or empty.
    """
    with open_binary(path) as stream:
        try:
            number = stream.fileno()
        except OSError:  # decompressed on the way
            unpacked = bytearray()
            while block := stream.read(BLOCK_BYTES):
                unpacked += block
            data = memoryview(unpacked)
        else:
            try:
                data = memoryview(mmap.mmap(number, 0, access=mmap.ACCESS_READ))
            except ValueError:  # nothing to map
                data = memoryview(b"")
    if not data:
        raise InputError(f"{path}: empty file")
    return data.toreadonly()
