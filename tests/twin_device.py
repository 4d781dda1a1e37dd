"""The DRAM device of the twin: open rows, command pins, and the clocks that the timing rules look back to."""

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

from archsim.dram.timing import resolve_latency

COLUMN_COMMANDS = ("RD", "WR")
ROW_COMMANDS = ("ACT", "PRE", "PREA", "REF", "REFB")
# What a command counts as in the rules, and on the pins.
RULE_NAME = {"PREA": "PRE"}
PIN_NAME = {"PREA": "PRE", "REFB": "REF"}


class Command(NamedTuple):
    """One line of the command log; row -1 where the command has none, column -1 likewise."""

    clk: int
    name: str
    bank: int
    row: int = -1
    column: int = -1


@dataclass
class OpenRow:
    row: int
    served: int = 0  # RD and WR since its ACT
    last_clk: int = -1  # the last of these


class RuleMemory:
    """One rule and, for each place at its level, the clocks of the last ``window`` commands it counts from."""

    def __init__(self, rule, latency, shape):
        self.rule, self.latency = rule, latency
        refresh = "REF" in (rule.before, rule.after)  # a REF is of a whole rank, whatever the level is called
        self.level = "rank" if refresh and rule.level in ("bank", "bank_group") else rule.level
        banks_per_place = {
            "bank": 1,
            "bank_group": shape.banks_per_group,
            "rank": shape.banks_per_rank,
            "other_rank": shape.banks_per_rank,
            "pseudo_channel": shape.banks // shape.pseudo_channels,
            "channel": shape.banks,
        }
        self.ranks = shape.ranks  # of a pseudo channel
        self.place = [bank // banks_per_place[self.level] for bank in range(shape.banks)]
        self.clocks = {place: deque(maxlen=rule.window) for place in self.place}

    def note(self, t, banks):
        """A command acts on these banks: on each of them, or once on what is larger than a bank group."""
        for bank in banks if self.level in ("bank", "bank_group") else banks[:1]:
            self.clocks[self.place[bank]].append(t)

    def earliest(self, bank):
        """First clock at which the rule allows its later command in the bank."""
        bound = 0
        for place in self._places_met(self.place[bank]):
            if len(self.clocks[place]) == self.rule.window:
                bound = max(bound, self.clocks[place][0] + self.latency)
        return bound

    def _places_met(self, own):
        if self.level != "other_rank":
            return [own]
        return [rank for rank in self.clocks if rank != own and rank // self.ranks == own // self.ranks]


class Device:
    """One channel; banks are numbered over pseudo channels, ranks, bank groups."""

    def __init__(self, spec):
        shape = spec.organization
        self.shape, self.timing = shape, spec.timing
        rules = [(rule, resolve_latency(rule.latency, spec.timing)) for rule in spec.rules]
        memories = [RuleMemory(rule, latency, shape) for rule, latency in rules if latency > 0]
        names = ("ACT", "PRE", "RD", "WR", "REF", "REFB")
        self.before = {name: [m for m in memories if m.rule.before == name] for name in names}
        self.after = {name: [m for m in memories if m.rule.after == name] for name in names}
        # The longest precharge time that a RD or WR demands of its own bank.
        self.demand = {
            name: max(
                [m.latency for m in self.before[name] if (m.level, m.rule.after) == ("bank", "PRE")] + [0]
            )
            for name in COLUMN_COMMANDS
        }
        self.longest_clk = max([m.latency for m in memories] + [0])
        self.open_rows = {}  # bank -> OpenRow
        self.log = []
        self.waiting = []  # reads and writes that waited at each command of the log
        self.count_waiting = lambda: (0, 0)
        # The pin sets: the commands that each carries, and the clock from which it is free.
        sets = (
            [COLUMN_COMMANDS, ROW_COMMANDS] if shape.split_command_bus else [COLUMN_COMMANDS + ROW_COMMANDS]
        )
        self.pins_free = dict.fromkeys(sets, 0)
        self.bounds = {}  # results of the rules in `earliest` until the next command
        self.awake_from = [0] * shape.all_ranks  # clock from which each rank takes commands

    def rank_of(self, bank):
        return bank // self.shape.banks_per_rank

    def banks_of(self, rank):
        return range(rank * self.shape.banks_per_rank, (rank + 1) * self.shape.banks_per_rank)

    def earliest(self, name, bank):
        """First clock at which the rank is awake and all rules allow the command, if nothing is issued before."""
        if (name, bank) not in self.bounds:
            self.bounds[name, bank] = max([m.earliest(bank) for m in self.after[name]], default=0)
        return max(self.bounds[name, bank], self.awake_from[self.rank_of(bank)])

    def issue(self, t, name, banks, row=-1, column=-1, logged_bank=None):
        """Issue a command that acts on these banks; PREA is given the open banks of its rank."""
        bank = banks[0]
        self.log.append(Command(t, name, bank if logged_bank is None else logged_bank, row, column))
        self.waiting.append(self.count_waiting())
        self.bounds = {}
        self.take_pins(t, name)
        for memory in self.before[RULE_NAME.get(name, name)]:
            memory.note(t, banks)
        if name == "ACT":
            self.open_rows[bank] = OpenRow(row)
        elif name in COLUMN_COMMANDS:
            self.open_rows[bank].served += 1
            self.open_rows[bank].last_clk = t
        elif name in ("PRE", "PREA"):
            for closed in banks:
                del self.open_rows[closed]

    def take_pins(self, t, name):
        """Keep the pins that carry the command busy for as long as it takes."""
        taken = getattr(self.timing, f"{PIN_NAME.get(name, name)}_clk")
        for pins in self.pins_free:
            if name in pins:
                self.pins_free[pins] = t + taken
