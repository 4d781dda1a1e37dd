"""Slow definitions of the multipliers, one pair of Python numbers at a time, from docs/multipliers.md."""

from math import floor

BLOCK = {(a, b): 7 if a == b == 3 else a * b for a in range(4) for b in range(4)}


def _drum(a, b, n, k):
    def cut(x):
        s = f"{x:b}"
        return x if len(s) <= k else int(s[: k - 1] + "1" + "0" * (len(s) - k), 2)

    return cut(a) * cut(b)


def _ssm(a, b, n, m):
    def cut(x):
        s = f"{x:0{n}b}"
        return int(s[:m] + "0" * (n - m), 2) if "1" in s[: n - m] else x

    return cut(a) * cut(b)


def _lead(x, t):
    s = f"{x:b}"
    return int(s[:t] + "0" * len(s[t:]), 2)


def _lot(a, b, n, t):
    return _lead(a, t) * _lead(b, t)


def _mitchell(a, b, n=None):
    if a == 0 or b == 0:
        return 0
    i, j = a.bit_length() - 1, b.bit_length() - 1
    x, y = a / 2**i - 1, b / 2**j - 1  # exact in binary
    return int(2 ** (i + j) * (1 + x + y) if x + y < 1 else 2 ** (i + j + 1) * (x + y))


def _mitchell_w(a, b, n, w):
    return _mitchell(_lead(a, w + 1), _lead(b, w + 1))


def _mitchell_c(a, b, n):
    if a == 0 or b == 0:
        return 0
    return _mitchell(a, b) + round(2 ** (a.bit_length() + b.bit_length() - 2) / 12)


def _mitchell_r(a, b, n, r):
    if a == 0 or b == 0:
        return 0
    product = _mitchell(a, b)
    if r == 0:
        return product
    low_a, low_b = 1 << (a.bit_length() - 1), 1 << (b.bit_length() - 1)
    if a / low_a + b / low_b - 2 < 1:
        return product + _mitchell_r(a - low_a, b - low_b, n, r - 1)
    return product + _mitchell_r(2 * low_a - a, 2 * low_b - b, n, r - 1)


def _ilm(a, b, n, r):
    if a == 0 or b == 0:
        return 0
    rest_a, rest_b = int("0" + f"{a:b}"[1:], 2), int("0" + f"{b:b}"[1:], 2)
    done = a * b - rest_a * rest_b
    return done + _ilm(rest_a, rest_b, n, r - 1) if r else done


def _udm(a, b, n):
    return sum(BLOCK[a >> i & 3, b >> j & 3] << (i + j) for i in range(0, n, 2) for j in range(0, n, 2))


def _roba(a, b, n):
    def near(x):
        if x in (0, 3):
            return min(x, 2)
        return min((1 << p for p in range(n + 1)), key=lambda power: (abs(x - power), -power))

    return near(a) * b + near(b) * a - near(a) * near(b)


def _tosam(a, b, n, h, t):
    if a == 0 or b == 0:
        return 0
    i, j = a.bit_length() - 1, b.bit_length() - 1
    x, y = a / 2**i - 1, b / 2**j - 1

    def short(value):
        return floor(value * 2**t) / 2**t

    def odd(value):
        return (floor(value * 2**h) + 0.5) / 2**h

    return floor(2 ** (i + j) * (1 + short(x) + short(y) + odd(x) * odd(y)))


def _truncate(a, b, n, t):
    return (a - a % 2**t) * (b - b % 2**t)


def bam(a, b, n, v, h=0, signed=False):
    def weight(place):
        return -(2**place) if signed and place == n - 1 else 2**place

    return sum(
        weight(i) * weight(j)
        for j in range(h, n)
        if b >> j & 1
        for i in range(max(v - j, 0), n)
        if a >> i & 1
    )


#: Family -> product of magnitudes; those of two's complement take operands as they are.
MAGNITUDES = {
    "drum": _drum, "ssm": _ssm, "lot": _lot, "mitchell": _mitchell, "mitchell_w": _mitchell_w,
    "mitchell_c": _mitchell_c, "mitchell_r": _mitchell_r, "ilm": _ilm, "udm": _udm, "roba": _roba, "tosam": _tosam,
}  # fmt: skip


def product(family, a, b, n, signed, *parameters):
    """Multiply two operands."""
    if family == "exact":
        return a * b
    if family == "truncate":
        return _truncate(a, b, n, *parameters)
    if family == "bam":
        return bam(a, b, n, *parameters, signed=signed)
    magnitude = MAGNITUDES[family](abs(a), abs(b), n, *parameters)
    return -magnitude if (a < 0) != (b < 0) else magnitude
