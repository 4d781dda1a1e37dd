"""Plain-text tables for the terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from archsim.errors import printable
from archsim.units import format_bytes, format_count, format_energy, format_time

Run = Mapping[str, Any]
#: A row: its label and how to read its cell from a RUN object; no function makes it a heading.
Row = tuple[str, Callable[[Run], str] | None]


def align(rows: Sequence[Sequence[str]], gap: str = "  ") -> list[str]:
    """Align columns: the first to the left, the others to the right."""
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in rows if i < len(row)) for i in range(max(map(len, rows)))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(widths[i + 1]) for i, cell in enumerate(row[1:]))]
        lines.append(gap.join(cells).rstrip())
    return lines


def comparison_table(trace: Mapping[str, Any], runs: Sequence[Run]) -> str:
    """Return results side by side, one column per system.

    Parameters
    ----------
    trace : mapping
        The ``trace`` object of ``archsim replay --json``.
    runs : sequence of mapping
        Its RUN objects.
    """
    head = f"trace {printable(trace['name'])}: {trace_length(trace)}, sha256 {trace['sha256'][:12]}"
    rows = [["", *(run["system"] for run in runs)], *comparison_rows(runs)]
    return "\n".join([head, "", *align(rows)])


def comparison_rows(runs: Sequence[Run]) -> list[list[str]]:
    """Return the rows of `comparison_table`: a label, with two spaces before a part, and a cell for each run.

    A heading has its label only.
    """
    return [[label] if cell is None else [label, *(cell(run) for run in runs)] for label, cell in _rows(runs)]


def trace_length(trace: Mapping[str, Any]) -> str:
    """Return how long a trace is: its lookups, or the requests of a trace of addresses."""
    if trace["lookups"] is None:
        return f"{trace['requests']:,} requests by address"
    return f"{trace['lookups']:,} lookups"


def _rows(runs: Sequence[Run]) -> list[Row]:
    rows: list[Row] = [
        ("speedup", lambda run: f"{run['speedup']:.2f}x"),
        ("run time", lambda run: format_time(round(run["time_ns"] * 1000))),
        ("memory clocks", lambda run: f"{run['cycles']:,}"),
        ("requests", lambda run: f"{run['requests']:,}"),
        ("read latency, mean", lambda run: f"{run['latency_avg_ns']:.1f} ns"),
        ("  queueing, mean", lambda run: f"{run['latency_queueing_avg_ns']:.1f} ns"),
        ("  service, mean", lambda run: f"{run['latency_service_avg_ns']:.1f} ns"),
        ("  median", lambda run: f"{run['latency_p50_ns']:.1f} ns"),
        ("  90th percentile", lambda run: f"{run['latency_p90_ns']:.1f} ns"),
        ("  99th percentile", lambda run: f"{run['latency_p99_ns']:.1f} ns"),
        ("  longest", lambda run: f"{run['latency_max_ns']:.1f} ns"),
        *_bandwidth(any(run["cache"] for run in runs)),
        ("row hits", _share("row_hits")),
        ("row misses", _share("row_misses")),
        ("row conflicts", _share("row_conflicts")),
        ("activates", lambda run: format_count(run["activates"])),
        ("refreshes", lambda run: format_count(run["refreshes"])),
        ("bottleneck", lambda run: str(run["bottleneck"]).replace("_", " ")),
        ("utilisation", None),
        *(_utilisation(name) for name in _union(run["utilisation"] for run in runs)),
        ("energy", lambda run: format_energy(run["energy_nj"] * 1000)),
        *(_energy(key) for key in _union(_events(run) for run in runs)),
    ]
    if any(run["area"] for run in runs):
        rows += [
            ("area of a DIMM's unit", lambda run: _mm2(run["area_mm2"])),
            *(_area(key) for key in _union(_parts(run) for run in runs)),
        ]
    if any(run["cache"] for run in runs):
        rows += [
            ("cache hits", _cache(lambda cache: f"{100 * cache['hit_ratio']:.1f} %")),
            *(_level(name) for name in _union(_levels(run) for run in runs)),
            ("  accesses", _cache(lambda cache: f"{cache['accesses']:,}")),
            ("  kept out", _cache(lambda cache: _counted(cache, "bypassed"))),
            ("  misses merged", _cache(lambda cache: _counted(cache, "merged"))),
            ("  lines written back", _cache(lambda cache: _counted(cache, "writebacks"))),
        ]
    if any(run["nmp"] for run in runs):
        rows += [
            ("packets", _nmp(lambda nmp: f"{nmp['packets']:,}")),
            ("  latency, mean", _nmp(lambda nmp: f"{nmp['packet_latency_avg_ns']:.0f} ns")),
            ("  slowest rank over mean", _nmp(lambda nmp: f"{nmp['load_imbalance']:.2f}x")),
            ("pooled sums", _nmp(lambda nmp: f"{nmp['sums']['poolings']:,}")),
            ("  checked", _nmp(lambda nmp: f"{nmp['sums']['checked']:,}")),
        ]
    if any(run["nmp"] and "multiplier" in run["nmp"]["sums"] for run in runs):
        rows += [
            ("  multiplier", _nmp(lambda nmp: nmp["sums"].get("multiplier", "fp32"))),
            ("  off float64, RMS", _nmp(lambda nmp: _hundredths(nmp["sums"].get("relative_rms")))),
        ]
    if any(run["nmp"] and run["nmp"]["padding_bytes"] for run in runs):
        rows += [
            ("bytes of tables", _nmp(lambda nmp: format_bytes(nmp["table_bytes"]))),
            (
                "  of them padding",
                _nmp(lambda nmp: f"{100 * nmp['padding_bytes'] / nmp['table_bytes']:.1f} %"),
            ),
        ]
    return rows


def _bandwidth(caches: bool) -> list[Row]:
    """What the front end was served, hits of caches included, and apart from that what the DRAM moved of its peak."""
    served: list[Row] = [("bandwidth", lambda run: f"{run['bandwidth_gbps']:.2f} GB/s")]
    if caches:
        served = [
            ("bandwidth, cache hits included", served[0][1]),
            ("  moved by the DRAM", lambda run: f"{run['dram_bandwidth_gbps']:.2f} GB/s"),
        ]
    return [
        *served,
        ("  peak of the DRAM", lambda run: f"{run['peak_bandwidth_gbps']:.2f} GB/s"),
        (
            "  of that moved",
            lambda run: f"{100 * run['dram_bandwidth_gbps'] / run['peak_bandwidth_gbps']:.1f} %",
        ),
    ]


def _share(key: str) -> Callable[[Run], str]:
    """Share of the requests that reached the DRAM."""
    return lambda run: f"{100 * run[key] / max(run['reads'] + run['writes'], 1):.1f} %"


def _utilisation(name: str) -> Row:
    def cell(run: Run) -> str:
        return f"{100 * run['utilisation'][name]:.1f} %" if name in run["utilisation"] else "-"

    return "  " + name.replace("_", " "), cell


def _events(run: Run) -> dict[tuple[str, str], float]:
    return {(row["component"], row["event"]): row["energy_nj"] for row in run["energy"]}


def _energy(key: tuple[str, str]) -> Row:
    def cell(run: Run) -> str:
        events = _events(run)
        return format_energy(events[key] * 1000) if key in events else "-"

    return "  " + " ".join(key).replace("_", " "), cell


def _parts(run: Run) -> dict[tuple[str, str], float | None]:
    return {(row["component"], row["part"]): row["area_mm2"] for row in run["area"]}


def _area(key: tuple[str, str]) -> Row:
    return "  " + " ".join(key).replace("_", " "), lambda run: _mm2(_parts(run).get(key))


def _mm2(area: float | None) -> str:
    return "-" if area is None else f"{area:.3f} mm2"


def _cache(text: Callable[[Mapping[str, Any]], str]) -> Callable[[Run], str]:
    return lambda run: text(run["cache"]) if run["cache"] else "-"


def _counted(cache: Mapping[str, Any], name: str) -> str:
    """What only some kinds of caches do."""
    return f"{cache[name]:,}" if name in cache else "-"


def _levels(run: Run) -> dict[str, Mapping[str, Any]]:
    """Levels of a run's caches by name, where there are several."""
    levels = run["cache"].get("levels", []) if run["cache"] else []
    return {level["name"]: level for level in levels} if len(levels) > 1 else {}


def _level(name: str) -> Row:
    def cell(run: Run) -> str:
        levels = _levels(run)
        return f"{100 * levels[name]['hit_ratio']:.1f} %" if name in levels else "-"

    return f"  of lookups in {name}", cell


def _hundredths(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.3f} %"


def _nmp(text: Callable[[Mapping[str, Any]], str]) -> Callable[[Run], str]:
    return lambda run: text(run["nmp"]) if run["nmp"] else "-"


def _union(mappings: Any) -> list[Any]:
    """Keys of several mappings, each once, in order of first appearance."""
    return list(dict.fromkeys(key for mapping in mappings for key in mapping))
