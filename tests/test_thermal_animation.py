"""Moving pictures of heat."""

import shutil

import numpy as np
import pytest
from PIL import Image
from program import run

from archsim.errors import InputError
from archsim.report.thermal_animation import LayerFrames, animate
from archsim.thermal import PowerTrace, Stack, ThermalModel


def frames(layer="vpu", grid=8):
    model = ThermalModel(Stack.load("cis3"), grid)
    found = LayerFrames(model, layer)
    power = PowerTrace(("nn",), [0.0, 0.03], [[1.5], [0.0]])
    return found, model.transient(power, [0.01, 0.03, 0.06], watch=found)


@pytest.mark.parametrize("solver", ["spectral", "sparse"])
def test_watching_sees_the_field_of_every_time(solver):
    model = ThermalModel(Stack.load("cis3"), 8, solver=solver)
    found = LayerFrames(model, "vpu")
    run_ = model.transient(None, [0.0, 0.01, 0.02], watch=found)
    assert found.times_s == run_.times_s.tolist()
    np.testing.assert_array_equal(found.frames_k[-1], run_.layer_k("vpu"))
    np.testing.assert_allclose(found.frames_k[0], model.ambient_k, atol=1e-9)
    for index, name in enumerate(model.blocks):
        if run_.layer_of(name) == "vpu":
            assert found.frames_k[1].min() <= run_.avg_k[1, index] <= found.frames_k[1].max()


def test_a_gif_has_a_frame_for_each_time_and_a_colour_means_the_same_in_all(tmp_path):
    found, _ = frames()
    animate(found, tmp_path / "heat.gif", frames_per_s=5)
    with Image.open(tmp_path / "heat.gif") as picture:
        assert picture.n_frames == 3
        assert picture.info["duration"] == 200
        pages = []
        for number in range(3):
            picture.seek(number)
            pages.append(np.asarray(picture.convert("RGB"), dtype=int))
    assert len({page.shape for page in pages}) == 1
    # The scale bar, right of the map, and the frame around the map stand still.
    width = pages[0].shape[1]
    for page in pages[1:]:
        np.testing.assert_array_equal(page[40:, int(0.81 * width) :], pages[0][40:, int(0.81 * width) :])
    # What is hotter is brighter: the processor when it has worked for 30 ms, against 30 ms later.
    middle = (slice(100, 300), slice(150, 350))
    assert pages[1][middle].mean() > pages[2][middle].mean() > pages[0][middle].mean()


def test_nothing_is_left_of_an_animation_that_fails(tmp_path):
    found, _ = frames()

    def stop(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        animate(found, tmp_path / "heat.gif", progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_an_animation_is_a_new_file_of_a_known_kind(tmp_path):
    found, _ = frames()
    taken = tmp_path / "heat.gif"
    taken.write_text("mine")
    with pytest.raises(InputError, match="exists already"):
        animate(found, taken)
    assert taken.read_text() == "mine"
    with pytest.raises(InputError, match=r"must end in \.gif or \.mp4"):
        animate(found, tmp_path / "heat.png")
    with pytest.raises(InputError, match="no layer 'cpu' in the stack"):
        LayerFrames(found.model, "cpu")
    if shutil.which("ffmpeg") is None:
        with pytest.raises(InputError, match="needs the program ffmpeg"):
            animate(found, tmp_path / "heat.mp4")


def test_the_command_draws_all_times(tmp_path):
    file = tmp_path / "heat.gif"
    args = ("thermal", "cis3", "--grid", "8", "--time", "20ms")
    ended = run(*args, "--every", "5ms", "--animate", file)
    assert ended.status == 0
    assert ended.err.endswith(f"animation: {file}\n")
    with Image.open(file) as picture:
        assert picture.n_frames == 4
    plain = run(*args, "--every", "5ms")
    assert ended.out == plain.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--animate", "a.gif"), "--animate a.gif: has no effect without --time"),
        (
            ("--animate", "a.gif", "--time", "1s"),
            "--animate a.gif: needs two times or more; --every gives those",
        ),
        (
            ("--animate", "a.gif", "--time", "1s", "--every", "1ms"),
            "1,000 frames: at most 500; give fewer times",
        ),
        (("--animate", "a.webp", "--time", "1s"), "a.webp: must end in .gif or .mp4"),
        (
            ("--animate", "a.gif", "--time", "1s", "--every", "0.1s", "--layer", "x"),
            "--layer x: no such layer",
        ),
        (
            ("--animate", "no/a.gif", "--time", "1s", "--every", "0.1s"),
            "no/a.gif: cannot be written: there is no",
        ),
    ],
)
def test_an_animation_that_cannot_be_is_one_line(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = run("thermal", "cis3", "--grid", "4", *arguments)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith(f"archsim: error: {message}")
    assert list(tmp_path.iterdir()) == []
