"""Parquet files with one row per lookup (columns ``table``, ``row``, ``bag``) or per request (column ``address``).

A bag is a run of equal ``bag`` numbers, which must not decrease. Columns that belong to bags are constant inside them.
A null in ``row`` stands for an empty bag. Tables and labels are read from the schema's metadata where archsim wrote
the file; other files get the stated defaults of `archsim.traces.formats.layout`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.errors import InputError, nearest
from archsim.traces.addresses import ADDRESS_COLUMNS, AddressTrace
from archsim.traces.columns import COLUMNS, Table
from archsim.traces.formats.bag_runs import BagRuns
from archsim.traces.formats.content import file_content
from archsim.traces.formats.layout import ESTIMATED_ROWS, Layout
from archsim.traces.formats.sidecar import Trace, check_description, make_trace, parse_object
from archsim.traces.formats.sources import first_line, open_binary, trace_name
from archsim.traces.trace import EmbeddingTrace

METADATA_KEY = b"archsim-trace"
"""Key of the schema's metadata under which the description of a trace stands."""

NAMES = {"rows": "row", "bag_tables": "table"}
"""Columns of a trace that are called differently in files, which also have ``bag`` in place of offsets."""

BATCH_ROWS = 1 << 20
"""Rows decoded at a time; the writer's row groups have as many."""

FREE_ROWS, ROWS_PER_BYTE = 16 << 20, 1000
"""A file may have this many rows at any size, and beyond that this many per byte: repeated values take no room."""


def is_parquet(head: bytes) -> bool:
    """Whether a file begins as Parquet does."""
    return head.startswith(b"PAR1")


def pyarrow(path: Path) -> tuple[Any, Any]:
    """Return the modules ``pyarrow`` and ``pyarrow.parquet``."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise InputError(f"{path}: Parquet files need pyarrow: pip install pyarrow") from None
    return pyarrow, pyarrow.parquet


def read_parquet(path: str | Path, layout: Layout | None = None) -> Trace:
    """Read a Parquet file, batch by batch.

    Parameters
    ----------
    path : str or Path
        The file; if it is compressed as a whole, it is unpacked in memory.
    layout : Layout, optional
        What the file does not say about its tables.

    Returns
    -------
    EmbeddingTrace or AddressTrace
        The latter where the file has a column ``address``.

    Raises
    ------
    InputError
        No sound Parquet file, a column that is missing or of another type, or a value that breaks a rule.
    """
    file = Path(path)
    layout = layout or Layout()
    arrow, parquet = pyarrow(file)
    with open_binary(file) as stream:
        plain = stream.seekable() and _has_number(stream)
        head = stream.read(4)
    if not is_parquet(head):
        # Without this look the library would trust the end of the file alone.
        raise InputError(f"{file}: starts with {head!r}; a Parquet file starts with PAR1")
    # Names are bytes, and need not be UTF-8.
    source: Any = (
        arrow.OSFile(os.fsencode(file)) if plain else arrow.BufferReader(arrow.py_buffer(file_content(file)))
    )
    size = file.stat().st_size if plain else source.size()
    damage = (arrow.ArrowException, OSError, ValueError, LookupError, OverflowError)
    try:
        with parquet.ParquetFile(source, page_checksum_verification=True) as opened:
            schema, rows = opened.schema_arrow, opened.metadata.num_rows
            if rows > max(FREE_ROWS, ROWS_PER_BYTE * size):
                raise InputError(
                    f"{file}: {rows} rows in {size} bytes; more than {ROWS_PER_BYTE} per byte are refused"
                )
            described = _description(file, (schema.metadata or {}).get(METADATA_KEY), layout)
            if "address" in schema.names:
                return _read_addresses(file, opened, schema, described)
            return _read_lookups(file, opened, schema, described, layout)
    except InputError:
        raise
    except MemoryError:
        raise InputError(f"{file}: more rows, or larger pages, than fit the memory of this machine") from None
    except damage as error:
        raise InputError(f"{file}: damaged or no Parquet file: {first_line(error)}") from None


def _has_number(stream: Any) -> bool:
    try:
        stream.fileno()
    except OSError:
        return False
    return True


def _description(file: Path, content: bytes | None, layout: Layout) -> dict[str, Any] | None:
    """Return the checked description of a file that archsim wrote; options must not contradict it."""
    if content is None:
        return None
    described = parse_object(content, f"{file}: metadata")
    check_description(described, f"{file}: metadata", {}, {})
    options = {
        "rows": layout.rows,
        "tables": layout.tables,
        "vector_bytes": layout.vector_bytes if layout.vectors_declared else None,
    }
    for option, value in options.items():
        if value is not None:
            raise InputError(f"{file}: {option} = {value} cannot be given; the file declares its tables")
    return described


def _check_columns(
    file: Path, schema: Any, needed: tuple[str, ...], known: dict[str, str]
) -> tuple[list[str], tuple[str, ...]]:
    """Return the columns to read, and a note about those that are left out."""
    for name in needed:
        if name not in schema.names:
            raise InputError(f"{file}: column {name!r} is missing{nearest(name, schema.names)}")
    chosen = [name for name in known if name in schema.names]
    for name in chosen:
        field = schema.field(schema.names.index(name))
        wanted = np.dtype(known[name])
        try:
            found = np.dtype(field.type.to_pandas_dtype())
        except (NotImplementedError, TypeError):
            found = np.dtype(object)
        if found.kind not in ("f" if wanted.kind == "f" else "iu"):
            raise InputError(f"{file}: column {name!r} holds {field.type}; it must be {wanted.name}")
    unread = [name for name in schema.names if name not in known]
    if len(set(schema.names)) != len(schema.names):
        raise InputError(f"{file}: two columns have the same name")
    return chosen, (f"columns left out: {', '.join(unread)}",) if unread else ()


def _batches(opened: Any, columns: list[str]) -> Iterator[Any]:
    """Yield the batches of a file; the next one is decoded while one is looked at."""
    batches = _decoded(opened, columns)
    with ThreadPoolExecutor(1) as ahead:
        following = ahead.submit(next, batches, None)
        while (batch := following.result()) is not None:
            following = ahead.submit(next, batches, None)
            yield batch


def _decoded(opened: Any, columns: list[str]) -> Iterator[Any]:
    """Decode row groups at once where they are small, which is faster, and in parts where they are not."""
    for group in range(opened.num_row_groups):
        if opened.metadata.row_group(group).num_rows <= 4 * BATCH_ROWS:
            yield from opened.read_row_group(group, columns, use_threads=True).combine_chunks().to_batches()
        else:
            yield from opened.iter_batches(BATCH_ROWS, row_groups=[group], columns=columns)


def _values(file: Path, batch: Any, name: str, dtype: str, first: int) -> NDArray[Any]:
    """Return a column of a batch, as the type it must have."""
    column = batch.column(name)
    if column.null_count:
        at = int(np.argmax(column.is_null().to_numpy(zero_copy_only=False)))
        raise InputError(f"{file}: row {first + at}: {name} is null; a number is needed")
    values: NDArray[Any] = column.to_numpy(zero_copy_only=False)
    kind = np.dtype(dtype)
    if kind.kind in "iu" and values.dtype != kind and len(values):
        low, high = np.iinfo(kind).min, np.iinfo(kind).max
        if (bad := np.flatnonzero((values < low) | (values > high))).size:
            raise InputError(f"{file}: row {first + bad[0]}: {name} = {values[bad[0]]} does not fit {dtype}")
    return values.astype(kind, copy=False)


def _read_addresses(file: Path, opened: Any, schema: Any, described: dict[str, Any] | None) -> AddressTrace:
    types = {name: dtype for name, (dtype, _) in ADDRESS_COLUMNS.items()}
    chosen, notes = _check_columns(file, schema, ("address",), types)
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name in chosen}
    first = 0
    for batch in _batches(opened, chosen):
        for name in chosen:
            parts[name].append(_values(file, batch, name, types[name], first))
        first += batch.num_rows
    columns = {name: np.concatenate(parts[name] or [np.empty(0, types[name])]) for name in chosen}
    if described is None:
        notes += ("times taken as clocks of the memory",) if "time" in columns else ()
        described = _defaults(file, "addresses", notes) | {"time_unit": "clk"}
    trace = make_trace(_of_kind(file, described, "addresses"), columns, f"{file}: metadata", str(file))
    assert isinstance(trace, AddressTrace)
    trace.validate(str(file))
    return trace


def _read_lookups(
    file: Path, opened: Any, schema: Any, described: dict[str, Any] | None, layout: Layout
) -> EmbeddingTrace:
    known = {
        NAMES.get(name, name): column.dtypes[0] for name, column in COLUMNS.items() if name != "bag_offsets"
    }
    chosen, notes = _check_columns(file, schema, ("table", "row", "bag"), {"bag": "int64", **known})
    optional = [name for name in chosen if name not in ("table", "row", "bag")]
    kind = np.int32 if _narrow(schema.field("row").type) else np.int64
    # Tables that the file declares are compared with their rows in the end.
    largest_rows = layout.largest_rows if described is None else 2**63 - 1
    runs = BagRuns(file, optional, opened.metadata.num_rows, kind, largest_rows)
    first = 0
    for batch in _batches(opened, chosen):
        empty = None
        if batch.column("row").null_count:
            empty = batch.column("row").is_null().to_numpy(zero_copy_only=False)
            batch = _filled(batch)
        # Numbers of rows and bags may stay narrow.
        values = {
            name: _values(
                file,
                batch,
                name,
                "int32" if name in ("row", "bag") and _narrow(batch.column(name).type) else dtype,
                first,
            )
            for name, dtype in {"bag": "int64", **known}.items()
            if name in chosen
        }
        runs.add(first, values, empty)
        first += batch.num_rows
    columns, sizes = runs.columns()
    if described is not None:
        trace = make_trace(_of_kind(file, described, "lookups"), columns, f"{file}: metadata", str(file))
        assert isinstance(trace, EmbeddingTrace)
        return _checked(trace, file, sizes)
    declared = layout.declared_rows(file, len(sizes))
    notes += () if declared else (ESTIMATED_ROWS,)
    tables = tuple(
        Table(f"table_{t}", size, layout.vector_bytes, layout.dtype)
        for t, size in enumerate(declared or sizes)
    )
    made = EmbeddingTrace(name=trace_name(file), tables=tables, **columns, generator="parquet", notes=notes)
    return _checked(made, file, sizes)


def _checked(trace: EmbeddingTrace, file: Path, sizes: list[int]) -> EmbeddingTrace:
    """Check the values that were not checked on the way; find the row that a table is too small for."""
    fits = len(sizes) <= len(trace.tables) and all(
        size <= table.rows for size, table in zip(sizes, trace.tables, strict=False)
    )
    if not fits or trace.weight is not None or trace.operation is not None:
        trace.validate(str(file))
    return trace


def _narrow(kind: Any) -> bool:
    return bool(kind.bit_width <= 32 and str(kind) != "uint32")


def _filled(batch: Any) -> Any:
    """Put zeros where an empty bag has no lookup."""
    import pyarrow

    columns = [
        column.fill_null(0) if name in ("row", "weight", "operation") else column
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    ]
    return pyarrow.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _defaults(file: Path, kind: str, notes: tuple[str, ...]) -> dict[str, Any]:
    return {
        "kind": kind,
        "name": trace_name(file),
        "generator": "parquet",
        "seed": None,
        "notes": list(notes),
    }


def _of_kind(file: Path, described: dict[str, Any], kind: str) -> dict[str, Any]:
    if described["kind"] != kind:
        raise InputError(
            f"{file}: metadata: kind = {described['kind']!r}, but the columns are those of {kind}"
        )
    return described
