"""Which code computed a result: the version of archsim, and a hash of the sources that can change a figure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

_ENDINGS = (".py", ".pyx", ".pxi", ".h")
#: Below archsim/: what prints, checks and stores results. Presets count through the systems made from them.
_APART = ("report/", "validate/", "studies/", "cli", "check.", "doctor.", "exits.", "show.", "tables.")
#: What decides the columns of a row, though it belongs to studies.
_COUNTED = "studies/columns.py"


@cache
def code_version() -> str:
    """Return ``VERSION+HASH``: 12 hexadecimal digits of the SHA-256 over the sources behind every result.

    Sources are the Python, Cython and C files of the installed package, in the order of their names, without those of
    the command line, reports, validation and studies. Presets are no part of it: a system is hashed as resolved.
    """
    from archsim import __version__

    digest = hashlib.sha256()
    for name, path in sorted(_sources()):
        content = path.read_bytes().replace(b"\r\n", b"\n")
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return f"{__version__}+{digest.hexdigest()[:12]}"


def _sources() -> Iterator[tuple[str, Path]]:
    import archsim
    import archsim.kernels
    import archsim.traces

    # In an editable installation kernels and traces stand beside the package.
    packages = (("", archsim), ("kernels/", archsim.kernels), ("traces/", archsim.traces))
    found = {}
    for prefix, package in packages:
        folder = Path(next(iter(package.__path__)))
        for path in folder.rglob("*"):
            name = prefix + path.relative_to(folder).as_posix()
            if path.suffix in _ENDINGS and (name == _COUNTED or not name.startswith(_APART)):
                found[name] = path
    yield from found.items()
