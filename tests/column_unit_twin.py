"""Slow definitions of the column unit, one request, one column and one cell at a time, from docs/nnadc.md."""

from math import floor


def stored_digits(value, step, element_bits, cell_bits):
    """Return the digits of an element, lowest first."""
    number = round(value / step) + 2 ** (element_bits - 1)
    digits = []
    for _ in range(-(-element_bits // cell_bits)):
        digits.append(number % 2**cell_bits)
        number //= 2**cell_bits
    assert number == 0
    return digits


def code(x, bits):
    """Return the code of an ideal converter."""
    return min(max(floor(x * 2**bits), 0), 2**bits - 1)


def pooled(unit, g_s, request, bits=None):
    """Return the sum of a request from conductances ``g_s``, in units of the table."""
    cell, sums = unit.cell, []
    level = (cell.g_max_s - cell.g_min_s) / (cell.levels - 1)
    for element in range(unit.elements):
        total = 0
        for digit in range(unit.slices):
            current = 0.0
            for row in request:
                current += unit.read_v * g_s[row][element * unit.slices + digit]
            x = current / (unit.read_v * cell.g_max_s * unit.most_rows)
            if bits is not None:
                x = (code(x, bits) + 0.5) / 2**bits
            conductance = x * cell.g_max_s * unit.most_rows
            total += round((conductance - len(request) * cell.g_min_s) / level) * 2 ** (cell.bits * digit)
        sums.append((total - len(request) * 2 ** (unit.element_bits - 1)) * unit.step)
    return sums
