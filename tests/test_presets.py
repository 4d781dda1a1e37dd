"""Every shipped preset: it loads, every number has a source, and it is the hardware its name says."""

import numbers
import tomllib

import pytest

from archsim.errors import InputError
from archsim.show import describe, kinds, lines, names, spec_class
from archsim.spec import PRESETS
from archsim.spec_errors import table_model
from archsim.systems.spec import SystemSpec, load_system

ALL = [(kind, name) for kind in kinds() for name in names(kind)]


def class_default(kind, name, path):
    """Return the default that a value has by its class, or None; a value equal to it needs no source."""
    *above, last = path.split("[")[0].split(".")
    cls = spec_class(kind, name)
    for key in above:
        cls = table_model(cls, key)
    return cls.model_fields[last].default


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_every_preset_loads_and_its_dump_reloads_to_the_same_hash(kind, name):
    cls = spec_class(kind, name)
    preset = cls.load(name)
    again = cls.from_toml(preset.to_toml(), "dump")
    assert again == preset
    assert again.sha256() == preset.sha256()


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_every_number_of_every_preset_has_a_source_and_every_value_a_meaning(kind, name):
    for row in describe(kind, name):
        assert row.description, f"{kind} {name}: {row.path} has no description"
        if isinstance(row.value, numbers.Number | list | dict) and row.value != class_default(
            kind, name, row.path
        ):
            assert row.source, f"{kind} {name}: {row.path} = {row.value} has no source"


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_every_source_of_a_preset_file_belongs_to_a_value_it_states(kind, name):
    table = tomllib.loads((PRESETS / kind / f"{name}.toml").read_text(encoding="utf-8"))
    sources = table.pop("sources", {})

    def stated(source, data):
        if isinstance(source, str):
            return data is not None
        return isinstance(data, dict) and all(stated(value, data.get(key)) for key, value in source.items())

    assert stated(sources, table)


def test_no_preset_file_is_outside_a_known_kind():
    assert {path.parent.name for path in PRESETS.rglob("*.toml")} <= set(kinds())


def test_the_systems_promised_to_users_exist():
    promised = {f"{family}-{ranks}rank" for family in ("host", "recnmp-base") for ranks in (2, 4, 8)}
    assert promised | {"host-1rank"} <= set(names("system"))


@pytest.mark.parametrize("ranks", [1, 2, 4, 8])
def test_a_host_has_the_ranks_of_its_name_at_8_gib_each(ranks):
    organization = load_system(f"host-{ranks}rank").dram.organization
    assert organization.ranks == ranks
    assert organization.capacity_bytes == ranks * 8 << 30
    assert (organization.access_bytes, organization.bursts_per_row, organization.banks) == (
        64,
        128,
        16 * ranks,
    )


@pytest.mark.parametrize("ranks", [2, 4, 8])
def test_recnmp_has_the_memory_and_placement_of_the_host(ranks):
    host, recnmp = load_system(f"host-{ranks}rank"), load_system(f"recnmp-base-{ranks}rank")
    together = host.dram.refresh.model_copy(update={"staggered": False})
    assert recnmp.dram == host.dram.model_copy(update={"refresh": together})
    assert recnmp.placement == host.placement
    assert (host.kind, host.nmp, recnmp.kind) == ("host", None, "recnmp")
    assert recnmp.nmp.ranks_per_dimm == 2
    assert {host.name, recnmp.name} == {f"host-{ranks}rank", f"recnmp-base-{ranks}rank"}


@pytest.mark.parametrize("ranks", [2, 4, 8])
def test_optimised_recnmp_differs_from_the_base_by_cache_scheduling_and_profiling(ranks):
    base, opt = load_system(f"recnmp-base-{ranks}rank"), load_system(f"recnmp-opt-{ranks}rank")
    assert (opt.dram, opt.placement) == (base.dram, base.placement)
    assert (base.nmp.cache.size, opt.nmp.cache.size) == (0, 128 * 1024)
    assert (opt.nmp.scheduling, opt.nmp.profile_threshold) == ("table-aware", 1)
    changed = {"cache", "scheduling", "profile_threshold", "unit"}
    assert opt.nmp.model_dump(exclude=changed) == base.nmp.model_dump(exclude=changed)


def test_ddr4_2400_is_the_memory_the_peers_were_measured_with():
    timing = load_system("host-1rank").dram.timing
    names_in_order = (
        "tCK_ps CL CWL tRCD tRP tRAS tRC tBL tCCD_S tCCD_L tRRD_S tRRD_L tFAW tWTR_S tWTR_L tWR tRTP tRTRS"
    )
    values = [833, 17, 12, 17, 17, 39, 56, 4, 4, 6, 4, 6, 26, 3, 9, 18, 9, 2]
    expected = dict(zip(names_in_order.split(), values, strict=True)) | {"tRFC": 420, "tREFI": 9360}
    found = {name: value for name, value in timing if value is not None} | {"tRC": timing.row_cycle_clk}
    assert {key: found[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("system", "override", "message"),
    [
        ("host-2rank", "nmp.preset=recnmp-base", "nmp: must be absent when kind = 'host'"),
        ("host-2rank", "kind=recnmp", "nmp: missing; kind = 'recnmp' needs it"),
        ("host-2rank", "placement.page_bytes=3000", "placement.page_bytes = 3000: must be a power of two"),
        ("host-2rank", "placement.page_bytes=32", "placement.page_bytes = 32: must be at least 64"),
        (
            "host-1rank",
            "placement.page_bytes=16 GiB",
            "placement.page_bytes = 17179869184: must be at most the memory, 8589934592 bytes",
        ),
        (
            "recnmp-base-2rank",
            "dram.organization.ranks=1",
            "nmp.ranks_per_dimm = 2: must divide dram.organization.ranks = 1",
        ),
        (
            "recnmp-base-2rank",
            "nmp.poolings_per_packet=17",
            "nmp.poolings_per_packet = 17: must be at most 16",
        ),
        ("recnmp-base-2rank", "nmp.cach=1", "nmp.cach: unknown key"),
        (
            "recnmp-opt-2rank",
            "nmp.cache.line_bytes=128",
            "nmp.cache.line_bytes = 128: must be 64: a RankCache holds",
        ),
        (
            "recnmp-opt-2rank",
            "nmp.cache.policy=fifo",
            "nmp.cache.policy = 'fifo': must be 'lru' in a rank unit",
        ),
        ("recnmp-opt-2rank", "nmp.cache.size=100", "nmp.cache.size = 100: must be a whole number of lines"),
        ("recnmp-opt-2rank", "nmp.scheduling=random", "nmp.scheduling = 'random'"),
        ("recnmp-opt-2rank", "nmp.profile_threshold=-1", "nmp.profile_threshold = -1"),
    ],
)
def test_an_impossible_system_is_refused(system, override, message):
    with pytest.raises(InputError) as refused:
        load_system(system, [override])
    assert str(refused.value).startswith(f"--set: {message}")


def test_an_unknown_system_is_refused_with_the_nearest():
    with pytest.raises(InputError) as refused:
        load_system("host-3rnk")
    assert str(refused.value).startswith("system 'host-3rnk': unknown system preset (did you mean 'host-")


def test_a_system_file_may_start_from_a_preset(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('preset = "host-2rank"\nname = "mine"\n[dram.timing]\ntRCD = 16\n')
    mine = load_system(path)
    assert (mine.name, mine.dram.timing.tRCD, mine.dram.timing.tRP) == ("mine", 16, 17)
    assert mine.dram == load_system("host-2rank", ["dram.timing.tRCD=16"]).dram
    path.write_text('preset = "host-2rank"\n[dram.timing]\ntRFCC = 16\n')
    with pytest.raises(InputError) as refused:
        load_system(str(path))
    assert str(refused.value) == f"{path}: dram.timing.tRFCC: unknown key (did you mean 'tRFC'?)"


def test_show_lists_each_value_once_with_unit_and_source():
    rows = {row.path: row for row in describe("system", "host-4rank")}
    assert len(rows) == len(describe("system", "host-4rank"))
    assert rows["dram.timing.tCK_ps"][1:3] == (833, "ps")
    assert rows["dram.organization.ranks"].value == 4
    assert rows["dram.organization.ranks"].source == "one channel, two DIMMs of 2 ranks"
    assert rows["dram.rules[0]"].value["latency"] == "tRC"
    assert not any(path.startswith("nmp") for path in rows)
    text = lines("system", "host-4rank")
    assert sum(not line.startswith(" ") for line in text) == len(rows)
    assert max(map(len, text)) <= 120
    assert text[0].split()[:2] == ["name", '"host-4rank"']


@pytest.mark.parametrize(("kind", "name"), [("system", "recnmp-opt-8rank"), ("nmp", "recnmp-opt")])
def test_show_gives_energies_per_bit_in_energy_per_bit(kind, name):
    units = {row.path: row.unit for row in describe(kind, name) if row.path.endswith("_pj_per_bit")}
    assert any(path.endswith("internal_io_pj_per_bit") for path in units)
    assert set(units.values()) == {"pJ/bit"}


def test_show_refuses_an_unknown_kind_with_the_nearest():
    with pytest.raises(InputError, match=r"'systm': unknown kind of preset \(did you mean 'system'\?\)"):
        names("systm")


def test_a_system_is_named_by_its_content_not_by_the_file_it_came_from(tmp_path):
    preset = load_system("recnmp-base-8rank")
    path = tmp_path / "resolved.toml"
    path.write_text(preset.to_toml(), encoding="utf-8")
    assert SystemSpec.load(path).sha256() == preset.sha256()
