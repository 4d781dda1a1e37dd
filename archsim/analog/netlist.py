"""Netlists of crossbars for ngspice, and a runner that reads its results in full precision.

A netlist is written from the description of the lines in ``docs/analog.md``, not from the matrices that are solved.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archsim.analog.arrays import instance, numbers
from archsim.analog.crossbar import Crossbar
from archsim.errors import InputError

F64 = NDArray[np.float64]

#: What a nonlinear solution is asked for; linear circuits are solved without iteration.
_OPTIONS = ".options reltol=1e-9 abstol=1e-15 vntol=1e-11 gmin=1e-18 itl1=1000"
_LONGEST_S = 600.0
_MOST_RAW_BYTES = 64 << 20


def netlist(crossbar: Crossbar, v: ArrayLike, sinh_v: float | None = None) -> str:
    """Write a crossbar and one input as a netlist for ngspice.

    Word line ``i`` is driven by ``Vin{i}``; cell ``RG{i}_{j}`` is a resistor, or ``BG{i}_{j}`` a source of current by a
    formula when ``sinh_v`` is given. In current mode the source ``Vout{j}`` of 0 V measures the current of bit line
    ``j``; in voltage mode the node ``out{j}`` has its voltage.

    Parameters
    ----------
    crossbar : Crossbar
    v : array_like of float64, shape (m,)
        Voltages of the sources.
    sinh_v : float, optional
        V0 of cells with the current g V0 sinh(V / V0).

    Returns
    -------
    str
    """
    v = numbers(v, "inputs")
    instance(crossbar, Crossbar, "crossbar")
    m, n = crossbar.shape
    if v.shape != (m,):
        raise InputError(f"input of shape {v.shape}: a netlist holds one of shape ({m},)")
    lines = [f"* crossbar of {m} word lines and {n} bit lines, by archsim"]
    lines += [f"Vin{i} in{i} 0 DC {float(v[i])!r}" for i in range(m)]
    lines += _word_lines(crossbar)
    lines += _bit_lines(crossbar)
    for i in range(m):
        for j in range(n):
            word, bit, g = _word(crossbar, i, j), _bit(crossbar, i, j), float(crossbar.g_s[i, j])
            if sinh_v is None:
                lines.append(f"RG{i}_{j} {word} {bit} {1.0 / g!r}")
            else:
                current = f"{g * sinh_v!r}*sinh(v({word},{bit})/{float(sinh_v)!r})"
                lines.append(f"BG{i}_{j} {word} {bit} I={current}")
    saved = [f"i(Vout{j})" if crossbar.wires.output == "current" else f"v(out{j})" for j in range(n)]
    lines += [".save " + " ".join(saved[k : k + 16]) for k in range(0, n, 16)]
    return "\n".join([*lines, _OPTIONS, ".op", ".end", ""])


def _word(crossbar: Crossbar, i: int, j: int) -> str:
    """Return the node of a word line at a crossing."""
    if crossbar.wires.r_word_ohm:
        return f"w{i}_{j}"
    return f"w{i}" if crossbar.wires.r_driver_ohm else f"in{i}"


def _bit(crossbar: Crossbar, i: int, j: int) -> str:
    """Return the node of a bit line at a crossing."""
    return f"b{i}_{j}" if crossbar.wires.r_bit_ohm else f"out{j}"


def _word_lines(crossbar: Crossbar) -> Iterator[str]:
    wires, (m, n) = crossbar.wires, crossbar.shape
    for i in range(m):
        before = f"in{i}"
        if wires.r_driver_ohm:
            after = f"d{i}" if wires.r_word_ohm else f"w{i}"
            yield f"Rd{i} {before} {after} {wires.r_driver_ohm!r}"
            before = after
        for j in range(n if wires.r_word_ohm else 0):
            yield f"Rw{i}_{j} {before} {_word(crossbar, i, j)} {wires.r_word_ohm!r}"
            before = _word(crossbar, i, j)


def _bit_lines(crossbar: Crossbar) -> Iterator[str]:
    wires, (m, n) = crossbar.wires, crossbar.shape
    for j in range(n):
        for i in range(m if wires.r_bit_ohm else 0):
            after = _bit(crossbar, i + 1, j) if i < m - 1 else f"out{j}"
            yield f"Rb{i}_{j} {_bit(crossbar, i, j)} {after} {wires.r_bit_ohm!r}"
        if wires.output == "current":
            if wires.r_sense_ohm:
                yield f"Rs{j} out{j} s{j} {wires.r_sense_ohm!r}"
            yield f"Vout{j} {'s' if wires.r_sense_ohm else 'out'}{j} 0 DC 0"
        elif wires.g_load_s:
            yield f"Rl{j} out{j} 0 {1.0 / wires.g_load_s!r}"


def ngspice_path() -> str | None:
    """Return the path of the ngspice program, or None when there is none."""
    return shutil.which("ngspice")


def run_ngspice(text: str, timeout_s: float = _LONGEST_S) -> dict[str, float]:
    """Run a netlist in batch mode and return what its operating point saves.

    Parameters
    ----------
    text : str
        With one analysis, ``.op``.
    timeout_s : float
        After which ngspice is ended.

    Returns
    -------
    dict of str to float
        By the names that ngspice uses, such as ``i(vout0)`` and ``v(out0)``; all digits.

    Raises
    ------
    InputError
        If there is no ngspice, or it fails or takes too long.
    """
    program = ngspice_path()
    if program is None:
        raise InputError("ngspice: not found; Debian and Ubuntu have it as the package ngspice")
    with tempfile.TemporaryDirectory(prefix="archsim-") as folder:
        circuit, raw = Path(folder, "circuit.cir"), Path(folder, "out.raw")
        circuit.write_text(text, encoding="ascii")
        command = [program, "-b", "-r", str(raw), str(circuit)]
        # Without a home there is no start-up file that changes what it does.
        alone = {**os.environ, "HOME": folder, "SPICE_ASCIIRAWFILE": "0"}
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                timeout=timeout_s,
                env=alone,
                cwd=folder,
                stdin=subprocess.DEVNULL,
            )
        except subprocess.TimeoutExpired:
            raise InputError(f"ngspice: ended after {timeout_s:g} s") from None
        if done.returncode or not raw.exists():
            words = done.stderr.decode(errors="replace").strip().splitlines() or ["no result"]
            raise InputError(f"ngspice: status {done.returncode}: {words[-1][:200]}")
        if raw.stat().st_size > _MOST_RAW_BYTES:
            raise InputError(f"ngspice: more than {_MOST_RAW_BYTES >> 20} MB of results")
        return read_raw(raw.read_bytes())


def read_raw(data: bytes) -> dict[str, float]:
    """Read the first point of a binary raw file of ngspice.

    Raises
    ------
    InputError
        If it is anything else.
    """
    head, mark, body = data.partition(b"Binary:\n")
    lines = head.decode("latin-1").splitlines()
    if not mark or "Variables:" not in lines:
        raise InputError("ngspice: its result is no binary raw file of real numbers")
    names = [line.split("\t")[2] for line in lines[lines.index("Variables:") + 1 :] if line.startswith("\t")]
    if len(body) < 8 * len(names) or "Flags: real" not in lines:
        raise InputError(f"ngspice: its result ends before the {len(names)} numbers that it names")
    return dict(zip(names, struct.unpack(f"={len(names)}d", body[: 8 * len(names)]), strict=True))


def ngspice_outputs(crossbar: Crossbar, v: ArrayLike, sinh_v: float | None = None) -> F64:
    """Return the outputs of a crossbar as ngspice finds them, shape (n,); for checks."""
    found = run_ngspice(netlist(crossbar, v, sinh_v))
    name = "i(vout{})" if crossbar.wires.output == "current" else "v(out{})"
    return np.array([found[name.format(j)] for j in range(crossbar.shape[1])])
