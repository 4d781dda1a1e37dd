"""How fast the DRAM channel replays: requests per CPU-second, beside the clocks it comes to and what its peers reached.

Rates are requests of 64 bytes per CPU-second on one core, all statistics on, address decoding included, the best of
several runs. The clocks are printed with them, so that speed cannot drift away from exactness.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from archsim.dram.engine import replay_lines
from archsim.dram.spec import DramSpec
from archsim.spec import apply_overrides
from archsim.validate.reference_traces import TraceMissingError, reference_trace

#: Requests per CPU-second that each workload is to reach.
GOALS = {
    "stream": 15e6,
    "random": 5e6,
    "sls64": 5e6,
    "kaggle128": 5e6,
    "mix": 4e6,
    "paced-stream": 10e6,
    "paced-random": 10e6,
    "paced-sls64": 10e6,
    "paced-mix": 10e6,
}
#: A paced request is offered no earlier than this many clocks after the one before.
PACE_CLK = 30
PACED_REQUESTS = 300_000


class Rate(NamedTuple):
    """One line of the table; ``cycles`` are memory clocks."""

    name: str
    ranks: int
    cycles: int
    requests_per_s: float
    goal: float


def memory(ranks: int, *overrides: str) -> DramSpec:
    """Return the memory that the peers' figures are of."""
    changes = [f"organization.ranks={ranks}", "address_map.preset=skylake-64", *overrides]
    return apply_overrides(DramSpec.load("ddr4-2400"), changes)


def best_cpu_s(work: Callable[[], object], repeats: int) -> float:
    """Shortest CPU time of several runs."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def rates(repeats: int, data: Path | None) -> Iterator[Rate]:
    """Measure every workload with 1 and 2 ranks; those whose trace is missing are left out."""
    for name, goal in GOALS.items():
        paced = name.startswith("paced-")
        try:
            lines, writes = reference_trace(name.removeprefix("paced-"), data)
        except TraceMissingError as missing:
            print(f"{name}: {missing}")
            continue
        count = PACED_REQUESTS if paced else len(lines)
        arrivals = np.arange(count) * PACE_CLK if paced else None
        stored = writes[:count] if writes.any() else None
        for ranks in (1, 2):
            spec = memory(ranks)
            work = partial(replay_lines, spec, lines[:count], writes=stored, arrivals_clk=arrivals)
            cycles = work().counts()["last_data_clk"]
            yield Rate(name, ranks, cycles, count / best_cpu_s(work, repeats), goal)


def print_rates(repeats: int, data: Path | None, peers: dict[str, dict[str, float]]) -> None:
    """Print the table of `rates`."""
    titles = "".join(f"{peer:>12}{'ratio':>8}" for peer in peers)
    print(f"{'DRAM channel':<16}{'ranks':>6}{'clocks':>12}{'M req/s':>9}{'goal':>6}{titles}")
    for rate in rates(repeats, data):
        text = f"{rate.name:<16}{rate.ranks:>6}{rate.cycles:>12,}"
        text += f"{rate.requests_per_s / 1e6:>9.2f}{rate.goal / 1e6:>6.0f}"
        for figures in peers.values():
            peer = figures.get(f"{rate.name}-{rate.ranks}rank")
            text += f"{peer / 1e6:>12.3f}{rate.requests_per_s / peer:>7.1f}x" if peer else " " * 20
        print(text + ("  GOAL MISSED" if rate.requests_per_s < rate.goal else ""), flush=True)


def print_threads(repeats: int) -> None:
    """Print what a second channel on a second thread brings, in wall time."""
    lines = np.random.default_rng(7).integers(0, 1 << 26, 4_000_000)
    one, two = memory(2), memory(2, "organization.channels=2")
    wall_s = []
    for spec, work in ((one, lines[::2]), (two, lines)):
        times = []
        for _ in range(repeats):
            start = time.perf_counter()
            replay_lines(spec, work)
            times.append(time.perf_counter() - start)
        wall_s.append(min(times))
    print(
        f"2 channels on 2 threads: {2 * wall_s[0] / wall_s[1]:.2f} times the requests per second of 1 (goal 1.7)"
    )


def print_memory(requests: int) -> None:
    """Replay a long random trace, drawn chunk by chunk, and print the peak memory of this process."""
    from archsim.dram.engine import DramReplay

    draw, chunk = np.random.default_rng(11), 1 << 20
    start = time.perf_counter()
    with DramReplay(memory(2)) as replay:
        for first in range(0, requests, chunk):
            replay.feed_lines(draw.integers(0, 1 << 26, min(chunk, requests - first)))
        replay.finish()
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{requests:,} requests in {time.perf_counter() - start:.1f} s, peak memory {peak_mb:.0f} MB (goal 600)"
    )
