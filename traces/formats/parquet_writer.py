"""Writing Parquet files; see `archsim.traces.formats.parquet`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.traces.addresses import AddressTrace
from archsim.traces.checks import forget_pages
from archsim.traces.columns import COLUMNS
from archsim.traces.formats.outputs import Progress, new_output, pieces, silent
from archsim.traces.formats.parquet import BATCH_ROWS, METADATA_KEY, NAMES, pyarrow
from archsim.traces.formats.sidecar import Trace, encoded
from archsim.traces.trace import EmbeddingTrace

ENCODINGS = {
    "row": ("BYTE_STREAM_SPLIT", "lz4"),  # the high bytes repeat; lz4 unpacks twice as fast as zstd
    "weight": ("BYTE_STREAM_SPLIT", "zstd"),
    "operation": ("PLAIN", "zstd"),
    # A bit per lookup as they are.
    "table": ("DELTA_BINARY_PACKED", "none"),
    "bag": ("DELTA_BINARY_PACKED", "none"),
}
"""Encoding and compression by column. Dictionaries, pyarrow's default, take four times longer to read."""

SLOW_NUMBERS = ("DELTA_BINARY_PACKED", "zstd")
"""Those of all other columns, which repeat or rise slowly."""

PER_LOOKUP = [NAMES.get(name, name) for name, column in COLUMNS.items() if column.per == "lookup"]
"""Columns of the file in which an empty bag has no value."""


def write_parquet(
    trace: Trace | Iterable[AddressTrace], path: str | Path, progress: Progress = silent
) -> None:
    """Write a trace as a Parquet file of row groups of 1 Mi lookups or a little less.

    Parameters
    ----------
    trace : EmbeddingTrace, AddressTrace or iterable of AddressTrace
        The trace, or windows of addresses one after another. What it says besides its columns goes into the
        schema's metadata.
    path : str or Path
        The new file; compressed as a whole where it ends in .gz, .xz or .zst.
    progress : callable
        Called with the lookups or requests written since the last call.

    Raises
    ------
    InputError
        ``path`` exists already or cannot be written, or pyarrow is missing.
    """
    file = Path(path)
    arrow, parquet = pyarrow(file)
    header: Trace
    if isinstance(trace, EmbeddingTrace | AddressTrace):
        header = trace
    else:
        windows = iter(trace)
        first = next(windows)
        header, trace = first, chain((first,), windows)
    schema = _schema(header, arrow)
    chosen = {name: ENCODINGS.get(name, SLOW_NUMBERS) for name in schema.names}
    with (
        new_output(file) as stream,
        parquet.ParquetWriter(
            stream,
            schema,
            use_dictionary=False,
            column_encoding={name: encoding for name, (encoding, _) in chosen.items()},
            compression={name: compression for name, (_, compression) in chosen.items()},
            write_page_checksum=True,
        ) as writer,
    ):
        for values, empty, entries in _windows(trace):
            arrays = [
                arrow.array(values[field.name], field.type, mask=empty if field.name in PER_LOOKUP else None)
                for field in schema
            ]
            writer.write_table(arrow.table(arrays, schema=schema), row_group_size=BATCH_ROWS)
            progress(entries)


def _schema(trace: Trace, arrow: Any) -> Any:
    """Return the columns of the file, their types and the description of the trace."""
    kinds = {name: arrow.from_numpy_dtype(column.dtype) for name, column in trace.columns.items()}
    if isinstance(trace, EmbeddingTrace):
        del kinds["bag_offsets"]
        named = {NAMES.get(name, name): kind for name, kind in kinds.items()}
        # Half as wide where it fits, which is faster to read.
        bag = arrow.int32() if trace.bags < 2**31 else arrow.int64()
        kinds = {"table": named.pop("table"), "row": named.pop("row"), "bag": bag, **named}
    return arrow.schema(list(kinds.items()), {METADATA_KEY: encoded(trace)})


def _windows(
    trace: Trace | Iterable[AddressTrace],
) -> Iterator[tuple[dict[str, Any], NDArray[np.bool_] | None, int]]:
    """Yield the file's columns a row group at a time, where empty bags are, and the lookups or requests."""
    if isinstance(trace, EmbeddingTrace):
        for first, last in trace.chunks(BATCH_ROWS):
            window = trace.window(first, last)
            yield *_per_lookup(window, first), window.lookups
            for column in trace.columns.values():
                forget_pages(column)
    else:
        for piece in pieces(trace, BATCH_ROWS):
            yield piece.columns, None, piece.requests


def _per_lookup(window: EmbeddingTrace, first_bag: int) -> tuple[dict[str, Any], NDArray[np.bool_] | None]:
    """Return one value per lookup and per empty bag, and where the empty bags are."""
    lengths = np.diff(window.bag_offsets)
    counts = np.maximum(lengths, 1)
    values: dict[str, Any] = {"bag": np.repeat(np.arange(first_bag, first_bag + window.bags), counts)}
    empty = np.repeat(lengths == 0, counts) if not lengths.all() else None
    for name, column in window.columns.items():
        if COLUMNS[name].per == "bag":
            values[NAMES.get(name, name)] = np.repeat(column, counts)
        elif COLUMNS[name].per == "lookup":
            spread = column
            if empty is not None:
                spread = np.zeros(len(empty), column.dtype)
                spread[~empty] = column
            values[NAMES.get(name, name)] = spread
    return values, empty
