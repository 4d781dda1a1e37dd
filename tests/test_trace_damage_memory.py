"""A damaged file costs little memory, however much its columns would take; a sound one is read whole all the same."""

import sys
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest
import sound_traces
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.errors import InputError
from archsim.traces.formats import text
from archsim.traces.formats.registry import FILE_FORMATS

SIZE = 24_000_000

TINY_BAGS = (
    "bags, one row of two digits",
    "bags, one row of one digit",
    "bags, one digit, gzip",
    "bags, 1,000 empty lines of 1,001",
    "trace-log, one digit",
    "user-items, one digit each",
    "user-items, no items",
    "recbole, tokens that never repeat",
    "recbole, one letter each",
    "criteo, without any value",
    "dramsim3, shortest",
    "ramulator1, shortest",
    "ramulator2, shortest",
    "ramulator-cpu, shortest",
    "npz, 8 bits, one row a bag",
    "pt, one row a bag",
    "pt, offsets of 8 bits",
)


@cache
def measurement():
    """The module that measures the memory of readers for the documents."""
    pytest.importorskip("pyarrow.parquet")
    folder = str(Path(__file__).parents[1] / "benchmarks" / "fuzz")
    sys.path.insert(0, folder)
    try:
        return import_module("memory")
    finally:
        sys.path.remove(folder)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs /proc")
@pytest.mark.parametrize("name", TINY_BAGS)
def test_a_file_of_tiny_bags_with_a_wrong_last_value_takes_less_than_three_times_its_size(tmp_path, name):
    memory = measurement()
    format, make = memory.FILES[name]
    path = tmp_path / "trace"
    path.write_bytes(make(SIZE, True))
    taken, said = memory.peak(str(path), format)
    assert said == "refused"
    assert taken < 3 * SIZE


def test_every_text_format_and_its_tiny_bags_are_measured():
    measured = {measurement().FILES[name][0] for name in TINY_BAGS}
    assert set(sound_traces.TEXT) | {"npz", "pt"} == measured


# Giving up and scanning again changes nothing but the memory.


def outcome(path, format, block_bytes):
    """What a text reader makes of a file: columns and tables, or its complaint."""
    try:
        trace = FILE_FORMATS[format].read(path, block_bytes=block_bytes)
    except InputError as error:
        return str(error)
    columns = {name: (column.dtype, column.tolist()) for name, column in trace.columns.items()}
    return columns, getattr(trace, "tables", ())


@pytest.mark.parametrize("format", sound_traces.TEXT)
@settings(deadline=None, max_examples=60)
@given(data=st.data(), block_bytes=st.sampled_from([1, 7, 40, 1 << 20]))
def test_a_file_that_is_scanned_twice_is_read_as_if_it_were_scanned_once(
    tmp_path_factory, format, data, block_bytes
):
    content = sound_traces.TEXT[format] * data.draw(st.integers(1, 3))
    for _ in range(data.draw(st.integers(0, 2))):
        at = data.draw(st.integers(0, len(content) - 1))
        content = (
            content[:at] + data.draw(st.sampled_from([b"", b"7", b"\n", b"\t", b"x"])) + content[at + 1 :]
        )
    path = tmp_path_factory.getbasetemp() / f"{format}-twice"
    path.write_bytes(content)
    once = outcome(path, format, block_bytes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "KEPT_BYTES", -1)
        patch.setattr(text, "KEPT_RATIO", -1)
        assert outcome(path, format, block_bytes) == once


@pytest.mark.parametrize(("line", "scans"), [(b"1 2 3 4 5 6 7 8 9 10 11 12\n", 1), (b"1\n", 2)])
def test_only_short_lines_are_scanned_twice(tmp_path, monkeypatch, line, scans):
    path = tmp_path / "trace"
    path.write_bytes(line * 1000)
    opened = []
    monkeypatch.setattr(text, "KEPT_BYTES", 0)
    monkeypatch.setattr(text, "KEPT_RATIO", 5)
    monkeypatch.setattr(
        text, "open_text", lambda file, true=text.open_text: opened.append(file) or true(file)
    )
    trace = FILE_FORMATS["bags"].read(path, block_bytes=100)
    assert trace.bags == 1000
    assert len(opened) == scans
