"""Points are laid out and checked before the first one runs."""

import json

import pytest

import archsim
from archsim.errors import InputError
from archsim.spec import apply_overrides
from archsim.studies.axes import parse_axes
from archsim.studies.code import code_version
from archsim.studies.plan import make_plan
from archsim.studies.points import point_id
from archsim.studies.space import Space
from archsim.systems.spec import SystemSpec
from archsim.traces import AddressTrace, open_trace

HOST, NEAR = "host-2rank", "recnmp-opt-2rank"


@pytest.fixture
def plan(tmp_path, native_trace):
    def make(axes, systems=(HOST,), traces=None, where=(), **options):
        limits = {key: options.pop(key) for key in ("max_points", "time_limit_s") if key in options}
        space = Space(traces or [native_trace], systems, tmp_path / "study", **options)
        return make_plan(space, parse_axes(axes), where=where, **limits)

    return make


def columns(found, *names):
    """Return a column of the axes, point by point."""
    return [tuple(task.axes[name] for name in names) for task in found.tasks]


def test_the_last_axis_varies_fastest(plan):
    found = plan(["dram.timing.tRCD=16,17", "dram.timing.tRP=14..16"])
    assert columns(found, "dram.timing.tRCD_clk", "dram.timing.tRP_clk") == [
        (rcd, rp) for rcd in (16, 17) for rp in (14, 15, 16)
    ]


def test_a_point_is_the_system_that_set_would_make(plan):
    (task,) = plan(["nmp.cache.size=64KiB"], [NEAR]).tasks
    expected = apply_overrides(archsim.load_system(NEAR), ["nmp.cache.size=64KiB"])
    assert task.system_json == expected.canonical_json()
    assert SystemSpec.from_dict(json.loads(task.system_json), "task") == expected
    assert task.point_id == point_id(expected.sha256(), task.trace.sha256, code_version())
    assert dict(task.axes) == {"nmp.cache.size_bytes": 65536}


def test_overrides_are_for_all_points(plan):
    found = plan(["dram.timing.tRCD=16,17"], overrides=["dram.timing.tRP=14"])
    assert {json.loads(task.system_json)["dram"]["timing"]["tRP"] for task in found.tasks} == {14}


def test_a_host_has_one_point_for_all_values_of_near_memory_units(plan):
    found = plan(["nmp.cache.size=64KiB,128KiB,256KiB"], [HOST, NEAR])
    assert [task.system for task in found.tasks] == [HOST, NEAR, NEAR, NEAR]
    assert columns(found, "nmp.cache.size_bytes") == [(None,), (65536,), (131072,), (262144,)]
    assert found.notes == (f"{HOST}: no near-memory units, so one point for all values of nmp.cache.size",)


def test_equal_points_are_one(plan):
    found = plan(["nmp.cache.size=128KiB,131072"], [NEAR])
    assert len(found.tasks) == 1
    assert found.notes == ("1 of 2 points equals another; each is run once",)


def test_linked_parameters_are_one_axis(plan):
    found = plan(["dram.timing.tRCD+dram.timing.tRP=16:14,17:15"])
    assert columns(found, "dram.timing.tRCD_clk", "dram.timing.tRP_clk") == [(16, 14), (17, 15)]


def test_a_preset_is_laid_under_what_else_varies(plan):
    found = plan(["dram.timing.tRCD=20,21", "dram.preset=ddr4-2400,ddr4-3200"])
    systems = [json.loads(task.system_json)["dram"]["timing"] for task in found.tasks]
    assert [(timing["tRCD"], timing["tCK_ps"]) for timing in systems] == [
        (rcd, tCK_ps) for rcd in (20, 21) for tCK_ps in (833, 625)
    ]
    assert columns(found, "dram.preset")[:2] == [("ddr4-2400",), ("ddr4-3200",)]


def test_conditions_leave_points_out_before_they_are_checked(plan):
    # 100 bytes are no whole number of lines, so that point could not be resolved.
    found = plan(["nmp.cache.size=64KiB,100B"], [NEAR], where=["nmp.cache.size >= 64KiB"])
    assert columns(found, "nmp.cache.size_bytes") == [(65536,)]


def test_all_conditions_must_hold(plan):
    found = plan(
        ["dram.timing.tRCD=14..20"], where=["dram.timing.tRCD > 15", "dram.timing.tRCD != 17 and true"]
    )
    assert columns(found, "dram.timing.tRCD_clk") == [(16,), (18,), (19,), (20,)]


def test_conditions_may_name_the_system(plan):
    found = plan(
        ["dram.timing.tRCD=16,17"],
        [HOST, "host-4rank"],
        where=["system == 'host-4rank' or dram.timing.tRCD == 16"],
    )
    assert [task.system for task in found.tasks] == [HOST, "host-4rank", "host-4rank"]


def test_conditions_name_a_trace_as_its_rows_do(plan, native_trace, tmp_path):
    other = tmp_path / "another-name"
    other.symlink_to(native_trace)
    name = open_trace(native_trace).name
    (task,) = plan([], traces=[other], where=[f"trace == '{name}'"]).tasks
    assert task.trace.name == name != other.name


def test_workloads_vary_slowest_so_that_traces_stay_open(plan):
    found = plan(
        ["dram.timing.tRCD=16,17", "workload.pooling=4,8"],
        traces=["preset:zipf"],
        overrides=["workload.rows=1000"],
        reading={"limit": 100},
    )
    assert columns(found, "workload.pooling", "dram.timing.tRCD_clk") == [(4, 16), (4, 17), (8, 16), (8, 17)]
    assert len({task.trace.sha256 for task in found.tasks}) == 2
    expected = open_trace("preset:zipf", overrides=["rows=1000", "pooling=4"], limit=100).sha256
    assert found.tasks[0].trace.sha256 == expected


def test_a_file_has_one_point_for_all_values_of_a_workload(plan, native_trace):
    found = plan(["workload.pooling=4,8"], traces=[native_trace, "preset:zipf"], reading={"limit": 100})
    assert columns(found, "workload.pooling") == [(None,), (4,), (8,)]
    assert "no parameters, so one point for all values of workload.pooling" in found.notes[0]


def test_the_definition_lists_every_point(plan):
    found = plan(["dram.timing.tRCD=16,17"], [HOST], where=["dram.timing.tRCD < 20"])
    definition = json.loads(json.dumps(found.definition))
    assert definition["points"]["dram.timing.tRCD_clk"] == [16, 17]
    assert definition["points"]["point_id"] == [task.point_id for task in found.tasks]
    assert definition["axes"] == [
        {"paths": ["dram.timing.tRCD"], "columns": ["dram.timing.tRCD_clk"], "values": [["16"], ["17"]]}
    ]
    assert definition["where"] == "(dram.timing.tRCD < 20)"


def test_a_value_out_of_range_at_point_873_is_named_before_any_work(plan, tmp_path):
    sizes = [64 * (number + 1) for number in range(1000)]
    sizes[872] = 100
    with pytest.raises(InputError) as error:
        plan({"nmp.cache.size": sizes, "nmp.cache.ways": [1]}, [NEAR])
    assert str(error.value) == (
        f"point 873 of 1,000 ({NEAR}, nmp.cache.size=100, nmp.cache.ways=1): nmp.cache.size = 100: must be a whole "
        "number of lines of line_bytes = 64"
    )
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ("dram.timing.tRDC=1", "unknown key 'tRDC' (did you mean 'tRCD'?)"),
        ("drma.timing.tRCD=1", "unknown key 'drma' (did you mean 'dram'?)"),
        ("dram.timing=1", "is a table; name one of its keys: tCK_ps,"),
        ("dram=1", "is a table; name one of its keys"),
        ("dram.timing.tRCD.x=1", "tRCD has no parameters of its own"),
        ("dram.timing.preset=1", "unknown key 'preset'"),
        ("nmp.cache.size=1", f"none of the systems has near-memory units: {HOST}"),
        ("workload.pooling=1", "only a generated trace"),
    ],
)
def test_a_misspelt_path_is_answered_with_the_nearest(axes, message, plan):
    with pytest.raises(InputError, match="--vary ") as error:
        plan([axes])
    assert message in str(error.value)


def test_a_misspelt_parameter_of_a_workload_is_answered_with_the_nearest(plan):
    with pytest.raises(InputError, match=r"--vary workload.poolnig: unknown key .* mean 'pooling'"):
        plan(["workload.poolnig=1"], traces=["preset:zipf"])


def test_a_workload_out_of_range_is_named_before_a_trace_is_made(plan):
    with pytest.raises(InputError, match=r"point 2 of 2 \(host-2rank, workload.rows=0\): rows = 0: must be"):
        plan(["workload.rows=200_000_000,0"], traces=["preset:zipf"])


def test_too_many_points_are_refused_at_once(plan):
    with pytest.raises(InputError, match=r"1,000,000 points .* 1 x 1 x 1,000 x 1,000.* more than 100,000"):
        plan(["dram.timing.tRCD=1..1000", "dram.timing.tRP=1..1000"])


def test_conditions_that_leave_nothing_are_refused(plan):
    with pytest.raises(InputError, match=r"--where dram.timing.tRCD > 99: leaves none of 2 points"):
        plan(["dram.timing.tRCD=16,17"], where=["dram.timing.tRCD > 99"])


def test_addresses_are_not_for_near_memory_units(plan):
    import numpy as np

    addresses = AddressTrace("a", np.arange(4, dtype=np.int64) * 64)
    with pytest.raises(InputError, match="sums embedding vectors"):
        plan(["dram.timing.tRCD=16"], [NEAR], [addresses])


def test_a_preset_that_undoes_what_a_system_sets_is_noted(plan, tmp_path):
    made = plan(["dram.preset=ddr4-2400,ddr4-3200"], ["host-8rank"])
    assert made.notes == (
        "host-8rank: --vary dram.preset replaces the whole table, and with it what the system sets there: "
        "dram.organization.ranks; to keep a value vary both together, as in "
        "dram.preset+dram.organization.ranks=ddr4-2400:VALUE",
    )
    kept = ["dram.preset+dram.organization.ranks=ddr4-2400:8,ddr4-3200:8"]
    assert plan(kept, ["host-8rank"]).notes == ()
    assert plan(["dram.preset=ddr4-2400", "dram.organization.ranks=8"], ["host-8rank"]).notes == ()
    # Changes that the presets bring too are none.
    file = tmp_path / "own.toml"
    file.write_text(
        'preset = "host-8rank"\nname = "own"\n[dram]\npreset = "ddr4-2400"\n[dram.timing]\ntRCD = 21\ntRP = 17\n',
        encoding="utf-8",
    )
    [note] = plan(["dram.preset=ddr4-2400"], [str(file)]).notes
    assert note.startswith("own: --vary dram.preset replaces")
    assert "sets there: dram.timing.tRCD; to keep" in note


def test_a_limit_beyond_a_generated_trace_is_noted(plan, native_trace, tmp_path):
    def notes(limit, axes, *overrides):
        space = Space(
            ["preset:zipf"], ["host-2rank"], tmp_path / "s", overrides=overrides, reading={"limit": limit}
        )
        return make_plan(space, parse_axes(axes)).notes

    assert notes(501, ["dram.timing.tRCD=14"], "workload.lookups=500") == (
        "preset:zipf has 500 lookups, fewer than the limit of 501; workload.lookups=501 makes more",
    )
    assert notes(500, ["dram.timing.tRCD=14"], "workload.lookups=500") == ()
    assert notes(501, ["workload.lookups=400,600"]) == ()


@pytest.mark.parametrize("limit", [0, -1, float("nan"), float("inf")])
def test_a_time_limit_is_above_zero(limit, plan):
    with pytest.raises(InputError, match="must be above 0"):
        plan(["dram.timing.tRCD=16"], time_limit_s=limit)


def test_a_design_of_this_process_alone_is_refused(plan, monkeypatch):
    from archsim.nmp import Design, register

    monkeypatch.setattr("archsim.nmp.designs._registered", {})

    @register
    class Mine(Design):
        name = "only-here"

    with pytest.raises(InputError, match="'only-here': is registered in this process only"):
        plan(["nmp.design=only-here"], ["recnmp-base-2rank"])


def test_a_design_of_this_process_alone_is_refused_beside_a_design_file(native_trace, tmp_path, monkeypatch):
    from archsim.nmp import Design, register

    monkeypatch.setattr("archsim.nmp.designs._registered", {})
    file = tmp_path / "filed.py"
    text = "from archsim.nmp import Design, register\n\n@register\nclass Filed(Design):\n    name = 'filed'\n"
    file.write_text(text, encoding="utf-8")

    @register
    class Mine(Design):
        name = "only-here"

    @register
    class Replaced(Design):
        name = "filed"

    def planned(*designs):
        space = Space([native_trace], ["recnmp-base-2rank"], tmp_path / "s", designs=[file])
        return make_plan(space, parse_axes([f"nmp.design={','.join(designs)}"]))

    with pytest.raises(InputError) as caught:
        planned("filed", "only-here")
    assert str(caught.value) == (
        f"design 'only-here': is registered in this process only, not in {file}, and workers would not know it; "
        "put it into a file and name that with --design (designs=[FILE])"
    )
    for _ in range(2):
        assert len(planned("filed").tasks) == 1


def test_the_code_version_is_that_of_the_sources():
    from archsim import __version__

    version, _, digest = code_version().partition("+")
    assert version == __version__
    assert len(digest) == 12
    assert int(digest, 16) >= 0


def test_the_code_version_covers_what_computes_and_not_what_prints():
    from archsim.studies.code import _sources

    names = {name for name, _ in _sources()}
    assert {"systems/host.py", "kernels/dram.pyx", "kernels/dram_replay.h", "traces/trace.py"} <= names
    assert "studies/columns.py" in names
    assert not [name for name in names if name.startswith(("cli", "report/", "validate/", "studies/store"))]


@pytest.mark.parametrize(
    ("axis", "fixed", "message"),
    [
        (
            "dram.timing.tRCD=14,15",
            "dram.timing.tRCD=99",
            "--set dram.timing.tRCD=99: dram.timing.tRCD varies; leave one of them out",
        ),
        (
            "dram.preset=ddr4-2400,ddr4-3200",
            "dram.organization.ranks=8",
            "--set dram.organization.ranks=8: --vary dram.preset replaces the whole table and would undo it; vary both "
            "together, as in dram.preset+dram.organization.ranks=A:1,B:1",
        ),
    ],
)
def test_what_an_axis_would_undo_is_not_set(axis, fixed, message, tmp_path):
    space = Space(["preset:zipf"], ["host-8rank"], tmp_path / "s", overrides=[fixed], reading={"limit": 100})
    with pytest.raises(InputError) as caught:
        make_plan(space, parse_axes([axis]))
    assert str(caught.value) == message
