"""One-line messages for what pydantic refuses, with the path, the value, the rule and the nearest name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from archsim.errors import CodeError, nearest

Model = type[BaseModel]
Place = tuple[int | str, ...]

_LIMITS = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("more than", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("less than", "lt"),
}
_TYPES = {
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "text",
    "tuple_type": "a list",
    "model_type": "a table",
}


#: Keys of a table that a message lists at most.
_SHOWN = 6


class FieldError(ValueError):
    """A check across fields failed; raised inside the validators of a specification.

    Parameters
    ----------
    place : str
        The field to blame, from the specification's own level, with its value: ``"tCCD_L = 3"``.
    rule : str
        What must hold: ``"must be at least tCCD_S = 4"``.
    """

    def __init__(self, place: str, rule: str):
        super().__init__(f"{place}: {rule}")


def code_error(error: ValidationError) -> CodeError | None:
    """Return the failure of a user's code that stopped the checks; None when what was written is to blame."""
    causes = (each.get("ctx", {}).get("error") for each in error.errors(include_url=False))
    return next((cause for cause in causes if isinstance(cause, CodeError)), None)


def one_line(cls: Model, error: ValidationError) -> str:
    """Describe the most telling of the errors: a misspelt key before what is missing because of it."""
    found = sorted(error.errors(include_url=False), key=lambda e: e["type"] != "extra_forbidden")
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return _describe(cls, dict(found[0])) + more


def unit_of(cls: Model, key: str) -> str:
    """Return the unit a field was declared with, empty when it has none."""
    return _unit_of(cls, key)


@cache
def _unit_of(cls: Model, key: str) -> str:
    extra = cls.model_fields[key].json_schema_extra if key in cls.model_fields else None
    return str(extra.get("unit", "")) if isinstance(extra, dict) else ""


def table_model(cls: Model, key: str) -> Model | None:
    """Return the model of a field that is one table, optional or not; None for any other field."""
    return _table_model(cls, key)


@cache
def _table_model(cls: Model, key: str) -> Model | None:
    annotation = cls.model_fields[key].annotation if key in cls.model_fields else None
    options = () if get_origin(annotation) is tuple else (annotation, *get_args(annotation))
    return next((o for o in options if isinstance(o, type) and issubclass(o, BaseModel)), None)


def row_model(cls: Model, key: str) -> Model | None:
    """Return the model of the rows of a field that is a list of tables; None for any other field."""
    annotation = cls.model_fields[key].annotation if key in cls.model_fields else None
    options = get_args(annotation) if get_origin(annotation) is tuple else ()
    return next((o for o in options if isinstance(o, type) and issubclass(o, BaseModel)), None)


def short(value: Any) -> str:
    """Show a value the user wrote, cut to a readable length."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _describe(cls: Model, error: dict[str, Any]) -> str:
    kind, place, context = error["type"], error["loc"], error.get("ctx", {})
    path = _dotted(place)
    if kind == "extra_forbidden":
        owner, key = _owner(cls, place), str(place[-1])
        below = " or ".join(map(repr, _below(owner, key)))
        return (
            f"{path}: unknown key{f' (did you mean {below}?)' if below else nearest(key, owner.model_fields)}"
        )
    if kind == "missing":
        return f"{path}: missing{_meaning(_owner(cls, place), str(place[-1]))}"
    if kind == "value_error":
        cause = context["error"]
        separator = "." if isinstance(cause, FieldError) else ": "
        return f"{path}{separator}{cause}" if path else str(cause)
    value = error["input"]
    shown = "" if isinstance(value, Mapping | list | tuple) else f" = {short(value)}"
    rule = _rule(kind, context, value, error["msg"]) + (_keys(cls, place) if kind == "model_type" else "")
    return f"{path}{shown}: {rule}".removeprefix(": ")


def _rule(kind: str, context: dict[str, Any], value: Any, message: str) -> str:
    if kind in _LIMITS:
        words, limit = _LIMITS[kind]
        bound = context[limit]
        return f"must be {words} {bound:g}" if isinstance(bound, float) else f"must be {words} {bound}"
    if kind == "literal_error":
        options = re.findall(r"'([^']*)'", context["expected"])
        guess = nearest(value, options) if isinstance(value, str) else ""
        return f"must be {context['expected']}{guess if 'did you mean' in guess else ''}"
    if kind in ("too_short", "string_too_short"):
        return f"must have a length of at least {context['min_length']}"
    return f"must be {_TYPES[kind]}" if kind in _TYPES else message


def _keys(cls: Model, place: Place) -> str:
    """Return the keys of the table that should be at a place."""
    if not place:
        return ""
    keys = list(_owner(cls, (*place, "")).model_fields)
    return f" of {', '.join(keys[:_SHOWN])}{' ...' * (len(keys) > _SHOWN)}"


def _meaning(owner: Model, key: str) -> str:
    unit = unit_of(owner, key)
    words = [owner.model_fields[key].description or "", f"[{unit}]" if unit else ""]
    return f" ({' '.join(filter(None, words))})" if any(words) else ""


def _owner(cls: Model, place: Place) -> Model:
    """Return the model that holds the last name of ``place``."""
    for key in place[:-1]:
        if isinstance(key, str):
            cls = table_model(cls, key) or row_model(cls, key) or cls
    return cls


def _below(cls: Model, key: str, path: str = "") -> list[str]:
    """Return the paths at which a key is a value of the tables within a model, from the model on."""
    found = []
    for name in cls.model_fields:
        child = table_model(cls, name)
        if child is not None:
            inner = f"{path}{name}."
            found += [f"{inner}{key}"] if key in child.model_fields else _below(child, key, inner)
    return found


def _dotted(place: Place) -> str:
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in place).removeprefix(".")
