# What the Cython wrappers know of the C kernel in dram_replay.h, and what they share. Included by dram.pyx and recnmp.pyx.

from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.stdlib cimport calloc, free

cdef extern from "dram_replay.h" nogil:
    enum:
        ACT, PRE, RD, WR, REF, PREA, REFB, COMMANDS, CLASSES, READS, WRITES
        LATENCY_BINS, POWER_STATES, SERIES_FIELDS

    ctypedef struct Tables:
        int32_t ranks, bank_groups, banks_per_group, banks_per_rank, banks, padded, group_shift, rank_shift
        int32_t scheduler, arbitration, rank_round_robin, protection, row_hit_cap, protection_cap, activated_first
        int32_t row_policy, row_timeout, command_queue, queue_shift, queues, batch, drain_high, drain_low
        int32_t forwarding, coalescing, merging, blocking, precharge_all, split
        int32_t read_data, write_data, windows
        int32_t window_acts[4]
        int32_t window_clk[4]
        int32_t window_ranks[4]
        int32_t refresh, partial, steps, step_count, step_stride, postpone, read_to_pre, write_to_pre
        int64_t step_interval
        int32_t power_down, self_refresh, tCKE, tXP, tCKESR, tXS, refresh_clk
        int32_t pins[7]
        int32_t bank_delta[7][5]
        int32_t rank_refresh_delta[7]
        const int32_t *spread[7][4]
        int32_t everywhere[7][4]

    ctypedef struct Queue:
        int32_t count, waiting

    ctypedef struct Counts:
        int64_t reads, writes, row_hits, row_misses, row_conflicts
        int64_t commands[7]
        int64_t forwarded, coalesced, merged, latency_sum, queueing_sum, latency_max, last_data

    ctypedef struct BankCounts:
        int64_t act, pre, rd, wr, open_clk, opened

    ctypedef struct LogRecord:
        int64_t clk
        int32_t command, bank, row, column, reads, writes

    ctypedef struct Entry:
        int64_t arrived, first
        int32_t row, bank, kind

    ctypedef struct Channel:
        Tables t
        Queue queue[2]
        Entry *entries
        int32_t *open_row
        int64_t clk
        Counts counts
        BankCounts *bank
        int64_t *finished
        int64_t *completed
        int64_t completed_count
        LogRecord *log
        int64_t log_count, log_limit
        int64_t *series
        int64_t series_rows, series_interval, series_end
        int32_t *open_banks
        int32_t *step
        int64_t *active_since
        int64_t *asleep_since
        int64_t *left_at
        int64_t *idle_since
        int64_t *busy_until
        int32_t *rank_waiting
        uint8_t *asleep
        uint8_t *pending
        int64_t *rank_clk
        int64_t *rank_commands
        int32_t general

    Channel *channel_make(const Tables *t, int32_t read_queue, int32_t write_queue, int64_t first_due,
                          int64_t due_stagger, int64_t *latency)
    void channel_unmake(Channel *c)
    int channel_advance(Channel *c, const int64_t *coordinates, const uint8_t *kinds, const int64_t *arrivals, int64_t n,
                        int drain)
    int64_t latency_bin(int64_t clk)
    int64_t latency_of_bin(int64_t bin)
    int32_t oldest_waiting(const Channel *c)

# The order of what `counts_of` returns.
COUNTS = ("reads", "writes", "row_hits", "row_misses", "row_conflicts", "act", "pre", "rd", "wr", "ref", "prea", "refb",
          "forwarded", "coalesced", "merged", "latency_sum_clk", "queueing_sum_clk", "latency_max_clk", "last_data_clk")


cdef Channel *new_channel(object tables, int64_t[::1] histogram) except NULL:
    """Make a channel from `archsim.dram.resolve.DramTables`, which must outlive it: its rule vectors are not copied."""
    cdef Tables t
    cdef int32_t i, k
    cdef dict p = tables.parameters
    cdef const int32_t[:, ::1] bank_delta = tables.bank_delta
    cdef const int32_t[::1] refresh_delta = tables.refresh_delta
    cdef const int32_t[:, ::1] spread_at = tables.spread_at
    cdef const int32_t[:, ::1] everywhere = tables.everywhere
    cdef const int32_t[:, :, ::1] spread = tables.spread
    cdef const int32_t[::1] pins = tables.pins
    cdef Channel *c
    t.ranks, t.bank_groups, t.banks_per_group = p["ranks"], p["bank_groups"], p["banks_per_group"]
    t.banks_per_rank = t.bank_groups * t.banks_per_group
    t.banks = t.ranks * t.banks_per_rank
    t.padded, t.group_shift, t.rank_shift = p["padded"], p["group_shift"], p["rank_shift"]
    t.scheduler, t.arbitration, t.rank_round_robin = p["scheduler"], p["arbitration"], p["rank_round_robin"]
    t.protection, t.row_hit_cap, t.protection_cap = p["protection"], p["row_hit_cap"], p["protection_cap"]
    t.activated_first, t.row_policy, t.row_timeout = p["activated_first"], p["row_policy"], p["row_timeout"]
    t.command_queue, t.queue_shift, t.queues = p["command_queue"], p["queue_shift"], p["queues"]
    t.batch, t.drain_high, t.drain_low = p["batch"], p["drain_high"], p["drain_low"]
    t.forwarding, t.coalescing, t.merging = p["forwarding"], p["coalescing"], p["merging"]
    t.blocking, t.precharge_all, t.split = p["blocking"], p["precharge_all"], p["split"]
    t.read_data, t.write_data = p["read_data"], p["write_data"]
    t.windows = len(tables.windows)
    for i, window in enumerate(tables.windows):
        t.window_acts[i], t.window_clk[i], t.window_ranks[i] = window
    t.partial = p["partial"]
    t.refresh, t.steps, t.step_count, t.step_stride = p["refresh"], p["steps"], p["step_count"], p["step_stride"]
    t.postpone, t.step_interval = p["postpone"], p["step_interval"]
    t.read_to_pre, t.write_to_pre = bank_delta[RD, PRE], bank_delta[WR, PRE]
    t.power_down, t.self_refresh, t.refresh_clk = p["power_down"], p["self_refresh"], p["refresh_clk"]
    t.tCKE, t.tXP, t.tCKESR, t.tXS = p["tCKE"], p["tXP"], p["tCKESR"], p["tXS"]
    for i in range(COMMANDS):
        t.pins[i] = pins[i]
        t.rank_refresh_delta[i] = refresh_delta[i]
        for k in range(CLASSES + 1):
            t.bank_delta[i][k] = bank_delta[i, k]
        for k in range(CLASSES):
            t.everywhere[i][k] = everywhere[i, k]
            t.spread[i][k] = &spread[spread_at[i, k], 0, 0] if spread_at[i, k] >= 0 else NULL
    c = channel_make(&t, p["read_queue"], p["write_queue"], p["first_due"], p["due_stagger"], &histogram[0])
    if c == NULL:
        raise MemoryError("no memory for a DRAM channel")
    if p["general"]:
        c.general = 1
    return c


cdef list counts_of(Channel *c):
    cdef Counts *k = &c.counts
    return [k.reads, k.writes, k.row_hits, k.row_misses, k.row_conflicts, k.commands[ACT], k.commands[PRE],
            k.commands[RD], k.commands[WR], k.commands[REF], k.commands[PREA], k.commands[REFB], k.forwarded,
            k.coalesced, k.merged, k.latency_sum, k.queueing_sum, k.latency_max, k.last_data]


cdef object bank_counts_of(Channel *c, int64_t end):
    """ACT, PRE, RD, WR and open clocks of each bank up to clock `end`, int64 [banks, 5]."""
    cdef int32_t b
    cdef BankCounts *k
    rows = np.empty((c.t.banks, 5), dtype=np.int64)
    for b in range(c.t.banks):
        k = &c.bank[b]
        rows[b] = (k.act, k.pre, k.rd, k.wr, k.open_clk + (max(0, end - k.opened) if c.open_row[b] >= 0 else 0))
    return rows


cdef object rank_clocks_of(Channel *c, int64_t end):
    """Clocks of each rank in each power state up to clock `end`, int64 [ranks, POWER_STATES]."""
    cdef int32_t r
    cdef int64_t slept, since, beyond
    rows = np.zeros((c.t.ranks, POWER_STATES), dtype=np.int64)
    for r in range(c.t.ranks):
        for s in range(POWER_STATES):
            rows[r, s] = c.rank_clk[r * POWER_STATES + s]
        if c.asleep[r]:
            rows[r, 4] += max(0, end - c.asleep_since[r])
        slept = 0
        if c.t.power_down and not c.asleep[r] and c.rank_waiting[r] == 0 and not c.pending[r]:
            since = max(c.idle_since[r] + c.t.power_down, c.busy_until[r])
            slept = max(0, end - since)
            rows[r, 2 if c.open_banks[r] else 3] += slept
        # A rank that a refresh has woken stays for tCKE, which may last until after the end.
        beyond = max(0, c.left_at[r] - end)
        rows[r, 2 if c.open_banks[r] else 3] -= beyond
        if c.open_banks[r]:
            rows[r, 0] += max(0, end - c.active_since[r] - slept + beyond)
        rows[r, 1] = max(0, end - rows[r].sum())
    return rows


cdef object rank_commands_of(Channel *c):
    """REF, PREA and REFB of each rank, int64 [ranks, 3]."""
    cdef int32_t r
    cdef int64_t *k
    rows = np.empty((c.t.ranks, 3), dtype=np.int64)
    for r in range(c.t.ranks):
        k = c.rank_commands + r * COMMANDS
        rows[r] = (k[REF], k[PREA], k[REFB])
    return rows


cdef object series_of(Channel *c):
    """The time series, int64 [intervals, SERIES_FIELDS]."""
    cdef int64_t i
    rows = np.empty(c.series_rows * SERIES_FIELDS, dtype=np.int64)
    cdef int64_t[::1] view = rows
    for i in range(c.series_rows * SERIES_FIELDS):
        view[i] = c.series[i]
    return rows.reshape(-1, SERIES_FIELDS)


cdef str stuck_text(Channel *c):
    """What waits for what in a channel that makes no progress."""
    cdef int32_t i = oldest_waiting(c)
    cdef Entry *e
    cdef int32_t within, rank
    text = (f"no progress at clock {c.clk}: {c.queue[READS].waiting} reads and {c.queue[WRITES].waiting} writes wait, and "
            "timing rules and refresh leave no time to serve them")
    if i < 0:
        return text
    e = &c.entries[i]
    rank, within = e.bank >> c.t.rank_shift, e.bank & (c.t.banks_per_rank - 1)
    text += (f"; the oldest, a {'write' if e.kind == WRITES else 'read'} of rank {rank}, bank group "
             f"{within >> c.t.group_shift}, bank {within & (c.t.banks_per_group - 1)}, row {e.row}, waits since clock "
             f"{e.arrived} for ")
    if c.open_row[e.bank] == e.row:
        text += "WR" if e.kind == WRITES else "RD"
    elif c.open_row[e.bank] >= 0:
        text += f"PRE of row {c.open_row[e.bank]}"
    else:
        text += "ACT"
    return text + (", while a refresh of its rank is due" if c.pending[rank] else ", which no rule ever allows")


cdef tuple histogram_points(const int64_t[::1] histogram):
    counts = np.asarray(histogram)
    bins = np.flatnonzero(counts)
    clk = np.empty(len(bins), dtype=np.int64)
    cdef int64_t i
    cdef const int64_t[::1] used = bins
    cdef int64_t[::1] values = clk
    for i in range(values.shape[0]):
        values[i] = latency_of_bin(used[i])
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


cdef object log_queues(Channel *c):
    """Reads and writes that waited when each command of the log was issued, int32 [2, n]."""
    cdef int64_t i
    columns = np.empty((2, c.log_count), dtype=np.int32)
    cdef int32_t[:, ::1] view = columns
    for i in range(c.log_count):
        view[0, i] = c.log[i].reads
        view[1, i] = c.log[i].writes
    return columns
