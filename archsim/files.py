"""New files and folders that appear whole or not at all, and files that can be read to their end."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from archsim.errors import InputError


def check_plain(path: Path) -> None:
    """Refuse a pipe or a device, whose end may never come; a folder is left to fail when it is opened.

    Raises
    ------
    InputError
        For a pipe, a socket or a device.
    OSError
        When there is nothing at ``path``, or it cannot be looked at.
    """
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise InputError(f"{path}: not a regular file")


def read_text(path: Path, most_bytes: int, what: str) -> str:
    """Return the text of a small file of a user, without a byte order mark.

    Parameters
    ----------
    path : Path
    most_bytes : int
        No file of this kind is larger; no more than that is ever held.
    what : str
        What the file should be, for the message.

    Raises
    ------
    InputError
        If it cannot be read, is larger or no UTF-8.
    """
    try:
        check_plain(path)
        with path.open("rb") as file:
            data = file.read(most_bytes + 1)
        if len(data) > most_bytes:
            raise InputError(f"{path}: larger than {most_bytes >> 20} MiB, which no {what} is")
        return data.decode("utf-8-sig")
    except InputError:
        raise
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: byte {error.start}: not UTF-8 text") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None


def open_own(path: Path, flags: int = 0) -> int:
    """Open a file of ours for reading and writing, made when it is not there, and return its descriptor.

    Raises
    ------
    InputError
        When it cannot be written, or is anything else: a link would have us write into somebody's file, and a pipe
        would never end.
    """
    try:
        # Without O_NONBLOCK, a pipe or a device could be waited for here. Windows has other flags.
        names = ("O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK", "O_BINARY", "O_NOINHERIT")
        for name in names:
            flags |= getattr(os, name, 0)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | flags, 0o666)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise InputError(f"{path}: is a symbolic link, which is not written through; remove it") from None
        raise InputError(f"{path}: cannot be written: {error.strerror}") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise InputError(f"{path}: not a regular file")
    if hasattr(os, "O_NONBLOCK"):
        os.set_blocking(descriptor, True)
    return descriptor


def check_new(path: Path, *, replace: bool = False) -> None:
    """Refuse a target that exists, or whose parent folder does not.

    Parameters
    ----------
    path : Path
        The target.
    replace : bool
        Whether it may be a file that is there, to be replaced.

    Raises
    ------
    InputError
        Before any work is done for the target.
    """
    parent = path.absolute().parent
    try:
        mode = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be written: {_why(error)}") from None
    else:
        if not replace:
            raise InputError(f"{path}: {_TAKEN}")
        if not stat.S_ISREG(mode):
            raise InputError(f"{path}: not a regular file, and not replaced")
    if not parent.is_dir():
        raise InputError(f"{path}: cannot be written: there is no folder {parent}")
    if not os.access(parent, os.W_OK):
        raise InputError(f"{path}: cannot be written: the folder {parent} is read-only")


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Give a temporary sibling folder to fill; it becomes ``path`` when the block ends without an error."""
    with _temporary_sibling(path) as temporary:
        temporary.mkdir()
        yield temporary
        temporary.rename(path)


@contextmanager
def new_file(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """Give a temporary sibling file to write; it becomes ``path`` when the block ends without an error.

    With ``replace`` a file that is there stays as it was until then.
    """
    with _temporary_sibling(path, replace=replace) as temporary:
        yield temporary
        if replace:
            check_new(path, replace=True)
            temporary.replace(path)
            return
        # A hard link fails when the name was taken meanwhile, where a rename would overwrite.
        try:
            os.link(temporary, path)
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links
            check_new(path)
            temporary.rename(path)


_TAKEN = "exists already; choose a new name or remove it first"


@contextmanager
def _temporary_sibling(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """Give a fresh name on the file system of ``path``; nothing is left at it, whatever happens."""
    check_new(path, replace=replace)
    temporary = path.absolute().with_name(f".archsim-{secrets.token_hex(8)}.tmp")
    try:
        yield temporary
    except OSError as error:
        taken = error.errno in (errno.EEXIST, errno.ENOTEMPTY)
        raise InputError(f"{path}: {_TAKEN if taken else f'cannot be written: {_why(error)}'}") from None
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)


def _why(error: Exception) -> str:
    if isinstance(error, OSError):
        # NumPy's complaint about a short write has no cause.
        return error.strerror or f"{error} (is the disk full?)"
    return str(error)
