"""Every workload preset: the same trace on every machine, for every cutting, and a beginning of every longer one."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from program import run

from archsim.errors import InputError
from archsim.spec import preset_names
from archsim.traces import load_workload, open_trace, read_native, write_native
from archsim.traces.generators import NAMES, stream, workload_class
from archsim.traces.generators.stream import generate, windows, write

# Preset -> what makes it short, and the SHA-256 of that trace.
GOLDEN = {
    "dlrm-rmc1-large": (
        ["lookups=5000", "rows=10_000"],
        "c261fda2e648d8369b9eaf74a61b3514ee26539443b14cf94ebb93c7e79d0c0a",
    ),
    "dlrm-rmc1-small": (
        ["lookups=5000", "rows=10_000"],
        "7b47ba168a304136afa2b85386fd976ac222cfe383a10f0f07ffaf7beb69bc28",
    ),
    "dlrm-rmc2-large": (
        ["lookups=5000", "rows=10_000"],
        "54f7c072e14602fea02fad6a5be2e23fe23a0a1480f60ee1a324bd238c9c0975",
    ),
    "dlrm-rmc2-small": (
        ["lookups=5000", "rows=10_000"],
        "eb171b49602762cfe96a3766fce6d8f3f20f614f6e69838c7119490ae76db102",
    ),
    "meta-2021": (
        ["lookups=50_000", "tables=3", "epoch_samples=700", "rows=5000"],
        "482fd8b4737d3f6bb313390e8ac2831ea7ad2961fc7ba2af24893afb57116f64",
    ),
    "meta-2022": (
        ["lookups=50_000", "tables=3", "epoch_samples=700", "rows=5000"],
        "cbda5dbd88fc7fd2ac6265390c738b1cf4d1a87bf18acb72949635619b9d41f3",
    ),
    "mlperf-dlrm-v2": (
        ["lookups=5000", "rows=[70000, 3, 1, 90, 5000]", "pooling=[3, 2, 5, 20, 1]"],
        "90db66f68c73ee26712fc1df3a3adb161cc4f63ed370f779b5184acffd961d85",
    ),
    "sequential": (
        ["lookups=5000"],
        "03b88010968a2126e9dea83079146ba7a1c25547865f71b157db206d2a3d029a",
    ),
    "uniform": (
        ["lookups=5000"],
        "fa026091c74ef17454d717b61058cecc362cba03c50e10b6e3334f64b82af164",
    ),
    "zipf": (
        ["lookups=5000"],
        "263fa270e3826eba91c19fdef11b0e361a9db436813f97fc781c72231a952c1e",
    ),
}
OURS = sorted(name for name in preset_names("workload") if not name.startswith("recnmp-"))


def short(name):
    """Specification of the short form of a preset."""
    return load_workload(name, GOLDEN[name][0])


def joined(pieces):
    """Columns of all windows together, without offsets, and the lengths of the bags."""
    pieces = list(pieces)
    columns = {
        key: np.concatenate([piece.columns[key] for piece in pieces]).tolist()
        for key in pieces[0].columns
        if key != "bag_offsets"
    }
    columns["lengths"] = np.concatenate([np.diff(piece.bag_offsets) for piece in pieces]).tolist()
    return columns


def test_every_preset_has_a_golden_trace():
    assert sorted(GOLDEN) == OURS


@pytest.mark.parametrize("name", OURS)
def test_all_machines_make_the_same_trace(name):
    trace = generate(short(name), name)
    trace.validate()
    assert trace.sha256 == GOLDEN[name][1]


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("at_once", [1, 777, 10**6])
def test_the_size_of_the_windows_does_not_matter(name, at_once):
    spec = short(name)
    pieces = list(windows(spec, at_once=at_once))
    assert joined(pieces) == joined([generate(spec)])
    tables = len(spec.layout())
    assert all(piece.bags % tables == 0 for piece in pieces[:-1]), "windows hold whole samples"


@pytest.mark.parametrize("name", OURS)
def test_a_longer_trace_begins_with_the_shorter_one(name):
    spec = short(name)
    long = generate(spec.model_copy(update={"lookups": 3 * spec.lookups + 1}))
    assert long.limit(spec.lookups).sha256 == generate(spec).sha256
    assert generate(spec).lookups == spec.lookups


@pytest.mark.parametrize("name", OURS)
def test_seeds_give_other_rows_except_where_none_are_drawn(name):
    spec = short(name)
    rows, other = (generate(spec.model_copy(update={"seed": seed})).rows for seed in (1, 2))
    assert (rows == other).all() == (spec.generator == "sequential" and not spec.pooling_spread)


@pytest.mark.parametrize("name", ["meta-2021", "mlperf-dlrm-v2", "uniform"])
def test_a_trace_written_piece_by_piece_is_the_trace_made_in_memory(tmp_path, monkeypatch, name):
    spec = short(name)
    whole = generate(spec, name)
    monkeypatch.setattr(stream, "WINDOW_LOOKUPS", 1000)
    done = []
    written = write(spec, tmp_path / "streamed", name, done.append)
    assert len(done) > 1
    assert sum(done) == spec.lookups
    write_native(whole, tmp_path / "whole")
    sidecars = [json.loads((tmp_path / f / "trace.json").read_text()) for f in ("streamed", "whole")]
    assert sidecars[0] == sidecars[1]
    assert written.sha256 == whole.sha256
    read_native(tmp_path / "streamed", verify=True)


def test_a_table_major_trace_is_sorted_before_it_is_written(tmp_path):
    spec = load_workload("uniform", ["lookups=5000", "rows=100", "order=table-major"])
    written = write(spec, tmp_path / "trace")
    assert written.order == "table-major"
    assert written.sha256 == generate(spec).sha256
    assert (np.diff(written.bag_tables) >= 0).all()


def test_a_trace_too_long_for_memory_is_to_be_written_to_disk(monkeypatch):
    monkeypatch.setattr(stream, "MEMORY_BYTES", 10_000)
    with pytest.raises(InputError) as error:
        open_trace("preset:uniform")
    assert str(error.value) == (
        "uniform: lookups = 100000: about 415 KiB, and at most 9.766 KiB are generated in memory; write a longer "
        "trace to disk first (archsim trace generate, sample-major) and give its folder"
    )


def test_a_limit_beyond_a_preset_is_a_note_and_changes_no_content():
    short = open_trace("preset:zipf", overrides=["lookups=500"])
    beyond = open_trace("preset:zipf", overrides=["lookups=500"], limit=1500)
    note = "preset:zipf has 500 lookups, fewer than the limit of 1,500; workload.lookups=1500 makes more"
    assert beyond.notes == (*short.notes, note)
    assert beyond.sha256 == short.sha256
    assert open_trace("preset:zipf", overrides=["lookups=500"], limit=500).notes == short.notes


def test_a_limit_keeps_a_long_preset_in_memory(monkeypatch):
    monkeypatch.setattr(stream, "MEMORY_BYTES", 10_000_000)
    trace = open_trace("preset:uniform", overrides=["lookups=1e9"], limit=1000)
    assert trace.sha256 == open_trace("preset:uniform").limit(1000).sha256


def test_a_disk_without_room_is_noticed_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(stream.shutil, "disk_usage", lambda _: SimpleNamespace(free=1 << 30))
    with pytest.raises(InputError) as error:
        write(load_workload("uniform", ["lookups=1e9"]), tmp_path / "big")
    assert str(error.value) == f"{tmp_path / 'big'}: about 3.958 GiB are needed, and the disk has 1 GiB free"
    assert list(tmp_path.iterdir()) == []


def test_a_generator_that_fails_leaves_nothing_behind(tmp_path):
    spec = load_workload("uniform", ["lookups=1e7", "arrival.process=paced", "arrival.samples_per_s=1e-3"])
    with pytest.raises(InputError, match="beyond"):
        write(spec, tmp_path / "trace")
    assert list(tmp_path.iterdir()) == []


def test_lengths_may_be_written_as_people_write_them():
    assert load_workload("zipf", ["lookups=1e9"]).lookups == 10**9
    with pytest.raises(InputError, match=r"^--set: lookups = 1.5: must be a whole number$"):
        load_workload("zipf", ["lookups=1.5"])


def test_every_generator_names_its_own_class():
    assert {workload_class(name).model_fields["generator"].annotation.__args__[0] for name in OURS} <= set(
        NAMES
    )


def test_a_file_may_start_from_a_preset_or_name_a_generator(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('preset = "meta-2021"\ntables = 2\n')
    assert load_workload(path).tables == 2
    assert open_trace(f"preset:{path}", limit=100).name == "mine"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tables = 2\n", "generator: missing (one of "),
        ('generator = "zpif"\n', "generator = 'zpif': unknown generator (did you mean 'zipf'?)"),
        ("generator = 3\n", "generator = 3: unknown generator"),
        ("generator = [1]\n", "generator = [1]: unknown generator"),
        ('preset = "zpif"\n', "preset = 'zpif': unknown workload preset (did you mean 'zipf'?)"),
        ('preset = "uniform"\nskew = [1]\n', "skew: unknown key"),
    ],
)
def test_a_file_that_describes_no_workload_is_refused(tmp_path, text, message):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        load_workload(path)
    assert str(error.value).startswith(f"{path}: {message}")


def test_an_override_of_the_generator_is_refused():
    with pytest.raises(InputError, match=r"^--set: generator = 'zipf': must be 'uniform'"):
        load_workload("uniform", ["generator=zipf"])


@pytest.mark.parametrize(
    ("preset", "tables", "vector_bytes"),
    [
        ("dlrm-rmc1-small", 8, 128),
        ("dlrm-rmc1-large", 12, 128),
        ("dlrm-rmc2-small", 24, 256),
        ("dlrm-rmc2-large", 64, 256),
    ],
)
def test_the_rmc_presets_have_the_shapes_of_the_paper(preset, tables, vector_bytes):
    spec = load_workload(preset)
    assert {(table.rows, table.vector_bytes) for table in spec.layout()} == {(1_000_000, vector_bytes)}
    assert len(spec.layout()) == tables
    lengths = spec.bag_lengths(0, 5000)
    assert (lengths.min(), lengths.max()) == (20, 80)


def test_the_command_line_writes_a_timed_trace_and_says_what_it_is(tmp_path):
    out = tmp_path / "timed"
    words = "trace generate preset:meta-2021 --set lookups=2e4 --set workload.tables=2 --arrivals poisson:1e6/s --out"
    status, text, err = run(*words.split(), str(out))
    trace = read_native(out)
    assert (status, err) == (0, "")
    assert text == f"{out}: 20,000 lookups in {trace.bags:,} bags, sha256 {trace.sha256[:12]}\n"
    assert (trace.name, trace.generator, len(trace.tables)) == ("meta-2021", "reuse", 2)
    assert trace.time_ps is not None
    assert "arrival = poisson samples_per_s = 1000000.0" in trace.notes[0]
    assert trace.notes[1].startswith("shorter than one epoch")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("meta-2020", "workload 'meta-2020': unknown workload preset (did you mean 'meta-20"),
        (
            "zipf --set arrival.process=possion",
            "--set: arrival.process = 'possion': must be 'saturated', 'paced'",
        ),
        ("zipf --arrivals bursty:5/s", "--arrivals 'bursty:5/s': must be paced:N/s or poisson:N/s"),
        ("zipf --arrivals poisson:0/s", "--set: arrival.samples_per_s = 0: must be more than 0"),
        ("zipf --arrivals poisson:1e/s", "--set: arrival.samples_per_s = '1e': "),
        ("zipf --set lookups=1e12", "new: about 3."),
        ("meta-2021 --set rows=5", "rows = 5: must be at least "),
    ],
)
def test_a_mistake_on_the_command_line_is_one_line_and_leaves_nothing(tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(stream.shutil, "disk_usage", lambda _: SimpleNamespace(free=1 << 40))
    status, text, err = run("trace", "generate", *words.split(), "--out", "new")
    assert (status, text) == (2, "")
    assert err.startswith(f"archsim: error: {message}")
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", OURS)
def test_show_lists_every_parameter_of_every_workload(name):
    status, text, _ = run("show", "workload", name)
    assert status == 0
    shown = {line.split()[0] for line in text.splitlines() if not line.startswith(" ")}
    given = {
        key for key, value in load_workload(name).to_dict().items() if key != "arrival" and value is not None
    }
    assert given | {"arrival.process"} <= shown
