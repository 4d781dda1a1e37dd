"""Configuration files of DRAMsim3 and Ramulator 2.1, read as systems."""

import copy
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from program import run

import archsim
from archsim.dram.address import decode_table, encode
from archsim.dram.energy import event_energies_pj
from archsim.dram.resolve import resolve
from archsim.dram.timing import resolve_latency
from archsim.errors import InputError
from archsim.kernels.lowering import decode_lines
from archsim.peers.dramsim3_keys import KEYS
from archsim.spec import apply_overrides

CONFIGS = Path(__file__).parents[1].parent / "shared" / "reference" / "dram" / "configs"

INI = """\
; a memory of two ranks
[dram_structure]
protocol = DDR4
bankgroups = 4
banks_per_group = 4
rows = 65536
columns = 1024
device_width = 8
BL = 8

[timing]
tCK = 0.833
CL = 17
CWL = 12
tRCD = 17
tRP = 17
tRAS = 39
tRFC = 420
tREFI = 9360
tRRD_S = 4
tRRD_L = 6
tWTR_S = 3
tWTR_L = 9
tFAW = 26
tWR = 18
tRTP = 9
tCCD_S = 4
tCCD_L = 6
tRTRS = 2

[power]
VDD = 1.2
IDD0 = 48
IDD2N = 34
IDD3N = 43
IDD4W = 123
IDD4R = 135

[system]
channel_size = 16384
channels = 1
bus_width = 64
address_mapping = rochbabgraco
queue_structure = PER_BANK
row_buf_policy = OPEN_PAGE
cmd_queue_size = 8
trans_queue_size = 32
"""

# Commands by number: ACT PREpb PREab RD WR RDA WRA REFab; levels: channel rank bank-group bank.
DDR4 = """\
frontend: {impl: External, clock_ratio: 1}
memory_system:
  impl: GenericDRAM
  clock_ratio: 1
  channel_mapper: {impl: CacheLineInterleave, interleave_bits: 0}
  controllers:
    - impl: GenericDDR
      wr_low_watermark: 0.2
      wr_high_watermark: 0.8
      read_buffer_size: 32
      write_buffer_size: 32
      priority_buffer_size: 1568
      scheduler: {impl: FRFCFS-RowHit}
      refresh_manager: {impl: AllBank, scatter_interval: 4680, debug: false}
      row_policy: {impl: Open}
      addr_mapper: {impl: RoBaRaCoCh}
      dram:
        impl: DDR4
        org: {dq: 8, count: [1, 2, 4, 4, 65536, 1024]}
        timing: [2400, 4, 17, 17, 17, 39, 56, 18, 9, 12, 4, 6, 4, 6, 3, 9, 26, 420, 9360, 2, 833]
        command_cycles: [1, 1, 1, 1, 1, 1, 1, 1]
        channel_width: 64
        read_latency: 21
        timing_constraints:
          - [0, [3, 5], [3, 5], 4]
          - [1, [3, 5], [3, 4, 5, 6], 6, 1, true]
          - [1, [0], [0], 26, 4]
          - [1, [3], [2], 9]
          - [1, [0], [2], 39]
          - [1, [2], [0], 17]
          - [1, [1, 2], [7], 17]
          - [1, [7], [0, 2], 420]
          - [2, [3, 5], [3, 5], 6]
          - [3, [0], [0], 56]
          - [3, [0], [1], 39]
          - [3, [1], [0], 17]
          - [3, [3], [1], 9]
          - [3, [5], [0], 26]
"""


@pytest.fixture
def load(tmp_path):
    """Write a file and load it as the simulator's of that suffix."""

    def load(text, suffix=".ini"):
        path = tmp_path / f"memory{suffix}"
        path.write_text(text)
        return archsim.load_system(f"{'dramsim3' if suffix == '.ini' else 'ramulator2'}:{path}")

    return load


def with_line(line):
    """Return the text with a line of its section replaced, or added where it has none of that name."""
    section, _, entry = line.partition(" ")
    name = entry.partition("=")[0].strip()
    lines = [old for old in INI.splitlines() if old.partition("=")[0].strip() != name]
    lines.insert(lines.index(section) + 1, entry)
    return "\n".join(lines)


def edited(path, value):
    """Return the Ramulator text with the value at ``path`` replaced; None removes it."""
    tree = yaml.safe_load(DDR4)
    at = tree
    *parents, last = path
    for key in parents:
        at = at[key]
    if value is None:
        del at[last]
    else:
        at[last] = value
    return yaml.safe_dump(tree)


CONTROLLER = ("memory_system", "controllers", 0)
DRAM = (*CONTROLLER, "dram")


def clocks(system):
    """Return {(level, before, after, window): clocks} of a system's rules."""
    dram = system.dram
    return {
        (rule.level, rule.before, rule.after, rule.window): resolve_latency(rule.latency, dram.timing)
        for rule in dram.rules
    }


# ---------------------------------------------------------------------------------------------------- DRAMsim3


def test_a_dramsim3_file_becomes_a_host_with_its_memory(load):
    system = load(INI)
    assert (system.name, system.kind) == ("dramsim3:memory", "host")
    organization = system.dram.organization
    assert (organization.ranks, organization.capacity_bytes) == (2, 16 * 2**30)
    assert system.dram.timing.tCK_ps == 833
    assert system.dram.address_map.layout == ("column", "rank", "bank_group", "bank", "channel", "row")
    controller = system.dram.controller
    assert (controller.arbitration, controller.read_merging) == ("round-robin", True)
    assert (controller.command_queue, controller.command_queue_scope) == (8, "bank")
    assert system.dram.refresh.mode == "all-bank"
    assert system.dram.refresh.staggered


def test_dramsim3_rules_are_those_of_its_source(load):
    rules = clocks(load(with_line("[timing] AL = 2")))
    # With AL = 2, RL = 19 and WL = 14.
    assert rules["bank", "ACT", "RD", 1] == 17 - 2
    assert rules["bank", "RD", "PRE", 1] == 9 + 2
    assert rules["bank", "WR", "PRE", 1] == 14 + 4 + 18
    assert rules["rank", "RD", "WR", 1] == 19 + 4 - 14 + 2
    assert rules["bank_group", "WR", "RD", 1] == 14 + 4 + 9
    assert rules["other_rank", "WR", "WR", 1] == 4  # no gap for the switch
    assert rules["other_rank", "WR", "RD", 1] == 14 + 4 + 2 - 19
    assert rules["rank", "ACT", "ACT", 4] == 26


def test_without_bank_groups_the_short_timings_hold_everywhere(load):
    system = load(with_line("[dram_structure] bankgroup_enable = false"))
    assert system.dram.organization.bank_groups == 1
    assert system.dram.organization.banks_per_group == 16
    assert not any(rule.level == "bank_group" for rule in system.dram.rules)
    assert system.dram.timing.tCCD_L is None


def test_hbm_counts_columns_in_pairs_and_issues_two_commands_at_once(load):
    text = INI.replace("DDR4", "HBM").replace("columns = 1024", "columns = 64").replace("BL = 8", "BL = 4")
    text = text.replace("bus_width = 64", "bus_width = 128").replace("device_width = 8", "device_width = 128")
    text = text.replace("rows = 65536", "rows = 32768").replace("16384", "1024")
    text = text.replace("tRCD = 17", "tRCDRD = 14\ntRCDWR = 10")
    system = load(text)
    assert system.dram.organization.split_command_bus
    assert system.dram.organization.columns == 128
    assert system.dram.organization.ranks == 1
    assert (system.dram.timing.tRCD, system.dram.timing.tRCDWR) == (14, 10)
    one = load(text.replace("[timing]", "hbm_dual_cmd = false\n[timing]"))
    assert not one.dram.organization.split_command_bus


def test_gddr_has_two_activation_windows_and_gaps_between_precharges(load):
    text = INI.replace("DDR4", "GDDR5").replace("tRTRS = 2", "tRTRS = 2\ntPPD = 5\nt32AW = 360")
    text = text.replace("columns = 1024", "columns = 128").replace("tRCD = 17", "tRCDRD = 24\ntRCDWR = 20")
    system = load(text)
    rules = clocks(system)
    assert (rules["rank", "ACT", "ACT", 4], rules["rank", "ACT", "ACT", 32]) == (26, 360)
    assert rules["rank", "PRE", "PRE", 1] == 5
    assert system.dram.organization.columns == 128 * 8
    assert system.dram.organization.beats_per_clk == 4
    assert resolve(system.dram).windows == ((4, 26, 1), (32, 360, 1))


def test_a_refresh_interval_that_no_run_reaches_is_no_refresh(load):
    assert load(with_line("[timing] tREFI = 2000000000")).dram.refresh.mode == "none"


def test_bank_refresh_visits_each_bank_in_turn(load):
    text = with_line("[system] refresh_policy = BANK_LEVEL_STAGGERED").replace(
        "tRFC = 420", "tRFC = 420\ntRFCb = 100\ntREFIb = 300"
    )
    system = load(text)
    assert system.dram.refresh.mode == "per-bank"
    assert system.dram.timing.tREFI == 300 * 16 * 2  # every tREFIb, one of 32 banks
    assert clocks(system)["bank", "REFB", "ACT", 1] == 100


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("[system] row_buf_policy = CLOSE_PAGE", "row_policy", "closed"),
        ("[system] queue_structure = PER_RANK", "command_queue_scope", "rank"),
        ("[system] cmd_queue_size = 5", "command_queue", 5),
        ("[system] trans_queue_size = 4", "write_drain_low", 3),
        ("[system] trans_queue_size = 48", "write_drain_high", 48),
    ],
)
def test_dramsim3_policies_are_laid_over_the_preset(load, line, field, value):
    assert getattr(load(with_line(line)).dram.controller, field) == value


def test_self_refresh_takes_its_threshold(load):
    text = with_line("[system] enable_self_refresh = True").replace(
        "channels = 1", "channels = 1\nsref_threshold = 77"
    )
    assert load(text).dram.idle.self_refresh_clk == 77
    assert load(INI).dram.idle.self_refresh_clk == 0


def test_keys_without_effect_are_named_in_the_description(load):
    system = load(with_line("[timing] tRPRE = 1") + "\n[other]\nepoch_period = 1000\n")
    assert system.description.endswith("without effect: tRPRE, epoch_period")
    assert "without effect" not in load(INI).description


def test_names_of_keys_are_told_apart_without_regard_to_case(load):
    assert load(INI.replace("tRCD = 17", "trcd = 18 ; slower")).dram.timing.tRCD == 18


def test_every_key_without_effect_has_a_reason():
    for section in KEYS.values():
        for reason in section.values():
            assert reason is None or len(reason) > 10


INI_ERRORS = {
    "[timing] REFI = 9360": "line 12: [timing] REFI: unknown key (did you mean 'tREFI'?)",
    "[timing] tRCD = 17.5": "tRCD = 17.5: must be a whole number of at least 0",
    "[timing] tRCD = -17": "tRCD = -17: must be a whole number of at least 0",
    "[timing] tCK = fast": "tCK = fast: must be a number of at least 0",
    "[timing] tREFI = 400": "dram.timing.tREFI = 400: must be more than tRFC = 420",
    "[timing] tREFI = 2000000": "tREFI = 2000000: must be at most 1000000",
    "[timing] tRRD_L = 3": "tRRD_L = 3: must be at least tRRD_S = 4",
    "[dram_structure] protocol = HMC": "HMC is not modelled",
    "[dram_structure] protocol = DDR5": "protocol = DDR5: unknown value",
    "[dram_structure] BL = 0": "must be at least 2, the beats of one clock of DDR4",
    "[dram_structure] BL = 16": "more than a line of 64",
    "[dram_structure] bankgroups = 0": "must be a whole number of at least 1",
    "[dram_structure] bankgroups = 3": "must be a multiple of one rank of 6144 MiB",
    "[dram_structure] rows = 512": "must be a whole number of at least 1024",
    "[dram_structure] device_width = 24": "must be a multiple of device_width = 24",
    "[dram_structure] bankgroup_enable = perhaps": "must be true or false",
    "[system] channel_size = 24576": "ranks = 3: must be a power of two",
    "[system] channel_size = 9000": "must be a multiple of one rank of 8192 MiB",
    "[system] queue_structure = PER_BANKS": "unknown value (did you mean 'PER_BANK'?)",
    "[system] refresh_policy = RANK_LEVEL_STAGERED": "did you mean 'RANK_LEVEL_STAGGERED'?",
    "[system] row_buf_policy = OPEN": "unknown value",
    "[system] unified_queue = True": "is not modelled",
    "[system] cmd_queue_size = 0": "must be a whole number of at least 1",
    "[system] address_mapping = rochbabgrarw": "must hold each of ch, ra, bg, ba, ro, co once",
    "[system] address_mapping = rochbabgra": "must hold each of ch, ra, bg, ba, ro, co once",
}


@pytest.mark.parametrize("line", INI_ERRORS)
def test_a_wrong_dramsim3_value_is_refused_with_its_place_and_rule(load, line):
    with pytest.raises(InputError) as error:
        load(with_line(line))
    assert "memory.ini: " in str(error.value)
    assert INI_ERRORS[line] in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tRCD = 17\n", "line 1: 'tRCD = 17': must be NAME = VALUE inside a [section]"),
        ("[timing]\ntRCD 17\n", "line 2: 'tRCD 17': must be NAME = VALUE inside a [section]"),
        ("[timings]\n", "line 1: [timings]: unknown section (did you mean 'timing'?)"),
        ("[timing]\ntRCD = 1\n\ntrcd = 2\n", "line 4: [timing] trcd: given twice, first in line 2"),
        ("[timing]\ntRCD = 1\n  tRP = 2\n", "line 3: begins with a blank"),
        ("[power]\nIDD5 = 2\n", "IDD5: unknown key"),
    ],
)
def test_a_malformed_ini_file_is_refused_with_its_line(load, text, message):
    with pytest.raises(InputError) as error:
        load(text)
    assert message in str(error.value)


@pytest.mark.parametrize("simulator", ["dramsim3", "ramulator2"])
def test_a_file_that_cannot_be_read_is_refused(tmp_path, simulator):
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    for name, message in (("absent", "No such file"), ("binary", "byte 0: not UTF-8"), (".", "directory")):
        with pytest.raises(InputError, match=message):
            archsim.load_system(f"{simulator}:{tmp_path / name}")


def test_a_channel_smaller_than_a_rank_holds_one_rank_and_says_so(load):
    system = load(with_line("[system] channel_size = 4096"))
    assert system.dram.organization.ranks == 1
    assert "channel_size = 4096 is less than one rank of 8192 MiB" in system.description


def test_energy_comes_from_the_currents_of_the_file_or_the_defaults_of_dramsim3(load):
    dram = load(INI).dram
    assert dram.energy.method == "currents"
    assert (dram.energy.currents.IDD0_ma, dram.energy.currents.IDD5B_ma) == (48, 250)
    events = event_energies_pj(dram)
    # 8 devices, 1.2 V, 0.833 ns: a burst of 4 clocks.
    assert events["read"] == pytest.approx(1.2 * (135 - 43) * 4 * 8 * 0.833)
    row = 1.2 * (48 * 56 - 43 * 39 - 34 * 17) * 8 * 0.833
    assert events["activate"] + events["precharge"] == pytest.approx(row)


# ------------------------------------------------------------------------------------------------- Ramulator 2.1


def test_a_ramulator_file_becomes_a_host_with_its_memory(load):
    system = load(DDR4, ".yaml")
    assert (system.name, system.kind) == ("ramulator2:memory", "host")
    organization, timing = system.dram.organization, system.dram.timing
    assert (organization.ranks, organization.bank_groups, organization.banks_per_group) == (2, 4, 4)
    assert (organization.burst_length, organization.access_bytes) == (8, 64)
    assert (timing.CL, timing.CWL, timing.tCCD_L, timing.tRTRS, timing.tCK_ps) == (17, 12, 6, 2, 833)
    assert system.dram.address_map.layout == (
        "channel", "column", "pseudo_channel", "rank", "bank_group", "bank", "row",
    )  # fmt: skip
    controller = system.dram.controller
    assert controller.activated_first
    assert (controller.write_drain_high, controller.write_drain_low) == (26, 6)
    assert system.dram.refresh.staggered
    assert "without effect: frontend, priority_buffer_size, timings of RDA, WRA" in system.description


def test_ramulator_rules_keep_their_levels_and_lose_what_is_not_modelled(load):
    assert clocks(load(DDR4, ".yaml")) == {
        ("channel", "RD", "RD", 1): 4,
        ("other_rank", "RD", "RD", 1): 6,
        ("other_rank", "RD", "WR", 1): 6,
        ("rank", "ACT", "ACT", 4): 26,
        ("rank", "PRE", "REF", 1): 17,
        ("rank", "REF", "ACT", 1): 420,
        ("bank_group", "RD", "RD", 1): 6,
        ("bank", "ACT", "ACT", 1): 56,
        ("bank", "ACT", "PRE", 1): 39,
        ("bank", "PRE", "ACT", 1): 17,
        ("bank", "RD", "PRE", 1): 9,
    }


@pytest.mark.parametrize(
    ("size", "high", "low", "drain"),
    [(32, 0.8, 0.2, (26, 6)), (32, 0.75, 0.25, (25, 7)), (10, 0.5, 0.1, (6, 0))],
)
def test_watermarks_become_numbers_of_writes(load, size, high, low, drain):
    tree = yaml.safe_load(DDR4)
    controller = tree["memory_system"]["controllers"][0]
    controller |= {"write_buffer_size": size, "wr_high_watermark": high, "wr_low_watermark": low}
    found = load(yaml.safe_dump(tree), ".yaml").dram.controller
    # Draining begins above the high mark and ends below the low mark.
    assert (found.write_drain_high, found.write_drain_low) == drain


def test_fr_fcfs_without_row_hits_protects_no_row(load):
    text = edited((*CONTROLLER, "scheduler"), {"impl": "FRFCFS"})
    assert load(text, ".yaml").dram.controller.row_hit_protection == "none"
    assert load(DDR4, ".yaml").dram.controller.row_hit_protection == "older"


def test_refresh_can_be_left_out_or_not_staggered(load):
    none = load(edited((*CONTROLLER, "refresh_manager"), {"impl": "NoRefresh"}), ".yaml")
    assert none.dram.refresh.mode == "none"
    together = load(edited((*CONTROLLER, "refresh_manager"), {"impl": "AllBank"}), ".yaml")
    assert (together.dram.refresh.mode, together.dram.refresh.staggered) == ("all-bank", False)


def test_several_alike_controllers_are_channels(load):
    tree = yaml.safe_load(DDR4)
    controllers = tree["memory_system"]["controllers"]
    controllers.append(copy.deepcopy(controllers[0]))
    tree["memory_system"]["channel_mapper"]["interleave_bits"] = 2
    system = load(yaml.safe_dump(tree), ".yaml")
    assert system.dram.organization.channels == 2
    assert system.dram.address_map.layout[:3] == ("column:2", "channel", "column")
    controllers[0]["addr_mapper"] = controllers[1]["addr_mapper"] = {"impl": "MOP4CLXOR"}
    tree["memory_system"]["channel_mapper"]["interleave_bits"] = 1
    system = load(yaml.safe_dump(tree), ".yaml")
    assert system.dram.address_map.layout[:3] == ("column:1", "channel", "column:1")


@pytest.mark.parametrize("line", [0, 1, 5, 12345, 0xABCDEF, 2**26 - 1])
@pytest.mark.parametrize("mapper", ["RoBaRaCoCh", "ChRaBaRoCo", "MOP4CLXOR"])
def test_ramulator_mappers_send_a_line_where_ramulator_does(load, mapper, line):
    """Slices from the lowest bit up as in its mappers; 2 ranks, 4 groups of 4 banks, 65536 rows, 128 bursts."""
    dram = load(edited((*CONTROLLER, "addr_mapper"), {"impl": mapper}), ".yaml").dram
    left = line

    def take(bits):
        nonlocal left
        value, left = left & ((1 << bits) - 1), left >> bits
        return value

    if mapper == "RoBaRaCoCh":
        column, rank, group, bank, row = take(7), take(1), take(2), take(2), take(16)
    elif mapper == "ChRaBaRoCo":
        column, row, bank, group, rank = take(7), take(16), take(2), take(2), take(1)
    else:
        low, rank, group, bank = take(2), take(1), take(2), take(2)
        column = low | take(5) << 2
        row = left
        rank ^= column & 1
        group ^= column >> 1 & 3
        bank ^= column >> 3 & 3
        row ^= column >> 5 & 0xFFFF
    found = np.empty(1, dtype=np.int64)
    decode_lines(np.array([line], dtype=np.int64), decode_table(dram), found)
    assert found[0] == encode(rank, group, bank, row, column, dram)


def test_watching_plugins_have_no_effect(load):
    text = edited((*CONTROLLER, "controller_plugins"), [{"impl": "CommandCounter", "path": "x.csv"}])
    assert load(text, ".yaml").dram == load(DDR4, ".yaml").dram


def hbm2(**dram):
    """Return an HBM2 file: levels channel, pseudo-channel, bank group, bank; two-clock ACT."""
    tree = yaml.safe_load(DDR4)
    controller = tree["memory_system"]["controllers"][0]
    controller["impl"] = "HBM12"
    controller["refresh_manager"] = {"impl": "AllBank"}
    controller["dram"] = {
        "impl": "HBM2",
        "org": {"dq": 64, "count": [1, 2, 4, 4, 65536, 128]},
        "timing": [
            2000,
            2,
            14,
            14,
            12,
            14,
            34,
            48,
            16,
            5,
            5,
            2,
            4,
            4,
            4,
            6,
            8,
            15,
            350,
            160,
            8,
            3900,
            122,
            1000,
        ],
        "command_cycles": [2, 1, 1, 1, 1, 1, 1, 1, 1],
        "channel_width": 64,
        "read_latency": 16,
        "timing_constraints": [
            [0, [0], [0, 1, 2, 7, 8], 2],
            [1, [3, 5], [3, 5], 2],
            [1, [0], [7], 49],
            [3, [0], [0], 48],
            [3, [8], [0], 159],
        ],
    } | dram
    return yaml.safe_dump(tree)


def test_pseudo_channels_are_refreshed_like_ranks(load):
    system = load(hbm2(), ".yaml")
    organization = system.dram.organization
    assert (organization.pseudo_channels, organization.ranks, organization.access_bytes) == (2, 1, 32)
    assert organization.split_command_bus
    assert system.dram.timing.ACT_clk == 2
    # That ACT holds its pins for two clocks is said by ACT_clk.
    assert clocks(system) == {
        ("rank", "RD", "RD", 1): 2,
        ("rank", "ACT", "REF", 1): 49,
        ("bank", "ACT", "ACT", 1): 48,
    }


def test_hbm3_counts_ticks_and_has_stack_heights_as_ranks(load):
    tree = yaml.safe_load(hbm2())
    tree["memory_system"]["controllers"][0]["impl"] = "HBM34"
    tree["memory_system"]["controllers"][0]["dram"] |= {
        "impl": "HBM3",
        "org": {"dq": 32, "count": [1, 2, 4, 4, 4, 32768, 256]},
        "timing": [6400, 4, 40, 62, 30, 52, 90, 144, 66, 18, 20, 4, 8, 6, 8, 10, 14, 20, 40, 48, 4, 1120, 640, 1120,
                   640, 16, 12480, 196, 312],
        "command_cycles": [3, 1, 1, 2, 2, 2, 2, 1, 1, 1, 1],
        "channel_width": 32,
        "read_latency": 44,
        "timing_constraints": [
            [0, [3, 4, 5, 6], [3, 4, 5, 6], 2],
            [1, [0], [0], 48, 4],
            [1, [0], [7], 146],
            [2, [3, 5], [3, 5], 4],
            [2, [3, 5], [3, 5], 6, 1, True],
            [4, [0], [0], 144],
        ],
    }  # fmt: skip
    system = load(yaml.safe_dump(tree), ".yaml")
    assert "counts ticks of 1/2 clock" in system.description
    assert (system.dram.organization.pseudo_channels, system.dram.organization.ranks) == (2, 4)
    assert system.dram.timing.tCK_ps == 312
    assert clocks(system) == {
        ("pseudo_channel", "ACT", "ACT", 4): 48,
        ("rank", "ACT", "REF", 1): 146,
        ("rank", "RD", "RD", 1): 4,
        ("other_rank", "RD", "RD", 1): 6,
        ("bank", "ACT", "ACT", 1): 144,
    }


YAML_ERRORS = [
    (("frontends",), {}, "frontends: unknown key (did you mean 'frontend'?)"),
    (("frontend",), {"impl": "Internal"}, "no such front end is modelled"),
    (("frontend",), "External", "frontend = 'External': must be a table with impl"),
    (("memory_system", "clock_ratio"), None, "memory_system.clock_ratio: missing"),
    (("memory_system", "controllers"), [], "must hold one controller per channel"),
    (("memory_system", "controllers"), {}, "memory_system.controllers: must be a list"),
    ((*CONTROLLER, "wr_lo_watermark"), 0.2, "did you mean 'wr_low_watermark'?"),
    ((*CONTROLLER, "wr_low_watermark"), 0.0, "must be more than 0, or writing never ends"),
    ((*CONTROLLER, "wr_high_watermark"), 1.0, "must be at most write_queue"),
    ((*CONTROLLER, "wr_high_watermark"), 80, "must be a number from 0 to 1"),
    ((*CONTROLLER, "read_buffer_size"), 0, "must be a whole number from 1"),
    ((*CONTROLLER, "impl"), "PRAC", "no such controller is modelled"),
    ((*CONTROLLER, "impl"), "HBM12", "controller HBM12 drives HBM1, HBM2"),
    ((*CONTROLLER, "scheduler"), {"impl": "FCFS"}, "no such scheduler is modelled"),
    ((*CONTROLLER, "row_policy"), {"impl": "ClosedCAP"}, "no such row policy is modelled"),
    ((*CONTROLLER, "refresh_manager"), {"impl": "PerBank"}, "no such refresh manager is modelled"),
    ((*CONTROLLER, "refresh_manager", "scatter_interval"), 100, "must be 0 or nREFI / ranks = 4680"),
    ((*CONTROLLER, "refresh_manager", "debug"), 1, None),
    ((*CONTROLLER, "addr_mapper"), {"impl": "RITAddrMapper"}, "no such address mapper is modelled"),
    ((*CONTROLLER, "controller_plugins"), [{"impl": "PARA"}], "no such plugin is modelled"),
    ((*DRAM, "impl"), "LPDDR5", "ACT1, ACT2 and CAS commands are not modelled"),
    ((*DRAM, "impl"), "DDR6", "no such standard is modelled"),
    ((*DRAM, "org", "count"), [1, 2, 4, 4, 65536], "must have 6 items, has 5"),
    ((*DRAM, "org", "count", 0), 2, "channels are counted by the controllers"),
    ((*DRAM, "org", "count", 2), 3, "bank_groups = 3: must be a power of two"),
    ((*DRAM, "timing", 1), 3, "nBL = 3 must divide a burst of 8 beats"),
    ((*DRAM, "timing", 6), 50, "tRC = 50: must be at least tRAS + tRP = 56"),
    ((*DRAM, "timing", 3), "17", "timing[3] = '17': must be a whole number"),
    ((*DRAM, "timing"), [1, 2], "must have 21 items, has 2"),
    ((*DRAM, "read_latency"), 4, "must be more than nBL = 4"),
    ((*DRAM, "channel_width"), 128, "more than a line of 64 bytes"),
    ((*DRAM, "command_cycles", 2), 2, "PREab must take as many clocks as PREpb"),
    ((*DRAM, "timing_constraints", 0), [0, [3], [3]], "must have 4 to 6 items, has 3"),
    ((*DRAM, "timing_constraints", 0, 0), 4, "timing_constraints[0][0] = 4: must be a whole number from 0 to 3"),
    ((*DRAM, "timing_constraints", 0, 1), [8], "must be a whole number from 0 to 7"),
    ((*DRAM, "timing_constraints", 1, 0), 2, "siblings at level bank_group are not modelled"),
    ((*DRAM, "timing_constraints", 1, 5), 1, "must be true or false"),
    ((*DRAM, "timing_constraints", 3, 3), 10, "RD to PREA takes 10 clocks and RD to PRE of a bank 9"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "message"), YAML_ERRORS)
def test_a_wrong_ramulator_value_is_refused_with_its_place_and_rule(load, path, value, message):
    if message is None:
        assert load(edited(path, value), ".yaml")  # printing more has no effect
        return
    with pytest.raises(InputError) as error:
        load(edited(path, value), ".yaml")
    assert "memory.yaml: " in str(error.value)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1\n", "line 2, column 1"),
        ("frontend: 1\nfrontend: 2\n", "line 2, column 1: key 'frontend' is given twice"),
        ("- 1\n", "the file: must be a table"),
        ("", "must be a table"),
        ("[1, 2]: 3\n", "line 1, column 1: a key must be a name"),
        ("a: !!python/object:os.system {}\n", "could not determine a constructor"),
    ],
)
def test_text_that_is_no_such_yaml_is_refused(load, text, message):
    with pytest.raises(InputError) as error:
        load(text, ".yaml")
    assert message in str(error.value)


def test_channels_that_differ_or_split_a_line_are_refused(load):
    tree = yaml.safe_load(DDR4)
    controllers = tree["memory_system"]["controllers"]
    controllers.append(copy.deepcopy(controllers[0]))
    tree["memory_system"]["channel_mapper"]["interleave_bits"] = 8
    with pytest.raises(InputError, match="interleave_bits = 8: must be from 0 to 7"):
        load(yaml.safe_dump(tree), ".yaml")
    controllers[1]["read_buffer_size"] = 16
    with pytest.raises(InputError, match="all channels must be alike"):
        load(yaml.safe_dump(tree), ".yaml")


def test_without_pyyaml_the_error_says_what_to_install(load, monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(InputError, match=r"pip install 'archsim\[peers\]'"):
        load(DDR4, ".yaml")


# --------------------------------------------------------------------------------------------------------- both


def test_overrides_and_presets_work_as_for_own_systems(tmp_path):
    path = tmp_path / "memory.ini"
    path.write_text(INI)
    system = archsim.load_system(f"dramsim3:{path}", ["dram.timing.tRCD=20"])
    assert system == apply_overrides(archsim.load_system(f"dramsim3:{path}"), ["dram.timing.tRCD=20"])
    assert system.dram.timing.tRCD == 20
    assert archsim.load_system("host-2rank").name == "host-2rank"


def test_a_wrong_file_on_the_command_line_is_one_line_and_status_2(tmp_path):
    path = tmp_path / "memory.ini"
    path.write_text(with_line("[timing] REFI = 7"))
    ended = run("replay", "preset:zipf", "--limit", 10, "--system", f"dramsim3:{path}")
    assert (ended.status, ended.out) == (2, "")
    assert (
        ended.err == f"archsim: error: {path}: line 12: [timing] REFI: unknown key (did you mean 'tREFI'?)\n"
    )


@pytest.mark.skipif(not CONFIGS.is_dir(), reason="../shared/reference/dram/configs is not on this machine")
@pytest.mark.parametrize("pattern", ["dramsim3_*.ini", "ramulator2_*.yaml"])
def test_every_reference_configuration_loads(pattern):
    files = sorted(CONFIGS.glob(pattern))
    assert files
    for file in files:
        simulator = file.name.partition("_")[0]
        system = archsim.load_system(f"{simulator}:{file}")
        assert system.name == f"{simulator}:{file.stem}"
        ranks = int(file.name.split("_")[2][0])
        expected = 4 if "HBM3" in file.name else ranks
        assert system.dram.organization.ranks == expected
        assert (system.dram.refresh.mode == "none") == ("norefresh" in file.name)


@pytest.mark.skipif(not CONFIGS.is_dir(), reason="../shared/reference/dram/configs is not on this machine")
def test_both_simulators_files_of_one_memory_agree_but_where_they_differ():
    ours, theirs = (
        clocks(archsim.load_system(f"{simulator}:{CONFIGS / file}"))
        for simulator, file in (
            ("dramsim3", "dramsim3_DDR4_2r_bank8.ini"),
            ("ramulator2", "ramulator2_DDR4_2r_rowhit32.yaml"),
        )
    )
    # DRAMsim3 keeps RD and WR of two ranks apart on the data bus, Ramulator 2.1 by the length of the burst alone.
    assert (ours["other_rank", "RD", "WR", 1], theirs["other_rank", "RD", "WR", 1]) == (11, 6)
    common = ours.keys() & theirs.keys() - {("other_rank", "RD", "WR", 1)}
    assert {key: ours[key] for key in common} == {key: theirs[key] for key in common}
    assert len(common) > 15
