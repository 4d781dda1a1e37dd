"""A host whose lookups meet caches before the memory; ``docs/memory-caches.md`` is the contract."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from archsim.cache.spec import CacheLevel, Hierarchy, MemoryCache
from archsim.dram.address import decode_table
from archsim.dram.energy import dram_ledger
from archsim.dram.engine import DramReplay, merged_counts, merged_histogram
from archsim.dram.resolve import DramTables
from archsim.dram.spec import DramSpec
from archsim.ledger import LedgerRow
from archsim.systems.accesses import Accesses, Frontend
from archsim.systems.outcome import Options, Outcome
from archsim.systems.spec import SystemSpec
from archsim.systems.utilisation import array_utilisation, bus_utilisation, highest
from archsim.traces import AddressTrace, EmbeddingTrace

if TYPE_CHECKING:
    from archsim.kernels.cache_memory import CachedChannel

Ints = npt.NDArray[np.int64]


class CacheSettings(NamedTuple):
    """What a channel's part of the caches is to the kernel of the clocks."""

    width: int
    units: int
    ports: int
    mshrs: int
    merging: bool
    level_clk: tuple[int, ...]


class CachedReplay(DramReplay):
    """A memory behind caches: `DramReplay` that takes accesses whose hits are known."""

    def __init__(self, spec: DramSpec, settings: CacheSettings, options: Options) -> None:
        self._settings = settings
        super().__init__(
            spec, log_limit=options.log_limit, interval_clk=options.interval_clk, threads=options.threads
        )

    def _channel(self, tables: DramTables, log_limit: int, interval_clk: int) -> Any:
        from archsim.kernels.cache_memory import CachedChannel

        return CachedChannel(tables, log_limit, interval_clk, **self._settings._asdict())

    @property
    def caches(self) -> list[CachedChannel]:
        """The channels, as what they are here."""
        return self.channels

    def feed_accesses(self, accesses: Accesses, found: Found) -> None:
        """Take in accesses in the order in which they are offered; may return before they are replayed."""
        self._wait()
        home = accesses.channels if len(self.channels) > 1 else None
        self._start(
            lambda number: self.caches[number].feed(
                accesses.keys, found.levels, found.first, found.coordinates, found.kinds, accesses.units,
                accesses.kinds, accesses.arrivals, home, number,
            )
        )  # fmt: skip

    def finish(self) -> None:
        """Serve all that waits."""
        self._wait()
        self._start(lambda number: self.caches[number].finish())
        self._wait()

    def cache_counts(self) -> list[dict[str, int]]:
        """Return what the caches of each channel counted."""
        return [channel.cache_counts() for channel in self.caches]

    def hits(self, *, apart: bool) -> Ints:
        """Return the log of hits in order of clock, int64 [4, n]: clock of the lookup, cache, level, block.

        Parameters
        ----------
        apart : bool
            The caches of each channel are its own, and counted channel by channel.
        """
        parts = []
        for number, channel in enumerate(self.caches):
            own = channel.hits()
            own[1] += number * self._settings.units * apart
            parts.append(own)
        together: Ints = np.concatenate(parts, axis=1)
        return together[:, np.argsort(together[0], kind="stable")]

    @property
    def cycles(self) -> int:
        """Clocks from the first access offered to the last data, of the memory or of a hit."""
        return max(super().cycles, *(counts["last_clk"] for counts in self.cache_counts()))


class Found(NamedTuple):
    """What caches made of accesses: level of each, and requests to the memory [first[i], first[i + 1])."""

    levels: npt.NDArray[np.uint8]
    first: Ints
    coordinates: Ints
    kinds: npt.NDArray[np.uint8]


def replay_cached(system: SystemSpec, trace: EmbeddingTrace | AddressTrace, options: Options) -> Outcome:
    """Replay a trace through the caches of a host and its memory.

    Parameters
    ----------
    system : SystemSpec
        With ``cache`` or ``hierarchy``.
    trace : EmbeddingTrace or AddressTrace
        The lookups, or the addresses.
    options : Options
        Log, time series, threads, progress.

    Raises
    ------
    InputError
        When the tables do not fit into the memory, an address lies outside it, or a line of a cache holds memory of
        several.
    RuntimeError
        When the memory can never make progress again.
    """
    return _Replay(system, trace, options).run()


class _Replay:
    def __init__(self, system: SystemSpec, trace: EmbeddingTrace | AddressTrace, options: Options) -> None:
        from archsim.kernels.cache_chain import INCLUSIONS, POLICIES, CacheChain

        self.system, self.options = system, options
        self.frontend = Frontend(system, trace)
        self.levels: list[tuple[str, CacheLevel]]
        self.rules: Hierarchy | MemoryCache
        cache, hierarchy = system.cache, system.hierarchy
        if hierarchy is not None:
            self.levels, self.rules = hierarchy.levels(), hierarchy
            shared, inclusion = hierarchy.llc is not None, INCLUSIONS.index(hierarchy.inclusion)
            write_back = allocate = True
            units = [1 if name == "llc" else hierarchy.cores for name, _ in self.levels]
        else:
            assert cache is not None  # held by `archsim.simulate`
            self.levels, self.rules = [("cache", cache)], cache
            shared, inclusion = False, 0
            write_back, allocate = cache.write == "back", cache.allocate_writes
            units = [self.frontend.caches]
        geometry = [
            (level.sets, level.ways, count, POLICIES.index(level.policy))
            for (_, level), count in zip(self.levels, units, strict=True)
        ]
        self.chain = CacheChain(geometry, shared, inclusion, write_back, allocate, self.frontend.block_lines)
        tCK_ps = system.dram.timing.tCK_ps
        level_clk = [level.clocks(tCK_ps) for _, level in self.levels]
        rules = self.rules
        self.settings = CacheSettings(
            rules.accesses_per_clk, self.frontend.units, rules.ports, rules.mshrs, rules.merging,
            (*level_clk, level_clk[-1]),
        )  # fmt: skip
        self.decode = decode_table(system.dram)
        self.requests = self.bypassed = 0
        self.cpu_s = 0.0

    def run(self) -> Outcome:
        """Replay everything."""
        with CachedReplay(self.system.dram, self.settings, self.options) as memory:
            for accesses in self.frontend.windows():
                memory.feed_accesses(accesses, self._look_up(accesses))
                self.requests += accesses.requests
                if self.options.progress:
                    self.options.progress(accesses.taken)
            memory.finish()
        return self._outcome(memory)

    def _look_up(self, accesses: Accesses) -> Found:
        from archsim.kernels.lowering import decode_lines

        start = time.thread_time()
        levels, first, lines, kinds = self.chain.feed(
            accesses.blocks, accesses.caches, accesses.index, accesses.kinds, accesses.keep_out, accesses.written,
            accesses.lines, accesses.first,
        )  # fmt: skip
        if accesses.keep_out is not None:
            self.bypassed += int(np.count_nonzero(accesses.keep_out))
        per_line = self.system.dram.organization.accesses_per_line
        coordinates = np.empty(len(lines) * per_line, dtype=np.int64)
        decode_lines(lines, self.decode, coordinates, per_line)
        if per_line > 1:
            kinds, first = np.repeat(kinds, per_line), first * per_line
        self.frontend.check_one_cache(accesses, first, coordinates, kinds)
        self.cpu_s += time.thread_time() - start
        return Found(levels, first, coordinates, kinds)

    # ------------------------------------------------------------------------------------------------- figures

    def _outcome(self, memory: CachedReplay) -> Outcome:
        spec, organization = memory.spec, memory.spec.organization
        channel_counts, counts, cycles = memory.channel_counts(), memory.counts(), memory.cycles
        bank_counts, rank_clocks = memory.bank_counts(), memory.rank_clocks()
        caches = memory.cache_counts()
        utilisation = []
        banks = np.split(bank_counts, organization.channels)
        for own, own_banks, channel in zip(channel_counts, banks, memory.caches, strict=True):
            ports = int(channel.unit_accesses().max()) / (self.settings.ports * cycles)
            utilisation.append(
                bus_utilisation(spec, own, own_banks, cycles)
                | array_utilisation(spec, own, own_banks, cycles)
                | {"cache_ports": ports}
            )
        totals = merged_counts(caches)
        totals["latency_max_clk"] = max(each["latency_max_clk"] for each in caches)
        latency_clk, latency_count = merged_histogram(
            [channel.cache_latency_histogram() for channel in memory.caches]
        )
        buses = organization.channels * organization.pseudo_channels
        commands, queues = memory.log()
        return Outcome(
            cycles=cycles,
            requests=self.requests,
            counts=counts,
            channel_counts=channel_counts,
            bank_counts=bank_counts,
            rank_commands=memory.rank_commands(),
            rank_clocks=rank_clocks,
            latency_clk=latency_clk,
            latency_count=latency_count,
            utilisation=highest(utilisation),
            channel_utilisation=utilisation,
            peak_bytes_per_clk=buses * organization.access_bytes / spec.timing.tBL,
            ledger=(*dram_ledger(spec, counts, rank_clocks, cycles), *self._ledger()),
            kernel_cpu_s=memory.cpu_s + self.cpu_s,
            commands=commands,
            queues=queues,
            hits=memory.hits(apart=self.frontend.caches > self.frontend.units),
            interval_clk=self.options.interval_clk,
            series=memory.series(),
            cache=self._figures(totals, cycles),
            seen=totals,
        )

    def _level_counts(self) -> Iterator[tuple[str, CacheLevel, dict[str, int]]]:
        from archsim.kernels.cache_chain import LEVEL_COUNTS

        for (name, level), row in zip(self.levels, self.chain.counts().tolist(), strict=True):
            yield name, level, dict(zip(LEVEL_COUNTS, row, strict=True))

    def _figures(self, totals: dict[str, int], cycles: int) -> dict[str, Any]:
        levels: list[dict[str, Any]] = [
            {
                "name": name,
                "accesses": counts["lookups"],
                "hits": counts["hits"],
                "hit_ratio": counts["hits"] / max(counts["lookups"], 1),
                "fills": counts["fills"],
                "writebacks": counts["writebacks"],
            }
            for name, _, counts in self._level_counts()
        ]
        accesses, hits = totals["accesses"], sum(level["hits"] for level in levels)
        in_flight = self.settings.mshrs * self.settings.units * self.system.dram.organization.channels
        ns = self.system.dram.timing.tCK_ps / 1000
        return {
            "accesses": accesses,
            "hits": hits,
            "hit_ratio": hits / max(accesses, 1),
            "misses": accesses - hits,
            "merged": totals["merged"],
            "hits_delayed": totals["delayed"],
            "bypassed": self.bypassed,
            "writebacks": levels[-1]["writebacks"],
            "port_wait_ns": totals["port_wait_clk"] * ns,
            "miss_wait_ns": totals["miss_wait_clk"] * ns,
            "mshr_occupancy": totals["miss_clk"] / (in_flight * cycles),
            "levels": levels,
        }

    def _ledger(self) -> Iterator[LedgerRow]:
        for name, level, counts in self._level_counts():
            for event, count, pj in (
                ("lookup", counts["lookups"], level.read_pj),
                ("fill", counts["fills"], level.write_pj),
                ("writeback", counts["writebacks"], level.read_pj),
            ):
                if count:
                    yield LedgerRow(name, event, count, pj)
