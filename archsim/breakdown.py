"""Where in a memory the work was done: rows per channel, rank and bank, with units, and time series."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from archsim.dram.energy import dram_ledger
from archsim.dram.spec import DramSpec
from archsim.ledger import total_nj

Ints = npt.NDArray[np.int64]
Rows = list[dict[str, Any]]

#: Names of the columns of ``rank_clocks``.
STATES = (
    "active_standby",
    "precharge_standby",
    "active_power_down",
    "precharge_power_down",
    "self_refresh",
)


def latency_split_ns(counts: Mapping[str, int], ns_per_clk: float) -> tuple[float, float, float]:
    """Return the mean read latency, and its parts before and after the first command issued for a read."""
    reads = max(counts["reads"], 1)
    total, queueing = counts["latency_sum_clk"] * ns_per_clk, counts["queueing_sum_clk"] * ns_per_clk
    service = (counts["latency_sum_clk"] - counts["queueing_sum_clk"]) * ns_per_clk
    return total / reads, queueing / reads, service / reads


def request_figures(counts: Mapping[str, int]) -> dict[str, int]:
    """Return what became of requests and which commands they took, by the names of ``archsim replay --json``.

    A precharge of all banks counts once, and so does a refresh of whichever kind.
    """
    return {
        "reads": counts["reads"],
        "writes": counts["writes"],
        "reads_forwarded": counts["forwarded"],
        "reads_merged": counts["merged"],
        "writes_coalesced": counts["coalesced"],
        "row_hits": counts["row_hits"],
        "row_misses": counts["row_misses"],
        "row_conflicts": counts["row_conflicts"],
        "activates": counts["act"],
        "precharges": counts["pre"] + counts["prea"],
        "refreshes": counts["ref"] + counts["refb"],
    }


def channel_rows(
    spec: DramSpec,
    channel_counts: Sequence[Mapping[str, int]],
    utilisation: Sequence[Mapping[str, float]],
    cycles: int,
) -> Rows:
    """Return one row per channel: requests, commands, latencies, bandwidth and utilisation."""
    ns = spec.timing.tCK_ps / 1000
    rows = []
    for number, counts in enumerate(channel_counts):
        average, queueing, service = latency_split_ns(counts, ns)
        moved = (counts["rd"] + counts["wr"]) * spec.organization.access_bytes
        rows.append(
            {
                "channel": number,
                **request_figures(counts),
                "latency_avg_ns": average,
                "latency_queueing_avg_ns": queueing,
                "latency_service_avg_ns": service,
                "latency_max_ns": counts["latency_max_clk"] * ns,
                "bandwidth_gbps": moved / (cycles * ns),
                "utilisation": dict(utilisation[number]),
            }
        )
    return rows


def rank_rows(spec: DramSpec, bank_counts: Ints, rank_commands: Ints, rank_clocks: Ints, cycles: int) -> Rows:
    """Return one row per rank: RD, WR and other commands, time in each power state, energy of its devices."""
    ns = spec.timing.tCK_ps / 1000
    per_rank = bank_counts.reshape(len(rank_commands), -1, bank_counts.shape[1]).sum(axis=1)
    rows = []
    for place, banks, (ref, prea, refb), clocks in zip(
        _ranks(spec), per_rank.tolist(), rank_commands.tolist(), rank_clocks, strict=True
    ):
        act, pre, rd, wr, _ = banks
        counts = {"act": act, "rd": rd, "wr": wr, "ref": ref, "refb": refb}
        ledger = dram_ledger(spec, counts, clocks[np.newaxis], cycles)
        rows.append(
            {
                **place,
                "reads": rd,
                "writes": wr,
                "activates": act,
                "precharges": pre + prea,
                "refreshes": ref + refb,
                **{f"{state}_ns": clk * ns for state, clk in zip(STATES, clocks.tolist(), strict=True)},
                "dram_energy_nj": total_nj(row for row in ledger if row.component == "dram"),
            }
        )
    return rows


def bank_rows(spec: DramSpec, bank_counts: Ints, cycles: int) -> Rows:
    """Return one row per bank: RD, WR, ACT, PRE (not those of all banks at once), share of time with an open row."""
    organization = spec.organization
    places = (
        rank | {"bank_group": group, "bank": bank}
        for rank in _ranks(spec)
        for group in range(organization.bank_groups)
        for bank in range(organization.banks_per_group)
    )
    return [
        place
        | {"reads": rd, "writes": wr, "activates": act, "precharges": pre, "open_share": opened / cycles}
        for place, (act, pre, rd, wr, opened) in zip(places, bank_counts.tolist(), strict=True)
    ]


def series_columns(
    spec: DramSpec, series: Ints, interval_clk: int, cycles: int
) -> dict[str, npt.NDArray[Any]]:
    """Return a time series by column, with units; sums of its counts are those of the whole run.

    Commands count in the interval in which they issue, latencies (``reads_done`` of them) in that of the last beat. The
    bandwidth of the last interval is over what the run left of it.
    """
    from archsim.kernels.dram import SERIES

    ns = spec.timing.tCK_ps / 1000
    intervals = -(-cycles // interval_clk)
    padded = np.zeros((intervals, len(SERIES)), dtype=np.int64)
    padded[: len(series)] = series
    of = dict(zip(SERIES, padded.T, strict=True))
    start_clk = np.arange(intervals, dtype=np.int64) * interval_clk
    length_ns = np.minimum(interval_clk, cycles - start_clk) * ns
    return {
        "start_ns": start_clk * ns,
        "bandwidth_gbps": (of["rd"] + of["wr"]) * spec.organization.access_bytes / length_ns,
        "reads": of["rd"],
        "writes": of["wr"],
        "activates": of["act"],
        "precharges": of["pre"],
        "refreshes": of["ref"],
        "reads_done": of["reads_done"],
        "latency_avg_ns": of["latency_sum_clk"] * ns / np.maximum(of["reads_done"], 1),
    }


def _ranks(spec: DramSpec) -> Iterator[dict[str, int]]:
    organization = spec.organization
    for channel in range(organization.channels):
        for pseudo_channel in range(organization.pseudo_channels):
            for rank in range(organization.ranks):
                yield {"channel": channel, "pseudo_channel": pseudo_channel, "rank": rank}
