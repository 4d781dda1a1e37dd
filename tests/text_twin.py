"""Slow, obvious readers of trace text, written from the description of each format."""

import re

REQUESTS = {
    "dramsim3": rb"[ \t]*(?:0[xX](?=[0-9a-fA-F]))?(?P<hex>[0-9a-fA-F]+)[ \t]+"
    rb"(?P<op>READ|read|P_MEM_RD|WRITE|write|P_MEM_WR)[ \t]+(?P<time>[0-9]+)[ \t]*",
    "ramulator1": rb"[ \t]*(?:0[xX](?=[0-9a-fA-F]))?(?P<hex>[0-9a-fA-F]+)[ \t]+(?P<op>R|W)[ \t]*",
    "ramulator2": rb"[ \t]*(?P<op>LD|ST)[ \t]+(?:0[xX](?P<hex>[0-9a-fA-F]+)|(?P<dec>[0-9]+))[ \t]*",
    "ramulator-cpu": rb"[ \t]*(?P<skip>[0-9]+)[ \t]+(?P<dec>[0-9]+)(?:[ \t]+(?P<written>[0-9]+))?[ \t]*",
}
WRITES = {b"WRITE", b"write", b"P_MEM_WR", b"W", b"ST"}


class FaultError(Exception):
    """What is wrong: its line and column, both from 1 (column 0: the whole line)."""

    def __init__(self, line, column):
        super().__init__(f"line {line}, column {column}")
        self.place = (line, column)


def outcome(read, *arguments):
    """Return what a reader reads, or the fault that it finds."""
    try:
        return read(*arguments)
    except FaultError as fault:
        return fault


def lines_of(content):
    """Number, bytes and whether a newline ended it, of every line."""
    lines = content.split(b"\n")
    ended = [True] * (len(lines) - 1) + [False]
    if not lines[-1]:
        lines.pop()
    return [
        (number, line, end) for number, (line, end) in enumerate(zip(lines, ended, strict=False), start=1)
    ]


def bags(content, limit):
    """Return the bags of bag text."""
    found = []
    for number, line, ended in lines_of(content):
        if ended and line.endswith(b"\r"):
            line = line[:-1]
        bag = []
        for word in re.finditer(rb"\r|[^ \t\r]+", line):
            if not re.fullmatch(rb"[0-9]+", word.group()) or int(word.group()) >= limit:
                raise FaultError(number, word.start() + 1)
            bag.append(int(word.group()))
        found.append(bag)
    if not found or not found[-1]:
        raise FaultError(len(found), 0)
    return found


def comma_numbers(content, limit):
    """Return the numbers of a ``trace.log``; any fault has place (1, 0)."""
    match = re.fullmatch(rb"([ \t0-9,]*)(\r?\n[ \t]*)?", content)
    words = match[1].split(b",") if match else [b"x"]
    if not all(re.fullmatch(rb"[ \t]*[0-9]+[ \t]*", word) and int(word) < limit for word in words):
        raise FaultError(1, 0)
    return [int(word) for word in words]


def requests(content, form):
    """Return the addresses, operations and times of memory requests; a fault has its line and column 0."""
    address, operation, time = [], [], []
    for number, line, ended in lines_of(content):
        match = re.fullmatch(REQUESTS[form] + (rb"\r?" if ended or line.endswith(b"\r") else rb""), line)
        if not match:
            raise FaultError(number, 0)
        part = match.groupdict()
        values = [int(part["hex"], 16) if part.get("hex") else int(part["dec"])]
        operations = [int(part.get("op") in WRITES)]
        if part.get("written"):
            values.append(int(part["written"]))
            operations.append(1)
        if part.get("time"):
            if int(part["time"]) < max(time, default=0):
                raise FaultError(number, 0)
            time.append(int(part["time"]))
        if max(*values, *time[-1:], int(part.get("skip") or 0), 0) >= 2**63 - 1:
            raise FaultError(number, 0)
        address += values
        operation += operations
    return address, operation, time


def numbered(content, kinds, modulo, separator=b"\t", first_row=0):
    """Return the rows of a table of fields ("ignored", "number", "hash", "text"); a fault has its line."""
    rows, seen = [], [{} for _ in kinds]
    for number, line, _ in lines_of(content):
        line = line[:-1] if line.endswith(b"\r") else line
        fields = line.split(separator)
        if len(fields) != len(kinds) or re.search(rb"[\x00-\x1f]", line.replace(separator, b"")):
            raise FaultError(number, 0)
        for kind, field, rule, known in zip(kinds, fields, modulo, seen, strict=True):
            shape = {"ignored": rb".*", "number": rb"[-0-9.]*", "hash": rb"[0-9a-fA-F]{0,8}", "text": rb".+"}[
                kind
            ]
            if not re.fullmatch(shape, field, re.DOTALL):
                raise FaultError(number, 0)
            value = int(field or b"0", 16) if kind == "hash" else field
            if kind == "hash" and rule:
                rows.append(value % rule)
            elif kind in ("hash", "text"):
                rows.append(known.setdefault(value, len(known)) + first_row)
    return rows, [len(known) for kind, known in zip(kinds, seen, strict=True) if kind in ("hash", "text")]
