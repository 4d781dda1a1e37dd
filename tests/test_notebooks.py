"""The notebooks: each runs anywhere from a fresh kernel, and is committed clean."""

import re
import shlex
from pathlib import Path

import nbclient
import nbformat
import pytest
import typer

from archsim import show
from archsim.cli import app
from archsim.errors import InputError
from archsim.peers import load_system
from archsim.traces import load_workload

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SHARED = ROOT.parent / "shared"
RECORDED = SHARED / "data" / "kaggle-emb" / "kaggle-emb.npz"
INDEX = ROOT / "docs" / "notebooks.md"
#: Run first by each kernel: who reaches for another machine gets an error. Kernels talk to their client over TCP.
NO_NETWORK = """
import sys
def _refuse(event, arguments):
    if event == "socket.getaddrinfo" and arguments[0] not in (None, "", "localhost", "127.0.0.1", "::1"):
        raise OSError(f"a notebook asked the network for {arguments[0]!r}")
sys.addaudithook(_refuse)
"""


def read(path):
    return nbformat.read(path, as_version=4)


def prose(notebook):
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def execute(notebook, here, timeout=120):
    """Run all cells in a kernel of its own that sits in a folder."""
    guard = f"--IPKernelApp.exec_lines={[f'exec({NO_NETWORK!r})']!r}"
    client = nbclient.NotebookClient(
        notebook, timeout=timeout, kernel_name="python3", extra_arguments=[guard]
    )
    return client.execute(cwd=str(here))


def printed(notebook):
    return "".join(
        output.get("text", "")
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if output.output_type == "stream" and output.name == "stdout"
    )


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder for the kernel, and another for its temporary files; both must be empty in the end."""
    folders = tmp_path / "here", tmp_path / "temporary"
    for folder in folders:
        folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folders[1]))
    monkeypatch.setenv(
        "TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "torch")
    )  # which PyTorch makes as it is imported
    monkeypatch.setenv("ARCHSIM_TRACE_SCALE", "0.2")
    yield folders[0]
    assert [path for folder in folders for path in folder.iterdir()] == []


def test_there_are_nine_notebooks():
    assert len(NOTEBOOKS) == 9


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_anywhere_without_network_and_leaves_nothing(path, here):
    notebook = execute(read(path), here)
    pictures = [
        output
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if "image/png" in output.get("data", {})
    ]
    assert pictures
    assert not [o for cell in notebook.cells for o in cell.get("outputs", ()) if o.get("name") == "stderr"]
    if "GENERATED stand-in" in "".join(cell.source for cell in notebook.cells):
        assert "GENERATED stand-in: the recorded trace is not here" in printed(notebook)


def test_a_notebook_that_asks_the_network_would_be_found(here):
    cell = nbformat.v4.new_code_cell("import socket; socket.create_connection(('example.org', 80))")
    with pytest.raises(nbclient.exceptions.CellExecutionError, match="asked the network for"):
        execute(nbformat.v4.new_notebook(cells=[cell]), here)


@pytest.mark.skipif(not RECORDED.exists(), reason="../shared/data/kaggle-emb is not on this machine")
@pytest.mark.parametrize("name", ["quickstart", "cache_curves"])
def test_notebook_finds_the_recorded_trace_above_its_folder(name, here):
    (here.parent / "shared").symlink_to(SHARED)
    notebook = execute(read(ROOT / "notebooks" / f"{name}.ipynb"), here)
    assert "recorded trace\n" in printed(notebook)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_committed_without_outputs_and_without_traces_of_an_editor(path):
    notebook = read(path)
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
        assert cell.metadata == {}
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert notebook.metadata.kernelspec == {
        "display_name": "Python 3",
        "language": "python",
        "name": "python3",
    }


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_names_no_absolute_path(path):
    for cell in read(path).cells:
        assert absolute_paths(cell.source) == []


def absolute_paths(text):
    return re.findall(r"(?<![\w.:/<>)\]*}-])/[A-Za-z_][\w.-]*/\S*|\b[A-Z]:\\\S*|~/\S*", text)


@pytest.mark.parametrize("text", ['Path("/tmp/x")', "see /home/me/trace.npz", r"C:\traces", "~/traces"])
def test_an_absolute_path_would_be_found(text):
    assert absolute_paths(text)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_commands_in_prose_exist_with_their_options_and_presets(path):
    lines = commands(prose(read(path)))
    assert lines
    for line in lines:
        check_command(line)


def commands(text):
    """Return what the prose calls commands: code that begins with the program's name, in a line or a block."""
    text = re.sub(r"\\\n\s*", "", text)
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", text, flags=re.S)).splitlines()
    inline = re.findall(r"`(archsim [^`]+)`", re.sub(r"```.*?```", "", text, flags=re.S))
    return [line for line in (*blocks, *(re.sub(r"\s+", " ", one) for one in inline)) if line]


def check_command(line):
    program, *words = shlex.split(line)
    assert program == "archsim", line
    command = typer.main.get_command(app)
    while hasattr(command, "commands"):
        assert set(words[:1]) & set(command.commands), line
        command = command.commands[words.pop(0)]
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known, line
    if command.name == "show":
        show_words(words)
    for before, word in zip(["", *words], words, strict=False):
        if word.startswith("preset:"):
            load_workload(word.removeprefix("preset:"))
        if before == "--system":
            load_system(word)


def show_words(words):
    kind, *names = words
    assert kind in show.kinds()
    for name in names:
        assert (ROOT / "archsim" / "presets" / kind / f"{name}.toml").exists(), name


@pytest.mark.parametrize(
    "line",
    [
        "archsim repaly preset:zipf",
        "archsim replay preset:zipf --sytem host-8rank",
        "archsim replay preset:zipff",
        "archsim replay preset:zipf --system host-9rank",
        "archsim show dram ddr4-2401",
    ],
)
def test_a_misspelt_command_would_be_found(line):
    with pytest.raises((AssertionError, InputError)):
        check_command(line)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_links_of_notebooks_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)#:]+)\)", prose(read(path))):
        assert (path.parent / target).exists(), target


def test_readme_and_index_name_every_notebook():
    index = INDEX.read_text(encoding="utf-8")
    assert "docs/notebooks.md" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"\]\(\.\./notebooks/(\w+)\.ipynb\)", index)) == [p.stem for p in NOTEBOOKS]
