"""Pictures of results: what they draw, the units of their axes, the house style."""

import inspect
import itertools
import re
import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import archsim
from archsim import compare, load_system, open_trace, plots, simulate
from archsim.cache import Accesses, compare_policies, lru_curve, way_curve
from archsim.dram.resolve import COMMANDS
from archsim.electrothermal import Coupling, HeatMap, run_in_time
from archsim.errors import InputError
from archsim.report.memory_plots import bank_counts
from archsim.report.quantities import logarithmic, quantity_of
from archsim.report.roofline_plots import ceilings_gbps
from archsim.report.style import COLOURS, MARKERS, SMALL_PT, bar_look, brightness, line_look
from archsim.sensor import load_sensor, load_vision_system, simulate_many
from archsim.sensor.policies import POLICIES

UNIT = re.compile(
    r"\((%|×|count|thousands|millions|[pnµmkMGT]?(s|J|W|°C|B/s|B|clk|T/s|FLOP/s)|dB|[KMG]iB|FLOP/B)\)"
)
SYSTEMS = ("host-2rank", "host-8rank-cache", "recnmp-opt-4rank")


@pytest.fixture(scope="module")
def trace():
    return open_trace("preset:zipf", overrides=["lookups=2000", "rows=5000"])


@pytest.fixture(scope="module")
def comparison(trace):
    """Three kinds of systems, with whole command logs and time series."""
    return compare([simulate(load_system(s), trace, log_limit=10**6, interval_ns=500) for s in SYSTEMS])


@pytest.fixture(scope="module")
def views(comparison, trace):
    """Every view of results by name."""
    accesses = Accesses.of(trace)
    coupling = Coupling(load_system("host-hbm2"), trace, HeatMap.load("hbm"), grid=4)
    warming = run_in_time(coupling, until_s=4, step_s=0.5, initial=360.0)
    return {
        "speedup": lambda axes=None: plots.plot_speedup(comparison, axes=axes),
        "bars": lambda axes=None: plots.plot_bars(comparison, "system", "energy_nj", axes=axes),
        "utilisation": lambda axes=None: plots.plot_utilisation(comparison, axes=axes),
        "energy": lambda axes=None: plots.plot_energy(comparison, axes=axes),
        "energy per lookup": lambda axes=None: plots.plot_energy(comparison, per="lookup", axes=axes),
        "latency": lambda axes=None: plots.plot_latency(comparison, axes=axes),
        "series": lambda axes=None: plots.plot_series(comparison, axes=axes),
        "roofline": lambda axes=None: plots.plot_roofline(comparison, axes=axes),
        "ceilings": lambda axes=None: plots.plot_ceilings(comparison, axes=axes),
        "banks": lambda axes=None: plots.plot_banks(comparison.results[0], axes=axes),
        "heat": lambda axes=None: plots.plot_heat(warming, axes=axes),
        "miss ratio": lambda axes=None: plots.plot_miss_ratio(lru_curve(accesses), axes=axes),
        **sensor_views(),
    }


def sensor_views():
    """Views of near-sensor systems."""
    vision = [load_vision_system(name) for name in ("resnet-1080p34", "squeezenet-1080p30")]
    demands = [20.0, 22.0, 23.0]
    lit = [load_sensor("vgg16-dim", [f"imaging_db={db}", "duration_s=60"]) for db in demands]
    runs = [simulate_many([each], list(POLICIES)) for each in lit]
    return {
        "frame energy": lambda axes=None: plots.plot_frame_energy(vision[0], axes=axes),
        "powers of systems": lambda axes=None: plots.plot_frame_energy(vision, per="second", axes=axes),
        "policies": lambda axes=None: plots.plot_policies(runs[0], axes=axes),
        "policy power": lambda axes=None: plots.plot_policy_power(demands, runs, "SNR (dB)", axes=axes),
    }


def rates(comparison, of):
    return [of(result) for result in comparison.results]


def test_the_python_of_the_page_runs(tmp_path, monkeypatch):
    page = Path(__file__).parents[1] / "docs" / "pictures.md"
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.S):
        exec(compile(block, page.name, "exec"), names)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["both.pdf", "speedup.png", "warming.gif"]


def test_every_public_view_is_on_the_page_and_takes_axes():
    page = (Path(__file__).parents[1] / "docs" / "pictures.md").read_text(encoding="utf-8")
    for name in plots.__all__:
        if name.startswith("plot_"):
            assert name in page, name
            whole = name in ("plot_comparison", "plot_errors", "plot_front")  # several panels
            assert "axes" in inspect.signature(getattr(plots, name)).parameters or whole


# the house style


def test_every_axis_of_numbers_has_a_unit(views):
    for name, view in views.items():
        axes = view()
        for axis in (axes.xaxis, axes.yaxis):
            texts = [tick.get_text() for tick in axis.get_ticklabels()]
            named = any(re.search("[a-z]{2}", text) for text in texts)
            if not named or name == "banks":
                label = axis.label.get_text()
                assert UNIT.search(label) or label == "vectors in the cache, and their bytes" or "bytes" in label, (
                    name, label,
                )  # fmt: skip


def test_axes_that_are_given_are_drawn_on_and_returned(views):
    for view in views.values():
        axes = plots.new_figure(7, 3).subplots()
        assert view(axes) is axes
        assert view() is not axes


def test_no_letter_is_smaller_than_seven_points(views):
    for name, view in views.items():
        axes = view()
        axes.figure.canvas.draw()
        texts = [text for text in axes.figure.findobj(matplotlib.text.Text) if text.get_text()]
        assert min(text.get_fontsize() for text in texts) >= SMALL_PT == 7, name


def test_nothing_is_cut_off_at_the_edge_of_a_column(views):
    for name, view in views.items():
        axes = view()
        assert axes.figure.get_figwidth() == plots.COLUMN_IN
        axes.figure.draw_without_rendering()
        box = axes.figure.get_tightbbox()
        assert box.x0 >= -0.02, name
        assert box.y0 >= -0.02, name
        assert box.x1 <= plots.COLUMN_IN + 0.02, name
        assert box.y1 <= axes.figure.get_figheight() + 0.02, name


def test_legends_stand_outside_and_cover_no_data(views):
    for name, view in views.items():
        axes = view()
        axes.figure.draw_without_rendering()
        if axes.get_legend() is not None:
            legend = axes.get_legend().get_window_extent()
            assert legend.y0 >= axes.get_window_extent().y1 - 1, name


def test_drawing_changes_nothing_of_matplotlib_and_needs_no_display(views):
    before = dict(matplotlib.rcParams)
    for view in views.values():
        view()
    assert dict(matplotlib.rcParams) == before


def test_pyplot_is_never_imported():
    code = (
        "import sys; from archsim import plots\n"
        "axes = plots.plot_sweep({'a.b': [1, 2], 'system': ['x', 'x'], 'time_ns': [1.0, 2.0]}, 'a.b', 'time_ns')\n"
        "axes.figure.canvas.draw(); assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_archsim_imports_no_matplotlib():
    subprocess.run(
        [sys.executable, "-c", "import archsim, sys; assert 'matplotlib' not in sys.modules"], check=True
    )
    assert archsim.plots is plots
    assert "plots" in dir(archsim)


def test_every_bar_and_line_looks_different():
    bars = [bar_look(number) for number in range(len(COLOURS) * 8)]
    assert len({(look["facecolor"], look["hatch"]) for look in bars}) == len(bars)
    lines = [tuple(map(str, line_look(number).values())) for number in range(60)]
    assert len(set(lines)) == 60
    assert len({line_look(number)["marker"] for number in range(12)}) == len(MARKERS) == 12


def test_neighbouring_colours_differ_in_grey_print_and_all_show_on_white():
    grey = [brightness(colour) for colour in COLOURS]
    for first, second in itertools.pairwise(grey):
        assert (max(first, second) + 0.05) / (min(first, second) + 0.05) > 1.25
    # Black on white is 21; what a line needs to be seen is about 2.
    assert all(1.05 / (shade + 0.05) > 2 for shade in grey)


def test_colours_are_those_of_the_palette(comparison):
    lines = plots.plot_latency(comparison).lines
    assert [line.get_color() for line in lines] == list(COLOURS[:3])


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_the_same_picture_is_the_same_file(comparison, tmp_path, kind):
    for name in "ab":
        plots.save(plots.plot_energy(comparison), tmp_path / f"{name}.{kind}")
    assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()


def test_a_picture_has_a_format_that_is_known(comparison, tmp_path):
    with pytest.raises(InputError, match=r"x\.bmp: must end in \.png, \.svg or \.pdf"):
        plots.save(plots.plot_latency(comparison), tmp_path / "x.bmp")
    assert not list(tmp_path.iterdir())


# what is drawn


def test_speedups_are_those_of_the_comparison(comparison):
    axes = plots.plot_speedup(comparison)
    assert [bar.get_width() for bar in axes.patches] == pytest.approx(comparison.speedups)
    assert axes.get_xlabel() == "speedup over host-2rank (×)"
    axes = plots.plot_speedup(comparison, "recnmp-opt-4rank", horizontal=False)
    last = comparison.results[2].time_ns
    assert [bar.get_height() for bar in axes.patches] == pytest.approx(
        rates(comparison, lambda result: last / result.time_ns)
    )


def test_a_baseline_that_no_system_is_names_the_nearest(comparison):
    with pytest.raises(
        InputError, match=r"baseline 'host-2ranks': no such system \(did you mean 'host-2rank'\?\)"
    ):
        plots.plot_speedup(comparison, "host-2ranks")


def test_systems_of_one_name_stay_apart(comparison):
    twice = [comparison.results[0], comparison.results[2], comparison.results[0]]
    axes = plots.plot_speedup(twice, horizontal=True)
    assert [tick.get_text() for tick in axes.get_yticklabels()] == [
        "host-2rank",
        "recnmp-opt-4rank",
        "host-2rank (2)",
    ]
    assert len(axes.patches) == 3


def test_the_parts_of_the_energy_add_up_to_the_ledger(comparison):
    for per, divisor in (("run", 1), ("lookup", 2000)):
        axes = plots.plot_energy(comparison, per=per)
        factor = 1e-3 if "µJ" in axes.get_xlabel() else 1.0
        for row, result in enumerate(comparison.results):
            bars = [bar for bar in axes.patches if round(bar.get_y() + bar.get_height() / 2) == row]
            assert sum(bar.get_width() for bar in bars) == pytest.approx(result.energy_nj / divisor * factor)
            assert max(bar.get_x() + bar.get_width() for bar in bars) == pytest.approx(
                result.energy_nj / divisor * factor
            )


def test_latency_lines_rise_from_nothing_to_all_reads(comparison):
    for line, result in zip(plots.plot_latency(comparison).lines, comparison.results, strict=True):
        shares = line.get_ydata()
        assert (shares[0], shares[-1]) == (0, pytest.approx(100))
        assert list(line.get_xdata()[1:]) == result.latency_ns.tolist()
        assert np.all(np.diff(shares) >= 0)


def test_a_time_series_is_drawn_as_it_is(comparison):
    axes = plots.plot_series(comparison, "reads")
    for stairs, result in zip(axes.patches, comparison.results, strict=True):
        assert stairs.get_data().values.tolist() == result.series["reads"].tolist()
        assert stairs.get_data().edges[-1] == pytest.approx(result.time_ns / 1000)
    with pytest.raises(InputError, match=r"series 'read': no such column \(did you mean 'reads'\?\)"):
        plots.plot_series(comparison, "read")


def test_a_result_without_what_is_drawn_says_how_to_get_it(trace):
    bare = simulate(load_system("host-2rank"), trace)
    with pytest.raises(InputError, match=r"no time series: simulate\(\.\.\., interval_ns=1000\)"):
        plots.plot_series(bare)
    with pytest.raises(InputError, match=r"host-2rank: no command log; simulate\(\.\.\., log_limit="):
        plots.plot_banks(bare)
    with pytest.raises(InputError, match="str: a Result, a Comparison or a list of Results is needed"):
        plots.plot_latency("host-2rank")


@pytest.mark.parametrize("what", ["accesses", "activates", "reads"])
def test_cells_of_banks_add_up_to_the_commands_of_each_bank(comparison, what):
    result = comparison.results[0]
    cells = bank_counts(result, what, 123.4, result.cycles)
    own = {"accesses": "reads", "reads": "reads", "activates": "activates"}[what]
    assert cells.sum(axis=1).tolist() == [bank[own] for bank in result.banks]
    # A slow twin.
    names = {"accesses": ("RD", "WR"), "reads": ("RD",), "activates": ("ACT",)}[what]
    twin = np.zeros_like(cells)
    for clk, command, bank, *_ in result.commands.T.tolist():
        if COMMANDS[command] in names:
            twin[bank, int(clk / 123.4)] += 1
    assert (cells == twin).all()


def test_a_log_that_was_cut_is_drawn_as_far_as_it_is_whole(trace):
    system = load_system("recnmp-base-4rank")
    cut, whole = (simulate(system, trace, log_limit=limit) for limit in (100, 10**6))
    axes = plots.plot_banks(cut)
    assert axes.get_title("left") == "recnmp-base-4rank, as far as the log goes"
    assert plots.plot_banks(whole).get_title("left") == "recnmp-base-4rank"
    drawn = np.asarray(axes.collections[0].get_array()).sum()
    end_clk = min(int(cut.commands[0][cut.commands[2] // 16 == rank].max()) for rank in range(4))
    clk, command = whole.commands[:2]
    assert drawn == sum(COMMANDS[c] in ("RD", "WR") for c in command[clk < end_clk])


def test_the_ceiling_of_a_resource_is_what_it_could_serve(comparison):
    axes = plots.plot_ceilings(comparison)
    for result in comparison.results:
        ceilings = ceilings_gbps(result)
        assert min(ceilings, key=ceilings.get) == result.bottleneck
        assert "refresh" not in ceilings
    host = comparison.results[0]
    # The bus of a host without a cache, busy all the time, moves its peak.
    assert ceilings_gbps(host)["data_bus"] == pytest.approx(host.peak_bandwidth_gbps)
    marks = {round(float(line.get_xdata()[0]), 6) for line in axes.lines if len(line.get_xdata()) == 1}
    assert marks == {round(v, 6) for r in comparison.results for v in ceilings_gbps(r).values()}


def test_a_point_of_the_roofline_is_under_its_roof_and_hits_move_it_right(comparison):
    axes = plots.plot_roofline(comparison, peak_gflops=1000)
    points = {line.get_label(): line for line in axes.lines if line.get_label() in SYSTEMS}
    for result in comparison.results:
        (x,), (y,) = points[result.system.name].get_data()
        assert y == pytest.approx(result.bandwidth_gbps / 4)
        assert y <= x * result.peak_bandwidth_gbps * (1 + 1e-9)
    assert points["host-2rank"].get_xdata()[0] == pytest.approx(0.25)
    assert points["host-8rank-cache"].get_xdata()[0] > 0.25


def test_operations_of_the_roofline_are_the_additions_of_the_ledger(trace):
    result = simulate(load_system("recnmp-base-4rank"), trace)
    (line,) = [x for x in plots.plot_roofline(result).lines if x.get_label() == "recnmp-base-4rank"]
    adds = sum(row.count for row in result.energy if (row.component, row.event) == ("rank_unit", "fp32_add"))
    assert line.get_ydata()[0] == pytest.approx(adds / result.time_ns)


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
def test_a_roof_must_be_above_nothing(comparison, value):
    with pytest.raises(InputError, match="must be above 0"):
        plots.plot_roofline(comparison, peak_gflops=value)


def test_miss_ratios_are_those_of_the_curves(trace):
    accesses = Accesses.of(trace).held()
    curve = lru_curve(accesses)
    (line,) = plots.plot_miss_ratio(curve).lines
    assert line.get_xdata().tolist() == curve.sizes().tolist()
    assert line.get_ydata() == pytest.approx(100 * curve.miss_ratio(curve.sizes()))
    results = compare_policies(accesses, ["fifo", "belady"], [256, 64])
    axes = plots.plot_miss_ratio({"mine": curve, "all": results, "ways": way_curve(accesses, 16, 4)})
    lines = {line.get_label(): line for line in axes.lines}
    assert set(lines) == {"mine", "fifo", "belady (optimum)", "ways"}
    assert lines["fifo"].get_xdata().tolist() == [64, 256]
    assert lines["fifo"].get_ydata() == pytest.approx(
        [100 - 100 * r.hit_ratio for r in (results[1], results[0])]
    )
    with pytest.raises(InputError, match="int: curves or results"):
        plots.plot_miss_ratio(3)


# units


@pytest.mark.parametrize(
    ("column", "values", "label", "drawn"),
    [
        ("time_ns", [1500.0, 3.0], "run time (µs)", [1.5, 0.003]),
        ("time_ns", [0.0], "run time (ns)", [0.0]),
        ("time_ns", [999.0], "run time (ns)", [999.0]),
        ("time_ns", [2e9], "run time (s)", [2.0]),
        ("energy_nj", [2.5e6], "energy (mJ)", [2.5]),
        ("energy_dram_read_nj", [0.25], "energy dram read (pJ)", [250.0]),
        ("bandwidth_gbps", [1600.0], "bandwidth (TB/s)", [1.6]),
        ("bandwidth_gbps", [16.0], "bandwidth (GB/s)", [16.0]),
        ("cache_hit_ratio", [0.25], "cache hit ratio (%)", [25.0]),
        ("utilisation_data_bus", [0.5], "utilisation data bus (%)", [50.0]),
        ("requests", [4000.0], "requests (count)", [4000.0]),
        ("requests", [40000.0], "requests (thousands)", [40.0]),
        ("nmp_load_imbalance", [1.5], "slowest rank over mean (×)", [1.5]),
        ("cycles_clk", [7.0], "cycles (clk)", [7.0]),
        ("dram.timing.tRCD_clk", [16.0], "tRCD (clk)", [16.0]),
        ("area_mm2", [1.5], "area (mm²)", [1.5]),
        ("energy_nj", [float("nan"), float("inf"), 5.0], "energy (nJ)", None),
    ],
)
def test_a_column_is_shown_in_the_unit_that_suits_it(column, values, label, drawn):
    scale = quantity_of(column).scaled(values)
    assert scale.label == label
    if drawn is not None:
        assert scale(values) == drawn


@given(st.floats(1e-6, 1e12), st.sampled_from(["time_ns", "energy_nj", "bandwidth_gbps"]))
def test_the_largest_value_of_an_axis_has_one_to_three_digits_before_the_point(value, column):
    shown = quantity_of(column).scaled([value])([value])[0]
    small = quantity_of(column).factor * value < 1e-12
    assert small or 0.999 <= shown < 1000.001 or quantity_of(column).factor * value >= 1e12


def test_axes_are_logarithmic_where_values_grow_by_ratios():
    assert logarithmic([1, 2, 4, 8])
    assert logarithmic([8192, 65536, 1 << 20])
    assert logarithmic([1, 3, 10, 30, 100])
    assert not logarithmic([1, 2, 3, 4, 5])
    assert not logarithmic([16, 32, 48, 64])
    assert not logarithmic([1, 100])
    assert not logarithmic([0, 1, 2, 4, 8])
    assert not logarithmic([])
