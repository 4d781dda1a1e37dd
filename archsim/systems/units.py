"""The near-memory units of all channels of a memory: one kernel each, fed with its share of every packet."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from archsim.dram.address import channel_of
from archsim.dram.engine import merged_counts, merged_histogram, merged_series
from archsim.dram.resolve import DramTables
from archsim.dram.spec import DramSpec
from archsim.nmp.designs import Design
from archsim.nmp.spec import NmpSpec
from archsim.systems.outcome import Ints
from archsim.systems.spec import SystemSpec
from archsim.systems.utilisation import array_utilisation

_GREATEST = ("latency_max_clk", "end_clk")


class ChannelUnits:
    """Kernels of the channels. What they hold does not grow with the trace; figures are to be asked for after `finish`.

    Parameters
    ----------
    system : SystemSpec
        With ``nmp``.
    design : Design
        What its units are.
    tables : sequence of sequence of DramTables
        The memory of each unit of each channel.
    arithmetic_clk : int
        Clocks from the last data of a packet to its sums, see `archsim.nmp.arithmetic`.
    log_limit : int
        Commands and hits to keep, per rank, and packets.
    interval_clk : int
        Length of an interval of the time series; 0: no series.
    log_total : int
        Commands, and hits, to keep of all ranks together; 0: what each rank keeps.
    """

    def __init__(
        self,
        system: SystemSpec,
        design: Design,
        tables: Sequence[Sequence[DramTables]],
        arithmetic_clk: int,
        log_limit: int,
        interval_clk: int,
        log_total: int = 0,
    ) -> None:
        from archsim.kernels.recnmp import RankUnits

        assert system.nmp is not None  # held by SystemSpec for this kind
        self.spec, self.nmp, self.design = system.dram, system.nmp, design
        self.memory = design.memory()
        parameters = unit_parameters(system, system.nmp, design, arithmetic_clk)
        differences = design.kernel_parameters()
        self.kernels = [
            RankUnits(parameters, list(units), log_limit, interval_clk, differences, log_total)
            for units in tables
        ]
        self._log_end = log_total or None
        self.cpu_s = 0.0

    def feed(
        self,
        coordinates: Ints,
        lookup: npt.NDArray[np.int32],
        pooling: npt.NDArray[np.int32],
        locality: npt.NDArray[np.uint8],
        result_bursts: npt.NDArray[np.int32],
        packet_first: Ints,
        arrivals: Ints,
    ) -> tuple[Ints, npt.NDArray[np.uint8]]:
        """Execute packets.

        Parameters
        ----------
        coordinates, lookup, pooling, locality, result_bursts, packet_first, arrivals
            As `archsim.kernels.recnmp.RankUnits.feed` takes them, bursts of all channels together.

        Returns
        -------
        order : int64 array [bursts]
            The bursts packet by packet, unit by unit, in order of their arrival.
        hit : uint8 array [bursts]
            1 for the bursts that a RankCache had.

        Raises
        ------
        RuntimeError
            When no command can ever make progress again.
        """
        start = time.process_time()
        order, hit = np.empty(len(coordinates), dtype=np.int64), np.zeros(len(coordinates), dtype=np.uint8)
        rest = pooling, locality, result_bursts
        if len(self.kernels) == 1:
            self.kernels[0].feed(coordinates, lookup, *rest, packet_first, arrivals, order, hit)
        else:
            channel, parts = channel_of(coordinates), []
            for number, kernel in enumerate(self.kernels):
                own = np.flatnonzero(channel == number)
                first = np.searchsorted(own, packet_first).astype(np.int64)
                part, found = np.empty(len(own), dtype=np.int64), np.zeros(len(own), dtype=np.uint8)
                kernel.feed(coordinates[own], lookup[own], *rest, first, arrivals, part, found)
                parts.append(own[part])
                hit[own] = found
            together = np.concatenate(parts)  # packet by packet in each channel; now packet by packet
            packet = np.searchsorted(packet_first, together, side="right")
            order[:] = together[np.argsort(packet, kind="stable")]
        self.cpu_s += time.process_time() - start
        return order, hit

    def finish(self) -> None:
        """Return the last results to the host. To be called once."""
        for kernel in self.kernels:
            kernel.finish()

    @property
    def cycles(self) -> int:
        """Clock at which the last result has been returned."""
        return int(self.packet_counts()["end_clk"])

    def packet_counts(self) -> dict[str, int]:
        """Return what the kernels count of packets: sums over the channels, and maxima of what is one."""
        parts = [kernel.packet_counts() for kernel in self.kernels]
        return {
            name: max(part[name] for part in parts)
            if name in _GREATEST
            else sum(part[name] for part in parts)
            for name in parts[0]
        }

    def gathered_bursts(self) -> int:
        """Return the bursts of sums that went from adders inside the devices to the buffer chips."""
        return sum(kernel.gathered_bursts() for kernel in self.kernels)

    def channel_counts(self) -> list[dict[str, int]]:
        """Return the DRAM counters of each channel."""
        return [kernel.counts() for kernel in self.kernels]

    def counts(self) -> dict[str, int]:
        """Return the DRAM counters."""
        return merged_counts(self.channel_counts())

    def cache_counts(self) -> Ints:
        """Return lookups, hits, fills and bypassed bursts per rank, int64 [ranks of all channels, 4]."""
        return np.concatenate([kernel.cache_counts() for kernel in self.kernels])

    def rank_reads(self) -> Ints:
        """Return RD commands per rank, int64 [ranks of all channels]."""
        return np.concatenate([kernel.rank_reads() for kernel in self.kernels])

    def bank_counts(self) -> Ints:
        """Return what `archsim.dram.engine.DramReplay.bank_counts` does."""
        return np.concatenate([kernel.bank_counts(self.cycles) for kernel in self.kernels])

    def rank_clocks(self) -> Ints:
        """Return the clocks of each rank by power state, int64 [ranks of all channels, 5]."""
        return np.concatenate([kernel.rank_clocks(self.cycles) for kernel in self.kernels])

    def rank_commands(self) -> Ints:
        """Return REF, PREA and REFB of each rank, int64 [ranks of all channels, 3]."""
        return np.concatenate([kernel.rank_commands() for kernel in self.kernels])

    def latency_histogram(self) -> tuple[Ints, Ints]:
        """Return (latency_clk, count) of the DRAM reads."""
        return merged_histogram([kernel.latency_histogram() for kernel in self.kernels])

    def series(self) -> Ints:
        """Return the time series of all ranks together."""
        return merged_series([part for kernel in self.kernels for part in kernel.series()])

    def log(self) -> tuple[Ints, npt.NDArray[np.int32]]:
        """Return the command log, int64 [5, n], and what waited in its unit at each command, int32 [2, n].

        Both are in order of clock, then of channel and rank; banks are counted channel by channel.
        """
        parts = []
        for number, kernel in enumerate(self.kernels):
            part = kernel.commands()
            part[2] += number * self.spec.organization.banks
            parts.append(part)
        together: Ints = np.concatenate(parts, axis=1)
        queues: npt.NDArray[np.int32] = np.concatenate([kernel.queues() for kernel in self.kernels], axis=1)
        order = np.argsort(together[0], kind="stable")[: self._log_end]
        return together[:, order], queues[:, order]

    def packets(self) -> Ints:
        """Return the log of packets in order of start, int64 [len(PACKET_LOG), n] of `archsim.systems.outcome`."""
        parts = []
        for number, kernel in enumerate(self.kernels):
            own = kernel.packets()
            parts.append(np.concatenate([np.full((1, own.shape[1]), number, dtype=np.int64), own]))
        together: Ints = np.concatenate(parts, axis=1)
        return together[:, np.argsort(together[2], kind="stable")]

    def hits(self) -> Ints:
        """Return the log of RankCache hits in order of clock, int64 [4, n]; units are counted channel by channel."""
        parts = []
        for number, kernel in enumerate(self.kernels):
            own = kernel.hits()
            own[1] += number * self.design.units
            parts.append(own)
        together: Ints = np.concatenate(parts, axis=1)
        return together[:, np.argsort(together[0], kind="stable")[: self._log_end]]

    def utilisation(self) -> list[dict[str, float]]:
        """Return, per channel, the busy share of each shared resource."""
        cycles, tBL = self.cycles, self.spec.timing.tBL
        banks = np.split(self.bank_counts(), len(self.kernels))
        return [
            {
                **self._units(kernel.rank_reads(), kernel.gathered_bursts(), own, cycles),
                **_pins(kernel.packet_counts(), tBL, cycles),
                **self._ports(kernel.cache_counts(), cycles),
                **array_utilisation(self.spec, counts, own, cycles),
            }
            for kernel, counts, own in zip(self.kernels, self.channel_counts(), banks, strict=True)
        ]

    @property
    def adders(self) -> int:
        """Sets of Psum registers of a channel that read side by side."""
        return self.spec.organization.banks >> self.design.adder_bank_bits

    @property
    def burst_clk(self) -> int:
        """Clocks that each of them needs for a burst."""
        timing = self.memory.timing
        return timing.tBL if self.design.adder == "unit" else timing.tCCD_L or timing.tCCD_S

    def _units(self, reads: Ints, gathered: int, bank_counts: Ints, cycles: int) -> dict[str, float]:
        """Return the busy share of the data path of the busiest adder.

        But for RecNMP, also of the command pins of the busiest unit; and, where sums are gathered, of the data buses of
        all units on average.
        """
        design = self.design
        if design.adder != "unit":
            reads = bank_counts[:, 2].reshape(self.adders, -1).sum(axis=1)
        name = f"{design.level}_data_bus" if design.adder == "unit" else f"{design.adder}_data_path"
        shares = {name: int(reads.max()) * self.burst_clk / cycles}
        if design.adder != "unit":
            shares["sum_gathering"] = gathered * self.spec.timing.tCCD_S / (design.units * cycles)
        if design.name != "recnmp":
            shares["unit_command_pins"] = (
                int(_pin_clocks(self.memory, bank_counts, design.units).max()) / cycles
            )
        return shares

    def _ports(self, counts: Ints, cycles: int) -> dict[str, float]:
        if not self.nmp.cache.size:
            return {}
        busy = int((counts[:, 0] + counts[:, 2]).max()) * self.nmp.cache.clocks(self.spec.timing.tCK_ps)
        return {"rank_cache_port": busy / cycles}


def _pin_clocks(memory: DramSpec, bank_counts: Ints, units: int) -> Ints:
    """Return the clocks that ACT, PRE and RD took of the pins of each unit; PREA and refreshes are left out."""
    timing = memory.timing
    clocks = bank_counts[:, :3] @ np.array([timing.ACT_clk, timing.PRE_clk, timing.RD_clk])
    per_unit: Ints = clocks.reshape(units, -1).sum(axis=1)
    return per_unit


def _pins(packets: Mapping[str, int], tBL: int, cycles: int) -> dict[str, float]:
    return {
        "instruction_issue": packets["issue_clk"] / cycles,
        "result_return": packets["result_bursts"] * tBL / cycles,
    }


def unit_parameters(system: SystemSpec, nmp: NmpSpec, design: Design, arithmetic_clk: int) -> Ints:
    """Return the numbers that a channel's kernel takes, in the order of ``NMP_PARAMETERS``."""
    from archsim.kernels.recnmp import NMP_PARAMETERS

    organization, timing, cache = system.dram.organization, system.dram.timing, nmp.cache
    values = {
        "ranks": design.units,
        "ranks_per_dimm": design.units_per_dimm,
        "instructions_per_clk": nmp.instructions_per_clk,
        "config_clk": nmp.config_clk,
        "transfer_clk": nmp.transfer_clk,
        "burst_clk": timing.tBL,
        "cache_sets": cache.sets if cache.size else 0,
        "cache_ways": cache.ways,
        "cache_clk": cache.clocks(timing.tCK_ps) if cache.size else 0,
        "columns": organization.bursts_per_row,
        "arithmetic_clk": arithmetic_clk,
    }
    return np.array([values[name] for name in NMP_PARAMETERS], dtype=np.int64)
