"""Traces by name: shipped workload presets, and the one entry point for presets and paths."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, overload

from archsim.errors import InputError
from archsim.traces.trace import EmbeddingTrace

if TYPE_CHECKING:
    from archsim.traces.addresses import AddressTrace
    from archsim.traces.formats.registry import Kind, Trace
    from archsim.traces.generators.base import WorkloadSpec

PRESET = "preset:"


def load_workload(name: str | Path, overrides: Iterable[str] = ()) -> WorkloadSpec:
    """Read the specification of a workload.

    Parameters
    ----------
    name : str or Path
        A file in ``archsim/presets/workload`` without its ending, or the path of such a file with it.
    overrides : iterable of str
        ``PATH=VALUE`` laid over the preset, such as ``lookups=1_000_000`` or ``arrival.process=paced``.

    Returns
    -------
    WorkloadSpec
        For `archsim.traces.generators.stream`.

    Raises
    ------
    InputError
        Unknown preset or generator, or a value that the specification refuses.
    """
    from archsim.traces.generators import workload_class

    return workload_class(name).load(name, overrides)


@overload
def open_trace(
    source: str | Path,
    *,
    kind: Literal["lookups"],
    format: str | None = None,
    rows: int | Sequence[int] | None = None,
    vector_bytes: int | None = None,
    tables: int | None = None,
    order: str | None = None,
    limit: int | None = None,
    verify: bool = False,
    overrides: Iterable[str] = (),
) -> EmbeddingTrace: ...
@overload
def open_trace(
    source: str | Path,
    *,
    kind: Literal["addresses"],
    format: str | None = None,
    rows: int | Sequence[int] | None = None,
    vector_bytes: int | None = None,
    tables: int | None = None,
    order: str | None = None,
    limit: int | None = None,
    verify: bool = False,
    overrides: Iterable[str] = (),
) -> AddressTrace: ...
@overload
def open_trace(
    source: str | Path,
    *,
    kind: Kind | None = None,
    format: str | None = None,
    rows: int | Sequence[int] | None = None,
    vector_bytes: int | None = None,
    tables: int | None = None,
    order: str | None = None,
    limit: int | None = None,
    verify: bool = False,
    overrides: Iterable[str] = (),
) -> Trace: ...
def open_trace(
    source: str | Path,
    *,
    kind: Kind | None = None,
    format: str | None = None,
    rows: int | Sequence[int] | None = None,
    vector_bytes: int | None = None,
    tables: int | None = None,
    order: str | None = None,
    limit: int | None = None,
    verify: bool = False,
    overrides: Iterable[str] = (),
) -> Trace:
    """Open what a user calls a trace: ``preset:NAME`` or a path in any supported format.

    Parameters
    ----------
    source : str or Path
        ``"preset:zipf"``, a file or a folder.
    kind : {"lookups", "addresses"}, optional
        The kind of trace that is needed; by default either is opened.
    format, rows, vector_bytes, tables
        How to read a file, see `archsim.traces.formats.registry.read_trace`; not for presets.
    order, limit
        Order to sort the bags into, and lookups (or requests) to keep after that.
    verify
        Check a native trace in full however long it is.
    overrides : iterable of str
        ``PATH=VALUE`` laid over a preset; not for paths.

    Returns
    -------
    EmbeddingTrace or AddressTrace
        The trace.

    Raises
    ------
    InputError
        Nothing sound is there, or an option does not suit it.
    """
    from archsim.traces.formats.registry import need_kind, ordered_and_limited, read_trace

    overrides = list(overrides)
    if not str(source).startswith(PRESET):
        if overrides:
            raise InputError(
                f"{source}: {overrides[0]!r} cannot be set; only a generated trace has parameters"
            )
        return read_trace(
            source,
            kind=kind,
            format=format,
            rows=rows,
            vector_bytes=vector_bytes,
            tables=tables,
            order=order,
            limit=limit,
            verify=verify,
        )
    options = {"format": format, "rows": rows, "vector_bytes": vector_bytes, "tables": tables}
    for option, value in options.items():
        if value is not None:
            raise InputError(
                f"{source}: {option} = {value} is for files; set the preset's own parameter instead"
            )
    trace = _generated(str(source).removeprefix(PRESET), overrides, order, limit)
    need_kind(trace, kind, str(source))
    if limit is not None and limit > trace.lookups:
        trace = replace(trace, notes=(*trace.notes, beyond_note(str(source), trace.lookups, limit)))
    return ordered_and_limited(trace, str(source), order, limit)


def beyond_note(source: str, lookups: int, limit: int) -> str:
    """Say that a generated trace ends before a limit does, and how it gets longer."""
    return f"{source} has {lookups:,} lookups, fewer than the limit of {limit:,}; workload.lookups={limit} makes more"


def _generated(name: str, overrides: list[str], order: str | None, limit: int | None) -> EmbeddingTrace:
    """Generate the trace of a preset in memory, and no more of it than ``limit`` will keep."""
    from archsim.traces.generators.stream import generate

    spec = load_workload(name, overrides)
    if limit is not None and 0 < limit < spec.lookups and {spec.order, order} <= {"sample-major", None}:
        spec = spec.model_copy(update={"lookups": limit})
    return generate(spec, Path(name).stem)
