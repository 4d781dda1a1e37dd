"""A sensor in a scene: its signal and noise against temperature, and the temperature for a signal to noise ratio.

The linear model of EMVA 1288 in electrons; ``docs/image-noise.md`` has the formulas. Exponentials and logarithms are
those of `archsim.analog.elementary`, so that frames and limits that rest on them come out alike on every machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from math import hypot, inf, isfinite
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archsim.analog.arrays import whole
from archsim.analog.elementary import exp, log
from archsim.errors import InputError
from archsim.sensor.image import digital, frames
from archsim.sensor.image.checks import HOTTEST_K, checked_k
from archsim.sensor.image.noise import FULL_HELP, HELP, TEMPORAL, TITLES, Noise
from archsim.sensor.image.spec import ImageSensor, Scene
from archsim.spec import apply_overrides

F64 = NDArray[np.float64]
I32 = NDArray[np.int32]

_MOST_SEED = (1 << 64) - 1
#: k / q^2, electrons squared per farad and kelvin.
_K_OVER_Q2 = 1.380649e-23 / 1.602176634e-19**2
_LN2 = 0.6931471805599453
_DB_PER_LN = 20.0 / 2.302585092994046
#: More leave every pixel full, and squares of so many electrons are still numbers.
_MOST_DOUBLINGS = 300.0
#: Width at which a search for a temperature ends.
_CLOSE_K = 1e-10


@dataclass(frozen=True)
class Limit:
    """The highest temperature at which images keep a signal to noise ratio.

    Attributes
    ----------
    temperature_k : float or None
        Infinite without a limit; None when no temperature will do.
    best_db : float
        Ratio without any dark current, the best there can be.
    reason : str
        What sets the limit.
    """

    temperature_k: float | None
    best_db: float
    reason: str


class Camera:
    """A sensor that takes frames of a scene.

    Parameters
    ----------
    sensor : ImageSensor or str
        Or the name of a preset or of a file that ends in ``.toml``; so for the scene.
    scene : Scene or str
    device : int
        Seed of the pixels' fixed differences: another one is another sensor of the same kind.

    Raises
    ------
    InputError
        For an unknown name, an ISO speed that the gain does not reach, or another seed than 0 to 2**64 - 1.
    """

    def __init__(
        self, sensor: ImageSensor | str | Path, scene: Scene | str | Path, *, device: int = 0
    ) -> None:
        self.sensor = sensor if isinstance(sensor, ImageSensor) else ImageSensor.load(sensor)
        self.scene = scene if isinstance(scene, Scene) else Scene.load(scene)
        self.device = whole("device", device, 0, _MOST_SEED)
        gain, spec = self.scene.iso / self.sensor.base_iso, self.sensor
        if not 1.0 <= gain <= spec.greatest_gain:
            speeds = f"{spec.base_iso:g} to {spec.base_iso * spec.greatest_gain:g}"
            raise InputError(
                f"scene {self.scene.name}: iso = {self.scene.iso:g}: sensor {spec.name} has {speeds}"
            )
        #: EMVA's K, DN per electron.
        self.gain_dn_e = spec.gain_dn_e * gain
        #: Electrons of white.
        self.white_e = self.scene.photons_um2 * spec.pixel_um * spec.pixel_um * spec.quantum_efficiency
        #: Electrons that a pixel can tell: those it holds, or those at the converter's top.
        self.saturation_e = min(spec.full_well_e, (spec.top_dn - spec.black_dn) / self.gain_dn_e)

    # what a pixel collects

    def signal_e(self, signal: ArrayLike = 1.0) -> F64:
        """Return the electrons of an image value; 1 is white, reflectance included."""
        values = np.asarray(signal, np.float64)
        if not (np.isfinite(values).all() and (values >= 0).all()):
            raise InputError(f"signal = {values.min():g}: must be finite and at least 0 (1 is white)")
        return values * self.white_e

    def dark_e(self, temperature_k: ArrayLike) -> F64:
        """Return the electrons that the dark current leaves in the exposure, shape of temperature_k."""
        kelvin, spec = checked_k(temperature_k), self.sensor
        doublings = np.minimum((kelvin - spec.dark_at_k) / spec.dark_doubling_k, _MOST_DOUBLINGS)
        return exp(doublings * _LN2) * (spec.dark_current_e_s * (self.scene.exposure_ms * 1e-3))

    @cached_property
    def _read_e2(self) -> float:
        own = self.sensor.converter_noise_dn / self.gain_dn_e
        return self.sensor.read_noise_e * self.sensor.read_noise_e + own * own

    @cached_property
    def _quantisation_e2(self) -> float:
        return self.sensor.quantisation_dn2 / (self.gain_dn_e * self.gain_dn_e)

    @cached_property
    def _reset_e2_per_k(self) -> float:
        spec = self.sensor
        return 0.0 if spec.correlated_double_sampling else _K_OVER_Q2 * spec.sense_capacitance_ff * 1e-15

    # noise

    def noise(self, temperature_k: ArrayLike, signal: float = 1.0) -> Noise:
        """Return every contribution to the noise, in electrons rms.

        Parameters
        ----------
        temperature_k : array_like
            Of the pixels, in kelvin, not degrees Celsius: 60 degC is 333.15.
        signal : float
            Image value; 1 is white, 0 the dark.
        """
        kelvin, light = checked_k(temperature_k), float(self.signal_e(signal))
        dark, flat = self.dark_e(kelvin), np.ones(kelvin.shape)
        fixed = self.sensor.dark_spread * dark
        return Noise(
            photon=np.sqrt(light * flat),
            dark_current=np.sqrt(dark),
            read=np.sqrt(self._read_e2 * flat),
            reset=np.sqrt(self._reset_e2_per_k * kelvin),
            quantisation=np.sqrt(self._quantisation_e2 * flat),
            dsnu=np.sqrt(fixed * fixed + self.sensor.dsnu_e * self.sensor.dsnu_e),
            prnu=self.sensor.prnu * light * flat,
        )

    def mean_dn(self, temperature_k: ArrayLike, signal: float = 1.0) -> F64:
        """Return the mean output in DN by the linear model, up to saturation."""
        collected = self.signal_e(signal) + self.dark_e(temperature_k)
        return self.sensor.black_dn + self.gain_dn_e * np.minimum(collected, self.saturation_e)

    def variance_dn2(self, temperature_k: ArrayLike, signal: float = 1.0, *, total: bool = True) -> F64:
        """Return the variance of the output in DN^2 by the linear model; total: over pixels, else over frames."""
        noise = self.noise(temperature_k, signal)
        found: F64 = np.square(self.gain_dn_e * (noise.total if total else noise.temporal))
        return found

    def digital(self, temperature_k: float, signal: float = 1.0) -> tuple[float, float]:
        """Return mean (DN) and variance over frames (DN^2) of a mean pixel exactly, rounding and clipping included.

        Where noise is far below 1 DN, or clips at either end, the linear model errs; this sums over all outputs.
        """
        kelvin = checked_k(temperature_k)
        mean_e = float(self.signal_e(signal) + self.dark_e(kelvin))
        analog_dn = hypot(self.gain_dn_e * self.ahead_e(kelvin).item(), self.sensor.converter_noise_dn)
        return digital.moments(self.sensor, self.gain_dn_e, mean_e, analog_dn)

    def ahead_e(self, kelvin: F64) -> F64:
        """Return the rms in electrons of the normal noise ahead of the gain: a pixel's read-out and reset."""
        found: F64 = np.sqrt(
            self.sensor.read_noise_e * self.sensor.read_noise_e + self._reset_e2_per_k * kelvin
        )
        return found

    # signal to noise

    def snr_db(self, temperature_k: ArrayLike, signal: float = 1.0, *, total: bool = True) -> F64:
        """Return the signal to noise ratio in decibels, 20 log10; minus infinity where the pixel is full.

        Parameters
        ----------
        temperature_k : array_like
            Of the pixels, in kelvin, not degrees Celsius: 60 degC is 333.15.
        signal : float
            Image value; 1 is white.
        total : bool
            Whether DSNU and PRNU count (EMVA 1288's total SNR), or only what changes from frame to frame.

        Returns
        -------
        ndarray of float64, shape of temperature_k
        """
        light, noise = float(self.signal_e(signal)), self.noise(temperature_k, signal)
        full = light + self.dark_e(temperature_k) >= self.saturation_e
        ratio = light / (noise.total if total else noise.temporal)
        if light <= 0.0:
            return np.full(ratio.shape, -inf)
        return np.where(full, -inf, _DB_PER_LN * log(ratio))

    def temperature_for(self, snr_db: float | None, signal: float = 1.0, *, total: bool = True) -> Limit:
        """Return the highest temperature at which the signal to noise ratio is at least ``snr_db``.

        Parameters
        ----------
        snr_db : float or None
            Decibels; None is "don't care".
        signal, total
            As of `snr_db`.

        Returns
        -------
        Limit
            Its temperature keeps the ratio; one higher by 1e-9 K does not.
        """
        best = float(self.snr_db(0.0, signal, total=total))
        if snr_db is None:
            return Limit(inf, best, "no ratio is asked for")
        if not isfinite(snr_db):
            raise InputError(f"snr_db = {snr_db}: must be a finite number of decibels, or None for any")
        if best < snr_db:
            return Limit(None, best, self._why_never(snr_db, best, signal, total))
        full_k = self._full_k(signal)

        def met(kelvin: float) -> bool:
            return float(self.snr_db(kelvin, signal, total=total)) >= snr_db

        if met(full_k):
            return Limit(inf, best, f"met at every temperature up to {HOTTEST_K:g} K")
        found = _last(met, 0.0, full_k)
        if full_k - found <= 2 * _CLOSE_K:
            return Limit(
                found,
                best,
                f"the dark current fills the rest of the pixel's {self.saturation_e:.0f} electrons",
            )
        return Limit(
            found, best, f"the noise of the dark current, {float(self.dark_e(found)):.4g} electrons there"
        )

    def _full_k(self, signal: float) -> float:
        """Return the temperature at which light and dark current fill a pixel, at most `HOTTEST_K`."""
        room = self.saturation_e - float(self.signal_e(signal))
        spec = self.sensor
        doublings = float(log(room / (spec.dark_current_e_s * self.scene.exposure_ms * 1e-3))) / _LN2
        # A little higher, so that rounding leaves no temperature below it out.
        return min(max(spec.dark_at_k + doublings * spec.dark_doubling_k + _CLOSE_K, _CLOSE_K), HOTTEST_K)

    def _why_never(self, snr_db: float, best: float, signal: float, total: bool) -> str:
        light = float(self.signal_e(signal))
        never = f"{snr_db:g} dB cannot be met at any temperature: "
        if light <= 0.0:
            return never + "there is no light"
        if light >= self.saturation_e:
            full = f"{light:.0f} electrons saturate a pixel of {self.saturation_e:.0f}"
            return never + full + "; a shorter exposure_ms, a higher f_number or a lower iso helps"
        squares = self._cold_e2(signal, total)
        worst = max(squares, key=lambda name: squares[name])
        share = 100.0 * squares[worst] / sum(squares.values())
        why = f"best is {best:.2f} dB, {share:.0f} % of its noise is {TITLES[worst]}"
        # The ratio rises with light; a pixel that light alone has filled is where that ends.
        full_e2 = self._cold_e2(self.saturation_e / self.white_e, total)
        ratio = self.saturation_e / float(np.sqrt(sum(full_e2.values())))
        ceiling = _DB_PER_LN * float(log(ratio))
        if worst != "prnu" and ceiling <= snr_db:
            worst = max(full_e2, key=lambda name: full_e2[name])
            why += f"; even full at {self.saturation_e:.0f} electrons a pixel has {ceiling:.2f} dB"
            return never + f"{why}: {HELP[worst] if worst == 'prnu' else FULL_HELP} helps"
        return never + f"{why}; {HELP[worst]} helps"

    def _cold_e2(self, signal: float, total: bool) -> dict[str, float]:
        """Return the variances, in electrons squared, that no temperature takes away."""
        cold = self.noise(0.0, signal)
        return {name: float(getattr(cold, name)) ** 2 for name in (TITLES if total else TEMPORAL)}

    def knee_k(self) -> float:
        """Return the knee of the noise in the dark: where the dark current's shot noise equals the rest of it.

        The rest is what else changes from frame to frame: read-out, kT/C and quantisation.
        """
        rest = self._read_e2 + self._quantisation_e2

        def flat(kelvin: float) -> bool:
            return float(self.dark_e(kelvin)) < rest + self._reset_e2_per_k * kelvin

        return _last(flat, 0.0, HOTTEST_K)

    def against(
        self,
        name: str,
        values: Iterable[float],
        temperature_k: ArrayLike,
        signal: float = 1.0,
        *,
        total: bool = True,
    ) -> F64:
        """Return the signal to noise ratio with other values of one parameter of the scene.

        Parameters
        ----------
        name : str
            Such as ``exposure_ms``, ``iso``, ``illuminance_lux`` or ``f_number``.
        values : iterable of float
        temperature_k, signal, total
            As of `snr_db`.

        Returns
        -------
        ndarray of float64
            A row for each value, of the shape of temperature_k.
        """
        scenes = [apply_overrides(self.scene, [f"{name}={float(value)!r}"]) for value in values]
        rows = [Camera(self.sensor, scene).snr_db(temperature_k, signal, total=total) for scene in scenes]
        return np.array(rows, np.float64)

    # frames

    def render(
        self, image: ArrayLike, temperature_k: ArrayLike, seed: int, *, electrons: bool = False
    ) -> I32:
        """Return a frame in DN with its noise.

        Parameters
        ----------
        image : array_like of float64, shape (rows, columns)
            Values from 0 to 1 (white), of one channel; with ``electrons`` the expected photo-electrons. An image of
            bytes is divided by 255 first. One smaller than the sensor lies in its first rows and columns: it is a
            crop, whose pixels are those of the sensor.
        temperature_k : array_like
            In kelvin, not degrees Celsius; one for all pixels, or a map of the image's shape.
        seed : int
            Of what changes from frame to frame; what stays is that of the camera's ``device``. Two devices have
            nothing in common in frames of one seed.
        electrons : bool
            Whether the image is in electrons.

        Returns
        -------
        ndarray of int32, shape (rows, columns)
            From 0 to 2**bits - 1. The same arguments give the same frame on every machine.
        """
        pixels, each = self._pixels(image, electrons)
        return frames.render(self, pixels, each, temperature_k, whole("seed", seed, 0, _MOST_SEED))

    def collect(
        self, image: ArrayLike, temperature_k: ArrayLike, seed: int, *, electrons: bool = False
    ) -> F64:
        """Return the electrons of a frame with the noise ahead of the gain, for a converter of another kind.

        Parameters are those of `render`, and so is the frame: the same numbers, not yet amplified and converted.
        `archsim.analog.near_sensor.PixelChain` makes them inputs of a converter.

        Returns
        -------
        ndarray of float64, shape (rows, columns)
        """
        pixels, each = self._pixels(image, electrons)
        return frames.collect(self, pixels, each, temperature_k, whole("seed", seed, 0, _MOST_SEED))

    def _pixels(self, image: ArrayLike, electrons: bool) -> tuple[F64, float]:
        """Return a checked image, and the electrons of 1 in it."""
        pixels = frames.checked_image(self.sensor, image, inf if electrons else 1.0)
        return pixels, 1.0 if electrons else self.white_e

    def dark_frame(self, shape: tuple[int, int] | None, temperature_k: ArrayLike, seed: int) -> I32:
        """Return a frame without light; of the whole sensor when ``shape`` is None."""
        rows, columns = shape or (self.sensor.rows, self.sensor.columns)
        if min(rows, columns) < 1:
            raise InputError(f"frame of {rows} x {columns} pixels: must have at least one")
        nothing = np.broadcast_to(np.float64(0.0), (rows, columns))
        return self.render(nothing, temperature_k, seed)


def _last(holds: Callable[[float], bool], low: float, high: float) -> float:
    """Return the last place, within `_CLOSE_K`, at which what holds at ``low`` and not at ``high`` still holds."""
    while high - low > _CLOSE_K:
        middle = 0.5 * (low + high)
        if not low < middle < high:
            break
        if holds(middle):
            low = middle
        else:
            high = middle
    return low
