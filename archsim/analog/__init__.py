"""Analog parts: RRAM cells, crossbars with the resistance of their wires, pipelined converters, converter tests.

>>> import numpy as np
>>> from archsim.analog import Cell, Crossbar, Wires, program
>>> cell = Cell(bits=3, g_min_s=1e-6, g_max_s=1e-4, program_sigma=0.05)
>>> tile = Crossbar(program(cell, np.arange(64).reshape(8, 8) % 8, seed=1), Wires(r_word_ohm=1.0, r_bit_ohm=1.0))
>>> bool((tile.outputs(np.full(8, 0.2)) < tile.ideal().outputs(np.full(8, 0.2))).all())
True
"""

from __future__ import annotations

from archsim.analog.crossbar import Crossbar, Wires
from archsim.analog.device import Cell, drifted, program, read, stuck
from archsim.analog.dual_path import DualPath
from archsim.analog.level_files import load_levels
from archsim.analog.netlist import netlist, ngspice_outputs
from archsim.analog.pipeline import FlashStage, Pipeline, Stage, beyond_full_scale, enob_of_residue_noise

__all__ = [
    "Cell",
    "Crossbar",
    "DualPath",
    "FlashStage",
    "Pipeline",
    "Stage",
    "Wires",
    "beyond_full_scale",
    "drifted",
    "enob_of_residue_noise",
    "load_levels",
    "netlist",
    "ngspice_outputs",
    "program",
    "read",
    "stuck",
]
