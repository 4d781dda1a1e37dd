"""Slow definitions of stages and pipelines, one sample and one cell at a time, from docs/nnadc.md."""

from math import sqrt


def column(conductances, voltages):
    """Return the open-circuit voltage of a column."""
    total = sum(conductances)
    return sum(g * v for g, v in zip(conductances, voltages, strict=True)) / total


def outputs(network, v):
    """Return what the comparators of a network see at one input."""
    lines = []
    for cells, offset in zip(network.hidden_s, network.neuron_offset, strict=True):
        z = network.gain * (column(cells, [v, -v, 1.0, -1.0]) + offset)
        lines.append(z / sqrt(1.0 + z * z))
    lines += [1.0, -1.0]
    plus, minus = network.output_s
    pairs = zip(plus, minus, network.comparator_offset, strict=True)
    return [column(up, lines) - column(down, lines) + offset for up, down, offset in pairs]


def residue(r, v, bits):
    """Return the residue of one sample without noise; ``bits`` as 0 and 1."""
    o = r.signal * v - sum(weight * (2 * bit - 1) for weight, bit in zip(r.bit, bits, strict=True))
    y = r.gain * (o + r.offset)
    swung = max(-r.swing, min(r.swing, y))
    y = y / (1.0 + 1.0 / (r.loop * (1.0 - r.fall * swung**2)))
    return min(max(y, -r.swing), r.swing)


def residue_variance(r, v, bits):
    """Return the variance of the residue's noise."""
    o = r.signal * v - sum(weight * (2 * bit - 1) for weight, bit in zip(r.bit, bits, strict=True))
    read = r.signal_noise * (v - o) ** 2
    for square, bit in zip(r.bit_noise, bits, strict=True):
        read += square * ((1 - 2 * bit) - o) ** 2
    return r.thermal**2 + r.gain**2 * read


def value(networks, converter, x):
    """Return the value of one sample without noise, straight through the networks."""
    v, total, at = 2.0 * x - 1.0, converter.constant, 0
    for network, stage in zip(networks, converter.stages, strict=True):
        bits = [int(y > 0.0) for y in outputs(network, v)]
        for bit in bits:
            total += converter.weights[at] * bit
            at += 1
        if stage.residue is not None:
            v = residue(stage.residue, v, bits)
    return total


def path_output(path, v):
    """Return what an amplified path puts out at one input, without noise."""
    u = path.gain * (v + 1.0 + path.offset) + path.bottom
    swung = max(-path.swing, min(path.swing, u))
    y = u / (1.0 + 1.0 / (path.loop * (1.0 - path.fall * swung**2)))
    return min(max(y, -path.swing), path.swing)


def path_taken(paths, v):
    """Return the number of the path that the comparators take, 0 for the direct one, and what it hands on."""
    for number in range(len(paths), 0, -1):
        y = path_output(paths[number - 1], v)
        if y < paths[number - 1].below:
            return number, y
    return 0, v


def value_behind_front(networks, converter, x):
    """Return the value of one sample without noise, through the front and the networks."""
    number, v = path_taken(converter.paths, 2.0 * x - 1.0)
    return converter.scales[number] * value(networks, converter, (v + 1.0) / 2.0) + converter.shifts[number]
