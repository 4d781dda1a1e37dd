"""A memory channel with RecNMP units: packets of poolings, summed next to the ranks."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import numpy.typing as npt

from archsim.dram.address import BANK_SHIFT
from archsim.dram.energy import dram_ledger
from archsim.dram.engine import merged_series
from archsim.dram.resolve import resolve
from archsim.dram.spec import LINE_BYTES
from archsim.errors import InputError
from archsim.ledger import LedgerRow
from archsim.nmp.packets import Packetizer
from archsim.nmp.pooling import PooledSums
from archsim.systems.lowering import Lowering
from archsim.systems.outcome import CHUNK_LOOKUPS, Options, Outcome
from archsim.systems.spec import SystemSpec
from archsim.systems.utilisation import array_utilisation
from archsim.traces import EmbeddingTrace


def replay_recnmp(system: SystemSpec, trace: EmbeddingTrace, options: Options) -> Outcome:
    """Replay a trace through RecNMP rank units.

    Parameters
    ----------
    system : SystemSpec
        With ``kind = "recnmp"``.
    trace : EmbeddingTrace
        The lookups.
    options : Options
        Log (its limit holds for each rank), time series, progress. A packet is replayed by one thread.

    Raises
    ------
    InputError
        When the tables do not fit into the memory, a row lies outside its table, the trace updates rows, or the
        address map puts one vector on two ranks.
    ArithmeticError
        When the units' sums differ from NumPy's by more than rounding.
    """
    replay = _Replay(system, trace, options)
    packetizer = Packetizer(len(trace.tables), replay.nmp.poolings_per_packet)
    for first, last in trace.chunks(CHUNK_LOOKUPS):
        bags, packet_bags = packetizer.take(first, trace.bag_tables[first:last], last=last == trace.bags)
        replay.execute(bags, packet_bags)
        if options.progress:
            options.progress(int(trace.bag_offsets[last] - trace.bag_offsets[first]))
    return replay.outcome()


class _Replay:
    """The state of one replay: rank units, placement, sums."""

    def __init__(self, system: SystemSpec, trace: EmbeddingTrace, options: Options) -> None:
        from archsim.kernels.recnmp import NMP_PARAMETERS, RankUnits

        assert system.nmp is not None  # held by SystemSpec for this kind
        if trace.operation is not None and np.any(trace.operation):
            raise InputError(f"{trace.name}: RecNMP tables are read-only, but the trace updates rows")
        self.system, self.trace, self.nmp = system, trace, system.nmp
        organization = system.dram.organization
        per_rank = [resolve(system.dram, ranks=1, refresh_rank=rank) for rank in range(organization.ranks)]
        values = {
            "ranks": organization.ranks,
            "ranks_per_dimm": self.nmp.ranks_per_dimm,
            "instructions_per_clk": self.nmp.instructions_per_clk,
            "config_clk": self.nmp.config_clk,
            "transfer_clk": self.nmp.transfer_clk,
            "burst_clk": system.dram.timing.tBL,
        }
        self.units = RankUnits(
            np.array([values[name] for name in NMP_PARAMETERS], dtype=np.int64),
            per_rank,
            options.log_limit,
            options.interval_clk,
        )
        self.interval_clk = options.interval_clk
        self.lowering = Lowering(system, trace.tables)
        self.sums = PooledSums(trace.tables, self.nmp, organization.ranks, self.nmp.ranks_per_dimm)
        self.rank_shift = organization.banks_per_rank.bit_length() - 1 + BANK_SHIFT
        self.requests = 0
        self.cpu_s = 0.0

    def execute(self, bags: npt.NDArray[np.int64], packet_bags: npt.NDArray[np.int64]) -> None:
        """Replay complete packets and add their vectors."""
        if not len(bags):
            return
        trace = self.trace
        sizes = trace.bag_offsets[bags + 1] - trace.bag_offsets[bags]
        starts = np.cumsum(sizes) - sizes
        source = np.repeat(trace.bag_offsets[bags] - starts, sizes) + np.arange(int(sizes.sum()))
        rows = np.asarray(trace.rows[source], dtype=np.int64)
        pooling = np.repeat(np.arange(len(bags), dtype=np.int32), sizes)
        bag_tables = trace.bag_tables[bags]
        tables = bag_tables[pooling]
        coordinates, lookup = self.lowering.lower(rows, tables)
        rank = (coordinates >> self.rank_shift).astype(np.int32) & (self.system.dram.organization.ranks - 1)
        self._check_one_rank(lookup, rank)
        lookups_before = np.concatenate([starts, [len(rows)]])
        packet_first = np.searchsorted(lookup, lookups_before[packet_bags]).astype(np.int64)
        order = np.empty(len(coordinates), dtype=np.int64)
        start = time.process_time()
        self.units.feed(
            coordinates, lookup, pooling, self.sums.result_bursts[bag_tables], packet_first,
            self._arrivals(bags, packet_bags), order,
        )  # fmt: skip
        self.cpu_s += time.process_time() - start
        weights = None if trace.weight is None else np.asarray(trace.weight[source])
        self.sums.add(
            packet_first, order, lookup, rank, rows, tables, pooling, weights, bag_tables, starts, sizes
        )
        self.requests += len(coordinates)

    def _arrivals(
        self, bags: npt.NDArray[np.int64], packet_bags: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.int64]:
        """Earliest clock of each packet: the latest arrival among its bags."""
        if self.trace.time_ps is None:
            return np.zeros(len(packet_bags) - 1, dtype=np.int64)
        clk = -(-self.trace.time_ps[bags] // self.system.dram.timing.tCK_ps)
        return np.maximum.reduceat(clk, packet_bags[:-1])

    def _check_one_rank(self, lookup: npt.NDArray[np.int32], rank: npt.NDArray[np.int32]) -> None:
        if np.any((lookup[1:] == lookup[:-1]) & (rank[1:] != rank[:-1])):
            raise InputError(
                f"system {self.system.name!r}: a vector lies over two ranks, and a rank unit needs whole vectors: "
                "vector_bytes must divide placement.page_bytes, and dram.address_map must have the rank bits above "
                "the vector, as 'skylake' does"
            )

    def outcome(self) -> Outcome:
        """Put the figures together."""
        counts, packets = self.units.counts(), self.units.packet_counts()
        cycles = packets["end_clk"]
        ranks, tBL = self.system.dram.organization.ranks, self.system.dram.timing.tBL
        latency = self.units.latency_histogram()
        bank_counts, rank_clocks = self.units.bank_counts(), self.units.rank_clocks()
        utilisation = {
            "rank_data_bus": counts["rd"] * tBL / (ranks * cycles),
            "instruction_issue": packets["issue_clk"] / cycles,
            "result_return": packets["result_bursts"] * tBL / cycles,
            **array_utilisation(self.system.dram, counts, bank_counts, cycles),
        }
        return Outcome(
            cycles=cycles,
            requests=self.requests,
            counts=counts,
            channel_counts=[counts],
            bank_counts=bank_counts,
            rank_commands=self.units.rank_commands(),
            rank_clocks=rank_clocks,
            latency_clk=latency[0],
            latency_count=latency[1],
            utilisation=utilisation,
            channel_utilisation=[utilisation],
            peak_bytes_per_clk=ranks * LINE_BYTES / tBL,
            ledger=self._ledger(counts, rank_clocks, packets),
            kernel_cpu_s=self.cpu_s,
            commands=self.units.commands(),
            interval_clk=self.interval_clk,
            series=merged_series(self.units.series()),
            nmp=self._figures(packets, cycles),
        )

    def _figures(self, packets: dict[str, int], cycles: int) -> dict[str, Any]:
        reads = self.units.rank_reads()
        ns = self.system.dram.timing.tCK_ps / 1000
        return {
            "packets": packets["packets"],
            "instructions": packets["instructions"],
            "packet_latency_avg_ns": packets["latency_sum_clk"] * ns / packets["packets"],
            "packet_latency_max_ns": packets["latency_max_clk"] * ns,
            # Reads of the slowest rank of each packet over an even share: 1 is perfect balance.
            "load_imbalance": packets["slowest_rank_reads"] * len(reads) / int(reads.sum()),
            "rank_reads": reads.tolist(),
            "sums": self.sums.figures(),
        }

    def _ledger(
        self, counts: dict[str, int], rank_clocks: npt.NDArray[np.int64], packets: dict[str, int]
    ) -> tuple[LedgerRow, ...]:
        """The devices by the memory's method; results and instructions cross the channel, vectors do not."""
        energy, io_pj_per_bit = self.nmp.energy, self.system.dram.energy.io_pj_per_bit
        # A DIMM adds its ranks' partial sums into every burst that it returns.
        dimm_adds = packets["result_bursts"] * (LINE_BYTES // 4) * (self.nmp.ranks_per_dimm - 1)
        rows = [
            *(
                row
                for row in dram_ledger(self.system.dram, counts, rank_clocks, packets["end_clk"])
                if row.component == "dram"
            ),
            LedgerRow(
                "channel", "instruction", packets["instructions"], self.nmp.instruction_bits * io_pj_per_bit
            ),
            LedgerRow("channel", "result", packets["result_bursts"], 8 * LINE_BYTES * io_pj_per_bit),
            LedgerRow("rank_unit", "fp32_add", self.sums.adds, energy.fp32_add_pj),
            LedgerRow("dimm_unit", "fp32_add", dimm_adds, energy.fp32_add_pj),
        ]
        if self.sums.mults:
            rows.append(LedgerRow("rank_unit", "fp32_mult", self.sums.mults, energy.fp32_mult_pj))
        return tuple(rows)
