"""Frames of a warm sensor pixel by pixel, and moments of a converter by brute force; written from the page."""

import math

import numpy as np

from archsim.analog.elementary import exp, key_of
from archsim.analog.nnadc.noise import quantiles
from archsim.traces import counter

RESPONSE, OFFSET, DARK = 0x530, 0x531, 0x532
SHOT, FEW, READ, CONVERTER, DITHER = 0x538, 0x539, 0x53A, 0x53B, 0x53C


def word(place, *words):
    return int(counter.draw(key_of(*words), np.array([place], np.uint64))[0])


def normal(place, *words):
    """Return the number at a place: four to a word, 16 bits each."""
    bits = word(place // 4, *words) >> 16 * (place % 4) & 0xFFFF
    return float(quantiles()[bits])


def uniform(place, *words):
    return (word(place, *words) >> 11) / 2**53


def poisson(mean, place, seed, device):
    if mean >= 16:
        z, root = normal(place, seed, device, SHOT), math.sqrt(mean)
        return max(0.0, math.floor(mean + root * z + (1 / 3 + z * z / 6.0) - z * (2 + z * z) / 72.0 / root))
    n, chance, left = 0, float(exp(-mean)), uniform(place, seed, device, FEW)
    while left - chance >= 0 and n < 79:
        left -= chance
        n += 1
        chance = chance * mean / n
    return float(n)


def frame(camera, electrons, kelvin, seed):
    """Return a frame of expected photo-electrons at one temperature."""
    sensor, device = camera.sensor, camera.device
    doubled = (kelvin - sensor.dark_at_k) / sensor.dark_doubling_k
    dark = float(exp(doubled * 0.6931471805599453)) * (
        sensor.dark_current_e_s * (camera.scene.exposure_ms * 1e-3)
    )
    reset = 0.0 if sensor.correlated_double_sampling else 1.380649e-23 / 1.602176634e-19**2
    ahead = math.sqrt(sensor.read_noise_e**2 + reset * sensor.sense_capacitance_ff * 1e-15 * kelvin)
    out = []
    for row, line in enumerate(electrons):
        out.append([])
        for column, light in enumerate(line):
            place = row * sensor.columns + column
            light = light * (1.0 + sensor.prnu * normal(place, device, RESPONSE))
            own = dark * (1.0 + sensor.dark_spread * normal(place, device, DARK))
            held = min(poisson(light + own, place, seed, device), sensor.full_well_e)
            held += sensor.dsnu_e * normal(place, device, OFFSET)
            held += ahead * normal(place, seed, device, READ)
            dn = held * camera.gain_dn_e + sensor.black_dn
            dn += sensor.converter_noise_dn * normal(place, seed, device, CONVERTER)
            if sensor.dither:
                dn += uniform(place, seed, device, DITHER) - 0.5
            out[-1].append(min(max(math.floor(dn + 0.5), 0), 2**sensor.bits - 1))
    return np.array(out)


def moments(sensor, gain, mean_e, analog_dn):
    """Return mean and variance of the output, the noise summed over a fine grid."""
    z = np.linspace(-8, 8, 4001 if sensor.dither else 160_001)
    weight = np.exp(-z * z / 2)
    weight /= weight.sum()
    steps = (np.arange(400) + 0.5) / 400 - 0.5 if sensor.dither else np.zeros(1)
    total = first = second = 0.0
    chance = math.exp(-mean_e)
    for n in range(400):
        if n:
            chance *= mean_e / n
        if n > mean_e and chance < 1e-18:
            break
        dn = sensor.black_dn + gain * min(n, sensor.full_well_e) + analog_dn * z[:, None] + steps[None, :]
        code = np.clip(np.floor(dn + 0.5), 0, 2**sensor.bits - 1)
        total += chance
        first += chance * float((weight[:, None] * code).sum()) / len(steps)
        second += chance * float((weight[:, None] * code * code).sum()) / len(steps)
    return first / total, second / total - (first / total) ** 2
