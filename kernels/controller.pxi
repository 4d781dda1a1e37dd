# The controller of one channel: refresh, scheduling, front end, and the loop from event to event.
#
# What happens within one clock, in this order: refreshes fall due; at most one command issues; the front end offers
# at most one request, which can take part from the next clock on. Nothing else happens, so the loop in `advance`
# jumps to the earliest clock at which one of these can, and gives the command stream that ticking would give.
# tests/twin.py states the same rules clock by clock; docs/dram.md states them in words.

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
                c.held_back[k] = c.group[k]
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
    c.fruitless += c.queue[READS].count + c.queue[WRITES].count > 0
    log_command(c, clk, REF, first, 0, 0)
    c.pending[rank] = 0
    c.pending_count -= 1
    c.due[rank] += c.refresh_interval
    if c.due[rank] < c.next_due:
        c.next_due = c.due[rank]
    for k in range(rank * c.bank_groups, (rank + 1) * c.bank_groups):
        c.group[k] = c.held_back[k]
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
    c.fruitless = 0
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
    on as if both had been one. Returns 0, or -1 when no request can ever make progress again.
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
            if c.fruitless > FRUITLESS_MAX * c.ranks:
                return -1
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
