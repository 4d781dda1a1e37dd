"""Pictures of a converter: its error over the input, DNL, INL, spectrum; ENOB over a parameter; errors of its use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from archsim.analog.nnadc import Measured
from archsim.report.style import (
    TWO_COLUMNS_IN,
    axes_for,
    finish,
    house,
    legend_above,
    line_look,
    new_figure,
    save,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Points of a line; of more, the lowest and highest of every stretch are drawn.
_POINTS = 2048


def plot_adc(measured: Measured, path: Path | None = None, *, kind: str | None = None) -> Figure:
    """Draw the transfer curve, DNL, INL and the spectrum of a sine of one converter.

    Parameters
    ----------
    measured : Measured
        From `archsim.analog.nnadc.measure`.
    path : Path, optional
        Where to write the picture (format by its ending).
    kind : str, optional
        The format, if not by the ending.
    """
    figure = new_figure(TWO_COLUMNS_IN, 4.4)
    with house():
        grid = figure.subplots(2, 2)
        plot_transfer(measured, grid[0, 0])
        plot_line(measured.ramp.linearity.dnl, "DNL, LSB", grid[0, 1])
        plot_line(measured.ramp.linearity.inl, "INL, LSB", grid[1, 1])
        plot_spectrum(measured, grid[1, 0])
    save(figure, path, kind=kind)
    return figure


def plot_transfer(measured: Measured, axes: Axes) -> Axes:
    """Draw the code over the input, in the domain of the converter, without noise."""
    line, codes = measured.ramp.linearity, np.arange(1, 1 << measured.adc.bits)
    thresholds = line.origin + line.step * (np.arange(len(codes)) + line.inl)
    x, y = _thinned(thresholds, codes.astype(np.float64))
    axes.plot(x, y, **(line_look(0) | {"marker": ""}))
    finish(axes)
    scheme = measured.adc.scheme.kind
    axes.set_xlabel("input, full scales" if scheme == "linear" else f"f(input), {scheme}")
    axes.set_ylabel("code")
    return axes


def plot_line(values: Sequence[float] | np.ndarray, label: str, axes: Axes) -> Axes:
    """Draw DNL or INL over the code: the lowest and the highest of every stretch."""
    values = np.asarray(values)
    x, y = _thinned(np.arange(len(values), dtype=np.float64), values)
    axes.plot(x, y, linewidth=0.5, **{"color": line_look(0)["color"]})
    finish(axes)
    axes.set_xlabel("code")
    axes.set_ylabel(label)
    return axes


def plot_spectrum(measured: Measured, axes: Axes) -> Axes:
    """Draw the power spectrum of the sine, in decibels below its power."""
    power = measured.sine.spectrum.power_db
    frequency = np.arange(len(power)) / (2 * (len(power) - 1)) * measured.costs.rate_hz * 1e-6
    x, y = _thinned(frequency[1:], np.maximum(power[1:], -160.0))
    axes.plot(x, y, linewidth=0.5, **{"color": line_look(0)["color"]})
    finish(axes)
    axes.set_xlabel("frequency, MHz")
    axes.set_ylabel("power, dB of the sine")
    axes.set_title(f"{measured.sine.enob:.2f} ENOB", loc="left")
    return axes


def plot_enob(
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    label: str,
    axes: Axes | None = None,
    *,
    logarithmic: bool = False,
    goal: float | None = None,
) -> Axes:
    """Draw ENOB over a parameter, one line per name.

    Parameters
    ----------
    curves : mapping of str to (x, ENOB)
    label : str
        What x is, with its unit.
    axes : Axes, optional
    logarithmic : bool
        Of the horizontal axis.
    goal : float, optional
        A level to mark.
    """
    with house():
        axes = _lines(curves, axes, goal)
        if logarithmic:
            axes.set_xscale("log")
            # House text has no formulas, and powers of ten are some.
            axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        finish(axes)
        axes.set_xlabel(label)
        axes.set_ylabel("ENOB, bits")
        legend_above(axes)
    return axes


def plot_sums(
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    axes: Axes | None = None,
    *,
    label: str = "relative RMS error",
    logarithmic: bool = True,
    floor: float | None = None,
) -> Axes:
    """Draw the error of sums, or another measure, over the bits of a converter, one line per name.

    Parameters
    ----------
    curves : mapping of str to (bits, error)
    axes : Axes, optional
    label : str
        What is drawn, with its unit.
    logarithmic : bool
        Of the vertical axis.
    floor : float, optional
        What the best converter would leave, to mark.
    """
    with house():
        axes = _lines(curves, axes, floor)
        if logarithmic:
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
            axes.yaxis.set_minor_formatter("")
        finish(axes)
        axes.set_xlabel("bits of the converter")
        axes.set_ylabel(label)
        legend_above(axes)
    return axes


def _thinned(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Keep the lowest and the highest of every stretch of many points, in their order."""
    if len(x) <= _POINTS:
        return x, y
    edges = np.linspace(0, len(x), _POINTS // 2 + 1).astype(int)
    kept = []
    for low, high in pairwise(edges):
        part = y[low:high]
        kept += sorted({low + int(part.argmin()), low + int(part.argmax())})
    return x[kept], y[kept]


def _lines(
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]], axes: Axes | None, level: float | None
) -> Axes:
    """Draw a line per name, and a level to mark."""
    axes, _ = axes_for(axes)
    for number, (name, (x, y)) in enumerate(curves.items()):
        axes.plot(x, y, label=name, **line_look(number))
    if level is not None:
        axes.axhline(level, linewidth=0.8, linestyle=":", color="black")
    return axes
