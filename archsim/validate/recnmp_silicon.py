"""Table II of RecNMP (ISCA 2020), part by part, and the prototype AxDIMM (IEEE Micro 2022)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from archsim.nmp.silicon import PartRow, total_mm2, unit_rows
from archsim.nmp.spec import NmpSpec
from archsim.systems.spec import SystemSpec, load_system
from archsim.validate.recnmp_setup import CURRENTS, STEPS, TIMING, run, speedup
from archsim.validate.row import Row

Expected = Mapping[tuple[str, str, str], float]

#: The two systems of Table II, and the step of Fig. 15a that replays as each.
UNITS = {"RecNMP-base": "base", "RecNMP-opt": "schedule+profile"}
#: The smallest SRAM cell of the 45 and 40 nm processes of its time: K.-L. Cheng et al., IEDM 2007.
CELL_UM2 = 0.242
#: What the paper does not publish about its units, and the size of the RankCache.
VARIANTS = {
    "as judged": (),
    "16 lanes": ("nmp.unit.lanes=16",),
    "8 lanes": ("nmp.unit.lanes=8",),
    "Psum registers: 8 of 128 bytes": ("nmp.unit.psum_vectors=8", "nmp.unit.psum_bytes=128"),
    "Psum registers: 1 of 64 bytes": ("nmp.unit.psum_vectors=1", "nmp.unit.psum_bytes=64"),
    "instruction buffer: 8": ("nmp.unit.instructions=8",),
    "instruction buffer: 128": ("nmp.unit.instructions=128",),
    "16 lanes, Psum registers: 8 of 128 bytes": (
        "nmp.unit.lanes=16", "nmp.unit.psum_vectors=8", "nmp.unit.psum_bytes=128",
    ),
    "RankCache: 64 KiB": ("nmp.cache.size=64 KiB",),
    "RankCache: 32 KiB": ("nmp.cache.size=32 KiB",),
}  # fmt: skip


def table2(expected: Expected) -> Iterator[Row]:
    """Yield area and power of the unit of one DIMM, and what they are made of."""
    yield from _areas(expected)
    yield from _rank_caches(expected)
    yield from _powers(expected)
    yield from _constants()


def axdimm(expected: Expected) -> Iterator[Row]:
    """Yield what the prototype with two ranks gained, beside a model of two ranks."""
    gained, saved = (expected["axdimm", "2-rank", series] for series in ("speedup", "energy saving"))
    for step in ("base", "schedule+profile"):
        name = f"AxDIMM (IEEE Micro 2022), 2 ranks, measured; ours: {step}"
        note = "its best; an FPGA as buffer chip, against a processor whose efficiency is not published"
        yield Row(name, "speedup", gained, speedup(2, STEPS[step]), None, note)
        for energy, preset in (("", ()), (", data-sheet currents", CURRENTS)):
            near, host = run("recnmp-base-2rank", (*STEPS[step], *preset)), run("host-2rank", preset)
            ours = 100 * (1 - near.energy_nj / host.energy_nj)
            note = "its best; its abstract does not say what is counted"
            yield Row(f"{name}{energy}", "memory energy saved, %", saved, ours, None, note)


def silicon_sweep_rows(expected: Expected) -> Iterator[Row]:
    """Yield Table II under every variant."""
    for name, overrides in VARIANTS.items():
        for of in UNITS:
            if of == "RecNMP-base" and name.startswith("RankCache"):
                continue  # it has none
            parts = unit_parts(of, overrides)
            area, power = (expected["table2", of, series] for series in ("mm2", "mW"))
            yield Row(f"RecNMP sweep, {name}: {of}, area", "mm2", area, total_mm2(parts), None)
            yield Row(
                f"RecNMP sweep, {name}: {of}, power", "mW", power, sum(row.power_mw for row in parts), None
            )


def unit_parts(of: str, overrides: tuple[str, ...] = ()) -> tuple[PartRow, ...]:
    """Return the parts of the unit of a DIMM of Table II."""
    system, nmp = _system(of, overrides)
    return unit_rows(nmp, system.dram)


def unit_power_mw(overrides: tuple[str, ...]) -> float:
    """Return what arithmetic and RankCaches of one DIMM draw while RecNMP replays, in milliwatts."""
    result = run("recnmp-base-8rank", overrides)
    nmp = result.system.nmp
    assert nmp is not None  # a system with units
    dimms = result.system.dram.organization.ranks // nmp.ranks_per_dimm
    units = ("rank_unit", "dimm_unit", "rank_cache")
    nj = sum(row.energy_nj for row in result.energy if row.component in units)
    return 1000 * nj / result.time_ns / dimms


def full_rate_mw(of: str, *, weighted: bool) -> float:
    """Return what rank units of one DIMM draw for arithmetic by Table I, in milliwatts, every burst slot used."""
    system, nmp = _system(of)
    timing, energy = system.dram.timing, nmp.energy
    numbers_per_ns = nmp.ranks_per_dimm * 16 / (timing.tBL * timing.tCK_ps / 1000)
    pj = energy.fp32_add_pj + (energy.fp32_mult_pj if weighted else 0)
    return numbers_per_ns * pj


def _system(of: str, overrides: tuple[str, ...] = ()) -> tuple[SystemSpec, NmpSpec]:
    system = load_system(f"{of.lower()}-8rank", [*TIMING, *overrides])
    assert system.nmp is not None  # RecNMP
    return system, system.nmp


def _areas(expected: Expected) -> Iterator[Row]:
    for of in UNITS:
        note = "parts below; what the paper does not publish is swept"
        area = total_mm2(unit_parts(of))
        yield Row(
            f"RecNMP Table II, {of}, area of a DIMM's unit",
            "mm2",
            expected["table2", of, "mm2"],
            area,
            None,
            note,
        )
    for row in unit_parts("RecNMP-opt"):
        what = f"{row.component} {row.part}".replace("_", " ")
        yield Row(f"RecNMP Table II, of it: {what}, {row.count}", "mm2", None, row.area_mm2, None)


def _rank_caches(expected: Expected) -> Iterator[Row]:
    """Compare what the RankCaches add with what their bits alone need."""
    _, nmp = _system("RecNMP-opt")
    added = expected["table2", "RecNMP-opt", "mm2"] - expected["table2", "RecNMP-base", "mm2"]
    caches = sum(row.area_mm2 or 0 for row in unit_parts("RecNMP-opt") if row.component == "rank_cache")
    one = 8 * nmp.cache.size * CELL_UM2 / 1e6
    name = "RecNMP Table II, RecNMP-opt less RecNMP-base"
    yield Row(
        f"{name}: {nmp.ranks_per_dimm} RankCaches",
        "mm2",
        added,
        caches,
        None,
        "CACTI 7.0, tags and ECC included",
    )
    note = f"bits of data alone, {CELL_UM2} um2 each, without decoders, sense amplifiers, tags, ECC"
    yield Row(
        f"{name}: {nmp.ranks_per_dimm} RankCaches, bare cells",
        "mm2",
        added,
        nmp.ranks_per_dimm * one,
        None,
        note,
    )
    yield Row(f"{name}: one RankCache, bare cells", "mm2", added, one, None, note)


def _powers(expected: Expected) -> Iterator[Row]:
    for of, step in UNITS.items():
        name, power = f"RecNMP Table II, {of}, power of a DIMM's unit", expected["table2", of, "mW"]
        note = "the energy ledger over the run time, by Table I: additions and RankCaches, and no weights to multiply"
        yield Row(f"{name}, replaying", "mW", power, unit_power_mw(STEPS[step]), None, note)
        note = "parts of the area: logic every clock at 250 MHz, memories with every burst; no leakage of memories"
        yield Row(
            f"{name}, every part busy", "mW", power, sum(row.power_mw for row in unit_parts(of)), None, note
        )
    power = expected["table2", "RecNMP-base", "mW"]
    for sums, weighted in (("sums", False), ("weighted sums", True)):
        note = "arithmetic of the rank units alone, by Table I, a burst of each rank every tBL"
        name = f"RecNMP Table II, RecNMP-base, {sums} at full rate"
        yield Row(name, "mW", power, full_rate_mw("RecNMP-base", weighted=weighted), None, note)
    added = expected["table2", "RecNMP-opt", "mW"] - power
    caches = sum(row.power_mw for row in unit_parts("RecNMP-opt") if row.component == "rank_cache")
    note = "a lookup of Table I with every burst of both ranks"
    yield Row("RecNMP Table II, RecNMP-opt less RecNMP-base: 2 RankCaches", "mW", added, caches, None, note)


def _constants() -> Iterator[Row]:
    """Compare the energies of Table I with the logic whose areas are counted."""
    _, nmp = _system("RecNMP-base")
    logic, clk_ns = nmp.unit.logic, 1000 / nmp.unit.logic.clock_mhz
    for what, pj, cell in (
        ("addition", nmp.energy.fp32_add_pj, logic.fp32_add),
        ("multiplication", nmp.energy.fp32_mult_pj, logic.fp32_mult),
    ):
        note = "dynamic power of the FP32 unit of Aladdin (ISCA 2014) over three clocks of 4 ns"
        yield Row(f"RecNMP Table I, FP32 {what}", "pJ", pj, 3 * clk_ns * cell.dynamic_mw, None, note)
