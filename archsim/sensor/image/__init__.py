"""Noise of images of a warm sensor, per EMVA 1288: signal to noise, the temperature for it, and noisy frames."""

from archsim.sensor.image.camera import Camera, Limit
from archsim.sensor.image.noise import Noise
from archsim.sensor.image.spec import ImageSensor, Scene

__all__ = ["Camera", "ImageSensor", "Limit", "Noise", "Scene"]
