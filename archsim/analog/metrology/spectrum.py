"""Dynamic figures from the spectrum of a record: SNDR, SNR, SFDR, THD, and which line is what."""

from __future__ import annotations

from dataclasses import dataclass
from math import log10, pi
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archsim.analog.arrays import numbers, whole
from archsim.analog.metrology.sine_fit import enob
from archsim.errors import InputError, nearest

F64 = NDArray[np.float64]

#: Counted as distortion; more make no difference that a record of some thousand samples could show.
MOST_HARMONICS = 1000
Window = Literal["none", "blackman-harris"]
#: Coefficients of the cosines of each window, and the bins on each side of a line that belong to it.
_WINDOWS: dict[str, tuple[tuple[float, ...], int]] = {
    "none": ((1.0,), 0),
    "blackman-harris": ((0.35875, 0.48829, 0.14128, 0.01168), 4),
}


@dataclass(frozen=True)
class Spectrum:
    """Figures of a spectrum. Powers are sums over the bins of a line; harmonics are folded at half the sampling rate.

    Attributes
    ----------
    sndr_db, snr_db : float
        Signal over everything else but DC; and without the harmonics.
    sfdr_db : float
        Signal over the strongest other line.
    thd_db : float
        Harmonics, from the second on, over the signal; negative.
    enob : float
        Of ``sndr_db``.
    power_db : ndarray of float64, shape (samples // 2 + 1,)
        Each bin over the signal.
    signal_bin : int
    harmonic_bins : tuple of int
        Of the harmonics counted, from the second on; those that fall on the signal or DC are left out.
    window : str
    """

    sndr_db: float
    snr_db: float
    sfdr_db: float
    thd_db: float
    enob: float
    power_db: F64
    signal_bin: int
    harmonic_bins: tuple[int, ...]
    window: str


def spectrum(
    record: ArrayLike, cycles: int | None = None, window: Window = "none", harmonics: int = 10
) -> Spectrum:
    """Return the figures of a record of one sine.

    Parameters
    ----------
    record : array_like of float, shape (samples,)
    cycles : int, optional
        Bin of the signal; default: the strongest.
    window : {"none", "blackman-harris"}
        "none" for whole cycles, as of `coherent_cycles`; the other, of four terms, holds the leakage of any other
        frequency 92 dB below the signal.
    harmonics : int
        Highest harmonic that is counted as distortion.

    Returns
    -------
    Spectrum

    Raises
    ------
    InputError
        For a record of fewer than 32 samples or without a signal, and an unknown window.
    """
    x = numbers(record, "record")
    if x.ndim != 1 or len(x) < 32 or not np.isfinite(x).all():
        raise InputError(f"record of shape {x.shape}: must be at least 32 finite samples in a row")
    if window not in list(_WINDOWS):
        raise InputError(f"window {window!r}: unknown{nearest(str(window), _WINDOWS)}")
    whole("harmonics", harmonics, 1, MOST_HARMONICS)
    power, beside = _power(x, window)
    last = len(power) - 1
    # All that is not DC.
    first = beside + 1
    peak = first + int(np.argmax(power[first:])) if cycles is None else whole("cycles", cycles, 0, len(x))
    if not first <= peak <= last:
        raise InputError(f"cycles = {cycles}: must be from {first} to {last}")
    lines = np.zeros(len(power), np.int64)  # 0: noise, 1: signal, 2 and more: harmonic
    lines[:first] = -1
    lines[max(first, peak - beside) : peak + beside + 1] = 1
    signal = float(power[lines == 1].sum())
    if signal <= 0.0:
        raise InputError("record: holds no signal")
    bins = []
    for order in range(2, harmonics + 1):
        at = _folded(order * peak, len(x))
        if lines[at] in (-1, 1):
            continue
        near = slice(max(first, at - beside), at + beside + 1)
        lines[near] = np.where(lines[near] == 0, order, lines[near])
        bins.append(at)
    distortion = float(power[lines >= 2].sum())
    noise = float(power[lines == 0].sum())
    others = np.where(lines == 1, 0.0, power)
    others[lines == -1] = 0.0
    with np.errstate(divide="ignore"):
        power_db = 10.0 * np.log10(power / signal)
    sndr = _ratio_db(signal, noise + distortion)
    return Spectrum(
        sndr_db=sndr,
        snr_db=_ratio_db(signal, noise),
        sfdr_db=_ratio_db(float(power[lines == 1].max()), float(others.max())),
        thd_db=-_ratio_db(signal, distortion),
        enob=enob(sndr),
        power_db=power_db,
        signal_bin=peak,
        harmonic_bins=tuple(bins),
        window=window,
    )


def _power(x: F64, window: str) -> tuple[F64, int]:
    """Return the one-sided power of each bin, and how many on each side of a line belong to it."""
    coefficients, beside = _WINDOWS[window]
    turn = 2 * pi * np.arange(len(x)) / len(x)
    weight = np.zeros(len(x))
    for k, coefficient in enumerate(coefficients):
        weight += (-1.0) ** k * coefficient * np.cos(k * turn)
    power: F64 = np.abs(np.fft.rfft((x - x.mean()) * weight)) ** 2
    power[1 : (len(x) + 1) // 2] *= 2.0
    return power, beside


def _folded(place: int, samples: int) -> int:
    place %= samples
    return min(place, samples - place)


def _ratio_db(above: float, below: float) -> float:
    return 10.0 * log10(above / below) if below > 0.0 else float("inf")
