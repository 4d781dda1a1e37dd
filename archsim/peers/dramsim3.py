"""Systems from the configuration files (.ini) of DRAMsim3.

Keys, defaults and rules between commands are those of umd-memsys/DRAMsim3 at commit 29817593. Where it does not do what
a key says, the key is followed: with RANK_LEVEL_SIMULTANEOUS all ranks are refreshed, not the first alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from archsim.dram.controller import Controller
from archsim.dram.organization import LINE_BYTES
from archsim.dram.timing import MAX_CLK
from archsim.peers.dramsim3_keys import KEYS
from archsim.peers.ini import IniFile
from archsim.peers.system import host_system
from archsim.spec import read_document
from archsim.systems.spec import SystemSpec

#: Data beats per memory clock.
_BEATS_PER_CLK = {
    "DDR3": 2, "DDR4": 2, "LPDDR": 2, "LPDDR3": 2, "LPDDR4": 2, "HBM": 2, "HBM2": 2,
    "GDDR5": 4, "GDDR5X": 8, "GDDR6": 16,
}  # fmt: skip
_FIELDS = {"ch": "channel", "ra": "rank", "bg": "bank_group", "ba": "bank", "ro": "row", "co": "column"}
_REFRESH = {
    "RANK_LEVEL_STAGGERED": {"mode": "all-bank", "staggered": True},
    "RANK_LEVEL_SIMULTANEOUS": {"mode": "all-bank", "staggered": False},
    "BANK_LEVEL_STAGGERED": {"mode": "per-bank", "staggered": True},
}
#: A refresh interval from which on nothing is ever refreshed in a run that ends.
_NEVER_CLK = 1_000_000_000

_RULES = [
    ("bank", "ACT", "ACT", "tRC"),
    ("bank", "ACT", "PRE", "tRAS"),
    ("bank", "ACT", "RD", "tRCD"),
    ("bank", "ACT", "WR", "tRCDWR"),
    ("bank", "PRE", "ACT", "tRP"),
    ("bank", "RD", "PRE", "tRTP"),
    ("bank", "WR", "PRE", "CWL + tBL + tWR"),
    ("rank", "ACT", "ACT", "tRRD_S"),
    ("rank", "RD", "RD", "tCCD_S"),
    ("rank", "WR", "WR", "tCCD_S"),
    ("rank", "RD", "WR", "CL + tBL + tRTRS - CWL"),
    ("rank", "WR", "RD", "CWL + tBL + tWTR_S"),
    ("rank", "PRE", "REF", "tRP"),
    ("rank", "ACT", "REF", "tRC"),
    ("rank", "REF", "ACT", "tRFC"),
    ("rank", "REF", "REF", "tRFC"),
    ("other_rank", "RD", "RD", "tBL + tRTRS"),
    ("other_rank", "RD", "WR", "CL + tBL + tRTRS - CWL"),
    ("other_rank", "WR", "RD", "CWL + tBL + tRTRS - CL"),
    ("other_rank", "WR", "WR", "tBL"),  # no gap for the switch
]
_BANK_GROUP_RULES = [
    ("bank_group", "ACT", "ACT", "tRRD_L"),
    ("bank_group", "RD", "RD", "tCCD_L"),
    ("bank_group", "WR", "WR", "tCCD_L"),
    ("bank_group", "WR", "RD", "CWL + tBL + tWTR_L"),
]
_BANK_REFRESH_RULES = [
    ("bank", "PRE", "REFB", "tRP"),
    ("bank", "ACT", "REFB", "tRC"),
    ("bank", "REFB", "ACT", "tRFCpb"),
    ("bank", "REFB", "REFB", "tRFCpb"),
]


class _Device(NamedTuple):
    """What the reading of the other sections depends on."""

    protocol: str
    organization: dict[str, Any]
    burst_clk: int
    note: str

    @property
    def is_hbm(self) -> bool:
        return self.protocol in ("HBM", "HBM2")

    @property
    def is_gddr(self) -> bool:
        return self.protocol.startswith("GDDR")

    @property
    def banks(self) -> int:
        return int(self.organization["bank_groups"] * self.organization["banks_per_group"])


def load_dramsim3(path: str | Path) -> SystemSpec:
    """Read a configuration file of DRAMsim3 as a host system with its memory and its policies.

    Parameters
    ----------
    path : str or Path
        The ``.ini`` file.

    Returns
    -------
    SystemSpec
        Named ``dramsim3:STEM``; its description lists the keys of the file that have no effect here.

    Raises
    ------
    InputError
        For an unknown, misspelt or repeated key, a value outside its range, what is not modelled (HMC, a unified
        queue, bursts longer than a line of 64 bytes), or a contradiction between values.
    """
    ini = IniFile(Path(path), KEYS)
    device = _device(ini)
    refresh = dict(_REFRESH[ini.choice("system", "refresh_policy", "RANK_LEVEL_STAGGERED", [*_REFRESH])])
    timing = _timing(ini, device, per_bank=refresh["mode"] == "per-bank")
    if timing["tREFI"] >= _NEVER_CLK:
        refresh["mode"], timing["tREFI"] = "none", MAX_CLK
    dram = {
        "standard": f"{device.protocol} of {ini.path.name}",
        "organization": device.organization,
        "timing": timing,
        "rules": _rules(ini, device, per_bank=refresh["mode"] == "per-bank"),
        "controller": _controller(ini, device),
        "refresh": refresh,
        "idle": _idle(ini),
        "address_map": {"layout": _layout(ini), "hash": []},
        "energy": _energy(ini, per_bank=refresh["mode"] == "per-bank"),
    }
    notes = [device.note] if device.note else []
    if ini.unused:
        notes.append(f"without effect: {', '.join(ini.unused)}")
    return host_system("dramsim3", ini.path, dram, notes)


def _device(ini: IniFile) -> _Device:
    section = "dram_structure"
    protocol = ini.text(section, "protocol", "DDR3")
    if protocol == "HMC":
        raise ini.error(section, "protocol", "HMC is not modelled")
    ini.choice(section, "protocol", "DDR3", [*_BEATS_PER_CLK])
    beats = _BEATS_PER_CLK[protocol]
    length = ini.integer(section, "BL", 8)
    if length < beats:
        raise ini.error(section, "BL", f"must be at least {beats}, the beats of one clock of {protocol}")
    groups = ini.integer(section, "bankgroups", 2, least=1)
    banks = ini.integer(section, "banks_per_group", 2, least=1)
    if not ini.boolean(section, "bankgroup_enable", True):
        groups, banks = 1, groups * banks
    columns = ini.integer(section, "columns", 1024, least=1)
    columns *= length if protocol.startswith("GDDR") else 2 if protocol in ("HBM", "HBM2") else 1
    width, bus = (
        ini.integer(section, "device_width", 8, least=1),
        ini.integer("system", "bus_width", 64, least=1),
    )
    if bus % width:
        raise ini.error("system", "bus_width", f"must be a multiple of device_width = {width}")
    if bus * length > 8 * LINE_BYTES:
        rule = (
            f"a burst of BL = {length} would move {bus * length // 8} bytes, more than a line of {LINE_BYTES}"
        )
        raise ini.error("system", "bus_width", rule)
    rows = ini.integer(section, "rows", 65536, least=1024)
    ranks, note = _ranks(ini, columns * width // 8 * (rows // 1024) // 1024 * groups * banks * (bus // width))
    organization = {
        "channels": ini.integer("system", "channels", 1, least=1),
        "ranks": ranks,
        "bank_groups": groups,
        "banks_per_group": banks,
        "rows": rows,
        "columns": columns,
        "device_width_bits": width,
        "bus_width_bits": bus,
        "burst_length": length,
        "beats_per_clk": beats,
        "split_command_bus": protocol in ("HBM", "HBM2") and ini.boolean(section, "hbm_dual_cmd", True),
    }
    return _Device(protocol, organization, length // beats, note)


def _ranks(ini: IniFile, rank_mib: int) -> tuple[int, str]:
    """Return as many ranks as fill channel_size, at least one, and what to say about it."""
    channel_mib = ini.integer("system", "channel_size", 1024, least=1)
    if rank_mib == 0:
        raise ini.error("dram_structure", "rows", "a rank would hold less than 1 MiB")
    if rank_mib > channel_mib:
        return (
            1,
            f"channel_size = {channel_mib} is less than one rank of {rank_mib} MiB, which is taken instead",
        )
    if channel_mib % rank_mib:
        raise ini.error("system", "channel_size", f"must be a multiple of one rank of {rank_mib} MiB")
    return channel_mib // rank_mib, ""


def _timing(ini: IniFile, device: _Device, *, per_bank: bool) -> dict[str, Any]:
    """Return the timings; the additive latency AL is part of CL, CWL and tRTP, and taken off tRCD."""

    def clk(name: str, default: int) -> int:
        return ini.integer("timing", name, default)

    additive = clk("AL", 0)
    row_split = device.is_gddr or device.is_hbm
    timing = {
        "tCK_ps": round(1000 * ini.real("timing", "tCK", 1.0)),
        "CL": additive + clk("CL", 12),
        "CWL": additive + clk("CWL", 12),
        "tRCD": clk("tRCDRD", 24) if row_split else clk("tRCD", 10) - additive,
        "tRCDWR": clk("tRCDWR", 20) if row_split else clk("tRCD", 10) - additive,
        "tRP": clk("tRP", 10),
        "tRAS": clk("tRAS", 24),
        "tBL": device.burst_clk,
        "tCCD_S": max(device.burst_clk, clk("tCCD_S", 4)),
        "tRRD_S": clk("tRRD_S", 4),
        "tFAW": clk("tFAW", 50),
        "tWTR_S": clk("tWTR_S", 5),
        "tWR": clk("tWR", 10),
        "tRTP": additive + clk("tRTP", 5),
        "tRTRS": clk("tRTRS", 2),
        "tRFC": clk("tRFC", 74),
        "tREFI": clk("tREFI", 7800),
        "tCKE": clk("tCKE", 6),
        "tXP": clk("tXP", 8),
        "tCKESR": clk("tCKESR", 12),
        "tXS": clk("tXS", 432),
    }
    if device.organization["bank_groups"] > 1:
        timing |= {
            "tCCD_L": max(device.burst_clk, clk("tCCD_L", 6)),
            "tRRD_L": clk("tRRD_L", 4),
            "tWTR_L": clk("tWTR_L", 5),
        }
    if _has_precharge_gap(device) and clk("tPPD", 0):
        timing["tPPD"] = clk("tPPD", 0)
    if per_bank:
        # One bank of the channel is refreshed every tREFIb.
        timing["tRFCpb"] = clk("tRFCb", 20)
        timing["tREFI"] = clk("tREFIb", 1950) * device.banks * device.organization["ranks"]
    return timing


def _has_precharge_gap(device: _Device) -> bool:
    return device.is_gddr or device.protocol == "LPDDR4"


def _rules(ini: IniFile, device: _Device, *, per_bank: bool) -> list[dict[str, Any]]:
    rules = list(_RULES)
    if device.organization["bank_groups"] > 1:
        rules += _BANK_GROUP_RULES
    if _has_precharge_gap(device) and ini.integer("timing", "tPPD", 0):
        rules.append(("rank", "PRE", "PRE", "tPPD"))
    if per_bank:
        rules += _BANK_REFRESH_RULES
    rows: list[dict[str, Any]] = [
        dict(zip(("level", "before", "after", "latency"), rule, strict=True)) for rule in rules
    ]
    act = {"level": "rank", "before": "ACT", "after": "ACT"}
    rows.append(act | {"latency": "tFAW", "window": 4})
    if device.is_gddr:
        rows.append(act | {"latency": str(ini.integer("timing", "t32AW", 330)), "window": 32})
    return rows


def _controller(ini: IniFile, device: _Device) -> dict[str, Any]:
    structure = ini.choice("system", "queue_structure", "PER_BANK", ["PER_BANK", "PER_RANK"])
    if ini.boolean("system", "unified_queue", False):
        raise ini.error("system", "unified_queue", "one queue for reads and writes together is not modelled")
    policies = {"OPEN_PAGE": "open", "CLOSE_PAGE": "closed"}
    places = ini.integer("system", "trans_queue_size", 32, least=1)
    return read_document(Controller, "dramsim3").data | {
        "row_policy": policies[ini.choice("system", "row_buf_policy", "OPEN_PAGE", policies)],
        "read_queue": places,
        "write_queue": places,
        "write_drain_high": places,
        "write_drain_low": min(8, places - 1),
        "command_queue": ini.integer("system", "cmd_queue_size", 16, least=1),
        "command_queue_scope": "bank" if structure == "PER_BANK" else "rank",
    }


def _idle(ini: IniFile) -> dict[str, int]:
    threshold = ini.integer("system", "sref_threshold", 1000, least=1)
    return {
        "self_refresh_clk": threshold if ini.boolean("system", "enable_self_refresh", False) else 0,
    }


def _layout(ini: IniFile) -> list[str]:
    """Return the fields from the lowest bit up; the file has them from the highest, two letters each."""
    text = ini.text("system", "address_mapping", "chrobabgraco")
    tokens = [text[i : i + 2] for i in range(0, len(text), 2)]
    if sorted(tokens) != sorted(_FIELDS):
        raise ini.error("system", "address_mapping", f"must hold each of {', '.join(_FIELDS)} once")
    return [_FIELDS[token] for token in reversed(tokens)]


def _energy(ini: IniFile, *, per_bank: bool) -> dict[str, Any]:
    """Return the currents; DRAMsim3 knows neither those of the second supply nor the energy of the data pins."""
    defaults = {
        "IDD0": 48, "IDD2N": 34, "IDD2P": 25, "IDD3N": 43, "IDD3P": 37, "IDD4R": 135, "IDD4W": 123,
        "IDD5AB": 250, "IDD6x": 31,
    }  # fmt: skip
    if per_bank and ini.text("power", "IDD5PB", ""):
        defaults["IDD5PB"] = (
            0  # without the key, an even share of IDD5AB: DRAMsim3's own default is below standby
        )
    ours = {"IDD5AB": "IDD5B", "IDD6x": "IDD6"}
    currents = {
        f"{ours.get(name, name)}_ma": ini.real("power", name, default) for name, default in defaults.items()
    }
    currents["VDD_v"] = ini.real("power", "VDD", 1.2)
    return {"method": "currents", "io_pj_per_bit": 0.0, "currents": currents}
