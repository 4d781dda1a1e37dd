"""Short request sequences whose clocks are known exactly, all of them on DDR4 of two ranks."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from archsim.dram.spec import DramSpec
from archsim.validate.row import Row

#: Columns of the figures: prefix, simulator, variant.
SIMULATORS = (
    ("r2_rowhit32", "ramulator2", "rowhit32"),
    ("r2_frfcfs32", "ramulator2", "frfcfs32"),
    ("d3_bank8", "dramsim3", "bank8"),
    ("d3_rank32", "dramsim3", "rank32"),
)
#: Means are printed with three decimals.
_ROUNDING_CLK = 0.0006


class Sequence(NamedTuple):
    """DRAM coordinates of requests, offered as fast as they are accepted; arrays of one length."""

    rank: npt.NDArray[np.int64]
    bank_group: npt.NDArray[np.int64]
    bank: npt.NDArray[np.int64]
    row: npt.NDArray[np.int64]
    column: npt.NDArray[np.int64]
    writes: npt.NDArray[np.bool_]


def _sequence(n: int, *, writes: Any = False, **places: Any) -> Sequence:
    """Return ``n`` requests at place 0 but for the fields given, each a number or an array."""

    def field(name: str) -> npt.NDArray[np.int64]:
        return np.broadcast_to(places.get(name, 0), n).astype(np.int64)

    return Sequence(
        field("rank"), field("bank_group"), field("bank"), field("row"), field("column"),
        np.broadcast_to(writes, n).astype(np.bool_),
    )  # fmt: skip


def sequences() -> dict[str, Sequence]:
    """Return the sequences by the name of their row."""
    number = np.arange(120)
    two, eight, sixteen, half = number[:2], number[:8], number[:16], number[:32]
    after_40_writes = number[:41] < 40
    return {
        "1_read_closed": _sequence(1),
        "2_reads_same_row": _sequence(2, column=two),
        "16_reads_same_row": _sequence(16, column=sixteen),
        "2_reads_same_bank_other_row": _sequence(2, row=two),
        "8_reads_same_bank_8_rows": _sequence(8, row=eight),
        "2_reads_other_bankgroup": _sequence(2, bank_group=two),
        "2_reads_other_bank_same_bg": _sequence(2, bank=two),
        "8_reads_8_banks_rotating_bg": _sequence(8, bank_group=eight % 4, bank=eight // 4),
        "16_reads_16_banks_rotating_bg": _sequence(16, bank_group=sixteen % 4, bank=sixteen // 4),
        "2_reads_other_rank": _sequence(2, rank=two),
        "32_reads_alternating_rank_same_rows": _sequence(32, rank=half % 2, column=half // 2),
        "32_reads_4bg_same_rows": _sequence(32, bank_group=half % 4, column=half // 4),
        "40writes_then_read_same_bank_row": _sequence(41, column=number[:41], writes=after_40_writes),
        "40writes_then_read_other_rank": _sequence(
            41,
            rank=~after_40_writes,
            column=np.where(after_40_writes, number[:41], 0),
            writes=after_40_writes,
        ),
        "40reads_40writes_same_rows": _sequence(
            120, bank_group=number % 4, column=number // 4, writes=(number >= 40) & (number < 80)
        ),
    }


def replay(spec: DramSpec, sequence: Sequence) -> tuple[int, float]:
    """Return the clock at which the last read has its data, and the mean read latency."""
    from archsim.dram.address import encode
    from archsim.dram.resolve import resolve
    from archsim.kernels.dram import ChannelReplay

    s, writes = sequence, sequence.writes
    coordinates = encode(s.rank, s.bank_group, s.bank, s.row, s.column, spec)
    finished = np.zeros(len(coordinates), dtype=np.int64)
    channel = ChannelReplay(resolve(spec))
    channel.feed(coordinates, writes.astype(np.uint8), None, finished, drain=True)
    counts = channel.counts()
    return int(finished[~writes].max()), counts["latency_sum_clk"] / counts["reads"]


def rows(specs: dict[str, DramSpec], extra_clk: dict[str, int]) -> Iterator[Row]:
    """Replay every sequence under every simulator's policies.

    Parameters
    ----------
    specs : dict of str to DramSpec
        Memory of each simulator and variant, by the prefix of its columns.
    extra_clk : dict of str to int
        Clocks that a simulator's driver counts more.
    """
    text = (files("archsim.validate") / "data" / "dram_micro.csv").read_text(encoding="utf-8")
    known = sequences()
    for figures in csv.DictReader(text.splitlines()):
        for prefix, simulator, variant in SIMULATORS:
            clocks, latency = replay(specs[prefix], known[figures["test"]])
            label = f"{simulator} {variant}, {figures['test'].replace('_', ' ')}"
            expected = float(figures[f"{prefix}_cycles"])
            yield Row(label, "clocks", expected, clocks + extra_clk.get(simulator, 0), 0.0)
            expected = float(figures[f"{prefix}_avg_lat"])
            yield Row(label, "mean read latency, clocks", expected, latency, _ROUNDING_CLK / expected)
