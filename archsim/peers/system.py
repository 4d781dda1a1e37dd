"""What every file of another simulator becomes: a host system around its memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from archsim.systems.spec import SystemSpec

#: As in the host presets: pages of 4 KiB in random free frames.
_PLACEMENT = {"page_bytes": 4096, "policy": "random", "seed": 1}


def host_system(simulator: str, path: Path, dram: dict[str, Any], notes: list[str]) -> SystemSpec:
    """Check the memory and put it under a host; ``notes`` go into the description."""
    data = {
        "name": f"{simulator}:{path.stem}",
        "description": "; ".join([f"CPU reads every vector; memory and policies of {path.name}", *notes]),
        "kind": "host",
        "dram": dram,
        "placement": _PLACEMENT,
    }
    return SystemSpec.from_dict(data, str(path))
