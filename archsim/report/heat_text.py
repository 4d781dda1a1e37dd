"""The text of ``archsim heat``."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from archsim.electrothermal import CoupledRun, Coupling, FixedPoint, Operating
from archsim.errors import counted
from archsim.tables import align
from archsim.units import ZERO_C_K, format_count, format_energy, format_time

#: More ranks than these are cut to the hottest; times of a table.
RANKS_SHOWN, TIMES_SHOWN = 16, 7


def head_line(coupling: Coupling) -> str:
    """Return what was coupled."""
    net, stacks = coupling.model.net, coupling.atlas.stacks
    of = f"{stacks} stacks" if stacks > 1 else "one stack"
    return (
        f"{coupling.trace.name} over and over on {coupling.system.name}: {of} "
        f"{coupling.heat_map.stack.name} in {coupling.model.ambient_k - ZERO_C_K:.2f} degC; "
        f"{net.nx}x{net.ny}x{net.nz} nodes, {coupling.model.solver} solver"
    )


def fixed_point_lines(found: FixedPoint) -> list[str]:
    """Return a fixed point as text: what heat changed, ranks, and blocks of the hottest stack."""
    before, after, coupling = found.before, found.after, found.coupling
    rows: list[tuple[str, Callable[[Operating], str]]] = [
        ("time of a replay", lambda at: format_time(at.time_s * 1e12)),
        ("energy of a replay", lambda at: format_energy(at.energy_j * 1e12)),
        (
            "ranks refreshed twice as often",
            lambda at: f"{float(at.doubled_share.sum()):.4g} of {coupling.ranks}",
        ),
        ("power of the stacks", lambda at: f"{sum(s.power_w.sum() for s in at.steady):.4g} W"),
        ("  leakage on top", lambda at: f"{at.leakage_w:.4g} W"),
        ("power off the stacks", lambda at: f"{at.off_w:.4g} W"),
        ("hottest rank", lambda at: f"{float(at.rank_k.max()) - ZERO_C_K:.2f} degC"),
        ("hottest cell", lambda at: f"{max(s.hottest_k for s in at.steady) - ZERO_C_K:.2f} degC"),
        ("  in block", _hottest_block),
    ]
    cells = [["", "without feedback", "with it"]]
    cells += [[name, show(before), show(after)] for name, show in rows]
    replays = len(coupling.replays)
    tail = [
        f"slowdown {100 * found.slowdown:.2f} %",
        f"{_verdict(found)} (solved {_times(found.steps)} with {counted(replays, 'replay')})",
    ]
    lines = [
        head_line(coupling),
        "",
        *align(cells),
        *tail,
        "",
        *_ranks(coupling, after.rank_k, after.doubled_share),
    ]
    return [*lines, "", *_blocks(found)]


def _hottest_block(at: Operating) -> str:
    """Return the block of the hottest cell; a cell may be of none."""
    hot = max(at.steady, key=lambda each: each.hottest_k)
    index = int(np.argmax(hot.max_k))
    return hot.blocks[index] if hot.max_k[index] >= hot.hottest_k - 1e-6 else "none"


def _verdict(found: FixedPoint) -> str:
    """Return in words whether there is one state that stays, another one, or none."""
    if found.swings:
        return (
            "no stable state: refreshes go back and forth, and with feedback figures are averages over time"
        )
    if found.also is not None:
        here, there = (float(each.rank_k.max()) - ZERO_C_K for each in (found.after, found.also))
        return f"two stable states: {here:.2f} degC from a cool start, {there:.2f} degC from a hot one"
    if found.runaway:
        return "one stable state, from a cool start; from a hot one leakage runs away"
    return "one stable state: a hot start leads to no other"


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _ranks(coupling: Coupling, rank_k: np.ndarray, share: np.ndarray) -> list[str]:
    order = np.argsort(-rank_k, kind="stable")[:RANKS_SHOWN]
    cells = [["rank", "degC", "doubled"]]
    for rank in sorted(order.tolist()):
        cells.append(
            [coupling.rank_name(rank), f"{rank_k[rank] - ZERO_C_K:.2f}", f"{100 * share[rank]:.4g} %"]
        )
    lines = align(cells)
    if len(rank_k) > RANKS_SHOWN:
        lines.append(f"the hottest {RANKS_SHOWN} of {len(rank_k)} ranks")
    return lines


def _blocks(found: FixedPoint) -> list[str]:
    steady = found.after.steady
    stack = int(np.argmax([each.hottest_k for each in steady]))
    hot, title = steady[stack], "block" if len(steady) == 1 else f"block of stack {stack}"
    cells = [[title, "layer", "power", "leakage", "mean", "highest"]]
    for index, name in enumerate(hot.blocks):
        degrees = [f"{each[index] - ZERO_C_K:.2f}" for each in (hot.avg_k, hot.max_k)]
        watts = [f"{each[index]:.4g} W" for each in (hot.power_w, hot.leakage_w)]
        cells.append([name, hot.layer_of(name), *watts, *degrees])
    lines = align(cells)
    if len(steady) > 1:
        lines.append(f"the hottest of {len(steady)} stacks; --json has all")
    return lines


def run_lines(run: CoupledRun) -> list[str]:
    """Return a run in time as text: a few times of it, and sums."""
    coupling, count = run.coupling, len(run.times_s)
    shown = sorted({round(i * (count - 1) / (TIMES_SHOWN - 1)) for i in range(TIMES_SHOWN)})
    cells = [
        ["rank", *(format_time(run.times_s[i] * 1e12) if i else "0 s" for i in shown), "highest", "doubled"]
    ]
    highest, share = run.rank_k.max(axis=0), run.doubled_share
    order = np.argsort(-highest, kind="stable")[:RANKS_SHOWN]
    for rank in sorted(order.tolist()):
        degrees = [f"{run.rank_k[i, rank] - ZERO_C_K:.2f}" for i in shown]
        last = [f"{highest[rank] - ZERO_C_K:.2f}", f"{100 * share[rank]:.4g} %"]
        cells.append([coupling.rank_name(rank), *degrees, *last])
    made = float(run.replays[-1])
    replays = format_count(round(made)) if made >= 1000 else f"{made:.4g}"
    tail = (
        f"{replays} replays of {format_time(run.mean_time_s * 1e12)} on average "
        f"({format_time(coupling.replayed(coupling.nothing_doubled).time_s * 1e12)} at the normal refresh rate); "
        f"{run.energy_j[-1]:.4g} J, {run.leakage_j[-1]:.4g} J of leakage on top"
    )
    return [head_line(coupling), "", *align(cells), tail]
