"""The tables, CSV and pictures of ``archsim cache``."""

import csv
import json
from pathlib import Path

import pytest
from cache_traces import answer, write_traces
from program import run, strict_json

from archsim.report.cache_plots import plot_answer, plot_intervals, plot_tables
from archsim.report.cache_text import spread


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


def test_the_table_is_aligned_and_has_bytes(here):
    lines = run("cache", "lookups", "--policy", "lru,belady", "--entries", "50,64KiB").out.splitlines()
    assert lines[0] == "zipf: 8,000 accesses to vectors of 128 B"
    assert lines[2].split() == ["hit", "ratio", "(%)", "50", "512"]
    assert lines[3].split() == ["6.25", "KiB", "64", "KiB"]
    assert [line.split()[0] for line in lines[4:6]] == ["lru", "belady"]
    assert len({len(line) for line in lines[2:6]}) == 1


def test_many_sizes_stand_one_under_another(here):
    sizes = ",".join(str(2**n) for n in range(9))
    lines = run("cache", "lookups", "--policy", "lru,fifo", "--entries", sizes).out.splitlines()
    assert lines[4].split() == ["vectors", "bytes", "lru", "fifo"]
    assert len(lines[5:14]) == 9


def test_many_intervals_are_cut_short_and_say_so(here):
    lines = run("cache", "lookups", "--curve", "--interval", "100").out.splitlines()
    assert "... 40 more intervals; --json has them all" in lines


def test_the_first_line_of_a_curve_says_what_no_size_can_hit(here):
    found = answer("lookups --curve")
    first = run("cache", "lookups", "--curve").out.splitlines()[0]
    assert first == (
        f"zipf: 8,000 accesses to {found['distinct']:,} vectors of 128 B, exact; the first access to each cannot "
        f"hit: {100 * found['compulsory_miss_ratio']:.2f} %"
    )


def test_notes_of_the_trace_are_shown(here):
    Path("bags.txt").write_text("1 2 3\n1 2\n")
    try:
        assert "note: " in run("cache", "bags.txt", "--curve").out
    finally:
        Path("bags.txt").unlink()


def test_the_report_has_pictures_and_all_numbers(here, tmp_path):
    out = tmp_path / "new"
    status, text, err = run(
        "cache", "lookups", "--curve", "--per-table", "--interval", "3000", "--out", out, "--json"
    )
    assert (status, err) == (0, f"report: {out}\n")
    assert sorted(path.name for path in out.iterdir()) == (
        ["cache.csv", "cache.json", "cache.png", "intervals.png", "tables.png"]
    )
    found = strict_json(text)
    assert json.loads((out / "cache.json").read_text()) == found
    with open(out / "cache.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["entries"]) for row in rows] == found["entries"]
    assert [float(row["miss_ratio"]) for row in rows] == found["miss_ratio"]


def test_the_csv_of_rows_holds_every_row(here, tmp_path):
    assert run("cache", "lookups", "--entries", "5,9", "--per-table", "--out", tmp_path / "new").status == 0
    with open(tmp_path / "new" / "cache.csv", newline="") as file:
        assert [(row["policy"], row["entries"]) for row in csv.DictReader(file)] == [
            ("lru", "5"),
            ("lru", "9"),
        ]


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_a_picture_is_the_same_file_each_time(here, tmp_path, kind):
    files = [tmp_path / f"{number}.{kind}" for number in range(2)]
    for file in files:
        assert run("cache", "lookups", "--curve", "--policy", "lru,arc", "--plot", file).status == 0
    if kind == "png":
        assert files[0].read_bytes() == files[1].read_bytes()
    assert all(file.stat().st_size > 3000 for file in files)


def test_pictures_show_sizes_in_entries_and_bytes_and_name_every_policy(here):
    found = answer("lookups --curve --policy lru,arc,belady")
    (axes,) = plot_answer(found).axes
    assert axes.get_xlabel() == "vectors in the cache, and their bytes"
    assert all(len(tick.get_text().split("\n")) == 2 for tick in axes.get_xticklabels())
    assert {text.get_text() for text in axes.get_legend().get_texts()} == {"lru", "arc", "belady (optimum)"}
    lines = {line.get_label(): line for line in axes.lines}
    assert lines["arc"].get_ydata() == pytest.approx([100 * ratio for ratio in found["policies"]["arc"]])
    assert axes.get_title(loc="left") == "zipf: 8 k accesses"


@pytest.mark.parametrize(
    "typed",
    [
        "lookups --policy all --entries 5,50,500",
        "lookups --policy all --entries 5,50,500,600,700",
        "lookups --policy lru --entries 5",
        "lookups --curve --entries 5",
        "lookups --curve --sets 4",
        "lookups --curve --sample 0.5",
        "addresses --curve",
        "mixed --entries 1,2",
        "mixed --limit 1 --curve",
    ],
)
def test_every_answer_has_a_picture(here, typed, tmp_path, recwarn):
    plot_answer(answer(typed), tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 3000
    assert not [str(one.message) for one in recwarn]


def test_tables_and_intervals_are_drawn_from_their_numbers(here):
    found = answer("lookups --curve --per-table --interval 1000")
    left, right = plot_tables(found).axes
    assert [line.get_label() for line in right.lines] == [table["name"] for table in found["tables"]]
    assert left.lines[0].get_ydata() == pytest.approx([100 * r for r in found["tables"][0]["miss_ratio"]])
    (axes,) = plot_intervals(found).axes
    assert len(axes.patches) == len(spread(found, 6))


def test_sizes_are_spread_over_the_fall_of_the_curve():
    ratios = [1.0] * 50 + [1 - i / 100 for i in range(1, 81)]
    found = {"miss_ratio": ratios, "entries": list(range(len(ratios)))}
    places = spread(found, 5)
    assert places[-1] == len(ratios) - 1
    assert [round(ratios[place], 2) for place in places] == [0.84, 0.68, 0.52, 0.36, 0.2]
    assert spread({"miss_ratio": [1.0] * 9, "entries": list(range(9))}, 3) == [0, 8]
