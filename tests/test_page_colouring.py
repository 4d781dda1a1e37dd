"""Page colouring: frames of a colour found through the address map, against a search through all frames."""

import random
import re
from pathlib import Path

import numpy as np
import pytest
import test_lowering
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim import InputError, load_system, simulate
from archsim.spec import apply_overrides
from archsim.systems.frames import Frames
from archsim.systems.lowering import Lowering
from archsim.traces import EmbeddingTrace, Table

SHIFTS = {"channel": 56, "row": 32, "bank": 16}
PARTS = ["channel", "pseudo_channel", "rank", "bank_group", "bank"]
SEEDS = st.integers(0, 2**32)


def colored(*overrides, base="host-1rank"):
    return load_system(base, ["placement.policy=colored", *overrides])


def small_memory(dice, part):
    """A memory of some thousand frames, whose map may hash the part with row bits."""
    layout = ["column", "channel", "bank_group", "bank", "rank", "row"]
    hashed = dice.sample(["rank", "bank_group", "bank", "channel"], dice.randint(0, 3))
    return colored(
        f"dram.organization.ranks={dice.choice([1, 2])}",
        f"dram.organization.channels={dice.choice([1, 2])}",
        f"dram.organization.rows={dice.choice([64, 72, 68, 48, 100])}",
        "dram.organization.columns=16",
        f"dram.address_map.layout={layout}",
        f"dram.address_map.hash={hashed}",
        f"placement.page_bytes={dice.choice([64, 128])}",
        f"placement.color={part}",
        f"placement.seed={dice.randrange(2**63)}",
    )


def color_of(coordinate, system, part):
    """Read the number of a part, counted over the whole memory, off a packed coordinate."""
    o = system.dram.organization
    channel, flat = coordinate >> 56, coordinate >> 16 & 0xFFFF
    sizes = {
        "bank": 1,
        "bank_group": o.banks_per_group,
        "rank": o.banks_per_rank,
        "pseudo_channel": o.banks_per_rank * o.ranks,
    }
    return channel if part == "channel" else (channel * o.banks + flat) // sizes[part]


def colors_of_frames(system, part):
    """List the colours that the lines of each frame have."""
    page = system.placement.page_bytes
    frames = system.dram.organization.capacity_bytes // page
    return [
        {color_of(test_lowering.coordinate_of(line, system.dram), system, part)
         for line in range(frame * page // 64, (frame + 1) * page // 64)}
        for frame in range(frames)
    ]  # fmt: skip


@settings(derandomize=True, deadline=None, max_examples=15)
@given(SEEDS, st.sampled_from(PARTS))
def test_pages_get_the_frames_that_a_search_through_the_memory_finds(seed, part):
    dice = random.Random(seed)
    system = small_memory(dice, part)
    found = colors_of_frames(system, part)
    assert all(len(colors) == 1 for colors in found)
    frames = Frames(system.dram, system.placement)
    by_color = [[f for f, colors in enumerate(found) if colors == {c}] for c in range(frames.colors)]
    assert frames.counts.tolist() == [len(own) for own in by_color]
    page, (_, pages) = system.placement.page_bytes, test_lowering.frames_and_pages(system)
    tables = [Table(f"table {t}", dice.randint(1, 30), dice.choice([64, 128, 256])) for t in range(5)]
    lowering = Lowering(system, tables)
    numbers = np.repeat(np.arange(5, dtype=np.int32), [t.rows for t in tables])
    rows = np.concatenate([np.arange(t.rows) for t in tables])
    lines, lookup = lowering.lines(rows, numbers)
    expected, ends = [], {}
    for t, table in enumerate(tables):
        color = t % frames.colors
        base = -(-ends.get(color, 0) // page) * page
        ends[color] = base + table.rows * table.vector_bytes
        own = by_color[color]
        for byte in range(base, ends[color], 64):
            place = test_lowering.permuted(byte // page, len(own), pages // frames.colors, system, color)
            expected.append(own[place] * page // 64 + byte % page // 64)
    assert lines.tolist() == expected
    assert len(set(expected)) == len(expected)
    assert np.array_equal(
        lookup, np.repeat(np.arange(len(rows)), [tables[t].vector_bytes // 64 for t in numbers])
    )


def test_a_colour_can_be_a_single_frame():
    system = colored(
        "dram.organization.rows=1", "dram.organization.columns=64", "dram.address_map.preset=roco",
        "placement.page_bytes=512", "placement.color=bank",
    )  # fmt: skip
    frames = Frames(system.dram, system.placement)
    assert (frames.colors, frames.counts.tolist()) == (16, [1] * 16)
    tables = [Table(f"table {t}", 8, 64) for t in range(16)]
    coordinates, _ = Lowering(system, tables).lower(np.arange(16) % 8, np.arange(16, dtype=np.int32))
    assert (coordinates >> 16 & 0xFFFF).tolist() == list(range(16))


@pytest.mark.parametrize("ranks", [2, 4, 8])
@pytest.mark.parametrize("address_map", ["skylake", "skylake-64", "roco", "permutation"])
def test_with_4_kib_pages_each_table_lies_on_one_rank_of_the_usual_maps(address_map, ranks):
    system = (
        colored(f"dram.address_map.preset={address_map}", base=f"host-{ranks}rank")
        if ranks > 1
        else colored()
    )
    tables = [Table(f"table {t}", 1_000_000, 128) for t in range(12)]
    dice = random.Random(1)
    numbers = np.array([dice.randrange(12) for _ in range(3000)], np.int32)
    rows = np.array([dice.randrange(1_000_000) for _ in range(3000)])
    coordinates, lookup = Lowering(system, tables).lower(rows, numbers)
    assert np.array_equal(coordinates >> 20 & 0xFFF, numbers[lookup] % ranks)


def test_a_table_can_be_given_its_colour():
    system = colored("placement.colors=[3, 0, 0]", base="host-4rank")
    tables = [Table(f"table {t}", 1000, 64) for t in range(6)]
    assert Lowering(system, tables).table_color.tolist() == [3, 0, 0, 3, 0, 0]
    coordinates, _ = Lowering(system, tables).lower(np.arange(6), np.arange(6, dtype=np.int32))
    assert [int(c) >> 20 & 0xFFF for c in coordinates] == [3, 0, 0, 3, 0, 0]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["placement.color=bank"], "bank_group[0] depends on a7, below a12, the lowest bit of a frame number"),
        (["placement.page_bytes=2 MiB"],
         "a page of 2097152 bytes lies on more than one rank, so no page frame has one colour: by dram.address_map, "
         "rank[0] depends on a17; rank[1] depends on a18; rank[2] depends on a19, below a21"),
        (["dram.organization.channels=2"], "channel[0] depends on a7, below a12"),
        (["placement.colors=[0, 8]"], "placement.colors = [0, 8]: the memory has the ranks 0 to 7"),
        (["placement.colors=[-1]"], "placement.colors = [-1]: the memory has the ranks 0 to 7"),
        (["placement.colors=[]"], "placement.colors = []: must name one colour or more"),
        (["placement.align_bytes=64"], "placement.align_bytes = 64: must be at least page_bytes = 4096"),
        (["placement.align_bytes=100"], "placement.align_bytes = 100: must be a power of two"),
        (["placement.policy=random", "placement.color=rank"],
         "placement.color: has no meaning with policy = 'random', only with 'colored'"),
        (["placement.policy=contiguous", "placement.colors=[1]"], "placement.colors: has no meaning"),
        (["placement.color=colour"], "placement.color = 'colour': must be"),
    ],
)  # fmt: skip
def test_what_cannot_be_coloured_is_refused_naming_the_bits(overrides, message):
    with pytest.raises(InputError, match=re.escape(message)):
        colored(*overrides, base="host-8rank")


def test_the_message_that_names_the_bits_is_the_one_of_the_contract():
    with pytest.raises(InputError) as refused:
        colored("placement.color=bank", base="host-8rank")
    page = (Path(__file__).parents[1] / "docs" / "lowering.md").read_text(encoding="utf-8")
    assert str(refused.value).partition(": ")[2] in " ".join(page.split())


def test_a_colour_that_is_full_is_refused_though_others_are_empty():
    system = apply_overrides(
        colored(base="host-2rank"), ["dram.organization.rows=128", "dram.organization.columns=64"]
    )
    half = 2**20 // 64
    Lowering(system, [Table("half", half, 64), Table("other half", half, 64)])
    with pytest.raises(InputError) as refused:
        Lowering(system, [Table("half", half, 64), Table("small", 1, 64), Table("one more", 1, 64)])
    assert (
        str(refused.value)
        == "system 'host-2rank': the tables on rank 0 need 1.004 MiB but that rank holds 1 MiB"
    )


def test_one_bag_per_table_keeps_only_the_ranks_of_its_tables_busy():
    trace = EmbeddingTrace(
        name="two of four",
        tables=[Table(f"table {t}", 10_000, 128) for t in range(4)],
        rows=np.arange(400),
        bag_offsets=np.arange(0, 401, 100),
        bag_tables=np.array([1, 3, 1, 3], np.int32),
    )
    host = simulate(colored(base="host-4rank"), trace)
    assert [rank["reads"] for rank in host.ranks] == [0, 400, 0, 400]
    near = simulate(colored(base="recnmp-base-4rank"), trace)
    assert near.nmp["rank_reads"] == [0, 400, 0, 400]
