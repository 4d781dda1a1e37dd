# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""A policy against the heat of a near-sensor stack: one decision and one step of a two-pole ladder after the other."""

from libc.stdint cimport int8_t, int64_t

cdef enum:
    NEAR = 0
    FAR = 1
    STOP = 2

cdef enum:
    FULL_FAR = 0
    FULL_NEAR = 1
    STOP_CAPTURE_GO = 2
    SEASONAL = 3
    ON_DEMAND = 4
    USER = 5


def run(const double[::1] heat, const double[::1] bounds, const int64_t[::1] counts, const int64_t[::1] times,
        double period, double step, object decide, double[:, ::1] trace, int8_t[::1] modes, int64_t[::1] tally,
        double[::1] felt):
    """Run one policy. Other threads run meanwhile, unless the policy is the user's.

    Parameters
    ----------
    heat : double array [12]
        Rises over ambient after a step: die' = h0 die + h1 package + h[4 + mode], package' = h2 die + h3 package +
        h[7 + mode]. h10, h11: rises of die and package in the beginning.
    bounds : double array [10]
        Rises: T_high, T_low, limit of vision, limit of imaging. With foresight a near step ends with
        b4 die + b5 package <= b8 and b6 die + b7 package <= b9, so that a request can still be fulfilled in time.
    counts : int64 array [7]
        Policy, steps, steps before what is counted, patience in steps, whether foresight is used, steps from one
        entry of the trace to the next, whether requests are periodic.
    times : int64 array [n]
        Steps at which frames are asked for, ascending.
    period, step : double
        Seconds from one periodic request to the next, and of a step.
    decide : callable or None
        Of the user: (step, die, package, mode before, requested, waited, ends of die) -> mode; may raise.
    trace : double array [m, 2], modes : int8 array [m]
        Receive rises of die and package at the start of every so-manyth step, and its mode.
    tally : int64 array [24]
        Receives counts; see `archsim.sensor.policies.engine`.
    felt : double array [8]
        Receives temperatures; see there.
    """
    cdef int64_t policy = counts[0], steps = counts[1], skip = counts[2], patience = counts[3]
    cdef bint foresight = counts[4] != 0, periodic = counts[6] != 0
    cdef int64_t stride = counts[5], k = 0, next_time = 0, asked = 0, due = 0, point = 0, waited = 0, left
    cdef double h0 = heat[0], h1 = heat[1], h2 = heat[2], h3 = heat[3]
    cdef double die = heat[10], package = heat[11], near_die, near_package, end_die, end_package
    cdef double high = bounds[0], low = bounds[1], vision = bounds[2], imaging = bounds[3]
    cdef int mode = -1, before = -1, place = -1, season = NEAR
    cdef bint pending = False, allowed
    cdef int64_t near_n = 0, far_n = 0, stop_n = 0, moves = 0, captured = 0, missed = 0, blurred = 0, stops = 0
    cdef int64_t longest = 0, cycles = 0
    cdef double warmth = 0.0, hottest = -1e300, coldest = 1e300, worst = -1e300
    if (heat.shape[0] < 12 or bounds.shape[0] < 10 or counts.shape[0] < 7 or tally.shape[0] < 24
            or felt.shape[0] < 8 or trace.shape[0] != modes.shape[0] or trace.shape[1] != 2):
        raise ValueError("arrays of the wrong lengths")
    if stride <= 0 or (trace.shape[0] and (steps + stride - 1) // stride > trace.shape[0]):
        raise ValueError("the trace is too short")
    if policy == USER and decide is None:
        raise ValueError("no policy")
    left = stride if trace.shape[0] == 0 else 1
    tally[:] = 0
    felt[:] = 0
    with nogil:
        for k in range(steps):
            if k == skip:  # what is counted begins
                near_n = far_n = stop_n = moves = 0
                warmth = 0.0
                hottest = -1e300
                coldest = 1e300
            due = 0
            if periodic:
                while (asked + 1) * period <= (k + 1e-6) * step:
                    asked += 1
                    due += 1
            else:
                while next_time < times.shape[0] and times[next_time] <= k:
                    next_time += 1
                    asked += 1
                    due += 1
            if due and not pending:
                pending = True
                waited = 0
            near_die = h0 * die + h1 * package + heat[4]
            near_package = h2 * die + h3 * package + heat[7]
            if foresight:
                allowed = (near_die <= high and bounds[4] * near_die + bounds[5] * near_package <= bounds[8]
                           and bounds[6] * near_die + bounds[7] * near_package <= bounds[9])
            else:
                allowed = die < high
            if policy == FULL_FAR:
                mode = FAR
            elif policy == FULL_NEAR:
                mode = NEAR
            elif policy == STOP_CAPTURE_GO:
                if pending or not allowed:
                    mode = STOP
                    if before != STOP:
                        stops += 1
                        if not pending:  # every stop has its frame captured
                            pending = True
                            waited = 0
                else:
                    mode = NEAR
            elif policy == SEASONAL:
                if season == NEAR:
                    if not allowed:
                        season = FAR
                elif die <= low and allowed:
                    season = NEAR
                mode = FAR if pending else season
            elif policy == ON_DEMAND:
                mode = FAR if pending else NEAR
            else:
                with gil:
                    mode = decide(k, die, package, before, pending, waited, near_die,
                                  h0 * die + h1 * package + heat[5], h0 * die + h1 * package + heat[6])
            if mode == NEAR:
                end_die = near_die
                end_package = near_package
            else:
                end_die = h0 * die + h1 * package + heat[4 + mode]
                end_package = h2 * die + h3 * package + heat[7 + mode]
            if mode == NEAR and before != NEAR and before != -1 and k >= skip:
                # A cycle begins; whole ones are between the first and the last of these.
                if cycles == 0:
                    tally[12] = near_n
                    tally[13] = far_n
                    tally[14] = stop_n
                    tally[15] = moves
                    felt[4] = warmth
                else:
                    tally[16] = near_n
                    tally[17] = far_n
                    tally[18] = stop_n
                    tally[19] = moves
                    felt[5] = warmth
                cycles += 1
            if mode != STOP:
                if place != mode:
                    if place != -1:
                        moves += 1
                    place = mode
                if end_die > vision:
                    blurred += 1
            left -= 1
            if left == 0:
                left = stride
                if trace.shape[0]:
                    trace[point, 0] = die
                    trace[point, 1] = package
                    modes[point] = mode
                    point += 1
            if mode == NEAR:
                near_n += 1
            elif mode == FAR:
                far_n += 1
            else:
                stop_n += 1
            warmth += end_die
            if end_die > hottest:
                hottest = end_die
            if end_die < coldest:
                coldest = end_die
            if pending:
                waited += 1
                if end_die <= imaging or waited >= patience:
                    pending = False
                    captured += 1
                    if end_die > imaging:
                        missed += 1
                    if end_die > worst:
                        worst = end_die
                    if waited > longest:
                        longest = waited
            die = end_die
            package = end_package
            before = mode
    tally[0] = near_n
    tally[1] = far_n
    tally[2] = stop_n
    tally[3] = moves
    tally[4] = asked
    tally[5] = captured
    tally[6] = missed
    tally[7] = blurred
    tally[8] = stops
    tally[9] = longest
    tally[10] = pending
    tally[11] = cycles
    tally[20] = point
    felt[0] = warmth
    felt[1] = hottest
    felt[2] = coldest
    felt[3] = worst
    felt[6] = die
    felt[7] = package
