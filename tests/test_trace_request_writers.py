"""Addresses written as text for other simulators: line by line as printed by hand, and read back."""

import gzip
import lzma
from itertools import pairwise

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from archsim.errors import InputError
from archsim.traces import AddressTrace, read_trace
from archsim.traces.formats.request_writers import write_dramsim3, write_ramulator2

UNPACK = {"": bytes, ".gz": gzip.decompress, ".xz": lzma.decompress}


@st.composite
def traces(draw):
    """Any sound trace of addresses with times in clocks."""
    n = draw(st.integers(1, 9))
    times = arrays.arrays(np.int64, n, elements=st.integers(0, 2**62)).map(np.sort)
    return AddressTrace(
        name="a",
        address=draw(arrays.arrays(np.int64, n, elements=st.integers(0, 2**62) | st.integers(0, 99))),
        operation=draw(st.none() | arrays.arrays(np.uint8, n, elements=st.integers(0, 1))),
        time=draw(st.none() | times),
    )


def operations(trace):
    """0 or 1 for every request."""
    return [0] * trace.requests if trace.operation is None else trace.operation.tolist()


def windows(trace, data):
    """The trace, or the same in windows."""
    cuts = [0, *sorted(data.draw(st.lists(st.integers(0, trace.requests), max_size=2))), trace.requests]
    return data.draw(st.sampled_from([trace, (trace.window(a, b) for a, b in pairwise(cuts))]))


@settings(deadline=None)
@given(traces(), st.integers(1, 9), st.sampled_from(["", ".gz", ".xz"]), st.data())
def test_ramulator2_lines_are_those_printed_by_hand(tmp_path_factory, trace, block, ending, data):
    path = tmp_path_factory.mktemp("text") / f"t.trace{ending}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("archsim.traces.formats.request_writers.BLOCK", block)
        write_ramulator2(windows(trace, data), path)
    lines = [f"{('LD', 'ST')[o]} 0x{a:x}\n" for a, o in zip(trace.address, operations(trace), strict=True)]
    assert UNPACK[ending](path.read_bytes()).decode() == "".join(lines)
    read = read_trace(path)
    assert read.address.tolist() == trace.address.tolist()
    assert operations(read) == operations(trace)


@settings(deadline=None)
@given(traces(), st.integers(1, 9), st.sampled_from(["", ".gz", ".xz"]), st.data())
def test_dramsim3_lines_are_those_printed_by_hand(tmp_path_factory, trace, block, ending, data):
    path = tmp_path_factory.mktemp("text") / f"t.trace{ending}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("archsim.traces.formats.request_writers.BLOCK", block)
        write_dramsim3(windows(trace, data), path)
    times = [0] * trace.requests if trace.time is None else trace.time.tolist()
    lines = [
        f"0x{a:x} {('READ', 'WRITE')[o]} {t}\n"
        for a, o, t in zip(trace.address, operations(trace), times, strict=True)
    ]
    assert UNPACK[ending](path.read_bytes()).decode() == "".join(lines)
    read = read_trace(path)
    assert (read.address.tolist(), operations(read), read.time.tolist()) == (
        trace.address.tolist(),
        operations(trace),
        times,
    )


def test_zstd_is_written_by_the_ending_too(tmp_path):
    trace = AddressTrace("a", np.arange(100_000) * 64)
    write_ramulator2(trace, tmp_path / "t.zst")
    write_ramulator2(trace, tmp_path / "t")
    packed = (tmp_path / "t.zst").read_bytes()
    plain = (tmp_path / "t").read_bytes()
    assert zstandard.ZstdDecompressor().decompressobj().decompress(packed) == plain
    assert len(packed) < len(plain) / 2


@pytest.mark.parametrize("ending", ["", ".gz", ".xz", ".zst"])
def test_the_same_trace_gives_the_same_bytes(tmp_path, ending):
    for name in ("a", "b"):
        write_ramulator2(AddressTrace("a", np.arange(1000) * 64), tmp_path / f"{name}{ending}")
    assert (tmp_path / f"a{ending}").read_bytes() == (tmp_path / f"b{ending}").read_bytes()


def test_progress_counts_every_request(tmp_path, monkeypatch):
    monkeypatch.setattr("archsim.traces.formats.request_writers.BLOCK", 300)
    seen = []
    write_dramsim3(AddressTrace("a", np.arange(1000) * 64), tmp_path / "t", seen.append)
    assert seen == [300, 300, 300, 100]


def test_times_in_picoseconds_are_not_clocks(tmp_path):
    trace = AddressTrace("a", np.arange(3), time=np.arange(3), time_unit="ps")
    with pytest.raises(InputError, match="a: times in ps cannot be written; DRAMsim3 counts clocks"):
        write_dramsim3(trace, tmp_path / "t")
    assert list(tmp_path.iterdir()) == []
    write_ramulator2(trace, tmp_path / "t")


def test_an_existing_file_stays(tmp_path):
    (tmp_path / "t").write_text("mine")
    with pytest.raises(InputError, match="exists already"):
        write_ramulator2(AddressTrace("a", np.arange(3)), tmp_path / "t")
    assert (tmp_path / "t").read_text() == "mine"
