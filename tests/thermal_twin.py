"""The thermal network written out node by node from docs/thermal.md: dense matrices, loops, no solver of archsim."""

import itertools

import numpy as np
from hypothesis import strategies as st

from archsim.thermal import Stack

COPPER = {"name": "cu", "conductivity_w_mk": 400.0, "heat_capacity_j_m3k": 3.5e6}
SILICON = {"name": "si", "conductivity_w_mk": 130.0, "heat_capacity_j_m3k": 1.6e6}
GLUE = {"name": "glue", "conductivity_w_mk": 1.0, "lateral_w_mk": 0.4, "heat_capacity_j_m3k": 2.0e6}


def overlap(low, high, start, stop):
    return max(0.0, min(high, stop) - max(low, start))


class Twin:
    """C dT/dt = P - G T for the cells of a stack, then its lumps; T above ambient."""

    def __init__(self, stack, nx, ny):
        self.stack, self.nx, self.ny = stack, nx, ny
        w, h = stack.width_mm / nx, stack.height_mm / ny
        self.boxes = [
            (x * w, (x + 1) * w, y * h, (y + 1) * h) for y, x in itertools.product(range(ny), range(nx))
        ]
        self.area, dx, dy = w * h * 1e-6, w * 1e-3, h * 1e-3
        layers = [layer for layer in stack.layers for _ in range(layer.sublayers)]
        rows = [(layer, layer.thickness_um * 1e-6 / layer.sublayers) for layer in layers]
        self.rows = rows
        cells, lumps = nx * ny, [*stack.top.package, *stack.bottom.package]
        size = len(rows) * cells + len(lumps)
        G, C = np.zeros((size, size)), np.zeros(size)

        def join(a, b, conductance):
            if b is not None:
                G[b, b] += conductance
                G[a, b] -= conductance
                G[b, a] -= conductance
            G[a, a] += conductance

        made = [[self.made_of(layer, box) for box in self.boxes] for layer, _ in rows]
        for z, (_, t) in enumerate(rows):
            for i, (along, down, held) in enumerate(made[z]):
                here = z * cells + i
                C[here] = held * t * self.area
                x, y = i % nx, i // nx
                for there, far, wide, ends in ((i + 1, dx, dy, x + 1 == nx), (i + nx, dy, dx, y + 1 == ny)):
                    if ends:
                        continue
                    other = made[z][there][0]
                    if along and other:
                        join(here, z * cells + there, t * wide / (far / 2 / along + far / 2 / other))
                if z + 1 < len(rows):
                    below, t2 = made[z + 1][i][1], rows[z + 1][1]
                    join(here, here + cells, self.area / (t / 2 / down + t2 / 2 / below))
        at = len(rows) * cells
        self.leaving = {"top": np.zeros(size), "bottom": np.zeros(size)}
        for side, z in (("top", 0), ("bottom", len(rows) - 1)):
            face = getattr(stack, side)
            if face.resistance_k_w is None and face.coefficient_w_m2k is None:
                continue
            film = (
                cells * face.resistance_k_w
                if face.coefficient_w_m2k is None
                else 1 / face.coefficient_w_m2k / self.area
            )
            first = at if face.package else None
            for i in range(cells):
                g = 1 / (rows[z][1] / 2 / made[z][i][1] / self.area + film)
                join(z * cells + i, first, g)
                if first is None:
                    self.leaving[side][z * cells + i] = g
            for number, lump in enumerate(face.package):
                C[at] = lump.capacity_j_k
                last = number + 1 == len(face.package)
                join(at, None if last else at + 1, 1 / lump.resistance_k_w)
                if last:
                    self.leaving[side][at] = 1 / lump.resistance_k_w
                at += 1
        self.G, self.C = G, C

    def made_of(self, layer, box):
        """Mean conductivity along and down, and heat capacity, by share of area."""
        stack = self.stack
        die = stack.die_of(layer)
        whole = (box[1] - box[0]) * (box[3] - box[2])

        def share(x, y, w, h):
            return overlap(box[0], box[1], x, x + w) * overlap(box[2], box[3], y, y + h) / whole

        def values(name):
            m = stack.material(name)
            return np.array(
                [
                    m.conductivity_w_mk if m.lateral_w_mk is None else m.lateral_w_mk,
                    m.conductivity_w_mk,
                    m.heat_capacity_j_m3k,
                ]
            )

        inside = share(die.x, die.y, die.width, die.height)
        fill = values(layer.die.fill) if layer.die is not None else values(layer.material)
        found = fill * (1 - inside) + values(layer.material) * inside
        for region in layer.regions:
            x, y, w, h = region.within(die.width, die.height)
            found += (values(region.material) - values(layer.material)) * share(die.x + x, die.y + y, w, h)
        return found

    def weights(self):
        """How a watt of each block, or the reading of its mean, is spread over the nodes."""
        cells, out, z = self.nx * self.ny, [], 0
        for layer in self.stack.layers:
            die = self.stack.die_of(layer)
            for block in layer.blocks:
                x, y, w, h = block.within(die.width, die.height)
                row = np.zeros(len(self.C))
                for i, box in enumerate(self.boxes):
                    covered = overlap(box[0], box[1], die.x + x, die.x + x + w) * overlap(
                        box[2], box[3], die.y + y, die.y + y + h
                    )
                    for s in range(layer.sublayers):
                        row[(z + s) * cells + i] = covered / (w * h) / layer.sublayers
                out.append(row)
            z += layer.sublayers
        return np.array(out)

    def steady(self, watts):
        return np.linalg.solve(self.G, watts @ self.weights())

    def transient(self, start, watts, time):
        """The exact solution by the eigenvectors of the whole system."""
        root = np.sqrt(self.C)
        rates, vectors = np.linalg.eigh(self.G / np.outer(root, root))
        end = self.steady(watts)
        return end + (vectors * np.exp(-rates * time)) @ (vectors.T @ (root * (start - end))) / root

    def implicit(self, start, watts, dt, steps, theta=1.0):
        """Backward Euler (theta 1) or Crank-Nicolson (1/2)."""
        power, state = watts @ self.weights(), start
        for _ in range(steps):
            right = power + self.C / dt * state - (1 - theta) * self.G @ state
            state = np.linalg.solve(np.diag(self.C / dt) + theta * self.G, right)
        return state


@st.composite
def stacks(draw, uniform=False):
    """Draw a small stack with anything that a stack can have, but HotSpot's heat sink."""
    number = st.floats(0.5, 2.0)
    width, height = 4.0 * draw(number), 3.0 * draw(number)
    layers, count = [], draw(st.integers(1, 4))
    for index in range(count):
        layer = {
            "name": f"l{index}",
            "thickness_um": 100.0 * draw(number),
            "material": draw(st.sampled_from(["si", "cu", "glue"])),
            "sublayers": draw(st.integers(1, 3)),
        }
        w, h = width, height
        if not uniform and draw(st.booleans()):
            w, h = width * draw(st.floats(0.4, 0.8)), height * draw(st.floats(0.4, 0.8))
            x, y = (width - w) * draw(st.floats(0, 1)), (height - h) * draw(st.floats(0, 1))
            layer["die"] = {"x_mm": x, "y_mm": y, "width_mm": w, "height_mm": h, "fill": "glue"}
        if index == 0 or draw(st.booleans()):
            cut = w * draw(st.floats(0.2, 0.8))
            layer["blocks"] = [
                {"name": f"west{index}", "width_mm": cut, "power_w": draw(st.floats(0, 2))},
                {"name": f"east{index}", "x_mm": cut, "power_w": draw(st.floats(0.1, 2))},
            ]
        if not uniform and draw(st.booleans()):
            layer["regions"] = [
                {
                    "name": "r",
                    "x_mm": 0.3 * w,
                    "height_mm": 0.6 * h,
                    "material": draw(st.sampled_from(["cu", "si"])),
                }
            ]
        layers.append(layer)
    faces = {}
    for side in draw(st.sampled_from([("bottom",), ("top",), ("top", "bottom")])):
        face = draw(
            st.sampled_from([{"resistance_k_w": 5.0}, {"coefficient_w_m2k": 2e4}, {"resistance_k_w": 0.0}])
        )
        chain = [{"capacity_j_k": 0.01, "resistance_k_w": 3.0}, {"capacity_j_k": 0.1, "resistance_k_w": 9.0}]
        faces[side] = {**face, "package": chain[: draw(st.integers(0, 2))]}
    table = {
        "name": "drawn",
        "width_mm": width,
        "height_mm": height,
        "materials": [SILICON, COPPER, GLUE],
        "layers": layers,
    }
    return Stack.from_dict({**table, **faces}, "drawn")
