"""``archsim study``: what it prints, what it writes, what it refuses."""

from __future__ import annotations

import csv
import io

import pyarrow.parquet as pq
import pytest
from program import run, strict_json
from study_rows import CODE, SIZE, axis, grid, row, rows_of, sweep_of, written

from archsim import open_study

SWEEP = sweep_of(grid({SIZE: [1024, 2048, 4096]}), [axis(SIZE)])
ROWS = rows_of(SWEEP)
QUERY = 'SELECT "nmp.cache.size_bytes" AS size, time_ns, error FROM points ORDER BY size'


@pytest.fixture
def folder(tmp_path):
    """Two points that are done and one that failed."""
    failed = row(ROWS[2]["point_id"], "failed", error="no memory") | {SIZE: 4096}
    return written(tmp_path / "s", SWEEP, [*ROWS[:2], failed])


def test_info_prints_counts_axes_points_errors_and_digest(folder):
    status, out, err = run("study", "info", folder)
    lines = out.splitlines()
    assert (status, err) == (0, "")
    assert lines[0] == f"study {folder}, 3 points: 2 done, 1 failed"
    assert lines[1] == f"axis {SIZE}: 1024, 2048, 4096"
    assert [line.split()[0] for line in lines[3:6]] == [SIZE, "1024", "2048"]
    assert lines[6:] == ["failed: no memory", "", f"code {CODE}, digest {open_study(folder).digest()}"]


def test_info_as_json_has_the_same(folder):
    found = strict_json(run("study", "info", folder, "--json").out)
    assert found["points"] == {"done": 2, "failed": 1, "timeout": 0, "missing": 0}
    assert found["axes"] == {SIZE: [1024, 2048, 4096]}
    assert found["code_version"] == CODE
    assert found["digest"] == open_study(folder).digest()
    assert (found["systems"], found["traces"]) == (["near"], ["zipf"])


def test_a_query_prints_a_table_json_or_csv(folder):
    times = [each["time_ns"] for each in ROWS[:2]]
    table = run("study", "query", folder, QUERY).out.splitlines()
    assert table[0].split() == ["size", "time_ns", "error"]
    assert table[3].split(maxsplit=2) == ["4096", "-", "no memory"]
    assert strict_json(run("study", "query", folder, QUERY, "--json").out) == [
        {"size": 1024, "time_ns": times[0], "error": None},
        {"size": 2048, "time_ns": times[1], "error": None},
        {"size": 4096, "time_ns": None, "error": "no memory"},
    ]
    found = list(csv.reader(io.StringIO(run("study", "query", folder, QUERY, "--csv").out)))
    assert found == [
        ["size", "time_ns", "error"],
        ["1024", repr(times[0]).removesuffix(".0"), ""],
        ["2048", repr(times[1]).removesuffix(".0"), ""],
        ["4096", "", "no memory"],
    ]


def test_json_has_words_for_what_json_cannot_say(folder):
    sql = "SELECT 'nan'::DOUBLE AS nan, 'inf'::DOUBLE AS inf, DATE '2026-01-02' AS day, [1, 2] AS list"
    found = strict_json(run("study", "query", folder, sql, "--json").out)
    assert found == [{"nan": None, "inf": None, "day": "2026-01-02", "list": "[1, 2]"}]


def test_export_writes_csv_and_parquet(folder, tmp_path):
    ended = run("study", "export", folder, tmp_path / "a.csv", "--columns", "nmp.cache.size,time_ns")
    assert ended == (0, "", f"2 points: {tmp_path / 'a.csv'}\n")
    found = list(csv.DictReader((tmp_path / "a.csv").read_text().splitlines()))
    assert [float(each["time_ns"]) for each in found] == [each["time_ns"] for each in ROWS[:2]]
    assert [int(each[SIZE]) for each in found] == [1024, 2048]
    assert run("study", "export", folder, tmp_path / "a.parquet", "--status", "all").status == 0
    assert pq.read_table(tmp_path / "a.parquet").equals(open_study(folder).to_arrow(status=None))


def test_merge_makes_a_new_study(folder, tmp_path):
    other = written(tmp_path / "t", SWEEP, ROWS[1:])
    ended = run("study", "merge", folder, other, "--out", tmp_path / "m")
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.startswith(f"study {tmp_path / 'm'}, 3 points: 3 done\n")
    assert open_study(tmp_path / "m").digest() == open_study(written(tmp_path / "w", SWEEP, ROWS)).digest()


def test_merge_of_different_code_names_the_option(folder, tmp_path):
    other = written(tmp_path / "t", SWEEP, [], "0.2.0+x")
    ended = run("study", "merge", folder, other, "--out", tmp_path / "m")
    assert ended.status == 2
    assert "studies of different versions of the code" in ended.err
    assert "--mixed-versions" in ended.err
    assert run("study", "merge", folder, other, "--out", tmp_path / "m", "--mixed-versions").status == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["info", "{tmp}/no"],
            "/no: there is no such folder; a study is a folder that `archsim sweep --out` made",
        ),
        (["info", "{tmp}"], ": no study: study.json is missing"),
        (
            ["query", "{study}", "SELECT x FROM points"],
            'query: Binder Error: Referenced column "x" not found',
        ),
        (["query", "{study}", "SELECT 1", "--csv", "--json"], "--json: goes without --csv"),
        (["export", "{study}", "{tmp}/a.txt"], "/a.txt: must end in .csv or .parquet"),
        (["export", "{study}", "{study}/study.json.csv/x.csv"], "cannot be written: there is no folder"),
        (
            ["export", "{study}", "{tmp}/a.csv", "--columns", "tim_ns"],
            "unknown column 'tim_ns' (did you mean 'time_ns'?)",
        ),
        (
            ["export", "{study}", "{tmp}/a.csv", "--status", "don"],
            "status 'don': unknown (did you mean 'done'?)",
        ),
        (["merge", "{study}", "--out", "{study}"], "exists already"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_what_cannot_be_done_is_one_line_and_status_2(folder, tmp_path, arguments, said):
    before = sorted(tmp_path.rglob("*"))
    ended = run("study", *(text.format(tmp=tmp_path, study=folder) for text in arguments))
    assert ended.status == 2
    assert ended.out == ""
    assert said in ended.err
    assert ended.err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before
