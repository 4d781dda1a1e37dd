"""Stacks from HotSpot's files: .lcf (layers), .flp (floorplans), .config and .materials (package).

The formats are those that HotSpot 7 reads (`parse_layer_file`, `flp_populate_blks`, `read_names`, `read_vals` and the
defaults of `temperature.c`). Layer 0 is farthest from the heat sink: it becomes our top layer, and heat leaves through
the bottom. Microchannels and the secondary path are refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

from archsim.errors import InputError, nearest
from archsim.files import check_plain
from archsim.spec import apply_overrides
from archsim.spec_errors import short
from archsim.thermal.power import lines_of
from archsim.thermal.spec import Stack

#: HotSpot's defaults of what its files need not say, SI units.
DEFAULTS = {
    "t_chip": 150e-6, "k_chip": 100.0, "p_chip": 1.75e6, "t_interface": 20e-6, "k_interface": 4.0, "p_interface": 4e6,
    "s_spreader": 30e-3, "t_spreader": 1e-3, "k_spreader": 400.0, "p_spreader": 3.55e6,
    "s_sink": 60e-3, "t_sink": 6.9e-3, "k_sink": 400.0, "p_sink": 3.55e6,
    "r_convec": 0.1, "c_convec": 140.4, "ambient": 318.15,
}  # fmt: skip


class _Line(NamedTuple):
    place: str
    words: list[str]


def load_stack(
    name_or_path: str | Path, overrides: Iterable[str] = (), config: str | Path | None = None
) -> Stack:
    """Load a stack: a preset by name, a .toml file, or HotSpot's .lcf or .flp.

    Parameters
    ----------
    name_or_path : str or Path
    overrides : iterable of str
        ``PATH=VALUE``, laid over the stack.
    config : str or Path, optional
        HotSpot's .config, for the package of an .lcf or .flp; by default HotSpot's defaults.

    Raises
    ------
    InputError
        For anything that cannot be read, with its place.
    """
    suffix = Path(name_or_path).suffix.lower()
    if suffix not in (".lcf", ".flp"):
        if config is not None:
            raise InputError(f"{config}: is for HotSpot's .lcf and .flp, not {name_or_path}")
        return Stack.load(name_or_path, overrides)
    return apply_overrides(load_hotspot(Path(name_or_path), config), overrides)


def load_hotspot(path: Path, config: str | Path | None = None) -> Stack:
    """Read a stack from HotSpot's .lcf, or a single die from an .flp with its interface and package."""
    values = dict(DEFAULTS)
    materials: dict[str, tuple[float, float]] = {}
    if config is not None:
        _read_config(Path(config), values, materials)
    table: dict[str, Any] = {"name": path.stem, "ambient_k": values["ambient"], "materials": []}
    if path.suffix.lower() == ".lcf":
        layers, size = _read_layers(path, materials, table["materials"])
    else:
        blocks, size = _read_floorplan(path, table["materials"], "chip")
        die = {"name": "chip", "thickness_um": values["t_chip"] * 1e6, "material": "chip", **blocks}
        paste = {"name": "interface", "thickness_um": values["t_interface"] * 1e6, "material": "interface"}
        layers = [die, paste]
        for name in ("chip", "interface"):
            table["materials"].append(_material(name, values[f"k_{name}"], values[f"p_{name}"]))
    for name in ("spreader", "sink"):
        table["materials"].append(_material(f"heat {name}", values[f"k_{name}"], values[f"p_{name}"]))
    package = {
        "spreader_mm": values["s_spreader"] * 1e3, "spreader_um": values["t_spreader"] * 1e6,
        "spreader_material": "heat spreader", "sink_mm": values["s_sink"] * 1e3, "sink_um": values["t_sink"] * 1e6,
        "sink_material": "heat sink", "convection_k_w": values["r_convec"], "convection_j_k": values["c_convec"],
    }  # fmt: skip
    table |= {"width_mm": size[0], "height_mm": size[1], "layers": layers, "bottom": {"heatsink": package}}
    return Stack.from_dict(table, str(path))


def _material(name: str, conductivity: float, capacity: float) -> dict[str, Any]:
    return {"name": name, "conductivity_w_mk": conductivity, "heat_capacity_j_m3k": capacity}


def _lines(path: Path) -> list[_Line]:
    """Return the lines that are neither empty nor comments, cut into words."""
    try:
        check_plain(path)
        with path.open(encoding="utf-8") as file:
            cut = [
                _Line(f"{path}: line {number}", line.split()) for number, line in lines_of(file, str(path))
            ]
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8 text") from None
    return [line for line in cut if line.words and not line.words[0].startswith("#")]


def _number(word: str, place: str, what: str) -> float:
    try:
        value = float(word)
    except ValueError:
        raise InputError(f"{place}: {what} {short(word)}: must be a number") from None
    if not isfinite(value):
        raise InputError(f"{place}: {what} {word}: must be finite")
    return value


def _above_zero(word: str, place: str, what: str) -> float:
    value = _number(word, place, what)
    if value <= 0:
        raise InputError(f"{place}: {what} {word}: must be more than 0")
    return value


def _read_floorplan(
    path: Path, made: list[dict[str, Any]], owner: str
) -> tuple[dict[str, Any], tuple[float, float]]:
    """Return blocks and regions of a layer, and the size of the die in mm.

    Lines are name, width, height, left, bottom in metres, and maybe heat capacity and resistivity of the block.
    """
    rows, kinds = [], {}
    for place, words in _lines(path):
        if len(words) == 3:  # connectivity, which HotSpot skips too
            continue
        if len(words) not in (5, 7):
            raise InputError(f"{place}: {len(words)} words; a block has a name and 4 numbers, or 6")
        name = words[0]
        wide, high = (_above_zero(words[i], place, what) for i, what in ((1, "width"), (2, "height")))
        left, low = (_number(words[i], place, what) for i, what in ((3, "left edge"), (4, "lower edge")))
        rows.append((name, left, low, wide, high))
        if len(words) == 7:
            held, resist = (
                _above_zero(words[i], place, w) for i, w in ((5, "heat capacity"), (6, "resistivity"))
            )
            kinds[len(rows) - 1] = _material(f"{owner} {name}", 1.0 / resist, held)
    if not rows:
        raise InputError(f"{path}: no blocks")
    x0, y0 = min(row[1] for row in rows), min(row[2] for row in rows)
    size = (max(r[1] + r[3] for r in rows) - x0) * 1e3, (max(r[2] + r[4] for r in rows) - y0) * 1e3
    blocks, regions = [], []
    for index, (name, left, low, wide, high) in enumerate(rows):
        rect = {"name": name, "x_mm": (left - x0) * 1e3, "y_mm": (low - y0) * 1e3}
        rect |= {"width_mm": wide * 1e3, "height_mm": high * 1e3}
        blocks.append(rect)
        if index in kinds:
            made.append(kinds[index])
            regions.append({**rect, "material": kinds[index]["name"]})
    return {"blocks": blocks, "regions": regions}, size


def _read_layers(
    path: Path, known: dict[str, tuple[float, float]], made: list[dict[str, Any]]
) -> tuple[list[dict[str, Any]], tuple[float, float]]:
    """Return the layers of an .lcf from the one farthest from the sink, and the size of the stack in mm."""
    lines = _lines(path)
    found: dict[int, dict[str, Any]] = {}
    sizes: dict[int, tuple[float, float]] = {}
    at = 0

    def take(what: str) -> tuple[str, str]:
        nonlocal at
        if at >= len(lines):
            raise InputError(f"{path}: ends before the {what} of layer {len(found)}")
        at += 1
        return lines[at - 1].words[0], lines[at - 1].place

    while at < len(lines):
        word, place = take("number")
        if not word.isdecimal() or int(word) in found:
            raise InputError(f"{place}: layer number {short(word)}: must be a whole number, each once")
        number = int(word)
        name = f"layer{number}"
        sideways, powered = (_yes(*take(what), what) for what in ("lateral heat flow", "power dissipation"))
        word, place = take("heat capacity")
        if word in known:
            conductivity, held = known[word]
        else:
            if not word[0].isdigit() and word[0] not in ".+-":
                raise InputError(f"{place}: material {short(word)}: not defined{nearest(word, known)}")
            held = _above_zero(word, place, "heat capacity")
            word, place = take("resistivity")
            conductivity = 1.0 / _above_zero(word, place, "resistivity")
        word, place = take("thickness")
        thick = _above_zero(word, place, "thickness")
        word, place = take("floorplan")
        floorplan = path.parent / word
        if not floorplan.is_file():
            floorplan = path.parent / Path(word).name  # files that moved together with the .lcf
        if floorplan.suffix.lower() == ".csv":
            raise InputError(f"{place}: {word}: microchannels are not modelled")
        try:
            parts, sizes[number] = _read_floorplan(floorplan, made, name)
        except InputError as error:
            raise InputError(f"{place}: {error}") from None
        made.append(_material(name, conductivity, held) | ({} if sideways else {"lateral_w_mk": 0.0}))
        if not powered:
            del parts["blocks"]
        found[number] = {"name": name, "thickness_um": thick * 1e6, "material": name, **parts}
        first = sizes[min(sizes)]
        if any(abs(a - b) > 1e-3 * b for a, b in zip(sizes[number], first, strict=True)):
            rule = f"{sizes[number][0]:g} x {sizes[number][1]:g} mm; other layers have {first[0]:g} x {first[1]:g} mm"
            raise InputError(f"{place}: floorplan {word}: {rule}")
    if sorted(found) != list(range(len(found))) or not found:
        raise InputError(f"{path}: layers {sorted(found)}: must be numbered from 0 without gaps")
    return [found[number] for number in range(len(found))], sizes[0]


def _yes(word: str, place: str, what: str) -> bool:
    if word[0].upper() not in "YN":
        raise InputError(f"{place}: {what} {short(word)}: must be Y or N")
    return word[0].upper() == "Y"


def _read_config(path: Path, values: dict[str, float], materials: dict[str, tuple[float, float]]) -> None:
    """Read ``-name value`` lines into what we have use for, and a materials file beside it, if there is one."""
    beside = path.with_suffix(".materials")
    if beside.is_file():
        materials |= _read_materials(beside)
    chosen: dict[str, tuple[str, str]] = {}
    for place, words in _lines(path):
        if not words[0].startswith("-") or len(words) < 2:
            raise InputError(f"{place}: {short(' '.join(words))}: must be -name value")
        name, word = words[0][1:], words[1]
        if name in ("model_secondary", "use_microchannels", "microchannel_used") and word not in (
            "0",
            "(null)",
        ):
            raise InputError(
                f"{place}: {name} {word}: is not modelled; only the path through the heat sink is"
            )
        if name.startswith("material_"):
            chosen[name.removeprefix("material_")] = (word, place)
        elif name in values:
            what = f"-{name}"
            values[name] = (
                _number(word, place, what) if name == "c_convec" else _above_zero(word, place, what)
            )
    for part, (word, place) in chosen.items():
        if f"k_{part}" not in values:
            continue
        if word not in materials:
            raise InputError(f"{place}: material {short(word)}: not in {beside}{nearest(word, materials)}")
        values[f"k_{part}"], values[f"p_{part}"] = materials[word]


def _read_materials(path: Path) -> dict[str, tuple[float, float]]:
    """Return conductivity and heat capacity of the solids of a .materials file."""
    lines, at, found = _lines(path), 0, {}
    while at < len(lines):
        size = 5 if at + 1 < len(lines) and lines[at + 1].words[0] == "fluid" else 4
        rows = lines[at : at + size]
        if len(rows) < size or rows[1].words[0] not in ("solid", "fluid"):
            raise InputError(
                f"{rows[-1].place}: a material is a name, solid or fluid, and its numbers, a line each"
            )
        numbers = [_above_zero(row.words[0], row.place, "number of a material") for row in rows[2:]]
        if size == 4:
            found[rows[0].words[0]] = (numbers[0], numbers[1])
        at += size
    return found
