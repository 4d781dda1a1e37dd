"""Crossbars against ngspice, where there is one; and its netlists and result files, everywhere."""

import struct

import numpy as np
import pytest

from archsim.analog import Crossbar, Wires, netlist, ngspice_outputs
from archsim.analog.netlist import ngspice_path, read_raw, run_ngspice
from archsim.errors import InputError

needs_ngspice = pytest.mark.skipif(
    ngspice_path() is None, reason="there is no ngspice (Debian package ngspice)"
)

#: Wires of one ohm per segment, and all kinds of ends.
AROUND = {
    "virtual ground": Wires(r_word_ohm=1.0, r_bit_ohm=1.0),
    "drivers and sense resistors": Wires(r_word_ohm=1.0, r_bit_ohm=2.0, r_driver_ohm=30.0, r_sense_ohm=50.0),
    "voltage": Wires(r_word_ohm=1.0, r_bit_ohm=2.0, output="voltage"),
    "voltage with a load": Wires(r_word_ohm=1.0, r_bit_ohm=2.0, output="voltage", g_load_s=1e-5),
    "word lines alone": Wires(r_word_ohm=1.0),
    "bit lines alone": Wires(r_bit_ohm=1.0, r_sense_ohm=5.0),
    "drivers alone": Wires(r_driver_ohm=30.0),
    "ideal": Wires(),
}


def crossbar(shape, around, seed=0):
    return Crossbar(np.random.default_rng(seed).uniform(1e-6, 1e-4, shape), around)


def inputs(m):
    return np.random.default_rng(9).uniform(0.05, 0.3, m)


@needs_ngspice
class TestAgainstNgspice:
    @pytest.mark.parametrize("name", AROUND)
    @pytest.mark.parametrize("shape", [(8, 8), (5, 11), (1, 3), (4, 1)])
    def test_linear_cells_have_its_outputs(self, name, shape):
        tile, v = crossbar(shape, AROUND[name]), inputs(shape[0])
        assert tile.outputs(v) == pytest.approx(ngspice_outputs(tile, v), rel=1e-10)

    @pytest.mark.parametrize("size", [16, 32])
    @pytest.mark.parametrize("output", ["current", "voltage"])
    def test_linear_cells_have_its_outputs_up_to_32_lines(self, size, output):
        tile, v = (
            crossbar((size, size), Wires(r_word_ohm=1.0, r_bit_ohm=1.0, output=output), size),
            inputs(size),
        )
        expected = ngspice_outputs(tile, v)
        assert tile.outputs(v) == pytest.approx(expected, rel=1e-10)
        assert tile.solve_direct(v) == pytest.approx(expected, rel=1e-10)
        # The wires matter: without them the outputs are others.
        assert np.abs(tile.ideal().outputs(v) / expected - 1).max() > 1e-4

    @pytest.mark.parametrize("name", AROUND)
    @pytest.mark.parametrize("sinh_v", [0.05, 0.3])
    def test_nonlinear_cells_have_its_outputs(self, name, sinh_v):
        tile, v = crossbar((6, 5), AROUND[name], 3), inputs(6)
        expected = ngspice_outputs(tile, v, sinh_v)
        assert tile.solve_sinh(v, sinh_v) == pytest.approx(expected, rel=1e-9)

    def test_what_it_refuses_is_said(self):
        with pytest.raises(InputError, match="ngspice: "):
            run_ngspice("* two sources\nV1 a 0 1\nV2 a 0 2\n.op\n.end\n")

    def test_what_takes_too_long_is_ended(self):
        with pytest.raises(InputError, match=r"ngspice: ended after 0\.001 s"):
            run_ngspice(netlist(crossbar((32, 32), AROUND["voltage"]), inputs(32)), timeout_s=0.001)


class TestNetlists:
    def test_a_netlist_holds_each_part_once(self):
        text = netlist(crossbar((3, 2), AROUND["drivers and sense resistors"]), inputs(3))
        names = [line.split()[0] for line in text.splitlines()[1:] if line[:1] in "VRB"]
        assert len(names) == len(set(names))
        counts = {
            kind: sum(name.startswith(kind) for name in names)
            for kind in ("Vin", "Rd", "Rw", "Rb", "RG", "Rs")
        }
        assert counts == {"Vin": 3, "Rd": 3, "Rw": 6, "Rb": 6, "RG": 6, "Rs": 2}
        assert text.endswith(".op\n.end\n")

    def test_lines_without_resistance_are_one_node(self):
        text = netlist(crossbar((2, 2), Wires()), [0.1, 0.2])
        cells = [line.split()[:3] for line in text.splitlines() if line.startswith("RG")]
        assert cells == [[f"RG{i}_{j}", f"in{i}", f"out{j}"] for i in (0, 1) for j in (0, 1)]

    def test_numbers_keep_all_their_digits(self):
        text = netlist(Crossbar([[1 / 3e5]], Wires()), [0.1 + 0.2])
        assert f"DC {0.1 + 0.2!r}" in text
        assert f" {1.0 / (1 / 3e5)!r}" in text

    def test_it_takes_one_input(self):
        with pytest.raises(InputError, match=r"input of shape \(2, 3\): a netlist holds one of shape \(3,\)"):
            netlist(crossbar((3, 2), Wires()), np.ones((2, 3)))

    def test_without_ngspice_it_says_where_to_get_it(self, monkeypatch):
        monkeypatch.setenv("PATH", "")
        with pytest.raises(
            InputError, match="ngspice: not found; Debian and Ubuntu have it as the package ngspice"
        ):
            run_ngspice("")


class TestResultFiles:
    HEAD = (
        b"Title: x\nFlags: real\nNo. Variables: 2\n"
        b"Variables:\n\t0\ti(vout0)\tcurrent\n\t1\tv(out1)\tvoltage\nBinary:\n"
    )

    def test_numbers_are_read_by_name_to_the_last_bit(self):
        assert read_raw(self.HEAD + struct.pack("=2d", 1 / 3, -1e-300)) == {
            "i(vout0)": 1 / 3,
            "v(out1)": -1e-300,
        }

    @pytest.mark.parametrize(
        "data",
        [b"", b"Variables:\n", HEAD, HEAD + b"\0" * 15, HEAD.replace(b"real", b"complex") + b"\0" * 16],
    )
    def test_anything_else_is_refused(self, data):
        with pytest.raises(InputError, match="ngspice: its result"):
            read_raw(data)
