"""Renew the tables of near-sensor.md on energy and whole systems, and their figures; some seconds."""

from __future__ import annotations

from pathlib import Path

from make_nnadc import FIGURES, renewed, table

from archsim.errors import InputError
from archsim.report.sensor_plots import plot_frame_energy, plot_policies, plot_policy_power
from archsim.report.style import save
from archsim.sensor import SensorRun, VisionSystem, load_sensor, load_vision_system, simulate_many
from archsim.sensor.policies import POLICIES
from archsim.spec import preset_names

PAGE = Path(__file__).with_name("near-sensor.md")
PAPER, HOT = "resnet-1080p34", "vgg16-dim"
#: Decibels that people ask for, in the table and in the picture.
DEMANDS = (20.0, 21.0, 22.0, 22.5, 23.0)
FINE = (18.0, 19.0, 20.0, 20.5, 21.0, 21.5, 22.0, 22.2, 22.4, 22.5, 22.6)
#: What stands in for what.
STAND_INS: dict[str, tuple[str, ...]] = {
    "as fitted": (),
    "NN-ADC of 8 bits": ("readout=nnadc-8b-3bit",),
    "NN-ADC of 10 bits": ("readout=nnadc-10b-3bit",),
    "NN-ADC of 12 bits": ("readout=nnadc-12b-3bit",),
    "256 exact multipliers": ("processor=stacked-256",),
    "256 of `bam_3_0`": ("processor=stacked-256", "multiplier=bam_3_0"),
    "256 of `bam_5_0`": ("processor=stacked-256", "multiplier=bam_5_0"),
    "both, 10 bits and `bam_5_0`": ("readout=nnadc-10b-3bit", "processor=stacked-256", "multiplier=bam_5_0"),
}


def systems() -> str:
    """Return the table of the shipped cameras with a network."""
    rows = []
    for name in preset_names("vision_system"):
        each = load_vision_system(name)
        powers = each.powers()
        read = load_vision_system(name, ["near_weight_reads=1"])
        rows.append([
            f"`{name}`", f"{each.network.macs * 1e-9:.2f}", f"{each.network.weights * 1e-6:.1f}", each.near.name,
            f"{each.ddr_factor:.2f}" + ("" if each.ddr_traffic_factor is None else " stated"),
            f"{powers.far.system_w:.2f}", f"{powers.near.system_w:.2f}", f"{100 * each.saving():.0f} %",
            f"{100 * read.saving():.0f} %",
        ])  # fmt: skip
    head = ["preset", "G products", "M weights", "processor", "DDR, frames", "far, W", "near, W", "saved",
            "saved, weights from the stack's DRAM"]  # fmt: skip
    return table(head, rows)


def stand_ins() -> str:
    """Return the table of what stand-ins change of a frame."""
    rows = []
    for name, overrides in STAND_INS.items():
        each = load_vision_system(PAPER, overrides)
        near = each.near_frame()
        energy = near.components_nj()
        sensing = (energy["sensor"] + energy.get("converter", 0.0)) * 1e-6
        rows.append([
            name, f"{sensing:.2f}", f"{energy['processor'] * 1e-6:.2f}", f"{near.total_nj * 1e-6:.2f}",
            f"{1e3 * near.power_w(each.fps):.0f}", str(each.converters or ""),
        ])  # fmt: skip
    return table(
        ["ResNet-18, near", "sensing, mJ", "compute, mJ", "frame, mJ", "near, mW", "converters"], rows
    )


def sensors() -> str:
    """Return the table of the shipped systems under their own policy."""
    rows = []
    for name in preset_names("sensor"):
        found = load_sensor(name).simulate()
        run = found.run
        rows.append([
            f"`{name}`", found.sensor.scene.name, f"{found.sensor.imaging_db:g}", f"{run.system_w:.2f}",
            f"{100 * found.saving:.0f} %", f"{100 * run.duty:.1f} %", f"{run.hottest_k - 273.15:.1f}",
            f"{found.capture_db:.2f}", "yes" if run.met else "no",
        ])  # fmt: skip
    head = [
        "preset",
        "light",
        "dB asked",
        "W",
        "saved",
        "near",
        "hottest, degC",
        "worst dB for people",
        "kept",
    ]
    return table(head, rows)


def asked(decibels: tuple[float, ...]) -> list[list[SensorRun | InputError]]:
    """Return runs of every policy for each demand of people."""
    flat = simulate_many([load_sensor(HOT, [f"imaging_db={db}"]) for db in decibels], list(POLICIES))
    return [flat[k : k + len(POLICIES)] for k in range(0, len(flat), len(POLICIES))]


def demands() -> str:
    """Return the table of power against demand."""
    rows = []
    for db, runs in zip(DEMANDS, asked(DEMANDS), strict=True):
        cells = [f"{db:g} dB"]
        for each in runs:
            if isinstance(each, InputError):
                cells.append("cannot be had")
            else:
                cells.append(f"{each.run.system_w:.2f} W" + ("" if each.run.met else ", missed"))
        rows.append(cells)
    return table(["people ask for", *POLICIES], rows)


def draw() -> None:
    """Write the figures."""
    every: list[VisionSystem] = [load_vision_system(name) for name in preset_names("vision_system")]
    save(plot_frame_energy(load_vision_system(PAPER)), FIGURES / "near-sensor-frame.png")
    save(plot_frame_energy(every, per="second"), FIGURES / "near-sensor-power.png")
    runs = [each for each in simulate_many([load_sensor(HOT)], list(POLICIES)) if isinstance(each, SensorRun)]
    save(plot_policies(runs), FIGURES / "near-sensor-policies.png")
    save(
        plot_policy_power(FINE, asked(FINE), "SNR that people need (dB)"), FIGURES / "near-sensor-demand.png"
    )


def main() -> None:
    """Renew tables and figures."""
    text = PAGE.read_text(encoding="utf-8")
    for part in (systems, stand_ins, sensors, demands):
        text = renewed(text, part.__name__.replace("_", "-"), part())
    PAGE.write_text(text, encoding="utf-8")
    draw()
    print(f"near-sensor: {PAGE}, {FIGURES / 'near-sensor-*.png'}")


if __name__ == "__main__":
    main()
