"""A converter behind an image sensor: rows of pixels in, codes out, in the order and the time of the read-out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archsim.analog.arrays import instance, numbers
from archsim.analog.nnadc.cost import Costs
from archsim.analog.quantiser import IdealQuantiser, Quantiser, checked_quantiser, reconstructed
from archsim.errors import InputError
from archsim.spec import Spec, quantity

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]


class PixelChain(Spec):
    """From photo-electrons to the input of the converter: ``x = black + electrons gain / full_scale``."""

    volts_per_electron: float = quantity("V", "conversion gain, to the converter", gt=0, le=1)
    full_scale_v: float = quantity("V", "signal that is an input of 1", gt=0, le=100)
    black: float = quantity("", "input of a dark pixel, in full scales", default=0.0, ge=0, lt=1)

    def inputs(self, electrons: ArrayLike) -> F64:
        """Return the inputs of the converter, in full scales, shape of electrons; not clipped."""
        found: F64 = self.black + numbers(electrons, "electrons") * (
            self.volts_per_electron / self.full_scale_v
        )
        return found


@dataclass(frozen=True)
class ConvertedImage:
    """Codes of an image.

    Attributes
    ----------
    codes : ndarray of int64, shape (rows, columns)
    values : ndarray of float64, shape (rows, columns)
        What the codes stand for, in full scales.
    clipped : int
        Pixels beyond full scale.
    psnr_db, ideal_psnr_db : float
        Full scale over the rms error, of this converter and of an ideal one of its bits and scheme; both against the
        image clipped to full scale. Infinite without any error.
    row_s : ndarray of float64, shape (rows,), or None
        When the last code of each row is there, in seconds from the first sample.
    """

    codes: I64
    values: F64
    clipped: int
    psnr_db: float
    ideal_psnr_db: float
    row_s: F64 | None


def convert_image(
    converter: Quantiser, image: ArrayLike, *, taken: Costs | None = None, first: int = 0
) -> ConvertedImage:
    """Convert an image row by row, each from left to right; pixel (r, c) is sample ``first + r columns + c``.

    Parameters
    ----------
    converter : Quantiser
        An `archsim.analog.nnadc.Converter`, or an `IdealQuantiser`.
    image : array_like of float64, shape (rows, columns)
        In full scales, 0 to 1; of photo-electrons, `PixelChain.inputs` makes them.
    taken : Costs, optional
        Of the converter, for the time.
    first : int
        Number of the first sample, which decides its noise.

    Raises
    ------
    InputError
        For another shape, a pixel that is no finite number, or beyond full scale if the converter refuses those.
    """
    checked_quantiser(converter)
    if taken is not None:
        instance(taken, Costs, "taken", "costs(adc)")
    pixels = numbers(image, "image")
    if pixels.ndim != 2 or 0 in pixels.shape:
        raise InputError(f"image of shape {pixels.shape}: must be (rows, columns)")
    beyond = (pixels < 0.0) | (pixels > 1.0)
    _refuse(pixels, ~np.isfinite(pixels), "must be a finite number")
    if getattr(converter, "refuse", False):
        _refuse(pixels, beyond, "must be within full scale, from 0 to 1")
    within = np.clip(pixels, 0.0, 1.0)
    codes = converter.convert(pixels.reshape(-1), first).reshape(pixels.shape)
    values = reconstructed(converter, codes)
    ideal = IdealQuantiser(converter.bits, converter.scheme)
    best = reconstructed(ideal, ideal.convert(within.reshape(-1))).reshape(pixels.shape)
    row_s = None
    if taken is not None:
        row_s = (np.arange(1, len(pixels) + 1) * pixels.shape[1] - 1) / taken.rate_hz + taken.latency_s
    return ConvertedImage(
        codes, values, int(np.count_nonzero(beyond)), psnr_db(values, within), psnr_db(best, within), row_s
    )


def psnr_db(found: F64, true: F64) -> float:
    """Return a peak of 1 over the rms difference of two arrays, in decibels."""
    square = float(np.mean((found - true) ** 2))
    return float(-10.0 * np.log10(square)) if square else float("inf")


def _refuse(pixels: F64, wrong: NDArray[np.bool_], rule: str) -> None:
    if wrong.any():
        row, column = (int(index[0]) for index in np.nonzero(wrong))
        raise InputError(f"pixel [{row}, {column}] = {pixels[row, column]:g}: {rule}")
