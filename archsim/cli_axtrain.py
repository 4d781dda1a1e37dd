"""The command ``archsim axtrain``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archsim.cli_options import JsonOption, WorkersOption, positive, progress_bar

if TYPE_CHECKING:
    from archsim.approx import Multiplier
    from archsim.axtrain.evaluation import Evaluation, Setup

AXTRAIN_EXAMPLES = """\b
Tasks:
  digits   images of 8x8 pixels; a convolution and a layer
  cancer   30 measurements of a tumour
  arm      inverse kinematics of two joints
  fft      factors cos and sin of a Fourier transform
  kmeans   Euclidean distance of two colours

\b
Methods, each from the same trained network, with the same rows in the same order:
  post-training  exact products in training, approximate ones in use
  passive        approximate products (and faults) in training, too
  active         exact products, and a penalty on sensitivity to errors
  both           approximate products and the penalty

\b
Examples:
  archsim axtrain cancer --multiplier bam_8 --seeds 2 --effort 0.1
  archsim axtrain arm fft --multiplier drum4 --multiplier roba --out study
  archsim axtrain cancer --multiplier exact --voltage 0.5 --json
  archsim axtrain digits --multiplier mul8s_1L2H.npy --out evo
      a table of products; its energy is read from mul8s_1L2H.c beside it

All of it with 5 seeds takes about ten minutes of one processor. What is chosen (penalty, strength) is chosen by the
validation rows, never by the test rows. An energy without a cited source is left empty.
"""


def axtrain(
    tasks: Annotated[
        list[str] | None,
        typer.Argument(metavar="TASK", show_default=False, help="See below. Default: all."),
    ] = None,
    multipliers: Annotated[
        list[str] | None,
        typer.Option(
            "--multiplier",
            metavar="NAME|FILE",
            help="drum4, exact, ..., or a table of signed products. Repeatable. Default: drum3, ssm4, mitchell_w2, "
            "truncate_4, bam_9.",
        ),
    ] = None,
    voltages: Annotated[
        list[str] | None,
        typer.Option(
            "--voltage",
            metavar="V",
            help="Supply of the memory of the weights, such as 0.5; nominal: no faults (default). Repeatable.",
        ),
    ] = None,
    rates: Annotated[
        Path | None,
        typer.Option(
            "--rates",
            metavar="FILE",
            help="Share of wrong bits by voltage: CSV with voltage_v,rate. Default: a probit.",
        ),
    ] = None,
    bits: Annotated[
        int, typer.Option("--bits", metavar="N", help="Width of weights and activations, 4 to 10.")
    ] = 8,
    seeds: Annotated[
        int | None,
        typer.Option("--seeds", metavar="N", parser=positive, help="Seeds 0 to N - 1. Default: 5."),
    ] = None,
    effort: Annotated[
        float, typer.Option("--effort", metavar="X", help="Times the epochs of the tasks.")
    ] = 1.0,
    workers: WorkersOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            help="Write a folder with table, JSON and picture; must not exist yet.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Train networks for approximate circuits and low voltage."""
    import os

    from archsim.errors import InputError

    if out is not None:
        from archsim.files import check_new

        check_new(out)
    if not 4 <= bits <= 10:
        raise InputError(f"--bits {bits}: must be from 4 to 10")
    from archsim.axtrain.evaluation import evaluate

    setup = _setup(multipliers, voltages, rates, bits, effort)
    from archsim.axtrain.tasks import TASKS, task

    count = seeds or 5
    names = [task(name).name for name in dict.fromkeys(tasks or TASKS)]
    with progress_bar(count * len(names), "unit") as advance:
        found = evaluate(names, setup, seeds=count, workers=workers or os.cpu_count() or 1, told=advance)
    _tell(found, out, as_json)


def _setup(
    names: list[str] | None, voltages: list[str] | None, rates: Path | None, bits: int, effort: float
) -> Setup:
    from archsim.approx import Probit, VoltageTable
    from archsim.axtrain.evaluation import MULTIPLIERS, Setup

    return Setup(
        tuple(_multiplier(name, bits) for name in names or MULTIPLIERS),
        tuple(_voltage(text) for text in voltages or ["nominal"]),
        Probit() if rates is None else VoltageTable.load(rates),
        effort=effort,
    )


def _multiplier(name: str, bits: int) -> Multiplier:
    from archsim.approx import load_table, multiplier
    from archsim.approx.names import TABLE_FILES

    if not name.lower().endswith(TABLE_FILES):
        return multiplier(name, bits, True)
    claims = Path(name).with_suffix(".c")
    loaded = load_table(name, signed=True, bits=bits, claims=claims if claims.is_file() else None)
    for text in (*map(str, loaded.mismatches), *loaded.findings):
        print(f"{loaded.multiplier.name}: {text}", file=sys.stderr)
    return loaded.multiplier


def _voltage(text: str) -> float | None:
    from archsim.errors import InputError
    from archsim.units import parse_quantity

    if text == "nominal":
        return None
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return float(parse_quantity(text, "V"))
    except InputError:
        raise InputError(f"--voltage {text}: must be a number of volts, or nominal") from None


def _tell(found: Evaluation, out: Path | None, as_json: bool) -> None:
    from archsim.axtrain.summary import lines, summarise

    summaries = summarise(found)
    document = {**found.to_dict(), "summary": [each.to_dict() for each in summaries]}
    text = "\n".join(lines(found))
    try:
        if out is not None:
            from archsim.files import new_folder
            from archsim.report.axtrain_plots import plot_accuracy

            with new_folder(out) as folder:
                (folder / "table.txt").write_text(text + "\n", encoding="utf-8")
                (folder / "axtrain.json").write_text(
                    json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8"
                )
                plot_accuracy(summaries, folder / "accuracy.png")
            print(f"evaluation: {out}", file=sys.stderr)
    finally:
        print(json.dumps(document, indent=2, allow_nan=False) if as_json else text)
