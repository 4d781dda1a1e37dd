"""How much memory each reader takes, in bytes per byte of the file: ``python benchmarks/fuzz/memory.py [MB]``.

Each file is read in a process of its own (Linux only); counted is what comes on top of the loaded program, with the
trace, and with the pages of files that are mapped. Of each kind there is a sound file and one whose last value is
damaged, under sound checksums where there are any, so that the reader has read everything when it refuses. Compressed
and encoded files count as what they stand for.
"""

from __future__ import annotations

import gzip
import subprocess
import sys
import tempfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow.parquet

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

import sound_traces

from archsim.traces import EmbeddingTrace, Table

GOAL, CONSTANT_BYTES = 3, 64 << 20

CHILD = """
import sys
import pyarrow.parquet
from archsim.traces.formats import registry, convert
from archsim.errors import InputError

def status(key):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(key)) << 10

before = status("VmRSS:")
open("/proc/self/clear_refs", "w").write("5")  # resets the peak
try:
    trace = registry.read_trace(sys.argv[1], format=sys.argv[2])
    said = "read"
except InputError as error:
    said = "refused"
print(status("VmHWM:") - before, said)
"""


def peak(path: str, format: str) -> tuple[int, str]:
    """Return by how much reading a file lets the memory of a process grow at most, and how it ended."""
    ended = subprocess.run(
        [sys.executable, "-c", CHILD, path, format], capture_output=True, text=True, check=True
    )
    size, said = ended.stdout.split()
    return int(size), said


Make = Callable[[int, bool], bytes]
"""Makes a file of so many bytes, sound or damaged."""


def text(make: Callable[[int], bytes]) -> Make:
    return lambda size, damaged: make(size)[:-3] + b"\0\xff\0" if damaged else make(size)


def repeated(line: bytes) -> Make:
    return text(lambda size: line * (size // len(line)))


def packed(make: Make) -> Make:
    return lambda size, damaged: gzip.compress(make(size, damaged), 1)


@text
def tokens(size: int) -> bytes:
    lines = [f"{n:x}\t{n:x}" for n in range(size // 12)]
    return ("user_id:token\titem_id:token\n" + "\n".join(lines) + "\n").encode()


def archive(dtype: type, bag: int, tables: int, compressed: bool = False) -> Make:
    def make(size: int, damaged: bool) -> bytes:
        entries = size // (np.dtype(dtype).itemsize * tables * (bag + 1)) * bag
        indices = (np.arange(entries) % 100).astype(dtype)
        lengths = np.full(entries // bag, bag, dtype)
        members = {
            f"emb_{t}_{part}.npy": sound_traces.npy(values)
            for t in range(tables)
            for part, values in (("indices", indices), ("lengths", lengths))
        }
        if damaged:
            lengths[-1] -= 1
            members[f"emb_{tables - 1}_lengths.npy"] = sound_traces.npy(lengths)
        return sound_traces.zipped(members, compressed)

    return make


def tensors(bag: int) -> Make:
    def make(size: int, damaged: bool) -> bytes:
        entries = size // (8 * (bag + 1)) * bag // 2 * 2
        bags = entries // bag // 2 * 2
        offsets = np.arange(bags + 1, dtype=np.int64) * bag
        indices = np.arange(bags * bag, dtype=np.int64) % 1000
        if damaged:
            indices[-1] = -2
        return sound_traces.pt_of(indices, offsets, 2)

    return make


def empty_bags(size: int, damaged: bool) -> bytes:
    """Offsets and lengths of one byte each, and two lookups in all."""
    offsets = np.zeros(size // 2 | 1, np.uint8)
    offsets[-1] = 2
    return sound_traces.pt_of(np.array([0, -2 if damaged else 0]), offsets, 2)


def records(largest: int) -> Make:
    def make(size: int, damaged: bool) -> bytes:
        content = np.zeros(size // 24, "<u4,<u8,<u4,<i8")
        content["f1"] = np.arange(len(content)) * 7919 % 1_000_003
        content["f1"][0] = largest
        content["f2"] = 128
        content["f3"] = -1
        return content.tobytes()[: -1 if damaged else None]

    return make


def table(bag: int) -> Make:
    def make(size: int, damaged: bool) -> bytes:
        # As columns table, row and bag of 8 bytes each.
        lookups = size // 24 // bag * bag
        bags = lookups // bag
        trace = EmbeddingTrace(
            "t",
            (Table("a", 1 << 20, 128),),
            rows=np.arange(lookups) * 7919 % (1 << 20),
            bag_offsets=np.arange(bags + 1) * bag,
            bag_tables=np.zeros(bags, np.int32),
        )
        content = sound_traces.written(trace, "parquet")
        if not damaged:
            return content
        # As archsim writes it, but for the last row number.
        table = pyarrow.parquet.read_table(pyarrow.BufferReader(content))
        rows = table["row"].to_numpy().copy()
        rows[-1] = -1
        table = table.set_column(table.schema.get_field_index("row"), "row", pyarrow.array(rows))
        stream = BytesIO()
        pyarrow.parquet.write_table(table, stream, row_group_size=1 << 20)
        return stream.getvalue()

    return make


FILES: dict[str, tuple[str, Make]] = {
    "bags, 80 rows a line": (
        "bags",
        repeated(b" ".join(b"%d" % (n * 7919 % 10**6) for n in range(80)) + b"\n"),
    ),
    "bags, one row of two digits": ("bags", repeated(b"15\n")),
    "bags, one row of one digit": ("bags", repeated(b"7\n")),
    "bags, one digit, gzip": ("bags", packed(repeated(b"7\n"))),
    "bags, 1,000 empty lines of 1,001": ("bags", repeated(b"\n" * 1000 + b"7\n")),
    "trace-log, six digits": ("trace-log", text(lambda size: b"100000, " * (size // 8) + b"1\n")),
    "trace-log, one digit": ("trace-log", text(lambda size: b"1," * (size // 2) + b"1\n")),
    "user-items, pairs": ("user-items", repeated(b"200000 50000\n")),
    "user-items, one digit each": ("user-items", repeated(b"1 2\n")),
    "user-items, no items": ("user-items", repeated(b"1\n")),
    "recbole, as MovieLens": (
        "recbole",
        text(
            lambda size: (
                b"user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
                + b"196\t242\t3\t881250949\n" * (size // 22)
            )
        ),
    ),
    "recbole, tokens that never repeat": ("recbole", tokens),
    "recbole, one letter each": (
        "recbole",
        text(lambda size: b"user_id:token\titem_id:token\n" + b"a\tb\n" * (size // 4)),
    ),
    "criteo": ("criteo", repeated(sound_traces.CRITEO.encode())),
    "criteo, without any value": ("criteo", repeated(b"\t" * 39 + b"\n")),
    "dramsim3": ("dramsim3", repeated(b"0x2000D5C0 READ 160\n")),
    "dramsim3, shortest": ("dramsim3", repeated(b"0 READ 0\n")),
    "ramulator1, shortest": ("ramulator1", repeated(b"0 R\n")),
    "ramulator2": ("ramulator2", repeated(b"LD 0x12340\n")),
    "ramulator2, shortest": ("ramulator2", repeated(b"LD 0\n")),
    "ramulator-cpu": ("ramulator-cpu", repeated(b"3 20734016 20734080\n")),
    "ramulator-cpu, shortest": ("ramulator-cpu", repeated(b"0 0 0\n")),
    "npz, 64 bits, 80 rows a bag": ("npz", archive(np.int64, 80, 8)),
    "npz, 32 bits, one table": ("npz", archive(np.int32, 80, 1)),
    "npz, 32 bits, one row a bag": ("npz", archive(np.int32, 1, 8)),
    "npz, 8 bits, one row a bag": ("npz", archive(np.uint8, 1, 8)),
    "npz, deflated": ("npz", archive(np.int64, 80, 8, compressed=True)),
    "pt, 80 rows a bag": ("pt", tensors(80)),
    "pt, one row a bag": ("pt", tensors(1)),
    "pt, offsets of 8 bits": ("pt", empty_bags),
    "oracleGeneral": ("oracleGeneral", records(5)),
    "oracleGeneral, large ids": ("oracleGeneral", records(2**40)),
    "parquet, 80 rows a bag": ("parquet", table(80)),
    "parquet, one row a bag": ("parquet", table(1)),
}


def main() -> None:
    size = int(sys.argv[1] if len(sys.argv) > 1 else 40) * 1_000_000
    chosen = sys.argv[2] if len(sys.argv) > 2 else ""
    print(f"files of {size // 1_000_000} MB; goal {GOAL} x + {CONSTANT_BYTES >> 20} MiB")
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        for name, (format, make) in FILES.items():
            if chosen not in name:
                continue
            path = Path(folder) / "trace"
            line = f"{name:36}"
            for damaged in (False, True):
                path.write_bytes(make(size, damaged))
                taken, said = peak(str(path), format)
                over = taken > GOAL * size + CONSTANT_BYTES
                line += f"  {said:7} {taken / size:5.1f} x{'  over' if over else ''}"
            print(line, flush=True)


if __name__ == "__main__":
    main()
