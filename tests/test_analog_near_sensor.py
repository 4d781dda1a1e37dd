"""Images through a converter: order, time, clipping, errors."""

import numpy as np
import pytest

from archsim.analog.column_unit import IdealQuantiser
from archsim.analog.near_sensor import PixelChain, convert_image, psnr_db
from archsim.analog.nnadc import calibrated, costs, load_adc
from archsim.errors import InputError


def image(rows=6, columns=9, seed=0):
    return np.random.default_rng(seed).uniform(0.0, 1.0, (rows, columns))


def test_pixels_are_samples_row_by_row_with_the_noise_of_their_number():
    adc, pixels = load_adc("nnadc-14b-3bit"), image()
    found = convert_image(calibrated(adc), pixels, first=5)
    other = calibrated(adc)
    slow = [[int(other.convert([x], 5 + 9 * r + c)[0]) for c, x in enumerate(row)]
            for r, row in enumerate(pixels)]  # fmt: skip
    assert found.codes.tolist() == slow
    assert convert_image(other, pixels).codes.tolist() != slow


def test_rows_cut_apart_give_the_codes_of_the_whole_image():
    adc, pixels = load_adc("nnadc-12b-3bit"), image(8, 5)
    converter = calibrated(adc)
    whole = convert_image(converter, pixels).codes
    rows = [convert_image(converter, pixels[r : r + 1], first=5 * r).codes for r in range(8)]
    np.testing.assert_array_equal(np.concatenate(rows), whole)


def test_a_row_is_there_when_its_last_pixel_is_converted():
    taken = costs(load_adc("nnadc-8b-3bit"))
    found = convert_image(IdealQuantiser(8), image(3, 4), taken=taken)
    expected = [(4 * row + 3) / taken.rate_hz + taken.latency_s for row in range(3)]
    np.testing.assert_allclose(found.row_s, expected)
    assert convert_image(IdealQuantiser(8), image(3, 4)).row_s is None


def test_an_ideal_converter_has_the_error_of_its_steps():
    found = convert_image(IdealQuantiser(10), image(200, 200))
    # Error uniform over one step: 1 / sqrt(12) of it.
    assert found.psnr_db == pytest.approx(20 * np.log10(1024 * np.sqrt(12)), abs=0.1)
    assert found.psnr_db == found.ideal_psnr_db


def test_a_trained_converter_is_below_its_ideal_and_better_with_more_bits():
    pixels = image(40, 40)
    found = [convert_image(calibrated(load_adc(f"nnadc-{bits}b-3bit")), pixels) for bits in (8, 10, 12, 14)]
    assert all(each.psnr_db < each.ideal_psnr_db for each in found)
    assert np.all(np.diff([each.psnr_db for each in found]) > 6.0)


def test_pixels_beyond_full_scale_are_clipped_and_counted():
    pixels = image()
    pixels[0, 1], pixels[2, 3], pixels[5, 8] = 1.2, -0.1, 7.0
    converter = calibrated(load_adc("nnadc-8b-3bit"))
    found = convert_image(converter, pixels)
    assert found.clipped == 3 == converter.clipped
    assert found.codes[2, 3] <= 1
    assert found.codes[5, 8] >= 254


def test_photo_electrons_become_inputs():
    chain = PixelChain(volts_per_electron=5e-5, full_scale_v=0.5, black=0.02)
    np.testing.assert_allclose(chain.inputs([[0.0, 1000.0], [9800.0, 20000.0]]), [[0.02, 0.12], [1.0, 2.02]])


def test_no_error_is_infinitely_far_below_full_scale():
    assert psnr_db(np.ones(3), np.ones(3)) == float("inf")
    assert psnr_db(np.full(3, 0.9), np.ones(3)) == pytest.approx(20.0)


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.zeros(4), "must be \\(rows, columns\\)"),
        (np.zeros((0, 4)), "must be \\(rows, columns\\)"),
        ([[0.1, 0.2], [0.3, np.inf]], "pixel \\[1, 1\\] = inf: must be a finite number"),
    ],
)
def test_what_is_no_image_is_refused(pixels, message):
    with pytest.raises(InputError, match=message):
        convert_image(IdealQuantiser(8), pixels)


def test_a_converter_that_refuses_names_the_pixel():
    converter = calibrated(load_adc("nnadc-8b-3bit", ["overrange=refuse"]))
    with pytest.raises(InputError, match=r"pixel \[1, 0\] = 1\.5: must be within full scale"):
        convert_image(converter, [[0.1, 0.2], [1.5, -3.0]])
