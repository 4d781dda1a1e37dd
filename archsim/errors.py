"""The exception that means "the input is wrong", and how people read what it says."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

LONGEST_CHARACTERS = 8192
"""Longer messages lose their middle."""


class InputError(ValueError):
    """Bad input from the user.

    The message is one line and says where (file, place inside it), what was found, the rule it breaks and,
    for names, the nearest valid one. The command line prints it and exits with status 2.
    """

    def __init__(self, message: str) -> None:
        # Files may hold names of any length.
        if len(message) > LONGEST_CHARACTERS:
            kept = LONGEST_CHARACTERS // 2
            message = f"{message[:kept]} ... {message[-kept:]}"
        super().__init__(message)


class CodeError(InputError):
    """Code of the user's own failed; the message names its file, and nothing else is to blame."""


def nearest(name: str, valid: Iterable[str]) -> str:
    """Return ``" (did you mean 'tREFI'?)"``, or the list of valid names when none is close.

    Parameters
    ----------
    name : str
        What the user wrote.
    valid : iterable of str
        The names that would have been accepted.

    Returns
    -------
    str
        A suffix for an error message; empty when there are no valid names at all.
    """
    names = sorted(set(valid))
    if not names:
        return ""
    by_lower = {n.lower(): n for n in names}
    # Swapped letters ("tRDC") are the commonest slip, and difflib would rather drop one ("tRC").
    swapped = [n for n in names if sorted(n.lower()) == sorted(name.lower())]
    if len(swapped) == 1:
        return f" (did you mean {swapped[0]!r}?)"
    close = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.5)
    if close:
        return f" (did you mean {by_lower[close[0]]!r}?)"
    return f" (valid: {', '.join(names)})"


def counted(number: int, noun: str) -> str:
    """Write how many there are of something: ``1 point``, ``2,000 points``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def printable(text: str) -> str:
    r"""Write what would break the line or steer the terminal as its escape, such as ``\n``."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
