"""The command ``archsim model``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from archsim.cli_options import DEFAULT_SYSTEMS, JsonOption, positive

MODEL_EXAMPLES = """\b
Examples:
  archsim model rmc2-large
  archsim model rmc1-small --system host-8rank --system recnmp-base-2rank --batch 64
  archsim model rmc2-small --co-located 1,2,4,8,18 --plot curve.png
  archsim model rmc2-large --set processor.efficiency=0.5 --set model.embedding.pooling=80 --json
  archsim model rmc2-large --sweep
      which of the numbers that nobody published decide
"""


def _counts(text: str) -> str:
    for part in text.split(","):
        positive(part.strip())
    return text


def model(
    name: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            show_default=False,
            help="A model preset (see `archsim show model`) or a .toml file.",
        ),
    ],
    system: Annotated[
        list[str] | None,
        typer.Option(
            "--system",
            metavar="NAME|FILE",
            help="System preset or .toml file. Repeatable; the first is the host that speedups of lookups are against. "
            f"Default: {' and '.join(DEFAULT_SYSTEMS)}.",
        ),
    ] = None,
    batch: Annotated[
        int | None,
        typer.Option(
            "--batch", metavar="N", parser=positive, help="Samples of an inference; default: the model's."
        ),
    ] = None,
    co_located: Annotated[
        str | None,
        typer.Option(
            "--co-located",
            metavar="N,...",
            parser=_counts,
            help="Numbers of copies side by side, each on a core. Default: 1.",
        ),
    ] = None,
    processor: Annotated[
        str, typer.Option("--processor", metavar="NAME|FILE", help="Processor preset or .toml file.")
    ] = "skylake-18core-1.6ghz",
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="PATH=VALUE",
            help="Override model.PATH or processor.PATH (`archsim show model rmc1-small` lists them). Repeatable.",
        ),
    ] = None,
    method: Annotated[
        str,
        typer.Option(
            "--method",
            metavar="NAME",
            help="ratio: the host's lookups over the speedup of the replays; replay: the replay's own time.",
        ),
    ] = "ratio",
    lookups: Annotated[
        int | None, typer.Option("--lookups", metavar="N", parser=positive, help="Lookups that are replayed.")
    ] = None,
    sweep: Annotated[
        bool, typer.Option("--sweep", help="Change one unpublished parameter after the other.")
    ] = False,
    plot: Annotated[
        Path | None,
        typer.Option(
            "--plot",
            metavar="FILE",
            help="Draw latency over throughput (.png, .svg, .pdf); must not exist yet.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Time a whole recommendation model on a processor."""
    from archsim.errors import InputError
    from archsim.files import check_new, new_file
    from archsim.models.inference import Inference
    from archsim.models.replays import DEFAULT_LOOKUPS, Replays
    from archsim.models.spec import load_model, load_processor
    from archsim.models.text import runs_table, sweep_table
    from archsim.peers import load_system

    kind = "" if plot is None else plot.suffix.lower().lstrip(".")
    if plot is not None:
        check_new(plot)
        if kind not in ("png", "svg", "pdf"):
            raise InputError(f"{plot}: must end in .png, .svg or .pdf")
    parts = _split(overrides or [])
    spec, cores = load_model(name, parts["model"]), load_processor(processor, parts["processor"])
    host, *near = (load_system(each) for each in system or DEFAULT_SYSTEMS)
    replays = Replays(lookups or DEFAULT_LOOKUPS)
    if sweep:
        near = near if system else near[-1:]
        rows = _sweep_rows(spec, cores, host, near, replays, [batch, co_located, plot])
        print(json.dumps({"model": spec.name, "sweep": rows}, indent=2) if as_json else sweep_table(rows))
        return
    inference = Inference(spec, cores, batch=batch, replays=replays)
    counts = [int(part) for part in (co_located or "1").split(",")]
    runs = inference.runs(host, near, counts, method)
    if as_json:
        print(
            json.dumps(
                _json(spec, cores, inference.batch, lookups or DEFAULT_LOOKUPS, method, runs), indent=2
            )
        )
    else:
        print(f"model {spec.name}, batch {inference.batch}, on {cores.name}\n")
        print(runs_table(runs))
    if plot is not None:
        from archsim.report.model_plots import plot_co_located
        from archsim.report.style import save

        axes = plot_co_located(runs, f"{spec.name}, batch {inference.batch}, by co-located models")
        with new_file(plot) as file:
            save(axes, file, kind=kind)


def _split(overrides: list[str]) -> dict[str, list[str]]:
    """Sort overrides by what they are for, without that prefix."""
    from archsim.errors import InputError, nearest

    parts: dict[str, list[str]] = {"model": [], "processor": []}
    for text in overrides:
        part, _, path = text.strip().partition(".")
        if part not in parts:
            shown = text if len(text) <= 40 else f"{text[:37]}..."
            raise InputError(f"--set {shown}: must begin with model. or processor.{nearest(part, parts)}")
        parts[part].append(path)
    return parts


def _sweep_rows(
    spec: Any, cores: Any, host: Any, near: list[Any], replays: Any, unused: list[Any]
) -> list[dict[str, Any]]:
    from archsim.errors import InputError
    from archsim.models.sweep import sweep

    if len(near) != 1:
        raise InputError(f"--sweep: needs two systems, a host and one other, not {1 + len(near)}")
    if any(value is not None for value in unused):
        raise InputError("--sweep: goes without --batch, --co-located and --plot")
    return list(sweep(spec, cores, host, near[0], replays=replays))


def _json(spec: Any, cores: Any, batch: int, lookups: int, method: str, runs: list[Any]) -> dict[str, Any]:
    return {
        "model": spec.name,
        "model_sha256": spec.sha256(),
        "processor": cores.name,
        "processor_sha256": cores.sha256(),
        "batch": batch,
        "lookups": lookups,
        "method": method,
        "runs": [run.to_dict() for run in runs],
    }
