"""Area and power of the unit of one DIMM: parts by hand, bounds, what is refused."""

import json

import pytest
from program import run

from archsim import load_system, simulate
from archsim.cache.sram import SramTable
from archsim.errors import InputError
from archsim.nmp.silicon import lanes, total_mm2, unit_rows
from archsim.systems.spec import SystemSpec
from archsim.traces.generators.stream import generate
from archsim.traces.workloads import load_workload


def rows_of(name, *overrides):
    system = load_system(name, overrides)
    return {(row.component, row.part): row for row in unit_rows(system.nmp, system.dram)}


def test_lanes_keep_up_with_the_bursts_of_a_rank():
    system = load_system("recnmp-base-8rank")
    burst_ns = system.dram.timing.tBL * system.dram.timing.tCK_ps / 1000
    period_ns = 1000 / system.nmp.unit.clock_mhz
    found = lanes(system.nmp, system.dram)
    assert found * burst_ns >= 16 * period_ns > (found - 1) * burst_ns
    assert found == 20  # 16 numbers in 4 clocks of 0.833 ns, 4 ns to add each


def test_lanes_can_be_given():
    system = load_system("recnmp-base-8rank", ["nmp.unit.lanes=7"])
    assert lanes(system.nmp, system.dram) == 7


def test_a_unit_twice_as_fast_needs_half_the_lanes():
    system = load_system("recnmp-base-8rank", ["nmp.unit.clock_mhz=500"])
    assert lanes(system.nmp, system.dram) == 10


def test_the_parts_of_a_unit_add_up_by_hand():
    unit = load_system("recnmp-opt-8rank").nmp.unit
    logic, rows = unit.logic, rows_of("recnmp-opt-8rank")
    counts = {key: row.count for key, row in rows.items()}
    assert counts == {
        ("rank_unit", "fp32_add"): 40,
        ("rank_unit", "fp32_mult"): 40,
        ("rank_unit", "psum_registers"): 2,
        ("rank_unit", "vector_registers"): 2,
        ("rank_unit", "instruction_buffer"): 2,
        ("rank_cache", "array"): 2,
        ("dimm_unit", "fp32_add"): 20,
        ("dimm_unit", "psum_buffers"): 2,
    }
    psums = unit.array.at(16 * 448).area_mm2
    bits = 2 * (2 * 512 + 3 * 32 + 32 * 79)
    by_hand = (
        (40 + 20) * logic.fp32_add.area_um2 / 1e6
        + 40 * logic.fp32_mult.area_um2 / 1e6
        + 4 * psums
        + bits * logic.register_bit.area_um2 / 1e6
        + 2 * 0.4491
    )
    assert total_mm2(rows.values()) == pytest.approx(by_hand, rel=1e-12)


def test_only_the_rank_caches_tell_the_optimised_unit_from_the_base():
    base, opt = rows_of("recnmp-base-8rank"), rows_of("recnmp-opt-8rank")
    assert set(opt) - set(base) == {("rank_cache", "array")}
    assert all(opt[key] == row for key, row in base.items())


def test_psum_registers_are_flip_flops_where_those_are_smaller():
    unit = load_system("recnmp-base-8rank").nmp.unit
    small = rows_of("recnmp-base-8rank", "nmp.unit.psum_vectors=8", "nmp.unit.psum_bytes=128")
    assert small["rank_unit", "psum_registers"].um2 == 8 * 8 * 128 * unit.logic.register_bit.area_um2
    large = rows_of("recnmp-base-8rank")["rank_unit", "psum_registers"]
    assert large.um2 == 1e6 * unit.array.at(7168).area_mm2
    assert large.um2 < 8 * 7168 * unit.logic.register_bit.area_um2


def test_a_dimm_of_one_rank_has_no_adders_between_ranks():
    rows = rows_of("recnmp-base-8rank", "nmp.ranks_per_dimm=1")
    assert rows["dimm_unit", "fp32_add"].count == 0
    assert rows["rank_unit", "fp32_add"].count == 20


def test_power_of_logic_follows_the_clock_and_leakage_does_not():
    cell = load_system("recnmp-base-8rank").nmp.unit.logic.fp32_mult
    for clock_mhz, share in ((250, 1.0), (125, 0.5)):
        row = rows_of("recnmp-base-8rank", f"nmp.unit.clock_mhz={clock_mhz}")["rank_unit", "fp32_mult"]
        assert row.mw == pytest.approx(share * cell.dynamic_mw + cell.leakage_mw, rel=1e-12)


def test_a_rank_cache_draws_a_lookup_per_burst():
    row = rows_of("recnmp-opt-8rank")["rank_cache", "array"]
    assert row.mw == pytest.approx(50 / (4 * 0.833), rel=1e-12)


def test_a_cache_of_a_table_without_areas_leaves_the_area_open():
    system = load_system("recnmp-opt-8rank")
    rows = tuple(row.model_copy(update={"area_mm2": None}) for row in system.nmp.cache.sram.rows)
    cache = system.nmp.cache.model_copy(update={"sram": SramTable(rows=rows)})
    parts = unit_rows(system.nmp.model_copy(update={"cache": cache}), system.dram)
    assert [row.area_mm2 for row in parts if row.component == "rank_cache"] == [None]
    assert total_mm2(parts) is None


def test_a_cache_beyond_its_table_leaves_the_area_open():
    beyond = ("nmp.cache.size=128 MiB", "nmp.cache.latency_clk=20", "nmp.cache.access_pj=3000")
    rows = rows_of("recnmp-opt-8rank", *beyond)
    assert rows["rank_cache", "array"].um2 is None
    assert total_mm2(rows.values()) is None


def test_areas_between_two_sizes_are_in_proportion():
    table = load_system("recnmp-opt-8rank").nmp.cache.sram
    small, large = table.at(64 << 10).area_mm2, table.at(128 << 10).area_mm2
    assert table.at(96 << 10).area_mm2 == pytest.approx((small + large) / 2, rel=1e-12)


@pytest.mark.parametrize("name", ["host-8rank", "trim-rank-8rank", "tensordimm-8rank", "chameleon-8rank"])
def test_what_is_made_of_other_parts_has_no_area(name):
    system = load_system(name)
    assert system.nmp is None or unit_rows(system.nmp, system.dram) == ()


def test_a_result_shows_the_parts_beside_the_energy(native_trace):
    names = ("--system", "host-2rank", "--system", "recnmp-base-2rank")
    host, near = json.loads(run("replay", native_trace, *names, "--json").out)["runs"]
    assert (host["area"], host["area_mm2"]) == ([], None)
    assert near["area_mm2"] == sum(row["area_mm2"] for row in near["area"])
    assert near["area_mm2"] == pytest.approx(total_mm2(rows_of("recnmp-base-2rank").values()), rel=1e-12)
    table = run("replay", native_trace, *names).out
    assert "area of a DIMM's unit" in table
    assert "rank unit fp32 mult" in table
    assert "area" not in run("replay", native_trace, "--system", "host-2rank").out


def test_the_parts_change_neither_time_nor_energy():
    trace = generate(load_workload("zipf", ["lookups=500", "rows=1000"]))
    first, other = (
        simulate(load_system("recnmp-opt-2rank", overrides), trace)
        for overrides in ((), ("nmp.unit.lanes=1", "nmp.unit.clock_mhz=1000", "nmp.unit.psum_vectors=1"))
    )
    assert (first.cycles, first.energy) == (other.cycles, other.energy)
    assert first.area_mm2 != other.area_mm2


def test_psum_registers_beyond_the_largest_memory_are_refused():
    with pytest.raises(InputError) as refused:
        load_system("recnmp-base-8rank", ["nmp.unit.psum_vectors=64"])
    assert str(refused.value).endswith(
        "nmp.unit.psum_bytes = 448: times psum_vectors = 64 must be at most 16384, the largest memory of array"
    )
    assert isinstance(load_system("recnmp-base-8rank", ["nmp.unit.psum_vectors=36"]), SystemSpec)
