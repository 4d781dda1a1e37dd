"""Pipelined converters: exact without errors, corrected within their margins, and wrong by what their errors say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.analog import FlashStage, Pipeline, beyond_full_scale, enob_of_residue_noise
from archsim.analog.metrology import ideal_codes, linearity, sine_test, thresholds_of
from archsim.analog.pipeline import margin
from archsim.errors import InputError

#: ENOB of 14 bits by the rms error of every residue, as a fraction of its range: computed apart from this model.
RMS = (0.0, 1e-4, 1e-3, 3e-3, 1e-2)
RESIDUE_TABLE = {
    (1,) * 14: (14.00, 12.22, 8.97, 7.40, 5.69),
    (2,) * 7: (14.00, 13.18, 10.13, 8.56, 6.84),
    (3, 3, 3, 3, 2): (14.00, 13.70, 11.15, 9.59, 7.87),
    (7, 7): (14.00, 14.00, 13.87, 13.27, 11.82),
}


@st.composite
def splits(draw, redundant=True):
    """Draw bits and redundancy of stages that make a code of at most 14 bits."""
    stages = [(draw(st.integers(1, 4)), 0)]
    for _ in range(draw(st.integers(0, 5))):
        bits = draw(st.integers(1, 4))
        after = sum(each - less for each, less in stages)
        most = min(bits - 1, after - 1, 2) if redundant else 0
        stages.insert(0, (bits, draw(st.integers(0, max(0, most)))))
        if sum(each - less for each, less in stages) > 12:
            break
    return stages


def grid(seed, count=500):
    """Return inputs that are multiples of 2**-30, so that all arithmetic is exact."""
    return np.random.default_rng(seed).integers(0, 1 << 30, count) / (1 << 30)


class TestWithoutErrors:
    @given(splits(), st.integers(0, 1000))
    def test_any_split_is_an_ideal_converter(self, stages, seed):
        pipeline = Pipeline([FlashStage(*stage) for stage in stages])
        x = grid(seed)
        assert np.array_equal(pipeline.convert(x), ideal_codes(x, pipeline.bits))

    def test_the_code_counts_decisions_with_their_weights(self):
        pipeline = Pipeline([FlashStage(3, 1), FlashStage(2), FlashStage(3, 1), FlashStage(3)], bits=9)
        assert pipeline.weights.tolist() == [1 << 6, 1 << 5, 1 << 2, 1]
        # Margins of a quarter of the range of the residues: 2**7 and 2**3 LSB.
        assert pipeline.offset == (1 << 7) // 4 + (1 << 3) // 4

    def test_a_residue_without_redundancy_fills_the_range(self):
        x = np.arange(4096) / 4096
        decision, residue = FlashStage(3).convert(x)
        assert np.array_equal(decision, np.floor(x * 8))
        assert np.array_equal(residue, np.mod(x * 8, 1.0))

    @pytest.mark.parametrize("redundancy", [1, 2])
    def test_a_residue_with_redundancy_leaves_equal_margins(self, redundancy):
        _, residue = FlashStage(3, redundancy).convert(np.arange(4096) / 4096)
        free = margin(redundancy)
        assert residue.min() == free
        assert 1.0 - free - residue.max() == pytest.approx(2 ** (3 - redundancy) / 4096)

    def test_shapes_are_kept(self):
        x = grid(0, 24).reshape(2, 3, 4)
        pipeline = Pipeline([FlashStage(2, 1), FlashStage(3)])
        assert pipeline.convert(x).shape == x.shape
        assert np.array_equal(pipeline.convert(x).reshape(-1), pipeline.convert(x.reshape(-1)))


class TestDigitalCorrection:
    @given(splits(), st.integers(0, 1000))
    @settings(max_examples=80)
    def test_wrong_thresholds_within_the_margin_change_nothing(self, stages, seed):
        rng = np.random.default_rng(seed)
        built = []
        for bits, redundancy in stages:
            # A decision is made up for while the residue stays in the range of the next stage.
            allowed = margin(redundancy) / 2 ** (bits - redundancy)
            steps = rng.integers(-(1 << 20) + 1, 1 << 20, (1 << bits) - 1) / (1 << 20)
            built.append(FlashStage(bits, redundancy, threshold_errors=steps * allowed))
        pipeline = Pipeline(built)
        x = grid(seed)
        inside = (x > 0.02) & (x < 0.98)
        found, expected = pipeline.convert(x), ideal_codes(x, pipeline.bits)
        assert np.array_equal(found[inside], expected[inside])

    def test_the_same_thresholds_without_redundancy_are_wrong(self):
        errors = [0.06, -0.05, 0.04]
        x = grid(1, 5000)
        with_it = Pipeline([FlashStage(2, 1, threshold_errors=errors), FlashStage(7)])
        without = Pipeline([FlashStage(2, 0, threshold_errors=errors), FlashStage(6)])
        assert np.array_equal(with_it.convert(x), ideal_codes(x, 8))
        assert not np.array_equal(without.convert(x), ideal_codes(x, 8))

    def test_redundancy_does_not_correct_residues(self):
        noisy = [
            Pipeline([FlashStage(b + r, r, residue_noise_rms=1e-2), FlashStage(9)])
            for b, r in ((3, 0), (3, 1))
        ]
        enobs = [sine_test(each.convert, 12, dither=True).enob for each in noisy]
        assert max(enobs) < 10


class TestErrors:
    def test_a_wrong_level_moves_its_codes_by_exactly_that(self):
        """0.5 LSB and -2 LSB at the decisions 2 and 5 of 8: thresholds inside move by as much against it."""
        lsb = 1 / 1024
        errors = [0.0, 0.0, 0.5 * lsb, 0.0, 0.0, -2.0 * lsb, 0.0, 0.0]
        pipeline = Pipeline([FlashStage(3, level_errors=errors), FlashStage(7)])
        inl = linearity(thresholds_of(pipeline.convert, 10), "ideal").inl
        inside = {2: 0.5, 5: -2.0}
        for decision in range(8):
            places = np.arange(decision * 128 + 1, (decision + 1) * 128 - 1) - 1
            # The two lowest and highest of a segment may fall outside the range of the next stage.
            kept = places[3:-3]
            assert inl[kept] == pytest.approx(inside.get(decision, 0.0), abs=1e-9)

    def test_a_gain_error_makes_steps_of_its_size_between_segments(self):
        """Gain 1 % low: a segment of 128 codes ends 1.28 LSB too soon, and the rest of it is never reached."""
        pipeline = Pipeline([FlashStage(3, gain_error=-0.01), FlashStage(7)])
        result = linearity(thresholds_of(pipeline.convert, 10), "ideal")
        for decision in range(7):
            last = decision * 128 + 126  # the threshold of the last code but one that is reached
            expected = 126 / 0.99 - 126
            assert result.inl[last - 1] == pytest.approx(expected, abs=1e-9)
        assert set(range(127, 1023, 128)) == set(result.missing.tolist())

    def test_an_offset_of_the_residue_moves_all_codes(self):
        pipeline = Pipeline([FlashStage(3, 1, offset=3 / 256), FlashStage(8)])
        inl = linearity(thresholds_of(pipeline.convert, 10), "ideal").inl
        assert inl[8:-8] == pytest.approx(-3.0, abs=1e-9)

    @pytest.mark.parametrize(
        ("split", "expected"), RESIDUE_TABLE.items(), ids=lambda value: "+".join(map(str, value))
    )
    def test_residue_noise_costs_the_bits_of_the_table(self, split, expected):
        for rms, enob in zip(RMS, expected, strict=True):
            stages = [FlashStage(bits, residue_noise_rms=rms, number=k) for k, bits in enumerate(split)]
            found = sine_test(Pipeline(stages, bits=14).convert, 14, samples=1 << 15).enob
            assert found == pytest.approx(enob, abs=0.05)
            assert enob_of_residue_noise(split, rms) == pytest.approx(enob, abs=0.06)

    def test_comparator_noise_is_corrected_by_redundancy(self):
        enobs = []
        for first in (
            FlashStage(3, 1, comparator_noise_rms=0.01),
            FlashStage(2, 0, comparator_noise_rms=0.01),
        ):
            enobs.append(sine_test(Pipeline([first, FlashStage(8)]).convert, 10, dither=True).enob)
        assert enobs[0] == pytest.approx(10.0, abs=0.005)
        assert enobs[1] < 8

    def test_noise_is_that_of_the_sample_and_not_of_the_call(self):
        pipeline = Pipeline([FlashStage(2, residue_noise_rms=0.05, seed=3), FlashStage(6)])
        x = grid(2, 400)
        parts = [pipeline.convert(x[:150]), pipeline.convert(x[150:], first=150)]
        assert np.array_equal(np.concatenate(parts), pipeline.convert(x))
        other = Pipeline([FlashStage(2, residue_noise_rms=0.05, seed=4), FlashStage(6)])
        assert not np.array_equal(other.convert(x), pipeline.convert(x))


class TestFullScale:
    X = (-0.5, -1e-9, 0.0, 0.5, 1.0 - 2**-40, 1.0, 3.0)

    def test_what_is_beyond_is_cut_to_the_ends_and_counted(self):
        pipeline = Pipeline([FlashStage(2, 1), FlashStage(7)])
        assert pipeline.convert(self.X).tolist() == [0, 0, 0, 128, 255, 255, 255]
        assert beyond_full_scale(self.X) == 4

    def test_or_refused(self):
        message = r"4 inputs beyond full scale, such as 3: must be in \[0, 1\)"
        with pytest.raises(InputError, match=message):
            Pipeline([FlashStage(8)]).convert(self.X, beyond="refuse")
        assert Pipeline([FlashStage(8)]).convert([0.5], beyond="refuse").tolist() == [128]

    def test_inputs_are_numbers(self):
        with pytest.raises(InputError, match="inputs: must be finite"):
            Pipeline([FlashStage(8)]).convert([0.5, float("nan")])


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("stages", "bits", "message"),
        [
            ([], None, "a pipeline has at least one stage, in a list"),
            ([(3, 1), (2, 0)], 5, "stages of 2 + 2 = 4 bits without redundancy: must add up to 5"),
            ([(3, 1)], None, "stage 0: redundancy = 1: must be below the 0 bits of the stages after it"),
            (
                [(3, 2), (2, 0)],
                None,
                "stage 0: redundancy = 2: must be below the 2 bits of the stages after it",
            ),
            ([(13, 0), (12, 0)], None, "stages of 25 bits: at most 24"),
        ],
    )
    def test_stages_that_make_no_code(self, stages, bits, message):
        with pytest.raises(InputError) as refused:
            Pipeline([FlashStage(*stage) for stage in stages], bits)
        assert str(refused.value) == message

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"bits": 0}, "stage 7: bits = 0: must be from 1 to 24"),
            ({"bits": 2, "redundancy": 2}, "stage 7: redundancy = 2: must be from 0 to bits - 1 = 1"),
            ({"bits": 2, "threshold_errors": [0.1]}, "stage 7: threshold_errors has 1 values: must be 3"),
            ({"bits": 2, "level_errors": [0.1]}, "stage 7: level_errors has 1 values: must be 4"),
            (
                {"bits": 2, "residue_noise_rms": -1.0},
                "stage 7: residue_noise_rms = -1: must be from 0 to 1e+09",
            ),
        ],
    )
    def test_stages_that_do_not_exist(self, fields, message):
        with pytest.raises(InputError) as refused:
            FlashStage(**fields, number=7)
        assert str(refused.value) == message
