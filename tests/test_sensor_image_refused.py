"""What a sensor, a scene and a camera refuse, each in one line with its place and rule."""

import numpy as np
import pytest
from test_sensor_image import SCENE, SENSOR, camera, scene, sensor

from archsim.errors import InputError
from archsim.sensor.image import Camera, ImageSensor, Scene

FLAT = np.full((12, 16), 0.5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"illuminance_lux": -1.0}, "scene: illuminance_lux = -1.0: "),
        ({"exposure_ms": 0.0}, "scene: exposure_ms = 0.0: "),
        ({"exposure_ms": "64 lux"}, "unknown unit 'lux'"),
        ({"f_number": 0.0}, "scene: f_number = 0.0: "),
        ({"reflectance": 1.5}, "scene: reflectance = 1.5: "),
        ({"iso": float("nan")}, "scene: iso = nan: "),
        ({"exposure": 3.0}, "scene: exposure: unknown key (did you mean"),
    ],
)
def test_scenes_that_are_none(change, message):
    with pytest.raises(InputError) as refused:
        Scene.from_dict(SCENE | change, "scene")
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"full_well_e": 0.0}, "sensor: full_well_e = 0.0: "),
        ({"quantum_efficiency": 1.2}, "sensor: quantum_efficiency = 1.2: "),
        ({"bits": 17}, "sensor: bits = 17: "),
        (
            {"black_dn": 4095.0},
            "sensor: black_dn: 4095 DN: must be below 4095 DN, the highest output of 12 bits",
        ),
        ({"dark_doubling_k": 0.0}, "sensor: dark_doubling_k = 0.0: "),
        ({"dark_at_k": 60.0}, "sensor: dark_at_k = 60.0: "),
        ({"prnu": 0.3}, "sensor: prnu = 0.3: "),
        ({"read_noise_e": -1.0}, "sensor: read_noise_e = -1.0: "),
    ],
)
def test_sensors_that_are_none(change, message):
    with pytest.raises(InputError) as refused:
        ImageSensor.from_dict(SENSOR | change, "sensor")
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: Camera("ar0330", "dimm"), "scene 'dimm': unknown scene preset (did you mean 'dim'?)"),
        (
            lambda: Camera("ar330", "dim"),
            "image_sensor 'ar330': unknown image_sensor preset (did you mean 'ar0330'?)",
        ),
        (
            lambda: Camera("ar0330", scene(iso=1600.0)),
            "scene lamp: iso = 1600: sensor ar0330 has 100 to 800",
        ),
        (lambda: Camera("ar0330", scene(iso=50.0)), "scene lamp: iso = 50: sensor ar0330 has 100 to 800"),
        (
            lambda: camera().render(FLAT, 300.0, 1.5),
            "seed = 1.5: must be a whole number from 0 to 18,446,744,073,709,551,615",
        ),
        (lambda: camera().collect(FLAT, 300.0, 1 << 64), "must be from 0 to 18,446,744,073,709,551,615"),
        (lambda: camera().snr_db("warm"), "temperature_k = 'warm': must be numbers, in kelvin"),
        (lambda: camera().snr_db(-1.0), "temperature_k = -1: must be in kelvin, from 0 to 1000"),
        (lambda: camera().snr_db([300.0, np.nan]), "temperature_k = nan: must be in kelvin, from 0 to 1000"),
        (lambda: camera().noise(1001.0), "temperature_k = 1001: must be in kelvin, from 0 to 1000"),
        (lambda: camera().snr_db(300.0, -0.5), "signal = -0.5: must be finite and at least 0 (1 is white)"),
        (
            lambda: camera().temperature_for(np.inf),
            "snr_db = inf: must be a finite number of decibels, or None for any",
        ),
        (lambda: camera().against("exposure_ms", [10.0, 0.0], 300.0), "--set: exposure_ms = 0.0: "),
        (
            lambda: camera().against("exposuer_ms", [10.0], 300.0),
            "--set: exposuer_ms: unknown key (did you mean",
        ),
        (lambda: camera().render(np.zeros(5), 300.0, 0), "image of shape (5,): must be (rows, columns)"),
        (
            lambda: camera().render(np.zeros((0, 5)), 300.0, 0),
            "image of shape (0, 5): must be (rows, columns)",
        ),
        (
            lambda: camera().render([[0.1], [0.2, 0.3]], 300.0, 0),
            "image: must be numbers in rows of one length",
        ),
        (lambda: camera().render([["dark"]], 300.0, 0), "image: must be numbers in rows of one length"),
        (
            lambda: camera().render(np.zeros((13, 16)), 300.0, 0),
            "image of shape (13, 16): sensor made up has 12 rows of 16 pixels",
        ),
        (
            lambda: camera().dark_frame((1 << 40, 16), 300.0, 0),
            "image of shape (1099511627776, 16): sensor made up has 12 rows of 16 pixels",
        ),
        (lambda: camera().dark_frame((0, 16), 300.0, 0), "frame of 0 x 16 pixels: must have at least one"),
        (lambda: camera().render([[0.5, 1.5]], 300.0, 0), "pixel [0, 1] = 1.5: must be from 0 to 1 (white)"),
        (
            lambda: camera().render([[0.5, np.nan]], 300.0, 0),
            "pixel [0, 1] = nan: must be from 0 to 1 (white)",
        ),
        (
            lambda: camera().render([[3.0], [np.inf]], 300.0, 0, electrons=True),
            "pixel [1, 0] = inf: must be a finite number of electrons, at least 0",
        ),
        (lambda: camera().render(FLAT, 300.0, -1), "seed = -1: must be from 0 to 18,446,744,073,709,551,615"),
        (
            lambda: Camera(sensor(), scene(), device=-1),
            "device = -1: must be from 0 to 18,446,744,073,709,551,615",
        ),
        (
            lambda: camera().render(FLAT, np.full(12, 300.0), 0),
            "temperature_k of shape (12,): must be one number, or a map of the image's (12, 16)",
        ),
        (
            lambda: camera().render(np.full((12, 16), 200, np.uint8), 300.0, 0),
            "pixel [0, 0] = 200: must be from 0 to 1 (white); divide an image of bytes by 255",
        ),
        (
            lambda: camera().render(np.zeros((12, 16, 3)), 300.0, 0),
            "image of shape (12, 16, 3): must be (rows, columns); pixels have no colours, so render one channel",
        ),
        (lambda: camera().render(FLAT, -300.0, 0), "temperature_k = -300: must be in kelvin, from 0 to 1000"),
    ],
)
def test_what_a_camera_refuses(act, message):
    with pytest.raises(InputError) as refused:
        act()
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_quantisation_leaves_even_a_quiet_sensor_a_knee():
    quiet = {"read_noise_e": 0.0, "converter_noise_dn": 0.0, "correlated_double_sampling": True}
    assert 0 < camera(quiet).knee_k() < camera().knee_k()


def test_dark_current_beyond_all_numbers_fills_the_pixel_without_a_warning(recwarn):
    quick = Camera(ImageSensor.load("ar0330", ["dark_doubling_k=1"]), "dim")
    assert quick.snr_db(1000.0) == -np.inf
    assert np.isfinite(quick.noise(1000.0).total)
    assert not recwarn.list
