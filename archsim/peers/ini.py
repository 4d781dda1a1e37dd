"""Sections of ``NAME = VALUE`` lines, every key checked against a table of what is known."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from archsim.errors import InputError, nearest
from archsim.files import check_plain

#: Section -> key -> why it has no effect here; None for a key that is used.
KnownKeys = Mapping[str, Mapping[str, str | None]]

_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


class _Entry(NamedTuple):
    text: str
    line: int


class IniFile:
    """The values of one file; names are told apart without regard to case, as DRAMsim3 does.

    Attributes
    ----------
    path : Path
        The file, which opens every error message.
    unused : list of str
        Keys of the file that are known and without effect.
    """

    def __init__(self, path: Path, known: KnownKeys) -> None:
        self.path = path
        self.unused: list[str] = []
        self._values: dict[tuple[str, str], _Entry] = {}
        sections = {name.lower(): name for name in known}
        section = ""
        for number, raw in enumerate(read_text(path).splitlines(), start=1):
            line = raw.partition(";")[0].rstrip()
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            if line[0] in " \t" and section:
                raise self._error(number, "begins with a blank, so DRAMsim3 adds it to the value above")
            if line.startswith("["):
                name = line[1:].partition("]")[0].strip()
                if "]" not in line or name.lower() not in sections:
                    raise self._error(number, f"[{name}]: unknown section{nearest(name, known)}")
                section = sections[name.lower()]
            else:
                self._add(section, line, number, known)

    def _add(self, section: str, line: str, number: int, known: KnownKeys) -> None:
        name, equals, text = (part.strip() for part in line.partition("="))
        if not equals or not section:
            raise self._error(number, f"{line[:40]!r}: must be NAME = VALUE inside a [section]")
        names = {key.lower(): key for key in known[section]}
        if name.lower() not in names:
            raise self._error(number, f"[{section}] {name}: unknown key{nearest(name, known[section])}")
        key = (section, names[name.lower()])
        if key in self._values:
            first = self._values[key].line
            raise self._error(number, f"[{section}] {name}: given twice, first in line {first}")
        self._values[key] = _Entry(text, number)
        if known[section][key[1]] is not None:
            self.unused.append(key[1])

    def _error(self, line: int, what: str) -> InputError:
        return InputError(f"{self.path}: line {line}: {what}")

    def error(self, section: str, name: str, rule: str) -> InputError:
        """Return the error that names a key of the file, its value and the rule that it breaks."""
        entry = self._values.get((section, name))
        if entry is None:
            return InputError(f"{self.path}: [{section}] {name}, which is left out: {rule}")
        return self._error(entry.line, f"[{section}] {name} = {entry.text[:40]}: {rule}")

    def text(self, section: str, name: str, default: str) -> str:
        """Return a value as it is written."""
        entry = self._values.get((section, name))
        return default if entry is None else entry.text

    def choice(self, section: str, name: str, default: str, choices: Mapping[str, str] | list[str]) -> str:
        """Return a value that must be one of a few words."""
        value = self.text(section, name, default)
        if value not in choices:
            raise self.error(section, name, f"unknown value{nearest(value, choices)}")
        return value

    def boolean(self, section: str, name: str, default: bool) -> bool:
        """Return a switch: true, yes, on, 1 or false, no, off, 0."""
        word = self.text(section, name, str(default)).lower()
        if word not in _TRUE + _FALSE:
            raise self.error(section, name, "must be true or false")
        return word in _TRUE

    def integer(self, section: str, name: str, default: int, *, least: int = 0) -> int:
        """Return a whole number of at least ``least``."""
        text = self.text(section, name, str(default))
        if not re.fullmatch(r"-?[0-9]{1,18}", text) or int(text) < least:
            raise self.error(section, name, f"must be a whole number of at least {least}")
        return int(text)

    def real(self, section: str, name: str, default: float) -> float:
        """Return a decimal number of at least 0."""
        text = self.text(section, name, str(default))
        if not re.fullmatch(r"[0-9]*\.?[0-9]+(e-?[0-9]+)?|[0-9]+\.", text, re.IGNORECASE):
            raise self.error(section, name, "must be a number of at least 0")
        return float(text)


def read_text(path: Path) -> str:
    """Return the text of a file.

    Raises
    ------
    InputError
        When the file cannot be read, or is not UTF-8.
    """
    try:
        check_plain(path)
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: byte {error.start}: not UTF-8 text") from None
