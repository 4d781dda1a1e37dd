"""What a sensor and a scene are: the parameters of EMVA 1288's linear model, and of light, lens and exposure."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import Field, model_validator

from archsim.spec import FieldError, Spec, quantity

#: Photons per square metre and lux second of light of 555 nm: wavelength / (683 lm/W h c).
_PHOTONS_PER_LUX_S_M2 = 555e-9 / (683.0 * 6.62607015e-34 * 299792458.0)
#: Largest shares of pixels' variation: draws are within 4.4 standard deviations, and no pixel may turn negative.
_LARGEST_SHARE = 0.2


class ImageSensor(Spec):
    """An image sensor. Electrons are those of a pixel; gains and noise are at the output of its converter."""

    preset_kind: ClassVar[str] = "image_sensor"

    name: str = Field(description="name", min_length=1, max_length=100)
    columns: int = quantity("", "pixels of a row", ge=1, le=1 << 16)
    rows: int = quantity("", "rows", ge=1, le=1 << 16)
    pixel_um: float = quantity("um", "pitch of the pixels", gt=0, le=1000)
    quantum_efficiency: float = quantity(
        "", "electrons per photon on the area of a pixel, mean over the visible", gt=0, le=1
    )
    full_well_e: float = quantity("", "electrons that a pixel holds", gt=0, le=1e6)
    bits: int = quantity("bits", "of the converter", ge=1, le=16)
    black_dn: float = quantity("", "output without any electron, DN", default=0.0, ge=0, le=65535)
    gain_dn_e: float = quantity("", "gain K at base_iso, DN per electron", gt=0, le=1e4)
    base_iso: float = quantity("", "ISO speed at an analog gain of 1", default=100.0, gt=0, le=1e6)
    greatest_gain: float = quantity("", "greatest analog gain", default=8.0, ge=1, le=1e4)
    read_noise_e: float = quantity(
        "", "noise of a pixel's read-out ahead of the gain, electrons rms", ge=0, le=1e4
    )
    converter_noise_dn: float = quantity(
        "",
        "noise of the converter behind the gain without its quantisation, DN rms",
        default=0.0,
        ge=0,
        le=1e4,
    )
    sense_capacitance_ff: float = quantity(
        "fF", "capacitance that is reset, for kT/C", default=0.0, ge=0, le=1e6
    )
    correlated_double_sampling: bool = Field(
        False, description="whether the level after the reset is subtracted, and kT/C with it"
    )
    dark_current_e_s: float = quantity("", "dark current at dark_at_k, electrons per second", gt=0, le=1e9)
    dark_at_k: float = quantity("K", "temperature of dark_current_e_s", ge=200, le=500)
    dark_doubling_k: float = quantity(
        "kelvin", "rise of temperature that doubles the dark current", ge=1, le=100
    )
    dark_spread: float = quantity(
        "", "DSNU: standard deviation over pixels of the dark current, as a share of it", default=0.0, ge=0,
        le=_LARGEST_SHARE,
    )  # fmt: skip
    dsnu_e: float = quantity(
        "", "DSNU without dark current, electrons rms over pixels", default=0.0, ge=0, le=1e4
    )
    prnu: float = quantity(
        "", "PRNU: standard deviation over pixels of the response, as a share of it", default=0.0, ge=0,
        le=_LARGEST_SHARE,
    )  # fmt: skip
    dither: bool = Field(
        False, description="whether the converter adds uniform dither of 1 DN, not subtracted"
    )

    @property
    def top_dn(self) -> int:
        """Return the highest output, in DN."""
        return (1 << self.bits) - 1

    @property
    def quantisation_dn2(self) -> float:
        """Return the variance of rounding, and of the dither where there is one, in DN^2."""
        return (2.0 if self.dither else 1.0) / 12.0

    @model_validator(mode="after")
    def _black_below_the_top(self) -> Self:
        if self.black_dn >= self.top_dn:
            raise FieldError(
                "black_dn",
                f"{self.black_dn:g} DN: must be below {self.top_dn} DN, the highest output of {self.bits} bits",
            )
        return self


class Scene(Spec):
    """Light, lens and exposure."""

    preset_kind: ClassVar[str] = "scene"

    name: str = Field(description="name", min_length=1, max_length=100)
    illuminance_lux: float = quantity("", "illuminance of the scene, lux", ge=0, le=1e6)
    exposure_ms: float = quantity("ms", "exposure time", gt=0, le=1e6)
    iso: float = quantity("", "ISO speed, which sets the analog gain", gt=0, le=1e6)
    f_number: float = quantity("", "f-number of the lens", ge=0.5, le=1000)
    lens_transmission: float = quantity(
        "", "share of light that lens and filters pass", default=0.83, gt=0, le=1
    )
    reflectance: float = quantity("", "reflectance of white, an image value of 1", default=0.9, gt=0, le=1)
    spectrum_factor: float = quantity(
        "", "visible photons per lux, as a multiple of those of light of 555 nm", gt=0, le=100
    )

    @property
    def image_lux_s(self) -> float:
        """Return the exposure of the sensor to white, in lux seconds: Lambert's law through a distant lens."""
        luminous = self.illuminance_lux * self.reflectance * self.lens_transmission
        return luminous / (4.0 * self.f_number * self.f_number) * (self.exposure_ms * 1e-3)

    @property
    def photons_um2(self) -> float:
        """Return the photons of white on a square micrometre of the sensor."""
        return self.image_lux_s * self.spectrum_factor * _PHOTONS_PER_LUX_S_M2 * 1e-12
