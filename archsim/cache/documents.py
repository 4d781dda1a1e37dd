"""What `archsim cache` answers, as plain values for JSON, tables and pictures."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from archsim.cache.accesses import Accesses, Ints
from archsim.cache.curves import ALL, LruCurve, WayCurve
from archsim.cache.replay import MOST_ENTRIES, CacheResult
from archsim.errors import InputError, printable
from archsim.traces.addresses import AddressTrace
from archsim.traces.analysis.figures import doublings
from archsim.traces.trace import EmbeddingTrace
from archsim.units import parse_quantity

Document = dict[str, Any]
REPLAYED_DOUBLINGS, REPLAYED_STEPS = 12, 2
"""Sizes of the curve of a policy that has to be replayed for each: so many doublings down from all objects."""


def parse_entries(text: str, accesses: Accesses) -> list[int]:
    """Read sizes of caches: entries (``10000``) or bytes (``1MiB``), separated by commas.

    Raises
    ------
    InputError
        For a size that is not a whole number of entries, below one or too large.
    """
    found = []
    for part in text.split(","):
        word = part.strip()
        if re.fullmatch(r"[+-]?\d[\d_]*(\.\d*)?(e\d{1,2})?", word, re.ASCII | re.IGNORECASE):
            number = float(word)
            if not number.is_integer():
                raise InputError(f"--entries {printable(word)}: must be a whole number")
            entries = int(number)
        elif not accesses.unit_bytes or not word:
            raise InputError(f"--entries {printable(part)!r}: must be whole numbers, separated by commas")
        else:
            entries = _from_bytes(word, accesses)
        if not 1 <= entries <= MOST_ENTRIES:
            raise InputError(f"--entries {printable(word)}: must hold 1 to {MOST_ENTRIES:,} {accesses.unit}s")
        found.append(entries)
    return list(dict.fromkeys(found))


def _from_bytes(text: str, accesses: Accesses) -> int:
    try:
        size = parse_quantity(text, "B")
    except InputError as error:
        raise InputError(f"--entries {error}, or a whole number of {accesses.unit}s") from None
    if size % accesses.unit_bytes:
        raise InputError(
            f"--entries {printable(text)}: {size:,} bytes are not a whole number of {accesses.unit}s of "
            f"{accesses.unit_bytes} bytes; {int(size // accesses.unit_bytes):,} of them fit"
        )
    return int(size // accesses.unit_bytes)


def head(trace: EmbeddingTrace | AddressTrace, accesses: Accesses, count: int) -> Document:
    """Return what all answers begin with."""
    return {
        "trace": {"name": trace.name, "sha256": trace.sha256},
        "accesses": count,
        "unit": accesses.unit,
        "unit_bytes": accesses.unit_bytes,
    }


def rows(results: Sequence[CacheResult], accesses: Accesses) -> Document:
    """Return hit ratios, one row per policy and size."""
    found = []
    for result in results:
        row = {**result.to_dict(), "bytes": result.entries * accesses.unit_bytes}
        if result.table_accesses is not None and result.table_hits is not None:
            columns = zip(
                accesses.tables or ("all",),
                result.table_accesses.tolist(),
                result.table_hits.tolist(),
                strict=True,
            )
            row["tables"] = [
                {"name": name, "accesses": count, "hits": hits, "hit_ratio": hits / count if count else None}
                for name, count, hits in columns
            ]
        if result.interval_accesses is not None and result.interval_hits is not None:
            parts = zip(result.interval_accesses.tolist(), result.interval_hits.tolist(), strict=True)
            row["intervals"] = [
                {"accesses": count, "hits": hits, "hit_ratio": hits / count} for count, hits in parts
            ]
        found.append(row)
    return {"rows": found}


def curve(found: LruCurve, entries: Ints, accesses: Accesses) -> Document:
    """Return the LRU miss ratio by size, of all accesses, of each table and of each interval."""
    document: Document = {
        "policy": "lru",
        "counting": {"label": found.label, "sample_rate": found.sample / ALL},
        "distinct": found.distinct,
        "compulsory_miss_ratio": found.distinct / found.accesses if found.accesses else 0.0,
        "entries": entries.tolist(),
        "bytes": (entries * found.unit_bytes).tolist(),
        "miss_ratio": found.miss_ratio(entries).tolist(),
        "kernel_cpu_s": found.kernel_cpu_s,
    }
    if found.tables is not None:
        places = np.searchsorted(found.tables.entries, entries)
        shared = found.tables.miss_ratio[:, places]
        names = accesses.tables or ("all",)
        document["tables"] = [
            {
                "name": name,
                "accesses": alone.accesses,
                "distinct": alone.distinct,
                "miss_ratio": shared[number].tolist() if alone.accesses else None,
                "alone": alone.miss_ratio(entries).tolist() if alone.accesses else None,
            }
            for number, (name, alone) in enumerate(zip(names, found.alone, strict=True))
        ]
    if found.intervals is not None:
        places = np.searchsorted(found.intervals.entries, entries)
        document["intervals"] = {
            "accesses": found.intervals.accesses.tolist(),
            "miss_ratio": found.intervals.miss_ratio[:, places].tolist(),
        }
    return document


def curve_sizes(found: LruCurve, given: Sequence[int] | None, replayed: bool) -> Ints:
    """Return the sizes of a curve: the given ones, or enough for a smooth line."""
    if given is not None:
        return np.array(sorted(given), np.int64)
    if found.tables is not None or found.intervals is not None:
        grid = (found.tables or found.intervals).entries  # type: ignore[union-attr]
        last = int(np.searchsorted(grid, found.distinct))
        grid = grid[: last + 1]
        return grid[grid * found.sample >= ALL]
    if not replayed:
        return found.sizes()
    sizes = doublings(max(1, found.distinct), REPLAYED_STEPS)
    return sizes[-(REPLAYED_DOUBLINGS * REPLAYED_STEPS + 1) :]


def policy_curves(
    found: LruCurve,
    entries: Ints,
    names: Sequence[str],
    accesses: Accesses,
    replay: Callable[[list[str], list[int]], list[CacheResult]],
) -> Document:
    """Return the miss ratios of several policies by size; those of LRU need no replay."""
    others = [name for name in names if name != "lru"]
    sizes = entries.tolist()
    results = replay(others, sizes)
    ratios = {"lru": found.miss_ratio(entries).tolist()} if "lru" in names else {}
    cpu_s = found.kernel_cpu_s
    for number, name in enumerate(others):
        own = results[number * len(sizes) : (number + 1) * len(sizes)]
        ratios[name] = [1.0 - result.hit_ratio for result in own]
        cpu_s += sum(result.kernel_cpu_s for result in own)
    document = curve(found, entries, accesses)
    by_name = {name: ratios[name] for name in names}
    return {
        **document,
        "policy": names[0],
        "miss_ratio": by_name[names[0]],
        "policies": by_name,
        "kernel_cpu_s": cpu_s,
    }


def ways(found: WayCurve) -> Document:
    """Return the LRU miss ratio by associativity at one number of sets."""
    return {
        "policy": "lru",
        "sets": found.sets,
        "ways": list(range(1, len(found.hits) + 1)),
        "entries": found.entries.tolist(),
        "bytes": (found.entries * found.unit_bytes).tolist(),
        "miss_ratio": found.miss_ratio.tolist(),
        "kernel_cpu_s": found.kernel_cpu_s,
    }
