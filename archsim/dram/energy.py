"""Energy of a DRAM channel: constants per event, or currents of a data sheet times voltage and time.

The method of currents is that of Micron's TN-41-01 and TN-40-07. An event costs what the current drawn during it
exceeds the current of the state the rank is in anyway, so that events and background add up to what the data sheet
measures in its loops:

* ACT and its PRE: IDD0 over tRC, less standby with one bank open for tRAS and with none for the rest of tRC;
* RD, WR: IDD4R, IDD4W less IDD3N over one burst;
* REF: IDD5B less IDD2N over tRFC, during which all banks are closed;
* background: IDD3N, IDD2N, IDD3P, IDD2P or IDD6 in every clock, by the state of the rank.

Currents are those of one device; a rank has bus width / device width of them. They are measured without load, so what
the data pins draw comes on top: ``io_pj_per_bit``, and the direct current through driver and termination.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from archsim.dram.organization import Organization
from archsim.ledger import LedgerRow
from archsim.spec import FieldError, Spec, quantity

if TYPE_CHECKING:
    from archsim.dram.spec import DramSpec

#: What the columns of ``rank_clocks`` count, and the current drawn in each state.
RANK_STATES = {
    "background_active": "3N",
    "background_precharge": "2N",
    "background_active_power_down": "3P",
    "background_precharge_power_down": "2P",
    "self_refresh": "6",
}


def _ma(description: str) -> float:
    value: float = quantity("mA", f"per device: {description}", ge=0)
    return value


def _second_ma(description: str) -> float:
    value: float = quantity("mA", f"per device from the second supply: {description}", default=0.0, ge=0)
    return value


class Currents(Spec):
    """Currents of one device, by their names in data sheets.

    VDD is the main supply (VDD2 or VDD2H of LPDDR); VPP stands for the second one, where there is any: VPP of DDR4,
    DDR5 and HBM, VDD1 of LPDDR.
    """

    device_width_bits: int | None = quantity("bit", "data pins of the device measured", default=None, ge=1)
    VDD_v: float = quantity("V", "main supply", gt=0)
    IDD0_ma: float = _ma("one bank activated and precharged every tRC")
    IDD2N_ma: float = _ma("standby, all banks closed")
    IDD2P_ma: float = _ma("power-down, all banks closed")
    IDD3N_ma: float = _ma("standby, banks open")
    IDD3P_ma: float = _ma("power-down, banks open")
    IDD4R_ma: float = _ma("gapless reads")
    IDD4W_ma: float = _ma("gapless writes")
    IDD5B_ma: float = _ma("REF of all banks every tRFC")
    IDD6_ma: float = _ma("self-refresh")
    IDD5PB_ma: float | None = quantity(
        "mA", "per device: REF of some banks every tRFCpb or tRFCsb (IDD5C); without it, an even share of IDD5B",
        default=None, ge=0,
    )  # fmt: skip
    VPP_v: float = quantity("V", "second supply; 0: none", default=0.0, ge=0)
    IPP0_ma: float = _second_ma("as IDD0")
    IPP2N_ma: float = _second_ma("as IDD2N")
    IPP2P_ma: float = _second_ma("as IDD2P")
    IPP3N_ma: float = _second_ma("as IDD3N")
    IPP3P_ma: float = _second_ma("as IDD3P")
    IPP4R_ma: float = _second_ma("as IDD4R")
    IPP4W_ma: float = _second_ma("as IDD4W")
    IPP5B_ma: float = _second_ma("as IDD5B")
    IPP6_ma: float = _second_ma("as IDD6")
    one_bank_share: float = quantity(
        "", "share of IDD3N - IDD2N that one open bank draws; 1: IDD3N however many are open, as in TN-41-01",
        default=1.0, ge=0, le=1,
    )  # fmt: skip

    @model_validator(mode="after")
    def _check(self) -> Self:
        pairs = [("2N", "2P"), ("3N", "2N"), ("4R", "3N"), ("4W", "3N"), ("5B", "2N"), ("5PB", "2N")]
        for rail in ("IDD", "IPP") if self.VPP_v else ("IDD",):
            for more, less in pairs:
                high, low = getattr(self, f"{rail}{more}_ma", None), getattr(self, f"{rail}{less}_ma")
                if high is not None and high < low:
                    place = f"{rail}{more}_ma = {high:g}"
                    raise FieldError(
                        place, f"must be at least {rail}{less}_ma = {low:g}, the current without the event"
                    )
        if self.power_mw("0") < self.one_bank_mw:
            rule = "must exceed standby with one bank open, or an ACT gives energy back; see one_bank_share"
            raise FieldError(f"IDD0_ma = {self.IDD0_ma:g}", rule)
        return self

    def power_mw(self, state: str) -> float:
        """Return the power of one device in the loop or state of a current: ``"0"``, ``"2N"``, ``"4R"``, ..."""
        second = getattr(self, f"IPP{state}_ma", 0.0)
        return float(self.VDD_v * getattr(self, f"IDD{state}_ma") + self.VPP_v * second)

    @property
    def one_bank_mw(self) -> float:
        """Standby power of one device with one bank open."""
        closed = self.power_mw("2N")
        return closed + self.one_bank_share * (self.power_mw("3N") - closed)


class Termination(Spec):
    """Direct current through driver and termination of a data pin while it carries a bit."""

    scheme: Literal["pod", "lvstl", "sstl"] = Field(
        description="terminated to VDDQ (DDR4, DDR5, GDDR6), to ground (LPDDR4, LPDDR5), or to both (DDR3)"
    )
    VDDQ_v: float = quantity("V", "supply of the data pins", gt=0)
    driver_ohm: float = quantity("ohm", "driver", gt=0)
    termination_ohm: float = quantity("ohm", "termination at the other end", gt=0)
    drawing_share: float = quantity(
        "",
        "share of bits that draw current: zeros (pod), ones (lvstl); sstl draws in either",
        default=0.5,
        ge=0,
        le=1,
    )

    @property
    def power_mw(self) -> float:
        """Mean power of one data pin during a burst, both ends together."""
        if self.scheme == "sstl":  # twice the resistance to each rail; the driver shorts one of the two
            split = 2 * self.termination_ohm
            driven = 1 / (1 / self.driver_ohm + 1 / split)
            return 1000 * self.VDDQ_v**2 / (split + driven)
        return 1000 * self.drawing_share * self.VDDQ_v**2 / (self.driver_ohm + self.termination_ohm)


class Energy(Spec):
    """Energy per event of one rank, given as such or following from currents."""

    preset_kind: ClassVar[str] = "energy"

    method: Literal["per-event", "currents"] = Field(
        default="per-event", description="constants per event, or currents of a data sheet"
    )
    activate_pj: float | None = quantity(
        "pJ", "one ACT and its PRE, all devices of a rank", default=None, ge=0
    )
    read_pj_per_bit: float | None = quantity("pJ/bit", "reading from the open row", default=None, ge=0)
    write_pj_per_bit: float | None = quantity("pJ/bit", "writing to the open row", default=None, ge=0)
    io_pj_per_bit: float = quantity("pJ/bit", "moving data over the channel, without termination", ge=0)
    currents: Currents | None = None
    termination: Termination | None = None

    def check_against(self, organization: Organization) -> None:
        """Check that the currents are those of the devices that the memory is made of.

        Raises
        ------
        FieldError
            Naming both widths.
        """
        width = self.currents.device_width_bits if self.currents else None
        if width not in (None, organization.device_width_bits):
            rule = f"another device's: organization.device_width_bits = {organization.device_width_bits}"
            raise FieldError(f"energy.currents.device_width_bits = {width}", rule)

    @model_validator(mode="after")
    def _check(self) -> Self:
        needed = (
            ("currents",)
            if self.method == "currents"
            else ("activate_pj", "read_pj_per_bit", "write_pj_per_bit")
        )
        for name in needed:
            if getattr(self, name) is None:
                raise FieldError(name, f"missing; method = {self.method!r} needs it")
        return self


def event_energies_pj(spec: DramSpec) -> dict[str, float]:
    """Return the energy of every kind of event in picojoules: of one rank; background per clock, transfers per access.

    Parameters
    ----------
    spec : DramSpec
        Its ``energy`` says by which method.

    Returns
    -------
    dict of str to float
        ``activate``, ``precharge`` (contained in activate with constants per event), ``read``, ``write``, ``refresh``,
        ``refresh_bank`` and the states of `RANK_STATES` of the devices; ``io`` and ``termination`` of one access.
    """
    energy, timing, organization = spec.energy, spec.timing, spec.organization
    access_bits = 8 * organization.access_bytes
    tCK_ns = timing.tCK_ps / 1000
    pin_ns = tCK_ns / organization.beats_per_clk
    terminated = energy.termination.power_mw * pin_ns if energy.termination else 0.0
    events = {"io": access_bits * energy.io_pj_per_bit, "termination": access_bits * terminated}
    currents = energy.currents
    if energy.method == "per-event" or currents is None:
        constants = energy.activate_pj, energy.read_pj_per_bit, energy.write_pj_per_bit
        activate, read, write = (value or 0.0 for value in constants)
        return events | {"activate": activate, "read": access_bits * read, "write": access_bits * write}
    mw = currents.power_mw
    rank_clk = organization.bus_width_bits // organization.device_width_bits * tCK_ns
    refresh = rank_clk * timing.tRFC * (mw("5B") - mw("2N"))
    events |= {
        "activate": rank_clk * timing.tRAS * (mw("0") - currents.one_bank_mw),
        "precharge": rank_clk * (timing.row_cycle_clk - timing.tRAS) * (mw("0") - mw("2N")),
        "read": rank_clk * timing.tBL * (mw("4R") - mw("3N")),
        "write": rank_clk * timing.tBL * (mw("4W") - mw("3N")),
        "refresh": refresh,
        "refresh_bank": refresh / spec.refresh_steps,
    }
    some_clk = timing.tRFCsb if spec.refresh.mode == "same-bank" else timing.tRFCpb
    if currents.IDD5PB_ma is not None and some_clk is not None:
        above_mw = currents.VDD_v * (currents.IDD5PB_ma - currents.IDD2N_ma)
        events["refresh_bank"] = rank_clk * some_clk * above_mw
    return events | {state: rank_clk * mw(current) for state, current in RANK_STATES.items()}


def dram_ledger(
    spec: DramSpec, counts: Mapping[str, int], rank_clocks: npt.NDArray[np.int64], cycles: int
) -> list[LedgerRow]:
    """Return where the energy of a channel went.

    Parameters
    ----------
    spec : DramSpec
        The memory.
    counts : mapping of str to int
        Commands ``act``, ``rd``, ``wr``, ``ref``, ``refb``. Every ACT is charged for the PRE that must follow it, so
        precharges need not be counted.
    rank_clocks : int64 array [ranks, 5]
        Clocks of each rank in the states of `RANK_STATES`, in that order. Refreshing ranks are in precharge standby.
    cycles : int
        Clocks of the run; every row of ``rank_clocks`` adds up to it.

    Returns
    -------
    list of LedgerRow
        Rows of what happened at least once. Constants per event know neither background nor refresh.
    """
    if rank_clocks.ndim != 2 or rank_clocks.shape[1] != len(RANK_STATES):
        raise ValueError(f"rank_clocks has shape {rank_clocks.shape}, not (ranks, {len(RANK_STATES)})")
    if np.any(rank_clocks.sum(axis=1) != cycles):
        raise ValueError(f"the clocks of a rank in all its states must add up to the {cycles} of the run")
    clocks = dict(zip(RANK_STATES, rank_clocks.sum(axis=0).tolist(), strict=True))
    act, rd, wr = counts["act"], counts["rd"], counts["wr"]
    happened = [
        ("dram", "activate", act, "activate"),
        ("dram", "precharge", act, "precharge"),
        ("dram", "read", rd, "read"),
        ("dram", "write", wr, "write"),
        ("dram", "refresh", counts["ref"], "refresh"),
        ("dram", "refresh_bank", counts["refb"], "refresh_bank"),
        *(("dram", state, clocks[state], state) for state in RANK_STATES),
        ("channel", "io_read", rd, "io"),
        ("channel", "io_write", wr, "io"),
        ("channel", "termination_read", rd, "termination"),
        ("channel", "termination_write", wr, "termination"),
    ]
    pj = event_energies_pj(spec)
    return [
        LedgerRow(component, event, int(count), pj[kind])
        for component, event, count, kind in happened
        if count and kind in pj and (kind != "termination" or spec.energy.termination)
    ]


def per_rank(
    spec: DramSpec, counts: Sequence[Mapping[str, int]], rank_clocks: npt.NDArray[np.int64], cycles: int
) -> list[list[LedgerRow]]:
    """Return the ledger of each rank, given the commands of each; their counts add up to those of the channel."""
    return [
        dram_ledger(spec, rank_counts, rank_clocks[rank : rank + 1], cycles)
        for rank, rank_counts in enumerate(counts)
    ]


def per_device(spec: DramSpec, rows: Sequence[LedgerRow]) -> list[LedgerRow]:
    """Return the part of one device in the ledger of a rank: all its devices share every event alike."""
    devices = spec.organization.bus_width_bits // spec.organization.device_width_bits
    return [LedgerRow(row.component, row.event, row.count, row.pj_per_event / devices) for row in rows]
