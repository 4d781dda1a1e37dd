"""Pictures of policies: what they draw, and what they refuse."""

import numpy as np
import pytest
from sensor_settings import ZERO_C_K, c, setting

from archsim import plots
from archsim.errors import InputError
from archsim.report.style import SMALL_PT
from archsim.sensor.policies import run


@pytest.fixture(scope="module")
def seasonal():
    one = setting("seasonal", high_k=c(87), low_k=c(60), duration_s=60.0)
    return one, run(one, trace=True)


def labels(axes):
    return axes.get_legend_handles_labels()[1]


def test_a_run_is_drawn_with_its_bounds_and_a_band_of_modes(seasonal):
    one, found = seasonal
    axes = plots.plot_policy(found, one)
    assert labels(axes) == ["package", "die", "T_high", "T_low", "near", "far"]
    drawn = {line.get_label(): line.get_ydata() for line in axes.lines}
    assert np.allclose(drawn["die"], found.trace.die_k - ZERO_C_K)
    assert np.allclose(drawn["T_high"], 87)
    near = next(each for each in axes.collections if each.get_label() == "near")
    widths = [np.ptp(path.vertices[:, 0]) for path in near.get_paths()]
    assert sum(widths) == pytest.approx((found.trace.modes == 0).sum() / 30)
    assert axes.get_xlabel() == "time (s)"
    assert axes.get_ylabel() == "temperature (°C)"


def test_a_part_of_the_time_and_other_policies_are_drawn(seasonal):
    found = seasonal[1]
    assert plots.plot_policy(found, start_s=10, end_s=20).get_xlim() == pytest.approx((10, 20 + 1 / 30))
    asked = setting("on-demand", imaging=74, requests=7.0, duration_s=20.0)
    assert "limit of imaging" in labels(plots.plot_policy(run(asked, trace=True), asked))
    still = setting("full-far", duration_s=1 / 30)
    assert labels(plots.plot_policy(run(still, trace=True), still)) == ["package", "die", "far"]


def test_a_map_has_the_figures_of_its_runs(seasonal):
    one = setting("seasonal", high_k=c(87), duration_s=60.0)
    axes = plots.plot_policy_map(one, "near", [1.0, 2.5], "ambient", [20, 26.3, 40])
    values = np.asarray(axes.images[0].get_array())
    assert values.shape == (3, 2)
    assert values[1, 1] == pytest.approx(100 * run(one).duty)
    assert axes.texts[0].get_text() == "100"
    bounds = plots.plot_policy_map(one, "low", [50, 60, 70], "high", [60, 80], figure="system_w", workers=2)
    missing = np.ma.getmaskarray(bounds.images[0].get_array())
    assert missing.tolist() == [[False, True, True], [False, False, False]]


def test_pictures_fit_a_column_and_keep_the_size_of_letters(seasonal):
    one, found = seasonal
    short = setting("stop-capture-go", vision=87, duration_s=20.0)
    for axes in (
        plots.plot_policy(found, one),
        plots.plot_policy_map(short, "near", np.arange(1, 4, 0.25), "ambient", np.arange(0, 60, 2.5)),
    ):
        axes.figure.draw_without_rendering()
        box = axes.figure.get_tightbbox()
        assert axes.figure.get_figwidth() == plots.COLUMN_IN
        assert box.x0 >= -0.02
        assert box.x1 <= plots.COLUMN_IN + 0.02
        texts = [text for text in axes.figure.findobj(lambda each: hasattr(each, "get_fontsize"))]
        assert min(text.get_fontsize() for text in texts if text.get_text()) >= SMALL_PT


def test_what_cannot_be_drawn_is_said(seasonal):
    one, found = seasonal
    for refused, words in (
        (lambda: plots.plot_policy(run(one)), "the run has no trace"),
        (lambda: plots.plot_policy(found, start_s=70), "no frame begins between 70 and inf s"),
        (
            lambda: plots.plot_policy_map(one, "hi", [1], "low", [1]),
            "unknown axis 'hi' (did you mean 'high'?)",
        ),
        (
            lambda: plots.plot_policy_map(one, "high", [80], "low", [1], figure="dutie"),
            "unknown figure 'dutie' (did you mean 'duty'?)",
        ),
        (lambda: plots.plot_policy_map(one, "high", [], "low", [1]), "needs values on both axes"),
        (lambda: plots.plot_policy_map(one, "near", [-1.0], "low", [50]), "die_w = -1.0"),
    ):
        with pytest.raises(InputError) as found_error:
            refused()
        assert words in str(found_error.value)
