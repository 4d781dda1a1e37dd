"""Page frames: how many there are of each colour, and which one a page gets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from archsim.dram.spec import DramSpec
from archsim.spec import FieldError
from archsim.systems.placement import PARTS, Part, Placement

_WORD = 2**64


def color_masks(dram: DramSpec, page_bytes: int, part: Part) -> list[int]:
    """Return, per bit of a colour (lowest first), the mask of frame-number bits whose XOR it is.

    A colour is the number of a channel, rank, bank ... counted over the whole memory, as results count them.

    Raises
    ------
    FieldError
        When lines of one page lie on several parts of the memory, so that no frame has one colour.
    """
    organization = dram.organization
    masks = dram.address_map.masks(organization)
    inside = PARTS[: PARTS.index(part) + 1]
    access_bits, page_bits = (size.bit_length() - 1 for size in (organization.access_bytes, page_bytes))
    page_units = page_bits - access_bits
    scattered = []
    for name in inside:
        for bit, mask in enumerate(masks[name]):
            below = [f"a{place + access_bits}" for place in range(page_units) if mask >> place & 1]
            if below:
                scattered.append(f"{name}[{bit}] depends on {', '.join(below)}")
    if scattered:
        rule = (
            f"a page of {page_bytes} bytes lies on more than one {part.replace('_', ' ')}, so no page frame has one "
            f"colour: by dram.address_map, {'; '.join(scattered)}, below a{page_bits}, the lowest bit of a frame number"
        )
        raise FieldError(f"placement.color = {part!r}", rule)
    return [mask >> page_units for name in reversed(inside) for mask in masks[name]]


class Frames:
    """The page frames of a memory, by colour, and the order in which they are given away.

    With ``k`` colour bits the frames of a colour are numbered upwards; page ``n`` of a colour gets frame number
    ``permutation(n)`` of that colour. Without colours there is one colour, which all frames have.

    Attributes
    ----------
    colors : int
        Number of colours.
    counts : int64 array [colors]
        Frames of each colour.
    bits : int
        Bits of the number of a frame within its colour.
    keys : uint64 array [colors, 6], or [0, 6]
        Keys of the permutation of each colour; none: the identity.
    expand : int64 array [bytes, 256], or [0, 256]
        Contributions of each byte of the number within the colour to the frame number, combined by XOR; none: the
        number itself.
    offsets : int64 array [colors]
        What is XORed onto that for each colour.
    """

    def __init__(self, dram: DramSpec, placement: Placement) -> None:
        frames = dram.organization.capacity_bytes // placement.page_bytes
        part = placement.color_part
        masks = [] if part is None else color_masks(dram, placement.page_bytes, part)
        solution = _Solution(masks, (frames - 1).bit_length())
        self.colors = 1 << len(masks)
        self.bits = len(solution.free)
        self.offsets = np.array([solution.offset(color) for color in range(self.colors)], np.int64)
        self.expand = solution.table() if masks else np.empty((0, 256), np.int64)
        self.counts = self._counts(frames)
        streams = 0 if placement.policy == "contiguous" else self.colors
        self.keys = np.array([_page_keys(placement.seed, color) for color in range(streams)], np.uint64)
        self.keys = self.keys.reshape(streams, 6)

    def _counts(self, frames: int) -> npt.NDArray[np.int64]:
        """Count the frames of each colour by bisection: frame numbers rise with the number within the colour."""
        if not len(self.expand):  # one colour, which all frames have
            return np.full(self.colors, frames)
        low, high = np.zeros(self.colors, np.int64), np.full(self.colors, 1 << self.bits)
        while np.any(low < high):
            middle = (low + high) // 2
            parts = [part[middle >> 8 * byte & 255] for byte, part in enumerate(self.expand)]
            number = np.bitwise_xor.reduce(parts) ^ self.offsets
            inside = (number < frames) & (low < high)
            low, high = np.where(inside, middle + 1, low), np.where(inside, high, np.minimum(middle, high))
        return low


class _Solution:
    """All frame numbers that have a colour: the solutions of linear equations over GF(2), in ascending order.

    Each equation is solved for its lowest bit (the pivot), which is then a function of higher bits that are free. So
    the free bits, read as a number, count the solutions upwards.
    """

    def __init__(self, masks: Sequence[int], bits: int) -> None:
        solved: dict[
            int, tuple[int, int]
        ] = {}  # pivot -> (bits of the equation, colour bits of the equation)
        for place, mask in enumerate(masks):
            colors = 1 << place
            for pivot, (other, others_colors) in solved.items():
                if mask >> pivot & 1:
                    mask, colors = mask ^ other, colors ^ others_colors
            # Something is left, because a map without two addresses in one place has independent equations.
            new = (mask & -mask).bit_length() - 1
            for pivot, (other, others_colors) in solved.items():
                if other >> new & 1:
                    solved[pivot] = other ^ mask, others_colors ^ colors
            solved[new] = mask, colors
        self.pivots = [(pivot, mask ^ 1 << pivot, colors) for pivot, (mask, colors) in solved.items()]
        self.free = [bit for bit in range(bits) if bit not in solved]

    def offset(self, color: int) -> int:
        """Return the bits of a frame number that the colour alone decides."""
        return sum(((color & colors).bit_count() & 1) << pivot for pivot, _, colors in self.pivots)

    def frame(self, number: int) -> int:
        """Return frame ``number`` of colour 0."""
        frame = sum((number >> i & 1) << bit for i, bit in enumerate(self.free))
        return frame | sum(((frame & mask).bit_count() & 1) << pivot for pivot, mask, _ in self.pivots)

    def table(self) -> npt.NDArray[np.int64]:
        """Return `frame` as an XOR table [bytes of the number, 256]."""
        table = np.zeros((max(-(-len(self.free) // 8), 1), 256), dtype=np.int64)
        for i in range(len(self.free)):
            table[i // 8] ^= np.where(np.arange(256) >> i % 8 & 1, self.frame(1 << i), 0)
        return table


def table_colors(placement: Placement, colors: int, tables: int) -> npt.NDArray[np.int32]:
    """Return the colour of each table.

    Raises
    ------
    FieldError
        When ``placement.colors`` names a colour that there is not.
    """
    given = placement.colors or range(colors)
    for color in given:
        if not 0 <= color < colors:
            raise FieldError(
                f"placement.colors = {list(given)}",
                f"the memory has the {placement.color_part}s 0 to {colors - 1}",
            )
    return np.resize(np.array(given, np.int32), tables)


def check_placement(placement: Placement, dram: DramSpec) -> None:
    """Check what a placement asks of a memory.

    Raises
    ------
    FieldError
        For pages larger than the memory, pages without one colour, colours that there are not.
    """
    capacity = dram.organization.capacity_bytes
    if placement.page_bytes > capacity:
        raise FieldError(
            f"placement.page_bytes = {placement.page_bytes}", f"must be at most the memory, {capacity} bytes"
        )
    if placement.color_part is not None:
        masks = color_masks(dram, placement.page_bytes, placement.color_part)
        table_colors(placement, 1 << len(masks), 0)


def _page_keys(seed: int, stream: int) -> list[int]:
    """Six 64-bit keys from a seed (SplitMix64: counter times golden ratio, then mixed); streams follow one another."""
    keys = []
    for counter in range(6 * stream + 1, 6 * stream + 7):
        z = (seed + counter * 0x9E3779B97F4A7C15) % _WORD
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % _WORD
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % _WORD
        keys.append(z ^ (z >> 31))
    return keys
