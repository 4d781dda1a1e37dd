"""Pictures of studies: grouping, gaps, logarithmic axes, fronts, and what is refused."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim import plots
from archsim.errors import InputError
from archsim.report.bars import speedups
from archsim.report.pareto_plots import pareto_front
from archsim.report.rows import points_of

SIZE, RANKS, POOLINGS = "nmp.cache.size_bytes", "dram.organization.ranks", "nmp.poolings_per_packet"
SIZES = (8192, 16384, 32768, 65536)


def study(**columns):
    """A study of 2 systems x 2 ranks x 4 sizes, times that are easy to tell apart."""
    rows = [
        {
            "point_id": f"{system}{ranks}{size}", "status": "done", "system": system, "trace": "zipf",
            RANKS: ranks, SIZE: size, "time_ns": 1e6 * factor / ranks / math.log2(size), "energy_nj": float(size),
            "cache_hit_ratio": size / 1e5, "requests": 4000, "bottleneck": "data_bus",
        }
        for system, factor in (("base", 2.0), ("opt", 1.0)) for ranks in (2, 4) for size in SIZES
    ]  # fmt: skip
    return pd.DataFrame(rows).assign(**columns)


def with_failed(frame, *places):
    """The same study with a few points that failed: no metrics."""
    frame = frame.copy()
    for place in places:
        frame.loc[place, "status"] = "failed"
        frame.loc[place, ["time_ns", "energy_nj"]] = np.nan
    return frame


class Study:
    """What a Study offers to pictures."""

    def __init__(self, frame):
        self._frame = frame
        self.axes = {SIZE: SIZES, RANKS: (2, 4)}

    def to_arrow(self, columns=None, status="done"):
        frame = self._frame if status is None else self._frame[self._frame["status"] == status]
        return pa.Table.from_pandas(frame, preserve_index=False)


# sweep lines


def test_lines_go_through_the_points_of_the_study():
    frame = study()
    axes = plots.plot_sweep(frame, "nmp.cache.size", "time_ns", ["system", RANKS])
    assert [line.get_label() for line in axes.lines] == ["base, 2", "base, 4", "opt, 2", "opt, 4"]
    for line, (_, own) in zip(axes.lines, frame.groupby(["system", RANKS]), strict=True):
        assert line.get_xdata().tolist() == list(SIZES)
        assert line.get_ydata() == pytest.approx(own["time_ns"].to_numpy() / 1000)
    assert axes.get_xscale() == "log"
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["8", "16", "32", "64"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("nmp cache size (KiB)", "run time (µs)")
    assert axes.get_title("left") == ""


def test_a_study_a_frame_a_table_of_arrow_and_columns_draw_the_same():
    frame = study()
    sources = [frame, Study(frame), pa.Table.from_pandas(frame), {c: frame[c].tolist() for c in frame}]
    lines = [
        [line.get_xydata().tolist() for line in plots.plot_sweep(s, SIZE, "time_ns", RANKS).lines]
        for s in sources
    ]
    assert all(found == lines[0] for found in lines)


def test_lines_over_other_axes_are_the_median_and_say_so():
    frame = study()
    axes = plots.plot_sweep(frame[frame["system"] == "opt"], SIZE, "time_ns", "trace")
    (line,) = axes.lines
    expected = frame[frame["system"] == "opt"].groupby(SIZE)["time_ns"].median() / 1000
    assert line.get_ydata() == pytest.approx(expected.to_numpy())
    assert axes.get_title("left") == "median and range over ranks"
    band = axes.collections[0].get_paths()[0].vertices
    assert (band[:, 1].min(), band[:, 1].max()) == pytest.approx((1e3 / 4 / 16, 1e3 / 2 / 13))


def test_columns_that_follow_from_an_axis_are_no_further_axes():
    frame = study(**{"dram.timing.tRFC_clk": lambda f: f[RANKS] * 100})
    assert points_of(frame).others([SIZE, "system", RANKS]) == []
    axes = plots.plot_sweep(frame, SIZE, "time_ns", ["system", RANKS])
    assert axes.get_title("left") == ""


def test_no_cache_stands_before_sizes_that_grow_by_ratios():
    frame = study()
    frame.loc[frame[SIZE] == 8192, SIZE] = 0
    axes = plots.plot_sweep(frame, SIZE, "time_ns", ["system", RANKS])
    assert axes.get_xscale() == "log"
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["0", "16", "32", "64"]
    assert axes.lines[0].get_xdata().tolist() == [8192, *SIZES[1:]]


def test_a_failed_point_leaves_a_gap():
    axes = plots.plot_sweep(with_failed(study(), 1), SIZE, "time_ns", ["system", RANKS])
    assert np.isnan(axes.lines[0].get_ydata()).tolist() == [False, True, False, False]


def test_a_system_without_the_parameter_is_a_level_line():
    frame = study()
    host = {"system": "host", "trace": "zipf", "status": "done", RANKS: 2, SIZE: None, "time_ns": 5e5}
    frame = pd.concat([frame[frame[RANKS] == 2], pd.DataFrame([host])])
    axes = plots.plot_sweep(frame, SIZE, "time_ns")
    level = next(line for line in axes.lines if line.get_label() == "host")
    assert list(level.get_ydata()) == [500, 500]


def test_many_lines_told_apart_by_a_number_are_shaded_and_have_a_scale():
    frame = pd.DataFrame(
        [
            {"system": "s", RANKS: r, SIZE: 1024 * 2**k, "time_ns": 1e5 / r / (k + 2)}
            for r in (1, 2, 3)
            for k in range(12)
        ]
    )
    axes = plots.plot_sweep(frame, RANKS, "time_ns", SIZE)
    assert axes.get_legend() is None
    assert len({line.get_color() for line in axes.lines}) == 12
    scale = axes.figure.axes[1]
    assert scale.get_ylabel() == "nmp cache size (KiB)"


def test_twelve_systems_have_a_legend_that_stays_inside_the_column():
    frame = pd.DataFrame(
        [
            {"system": f"a-near-memory-system-{k}", SIZE: s, "time_ns": 1e5 * k + s}
            for k in range(12)
            for s in SIZES
        ]
    )
    axes = plots.plot_sweep(frame, SIZE, "time_ns")
    axes.figure.draw_without_rendering()
    legend = axes.get_legend().get_window_extent()
    assert len(axes.get_legend().get_texts()) == 12
    assert legend.x0 >= 0
    assert legend.x1 <= axes.figure.bbox.width
    assert legend.y0 >= axes.get_window_extent().y1 - 1


# bars and speedups


def test_bars_are_as_high_as_the_metric():
    frame = study()
    axes = plots.plot_bars(frame[frame["system"] == "opt"], RANKS, "time_ns", SIZE)
    expected = frame[frame["system"] == "opt"].sort_values([SIZE, RANKS])["time_ns"] / 1000
    assert [bar.get_height() for bar in axes.patches] == pytest.approx(expected.tolist())


def test_speedups_compare_like_with_like():
    frame = study()
    points = points_of(frame)
    found = speedups(points, frame["time_ns"].tolist(), {"system": "base"})
    assert found == pytest.approx([1.0] * 8 + [2.0] * 8)
    one = {"system": "base", RANKS: 2, SIZE: 8192}
    found = speedups(points, frame["time_ns"].tolist(), one)
    assert found == pytest.approx((frame["time_ns"][0] / frame["time_ns"]).tolist())


def test_one_host_is_the_baseline_of_every_size():
    frame = study()
    host = {"system": "host", "trace": "zipf", "status": "done", RANKS: 2, SIZE: None, "time_ns": 5e5}
    frame = pd.concat([pd.DataFrame([host]), frame[(frame["system"] == "opt") & (frame[RANKS] == 2)]])
    points = points_of(frame.reset_index(drop=True))
    assert speedups(points, points.metric("time_ns")[1], {"system": "host"}) == pytest.approx(
        (5e5 / frame["time_ns"]).tolist()
    )


def test_in_a_study_a_baseline_is_never_one_of_other_axes():
    frame = study()
    kept = frame[(frame["system"] == "opt") | (frame[RANKS] == 2)]
    points = points_of(Study(kept))
    found = speedups(points, points.metric("time_ns")[1], {"system": "base"})
    assert [math.isnan(ratio) for ratio in found] == (kept[RANKS] == 4).tolist()


def test_the_axis_says_what_the_speedup_is_over():
    axes = plots.plot_speedup(study(), {RANKS: 2}, "nmp.cache.size", ["system", RANKS])
    assert axes.get_ylabel() == "speedup over ranks 2 (×)"
    axes = plots.plot_speedup(study(), "base", "nmp.cache.size", metric="energy_nj")
    assert axes.get_ylabel() == "gain in energy_nj over base (×)"


def test_an_ambiguous_baseline_is_refused():
    frame = study().drop(columns=RANKS)
    with pytest.raises(
        InputError, match="baseline: 2 points could be that of 8 KiB; add what tells them apart"
    ):
        plots.plot_speedup(frame, "base", "nmp.cache.size")
    with pytest.raises(InputError, match="baseline 'bass': no such system"):
        plots.plot_speedup(frame, "bass")


def test_a_failed_point_has_no_bar_but_a_cross():
    frame = with_failed(study(), 1)
    axes = plots.plot_speedup(frame, "opt", SIZE, ["system", RANKS])
    heights = [bar.get_height() for bar in axes.patches]
    assert sum(math.isnan(height) for height in heights) == 1
    assert [line.get_marker() for line in axes.lines].count("x") == 1


# heat maps


def test_cells_of_a_grid_are_the_metric():
    frame = study()
    own = frame[frame["system"] == "opt"]
    axes = plots.plot_grid(own, SIZE, RANKS, "time_ns")
    cells = np.asarray(axes.collections[0].get_array())
    expected = own.pivot(index=RANKS, columns=SIZE, values="time_ns").to_numpy() / 1000
    assert cells == pytest.approx(expected)
    texts = [text.get_text() for text in axes.texts]
    assert texts == [f"{value:.1f}" for value in expected.ravel()]
    assert axes.figure.axes[1].get_ylabel() == "run time (µs)"


def test_a_cell_without_a_point_stays_empty():
    frame = with_failed(study(), 9)
    axes = plots.plot_grid(frame[frame["system"] == "opt"], SIZE, RANKS, "time_ns")
    cells = np.ma.masked_invalid(axes.collections[0].get_array())
    assert cells.mask.sum() == 1
    assert len(axes.texts) == 7


# Pareto fronts

PAIRS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=40)


@given(PAIRS, st.booleans(), st.booleans())
def test_the_front_is_what_nothing_beats(pairs, more_x, more_y):
    signs = (-1 if more_x else 1, -1 if more_y else 1)
    front = pareto_front([x for x, _ in pairs], [y for _, y in pairs], (more_x, more_y))
    costs = [(signs[0] * x, signs[1] * y) for x, y in pairs]

    def beaten(one):
        return any(other[0] <= one[0] and other[1] <= one[1] and other != one for other in costs)

    assert {costs[i] for i in front} == {cost for cost in costs if not beaten(cost)}
    assert len(front) == len({costs[i] for i in front})
    assert [pairs[i][0] for i in front] == sorted(pairs[i][0] for i in front)


def test_dominated_points_are_grey_and_the_front_is_joined():
    frame = study()
    axes = plots.plot_pareto(frame, "time_ns", "energy_nj", by=RANKS)
    (front,) = [line for line in axes.lines if line.get_drawstyle() == "steps-post"]
    x, y = frame["time_ns"] / 1000, frame["energy_nj"] / 1000
    places = pareto_front(x.tolist(), y.tolist())
    assert front.get_xdata().tolist() == pytest.approx([x[i] for i in places])
    assert front.get_ydata().tolist() == pytest.approx([y[i] for i in places])
    marks = [line for line in axes.lines if line is not front]
    grey = [xy for line in marks if line.get_color() == "#c4c4c4" for xy in line.get_xydata().tolist()]
    assert len(grey) == len(frame) - len(places)
    assert axes.get_xlabel() == "run time (µs), less is better"


def test_of_bandwidth_and_hits_more_is_better():
    frame = study(bandwidth_gbps=lambda f: 1e6 / f["time_ns"])
    axes = plots.plot_pareto(frame, "bandwidth_gbps", "cache_hit_ratio")
    assert axes.get_xlabel().endswith("more is better")
    assert axes.get_ylabel() == "cache hit ratio (%), more is better"
    axes = plots.plot_pareto(frame, "bandwidth_gbps", "energy_nj", maximise=["energy_nj"])
    assert axes.get_xlabel().endswith("less is better")


def test_a_single_best_point_says_what_it_is():
    frame = study(energy_nj=lambda f: f["time_ns"])
    axes = plots.plot_pareto(frame, "time_ns", "energy_nj", by="system")
    assert [text.get_text() for text in axes.texts] == ["4, 64 KiB"]


def test_labels_of_the_front_cover_neither_one_another_nor_its_points():
    axes = plots.plot_pareto(study(), "time_ns", "energy_nj", by=RANKS)
    boxes = [text.get_window_extent() for text in axes.texts]
    assert boxes
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


# energy


def test_the_energy_of_a_study_comes_from_its_ledger_columns():
    frame = study(energy_dram_read_nj=100.0, energy_dram_activate_nj=50.0, energy_nj=150.0)
    axes = plots.plot_energy(frame[frame[SIZE] == 8192], RANKS, per="request")
    ends = {round(bar.get_y() + 0.325): bar.get_x() + bar.get_width() for bar in axes.patches}
    assert axes.get_xlabel() == "energy per request (pJ)"
    assert ends == pytest.approx({0: 150_000 / 4000, 1: 150_000 / 4000})
    assert axes.get_title("left") == "mean over system"
    with pytest.raises(InputError, match="metric 'lookups': no such column"):
        plots.plot_energy(frame, RANKS, per="lookup")


# any data

ODD = {
    "empty": study().iloc[:0],
    "one point": study().iloc[:1],
    "all failed": with_failed(study(), *range(16)),
    "infinite": study(time_ns=math.inf),
    "some infinite": study(time_ns=[math.inf, math.nan, -0.0, *[1.0] * 13]),
    "zeros": study(time_ns=0.0),
    "nothing at all": study(time_ns=None),
    "nullable": study().convert_dtypes(),
    "odd names": study(system=["$\\frac{x名", *["long" * 90] * 15]),
    "text axis": study(**{SIZE: ["off", *["on"] * 15]}),
    "mixed axis": study(**{SIZE: [None, *[8192.0] * 15]}),
}


@pytest.mark.parametrize("kind", ["lines", "bars", "heat", "pareto"])
@pytest.mark.parametrize("name", ODD)
def test_any_study_has_a_picture(name, kind, tmp_path, recwarn):
    frame = ODD[name]
    x, by = ("time_ns", RANKS) if kind == "pareto" else (SIZE, RANKS)
    y = "energy_nj" if kind == "pareto" else "time_ns"
    axes = plots.plot_study(frame, x, y, by, kind, tmp_path / "out.png")
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")
    assert axes.get_xlabel()
    assert axes.get_ylabel()
    assert not [str(one.message) for one in recwarn]


def test_an_empty_study_says_so():
    assert [text.get_text() for text in plots.plot_sweep(ODD["empty"], SIZE, "time_ns").texts] == [
        "no points"
    ]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (("nmp.cache.sise", "time_ns"), r"axis 'nmp\.cache\.sise': no such .* \(did you mean 'nmp\.cache\.size_bytes'"),
        ((SIZE, "tiem_ns"), r"metric 'tiem_ns': no such column \(did you mean 'time_ns'\?\)"),
        ((SIZE, "bottleneck"), r"metric 'bottleneck': is text \('data_bus'\); a metric must be a number"),
        ((SIZE, "time_ns", "rank"), r"axis 'rank': no such column"),
        ((SIZE, "time_ns", None, "line"), r"kind 'line': must be one of lines, bars, heat, pareto"),
        ((SIZE, "time_ns", None, "heat"), r"a heat map needs one second axis \(--by AXIS\)"),
        ((SIZE, "time_ns", SIZE, "heat"), r"a heat map needs two different axes"),
        ((SIZE, "time_ns", None, "lines", Path("a.gif")), r"a\.gif: must end in \.png, \.svg or \.pdf"),
    ],
)  # fmt: skip
def test_what_is_no_axis_metric_kind_or_format_is_refused(call, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        plots.plot_study(study(), *call)
    assert not list(tmp_path.iterdir())


def test_a_name_that_lacks_its_unit_is_understood_unless_it_is_two():
    frame = study(time_clk=1.0)
    with pytest.raises(
        InputError, match="metric 'time': several columns have that name; one of time_ns, time_clk"
    ):
        plots.plot_sweep(frame, "nmp.cache.size", "time")


def test_a_picture_never_replaces_anything(tmp_path):
    (tmp_path / "a.svg").write_text("mine")
    with pytest.raises(InputError, match="exists already"):
        plots.plot_study(study(), SIZE, "time_ns", out=tmp_path / "a.svg")
    assert (tmp_path / "a.svg").read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 1


def test_anything_else_is_refused():
    with pytest.raises(InputError, match="int: a Result, a Comparison, a Study or a frame is needed"):
        plots.plot_sweep(3, SIZE, "time_ns")
