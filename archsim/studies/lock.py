"""The lock of a study: one process writes at a time, and the system frees the lock when that ends, however it ends."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

from archsim.errors import InputError
from archsim.files import open_own

FILE = "lock"
#: Windows locks bytes, and nobody else can read them then: one far beyond the text.
_LOCKED_BYTE = 1 << 30


def take_lock(folder: Path) -> int:
    """Take the lock of a folder and return its descriptor; closing that gives the lock back.

    Raises
    ------
    InputError
        When another process has it, with what that one says of itself; or when the file system has no locks.
    """
    file = folder / FILE
    descriptor = open_own(file)
    try:
        _lock(descriptor)
    except BlockingIOError:
        os.lseek(descriptor, 0, os.SEEK_SET)
        holder = os.read(descriptor, 80).decode("utf-8", "replace").strip()
        os.close(descriptor)
        who = f" ({holder})" if holder else ""
        raise InputError(
            f"{folder}: another sweep is writing it{who}; wait for it or choose a new folder"
        ) from None
    except OSError as error:
        os.close(descriptor)
        raise InputError(f"{file}: cannot be locked: {error.strerror}") from None
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.write(descriptor, f"process {os.getpid()} on {platform.node()}\n".encode())
    return descriptor


def _lock(descriptor: int) -> None:
    """Lock a file, or raise `BlockingIOError` at once when it is locked."""
    if sys.platform != "win32":
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return
    import msvcrt

    os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
    try:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    except PermissionError as error:
        raise BlockingIOError(*error.args) from None
