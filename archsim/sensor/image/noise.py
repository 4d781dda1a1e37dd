"""Noise of a pixel by cause, in electrons rms."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]

#: What each contribution is called for people.
TITLES = {
    "photon": "photon noise",
    "dark_current": "dark current",
    "read": "read-out",
    "reset": "kT/C",
    "quantisation": "quantisation",
    "dsnu": "DSNU",
    "prnu": "PRNU",
}
_LIGHT = "more light, a longer exposure_ms (at most a frame), a lower f_number"
#: What helps where a contribution stands in the way of a ratio, whatever the temperature.
HELP = {
    "photon": f"{_LIGHT}, larger pixels or a higher quantum_efficiency",
    "dark_current": "a shorter exposure_ms or a lower dark_current_e_s",
    "read": f"{_LIGHT}, a higher iso or a lower read_noise_e",
    "reset": f"{_LIGHT} or correlated_double_sampling",
    "quantisation": f"{_LIGHT}, a higher iso or more bits",
    "dsnu": f"{_LIGHT} or a lower dsnu_e",
    "prnu": "no light, but a lower prnu of the sensor",
}
#: What helps where a pixel does not hold enough electrons.
FULL_HELP = "only a lower iso or a sensor of a larger full_well_e"
#: Contributions that change from frame to frame; the others stay.
TEMPORAL = ("photon", "dark_current", "read", "reset", "quantisation")


@dataclass(frozen=True)
class Noise:
    """Contributions to the noise, in electrons rms; each a float64 array of the shape of the temperatures.

    Attributes
    ----------
    photon, dark_current : ndarray
        Shot noise of the light and of the dark current.
    read, reset : ndarray
        Read-out, the converter's own noise included; kT/C of the reset, 0 with correlated double sampling.
    quantisation : ndarray
        Of rounding to DN, and of the dither where there is one.
    dsnu, prnu : ndarray
        Spread over pixels in the dark, and that of their response to this signal.
    """

    photon: F64
    dark_current: F64
    read: F64
    reset: F64
    quantisation: F64
    dsnu: F64
    prnu: F64

    @property
    def temporal(self) -> F64:
        """Return the noise from frame to frame."""
        return self._together(TEMPORAL)

    @property
    def spatial(self) -> F64:
        """Return the spread over the pixels of a mean of many frames."""
        return self._together(("dsnu", "prnu"))

    @property
    def total(self) -> F64:
        """Return the noise over the pixels of one frame."""
        return self._together(tuple(TITLES))

    def _together(self, names: tuple[str, ...]) -> F64:
        squares = sum(np.square(getattr(self, name)) for name in names)
        found: F64 = np.sqrt(squares)
        return found

    def to_dict(self) -> dict[str, F64]:
        """Return the columns of a table: contributions, then ``temporal``, ``spatial`` and ``total``."""
        names = [field.name for field in fields(self)] + ["temporal", "spatial", "total"]
        return {f"{name}_e": getattr(self, name) for name in names}

    def __str__(self) -> str:
        """Write a line per contribution, a column per temperature."""
        return "\n".join(
            f"{name[:-2]:<13}" + "".join(f"{value:>11.3f}" for value in np.ravel(column)) + " e"
            for name, column in self.to_dict().items()
        )
