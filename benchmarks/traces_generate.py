"""How fast traces are generated, in million lookups per CPU-second of one core, the best of several runs."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

from dram import best_cpu_s

from archsim.spec import preset_names
from archsim.traces import load_workload, windows
from archsim.traces.generators.base import WorkloadSpec
from archsim.traces.generators.stream import write

GOAL_M_PER_S = 5
LOOKUPS = 20_000_000
DISK_LOOKUPS = 50_000_000


def made(spec: WorkloadSpec) -> None:
    """Generate all windows and drop them."""
    for _ in windows(spec):
        pass


def print_generation(folder: Path, repeats: int) -> None:
    """Rate of every preset in memory, and of one written to disk, hash included."""
    print(f"generation, million lookups per CPU-second; goal {GOAL_M_PER_S}")
    print(f"{'preset':<18}{'lookups':>12}{'tables made, s':>16}{'all':>8}{'after them':>12}")
    for name in preset_names("workload"):
        spec = load_workload(name, [f"lookups={LOOKUPS}"])
        first = best_cpu_s(partial(made, spec.model_copy(update={"lookups": 1})), repeats)
        whole = best_cpu_s(partial(made, spec), repeats)
        rate, after = LOOKUPS / whole / 1e6, LOOKUPS / (whole - first) / 1e6
        missed = "  goal missed" if rate < GOAL_M_PER_S else ""
        print(f"{name:<18}{LOOKUPS:>12,}{first:>16.2f}{rate:>8.1f}{after:>12.1f}{missed}", flush=True)
    start = time.process_time()
    write(load_workload("meta-2021", [f"lookups={DISK_LOOKUPS}"]), folder / "written")
    rate = DISK_LOOKUPS / (time.process_time() - start) / 1e6
    print(f"meta-2021 to disk with its hash: {DISK_LOOKUPS:,} lookups, {rate:.1f} million per CPU-second")
