"""Temperatures of the stack `cis3`: CPU time of one thread, beside its goals and the recorded times of two peers.

Set OMP_NUM_THREADS=1 and OPENBLAS_NUM_THREADS=1. The peers' times are whole processes, recorded on one machine.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from archsim.thermal import Stack, ThermalModel

#: Wall seconds of 3D-ICE 4.0 and HotSpot 7 with SuperLU, by row.
PEERS = {
    "steady 32": (0.28, 0.17), "steady 64": (1.79, 1.61), "steady 128": (8.19, 33.4), "200 times 32": (0.28, 40.0),
}  # fmt: skip
#: CPU seconds asked for, spectral and sparse.
GOALS = {"steady 128": (20e-3, 3.0), "200 times 32": (60e-3, None)}


def best(run: Callable[[], Any], repeats: int) -> float:
    """Return the least CPU seconds of several runs."""
    spent = []
    for _ in range(repeats):
        start = time.process_time()
        run()
        spent.append(time.process_time() - start)
    return min(spent)


def steady(stack: Stack, cells: int, solver: str) -> Any:
    """Solve from the specification to means, maxima and maps of all layers."""
    model = ThermalModel(stack, cells, solver=solver)
    found = model.steady()
    return found.avg_k, found.max_k, [found.layer_k(name) for name in model.net.layers]


def heating(stack: Stack, cells: int, solver: str) -> Any:
    """Solve for 200 output times, exact or by backward Euler."""
    method = "exact" if solver == "spectral" else "be"
    times = np.arange(1, 201, dtype=np.float64) * 1e-3
    return ThermalModel(stack, cells, solver=solver).transient(None, times, method=method, step_s=1e-3)  # type: ignore[arg-type]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5, help="runs of which the best counts")
    options = parser.parse_args()
    stack = Stack.load("cis3")
    print(f"{'':<14}{'spectral':>12}{'goal':>8}{'sparse':>12}{'goal':>8}{'3D-ICE':>10}{'HotSpot':>10}   s")
    for row, peers in PEERS.items():
        cells, run = int(row.split()[-1]), heating if row.startswith("200") else steady
        line = f"{row:<14}"
        for solver, goal in zip(("spectral", "sparse"), GOALS.get(row, (None, None)), strict=True):
            spent = best(
                lambda run=run, cells=cells, solver=solver: run(stack, cells, solver), options.repeats
            )  # type: ignore[misc]
            line += f"{spent:>12.4f}{'-' if goal is None else goal:>8}"
        print(line + "".join(f"{peer:>10.2f}" for peer in peers), flush=True)


if __name__ == "__main__":
    main()
