"""What the components of a converter cost. Every value is a parameter; the presets say where it is from."""

from __future__ import annotations

from archsim.spec import Spec, quantity


class Cost(Spec):
    """Energy, current, delay and area of components."""

    gm_over_id_per_v: float = quantity("1/V", "transconductance of amplifiers per ampere", gt=0, le=40)
    branches: float = quantity(
        "", "supply current of an amplifier over that of one input transistor", gt=0, le=100
    )
    inverter_current_a: float = quantity("A", "crowbar current of a neuron while it decides", ge=0, le=1)
    inverter_delay_s: float = quantity("s", "of a neuron", ge=0, le=1)
    comparator_j: float = quantity("J", "energy of a decision", ge=0, le=1)
    comparator_delay_s: float = quantity("s", "of a decision", ge=0, le=1)
    adder_j: float = quantity("J", "energy of adding one digital weight", ge=0, le=1)
    cell_f: float = quantity("F", "load of one cell on its column", ge=0, le=1)
    cell_um2: float = quantity("um2", "area of a cell with its transistor", ge=0, le=1e6)
    inverter_um2: float = quantity("um2", "area of a neuron", ge=0, le=1e6)
    comparator_um2: float = quantity("um2", "area of a comparator", ge=0, le=1e6)
    amplifier_um2: float = quantity("um2", "area of an amplifier without its capacitors", ge=0, le=1e9)
    capacitor_f_per_um2: float = quantity("F/um2", "density of capacitors", gt=0, le=1)
    adder_um2: float = quantity("um2", "area of the logic per digital weight", ge=0, le=1e6)
