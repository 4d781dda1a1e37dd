"""Pictures of warm image sensors: what their lines are, and the house style."""

import matplotlib as mpl
import numpy as np
import pytest
from test_sensor_image import camera

from archsim import plots
from archsim.errors import InputError
from archsim.report.style import SMALL_PT
from archsim.sensor.image import Camera

IMAGE = np.linspace(0, 1, 12 * 16).reshape(12, 16)
LIGHTS = ("daylight", "office", "dim")


@pytest.fixture(scope="module")
def views():
    cameras = [Camera("ar0330", name) for name in LIGHTS]
    return {
        "snr": lambda axes=None: plots.plot_snr(cameras, axes=axes),
        "noise": lambda axes=None: plots.plot_noise(cameras[2], axes=axes),
        "frames": lambda axes=None: plots.plot_frames(camera(), IMAGE, [300.0, 350.0], axes=axes),
    }


def line(axes, label):
    (found,) = [each for each in axes.lines if each.get_label() == label]
    return found.get_xdata() + 273.15, found.get_ydata()


def test_ratios_are_those_of_the_camera_and_end_where_pixels_are_full(views):
    axes = views["snr"]()
    for name in LIGHTS:
        kelvin, ratio = line(axes, name)
        wanted = Camera("ar0330", name).snr_db(kelvin)
        assert ratio[np.isfinite(wanted)].tolist() == wanted[np.isfinite(wanted)].tolist()
        assert np.isnan(ratio[~np.isfinite(wanted)]).all()
    assert [text.get_text() for text in axes.texts] == ["20 dB", "26 dB", "35 dB"]


def test_contributions_are_those_of_the_camera(views):
    axes = views["noise"]()
    kelvin, total = line(axes, "total")
    noise = Camera("ar0330", "dim").noise(kelvin)
    assert total.tolist() == noise.total.tolist()
    assert line(axes, "DSNU")[1].tolist() == noise.dsnu.tolist()
    assert not any(each.get_label() == "kT/C" for each in axes.lines)  # none with double sampling
    assert any(each.get_label() == "kT/C" for each in plots.plot_noise(camera()).lines)
    assert [text.get_text() for text in axes.texts] == ["knee, 52 °C"]


def test_frames_stand_side_by_side_from_black_to_white(views):
    axes = views["frames"]()
    first, second = axes.images
    assert first.get_extent()[1] < second.get_extent()[0]
    shown = np.asarray(first.get_array())
    assert shown.shape == IMAGE.shape
    assert 0 <= shown.min() < 0.2 < 0.9 < shown.max() <= 1
    assert "27 °C" in axes.texts[0].get_text()


def test_cameras_of_several_sensors_are_named_with_them():
    axes = plots.plot_snr([camera(), Camera("ar0330", "dim")])
    assert [each.get_text() for each in axes.get_legend().get_texts()] == ["made up, lamp", "ar0330, dim"]


def test_nothing_to_draw_is_said():
    with pytest.raises(InputError, match="plot_snr: needs at least one camera"):
        plots.plot_snr([])
    with pytest.raises(InputError, match="plot_frames: needs at least one temperature"):
        plots.plot_frames(camera(), IMAGE, [])


@pytest.mark.parametrize("name", ["snr", "noise", "frames"])
def test_the_house_style_holds(views, name):
    given = plots.new_figure(7, 3).subplots()
    assert views[name](given) is given
    axes = views[name]()
    figure = axes.figure
    assert figure.get_figwidth() == plots.COLUMN_IN
    figure.draw_without_rendering()
    box = figure.get_tightbbox()
    assert box.x0 >= -0.01
    assert box.x1 <= figure.get_figwidth() + 0.01
    assert box.y1 <= figure.get_figheight() + 0.01
    texts = [text for text in figure.findobj(mpl.text.Text) if text.get_text()]
    assert min(text.get_fontsize() for text in texts) >= SMALL_PT
    if axes.axison:
        assert "(°C)" in axes.get_xlabel()
        assert axes.get_ylabel().endswith(("(dB)", "(electrons rms)"))
