"""``archsim heat``."""

import pytest
from program import run, strict_json

import archsim
from archsim.electrothermal import Coupling, HeatMap, fixed_point, run_in_time

#: A replay of a moment, on a coarse DIMM.
SMALL = ("preset:zipf", "--limit", "20000", "--set", "dram.energy.preset=ddr4-8gb-x8-2400", "--grid", "16x4")


def coupling():
    system = archsim.load_system("recnmp-opt-4rank", ["dram.energy.preset=ddr4-8gb-x8-2400"])
    return Coupling(
        system, archsim.open_trace("preset:zipf", limit=20000), HeatMap.load("recnmp-dimm"), grid=(16, 4)
    )


def test_the_table_shows_a_replay_without_feedback_beside_one_with_it():
    ended = run("heat", *SMALL, "--set", "map.stack.ambient_k=350")
    assert (ended.status, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert lines[0].startswith(
        "zipf over and over on recnmp-opt-4rank: 2 stacks recnmp-dimm in 76.85 degC; 16x4x8"
    )
    assert lines[2].split() == ["without", "feedback", "with", "it"]
    time = next(line for line in lines if line.startswith("time of a replay")).split()
    assert float(time[4]) < float(time[6])
    assert any(
        line.startswith("ranks refreshed twice as often") and line.endswith("4 of 4") for line in lines
    )
    assert any(line.startswith("rank 3") and line.endswith("100 %") for line in lines)
    assert any(line.startswith("unit1 ") for line in lines)
    assert next(line for line in lines if line.startswith("  in block")).split()[2:] == [
        "register",
        "register",
    ]
    assert "note: no part of the replay, and so at the power of the stack: register 0.5 W" in lines


def test_json_is_the_fixed_point_of_python():
    found = strict_json(run("heat", *SMALL, "--json").out)
    expected = fixed_point(coupling())
    names = {key: found.pop(key) for key in ("trace", "system", "map", "ambient_k", "ranks")}
    assert names == {
        "trace": "zipf", "system": "recnmp-opt-4rank", "map": "recnmp-dimm", "ambient_k": 308.15,
        "ranks": ["rank 0", "rank 1", "rank 2", "rank 3"],
    }  # fmt: skip
    assert found == expected.to_dict()
    assert found["before"]["time_ns"] == found["after"]["time_ns"]


def test_json_over_time_is_the_run_of_python():
    found = strict_json(
        run("heat", *SMALL, "--time", "10s", "--step", "2s", "--initial", "340K", "--json").out
    )
    expected = run_in_time(coupling(), 10.0, 2.0, initial=340.0).to_dict()
    assert {key: found[key] for key in expected} == expected
    assert found["times_s"] == [0, 2, 4, 6, 8, 10]
    table = run("heat", *SMALL, "--time", "10s", "--step", "2s").out.splitlines()
    assert table[2].split() == [
        "rank",
        "0",
        "s",
        "2",
        "s",
        "4",
        "s",
        "6",
        "s",
        "8",
        "s",
        "10",
        "s",
        "highest",
        "doubled",
    ]
    assert "replays of" in table[7]


def test_surroundings_are_kelvin_or_degrees_celsius_and_a_note_says_what_is_likely_confused():
    hot = run("heat", *SMALL, "--set", "map.stack.ambient_k=70degC").out
    assert hot.splitlines()[0].startswith(
        "zipf over and over on recnmp-opt-4rank: 2 stacks recnmp-dimm in 70.00"
    )
    cold = run("heat", *SMALL, "--set", "map.stack.ambient_k=70").out
    assert "note: ambient_k = 70 K is -203.15 degC; 70 degC is 343.15 K, or write 70degC" in cold.splitlines()
    assert "ambient_k" not in hot
    begun = strict_json(run("heat", *SMALL, "--time", "1s", "--initial", "60", "--json").out)
    assert begun["notes"][0] == "--initial = 60 K is -213.15 degC; 60 degC is 333.15 K, or write 60degC"
    assert begun["rank_k"][0][0] == 60


def test_a_map_that_does_not_suit_the_memory_names_those_that_do():
    ended = run("heat", "preset:uniform", "--limit", "100", "--system", "host-hbm2")
    assert ended.err == (
        "archsim: error: heat map 'recnmp-dimm': ranks = 2: the memory has 1 rank, which is no whole number of "
        "stacks; try --map hbm or --map cis3\n"
    )
    assert (
        run("heat", "preset:uniform", "--limit", "100", "--system", "host-hbm2", "--map", "hbm").status == 0
    )
    assert (
        run("heat", "preset:uniform", "--limit", "100", "--system", "host-hbm2", "--map", "cis3").status == 0
    )


def test_energy_per_event_is_the_first_note_and_says_how_to_have_currents():
    plain = run("heat", "preset:zipf", "--limit", "20000", "--grid", "16x4").out.splitlines()
    first = next(line for line in plain if line.startswith("note: "))
    assert first.startswith("note: temperatures rest on constants per event for the DRAM's energy")
    assert "--set dram.energy.preset=..., such as ddr4-8gb-x8-2400" in first
    assert "rest on constants" not in run("heat", *SMALL).out


def test_minutes_are_times():
    found = strict_json(run("heat", *SMALL, "--time", "1min", "--step", "0.5min", "--json").out)
    assert found["times_s"] == [0, 30, 60]


def test_the_default_step_is_a_500th():
    found = strict_json(run("heat", *SMALL, "--time", "5s", "--json").out)
    assert len(found["times_s"]) == 501


def test_hbm_in_hot_air_is_refreshed_as_a_whole():
    args = ("preset:uniform", "--limit", "5000", "--system", "host-hbm2", "--map", "hbm", "--grid", "8")
    found = strict_json(run("heat", *args, "--set", "map.stack.ambient_k=355", "--json").out)
    assert found["after"]["doubled_share"] == [1] * 16
    assert found["slowdown"] > 0
    assert found["ranks"][3] == "channel 1, pseudo channel 1"


@pytest.mark.parametrize("time", [(), ("--time", "60s", "--step", "1s")])
def test_pictures_of_a_fixed_point_and_of_a_run(tmp_path, time):
    file = tmp_path / "heat.png"
    ended = run("heat", *SMALL, *time, "--plot", file)
    assert ended.status == 0
    assert file.read_bytes()[:4] == b"\x89PNG"
    assert ended.err.endswith(f"plot: {file}\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--step", "1s"), "--step 1s: has no effect without --time"),
        (("--initial", "300"), "--initial 300: has no effect without --time"),
        (("--time", "fastmin"), "--time 'fastmin': must be a number and a unit, such as '14 s'"),
        (("--time", "fast"), "--time 'fast': must be a number and a unit, such as '14 s'"),
        (("--time", "0s"), "--time 0s: must be more than 0"),
        (("--time", "1s", "--step", "0ms"), "--step 0ms: must be more than 0"),
        (("--time", "1s", "--initial", "warm"), "--initial warm: must be ambient, steady, kelvin or degC"),
        (
            ("--map", "recnmp-dim"),
            "heat_map 'recnmp-dim': unknown heat_map preset (did you mean 'recnmp-dimm'?)",
        ),
        (("--set", "map.ambient_k=3"), "--set: ambient_k: unknown key"),
        (
            ("--set", "map.ranks=3"),
            "heat map 'recnmp-dimm': ranks = 3: the memory has 4 ranks, which is no whole",
        ),
        (
            ("--map", "hbm"),
            "heat map 'hbm': channels = 8: the memory has 1 channel, which is no whole number",
        ),
        (("--plot", "x.bmp"), "x.bmp: must end in .png, .svg or .pdf"),
        (("--grid", "0"), "grid 0x0: must have 1 to 4096 cells along each side"),
        (("--grid", "4x4x4"), "--grid '4x4x4': must be a number of cells"),
    ],
)
def test_what_has_no_meaning_is_one_line(arguments, message):
    ended = run("heat", *SMALL, *arguments)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith(f"archsim: error: {message}") or message in ended.err
    assert ended.err.count("\n") == 1


def test_a_trace_of_addresses_does_not_suit_units(tmp_path):
    (tmp_path / "a.trace").write_text("0x0 R\n0x40 R\n")
    ended = run("heat", tmp_path / "a.trace", "--format", "ramulator1")
    assert ended.status == 2
    assert ended.err.count("\n") == 1


def test_runaway_is_one_line_and_status_2(tmp_path):
    leak = "{ power_w = 40.0, at_k = 300.0, beta_per_k = 0.05 }"
    (tmp_path / "map.toml").write_text(
        'preset = "hbm"\n[stack]\nname = "hot"\nwidth_mm = 5.0\nheight_mm = 5.0\n'
        'materials = [{ name = "si", conductivity_w_mk = 100.0, heat_capacity_j_m3k = 1e6 }]\n'
        "top = { resistance_k_w = 20.0 }\n"
        '[[stack.layers]]\nname = "die"\nthickness_um = 100.0\nmaterial = "si"\n'
        f'blocks = [{{ name = "all", leakage = {leak} }}]\n'
    )
    text = (tmp_path / "map.toml").read_text().replace('preset = "hbm"\n', (
        'name = "hot"\nplaces = [{ name = "banks", blocks = ["all"] }]\n'
        'energy = [{ component = "dram", to = { banks = 1.0 } }, { component = "channel", to = { off = 1.0 } }]\n'
        'sensors = { per = "stack", places = "banks", most_c = 95.0 }\n'
    ))  # fmt: skip
    (tmp_path / "map.toml").write_text(text)
    ended = run(
        "heat", "preset:zipf", "--limit", "500", "--system", "host-1rank", "--map", tmp_path / "map.toml"
    )
    assert ended.status == 2
    assert "block 'all': thermal runaway: no temperature is steady" in ended.err
    assert ended.err.count("\n") == 1
