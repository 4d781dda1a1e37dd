"""Near-memory designs of a user's own, and what docs/near-memory-designs.md says can be done."""

import doctest
import math
import re
from pathlib import Path

import numpy as np
import program
import pytest

import archsim.nmp
from archsim import load_system, open_trace, simulate
from archsim.errors import InputError
from archsim.nmp import Design, register

PAGE = Path(__file__).parents[1] / "docs" / "near-memory-designs.md"


@pytest.fixture(scope="module")
def trace():
    return open_trace("preset:uniform", limit=6000)


class Mine(Design):
    name = "mine"


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"name": ""}, "needs a name, such as name = 'mine'"),
        ({"name": "recnmp"}, "the name 'recnmp' is taken by a shipped design"),
        ({"level": "dim"}, "design 'mine': level = 'dim' (did you mean 'dimm'?)"),
        ({"adder": "banks"}, "design 'mine': adder = 'banks' (did you mean 'bank'?)"),
        ({"issue_clk": 0}, "design 'mine': issue_clk = 0: must be a whole number, 1 to 1000000"),
        (
            {"issue_clk": 1_000_001},
            "design 'mine': issue_clk = 1000001: must be a whole number, 1 to 1000000",
        ),
        ({"broadcast": True, "issue_clk": 2}, "broadcast: an instruction for all units takes one clock"),
        ({"most_bursts": 1.5}, "design 'mine': most_bursts = 1.5: must be a whole number, 1 to 1000000"),
    ],
)
def test_designs_that_say_nothing_sound_are_not_registered(attributes, message):
    with pytest.raises(InputError, match=re.escape(message)):
        register(type("Wrong", (Mine,), attributes))


def test_only_designs_can_be_registered():
    with pytest.raises(InputError, match=r"must be a class that extends archsim\.nmp\.Design"):
        register(dict)


def test_a_name_of_ones_own_can_be_registered_again(trace):
    register(type("First", (Mine,), {"name": "again", "issue_clk": 9}))
    slow = simulate(load_system("recnmp-base-8rank", ["nmp.design=again"]), trace).cycles
    register(type("Second", (Mine,), {"name": "again"}))
    system = load_system("recnmp-base-8rank", ["nmp.design=again"])
    assert simulate(system, trace).cycles == simulate(load_system("recnmp-base-8rank"), trace).cycles < slow


@pytest.mark.parametrize(
    ("placed", "message"),
    [
        (lambda c: c[:-1], "place() must return an int64 array with an element per burst"),
        (lambda c: c.astype(np.int32), "place() must return an int64 array with an element per burst"),
        (lambda c: c.tolist(), "place() must return an int64 array with an element per burst"),
        (lambda c: c | 128 << 16, "place() put a burst on bank "),
        (lambda c: c | 0xFFFF, "place() put a burst on column 65535 of 128"),
        (lambda c: c | 1 << 56, "place() put a burst on channel 1 of 1"),
        (lambda c: c | 0xFFFFFF << 32, "place() put a burst on row 16777215 of 65536"),
        (lambda c: c | -1 << 63, "place() put a burst on channel 128 of 1"),
    ],
)
def test_places_outside_the_memory_are_refused(placed, message, trace):
    design = register(
        type("Misplaced", (Mine,), {"name": "misplaced", "place": lambda self, c, *_: placed(c)})
    )
    with pytest.raises(InputError, match=re.escape(f"design 'misplaced': {message}")):
        simulate(load_system("recnmp-base-8rank", [f"nmp.design={design.name}"]), trace)


def test_a_memory_of_another_organization_is_refused(trace):
    def memory(self):
        organization = self.dram.organization.model_copy(update={"rows": 128})
        return self.dram.model_copy(update={"organization": organization})

    design = register(type("Smaller", (Mine,), {"name": "smaller", "memory": memory}))
    with pytest.raises(InputError, match=r"design 'smaller': memory\(\) must keep the organization as it is"):
        simulate(load_system("recnmp-base-8rank", [f"nmp.design={design.name}"]), trace)


@pytest.mark.parametrize(("issue_clk", "issue_burst_clk"), [(2, 0), (1, 1), (2, 1), (5, 3)])
def test_pins_pass_no_more_instructions_than_their_clocks_allow(issue_clk, issue_burst_clk, trace):
    attributes = {"name": "pins", "issue_clk": issue_clk, "issue_burst_clk": issue_burst_clk}
    register(type("Pins", (Mine,), attributes))
    result = simulate(load_system("recnmp-base-8rank", ["nmp.design=pins"]), trace)
    clocks = issue_clk * result.nmp["instructions"] + issue_burst_clk * result.trace.requests
    assert math.isclose(result.utilisation["instruction_issue"] * result.cycles, clocks)
    assert result.cycles >= clocks


# ------------------------------------------------------------------------------------- the page, command line


def test_the_table_of_the_page_is_what_the_model_says():
    text = (
        PAGE.read_text(encoding="utf-8").partition("<!-- designs table -->")[2].partition("<!-- end -->")[0]
    )
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.strip().splitlines()]
    traces = [open_trace(f"preset:{name}", limit=100_000) for name in ("zipf", "recnmp-comb8")]
    hosts = [simulate(load_system("host-8rank"), trace) for trace in traces]
    for system, _, *figures, bottlenecks in lines[2:]:
        results = [simulate(load_system(system), trace) for trace in traces]
        speedups = [host.cycles / result.cycles for host, result in zip(hosts, results, strict=True)]
        energies = [result.energy_nj / host.energy_nj for host, result in zip(hosts, results, strict=True)]
        # Two and three digits are printed.
        assert [float(figure) for figure in figures] == pytest.approx([*speedups, *energies], rel=0.01)
        assert bottlenecks.split(", ") == list(dict.fromkeys(result.bottleneck for result in results))


@pytest.fixture(scope="module")
def example():
    (block,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.S)
    return block


def test_the_example_of_the_package_docstring_runs():
    tried = doctest.testmod(archsim.nmp)
    assert tried.attempted > 0
    assert tried.failed == 0


def test_the_walk_through_runs(example, capsys):
    exec(compile(example, PAGE.name, "exec"), {})
    table, bottleneck, refused = capsys.readouterr().out.rstrip().rsplit("\n", 2)
    assert "plain-8rank" in table
    assert bottleneck == "instruction_issue"
    assert refused.endswith(
        "nmp.instructions_per_clk = 2: must be 1: the host sends one DRAM command a clock"
    )


def test_the_commands_of_the_walk_through_run(example, tmp_path, monkeypatch, capsys):
    from archsim.cli import app

    page = PAGE.read_text(encoding="utf-8")
    (toml,) = re.findall(r"```toml\n(.*?)```", page, flags=re.S)
    (command,) = re.findall(r"```sh\narchsim (.*)\n```", page)
    (tmp_path / "plain_commands.py").write_text(example.partition("\nmine = ")[0], encoding="utf-8")
    (tmp_path / "my-system.toml").write_text(toml, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    app([*command.split(), "--limit", "4000"], standalone_mode=False)
    assert "plain-8rank" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\n", "registers no new design; see docs/near-memory-designs.md"),
        ("\nimport nothing_like_it\n", "line 2: ModuleNotFoundError: No module named 'nothing_like_it'"),
        ("def (:\n", "line 1: SyntaxError"),
        ("raise SystemExit(0)\n", "line 1: SystemExit"),
        (
            "from archsim.nmp import register\nregister(3)\n",
            "must be a class that extends archsim.nmp.Design",
        ),
        (None, "No such file or directory"),
    ],
)
def test_a_design_file_that_does_not_do_is_one_line(text, message, tmp_path):
    from archsim.nmp.design_files import load_design

    file = tmp_path / "mine.py"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=re.escape(message)) as refused:
        load_design(file)
    assert str(refused.value).startswith(f"--design {file}: ")
    assert "\n" not in str(refused.value)


# ------------------------------------------------------------------------------- designs that fail while they run


FAILING = """
from archsim.errors import InputError
from archsim.nmp import Design, register
from archsim.spec import FieldError


@register
class Failing(Design):
    name = "failing"

    def {method}({arguments}):
        {body}
"""
METHODS = {
    "__init__": "self, nmp, dram",
    "check": "self",
    "memory": "self",
    "place": "self, coordinates, lookup, packet_first",
    "check_vector": "self, vector_bytes, bursts",
}


def replay_failing(tmp_path, method, body):
    file = tmp_path / "failing.py"
    file.write_text(FAILING.format(method=method, arguments=METHODS[method], body=body), encoding="utf-8")
    near = ["--system", "recnmp-base-8rank", "--set", "nmp.design=failing"]
    return file, program.run("replay", "preset:uniform", "--limit", "500", "--design", file, *near)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("raise ValueError('not like\\n            this')", "ValueError: not like this"),
        ("assert False", "AssertionError"),
        ("raise RuntimeError('stuck')", "RuntimeError: stuck"),
        ("raise SystemExit(0)", "SystemExit: 0"),
        ("open('/nothing/here')", "FileNotFoundError: [Errno 2] No such file or directory: '/nothing/here'"),
    ],
)  # fmt: skip
def test_a_design_that_fails_is_one_line_with_file_class_and_method(method, body, message, tmp_path):
    body = body.replace("\n", "\\n")
    file, ended = replay_failing(tmp_path, method, body)
    assert ended.status == 2
    assert ended.err == f"archsim: error: {file}: line 12: design 'failing', Failing.{method}(): {message}\n"


@pytest.mark.parametrize("method", METHODS)
def test_what_a_design_refuses_by_itself_stays_as_it_is(method, tmp_path):
    _, ended = replay_failing(tmp_path, method, "raise InputError('no such thing')")
    assert (ended.status, ended.err.count("\n")) == (2, 1)
    assert ended.err.endswith("no such thing\n")
    assert "Failing" not in ended.err


def test_a_field_that_a_design_refuses_is_named(tmp_path):
    _, ended = replay_failing(tmp_path, "check", "raise FieldError('nmp.config_clk = 4', 'must be 5')")
    assert (ended.status, ended.err) == (2, "archsim: error: --set: nmp.config_clk = 4: must be 5\n")


def test_in_python_the_cause_is_kept(trace):
    def place(self, coordinates, lookup, packet_first):
        return coordinates[10**9]

    design = register(type("Lost", (Mine,), {"name": "lost", "place": place}))
    system = load_system("recnmp-base-8rank", [f"nmp.design={design.name}"])
    with pytest.raises(InputError, match=r"design 'lost', Lost\.place\(\): IndexError: ") as refused:
        simulate(system, trace)
    assert isinstance(refused.value.__cause__, IndexError)
    assert str(refused.value).startswith(f"{__file__}: line ")


def test_a_memory_that_is_none_is_refused(trace):
    design = register(type("Without", (Mine,), {"name": "without", "memory": lambda self: None}))
    with pytest.raises(InputError, match=r"design 'without': memory\(\) must return a DramSpec, not None"):
        simulate(load_system("recnmp-base-8rank", [f"nmp.design={design.name}"]), trace)


def test_a_mistake_in_a_shipped_design_keeps_its_traceback(trace, monkeypatch):
    def place(self, *arguments):
        raise ZeroDivisionError

    monkeypatch.setattr(archsim.nmp.designs.design_class("ideal"), "place", place)
    with pytest.raises(ZeroDivisionError):
        simulate(load_system("ideal-8rank"), trace)
