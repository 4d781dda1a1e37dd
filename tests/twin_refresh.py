"""Refresh in the twin: when steps fall due, what they hold back, and their own commands."""

MOST_POSTPONED = 8


class RankRefresh:
    """The steps of one rank."""

    def __init__(self, first_due):
        self.falls_due = first_due  # clock of the next step
        self.debt = 0  # steps fallen due and not issued
        self.due = False
        self.done = 0  # steps issued


class Refresh:
    """The refreshes of all ranks, counted over pseudo channels."""

    def __init__(self, spec, device):
        self.device, self.mode, self.settings = device, spec.refresh.mode, spec.controller
        shape = spec.organization
        self.steps = {"per-bank": shape.banks_per_rank, "same-bank": shape.banks_per_group}.get(self.mode, 1)
        halves = 2 if spec.refresh.temperature_c > 85 else 1
        own = spec.timing.tREFIsb if self.mode == "same-bank" else None
        self.interval = (own or spec.timing.tREFI) // halves // self.steps
        self.postpone = spec.refresh.postpone if self.mode == "all-bank" else 0
        count = 0 if self.mode == "none" else shape.all_ranks
        part = self.interval // shape.all_ranks
        firsts = [(i + 1) * part if spec.refresh.staggered else self.interval for i in range(count)]
        self.ranks = [RankRefresh(first) for first in firsts]
        self.since_column = 0  # refreshes since the last RD or WR
        self.idle_ranks = None  # `twin_idle.Idle`, which may take a refresh over

    def fall_due(self, t, requests_of_rank):
        """Note what falls due; ``requests_of_rank`` counts the waiting requests of each rank."""
        for number, rank in enumerate(self.ranks):
            while rank.falls_due <= t:
                rank.debt += 1
                rank.falls_due += self.interval
            owes_enough = rank.debt > self.postpone or rank.debt == 8
            if owes_enough or (rank.debt and not requests_of_rank[number]):
                rank.due = True

    def banks(self, number):
        """The banks of the rank's present step, the lowest first."""
        shape, first = self.device.shape, number * self.device.shape.banks_per_rank
        step = self.ranks[number].done % self.steps
        if self.mode == "per-bank":
            return [first + step % shape.bank_groups * shape.banks_per_group + step // shape.bank_groups]
        if self.mode == "same-bank":
            return [first + group * shape.banks_per_group + step for group in range(shape.bank_groups)]
        return list(self.device.banks_of(number))

    def idle(self):
        return not any(rank.debt for rank in self.ranks)

    def next_due(self):
        return min([rank.falls_due for rank in self.ranks], default=None)

    def issue(self, t, kept_open):
        """Issue a command of the lowest rank that has a refresh due and can go on; return whether.

        The banks ``kept_open`` have an activated request.
        """
        return any(rank.due and self._advance(t, number, kept_open) for number, rank in enumerate(self.ranks))

    def _advance(self, t, number, kept_open):
        device, banks = self.device, self.banks(number)
        opened = [bank for bank in banks if bank in device.open_rows]
        closable = [bank for bank in opened if bank not in kept_open and device.earliest("PRE", bank) <= t]
        if opened and self.mode == "all-bank" and self.settings.refresh_precharge == "all":
            if closable == opened:
                device.issue(t, "PREA", opened, logged_bank=banks[0])
            return closable == opened
        if opened:
            if closable:
                device.issue(t, "PRE", closable[:1])
            return bool(closable)
        name = "REF" if self.mode == "all-bank" else "REFB"
        if max(device.earliest(name, bank) for bank in banks) > t:
            return False
        if self.idle_ranks.takes_over(t, number):
            device.take_pins(t, name)
        else:
            device.issue(t, name, banks)
            self.idle_ranks.refreshed(t, number)
        rank = self.ranks[number]
        rank.due = False
        rank.debt -= 1
        rank.done += 1
        self.since_column += 1
        return True

    def holds(self, t, name, request):
        """Whether a due refresh holds the command for the request back."""
        due = [number for number, rank in enumerate(self.ranks) if rank.due]
        if request.activated:
            return False
        if self.settings.refresh_blocking == "channel":
            return bool(due)
        number = self.device.rank_of(request.bank)
        if number not in due or request.bank not in self.banks(number):
            return False
        if self.settings.refresh_blocking == "rank" or name == "ACT":
            return True
        if name == "PRE":
            return False
        opened = [bank for bank in self.banks(number) if bank in self.device.open_rows]
        closable = max(t, *(self.device.earliest("PRE", bank) for bank in opened))
        return t + self.device.demand[name] > closable
