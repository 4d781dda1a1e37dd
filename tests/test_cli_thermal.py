"""``archsim thermal``."""

import numpy as np
import pytest
from program import run, strict_json

import archsim
from archsim.errors import InputError
from archsim.thermal import Stack, ThermalModel


def test_the_steady_state_is_a_table_in_degrees_celsius():
    ended = run("thermal", "cis3")
    assert ended.status == 0
    lines = ended.out.splitlines()
    assert lines[0] == "cis3, 32x32x9 nodes, spectral solver; degC"
    assert lines[1].split() == ["block", "layer", "power", "mean", "highest"]
    hot = ThermalModel(Stack.load("cis3")).steady()
    assert f"nn         vpu   0.7 W  {hot.avg_k[8] - 273.15:.2f}    {hot.max_k[8] - 273.15:.2f}" in lines
    assert "1.22 W through the bottom" in lines[-1]


def test_json_of_the_steady_state_is_kelvin_by_block():
    found = strict_json(run("thermal", "cis3", "--grid", "16", "--json").out)
    assert next(iter(found["blocks"])) == "adc_s"
    hot = ThermalModel(Stack.load("cis3"), 16).steady()
    assert found["blocks"]["nn"]["avg_k"] == hot.avg_k[8]
    assert found["blocks"]["nn"]["max_k"] == hot.max_k[8]
    assert found["max_k"] == hot.hottest_k >= found["blocks"]["nn"]["max_k"]
    assert (found["times_s"], found["solver"]) == ([], "spectral")
    assert sum(found["heat_out_w"].values()) == pytest.approx(1.22)


def test_json_of_a_transient_holds_lists_over_times():
    found = strict_json(run("thermal", "cis3", "--grid", "8", "--time", "1ms,5ms,0.2s", "--json").out)
    assert found["times_s"] == [1e-3, 5e-3, 0.2]
    assert len(found["blocks"]["nn"]["avg_k"]) == len(found["max_k"]) == 3
    run_ = ThermalModel(Stack.load("cis3"), 8).transient(None, found["times_s"])
    assert found["blocks"]["nn"]["avg_k"] == run_.avg_k[:, 8].tolist()
    assert found["energy_j"]["in"] == pytest.approx(1.22 * 0.2)


def test_every_adds_the_multiples_once():
    found = strict_json(
        run("thermal", "stag2p", "--grid", "2", "--time", "0.35s,1s", "--every", "100ms", "--json").out
    )
    assert found["times_s"] == pytest.approx([0.1, 0.2, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])


def test_power_of_files_and_of_single_blocks(tmp_path):
    (tmp_path / "p.csv").write_text("time_s,nn\n0,0.7\n0.01,0.05\n")
    power = ["--power", tmp_path / "p.csv"]
    found = strict_json(run("thermal", "cis3", "--grid", "8", *power, "--time", "10ms,20ms", "--json").out)
    assert found["blocks"]["nn"]["power_w"] == [0.05, 0.05]
    assert found["blocks"]["nn"]["avg_k"][1] < found["blocks"]["nn"]["avg_k"][0]
    assert "does not name adc_s, pix" in found["notes"][0]
    mean = run("thermal", "cis3", "--grid", "8", *power)
    assert "note: the steady state of the mean of 2 intervals" in mean.out
    one = strict_json(run("thermal", "cis3", "--grid", "8", "--watt", "nn=0.375", "--json").out)
    two = strict_json(run("thermal", "cis3", "--grid", "8", *power, "--json").out)
    assert one["blocks"] == two["blocks"]


def test_a_trace_of_hotspot_has_its_interval(tmp_path):
    (tmp_path / "a.flp").write_text("a 0.004 0.004 0 0\n")
    (tmp_path / "a.ptrace").write_text("a\n1\n2\n")
    line = ["thermal", tmp_path / "a.flp", "--power", tmp_path / "a.ptrace", "--grid", "4"]
    found = strict_json(run(*line, "--interval", "1ms", "--time", "0.5ms,1.5ms", "--json").out)
    assert found["blocks"]["a"]["power_w"] == [1, 2]
    assert found["solver"] == "sparse"
    assert run(*line).out.splitlines()[2].split()[:4] == ["a", "chip", "1.5", "W"]


def test_parameters_of_the_stack_can_be_set():
    warm = strict_json(run("thermal", "cis3", "--grid", "4", "--set", "ambient_k=310", "--json").out)
    cold = strict_json(run("thermal", "cis3", "--grid", "4", "--json").out)
    assert warm["max_k"] - cold["max_k"] == pytest.approx(10)


def test_solvers_methods_and_nodes_can_be_chosen():
    line = ["thermal", "cis3", "--grid", "8x4", "--json", "--time", "10ms", "--step", "1ms"]
    answers = [
        strict_json(run(*line, "--method", m, "--solver", s).out)
        for m, s in (("be", "spectral"), ("be", "sparse"))
    ]
    assert answers[0]["max_k"] == pytest.approx(answers[1]["max_k"], abs=1e-8)
    assert {answer["method"] for answer in answers} == {"be"}
    face = strict_json(run("thermal", "cis3", "--grid", "8", "--nodes", "face", "--json").out)
    assert (
        face["blocks"]["adc_s"]["avg_k"]
        == ThermalModel(Stack.load("cis3"), 8, nodes="face").steady().avg_k[0]
    )


@pytest.mark.parametrize("more", [[], ["--time", "1ms,2ms,5ms"], ["--time", "1ms", "--layer", "sensor"]])
@pytest.mark.parametrize("name", ["a.png", "a.svg", "a.pdf"])
def test_pictures_are_written_once(tmp_path, name, more):
    line = ["thermal", "cis3", "--grid", "8", "--plot", tmp_path / name, *more]
    assert run(*line).status == 0
    assert (tmp_path / name).stat().st_size > 1000
    again = run(*line)
    assert (again.status, "exists already" in again.err) == (2, True)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["cis4"], "stack 'cis4': unknown stack preset (did you mean 'cis3'?)"),
        (["none.toml"], "none.toml: No such file"),
        (["none.lcf"], "none.lcf: No such file"),
        (["cis3", "--grid", "0"], "grid 0x0: must have 1 to 4096 cells"),
        (["cis3", "--grid", "4x"], "--grid '4x': must be a number of cells"),
        (["cis3", "--watt", "nn"], "--watt nn: must be BLOCK=W, such as nn=0.7"),
        (["cis3", "--watt", "nn=-1"], "block 'nn': -1 W: must be a number from 0 to 1e+09"),
        (["cis3", "--watt", "mn=1"], "no block 'mn' in the stack (did you mean 'nn'?)"),
        (["cis3", "--time", "5ms,1ms"], "times_s[1] = 0.001 s: time runs backwards"),
        (["cis3", "--time", "5"], "--time '5': must be a number and a unit, such as '14 s'"),
        (["cis3", "--time", "-5ms"], "times_s: -0.005 s: must be finite, at least 0"),
        (["cis3", "--every", "1ms"], "--every 1ms: has no effect without --time"),
        (["cis3", "--time", "1s", "--every", "0s"], "--every 0s: must be more than 0"),
        (["cis3", "--time", "1s", "--every", "1ns"], "at most a million"),
        (["cis3", "--initial", "steady"], "--initial steady: has no effect without --time"),
        (["cis3", "--time", "1s", "--initial", "stedy"], "(did you mean 'steady'?)"),
        (["cis3", "--time", "1s", "--method", "bee"], "(did you mean 'be'?)"),
        (["cis3", "--interval", "1ms"], "--interval 1ms: has no effect without --power"),
        (["cis3", "--layer", "vpu"], "--layer vpu: has no effect without --plot"),
        (["cis3", "--layer", "vpx", "--plot", "a.png"], "--layer vpx: no such layer (did you mean 'vpu'?)"),
        (["cis3", "--plot", "a.bmp"], "must end in .png, .svg or .pdf"),
        (
            ["cis3", "--set", "bottom.resistance_k_w=-1"],
            "--set: bottom.resistance_k_w = -1: must be at least 0",
        ),
        (["hbm", "--solver", "spectral"], "is not the same everywhere; take auto or sparse"),
        (["cis3", "--config", "x.config"], "is for HotSpot's .lcf and .flp, not cis3"),
        (["cis3", "--power", "p.txt"], "p.txt: must end in .ptrace, .csv or .toml"),
    ],
)
def test_bad_input_is_one_line_and_status_2(line, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = run("thermal", *line)
    assert ended.status == 2
    assert message in ended.err
    assert ended.err.count("\n") == 1
    assert not ended.out
    assert not list(tmp_path.iterdir())


def test_temperatures_are_kelvin_or_degrees_celsius():
    kelvin, celsius = (
        run(
            "thermal", "cis3", "--time", "1ms", "--grid", "8", "--set", f"ambient_k={air}", "--initial", start
        )
        for air, start in (("343.15", "333.15"), ("70degC", "60degC"))
    )
    assert (kelvin.status, kelvin.out, kelvin.err) == (0, celsius.out, "")


def test_surroundings_that_are_likely_degrees_celsius_are_noted_and_not_refused():
    ended = run("thermal", "cis3", "--grid", "8", "--set", "ambient_k=70")
    assert ended.status == 0
    rule = "ambient_k = 70 K is -203.15 degC; 70 degC is 343.15 K, or write 70degC"
    assert ended.out.splitlines()[-1] == f"note: {rule}"
    assert "note" not in run("thermal", "cis3", "--grid", "8", "--set", "ambient_k=200").out


def test_the_table_of_a_transient_says_which_times_it_shows_and_what_highest_is():
    few = run("thermal", "cis3", "--grid", "8", "--time", "1ms,2ms").out.splitlines()
    assert few[-1] == "highest: of all cells of the block and all 2 times"
    many = run("thermal", "cis3", "--grid", "8", "--time", "9ms", "--every", "1ms").out.splitlines()
    assert many[-1] == "7 of 9 times, --json has all; highest: of all cells of the block and all 9 times"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time,nn\n0,0.6\n", "line 1, column 1: 'time': did you mean 'time_s'?"),
        ("time_s,nn\n0,600 mW\n", "line 2, column 2 (nn): '600 mW': must be a number, in watts"),
    ],
)
def test_a_table_of_power_says_what_its_columns_are(tmp_path, text, message):
    (tmp_path / "p.csv").write_text(text)
    ended = run("thermal", "cis3", "--power", tmp_path / "p.csv")
    assert ended.status == 2
    assert message in ended.err


def test_runaway_is_status_2_with_block_and_limit(tmp_path):
    text = Stack.load("cis3").to_toml()
    hot = text.replace(
        'name = "nn", power_w = 0.7',
        'name = "nn", power_w = 0.7, leakage = { power_w = 2.0, beta_per_k = 0.02 }',
    )
    assert hot != text
    (tmp_path / "hot.toml").write_text(hot)
    for more in ([], ["--time", "10s"]):
        ended = run("thermal", tmp_path / "hot.toml", "--grid", "4", *more)
        assert ended.status == 2
        assert "block 'nn': thermal runaway" in ended.err
    assert run("thermal", tmp_path / "hot.toml", "--grid", "4", "--no-leakage").status == 0


# pictures


@pytest.fixture(scope="module")
def model():
    return ThermalModel(Stack.load("cis3"), 16)


def test_a_map_shows_the_layer_of_the_hottest_block(model):
    found = model.steady()
    axes = archsim.plots.plot_temperature_map(found)
    assert axes.get_title("left") == "cis3: vpu"
    (image,) = axes.images
    assert np.asarray(image.get_array()) == pytest.approx(found.layer_k("vpu") - 273.15)
    assert len(axes.patches) == 6
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("x (mm)", "y (mm)")
    assert image.colorbar.ax.get_ylabel() == "temperature (°C)"
    assert archsim.plots.plot_temperature_map(found, "sensor").get_title("left") == "cis3: sensor"
    with pytest.raises(InputError, match=r"no layer 'sensr' in the stack \(did you mean 'sensor'\?\)"):
        archsim.plots.plot_temperature_map(found, "sensr")


def test_curves_are_those_of_the_hottest_blocks_or_of_those_chosen(model):
    times = [1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.2]
    moving = model.transient(None, times)
    axes = archsim.plots.plot_temperatures(moving)
    assert len(axes.lines) == 6
    assert axes.lines[0].get_label() == "nn"
    assert axes.lines[0].get_xdata() == pytest.approx(
        [1000 * t for t in times] if axes.get_xlabel() == "time (ms)" else times
    )
    assert axes.lines[0].get_ydata() == pytest.approx(moving.avg_k[:, 8] - 273.15)
    assert axes.get_xscale() == "log"
    own = archsim.plots.new_figure().subplots()
    assert archsim.plots.plot_temperatures(moving, ["pix"], peak=True, axes=own) is own
    assert own.lines[0].get_ydata() == pytest.approx(moving.max_k[:, 1] - 273.15)
    even = archsim.plots.plot_temperatures(model.transient(None, [1e-3, 2e-3, 3e-3]))
    assert even.get_xscale() == "linear"
    with pytest.raises(InputError, match="no block 'pixels'"):
        archsim.plots.plot_temperatures(moving, ["pixels"])


def test_pictures_keep_the_house_style(model):
    moving = model.transient(None, [1e-3, 2e-3])
    for axes in (archsim.plots.plot_temperature_map(model.steady()), archsim.plots.plot_temperatures(moving)):
        axes.figure.draw_without_rendering()
        box = axes.figure.get_tightbbox()
        assert box.x0 >= -0.02
        assert box.x1 <= archsim.plots.COLUMN_IN + 0.02
        assert box.y1 <= axes.figure.get_figheight() + 0.02


@pytest.mark.parametrize("method", ["exact", "cn"])
def test_progress_of_a_transient_adds_up_to_its_last_time(model, method):
    told = []
    model.transient(None, [1e-3, 4e-3], method=method, progress=told.append)
    assert sum(told) == pytest.approx(4e-3)
    assert len(told) >= 2
