"""Packets as words: round trips, damage, limits."""

import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_nmp_instruction import layout_of

from archsim import load_system
from archsim.errors import InputError
from archsim.nmp.daddr import DaddrFormat, Location
from archsim.nmp.instruction import Instruction
from archsim.nmp.operators import ELEMENT_TYPES, OP_CODES, OPERATORS, op_code
from archsim.nmp.packet_words import CounterWrite, Packet, ResultLoad

SEEDS = st.integers(0, 2**32)


def random_packet(dice, layout, bits):
    operator, dtype = dice.choice(OPERATORS), dice.choice(ELEMENT_TYPES)
    name = next(name for name, code in OP_CODES.items() if code == op_code(operator, dtype))
    poolings = dice.randint(1, 16)
    instructions = []
    for tag in range(poolings):
        for _ in range(dice.choice([0, 1, 3, 8])):
            place = Location(*(dice.randrange(1 << bits[part]) for part in Location._fields))
            weight = struct.unpack("<f", struct.pack("<f", dice.uniform(-3, 3)))[0]
            instructions.append(
                Instruction(
                    name, layout.pack(place), dice.randint(1, 7), tag, weight, dice.random() < 0.5, dice.randrange(8)
                )
            )  # fmt: skip
    return Packet.of(operator, dtype, poolings, instructions, layout, 2, dice.randint(1, 30))


@settings(deadline=None)
@given(SEEDS)
def test_a_packet_survives_encoding_and_decoding(seed):
    organization = load_system("host-8rank").dram.organization
    packet = random_packet(random.Random(seed), DaddrFormat(organization), organization.field_bits())
    words = packet.encode()
    assert all(0 <= word < 2**79 for word in words)
    assert len(words) == 2 + len(packet.counters) + len(packet.instructions) + len(packet.loads)
    assert Packet.decode(words) == packet


@settings(deadline=None)
@given(SEEDS)
def test_a_damaged_packet_is_refused_or_another_sound_packet(seed):
    dice = random.Random(seed)
    organization = load_system("host-8rank").dram.organization
    words = random_packet(dice, DaddrFormat(organization), organization.field_bits()).encode()
    damage = dice.choice(["flip", "drop", "double", "swap"])
    k = dice.randrange(len(words))
    if damage == "flip":
        words[k] ^= 1 << dice.randrange(79)
    elif damage == "drop":
        del words[k]
    elif damage == "double":
        words.insert(k, words[k])
    else:
        j = dice.randrange(len(words))
        words[k], words[j] = words[j], words[k]
    try:
        packet = Packet.decode(words)
    except InputError as error:
        refusal = str(error)
    else:
        refusal = None
        assert packet.encode() == words
    assert refusal is None or (refusal.startswith("NMP ") and "\n" not in refusal)


def test_a_packet_made_of_instructions_waits_for_them_and_loads_what_has_a_sum():
    layout = layout_of("host-8rank")
    places = [(0, 0), (7, 0), (1, 1), (1, 1), (0, 1)]
    instructions = [
        Instruction("mean", layout.pack(Location(rank, 0, 0, 0, 0)), 2, tag) for rank, tag in places
    ]
    packet = Packet.of("mean", "float32", 3, instructions, layout, 2, result_bursts=2)
    assert packet.counters == (
        CounterWrite(0, 0, 1), CounterWrite(0, 1, 1), CounterWrite(1, 1, 2), CounterWrite(7, 0, 1),
    )  # fmt: skip
    assert packet.loads == (ResultLoad(0, 0, 2), ResultLoad(3, 0, 2), ResultLoad(0, 1, 2))
    header = packet.encode()[0]
    assert header == 12 << 75 | 1 << 71 | 0 << 68 | 2 << 65 | 3 << 60 | 4 << 44 | 5 << 12 | 3


def sound_packet():
    layout = layout_of()
    instructions = [Instruction("sum", layout.pack(Location(k, 0, 0, 0, 0)), 2, k) for k in range(2)]
    return Packet.of("sum", "float32", 2, instructions, layout, 2, 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"poolings": 17}, "17 poolings must be 1 to 16, the values of a PsumTag"),
        ({"poolings": 0}, "0 poolings must be 1 to 16"),
        ({"poolings": 1}, "PsumTag 1 must be below the packet's 1 poolings"),
        ({"operator": "meen"}, "unknown operator 'meen' (did you mean 'mean'?)"),
        ({"dtype": "float31"}, "unknown element type 'float31' (did you mean 'float"),
        ({"operator": "mean"}, "instruction 0 is 'sum', not the packet's op code 2"),
        ({"counters": ()}, "the counters of pooling 0 wait for 0 instructions, but it has 1"),
    ],
)
def test_a_packet_that_breaks_a_rule_is_refused(changes, message):
    packet = sound_packet()
    with pytest.raises(InputError) as refused:
        Packet(**vars(packet) | changes)
    assert str(refused.value).startswith(f"NMP packet: {message}")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda words: words[:-1], "NMP packet: 7 words, but its header announces 8"),
        (lambda words: [], "NMP packet word 0: the packet ends before it"),
        (lambda words: words[1:], "NMP packet word 0: op code 13 must be 12, that of a header"),
        (lambda words: [words[0], words[3], *words[2:]], "NMP packet word 1: op code 1 must be 13, that of a counter"),
        (lambda words: [*words[:3], words[1], *words[4:]], "NMP packet word 3: NMP instruction: op code 13 is no"),
        (lambda words: [*words[:-1], words[-1] | 1], "NMP packet word 7: 0x"),
        (lambda words: [words[0] ^ 1 << 65, *words[1:]], "NMP packet word 0: vsize = 3 must be that of the packet's"),
        (lambda words: [words[0] | 7 << 68, *words[1:]], "NMP packet word 0: element type 7 must be 0 to 4"),
    ],
)  # fmt: skip
def test_words_that_are_no_packet_are_refused_with_their_place(damage, message):
    with pytest.raises(InputError) as refused:
        Packet.decode(damage(sound_packet().encode()))
    assert str(refused.value).startswith(message)
