"""``archsim adc``."""

import pytest
from program import run, strict_json

KEYS = {
    "bits", "enob", "sndr_db", "dnl_max_lsb", "inl_max_lsb", "missing_codes", "sample_rate_hz", "power_w",
    "fom_walden_fj", "fom_schreier_db",
}  # fmt: skip


def test_json_holds_what_the_contract_names_and_figures_agree():
    row = strict_json(run("adc", "nnadc-10b-3bit", "--json").out)
    assert set(row) >= KEYS
    assert row["bits"] == 10
    assert row["sndr_db"] == pytest.approx(6.02 * row["enob"] + 1.76, abs=0.01)
    steps = 2 ** row["enob"]
    assert row["fom_walden_fj"] == pytest.approx(
        row["power_w"] / row["sample_rate_hz"] / steps * 1e15, rel=1e-3
    )
    assert row["cells"] == 1606


def test_the_table_says_the_same():
    ended = run("adc", "nnadc-10b-3bit")
    assert ended.status == 0
    row = strict_json(run("adc", "nnadc-10b-3bit", "--json").out)
    assert f"{row['enob']:.2f} bits" in ended.out
    assert "1,606 of 3 bits" in ended.out


def test_parameters_are_set_by_their_paths():
    noisy = strict_json(run("adc", "nnadc-10b-3bit", "--set", "cell.read_sigma=0.05", "--json").out)
    assert noisy["enob"] < strict_json(run("adc", "nnadc-10b-3bit", "--json").out)["enob"] - 1


def test_devices_are_spread_and_the_first_is_the_one_that_is_tested():
    row = strict_json(run("adc", "nnadc-8b-3bit", "--devices", "3", "--device", "5", "--json").out)
    spread = row["monte_carlo"]
    assert spread["devices"] == 3
    assert len(set(spread["enob"])) == 3
    assert spread["enob_min"] == min(spread["enob"])
    assert row["device"] == 5


def test_a_network_is_trained_kept_and_used_again(tmp_path):
    target = tmp_path / "network.toml"
    fast = [
        "--set",
        "cell.bits=4",
        "--set",
        "network.training.steps=120",
        "--set",
        "network.training.tuning=20",
    ]
    ended = run("adc", "nnadc-8b-3bit", *fast, "--train", target, "--json")
    assert ended.status == 0
    first = strict_json(ended.out)
    assert first["training"]["loss_last"] < first["training"]["loss_first"]
    assert 'command = "archsim adc nnadc-8b-3bit --set cell.bits=4 ' in target.read_text()
    again = strict_json(
        run("adc", "nnadc-8b-3bit", "--network", target, "--set", "cell.bits=4", "--json").out
    )
    assert again["enob"] == first["enob"]
    assert again["adc_sha256"] == first["adc_sha256"]


def test_a_curve_of_ones_own_is_followed(tmp_path):
    curve = tmp_path / "curve.csv"
    curve.write_text("x,y\n0,0\n0.2,0.6\n1,1\n")
    row = strict_json(run("adc", "nnadc-8b-3bit", "--table", curve, "--json").out)
    assert row["scheme"] == "table"
    assert row["enob"] > 6.5


def test_a_converter_is_drawn(tmp_path):
    target = tmp_path / "adc.png"
    assert run("adc", "nnadc-14b-3bit-log", "--plot", target).status == 0
    assert target.read_bytes()[:4] == b"\x89PNG"
    again = run("adc", "nnadc-8b-3bit", "--plot", target)
    assert again.status == 2
    assert "exists already" in again.err


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        (["nnadc-14b-3bitt"], "did you mean 'nnadc-14b-3bit'?"),
        (["rram-3bit"], "; 'rram-3bit' is one of kind rram"),
        (["nope.csv"], "nope.csv: there is no such file; a converter is a preset"),
        (
            ["nnadc-8b-3bit", "--set", "noise_factor=2"],
            "unknown key (did you mean 'front.noise_factor' or 'amplifier.noise_factor'?)",
        ),
        (["nnadc-8b-3bit", "--set", "steps=2"], "unknown key (did you mean 'network.training.steps'?)"),
        (
            ["nnadc-8b-3bit", "--set", "cell.stuck_low=1"],
            "device 0: gives code 128 for every input, so there is no ENOB: cell.stuck_low + cell.stuck_high = 1 of",
        ),
        (["nnadc-8b-3bit", "--set", "amplifier.bandwidth_hz=1e-300"], "must be at least 1"),
        (["nnadc-8b-3bit", "--set", "circuit.reference_v=1e-300"], "must be at least 0.001"),
        (["nnadc-8b-3bit", "--set", "cell.g_min_s=1e-300"], "must be at least 1e-15"),
        (["nope.toml"], "nope.toml"),
        (["nnadc-8b-3bit", "--set", "cell.bit=4"], "did you mean 'bits'?"),
        (["nnadc-8b-3bit", "--set", "cell.bits=4"], "trained for cells of 3 bits, cell.bits = 4"),
        (
            ["nnadc-8b-3bit", "--set", "bits=9"],
            "add up to 10 without redundancy: must be bits + guard_bits = 11",
        ),
        (["nnadc-8b-3bit", "--set", "stage_bits=[2, 2]"], "stage_redundancy: has 9 stages; stage_bits has 2"),
        (
            ["nnadc-8b-3bit", "--set", "stage_bits=[3, 2, 2, 2, 2, 2, 2, 2, 2]"],
            "must be those of the network, 2",
        ),
        (
            ["nnadc-8b-3bit", "--set", "stage_redundancy=[1, 1, 1, 1, 1, 1, 1, 1, 1]"],
            "must be 0: no stage follows",
        ),
        (
            ["nnadc-8b-3bit", "--set", "stage_redundancy=[2, 1, 1, 1, 1, 1, 1, 1, 0]"],
            "must be below stage_bits[0] = 2",
        ),
        (["nnadc-8b-3bit", "--set", "column.level=8"], "column.level = 8: must be at most 7"),
        (["nnadc-8b-3bit", "--set", "cell.g_min_s=1"], "must be below g_max_s"),
        (
            ["nnadc-8b-3bit", "--set", "cell.sinh_v=0.3"],
            "cell.sinh_v = 0.3: converters are modelled with linear cells",
        ),
        (["nnadc-8b-3bit", "--set", "scheme.kind=table"], "a table has both"),
        (["nnadc-8b-3bit", "--set", "network.hidden_levels=[[9, 0, 0, 0]]"], "must be 12 rows of 4 levels"),
        (["nnadc-8b-3bit", "--table", "nope.csv"], "nope.csv: cannot be read"),
        (["nnadc-8b-3bit", "--network", "stage-2b-4bit"], "stage-2b-4bit: must be a .toml file"),
        (["nnadc-8b-3bit", "--network", "nope.toml"], "nope.toml"),
        (["nnadc-8b-3bit", "--train", "network.txt"], "network.txt: must end in .toml"),
        (["nnadc-8b-3bit", "--plot", "adc.doc"], "must end in .png, .svg or .pdf"),
        (["nnadc-8b-3bit", "--device", "-1"], "--device"),
        (["nnadc-8b-3bit", "--devices", "0"], "--devices"),
        (["nnadc-8b-3bit", "--devices", "100000000000"], "must be from 1 to 1,000,000"),
    ],
)
def test_bad_input_is_one_line(arguments, rule, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = run("adc", *arguments)
    assert ended.status == 2
    assert rule in ended.err
    assert ended.out == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("curve.csv", b"x, y\n0,0\n1,1\n", "is a curve; give it as --table: archsim adc NAME --table curve.csv"),
        ("bare.csv", b"0,0\n1,1\n", "is a curve; give it as --table"),
        ("any.csv", b"a;b\n", "is a table; if it holds a curve, lines x,y, give it as --table"),
        ("levels.csv", b"level,mean_s,sigma_s\n", "is measured levels of cells; archsim.analog.load_levels reads them"),
        ("scene.png", b"\x89PNG\r\n", "is a picture; archsim.analog.near_sensor.convert_image converts pixels"),
        ("record.npy", b"\x93NUMPY\x01", "is an array of NumPy"),
        ("row.json", b'{"enob": 1}', "is JSON"),
        ("bags.txt", b"1 2 3\n4 5\n", "is a trace (text, one bag of row numbers per line); archsim replay takes it"),
        ("dram", b"0x10 READ 5\n", "is a trace (DRAMsim3 text, ADDRESS READ|WRITE CLOCK); archsim replay takes it"),
        ("chip.cir", b".title chip\n", "is a file of another kind"),
        ("nothing.dat", b"", "is an empty file"),
        ("cell.toml", b"bits = 3\ng_min_s = 1e-6\ng_max_s = 1e-4\n", "is a cell; archsim.analog.Cell.load reads it"),
    ],
)  # fmt: skip
def test_a_file_of_another_kind_is_refused_with_what_takes_it(name, content, kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(content)
    ended = run("adc", name)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith(f"archsim: error: {name}: {kind}")
    assert ended.err.count("\n") == 1


def test_a_network_is_told_from_a_converter_and_a_preset_goes_before_a_file_of_its_name(
    tmp_path, monkeypatch
):
    from archsim.analog.nnadc import load_adc
    from archsim.analog.nnadc.files import network_toml

    monkeypatch.chdir(tmp_path)
    (tmp_path / "network.toml").write_text(network_toml(load_adc("nnadc-8b-3bit").network))
    ended = run("adc", "network.toml")
    assert (ended.status, ended.out) == (2, "")
    assert (
        "network.toml: is a network; give it as --network: archsim adc NAME --network network.toml"
        in ended.err
    )
    (tmp_path / "nnadc-8b-3bit").mkdir()
    assert load_adc("nnadc-8b-3bit").bits == 8
    ended = run("adc", tmp_path)
    assert f"{tmp_path}: is a folder; a converter is a preset" in ended.err


def test_a_level_that_cells_do_not_have_is_refused(tmp_path):
    from archsim.analog.nnadc import load_adc
    from archsim.analog.nnadc.files import network_toml

    text = network_toml(load_adc("nnadc-8b-3bit").network).replace("[7, 0, ", "[8, 0, ", 1)
    target = tmp_path / "network.toml"
    target.write_text(text)
    ended = run("adc", "nnadc-8b-3bit", "--network", target)
    assert ended.status == 2
    assert "hidden_levels[0] holds 8: must be at most 7: cell_bits = 3" in ended.err


def test_the_median_of_two_devices_is_between_them():
    import json

    ended = run("adc", "nnadc-8b-3bit", "--devices", "2", "--json")
    found = json.loads(ended.out)["monte_carlo"]
    assert found["enob_min"] < found["enob_median"] < found["enob_max"]


def test_an_existing_file_is_not_written_over(tmp_path):
    target = tmp_path / "network.toml"
    target.write_text("mine")
    ended = run("adc", "nnadc-8b-3bit", "--train", target)
    assert ended.status == 2
    assert "exists already" in ended.err
    assert target.read_text() == "mine"
