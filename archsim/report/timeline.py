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


def write_timeline(comparison: Comparison, path: Path) -> None:
    """Write the command logs of results; one process per system and rank, one track per bank.

    A name that ends in ``.gz`` is compressed. Results need a command log (``simulate(..., log_limit=...)``).

    Raises
    ------
    InputError
        When the file exists or cannot be written.
    """
    events: list[dict[str, Any]] = []
    for number, result in enumerate(comparison.results):
        events += _events(result, 100 * number)
    text = json.dumps({"displayTimeUnit": "ns", "traceEvents": events}).encode()
    with new_file(path) as temporary:
        temporary.write_bytes(gzip.compress(text, mtime=0) if path.suffix == ".gz" else text)


def _events(result: Result, first_process: int) -> list[dict[str, Any]]:
    dram = result.system.dram
    banks_per_rank = dram.organization.banks // dram.organization.ranks
    durations = _durations_clk(result)
    us = dram.timing.tCK_ps / 1e6
    events: list[dict[str, Any]] = []
    for rank in range(dram.organization.ranks):
        label = f"{result.system.name} rank {rank}"
        events.append(
            {"ph": "M", "name": "process_name", "pid": first_process + rank, "args": {"name": label}}
        )
    for clk, number, bank, row, column in result.commands.T.tolist():
        command = COMMANDS[number]
        rank, within = divmod(bank, banks_per_rank)
        events.append(
            {
                "ph": "X",
                "name": command,
                "ts": clk * us,
                "dur": durations[command] * us,
                "pid": first_process + rank,
                "tid": within,
                "args": {"clk": clk, "row": row, "column": column},
            }
        )
    return events


def _durations_clk(result: Result) -> dict[str, int]:
    """How long each command keeps its bank, or its data the bus, in clocks."""
    timing = result.system.dram.timing
    return {
        "ACT": timing.tRCD,
        "PRE": timing.tRP,
        "PREA": timing.tRP,
        "RD": timing.CL + timing.tBL,
        "WR": timing.CWL + timing.tBL,
        "REF": timing.tRFC,
    }
