"""From lookups to DRAM coordinates: table layout, page placement and address map, against plain Python."""

import random
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim import InputError, load_system
from archsim.dram.address import decode_table, encode
from archsim.dram.spec import DramSpec
from archsim.kernels.lowering import decode_lines
from archsim.spec import apply_overrides
from archsim.systems.lowering import Lowering
from archsim.traces import Table

BASE = load_system("host-1rank")
DDR4 = DramSpec.load("ddr4-2400")
MAPS = ["skylake", "skylake-64", "roco"]
SEEDS = st.integers(0, 2**32)
FIELDS = ("rank", "bank_group", "bank", "row", "column")


def splitmix64(seed, n):
    """The n-th output (from 1) of SplitMix64."""
    z = (seed + n * 0x9E3779B97F4A7C15) % 2**64
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ z >> 27) * 0x94D049BB133111EB % 2**64
    return z ^ z >> 31


def permuted(page, frames, pages, system, stream=0):
    """Permute page numbers: three rounds of odd multiplication, addition and xor with the upper half of the bits.

    They permute a power of two of pages; a page that lands beyond the last frame is placed again from there.
    """
    shift = max(1, pages.bit_length() // 2)
    keys = [splitmix64(system.placement.seed, 6 * stream + n) for n in range(1, 7)]
    while True:
        for multiplier, addend in zip(keys[::2], keys[1::2], strict=True):
            page = (page * (multiplier | 1) + addend) % pages
            page ^= page >> shift
        if page < frames:
            return page


def frames_and_pages(system):
    """Return the frames of the memory, and the power of two of pages that just holds them."""
    frames = system.dram.organization.capacity_bytes // system.placement.page_bytes
    return frames, 1 << (frames - 1).bit_length()


def frame_of(page, system):
    """Place a page without a colour."""
    return (
        page if system.placement.policy == "contiguous" else permuted(page, *frames_and_pages(system), system)
    )


def coordinate_of(unit, dram):
    """Follow the description of `AddressMap` bit by bit."""
    bits = dram.organization.field_bits()
    value, taken = dict.fromkeys(bits, 0), dict.fromkeys(bits, 0)
    for part in dram.address_map.layout:
        name, _, count = part.partition(":")
        if name == "line":
            name, count = "column", str(dram.organization.accesses_per_line // 2)
        for _ in range(int(count) if count else bits[name] - taken[name]):
            value[name] |= (unit & 1) << taken[name]
            taken[name] += 1
            unit >>= 1
    row = value["row"]
    for name in dram.address_map.hash:
        value[name] ^= row % 2 ** bits[name]
        row >>= bits[name]
    outer = {name: value[name] for name in ("pseudo_channel", "channel")}
    return int(encode(*(value[name] for name in FIELDS), dram, **outer))


def units_of(row, number, tables, system):
    """List the coordinates of the accesses that one vector needs."""
    page_bytes, align_bytes = system.placement.page_bytes, system.placement.table_align_bytes
    row_align = system.placement.row_align_bytes or 1
    strides = [-(-table.vector_bytes // row_align) * row_align for table in tables]
    base = 0
    for table, stride in zip(tables[:number], strides, strict=False):
        base += table.rows * stride
        while base % align_bytes or base % row_align:
            base += 1
    first = base + row * strides[number]
    coordinates = []
    for byte in range(first, first + tables[number].vector_bytes):
        if byte == first or byte % 64 == 0:
            physical = frame_of(byte // page_bytes, system) * page_bytes + byte % page_bytes
            for start in range(
                physical - physical % 64, physical - physical % 64 + 64, system_access(system)
            ):
                coordinates.append(coordinate_of(start // system_access(system), system.dram))
    return coordinates


def system_access(system):
    return system.dram.organization.access_bytes


def random_system(dice):
    overrides = [
        f"dram.organization.ranks={dice.choice([1, 2, 4, 8])}",
        f"dram.organization.channels={dice.choice([1, 1, 2, 4])}",
        f"dram.organization.rows={dice.choice([512, 1000, 1024, 49152, 65536])}",
        f"dram.organization.bus_width_bits={dice.choice([64, 32])}",
        f"dram.organization.columns={dice.choice([64, 1024])}",
        f"dram.address_map.preset={dice.choice(MAPS)}",
        f"placement.page_bytes={dice.choice([64, 4096, 4096, 2**16])}",
        f"placement.policy={dice.choice(['random', 'random', 'contiguous'])}",
        f"placement.seed={dice.randrange(2**63)}",
        *dice.choice([[], [f"placement.align_bytes={dice.choice([1, 4, 64, 4096, 2**21])}"]]),
        *dice.choice([[], [f"placement.row_align_bytes={dice.choice([1, 8, 64, 128, 256])}"]]),
    ]
    return apply_overrides(BASE, overrides)


def small_system(policy="random", page_bytes=4096, seed=1, ranks=1):
    """A memory of 1 MiB per rank (16 banks x 128 rows x 512 bytes)."""
    return apply_overrides(
        BASE,
        [
            f"dram.organization.ranks={ranks}",
            "dram.organization.rows=128",
            "dram.organization.columns=64",
            f"placement.policy={policy}",
            f"placement.page_bytes={page_bytes}",
            f"placement.seed={seed}",
        ],
    )


def lower(system, tables, rows, numbers):
    coordinates, lookup = Lowering(system, tables).lower(
        np.array(rows, np.int64), np.array(numbers, np.int32)
    )
    assert len(coordinates) == len(lookup)
    return coordinates.tolist(), lookup.tolist()


@settings(derandomize=True, deadline=None, max_examples=100)
@given(SEEDS)
def test_vectors_lie_where_a_plain_translation_puts_them(seed):
    dice = random.Random(seed)
    system = random_system(dice)
    tables = [
        Table(f"table {t}", dice.choice([1, 50, 999]), dice.choice([1, 7, 40, 64, 65, 96, 128, 200]), "int8")
        for t in range(dice.randint(1, 4))
    ]
    numbers = [dice.randrange(len(tables)) for _ in range(8)]
    rows = [dice.choice([0, tables[t].rows - 1, dice.randrange(tables[t].rows)]) for t in numbers]
    expected = [units_of(row, t, tables, system) for row, t in zip(rows, numbers, strict=True)]
    coordinates, lookup = lower(system, tables, rows, numbers)
    assert coordinates == [unit for vector in expected for unit in vector]
    assert lookup == [i for i, vector in enumerate(expected) for _ in vector]


@pytest.mark.parametrize("seed", [0, 1, 2**63 - 1])
@pytest.mark.parametrize(("rows", "page_bytes"), [
    (128, 64), (128, 512), (128, 4096), (128, 2**19), (128, 2**20), (129, 4096), (100, 64), (3, 4096), (1, 8192),
])  # fmt: skip
def test_random_placement_gives_every_page_a_frame_of_its_own(rows, page_bytes, seed):
    system = apply_overrides(
        small_system(page_bytes=page_bytes, seed=seed),
        [f"dram.organization.rows={rows}", "dram.address_map.preset=roco"],
    )
    lines = rows * 2**13 // 64
    coordinates, _ = lower(system, [Table("all", lines, 64)], range(lines), [0] * lines)
    assert len(set(coordinates)) == lines
    assert max(coordinates) >> 32 == rows - 1


def test_what_is_no_whole_page_of_the_memory_stays_unused():
    system = apply_overrides(small_system(page_bytes=2**16), ["dram.organization.rows=129"])
    whole = 129 * 2**13 // 2**16 * 2**16
    coordinates, _ = lower(system, [Table("all", whole // 64, 64)], range(whole // 64), [0] * (whole // 64))
    assert len(set(coordinates)) == whole // 64
    with pytest.raises(InputError, match=r"the tables need 1.062 MiB but the memory holds 1 MiB"):
        Lowering(system, [Table("one more", whole // 64 + 1, 64)])


def test_tables_without_alignment_follow_one_another_without_a_gap():
    system = apply_overrides(small_system("contiguous"), ["placement.align_bytes=1"])
    tables = [Table("bytes", 100, 1, "int8"), Table("words", 3, 64), Table("more", 5, 128)]
    assert Lowering(system, tables).table_base.tolist() == [0, 100, 292]
    _, lookup = lower(system, tables, [0, 0, 2, 0, 4], [1, 0, 1, 2, 2])
    assert [lookup.count(i) for i in range(5)] == [2, 1, 2, 3, 3]


def test_tables_can_begin_at_multiples_of_more_than_a_page():
    system = apply_overrides(small_system("contiguous"), ["placement.align_bytes=64 KiB"])
    tables = [Table("a", 3, 64), Table("b", 2**16 // 64, 64), Table("c", 1, 64)]
    assert Lowering(system, tables).table_base.tolist() == [0, 2**16, 2**17]


def test_random_placement_depends_on_its_seed_and_scatters_neighbours():
    pages, tables = range(256), [Table("all", 256, 4096)]
    placed = {tuple(lower(small_system(seed=seed), tables, pages, [0] * 256)[0][::64]) for seed in range(20)}
    assert len(placed) == 20
    neighbours = pairwise(lower(small_system("contiguous"), tables, pages, [0] * 256)[0][::64])
    close = set(neighbours)
    for frames in placed:
        assert sum(pair in close for pair in pairwise(frames)) < 13


@pytest.mark.parametrize("address_map", MAPS)
def test_contiguous_placement_fills_the_memory_in_order(address_map):
    system = apply_overrides(small_system("contiguous"), [f"dram.address_map.preset={address_map}"])
    tables = [Table("first", 3, 64), Table("second", 100, 128)]
    coordinates, _ = lower(system, tables, [0, 1, 2, 0, 99], [0, 0, 0, 1, 1])
    lines = [0, 1, 2, 64, 65, 64 + 198, 64 + 199]
    assert coordinates == [coordinate_of(line, system.dram) for line in lines]


@pytest.mark.parametrize(
    ("vector_bytes", "touched"),
    [
        (64, [1, 1, 1, 1]),
        (96, [2, 2, 2, 2]),
        (40, [1, 2, 1, 2, 2, 1, 2, 1]),
        (128, [2, 2]),
        (1, [1] * 70),
        (65, [2] * 70),
        (67, [2] * 21 + [3, 2]),
    ],
)
def test_a_vector_touches_the_lines_it_overlaps_and_no_others(vector_bytes, touched):
    rows = range(len(touched))
    _, lookup = lower(small_system(), [Table("table", 100, vector_bytes, "int8")], rows, [0] * len(touched))
    assert [lookup.count(i) for i in rows] == touched
    assert lookup == sorted(lookup)


@pytest.mark.parametrize("ranks", [2, 8])
@pytest.mark.parametrize("address_map", MAPS)
@pytest.mark.parametrize("vector_bytes", [64, 128, 256, 512])
def test_vectors_that_divide_a_row_lie_on_one_rank(vector_bytes, address_map, ranks):
    system = apply_overrides(
        BASE, [f"dram.organization.ranks={ranks}", f"dram.address_map.preset={address_map}"]
    )
    rows = random.Random(1).sample(range(1_000_000), 2000)
    coordinates, lookup = lower(system, [Table("table", 1_000_000, vector_bytes)], rows, [0] * 2000)
    ranks_of = [set() for _ in rows]
    for coordinate, i in zip(coordinates, lookup, strict=True):
        ranks_of[i].add(coordinate >> 20 & 0xFFF)
    assert {len(touched) for touched in ranks_of} == {1}
    used = [touched.pop() for touched in ranks_of]
    assert min(used.count(rank) for rank in range(ranks)) > 0.8 * 2000 / ranks


def test_tables_fill_the_memory_to_the_last_page():
    tables = [Table("half", 2**19 // 64, 64), Table("most of the other half", 2**19 // 64 - 63, 64)]
    coordinates, _ = lower(small_system("contiguous"), tables, [0], [1])
    assert len(coordinates) == 1


def test_tables_larger_than_the_memory_are_refused():
    tables = [Table("half", 2**19 // 64, 64), Table("more", 2**19 // 64 + 1, 64)]
    with pytest.raises(InputError) as refused:
        Lowering(small_system(), tables)
    assert str(refused.value) == "system 'host-1rank': the tables need 1.004 MiB but the memory holds 1 MiB"


@pytest.mark.parametrize("ranks", [1, 2, 4, 8])
@pytest.mark.parametrize("address_map", MAPS)
def test_every_preset_map_gives_every_line_of_a_small_memory_a_place_of_its_own(address_map, ranks):
    dram = apply_overrides(small_system(ranks=ranks), [f"dram.address_map.preset={address_map}"]).dram
    o = dram.organization
    lines = np.arange(o.capacity_bytes // 64)
    coordinates = np.empty_like(lines)
    decode_lines(lines, decode_table(dram), coordinates)
    everywhere = encode(
        0, 0, np.arange(o.banks)[:, None, None], np.arange(o.rows)[:, None], np.arange(o.bursts_per_row), dram
    )
    assert np.array_equal(np.sort(coordinates), np.sort(everywhere.ravel()))


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.integers(0, 2**30 - 1), st.sampled_from(MAPS), st.sampled_from([1, 2, 4, 8]))
def test_decoding_a_line_agrees_with_the_map_bit_by_bit(line, address_map, ranks):
    dram = PRESETS[address_map, ranks]
    line %= dram.organization.capacity_bytes // 64
    coordinates = np.empty(1, np.int64)
    decode_lines(np.array([line]), decode_table(dram), coordinates)
    assert coordinates[0] == coordinate_of(line, dram)


PRESETS = {
    (name, ranks): apply_overrides(DDR4, [f"address_map.preset={name}", f"organization.ranks={ranks}"])
    for name in MAPS
    for ranks in (1, 2, 4, 8)
}


def test_a_line_of_two_accesses_becomes_two_neighbouring_columns():
    system = apply_overrides(small_system("contiguous"), ["dram.organization.bus_width_bits=32"])
    coordinates, lookup = lower(system, [Table("table", 100, 128)], [0, 7], [0, 0])
    assert lookup == [0] * 4 + [1] * 4
    assert coordinates == [coordinate_of(unit, system.dram) for unit in (0, 1, 2, 3, 28, 29, 30, 31)]
    assert [b - a for a, b in zip(coordinates[::2], coordinates[1::2], strict=True)] == [1] * 4
    lines, found = np.array([0, 1, 14, 15]), np.empty(8, np.int64)
    decode_lines(lines, decode_table(system.dram), found, 2)
    assert found.tolist() == coordinates


@settings(derandomize=True, deadline=None, max_examples=30)
@given(SEEDS)
def test_any_map_without_hash_or_hashed_by_rows_is_a_bijection(seed):
    dice = random.Random(seed)
    system = small_system(ranks=2)
    layout = ["row", "column", "bank_group", "bank", "rank"]
    dice.shuffle(layout)
    hashed = dice.sample(["rank", "bank_group", "bank"], dice.randint(0, 3))
    dram = apply_overrides(system.dram, [f"address_map.layout={layout}", f"address_map.hash={hashed}"])
    lines = np.arange(dram.organization.capacity_bytes // 64)
    coordinates = np.empty_like(lines)
    decode_lines(lines, decode_table(dram), coordinates)
    assert len(np.unique(coordinates)) == len(lines)
    for line in dice.sample(range(len(lines)), 5):
        assert coordinates[line] == coordinate_of(line, dram)
