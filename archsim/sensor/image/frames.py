"""Noisy frames, drawn by counter: a pixel's noise depends on the seed and on its place in the sensor alone.

Electrons of light and of the dark current are one Poisson number, for a sum of Poisson numbers is one. Few electrons
are drawn by inversion; many by the expansion of the Poisson quantile around the normal one (Giles, "Algorithm 955",
ACM TOMS 2016, its second approximation). Sums, products and square roots decide, and no library's exponential.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archsim.analog.elementary import exp, key_of
from archsim.analog.nnadc.noise import noise as normal
from archsim.errors import InputError
from archsim.sensor.image.checks import checked_k
from archsim.sensor.image.spec import ImageSensor
from archsim.traces import counter

if TYPE_CHECKING:
    from archsim.sensor.image.camera import Camera

F64 = NDArray[np.float64]
I32 = NDArray[np.int32]

#: Streams of a device, then those of a frame.
_RESPONSE, _OFFSET, _DARK = 0x530, 0x531, 0x532
_SHOT, _FEW, _READ, _CONVERTER, _DITHER = 0x538, 0x539, 0x53A, 0x53B, 0x53C
#: Pixels that go through the steps together, so that they stay in a cache.
_BLOCK = 1 << 16
#: From so many expected electrons on, the expansion holds to 0.1 % of the variance.
_MANY = 16.0
#: Numbers of electrons that are ever tried for fewer; beyond lies less than 2**-53.
_TRIED = 80


def checked_image(sensor: ImageSensor, image: ArrayLike, most: float) -> F64:
    """Return an image as an array.

    Raises
    ------
    InputError
        Unless it has two axes, fits on the sensor and holds finite numbers from 0 to ``most``.
    """
    try:
        pixels = np.asarray(image, np.float64)
    except (TypeError, ValueError):
        raise InputError("image: must be numbers in rows of one length") from None
    if pixels.ndim != 2 or 0 in pixels.shape:
        colours = pixels.ndim == 3 and pixels.shape[2] in (2, 3, 4)
        hint = "; pixels have no colours, so render one channel, or the mean of them" if colours else ""
        raise InputError(f"image of shape {pixels.shape}: must be (rows, columns){hint}")
    if pixels.shape[0] > sensor.rows or pixels.shape[1] > sensor.columns:
        raise InputError(
            f"image of shape {pixels.shape}: sensor {sensor.name} has {sensor.rows} rows of {sensor.columns} pixels"
        )
    wrong = ~((pixels >= 0.0) & (pixels <= most) & np.isfinite(pixels))
    if wrong.any():
        row, column = (int(index) for index in np.argwhere(wrong)[0])
        rule = (
            "must be from 0 to 1 (white)"
            if most == 1.0
            else "must be a finite number of electrons, at least 0"
        )
        if most == 1.0 and getattr(np.asarray(image).dtype, "kind", "") in "ui" and pixels.max() <= 255:
            rule += "; divide an image of bytes by 255"
        raise InputError(f"pixel [{row}, {column}] = {pixels[row, column]:g}: {rule}")
    return pixels


def render(camera: Camera, pixels: F64, electrons: float, temperature_k: ArrayLike, seed: int) -> I32:
    """Return a frame of checked pixels, each times ``electrons``; see `archsim.sensor.image.Camera.render`."""
    found = np.empty(pixels.shape, np.int32)
    for part, held, places in _blocks(camera, pixels, electrons, temperature_k, seed):
        found[part] = _converted(camera, held, places, seed)
    return found


def collect(camera: Camera, pixels: F64, electrons: float, temperature_k: ArrayLike, seed: int) -> F64:
    """Return the electrons of that frame ahead of the gain; see `archsim.sensor.image.Camera.collect`."""
    found = np.empty(pixels.shape)
    for part, held, _ in _blocks(camera, pixels, electrons, temperature_k, seed):
        found[part] = held
    return found


def _blocks(
    camera: Camera, pixels: F64, electrons: float, temperature_k: ArrayLike, seed: int
) -> Iterator[tuple[slice, F64, _Places]]:
    """Yield some rows after the others, what their pixels hold, and where they are."""
    kelvin = checked_k(temperature_k)
    if kelvin.shape not in ((), pixels.shape):
        raise InputError(
            f"temperature_k of shape {kelvin.shape}: must be one number, or a map of the image's {pixels.shape}"
        )
    rows, columns = pixels.shape
    step = max(1, _BLOCK // columns)
    for row in range(0, rows, step):
        part = slice(row, min(rows, row + step))
        heat = kelvin[part] if kelvin.ndim else kelvin
        places = _Places(camera, row, pixels[part].shape)
        yield part, _held(camera, pixels[part] * electrons, heat, places, seed), places


class _Places:
    """Draws random numbers for a block of pixels; each has its place on the sensor."""

    def __init__(self, camera: Camera, row: int, shape: tuple[int, int]) -> None:
        self.columns, self.row, self.shape = camera.sensor.columns, row, shape

    def normal(self, key: np.uint64) -> F64:
        rows, columns = self.shape
        if columns == self.columns:
            return normal(key, self.row * columns, rows * columns).reshape(self.shape)
        return np.stack([normal(key, (self.row + i) * self.columns, columns) for i in range(rows)])

    def uniform(self, key: np.uint64, chosen: NDArray[np.int64]) -> F64:
        """Return numbers of [0, 1) for the pixels ``chosen`` of the flattened block."""
        row, column = np.divmod(chosen, self.shape[1])
        place = (row + self.row) * self.columns + column
        return counter.unit(counter.draw(key, place.astype(np.uint64)))


def _held(camera: Camera, light: F64, kelvin: F64, places: _Places, seed: int) -> F64:
    """Return what pixels hold, noise ahead of the gain included; ``light`` is in electrons and is overwritten."""
    sensor, device = camera.sensor, camera.device
    dark: F64 = camera.dark_e(kelvin)
    if sensor.prnu:
        light *= 1.0 + sensor.prnu * places.normal(key_of(device, _RESPONSE))
    if sensor.dark_spread:
        dark = dark * (1.0 + sensor.dark_spread * places.normal(key_of(device, _DARK)))
    electrons = poisson(light + dark, places, seed, device)
    np.minimum(electrons, sensor.full_well_e, out=electrons)
    if sensor.dsnu_e:
        electrons += sensor.dsnu_e * places.normal(key_of(device, _OFFSET))
    ahead = camera.ahead_e(kelvin)
    if ahead.any():
        electrons += ahead * places.normal(key_of(seed, device, _READ))
    return electrons


def _converted(camera: Camera, electrons: F64, places: _Places, seed: int) -> I32:
    """Return the converter's outputs."""
    sensor, device = camera.sensor, camera.device
    output = electrons * camera.gain_dn_e + sensor.black_dn
    if sensor.converter_noise_dn:
        output += sensor.converter_noise_dn * places.normal(key_of(seed, device, _CONVERTER))
    if sensor.dither:
        every = places.uniform(key_of(seed, device, _DITHER), np.arange(output.size))
        output += every.reshape(output.shape) - 0.5
    return np.clip(np.floor(output + 0.5), 0, sensor.top_dn).astype(np.int32)


def poisson(mean: F64, places: _Places, seed: int, device: int) -> F64:
    """Return a Poisson number for each mean, shape of mean."""
    few = np.flatnonzero(mean.reshape(-1) < _MANY)
    found = (
        np.empty(mean.shape)
        if few.size == mean.size
        else many(mean, places.normal(key_of(seed, device, _SHOT)))
    )
    if few.size:
        uniform = places.uniform(key_of(seed, device, _FEW), few)
        found.reshape(-1)[few] = inverted(mean.reshape(-1)[few], uniform)
    return found


def many(mean: F64, z: F64) -> F64:
    """Return the Poisson number at the place z of the normal distribution; for means of at least `_MANY`."""
    root = np.sqrt(np.maximum(mean, _MANY))
    square = z * z
    shift = (1.0 / 3.0 + square / 6.0) - z * (2.0 + square) / 72.0 / root
    found: F64 = np.floor(mean + root * z + shift)
    return np.maximum(found, 0.0)


def inverted(mean: F64, uniform: F64) -> F64:
    """Return the least n for which the Poisson distribution exceeds ``uniform``; for means below `_MANY`."""
    found = np.zeros(mean.shape)
    left, rest = np.arange(mean.size), uniform
    chance = exp(-mean)
    for n in range(1, _TRIED):
        rest = rest - chance
        going = rest >= 0.0
        left, rest, mean = left[going], rest[going], mean[going]
        if not left.size:
            break
        chance = chance[going] * mean / n
        found[left] = n
    return found
