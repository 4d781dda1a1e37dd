"""What comes out of a thermal model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from archsim.errors import InputError, nearest

if TYPE_CHECKING:
    from archsim.thermal.model import ThermalModel

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class State:
    """Temperatures of a whole network, from which a run can go on.

    Attributes
    ----------
    rise_k : ndarray (nz, ny, nx)
        Rises over ambient.
    lumps_k : ndarray (lumps,)
        Those of the lumps of the package.
    """

    rise_k: Array
    lumps_k: Array


class _Fields:
    """What steady and transient results share: the field at the end."""

    def __init__(self, model: ThermalModel, field: Array, lumps: Array) -> None:
        self.model, self.state = model, State(field, lumps)
        self.blocks = model.blocks

    def layer_k(self, name: str) -> Array:
        """Return the temperatures of a layer, (ny, nx), means over its thickness; row 0 is the lower edge.

        Raises
        ------
        InputError
            When there is no such layer.
        """
        layers = self.model.net.layers
        if name not in layers:
            raise InputError(f"no layer {name!r} in the stack{nearest(name, layers)}")
        return self.model.net.layer_means(self.state.rise_k, *layers[name]) + self.model.ambient_k

    @property
    def heat_out_w(self) -> dict[str, float]:
        """Power that leaves through ``top`` and ``bottom``."""
        return self.model.net.heat_out(self.state.rise_k, self.state.lumps_k)

    def layer_of(self, block: str) -> str:
        """Return the layer of a block."""
        index = self.model.block_index(block)
        return next(
            name for name, span in self.model.net.layers.items() if span == self.model.net.spans[index]
        )


class Steady(_Fields):
    """Temperatures in the steady state.

    Attributes
    ----------
    blocks : tuple of str
    power_w, leakage_w : ndarray (blocks,)
        Power of each block, and its leakage, which comes on top.
    state : State
    """

    def __init__(self, model: ThermalModel, watts: Array, leak: Array, field: Array, lumps: Array) -> None:
        super().__init__(model, field, lumps)
        self.power_w, self.leakage_w = watts, leak

    @cached_property
    def avg_k(self) -> Array:
        """Mean of each block, (blocks,)."""
        observer = self.model.engine.observer
        return observer.means(self.state.rise_k[observer.rows]) + self.model.ambient_k

    @cached_property
    def max_k(self) -> Array:
        """Hottest cell of each block, (blocks,)."""
        observer = self.model.engine.observer
        return observer.peaks(self.state.rise_k[observer.rows]) + self.model.ambient_k

    @property
    def hottest_k(self) -> float:
        """The hottest cell of the stack."""
        return float(self.state.rise_k.max()) + self.model.ambient_k

    @property
    def balance(self) -> float:
        """Heat that leaves over power that enters, less 1; 0 without power."""
        power = float(self.power_w.sum() + self.leakage_w.sum())
        return sum(self.heat_out_w.values()) / power - 1.0 if power else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return what ``archsim thermal --json`` prints."""
        blocks = {}
        for index, name in enumerate(self.blocks):
            blocks[name] = {
                "layer": self.layer_of(name), "avg_k": float(self.avg_k[index]), "max_k": float(self.max_k[index]),
                "power_w": float(self.power_w[index]), "leakage_w": float(self.leakage_w[index]),
            }  # fmt: skip
        return {
            "blocks": blocks, "max_k": self.hottest_k, "times_s": [], "ambient_k": self.model.ambient_k,
            "heat_out_w": self.heat_out_w, "solver": self.model.solver,
        }  # fmt: skip


class Transient(_Fields):
    """Temperatures at the times asked for; ``state`` and the fields are those of the last.

    Attributes
    ----------
    times_s : ndarray (times,)
    blocks : tuple of str
    avg_k, max_k : ndarray (times, blocks)
    hottest_k : ndarray (times,)
        Hottest cell of all blocks.
    power_w, leakage_w : ndarray (times, blocks)
        What each block takes from that time on, and its leakage up to then.
    energy_j : dict of str to float
        ``in``, ``stored``, ``top`` and ``bottom`` over the whole run; the first is the sum of the others.
    method : str
    """

    def __init__(
        self, model: ThermalModel, end: tuple[Array, Array], times_s: Array, avg_k: Array, max_k: Array,
        powers: tuple[Array, Array], energy_j: dict[str, float], method: str,
    ) -> None:  # fmt: skip
        super().__init__(model, *end)
        self.times_s, self.avg_k, self.max_k = times_s, avg_k, max_k
        self.hottest_k: Array = (
            max_k.max(axis=1) if max_k.shape[1] else np.full(len(times_s), model.ambient_k)
        )
        self.power_w, self.leakage_w = powers
        self.energy_j, self.method = energy_j, method

    @property
    def balance(self) -> float:
        """What is left of ``in`` less all others, as a share of the largest of them."""
        rest = self.energy_j["in"] - sum(value for key, value in self.energy_j.items() if key != "in")
        scale = max(abs(value) for value in self.energy_j.values())
        return rest / scale if scale else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return what ``archsim thermal --json`` prints."""
        blocks = {}
        for index, name in enumerate(self.blocks):
            blocks[name] = {
                "layer": self.layer_of(name), "avg_k": self.avg_k[:, index].tolist(),
                "max_k": self.max_k[:, index].tolist(), "power_w": self.power_w[:, index].tolist(),
                "leakage_w": self.leakage_w[:, index].tolist(),
            }  # fmt: skip
        return {
            "blocks": blocks, "max_k": self.hottest_k.tolist(), "times_s": self.times_s.tolist(),
            "ambient_k": self.model.ambient_k, "energy_j": self.energy_j, "solver": self.model.solver,
            "method": self.method,
        }  # fmt: skip
