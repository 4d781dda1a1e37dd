"""How fast and in how much memory traces are analysed: lookups per CPU-second and per second, bytes per row.

Memory is that of this process without the pages of the mapped columns, which the system takes back when it needs them.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from archsim.kernels.reuse import RowNumbers, StackDistances
from archsim.traces import EmbeddingTrace, Table, open_trace, read_native, trace_info, write_native
from archsim.traces.analysis.counting import MAX_BYTES

GOAL_PER_S = 5e6
GOAL_OPEN_S = 0.1


def print_rates(lookups: int, repeats: int) -> None:
    """Print the rates of the kernels on ids drawn beforehand, and of all figures of a generated trace."""
    draw = np.random.default_rng(101)
    weights = np.cumsum(1 / np.arange(1, 1_000_001))
    zipf = np.searchsorted(weights / weights[-1], draw.random(lookups)).astype(np.int32)
    streams = {
        "Zipf 1.0 over 1 M": draw.permutation(1_000_000).astype(np.int32)[zipf],
        "uniform over 1 M": draw.integers(0, 1_000_000, lookups, np.int32),
        "uniform over 10 M": draw.integers(0, 10_000_000, lookups, np.int32),
    }
    print(f"{'analysis, million lookups per CPU-second':<44}{'numbered':>10}{'distances':>10}")
    for name, rows in streams.items():
        ids = RowNumbers().number(rows, np.array([lookups]))[0]
        numbered = _best_cpu_s(lambda rows=rows: RowNumbers().number(rows, np.array([lookups])), repeats)
        distances = _best_cpu_s(lambda ids=ids: StackDistances().feed(ids), repeats)
        print(f"{name:<44}{lookups / numbered / 1e6:>10.1f}{lookups / distances / 1e6:>10.1f}", flush=True)
    trace = open_trace("preset:zipf", kind="lookups", overrides=[f"lookups={lookups}"])
    assert trace.sha256
    cpu_s = _best_cpu_s(partial(trace_info, trace), repeats)
    start = time.perf_counter()
    trace_info(trace)
    wall_s = time.perf_counter() - start
    missed = "  GOAL MISSED" if lookups / cpu_s < GOAL_PER_S else ""
    print(f"all figures of preset:zipf, {lookups:,} lookups: {lookups / cpu_s / 1e6:.1f} M per CPU-second "
          f"(goal {GOAL_PER_S / 1e6:.0f}), {lookups / wall_s / 1e6:.1f} M per second{missed}")  # fmt: skip


def print_long(lookups: int, rows_per_table: int, max_bytes: int = MAX_BYTES) -> None:
    """Write a long native trace, open and analyse it, and print time and peak memory."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long"
        _write_long(path, lookups, rows_per_table)
        start = time.perf_counter()
        trace = read_native(path)
        open_s = time.perf_counter() - start
        before = _anonymous_bytes()
        with _Peak() as peak:
            start, cpu_start = time.perf_counter(), time.process_time()
            info = trace_info(trace, max_bytes=max_bytes)
            wall_s, cpu_s = time.perf_counter() - start, time.process_time() - cpu_start
    used = peak.highest - before
    print(f"{lookups:,} lookups of {info['unique_rows']:,} rows, {info['counting']['label']}, counters up to "
          f"{max_bytes / 2**20:,.0f} MiB: opened in {1000 * open_s:.1f} ms (goal {1000 * GOAL_OPEN_S:.0f}), "
          f"{lookups / cpu_s / 1e6:.1f} M per CPU-second, {lookups / wall_s / 1e6:.1f} M per second, "
          f"{used / 2**20:,.0f} MiB, {used / info['unique_rows']:.0f} B per row")  # fmt: skip


def _write_long(path: Path, lookups: int, rows_per_table: int) -> None:
    """Write uniform lookups of eight tables, drawn piece by piece, as a native trace."""
    draw = np.random.default_rng(7)
    raw = path.with_suffix(".npy")
    rows = np.lib.format.open_memmap(raw, "w+", np.int32, (lookups,))
    for start in range(0, lookups, 1 << 22):
        part = rows[start : start + (1 << 22)]
        part[:] = draw.integers(0, rows_per_table, len(part), np.int32)
    bags = lookups // 80
    tables = tuple(Table(f"table_{number}", rows_per_table, 128) for number in range(8))
    owners = (np.arange(bags) % 8).astype(np.int32)
    offsets = np.append(np.arange(bags) * 80, lookups)
    write_native(EmbeddingTrace("long", tables, rows, offsets, owners), path)


class _Peak:
    """The most memory that is not a mapped file, looked at often from another thread."""

    def __enter__(self) -> _Peak:
        self.highest, self._stop = 0, threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.01):
            self.highest = max(self.highest, _anonymous_bytes())


def _anonymous_bytes() -> int:
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("RssAnon"))


def _best_cpu_s(work: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)
