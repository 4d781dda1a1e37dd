"""``archsim sweep`` as a user meets it."""

import json
import re
import shlex
from pathlib import Path

import pytest
from program import run, strict_json

import archsim
from archsim.cli_sweep import SWEEP_EXAMPLES
from archsim.studies.axes import Axis

SWEEP = ["sweep", "preset:zipf", "--set", "workload.rows=1000", "--limit", 300, "--workers", 1]
VARY = ["--vary", "dram.timing.tRCD=16,17"]


def test_a_sweep_ends_with_one_line(tmp_path):
    out = tmp_path / "study"
    ended = run(*SWEEP, "--system", "host-2rank", *VARY, "--out", out)
    assert ended.status == 0
    assert re.fullmatch(rf"{out}: 2 points: 2 done; 2 ran in [\d.]+ s \([\d.]+ points/s\)\n", ended.out)
    assert ended.err == ""
    again = run(*SWEEP, "--system", "host-2rank", *VARY, "--out", out)
    assert (again.status, again.out) == (0, f"{out}: 2 points: 2 done; nothing was left to run\n")
    assert again.err == f"{out}: 2 of 2 points are there already\n"


def test_json_is_one_object(tmp_path):
    out = tmp_path / "study"
    systems = ["--system", "host-2rank", "--system", "host-4rank"]
    ended = run(*SWEEP, *systems, *VARY, "--where", "dram.timing.tRCD > 16", "--out", out, "--json")
    found = strict_json(ended.out)
    study = archsim.open_study(out)
    assert ended.status == 0
    assert found == {
        "schema": 1, "study": str(out), "points": 2, "done": 2, "failed": 0, "timeout": 0, "there_before": 0, "ran": 2,
        "wall_s": found["wall_s"], "points_per_s": found["points_per_s"],
        "code_version": study.definition.code_version, "digest": study.digest(),
        "axes": {"dram.timing.tRCD_clk": [17]}, "failures": [], "notes": [],
    }  # fmt: skip
    assert found["points_per_s"] == found["ran"] / found["wall_s"] > 0


def test_failed_points_are_counted_named_and_end_with_status_1(tmp_path):
    arguments = ["--system", "host-2rank", "--vary", "dram.organization.rows=64,65536"]
    command = [
        "sweep",
        "preset:zipf",
        "--limit",
        300,
        "--workers",
        1,
        *arguments,
        "--out",
        tmp_path / "study",
    ]
    ended = run(*command)
    point = "host-2rank, zipf, dram.organization.rows=64"
    error = "system 'host-2rank': the tables need 976.6 MiB but the memory holds 16 MiB"
    assert ended.status == 1
    assert ended.err == f"failed: {point}: {error}\n"
    assert "2 points: 1 done, 1 failed; 2 ran in" in ended.out
    again = run(*command, "--json")
    assert again.status == 1
    (failure,) = json.loads(again.out)["failures"]
    assert (failure["status"], failure["point"], failure["error"]) == ("failed", point, error)


def test_what_is_run_once_for_many_values_is_said(tmp_path):
    systems = ["--system", "host-2rank", "--system", "recnmp-opt-2rank"]
    ended = run(
        *SWEEP, *systems, "--vary", "nmp.cache.size=64KiB,128KiB", "--out", tmp_path / "study", "--json"
    )
    note = "host-2rank: no near-memory units, so one point for all values of nmp.cache.size"
    assert ended.err == f"note: {note}\n"
    assert json.loads(ended.out)["notes"] == [note]
    assert json.loads(ended.out)["points"] == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--vary", "dram.timing.tRDC=1"], "--vary dram.timing.tRDC: unknown key 'tRDC' (did you mean 'tRCD'?)"),
        (["--vary", "dram.timing.tRCD=16,0"], "point 2 of 2 (host-2rank, dram.timing.tRCD=0): "),
        ([*VARY, "--where", "dram.timing.tRCD > 99"], "leaves none of 2 points"),
        ([*VARY, "--dask", "tcp://127.0.0.1:1"], "--workers: is for this machine"),
        ([*VARY, "--time-limit", "soon"], "'soon': must be a number and a unit"),
        ([*VARY, "--time-limit", "-1"], "time limit of -1 s: must be above 0"),
        ([*VARY, "--max-points", "1"], "2 points (traces x systems x values: 1 x 1 x 2): more than 1;"),
        ([*VARY, "--max-points", "0"], "must be at least 1"),
        ([*VARY, "--set", "nmp.cache.size=1"], "none of the systems has near-memory units"),
        ([*VARY, "--design", "nowhere.py"], "--design nowhere.py: No such file"),
        ([*VARY, "--system", "host-3rank"], "unknown system preset"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_leaves_nothing(arguments, message, tmp_path):
    ended = run(*SWEEP, "--system", "host-2rank", *arguments, "--out", tmp_path / "study")
    assert (ended.status, ended.out) == (2, "")
    assert message in ended.err
    assert ended.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("missing", ["nowhere/study", "file/study"])
def test_a_folder_that_cannot_be_made_is_said_before_any_point_runs(missing, tmp_path):
    (tmp_path / "file").write_text("")
    ended = run(*SWEEP, "--system", "host-2rank", *VARY, "--out", tmp_path / missing)
    assert ended.status == 2
    assert "cannot be written" in ended.err or "no such folder" in ended.err
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("1.5 s", 1.5), ("10min", 600), ("250ms", 0.25)])
def test_time_limits_have_units(text, seconds):
    from archsim.cli_options import seconds as read

    assert read(text) == seconds


def test_the_values_of_the_help_are_axes():
    listed = SWEEP_EXAMPLES.partition("Examples:")[0]
    axes = [line.split()[0] for line in listed.splitlines() if "=" in line]
    assert len(axes) == 7
    for text in axes:
        assert len(Axis.parse(text).values) > 1


def test_the_examples_of_the_help_can_be_planned(tmp_path, monkeypatch, native_trace):
    """Every command of the help is taken as far as its points; the last one to a cluster that is not there."""
    pytest.importorskip("distributed")
    monkeypatch.setattr("archsim.studies.cluster.CONNECT_S", 0.2)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my-trace").symlink_to(native_trace)
    text = SWEEP_EXAMPLES.partition("Examples:")[2].partition("\n\n")[0].replace("\\\n", " ")
    commands = [shlex.split(line) for line in text.splitlines() if line.strip()]
    assert len(commands) == 4
    for _, *arguments in commands:
        if "--dask" not in arguments:
            arguments += ["--max-points", "1"]
        ended = run(*arguments, "--limit", 100)
        assert ended.status == 2
        assert re.search(r"more than 1; take fewer|no scheduler answers|cannot be written", ended.err), (
            ended.err
        )


def test_the_python_of_the_page_runs(tmp_path, monkeypatch, capsys):
    page = (Path(__file__).parents[1] / "docs" / "studies.md").read_text(encoding="utf-8")
    (block, *_) = re.findall(r"```python\n(.*?)```", page, flags=re.S)
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "docs/studies.md", "exec"), {})
    assert "5 points: 5 done" in capsys.readouterr().out


def test_the_axes_of_the_page_are_axes():
    page = (Path(__file__).parents[1] / "docs" / "studies.md").read_text(encoding="utf-8")
    axes = re.findall(r"^\| `([\w.+]+=[^`]+)` \|", page, flags=re.M)
    assert len(axes) == 7
    for text in axes:
        assert len(Axis.parse(text).values) > 1
