"""The command ``archsim multiplier``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from archsim.cli_options import JsonOption

MULTIPLIER_EXAMPLES = """\b
Examples:
  archsim multiplier
  archsim multiplier exact drum6 mitchell tosam_1_5 --json
  archsim multiplier drum8 ssm10 --bits 16
  archsim multiplier roba --signed --plot errors.png
  archsim multiplier mul8s_1L2H.npy --signed --claims mul8s_1L2H.c
      a table of all products, verified against what its makers claim
"""

_ESTIMATES = (
    "estimate: gates of the definition, scaled by published exact circuits; not cited, and rather low "
    "(docs/multipliers.md says by how much)"
)


def multiplier(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME",
            show_default=False,
            help="drum6, tosam_1_5, bam_7, ..., or a table (.npy, .csv, .txt, .h). Default: some of each family.",
        ),
    ] = None,
    bits: Annotated[
        int | None, typer.Option("--bits", metavar="N", help="Width of the operands, 4 to 16. Default: 8.")
    ] = None,
    signed: Annotated[bool, typer.Option("--signed", help="Two's complement operands.")] = False,
    order: Annotated[
        str,
        typer.Option(
            "--order",
            metavar="code|value",
            help="Rows of a signed table: by bits (0 first) or value (-128 first).",
        ),
    ] = "code",
    claims: Annotated[
        Path | None,
        typer.Option(
            "--claims", metavar="FILE", help="Claimed errors of one table, as EvoApproxLib writes them."
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            "--plot",
            metavar="FILE",
            help="Draw the errors over both operands (.png, .svg, .pdf); must not exist yet.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Error and cost table of approximate multipliers."""
    from archsim.approx.names import TABLE_FILES
    from archsim.errors import InputError
    from archsim.files import check_new

    tables = [name for name in names or () if name.lower().endswith(TABLE_FILES)]
    if claims is not None and len(tables) != 1:
        raise InputError(f"--claims {claims}: is for one table, not {len(tables)}")
    if plot is not None:
        if plot.suffix.lower() not in (".png", ".svg", ".pdf"):
            raise InputError(f"{plot}: must end in .png, .svg or .pdf")
        check_new(plot)
    from archsim.approx import Multiplier, metrics
    from archsim.approx import multiplier as named
    from archsim.approx.imports import load_table
    from archsim.approx.names import examples

    width = 8 if bits is None else bits
    rows: list[dict[str, Any]] = []
    chosen: list[Multiplier] = []
    for name in names or [each.name for each in examples(width, signed)]:
        if name in tables:
            loaded = load_table(name, signed=signed, bits=bits, order=order, claims=claims)
            chosen.append(loaded.multiplier)
            row = _row(loaded.multiplier, loaded.metrics)
            row["claims"] = loaded.claims
            row["mismatches"] = [str(each) for each in loaded.mismatches]
            row["findings"] = list(loaded.findings)
        else:
            chosen.append(named(name, width, signed))
            row = _row(chosen[-1], metrics(chosen[-1]))
        rows.append(row)
    try:
        if plot is not None:
            from archsim.files import new_file
            from archsim.report.multiplier_plots import plot_errors

            with new_file(plot) as file:
                plot_errors(chosen, file, kind=plot.suffix.lower().lstrip("."))
            print(f"plot: {plot}", file=sys.stderr)
    finally:
        print(json.dumps({"rows": rows}, indent=2) if as_json else "\n".join(_lines(rows)))


def _row(each: Any, found: Any) -> dict[str, Any]:
    from archsim.approx.estimate import estimate

    cost, estimated = each.cost, estimate(each)
    return {
        "name": each.name,
        "bits": each.bits,
        "signed": each.signed,
        **found.to_dict(),
        "signed_form": each.signed_form if each.signed else None,
        "cost": None if cost is None else cost.to_dict(),
        "estimate": None if estimated is None else estimated.to_dict(),
    }


def _lines(rows: list[dict[str, Any]]) -> list[str]:
    from archsim.tables import align

    head = [
        "name",
        "bits",
        "EP",
        "MED",
        "NMED",
        "MRED",
        "WCE",
        "WCRE",
        "MSE",
        "bias",
        "energy",
        "delay",
        "area",
        "cost",
    ]
    cells, notes = [head], []
    for row in rows:
        cost = row["cost"] or row["estimate"]
        sign = "s" if row["signed"] else "u"
        costs = ["-"] * 4
        if cost is not None:
            costs = [
                f"{cost['energy_pj']:.3f} pJ",
                f"{cost['delay_ns']:.2f} ns",
                f"{cost['area_um2']:.1f} um2",
                cost["kind"],
            ]
            if cost["kind"] == "cited":
                notes.append(f"cost of {row['name']}: {cost['source']}; energy is power times delay")
        least = "" if row["exhaustive"] else ">="
        cells.append(
            [
                row["name"], f"{row['bits']}{sign}", f"{100 * row['ep']:.3f} %", f"{row['med']:.6g}",
                f"{row['nmed']:.6f}", f"{100 * row['mred']:.3f} %", f"{least}{row['wce']:,}",
                f"{least}{100 * row['wcre']:.2f} %",
                f"{row['mse']:.6g}", f"{100 * row['bias']:+.3f} %", *costs,
            ]
        )  # fmt: skip
        if not row["exhaustive"]:
            error = 100 * row["ci95"]["mred"]
            notes.append(f"{row['name']}: {row['pairs']:,} sampled pairs; MRED within {error:.2g} % (95 %)")
        notes += [f"{row['name']}: MISMATCH: {text}" for text in row.get("mismatches", ())]
        notes += [f"{row['name']}: {text}" for text in row.get("findings", ())]
    if any(row["cost"] is None and row["estimate"] is not None for row in rows):
        notes.append(_ESTIMATES)
    return [*align(cells), *([""] if notes else []), *notes]
