"""Tests of converters: closed forms, planted errors that come back exactly, and a peer."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.analog import metrology as m
from archsim.errors import InputError


def ideal(bits):
    return lambda x: m.ideal_codes(x, bits)


def by_thresholds(thresholds):
    return lambda x: np.searchsorted(thresholds, x, side="right")


def exact_enob(bits):
    """Return the ENOB of an ideal converter and a sine over all its range, by integrals over each code's angles.

    With x = A sin(t) in LSB, A = 2**(bits - 1), the error of a code's middle q is q - A sin(t); the fit takes the part
    of it that is a sine of the same phase away.
    """
    half = 1 << (bits - 1)
    edges = np.arcsin(np.arange(-half, half + 1) / half)
    q = np.arange(-half, half) + 0.5
    low, high = edges[:-1], edges[1:]
    span, cosines = high - low, np.cos(low) - np.cos(high)
    squares = (high - low) / 2 - (np.sin(2 * high) - np.sin(2 * low)) / 4  # integral of sin(t)**2
    power = np.sum(q**2 * span - 2 * q * half * cosines + half**2 * squares) / np.pi
    in_phase = 2 * np.sum(q * cosines - half * squares) / np.pi  # the amplitude of the error's sine
    rest = power - in_phase**2 / 2
    return m.enob(10 * math.log10(half**2 / 2 / rest))


class TestIdealConverters:
    @pytest.mark.parametrize("bits", range(3, 15))
    def test_its_sndr_is_6_02_bits_plus_1_76_db(self, bits):
        test = m.sine_test(ideal(bits), bits, samples=1 << 16, dither=True)
        assert test.sndr_db == pytest.approx(6.0206 * bits + 1.7609, abs=0.02)
        assert test.enob == pytest.approx(bits, abs=0.02 / 6.02)

    @pytest.mark.parametrize("bits", range(3, 13))
    def test_without_dither_it_is_what_the_integral_over_the_sine_says(self, bits):
        """A few hundredths of a bit off, because the error is not independent of so regular an input."""
        test = m.sine_test(ideal(bits), bits, samples=1 << 18, frequency=0.0871)
        assert test.enob == pytest.approx(exact_enob(bits), abs=0.003)

    @pytest.mark.parametrize("bits", [2, 5, 10])
    def test_it_has_no_dnl_no_inl_and_all_codes(self, bits):
        found = m.ramp_test(ideal(bits), bits, per_code=16)
        assert (found.linearity.dnl_max_lsb, found.linearity.inl_max_lsb) == pytest.approx((0, 0), abs=1e-9)
        assert found.monotone
        assert found.missing.size == 0
        assert np.array_equal(m.thresholds_of(ideal(bits), bits), np.arange(1, 1 << bits) / (1 << bits))

    def test_the_spectrum_says_the_same_as_the_fit(self):
        for bits in (4, 9, 14):
            test = m.sine_test(ideal(bits), bits)
            assert test.spectrum.sndr_db == pytest.approx(test.fit.sndr_db, abs=1e-6)


class TestSineFits:
    @given(
        st.floats(0.011, 0.489),
        st.floats(-3.1, 3.1),
        st.floats(0.01, 1e4),
        st.floats(-1e3, 1e3),
        st.integers(200, 3000),
    )
    @settings(max_examples=80, deadline=None)
    def test_a_sine_is_found_again(self, frequency, phase, amplitude, offset, samples):
        x = offset + amplitude * np.sin(2 * np.pi * frequency * np.arange(samples) + phase)
        for fit in (m.fit_sine(x, frequency), m.fit_sine(x)):
            assert fit.frequency == pytest.approx(frequency, abs=1e-9)
            assert fit.amplitude == pytest.approx(amplitude, rel=1e-6)
            assert fit.offset == pytest.approx(offset, abs=1e-6 * amplitude + 1e-12 * abs(offset))
            assert math.remainder(fit.phase_rad - phase, 2 * math.pi) == pytest.approx(0, abs=1e-5)
            assert fit.rms_error < 1e-6 * amplitude + 1e-12 * abs(offset)

    def test_the_error_is_what_was_added(self):
        noise = np.random.default_rng(0).normal(0, 0.01, 20_000)
        x = np.sin(2 * np.pi * 0.1234567 * np.arange(20_000)) + noise
        for fit, parameters in ((m.fit_sine(x, 0.1234567), 3), (m.fit_sine(x), 4)):
            assert fit.rms_error == pytest.approx(noise.std() * math.sqrt(1 - parameters / 20_000), rel=2e-4)
            assert fit.sndr_db == pytest.approx(20 * math.log10(1 / math.sqrt(2) / 0.01), abs=0.1)

    def test_a_wrong_frequency_is_an_error_in_three_parameters_and_found_by_four(self):
        x = np.sin(2 * np.pi * 0.1003 * np.arange(1000))
        assert m.fit_sine(x, 0.1).rms_error > 0.3
        assert m.fit_sine(x, 0.1, free_frequency=True).frequency == pytest.approx(0.1003, abs=1e-12)

    def test_full_scale_is_counted_from_the_error_alone(self):
        small = m.sine_test(ideal(10), 10, amplitude=0.05, dither=True)
        assert small.sndr_db == pytest.approx(61.967, abs=0.02)
        assert small.fit.sndr_db == pytest.approx(61.967 - 20, abs=0.02)

    @given(st.floats(0.001, 0.499), st.integers(8, 1 << 18))
    def test_coherent_records_have_an_odd_number_of_cycles_without_common_divisor(self, frequency, samples):
        cycles = m.coherent_cycles(frequency, samples)
        assert cycles % 2 == 1
        assert math.gcd(cycles, samples) == 1
        assert 0 < cycles < samples / 2
        phases = (np.arange(min(samples, 1 << 12)) * cycles) % samples
        assert len(set(phases.tolist())) == len(phases)

    @pytest.mark.parametrize(
        ("record", "frequency", "message"),
        [
            ([0, 1, 0], None, r"record of shape \(3,\): must be at least 5 samples"),
            ([[0, 1]] * 9, None, r"record of shape \(9, 2\)"),
            ([0, 1, float("nan"), 1, 0, 1], None, "record: sample 2 is not finite"),
            ([3.0] * 64, None, "record: holds no sine, all samples are equal"),
            (np.arange(64.0), 0.5, "frequency 0.5 cycles per sample: must be between 0 and 0.5"),
            (np.arange(64.0), 0.0, "frequency 0 cycles per sample"),
        ],
    )
    def test_records_without_a_sine_are_refused(self, record, frequency, message):
        with pytest.raises(InputError, match=message):
            m.fit_sine(record, frequency)


class TestSpectra:
    SAMPLES, CYCLES = 4096, 331

    def tones(self, **amplitudes):
        turn = 2 * np.pi * self.CYCLES * np.arange(self.SAMPLES) / self.SAMPLES
        return sum(a * np.sin(int(k[1:]) * turn + 0.3 * int(k[1:])) for k, a in amplitudes.items())

    @pytest.mark.parametrize("window", ["none", "blackman-harris"])
    def test_planted_harmonics_come_back_exactly(self, window):
        found = m.spectrum(5.0 + self.tones(h1=1.0, h2=1e-3, h3=3e-4, h7=1e-4), window=window)
        distortion = 10 * math.log10(1e-6 + 9e-8 + 1e-8)
        assert found.signal_bin == self.CYCLES
        assert found.thd_db == pytest.approx(distortion, abs=1e-4)
        assert found.sndr_db == pytest.approx(-distortion, abs=1e-4)
        assert found.sfdr_db == pytest.approx(60.0, abs=1e-4)
        # Harmonic 7 is at 2317 cycles, above half the rate: it is seen at 4096 - 2317.
        assert found.harmonic_bins[5] == 4096 - 7 * self.CYCLES

    def test_harmonics_that_are_not_counted_are_noise(self):
        x = self.tones(h1=1.0, h5=1e-3)
        assert m.spectrum(x, harmonics=5).thd_db == pytest.approx(-60, abs=1e-6)
        assert m.spectrum(x, harmonics=4).thd_db < -200
        assert m.spectrum(x, harmonics=4).snr_db == pytest.approx(60, abs=1e-6)

    def test_a_window_keeps_the_noise_and_holds_the_leakage(self):
        rng = np.random.default_rng(1)
        x = np.sin(2 * np.pi * 0.080123 * np.arange(1 << 18)) + rng.normal(0, 1e-3, 1 << 18)
        expected = 20 * math.log10(1 / math.sqrt(2) / 1e-3)
        assert m.spectrum(x, window="blackman-harris").sndr_db == pytest.approx(expected, abs=0.06)
        assert m.spectrum(x).sndr_db < expected - 20

    def test_powers_are_over_the_signal(self):
        found = m.spectrum(self.tones(h1=2.0, h2=0.02))
        assert found.power_db[self.CYCLES] == pytest.approx(0.0, abs=1e-9)
        assert found.power_db[2 * self.CYCLES] == pytest.approx(-40.0, abs=1e-6)

    @pytest.mark.parametrize(
        ("record", "options", "message"),
        [
            (np.zeros(16), {}, r"record of shape \(16,\): must be at least 32"),
            (np.zeros(64), {}, "record: holds no signal"),
            (np.arange(64.0), {"window": "harris"}, "window 'harris': unknown.*'blackman-harris'"),
            (np.arange(64.0), {"cycles": 40}, "cycles = 40: must be from 1 to 32"),
        ],
    )
    def test_what_has_no_spectrum_is_refused(self, record, options, message):
        with pytest.raises(InputError, match=message):
            m.spectrum(record, **options)


@st.composite
def planted(draw):
    """Draw errors of the thresholds of a converter, in LSB, small enough to keep their order."""
    bits = draw(st.integers(2, 8))
    seed = draw(st.integers(0, 2**32 - 1))
    return bits, np.random.default_rng(seed).uniform(-0.45, 0.45, (1 << bits) - 1)


class TestPlantedErrors:
    def test_one_threshold_too_high_is_a_wide_code_and_a_narrow_one(self):
        thresholds = np.arange(1, 1024) / 1024
        thresholds[499] += 0.3 / 1024  # that of code 500
        for line in ("ideal", "ends"):
            found = m.linearity(m.thresholds_of(by_thresholds(thresholds), 10), line)
            expected_dnl, expected_inl = np.zeros(1022), np.zeros(1023)
            expected_dnl[498], expected_dnl[499] = 0.3, -0.3  # codes 499 and 500
            expected_inl[499] = 0.3
            assert found.dnl == pytest.approx(expected_dnl, abs=1e-9)
            assert found.inl == pytest.approx(expected_inl, abs=1e-9)

    @given(planted())
    @settings(max_examples=60)
    def test_any_thresholds_come_back_exactly(self, case):
        bits, errors = case
        lsb = 1 / (1 << bits)
        convert = by_thresholds(np.arange(1, 1 << bits) * lsb + errors * lsb)
        found = m.linearity(m.thresholds_of(convert, bits, -1.0, 2.0), "ideal")
        assert found.inl == pytest.approx(errors, abs=1e-9)
        assert found.dnl == pytest.approx(np.diff(errors), abs=1e-9)

    @given(planted())
    @settings(max_examples=60)
    def test_lines_take_gain_and_offset_away(self, case):
        bits, errors = case
        t = 3.0 + 7.0 * (np.arange(1, 1 << bits) + errors)
        ends, best = m.linearity(t, "ends"), m.linearity(t, "best")
        assert (ends.inl[0], ends.inl[-1]) == pytest.approx((0, 0), abs=1e-9)
        assert ends.dnl.sum() == pytest.approx(0, abs=1e-7)
        place = np.arange(1, 1 << bits)
        slope, origin = np.polyfit(place, t, 1)
        assert best.inl == pytest.approx((t - origin) / slope - place, abs=1e-6)

    @given(planted())
    @settings(max_examples=40)
    def test_the_histogram_of_a_ramp_shows_them_to_its_resolution(self, case):
        bits, errors = case
        lsb = 1 / (1 << bits)
        thresholds = np.arange(1, 1 << bits) * lsb + errors * lsb
        found = m.ramp_test(by_thresholds(thresholds), bits, per_code=256).linearity
        assert found.dnl == pytest.approx(m.linearity(thresholds).dnl, abs=0.03)
        assert found.inl == pytest.approx(m.linearity(thresholds).inl, abs=0.03)

    def test_the_histogram_of_a_sine_shows_them_too(self):
        bits, rng = 6, np.random.default_rng(3)
        thresholds = (np.arange(1, 64) + rng.uniform(-0.4, 0.4, 63)) / 64
        x = m.sine(1 << 20, m.coherent_cycles(0.0123, 1 << 20), amplitude=0.51)
        found = m.sine_linearity(m.histogram(by_thresholds(thresholds)(x), bits))
        assert found.dnl == pytest.approx(m.linearity(thresholds).dnl, abs=0.002)
        assert found.inl == pytest.approx(m.linearity(thresholds).inl, abs=0.002)

    def test_capacitor_mismatch_of_a_binary_converter_steps_at_its_code(self):
        """The greatest of 8 binary weights 1/256 too large: all upper codes move by 1 LSB of 256, here 0.5 of them."""
        weights = np.array([128.5, 64, 32, 16, 8, 4, 2, 1])
        codes = np.arange(256)
        levels = ((codes[:, None] >> np.arange(7, -1, -1)) & 1) @ weights / 256
        found = m.linearity(m.thresholds_of(by_thresholds(levels[1:]), 8, 0.0, 1.1), "ideal")
        expected = np.zeros(254)
        expected[126] = 0.5  # code 127, below the step
        assert found.dnl == pytest.approx(expected, abs=1e-9)

    def test_a_code_that_never_comes_is_missing(self):
        thresholds = np.arange(1, 256) / 256
        thresholds[100] = thresholds[101]  # code 101 has no width
        convert = by_thresholds(thresholds)
        assert m.linearity(thresholds).missing.tolist() == [101]
        found = m.ramp_test(convert, 8)
        assert found.missing.tolist() == [101]
        assert found.monotone

    def test_a_converter_that_falls_back_is_not_monotone(self):
        def swapped(x):
            codes = m.ideal_codes(x, 8)
            return np.where(codes == 100, 101, np.where(codes == 101, 100, codes))

        found = m.ramp_test(swapped, 8)
        assert (found.falls, found.monotone) == (1, False)
        assert found.missing.size == 0

    @pytest.mark.parametrize(
        ("call", "message"),
        [
            (lambda: m.linearity([0.1, 0.2]), r"thresholds of shape \(2,\): must be 2\*\*bits - 1"),
            (lambda: m.linearity([0.1, float("nan"), 0.3]), "threshold 2: is not finite"),
            (lambda: m.linearity([0.3, 0.2, 0.1]), "thresholds: do not rise from the first to the last"),
            (
                lambda: m.linearity([0.1, 0.2, 0.3], "straight"),
                "line 'straight': must be 'ends', 'best' or 'ideal'",
            ),
            (lambda: m.histogram([0, 1, 4], 2), r"code \[2\] = 4: must be from 0 to 3"),
            (lambda: m.histogram([0.5], 2), "codes of type float64: must be whole numbers"),
            (lambda: m.ramp_test(ideal(2), 25), "bits = 25: must be from 2 to 24"),
            (lambda: m.ramp_test(ideal(2), 2, per_code=0), "per_code = 0: must be from 1 to 16,777,216"),
            (lambda: m.sine_linearity([0, 5, 5, 1]), "does not reach both ends"),
            (lambda: m.ramp_linearity([0, 0, 0, 0]), r"histogram of shape \(4,\)"),
        ],
    )
    def test_what_cannot_be_measured_is_refused(self, call, message):
        with pytest.raises(InputError, match=message):
            call()


class TestFrequencyAndAmplitude:
    def test_jitter_costs_more_the_faster_the_input(self):
        """SNR = -20 log10(2 pi f jitter)."""
        tests = m.over_frequency(ideal(14), 14, [0.01, 0.1, 0.4], rate_hz=1e8, jitter_rms_s=1e-12)
        for test in tests:
            expected = -20 * math.log10(2 * math.pi * test.frequency_hz * 1e-12)
            error = 10 ** (-expected / 10) + 10 ** (-(6.0206 * 14 + 1.7609) / 10)
            assert test.sndr_db == pytest.approx(-10 * math.log10(error), abs=0.15)
        assert [test.enob for test in tests] == sorted((test.enob for test in tests), reverse=True)

    def test_a_pole_takes_3_db_at_its_frequency(self):
        test = m.sine_test(ideal(14), 14, frequency=0.2, rate_hz=1e6, bandwidth_hz=2e5, dither=True)
        loss = 1 / math.hypot(1, test.frequency_hz / 2e5)
        assert test.fit.amplitude == pytest.approx((0.5 - 2**-15) * loss * 2**14, rel=1e-5)

    def test_a_smaller_sine_has_the_same_error_and_fewer_decibels(self):
        tests = m.over_amplitude(ideal(12), 12, [0.499, 0.0499], dither=True)
        assert tests[0].fit.sndr_db - tests[1].fit.sndr_db == pytest.approx(20, abs=0.05)
        assert tests[0].enob == pytest.approx(tests[1].enob, abs=0.005)

    def test_samples_at_the_ends_are_counted(self):
        assert m.sine_test(ideal(8), 8, amplitude=0.4).clipped == 0
        assert m.sine_test(ideal(8), 8, amplitude=0.5, offset=0.6).clipped > 1000

    @pytest.mark.parametrize(
        ("name", "value"), [("rate_hz", -1.0), ("jitter_rms_s", -1e-12), ("bandwidth_hz", 0.0)]
    )
    def test_circumstances_that_cannot_be_are_refused(self, name, value):
        with pytest.raises(InputError, match=f"{name} = {value:g}: must be"):
            m.sine_test(ideal(8), 8, **{name: value})

    def test_a_ratio_that_is_no_number_is_not_placed(self):
        with pytest.raises(InputError, match="sndr_db = nan"):
            m.placement(1e-3, 1e6, float("nan"))

    @pytest.mark.parametrize("amplitude", [0.0, 0.6, float("nan")])
    def test_a_sine_larger_than_full_scale_is_refused(self, amplitude):
        with pytest.raises(InputError, match=r"must be above 0, at most 0\.5"):
            m.sine_test(ideal(8), 8, amplitude=amplitude)


class TestYield:
    def build(self, device):
        """Return a converter whose middle threshold is off by ``device`` tenths of an LSB."""
        thresholds = np.arange(1, 256) / 256
        thresholds[127] += device / 10 / 256
        return by_thresholds(thresholds)

    def test_each_device_has_its_figures(self):
        found = m.monte_carlo(self.build, 8, 10, per_code=50, dither=True)
        assert found.dnl_max_lsb == pytest.approx(np.arange(10) / 10, abs=0.021)
        assert found.inl_max_lsb == pytest.approx(np.arange(10) / 10, abs=0.021)
        assert found.enob[0] == pytest.approx(8, abs=0.01)
        assert (found.missing == 0).all()
        assert found.share == 1.0

    @pytest.mark.parametrize(
        ("limits", "good"),
        [
            ({"most_dnl_lsb": 0.55}, 6),
            ({"most_inl_lsb": 0.35}, 4),
            ({"most_missing": 0}, 10),
            ({"least_enob": 9.0}, 0),
            ({"most_dnl_lsb": 0.55, "most_inl_lsb": 0.35}, 4),
        ],
    )
    def test_good_ones_keep_to_all_limits(self, limits, good):
        found = m.monte_carlo(self.build, 8, 12, m.Limits(**limits), per_code=50)
        assert np.count_nonzero(found.good) == good
        assert found.share == good / 12
        low, high = found.ci95
        assert 0 <= low <= found.share <= high <= 1

    def test_the_interval_is_that_of_wilson(self):
        """8 of 10: 0.490 to 0.943."""
        good = np.arange(10) < 8
        zeros = np.zeros(10)
        assert m.Yield(zeros, zeros, zeros, zeros.astype(int), good).ci95 == pytest.approx(
            (0.4902, 0.9433), abs=1e-4
        )

    def test_there_is_at_least_one_device(self):
        with pytest.raises(InputError, match="devices = 0: must be from 1 to 1,000,000"):
            m.monte_carlo(self.build, 8, 0)


class TestFiguresOfMerit:
    def test_they_follow_their_formulas(self):
        assert m.walden_fj(1e-3, 1e6, 10.0) == pytest.approx(1e-3 / 1e6 / 1024 * 1e15)
        assert m.schreier_db(1e-3, 1e6, 70.0) == pytest.approx(70 + 10 * math.log10(5e5 / 1e-3))
        assert m.enob(6.0206 * 12 + 1.7609) == pytest.approx(12, abs=1e-5)

    def test_sampling_noise_is_that_of_boltzmann(self):
        assert m.ktc_noise_v(1e-12) == pytest.approx(64.36e-6, rel=1e-4)
        assert m.ktc_limit_db(1e-12, 1.0) == pytest.approx(
            20 * math.log10(1 / math.sqrt(8) / 64.36e-6), abs=1e-3
        )
        assert m.schreier_limit_db() == pytest.approx(191.79, abs=0.01)

    def test_the_limit_is_where_all_energy_charges_the_capacitor(self):
        """C V**2 per sample, and nothing but k T / C noise: the Schreier figure is the limit, whatever C and V."""
        for capacitance, volts in ((1e-12, 1.0), (5e-15, 0.4)):
            found = m.schreier_db(capacitance * volts**2 * 1e6, 1e6, m.ktc_limit_db(capacitance, volts))
            assert found == pytest.approx(m.schreier_limit_db(), abs=1e-9)

    def test_an_ordinary_converter_has_no_flag(self):
        found = m.placement(1e-3, 1e6, 74.0, capacitance_f=1e-12, full_scale_v=1.0)
        assert found.flags == ()
        assert found.over_envelope == pytest.approx(1e-9 / m.envelope_j(found.enob))
        assert found.to_dict()["flags"] == []

    def test_what_is_better_than_it_can_be_is_flagged(self):
        low = m.placement(1e-7, 1e6, 74.0)
        assert any("below the" in flag and "envelope" in flag for flag in low.flags)
        none = m.placement(1e-12, 1e6, 86.0, capacitance_f=1e-14, full_scale_v=1.0)
        assert len(none.flags) == 5
        assert "fJ per step, below the best published" in none.flags[1]
        assert "above the best published" in none.flags[2]
        assert "that sampling noise allows" in none.flags[3]
        assert "that kT/C noise allows" in none.flags[4]

    def test_the_envelope_grows_fourfold_per_bit(self):
        rise = (m.envelope_j(16.0) - m.envelope_j(0.0)) / (m.envelope_j(15.0) - m.envelope_j(0.0))
        assert rise == pytest.approx(4.0, abs=1e-6)

    @pytest.mark.parametrize(
        ("call", "message"),
        [
            (lambda: m.walden_fj(0.0, 1.0, 8.0), "power_w = 0: must be positive and finite"),
            (lambda: m.schreier_db(1.0, -1.0, 8.0), "rate_hz = -1: must be positive"),
            (lambda: m.ktc_noise_v(1e-12, 0.0), "temperature_k = 0: must be positive"),
            (lambda: m.placement(1.0, 1.0, 60.0, capacitance_f=1e-12), "give both or none"),
        ],
    )
    def test_impossible_values_are_refused(self, call, message):
        with pytest.raises(InputError, match=message):
            call()


class TestAgainstAPeer:
    """The package adctoolbox, written by others."""

    @pytest.fixture
    def peer(self):
        return pytest.importorskip("adctoolbox", reason="adctoolbox is not installed")

    def record(self, bits, noise=0.0, bend=0.0):
        samples = 1 << 14
        x = m.sine(samples, m.coherent_cycles(0.0871, samples), amplitude=0.49)
        x = x + bend * (x - 0.5) ** 3 + noise * np.random.default_rng(4).normal(size=samples)
        return m.ideal_codes(x, bits)

    @pytest.mark.parametrize("bits", range(3, 15))
    def test_fits_agree(self, peer, bits):
        codes = self.record(bits)
        theirs = peer.fit_sine_4param(codes.astype(float), max_iterations=20)
        ours = m.fit_sine(codes)
        their_enob = m.enob(20 * math.log10(theirs["amplitude"] / math.sqrt(2) / theirs["rmse"]))
        assert ours.enob == pytest.approx(their_enob, abs=0.01)
        assert ours.frequency == pytest.approx(float(theirs["frequency"]), abs=1e-8)

    @pytest.mark.parametrize("bits", range(3, 15))
    def test_spectra_agree(self, peer, bits):
        codes = self.record(bits)
        theirs = peer.analyze_spectrum(codes, win_type="boxcar", side_bin=0, create_plot=False)
        assert m.spectrum(codes).enob == pytest.approx(theirs["enob"], abs=0.01)

    def test_distortion_agrees(self, peer):
        codes = self.record(12, noise=2e-4, bend=0.02)
        theirs = peer.analyze_spectrum(
            codes, win_type="boxcar", side_bin=0, max_harmonic=5, create_plot=False
        )
        ours = m.spectrum(codes, harmonics=5)
        for name, ours_db in (
            ("sndr_dbc", ours.sndr_db),
            ("sfdr_dbc", ours.sfdr_db),
            ("thd_dbc", ours.thd_db),
        ):
            assert ours_db == pytest.approx(theirs[name], abs=0.1), name

    def test_figures_of_merit_agree(self, peer):
        assert m.walden_fj(1e-3, 1e6, 11.0) == pytest.approx(
            1e15 * peer.calculate_walden_fom(1e-3, 1e6, 11.0)
        )
        assert m.schreier_db(1e-3, 1e6, 70.0) == pytest.approx(peer.calculate_schreier_fom(1e-3, 70.0, 5e5))
