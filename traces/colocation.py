"""Co-location: several models on one memory, their traces interleaved into one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.errors import InputError, nearest
from archsim.traces.columns import COLUMNS, Table
from archsim.traces.ordering import MOVED_LOOKUPS, bag_chunks, sample_numbers
from archsim.traces.trace import EmbeddingTrace

GRANULARITIES = ("sample", "bag")
"""What the models take turns with: all bags of a sample, or a bag each."""

TURNS = ("arrival", "round-robin")
"""Whose turn it is: that of the unit that arrived first, or one model after another."""

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class _Merge:
    """Where the bags of each trace go: ``place[t][b]`` is the place of bag ``b`` of trace ``t`` in the merged trace.

    ``unit[t][b]`` counts the samples of trace ``t`` from 0; None where they cannot be told.
    """

    place: list[Ints]
    unit: list[Ints | None]


def interleave(
    traces: Sequence[EmbeddingTrace],
    *,
    granularity: str = "sample",
    turns: str | None = None,
    name: str | None = None,
) -> EmbeddingTrace:
    """Merge the traces of models that run side by side on one memory.

    Every trace keeps its own order and gets tables of its own: table ``x`` of trace ``k`` becomes ``mk.x``, also where
    the same trace is given several times (copies of one model). Nothing is random.

    Parameters
    ----------
    traces : sequence of EmbeddingTrace
        The models' lookups.
    granularity : {"sample", "bag"}
        What the models take turns with. The bags of a sample must follow one another; a trace without ``sample`` column
        has bag ``k`` of each table in sample ``k``.
    turns : {"arrival", "round-robin"}, optional
        "arrival": in order of arrival time (that of a sample's first bag), equal times in the order of the traces.
        "round-robin": a unit of each trace in turn; one that has ended is passed over. By default "arrival" where all
        traces have times, "round-robin" where none has.
    name : str, optional
        Name of the merged trace; by default made of the names.

    Returns
    -------
    EmbeddingTrace
        A copy in memory. Samples are numbered anew, each its own; operations missing in some of the traces are reads,
        user numbers missing in some are left out of all.

    Raises
    ------
    InputError
        No traces, an unknown option, times or weights in some of the traces only, times that decrease inside a trace
        (with "arrival"), or samples that cannot be told or lie in pieces (with "sample").
    """
    for option, value, known in (("granularity", granularity, GRANULARITIES), ("turns", turns, TURNS)):
        if value is not None and value not in known:
            raise InputError(f"interleave: unknown {option} {value!r}{nearest(value, known)}")
    if not traces:
        raise InputError("interleave: needs at least one trace")
    columns = _common_columns(traces)
    if turns is None:
        turns = "arrival" if "time_ps" in columns else "round-robin"
    if turns == "arrival" and "time_ps" not in columns:
        raise InputError(
            "interleave: turns = 'arrival' needs arrival times (time_ps), which the traces do not have"
        )
    merge = _merge(traces, granularity, turns)
    in_samples = granularity == "sample" and turns == "round-robin"
    sorted_by_sample = in_samples and all(trace.order == "sample-major" for trace in traces)
    seeds = {trace.seed for trace in traces}
    merged = EmbeddingTrace(
        name=name or _name(traces),
        tables=_tables(traces),
        order="sample-major" if sorted_by_sample else "as-recorded",
        generator=f"interleave by {granularity}, {turns}",
        seed=seeds.pop() if len(seeds) == 1 else None,
        notes=_notes(traces),
        **_moved(traces, columns, merge),
    )
    return merged


def _common_columns(traces: Sequence[EmbeddingTrace]) -> list[str]:
    """Return the optional columns of the merged trace, without ``sample``."""
    chosen = []
    for name in ("time_ps", "user", "weight", "operation"):
        having = [trace for trace in traces if getattr(trace, name) is not None]
        lacking = [trace for trace in traces if getattr(trace, name) is None]
        if not having or (lacking and name == "user"):
            continue
        if lacking and name != "operation":
            raise InputError(
                f"interleave: {having[0].name} has a column {name!r} and {lacking[0].name} has not; all or none must"
            )
        chosen.append(name)
    return chosen


def _merge(traces: Sequence[EmbeddingTrace], granularity: str, turns: str) -> _Merge:
    """Sort the units of all traces by whose turn it is."""
    units, samples, keys = [], [], []
    for trace in traces:
        sample = _samples(trace, strict=granularity == "sample")
        unit = np.arange(trace.bags) if granularity == "bag" else _runs(trace, sample)
        units.append(unit)
        samples.append(sample)
        first = np.flatnonzero(np.r_[True, unit[1:] != unit[:-1]])[: trace.bags]
        keys.append(_arrivals(trace, first) if turns == "arrival" else np.arange(len(first)))
    model = np.repeat(np.arange(len(traces)), [len(key) for key in keys])
    number = np.concatenate([np.arange(len(key)) for key in keys])
    order = np.lexsort((number, model, np.concatenate(keys)))
    sizes = np.concatenate(
        [np.bincount(unit, minlength=len(key)) for unit, key in zip(units, keys, strict=True)]
    )
    begins = np.empty(len(order), np.int64)
    begins[order] = np.cumsum(sizes[order]) - sizes[order]
    place = []
    for unit, begin in zip(units, np.split(begins, np.cumsum([len(key) for key in keys])[:-1]), strict=True):
        within = np.arange(len(unit)) - np.searchsorted(unit, unit)
        place.append(begin[unit] + within)
    return _Merge(place, samples)


def _samples(trace: EmbeddingTrace, *, strict: bool) -> Ints | None:
    """Number the sample of every bag from 0, ascending; None (unless strict) where samples cannot be told."""
    try:
        samples = sample_numbers(trace)
    except InputError:
        if strict:
            raise
        return None
    return np.unique(samples, return_inverse=True)[1].astype(np.int64)


def _runs(trace: EmbeddingTrace, sample: Ints | None) -> Ints:
    """Number the runs of bags of one sample; each sample must be one run."""
    assert sample is not None  # strict
    changes = np.r_[False, sample[1:] != sample[:-1]][: trace.bags]
    runs = np.cumsum(changes)
    if trace.bags and int(runs[-1]) + 1 != len(np.unique(sample)):
        raise InputError(
            f"{trace.name}: interleave: the bags of a sample do not follow one another (order {trace.order}); sort the "
            "trace with reorder('sample-major'), or take turns with granularity = 'bag'"
        )
    return runs


def _arrivals(trace: EmbeddingTrace, first: NDArray[np.intp]) -> Ints:
    """Return the arrival of each unit that begins at bag ``first``; times must not decrease inside a trace."""
    assert trace.time_ps is not None  # the caller looked
    falls = np.flatnonzero(np.diff(trace.time_ps) < 0)
    if falls.size:
        at = int(falls[0]) + 1
        raise InputError(
            f"{trace.name}: bag {at}: time_ps = {trace.time_ps[at]} is before the {trace.time_ps[at - 1]} of the bag "
            "before; a model takes its bags in order of arrival"
        )
    return np.asarray(trace.time_ps[first])


def _moved(traces: Sequence[EmbeddingTrace], columns: list[str], merge: _Merge) -> dict[str, Any]:
    """Return the columns of the merged trace."""
    bags = sum(trace.bags for trace in traces)
    lengths = np.empty(bags, np.int64)
    out: dict[str, Any] = {"bag_tables": np.empty(bags, np.int32)}
    first_table = 0
    for trace, place in zip(traces, merge.place, strict=True):
        lengths[place] = np.diff(trace.bag_offsets)
        out["bag_tables"][place] = trace.bag_tables + np.int32(first_table)
        first_table += len(trace.tables)
    out["bag_offsets"] = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    lookups = int(out["bag_offsets"][-1])
    narrow = all(trace.rows.dtype == np.int32 for trace in traces)
    out["rows"] = np.empty(lookups, np.int32 if narrow else np.int64)
    for name in columns:
        kind, per = COLUMNS[name].dtypes[0], COLUMNS[name].per
        out[name] = np.zeros(bags if per == "bag" else lookups, kind)
    known = [sample for sample in merge.unit if sample is not None]
    if len(known) == len(traces):
        out["sample"] = np.empty(bags, np.int64)
        for number, (sample, place) in enumerate(zip(known, merge.place, strict=True)):
            out["sample"][place] = sample * len(traces) + number
    for trace, place in zip(traces, merge.place, strict=True):
        for name in columns:
            if COLUMNS[name].per == "bag":
                out[name][place] = getattr(trace, name)
        _move_lookups(trace, place, out)
    return out


def _move_lookups(trace: EmbeddingTrace, place: Ints, out: dict[str, Any]) -> None:
    """Copy what belongs to lookups; in pieces, which bounds the scratch memory."""
    starts = out["bag_offsets"][place]
    for first, last in bag_chunks(trace.bag_offsets, MOVED_LOOKUPS):
        here = slice(int(trace.bag_offsets[first]), int(trace.bag_offsets[last]))
        lengths = np.diff(trace.bag_offsets[first : last + 1])
        target = np.arange(here.start, here.stop) + np.repeat(
            starts[first:last] - trace.bag_offsets[first:last], lengths
        )
        for name, column in trace.columns.items():
            if COLUMNS[name].per == "lookup" and name in out:
                out[name][target] = column[here]


def _tables(traces: Sequence[EmbeddingTrace]) -> tuple[Table, ...]:
    return tuple(
        replace(table, name=f"m{number}.{table.name}")
        for number, trace in enumerate(traces)
        for table in trace.tables
    )


def _name(traces: Sequence[EmbeddingTrace]) -> str:
    """Return ``a + 3 x b`` for the traces a, b, b, b."""
    parts: list[tuple[str, int]] = []
    for trace in traces:
        if parts and parts[-1][0] == trace.name:
            parts[-1] = trace.name, parts[-1][1] + 1
        else:
            parts.append((trace.name, 1))
    return " + ".join(name if count == 1 else f"{count} x {name}" for name, count in parts)


def _notes(traces: Sequence[EmbeddingTrace]) -> tuple[str, ...]:
    models = ", ".join(f"m{number} = {trace.name}" for number, trace in enumerate(traces))
    notes = [f"co-located models: {models}", *(note for trace in traces for note in trace.notes)]
    if any(trace.user is None for trace in traces) and any(trace.user is not None for trace in traces):
        notes.append("user numbers left out, because some of the co-located models have none")
    return tuple(dict.fromkeys(notes))
