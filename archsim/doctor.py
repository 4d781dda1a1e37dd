"""What is installed and compiled, and how fast this machine replays."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Iterator
from importlib import import_module, metadata

import numpy as np

from archsim import __version__

_CORE = (
    "numpy",
    "numba",
    "scipy",
    "threadpoolctl",
    "matplotlib",
    "pyarrow",
    "pydantic",
    "typer",
    "tqdm",
    "zstandard",
)
_OPTIONAL = ("pandas", "duckdb", "plotly", "optuna", "dask", "torch")
_COMPILED = (
    "dram",
    "recnmp",
    "lowering",
    "sums",
    "sums_check",
    "text",
    "text_lines",
    "draws",
    "reuse",
    "stack_distance",
    "set_lru",
    "cache",
    "curves",
    "cache_chain",
    "cache_memory",
    "approx",
    "thermal_policy",
)
_REQUESTS = 300_000


def report() -> Iterator[str]:
    """Yield lines of text; takes about two seconds, most of it the speed test."""
    yield f"archsim {__version__}, Python {platform.python_version()}, {platform.machine()} {sys.platform}"
    yield "packages   " + ", ".join(f"{name} {_version(name)}" for name in (*_CORE, *_OPTIONAL))
    found, missing = [], []
    for name in _COMPILED:
        try:
            import_module(f"archsim.kernels.{name}")
        except ImportError as error:
            missing.append(name)
            yield f"MISSING    archsim.kernels.{name}: {error}; run `pip install -e .` in the source tree"
        else:
            found.append(name)
    yield f"compiled   archsim.kernels: {', '.join(found) or 'nothing'}"
    yield f"cores      {len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()}"
    for name, rate in () if missing else _speed():
        yield f"speed      {name}: {rate / 1e6:.1f} M requests per CPU-second (1 rank DDR4-2400)"


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _speed() -> Iterator[tuple[str, float]]:
    """Replay a sequential and a scattered stream of reads, and time the kernel."""
    from archsim.dram.engine import replay_lines
    from archsim.dram.spec import DramSpec

    spec = DramSpec.load("ddr4-2400")
    lines = np.arange(_REQUESTS, dtype=np.int64)
    capacity = spec.organization.capacity_bytes // 64
    scattered = (lines * 0x9E3779B1) % capacity  # an odd multiplier visits every line once
    for name, stream in (("sequential", lines), ("scattered", scattered)):
        start = time.process_time()
        replay_lines(spec, stream)
        yield name, _REQUESTS / (time.process_time() - start)
