"""How fast binary trace files are read and written; a section of ``benchmarks/traces.py``."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from archsim.traces import AddressTrace, EmbeddingTrace, Table, read_trace, write_native
from archsim.traces.formats.convert import write_trace

LOOKUPS = 40_000_000
WRITTEN_SLOWLY = 5_000_000
PARQUET_GOAL_M_S = 100
OPEN_GOAL_S = 0.1


def best(function: Callable[[], Any], repeats: int) -> tuple[float, float]:
    """CPU-seconds of all threads, and seconds of the clock on the wall, of the best runs."""
    runs = []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        function()
        runs.append((time.process_time() - cpu, time.perf_counter() - wall))
    return min(cpu for cpu, _ in runs), min(wall for _, wall in runs)


def lookups(count: int) -> EmbeddingTrace:
    """Bags of 80 rows of 8 tables; rows are the products of two evenly spread numbers, so small ones are popular."""
    words = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    words ^= words >> np.uint64(29)
    rows = ((words & np.uint64(1023)) * (words >> np.uint64(54))).astype(np.int32)
    offsets = np.arange(0, count + 80, 80).clip(max=count)
    tables = (np.arange(len(offsets) - 1) % 8).astype(np.int32)
    return EmbeddingTrace("bench", (Table("t", 1 << 20, 128),) * 8, rows, offsets, tables, "sample-major")


def addresses(count: int) -> AddressTrace:
    """Requests on 16 GiB, one in four a write, four clocks apart."""
    words = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    lines = ((words ^ (words >> np.uint64(29))) >> np.uint64(36)).astype(np.int64)
    return AddressTrace("bench", lines * 64, (lines % 4 == 0).astype(np.uint8), np.arange(count) * 4)


def write_pt(trace: EmbeddingTrace, path: Path) -> None:
    """Write the trace as one batch per table, where PyTorch is installed."""
    import torch

    sorted_ = trace.reorder("table-major")
    columns = (
        sorted_.rows.astype(np.int64),
        np.array(sorted_.bag_offsets),
        np.diff(sorted_.bag_offsets).reshape(8, -1),
    )
    torch.save(tuple(map(torch.from_numpy, columns)), path)


def print_binary(folder: Path, repeats: int) -> None:
    """Rates of every binary format, and how long a native trace of a billion lookups takes to open."""
    print(f"binary files; goal for reading Parquet {PARQUET_GOAL_M_S} M lookups/s")
    print(f"{'format':<24}{'million':>8}{'B each':>8}{'M/s CPU':>9}{'M/s wall':>10}")
    long, short = lookups(LOOKUPS), lookups(WRITTEN_SLOWLY)
    requests = addresses(WRITTEN_SLOWLY)
    for name, trace in (
        ("parquet", long),
        ("native", long),
        ("oracleGeneral", short),
        ("ramulator2", requests),
        ("dramsim3", requests),
    ):
        print_format(name, trace, folder, repeats)
    try:
        write_pt(long, folder / "bench.pt")
    except ImportError:
        print("pt: PyTorch is not installed, so there is no file to read")
    else:
        print_rate("pt read", LOOKUPS, folder / "bench.pt", partial(read_trace, folder / "bench.pt"), repeats)
    print_opening(folder, repeats)


def print_format(name: str, trace: EmbeddingTrace | AddressTrace, folder: Path, repeats: int) -> None:
    """Two lines: writing once, reading the best of several."""
    count = trace.lookups if isinstance(trace, EmbeddingTrace) else trace.requests
    path = folder / f"bench.{name}"
    print_rate(f"{name} write", count, path, partial(write_trace, trace, path, name), 1)
    print_rate(f"{name} read", count, path, partial(read_trace, path, format=name), repeats)


def print_rate(what: str, count: int, path: Path, function: Callable[[], Any], repeats: int) -> None:
    cpu_s, wall_s = best(function, repeats)
    size = sum(part.stat().st_size for part in ([path] if path.is_file() else path.iterdir()))
    goal = PARQUET_GOAL_M_S if what == "parquet read" else 0
    missed = "  goal missed" if count / wall_s / 1e6 < goal else ""
    rates = f"{count / cpu_s / 1e6:>9.1f}{count / wall_s / 1e6:>10.1f}"
    print(f"{what:<24}{count / 1e6:>8.0f}{size / count:>8.2f}{rates}{missed}", flush=True)


def print_opening(folder: Path, repeats: int) -> None:
    """How long a native trace of 1e9 lookups takes to open; its files are sparse."""
    count, path = 10**9, folder / "long"
    write_native(lookups(800), path)
    sidecar = json.loads((path / "trace.json").read_text())
    sidecar |= {"lookups": count, "bags": count // 80}
    for name, length in {"rows": count, "bag_offsets": count // 80 + 1, "bag_tables": count // 80}.items():
        dtype = np.dtype(sidecar["columns"][name]["dtype"])
        column = np.lib.format.open_memmap(path / f"{name}.npy", "w+", dtype, (length,))
        column[-1] = count if name == "bag_offsets" else 0
        sidecar["columns"][name]["length"] = length
    (path / "trace.json").write_text(json.dumps(sidecar))
    _, wall_s = best(partial(read_trace, path), repeats)
    missed = "  goal missed" if wall_s > OPEN_GOAL_S else ""
    print(
        f"native trace of 1e9 lookups opens in {1000 * wall_s:.2f} ms; goal {1000 * OPEN_GOAL_S:.0f} ms{missed}"
    )
