"""The examples of documents and of the program's help: what they are, and how they are run."""

import os
import re
import shlex
from collections.abc import Callable, Mapping
from contextlib import chdir
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import typer
from program import run

from archsim.cli import app

ROOT = Path(__file__).parents[1]
#: Options for most lookups, of which an example gets the one that its command has, if it does not use it.
LIMITS = ("--limit", "--lookups")
MOST = "2000"
#: What is put in the place of numbers that are large on purpose.
SMALLER = {"lookups=1e9": "lookups=2e4"}
#: Lines of shells that set a machine up; what they do is tried by `.ci/run`.
SET_UP = ("make ", "git ", "python3 -m venv ", ".venv/bin/pip install ", "source ")
#: Lines that are not run, and why.
NOT_RUN = {
    "archsim doctor": "measures this machine for seconds; see test_cli.py",
    "archsim validate recnmp": "takes minutes; see test_validate_recnmp.py",
    "archsim validate dram --json": "takes minutes; see test_validate.py",
    "archsim validate hardware --plot curves.png": "takes minutes; see test_validate_hardware.py",
    "archsim validate": "takes minutes",
    "archsim validate multipliers": "one printed figure does not hold; see test_validate_multipliers.py",
    "archsim axtrain": "takes ten minutes; docs/make_axtrain.py does the same",
    "archsim validate traces": "takes minutes; see test_validate_traces.py",
    "archsim sweep my-trace --system recnmp-opt-8rank --vary nmp.cache.size=8KiB..1MiB*2 "
    "--dask tcp://login-node:8786 --out study": "needs a scheduler; see test_sweep_kills.py",
    "dask scheduler --port 8786 &": "goes on for ever; see test_sweep_kills.py",
    "dask worker tcp://127.0.0.1:8786 --nworkers 4 --nthreads 1 &": "goes on for ever; see test_sweep_kills.py",
    "archsim sweep my-trace --system recnmp-opt-8rank --vary nmp.cache.size=8KiB..1MiB*2 "
    "--dask tcp://127.0.0.1:8786 --out my-study": "needs that scheduler; see test_sweep_kills.py",
    "archsim model rmc2-large --sweep": "takes minutes; see test_models.py",
}
#: Packages for clusters, which the tests do not install: Python that imports one is compiled and not run.
NOT_INSTALLED = ("dask_jobqueue", "ray")


class Example(NamedTuple):
    """One fenced block of a page, or the examples of one command."""

    place: str
    language: str
    text: str


def blocks_of(page: Path) -> list[Example]:
    """Return the fenced blocks of a page in order."""
    text = page.read_text(encoding="utf-8")
    return [
        Example(f"{page.name}:{text.count(chr(10), 0, found.start()) + 1}", found[1], found[2])
        for found in re.finditer(r"^```(\w+)\n(.*?)^```$", text, flags=re.S | re.M)
    ]


def examples_of_commands() -> list[Example]:
    """Return the lines under "Examples:" of every command's help."""
    found = []
    for name, command in _commands(typer.main.get_command(app), "archsim"):
        lines = [line for line in _whole(command.epilog or "") if line.startswith("  archsim ")]
        if lines:
            text = "\n".join(re.sub(r" {3,}\S.*$", "", line.strip()) for line in lines)
            found.append(Example(name, "sh", text))
    return found


def _whole(text: str) -> list[str]:
    """Return the lines of a shell's text: one goes on behind a backslash, and while a quotation is open."""
    lines: list[str] = []
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        if lines and lines[-1].lstrip().startswith("archsim ") and not _closed(lines[-1]):
            lines[-1] += f" {line.strip()}"
        else:
            lines.append(line)
    return lines


def _closed(line: str) -> bool:
    try:
        shlex.split(line, comments=True)
    except ValueError:
        return False
    return True


def _commands(group, path):
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def run_python(block: Example, folder: Path, names: dict[str, object]) -> None:
    """Run a block of Python in a folder; names that it makes are there for the next."""
    code = compile(block.text, block.place, "exec")
    if not re.search(rf"^from ({'|'.join(NOT_INSTALLED)})\b", block.text, re.MULTILINE):
        with chdir(folder):
            exec(code, names)


def command_lines(text: str) -> list[str]:
    """Return the lines of a shell block without comments."""
    lines = [re.sub(r"(^|\s)#.*$", "", line).strip() for line in _whole(text)]
    return [line for line in lines if line]


def run_line(line: str, folder: Path, given: Mapping[str, Callable[[Path], None]]) -> None:
    """Run one line of a shell block in a folder; files that it reads and nobody has made are made now."""
    if line in NOT_RUN or line.startswith(SET_UP):
        return
    with chdir(folder):
        if line.startswith("printf "):
            _printf(line)
            return
        assert line.startswith("archsim "), f"what does this line do? {line}"
        words = [SMALLER.get(word, word) for word in shlex.split(line)[1:]]
        for word in _read(words):
            if word in given and not Path(word).exists():
                given[word](Path(word))
        target = words[words.index(">") + 1] if ">" in words else os.devnull
        words = words[: words.index(">")] if ">" in words else words
        ended = run(*words, *_limit(words))
        assert ended.status == 0, f"{line}\n{ended.err}"
        Path(target).write_text(ended.out, encoding="utf-8")


def _read(words: list[str]) -> list[str]:
    """Return the words that can be files which a command reads: not what follows an option for output."""
    if words[:2] == ["trace", "convert"]:
        return words[2:3]
    outputs = ("--out", "--plot", "--timeline", "--commands", "--write", ">")
    return [word.removeprefix("preset:") for before, word in pairwise(words) if before not in outputs]


def _limit(words: list[str]) -> tuple[str, ...]:
    """Return options that keep a command short, where it has such an option and does not use it."""
    command = typer.main.get_command(app)
    for word in words:
        if not hasattr(command, "commands"):
            break
        command = command.commands[word]
    if words[0] == "axtrain":
        short = {"--seeds": "1", "--effort": "0.02", "--workers": "1"}
        return tuple(
            part for option, value in short.items() if option not in words for part in (option, value)
        )
    known = {option for parameter in command.params for option in parameter.opts}
    if words[:2] == ["trace", "generate"]:
        return () if any(word.startswith("lookups=") for word in words) else ("--set", f"lookups={MOST}")
    return next(((option, MOST) for option in LIMITS if option in known and option not in words), ())


def _printf(line: str) -> None:
    """Write what ``printf 'TEXT' > FILE`` does."""
    _, text, arrow, name = shlex.split(line)
    assert arrow == ">"
    Path(name).write_text(text.replace("\\n", "\n"), encoding="utf-8")
