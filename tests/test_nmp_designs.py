"""What every near-memory design must respect, what they have in common, and designs of a user's own."""

import re
from pathlib import Path

import numpy as np
import pytest

from archsim import load_system, open_trace, simulate
from archsim.dram.legality import check
from archsim.errors import InputError
from archsim.nmp import design_names
from archsim.nmp.designs import design_class
from archsim.spec import preset_names
from archsim.systems import recnmp as replay
from archsim.systems.lowering import Lowering
from archsim.traces import EmbeddingTrace, Table

DESIGNS = ("recnmp", "tensordimm", "chameleon", "trim-rank", "trim-bank-group", "trim-bank", "ideal")
PRESETS = ("recnmp-base-8rank", *(f"{name}-8rank" for name in DESIGNS[1:]))
KAGGLE = Path(__file__).resolve().parents[2] / "shared" / "data" / "kaggle-emb" / "kaggle-emb.npz"
INSIDE = ("trim-bank-group", "trim-bank")


def uniform(lookups=6000, *overrides):
    return open_trace("preset:uniform", limit=lookups, overrides=list(overrides))


@pytest.fixture(scope="module")
def trace():
    return uniform()


@pytest.fixture(scope="module")
def host(trace):
    return simulate(load_system("host-8rank"), trace)


@pytest.fixture(scope="module", params=PRESETS)
def result(request, trace):
    return simulate(load_system(request.param), trace, log_limit=1 << 20)


def design_of(system):
    return design_class(system.nmp.design)(system.nmp, system.dram)


def one_lookup(vector_bytes=128, dtype="float32"):
    return EmbeddingTrace(
        name="one",
        tables=[Table("table", 100, vector_bytes, dtype)],
        rows=np.array([5]),
        bag_offsets=np.array([0, 1]),
        bag_tables=np.array([0], np.int32),
    )


def cycles_of_one_lookup(name, *overrides):
    return simulate(load_system(name, overrides), one_lookup()).cycles


# ------------------------------------------------------------------------------------------------- presets


def test_every_shipped_design_has_a_preset_of_its_own_and_a_system():
    assert set(DESIGNS) <= set(design_names())
    for name in DESIGNS[1:]:
        assert name in preset_names("nmp")
        assert load_system(f"{name}-8rank").nmp.design == name
        assert load_system(f"{name}-8rank").dram.organization == load_system("host-8rank").dram.organization


# --------------------------------------------------------------------------------------------------- bounds


def test_commands_of_every_unit_are_legal_by_the_rules_that_it_sees(result):
    design = design_of(result.system)
    organization = result.system.dram.organization.model_copy(update={"ranks": design.unit_ranks})
    memory = design.seen_memory().model_copy(update={"organization": organization})
    clk, command, bank, row, column = result.commands
    unit = bank >> design.unit_bank_bits
    assert set(unit.tolist()) == set(range(design.units))
    for number in range(design.units):
        own = unit == number
        local = bank[own] - (number << design.unit_bank_bits)
        found = check(memory, clk[own], command[own], local, row[own], column[own])
        if design.adder != "unit":  # data do not reach the bus
            found = [violation for violation in found if not violation.rule.startswith("data bus overlap")]
        assert not found


def test_a_rank_never_starts_more_than_four_activations_per_tFAW(result):
    dram = result.system.dram
    clk, command, bank = result.commands[:3]
    for rank in range(dram.organization.ranks):
        starts = clk[(command == 0) & (bank // dram.organization.banks_per_rank == rank)]
        assert len(starts) > 100
        assert np.all(starts[4:] - starts[:-4] >= dram.timing.tFAW)


def test_no_design_reads_faster_than_its_adders_can(result):
    design, dram = design_of(result.system), result.system.dram
    organization, timing = dram.organization, design.seen_memory().timing
    adders = {"bank_group": organization.ranks * organization.bank_groups, "bank": organization.banks}
    clocks = timing.tBL if design.adder == "unit" else timing.tCCD_L
    assert result.cycles >= result.counts["rd"] * clocks / adders.get(design.adder, design.units)


def test_no_design_gains_more_over_the_host_than_its_units_times_the_inefficiency_of_the_host(result, host):
    design, timing = design_of(result.system), result.system.dram.timing
    if design.adder == "unit":
        inefficiency = host.cycles / (host.trace.requests * timing.tBL)
        assert host.cycles / result.cycles <= design.units * inefficiency


def test_instructions_and_results_fit_on_the_pins(result):
    design, nmp, timing = design_of(result.system), result.system.nmp, result.system.dram.timing
    issue_clk = result.utilisation["instruction_issue"] * result.cycles
    per_clk = design.units if design.broadcast else nmp.instructions_per_clk
    assert result.nmp["instructions"] <= per_clk * issue_clk + 1e-6
    assert result.utilisation["instruction_issue"] + result.utilisation["result_return"] <= 1
    returned = {(row.component, row.event): row.count for row in result.energy}["channel", "result"]
    assert returned * timing.tBL <= result.cycles


def test_command_pins_of_a_unit_carry_one_command_at_a_time(result):
    memory = design_of(result.system).seen_memory()
    clocks = result.counts["act"] * memory.timing.ACT_clk + result.counts["rd"] * memory.timing.RD_clk
    assert clocks <= result.cycles * design_of(result.system).units
    assert result.utilisation.get("unit_command_pins", 0) <= 1


# ---------------------------------------------------------------------------------------- order of the designs


def test_designs_come_in_the_order_of_what_their_units_share(trace):
    cycles = {name: simulate(load_system(name), trace).cycles for name in PRESETS}
    by_speed = ["ideal-8rank", "recnmp-base-8rank", "tensordimm-8rank", "chameleon-8rank"]
    assert [cycles[name] for name in by_speed] == sorted(cycles[name] for name in by_speed)
    assert cycles["trim-bank-group-8rank"] < cycles["trim-rank-8rank"] == cycles["recnmp-base-8rank"]


def test_levels_inside_the_devices_gain_nothing_where_only_activations_limit():
    vectors = uniform(6000, "vector_bytes=64")
    rank, *inside = (
        simulate(
            load_system(f"trim-{level}-8rank", ["nmp.rank_instruction_clk=0"][: level != "rank"]), vectors
        )
        for level in ("rank", "bank-group", "bank")
    )
    assert rank.bottleneck == "activate_window"
    for level in inside:
        assert level.cycles == pytest.approx(rank.cycles, rel=0.05)


def test_bank_groups_pass_the_rank_where_a_row_holds_long_vectors():
    vectors = uniform(4000, "vector_bytes=512")
    rank, group = (
        simulate(load_system(f"trim-{level}-8rank", ["dram.address_map.preset=roco"]), vectors).cycles
        for level in ("rank", "bank-group")
    )
    timing = load_system("trim-rank-8rank").dram.timing
    assert 1.2 < rank / group <= 4 * timing.tCCD_S / timing.tCCD_L


# --------------------------------------------------------------------------------------------------- by hand


def test_one_lookup_takes_as_long_as_its_way():
    recnmp = cycles_of_one_lookup("recnmp-base-8rank")
    assert recnmp == 64
    assert cycles_of_one_lookup("trim-rank-8rank") == recnmp
    # No additions, of 3 clocks each, in the unit and in the DIMM.
    assert cycles_of_one_lookup("ideal-8rank") == recnmp - 6
    # 4 clocks into the rank; two bursts of a sum, 4 clocks each; a DIMM adds 8 bank groups or 32 banks, not 2 ranks.
    for name, levels in zip(INSIDE, (3, 5), strict=True):
        more = 2 * 4 + 3 * (levels - 1)
        assert cycles_of_one_lookup(f"{name}-8rank") == recnmp + 4 + more
        assert cycles_of_one_lookup(f"{name}-8rank", "nmp.rank_instruction_clk=9") == recnmp + 9 + more
    # A unit has the whole DIMM: nothing left to add. Commands of two clocks hide behind tRCD; bursts of 7 clocks
    # instead of 4 do not, nor that two of them lie 7 apart.
    assert cycles_of_one_lookup("chameleon-8rank") == recnmp - 3
    assert cycles_of_one_lookup("chameleon-8rank", "nmp.multiplexing=spatial") == recnmp - 3 + 3 + 1
    # Both bursts side by side, in two DIMMs, and one configuration for both; an addition takes 8 clocks.
    assert cycles_of_one_lookup("tensordimm-8rank") == recnmp - 3 - 6 - 3 + 8


@pytest.mark.parametrize(("multiplexing", "clk"), [("temporal", (2, 2, 6, 4)), ("spatial", (4, 4, 4, 7))])
def test_commands_of_chameleon_take_the_pins_that_they_have(multiplexing, clk):
    system = load_system("chameleon-8rank", [f"nmp.multiplexing={multiplexing}"])
    timing = design_of(system).seen_memory().timing
    assert (timing.ACT_clk, timing.PRE_clk, timing.RD_clk, timing.tBL) == clk


def test_ideal_deals_vectors_out_evenly(trace):
    result = simulate(load_system("ideal-8rank"), trace)
    reads = result.nmp["rank_reads"]
    assert max(reads) - min(reads) <= 2
    assert result.nmp["load_imbalance"] < 1.01


def test_ideal_deals_alike_however_a_trace_is_cut(monkeypatch):
    trace = uniform(3000)
    whole = simulate(load_system("ideal-8rank"), trace)
    monkeypatch.setattr(replay, "CHUNK_LOOKUPS", 700)
    cut = simulate(load_system("ideal-8rank"), trace)
    assert (cut.cycles, cut.nmp["sums"]) == (whole.cycles, whole.nmp["sums"])


def test_ideal_deals_over_all_channels(trace):
    result = simulate(load_system("ideal-8rank", ["dram.organization.channels=2"]), trace)
    reads = result.nmp["rank_reads"]
    assert len(reads) == 16
    assert max(reads) - min(reads) <= 2


def test_tensordimm_puts_piece_n_on_dimm_n_mod_dimms():
    system = load_system("tensordimm-8rank")
    lowering = Lowering(system, [Table("table", 5000, 512)])
    coordinates, lookup = lowering.lower(np.arange(5000), np.zeros(5000, np.int32))
    dimm = (coordinates >> 16 & 0xFFFF) >> design_of(system).unit_bank_bits
    assert np.array_equal(dimm, np.arange(len(lookup)) % 8 % 4)
    assert len(np.unique(coordinates)) == len(coordinates)


@pytest.mark.parametrize(("vector_bytes", "least", "most"), [(128, 2, 4), (256, 4, 4), (512, 8, 8)])
def test_tensordimm_returns_each_slice_once(vector_bytes, least, most):
    vectors = uniform(4000, f"vector_bytes={vector_bytes}")
    result = simulate(load_system("tensordimm-8rank"), vectors)
    returned = {(row.component, row.event): row.count for row in result.energy}["channel", "result"]
    poolings = result.nmp["sums"]["poolings"]
    assert least * poolings <= returned <= most * poolings
    if vector_bytes >= 256:
        assert result.nmp["load_imbalance"] == 1


def test_gathered_sums_are_counted_and_added(trace):
    for name in INSIDE:
        result = simulate(load_system(f"{name}-8rank"), trace)
        counted = {(row.component, row.event): row.count for row in result.energy}
        adders = 4 if name == "trim-bank-group" else 16
        gathered = result.nmp["gathered_bursts"]
        poolings = result.nmp["sums"]["poolings"]
        assert 0 < gathered <= poolings * 8 * adders * 2
        assert gathered <= result.trace.requests
        assert counted["dimm_unit", "fp32_add"] == 16 * (gathered + counted["channel", "result"])
        unit = name.removeprefix("trim-").replace("-", "_") + "_unit"
        assert counted[unit, "fp32_add"] == 32 * trace.lookups


def test_only_bursts_that_leave_the_devices_cost_energy_inside_a_dimm(trace):
    for name in PRESETS:
        result = simulate(load_system(name, ["nmp.energy.internal_io_pj_per_bit=1"]), trace)
        counted = {(row.component, row.event): row.count for row in result.energy}
        assert counted["dimm", "internal_io"] == result.nmp.get("gathered_bursts", result.counts["rd"])


def test_two_sets_of_registers_let_the_next_packet_read_while_sums_leave(trace):
    for name in INSIDE:
        overlapped, serial = (
            simulate(load_system(f"{name}-8rank", [f"nmp.gather_overlap={on}"]), trace).cycles
            for on in ("true", "false")
        )
        assert overlapped < serial


# -------------------------------------------------------------------------------------------------------- sums


def test_all_designs_form_the_same_sums_where_additions_are_exact():
    trace = uniform(6000, "vector_bytes=128", 'dtype="int8"')
    sums = [simulate(load_system(name), trace).nmp["sums"] for name in PRESETS]
    assert all(figures == sums[0] for figures in sums)
    assert sums[0]["checked"] > 0


def test_every_design_checks_its_sums_with_numpy(result, trace):
    assert result.nmp["sums"]["poolings"] == trace.bags
    assert result.nmp["sums"]["checked"] == min(trace.bags, 1024)


@pytest.mark.parametrize("preset", PRESETS)
def test_sums_of_a_recorded_trace_are_checked_in_every_design(preset):
    if not KAGGLE.exists():
        pytest.skip("the recorded trace ../shared/data/kaggle-emb is not there")
    trace = open_trace(KAGGLE, limit=20_000)
    sums = simulate(load_system(preset), trace).nmp["sums"]
    assert sums["checked"] == sums["poolings"] == trace.bags


@pytest.mark.parametrize("preset", PRESETS)
def test_a_burst_that_is_lost_is_noticed_in_every_design(preset, trace, monkeypatch):
    class Forgetful(replay.ChannelUnits):
        def feed(self, *arguments):
            order, hit = super().feed(*arguments)
            order[7] = order[8]
            return order, hit

    monkeypatch.setattr(replay, "ChannelUnits", Forgetful)
    with pytest.raises(ArithmeticError):
        simulate(load_system(preset), trace)


# ------------------------------------------------------------------------------------------------------ errors


SENSELESS = [
    (
        "recnmp-base-8rank",
        "nmp.design=recnpm",
        "nmp.design = 'recnpm': unknown design (did you mean 'recnmp'?)",
    ),
    (
        "recnmp-base-8rank",
        "nmp.design=trim-bank",
        "nmp.rank_instruction_clk: missing; design = 'trim-bank' needs it",
    ),
    (
        "recnmp-base-8rank",
        "nmp.gather_overlap=true",
        "nmp.gather_overlap: has no meaning with design = 'recnmp'",
    ),
    (
        "trim-bank-8rank",
        "nmp.cache.size=131072",
        "must be 0 with design = 'trim-bank', whose units have no RankCache",
    ),
    (
        "recnmp-opt-8rank",
        "nmp.cache={ size = 524288, ways = 8192 }",
        "nmp.cache.ways = 8192: must be at most 4096 in a rank unit, where a lookup searches the ways one by one",
    ),
    ("tensordimm-8rank", "nmp.cache.size=131072", "must be 0 with design = 'tensordimm'"),
    ("ideal-8rank", "nmp.cache.size=131072", "must be 0 with design = 'ideal'"),
    (
        "tensordimm-8rank",
        "dram.address_map.preset=skylake",
        "on the 4 DIMMs in turn with design = 'tensordimm'",
    ),
    ("tensordimm-8rank", "nmp.ranks_per_dimm=1", "on the 8 DIMMs in turn with design = 'tensordimm'"),
    ("chameleon-8rank", "nmp.command_pins=8", "must be below dram.organization.device_width_bits = 8"),
    ("chameleon-8rank", "nmp.multiplexing=both", "must be 'temporal' or 'spatial'"),
    (
        "trim-bank-8rank",
        "dram.organization.bank_groups=1",
        "bank_groups = 1: must be more than 1, with a tCCD_L",
    ),
]


@pytest.mark.parametrize(("preset", "override", "message"), SENSELESS)
def test_what_makes_no_sense_together_is_refused(preset, override, message):
    groupless = ["dram.address_map.preset=roco"] if "bank_groups" in override else []
    with pytest.raises(InputError, match=re.escape(message)):
        load_system(preset, [*groupless, override])


PACKED = "placement.row_align_bytes=1"
STRIPE = (
    "rows of table 'table_0' would lie 96 bytes apart; design 'tensordimm' needs multiples of 64, its stripe"
)
LONG = "takes up to {} bursts of 64 bytes; an instruction names at most {}"


@pytest.mark.parametrize(
    ("preset", "vector_bytes", "overrides", "message"),
    [
        ("tensordimm-8rank", 96, [PACKED], f"placement.row_align_bytes = 1: {STRIPE}"),
        ("ideal-8rank", 512, [], LONG.format(8, "7 (vsize has 3 bits)")),
        ("recnmp-base-8rank", 456, [], LONG.format(8, "7 (vsize has 3 bits)")),
        ("trim-bank-8rank", 8192, [], LONG.format(128, 64)),
        (
            "chameleon-8rank",
            192,
            [PACKED],
            "a vector lies over two dimms, and a dimm unit needs whole vectors",
        ),
        ("chameleon-8rank", 192, ["placement.page_bytes=128"], "a vector lies over two dimms"),
    ],
)
def test_vectors_that_a_design_cannot_sum_are_refused(preset, vector_bytes, overrides, message):
    trace = uniform(2000, f"vector_bytes={vector_bytes}", "rows=10000")
    with pytest.raises(InputError, match=re.escape(message)):
        simulate(load_system(preset, overrides), trace)


def test_8_bit_rows_whose_scale_lies_elsewhere_are_refused():
    trace = uniform(2000, "vector_bytes=72", 'dtype="uint8-rowwise"', "rows=50")  # a page each
    message = r"table 'table_.': rows of type 'uint8-rowwise' need the scale and bias .*row_align_bytes out"
    with pytest.raises(InputError, match=message):
        simulate(load_system("trim-bank-group-8rank", ["placement.row_align_bytes=8"]), trace)
