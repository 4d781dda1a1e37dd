"""Noise of a warm image sensor: EMVA 1288's formulas, the temperature for a ratio, the presets."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from image_twin import moments

from archsim.sensor.image import Camera, ImageSensor, Scene
from archsim.show import names

ZERO_C_K = 273.15
Q_C, K_J_K = 1.602176634e-19, 1.380649e-23
SENSOR = {
    "name": "made up", "columns": 16, "rows": 12, "pixel_um": 2.0, "quantum_efficiency": 0.5, "full_well_e": 8000.0,
    "bits": 12, "black_dn": 64.0, "gain_dn_e": 0.5, "read_noise_e": 2.0, "converter_noise_dn": 1.5,
    "sense_capacitance_ff": 1.0, "dark_current_e_s": 100.0, "dark_at_k": 330.0, "dark_doubling_k": 8.0,
    "dark_spread": 0.1, "dsnu_e": 1.5, "prnu": 0.01,
}  # fmt: skip
SCENE = {
    "name": "lamp", "illuminance_lux": 100.0, "exposure_ms": 20.0, "iso": 200.0, "f_number": 4.0,
    "lens_transmission": 0.8, "reflectance": 0.9, "spectrum_factor": 2.0,
}  # fmt: skip


def sensor(**changes):
    return ImageSensor.from_dict(SENSOR | changes, "sensor")


def scene(**changes):
    return Scene.from_dict(SCENE | changes, "scene")


def camera(sensor_changes=None, **scene_changes):
    return Camera(sensor(**(sensor_changes or {})), scene(**scene_changes))


cameras = st.builds(
    lambda cds, spread, prnu, read, dark, lux, ms, gain: camera(
        {
            "correlated_double_sampling": cds, "dark_spread": spread, "prnu": prnu, "read_noise_e": read,
            "dark_current_e_s": dark,
        },
        illuminance_lux=lux, exposure_ms=ms, iso=100.0 * gain,
    ),
    st.booleans(), st.floats(0, 0.2), st.floats(0, 0.2), st.floats(0, 30), st.floats(1e-3, 1e6), st.floats(0.1, 1e3),
    st.floats(0.1, 100), st.floats(1, 8),
)  # fmt: skip


class TestFormulas:
    def test_a_lux_second_of_555_nm_is_4091_photons_on_a_square_micrometre(self):
        # 1/683 W for a lumen, h c / 555 nm for a photon
        by_hand = 1 / 683 / (6.62607015e-34 * 299792458 / 555e-9) * 1e-12
        light = scene(
            illuminance_lux=1.0, exposure_ms=4000.0, f_number=1.0, lens_transmission=1.0, reflectance=1.0,
            spectrum_factor=1.0,
        )  # fmt: skip
        assert light.image_lux_s == pytest.approx(1.0)
        assert light.photons_um2 == pytest.approx(by_hand)
        assert round(by_hand) == 4091

    def test_white_is_lux_through_the_lens_on_the_pixel(self):
        lux_s = 100 * 0.9 * 0.8 / (4 * 4**2) * 0.020
        assert camera().scene.image_lux_s == pytest.approx(lux_s)
        assert camera().white_e == pytest.approx(lux_s * 4090.7 * 2.0 * 4.0 * 0.5, rel=1e-4)
        assert float(camera().signal_e(0.25)) == camera().white_e / 4

    def test_the_dark_current_doubles_with_the_doubling_temperature(self):
        dark = camera().dark_e([330.0, 338.0, 314.0])
        assert dark == pytest.approx([100 * 0.020 * share for share in (1, 2, 0.25)], rel=1e-14)

    def test_each_contribution_is_its_formula(self):
        at = camera()
        noise = at.noise(338.0, 0.5)
        light, dark, gain = at.white_e / 2, 4.0, 0.5 * 2
        assert at.gain_dn_e == gain
        wanted = {
            "photon": math.sqrt(light), "dark_current": math.sqrt(dark), "read": math.sqrt(2.0**2 + (1.5 / gain) ** 2),
            "reset": math.sqrt(K_J_K * 338.0 * 1e-15) / Q_C, "quantisation": math.sqrt(1 / 12) / gain,
            "dsnu": math.hypot(1.5, 0.1 * dark), "prnu": 0.01 * light,
        }  # fmt: skip
        for name, value in wanted.items():
            assert float(getattr(noise, name)) == pytest.approx(value, rel=1e-13), name
        assert float(noise.temporal) == pytest.approx(math.hypot(*list(wanted.values())[:5]))
        assert float(noise.spatial) == pytest.approx(math.hypot(*list(wanted.values())[5:]))
        assert float(noise.total) == pytest.approx(math.hypot(*wanted.values()))
        assert 13.4 < float(noise.reset) < 13.6  # a femtofarad is 13 electrons

    def test_double_sampling_takes_kt_c_away(self):
        assert float(camera({"correlated_double_sampling": True}).noise(338.0).reset) == 0.0

    def test_dither_adds_a_twelfth(self):
        plain, dithered = camera(), camera({"dither": True})
        change = dithered.variance_dn2(300.0) - plain.variance_dn2(300.0)
        assert float(change) == pytest.approx(1 / 12)

    def test_gain_leaves_the_noise_ahead_of_it_and_divides_that_behind_it(self):
        low, high = (camera(iso=iso).noise(300.0) for iso in (100.0, 800.0))
        ahead = 2.0**2
        assert float(low.read) ** 2 - ahead == pytest.approx(64 * (float(high.read) ** 2 - ahead))
        assert float(low.quantisation) == pytest.approx(8 * float(high.quantisation))
        assert low.photon == high.photon

    def test_the_ratio_is_signal_over_noise(self):
        at = camera()
        for total in (True, False):
            noise = at.noise(320.0, 0.7)
            ratio = 0.7 * at.white_e / float(noise.total if total else noise.temporal)
            assert float(at.snr_db(320.0, 0.7, total=total)) == pytest.approx(
                20 * math.log10(ratio), rel=1e-13
            )

    def test_the_ratio_of_a_full_pixel_without_other_noise_is_the_root_of_its_electrons(self):
        quiet = {
            "read_noise_e": 0.0, "converter_noise_dn": 0.0, "prnu": 0.0, "dsnu_e": 0.0, "dark_spread": 0.0,
            "dark_current_e_s": 1e-9, "correlated_double_sampling": True, "gain_dn_e": 0.5,
        }  # fmt: skip
        at = camera(quiet, iso=100.0)
        nearly = at.saturation_e / at.white_e * (1 - 1e-9)
        assert float(at.snr_db(300.0, nearly)) == pytest.approx(10 * math.log10(8000), abs=1e-3)
        assert float(at.snr_db(300.0, nearly * 1.001)) == -math.inf

    def test_saturation_is_the_well_or_the_converter(self):
        assert camera(iso=100.0).saturation_e == (4095 - 64) / 0.5 or camera(iso=100.0).saturation_e == 8000
        assert camera(iso=800.0).saturation_e == pytest.approx((4095 - 64) / 4.0)

    def test_temperatures_keep_their_shape(self):
        at, kelvin = camera(), np.linspace(280, 360, 6).reshape(2, 3)
        assert at.snr_db(kelvin).shape == at.noise(kelvin).photon.shape == at.mean_dn(kelvin).shape == (2, 3)
        each = [float(at.snr_db(value)) for value in kelvin.flat]
        assert at.snr_db(kelvin).reshape(-1).tolist() == each


class TestDigital:
    @pytest.mark.parametrize("dither", [False, True])
    @pytest.mark.parametrize("mean_e", [0.0, 0.3, 7.0, 25.0])
    @pytest.mark.parametrize("analog_dn", [0.02, 0.3, 2.5])
    def test_moments_are_those_of_a_fine_sum(self, mean_e, analog_dn, dither):
        from archsim.sensor.image import digital

        kind = sensor(bits=4, black_dn=1.0, full_well_e=27.0, dither=dither)
        for gain in (0.13, 0.71):
            found = digital.moments(kind, gain, mean_e, analog_dn)
            assert found == pytest.approx(moments(kind, gain, mean_e, analog_dn), abs=2e-3)

    @given(st.floats(0, 3000), st.floats(1.0, 20.0), st.floats(0.05, 3))
    def test_with_noise_above_1_dn_the_linear_model_holds(self, mean_e, analog_dn, gain):
        from archsim.sensor.image import digital

        kind = sensor(bits=16, black_dn=2000.0, full_well_e=1e6)
        mean, variance = digital.moments(kind, gain, mean_e, analog_dn)
        assert mean == pytest.approx(2000 + gain * mean_e, rel=1e-9)
        assert variance == pytest.approx(gain**2 * mean_e + analog_dn**2 + 1 / 12, rel=1e-6)

    def test_without_any_noise_there_is_one_output(self):
        from archsim.sensor.image import digital

        assert digital.moments(sensor(), 0.5, 0.0, 0.0) == (64.0, 0.0)


class TestTemperatureForARatio:
    @given(cameras, st.floats(-10, 60), st.floats(0.05, 1), st.booleans())
    def test_it_is_the_last_that_keeps_the_ratio(self, at, wanted, signal, total):
        limit = at.temperature_for(wanted, signal, total=total)
        if limit.temperature_k is None:
            assert float(at.snr_db(0.0, signal, total=total)) == limit.best_db < wanted
            assert f"best is {limit.best_db:.2f} dB" in limit.reason or "saturate" in limit.reason
        elif math.isinf(limit.temperature_k):
            assert float(at.snr_db(1000.0, signal, total=total)) >= wanted
        else:
            assert float(at.snr_db(limit.temperature_k, signal, total=total)) >= wanted
            assert float(at.snr_db(limit.temperature_k + 1e-9, signal, total=total)) < wanted

    @given(cameras, st.floats(250, 420), st.booleans())
    def test_the_inverse_of_the_ratio_is_the_temperature(self, at, kelvin, total):
        there = float(at.snr_db(kelvin, 1.0, total=total))
        steep = there - float(at.snr_db(kelvin + 0.01, 1.0, total=total))
        assume(math.isfinite(there) and 1e-6 < steep < math.inf)
        assert at.temperature_for(there, total=total).temperature_k == pytest.approx(kelvin, abs=1e-6)

    def test_it_is_the_closed_form_where_there_is_one(self):
        at = camera({"correlated_double_sampling": True})
        flat = at.noise(0.0)
        for wanted in (10.0, 20.0, 25.0):
            room = at.white_e**2 / 10 ** (wanted / 10) - float(
                flat.photon**2 + flat.read**2 + flat.quantisation**2
            )
            kelvin = 330.0 + 8.0 * math.log2(min(room, at.saturation_e - at.white_e) / (100 * 0.020))
            assert at.temperature_for(wanted, total=False).temperature_k == pytest.approx(kelvin, abs=1e-8)
            # total: room for D + (0.1 D)^2
            room -= 1.5**2 + (0.01 * at.white_e) ** 2
            dark = (math.sqrt(1 + 4 * 0.01 * room) - 1) / 0.02
            kelvin = 330.0 + 8.0 * math.log2(min(dark, at.saturation_e - at.white_e) / (100 * 0.020))
            assert at.temperature_for(wanted).temperature_k == pytest.approx(kelvin, abs=1e-8)

    @given(cameras, st.floats(0.05, 1), st.booleans())
    def test_warmer_is_never_better(self, at, signal, total):
        ratios = at.snr_db(np.linspace(0, 1000, 101), signal, total=total)
        assert (np.diff(ratios[np.isfinite(ratios)]) <= 1e-12).all()
        assert np.isfinite(ratios).tolist() == sorted(np.isfinite(ratios).tolist(), reverse=True)

    @given(cameras, st.floats(250, 400))
    def test_what_is_fixed_only_adds(self, at, kelvin):
        assert float(at.snr_db(kelvin)) <= float(at.snr_db(kelvin, total=False))

    def test_nobody_asks(self):
        assert camera().temperature_for(None).temperature_k == math.inf

    def test_why_never_names_what_is_worst(self):
        assert "of its noise is photon noise" in camera().temperature_for(50.0).reason
        assert "shorter exposure_ms" in camera(illuminance_lux=1e5).temperature_for(10.0).reason
        assert "of its noise is PRNU" in camera({"prnu": 0.2}).temperature_for(50.0).reason
        bright = camera(illuminance_lux=1e5).temperature_for(10.0)
        assert bright.temperature_k is None
        assert "saturate a pixel" in bright.reason
        dark = camera(illuminance_lux=0.0).temperature_for(10.0)
        assert (dark.temperature_k, dark.best_db) == (None, -math.inf)
        assert dark.reason.endswith("there is no light")

    def test_what_is_said_to_help_helps(self):
        """Dim light, 26 dB: any of the five does; office, 35 dB: no light does, for a full pixel has too few."""
        reason = Camera("ar0330", "dim").temperature_for(26.0).reason
        assert "larger pixels or a higher quantum_efficiency helps" in reason
        for changes in ("illuminance_lux=10", "f_number=0.8", "exposure_ms=200"):
            assert (
                Camera("ar0330", Scene.load("dim", [changes])).temperature_for(26.0).temperature_k is not None
            )
        for changes in ("pixel_um=5", "quantum_efficiency=1"):
            better = Camera(ImageSensor.load("ar0330", [changes]), "dim")
            assert (
                better.temperature_for(26.0).best_db > Camera("ar0330", "dim").temperature_for(26.0).best_db
            )
        at = Camera("ar0330", "office")
        reason = at.temperature_for(35.0).reason
        ceiling = float(at.snr_db(0.0, at.saturation_e / at.white_e * (1 - 1e-12)))
        assert f"even full at 1986 electrons a pixel has {ceiling:.2f} dB: only a lower iso" in reason
        lower = Scene.load("office", ["iso=100", "illuminance_lux=1500"])
        assert Camera("ar0330", lower).temperature_for(35.0).temperature_k is not None
        assert "no light, but a lower prnu" in camera({"prnu": 0.2}).temperature_for(50.0).reason

    def test_a_ratio_so_low_that_only_a_full_pixel_misses_it(self):
        at = camera()
        limit = at.temperature_for(-20.0)
        assert "fills" in limit.reason
        dark = at.saturation_e - at.white_e
        assert limit.temperature_k == pytest.approx(330 + 8 * math.log2(dark / 2.0), abs=1e-9)


class TestKnee:
    def test_it_is_where_dark_current_equals_the_rest(self):
        at = camera({"correlated_double_sampling": True})
        rest = 2.0**2 + (1.5 / 1.0) ** 2 + 1 / 12
        assert at.knee_k() == pytest.approx(330 + 8 * math.log2(rest / 2.0), abs=1e-9)

    @given(cameras)
    def test_the_two_are_equal_there(self, at):
        noise = at.noise(at.knee_k(), 0.0)
        rest = math.hypot(float(noise.read), float(noise.reset), float(noise.quantisation))
        assert float(noise.dark_current) == pytest.approx(rest, rel=1e-9)

    def test_it_falls_with_exposure_and_gain(self):
        knees = [[camera(exposure_ms=ms, iso=iso).knee_k() for ms in (16, 32, 64)] for iso in (100, 400, 800)]
        assert (np.diff(knees, axis=0) < 0).all()
        assert (np.diff(knees, axis=1) < 0).all()


class TestAgainst:
    def test_a_sweep_is_a_camera_for_each_value(self):
        at = camera()
        for name, values in (("exposure_ms", [5, 10]), ("iso", [100, 400]), ("illuminance_lux", [1, 50])):
            found = at.against(name, values, [300.0, 350.0])
            each = [camera(**{name: float(value)}).snr_db([300.0, 350.0]).tolist() for value in values]
            assert found.tolist() == each

    @given(cameras, st.floats(1.01, 3), st.floats(250, 380))
    def test_more_light_and_more_gain_are_never_worse_while_nothing_saturates(self, at, more, kelvin):
        lux, iso = at.scene.illuminance_lux, at.scene.iso
        light = at.against("illuminance_lux", [lux, lux * more], kelvin)
        assume(np.isfinite(light).all())
        assert light[1] >= light[0]
        gain = at.against("iso", [100.0, iso], kelvin)
        assume(np.isfinite(gain).all())
        assert gain[1] >= gain[0] - 1e-12


class TestPresets:
    def test_the_dark_current_is_what_the_published_knee_asks_for(self):
        """Equate D = I t 2^((T - T_ref) / T_d) with the rest of the noise at 52 degC, 64 ms and ISO 800."""
        spec = ImageSensor.load("ar0330")
        behind = (spec.converter_noise_dn**2 + 1 / 12) / (8 * spec.gain_dn_e) ** 2
        doublings = (52 + ZERO_C_K - spec.dark_at_k) / spec.dark_doubling_k
        current = (spec.read_noise_e**2 + behind) / 0.064 / 2**doublings
        assert spec.dark_current_e_s == float(f"{current:.4g}")

    def test_the_sensor_is_that_of_its_data_sheet(self):
        spec, light = ImageSensor.load("ar0330"), Scene.load("daylight")
        base = Camera(spec, light)
        dark = base.noise(0.0, 0.0)
        assert 10 * math.log10(spec.full_well_e) == pytest.approx(39, abs=0.01)  # its greatest SNR
        assert 20 * math.log10(spec.full_well_e / float(dark.temporal)) == pytest.approx(69.5, abs=0.02)
        per_lux_s = base.white_e / light.image_lux_s
        assert 1e6 * 2.0 / per_lux_s == pytest.approx(148, abs=1)  # uV per electron from 2.0 V/lux s
        assert 1e15 * Q_C / (2.0 / per_lux_s) == pytest.approx(spec.sense_capacitance_ff, abs=0.05)
        assert 78 / (spec.full_well_e / per_lux_s) == pytest.approx(132, abs=1)  # ISO, saturation-based

    @pytest.mark.parametrize(("name", "ideal"), [("daylight", 13.8), ("office", 3.9), ("dim", 0.78)])
    def test_f_numbers_are_those_of_iso_12232_where_lenses_reach(self, name, ideal):
        light = Scene.load(name)
        grey_lux_s = light.image_lux_s * light.f_number**2 * 0.18 / light.reflectance
        assert math.sqrt(grey_lux_s / (10 / light.iso)) == pytest.approx(ideal, abs=0.05)

    @pytest.mark.parametrize(("name", "lux_per_umol"), [("daylight", 54), ("office", 74), ("dim", 74)])
    def test_spectra_are_those_of_the_table(self, name, lux_per_umol):
        photons = 1e-6 * 6.02214076e23 / lux_per_umol
        of_555_nm = 1 / 683 / (6.62607015e-34 * 299792458 / 555e-9)
        assert Scene.load(name).spectrum_factor == pytest.approx(photons / of_555_nm, abs=6e-4)

    @pytest.mark.parametrize("name", names("scene"))
    def test_white_does_not_saturate(self, name):
        at = Camera("ar0330", name)
        assert at.white_e < at.saturation_e
        assert math.isfinite(float(at.snr_db(320.0)))

    def test_what_each_light_allows(self):
        found = {
            name: [
                Camera("ar0330", name).temperature_for(db).temperature_k is not None for db in (20, 26, 35)
            ]
            for name in ("daylight", "office", "dim")
        }
        assert found == {
            "daylight": [True, True, True], "office": [True, True, False], "dim": [True, False, False]
        }  # fmt: skip

    def test_the_page_says_what_the_model_says(self):
        page = (Path(__file__).parents[1] / "docs" / "image-noise.md").read_text(encoding="utf-8")
        for name in ("daylight", "office", "dim"):
            at = Camera("ar0330", name)
            cells = [f"{round(at.white_e):,}, {round(at.saturation_e):,}"]
            for wanted in (20, 26, 35):
                limit = at.temperature_for(wanted)
                never = f"never: {limit.best_db:.1f} dB"
                cells.append(
                    never if limit.temperature_k is None else f"{limit.temperature_k - ZERO_C_K:.1f} degC"
                )
            (line,) = [line for line in page.splitlines() if line.startswith(f"| `{name}`")]
            assert [cell.strip() for cell in line.split("|")[4:8]] == cells
        text = " ".join(page.split())
        temporal = Camera("ar0330", "dim").temperature_for(20, total=False).temperature_k - ZERO_C_K
        knees = [Camera("ar0330", name).knee_k() - ZERO_C_K for name in ("office", "daylight")]
        assert f"keeps 20 dB up to {temporal:.1f} degC" in text
        assert f"{knees[0]:.1f} degC at 32 ms and ISO 400, {knees[1]:.1f} degC at 16 ms and ISO 100" in text
