"""Runs of models as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from archsim.models.inference import Run
from archsim.tables import align
from archsim.units import format_time


def runs_table(runs: Sequence[Run]) -> str:
    """Return runs as aligned text, one line each."""
    head = ["system", "models", "latency", "lookups", "bottom", "top", "other", "samples/s", "speedup"]
    rows = [head]
    for run in runs:
        times = run.times
        parts = (times.total_ns, *times)
        rows.append(
            [
                run.system,
                str(run.models),
                *(format_time(round(ns * 1000)) for ns in parts),
                f"{run.samples_per_s:,.0f}",
                f"{run.speedup:.2f}x",
            ]
        )
    return "\n".join(align(rows))


def sweep_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return `archsim.models.sweep.sweep` as aligned text."""
    keys = [key for key in rows[0] if key not in ("parameter", "value")]
    lines = [["parameter", "value", *keys]]
    for row in rows:
        cells = [f"{row[key]:.3g}" if abs(row[key]) < 1000 else f"{row[key]:,.0f}" for key in keys]
        lines.append([row["parameter"], row["value"], *cells])
    return "\n".join(align(lines))
