"""Energy of pixels and power of near- and far-sensor systems against Kodukula et al. (Sensors 2021).

Two numbers are fitted to two printed powers; each row says which side of that it is on. The printed parts per pixel are
inputs: their rows say that they add up as printed.
"""

from __future__ import annotations

from collections.abc import Iterator

from archsim.sensor.networks import VisionNetwork, VisionProcessor
from archsim.sensor.system import VisionSystem
from archsim.validate.row import Row

FIGURE = "Near-sensor system, "
#: What rounding of 2.7 and 1.3 W to tenths leaves of each, and of their difference.
_PRINTED_W = 0.05
_FAR_W, _NEAR_W = 2.7, 1.3
#: What follows from the two for 1080p at 34 frames per second, by their energies per pixel: frames of DDR traffic
#: per frame, and compute.
_TRAFFIC, _COMPUTE_W = 6.8, 1.21
_PIXELS_PER_S, _DDR_J = 1920 * 1080 * 34, 2800e-12


def assumptions() -> list[str]:
    """Return what the comparison assumes."""
    return [
        "thermal: the near-sensor system has DDR traffic of 6.8 frames per frame and 1.21 W of compute, fitted to the "
        "2.7 and 1.3 W of Kodukula et al., who print neither; which ResNet they ran is taken to be ResNet-18",
    ]


def rows() -> Iterator[Row]:
    """Yield one row for each figure."""
    system = VisionSystem.load("resnet-1080p34")
    yield from _pixel(system)
    yield from _fitted(system)
    yield from _predicted(system)


def _pixel(system: VisionSystem) -> Iterator[Row]:
    """Yield what one pixel takes, from the ledger of a frame."""
    once = VisionSystem.load("resnet-1080p34", ["ddr_traffic_factor=1"])
    near, far = (frame.components_nj() for frame in (system.near_frame(), once.far_frame()))
    note = "input: the printed parts add up to the printed sum"
    for what, expected, energy in (
        ("sensing", 595.0, near["sensor"]),
        ("DRAM, written and read", 677.0, near["stack_dram"]),
        ("CSI and DDR, each once", 3700.0, far["csi"] + far["ddr"]),
    ):
        yield Row(f"{FIGURE}a pixel", f"{what}, pJ", expected, energy * 1e3 / system.pixels, 1e-6, note)


def _fitted(system: VisionSystem) -> Iterator[Row]:
    """Yield the printed powers, to which traffic and compute are fitted."""
    near_w, far_w = system.near_frame().power_w(system.fps), system.far_frame().power_w(system.fps)
    figure = f"{FIGURE}ResNet 1080p34"
    note = "calibration: traffic of DDR and compute are fitted to this and the next"
    yield Row(figure, "far from the sensor, W", _FAR_W, far_w, _PRINTED_W / _FAR_W, note)
    yield Row(figure, "near the sensor, W", _NEAR_W, near_w, _PRINTED_W / _NEAR_W, "calibration")
    note = "calibration: it follows from the two powers"
    yield Row(figure, "saving, %", 52.0, 100 * system.saving(), 0.5 / 52.0, note)


def _predicted(system: VisionSystem) -> Iterator[Row]:
    """Yield what the fit leaves free."""
    figure = f"{FIGURE}ResNet 1080p34"
    once = VisionSystem.load("resnet-1080p34", ["ddr_traffic_factor=1"])
    saved = (once.far_frame().total_nj - once.near_frame().total_nj) * 1e-9 * once.fps
    note = "not reproduced: with one crossing per pixel; why traffic is a parameter"
    yield Row(figure, "saved, DDR carrying the frame once, W", _FAR_W - _NEAR_W, saved, None, note)
    room = 2 * _PRINTED_W / (_DDR_J * _PIXELS_PER_S) / _TRAFFIC
    free = VisionSystem.from_dict({**system.to_dict(), "ddr_traffic_factor": None}, "validation")
    note = "prediction: the frame and all weights of ResNet-18 once per frame, a pixel's size each"
    yield Row(figure, "traffic of DDR, frames per frame", _TRAFFIC, free.ddr_factor, room, note)
    fitted = _COMPUTE_W / 34 / VisionNetwork.load("resnet18").macs * 1e12
    other = VisionProcessor.load("neurostream").pj_per_mac
    note = "prediction: that of Neurostream, which they emulated, from its own paper"
    yield Row(figure, "a multiply-accumulate, pJ", fitted, other, 2 * _PRINTED_W / _COMPUTE_W, note)
    capture = VisionSystem.from_dict({**system.to_dict(), "cap_die_w": None}, "validation")
    note = "prediction: sensing and CSI; printed to one digit"
    yield Row(figure, "stack that only captures, mW", 100.0, 1e3 * capture.powers().far.die_w, 0.1, note)
    network, eyeriss = VisionNetwork.load("vgg16"), VisionProcessor.load("eyeriss")
    convolutions = sum(layer.macs for layer in network.layers if layer.name.startswith("conv"))
    note = "not reproduced: its energy per product at AlexNet is not that at VGG-16"
    watts = eyeriss.pj_per_mac * 1e-12 * convolutions * 0.7
    yield Row("Chen et al., Eyeriss", "VGG-16 at 0.7 frames per second, mW", 236.0, 1e3 * watts, None, note)
