"""Every key that a configuration file of DRAMsim3 may hold; what has no effect here, and why."""

from __future__ import annotations

from archsim.peers.ini import KnownKeys

_UNREAD = "DRAMsim3 does not read it"
_IDLE = "DRAMsim3 reads it and does nothing with it"
_OUTPUT = "names or times DRAMsim3's own output files"
_THERMAL = "belongs to DRAMsim3's thermal model"
_HMC = "belongs to HMC, which is not modelled"
_FINE_REFRESH = "belongs to fine-granularity refresh, which DRAMsim3 does not read"


def _used(names: str) -> dict[str, str | None]:
    return dict.fromkeys(names.split())


def _unused(why: str, names: str) -> dict[str, str | None]:
    return dict.fromkeys(names.split(), why)


KEYS: KnownKeys = {
    "dram_structure": _used(
        "protocol bankgroups banks_per_group bankgroup_enable rows columns device_width BL"
    )
    | _used("hbm_dual_cmd")
    | _unused(_THERMAL, "num_dies"),
    "timing": _used(
        "tCK AL CL CWL tRCD tRCDRD tRCDWR tRP tRAS tRFC tRFCb tREFI tREFIb tCCD_S tCCD_L tRRD_S tRRD_L"
    )
    | _used("tWTR_S tWTR_L tFAW t32AW tWR tRTP tRTRS tPPD tCKE tCKESR tXP tXS")
    | _unused(_IDLE, "tRPRE tWPRE")
    | _unused("belongs to DRAMsim3's ideal memory", "ideal_memory_latency")
    | _unused(_FINE_REFRESH, "tRFC2 tRFC4")
    | _unused("DRAMsim3 reads tRTP alone, and takes 5 where it is left out", "tRTP_L tRTP_S")
    | _unused("DRAMsim3 does not read it; its window is four ACT", "activation_window_depth")
    | _unused(_UNREAD, "tWR2 tCKSRE tRREFD"),
    "power": _used("VDD IDD0 IDD2P IDD2N IDD3P IDD3N IDD4R IDD4W IDD5AB IDD5PB IDD6x")
    | _unused(_UNREAD, "IPP0 IDD1 IDD2Q IDD3Pf IDD3Ps IDD7"),
    "system": _used(
        "channel_size channels bus_width address_mapping queue_structure refresh_policy row_buf_policy"
    )
    | _used("cmd_queue_size trans_queue_size unified_queue enable_self_refresh sref_threshold")
    | _unused("DRAMsim3 gives the write buffer trans_queue_size places", "write_buf_size")
    | _unused(_IDLE, "aggressive_precharging_enabled"),
    "other": _unused(_OUTPUT, "epoch_period output_level output_prefix validation_output"),
    "hmc": _unused(_HMC, "num_links link_width link_speed block_size xbar_queue_depth"),
    "thermal": _unused(
        _THERMAL, "const_logic_power mat_dim_x mat_dim_y loc_mapping bank_order bank_layer_order"
    )
    | _unused(_THERMAL, "chip_dim_x chip_dim_y amb_temp power_epoch_period logic_bg_power logic_max_power"),
}
