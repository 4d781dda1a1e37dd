"""Mean and variance of a pixel's output, exactly: Poisson electrons, normal noise, rounding and clipping."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from archsim.sensor.image.spec import ImageSensor

F64 = NDArray[np.float64]

#: Standard deviations on either side that are summed over.
_REACH = 12.0
#: More electrons than this count as normal noise, which they are to 1e-6 of the variance of a converter.
_COUNTED = 1 << 16
_BLOCK = 1 << 20


def moments(sensor: ImageSensor, gain_dn_e: float, mean_e: float, analog_dn: float) -> tuple[float, float]:
    """Return mean and variance of the output.

    Parameters
    ----------
    sensor : ImageSensor
        For full well, black level, range and dither.
    gain_dn_e : float
        DN per electron.
    mean_e : float
        Expected electrons of the pixel.
    analog_dn : float
        Standard deviation of the normal noise, in DN.

    Returns
    -------
    tuple of float
        DN and DN^2.
    """
    counts, weights, analog_dn = _electrons(mean_e, sensor.full_well_e, gain_dn_e, analog_dn)
    places = sensor.black_dn + gain_dn_e * counts
    reach = _REACH * analog_dn + 2.0
    first = max(0, int(np.floor(places.min() - reach)))
    last = min(sensor.top_dn, max(first, int(np.ceil(places.max() + reach))))
    first = min(first, last)
    codes = np.arange(first, last + 1, dtype=np.float64)
    below = np.zeros(len(codes))  # share of outputs up to each
    step = max(1, _BLOCK // len(codes))
    for start in range(0, len(places), step):
        part = slice(start, start + step)
        edge = codes[None, :] + 0.5 - places[part, None]
        below += weights[part] @ _share_below(edge, analog_dn, sensor.dither)
    below[-1] = 1.0  # what is higher is clipped to it
    share = np.diff(below, prepend=0.0)
    offsets = codes - codes[0]
    mean = float(share @ offsets)
    return float(codes[0]) + mean, float(share @ np.square(offsets - mean))


def _electrons(mean_e: float, full_e: float, gain: float, analog_dn: float) -> tuple[F64, F64, float]:
    """Return numbers of electrons with their probabilities, and the normal noise that is left."""
    from scipy.special import gammaln

    if mean_e > _COUNTED:
        spread = np.hypot(analog_dn, gain * np.sqrt(mean_e))
        return np.array([min(mean_e, full_e)]), np.ones(1), float(spread)
    reach = _REACH * np.sqrt(mean_e) + _REACH
    counts = np.arange(max(0.0, np.floor(mean_e - reach)), np.ceil(mean_e + reach) + 1.0)
    if mean_e <= 0.0:
        return np.zeros(1), np.ones(1), analog_dn
    weights = np.exp(counts * np.log(mean_e) - mean_e - gammaln(counts + 1.0))
    return np.minimum(counts, full_e), weights / weights.sum(), analog_dn


def _share_below(edge: F64, analog_dn: float, dither: bool) -> F64:
    """Return the probability that normal noise, and uniform dither of 1 DN where there is one, stays below an edge."""
    if dither:
        return np.clip(_integral(edge + 0.5, analog_dn) - _integral(edge - 0.5, analog_dn), 0.0, 1.0)
    if analog_dn == 0.0:
        return (edge > 0.0).astype(np.float64)
    from scipy.special import ndtr

    found: F64 = ndtr(edge / analog_dn)
    return found


def _integral(x: F64, sigma: float) -> F64:
    """Return the integral of the normal distribution function of this deviation up to x."""
    if sigma == 0.0:
        return np.maximum(x, 0.0)
    from scipy.special import ndtr

    z = x / sigma
    found: F64 = x * ndtr(z) + sigma * np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)
    return found
