"""How fast archsim replays, as rates of the domain, beside what its peers reached.

Run it on a quiet machine: ``make bench``. Rates are requests (or lookups) per CPU-second of the replay kernel, one
core, all statistics on, the best of several runs. Goals are those the project set itself; a goal missed is printed,
not hidden.
"""

from __future__ import annotations

import argparse
import time
import tomllib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from archsim import __version__, load_system, open_trace, simulate
from archsim.dram.engine import replay_lines
from archsim.dram.spec import DramSpec
from archsim.spec import apply_overrides

PEERS = Path(__file__).with_name("peers.toml")
#: Requests per CPU-second that each workload is to reach.
GOALS = {"stream": 8.0e6, "random": 2.5e6}
GIB = 1 << 30


def requests(name: str, n: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Lines and write flags of a workload; the same rules as those behind the peers' figures."""
    if name == "stream":
        return np.arange(n), None
    if name == "random":
        return np.random.default_rng(101).integers(0, 4 * GIB // 64, n, dtype=np.uint64).astype(
            np.int64
        ), None
    draw = np.random.default_rng(105)
    scattered, writes = draw.random(n) < 0.5, draw.random(n) < 0.30
    lines = np.empty(n, dtype=np.int64)
    lines[scattered] = draw.integers(0, 4 * GIB // 64, int(scattered.sum()), dtype=np.uint64).astype(np.int64)
    lines[~scattered] = 4 * GIB // 64 + np.arange(int((~scattered).sum()))
    return lines, writes


def best_cpu_s(work: Callable[[], object], repeats: int) -> float:
    """Shortest CPU time of several runs."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def channel_rates(n: int, repeats: int) -> Iterator[tuple[str, float]]:
    """Requests per CPU-second of the DRAM channel."""
    for name in ("stream", "random", "mix"):
        lines, writes = requests(name, n)
        for ranks in (1, 2):
            spec = apply_overrides(
                DramSpec.load("ddr4-2400"),
                [f"organization.ranks={ranks}", "address_map.preset=skylake-64"],
            )
            work = partial(replay_lines, spec, lines, writes=writes)
            seconds = best_cpu_s(work, repeats)
            yield f"{name}-{ranks}rank", n / seconds


def system_rates(lookups: int, repeats: int) -> Iterator[tuple[str, float]]:
    """Lookups per CPU-second of whole systems, inside the kernel and with everything around it."""
    trace = open_trace("preset:zipf", overrides=[f"lookups={lookups}"])
    for name in ("host-8rank", "recnmp-base-8rank"):
        system = load_system(name)
        simulate(system, trace.limit(1000))  # compiles what is not compiled yet
        whole = best_cpu_s(partial(simulate, system, trace), repeats)
        kernel = min(simulate(system, trace).kernel_cpu_s for _ in range(repeats))
        yield f"{name} kernel", lookups / kernel
        yield f"{name} in all", lookups / whole


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=1_000_000, help="requests per channel workload")
    parser.add_argument("--lookups", type=int, default=500_000, help="lookups per system workload")
    parser.add_argument("--repeats", type=int, default=5, help="runs of which the best counts")
    options = parser.parse_args()
    peers = tomllib.loads(PEERS.read_text(encoding="utf-8"))
    print(f"archsim {__version__}, million requests of 64 B per CPU-second, one core\n")
    print(
        f"{'DRAM channel':<14}{'archsim':>9}{'goal':>7}"
        + "".join(f"{name:>12}{'ratio':>8}" for name in peers)
    )
    for name, rate in channel_rates(options.requests, options.repeats):
        goal = GOALS.get(name.split("-")[0])
        text = f"{name:<14}{rate / 1e6:>9.2f}" + (f"{goal / 1e6:>7.1f}" if goal else " " * 7)
        for figures in peers.values():
            text += f"{figures[name] / 1e6:>12.3f}{rate / figures[name]:>7.1f}x"
        print(text + ("  GOAL MISSED" if goal and rate < goal else ""), flush=True)
    for name, figures in peers.items():
        print(f"  {name}: {figures['label']}")
    print("  peers' figures were measured earlier on the reference machine, not in this run\n")
    print("systems, million lookups of 128 B per CPU-second")
    for name, rate in system_rates(options.lookups, options.repeats):
        print(f"{name:<26}{rate / 1e6:>7.2f}", flush=True)


if __name__ == "__main__":
    main()
