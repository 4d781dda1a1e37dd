"""The commands: what they print, what programs that read it may rely on, how they end."""

import io
import os
import subprocess
import sys
from importlib import import_module

import pytest
from program import run, start, strict_json

import archsim
from archsim import doctor, load_system, open_trace
from archsim.cli_options import progress_bar
from archsim.show import kinds, names
from archsim.traces import read_native, trace_info

COMMANDS = (
    [],
    ["replay"],
    ["sweep"],
    ["trace"],
    ["trace", "generate"],
    ["trace", "info"],
    ["trace", "compare"],
    ["show"],
    ["cache"],
    ["check"],
    ["study"],
    ["study", "info"],
    ["study", "query"],
    ["study", "merge"],
    ["study", "export"],
    ["doctor"],
)
HEAVY = {"matplotlib", "numba", "numpy", "pandas", "pyarrow", "pydantic", "scipy", "tqdm"}
BOTH = ("--system", "host-2rank", "--system", "recnmp-base-2rank")

NUMBER = (int, float)
RUN = {
    "system": str,
    "system_sha256": str,
    "cycles": int,
    "time_ns": float,
    "requests": int,
    "reads": int,
    "writes": int,
    "row_hits": int,
    "row_misses": int,
    "row_conflicts": int,
    "activates": int,
    "precharges": int,
    "refreshes": int,
    "reads_forwarded": int,
    "reads_merged": int,
    "writes_coalesced": int,
    "latency_avg_ns": float,
    "latency_queueing_avg_ns": float,
    "latency_service_avg_ns": float,
    "latency_p50_ns": float,
    "latency_p90_ns": float,
    "latency_p99_ns": float,
    "latency_max_ns": float,
    "bandwidth_gbps": float,
    "peak_bandwidth_gbps": float,
    "bottleneck": str,
    "utilisation": dict,
    "row_open": dict,
    "channels": list,
    "ranks": list,
    "energy_nj": float,
    "energy": list,
    "cache": type(None),
    "speedup": float,
    "kernel_cpu_s": float,
}
LEDGER_ROW = {"component": str, "event": str, "count": int, "pj_per_event": NUMBER, "energy_nj": float}


def holds(data, types):
    """Whether every key is there, with a value of its type."""
    return {key: type(data[key]) for key in types if not isinstance(data[key], types[key])} == {}


@pytest.fixture(scope="module")
def replayed(native_trace):
    """What ``archsim replay --json`` prints for a host and RecNMP."""
    return strict_json(run("replay", native_trace, *BOTH, "--json").out)


# help and version


def test_the_version_is_that_of_the_package():
    assert run("--version") == (0, f"archsim {archsim.__version__}\n", "")


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: " ".join(["archsim", *words]))
def test_help_fits_80_columns_and_cuts_nothing_short(monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "80")
    status, text, err = run(*command, "--help")
    assert (status, err) == (0, "")
    usage, *lines = text.splitlines()
    assert usage.startswith(" ".join(["Usage: archsim", *command]))
    assert max(map(len, lines)) <= 80
    # Of a summary that is too long for the list of commands typer shows the beginning and three dots.
    assert not [line for line in lines if line.endswith("...") and not line.endswith(", ...")]


@pytest.mark.parametrize("group", [[], ["trace"], ["study"]], ids=["archsim", "trace", "study"])
def test_a_group_without_a_command_shows_its_help(group):
    assert run(*group) == run(*group, "--help")


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_version_and_help_load_nothing_heavy(option):
    script = (
        "import sys\n"
        "from archsim.cli import main\n"
        "try: main()\n"
        "except SystemExit: print(*{name.split('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", script, option], capture_output=True, text=True, check=True)
    assert ended.stdout
    assert "archsim" in ended.stderr.split()
    assert not HEAVY & set(ended.stderr.split())


# replay --json


def test_the_replay_object_has_the_promised_keys_and_types(replayed, native_trace):
    trace = read_native(native_trace)
    assert replayed["schema"] == 1
    assert replayed["version"] == archsim.__version__
    promised = {"name": "zipf", "sha256": trace.sha256, "lookups": 2000, "requests": 4000}
    assert replayed["trace"].items() >= promised.items()
    assert [each["system"] for each in replayed["runs"]] == ["host-2rank", "recnmp-base-2rank"]
    for each in replayed["runs"]:
        assert holds(each, RUN)
        assert all(isinstance(share, float) for share in each["utilisation"].values())
        assert each["energy"]
        assert all(holds(row, LEDGER_ROW) for row in each["energy"])


def test_the_figures_of_a_run_agree_with_each_other(replayed):
    first = replayed["runs"][0]
    assert first["speedup"] == 1.0
    for each in replayed["runs"]:
        spec = load_system(each["system"])
        assert each["system_sha256"] == spec.sha256()
        assert each["time_ns"] == each["cycles"] * spec.dram.timing.tCK_ps / 1000
        assert each["speedup"] == first["time_ns"] / each["time_ns"]
        assert (each["requests"], each["reads"], each["writes"]) == (4000, 4000, 0)
        assert each["row_hits"] + each["row_misses"] + each["row_conflicts"] == each["requests"]
        assert each["bandwidth_gbps"] == pytest.approx(64 * each["requests"] / each["time_ns"])
        assert each["bandwidth_gbps"] <= each["peak_bandwidth_gbps"]
        assert each["latency_p50_ns"] <= each["latency_p99_ns"] <= each["latency_max_ns"]
        assert each["utilisation"][each["bottleneck"]] == max(each["utilisation"].values())
        assert each["energy_nj"] == sum(row["energy_nj"] for row in each["energy"])
        assert each["kernel_cpu_s"] >= 0


def test_without_systems_the_host_and_recnmp_of_8_ranks_are_compared(native_trace):
    data = strict_json(run("replay", native_trace, "--limit", "500", "--json").out)
    assert [each["system"] for each in data["runs"]] == [
        "host-8rank",
        "recnmp-base-8rank",
        "recnmp-opt-8rank",
    ]
    assert data["trace"]["lookups"] == 500


def test_a_limit_beyond_the_trace_is_all_of_it(native_trace):
    out = run("replay", native_trace, "--system", "host-2rank", "--limit", 10**24, "--json").out
    assert strict_json(out)["trace"]["lookups"] == 2000


# replay: options


def test_overrides_reach_what_they_are_meant_for():
    args = ("--set", "workload.lookups=300", "--set", "dram.timing.tRCD=20", "--set", "nmp.config_clk=9")
    host, near = strict_json(run("replay", "preset:zipf", *BOTH, *args, "--json").out)["runs"]
    changed = ["dram.timing.tRCD=20"]
    assert host["system_sha256"] == load_system("host-2rank", changed).sha256()
    changed.append("nmp.config_clk=9")
    assert near["system_sha256"] == load_system("recnmp-base-2rank", changed).sha256()
    assert near["requests"] == host["requests"] == 600


def test_files_of_bare_rows_take_the_layout_from_options(tmp_path):
    (tmp_path / "bags").write_text("1 2 3\n4\n")
    args = ("--format", "bags", "--rows", "50", "--vector-bytes", "64", "--order", "table-major")
    data = strict_json(run("replay", tmp_path / "bags", "--system", "host-2rank", *args, "--json").out)
    trace = open_trace(tmp_path / "bags", format="bags", rows=50, vector_bytes=64, order="table-major")
    assert (data["trace"]["sha256"], data["trace"]["requests"]) == (trace.sha256, 4)


def test_a_system_may_be_a_file_with_spaces_and_letters_of_any_script(native_trace, tmp_path):
    path = tmp_path / "mein Gerät 名.toml"
    path.write_text('preset = "host-2rank"\nname = "Gerät 名"\n', encoding="utf-8")
    status, out, err = run(
        "replay", native_trace, "--limit", "100", "--system", path, "--out", tmp_path / "é a"
    )
    assert (status, err) == (0, f"report: {tmp_path / 'é a'}\n")
    assert "Gerät 名" in out
    assert (tmp_path / "é a" / "systems" / "01-Ger_t_.toml").exists()


def test_the_table_sets_what_the_dram_moved_and_not_cache_hits_against_its_peak():
    small = [
        "replay",
        "preset:zipf",
        "--limit",
        3000,
        "--set",
        "workload.rows=2000",
    ]
    ended = run(*small, "--system", "recnmp-opt-2rank", "--system", "host-2rank")
    assert ended.status == 0, ended.err
    lines = ended.out.splitlines()
    cells = {line[:30].strip(): line[30:].split() for line in lines if line.startswith(("bandwidth", "  "))}
    served, moved, peak, share = (
        cells[name]
        for name in (
            "bandwidth, cache hits included",
            "moved by the DRAM",
            "peak of the DRAM",
            "of that moved",
        )
    )
    assert float(served[0]) > float(moved[0])
    assert served[2] == moved[2]
    for part in (0, 1):
        expected = 100 * float(moved[2 * part]) / float(peak[2 * part])
        assert float(share[2 * part]) == pytest.approx(expected, abs=0.1)
    without = run(*small, "--system", "host-2rank").out
    assert "moved by the DRAM" not in without
    assert "cache hits included" not in without


def test_the_table_shows_the_figures_and_the_notes_of_the_trace(tmp_path):
    (tmp_path / "bags.txt").write_text("1 2 3\n4\n")
    status, out, err = run("replay", tmp_path / "bags.txt", *BOTH)
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith("trace bags: 4 lookups, sha256 ")
    assert lines[2].split() == ["host-2rank", "recnmp-base-2rank"]
    assert lines[3].split()[:2] == ["speedup", "1.00x"]
    assert lines[-1] == "note: rows per table estimated from the largest index"


class Terminal(io.StringIO):
    """Standard error that somebody watches."""

    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("stream", "seconds", "shown"), [(Terminal(), 3, True), (Terminal(), 1, False), (io.StringIO(), 3, False)]
)
def test_the_progress_bar_is_for_terminals_and_long_work(monkeypatch, stream, seconds, shown):
    monkeypatch.setattr(sys, "stderr", stream)
    with progress_bar(1000) as advance:
        bar = advance.__self__
        if not bar.disable:
            monkeypatch.setattr(bar, "_time", lambda: bar.start_t + seconds)
        advance(500)
        assert ("500/1.00k" in stream.getvalue()) == shown


def test_results_of_a_replay_are_not_lost_when_its_report_cannot_be_written(
    native_trace, tmp_path, monkeypatch
):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("archsim.report.folder.plot_comparison", full)
    status, out, err = run(
        "replay", native_trace, "--limit", "100", *BOTH, "--json", "--out", tmp_path / "new"
    )
    assert status == 2
    assert err == f"archsim: error: {tmp_path / 'new'}: cannot be written: No space left on device\n"
    assert len(strict_json(out)["runs"]) == 2
    assert list(tmp_path.iterdir()) == []


# traces


def test_a_generated_trace_is_the_one_that_replay_generates(tmp_path):
    changes = ("--set", "lookups=700", "--set", "workload.tables=3")
    status, out, err = run("trace", "generate", "preset:zipf", *changes, "--out", tmp_path / "new")
    trace = open_trace("preset:zipf", overrides=["lookups=700", "tables=3"])
    assert (status, err) == (0, "")
    assert out == f"{tmp_path / 'new'}: 700 lookups in {trace.bags} bags, sha256 {trace.sha256[:12]}\n"
    assert read_native(tmp_path / "new").sha256 == trace.sha256
    assert run("trace", "generate", "zipf", *changes, "--out", tmp_path / "again").status == 0
    assert read_native(tmp_path / "again").sha256 == trace.sha256


def test_info_as_json_is_what_python_gets(native_trace):
    assert strict_json(run("trace", "info", native_trace, "--json").out) == trace_info(
        read_native(native_trace)
    )


def test_info_lists_every_table_also_those_without_lookups(native_trace):
    status, out, err = run("trace", "info", native_trace, "--limit", "1")
    assert (status, err) == (0, "")
    rows = [line.split() for line in out.splitlines() if line.startswith("table_")]
    assert [row[0] for row in rows] == [f"table_{t}" for t in range(8)]
    assert [row[-1] for row in rows] == ["%", *["-"] * 7]


# show and doctor


def test_show_lists_all_presets_then_those_of_a_kind_then_values():
    assert run("show").out == "".join(f"{kind}: {', '.join(names(kind))}\n" for kind in kinds())
    assert run("show", "system").out.split() == names("system")
    text = run("show", "system", "host-4rank").out
    line = next(line for line in text.splitlines() if line.startswith("dram.timing.tRCD "))
    assert line.split(maxsplit=3) == [
        "dram.timing.tRCD",
        "17",
        "clk",
        "ACT to RD (and WR, without tRCDWR) of the same bank",
    ]


def test_the_doctor_names_what_is_compiled_and_its_speed(monkeypatch):
    monkeypatch.setattr(doctor, "_REQUESTS", 1000)
    status, out, err = run("doctor")
    assert (status, err) == (0, "")
    assert out.startswith(f"archsim {archsim.__version__}, Python {sys.version.split()[0]}")
    assert [line.split()[0] for line in out.splitlines()[1:]] == (
        ["packages", "compiled", "cores", "speed", "speed"]
    )
    assert out.splitlines()[2].endswith(": " + ", ".join(doctor._COMPILED))


def test_the_doctor_says_how_to_compile_what_is_missing(monkeypatch):
    def missing(name):
        if name == "archsim.kernels.recnmp":
            raise ModuleNotFoundError(f"No module named {name!r}")
        return import_module(name)

    monkeypatch.setattr(doctor, "import_module", missing)
    lines = run("doctor").out.splitlines()
    assert (
        "MISSING    archsim.kernels.recnmp: No module named 'archsim.kernels.recnmp'; run `pip install -e .`"
        in (line.removesuffix(" in the source tree") for line in lines)
    )
    assert not [line for line in lines if line.startswith("speed")]


# pipes


@pytest.mark.parametrize("buffered", [True, False])
def test_a_reader_who_has_seen_enough_is_no_error(native_trace, tmp_path, buffered):
    read, write = os.pipe()
    os.close(read)
    with start(
        *("replay", native_trace, "--system", "host-2rank", "--out", tmp_path / "new"),
        stdout=write,
        env=os.environ | {"PYTHONUNBUFFERED": "" if buffered else "1"},
    ) as program:
        os.close(write)
        assert program.stderr.read() == f"report: {tmp_path / 'new'}\n"
    assert program.returncode == 0
    assert (tmp_path / "new" / "results.json").exists()


def test_names_that_the_terminal_cannot_show_are_escaped(tmp_path):
    path = tmp_path / "caf\udce9 名.txt"
    path.write_text("1 2 3\n")
    args = ("replay", path, "--system", "host-2rank", "--out", tmp_path / "new")
    with start(*args, stdout=subprocess.PIPE, env=os.environ | {"PYTHONIOENCODING": "ascii"}) as program:
        out, err = program.communicate()
    assert (program.returncode, err) == (0, f"report: {tmp_path / 'new'}\n")
    assert out.startswith("trace caf\\udce9 \\u540d: 3 lookups")
    assert (
        (tmp_path / "new" / "comparison.txt").read_text(encoding="utf-8").startswith("trace caf\\udce9 名: 3")
    )
