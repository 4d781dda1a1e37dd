"""The trace record: structure, order, limits, chunks and the content hash."""

import pickle
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.errors import InputError
from archsim.traces import EmbeddingTrace, Table

TABLES = (Table("users", 100, 128), Table("items", 1000, 64, "float16"))

BAGS = st.lists(
    st.tuples(st.integers(0, 1), st.lists(st.integers(0, 99), max_size=5), st.integers(0, 6)),
    min_size=1,
    max_size=30,
).filter(lambda bags: any(rows for _, rows, _ in bags))


def build(bags, **options):
    """Make a trace from (table, rows, sample) triples, with every optional column derived from the place."""
    lengths = [len(rows) for _, rows, _ in bags]
    lookups = sum(lengths)
    return EmbeddingTrace(
        name="built",
        tables=TABLES,
        rows=np.array([row for _, rows, _ in bags for row in rows], np.int64),
        bag_offsets=np.concatenate(([0], np.cumsum(lengths))).astype(np.int64),
        bag_tables=np.array([table for table, _, _ in bags], np.int32),
        sample=np.array([sample for _, _, sample in bags], np.int64),
        user=np.arange(len(bags), dtype=np.int64),
        weight=np.arange(lookups, dtype=np.float32),
        **options,
    )


def bag_list(trace):
    """Say a trace as a list of bags, the slow and obvious way."""
    return [
        (
            int(trace.bag_tables[b]),
            trace.rows[trace.bag_offsets[b] : trace.bag_offsets[b + 1]].tolist(),
            int(trace.sample[b]),
            int(trace.user[b]),
            trace.weight[trace.bag_offsets[b] : trace.bag_offsets[b + 1]].tolist(),
        )
        for b in range(trace.bags)
    ]


SMALL = build([(0, [5, 6], 0), (1, [7], 0), (0, [8, 9, 10], 1), (1, [], 1), (0, [11], 2)])


def test_every_lookup_knows_its_table_and_its_bag():
    assert SMALL.lookups == 7
    assert SMALL.bags == 5
    assert SMALL.table.tolist() == [0, 0, 1, 0, 0, 0, 0]
    assert SMALL.bag.tolist() == [0, 0, 1, 2, 2, 2, 4]
    assert repr(SMALL) == "EmbeddingTrace('built': 7 lookups, 5 bags, 2 tables, as-recorded)"


def test_a_trace_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        SMALL.name = "other"
    with pytest.raises(ValueError, match="read-only"):
        SMALL.rows[0] = 1


def test_a_pickled_trace_is_the_same_trace():
    assert pickle.loads(pickle.dumps(SMALL)).sha256 == SMALL.sha256


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("t", 10, 130),
            "table 't': vector_bytes = 130 must be a multiple of the 4 bytes of a float32 element",
        ),
        (("t", 0, 128), "table 't': rows = 0 must be an integer of at least 1"),
        (("t", True, 128), "table 't': rows = True must be an integer of at least 1"),
        (("t", 10, 128, "flaot16"), "table 't': unknown dtype 'flaot16' (did you mean 'float16'?)"),
        (("t", 2**60, 128), f"table 't': {2**67} bytes do not fit a 64-bit address space"),
    ],
)
def test_an_impossible_table_is_refused(arguments, message):
    with pytest.raises(InputError) as error:
        Table(*arguments)
    assert str(error.value) == message


def test_a_table_counts_its_elements_and_bytes():
    assert (TABLES[1].elements, TABLES[1].footprint_bytes) == (32, 64_000)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"order": "sampl-major"}, "unknown order 'sampl-major' (did you mean 'sample-major'?)"),
        ({"tables": ()}, "tables must be one Table or more"),
        ({"rows": np.zeros(7)}, "column 'rows' holds float64; it must be int64 or int32"),
        ({"rows": np.zeros((7, 1), int)}, "column 'rows' has shape (7, 1); 7 lookups in 5 bags need (7,)"),
        (
            {"weight": np.zeros(6, np.float32)},
            "column 'weight' has shape (6,); 7 lookups in 5 bags need (7,)",
        ),
        ({"user": np.zeros(6, np.int64)}, "column 'user' has shape (6,); 7 lookups in 5 bags need (5,)"),
        ({"bag_offsets": np.arange(1, 7)}, "bag_offsets[0] = 1 must be 0"),
        ({"bag_offsets": np.arange(6)}, "bag_offsets[5] = 5 must be the number of lookups, 7"),
    ],
)
def test_columns_that_do_not_fit_together_are_refused(change, message):
    with pytest.raises(InputError) as error:
        replace(SMALL, **change)
    assert str(error.value) == f"built: {message}"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"bag_offsets": np.array([0, 2, 3, 2, 6, 7])},
            "bag 2: bag_offsets[3] = 2 is below bag_offsets[2] = 3; offsets must not decrease",
        ),
        (
            {"bag_tables": np.array([0, 1, 2, 1, 0], np.int32)},
            "bag 2: table 2 is unknown; the 2 tables are numbered 0 to 1",
        ),
        (
            {"bag_tables": np.array([0, -1, 0, 1, 0], np.int32)},
            "bag 1: table -1 is unknown; the 2 tables are numbered 0 to 1",
        ),
        (
            {"rows": np.array([5, 6, 100, 8, 9, 100, 11])},
            "lookup 5 (bag 2, table 0 'users'): row 100 is outside the table's 100 rows (0 to 99)",
        ),
        (
            {"rows": np.array([5, 6, 7, 8, 9, 10, -1], np.int32)},
            "lookup 6 (bag 4, table 0 'users'): row -1 is outside the table's 100 rows (0 to 99)",
        ),
        (
            {"operation": np.array([0, 1, 0, 2, 0, 0, 0], np.uint8)},
            "lookup 3: operation 2 must be 0 (read) or 1 (update)",
        ),
        (
            {"weight": np.array([0, 1, np.nan, 2, 0, 0, 0], np.float32)},
            "lookup 2: weight nan must be a finite number",
        ),
    ],
)
@pytest.mark.parametrize("chunk", [1, 3, 1 << 20])
def test_the_first_wrong_value_is_named_with_its_place(change, message, chunk, monkeypatch):
    monkeypatch.setattr("archsim.traces.checks.CHUNK", chunk)
    SMALL.validate()
    with pytest.raises(InputError) as error:
        replace(SMALL, **change).validate("some file")
    assert str(error.value) == f"some file: {message}"


def test_a_trace_of_empty_bags_is_refused():
    empty = EmbeddingTrace(
        "empty", TABLES, np.zeros(0, np.int64), np.zeros(3, np.int64), np.zeros(2, np.int32)
    )
    with pytest.raises(InputError, match="empty: a trace needs at least one lookup"):
        empty.validate()


@settings(deadline=None)
@given(BAGS)
def test_the_bags_in_any_chunks_make_up_the_trace(bags):
    trace = build(bags)
    for size in (1, 3, 1000):
        ranges = list(trace.chunks(size))
        assert [first for first, _ in ranges] == [0, *(last for _, last in ranges[:-1])]
        assert ranges[-1][1] == trace.bags
        windows = [trace.window(first, last) for first, last in ranges]
        assert all(window.lookups <= size or window.bags == 1 for window in windows)
        assert [bag for window in windows for bag in bag_list(window)] == bag_list(trace)


def test_chunks_of_no_lookups_are_refused():
    with pytest.raises(InputError, match="chunks of 0 lookups are too small"):
        list(SMALL.chunks(0))


@settings(deadline=None)
@given(BAGS, st.integers(1, 200))
def test_a_limit_keeps_exactly_the_first_lookups(bags, n):
    trace = build(bags)
    cut = trace.limit(n)
    cut.validate()
    kept = min(n, trace.lookups)
    assert cut.lookups == kept
    for name in ("rows", "table", "bag", "weight"):
        assert getattr(cut, name).tolist() == getattr(trace, name)[:kept].tolist()
    assert cut.sample.tolist() == trace.sample[: cut.bags].tolist()
    if n < trace.lookups:
        assert cut.bag_offsets[-2] < cut.bag_offsets[-1], (
            "the last bag is not an empty one that was not asked for"
        )


def test_a_limit_below_one_is_refused():
    with pytest.raises(InputError, match="built: limit = 0 lookups must be at least 1"):
        SMALL.limit(0)


@settings(deadline=None)
@given(BAGS, st.sampled_from([1, 1 << 22]))
def test_reordering_sorts_bags_stably_with_all_their_columns(bags, moved):
    trace = build(bags)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("archsim.traces.ordering.MOVED_LOOKUPS", moved)
        by_sample, by_table = trace.reorder("sample-major"), trace.reorder("table-major")
        assert bag_list(by_sample) == sorted(bag_list(trace), key=lambda bag: (bag[2], bag[0]))
        assert bag_list(by_table) == sorted(bag_list(trace), key=lambda bag: (bag[0], bag[2]))
        assert by_sample.reorder("table-major").reorder("sample-major").sha256 == by_sample.sha256
        assert by_table.reorder("sample-major").sha256 == by_sample.sha256


def test_without_samples_bag_k_of_a_table_is_sample_k():
    trace = replace(build([(0, [1], 0), (0, [2], 0), (1, [3], 0), (1, [4], 0)]), sample=None)
    assert trace.reorder("sample-major").rows.tolist() == [1, 3, 2, 4]
    assert trace.reorder("sample-major").reorder("table-major").rows.tolist() == [1, 2, 3, 4]


def test_an_order_that_cannot_be_told_is_refused():
    trace = replace(SMALL, sample=None)
    with pytest.raises(
        InputError, match=r"table 'users' has 3 bags and table 'items' 2, and there is no 'sample'"
    ):
        trace.reorder("table-major")
    with pytest.raises(InputError, match=r"unknown order 'bag-major' \(did you mean"):
        trace.reorder("bag-major")
    with pytest.raises(InputError, match="'as-recorded' is lost, the trace is sorted table-major"):
        SMALL.reorder("table-major").reorder("as-recorded")


def test_the_hash_sees_content_and_not_labels():
    same = replace(
        SMALL,
        name="other",
        tables=tuple(replace(table, name="t") for table in TABLES),
        rows=SMALL.rows.astype(np.int32),
        generator="g",
        seed=3,
        notes=("n",),
    )
    assert same.sha256 == SMALL.sha256
    changes = [
        {"order": "sample-major"},
        {"tables": (replace(TABLES[0], rows=101), TABLES[1])},
        {"tables": (replace(TABLES[0], dtype="int8"), TABLES[1])},
        {"rows": SMALL.rows + 1},
        {"bag_tables": 1 - SMALL.bag_tables},
        {"weight": None},
        {"time_ps": np.zeros(5, np.int64)},
        {"user": None, "time_ps": SMALL.user},
    ]
    hashes = {replace(SMALL, **change).sha256 for change in changes}
    assert len(hashes | {SMALL.sha256}) == len(changes) + 1


def test_the_hash_does_not_depend_on_the_size_of_its_chunks(monkeypatch):
    monkeypatch.setattr("archsim.traces.checks.CHUNK", 2)
    assert replace(SMALL).sha256 == SMALL.sha256
    assert SMALL.sha256 == "f88d7cd6f4fc60ab5008439beb2aaa3f8ea026eb51bde8066ffc66bb63b63c57"


def test_one_value_per_lookup_makes_a_trace():
    trace = EmbeddingTrace.from_columns(
        table=[0, 0, 1, 0],
        row=[5, 6, 7, 8],
        bag=[10, 10, 11, 20],
        tables=TABLES,
        sample=[0, 0, 0, 3],
        weight=[0.5, 1, 2, 4],
        order="sample-major",
        user=None,
    )
    assert trace.bag_offsets.tolist() == [0, 2, 3, 4]
    assert trace.bag_tables.tolist() == [0, 1, 0]
    assert trace.sample.tolist() == [0, 0, 3]
    assert trace.weight.tolist() == [0.5, 1, 2, 4]
    assert trace.rows.dtype == np.int64


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"row": [1]}, "column 'bag' has shape (3,); one value per lookup is needed"),
        ({"row": [], "bag": [], "table": []}, "column 'bag' has shape (0,); one value per lookup is needed"),
        ({"row": [1.5, 2, 3]}, "column 'row' holds float64, not integers"),
        ({"bag": [1, 0, 2]}, "lookup 1: bag 0 follows bag 1; bags must not decrease"),
        ({"table": [0, 1, 1]}, "lookup 1: table = 1 changes inside bag 0"),
        ({"table": [0, 0, 2**40]}, f"column 'table': values 0 to {2**40} do not fit int32"),
        (
            {"row": [1, 2, 1000]},
            "lookup 2 (bag 1, table 1 'items'): row 1000 is outside the table's 1000 rows (0 to 999)",
        ),
        ({"operation": [0, 0, 300]}, "column 'operation': values 0 to 300 do not fit uint8"),
    ],
)
def test_columns_that_make_no_trace_are_refused(columns, message):
    sound = {"table": [0, 0, 1], "row": [1, 2, 3], "bag": [0, 0, 1]}
    with pytest.raises(InputError) as error:
        EmbeddingTrace.from_columns(**{**sound, **columns}, tables=TABLES)
    assert str(error.value) == f"columns: {message}"
