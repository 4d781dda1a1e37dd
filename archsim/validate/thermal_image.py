"""Noise of images against the reference implementation of EMVA 1288, and the knee that a preset is fitted to."""

from __future__ import annotations

from collections.abc import Iterator
from csv import DictReader
from math import sqrt
from pathlib import Path

import numpy as np

from archsim.sensor.image import Camera, ImageSensor, Scene
from archsim.units import ZERO_C_K
from archsim.validate.row import Row

_DATA = Path(__file__).parent / "data" / "thermal_image.csv"
#: Share within which statistics of frames hold.
_STATISTICS = 0.01
#: Frames of 640 x 480 whose statistics are taken together: 0.1 % of the variance is chance.
_FRAMES = 8
#: Kelvin within which the knee holds.
_KNEE_K = 0.05


def assumptions() -> list[str]:
    """Return what the comparison assumes."""
    return [
        "thermal: the camera of emva1288 1.0.2 adds uniform noise of 1 DN and then rounds; the sensor compared with it "
        "has a converter with such dither",
        "thermal: the dark current of the image sensor ar0330 is fitted to the knee of Kodukula et al. at 52 degC",
    ]


def peer() -> Camera:
    """Return the camera of emva1288 with its defaults, as the comparison sets it."""
    electrons_without_light, variance_e2 = 10.0, 10.0
    sensor = {
        "name": "emva1288", "columns": 640, "rows": 480, "pixel_um": 5.0, "quantum_efficiency": 0.5,
        "full_well_e": 15000.0, "bits": 12, "gain_dn_e": 0.1, "black_dn": 0.1 * electrons_without_light,
        "read_noise_e": sqrt(variance_e2), "dark_current_e_s": 30.0, "dark_at_k": 30.0 + ZERO_C_K,
        "dark_doubling_k": 8.0, "dither": True,
    }  # fmt: skip
    exposure = {"illuminance_lux": 0.0, "exposure_ms": 32.0, "iso": 100.0}
    scene = {"name": "dark", "f_number": 8.0, "spectrum_factor": 1.0, **exposure}
    return Camera(ImageSensor.from_dict(sensor, "validation"), Scene.from_dict(scene, "validation"))


def rows() -> Iterator[Row]:
    """Yield one row for each figure."""
    camera = peer()
    with _DATA.open(encoding="utf-8", newline="") as file:
        lines = list(DictReader(text for text in file if not text.startswith("#")))
    for line in lines:
        kelvin = float(line["celsius"]) + ZERO_C_K
        shots = np.stack([camera.dark_frame(None, kelvin, seed) for seed in range(_FRAMES)])
        analog = float(camera.variance_dn2(kelvin)) - camera.sensor.quantisation_dn2
        rounding = camera.digital(kelvin, 0.0)[1] - analog
        note = f"dither and rounding are {rounding:.4f} of it, and 2/12 where noise is above 1 DN"
        figure, at = "emva1288 1.0.2, dark frame", f"at {line['celsius']} degC"
        yield Row(figure, f"mean {at}, DN", float(line["mean_dn"]), float(shots.mean()), _STATISTICS)
        yield Row(
            figure, f"variance {at}, DN^2", float(line["variance_dn2"]), float(shots.var()), _STATISTICS, note
        )
    knee = Camera("ar0330", "dim").knee_k() - ZERO_C_K
    note = "calibration: the dark current is fitted to it"
    yield Row(
        "AR0330 of Kodukula et al.", "knee at 64 ms and ISO 800, degC", 52.0, knee, _KNEE_K / 52.0, note
    )
