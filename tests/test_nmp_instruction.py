"""NMP instructions as bits: positions, round trips, limits, expansion."""

import random
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim import load_system
from archsim.dram.address import encode
from archsim.dram.resolve import COMMANDS, resolve
from archsim.dram.spec import DramSpec
from archsim.errors import InputError
from archsim.nmp.daddr import DaddrFormat, Location
from archsim.nmp.instruction import (
    ACT,
    FIELDS,
    PRE,
    RD,
    WORD_BITS,
    Instruction,
    RowBuffers,
    decode_arrays,
    encode_arrays,
)
from archsim.nmp.operators import OP_CODES, OPERATORS, op_code
from archsim.spec import apply_overrides

SEEDS = st.integers(0, 2**32)
#: Bit positions as docs/recnmp.md has them: (top, bottom).
POSITIONS = {
    "op_code": (78, 75), "commands": (74, 72), "daddr": (71, 40), "vsize": (39, 37), "weight": (36, 5),
    "locality": (4, 4), "psum_tag": (3, 0),
}  # fmt: skip
FP32 = st.floats(width=32, allow_nan=False)
INSTRUCTIONS = st.builds(
    Instruction,
    operator=st.sampled_from(list(OP_CODES)),
    daddr=st.integers(0, 2**32 - 1),
    vsize=st.integers(1, 7),
    psum_tag=st.integers(0, 15),
    weight=FP32,
    locality=st.booleans(),
    commands=st.integers(0, 7),
)


def layout_of(name="host-8rank"):
    return DaddrFormat(load_system(name).dram.organization)


def word_of(instruction):
    """Write an instruction as text of bits, field by field, and read that as a number."""
    text = f"{OP_CODES[instruction.operator]:04b}{instruction.commands:03b}{instruction.daddr:032b}"
    text += f"{instruction.vsize:03b}{int.from_bytes(struct.pack('>f', instruction.weight), 'big'):032b}"
    text += f"{instruction.locality:b}{instruction.psum_tag:04b}"
    assert len(text) == 79
    return int(text, 2)


def test_an_instruction_has_79_bits_and_each_field_its_place():
    assert WORD_BITS == sum(field.bits for field in FIELDS) == 79
    assert {field.name: (field.low + field.bits - 1, field.low) for field in FIELDS} == POSITIONS


def test_an_instruction_is_this_word_by_hand():
    instruction = Instruction("weighted_sum", 0xDEADBEEF, 2, 9, weight=-1.5, locality=True, commands=ACT | RD)
    by_hand = 3 << 75 | 0b110 << 72 | 0xDEADBEEF << 40 | 2 << 37 | 0xBFC00000 << 5 | 1 << 4 | 9
    assert instruction.encode() == by_hand
    assert Instruction.decode(by_hand) == instruction


def test_the_op_codes_are_these():
    assert [op_code(operator, "float32") for operator in OPERATORS] == [1, 2, 3, 4]
    assert [op_code(operator, "uint8-rowwise") for operator in OPERATORS] == [5, 6, 7, 8]


@given(INSTRUCTIONS)
def test_an_instruction_survives_encoding_and_decoding(instruction):
    assert instruction.encode() == word_of(instruction)
    assert Instruction.decode(instruction.encode()) == instruction


@given(st.integers(0, 2**79 - 1))
def test_every_word_is_refused_or_written_again_alike(word):
    try:
        instruction = Instruction.decode(word)
    except InputError:
        op_code, vsize, weight = word >> 75, word >> 37 & 7, word >> 5 & 0xFFFFFFFF
        nan = weight >> 23 & 0xFF == 0xFF and weight & 0x7FFFFF
        assert not 1 <= op_code <= 8 or vsize == 0 or nan
    else:
        assert instruction.encode() == word


@given(st.lists(INSTRUCTIONS, max_size=50))
def test_arrays_of_instructions_are_the_words_one_by_one(instructions):
    rows = [
        (OP_CODES[i.operator], i.commands, i.daddr, i.vsize, i.weight, i.locality, i.psum_tag)
        for i in instructions
    ]
    columns = {field.name: np.array([row[k] for row in rows]) for k, field in enumerate(FIELDS)}
    columns["weight"] = columns["weight"].astype(np.float32)
    words = encode_arrays(columns)
    assert words.shape == (len(instructions), 2)
    assert [low | high << 64 for low, high in words.tolist()] == [i.encode() for i in instructions]
    decoded = decode_arrays(words)
    assert list(decoded) == [field.name for field in FIELDS]
    for name, values in columns.items():
        assert decoded[name].tobytes() == values.astype(decoded[name].dtype).tobytes()


@given(SEEDS)
def test_a_location_survives_packing(seed):
    dice = random.Random(seed)
    preset = dice.choice(["ddr4-2400", "ddr5-4800", "hbm2-2000", "lpddr5-6400"])
    organization = DramSpec.load(preset).organization
    organization = organization.model_copy(update={"ranks": dice.choice([1, 2, 4]), "pseudo_channels": 1})
    layout = DaddrFormat(organization)
    bits = organization.field_bits()
    location = Location(*(dice.randrange(1 << bits[name]) for name in Location._fields))
    daddr = layout.pack(location)
    assert 0 <= daddr < 2**32
    assert layout.unpack(daddr) == location
    arrays = [np.array([part], np.int64) for part in location]
    assert layout.pack_arrays(*arrays).tolist() == [daddr]


def test_daddr_packs_rank_bank_group_bank_row_column_from_the_top():
    layout = layout_of("host-8rank")  # 3 + 2 + 2 + 16 + 7 bits
    assert layout.pack(Location(5, 2, 3, 0x8001, 0x55)) == 0b101_10_11_1000000000000001_1010101


def test_the_example_of_the_paper_expands_as_printed():
    """128 bytes that miss the row: PRE, ACT row, RD col, RD col + 8."""
    layout = layout_of()
    here, other = layout.pack(Location(3, 1, 2, 77, 6)), layout.pack(Location(3, 1, 2, 78, 0))
    host = RowBuffers(layout)
    host.present(Instruction("sum", other, 2, 0))
    commands = host.present(Instruction("sum", here, 2, 0)).expand(layout)
    assert [(c.name, c.row, c.column) for c in commands] == [
        ("PRE", -1, -1), ("ACT", 77, -1), ("RD", 77, 48), ("RD", 77, 56),
    ]  # fmt: skip
    assert {c[1:4] for c in commands} == {(3, 1, 2)}


def test_presence_bits_follow_the_row_buffers():
    layout = layout_of()
    first = Instruction("sum", layout.pack(Location(0, 0, 0, 5, 0)), 1, 0)
    host = RowBuffers(layout)
    other_row = Instruction("sum", layout.pack(Location(0, 0, 0, 6, 0)), 1, 0)
    other_bank = Instruction("sum", layout.pack(Location(0, 0, 1, 5, 0)), 1, 0)
    asked = [first, first, other_bank, other_row, first]
    assert [host.present(i).commands for i in asked] == [
        ACT | RD,
        RD,
        ACT | RD,
        PRE | ACT | RD,
        PRE | ACT | RD,
    ]
    host.close(1)
    assert host.present(first).commands == RD
    host.close(0)
    assert host.present(first).commands == ACT | RD


@settings(deadline=None, max_examples=30)
@given(SEEDS)
def test_expanded_instructions_are_what_a_channel_issues_in_order(seed):
    """With a queue of one request and no refresh the DRAM channel issues the commands of the expansion."""
    from archsim.kernels.dram import ChannelReplay

    dice = random.Random(seed)
    changes = ["dram.controller.read_queue=1", "dram.refresh.mode=none", "dram.organization.columns=64"]
    dram = apply_overrides(load_system("host-2rank"), changes).dram
    layout, host = DaddrFormat(dram.organization), RowBuffers(DaddrFormat(dram.organization))
    expanded, coordinates = [], []
    for _ in range(dice.randint(1, 60)):
        vsize = dice.randint(1, 7)
        place = Location(dice.randrange(2), dice.randrange(4), dice.randrange(2), dice.randrange(3), 0)
        place = place._replace(column=dice.randint(0, 8 - vsize))
        expanded += host.present(Instruction("sum", layout.pack(place), vsize, 0)).expand(layout)
        rank, group, bank, row, column = place
        coordinates += [int(encode(rank, group, bank, row, column + burst, dram)) for burst in range(vsize)]
    channel = ChannelReplay(resolve(dram), 1 << 16)
    channel.feed(
        np.array(coordinates, np.int64), np.zeros(len(coordinates), np.uint8),
        np.zeros(len(coordinates), np.int64), drain=True,
    )  # fmt: skip
    issued = []
    for _, command, flat, row, column in channel.commands().T.tolist():
        name = COMMANDS[command]
        bank = (flat // 16, flat // 4 % 4, flat % 4)
        issued.append((name, *bank, row if name in ("ACT", "RD") else -1, column * 8 if name == "RD" else -1))
    assert sorted(issued) == sorted(map(tuple, expanded))
    for rank in range(2):
        mine = [tuple(c) for c in expanded if c.rank == rank and c.name == "RD"]
        assert [c for c in issued if c[1] == rank and c[0] == "RD"] == mine


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"vsize": 8}, "vsize = 8 must be 1 to 7 bursts of 64 bytes"),
        ({"vsize": 0}, "vsize = 0 must be 1 to 7"),
        ({"psum_tag": 16}, "psum_tag = 16 must be 0 to 15 (4 bits)"),
        ({"psum_tag": -1}, "psum_tag = -1 must be 0 to 15"),
        ({"daddr": 1 << 32}, "daddr = 4294967296 must be 0 to 4294967295 (32 bits)"),
        ({"commands": 8}, "commands = 8 must be 0 to 7"),
        ({"weight": 0.1}, "weight = 0.1 must be a number that FP32 holds exactly"),
        ({"weight": float("nan")}, "weight = nan must be a number that FP32 holds exactly"),
        ({"weight": 1e39}, "weight = 1e+39 is beyond FP32"),
        ({"operator": "weightd_sum"}, "unknown operator 'weightd_sum' (did you mean 'weighted_sum'?)"),
    ],
)
def test_a_field_beyond_its_limits_is_refused(fields, message):
    with pytest.raises(InputError) as refused:
        Instruction(**{"operator": "sum", "daddr": 0, "vsize": 1, "psum_tag": 0} | fields)
    assert str(refused.value).startswith(f"NMP instruction: {message}")


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("op_code", 0, "op_code = 0 must be 1 to 8"),
        ("op_code", 9, "op_code = 9 must be 1 to 8"),
        ("commands", 8, "commands = 8 must be 0 to 7"),
        ("daddr", 1 << 32, "daddr = 4294967296 must be 0 to 4294967295"),
        ("vsize", 8, "vsize = 8 must be 1 to 7 bursts of 64 bytes"),
        ("weight", float("nan"), "weight = nan must be a number"),
        ("locality", 2, "locality = 2 must be 0 to 1"),
        ("psum_tag", 16, "psum_tag = 16 must be 0 to 15"),
    ],
)
def test_an_array_entry_beyond_its_limits_is_refused_with_its_place(field, value, message):
    columns = {
        name: np.array([least] * 5) for name, least in zip(POSITIONS, (1, 0, 0, 1, 0, 0, 0), strict=True)
    }
    columns[field] = columns[field].astype(type(value))
    columns[field][3] = value
    with pytest.raises(InputError) as refused:
        encode_arrays(columns)
    assert str(refused.value) == f"NMP instruction 3: {message}"


@pytest.mark.parametrize(
    ("word", "message"),
    [
        (1 << 79, "bits 79 and up = 1 must be 0"),
        (1 << 37, "op_code = 0 must be 1 to 8"),
        (1 << 75, "vsize = 0 must be 1 to 7 bursts of 64 bytes"),
        (1 << 75 | 1 << 37 | 0x7FC00000 << 5, "weight = nan must be a number"),
    ],
)
def test_a_word_that_is_no_instruction_is_refused_in_arrays_too(word, message):
    words = np.array([[word & (2**64 - 1), word >> 64]], np.uint64)
    with pytest.raises(InputError, match=f"^NMP instruction 0: {message}$"):
        decode_arrays(words)
    with pytest.raises(InputError, match=r"^NMP instruction"):
        Instruction.decode(word)


def test_an_instruction_that_leaves_its_row_is_refused():
    layout = layout_of()
    with pytest.raises(InputError, match="2 bursts from column 127 leave a row of 128"):
        Instruction("sum", layout.pack(Location(0, 0, 0, 0, 127)), 2, 0).expand(layout)


def test_a_memory_beyond_32_bits_is_refused():
    organization = load_system("host-8rank").dram.organization.model_copy(update={"rows": 2**19})
    with pytest.raises(InputError) as refused:
        DaddrFormat(organization)
    assert str(refused.value) == (
        "NMP instruction: Daddr needs 33 bits (rank 3, bank_group 2, bank 2, row 19, column 7) and has 32"
    )


def test_a_location_outside_the_memory_is_refused():
    with pytest.raises(InputError, match="rank = 8 must be 0 to 7"):
        layout_of().pack(Location(8, 0, 0, 0, 0))
    with pytest.raises(InputError, match="NMP instruction 1: column = 128 must be 0 to 127"):
        layout_of().pack_arrays(*np.array([[0, 0], [0, 0], [0, 0], [0, 0], [127, 128]]))
    with pytest.raises(InputError, match="Daddr has bits set above the rank"):
        layout_of().unpack(1 << 30)


MANY_ROWS = ["dram.organization.rows=524288"]


@pytest.mark.parametrize("name", ["recnmp-base-8rank", "recnmp-opt-8rank", "ideal-8rank"])
def test_a_system_of_nmp_instructions_refuses_such_a_memory_when_it_is_set_up(name):
    with pytest.raises(InputError) as refused:
        load_system(name, MANY_ROWS)
    design = load_system(name).nmp.design
    assert str(refused.value) == (
        f"--set: dram.organization: the NMP instructions of design = {design!r} cannot name every burst: Daddr needs "
        "33 bits (rank 3, bank_group 2, bank 2, row 19, column 7) and has 32; take fewer ranks, rows or columns per "
        "channel, and more channels, which Daddr does not name"
    )
    assert load_system(name, ["dram.organization.rows=262144"]).nmp  # 32 bits
    assert load_system(name, [*MANY_ROWS, "dram.organization.ranks=4", "dram.organization.channels=2"]).nmp


def test_designs_without_nmp_instructions_take_such_a_memory():
    for name in ("host-8rank", "chameleon-8rank", "tensordimm-8rank", "trim-rank-8rank", "trim-bank-8rank"):
        assert load_system(name, MANY_ROWS).dram.organization.rows == 524288


def test_pseudo_channels_are_refused_for_what_they_are():
    with pytest.raises(InputError, match=r"pseudo_channels = 2: must be 1 with kind = 'recnmp'"):
        load_system("recnmp-base-8rank", ["dram.preset=hbm2-2000"])
