"""What a study is judged by: metrics, arithmetic over columns, and limits that a design must keep.

Read with the language of `archsim.studies.conditions`; nothing of it is ever executed.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from archsim.errors import InputError
from archsim.studies.conditions import Condition, path_of
from archsim.studies.notes import ending_unit, unit_of_column

#: From a name that the user wrote to the column that it means; raises InputError for an unknown one.
Resolver = Callable[[str], str]
Goals = "str | Objective | Iterable[str | Objective] | Mapping[str, str]"

_DIRECTION = re.compile(r"\s*(mini|maxi)mi[sz]e\s+(.+)", re.DOTALL)
_NAMED = re.compile(r"\s*([A-Za-z_]\w*)\s*=(?!=)(.+)", re.ASCII | re.DOTALL)
_LEAST_VIOLATION = 1e-12


class Expression(Condition):
    """Arithmetic over the columns of a row, such as ``time_ns * energy_nj``."""

    label: ClassVar[str] = "objective"
    named: ClassVar[str] = "a column"
    example: ClassVar[str] = "time_ns, or edp = time_ns * energy_nj"

    def number(self, values: Mapping[str, Any]) -> float | None:
        """Return the value for one row, None where it is no finite number.

        Raises
        ------
        InputError
            For a column of text or of truth values, and for anything outside the language.
        """
        try:
            value = float(self._number(self.tree, values))
        except (ZeroDivisionError, OverflowError):
            return None
        except RecursionError:
            raise self._error("is nested too deeply") from None
        return value if math.isfinite(value) else None


@dataclass(frozen=True)
class Objective:
    """A number of which less, or more, is wanted.

    Attributes
    ----------
    name : str
        What tables call it: the column, the name that was given to an expression, or the expression.
    maximise : bool
        Whether more is wanted.
    expression : Expression
        How it is computed.
    columns : mapping of str to str
        The columns that it needs, by the names that the expression has for them.
    """

    name: str
    maximise: bool
    expression: Expression
    columns: Mapping[str, str]

    @classmethod
    def parse(cls, text: str, resolve: Resolver, *, maximise: bool = False) -> Objective:
        """Read a metric, an expression, or ``NAME = EXPRESSION``; ``maximise `` or ``minimise `` may go before.

        Parameters
        ----------
        text : str
        resolve : callable
            Returns the column of a name, or raises.
        maximise : bool
            What is meant when the text does not say.
        """
        if found := _DIRECTION.fullmatch(text):
            maximise, text = found[1] == "maxi", found[2]
        named = _NAMED.fullmatch(text)
        body = (named[2] if named else text).strip()
        bare = Expression(body, {})
        columns = {name: resolve(name) for name in names_in(bare.tree)}
        if not columns:
            raise InputError(f"{Expression.label} {body}: names no column, so it is the same at all points")
        units = {name: unit_of_column(column) for name, column in columns.items()}
        whole = path_of(bare.tree)
        name = named[1] if named else columns[whole] if whole else body
        return cls(name, maximise, Expression(body, units), columns)

    @property
    def unit(self) -> str:
        """Unit of the values: of the column, of the name's ending, or as the expression combines them; may be ""."""
        if self._named and (unit := ending_unit(self.name)):
            return unit
        return _unit(self.expression.tree, self.expression.units) or ""

    @property
    def _named(self) -> bool:
        """Whether an expression was given a name."""
        return self.name not in (self.expression.text, *self.columns.values())

    @property
    def label(self) -> str:
        """Name and unit, and what is wanted."""
        said = self._named or path_of(self.expression.tree) is not None
        unit = f", {self.unit}" if self.unit and not (said and ending_unit(self.name) == self.unit) else ""
        return f"{self.name} ({'more' if self.maximise else 'less'} is better{unit})"

    def value(self, row: Mapping[str, Any]) -> float | None:
        """Return the value for a row of a study, None where a column that it needs is empty.

        Raises
        ------
        InputError
            For a column of texts or truth values.
        """
        values = {name: row.get(column) for name, column in self.columns.items()}
        for column, value in zip(self.columns.values(), values.values(), strict=True):
            if isinstance(value, str | bool):
                kind = "text" if isinstance(value, str) else "true or false"
                raise InputError(f"objective {self.name}: column {column} holds {kind}, not numbers")
        return None if None in values.values() else self.expression.number(values)

    def to_text(self) -> str:
        """Return what `parse` reads back."""
        body = self.expression.text
        named = f"{self.name} = " if self._named else ""
        return f"{'maxi' if self.maximise else 'mini'}mise {named}{body}"


class Limit(Condition):
    """A condition on the columns of a row that a design must meet, such as ``area_mm2 < 1.0``."""

    label: ClassVar[str] = "--constraint"
    named: ClassVar[str] = "a column"
    example: ClassVar[str] = "area_mm2 < 1.0"

    def violation(self, values: Mapping[str, Any]) -> float:
        """Return 0 where the condition holds, else by how much it does not, above 0.

        Of one comparison ``a < b`` (``>``, ``<=``, ``>=``) it is ``|a - b| / |b|`` (``|a - b|`` where b is 0); of any
        other condition 1.
        """
        if self.holds(values):
            return 0.0
        node = self.tree
        orders = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
        if not (isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], orders)):
            return 1.0
        terms = [node.left, node.comparators[0]]
        found = [self._value(term, values) for term in terms]
        unit = next((self.units[path] for term in terms if self.units.get(path := path_of(term) or "")), "")
        numbers = [self._converted(each, unit) if unit else each for each in found]
        if not all(isinstance(each, int | float) for each in numbers):
            return 1.0
        gap, scale = abs(numbers[0] - numbers[1]), abs(numbers[1])
        return float(max(gap / scale if scale else gap, _LEAST_VIOLATION))


@dataclass(frozen=True)
class Constraint:
    """A limit, and the columns that it needs by the names that it has for them."""

    limit: Limit
    columns: Mapping[str, str]

    @classmethod
    def parse(cls, text: str, resolve: Resolver) -> Constraint:
        """Read a condition over columns."""
        columns = {name: resolve(name) for name in names_in(Limit(text, {}).tree)}
        if not columns:
            raise InputError(f"{Limit.label} {text}: names no column, so it is the same at all points")
        return cls(Limit(text, {name: unit_of_column(column) for name, column in columns.items()}), columns)

    def violation(self, row: Mapping[str, Any]) -> float | None:
        """Return 0 where a row of a study meets it, else by how much it misses; None where a column is empty."""
        values = {name: row.get(column) for name, column in self.columns.items()}
        return None if None in values.values() else self.limit.violation(values)


def parse_objectives(goals: Any, resolve: Resolver) -> tuple[Objective, ...]:
    """Read objectives in any of their forms.

    Parameters
    ----------
    goals : str, Objective, an iterable of them, or a mapping
        Texts as of `Objective.parse`, of which less is wanted unless they begin with ``maximise``; or a mapping of
        metric or expression to ``"minimise"`` or ``"maximise"``.
    resolve : callable
        Returns the column of a name, or raises.

    Raises
    ------
    InputError
        For none, the same twice, and whatever cannot be read.
    """
    if isinstance(goals, str | Objective):
        goals = [goals]
    if isinstance(goals, Mapping):
        for text, way in goals.items():
            if not re.fullmatch(r"(mini|maxi)mi[sz]e", str(way)):
                raise InputError(f"objective {text}: {way!r}: must be 'minimise' or 'maximise'")
        goals = [f"{way} {text}" for text, way in goals.items()]
    found = tuple(
        each if isinstance(each, Objective) else Objective.parse(str(each), resolve) for each in goals
    )
    if not found:
        raise InputError("at least one objective is needed, such as time_ns")
    names = [objective.name for objective in found]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"objective {name}: is given twice")
    return found


def parse_constraints(limits: str | Sequence[str], resolve: Resolver) -> tuple[Constraint, ...]:
    """Read conditions over columns; all of them must hold."""
    return tuple(
        Constraint.parse(text, resolve) for text in ([limits] if isinstance(limits, str) else limits)
    )


def columns_of(objectives: Iterable[Objective], constraints: Iterable[Constraint]) -> list[str]:
    """Return the columns by which a point is judged, each once."""
    needed = [each.columns for each in objectives] + [each.columns for each in constraints]
    return list(dict.fromkeys(column for columns in needed for column in columns.values()))


def names_in(tree: ast.expr) -> list[str]:
    """Return the names of an expression, such as ``time_ns`` and ``nmp.cache.size``, each once."""
    try:
        return list(dict.fromkeys(name for name in _names(tree) if name not in ("true", "false")))
    except RecursionError:
        raise InputError("objective or constraint: is nested too deeply") from None


def _names(node: ast.AST) -> Iterator[str]:
    path = path_of(node) if isinstance(node, ast.expr) else None
    if path is not None:
        yield path
        return
    for child in ast.iter_child_nodes(node):
        yield from _names(child)


def _unit(node: ast.expr, units: Mapping[str, str]) -> str | None:
    """Return the unit of a term; "" for a plain number, None where units do not go together."""
    path = path_of(node)
    if path is not None:
        return units.get(path, "")
    if isinstance(node, ast.UnaryOp):
        return _unit(node.operand, units)
    if not isinstance(node, ast.BinOp):
        return ""
    left, right = _unit(node.left, units), _unit(node.right, units)
    if left is None or right is None:
        return None
    if isinstance(node.op, ast.Mult):
        return f"{left} {right}".strip()
    if isinstance(node.op, ast.Div):
        if not right:
            return left
        return "" if left == right else f"{left or '1'}/{f'({right})' if ' ' in right else right}"
    return left if left == right else None
