"""Figures of merit, and where a converter stands: beside what has been built, and beside what physics allows."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cache
from math import log10, sqrt
from pathlib import Path
from typing import Any

from archsim.analog.arrays import number, real
from archsim.analog.metrology.sine_fit import enob
from archsim.errors import InputError
from archsim.toml import read_toml

#: Exact since the SI of 2019.
BOLTZMANN_J_PER_K = 1.380649e-23
ROOM_K = 300.0
_MOST_ENOB = 100.0


def walden_fj(power_w: float, rate_hz: float, bits: float) -> float:
    """Return Walden's figure of merit, P / (rate 2**ENOB), in fJ per conversion step.

    Parameters
    ----------
    power_w : float
    rate_hz : float
        Conversions per second, twice the bandwidth.
    bits : float
        ENOB.
    """
    _positive(power_w=power_w, rate_hz=rate_hz)
    number("bits", bits, -_MOST_ENOB, _MOST_ENOB)
    return float(power_w / (rate_hz * 2.0**bits) * 1e15)


def schreier_db(power_w: float, rate_hz: float, sndr_db: float) -> float:
    """Return Schreier's figure of merit, SNDR + 10 log10(rate / 2 / P), in dB."""
    _positive(power_w=power_w, rate_hz=rate_hz)
    return sndr_db + 10.0 * log10(rate_hz / 2.0 / power_w)


def schreier_limit_db(temperature_k: float = ROOM_K) -> float:
    """Return the greatest Schreier figure of merit that sampling on a capacitor allows: -10 log10(16 k T), 191.8 dB.

    A sine from rail to rail V on a capacitor C has the power V**2 / 8 over the noise k T / C; charging C from the rail
    once per sample takes C V**2 = 8 k T SNR.
    """
    _positive(temperature_k=temperature_k)
    return -10.0 * log10(16.0 * BOLTZMANN_J_PER_K * temperature_k)


def ktc_noise_v(capacitance_f: float, temperature_k: float = ROOM_K) -> float:
    """Return the rms noise of a voltage sampled on a capacitor, sqrt(k T / C)."""
    _positive(capacitance_f=capacitance_f, temperature_k=temperature_k)
    return sqrt(BOLTZMANN_J_PER_K * temperature_k / capacitance_f)


def ktc_limit_db(capacitance_f: float, full_scale_v: float, temperature_k: float = ROOM_K) -> float:
    """Return the SNR of a full-scale sine (peak to peak ``full_scale_v``) sampled on a capacitor."""
    _positive(full_scale_v=full_scale_v)
    return 20.0 * log10(full_scale_v / sqrt(8.0) / ktc_noise_v(capacitance_f, temperature_k))


@dataclass(frozen=True)
class Placement:
    """Where a converter stands.

    Attributes
    ----------
    enob, walden_fj, schreier_db : float
    energy_j : float
        Per conversion.
    envelope_j : float
        What the best of the survey take at this ENOB.
    schreier_limit_db : float
        Of sampling on a capacitor.
    ktc_limit_db : float or None
        SNR that the given sampling capacitor allows.
    flags : tuple of str
        What is better than it should be, one sentence each; empty when nothing is.
    """

    enob: float
    walden_fj: float
    schreier_db: float
    energy_j: float
    envelope_j: float
    schreier_limit_db: float
    ktc_limit_db: float | None
    flags: tuple[str, ...]

    @property
    def over_envelope(self) -> float:
        """Energy over that of the envelope; below 1, better than anything published."""
        return self.energy_j / self.envelope_j

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return {**asdict(self), "flags": list(self.flags), "over_envelope": self.over_envelope}


@cache
def _survey() -> dict[str, dict[str, float]]:
    return read_toml(Path(__file__).with_name("survey.toml"))


def envelope_j(bits: float) -> float:
    """Return the energy per conversion of the survey's envelope at an ENOB."""
    number("bits", bits, -_MOST_ENOB, _MOST_ENOB)
    survey = _survey()["envelope"]
    return float(survey["floor_j"] + survey["slope_j"] * 4.0**bits)


def placement(
    power_w: float,
    rate_hz: float,
    sndr_db: float,
    *,
    capacitance_f: float | None = None,
    full_scale_v: float | None = None,
    temperature_k: float = ROOM_K,
) -> Placement:
    """Place a converter beside the survey and the limits of sampling.

    Parameters
    ----------
    power_w, rate_hz, sndr_db : float
        Of the whole converter.
    capacitance_f, full_scale_v : float, optional
        Sampling capacitor and peak-to-peak range; both or none.
    temperature_k : float

    Returns
    -------
    Placement
    """
    if (capacitance_f is None) != (full_scale_v is None):
        raise InputError("capacitance_f and full_scale_v: give both or none")
    number("sndr_db", sndr_db, -6.0 * _MOST_ENOB, 6.0 * _MOST_ENOB)
    bits, best = enob(sndr_db), _survey()["best"]
    walden, schreier = walden_fj(power_w, rate_hz, bits), schreier_db(power_w, rate_hz, sndr_db)
    energy, built, limit = power_w / rate_hz, envelope_j(bits), schreier_limit_db(temperature_k)
    ktc = None
    flags = []
    if energy < built:
        flags.append(f"takes {energy:.3g} J per conversion, below the {built:.3g} J of the survey's envelope")
    if walden < best["walden_fj"]:
        flags.append(f"{walden:.3g} fJ per step, below the best published, {best['walden_fj']:g} fJ")
    if schreier > best["schreier_db"]:
        flags.append(f"Schreier {schreier:.2f} dB, above the best published, {best['schreier_db']:g} dB")
    if schreier > limit:
        flags.append(f"Schreier {schreier:.2f} dB, above the {limit:.2f} dB that sampling noise allows")
    if capacitance_f is not None and full_scale_v is not None:
        ktc = ktc_limit_db(capacitance_f, full_scale_v, temperature_k)
        if sndr_db > ktc:
            flags.append(f"SNDR {sndr_db:.2f} dB, above the {ktc:.2f} dB that kT/C noise allows")
    return Placement(bits, walden, schreier, energy, built, limit, ktc, tuple(flags))


def _positive(**values: float) -> None:
    for name, value in values.items():
        if not 0.0 < real(name, value) < float("inf"):
            raise InputError(f"{name} = {value:g}: must be positive and finite")
