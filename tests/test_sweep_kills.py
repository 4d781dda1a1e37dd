"""What kill -9 does to a sweep: of its workers, of itself, of a Dask worker, of a Dask scheduler. No row is lost."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from program import run, start
from study_processes import journal, process_of, wait_for, wait_for_end

import archsim
from archsim.errors import InputError
from archsim.studies import runner as runners
from archsim.studies.cluster import dask_cluster
from archsim.studies.runner import Runner
from archsim.studies.space import Space
from archsim.studies.store import Store
from archsim.studies.sweeping import run_plan

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")

SYSTEM = "host-2rank"
AXES = {"dram.timing.tRCD": range(14, 18), "dram.timing.tRP": range(14, 18)}
VARY = ["--vary", "dram.timing.tRCD=14..17", "--vary", "dram.timing.tRP=14..17"]
#: Each point takes some 20 ms, so that kills find points at work.
LOOKUPS = 60_000

POISON = """
import os
from archsim.nmp import Design, register

@register
class Poison(Design):
    name = "poison"

    def placed(self, coordinates, lookup, packet_first):
        if self.nmp.poolings_per_packet == 2:
            {act}
        return super().placed(coordinates, lookup, packet_first)
"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return the study that every broken run must end with."""
    out = tmp_path_factory.mktemp("whole") / "study"
    return archsim.sweep("preset:zipf", SYSTEM, AXES, out=out, limit=LOOKUPS, workers=0)


@pytest.fixture
def killing(monkeypatch):
    """Call ``act(rows stored, row)`` after each row that is stored."""

    def install(act):
        add, count = Store.add, []

        def spy(store, row):
            add(store, row)
            count.append(row)
            act(len(count), row)

        monkeypatch.setattr(Store, "add", spy)

    return install


@pytest.fixture
def poison(tmp_path, monkeypatch):
    """Write a design of which two poolings per packet do something to their process."""
    monkeypatch.setattr("archsim.nmp.designs._registered", {})

    def write(act):
        path = tmp_path / "poison.py"
        path.write_text(POISON.format(act=act), encoding="utf-8")
        return path

    return write


def assert_equal(study, whole):
    """Nothing is lost, doubled, failed or different."""
    assert study.counts == {"done": 16, "failed": 0, "timeout": 0, "missing": 0}
    points = study.to_arrow("point_id", status=None).to_pydict()["point_id"]
    assert len(points) == len(set(points)) == 16
    assert study.digest() == whole.digest()


def test_five_killed_workers_cost_nothing(whole, killing, tmp_path):
    killed = []

    def kill(count, row):
        if count in (2, 4, 7, 9, 11):
            os.kill(process_of(row), signal.SIGKILL)
            killed.append(process_of(row))

    killing(kill)
    study = archsim.sweep("preset:zipf", SYSTEM, AXES, out=tmp_path / "study", limit=LOOKUPS, workers=2)
    assert len(set(killed)) == 5
    assert_equal(study, whole)


def test_a_point_that_kills_its_worker_is_a_failed_one(poison, tmp_path):
    study = archsim.sweep(
        "preset:zipf", "recnmp-base-2rank", {"nmp.poolings_per_packet": [1, 2, 4]}, out=tmp_path / "study",
        overrides=["nmp.design=poison"], designs=[poison("os.kill(os.getpid(), 9)")], limit=300, workers=2,
    )  # fmt: skip
    rows = study.to_arrow(["nmp.poolings_per_packet", "status", "error", "attempts"], status=None).to_pylist()
    assert [row["status"] for row in rows] == ["done", "failed", "done"]
    assert rows[1]["error"] == "the worker process died each time this point ran (killed, or out of memory)"
    assert rows[1]["attempts"] == 3


@pytest.mark.slow
def test_a_point_that_never_looks_at_its_limit_is_ended(poison, tmp_path, monkeypatch):
    monkeypatch.setattr(runners, "GRACE_S", 0.5)
    study = archsim.sweep(
        "preset:zipf", "recnmp-base-2rank", {"nmp.poolings_per_packet": [1, 2]}, out=tmp_path / "study",
        overrides=["nmp.design=poison"], designs=[poison("__import__('time').sleep(600)")], limit=300, workers=1,
        time_limit_s=4,
    )  # fmt: skip
    rows = study.to_arrow(["status", "error"], status=None).to_pylist()
    assert rows == [
        {"status": "done", "error": None},
        {"status": "timeout", "error": "time limit of 4 s reached"},
    ]


@pytest.mark.parametrize(
    "sent", [signal.SIGKILL, signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_a_sweep_that_is_ended_leaves_no_process_and_goes_on(sent, whole, tmp_path):
    out = tmp_path / "study"
    command = [
        "sweep", "preset:zipf", "--limit", LOOKUPS, "--system", SYSTEM, *VARY, "--workers", 2, "--out", out
    ]  # fmt: skip
    with start(*command, stdout=subprocess.PIPE) as process:
        wait_for(lambda: len(journal(out)) >= 2 or process.poll() is not None)
        workers = {process_of(row) for row in journal(out)}
        process.send_signal(sent)
        printed, message = process.communicate(timeout=60)
    assert workers
    wait_for_end(workers)
    assert not printed
    if sent == signal.SIGINT:
        assert process.returncode == 130
        assert "of 16 points there; the same command goes on from there\narchsim: interrupted\n" in message
    else:
        assert process.returncode == -sent
    before = len(archsim.open_study(out))
    assert 2 <= before < 16
    ended = run(*command)
    assert ended.status == 0
    assert f"{before} of 16 points are there already" in ended.err
    assert f"16 points: 16 done; {16 - before} ran in" in ended.out
    assert_equal(archsim.open_study(out), whole)


@pytest.fixture
def dask(tmp_path):
    """Start a scheduler and two workers; return their processes and the address."""
    pytest.importorskip("distributed")
    file = tmp_path / "scheduler.json"
    options = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": tmp_path}
    program = [sys.executable, "-m"]
    processes = [
        subprocess.Popen(
            [*program, "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
             "--scheduler-file", str(file)],
            **options,
        )
    ]  # fmt: skip
    try:
        wait_for(lambda: file.exists() and file.read_text().endswith("}"))
        address = json.loads(file.read_text())["address"]
        processes += [
            subprocess.Popen(
                [*program, "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard"],
                **options,
            )
            for _ in range(2)
        ]  # fmt: skip
        yield processes, address
    finally:
        for process in processes:
            process.kill()
            process.wait()


@pytest.fixture
def dask_sweep(tmp_path, dask):
    """Run the sweep of this file on the cluster."""
    from archsim.studies.axes import parse_axes
    from archsim.studies.plan import make_plan

    def sweep():
        space = Space(["preset:zipf"], [SYSTEM], tmp_path / "study", reading={"limit": LOOKUPS})
        plan = make_plan(space, parse_axes(AXES))
        with dask_cluster(dask[1]) as cluster:
            wait_for(lambda: cluster.workers() == 2)
            with Runner(cluster.executor, workers=cluster.workers, gone=cluster.name) as runner:
                run_plan(plan, space, tmp_path / "study", runner)

    return sweep


def test_a_killed_dask_worker_costs_nothing(dask, dask_sweep, whole, killing, tmp_path):
    seen = set()

    def kill(count, row):
        seen.add(process_of(row))
        if count == 4:
            dask[0][1].kill()

    killing(kill)
    dask_sweep()
    assert seen <= {process.pid for process in dask[0][1:]}
    assert_equal(archsim.open_study(tmp_path / "study"), whole)


def test_a_killed_dask_scheduler_ends_the_sweep_which_goes_on_elsewhere(
    dask, dask_sweep, whole, killing, tmp_path
):
    killing(lambda count, row: dask[0][0].kill() if count == 4 else None)
    with pytest.raises(
        InputError, match=r"the Dask cluster at .* ended before the sweep did.*the same call goes on"
    ):
        dask_sweep()
    assert 4 <= len(archsim.open_study(tmp_path / "study")) < 16
    study = archsim.sweep("preset:zipf", SYSTEM, AXES, out=tmp_path / "study", limit=LOOKUPS, workers=0)
    assert_equal(study, whole)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("tcp://127.0.0.1:9", "no scheduler answers within 1 s"),
        ("nowhere", "must be the address of a scheduler, such as tcp://10.0.0.1:8786"),
        ("", "must be the address of a scheduler"),
    ],
)
def test_a_dask_address_that_does_not_answer_is_one_line(address, message, tmp_path, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("archsim.studies.cluster.CONNECT_S", 1.0)
    started = time.monotonic()
    ended = run(
        "sweep",
        "preset:zipf",
        "--limit",
        100,
        "--system",
        SYSTEM,
        *VARY,
        "--dask",
        address,
        "--out",
        tmp_path / "s",
    )
    assert ended.status == 2
    assert ended.err.startswith(f"archsim: error: --dask {address}: ")
    assert message in ended.err
    assert ended.err.count("\n") == 1
    assert not (tmp_path / "s").exists()
    assert time.monotonic() - started < 30
