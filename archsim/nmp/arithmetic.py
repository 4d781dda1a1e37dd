"""How long the pipelined FP32 units keep a packet's last data; ``docs/recnmp.md`` is the contract."""

from __future__ import annotations

from archsim.nmp.spec import NmpSpec


def arithmetic_clk(nmp: NmpSpec, *, has_weights: bool, rowwise: bool, adders_per_dimm: int) -> int:
    """Return the clocks from the last data of a packet to its sums at the buffer of the DIMM.

    One number holds for a whole replay, that of the longest term, so that nothing overtakes in the pipeline.

    Parameters
    ----------
    nmp : NmpSpec
        Operator, and the latencies of an adder and a multiplier.
    has_weights : bool
        Whether the trace has weights.
    rowwise : bool
        Whether a table has 8-bit rows with scale and bias.
    adders_per_dimm : int
        Sets of Psum registers whose sums the DIMM adds pairwise.

    Returns
    -------
    int
        Memory clocks.
    """
    weighted = has_weights if nmp.operator is None else nmp.operator.startswith("weighted")
    # (w * scale) * q + (w * bias), then the Psum; the two products with w are formed side by side.
    mults, adds = int(weighted) + int(rowwise), int(rowwise) + 1
    levels = (adders_per_dimm - 1).bit_length()
    return mults * nmp.fp32_mult_clk + (adds + levels) * nmp.fp32_add_clk
