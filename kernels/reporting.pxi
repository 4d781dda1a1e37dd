# What the kernels report of a channel: counters, latency histogram, command log. Included after channel.pxi.

cdef list counts_of(Channel *c):
    cdef Counts *k = &c.counts
    return [k.reads, k.writes, k.row_hits, k.row_misses, k.row_conflicts, k.commands[ACT], k.commands[PRE],
            k.commands[RD], k.commands[WR], k.commands[REF], k.commands[PREA], k.forwarded, k.coalesced,
            k.latency_sum, k.latency_max, k.last_data]


cdef object bank_acts_of(Channel *c):
    return np.array([c.bank_acts[bank] for bank in range(c.banks)], dtype=np.int64)


cdef tuple histogram_points(const int64_t[::1] histogram):
    counts = np.asarray(histogram)
    bins = np.flatnonzero(counts)
    clk = np.array([latency_of_bin(b) for b in bins], dtype=np.int64)
    return clk, counts[bins]


cdef object log_columns(Channel *c):
    cdef int64_t i
    columns = np.empty((5, c.log_count), dtype=np.int64)
    cdef int64_t[:, ::1] view = columns
    for i in range(c.log_count):
        view[0, i] = c.log[i].clk
        view[1, i] = c.log[i].command
        view[2, i] = c.log[i].bank
        view[3, i] = c.log[i].row
        view[4, i] = c.log[i].column
    return columns
