"""What users hold of a study: frames, grids, speedups, SQL, digests."""

from __future__ import annotations

import itertools
import math
import random
import time

import numpy as np
import pandas as pd
import pytest
from study_rows import (
    CODE,
    POLICY,
    SIZE,
    TRCD,
    axis,
    grid,
    point_id,
    refusal,
    row,
    rows_of,
    sweep_of,
    written,
)

import archsim
from archsim import open_study
from archsim.studies import parts
from archsim.studies.store import Store

SIZES, TRCDS, POLICIES = [1024, 2048, 4096], [14, 16], ["open", "closed"]


@pytest.fixture
def study(tmp_path):
    """3 x 2 points of one system, without one that is missing, one that failed and one that timed out."""
    sweep = sweep_of(grid({SIZE: SIZES, TRCD: TRCDS}), [axis(SIZE), axis(TRCD)])
    rows = rows_of(sweep)
    rows[1] = {k: v for k, v in rows[1].items() if k != "time_ns"} | {
        "status": "failed",
        "error": "no memory",
    }
    rows[2] = {k: v for k, v in rows[2].items() if k != "time_ns"} | {"status": "timeout", "error": "60 s"}
    random.Random(1).shuffle(rows)
    rows.remove(next(each for each in rows if (each[SIZE], each[TRCD]) == (4096, 16)))
    return open_study(written(tmp_path / "s", sweep, rows))


@pytest.fixture
def systems(tmp_path):
    """A host without the cache that varies, and near-memory units with it, on two traces and two values of tRCD."""
    points = grid({TRCD: TRCDS, SIZE: SIZES}, ("near",), ("a", "b"))
    points += [each | {SIZE: None} for each in grid({TRCD: TRCDS}, ("host",), ("a", "b"))]
    sweep = sweep_of(points, [axis(SIZE), axis(TRCD)])
    return open_study(written(tmp_path / "s", sweep, rows_of(sweep)))


# Frames


def test_a_frame_has_the_done_points_in_the_order_in_which_they_were_asked_for(study):
    frame = study.to_frame()
    assert frame[[SIZE, TRCD]].values.tolist() == [[1024, 14], [2048, 16], [4096, 14]]
    assert len(study) == 3
    assert list(frame.columns[:4]) == ["point_id", "status", "error", "system"]
    assert study.counts == {"done": 3, "failed": 1, "timeout": 1, "missing": 1}


def test_columns_have_sensible_types(tmp_path):
    rows = [
        row(point_id(1), ok=True, reads=1, time_ns=1.5, bottleneck="x"),
        row(point_id(2), time_ns=math.nan),
    ]
    frame = open_study(written(tmp_path / "s", sweep_of([], []) | {}, rows)).to_frame()
    assert str(frame["reads"].dtype) == "Int64"
    assert str(frame["ok"].dtype) == "boolean"
    assert frame["time_ns"].dtype == np.float64
    assert isinstance(frame["bottleneck"].dtype, pd.StringDtype)
    assert frame["reads"].isna().sum() == 1


def test_columns_may_be_named_by_their_paths_and_one_by_itself(study):
    assert list(study.to_frame(["nmp.cache.size", "dram.timing.tRCD"]).columns) == [SIZE, TRCD]
    assert study.to_arrow("time_ns").column_names == ["time_ns"]
    assert (
        refusal(lambda: study.to_frame("time"))
        == f"{study.path}: unknown column 'time' (did you mean 'time_ns'?)"
    )
    assert refusal(lambda: study.to_frame([])).endswith("no columns are asked for")
    assert refusal(lambda: study.to_frame(status="don")) == "status 'don': unknown (did you mean 'done'?)"


def test_what_failed_and_what_is_missing_is_told(study):
    failures = study.failures()
    assert failures[["status", "error"]].values.tolist() == [["failed", "no memory"], ["timeout", "60 s"]]
    assert failures[[SIZE, TRCD]].values.tolist() == [[1024, 16], [2048, 14]]
    [missing] = study.missing
    assert (missing[SIZE], missing[TRCD]) == (4096, 16)
    assert study.to_arrow("error", status="failed")["error"].to_pylist() == ["no memory"]
    assert len(study.to_arrow("status", status=None)) == 5


def test_axes_and_metrics(study):
    assert study.axes == {SIZE: (1024, 2048, 4096), TRCD: (14, 16)}
    assert set(study.metrics) == {"time_ns", "cycles", "bottleneck"}


def test_a_study_without_rows_can_be_looked_at(tmp_path):
    Store.create(tmp_path / "s", sweep_of(grid({SIZE: SIZES}), [axis(SIZE)]), code_version=CODE)
    empty = open_study(tmp_path / "s")
    assert len(empty) == 0
    assert len(empty.missing) == 3
    assert "3 points: 0 done, 3 missing" in repr(empty)
    assert len(empty.digest()) == 64
    assert list(empty.to_frame().columns) == ["point_id", "status", "error"]
    assert empty.failures().empty
    assert empty.query("SELECT count(*) AS n FROM points")["n"].tolist() == [0]
    assert "<p>study" in empty._repr_html_()


# What it shows


def test_the_text_shows_counts_axes_and_some_points(study, tmp_path):
    text = repr(study).splitlines()
    assert text[0] == f"study {study.path}, 6 points: 3 done, 1 failed, 1 timeout, 1 missing"
    assert text[1] == f"axis {SIZE}: 1024, 2048, 4096"
    assert text[4].split() == [SIZE, TRCD, "time_ns", "bottleneck"]
    assert len(text) == 8
    sweep = sweep_of(grid({SIZE: list(range(100))}), [axis(SIZE)])
    long = repr(open_study(written(tmp_path / "long", sweep, rows_of(sweep)))).splitlines()
    assert long[1] == f"axis {SIZE} (100 values): 0, 1, 2, 3, 4, 5, ..., 97, 98, 99"
    assert long[9] == "... 90 points between, not shown"
    assert [line.split()[0] for line in long[-5:]] == ["95", "96", "97", "98", "99"]


def test_the_text_leaves_no_points_out_where_that_would_save_few_lines(tmp_path):
    for count, lines in ((16, 16), (17, 11)):
        sweep = sweep_of(grid({SIZE: list(range(count))}), [axis(SIZE)])
        text = repr(open_study(written(tmp_path / str(count), sweep, rows_of(sweep)))).splitlines()
        assert len(text) == 4 + lines
        assert (f"... {count - 10} points between, not shown" in text) == (count > 16)


def test_the_text_of_one_point_is_of_one_point_and_long_names_keep_their_ends(tmp_path):
    names = [f"a-near-memory-system-of-some-kind-{end}" for end in "xy"]
    sweep = sweep_of(grid({SIZE: [1024]}, systems=tuple(names)), [axis(SIZE)])
    one = sweep_of(grid({SIZE: [1024]}), [axis(SIZE)])
    text = repr(open_study(written(tmp_path / "one", one, rows_of(one)))).splitlines()
    assert text[0] == f"study {tmp_path / 'one'}, 1 point: 1 done"
    text = repr(open_study(written(tmp_path / "two", sweep, rows_of(sweep)))).splitlines()
    assert [line.split()[0] for line in text[4:6]] == [
        "a-near-memor...f-some-kind-x",
        "a-near-memor...f-some-kind-y",
    ]


def test_the_html_escapes_what_files_say(tmp_path):
    sweep = sweep_of(grid({"nmp.x": ["<b>", "y"]}), [axis("nmp.x")])
    html = open_study(written(tmp_path / "s", sweep, rows_of(sweep)))._repr_html_()
    assert "<td>&lt;b&gt;</td>" in html
    assert "<b>" not in html


# Grids


def test_a_grid_has_every_point_where_it_belongs_and_nan_in_holes(study):
    found = study.to_xarray()
    assert found["time_ns"].dims == (SIZE, TRCD)
    assert set(found.data_vars) == {"time_ns", "cycles"}
    frame = study.to_frame()
    for size, trcd in itertools.product(SIZES, TRCDS):
        there = frame[(frame[SIZE] == size) & (frame[TRCD] == trcd)]
        value = float(found["time_ns"].sel({SIZE: size, TRCD: trcd}))
        assert math.isnan(value) if there.empty else value == there["time_ns"].item()
    assert int(found["time_ns"].isnull().sum()) == 3
    assert found["time_ns"].attrs == {"units": "ns"}
    assert found[SIZE].attrs == {"units": "B"}


def test_texts_are_coordinates_and_may_be_values(tmp_path):
    sweep = sweep_of(grid({POLICY: POLICIES, SIZE: SIZES}), [axis(POLICY), axis(SIZE)])
    found = open_study(written(tmp_path / "s", sweep, rows_of(sweep)[1:])).to_xarray(
        ["bottleneck", "time_ns"]
    )
    assert list(found[POLICY].values) == POLICIES
    assert found["bottleneck"].isnull().values.tolist() == [[True, False, False], [False] * 3]
    assert found["bottleneck"].values[1].tolist() == ["data_bus"] * 3


def test_several_systems_and_traces_are_dimensions_and_a_point_without_an_axis_is_everywhere_on_it(systems):
    found = systems.to_xarray("time_ns")["time_ns"]
    assert found.dims == ("trace", "system", SIZE, TRCD)
    assert not found.isnull().any()
    host = found.sel(system="host", trace="b")
    assert (host == host.isel({SIZE: 0})).all()
    frame = systems.to_frame()
    one = frame[(frame["system"] == "host") & (frame["trace"] == "b") & (frame[TRCD] == 16)]["time_ns"].item()
    assert float(host.sel({TRCD: 16, SIZE: 1024})) == one


def test_linked_axes_are_one_dimension_with_all_coordinates(tmp_path):
    pairs = [(2048, 16), (1024, 14), (2048, 18)]
    points = [each | {SIZE: s, TRCD: t} for s, t in pairs for each in grid({POLICY: POLICIES})]
    sweep = sweep_of(points, [axis(SIZE, TRCD), axis(POLICY)])
    study = open_study(written(tmp_path / "s", sweep, rows_of(sweep)))
    assert study.axes == {SIZE: (2048, 1024, 2048), TRCD: (16, 14, 18), POLICY: ("open", "closed")}
    found = study.to_xarray("time_ns")
    assert found["time_ns"].dims == (f"{SIZE}+{TRCD}", POLICY)
    assert found[SIZE].values.tolist() == [2048, 1024, 2048]
    assert found[TRCD].values.tolist() == [16, 14, 18]
    assert not found["time_ns"].isnull().any()


def test_two_points_in_one_cell_are_refused(tmp_path):
    sweep = sweep_of(grid({SIZE: SIZES}), [axis(SIZE)])
    twice = row("f" * 64, time_ns=1.0) | {SIZE: 1024}
    study = open_study(written(tmp_path / "s", sweep, [*rows_of(sweep), twice]))
    assert "agree in system, trace and axes, and cannot both stand in a grid" in refusal(study.to_xarray)


def test_a_grid_that_is_mostly_holes_is_refused_when_it_is_large(tmp_path):
    points = [{"system": "near", "trace": "zipf", SIZE: n, TRCD: n, "nmp.x": n} for n in range(500)]
    sweep = sweep_of(points, [axis(SIZE), axis(TRCD), axis("nmp.x")])
    study = open_study(written(tmp_path / "s", sweep, rows_of(sweep)))
    assert "a grid of 500 x 500 x 500 cells with 2 metrics each; at most 100,000,000" in refusal(
        study.to_xarray
    )


# Speedups


def test_speedups_against_a_system_are_per_trace_and_per_axis_that_both_have(systems):
    frame = systems.to_frame()
    for value, (_, each) in zip(systems.speedup(baseline="host"), frame.iterrows(), strict=True):
        same = (frame["system"] == "host") & (frame["trace"] == each["trace"]) & (frame[TRCD] == each[TRCD])
        assert value == frame[same]["time_ns"].item() / each["time_ns"]


def test_speedups_against_values_of_axes_leave_the_others_free(systems):
    frame = systems.to_frame()
    found = systems.speedup("cycles", baseline={"nmp.cache.size": 2048})
    hosts = (frame["system"] == "host").to_numpy()
    assert np.isnan(found[hosts]).all()
    assert (found[~hosts] == 1).all()
    both = systems.speedup(baseline={"system": "near", "dram.timing.tRCD": 14})
    for value, (_, each) in zip(both, frame.iterrows(), strict=True):
        same = (frame["system"] == "near") & (frame["trace"] == each["trace"]) & (frame[TRCD] == 14)
        if each["system"] == "near":
            assert value == frame[same & (frame[SIZE] == each[SIZE])]["time_ns"].item() / each["time_ns"]
        else:
            assert math.isnan(value)


def test_a_speedup_is_nan_where_the_baseline_is_missing(study):
    found = dict(zip(study.to_frame(SIZE)[SIZE], study.speedup(baseline={TRCD: 14}), strict=True))
    assert found[1024] == found[4096] == 1
    assert math.isnan(found[2048])


def test_a_linked_axis_is_fixed_as_a_whole(tmp_path):
    points = [{"system": "near", "trace": "zipf", SIZE: s, TRCD: t} for s, t in [(1024, 14), (2048, 16)]]
    sweep = sweep_of(points, [axis(SIZE, TRCD)])
    study = open_study(written(tmp_path / "s", sweep, rows_of(sweep)))
    times = study.to_frame("time_ns")["time_ns"]
    assert study.speedup(baseline={SIZE: 1024}).tolist() == [1, times[0] / times[1]]


def test_an_ambiguous_or_unknown_baseline_is_refused(systems, tmp_path):
    sweep = sweep_of(grid({SIZE: SIZES}), [axis(SIZE)])
    rows = rows_of(sweep)
    twice = row("f" * 64, time_ns=1.0) | {SIZE: 1024} | {"trace_sha256": rows[0]["trace_sha256"]}
    study = open_study(written(tmp_path / "twice", sweep, [*rows, twice]))
    assert "baseline {'nmp.cache.size': 1024}: ambiguous: points" in refusal(
        lambda: study.speedup(baseline={"nmp.cache.size": 1024})
    )
    assert refusal(lambda: systems.speedup(baseline="hots")) == (
        f"{systems.path}: baseline: no point has system = 'hots' (did you mean 'host'?)"
    )
    assert f"no point has {SIZE} = 3 " in refusal(lambda: systems.speedup(baseline={SIZE: 3}))
    assert "holds no numbers" in refusal(lambda: systems.speedup("bottleneck", baseline="host"))
    assert "unknown column" in refusal(lambda: systems.speedup(baseline={"nmp.cache.sise": 3}))


# SQL


def test_a_query_sees_all_points_and_gives_a_frame(study):
    found = study.query(
        f'SELECT status, count(*) AS n, max("{SIZE}") AS size FROM points GROUP BY ALL ORDER BY n DESC'
    )
    assert found.values.tolist() == [["done", 3, 4096], ["failed", 1, 1024], ["timeout", 1, 2048]]


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT nothing FROM points", 'query: Binder Error: Referenced column "nothing" not found'),
        ("SELEC 1", "query: Parser Error: syntax error"),
        ("SELECT 1; SELECT 2", "query: must be one SELECT"),
        ("", "query: must be one SELECT"),
        ("DROP VIEW points", "query: must be one SELECT"),
        ("COPY points TO 'x.csv'", "query: must be one SELECT"),
        ("SELECT * FROM read_csv('/etc/passwd')", "query: Permission Error"),
        ("SELECT * FROM study", "query: Catalog Error: Table with name study does not exist"),
    ],
)
def test_a_query_that_is_wrong_or_leaves_the_study_is_refused_in_one_line(
    study, sql, said, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert refusal(lambda: study.query(sql)).startswith(said)
    assert not (tmp_path / "x.csv").exists()


@pytest.mark.parametrize(
    ("library", "extra", "work"),
    [
        ("duckdb", "sql", lambda study: study.query("SELECT 1")),
        ("xarray", "notebook", lambda study: study.to_xarray()),
        ("pandas", "sweep", lambda study: study.to_frame()),
        ("pandas", "sweep", lambda study: study.speedup(baseline={TRCD: 14})),
    ],
)
def test_a_library_that_is_missing_is_named_with_its_extra(study, monkeypatch, library, extra, work):
    monkeypatch.setitem(__import__("sys").modules, library, None)
    assert f"needs {library}: pip install 'archsim[{extra}]'" in refusal(lambda: work(study))


# Speed


def test_twenty_thousand_rows_of_a_real_result_open_in_under_a_second(tmp_path):
    import pyarrow as pa

    from archsim.studies.columns import row_columns

    trace = archsim.open_trace("preset:zipf", limit=500)
    real = row_columns(archsim.simulate(archsim.load_system("recnmp-opt-8rank"), trace))
    rows = 20_000
    draw = np.random.default_rng(1)
    ids = sorted(point_id(n) for n in range(rows))
    columns = {
        "point_id": ids,
        "status": ["done"] * rows,
        "code_version": [CODE] * rows,
        "nmp_sums_sha256": ids,
    }
    for name, value in real.items():
        if name not in columns:
            columns[name] = [value] * rows if not isinstance(value, float) else value * draw.random(rows)
    columns[SIZE], columns[TRCD] = [2**10 << n % 8 for n in range(rows)], [n // 8 for n in range(rows)]
    shown = ("point_id", "system", "trace", SIZE, TRCD)
    folder = tmp_path / "s"
    points = [
        dict(zip(shown, values, strict=True))
        for values in zip(*(columns[name] for name in shown), strict=True)
    ]
    random.Random(1).shuffle(points)
    sweep = sweep_of(points, [axis(SIZE), axis(TRCD)])
    Store.create(folder, sweep, code_version=CODE)
    table = pa.table(columns)
    for start, end in ((0, 12_000), (12_000, 19_000), (19_000, rows)):
        parts.write_part(folder, table.slice(start, end - start))

    def seconds():
        # Of the processor: others use the machine as well.
        start = time.process_time()
        frame = open_study(folder).to_frame()
        taken = time.process_time() - start
        assert frame.shape == (rows, len({*columns, "error"}))
        return taken

    assert any(seconds() < 1 for _ in range(3))


def test_only_the_columns_asked_for_are_read(study, monkeypatch):
    read, asked = parts.Part.read, []
    monkeypatch.setattr(
        parts.Part, "read", lambda self, names: asked.append(list(names)) or read(self, names)
    )
    study.to_frame(["time_ns"])
    assert asked == [["time_ns"]]
