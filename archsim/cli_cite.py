"""The command ``archsim cite``."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from archsim.cli_options import DEFAULT_SYSTEMS, JsonOption, SetOption
from archsim.errors import InputError, nearest

CITE_EXAMPLES = """\b
Examples:
  archsim cite recnmp-opt-8rank > used.bib
  archsim cite host-8rank preset:mlperf-dlrm-v2 --set dram.preset=hbm3-6400
  archsim cite policy:s3fifo policy:sieve
  archsim cite --all --json
"""
#: What may stand before a colon and is no kind of preset.
_OTHERS = ("policy", "analysis", "validation")


def cite(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...",
            show_default=False,
            help="Systems as in `archsim replay --system`; preset:NAME for a workload; KIND:NAME for any other preset "
            "of `archsim show`; policy:NAME for a cache policy; analysis:NAME; validation:NAME. "
            f"Default: {', '.join(DEFAULT_SYSTEMS)}.",
        ),
    ] = None,
    overrides: SetOption = None,
    all_: Annotated[bool, typer.Option("--all", help="Every reference that archsim knows.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Print whose models, numbers and data a run uses, as BibTeX.

    A comment before each entry says what it is cited for. Numbers that --set changes cite nobody.
    """
    from archsim.citations import cite as cite_specs
    from archsim.citations import cite_all

    if all_ and (names or overrides):
        raise InputError("--all: takes no names and no --set")
    if all_:
        found = cite_all()
    else:
        specs, others = _named(names or list(DEFAULT_SYSTEMS), overrides or [])
        found = cite_specs(specs, others)
    print(json.dumps(found.to_dicts(), indent=2, ensure_ascii=False) if as_json else found)


def _named(names: list[str], overrides: list[str]) -> tuple[list[Any], list[Any]]:
    """Load what is named: specifications, and uses of what is none."""
    from archsim.citations import modelled
    from archsim.peers import load_system
    from archsim.show import kinds, spec_class

    specs: list[Any] = []
    others: list[Any] = []
    systems = 0
    for name in names:
        prefix, _, rest = name.partition(":")
        kind = "workload" if prefix == "preset" else prefix
        if rest and kind in _OTHERS:
            others += modelled(f"{kind}.name", _known(kind, rest))
        elif rest and kind in kinds() and kind != "system":
            specs.append(spec_class(kind, rest).load(rest))
        else:
            specs.append(load_system(rest if rest and kind == "system" else name, overrides))
            systems += 1
    if overrides and not systems:
        raise InputError(f"--set {overrides[0]}: is for systems, and none is named")
    return specs, others


def _known(kind: str, name: str) -> str:
    """Check the name of a cache policy, an analysis or a validation."""
    from archsim.citations import modelled_names

    known = modelled_names(f"{kind}.name")
    if name not in known:
        raise InputError(f"{kind}:{name}: unknown {kind}{nearest(name, known)}")
    return name
