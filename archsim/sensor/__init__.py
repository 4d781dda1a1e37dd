"""A stacked image sensor that computes: noise of its images, energy of its pixels, and policies against its heat.

See docs/near-sensor.md.
"""

from __future__ import annotations

from archsim.sensor.energy import FrameEnergy, PixelEnergy
from archsim.sensor.near_sensor import Ladder, NearSensor, SensorRun, load_sensor, simulate_many
from archsim.sensor.networks import Layer, VisionNetwork, VisionProcessor
from archsim.sensor.powers import ModePower, Powers
from archsim.sensor.system import VisionSystem, load_vision_system

__all__ = [
    "FrameEnergy",
    "Ladder",
    "Layer",
    "ModePower",
    "NearSensor",
    "PixelEnergy",
    "Powers",
    "SensorRun",
    "VisionNetwork",
    "VisionProcessor",
    "VisionSystem",
    "load_sensor",
    "load_vision_system",
    "simulate_many",
]
