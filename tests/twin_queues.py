"""The queues of the twin: which requests wait, which of them the controller may choose among, and what is drained."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(eq=False)
class Request:
    number: int
    is_write: bool
    bank: int
    row: int
    column: int
    arrival: int
    accepted: int = -1
    age: int = -1
    first_clk: int = -1  # of its first command
    activated: bool = False
    merged: list["Request"] = field(default_factory=list)  # later reads that share its RD

    @property
    def line(self):
        return self.bank, self.row, self.column


class Queues:
    """Read and write queue, command queues if there are any, and activated requests."""

    def __init__(self, spec):
        shape, self.settings = spec.organization, spec.controller
        self.reads, self.writes = [], []  # oldest first
        self.activated = []
        self.banks_per_queue = 1 if self.settings.command_queue_scope == "bank" else shape.banks_per_rank
        count = shape.banks // self.banks_per_queue if self.settings.command_queue else 0
        self.command_queues = [[] for _ in range(count)]
        self.draining = False
        self.batch = 0  # moves left in the batch of writes under way
        self.all_accepted = False  # no request is to come, since the clock before
        self.ages = 0
        # Requests from acceptance to RD or WR, wherever they are: by line, and counted by row and by rank.
        self.lines = {False: {}, True: {}}
        self.of_row, self.of_rank = Counter(), Counter()
        self.banks_per_rank = shape.banks_per_rank

    def queue_number(self, bank):
        return bank // self.banks_per_queue

    def any_waits(self):
        return any(self.lines.values())

    def count_waiting(self):
        """Reads and writes from acceptance to RD or WR; a merged read waits with another."""
        return tuple(sum(map(len, self.lines[is_write].values())) for is_write in (False, True))

    def waiting_at(self, line, is_write):
        """The oldest waiting request to the line, if any."""
        return self.lines[is_write].get(line, [None])[0]

    def has_room(self, is_write):
        if is_write:
            return len(self.writes) < self.settings.write_queue
        return len(self.reads) < self.settings.read_queue

    def accept(self, request):
        (self.writes if request.is_write else self.reads).append(request)
        self.lines[request.is_write].setdefault(request.line, []).append(request)
        self.of_row[request.bank, request.row] += 1
        self.of_rank[request.bank // self.banks_per_rank] += 1
        self._stamp(request)

    def _stamp(self, request):
        request.age = self.ages
        self.ages += 1

    def finish(self, request):
        """Its RD or WR has issued."""
        self._home(request).remove(request)
        of_line = self.lines[request.is_write][request.line]
        of_line.remove(request)
        if not of_line:
            del self.lines[request.is_write][request.line]
        self.of_row[request.bank, request.row] -= 1
        self.of_rank[request.bank // self.banks_per_rank] -= 1

    def _home(self, request):
        if self.command_queues:
            return self.command_queues[self.queue_number(request.bank)]
        if request.activated:
            return self.activated
        return self.writes if request.is_write else self.reads

    def activate(self, request):
        """Its ACT has issued, and it leaves its place in the queue."""
        if not request.activated:
            self._home(request).remove(request)
            request.activated = True
            self.activated.append(request)

    def to_choose_from(self):
        """The set, oldest first."""
        if self.command_queues:
            chosen = [request for queue in self.command_queues for request in queue]
        else:
            chosen = self.activated + (self.writes if self.draining else self.reads)
        return sorted(chosen, key=lambda request: request.age)

    def turn(self):
        """Begin or end draining by the watermarks; return whether either happened."""
        reads, writes, before = len(self.reads), len(self.writes), self.draining
        if self.draining:
            self.draining = not (writes == 0 or (writes <= self.settings.write_drain_low and reads > 0))
        else:
            self.draining = writes >= self.settings.write_drain_high or (writes > 0 and reads == 0)
        return self.draining != before

    def move(self):
        """Move one request into its command queue; return whether one moved."""
        if self.settings.write_drain == "batch":
            if self.batch == 0 and self._batch_begins():
                self.batch = len(self.writes)
            if self.batch and not self._batch_breaks_off():
                moved = self._move_first(self.writes, self._movable(self.writes))
                self.batch -= moved
                return moved
            return self._move_first(self.reads, self._movable(self.reads))
        self.turn()
        if not self.draining:
            return self._move_first(self.reads, self._movable(self.reads))
        movable = self._movable(self.writes)
        free = [w for w in movable if not self.waiting_at(w.line, is_write=False)]
        if movable and not free:
            return self._move_first(self.reads, self._movable(self.reads))
        return self._move_first(self.writes, free)

    def _batch_begins(self):
        held = len(self.writes)
        if any(self.command_queues):
            return held >= self.settings.write_drain_high
        last_ones = self.all_accepted and not self.reads and held > 0
        return held > self.settings.write_drain_low or last_ones

    def _batch_breaks_off(self):
        """End the batch if a read waits for the line of the write to be moved; return whether one does."""
        for write in self._movable(self.writes)[:1]:
            if self.waiting_at(write.line, is_write=False):
                self.batch = 0
                return True
        return False

    def _movable(self, queue):
        depth = self.settings.command_queue
        return [r for r in queue if len(self.command_queues[self.queue_number(r.bank)]) < depth]

    def _move_first(self, queue, movable):
        for request in movable[:1]:
            queue.remove(request)
            self.command_queues[self.queue_number(request.bank)].append(request)
            self._stamp(request)
        return bool(movable)
