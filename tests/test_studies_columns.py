"""Columns of studies: names, units, and the table that documents them."""

from __future__ import annotations

from pathlib import Path

import pytest

from archsim import load_system, open_trace, simulate
from archsim.spec import preset_names
from archsim.spec_errors import table_model, unit_of
from archsim.studies import columns, notes
from archsim.studies.notes import unit_of_column
from archsim.systems.spec import SystemSpec

FURTHER = (
    ("host-8rank", "hierarchy.preset=skylake-18core"),
    ("host-8rank", "dram.energy.preset=ddr4-8gb-x8-2400"),
    ("host-8rank", "cache.preset=rankcache-128k"),
    ("recnmp-base-2rank", "nmp.operator=mean"),
    ("recnmp-base-2rank", "nmp.energy.static_mw=5"),
)

ENDINGS = {"ns": "ns", "nj": "nJ", "gbps": "GB/s", "bytes": "B", "mm2": "mm2"}


@pytest.fixture(scope="module")
def results():
    trace = open_trace("preset:zipf", limit=1000)
    systems = [load_system(name) for name in preset_names("system")]
    systems += [load_system(name, [override]) for name, override in FURTHER]
    found = [simulate(system, trace) for system in systems]
    rowwise = open_trace("preset:zipf", limit=1000, overrides=["dtype=uint8-rowwise"])
    return [*found, simulate(load_system("recnmp-base-2rank", ["nmp.multiplier=drum6"]), rowwise)]


def declared(cls=SystemSpec, prefix=""):
    """Yield the path and unit of every field of a system."""
    for key in cls.model_fields:
        child = table_model(cls, key)
        if child is not None:
            yield from declared(child, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", unit_of(cls, key)


@pytest.mark.parametrize(
    ("path", "column"),
    [
        ("nmp.cache.size", "nmp.cache.size_bytes"),
        ("nmp.cache.line_bytes", "nmp.cache.line_bytes"),
        ("nmp.cache.latency_ns", "nmp.cache.latency_ns"),
        ("nmp.instruction_bits", "nmp.instruction_bits"),
        ("nmp.energy.internal_io_pj_per_bit", "nmp.energy.internal_io_pj_per_bit"),
        ("dram.timing.tRCD", "dram.timing.tRCD_clk"),
        ("dram.timing.RD_clk", "dram.timing.RD_clk"),
        ("dram.timing.tCK_ps", "dram.timing.tCK_ps"),
        ("dram.organization.ranks", "dram.organization.ranks"),
        ("dram.energy.currents.IDD0_ma", "dram.energy.currents.IDD0_ma"),
        ("dram.preset", "dram.preset"),
        ("kind", "system.kind"),
        ("workload.skew", "workload.skew"),
        ("workload.vector_bytes", "workload.vector_bytes"),
        ("no.such.path", "no.such.path"),
    ],
)
def test_a_path_has_a_column_with_its_unit(path, column):
    assert columns.column_of(path) == column


def test_every_unit_that_a_system_declares_can_be_read_off_the_column():
    units = dict(declared())
    assert len(units) > 150
    for path, unit in units.items():
        if unit and path.endswith("_pj_per_bit"):  # declared as an energy, of each bit
            assert notes.unit_of_column(columns.column_of(path)) == "pJ/bit"
        elif unit:
            assert notes.unit_of_column(columns.column_of(path)) == unit, path
        else:
            assert columns.column_of(path).endswith(path), path


def test_the_configuration_has_the_values_of_the_system_by_the_columns_of_their_paths(results):
    for result in results:
        found = columns.configuration_columns(result.system)
        assert all(columns.is_configuration(name) for name in found)
        expected = {}
        for path, _ in declared():
            value = result.system
            for key in path.split("."):
                value = None if value is None else getattr(value, key)
            if isinstance(value, int | float | str) and path not in ("name", "description"):
                expected[columns.column_of(path)] = value
        assert {name: found[name] for name in expected} == expected
        assert all(found[name][0] in "[{" for name in found.keys() - expected.keys())


def test_every_metric_of_every_system_is_documented_once(results):
    seen = set()
    for result in results:
        found = columns.metric_columns(result)
        assert all(columns.is_metric(name) for name in found)
        for name in found:
            matching = [note for note in notes.METRIC_NOTES if notes._pattern(note.name).fullmatch(name)]
            assert matching, name
            seen.add(matching[0].name)
    assert seen == {note.name for note in notes.METRIC_NOTES}


def test_units_of_metrics_are_those_in_their_names(results):
    for result in results:
        for name in columns.metric_columns(result):
            ending = ENDINGS.get(name.rpartition("_")[2], "")
            assert notes.unit_of_column(name) == (ending if name != "cycles" else "clk"), name


def test_a_row_repeats_the_result(results):
    for result in results:
        run, row = result.to_dict(), columns.row_columns(result)
        for name in (
            "time_ns",
            "cycles",
            "energy_nj",
            "latency_p99_ns",
            "bottleneck",
            "system_sha256",
            "requests",
        ):
            assert row[name] == run[name]
        assert row["trace_sha256"] == result.trace.sha256
        ledger = [value for name, value in row.items() if name.startswith("energy_") and name != "energy_nj"]
        assert sum(ledger) == row["energy_nj"]
        assert all(row[f"utilisation_{name}"] == share for name, share in run["utilisation"].items())
        if run["cache"]:
            assert row["cache_hit_ratio"] == run["cache"]["hit_ratio"]
        for level in run["cache"].get("levels", []) if run["cache"] else []:
            prefix = "cache_" if len(run["cache"]["levels"]) == 1 else f"cache_{level['name']}_"
            assert row[f"{prefix}fills"] == level["fills"]
        assert "speedup" not in row
        assert all(isinstance(value, int | float | str) for value in row.values())


def test_the_page_has_the_table_of_the_code():
    page = (Path(__file__).parent.parent / "docs" / "studies.md").read_text(encoding="utf-8")
    assert "\n".join(notes.markdown()) in page


def test_an_area_in_um2_has_its_unit():
    assert unit_of_column("nmp.area.adder_um2") == "um2"
    assert unit_of_column("nmp.area.unit_mm2") == "mm2"
