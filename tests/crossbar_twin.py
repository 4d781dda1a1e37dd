"""Slow twin of a crossbar: named nodes and resistors after docs/analog.md, one dense system, nothing clever."""

import numpy as np


def resistors(g, wires, tied=False):
    """Yield (node, node, ohm) of the whole circuit; sources are "in0", "in1", ...; ground is "gnd".

    With ``tied`` ends all bit lines end in one node.
    """
    m, n = g.shape
    for i in range(m):
        yield f"in{i}", f"driven{i}", wires.r_driver_ohm
        before = f"driven{i}"
        for j in range(n):
            yield before, f"w{i},{j}", wires.r_word_ohm
            before = f"w{i},{j}"
    for j in range(n):
        for i in range(m):
            yield f"w{i},{j}", f"b{i},{j}", 1.0 / g[i, j]
            below = f"b{i + 1},{j}" if i + 1 < m else f"end{j}"
            yield f"b{i},{j}", below, wires.r_bit_ohm
        if wires.output == "current":
            yield f"end{j}", f"sensed{j}", wires.r_sense_ohm
            yield f"sensed{j}", "gnd", 0.0
        elif wires.g_load_s:
            yield f"end{j}", "gnd", 1.0 / wires.g_load_s
        if tied:
            yield f"end{j}", "end0", 0.0


class _Joined:
    """Names of nodes that no resistance separates."""

    def __init__(self):
        self._parent = {}

    def find(self, name):
        while self._parent.get(name, name) != name:
            name = self._parent[name]
        return name

    def join(self, one, other):
        one, other = self.find(one), self.find(other)
        if one == other:
            return
        # Sources and ground keep their names.
        if one.startswith(("in", "gnd")):
            one, other = other, one
        self._parent[one] = other


def _circuit(g, wires, v, tied=False):
    """Return the resistors between joined nodes, the known potentials, and which resistor is which cell."""
    parts = list(resistors(g, wires, tied))
    joined = _Joined()
    for one, other, ohm in parts:
        if ohm == 0.0:
            joined.join(one, other)
    known = {"gnd": 0.0} | {f"in{i}": float(value) for i, value in enumerate(v)}
    left = [
        (joined.find(one), joined.find(other), 1.0 / ohm, one[0] == "w" and other[0] == "b")
        for one, other, ohm in parts
        if ohm
    ]
    names = {name for part in left for name in part[:2]} - set(known)
    return left, known, sorted(names), joined


def _potentials(left, known, names, current, slope, start):
    """Find the potentials at which no current is left over, by undamped Newton steps on a dense matrix."""
    place = {name: k for k, name in enumerate(names)}
    potential = dict(known) | dict(start)
    for _ in range(100):
        matrix, right = np.zeros((len(names), len(names))), np.zeros(len(names))
        for one, other, g, is_cell in left:
            over = potential[one] - potential[other]
            flows, rises = (g * current(over), g * slope(over)) if is_cell else (g * over, g)
            for name, sign in ((one, 1.0), (other, -1.0)):
                if name in place:
                    right[place[name]] -= sign * flows
                    for k, other_sign in ((one, 1.0), (other, -1.0)):
                        if k in place:
                            matrix[place[name], place[k]] += sign * other_sign * rises
        change = np.linalg.solve(matrix, right) if names else np.zeros(0)
        for name in names:
            potential[name] += change[place[name]]
        if np.abs(change).max(initial=0.0) < 1e-15:
            break
    return potential


def _read(g, wires, potential, joined, current):
    m, n = g.shape
    at = {name: potential[joined.find(name)] for name in _node_names(m, n, wires)}
    if wires.output == "voltage":
        return np.array([at[f"end{j}"] for j in range(n)])
    # All the current of a bit line came through its cells.
    return np.array(
        [sum(g[i, j] * current(at[f"w{i},{j}"] - at[f"b{i},{j}"]) for i in range(m)) for j in range(n)]
    )


def _node_names(m, n, wires):
    yield from (f"{line}{i},{j}" for line in "wb" for i in range(m) for j in range(n))
    yield from (f"end{j}" for j in range(n))


def outputs(g, wires, v):
    """Return the outputs for one input: currents into the ends of the bit lines, or their voltages."""
    left, known, names, joined = _circuit(g, wires, v)
    potential = _potentials(left, known, names, lambda u: u, lambda u: 1.0, dict.fromkeys(names, 0.0))
    return _read(g, wires, potential, joined, lambda u: u)


def tied_output(g, wires, v):
    """Return the voltage of the one node in which all bit lines end."""
    left, known, names, joined = _circuit(g, wires, v, tied=True)
    potential = _potentials(left, known, names, lambda u: u, lambda u: 1.0, dict.fromkeys(names, 0.0))
    return potential[joined.find("end0")]


def sinh_outputs(g, wires, v, sinh_v):
    """Return the outputs of cells with the current g V0 sinh(V / V0), bent little by little from linear ones."""
    left, known, names, joined = _circuit(g, wires, v)
    potential = dict.fromkeys(names, 0.0)
    for bend in np.geomspace(max(10.0, sinh_v), sinh_v, 40):
        start = {name: potential[name] for name in names}
        potential = _potentials(
            left, known, names, lambda u, b=bend: b * np.sinh(u / b), lambda u, b=bend: np.cosh(u / b), start
        )
    return _read(g, wires, potential, joined, lambda u: sinh_v * np.sinh(u / sinh_v))
