"""Which trace format a path is in, and reading it. A new format is one entry of `FILE_FORMATS`."""

from __future__ import annotations

import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from archsim.errors import InputError, nearest
from archsim.traces.addresses import AddressTrace
from archsim.traces.formats import requests
from archsim.traces.formats.bags import is_bag_text, read_bag_text
from archsim.traces.formats.criteo import is_criteo, read_criteo
from archsim.traces.formats.layout import Layout
from archsim.traces.formats.native import SIDECAR_NAME, read_native
from archsim.traces.formats.npz import read_npz
from archsim.traces.formats.oracle import is_oracle, read_oracle
from archsim.traces.formats.oracle_writer import write_oracle
from archsim.traces.formats.outputs import Progress
from archsim.traces.formats.parquet import is_parquet, read_parquet
from archsim.traces.formats.parquet_writer import write_parquet
from archsim.traces.formats.pt import read_pt
from archsim.traces.formats.recbole import is_recbole, read_recbole
from archsim.traces.formats.request_writers import write_dramsim3, write_ramulator2
from archsim.traces.formats.sources import HEAD_BYTES, open_binary
from archsim.traces.formats.tensors import is_torch
from archsim.traces.formats.text import check_encoding
from archsim.traces.formats.trace_log import is_trace_log, read_trace_log
from archsim.traces.formats.user_items import read_user_items
from archsim.traces.trace import EmbeddingTrace

Trace = EmbeddingTrace | AddressTrace
Kind = Literal["lookups", "addresses"]

KINDS: dict[Kind, str] = {"lookups": "embedding lookups", "addresses": "raw addresses"}
"""The two kinds of trace, and what users call them."""


@dataclass(frozen=True)
class Format:
    """A format of trace files.

    Parameters
    ----------
    summary : str
        One phrase for users.
    matches : callable or None
        Whether the first `HEAD_BYTES` of a file, decompressed, are of this format. None where content does
        not tell it, so that ``--format`` must.
    read : callable
        The reader: ``(path, layout) -> EmbeddingTrace`` for lookups, ``(path) -> AddressTrace`` for addresses.
    write : callable, optional
        The writer, ``(trace, new_path, progress) -> None``, of formats that are written. Addresses may also come
        as an iterable of windows.
    kind : {"lookups", "addresses"} or None
        What the trace holds; None where the content tells.
    """

    summary: str
    matches: Callable[[bytes], bool] | None
    read: Callable[..., Trace]
    write: Callable[[Any, Path, Progress], None] | None = None
    kind: Kind | None = "lookups"


def _addresses(
    summary: str, matches: Callable[[bytes], bool] | None, read: Callable[..., Trace], **options: Any
) -> Format:
    return Format(summary, matches, read, kind="addresses", **options)


FILE_FORMATS = {
    # Binary files that name themselves in their first bytes; special kinds of zip before the general one.
    "pt": Format("FBGEMM requests (indices, offsets, lengths) as torch.save writes them", is_torch, read_pt),
    "parquet": Format(
        "Parquet, columns table, row, bag or address", is_parquet, read_parquet, write_parquet, kind=None
    ),
    "npz": Format(
        "NumPy archive of indices and lengths per table", lambda head: head.startswith(b"PK"), read_npz
    ),
    # Text, the most telling first line first.
    "dramsim3": _addresses(
        "DRAMsim3 text, ADDRESS READ|WRITE CLOCK",
        requests.is_dramsim3,
        requests.read_dramsim3,
        write=write_dramsim3,
    ),
    "ramulator1": _addresses(
        "Ramulator 1 text, ADDRESS R|W", requests.is_ramulator1, requests.read_ramulator1
    ),
    "ramulator2": _addresses(
        "Ramulator 2 text, LD|ST ADDRESS",
        requests.is_ramulator2,
        requests.read_ramulator2,
        write=write_ramulator2,
    ),
    "ramulator2-vectors": _addresses(
        "Ramulator 2 ReadWriteTrace, refused with the reason",
        requests.is_address_vectors,
        requests.refuse_address_vectors,
    ),
    "ramulator-cpu": _addresses(
        "Ramulator 1 and 2 processor trace, BUBBLES LOAD [WRITEBACK]", None, requests.read_ramulator_cpu
    ),
    "recbole": Format("RecBole .inter, header of name:type", is_recbole, read_recbole),
    "criteo": Format("Criteo click logs, 26 categories per line", is_criteo, read_criteo),
    "trace-log": Format("DLRM trace.log, row numbers separated by commas", is_trace_log, read_trace_log),
    "user-items": Format("text, a user number and item numbers per line", None, read_user_items),
    "bags": Format("text, one bag of row numbers per line", is_bag_text, read_bag_text),
    # Binary records without any mark, which only their values can tell.
    "oracleGeneral": Format("libCacheSim's 24-byte records", is_oracle, read_oracle, write_oracle),
}
"""Formats of single files. Several may match the same bytes: the first one counts."""

NATIVE = "native"
"""The folder format, which declares its tables."""


def read_trace(
    path: str | Path,
    *,
    kind: Kind | None = None,
    format: str | None = None,
    rows: int | Sequence[int] | None = None,
    vector_bytes: int | None = None,
    tables: int | None = None,
    order: str | None = None,
    limit: int | None = None,
    verify: bool = False,
) -> Trace:
    """Read a trace in any supported format.

    Parameters
    ----------
    path : str or Path
        A file, or the folder of a native trace.
    kind : {"lookups", "addresses"}, optional
        The kind of trace that is needed; by default either is read.
    format : str, optional
        "native" or a key of `FILE_FORMATS`; by default told from the content.
    rows : int or sequence of int, optional
        Rows of every table, where the format does not declare them; see `Layout`. Not for addresses.
    vector_bytes : int, optional
        Bytes per vector, where the format does not declare them; see `Layout`. Not for addresses.
    tables : int, optional
        Number of tables, where the format does not tell it; see `Layout`. Not for addresses.
    order : str, optional
        Order to sort the bags into, see `EmbeddingTrace.reorder`. Not for addresses.
    limit : int, optional
        Keep this many lookups, after sorting, or this many requests.
    verify : bool
        Check all values and the recorded hash of a native trace however long it is, see `read_native`. Other
        files are always read whole.

    Returns
    -------
    EmbeddingTrace or AddressTrace
        The trace.

    Raises
    ------
    InputError
        The path or its content is not a sound trace, or an option does not suit it.
    """
    file = Path(path)
    valid = (NATIVE, *FILE_FORMATS)
    if format is not None and format not in valid:
        raise InputError(f"{file}: unknown format {format!r}{nearest(format, valid)}")
    found = format or _detect(file)
    options = {"rows": rows, "vector_bytes": vector_bytes, "tables": tables}
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    if found == NATIVE:
        _refuse(file, given, "a native trace declares its tables")
        trace: Trace = read_native(file, verify or None)
        need_kind(trace, kind, str(file))
    else:
        entry = FILE_FORMATS[found]
        if entry.kind is not None:
            check_kind(entry.kind, kind, str(file))
        if entry.kind == "addresses":
            _refuse(file, given, f"format {found!r} holds addresses, not rows of tables")
            trace = entry.read(file)
        else:
            trace = entry.read(file, Layout(**given))
            need_kind(trace, kind, str(file))
    return ordered_and_limited(trace, str(file), order, limit)


def _refuse(file: Path, options: dict[str, Any], why: str) -> None:
    for option, value in options.items():
        raise InputError(f"{file}: {option} = {value} cannot be given; {why}")


def ordered_and_limited(trace: Trace, where: str, order: str | None, limit: int | None) -> Trace:
    """Sort the bags of a trace and keep its first lookups (or requests), where asked."""
    if order is not None:
        if isinstance(trace, AddressTrace):
            raise InputError(
                f"{where}: order = {order} cannot be given; a trace of addresses has no bags to sort"
            )
        trace = trace.reorder(order)
    return trace if limit is None else trace.limit(limit)


def need_kind(trace: Trace, kind: Kind | None, where: str) -> None:
    """Refuse a trace of the other kind than ``kind``."""
    check_kind("addresses" if isinstance(trace, AddressTrace) else "lookups", kind, where)


def check_kind(found: Kind, needed: Kind | None, where: str) -> None:
    """Refuse a kind of trace where the other one is needed."""
    if needed is not None and found != needed:
        raise InputError(f"{where}: a trace of {KINDS[found]}; {KINDS[needed]} are needed here")


def _detect(file: Path) -> str:
    """Tell the format of a path from its content."""
    try:
        mode = file.stat().st_mode
    except (OSError, ValueError) as error:
        if isinstance(error, FileNotFoundError):
            raise InputError(f"{file}: no such file or folder") from None
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"{file}: cannot be read: {reason}") from None
    if stat.S_ISDIR(mode):
        if not (file / SIDECAR_NAME).exists():
            raise InputError(f"{file}: a folder without {SIDECAR_NAME}; a native trace holds one")
        return NATIVE
    with open_binary(file) as stream:
        head = stream.read(HEAD_BYTES)
    if not head:
        raise InputError(f"{file}: empty file")
    check_encoding(file, head)
    for name, candidate in FILE_FORMATS.items():
        if candidate.matches is not None and candidate.matches(head):
            return name
    known = "; ".join(f"{name} = {candidate.summary}" for name, candidate in FILE_FORMATS.items())
    raise InputError(
        f"{file}: starts with {head[:12]!r}, which is no known trace format; with --format: {known}"
    )
