# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Scanners of text whose lines have fields: addresses, and tables of categories."""

include "text_columns.pxi"

cdef extern from "text_dense.h":
    ctypedef struct dense_table:
        int64_t count
    bint dense_init(dense_table *table, uint64_t key)
    void dense_free(dense_table *table)
    int64_t dense_bytes(const dense_table *table)
    int64_t dense_of_value(dense_table *table, uint32_t value) nogil
    int64_t dense_of_text(dense_table *table, const uint8_t *text, int64_t length) nogil

# Fields of a line of addresses: hexadecimal, decimal, or hexadecimal where 0x says so; what they are.
HEX, DECIMAL, EITHER, WORD, TIME, SKIPPED, WRITTEN = range(7)

# Columns of a table of fields.
IGNORED, NUMBER, HASH, TEXT = range(4)

# Most columns of a table of fields.
MOST_COLUMNS = 256


cdef inline int64_t hex_digit(uint8_t letter) noexcept nogil:
    if 48 <= letter <= 57:
        return letter - 48
    letter |= 32
    return letter - 87 if 97 <= letter <= 102 else -1


cdef class LineScanner:
    """What scanners of whole lines share: `feed` takes blocks that end with a newline.

    Attributes
    ----------
    line : int
        Line, from 1, where the scanner is or something is wrong.
    line_start, token_start, token_end : int
        Where in the block the line, and in it the token that is wrong, begin and end.
    problem, field : int
        What is wrong, if anything, and the number of its field in the line.
    held_bytes : int
        What all that was collected takes.
    forgotten : bool
        Whether something that was collected has been given up.
    """

    cdef readonly int64_t line
    cdef readonly Py_ssize_t line_start, token_start, token_end
    cdef readonly int problem, field
    cdef readonly bint forgotten

    def forget(self):
        """Give up all that was collected; what follows is only looked at."""
        self._clear()
        self.forgotten = True

    cdef int _clear(self) except -1:
        return 0

    def feed(self, const uint8_t[::1] block):
        """Scan whole lines; return whether all is well so far."""
        cdef Py_ssize_t at = 0, length = block.shape[0]
        if length and block[length - 1] != 10:
            raise ValueError("the last line needs its newline")
        self._reserve(length)
        with nogil:
            while at < length and not self.problem:
                self.line_start = at
                at = self._line(&block[0], at)
                self.line += not self.problem
        return not self.problem

    cdef int _reserve(self, Py_ssize_t length) except -1:
        return 0

    cdef Py_ssize_t _line(self, const uint8_t *block, Py_ssize_t at) except -1 nogil:
        """Scan the line that begins at ``at``; return where the next one does."""
        return 0

    cdef inline void _refuse(self, int problem, int field, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
        self.problem, self.field, self.token_start, self.token_end = problem, field, start, end


cdef class AddressScanner(LineScanner):
    """Memory requests, one or more per line, as fields between blanks.

    Parameters
    ----------
    fields : list of int
        What each field of a line is: an address that is read or written as the line's `WORD` says (`HEX`, `DECIMAL`,
        `EITHER`) or written (`WRITTEN`), a word, a time that does not decrease, or a number to skip.
    words : dict of bytes to int
        The operations, 0 for a read and 1 for a write.
    needed : int
        Fields that a line must have.
    first_line : int
        Number of the first line.
    """

    cdef readonly Grown address, operation, time
    cdef int fields[8]
    cdef int needed, given, n_words
    cdef list words
    cdef const char *letters[16]
    cdef Py_ssize_t lengths[16]
    cdef uint8_t values[16]
    cdef int64_t latest

    def __cinit__(self, list fields, dict words, int needed, int64_t first_line=1):
        cdef int i
        cdef bytes word
        if not 0 < needed <= len(fields) <= 8 or len(words) > 16:
            raise ValueError("at most 8 fields and 16 words")
        self.address, self.operation, self.time = Grown(8), Grown(1), Grown(8)
        self.line, self.needed, self.given, self.n_words = first_line, needed, len(fields), len(words)
        self.words = list(words)
        for i in range(self.given):
            self.fields[i] = fields[i]
        for i in range(self.n_words):
            word = self.words[i]
            self.letters[i], self.lengths[i], self.values[i] = word, len(word), words[word]

    cdef int _reserve(self, Py_ssize_t length) except -1:
        # An address and what separates it take two bytes at least.
        self.address.reserve(length // 2 + 1)
        self.operation.reserve(length // 2 + 1)
        self.time.reserve(length // 4 + 1)
        return 0

    @property
    def held_bytes(self):
        return self.address.held_bytes + self.operation.held_bytes + self.time.held_bytes

    cdef int _clear(self) except -1:
        self.address.clear()
        self.operation.clear()
        return self.time.clear()

    cdef Py_ssize_t _line(self, const uint8_t *block, Py_ssize_t at) except -1 nogil:
        cdef Py_ssize_t start
        cdef int field = 0, kind
        cdef int64_t value, address = -1, written = -1, time = -1
        cdef int operation = 0
        while True:
            while is_blank(block[at]):
                at += 1
            start = at
            while block[at] > 32:
                at += 1
            if at == start:
                break
            if field == self.given:
                self._refuse(_EXTRA, field, start, at)
                return at
            kind = self.fields[field]
            if kind == 3:
                value = self._word(block + start, at - start)
                operation = <int>value
            else:
                value = self._number(block, start, at, kind)
            if value < 0 or value == LARGEST:
                self._refuse(_TOKEN if value < 0 else _LARGE, field, start, at)
                return at
            if kind == 4:
                time = value
                if time < self.latest:
                    self._refuse(_EARLIER, field, start, at)
                    return at
            elif kind == 6:
                written = value
            elif kind < 3:
                address = value
            field += 1
        if block[at] == 13 and block[at + 1] == 10:
            at += 1
        if block[at] != 10:
            self._refuse(_TOKEN, field, at, at + 1)
        elif field < self.needed:
            self._refuse(_MISSING, field, at, at)
        else:
            self.address.push(address)
            self.operation.push_byte(operation)
            if time >= 0:
                self.time.push(time)
                self.latest = time
            if written >= 0:
                self.address.push(written)
                self.operation.push_byte(1)
        return at + 1

    cdef inline int64_t _word(self, const uint8_t *text, Py_ssize_t length) noexcept nogil:
        cdef int i
        for i in range(self.n_words):
            if self.lengths[i] == length and memcmp(text, self.letters[i], length) == 0:
                return self.values[i]
        return -1

    cdef inline int64_t _number(self, const uint8_t *block, Py_ssize_t at, Py_ssize_t end, int kind) noexcept nogil:
        """The number of a token; -1 when it is none, `LARGEST` when it is that or more."""
        cdef int64_t value = 0, digit
        if kind == 0 or kind == 2:
            if end - at > 2 and block[at] == 48 and block[at + 1] | 32 == 120:
                at += 2
                kind = 0
        if kind == 0:
            while at < end:
                digit = hex_digit(block[at])
                if digit < 0:
                    return -1
                value = value << 4 | digit if value < <int64_t>1 << 59 else LARGEST
                at += 1
            return value
        while at < end:
            digit = <int64_t>block[at] - 48
            if digit < 0 or digit > 9:
                return -1
            value = ten_times(value, digit)
            at += 1
        return value


cdef class FieldScanner(LineScanner):
    """Categories in the columns of a table: one line is one sample, one separator stands between two fields.

    Parameters
    ----------
    separator : int
        The byte between two fields.
    columns : list of int
        What each column holds: anything, a number, the hash of a category in hexadecimal (empty: 0), or its text.
    modulo : list of int
        Per column, what the hash is divided by to give the row, or 0: categories are numbered as they appear.
    first_row : int
        Row of the first category that is numbered.
    key : int
        Any 64 bits; they keep hostile input from slowing the numbering down, and change no result.
    first_line : int
        Number of the first line.

    Attributes
    ----------
    rows : Grown
        Row of every `HASH` and `TEXT` field, line by line.
    counts : list of int
        Categories seen in each column that is numbered.
    """

    cdef readonly Grown rows
    cdef int kinds[256]
    cdef int64_t modulo[256]
    cdef int given
    cdef uint8_t separator
    cdef dense_table dense[256]
    cdef uint64_t key
    cdef int64_t first_row

    def __cinit__(self, int separator, list columns, list modulo, uint64_t key, int64_t first_row=0,
                  int64_t first_line=1):
        cdef int i
        if not 0 < len(columns) == len(modulo) <= MOST_COLUMNS:
            raise ValueError(f"1 to {MOST_COLUMNS} columns")
        self.rows = Grown(4)
        self.separator, self.given, self.line, self.first_row = separator, len(columns), first_line, first_row
        self.key = key
        for i in range(self.given):
            self.kinds[i], self.modulo[i] = columns[i], modulo[i]
        self._number_anew()

    def __dealloc__(self):
        cdef int i
        for i in range(self.given):
            dense_free(&self.dense[i])

    cdef int _number_anew(self) except -1:
        """Begin the numbers of all columns that are numbered."""
        cdef int i
        for i in range(self.given):
            dense_free(&self.dense[i])
            if self.kinds[i] in (2, 3) and not dense_init(&self.dense[i], self.key):
                raise MemoryError
        return 0

    @property
    def counts(self):
        return [self.dense[i].count for i in range(self.given) if self.kinds[i] in (HASH, TEXT)]

    cdef int _reserve(self, Py_ssize_t length) except -1:
        self.rows.reserve(length + 1)
        return 0

    @property
    def held_bytes(self):
        return self.rows.held_bytes + sum([dense_bytes(&self.dense[i]) for i in range(self.given)])

    cdef int _clear(self) except -1:
        self.rows.clear()
        return self._number_anew()

    cdef Py_ssize_t _line(self, const uint8_t *block, Py_ssize_t at) except -1 nogil:
        cdef Py_ssize_t start
        cdef int field = 0
        if self.given > 1 and (block[at] == 10 or (block[at] == 13 and block[at + 1] == 10)):
            self._refuse(_MISSING, 0, at, at)
            return at
        while True:
            start = at
            while block[at] != self.separator and block[at] >= 32:
                at += 1
            if field == self.given:
                self._refuse(_EXTRA, field, start, at)
                return at
            if not self._field(block, start, at, field):
                self._refuse(_TOKEN, field, start, at)
                return at
            field += 1
            if block[at] != self.separator:
                break
            at += 1
        if block[at] == 13 and block[at + 1] == 10:
            at += 1
        if block[at] != 10:
            self._refuse(_TOKEN, field - 1, at, at + 1)
        elif field < self.given:
            self._refuse(_MISSING, field, at, at)
        return at + 1

    cdef inline bint _field(self, const uint8_t *block, Py_ssize_t at, Py_ssize_t end, int field) except -1 nogil:
        cdef int64_t value = 0, digit
        cdef int kind = self.kinds[field]
        if kind == 1:
            while at < end:
                if not (48 <= block[at] <= 57 or block[at] == 45 or block[at] == 46):
                    return False
                at += 1
        elif kind == 2:
            if end - at > 8:
                return False
            while at < end:
                digit = hex_digit(block[at])
                if digit < 0:
                    return False
                value = value << 4 | digit
                at += 1
            if self.modulo[field]:
                self.rows.push(value % self.modulo[field])
            else:
                self._number_it(dense_of_value(&self.dense[field], <uint32_t>value))
        elif kind == 3:
            if at == end:
                return False
            self._number_it(dense_of_text(&self.dense[field], block + at, end - at))
        return True

    cdef inline int _number_it(self, int64_t number) except -1 nogil:
        if number < 0:
            with gil:
                raise MemoryError
        return self.rows.push(number + self.first_row)
