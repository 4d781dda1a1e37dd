"""``archsim cache``: the promised objects, tables, pictures, and what is refused."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from cache_traces import answer, write_traces
from program import run, start

from archsim.cache import POLICIES, Accesses, lru_curve, simulate, way_curve
from archsim.cache.documents import parse_entries
from archsim.errors import InputError
from archsim.traces import read_trace

SHARED = Path(__file__).parents[2] / "shared" / "data" / "kaggle-emb" / "kaggle-emb.npz"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    write_traces(folder)
    return folder


@pytest.fixture
def here(folder, monkeypatch):
    """A folder with a small trace of each kind."""
    monkeypatch.chdir(folder)
    return folder


def test_rows_have_the_promised_keys_and_are_those_of_the_policies(here):
    found = answer("lookups --policy lru,s3fifo,belady --entries 50,400")
    ids = Accesses.of(read_trace("lookups")).ids()
    assert [(row["policy"], row["entries"]) for row in found["rows"]] == [
        (name, size) for name in ("lru", "s3fifo", "belady") for size in (50, 400)
    ]
    for row in found["rows"]:
        assert {"policy", "entries", "accesses", "hits", "hit_ratio", "kernel_cpu_s"} <= set(row)
        assert row["hits"] == simulate(row["policy"], ids, row["entries"]).hits
        assert (row["accesses"], row["hit_ratio"]) == (8000, row["hits"] / 8000)
        assert row["kernel_cpu_s"] >= 0
        assert row["bytes"] == row["entries"] * found["unit_bytes"]
    assert found["trace"]["sha256"] == read_trace("lookups").sha256


def test_a_curve_has_the_promised_keys_and_is_exact(here):
    found = answer("lookups --curve")
    exact = lru_curve(Accesses.of(read_trace("lookups")))
    assert found["miss_ratio"] == exact.miss_ratio(found["entries"]).tolist()
    assert found["entries"][0] == 1
    assert found["entries"][-1] == found["distinct"] == exact.distinct
    assert found["miss_ratio"][-1] == found["compulsory_miss_ratio"] == exact.distinct / 8000
    assert found["counting"] == {"label": "exact", "sample_rate": 1}


def test_a_curve_may_be_asked_for_at_sizes(here):
    found = answer("lookups --curve --entries 400,50,1MiB")
    assert found["entries"] == [50, 400, 8192]
    rows = answer("lookups --entries 50,400,8192")["rows"]
    assert found["miss_ratio"] == pytest.approx([1 - row["hit_ratio"] for row in rows], abs=1e-15)


def test_curves_of_several_policies_are_replayed_at_every_size(here):
    found = answer("lookups --curve --policy sieve,lru")
    ids = Accesses.of(read_trace("lookups")).ids()
    assert found["miss_ratio"] == found["policies"]["sieve"]
    assert list(found["policies"]) == ["sieve", "lru"]
    for name, ratios in found["policies"].items():
        assert ratios == pytest.approx(
            [1 - simulate(name, ids, size).hit_ratio for size in found["entries"]], abs=1e-15
        )


def test_threads_change_nothing(here):
    runs = [answer(f"lookups --policy all --entries 30,300 --threads {threads}") for threads in (1, 3)]
    for found in runs:
        for row in found["rows"]:
            del row["kernel_cpu_s"]
    assert runs[0] == runs[1]


def test_all_means_every_policy(here):
    assert [row["policy"] for row in answer("lookups --policy all --entries 9")["rows"]] == list(POLICIES)


def test_hits_by_table_add_up(here):
    for row in answer("lookups --policy lru,arc --entries 300 --per-table")["rows"]:
        assert [table["name"] for table in row["tables"]] == [t.name for t in read_trace("lookups").tables]
        for key in ("accesses", "hits"):
            assert sum(table[key] for table in row["tables"]) == row[key]


def test_hits_over_time_add_up_and_stand_in_the_table(here):
    typed = "lookups --policy lru,arc --entries 300 --interval 3000"
    for row in answer(typed)["rows"]:
        assert [part["accesses"] for part in row["intervals"]] == [3000, 3000, 2000]
        assert sum(part["hits"] for part in row["intervals"]) == row["hits"]
    status, out, _ = run("cache", *shlex.split(typed))
    assert status == 0
    assert "hit ratio (%), 300, from access  accesses" in out


def test_a_curve_by_table_and_over_time_adds_up(here):
    found = answer("lookups --curve --per-table --interval 3000 --entries 20,300")
    assert found["intervals"]["accesses"] == [3000, 3000, 2000]
    misses = np.array(found["miss_ratio"]) * 8000
    by_time = np.array(found["intervals"]["accesses"]) @ np.array(found["intervals"]["miss_ratio"])
    by_table = sum(table["accesses"] * np.array(table["miss_ratio"]) for table in found["tables"])
    assert by_time == pytest.approx(misses)
    assert by_table == pytest.approx(misses)
    for table in found["tables"]:
        assert all(alone <= shared for alone, shared in zip(table["alone"], table["miss_ratio"], strict=True))


def test_a_sample_is_labelled(here):
    found = answer("lookups --curve --sample 0.25")
    assert found["counting"] == {"label": "sampled 25 %", "sample_rate": 0.25}
    assert found["entries"][0] == 4
    assert "sampled 25 %" in run("cache", "lookups", "--curve", "--sample", "0.25").out


def test_the_ways_of_a_number_of_sets(here):
    found = answer("lookups --curve --line 64 --sets 16 --ways 5")
    exact = way_curve(Accesses.of(read_trace("lookups"), 64), 16, 5)
    assert (found["sets"], found["ways"]) == (16, [1, 2, 3, 4, 5])
    assert found["entries"] == [16, 32, 48, 64, 80]
    assert found["miss_ratio"] == exact.miss_ratio.tolist()
    rows = answer("lookups --line 64 --entries 16,32,48 --ways 1")["rows"]
    assert len({row["hits"] for row in rows}) == 3
    (row,) = answer("lookups --line 64 --entries 5KiB --ways 5")["rows"]
    assert row["hit_ratio"] == pytest.approx(1 - found["miss_ratio"][4], abs=1e-15)


def test_addresses_are_lines_of_64_bytes_or_as_asked(here):
    found = answer("addresses --entries 1KiB,32KiB")
    assert (found["unit"], found["unit_bytes"]) == ("line", 64)
    assert [row["entries"] for row in found["rows"]] == [16, 512]
    lines = read_trace("addresses").address
    assert found["rows"][1]["hits"] == simulate("lru", lines // 64, 512).hits
    (row,) = answer("addresses --entries 100 --line 256B")["rows"]
    assert row["hits"] == simulate("lru", lines // 256, 100).hits
    assert answer("addresses --curve --per-table")["tables"][0]["name"] == "all"


def test_an_entry_holds_the_largest_vector(here):
    found = answer("mixed --entries 1KiB")
    assert (found["unit_bytes"], found["rows"][0]["entries"], found["rows"][0]["hits"]) == (256, 4, 1)


def test_generated_traces_take_overrides():
    found = answer("preset:zipf --set lookups=300 --set workload.rows=50 --entries 5")
    assert found["accesses"] == 300


def test_one_table_a_limit_and_an_empty_table(here):
    assert answer("lookups --limit 77 --entries 5")["accesses"] == 77
    found = answer("mixed --limit 3 --curve --per-table")
    assert [table["miss_ratio"] is None for table in found["tables"]] == [False, True]
    assert "-" in run("cache", "mixed", "--limit", "3", "--curve", "--per-table").out


# ---- sizes


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("1", [1]),
        ("10, 1_000,1e3,10", [10, 1000]),
        ("1KiB,1 kB,1024 bytes", [8, 125 / 15.625]),
        ("128B,1MiB", [1, 8192]),
    ],
)
def test_sizes_are_entries_or_bytes(text, sizes):
    accesses = Accesses(0, 0, "vector", 128 if "kB" not in text else 125, (), lambda: iter(()))
    if "kB" in text:
        with pytest.raises(InputError, match="not a whole number of vectors of 125 bytes; 8 of them fit"):
            parse_entries(text, accesses)
    else:
        assert parse_entries(text, accesses) == sizes


# ---- what is refused


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("lookups", "give the sizes of the cache, such as --entries 1000,64KiB, or --curve for all sizes"),
        ("lookups --entries 5 --policy lru,s3fif", "unknown cache policy 's3fif' (did you mean 's3fifo'?)"),
        ("lookups --entries 5 --policy ''", "unknown cache policy ''"),
        ("lookups --entries 0", "--entries 0: must hold 1 to 1,073,741,824 vectors"),
        ("lookups --entries=-3", "--entries -3: must hold 1 to 1,073,741,824 vectors"),
        ("lookups --entries 1e12", "--entries 1e12: must hold 1 to 1,073,741,824 vectors"),
        ("lookups --entries 1.5", "--entries 1.5: must be a whole number"),
        ("lookups --entries 5,", "--entries '': must be whole numbers, separated by commas"),
        ("lookups --entries 1XB", "--entries '1XB': unknown unit 'XB'"),
        (
            "lookups --entries 100B",
            "--entries 100B: 100 bytes are not a whole number of vectors of 128 bytes; 0 of them fit",
        ),
        ("lookups --entries 5 --line 0", "--line 0: must be a whole number of bytes, at least 1"),
        (
            "lookups --entries 5 --line x",
            "--line 'x': must be a number and a unit, such as '14 B', 64 or vector",
        ),
        ("lookups --entries 5 --line 2", "line of 2 bytes: table table_0 has elements of 4, which must fit"),
        (
            "addresses --entries 5 --line vector",
            "--line vector: a is a trace of addresses, which are taken as lines",
        ),
        ("lookups --entries 5 --sample 0.1", "--sample: is for --curve"),
        ("lookups --entries 5 --sets 9", "--sets: is for --curve"),
        ("lookups --curve --policy arc --per-table", "--per-table: is for the curve of lru alone, not arc"),
        (
            "lookups --curve --policy lru,arc --sample 0.1",
            "--sample: is for the curve of lru alone, not lru, arc",
        ),
        ("lookups --curve --ways 4", "--ways: a curve needs --sets as well"),
        (
            "lookups --curve --sets 4 --entries 4",
            "--sets: goes with --ways and --line alone; the sizes are its multiples",
        ),
        ("lookups --entries 10 --ways 4", "entries = 10 is not a multiple of 4 ways; 8 is"),
        ("lookups --entries 4 --ways 8", "ways = 8 must lie in 1 .. 4, the entries of the cache"),
        ("lookups --curve --sets 9 --ways 9999", "ways = 9999 must lie in 1 .. 4096"),
        ("lookups --curve --plot x.jpg", "x.jpg: must end in .png, .svg or .pdf"),
        ("lookups --curve --out lookups", "lookups: exists already; choose a new name or remove it first"),
        (
            "lookups --curve --plot lookups.png/x.png",
            "lookups.png/x.png: cannot be written: there is no folder",
        ),
        ("nowhere --curve", "nowhere: "),
        ("lookups --curve --set rows=5", "lookups: "),
        (
            "lookups --curve --sample 0",
            "Invalid value for '--sample': '0' must be a number above 0 and at most 1",
        ),
        ("lookups --curve --interval 0", "Invalid value for '--interval': '0' must be at least 1"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing_behind(here, typed, told):
    before = sorted(here.rglob("*"))
    status, out, err = run("cache", *shlex.split(typed))
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"archsim: error: {told}")
    assert sorted(here.rglob("*")) == before


def test_an_interrupt_stops_at_once_and_leaves_nothing(here, monkeypatch, tmp_path):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("archsim.report.cache_plots.plot_answer", interrupted)
    status, _, err = run("cache", "lookups", "--curve", "--out", tmp_path / "new")
    assert (status, err) == (130, "archsim: interrupted\n")
    assert list(tmp_path.iterdir()) == []


# ---- the rest


def test_progress_is_not_shown_where_nobody_looks(here):
    with start("cache", "lookups", "--curve", stdout=-1) as program:
        assert program.communicate()[1] == ""


def test_the_recorded_trace_gives_the_curve_of_its_simulation():
    if not SHARED.exists():
        pytest.skip("the recorded trace ../shared/data/kaggle-emb is not there")
    found = answer(f"{SHARED} --curve --entries 1000,10000,100000")
    rows = answer(f"{SHARED} --entries 1000,10000,100000")["rows"]
    assert found["distinct"] == 363_535
    assert found["miss_ratio"] == pytest.approx([1 - row["hit_ratio"] for row in rows], abs=1e-15)


def test_the_table_of_the_readme_is_that_of_the_recorded_trace():
    if not SHARED.exists():
        pytest.skip("the recorded trace ../shared/data/kaggle-emb is not there")
    text = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    head, _, *rows = re.search(r"<!-- cache table -->\n(.*?)<!-- end -->", text, re.S)[1].splitlines()
    sizes = [size.replace(",", "") for size in re.findall(r"([\d,]+) \(", head)]
    names = [row.split(" | ")[0].removeprefix("| ") for row in rows]
    found = answer(f"{SHARED} --policy {','.join(names)} --entries {','.join(sizes)}")["rows"]
    shown = [float(cell) for row in rows for cell in re.findall(r"\d+\.\d+", row)]
    assert len(shown) == len(found) == 32
    assert shown == pytest.approx([100 * row["hit_ratio"] for row in found], abs=0.0051)
