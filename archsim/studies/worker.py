"""What a worker does with a point: one row for it, whatever happens inside the point."""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
import threading
import time
from collections import OrderedDict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from archsim.errors import InputError, printable
from archsim.studies.code import code_version
from archsim.studies.columns import Row
from archsim.studies.executors import tell_begun
from archsim.studies.points import DesignFile, Marks, Task, TraceSource

if TYPE_CHECKING:
    from archsim.systems.spec import SystemSpec
    from archsim.traces.formats.registry import Trace

#: Traces that a worker keeps open.
OPEN_TRACES = 2
_LONGEST_ERROR = 500
#: What Python prints of objects that have no text of their own; it differs from run to run.
_MEMORY_ADDRESS = re.compile("0x[0-9a-f]{6,}", re.IGNORECASE)
_TIME_UP = "time limit of {:g} s reached"
#: Times that a trace may be written anew, with the same content, under one point.
_REOPENED = 3


class _OpenTrace(NamedTuple):
    trace: Trace
    marks: Marks  # of its files before they were opened


_lock = threading.Lock()  # an executor may run points in threads
_open: OrderedDict[TraceSource, _OpenTrace] = OrderedDict()
_designs: tuple[DesignFile, ...] = ()  # what was loaded last


class TimeUpError(Exception):
    """The time limit of a point is over."""


def run_point(task: Task, attempt: int = 1) -> Row:
    """Replay one point.

    Parameters
    ----------
    task : Task
        The point.
    attempt : int
        How often it has been started.

    Returns
    -------
    dict
        The row, see `archsim.studies.columns`: ``status`` is "done", "failed" with an ``error`` for anything that the
        system, the design or the replay of this point raises, or "timeout".

    Raises
    ------
    InputError
        When the worker is not fit for any point: other code than the study's, a design file or a trace that is not
        there or has changed.
    """
    started = time.perf_counter()
    _check_code(task.code)
    for _ in range(_REOPENED + 1):
        with _lock:
            _load_designs(task.designs)
            opened = _trace(task.trace)
        tell_begun()
        row = _row(task, opened.trace)
        # Files are mapped, not copied: what was rewritten meanwhile was replayed in part. Opening it again tells
        # whether it still is the trace of the study.
        if task.trace.marks() == opened.marks:
            return {**row, "wall_s": time.perf_counter() - started, "attempts": attempt}
    raise InputError(f"{task.trace.source}: is written again and again while it is replayed")


def _row(task: Task, trace: Trace) -> Row:
    """Replay a point, or say why it cannot be."""
    try:
        return _replayed(task, trace)
    except TimeUpError:
        return row_without_result(task, "timeout", time_up(task))
    except MemoryError as error:
        return row_without_result(task, "failed", f"not enough memory: {error}".rstrip(": "))
    except InputError as error:
        return row_without_result(task, "failed", str(error))
    except (Exception, SystemExit) as error:
        return row_without_result(task, "failed", f"{type(error).__name__}: {error}")


def row_without_result(task: Task, status: str, error: str) -> Row:
    """Return the row of a point that yields none: what it was, and why."""
    from archsim.studies.columns import configuration_columns

    text = _MEMORY_ADDRESS.sub("0x...", " ".join(printable(" ".join(error.split())).split()))
    row: Row = {
        "error": text if len(text) <= _LONGEST_ERROR else f"{text[: _LONGEST_ERROR - 3]}...",
        "system": task.system,
        "system_sha256": hashlib.sha256(task.system_json.encode("ascii")).hexdigest(),
        "trace": task.trace.name,
        "trace_sha256": task.trace.sha256,
    }
    try:
        row |= configuration_columns(_system(task))
    except Exception:  # a design that fails when asked about itself; the row then has the axes alone
        row |= {}
    return {**row, **_common(task, status)}


def time_up(task: Task) -> str:
    """Return the error of a point whose time is over."""
    return _TIME_UP.format(task.time_limit_s)


def time_limit_of(error: str) -> float | None:
    """Return the limit that the error of a timeout names."""
    found = re.fullmatch(re.escape(_TIME_UP).replace(r"\{:g\}", r"([0-9.e+-]+)"), error)
    return float(found[1]) if found else None


def _replayed(task: Task, trace: Trace) -> Row:
    from archsim.simulation import simulate
    from archsim.studies.columns import row_columns

    # Not from when the call began: only the first point of each worker opens the trace.
    began = time.perf_counter()

    def check_time(_done: int) -> None:
        if task.time_limit_s is not None and time.perf_counter() - began > task.time_limit_s:
            raise TimeUpError

    result = simulate(_system(task), trace, threads=1, progress=check_time)
    return {**row_columns(result), "error": None, **_common(task, "done")}


def _common(task: Task, status: str) -> Row:
    from archsim import __version__

    return {
        "point_id": task.point_id,
        "status": status,
        "code_version": task.code,
        **{column: value for column, value in task.axes.items() if value is not None},
        "worker": f"{socket.gethostname()}:{os.getpid()}",
        "finished_utc": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "archsim_version": __version__,
    }


def _system(task: Task) -> SystemSpec:
    from archsim.systems.spec import SystemSpec

    return SystemSpec.from_dict(json.loads(task.system_json), task.system)


def _check_code(code: str) -> None:
    if code != code_version():
        raise InputError(
            f"worker on {socket.gethostname()}: runs other code, {code_version()}, than the study, {code}; "
            "install the same archsim there"
        )


def _load_designs(designs: tuple[DesignFile, ...]) -> None:
    """Register the designs of files unless they were the last to be loaded; the caller holds the lock.

    A worker may outlive a sweep, and the next one have another file with a design of the same name.
    """
    global _designs
    if not designs or designs == _designs:
        return
    from archsim.nmp.design_files import load_design

    _designs = ()
    for design in designs:
        if DesignFile.of(design.path) != design:
            raise InputError(f"--design {design.path}: has changed since the sweep began")
        load_design(Path(design.path))
    _designs = designs


def _trace(source: TraceSource) -> _OpenTrace:
    """Open a trace, or take it from the last few unless its files have changed; the caller holds the lock."""
    marks = source.marks()
    before = _open.pop(source, None)
    if before is None or before.marks != marks:
        while len(_open) >= OPEN_TRACES:
            _open.popitem(last=False)
        before = _OpenTrace(source.open(verify=before is not None), marks)
    _open[source] = before
    return before
