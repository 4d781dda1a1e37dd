"""Address maps against a slow, obvious twin: every map that is accepted is one-to-one, every other is refused."""

import random
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.dram.address import channel_of, decode_table, encode
from archsim.dram.address_map import FIELDS, AddressMap
from archsim.dram.organization import Organization
from archsim.dram.spec import DramSpec
from archsim.errors import InputError
from archsim.kernels.lowering import decode_lines
from archsim.spec import FieldError, apply_overrides, preset_names

DDR4 = DramSpec.load("ddr4-2400")
SEEDS = st.integers(0, 2**32)
DDR3_LIKE = {"bank_groups": 1, "banks_per_group": 8}


def organization(**sizes):
    base = {
        "ranks": 1, "bank_groups": 4, "banks_per_group": 4, "rows": 8, "columns": 1024, "device_width_bits": 8,
        "bus_width_bits": 64, "burst_length": 8,
    }  # fmt: skip
    return Organization(**(base | sizes))


def random_organization(dice, rows):
    bus_width_bits = dice.choice([32, 64])
    return organization(
        channels=dice.choice([1, 2, 4]),
        pseudo_channels=dice.choice([1, 1, 2]),
        ranks=dice.choice([1, 2]),
        bank_groups=dice.choice([1, 2]),
        banks_per_group=dice.choice([1, 2, 4]),
        rows=rows,
        columns=8 * dice.choice([1, 2, 4]) * (64 // bus_width_bits),  # a row holds a line at least
        bus_width_bits=bus_width_bits,
    )


def place(unit, address_map, org):
    """Follow the description of `AddressMap` word by word; return the value of every field."""
    bits = org.field_bits()
    address = unit * org.access_bytes
    at = org.access_bytes.bit_length() - 1
    laid = {name: [] for name in FIELDS}
    in_line = 0
    for part in address_map.layout:
        name, _, count = part.partition(":")
        if name == "line":
            in_line = [64, 32, 16, 8].index(org.access_bytes)
            name, width = "column", min(in_line, bits["column"])
        else:
            width = int(count) if count else bits[name] - len(laid[name])
        laid[name] += [address >> (at + i) & 1 for i in range(width)]
        at += width
    value = {name: list(laid[name]) for name in FIELDS}
    source = laid[address_map.hash_with]
    if address_map.hash_with == "column":
        source = source[in_line:]
    source = iter(source)
    for name in address_map.hash:
        for bit in range(bits[name]):
            value[name][bit] ^= next(source, 0)
    for target, sources in (address_map.xor or {}).items():
        name, bit = target[:-1].split("[")
        for text in sources:
            which, number = text[:-1].split("[")
            value[name][int(bit)] ^= (
                (address >> int(number) & 1) if which == "a" else laid[which][int(number)]
            )
    return {name: sum(bit << i for i, bit in enumerate(field)) for name, field in value.items()}


def coordinates(address_map, org):
    units = np.arange(org.capacity_bytes // org.access_bytes)
    found = np.empty_like(units)
    decode_lines(units, decode_table(SimpleNamespace(organization=org, address_map=address_map)), found)
    return found


def everywhere(org):
    axes = [org.channels, org.pseudo_channels, org.ranks, org.bank_groups, org.banks_per_group, org.rows]
    ch, pc, ra, bg, ba, ro, co = np.indices((*axes, org.bursts_per_row)).reshape(7, -1)
    packed = encode(ra, bg, ba, ro, co, SimpleNamespace(organization=org), pseudo_channel=pc, channel=ch)
    return np.sort(packed)


def random_map(dice, org):
    """Draw any layout in any pieces, any hash and any XOR lists; most of them are one-to-one."""
    pieces = ["line"] if dice.random() < 0.4 else []
    left = org.field_bits()
    loose = []
    for name, width in left.items():
        if name == "column" and pieces:
            width -= min(64 // org.access_bytes // 2, width)
        while width > 0:
            part = dice.randint(1, width)
            loose.append(f"{name}:{part}")
            width -= part
    dice.shuffle(loose)
    if dice.random() < 0.7:  # the row on top
        loose.sort(key=lambda part: part.startswith("row"))
    source = dice.choice(["row", "column"])
    fields = [name for name in FIELDS if name != source and (source == "column" or name != "row")]
    hashed = dice.sample(fields, dice.randint(0, 2))
    slots = [f"{name}[{bit}]" for name, width in org.field_bits().items() for bit in range(width)]
    low = org.access_bytes.bit_length() - 1
    bits = slots + [f"a[{bit}]" for bit in range(low, low + len(slots))]
    targets = dice.sample(slots, min(len(slots), dice.randint(0, 3)))
    xor = {target: tuple(dice.sample(bits, dice.randint(1, min(3, len(bits))))) for target in targets}
    return AddressMap(layout=(*pieces, *loose), hash=tuple(hashed), hash_with=source, xor=xor or None)


def refusal(address_map, org):
    """Return why a map is refused; empty when it is accepted."""
    try:
        address_map.check_against(org)
    except FieldError as refused:
        return str(refused)
    return ""


@settings(derandomize=True, deadline=None, max_examples=400)
@given(SEEDS)
def test_a_map_is_accepted_exactly_when_it_is_one_to_one(seed):
    dice = random.Random(seed)
    org = random_organization(dice, dice.choice([1, 2, 8, 32]))
    drawn = random_map(dice, org)
    units = range(org.capacity_bytes // org.access_bytes)
    one_to_one = len({tuple(place(unit, drawn, org).values()) for unit in units}) == len(units)
    reason = refusal(drawn, org)
    if reason:
        short_of_rows = "row bits, the row has" in reason
        assert short_of_rows or (not one_to_one and "would share one place (not a bijection)" in reason)
        return
    assert one_to_one
    assert np.array_equal(np.sort(coordinates(drawn, org)), everywhere(org))


@settings(derandomize=True, deadline=None, max_examples=300)
@given(SEEDS)
def test_an_accepted_map_with_any_number_of_rows_fills_exactly_the_memory(seed):
    dice = random.Random(seed)
    org = random_organization(dice, dice.choice([3, 5, 6, 12, 20, 24]))
    drawn = random_map(dice, org)
    if refusal(drawn, org):
        return
    assert np.array_equal(np.sort(coordinates(drawn, org)), everywhere(org))


@settings(derandomize=True, deadline=None, max_examples=300)
@given(SEEDS)
def test_the_decode_table_agrees_with_the_twin(seed):
    dice = random.Random(seed)
    org = random_organization(dice, dice.choice([4, 24, 32]))
    drawn = random_map(dice, org)
    if refusal(drawn, org):
        return
    found = coordinates(drawn, org)
    for unit in dice.sample(range(len(found)), min(20, len(found))):
        v = place(unit, drawn, org)
        expected = encode(
            v["rank"], v["bank_group"], v["bank"], v["row"], v["column"], SimpleNamespace(organization=org),
            pseudo_channel=v["pseudo_channel"], channel=v["channel"],
        )  # fmt: skip
        assert found[unit] == expected
        assert channel_of(found)[unit] == v["channel"]


@pytest.mark.parametrize("rows", [8, 24])
@pytest.mark.parametrize("bus_width_bits", [32, 64])
@pytest.mark.parametrize(("channels", "pseudo_channels", "ranks"), [(1, 1, 1), (2, 1, 2), (4, 2, 1)])
@pytest.mark.parametrize("name", ["roco", "skylake", "skylake-64", "ileave", "mop4clxor", "permutation"])
def test_a_general_preset_fills_any_memory(name, channels, pseudo_channels, ranks, bus_width_bits, rows):
    org = organization(
        channels=channels, pseudo_channels=pseudo_channels, ranks=ranks, rows=rows * 64, columns=64,
        bus_width_bits=bus_width_bits,
    )  # fmt: skip
    preset = AddressMap.load(name)
    preset.check_against(org)
    assert np.array_equal(np.sort(coordinates(preset, org)), everywhere(org))


# Published functions as (field bit, address bits), copied from the papers' lists, not from the presets.
PUBLISHED = {
    "sandy-bridge": ({**DDR3_LIKE, "channels": 2, "ranks": 2}, {
        "channel[0]": [6], "bank[0]": [14, 18], "bank[1]": [15, 19], "bank[2]": [16, 20], "rank[0]": [17]}),
    "haswell-1ch-1rank": (DDR3_LIKE, {"bank[0]": [13, 16], "bank[1]": [14, 17], "bank[2]": [15, 18]}),
    "haswell-1ch-2rank": ({**DDR3_LIKE, "ranks": 2}, {
        "bank[0]": [13, 17], "bank[1]": [14, 18], "rank[0]": [15, 19], "bank[2]": [16, 20]}),
    "haswell-2ch-1rank": ({**DDR3_LIKE, "channels": 2}, {
        "channel[0]": [7, 8, 9, 12, 13, 18, 19],
        "bank[0]": [14, 17], "bank[1]": [15, 18], "bank[2]": [16, 19]}),
    "haswell-2ch-2rank": ({**DDR3_LIKE, "channels": 2, "ranks": 2}, {
        "channel[0]": [7, 8, 9, 12, 13, 18, 19],
        "bank[0]": [14, 18], "bank[1]": [15, 19], "rank[0]": [16, 20], "bank[2]": [17, 21]}),
    "skylake-2ch-2rank": ({"channels": 2, "ranks": 2}, {
        "channel[0]": [8, 9, 12, 13, 18, 19], "bank_group[0]": [7, 14], "bank_group[1]": [15, 19],
        "rank[0]": [16, 20], "bank[0]": [17, 21], "bank[1]": [18, 22]}),
    "coffee-lake-1rank": ({}, {
        "bank_group[0]": [6, 13], "bank_group[1]": [14, 17], "bank[0]": [15, 18], "bank[1]": [16, 19]}),
    "coffee-lake-2rank": ({"ranks": 2}, {
        "bank_group[0]": [6, 13], "bank_group[1]": [14, 18], "rank[0]": [15, 19], "bank[0]": [16, 20],
        "bank[1]": [17, 21]}),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_map_computes_its_published_functions_and_fills_the_memory(name):
    sizes, functions = PUBLISHED[name]
    org, preset = organization(rows=32, **sizes), AddressMap.load(name)
    preset.check_against(org)
    masks = preset.masks(org)
    for target, bits in functions.items():
        field, bit = target[:-1].split("[")
        assert masks[field][int(bit)] << 6 == sum(1 << b for b in bits)
    selected = sum(len(masks[name]) for name in FIELDS if name not in ("row", "column"))
    assert selected == len(functions)
    assert np.array_equal(np.sort(coordinates(preset, org)), everywhere(org))


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_map_refuses_other_memories_by_name(name):
    sizes, _ = PUBLISHED[name]
    preset = AddressMap.load(name)
    with pytest.raises(FieldError, match=r"needs: the map holds for ranks = .*, not 4"):
        preset.check_against(organization(**(sizes | {"ranks": 4})))
    with pytest.raises(FieldError, match="needs: the map holds for bursts_per_row = 128, not 64"):
        preset.check_against(organization(**(sizes | {"columns": 512})))
    other = {"bank_groups": 2, "banks_per_group": 4}
    with pytest.raises(FieldError, match=r"needs: the map holds for bank_groups = [14], not 2"):
        preset.check_against(organization(**(sizes | other)))


def test_every_preset_is_general_or_published_or_stripes():
    general = {"roco", "skylake", "skylake-64", "ileave", "mop4clxor", "permutation"}
    assert set(preset_names("address_map")) == general | set(PUBLISHED) | {"tensordimm-8rank"}


def test_the_striping_map_puts_pieces_on_the_dimms_in_turn_and_fills_the_memory():
    org, preset = organization(ranks=8, rows=32), AddressMap.load("tensordimm-8rank")
    preset.check_against(org)
    places = coordinates(preset, org)
    assert np.array_equal(np.sort(places), everywhere(org))
    banks_per_rank_bits = (org.banks_per_rank).bit_length() - 1
    dimm = (places >> (16 + banks_per_rank_bits) & 7) >> 1
    assert dimm[:64].tolist() == [0, 1, 2, 3] * 16


def test_mop4clxor_is_what_ramulator_computes():
    """Its loop, level by level: low column bits, rank, bank group, bank, high column bits, row, then the XORs."""
    org, preset = organization(ranks=2, rows=64), AddressMap.load("mop4clxor")
    for line in random.Random(1).sample(range(org.capacity_bytes // 64), 500):
        rest, level = line >> 2, {}
        for field in ("rank", "bank_group", "bank"):
            level[field] = rest % 2 ** org.field_bits()[field]
            rest >>= org.field_bits()[field]
        column = line % 4 + (rest % 32 << 2)
        level["row"] = rest >> 5
        shift = 0
        for field in ("rank", "bank_group", "bank", "row"):
            level[field] ^= column >> shift & (1 << org.field_bits()[field]) - 1
            shift += org.field_bits()[field]
        expected = level | {"column": column, "channel": 0, "pseudo_channel": 0}
        assert place(line, preset, org) == expected


@pytest.mark.parametrize("name", ["skylake", "skylake-64", "ileave", "mop4clxor", "roco", "permutation"])
def test_both_accesses_of_a_line_lie_side_by_side_in_one_row(name):
    org = organization(bus_width_bits=32, channels=2, pseudo_channels=2, rows=64)
    found = coordinates(AddressMap.load(name), org)
    assert np.array_equal(found[1::2], found[::2] + 1)


def test_a_row_bit_may_be_hashed_when_it_counts_whole_powers_of_two():
    org = organization(rows=24)
    fields = ["column", "bank_group", "bank", "row"]
    low = AddressMap(layout=tuple(fields), hash=(), xor={"row[2]": ("bank[0]",)})
    low.check_against(org)
    assert np.array_equal(np.sort(coordinates(low, org)), everywhere(org))


MAP = "must be a power of two, or its 2 highest bits the highest of the layout and not hashed"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("layout=['row', 'column', 'bank_group', 'bank']", f"organization.rows = 49152: {MAP}"),
        ("layout=['column', 'row:15', 'bank_group', 'row', 'bank']", f"organization.rows = 49152: {MAP}"),
        ("xor={ 'row[15]' = ['bank[0]'] }", f"organization.rows = 49152: {MAP}"),
        ("xor={ 'row[14]' = ['row[15]'] }", f"organization.rows = 49152: {MAP}"),
        (
            "xor={ 'bank[0]' = ['row[3]'], 'row[3]' = ['bank[0]'] }",
            "address_map: addresses 0 and 0x108000 would share one place (not a bijection)",
        ),
        ("xor={ 'bank[2]' = ['row[3]'] }", "address_map.xor.bank[2]: bank has 2 bits, counted from 0"),
        ("xor={ 'rank[0]' = ['row[3]'] }", "address_map.xor.rank[0]: rank has 0 bits, counted from 0"),
        ("xor={ 'bank[0]' = ['row[16]'] }", "address_map.xor.bank[0]: 'row[16]': row has 16 bits, counted"),
        (
            "xor={ 'bank[0]' = ['a[5]'] }",
            "address_map.xor.bank[0]: 'a[5]': must be from a[6] to a[32], the bits",
        ),
        (
            "xor={ 'bank[0]' = ['a[33]'] }",
            "address_map.xor.bank[0]: 'a[33]': must be from a[6] to a[32], the",
        ),
        ("xor={ 'bank' = ['a[13]'] }", "address_map.xor: 'bank': must be one bit, such as 'bank[0]'"),
        ("xor={ 'a[3]' = ['a[13]'] }", "address_map.xor: 'a[3]': unknown field"),
        ("xor={ 'bnk[0]' = ['a[13]'] }", "address_map.xor: 'bnk[0]': unknown field (did you mean 'bank'?)"),
        (
            "xor={ 'bank[0]' = ['rw[0]'] }",
            "address_map.xor.bank[0]: 'rw[0]': unknown field (did you mean 'row'?)",
        ),
        (
            "xor={ 'bank[0]' = ['a13'] }",
            "address_map.xor.bank[0]: 'a13': must be one bit, such as 'a[13]' or 'row",
        ),
        (
            "xor={ 'bank[0]' = ['a[9]', 'a[9]'] }",
            "address_map.xor.bank[0]: must name each bit once; twice cancels",
        ),
        (
            "layout=['column', 'line', 'row']",
            "address_map.layout: 'line': may stand once, without a count, before",
        ),
        (
            "layout=['line:1', 'row']",
            "address_map.layout: 'line:1': may stand once, without a count, before any",
        ),
        ("hash_with=column", "address_map.hash = ['column']: names column, which hash_with uses"),
        ("needs={ rank = [1] }", "address_map.needs.rank: unknown key (did you mean 'ranks'?)"),
        ("needs={ ranks = [2, 4] }", "address_map.needs: the map holds for ranks = 2 or 4, not 1"),
    ],
)
def test_a_map_that_does_not_fit_is_refused_with_the_rule(override, message):
    base = apply_overrides(DDR4, ["address_map.preset=roco", "organization.rows=49152"])
    overrides = [f"address_map.{override}"]
    if override == "hash_with=column":
        overrides.append("address_map.hash=['column']")
    with pytest.raises(InputError) as refused:
        apply_overrides(base, overrides)
    assert str(refused.value).startswith(f"--set: {message}")


def test_the_named_addresses_do_share_a_place():
    org = organization(rows=64)
    layout = ("column", "bank_group", "bank", "row")
    broken = AddressMap(layout=layout, hash=(), xor={"bank[0]": ("row[3]",), "row[3]": ("bank[0]",)})
    with pytest.raises(FieldError) as refused:
        broken.check_against(org)
    address = int(str(refused.value).split(" and ")[1].split()[0], 16)
    assert place(address // 64, broken, org) == place(0, broken, org)
