"""The corpus of the fuzzer: seeds that are sound, made here, and inputs that runs have kept, in ``corpus.zip``.

``python benchmarks/fuzz/corpus.py unpack DIR`` writes both, ``... pack DIR`` replaces the kept ones.
"""

from __future__ import annotations

import gzip
import lzma
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import zstandard
from targets import entry, sound_arrays, sound_description, sound_folder, sound_traces

KEPT = Path(__file__).with_name("corpus.zip")


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
    yield "array", entry("array", sound_arrays()["emb_0_indices.npy"])
    sidecar = sound_folder()["trace.json"]
    yield "sidecar", entry("sidecar", sidecar)
    yield "rows", entry("rows", sound_folder()["rows.npy"])
    yield "offsets", entry("offsets", sound_folder()["bag_offsets.npy"])
    yield "description", entry("description", sound_description())
    yield "sidecar, by value", entry("sidecar, by value", b"")
    yield "description, by value", entry("description, by value", b"")
    yield "tensors", entry("tensors", bytes([4, 0, 7, 7, 1, 3, 8, 0, 2, 2, 5, 6, 6, 7, 2, 0, 3, 1, 0, 1]))
    yield "arrays", entry("arrays", bytes([3, 2, 1, 2, 4, 0, 7, 1, 2, 5, 0, 1]))
    yield "table", entry("table", bytes([7, 0, 1, 0, 0, 1, 4, 0, 7, 0, 0, 1, 5, 5, 6, 0, 0, 1]))
    yield "table of addresses", entry("table", bytes([48, 0, 0, 4, 0, 7, 0, 1, 0, 2, 2, 3]))


def kept() -> Iterator[tuple[str, bytes]]:
    """Yield names and inputs that earlier runs have kept, because each reaches something that no other does."""
    with zipfile.ZipFile(KEPT) as archive:
        for name in archive.namelist():
            yield name, archive.read(name)


def pack(folder: Path) -> None:
    """Put the inputs of a folder into `KEPT`; the same inputs give the same bytes."""
    with zipfile.ZipFile(KEPT, "w") as archive:
        for file in sorted(folder.iterdir()):
            archive.writestr(zipfile.ZipInfo(file.name), file.read_bytes(), zipfile.ZIP_DEFLATED, 9)


def unpack(folder: Path) -> None:
    """Write seeds and kept inputs into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (*seeds(), *kept()):
        (folder / name.replace(", ", "-").replace(" ", "-")).write_bytes(content)


def main() -> None:
    action, folder = {"pack": pack, "unpack": unpack}[sys.argv[1]], Path(sys.argv[2])
    action(folder)
    print(f"{action.__name__}ed {len(list(folder.iterdir()))} inputs: {folder}")


if __name__ == "__main__":
    main()
