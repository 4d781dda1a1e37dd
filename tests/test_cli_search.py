"""The commands study pareto, sensitivity and plot, and the pictures behind them."""

from __future__ import annotations

import pytest
from program import run, strict_json
from study_rows import SIZE, TRCD, axis, grid, refusal, rows_of, sweep_of, written

from archsim import open_study, plots

BASE = ["--base", "nmp.cache.size=2KiB", "--base", f"{TRCD}=14"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Time falls and energy grows with the size; the larger tRCD only costs time."""
    sweep = sweep_of(grid({SIZE: [1024, 2048, 4096], TRCD: [14, 16]}), [axis(SIZE), axis(TRCD)])
    rows = [
        each | {"time_ns": 1e6 / each[SIZE] + each[TRCD], "energy_nj": float(each[SIZE])}
        for each in rows_of(sweep)
    ]
    return written(tmp_path_factory.mktemp("study") / "s", sweep, rows)


def test_pareto_prints_the_front_of_the_function(folder):
    goals = ["--minimise", "time_ns", "--maximize", "dram.timing.tRCD", "--constraint", "energy_nj < 4096"]
    told = strict_json(run("study", "pareto", folder, *goals, "--json").out)
    frame = open_study(folder).pareto(["time_ns", f"maximise {TRCD}"], constraints=["energy_nj < 4096"])
    assert told["points"] == frame.to_dict("records")
    assert [(each["name"], each["unit"], each["maximise"]) for each in told["objectives"]] == [
        ("time_ns", "ns", False), (TRCD, "clk", True),
    ]  # fmt: skip
    assert (told["infeasible"], told["beaten"]) == (2, 2)
    text = run("study", "pareto", folder, *goals).out
    assert "points: 2 that no other beats, 2 beaten, 2 outside the constraints" in text
    assert frame["point_id"][0][:12] in text


def test_sensitivity_prints_what_the_function_finds(folder):
    told = strict_json(run("study", "sensitivity", folder, "--metric", "time_ns", *BASE, "--json").out)
    frame = open_study(folder).sensitivity("time_ns", {SIZE: 2048, TRCD: 14})
    assert told["rows"] == frame.to_dict("records")
    assert (told["metric"], told["unit"], told["notes"]) == ("time_ns", "ns", [])
    text = run("study", "sensitivity", folder, *BASE).out
    assert text.startswith("time_ns (ns): share of its variance")
    assert SIZE in text.splitlines()[3]
    assert "+100.00%" not in text


def test_pictures_are_written_once(folder, tmp_path):
    front, shares, lines = tmp_path / "front.png", tmp_path / "shares.svg", tmp_path / "lines.pdf"
    commands = [
        ["pareto", folder, "--minimise", "time_ns", "--minimise", "energy_nj", "--plot", front],
        ["sensitivity", folder, "--plot", shares],
        ["plot", folder, "--x", SIZE, "--y", "time_ns", "--by", TRCD, "--out", lines],
    ]
    for command in commands:
        assert run("study", *command).status == 0
        again = run("study", *command)
        assert again.status == 2
        assert "exists already" in again.err
    assert front.read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in shares.read_bytes()
    assert lines.read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["pareto"], "objectives are needed"),
        (["pareto", "--minimise", "time"], "unknown column 'time'"),
        (["pareto", "--minimise", "time_ns", "--plot", "x.jpg"], "must end in .png, .svg or .pdf"),
        (["pareto", "--minimise", "time_ns", "--plot", "x.png"], "a picture shows 2 or 3 objectives, not 1"),
        (["pareto", "--minimise", "time_ns", "--minimise", "2 * cycles", "--plot", "x.png"], "'edp = 2 * cycles'"),
        (["sensitivity", "--base", "nmp.cache.size"], "must be PATH=VALUE"),
        (["sensitivity", "--metric", "bottleneck"], "holds text"),
        (["plot", "--x", "nmp.cache.sizes", "--y", "time_ns", "--out", "x.png"], "did you mean 'nmp.cache.size"),
        (["plot", "--x", SIZE, "--y", "time_ns", "--kind", "line", "--out", "x.png"], "did you mean 'lines'?"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_status_2(folder, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    ended = run("study", arguments[0], folder, *arguments[1:])
    assert (ended.status, ended.out) == (2, "")
    assert words in ended.err
    assert ended.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


# Pictures


def test_a_front_of_three_objectives_has_a_panel_for_each_pair(folder):
    figure = plots.plot_front(open_study(folder), ["time_ns", "energy_nj", f"maximise {TRCD}"])
    labels = [(panel.get_xlabel(), panel.get_ylabel()) for panel in figure.axes]
    assert [label[0].split(" (")[0] for label in labels] == ["run time", "run time", "energy"]
    assert labels[1][1].endswith("more is better")


def test_the_bars_of_a_sensitivity_are_its_shares(folder):
    axes = plots.plot_sensitivity(open_study(folder), "time_ns")
    found = open_study(folder).sensitivity("time_ns")
    widths = [round(bar.get_width(), 9) for bar in axes.patches]
    rest = 100 * (found["total"] - found["first_order"]).clip(lower=0)
    assert widths == [round(each, 9) for each in [*(100 * found["first_order"]), *rest]]
    assert axes.get_xlabel() == "variance of run time (%)"


def test_with_holes_the_bars_are_changes_per_doubling(tmp_path):
    sweep = sweep_of(grid({SIZE: [1024, 2048, 4096], TRCD: [14, 16]})[:-1], [axis(SIZE), axis(TRCD)])
    rows = [each | {"time_ns": float(each[SIZE] * each[TRCD])} for each in rows_of(sweep)]
    axes = plots.plot_sensitivity(open_study(written(tmp_path / "s", sweep, rows)), "time_ns")
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([100.0, 100.0], rel=1e-9)
    assert axes.get_xlabel() == "run time per doubling (%)"


def test_a_picture_of_four_objectives_is_refused(folder):
    goals = ["time_ns", "energy_nj", SIZE, TRCD]
    assert "2 or 3 objectives, not 4" in refusal(lambda: plots.plot_front(open_study(folder), goals))
