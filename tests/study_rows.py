"""Rows and folders of studies that the tests of `archsim.studies` share; no simulation is run."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from archsim.errors import InputError
from archsim.studies.store import Store

CODE = "0.1.0+abcdef012345"
SIZE, TRCD, POLICY = "nmp.cache.size_bytes", "dram.timing.tRCD_clk", "dram.controller.row_policy"


def refusal(work: Callable[[], Any]) -> str:
    """Return the one line with which something is refused."""
    with pytest.raises(InputError) as caught:
        work()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def point_id(*parts: Any) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def row(point: str, status: str = "done", **columns: Any) -> dict[str, Any]:
    """Return a small row of the shape that a worker hands in; underscores twice stand for dots."""
    found = {
        "point_id": point,
        "status": status,
        "system": "near",
        "system_sha256": point[:8],
        "trace": "zipf",
        "trace_sha256": "t" * 8,
        "code_version": CODE,
        "wall_s": 0.25,
        "worker": "w0",
    }
    return found | {name.replace("__", "."): value for name, value in columns.items()}


def time_of(values: dict[str, Any]) -> float:
    """Return a run time that tells points apart."""
    return float(sum((place + 1) * len(str(value)) * 10.5 for place, value in enumerate(values.values()))) + (
        float(values.get(SIZE) or 0) / 1024
    )


def axis(*columns: str) -> dict[str, Any]:
    return {"paths": list(columns), "columns": list(columns), "values": []}


def sweep_of(points: list[dict[str, Any]], axes: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a definition with one point per dict, which has ``system`` and ``trace`` beside values of axes."""
    columns = list(dict.fromkeys(["system", "trace", *(name for point in points for name in point)]))
    table = {name: [point.get(name) for point in points] for name in columns}
    return {
        "systems": [{"name": name, "source": name, "sha256": "s"} for name in dict.fromkeys(table["system"])],
        "traces": [{"name": name, "source": name, "sha256": "t"} for name in dict.fromkeys(table["trace"])],
        "axes": axes,
        "where": None,
        "points": {"point_id": [point_id(point) for point in points], **table},
    }


def grid(
    axes: dict[str, list[Any]], systems: tuple[str, ...] = ("near",), traces: tuple[str, ...] = ("zipf",)
) -> Any:
    """Return all points of some axes."""
    return [
        {"system": system, "trace": trace, **dict(zip(axes, values, strict=True))}
        for system, trace in itertools.product(systems, traces)
        for values in itertools.product(*axes.values())
    ]


def rows_of(sweep: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a done row for each point of a definition."""
    table = sweep["points"]
    found = []
    for values in zip(*table.values(), strict=True):
        point = dict(zip(table, values, strict=True))
        figures = {"time_ns": time_of(point), "cycles": len(point["system"]), "bottleneck": "data_bus"}
        of = {"trace_sha256": point["trace"] * 2, "system_sha256": point["system"] * 2}
        found.append(row(point["point_id"]) | of | point | figures)
    return found


def written(path: Path, sweep: dict[str, Any], rows: list[dict[str, Any]], code: str = CODE) -> Path:
    """Write a study with these rows."""
    with Store.create(path, sweep, code_version=code) as store:
        for each in rows:
            store.add(each)
    return path
