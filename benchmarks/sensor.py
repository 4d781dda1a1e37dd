"""Policies of a near-sensor stack: wall and CPU time of a sweep, beside its goal."""

from __future__ import annotations

import argparse
import time

from archsim.sensor.policies import POLICIES, Limits, Setting, sweep
from archsim.sensor.powers import ModePower, Powers
from archsim.thermal import TwoPole

ZERO_C_K = 273.15
SETTINGS, MINUTES = 1000, 10
#: Wall seconds asked for, on two cores.
GOAL_S = 20.0


def settings(per_frame: bool) -> list[Setting]:
    """Return every policy over limits and powers, decided each frame or each millisecond."""
    ladder = TwoPole(5.5, 0.909e-3, 28.5, 0.35, 26.3 + ZERO_C_K)
    found = []
    for number in range(SETTINGS):
        watts = 1.0 + 0.004 * number
        powers = Powers(
            ModePower(watts, watts + 0.1), ModePower(0.1, 5.0), ModePower(0.1, 0.15), 1e-3, 100e-6
        )
        limits = Limits(ZERO_C_K + 60 + number % 40, ZERO_C_K + 50 + number % 30)
        found.append(
            Setting(
                ladder, powers, list(POLICIES)[number % len(POLICIES)], limits, duration_s=60.0 * MINUTES,
                requests=7.3 if number % 2 else None, quantised=per_frame,
            )
        )  # fmt: skip
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3, help="runs of which the best counts")
    options = parser.parse_args()
    print(f"{SETTINGS:,} policies over {MINUTES} simulated minutes{'wall s':>12}{'CPU s':>8}{'goal':>8}")
    expected = {}
    for per_frame, name in ((True, "each frame (33 ms)"), (False, "each millisecond")):
        for workers in (1, 2):
            spent = []
            for _ in range(options.repeats if per_frame else 1):
                many = settings(per_frame)
                wall, cpu = time.perf_counter(), time.process_time()
                runs = sweep(many, workers)
                spent.append((time.perf_counter() - wall, time.process_time() - cpu))
                assert expected.setdefault(per_frame, runs) == runs, "other bits with other workers"
            best = min(spent)
            goal = f"{GOAL_S:g}" if per_frame and workers == 2 else "-"
            print(f"{name + f', {workers} threads':<38}{best[0]:>11.2f}{best[1]:>8.2f}{goal:>8}", flush=True)


if __name__ == "__main__":
    main()
