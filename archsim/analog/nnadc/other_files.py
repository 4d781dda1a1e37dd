"""What a file is that is no converter, and where it belongs: for the one line that refuses it."""

from __future__ import annotations

from pathlib import Path

from archsim.analog.device import Cell
from archsim.analog.nnadc.spec import Adc, Network
from archsim.errors import InputError
from archsim.spec import Spec, preset_names
from archsim.traces.formats.native import SIDECAR_NAME
from archsim.traces.formats.registry import FILE_FORMATS
from archsim.traces.formats.sources import HEAD_BYTES, open_binary

_RULE = "a converter is a preset (archsim show adc) or a .toml file"
_PICTURE = "a picture; archsim.analog.near_sensor.convert_image converts pixels, from Python"
_MARKS = {
    b"\x89PNG": _PICTURE,
    b"\xff\xd8\xff": _PICTURE,
    b"GIF8": _PICTURE,
    b"BM": _PICTURE,
    b"II*\0": _PICTURE,
    b"MM\0*": _PICTURE,
    b"\x93NUMPY": "an array of NumPy; archsim.analog.nnadc converts arrays, from Python",
    b"{": "JSON, which nothing of archsim reads as a converter",
}
#: First lines, without spaces.
_HEADINGS = {
    b"x,y": "a curve; give it as --table: archsim adc NAME --table {name}",
    b"level,mean_s,sigma_s": "measured levels of cells; archsim.analog.load_levels reads them, from Python",
}
_TABLES: dict[type[Spec], str] = {
    Network: "a network; give it as --network: archsim adc NAME --network {name}",
    Cell: "a cell; archsim.analog.Cell.load reads it, from Python, and --set cell.NAME=VALUE changes one value",
}


def refuse_other_file(name: str | Path) -> None:
    """Refuse the name of a file that does not end in ``.toml``, saying what it is; a preset's name passes.

    Raises
    ------
    InputError
        With its kind, what takes it, and what a converter is.
    """
    text, path = str(name), Path(name)
    if text.endswith(".toml") or text.lower() in preset_names(Adc.preset_kind):
        return
    try:
        there = bool(text) and path.exists()
    except (OSError, ValueError):  # no name of a file
        return
    if there:
        raise InputError(f"{text}: is {_kind(path).format(name=text)}; {_RULE}")
    if "/" in text or path.suffix:
        raise InputError(f"{text}: there is no such file; {_RULE}")


def other_table(name: str | Path) -> str | None:
    """Return what a ``.toml`` file is that is no converter; None for what is none of the tables known here."""
    for kind, words in _TABLES.items():
        try:
            kind.load(name)
        except InputError:
            continue
        return words.format(name=name)
    return None


def _kind(path: Path) -> str:
    """Return what a file or folder is, by its first bytes."""
    if path.is_dir():
        return "a folder" if not (path / SIDECAR_NAME).exists() else "a trace; archsim replay takes it"
    with open_binary(path) as stream:
        head = stream.read(HEAD_BYTES)
    if not head:
        return "an empty file"
    for mark, words in _MARKS.items():
        if head.startswith(mark):
            return words
    first = head.split(b"\n", 1)[0].strip().replace(b" ", b"")
    if first in _HEADINGS:
        return _HEADINGS[first]
    if first in (b"0,0", b"0.0,0.0"):
        return _HEADINGS[b"x,y"]
    for each in FILE_FORMATS.values():
        if each.matches is not None and each.matches(head):
            return f"a trace ({each.summary}); archsim replay takes it"
    if path.suffix.lower() == ".csv":
        return _HEADINGS[b"x,y"].replace("a curve;", "a table; if it holds a curve, lines x,y,")
    return "a file of another kind"
