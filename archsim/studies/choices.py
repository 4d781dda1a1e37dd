"""What a search may choose for a parameter: one of several values, or any number of a range."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from archsim.errors import InputError
from archsim.studies.axes import LABEL, Axis
from archsim.studies.conditions import comparable
from archsim.studies.space import WORKLOAD

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

    from archsim.studies.space import Space

_RANGE = re.compile(r"\s*([^,:*\[\]]+?)\s*\.\.\s*([^,:*\[\]]+?)\s*(:\s*log)?\s*")


@dataclass(frozen=True)
class Choice:
    """A parameter, or several linked ones, and what a search may give them.

    Attributes
    ----------
    paths : tuple of str
        Paths of parameters as ``--set`` takes them.
    kind : str
        ``ordered``: one of values that ascend; ``unordered``: one of any values; ``int``, ``float``: a range.
    values : tuple of tuple of str
        Of the first two: for each step one value per path, as text.
    low, high : int or float
        Of a range: its ends, both included, in the unit of the parameter.
    log : bool
        Of a range: whether each doubling is as likely as any other, not each difference.
    """

    paths: tuple[str, ...]
    kind: str
    values: tuple[tuple[str, ...], ...] = ()
    low: int | float = 0
    high: int | float = 0
    log: bool = False

    @property
    def name(self) -> str:
        """The paths, joined."""
        return "+".join(self.paths)

    def distribution(self) -> BaseDistribution:
        """Return the choice as Optuna has it; of values their places."""
        from optuna import distributions

        if self.kind == "unordered":
            return distributions.CategoricalDistribution(range(len(self.values)))
        if self.kind == "ordered":
            return distributions.IntDistribution(0, len(self.values) - 1)
        if self.kind == "int":
            return distributions.IntDistribution(int(self.low), int(self.high), log=self.log)
        return distributions.FloatDistribution(self.low, self.high, log=self.log)

    def texts(self, chosen: Any) -> dict[str, str]:
        """Return the value of each path, as ``--set`` reads it, for what Optuna chose."""
        if self.values:
            return dict(zip(self.paths, self.values[chosen], strict=True))
        return {self.paths[0]: repr(int(chosen) if self.kind == "int" else float(chosen))}

    def to_json(self) -> dict[str, Any]:
        """Return what tells this choice from another."""
        if self.values:
            return {"kind": self.kind, "values": [list(step) for step in self.values]}
        return {"kind": self.kind, "low": self.low, "high": self.high, "log": self.log}


def parse_choices(given: Any, space: Space) -> tuple[Choice, ...]:
    """Read what a search varies.

    Parameters
    ----------
    given : mapping, text, Axis, or an iterable of the last two
        As axes of `archsim.sweep`; and ``PATH=LOW..HIGH``, any number between, with ``:log`` behind it by ratios.
    space : Space
        The systems that the parameters are of.

    Raises
    ------
    InputError
        For what is no choice, parameters that no system has, and one that is varied twice.
    """
    if isinstance(given, str | Axis):
        given = [given]
    if isinstance(given, Mapping):
        found = [_of_value(str(name), values, space) for name, values in given.items()]
    else:
        found = [_ordered(each, space) if isinstance(each, Axis) else _of_text(each, space) for each in given]
    seen: set[str] = set()
    for path in (path for choice in found for path in choice.paths):
        if path.startswith(WORKLOAD):
            raise InputError(
                f"{LABEL} {path}: changes the trace, and a search compares designs on one trace; use `archsim sweep`"
            )
        if path in seen:
            raise InputError(f"{LABEL} {path}: is varied twice; give all its values in one {LABEL}")
        seen.add(path)
    return tuple(found)


def _of_text(text: Any, space: Space) -> Choice:
    name, equals, values = str(text).partition("=")
    if equals and _RANGE.fullmatch(values):
        return _of_value(name.strip(), values, space)
    return _ordered(Axis.parse(str(text)), space)


def _of_value(name: str, values: Any, space: Space) -> Choice:
    found = _RANGE.fullmatch(values) if isinstance(values, str) else None
    if found is None or "+" in name:
        return _ordered(Axis.of(name, values), space)
    Axis((name,), (("0",),))  # checks the name
    unit = space.unit(name)
    ends = [comparable(found[place], unit) for place in (1, 2)]
    place = f"{LABEL} {name}={values.strip()}"
    numbers = [end for end in ends if isinstance(end, int | float) and not isinstance(end, bool)]
    if len(numbers) < 2:
        raise InputError(f"{place}: both ends of a range must be numbers{f' in {unit}' if unit else ''}")
    low, high = numbers
    if not -1e300 < low <= high < 1e300:
        raise InputError(f"{place}: is empty; the first number must not be above the last")
    if found[3] and low <= 0:
        raise InputError(f"{place}: a logarithmic range must begin above 0")
    kind = "int" if isinstance(low, int) and isinstance(high, int) else "float"
    return Choice((name,), kind, low=low, high=high, log=bool(found[3]))


def _ordered(axis: Axis, space: Space) -> Choice:
    """Sort values that are numbers; neighbours then have something in common."""
    units = [space.unit(path) for path in axis.paths]
    keys = [
        tuple(comparable(text, unit) for text, unit in zip(step, units, strict=True)) for step in axis.values
    ]
    if not _numbers(key for step in keys for key in step):
        return Choice(axis.paths, "unordered", axis.values)
    order: Sequence[int] = sorted(range(len(keys)), key=lambda place: keys[place])
    return Choice(axis.paths, "ordered", tuple(axis.values[place] for place in order))


def _numbers(values: Iterable[Any]) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
