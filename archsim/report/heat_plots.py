"""A replay that heats its memory, over time. matplotlib is imported on use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from archsim.dram.controller import HOT_C
from archsim.electrothermal import CoupledRun
from archsim.report.style import GREY, SMALL_PT, axes_for, finish, house, legend_above, line_look, short
from archsim.units import ZERO_C_K

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Ranks drawn: the hottest.
_SHOWN = 6


def plot_heat(run: CoupledRun, *, axes: Axes | None = None) -> Axes:
    """Draw the temperatures that refreshes go by over time, and when any rank is refreshed twice as often.

    Parameters
    ----------
    run : CoupledRun
    axes : Axes, optional
        Where to draw.
    """
    highest = run.rank_k.max(axis=0)
    # Ranks of one sensor are one line.
    order = [int(rank) for rank in np.argsort(-highest, kind="stable")]
    chosen: list[int] = []
    for rank in order:
        if not any(np.array_equal(run.rank_k[:, rank], run.rank_k[:, other]) for other in chosen):
            chosen.append(rank)
    times, hot = run.times_s, np.asarray(run.doubled.any(axis=1))
    with house():
        axes, own = axes_for(axes)
        for number, rank in enumerate(sorted(chosen[:_SHOWN])):
            look = line_look(number) | ({"marker": ""} if len(times) > 40 else {})
            name = run.coupling.rank_name(rank) if len(chosen) > 1 else "hottest block of DRAM"
            axes.plot(times, run.rank_k[:, rank] - ZERO_C_K, label=short(name), **look)
        axes.axhline(HOT_C, color=GREY, linewidth=0.8, linestyle=(0, (4, 2)), zorder=0)
        share = float(np.diff(times) @ hot[1:] / times[-1])
        # Each step by itself: of those that alternate, bands between points would show none.
        axes.fill_between(
            np.repeat(times, 2)[1:-1], 0, 1, where=np.repeat(hot[1:], 2).tolist(), color=GREY, alpha=0.3, linewidth=0,
            transform=axes.get_xaxis_transform(), zorder=0,
        )  # fmt: skip
        if share > 0:
            axes.text(
                0.99, 0.02, f"grey: refresh doubled, {100 * share:.3g} % of the time", transform=axes.transAxes,
                ha="right", va="bottom", fontsize=SMALL_PT,
            )  # fmt: skip
        axes.set_xlabel("time (s)")
        axes.set_ylabel("temperature (°C)")
        finish(axes)
        legend_above(axes, grow=own)
    return axes
