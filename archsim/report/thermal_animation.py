"""Temperatures of a layer as a moving picture. matplotlib is imported on use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from archsim.errors import InputError, nearest
from archsim.files import check_new, new_file
from archsim.report.style import SCALE, SMALL_PT, axes_for, finish, house, short
from archsim.report.thermal_plots import outline_blocks
from archsim.thermal.model import ThermalModel
from archsim.thermal.results import State
from archsim.units import ZERO_C_K

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Most frames, and how many are shown in a second.
MOST_FRAMES, FRAMES_PER_S = 500, 10
_KINDS = (".gif", ".mp4")
#: Dots per inch: a column of 3.35 inches comes to 502 pixels.
_DPI = 150
#: Colours of a GIF that are greys, of 256.
_GREYS = 24


def animation_kind(path: Path) -> str:
    """Return the format by the end of the name.

    Raises
    ------
    InputError
        For another name, or .mp4 where no ffmpeg is installed.
    """
    kind = path.suffix.lower()
    if kind not in _KINDS:
        raise InputError(f"{path}: must end in {' or '.join(_KINDS)}{nearest(kind, _KINDS)}")
    if kind == ".mp4":
        from matplotlib.animation import FFMpegWriter

        if not FFMpegWriter.isAvailable():
            raise InputError(f"{path}: .mp4 needs the program ffmpeg, which is not installed; .gif does not")
    return kind


class LayerFrames:
    """Collects the temperatures of a layer: what ``watch`` of `ThermalModel.transient` is to be.

    Parameters
    ----------
    model : ThermalModel
    layer : str

    Attributes
    ----------
    times_s : list of float
    frames_k : list of ndarray (ny, nx)

    Raises
    ------
    InputError
        When there is no such layer.
    """

    def __init__(self, model: ThermalModel, layer: str) -> None:
        if layer not in model.net.layers:
            raise InputError(f"no layer {layer!r} in the stack{nearest(layer, model.net.layers)}")
        self.model, self.layer = model, layer
        self.times_s: list[float] = []
        self.frames_k: list[NDArray[np.float64]] = []

    def __call__(self, time_s: float, state: State) -> None:
        """Keep the layer at a time."""
        span = self.model.net.layers[self.layer]
        self.times_s.append(time_s)
        self.frames_k.append(self.model.net.layer_means(state.rise_k, *span) + self.model.ambient_k)


def animate(
    frames: LayerFrames,
    path: str | Path,
    *,
    frames_per_s: float = FRAMES_PER_S,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Write the temperatures of a layer as a moving picture; a colour means the same in every frame.

    Parameters
    ----------
    frames : LayerFrames
    path : str or Path
        A new .gif, or .mp4 where ffmpeg is installed.
    frames_per_s : float
        Frames shown in a second.
    progress : callable, optional
        Called with 1 for each frame.

    Raises
    ------
    InputError
        When the file is there already, cannot be written, or has too many frames.

    Examples
    --------
    >>> from pathlib import Path
    >>> from archsim.thermal import Stack, ThermalModel
    >>> model = ThermalModel(Stack.load("cis3"), grid=8)
    >>> frames = LayerFrames(model, "vpu")
    >>> run = model.transient(None, [0.001, 0.01, 0.1], watch=frames)
    >>> animate(frames, Path("warming.gif"))  # doctest: +SKIP
    """
    path = Path(path)
    kind = animation_kind(path)
    check_new(path)
    check_frames(len(frames.times_s))
    with house(), new_file(path) as file:
        figure, draw = _picture(frames)
        # Some writers look at the end of the name; the file has its own only when it is whole.
        made = file.with_suffix(kind)
        try:
            with (_gif if kind == ".gif" else _mp4)(figure, made, frames_per_s) as grab:
                for number in range(len(frames.times_s)):
                    draw(number)
                    grab()
                    if progress is not None:
                        progress(1)
            made.rename(file)
        finally:
            made.unlink(missing_ok=True)


@contextmanager
def _mp4(figure: Figure, path: Path, frames_per_s: float) -> Iterator[Callable[[], None]]:
    from matplotlib.animation import FFMpegWriter

    writer = FFMpegWriter(fps=frames_per_s)  # type: ignore[arg-type]
    with writer.saving(figure, str(path), _DPI):
        yield writer.grab_frame


@contextmanager
def _gif(figure: Figure, path: Path, frames_per_s: float) -> Iterator[Callable[[], None]]:
    """Write a GIF of one palette: left alone, each frame would have its own, and colours would flicker."""
    from matplotlib import colormaps
    from PIL import Image

    scale = (colormaps[SCALE](np.linspace(0.0, 1.0, 256 - _GREYS))[:, :3] * 255).round().astype(np.uint8)
    greys = np.repeat(np.linspace(0, 255, _GREYS).round().astype(np.uint8)[:, None], 3, axis=1)
    palette = Image.new("P", (1, 1))
    palette.putpalette(np.concatenate([scale, greys]).tobytes())
    pages: list[Image.Image] = []
    canvas: Any = figure.canvas

    def grab() -> None:
        canvas.draw()
        page = Image.fromarray(np.asarray(canvas.buffer_rgba())[:, :, :3].copy())
        pages.append(page.quantize(palette=palette, dither=Image.Dither.NONE))

    yield grab
    wait_ms = round(1000 / frames_per_s)
    pages[0].save(path, save_all=True, append_images=pages[1:], duration=wait_ms, loop=0, optimize=False)


def check_frames(count: int) -> None:
    """Refuse more frames than anybody looks at."""
    if count > MOST_FRAMES:
        raise InputError(f"{count:,} frames: at most {MOST_FRAMES}; give fewer times")


def _picture(frames: LayerFrames) -> tuple[Figure, Callable[[int], None]]:
    """Return the figure, and what draws a frame in it."""
    from matplotlib.patheffects import withStroke

    model, layer, times_s = frames.model, frames.layer, frames.times_s
    celsius = np.stack(frames.frames_k) - ZERO_C_K
    size = (model.stack.width_mm, model.stack.height_mm)
    wide = size[0] > 2 * size[1]
    axes, _ = axes_for(None, 1.8 if wide else 2.9)
    figure: Any = axes.figure
    figure.set_dpi(_DPI)
    low, high = float(celsius.min()), float(celsius.max())
    image = axes.imshow(
        celsius[0], origin="lower", extent=(0, size[0], 0, size[1]), cmap=SCALE, interpolation="nearest", vmin=low,
        vmax=high if high > low else low + 1.0,
    )  # fmt: skip
    finish(axes, grid=None)
    outline_blocks(axes, model.stack, layer, celsius[-1], (low, high))
    for name in axes.texts:  # what is behind a name changes
        name.set_color("white")
        name.set_path_effects([withStroke(linewidth=1.5, foreground="black")])
    axes.set_xlabel("x (mm)")
    axes.set_ylabel("y (mm)")
    axes.set_title(f"{short(model.stack.name)}: {short(layer)}", loc="left")
    where: dict[str, Any] = {"location": "bottom", "aspect": 40} if wide else {"shrink": 0.85}
    bar = figure.colorbar(image, ax=axes, **where)
    bar.set_label("temperature (°C)")
    bar.ax.tick_params(labelsize=SMALL_PT)
    scale, unit = next(
        ((s, u) for s, u in ((1.0, "s"), (1e3, "ms"), (1e6, "µs")) if times_s[-1] * s >= 1), (1e9, "ns")
    )

    when = axes.set_title(f"{times_s[-1] * scale:.2f} {unit}", loc="right")
    figure.canvas.draw()
    figure.set_layout_engine("none")  # or the picture would move with the width of the time

    def draw(number: int) -> None:
        image.set_data(celsius[number])
        when.set_text(f"{times_s[number] * scale:.2f} {unit}")

    return figure, draw
