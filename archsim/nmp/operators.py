"""The operators of the rank units, and their op codes."""

from __future__ import annotations

#: What is done with the vectors of a pooling; Caffe2's SparseLengths family.
OPERATORS = ("sum", "mean", "weighted_sum", "weighted_mean")
#: Element types by their number in a packet's header.
ELEMENT_TYPES = ("float32", "float16", "bfloat16", "int8", "uint8-rowwise")
#: Element type whose rows end with their FP32 scale and FP32 bias.
ROWWISE = "uint8-rowwise"
#: Op code of each operator, on plain elements and on 8-bit rows. The numbers are a stated default.
OP_CODES = {
    **{operator: code for code, operator in enumerate(OPERATORS, start=1)},
    **{f"{operator}_8bits": code for code, operator in enumerate(OPERATORS, start=1 + len(OPERATORS))},
}
#: Op codes of the words of a packet that are no instructions.
HEADER, COUNTER, LOAD, TAIL = 12, 13, 14, 15


def op_code(operator: str, dtype: str) -> int:
    """Return the op code of one of `OPERATORS` on elements of one of `ELEMENT_TYPES`."""
    return OP_CODES[f"{operator}_8bits" if dtype == ROWWISE else operator]
