"""Rendered frames of a warm sensor: their twin pixel by pixel, their statistics, and what is drawn from which seed."""

import csv
import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from image_twin import frame
from test_sensor_image import camera, sensor

from archsim.analog.column_unit import IdealQuantiser
from archsim.analog.near_sensor import PixelChain, convert_image
from archsim.analog.nnadc.noise import quantiles
from archsim.sensor.image import Camera, frames
from archsim.validate import thermal_image

SHARED = Path(__file__).parents[2] / "shared" / "reference" / "thermal"
BIG = {"columns": 640, "rows": 480}
CELSIUS = (22, 30, 38, 46, 60, 80)


@pytest.fixture(scope="module")
def theirs():
    """Take dark frames with the camera of emva1288."""
    module = pytest.importorskip("emva1288.camera.camera", reason="emva1288 is not installed")

    def shots(celsius, count):
        peer = module.Camera(bit_depth=12, K=0.1, exposure=32_000_000, seed=1, temperature=celsius)
        return np.stack([peer.grab(0.0) for _ in range(count)]).astype(float)

    return shots


@pytest.fixture(scope="module")
def rows():
    return list(thermal_image.rows())


def within(found, expected, sigma, much=5.0):
    """Tell whether a statistic is within chance: so many of its standard deviations."""
    return abs(found - expected) <= much * sigma


class TestTwin:
    @given(
        st.integers(0, 2**64 - 1),
        st.sampled_from([230.0, 300.0, 345.0, 380.0]),
        st.floats(0, 60),
        st.booleans(),
        st.integers(1, 16),
        st.integers(0, 3),
    )
    def test_a_frame_is_its_pixels_one_by_one(self, seed, kelvin, light, dither, columns, device):
        kind = sensor(dither=dither, dark_spread=0.2, full_well_e=70.0)
        at = Camera(kind, camera().scene, device=device)
        image = np.linspace(0, light, 5 * columns).reshape(5, columns)
        found = at.render(image, kelvin, seed, electrons=True)
        assert found.dtype == np.int32
        assert found.tolist() == frame(at, image, kelvin, seed).tolist()

    @pytest.mark.parametrize("block", [1, 30, 1 << 20])
    def test_blocks_change_nothing(self, monkeypatch, block):
        at = camera()
        image = np.linspace(0, 1, 12 * 16).reshape(12, 16)
        heat = np.linspace(300, 360, 12 * 16).reshape(12, 16)
        whole = at.render(image, heat, 5)
        monkeypatch.setattr(frames, "_BLOCK", block)
        assert at.render(image, heat, 5).tolist() == whole.tolist()


class TestPoisson:
    @given(st.floats(0, 15.999), st.floats(0, 1, exclude_max=True))
    def test_few_electrons_are_the_quantile(self, mean, uniform):
        from scipy.stats import poisson

        found = int(frames.inverted(np.array([mean]), np.array([uniform]))[0])
        below, upto = poisson.cdf(found - 1, mean), poisson.cdf(found, mean)
        assert below - 1e-12 <= uniform <= upto + 1e-12

    @pytest.mark.parametrize("mean", [16.0, 16.7, 40.0, 73.06, 500.0, 7943.0, 1e6])
    def test_many_electrons_have_their_mean_and_variance_over_all_that_can_be_drawn(self, mean):
        z = quantiles()
        drawn = frames.many(np.full(z.shape, mean), z)
        assert drawn.mean() == pytest.approx(mean, rel=1e-5)
        assert drawn.var() == pytest.approx(mean, rel=1e-4)

    @pytest.mark.parametrize("mean", [16.0, 16.7, 40.0, 73.06, 500.0, 7943.0])
    def test_many_electrons_are_the_quantile_or_one_beside_it(self, mean):
        from scipy.stats import poisson

        z = quantiles()
        beside = frames.many(np.full(z.shape, mean), z) - poisson.ppf(
            (np.arange(1 << 16) + 0.5) / (1 << 16), mean
        )
        assert abs(beside).max() <= 1
        assert (beside != 0).mean() < 3e-3


class TestStatistics:
    @pytest.mark.parametrize("signal", [0.0, 0.02, 0.6])
    @pytest.mark.parametrize("kelvin", [300.0, 355.0])
    @pytest.mark.parametrize("dither", [False, True])
    def test_frames_of_equal_pixels_are_the_exact_moments(self, signal, kelvin, dither):
        """Quantisation of 0.05 DN per electron is far from uniform here, and still right."""
        for gain in (0.05, 1.0):
            changes = {
                "dark_spread": 0.0,
                "dsnu_e": 0.0,
                "prnu": 0.0,
                "dither": dither,
                "gain_dn_e": gain / 2,
            }
            at = camera({**BIG, **changes, "converter_noise_dn": 0.1})
            shot = at.render(np.full((480, 640), signal), kelvin, 7).astype(float)
            mean, variance = at.digital(kelvin, signal)
            assert within(shot.mean(), mean, (variance / shot.size) ** 0.5)
            assert within(shot.var(), variance, variance * (3 / shot.size) ** 0.5)

    def test_spread_over_pixels_and_over_frames_are_what_the_formulas_say(self):
        at = camera({**BIG, "dark_spread": 0.2, "prnu": 0.05}, illuminance_lux=100.0)
        shots = np.stack([at.render(np.full((480, 640), 0.8), 370.0, seed) for seed in range(12)]).astype(
            float
        )
        noise = at.noise(370.0, 0.8)
        over_frames = (at.gain_dn_e * float(noise.temporal)) ** 2
        over_pixels = (at.gain_dn_e * float(noise.spatial)) ** 2
        pixels = shots[0].size
        assert within(shots.mean(), float(at.mean_dn(370.0, 0.8)), (over_pixels / pixels) ** 0.5)
        assert within(shots.var(axis=0, ddof=1).mean(), over_frames, over_frames * (3 / 11 / pixels) ** 0.5)
        means = over_pixels + over_frames / 12
        assert within(shots.mean(axis=0).var(), means, means * (3 / pixels) ** 0.5)
        assert within(
            shots[3].var(), over_pixels + over_frames, (over_pixels + over_frames) * (3 / pixels) ** 0.5
        )

    def test_the_ratio_of_a_frame_is_that_of_the_formula(self):
        for name in ("daylight", "office", "dim"):
            at = Camera("ar0330", name)
            for celsius in (30, 80):
                kelvin = celsius + 273.15
                shot = at.render(np.ones((512, 2304)), kelvin, 3).astype(float)
                dark = float(at.mean_dn(kelvin, 0.0))
                ratio = (shot.mean() - dark) / shot.std()
                assert 20 * np.log10(ratio) == pytest.approx(float(at.snr_db(kelvin)), abs=0.05)

    def test_a_full_well_clips(self):
        at = camera({**BIG, "full_well_e": 50.0, "dsnu_e": 0.0, "converter_noise_dn": 0.0, "read_noise_e": 0.0,
                     "correlated_double_sampling": True})  # fmt: skip
        shot = at.render(np.full((480, 640), 90.0), 300.0, 0, electrons=True)
        assert shot.max() == 64 + 50
        assert float(shot.mean()) == pytest.approx(64 + 50, abs=0.01)

    def test_neither_end_of_the_converter_is_passed(self):
        at = camera({"bits": 4, "black_dn": 0.0, **BIG})
        assert at.dark_frame(None, 300.0, 1).min() == 0
        assert at.render(np.full((480, 640), 400.0), 300.0, 1, electrons=True).max() == 15


class TestSeeds:
    def test_the_same_arguments_give_the_same_frame_and_other_seeds_another(self):
        at = Camera("ar0330", "office")
        image = np.linspace(0, 1, 40 * 2304).reshape(40, 2304)
        shot = at.render(image, 320.0, 1)
        assert (at.render(image, 320.0, 1) == shot).all()
        assert (at.render(image, 320.0, 2) == shot).mean() < 0.05
        assert (Camera("ar0330", "office", device=1).render(image, 320.0, 1) == shot).mean() < 0.05

    def test_the_bits_are_the_same_on_every_machine(self):
        at = Camera(sensor(columns=2048, rows=8, dither=True), camera().scene, device=3)
        ramp = np.arange(8 * 2048).reshape(8, 2048) / (8 * 2048)
        shot = at.render(ramp * ramp, 290 + 80 * ramp, 2024)
        digest = hashlib.sha256(shot.astype("<i4").tobytes()).hexdigest()
        assert digest == "f1ee176bd98eddd48ebadb70922b4258878d45d682aa0904d20157bff884fbcd"

    def test_the_pattern_of_a_device_stays_and_noise_does_not(self):
        spread = {**BIG, "dark_spread": 0.2, "prnu": 0.05}
        one, other = camera(spread), Camera(sensor(**spread), camera().scene, device=1)
        image = np.full((480, 640), 0.9)
        first, second, third = (
            np.stack([at.render(image, 360.0, seed) for seed in seeds]).mean(axis=0)
            for at, seeds in ((one, range(4)), (one, range(4, 8)), (other, range(4)))
        )
        assert np.corrcoef(first.ravel(), second.ravel())[0, 1] > 0.5
        assert abs(np.corrcoef(first.ravel(), third.ravel())[0, 1]) < 5 / 480

    def test_frames_have_nothing_in_common_but_the_pattern(self):
        at = camera({**BIG, "dark_spread": 0.0, "prnu": 0.0, "dsnu_e": 0.0})
        first, second = (at.dark_frame(None, 350.0, seed).ravel() for seed in (1, 2))
        bound = 5 / first.size**0.5
        assert abs(np.corrcoef(first, second)[0, 1]) < bound
        assert abs(np.corrcoef(first[1:], first[:-1])[0, 1]) < bound

    def test_a_small_image_is_a_corner_of_the_whole(self):
        at = camera()
        image = np.linspace(0, 1, 12 * 16).reshape(12, 16)
        assert (at.render(image[:5, :7], 340.0, 9) == at.render(image, 340.0, 9)[:5, :7]).all()
        assert (at.dark_frame((5, 7), 340.0, 9) == at.dark_frame(None, 340.0, 9)[:5, :7]).all()

    def test_a_map_of_temperatures_is_each_of_them(self):
        at = camera()
        cool, hot = (at.dark_frame((6, 16), kelvin, 4) for kelvin in (300.0, 370.0))
        heat = np.where(np.arange(16) < 9, 300.0, 370.0) * np.ones((6, 1))
        both = at.dark_frame((6, 16), heat, 4)
        assert (both[:, :9] == cool[:, :9]).all()
        assert (both[:, 9:] == hot[:, 9:]).all()

    def test_electrons_are_values_times_white(self):
        at = camera()
        image = np.linspace(0, 1, 12 * 16).reshape(12, 16)
        assert (at.render(image * at.white_e, 340.0, 9, electrons=True) == at.render(image, 340.0, 9)).all()

    def test_what_is_collected_is_what_the_frame_converts(self):
        at = camera({"converter_noise_dn": 0.0})
        image = np.linspace(0, 0.9, 12 * 16).reshape(12, 16)
        held = at.collect(image, 340.0, 9)
        assert (np.floor(held * at.gain_dn_e + 64 + 0.5) == at.render(image, 340.0, 9)).all()

    def test_another_converter_reads_what_is_collected(self):
        at = Camera("ar0330", "office")
        image = np.linspace(0, 1, 64 * 2304).reshape(64, 2304)
        held = at.collect(image, 340.0, 9)
        found = convert_image(
            IdealQuantiser(14), PixelChain(volts_per_electron=1e-3, full_scale_v=2.5).inputs(held)
        )
        step = 2500 / 2**14
        inside = held > 0
        assert abs(found.values * 2500 - held)[inside].max() <= step / 2 + 1e-9
        assert held.mean() == pytest.approx(at.white_e / 2 + float(at.dark_e(340.0)), abs=0.4)

    def test_the_image_of_the_caller_stays_as_it_was(self):
        image = np.full((12, 16), 0.5)
        camera().render(image, 340.0, 9)
        assert (image == 0.5).all()


class TestEmva1288:
    """The reference implementation of the standard, written by others."""

    @pytest.mark.parametrize("celsius", CELSIUS)
    def test_its_dark_frames_have_our_mean_and_variance(self, theirs, celsius):
        at, kelvin = thermal_image.peer(), celsius + 273.15
        peer = theirs(celsius, 8)
        ours = np.stack([at.dark_frame(None, kelvin, seed) for seed in range(8)]).astype(float)
        mean, variance = at.digital(kelvin, 0.0)
        for found in (ours, peer):
            assert found.mean() == pytest.approx(mean, rel=2e-3)
            assert found.var() == pytest.approx(variance, rel=4e-3)

    def test_it_quantises_twice_and_rounding_alone_is_found_out(self, theirs):
        at = thermal_image.peer()
        once = Camera(at.sensor.model_copy(update={"dither": False}), at.scene)
        kelvin = 80 + 273.15
        variance = theirs(80, 4).var()
        assert variance == pytest.approx(float(at.variance_dn2(kelvin)), rel=0.01)
        assert float(at.variance_dn2(kelvin)) - float(once.variance_dn2(kelvin)) == pytest.approx(1 / 12)
        assert abs(variance / float(once.variance_dn2(kelvin)) - 1) > 0.05


class TestValidation:
    def test_all_thirteen_hold_within_one_percent(self, rows):
        assert len(rows) == 13
        assert [row.quantity for row in rows if not row.holds] == []
        assert max(row.tolerance for row in rows) == 0.01

    def test_the_knee_is_marked_as_what_it_is(self, rows):
        assert rows[-1].note.startswith("calibration")
        assert rows[-1].expected == 52.0

    @pytest.mark.parametrize("change", [{"dither": False}, {"dark_doubling_k": 7.5}, {"read_noise_e": 3.25}])
    def test_another_sensor_would_be_found_out(self, monkeypatch, change):
        at = thermal_image.peer()
        other = Camera(at.sensor.model_copy(update=change), at.scene)
        monkeypatch.setattr(thermal_image, "peer", lambda: other)
        assert any(row.holds is False for row in thermal_image.rows())

    @pytest.mark.skipif(not SHARED.is_dir(), reason="needs the reference files beside the repository")
    def test_the_figures_are_those_of_the_notes(self):
        with thermal_image._DATA.open(newline="") as file:
            lines = list(csv.DictReader(text for text in file if not text.startswith("#")))
        assert [int(line["celsius"]) for line in lines] == list(CELSIUS)
        anchors = (
            "/".join(line["celsius"] for line in lines),
            ", ".join(f"{line['mean_dn']}/{line['variance_dn2'].lstrip('0')}" for line in lines),
        )
        notes = (SHARED / "NOTES.md").read_text()
        assert all(text in notes for text in anchors)
