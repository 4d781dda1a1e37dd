"""How fast archsim replays, as rates of the domain, beside what its peers reached.

Run it on a quiet machine: ``make bench``. Rates are requests (or lookups) per CPU-second of the replay kernel, one
core, all statistics on, the best of several runs. Goals are those the project set itself; a goal missed is printed,
not hidden.
"""

from __future__ import annotations

import argparse
import time
import tomllib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import analysis
import dram

from archsim import __version__, load_system, open_trace, simulate

PEERS = Path(__file__).with_name("peers.toml")


#: Lookups per CPU-second, everything included, that RecNMP with RankCaches is to reach.
SYSTEM_GOALS = {"recnmp-opt-8rank in all": 3e6}


def system_rates(lookups: int, repeats: int) -> Iterator[tuple[str, float]]:
    """Lookups per CPU-second of whole systems, inside the kernel and with everything around it."""
    trace = open_trace("preset:recnmp-comb8", overrides=[f"lookups={lookups}"])
    for name in ("host-8rank", "recnmp-base-8rank", "recnmp-opt-8rank"):
        system = load_system(name)
        simulate(system, trace.limit(1000))  # compiles what is not compiled yet
        whole = dram.best_cpu_s(partial(simulate, system, trace), repeats)
        kernel = min(simulate(system, trace).kernel_cpu_s for _ in range(repeats))
        yield f"{name} kernel", lookups / kernel
        yield f"{name} in all", lookups / whole


#: Milliseconds that a replay of 100,000 lookups may cost beyond its kernel.
OVERHEAD_GOAL_MS = 20


def overheads_ms(repeats: int) -> Iterator[tuple[str, float]]:
    """CPU time of one point of a sweep beyond its kernel, the least of several runs."""
    trace = open_trace("preset:zipf", limit=100_000)
    for name in ("host-8rank", "recnmp-base-8rank", "recnmp-opt-8rank"):
        system = load_system(name)
        simulate(system, trace)  # loads and compiles what is not there yet
        beyond = []
        for _ in range(repeats):
            start = time.process_time()
            kernel = simulate(system, trace).kernel_cpu_s
            beyond.append(time.process_time() - start - kernel)
        yield name, 1e3 * min(beyond)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder with kaggle-emb.npz, for the workload kaggle128")
    parser.add_argument("--lookups", type=int, default=4_000_000, help="lookups per system workload")
    parser.add_argument("--long", type=int, default=100_000_000, help="requests of the memory test; 0: none")
    parser.add_argument("--repeats", type=int, default=5, help="runs of which the best counts")
    options = parser.parse_args()
    peers = tomllib.loads(PEERS.read_text(encoding="utf-8"))
    labels = {name: figures.pop("label") for name, figures in peers.items()}
    print(f"archsim {__version__}, million requests of 64 B per CPU-second, one core\n")
    dram.print_rates(options.repeats, options.data, peers)
    for name, label in labels.items():
        print(f"  {name}: {label}")
    print("  peers' figures were measured earlier on the reference machine, not in this run\n")
    dram.print_threads(options.repeats)
    if options.long:
        dram.print_memory(options.long)
    print("\nsystems, million lookups of 128 B per CPU-second")
    for name, rate in system_rates(options.lookups, options.repeats):
        goal = SYSTEM_GOALS.get(name)
        print(f"{name:<26}{rate / 1e6:>7.2f}{f'  (goal {goal / 1e6:g})' if goal else ''}", flush=True)
    print(f"\nreplays of 100,000 lookups, ms of CPU time beyond the kernel (goal {OVERHEAD_GOAL_MS})")
    for name, overhead in overheads_ms(options.repeats):
        print(f"{name:<26}{overhead:>7.1f}", flush=True)
    print()
    analysis.print_rates(10_000_000, options.repeats)
    if options.long:
        analysis.print_long(options.long, 1_000_000)
        analysis.print_long(options.long, 1_000_000, 128 << 20)


if __name__ == "__main__":
    main()
