"""Sweeps in this process and in others: the same study every time, and nothing run twice."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool

import pytest

import archsim
from archsim.errors import InputError
from archsim.studies import worker
from archsim.studies.executors import InProcess, LocalPool, PoolExecutor, WorkerDiedError
from archsim.studies.store import Store

HOST, NEAR = "host-2rank", "recnmp-opt-2rank"
#: Tables of a gigabyte, and a memory that does not hold them.
LARGE = {"trace": "preset:zipf", "limit": 300}
TOO_SMALL = {"dram.organization.rows": [64, 65536]}
AXES = {"dram.timing.tRCD": [15, 16, 17], "dram.timing.tRP": [15, 16]}

DESIGN = """
from archsim.nmp import Design, register

@register
class Odd(Design):
    name = "odd"

    def check(self):
        super().check()
        if self.nmp.poolings_per_packet == 3:
            {at_check}

    def placed(self, coordinates, lookup, packet_first):
        if self.nmp.poolings_per_packet == 2:
            {at_two}
        return super().placed(coordinates, lookup, packet_first)
"""


@pytest.fixture
def sweep(tmp_path, native_trace):
    """Run a sweep of a small trace, in this process unless told otherwise."""

    def run(systems=HOST, axes=AXES, *, trace=native_trace, out="study", **options):
        options.setdefault("workers", None if "executor" in options else 0)
        return archsim.sweep(trace, systems, axes, out=tmp_path / out, progress=False, **options)

    return run


@pytest.fixture
def design(tmp_path, monkeypatch):
    """Write a design that does something odd with two poolings per packet."""
    monkeypatch.setattr("archsim.nmp.designs._registered", {})
    monkeypatch.setattr(worker, "_designs", ())

    def write(at_two, at_check="pass"):
        path = tmp_path / "odd.py"
        path.write_text(DESIGN.format(at_two=at_two, at_check=at_check), encoding="utf-8")
        return path

    return write


@pytest.fixture
def ran(monkeypatch):
    """List the points that are started in this process."""
    started = []

    def spy(task, attempt=1):
        started.append(task.point_id)
        return worker.run_point(task, attempt)

    monkeypatch.setattr("archsim.studies.runner.run_point", spy)
    return started


def statuses(study):
    """Return status and error of every point."""
    return [
        (row["status"], row["error"]) for row in study.to_arrow(["status", "error"], status=None).to_pylist()
    ]


def test_a_row_holds_what_replay_prints(sweep, native_trace):
    row = sweep(axes="dram.timing.tRCD=16").to_arrow().to_pylist()[0]
    spec = archsim.load_system(HOST, ["dram.timing.tRCD=16"])
    result = archsim.simulate(spec, archsim.open_trace(native_trace))
    assert (row["time_ns"], row["energy_nj"], row["cycles"]) == (
        result.time_ns,
        result.energy_nj,
        result.cycles,
    )
    assert row["system_sha256"] == spec.sha256()
    assert row["dram.timing.tRCD_clk"] == 16
    assert (row["status"], row["attempts"]) == ("done", 1)


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_any_number_of_workers_makes_the_same_study(workers, sweep):
    systems = [HOST, NEAR] if workers == 2 else HOST  # loading what near-memory units need takes time
    alone = sweep(systems, out="alone")
    study = sweep(systems, workers=workers)
    assert len(study) == (12 if workers == 2 else 6)
    assert study.digest() == alone.digest()
    assert study.to_arrow("point_id").equals(alone.to_arrow("point_id"))
    used = set(study.to_arrow("worker").to_pydict()["worker"])
    assert 1 <= len(used) <= workers
    assert not used & set(alone.to_arrow("worker").to_pydict()["worker"])


@pytest.mark.parametrize("kind", ["threads", "pool"])
def test_any_executor_makes_the_same_study(kind, sweep):
    expected = sweep(out="expected").digest()
    if kind == "threads":
        with ThreadPoolExecutor(2) as executor:
            assert sweep(executor=executor, workers=2).digest() == expected
    else:
        with ThreadPool(2) as pool:
            assert sweep(executor=PoolExecutor(pool)).digest() == expected


def test_the_same_call_again_runs_nothing(sweep, ran):
    first = sweep()
    assert len(ran) == 6
    again = sweep()
    assert len(ran) == 6
    assert again.digest() == first.digest()


def test_more_values_run_only_what_is_new(sweep, ran):
    sweep(axes={"dram.timing.tRCD": [15, 16]})
    ran.clear()
    study = sweep(axes={"dram.timing.tRCD": [15, 16, 17]})
    assert len(ran) == 1
    assert study.axes == {"dram.timing.tRCD_clk": (15, 16, 17)}


def test_a_sweep_that_was_interrupted_goes_on(sweep, monkeypatch, ran, tmp_path):
    expected = sweep(out="whole").digest()
    ran.clear()
    add, added = Store.add, []

    def third_is_interrupted(store, row):
        add(store, row)
        added.append(row)
        if len(added) == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Store, "add", third_is_interrupted)
        with pytest.raises(KeyboardInterrupt):
            sweep()
    assert len(archsim.open_study(tmp_path / "study")) == 3
    ran.clear()
    assert sweep().digest() == expected
    assert len(ran) == 3


def test_other_axes_are_refused_and_nothing_changes(sweep, ran, tmp_path):
    sweep()
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    ran.clear()
    with pytest.raises(InputError, match="has other axes"):
        sweep(axes={"dram.timing.tRCD": [15]})
    assert not ran
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_study_of_other_code_is_refused_and_nothing_changes(sweep, ran, tmp_path):
    sweep()
    file = tmp_path / "study" / "study.json"
    file.write_text(file.read_text().replace(archsim.studies.code.code_version(), "0.1.0+000000000000"))
    before = file.read_bytes()
    ran.clear()
    with pytest.raises(InputError, match=r"another version of the code, 0\.1\.0\+000000000000"):
        sweep()
    assert not ran
    assert file.read_bytes() == before


def test_a_folder_that_is_no_study_is_refused(sweep, tmp_path):
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="no study"):
        sweep()
    assert [path.name for path in (tmp_path / "study").iterdir()] == ["mine.txt"]


def test_a_failing_point_is_recorded_and_the_rest_goes_on(sweep):
    study = sweep(axes={**TOO_SMALL, "dram.timing.tRCD": [16, 17]}, **LARGE)
    error = "system 'host-2rank': the tables need 976.6 MiB but the memory holds 16 MiB"
    assert statuses(study) == [("failed", error)] * 2 + [("done", None)] * 2
    row = study.to_arrow(status="failed").to_pylist()[0]
    assert (row["dram.organization.rows"], row["dram.timing.tRCD_clk"]) == (64, 16)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("raise ValueError('no\\nway')", "ValueError: no way"),
        ("raise MemoryError", "not enough memory"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("[].pop()", "IndexError: pop from empty list"),
        ("raise RuntimeError('stuck')", f"system {NEAR!r}: stuck"),
    ],
)
def test_whatever_a_design_raises_is_the_error_of_its_point(code, error, sweep, design):
    study = sweep(
        NEAR.replace("opt", "base"),
        {"nmp.poolings_per_packet": [1, 2, 4]},
        overrides=["nmp.design=odd"],
        designs=[design(code)],
    )
    assert [status for status, _ in statuses(study)] == ["done", "failed", "done"]
    assert statuses(study)[1][1] == error.replace("opt", "base")


def test_failed_points_run_again_only_when_asked(sweep, ran):
    sweep(axes=TOO_SMALL, **LARGE)
    ran.clear()
    sweep(axes=TOO_SMALL, **LARGE)
    assert not ran
    study = sweep(axes=TOO_SMALL, retry_failed=True, **LARGE)
    assert len(ran) == 1
    assert [status for status, _ in statuses(study)] == ["failed", "done"]


def test_a_point_out_of_time_is_given_up_and_runs_again_with_more(sweep, ran, monkeypatch):
    late = sweep(axes="dram.timing.tRCD=16,17", time_limit_s=1e-6)
    assert statuses(late) == [("timeout", "time limit of 1e-06 s reached")] * 2
    ran.clear()
    sweep(axes="dram.timing.tRCD=16,17", time_limit_s=1e-6)
    assert not ran
    done = sweep(axes="dram.timing.tRCD=16,17", time_limit_s=100)
    assert len(ran) == 2
    assert statuses(done) == [("done", None)] * 2


def test_a_trace_in_memory_travels_as_a_folder_of_the_study(sweep, tmp_path):
    trace = archsim.open_trace("preset:zipf", overrides=["rows=1000"], limit=300)
    study = sweep(trace=trace, axes="dram.timing.tRCD=16,17", workers=1)
    assert len(study) == 2
    held = tmp_path / "study" / "traces" / trace.sha256[:16]
    assert archsim.open_trace(held).sha256 == trace.sha256
    assert sweep(trace=trace, axes="dram.timing.tRCD=16,17").digest() == study.digest()


def test_a_trace_that_changes_meanwhile_ends_the_sweep(sweep, tmp_path, monkeypatch):
    monkeypatch.setattr(worker, "_open", type(worker._open)())
    file = tmp_path / "bags.txt"
    file.write_text("1 2 3\n4 5\n")
    told = Store.__enter__

    def change(store):
        file.write_text("1 2 3\n4 6\n")
        return told(store)

    monkeypatch.setattr(Store, "__enter__", change)
    with pytest.raises(InputError, match="holds another trace than when the sweep began"):
        sweep(trace=file, rows=10, format="bags")


def test_a_worker_of_other_code_is_refused(sweep, monkeypatch):
    monkeypatch.setattr(worker, "code_version", lambda: "0.1.0+000000000000")
    with pytest.raises(InputError, match=r"runs other code, 0\.1\.0"):
        sweep()


def test_a_design_file_goes_to_the_workers(sweep, design):
    study = sweep(
        "recnmp-base-2rank",
        {"nmp.poolings_per_packet": [1, 4]},
        overrides=["nmp.design=odd"],
        designs=[design("pass")],
        workers=1,
    )
    assert len(study) == 2


def test_a_design_file_that_has_changed_needs_a_new_study(sweep, design):
    options = {"overrides": ["nmp.design=odd"], "axes": {"nmp.poolings_per_packet": [1]}}
    sweep("recnmp-base-2rank", designs=[design("pass")], **options)
    with pytest.raises(InputError, match=r"odd.py: has changed since .* began"):
        sweep("recnmp-base-2rank", designs=[design("x = 1")], **options)


def test_a_full_disk_is_one_message_and_keeps_what_is_done(sweep, monkeypatch, tmp_path):
    expected = sweep(out="whole").digest()
    write, calls = archsim.studies.journal._write, []

    def fourth_fails(descriptor, line):
        calls.append(line)
        if len(calls) == 4:
            raise OSError(28, "No space left on device")
        return write(descriptor, line)

    with monkeypatch.context() as patch:
        patch.setattr("archsim.studies.journal._write", fourth_fails)
        with pytest.raises(InputError, match="No space left on device; all points before are kept"):
            sweep()
    assert len(archsim.open_study(tmp_path / "study")) == 3
    assert sweep().digest() == expected


def test_a_script_without_a_main_guard_runs_once(tmp_path, native_trace):
    script = tmp_path / "script.py"
    script.write_text(
        "print('started')\n"
        "import archsim\n"
        f"study = archsim.sweep({str(native_trace)!r}, 'host-2rank', 'dram.timing.tRCD=16,17', "
        f"out={str(tmp_path / 'study')!r}, workers=2)\n"
        "print(len(study))\n"
    )
    ended = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "started\n2\n", "")


def test_a_sweep_from_standard_input_runs(tmp_path, native_trace):
    code = (
        f"import archsim; print(len(archsim.sweep({str(native_trace)!r}, 'host-2rank', 'dram.timing.tRCD=16', "
        f"out={str(tmp_path / 'study')!r}, workers=1)))"
    )
    ended = subprocess.run([sys.executable], input=code, capture_output=True, text=True, timeout=120)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "1\n", "")


def test_workers_run_one_thread_each_and_leave_our_environment_alone(monkeypatch):
    import os

    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    with LocalPool(1) as pool:
        assert pool.submit(os.getenv, "OMP_NUM_THREADS").result(60) == "1"
        assert pool.submit(os.getenv, "NUMBA_NUM_THREADS").result(60) == "1"
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "NUMBA_NUM_THREADS" not in os.environ


def test_a_call_that_kills_its_process_fails_alone():
    import os
    import signal
    import time

    with LocalPool(2) as pool:
        fine = pool.submit(time.sleep, 0.1)
        dead = pool.submit(signal.raise_signal, signal.SIGKILL)
        after = [pool.submit(os.getpid) for _ in range(4)]
        with pytest.raises(WorkerDiedError):
            dead.result(60)
        assert fine.result(60) is None
        assert os.getpid() not in {future.result(60) for future in after}
        with pytest.raises(ZeroDivisionError):
            pool.submit(divmod, 1, 0).result(60)


def test_a_pool_that_is_shut_down_ends_its_processes_and_cancels_what_waits():
    import time

    from study_processes import wait_for_end

    pool = LocalPool(1)
    import os

    process = pool.submit(os.getpid).result(60)
    running, waiting = pool.submit(time.sleep, 600), pool.submit(time.sleep, 600)
    pool.shutdown()
    assert waiting.cancelled()
    wait_for_end([process])
    with pytest.raises(WorkerDiedError):
        running.result(60)
    with pytest.raises(RuntimeError):
        pool.submit(time.sleep, 0)


def test_calls_in_process_fail_as_themselves():
    with pytest.raises(ZeroDivisionError):
        InProcess().submit(divmod, 1, 0).result()


def test_the_number_of_workers_is_checked(sweep):
    with pytest.raises(InputError, match="workers = -1: must be at least 1"):
        sweep(workers=-1)


def test_progress_shows_points_and_failures(capsys, tmp_path):
    archsim.sweep("preset:zipf", HOST, TOO_SMALL, out=tmp_path / "study", limit=300, workers=0, progress=True)
    shown = capsys.readouterr().err
    assert "2/2" in shown
    assert "1 failed" in shown


def test_rows_are_plain_json(sweep):
    for row in sweep().to_arrow().to_pylist():
        json.dumps(row)


@pytest.mark.parametrize(
    ("changed", "kind", "name"),
    [({"limit": 80}, "traces", "zipf"), ({"overrides": ["dram.timing.CL=18"]}, "systems", "host-2rank")],
)
def test_a_study_takes_no_other_trace_or_system_of_a_name_that_it_has(changed, kind, name, tmp_path):
    common = {"out": tmp_path / "s", "limit": 60, "workers": 0}
    archsim.sweep("preset:zipf", "host-2rank", {"dram.timing.tRCD": [14]}, **common)
    before = (tmp_path / "s" / "study.json").read_bytes()
    with pytest.raises(InputError, match=f"has another of the {kind}, also named '{name}'"):
        archsim.sweep("preset:zipf", "host-2rank", {"dram.timing.tRCD": [14]}, **(common | changed))
    assert (tmp_path / "s" / "study.json").read_bytes() == before
    row = archsim.open_study(tmp_path / "s").to_arrow(["lookups"]).to_pylist()
    assert row == [{"lookups": 60}]
