"""The packets that a replay sends, written while it runs: they are what it counted, and read back alike."""

import random
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nmp_sums import recorded
from recnmp_cases import packets_on, small_system, small_trace
from recnmp_unit_twin import instructions_of

from archsim import load_system, open_trace, simulate
from archsim.errors import InputError
from archsim.nmp import register
from archsim.nmp.daddr import DaddrFormat, Location
from archsim.nmp.designs import design_class
from archsim.nmp.instruction import Instruction, RowBuffers
from archsim.nmp.operators import OP_CODES, op_code
from archsim.nmp.packet_arrays import Bursts, RowState
from archsim.nmp.packet_log import write_packets
from archsim.nmp.packet_reader import read_packets
from archsim.nmp.packet_words import Packet
from archsim.spec import apply_overrides
from archsim.traces import EmbeddingTrace, Table

SEEDS = st.integers(0, 2**32)
#: Rows begin at bursts, and every place fits Daddr.
ALIGNED = ["placement.row_align_bytes=64"]
SCHEDULES = [("interleaved", 0), ("interleaved", 2), ("table-aware", 0), ("table-aware", 2)]


def logged(system, trace, path, limit=10**9):
    """Replay, and return the result, the log and what its file holds."""
    path.unlink(missing_ok=True)
    with write_packets(path, limit) as log:
        result = simulate(system, trace, packets=log)
    return result, log, list(read_packets(path))


def counted(result):
    return {(row.component, row.event): row.count for row in result.energy}


# ------------------------------------------------------------------------------------- what the replay counted


@pytest.fixture(scope="module", params=["recnmp-base-8rank", "recnmp-opt-8rank"])
def cached(request):
    return request.param


@pytest.mark.parametrize(("scheduling", "threshold"), SCHEDULES)
@pytest.mark.parametrize("channels", [1, 2])
def test_encoded_packets_are_what_the_replay_counted(cached, scheduling, threshold, channels, tmp_path):
    system = load_system(
        cached,
        [
            f"nmp.scheduling={scheduling}",
            f"nmp.profile_threshold={threshold}",
            "nmp.batch_bags=24",
            "nmp.poolings_per_packet=8",
            f"dram.organization.channels={channels}",
        ],
    )
    trace = open_trace("preset:zipf", limit=8000)
    result, log, sent = logged(system, trace, tmp_path / "packets.csv")
    instructions = [each for part in sent for each in part.packet.instructions]
    assert len(sent) == result.nmp["packets"] == log.sent.packets == log.written.packets
    assert len(instructions) == result.nmp["instructions"] == log.sent.instructions
    # Bits on the pins: of the instructions, and of the results that the loads ask for.
    events = counted(result)
    assert 79 * len(instructions) == system.nmp.instruction_bits * events["channel", "instruction"]
    loads = [load for part in sent for load in part.packet.loads]
    assert sum(load.bursts for load in loads) == events["channel", "result"]
    # One configuration for every DIMM that a packet uses, which has some counters.
    dimms = [len({write.rank // 2 for write in part.packet.counters}) for part in sent]
    assert sum(dimms) == result.nmp["configurations"]
    assert dimms == [len({load.dimm for load in part.packet.loads}) for part in sent]
    # Bursts: those that went through the RankCache and those kept out of it; of each rank.
    bursts = Counter()
    for each in instructions:
        bursts[each.locality] += each.vsize
    assert bursts.total() == result.trace.requests
    if system.nmp.cache.size:
        assert bursts[True] == result.cache["lookups"]
        assert bursts[False] == result.cache["bypassed"]
    else:
        layout, reads = DaddrFormat(system.dram.organization), Counter()
        for part in sent:
            for each in part.packet.instructions:
                reads[part.channel * 8 + layout.unpack(each.daddr).rank] += each.vsize
        assert [reads[rank] for rank in range(8 * channels)] == result.nmp["rank_reads"]
    if not threshold:
        assert not bursts[False]
    # Poolings: every bag once, one tag each.
    headers = {part.number: part.packet.poolings for part in sent}
    assert sum(headers.values()) == result.nmp["sums"]["poolings"] == trace.bags
    tags = {(part.number, load.psum_tag) for part in sent for load in part.packet.loads}
    assert len(tags) == np.count_nonzero(np.diff(trace.bag_offsets))


def lookups_in(packet, trace):
    """Return the lookup of each vector of a twin's packet, by the number of its first burst."""
    lookups = {}
    for tag, bag in enumerate(packet.bags):
        firsts = sorted(
            vector.bursts[0].number for parts in packet.of_channel for vector in parts[tag].vectors
        )
        lookups |= {number: trace.bag_offsets[bag] + k for k, number in enumerate(firsts)}
    return lookups


def expected_packets(system, trace):
    """Spell the packets out from the twin's, one instruction at a time."""
    layout = DaddrFormat(system.dram.organization)
    hosts = [RowBuffers(layout) for _ in range(system.dram.organization.channels)]
    operator = "sum" if trace.weight is None else "weighted_sum"
    for number, packet in enumerate(packets_on(system, trace)):
        table = trace.tables[trace.bag_tables[packet.bags[0]]]
        name = next(name for name, code in OP_CODES.items() if code == op_code(operator, table.dtype))
        lookup_of = lookups_in(packet, trace)
        for channel, poolings in enumerate(packet.of_channel):
            instructions = []
            for tag, vector in (
                (tag, vector) for tag, each in enumerate(poolings) for vector in each.vectors
            ):
                lookup = lookup_of[vector.bursts[0].number]
                weight = 1.0 if trace.weight is None else float(trace.weight[lookup])
                for bursts, locality in instructions_of(vector):
                    daddr = layout.pack(Location(*bursts[0][1:]))
                    made = Instruction(name, daddr, len(bursts), tag, weight, bool(locality))
                    instructions.append(hosts[channel].present(made))
            if instructions:
                rest = layout, system.nmp.ranks_per_dimm, -(-4 * table.elements // 64)
                packet_here = Packet.of(operator, table.dtype, len(poolings), instructions, *rest)
                yield number, channel, packet_here


@settings(derandomize=True, deadline=None, max_examples=60)
@given(SEEDS, st.integers(1, 40))
def test_the_words_are_those_of_packets_spelled_out_one_by_one(tmp_path_factory, seed, bags):
    dice = random.Random(seed)
    system = apply_overrides(small_system(dice), ALIGNED)
    trace = small_trace(dice, system, bags)
    path = tmp_path_factory.mktemp("packets") / dice.choice(["p.csv", "p.csv.gz"])
    _, _, sent = logged(system, trace, path)
    assert [tuple(part) for part in sent] == list(expected_packets(system, trace))


def test_packets_do_not_depend_on_how_a_trace_is_cut(tmp_path, monkeypatch):
    system, trace = load_system("recnmp-opt-8rank"), open_trace("preset:zipf", limit=20_000)
    whole = logged(system, trace, tmp_path / "whole.csv")[2]
    from archsim.systems import recnmp

    monkeypatch.setattr(recnmp, "CHUNK_LOOKUPS", 700)
    assert logged(system, trace, tmp_path / "cut.csv")[2] == whole


def test_a_log_changes_nothing_of_the_replay(tmp_path):
    system, trace = load_system("recnmp-opt-8rank"), open_trace("preset:zipf", limit=5000)
    with_log, without = logged(system, trace, tmp_path / "p.csv")[0], simulate(system, trace)
    assert with_log.cycles == without.cycles
    assert with_log.nmp == without.nmp


@pytest.mark.parametrize("operator", ["sum", "mean", "weighted_sum", "weighted_mean"])
def test_8_bit_rows_have_op_codes_and_element_type_of_their_own(operator, tmp_path):
    trace = open_trace("preset:uniform", limit=500, overrides=["vector_bytes=72", 'dtype="uint8-rowwise"'])
    trace = replace(trace, weight=np.linspace(-1, 1, trace.lookups, dtype=np.float32))
    system = load_system("recnmp-base-8rank", [f"nmp.operator={operator}"])
    _, _, sent = logged(system, trace, tmp_path / "p.csv")
    for part in sent:
        assert (part.packet.operator, part.packet.dtype) == (operator, "uint8-rowwise")
        assert all(each.operator == f"{operator}_8bits" for each in part.packet.instructions)
    weights = sorted(each.weight for part in sent for each in part.packet.instructions)
    assert weights == sorted(
        trace.weight.tolist() if operator.startswith("weighted") else [1.0] * trace.lookups
    )


@pytest.mark.parametrize("preset", ["recnmp-base-8rank", "recnmp-opt-8rank"])
def test_packets_of_a_recorded_trace_are_what_the_replay_counted(preset, tmp_path):
    result, _, sent = logged(load_system(preset), recorded("uint8-rowwise", 100), tmp_path / "p.csv.gz")
    assert sum(len(part.packet.instructions) for part in sent) == result.nmp["instructions"]
    assert sum(part.packet.poolings for part in sent) == result.nmp["sums"]["poolings"]


# --------------------------------------------------------------------------------------------------- the limit


@pytest.mark.parametrize("limit", [1, 100, 639, 640, 641, 5000])
def test_whole_packets_are_written_up_to_the_limit(limit, tmp_path):
    system, trace = load_system("recnmp-base-8rank"), open_trace("preset:zipf", limit=6000)
    _, _, whole = logged(system, trace, tmp_path / "whole.csv")
    _, log, sent = logged(system, trace, tmp_path / "cut.csv", limit)
    assert sent == whole[: len(sent)]
    total = sum(len(part.packet.instructions) for part in sent)
    assert log.written.instructions == total <= limit
    assert total + len(whole[len(sent)].packet.instructions) > limit
    assert log.sent.instructions == sum(len(part.packet.instructions) for part in whole)
    assert (
        log.summary()
        == f"{len(sent):,} of {len(whole):,} packets, {total:,} of {log.sent.instructions:,} instructions"
    )


def test_a_small_packet_after_one_left_out_is_left_out_too(tmp_path):
    """Bags of 60 and 2 lookups: the second would fit behind the gap."""
    rows, ends = np.arange(62), np.array([0, 60, 62])
    trace = EmbeddingTrace(
        name="two",
        tables=[Table("table", 100, 128)],
        rows=rows,
        bag_offsets=ends,
        bag_tables=np.zeros(2, np.int32),
    )
    system = load_system("recnmp-base-8rank", ["nmp.poolings_per_packet=1"])
    _, log, sent = logged(system, trace, tmp_path / "p.csv", limit=10)
    assert not sent
    assert log.written.packets == 0
    assert log.sent.packets == 2


# ------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("preset", "overrides", "message"),
    [
        ("host-8rank", [], "system 'host-8rank' has no near-memory units, and so no packets to write"),
        ("tensordimm-8rank", [], "the host of design 'tensordimm' sends no NMP instructions"),
        ("trim-bank-8rank", [], "the host of design 'trim-bank' sends no NMP instructions"),
        (
            "recnmp-base-8rank",
            ["nmp.instruction_bits=80"],
            "= 80: packets are written in words of 79 bits",
        ),
    ],
)
def test_a_system_without_nmp_instructions_has_no_packets(preset, overrides, message, tmp_path):
    with pytest.raises(InputError, match=message):
        logged(load_system(preset, overrides), open_trace("preset:zipf", limit=500), tmp_path / "p.csv")
    assert not list(tmp_path.iterdir())


def test_rows_that_begin_inside_a_burst_are_refused_with_the_field(tmp_path):
    trace = open_trace("preset:uniform", limit=500, overrides=["vector_bytes=32"])
    with pytest.raises(
        InputError, match=r"table 'table_0': the field Daddr .* placement\.row_align_bytes = 64 or more"
    ):
        logged(load_system("recnmp-base-8rank"), trace, tmp_path / "p.csv")
    assert logged(load_system("recnmp-base-8rank", ALIGNED), trace, tmp_path / "p.csv")[2]


class Longer(design_class("recnmp")):
    """Vectors that an instruction cannot name, and no check of the memory."""

    name = "longer"
    most_bursts = 20

    def check(self):
        pass


@pytest.fixture
def longer():
    register(Longer)
    return "nmp.design=longer"


def test_a_design_that_outgrows_an_instruction_is_refused_with_the_field(longer, tmp_path):
    trace = open_trace("preset:uniform", limit=500, overrides=["vector_bytes=1024"])
    system = load_system("recnmp-base-8rank", [longer, "dram.address_map.preset=roco"])
    assert simulate(system, trace).nmp
    with pytest.raises(InputError) as refused:
        logged(system, trace, tmp_path / "p.csv")
    assert str(refused.value) == (
        "packet 0, channel 0: NMP instruction: field vsize must be 1 to 7 bursts, not 16"
    )
    assert not list(tmp_path.iterdir())


def test_a_memory_that_outgrows_daddr_is_refused_with_the_field(longer, tmp_path):
    system = load_system("recnmp-base-8rank", [longer, "dram.organization.rows=524288"])
    with pytest.raises(InputError, match=r"NMP instruction: Daddr needs 33 bits \(rank 3, .*\) and has 32"):
        logged(system, open_trace("preset:uniform", limit=500), tmp_path / "p.csv")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights": np.array([1, np.nan], np.float32)}, "field weight must be a number, not nan"),
        ({"packet_poolings": np.array([-20, 2])}, "field psum_tag must be 0 to 15, not 20"),
    ],
)
def test_an_instruction_that_no_trace_makes_is_refused_with_its_field(changes, message):
    organization = load_system("recnmp-base-2rank").dram.organization
    bursts = Bursts(
        coordinates=np.array([0, 1]),
        lookup=np.array([0, 1], np.int32),
        pooling=np.array([0, 1], np.int32),
        locality=np.ones(2, np.uint8),
        weights=None,
        packet_first=np.array([0, 2]),
        packet_poolings=np.array([0, 2]),
        tables=np.zeros(2, np.int32),
        result_bursts=np.ones(1, np.int32),
        dtypes=("float32",),
        operator="sum",
    )
    assert len(RowState(organization, 2).encode(bursts, 0).word) == 8
    with pytest.raises(InputError, match=f"packet 3, channel 0: NMP instruction: {message}"):
        RowState(organization, 2).encode(replace(bursts, **changes), 3)


def test_a_vector_whose_columns_are_not_in_a_row_is_refused_with_the_field(tmp_path):
    """An address map that skips every other column."""
    layout = "dram.address_map.layout=['column:1', 'row:1', 'column', 'bank_group', 'bank', 'rank', 'row']"
    maps = [layout, "dram.address_map.hash=[]", "dram.address_map.xor={'column[0]' = ['column[1]']}"]
    trace = open_trace("preset:uniform", limit=500, overrides=["vector_bytes=256"])
    with pytest.raises(
        InputError, match=r"packet 0, channel 0: NMP instruction: field vsize counts consecutive columns"
    ):
        logged(load_system("recnmp-base-8rank", maps), trace, tmp_path / "p.csv")


def test_a_log_takes_one_replay(tmp_path):
    system, trace = load_system("recnmp-base-8rank"), open_trace("preset:zipf", limit=500)
    with write_packets(tmp_path / "p.csv") as log:
        simulate(system, trace, packets=log)
        with pytest.raises(InputError, match="holds the packets of one replay"):
            simulate(system, trace, packets=log)
