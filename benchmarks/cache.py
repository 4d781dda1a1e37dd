"""How fast cache policies replay, beside libCacheSim at its best, in one run on one machine.

``python benchmarks/cache.py`` prints million accesses per CPU-second of one thread, each the best of several runs that
alternate with those of libCacheSim, whose hash table is given the size that suits it best of those tried. Goals are
those the project set itself; a goal missed is printed, not hidden. Without libcachesim (test extra) its columns stay
empty. pycachesim, whose licence keeps it out of the dependencies, runs in a process of its own, where a Python has it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from archsim.cache import SetCache, simulate

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import libcachesim_runs

try:
    import libcachesim
except ImportError:
    libcachesim = None

#: How many times as fast as libCacheSim a policy is to be: on dense ids, on arbitrary ids (0: no goal).
GOALS = {
    "lru": (5.0, 2.5),
    "fifo": (6.0, 0.0),
    "clock": (6.0, 0.0),
    "sieve": (6.0, 0.0),
    "lfu": (4.0, 0.0),
    "arc": (4.0, 0.0),
    "s3fifo": (4.0, 0.0),
    "wtinylfu": (4.0, 0.0),
    "slru": (0.0, 0.0),
    "2q": (0.0, 0.0),
    "belady": (0.0, 0.0),
}
SET_GOAL_M_PER_S = 60.0
WAYS = 16
PEER_ACCESSES = 1_000_000  # of pycachesim
TABLE_POWERS = (1, 3)  # libCacheSim's table: 2 or 8 buckets an entry


def zipf_trace(accesses: int, objects: int, skew: float, seed: int) -> np.ndarray:
    """Return Zipf-distributed ids below `objects`, the frequent ones scattered among them."""
    random = np.random.default_rng(seed)
    weights = np.cumsum(np.arange(1, objects + 1, dtype=np.float64) ** -skew)
    ranks = np.searchsorted(weights / weights[-1], random.random(accesses), side="right")
    return random.permutation(objects)[np.minimum(ranks, objects - 1)].astype(np.int64)


def embedding_trace(accesses: int, seed: int) -> np.ndarray:
    """Return lookups of 8 tables of a million rows, poolings of 80, skews from 0.6 to 1.2, and slow drift."""
    tables, rows, pooling = 8, 1_000_000, 80
    samples = -(-accesses // (tables * pooling))
    ids = np.empty((samples, tables, pooling), np.int64)
    for table, skew in enumerate(np.linspace(0.6, 1.2, tables)):
        ranks = zipf_trace(samples * pooling, rows, skew, seed + table).reshape(samples, pooling)
        drift = np.arange(samples)[:, None] // 200 * 3  # every 200 samples the names move by three
        ids[:, table] = (ranks + drift) % rows + table * rows
    return ids.reshape(-1)[:accesses]


def best_s(runs: list[Callable[[], float]], repeats: int) -> list[float]:
    """Return the least CPU seconds of each run, all of them in turn, `repeats` times."""
    return [min(times) for times in zip(*[[run() for run in runs] for _ in range(repeats)], strict=True)]


def our_run(policy: str, ids: np.ndarray, entries: int, objects: int) -> float:
    return simulate(policy, ids, entries, objects=objects).kernel_cpu_s


def their_run(policy: str, path: Path, entries: int, power: int) -> float:
    reader = libcachesim.TraceReader(str(path), libcachesim.TraceType.ORACLE_GENERAL_TRACE)
    bits = int(entries).bit_length() + power
    cache = getattr(libcachesim, libcachesim_runs.CLASSES[policy])(entries, hashpower=bits)
    began = time.thread_time()
    cache.process_trace(reader)
    return time.thread_time() - began


def print_policies(name: str, ids: np.ndarray, entries: int, repeats: int, policies: list[str]) -> None:
    objects, distinct = int(ids.max()) + 1, np.unique(ids).size
    print(f"\n{name}: {ids.size:,} accesses to {distinct:,} of {objects:,} objects, {entries:,} entries")
    print(f"{'policy':<10}{'hit ratio':>10}{'theirs':>8}{'dense':>8}{'ratio':>7}{'goal':>6}", end="")
    print(f"{'any ids':>9}{'ratio':>7}{'goal':>6}{'B/object':>10}")
    wide = (ids + 1) * 0x9E3779B97F4A7C1  # arbitrary names
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace"
        libcachesim_runs.write(ids, path)
        for policy in policies:
            runs = [
                partial(our_run, policy, ids, entries, objects),
                partial(our_run, policy, wide, entries, 0),
            ]
            if libcachesim is not None:
                runs += [partial(their_run, policy, path, entries, power) for power in TABLE_POWERS]
            dense, hashed, *theirs = best_s(runs, repeats)
            rate = [ids.size / 1e6 / s for s in (min(theirs, default=np.inf), dense, hashed)]
            result = simulate(policy, ids, entries, objects=objects)
            print(f"{policy:<10}{result.hit_ratio:>10.5f}{rate[0]:>8.1f}", end="")
            for goal, ours in zip(GOALS[policy], rate[1:], strict=True):
                met = f"{goal:g}" + ("" if ours >= goal * rate[0] else "!") if goal else ""
                ratio = f"{ours / rate[0]:.1f}x" if rate[0] else ""
                print(f"{ours:>8.1f}{ratio:>7}{met:>6} ", end="")
            print(f"{result.state_bytes / objects:>8.1f}", flush=True)


def pycachesim_run(python: str, ids: np.ndarray, sets: int) -> tuple[float, int] | None:
    """Return CPU seconds and hits of pycachesim in a process of its own; None where it is not installed."""
    script = Path(__file__).with_name("pycachesim_run.py")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "addresses"
        (ids * 64).tofile(path)
        done = subprocess.run(
            [python, script, path, str(sets), str(WAYS)], stdout=subprocess.PIPE, text=True, check=False
        )
    if done.returncode:
        return None
    seconds, hits = done.stdout.split()
    return float(seconds), int(hits)


def print_sets(name: str, ids: np.ndarray, repeats: int, python: str) -> None:
    print(f"\n{name}: {WAYS}-way LRU, 64 B lines, one per object (goal {SET_GOAL_M_PER_S:g})", end="")
    print(f"; pycachesim over the first {min(PEER_ACCESSES, ids.size):,}")
    for size in (128 << 10, 1 << 20):

        def run(size: int = size) -> float:
            cache = SetCache(size_bytes=size, line_bytes=64, ways=WAYS)
            began = time.thread_time()
            cache.access(ids * 64)
            return time.thread_time() - began

        (best,) = best_s([run], repeats)
        rate = ids.size / 1e6 / best
        print(f"{size >> 10:>6} KiB {rate:>8.1f}", end="")
        peer = pycachesim_run(python, ids[:PEER_ACCESSES], size // 64 // WAYS)
        if peer is not None:
            seconds, hits = peer
            part = ids[:PEER_ACCESSES]
            same = SetCache(size_bytes=size, line_bytes=64, ways=WAYS).access(part * 64).hits == hits
            theirs = part.size / 1e6 / seconds
            print(
                f"   pycachesim {theirs:.1f}, {rate / theirs:.0f}x",
                "same hits" if same else "OTHER HITS",
                end="",
            )
        print(flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accesses", type=int, default=10_000_000)
    parser.add_argument("--repeats", type=int, default=3, help="runs of which the best counts")
    parser.add_argument("--policies", default=",".join(GOALS))
    parser.add_argument("--pycachesim", metavar="PYTHON", default=sys.executable, help="a Python that has it")
    options = parser.parse_args()
    policies = options.policies.split(",")
    zipf = zipf_trace(options.accesses, 1_000_000, 1.0, 101)
    print("million accesses per CPU-second of one thread; ! marks a goal missed")
    print_policies("zipf 1.0", zipf, 10_000, options.repeats, policies)
    rows = embedding_trace(options.accesses, 105)
    print_policies("embeddings, slow drift", rows, 80_000, options.repeats, policies)
    print_sets("zipf 1.0", zipf, options.repeats, options.pycachesim)


if __name__ == "__main__":
    main()
