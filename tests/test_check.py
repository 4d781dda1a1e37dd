"""``archsim replay --commands`` and ``archsim check``: our logs are clean, and every fault in anybody's is found."""

import re
from pathlib import Path

import pytest
from program import run, strict_json

SHARED = Path(__file__).parents[1].parent / "shared" / "reference" / "dram"
SMALL = ("preset:zipf", "--set", "workload.lookups=2000", "--set", "workload.rows=5000")
HEADER = "clk,cmd,channel,rank,bankgroup,bank,row,col\n"


@pytest.mark.parametrize(
    "memory",
    [
        ["--system", "host-2rank"],
        ["--system", "host-2rank", "--set", "dram.organization.channels=2"],
        ["--system", "host-8rank", "--set", "dram.preset=ddr5-4800"],
        ["--system", "host-8rank", "--set", "dram.preset=hbm3-6400"],
        ["--system", "recnmp-base-4rank"],
    ],
    ids=" ".join,
)
def test_a_replay_writes_a_log_that_is_clean(memory, tmp_path):
    path = tmp_path / "log.csv.gz"
    replayed = run("replay", *SMALL, *memory, "--commands", path, "--json")
    assert replayed.status == 0
    report = strict_json(replayed.out)["runs"][0]
    status, out, err = run("check", path, *memory, "--json")
    assert (status, err) == (0, "")
    found = strict_json(out)
    assert found["violations"] == []
    assert found["commands"]["ACT"] == report["activates"]
    assert found["commands"]["PRE"] + found["commands"].get("PREA", 0) == report["precharges"]
    assert found["commands"].get("REF", 0) == report["refreshes"]
    total = sum(found["commands"].values())
    assert replayed.err == f"commands: {path}, {total:,} of {total:,}\n"
    assert run("check", path, *memory).out.splitlines()[-1] == "clean"


def test_a_log_is_bounded_by_its_limit(tmp_path):
    args = ("--system", "host-2rank", "--commands", tmp_path / "log.csv", "--commands-limit", "100")
    _, out, err = run("replay", *SMALL, *args, "--timeline", tmp_path / "t.json", "--json")
    lines = (tmp_path / "log.csv").read_text().splitlines()
    assert len(lines) == 101
    counted = strict_json(out)["runs"][0]
    issued = counted["reads"] + counted["activates"] + counted["precharges"] + counted["refreshes"]
    assert err.splitlines()[-1] == f"commands: {tmp_path / 'log.csv'}, 100 of {issued:,}"


def test_a_fault_is_named_with_its_rule_its_line_and_its_clock(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(f"{HEADER}1,ACT,0,0,0,0,5,0\n17,RD,0,0,0,0,5,0\n21,RD,0,0,1,0,5,0\n")
    status, out, err = run("check", path, "--dram", "ddr4-2400")
    assert (status, err) == (1, "")
    head, titles, first, second = out.splitlines()
    assert head == f"{path}: 1 ACT, 2 RD; DDR4-2400 8Gb x8"
    assert titles.split() == ["rule", "violations", "first", "line", "clock"]
    assert first.split()[:5] == ["bank", "ACT-RD", "1", "3", "17"]
    assert first.endswith("RD of bank 0 at clock 17, ACT of bank 0 at clock 1: at least 17 clocks apart")
    assert second.split()[:7] == ["RD", "to", "a", "closed", "bank", "1", "4"]
    found = strict_json(run("check", path, "--dram", "ddr4-2400", "--json").out)
    assert [(each["rule"], each["line"], each["clk"], each["channel"]) for each in found["violations"]] == [
        ("bank ACT-RD", 3, 17, 0),
        ("RD to a closed bank", 4, 21, 0),
    ]


def test_faults_of_several_channels_count_together_from_the_first(tmp_path):
    path = tmp_path / "log.csv"
    lines = ["1,ACT,1", "1,ACT,0", "10,RD,0", "10,RD,1", "22,RD,1"]
    path.write_text(HEADER + "".join(f"{line},0,0,0,5,0\n" for line in lines))
    args = ("--dram", "ddr5-4800", "--json")
    found = strict_json(run("check", path, *args).out)["violations"]
    assert [(each["rule"], each["count"], each["line"], each["channel"]) for each in found] == [
        ("bank ACT-RD", 3, 4, 0)
    ]
    assert found[0]["text"].startswith("channel 0: RD of bank 0 at clock 10")


def test_a_log_that_is_legal_in_one_memory_is_not_in_another(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(f"{HEADER}1,ACT,0,0,0,0,5,0\n18,RD,0,0,0,0,5,0\n")
    assert run("check", path).status == 0
    assert run("check", path, "--set", "dram.timing.tRCD=18").status == 1
    assert run("check", path, "--dram", "ddr4-2400", "--set", "dram.timing.tRCD=18").status == 1
    assert run("check", path, "--dram", "ddr4-2400", "--set", "timing.tRCD=17").status == 0


def test_the_units_of_recnmp_have_pins_of_their_own(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(f"{HEADER}1,ACT,0,0,0,0,5,0\n1,ACT,0,1,0,0,5,0\n")
    assert run("check", path, "--system", "recnmp-base-2rank").status == 0
    assert "command bus" in run("check", path, "--system", "host-2rank").out


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["missing.csv"], "missing.csv: no such file"),
        (["."], ".: cannot be read: Is a directory"),
        (["log.csv", "--dram", "ddr4"], "dram 'ddr4': unknown dram preset (did you mean 'ddr"),
        (
            ["log.csv", "--dram", "ddr4-2400", "--system", "host-1rank"],
            "--system and --dram: choose one of them",
        ),
        (["log.csv", "--dram", "ddr4-2400"], "log.csv: line 2: rank 1: the memory has 1, counted from 0"),
    ],
)
def test_bad_input_is_one_line_and_status_2(args, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("log.csv").write_text(f"{HEADER}1,ACT,0,1,0,0,5,0\n")
    status, out, err = run("check", *args)
    assert (status, out) == (2, "")
    assert err.startswith(f"archsim: error: {message}")
    assert err.count("\n") == 1


# What an independent checker found in recorded logs of three simulators (../shared/reference/dram/check_commands.out).
RECORDED = {
    "dramsim3_DDR4_1r_bank8_random_20k": {},
    "dramsim3_DDR4_2r_bank8_mix_20k": {"rank switch gap WR-WR": 1393},
    "dramsys_DDR4_1r_rw32_random_20k": {},
    "dramsys_DDR4_2r_rw32_mix_20k": {},
    "dramsys_DDR4_2r_wm32_mix_20k": {},
    "ramulator2_DDR4_1r_rowhit32_random_20k": {},
    "ramulator2_DDR4_2r_rowhit32_mix_20k": {
        "data bus overlap RD-WR": 287,
        "rank switch gap WR-WR": 1685,
        "rank switch gap RD-WR": 7,
    },
}


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_logs_of_other_simulators_break_exactly_the_known_rules(name):
    path = SHARED / "cmdlogs" / f"{name}.csv.gz"
    if not path.is_file():
        pytest.skip(
            f"recorded command log (../shared/reference/dram/cmdlogs/{name}.csv.gz) is not on this machine"
        )
    ranks = name.split("_")[2].removesuffix("r")
    checked = run("check", path, "--dram", "ddr4-2400", "--set", f"dram.organization.ranks={ranks}", "--json")
    assert checked.status == (1 if RECORDED[name] else 0)
    known = RECORDED[name]
    found = {each["rule"]: each["count"] for each in strict_json(checked.out)["violations"]}
    # The rules between ranks find the same directions; they count every command too early after another, not only
    # neighbours on the data bus.
    for direction in {rule.split()[-1] for rule in known}:
        on_the_bus = known.get(f"data bus overlap {direction}", 0) + known.get(
            f"rank switch gap {direction}", 0
        )
        assert found.pop(f"other_rank {direction}") >= on_the_bus
    assert found == known


def test_the_known_violations_are_those_of_the_reference():
    path = SHARED / "check_commands.out"
    if not path.exists():
        pytest.skip("needs ../shared/reference/dram/check_commands.out")
    ours = {"R": "RD", "W": "WR"}
    for line in path.read_text().splitlines():
        name, counts = re.match(r"(\w+)\.csv\.gz \{.*?\} \w+ \{(.*)\}", line).groups()
        theirs = {}
        for text, before, after, count in re.findall(r"'(.+?) (\w)->(\w)[^']*': (\d+)", counts):
            theirs[f"{text.replace('-', ' ')} {ours[before]}-{ours[after]}"] = int(count)
        assert RECORDED[name] == theirs
