"""Read and write BibTeX: entries of fields in braces, which is all that references.bib needs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from archsim.errors import InputError

_ENTRY = re.compile(r"@(\w+)\{([^\s,]+),")
_FIELD = re.compile(r"\s*(\w+)\s*=\s*")
#: Names of months and other words that BibTeX takes without braces.
_BARE = re.compile(r"\w+")


@dataclass(frozen=True)
class Entry:
    """One reference.

    Attributes
    ----------
    key : str
        What a document cites, such as ``ke2020recnmp``.
    kind : str
        ``inproceedings``, ``article``, ``techreport``, ``misc`` or ``software``.
    fields : mapping of str to str
        In the order of the file, in BibTeX's own spelling, without the outer braces.
    """

    key: str
    kind: str
    fields: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, str]:
        """Return key, kind and all fields as one flat dictionary."""
        return {"key": self.key, "kind": self.kind, **self.fields}

    def __str__(self) -> str:
        width = max((len(name) for name in self.fields), default=0)
        lines = [f"  {name.ljust(width)} = {_value(text)}," for name, text in self.fields.items()]
        return "\n".join([f"@{self.kind}{{{self.key},", *lines, "}"])


def _value(text: str) -> str:
    return text if text in MONTHS else f"{{{text}}}"


MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def read_bibtex(text: str, label: str) -> dict[str, Entry]:
    """Return the entries of BibTeX text by key; ``label`` opens the error message.

    Lines that begin with ``%`` are comments.

    Raises
    ------
    InputError
        For a key or a field that stands twice, or a value without its end.
    """
    text = "\n".join("" if line.startswith("%") else line for line in text.split("\n"))
    entries: dict[str, Entry] = {}
    place = 0
    while (start := text.find("@", place)) >= 0:
        head = _ENTRY.match(text, start)
        if head is None:
            raise InputError(f"{_at(label, text, start)}: '@' must open an entry, such as @article{{key,")
        kind, key = head.groups()
        if key in entries:
            raise InputError(f"{_at(label, text, start)}: {key} stands twice")
        fields, place = _fields(text, head.end(), f"{_at(label, text, start)}: {key}")
        entries[key] = Entry(key, kind.lower(), fields)
    return entries


def _fields(text: str, place: int, label: str) -> tuple[dict[str, str], int]:
    """Read fields up to the closing brace of their entry; return them and the place behind it."""
    fields: dict[str, str] = {}
    while found := _FIELD.match(text, place):
        name = found[1].lower()
        if name in fields:
            raise InputError(f"{label}: {name} stands twice")
        fields[name], place = _braced(text, found.end(), f"{label}: {name}")
        comma = re.compile(r"\s*,").match(text, place)
        if comma is None:
            break
        place = comma.end()
    end = re.compile(r"\s*\}").match(text, place)
    if end is None:
        raise InputError(f"{label}: must end with '}}' after its fields")
    return fields, end.end()


def _braced(text: str, place: int, label: str) -> tuple[str, int]:
    """Read ``{...}`` with braces inside, or one bare word."""
    if place < len(text) and text[place] != "{":
        word = _BARE.match(text, place)
        if word is None:
            raise InputError(f"{label}: must have a value in braces")
        return word[0], word.end()
    depth = 0
    for end in range(place, len(text)):
        depth += {"{": 1, "}": -1}.get(text[end], 0)
        if depth == 0:
            return " ".join(text[place + 1 : end].split()), end + 1
    raise InputError(f"{label}: the brace that opens its value is never closed")


def _at(label: str, text: str, place: int) -> str:
    return f"{label}: line {text.count(chr(10), 0, place) + 1}"
