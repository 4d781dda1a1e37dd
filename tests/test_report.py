"""The report folder and its plot."""

import json
from dataclasses import replace

import pytest

from archsim import compare, load_system, open_trace, simulate
from archsim.errors import InputError
from archsim.report.folder import write_report
from archsim.report.plots import plot_comparison


@pytest.fixture(scope="module")
def trace():
    """A small generated trace."""
    return open_trace("preset:zipf", overrides=["lookups=2000", "rows=5000"])


@pytest.fixture(scope="module")
def comparison(trace):
    """A host and RecNMP."""
    systems = [load_system("host-2rank", ["dram.timing.tRCD=16"]), load_system("recnmp-base-4rank")]
    return compare([simulate(system, trace) for system in systems])


def timeless(comparison):
    """Everything but the time the kernels took."""
    data = comparison.to_dict()
    return data | {"runs": [run | {"kernel_cpu_s": 0} for run in data["runs"]]}


# the folder


def test_a_report_holds_the_numbers_the_table_the_picture_and_the_systems(comparison, tmp_path):
    write_report(comparison, tmp_path / "report")
    assert [path.name for path in tmp_path.iterdir()] == ["report"]
    found = sorted(str(path.relative_to(tmp_path / "report")) for path in (tmp_path / "report").rglob("*.*"))
    assert found == [
        "comparison.png",
        "comparison.txt",
        "latency.png",
        "results.json",
        *(f"statistics/01-host-2rank/{name}.csv" for name in ("banks", "channels", "latency", "ranks")),
        *(
            f"statistics/02-recnmp-base-4rank/{name}.csv"
            for name in ("banks", "channels", "latency", "ranks")
        ),
        "systems/01-host-2rank.toml",
        "systems/02-recnmp-base-4rank.toml",
    ]
    assert json.loads((tmp_path / "report" / "results.json").read_text()) == comparison.to_dict()
    assert (tmp_path / "report" / "comparison.txt").read_text() == comparison.table() + "\n"


def test_a_report_can_be_replayed_from_its_systems(comparison, trace, tmp_path):
    write_report(comparison, tmp_path / "report")
    files = sorted((tmp_path / "report" / "systems").iterdir())
    again = [load_system(path) for path in files]
    assert [spec.sha256() for spec in again] == [result.system.sha256() for result in comparison.results]
    assert timeless(compare([simulate(spec, trace) for spec in again])) == timeless(comparison)


def test_a_report_appears_whole_or_not_at_all(comparison, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("archsim.report.folder.plot_comparison", fail)
    with pytest.raises(InputError, match="report: cannot be written: No space left on device"):
        write_report(comparison, tmp_path / "report")
    assert list(tmp_path.iterdir()) == []


def test_a_report_never_replaces_anything(comparison, tmp_path):
    (tmp_path / "report").mkdir()
    with pytest.raises(InputError, match="report: exists already"):
        write_report(comparison, tmp_path / "report")
    assert list((tmp_path / "report").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("../../etc", "01-.._.._etc.toml"),
        ("a\nb\0c", "01-a_b_c.toml"),
        ("x" * 300, f"01-{'x' * 60}.toml"),
        ("$x_", "01-_x_.toml"),
    ],
)
def test_any_name_of_a_system_makes_a_report(name, file, comparison, tmp_path, recwarn):
    result = comparison.results[0]
    odd = replace(result, system=result.system.model_copy(update={"name": name}))
    write_report(compare([odd]), tmp_path / "report")
    assert [path.name for path in (tmp_path / "report" / "systems").iterdir()] == [file]
    assert load_system(tmp_path / "report" / "systems" / file).name == name
    assert not list(recwarn)


# the plot


def test_the_same_results_draw_the_same_bytes(comparison, tmp_path):
    for name in ("a.png", "b.png"):
        plot_comparison(comparison, tmp_path / name)
    first, second = ((tmp_path / name).read_bytes() for name in ("a.png", "b.png"))
    assert first == second
    assert first.startswith(b"\x89PNG")


def test_bars_are_as_long_as_the_figures_and_marks_stand_at_them(comparison):
    time, energy, utilisation = plot_comparison(comparison).axes
    assert time.get_xlabel() == "run time (µs), speedup"
    assert [bar.get_width() for bar in time.patches] == [r.time_ns / 1000 for r in comparison.results]
    assert energy.get_xlabel() == "energy (µJ)"
    ends = [
        max(bar.get_x() + bar.get_width() for bar in energy.patches if round(bar.get_y()) == k)
        for k in (0, 1)
    ]
    assert ends == pytest.approx([result.energy_nj / 1000 for result in comparison.results])
    shares = sorted(x for line in utilisation.lines for x in line.get_xdata())
    assert shares == sorted(100 * share for r in comparison.results for share in r.utilisation.values())


@pytest.mark.parametrize("scale", [1, 1e3, 1e6, 1e9])
def test_axes_take_the_unit_that_suits_the_largest_value(comparison, scale):
    cycles = round(400 * scale / 0.833)
    results = [replace(result, cycles=cycles) for result in comparison.results]
    time = plot_comparison(compare(results)).axes[0]
    assert time.get_xlabel() == f"run time ({ {1: 'n', 1e3: 'µ', 1e6: 'm', 1e9: ''}[scale] }s), speedup"
    assert [bar.get_width() for bar in time.patches] == pytest.approx([400, 400], rel=0.01)


def test_names_are_no_formulas_and_need_no_font(comparison, tmp_path, recwarn):
    results = [
        replace(result, trace=replace(result.trace, name=r"$\frac{x名 " + "long" * 90))
        for result in comparison.results
    ]
    figure = plot_comparison(compare(results), tmp_path / "plot.png")
    assert figure.get_suptitle() == r"$\frac{x名 " + ("long" * 90)[:29] + "…: 2,000 lookups"
    assert not list(recwarn)
