"""A memory with near-memory units: packets of poolings, summed next to the ranks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from archsim.dram.address import BANK_SHIFT, channel_of
from archsim.dram.energy import dram_ledger
from archsim.dram.resolve import resolve_units
from archsim.dram.spec import LINE_BYTES
from archsim.errors import InputError
from archsim.ledger import LedgerRow
from archsim.nmp.arithmetic import arithmetic_clk
from archsim.nmp.designs import guarded, make_design
from archsim.nmp.packet_arrays import Bursts
from archsim.nmp.packets import Packets, scheduler_of
from archsim.nmp.pooling import PooledSums
from archsim.systems.lowering import Lowering
from archsim.systems.outcome import CHUNK_LOOKUPS, Ints, Options, Outcome
from archsim.systems.spec import SystemSpec
from archsim.systems.units import ChannelUnits
from archsim.systems.utilisation import highest
from archsim.traces import EmbeddingTrace

if TYPE_CHECKING:
    from archsim.nmp.packet_log import PacketLog


def replay_recnmp(system: SystemSpec, trace: EmbeddingTrace, options: Options) -> Outcome:
    """Replay a trace through near-memory units, by ``docs/recnmp.md`` and ``docs/near-memory-designs.md``.

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
        When the tables do not fit into the memory, a vector has more bursts than an instruction can name, the trace
        updates rows, or the address map puts one vector on two units of a design that does not stripe.
    ArithmeticError
        When the units' sums are not those of the vectors.
    """
    replay = _Replay(system, trace, options)
    scheduler = scheduler_of(replay.nmp, trace.bag_tables, len(trace.tables))
    for first, last in trace.chunks(CHUNK_LOOKUPS):
        packets = scheduler.take(first, trace.bag_tables[first:last], last=last == trace.bags)
        for part, arrivals in replay.parts(packets):
            replay.execute(part, arrivals)
        if options.progress:
            options.progress(int(trace.bag_offsets[last] - trace.bag_offsets[first]))
    return replay.outcome()


class _Replay:
    """The state of one replay: units, placement, sums."""

    def __init__(self, system: SystemSpec, trace: EmbeddingTrace, options: Options) -> None:
        assert system.nmp is not None  # held by SystemSpec for this kind
        self.system, self.trace, self.nmp, self.interval_clk = system, trace, system.nmp, options.interval_clk
        self.design = design = make_design(system.nmp, system.dram)
        self.lowering = Lowering(system, trace.tables)
        adders = (
            system.dram.organization.channels * design.units // design.units_per_dimm * design.adders_per_dimm
        )
        self.sums = self._sums_class()(trace.tables, self.nmp, adders, design.adders_per_dimm, self.lowering)
        self._check_trace()
        memory = design.seen_memory()
        per_unit = [
            resolve_units(memory, ranks=design.unit_ranks, units=design.units, channel=channel)
            for channel in range(system.dram.organization.channels)
        ]
        summing_clk = arithmetic_clk(
            self.nmp,
            has_weights=trace.weight is not None,
            rowwise=bool(np.any(self.sums.contents.rowwise)),
            adders_per_dimm=design.adders_per_dimm,
        )
        self.units = ChannelUnits(
            system, design, per_unit, summing_clk, options.log_limit, options.interval_clk, options.log_total
        )
        self.packets = options.packets
        if self.packets is not None:
            self._begin_packets(self.packets)
        self.requests = 0
        self.table_bursts = np.zeros(len(trace.tables), dtype=np.int64)
        self.table_hits = np.zeros(len(trace.tables), dtype=np.int64)

    def _sums_class(self) -> type[PooledSums]:
        if self.nmp.multiplier is None:
            return PooledSums
        from archsim.nmp.approx_sums import ApproxSums  # few replays need the multipliers

        return ApproxSums

    def _check_trace(self) -> None:
        trace, design = self.trace, self.design
        if trace.operation is not None and np.any(trace.operation):
            raise InputError(
                f"{trace.name}: tables are read-only to near-memory units, but the trace updates rows"
            )
        for table, bursts in zip(trace.tables, self.lowering.vector_lines.tolist(), strict=True):
            size = table.vector_bytes, bursts
            refusal = guarded(type(design), "check_vector", design.check_vector, *size)
            if refusal:
                raise InputError(f"{trace.name}: table {table.name!r}: {refusal}")

    def _begin_packets(self, log: PacketLog) -> None:
        """Refuse what no NMP instruction can say, and have the packets written."""
        begins = (self.lowering.table_base | self.lowering.table_stride) % LINE_BYTES
        log.begin(self.system.name, self.design, self.system.dram)
        if np.any(begins):
            table = self.trace.tables[int(np.argmax(begins != 0))]
            raise InputError(
                f"{self.trace.name}: table {table.name!r}: the field Daddr of an NMP instruction counts bursts of "
                f"{LINE_BYTES} bytes, and rows begin inside of them; set placement.row_align_bytes = {LINE_BYTES} or "
                "more"
            )

    def parts(self, packets: Packets) -> Iterator[tuple[Packets, Ints]]:
        """Cut packets, with their arrivals, into runs of about a chunk of lookups that hold no batch in part."""
        count = len(packets.packet_bags) - 1
        if not count:
            return
        arrivals = self._arrivals(packets)
        lookups = self.trace.bag_offsets[packets.bags + 1] - self.trace.bag_offsets[packets.bags]
        before = np.concatenate([[0], np.cumsum(lookups)])[packets.packet_bags]
        batch = packets.batch[packets.packet_bags[:-1]]
        whole = np.maximum.accumulate(batch)[:-1] < np.minimum.accumulate(batch[::-1])[::-1][1:]
        first = 0
        for cut in [*(np.flatnonzero(whole) + 1).tolist(), count]:
            if cut == count or before[cut] - before[first] >= CHUNK_LOOKUPS:
                yield packets.part(first, cut), arrivals[first:cut]
                first = cut

    def execute(self, packets: Packets, arrivals: Ints) -> None:
        """Replay packets and add their vectors."""
        trace, bags = self.trace, packets.bags
        sizes = trace.bag_offsets[bags + 1] - trace.bag_offsets[bags]
        starts = np.cumsum(sizes) - sizes
        source = np.repeat(trace.bag_offsets[bags] - starts, sizes)
        source += np.arange(len(source))  # in place: fresh memory costs more than the sum
        rows = np.asarray(trace.rows[source], dtype=np.int64)
        pooling = np.repeat(np.arange(len(bags), dtype=np.int32), sizes)
        bag_tables = trace.bag_tables[bags]
        tables = np.repeat(bag_tables, sizes)
        coordinates, lookup = self.lowering.lower(rows, tables)
        lookups_before = np.concatenate([starts, [len(rows)]])
        packet_first = np.searchsorted(lookup, lookups_before[packets.packet_bags].astype(np.int32)).astype(
            np.int64
        )
        coordinates = self.design.placed(coordinates, lookup, packet_first)
        adder = self._number(coordinates, self.design.adder_bank_bits)
        self._check_one_unit(lookup, coordinates, adder)
        self._check_whole_rows(lookup, adder, tables)
        locality = self._locality(rows, np.repeat(packets.batch, sizes))
        order, hit = self.units.feed(
            coordinates, lookup, pooling, locality, self.sums.result_bursts[bag_tables], packet_first, arrivals,
        )  # fmt: skip
        weights = None if trace.weight is None else np.asarray(trace.weight[source])
        self.sums.add(
            packet_first, order, lookup, adder, rows, tables, pooling, weights, bag_tables, starts, sizes
        )
        if self.packets is not None:
            self.packets.take(
                Bursts(
                    coordinates, lookup, pooling, locality, self.sums.factors(weights), packet_first,
                    packets.packet_bags, bag_tables, self.sums.result_bursts,
                    tuple(table.dtype for table in trace.tables), self.sums.operator,
                )
            )  # fmt: skip
        self.requests += len(coordinates)
        if self.nmp.cache.size:
            table = bag_tables[packets.packet_bags[:-1]]  # one for a whole packet
            hits_before = np.searchsorted(np.flatnonzero(hit.view(np.bool_)), packet_first)
            np.add.at(self.table_bursts, table, np.diff(packet_first))
            np.add.at(self.table_hits, table, np.diff(hits_before))

    def _number(self, coordinates: Ints, bank_bits: int) -> npt.NDArray[np.int32]:
        """Return in which part of so many bank bits each burst lies, counted channel by channel."""
        organization = self.system.dram.organization
        parts = organization.banks >> bank_bits
        number = (coordinates >> (BANK_SHIFT + bank_bits)).astype(np.int32) & (parts - 1)
        if organization.channels > 1:
            number += channel_of(coordinates).astype(np.int32) * np.int32(parts)
        return number

    def _locality(self, rows: Ints, batch: Ints) -> npt.NDArray[np.uint8]:
        """Return the LocalityBit of each lookup."""
        from archsim.kernels.recnmp import locality_bits

        threshold = self.nmp.profile_threshold
        if not threshold:
            return np.ones(len(rows), dtype=np.uint8)
        bits: npt.NDArray[np.uint8] = locality_bits(rows, batch, threshold)
        return bits

    def _arrivals(self, packets: Packets) -> Ints:
        """Earliest clock of each packet: the latest arrival among the bags that it waits for."""
        count = len(packets.packet_bags) - 1
        if self.trace.time_ps is None:
            return np.zeros(count, dtype=np.int64)
        clk = -(-self.trace.time_ps[packets.bags] // self.system.dram.timing.tCK_ps)
        firsts = np.flatnonzero(np.concatenate([[True], np.diff(packets.wait) != 0]))
        latest = np.maximum.reduceat(clk, packets.packet_bags[firsts])
        repeated: Ints = np.repeat(latest, np.diff(np.append(firsts, count)))
        return repeated

    def _check_one_unit(
        self, lookup: npt.NDArray[np.int32], coordinates: Ints, adder: npt.NDArray[np.int32]
    ) -> None:
        """Refuse vectors over several units, where the design does not stripe them."""
        design = self.design
        if design.striped:
            return
        same = design.unit_bank_bits == design.adder_bank_bits
        unit = adder if same else self._number(coordinates, design.unit_bank_bits)
        if np.any((lookup[1:] == lookup[:-1]) & (unit[1:] != unit[:-1])):
            raise InputError(
                f"system {self.system.name!r}: a vector lies over two {design.level}s, and a {design.level} unit needs "
                "whole vectors: placement.row_align_bytes must keep rows off the borders of pages (left out, it does), "
                "placement.page_bytes must hold one, and dram.address_map must have the channel and rank bits above "
                "it, as 'skylake' does"
            )

    def _check_whole_rows(
        self, lookup: npt.NDArray[np.int32], adder: npt.NDArray[np.int32], tables: npt.NDArray[np.int32]
    ) -> None:
        """Refuse 8-bit rows over several adders, of which only the one with the last burst has scale and bias."""
        rowwise = self.sums.contents.rowwise & ~self.lowering.table_split
        if not np.any(rowwise):
            return
        over = (lookup[1:] == lookup[:-1]) & (adder[1:] != adder[:-1]) & rowwise[tables[lookup[1:]]]
        if np.any(over):
            table = self.trace.tables[tables[lookup[1 + int(np.argmax(over))]]]
            raise InputError(
                f"{self.trace.name}: table {table.name!r}: rows of type {table.dtype!r} need the scale and bias at "
                f"their end, and design {self.design.name!r} adds their bursts in several places; leave "
                "placement.row_align_bytes out"
            )

    def outcome(self) -> Outcome:
        """Put the figures together."""
        units = self.units
        units.finish()
        counts, packets, rank_clocks = units.counts(), units.packet_counts(), units.rank_clocks()
        latency, organization = units.latency_histogram(), self.system.dram.organization
        commands, queues = units.log()
        utilisation = units.utilisation()
        return Outcome(
            cycles=units.cycles,
            requests=self.requests,
            counts=counts,
            channel_counts=units.channel_counts(),
            bank_counts=units.bank_counts(),
            rank_commands=units.rank_commands(),
            rank_clocks=rank_clocks,
            latency_clk=latency[0],
            latency_count=latency[1],
            utilisation=highest(utilisation),
            channel_utilisation=utilisation,
            peak_bytes_per_clk=organization.channels * units.adders * LINE_BYTES / units.burst_clk,
            ledger=self._ledger(counts, rank_clocks, packets),
            kernel_cpu_s=units.cpu_s,
            commands=commands,
            queues=queues,
            packets=units.packets(),
            hits=units.hits(),
            interval_clk=self.interval_clk,
            series=units.series(),
            nmp=self._figures(packets),
            cache=self._cache_figures(),
        )

    def _figures(self, packets: dict[str, int]) -> dict[str, Any]:
        units, ns = self.design.units, self.system.dram.timing.tCK_ps / 1000
        figures: dict[str, Any] = {
            "packets": packets["packets"],
            "configurations": packets["configurations"],
            "instructions": packets["instructions"],
            "packet_latency_avg_ns": packets["latency_sum_clk"] * ns / packets["packets"],
            "packet_latency_max_ns": packets["latency_max_clk"] * ns,
            # Bursts of the slowest rank of each packet over an even share: 1 is perfect balance.
            "load_imbalance": packets["slowest_rank_reads"] * units / self.requests,
            "rank_reads": self.units.rank_reads().tolist(),
            "sums": self.sums.figures(),
            **self.lowering.figures(),
        }
        if self.design.adder != "unit":
            figures["gathered_bursts"] = self.units.gathered_bursts()
        return figures

    def _cache_figures(self) -> dict[str, Any] | None:
        if not self.nmp.cache.size:
            return None
        lookups, hits, fills, bypassed = self.units.cache_counts().sum(axis=0).tolist()
        return {
            "accesses": self.requests,
            "hits": hits,
            "hit_ratio": hits / self.requests,
            "misses": self.requests - hits,
            "lookups": lookups,
            "fills": fills,
            "bypassed": bypassed,
            "tables": [
                {"name": table.name, "accesses": bursts, "hits": found, "hit_ratio": found / max(bursts, 1)}
                for table, bursts, found in zip(
                    self.trace.tables, self.table_bursts.tolist(), self.table_hits.tolist(), strict=True
                )
            ],
        }

    def _ledger(
        self, counts: dict[str, int], rank_clocks: Ints, packets: dict[str, int]
    ) -> tuple[LedgerRow, ...]:
        """The devices by the memory's method; configurations, instructions and results cross the channel."""
        nmp, dram, design = self.nmp, self.system.dram, self.design
        energy, io_pj_per_bit = nmp.energy, dram.energy.io_pj_per_bit
        # A buffer chip adds its units' partial sums into every burst that it returns, and all that it gathers.
        dimm_adds = packets["result_bursts"] * (design.units_per_dimm - 1) + self.units.gathered_bursts()
        dimm_adds *= LINE_BYTES // 4
        instructions = packets["issue_clk"] if design.broadcast else packets["instructions"]
        rows = [
            row
            for row in dram_ledger(dram, counts, rank_clocks, self.units.cycles)
            if row.component == "dram"
        ]
        # A write holds the data pins for its clocks, and a burst of 64 bytes for tBL.
        configuration_bits = 8 * LINE_BYTES * nmp.config_clk / dram.timing.tBL
        rows += [
            LedgerRow(
                "channel", "configuration", packets["configurations"], configuration_bits * io_pj_per_bit
            ),
            LedgerRow("channel", "instruction", instructions, nmp.instruction_bits * io_pj_per_bit),
            LedgerRow("channel", "result", packets["result_bursts"], 8 * LINE_BYTES * io_pj_per_bit),
            LedgerRow(design.adder_name, "fp32_add", self.sums.adds, energy.fp32_add_pj),
        ]
        if design.level != "dimm":
            rows.append(LedgerRow("dimm_unit", "fp32_add", dimm_adds, energy.fp32_add_pj))
        if self.sums.mults:
            rows.append(LedgerRow(design.adder_name, "fp32_mult", self.sums.mults, energy.fp32_mult_pj))
        rows += self.sums.other_rows(design.adder_name)
        if nmp.cache.size:
            lookups, _, fills, _ = self.units.cache_counts().sum(axis=0).tolist()
            rows.append(LedgerRow("rank_cache", "lookup", lookups, nmp.cache.read_pj))
            rows.append(LedgerRow("rank_cache", "fill", fills, nmp.cache.write_pj))
        rows += self._optional_rows(counts)
        return tuple(rows)

    def _optional_rows(self, counts: dict[str, int]) -> Iterator[LedgerRow]:
        """What costs nothing by default."""
        energy, timing = self.nmp.energy, self.system.dram.timing
        organization = self.system.dram.organization
        if energy.internal_io_pj_per_bit:
            inside = self.design.adder != "unit"
            bursts = self.units.gathered_bursts() if inside else counts["rd"]
            yield LedgerRow("dimm", "internal_io", bursts, 8 * LINE_BYTES * energy.internal_io_pj_per_bit)
        if energy.static_mw:
            dimms = organization.channels * organization.ranks // self.nmp.ranks_per_dimm
            pj_per_clk = energy.static_mw * timing.tCK_ps / 1000
            yield LedgerRow("dimm_unit", "static", dimms * self.units.cycles, pj_per_clk)
