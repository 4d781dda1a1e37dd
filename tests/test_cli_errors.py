"""Everything a user can get wrong: one line that says what, exit status 2, and nothing written."""

import json
import lzma
import os
import shlex
import shutil
import subprocess

import numpy as np
import pytest
from program import run, start

from archsim.show import names
from archsim.traces.formats.registry import FILE_FORMATS, NATIVE

FILES = {
    "empty": b"",
    "blank": b"\n\n",
    "words": b"hello world\n",
    "text": b"1 2\n3 x4 5\n",
    "negative": b"1 2\n3 -4\n",
    "beyond": b"1 2\n3 20\n",
    "damaged.xz": lzma.compress(b"1 2 3\n" * 999)[:-20],
    "syntax.toml": b'preset = "host-2rank"\nname = \n',
    "misspelt.toml": b'preset = "host-2rank"\n[dram.timing]\ntRDC = 17\n',
    "binary.toml": b"name = '\xff'\n",
    "empty.toml": b"",
    "nan.toml": b'preset = "host-2rank"\ndram.energy.activate_pj = nan\n',
    "huge.toml": b'preset = "host-2rank"\ndram.timing.tRCD = ' + b"9" * 5000,
    "deep.toml": b"name = " + b"[" * 5000,
    "base.toml": b'preset = "cake"\n',
}


def edit_sidecar(folder, **changes):
    """Change values of the JSON beside the columns."""
    path = folder / "trace.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.fixture(scope="module")
def mess(tmp_path_factory, native_trace):
    """A folder of sound and unsound files."""
    folder = tmp_path_factory.mktemp("mess")
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    for name in ["good", "cut", "no_column", "pipe_column", "pipe_sidecar", "lookups", "hash", "row"]:
        shutil.copytree(native_trace, folder / name)
    os.truncate(folder / "cut" / "rows.npy", 5000)
    (folder / "no_column" / "rows.npy").unlink()
    for place in ("pipe_column/rows.npy", "pipe_sidecar/trace.json"):
        (folder / place).unlink()
        os.mkfifo(folder / place)
    edit_sidecar(folder / "lookups", lookups=1999)
    edit_sidecar(folder / "hash", sha256="0" * 64)
    rows = np.load(folder / "row" / "rows.npy")
    rows[7] = 5000
    np.save(folder / "row" / "rows.npy", rows)
    np.savez(folder / "floats.npz", emb_0_indices=np.array([1.0, np.nan]), emb_0_lengths=np.array([2]))
    np.savez(folder / "nothing.npz", emb_0_indices=np.empty(0, int), emb_0_lengths=np.empty(0, int))
    os.mkfifo(folder / "pipe")
    os.mkfifo(folder / "pipe.toml")
    (folder / "dangling").symlink_to("nowhere")
    (folder / "loop").symlink_to("loop")
    (folder / "spaced out 名").write_text("1 -2\n")
    return folder


SYSTEMS = ", ".join(names("system"))
READABLE = ", ".join(sorted([NATIVE, *FILE_FORMATS]))
FORMATS = "; ".join(f"{name} = {each.summary}" for name, each in FILE_FORMATS.items())
REPLAY_HELP = "(try 'archsim replay --help')"
TAKEN = "exists already; choose a new name or remove it first"

# The command line as one would type it -> the line on standard error, after "archsim: error: ".
MISTAKES = {
    # commands, options and their values
    "replya": "No such command 'replya'. Did you mean 'replay'? (try 'archsim --help')",
    "trace inf": "No such command 'inf'. Did you mean 'info'? (try 'archsim trace --help')",
    "replay": f"Missing argument 'TRACE' {REPLAY_HELP}",
    "replay good --limit x": f"Invalid value for '--limit': 'x' is not a whole number {REPLAY_HELP}",
    "replay good --limit 1e3": f"Invalid value for '--limit': '1e3' is not a whole number {REPLAY_HELP}",
    "replay good --limit 0": f"Invalid value for '--limit': '0' must be at least 1 {REPLAY_HELP}",
    "replay text --rows -5": f"Invalid value for '--rows': '-5' must be at least 1 {REPLAY_HELP}",
    "trace generate zipf": "Missing option '--out' (try 'archsim trace generate --help')",
    # paths
    "replay missing": "missing: no such file or folder",
    "replay dangling": "dangling: no such file or folder",
    "replay loop": "loop: cannot be read: Too many levels of symbolic links",
    "replay .": ".: a folder without trace.json; a native trace holds one",
    "replay pipe": "pipe: not a regular file",
    "replay pipe --format bags": "pipe: not a regular file",
    "replay pipe --format npz": "pipe: not a regular file",
    "replay /dev/zero --format bags": "/dev/zero: not a regular file",
    "trace info pipe": "pipe: not a regular file",
    # files of rows
    "replay empty": "empty: empty file",
    "replay blank": rf"blank: starts with b'\n\n', which is no known trace format; with --format: {FORMATS}",
    "replay words": (
        rf"words: starts with b'hello world\n', which is no known trace format; with --format: {FORMATS}"
    ),
    "replay text": "text: line 2, column 3: 'x4' is not a row number; digits separated by spaces are needed",
    "replay negative": "negative: line 2, column 3: row '-4' is negative; rows count from 0",
    "replay 'spaced out 名'": "spaced out 名: line 1, column 3: row '-2' is negative; rows count from 0",
    "replay beyond --rows 10": ("beyond: line 2, column 3: row '20' is outside the table's 10 rows (0 to 9)"),
    "replay floats.npz": (
        "floats.npz: emb_0_indices holds float64 of shape (2,); it must hold integers in one dimension"
    ),
    "replay nothing.npz": "nothing.npz: no lookups in any of its 1 tables",
    "replay text --format txt": f"text: unknown format 'txt' (valid: {READABLE})",
    "replay text --vector-bytes 6": (
        "table 'of the file': vector_bytes = 6 must be a multiple of the 4 bytes of a float32 element"
    ),
    # native traces
    "replay cut": "cut/rows.npy: 5000 bytes, but 8128 expected for 2000 entries of int32",
    "replay no_column": "no_column/rows.npy: missing; trace.json declares the column 'rows'",
    "replay pipe_column": "pipe_column/rows.npy: not a regular file",
    "replay pipe_sidecar": "pipe_sidecar/trace.json: not a regular file",
    "replay lookups": "lookups/trace.json: lookups = 1999, but rows.npy holds 2000 entries",
    "trace info lookups": "lookups/trace.json: lookups = 1999, but rows.npy holds 2000 entries",
    "replay row": (
        "row: lookup 7 (bag 0, table 0 'table_0'): row 5000 is outside the table's 5000 rows (0 to 4999)"
    ),
    "replay good --rows 9": "good: rows = 9 cannot be given; a native trace declares its tables",
    "replay good --order table": "zipf: unknown order 'table' (did you mean 'table-major'?)",
    "replay good --set workload.rows=9": (
        "good: 'rows=9' cannot be set; only a generated trace has parameters"
    ),
    # generated traces
    "replay preset:zip": "workload 'zip': unknown workload preset (did you mean 'zipf'?)",
    "replay preset:zipf --rows 9": "preset:zipf: rows = 9 is for files; set the preset's own parameter instead",
    "replay preset:zipf --set workload.lookup=9": "--set: lookup: unknown key (did you mean 'lookups'?)",
    "replay preset:zipf --set workload.rows=1.5": "--set: rows = 1.5: must be a whole number",
    "replay preset:zipf --set workload.skew=[nan]": "--set: skew[0] = nan: must be a finite number",
    "trace generate zipf --set lookups=0 --out new": "--set: lookups = 0: must be at least 1",
    "trace generate zipf --out good": f"good: {TAKEN}",
    # systems
    "replay good --system host-8rnk": "system 'host-8rnk': unknown system preset (did you mean 'host-8rank'?)",
    "replay good --system ''": f"system '': unknown system preset (valid: {SYSTEMS})",
    "replay good --system missing.toml": "missing.toml: No such file or directory",
    "replay good --system pipe.toml": "pipe.toml: not a regular file",
    "replay good --system syntax.toml": "syntax.toml: line 2, column 8: Invalid value",
    "replay good --system misspelt.toml": "misspelt.toml: dram.timing.tRDC: unknown key (did you mean 'tRCD'?)",
    "replay good --system binary.toml": "binary.toml: byte 8: not UTF-8 text",
    "replay good --system empty.toml": "empty.toml: name: missing (label in results) (and 4 more)",
    "replay good --system nan.toml": "nan.toml: dram.energy.activate_pj = nan: must be a finite number",
    "replay good --system deep.toml": "deep.toml: TOML: maximum recursion depth exceeded",
    "replay good --system base.toml": f"base.toml: preset = 'cake': unknown system preset (valid: {SYSTEMS})",
    "replay good --set dram.timing.tRCD": (
        "--set 'dram.timing.tRCD': must be PATH=VALUE, such as dram.timing.tRCD=16"
    ),
    "replay good --set ''": "--set '': must be PATH=VALUE, such as dram.timing.tRCD=16",
    "replay good --set dram.timing=3": "--set: dram.timing = 3: must be a table of tCK_ps, CL, "
    "CWL, tRCD, tRCDWR, tRP ...",
    "replay good --set dram.timing.tRDC=3": "--set: dram.timing.tRDC: unknown key (did you mean 'tRCD'?)",
    "replay good --set dram.timing.tRCD=inf": "--set: dram.timing.tRCD = inf: must be a whole number",
    "replay good --set nmp.config_clk=1 --system host-2rank": (
        "--set nmp.config_clk=1: none of the systems has near-memory units: host-2rank"
    ),
    # targets
    "replay good --out good": f"good: {TAKEN}",
    "replay good --out dangling": f"dangling: {TAKEN}",
    "replay good --out /dev/full": f"/dev/full: {TAKEN}",
    "replay good --timeline text": f"text: {TAKEN}",
    "replay good --out new --timeline ./new": "new: --out and --timeline need different names",
    "replay good --timeline a.csv --commands ./a.csv": "a.csv: --timeline and --commands need different names",
    "replay good --commands text": f"text: {TAKEN}",
    "replay good --system host-2rank --commands new": (
        "new: a command log must end in .csv, .csv.gz or .parquet"
    ),
    "replay good --commands new.csv": "--commands new.csv: needs one --system, not 3",
    "replay good --commands new.csv --commands-limit 0": (
        f"Invalid value for '--commands-limit': '0' must be at least 1 {REPLAY_HELP}"
    ),
    "replay good --interval 1us": "--interval: needs --out, where the time series go",
    "replay good --out new --interval 5": (
        f"Invalid value for '--interval': '5': must be a number and a unit, such as '14 ns' {REPLAY_HELP}"
    ),
    "replay good --out new --interval 0ns": "interval of 0 ns: must be above 0 and at most 3.6e+12 ns",
    "check": "Missing argument 'LOG' (try 'archsim check --help')",
    "check pipe": "pipe: not a regular file",
    "check text": (
        "text: no column 'clk'; a command log has the columns clk,cmd,channel,rank,bankgroup,bank,row,col"
    ),
    # presets
    "show systm": "'systm': unknown kind of preset (did you mean 'system'?)",
    "show system cake": f"system 'cake': unknown system preset (valid: {SYSTEMS})",
}


@pytest.mark.parametrize("typed", MISTAKES)
def test_a_mistake_is_one_line_and_leaves_nothing_behind(typed, mess, monkeypatch):
    monkeypatch.chdir(mess)
    before = sorted(os.listdir())
    status, out, err = run(*shlex.split(typed))
    assert (out, err) == ("", f"archsim: error: {MISTAKES[typed]}\n")
    assert status == 2
    assert sorted(os.listdir()) == before


@pytest.mark.parametrize(
    ("typed", "begins"),
    [
        ("replay good --bogus", "No such option: --bogus"),
        ("replay good more", "Got unexpected extra argument"),
        ("replay good --system huge.toml", "huge.toml: TOML: Exceeds the limit"),
        ("replay good --out missing/new", "missing/new: cannot be written: there is no folder /"),
        ("replay good --out text/new", "text/new: cannot be written: there is no folder /"),
        ("trace generate zipf --out missing/new", "missing/new: cannot be written: there is no folder /"),
        ("replay damaged.xz", "damaged.xz: damaged xz data: "),
        ("replay hash", f"hash/trace.json: sha256 = '{'0' * 64}', but the columns hash to "),
        (f"replay {'x' * 300}", f"{'x' * 300}: cannot be read: File name too long"),
        (f"replay good --out {'x' * 300}", f"{'x' * 300}: cannot be written: File name too long"),
        (
            f"replay good --limit {'9' * 5000}",
            f"Invalid value for '--limit': '{'9' * 37}...' is not a whole number",
        ),
    ],
)
def test_a_mistake_that_others_describe_is_one_line_too(typed, begins, mess, monkeypatch):
    monkeypatch.chdir(mess)
    status, out, err = run(*shlex.split(typed))
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"archsim: error: {begins}")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (MemoryError("Unable to allocate 93.1 GiB"), "not enough memory: Unable to allocate 93.1 GiB"),
        (MemoryError(), "not enough memory"),
        (OSError(5, "Input/output error", "rows.npy"), "rows.npy: Input/output error"),
    ],
)
def test_a_machine_that_gives_up_is_told_in_one_line(error, told, mess, monkeypatch):
    def give_up(*_, **__):
        raise error

    monkeypatch.setattr("archsim.simulation.simulate", give_up)
    assert run("replay", mess / "good") == (2, "", f"archsim: error: {told}\n")


def test_a_name_of_several_lines_is_told_on_one():
    assert run("replay", "a\nb\x1b[31m").err == r"archsim: error: a\nb\x1b[31m: no such file or folder" + "\n"


@pytest.mark.parametrize("column", ["bag_tables", "bag_offsets", "rows"])
@pytest.mark.parametrize("system", ["host-2rank", "recnmp-base-2rank"])
def test_damage_in_data_too_large_to_verify_stops_the_replay(
    system, column, native_trace, tmp_path, monkeypatch
):
    monkeypatch.setattr("archsim.traces.formats.native.VERIFY_BYTES", 0)
    shutil.copytree(native_trace, tmp_path / "trace")
    values = np.load(tmp_path / "trace" / f"{column}.npy")
    values[3] = -1
    np.save(tmp_path / "trace" / f"{column}.npy", values)
    status, out, err = run("replay", tmp_path / "trace", "--system", system)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("archsim: error: zipf: ")


@pytest.mark.parametrize(
    ("typed", "place"),
    [
        ("replay good --out new", "archsim.simulation.simulate"),
        ("replay good --out new", "archsim.report.folder.plot_comparison"),
        ("replay good --timeline new.json", "archsim.report.timeline.json.dumps"),
        (
            "trace generate zipf --set lookups=100 --out new",
            "archsim.traces.formats.native_writer.read_native",
        ),
    ],
)
def test_an_interrupt_leaves_nothing_half_written(typed, place, mess, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.chdir(mess)
    before = sorted(os.listdir())
    monkeypatch.setattr(place, interrupted)
    status, _, err = run(*shlex.split(typed))
    assert (status, err) == (130, "archsim: interrupted\n")
    assert sorted(os.listdir()) == before


@pytest.mark.parametrize("typed", ["--help", "replay good --limit 100 --system host-2rank"])
def test_output_that_cannot_be_written_is_an_error(typed, mess):
    if not os.path.exists("/dev/full"):
        pytest.skip("this machine has no /dev/full")
    with open("/dev/full", "w") as full, start(*shlex.split(typed), stdout=full, cwd=mess) as program:
        assert program.stderr.read() == "archsim: error: standard output: No space left on device\n"
    assert program.returncode == 2


def test_of_two_replays_that_write_the_same_folder_one_is_refused(native_trace, tmp_path):
    target = tmp_path / "new"
    typed = ("replay", native_trace, "--limit", "100", "--system", "host-2rank", "--out", target)
    programs = [start(*typed, stdout=subprocess.DEVNULL) for _ in range(2)]
    ends = sorted((program.wait(), program.communicate()[1]) for program in programs)
    assert ends == [
        (0, f"report: {target}\n"),
        (2, f"archsim: error: {target}: {TAKEN}\n"),
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
