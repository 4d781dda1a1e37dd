"""Write the seeds of the fuzzer, one sound input or more per target: ``python benchmarks/fuzz/make_corpus.py DIR``."""

from __future__ import annotations

import gzip
import lzma
import sys
from collections.abc import Iterator
from pathlib import Path

import zstandard
from targets import TARGETS, entry, sound_folder, sound_storages, sound_traces


def seeds() -> Iterator[tuple[str, bytes]]:
    """Yield names and inputs; the same ones on every run."""
    for name, content in sound_traces.files().items():
        yield name, entry(sound_traces.format_of(name), content)
        yield f"{name}, told", entry("told by content", content, 11)
    bags = sound_traces.TEXT["bags"]
    for name, pack in (("gzip", gzip.compress), ("xz", lzma.compress), ("zstd", zstandard.compress)):
        packed = pack(bags, mtime=0) if name == "gzip" else pack(bags)  # type: ignore[operator]
        yield name, entry("told by content", packed)
        yield f"{name}, two parts", entry("told by content", packed + packed)
        for inside in ("bags", "trace-log", "oracleGeneral", "npz", "pt"):
            yield f"{name} around {inside}", entry(f"{name} around", sound_traces.files()[inside])
    yield "pickle", entry("pickle", sound_traces.pickle_program())
    yield "pickle, older form", entry("pickle, older form", sound_traces.pickle_program(legacy=True))
    for name, content in sound_storages().items():
        yield name, entry("array", content)
    sidecar = sound_folder()["trace.json"]
    yield "sidecar", entry("sidecar", sidecar)
    yield "rows", entry("rows", sound_folder()["rows.npy"])
    yield "offsets", entry("offsets", sound_folder()["bag_offsets.npy"])
    yield "description", entry("description", sidecar)


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    names = set()
    for name, content in seeds():
        names.add(name.partition(",")[0])
        (folder / name.replace(", ", "-").replace(" ", "-")).write_bytes(content)
    print(f"{folder}: {len(list(folder.iterdir()))} inputs, of {len(TARGETS)} targets")


if __name__ == "__main__":
    main()
