"""Crossbars with wire resistance: CPU time of the transfer matrix, of further inputs, and of a sparse solution each.

One thread; the best of several runs. Goals: 64 x 64 within 15 ms, then 256 inputs within 1 ms.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from archsim.analog import Crossbar, Wires
from archsim.analog.elementary import key_of, normals
from archsim.analog.metrology import ideal_codes, thresholds_of

INPUTS = 256


def best_ms(run: Callable[[], Any], repeats: int) -> float:
    """Return the least CPU time of several runs, in ms."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return 1e3 * min(times)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7, help="runs of which the best counts")
    options = parser.parse_args()
    rng = np.random.default_rng(1)
    further_title = f"{INPUTS} inputs"
    around = Wires(r_word_ohm=1.0, r_bit_ohm=1.0)
    print(
        f"{'crossbar':<12}{'transfer matrix':>17}{further_title:>13}{'sparse, 1 input':>17}  CPU ms, and difference"
    )
    for size in (16, 32, 64, 128, 256):
        g, v = rng.uniform(1e-6, 1e-4, (size, size)), rng.uniform(0.0, 0.2, (INPUTS, size))
        matrix = best_ms(lambda g=g: Crossbar(g, around).transfer, options.repeats if size < 256 else 2)
        crossbar = Crossbar(g, around)
        found = crossbar.outputs(v)
        further = best_ms(lambda c=crossbar, v=v: c.outputs(v), options.repeats)
        sparse = best_ms(lambda c=crossbar, v=v: c.solve_direct(v[0]), 2)
        away = np.abs(found[0] / crossbar.solve_direct(v[0]) - 1).max()
        print(f"{size:>4} x {size:<5}{matrix:>17.2f}{further:>13.3f}{sparse:>17.1f}  {away:.1e}", flush=True)
    drawn = best_ms(lambda: normals(key_of(1), 1_000_000), 3)
    static = best_ms(lambda: thresholds_of(lambda x: ideal_codes(x, 14), 14), 3)
    print(f"1,000,000 normal numbers {drawn:.0f} ms, 16,383 thresholds by bisection {static:.0f} ms")


if __name__ == "__main__":
    main()
