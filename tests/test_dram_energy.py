"""Energy of a channel: closed forms from data-sheet currents, additivity, and what DRAMsim3 reports."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.dram.energy import (
    RANK_STATES,
    Energy,
    Termination,
    dram_ledger,
    event_energies_pj,
    per_device,
    per_rank,
)
from archsim.dram.spec import DramSpec
from archsim.errors import InputError
from archsim.ledger import total_j, total_nj
from archsim.spec import apply_overrides, preset_names

DDR4 = DramSpec.load("ddr4-2400")
COMMANDS = ("act", "pre", "prea", "rd", "wr", "ref", "refb")
# DDR4-2400, eight devices; both supplies with numbers of their own, so that none can stand in for another.
CURRENTS = {
    "VDD_v": 1.2, "IDD0_ma": 48.0, "IDD2N_ma": 34.0, "IDD2P_ma": 25.0, "IDD3N_ma": 43.0, "IDD3P_ma": 37.0,
    "IDD4R_ma": 135.0, "IDD4W_ma": 123.0, "IDD5B_ma": 250.0, "IDD6_ma": 30.0,
    "VPP_v": 2.5, "IPP0_ma": 3.5, "IPP2N_ma": 1.0, "IPP2P_ma": 0.5, "IPP3N_ma": 1.5, "IPP3P_ma": 0.75,
    "IPP4R_ma": 1.75, "IPP4W_ma": 2.0, "IPP5B_ma": 20.0, "IPP6_ma": 0.25,
}  # fmt: skip
NS, DEVICES = 0.833, 8


def memory(*overrides, **currents):
    table = ", ".join(f"{name} = {value}" for name, value in (CURRENTS | currents).items())
    energy = f"energy={{ method = 'currents', io_pj_per_bit = 3.0, currents = {{ {table} }} }}"
    return apply_overrides(DDR4, ["organization.ranks=2", energy, *overrides])


def commands(**counts):
    return dict.fromkeys(COMMANDS, 0) | counts


def clocks(*ranks):
    return np.array(ranks, dtype=np.int64)


# ---------------------------------------------------------------- closed forms


@pytest.mark.parametrize(
    ("event", "expected_pj"),
    [
        ("activate", DEVICES * NS * 39 * (1.2 * (48 - 43) + 2.5 * (3.5 - 1.5))),
        ("precharge", DEVICES * NS * 17 * (1.2 * (48 - 34) + 2.5 * (3.5 - 1.0))),
        ("read", DEVICES * NS * 4 * (1.2 * (135 - 43) + 2.5 * (1.75 - 1.5))),
        ("write", DEVICES * NS * 4 * (1.2 * (123 - 43) + 2.5 * (2.0 - 1.5))),
        ("refresh", DEVICES * NS * 420 * (1.2 * (250 - 34) + 2.5 * (20 - 1.0))),
        ("background_active", DEVICES * NS * (1.2 * 43 + 2.5 * 1.5)),
        ("background_precharge", DEVICES * NS * (1.2 * 34 + 2.5 * 1.0)),
        ("background_active_power_down", DEVICES * NS * (1.2 * 37 + 2.5 * 0.75)),
        ("background_precharge_power_down", DEVICES * NS * (1.2 * 25 + 2.5 * 0.5)),
        ("self_refresh", DEVICES * NS * (1.2 * 30 + 2.5 * 0.25)),
        ("io", 512 * 3.0),
        ("termination", 0.0),
    ],
)
def test_an_event_costs_the_excess_current_times_voltage_and_time_of_all_devices(event, expected_pj):
    assert event_energies_pj(memory())[event] == pytest.approx(expected_pj, rel=1e-12)


def test_activating_and_precharging_one_bank_draws_idd0():
    """The loop of the data sheet: ACT every tRC; standby and both events add up to IDD0 for tRC."""
    for overrides, tRC in (([], 56), (["timing.tRC=60"], 60)):
        pj = event_energies_pj(memory(*overrides))
        standby = 39 * pj["background_active"] + (tRC - 39) * pj["background_precharge"]
        loop = standby + pj["activate"] + pj["precharge"]
        assert loop == pytest.approx(DEVICES * NS * tRC * (1.2 * 48 + 2.5 * 3.5), rel=1e-12)


@pytest.mark.parametrize(("event", "current"), [("read", "4R"), ("write", "4W")])
def test_gapless_bursts_draw_idd4(event, current):
    pj = event_energies_pj(memory())
    per_clk = pj["background_active"] + pj[event] / 4
    drawn = 1.2 * CURRENTS[f"IDD{current}_ma"] + 2.5 * CURRENTS[f"IPP{current}_ma"]
    assert per_clk == pytest.approx(DEVICES * NS * drawn, rel=1e-12)


def test_refreshing_without_pause_draws_idd5b():
    pj = event_energies_pj(memory())
    per_clk = pj["background_precharge"] + pj["refresh"] / 420
    assert per_clk == pytest.approx(DEVICES * NS * (1.2 * 250 + 2.5 * 20), rel=1e-12)


def test_where_one_open_bank_draws_a_share_an_activation_is_measured_from_there():
    pj = event_energies_pj(memory(one_bank_share=0.25))
    closed, opened = 1.2 * 34 + 2.5 * 1.0, 1.2 * 43 + 2.5 * 1.5
    one_bank = closed + (opened - closed) / 4
    assert pj["activate"] == pytest.approx(DEVICES * NS * 39 * (1.2 * 48 + 2.5 * 3.5 - one_bank), rel=1e-12)


@pytest.mark.parametrize(("width", "bus", "devices"), [(4, 64, 16), (16, 64, 4), (8, 32, 4), (64, 64, 1)])
def test_a_rank_has_as_many_devices_as_its_bus_takes(width, bus, devices):
    overrides = [f"organization.device_width_bits={width}", f"organization.bus_width_bits={bus}"]
    pj = event_energies_pj(memory(*overrides))
    assert pj["background_precharge"] == pytest.approx(devices * NS * (1.2 * 34 + 2.5), rel=1e-12)
    assert pj["io"] == 8 * bus * 3.0


REFB = "rules=[{ level = 'rank', before = 'REFB', after = 'REFB', latency = 'tRFCpb' }]"


@pytest.mark.parametrize(("mode", "steps"), [("per-bank", 16), ("same-bank", 4)])
def test_a_refresh_of_some_banks_costs_its_share_or_its_own_current(mode, steps):
    overrides = ["timing.tRFCpb=200", "timing.tRFCsb=150", REFB, f"refresh.mode={mode}"]
    pj = event_energies_pj(memory(*overrides))
    assert pj["refresh_bank"] == pytest.approx(pj["refresh"] / steps, rel=1e-12)
    own = event_energies_pj(memory(*overrides, IDD5PB_ma=60.0))
    clk = {"per-bank": 200, "same-bank": 150}[mode]
    assert own["refresh_bank"] == pytest.approx(DEVICES * NS * clk * 1.2 * (60 - 34), rel=1e-12)


@pytest.mark.parametrize(
    ("scheme", "share", "expected_mw"),
    [
        ("pod", 0.5, 1000 * 0.5 * 1.44 / 94),
        ("lvstl", 0.25, 1000 * 0.25 * 1.44 / 94),
        # 34 ohm beside 120 ohm to the driven rail, 120 ohm to the other.
        ("sstl", 0.5, 1000 * 1.44 / (120 + 34 * 120 / 154)),
    ],
)
def test_termination_is_a_resistor_between_two_supplies(scheme, share, expected_mw):
    pin = Termination(scheme=scheme, VDDQ_v=1.2, driver_ohm=34.0, termination_ohm=60.0, drawing_share=share)
    assert pin.power_mw == pytest.approx(expected_mw, rel=1e-12)
    table = (
        f"energy.termination={{ scheme = '{scheme}', VDDQ_v = 1.2, driver_ohm = 34, termination_ohm = 60,"
        f" drawing_share = {share} }}"
    )
    # 64 pins draw for a burst of 4 clocks.
    assert event_energies_pj(memory(table))["termination"] == pytest.approx(
        64 * 4 * NS * expected_mw, rel=1e-12
    )


# ---------------------------------------------------------------- the ledger


def test_a_millisecond_without_traffic_is_background_and_refresh_and_nothing_else():
    cycles, refreshes = 1_200_480, 2 * 128
    idle = clocks([0, cycles, 0, 0, 0], [0, cycles, 0, 0, 0])
    rows = dram_ledger(memory(), commands(ref=refreshes), idle, cycles)
    assert [(row.component, row.event, row.count) for row in rows] == [
        ("dram", "refresh", refreshes), ("dram", "background_precharge", 2 * cycles),
    ]  # fmt: skip
    standby = 2 * DEVICES * (1.2 * 34 + 2.5) * 1e-3 * cycles * NS * 1e-9
    refresh = refreshes * DEVICES * 420 * NS * 1e-9 * (1.2 * (250 - 34) + 2.5 * 19) * 1e-3
    assert total_j(rows) == pytest.approx(standby + refresh, rel=1e-9)


def test_every_command_and_every_clock_is_charged_once():
    states = clocks([10, 20, 30, 40, 50], [50, 50, 20, 20, 10])
    counts = commands(act=5, pre=3, prea=1, rd=7, wr=2, ref=3, refb=4)
    table = "energy.termination={ scheme = 'pod', VDDQ_v = 1.2, driver_ohm = 34, termination_ohm = 60 }"
    rows = {(row.component, row.event): row.count for row in dram_ledger(memory(table), counts, states, 150)}
    assert rows == {
        ("dram", "activate"): 5, ("dram", "precharge"): 5, ("dram", "read"): 7, ("dram", "write"): 2,
        ("dram", "refresh"): 3, ("dram", "refresh_bank"): 4, ("dram", "background_active"): 60,
        ("dram", "background_precharge"): 70, ("dram", "background_active_power_down"): 50,
        ("dram", "background_precharge_power_down"): 60, ("dram", "self_refresh"): 60,
        ("channel", "io_read"): 7, ("channel", "io_write"): 2, ("channel", "termination_read"): 7,
        ("channel", "termination_write"): 2,
    }  # fmt: skip


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.integers(0, 2**32))
def test_ranks_add_up_to_the_channel_and_devices_to_the_rank(seed):
    dice = random.Random(seed)
    spec, cycles = memory(), 10_000
    counts = [{name: dice.randrange(2000) for name in COMMANDS} for _ in range(2)]
    cuts = [sorted(dice.randrange(cycles + 1) for _ in range(4)) for _ in range(2)]
    states = clocks(*(np.diff([0, *cut, cycles]) for cut in cuts))
    channel = dram_ledger(spec, {n: counts[0][n] + counts[1][n] for n in COMMANDS}, states, cycles)
    ranks = per_rank(spec, counts, states, cycles)
    both = [row for rank in ranks for row in rank]
    for row in channel:
        assert row.count == sum(r.count for r in both if (r.component, r.event) == (row.component, row.event))
    step_nj = 2**-12
    assert abs(total_nj(channel) - total_nj(both)) <= step_nj * len(both)
    for rank in ranks:
        device = per_device(spec, rank)
        assert abs(DEVICES * total_nj(device) - total_nj(rank)) <= step_nj * DEVICES * len(rank)
    shuffled = dice.sample(channel, len(channel))
    assert total_nj(shuffled) == total_nj(channel) == sum(row.energy_nj for row in reversed(channel))


def test_clocks_that_do_not_add_up_are_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="must add up to the 100 of the run"):
        dram_ledger(memory(), commands(), clocks([50, 49, 0, 0, 0]), 100)
    with pytest.raises(ValueError, match=r"rank_clocks has shape \(1, 4\), not \(ranks, 5\)"):
        dram_ledger(memory(), commands(), clocks([50, 50, 0, 0]), 100)


# ---------------------------------------------------------------- constants per event


def test_recnmps_constants_are_two_nanojoules_per_act_and_fourteen_picojoules_per_bit():
    assert apply_overrides(DDR4, ["energy.preset=recnmp"]).energy == DDR4.energy
    states = clocks([0, 500, 0, 0, 0])
    ledger = dram_ledger(DDR4, commands(act=10, rd=100, ref=1), states, 500)
    assert [(r.component, r.event, r.count, r.pj_per_event) for r in ledger] == [
        ("dram", "activate", 10, 2100.0),
        ("dram", "read", 100, 512 * 14.0),
        ("channel", "io_read", 100, 512 * 22.0),
    ]


# ---------------------------------------------------------------- presets and errors


@pytest.mark.parametrize("name", sorted(set(preset_names("energy")) - {"recnmp"}))
def test_every_preset_costs_something_for_every_event_of_its_memory(name):
    energy = Energy.load(name)
    width = energy.currents.device_width_bits or 8
    bus = max(width, 8)
    spec = apply_overrides(DDR4, [f"organization.device_width_bits={width}", f"organization.bus_width_bits={bus}",
                                  f"energy.preset={name}"])  # fmt: skip
    pj = event_energies_pj(spec)
    assert all(value > 0 for kind, value in pj.items() if kind != "termination")
    assert (pj["termination"] > 0) == (not name.startswith("hbm"))
    order = [pj[state] for state in RANK_STATES]
    assert order[0] >= order[1] > order[3]
    assert order[0] >= order[2]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("energy.method=currents", "energy.currents: missing; method = 'currents' needs it"),
        ("energy.method=current", "energy.method = 'current': must be 'per-event' or 'currents'"),
        ("energy.currents={ VDD_v = 1.2 }", "energy.currents.IDD0_ma: missing"),
        (
            "energy.preset=ddr4-8gb-x8-240",
            "energy.preset = 'ddr4-8gb-x8-240': unknown energy preset (did you mean",
        ),
        (
            "energy.preset=ddr4-8gb-x4-2400",
            "energy.currents.device_width_bits = 4: another device's: organization.device_width_bits = 8",
        ),
    ],
)
def test_an_incomplete_energy_section_is_refused(override, message):
    with pytest.raises(InputError) as refused:
        apply_overrides(DDR4, [override])
    assert str(refused.value).startswith(f"--set: {message}")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"IDD3N_ma": 33.0}, "IDD3N_ma = 33: must be at least IDD2N_ma = 34, the current without the event"),
        ({"IDD2N_ma": 24.0}, "IDD2N_ma = 24: must be at least IDD2P_ma = 25, the current without the event"),
        ({"IDD4R_ma": 42.0}, "IDD4R_ma = 42: must be at least IDD3N_ma = 43, the current without the event"),
        ({"IDD4W_ma": 42.0}, "IDD4W_ma = 42: must be at least IDD3N_ma = 43, the current without the event"),
        ({"IDD5B_ma": 33.0}, "IDD5B_ma = 33: must be at least IDD2N_ma = 34, the current without the event"),
        (
            {"IDD5PB_ma": 33.0},
            "IDD5PB_ma = 33: must be at least IDD2N_ma = 34, the current without the event",
        ),
        ({"IPP4R_ma": 1.0}, "IPP4R_ma = 1: must be at least IPP3N_ma = 1.5, the current without the event"),
        (
            {"IDD0_ma": 35.0},
            "IDD0_ma = 35: must exceed standby with one bank open, or an ACT gives energy back",
        ),
        ({"VDD_v": 0.0}, "VDD_v = 0.0: must be more than 0"),
        ({"IDD6_ma": -1.0}, "IDD6_ma = -1.0: must be at least 0"),
    ],
)
def test_currents_that_would_give_energy_back_are_refused(change, message):
    with pytest.raises(InputError) as refused:
        memory(**change)
    assert f"energy.currents.{message}" in str(refused.value)


# ---------------------------------------------------------------- DRAMsim3

# Ranks, ACT, RD, WR, REF, clocks, and pJ (its figure times tCK): one run of DRAMsim3 each, DDR4-2400 8 Gb x8.
BUSY = [
    (1, 548338, 700292, 299682, 628, 5883703, 7166434119.3),
    (1, 1001829, 999999, 0, 734, 6879438, 9264569105.4),
    (1, 886834, 888140, 0, 653, 6118623, 8221821899.2),
    (1, 9010, 1000000, 0, 450, 4212785, 4721337029.5),
    (2, 531828, 700292, 299681, 1108, 5188923, 8973243354.4),
    (2, 1006378, 999997, 0, 995, 4656711, 10290528445.5),
    (2, 300965, 300000, 0, 1923, 9000211, 9391103479.4),
    (2, 9159, 1000000, 0, 1346, 6303902, 8203308563.5),
    (2, 8906, 1000000, 0, 896, 4193990, 6331972837.3),
]  # fmt: skip
SLEEPY = [(2, 4240, 300000, 0, 1923, 9000163, 7792935978.2)]  # ranks idle for half of the time
HBM2 = [
    (1, 1002775, 999999, 0, 2088, 8144770, 2288587602.0),
    (1, 33900, 1000000, 0, 557, 2175965, 1006823592.0),
]  # fmt: skip


def as_dramsim3(*overrides):
    """Its currents: no second supply, no I/O."""
    bare = memory(*overrides, **{name: 0.0 for name in CURRENTS if "PP" in name})
    return bare.model_copy(update={"energy": bare.energy.model_copy(update={"io_pj_per_bit": 0.0})})


def bounds(spec, run):
    """Return our energy in pJ with every rank in precharge, then in active standby all the time."""
    ranks, act, rd, wr, ref, cycles, _ = run
    counts = commands(act=act, rd=rd, wr=wr, ref=ref)
    states = [np.zeros((ranks, 5), np.int64) for _ in range(2)]
    states[0][:, 1] = states[1][:, 0] = cycles
    return [1000 * total_nj(dram_ledger(spec, counts, state, cycles)) for state in states]


@pytest.mark.parametrize("run", BUSY + SLEEPY)
def test_dramsim3_lies_between_all_banks_closed_and_some_open_all_the_time(run):
    closed, opened = bounds(as_dramsim3(), run)
    assert closed < run[-1] < opened


@pytest.mark.parametrize("run", BUSY)
def test_with_banks_always_open_a_busy_run_costs_what_dramsim3_says(run):
    assert bounds(as_dramsim3(), run)[1] == pytest.approx(run[-1], rel=0.05)


@pytest.mark.parametrize("run", HBM2)
def test_hbm2_costs_what_dramsim3_says(run):
    spec = as_dramsim3(
        "address_map.preset=roco",
        "organization={ ranks = 1, rows = 32768, columns = 128, device_width_bits = 128, bus_width_bits = 128 }",
        "organization.burst_length=4",
        "timing={ tCK_ps = 1000, tRAS = 34, tRP = 14, tRFC = 260, tREFI = 3900, tBL = 2 }",
        "energy.currents={ IDD0_ma = 65, IDD2P_ma = 28, IDD2N_ma = 40, IDD3P_ma = 40, IDD3N_ma = 55 }",
        "energy.currents={ IDD4W_ma = 500, IDD4R_ma = 390, IDD6_ma = 31 }",
    )
    closed, opened = bounds(spec, run)
    assert closed < run[-1] < opened
    assert opened == pytest.approx(run[-1], rel=0.05)


def test_the_shipped_ddr4_currents_are_those_of_the_runs():
    energy = apply_overrides(DDR4, ["energy.preset=ddr4-8gb-x8-2400"]).energy
    shipped = energy.currents.to_dict()
    assert {name: shipped[name] for name in CURRENTS if "DD" in name} == {
        name: value for name, value in CURRENTS.items() if "DD" in name
    }
