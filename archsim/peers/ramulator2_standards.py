"""The order of levels, commands and timings in Ramulator 2.1's exported lists, standard by standard.

An exported file holds numbers only; what each stands for is fixed by the standard that it names
(CMU-SAFARI/ramulator2 at commit c5b1c3a4).
"""

from __future__ import annotations

from dataclasses import dataclass

#: Timing of a file -> our name; None where nothing of the replay depends on it.
TIMINGS: dict[str, str | None] = {
    "rate": None,
    "nBL": "tBL",
    "nCL": None,  # the file states read_latency, which is what counts
    "nCWL": "CWL",
    "nRCD": "tRCD",
    "nRCDRD": "tRCD",
    "nRCDWR": "tRCDWR",
    "nRP": "tRP",
    "nRAS": "tRAS",
    "nRC": "tRC",
    "nWR": "tWR",
    "nRTP": "tRTP",
    "nRTPL": "tRTP",
    "nPPD": "tPPD",
    "nCCD": "tCCD_S",
    "nCCDS": "tCCD_S",
    "nCCDL": "tCCD_L",
    "nCCDR": "tCCD_R",
    "nCCDS_WR": None,  # rules alone
    "nCCDL_WR": "tCCD_L_WR",
    "nRRD": "tRRD_S",
    "nRRDS": "tRRD_S",
    "nRRDL": "tRRD_L",
    "nWTR": "tWTR_S",
    "nWTRS": "tWTR_S",
    "nWTRL": "tWTR_L",
    "nRTW": "tRTW",
    "nFAW": "tFAW",
    "nRFC": "tRFC",
    "nRFCab": "tRFC",
    "nRFCpb": "tRFCpb",
    "nRFMab": None,  # refresh management is not modelled
    "nRFMpb": None,
    "nRREFD": "tRREFD",
    "nREFI": "tREFI",
    "nREFIpb": None,  # refresh bank by bank is not read from these files
    "nCS": "tRTRS",
    "tCK_ps": "tCK_ps",
}


@dataclass(frozen=True)
class Standard:
    """One standard of Ramulator 2.1.

    Attributes
    ----------
    levels : tuple of str
        Hierarchy from the channel down to the bank, as our fields; rows and columns follow.
    commands : tuple of str
        By number.
    timings : tuple of str
        By place in the list.
    prefetch : int
        Data beats of one burst.
    ticks_per_clk : int
        Steps that the simulator takes in one clock of the standard.
    """

    levels: tuple[str, ...]
    commands: tuple[str, ...]
    timings: tuple[str, ...]
    prefetch: int
    ticks_per_clk: int = 1


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_DDR = _words("ACT PREpb PREab RD WR RDA WRA REFab")
_HBM = _words("ACT PREpb PREab RD WR RDA WRA REFab REFpb")
_HBM34 = (*_HBM, "RFMab", "RFMpb")
_HBM_TIMINGS = _words(
    "rate nBL nCL nRCDRD nRCDWR nRP nRAS nRC nWR nRTPL nCWL nCCDS nCCDL nRRDS nRRDL nWTRS nWTRL nFAW nRFC nRFCpb "
    "nRREFD nREFI nREFIpb tCK_ps"
)
_HBM34_TIMINGS = _words(
    "rate nBL nCL nRCDRD nRCDWR nRP nRAS nRC nWR nRTP nCWL nCCDS nCCDL nCCDR nRRDS nRRDL nWTRS nWTRL nRTW nFAW nPPD "
    "nRFC nRFCpb nRFMab nRFMpb nRREFD nREFI nREFIpb tCK_ps"
)
_HBM34_LEVELS = _words("channel pseudo_channel rank bank_group bank")

STANDARDS = {
    "DDR3": Standard(
        _words("channel rank bank"),
        _DDR,
        _words("rate nBL nCL nRCD nRP nRAS nRC nWR nRTP nCWL nCCD nRRD nWTR nFAW nRFC nREFI nCS tCK_ps"),
        prefetch=8,
    ),
    "DDR4": Standard(
        _words("channel rank bank_group bank"),
        _DDR,
        _words(
            "rate nBL nCL nRCD nRP nRAS nRC nWR nRTP nCWL nCCDS nCCDL nRRDS nRRDL nWTRS nWTRL nFAW nRFC nREFI nCS "
            "tCK_ps"
        ),
        prefetch=8,
    ),
    "DDR5": Standard(
        _words("channel rank bank_group bank"),
        _DDR,
        _words(
            "rate nBL nCL nRCD nRP nRAS nRC nWR nRTP nCWL nPPD nCCDS nCCDL nCCDS_WR nCCDL_WR nRRDS nRRDL nWTRS nWTRL "
            "nFAW nRFC nREFI nCS tCK_ps"
        ),
        prefetch=16,
    ),
    "GDDR6": Standard(
        _words("channel bank_group bank"),
        _words("ACT PREab PREpb RD WR RDA WRA REFab REFpb"),
        _words(
            "rate nBL nCL nRCDRD nRCDWR nRP nRAS nRC nWR nRTP nCWL nCCDS nCCDL nRRDS nRRDL nWTRS nWTRL nFAW nRFCpb "
            "nRREFD nREFI tCK_ps nRFCab nPPD"
        ),
        prefetch=16,
    ),
    "HBM1": Standard(_words("channel bank_group bank"), _HBM, _HBM_TIMINGS, prefetch=2),
    "HBM2": Standard(_words("channel pseudo_channel bank_group bank"), _HBM, _HBM_TIMINGS, prefetch=4),
    "HBM3": Standard(_HBM34_LEVELS, _HBM34, _HBM34_TIMINGS, prefetch=8, ticks_per_clk=2),
    "HBM4": Standard(_HBM34_LEVELS, _HBM34, _HBM34_TIMINGS, prefetch=8, ticks_per_clk=2),
}
#: Standards that Ramulator 2.1 has and this reader refuses, and what they would need.
NOT_MODELLED = {
    "LPDDR5": "its ACT1, ACT2 and CAS commands",
    "LPDDR6": "its ACT1, ACT2 and CAS commands",
    "GDDR7": "its RCKSTRT and RCKSTOP commands",
    "DDR4_VRR": "victim row refresh",
    "DDR5_VRR": "victim row refresh",
    "DDR5_RFM": "refresh management",
    "DDR5_RFM_VRR": "refresh management",
}
