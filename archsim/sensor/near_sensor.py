"""A whole near-sensor system: camera, scene, network, stack, and the policy that keeps its frames good enough.

Targets in decibels become temperatures by the image model, energies become powers, the stack becomes two poles; the
policy runs with these. What comes out is power, temperature, duty, and the signal to noise ratio of frames.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import inf, isfinite
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import Field, model_validator

from archsim.errors import InputError, nearest
from archsim.sensor.image import Camera, ImageSensor, Limit, Scene
from archsim.sensor.image.checks import HOTTEST_K
from archsim.sensor.policies import POLICIES, Limits, PolicyRun, Setting, sweep
from archsim.sensor.policies import run as run_policy
from archsim.sensor.system import VisionSystem
from archsim.spec import FieldError, Spec, quantity
from archsim.thermal import Stack, ThermalModel, TwoPole, two_pole

#: Cells along both sides of the stack that the two poles are derived from.
_GRID = 8


class Ladder(Spec):
    """Two poles by hand: power, die, package, ambient."""

    r1_k_w: float = quantity("K/W", "from die to package", gt=0, le=1e6)
    c1_j_k: float = quantity("J/K", "of the die", gt=0, le=1e6)
    r2_k_w: float = quantity("K/W", "from package to ambient", gt=0, le=1e6)
    c2_j_k: float = quantity("J/K", "of the package", gt=0, le=1e6)
    ambient_k: float = quantity("K", "temperature of the surroundings", gt=0, le=1000)


class NearSensor(Spec):
    """A stacked sensor with its scene, its work, its heat, and its policy."""

    preset_kind: ClassVar[str] = "sensor"

    name: str = Field(description="label in results", min_length=1)
    description: str = Field(default="", description="one line for people")
    vision: VisionSystem = Field(description="camera and network")
    image_sensor: ImageSensor = Field(description="noise of the pixels")
    scene: Scene = Field(description="light and exposure")
    stack: Stack | None = Field(default=None, description="dies, from which two poles are derived")
    heated: str | None = Field(
        default=None, description="block of the stack that has the power; default: hottest"
    )
    watched: str | None = Field(
        default=None, description="block whose temperature images have; default: heated"
    )
    ladder: Ladder | None = Field(default=None, description="two poles by hand, instead of a stack")
    ambient_k: float | None = quantity(
        "K", "temperature of the surroundings; default: that of stack or ladder", default=None, gt=0, le=1000
    )
    signal: float = quantity("", "image value whose ratio counts; 1 is white", default=1.0, gt=0, le=100)
    vision_db: float | None = quantity(
        "", "signal to noise ratio that the network needs, dB; default: any", default=None, ge=-100, le=200
    )
    imaging_db: float | None = quantity(
        "", "signal to noise ratio that people need, dB; default: any", default=None, ge=-100, le=200
    )
    vision_k: float | None = quantity(
        "K", "greatest temperature for the network, instead of vision_db", default=None, gt=0, le=1000
    )
    imaging_k: float | None = quantity(
        "K", "greatest temperature for people, instead of imaging_db", default=None, gt=0, le=1000
    )
    policy: str = Field(default="seasonal", description="who decides where to compute")
    request_s: float | None = quantity(
        "s", "period in which frames for people are asked for; default: never", default=None, gt=0, le=1e9
    )
    duration_s: float = quantity("s", "simulated time", default=600.0, gt=0, le=1e9)
    high_k: float | None = quantity("K", "T_high; default: from the limits", default=None, gt=0, le=1000)
    low_k: float | None = quantity("K", "T_low; default: 1.5 jumps below T_high", default=None, gt=0, le=1000)
    latency_s: float | None = quantity(
        "s", "time in which a request must be fulfilled; default: a frame", default=None, gt=0, le=1e6
    )
    patience_s: float = quantity("s", "a request takes what it gets after", default=10.0, gt=0, le=1e9)
    foresight: bool = Field(default=True, description="the end of a frame decides, not its start")
    literal: bool = Field(default=False, description="T_jump_latency as printed")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.stack is None) == (self.ladder is None):
            raise FieldError("stack", "there must be either a stack or a ladder")
        for name in ("heated", "watched"):
            block = getattr(self, name)
            if block is None:
                continue
            if self.stack is None:
                raise FieldError(f"{name} = {block!r}", "has no effect without a stack")
            known = [each.name for layer in self.stack.layers for each in layer.blocks]
            if block not in known:
                raise FieldError(f"{name} = {block!r}", f"no such block in the stack{nearest(block, known)}")
        for use in ("vision", "imaging"):
            if getattr(self, f"{use}_db") is not None and getattr(self, f"{use}_k") is not None:
                raise FieldError(f"{use}_k = {getattr(self, f'{use}_k'):g}", f"has no effect beside {use}_db")
        if self.policy not in POLICIES:
            raise FieldError(f"policy = {self.policy!r}", f"unknown policy{nearest(self.policy, POLICIES)}")
        exposed, most = self.scene.exposure_ms * 1e-3, self.vision.frame_s
        if exposed > most * (1 + 1e-9):
            fps = int(10 / exposed) / 10
            rule = (
                f"is longer than a frame of {most * 1e3:.4g} ms; vision.fps may be {fps:g} at most, "
                f"or scene.exposure_ms {most * 1e3:.4g}"
            )
            raise FieldError(f"scene.exposure_ms = {self.scene.exposure_ms:g}", rule)
        sensor = self.image_sensor
        if self.vision.columns > sensor.columns or self.vision.rows > sensor.rows:
            rule = f"{sensor.name} has {sensor.columns} x {sensor.rows} pixels"
            raise FieldError(f"vision of {self.vision.columns} x {self.vision.rows} pixels", rule)
        return self

    # what it is made of

    def camera(self) -> Camera:
        """Return the camera, with the converter of ``vision.readout`` where there is one."""
        return Camera(self._converted(), self.scene)

    def _converted(self) -> ImageSensor:
        """Return the sensor with the bits and the noise of the converter that stands in for its own."""
        adc = self.vision.readout
        if adc is None:
            return self.image_sensor
        scale = 2.0 ** (adc.bits - self.image_sensor.bits)
        changed = {
            "bits": adc.bits,
            "gain_dn_e": self.image_sensor.gain_dn_e * scale,
            "black_dn": self.image_sensor.black_dn * scale,
            "converter_noise_dn": _converter_noise_dn(adc.canonical_json()),
        }
        return ImageSensor.from_dict(
            {**self.image_sensor.to_dict(), **changed}, f"{self.name}: vision.readout"
        )

    def two_poles(self) -> TwoPole:
        """Return die and package, at the ambient temperature of the system."""
        if self.ladder is not None:
            spec = self.ladder
            found = TwoPole(spec.r1_k_w, spec.c1_j_k, spec.r2_k_w, spec.c2_j_k, spec.ambient_k)
        else:
            blocks = self.blocks()
            assert self.stack is not None
            assert blocks is not None
            found = _derived(self.stack.canonical_json(), *blocks)
        if self.ambient_k is None:
            return found
        return TwoPole(
            found.r1_k_w, found.c1_j_k, found.r2_k_w, found.c2_j_k, self.ambient_k, found.error_k_w
        )

    def blocks(self) -> tuple[str, str] | None:
        """Return the block of the stack that has the power, and the one whose temperature images have.

        None for a ladder, which has no blocks.
        """
        if self.stack is None:
            return None
        heated = self.heated or _hottest(self.stack.canonical_json())
        return heated, self.watched or heated

    def limit(self, use: str) -> Limit:
        """Return the greatest temperature for ``vision`` or ``imaging``, and why."""
        stated = getattr(self, f"{use}_k")
        if stated is None:
            return _limit(self._converted(), self.scene, getattr(self, f"{use}_db"), self.signal)
        best = float(self.camera().snr_db(0.0, self.signal))
        return Limit(stated, best, f"{use}_k is stated")

    def setting(self, policy: str | Callable[..., Any] | None = None, **changes: Any) -> Setting:
        """Return what a policy runs with.

        Parameters
        ----------
        policy : str or callable, optional
            Instead of the system's own.
        **changes
            Of `archsim.sensor.policies.Setting`.

        Raises
        ------
        InputError
            Where a ratio cannot be had at any temperature, with the reason.
        """
        limits = {}
        for use in ("vision", "imaging"):
            limit = self.limit(use)
            if limit.temperature_k is None:
                raise InputError(f"{self.name}: {use}_db = {getattr(self, f'{use}_db'):g}: {limit.reason}")
            limits[f"{use}_k"] = limit.temperature_k
        given: dict[str, Any] = {
            "ladder": self.two_poles(), "powers": self.vision.powers(), "limits": Limits(**limits),
            "policy": self.policy if policy is None else policy, "frame_s": self.vision.frame_s,
            "duration_s": self.duration_s, "requests": self.request_s, "high_k": self.high_k, "low_k": self.low_k,
            "latency_s": self.latency_s, "patience_s": self.patience_s, "foresight": self.foresight,
            "literal": self.literal,
        }  # fmt: skip
        try:
            return Setting(**(given | changes))
        except InputError as error:
            raise InputError(f"{self.name}: {error}") from None

    def simulate(self, policy: str | Callable[..., Any] | None = None, *, trace: bool = False) -> SensorRun:
        """Run a policy, by default the system's own.

        Parameters
        ----------
        policy : str or callable, optional
            A name, or a policy of one's own: it takes an `archsim.sensor.policies.State` and returns ``near``, ``far``
            or ``stop``.
        trace : bool
            Whether to keep temperatures and modes over time.
        """
        setting = self.setting(policy)
        return SensorRun(self, setting, run_policy(setting, trace=trace))


@lru_cache(maxsize=1024)
def _limit(sensor: ImageSensor, scene: Scene, snr_db: float | None, signal: float) -> Limit:
    """Return the greatest temperature for a ratio; a sweep over anything else asks for the same one again."""
    return Camera(sensor, scene).temperature_for(snr_db, signal)


def _model(stack: str) -> ThermalModel:
    """Return the thermal model of a stack from its JSON."""
    return ThermalModel(Stack.from_dict(json.loads(stack), "stack"), _GRID)


@lru_cache(maxsize=64)
def _hottest(stack: str) -> str:
    """Return the hottest block of a stack, by its JSON, at the powers that it states itself."""
    steady = _model(stack).steady()
    return steady.blocks[int(steady.avg_k.argmax())]


@lru_cache(maxsize=64)
def _derived(stack: str, heated: str, watched: str) -> TwoPole:
    """Return the two poles of a stack from its JSON; a sweep asks for the same one again and again."""
    return two_pole(_model(stack), {heated: 1.0}, watched)


@lru_cache(maxsize=64)
def _converter_noise_dn(adc: str) -> float:
    """Return what a converter's noise and distortion are beyond rounding, in DN rms, from its measured ENOB."""
    from archsim.analog.nnadc import Adc, measure

    spec = Adc.from_dict(json.loads(adc), "readout")
    lost = spec.bits - float(measure(spec).to_dict()["enob"])
    # An ideal converter of n bits errs by 1 DN / sqrt(12); one of ENOB bits by 2^(n - ENOB) as much.
    return float((max(4.0**lost - 1.0, 0.0) / 12.0) ** 0.5)


@dataclass(frozen=True)
class SensorRun:
    """What a policy made of a near-sensor system.

    Attributes
    ----------
    sensor : NearSensor
    setting : Setting
        Limits, powers and poles that it ran with.
    run : PolicyRun
        Shares, powers, temperatures, captures.
    """

    sensor: NearSensor
    setting: Setting
    run: PolicyRun

    @property
    def saving(self) -> float:
        """Share of the power of the far-sensor system that is saved."""
        return 1.0 - self.run.system_w / self.setting.powers.far.system_w

    @property
    def frame_mj(self) -> float | None:
        """Energy of the system for each frame that is computed on; None where none is."""
        return 1e3 * self.run.system_w / self.run.fps if self.run.fps > 0 else None

    def snr_db(self, temperature_k: float | None) -> float | None:
        """Return the signal to noise ratio at a temperature; None without one, or where pixels are full.

        So they count beyond `HOTTEST_K`, where the law of the dark current means nothing.
        """
        if temperature_k is None or temperature_k > HOTTEST_K:
            return None
        found = float(self.sensor.camera().snr_db(temperature_k, self.sensor.signal))
        return found if isfinite(found) else None

    @property
    def capture_db(self) -> float | None:
        """The worst ratio of frames that people asked for; None without any."""
        return self.snr_db(self.run.worst_capture_k)

    def to_dict(self) -> dict[str, Any]:
        """Return all figures as plain values, for JSON; what is infinite is None."""
        run, setting, sensor = self.run, self.setting, self.sensor
        powers, blocks = setting.powers, sensor.blocks()
        return {
            "name": sensor.name,
            "policy": run.policy,
            "network": sensor.vision.network.name,
            "duty": run.duty,
            "far_share": run.far_share,
            "stop_share": run.stop_share,
            "fps": run.fps,
            "system_w": run.system_w,
            "die_w": run.die_w,
            "saving": self.saving,
            "mj_per_computed_frame": self.frame_mj,
            "blocks": None if blocks is None else {"heated": blocks[0], "watched": blocks[1]},
            "power_w": {
                mode: {"die_w": getattr(powers, mode).die_w, "system_w": getattr(powers, mode).system_w}
                for mode in ("near", "far", "stop")
            },
            "temperature_k": {
                "hottest": run.hottest_k, "mean": run.mean_k, "coldest": run.coldest_k,
                "worst_capture": run.worst_capture_k, "ambient": setting.ladder.ambient_k,
                "vision_limit": _finite(setting.limits.vision_k), "imaging_limit": _finite(setting.limits.imaging_k),
                "high": _finite(setting.upper_k), "low": _finite(setting.lower_k),
            },
            "snr_db": {
                "hottest": self.snr_db(run.hottest_k), "mean": self.snr_db(run.mean_k),
                "worst_capture": self.capture_db,
                "vision_target": sensor.vision_db, "imaging_target": sensor.imaging_db,
            },
            "captures": {
                "requests": run.requests, "captured": run.captured, "missed": run.missed, "waiting": run.waiting,
                "longest_wait_s": run.longest_wait_s,
            },
            "vision_missed": run.vision_missed,
            "migrations_hz": run.migrations_hz,
            "cycle_s": {"near": run.t_warm_s, "rest": run.t_cool_s},
            "met": run.met,
            "promised": run.promised,
            "reason": run.reason,
        }  # fmt: skip


def _finite(value: float) -> float | None:
    return value if abs(value) != inf else None


def simulate_many(
    sensors: Iterable[NearSensor],
    policies: Sequence[str | Callable[..., Any]] | None = None,
    workers: int = 1,
) -> list[SensorRun | InputError]:
    """Run systems, each under each policy; a ratio that cannot be had is an entry of its own and stops nobody else.

    Parameters
    ----------
    sensors : iterable of NearSensor
    policies : sequence of str or callable, optional
        By default each system's own.
    workers : int
        Threads; the results do not depend on them.

    Returns
    -------
    list of SensorRun or InputError
        System by system, policy by policy.
    """
    found: list[SensorRun | InputError] = []
    ready: list[tuple[int, NearSensor, Setting]] = []
    for sensor in sensors:
        try:
            base = sensor.setting()
        except InputError as error:
            found += [error] * len(policies or (None,))
            continue
        for policy in policies or (sensor.policy,):
            ready.append((len(found), sensor, base.changed(policy=policy)))
            found.append(InputError("not run"))
    for (place, sensor, setting), done in zip(
        ready, sweep([setting for _, _, setting in ready], workers), strict=True
    ):
        found[place] = SensorRun(sensor, setting, done)
    return found


def load_sensor(name: str | Path = "stagioni", overrides: Sequence[str] = ()) -> NearSensor:
    """Load a near-sensor system, a preset or a ``.toml`` file, and lay ``overrides`` over it.

    Raises
    ------
    InputError
        For an unknown preset, an unreadable file, or anything the checks refuse.
    """
    return NearSensor.load(name, overrides)
