"""Command timelines in the Chrome Trace Event format, for ui.perfetto.dev or chrome://tracing."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from archsim.dram.resolve import COMMANDS
from archsim.files import new_file
from archsim.result import Comparison, Result

#: Commands kept per system (RecNMP: per rank); a browser shows a hundred thousand events comfortably.
TIMELINE_COMMANDS = 10_000
_ALL_BANKS = ("PREA", "REF")


def write_timeline(comparison: Comparison, path: Path) -> None:
    """Write the command logs of results; one process per system and rank, one track per bank and one for all banks.

    A name that ends in ``.gz`` is compressed. Results need a command log (``simulate(..., log_limit=...)``).

    Raises
    ------
    InputError
        When the file exists or cannot be written.
    """
    names: list[dict[str, Any]] = []
    commands: list[dict[str, Any]] = []
    for number, result in enumerate(comparison.results):
        names += _names(result, 100 * number)
        commands += _commands(result, 100 * number)
    commands.sort(key=lambda event: event["ts"])
    data = {"displayTimeUnit": "ns", "traceEvents": names + commands}
    text = json.dumps(data, separators=(",", ":")).encode()
    with new_file(path) as temporary:
        temporary.write_bytes(gzip.compress(text, mtime=0) if path.suffix == ".gz" else text)


def _names(result: Result, first_process: int) -> list[dict[str, Any]]:
    """Label ranks and tracks."""
    events = []
    for rank in range(result.system.dram.organization.ranks):
        labels = [f"bank {bank}" for bank in range(_banks_per_rank(result))] + ["all banks"]
        process = {"ph": "M", "pid": first_process + rank}
        label = f"{result.system.name} rank {rank}"
        events.append(process | {"name": "process_name", "args": {"name": label}})
        for track, name in enumerate(labels):
            events.append(process | {"tid": track, "name": "thread_name", "args": {"name": name}})
    return events


def _commands(result: Result, first_process: int) -> list[dict[str, Any]]:
    banks_per_rank = _banks_per_rank(result)
    durations = _durations_clk(result)
    tCK_ps = result.system.dram.timing.tCK_ps
    events = []
    for clk, number, bank, row, column in result.commands.T.tolist():
        command = COMMANDS[number]
        rank, within = divmod(bank, banks_per_rank)
        events.append(
            {
                "ph": "X",
                "name": command,
                "ts": clk * tCK_ps / 1e6,
                "dur": durations[command] * tCK_ps / 1e6,
                "pid": first_process + rank,
                "tid": banks_per_rank if command in _ALL_BANKS else within,
                "args": {"clk": clk, "row": row, "column": column},
            }
        )
    return events


def _banks_per_rank(result: Result) -> int:
    organization = result.system.dram.organization
    return organization.banks // organization.ranks


def _durations_clk(result: Result) -> dict[str, int]:
    """How long each command keeps others off its bank, in clocks; viewers drop slices that overlap on a track."""
    timing = result.system.dram.timing
    return {
        "ACT": timing.tRCD,
        "PRE": timing.tRP,
        "PREA": timing.tRP,
        "RD": min(timing.tCCD_L, timing.tRTP),
        "WR": timing.tCCD_L,
        "REF": timing.tRFC,
    }
