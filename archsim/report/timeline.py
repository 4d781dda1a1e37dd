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
#: Processes are numbered by system and rank; a memory may have 4096 ranks.
_RANKS_MAX = 10_000


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
        names += _names(result, _RANKS_MAX * number)
        commands += _commands(result, _RANKS_MAX * number)
    commands.sort(key=lambda event: event["ts"])
    data = {"displayTimeUnit": "ns", "traceEvents": names + commands}
    text = json.dumps(data, separators=(",", ":")).encode()
    with new_file(path) as temporary:
        temporary.write_bytes(gzip.compress(text, mtime=0) if path.suffix == ".gz" else text)


def _names(result: Result, first_process: int) -> list[dict[str, Any]]:
    """Label ranks and tracks."""
    events = []
    organization = result.system.dram.organization
    for number, place in enumerate(result.ranks):
        labels = [f"bank {bank}" for bank in range(organization.banks_per_rank)] + ["all banks"]
        process = {"ph": "M", "pid": first_process + number}
        label = f"{result.system.name} rank {place['rank']}"
        if organization.pseudo_channels > 1:
            label += f" of pseudo channel {place['pseudo_channel']}"
        if organization.channels > 1:
            label += f" of channel {place['channel']}"
        events.append(process | {"name": "process_name", "args": {"name": label}})
        for track, name in enumerate(labels):
            events.append(process | {"tid": track, "name": "thread_name", "args": {"name": name}})
    return events


def _commands(result: Result, first_process: int) -> list[dict[str, Any]]:
    banks_per_rank = result.system.dram.organization.banks_per_rank
    durations = _durations_clk(result)
    tCK_ps = result.system.dram.timing.tCK_ps
    events = []
    shown = TIMELINE_COMMANDS * (1 if result.nmp is None else len(result.ranks))
    for clk, number, bank, row, column in result.commands[:, :shown].T.tolist():
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


def _durations_clk(result: Result) -> dict[str, int]:
    """How long each command keeps others off its bank, in clocks; viewers drop slices that overlap on a track."""
    timing = result.system.dram.timing
    burst = timing.tCCD_S if timing.tCCD_L is None else timing.tCCD_L
    return {
        "ACT": min(timing.tRCD, timing.tRCDWR or timing.tRCD),
        "PRE": timing.tRP,
        "PREA": timing.tRP,
        "RD": min(burst, timing.tRTP),
        "WR": burst,
        "REF": timing.tRFC,
        "REFB": result.system.dram.refresh_clk,
    }
