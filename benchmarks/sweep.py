"""How fast a sweep runs: points per second with one and two workers, and what a point costs beside its replay.

Run ``python benchmarks/sweep.py`` on a quiet machine; ``--points`` and ``--lookups`` make it shorter. Goals for 1,000
points of 100,000 lookups: two workers in under 3 minutes, at least 1.8 times one worker, under 20 ms beside the kernel.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import statistics
import tempfile
import time
from pathlib import Path

import archsim
from archsim.studies.axes import parse_axes
from archsim.studies.plan import make_plan
from archsim.studies.runner import Runner
from archsim.studies.space import Space
from archsim.studies.sweeping import run_plan


def axes(system: str, points: int) -> list[str]:
    """Three parameters of near-memory units or of a host, about as many points as asked for."""
    side = max(1, round(points ** (1 / 3)))
    last = f"dram.timing.tRCD=14..{13 + side}"
    if system.startswith("host"):
        return [f"dram.timing.tRP=14..{13 + side}", f"dram.timing.CL=14..{13 + side}", last]
    sizes = ",".join(f"{8 * (number + 1)}KiB" for number in range(side))
    return [f"nmp.cache.size={sizes}", f"nmp.poolings_per_packet=1..{side}", last]


def cpu_s() -> tuple[float, float]:
    """Return the processor time of this process, and of its children that have ended."""
    usage = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    own, children = (each.ru_utime + each.ru_stime for each in usage)
    return own, children


def run(system: str, points: int, lookups: int, workers: int, folder: Path) -> tuple[float, str]:
    """Print the figures of one sweep; return points per second and the digest of the study."""
    started = time.perf_counter()
    space = Space(["preset:zipf"], [system], folder, reading={"limit": lookups})
    plan = make_plan(space, parse_axes(axes(system, points)))
    planned = time.perf_counter() - started
    before = cpu_s()
    with Runner(workers=workers) as runner:
        state = run_plan(plan, space, folder, runner)
    while multiprocessing.active_children():  # processor time counts when a process has ended
        time.sleep(0.05)
    parent, inside = (after - start for after, start in zip(cpu_s(), before, strict=True))
    study = archsim.open_study(folder)
    rows = study.to_arrow(["wall_s", "kernel_cpu_s"]).to_pylist()
    # The first points of a worker load its libraries.
    settled = sorted(row["wall_s"] for row in rows)[: len(rows) * 9 // 10]
    beside = statistics.median(row["wall_s"] - row["kernel_cpu_s"] for row in rows)
    kernel = sum(row["kernel_cpu_s"] for row in rows) / len(rows)
    each = state.wall_s * workers / state.ran
    print(
        f"{system}, {state.ran:,} points of {lookups:,} lookups, {workers} workers: planned in {planned:.2f} s, "
        f"ran in {state.wall_s:.1f} s, {state.ran / state.wall_s:.2f} points/s"
    )
    print(
        f"  a point: {1e3 * each:.2f} ms of a worker, {1e3 * sum(settled) / len(settled):.2f} ms inside it, "
        f"{1e3 * kernel:.2f} ms of them in the kernel"
    )
    print(
        f"  processor time of a point: {1e3 * inside / state.ran:.2f} ms in workers, their start included, "
        f"{1e3 * parent / state.ran:.2f} ms in the parent"
    )
    print(
        f"  beside the kernel: {1e3 * beside:.2f} ms in the worker (median), with the parent's "
        f"{1e3 * (beside + parent / state.ran):.2f} ms"
    )
    return state.ran / state.wall_s, study.digest()


def main() -> None:
    """Compare one worker with two."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=1000)
    parser.add_argument("--lookups", type=int, default=100_000)
    parser.add_argument("--system", default="recnmp-opt-8rank")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        found = {
            workers: run(
                arguments.system, arguments.points, arguments.lookups, workers, Path(scratch) / str(workers)
            )
            for workers in (2, 1)
        }
    (one, first), (two, second) = found[1], found[2]
    print(
        f"two workers are {two / one:.2f} times one; the studies are {'equal' if first == second else 'DIFFERENT'}"
    )


if __name__ == "__main__":
    main()
