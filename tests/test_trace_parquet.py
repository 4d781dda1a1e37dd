"""Parquet traces: round trips, files of other programs, and damage."""

import gzip
import lzma
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from archsim.errors import InputError
from archsim.traces import AddressTrace, EmbeddingTrace, Table, read_trace
from archsim.traces.formats.parquet_writer import write_parquet

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


def refusal(path, **options):
    """Return why a file is refused, with its folder left out."""
    with pytest.raises(InputError) as error:
        read_trace(path, format="parquet", **options)
    assert "\n" not in str(error.value)
    return str(error.value).replace(f"{path.parent}/", "")


def file_of(folder, name="a.parquet", **columns):
    """Write columns as another program would."""
    pq.write_table(pa.table(columns), folder / name)
    return folder / name


@st.composite
def traces(draw):
    """Any sound trace, empty bags and optional columns included."""
    lengths = draw(st.lists(st.integers(0, 3), min_size=1, max_size=9).filter(any))
    lookups, bags = sum(lengths), len(lengths)
    optional = {
        "time_ps": arrays.arrays(np.int64, bags),
        "sample": arrays.arrays(np.int64, bags),
        "user": arrays.arrays(np.int64, bags),
        "weight": arrays.arrays(np.float32, lookups, elements=st.floats(-9, 9, width=32)),
        "operation": arrays.arrays(np.uint8, lookups, elements=st.integers(0, 1)),
    }
    chosen = draw(st.sets(st.sampled_from(sorted(optional))))
    return EmbeddingTrace(
        name=draw(st.text(st.characters(exclude_categories=["Cs"]), max_size=9)),
        tables=(Table("a", 100, 128), Table("b", 2**40, 64, "float16"), Table("never used", 7, 4)),
        rows=draw(arrays.arrays(st.sampled_from([np.int32, np.int64]), lookups, elements=st.integers(0, 99))),
        bag_offsets=np.concatenate(([0], np.cumsum(lengths))).astype(np.int64),
        bag_tables=draw(arrays.arrays(np.int32, bags, elements=st.integers(0, 1))),
        order=draw(st.sampled_from(["sample-major", "table-major", "as-recorded"])),
        seed=draw(st.none() | st.integers(0, 2**63)),
        notes=tuple(
            draw(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=9), max_size=2))
        ),
        **{name: draw(optional[name]) for name in sorted(chosen)},
    )


@settings(deadline=None)
@given(traces(), st.integers(1, 9), st.sampled_from(["", ".gz", ".zst", ".xz"]))
def test_what_is_written_is_read(tmp_path_factory, trace, group, ending):
    path = tmp_path_factory.mktemp("parquet") / f"trace.parquet{ending}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("archsim.traces.formats.parquet_writer.BATCH_ROWS", group)
        write_parquet(trace, path)
    read = read_trace(path)
    for label in ("name", "tables", "order", "generator", "seed", "notes", "sha256"):
        assert getattr(read, label) == getattr(trace, label), label


@settings(deadline=None)
@given(st.data())
def test_addresses_that_are_written_are_read(tmp_path_factory, data):
    n = data.draw(st.integers(1, 9))
    times = st.none() | arrays.arrays(np.int64, n, elements=st.integers(0, 2**63 - 1)).map(np.sort)
    trace = AddressTrace(
        name="a",
        address=data.draw(arrays.arrays(np.int64, n, elements=st.integers(0, 2**63 - 1))),
        operation=data.draw(st.none() | arrays.arrays(np.uint8, n, elements=st.integers(0, 1))),
        time=data.draw(times),
        time_unit=data.draw(st.sampled_from(["clk", "ps"])),
    )
    path = tmp_path_factory.mktemp("parquet") / "trace"
    cuts = [0, *sorted(data.draw(st.lists(st.integers(0, n), max_size=2))), n]
    windows = (trace.window(a, b) for a, b in pairwise(cuts))
    write_parquet(data.draw(st.sampled_from([trace, windows])), path)
    read = read_trace(path, kind="addresses")
    assert (read.sha256, read.time_unit) == (trace.sha256, trace.time_unit)


def test_row_groups_hold_a_mebi_of_lookups(tmp_path):
    rows = np.arange(3 << 20, dtype=np.int32)
    offsets, tables = np.arange(0, len(rows) + 1, 64), np.zeros(len(rows) // 64, np.int32)
    trace = EmbeddingTrace("t", (Table("t", 3 << 20, 128),), rows, offsets, tables)
    write_parquet(trace, tmp_path / "t.parquet")
    opened = pq.ParquetFile(tmp_path / "t.parquet")
    assert [opened.metadata.row_group(g).num_rows for g in range(opened.num_row_groups)] == [1 << 20] * 3
    assert read_trace(tmp_path / "t.parquet").sha256 == trace.sha256


def test_other_programs_see_one_row_per_lookup(tmp_path):
    trace = EmbeddingTrace(
        name="t",
        tables=(Table("a", 9, 128), Table("b", 9, 128)),
        rows=np.array([5, 6, 7], np.int32),
        bag_offsets=np.array([0, 2, 2, 3]),
        bag_tables=np.array([0, 1, 1], np.int32),
        sample=np.array([4, 4, 5]),
    )
    write_parquet(trace, tmp_path / "t.parquet")
    seen = pq.read_table(tmp_path / "t.parquet").to_pydict()
    assert seen == {
        "table": [0, 0, 1, 1],
        "row": [5, 6, None, 7],
        "bag": [0, 0, 1, 2],
        "sample": [4, 4, 4, 5],
    }


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"])
def test_files_of_other_programs_get_the_stated_defaults(tmp_path, dtype):
    columns = {"bag": [3, 3, 7], "row": [5, 6, 7], "table": [0, 0, 1], "time_ps": [1, 1, 9]}
    typed = {name: np.array(values, dtype) for name, values in columns.items()}
    path = file_of(tmp_path, extra=["x", "y", "z"], **typed)
    trace = read_trace(path)
    assert trace.rows.tolist() == [5, 6, 7]
    assert trace.bag_offsets.tolist() == [0, 2, 3]
    assert trace.bag_tables.tolist() == [0, 1]
    assert trace.time_ps.tolist() == [1, 9]
    assert [(table.rows, table.vector_bytes) for table in trace.tables] == [(7, 128), (8, 128)]
    assert trace.notes == ("columns left out: extra", "rows per table estimated from the largest index")
    assert read_trace(path, rows=100, vector_bytes=64).tables[1] == Table("table_1", 100, 64)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 9)), min_size=1, max_size=30),
    st.integers(1, 9),
)
def test_bags_equal_those_of_a_data_frame(tmp_path_factory, lookups, batch):
    """Against `EmbeddingTrace.from_columns`, whatever the batches."""
    steps, table, row = (np.array(column) for column in zip(*lookups, strict=True))
    bag = np.cumsum(steps)
    path = file_of(tmp_path_factory.mktemp("parquet"), table=table, row=row, bag=bag)
    tables = [
        Table(f"table_{t}", int(row[table == t].max(initial=0)) + 1, 128) for t in range(table.max() + 1)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("archsim.traces.formats.parquet.BATCH_ROWS", batch)
        try:
            expected = EmbeddingTrace.from_columns(table, row, bag, tables=tables).sha256
        except InputError as error:
            assert "changes inside bag" in str(error)  # noqa: PT017
            assert "table = " in refusal(path)
        else:
            assert read_trace(path).sha256 == expected


@pytest.mark.parametrize("batch", [1, 2, 100])
@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"bag": [0, 1, 3, 2]}, "row 3: bag 2 follows bag 3; bags must not decrease"),
        ({"table": [0, 0, 0, 1]}, "row 3: table = 1 changes inside bag 1"),
        ({"sample": [0, 1, 2, 2]}, "row 1: sample = 1 changes inside bag 0"),
        ({"row": [1, 2, -3, 4]}, "row 2: row = -3 must not be negative"),
        ({"table": [-1, -1, 0, 0]}, "row 0: table = -1 must be from 0 to 65535"),
        ({"table": [0, 0, 65536, 65536]}, "row 2: table = 65536 must be from 0 to 65535"),
        ({"table": [0, 0, 2**40, 2**40]}, f"row 2: table = {2**40} does not fit int32"),
        ({"bag": [0, None, 1, 1]}, "row 1: bag is null; a number is needed"),
        ({"row": [1, 2, None, 4]}, "is null in bag 1, which has other lookups"),
        ({"row": [1, 2, 3, None]}, "row 3: row is null in bag 1, which has other lookups"),
        ({"row": [1.5, 2, 3, 4]}, "column 'row' holds double; it must be int64"),
        ({"row": ["1", "2", "3", "4"]}, "column 'row' holds string; it must be int64"),
        ({"row": np.array([1, 2, 3, 2**64 - 1], np.uint64)}, f"row 3: row = {2**64 - 1} does not fit int64"),
        ({"weight": [1.0, 2.0, float("nan"), 4.0]}, "lookup 2: weight nan must be a finite number"),
        ({"operation": [0, 1, 2, 1]}, "lookup 2: operation 2 must be 0 (read) or 1 (update)"),
        ({"row": [1, 2**62, 1, 1]}, f"row 1: row = {2**62} must be below {2**56 - 1}"),
    ],
)
def test_wrong_values_are_named_with_their_row(tmp_path, monkeypatch, columns, message, batch):
    monkeypatch.setattr("archsim.traces.formats.parquet.BATCH_ROWS", batch)
    sound = {"table": [0, 0, 0, 0], "row": [1, 2, 3, 4], "bag": [0, 0, 1, 1]}
    assert message in refusal(file_of(tmp_path, **(sound | columns)))


def test_rows_outside_declared_tables_are_named(tmp_path):
    path = file_of(tmp_path, table=[0, 1], row=[1, 2], bag=[0, 1])
    assert "lookup 1 (bag 1, table 1 'table_1'): row 2 is outside the table's 2 rows" in refusal(path, rows=2)
    assert refusal(path, rows=[5]) == "a.parquet: rows gives 1 table sizes, but the file holds 2 tables"
    assert refusal(path, tables=3) == "a.parquet: tables = 3, but the file holds 2 tables"


def test_missing_columns_and_contradicting_options_are_named(tmp_path):
    assert refusal(file_of(tmp_path, table=[0], rows=[1], bag=[0])) == (
        "a.parquet: column 'row' is missing (did you mean 'rows'?)"
    )
    assert (
        refusal(file_of(tmp_path, table=[0], row=[1]))
        == "a.parquet: column 'bag' is missing (valid: row, table)"
    )
    trace = EmbeddingTrace("t", (Table("t", 9, 128),), np.array([1]), np.array([0, 1]), np.zeros(1, np.int32))
    write_parquet(trace, tmp_path / "t.parquet")
    for option in ({"rows": 9}, {"vector_bytes": 128}, {"tables": 1}):
        assert "cannot be given; the file declares its tables" in refusal(tmp_path / "t.parquet", **option)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (b"{", "a.parquet: metadata: line 1, column 2: not JSON"),
        (b"[]", "a.parquet: metadata: holds a list"),
        (b"{}", "a.parquet: metadata: format = None must be 'archsim-trace'"),
        (b"\xff", "a.parquet: metadata: byte 0: not UTF-8 text"),
    ],
)
def test_damaged_metadata_are_placed(tmp_path, metadata, message):
    table = pa.table({"table": [0], "row": [1], "bag": [0]}).replace_schema_metadata(
        {b"archsim-trace": metadata}
    )
    pq.write_table(table, tmp_path / "a.parquet")
    assert message in refusal(tmp_path / "a.parquet")


def test_metadata_of_one_kind_over_columns_of_the_other_are_refused(tmp_path):
    write_parquet(AddressTrace("a", np.arange(3)), tmp_path / "a.parquet")
    kept = pq.read_schema(tmp_path / "a.parquet").metadata
    mixed = pa.table({"table": [0], "row": [1], "bag": [0]}).replace_schema_metadata(kept)
    pq.write_table(mixed, tmp_path / "b.parquet")
    assert "kind = 'addresses', but the columns are those of lookups" in refusal(tmp_path / "b.parquet")


def test_no_rows_are_no_trace(tmp_path):
    empty = np.array([], np.int64)
    assert refusal(file_of(tmp_path, table=empty, row=empty, bag=empty)) == (
        "a.parquet: a trace needs at least one lookup"
    )
    assert refusal(file_of(tmp_path, address=empty)) == "a.parquet: a trace needs at least one request"


def test_repeated_values_cannot_make_a_bomb(tmp_path, monkeypatch):
    monkeypatch.setattr("archsim.traces.formats.parquet.FREE_ROWS", 1 << 20)
    monkeypatch.setattr("archsim.traces.formats.parquet.ROWS_PER_BYTE", 50)
    zeros = np.zeros(8 << 20, np.int32)
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"table": zeros, "row": zeros, "bag": zeros}), path, row_group_size=len(zeros))
    found = refusal(path)
    assert (
        found
        == f"a.parquet: {8 << 20} rows in {path.stat().st_size} bytes; more than 50 per byte are refused"
    )


def test_parquet_without_pyarrow_says_how_to_get_it(tmp_path, monkeypatch):
    path = file_of(tmp_path, table=[0], row=[1], bag=[0])
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    assert refusal(path) == "a.parquet: Parquet files need pyarrow: pip install pyarrow"


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """Bytes of a small file in several forms."""
    path = tmp_path_factory.mktemp("parquet") / "a.parquet"
    lengths = np.arange(40) % 4
    trace = EmbeddingTrace(
        name="t",
        tables=(Table("t", 1000, 128), Table("u", 1000, 128)),
        rows=np.arange(lengths.sum(), dtype=np.int32) * 7,
        bag_offsets=np.concatenate(([0], np.cumsum(lengths))),
        bag_tables=(np.arange(40) % 2).astype(np.int32),
        weight=np.arange(lengths.sum(), dtype=np.float32),
    )
    write_parquet(trace, path)
    content = path.read_bytes()
    return {"plain": content, "gzip": gzip.compress(content), "xz": lzma.compress(content)}


@pytest.mark.parametrize("form", ["plain", "gzip", "xz"])
@pytest.mark.parametrize("part", range(50))
def test_a_file_cut_short_is_refused(sound, tmp_path, form, part):
    content = sound[form]
    (tmp_path / "a.parquet").write_bytes(content[: len(content) * part // 50])
    assert refusal(tmp_path / "a.parquet").startswith("a.parquet: ")


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_flipped_bytes_are_noticed_or_do_not_matter(sound, tmp_path_factory, data):
    damaged = bytearray(sound["plain"])
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.mktemp("parquet") / "a.parquet"
    path.write_bytes(damaged)
    try:
        # A name or a table may have changed in the footer, which has no checksum; what is read must be sound.
        read_trace(path, format="parquet").validate()
        outcome = ""
    except InputError as error:
        outcome = str(error)
    assert "\n" not in outcome
    assert not outcome or outcome.startswith(str(path))


def test_an_existing_file_is_not_replaced_and_a_failed_write_leaves_nothing(tmp_path):
    trace = EmbeddingTrace("t", (Table("t", 9, 128),), np.array([1]), np.array([0, 1]), np.zeros(1, np.int32))
    (tmp_path / "a.parquet").write_text("mine")
    with pytest.raises(InputError, match="exists already"):
        write_parquet(trace, tmp_path / "a.parquet")
    assert (tmp_path / "a.parquet").read_text() == "mine"

    def broken():
        yield AddressTrace("a", np.arange(3))
        raise InputError("broken on the way")

    with pytest.raises(InputError, match="broken on the way"):
        write_parquet(broken(), tmp_path / "b.parquet")
    assert [file.name for file in tmp_path.iterdir()] == ["a.parquet"]
