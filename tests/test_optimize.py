"""Searches over design spaces: what is proposed, what is run, what is kept, and what stops one."""

from __future__ import annotations

import random
import signal
import sys
import threading
import time
from collections import Counter
from concurrent.futures import Executor, Future, ThreadPoolExecutor

import pytest
from program import run, start, strict_json
from study_processes import wait_for
from study_rows import refusal

import archsim
from archsim.studies import extras, runner
from archsim.studies.choices import parse_choices
from archsim.studies.search import make_search
from archsim.studies.space import Space
from archsim.studies.store import Store
from archsim.studies.worker import row_without_result

pytest.importorskip("optuna")

TRCD, TRP = "dram.timing.tRCD", "dram.timing.tRP"
SPACE = {TRCD: "10..40", TRP: [10, 14, 18, 22]}
GOALS = ["time_ns", "energy_nj"]
#: A small table, whose popularity is drawn in no time.
SMALL = "workload.rows=2000"
PLAIN = {"limit": 200, "workers": 0, "overrides": [SMALL]}


def figures(task):
    """Return a run time that grows with both timings and an energy that falls with the first."""
    trcd, trp = (task.axes[f"{path}_clk"] for path in (TRCD, TRP))
    return {"time_ns": float(trcd + 2 * trp), "energy_nj": 1000.0 / trcd + trp, "area_mm2": trcd / 10}


class Stand:
    """Stands in for replays: closed formulas, and a count of how often each point ran."""

    def __init__(self, failing=lambda task: False):
        self.ran = Counter()
        self.failing = failing
        self.lock = threading.Lock()
        self.wait = False

    def __call__(self, task, attempt=1):
        with self.lock:
            self.ran[task.point_id] += 1
        if self.wait:
            time.sleep(random.random() / 100)
        if self.failing(task):
            return row_without_result(task, "failed", "planned")
        return {**row_without_result(task, "done", ""), **figures(task), "error": None}


@pytest.fixture
def stand(monkeypatch):
    found = Stand()
    monkeypatch.setattr(runner, "run_point", found)
    return found


def search(out, trials=60, goals=GOALS, space=SPACE, **options):
    return archsim.optimize(
        "preset:zipf", "host-2rank", space, goals, out=out, trials=trials, **(PLAIN | options)
    )


def entry(study):
    """Return trials as point ids, and the settings."""
    (found,) = study.definition.sweeps
    ids = found["points"]["point_id"]
    return [None if place is None else ids[place] for place in found["trials"]], found["search"]


# What is chosen from


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    return Space(["preset:zipf"], ["recnmp-opt-2rank"], tmp_path_factory.mktemp("space") / "s")


@pytest.mark.parametrize(
    ("text", "kind", "values"),
    [
        ("dram.timing.tRCD=16,14,18", "ordered", ["14", "16", "18"]),
        ("nmp.cache.size=1MiB,8KiB,64KiB", "ordered", ["8KiB", "64KiB", "1MiB"]),
        ("nmp.cache.size=8KiB..64KiB*2", "ordered", ["8KiB", "16KiB", "32KiB", "64KiB"]),
        ("dram.timing.tRCD=14..20:3", "ordered", ["14", "17", "20"]),
        ("dram.preset=ddr4-2400,ddr4-3200", "unordered", ["ddr4-2400", "ddr4-3200"]),
        ("dram.timing.tRCD=14..20", "int", (14, 20, False)),
        ("nmp.cache.size=1KiB..4KiB:log", "int", (1024, 4096, True)),
        ("nmp.energy.fp32_add_pj=0.5..4", "float", (0.5, 4, False)),
        ("nmp.energy.fp32_add_pj=0.5..4.0 :log", "float", (0.5, 4.0, True)),
    ],
)
def test_lists_are_places_and_ranges_are_numbers(space, text, kind, values):
    (choice,) = parse_choices([text], space)
    assert choice.kind == kind
    if kind.endswith("ordered"):
        assert [step[0] for step in choice.values] == values
        assert choice.texts(1) == {choice.paths[0]: values[1]}
    else:
        assert (choice.low, choice.high, choice.log) == values
        assert list(choice.texts(choice.low).values()) == [repr(choice.low)]


def test_a_mapping_and_linked_parameters_are_choices_too(space):
    found = parse_choices(
        {"dram.timing.CL+dram.timing.tRCD": [(17, 17), (16, 16)], "nmp.cache.size": "1KiB..2KiB"}, space
    )
    assert [choice.kind for choice in found] == ["ordered", "int"]
    assert found[0].texts(0) == {"dram.timing.CL": "16", "dram.timing.tRCD": "16"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["dram.timing.tRCDD=1..4"], "unknown key 'tRCDD' (did you mean 'tRCD'?)"),
        (["dram.timing.tRCD=4..1"], "is empty"),
        (["dram.timing.tRCD=0..4:log"], "must begin above 0"),
        (["dram.timing.tRCD=a..b"], "both ends of a range must be numbers"),
        (["dram.timing.tRCD=1..4", "dram.timing.tRCD=5"], "is varied twice"),
        (["workload.pooling=20..40"], "changes the trace"),
        (["dram.timing.tRCD"], "must be PATH=VALUES"),
        (["dram.timing.tRCD="], "a value is missing"),
    ],
)
def test_what_cannot_be_chosen_from_is_refused(space, given, words):
    assert words in refusal(lambda: parse_choices(given, space))


@pytest.mark.parametrize(
    ("given", "goals", "options", "words"),
    [
        ([], GOALS, {}, "the space is empty"),
        (["dram.timing.tRCD=1..4"], [], {}, "at least one objective"),
        (["dram.timing.tRCD=1..4"], ["time_nss"], {}, "unknown column 'time_nss' (did you mean 'time_ns'?)"),
        (["dram.timing.tRCD=1..4"], ["wall_s"], {}, "unknown column 'wall_s'"),
        (["dram.timing.tRCD=1..4"], GOALS, {"constraints": ["area < 1"]}, "did you mean 'area_mm2'?"),
        (
            ["dram.timing.tRCD=1..4"],
            GOALS,
            {"constraints": "area_mm2 <"},
            "--constraint 'area_mm2 <': cannot be read",
        ),
        (["dram.timing.tRCD=1..4"], GOALS, {"sampler": "nsga"}, "did you mean 'nsga2'?"),
        (["dram.timing.tRCD=1..4"], GOALS, {"trials": 0}, "trials = 0: must be from 1"),
        (["dram.timing.tRCD=1..4"], GOALS, {"batch": 1}, "batch = 1: must be from 2"),
        (["dram.timing.tRCD=1..4"], GOALS, {"seed": -1}, "seed = -1"),
    ],
)
def test_a_search_that_cannot_be_is_refused_before_any_work(space, given, goals, options, words):
    assert words in refusal(lambda: make_search(space, given, goals, **options))


def test_without_optuna_the_message_says_what_to_install(space, monkeypatch):
    def gone(name):
        raise ImportError(name)

    monkeypatch.setattr(extras, "import_module", gone)
    words = refusal(lambda: make_search(space, ["dram.timing.tRCD=1..4"], GOALS))
    assert words == "optimize needs optuna: pip install 'archsim[opt]'"


def test_one_trace_is_searched_on(tmp_path):
    call = {"out": tmp_path / "s", **PLAIN}
    words = refusal(
        lambda: archsim.optimize(["preset:zipf", "preset:uniform"], "host-2rank", SPACE, GOALS, **call)
    )
    assert "on one trace, not on 2" in words
    assert not (tmp_path / "s").exists()


# What is run


@pytest.mark.parametrize("sampler", ["nsga2", "tpe", "random"])
def test_no_point_runs_twice_and_every_trial_is_a_point(tmp_path, stand, sampler):
    study = search(tmp_path / "s", sampler=sampler)
    trials, settings = entry(study)
    assert len(trials) == 60
    assert set(trials) == set(stand.ran)
    assert set(stand.ran.values()) == {1}
    assert len(study) == len(stand.ran)
    assert settings["sampler"] == sampler
    assert study.missing == []


@pytest.mark.parametrize("sampler", ["nsga2", "tpe"])
def test_trials_do_not_depend_on_workers_or_on_the_order_in_which_points_finish(tmp_path, stand, sampler):
    one = search(tmp_path / "one", sampler=sampler)
    stand.wait = True
    with ThreadPoolExecutor(7) as executor:
        many = search(tmp_path / "many", sampler=sampler, executor=executor, workers=7)
    assert entry(one) == entry(many)
    assert one.digest() == many.digest()


def test_another_seed_or_batch_is_another_search(tmp_path, stand):
    trials = [
        entry(search(tmp_path / str(n), **o))[0] for n, o in enumerate([{}, {"seed": 1}, {"batch": 12}])
    ]
    assert trials[0] != trials[1]
    assert trials[0] != trials[2]
    assert trials[0][:12] == trials[2][:12]


def test_fewer_trials_are_the_beginning_of_more(tmp_path, stand):
    short, _ = entry(search(tmp_path / "s", trials=33))
    ran = len(stand.ran)
    longer, _ = entry(search(tmp_path / "s", trials=60))
    whole, _ = entry(search(tmp_path / "whole", trials=60))
    assert longer[:33] == short
    assert longer == whole
    assert ran < len(stand.ran)
    again, _ = entry(search(tmp_path / "s", trials=20))
    assert again == longer


class Stops(Executor):
    """Runs so many points, then Ctrl-C."""

    workers = 1

    def __init__(self, calls):
        self.left = calls

    def submit(self, fn, /, *args, **kwargs):
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1
        future = Future()
        future.set_result(fn(*args, **kwargs))
        return future


@pytest.mark.parametrize("calls", [1, 25])
def test_a_stopped_search_goes_on_as_if_it_had_not_stopped(tmp_path, stand, calls):
    whole = search(tmp_path / "whole")
    stand.ran.clear()
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path / "s", executor=Stops(calls), workers=1)
    assert sum(stand.ran.values()) == calls
    stored = Store.open(tmp_path / "s").finished()
    assert calls - 2 < len(stored) <= calls  # one was done and not yet handed over
    resumed = search(tmp_path / "s")
    assert entry(resumed) == entry(whole)
    assert resumed.digest() == whole.digest()
    assert {stand.ran[point] for point in stored} <= {1}


def test_points_of_a_sweep_are_not_run_again(tmp_path, stand):
    axes = {TRCD: range(10, 41), TRP: [10, 14, 18, 22]}
    archsim.sweep("preset:zipf", "host-2rank", axes, out=tmp_path / "s", **PLAIN)
    study = search(tmp_path / "s", trials=40)
    assert set(stand.ran.values()) == {1}
    assert len(study) == 31 * 4
    assert len(study.definition.sweeps) == 2
    assert len(study.pareto()) > 1


# What is judged


def front_of(study, goals=None, **options):
    frame = study.pareto(goals, **options)
    return set(zip(frame[f"{TRCD}_clk"], frame[f"{TRP}_clk"], strict=True))


@pytest.mark.parametrize(("sampler", "trials"), [("nsga2", 400), ("tpe", 120)])
def test_a_search_finds_more_of_a_known_front_than_chance(tmp_path, stand, sampler, trials):
    # The front is every tRCD with the least tRP: 31 of 961 points.
    wide = {TRCD: "10..40", TRP: "10..40"}
    best = {(trcd, 10) for trcd in range(10, 41)}
    found = front_of(search(tmp_path / "s", trials=trials, space=wide, sampler=sampler))
    by_chance = front_of(search(tmp_path / "r", trials=trials, space=wide, sampler="random"))
    assert len(found & best) > 2 * len(by_chance & best)


@pytest.mark.parametrize("sampler", ["nsga2", "tpe"])
def test_constraints_steer_a_search(tmp_path, stand, sampler):
    goals, wide = ["maximise dram.timing.tRCD"], {TRCD: "10..400", TRP: "10..40"}
    options = {"goals": goals, "space": wide, "sampler": sampler, "trials": 120}
    limited = search(tmp_path / "s", constraints="area_mm2 <= 15", **options)
    free = search(tmp_path / "t", **options)
    assert {trcd for trcd, _ in front_of(limited)} < set(range(10, 151))
    found = []
    for study in (limited, free):
        area = {
            row["point_id"]: row["area_mm2"] for row in study.to_arrow(["point_id", "area_mm2"]).to_pylist()
        }
        found.append([area[point] for point in entry(study)[0]])
    assert found[0][:20] == found[1][:20]
    assert sum(area <= 15 for area in found[0][20:]) > 1.5 * sum(area <= 15 for area in found[1][20:])


def test_a_constraint_that_nothing_meets_is_told(tmp_path, stand):
    study = search(tmp_path / "s", trials=20, constraints=["area_mm2 < 0.5"])
    words = refusal(lambda: study.pareto())
    assert "points meets the constraints" in words
    assert "misses 'area_mm2 < 0.5' by 1" in words


def test_failed_points_are_kept_told_and_not_run_again(tmp_path, stand):
    stand.failing = lambda task: task.axes[f"{TRCD}_clk"] < 20
    study = search(tmp_path / "s")
    failed = study.counts["failed"]
    assert failed > 0
    assert entry(search(tmp_path / "s")) == entry(study)
    assert set(stand.ran.values()) == {1}
    stand.failing = lambda task: False
    again = search(tmp_path / "s", retry_failed=True)
    statuses = dict(zip(*again.to_arrow(["point_id", "status"], None).to_pydict().values(), strict=True))
    assert {statuses[point] for point in entry(again)[0]} == {"done"}
    assert max(stand.ran.values()) == 2


def test_designs_that_are_not_allowed_are_trials_without_a_point(tmp_path, stand):
    study = search(tmp_path / "s", space={TRCD: "-15..15", TRP: [10, 14]})
    trials, _ = entry(study)
    assert 0 < trials.count(None) < 60
    assert None not in study.to_arrow("point_id")["point_id"].to_pylist()
    words = refusal(lambda: search(tmp_path / "t", space={TRCD: "-9..-1"}))
    assert "none of the first 20 designs is allowed; the first: host-2rank, dram.timing.tRCD=-" in words


def test_an_objective_that_no_system_has_stops_the_search(tmp_path, stand):
    words = refusal(lambda: search(tmp_path / "s", goals=["cache_hit_ratio"]))
    assert words.startswith("column cache_hit_ratio: is empty at all of")


def test_systems_are_chosen_too(tmp_path):
    study = archsim.optimize(
        "preset:zipf",
        ["host-2rank", "recnmp-base-2rank"],
        {},
        "time_ns",
        out=tmp_path / "s",
        trials=6,
        **PLAIN,
    )
    assert sorted(study.to_arrow("system")["system"].to_pylist()) == ["host-2rank", "recnmp-base-2rank"]
    assert list(study.pareto()["system"]) == ["recnmp-base-2rank"]


# The command line


ARGUMENTS = [
    "preset:zipf",
    "--set",
    SMALL,
    "--limit",
    "300",
    "--system",
    "host-2rank",
    "--vary",
    f"{TRCD}=12..20",
]


def test_the_command_is_the_function_and_shows_the_front(tmp_path):
    goals = ["--minimise", "time_ns", "--maximize", "dram.timing.tRCD"]
    options = ["--trials", "12", "--batch", "6", "--workers", "2", "--seed", "3"]
    ended = run("optimize", *ARGUMENTS, *goals, *options, "--out", tmp_path / "s", "--json")
    assert ended.status == 0, ended.err
    told = strict_json(ended.out)
    same = archsim.optimize(
        "preset:zipf", "host-2rank", {TRCD: "12..20"}, ["time_ns", "maximise dram.timing.tRCD"],
        out=tmp_path / "t", trials=12, batch=6, seed=3, **(PLAIN | {"limit": 300}),
    )  # fmt: skip
    assert told["digest"] == same.digest()
    assert entry(archsim.open_study(tmp_path / "s")) == entry(same)
    assert told["trials"] == 12
    assert told["ran"] == told["points"] == len(same)
    assert [row["time_ns"] for row in told["front"]["points"]] == list(same.pareto()["time_ns"])
    again = run("optimize", *ARGUMENTS, *goals, *options, "--out", tmp_path / "s")
    assert again.out.startswith(f"{tmp_path / 's'}: 12 trials, {len(same)} points; ")
    assert "time_ns (less is better), dram.timing.tRCD_clk (more is better)" in again.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--minimise", "time_n"], "did you mean 'time_ns'?"),
        ([], "at least one objective"),
        (["--minimise", "bottleneck", "--trials", "2", "--batch", "2"], "column bottleneck holds text"),
        (["--minimise", "time_ns", "--workers", "2", "--dask", "a:1"], "--workers: is for this machine"),
        (["--minimise", "time_ns", "--batch", "x"], "'x' is not a whole number"),
    ],
)
def test_bad_input_is_one_line_and_status_2(tmp_path, arguments, words):
    ended = run("optimize", *ARGUMENTS, *arguments, "--out", tmp_path / "s")
    assert ended.status == 2
    assert words in ended.err
    assert "Traceback" not in ended.err


def test_a_constraint_that_nothing_meets_is_status_1(tmp_path):
    ended = run(
        "optimize", *ARGUMENTS, "--minimise", "time_ns", "--constraint", "time_ns < 1", "--trials", "4",
        "--workers", "1", "--out", tmp_path / "s",
    )  # fmt: skip
    assert ended.status == 1
    assert "misses 'time_ns < 1'" in ended.err
    assert "4 infeasible" in ended.out


@pytest.mark.skipif(sys.platform != "linux", reason="kills as Linux does")
def test_a_search_that_was_killed_ends_as_if_it_had_not_been(tmp_path):
    out, command = (
        tmp_path / "s",
        ["optimize", *ARGUMENTS, "--vary", f"{TRP}=12..20", "--minimise", "time_ns"],
    )
    command += ["--trials", "40", "--batch", "10", "--workers", "1"]
    process = start(*command, "--out", out)
    journal = out / "journal.jsonl"
    wait_for(
        lambda: (journal.exists() and journal.read_bytes().count(b"\n") > 3) or process.poll() is not None
    )
    process.send_signal(signal.SIGKILL)
    process.communicate()
    ended = run(*command, "--out", out, "--json")
    assert ended.status == 0, ended.err
    whole = search(
        tmp_path / "whole",
        goals="time_ns",
        space={TRCD: "12..20", TRP: "12..20"},
        trials=40,
        batch=10,
        limit=300,
    )
    assert strict_json(ended.out)["digest"] == whole.digest()
    assert entry(archsim.open_study(out)) == entry(whole)
