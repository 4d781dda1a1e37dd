"""Results: what came out of one replay, with units, and comparisons of several."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from archsim.breakdown import (
    Rows,
    bank_rows,
    channel_rows,
    latency_split_ns,
    rank_rows,
    request_figures,
    series_columns,
)
from archsim.ledger import LedgerRow, total_nj
from archsim.nmp.silicon import PartRow, total_mm2, unit_rows
from archsim.systems.outcome import Outcome, no_hits, no_packets, no_queues
from archsim.systems.spec import SystemSpec
from archsim.tables import comparison_table
from archsim.traces import AddressTrace, EmbeddingTrace

if TYPE_CHECKING:
    import pandas as pd

    from archsim.citations import Citations

#: Version of the JSON object; it changes when a field changes its meaning or goes away.
SCHEMA = 1


@dataclass(frozen=True)
class TraceIdentity:
    """Which trace was replayed; ``lookups`` is None for a trace of addresses, ``requests`` counts accesses."""

    name: str
    sha256: str
    lookups: int | None
    requests: int
    order: str
    generator: str
    seed: int | None

    @classmethod
    def of(cls, trace: EmbeddingTrace | AddressTrace, requests: int) -> TraceIdentity:
        """Describe a trace that became ``requests`` requests of one access each."""
        lookups, order = None, "as-recorded"
        if isinstance(trace, EmbeddingTrace):
            lookups, order = trace.lookups, trace.order
        return cls(trace.name, trace.sha256, lookups, requests, order, trace.generator, trace.seed)


@dataclass(frozen=True)
class Result:
    """What one system did with one trace.

    Build it with :func:`archsim.simulate`. Times are in nanoseconds, energies in nanojoules, bandwidths in GB/s (1e9
    bytes per second), ``cycles`` in memory clocks. Read latencies run from acceptance into the controller (RecNMP:
    into the queue of a rank unit) to the last data beat; they split at the first command issued for the read. A request
    is one access of the DRAM, see `archsim.dram.engine.DramReplay`. Energy holds the events of the ledger only:
    with ``dram.energy.method = "per-event"`` no refresh and no standby.

    Attributes
    ----------
    system : SystemSpec
        What was built.
    trace : TraceIdentity
        What was done to it.
    cycles : int
        From the first request offered to the last data beat (RecNMP: to the last result returned).
    bottleneck : str
        The resource with the highest utilisation.
    utilisation : mapping of str to float
        Busy share of each shared resource, 0 to 1, in the channel where it is highest.
    channels, ranks, banks : list of dict
        Requests, commands, times and energies of each part of the memory.
    latency_clk, latency_count : int64 arrays
        Histogram of the read latencies in clocks, ascending; `latency_ns` has them in nanoseconds.
    series : mapping of str to array, or None
        The time series, column by column (see `archsim.breakdown.series_columns`), where asked for.
    energy : tuple of LedgerRow
        The rows that add up exactly to ``energy_nj``.
    nmp : mapping or None
        Packets, balance and functional sums of the near-memory units.
    cache : mapping or None
        Accesses and hits of caches, of each level, and what became of misses.
    commands : int64 array [5, n]
        Command log, empty unless asked for: clk, command, bank (counted channel by channel), row, column.
    queues : int32 array [2, n]
        Reads and writes that waited in the channel (RecNMP: in the rank unit) when each command of the log was issued;
        the command's own request is among them.
    packets : int64 array [14, n]
        Log of the packets of near-memory units, with the command log: rows by `archsim.systems.outcome.PACKET_LOG`.
    hits : int64 array [4, n]
        Log of cache hits, with the command log: clock of the lookup, cache (counted channel by channel; or core),
        level, and block number, or for a RankCache ``row << 32 | bank << 16 | column`` within its unit.
    """

    system: SystemSpec
    trace: TraceIdentity
    cycles: int
    counts: Mapping[str, int]
    latency_avg_ns: float
    latency_queueing_avg_ns: float
    latency_service_avg_ns: float
    latency_p50_ns: float
    latency_p90_ns: float
    latency_p99_ns: float
    latency_max_ns: float
    peak_bandwidth_gbps: float
    utilisation: Mapping[str, float]
    energy: tuple[LedgerRow, ...]
    kernel_cpu_s: float
    nmp: Mapping[str, Any] | None
    cache: Mapping[str, Any] | None
    channels: Rows
    ranks: Rows
    banks: Rows
    latency_clk: npt.NDArray[np.int64]
    latency_count: npt.NDArray[np.int64]
    series: Mapping[str, npt.NDArray[Any]] | None
    commands: npt.NDArray[np.int64]
    queues: npt.NDArray[np.int32] = field(default_factory=no_queues)
    packets: npt.NDArray[np.int64] = field(default_factory=no_packets)
    hits: npt.NDArray[np.int64] = field(default_factory=no_hits)

    @classmethod
    def of(cls, system: SystemSpec, trace: EmbeddingTrace | AddressTrace, outcome: Outcome) -> Result:
        """Put units on the raw figures of a replay."""
        ns = system.dram.timing.tCK_ps / 1000
        spec, counts, cycles = system.dram, outcome.counts, outcome.cycles
        p50, p90, p99 = percentiles(outcome.latency_clk, outcome.latency_count, (0.5, 0.9, 0.99))
        seen = counts if outcome.seen is None else outcome.seen
        average, queueing, service = latency_split_ns(seen, ns)
        series = None
        if outcome.interval_clk:
            series = series_columns(spec, outcome.series, outcome.interval_clk, cycles)
        return cls(
            system=system,
            trace=TraceIdentity.of(trace, outcome.requests),
            cycles=cycles,
            counts=counts,
            latency_avg_ns=average,
            latency_queueing_avg_ns=queueing,
            latency_service_avg_ns=service,
            latency_p50_ns=p50 * ns,
            latency_p90_ns=p90 * ns,
            latency_p99_ns=p99 * ns,
            latency_max_ns=seen["latency_max_clk"] * ns,
            peak_bandwidth_gbps=outcome.peak_bytes_per_clk / ns,
            utilisation=dict(outcome.utilisation),
            energy=outcome.ledger,
            kernel_cpu_s=outcome.kernel_cpu_s,
            nmp=outcome.nmp,
            cache=outcome.cache,
            channels=channel_rows(spec, outcome.channel_counts, outcome.channel_utilisation, cycles),
            ranks=rank_rows(spec, outcome.bank_counts, outcome.rank_commands, outcome.rank_clocks, cycles),
            banks=bank_rows(spec, outcome.bank_counts, cycles),
            latency_clk=outcome.latency_clk,
            latency_count=outcome.latency_count,
            series=series,
            commands=outcome.commands,
            queues=outcome.queues,
            packets=outcome.packets,
            hits=outcome.hits,
        )

    @property
    def time_ns(self) -> float:
        """Run time in nanoseconds."""
        return self.cycles * self.system.dram.timing.tCK_ps / 1000

    @property
    def bandwidth_gbps(self) -> float:
        """Bytes that the front end was served, over the run time: without a cache, what the DRAM moved."""
        if self.cache is None:
            return self.dram_bandwidth_gbps
        return self.trace.requests * self.system.dram.organization.access_bytes / self.time_ns

    @property
    def dram_bandwidth_gbps(self) -> float:
        """Bytes moved over the data buses of the DRAM, over the run time."""
        moved = (self.counts["rd"] + self.counts["wr"]) * self.system.dram.organization.access_bytes
        return moved / self.time_ns

    @property
    def latency_ns(self) -> npt.NDArray[Any]:
        """The latencies of the histogram in nanoseconds, ascending; ``latency_count`` reads had each."""
        values: npt.NDArray[Any] = self.latency_clk * (self.system.dram.timing.tCK_ps / 1000)
        return values

    @property
    def energy_nj(self) -> float:
        """Sum of the ledger."""
        return total_nj(self.energy)

    @property
    def area(self) -> tuple[PartRow, ...]:
        """Parts of the unit of one DIMM; none for a host, and for designs whose units are made of something else."""
        nmp = self.system.nmp
        return () if nmp is None else unit_rows(nmp, self.system.dram)

    @property
    def area_mm2(self) -> float | None:
        """Area of the unit of one DIMM in square millimetres; None where it is not known."""
        return total_mm2(self.area)

    @property
    def row_open(self) -> dict[str, float]:
        """Share of the run in which a bank has a row open: of the bank where it is highest, and on average.

        No utilisation: an open row that nobody uses is in nobody's way.
        """
        shares = [bank["open_share"] for bank in self.banks]
        return {"highest": max(shares), "average": sum(shares) / len(shares)}

    @property
    def bottleneck(self) -> str:
        """The shared resource with the highest utilisation; of equal ones, the first."""
        return max(self.utilisation, key=lambda name: self.utilisation[name])

    def to_dict(self, speedup: float = 1.0) -> dict[str, Any]:
        """Return the RUN object of ``archsim replay --json``."""
        return {
            "system": self.system.name,
            "system_sha256": self.system.sha256(),
            "cycles": self.cycles,
            "time_ns": self.time_ns,
            "requests": self.trace.requests,
            **request_figures(self.counts),
            "latency_avg_ns": self.latency_avg_ns,
            "latency_queueing_avg_ns": self.latency_queueing_avg_ns,
            "latency_service_avg_ns": self.latency_service_avg_ns,
            "latency_p50_ns": self.latency_p50_ns,
            "latency_p90_ns": self.latency_p90_ns,
            "latency_p99_ns": self.latency_p99_ns,
            "latency_max_ns": self.latency_max_ns,
            "bandwidth_gbps": self.bandwidth_gbps,
            "dram_bandwidth_gbps": self.dram_bandwidth_gbps,
            "peak_bandwidth_gbps": self.peak_bandwidth_gbps,
            "bottleneck": self.bottleneck,
            "utilisation": dict(self.utilisation),
            "row_open": self.row_open,
            "energy_nj": self.energy_nj,
            "energy": [row.to_dict() for row in self.energy],
            "area_mm2": self.area_mm2,
            "area": [row.to_dict() for row in self.area],
            "cache": None if self.cache is None else dict(self.cache),
            "nmp": None if self.nmp is None else dict(self.nmp),
            "channels": self.channels,
            "ranks": self.ranks,
            "speedup": speedup,
            "kernel_cpu_s": self.kernel_cpu_s,
        }

    def to_frame(self) -> pd.DataFrame:
        """Return one row of scalars, see `Comparison.to_frame`."""
        return compare([self]).to_frame()

    def citations(self) -> Citations:
        """Return whose models, numbers and data this run used; ``print`` gives BibTeX."""
        return compare([self]).citations()

    def __str__(self) -> str:
        return compare([self]).table()


@dataclass(frozen=True)
class Comparison:
    """Results of several systems on one trace; speedups are against the first."""

    results: tuple[Result, ...]

    @property
    def speedups(self) -> list[float]:
        """Run time of the first system over that of each."""
        first = self.results[0].time_ns
        return [first / result.time_ns for result in self.results]

    def to_dict(self) -> dict[str, Any]:
        """Return the object that ``archsim replay --json`` prints."""
        from archsim import __version__

        identity = self.results[0].trace
        return {
            "schema": SCHEMA,
            "version": __version__,
            "trace": dict(vars(identity)),
            "runs": [
                result.to_dict(speedup) for result, speedup in zip(self.results, self.speedups, strict=True)
            ],
        }

    def to_json(self) -> str:
        """Return `to_dict` as text, floats written so that they read back to the same bits."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per system with the scalars of the RUN object; utilisations as ``utilisation_*``.

        Raises
        ------
        ImportError
            When pandas, which comes with the ``notebook`` extra, is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise ImportError("to_frame needs pandas: pip install 'archsim[notebook]'") from error
        rows = []
        for run in self.to_dict()["runs"]:
            row = {key: value for key, value in run.items() if isinstance(value, str | int | float)}
            row |= {f"utilisation_{key}": value for key, value in run["utilisation"].items()}
            rows.append(row)
        return pd.DataFrame(rows)

    def energy_frame(self) -> pd.DataFrame:
        """Return the ledgers, one row per system, component and event."""
        import pandas as pd

        return pd.DataFrame(
            [{"system": run["system"], **row} for run in self.to_dict()["runs"] for row in run["energy"]]
        )

    def citations(self) -> Citations:
        """Return whose models, numbers and data these runs used; ``print`` gives BibTeX."""
        from archsim.citations import cite, workloads_of

        trace = self.results[0].trace
        systems = [result.system for result in self.results]
        return cite([*systems, *workloads_of(trace.name, trace.generator, trace.seed)])

    def table(self) -> str:
        """Return the comparison as aligned text, one column per system."""
        data = self.to_dict()
        return comparison_table(data["trace"], data["runs"])

    def __str__(self) -> str:
        return self.table()


def compare(results: Sequence[Result]) -> Comparison:
    """Compare results of several systems on the same trace.

    Raises
    ------
    ValueError
        For no results, or results of different traces.
    """
    if not results:
        raise ValueError("nothing to compare")
    if len({result.trace.sha256 for result in results}) > 1:
        raise ValueError("results of different traces cannot be compared")
    return Comparison(tuple(results))


def percentiles(
    values: npt.NDArray[np.int64], counts: npt.NDArray[np.int64], shares: Sequence[float]
) -> list[int]:
    """Return nearest-rank percentiles of a histogram: the smallest value that at least the share does not exceed.

    Shares count in millionths, because a rank must not depend on how 0.07 times 100 is rounded.
    """
    total = int(counts.sum())
    if total == 0:
        return [0 for _ in shares]
    cumulative = np.cumsum(counts)
    ranks = [max(1, -(-round(share * 1e6) * total // 10**6)) for share in shares]
    return [int(values[np.searchsorted(cumulative, rank)]) for rank in ranks]
