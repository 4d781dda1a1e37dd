"""Systems from the exported configuration files (.yaml) of Ramulator 2.1.

Keys, defaults and the meaning of the numbered lists are those of CMU-SAFARI/ramulator2 at commit c5b1c3a4.
"""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Any

from archsim.dram.controller import Controller
from archsim.dram.organization import LINE_BYTES
from archsim.dram.timing import MAX_CLK
from archsim.peers.ramulator2_rules import NOT_MODELLED as UNUSED_COMMANDS
from archsim.peers.ramulator2_rules import read_rules
from archsim.peers.ramulator2_standards import NOT_MODELLED, STANDARDS, TIMINGS, Standard
from archsim.peers.system import host_system
from archsim.peers.yaml_tree import Node, read_yaml
from archsim.spec import read_document
from archsim.systems.spec import SystemSpec


def _words(text: str) -> list[str]:
    return text.split()


_CORES = _words(
    "clock_ratio num_expected_insts num_max_cycles traces ipc inst_window_depth llc_latency llc_linesize "
    "llc_associativity llc_capacity_per_core llc_num_mshr_per_core lat_hist_sens dump_path attacker_core_ids "
    "translation"
)
_PROBE = _words(
    "clock_ratio nop_counter num_probe_requests latency_measure_mode latency_sample_count streaming_only "
    "num_streaming_requests stream_cls stagger_stream_rows warmup_cycles read_ratio seed addr_vec_size "
    "total_bank_units row_pos col_pos num_rows num_cols internal_prefetch_size num_cls bank_positions bank_counts"
)
#: Front ends: known, and without effect, because archsim replays its own trace.
_FRONT_ENDS = {
    "External": ["clock_ratio"],
    "LoadStoreTrace": ["clock_ratio", "path"],
    "ReadWriteTrace": ["clock_ratio", "path"],
    "LatencyThroughputTrace": _PROBE,
    "SimpleO3": _CORES,
    "BHO3": _CORES,
}
#: Plugins that watch: known, and without effect. Those that issue commands of their own are refused.
_PLUGINS = {
    "CommandCounter": ["commands_to_count", "path"],
    "CmdTraceRecorder": ["path", "binary"],
    "BinTraceRecorder": ["path", "dram_type"],
    "LiveTraceStreamer": ["port", "tick_interval", "update_interval_s", "dram_type"],
    "IssuedCommandValidationHook": [],
}
#: Controller -> standards that it drives.
_CONTROLLERS = {
    "GenericDDR": ("DDR3", "DDR4", "DDR5", "GDDR6"),
    "HBM12": ("HBM1", "HBM2"),
    "HBM34": ("HBM3", "HBM4"),
}
_SETTINGS = ["wr_low_watermark", "wr_high_watermark", "read_buffer_size", "write_buffer_size"]
#: Without effect: the buffer of refreshes never fills here.
_UNUSED_SETTINGS = ["priority_buffer_size", "controller_plugins"]
#: Ramulator 2.1 has no energies.
_NO_ENERGY = dict.fromkeys(("activate_pj", "read_pj_per_bit", "write_pj_per_bit", "io_pj_per_bit"), 0.0)
_CHILDREN = ["scheduler", "refresh_manager", "row_policy", "addr_mapper", "dram"]


def load_ramulator2(path: str | Path) -> SystemSpec:
    """Read a configuration file of Ramulator 2.1 as a host system with its memory and its policies.

    HBM3 and HBM4 files count half clocks: their clock here is that tick.

    Parameters
    ----------
    path : str or Path
        The ``.yaml`` file, as its ``export`` writes it. Reading it needs PyYAML (``pip install 'archsim[peers]'``).

    Returns
    -------
    SystemSpec
        Named ``ramulator2:STEM``, without energies, which the files do not hold; its description lists what of the
        file has no effect here.

    Raises
    ------
    InputError
        For an unknown, misspelt or repeated key, a value outside its range, a component that is not modelled, or a
        contradiction between values.
    """
    root = read_yaml(Path(path))
    top = root.table(["frontend", "memory_system"])
    top["frontend"].component("front end", _FRONT_ENDS)
    _, memory = top["memory_system"].component(
        "memory system", {"GenericDRAM": []}, ["clock_ratio", "channel_mapper", "controllers"]
    )
    channels = memory["controllers"].items()
    if not channels:
        raise memory["controllers"].error("must hold one controller per channel")
    if any(channel.value != channels[0].value for channel in channels):
        raise memory["controllers"].error("all channels must be alike")
    name, controller = channels[0].component(
        "controller", dict.fromkeys(_CONTROLLERS, (*_SETTINGS, *_UNUSED_SETTINGS)), _CHILDREN
    )
    for plugin in controller["controller_plugins"].items() if "controller_plugins" in controller else []:
        plugin.component("plugin", _PLUGINS)
    standard, device = _device(controller["dram"], name)
    dram = _memory(controller, standard, device, split=name != "GenericDDR")
    dram["organization"]["channels"] = len(channels)
    address_map = _address_map(controller["addr_mapper"])
    layout = _with_channels(memory["channel_mapper"], address_map["layout"], dram["organization"])
    dram["address_map"] = address_map | {"layout": layout}
    return host_system("ramulator2", root.path, dram, _notes(controller, standard))


def _notes(controller: dict[str, Node], standard: Standard) -> list[str]:
    """Return what the description says beside the name of the file."""
    commands = [command for command in standard.commands if command in UNUSED_COMMANDS]
    unused = ["frontend", *(key for key in _UNUSED_SETTINGS if key in controller)]
    notes = [f"without effect: {', '.join(unused)}, timings of {', '.join(commands)}"]
    if standard.ticks_per_clk > 1:
        notes.insert(0, f"counts ticks of 1/{standard.ticks_per_clk} clock")
    return notes


def _device(node: Node, controller: str) -> tuple[Standard, dict[str, Node]]:
    """Return the standard, and the entries of the ``dram`` table."""
    value = node.value.get("impl") if isinstance(node.value, dict) else None
    if isinstance(value, str) and value in NOT_MODELLED:
        raise node.error(f"impl = {value!r}: {NOT_MODELLED[value]} are not modelled")
    keys = ["org", "timing", "channel_width", "read_latency", "timing_constraints"]
    impl, device = node.component("standard", dict.fromkeys(STANDARDS, ("command_cycles",)), keys)
    if impl not in _CONTROLLERS[controller]:
        raise node.error(
            f"impl = {impl!r}: controller {controller} drives {', '.join(_CONTROLLERS[controller])}"
        )
    return STANDARDS[impl], device


def _memory(
    controller: dict[str, Node], standard: Standard, device: dict[str, Node], *, split: bool
) -> dict[str, Any]:
    cycles = [1] * len(standard.commands)
    if "command_cycles" in device:
        cycles = [item.integer(1, 16) for item in device["command_cycles"].items(len(cycles))]
    timing = _timing(standard, device, cycles)
    organization = _organization(standard, device, timing) | {"split_command_bus": split}
    return {
        "standard": str(controller["dram"].value["impl"]),
        "organization": organization,
        "timing": timing,
        "rules": read_rules(device["timing_constraints"], standard, cycles),
        "controller": _controller(controller),
        "refresh": _refresh(controller["refresh_manager"], organization, timing),
        "energy": _NO_ENERGY,
    }


def _timing(standard: Standard, device: dict[str, Node], cycles: list[int]) -> dict[str, int]:
    items = device["timing"].items(len(standard.timings))
    timing: dict[str, int] = {"tRTRS": 0}
    for name, item in zip(standard.timings, items, strict=True):
        ours = TIMINGS[name]
        if ours is not None:
            timing[ours] = item.integer(0)
    latency = device["read_latency"]
    timing["CL"] = latency.integer() - timing["tBL"]
    if timing["CL"] < 1:
        raise latency.error(f"must be more than nBL = {timing['tBL']}, the clocks of the burst")
    by_name = dict(zip(standard.commands, cycles, strict=True))
    if by_name["PREab"] != by_name["PREpb"]:
        raise device["command_cycles"].error("PREab must take as many clocks as PREpb")
    ours_of = {"ACT": "ACT", "PRE": "PREpb", "RD": "RD", "WR": "WR", "REF": "REFab"}
    return timing | {f"{ours}_clk": by_name[theirs] for ours, theirs in ours_of.items()}


def _organization(standard: Standard, device: dict[str, Node], timing: dict[str, int]) -> dict[str, Any]:
    org = device["org"].table(["dq", "count"])
    levels = (*standard.levels, "rows", "columns")
    counts = org["count"].items(len(levels))
    sizes = {level: item.integer(1) for level, item in zip(levels, counts, strict=True)}
    if sizes["channel"] != 1:
        raise counts[0].error("must be 1: channels are counted by the controllers")
    if timing["tBL"] < 1 or standard.prefetch % timing["tBL"]:
        raise device["timing"].error(
            f"nBL = {timing['tBL']} must divide a burst of {standard.prefetch} beats"
        )
    width = device["channel_width"].integer(1)
    if width * standard.prefetch > 8 * LINE_BYTES:
        rule = f"a burst of {standard.prefetch} beats would move more than a line of {LINE_BYTES} bytes"
        raise device["channel_width"].error(rule)
    return {
        "pseudo_channels": sizes.get("pseudo_channel", 1),
        "ranks": sizes.get("rank", 1),
        "bank_groups": sizes.get("bank_group", 1),
        "banks_per_group": sizes["bank"],
        "rows": sizes["rows"],
        "columns": sizes["columns"],
        "device_width_bits": org["dq"].integer(1),
        "bus_width_bits": width,
        "burst_length": standard.prefetch,
        "beats_per_clk": standard.prefetch // timing["tBL"],
    }


def _controller(controller: dict[str, Node]) -> dict[str, Any]:
    policy = dict(read_document(Controller, "ramulator2").data)
    name, _ = controller["scheduler"].component("scheduler", {"FRFCFS": [], "FRFCFS-RowHit": []})
    if name == "FRFCFS":
        policy["row_hit_protection"] = "none"
    controller["row_policy"].component("row policy", {"Open": []})
    sizes = {key: controller[key].integer(1) if key in controller else 32 for key in _SETTINGS[2:]}
    policy |= {"read_queue": sizes["read_buffer_size"], "write_queue": sizes["write_buffer_size"]}
    marks = {}
    for key, default in (("wr_high_watermark", 0.8), ("wr_low_watermark", 0.2)):
        share = controller[key].real() if key in controller else default
        marks[key] = _single(_single(share) * policy["write_queue"])
    if "wr_low_watermark" in controller and not marks["wr_low_watermark"]:
        raise controller["wr_low_watermark"].error("must be more than 0, or writing never ends")
    policy["write_drain_high"] = math.floor(marks["wr_high_watermark"]) + 1  # more than the mark
    policy["write_drain_low"] = math.ceil(marks["wr_low_watermark"]) - 1  # fewer than the mark
    return policy


def _single(value: float) -> float:
    """Round to single precision, in which Ramulator 2.1 compares with its watermarks."""
    return float(struct.unpack("f", struct.pack("f", value))[0])


def _refresh(node: Node, organization: dict[str, Any], timing: dict[str, int]) -> dict[str, Any]:
    name, settings = node.component(
        "refresh manager", {"AllBank": ["scatter_interval", "debug"], "NoRefresh": []}
    )
    if name == "NoRefresh":
        timing["tREFI"] = min(timing["tREFI"], MAX_CLK)
        return {"mode": "none", "staggered": False}
    scatter = settings["scatter_interval"].integer() if "scatter_interval" in settings else 0
    if scatter and organization["pseudo_channels"] > 1:
        raise settings["scatter_interval"].error("must be 0 where there are pseudo channels")
    even = timing["tREFI"] // organization["ranks"]
    if scatter not in (0, even):
        raise settings["scatter_interval"].error(
            f"must be 0 or nREFI / ranks = {even}: other intervals are not modelled"
        )
    return {"mode": "all-bank", "staggered": scatter > 0}


def _address_map(node: Node) -> dict[str, Any]:
    """Return the map within a channel, its layout from the lowest bit up."""
    name, _ = node.component("address mapper", {"RoBaRaCoCh": [], "ChRaBaRoCo": [], "MOP4CLXOR": []})
    banks = ["pseudo_channel", "rank", "bank_group", "bank"]
    if name == "RoBaRaCoCh":
        return {"layout": ["column", *banks, "row"], "hash": []}
    if name == "ChRaBaRoCo":
        return {"layout": ["column", "row", *reversed(banks)], "hash": []}
    return {
        "layout": ["column:2", *banks, "column", "row"],
        "hash": [*banks, "row"],
        "hash_with": "column",
    }


def _with_channels(node: Node, layout: list[str], organization: dict[str, Any]) -> list[str]:
    """Put the channel bits where the channel mapper takes them from."""
    name, settings = node.component(
        "channel mapper", {"CacheLineInterleave": ["interleave_bits"], "PassThroughChannelMapper": []}
    )
    if organization["channels"] == 1:
        return ["channel", *layout]
    if name == "PassThroughChannelMapper":
        raise node.error("impl = 'PassThroughChannelMapper': needs a front end that names the channel itself")
    bits = settings["interleave_bits"].integer() if "interleave_bits" in settings else 0
    access_bytes = organization["bus_width_bits"] * organization["burst_length"] // 8
    least = (LINE_BYTES // access_bytes).bit_length() - 1
    whole = (organization["columns"] // organization["burst_length"]).bit_length() - 1
    split = layout[0] == "column:2"
    most = 2 if split else whole
    if not least <= bits <= most:
        rule = f"must be from {least} to {most}, or the channel changes within a line or above the low column bits"
        raise node.error(f"interleave_bits = {bits}: {rule}")
    below = [f"column:{bits}"] if bits else []
    if not split:
        return [*below, "channel", *layout]
    return [*below, "channel", *([f"column:{2 - bits}"] if bits < 2 else []), *layout[1:]]
