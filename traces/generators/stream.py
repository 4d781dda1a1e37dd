"""From a workload to a trace: windows of any length in bounded memory, one trace in memory, or a native folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.errors import InputError
from archsim.files import check_new
from archsim.traces.formats.native import read_native
from archsim.traces.formats.native_writer import native_writer
from archsim.traces.generators.arrivals import Clock
from archsim.traces.generators.base import Samples, WorkloadSpec
from archsim.traces.trace import EmbeddingTrace
from archsim.units import format_bytes

WINDOW_LOOKUPS = 1 << 20
"""Lookups generated at a time, about."""

MEMORY_BYTES = 1 << 30
"""Largest trace that is generated in memory, by the size of its columns."""

Progress = Callable[[int], None]


def windows(
    spec: WorkloadSpec, name: str | None = None, at_once: int | None = None
) -> Iterator[EmbeddingTrace]:
    """Generate a trace sample by sample, in pieces that together are the whole; memory is bounded.

    Parameters
    ----------
    spec : WorkloadSpec
        What to generate. Its ``order`` does not matter here: windows are sample-major.
    name : str, optional
        Name of the trace; by default that of the generator.
    at_once : int, optional
        Lookups per window, about; by default `WINDOW_LOOKUPS`. Does not change the trace.

    Yields
    ------
    EmbeddingTrace
        Whole samples with their numbers (from 0 over the whole trace) and, unless the arrivals are saturated,
        their arrival times. ``spec.lookups`` lookups in all, so the last bag may be cut short.
    """
    module = import_module(f"archsim.traces.generators.{spec.generator}")
    clock = Clock(spec.arrival, spec.seed)
    layout, made, sample = spec.layout(), 0, 0
    common: dict[str, Any] = {
        "name": spec.generator if name is None else name,
        "tables": layout,
        "order": "sample-major",
        "generator": spec.generator,
        "seed": spec.seed,
        "notes": (_description(spec), *spec.remarks()),
    }
    pieces: Iterator[Samples] = module.generate(spec, min(at_once or WINDOW_LOOKUPS, spec.lookups))
    for rows, lengths in pieces:
        samples = len(lengths) // len(layout)
        offsets = np.concatenate((np.zeros(1, np.int64), np.cumsum(lengths)))
        numbers = np.arange(sample, sample + samples)
        times = clock.times_ps(samples)
        window = EmbeddingTrace(
            rows=rows,
            bag_offsets=offsets,
            bag_tables=np.tile(np.arange(len(layout), dtype=np.int32), samples),
            sample=np.repeat(numbers, len(layout)),
            time_ps=None if times is None else np.repeat(times, len(layout)),
            **common,
        ).limit(spec.lookups - made)
        yield window
        made, sample = made + window.lookups, sample + samples
        if made == spec.lookups:
            return


def generate(spec: WorkloadSpec, name: str | None = None) -> EmbeddingTrace:
    """Generate a whole trace in memory.

    Parameters
    ----------
    spec : WorkloadSpec
        What to generate.
    name : str, optional
        Name of the trace; by default that of the generator.

    Returns
    -------
    EmbeddingTrace
        Exactly ``spec.lookups`` lookups, sorted as ``spec.order`` says.

    Raises
    ------
    InputError
        The trace would take more than `MEMORY_BYTES`.
    """
    parts: list[dict[str, NDArray[Any]]] = []
    for window in windows(spec, name):
        if not parts:
            size = stored_bytes(window, spec.lookups)
            if size > MEMORY_BYTES:
                raise InputError(
                    f"{window.name}: lookups = {spec.lookups}: about {format_bytes(size)}, and at most "
                    f"{format_bytes(MEMORY_BYTES)} are generated in memory; write a longer trace to disk first "
                    f"(archsim trace generate, sample-major) and give its folder"
                )
            rows = np.empty(spec.lookups, window.rows.dtype)
            made = 0
        rows[made : made + window.lookups] = window.rows
        made += window.lookups
        # Only the columns of bags are kept of a window; its rows are in place already.
        parts.append({key: c for key, c in window.columns.items() if key != "rows"})
    columns: dict[str, Any] = {
        key: np.concatenate([part[key] for part in parts]) for key in parts[0] if key != "bag_offsets"
    }
    lengths = np.concatenate([np.diff(part["bag_offsets"]) for part in parts])
    offsets = np.concatenate((np.zeros(1, np.int64), np.cumsum(lengths)))
    trace = replace(window, rows=rows, bag_offsets=offsets, **columns)
    return trace.reorder(spec.order)


def stored_bytes(window: EmbeddingTrace, lookups: int) -> int:
    """Estimate the bytes of the columns of a whole trace from its first window."""
    return sum(column.nbytes for column in window.columns.values()) * lookups // window.lookups


def _description(spec: WorkloadSpec) -> str:
    """Say all parameters in one line."""
    values = ", ".join(f"{key} = {value}" for key, value in spec.summary().items())
    arrival = spec.arrival.summary()
    return f"generated with {values}, arrival = {arrival}"


def write(
    spec: WorkloadSpec, path: str | Path, name: str | None = None, progress: Progress | None = None
) -> EmbeddingTrace:
    """Generate a trace of any length straight into a new native folder, in bounded memory.

    Parameters
    ----------
    spec : WorkloadSpec
        What to generate; a table-major trace is sorted in memory and may be as long as `generate` allows.
    path : str or Path
        The new folder. Its parent must exist.
    name : str, optional
        Name of the trace; by default that of the generator.
    progress : callable, optional
        Called with the number of lookups written since the last call.

    Returns
    -------
    EmbeddingTrace
        The trace that was written, as memory maps.

    Raises
    ------
    InputError
        ``path`` exists or cannot be written, the disk has too little room, or a table-major trace is too long.
    """
    folder = Path(path)
    check_new(folder)
    pieces = windows(spec, name)
    first = next(pieces)
    check_room(folder, stored_bytes(first, spec.lookups))
    if spec.order != "sample-major":
        pieces, first = iter(()), generate(spec, name)
    with native_writer(folder, first) as writer:
        for window in chain((first,), pieces):
            writer.append(window)
            if progress is not None:
                progress(window.lookups)
    written = read_native(folder, verify=False)
    assert isinstance(written, EmbeddingTrace)
    return written


def check_room(path: Path, needed: int) -> None:
    """Refuse a file or folder that its file system has no room for.

    Raises
    ------
    InputError
        Before anything is written.
    """
    free = shutil.disk_usage(path.absolute().parent).free
    if needed > free:
        raise InputError(
            f"{path}: about {format_bytes(needed)} are needed, and the disk has {format_bytes(free)} free"
        )
