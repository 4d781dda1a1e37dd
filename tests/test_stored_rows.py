"""Rows as they are stored: padded so that near-memory units have them whole, 8-bit rows in pieces; what it costs."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nmp_sums import recorded, replay, slow_results, small_trace, with_operator
from recnmp_cases import small_system

from archsim import load_system, open_trace, simulate
from archsim.errors import InputError
from archsim.nmp.designs import design_class
from archsim.nmp.faults import Fault
from archsim.nmp.operators import OPERATORS
from archsim.nmp.pooling import PooledSums
from archsim.systems.lowering import Lowering
from archsim.systems.rows import block_bytes
from archsim.traces import EmbeddingTrace, Table

SEEDS = st.integers(0, 2**32)
PRESETS = (
    "recnmp-base-8rank", "recnmp-opt-8rank", "trim-rank-8rank", "trim-bank-group-8rank", "trim-bank-8rank",
    "tensordimm-8rank", "chameleon-8rank", "ideal-8rank",
)  # fmt: skip
INSIDE = ("trim-bank-group-8rank", "trim-bank-8rank", "tensordimm-8rank")
DIMENSIONS = (32, 56, 57, 64, 92, 100, 128, 200, 256)


def rowwise(dimension, rows=3000):
    return Table("table", rows, dimension + 8, "uint8-rowwise")


def lookups_of(tables, seed=1, bags=12, lookups=7):
    dice = np.random.default_rng(seed)
    numbers = np.arange(bags, dtype=np.int32) % len(tables)
    rows = np.concatenate([dice.integers(0, tables[t].rows, lookups) for t in numbers])
    return EmbeddingTrace(
        name="rows",
        tables=tables,
        rows=rows,
        bag_offsets=np.arange(bags + 1) * lookups,
        bag_tables=numbers,
        weight=dice.uniform(-2, 2, len(rows)).astype(np.float32),
    )


def layout(name, tables, *overrides):
    lowering = Lowering(load_system(name, overrides), tables)
    return [
        tuple(column.tolist())
        for column in (lowering.table_stride, lowering.table_bytes, lowering.table_split)
    ]


# ------------------------------------------------------------------------------------------------------ where rows lie


def test_rows_that_divide_a_page_stay_packed():
    tables = [Table(f"table {size}", 5000, size) for size in (4, 16, 64, 128, 256, 4096)]
    for name in ("host-8rank", *PRESETS[:4], "chameleon-8rank", "ideal-8rank"):
        stride, read, split = layout(name, tables)
        assert stride == read == (4, 16, 64, 128, 256, 4096)
        assert not any(split)
        assert Lowering(load_system(name), tables).figures()["padding_bytes"] == 0


def test_a_host_packs_rows_whatever_their_size():
    tables = [Table("a", 1000, 72, "uint8-rowwise"), Table("b", 1000, 100), Table("c", 1000, 448)]
    assert layout("host-8rank", tables)[0] == (72, 100, 448)


@pytest.mark.parametrize(
    ("name", "dimension", "expected"),
    [
        ("recnmp-base-8rank", 64, (128, 72, False)),
        ("recnmp-base-8rank", 128, (256, 136, False)),
        ("recnmp-base-8rank", 256, (512, 264, False)),
        ("trim-rank-8rank", 256, (512, 264, False)),
        ("trim-bank-group-8rank", 64, (128, 72, False)),
        ("trim-bank-group-8rank", 128, (256, 192, True)),
        ("trim-bank-8rank", 256, (512, 320, True)),
        ("tensordimm-8rank", 32, (64, 40, False)),
        ("tensordimm-8rank", 64, (128, 128, True)),
        ("tensordimm-8rank", 128, (192, 192, True)),
        ("tensordimm-8rank", 256, (320, 320, True)),
    ],
)
def test_8_bit_rows_are_stored_like_this_by_hand(name, dimension, expected):
    assert tuple(column[0] for column in layout(name, [rowwise(dimension)])) == expected


def test_the_stride_is_the_next_multiple_of_what_is_asked_for():
    tables = [Table("a", 10, 72, "uint8-rowwise"), Table("b", 10, 100), Table("c", 10, 256)]
    for name in ("host-8rank", "recnmp-base-8rank"):
        assert layout(name, tables, "placement.row_align_bytes=64")[0] == (128, 128, 256)
        assert layout(name, tables, "placement.row_align_bytes=1 KiB")[0] == (1024, 1024, 1024)
        figures = Lowering(load_system(name, ["placement.row_align_bytes=64"]), tables).figures()
        assert figures == {"table_bytes": 10 * 512, "padding_bytes": 10 * (56 + 28)}


def test_a_small_table_inside_one_page_needs_no_padding():
    """42 rows of 96 bytes fill a page, the 43rd would cross into the next."""
    for rows, stride in ((42, 96), (43, 128)):
        assert layout("recnmp-base-8rank", [Table("table", rows, 96)])[0] == (stride,)


def units_of(system, coordinates, bank_bits):
    channels = coordinates >> 56
    return channels * 65536 + ((coordinates >> 16 & 0xFFFF) >> bank_bits)


@settings(derandomize=True, deadline=None, max_examples=80)
@given(SEEDS)
def test_no_row_lies_over_two_units_where_padding_can_help(seed):
    """Every row is translated; a table is padded only if it would not do without."""
    dice = random.Random(seed)
    system = small_system(dice)
    sizes = [dice.choice([7, 40, 64, 72, 96, 100, 136, 200, 264, 448]) for _ in range(3)]
    tables = [Table(f"table {n}", dice.choice([3, 40, 200]), size, "int8") for n, size in enumerate(sizes)]
    lowering, design = Lowering(system, tables), design_class("recnmp")(system.nmp, system.dram)
    page = system.placement.page_bytes
    for number, table in enumerate(tables):
        power, stride = 1, int(lowering.table_stride[number])
        while power < table.vector_bytes:
            power *= 2
        rows = np.arange(table.rows)
        coordinates, lookup = lowering.lower(rows, np.full(len(rows), number, np.int32))
        unit = units_of(system, coordinates, design.unit_bank_bits)
        torn = np.any((lookup[1:] == lookup[:-1]) & (unit[1:] != unit[:-1]))
        block = block_bytes(system.dram, design.unit_bank_bits)
        if power <= min(page, block):
            assert not torn
        assert stride in (table.vector_bytes, power)
        if stride != table.vector_bytes:
            limit = block if system.placement.policy == "contiguous" else min(page, block)
            begins = [
                lowering.table_base[number] // page * page + r * table.vector_bytes for r in range(table.rows)
            ]
            assert any(b // limit != (b + table.vector_bytes - 1) // limit for b in begins)


@settings(derandomize=True, deadline=None, max_examples=40)
@given(SEEDS)
def test_blocks_are_the_largest_that_lie_in_one_part(seed):
    """All lines of random aligned blocks, decoded; and some block of twice the size lies in two parts."""
    dice = random.Random(seed)
    system = small_system(dice)
    dram, bits = system.dram, dice.choice([0, 2, 4])
    block = block_bytes(dram, bits)
    from archsim.dram.address import decode_table
    from archsim.kernels.lowering import decode_lines

    def parts(first, size):
        lines = np.arange(first // 64, (first + size) // 64)
        coordinates = np.empty(len(lines), np.int64)
        decode_lines(lines, decode_table(dram), coordinates)
        return set(units_of(system, coordinates, bits).tolist())

    capacity = dram.organization.capacity_bytes
    assert all(len(parts(dice.randrange(capacity // block) * block, block)) == 1 for _ in range(10))
    assert block == capacity or len(parts(0, 2 * block)) == 2


# ----------------------------------------------------------------------------------------------------------- the sums


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_8_bit_rows_of_all_dimensions_run_on_every_design(preset, dimension):
    trace = lookups_of([rowwise(dimension), Table("plain", 500, 128)])
    for operator in ("weighted_sum", "mean"):
        figures = simulate(with_operator(load_system(preset), operator), trace).nmp
        assert figures["sums"]["checked"] == trace.bags
        assert figures["table_bytes"] >= 3000 * (dimension + 8) + 500 * 128
        assert figures["padding_bytes"] == figures["table_bytes"] - 3000 * (dimension + 8) - 500 * 128


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("dimension", [64, 100, 128, 256])
def test_sums_of_8_bit_rows_are_those_of_scalars_in_the_modelled_order(preset, operator, dimension):
    system, trace = with_operator(load_system(preset), operator), lookups_of([rowwise(dimension)])
    _, calls = replay(system, trace)
    for arguments, sums in calls:
        assert sums.tobytes() == slow_results(system, trace.tables, arguments, operator).tobytes()


@settings(derandomize=True, deadline=None, max_examples=25)
@given(SEEDS)
def test_sums_of_padded_rows_of_every_type_are_those_of_scalars(seed):
    """Tables that begin anywhere, rows that begin inside a burst, rows that are padded."""
    dice = random.Random(seed)
    overrides = [f"placement.align_bytes={dice.choice([1, 4, 64, 4096])}"]
    if dice.random() < 0.4:
        overrides.append(f"placement.row_align_bytes={dice.choice([128, 256])}")
    system = load_system("recnmp-base-4rank", overrides)
    trace = small_trace(dice, dice.choices(["float32", "int8", "uint8-rowwise"], k=3), weighted=True)
    _, calls = replay(system, trace)
    for arguments, sums in calls:
        assert sums.tobytes() == slow_results(system, trace.tables, arguments, "weighted_sum").tobytes()


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("dimension", [64, 92, 128, 256])
def test_8_bit_rows_of_a_recorded_trace_are_checked(preset, dimension):
    trace = recorded("uint8-rowwise", dimension + 8)
    sums = simulate(load_system(preset), trace).nmp["sums"]
    assert sums["checked"] == sums["poolings"] == trace.bags


@pytest.mark.parametrize("preset", INSIDE)
def test_a_flipped_bit_in_the_last_piece_of_a_row_is_noticed(preset, monkeypatch):
    trace = lookups_of([rowwise(256)])
    monkeypatch.setattr(PooledSums, "faults", (Fault(0, int(trace.rows[3]), 255, 7),))
    with pytest.raises(ArithmeticError):
        simulate(load_system(preset), trace)


@pytest.mark.parametrize("preset", ["recnmp-base-8rank", "tensordimm-8rank"])
def test_scale_and_bias_are_weighted_once_in_each_piece(preset):
    """264 bytes: one row on a rank unit; 5 pieces of 56, 56, 56, 56 and 32 elements on the DIMMs."""
    trace = lookups_of([rowwise(256)])
    rows = {(row.component, row.event): row.count for row in simulate(load_system(preset), trace).energy}
    unit, pieces = ("dimm_unit", 5) if preset.startswith("tensor") else ("rank_unit", 1)
    assert rows[unit, "fp32_mult"] == trace.lookups * (256 + 2 * pieces)


def test_padding_is_shown_where_there_is_some():
    near = load_system("recnmp-base-8rank")
    table = str(simulate(near, lookups_of([rowwise(64)])))
    assert "bytes of tables" in table
    assert "of them padding" in table
    assert "43.8 %" in table
    assert "of them padding" not in str(simulate(near, lookups_of([rowwise(56)])))


# ------------------------------------------------------------------------------------------------------ what is refused


def test_rows_of_more_than_seven_bursts_are_still_refused():
    assert simulate(load_system("recnmp-base-8rank"), lookups_of([rowwise(440)])).nmp["padding_bytes"]
    with pytest.raises(
        InputError, match="a vector of 449 bytes takes up to 8 bursts of 64 bytes; an instruction"
    ):
        simulate(load_system("recnmp-base-8rank"), lookups_of([rowwise(441)]))


@pytest.mark.parametrize("size", [3, 100])
def test_an_alignment_that_is_no_power_of_two_is_refused(size):
    with pytest.raises(InputError, match=f"placement.row_align_bytes = {size}: must be a power of two"):
        load_system("host-8rank", [f"placement.row_align_bytes={size}"])


def test_padded_tables_that_do_not_fit_are_refused_with_what_they_need():
    trace = open_trace("preset:uniform", overrides=["tables=1", "rows=20000"], limit=100)
    with pytest.raises(InputError, match=r"the tables need 19\.53 GiB but the memory holds 16 GiB"):
        simulate(load_system("recnmp-base-2rank", ["placement.row_align_bytes=1 MiB"]), trace)
