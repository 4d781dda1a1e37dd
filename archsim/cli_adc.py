"""The command ``archsim adc``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from archsim.cli_options import JsonOption, positive

if TYPE_CHECKING:
    from archsim.analog.nnadc import Adc

ADC_EXAMPLES = """\b
Examples:
  archsim adc nnadc-14b-3bit
  archsim adc nnadc-14b-3bit --set cell.read_sigma=0.01 --json
  archsim adc nnadc-10b-3bit --devices 20 --plot adc.png
  archsim adc nnadc-8b-3bit --set cell.bits=4 --train network.toml
      train its network for other cells, keep it in a file, and test the converter with it
  archsim adc nnadc-8b-3bit --table curve.csv
      a quantisation of your own: lines x,y of a rising curve from 0,0 to 1,1
"""


def adc(
    name: Annotated[
        str, typer.Argument(metavar="NAME|FILE", help="Preset (see `archsim show adc`) or .toml file.")
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="PATH=VALUE", help="Override a parameter, e.g. cell.bits=4. Repeatable."
        ),
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option("--table", metavar="FILE", help="Quantise along a curve: CSV with lines x,y."),
    ] = None,
    network: Annotated[
        Path | None, typer.Option("--network", metavar="FILE", help="A network that --train has written.")
    ] = None,
    train: Annotated[
        Path | None,
        typer.Option(
            "--train", metavar="FILE", help="Train the network first; write it to this new .toml file."
        ),
    ] = None,
    device: Annotated[
        int, typer.Option("--device", metavar="N", min=0, help="Which of the fabricated devices to test.")
    ] = 0,
    devices: Annotated[
        int | None,
        typer.Option("--devices", metavar="N", parser=positive, help="Also the ENOB of this many devices."),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            "--plot", metavar="FILE", help="Draw transfer, DNL, INL, spectrum (.png, .svg, .pdf); a new file."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Test a converter of RRAM networks: linearity, ENOB, power."""
    from archsim.analog.nnadc import load_adc, measure, monte_carlo
    from archsim.analog.nnadc.measure import check_devices
    from archsim.errors import InputError
    from archsim.files import check_new, new_file

    if devices is not None:
        check_devices(devices)
    if plot is not None:
        if plot.suffix.lower() not in (".png", ".svg", ".pdf"):
            raise InputError(f"{plot}: must end in .png, .svg or .pdf")
        check_new(plot)
    spec = load_adc(name, overrides or [], table=table, network=network)
    training: dict[str, Any] | None = None
    if train is not None:
        spec, training = _trained(spec, train, name, overrides or [])
    measured = measure(spec, device)
    if plot is not None:
        from archsim.report.adc_plots import plot_adc

        with new_file(plot) as file:
            plot_adc(measured, file, kind=plot.suffix.lower().lstrip("."))
        print(f"plot: {plot}", file=sys.stderr)
    row = measured.to_dict()
    row = {"name": name} | row | {"training": training}
    if devices is not None:
        row["monte_carlo"] = _spread(monte_carlo(spec, devices, device).tolist())
    print(json.dumps(row, indent=2) if as_json else "\n".join(_lines(row)))


def _trained(spec: Adc, target: Path, name: str, overrides: list[str]) -> tuple[Adc, dict[str, Any]]:
    import shlex

    from archsim.analog.nnadc.files import network_toml
    from archsim.analog.nnadc.train import train as run
    from archsim.errors import InputError
    from archsim.files import check_new, new_file

    if target.suffix != ".toml":
        raise InputError(f"{target}: must end in .toml")
    check_new(target)
    words = [
        "archsim",
        "adc",
        name,
        *(word for each in overrides for word in ("--set", each)),
        "--train",
        target.name,
    ]
    done = run(spec, shlex.join(words))
    with new_file(target) as file:
        file.write_text(network_toml(done.adc.network), encoding="utf-8")
    print(f"network: {target}", file=sys.stderr)
    return done.adc, {
        "loss_first": done.losses[0],
        "loss_last": done.losses[-1],
        "reach_before": done.reach_before,
        "reach_after": done.reach_after,
    }


def _spread(values: list[float]) -> dict[str, Any]:
    import statistics

    ordered = sorted(values)
    return {
        "devices": len(ordered),
        "enob_min": ordered[0],
        "enob_median": statistics.median(ordered),
        "enob_max": ordered[-1],
        "enob": values,
    }


def _lines(row: dict[str, Any]) -> list[str]:
    from archsim.tables import align

    area = sum(row["area_um2"].values()) * 1e-6
    cells = [
        ["converter", row["name"]],
        ["code", f"{row['bits']} bits, {row['scheme']}"],
        ["cells", f"{row['cells']:,} of {row['cell_bits']} bits"],
        ["ENOB", f"{row['enob']:.2f} bits"],
        ["SNDR", f"{row['sndr_db']:.2f} dB"],
        ["SFDR", f"{row['sfdr_db']:.2f} dB"],
        ["largest DNL", f"{row['dnl_max_lsb']:.3f} LSB"],
        ["largest INL", f"{row['inl_max_lsb']:.3f} LSB"],
        ["missing codes", f"{row['missing_codes']:,}"],
        ["falls of the code", f"{row['falls']:,} on a rising ramp without noise"],
        ["sample rate", f"{row['sample_rate_hz'] * 1e-6:.3f} MHz"],
        ["power", f"{row['power_w'] * 1e3:.3f} mW"],
        ["area", f"{area:.4f} mm2"],
        ["Walden figure of merit", f"{row['fom_walden_fj']:.1f} fJ per step"],
        ["Schreier figure of merit", f"{row['fom_schreier_db']:.2f} dB"],
    ]
    if (training := row["training"]) is not None:
        cells.append(["loss of the training", f"{training['loss_first']:.4f} to {training['loss_last']:.4f}"])
    if (spread := row.get("monte_carlo")) is not None:
        ends = f"{spread['enob_min']:.2f} to {spread['enob_max']:.2f}, median {spread['enob_median']:.2f}"
        cells.append([f"ENOB of {spread['devices']} devices", ends])
    return [*align(cells), *(f"better than physics or practice allows: {flag}" for flag in row["flags"])]
