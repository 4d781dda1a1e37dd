"""Timing parameters and the rules between commands that they feed."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal, Self

from pydantic import Field, model_validator

from archsim.errors import InputError, nearest
from archsim.spec import FieldError, Spec, quantity

Command = Literal["ACT", "PRE", "RD", "WR", "REF", "REFB"]
Level = Literal["bank", "bank_group", "rank", "other_rank", "pseudo_channel", "channel"]

# Longest timing: the replay counts clocks from a moving base in 32 bits.
MAX_CLK = 1_000_000
_DIGITS = 12
_SHOWN = 60


def _clk(description: str, *, least: int = 1) -> int:
    clk: int = quantity("clk", description, ge=least, le=MAX_CLK)
    return clk


def _optional_clk(description: str, *, least: int = 1) -> int | None:
    clk: int | None = quantity("clk", description, default=None, ge=least, le=MAX_CLK)
    return clk


class Timing(Spec):
    """Clock period in picoseconds, everything else in memory clocks; names as in the JEDEC standards.

    A standard leaves out what it does not have; a rule that names a timing left out is refused.
    """

    tCK_ps: int = quantity("ps", "period of the clock that commands are counted in", ge=1, le=1_000_000)
    CL: int = _clk("RD to its first data")
    CWL: int = _clk("WR to its first data")
    tRCD: int = _clk("ACT to RD (and WR, without tRCDWR) of the same bank")
    tRCDWR: int | None = _optional_clk("ACT to WR of the same bank, where it differs from ACT to RD")
    tRP: int = _clk("PRE to ACT of the same bank")
    tRPab: int | None = _optional_clk("PREA to REF, where it differs from tRP")
    tRAS: int = _clk("ACT to PRE of the same bank")
    tRC: int | None = _optional_clk("ACT to ACT of the same bank; without it tRAS + tRP")
    tBL: int = _clk("data bus time of one burst")
    tCCD_S: int = _clk("RD to RD or WR to WR, different bank group")
    tCCD_L: int | None = _optional_clk("RD to RD or WR to WR, same bank group")
    tCCD_L_WR: int | None = _optional_clk("WR to WR, same bank group, where it differs from tCCD_L")
    tCCD_R: int | None = _optional_clk("RD to RD, different stack height of the same pseudo channel")
    tRRD_S: int = _clk("ACT to ACT, different bank group")
    tRRD_L: int | None = _optional_clk("ACT to ACT, same bank group")
    tFAW: int | None = _optional_clk("window with at most four ACT of one rank")
    tWTR_S: int = _clk("end of write data to RD, different bank group")
    tWTR_L: int | None = _optional_clk("end of write data to RD, same bank group")
    tRTW: int | None = _optional_clk("RD to WR of the same rank, where the standard states it directly")
    tWR: int = _clk("end of write data to PRE")
    tRTP: int = _clk("RD to PRE")
    tPPD: int | None = _optional_clk("PRE to PRE of the same rank")
    tRTRS: int = _clk("data bus gap when another rank drives it", least=0)
    tDQSCK: int | None = _optional_clk("clock to data strobe, added to CL by LPDDR")
    tRFC: int = _clk("REF of all banks to any command of the rank")
    tREFI: int = _clk("one REF per rank in each such interval")
    tREFIsb: int | None = _optional_clk("the same for same-bank refresh, where it differs from tREFI")
    tRFCpb: int | None = _optional_clk("REF of one bank to any command of the bank")
    tRFCsb: int | None = _optional_clk("REF of one bank in every bank group to any command of those banks")
    tRREFD: int | None = _optional_clk("REF of some banks to ACT or REF of others in the rank")
    tpbR2pbR: int | None = _optional_clk("REF of one bank to that of another, where it differs from tRREFD")
    tCKE: int | None = _optional_clk("shortest power-down")
    tXP: int | None = _optional_clk("end of power-down to the first command")
    tCKESR: int | None = _optional_clk("shortest self-refresh")
    tXS: int | None = _optional_clk("end of self-refresh to the first command")
    ACT_clk: int = quantity("clk", "clocks that ACT takes on the command pins", default=1, ge=1, le=16)
    PRE_clk: int = quantity("clk", "clocks that PRE takes on the command pins", default=1, ge=1, le=16)
    RD_clk: int = quantity("clk", "clocks that RD takes on the command pins", default=1, ge=1, le=16)
    WR_clk: int = quantity("clk", "clocks that WR takes on the command pins", default=1, ge=1, le=16)
    REF_clk: int = quantity("clk", "clocks that REF takes on the command pins", default=1, ge=1, le=16)

    @model_validator(mode="after")
    def _check(self) -> Self:
        for long, short in (
            ("tCCD_L", "tCCD_S"),
            ("tRRD_L", "tRRD_S"),
            ("tWTR_L", "tWTR_S"),
        ):
            self._check_order(long, short)
        if self.tRC is not None and self.tRC < self.tRAS + self.tRP:
            rule = f"must be at least tRAS + tRP = {self.tRAS + self.tRP}; left out, it is their sum"
            raise FieldError(f"tRC = {self.tRC}", rule)
        if self.tREFI <= self.tRFC:
            raise FieldError(
                f"tREFI = {self.tREFI}", f"must be more than tRFC = {self.tRFC}, or the rank only refreshes"
            )
        return self

    def _check_order(self, long: str, short: str) -> None:
        if getattr(self, long) is not None and getattr(self, long) < getattr(self, short):
            raise FieldError(
                f"{long} = {getattr(self, long)}", f"must be at least {short} = {getattr(self, short)}"
            )

    @property
    def row_cycle_clk(self) -> int:
        """Shortest time between two ACT of one bank."""
        return self.tRAS + self.tRP if self.tRC is None else self.tRC


class Rule(Spec):
    """One row of the standard: ``after`` follows ``before`` no earlier than ``latency`` clocks later.

    ``level`` says where the two commands meet: in one bank, bank group, rank, pseudo channel or channel, or on the data
    bus from another rank of the pseudo channel. With ``window`` above 1 the rule counts from the window-th last
    ``before``.
    REF refreshes all banks of a rank, REFB those of one refresh step (one bank, or one in every bank group).
    """

    level: Level = Field(description="where the two commands meet")
    before: Command = Field(description="earlier command")
    after: Command = Field(description="later command")
    latency: str = Field(description="clocks, as a sum of timing names and whole numbers")
    window: int = quantity("", "counts from this many commands back", default=1, ge=1, le=64)


def resolve_latency(expression: str, timing: Timing) -> int:
    """Evaluate a latency such as ``"CWL + tBL + tWTR_S"``.

    Parameters
    ----------
    expression : str
        Names of `Timing` that count clocks, and whole numbers, joined by ``+`` and ``-``.
    timing : Timing
        Their values.

    Returns
    -------
    int
        Memory clocks; zero or less means that the rule binds nothing.

    Raises
    ------
    InputError
        When the text is not such an expression, or a name is unknown or left out.
    """
    total = 0
    for sign, term in _terms(expression):
        if isinstance(term, int):
            total += sign * term
            continue
        clocks = timing.row_cycle_clk if term == "tRC" else getattr(timing, term)
        if clocks is None:
            raise InputError(f"{expression!r}: {term} is not given in timing")
        total += sign * clocks
    if abs(total) > MAX_CLK:
        raise InputError(f"{_shortened(expression)}: must come to at most {MAX_CLK} clocks")
    return total


@lru_cache(maxsize=1024)  # the rules of a standard, whatever its timings are
def _terms(expression: str) -> tuple[tuple[int, int | str], ...]:
    """Return sign and whole number or timing name of each term of a latency."""
    if re.fullmatch(r"\s*-?\s*\w+\s*([+-]\s*\w+\s*)*", expression, re.ASCII) is None:
        raise InputError(f"{expression!r}: must be timing names and whole numbers joined by + and -")
    known = [name for name in Timing.model_fields if name != "tCK_ps"]
    terms: list[tuple[int, int | str]] = []
    sign = 1
    for token in re.findall(r"\w+|[+-]", expression, re.ASCII):
        if token in "+-":
            sign = 1 if token == "+" else -1
        elif token.isdecimal():
            terms.append((sign, int(token[:_DIGITS])))  # cut off, a number is still far above MAX_CLK
        elif token in known:
            terms.append((sign, token))
        else:
            raise InputError(f"{expression!r}: unknown timing {token!r}{nearest(token, known)}")
    return tuple(terms)


def _shortened(expression: str) -> str:
    return repr(expression if len(expression) <= _SHOWN else expression[:_SHOWN] + "...")
