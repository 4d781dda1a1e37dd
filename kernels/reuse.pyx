# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Stack distances of a stream of ids (reuse.h), and ids of table rows (reuse_ids.h). docs/trace-analysis.md defines both."""

import numpy as np

from libc.stdint cimport INT32_MAX, int32_t, int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free

cdef extern from "reuse_ids.h" nogil:
    enum:
        MOST_IDS

    ctypedef struct Stream:
        int64_t *counts
        int64_t ids, fresh

    ctypedef struct Reuse:
        Stream *streams
        int64_t stream_count

    int reuse_reserve(Reuse *r, int64_t count)
    int reuse_feed(Reuse *r, const int32_t *ids, const int64_t *ends, const int32_t *which, int64_t segments,
                   int continued, int64_t *distances)
    void reuse_unmake(Reuse *r)

    ctypedef struct Seen:
        int64_t row, count
        int32_t table

    ctypedef struct Numbering:
        Seen *seen
        int64_t ids, slot_count
        uint32_t *slots
        const int64_t *bases
        uint64_t sample_below

    int grow_slots(Numbering *n)
    int64_t number_rows(Numbering *n, const int32_t *rows32, const int64_t *rows64, const int64_t *ends,
                        const int32_t *tables, int64_t segments, int32_t *ids, int64_t *kept_ends)

    ctypedef struct Sketch:
        int64_t held
        int32_t shift

    int sketch_rows(Sketch *s, const int32_t *rows32, const int64_t *rows64, const int64_t *ends,
                    const int32_t *tables, int64_t segments)

#: Most distinct ids that a StackDistances takes.
IDS_MAX = MOST_IDS


cdef int64_t TABLES_MAX = INT32_MAX


cdef int check_segments(int64_t n, const int64_t[::1] ends, const int32_t[::1] which, int64_t streams) except -1:
    """Refuse segments that do not cover n entries in order, or go to a stream that is not there."""
    cdef int64_t j, before = 0
    if which is not None and which.shape[0] != ends.shape[0]:
        raise ValueError(f"{which.shape[0]} streams for {ends.shape[0]} segments")
    for j in range(ends.shape[0]):
        if ends[j] < before:
            raise ValueError(f"segment {j} ends at {ends[j]}, before it begins at {before}")
        before = ends[j]
        if which is not None and not 0 <= which[j] < streams:
            raise ValueError(f"segment {j} goes to stream {which[j]} of {streams}")
    if before != n:
        raise ValueError(f"the segments end at {before}, the array at {n}")
    return 0


cdef class StackDistances:
    """Exact LRU stack distances of one or more independent streams of ids, fed in pieces of any size.

    The distance of a use is the number of distinct other ids of the same stream used since the id's latest use, so an
    LRU cache of ``c`` entries hits exactly the uses of a distance below ``c``. A first use has none.

    Memory is 4 bytes per id up to the largest, 12 bytes per id seen (and room for a quarter more) and 0.5 to 1.1
    bytes per id seen for the window. An id belongs to one stream.

    Parameters
    ----------
    streams : int
        How many streams.
    """

    cdef Reuse reuse

    def __cinit__(self, int64_t streams=1):
        if streams < 1:
            raise ValueError(f"streams = {streams} must be at least 1")
        self.reuse.streams = <Stream *>calloc(streams, sizeof(Stream))
        if not self.reuse.streams:
            raise MemoryError("stack distances")
        self.reuse.stream_count = streams

    def __dealloc__(self):
        reuse_unmake(&self.reuse)

    def feed(self, const int32_t[::1] ids, const int64_t[::1] ends=None, const int32_t[::1] which=None, *,
             bint continued=False, int64_t[::1] distances=None):
        """Use ids one after the other. Other threads run meanwhile.

        Parameters
        ----------
        ids : int32 array [n]
            Numbers from 0 to below `IDS_MAX`; memory grows with the largest.
        ends : int64 array [m], optional
            Where each segment (bag, time window) of ``ids`` ends; the last is n. One segment by default.
        which : int32 array [m], optional
            Stream of each segment; 0 by default.
        continued : bool
            The first segment goes on with the one before of its stream.
        distances : int64 array [n], optional
            Receives the distances; -1 is a first use.
        """
        cdef int64_t i, n = ids.shape[0], lowest = 0, largest = -1
        cdef int failed = 0
        cdef int64_t[::1] bounds = np.array([n], dtype=np.int64)
        if distances is not None and distances.shape[0] != n:
            raise ValueError(f"{distances.shape[0]} distances for {n} ids")
        if ends is None:
            ends = bounds
        check_segments(n, ends, which, self.reuse.stream_count)
        with nogil:
            for i in range(n):
                largest = max(largest, ids[i])
                lowest = min(lowest, ids[i])
        if lowest < 0 or largest >= MOST_IDS:
            raise ValueError(f"id {lowest if lowest < 0 else largest} is outside 0 to {MOST_IDS - 1}")
        if n == 0:
            return
        with nogil:
            failed = reuse_reserve(&self.reuse, largest + 1) or reuse_feed(
                &self.reuse, &ids[0], &ends[0], &which[0] if which is not None else NULL, ends.shape[0], continued,
                &distances[0] if distances is not None else NULL)
        if failed:
            raise MemoryError("stack distances")

    def counts(self, int64_t stream=0):
        """Reuses by distance so far: an int64 array of as many elements as the stream has distinct ids."""
        cdef Stream *s = &self.reuse.streams[self._checked(stream)]
        result = np.zeros(s.ids, dtype=np.int64)
        if s.ids:
            result[:] = <int64_t[:s.ids]>s.counts
        return result

    def distinct(self, int64_t stream=0):
        """Distinct ids so far, which are the first uses."""
        return self.reuse.streams[self._checked(stream)].ids

    def fresh(self, int64_t stream=0):
        """Uses so far that were the first of their id within their segment; the others repeat inside it."""
        return self.reuse.streams[self._checked(stream)].fresh

    def _checked(self, int64_t stream):
        if not 0 <= stream < self.reuse.stream_count:
            raise IndexError(f"stream {stream} of {self.reuse.stream_count}")
        return stream


cdef class RowNumbers:
    """Numbers rows of tables 0, 1, 2, ... in order of first use, and counts the uses of each.

    Parameters
    ----------
    table_rows : int64 array [tables], optional
        Rows of each table: one slot of 4 bytes per row, which takes memory where rows are used. Without it
        rows are hashed, 8 to 16 bytes per row used. 24 bytes per row used come on top.
    sample_shift : int
        Keep one row in ``2**sample_shift``, chosen by a hash of table and row; hashed only.
    sample_below : int
        Keep the rows whose 64-bit hash is below it; 0: as `sample_shift` says.
    """

    cdef Numbering numbering
    cdef int64_t[::1] bases

    def __cinit__(self, table_rows=None, int32_t sample_shift=0, uint64_t sample_below=0):
        if not 0 <= sample_shift < 64 or ((sample_shift or sample_below) and table_rows is not None):
            raise ValueError(f"sample_shift = {sample_shift}, sample_below = {sample_below}, table_rows = {table_rows}")
        if sample_shift and not sample_below:
            sample_below = <uint64_t>1 << (64 - sample_shift)
        self.numbering.sample_below = sample_below
        self.bases = None
        if table_rows is None:
            if grow_slots(&self.numbering):
                raise MemoryError("row numbers")
            return
        sizes = np.concatenate(([0], np.cumsum(table_rows)))
        self.bases = sizes.astype(np.int64)
        self.numbering.bases = &self.bases[0]
        self.numbering.slot_count = sizes[-1]
        self.numbering.slots = <uint32_t *>calloc(max(1, sizes[-1]), sizeof(uint32_t))
        if not self.numbering.slots:
            raise MemoryError("row numbers")

    def __dealloc__(self):
        free(self.numbering.slots)
        free(self.numbering.seen)

    def number(self, rows, const int64_t[::1] ends, const int32_t[::1] tables=None):
        """Number the rows of segments. Other threads run meanwhile.

        Parameters
        ----------
        rows : int32 or int64 array [n]
            Row of each lookup, inside its table's rows where those are declared.
        ends : int64 array [m]
            Where each segment (bag) ends.
        tables : int32 array [m], optional
            Table of each segment; 0 by default.

        Returns
        -------
        ids : int32 array [k]
            Numbers of the rows that are in the sample.
        kept_ends : int64 array [m]
            Where each segment ends in it.
        """
        cdef const int32_t[::1] rows32 = None
        cdef const int64_t[::1] rows64 = None
        cdef int64_t n = rows.shape[0], kept = 0
        ids, kept_ends = np.empty(n, dtype=np.int32), np.zeros(len(ends), dtype=np.int64)
        cdef int32_t[::1] ids_view = ids
        cdef int64_t[::1] ends_view = kept_ends
        check_segments(n, ends, tables, self.bases.shape[0] - 1 if self.bases is not None else TABLES_MAX)
        if n == 0:
            return ids, kept_ends
        rows = np.ascontiguousarray(rows)
        if rows.dtype == np.int32:
            rows32 = rows
        else:
            rows64 = rows
        with nogil:
            kept = number_rows(&self.numbering, &rows32[0] if rows32 is not None else NULL,
                               &rows64[0] if rows64 is not None else NULL, &ends[0],
                               &tables[0] if tables is not None else NULL, ends.shape[0], &ids_view[0], &ends_view[0])
        if kept < 0:
            raise MemoryError("row numbers")
        return ids[:kept], kept_ends

    def __len__(self):
        return self.numbering.ids

    def grouped(self, int64_t tables):
        """Uses and row of every row seen, table by table: int64 arrays [rows seen] and where each table ends in them."""
        cdef int64_t i, ids = self.numbering.ids
        cdef Seen *seen = self.numbering.seen
        counts, rows = np.empty(ids, dtype=np.int64), np.empty(ids, dtype=np.int64)
        ends = np.zeros(tables + 1, dtype=np.int64)
        cdef int64_t[::1] at = ends, counts_view = counts, rows_view = rows
        with nogil:
            for i in range(ids):
                at[seen[i].table + 1] += 1
            for i in range(at.shape[0] - 1):
                at[i + 1] += at[i]
            for i in range(ids):
                counts_view[at[seen[i].table]] = seen[i].count
                rows_view[at[seen[i].table]] = seen[i].row
                at[seen[i].table] += 1
        return counts, rows, ends[:-1]


cdef class DistinctRows:
    """Estimates in 1 MiB how many distinct rows there are: exact below 65,536, within about 0.5 % beyond."""

    cdef Sketch *sketch

    def __cinit__(self):
        self.sketch = <Sketch *>calloc(1, sizeof(Sketch))
        if not self.sketch:
            raise MemoryError("distinct rows")

    def __dealloc__(self):
        free(self.sketch)

    def feed(self, rows, const int64_t[::1] ends, const int32_t[::1] tables=None):
        """Take in the rows of segments, as `RowNumbers.number` does."""
        cdef const int32_t[::1] rows32 = None
        cdef const int64_t[::1] rows64 = None
        cdef int failed
        check_segments(rows.shape[0], ends, tables, TABLES_MAX)
        if rows.shape[0] == 0:
            return
        rows = np.ascontiguousarray(rows)
        if rows.dtype == np.int32:
            rows32 = rows
        else:
            rows64 = rows
        with nogil:
            failed = sketch_rows(self.sketch, &rows32[0] if rows32 is not None else NULL,
                                 &rows64[0] if rows64 is not None else NULL, &ends[0],
                                 &tables[0] if tables is not None else NULL, ends.shape[0])
        if failed:
            raise MemoryError("distinct rows")

    def estimate(self):
        """Return the number of distinct rows so far."""
        return self.sketch.held << self.sketch.shift
