"""What the columns of a study are: unit and meaning of each, as ``docs/studies.md`` shows them."""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from archsim.studies.columns import is_configuration


class Note(NamedTuple):
    """One line of the table; ``<...>`` in a name stands for any name."""

    name: str
    unit: str
    meaning: str


IDENTITY_NOTES = (
    Note("point_id", "", "SHA-256 of system, trace and code version; the key of a study"),
    Note("status", "", "`done`, `failed` or `timeout`"),
    Note("error", "", "one line where the point failed"),
    Note("system", "", "name of the system"),
    Note("system_sha256", "", "hash of the resolved system"),
    Note("trace", "", "name of the trace"),
    Note("trace_sha256", "", "hash of its content"),
    Note("code_version", "", "version and hash of the sources that can change a result"),
)
METRIC_NOTES = (
    Note("lookups", "", "lookups of the trace; none for a trace of addresses"),
    Note("cycles", "clk", "memory clocks of the run"),
    Note("time_ns", "ns", "run time"),
    Note("requests", "", "requests of the front end, one access of the DRAM each"),
    Note("reads", "", "reads that reached the DRAM; likewise all the counts that follow"),
    Note("writes", "", "writes"),
    Note("reads_forwarded", "", "reads served by a write in the queue"),
    Note("reads_merged", "", "reads that share the data of another"),
    Note("writes_coalesced", "", "writes replaced by a later one in the queue"),
    Note("row_hits", "", "requests that found their row open"),
    Note("row_misses", "", "requests that found no row open"),
    Note("row_conflicts", "", "requests that found another row open"),
    Note("activates", "", "ACT commands"),
    Note("precharges", "", "PRE and PREA commands"),
    Note("refreshes", "", "REF and REFB commands"),
    Note("latency_avg_ns", "ns", "mean read latency, from acceptance to the last data beat"),
    Note("latency_queueing_avg_ns", "ns", "its part before the first command issued for the read"),
    Note("latency_service_avg_ns", "ns", "its part after that"),
    Note("latency_p50_ns", "ns", "median read latency"),
    Note("latency_p90_ns", "ns", "90th percentile, nearest rank"),
    Note("latency_p99_ns", "ns", "99th percentile, nearest rank"),
    Note("latency_max_ns", "ns", "longest read latency"),
    Note(
        "bandwidth_gbps", "GB/s", "bytes that the front end was served over the run time (1 GB = 1e9 bytes)"
    ),
    Note("dram_bandwidth_gbps", "GB/s", "bytes that the DRAM moved over the run time"),
    Note("peak_bandwidth_gbps", "GB/s", "what all data buses could move"),
    Note("bottleneck", "", "the resource with the highest utilisation"),
    Note(
        "utilisation_<resource>",
        "",
        "busy share of a shared resource, 0 to 1; see [statistics.md](statistics.md)",
    ),
    Note(
        "row_open_highest", "", "share of the run with an open row, 0 to 1, in the bank where it is highest"
    ),
    Note("row_open_average", "", "the same on average over the banks"),
    Note("energy_nj", "nJ", "energy of the run: the sum of the ledger"),
    Note("energy_<component>_<event>_nj", "nJ", "one row of the ledger; see [energy.md](energy.md)"),
    Note("area_mm2", "mm2", "area of a DIMM's near-memory unit; see [recnmp.md](recnmp.md)"),
    Note(
        "cache_accesses",
        "",
        "lookups in caches; for all of `cache_` see [memory-caches.md](memory-caches.md)",
    ),
    Note("cache_hits", "", "of those, hits"),
    Note("cache_hit_ratio", "", "hits over accesses, 0 to 1"),
    Note("cache_misses", "", "accesses less hits"),
    Note("cache_merged", "", "misses of a line in flight, which share its data"),
    Note("cache_hits_delayed", "", "hits that had to wait for their line"),
    Note("cache_bypassed", "", "accesses that bring nothing in"),
    Note("cache_writebacks", "", "lines written back to the memory"),
    Note("cache_port_wait_ns", "ns", "front ends waiting for ports"),
    Note("cache_miss_wait_ns", "ns", "front ends waiting for misses or the channel"),
    Note("cache_mshr_occupancy", "", "share of the registers for misses in use, 0 to 1"),
    Note("cache_lookups", "", "RankCache: accesses that looked into it"),
    Note("cache_fills", "", "lines brought in"),
    Note("cache_<level>_accesses", "", "the same of one level of a hierarchy (`l1`, `l2`, `llc`)"),
    Note("cache_<level>_hits", "", ""),
    Note("cache_<level>_hit_ratio", "", ""),
    Note("cache_<level>_fills", "", ""),
    Note("cache_<level>_writebacks", "", ""),
    Note("nmp_packets", "", "packets sent to near-memory units"),
    Note("nmp_instructions", "", "their instructions"),
    Note("nmp_configurations", "", "writes of registers that the packets began with"),
    Note("nmp_table_bytes", "B", "what the tables take in the memory, padding included"),
    Note("nmp_padding_bytes", "B", "of them, bytes that keep stored rows from lying over two units"),
    Note("nmp_packet_latency_avg_ns", "ns", "mean latency of a packet"),
    Note("nmp_packet_latency_max_ns", "ns", "longest latency of a packet"),
    Note("nmp_load_imbalance", "", "bursts of the slowest unit over the mean, 1 or more"),
    Note("nmp_gathered_bursts", "", "bursts in which sums leave the devices"),
    Note("nmp_sums_operator", "", "what was computed"),
    Note("nmp_sums_poolings", "", "sums computed"),
    Note("nmp_sums_sha256", "", "SHA-256 of the sums"),
    Note("nmp_sums_checked", "", "of them, those computed a second time"),
    Note("nmp_sums_max_abs_error", "", "largest difference from float64 in that comparison"),
    Note("nmp_sums_multiplier", "", "8-bit multiplier of the units; see [multipliers.md](multipliers.md)"),
    Note(
        "nmp_sums_relative_rms",
        "",
        "differences from float64 over the sums, roots of squares, in that comparison",
    ),
    Note("nmp_sums_cosine", "", "mean cosine of a sum and its float64 one in that comparison"),
)
PROVENANCE_NOTES = (
    Note("kernel_cpu_s", "s", "CPU time in the replay kernel"),
    Note("wall_s", "s", "time of the point on the clock on the wall"),
    Note("worker", "", "who computed it"),
    Note("finished_utc", "", "when, in ISO 8601"),
    Note("attempts", "", "how often it was tried"),
    Note("archsim_version", "", "release that computed it"),
)
NOTES = IDENTITY_NOTES + METRIC_NOTES + PROVENANCE_NOTES

#: Endings of names, and their units as people write them.
_UNITS = {
    "pj_per_bit": "pJ/bit", "bytes": "B", "bits": "bit", "clk": "clk", "ps": "ps", "ns": "ns", "s": "s", "nj": "nJ",
    "pj": "pJ", "mw": "mW", "ma": "mA", "v": "V", "ohm": "ohm", "mm2": "mm2", "mhz": "MHz", "nm": "nm", "c": "degC",
    "um2": "um2", "gbps": "GB/s",
}  # fmt: skip


def note_of(column: str) -> Note | None:
    """Return what the table says about a column that is no configuration; None when it does not know it."""
    return next((note for note in NOTES if _pattern(note.name).fullmatch(column)), None)


def unit_of_column(column: str) -> str:
    """Return the unit of a column, such as ``ns``; empty for counts, shares and texts.

    Examples
    --------
    >>> unit_of_column("nmp.cache.size_bytes"), unit_of_column("time_ns"), unit_of_column("row_hits")
    ('B', 'ns', '')
    """
    if not is_configuration(column):
        note = note_of(column)
        return "" if note is None else note.unit
    return ending_unit(column)


def ending_unit(name: str) -> str:
    """Return the unit that the end of a name says; empty where it says none."""
    last = name.rpartition(".")[2].lower()
    return next((unit for ending, unit in _UNITS.items() if last.endswith(f"_{ending}")), "")


def markdown() -> list[str]:
    """Return the tables of ``docs/studies.md``, line by line."""
    lines = []
    for title, notes in (
        ("identity", IDENTITY_NOTES),
        ("metric", METRIC_NOTES),
        ("provenance", PROVENANCE_NOTES),
    ):
        lines += [f"| {title} | unit | what it is |", "|---|---|---|"]
        lines += [f"| `{note.name}` | {note.unit} | {note.meaning} |" for note in notes]
        lines.append("")
    return lines[:-1]


@cache
def _pattern(name: str) -> re.Pattern[str]:
    return re.compile(
        "".join(r"\w+" if part.startswith("<") else part for part in re.split(r"(<\w+>)", name))
    )
