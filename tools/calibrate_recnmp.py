"""Calibrate the curves of reuse of ``recnmp-comb8`` to Figures 7a and 12 of RecNMP (ISCA 2020), and print them.

    python tools/calibrate_recnmp.py > curves.toml             # from the bars of Fig. 12
    python tools/calibrate_recnmp.py --refine > curves.toml    # from the preset as it is

This is how the numbers of ``archsim/presets/workload/recnmp-comb8.toml`` came about; ``archsim validate traces`` shows
what they give. A table has three numbers of its own, which mostly decide one bar of Fig. 12 each: its shares at 1,024
rows (baseline), at 8,192 rows (schedule) and in all (ideal). Four numbers of all tables together place the other knots,
and with ``cold_share`` answer for Fig. 7a. They are found by damped Gauss-Newton steps on generated traces, of seeds
other than those that are validated. A round takes about a minute. The shipped numbers are what ``--refine --rounds 2``
printed, begun with the result of eight rounds.

Copies that draw independently make Comb-2N at twice the capacity hit like Comb-N, so several bars of Fig. 7a ask for
one number. Where they differ, the middle between the highest and the lowest is the target, and what is left of the
tolerance is the weight.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
from numpy.typing import NDArray

from archsim.traces.generators.stackdist import StackDistanceSpec
from archsim.traces.generators.stream import windows
from archsim.validate.hit_ratios import line_hits
from archsim.validate.traces_recnmp import MIB, POINTS, Place, figure12, figures, specification

Vector = NDArray[np.float64]

TABLES = 8
FITTED = (256, 1024, 2048, 4096, 8192, 16384, 32768, 65536)
"""Depths of the curves after the first, which is the lookups of a bag."""

SEEDS_FIG12, SEED_FIG7A = (11, 12, 13), 11
STEP, LONGEST, POWER, DAMPING = 0.12, 0.6, 1.5, 0.02
"""Gauss-Newton: difference for a derivative, longest step, weight of large deviations, first damping."""


def share(x: Vector) -> Vector:
    """Map any number to (0, 1)."""
    return 1 / (1 + np.exp(-x))


def unshare(p: Vector) -> Vector:
    """Invert `share`."""
    return np.log(p / (1 - p))


def targets() -> tuple[list[Place | int], Vector, Vector]:
    """Return what is measured (a bar of Fig. 12, or Comb-8 in so many MiB), its target and its tolerance."""
    keys: list[Place | int] = []
    wanted: dict[Place | int, list[float]] = {}
    for place, percent in figures().items():
        key: Place | int = place
        if place.figure == "7a":
            key = int(place.cache_mib) * TABLES // int(place.trace.partition("-")[2])
        wanted.setdefault(key, []).append(percent)
    keys = list(wanted)
    middle = np.array([(max(wanted[key]) + min(wanted[key])) / 2 for key in keys])
    half = np.array([(max(wanted[key]) - min(wanted[key])) / 2 for key in keys])
    allowed = np.array([POINTS["interleaved" if isinstance(key, int) else key.series] for key in keys])
    return keys, middle, allowed - half


def first_guess() -> Vector:
    """Begin with the bars of Fig. 12 themselves."""
    bars = figures()
    ideal, schedule, baseline = (
        np.array([bars[Place("12", "Comb-8", series, mib, f"T{t + 1}")] / 100 for t in range(TABLES)])
        for series, mib in (("ideal", ""), ("schedule", "1"), ("baseline", "1"))
    )
    common = np.array([0.5, 0.5, 0.8, 0.95, 0.35])
    parts = [np.minimum(ideal + 0.05, 0.95), 0.9 * schedule / ideal, 0.9 * baseline / schedule, common]
    return unshare(np.concatenate(parts))


def preset_guess() -> Vector:
    """Begin with the curves of the preset."""
    spec = _preset("12", 1)
    share_at = {depth: np.array(spec.hit_share)[:, k] for k, depth in enumerate(spec.depths)}
    near, far, total = share_at[1024], share_at[8192], share_at[FITTED[-1]]
    middle, higher = (share_at[4096] - near).sum(), (share_at[32768] - far).sum()
    common = [
        (share_at[2048] - near).sum() / middle, middle / (far - near).sum(),
        (share_at[16384] - far).sum() / higher, higher / (total - far).sum(), spec.cold_share,
    ]  # fmt: skip
    return unshare(np.concatenate([total, far / total, near / far, np.array(common)]))


def curves(x: Vector, first: int) -> tuple[NDArray[np.float64], float]:
    """Return the shares at the depths after the first, shape (tables, depths), and the cold share."""
    p = share(x)
    total, inside, near = p[:TABLES], p[TABLES : 2 * TABLES], p[2 * TABLES : 3 * TABLES]
    low, middle, high, higher, cold = p[3 * TABLES :]
    at_8192 = total * inside
    at_1024 = at_8192 * near
    at_256 = at_1024 * np.log(FITTED[0] / first) / np.log(FITTED[1] / first)
    between, beyond = at_8192 - at_1024, total - at_8192
    columns = [
        at_256, at_1024, at_1024 + between * low * middle, at_1024 + between * middle, at_8192,
        at_8192 + beyond * high * higher, at_8192 + beyond * higher, total,
    ]  # fmt: skip
    return np.stack(columns, axis=1), float(cold)


def with_curves(spec: StackDistanceSpec, x: Vector) -> StackDistanceSpec:
    """Return a specification with these parameters, rounded as the preset writes them."""
    shares, cold = curves(x, spec.pooling)
    rounded = tuple((0.0, *(round(float(value), 4) for value in row)) for row in shares)
    update = {"depths": (spec.pooling, *FITTED), "hit_share": rounded, "cold_share": round(cold, 3)}
    return spec.model_copy(update=update)


def measure(x: Vector, keys: list[Place | int]) -> Vector:
    """Return the hit ratios of traces with these parameters, in percent."""
    runs = [figure12(with_curves(_preset("12", seed), x)) for seed in SEEDS_FIG12]
    sizes = [key for key in keys if isinstance(key, int)]
    accesses, hits = line_hits(
        windows(with_curves(_preset("7a", SEED_FIG7A), x)), [size * MIB for size in sizes]
    )
    long = dict(zip(sizes, 100 * hits.sum(axis=1) / accesses.sum(), strict=True))
    return np.array(
        [long[key] if isinstance(key, int) else np.mean([run[key] for run in runs]) for key in keys]
    )


def _preset(figure: str, seed: int) -> StackDistanceSpec:
    spec = specification("Comb-8", figure, seed)
    assert isinstance(spec, StackDistanceSpec)
    return spec


def main() -> None:
    """Fit, tell the progress on standard error, and print the lines of the preset."""
    parser = argparse.ArgumentParser(description="Calibrate recnmp-comb8 to RecNMP (ISCA 2020).")
    parser.add_argument("--refine", action="store_true", help="begin with the curves of the preset")
    parser.add_argument("--rounds", type=int, default=12, help="Gauss-Newton rounds")
    options = parser.parse_args()
    keys, target, allowed = targets()

    def deviations(x: Vector) -> Vector:
        return np.asarray((measure(x, keys) - target) / allowed)

    x, damping = preset_guess() if options.refine else first_guess(), DAMPING
    off = deviations(x)
    print(f"at first: largest deviation / tolerance {np.abs(off).max():.3f}", file=sys.stderr, flush=True)
    for number in range(options.rounds):
        derivative = np.stack([(deviations(x + STEP * unit) - off) / STEP for unit in np.eye(len(x))], axis=1)
        weight = np.abs(off) ** POWER + 0.1
        while damping < 10:
            square = derivative.T @ (weight[:, None] * derivative) + damping * np.eye(len(x))
            move = -np.linalg.solve(square, derivative.T @ (weight * off))
            moved = x + np.clip(move, -LONGEST, LONGEST)
            there = deviations(moved)
            if (there**4).sum() < (off**4).sum():
                x, off, damping = moved, there, max(damping / 3, 1e-3)
                break
            damping *= 5
        print(
            f"round {number + 1}: largest deviation / tolerance {np.abs(off).max():.3f}",
            file=sys.stderr,
            flush=True,
        )
        if damping >= 10:
            break
    found = with_curves(_preset("12", 1), x)
    print(f"depths = {list(found.depths)}\nhit_share = [")
    for name, curve in zip(found.names, found.hit_share, strict=True):
        print(f"    [{', '.join(f'{value:.4f}' if value else '0.0' for value in curve)}],  # {name}")
    print(f"]\ncold_share = {found.cold_share}")


if __name__ == "__main__":
    main()
