"""Studies and report folders that the tests of HTML reports share."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from study_rows import SIZE, TRCD, axis, grid, rows_of, sweep_of, written

HOSTILE = "<script>alert('x')</script><img src=http://example.invalid/a.png>&\"'"
SYSTEMS = ("near", HOSTILE)


def figures_of(point: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    """Return metrics of a point: time falls with size, energy rises with it, and both have noise."""
    size, trcd = point[SIZE], point[TRCD]
    return {
        "time_ns": 9e6 / size**0.25 + 1000 * trcd + rng.random(),
        "energy_nj": 50.0 * size**0.5 + 10 * rng.random(),
        "bandwidth_gbps": 20 - trcd / 2 + rng.random(),
        "energy_dram_activate_nj": 20.0 * size**0.5,
        "cache_hit_ratio": rng.random(),
        "bottleneck": rng.choice(["data_bus", "activate_window"]),
    }


def write_study(path: Path, *, sizes: int = 5, trcds: int = 4, more: dict[str, Any] | None = None) -> Path:
    """Write a study of two systems over two axes; two points failed and one has not been run."""
    rng = random.Random(7)
    axes = {SIZE: [8192 << k for k in range(sizes)], TRCD: list(range(12, 12 + trcds))}
    points = grid(axes, SYSTEMS)
    sweep = sweep_of(points, [axis(SIZE), axis(TRCD)])
    rows = []
    for point, row in zip(points, rows_of(sweep), strict=True):
        extra = {
            name: value * (1 + rng.random()) if isinstance(value, float) else value
            for name, value in (more or {}).items()
        }
        rows.append(extra | row | figures_of(point, rng) | {"finished_utc": "2026-01-01T00:00:00+00:00"})
    for place, error in ((1, f"no room for {HOSTILE}"), (2, "too small")):
        failed = rows[place]
        keep = ("point_id", "system", "trace", SIZE, TRCD, "code_version")
        rows[place] = {name: failed[name] for name in keep} | {"status": "failed", "error": error}
    return written(path, sweep, rows[:-1])
