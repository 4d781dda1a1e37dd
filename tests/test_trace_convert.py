"""``archsim trace convert``: every format to every format that is written, and what is refused."""

import os
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from program import run

from archsim import load_system, lower_trace
from archsim.errors import InputError
from archsim.traces import AddressTrace, open_trace, read_trace, write_native
from archsim.traces.formats.convert import WRITTEN, in_clocks, output_format, write_trace
from archsim.traces.formats.registry import FILE_FORMATS


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a small trace of each kind."""
    monkeypatch.chdir(tmp_path)
    write_native(open_trace("preset:zipf", overrides=["lookups=800", "rows=500", "tables=2"]), "lookups")
    times = np.arange(50) * 3
    write_native(AddressTrace("a", np.arange(50) * 64, (times % 2).astype(np.uint8), times), "addresses")
    return tmp_path


def test_every_written_format_is_named_in_the_help_and_read_back(here):
    _, out, _ = run("trace", "convert", "--help")
    words = " ".join(out.split())
    assert set(WRITTEN) == {"native", "parquet", "oracleGeneral", "ramulator2", "dramsim3"}
    for name in WRITTEN:
        assert name in words


@pytest.mark.parametrize(
    ("source", "target", "kept"),
    [
        ("lookups", "copy", True),
        ("lookups", "t.parquet", True),
        ("lookups", "t.parquet.zst", True),
        ("lookups", "t.oracleGeneral", False),
        ("lookups", "t.oracleGeneral.xz", False),
        ("addresses", "copy", True),
        ("addresses", "t.parquet", True),
        ("addresses", "t.dramsim3", True),
        ("addresses", "t.dramsim3.gz", True),
        ("addresses", "t.ramulator2.zst", False),
    ],
)
def test_the_ending_tells_the_format(here, source, target, kept):
    status, out, err = run("trace", "convert", source, target)
    assert (status, err) == (0, "")
    entries = "800 lookups" if source == "lookups" else "50 requests"
    assert out.startswith(f"{target}: {output_format(here / ('x' + target), None)}, {entries}\n")
    before, after = read_trace(source), read_trace(target)
    assert (before.sha256 == after.sha256) == kept
    assert len(before.columns) >= len(after.columns)
    if target.startswith("t.oracle"):
        rows = before.rows + np.where(before.table == 1, before.tables[0].rows, 0)
        assert after.rows.tolist() == rows.tolist()
        assert "oracleGeneral does not keep bags; times are whole seconds" in out
    if target.startswith("t.ramulator2"):
        assert after.address.tolist() == before.address.tolist()
        assert "ramulator2 does not keep arrival times" in out


def test_the_option_tells_the_format_of_any_name(here):
    assert run("trace", "convert", "addresses", "plain.txt", "--to", "ramulator2")[0] == 0
    assert (here / "plain.txt").read_text().startswith("LD 0x0\nST 0x40\n")


def test_files_are_converted_with_their_options(here):
    (here / "bags.txt").write_text("1 2\n3\n")
    status, out, _ = run(*shlex.split("trace convert bags.txt t.parquet --rows 10 --vector-bytes 64"))
    assert status == 0
    trace = read_trace("t.parquet")
    assert (trace.tables[0].rows, trace.tables[0].vector_bytes) == (10, 64)
    assert trace.sha256 == read_trace("bags.txt", rows=10, vector_bytes=64).sha256
    _, out, _ = run(*shlex.split("trace convert bags.txt u --limit 2"))
    assert "rows per table estimated from the largest index" in out
    assert read_trace("u").lookups == 2


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("lookups addresses", "addresses: exists already; choose a new name or remove it first"),
        ("lookups none/t", "none/t: cannot be written: there is no folder"),
        ("lookups t --to pt", "t: the format 'pt' is read, not written"),
        ("lookups t --to parket", "t: the format 'parket' is unknown (did you mean 'parquet'?)"),
        (
            "lookups t.txt",
            "t.txt: the ending '.txt' tells no format; with --to, or as ending: native, parquet",
        ),
        ("lookups t.gz", "t.gz: the ending '.gz' tells no format"),
        ("lookups t.gz --to native", "t.gz: a native trace is a folder and cannot be compressed"),
        (
            "lookups t.dramsim3",
            "t.dramsim3: dramsim3 holds raw addresses, and the trace is of embedding lookups",
        ),
        (
            "addresses t.oracleGeneral",
            "oracleGeneral holds embedding lookups, and the trace is of raw addresses",
        ),
        ("addresses t.dramsim3 --system host-2rank", "a trace of raw addresses; --system host-2rank is for"),
        ("addresses t.dramsim3 --rows 9", "rows = 9 cannot be given"),
        ("nothing t.parquet", "nothing: no such file or folder"),
    ],
)
def test_what_cannot_be_converted_is_refused_and_nothing_is_left(here, typed, message):
    before = sorted(os.listdir())
    status, out, err = run("trace", "convert", *shlex.split(typed))
    assert (status, out) == (2, "")
    assert message in " ".join(err.split())
    assert err.count("\n") == 1
    assert sorted(os.listdir()) == before


def test_lookups_become_the_addresses_of_a_system(here):
    run(
        *[
            "trace",
            "generate",
            "zipf",
            "--set",
            "lookups=400",
            "--set",
            "rows=500",
            "--arrivals",
            "poisson:1000000/s",
            "--out",
            "timed",
        ]
    )
    system = load_system("host-2rank")
    expected = lower_trace(system, open_trace("timed"))
    for target in ("native", "t.parquet", "t.dramsim3.gz", "t.ramulator2"):
        status, out, err = run("trace", "convert", "timed", target, "--system", "host-2rank")
        assert (status, err) == (0, "")
        assert f", {expected.requests} requests\n" in out
        assert read_trace(target).address.tolist() == expected.address.tolist()
    assert read_trace("native").sha256 == read_trace("t.parquet").sha256 == expected.sha256
    clocks = -(-expected.time // system.dram.timing.tCK_ps)
    assert read_trace("t.dramsim3.gz").time.tolist() == clocks.tolist()
    status, _, err = run(*["trace", "convert", "timed", "t.oracleGeneral", "--system", "host-2rank"])
    assert (status, "holds embedding lookups, and the trace is of raw addresses" in err) == (2, True)


@pytest.mark.parametrize("place", ["gzip.GzipFile.write", "archsim.traces.formats.outputs._Counted.write"])
def test_an_interrupt_leaves_nothing(here, monkeypatch, place):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    before = sorted(os.listdir())
    monkeypatch.setattr(place, interrupted)
    status, out, err = run("trace", "convert", "addresses", "t.dramsim3.gz")
    assert (status, out, err) == (130, "", "archsim: interrupted\n")
    assert sorted(os.listdir()) == before


def test_a_full_disk_is_told_in_one_line(here, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    before = sorted(os.listdir())
    monkeypatch.setattr("archsim.traces.formats.outputs._Counted.write", full)
    status, _, err = run("trace", "convert", "addresses", "t.dramsim3.gz")
    assert status == 2
    assert "t.dramsim3.gz: cannot be written: No space left on device" in err
    assert sorted(os.listdir()) == before


def test_arrivals_between_two_clocks_wait_for_the_next():
    window = AddressTrace("a", np.arange(4), time=np.array([0, 1, 1000, 1001]), time_unit="ps")
    (found,) = in_clocks([window], 1000)
    assert (found.time.tolist(), found.time_unit) == ([0, 1, 1, 2], "clk")
    (same,) = in_clocks([found], 77)
    assert same is found


@pytest.mark.parametrize("name", sorted(set(FILE_FORMATS) & set(WRITTEN)))
def test_windows_of_addresses_are_the_whole_trace(tmp_path, name):
    trace = AddressTrace("a", np.arange(50) * 64, np.ones(50, np.uint8), np.arange(50))
    windows = (trace.window(at, at + 20) for at in (0, 20, 40))
    if FILE_FORMATS[name].kind == "lookups":
        with pytest.raises(InputError, match="holds embedding lookups"):
            write_trace(windows, tmp_path / "t", name)
    else:
        write_trace(windows, tmp_path / "t", name)
        write_trace(trace, tmp_path / "u", name)
        assert (tmp_path / "t").read_bytes() == (tmp_path / "u").read_bytes() or name == "parquet"
        assert read_trace(tmp_path / "t").sha256 == read_trace(tmp_path / "u").sha256


PAGE = (Path(__file__).parents[1] / "docs" / "traces.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(
    r"^##+ ([^\n]*)\n(?:(?!^##).)*?^```python\n(.*?)^```$", PAGE, flags=re.DOTALL | re.MULTILINE
)


def test_the_page_shows_an_example_of_every_binary_format():
    assert [title for title, _ in EXAMPLES] == [
        "pt",
        "parquet",
        "oracleGeneral",
        "The native format, version 2",
    ]


@pytest.mark.parametrize(("title", "code"), EXAMPLES, ids=[title for title, _ in EXAMPLES])
def test_the_examples_of_the_page_run(tmp_path, monkeypatch, title, code):
    for module in re.findall("^import (.*)$", code, flags=re.MULTILINE):
        pytest.importorskip(module)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, title, "exec"), {})
    assert "assert" in code


def test_the_page_lists_every_format_and_stars_those_that_are_written():
    listed = dict(
        re.findall(r"^\| `([\w-]+)`( \*)? \|", PAGE[PAGE.index("## Formats") :], flags=re.MULTILINE)
    )
    assert set(FILE_FORMATS) - {"ramulator2-vectors"} <= set(listed)
    assert {name for name, star in listed.items() if star} == set(WRITTEN)
