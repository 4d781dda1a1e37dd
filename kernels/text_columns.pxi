# What the scanners of text share: problems, letters, arrays that grow in place.

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcmp

# What is wrong, in `problem`; 0 is nothing.
TOKEN, LARGE, BLANKS, MISSING, EXTRA, EARLIER, LINE_END, SECOND_LINE = range(1, 9)

cdef int _TOKEN = TOKEN, _LARGE = LARGE, _BLANKS = BLANKS, _MISSING = MISSING
cdef int _EXTRA = EXTRA, _EARLIER = EARLIER, _LINE_END = LINE_END, _SECOND_LINE = SECOND_LINE

cdef extern from *:
    """
    static const int64_t LARGEST = INT64_MAX, LARGEST_TENTH = INT64_MAX / 10;
    """
    const int64_t LARGEST, LARGEST_TENTH

cdef extern from "Python.h":
    int PyBuffer_FillInfo(Py_buffer *view, object exporter, void *buf, Py_ssize_t len, int readonly, int flags) except -1


cdef class Grown:
    """Values of 1, 4 or 8 bytes. Growing moves pages, not values, and untouched capacity takes no memory."""

    cdef char *data
    cdef readonly Py_ssize_t count
    cdef Py_ssize_t capacity, exports
    cdef readonly int width

    def __cinit__(self, int width):
        self.width = width

    def __dealloc__(self):
        free(self.data)

    cdef int _resize(self, Py_ssize_t capacity) except -1 nogil:
        cdef char *moved = <char *>realloc(self.data, <size_t>(capacity * self.width) if capacity else 1)
        if moved == NULL:
            with gil:
                raise MemoryError
        self.data, self.capacity = moved, capacity
        return 0

    cdef inline int reserve(self, Py_ssize_t more) except -1 nogil:
        """Make room for this many values."""
        cdef Py_ssize_t need = self.count + more
        if need > self.capacity:
            self._resize(need + need // 4)
        return 0

    cdef int widen(self) except -1 nogil:
        """Turn 4-byte values into 8-byte values, last one first."""
        cdef Py_ssize_t i
        self.width = 8
        self._resize(self.capacity)
        for i in range(self.count - 1, -1, -1):
            (<int64_t *>self.data)[i] = (<int32_t *>self.data)[i]
        return 0

    cdef inline int push(self, int64_t value) except -1 nogil:
        """Append to values of 4 bytes, widened on demand, or 8; there must be room."""
        if self.width == 4:
            if value > 0x7FFFFFFF:
                self.widen()
                (<int64_t *>self.data)[self.count] = value
            else:
                (<int32_t *>self.data)[self.count] = <int32_t>value
        else:
            (<int64_t *>self.data)[self.count] = value
        self.count += 1
        return 0

    cdef inline void push_byte(self, uint8_t value) noexcept nogil:
        (<uint8_t *>self.data)[self.count] = value
        self.count += 1

    @property
    def held_bytes(self):
        return self.count * self.width

    cdef int clear(self) except -1:
        """Give all values up."""
        self.count = 0
        return self._resize(0)

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        if not self.exports:
            self._resize(self.count)
        self.exports += 1
        PyBuffer_FillInfo(buffer, self, self.data, self.count * self.width, 1, flags)

    def __releasebuffer__(self, Py_buffer *buffer):
        self.exports -= 1


cdef inline int64_t ten_times(int64_t value, int64_t digit) noexcept nogil:
    """Append a decimal digit; `LARGEST` stands for everything from there on."""
    if value >= LARGEST_TENTH:
        return value * 10 + digit if value == LARGEST_TENTH and digit <= 7 else LARGEST
    return value * 10 + digit


cdef inline bint is_blank(uint8_t letter) noexcept nogil:
    return letter == 32 or letter == 9
