"""What the documents say can be done can be done."""

import ast
import doctest
import gzip
import re
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
import yaml
from examples import NOT_RUN, blocks_of, command_lines, examples_of_commands, run_line, run_python
from program import run

import archsim
import archsim.approx
from archsim import show
from archsim.spec import preset_path
from archsim.traces import write_native

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
WITH_EXAMPLES = [
    page for page in PAGES if any(block.language in ("sh", "python") for block in blocks_of(page))
]
COMMANDS = examples_of_commands()


def _bags(path):
    path.write_text("3 17 4\n17 250\n3 99 17 4\n", encoding="utf-8")


def _zipped_bags(path):
    with gzip.open(path, "wt") as file:
        file.write("3 17 4\n17 250\n")


def _tables(path):
    """Write two tables as ``emb_T_indices`` and ``emb_T_lengths``."""
    trace = archsim.open_trace("preset:zipf", limit=2000)
    columns = {}
    for table in range(2):
        bags = np.flatnonzero(trace.bag_tables == table)
        spans = list(zip(trace.bag_offsets[bags], trace.bag_offsets[bags + 1], strict=True))
        columns[f"emb_{table}_indices"] = np.concatenate([trace.rows[start:end] for start, end in spans])
        columns[f"emb_{table}_lengths"] = np.array([end - start for start, end in spans])
    with path.open("wb") as file:
        np.savez(file, **columns)


def _native(path):
    write_native(archsim.open_trace("preset:zipf", limit=2000), path)


def _batches(path):
    torch = pytest.importorskip("torch")
    lengths = torch.tensor([[2, 1], [2, 1]])
    with gzip.open(path, "wb") as file:
        torch.save((torch.tensor([4, 0, 7, 1, 1, 3]), torch.tensor([0, 2, 3, 5, 6]), lengths), file)


def _commands(path):
    assert (
        run("replay", "preset:zipf", "--limit", "50", "--system", "host-8rank", "--commands", path).status
        == 0
    )


def _commands_of_ddr5(path):
    memory = ["--set", "dram.preset=ddr5-4800", "--set", "dram.organization.ranks=2"]
    replay = ["replay", "preset:zipf", "--limit", "50", "--system", "host-2rank", *memory]
    assert run(*replay, "--commands", path).status == 0


def _study(path):
    vary = ["--vary", "nmp.cache.size=64KiB,128KiB", "--vary", "dram.timing.tRCD=16,17"]
    assert (
        run(
            "sweep", "preset:zipf", "--limit", "500", "--system", "recnmp-opt-2rank", *vary, "--out", path
        ).status
        == 0
    )


def _report(path):
    assert run("replay", "preset:zipf", "--limit", "500", "--system", "host-1rank", "--out", path).status == 0


def _workload(path):
    path.write_text(preset_path("workload", "zipf", "").read_text(encoding="utf-8"), encoding="utf-8")


def _system(path):
    path.write_text('preset = "recnmp-base-8rank"\nname = "mine"\n', encoding="utf-8")


def _own_system(path):
    path.write_text(_block_of_designs("toml").text, encoding="utf-8")


def _own_design(path):
    path.write_text(_block_of_designs("python").text.partition("mine = ")[0], encoding="utf-8")


def _block_of_designs(language):
    """Return the block of the page on designs that its command line has in a file."""
    blocks = blocks_of(ROOT / "docs" / "near-memory-designs.md")
    return [block for block in blocks if block.language == language][-1]


def _products(path):
    """Write a table of signed products as an array of C holds it."""
    table = archsim.approx.multiplier("mitchell", 8, signed=True).table()
    np.save(path, np.roll(table, (128, 128), (0, 1)))


def _curve(path):
    path.write_text("x,y\n0,0\n0.2,0.6\n1,1\n", encoding="utf-8")


def _floorplan(path):
    path.write_text("core 0.008 0.016 0 0\ncache 0.008 0.016 0.008 0\n", encoding="utf-8")


def _power_trace(path):
    path.write_text("core cache\n20 5\n10 5\n", encoding="utf-8")


def _frames(path):
    path.write_text("time_s,v_all\n0,2.4\n0.033,0\n0.066,2.4\n", encoding="utf-8")


def _claims(path):
    path.write_text("// MAE = 114\n// EP% = 87.89 %\n", encoding="utf-8")


#: Files of the reader's that examples name, and what makes one.
GIVEN = {
    "ev6.flp": _floorplan,
    "frames.csv": _frames,
    "gcc.ptrace": _power_trace,
    "TRACE": _tables,
    "after": _native,
    "bags.txt": _bags,
    "bags.txt.gz": _zipped_bags,
    "before": _native,
    "commands.csv": _commands,
    "curve.csv": _curve,
    "fbgemm_t856_bs65536.pt.gz": _batches,
    "kaggle-emb.npz": _tables,
    "long-trace": _native,
    "monday": _study,
    "mul8s_1L2H.c": _claims,
    "mul8s_1L2H.npy": _products,
    "my-own.toml": _workload,
    "my-system.toml": _system,
    "my-trace": _native,
    "my-trace.npz": _tables,
    "my-report": _report,
    "my-study": _study,
    "plain_commands.py": _own_design,
    "trace.csv.gz": _commands_of_ddr5,
    "tuesday": _study,
}


@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=lambda page: page.name)
def test_the_examples_of_a_page_run_in_their_order(page, tmp_path):
    mpl.use("agg")
    given = GIVEN | ({"my-system.toml": _own_system} if page.name == "near-memory-designs.md" else {})
    names = {}
    for block in blocks_of(page):
        if block.language == "python":
            run_python(block, tmp_path, names)
        elif block.language == "sh":
            for line in command_lines(block.text):
                run_line(line, tmp_path, given)


@pytest.mark.parametrize("example", COMMANDS, ids=lambda example: example.place)
def test_the_examples_of_the_help_run(example, tmp_path):
    for number, line in enumerate(command_lines(example.text)):
        folder = tmp_path / str(number)  # each stands for itself
        folder.mkdir()
        run_line(line, folder, GIVEN)


def test_every_command_has_an_example():
    assert len(COMMANDS) >= 10


def test_a_line_that_is_not_run_is_still_written_somewhere():
    written = [block for page in PAGES for block in blocks_of(page) if block.language == "sh"]
    lines = {line for block in [*written, *COMMANDS] for line in command_lines(block.text)}
    assert set(NOT_RUN) <= lines


def test_the_example_of_the_package_docstring_runs():
    tried = doctest.testmod(archsim)
    assert tried.attempted > 0
    assert tried.failed == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_paths_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (page.parent / target).exists() or _made(target), target
    for path in re.findall(
        r"`((?:archsim|kernels|traces|tests|docs|benchmarks|notebooks)/[\w./-]+\.\w+)`", text
    ):
        assert (ROOT / path).exists(), path


def _made(target):
    """Whether a page is one that is made while the site is built."""
    fixed = ("reference/command-line.md", "reference/python.md", "contributing.md")
    kinds = [f"reference/presets/{kind}.md" for kind in show.kinds()]
    notebooks = [f"notebooks/{path.stem}.md" for path in (ROOT / "notebooks").glob("*.ipynb")]
    return target in (*fixed, *kinds, *notebooks)


def test_every_page_has_its_place_in_the_site():
    class Loader(yaml.SafeLoader):
        pass

    def pages(part):
        if isinstance(part, dict | list):
            for item in part.values() if isinstance(part, dict) else part:
                yield from pages(item)
        else:
            yield part

    site = yaml.load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"), Loader)
    placed = list(pages(site["nav"]))
    assert len(placed) == len(set(placed))
    assert {page.name for page in (ROOT / "docs").glob("*.md")} <= set(placed)


def test_the_site_has_a_title_for_every_kind_of_preset():
    text = (ROOT / "tools" / "site" / "reference_pages.py").read_text(encoding="utf-8")
    titles = next(
        node.value
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "KINDS"
    )
    assert set(ast.literal_eval(titles)) == set(show.kinds())
