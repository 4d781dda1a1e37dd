"""DRAM specification checks: address maps, organization, timing, controller, rule latencies."""

import importlib.util
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.dram.spec import AddressMap, DramSpec, resolve_latency
from archsim.errors import InputError
from archsim.spec import apply_overrides

SHARED = Path(__file__).parents[1].parent / "shared"
DDR4 = DramSpec.load("ddr4-2400")
FIELDS = ("column", "rank", "bank_group", "bank", "row")

LINES = [0, 1, 2, 128, 129, 256, 511, 12345, 98765432, (1 << 27) + 5, (1 << 28) - 1, 0x5A5A5A5]
# (column, rank, bank group, bank, row) of LINES with two ranks, computed by the peers' trace encoder.
ROCO = [
    (0, 0, 0, 0, 0), (1, 0, 0, 0, 0), (2, 0, 0, 0, 0), (0, 1, 0, 0, 0), (1, 1, 0, 0, 0), (0, 0, 1, 0, 0),
    (127, 1, 1, 0, 0), (57, 0, 0, 0, 3), (120, 0, 2, 2, 24112), (5, 0, 0, 0, 32768), (127, 1, 3, 3, 65535),
    (37, 1, 1, 1, 23130),
]  # fmt: skip
SKYLAKE_64 = [
    (0, 0, 0, 0, 0), (0, 0, 1, 0, 0), (1, 0, 0, 0, 0), (64, 0, 0, 0, 0), (64, 0, 1, 0, 0), (0, 0, 2, 0, 0),
    (127, 0, 3, 0, 0), (28, 0, 2, 0, 3), (60, 0, 0, 1, 24112), (2, 0, 1, 0, 32768), (127, 0, 0, 0, 65535),
    (82, 1, 1, 0, 23130),
]  # fmt: skip


def memory(address_map: str, ranks: int) -> DramSpec:
    return apply_overrides(DDR4, [f"address_map.preset={address_map}", f"organization.ranks={ranks}"])


def decode(line: int, spec: DramSpec) -> tuple[int, ...]:
    """Follow the description of `AddressMap` word by word."""
    bits = spec.organization.field_bits()
    value, taken = dict.fromkeys(bits, 0), dict.fromkeys(bits, 0)
    for part in spec.address_map.layout:
        name, _, count = part.partition(":")
        if name == "line":  # one access moves a whole line of this memory
            continue
        width = int(count) if count else bits[name] - taken[name]
        value[name] |= (line & ((1 << width) - 1)) << taken[name]
        taken[name] += width
        line >>= width
    row = value["row"]
    for name in spec.address_map.hash:
        value[name] ^= row & ((1 << bits[name]) - 1)
        row >>= bits[name]
    return tuple(value[name] for name in FIELDS)


@pytest.mark.parametrize(("preset", "expected"), [("roco", ROCO), ("skylake-64", SKYLAKE_64)])
def test_a_preset_places_lines_where_the_peers_traces_were_placed(preset, expected):
    spec = memory(preset, ranks=2)
    assert [decode(line, spec) for line in LINES] == expected


@pytest.mark.parametrize(("preset", "mapping"), [("roco", "roco"), ("skylake-64", "skl")])
@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_a_preset_agrees_with_the_peers_trace_encoder_on_any_line(preset, mapping, ranks):
    path = SHARED / "reference" / "dram" / "make_traces.py"
    if not path.exists():
        pytest.skip(f"{path} is absent")
    import numpy as np

    loader = importlib.util.spec_from_file_location("make_traces", path)
    peers = importlib.util.module_from_spec(loader)
    loader.loader.exec_module(peers)
    spec = memory(preset, ranks)
    bits = spec.organization.field_bits()
    geometry = {
        short: bits[name] for short, name in zip(("col", "ra", "bg", "ba", "ro"), FIELDS, strict=True)
    }
    lines = [(i * 0x9E3779B1 + 12345) % (spec.organization.capacity_bytes // 64) for i in range(500)]
    packed = peers.encode_native(np.array(lines, np.uint64), geometry, mapping) >> np.uint64(6)
    for line, rest in zip(lines, packed.tolist(), strict=True):
        expected = []
        for name in FIELDS:
            expected.append(rest & ((1 << bits[name]) - 1))
            rest >>= bits[name]
        assert decode(line, spec) == tuple(expected)


@given(st.integers(0, (1 << 28) - 1))
def test_skylake_keeps_an_aligned_128_byte_vector_in_one_row(line):
    spec = memory("skylake", ranks=2)
    first, second = decode(line & ~1, spec), decode(line | 1, spec)
    assert first[1:] == second[1:]
    assert second[0] == first[0] + 1


@given(st.integers(0, (1 << 28) - 1))
def test_skylake_64_sends_neighbouring_lines_to_different_bank_groups(line):
    spec = memory("skylake-64", ranks=2)
    first, second = decode(line & ~1, spec), decode(line | 1, spec)
    assert first[2] ^ second[2] == 1
    assert first[:2] + first[3:] == second[:2] + second[3:]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("layout=['colum', 'row']", "layout: 'colum': unknown field (did you mean 'column'?)"),
        ("layout=['column:x']", "layout: 'column:x': must be FIELD or FIELD:BITS, such as 'bank_group:1'"),
        ("layout=['column:0']", "layout: 'column:0': must be FIELD or FIELD:BITS, such as 'bank_group:1'"),
        ("hash=['row']", "hash = ['row']: names row, which hash_with uses"),
        ("hash=['bank', 'bank']", "hash = ['bank', 'bank']: must name each field once"),
        (
            "hash=['bnk']",
            "hash[0] = 'bnk': must be 'column', 'channel', 'pseudo_channel', 'rank', 'bank_group', 'bank' or 'row' "
            "(did you mean 'bank'?)",
        ),
    ],
)
def test_an_address_map_of_unknown_parts_is_refused(override, message):
    with pytest.raises(InputError) as refused:
        apply_overrides(AddressMap.load("roco"), [override])
    assert str(refused.value).startswith(f"--set: {message}")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "address_map.layout=['column', 'column:1', 'rank', 'bank_group', 'bank', 'row']",
            "address_map.layout: 'column:1': takes 1 bits, column has 0 left of 7",
        ),
        (
            "address_map.layout=['column', 'rank', 'bank_group', 'row']",
            "address_map.layout: leaves out 2 bits of bank",
        ),
        (
            "address_map.layout=['column:3', 'rank', 'bank_group', 'bank', 'row']",
            "address_map.layout: leaves out 4 bits of column",
        ),
        (
            "organization.bank_groups=1",
            "address_map.layout: 'bank_group:1': takes 1 bits, bank_group has 0 left of 0",
        ),
        ("organization.rows=8", "address_map.hash: needs 4 row bits, the row has 3"),
    ],
)
def test_an_address_map_that_misses_or_repeats_a_bit_is_refused(override, message):
    with pytest.raises(InputError) as refused:
        apply_overrides(DDR4, [override])
    assert str(refused.value) == f"--set: {message}"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("organization.ranks=3", "organization.ranks = 3: must be a power of two"),
        ("organization.rows=0", "organization.rows = 0: must be at least 1"),
        (
            "organization.burst_length=16",
            "organization.burst_length = 16: moves 128 bytes over bus_width_bits = 64, more than a line of 64",
        ),
        ("organization.columns=4", "organization.columns = 4: must hold one burst, burst_length = 8"),
        (
            "organization={ device_width_bits = 16, bus_width_bits = 8, burst_length = 64 }",
            "organization.device_width_bits = 16: must be at most bus_width_bits = 8",
        ),
        ("timing.tCCD_L=3", "timing.tCCD_L = 3: must be at least tCCD_S = 4"),
        ("timing.tRRD_S=7", "timing.tRRD_L = 6: must be at least tRRD_S = 7"),
        ("timing.tWTR_L=2", "timing.tWTR_L = 2: must be at least tWTR_S = 3"),
        (
            "timing.tRC=55",
            "timing.tRC = 55: must be at least tRAS + tRP = 56; left out, it is their sum",
        ),
        ("timing.tREFI=420", "timing.tREFI = 420: must be more than tRFC = 420, or the rank only refreshes"),
        ("timing.tBL=8", "timing.tBL = 8: must be organization.burst_length / beats_per_clk = 8 / 2"),
        ("timing.tCCD_S=3", "timing.tCCD_S = 3: must be at least tBL = 4, or bursts overlap"),
        ("timing.tCK_ps=0", "timing.tCK_ps = 0: must be at least 1"),
        (
            "timing.tRCD=14 ns",
            "timing.tRCD: '14 ns': is a time; a number of clocks is needed, such as '14 clk'",
        ),
        ("controller.write_queue=4097", "controller.write_queue = 4097: must be at most 4096"),
        ("controller.write_queue=16", "controller.write_drain_high = 26: must be at most write_queue = 16"),
        (
            "controller.write_drain_low=26",
            "controller.write_drain_low = 26: must be less than write_drain_high = 26",
        ),
        (
            "controller.scheduler=frfcfs",
            "controller.scheduler = 'frfcfs': must be 'fcfs' or 'fr-fcfs' (did you mean 'fr-fcfs'?)",
        ),
        (
            "refresh.mode=bank",
            "refresh.mode = 'bank': must be 'all-bank', 'per-bank', 'same-bank' or 'none' "
            "(did you mean 'per-bank'?)",
        ),
        ("energy.activate_pj=-1", "energy.activate_pj = -1: must be at least 0"),
        ("rules=[]", "rules: must have a length of at least 1"),
        (
            "rules=[{ level = 'rank', before = 'ACT', after = 'ACT', latency = 'tFWA', window = 4 }]",
            "rules[0].latency: 'tFWA': unknown timing 'tFWA' (did you mean 'tFAW'?)",
        ),
    ],
)
def test_an_impossible_memory_is_refused(override, message):
    with pytest.raises(InputError) as refused:
        apply_overrides(DDR4, [override])
    assert str(refused.value) == f"--set: {message}"


@pytest.mark.parametrize(
    "name", ["CL", "CWL", "tRCD", "tRP", "tFAW", "tWR", "tRTP", "tRTRS", "tRFC", "tREFI", "tRAS"]
)
def test_each_of_these_timings_may_be_varied_alone(name):
    value = getattr(DDR4.timing, name)
    for varied in (value - 1, value + 1):
        assert getattr(apply_overrides(DDR4, [f"timing.{name}={varied}"]).timing, name) == varied


@pytest.mark.parametrize(
    ("level", "before", "after", "latency_clk"),
    [
        ("bank", "WR", "PRE", 34),
        ("bank_group", "WR", "RD", 25),
        ("rank", "RD", "WR", 11),
        ("rank", "WR", "RD", 19),
        ("other_rank", "RD", "RD", 6),
        ("other_rank", "RD", "WR", 11),
        ("other_rank", "WR", "RD", 1),
    ],
)
def test_ddr4_rules_resolve_to_the_clocks_of_the_peers(level, before, after, latency_clk):
    rules = [rule for rule in DDR4.rules if (rule.level, rule.before, rule.after) == (level, before, after)]
    assert [resolve_latency(rule.latency, DDR4.timing) for rule in rules] == [latency_clk]


def test_only_four_activates_have_a_window():
    assert [rule.latency for rule in DDR4.rules if rule.window > 1] == ["tFAW"]
    assert next(rule.window for rule in DDR4.rules if rule.latency == "tFAW") == 4


@pytest.mark.parametrize(
    ("expression", "clocks"),
    [("tRCD", 17), ("-CL", -17), (" CL+2 - CWL ", 7), ("3", 3), ("CWL - CL", -5), ("10 - 2 - 3", 5)],
)
def test_a_latency_is_a_sum_of_timings_and_numbers(expression, clocks):
    assert resolve_latency(expression, DDR4.timing) == clocks


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("", "'': must be timing names and whole numbers joined by + and -"),
        ("--CL", "'--CL': must be timing names and whole numbers joined by + and -"),
        ("CL tBL", "'CL tBL': must be timing names and whole numbers joined by + and -"),
        ("2 * CL", "'2 * CL': must be timing names and whole numbers joined by + and -"),
        ("CL + ", "'CL + ': must be timing names and whole numbers joined by + and -"),
        ("CL + tWTRS", "'CL + tWTRS': unknown timing 'tWTRS' (did you mean 'tWTR_S'?)"),
        ("tCK_ps", "'tCK_ps': unknown timing 'tCK_ps'"),
    ],
)
def test_any_other_latency_is_refused(expression, message):
    with pytest.raises(InputError) as refused:
        resolve_latency(expression, DDR4.timing)
    assert str(refused.value).startswith(message)
