"""The built-in replacement policies and their parameters; docs/caches.md defines them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from archsim.errors import InputError, nearest


@dataclass(frozen=True)
class Parameter:
    """A number that tunes a policy.

    Attributes
    ----------
    default : float or int
        Used when none is given; its type is the type asked for.
    least, most : float
        The range it must lie in.
    meaning : str
        What it is, with its unit.
    """

    default: float | int
    least: float
    most: float
    meaning: str


@dataclass(frozen=True)
class Policy:
    """A built-in policy.

    Attributes
    ----------
    name : str
    title : str
        What it does, in one line.
    parameters : mapping of str to Parameter
        In the order in which the kernel takes them, fractions before whole numbers.
    """

    name: str
    title: str
    parameters: Mapping[str, Parameter] = field(default_factory=dict)

    def resolve(self, given: Mapping[str, float | int | bool]) -> dict[str, float | int]:
        """Return all parameters, the given ones checked.

        Raises
        ------
        InputError
            For a parameter the policy does not have, or a value out of its range.
        """
        values: dict[str, float | int] = {name: p.default for name, p in self.parameters.items()}
        for name, value in given.items():
            if name not in self.parameters:
                hint = nearest(name, self.parameters) if self.parameters else " (it has none)"
                raise InputError(f"policy {self.name!r} has no parameter {name!r}{hint}")
            p = self.parameters[name]
            whole = isinstance(p.default, int)
            if not isinstance(value, int) and (whole or not isinstance(value, float)):
                kind = "a whole number" if whole else "a number"
                raise InputError(f"{self.name}: {name} = {value!r} must be {kind}")
            if not p.least <= value <= p.most:
                raise InputError(f"{self.name}: {name} = {value!r} must lie in {p.least:g} .. {p.most:g}")
            values[name] = int(value) if whole else float(value)
        return values


def _table(*policies: Policy) -> dict[str, Policy]:
    return {policy.name: policy for policy in policies}


#: The built-in policies by name.
POLICIES = _table(
    Policy("lru", "evicts what was accessed longest ago"),
    Policy("fifo", "evicts what entered longest ago"),
    Policy("clock", "FIFO that spares, once, what was accessed since the hand passed"),
    Policy("sieve", "CLOCK whose survivors stay where they are"),
    Policy("lfu", "evicts what was accessed least often since it entered"),
    Policy(
        "slru",
        "LRU in segments; a hit lifts an object one segment",
        {"segments": Parameter(4, 1, 4, "number of segments")},
    ),
    Policy("arc", "two LRU lists, seen once and seen again, of adapted sizes"),
    Policy(
        "2q",
        "FIFO for newcomers, LRU for what comes back",
        {
            "kin": Parameter(0.25, 0.0, 1.0, "entries of the FIFO (A1in), as a fraction of all"),
            "kout": Parameter(0.5, 0.0, 16.0, "ghosts (A1out), as a fraction of all entries"),
        },
    ),
    Policy(
        "s3fifo",
        "small FIFO for newcomers, FIFO with reinsertion for what comes back",
        {
            "small": Parameter(0.1, 0.0, 1.0, "entries of the small queue, as a fraction of all"),
            "ghost": Parameter(0.9, 0.0, 16.0, "ghosts, as a fraction of all entries"),
            "threshold": Parameter(2, 1, 3, "accesses in the small queue that lead to the main queue"),
        },
    ),
    Policy(
        "wtinylfu",
        "LRU window before a segmented LRU; the more frequent of two may stay",
        {"window": Parameter(0.01, 0.0, 1.0, "entries of the window, as a fraction of all")},
    ),
    Policy("random", "evicts any object, all equally likely"),
    Policy(
        "belady",
        "evicts what is accessed latest in the future; no policy hits more often",
        {"bypass": Parameter(0, 0, 1, "1: what would be evicted next is not taken in")},
    ),
)


def policy_named(name: str) -> Policy:
    """Return the built-in policy of this name.

    Raises
    ------
    InputError
        For another name.
    """
    if name not in POLICIES:
        raise InputError(f"unknown cache policy {name!r}{nearest(name, POLICIES)}")
    return POLICIES[name]
