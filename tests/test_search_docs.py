"""What docs/search.md shows can be done as it stands there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from program import run

PAGE = Path(__file__).parents[1] / "docs" / "search.md"


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)


def test_the_commands_and_the_python_of_the_page_run(tmp_path, monkeypatch, capsys):
    pytest.importorskip("optuna")
    monkeypatch.chdir(tmp_path)
    commands = [line for text in blocks("sh") for line in text.replace("\\\n", " ").splitlines()]
    assert len(commands) >= 6
    for command in commands:
        program, *arguments = shlex.split(command)
        assert program == "archsim"
        ended = run(*arguments)
        assert ended.status == 0, (command, ended.err)
    assert {path.name for path in tmp_path.glob("*.png")} == {"front.png", "sensitivity.png", "lines.png"}
    (code,) = blocks("python")
    exec(compile(code.replace("limit=20_000,", "limit=20_000, workers=0,"), str(PAGE), "exec"), {})
    assert "hypervolume" in capsys.readouterr().out


def test_a_search_in_python_is_that_of_the_command():
    (code,) = blocks("python")
    command = blocks("sh")[0]
    for text in ("8KiB..1MiB*2", "1..8", "area_mm2 < 4", "preset:meta-2021", "recnmp-opt-2rank"):
        assert text in code
        assert text in command
