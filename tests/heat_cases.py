"""Small stacks and heat maps, and a coupling whose replays are given, for tests of what heat does."""

from functools import cache

import numpy as np

from archsim import load_system
from archsim.electrothermal import Attribution, Coupling, HeatMap, Replayed
from archsim.traces import open_trace

#: Two ranks side by side on one die, and a strip of logic between them.
MAP = """
name = "pair"
places = [
    { name = "devices", rank = [0], blocks = ["left"] },
    { name = "devices", rank = [1], blocks = ["right"] },
]
energy = [
    { component = "dram", to = { devices = 1.0 } },
    { component = "channel", to = { logic = 0.25, off = 0.75 } },
]
sensors = { per = "rank", places = "devices", most_c = 95.0 }

[stack]
name = "pair"
width_mm = 10.0
height_mm = 10.0
ambient_k = 300.0
limit_k = 450.0
materials = [{ name = "si", conductivity_w_mk = 120.0, heat_capacity_j_m3k = 1.6e6 }]
top = { resistance_k_w = 8.0 }

[[stack.layers]]
name = "die"
thickness_um = 300.0
material = "si"
blocks = [
    { name = "left", width_mm = 4.0, LEAK },
    { name = "logic", x_mm = 4.0, width_mm = 2.0 },
    { name = "right", x_mm = 6.0 },
]
"""


def pair_map(ambient_k=300.0, *, leak_w=0.0, hysteresis_k=0.0, per="rank"):
    """Return the map of two ranks on one die."""
    leak = f"leakage = {{ power_w = {leak_w!r}, at_k = 358.15, beta_per_k = 0.02 }}"
    text = MAP.replace("LEAK", leak).replace("ambient_k = 300.0", f"ambient_k = {ambient_k!r}")
    text = text.replace('per = "rank"', f'per = "{per}", hysteresis_k = {hysteresis_k!r}')
    return HeatMap.from_toml(text, "test")


@cache
def small_trace(lookups=2000):
    """Return a trace that is replayed in a moment."""
    return open_trace("preset:zipf", limit=lookups)


@cache
def cached_system(name):
    """Return a system."""
    return load_system(name)


class Given(Coupling):
    """A coupling whose replays are given: (time in seconds, joules of left, logic and right) by doubled ranks."""

    def __init__(self, table, heat_map, system="recnmp-base-2rank"):
        super().__init__(cached_system(system), small_trace(100), heat_map, grid=(10, 1))
        self.table = table

    def replayed(self, doubled):
        state = self.refreshed(doubled)
        if state not in self._replays:
            time_s, joules = self.table[state]
            energy = Attribution(np.array([joules], float), 0.0, time_s)
            self._replays[state] = Replayed(state, None, energy, energy.watts + self.own_w)
        return self._replays[state]

    def notes(self):
        return []
