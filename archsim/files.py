"""New files and folders that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from archsim.errors import InputError


def check_new(path: Path) -> None:
    """Refuse a target that exists, or whose parent folder does not.

    Raises
    ------
    InputError
        Before any work is done for the target.
    """
    if path.exists() or path.is_symlink():
        raise InputError(f"{path}: exists already; nothing is overwritten, choose another name")
    if not path.absolute().parent.is_dir():
        raise InputError(f"{path}: the folder {path.absolute().parent} does not exist")
    if not os.access(path.absolute().parent, os.W_OK):
        raise InputError(f"{path}: the folder {path.absolute().parent} cannot be written")


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Give a temporary sibling folder to fill; it becomes ``path`` when the block ends without an error."""
    check_new(path)
    temporary = path.absolute().with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.mkdir()
        yield temporary
        temporary.rename(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Give a temporary sibling file to write; it becomes ``path`` when the block ends without an error."""
    check_new(path)
    temporary = path.absolute().with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        # A hard link fails when the name was taken meanwhile, where a rename would overwrite.
        os.link(temporary, path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from None
    finally:
        temporary.unlink(missing_ok=True)
