"""Every shipped DRAM standard: its clock, its rules against those of Ramulator 2.1 and DRAMSys, and its file."""

import re
import runpy
import tomllib
from pathlib import Path

import pytest

from archsim import spec as specifications
from archsim.dram.spec import DramSpec, resolve_latency
from archsim.dram.timing import Timing
from archsim.errors import InputError
from archsim.show import lines
from archsim.spec import PRESETS, apply_overrides, preset_names

STANDARDS = preset_names("dram")
# (level, before, after): clocks, as Ramulator 2.1 at commit c5b1c3a4 resolves them from its own tables.
RAMULATOR = {
    # DDR5_16Gb_x8, DDR5_4800BN
    "ddr5-4800": {
        ("rank", "RD", "RD"): 8,
        ("rank", "WR", "WR"): 8,
        ("rank", "RD", "WR"): 14,
        ("rank", "WR", "RD"): 48,
        ("rank", "ACT", "ACT"): 8,
        ("rank", "PRE", "PRE"): 2,
        ("rank", "ACT", "REF"): 114,
        ("rank", "PRE", "REF"): 36,
        ("rank", "REF", "ACT"): 709,
        ("other_rank", "RD", "RD"): 10,
        ("other_rank", "WR", "RD"): 8,
        ("bank_group", "RD", "RD"): 12,
        ("bank_group", "WR", "RD"): 66,
        ("bank_group", "ACT", "ACT"): 12,
        ("bank", "ACT", "ACT"): 113,
        ("bank", "ACT", "RD"): 36,
        ("bank", "ACT", "WR"): 36,
        ("bank", "ACT", "PRE"): 78,
        ("bank", "PRE", "ACT"): 35,
        ("bank", "RD", "PRE"): 19,
        ("bank", "WR", "PRE"): 115,
    },
    # HBM2_8Gb, HBM2_2000Mbps; its level PseudoChannel is a rank here
    "hbm2-2000": {
        ("rank", "RD", "RD"): 2,
        ("rank", "WR", "WR"): 2,
        ("rank", "RD", "WR"): 13,
        ("rank", "WR", "RD"): 13,
        ("rank", "ACT", "ACT"): 4,
        ("rank", "ACT", "ACT", 4): 15,
        ("rank", "ACT", "REF"): 49,
        ("rank", "PRE", "REF"): 14,
        ("rank", "REF", "ACT"): 349,
        ("rank", "REFB", "ACT"): 7,
        ("rank", "ACT", "REFB"): 5,
        ("bank_group", "RD", "RD"): 4,
        ("bank_group", "WR", "WR"): 4,
        ("bank_group", "WR", "RD"): 15,
        ("bank_group", "ACT", "ACT"): 4,
        ("bank", "ACT", "ACT"): 48,
        ("bank", "ACT", "RD"): 15,
        ("bank", "ACT", "WR"): 13,
        ("bank", "ACT", "PRE"): 35,
        ("bank", "PRE", "ACT"): 13,
        ("bank", "RD", "PRE"): 5,
        ("bank", "WR", "PRE"): 23,
        ("bank", "REFB", "ACT"): 159,
        ("bank", "ACT", "REFB"): 49,
        ("bank", "PRE", "REFB"): 14,
    },
    # HBM3_32Gb_16hi, HBM3_6400Mbps, in half clocks there; its levels PseudoChannel and Sid are a rank here
    "hbm3-6400": {
        ("rank", "RD", "RD"): 4 / 2,
        ("rank", "WR", "WR"): 4 / 2,
        ("rank", "RD", "WR"): 40 / 2,
        ("rank", "WR", "RD"): 38 / 2,
        ("rank", "ACT", "ACT"): 8 / 2,
        ("rank", "ACT", "ACT", 4): 48 / 2,
        ("rank", "PRE", "PRE"): 4 / 2,
        ("rank", "ACT", "REF"): 146 / 2,
        ("rank", "PRE", "REF"): 52 / 2,
        ("rank", "REF", "ACT"): 1118 / 2,
        ("rank", "REFB", "REFB"): 16 / 2,
        ("rank", "REFB", "ACT"): 14 / 2,
        ("rank", "ACT", "REFB"): 10 / 2,
        ("bank_group", "RD", "RD"): 8 / 2,
        ("bank_group", "WR", "WR"): 8 / 2,
        ("bank_group", "WR", "RD"): 44 / 2,
        ("bank_group", "ACT", "ACT"): 10 / 2,
        ("bank", "ACT", "ACT"): 144 / 2,
        ("bank", "ACT", "RD"): 63 / 2,
        ("bank", "ACT", "WR"): 31 / 2,
        ("bank", "ACT", "PRE"): 92 / 2,
        ("bank", "PRE", "ACT"): 50 / 2,
        ("bank", "RD", "PRE"): 19 / 2,
        ("bank", "WR", "PRE"): 91 / 2,
        ("bank", "REFB", "ACT"): 638 / 2,
        ("bank", "ACT", "REFB"): 146 / 2,
        ("bank", "PRE", "REFB"): 52 / 2,
    },
}
# DRAMSys 5.5, its LPDDR4 rules with its file JEDEC_512Mbx16_LPDDR4-4266.
DRAMSYS = {
    "lpddr4-4266": {
        ("rank", "RD", "RD"): 8,
        ("rank", "RD", "WR"): 36 + 4 + 8 - 18 + 2,
        ("rank", "WR", "RD"): 18 + 1 + 8 + 22,
        ("rank", "ACT", "ACT"): 22,
        ("rank", "ACT", "ACT", 4): 86,
        ("rank", "PRE", "PRE"): 4,
        ("rank", "ACT", "REF"): 129 + 2,
        ("rank", "PRE", "REF"): 45,
        ("rank", "REF", "ACT"): 599 - 2,
        ("rank", "REF", "REF"): 599,
        ("rank", "REFB", "REFB"): 300,
        ("rank", "REFB", "ACT"): 22 - 2,
        ("rank", "ACT", "REFB"): 22 + 2,
        ("bank", "ACT", "ACT"): 129,
        ("bank", "ACT", "RD"): 39,
        ("bank", "ACT", "WR"): 39,
        ("bank", "ACT", "PRE"): 90 + 2,
        ("bank", "PRE", "ACT"): 39 - 2,
        ("bank", "RD", "PRE"): 17 + 8 - 6,
        ("bank", "WR", "PRE"): 2 + 18 + 1 + 8 + 39,
        ("bank", "REFB", "ACT"): 300 - 2,
        ("bank", "ACT", "REFB"): 129 + 2,
        ("bank", "PRE", "REFB"): 39,
    }
}
# Where the peer is known to be wrong, or the data sheets say otherwise: (peer's clocks, ours, why).
DEVIATIONS = {
    ("ddr5-4800", "rank", "ACT", "ACT", 4): (48, 32, "max(32 clk, 13.333 ns), not 20 ns"),
    ("ddr5-4800", "bank_group", "WR", "WR"): (48, 24, "a full burst to x8 devices: tCCD_L_WR2"),
    ("ddr5-4800", "other_rank", "RD", "WR"): (10, 12, "the write would overlap the read"),
    ("ddr5-4800", "other_rank", "WR", "WR"): (8, 10, "no gap between two drivers"),
}


def binding(spec):
    """Return the clocks of the strictest rule of each (level, before, after[, window])."""
    found = {}
    for rule in spec.rules:
        key = (rule.level, rule.before, rule.after) + ((rule.window,) if rule.window > 1 else ())
        found[key] = max(found.get(key, 0), resolve_latency(rule.latency, spec.timing))
    return found


def with_refresh(name, mode):
    """Return a standard that refreshes in another mode."""
    return apply_overrides(DramSpec.load(name), [f"refresh.mode={mode}"])


@pytest.mark.parametrize("peer", [RAMULATOR, DRAMSYS], ids=["ramulator", "dramsys"])
def test_rules_resolve_to_the_clocks_of_the_peers_half_clocks_rounded_up(peer):
    for name, expected in peer.items():
        ours = binding(DramSpec.load(name))
        assert {key: ours[key] for key in expected} == {key: -int(-clk // 1) for key, clk in expected.items()}


def test_rules_deviate_from_the_peer_only_where_it_is_said_why():
    for (name, *key), (theirs, ours, why) in DEVIATIONS.items():
        assert binding(DramSpec.load(name))[tuple(key)] == ours != theirs, why
    for name, expected in RAMULATOR.items():
        spread = {tuple(key[1:]) for key in DEVIATIONS if key[0] == name}
        # What the peer leaves to the order of commands: no refresh while a bank is open, no bus between ranks.
        own = {key for key in binding(DramSpec.load(name)) if "REF" not in key[1] and "REF" not in key[2]}
        assert {key for key in own if key[0] != "other_rank"} <= set(expected) | spread


@pytest.mark.parametrize("name", STANDARDS)
def test_the_clock_carries_the_data_rate_in_the_name_to_a_picosecond(name):
    spec = DramSpec.load(name)
    number = int(re.fullmatch(r"\w+-(\d+)", name)[1])
    rate_mts = number if number > 100 else number * 1000  # GDDR is named by Gb/s
    assert abs(spec.timing.tCK_ps - spec.organization.beats_per_clk * 1e6 / rate_mts) < 1
    assert spec.organization.access_bytes in (32, 64)


@pytest.mark.parametrize("name", STANDARDS)
def test_two_bursts_of_different_ranks_never_meet_on_the_data_bus(name):
    spec = DramSpec.load(name)
    timing, gap = spec.timing, binding(spec)
    first_data = {"RD": timing.CL + (timing.tDQSCK or 0), "WR": timing.CWL}
    for before, begins in first_data.items():
        for after, next_begins in first_data.items():
            clk = gap[("other_rank", before, after)]
            free = clk + next_begins - (begins + timing.tBL)
            assert free == timing.tRTRS or clk == 0
            assert free >= timing.tRTRS


@pytest.mark.parametrize("name", STANDARDS)
def test_a_read_and_a_write_of_one_rank_never_meet_on_the_data_bus(name):
    spec = DramSpec.load(name)
    timing, gap = spec.timing, binding(spec)
    read, write = timing.CL + (timing.tDQSCK or 0), timing.CWL
    assert gap[("rank", "RD", "WR")] + write > read + timing.tBL
    assert gap[("rank", "WR", "RD")] + read > write + timing.tBL
    assert gap[("rank", "RD", "RD")] >= timing.tBL <= gap[("rank", "WR", "WR")]


@pytest.mark.parametrize("name", STANDARDS)
def test_a_standard_that_starts_from_another_states_all_timings_again(name):
    table = tomllib.loads((PRESETS / "dram" / f"{name}.toml").read_text(encoding="utf-8"))
    if "preset" in table:
        base = DramSpec.load(table["preset"]).timing.to_dict()
        stated = {key for key, field in Timing.model_fields.items() if base[key] not in (None, field.default)}
        assert stated - {"tRC"} <= set(table["timing"])
        assert set(table["timing"]) <= set(table["sources"]["timing"])


@pytest.mark.parametrize("name", STANDARDS)
def test_refresh_of_single_banks_is_possible_where_the_standard_times_it(name):
    timing = DramSpec.load(name).timing
    for mode, clk in (("per-bank", timing.tRFCpb), ("same-bank", timing.tRFCsb)):
        if clk is None:
            with pytest.raises(InputError, match=f"refresh.mode = '{mode}': this standard gives no"):
                with_refresh(name, mode)
        else:
            spec = with_refresh(name, mode)
            assert spec.refresh_clk == clk < spec.timing.tRFC
            # The next step may issue before the one after it falls due.
            assert binding(spec)[("rank", "REFB", "REFB")] < spec.refresh_interval_clk // spec.refresh_steps


def test_same_bank_refresh_of_ddr5_comes_every_487_ns_and_refreshes_every_bank_twice_per_all_bank_interval():
    spec = with_refresh("ddr5-4800", "same-bank")
    assert spec.refresh_steps == 4
    assert spec.refresh_interval_clk // 4 * spec.timing.tCK_ps == pytest.approx(487_500, abs=416)
    assert spec.timing.tREFI == 2 * spec.timing.tREFIsb + 1


def test_a_preset_is_found_by_its_name_in_any_case(capsys):
    assert DramSpec.load("DDR5-4800") == DramSpec.load("ddr5-4800")
    assert lines("dram", "DDR5-4800") == lines("dram", "ddr5-4800")
    with pytest.raises(InputError, match=r"unknown dram preset \(did you mean 'ddr5-4800'\?\)"):
        DramSpec.load("DDR5-48000")


def test_an_exact_name_goes_before_one_in_another_case(tmp_path, monkeypatch):
    (tmp_path / "address_map").mkdir()
    for name, column in (("map", "column"), ("Map", "row")):
        (tmp_path / "address_map" / f"{name}.toml").write_text(f'layout = ["{column}"]\nhash = []\n')
    monkeypatch.setattr(specifications, "PRESETS", tmp_path)
    from archsim.dram.spec import AddressMap

    assert (AddressMap.load("map").layout, AddressMap.load("Map").layout) == (("column",), ("row",))
    with pytest.raises(InputError, match="unknown address_map preset"):
        AddressMap.load("MAP")


def test_the_table_of_the_documents_is_the_one_that_the_presets_give():
    script = Path(__file__).parents[1] / "docs" / "make_standards.py"
    text = script.with_name("standards.md").read_text(encoding="utf-8")
    assert text == runpy.run_path(str(script))["page"](text), "renew it: python docs/make_standards.py"
