"""Slow definitions of the column unit, one request, one column and one cell at a time, from docs/nnadc.md."""

from math import floor


def stored_digits(value, step, element_bits, cell_bits):
    """Return the digits of an element with its offset, lowest first."""
    return digits(round(value / step) + 2 ** (element_bits - 1), -(-element_bits // cell_bits), cell_bits)


def digits(number, count, cell_bits):
    """Return so many digits of a number, lowest first."""
    found = []
    for _ in range(count):
        found.append(number % 2**cell_bits)
        number //= 2**cell_bits
    assert number == 0
    return found


def paired_digits(value, step, element_bits, cell_bits):
    """Return the digits of an element on a dual path: each of plus, then of minus."""
    number, count = round(value / step), -(-(element_bits - 1) // cell_bits)
    plus, minus = digits(max(number, 0), count, cell_bits), digits(max(-number, 0), count, cell_bits)
    return [level for pair in zip(plus, minus, strict=True) for level in pair]


def code(x, bits):
    """Return the code of an ideal converter."""
    return min(max(floor(x * 2**bits), 0), 2**bits - 1)


def passes(unit, request):
    """Return (tile, rows of the table) of each read of a request."""
    found, left = [], list(request)
    while left:
        together = sorted(set(left))
        for row in together:
            left.remove(row)
        for tile in sorted({row // unit.rows_per_tile for row in together}):
            found.append((tile, [row for row in together if row // unit.rows_per_tile == tile]))
    return found


def converted(x, bits):
    """Return what an ideal converter makes of an input."""
    return x if bits is None else (code(x, bits) + 0.5) / 2**bits


def read_digit(unit, g_s, rows, column, bits):
    """Return the sum of digits of one column, from conductances ``g_s`` of the whole table."""
    cell, full_a = unit.cell, unit.full_scale_a
    level = (cell.g_max_s - cell.g_min_s) / (2**cell.bits - 1)
    if unit.signed == "dual-path":
        plus = sum(unit.read_v * g_s[row][2 * column] for row in rows)
        minus = sum(unit.read_v * g_s[row][2 * column + 1] for row in rows)
        x = converted(0.5 + (plus - minus) / full_a / 2, bits)
        return round((2 * x - 1) * full_a / unit.read_v / level)
    x = converted(sum(unit.read_v * g_s[row][column] for row in rows) / full_a, bits)
    return round((x * full_a / unit.read_v - len(rows) * cell.g_min_s) / level)


def pooled(unit, conductances, requests, bits=None):
    """Return the sums of requests, in units of the table.

    ``conductances`` are those of the whole table in each read, in the order of the reads.
    """
    conductances, sums = iter(conductances), []
    for request in requests:
        total = [0] * unit.elements
        for _, rows in passes(unit, request):
            g_s = next(conductances)
            for element in range(unit.elements):
                for digit in range(unit.slices):
                    column = element * unit.slices + digit
                    total[element] += read_digit(unit, g_s, rows, column, bits) * 2 ** (
                        unit.cell.bits * digit
                    )
                if unit.signed == "offset":
                    total[element] -= len(rows) * 2 ** (unit.element_bits - 1)
        sums.append([each * unit.step for each in total])
    assert next(conductances, None) is None
    return sums


def fitted(found, on, true, hold):
    """Return gain and part per row of a column that fit what was read to what is true, by the normal equations."""
    a = sum(x * x for x in found) + hold * (sum(k * k for k in on) + 1)
    b = sum(x * k for x, k in zip(found, on, strict=True))
    c = sum(k * k for k in on) * (1 + hold) + hold
    p = sum(x * (t - x) for x, t in zip(found, true, strict=True))
    q = sum(k * (t - x) for x, k, t in zip(found, on, true, strict=True))
    below = a * c - b * b
    return 1 + (p * c - q * b) / below, (q * a - p * b) / below
