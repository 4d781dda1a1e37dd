"""Temperatures of stacks: a map of a layer, and blocks over time. matplotlib is imported on use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from archsim.errors import InputError
from archsim.report.style import (
    SCALE,
    SMALL_PT,
    axes_for,
    brightness,
    finish,
    house,
    legend_above,
    line_look,
    note,
    short,
    ticks_1_2_5,
)
from archsim.thermal.results import Steady, Transient
from archsim.thermal.spec import Stack
from archsim.units import ZERO_C_K

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Blocks drawn over time when none are chosen: the hottest.
_SHOWN = 6
#: A block narrower than this share of the map has no name on it.
_NAMED = 0.12


def plot_temperature_map(
    result: Steady | Transient, layer: str | None = None, *, axes: Axes | None = None
) -> Axes:
    """Map a layer at the end of a run, with the outlines of its blocks.

    Parameters
    ----------
    result : Steady or Transient
    layer : str, optional
        Default: that of the hottest block.
    axes : Axes, optional
        Where to draw.

    Raises
    ------
    InputError
        For an unknown layer, or when the stack has no blocks and none is named.
    """
    model = result.model
    if layer is None:
        if not result.blocks:
            raise InputError(f"stack {model.stack.name!r}: no blocks; name the layer to map")
        last = result.max_k[-1] if result.max_k.ndim == 2 else result.max_k
        layer = result.layer_of(result.blocks[int(np.argmax(last))])
    celsius = result.layer_k(layer) - ZERO_C_K
    size = (model.stack.width_mm, model.stack.height_mm)
    with house():
        wide = size[0] > 2 * size[1]
        axes, own = axes_for(axes, 1.8 if wide else 2.9)
        image = axes.imshow(
            celsius, origin="lower", extent=(0, size[0], 0, size[1]), cmap=SCALE, interpolation="nearest"
        )
        finish(axes, grid=None)
        span = (float(celsius.min()), float(celsius.max()))
        outline_blocks(axes, model.stack, layer, celsius, span)
        axes.set_xlabel("x (mm)")
        axes.set_ylabel("y (mm)")
        end = f" at {result.times_s[-1]:g} s" if isinstance(result, Transient) else ""
        axes.set_title(f"{short(model.stack.name)}: {short(layer)}{end}", loc="left")
        # Beside a stack that is wide and low, a bar would be as high as nothing else.
        where = {"location": "bottom", "aspect": 40} if wide else {"shrink": 0.85 if own else 1.0}
        bar = axes.figure.colorbar(image, ax=axes, **where)
        bar.set_label("temperature (°C)")
        bar.ax.tick_params(labelsize=SMALL_PT)
    return axes


def outline_blocks(
    axes: Axes, stack: Stack, layer: str, celsius: NDArray[np.float64], span: tuple[float, float]
) -> None:
    """Draw the blocks of a layer, and write their names where there is room, to be read on a scale over a span."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex
    from matplotlib.patches import Rectangle

    spec = next((each for each in stack.layers if each.name == layer), None)
    if spec is None:
        return  # a part of the package
    die = stack.die_of(spec)
    low, high = span
    ny, nx = celsius.shape
    for block in spec.blocks:
        rect = block.within(die.width, die.height)
        x, y = die.x + rect.x, die.y + rect.y
        axes.add_patch(
            Rectangle((x, y), rect.width, rect.height, fill=False, edgecolor="white", linewidth=0.6)
        )
        if min(rect.width / stack.width_mm, 2 * rect.height / stack.height_mm) < _NAMED:
            continue
        middle = (x + rect.width / 2, y + rect.height / 2)
        cell = celsius[int(middle[1] / stack.height_mm * ny), int(middle[0] / stack.width_mm * nx)]
        shade = brightness(to_hex(colormaps[SCALE]((cell - low) / (high - low) if high > low else 0.5)))
        axes.text(
            *middle, short(block.name, 10), ha="center", va="center", fontsize=SMALL_PT, clip_on=True,
            color="black" if shade > 0.3 else "white",
        )  # fmt: skip


def plot_temperatures(
    run: Transient, blocks: Sequence[str] | None = None, *, peak: bool = False, axes: Axes | None = None
) -> Axes:
    """Draw the temperatures of blocks over time; times that span decades stand on a logarithmic axis.

    Parameters
    ----------
    run : Transient
    blocks : sequence of str, optional
        Default: the six that get hottest.
    peak : bool
        The hottest cell of each instead of its mean.
    axes : Axes, optional
        Where to draw.

    Raises
    ------
    InputError
        For an unknown block.
    """
    values = (run.max_k if peak else run.avg_k) - ZERO_C_K
    chosen = [run.model.block_index(name) for name in blocks or ()]
    if blocks is None:
        hottest = np.argsort(-values.max(axis=0), kind="stable")[:_SHOWN]
        chosen = [int(index) for index in hottest]
    times = run.times_s
    with house():
        axes, own = axes_for(axes)
        scale, unit = next(
            ((s, u) for s, u in ((1.0, "s"), (1e3, "ms"), (1e6, "µs")) if times[-1] * s >= 1), (1e9, "ns")
        )
        for number, index in enumerate(chosen):
            look = line_look(number) | ({"marker": ""} if len(times) > 40 else {})
            axes.plot(times * scale, values[:, index], label=short(run.blocks[index]), **look)
        positive = times[times > 0]
        if (
            len(positive) > 3
            and np.ptp(np.diff(times)) > 0.5 * np.diff(times).mean()
            and positive[-1] / positive[0] > 50
        ):
            ticks_1_2_5(axes)
        axes.set_xlabel(f"time ({unit})")
        axes.set_ylabel(f"{'hottest cell' if peak else 'mean'} of block (°C)")
        finish(axes)
        if not chosen:
            note(axes, "no blocks")
        legend_above(axes, grow=own)
    return axes
