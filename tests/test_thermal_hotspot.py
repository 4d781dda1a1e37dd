"""HotSpot's files of layers, floorplans, packages and power."""

import numpy as np
import pytest

from archsim.errors import InputError
from archsim.thermal import Stack, ThermalModel, load_stack

CHIP = "# name width height left bottom\nleft 0.004 0.008 0 0\n\nright\t0.004\t0.008\t0.004\t0\n"
LAYERS = """# Layer 0
0
Y
Y
1.75e6
0.01
0.00015
chip.flp

#Layer 1
1
Y
N
4e6
0.25
2.0e-05
paste.flp
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "chip.flp").write_text(CHIP)
    (tmp_path / "paste.flp").write_text("all 0.008 0.008 0 0\n")
    (tmp_path / "two.lcf").write_text(LAYERS)
    return tmp_path


def write(folder, name, text):
    (folder / name).write_text(text)
    return folder / name


def test_a_floorplan_alone_is_a_chip_with_interface_spreader_and_sink(folder):
    stack = load_stack(folder / "chip.flp")
    assert [layer.name for layer in stack.layers] == ["chip", "interface"]
    assert (stack.width_mm, stack.height_mm, stack.ambient_k) == pytest.approx((8.0, 8.0, 318.15))
    assert [layer.thickness_um for layer in stack.layers] == pytest.approx([150, 20])
    sink = stack.bottom.heatsink
    assert (sink.spreader_mm, sink.sink_mm, sink.convection_k_w, sink.convection_j_k) == pytest.approx(
        (30, 60, 0.1, 140.4)
    )


def test_layers_are_read_from_the_one_farthest_from_the_sink(folder):
    stack, alone = load_stack(folder / "two.lcf"), load_stack(folder / "chip.flp")
    assert [layer.name for layer in stack.layers] == ["layer0", "layer1"]
    assert [[b.name for b in layer.blocks] for layer in stack.layers] == [["left", "right"], []]
    models = [ThermalModel(each, 8, nodes="face") for each in (stack, alone)]
    one, other = (model.steady({"left": 5.0, "right": 1.0}).avg_k for model in models)
    assert one == pytest.approx(other, rel=1e-12)


def test_the_package_is_that_of_a_chain_when_all_is_one_temperature(folder):
    """With copper that hardly resists, the sink has one temperature, which is known."""
    stack = load_stack(folder / "chip.flp")
    table = stack.to_dict()
    for each in table["materials"]:
        if each["name"].startswith("heat"):
            each["conductivity_w_mk"] = 1e5
    found = ThermalModel(Stack.from_dict(table, "x"), 8).steady({"left": 3.0, "right": 3.0})
    half = 75e-6 / 100 / 64e-6
    assert found.avg_k - 318.15 == pytest.approx(6 * (0.1 + half + 20e-6 / 4 / 64e-6), rel=0.01)
    assert abs(found.balance) < 1e-9


def test_lumps_of_the_package_store_and_carry_all_heat(folder):
    run = ThermalModel(load_stack(folder / "chip.flp"), (5, 7)).transient({"left": 9.0}, [0.1, 10.0, 1000.0])
    assert abs(run.balance) < 1e-9
    assert run.avg_k[-1] == pytest.approx(
        ThermalModel(load_stack(folder / "chip.flp"), (5, 7)).steady({"left": 9.0}).avg_k, abs=0.05
    )


@pytest.mark.parametrize(("width", "height"), [(0.003, 0.008), (0.008, 0.003)])
def test_a_package_turned_by_a_right_angle_is_as_hot(tmp_path, width, height):
    write(tmp_path, "a.flp", f"a {width} {height} 0 0\n")
    write(tmp_path, "b.flp", f"a {height} {width} 0 0\n")
    one = ThermalModel(load_stack(tmp_path / "a.flp"), (6, 9)).steady({"a": 7.0})
    other = ThermalModel(load_stack(tmp_path / "b.flp"), (9, 6)).steady({"a": 7.0})
    assert one.layer_k("chip") == pytest.approx(other.layer_k("chip").T, rel=1e-12)


def test_a_package_on_top_of_the_stack_turned_over_is_as_hot(folder):
    table = load_stack(folder / "two.lcf").to_dict()
    below = ThermalModel(Stack.from_dict(table, "x"), (6, 5))
    turned = {**table, "layers": table["layers"][::-1], "top": table["bottom"], "bottom": {}}
    above = ThermalModel(Stack.from_dict(turned, "x"), (6, 5))
    one, other = (model.steady({"left": 7.0}) for model in (below, above))
    assert one.avg_k == pytest.approx(other.avg_k, rel=1e-12)
    assert other.heat_out_w == pytest.approx({"top": 7.0, "bottom": 0.0})
    heating, turned_heating = (model.transient({"left": 7.0}, [0.01, 1.0]) for model in (below, above))
    assert heating.avg_k == pytest.approx(turned_heating.avg_k, rel=1e-9)


def test_a_block_may_have_a_material_of_its_own(folder):
    text = "unit 0.008 0.006 0 0.002\ntsv 0.008 0.002 0 0 4e6 0.0058\n"
    write(folder, "paste.flp", text)
    stack = load_stack(folder / "two.lcf")
    region = stack.layers[1].regions[0]
    assert (region.name, region.height_mm) == ("tsv", pytest.approx(2.0))
    assert stack.material(region.material).conductivity_w_mk == pytest.approx(1 / 0.0058)
    assert ThermalModel(stack, 4).solver == "sparse"


def test_a_layer_without_lateral_flow_conducts_down_only(folder):
    write(folder, "two.lcf", LAYERS.replace("0\nY\nY", "0\nN\nY"))
    field = ThermalModel(load_stack(folder / "two.lcf"), 4).steady({"left": 5.0}).layer_k("layer0")
    plain = ThermalModel(load_stack(folder / "chip.flp"), 4).steady({"left": 5.0}).layer_k("chip")
    assert np.ptp(field) > np.ptp(plain)


def test_materials_and_a_config_are_read(folder):
    write(
        folder,
        "my.materials",
        "# one\nsilicon\nsolid\n130.0\n1630300\n\nwater\nfluid\n0.6\n4e6\n8.9e-4\n\ncopper\nsolid\n400\n3.5e6\n",
    )
    config = write(
        folder,
        "my.config",
        "\t-material_chip silicon\n-r_convec 0.5\n-s_sink 0.05\n-ambient 300\n-material_sink copper\n",
    )
    stack = load_stack(folder / "chip.flp", ["name=mine"], config)
    assert (stack.name, stack.ambient_k, stack.bottom.heatsink.convection_k_w) == ("mine", 300.0, 0.5)
    assert stack.material("chip").conductivity_w_mk == 130.0
    write(folder, "two.lcf", LAYERS.replace("1.75e6\n0.01\n", "silicon\n"))
    assert load_stack(folder / "two.lcf", config=config).material("layer0").heat_capacity_j_m3k == 1630300


BAD = [
    ("chip.flp", "a 0.004 0.008 0\n", "line 1: 4 words; a block has a name and 4 numbers, or 6"),
    ("chip.flp", "a x 0.008 0 0\n", "line 1: width 'x': must be a number"),
    ("chip.flp", "a 0 0.008 0 0\n", "line 1: width 0: must be more than 0"),
    ("chip.flp", "# nothing\n", "no blocks"),
    (
        "chip.flp",
        CHIP + "more 0.004 0.004 0.002 0\n",
        r"blocks\[0\] \(left\): more .* overlaps it at \(2, 0\) mm",
    ),
    ("chip.flp", "a 0.004 0.004 0 0\nb 0.004 0.004 0.004 0.004\n", r"no block covers the die at \(0, 4\) mm"),
    ("two.lcf", LAYERS.replace("0.25\n", "-0.25\n"), "resistivity -0.25: must be more than 0"),
    ("two.lcf", LAYERS.replace("1.75e6", "silicn"), "line 5: material 'silicn': not defined"),
    ("two.lcf", LAYERS.replace("0\nY", "0\nX", 1), "lateral heat flow 'X': must be Y or N"),
    ("two.lcf", LAYERS.replace("1\nY\nN", "0\nY\nN"), "layer number '0': must be a whole number, each once"),
    (
        "two.lcf",
        LAYERS.replace("1\nY\nN", "2\nY\nN"),
        r"layers \[0, 2\]: must be numbered from 0 without gaps",
    ),
    ("two.lcf", LAYERS.replace("paste.flp", ""), "ends before the floorplan of layer 1"),
    ("two.lcf", LAYERS.replace("paste.flp", "other.flp"), "line 17: .*other.flp: No such file"),
    ("two.lcf", LAYERS.replace("paste.flp", "pipes.csv"), "pipes.csv: microchannels are not modelled"),
]


@pytest.mark.parametrize(("name", "text", "message"), BAD)
def test_a_damaged_file_is_refused_with_its_place(folder, name, text, message):
    write(folder, name, text)
    with pytest.raises(InputError, match=message) as refused:
        load_stack(folder / ("two.lcf" if name == "two.lcf" else name))
    assert str(refused.value).startswith(str(folder / name))
    assert "\n" not in str(refused.value)


def test_layers_of_different_size_are_refused(folder):
    write(folder, "paste.flp", "all 0.009 0.008 0 0\n")
    with pytest.raises(InputError, match="9 x 8 mm; other layers have 8 x 8 mm"):
        load_stack(folder / "two.lcf")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("r_convec 0.5\n", "line 1: 'r_convec 0.5': must be -name value"),
        ("-r_convec x\n", "line 1: -r_convec 'x': must be a number"),
        ("-model_secondary 1\n", "model_secondary 1: is not modelled"),
        ("-material_chip gold\n", "line 1: material 'gold': not in"),
    ],
)
def test_a_damaged_config_is_refused(folder, text, message):
    with pytest.raises(InputError, match=message):
        load_stack(folder / "chip.flp", config=write(folder, "my.config", text))


def test_a_config_is_for_files_of_hotspot(folder):
    with pytest.raises(InputError, match=r"is for HotSpot's \.lcf and \.flp, not cis3"):
        load_stack("cis3", config=folder / "chip.flp")
