"""A camera and the network that looks at its frames: near the sensor, in its stack, or far from it, on a host.

Near: sensing, into the stack's memory and out of it, compute in the stack, a result of a few bytes over I2C.
Far: sensing, CSI, into the host's memory and out of it, DDR, compute on the host.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

from pydantic import Field, model_validator

from archsim.analog.nnadc.cost import CONVERSIONS, costs
from archsim.analog.nnadc.spec import Adc
from archsim.approx.layers import Choice
from archsim.approx.names import multiplier
from archsim.approx.processor import Processor, Run
from archsim.errors import InputError
from archsim.ledger import LedgerRow
from archsim.sensor.energy import SENSING, FrameEnergy, PixelEnergy
from archsim.sensor.networks import MOST_SIZE, VisionNetwork, VisionProcessor
from archsim.sensor.powers import ModePower, Powers
from archsim.spec import FieldError, Spec, quantity
from archsim.spec_errors import short


class VisionSystem(Spec):
    """A camera, a network, and a processor for it at both places."""

    preset_kind: ClassVar[str] = "vision_system"

    name: str = Field(description="label in results", min_length=1)
    description: str = Field(description="one line for people")
    columns: int = quantity("", "pixels of a row", ge=1, le=MOST_SIZE)
    rows: int = quantity("", "rows of a frame", ge=1, le=MOST_SIZE)
    fps: float = quantity("1/s", "frames per second", gt=0, le=1e6)
    energy: PixelEnergy
    network: VisionNetwork
    near: VisionProcessor
    far: VisionProcessor
    ddr_traffic_factor: float | None = quantity(
        "", "what DDR carries, in sizes of the frame; default: the frame and, a pixel's size each, all weights",
        default=None, ge=0, le=1e6,
    )  # fmt: skip
    dram_traffic_factor: float = quantity(
        "", "what a DRAM writes and reads, in sizes of the frame", default=1.0, ge=0, le=1e6
    )
    near_weight_reads: float = quantity(
        "", "times that the stack's DRAM reads all weights for a frame; default: they stay on the chip",
        default=0.0, ge=0, le=1e6,
    )  # fmt: skip
    readout: Adc | None = Field(
        default=None, description="a converter of RRAM networks in the place of the analog signal chain"
    )
    processor: Processor | None = Field(
        default=None, description="an array of multipliers in the place of the processor near the sensor"
    )
    multiplier: str = Field(
        default="exact", description="design of the multipliers of that array", min_length=1
    )
    estimates: bool = Field(
        default=False, description="take structural estimates for multipliers without a cited energy"
    )
    cap_die_w: float | None = quantity(
        "W", "power of the stack while it only captures; default: its sensing, and CSI where frames go to the host",
        default=None, ge=0, le=1e6,
    )  # fmt: skip
    switch_s: float = quantity("s", "a change of the place of the work", default=100e-6, ge=0, le=3600)
    switch_j: float | None = quantity(
        "J", "energy of it; default: both places at work for switch_s", default=None, ge=0, le=1e6
    )

    @model_validator(mode="before")
    @classmethod
    def _named(cls, data: Any) -> Any:
        """Take the name of a preset, or of a file, for what it holds."""
        kinds: dict[str, type[Spec]] = {"readout": Adc, "processor": Processor}
        named = {key: data[key] for key in kinds if isinstance(data, dict) and isinstance(data.get(key), str)}
        found = {}
        for key, name in named.items():
            try:
                found[key] = kinds[key].load(name)
            except InputError as error:
                raise FieldError(f"{key} = {short(name)}", str(error)) from None
        return {**data, **found} if found else data

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.far_frame().total_nj <= 0:
            raise FieldError("energy", "the far-sensor system takes none, and there is nothing to be saved")
        if self.switch_s > self.frame_s:
            rule = f"is longer than a frame of {self.frame_s:.4g} s; the place changes between two frames"
            raise FieldError(f"switch_s = {self.switch_s:g}", rule)
        if self.processor is None:
            for name, plain in (("multiplier", "exact"), ("estimates", False)):
                if getattr(self, name) != plain:
                    rule = "has no effect without processor, such as processor.preset = 'stacked-256'"
                    raise FieldError(f"{name} = {getattr(self, name)!r}", rule)
        for place in ("near", "far"):
            if place == "far" or self.processor is None:
                self._check_fps(
                    getattr(self, place).fps_of(self.network), f"{place}: {getattr(self, place).name}"
                )
        if self.processor is not None:
            try:
                time_s = self.run().time_ns * 1e-9
            except InputError as error:
                raise FieldError(f"multiplier = {self.multiplier!r}", str(error)) from None
            self._check_fps(1.0 / time_s, f"processor: {self.processor.name}")
        return self

    def _check_fps(self, most: float, who: str) -> None:
        # A billionth: the exact rate must not be refused by rounding.
        if self.fps > most * (1 + 1e-9):
            rule = f"{who} runs {self.network.name} at most {most:.3g} times per second"
            raise FieldError(f"fps = {self.fps:g}", rule)

    @property
    def pixels(self) -> int:
        """Of a frame."""
        return self.columns * self.rows

    @property
    def frame_s(self) -> float:
        """Time of a frame."""
        return 1.0 / self.fps

    @property
    def ddr_factor(self) -> float:
        """What DDR carries of a frame, in sizes of the frame."""
        if self.ddr_traffic_factor is not None:
            return self.ddr_traffic_factor
        return 1.0 + self.network.weights / self.pixels

    @property
    def converters(self) -> int:
        """How many converters keep up with the pixels; 0 without a ``readout``."""
        if self.readout is None:
            return 0
        return -int(-self.pixels * self.fps // costs(self.readout).rate_hz)

    def run(self, choice: Choice | None = None) -> Run:
        """Return what the array of multipliers takes for a frame.

        Parameters
        ----------
        choice : Choice, optional
            A multiplier for each layer; by default ``multiplier`` for all.

        Raises
        ------
        InputError
            Without such an array, or for a multiplier that it refuses.
        """
        if self.processor is None:
            raise InputError(
                f"{self.name}: has no processor of multipliers; set processor.preset = 'stacked-256'"
            )
        if choice is None:
            choice = Choice(multiplier(self.multiplier, self.processor.bits, self.processor.signed))
        return self.processor.run(self.network.works(), choice, estimates=self.estimates)

    def sensing(self) -> list[LedgerRow]:
        """Return the energy of light to digital number, of a frame."""
        energy, pixels = self.energy, self.pixels
        rows = [
            LedgerRow("sensor", "pixel_array", pixels, energy.pixel_array_pj),
            LedgerRow("sensor", "read_out", pixels, energy.readout_pj),
        ]
        if self.readout is None:
            return [*rows, LedgerRow("sensor", "analog_chain", pixels, energy.analog_chain_pj)]
        return rows + [
            LedgerRow(
                "converter",
                f"{row.component}_{row.event}",
                row.count // CONVERSIONS * pixels,
                row.pj_per_event,
            )
            for row in costs(self.readout).rows
        ]

    def near_frame(self, choice: Choice | None = None) -> FrameEnergy:
        """Return the energy of a frame that is computed on in the stack; ``choice`` as in `run`."""
        rows = [*self.sensing(), *self._stored("stack_dram")]
        if self.near_weight_reads:
            # A pixel's size each, as in `ddr_factor`; they are there already, so that nothing is written.
            count = round(self.network.weights * self.near_weight_reads)
            rows.append(LedgerRow("stack_dram", "weight_read", count, self.energy.dram_read_pj))
        if self.energy.on_chip_pj:
            rows.append(LedgerRow("on_chip", "pixel", self.pixels, self.energy.on_chip_pj))
        if self.processor is not None:
            run = self.run(choice)
            rows += [
                LedgerRow("processor", f"{row.component} {row.event}", row.count, row.pj_per_event)
                for row in run.ledger
            ]
        else:
            rows.append(LedgerRow("processor", "mac", self.network.macs, self.near.pj_per_mac))
        heat = {component: 1.0 for component in (*SENSING, "stack_dram", "on_chip", "processor")}
        return FrameEnergy("near", (*rows, self._result()), heat)

    def far_frame(self) -> FrameEnergy:
        """Return the energy of a frame that the host computes on."""
        energy, pixels = self.energy, self.pixels
        rows = [
            *self.sensing(),
            LedgerRow("csi", "pixel", pixels, energy.csi_pj),
            *self._stored("host_dram"),
            LedgerRow("ddr", "pixel", round(pixels * self.ddr_factor), energy.ddr_pj),
            LedgerRow("host", "mac", self.network.macs, self.far.pj_per_mac),
        ]
        heat = {component: 1.0 for component in SENSING} | {"csi": energy.csi_in_stack}
        return FrameEnergy("far", tuple(rows), heat)

    def _stored(self, component: str) -> list[LedgerRow]:
        count = round(self.pixels * self.dram_traffic_factor)
        return [
            LedgerRow(component, "write", count, self.energy.dram_write_pj),
            LedgerRow(component, "read", count, self.energy.dram_read_pj),
        ]

    def _result(self) -> LedgerRow:
        return LedgerRow("i2c", "result_byte", self.network.result_bytes, self.energy.result_pj_per_byte)

    def powers(self, choice: Choice | None = None) -> Powers:
        """Return the power of each mode; ``choice`` as in `run`.

        Stopped, the sensor still captures frames, and drops them.
        """
        near, far = self.near_frame(choice), self.far_frame()
        whole = {frame.mode: frame.power_w(self.fps) for frame in (near, far)}
        near_mode = ModePower(near.stack_nj * 1e-9 * self.fps, whole["near"])
        sensing_w = sum(row.energy_nj for row in self.sensing()) * 1e-9 * self.fps
        # Capture alone never takes more than capture and compute.
        stop_w = sensing_w if self.cap_die_w is None else min(self.cap_die_w, near_mode.die_w)
        if self.cap_die_w is not None and self.cap_die_w < sensing_w * (1 - 1e-9):
            raise InputError(
                f"{self.name}: cap_die_w = {self.cap_die_w:g}: is less than what sensing takes, {sensing_w:.4g} W"
            )
        far_w = far.stack_nj * 1e-9 * self.fps if self.cap_die_w is None else self.cap_die_w
        if far_w > whole["far"]:
            raise InputError(
                f"{self.name}: cap_die_w = {far_w:g}: is more than the whole far-sensor system, {whole['far']:.4g} W"
            )
        switch_j = self.switch_j
        if switch_j is None:
            switch_j = (whole["near"] + whole["far"]) * self.switch_s
        return Powers(
            near_mode, ModePower(far_w, whole["far"]), ModePower(stop_w, stop_w), switch_j, self.switch_s
        )

    def saving(self, duty: float = 1.0) -> float:
        """Return the share of the far-sensor system's power that is saved by computing near for ``duty`` of the time.

        Raises
        ------
        InputError
            For a duty that is no share.
        """
        if not 0 <= duty <= 1:
            raise InputError(f"duty = {duty!r}: must be from 0 to 1")
        return duty * (1.0 - self.near_frame().total_nj / self.far_frame().total_nj)

    def report(self) -> dict[str, Any]:
        """Return energies and powers as plain values, for JSON."""
        near, far, powers = self.near_frame(), self.far_frame(), self.powers()
        return {
            "name": self.name,
            "network": self.network.name,
            "pixels": self.pixels,
            "fps": self.fps,
            "macs": self.network.macs,
            "weights": self.network.weights,
            "ddr_traffic_factor": self.ddr_factor,
            "near_weight_reads": self.near_weight_reads,
            "converters": self.converters,
            "near": near.to_dict(),
            "far": far.to_dict(),
            "power_w": {
                mode: {"die_w": power.die_w, "system_w": power.system_w}
                for mode in ("near", "far", "stop")
                for power in (getattr(powers, mode),)
            },
            "switch_j": powers.switch_j,
            "switch_s": powers.switch_s,
            "saving": self.saving(),
        }


def load_vision_system(name: str, overrides: tuple[str, ...] | list[str] = ()) -> VisionSystem:
    """Load a system, a preset or a ``.toml`` file, and lay ``overrides`` over it.

    Raises
    ------
    InputError
        For an unknown preset, an unreadable file, or anything the checks refuse.
    """
    return VisionSystem.load(name, overrides)
