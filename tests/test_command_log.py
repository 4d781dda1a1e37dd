"""Command logs as files: what is written is read back, and what is no command log is refused with its place."""

import gzip
import random

import numpy as np
import pytest

from archsim.dram.command_log import read_commands, write_commands
from archsim.dram.engine import replay_lines
from archsim.dram.resolve import COMMANDS
from archsim.dram.spec import DramSpec
from archsim.errors import InputError
from archsim.spec import apply_overrides

DDR4 = apply_overrides(DramSpec.load("ddr4-2400"), ["organization.ranks=2"])
MEMORIES = {
    "ddr4": DDR4,
    "ddr5": DramSpec.load("ddr5-4800"),
    "hbm2": apply_overrides(DramSpec.load("hbm2-2000"), ["organization.channels=4"]),
    "lpddr4": apply_overrides(DramSpec.load("lpddr4-4266"), ["refresh.mode=per-bank"]),
}
HEADER = "clk,cmd,channel,rank,bankgroup,bank,row,col"
FORMATS = ["log.csv", "log.csv.gz", "log.parquet"]


def log_of(spec, n=3000):
    dice = random.Random(7)
    lines = [dice.randrange(1 << 16) for _ in range(n)]
    writes = [dice.random() < 0.3 for _ in range(n)]
    return replay_lines(spec, lines, writes=writes, log_limit=1 << 20).commands()


def needs(name):
    if name.endswith(".parquet"):
        pytest.importorskip("pyarrow")


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("memory", sorted(MEMORIES))
def test_a_log_reads_back_as_it_was_written(memory, name, tmp_path):
    needs(name)
    spec = MEMORIES[memory]
    commands = log_of(spec)
    write_commands(spec, commands, tmp_path / name)
    log = read_commands(spec, tmp_path / name)
    clk, command, bank, row, _ = commands
    # PREA and REF name the first bank of their rank either way.
    banks = spec.organization.banks
    expected = {"clk": clk, "command": command, "channel": bank // banks, "bank": bank % banks, "row": row}
    for column, values in expected.items():
        assert getattr(log, column).tolist() == values.tolist(), column
    assert set(np.unique(command)) >= {COMMANDS.index(each) for each in ("ACT", "PRE", "RD", "WR")}


def test_text_has_a_command_per_line_under_the_names_of_the_columns(tmp_path):
    # PREA and REF of rank 1; ACT, RD of rank 0, bank group 2, bank 3; PRE of rank 1, bank group 3, bank 3.
    commands = np.array([
        [9, 5, 16, 0, 0], [26, 4, 16, 0, 0], [30, 0, 11, 77, 5], [47, 2, 11, 77, 5], [60, 1, 31, 0, 0],
    ]).T  # fmt: skip
    write_commands(DDR4, commands, tmp_path / "log.csv")
    assert (tmp_path / "log.csv").read_text().splitlines() == [
        HEADER,
        "9,PREA,0,1,0,0,0,0",
        "26,REF,0,1,0,0,0,0",
        "30,ACT,0,0,2,3,77,5",
        "47,RD,0,0,2,3,77,5",
        "60,PRE,0,1,3,3,0,0",
    ]


def test_a_memory_with_pseudo_channels_has_a_column_for_them(tmp_path):
    write_commands(MEMORIES["hbm2"], log_of(MEMORIES["hbm2"]), tmp_path / "log.csv")
    lines = (tmp_path / "log.csv").read_text().splitlines()
    assert lines[0] == HEADER.replace("channel,", "channel,pseudo_channel,")
    assert {line.split(",")[3] for line in lines[1:]} == {"0", "1"}
    assert {line.split(",")[2] for line in lines[1:]} == {"0", "1", "2", "3"}


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_log_gives_the_same_file_and_none_is_replaced(name, tmp_path):
    needs(name)
    commands = log_of(DDR4, 50)
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        write_commands(DDR4, commands, tmp_path / folder / name)
    assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    with pytest.raises(InputError, match="exists already"):
        write_commands(DDR4, commands, tmp_path / "a" / name)


def test_logs_of_others_may_leave_out_columns_order_them_otherwise_and_use_long_names(tmp_path):
    lines = ["bank,cmd,clk,rank,bankgroup,row", "3,ACT,5,1,2,9", "3,PREpb,50,1,2,9", "-1,PREab,60,1,-4,-1"]
    text = "\n".join([*lines, "-1,REFab,80,1,-1,-1", "", ""])
    (tmp_path / "log.csv.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    log = read_commands(DDR4, tmp_path / "log.csv.gz")
    assert [COMMANDS[code] for code in log.command] == ["ACT", "PRE", "PREA", "REF"]
    assert log.bank.tolist() == [16 + 2 * 4 + 3, 16 + 2 * 4 + 3, 16, 16]
    assert log.channel.tolist() == [0, 0, 0, 0]
    assert log.first_line == 2


GOOD = "5,ACT,0,1,2,3,9,0\n"
MISTAKES = {
    "": f"no column 'clk'; a command log has the columns {HEADER}",
    "clk,cmd\n": f"no column 'rank'; a command log has the columns {HEADER}",
    f"{HEADER},colour\n": "unknown column 'colour' (did you mean 'col'?)",
    f"{HEADER},clk\n": "column 'clk' stands twice",
    f"{HEADER}\n{GOOD}6,ACT,0,1\n": "line 3: 4 entries, the header has 8",
    f"{HEADER}\n{GOOD}6,ACTT,0,1,2,3,9,0\n": "line 3: unknown command 'ACTT' (did you mean 'ACT'?)",
    f"{HEADER}\n{GOOD}x,RD,0,1,2,3,9,0\n": "line 3: clk = 'x': must be a whole number",
    f"{HEADER}\n{GOOD}6,RD,0,1,2,3,9.5,0\n": "line 3: row = '9.5': must be a whole number",
    f"{HEADER}\n{GOOD}99999999999999999999,RD,0,1,2,3,9,0\n": (
        "line 3: clk = '99999999999999999999': must be a whole number"
    ),
    f"{HEADER}\n{GOOD}6,RD,0,2,2,3,9,0\n": "line 3: rank 2: the memory has 2, counted from 0",
    f"{HEADER}\n{GOOD}6,RD,1,1,2,3,9,0\n": "line 3: channel 1: the memory has 1, counted from 0",
    f"{HEADER}\n{GOOD}6,RD,0,1,4,3,9,0\n": "line 3: bankgroup 4: the memory has 4, counted from 0",
    f"{HEADER}\n{GOOD}6,RD,0,1,2,-1,9,0\n": "line 3: bank -1: the memory has 4, counted from 0",
    f"{HEADER}\n{GOOD}4,RD,0,1,2,3,9,0\n": "line 3: clk 4: must not be before 5, that of the command before it",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_what_is_no_command_log_is_refused_with_its_place(text, tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(text)
    with pytest.raises(InputError) as refused:
        read_commands(DDR4, path)
    assert str(refused.value) == f"{path}: {MISTAKES[text]}"


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("log.csv", b"\xff\xfe\x00", "not a text table: "),
        ("log.csv", gzip.compress(b"clk", mtime=0)[:-6], "cannot be read: "),
        ("log.csv", b"\x1f\x8b\x08" + bytes(7) + b"\xff" * 20, "damaged: "),
        ("log.parquet", b"PAR", "not a Parquet file: "),
        ("missing.csv", None, "no such file"),
    ],
)
def test_files_that_cannot_be_read_are_refused(name, data, message, tmp_path):
    needs(name)
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError) as refused:
        read_commands(DDR4, tmp_path / name)
    assert str(refused.value).startswith(f"{tmp_path / name}: {message}")
    assert "\n" not in str(refused.value)


def test_a_name_that_tells_no_format_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"log.txt: a command log must end in .csv, .csv.gz or .parquet"):
        write_commands(DDR4, log_of(DDR4, 5), tmp_path / "log.txt")
    assert list(tmp_path.iterdir()) == []


def test_without_pyarrow_parquet_is_refused_with_the_way_out(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"Parquet files need pyarrow: pip install pyarrow$"):
        write_commands(DDR4, log_of(DDR4, 5), tmp_path / "log.parquet")
