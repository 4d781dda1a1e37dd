"""Images of a warm sensor: signal to noise and noise against temperature, and frames side by side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from archsim.errors import InputError
from archsim.report.style import (
    GREY,
    SMALL_PT,
    axes_for,
    finish,
    house,
    legend_above,
    line_look,
    short,
    ticks_1_2_5,
)
from archsim.units import ZERO_C_K

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from archsim.sensor.image import Camera

#: Degrees Celsius of the lines, and every how many of them a marker stands.
_CELSIUS = np.arange(0.0, 120.5, 0.5)
_MARKED = 40
#: Decades of noise that are shown below the greatest.
_DECADES = 3.0
#: Exponent with which screens expect brightness.
_GAMMA = 1 / 2.2


def plot_snr(
    cameras: Camera | Iterable[Camera],
    targets_db: Sequence[float] = (20.0, 26.0, 35.0),
    *,
    signal: float = 1.0,
    total: bool = True,
    axes: Axes | None = None,
) -> Axes:
    """Draw the signal to noise ratio over temperature, a line per camera, up to where pixels are full.

    Parameters
    ----------
    cameras : Camera or iterable of Camera
        Named after their scenes.
    targets_db : sequence of float
        Ratios that are marked.
    signal, total
        As of `archsim.sensor.image.Camera.snr_db`.
    axes : Axes, optional
        Where to draw.
    """
    from archsim.sensor.image import Camera

    drawn = [cameras] if isinstance(cameras, Camera) else list(cameras)
    if not drawn:
        raise InputError("plot_snr: needs at least one camera")
    kinds = len({camera.sensor.name for camera in drawn}) > 1
    with house():
        axes, own = axes_for(axes)
        for number, camera in enumerate(drawn):
            ratio = np.array(camera.snr_db(_CELSIUS + ZERO_C_K, signal, total=total))
            ratio[~np.isfinite(ratio)] = np.nan
            name = f"{camera.sensor.name}, {camera.scene.name}" if kinds else camera.scene.name
            axes.plot(_CELSIUS, ratio, label=short(name), markevery=_MARKED, **line_look(number))
        for target in targets_db:
            axes.axhline(target, color=GREY, linewidth=0.8, linestyle=(0, (2, 2)), zorder=1)
            axes.annotate(
                f"{target:g} dB", (1, target), xycoords=("axes fraction", "data"), xytext=(3, 0),
                textcoords="offset points", va="center", fontsize=SMALL_PT, color="#555555",
            )  # fmt: skip
        axes.set_xlim(_CELSIUS[0], _CELSIUS[-1])
        axes.set_ylim(bottom=0.0)
        axes.set_xlabel("temperature of the pixels (°C)")
        axes.set_ylabel(f"{'total' if total else 'temporal'} SNR (dB)")
        finish(axes)
        legend_above(axes, grow=own)
    return axes


def plot_noise(camera: Camera, *, signal: float = 1.0, axes: Axes | None = None) -> Axes:
    """Draw every contribution to the noise over temperature, with the knee of the noise in the dark.

    Parameters
    ----------
    camera : Camera
    signal : float
        Image value; 1 is white, 0 the dark.
    axes : Axes, optional
        Where to draw.
    """
    from archsim.sensor.image.noise import TITLES

    noise = camera.noise(_CELSIUS + ZERO_C_K, signal)
    with house():
        axes, own = axes_for(axes, 2.4)
        top = float(noise.total.max())
        least = top / 10**_DECADES
        for number, (name, title) in enumerate(TITLES.items()):
            values = getattr(noise, name)
            if values.max() > least:
                axes.plot(_CELSIUS, values, label=title, markevery=_MARKED, **line_look(number))
        axes.plot(_CELSIUS, noise.total, label="total", color="#777777", linewidth=3.0, zorder=1.5)
        axes.set_xlim(_CELSIUS[0], _CELSIUS[-1])
        axes.set_ylim(least, 2 * top)
        ticks_1_2_5(axes, "y")
        knee = camera.knee_k() - ZERO_C_K
        if _CELSIUS[0] < knee < _CELSIUS[-1]:
            axes.axvline(knee, color=GREY, linewidth=0.8, linestyle=(0, (2, 2)), zorder=1)
            axes.annotate(
                f"knee, {knee:.0f} °C", (knee, 2 * top), xytext=(-2, -2), textcoords="offset points",
                ha="right", va="top", fontsize=SMALL_PT, color="#555555",
            )  # fmt: skip
        axes.set_xlabel("temperature of the pixels (°C)")
        axes.set_ylabel("noise (electrons rms)")
        finish(axes)
        legend_above(axes, grow=own)
    return axes


def plot_frames(
    camera: Camera,
    image: ArrayLike,
    temperatures_k: Sequence[float],
    *,
    seed: int = 0,
    axes: Axes | None = None,
) -> Axes:
    """Draw the frames of an image at several temperatures side by side, from black to white as a screen shows them.

    Parameters
    ----------
    camera : Camera
    image : array_like of float64, shape (rows, columns)
        Values from 0 to 1 (white).
    temperatures_k : sequence of float
    seed : int
        Of the frames' noise.
    axes : Axes, optional
        Where to draw.
    """
    if not len(temperatures_k):
        raise InputError("plot_frames: needs at least one temperature")
    shots = [camera.render(image, kelvin, seed) for kelvin in temperatures_k]
    rows, columns = shots[0].shape
    gap = max(1, columns // 32)
    with house():
        wide = len(shots) * (columns + gap) / rows
        axes, _ = axes_for(axes, min(3.35 / wide + 0.3, 4.0))
        for number, (shot, kelvin) in enumerate(zip(shots, temperatures_k, strict=True)):
            # What the dark current adds in the mean is subtracted, as cameras do by their covered pixels.
            light = (shot - float(camera.mean_dn(kelvin, 0.0))) / (camera.gain_dn_e * camera.white_e)
            left = number * (columns + gap)
            axes.imshow(
                np.clip(light, 0.0, 1.0) ** _GAMMA, cmap="gray", vmin=0, vmax=1, interpolation="nearest",
                extent=(left, left + columns, rows, 0),
            )  # fmt: skip
            text = f"{kelvin - ZERO_C_K:.0f} °C, {float(camera.snr_db(kelvin)):.1f} dB at white"
            axes.annotate(
                text,
                (left, 0),
                xytext=(0, 2),
                textcoords="offset points",
                fontsize=SMALL_PT,
                annotation_clip=False,
            )
        axes.set_xlim(0, len(shots) * (columns + gap) - gap)
        axes.set_ylim(rows, 0)
        finish(axes, grid=None)
        axes.set_axis_off()
    return axes
