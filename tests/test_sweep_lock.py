"""Points that hold the interpreter lock, so that no other thread of their process runs: they end like all others."""

import subprocess
import sys

import pytest
from program import start
from study_processes import runs, wait_for, wait_for_end

import archsim
from archsim.studies import runner as runners
from archsim.studies import worker
from archsim.studies.executors import LocalPool, WorkerDiedError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")

#: The check is quick where the sweep is planned, and never ends in a worker, in one call of a C function.
STUCK = """
import multiprocessing, os, pathlib
from archsim.nmp import Design, register

@register
class Stuck(Design):
    name = "stuck"

    def check(self):
        super().check()
        if multiprocessing.parent_process() is not None and self.dram.timing.tRCD == 15:
            pathlib.Path({told!r}).write_text(str(os.getpid()), encoding="utf-8")
            sum(range(10**15))
"""


@pytest.fixture
def stuck(tmp_path, monkeypatch):
    """Return a design file, and the file in which a stuck point tells its process."""
    monkeypatch.setattr("archsim.nmp.designs._registered", {})
    monkeypatch.setattr(worker, "_designs", ())
    told = tmp_path / "process.txt"
    file = tmp_path / "stuck.py"
    file.write_text(STUCK.format(told=str(told)), encoding="utf-8")
    return file, told


def test_a_point_that_holds_the_lock_is_ended_after_its_time(stuck, native_trace, tmp_path, monkeypatch):
    monkeypatch.setattr(runners, "GRACE_S", 0.5)
    file, told = stuck
    study = archsim.sweep(
        native_trace, "recnmp-base-2rank", {"dram.timing.tRCD": [14, 15, 16]}, out=tmp_path / "study",
        overrides=["nmp.design=stuck"], designs=[file], workers=1, time_limit_s=2, progress=False,
    )  # fmt: skip
    rows = study.to_arrow(["status", "error"], status=None).to_pylist()
    late = {"status": "timeout", "error": "time limit of 2 s reached"}
    done = {"status": "done", "error": None}
    assert rows == [done, late, done]
    wait_for_end([int(told.read_text())])


def test_a_point_that_holds_the_lock_does_not_outlive_a_killed_sweep(stuck, native_trace, tmp_path):
    file, told = stuck
    command = [
        "sweep", native_trace, "--system", "recnmp-base-2rank", "--vary", "dram.timing.tRCD=15",
        "--set", "nmp.design=stuck", "--design", file, "--workers", 1, "--out", tmp_path / "study",
    ]  # fmt: skip
    with start(*command, stdout=subprocess.PIPE) as process:
        wait_for(lambda: process.poll() is not None or (told.exists() and told.read_text()))
        stuck_process = int(told.read_text())
        assert runs(stuck_process)
        process.kill()
        process.communicate(timeout=60)
    wait_for_end([stuck_process])


def test_a_call_that_holds_the_lock_is_given_up():
    with LocalPool(1) as pool:
        call = pool.submit(sum, range(10**15))
        wait_for(call.running)
        pool.give_up(call)
        with pytest.raises(WorkerDiedError):
            call.result(60)
        assert pool.submit(divmod, 7, 2).result(60) == (3, 1)
