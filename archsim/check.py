"""``archsim check``: whether a command log keeps the rules of a standard."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from archsim.dram.command_log import CommandLog, Ints, read_commands
from archsim.dram.legality import Violation
from archsim.dram.legality import check as check_channel
from archsim.dram.resolve import COMMANDS
from archsim.dram.spec import DramSpec
from archsim.tables import align


@dataclass(frozen=True)
class Finding:
    """A rule that a log breaks.

    Attributes
    ----------
    rule : str
        What is broken.
    count : int
        How often, in all channels.
    line : int
        Where first: line of the text file, row of the table (from 1).
    clk, channel : int
        Clock and channel of that place.
    text : str
        What is wrong there.
    """

    rule: str
    count: int
    line: int
    clk: int
    channel: int
    text: str


@dataclass(frozen=True)
class Checked:
    """What was found in a log, by rule, the rule broken first in front."""

    path: str
    standard: str
    commands: dict[str, int]
    findings: tuple[Finding, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the object of ``archsim check --json``."""
        return {
            "log": self.path,
            "standard": self.standard,
            "commands": self.commands,
            "violations": [vars(finding) for finding in self.findings],
        }

    def text(self) -> str:
        """Return the same as text."""
        counted = ", ".join(f"{count:,} {name}" for name, count in self.commands.items())
        head = f"{self.path}: {counted or 'no commands'}; {self.standard}"
        if not self.findings:
            return f"{head}\nclean"
        rows = [["rule", "violations", "first line", "clock"]]
        rows += [[each.rule, f"{each.count:,}", f"{each.line:,}", f"{each.clk:,}"] for each in self.findings]
        texts = ["", *(each.text for each in self.findings)]
        lines = [f"{line}  {text}".rstrip() for line, text in zip(align(rows), texts, strict=True)]
        return "\n".join([head, *lines])


def check_log(spec: DramSpec, path: Path, *, ranks_apart: bool = False) -> Checked:
    """Check a command log file.

    Parameters
    ----------
    spec : DramSpec
        The memory; its controller and address map do not matter.
    path : Path
        See `archsim.dram.command_log`.
    ranks_apart : bool
        Each rank has command and data pins of its own, as behind RecNMP units.

    Raises
    ------
    InputError
        When the file is no command log of this memory.
    """
    log = read_commands(spec, path)
    counts = np.bincount(log.command, minlength=len(COMMANDS)).tolist()
    commands = {name: count for name, count in zip(COMMANDS, counts, strict=True) if count}
    found: dict[str, Finding] = {}
    for channel, part, lines, memory, first_bank in _parts(spec, log, ranks_apart):
        violations = check_channel(memory, part.clk, part.command, part.bank - first_bank, part.row)
        for each in violations:
            line = int(lines[each.index]) + log.first_line
            here = Finding(each.rule, each.count, line, each.clk, channel, _text(each, channel, spec))
            before = found.get(each.rule)
            first = here if before is None or here.line < before.line else before
            count = each.count + (before.count if before else 0)
            found[each.rule] = replace(first, count=count)
    findings = sorted(found.values(), key=lambda finding: (finding.line, finding.rule))
    return Checked(str(path), spec.standard, commands, tuple(findings))


def _text(violation: Violation, channel: int, spec: DramSpec) -> str:
    several = spec.organization.channels > 1
    return f"channel {channel}: {violation.text}" if several else violation.text


def _parts(
    spec: DramSpec, log: CommandLog, ranks_apart: bool
) -> Iterator[tuple[int, CommandLog, Ints, DramSpec, int]]:
    """Yield what has pins of its own: channel, its commands, their places in the log, its memory, its first bank."""
    organization = spec.organization
    memory, step = spec, organization.banks
    if ranks_apart:
        one = organization.model_copy(update={"ranks": 1, "pseudo_channels": 1})
        memory, step = spec.model_copy(update={"organization": one}), organization.banks_per_rank
    for channel in range(organization.channels):
        for first_bank in range(0, organization.banks, step):
            own = (log.channel == channel) & (log.bank // step == first_bank // step)
            places = np.flatnonzero(own)
            part = CommandLog(
                log.clk[places], log.command[places], log.channel[places], log.bank[places],
                log.row[places], log.first_line,
            )  # fmt: skip
            yield channel, part, places, memory, first_bank
