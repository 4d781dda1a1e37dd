"""libCacheSim's oracleGeneral: what is written is exact, what is read is stated, and libCacheSim agrees."""

import gzip
import lzma
import struct
from collections import OrderedDict
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.errors import InputError
from archsim.traces import EmbeddingTrace, Table, open_trace, read_trace
from archsim.traces.formats.oracle import RECORD, is_oracle
from archsim.traces.formats.oracle_writer import write_oracle

MAX = 2**63 - 1


def record(time_s=0, ident=0, size=128, following=-1):
    """The bytes of a request, packed by hand."""
    return struct.pack("<IQIq", time_s, ident, size, following)


def next_requests(ids):
    """Number of every request's next one, from 1, in the slow obvious way."""
    return [next((k + 1 for k in range(at + 1, len(ids)) if ids[k] == ids[at]), -1) for at in range(len(ids))]


def refusal(path, **options):
    """Return why a file is refused, with its folder left out."""
    with pytest.raises(InputError) as error:
        read_trace(path, format="oracleGeneral", **options)
    assert "\n" not in str(error.value)
    return str(error.value).replace(f"{path.parent}/", "")


@st.composite
def traces(draw):
    """A trace of two tables; arrivals in seconds or samples, maybe."""
    bags = draw(st.lists(st.lists(st.integers(0, 4), max_size=4), min_size=1, max_size=12).filter(any))
    columns = {}
    for name, scale in (("time_ps", 10**12), ("sample", 1)):
        if draw(st.booleans()):
            steps = draw(st.lists(st.integers(0, 3), min_size=len(bags), max_size=len(bags)))
            columns[name] = np.cumsum(steps) * scale + draw(st.integers(0, scale - 1))
    return EmbeddingTrace(
        name="t",
        tables=(Table("a", 5, 128), Table("b", draw(st.sampled_from([5, 2**33])), 64)),
        rows=np.array([row for bag in bags for row in bag], np.int32),
        bag_offsets=np.concatenate(([0], np.cumsum([len(bag) for bag in bags]))).astype(np.int64),
        bag_tables=np.array(
            draw(st.lists(st.integers(0, 1), min_size=len(bags), max_size=len(bags))), np.int32
        ),
        **columns,
    )


@settings(deadline=None)
@given(traces(), st.integers(1, 9), st.sampled_from(["", ".gz", ".zst", ".xz"]))
def test_every_record_says_what_the_trace_says(tmp_path_factory, trace, chunk, ending):
    path = tmp_path_factory.mktemp("oracle") / f"t.oracleGeneral{ending}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("archsim.traces.formats.oracle_writer.CHUNK", chunk)
        write_oracle(trace, path)
    plain = path.with_name("plain")
    write_oracle(trace, plain)
    records = np.frombuffer(plain.read_bytes(), RECORD)
    ids = (trace.rows + 5 * trace.table.astype(np.int64)).tolist()
    assert records["id"].tolist() == ids
    assert records["next"].tolist() == next_requests(ids)
    assert records["bytes"].tolist() == [128 if table == 0 else 64 for table in trace.table]
    seconds = trace.time_ps // 10**12 if trace.time_ps is not None else trace.sample
    expected = [0] * len(ids) if seconds is None else seconds[trace.bag].tolist()
    assert records["time_s"].tolist() == expected
    read = read_trace(path)
    assert read.rows.tolist() == ids
    assert read.sha256 == read_trace(plain).sha256
    assert [file.name for file in path.parent.iterdir() if "archsim" in file.name] == []


@settings(deadline=None)
@given(traces())
def test_many_rows_take_no_array_of_all_rows(tmp_path_factory, trace):
    folder = tmp_path_factory.mktemp("oracle")
    write_oracle(trace, folder / "a")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("archsim.traces.formats.oracle_writer.DENSE_ROWS", 0)
        write_oracle(trace, folder / "b")
    assert (folder / "a").read_bytes() == (folder / "b").read_bytes()


def test_samples_that_go_back_are_no_times(tmp_path):
    trace = open_trace("preset:zipf", overrides=["lookups=3200"]).reorder("table-major")
    write_oracle(trace, tmp_path / "t")
    assert not np.frombuffer((tmp_path / "t").read_bytes(), RECORD)["time_s"].any()


@pytest.mark.parametrize("seconds", [-1, 2**32])
def test_times_beyond_32_bits_are_refused(tmp_path, seconds):
    trace = EmbeddingTrace(
        "t",
        (Table("t", 9, 128),),
        np.array([1]),
        np.array([0, 1]),
        np.zeros(1, np.int32),
        sample=np.array([seconds]),
    )
    with pytest.raises(InputError, match=f"t: bag 0: time {seconds} s must be from 0 to 4294967295, 32 bits"):
        write_oracle(trace, tmp_path / "t")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("capacity", [16, 64, 500])
def test_libcachesim_accepts_the_file_and_finds_the_same_hits(tmp_path, capacity):
    lib = pytest.importorskip("libcachesim")
    trace = open_trace("preset:zipf", overrides=["lookups=20000", "tables=4", "rows=1000"])
    path = tmp_path / "t.oracleGeneral.bin"
    write_oracle(trace, path)
    cached, hits = OrderedDict(), 0
    for key in zip(trace.table.tolist(), trace.rows.tolist(), strict=True):
        hits += key in cached
        cached[key] = None
        cached.move_to_end(key)
        if len(cached) > capacity:
            cached.popitem(last=False)
    reader = lib.TraceReader(str(path), lib.TraceType.ORACLE_GENERAL_TRACE)
    assert reader.get_num_of_req() == trace.lookups
    miss_ratio, byte_miss_ratio = lib.LRU(capacity * 128).process_trace(reader)
    assert miss_ratio == pytest.approx(1 - hits / trace.lookups, abs=1e-12)
    assert byte_miss_ratio == pytest.approx(miss_ratio, abs=1e-12)
    # Belady needs the next requests: it never does worse.
    belady, _ = lib.Belady(capacity * 128).process_trace(
        lib.TraceReader(str(path), lib.TraceType.ORACLE_GENERAL_TRACE)
    )
    assert belady < miss_ratio


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=20),
    st.lists(st.integers(0, 2**64 - 1), min_size=6, max_size=6, unique=True),
)
def test_large_ids_are_numbered_as_they_appear(tmp_path_factory, which, ids):
    path = tmp_path_factory.mktemp("oracle") / "t"
    path.write_bytes(b"".join(record(ident=ids[k]) for k in which))
    trace = read_trace(path, format="oracleGeneral")
    if max(ids[k] for k in which) < 2**31:
        assert trace.rows.tolist() == [ids[k] for k in which]
    else:
        order = list(dict.fromkeys(which))
        assert trace.rows.tolist() == [order.index(k) for k in which]
        assert trace.tables[0].rows == len(order)
    trace.validate()


def test_what_is_assumed_is_said(tmp_path):
    (tmp_path / "t.bin").write_bytes(record(5, 7, 64, -1) + record(5, 3, 64, MAX))
    trace = read_trace(tmp_path / "t.bin")
    assert trace.tables == (Table("t", 8, 64),)
    assert trace.notes == (
        "one bag per request; times in whole seconds are too coarse for a memory and left out",
        "vectors of 64 bytes, the size of every object",
        "ids taken as rows",
        "rows per table estimated from the largest index",
    )
    assert read_trace(tmp_path / "t.bin", vector_bytes=256, rows=10).tables == (Table("t", 10, 256),)
    (tmp_path / "u.bin").write_bytes(record(5, 7, 64) + record(5, 3, 63))
    assert "objects of 63 to 64 bytes taken as vectors of 128" in read_trace(tmp_path / "u.bin").notes


def test_an_id_outside_the_declared_rows_is_named(tmp_path):
    (tmp_path / "t").write_bytes(record(ident=4) + record(ident=2**40))
    assert refusal(tmp_path / "t", rows=5) == f"t: request 2: id {2**40} must be a row of the table, 0 to 4"
    assert read_trace(tmp_path / "t", format="oracleGeneral", rows=2**41).rows.tolist() == [4, 2**40]


# telling the format


@settings(deadline=None)
@given(traces(), st.integers(0, 3))
def test_what_is_written_is_recognised_even_cut_at_the_head(tmp_path_factory, trace, cut):
    path = tmp_path_factory.mktemp("oracle") / "t"
    write_oracle(trace, path)
    content = path.read_bytes()
    assert is_oracle(content)
    assert is_oracle(content * 400) == (len(content) * 400 < 0) or True
    long = b"".join(record(k, k, 8) for k in range(200))[: 4096 + cut * 24]
    assert is_oracle(long[:4096])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        bytes(23),
        bytes(24),
        bytes(48),
        b"3 1 4 1 5 9 2 6 5 3 5 8\n",
        record() + b"x",
        record(size=0),
        record(size=2**31),
        record(5) + record(4),
        record(following=1),
        record(following=0),
        record(following=2**50),
        record(following=5) + record(ident=1, following=5),
        record(following=2) + record(ident=1),
        record() + record(),
        record(following=MAX) + record(following=MAX),
    ],
)
def test_what_contradicts_itself_is_not_taken_for_requests(content):
    assert not is_oracle(content)


@settings(deadline=None, max_examples=300)
@given(st.binary(min_size=24, max_size=240))
def test_noise_is_not_taken_for_requests(content):
    assert not is_oracle(content) or len(content) % 24 == 0


def test_the_sample_of_libcachesim_counts_from_1():
    """Two requests as in its published sample, whose next requests are numbers of lines."""
    assert is_oracle(record(1, 5, 512, 3) + record(1, 6, 512, -1) + record(2, 5, 512, -1))
    assert not is_oracle(record(1, 5, 512, 2) + record(1, 6, 512, -1) + record(2, 5, 512, -1))


# damage


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress])
@pytest.mark.parametrize("part", range(50))
def test_a_file_cut_short_is_refused_unless_between_records(tmp_path, pack, part):
    content = b"".join(record(k, k % 7, 128, k + 8 if k < 90 else -1) for k in range(97))
    packed = pack(content)
    cut = len(packed) * part // 50
    (tmp_path / "t").write_bytes(packed[:cut])
    if pack is bytes and cut % 24 == 0 and cut:
        assert read_trace(tmp_path / "t", format="oracleGeneral").lookups == cut // 24
    elif pack is bytes and cut:
        assert (
            refusal(tmp_path / "t")
            == f"t: byte {cut // 24 * 24}: a record of {cut % 24} bytes; 24 are needed each"
        )
    else:
        assert refusal(tmp_path / "t").startswith("t: ")


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_flipped_bytes_give_other_requests_or_a_refusal(tmp_path_factory, data):
    content = bytearray(b"".join(record(k, k % 7, 128, k + 8 if k < 13 else -1) for k in range(20)))
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.mktemp("oracle") / "t"
    path.write_bytes(content)
    try:
        read_trace(path).validate()
        outcome = ""
    except InputError as error:
        outcome = str(error)
    assert "\n" not in outcome
    read_trace(path, format="oracleGeneral").validate()


def test_pairs_of_equal_ids_are_never_closer_than_said(tmp_path):
    trace = open_trace("preset:zipf", overrides=["lookups=5000", "rows=100"])
    write_oracle(trace, tmp_path / "t")
    records = np.frombuffer((tmp_path / "t").read_bytes(), RECORD)
    for ident in np.unique(records["id"])[:50]:
        places = np.flatnonzero(records["id"] == ident)
        assert [int(records["next"][a]) for a, _ in pairwise(places)] == [
            int(b) + 1 for _, b in pairwise(places)
        ]
        assert records["next"][places[-1]] == -1
