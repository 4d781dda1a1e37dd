"""The resistor network of a crossbar, branch by branch: for the sparse solution, nonlinear cells and netlists.

Lines without resistance are one node. This is not the way `elimination` goes: the two are checked against each other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from archsim.analog.elimination import Ends
from archsim.errors import InputError

if TYPE_CHECKING:
    from scipy.sparse import csc_matrix

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Solver = Callable[[F64, Ends], F64]

GROUND = -1
#: Newton stops when no node's current is out of balance by more than this share of the currents that meet in it.
TOLERANCE = 1e-13
MOST_STEPS = 200
#: Largest voltage over V0 of a sinh cell; beyond, its current grows by more than 10**17.
MOST_SINH = 40.0


@dataclass(frozen=True)
class Network:
    """Nodes and branches. Node ``GROUND`` is 0 V; nodes ``free`` and above are the sources, one per word line.

    Attributes
    ----------
    free : int
        Nodes whose potential is to be found.
    word, bit : ndarray of int64, shape (m, n)
        Node of each end of each cell.
    start, end : ndarray of int64, shape (branches,)
        Ends of the resistors of lines, drivers and ends.
    conductance_s : ndarray of float64, shape (branches,)
        Of these resistors.
    outputs : ndarray of int64, shape (n,)
        Node at the end of each bit line, or GROUND where it ends in a virtual ground.
    """

    free: int
    word: I64
    bit: I64
    start: I64
    end: I64
    conductance_s: F64
    outputs: I64

    @property
    def sources(self) -> I64:
        """Node of the source of each word line."""
        return self.free + np.arange(len(self.word))


def build(shape: tuple[int, int], ends: Ends) -> Network:
    """Lay out the network of an ``m x n`` crossbar."""
    m, n = shape
    rows, columns = np.indices(shape)
    nodes = 0
    ideal_word = ends.r_word_ohm == 0.0 and ends.r_driver_ohm == 0.0
    if ends.r_word_ohm > 0.0:
        word, nodes = rows * n + columns, m * n
    elif not ideal_word:
        word, nodes = rows.copy(), m
    else:
        word = rows.copy()  # the sources themselves; their number is added at the end
    if ends.r_bit_ohm > 0.0:
        bit, nodes = nodes + rows * n + columns, nodes + m * n
    elif np.isinf(ends.end_s):
        bit = np.full(shape, GROUND)
    else:
        bit, nodes = nodes + columns, nodes + n
    separate = ends.r_bit_ohm > 0.0 and not np.isinf(ends.end_s)
    outputs = nodes + np.arange(n) if separate else (bit[-1] if ends.r_bit_ohm == 0.0 else np.full(n, GROUND))
    nodes += n if separate else 0
    if ideal_word:
        word = word + nodes
    branches = _branches(word, bit, outputs, nodes, ends)
    start, end, conductance = (np.concatenate(part) for part in zip(*branches, strict=True))
    return Network(nodes, word, bit, start, end, conductance, outputs)


def _branches(word: I64, bit: I64, outputs: I64, free: int, ends: Ends) -> list[tuple[I64, I64, F64]]:
    """Return the resistors of the lines as (start, end, conductance)."""
    m, n = word.shape
    none = np.zeros(0, np.int64)
    found: list[tuple[I64, I64, F64]] = [(none, none, np.zeros(0))]

    def add(start: I64, end: I64, conductance: float) -> None:
        found.append((start.reshape(-1), end.reshape(-1), np.full(start.size, conductance)))

    into = ends.r_word_ohm + ends.r_driver_ohm
    if into > 0.0:
        add(free + np.arange(m), word[:, 0], 1.0 / into)
    if ends.r_word_ohm > 0.0:
        add(word[:, :-1], word[:, 1:], 1.0 / ends.r_word_ohm)
    if ends.r_bit_ohm > 0.0:
        add(bit[:-1], bit[1:], 1.0 / ends.r_bit_ohm)
        add(bit[-1], outputs, 1.0 / ends.r_bit_ohm)
    if 0.0 < ends.end_s < np.inf:
        add(outputs, np.full(n, GROUND), ends.end_s)
    return found


def _matrix(network: Network, cells_s: F64) -> tuple[csc_matrix, Any]:
    """Return the matrix of the free nodes and the one that turns source voltages into currents."""
    from scipy.sparse import csc_matrix

    start = np.concatenate([network.start, network.word.reshape(-1)])
    end = np.concatenate([network.end, network.bit.reshape(-1)])
    g = np.concatenate([network.conductance_s, cells_s.reshape(-1)])
    size = network.free + len(network.word)
    rows, columns, values = [], [], []
    for one, other in ((start, end), (end, start)):
        kept = one != GROUND
        rows.append(one[kept])
        columns.append(one[kept])
        values.append(g[kept])
        kept &= other != GROUND
        rows.append(one[kept])
        columns.append(other[kept])
        values.append(-g[kept])
    parts = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    whole = csc_matrix(parts, shape=(size, size))
    return whole[: network.free, : network.free], whole[: network.free, network.free :]


def _factor(matrix: csc_matrix) -> Any:
    from scipy.sparse.linalg import splu

    try:
        return splu(
            matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
        )
    except RuntimeError:
        raise InputError("the crossbar has no unique solution in double precision") from None


def _read_out(network: Network, cells_a: F64, potentials: F64, ends: Ends) -> F64:
    """Return what ends the bit lines: currents, or potentials without a conductance to ground.

    ``potentials`` has the shape (inputs, nodes), ``cells_a`` the shape (inputs, m, n).
    """
    found: F64
    if ends.end_s == 0.0:
        found = potentials[:, network.outputs]
    elif not np.isinf(ends.end_s):
        found = potentials[:, network.outputs] * ends.end_s
    elif ends.r_bit_ohm == 0.0:
        found = cells_a.sum(axis=1)
    else:
        found = potentials[:, network.bit[-1]] / ends.r_bit_ohm
    return found


def _cell_voltages(network: Network, potentials: F64) -> F64:
    """Return the voltages over the cells, shape (inputs, m, n)."""
    grounded = np.concatenate([potentials, np.zeros((len(potentials), 1))], axis=1)  # node -1
    found: F64 = grounded[:, network.word] - grounded[:, network.bit]
    return found


def solve_linear(g: F64, ends: Ends, v: F64) -> F64:
    """Solve for every input directly.

    Parameters
    ----------
    g : ndarray of float64, shape (m, n)
    ends : Ends
    v : ndarray of float64, shape (inputs, m)

    Returns
    -------
    ndarray of float64, shape (inputs, n)
        As `elimination.transfer_of_ends` counts it.
    """
    network = build((g.shape[0], g.shape[1]), ends)
    potentials = _potentials(network, g, v)
    return _read_out(network, g * _cell_voltages(network, potentials), potentials, ends)


def _potentials(network: Network, g: F64, v: F64) -> F64:
    if not network.free:
        return v.copy()
    matrix, drive = _matrix(network, g)
    inside = _factor(matrix).solve(-np.asarray(drive @ v.T))
    return np.concatenate([inside.T, v], axis=1)


def solve_sinh(g: F64, ends: Ends, v: F64, sinh_v: float) -> F64:
    """Solve for cells with the current ``g V0 sinh(V / V0)``, V0 = ``sinh_v``, by Newton's method with bisected steps.

    The potentials minimise a convex function (the co-content: half the power of the resistors and
    ``g V0**2 (cosh(V / V0) - 1)`` of the cells), so that every shortened Newton step goes towards the one solution.

    Parameters
    ----------
    g, ends, v
        As in `solve_linear`; ``g`` is the conductance at 0 V.
    sinh_v : float
        V0, in volts.

    Returns
    -------
    ndarray of float64, shape (inputs, n)

    Raises
    ------
    InputError
        For voltages beyond 40 V0, or if the steps do not end.
    """
    # No node of the network is outside the range of its sources and ground.
    span = max(0.0, float(v.max(initial=0.0))) - min(0.0, float(v.min(initial=0.0)))
    if span > MOST_SINH * sinh_v:
        raise InputError(
            f"input voltages span {span:g} V: must be at most {MOST_SINH:g} times sinh_v = {sinh_v:g} V"
        )
    network = build((g.shape[0], g.shape[1]), ends)
    potentials = _potentials(network, g, v)
    if network.free:
        potentials = np.array([_newton(network, g, each, sinh_v) for each in potentials])
    over = _cell_voltages(network, potentials)
    return _read_out(network, g * sinh_v * np.sinh(over / sinh_v), potentials, ends)


def _newton(network: Network, g: F64, start: F64, sinh_v: float) -> F64:
    """Return the potentials of one input, from those of linear cells."""
    potentials, free = start.copy(), network.free
    balance, scale, content = _balance(network, g, potentials, sinh_v)
    for _ in range(MOST_STEPS):
        if np.all(np.abs(balance) <= TOLERANCE * scale):
            return potentials
        over = _cell_voltages(network, potentials[None])[0]
        matrix, _ = _matrix(network, g * np.cosh(over / sinh_v))
        step = _factor(matrix).solve(balance)
        length, slope = 1.0, float(balance @ step)
        while True:
            tried = potentials.copy()
            tried[:free] -= length * step
            balance, scale, tried_content = _balance(network, g, tried, sinh_v)
            # The last term lets a step pass whose gain is lost in rounding.
            if tried_content <= content - 1e-4 * length * slope + 1e-14 * abs(content) or length < 1e-12:
                break
            length /= 2.0
        if np.abs(step).max() * length <= 1e-15 * max(np.abs(potentials).max(), 1e-300):
            return tried
        potentials, content = tried, tried_content
    raise InputError(f"currents of the nonlinear cells do not balance after {MOST_STEPS} Newton steps")


def _balance(network: Network, g: F64, potentials: F64, sinh_v: float) -> tuple[F64, F64, float]:
    """Return the currents that leave each free node, the sum of their sizes, and the co-content."""
    size = len(potentials) + 1  # the last is ground, which -1 finds
    grounded = np.append(potentials, 0.0)
    over = grounded[network.start] - grounded[network.end]
    cell_over = (grounded[network.word] - grounded[network.bit]).reshape(-1) / sinh_v
    current = np.concatenate([network.conductance_s * over, g.reshape(-1) * sinh_v * np.sinh(cell_over)])
    start = np.concatenate([network.start, network.word.reshape(-1)])
    end = np.concatenate([network.end, network.bit.reshape(-1)])
    out, into = (np.bincount(node % size, current, size) for node in (start, end))
    meeting = sum(np.bincount(node % size, np.abs(current), size) for node in (start, end))
    half = np.sinh(cell_over / 2.0)
    content = 0.5 * float(network.conductance_s @ (over * over))
    content += sinh_v * sinh_v * float(g.reshape(-1) @ (2.0 * half * half))  # cosh(x) - 1 = 2 sinh(x / 2)**2
    free = slice(network.free)
    return np.asarray(out - into, np.float64)[free], np.asarray(meeting, np.float64)[free], content
