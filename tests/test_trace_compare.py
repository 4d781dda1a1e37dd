"""`archsim trace info` and `archsim trace compare`: distances, text, pictures, and what is refused."""

import json

import numpy as np
import pytest
from program import run, strict_json

from archsim.errors import InputError
from archsim.report.trace_text import comparison_lines, info_lines
from archsim.traces import (
    AddressTrace,
    EmbeddingTrace,
    Table,
    compare_traces,
    open_trace,
    trace_info,
    write_native,
)
from archsim.traces.analysis.compare import hit_ratio_distance, pooling_distance, total_variation
from archsim.traces.analysis.figures import Distances, Pooling

PICTURES = {"lru.png", "pooling.png", "popularity.png", "reuse.png", "working-set.png"}


TABLE = (Table("a", 100, 64),)


def build(bags, tables=TABLE, name="built"):
    offsets = np.cumsum([0, *(len(rows) for _, rows in bags)], dtype=np.int64)
    rows = np.array([row for _, rows in bags for row in rows], np.int64)
    return EmbeddingTrace(name, tables, rows, offsets, np.array([t for t, _ in bags], np.int32))


def many_tables(tables):
    shapes = tuple(Table(f"t{i}", 50, 64) for i in range(tables))
    return build([(i % tables, [i % 50, 3]) for i in range(3 * tables)], shapes)


# -- distances ----------------------------------------------------------------------------------------------------


def test_a_trace_is_at_distance_zero_from_itself(native_trace):
    trace = open_trace(native_trace)
    assert compare_traces(trace, trace)["distances"] == {
        "reuse_rows_tv": 0, "reuse_lookups_tv": 0, "stack_distance_ks": 0, "pooling_ks": 0, "hot_rows_overlap": 1
    }  # fmt: skip


def test_traces_with_nothing_in_common_are_at_distance_one():
    found = compare_traces(build([(0, [1] * 16)]), build([(0, [i]) for i in range(16)]))["distances"]
    assert found["reuse_rows_tv"] == found["reuse_lookups_tv"] == found["pooling_ks"] == 1
    # The first hits 15 of 16 in a cache of one row, the second never.
    assert found["stack_distance_ks"] == 15 / 16


def test_distances_by_hand():
    assert total_variation([1, 1, 2], [2, 0, 0]) == 3 / 4
    a = Pooling.of([np.array([1, 1, 2, 8])])
    b = Pooling.of([np.array([2, 2, 2, 8, 8])])
    assert pooling_distance(a, b) == 1 / 2
    # Hit ratios 1/4, 1/4, 2/4 and 0, 3/6, 3/6 in caches of 1, 2 and 3 rows.
    c, d = Distances(np.array([1, 0, 1]), 5 - 1), Distances(np.array([0, 3, 0]), 6)
    assert hit_ratio_distance(c, d) == 1 / 4


def test_curves_of_unlike_lengths_and_rates_are_compared_everywhere():
    long, short = Distances(np.array([0, 0, 0, 0, 0, 6]), 12), Distances(np.array([0]), 4)
    assert hit_ratio_distance(long, short) == hit_ratio_distance(short, long) == 1 / 2
    # Sampled 1/2: 4 of 5 lookups are first uses or reuses at 0 and 2; the one that is missing counts at 0.
    sampled = Distances(np.array([1, 1]), 10, shift=1)
    assert sampled.hit_ratio(np.array([1, 2, 4])).tolist() == [0, 2 / 5, 3 / 5]


def test_hot_rows_are_compared_only_where_tables_match():
    tables = (Table("a", 100, 64), Table("b", 100, 64))
    bags = [(0, [1, 1, 2, 2, 3]), (1, [7, 8])]
    one = build(bags, tables)
    other = build([(0, [1, 1, 9, 9, 8, 8]), (1, [7])], (tables[0], Table("c", 100, 64)))
    found = compare_traces(one, other)
    assert found["hot_rows"] == [{"table": "a", "rows": 3, "overlap": 1 / 3}]
    # Two of three rows used equally often are the lower ones.
    fewer = compare_traces(one, build([(0, [1, 2])], tables))
    assert fewer["hot_rows"][0] == {"table": "a", "rows": 2, "overlap": 1}


def test_lookups_and_addresses_cannot_be_compared():
    with pytest.raises(InputError, match="built holds lookups and r addresses; only traces of one kind"):
        compare_traces(build([(0, [1])]), AddressTrace("r", np.array([64])))


def test_addresses_are_compared_without_bags():
    a, b = (AddressTrace(name, np.arange(20) % n * 64) for name, n in (("a", 4), ("b", 5)))
    found = compare_traces(a, b)
    assert found["distances"]["pooling_ks"] is None
    assert found["distances"]["hot_rows_overlap"] is None
    assert found["distances"]["stack_distance_ks"] == 16 / 20
    assert "lookups per bag" not in "\n".join(comparison_lines(found))


# -- text -----------------------------------------------------------------------------------------------------------


def test_eight_tables_take_at_most_sixty_lines(native_trace):
    lines = info_lines(trace_info(open_trace(native_trace)))
    assert len(lines) <= 60
    assert sum(line.startswith("table_") for line in lines) == 8


def test_many_tables_are_cut_to_the_busiest():
    lines = info_lines(trace_info(many_tables(300)))
    assert len(lines) <= 60
    assert "and 280 more tables with 93.3 % of the lookups" in lines


def test_sampled_figures_are_marked_in_the_text(native_trace):
    text = "\n".join(info_lines(trace_info(open_trace(native_trace), max_bytes=50_000)))
    assert "rows touched (sampled 1/" in text
    for title in (
        "lookups per row",
        "LRU stack distance",
        "LRU cache",
        "share of lookups",
        "working set",
        "tables",
    ):
        line = next(line for line in text.splitlines() if line.startswith(title) and "  " not in line)
        assert "sampled 1/" in line


def test_the_text_of_addresses_names_lines_and_clocks():
    times = np.arange(0, 4000, 10)
    trace = AddressTrace("requests", np.arange(400) % 9 * 64, time=times)
    text = "\n".join(info_lines(trace_info(trace)))
    assert "lines touched      9, 576 B" in text
    assert "one per 10 clk over 3.99 k clk" in text
    assert "table" not in text


# -- command line -----------------------------------------------------------------------------------------------------


def test_info_writes_pictures_and_the_object_it_prints(tmp_path, native_trace):
    ended = run("trace", "info", native_trace, "--json", "--out", tmp_path / "out")
    assert ended.status == 0
    assert {file.name for file in (tmp_path / "out").iterdir()} == PICTURES | {"info.json"}
    assert strict_json((tmp_path / "out" / "info.json").read_text()) == strict_json(ended.out)
    assert strict_json(ended.out) == trace_info(open_trace(native_trace))


def test_pictures_of_one_trace_are_the_same_every_time(tmp_path, native_trace):
    for name in ("a", "b"):
        run("trace", "info", native_trace, "--out", tmp_path / name)
    for picture in PICTURES:
        assert (tmp_path / "a" / picture).read_bytes() == (tmp_path / "b" / picture).read_bytes()


@pytest.mark.parametrize(
    "trace",
    [
        build([(0, [5])], name="one $ lookup"),
        build([(0, [1, 2, 3])] * 2 + [(0, [])]),
        build([(0, [1] * 5000), (0, [2])]),
        many_tables(30),
    ],
    ids=["one lookup", "an empty bag", "a long bag", "many tables"],
)
def test_odd_traces_have_pictures_without_warnings(tmp_path, trace, recwarn):
    write_native(trace, tmp_path / "trace")
    ended = run("trace", "info", tmp_path / "trace", "--out", tmp_path / "out")
    assert ended.status == 0
    assert {file.name for file in (tmp_path / "out").iterdir()} >= PICTURES
    assert [str(warning.message) for warning in recwarn] == []


def test_compare_prints_both_traces_and_their_distances(tmp_path, native_trace):
    ended = run("trace", "compare", native_trace, "preset:zipf", "--limit", 3000, "--out", tmp_path / "out")
    assert ended.status == 0
    assert ended.out.splitlines()[0].split() == ["zipf", "zipf"]
    assert "stack distances, Kolmogorov-Smirnov" in ended.out
    assert {file.name for file in (tmp_path / "out").iterdir()} == PICTURES | {"comparison.json"}
    found = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert sorted(found) == ["distances", "hot_rows", "traces"]
    assert [trace["lookups"] for trace in found["traces"]] == [2000, 3000]


@pytest.mark.parametrize("arguments", [["info", "TRACE"], ["compare", "TRACE", "TRACE"]])
def test_a_folder_that_exists_is_refused_before_any_work(tmp_path, native_trace, arguments):
    (tmp_path / "out").mkdir()
    ended = run(
        "trace", *(native_trace if word == "TRACE" else word for word in arguments), "--out", tmp_path / "out"
    )
    assert (ended.status, ended.out) == (2, "")
    assert "exists already" in ended.err
    assert list((tmp_path / "out").iterdir()) == []


def test_the_second_trace_is_named_when_it_is_missing(tmp_path, native_trace):
    ended = run("trace", "compare", native_trace, tmp_path / "none")
    assert (ended.status, ended.out) == (2, "")
    assert str(tmp_path / "none") in ended.err
    assert ended.err.count("\n") == 1


def test_info_reads_addresses_too(tmp_path):
    file = tmp_path / "requests.trace"
    file.write_text("LD 0\nST 64\nLD 0\n")
    found = strict_json(run("trace", "info", file, "--json").out)
    assert (found["kind"], found["requests"], found["unique_rows"]) == ("addresses", 3, 2)
    assert "lines touched" in run("trace", "info", file, "--out", tmp_path / "out").out
    assert {picture.name for picture in (tmp_path / "out").iterdir()} == PICTURES - {"pooling.png"} | {
        "info.json"
    }


def test_formats_are_for_the_file_beside_a_preset(tmp_path):
    (tmp_path / "bags.txt").write_text("1 2\n3\n")
    options = ("--vector-bytes", 64)
    beside = run("trace", "compare", tmp_path / "bags.txt", "preset:zipf", *options, "--limit", 100, "--json")
    assert strict_json(beside.out)["traces"][0]["tables"][0]["vector_bytes"] == 64
    assert run("trace", "compare", "preset:zipf", "preset:zipf", *options).status == 2
