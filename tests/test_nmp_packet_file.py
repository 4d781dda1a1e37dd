"""Packet files: what is no packet file is refused in one line; the option of the command line."""

import gzip
import json
import random
import re
from pathlib import Path

import program
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_nmp_packet_log import logged

from archsim import load_system, open_trace
from archsim.errors import InputError
from archsim.nmp.packet_log import write_packets
from archsim.nmp.packet_reader import read_packets
from archsim.nmp.packet_words import Packet

SEEDS = st.integers(0, 2**32)


def test_a_file_that_exists_stays(tmp_path):
    (tmp_path / "p.csv").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="exists already"), write_packets(tmp_path / "p.csv"):
        pass
    assert (tmp_path / "p.csv").read_text(encoding="utf-8") == "mine"


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    path = tmp_path_factory.mktemp("sound") / "p.csv"
    logged(load_system("recnmp-base-8rank"), open_trace("preset:zipf", limit=400), path)
    return path.read_text(encoding="ascii").splitlines()


def first(lines, kind):
    return next(k for k, line in enumerate(lines) if f",{kind}," in line)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda lines: [], "empty; a packet file begins with 'packet,channel,kind,word'"),
        (lambda lines: lines[1:], "line 1: '0,0,header,"),
        (lambda lines: [lines[0], "0,0,header", *lines[2:]], "line 2: '0,0,header': 3 entries, must be 4"),
        (lambda lines: [lines[0], "x" + lines[1], *lines[2:]], "line 2: packet = 'x0' must be a whole number"),
        (lambda lines: [lines[0], lines[1][:-20] + "g" * 20, *lines[2:]], "must be 79 bits as hexadecimal digits"),
        (lambda lines: [lines[0], lines[1][:-20] + "f" * 20, *lines[2:]], "must be 79 bits as hexadecimal digits"),
        (lambda lines: [lines[0], lines[1].replace("header", "heder"), *lines[2:]], "unknown (did you mean 'header'?)"),
        (lambda lines: [lines[0], lines[1].replace("header", "load"), *lines[2:]], "the word is that of 'header'"),
        (lambda lines: [lines[0], *lines[2:]], "op code 13 must be 12, that of a header"),
        (lambda lines: lines[:-1], "words, but its header announces"),
        (lambda lines: [*lines[:3], *lines[2:]], "words, but its header announces"),
        (lambda lines: [*lines, *lines[1 : first(lines, "tail") + 1]], "must follow packet"),
        (lambda lines: [*lines[:2], "1" * 1000, *lines[2:]], "line 3: '11111111"),
    ],
)  # fmt: skip
def test_what_is_no_packet_file_is_refused_in_one_line(damage, message, sound, tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("\n".join(damage(sound)) + ("\n" if damage(sound) else ""), encoding="ascii")
    with pytest.raises(InputError) as refused:
        list(read_packets(path))
    assert message in str(refused.value)
    assert str(refused.value).startswith(f"{path}: ")
    assert "\n" not in str(refused.value)


@settings(deadline=None, max_examples=80)
@given(SEEDS)
def test_a_flipped_byte_is_refused_or_another_sound_file(tmp_path_factory, sound, seed):
    dice, path = random.Random(seed), tmp_path_factory.mktemp("flipped") / "p.csv"
    data = bytearray("\n".join(sound).encode("ascii"))
    if dice.random() < 0.3:
        data = bytearray(gzip.compress(data, mtime=0))
    for _ in range(dice.choice([1, 1, 5])):
        data[dice.randrange(len(data))] = dice.randrange(256)
    if dice.random() < 0.3:
        del data[dice.randrange(len(data)) :]
    path.write_bytes(data)
    try:
        packets = list(read_packets(path))
    except InputError as refused:
        message = str(refused)
    else:
        message = ""
        assert all(Packet.decode(part.packet.encode()) == part.packet for part in packets)
    assert "\n" not in message


def test_no_file_is_no_traceback(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        list(read_packets(tmp_path / "nothing.csv"))
    with (
        pytest.raises(InputError, match=r"must end in \.csv or \.csv\.gz"),
        write_packets(tmp_path / "p.txt"),
    ):
        pass


# -------------------------------------------------------------------------------------------------- command line


def replay(*arguments):
    return program.run("replay", "preset:zipf", "--limit", "3000", *map(str, arguments))


def test_replay_writes_the_packets_of_its_system(tmp_path):
    for name in ("p.csv", "p.csv.gz"):
        ended = replay("--system", "recnmp-opt-8rank", "--packets", tmp_path / name, "--json")
        assert ended.status == 0
        run = json.loads(ended.out)["runs"][0]
        sent = list(read_packets(tmp_path / name))
        assert len(sent) == run["nmp"]["packets"]
        assert sum(len(part.packet.instructions) for part in sent) == run["nmp"]["instructions"] == 3000
        packets = f"{len(sent)} of {len(sent)} packets, 3,000 of 3,000 instructions"
        assert f"packets: {tmp_path / name}, {packets}\n" in ended.err


def test_a_limit_is_said_when_it_cuts(tmp_path):
    ended = replay("--system", "recnmp-base-8rank", "--packets", tmp_path / "p.csv", "--packets-limit", 1000)
    assert ended.status == 0
    assert "of 3,000 instructions; --packets-limit sets how many instructions\n" in ended.err
    written = sum(len(part.packet.instructions) for part in read_packets(tmp_path / "p.csv"))
    assert 0 < written <= 1000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "needs one --system, not 3"),
        (["--system", "host-8rank"], "system 'host-8rank' has no near-memory units, and so no packets to write"),
        (["--system", "trim-bank-8rank"], "the host of design 'trim-bank' sends no NMP instructions"),
        (["--system", "recnmp-base-8rank", "--packets-limit", "0"], "'0' must be at least 1"),
    ],
)  # fmt: skip
def test_packets_that_there_are_not_are_one_line(arguments, message, tmp_path):
    ended = replay(*arguments, "--packets", tmp_path / "p.csv")
    assert ended.status == 2
    assert message in ended.err
    assert ended.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_limit_without_a_file_is_refused():
    ended = replay("--system", "recnmp-base-8rank", "--packets-limit", "10")
    assert (ended.status, ended.err) == (
        2,
        "archsim: error: --packets-limit: needs --packets, where the packets go\n",
    )


def test_a_name_without_a_format_is_refused_before_any_work(tmp_path):
    ended = replay("--system", "recnmp-base-8rank", "--packets", tmp_path / "p.txt")
    assert (ended.status, ended.err.count("\n")) == (2, 1)
    assert "a packet file must end in .csv or .csv.gz" in ended.err


def test_the_example_of_the_page_runs(capsys):
    page = (Path(__file__).parents[1] / "docs" / "nmp-packets.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", page, flags=re.S)
    exec(compile(block, "nmp-packets.md", "exec"), {})
    said, shown = capsys.readouterr().out.splitlines()
    assert f"# {said}\n" in block
    assert "Command(name='RD'" in shown
