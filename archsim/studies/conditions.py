"""Conditions on the points of a sweep: a small language of comparisons, read with `ast` and never executed."""

from __future__ import annotations

import ast
import operator
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from archsim.errors import InputError, nearest
from archsim.spec_errors import short
from archsim.units import parse_quantity

LABEL = "--where"
_LONGEST = 2000

Value = int | float | str | bool | tuple[Any, ...]

_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda one, many: one in many,
    ast.NotIn: lambda one, many: one not in many,
}
_COMPUTE: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
#: A text in quotes, or a number with a unit; quantities become texts in quotes before Python's parser sees them.
_TOKENS = re.compile(
    r"""("[^"]*"|'[^']*')|(?<![\w.])(\d[\d_]*(?:\.\d+)?(?:[eE][+-]?\d{1,2})?)\s*([^\W\d_]+(?:/[^\W\d_]+)?)(?![\w.(])"""
)
_WORDS = {"and", "or", "not", "in", "is", "if", "else"}


def comparable(text: str, unit: str) -> Value:
    """Read the text of a value as a number of ``unit``, a boolean, a list or a text."""
    try:
        value: Any = tomllib.loads(f"value = {text}").get("value", text)
    except (ValueError, RecursionError):
        value = text
    if isinstance(value, str) and unit:
        try:
            return parse_quantity(value, unit)
        except InputError:
            return value
    return tuple(value) if isinstance(value, list) else value


@dataclass(frozen=True)
class Condition:
    """A condition on the values of axes, such as ``nmp.cache.size > 64KiB or dram.timing.tRCD == 16``.

    It may hold paths of axes, ``system`` and ``trace`` (names), numbers, quantities with units, texts in quotes,
    ``true`` and ``false``, comparisons, ``and``, ``or``, ``not``, ``in (...)``, parentheses, and ``+ - * / // %``.

    Parameters
    ----------
    text : str
        The condition.
    units : mapping of str to str
        The paths that it may name, with the unit of each.
    """

    #: How an error message begins, what it calls a name, and what it gives as an example.
    label: ClassVar[str] = LABEL
    named: ClassVar[str] = "an axis"
    example: ClassVar[str] = "nmp.cache.size > 64KiB and dram.timing.tRCD != 16"

    text: str
    units: Mapping[str, str]
    tree: ast.expr = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if len(self.text) > _LONGEST:
            raise InputError(
                f"{self.label}: must have at most {_LONGEST:,} characters, not {len(self.text):,}"
            )
        try:
            tree = ast.parse(_TOKENS.sub(_quoted, self.text.strip()), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise self._error(f"cannot be read; write it like {self.example}") from None
        object.__setattr__(self, "tree", tree)

    def holds(self, values: Mapping[str, Value]) -> bool:
        """Evaluate the condition for one point.

        Raises
        ------
        InputError
            For an unknown path, a text compared with a number, a division by zero, or anything outside the language.
        """
        try:
            value = self._value(self.tree, values)
        except (TypeError, ZeroDivisionError, OverflowError) as error:
            raise self._error(str(error)) from None
        except RecursionError:
            raise self._error("is nested too deeply") from None
        if not isinstance(value, bool):
            raise self._error(f"must be true or false, such as {self.example}")
        return value

    def _value(self, node: ast.expr, values: Mapping[str, Value]) -> Any:
        if isinstance(node, ast.BoolOp):
            # All parts are looked at, so that a misspelt path is found at the first point.
            parts = [self._truth(part, values) for part in node.values]
            return all(parts) if isinstance(node.op, ast.And) else any(parts)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return not self._truth(node.operand, values)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return -self._number(node.operand, values)
        if isinstance(node, ast.BinOp) and type(node.op) in _COMPUTE:
            left, right = self._number(node.left, values), self._number(node.right, values)
            return _COMPUTE[type(node.op)](left, right)
        if isinstance(node, ast.Compare):
            return self._compare(node, values)
        if isinstance(node, ast.Tuple | ast.List):
            return tuple(self._value(part, values) for part in node.elts)
        if isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float | str):
            return node.value
        path = path_of(node)
        if path in ("true", "false"):
            return path == "true"
        if path is None:
            raise self._error(f"{short(ast.unparse(node))}: only comparisons of axes with values are known")
        if path not in values:
            raise self._error(f"{path}: not {self.named}{nearest(path, values)}")
        return values[path]

    def _compare(self, node: ast.Compare, values: Mapping[str, Value]) -> bool:
        terms = [node.left, *node.comparators]
        found = [self._value(term, values) for term in terms]
        # A quantity is read in the unit of the path that it is compared with.
        unit = next((self.units[path] for term in terms if self.units.get(path := path_of(term) or "")), "")
        for index, term in enumerate(terms):
            if unit and path_of(term) not in self.units:
                found[index] = self._converted(found[index], unit)
        for one, kind, other in zip(found, node.ops, found[1:], strict=False):
            if type(kind) not in _COMPARE:
                raise self._error("`is` is not known; use ==")
            if isinstance(kind, ast.In | ast.NotIn) and not isinstance(other, tuple):
                raise self._error("`in` needs a list, such as in (1, 2)")
            self._check_kinds(one, other)
            if not _COMPARE[type(kind)](one, other):
                return False
        return True

    def _check_kinds(self, one: Any, other: Any) -> None:
        for each in other if isinstance(other, tuple) and not isinstance(one, tuple) else (other,):
            if isinstance(one, str) != isinstance(each, str):
                raise self._error(f"{short(one)} cannot be compared with {short(each)}")

    def _converted(self, value: Any, unit: str) -> Any:
        if isinstance(value, tuple):
            return tuple(self._converted(part, unit) for part in value)
        if not isinstance(value, str):
            return value
        try:
            return parse_quantity(value, unit)
        except InputError as error:
            raise self._error(str(error)) from None

    def _truth(self, node: ast.expr, values: Mapping[str, Value]) -> bool:
        value = self._value(node, values)
        if not isinstance(value, bool):
            raise self._error(f"{short(ast.unparse(node))}: must be a comparison")
        return value

    def _number(self, node: ast.expr, values: Mapping[str, Value]) -> int | float:
        value = self._value(node, values)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._error(f"{short(ast.unparse(node))}: must be a number")
        return value

    def _error(self, message: str) -> InputError:
        return InputError(f"{self.label} {short(self.text)}: {message}")


def all_hold(conditions: Iterable[Condition], values: Mapping[str, Value]) -> bool:
    """Return whether every condition holds; all of them are looked at."""
    return all([condition.holds(values) for condition in conditions])


def _quoted(found: re.Match[str]) -> str:
    text, number, word = found.groups()
    return found[0] if text or word in _WORDS else f"'{number} {word}'"


def path_of(node: ast.expr) -> str | None:
    """Return ``a.b.c`` for the tree of that expression, None for anything else."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    return ".".join([node.id, *reversed(names)])
