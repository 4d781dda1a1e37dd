"""Ctrl-C in a script of one's own that sweeps: one interrupt, nobody left working, and the same call goes on."""

import os
import signal
import subprocess
import sys

import pytest
from study_processes import journal, process_of, wait_for, wait_for_end

import archsim

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")

SCRIPT = """
import archsim, sys
try:
    archsim.sweep(
        "preset:zipf", "recnmp-base-2rank", {{"dram.timing.tRCD": range(12, 28)}}, out={out!r}, limit={limit},
        workers={workers}, progress=False,
    )
except KeyboardInterrupt as error:
    print(error)
    raise
"""


@pytest.mark.parametrize("workers", [0, 2])
def test_an_interrupt_is_one_plain_one_and_the_same_call_goes_on(workers, tmp_path):
    out = tmp_path / "study"
    code = SCRIPT.format(out=str(out), workers=workers, limit=20000)
    command = [sys.executable, "-c", code]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    ) as process:
        wait_for(lambda: len(journal(out)) >= 2 or process.poll() is not None)
        running = {process_of(row) for row in journal(out)}
        process.send_signal(signal.SIGINT)
        printed, message = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT
    wait_for_end(running)
    said = f"{out}: stopped; the same call goes on from the points that are there"
    assert printed == f"{said}\n"
    assert message.endswith(f"KeyboardInterrupt: {said}\n")
    assert message.count("Traceback") == 1
    assert "runner.py" not in message
    assert "During handling" not in message
    before = len(archsim.open_study(out))
    assert 2 <= before < 16
    assert not (out / "journal.jsonl").exists() or not journal(out)
    study = archsim.sweep(
        "preset:zipf", "recnmp-base-2rank", {"dram.timing.tRCD": range(12, 28)}, out=out, limit=20000,
        workers=0, progress=False,
    )  # fmt: skip
    assert len(study) == 16


def test_an_interrupt_while_points_are_planned_is_plain_too(tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("archsim.studies.sweeping.make_plan", interrupted)
    with pytest.raises(KeyboardInterrupt, match="the same call goes on") as caught:
        archsim.sweep("preset:zipf", "host-2rank", out=tmp_path / "study", limit=200)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
