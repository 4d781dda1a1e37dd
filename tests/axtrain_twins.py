"""Slow definitions of quantised layers: Python numbers, one product at a time."""

import numpy as np


def quantise(values, scale, low, high, kind=np.float32):
    """Round the quotient to whole numbers of a range, number by number; halves go to even."""
    out = []
    for value in np.asarray(values, kind).reshape(-1):
        quotient = float(kind(value) / kind(scale))
        out.append(min(max(round(quotient), low), high))
    return np.array(out, np.int64).reshape(np.shape(values))


def scale_of(greatest, top, kind=np.float32):
    """Divide in double precision, then round to the type."""
    scale = kind(float(greatest) / top)
    return scale if scale > 0 else kind(1)


def words_of(weight, bits, per_channel=False, kind=np.float32):
    """Return quantised weights and a scale for each output."""
    weight, top = np.asarray(weight, kind), 2 ** (bits - 1) - 1
    rows = weight.reshape(len(weight), -1)
    greatest = [np.abs(row).max() for row in rows] if per_channel else [np.abs(weight).max()] * len(weight)
    scales = [scale_of(each, top, kind) for each in greatest]
    words = [quantise(row, scale, -top, top, kind) for row, scale in zip(rows, scales, strict=True)]
    return np.array(words).reshape(weight.shape), scales


def finish(sums, step, scales, bias, kind=np.float32):
    """Scale whole sums (outputs last) in double precision, round to the type, and add the bias."""
    out = np.empty(sums.shape, kind)
    for place in np.ndindex(*sums.shape):
        output = place[-1]
        scaled = kind(float(sums[place]) * (float(step) * float(scales[output])))
        out[place] = scaled if bias is None else scaled + kind(bias[output])
    return out


def linear_sums(a, b, multiply):
    """Add up products: a (samples, inputs), b (outputs, inputs)."""
    return np.array(
        [
            [sum(int(multiply(int(x), int(y))) for x, y in zip(row, out, strict=True)) for out in b]
            for row in a
        ]
    )


def conv_sums(x, weight, multiply, stride, dilation, groups):
    """Add up products over every window of padded images; outputs come last."""
    (count, _, height, width), (outputs, depth, rows, columns) = x.shape, weight.shape
    tall = (height - dilation[0] * (rows - 1) - 1) // stride[0] + 1
    wide = (width - dilation[1] * (columns - 1) - 1) // stride[1] + 1
    out = np.zeros((count, tall, wide, outputs), np.int64)
    for n, i, j, o in np.ndindex(*out.shape):
        first = o // (outputs // groups) * depth
        for c, p, q in np.ndindex(depth, rows, columns):
            pixel = x[n, first + c, i * stride[0] + p * dilation[0], j * stride[1] + q * dilation[1]]
            out[n, i, j, o] += int(multiply(int(pixel), int(weight[o, c, p, q])))
    return out
