"""How fast traces are read and made, as rates of the domain.

Run it on a quiet machine: ``python benchmarks/traces.py [SECTION ...]``. Rates are per CPU-second of one core, the best
of several runs. Goals are those the project set itself; a goal missed is printed, not hidden.
"""

from __future__ import annotations

import argparse
import gzip
import lzma
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import zstandard
from dram import best_cpu_s
from traces_binary import print_binary
from traces_generate import print_generation

from archsim import __version__, open_trace
from archsim.traces import AddressTrace

TEXT_GOAL_MB_S = 60


def numbers(count: int, below: int) -> list[int]:
    """Whole numbers that look random; every run and every machine gets the same."""
    mixed = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return ((mixed ^ (mixed >> np.uint64(29))) % np.uint64(below)).tolist()


def bag_lines(count: int, below: int = 1_000_000) -> Iterator[str]:
    rows = iter(numbers(80 * count, below))
    return (" ".join(map(str, islice(rows, 80))) for _ in range(count))


def criteo_lines(count: int) -> Iterator[str]:
    """Lines whose tables have 10 to about 100,000 categories, as Kaggle's have."""
    values = iter(numbers(26 * count, 1 << 32))
    sizes = [10 * 2 ** (c // 2 + 1) for c in range(26)]
    for k in range(count):
        hashes = (f"{next(values) % size * 2_654_435_761 % (1 << 32):08x}" for size in sizes)
        yield "\t".join([str(k % 2), *(str(k * c % 1000) for c in range(1, 14)), *hashes])


def pair_lines(count: int, pattern: str, users: int = 200_000, items: int = 50_000) -> Iterator[str]:
    pairs = zip(numbers(count, users), numbers(count, items), strict=True)
    return (pattern.format(user=user, item=item) for user, item in pairs)


def request_lines(count: int, pattern: str) -> Iterator[str]:
    for clock, line in enumerate(numbers(count, 1 << 27)):
        operation = "RW"[line % 4 == 0]
        words = {"R": ("READ", "LD"), "W": ("WRITE", "ST")}[operation]
        yield pattern.format(address=64 * line, clock=4 * clock, rw=operation, word=words[0], ls=words[1])


TEXTS: dict[str, Callable[[], Iterator[str]]] = {
    "bags": partial(bag_lines, 40_000),
    "bags, one digit": partial(bag_lines, 100_000, 10),
    "trace-log": lambda: iter([", ".join(map(str, numbers(3_000_000, 1_000_000)))]),
    "user-items": partial(pair_lines, 1_500_000, "{user} {item}"),
    "recbole": lambda: (
        line
        for lines in (
            ["user_id:token\titem_id:token\trating:float\ttimestamp:float"],
            pair_lines(700_000, "{user}\t{item}\t4\t978300760"),
        )
        for line in lines
    ),
    "criteo": partial(criteo_lines, 60_000),
    "dramsim3": partial(request_lines, 700_000, "0x{address:X} {word} {clock}"),
    "ramulator1": partial(request_lines, 1_200_000, "0x{address:x} {rw}"),
    "ramulator2": partial(request_lines, 1_200_000, "{ls} 0x{address:x}"),
    "ramulator-cpu": partial(request_lines, 1_000_000, "3 {address} {address}"),
}
"""Lines of a file of some 20 MB per format."""

PACKED: dict[str, Callable[[bytes], bytes]] = {
    ".gz": partial(gzip.compress, compresslevel=6),
    ".xz": partial(lzma.compress, preset=1),
    ".zst": zstandard.ZstdCompressor(level=3).compress,
}


def print_text(folder: Path, repeats: int) -> None:
    """Rates of every text format, and of bag text behind each compression."""
    print(f"text to columns, per CPU-second; goal {TEXT_GOAL_MB_S} MB/s of plain text")
    print(f"{'format':<22}{'MB':>7}{'MB/s':>8}{'million/s':>11}{'CPU s':>8}")
    for name, lines in TEXTS.items():
        path = folder / name.replace(", ", "-")
        path.write_text("\n".join(lines()) + "\n")
        print_reading(name, path, path.stat().st_size, repeats)
        if name == "bags":
            for ending, pack in PACKED.items():
                packed = path.with_suffix(ending)
                packed.write_bytes(pack(path.read_bytes()))
                print_reading(f"bags{ending}, unpacked", packed, path.stat().st_size, repeats)


def print_reading(name: str, path: Path, text_bytes: int, repeats: int) -> None:
    """One line: how fast a file becomes columns, counted in bytes of text and in lookups or requests."""
    kind = name.split(",")[0].split(".")[0]
    trace = open_trace(path, format=kind)
    count = trace.requests if isinstance(trace, AddressTrace) else trace.lookups
    cpu_s = best_cpu_s(partial(open_trace, path, format=kind), repeats)
    rate = text_bytes / cpu_s / 1e6
    missed = "  goal missed" if rate < TEXT_GOAL_MB_S and not path.suffix else ""
    print(
        f"{name:<22}{text_bytes / 1e6:>7.1f}{rate:>8.0f}{count / cpu_s / 1e6:>11.1f}{cpu_s:>8.3f}{missed}",
        flush=True,
    )


SECTIONS: dict[str, Callable[[Path, int], None]] = {
    "text": print_text,
    "binary": print_binary,
    "generation": print_generation,
}
"""A section takes a scratch folder and the number of runs of which the best counts."""


def main() -> None:
    """Print the sections that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sections", nargs="*", choices=[*SECTIONS, []], help="which; all by default")
    parser.add_argument("--repeats", type=int, default=5, help="runs of which the best counts")
    options = parser.parse_args()
    print(f"archsim {__version__}, traces, one core\n")
    with tempfile.TemporaryDirectory() as folder:
        for name in options.sections or SECTIONS:
            SECTIONS[name](Path(folder), options.repeats)
            print()


if __name__ == "__main__":
    main()
