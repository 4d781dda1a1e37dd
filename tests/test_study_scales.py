"""Pictures of studies with systems far apart, and labels that tell the points of a front apart."""

import itertools
import math

import pytest
from matplotlib.transforms import Bbox

from archsim import plots
from archsim.report.groups import squeezed
from archsim.report.html_study import _by_system

SIZE, RANKS, WAYS = "nmp.cache.size_bytes", "dram.organization.ranks", "nmp.cache.ways"
TRCD = "dram.timing.tRCD_clk"


def host_and_near(host_ns):
    """Return a host beside near-memory units of four cache sizes."""
    sizes = [None, 8192, 16384, 32768, 65536]
    return {
        "system": ["host", *["near"] * 4], "trace": ["zipf"] * 5, SIZE: sizes,
        "time_ns": [host_ns, 4e4, 3e4, 2.5e4, 2e4], "energy_nj": [9e5, 4e5, 3e5, 2e5, 3e5],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ([[154.0], [50.0, 20.0]], True),
        ([[20.0, 50.0], [math.nan], [154.0]], True),
        ([[149.0], [50.0, 20.0]], False),
        ([[154.0, 40.0], [50.0, 20.0]], False),
        ([[154.0, 1.0]], False),
        ([[154.0], [0.0]], False),
        ([[154.0], [-1.0]], False),
        ([[], [math.inf]], False),
    ],
)
def test_values_are_squeezed_below_a_gap_of_three(groups, expected):
    assert squeezed(groups) is expected


def test_near_memory_units_below_a_slow_host_are_drawn_on_a_logarithmic_scale():
    axes = plots.plot_sweep(host_and_near(2e5), "nmp.cache.size", "time_ns")
    assert axes.get_yscale() == "log"
    axes.figure.draw_without_rendering()
    assert {"20", "50", "100", "200"} <= {tick.get_text() for tick in axes.get_yticklabels()}
    low, high = axes.get_ylim()
    near = next(line for line in axes.lines if line.get_label() == "near").get_ydata()
    height = math.log(max(near) / min(near)) / math.log(high / low)
    assert height > 0.25  # of 20 to 40 below 200, a line from zero would get a tenth
    for log_y, scale in ((None, "linear"), (True, "log")):
        axes = plots.plot_sweep(host_and_near(1e5), "nmp.cache.size", "time_ns", log_y=log_y)
        assert axes.get_yscale() == scale
    assert plots.plot_sweep(host_and_near(2e5), SIZE, "time_ns", log_y=False).get_yscale() == "linear"


def test_a_front_far_from_a_host_is_drawn_on_a_logarithmic_scale():
    axes = plots.plot_pareto(host_and_near(2e5), "time_ns", "energy_nj")
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "linear")


def test_points_of_a_front_are_labelled_by_all_axes_that_vary_along_it():
    points = list(itertools.product([8192, 16384], [2, 4], [1, 4], [14, 16]))
    order = range(len(points))
    frame = {name: [point[i] for point in points] for i, name in enumerate((SIZE, RANKS, WAYS, TRCD))}
    frame |= {"time_ns": [1e4 * 3.0**i for i in order], "energy_nj": [1e4 * 3.0**-i for i in order]}
    axes = plots.plot_pareto(frame, "time_ns", "energy_nj")
    assert axes.get_title("left").replace("\n", " ") == "labels: nmp cache size, ranks, nmp cache ways, tRCD"
    shown = {text.get_text() for text in axes.texts}
    assert len(shown) > 4
    assert shown <= {f"{size // 1024} KiB, {ranks}, {ways}, {trcd} clk" for size, ranks, ways, trcd in points}
    # Only the last axis varies along this front.
    few = {name: values[:2] + values[2:] for name, values in frame.items()}
    few["energy_nj"] = [2.0, 1.0, *[3.0] * 14]
    axes = plots.plot_pareto(few, "time_ns", "energy_nj")
    assert axes.get_title("left") == "labels: tRCD"
    assert {text.get_text() for text in axes.texts} == {"14 clk", "16 clk"}


def test_pictures_of_a_report_hold_no_mean_of_several_systems():
    import pyarrow as pa

    table = pa.table(host_and_near(2e5))
    [(words, own)] = _by_system(table, [SIZE], {"system": 0})
    assert (words, own["system"].to_pylist()) == (" of near", ["near"] * 4)
    [(words, own)] = _by_system(table, [SIZE], {})
    assert (words, own.num_rows) == ("", 4)


def test_labels_stand_beside_the_stairs_of_the_front():
    frame = {RANKS: [2, 4, 8], "time_ns": [8e4, 5e4, 3e4], "energy_nj": [3.7e5, 3.8e5, 3.9e5]}
    axes = plots.plot_pareto(frame, "time_ns", "energy_nj")
    (stairs,) = [line for line in axes.lines if line.get_drawstyle() == "steps-post"]
    places = axes.transData.transform(list(zip(stairs.get_xdata(), stairs.get_ydata(), strict=True)))
    treads = [
        Bbox.from_extents(x0, y0, x1, y0 + 0.1) for (x0, y0), (x1, _) in itertools.pairwise(places.tolist())
    ]
    boxes = [text.get_window_extent() for text in axes.texts]
    assert len(boxes) == 3
    assert not any(box.overlaps(tread) for box in boxes for tread in treads)
