"""The DRAM channel a second time, from docs/dram.md alone: every clock is visited, every wish is asked for again.

The device, its refresh and idle ranks and the queues are in `twin_device`, `twin_refresh`, `twin_idle` and
`twin_queues`; here is who goes first.
"""

from collections import Counter
from dataclasses import dataclass, field

from twin_device import COLUMN_COMMANDS, Device
from twin_idle import Idle
from twin_queues import Queues, Request
from twin_refresh import Refresh

# A replay that issues no RD or WR for this many refreshes per rank and step will never issue one.
REFRESHES_WITHOUT_WORK = 64


class StuckError(Exception):
    """Requests wait, and nothing that could serve them will ever issue."""


@dataclass
class Replay:
    """What happened: the command log, counts by name, the clock of each request's last data beat, counts by bank.

    A write that replaced a waiting write of its line has no clock of its own: -1. ``rank_clocks`` are the clocks of
    each rank in active and precharge standby, active and precharge power-down, and self-refresh; ``waiting`` are the
    reads and writes that waited at each command.
    """

    commands: list
    counts: dict
    finished: list
    banks: dict = field(default_factory=dict)
    rank_clocks: list = field(default_factory=list)
    waiting: list = field(default_factory=list)


class Controller:
    """Chooses the commands of each clock, and accepts requests."""

    def __init__(self, spec, size):
        self.settings, self.timing = spec.controller, spec.timing
        self.device, self.queues = Device(spec), Queues(spec)
        self.device.count_waiting = self.queues.count_waiting
        self.refresh = Refresh(spec, self.device)
        self.idle = Idle(spec, self.device, self.queues, self.refresh)
        self.refresh.idle_ranks = self.idle
        self.finished = [-1] * size
        self.counts = Counter()
        self.latencies, self.queueing = [], []
        self.last_queue, self.last_rank = 0, -1
        self.last_work = 0  # clock of the last RD or WR, or at which nothing waited
        self.asked = None  # wishes, until something changes

    def clock(self, t):
        """Steps 1 and 2 of a clock."""
        self.refresh.fall_due(t, self.queues.of_rank)
        self.idle.clock(t)
        for pins, free in list(self.device.pins_free.items()):
            if free <= t:
                self._use_pins(t, pins)

    def _use_pins(self, t, pins):
        wishes = [wish for wish in self.wishes() if wish[1] in pins and self._may(t, *wish)]
        urgent = [wish for wish in wishes if wish[0].activated]
        if urgent:
            self._issue(t, *min(urgent, key=lambda wish: wish[0].age))
        elif "REF" in pins and self.refresh.issue(t, {request.bank for request in self.queues.activated}):
            self.asked = None
        elif wishes:
            self._issue(t, *min(wishes, key=self._claim))
        elif "PRE" in pins:
            self._close_an_unwanted_row(t)

    def _may(self, t, request, name):
        return self.device.earliest(name, request.bank) <= t and not self.refresh.holds(t, name, request)

    def wishes(self):
        """The commands that the requests of the set want now: a list of (request, command name)."""
        if self.asked is None:
            chosen = self.queues.to_choose_from()
            if self.settings.scheduler == "fcfs":
                chosen = chosen[:1]
            by_bank = {}
            for request in chosen:
                by_bank.setdefault(request.bank, []).append(request)
            self.asked = [
                wish for bank, requests in by_bank.items() for wish in self._of_bank(bank, requests)
            ]
        return self.asked

    def _of_bank(self, bank, requests):
        """What the requests of one bank want, given oldest first."""
        opened = self.device.open_rows.get(bank)
        activated = [request for request in requests if request.activated]
        if opened is None:
            return [(requests[0], "ACT")]
        hits = [request for request in requests if request.row == opened.row]
        conflicts = [request for request in requests if request.row != opened.row]
        cap = self.settings.row_hit_cap
        if cap and opened.served >= cap and requests[0].row != opened.row:
            hits = [request for request in hits if request.activated]
            protected = False
        else:
            protected = self._protected(opened, hits, conflicts)
        wishes = [(request, "WR" if request.is_write else "RD") for request in activated]
        for is_write in (False, True):
            of_kind = [request for request in hits if request.is_write == is_write and not request.activated]
            wishes += [(request, "WR" if is_write else "RD") for request in of_kind[:1]]
        if conflicts and not protected and not activated:
            wishes.append((conflicts[0], "PRE"))
        return wishes

    def _protected(self, opened, hits, conflicts):
        """Whether waiting hits keep the row from being closed for the oldest conflict."""
        how, cap = self.settings.row_hit_protection, self.settings.protection_cap
        if how == "all" and cap and opened.served >= cap:
            how = "older"
        if how == "older":
            return bool(hits and conflicts and hits[0].age < conflicts[0].age)
        return how == "all" and bool(hits)

    def _claim(self, wish):
        """Smaller goes first."""
        request, name = wish
        first = 0
        if self.settings.arbitration == "column-first":
            first = name not in COLUMN_COMMANDS
        elif self.settings.arbitration == "round-robin":
            number, queues = self.queues.queue_number(request.bank), len(self.queues.command_queues)
            first = (number - self.last_queue - 1) % queues
        turn = 0
        if self.settings.rank_arbitration == "round-robin":
            rank, ranks = self.device.rank_of(request.bank), self.device.shape.all_ranks
            turn = (rank - self.last_rank - 1) % ranks
        return first, turn, request.age

    def _issue(self, t, request, name):
        if request.first_clk < 0:
            request.first_clk = t
            self.counts[{"ACT": "row_misses", "PRE": "row_conflicts"}.get(name, "row_hits")] += 1
        parts = {"PRE": (), "ACT": (request.row,)}.get(name, (request.row, request.column))
        self.device.issue(t, name, [request.bank], *parts)
        self.last_queue = self.queues.queue_number(request.bank)
        self.last_rank = self.device.rank_of(request.bank)
        self.asked = None
        if name == "ACT" and self.settings.activated_first:
            self.queues.activate(request)
        if name in COLUMN_COMMANDS:
            self.queues.finish(request)
            self.refresh.since_column, self.last_work = 0, t
            self._complete(t, request)

    def _complete(self, t, request):
        delay = self.timing.CWL if request.is_write else self.timing.CL + (self.timing.tDQSCK or 0)
        self.idle.served(t, self.last_rank, t + delay + self.timing.tBL)
        for served in [request, *request.merged]:
            self.finished[served.number] = t + delay + self.timing.tBL
            if not served.is_write:
                self.latencies.append(self.finished[served.number] - served.accepted)
                self.queueing.append(max(0, request.first_clk - served.accepted))

    def _close_an_unwanted_row(self, t):
        """Apply the row policy, in a clock that no other command uses."""
        policy, pause = self.settings.row_policy, 0
        if policy == "open":
            return
        if policy == "timeout":
            pause = self.settings.row_timeout_clk
        for bank, opened in sorted(self.device.open_rows.items()):
            unwanted = opened.served and not self.queues.of_row[bank, opened.row]
            if unwanted and t >= max(opened.last_clk + pause, self.device.earliest("PRE", bank)):
                self.device.issue(t, "PRE", [bank])
                self.asked = None
                return

    def offer(self, t, request):
        """Step 3: accept the request if possible; return whether it was."""
        read, write = (self.queues.waiting_at(request.line, is_write) for is_write in (False, True))
        request.accepted = t
        if request.is_write and write and self.settings.write_coalescing:
            self.counts["coalesced"] += 1
        elif not request.is_write and write and self.settings.read_forwarding:
            self.counts["forwarded"] += 1
            self.finished[request.number] = t + 1
            self.latencies.append(1)
        elif not request.is_write and read and self.settings.read_merging:
            self.counts["merged"] += 1
            read.merged.append(request)
        elif self.queues.has_room(request.is_write):
            self.queues.accept(request)
            self.asked = None
        else:
            return False
        return True

    def arrange(self):
        """Step 4, and what is looked at between clocks."""
        changed = self.queues.move() if self.settings.command_queue else self.queues.turn()
        if changed:
            self.asked = None
        return changed

    def quiet(self):
        """Whether nothing can happen before the next arrival or refresh."""
        busy = self.queues.any_waits() or self.queues.draining or self.queues.batch
        rows_close = self.settings.row_policy != "open" and self.device.open_rows
        return not busy and not rows_close and self.refresh.idle()


def replay(spec, coordinates, writes=None, arrivals=None):
    """Serve the requests at these coordinates, ``row << 32 | bank << 16 | column``, and return a `Replay`.

    Raises
    ------
    StuckError
        When requests wait that nothing will ever serve.
    """
    size = len(coordinates)
    writes = [False] * size if writes is None else writes
    arrivals = [0] * size if arrivals is None else arrivals
    places = [(int(at) >> 16 & 0xFFFF, int(at) >> 32, int(at) & 0xFFFF) for at in coordinates]
    requests = [
        Request(number, bool(writes[number]), *place, int(arrivals[number]))
        for number, place in enumerate(places)
    ]
    controller, offered, t = Controller(spec, size), 0, 0
    while offered < size or controller.queues.any_waits():
        controller.clock(t)
        accepted = (
            offered < size and requests[offered].arrival <= t and controller.offer(t, requests[offered])
        )
        offered += accepted
        changed = controller.arrange() or accepted
        controller.queues.all_accepted = offered == size
        next_arrival = requests[offered].arrival if offered < size else t
        if not changed and next_arrival <= t:
            _check_progress(controller, t)
        now, t = t, t + 1
        if controller.quiet():
            nexts = [next_arrival, controller.refresh.next_due(), controller.idle.next_entry()]
            t = max(t, min(clk for clk in nexts if clk is not None))
        controller.idle.count(now, t)
    counts = _counts(controller, requests)
    controller.idle.count_to_the_end(t, counts["last_data_clk"])
    clocks = [rank.clocks for rank in controller.idle.ranks]
    device = controller.device
    return Replay(device.log, counts, controller.finished, _by_bank(controller), clocks, device.waiting)


def _check_progress(controller, t):
    """Look for a standstill, in a clock that changed no queue and when no request is still to come."""
    refresh = controller.refresh
    if not controller.queues.any_waits():
        refresh.since_column, controller.last_work = 0, t
        return
    if controller.queues.command_queues and not controller.wishes():
        raise StuckError(f"clock {t}: requests wait, and none of them can move into a command queue")
    if refresh.since_column > REFRESHES_WITHOUT_WORK * refresh.steps * max(1, len(refresh.ranks)):
        raise StuckError(f"clock {t}: refresh leaves no time for what waits")
    idle_clk = controller.device.longest_clk + controller.settings.row_timeout_clk + 100
    if t > controller.last_work + REFRESHES_WITHOUT_WORK * (refresh.interval * refresh.steps + idle_clk):
        raise StuckError(f"clock {t}: no RD or WR since {controller.last_work}")


def _counts(controller, requests):
    names = ("row_hits", "row_misses", "row_conflicts", "forwarded", "coalesced", "merged")
    counts = {name: controller.counts[name] for name in names}
    issued = Counter(command.name for command in controller.device.log)
    for name in ("ACT", "PRE", "RD", "WR", "REF", "REFB", "PREA"):
        counts[name.lower()] = issued[name]
    counts["writes"] = sum(request.is_write for request in requests)
    counts["reads"] = len(requests) - counts["writes"]
    counts["latency_sum_clk"] = sum(controller.latencies)
    counts["latency_max_clk"] = max(controller.latencies, default=0)
    counts["queueing_sum_clk"] = sum(controller.queueing)
    counts["last_data_clk"] = max([0, *controller.finished])
    return counts


def _by_bank(controller):
    """Commands of each bank; a precharge of all banks is not among the PRE of any."""
    issued = Counter((command.name, command.bank) for command in controller.device.log)
    banks = range(controller.device.shape.banks)
    return {name: [issued[name, bank] for bank in banks] for name in ("ACT", "PRE", "RD", "WR")}
