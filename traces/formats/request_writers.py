"""Writing raw addresses as text for other simulators; `archsim.traces.formats.requests` reads the same forms."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.errors import InputError
from archsim.traces.addresses import AddressTrace
from archsim.traces.formats.outputs import Progress, new_output, pieces, silent

BLOCK = 1 << 16
"""Lines made at a time; a block of them fits a processor's cache."""

Field = tuple[NDArray[np.uint8], NDArray[np.bool_]]
"""Characters of a field, shape (lines, width), and which of them are printed."""

_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)


def write_ramulator2(
    trace: AddressTrace | Iterable[AddressTrace], path: str | Path, progress: Progress = silent
) -> None:
    """Write Ramulator 2's LoadStoreTrace: ``LD 0x1a2b40`` or ``ST 0x1a2b40`` per request, without times.

    Parameters
    ----------
    trace : AddressTrace or iterable of AddressTrace
        The trace, or its windows one after another.
    path : str or Path
        The new file; compressed where it ends in .gz, .xz or .zst.
    progress : callable
        Called with the requests written since the last call.

    Raises
    ------
    InputError
        ``path`` exists already or cannot be written.
    """

    def lines(window: AddressTrace) -> list[Field]:
        return [_words(window, b"LD 0x", b"ST 0x"), _hexadecimal(window.address)]

    _write(trace, path, progress, lines)


def write_dramsim3(
    trace: AddressTrace | Iterable[AddressTrace], path: str | Path, progress: Progress = silent
) -> None:
    """Write DRAMsim3's ``0x1a2b40 READ 12``: address, operation and earliest clock, 0 where the trace has no times.

    Parameters, return value and errors are those of `write_ramulator2`; times in picoseconds are refused.
    """

    def lines(window: AddressTrace) -> list[Field]:
        if window.time is not None and window.time_unit != "clk":
            raise InputError(
                f"{window.name}: times in {window.time_unit} cannot be written; DRAMsim3 counts clocks of its memory"
            )
        time = np.zeros(window.requests, np.int64) if window.time is None else window.time
        return [
            _words(window, b"0x", b"0x"),
            _hexadecimal(window.address),
            _words(window, b" READ ", b" WRITE "),
            _decimal(time),
        ]

    _write(trace, path, progress, lines)


def _write(
    trace: AddressTrace | Iterable[AddressTrace],
    path: str | Path,
    progress: Progress,
    lines: Callable[[AddressTrace], list[Field]],
) -> None:
    """Write blocks of lines, without a loop over them."""
    with new_output(Path(path)) as stream:
        for window in pieces(trace, BLOCK):
            fields = lines(window)
            end = np.full((window.requests, 1), ord("\n"), np.uint8)
            characters = np.concatenate([*(field for field, _ in fields), end], axis=1)
            printed = np.concatenate([*(shown for _, shown in fields), end > 0], axis=1)
            stream.write(characters[printed].tobytes())
            progress(window.requests)


def _words(window: AddressTrace, read: bytes, write: bytes) -> Field:
    """One of two words, by operation."""
    width = max(len(read), len(write))
    both = np.frombuffer(read.ljust(width) + write.ljust(width), np.uint8).reshape(2, width)
    shown = np.arange(width) < np.array([[len(read)], [len(write)]])
    if window.operation is None:
        return np.broadcast_to(both[:1], (window.requests, width)), np.broadcast_to(
            shown[:1], (window.requests, width)
        )
    return both[window.operation], shown[window.operation]


def _hexadecimal(values: NDArray[Any]) -> Field:
    """Digits to the base 16, without leading zeros."""
    digits = max(1, -(-int(values.max()).bit_length() // 4))
    shifted = values[:, None] >> (4 * np.arange(digits)[::-1])
    shown = shifted > 0
    shown[:, -1] = True
    return _HEX[shifted & 15], shown


def _decimal(values: NDArray[Any]) -> Field:
    """Decimal digits, without leading zeros."""
    powers = 10 ** np.arange(len(str(int(values.max()))), dtype=np.int64)[::-1]
    shown = values[:, None] >= powers
    shown[:, -1] = True
    return (values[:, None] // powers % 10 + ord("0")).astype(np.uint8), shown
