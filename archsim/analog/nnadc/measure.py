"""The test of a converter: static by a ramp without noise, dynamic by a sine with all of it, beside what it costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.analog import metrology
from archsim.analog.arrays import instance, whole
from archsim.analog.metrology.monte_carlo import MOST_DEVICES
from archsim.analog.nnadc.bound import AMPLITUDE, sampling_capacitor_f
from archsim.analog.nnadc.calibration import calibrated
from archsim.analog.nnadc.converter import Converter
from archsim.analog.nnadc.cost import Costs, costs
from archsim.analog.nnadc.fabricate import cells
from archsim.analog.nnadc.scheme import expand
from archsim.analog.nnadc.spec import Adc
from archsim.errors import InputError

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

FREQUENCY = 0.1
SAMPLES = 1 << 14
PER_CODE = 16


def in_own_domain(converter: Converter, adc: Adc) -> Any:
    """Return the converter as a function of y, where its input is the x of which f(x) = y.

    An ideal converter of the scheme quantises y evenly, so that linear tests say of it what they say of a linear one.
    """
    if adc.scheme.kind == "linear":
        return converter.convert

    def convert(y: F64) -> I64:
        return converter.convert(expand(adc.scheme, np.clip(y, 0.0, 1.0)))

    return convert


def dynamic(converter: Converter, adc: Adc, rate_hz: float, samples: int = SAMPLES) -> metrology.SineTest:
    """Convert a sine of nearly full scale, in the domain of the scheme.

    Raises
    ------
    InputError
        If all of it has the same code, so that there is nothing to measure.
    """
    convert = in_own_domain(converter, adc)

    def converts(y: F64) -> I64:
        codes = convert(y)
        if codes.min() == codes.max():
            raise InputError(f"device {converter.device}: {_dead(adc, int(codes[0]))}")
        return np.asarray(codes, np.int64)

    return metrology.sine_test(
        converts,
        adc.bits,
        samples=samples,
        frequency=FREQUENCY,
        amplitude=AMPLITUDE,
        rate_hz=rate_hz,
        jitter_rms_s=adc.circuit.jitter_s,
        seed=adc.seed,
    )


def _dead(adc: Adc, code: int) -> str:
    """Say that a converter does not convert, and what the likeliest cause is."""
    cell = adc.cell
    stuck = cell.stuck_low + cell.stuck_high
    cause = "its decisions or residues do not follow the input"
    if stuck:
        cause = f"cell.stuck_low + cell.stuck_high = {stuck:g} of all cells are stuck"
    return f"gives code {code} for every input, so there is no ENOB: {cause}"


def static(converter: Converter, adc: Adc) -> metrology.RampTest:
    """Convert a ramp without noise, in the domain of the scheme."""
    before, converter.quiet = converter.quiet, True
    try:
        return metrology.ramp_test(in_own_domain(converter, adc), adc.bits, PER_CODE)
    finally:
        converter.quiet = before


@dataclass(frozen=True)
class Measured:
    """One device: how it converts and what it takes."""

    adc: Adc
    device: int
    sine: metrology.SineTest
    ramp: metrology.RampTest
    costs: Costs
    placement: metrology.Placement

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        line = self.ramp.linearity
        return {
            "bits": self.adc.bits,
            "enob": self.sine.enob,
            "sndr_db": self.sine.sndr_db,
            "sfdr_db": self.sine.spectrum.sfdr_db,
            "thd_db": self.sine.spectrum.thd_db,
            "dnl_max_lsb": float(np.abs(line.dnl).max()),
            "inl_max_lsb": float(np.abs(line.inl).max()),
            "missing_codes": int(self.ramp.missing.size),
            "falls": self.ramp.falls,
            "sample_rate_hz": self.costs.rate_hz,
            "power_w": self.costs.power_w,
            "fom_walden_fj": self.placement.walden_fj,
            "fom_schreier_db": self.placement.schreier_db,
            "flags": list(self.placement.flags),
            "scheme": self.adc.scheme.kind,
            "device": self.device,
            "cell_bits": self.adc.cell.bits,
            "cells": cells(self.adc),
            "latency_s": self.costs.latency_s,
            "area_um2": self.costs.area_um2,
            "energy": [row.to_dict() for row in self.costs.rows],
            "adc_sha256": self.adc.sha256(),
        }


def measure(adc: Adc, device: int = 0) -> Measured:
    """Fabricate, calibrate and test one device."""
    instance(adc, Adc, "adc", 'load_adc("nnadc-8b-3bit")')
    converter = calibrated(adc, device)
    taken = costs(adc)
    sine = dynamic(converter, adc, taken.rate_hz)
    place = metrology.placement(
        taken.power_w,
        taken.rate_hz,
        sine.sndr_db,
        capacitance_f=sampling_capacitor_f(adc),
        full_scale_v=2.0 * adc.circuit.reference_v,
        temperature_k=adc.circuit.temperature_k,
    )
    return Measured(adc, device, sine, static(converter, adc), taken, place)


def check_devices(devices: int) -> None:
    """Refuse a number of devices that is none, or that no one waits for."""
    whole("devices", devices, 1, MOST_DEVICES)


def monte_carlo(adc: Adc, devices: int, first: int = 0) -> F64:
    """Return the ENOB of devices ``first`` and following, each fabricated, calibrated and tested; shape (devices,)."""
    check_devices(devices)
    rate = costs(adc).rate_hz
    found = [dynamic(calibrated(adc, first + at), adc, rate, 1 << 13).enob for at in range(devices)]
    return np.array(found)
