"""Maps of the errors of approximate multipliers over both operands. matplotlib is imported on use."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from archsim.approx.base import Multiplier
from archsim.report.style import COLUMN_IN, TWO_COLUMNS_IN, finish, house, new_figure, save, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Cells of a map in each direction; a wider multiplier is shown at so many operands, evenly spread.
_CELLS = 256
_ABREAST = 3


def plot_errors(
    multipliers: Sequence[Multiplier], path: Path | None = None, *, kind: str | None = None
) -> Figure:
    """Map the relative error (P' - P) / max(1, |P|) over both operands, one map for each multiplier.

    Red is too much, blue too little; each map has its own scale, white at 0.

    Parameters
    ----------
    multipliers : sequence of Multiplier
    path : Path, optional
        Where to write the picture (format by its ending).
    kind : str, optional
        The format, if not by the ending.
    """
    across = min(len(multipliers), _ABREAST)
    down = -(-len(multipliers) // across)
    figure = new_figure(COLUMN_IN if across == 1 else TWO_COLUMNS_IN, (2.8 if across == 1 else 2.2) * down)
    with house():
        grid = figure.subplots(down, across, squeeze=False)
        for axes, each in zip(grid.flat, multipliers, strict=False):
            plot_error_map(each, axes)
        for axes in grid.flat[len(multipliers) :]:
            axes.set_axis_off()
    save(figure, path, kind=kind)
    return figure


def plot_error_map(multiplier: Multiplier, axes: Axes) -> Axes:
    """Draw the map of one multiplier on axes."""
    operands = multiplier.operands()
    step = max(1, len(operands) // _CELLS)
    # The middle of every interval: its start has only zeros below, and is hardly typical.
    shown = operands[step // 2 :: step]
    exact = np.multiply.outer(shown, shown)
    error = multiplier.multiply(shown[:, None], shown[None, :]) - exact
    relative = 100 * error / np.maximum(np.abs(exact), 1)
    # A few tiny products have errors of any size; they are drawn at the end of the scale.
    limit = max(float(np.quantile(np.abs(relative), 0.99)), 1e-3)
    edges = (multiplier.low, multiplier.high + 1)
    image = axes.imshow(
        relative, cmap="RdBu_r", vmin=-limit, vmax=limit, origin="lower", extent=(*edges, *edges),
        interpolation="nearest", aspect="equal",
    )  # fmt: skip
    finish(axes, grid=None)
    axes.set_xlabel("second operand")
    axes.set_ylabel("first operand")
    axes.set_title(f"{short(multiplier.name)}, {multiplier.bits} bits", loc="left")
    bar = axes.figure.colorbar(image, ax=axes, shrink=0.8)
    bar.set_label("error, %")
    return axes
