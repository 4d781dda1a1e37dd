"""Training as a whole: a network by itself, then in pipelines; and the file that keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from archsim.analog.nnadc.fabricate import neuron_gain
from archsim.analog.nnadc.spec import Adc, Network
from archsim.analog.nnadc.training import Plan, Trainer
from archsim.analog.nnadc.tuning import Tuner
from archsim.analog.threads import one_thread


@dataclass(frozen=True)
class Trained:
    """A training: the specification with the new network, and how it went.

    Attributes
    ----------
    adc : Adc
    losses : list of float
        Of each step.
    reach_before, reach_after : float
        Mean largest residue of pipelines (references) before and after fine-tuning; 0 of a single stage.
    """

    adc: Adc
    losses: list[float]
    reach_before: float
    reach_after: float


def train(adc: Adc, command: str = "") -> Trained:
    """Train the network of a converter for its cells and circuit, deterministic by ``network.training.seed``."""
    circuit = adc.circuit
    sigma = circuit.inverter_offset_v / (circuit.reference_v / 2.0)
    trainer = Trainer(Plan(adc.network.training, adc.cell, neuron_gain(adc), sigma))
    with one_thread():
        losses = trainer.run()
        tuner = Tuner(adc, trainer.levels())
        before, after = tuner.run(adc.network.training.tuning)
    network: dict[str, Any] = {
        "command": command,
        "training": adc.network.training.to_dict(),
        "cell_bits": adc.cell.bits,
        "hidden_levels": tuner.levels[0].tolist(),
        "plus_levels": tuner.levels[1][0].tolist(),
        "minus_levels": tuner.levels[1][1].tolist(),
    }
    data = adc.to_dict() | {"network": Network.from_dict(network, "network").to_dict()}
    return Trained(Adc.from_dict(data, "trained"), losses, before, after)
