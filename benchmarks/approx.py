"""Matrix products of approximate multipliers beside exact ones: time over that of float64 BLAS in the same run.

Every run multiplies matrices of 8-bit numbers, ``--size`` squared, and is checked against the table of products.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from archsim.approx import gemm, metrics, multiplier, plan
from archsim.kernels import approx as kernel

NAMES = ("exact", "drum6", "truncate_3", "udm", "roba", "bam_7", "tosam_1_5", "mitchell")


def best(run: Callable[[], Any], repeats: int) -> tuple[float, float, Any]:
    """Return the least wall and CPU seconds of several runs, and what they give."""
    walls, cpus = [], []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        out = run()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return min(walls), min(cpus), out


def checked(table: np.ndarray, a: np.ndarray, b: np.ndarray, out: np.ndarray) -> bool:
    """Compare some rows with the table, looked up by NumPy."""
    rows = range(0, len(a), max(1, len(a) // 16))
    return all((table[a[i][:, None], b].sum(axis=0, dtype=np.int64) == out[i]).all() for i in rows)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--repeats", type=int, default=7, help="runs of which the best counts")
    options = parser.parse_args()
    rng = np.random.default_rng(1)
    a, b = (rng.integers(0, 256, (options.size, options.size)).astype(np.uint8) for _ in range(2))
    floats = a.astype(np.float64), b.astype(np.float64)
    base = best(lambda: floats[0] @ floats[1], options.repeats)[:2]

    def show(label: str, wall: float, cpu: float, note: str = "") -> None:
        share = f"{wall / base[0]:>7.2f}{cpu / base[1]:>7.2f}"
        print(f"  {label:<30}{1e3 * wall:>9.1f}{1e3 * cpu:>9.1f}{share}  {note}", flush=True)

    print(
        f"{options.size} cubed, 8 bits, {os.cpu_count()} processors: ms, and times float64 BLAS, wall and CPU"
    )
    show("float64 BLAS, exact", *base)
    for name in NAMES:
        each = multiplier(name)
        for method in ("auto", "gather"):
            chosen = plan(each, method)
            if method == "gather" and plan(each).method == "gather":
                continue
            wall, cpu, out = best(lambda e=each, m=method: gemm(a, b, e, method=m), options.repeats)
            note = "" if checked(each.table(), a, b, out) else "WRONG"
            rank = f", rank {chosen.rank}" if chosen.rank else ""
            show(f"{name}, {chosen.method}{rank}", wall, cpu, note)
    table, out = multiplier("mitchell").table(), np.empty((options.size, options.size), np.int64)
    show("triple loop over the table", *best(lambda: kernel.triple_loop(table, a, b, out), 1)[:2])
    whole = a.astype(np.int32), b.astype(np.int32)
    show("NumPy int32 @, exact", *best(lambda: whole[0] @ whole[1], 1)[:2])
    print("errors of all pairs, or of a sample from 16 bits: ms")
    for name in ("drum6", "mitchell", "bam_7"):
        times = []
        for bits in (8, 10, 12, 16):
            times.append(best(lambda n=name, w=bits: metrics(multiplier(n, w)), 2)[0])
        cells = [f"{bits} bits {1e3 * wall:.1f}" for bits, wall in zip((8, 10, 12, 16), times, strict=True)]
        print(f"  {name:<30}{', '.join(cells)}")


if __name__ == "__main__":
    main()
