"""Stacks, grids, powers and times that are refused, each with its place and rule in one line."""

import copy
import re

import numpy as np
import pytest

from archsim.errors import InputError
from archsim.sensor import NearSensor
from archsim.thermal import PowerTrace, Stack, ThermalModel, read_power

CIS3 = Stack.load("cis3").to_dict()


def changed(*path, value):
    """Return cis3 with one value replaced, or a key added."""
    table = copy.deepcopy(CIS3)
    part = table
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    return table


def block(**more):
    return {"name": "extra", "x_mm": 0.0, "y_mm": 0.0, "width_mm": 1.0, "height_mm": 1.0, **more}


def heatsink(spreader, sink):
    parts = {"spreader_um": 1.0, "spreader_material": "cu", "sink_um": 1.0, "sink_material": "cu"}
    return {"heatsink": {"spreader_mm": spreader, "sink_mm": sink, "convection_k_w": 1.0, **parts}}


def tsv(**more):
    return [block(tsv={"pitch_um": 5.0, "material": "cu", **more})]


SENSOR = ("layers", 0, "blocks")
REFUSED = [
    (
        changed(*SENSOR, 0, "height_mm", value=1.0),
        "layers[0].blocks[0] (adc_s): pix (layers[0].blocks[1]) overlaps it at (0, 0.625) mm",
    ),
    (
        changed(*SENSOR, 0, "height_mm", value=0.5),
        "layers[0].blocks: no block covers the die at (0, 0.5) mm; add one, or set gaps = true",
    ),
    (
        changed("layers", 4, "blocks", 3, "width_mm", value=1.0),
        "layers[4].blocks: no block covers the die at (4.125, 3.125) mm",
    ),
    (
        changed(*SENSOR, 2, "height_mm", value=0.7),
        "layers[0].blocks[2] (adc_n): reaches to (5, 5.075) mm; the die ends at (5, 5) mm",
    ),
    (
        changed(*SENSOR, 2, "y_mm", value=7.0),
        "layers[0].blocks[2] (adc_n): starts at (0, 7) mm, at or beyond the edge of the die",
    ),
    (
        changed(*SENSOR, 2, "name", value="nn"),
        "layers[4].blocks[3].name = 'nn': must be unique in the stack; layer sensor has it too",
    ),
    (changed(*SENSOR, 2, "power_w", value=-1.0), "layers[0].blocks[2].power_w = -1.0: must be at least 0"),
    (changed("layers", 1, "thickness_um", value=0.0), "layers[1].thickness_um = 0.0: must be at least 1e-06"),
    (
        changed("layers", 1, "material", value="bnd"),
        "layers[1].material = 'bnd': no such material (did you mean 'bond'?)",
    ),
    (changed("layers", 1, "name", value="sink"), "layers[8].name = 'sink': layers[1] has this name already"),
    (
        changed("layers", 1, "thicknes_um", value=1.0),
        "layers[1].thicknes_um: unknown key (did you mean 'thickness_um'?)",
    ),
    (
        changed("materials", 0, "conductivity_w_mk", value=0.0),
        "materials[0].conductivity_w_mk = 0.0: must be at least 1e-06",
    ),
    (
        changed("bottom", "resistance_k_w", value=None),
        "bottom: no heat can leave; give top or bottom a resistance_k_w",
    ),
    (changed("bottom", "resistance_k_w", value=-3.0), "bottom.resistance_k_w = -3.0: must be at least 0"),
    (
        changed("bottom", "coefficient_w_m2k", value=10.0),
        "bottom.coefficient_w_m2k: has no meaning beside resistance_k_w",
    ),
    (
        changed("top", "package", value=[{"capacity_j_k": 1.0, "resistance_k_w": 1.0}]),
        "top.package: needs resistance_k_w",
    ),
    (
        changed("layers", 1, "die", value={"x_mm": 3.0, "width_mm": 3.0, "fill": "si"}),
        "layers[1].die: reaches to (6, 5) mm; the stack ends at (5, 5) mm",
    ),
    (
        changed("layers", 1, "die", value={"width_mm": 3.0, "fill": "air"}),
        "layers[1].die.fill = 'air': no such material",
    ),
    (
        changed("layers", 1, "regions", value=[block()]),
        "layers[1].regions[0] (extra): needs a material or a tsv",
    ),
    (
        changed("layers", 1, "regions", value=[block(material="si"), block(name="b", material="si")]),
        "layers[1].regions[0] (extra): b (layers[1].regions[1]) overlaps it",
    ),
    (
        changed("layers", 1, "regions", value=tsv(diameter_um=9.0)),
        "layers[1].regions[0].tsv.pitch_um = 5.0: must be at least the diameter with its liner",
    ),
    (
        changed("layers", 1, "regions", value=tsv(diameter_um=2.0, liner_um=1.0)),
        "layers[1].regions[0].tsv.liner_um = 1.0: needs the material of the liner",
    ),
    (
        changed("layers", 1, "regions", value=tsv(diameter_um=2.0, material="w")),
        "layers[1].regions[0].tsv.material = 'w': no such material",
    ),
    (
        changed("bottom", value=heatsink(4.0, 9.0)),
        "bottom.heatsink.spreader_mm = 4.0: must be more than the stack, 5 mm",
    ),
    (
        changed("bottom", value=heatsink(8.0, 7.0)),
        "bottom.heatsink.sink_mm = 7.0: must be more than spreader_mm = 8.0",
    ),
]


@pytest.mark.parametrize(("table", "message"), REFUSED)
def test_a_stack_that_cannot_be_is_refused_with_its_place(table, message):
    with pytest.raises(InputError) as refused:
        Stack.from_dict(table, "my stack")
    assert str(refused.value).startswith(f"my stack: {message}")
    assert "\n" not in str(refused.value)


def test_gaps_are_allowed_where_the_layer_says_so():
    table = changed(*SENSOR, 0, "height_mm", value=0.5)
    table["layers"][0]["gaps"] = True
    assert Stack.from_dict(table, "x").layers[0].gaps


def test_lengths_may_be_written_with_units():
    assert Stack.load("cis3", ["width_mm=5000 um", "ambient_k=310 K"]) == Stack.load(
        "cis3", ["ambient_k=310"]
    )


def tiny():
    table = changed("layers", 1, "blocks", value=[block(name="dust", width_mm=1e-12)])
    table["layers"][1]["gaps"] = True
    return Stack.from_dict(table, "x")


MODEL = ThermalModel(Stack.load("cis3"), 4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ThermalModel(MODEL.stack, 0), "grid 0x0: must have 1 to 4096 cells"),
        (
            lambda: ThermalModel(MODEL.stack, (4096, 4096)),
            "grid 4096x4096: 150,994,944 nodes in 9 layers; at most",
        ),
        (lambda: ThermalModel(MODEL.stack, 600, solver="sparse").steady(), "its factors take"),
        (lambda: ThermalModel(MODEL.stack, 1300).transient(None, [1.0]), "modes of 9 unknowns are too many"),
        (lambda: ThermalModel(tiny(), 4), "grid 4x4: block 'dust' is too small to cover anything of a cell"),
        (
            lambda: ThermalModel(MODEL.stack, 4, solver="magic"),
            "solver 'magic': must be auto, spectral or sparse",
        ),
        (lambda: ThermalModel(MODEL.stack, 4, nodes="edge"), "nodes 'edge': must be centre or face"),
        (
            lambda: ThermalModel(Stack.load("hbm"), 4, solver="spectral"),
            "is not the same everywhere; take auto or sparse",
        ),
        (lambda: ThermalModel(Stack.load("hbm"), 4, nodes="face"), "needs a stack whose top is closed"),
        (lambda: MODEL.steady({"n": 1.0}), "power: no block 'n' in the stack (did you mean 'nn'?)"),
        (
            lambda: MODEL.steady({"nn": -1.0}),
            "power: interval 0, block 'nn': -1 W: must be a number from 0 to 1e+09",
        ),
        (lambda: MODEL.steady({"nn": float("nan")}), "block 'nn': nan W: must be a number from 0"),
        (lambda: MODEL.steady([1.0]), "power: (1,) numbers for 11 blocks"),
        (lambda: MODEL.transient(None, []), "times_s: empty"),
        (lambda: MODEL.transient(None, [-1.0]), "times_s: -1 s: must be finite, at least 0"),
        (lambda: MODEL.transient(None, [1.0, float("inf")]), "times_s: inf s: must be finite"),
        (
            lambda: MODEL.transient(None, [2.0, 1.0]),
            "times_s[1] = 1 s: time runs backwards, or stands still, after 2 s",
        ),
        (lambda: MODEL.transient(None, [1.0, 1.0]), "stands still, after 1 s"),
        (
            lambda: MODEL.transient(None, [1.0], method="rk4"),
            "method 'rk4': the spectral solver has exact, be, cn",
        ),
        (lambda: MODEL.transient(None, [1.0], step_s=0.0), "step_s = 0: must be more than 0"),
        (
            lambda: MODEL.transient(None, [1.0], method="cn", step_s=1e-12),
            "step_s = 1e-12: 1e+12 steps until 1 s; at most 10,000,000",
        ),
        (lambda: ThermalModel(MODEL.stack, 2.5), "grid 2.5: must be a whole number of cells, or two"),
        (lambda: ThermalModel(MODEL.stack, (3, 3, 3)), "grid (3, 3, 3): must be a whole number of cells"),
        (lambda: ThermalModel(MODEL.stack, "a"), "grid 'a': must be a whole number of cells"),
        (
            lambda: MODEL.transient(None, [1.0], initial="hot"),
            "initial 'hot': must be ambient, steady, kelvin, or a state",
        ),
        (lambda: MODEL.transient(None, [1.0], initial=-4.0), "initial = -4 K: must be more than 0"),
        (
            lambda: MODEL.transient(None, [1.0], initial=ThermalModel(MODEL.stack, 5).steady().state),
            "initial state: shape",
        ),
        (
            lambda: MODEL.stepper().advance(None, -1.0),
            "time -1 s: must be more than 0; time does not run backwards",
        ),
        (lambda: MODEL.stepper(method="euler"), "method 'euler'"),
        (lambda: MODEL.steady().layer_k("vpx"), "no layer 'vpx' in the stack (did you mean 'vpu'?)"),
        (
            lambda: PowerTrace(("a",), [0.0, 2.0, 1.0], np.ones((3, 1))),
            "interval 2 starts at 1 s: time runs backwards",
        ),
        (lambda: PowerTrace(("a",), [1.0], np.ones((1, 1))), "the first interval starts at 1 s: must be 0"),
        (lambda: PowerTrace(("a", "a"), [0.0], np.ones((1, 2))), "block 'a' is named twice"),
        (lambda: PowerTrace(("a",), [0.0], np.ones((2, 2))), "(2, 2) numbers for 1 intervals of 1 blocks"),
    ],
)
def test_what_a_model_cannot_do_is_refused(call, message):
    with pytest.raises(InputError) as refused:
        call()
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("p.ptrace", "a b\n1 2\n3\n", "line 3: 1 values for 2 names"),
        ("p.ptrace", "a b\n1 x\n", "line 2, column 2 (b): 'x': must be a number"),
        ("p.ptrace", "a b\n1 -2\n", "line 2, column 2 (b): -2: must be a finite number, at least 0"),
        ("p.ptrace", "a b\n1 nan\n", "column 2 (b): nan: must be a finite number"),
        ("p.ptrace", "a b\n", "no line of watts under the names"),
        ("p.ptrace", "", "no names of blocks"),
        ("p.csv", "time_s,a\n0,1\n1,2\n0.5,3\n", "interval 2 starts at 0.5 s: time runs backwards"),
        ("p.csv", "time_s,a\n1,1\n", "the first interval starts at 1 s: must be 0"),
        ("p.csv", "a,b\n1,2\n3,4\n", "2 lines of watts need a first column time_s, which is 'a'"),
        ("p.csv", "time_s,a\n0\n", "line 2: 1 values for 2 names"),
        ("p.csv", "block,power_w\na,1\na,2\n", "line 3: 'a,2': must be a block, each once, and its watts"),
        ("p.csv", "block,power_w\na\n", "line 2: 'a': must be a block, each once, and its watts"),
        ("p.csv", "block,power_w\na,x\n", "line 2, column 2 (a): 'x': must be a number"),
        ("p.toml", "a = 'x'\n", "a = 'x': must be a number of watts"),
        ("p.toml", "a = -1\n", "a: -1: must be a finite number, at least 0"),
        ("p.toml", "", "no power; write block = watts"),
        ("p.json", "{}", "must end in .ptrace, .csv or .toml"),
        ("p.ptrace", b"a b\n\xff\xfe\n", "not UTF-8 text"),
    ],
)
def test_a_damaged_file_of_power_is_refused_with_its_place(tmp_path, name, text, message):
    file = tmp_path / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError) as refused:
        read_power(file)
    assert message in str(refused.value)
    assert str(refused.value).startswith(str(file))


def test_an_endless_line_is_not_read_to_its_end(tmp_path):
    (tmp_path / "p.ptrace").write_text("a" * (1 << 21))
    with pytest.raises(InputError, match="line 1: longer than"):
        read_power(tmp_path / "p.ptrace")
    with pytest.raises(InputError, match="No such file"):
        read_power(tmp_path / "none.csv")
    with pytest.raises(InputError, match="ptrace has no times of its own"):
        read_power(tmp_path / "none.csv", 1e-3)


def test_files_of_power_hold_what_they_say(tmp_path):
    (tmp_path / "a.csv").write_text("# watts\ntime_s, nn ,cpu\n0,1,2\n0.5,3,4\n")
    (tmp_path / "b.ptrace").write_text("nn\tcpu\n\n1 2\n3 4\n")
    (tmp_path / "c.toml").write_text("nn = 1\ncpu = 2.5\n")
    timed = read_power(tmp_path / "a.csv")
    assert (timed.blocks, timed.starts_s.tolist(), timed.watts.tolist()) == (
        ("nn", "cpu"),
        [0, 0.5],
        [[1, 2], [3, 4]],
    )
    (tmp_path / "d.csv").write_text("block,power_w\nnn,1\ncpu,2.5\n")
    listed = read_power(tmp_path / "d.csv")
    assert (listed.blocks, listed.watts.tolist()) == (("nn", "cpu"), [[1, 2.5]])
    assert timed.mean() == {"nn": 2.0, "cpu": 3.0}
    assert timed.mean(0.75) == pytest.approx({"nn": 5 / 3, "cpu": 8 / 3})
    assert read_power(tmp_path / "b.ptrace").starts_s.tolist() == [0, 3.333e-6]
    assert read_power(tmp_path / "b.ptrace", 0.1).starts_s.tolist() == [0, 0.1]
    assert read_power(tmp_path / "c.toml").watts.tolist() == [[1, 2.5]]
    model_trace = MODEL.trace(timed)
    assert model_trace.watts[1, MODEL.block_index("cpu")] == 4
    assert model_trace.watts[1, MODEL.block_index("isp")] == 0.08  # that of the stack


def test_a_field_that_is_too_long_is_one_line_of_message(tmp_path):
    (tmp_path / "p.csv").write_text("a,b\n1," + "2" * 200_000 + "\n")
    with pytest.raises(InputError, match="line 2: field larger than field limit"):
        read_power(tmp_path / "p.csv")


@pytest.mark.parametrize("solver", ["spectral", "sparse"])
def test_conductances_too_far_apart_are_refused_and_not_answered_wrongly(solver):
    table = changed("bottom", "resistance_k_w", value=1e12)
    model = ThermalModel(Stack.from_dict(table, "x"), 8, solver=solver)
    with pytest.raises(InputError, match="the conductances of the stack differ too much"):
        model.steady()


def test_a_row_of_a_list_is_overridden_by_its_name_or_its_number():
    plain = Stack.load("stag2p")
    for row in ("vpu", "4"):
        changed = Stack.load(
            "stag2p", [f"layers.{row}.thickness_um=300", f"layers.{row}.blocks.v_all.power_w=1"]
        )
        assert [layer.thickness_um for layer in changed.layers] == [5.0, 1.0, 10.0, 1.0, 300.0, 20.0, 1000.0]
        assert [block.power_w for block in changed.blocks] == [0.05, 0.05, 1.0]
    assert plain == Stack.load("stag2p")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "layers.vpo.thickness_um=3",
            "layers.vpo: no such row; it has 7, the first is 0 (did you mean 'vpu'?)",
        ),
        ("layers.7.thickness_um=3", "layers.7: no such row; it has 7, the first is 0 (valid: attach"),
        ("layers.-1.thickness_um=3", "layers.-1: no such row"),
        ("layers.0.thickness_um=0", "layers[0].thickness_um = 0: must be at least 1e-06"),
        ("layers.vpu.blocks.v_al.power_w=3", "layers.vpu.blocks.v_al: no such row; it has 1"),
        ("layers.vpu=3", "layers[4] = 3: must be a table"),
        ("layers.vpu.name.x=3", "layers[4].name"),
    ],
)
def test_a_row_that_is_not_there_is_refused_with_the_nearest(override, message):
    with pytest.raises(InputError, match=re.escape(message)):
        Stack.load("stag2p", [override])


def test_a_file_of_ones_own_is_a_preset_from_where_it_is_named(tmp_path, monkeypatch):
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "hot.toml").write_text('preset = "../base.toml"\nambient_k = 320.0\n')
    (tmp_path / "base.toml").write_text('preset = "stag2p"\nname = "mine"\n')
    found = Stack.load(tmp_path / "parts" / "hot.toml")
    assert (found.name, found.ambient_k, found.blocks) == ("mine", 320.0, Stack.load("stag2p").blocks)
    monkeypatch.chdir(tmp_path / "parts")
    sensor = ["stack.preset=hot.toml", "heated=v_all", "watched=s_all"]
    assert NearSensor.load("stagioni", sensor).stack == found


def test_files_that_are_their_own_presets_or_not_there_are_refused(tmp_path):
    (tmp_path / "a.toml").write_text('preset = "b.toml"\n')
    (tmp_path / "b.toml").write_text('preset = "./a.toml"\n')
    (tmp_path / "c.toml").write_text('preset = "d.toml"\n')
    with pytest.raises(InputError, match=re.escape("preset = './a.toml': the file is its own preset")):
        Stack.load(tmp_path / "a.toml")
    with pytest.raises(InputError, match=r"d\.toml: No such file or directory"):
        Stack.load(tmp_path / "c.toml")


def test_what_is_laid_over_a_file_may_mend_it(tmp_path):
    file = tmp_path / "a.toml"
    file.write_text('preset = "stag2p"\nambient_k = -1.0\n')
    assert Stack.load(file, ["ambient_k=300"]) == Stack.load("stag2p", ["ambient_k=300"])
    with pytest.raises(InputError, match=r"a\.toml: ambient_k = -1"):
        Stack.load(file)
    with pytest.raises(InputError, match=r"a\.toml: ambient_k = -1"):
        Stack.load(file, ["name=b"])
