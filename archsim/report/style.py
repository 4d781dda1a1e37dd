"""The house style of all pictures: fonts, colours, hatches, sizes, legends. matplotlib is imported on use.

Pictures are made at the size at which a two-column paper prints them, with no letter under 7 points. Series differ in
colour and in marker, dash or hatch too, so that they stay apart for colour-blind readers and in grey print. Nothing
here changes matplotlib's global state, and nothing needs a display.
"""

from __future__ import annotations

import textwrap
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from archsim.errors import InputError, printable
from archsim.files import new_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Widths of one and of both columns of a two-column paper, in inches.
COLUMN_IN, TWO_COLUMNS_IN = 3.35, 7.0
#: Points of tick labels, legends and notes, and of the labels of axes.
SMALL_PT, LABEL_PT = 7.0, 8.0

#: Colours that stay apart for colour-blind readers (Okabe and Ito). Neighbours differ in brightness too; yellow, too
#: pale for a thin line, is left out.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#56B4E9", "#D55E00", "#CC79A7", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "*")
DASHES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (4, 1, 1, 1)), (0, (6, 1, 1, 1, 1, 1)))
HATCHES = ("", "////", "....", "\\\\\\\\", "xxxx", "----", "++++", "oooo")
#: For what is there but not what the picture is about.
GREY = "#999999"
GRID = "#dddddd"
#: For amounts: even in brightness, and the same for colour-blind readers.
SCALE = "cividis"
#: Formats of pictures.
KINDS = ("png", "svg", "pdf")
#: Longest name shown in a legend or beside an axis.
LONGEST_NAME = 28

_RC: dict[Any, Any] = {
    "font.size": SMALL_PT, "axes.labelsize": LABEL_PT, "axes.titlesize": LABEL_PT, "figure.titlesize": LABEL_PT,
    "xtick.labelsize": SMALL_PT, "ytick.labelsize": SMALL_PT, "legend.fontsize": SMALL_PT,
    "legend.title_fontsize": SMALL_PT, "font.family": ["DejaVu Sans"], "hatch.linewidth": 0.5,
    "axes.linewidth": 0.7, "lines.linewidth": 1.2, "lines.markersize": 3.5, "legend.frameon": False,
    "svg.hashsalt": "archsim", "svg.fonttype": "path", "pdf.fonttype": 42, "text.parse_math": False,
}  # fmt: skip


@contextmanager
def house() -> Iterator[None]:
    """Draw in the house style; a "$" in a name is no formula, and a letter that the font lacks is a box."""
    from matplotlib import rc_context

    with rc_context(_RC), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def new_figure(width_in: float = COLUMN_IN, height_in: float = 2.2) -> Figure:
    """Return a figure that needs no display and leaves matplotlib's global state alone."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), layout="constrained", dpi=200)
    FigureCanvasAgg(figure)
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02)  # type: ignore[union-attr,call-arg]
    return figure


def axes_for(axes: Axes | None, height_in: float = 2.2, width_in: float = COLUMN_IN) -> tuple[Axes, bool]:
    """Return the axes given, or new ones in a figure of their own, and whether they are new."""
    if axes is not None:
        return axes, False
    return new_figure(width_in, height_in).subplots(), True


def finish(axes: Axes, *, grid: str | None = "both") -> Axes:
    """Give axes the house's ticks, spines and grid (``x``, ``y``, ``both`` or None)."""
    axes.tick_params(labelsize=SMALL_PT, width=0.7, length=2.5)
    axes.tick_params(which="minor", width=0.5, length=1.5)
    for axis in (axes.xaxis, axes.yaxis):
        axis.label.set_fontsize(LABEL_PT)
        axis.get_offset_text().set_fontsize(SMALL_PT)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    axes.grid(False)
    if grid is not None:
        axes.grid(True, axis=grid, color=GRID, linewidth=0.5)  # type: ignore[arg-type]
    return axes


def line_look(number: int) -> dict[str, Any]:
    """Return colour, marker and dash of a line; the first 60 differ, the first seven in colour."""
    return {
        "color": COLOURS[number % len(COLOURS)],
        "marker": MARKERS[number % len(MARKERS)],
        "linestyle": DASHES[number % len(DASHES)],
    }


def bar_look(number: int) -> dict[str, Any]:
    """Return colour, hatch and edge of a bar."""
    colour = COLOURS[number % len(COLOURS)]
    # Hatches are drawn in the colour of the edge, and must show on it.
    edge = "white" if brightness(colour) < 0.35 else "black"
    hatch = HATCHES[number % len(HATCHES)]  # one more than colours: 56 bars differ
    return {"facecolor": colour, "edgecolor": edge, "hatch": hatch, "linewidth": 0.5}


def brightness(colour: str) -> float:
    """Return the relative luminance of a colour such as ``#0072B2``, 0 to 1: what is left of it in grey print."""
    parts = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def legend_above(axes: Axes, *, grow: bool = False, title: str | None = None, least: int = 2) -> None:
    """Put the legend above the axes, in as many columns as there is room for.

    Parameters
    ----------
    axes : Axes
        Whose labelled artists are named.
    grow : bool
        Make the figure higher by what the legend takes: for figures with these axes only.
    title : str, optional
        What the names are values of.
    least : int
        Fewer names than this need no legend.
    """
    from matplotlib.transforms import ScaledTranslation

    shown = axes.get_legend_handles_labels()[0]
    if len(shown) < (1 if title else least):
        return
    root = axes.figure.canvas.figure
    dpi = root.dpi
    root.draw_without_rendering()  # lays out, so that it is known where the axes stand
    here, outer = axes.get_window_extent(), axes.figure.bbox if grow else axes.get_tightbbox()
    assert outer is not None
    lines = axes.get_title("left").count("\n") + 1 if axes.get_title("left") else 0
    lift = axes.transAxes + ScaledTranslation(0, lines * 9.5 / 72, root.dpi_scale_trans)
    to_right, to_left = outer.x1 - here.x0, here.x1 - outer.x0 - 0.1 * dpi
    for columns in range(min(len(shown), 6), 0, -1):
        legend = axes.legend(
            handles=shown, ncols=columns, loc="lower left", bbox_to_anchor=(0, 1.0), bbox_transform=lift, title=title,
            borderaxespad=0.2, borderpad=0.2, handlelength=2.2, handletextpad=0.4, columnspacing=0.9,
            labelspacing=0.25, alignment="left", fontsize=SMALL_PT, title_fontsize=SMALL_PT, frameon=False,
        )  # fmt: skip
        width = legend.get_window_extent().width
        if width <= max(to_right, to_left):
            break
    if width > to_right:  # as far to the left as the labels of the vertical axis
        legend.set_loc("lower right")
        legend.set_bbox_to_anchor((1.0, 1.0), transform=lift)
    if grow:
        root.set_figheight(root.get_figheight() + legend.get_window_extent().height / dpi)


def note(axes: Axes, text: str) -> None:
    """Say what is worth knowing about the data in small letters above the axes, or in place of data."""
    letters = int(13 * axes.figure.bbox.width / axes.figure.dpi)
    axes.set_title(textwrap.fill(text, letters), fontsize=SMALL_PT, loc="left", color="#555555", pad=3)


def fit_labels(axes: Axes) -> None:
    """Break the labels of axes that are longer than the figure at the space nearest the middle."""
    root = axes.figure.canvas.figure
    for axis, room in ((axes.xaxis, axes.figure.bbox.width), (axes.yaxis, axes.figure.bbox.height)):
        box, text = axis.label.get_window_extent(root.canvas.get_renderer()), axis.label.get_text()  # type: ignore[attr-defined]
        spaces = [place for place, letter in enumerate(text) if letter == " "]
        if max(box.width, box.height) > 0.96 * room and spaces:
            middle = min(spaces, key=lambda place: abs(place - len(text) / 2))
            axis.set_label_text(f"{text[:middle]}\n{text[middle + 1 :]}")


def ticks_1_2_5(axes: Axes, which: Literal["x", "y"] = "x") -> None:
    """A logarithmic axis with plain numbers; at 2 and 5 too, where there is room for them."""
    from matplotlib.ticker import LogLocator, NullFormatter

    axis = axes.xaxis if which == "x" else axes.yaxis
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    low, high = axes.get_xlim() if which == "x" else axes.get_ylim()
    subs = (1, 2, 5) if high / low < 300 else (1, 3) if high / low < 3000 else (1,)
    axis.set_major_locator(LogLocator(subs=subs, numticks=12))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def nothing(axes: Axes, text: str = "no points") -> None:
    """Say in the middle of empty axes why they are empty."""
    axes.text(
        0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", fontsize=SMALL_PT, color="#555555"
    )


def save(picture: Axes | Figure, path: Path | str | None, *, kind: str | None = None) -> None:
    """Write a figure, or that of axes, where a path is given; the same figure gives the same file.

    Parameters
    ----------
    picture : Axes or Figure
    path : Path, optional
    kind : str, optional
        ``png``, ``svg`` or ``pdf``; by default as the name of the file ends.

    Raises
    ------
    InputError
        For another ending.
    """
    if path is None:
        return
    path, figure = Path(path), picture.figure.canvas.figure
    kind = kind or picture_kind(path)
    # No date and no software version inside.
    names = {"png": {"Software": None}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}
    with house():
        smaller: dict[str, Any] = {"pil_kwargs": {"optimize": True}} if kind == "png" else {}
        figure.savefig(path, format=kind, metadata=names.get(kind), **smaller)


def save_new(picture: Axes | Figure, path: Path) -> None:
    """Write a picture as a new file, whole or not at all; raises FileExistsError where there is one."""
    with new_file(path) as file:
        save(picture, file, kind=picture_kind(path))


def picture_kind(path: Path) -> str:
    """Return the format of a picture by the end of its name.

    Raises
    ------
    InputError
        For one that is not written.
    """
    kind = path.suffix.lstrip(".").lower()
    if kind not in KINDS:
        raise InputError(
            f"{path}: must end in {', '.join(f'.{known}' for known in KINDS[:-1])} or .{KINDS[-1]}"
        )
    return kind


def short(name: str, longest: int = LONGEST_NAME) -> str:
    """Cut a name to what fits beside a plot."""
    name = printable(name)
    return name if len(name) <= longest else f"{name[: longest - 1]}…"
