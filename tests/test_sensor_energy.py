"""Energy of pixels, the networks that look at them, and what both take near and far from the sensor."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.analog.nnadc import costs, load_adc
from archsim.approx import Choice, load_processor, multiplier
from archsim.errors import InputError
from archsim.sensor.energy import PixelEnergy
from archsim.sensor.networks import Layer, VisionNetwork, VisionProcessor
from archsim.sensor.system import VisionSystem, load_vision_system
from archsim.spec import preset_names

PAPER = "resnet-1080p34"


def layer(**values):
    return Layer.from_dict({"name": "x", "inputs": 1, "outputs": 1} | values, "layer")


def system(*overrides, name=PAPER):
    return load_vision_system(name, overrides)


# networks


@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(1, 4), st.integers(1, 3),
       st.integers(1, 2))  # fmt: skip
def test_products_and_weights_are_those_that_one_counts(
    inputs, outputs, groups, kernel, rows, columns, times
):
    taps, products = set(), 0
    for again, group in itertools.product(range(times), range(groups)):
        for o, i, y, x in itertools.product(range(outputs), range(inputs), range(kernel), range(kernel)):
            taps.add((again, group * outputs + o, group * inputs + i, y, x))
            products += rows * columns
    found = layer(inputs=inputs * groups, outputs=outputs * groups, kernel=kernel, rows=rows, columns=columns,
                  groups=groups, times=times)  # fmt: skip
    assert (found.weights, found.macs) == (len(taps), products)
    assert found.results == times * groups * outputs * rows * columns
    assert found.work() == ("x", found.macs, found.results, found.weights)


@pytest.mark.parametrize(
    ("name", "macs", "weights"),
    [
        ("alexnet", 724e6, 61.0e6),
        ("alexnet-conv", 666e6, 2.3e6),
        ("vgg16", 15.47e9, 138.36e6),
        ("resnet18", 1.82e9, 11.69e6),
        ("resnet50", 4.1e9, 25.56e6),
        ("mobilenet", 569e6, 4.2e6),
        ("squeezenet", 0.82e9, 1.25e6),
    ],
)
def test_networks_have_the_products_and_weights_that_are_published(name, macs, weights):
    network = VisionNetwork.load(name)
    assert network.macs == pytest.approx(macs, rel=5e-3)
    assert network.weights == pytest.approx(weights, rel=1.5e-2)


@pytest.mark.parametrize("name", preset_names("vision_network"))
def test_channels_of_layers_fit_together(name):
    network = VisionNetwork.load(name)
    made = {3}
    for each in network.layers:
        if name.startswith("squeezenet") and "squeeze" in each.name:
            made |= {2 * m for m in made}  # both expansions, side by side
        known = {
            m * places for m in made for places in (1, 36, 49)
        }  # a fully connected layer takes all places
        assert each.inputs in known, each.name
        made.add(each.outputs)


# what a pixel takes


def test_the_parts_of_a_pixel_add_up_as_printed():
    energy = PixelEnergy.load("kodukula")
    assert (energy.sensing_pj, energy.storage_pj, energy.interfaces_pj) == (595, 677, 3700)


def test_one_pixel_crosses_each_part_once():
    one = system("columns=1", "rows=1", "ddr_traffic_factor=1", "cap_die_w=0")
    near = {(row.component, row.event): row.count * row.pj_per_event for row in one.near_frame().rows}
    assert near == {
        ("sensor", "pixel_array"): 25,
        ("sensor", "read_out"): 43,
        ("sensor", "analog_chain"): 527,
        ("stack_dram", "write"): 394,
        ("stack_dram", "read"): 283,
        ("processor", "mac"): one.network.macs * 19.62,
        ("i2c", "result_byte"): 8 * 14700,
    }
    far = one.far_frame().components_nj()
    assert list(far) == ["sensor", "csi", "host_dram", "ddr", "host"]
    assert far["csi"] == pytest.approx(0.9, abs=2e-4)
    assert far["ddr"] == pytest.approx(2.8, abs=2e-4)


def test_near_and_far_are_the_powers_that_were_fitted():
    paper = system()
    assert paper.far_frame().power_w(34) == pytest.approx(2.7, abs=0.05)
    assert paper.near_frame().power_w(34) == pytest.approx(1.3, abs=0.05)
    assert paper.saving() == pytest.approx(0.52, abs=0.005)
    assert paper.pixels == 1920 * 1080


def test_traffic_is_the_frame_and_the_weights_where_none_is_stated():
    free = system(name="mobilenet-1080p30")
    assert free.ddr_traffic_factor is None
    assert free.ddr_factor == 1 + free.network.weights / (1920 * 1080)
    ddr = next(row for row in free.far_frame().rows if row.component == "ddr")
    assert ddr.count == 1920 * 1080 + free.network.weights


def test_weights_out_of_the_stacks_dram_are_reads_that_heat_the_stack_and_leave_the_host_as_it_is():
    plain, free = system(name="vgg16-1080p7"), system("near_weight_reads=1", name="vgg16-1080p7")
    twice = system("near_weight_reads=2", name="vgg16-1080p7")
    read_nj = free.network.weights * 283e-3
    for factor, each in ((1, free), (2, twice)):
        assert each.near_frame().total_nj - plain.near_frame().total_nj == pytest.approx(factor * read_nj)
        assert each.near_frame().stack_nj - plain.near_frame().stack_nj == pytest.approx(factor * read_nj)
    assert free.far_frame() == plain.far_frame()
    (row,) = [row for row in free.near_frame().rows if row.event == "weight_read"]
    assert (row.component, row.count) == ("stack_dram", free.network.weights)
    assert plain.saving() == pytest.approx(0.549, abs=5e-4)
    assert free.saving() == pytest.approx(0.494, abs=5e-4)
    assert system("near_weight_reads=1").near_frame().power_w(34) == pytest.approx(1.41, abs=0.005)


@given(
    st.integers(1, 4000), st.integers(1, 3000), st.floats(0, 50), st.floats(0, 5),
    st.lists(st.floats(0, 1e4), min_size=8, max_size=8),
)  # fmt: skip
def test_the_ledger_is_the_sum_by_hand(columns, rows, ddr, dram, pj):
    names = ("pixel_array_pj", "readout_pj", "analog_chain_pj", "dram_write_pj", "dram_read_pj", "csi_pj", "ddr_pj",
             "on_chip_pj")  # fmt: skip
    data = system().to_dict() | {
        "columns": columns,
        "rows": rows,
        "ddr_traffic_factor": ddr,
        "cap_die_w": None,
    }
    data |= {"dram_traffic_factor": dram, "energy": data["energy"] | dict(zip(names, pj, strict=True))}
    any_ = VisionSystem.from_dict(data, "test")
    pixels, mac = columns * rows, 19.62 * any_.network.macs
    sensing = pixels * (pj[0] + pj[1] + pj[2])
    stored = round(pixels * dram) * (pj[3] + pj[4])
    near = sensing + stored + pixels * pj[7] + mac + 8 * 14700
    far = sensing + stored + pixels * pj[5] + round(pixels * ddr) * pj[6] + mac
    # Each row is rounded to 2^-12 nJ.
    assert any_.near_frame().total_nj == pytest.approx(near / 1e3, rel=1e-12, abs=10 / 4096)
    assert any_.far_frame().total_nj == pytest.approx(far / 1e3, rel=1e-12, abs=10 / 4096)
    for frame in (any_.near_frame(), any_.far_frame()):
        assert sum(reversed([row.energy_nj for row in frame.rows])) == frame.total_nj
        assert sum(frame.components_nj().values()) == frame.total_nj
        assert 0 <= frame.stack_nj <= frame.total_nj


# modes


def test_what_is_in_the_stack_heats_it():
    free = system(name="mobilenet-1080p30")
    powers, near, far = free.powers(), free.near_frame().components_nj(), free.far_frame().components_nj()
    per_s = 30e-9
    assert powers.near.system_w == pytest.approx(sum(near.values()) * per_s)
    assert powers.near.die_w == pytest.approx((sum(near.values()) - near["i2c"]) * per_s)
    assert powers.far.system_w == pytest.approx(sum(far.values()) * per_s)
    assert powers.far.die_w == pytest.approx((far["sensor"] + far["csi"]) * per_s)
    assert powers.stop.die_w == powers.stop.system_w == pytest.approx(far["sensor"] * per_s)
    assert powers.switch_s == 100e-6
    assert powers.switch_j == pytest.approx((powers.near.system_w + powers.far.system_w) * 100e-6)
    half = system("energy.csi_in_stack=0.5", name="mobilenet-1080p30").powers()
    assert half.far.die_w == pytest.approx((far["sensor"] + far["csi"] / 2) * per_s)


def test_a_stated_power_of_capture_goes_before_the_computed_one():
    powers = system("switch_j=0.25", "switch_s=0.001").powers()
    assert (powers.far.die_w, powers.stop.die_w, powers.stop.system_w) == (0.1, 0.1, 0.1)
    assert (powers.switch_j, powers.switch_s) == (0.25, 0.001)


def test_the_saving_is_in_proportion_to_the_duty():
    paper = system()
    assert paper.saving(0) == 0
    assert paper.saving(0.42) == pytest.approx(0.42 * paper.saving())
    powers = paper.powers()
    average = 0.42 * powers.near.system_w + 0.58 * powers.far.system_w
    assert paper.saving(0.42) == pytest.approx(1 - average / powers.far.system_w)
    with pytest.raises(InputError, match=r"duty = 1.5: must be from 0 to 1"):
        paper.saving(1.5)


# stand-ins


def test_a_converter_stands_in_for_the_analog_chain_alone():
    plain, trained = system(), system("readout.preset=nnadc-10b-3bit")
    before, after = plain.near_frame(), trained.near_frame()
    taken = costs(load_adc("nnadc-10b-3bit"))
    pixel_pj = taken.power_w / taken.rate_hz * 1e12
    assert after.components_nj()["converter"] == pytest.approx(pixel_pj * plain.pixels / 1e3, abs=8 / 4096)
    assert after.total_nj - before.total_nj == pytest.approx(
        (pixel_pj - 527) * plain.pixels / 1e3, abs=8 / 4096
    )
    assert [r for r in after.rows if r.component == "sensor"] == [r for r in before.rows[:2]]
    assert trained.far_frame().total_nj - plain.far_frame().total_nj == pytest.approx(
        after.total_nj - before.total_nj
    )
    assert trained.converters == -(-plain.pixels * 34 // int(taken.rate_hz))
    assert plain.converters == 0


def test_an_array_of_multipliers_stands_in_for_the_processor_near_the_sensor():
    network, array = VisionNetwork.load("resnet18"), load_processor("stacked-256")
    for design in ("exact", "bam_4_0"):
        run = array.run(network.works(), Choice(multiplier(design)))
        found = system("processor.preset=stacked-256", f"multiplier={design}")
        assert found.near_frame().components_nj()["processor"] == run.energy_nj
        assert found.run().time_ns == run.time_ns
        assert found.far_frame() == system().far_frame()
    exact = system("processor=stacked-256")
    own = Choice(multiplier("exact"), {"conv1": multiplier("bam_4_0")})
    assert exact.near_frame(own).total_nj < exact.near_frame().total_nj
    assert exact.powers(own).near.die_w < exact.powers().near.die_w


def test_the_name_of_a_preset_does_for_a_stand_in():
    assert system("readout=nnadc-10b-3bit") == system("readout.preset=nnadc-10b-3bit")
    assert system("processor=stacked-256") == system("processor.preset=stacked-256")


@pytest.mark.parametrize("name", preset_names("vision_system"))
def test_every_system_saves_near_the_sensor(name):
    each = system(name=name)
    assert 0 < each.saving() < 1
    powers = each.powers()
    assert powers.stop.die_w <= powers.far.die_w < powers.near.die_w
    report = each.report()
    assert report["saving"] == each.saving()
    assert sum(report["near"]["components_nj"].values()) == report["near"]["energy_nj"]


# errors


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("fps=0", "fps = 0: must be more than 0"),
        ("fps=-1", "fps = -1: must be more than 0"),
        ("fps=90", "fps = 90: near: vpu runs resnet18 at most 66.1 times per second"),
        ("columns=0", "columns = 0: must be at least 1"),
        ("energy.csi_pj=-1", "energy.csi_pj = -1: must be at least 0"),
        ("ddr_traffic_factor=-2", "ddr_traffic_factor = -2: must be at least 0"),
        ("network.preset=resnet19", "did you mean 'resnet18'"),
        ("near.preset=eyeris", "did you mean 'eyeriss'"),
        ("readout=nnadc-10b-3bits", "did you mean 'nnadc-10b-3bit'"),
        ("processor=stacked-255", "did you mean 'stacked-256'"),
        ("multiplier=drum6", "multiplier = 'drum6': has no effect without processor"),
        ("estimates=true", "estimates = True: has no effect without processor"),
        ("ddr_trafic_factor=1", "did you mean 'ddr_traffic_factor'"),
    ],
)
def test_what_cannot_be_is_refused(override, message):
    with pytest.raises(InputError) as refused:
        system(override)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_array_that_is_too_slow_or_has_no_energy_is_refused():
    with pytest.raises(
        InputError, match=r"fps = 40: processor: stacked-256 runs resnet18 at most 35.3 times"
    ):
        system("processor=stacked-256", "fps=40")
    with pytest.raises(InputError, match="has no energy from a cited source"):
        system("processor=stacked-256", "multiplier=drum6")
    assert system("processor=stacked-256", "multiplier=drum6", "estimates=true").run().energy_nj > 0
    with pytest.raises(InputError, match="unknown multiplier"):
        system("processor=stacked-256", "multiplier=dram6")
    with pytest.raises(InputError, match=r"resnet-1080p34: has no processor of multipliers"):
        system().run()


def test_a_capture_that_takes_more_than_the_whole_system_is_refused():
    with pytest.raises(InputError, match=r"cap_die_w = 3: is more than the whole far-sensor system, 2.706 W"):
        system("cap_die_w=3").powers()


def test_layers_that_cannot_be_are_refused():
    with pytest.raises(InputError, match=r"groups = 2: must divide inputs = 3 and outputs = 4"):
        layer(inputs=3, outputs=4, groups=2)
    data = VisionNetwork.load("resnet18").to_dict()
    data["layers"] = [data["layers"][0]] * 2
    with pytest.raises(InputError, match="'conv1' is there twice"):
        VisionNetwork.from_dict(data, "twice")


def test_the_fitted_processor_is_what_the_paper_leaves_for_compute():
    left = 1.21 / (34 * VisionNetwork.load("resnet18").macs) * 1e12
    assert VisionProcessor.load("vpu").pj_per_mac == pytest.approx(left, rel=1e-3)
