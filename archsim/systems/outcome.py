"""What a replay through a system yields, before it is put into a `Result`, and what all systems count alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from archsim.dram.energy import event_energies_pj
from archsim.dram.spec import DramSpec
from archsim.errors import InputError
from archsim.ledger import LedgerRow
from archsim.traces import EmbeddingTrace

#: Lookups lowered and replayed together. Results do not depend on it; memory use does.
CHUNK_LOOKUPS = 1 << 17
#: Called with the number of lookups done since the last call.
Progress = Callable[[int], None]


@dataclass(frozen=True)
class Outcome:
    """Raw figures of one replay; clocks are memory clocks.

    Attributes
    ----------
    cycles : int
        From the first request offered to the last data beat.
    requests : int
        Requests of one line each.
    counts : mapping of str to int
        Counters of the channel kernel.
    latency_clk, latency_count : int64 arrays
        Histogram of read latencies, ascending.
    utilisation : mapping of str to float
        Busy share of each shared resource.
    peak_bytes_per_clk : int
        Data that all data buses together can move in a clock.
    ledger : tuple of LedgerRow
        Energy.
    kernel_cpu_s : float
        CPU seconds inside the replay kernel.
    commands : int64 array [5, n]
        Command log (clk, command, bank, row, column); empty unless asked for.
    nmp : mapping or None
        Figures of the near-memory units, where there are any.
    """

    cycles: int
    requests: int
    counts: Mapping[str, int]
    latency_clk: npt.NDArray[np.int64]
    latency_count: npt.NDArray[np.int64]
    utilisation: Mapping[str, float]
    peak_bytes_per_clk: int
    ledger: tuple[LedgerRow, ...]
    kernel_cpu_s: float
    commands: npt.NDArray[np.int64]
    nmp: Mapping[str, Any] | None = field(default=None)


def lookup_chunks(trace: EmbeddingTrace) -> Iterator[tuple[int, int]]:
    """Yield (first, last) lookup ranges of at most ``CHUNK_LOOKUPS``; bags may be cut."""
    for first in range(0, trace.lookups, CHUNK_LOOKUPS):
        yield first, min(first + CHUNK_LOOKUPS, trace.lookups)


def dram_utilisation(
    spec: DramSpec, counts: Mapping[str, int], bank_acts: npt.NDArray[np.int64], cycles: int
) -> dict[str, float]:
    """Return the busy share of what limits the banks and ranks themselves, all ranks together.

    ``activate_window`` is the share of the ACTs that tFAW allows, ``busiest_bank`` the share of its tRC slots that
    the most used bank filled, ``refresh`` the share of rank time spent in tRFC. The windows of the last ACTs, which
    reach beyond the end of the run, do not count.
    """
    timing, ranks = spec.timing, spec.organization.all_ranks
    rank_acts = bank_acts.reshape(ranks, -1).sum(axis=1)
    windows = int(np.maximum(rank_acts - 4, 0).sum()) / 4
    return {
        "activate_window": windows * (timing.tFAW or 0) / (ranks * cycles),
        "busiest_bank": max(int(bank_acts.max()) - 1, 0) * timing.row_cycle_clk / cycles,
        "refresh": (counts["ref"] + counts["refb"] / spec.refresh_steps) * spec.refresh_clk / (ranks * cycles),
    }


def dram_energy(spec: DramSpec, counts: Mapping[str, int]) -> list[LedgerRow]:
    """Return the rows for the DRAM devices by constants per event: activations and array accesses.

    Raises
    ------
    InputError
        When the memory's energy is given as currents: they need the states of the ranks, see `archsim.dram.energy`.
    """
    if spec.energy.method != "per-event":
        raise InputError("dram.energy.method = 'currents': this system counts no clocks in power states")
    energy = event_energies_pj(spec)
    rows = [
        LedgerRow("dram", "activate", counts["act"], energy["activate"]),
        LedgerRow("dram", "read", counts["rd"], energy["read"]),
    ]
    if counts["wr"]:
        rows.append(LedgerRow("dram", "write", counts["wr"], energy["write"]))
    return rows
