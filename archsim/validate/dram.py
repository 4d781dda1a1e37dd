"""The DRAM channel against three other simulators: the same memory, traces and coordinates.

Every row of ``data/dram.csv`` and ``data/dram_micro.csv`` was measured with Ramulator 2.1 (commit c5b1c3a4), DRAMsim3
(commit 29817593) or DRAMSys 5.5. It is run here with the memory of that simulator's configuration file, under the
controller preset that chooses its policies. Clocks run from the first offer to the last data beat.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from archsim.dram.spec import DramSpec
from archsim.errors import InputError
from archsim.spec import apply_overrides
from archsim.validate import dram_micro
from archsim.validate.dram_reasons import reason
from archsim.validate.reference_traces import TraceMissingError, reference_trace
from archsim.validate.row import Row

#: Shares by which a row may deviate.
_READS = {1: 0.005, 2: 0.015}
_MIX, _LATENCY, _OTHER_STANDARDS, _ENERGY, _THIRD_OPINION = 0.03, 0.02, 0.03, 0.05, 0.01
#: HBM addresses wrap at 1 GiB.
_HBM_LINES = 2**30 // 64
#: The driver of DRAMsim3 notices that data are there one clock later and counts it.
_EXTRA_CLK = {"dramsim3": 1}
#: Our clocks per clock of the figures: the HBM3 file counts half clocks.
_TICKS = {"HBM3": 2}
_MAPS = {"skl": "skylake-64", "roco": "roco"}


class Case(NamedTuple):
    """What is run: a row of the figures without its results."""

    simulator: str
    standard: str
    ranks: int
    trace: str
    mapping: str
    variant: str
    mode: str
    n_requests: int

    @classmethod
    def of(cls, row: dict[str, str]) -> Case:
        """Read the case of a row of figures."""
        numbers = {key: int(row[key]) for key in ("ranks", "n_requests")}
        texts = {key: row[key] for key in cls._fields if key not in numbers}
        return cls(**texts, **numbers)  # type: ignore[arg-type]  # texts and numbers are in their places

    @property
    def label(self) -> str:
        """Return what the reader sees."""
        ranks = f"{self.ranks} rank{'s' if self.ranks > 1 else ''}"
        place = f"{self.simulator} {self.variant} {self.standard} {ranks}"
        return f"{place}, {self.trace}, map {self.mapping}, {self.mode}"

    @property
    def tolerance(self) -> float | None:
        """Return the share by which the clocks may deviate; None where they are not judged."""
        if self.simulator == "dramsys":
            return None if self.trace == "mix" else _THIRD_OPINION
        if self.standard != "DDR4":
            return _OTHER_STANDARDS
        return _MIX if self.trace == "mix" else _READS[self.ranks]


class Outcome(NamedTuple):
    """What is compared of a run, in clocks of our memory and picojoules."""

    clocks: int
    latency_clk: float
    energy_pj: float | None


def rows(data: Path | None = None) -> Iterator[Row]:
    """Run every measured case and yield its rows: first the short sequences, then the long traces."""
    yield from _micro()
    for row in _table("dram.csv"):
        yield from _compare(Case.of(row), row, data)


def _micro() -> Iterator[Row]:
    specs = {
        prefix: spec_of(Case(simulator, "DDR4", 2, "", "roco", variant, "saturated", 0))
        for prefix, simulator, variant in dram_micro.SIMULATORS
    }
    for row in dram_micro.rows(specs, _EXTRA_CLK):
        note = reason(row.figure, row.quantity) if row.holds is False else ""
        yield replace(row, note=note)


def _table(name: str) -> Iterator[dict[str, str]]:
    text = (files("archsim.validate") / "data" / name).read_text(encoding="utf-8")
    return csv.DictReader(text.splitlines())


def _compare(case: Case, figures: dict[str, str], data: Path | None) -> Iterator[Row]:
    expected = _expected(case, figures)
    try:
        outcome = _run(case, spec_of(case), data)
    except TraceMissingError as error:
        for quantity, value, _ in expected:
            yield Row(case.label, quantity, value, None, None, f"not run: {error}")
        return
    ticks = _TICKS.get(case.standard, 1)
    measured = {
        "clocks": outcome.clocks / ticks + _EXTRA_CLK.get(case.simulator, 0),
        "mean read latency, clocks": outcome.latency_clk / ticks,
        "energy, pJ": outcome.energy_pj,
    }
    for quantity, value, tolerance in expected:
        row = Row(case.label, quantity, value, measured[quantity], tolerance)
        note = _beside(case, data) if quantity == "clocks" else ""
        if row.holds is False:
            note = "; ".join(text for text in (reason(case.label, quantity), note) if text)
        yield replace(row, note=note)


def _expected(case: Case, figures: dict[str, str]) -> list[tuple[str, float, float | None]]:
    """Return quantity, figure and tolerance of what is compared in a row."""
    expected: list[tuple[str, float, float | None]] = [("clocks", float(figures["cycles"]), case.tolerance)]
    if case.mode != "saturated":
        expected.append(("mean read latency, clocks", float(figures["avg_latency"]), _LATENCY))
    if figures["energy_pj"]:
        expected.append(("energy, pJ", float(figures["energy_pj"]), _ENERGY))
    return expected


def _beside(case: Case, data: Path | None) -> str:
    """Return what archsim's own controller and rules make of a DDR4 case."""
    if case.simulator == "dramsys":
        return "not judged: DRAMSys decides otherwise when to write" if case.trace == "mix" else ""
    if case.standard != "DDR4":
        return ""
    own = _run(case._replace(simulator="archsim", variant="default"), _own_spec(case), data)
    return f"archsim's default: {own.clocks:,} clocks"


def _own_spec(case: Case, controller: str = "default") -> DramSpec:
    return apply_overrides(
        DramSpec.load("ddr4-2400"),
        [f"organization.ranks={case.ranks}", f"address_map.preset={_MAPS[case.mapping]}",
         f"controller.preset={controller}"],
    )  # fmt: skip


@cache
def _memory(name: str) -> DramSpec:
    return DramSpec.load(str(files("archsim.validate") / "data" / f"{name}.toml"))


def spec_of(case: Case) -> DramSpec:
    """Return the memory of the simulator's configuration file under the policies of the variant."""
    if case.simulator == "dramsys":
        # rw32 turns to writes only when no reads wait, or its buffer of writes is full.
        watermarks = ["controller.write_drain_high=32"] if case.variant == "rw32" else []
        return apply_overrides(_own_spec(case, "dramsys"), watermarks)
    spec = _memory(f"{case.simulator}-{case.standard.lower()}")
    overrides = []
    if case.mapping in _MAPS:  # the HBM memories come with their map
        overrides += [f"organization.ranks={case.ranks}", f"address_map.preset={_MAPS[case.mapping]}"]
    if case.variant == "frfcfs32":
        overrides.append("controller.row_hit_protection=none")
    if case.variant == "rank32":
        overrides += [
            "controller.command_queue_scope=rank", f"controller.command_queue={32 // case.ranks}",
        ]  # fmt: skip
    return apply_overrides(spec, overrides)


#: Runs of the same case and memory are made once.
_DONE: dict[tuple[Case, str], Outcome] = {}


def _run(case: Case, spec: DramSpec, data: Path | None) -> Outcome:
    key = case._replace(simulator="", variant=""), spec.sha256()
    if key not in _DONE:
        _DONE[key] = _replay(case, spec, data)
    return _DONE[key]


def _replay(case: Case, spec: DramSpec, data: Path | None) -> Outcome:
    from archsim.dram.energy import dram_ledger
    from archsim.dram.engine import replay_lines
    from archsim.ledger import total_nj

    lines, writes = (column[: case.n_requests] for column in reference_trace(case.trace, data))
    if case.standard.startswith("HBM"):
        lines = lines % _HBM_LINES
    arrivals = None
    if case.mode != "saturated":
        arrivals = np.arange(len(lines), dtype=np.int64) * int(case.mode.removeprefix("paced"))
    try:
        channel: Any = replay_lines(
            spec, lines, writes=writes if writes.any() else None, arrivals_clk=arrivals
        )
    except RuntimeError as error:  # a kernel that cannot go on says why
        raise InputError(f"{case.label}: {error}") from None
    counts = channel.counts()
    cycles, latency = counts["last_data_clk"], counts["latency_sum_clk"] / counts["reads"]
    if spec.energy.method != "currents":
        return Outcome(cycles, latency, None)
    ledger = dram_ledger(spec, counts, channel.rank_clocks(), cycles)
    return Outcome(cycles, latency, 1000 * total_nj(ledger))
