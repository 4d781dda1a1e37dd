"""The time limit of a point: of its replay, not of what only the first point of a worker has to wait for."""

import time

import pytest
from study_processes import begin_and_wait, wait_for

import archsim
from archsim.studies import runner as runners
from archsim.studies import worker
from archsim.studies.executors import InProcess, LocalPool, tell_begun
from archsim.studies.points import TraceSource

SLOW = """
import multiprocessing, time
from archsim.nmp import Design, register

@register
class Slow(Design):
    name = "slow"

if multiprocessing.parent_process() is not None:
    time.sleep(4)
"""


class Elsewhere(InProcess):
    """An executor of the user's."""


def statuses(study):
    """Return status and wall time of every point."""
    return study.to_arrow(["status", "wall_s"], status=None).to_pylist()


def test_opening_the_trace_does_not_count(native_trace, tmp_path, monkeypatch):
    opened, began = TraceSource.open, []
    monkeypatch.setattr(worker, "_open", type(worker._open)())

    def slow(source, **options):
        if began:
            time.sleep(1.5)
        return opened(source, **options)

    def submit(executor, function, *arguments):
        began.append(function)
        return InProcess.submit(executor, function, *arguments)

    monkeypatch.setattr(TraceSource, "open", slow)
    monkeypatch.setattr(Elsewhere, "submit", submit)
    study = archsim.sweep(
        native_trace, "host-2rank", {"dram.timing.tRCD": [15, 16]}, out=tmp_path / "study",
        executor=Elsewhere(), time_limit_s=1.4, progress=False,
    )  # fmt: skip
    first, second = statuses(study)
    assert first["status"] == second["status"] == "done"
    assert first["wall_s"] > 1.5  # the wall time has it all


def test_a_worker_that_is_slow_to_begin_is_not_ended(native_trace, tmp_path, monkeypatch):
    monkeypatch.setattr("archsim.nmp.designs._registered", {})
    monkeypatch.setattr(worker, "_designs", ())
    monkeypatch.setattr(runners, "GRACE_S", 0.0)
    file = tmp_path / "slow.py"
    file.write_text(SLOW, encoding="utf-8")
    study = archsim.sweep(
        native_trace, "recnmp-base-2rank", {"dram.timing.tRCD": [15, 16]}, out=tmp_path / "study",
        overrides=["nmp.design=slow"], designs=[file], workers=1, time_limit_s=1.5, progress=False,
    )  # fmt: skip
    assert [row["status"] for row in statuses(study)] == ["done", "done"]


def test_a_pool_knows_which_calls_began():
    with LocalPool(1) as pool:
        for _ in range(3):
            pool.submit(tell_begun).result(60)
        call = pool.submit(time.sleep, 2)
        wait_for(call.running)
        while not call.done():
            assert not pool.began(call)
            time.sleep(0.1)
        call = pool.submit(begin_and_wait)
        wait_for(lambda: pool.began(call))
        pool.give_up(call)
        with pytest.raises(RuntimeError):
            call.result(60)
        assert not pool.began(call)
