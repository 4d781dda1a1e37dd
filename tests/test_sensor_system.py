"""Whole near-sensor systems: targets become temperatures, energies become powers, and a policy runs with both."""

import itertools
import math
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.errors import InputError
from archsim.sensor import NearSensor, load_sensor, simulate_many
from archsim.sensor.image import Camera, ImageSensor
from archsim.sensor.policies import POLICIES, run
from archsim.spec import preset_names
from archsim.thermal import Stack, ThermalModel, TwoPole, two_pole

LADDER = {"r1_k_w": 5.5, "c1_j_k": 9e-4, "r2_k_w": 28.5, "c2_j_k": 0.35, "ambient_k": 300.0}


def system(*overrides, name="vgg16-dim"):
    return load_sensor(name, overrides)


def without(sensor, *names, **values):
    """Return a system with fields at their defaults, and others changed."""
    return NearSensor.from_dict(
        {k: v for k, v in (sensor.to_dict() | values).items() if k not in names}, "test"
    )


# what it is made of


def test_limits_are_those_of_the_camera():
    sensor = system()
    camera = Camera("ar0330", "dim")
    setting = sensor.setting()
    assert setting.limits.imaging_k == camera.temperature_for(20.0).temperature_k
    assert setting.limits.vision_k == camera.temperature_for(15.0).temperature_k
    assert without(sensor, "imaging_db").setting().limits.imaging_k == math.inf


def test_a_limit_may_be_stated_instead():
    sensor = without(system(), "imaging_db", imaging_k=350.0)
    assert sensor.setting().limits.imaging_k == 350.0
    assert sensor.simulate().run.worst_capture_k <= 350.0


def test_the_ratio_that_counts_is_that_of_the_signal():
    grey = without(system("signal=0.5"), "vision_db", imaging_db=18.0)
    assert grey.setting().limits.imaging_k == Camera("ar0330", "dim").temperature_for(18.0, 0.5).temperature_k
    found = grey.simulate()
    assert found.snr_db(300.0) == pytest.approx(float(Camera("ar0330", "dim").snr_db(300.0, 0.5)))


def test_two_poles_are_those_of_the_stack_at_the_ambient_that_is_asked_for():
    model = ThermalModel(Stack.load("stag2p"), 8)
    whole = two_pole(model, {"v_all": 1.0}, "s_all")
    assert system().two_poles() == whole
    warm = system("ambient_k=313.15").two_poles()
    assert warm == TwoPole(whole.r1_k_w, whole.c1_j_k, whole.r2_k_w, whole.c2_j_k, 313.15, whole.error_k_w)


def test_a_ladder_does_for_a_stack():
    sensor = without(system(), "stack", "heated", "watched", ladder=LADDER)
    assert sensor.two_poles() == TwoPole(5.5, 9e-4, 28.5, 0.35, 300.0)
    assert sensor.simulate().run.met


def test_a_run_is_that_of_the_policy_with_the_same_setting():
    sensor = system()
    for policy in POLICIES:
        found = sensor.simulate(policy)
        assert found.run == run(sensor.setting(policy))
        assert found.setting.powers == sensor.vision.powers()
        assert found.setting.frame_s == 1 / 7
        assert found.saving == pytest.approx(1 - found.run.system_w / sensor.vision.powers().far.system_w)


def test_a_policy_of_ones_own_runs():
    def cool(state):
        return "far" if state.requested or state.near_k > 350.0 else "near"

    found = system().simulate(cool)
    assert found.run.policy == "cool"
    assert found.run.hottest_k <= 350.0
    assert 0 < found.run.duty < 1
    assert found.run.missed == 0


def test_a_converter_brings_its_bits_and_its_noise():
    plain, trained = system(name="stagioni"), system("vision.readout=nnadc-10b-3bit", name="stagioni")
    spec = trained.camera().sensor
    assert (spec.bits, plain.camera().sensor.bits) == (10, 12)
    assert spec.gain_dn_e == pytest.approx(ImageSensor.load("ar0330").gain_dn_e / 4)
    # Rounding and noise together are those of an ideal converter of as many bits as it has ENOB.
    assert 1 / 12 + spec.converter_noise_dn**2 == pytest.approx(4 ** (10 - 9.106280918135354) / 12, rel=1e-6)
    assert trained.simulate().run.system_w < plain.simulate().run.system_w
    dim = system("vision.readout=nnadc-8b-3bit")
    assert float(dim.camera().snr_db(300.0)) < float(system().camera().snr_db(300.0))


def test_less_heat_from_an_approximate_array_is_more_duty():
    hot = system("vision.fps=2", "ambient_k=330", "vision.cap_die_w=0.01")
    cool = system("vision.fps=2", "ambient_k=330", "vision.cap_die_w=0.01", "vision.processor=stacked-256")
    assert cool.simulate().run.hottest_k < hot.simulate().run.hottest_k
    assert cool.simulate().run.duty >= hot.simulate().run.duty


# what comes out


@pytest.mark.parametrize("name", preset_names("sensor"))
def test_promises_of_every_shipped_system_are_kept(name):
    sensor = system(name=name)
    kept = 0
    for found in simulate_many([sensor], list(POLICIES)):
        if found.run.promised:
            kept += 1
            assert found.run.met, found.run.policy
            assert found.capture_db >= sensor.imaging_db
        else:
            assert found.run.reason
    assert kept >= 3
    own = sensor.simulate()
    assert own.run.promised
    assert own.run.requests == 59
    assert own.saving > 0.2


def test_figures_for_json_are_plain_and_finite():
    found = without(system(), "vision_db").simulate()
    row = found.to_dict()
    assert row["temperature_k"]["vision_limit"] is None
    assert row["snr_db"]["worst_capture"] == found.capture_db
    assert row["system_w"] == found.run.system_w

    def walk(value):
        if isinstance(value, dict):
            for each in value.values():
                walk(each)
        else:
            assert value is None or isinstance(value, str | bool | int) or math.isfinite(value)

    walk(row)


def test_a_full_pixel_has_no_ratio():
    found = without(system("ambient_k=370"), "imaging_db", "vision_db").simulate("full-near")
    assert found.run.hottest_k > 440
    assert found.snr_db(500.0) is None
    assert found.snr_db(None) is None


def test_many_systems_run_alike_with_any_number_of_workers():
    sensors = [system(f"imaging_db={db}") for db in (20, 22, 23, 22.5)]
    alone = simulate_many(sensors, list(POLICIES))
    together = simulate_many(sensors, list(POLICIES), workers=3)
    assert len(alone) == 20
    for one, other in zip(alone, together, strict=True):
        if isinstance(one, InputError):
            assert str(one) == str(other)
        else:
            assert one.run == other.run
    assert [isinstance(each, InputError) for each in alone] == [False] * 10 + [True] * 5 + [False] * 5
    assert "best is 22.66 dB" in str(alone[10])
    assert [each.run.policy for each in simulate_many(sensors[:2])] == ["seasonal", "seasonal"]


def test_more_demanding_people_cost_power_under_seasons_and_frames_under_stops():
    runs = [without(system(f"imaging_db={db}"), "vision_db") for db in (19, 20, 21, 22, 22.5)]
    season = [each.simulate("seasonal").run for each in runs]
    stop = [each.simulate("stop-capture-go").run for each in runs]
    far = [each.simulate("full-far").run for each in runs]
    assert all(a.system_w < b.system_w for a, b in itertools.pairwise(season))
    assert all(a.system_w > b.system_w for a, b in itertools.pairwise(stop))
    assert all(a.fps > b.fps for a, b in itertools.pairwise(stop))
    assert len({each.system_w for each in far}) == 1


def test_a_hotter_place_leaves_less_duty():
    duties = [system(f"ambient_k={kelvin}").simulate().run.duty for kelvin in (293.15, 303.15, 313.15)]
    assert duties[0] > duties[1] > duties[2]


@settings(max_examples=40)
@given(
    st.sampled_from(["stagioni", "resnet50-office", "vgg16-dim"]), st.sampled_from(list(POLICIES)),
    st.floats(280.0, 330.0), st.floats(10.0, 36.5), st.floats(5.0, 36.5), st.floats(0.2, 30.0),
)  # fmt: skip
def test_a_ratio_that_is_promised_is_had_in_every_frame(name, policy, ambient, imaging, vision, period):
    sensor = without(
        system(name=name),
        ambient_k=ambient,
        imaging_db=imaging,
        vision_db=vision,
        request_s=period,
        duration_s=60.0,
    )
    camera = sensor.camera()
    if max(imaging, vision) > float(camera.snr_db(0.0)):
        with pytest.raises(InputError, match="cannot be met at any temperature: best is"):
            sensor.simulate(policy)
        return
    found = sensor.simulate(policy)
    if found.run.promised:
        assert found.run.met
        if found.run.captured:
            assert float(camera.snr_db(found.run.worst_capture_k)) >= imaging
        assert found.run.vision_missed == 0
    if policy != "stop-capture-go" and found.run.vision_missed == 0:
        assert float(camera.snr_db(found.run.hottest_k)) >= vision


def test_the_file_of_the_page_is_a_system(tmp_path):
    page = (Path(__file__).parents[1] / "docs" / "near-sensor.md").read_text(encoding="utf-8")
    file = tmp_path / "mine.toml"
    file.write_text(re.search(r"```toml\n(.*?)```", page, re.DOTALL)[1])
    sensor = load_sensor(file)
    assert (sensor.vision.fps, sensor.vision.network.name, sensor.scene.name) == (15, "squeezenet", "dim")
    assert sensor.simulate().run.met


# errors


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "imaging_db=23",
            "vgg16-dim: imaging_db = 23: 23 dB cannot be met at any temperature: best is 22.66 dB",
        ),
        ("vision_db=30", "vision_db = 30: 30 dB cannot be met at any temperature"),
        ("policy=seasnal", "policy = 'seasnal': unknown policy (did you mean 'seasonal'?)"),
        ("scene.preset=dimm", "did you mean 'dim'"),
        ("image_sensor.preset=ar330", "did you mean 'ar0330'"),
        ("vision.preset=vgg16-1080p", "did you mean 'vgg16-1080p7'"),
        ("stack.preset=stag", "did you mean 'stag2p'"),
        (
            "scene.exposure_ms=200",
            "is longer than a frame of 142.9 ms; vision.fps may be 5 at most, or scene.exposure_ms 142.9",
        ),
        ("heated=v_al", "heated = 'v_al': no such block in the stack (did you mean 'v_all'?)"),
        ("vision.columns=4000", "ar0330 has 2304 x 1536 pixels"),
        ("imaging_k=350", "imaging_k = 350: has no effect beside imaging_db"),
        ("duration_s=-1", "duration_s = -1: must be more than 0"),
        ("duration_s=0.01", "vgg16-dim: duration_s = 0.01: is less than one frame"),
        ("request_s=0.01", "requests = 0.01: a period must be at least one frame"),
        ("ambient_k=-3", "ambient_k = -3: must be more than 0"),
        ("low_k=400", "low_k = 400: T_low must be below T_high"),
        ("vision.cap_die_w=9", "cap_die_w = 9: is more than the whole far-sensor system"),
        ("vision.cap_die_w=1e-3", "cap_die_w = 0.001: is less than what sensing takes, 0.008637 W"),
        ("vision.switch_s=1", "switch_s = 1: is longer than a frame of 0.1429 s"),
        ("signal=0", "signal = 0: must be more than 0"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(override, message):
    with pytest.raises(InputError) as refused:
        system(override).simulate()
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_die_beyond_every_silicon_has_no_ratio_and_stops_no_comparison():
    hot = without(system(), "stack", "heated", "watched", ladder={**LADDER, "r2_k_w": 1000.0})
    near, far = (hot.simulate(policy) for policy in ("full-near", "full-far"))
    assert near.run.hottest_k > 1000 > far.run.hottest_k
    hottest = [found.to_dict()["snr_db"]["hottest"] for found in (near, far)]
    assert hottest[0] is None
    assert hottest[1] is not None


def test_a_system_that_takes_nothing_is_refused():
    free = [f"vision.energy.{part}_pj=0" for part in (
        "pixel_array", "readout", "analog_chain", "dram_write", "dram_read", "csi", "ddr"
    )]  # fmt: skip
    with pytest.raises(
        InputError, match="the far-sensor system takes none, and there is nothing to be saved"
    ):
        system(*free, "vision.near.pj_per_mac=0", "vision.far.pj_per_mac=0")


def test_a_stack_or_a_ladder_but_not_both():
    with pytest.raises(InputError, match="there must be either a stack or a ladder"):
        without(system(), "stack", "heated", "watched")
    with pytest.raises(InputError, match="there must be either a stack or a ladder"):
        without(system(), ladder=LADDER)
    with pytest.raises(InputError, match="heated = 'v_all': has no effect without a stack"):
        without(system(), "stack", "watched", ladder=LADDER)
