"""The program, run inside the test process or in one of its own."""

import io
import json
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from typing import NamedTuple
from unittest.mock import patch

import pytest

from archsim.cli import main


class Ended(NamedTuple):
    """How a run of the program ended."""

    status: int
    out: str
    err: str


def run(*arguments):
    """Run ``archsim ARGUMENTS`` here and now."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    argv = patch.object(sys, "argv", ["archsim", *map(str, arguments)])
    with argv, redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as end:
        main()
    return Ended(end.value.code, *(stream.buffer.getvalue().decode() for stream in (out, err)))


def start(*arguments, **options):
    """Start ``archsim ARGUMENTS`` in a process of its own, as a shell does."""
    command = [sys.executable, "-c", "from archsim.cli import main; main()", *map(str, arguments)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **options)


def strict_json(text):
    """Parse JSON that holds no NaN and no infinity."""
    return json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
