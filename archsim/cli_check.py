"""The command ``archsim check``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from archsim.cli_options import DEFAULT_SYSTEMS, JsonOption
from archsim.errors import InputError

CHECK_EXAMPLES = """\b
Examples:
  archsim check commands.csv --system host-8rank
  archsim check trace.csv.gz --dram ddr5-4800 --set dram.organization.ranks=2
"""


def check(
    log: Annotated[
        Path,
        typer.Argument(
            metavar="LOG",
            show_default=False,
            help="Commands as .csv, .csv.gz or .parquet: clk,cmd,channel,rank,bankgroup,bank,row,col.",
        ),
    ],
    system: Annotated[
        str | None,
        typer.Option(
            "--system",
            metavar="NAME|FILE",
            help=f"The system whose memory it is. Default: {DEFAULT_SYSTEMS[0]}.",
        ),
    ] = None,
    dram: Annotated[
        str | None,
        typer.Option("--dram", metavar="NAME|FILE", help="A memory instead (see `archsim show dram`)."),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="PATH=VALUE",
            help="Override a parameter, e.g. dram.organization.ranks=2. Repeatable.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check a log of DRAM commands against a standard.

    Any simulator's log will do. Prints each rule that it breaks and where first; exit status 1 if there is any.
    """
    from archsim.check import check_log
    from archsim.dram.spec import DramSpec
    from archsim.peers import load_system

    if dram is not None:
        if system is not None:
            raise InputError("--system and --dram: choose one of them")
        memory = DramSpec.load(dram, [text.removeprefix("dram.") for text in overrides or []])
        checked = check_log(memory, log)
    else:
        spec = load_system(system or DEFAULT_SYSTEMS[0], overrides or [])
        checked = check_log(spec.dram, log, ranks_apart=spec.kind == "recnmp")
    print(json.dumps(checked.to_dict(), indent=2) if as_json else checked.text())
    if checked.findings:
        raise typer.Exit(1)
