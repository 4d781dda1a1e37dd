"""Writing a trace in the format that a name or an option asks for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from archsim.errors import InputError, nearest
from archsim.files import check_new
from archsim.traces.addresses import AddressTrace
from archsim.traces.formats.native_writer import write_native
from archsim.traces.formats.outputs import ENDINGS as COMPRESSED
from archsim.traces.formats.outputs import Progress, silent
from archsim.traces.formats.registry import FILE_FORMATS, KINDS, NATIVE, Kind
from archsim.traces.formats.sidecar import Trace
from archsim.traces.trace import EmbeddingTrace

WRITTEN = (NATIVE, *(name for name, entry in FILE_FORMATS.items() if entry.write))
"""Formats that are written."""


def output_format(path: Path, asked: str | None) -> str:
    """Tell the format of a new trace, and refuse a path that cannot be written before any work is done.

    Parameters
    ----------
    path : Path
        The new file or folder. Without ``asked`` its ending is the name of the format, such as ``.parquet`` or
        ``.dramsim3.gz``; without any ending it is a native folder.
    asked : str or None
        A name of `WRITTEN`.

    Raises
    ------
    InputError
        Unknown format or ending, a format that is not written, or a path that exists.
    """
    check_new(path)
    if asked is not None and asked not in WRITTEN:
        read_only = " is read, not written" if asked in FILE_FORMATS else " is unknown"
        raise InputError(f"{path}: the format {asked!r}{read_only}{nearest(asked, WRITTEN)}")
    packed = path.suffix in COMPRESSED
    ending = (path.with_suffix("") if packed else path).suffix.removeprefix(".")
    found = asked or (ending if ending or packed else NATIVE)
    if found not in WRITTEN:
        raise InputError(
            f"{path}: the ending {path.suffix!r} tells no format; with --to, or as ending: {', '.join(WRITTEN)}"
        )
    if found == NATIVE and packed:
        raise InputError(
            f"{path}: a native trace is a folder and cannot be compressed; leave {path.suffix!r} out"
        )
    return found


def written_kind(format: str) -> Kind | None:
    """Return the kind of trace that a format holds, None where it holds either."""
    return None if format == NATIVE else FILE_FORMATS[format].kind


def write_trace(
    trace: Trace | Iterable[AddressTrace], path: Path, format: str, progress: Progress = silent
) -> None:
    """Write a trace in a format of `WRITTEN`.

    Parameters
    ----------
    trace : EmbeddingTrace, AddressTrace or iterable of AddressTrace
        The trace, or windows of addresses one after another.
    path : Path
        The new file or folder.
    format : str
        See `output_format`.
    progress : callable
        Called with the lookups or requests written since the last call.

    Raises
    ------
    InputError
        The format holds the other kind of trace, or the file cannot be written.
    """
    kind = written_kind(format)
    found: Kind = "lookups" if isinstance(trace, EmbeddingTrace) else "addresses"
    if kind not in (None, found):
        way = (
            "; --system NAME places the tables in a memory and gives addresses" if kind == "addresses" else ""
        )
        raise InputError(
            f"{path}: {format} holds {KINDS[kind or found]}, and the trace is of {KINDS[found]}{way}"
        )
    if format == NATIVE:
        write_native(trace, path, progress)
    else:
        writer = FILE_FORMATS[format].write
        assert writer is not None
        writer(trace, path, progress)


def in_clocks(windows: Iterable[AddressTrace], clock_ps: int) -> Iterator[AddressTrace]:
    """Give arrival times in clocks: one between two clocks waits for the next."""
    for window in windows:
        if window.time is None or window.time_unit == "clk":
            yield window
        else:
            yield replace(window, time=-(-window.time // clock_ps), time_unit="clk")


def left_out(trace: Trace, format: str) -> tuple[str, ...]:
    """Return notes on what a trace has and a format cannot hold."""
    times = trace.time_ps if isinstance(trace, EmbeddingTrace) else trace.time
    if format == "ramulator2" and times is not None:
        return ("ramulator2 does not keep arrival times",)
    if format == "dramsim3" and times is None:
        return ("the trace has no arrival times: every clock is 0",)
    if format == "oracleGeneral":
        lost = [name for name in ("user", "weight", "operation") if name in trace.columns]
        return (f"oracleGeneral does not keep {', '.join(['bags', *lost])}; times are whole seconds",)
    return ()
