"""Idle ranks in the twin: power-down and self-refresh, when they begin and end, clocks in each state."""

NEVER = float("inf")
ACTIVE, PRECHARGED, ACTIVE_POWER_DOWN, PRECHARGE_POWER_DOWN, SELF_REFRESH = range(5)


class RankState:
    """One rank."""

    def __init__(self):
        self.last_column = 0  # clock of its last RD or WR
        self.no_entry_before = 0  # its last burst, refresh and wake-up have ended
        self.asleep = None  # PRECHARGE_POWER_DOWN or SELF_REFRESH, or awake
        self.entered = 0
        self.leaves = NEVER  # clock at which it leaves, once it has been woken
        self.clocks = [0] * 5


class Idle:
    """The ranks of the channel, counted over pseudo channels."""

    def __init__(self, spec, device, queues, refresh):
        self.settings, self.timing, self.refresh_clk = spec.idle, spec.timing, spec.refresh_clk
        self.device, self.queues, self.refresh = device, queues, refresh
        self.ranks = [RankState() for _ in range(spec.organization.all_ranks)]

    def clock(self, t):
        """Between steps 1 and 2: wake ranks, then let those that are idle enter power-down."""
        for number, rank in enumerate(self.ranks):
            if not self._is_idle(number):
                self._wake(t, number)
            if rank.leaves <= t:
                rank.asleep, rank.leaves = None, NEVER
            if self._entry(number) <= t:
                rank.asleep, rank.entered = PRECHARGE_POWER_DOWN, t
                self.device.awake_from[number] = NEVER

    def _is_idle(self, number):
        due = bool(self.refresh.ranks) and self.refresh.ranks[number].due
        return not self.queues.of_rank[number] and not due

    def _wake(self, t, number):
        rank = self.ranks[number]
        if rank.asleep is None or rank.leaves < NEVER:
            return
        if rank.asleep == SELF_REFRESH:
            rank.leaves = max(t, rank.entered + self.timing.tCKESR)
            awake = rank.leaves + self.timing.tXS
            self.refresh.ranks[number].falls_due = rank.leaves + self.refresh.interval
        else:
            rank.leaves = max(t, rank.entered + self.timing.tCKE)
            awake = rank.leaves + self.timing.tXP
        self.device.awake_from[number] = rank.no_entry_before = awake

    def _entry(self, number):
        """Clock at which the rank enters power-down, if nothing happens to it before."""
        rank, pause = self.ranks[number], self.settings.power_down_clk
        if not pause or rank.asleep is not None or not self._is_idle(number):
            return NEVER
        return max(rank.last_column + pause, rank.no_entry_before)

    def next_entry(self):
        return min(self._entry(number) for number in range(len(self.ranks)))

    def served(self, t, number, data_end):
        """Note a RD or WR of the rank, the data of which have moved at ``data_end``."""
        rank = self.ranks[number]
        rank.last_column = t
        rank.no_entry_before = max(rank.no_entry_before, data_end)

    def refreshed(self, t, number):
        """Note a REF or REFB of the rank."""
        rank = self.ranks[number]
        rank.no_entry_before = max(rank.no_entry_before, t + self.refresh_clk)

    def takes_over(self, t, number):
        """Enter self-refresh instead of a REF that could issue; return whether."""
        rank, pause = self.ranks[number], self.settings.self_refresh_clk
        owed = self.refresh.ranks[number].debt
        if not pause or self.queues.of_rank[number] or owed > 1 or t - rank.last_column < pause:
            return False
        rank.asleep, rank.entered = SELF_REFRESH, t
        self.device.awake_from[number] = NEVER
        self.refresh.ranks[number].falls_due = NEVER
        return True

    def count(self, first, last):
        """Count the clocks from ``first`` up to ``last``, in which nothing changes."""
        open_ranks = {self.device.rank_of(bank) for bank in self.device.open_rows}
        for number, rank in enumerate(self.ranks):
            is_open = number in open_ranks
            state = ACTIVE if is_open else PRECHARGED
            if rank.asleep == SELF_REFRESH:
                state = SELF_REFRESH
            elif rank.asleep is not None:
                state = ACTIVE_POWER_DOWN if is_open else PRECHARGE_POWER_DOWN
            rank.clocks[state] += last - first

    def count_to_the_end(self, t, last):
        """Count from ``t`` to the last data; no refresh falls due any more."""
        while t < last:
            self.clock(t)
            self.count(t, t + 1)
            t += 1
