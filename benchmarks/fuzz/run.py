"""Fuzz all trace readers with Atheris: ``python benchmarks/fuzz/run.py CORPUS [libFuzzer options]``; see README.md."""

from __future__ import annotations

import shlex
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["archsim.traces", "zipfile", "numpy.lib"]):
    import targets

    from archsim.traces.formats import text

text.KEPT_BYTES = 256  # Inputs are short: longer ones than this are to be scanned twice too.


def main() -> None:
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as folder:
        place = Path(folder)

        def one(data: bytes) -> None:
            targets.check(data, place)

        # libFuzzer starts the program anew for -merge=1, as a command of the shell.
        command = f"{shlex.quote(sys.executable)} {shlex.quote(__file__)}"
        atheris.Setup([command, *sys.argv[1:]], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
