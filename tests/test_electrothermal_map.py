"""Every joule of a ledger lands in one block, or off the stack."""

import numpy as np
import pytest
from heat_cases import MAP, pair_map, small_trace
from hypothesis import given, settings
from hypothesis import strategies as st

import archsim
from archsim.dram.legality import check
from archsim.dram.spec import DramSpec
from archsim.electrothermal import HeatMap, block_energy, power_trace
from archsim.electrothermal.atlas import Atlas
from archsim.electrothermal.attribution import Activity, attribute
from archsim.errors import InputError
from archsim.ledger import LedgerRow, total_nj
from archsim.spec import apply_overrides, preset_names

CURRENTS = ["dram.energy.preset=ddr4-8gb-x8-2400"]
#: Systems that a map is made for.
SYSTEMS = {
    "recnmp-dimm": (
        "recnmp-opt-4rank", "recnmp-base-8rank", "host-8rank-cache", "host-2rank", "trim-bank-8rank",
        "trim-bank-group-8rank", "chameleon-8rank", "tensordimm-8rank",
    ),
    "hbm": ("host-hbm2",),
    "cis3": ("host-1rank",),
}  # fmt: skip


def result_of(system, overrides=(), **options):
    return archsim.simulate(archsim.load_system(system, list(overrides)), small_trace(20_000), **options)


def close(one, other):
    assert abs(one - other) <= 1e-12 * abs(other)


# ---------------------------------------------------------------------------------------------------- closure


@pytest.mark.parametrize("name", preset_names("heat_map"))
def test_the_blocks_of_every_preset_and_what_is_off_them_hold_the_whole_ledger(name):
    heat_map = HeatMap.load(name)
    for system in SYSTEMS[name]:
        result = result_of(system, ["dram.preset=lpddr4-4266"] if name == "cis3" else ())
        found = block_energy(result, heat_map)
        close(found.total_j, result.energy_nj * 1e-9)
        assert (found.joules >= 0).all()
        assert found.off_j >= 0


ROW = st.tuples(
    st.sampled_from(["dram", "channel", "unit"]),
    st.sampled_from(["activate", "read", "refresh", "background_active", "io_write", "anything"]),
    st.integers(0, 10**12),
    st.floats(0, 1e6),
)


@settings(max_examples=60, deadline=None)
@given(st.data(), st.lists(ROW, max_size=12), st.sampled_from(["host-1rank", "host-8rank", "host-hbm2"]))
def test_any_ledger_closes_over_any_map(data, rows, system):
    organization = archsim.load_system(system).dram.organization
    heat_map, banks = drawn_map(data, organization), organization.channels * organization.banks
    ranks = organization.channels * organization.all_ranks
    counts = st.integers(0, 10**9)
    per_bank = ("activates", "reads", "writes")
    per_rank = ("refreshes", "active_standby_ns", "precharge_standby_ns")
    some = data.draw(st.lists(st.tuples(counts, counts, counts), min_size=4, max_size=4))
    activity = Activity(
        [dict(zip(per_rank, some[i % 4], strict=True)) for i in range(ranks)],
        [dict(zip(per_bank, some[i * 7 % 4], strict=True)) for i in range(banks)],
    )
    made = [LedgerRow(*row) for row in rows]
    found = attribute(made, activity, Atlas(heat_map, organization), 1.0)
    close(found.total_j, total_nj(made) * 1e-9)


def drawn_map(data, organization):
    """Return a map of two sets of places over a cut of the memory, with shares drawn."""
    names = ["left", "logic", "right"]
    text = MAP.replace("LEAK", "power_w = 0.0")
    base = HeatMap.from_toml(text, "test").to_dict()
    counts = {
        "channel": organization.channels,
        "rank": organization.ranks,
        "bank": organization.banks_per_group,
    }
    places = []
    for name in ("one", "two"):
        field = data.draw(st.sampled_from(list(counts)))
        numbers = range(counts[field])
        for number in numbers:
            blocks = data.draw(st.lists(st.sampled_from(names), min_size=1, max_size=3))
            places.append({"name": name, field: [number], "blocks": blocks})
    shares = st.lists(st.integers(0, 5), min_size=4, max_size=4).filter(any)

    def to():
        parts = data.draw(shares)
        return {k: part / sum(parts) for k, part in zip(("one", "two", "logic", "off"), parts, strict=True)}

    energy = [{"component": name, "to": to()} for name in ("dram", "channel", "unit")]
    energy.append(
        {
            "component": "dram",
            "events": ["read"],
            "to": to(),
            "by": data.draw(st.sampled_from(["even", "writes"])),
        }
    )
    sensors = {"per": "stack", "places": "one", "most_c": 95.0}
    return HeatMap.from_dict(base | {"places": places, "energy": energy, "sensors": sensors}, "drawn")


# ------------------------------------------------------------------------------------------- who gets what part


def test_the_devices_of_a_rank_get_the_energy_that_the_statistics_give_their_rank():
    result = result_of("recnmp-opt-4rank", CURRENTS)
    joules = block_energy(result, HeatMap.load("recnmp-dimm")).joules
    blocks = [b.name for b in HeatMap.load("recnmp-dimm").stack.blocks]
    for rank, row in enumerate(result.ranks):
        own = [i for i, name in enumerate(blocks) if name.startswith(f"rank{rank % 2}_")]
        # Each of a rank's ledger rows is rounded to 2^-12 nJ on its own, and so are those of all.
        assert joules[rank // 2, own].sum() * 1e9 == pytest.approx(row["dram_energy_nj"], abs=20 / 4096)
        np.testing.assert_allclose(
            joules[rank // 2, own], joules[rank // 2, own[0]], rtol=1e-12
        )  # all in step


def test_each_channel_heats_its_own_part_of_its_own_die():
    result = result_of("host-hbm2")
    found = block_energy(result, HeatMap.load("hbm"))
    blocks = [b.name for b in HeatMap.load("hbm").stack.blocks]
    for channel in range(8):
        name = f"dram{channel // 2}_{'north' if channel % 2 else 'south'}"
        events = {row.event: row for row in result.energy if row.component == "dram"}
        own = [row for row in result.banks if row["channel"] == channel]
        expected = sum(row["activates"] for row in own) * sum(
            events[name].pj_per_event for name in ("activate", "precharge")
        )
        expected += 0.6 * events["read"].pj_per_event * sum(row["reads"] for row in own)
        for rank in (row for row in result.ranks if row["channel"] == channel):
            expected += events["refresh"].pj_per_event * rank["refreshes"]
            for state, column in (("active", "active"), ("precharge", "precharge")):
                clocks = rank[f"{column}_standby_ns"] / (result.system.dram.timing.tCK_ps / 1000)
                expected += events[f"background_{state}"].pj_per_event * clocks
        assert found.joules[0, blocks.index(name)] * 1e12 == pytest.approx(expected, rel=1e-6)


def test_the_ends_of_a_channel_share_what_a_transfer_costs():
    result = result_of("host-hbm2")
    found = block_energy(result, HeatMap.load("hbm"))
    io = sum(row.energy_nj for row in result.energy if row.component == "channel") * 1e-9
    close(found.off_j, io / 2)


# ------------------------------------------------------------------------------------------------ over time


@pytest.mark.parametrize("system", ["recnmp-opt-4rank", "host-hbm2"])
@pytest.mark.parametrize("options", [{}, {"interval_ns": 700}, {"interval_ns": 700, "log_limit": 10**6}])
def test_the_power_of_all_intervals_is_the_energy_of_the_ledger(system, options):
    result = result_of(system, **options)
    heat_map = HeatMap.load("hbm" if system == "host-hbm2" else "recnmp-dimm")
    whole = block_energy(result, heat_map)
    traces = power_trace(result, heat_map)
    for stack, trace in enumerate(traces):
        lengths = np.diff(np.append(trace.starts_s, result.time_ns * 1e-9))
        np.testing.assert_allclose(lengths @ trace.watts, whole.joules[stack], rtol=1e-9, atol=1e-18)
    if not options:
        assert len(traces[0].starts_s) == 1


def test_with_a_log_an_interval_is_what_its_own_commands_cost():
    result = result_of("host-2rank", CURRENTS, log_limit=10**7)
    heat_map = HeatMap.load("recnmp-dimm")
    (trace,) = power_trace(result, heat_map, interval_ns=500)
    pj = {(row.component, row.event): row.pj_per_event for row in result.energy}
    ns, length = result.system.dram.timing.tCK_ps / 1000, round(500 / 0.833)
    block = trace.blocks.index("rank1_3")
    for interval in (0, 3, len(trace.starts_s) - 2):
        clk, command, bank = result.commands[:3]
        own = (clk // length == interval) & (bank // 16 == 1)
        act, rd, ref = ((own & (command == code)).sum() for code in (0, 2, 4))
        energy_pj = act * (pj["dram", "activate"] + pj["dram", "precharge"]) + rd * pj["dram", "read"]
        energy_pj += ref * pj["dram", "refresh"]
        energy_pj += rd * 0.5 * (pj["channel", "io_read"] + pj["channel", "termination_read"])
        row = result.ranks[1]
        share = length * ns / result.time_ns
        for state in ("active", "precharge"):
            energy_pj += share * row[f"{state}_standby_ns"] / ns * pj["dram", f"background_{state}"]
        assert trace.watts[interval, block] == pytest.approx(energy_pj / 8 / (length * ns) * 1e-3, rel=1e-6)


def test_more_intervals_than_memory_are_refused(monkeypatch):
    result = result_of("host-2rank", CURRENTS, log_limit=10**7)
    monkeypatch.setattr("archsim.electrothermal.attribution._MOST_CELLS", 1000)
    with pytest.raises(InputError, match="intervals of 32 banks; at most 1,000 in all"):
        power_trace(result, HeatMap.load("recnmp-dimm"), 10.0)


def test_an_interval_that_nobody_recorded_is_refused():
    result = result_of("host-2rank", interval_ns=1000)
    with pytest.raises(
        InputError, match=r"neither a time series of it nor a log of all [\d,]+ commands; simulate"
    ):
        power_trace(result, HeatMap.load("recnmp-dimm"), interval_ns=300)
    with pytest.raises(InputError, match="must be more than 0"):
        power_trace(result, HeatMap.load("recnmp-dimm"), interval_ns=-1)


# ------------------------------------------------------------------------------------------------- refusals


def changed(**tables):
    base = pair_map().to_dict()
    return HeatMap.from_dict(base | tables, "mine")


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        (
            {"energy": [{"component": "dram", "to": {"devises": 1.0}}]},
            "mine: energy[0].to.devises: no such set of places or block (did you mean 'devices'?)",
        ),
        (
            {"energy": [{"component": "dram", "to": {"devices": 0.5}}]},
            "mine: energy[0].to = {'devices': 0.5}: shares must add up to 1, not 0.5",
        ),
        (
            {"energy": [{"component": "dram", "to": {"devices": 1.5, "off": -0.5}}]},
            "mine: energy[0].to.devices = 1.5: must be from 0 to 1",
        ),
        (
            {
                "energy": [
                    {"component": "dram", "to": {"off": 1.0}},
                    {"component": "dram", "to": {"logic": 1.0}},
                ]
            },
            "mine: energy[1]: energy[0] has a rule for dram already",
        ),
        (
            {"places": [{"name": "devices", "blocks": ["lefd"]}]},
            "mine: places[0].blocks: 'lefd': no such block (did you mean 'left'?)",
        ),
        (
            {"places": [{"name": "left", "blocks": ["left"]}]},
            "mine: places[0].name = 'left': is the name of a block of the stack already",
        ),
        (
            {"sensors": {"per": "rank", "places": "device", "most_c": 95.0}},
            "mine: sensors.places = 'device': no such set of places (did you mean 'devices'?)",
        ),
    ],
)
def test_a_map_that_says_nothing_sound_is_refused_with_its_place(tables, message):
    with pytest.raises(InputError) as refusal:
        changed(**tables)
    assert str(refusal.value).startswith(message)


@pytest.mark.parametrize(
    ("system", "tables", "message"),
    [
        (
            "host-4rank",
            {},
            "channel 0, pseudo_channel 0, rank 2, bank_group 0, bank 0 of the memory is in no place",
        ),
        ("host-1rank", {}, r"places\[1\].rank: 1: a stack of this memory has 1"),
        ("host-2rank", {"ranks": 4}, "ranks = 4: the memory has 2 ranks, which is no whole number of stacks"),
        (
            "host-2rank",
            {
                "places": [
                    {"name": "devices", "blocks": ["left"]},
                    {"name": "devices", "rank": [1], "blocks": ["right"]},
                ]
            },
            r"places\[1\]: .*rank 1.* is in places\[0\] of 'devices' already",
        ),
    ],
)
def test_a_map_of_another_memory_is_refused(system, tables, message):
    with pytest.raises(InputError, match=message):
        Atlas(changed(**tables), archsim.load_system(system).dram.organization)


def test_a_component_without_a_rule_is_named_with_the_nearest():
    result = result_of("recnmp-base-2rank")
    with pytest.raises(InputError, match="no rule says where the energy of component 'rank_unit' goes"):
        block_energy(result, pair_map())
    near = changed(energy=[{"component": "drama", "to": {"off": 1.0}}])
    with pytest.raises(InputError, match=r"component 'dram' goes \(did you mean 'drama'"):
        block_energy(result, near)
    some = changed(energy=[{"component": "dram", "events": ["activates"], "to": {"off": 1.0}}])
    with pytest.raises(InputError, match=r"'dram' 'activate' goes \(did you mean 'activates'"):
        block_energy(result, some)


# ---------------------------------------------------------------------------------- ranks of different heat


def test_a_channel_with_one_hot_rank_is_replayed_as_in_a_memory_that_is_hot_all_over():
    hot, cool = ([f"dram.refresh.temperature_c={t}"] for t in (95, 45))
    mixed = [95.0, *[45.0] * 13, 95.0, 45.0]
    found = result_of("host-hbm2", [f"dram.refresh.rank_temperatures_c={mixed}"], log_limit=10**6)
    for channel in range(8):
        alike = result_of("host-hbm2", hot if channel in (0, 7) else cool, log_limit=10**6)
        own, other = (r.commands[:, r.commands[2] // 32 == channel] for r in (found, alike))
        np.testing.assert_array_equal(own, other)


def test_a_unit_with_a_hot_rank_alone_is_refreshed_twice_as_often():
    cool = result_of("recnmp-base-4rank")
    found = result_of("recnmp-base-4rank", ["dram.refresh.rank_temperatures_c=[45, 86, 45, 45]"])
    was, now = ([row["refreshes"] for row in each.ranks] for each in (cool, found))
    assert now[1] in (2 * was[1], 2 * was[1] + 1, 2 * was[1] + 2)
    assert all(now[rank] - was[rank] in (0, 1) for rank in (0, 2, 3))


def test_the_hash_of_a_system_without_temperatures_of_ranks_is_as_before_there_were_any():
    memory = DramSpec.load("ddr4-2400")
    assert "rank_temperatures_c" not in memory.canonical_json()
    several = apply_overrides(memory, ["refresh.rank_temperatures_c=[86]"])
    assert '"rank_temperatures_c":[86.0]' in several.canonical_json()
    assert DramSpec.from_toml(several.to_toml(), "again") == several
    assert several.refresh_interval_clk == memory.refresh_interval_clk // 2


def test_the_checker_asks_of_a_cool_rank_no_more_than_of_a_cool_memory():
    system = archsim.load_system("host-2rank")
    commands = archsim.simulate(system, small_trace(20_000), log_limit=10**7).commands
    # Refreshes come every 9360 clocks: 6 intervals of 1560, and 12 of a hot rank, of which 9 are the most.
    short = ["dram.timing.tREFI=1560", "dram.refresh.rank_temperatures_c=[45, 95]"]
    found = check(apply_overrides(system, short).dram, *commands[:4])
    assert {each.rule for each in found} == {"refresh starvation"}
    assert all("rank 1 not refreshed" in each.text for each in found)
