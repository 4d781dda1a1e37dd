"""``archsim sensor``."""

import pytest
from program import run, strict_json

from archsim import plots
from archsim.errors import InputError
from archsim.report import sensor_plots, sensor_text
from archsim.report.sensor_text import percent
from archsim.sensor import load_sensor, load_vision_system, simulate_many
from archsim.sensor.policies import POLICIES


def test_a_run_is_told_line_by_line():
    ended = run("sensor", "vgg16-dim")
    assert ended.status == 0
    found = load_sensor("vgg16-dim").simulate()
    lines = ended.out.splitlines()
    assert lines[0] == "vgg16-dim: VGG-16 on full HD at 7 frames per second, dim light"
    assert (
        f"power        {found.run.system_w:.3f} W, 5.039 W far from the sensor: {100 * found.saving:.1f} % saved"
        in lines
    )
    assert any(
        line.startswith("             83.7 degC for people, 20 dB: the noise of the dark current")
        for line in lines
    )
    assert lines[-1] == "limits kept  yes: every limit is kept in every frame"
    assert max(map(len, lines)) <= 110


def test_json_of_a_run_has_power_temperature_duty_and_ratio():
    found = strict_json(run("sensor", "vgg16-dim", "--policy", "stop-capture-go", "--json").out)
    own = load_sensor("vgg16-dim").simulate("stop-capture-go")
    assert (found["policy"], found["duty"], found["system_w"]) == (
        "stop-capture-go",
        own.run.duty,
        own.run.system_w,
    )
    assert found["temperature_k"]["hottest"] == own.run.hottest_k
    assert found["snr_db"]["worst_capture"] == own.capture_db >= 20
    assert found["met"] is found["promised"] is True


def test_a_policy_that_misses_says_so_and_why():
    ended = run("sensor", "vgg16-dim", "--policy", "full-near")
    assert ended.status == 0
    assert "limits kept  NO: near frames settle at 104.00 degC" in ended.out
    assert strict_json(run("sensor", "vgg16-dim", "--policy", "full-near", "--json").out)["met"] is False


def test_policies_stand_side_by_side():
    ended = run("sensor", "vgg16-dim", "--compare", "--workers", "2")
    rows = [line for line in ended.out.splitlines() if line.split(" ")[0] in POLICIES]
    assert [row.split()[0] for row in rows] == list(POLICIES)
    assert rows[1].endswith("NO")
    assert "full-near: near frames settle" in ended.out
    assert max(map(len, rows)) <= 100
    assert max(map(len, ended.out.splitlines())) <= 110
    found = strict_json(run("sensor", "vgg16-dim", "--compare", "--json").out)
    assert [each["policy"] for each in found["runs"]] == list(POLICIES)


def test_energy_of_a_computed_frame_stands_beside_the_power():
    found = strict_json(run("sensor", "vgg16-dim", "--compare", "--json").out)
    for each in found["runs"]:
        assert each["mj_per_computed_frame"] == 1e3 * each["system_w"] / each["fps"]
    energy = {each["policy"]: each["mj_per_computed_frame"] for each in found["runs"]}
    power = {each["policy"]: each["system_w"] for each in found["runs"]}
    # Stopping saves power, and nothing of the energy of a frame that is computed.
    assert power["stop-capture-go"] < power["full-near"]
    assert energy["stop-capture-go"] > energy["full-near"]
    out = run("sensor", "vgg16-dim", "--compare").out
    (row,) = [line for line in out.splitlines() if line.startswith("stop-capture-go ")]
    assert f"{energy['stop-capture-go']:.2f}" in row.split()
    stopped = load_sensor("vgg16-dim", ["duration_s=20"]).simulate(lambda state: "stop")
    assert stopped.frame_mj is stopped.to_dict()["mj_per_computed_frame"] is None


def test_a_comparison_ends_with_the_least_power_that_keeps_all_limits():
    found = strict_json(run("sensor", "vgg16-dim", "--compare", "--json").out)
    kept = {each["policy"]: each for each in found["runs"] if each["met"]}
    best = min(kept, key=lambda name: kept[name]["system_w"])
    every = min((n for n in kept if kept[n]["stop_share"] == 0), key=lambda name: kept[name]["system_w"])
    assert found["least_power"] == {"keeps_limits": best, "keeps_limits_and_computes_every_frame": every}
    assert best != every
    last = run("sensor", "vgg16-dim", "--compare").out.splitlines()[-1]
    assert last == (
        f"least power that keeps all limits: {best} ({kept[best]['system_w']:.3f} W); "
        f"with every frame computed: {every} ({kept[every]['system_w']:.3f} W)"
    )
    varied = run("sensor", "vgg16-dim", "--compare", "--vary", "imaging_db=20,23").out.splitlines()
    assert [line for line in varied if "least power" in line] == [f"20: {last}"]
    hot = load_sensor("stagioni").to_dict() | {"vision_db": None, "vision_k": 280.0}
    runs = simulate_many([type(load_sensor()).from_dict(hot, "hot")], list(POLICIES))
    assert sensor_text.least_line(runs).endswith("none of these policies keeps them")


def test_words_in_the_table_are_told_below_it():
    hot = run(
        "sensor", "vgg16-dim", "--vary", "imaging_db=20,23", "--set", "ambient_k=400", "--time", "20s"
    ).out
    assert "full: light and dark current fill the pixel" in hot
    assert "cannot: no temperature gives the ratio" in hot
    plain = run("sensor", "vgg16-dim", "--compare").out
    assert "full: " not in plain
    assert "cannot: " not in plain


def test_blocks_that_nobody_chose_are_named(tmp_path):
    assert run("sensor", "vgg16-dim").out.splitlines()[2] == "power in v_all, images at s_all"
    file = tmp_path / "mine.toml"
    parts = {"vision": "squeezenet-1080p30", "image_sensor": "ar0330", "scene": "office", "stack": "stag2p"}
    tables = "".join(f'[{kind}]\npreset = "{name}"\n' for kind, name in parts.items())
    file.write_text('name = "mine"\n' + tables)
    ended = run("sensor", file)
    heated, watched = load_sensor(file).blocks()
    assert heated == watched
    lines = ended.out.splitlines()
    assert lines[0] == "mine"  # a description is optional
    assert lines[2].startswith(f"power in {heated}, images at {heated} (defaults: heated, the hottest block")
    assert strict_json(run("sensor", file, "--json").out)["blocks"] == {"heated": heated, "watched": watched}
    seen = load_sensor(file, [f"heated={heated}", f"watched={heated}"]).two_poles()
    assert load_sensor(file).two_poles() == seen


def test_a_parameter_is_varied_and_what_cannot_be_had_is_a_row():
    found = strict_json(run("sensor", "vgg16-dim", "--vary", "imaging_db=20..22,23", "--json").out)
    assert [each["vary"] for each in found["runs"]] == [{"imaging_db": db} for db in ("20", "21", "22", "23")]
    assert [each["met"] for each in found["runs"]] == [True, True, True, False]
    assert "23 dB cannot be met at any temperature" in found["runs"][3]["reason"]
    ended = run("sensor", "vgg16-dim", "--vary", "imaging_db=20..22,23")
    assert ended.out.splitlines()[0] == "vgg16-dim, seasonal"
    assert "23: vgg16-dim: imaging_db = 23: 23 dB cannot be met" in ended.out


def test_policies_over_a_parameter():
    found = strict_json(run("sensor", "vgg16-dim", "--compare", "--vary", "ambient_k=290,310", "--json").out)
    assert [(each["vary"]["ambient_k"], each["policy"]) for each in found["runs"]] == [
        (value, policy) for value in ("290", "310") for policy in POLICIES
    ]
    told = strict_json(run("sensor", "vgg16-dim", "--vary", "policy=full-far,seasonal", "--json").out)
    assert [each["policy"] for each in told["runs"]] == ["full-far", "seasonal"]
    ended = run("sensor", "vgg16-dim", "--vary", "policy=full-far,seasonal")
    assert ended.out.splitlines()[0] == "vgg16-dim"


def test_linked_parameters_are_varied_together():
    line = ["--vary", "vision.fps+scene.preset=30:office,34:daylight", "--set", "imaging_db=26"]
    found = strict_json(run("sensor", "stagioni", *line, "--json").out)
    assert [tuple(each["vary"].values()) for each in found["runs"]] == [("30", "office"), ("34", "daylight")]
    assert found["runs"][0]["system_w"] < found["runs"][1]["system_w"]


def test_several_parameters_are_varied_in_all_combinations():
    line = ["--vary", "ambient_k=290,310", "--vary", "imaging_db=20..22", "--time", "20s"]
    found = strict_json(run("sensor", "vgg16-dim", *line, "--workers", "2", "--json").out)
    assert [tuple(each["vary"].values()) for each in found["runs"]] == [
        (kelvin, db) for kelvin in ("290", "310") for db in ("20", "21", "22")
    ]
    one = ["--set", "ambient_k=310", "--set", "imaging_db=22", "--time", "20s"]
    alone = strict_json(run("sensor", "vgg16-dim", *one, "--json").out)
    assert {**alone, "vary": {"ambient_k": "310", "imaging_db": "22"}} == found["runs"][5]
    twice = run("sensor", "vgg16-dim", "--vary", "ambient_k=290", "--vary", "ambient_k=300")
    assert (twice.status, "--vary ambient_k: is varied twice" in twice.err) == (2, True)


def test_the_energy_of_a_frame_row_by_row():
    ended = run("sensor", "stagioni", "--energy")
    lines = {line.split("  ")[0]: line.split() for line in ended.out.splitlines()}
    assert lines["ddr pixel"][-4:] == ["14,100,480", "2,800", "-", "39.4813"]
    assert lines["power at 34 per second"][-4:] == ["1.300", "W", "2.706", "W"]
    assert "near saves 52.0 %" in ended.out
    found = strict_json(run("sensor", "stagioni", "--energy", "--json").out)
    vision = load_vision_system("resnet-1080p34")
    assert found["near"]["energy_nj"] == vision.near_frame().total_nj
    assert sum(row["energy_nj"] for row in found["far"]["ledger"]) == found["far"]["energy_nj"]


def test_stand_ins_are_in_the_table_of_energies():
    options = ["vision.readout=nnadc-10b-3bit", "vision.processor=stacked-256", "vision.multiplier=bam_4_0"]
    ended = run("sensor", "stagioni", "--energy", *(word for each in options for word in ("--set", each)))
    starts = {line.split("  ")[0] for line in ended.out.splitlines()}
    assert {
        "converter residue amplifier",
        "processor multiplier",
        "processor adder",
        "processor storage",
    } <= starts
    assert "sensor analog chain" not in starts
    assert "5 converters side by side" in ended.out
    assert "stacked-256 of bam_4_0: 28.3 ms of the 29.4 ms" in ended.out


def test_noise_at_temperatures():
    ended = run("sensor", "vgg16-dim", "--temperature", "30,60,90")
    assert ended.out.splitlines()[2].split() == [
        "noise,",
        "electrons",
        "30",
        "degC",
        "60",
        "degC",
        "90",
        "degC",
    ]
    found = strict_json(run("sensor", "vgg16-dim", "--temperature", "30,300", "--json").out)
    assert found["snr_db"][0] == pytest.approx(float(load_sensor("vgg16-dim").camera().snr_db(303.15)))
    assert found["snr_db"][1] is None
    assert found["temperature_k"] == [303.15, 573.15]


def test_surroundings_that_may_be_meant_in_celsius_are_told_in_both():
    told = "note: ambient_k = 20 K is -253.15 degC; 20 degC is 293.15 K, or write 20degC\n"
    line = ["sensor", "stagioni", "--time", "20s"]
    assert run(*line, "--set", "ambient_k=20").err == told
    assert run(*line, "--vary", "ambient_k=20,300").err == told
    assert "190 K is -83.15 degC" in run(*line, "--set", "ambient_k=190").err
    assert run(*line, "--set", "ambient_k=293").err == ""


def test_the_simulated_time_is_that_asked_for():
    assert strict_json(run("sensor", "vgg16-dim", "--time", "90s", "--json").out)["captures"]["requests"] == 8


# errors


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["stagoni"], "sensor 'stagoni': unknown sensor preset (did you mean 'stagioni'?)"),
        (["stagioni", "--policy", "seasnal"], "--policy seasnal: unknown policy (did you mean 'seasonal'?)"),
        (
            ["stagioni", "--policy", "mine.py"],
            "--policy mine.py: a policy of one's own is Python: load_sensor(",
        ),
        (
            ["stagioni", "--set", "scene.exposure_ms=16", "--set", "scene.preset=office"],
            "--set scene.exposure_ms=16: is undone by --set scene.preset, which replaces all of scene; put the preset",
        ),
        (
            ["stagioni", "--set", "scene.iso=100", "--vary", "scene.preset=office,daylight"],
            "--set scene.iso=100: is undone by --vary scene.preset, which replaces all of scene; give it as --vary",
        ),
        (["stagioni", "--set", "imaging_db=40"], "40 dB cannot be met at any temperature: best is 35.98 dB"),
        (
            ["stagioni", "--set", "scene.preset=dim"],
            "is longer than a frame of 29.41 ms; vision.fps may be 15.6",
        ),
        (["stagioni", "--set", "vision.fps=-1"], "vision.fps = -1: must be more than 0"),
        (
            ["stagioni", "--set", "vision.readout=nnadc"],
            "vision.readout = 'nnadc': adc 'nnadc': unknown adc preset",
        ),
        (["stagioni", "--compare", "--set", "imaging_db=40"], "40 dB cannot be met"),
        (["stagioni", "--vary", "imaging_db"], "--vary 'imaging_db': must be PATH=VALUES"),
        (["stagioni", "--vary", "imaging=3"], "imaging"),
        (
            ["stagioni", "--compare", "--vary", "policy=full-far"],
            "--vary policy: has no effect with --compare",
        ),
        (
            ["stagioni", "--policy", "full-far", "--vary", "policy=seasonal"],
            "--policy: has no effect with --vary policy",
        ),
        (["stagioni", "--time", "3"], "--time '3': must be a number and a unit"),
        (["stagioni", "--time", "0s"], "--time 0s: must be more than 0"),
        (["stagioni", "--temperature", "30,x"], "--temperature x: must be a number of degrees Celsius"),
        (["stagioni", "--temperature", "-300"], "--temperature -300: must be from -273.15 to 726.85 degC"),
        (["stagioni", "--temperature", "nan"], "--temperature nan: must be from"),
        (["stagioni", "--energy", "--policy", "full-far"], "--policy: has no effect with --energy"),
        (["stagioni", "--temperature", "30", "--plot", "x.png"], "--plot: has no effect with --temperature"),
        (["stagioni", "--compare", "--policy", "seasonal"], "--policy: has no effect with --compare"),
        (["stagioni", "--plot", "x.gif"], "x.gif: must end in .png, .svg or .pdf"),
        (["stagioni", "--workers", "0"], "must be at least 1"),
    ],
)
def test_bad_input_is_one_line_and_status_2(line, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = run("sensor", *line)
    assert ended.status == 2
    assert message in ended.err
    assert len(ended.err.splitlines()) == 1
    assert ended.out == ""
    assert list(tmp_path.iterdir()) == []


# pictures


@pytest.mark.parametrize(
    "options",
    [
        ["--time", "30s"],
        ["--compare", "--time", "30s"],
        ["--energy"],
        ["--vary", "imaging_db=20,22,23", "--time", "30s"],
    ],
)
def test_each_question_has_its_picture(options, tmp_path):
    file = tmp_path / "a.png"
    ended = run("sensor", "vgg16-dim", *options, "--plot", file)
    assert (ended.status, ended.err) == (0, f"plot: {file}\n")
    assert file.read_bytes()[:4] == b"\x89PNG"
    again = run("sensor", "vgg16-dim", *options, "--plot", file)
    assert (again.status, "exists" in again.err) == (2, True)


def test_values_that_are_no_numbers_have_no_picture(tmp_path):
    line = ["--vary", "policy=seasonal,full-far", "--plot", tmp_path / "a.png", "--time", "20s"]
    ended = run("sensor", "vgg16-dim", *line)
    assert ended.status == 2
    assert "--plot: draws one --vary of numbers, not policy" in ended.err
    assert "full-far" in ended.out  # the answer is there all the same
    assert list(tmp_path.iterdir()) == []


def bars(axes):
    """Return length by label of bars, summed over rows."""
    return {
        container.get_label(): sum(bar.get_width() for bar in container.patches)
        for container in axes.containers
    }


def test_bars_of_a_frame_are_its_ledger():
    vision = load_vision_system("resnet-1080p34")
    near, far = vision.near_frame().components_nj(), vision.far_frame().components_nj()
    drawn = bars(plots.plot_frame_energy(vision))
    assert drawn == pytest.approx({
        "sensing": (near["sensor"] + far["sensor"]) * 1e-6, "DRAM": (near["stack_dram"] + far["host_dram"]) * 1e-6,
        "CSI": far["csi"] * 1e-6, "DDR": far["ddr"] * 1e-6, "compute": (near["processor"] + far["host"]) * 1e-6,
    })  # fmt: skip
    watts = bars(plots.plot_frame_energy([vision, load_vision_system("vgg16-1080p7")], per="second"))
    assert watts["CSI"] == pytest.approx(far["csi"] * 34e-9 + 2073600 * 900e-12 * 7)
    with pytest.raises(InputError, match="per 'hour': must be frame or second"):
        plots.plot_frame_energy(vision, per="hour")
    with pytest.raises(InputError, match="must be as many"):
        plots.plot_frame_energy([vision], names=["a", "b"])


def test_every_component_of_a_ledger_has_a_part_of_the_picture():
    known = {component for components in sensor_plots.PARTS.values() for component in components}
    vision = load_vision_system("resnet-1080p34", ["readout=nnadc-10b-3bit", "energy.on_chip_pj=1"])
    assert {
        row.component for frame in (vision.near_frame(), vision.far_frame()) for row in frame.rows
    } <= known


def test_bars_of_policies_are_shares_of_their_power():
    runs = simulate_many([load_sensor("vgg16-dim")], list(POLICIES))
    axes = plots.plot_policies(runs)
    assert sum(bars(axes).values()) == pytest.approx(sum(each.run.system_w for each in runs), rel=0.01)
    texts = [text.get_text() for text in axes.texts]
    assert [text.endswith("limit missed") for text in texts] == [not each.run.met for each in runs]


def test_a_preset_first_and_then_its_change_is_no_slip():
    line = ["sensor", "stagioni", "--time", "20s", "--set", "imaging_db=20"]
    line += ["--set", "vision.fps=30", "--set", "scene.preset=office"]
    assert run(*line, "--set", "scene.exposure_ms=16").status == 0
    varied = run(*line, "--vary", "scene.preset+scene.exposure_ms=office:16,daylight:8")
    assert (varied.status, varied.err) == (0, "")


def test_lines_on_one_another_are_seen_and_named():
    values = [15.0, 16.0]
    flat = simulate_many(
        [load_sensor("mobilenet-office", [f"imaging_db={db}", "duration_s=60"]) for db in values],
        list(POLICIES),
    )
    rows = [flat[:5], flat[5:]]
    power = {each.run.policy: each.run.system_w for each in rows[0]}
    near = [name for name in POLICIES if abs(power[name] - power["full-near"]) < 0.02 * power["full-far"]]
    assert len(near) >= 3
    axes = plots.plot_policy_power(values, rows, "SNR (dB)")
    assert f"on one line: {', '.join(near)}" in " ".join(axes.get_title("left").split())
    widths = [line.get_linewidth() for line in axes.lines if line.get_label() in near]
    sizes = [line.get_markersize() for line in axes.lines if line.get_label() in near]
    assert widths == sorted(set(widths), reverse=True)
    assert sizes == sorted(set(sizes), reverse=True)
    (far,) = [line for line in axes.lines if line.get_label() == "full-far"]
    assert far.get_linewidth() == min(widths)


def test_lines_of_policies_go_through_their_powers():
    values = [20.0, 22.0, 23.0]
    flat = simulate_many([load_sensor("vgg16-dim", [f"imaging_db={db}"]) for db in values], list(POLICIES))
    rows = [flat[k : k + 5] for k in (0, 5, 10)]
    axes = plots.plot_policy_power(values, rows, "SNR (dB)")
    lines = {line.get_label(): line for line in axes.lines}
    assert list(lines["seasonal"].get_xdata()) == [20.0, 22.0]
    assert list(lines["seasonal"].get_ydata()) == [row[3].run.system_w for row in rows[:2]]
    assert "none at 23" in axes.get_title("left")
    none = plots.plot_policy_power([23.0], rows[2:], "SNR (dB)")
    assert none.texts[0].get_text() == "no setting can be had"


def test_a_share_that_rounds_to_nothing_has_no_sign():
    assert [percent(share) for share in (-4e-4, 0.0, -6e-4, 0.519)] == ["0.0 %", "0.0 %", "-0.1 %", "51.9 %"]
