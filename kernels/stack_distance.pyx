# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Rows of one embedding table by stack distance: an exact LRU stack that is asked for its d-th row from the top."""

from libc.stdint cimport int32_t, int64_t, uint64_t

import numpy as np

cdef extern from *:
    """
    #if defined(_MSC_VER)
    #include <intrin.h>
    #define archsim_popcount(x) ((int)__popcnt64(x))
    #else
    #define archsim_popcount(x) __builtin_popcountll(x)
    #endif
    """
    int archsim_popcount(uint64_t word) nogil

cdef uint64_t GOLDEN = 0x9E3779B97F4A7C15
cdef uint64_t LOW = 0xFFFFFFFF

# Slots per word, block, group and region: 2**6, 2**9, 2**15, 2**21.
cdef enum:
    BLOCK = 9
    GROUP = 15
    REGION = 21
    ROUNDS = 4


cdef inline uint64_t mix(uint64_t z) noexcept nogil:
    z = (z ^ (z >> 30)) * <uint64_t>0xBF58476D1CE4E5B9
    z = (z ^ (z >> 27)) * <uint64_t>0x94D049BB133111EB
    return z ^ (z >> 31)


cdef inline int highest(uint64_t word, int64_t which) noexcept nogil:
    """Return the place of the ``which``-th set bit of a word, counted from the top; it has that many."""
    cdef int place = 0, half = 32, count
    while half:
        count = archsim_popcount(word >> (place + half))
        if count >= which:
            place += half
        else:
            which -= count
            # Only the lower half remains of interest.
            word &= (<uint64_t>1 << (place + half)) - 1
        half >>= 1
    return place


cdef class StackDistance:
    """Draws the lookups of one table, one after the other; how they are cut into calls changes nothing.

    Every touch of a row takes the next slot of a time line, where one bit per slot marks the latest touch of a row.
    The d-th marked slot from the end holds the row at stack distance d. Counts of marks per block, group and region of
    slots find it in a few dozen steps. A full time line is rewritten without its gaps.

    Parameters
    ----------
    key : uint64
        Key of the table's random words.
    row_keys : uint64 array [4]
        Keys of the permutation that turns the number of a new row into the row.
    table_rows : int
        Rows of the table.
    depths, masses : int64 arrays [knots]
        Of 2**32 draws, ``masses[i]`` ask for a stack distance of at most ``depths[i]``; ``masses[0]`` is 0, and draws
        from ``masses[-1]`` on ask for a new row.
    cold : int
        Of 2**32 draws deeper than the stack, how many become a new row; the others are drawn again within it.
    """

    cdef uint64_t key, cold
    cdef uint64_t[::1] row_keys
    cdef int64_t table_rows, drawn, head, live, slots
    cdef int64_t[::1] depths, masses
    cdef int32_t[::1] row_of, blocks, groups, regions
    cdef uint64_t[::1] marks

    def __init__(self, key, row_keys, int64_t table_rows, depths, masses, cold):
        self.key = <uint64_t>int(key)
        self.row_keys = np.ascontiguousarray(row_keys, np.uint64)
        self.table_rows, self.cold = table_rows, <uint64_t>int(cold)
        self.depths = np.ascontiguousarray(depths, np.int64)
        self.masses = np.ascontiguousarray(masses, np.int64)
        self.drawn = self.head = self.live = 0
        self._allocate(1 << GROUP)

    @property
    def touched(self):
        """Rows touched so far."""
        return self.live

    @property
    def nbytes(self):
        """Bytes of the stack."""
        arrays = [np.asarray(self.row_of), np.asarray(self.marks), np.asarray(self.blocks), np.asarray(self.groups)]
        return sum(array.nbytes for array in arrays)

    cdef _allocate(self, int64_t slots):
        self.slots = slots
        self.row_of = np.empty(slots, np.int32)
        self.marks = np.zeros(slots >> 6, np.uint64)
        self.blocks = np.zeros(slots >> BLOCK, np.int32)
        self.groups = np.zeros(slots >> GROUP, np.int32)
        self.regions = np.zeros((slots >> REGION) + 1, np.int32)

    def draw(self, const int64_t[::1] offsets, int64_t first, int64_t step, int32_t[::1] rows):
        """Draw the next lookups, bag by bag.

        Parameters
        ----------
        offsets : int64 array [bags + 1]
            First entry of ``rows`` of every bag, and the end.
        first, step : int
            The bags ``first``, ``first + step``, ``first + 2 * step`` and so on are drawn; the others left alone.
        rows : int32 array
            Receives the rows.
        """
        cdef int64_t bag = first, bags = offsets.shape[0] - 1, done = 0
        if bag < bags:
            done = offsets[bag]
        while bag < bags:
            with nogil:
                while bag < bags:
                    done = self._fill(rows, done, offsets[bag + 1])
                    if self.head == self.slots:
                        break
                    bag += step
                    if bag < bags:
                        done = offsets[bag]
            if self.head == self.slots:
                self._rewrite()

    cdef int64_t _fill(self, int32_t[::1] rows, int64_t done, int64_t end) noexcept nogil:
        """Draw up to an entry, or until the time line is full; return how far it came."""
        cdef int64_t distance, slot
        cdef int32_t row
        while done < end and self.head < self.slots:
            distance = self._distance()
            if distance == 0:
                row = <int32_t>self._new_row()
                self.live += 1
            else:
                slot = self._find(distance)
                row = self.row_of[slot]
                self._mark(slot, -1)
            self.row_of[self.head] = row
            self._mark(self.head, 1)
            self.head += 1
            rows[done] = row
            done += 1
        return done

    cdef int64_t _distance(self) noexcept nogil:
        """Return the stack distance of the next lookup, 0 for a new row."""
        cdef uint64_t at = self.key + 2 * <uint64_t>self.drawn * GOLDEN, second
        cdef int64_t value = <int64_t>(mix(at) >> 32), distance = 0, within
        self.drawn += 1
        if value < self.masses[self.masses.shape[0] - 1]:
            distance = self._depth_of(value)
            if distance <= self.live:
                return distance
        if distance == 0 and self.live < self.table_rows:
            return 0
        second = mix(at + GOLDEN)
        if self.live < self.table_rows and (second & LOW) < self.cold:
            return 0
        within = self._mass_within(self.live)
        if within == 0:  # no distance of the distribution is as short as the stack
            return 0 if self.live < self.table_rows else self.live
        return self._depth_of(<int64_t>(((second >> 32) * <uint64_t>within) >> 32))

    cdef int64_t _depth_of(self, int64_t value) noexcept nogil:
        """Return the distance of a draw: linear between two knots."""
        cdef int64_t i = 0, width, mass
        while self.masses[i + 1] <= value:
            i += 1
        width = self.depths[i + 1] - self.depths[i]
        mass = self.masses[i + 1] - self.masses[i]
        return self.depths[i] + 1 + <int64_t>(<uint64_t>(value - self.masses[i]) * <uint64_t>width / <uint64_t>mass)

    cdef int64_t _mass_within(self, int64_t depth) noexcept nogil:
        """Return how many draws ask for a distance of at most ``depth``."""
        cdef int64_t i = 0, last = self.depths.shape[0] - 1, width, mass
        if depth >= self.depths[last]:
            return self.masses[last]
        if depth <= self.depths[0]:
            return 0
        while self.depths[i + 1] <= depth:
            i += 1
        width = self.depths[i + 1] - self.depths[i]
        mass = self.masses[i + 1] - self.masses[i]
        return self.masses[i] + ((depth - self.depths[i]) * mass + width - 1) // width

    cdef int64_t _new_row(self) noexcept nogil:
        """Return the row of number ``live`` in the order in which rows are first touched; as `counter.permute`."""
        cdef uint64_t value = <uint64_t>self.live, left, right, swap, mask
        cdef int turn, half = 0
        while (self.table_rows - 1) >> half:
            half += 1
        half = (half + 1) // 2
        mask = (<uint64_t>1 << half) - 1
        while True:
            left, right = value >> half, value & mask
            for turn in range(ROUNDS):
                swap = left ^ (mix(right * GOLDEN + self.row_keys[turn]) & mask)
                left, right = right, swap
            value = (left << half) | right
            if value < <uint64_t>self.table_rows:
                return <int64_t>value

    cdef inline void _mark(self, int64_t slot, int32_t change) noexcept nogil:
        self.marks[slot >> 6] ^= <uint64_t>1 << (slot & 63)
        self.blocks[slot >> BLOCK] += change
        self.groups[slot >> GROUP] += change
        self.regions[slot >> REGION] += change

    cdef int64_t _find(self, int64_t distance) noexcept nogil:
        """Return the slot of the row at a distance of 1 to ``live``."""
        cdef int64_t last = self.head - 1, at, end
        cdef int count
        at = last >> REGION
        while self.regions[at] < distance:
            distance -= self.regions[at]
            at -= 1
        end = (at << (REGION - GROUP)) + (1 << (REGION - GROUP)) - 1
        at = min(end, last >> GROUP)
        while self.groups[at] < distance:
            distance -= self.groups[at]
            at -= 1
        end = (at << (GROUP - BLOCK)) + (1 << (GROUP - BLOCK)) - 1
        at = min(end, last >> BLOCK)
        while self.blocks[at] < distance:
            distance -= self.blocks[at]
            at -= 1
        end = (at << (BLOCK - 6)) + (1 << (BLOCK - 6)) - 1
        at = min(end, last >> 6)
        while True:
            count = archsim_popcount(self.marks[at])
            if count >= distance:
                return (at << 6) + highest(self.marks[at], distance)
            distance -= count
            at -= 1

    cdef _rewrite(self):
        """Move the marked slots to the start, into a time line of at least twice as many."""
        cdef int32_t[::1] row_of = self.row_of
        cdef uint64_t[::1] marks = self.marks
        cdef int64_t slot, slots = self.slots
        self._allocate(2 * slots if 2 * self.live > slots else slots)
        with nogil:
            self.head = 0
            for slot in range(slots):
                if marks[slot >> 6] >> (slot & 63) & 1:
                    self.row_of[self.head] = row_of[slot]
                    self._mark(self.head, 1)
                    self.head += 1
