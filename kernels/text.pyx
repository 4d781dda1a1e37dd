# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Scanner of whole numbers in text: bytes in, columns out, and the place of the first thing that is wrong."""

include "text_columns.pxi"


cdef class NumberScanner:
    """Whole numbers in lines of any length; blocks may end anywhere.

    Parameters
    ----------
    limit : int
        Numbers must be below it.
    first_limit : int, optional
        The first number of each line must be below this one instead.
    commas : bool
        Whether the numbers are separated by commas, on one line; else by blanks, each line a bag.
    first_apart : bool
        Whether the first number of each line is a bag of its own.
    most_blanks : int
        Longest run of empty lines.

    Attributes
    ----------
    numbers, offsets : Grown
        All numbers, 4 or 8 bytes each, and the first number of every bag and the end, 8 bytes each. Empty lines
        become empty bags when another number follows. With commas there are no bags.
    line, line_start, token_start : int
        Line, from 1, and byte offsets of the line and of the token where the scanner is or something is wrong.
    blanks : int
        Empty lines since the last number.
    bound : int
        What the next number, or the one that is wrong, must be below.
    largest, largest_first : int
        The largest number, or -1; with ``first_apart`` those that are first in their lines count by themselves.
    held_bytes : int
        What all that was collected takes.
    forgotten : bool
        Whether something that was collected has been given up.
    problem : int
        What is wrong, if anything.
    """

    cdef readonly Grown numbers, offsets
    cdef readonly int64_t bound, largest, largest_first
    cdef readonly bint forgotten
    cdef int64_t limit, first_limit, value, position, in_line, most_blanks
    cdef bint commas, first_apart, in_token, need_comma, after_cr
    cdef readonly int64_t line, line_start, token_start, blanks
    cdef readonly int problem

    def __cinit__(self, int64_t limit, *, first_limit=None, bint commas=False, bint first_apart=False,
                  int64_t most_blanks=1000):
        self.numbers, self.offsets = Grown(4), Grown(8)
        self.limit, self.commas, self.first_apart, self.most_blanks = limit, commas, first_apart, most_blanks
        self.bound = self.first_limit = limit if first_limit is None else first_limit
        self.largest = self.largest_first = -1
        self.line = 1
        self.offsets.reserve(1)
        self.offsets.push(0)

    def feed(self, const uint8_t[::1] block):
        """Scan a block; return whether all is well so far."""
        cdef Py_ssize_t length = block.shape[0]
        if length and not self.problem:
            # Every second byte at most ends a number, every byte a line.
            self.numbers.reserve(length // 2 + 2)
            if not self.commas:
                self.offsets.reserve((length + 2) * (1 + self.first_apart) + self.blanks)
            with nogil:
                self._scan(&block[0], length)
        return not self.problem

    def finish(self):
        """End the last line, whether a newline did or not; return whether all is well."""
        if self.problem:
            return False
        self.numbers.reserve(1)
        self.offsets.reserve(self.blanks + 3)
        if self.after_cr:
            self._refuse(_LINE_END, self.position - 1)
        elif self.in_token:
            self._emit()
        if not self.problem and self.commas and not self.need_comma:
            self._refuse(_MISSING, self.position)
        elif not self.problem and not self.commas and self.position > self.line_start:
            self._end_line()
        return not self.problem

    @property
    def held_bytes(self):
        return self.numbers.held_bytes + self.offsets.held_bytes

    def forget(self):
        """Give up all that was collected; what follows is only looked at."""
        self.numbers.clear()
        self.offsets.clear()
        self.forgotten = True

    cdef inline void _refuse(self, int problem, int64_t place) noexcept nogil:
        self.problem, self.token_start = problem, place

    cdef inline int _emit(self) except -1 nogil:
        cdef int64_t i
        self.in_token = False
        if self.value >= self.bound:
            self.problem = _LARGE
            return 0
        self.bound = self.limit
        if self.blanks and not self.commas:
            for i in range(self.blanks):
                self.offsets.push(self.numbers.count)
            self.blanks = 0
        self.numbers.push(self.value)
        self.in_line += 1
        self.need_comma = self.commas
        if self.first_apart and self.in_line == 1:
            self.offsets.push(self.numbers.count)
            self.largest_first = max(self.largest_first, self.value)
        else:
            self.largest = max(self.largest, self.value)
        return 0

    cdef inline int _end_line(self) except -1 nogil:
        if self.in_line and not self.commas:
            self.offsets.push(self.numbers.count)
        elif not self.in_line:
            self.blanks += 1
            if self.blanks > self.most_blanks:
                self.problem = _BLANKS
                return 0
        self.in_line = 0
        self.bound = self.first_limit
        self.line += 1
        self.line_start = self.token_start
        return 0

    cdef int _scan(self, const uint8_t *block, Py_ssize_t length) except -1 nogil:
        cdef const uint8_t *p = block
        cdef const uint8_t *end = block + length
        cdef uint32_t digit
        cdef int64_t value, base = self.position
        self.position += length
        while p < end:
            digit = <uint32_t>p[0] - 48
            if digit <= 9 and not self.after_cr:
                if not self.in_token:
                    self.token_start = base + (p - block)
                    if self.commas and (self.need_comma or self.line > 1):
                        self.problem = _EXTRA if self.line == 1 else _SECOND_LINE
                        return 0
                    self.in_token = True
                    self.value = 0
                value = self.value
                while digit <= 9:
                    value = ten_times(value, digit)
                    p += 1
                    if p == end:
                        break
                    digit = <uint32_t>p[0] - 48
                self.value = value
                continue
            if self.in_token and (is_blank(p[0]) or p[0] == 10 or p[0] == 13 or (p[0] == 44 and self.commas)):
                self._emit()
                if self.problem:
                    return 0
            if p[0] == 10:
                if self.commas and (self.line > 1 or not self.need_comma):
                    self._refuse(_MISSING if self.line == 1 else _SECOND_LINE, base + (p - block))
                    return 0
                self.token_start = base + (p - block) + 1
                self.after_cr = False
                self._end_line()
                if self.problem:
                    return 0
            elif self.after_cr:
                self._refuse(_LINE_END, base + (p - block) - 1)
                return 0
            elif p[0] == 13:
                self.after_cr = True
            elif p[0] == 44 and self.commas and self.need_comma and self.line == 1:
                self.need_comma = False
            elif not is_blank(p[0]):
                self._refuse(_TOKEN, self.token_start if self.in_token else base + (p - block))
                return 0
            p += 1
        return 0
