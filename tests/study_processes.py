"""Processes of a sweep, as the system sees them."""

import json
import time
from pathlib import Path


def runs(process):
    """Whether a process is there and has not ended."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for_end(processes, seconds=20):
    """Wait until all processes have ended."""
    end = time.monotonic() + seconds
    while left := [process for process in processes if runs(process)]:
        assert time.monotonic() < end, f"{left} still run"
        time.sleep(0.02)


def wait_for(condition, seconds=60):
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


def journal(study):
    """Return the whole rows of the journal of a study."""
    try:
        lines = (study / "journal.jsonl").read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in lines if line.endswith(b"\n")]


def process_of(row):
    """Return the process that computed a row."""
    return int(row["worker"].rpartition(":")[2])


def begin_and_wait():
    """Tell that work began, and take long; here, because workers can import it."""
    from archsim.studies.executors import tell_begun

    tell_begun()
    time.sleep(600)
