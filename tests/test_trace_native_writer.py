"""Native traces of both kinds written window by window: the same folder as at once, whatever the windows."""

import json
import time
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from archsim.errors import InputError
from archsim.traces import AddressTrace, EmbeddingTrace, Table, native_writer, read_native, write_native

LOOKUPS = EmbeddingTrace(
    name="lookups",
    tables=(Table("users", 100, 128), Table("items", 1000, 64, "float16")),
    rows=np.array([5, 6, 7, 8, 9], np.int32),
    bag_offsets=np.array([0, 2, 2, 5]),
    bag_tables=np.array([0, 1, 1], np.int32),
    order="sample-major",
    sample=np.array([0, 0, 1]),
    weight=np.arange(5, dtype=np.float32),
    seed=7,
    notes=("a note",),
)
ADDRESSES = AddressTrace(
    name="addresses",
    address=np.arange(7, dtype=np.int64) * 64,
    operation=np.array([0, 1, 0, 0, 1, 1, 0], np.uint8),
    time=np.array([0, 5, 5, 9, 9, 9, 20]),
    time_unit="ps",
    generator="by hand",
)


def contents(folder):
    """Bytes of every file of a folder."""
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@st.composite
def address_traces(draw):
    """Any sound trace of addresses."""
    n = draw(st.integers(1, 9))
    columns = {
        "operation": draw(st.none() | arrays.arrays(np.uint8, n, elements=st.integers(0, 1))),
        "time": draw(st.none() | arrays.arrays(np.int64, n, elements=st.integers(0, 2**63 - 1)).map(np.sort)),
    }
    return AddressTrace(
        name=draw(st.text(st.characters(exclude_categories=["Cs"]), max_size=9)),
        address=draw(arrays.arrays(np.int64, n, elements=st.integers(0, 2**63 - 1))),
        time_unit=draw(st.sampled_from(["clk", "ps"])),
        seed=draw(st.none() | st.integers(0, 2**63)),
        **columns,
    )


@settings(deadline=None)
@given(address_traces())
def test_addresses_that_are_written_are_read(tmp_path_factory, trace):
    path = tmp_path_factory.mktemp("native") / "trace"
    write_native(trace, path)
    read = read_native(path)
    assert type(read) is AddressTrace
    assert read.sha256 == trace.sha256
    assert (read.name, read.time_unit, read.seed) == (trace.name, trace.time_unit, trace.seed)
    assert read.columns.keys() == trace.columns.keys()
    assert all(np.array_equal(read.columns[name], column) for name, column in trace.columns.items())


@settings(deadline=None)
@given(st.lists(st.integers(0, 3)), st.sampled_from([1, 2, 100]))
def test_lookups_written_in_windows_are_the_same_folder(tmp_path_factory, cuts, chunk):
    folder = tmp_path_factory.mktemp("native")
    write_native(LOOKUPS, folder / "whole")
    edges = [0, *sorted(cuts), 3]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("archsim.traces.formats.native_writer.CHUNK", chunk)
        with native_writer(folder / "parts", LOOKUPS.window(0, 0)) as writer:
            for first, last in pairwise(edges):
                writer.append(LOOKUPS.window(first, last))
    assert contents(folder / "parts") == contents(folder / "whole")
    assert json.loads((folder / "parts" / "trace.json").read_text())["sha256"] == LOOKUPS.sha256


@settings(deadline=None)
@given(st.lists(st.integers(0, 7)))
def test_addresses_written_in_windows_are_the_same_folder(tmp_path_factory, cuts):
    folder = tmp_path_factory.mktemp("native")
    write_native(ADDRESSES, folder / "whole")
    edges = [0, *sorted(cuts), 7]
    with native_writer(folder / "parts", ADDRESSES) as writer:
        for first, last in pairwise(edges):
            writer.append(ADDRESSES.window(first, last))
    assert contents(folder / "parts") == contents(folder / "whole")
    assert read_native(folder / "parts").sha256 == ADDRESSES.sha256


def test_labels_and_tables_may_be_told_at_the_end(tmp_path):
    unknown = replace(LOOKUPS, tables=(Table("a", 1, 128), Table("b", 1, 128)), notes=())
    with native_writer(tmp_path / "late", unknown) as writer:
        writer.append(unknown)
        writer.header = replace(unknown, tables=LOOKUPS.tables, notes=("later",))
    read = read_native(tmp_path / "late")
    assert (read.tables, read.notes, read.sha256) == (LOOKUPS.tables, ("later",), LOOKUPS.sha256)


def test_narrow_rows_are_widened_and_wide_ones_refused(tmp_path):
    wide = replace(LOOKUPS, rows=LOOKUPS.rows.astype(np.int64))
    with native_writer(tmp_path / "wide", wide) as writer:
        writer.append(LOOKUPS)
    assert read_native(tmp_path / "wide").rows.dtype == np.int64
    assert read_native(tmp_path / "wide").sha256 == LOOKUPS.sha256
    with (
        pytest.raises(InputError, match="column 'rows' holds int64, wider than the int32"),
        native_writer(tmp_path / "narrow", LOOKUPS) as writer,
    ):
        writer.append(wide)
    assert [file.name for file in tmp_path.iterdir()] == ["wide"]


def test_other_columns_or_another_kind_cannot_follow(tmp_path):
    for window in (replace(LOOKUPS, weight=None), ADDRESSES):
        with (
            pytest.raises(InputError, match="cannot follow"),
            native_writer(tmp_path / "t", LOOKUPS) as writer,
        ):
            writer.append(window)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("header", "what"), [(LOOKUPS, "lookup"), (ADDRESSES, "request")])
def test_a_trace_of_nothing_is_not_written(tmp_path, header, what):
    with (
        pytest.raises(InputError, match=f"a trace needs at least one {what}"),
        native_writer(tmp_path / "t", header),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_folders_of_version_1_still_open(tmp_path):
    write_native(LOOKUPS, tmp_path / "old")
    file = tmp_path / "old" / "trace.json"
    sidecar = json.loads(file.read_text())
    del sidecar["kind"]
    file.write_text(json.dumps(sidecar | {"version": 1}))
    assert read_native(tmp_path / "old").sha256 == LOOKUPS.sha256
    file.write_text(json.dumps(sidecar | {"version": 2}))
    with pytest.raises(InputError, match="kind = None must be 'lookups' or 'addresses'"):
        read_native(tmp_path / "old")


def test_damaged_addresses_are_named(tmp_path):
    write_native(ADDRESSES, tmp_path / "t")
    np.save(tmp_path / "t" / "time.npy", np.array([0, 5, 4, 9, 9, 9, 20]))
    with pytest.raises(InputError, match="t: request 2: time = 4 is before that of the request before"):
        read_native(tmp_path / "t")
    np.save(tmp_path / "t" / "time.npy", np.array([0, 5, 6, 9, 9, 9, 20]))
    with pytest.raises(InputError, match="but the columns hash to"):
        read_native(tmp_path / "t")


@pytest.mark.slow
def test_a_trace_of_1e9_lookups_opens_in_a_tenth_of_a_second(tmp_path):
    """The files are sparse: 12 GB in name, a few blocks on disk."""
    lookups, bags = 10**9, 10**7
    write_native(replace(LOOKUPS, sample=None, weight=None), tmp_path / "t")
    sidecar = json.loads((tmp_path / "t" / "trace.json").read_text())
    lengths = {"rows": lookups, "bag_offsets": bags + 1, "bag_tables": bags}
    for name, length in lengths.items():
        dtype = np.dtype(sidecar["columns"][name]["dtype"])
        sparse = np.lib.format.open_memmap(tmp_path / "t" / f"{name}.npy", "w+", dtype, (length,))
        sparse[-1] = lookups if name == "bag_offsets" else 0
        sidecar["columns"][name]["length"] = length
        del sparse
    sidecar |= {"lookups": lookups, "bags": bags}
    (tmp_path / "t" / "trace.json").write_text(json.dumps(sidecar))
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        trace = read_native(tmp_path / "t")
        seconds.append(time.perf_counter() - start)
    assert trace.lookups == lookups
    assert min(seconds) < 0.1
