"""Parts that only some systems have, and which systems an override of such a part is for."""

from __future__ import annotations

from collections.abc import Sequence

from archsim.systems.spec import SystemSpec

#: First names of the paths of such parts, and what those parts are.
PARTS = {"nmp": "near-memory units", "cache": "a front end for caches", "hierarchy": "cores with caches"}


def part_of(path: str) -> str | None:
    """Return the part that a path (or an override ``PATH=VALUE``) is about, None when every system has it."""
    first = path.partition(".")[0].partition("=")[0].strip()
    return first if first in PARTS else None


def takers(systems: Sequence[SystemSpec], part: str) -> list[bool]:
    """Which of the systems is an override of a part for: those that have it, or else the hosts that may have it."""
    have = [getattr(spec, part) is not None for spec in systems]
    if any(have) or part == "nmp":
        return have
    return [spec.kind == "host" and not (part == "cache" and spec.hierarchy) for spec in systems]
