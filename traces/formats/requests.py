"""Text of memory requests, one per line, as memory simulators read it.

Each form is that of the simulator's own reader: ``Trace::get_dramtrace_request`` and ``get_filtered_request`` in
CMU-SAFARI/ramulator, ``LoadStoreTrace`` and ``SimpleO3Core`` in CMU-SAFARI/ramulator2, ``operator>>`` of
``Transaction`` in umd-memsys/DRAMsim3. Where those take anything, only what their traces hold is taken here: a damaged
word must not become a read.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NoReturn

import archsim.kernels.text_lines as kernel
from archsim.errors import InputError
from archsim.traces.addresses import AddressTrace
from archsim.traces.formats.sources import BLOCK_BYTES, trace_name
from archsim.traces.formats.text import check_encoding, column_of, feed_lines, open_text, sound_scan

_HEX = "hexadecimal digits, with or without 0x"
_DECIMAL = "decimal digits"


def is_dramsim3(head: bytes) -> bool:
    """Whether a file begins with an address, an operation and a clock."""
    return bool(re.match(rb"(0[xX])?[0-9a-fA-F]+[ \t]+[A-Za-z_]{4,8}[ \t]+[0-9]+[ \t]*\r?(\n|$)", head))


def is_ramulator1(head: bytes) -> bool:
    """Whether a file begins with an address and R or W."""
    return bool(re.match(rb"(0[xX])?[0-9a-fA-F]+[ \t]+[RW][ \t]*\r?(\n|$)", head))


def is_ramulator2(head: bytes) -> bool:
    """Whether a file begins with LD or ST."""
    return bool(re.match(rb"(LD|ST)[ \t]", head))


def is_address_vectors(head: bytes) -> bool:
    """Whether a file begins with R or W and numbers between commas."""
    return bool(re.match(rb"[RW][ \t]+-?[0-9]+(,-?[0-9]+)+[ \t]*\r?(\n|$)", head))


def read_dramsim3(path: str | Path, block_bytes: int = BLOCK_BYTES) -> AddressTrace:
    """Read DRAMsim3's ``ADDRESS READ|WRITE CLOCK``.

    Parameters
    ----------
    path : str or Path
        The file. Addresses are hexadecimal, clocks decimal; DRAMsim2's P_MEM_RD and P_MEM_WR are known too.
    block_bytes : int
        Bytes read at a time; the trace does not depend on it.

    Returns
    -------
    AddressTrace
        With the earliest arrivals, in clocks of the memory.

    Raises
    ------
    InputError
        File, line and column of the first field that is wrong, or a clock before that of the line above.
    """
    words = {b"READ": 0, b"read": 0, b"P_MEM_RD": 0, b"WRITE": 1, b"write": 1, b"P_MEM_WR": 1}
    fields = [kernel.HEX, kernel.WORD, kernel.TIME]
    rules = [("address", _HEX), ("operation", "READ or WRITE"), ("clock", _DECIMAL)]
    return _read(Path(path), fields, words, rules, 3, block_bytes, "DRAMsim3", ())


def read_ramulator1(path: str | Path, block_bytes: int = BLOCK_BYTES) -> AddressTrace:
    """Read Ramulator 1's memory trace, ``ADDRESS R|W``, addresses in hexadecimal.

    Parameters, return value and errors are those of `read_dramsim3`, without arrivals.
    """
    rules = [("address", _HEX), ("operation", "R or W")]
    fields, words = [kernel.HEX, kernel.WORD], {b"R": 0, b"W": 1}
    return _read(Path(path), fields, words, rules, 2, block_bytes, "Ramulator 1", ())


def read_ramulator2(path: str | Path, block_bytes: int = BLOCK_BYTES) -> AddressTrace:
    """Read Ramulator 2's LoadStoreTrace, ``LD|ST ADDRESS``, in hexadecimal after 0x and else decimal.

    Parameters, return value and errors are those of `read_dramsim3`, without arrivals.
    """
    rules = [("operation", "LD or ST"), ("address", "decimal digits, or 0x and hexadecimal digits")]
    fields, words = [kernel.WORD, kernel.EITHER], {b"LD": 0, b"ST": 1}
    return _read(Path(path), fields, words, rules, 2, block_bytes, "Ramulator 2 LoadStoreTrace", ())


def read_ramulator_cpu(path: str | Path, block_bytes: int = BLOCK_BYTES) -> AddressTrace:
    """Read the processor trace of both Ramulators, ``BUBBLES LOAD [WRITEBACK]``, all decimal.

    Parameters, return value and errors are those of `read_dramsim3`, without arrivals. A write-back follows its load.
    Bubbles, the instructions between, take time in a processor only, and are left out.
    """
    rules = [("bubble count", _DECIMAL), ("load address", _DECIMAL), ("write-back address", _DECIMAL)]
    fields = [kernel.SKIPPED, kernel.DECIMAL, kernel.WRITTEN]
    note = "no processor or cache is modelled: every load and write-back is a request, bubbles are left out"
    return _read(Path(path), fields, {}, rules, 2, block_bytes, "Ramulator processor trace", (note,))


def refuse_address_vectors(path: str | Path) -> NoReturn:
    """Refuse Ramulator 2's ReadWriteTrace, and say why.

    Raises
    ------
    InputError
        Always: its numbers are positions in one memory's organization, not addresses.
    """
    raise InputError(
        f"{path}: Ramulator 2's ReadWriteTrace gives channel, rank, bank, row and column of one memory instead of "
        "addresses, and not which memory; record a LoadStoreTrace (LD ADDRESS, ST ADDRESS)"
    )


def _read(
    file: Path,
    fields: list[int],
    words: dict[bytes, int],
    rules: list[tuple[str, str]],
    needed: int,
    block_bytes: int,
    generator: str,
    notes: tuple[str, ...],
) -> AddressTrace:
    def scan(keep: bool) -> kernel.AddressScanner:
        scanner = kernel.AddressScanner(fields, words, needed)
        with open_text(file) as stream:
            check_encoding(file, stream.peek(4)[:4])  # type: ignore[attr-defined]
            feed_lines(file, stream, scanner, rules, block_bytes, keep=keep)
        return scanner

    scanner = sound_scan(scan)
    address, operation = column_of(scanner.address), column_of(scanner.operation)
    if not len(address):
        raise InputError(f"{file}: empty file")
    return AddressTrace(
        name=trace_name(file),
        address=address,
        operation=operation,
        time=column_of(scanner.time) if kernel.TIME in fields else None,
        time_unit="clk",
        generator=generator,
        notes=notes,
    )
