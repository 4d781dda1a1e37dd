"""How fast miss-ratio curves are, and how far samples are off: ``python benchmarks/cache_curves.py``.

Million accesses per CPU-second inside the kernels, best of several runs; a goal missed is printed, not hidden.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

# The traces are those of the benchmark of the policies.
from cache import embedding_trace, zipf_trace

from archsim.cache import Accesses, compare_policies, lru_curve, way_curve

GOAL_M_PER_S = 15.0
SET_GOAL_M_PER_S = 60.0
RATES = (0.1, 0.01, 0.001)


def best_s(work: Callable[[], float], repeats: int) -> float:
    return min(work() for _ in range(repeats))


def print_curve(name: str, ids: np.ndarray, repeats: int) -> None:
    tables = ids // 1_000_000
    exact = lru_curve(ids)
    rate = ids.size / 1e6 / best_s(lambda: lru_curve(ids).kernel_cpu_s, repeats)
    missed = "" if rate >= GOAL_M_PER_S else "  GOAL MISSED"
    print(f"\n{name}: {ids.size:,} accesses to {exact.distinct:,} objects")
    print(f"  {'exact curve':<34}{rate:>8.1f}  (goal {GOAL_M_PER_S:g}){missed}", flush=True)
    source = Accesses.from_ids(ids, tables=tables)
    for label, options in (
        ("also in ten intervals", {"interval": ids.size // 10}),
        ("also by table, shared and alone", {"per_table": True}),
    ):
        cpu_s = best_s(lambda options=options: lru_curve(source, **options).kernel_cpu_s, repeats)
        print(f"  {label:<34}{ids.size / 1e6 / cpu_s:>8.1f}", flush=True)
    far = (ids + 1) * 0x9E3779B97F4A7  # arbitrary names
    cpu_s = best_s(lambda: lru_curve(far).kernel_cpu_s, repeats)
    print(f"  {'arbitrary ids':<34}{ids.size / 1e6 / cpu_s:>8.1f}", flush=True)
    for share in RATES:
        found = lru_curve(ids, sample=share)
        sizes = found.sizes()
        error = np.abs(found.miss_ratio(sizes) - exact.miss_ratio(sizes))
        cpu_s = best_s(lambda share=share: lru_curve(ids, sample=share).kernel_cpu_s, repeats)
        print(
            f"  {f'sample of {share:g}':<34}{ids.size / 1e6 / cpu_s:>8.1f}"
            f"  miss ratio off by {error.mean():.4f} on average, {error.max():.4f} at most",
            flush=True,
        )


def print_sets(name: str, ids: np.ndarray, repeats: int) -> None:
    print(f"\n{name}: all associativities up to")
    for sets, ways in ((128, 16), (1024, 16), (1024, 64)):
        rate = ids.size / 1e6 / best_s(lambda s=sets, w=ways: way_curve(ids, s, w).kernel_cpu_s, repeats)
        goal = f"  (goal {SET_GOAL_M_PER_S:g})" if ways == 16 else ""
        missed = "  GOAL MISSED" if goal and rate < SET_GOAL_M_PER_S else ""
        print(f"  {f'{ways} ways of {sets} sets':<34}{rate:>8.1f}{goal}{missed}", flush=True)


def print_threads(name: str, ids: np.ndarray) -> None:
    sizes = [1000 << shift for shift in range(8)]
    print(f"\n{name}: seconds for sieve and s3fifo at {len(sizes)} sizes")
    for threads in (1, 2):
        start = time.perf_counter()
        compare_policies(ids, ["sieve", "s3fifo"], sizes, threads=threads)
        print(f"  {f'{threads} threads':<34}{time.perf_counter() - start:>8.2f}", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accesses", type=int, default=10_000_000)
    parser.add_argument("--repeats", type=int, default=3, help="runs of which the best counts")
    options = parser.parse_args()
    print("million accesses per CPU-second of one thread")
    zipf = zipf_trace(options.accesses, 1_000_000, 1.0, 101)
    print_curve("zipf 1.0", zipf, options.repeats)
    print_sets("zipf 1.0", zipf, options.repeats)
    print_threads("zipf 1.0", zipf)
    print_curve("embeddings, slow drift", embedding_trace(options.accesses, 105), options.repeats)
    print_curve("zipf 0.7 over 10 M", zipf_trace(options.accesses, 10_000_000, 0.7, 102), options.repeats)


if __name__ == "__main__":
    main()
