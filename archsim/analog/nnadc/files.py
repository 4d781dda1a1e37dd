"""Converters, networks and quantisation curves from files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from archsim.analog.nnadc.other_files import other_table, refuse_other_file
from archsim.analog.nnadc.spec import Adc, Network
from archsim.errors import InputError, printable
from archsim.files import read_text
from archsim.spec import apply_overrides

_LARGEST_BYTES = 16 << 20
_MOST_POINTS = 65_536


def load_adc(
    name: str | Path,
    overrides: Iterable[str] = (),
    *,
    table: Path | None = None,
    network: Path | None = None,
) -> Adc:
    """Load a converter: a preset or a file, then a network and a curve of their own files, then overrides.

    Parameters
    ----------
    name : str or Path
        Of a preset, or of a file that ends in ``.toml``.
    overrides : iterable of str
        ``PATH=VALUE``.
    table : Path, optional
        See `load_table`.
    network : Path, optional
        What ``archsim adc --train`` has written.

    Raises
    ------
    InputError
        For whatever is refused in them.
    """
    if not isinstance(name, str | Path):
        raise InputError(f"converter {name!r}: must be the name of a preset or of a file")
    if isinstance(overrides, str):
        raise InputError(
            f"overrides = {overrides!r}: must be a list of texts, such as ['cell.read_sigma=0.01']"
        )
    network, table = (None if each is None else Path(each) for each in (network, table))
    refuse_other_file(name)
    adc = _converter(name)
    data = adc.to_dict()
    if network is not None:
        # As a table of text would be: so the name must be that of a file, not of a preset.
        if network.suffix != ".toml":
            raise InputError(f"{network}: must be a .toml file")
        data["network"] = Network.load(network).to_dict()
    if table is not None:
        x, y = load_table(table)
        data["scheme"] = {"kind": "table", "x": x, "y": y}
    if network is not None or table is not None:
        label = ", ".join(str(path) for path in (network, table) if path is not None)
        adc = Adc.from_dict(data, label)
    return apply_overrides(adc, overrides)


def _converter(name: str | Path) -> Adc:
    try:
        return Adc.load(name)
    except InputError:
        if str(name).endswith(".toml") and (other := other_table(name)):
            raise InputError(f"{name}: is {other}") from None
        raise


def load_table(path: Path) -> tuple[list[float], list[float]]:
    """Read a rising curve: lines ``x,y``, from 0,0 to 1,1; an optional first line ``x,y`` is a heading.

    Raises
    ------
    InputError
        With line and column.
    """
    x: list[float] = []
    y: list[float] = []
    for number, line in enumerate(read_text(path, _LARGEST_BYTES, "curve").splitlines(), 1):
        if not line.strip() or (number == 1 and line.replace(" ", "") == "x,y"):
            continue
        place = f"{path}: line {number}"
        fields = line.split(",")
        if len(fields) != 2:
            raise InputError(f"{place}: has {len(fields)} columns: must be x,y")
        for column, (text, values) in enumerate(zip(fields, (x, y), strict=True), 1):
            values.append(_value(text, f"{place}, column {column}", values))
        if len(x) > _MOST_POINTS:
            raise InputError(f"{place}: more than {_MOST_POINTS} points")
    for name, values in (("x", x), ("y", y)):
        if len(values) < 2 or values[-1] != 1.0:
            raise InputError(f"{path}: the last {name} must be 1, of two points at least")
    return x, y


def _value(text: str, place: str, before: list[float]) -> float:
    try:
        value = float(text)
    except ValueError:
        raise InputError(f"{place}: {printable(text.strip())[:40]!r}: must be a number") from None
    if not 0.0 <= value <= 1.0:
        raise InputError(f"{place}: {value:g}: must be from 0 to 1")
    if not before and value != 0.0:
        raise InputError(f"{place}: {value:g}: the first point must be 0,0")
    if before and value <= before[-1]:
        raise InputError(
            f"{place}: {value:g}: must be above {before[-1]:g} of the line before: the curve rises everywhere"
        )
    return value


def network_toml(network: Network) -> str:
    """Return the text of a file from which `load_adc` and presets take a network: one line per neuron or path."""
    data: dict[str, Any] = network.to_dict()
    lines = [f"command = {_quoted(network.command)}", f"cell_bits = {network.cell_bits}"]
    for name in ("hidden_levels", "plus_levels", "minus_levels"):
        lines += [f"{name} = [", *(f"    {row}," for row in data[name]), "]"]
    lines += ["", "[training]"]
    lines += [f"{key} = {_quoted(value)}" for key, value in data["training"].items()]
    lines += ["", "[sources]"]
    lines += [f'{key} = "{text}"' for key, text in _SOURCES.items()]
    lines += ["", "[sources.training]"]
    lines += [f'{key} = "a choice of archsim"' for key in data["training"] if key != "code"]
    return "\n".join(lines) + "\n"


_SOURCES = {
    "cell_bits": "those of the cell of the command",
    "hidden_levels": "trained by the command",
    "plus_levels": "trained by the command",
    "minus_levels": "trained by the command",
}


def _quoted(value: Any) -> str:
    from archsim.toml import toml_value

    return toml_value(value)
