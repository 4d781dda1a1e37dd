"""TOML text to nested dicts and back, with errors that name file, line and column."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from archsim.errors import InputError
from archsim.files import check_plain

_PLACE = re.compile(r"(.*) \(at (.*)\)", re.DOTALL)
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def parse_toml(text: str, label: str) -> dict[str, Any]:
    """Parse TOML text; ``label`` opens the error message."""
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also for numbers and nesting beyond Python's own limits
        match = _PLACE.fullmatch(str(error))
        place, reason = (match[2], match[1]) if match else ("TOML", str(error))
        raise InputError(f"{label}: {place}: {reason}") from None


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises
    ------
    InputError
        When the file cannot be read, is not UTF-8 (with the byte), or is not TOML (with line and column).
    """
    try:
        check_plain(path)
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: byte {error.start}: not UTF-8 text") from None
    return parse_toml(text, str(path))


def write_toml(data: Mapping[str, Any]) -> str:
    """Write nested tables as TOML; None is left out, a list of tables stays inline, one row per line."""
    return "\n".join(_table(data, "")).lstrip("\n") + "\n"


def toml_value(value: Any) -> str:
    """Write one value inline: a scalar, a list, or a table in braces."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # JSON escapes are TOML escapes, except that TOML also wants DEL escaped.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Mapping):
        pairs = (f"{_key(k)} = {toml_value(v)}" for k, v in value.items() if v is not None)
        return f"{{ {', '.join(pairs)} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(toml_value(item) for item in value)}]"
    return repr(value)


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else toml_value(key)


def _table(data: Mapping[str, Any], path: str) -> list[str]:
    lines = [
        f"{_key(k)} = {_block(v)}" for k, v in data.items() if v is not None and not isinstance(v, Mapping)
    ]
    if path and lines:
        lines = ["", f"[{path}]", *lines]
    for key, value in data.items():
        if isinstance(value, Mapping):
            lines += _table(value, f"{path}.{_key(key)}" if path else _key(key))
    return lines


def _block(value: Any) -> str:
    """Write a value after ``key =``; lists of tables get one line per table."""
    if isinstance(value, list | tuple) and value and all(isinstance(item, Mapping) for item in value):
        return "\n".join(["[", *(f"    {toml_value(item)}," for item in value), "]"])
    return toml_value(value)
