# One memory channel: request queues, bank and rank timing, scheduling and refresh, advanced from event to event.
#
# Included by dram.pyx (a whole channel behind a host controller) and recnmp.pyx (one channel per rank unit).
#
# What happens within one clock, in this order: refreshes fall due; at most one command issues; the front end offers
# at most one request, which can take part from the next clock on. Nothing else happens, so the loop in `advance`
# jumps to the earliest clock at which one of these can, and gives the command stream that ticking would give.
# tests/twin.py states the same rules clock by clock; docs/dram.md states them in words.
#
# Clocks are int32 relative to `base`, which moves up now and then; what leaves this file is absolute int64.

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

cdef struct LogRecord:
    int64_t clk
    int32_t command, bank, row, column

cdef struct Channel:
    Queue queue[2]
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
    int32_t pending_count
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
    c.bank_acts = <int64_t *>calloc(c.banks, sizeof(int64_t))
    if not (c.group and c.group_delta and c.ready and c.open_row and c.refresh_ready and c.history and c.head
            and c.due and c.pending and c.bank_acts):
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
    free(c.bank_acts)
    free(c.log)


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


# ------------------------------------------------------------------------------------------------------ refresh

cdef void refresh_due(Channel *c) noexcept nogil:
    """The refresh of a rank falls due: no more ACT to it until REF has issued."""
    cdef int32_t rank, k
    cdef int64_t due = c.next_due
    c.next_due = INT64_MAX
    for rank in range(c.ranks):
        if c.pending[rank]:
            continue
        if c.due[rank] <= due:
            c.pending[rank] = 1
            c.pending_count += 1
            for k in range(rank * c.bank_groups, (rank + 1) * c.bank_groups):
                c.group[k] = NEVER
        elif c.due[rank] < c.next_due:
            c.next_due = c.due[rank]
    c.stale = True


cdef int32_t precharge_all_clk(Channel *c, int32_t rank) noexcept nogil:
    """Earliest relative clock of PREA; FLOOR - 1 when every bank of the rank is closed."""
    cdef int32_t bank, clk = FLOOR - 1
    for bank in range(rank * c.banks_per_rank, (rank + 1) * c.banks_per_rank):
        if c.open_row[bank] != CLOSED and c.ready[4 * bank + PRE] > clk:
            clk = c.ready[4 * bank + PRE]
    return clk


cdef int64_t refresh_clk(Channel *c, int32_t *which) noexcept nogil:
    """Absolute clock of the next PREA or REF of any rank whose refresh is due, and the rank."""
    cdef int32_t rank, clk, best = NEVER
    for rank in range(c.ranks):
        if not c.pending[rank]:
            continue
        clk = precharge_all_clk(c, rank)
        if clk < FLOOR:
            clk = c.refresh_ready[rank]
        if clk < c.now:
            clk = c.now
        if clk < best:
            best = clk
            which[0] = rank
    return c.base + best


cdef void issue_refresh(Channel *c, int32_t rank, int64_t clk) noexcept nogil:
    cdef int32_t bank, k
    cdef int32_t t = <int32_t>(clk - c.base)
    cdef int32_t first = rank * c.banks_per_rank
    if precharge_all_clk(c, rank) >= FLOOR:
        c.counts.commands[PREA] += 1
        log_command(c, clk, PREA, first, 0, 0)
        for bank in range(first, first + c.banks_per_rank):
            if c.open_row[bank] != CLOSED:
                apply_rules(c, PRE, bank, t)
                c.open_row[bank] = CLOSED
                refresh_entries(c, bank)
        return
    c.counts.commands[REF] += 1
    log_command(c, clk, REF, first, 0, 0)
    c.pending[rank] = 0
    c.pending_count -= 1
    c.due[rank] += c.refresh_interval
    if c.due[rank] < c.next_due:
        c.next_due = c.due[rank]
    # Every earlier constraint on ACT is older than tRFC by now, because REF itself waits for tRC and tRP.
    for k in range(rank * c.bank_groups, (rank + 1) * c.bank_groups):
        c.group[k] = FLOOR
    apply_rules(c, REF, first, t)


# --------------------------------------------------------------------------------------------------- scheduling

cdef inline bint would_delay_refresh(Channel *c, int32_t bank, int32_t t) noexcept nogil:
    """Would a column command at `t` push back the PREA that a due refresh is waiting for?"""
    cdef int32_t rank = bank >> c.rank_shift
    return (c.pending[rank]
            and t + c.bank_delta[RD + c.active][PRE] > precharge_all_clk(c, rank))


cdef void find_candidate(Channel *c) noexcept nogil:
    """First ready, column commands first, then oldest: cache the next command of the active queue."""
    cdef Queue *e = &c.queue[c.active]
    cdef int32_t key, t, slot
    c.stale = False
    c.best_clk = INT64_MAX
    if e.count == 0:
        return
    while True:
        key = simd_earliest(e.local, e.index, e.tag, c.group, c.now, e.padded)
        t = key >> KEY_SHIFT
        if t >= NEVER:
            return
        slot = e.order[key & AGE_MASK]
        if c.pending_count and not key & ROW_COMMAND and would_delay_refresh(c, e.bank[slot], t):
            # PREA never moves later while a refresh is due, so this entry waits for it.
            e.local[slot] = NEVER
            continue
        c.best_key = key
        c.best_clk = c.base + t
        return


cdef inline void remove_entry(Queue *e, int32_t slot, int32_t age) noexcept nogil:
    simd_retire(e.tag, age, e.padded)
    memmove(&e.order[age], &e.order[age + 1], QUEUE_MAX - 1 - age)
    e.count -= 1
    e.free[e.capacity - 1 - e.count] = <uint8_t>slot
    e.local[slot] = NEVER
    e.index[slot] = 0
    e.tag[slot] = 0
    e.bank[slot] = -1


cdef inline void count_read(Channel *c, int64_t arrived, int64_t end) noexcept nogil:
    cdef int64_t latency = end - arrived
    c.counts.latency_sum += latency
    if latency > c.counts.latency_max:
        c.counts.latency_max = latency
    c.latency[latency_bin(latency)] += 1


cdef inline void complete(Channel *c, Queue *e, int32_t slot, int32_t age, int64_t end) noexcept nogil:
    """The column command of an entry has issued; its data have moved at `end`."""
    if c.active == READS:
        count_read(c, e.arrived[slot], end)
    if end > c.counts.last_data:
        c.counts.last_data = end
    if c.finished != NULL:
        c.finished[e.ident[slot]] = end
    if c.completed != NULL:
        c.completed[c.completed_count] = e.ident[slot]
        c.completed_count += 1
    remove_entry(e, slot, age)


cdef void issue(Channel *c) noexcept nogil:
    """Issue the cached candidate at its clock."""
    cdef Queue *e = &c.queue[c.active]
    cdef int32_t age = c.best_key & AGE_MASK
    cdef int32_t slot = e.order[age]
    cdef int32_t bank = e.bank[slot]
    cdef int32_t t = <int32_t>(c.best_clk - c.base)
    cdef int32_t command
    if c.best_key & ROW_COMMAND:
        command = ACT if c.open_row[bank] == CLOSED else PRE
    else:
        command = RD + c.active
    c.counts.commands[command] += 1
    log_command(c, c.best_clk, command, bank, e.row[slot], e.column[slot])
    apply_rules(c, command, bank, t)
    if not e.classified[slot]:
        e.classified[slot] = 1
        if command == ACT:
            c.counts.row_misses += 1
        elif command == PRE:
            c.counts.row_conflicts += 1
        else:
            c.counts.row_hits += 1
    if command == ACT:
        c.open_row[bank] = e.row[slot]
        c.bank_acts[bank] += 1
    elif command == PRE:
        c.open_row[bank] = CLOSED
    else:
        complete(c, e, slot, age, c.best_clk + (c.read_data if command == RD else c.write_data))
    refresh_entries(c, bank)


cdef inline void update_mode(Channel *c) noexcept nogil:
    """Between two clocks: serve reads until the write queue must drain, or there is nothing else to do."""
    cdef int32_t reads = c.queue[READS].count
    cdef int32_t writes = c.queue[WRITES].count
    if c.active == READS:
        if writes >= c.drain_high or (reads == 0 and writes > 0):
            c.active = WRITES
            c.stale = True
    elif writes == 0 or (writes <= c.drain_low and reads > 0):
        c.active = READS
        c.stale = True


# ---------------------------------------------------------------------------------------------------- front end

cdef inline bint write_pending(Channel *c, int32_t bank, int32_t row, int32_t column) noexcept nogil:
    cdef Queue *e = &c.queue[WRITES]
    return e.count > 0 and simd_holds(e.bank, e.row, e.column, bank, row, column, e.padded)


cdef inline int64_t accept_clk(Channel *c, int64_t coordinate, int32_t kind, int64_t arrival) noexcept nogil:
    """Absolute clock at which the next request gets in as things stand; INT64_MAX while its queue is full."""
    if c.queue[kind].count == c.queue[kind].capacity and not write_pending(
            c, <int32_t>(coordinate >> 16) & 0xFFFF, <int32_t>(coordinate >> 32), <int32_t>coordinate & 0xFFFF):
        return INT64_MAX
    return max(c.offer, arrival, c.clk)


cdef void accept(Channel *c, int64_t coordinate, int32_t kind, int64_t ident, int64_t clk) noexcept nogil:
    """Take a request in at absolute clock `clk`; it can be scheduled from `clk + 1` on."""
    cdef Queue *e = &c.queue[kind]
    cdef int32_t row = <int32_t>(coordinate >> 32)
    cdef int32_t bank = <int32_t>(coordinate >> 16) & 0xFFFF
    cdef int32_t column = <int32_t>coordinate & 0xFFFF
    cdef int32_t slot, t, key
    c.clk = clk
    c.offer = clk + 1
    set_now(c, clk + 1)
    if kind == READS:
        c.counts.reads += 1
    else:
        c.counts.writes += 1
    if write_pending(c, bank, row, column):
        # A read takes the data of the write that waits; a write replaces it. Neither needs the DRAM.
        if kind == READS:
            c.counts.forwarded += 1
            count_read(c, clk, clk + 1)
            if clk + 1 > c.counts.last_data:
                c.counts.last_data = clk + 1
            if c.finished != NULL:
                c.finished[ident] = clk + 1
        else:
            c.counts.coalesced += 1
        return
    slot = e.free[e.capacity - 1 - e.count]
    e.order[e.count] = <uint8_t>slot
    e.tag[slot] = e.count
    e.count += 1
    e.bank[slot] = bank
    e.row[slot] = row
    e.column[slot] = column
    e.arrived[slot] = clk
    e.ident[slot] = ident
    e.classified[slot] = 0
    set_first_command(c, e, kind, slot)
    if kind == c.active and not c.stale:
        if c.pending_count:
            c.stale = True
            return
        t = max(e.local[slot], c.group[e.index[slot]], c.now)
        key = (t << KEY_SHIFT) | e.tag[slot]
        if t < NEVER and (c.best_clk == INT64_MAX or key < c.best_key):
            c.best_key = key
            c.best_clk = c.base + t


cdef inline void set_first_command(Channel *c, Queue *e, int32_t kind, int32_t slot) noexcept nogil:
    """What a new, youngest entry waits for."""
    cdef int32_t bank = e.bank[slot]
    cdef int32_t across = bank >> c.group_shift
    cdef int32_t *ready = c.ready + 4 * bank
    if c.open_row[bank] == CLOSED:
        e.local[slot] = ready[ACT]
        e.index[slot] = across
        e.tag[slot] |= ROW_COMMAND
    elif c.open_row[bank] == e.row[slot]:
        e.local[slot] = ready[RD + kind]
        e.index[slot] = (1 + kind) * c.ranks * c.bank_groups + across
    else:
        e.index[slot] = c.groups
        e.tag[slot] |= ROW_COMMAND
        e.local[slot] = ready[PRE]
        if simd_oldest_hit(e.tag, e.bank, e.row, bank, c.open_row[bank], e.padded) != INT32_MAX:
            e.local[slot] = NEVER


# ----------------------------------------------------------------------------------------------------- the loop

cdef int advance(Channel *c, const int64_t *coordinates, const uint8_t *kinds, const int64_t *arrivals, int64_t n,
                 bint drain) noexcept nogil:
    """Take in `n` requests and, with `drain`, serve all of them.

    A coordinate is row << 32 | bank << 16 | column; `kinds` (0 read, 1 write) and `arrivals` (earliest clock of the
    offer) may be NULL. Without `drain` the call returns with the last request taken in, so that the next call goes
    on as if both had been one. Returns 0, or -1 when nothing can ever happen again.
    """
    cdef int64_t i = 0, t_command, t_refresh, t_accept
    cdef int32_t rank = 0
    cdef int32_t kind = kinds[0] if kinds != NULL and n > 0 else READS
    cdef int64_t arrival = arrivals[0] if arrivals != NULL and n > 0 else 0
    while i < n or (drain and c.queue[READS].count + c.queue[WRITES].count > 0):
        if c.now > REBASE:
            rebase(c, c.now)
        if c.stale:
            find_candidate(c)
        t_command = c.best_clk
        t_refresh = refresh_clk(c, &rank) if c.pending_count else INT64_MAX
        t_accept = accept_clk(c, coordinates[i], kind, arrival) if i < n else INT64_MAX
        if c.next_due <= t_command and c.next_due <= t_refresh and c.next_due <= t_accept:
            if c.next_due == INT64_MAX:
                return -1
            set_now(c, c.next_due)
            refresh_due(c)
            continue
        if t_refresh <= t_command and t_refresh <= t_accept:
            issue_refresh(c, rank, t_refresh)
            c.clk = t_refresh
        elif t_command <= t_accept:
            issue(c)
            c.clk = t_command
        else:
            accept(c, coordinates[i], kind, i, t_accept)
            i += 1
            if i < n:
                kind = kinds[i] if kinds != NULL else READS
                arrival = arrivals[i] if arrivals != NULL else 0
            update_mode(c)
            continue
        c.stale = True
        t_command = c.clk
        set_now(c, t_command + 1)
        if i < n and accept_clk(c, coordinates[i], kind, arrival) == t_command:
            accept(c, coordinates[i], kind, i, t_command)
            i += 1
            if i < n:
                kind = kinds[i] if kinds != NULL else READS
                arrival = arrivals[i] if arrivals != NULL else 0
        update_mode(c)
    return 0
