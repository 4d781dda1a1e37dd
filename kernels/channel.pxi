# The state of one memory channel, and what a command does to it: request queues, bank and rank timing.
#
# Included, with controller.pxi, by dram.pyx (a whole channel behind a host controller) and recnmp.pyx (one channel per
# rank unit). Clocks are int32 relative to `base`, which moves up now and then; what leaves is absolute int64.

from libc.stdint cimport INT32_MAX, INT64_MAX, int32_t, int64_t, uint8_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memmove

cdef extern from "simd.h" nogil:
    int32_t simd_earliest(const int32_t *local, const int32_t *index, const int32_t *tag, const int32_t *group,
                          int32_t now, int32_t entries) noexcept
    int32_t simd_oldest_hit(const int32_t *tag, const int32_t *bank, const int32_t *row, int32_t wanted_bank,
                            int32_t wanted_row, int32_t entries) noexcept
    void simd_bank_open(int32_t *local, int32_t *index, int32_t *tag, const int32_t *bank, const int32_t *row,
                        int32_t this_bank, int32_t open_row, int32_t oldest_hit, int32_t column_clk,
                        int32_t column_index, int32_t pre_clk, int32_t pre_index, int32_t never,
                        int32_t entries) noexcept
    void simd_bank_closed(int32_t *local, int32_t *index, int32_t *tag, const int32_t *bank, int32_t this_bank,
                          int32_t act_clk, int32_t act_index, int32_t entries) noexcept
    void simd_raise(int32_t *values, const int32_t *delta, int32_t now, int32_t count) noexcept
    void simd_rebase(int32_t *values, int32_t shift, int32_t floor, int32_t never, int32_t count) noexcept
    void simd_retire(int32_t *tag, int32_t retired, int32_t entries) noexcept
    int32_t simd_holds(const int32_t *bank, const int32_t *row, const int32_t *column, int32_t wanted_bank,
                       int32_t wanted_row, int32_t wanted_column, int32_t entries) noexcept

cdef enum:
    ACT = 0
    PRE = 1
    RD = 2
    WR = 3
    REF = 4
    PREA = 5
    COMMANDS = 6
    READS = 0
    WRITES = 1
    QUEUE_MAX = 64
    KEY_SHIFT = 7
    AGE_MASK = 63
    ROW_COMMAND = 64
    NEVER = (1 << 24) - 1       # no legal clock in sight; (NEVER << KEY_SHIFT) still fits in int32
    FLOOR = -(1 << 22)          # a constraint this old binds nobody
    REBASE = 1 << 22
    CLOSED = -1
    FRUITLESS_MAX = 64          # this many REFs per rank in a row without a RD or WR: nothing will ever move
    LATENCY_EXACT = 1 << 16     # read latencies up to here are counted one bin a clock ...
    LATENCY_BINS = (1 << 16) + 40 * 256  # ... and beyond it in 256 bins per octave

# The order of the `parameters` array; archsim.dram.resolve fills it by these names.
PARAMETERS = ("ranks", "bank_groups", "banks_per_group", "read_queue", "write_queue", "drain_high", "drain_low",
              "read_data_clk", "write_data_clk", "act_window", "act_window_clk", "refresh", "refresh_interval_clk",
              "first_refresh_clk", "refresh_stagger_clk")
# The order of the `counts` array.
COUNTS = ("reads", "writes", "row_hits", "row_misses", "row_conflicts", "act", "pre", "rd", "wr", "ref", "prea",
          "forwarded", "coalesced", "latency_sum_clk", "latency_max_clk", "last_data_clk")

cdef struct Counts:
    int64_t reads, writes, row_hits, row_misses, row_conflicts
    int64_t commands[6]
    int64_t forwarded, coalesced, latency_sum, latency_max, last_data

cdef struct Queue:
    int32_t local[64]     # earliest legal clock of the entry's next command as far as its bank goes
    int32_t index[64]     # which element of Channel.group it must wait for as well
    int32_t tag[64]       # age (0 = oldest), plus ROW_COMMAND when the next command is ACT or PRE
    int32_t bank[64]
    int32_t row[64]
    int32_t column[64]
    int64_t arrived[64]   # absolute clock
    int64_t ident[64]
    uint8_t classified[64]
    uint8_t order[64]     # slot by age
    uint8_t free[64]
    int32_t count, capacity, padded
    int32_t unused[13]    # makes the size a multiple of 64, so that both queues are aligned

cdef struct LogRecord:
    int64_t clk
    int32_t command, bank, row, column

cdef struct Channel:
    Queue queue[2]
    void *allocated
    int32_t active                  # READS or WRITES: the queue being served
    int64_t base, clk, offer        # `clk` and `offer` are absolute: last event; next offer of the front end
    int32_t now                     # first clock without a decision yet, relative
    bint stale                      # the cached candidate must be looked up again
    int32_t best_key
    int64_t best_clk
    int32_t ranks, bank_groups, banks_per_group, banks_per_rank, banks
    int32_t group_shift, rank_shift # a bank number shifted right by these is its bank group, its rank
    int32_t groups, groups_padded
    int32_t *group                  # earliest clock by (ACT | RD | WR, rank, bank group); last: no constraint
    int32_t *group_delta            # (ACT, PRE, RD, WR, REF) x (rank, bank group) x groups_padded
    int32_t bank_delta[6][4]
    int32_t refresh_delta[6]
    int32_t *ready                  # bank x (ACT, PRE, RD, WR)
    int32_t *open_row
    int32_t *refresh_ready
    int32_t *history                # rank x the clocks of its last `act_window` ACTs
    int32_t *head
    int32_t act_window, act_window_clk
    int32_t drain_high, drain_low
    int32_t read_data, write_data   # clocks from RD or WR to the end of its burst
    bint refresh
    int64_t refresh_interval, next_due
    int64_t *due
    uint8_t *pending
    int32_t *held_back              # (rank, bank group): earliest ACT but for the pending refresh
    int32_t pending_count
    int32_t fruitless               # REFs since the last RD or WR while requests wait
    Counts counts
    int64_t *bank_acts              # ACTs of each bank
    int64_t *latency                # histogram, shared between channels of one unit
    int64_t *finished               # by ident: clock at which its data have moved; NULL when nobody asks
    int64_t *completed              # idents in order of their column commands; NULL when nobody asks
    int64_t completed_count
    LogRecord *log
    int64_t log_count, log_room, log_limit


cdef inline int64_t latency_bin(int64_t clk) noexcept nogil:
    cdef int64_t octave = 0
    if clk < LATENCY_EXACT:
        return clk
    while (clk >> octave) >= 512:
        octave += 1
    return LATENCY_EXACT + (octave - 8) * 256 + (clk >> octave) - 256


cdef inline int64_t latency_of_bin(int64_t index) noexcept nogil:
    cdef int64_t octave
    if index < LATENCY_EXACT:
        return index
    octave = (index - LATENCY_EXACT) // 256 + 8
    return ((index - LATENCY_EXACT) % 256 + 256) << octave


# ------------------------------------------------------------------------------------------ making and unmaking

cdef Channel *channel_new() except NULL:
    """Return a zeroed Channel on a cache line boundary, so that vectors do not straddle lines."""
    cdef void *allocated = calloc(1, sizeof(Channel) + 64)
    cdef Channel *c
    if allocated == NULL:
        raise MemoryError("no memory for a DRAM channel")
    c = <Channel *>((<size_t>allocated + 63) & ~<size_t>63)
    c.allocated = allocated
    return c


cdef int channel_make(Channel *c, const int64_t[::1] p, const int32_t[:, :, ::1] group_delta,
                      const int32_t[:, ::1] bank_delta, const int32_t[::1] refresh_delta,
                      int64_t *latency) except -1:
    """Fill a zeroed Channel from resolved tables; the caller owns `latency`."""
    cdef int32_t i, k, q
    c.ranks, c.bank_groups, c.banks_per_group = <int32_t>p[0], <int32_t>p[1], <int32_t>p[2]
    c.queue[READS].capacity, c.queue[WRITES].capacity = <int32_t>p[3], <int32_t>p[4]
    c.drain_high, c.drain_low = <int32_t>p[5], <int32_t>p[6]
    c.read_data, c.write_data = <int32_t>p[7], <int32_t>p[8]
    c.act_window, c.act_window_clk = <int32_t>p[9], <int32_t>p[10]
    c.refresh, c.refresh_interval = p[11] != 0, p[12]
    c.banks_per_rank = c.bank_groups * c.banks_per_group
    c.banks = c.ranks * c.banks_per_rank
    while (1 << c.group_shift) < c.banks_per_group:
        c.group_shift += 1
    while (1 << c.rank_shift) < c.banks_per_rank:
        c.rank_shift += 1
    c.groups = 3 * c.ranks * c.bank_groups
    c.groups_padded = <int32_t>group_delta.shape[2]
    c.latency = latency
    c.group = <int32_t *>calloc(c.groups_padded, sizeof(int32_t))
    c.group_delta = <int32_t *>calloc(5 * c.ranks * c.bank_groups * c.groups_padded, sizeof(int32_t))
    c.ready = <int32_t *>calloc(4 * c.banks, sizeof(int32_t))
    c.open_row = <int32_t *>calloc(c.banks, sizeof(int32_t))
    c.refresh_ready = <int32_t *>calloc(c.ranks, sizeof(int32_t))
    c.history = <int32_t *>calloc(c.ranks * c.act_window, sizeof(int32_t))
    c.head = <int32_t *>calloc(c.ranks, sizeof(int32_t))
    c.due = <int64_t *>calloc(c.ranks, sizeof(int64_t))
    c.pending = <uint8_t *>calloc(c.ranks, sizeof(uint8_t))
    c.held_back = <int32_t *>calloc(c.ranks * c.bank_groups, sizeof(int32_t))
    c.bank_acts = <int64_t *>calloc(c.banks, sizeof(int64_t))
    if not (c.group and c.group_delta and c.ready and c.open_row and c.refresh_ready and c.history and c.head
            and c.due and c.pending and c.held_back and c.bank_acts):
        raise MemoryError("no memory for the state of a DRAM channel")
    for i in range(5):
        for k in range(c.ranks * c.bank_groups):
            for q in range(c.groups_padded):
                c.group_delta[(i * c.ranks * c.bank_groups + k) * c.groups_padded + q] = group_delta[i, k, q]
    for i in range(COMMANDS):
        c.refresh_delta[i] = refresh_delta[i]
        for k in range(4):
            c.bank_delta[i][k] = bank_delta[i, k]
    for i in range(c.groups_padded):
        c.group[i] = FLOOR
    for i in range(c.banks):
        c.open_row[i] = CLOSED
        for k in range(4):
            c.ready[4 * i + k] = FLOOR
    c.next_due = INT64_MAX
    for i in range(c.ranks):
        c.refresh_ready[i] = FLOOR
        for k in range(c.act_window):
            c.history[i * c.act_window + k] = FLOOR
        c.due[i] = p[13] + i * p[14]
        if c.refresh and c.due[i] < c.next_due:
            c.next_due = c.due[i]
    for q in range(2):
        c.queue[q].padded = (c.queue[q].capacity + 7) & ~7
        for i in range(QUEUE_MAX):
            c.queue[q].local[i] = NEVER
            c.queue[q].index[i] = c.groups
            c.queue[q].bank[i] = -1
            c.queue[q].free[i] = <uint8_t>(c.queue[q].capacity - 1 - i) if i < c.queue[q].capacity else 0
    c.stale = True
    return 0


cdef void channel_unmake(Channel *c) noexcept:
    free(c.group)
    free(c.group_delta)
    free(c.ready)
    free(c.open_row)
    free(c.refresh_ready)
    free(c.history)
    free(c.head)
    free(c.due)
    free(c.pending)
    free(c.held_back)
    free(c.bank_acts)
    free(c.log)
    free(c.allocated)


# ---------------------------------------------------------------------------------------------------- one clock

cdef inline void log_command(Channel *c, int64_t clk, int32_t command, int32_t bank, int32_t row,
                             int32_t column) noexcept nogil:
    cdef LogRecord *grown
    if c.log_count >= c.log_limit:
        return
    if c.log_count == c.log_room:
        c.log_room = 2 * c.log_room + 1024
        grown = <LogRecord *>realloc(c.log, c.log_room * sizeof(LogRecord))
        if grown == NULL:
            c.log_limit = c.log_count
            return
        c.log = grown
    c.log[c.log_count].clk = clk
    c.log[c.log_count].command = command
    c.log[c.log_count].bank = bank
    c.log[c.log_count].row = row
    c.log[c.log_count].column = column
    c.log_count += 1


cdef void rebase(Channel *c, int64_t shift) noexcept nogil:
    cdef int32_t s = <int32_t>(shift if shift < (1 << 25) else (1 << 25))
    cdef int32_t q
    simd_rebase(c.group, s, FLOOR, NEVER, c.groups_padded)
    simd_rebase(c.ready, s, FLOOR, NEVER, 4 * c.banks)
    simd_rebase(c.refresh_ready, s, FLOOR, NEVER, c.ranks)
    simd_rebase(c.held_back, s, FLOOR, NEVER, c.ranks * c.bank_groups)
    simd_rebase(c.history, s, FLOOR, NEVER, c.ranks * c.act_window)
    for q in range(2):
        simd_rebase(c.queue[q].local, s, FLOOR, NEVER, QUEUE_MAX)
    c.base += shift
    c.now = 0
    c.stale = True


cdef inline void set_now(Channel *c, int64_t clk) noexcept nogil:
    """Decisions before absolute clock `clk` are made."""
    if clk - c.base > REBASE:
        rebase(c, clk - c.base)
    elif clk - c.base > c.now:
        c.now = <int32_t>(clk - c.base)


cdef inline void refresh_entries(Channel *c, int32_t bank) noexcept nogil:
    """Bring the entries of one bank up to date after a command to it."""
    cdef int32_t q, hit
    cdef int32_t across = bank >> c.group_shift
    cdef int32_t per_class = c.ranks * c.bank_groups
    cdef int32_t *ready = c.ready + 4 * bank
    cdef Queue *e
    for q in range(2):
        e = &c.queue[q]
        if e.count == 0:
            continue
        if c.open_row[bank] == CLOSED:
            simd_bank_closed(e.local, e.index, e.tag, e.bank, bank, ready[ACT], across, e.padded)
        else:
            hit = simd_oldest_hit(e.tag, e.bank, e.row, bank, c.open_row[bank], e.padded)
            simd_bank_open(e.local, e.index, e.tag, e.bank, e.row, bank, c.open_row[bank], hit, ready[RD + q],
                           (1 + q) * per_class + across, ready[PRE], c.groups, NEVER, e.padded)


cdef inline void apply_rules(Channel *c, int32_t command, int32_t bank, int32_t t) noexcept nogil:
    """Raise every clock that a command to `bank` at relative clock `t` pushes back."""
    cdef int32_t k, clk
    cdef int32_t rank = bank >> c.rank_shift
    cdef int32_t across = bank >> c.group_shift
    cdef int32_t *ready = c.ready + 4 * bank
    cdef int32_t *history
    for k in range(4):
        clk = t + c.bank_delta[command][k]
        if clk > ready[k]:
            ready[k] = clk
    clk = t + c.refresh_delta[command]
    if clk > c.refresh_ready[rank]:
        c.refresh_ready[rank] = clk
    if command == PRE:
        return
    simd_raise(c.group, c.group_delta + (command * c.ranks * c.bank_groups + across) * c.groups_padded, t,
               c.groups_padded)
    if command == ACT:
        history = c.history + rank * c.act_window
        history[c.head[rank]] = t
        c.head[rank] += 1
        if c.head[rank] == c.act_window:
            c.head[rank] = 0
        clk = history[c.head[rank]] + c.act_window_clk
        for k in range(rank * c.bank_groups, (rank + 1) * c.bank_groups):
            if clk > c.group[k]:
                c.group[k] = clk
