"""From the name of a column to what stands beside an axis: words, unit, and the prefix that suits the values."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

#: Suffix of a name: unit without prefix, and how many of those one is.
_UNITS: dict[str, tuple[str, float]] = {
    **{f"_{p}s": ("s", f) for p, f in (("p", 1e-12), ("n", 1e-9), ("u", 1e-6), ("m", 1e-3), ("", 1.0))},
    **{f"_{p}j": ("J", f) for p, f in (("p", 1e-12), ("n", 1e-9), ("u", 1e-6), ("m", 1e-3), ("", 1.0))},
    **{f"_{p}w": ("W", f) for p, f in (("u", 1e-6), ("m", 1e-3), ("", 1.0))},
    **{f"_{p}hz": ("Hz", f) for p, f in (("", 1.0), ("m", 1e6), ("g", 1e9))},
    **{f"_{p}bps": ("B/s", f) for p, f in (("", 1.0), ("m", 1e6), ("g", 1e9))},
    **{f"_{p}flops": ("FLOP/s", f) for p, f in (("", 1.0), ("g", 1e9))},
    "_mtps": ("T/s", 1e6),
    "_per_s": ("1/s", 1.0),
    "_bytes": ("B", 1.0),
    "_bits": ("bit", 1.0),
    "_clk": ("clk", 1.0),
    "_mm2": ("mm²", 1.0),
    "_usd": ("USD", 1.0),
    "_v": ("V", 1.0),
    "_ma": ("A", 1e-3),
    "_ohm": ("ohm", 1.0),
    "_pct": ("%", 1.0),
}
#: Names of parameters say their unit in their own letters, such as ``tCK_ps`` and ``pj_per_bit``.
_RATES = {"_pj_per_bit": "pJ/bit", "_pj_per_event": "pJ", "_nj_per_lookup": "nJ per lookup"}
#: Units that take a prefix; the others are written as they are.
_PREFIXED = {"s", "J", "W", "Hz", "B/s", "FLOP/s", "T/s", "1/s", "A"}
_PREFIXES = {-12: "p", -9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T"}
_COUNTS = {0: "count", 3: "thousands", 6: "millions", 9: "billions", 12: "trillions"}
_WORDS = {
    "time_ns": "run time",
    "latency_avg_ns": "mean read latency",
    "latency_queueing_avg_ns": "mean queueing",
    "latency_service_avg_ns": "mean service time",
    "latency_p50_ns": "median read latency",
    "latency_p90_ns": "90th percentile of latency",
    "latency_p99_ns": "99th percentile of latency",
    "latency_max_ns": "longest read latency",
    "dram_bandwidth_gbps": "bandwidth of the DRAM",
    "nmp_load_imbalance": "slowest rank over mean",
}
#: Metrics of which more is better; of all others less is.
_MORE = (
    "bandwidth_gbps",
    "dram_bandwidth_gbps",
    "peak_bandwidth_gbps",
    "speedup",
    "row_hits",
    "samples_per_s",
)

Kind = Literal["si", "share", "times", "bytes", "count", "plain"]


@dataclass(frozen=True)
class Quantity:
    """What a column holds.

    Attributes
    ----------
    words : str
        What an axis calls it.
    kind : str
        ``si``: a unit with prefixes; ``share``: 0 to 1, shown in percent; ``times``: a ratio; ``bytes``: with binary
        prefixes at the ticks; ``count``; ``plain``: any other unit.
    unit : str
        Unit without prefix.
    factor : float
        Units per one of the column.
    """

    words: str
    kind: Kind
    unit: str
    factor: float

    def scaled(self, values: Iterable[float]) -> Scale:
        """Return the unit in which these values read best, by the largest finite one."""
        if self.kind == "share":
            return Scale(100.0, f"{self.words} (%)")
        if self.kind in ("si", "count"):
            largest = max((abs(v) * self.factor for v in values if math.isfinite(v)), default=0.0)
            if self.kind == "count" and largest < 10_000:
                return Scale(1.0, f"{self.words} (count)")
            names = _PREFIXES if self.kind == "si" else _COUNTS
            power = max((p for p in names if largest >= 10.0**p * (1 - 1e-12)), default=0)
            if largest == 0 and self.kind == "si":
                power = round(math.log10(self.factor) / 3) * 3
            unit = names[power] if self.kind == "count" else f"{names[power]}{self.unit}"
            if self.unit == "1/s":
                unit = "1/s" if not power else f"{_COUNTS.get(power, names[power])} per second"
            return Scale(_ratio(self.factor, power), f"{self.words} ({unit})")
        return Scale(self.factor, f"{self.words} ({self.unit})")


@dataclass(frozen=True)
class Scale:
    """How a column is shown: each value times ``factor`` on an axis called ``label``."""

    factor: float
    label: str

    def __call__(self, values: Sequence[float]) -> list[float]:
        """Return the values as they are drawn."""
        divisor = 1 / self.factor
        exact = self.factor < 1 and abs(divisor - round(divisor)) < 1e-6 * divisor
        # 1/1000 is no binary fraction: dividing rounds once, multiplying twice.
        return [v / round(divisor) if exact else v * self.factor for v in values]


def _ratio(factor: float, power: int) -> float:
    """Return factor / 10**power, both powers of ten that no float holds exactly."""
    tens = round(math.log10(factor)) - power
    return float(10**tens) if tens >= 0 else 1 / 10**-tens


def quantity_of(column: str) -> Quantity:
    """Return what a column of a study holds, by its name.

    Parameters
    ----------
    column : str
        Such as ``time_ns``, ``utilisation_data_bus``, ``nmp.cache.size_bytes``.
    """
    suffix, (unit, factor) = next(
        ((s, u) for s, u in sorted(_UNITS.items(), key=lambda item: -len(item[0])) if column.endswith(s)),
        ("", ("", 1.0)),
    )
    for rate, name in _RATES.items():
        if column.endswith(rate):
            return Quantity(_words(column, rate), "plain", name, 1.0)
    words = _words(column, suffix)
    if unit == "B":
        return Quantity(words, "bytes", "B", 1.0)
    if unit:
        return Quantity(words, "si" if unit in _PREFIXED else "plain", unit, factor)
    if column.endswith(("_ratio", "_share")) or column.startswith(("utilisation_", "row_open_")):
        return Quantity(words, "share", "%", 1.0)
    if column.endswith(("speedup", "imbalance")):
        return Quantity(words, "times", "×", 1.0)
    return Quantity(words, "count", "count", 1.0)


def without_unit(column: str) -> str:
    """Return a name of a column without the unit at its end."""
    suffix = max((s for s in (*_UNITS, *_RATES) if column.endswith(s)), key=len, default="")
    return column.removesuffix(suffix)


def more_is_better(column: str) -> bool:
    """Tell whether an architect wants much of a metric."""
    return column in _MORE or column.endswith("hit_ratio")


def logarithmic(values: Iterable[float]) -> bool:
    """Tell whether values of an axis are spaced by ratios (1, 2, 4, 8) rather than by differences."""
    ordered = sorted(set(values))
    if len(ordered) < 3 or ordered[0] <= 0 or not math.isfinite(ordered[-1]) or ordered[-1] < 4 * ordered[0]:
        return False
    pairs = list(itertools.pairwise(ordered))
    steps = [b - a for a, b in pairs]
    ratios = [math.log(b / a) for a, b in pairs]
    return max(ratios) * min(steps) < max(steps) * min(ratios)


def axis_ticks(column: str, values: Sequence[float]) -> tuple[list[str], str]:
    """Return a text for each value of an axis, and what the axis is called, with its unit.

    Values stand in the unit of the column, as the user wrote them; bytes and counts with one prefix where that leaves
    them whole and short.
    """
    quantity = quantity_of(column)
    unit = (
        column.removeprefix(f"{without_unit(column)}_") if quantity.kind in ("si", "plain") else quantity.unit
    )
    unit = {"mm2": "mm²", "pct": "%", "us": "µs", "gbps": "GB/s", "mtps": "MT/s"}.get(unit, unit)
    if quantity.kind == "share":
        return [f"{100 * v:.4g}" for v in values], f"{quantity.words} (%)"
    if quantity.kind == "bytes":
        for power in (3, 2, 1, 0):
            small = [v / 1024**power for v in values]
            if all(v == int(v) for v in small) and max(small, default=0) < 10_000:
                return [f"{v:.0f}" for v in small], f"{quantity.words} ({('', 'Ki', 'Mi', 'Gi')[power]}B)"
    return [tick_text(v, quantity.kind) for v in values], f"{quantity.words} ({unit})"


def tick_text(value: float, kind: Kind) -> str:
    """Write a single value: ``64 Ki`` of bytes, ``20 k`` of counts."""
    base, prefixes = {"bytes": (1024, ("", "Ki", "Mi", "Gi", "Ti"))}.get(
        kind, (1000, ("", "k", "M", "G", "T"))
    )
    power = 0
    while kind in ("bytes", "count") and power < 4 and abs(value) >= (base if kind == "bytes" else 10 * base):
        value, power = value / base, power + 1
    return f"{value:.4g} {prefixes[power]}".rstrip()


def _words(column: str, suffix: str) -> str:
    if column in _WORDS:
        return _WORDS[column]
    bare = column.removesuffix(suffix)
    # Of a path, what says enough: dram.organization.ranks is "ranks", nmp.cache.size "nmp cache size".
    for section in ("dram.organization.", "dram.timing.", "dram.", "workload."):
        bare = bare.removeprefix(section)
    if bare.count(".") == 1:
        bare = bare.removeprefix("nmp.")
    return bare.replace("_", " ").replace(".", " ").strip()
