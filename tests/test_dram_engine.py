"""A memory of several channels: each is what it would be alone, whatever the threads and the chunks."""

import random
import resource
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.dram.address import channel_of, decode_table
from archsim.dram.engine import DramReplay, replay_lines
from archsim.dram.resolve import COMMANDS, resolve, resolve_units
from archsim.dram.spec import DramSpec
from archsim.errors import InputError
from archsim.spec import apply_overrides
from archsim.systems.utilisation import array_utilisation, bus_utilisation, highest

SEEDS = st.integers(0, 2**32)
GREATEST = ("latency_max_clk", "last_data_clk")
LOG = 1 << 20
MEMORIES = {
    "ddr4": apply_overrides(DramSpec.load("ddr4-2400"), ["organization.ranks=2"]),
    "ddr4 x2": apply_overrides(
        DramSpec.load("ddr4-2400"), ["organization.channels=2", "organization.ranks=2"]
    ),
    "ddr5": DramSpec.load("ddr5-4800"),
    "gddr6": apply_overrides(DramSpec.load("gddr6-16"), ["organization.channels=4"]),
    "hbm2": DramSpec.load("hbm2-2000"),
    "asleep": apply_overrides(
        DramSpec.load("ddr4-2400"),
        [
            "organization.channels=2", "organization.ranks=2", "idle.power_down_clk=40", "idle.self_refresh_clk=20000",
            "timing.tREFI=1000", "timing.tRFC=200",
        ],
    ),
}  # fmt: skip


def traffic(dice, spec, n, spread=400):
    """Lines with reuse and neighbours, write flags, arrival clocks or none."""
    capacity = spec.organization.capacity_bytes // 64
    hot = [dice.randrange(capacity - 64) for _ in range(12)]
    lines = [dice.choice(hot) + dice.randrange(dice.choice([1, 4, 64])) for _ in range(n)]
    writes = [dice.random() < 0.3 for _ in range(n)] if dice.random() < 0.7 else None
    arrivals = None
    if dice.random() < 0.5:
        arrivals = np.cumsum([dice.choice([0, 0, 1, 7, spread]) for _ in range(n)])
    return np.array(lines), writes, arrivals


def figures(memory):
    """Everything a memory tells, as comparable values."""
    return (
        memory.counts(), memory.channel_counts(), memory.bank_counts().tolist(), memory.rank_commands().tolist(),
        memory.rank_clocks().tolist(), memory.series().tolist(), [part.tolist() for part in memory.latency_histogram()],
        memory.commands().tolist(), memory.requests,
    )  # fmt: skip


def replay(spec, lines, writes=None, arrivals=None, **options):
    return replay_lines(spec, lines, writes=writes, arrivals_clk=arrivals, **options)


def accesses(spec, lines):
    """Coordinates of the accesses of lines, from the table of single address bits."""
    per_line, table = spec.organization.accesses_per_line, decode_table(spec)
    units = (np.asarray(lines)[:, None] * per_line + np.arange(per_line)).ravel()
    coordinates = np.zeros(len(units), dtype=np.int64)
    for byte, entries in enumerate(table):
        coordinates ^= entries[units >> 8 * byte & 255]
    return coordinates


# -------------------------------------------------------------------------------------------- channels and threads


@pytest.mark.parametrize("staggered", ["true", "false"])
@pytest.mark.parametrize("memory", ["ddr4-2400", "ddr5-4800", "hbm2-2000"])
@pytest.mark.parametrize("ranks", [1, 2])
def test_units_of_a_channel_have_the_tables_of_their_ranks(memory, staggered, ranks):
    overrides = ["organization.ranks=8", f"refresh.staggered={staggered}"]
    spec = apply_overrides(DramSpec.load(memory), overrides)
    units = resolve_units(spec, ranks=ranks, units=8 // ranks)
    due = {unit.parameters["first_due"] for unit in units}
    assert len(due) == (8 // ranks if staggered == "true" else 1)
    for number, unit in enumerate(units):
        alone = resolve(spec, ranks=ranks, refresh_rank=number * ranks)
        for name, value in vars(alone).items():
            assert np.array_equal(getattr(unit, name), value), name


@settings(derandomize=True, deadline=None, max_examples=60)
@given(SEEDS, st.sampled_from(sorted(MEMORIES)))
def test_each_channel_does_what_it_does_alone_with_its_own_requests(seed, name):
    from archsim.kernels.dram import ChannelReplay

    spec, dice = MEMORIES[name], random.Random(seed)
    lines, writes, arrivals = traffic(dice, spec, dice.randrange(1, 600))
    memory = replay(spec, lines, writes, arrivals, log_limit=LOG, interval_clk=100)
    places, per_line = accesses(spec, lines), spec.organization.accesses_per_line
    kinds = None if writes is None else np.repeat(writes, per_line).astype(np.uint8)
    offered = None if arrivals is None else np.repeat(arrivals, per_line)
    parts = []
    for number in range(spec.organization.channels):
        own = channel_of(places) == number
        alone = ChannelReplay(resolve(spec), LOG, 100)
        alone.feed(
            places[own],
            None if kinds is None else kinds[own],
            None if offered is None else offered[own],
            drain=True,
        )
        assert memory.channel_counts()[number] == alone.counts()
        parts.append(alone)
    end = max(part.counts()["last_data_clk"] for part in parts)
    assert memory.cycles == end
    banks = np.concatenate([part.bank_counts(end) for part in parts])
    assert memory.bank_counts().tolist() == banks.tolist()
    log = [
        (clk, number, *rest) for number, part in enumerate(parts) for clk, *rest in part.commands().T.tolist()
    ]
    banks_of_channel = spec.organization.banks
    told = [
        (clk, bank // banks_of_channel, command, bank % banks_of_channel, row, column)
        for clk, command, bank, row, column in memory.commands().T.tolist()
    ]
    assert sorted(told) == sorted(log)
    assert [entry[:2] for entry in told] == sorted(entry[:2] for entry in log)


@settings(derandomize=True, deadline=None, max_examples=15)
@given(SEEDS, st.sampled_from(sorted(MEMORIES)), st.sampled_from([2, 3, 7]))
def test_results_do_not_depend_on_the_number_of_threads(seed, name, threads):
    dice = random.Random(seed)
    case = traffic(dice, MEMORIES[name], 800)
    one = replay(MEMORIES[name], *case, log_limit=LOG, interval_clk=64, threads=1)
    several = replay(MEMORIES[name], *case, log_limit=LOG, interval_clk=64, threads=threads)
    assert figures(several) == figures(one)


@settings(derandomize=True, deadline=None, max_examples=30)
@given(SEEDS, st.sampled_from(sorted(MEMORIES)))
def test_results_do_not_depend_on_where_the_requests_are_cut(seed, name):
    spec, dice = MEMORIES[name], random.Random(seed)
    lines, writes, arrivals = traffic(dice, spec, 500)
    whole = replay(spec, lines, writes, arrivals, log_limit=LOG, interval_clk=50)
    cuts = sorted(dice.randrange(501) for _ in range(dice.randrange(6)))
    with DramReplay(spec, log_limit=LOG, interval_clk=50) as memory:
        for first, last in zip([0, *cuts], [*cuts, 500], strict=True):
            memory.feed_lines(
                lines[first:last],
                writes=None if writes is None else writes[first:last],
                arrivals_clk=None if arrivals is None else arrivals[first:last],
            )
        memory.finish()
    assert figures(memory) == figures(whole)


def test_two_channels_take_each_every_other_line_and_half_the_time():
    layout = "'bank_group:1', 'column', 'bank_group', 'bank', 'rank', 'row'"
    one = apply_overrides(
        DramSpec.load("ddr4-2400"), [f"address_map.layout=[{layout}]", "address_map.hash=[]"]
    )
    two = apply_overrides(one, ["organization.channels=2", f"address_map.layout=['channel', {layout}]"])
    both, alone = replay(two, np.arange(20_000)), replay(one, np.arange(10_000))
    assert both.channel_counts() == [alone.counts()] * 2
    assert both.cycles == alone.cycles


def test_the_log_keeps_the_first_commands_of_the_whole_memory():
    spec = MEMORIES["ddr5"]
    lines = random.Random(3).choices(range(1 << 20), k=2000)
    whole, limited = (replay(spec, lines, log_limit=limit).commands() for limit in (LOG, 500))
    assert limited.tolist() == whole[:, :500].tolist()
    assert whole[0].tolist() == sorted(whole[0].tolist())
    assert replay(spec, lines).commands().shape == (5, 0)


# -------------------------------------------------------------------------------------------------- what is counted


@settings(derandomize=True, deadline=None, max_examples=60)
@given(SEEDS, st.sampled_from(sorted(MEMORIES)))
def test_parts_add_up_to_the_whole(seed, name):
    spec, dice = MEMORIES[name], random.Random(seed)
    lines, writes, arrivals = traffic(dice, spec, dice.randrange(1, 500), spread=dice.choice([300, 30_000]))
    memory = replay(spec, lines, writes, arrivals, log_limit=LOG, interval_clk=dice.choice([1, 37, 5000]))
    counts, log = memory.counts(), memory.commands()
    for key in counts:
        merge = max if key in GREATEST else sum
        assert counts[key] == merge(channel[key] for channel in memory.channel_counts())
    issued = dict(zip(COMMANDS, np.bincount(log[1], minlength=len(COMMANDS)).tolist(), strict=True))
    assert {name.lower(): count for name, count in issued.items()} == {
        name.lower(): counts[name.lower()] for name in COMMANDS
    }
    banks = dict(
        zip(("act", "pre", "rd", "wr"), memory.bank_counts()[:, :4].sum(axis=0).tolist(), strict=True)
    )
    assert banks == {key: counts[key] for key in banks}
    of_rank = dict(zip(("ref", "prea", "refb"), memory.rank_commands().sum(axis=0).tolist(), strict=True))
    assert of_rank == {key: counts[key] for key in of_rank}
    assert set(memory.rank_clocks().sum(axis=1).tolist()) == {memory.cycles}
    assert memory.rank_clocks().min() >= 0
    assert np.all(memory.bank_counts()[:, 4] <= memory.cycles)
    assert (
        memory.requests
        == len(lines) * spec.organization.accesses_per_line
        == counts["reads"] + counts["writes"]
    )
    clk, count = memory.latency_histogram()
    assert int(count.sum()) == counts["reads"]
    assert int((clk * count).sum()) == counts["latency_sum_clk"]


@settings(derandomize=True, deadline=None, max_examples=40)
@given(SEEDS, st.sampled_from(sorted(MEMORIES)), st.sampled_from([1, 10, 333, 100_000]))
def test_the_time_series_counts_each_command_of_the_log_in_its_interval(seed, name, interval):
    spec, dice = MEMORIES[name], random.Random(seed)
    case = traffic(dice, spec, dice.randrange(1, 300))
    memory = replay(spec, *case, log_limit=LOG, interval_clk=interval)
    series, counts = memory.series(), memory.counts()
    expected = np.zeros((len(series), 5), dtype=np.int64)
    column = {"ACT": 0, "PRE": 1, "PREA": 1, "RD": 2, "WR": 3, "REF": 4, "REFB": 4}
    for clk, command, *_ in memory.commands().T.tolist():
        expected[clk // interval, column[COMMANDS[command]]] += 1
    assert series[:, :5].tolist() == expected.tolist()
    assert series[:, 5:].sum(axis=0).tolist() == [counts["reads"], counts["latency_sum_clk"]]
    assert len(series) <= -(-memory.cycles // interval)


def test_a_read_counts_in_the_interval_of_its_last_beat():
    # ACT at 1, RD at 18, data to the end of clock 38.
    memory = replay(DramSpec.load("ddr4-2400"), [0], interval_clk=13)
    assert memory.series()[:, [0, 2, 5, 6]].tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 39]]


def test_a_line_of_two_accesses_is_two_requests_one_after_the_other():
    spec = apply_overrides(DramSpec.load("gddr6-16"), ["organization.channels=1"])
    assert spec.organization.accesses_per_line == 2
    memory = replay(spec, [0, 5], log_limit=100)
    reads = [entry for entry in memory.commands().T.tolist() if COMMANDS[entry[1]] == "RD"]
    places = accesses(spec, [0, 5])
    assert [(bank, row, column) for _, _, bank, row, column in reads] == [
        (place >> 16 & 0xFFFF, place >> 32, place & 0xFFFF) for place in places.tolist()
    ]
    assert memory.requests == memory.counts()["reads"] == 4


# ------------------------------------------------------------------------------------------------------ utilisation


@pytest.mark.parametrize(
    ("name", "line", "expected"),
    [
        # One read: ACT and RD on the pins for their clocks, one burst on the data bus.
        ("ddr4", 0, {"data_bus": 4, "command_bus": 1 + 1}),
        ("ddr5", 0, {"data_bus": 8, "command_bus": 2 + 2}),
    ],
)
def test_pins_are_busy_for_as_many_clocks_as_commands_take(name, line, expected):
    spec = MEMORIES[name]
    memory = replay(spec, [line])
    channel = memory.channel_counts()[0]
    shares = bus_utilisation(spec, channel, memory.bank_counts()[: spec.organization.banks], memory.cycles)
    assert shares == {key: clk / memory.cycles for key, clk in expected.items()}


def test_split_pins_are_told_apart():
    spec = MEMORIES["hbm2"]
    memory = replay(spec, [0])
    banks = memory.bank_counts()[: spec.organization.banks]
    shares = bus_utilisation(spec, memory.channel_counts()[0], banks, memory.cycles)
    reads, act_clk = spec.organization.accesses_per_line, spec.timing.ACT_clk
    assert shares == {
        "data_bus": reads * spec.timing.tBL / memory.cycles,
        "column_command_bus": reads / memory.cycles,
        "row_command_bus": act_clk / memory.cycles,
    }


def test_a_bank_of_conflicts_fills_its_slots_and_the_average_is_over_all():
    spec = apply_overrides(DramSpec.load("ddr4-2400"), ["refresh.mode=none", "address_map.preset=roco"])
    lines_per_row = spec.organization.bursts_per_row * spec.organization.banks
    memory = replay(spec, np.arange(200) * lines_per_row)
    shares = array_utilisation(spec, memory.counts(), memory.bank_counts(), memory.cycles)
    assert memory.counts()["act"] == 200
    assert shares["busiest_bank"] == 199 * 56 / memory.cycles > 0.99
    assert shares["bank_average"] == pytest.approx(shares["busiest_bank"] / 16)
    assert shares["refresh"] == 0


def test_activates_as_dense_as_tfaw_allows_fill_its_window():
    spec = apply_overrides(DramSpec.load("ddr4-2400"), ["refresh.mode=none", "address_map.preset=roco"])
    dice = random.Random(1)
    lines = [dice.randrange(1 << 26) for _ in range(5000)]
    memory = replay(spec, lines)
    shares = array_utilisation(spec, memory.counts(), memory.bank_counts(), memory.cycles)
    assert 0.95 < shares["activate_window"] <= 1
    without = spec.model_copy(update={"rules": tuple(rule for rule in spec.rules if rule.window == 1)})
    free = replay(without, lines)
    assert array_utilisation(without, free.counts(), free.bank_counts(), free.cycles)["activate_window"] == 0


def test_refresh_is_the_share_of_time_that_the_standard_gives_it():
    spec = DramSpec.load("ddr4-2400")
    memory = replay(spec, np.arange(200_000))
    shares = array_utilisation(spec, memory.counts(), memory.bank_counts(), memory.cycles)
    assert shares["refresh"] == pytest.approx(420 / 9360, rel=0.02)


def test_a_resource_is_as_busy_as_in_the_channel_where_it_is_busiest():
    assert highest([{"a": 0.5, "b": 0.1}, {"a": 0.25, "b": 0.75}]) == {"a": 0.5, "b": 0.75}


# ------------------------------------------------------------------------------------------------- errors and memory


def test_a_line_outside_the_memory_is_named_with_its_number_in_the_trace():
    spec = MEMORIES["gddr6"]
    lines = spec.organization.capacity_bytes // 64
    with DramReplay(spec) as memory:
        memory.feed_lines(range(10))
        with pytest.raises(
            InputError, match=f"request 12: line {lines} lies outside the memory of {lines} lines"
        ):
            memory.feed_lines([0, 1, lines, 2])
    with pytest.raises(InputError, match="request 0: line -1 lies outside"):
        replay(spec, [-1])


@pytest.mark.parametrize("columns", [{"writes": [0]}, {"arrivals": [0, 1, 2]}])
def test_columns_of_other_lengths_are_refused(columns):
    with pytest.raises(InputError, match=r"^(writes|arrivals_clk): \d entries for 2 requests$"):
        replay(MEMORIES["ddr4"], [0, 1], **columns)


#: Between two refreshes a row can be opened, but not read.
STUCK = ["timing.tRFC=420", "timing.tREFI=430", "controller.refresh_blocking=rank", "organization.ranks=1"]
WAITS = (
    "8 reads and 0 writes wait, and timing rules and refresh leave no time to serve them; the oldest, a read of "
    "rank 0, bank group 0, bank 0, row 7, waits since clock 431 for ACT, while a refresh of its rank is due"
)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_memory_that_makes_no_progress_says_what_waits_for_what(channels, threads):
    layout = "address_map.layout=['channel', 'column', 'bank_group', 'bank', 'rank', 'row']"
    spec = apply_overrides(
        DramSpec.load("ddr4-2400"),
        [*STUCK, f"organization.channels={channels}", layout, "address_map.hash=[]"],
    )
    lines = (7 << 11) * channels + np.arange(8) * channels + channels - 1
    with pytest.raises(RuntimeError) as stuck:
        replay(spec, lines, arrivals=[431] * 8, threads=threads)
    text = str(stuck.value)
    channel = "channel 1: " if channels == 2 else ""
    assert text.startswith(f"{channel}no progress at clock ")
    assert text.endswith(WAITS)


@pytest.mark.skipif(sys.platform != "linux", reason="counts kibibytes as Linux does")
def test_memory_does_not_grow_with_the_trace():
    spec, dice = MEMORIES["ddr5"], np.random.default_rng(1)
    with DramReplay(spec) as memory:
        peaks = []
        for chunk in range(40):
            memory.feed_lines(dice.integers(0, 1 << 26, 50_000))
            if chunk in (9, 39):
                peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        memory.finish()
    assert memory.requests == 2_000_000
    assert peaks[1] - peaks[0] < 8 * 1024
