"""Reference pages made from the program itself: its commands, its public names, its presets, its references."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import typer

from archsim import show
from archsim.citations import all_references
from archsim.cli import app
from archsim.spec import preset_path

#: Modules whose public names have a section of their own, after those of archsim itself.
MODULES = {
    "archsim.traces": "Traces",
    "archsim.cache": "Caches",
    "archsim.approx": "Approximate multipliers",
    "archsim.axtrain": "Training for approximate arithmetic",
    "archsim.analog": "Analog parts",
    "archsim.analog.metrology": "Tests of converters",
    "archsim.thermal": "Heat in stacks",
    "archsim.sensor": "Near-sensor systems",
    "archsim.sensor.image": "Noise of images",
    "archsim.sensor.policies": "Policies against heat",
    "archsim.nmp": "Near-memory designs",
    "archsim.models.inference": "Whole models",
    "archsim.report.views": "Pictures",
    "archsim.report.folder": "Report folders",
    "archsim.citations": "Citations",
}
#: What each kind of preset is, for people.
KINDS = {
    "adc": "Converters",
    "adc_network": "Networks of converters",
    "address_map": "Address maps",
    "cache": "Memory-side caches",
    "controller": "Memory controllers",
    "dram": "DRAM",
    "energy": "Energy of devices",
    "heat_map": "Heat maps of replays",
    "hierarchy": "Caches of cores",
    "image_sensor": "Image sensors",
    "near_sensor": "Near-sensor processors",
    "logic": "Adders, multipliers and flip-flops",
    "model": "Recommendation models",
    "nmp": "Near-memory units",
    "pixel_energy": "Energy of pixels",
    "processor": "Processors",
    "rram": "RRAM cells",
    "scene": "Scenes in front of image sensors",
    "sensor": "Near-sensor systems",
    "stack": "Stacks of dies",
    "sram": "On-chip memories",
    "system": "Systems",
    "vision_network": "Networks that look at images",
    "vision_processor": "Vision processors",
    "vision_system": "Cameras with a network",
    "workload": "Workloads",
}


def pages() -> Iterator[tuple[str, str]]:
    """Yield path and Markdown of every page."""
    yield "reference/command-line.md", command_line()
    yield "reference/python.md", python_names()
    yield "reference/references.md", references()
    for kind in show.kinds():
        yield f"reference/presets/{kind}.md", presets(kind)


def command_line() -> str:
    """Describe every command as its ``--help`` does."""
    lines = [
        "# Command line",
        "",
        "Made from the program's own help. Bad input is one line on standard error and exit status 2; nothing is left",
        "behind.",
        "",
    ]
    root = typer.main.get_command(app)
    for path, command in _commands(root, ()):
        lines += _command(path, command)
    return "\n".join(lines)


def _commands(group: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, (*path, name))
        else:
            yield (*path, name), command


def _command(path: tuple[str, ...], command: Any) -> list[str]:
    name = " ".join(["archsim", *path])
    context = command.make_context(name, [], resilient_parsing=True)
    usage = re.sub(r"[{}]", "", " ".join(command.collect_usage_pieces(context)))
    lines = [f"## {name}", "", _plain(command.help or ""), "", "```text", f"{name} {usage}", "```", ""]
    records = [
        _record(parameter, context) for parameter in command.params if not getattr(parameter, "hidden", 0)
    ]
    rows = [f"| {_code(left)} | {_cell(right)} |" for left, right in records if left]
    lines += ["| argument or option | what |", "| --- | --- |", *rows, ""] if rows else []
    return lines + _epilog(command.epilog or "")


def _epilog(text: str) -> list[str]:
    """Turn what follows the options of a help into paragraphs and blocks; examples are shell."""
    lines: list[str] = []
    block: list[str] = []
    language = "text"
    for line in [*text.replace("\b", "").splitlines(), ""]:
        if line.startswith("  "):
            block.append(line[2:])
            continue
        if block:
            lines += [f"```{language}", *(_examples(block) if language == "sh" else block), "```", ""]
        block, language = [], "sh" if line.startswith("Examples") else "text"
        lines += [line] if line != "Examples:" else []
    return [*lines, ""]


def _examples(block: list[str]) -> list[str]:
    """Turn remarks behind and below examples into comments."""
    shown = [re.sub(r"(?<=\S) {3,}(\S.*)$", r"  # \1", line) for line in block]
    return [
        f"# {line.strip()}" if line.startswith(" ") and not before.endswith("\\") else line
        for before, line in zip(["", *shown], shown, strict=False)
    ]


def _record(parameter: Any, context: Any) -> tuple[str, str]:
    """Return how an argument or option is written, and its help."""
    record = parameter.get_help_record(context)
    if record is None:  # an argument without help of its own
        return parameter.make_metavar(context), ""
    left, right = record
    return re.sub(r" <\w+>$", "", left), right


def python_names() -> str:
    """List public names for mkdocstrings, each once."""
    lines = ["# Python", "", "Names load on first use: `import archsim` costs nothing.", "", "## archsim", ""]
    seen: set[int] = set()
    for module, title in {"archsim": "", **MODULES}.items():
        lines += [f"## {title}", "", f"In `{module}`.", ""] if title else []
        for name in _public(module):
            value = getattr(import_module(module), name)
            if id(value) not in seen:
                lines += [f"::: {module}.{name}", ""]
            seen.add(id(value))
    return "\n".join(lines)


def _public(module: str) -> list[str]:
    """Return functions and classes: those of ``__all__``, or those defined in a module without it."""
    loaded = import_module(module)
    names = getattr(loaded, "__all__", None)
    if names is None:
        names = [name for name, value in vars(loaded).items() if getattr(value, "__module__", "") == module]
    return [name for name in names if not name.startswith("_") and callable(getattr(loaded, name))]


def presets(kind: str) -> str:
    """Describe the presets of a kind: what their parameters mean, then each file as it is."""
    names = show.names(kind)
    meanings = {
        re.sub(r"\[\d+\]", "", row.path): (row.unit, row.description)
        for name in names
        for row in show.describe(kind, name)
        if row.description
    }
    lines = [
        f"# {KINDS[kind]}",
        "",
        f"Presets of kind `{kind}`, as `archsim show {kind}` lists them. `archsim show {kind} NAME` prints one with "
        "all that it takes from other presets. Where a value is from stands under `[sources]`.",
        "",
        "## Parameters",
        "",
        "| path | unit | meaning |",
        "| --- | --- | --- |",
        *(
            f"| {_code(path)} | {unit} | {_cell(text)} |"
            for path, (unit, text) in _own(kind, meanings).items()
        ),
        "",
        "## Presets",
        "",
    ]
    for name in names:
        text = preset_path(kind, name, kind).read_text(encoding="utf-8")
        lines += [f"### {name}", "", "```toml", text.strip(), "```", ""]
    return "\n".join(lines)


def _own(kind: str, meanings: dict[str, Any]) -> dict[str, Any]:
    """Leave out parameters of tables that are presets of another kind, which have a page of their own."""
    if kind not in ("system", "processor"):
        return meanings
    nested = ("dram.", "nmp.", "cache.", "hierarchy.", "memory.")
    return {path: meaning for path, meaning in meanings.items() if not path.startswith(nested)}


def references() -> str:
    """List every reference as BibTeX."""
    entries = "\n\n".join(str(entry) for entry in all_references().values())
    return (
        "# References\n\nAll that archsim's models, numbers and data come from: `archsim cite --all`. What one run "
        f"uses is in [Citing what a run used](../citations.md).\n\n```bibtex\n{entries}\n```\n"
    )


def _plain(text: str) -> str:
    return re.sub(r"\n(?!\n)", " ", text.replace("\b", "")).strip()


def _cell(text: str) -> str:
    """Return text that is safe inside a table: angle brackets and pipes are no markup here."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


def _code(text: str) -> str:
    """Return text as code inside a table, where a backtick would not keep pipes from parting cells."""
    return f"<code>{html.escape(' '.join(text.split())).replace('|', '&#124;')}</code>"
