"""Costs of multipliers: what is cited, what is estimated, what layers take."""

import os
import tomllib
from math import sqrt
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.approx import (
    Choice,
    cost_or_estimate,
    deviations,
    estimate,
    exhaustive,
    from_table,
    multiplier,
    sampled,
)
from archsim.approx.costs import adders, circuits, exact_circuits, swapped
from archsim.approx.estimate import circuit, scales
from archsim.approx.gates import adder, heap, leading, products, rectangle, shifter
from archsim.approx.imports import load_table
from archsim.approx.layers import adder_cost
from archsim.errors import InputError
from archsim.ledger import total_nj

CITED = list(circuits().items())
CLAIMS = tomllib.loads(Path(__file__).with_name("evoapproxlib.toml").read_text(encoding="utf-8"))
#: A folder with `mul8s_1L2H.npy` and so on: all products of the circuits of EvoApproxLib, as docs/multipliers.md says.
TABLES = os.environ.get("ARCHSIM_EVOAPPROXLIB", "")


def last_place(text):
    mantissa, _, power = text.partition("e")
    return 10.0 ** (int(power or 0) - len(mantissa.partition(".")[2]))


def expected_mean(text, found, room=0.0):
    """Whether a figure is the printed one, rounded or cut, within so much besides."""
    return abs(found - float(text)) < last_place(text) * (1 + 1e-9) + room


def test_every_claim_is_of_a_cited_circuit_and_every_cited_square_circuit_has_claims():
    square = {title for title in circuits().values() if not title.startswith("mul8x")}
    assert set(CLAIMS) == square
    assert len(CITED) == 80


#: Of the designs of 12 bits, these are tried with all pairs; the others with samples, as a pass takes a second.
ALL_PAIRS = ("bam_4", "bam_2_12", "bam_5_15", "truncate_3")
EXHAUSTIVE = [(k, t) for k, t in CITED if t in CLAIMS and (k[1] <= 8 or (k[1] == 12 and k[0] in ALL_PAIRS))]


@pytest.mark.parametrize(("key", "title"), EXHAUSTIVE)
def test_a_design_has_the_errors_that_the_file_of_its_circuit_claims(key, title):
    found, (mae, wce, ep, mre) = exhaustive(multiplier(*key)), CLAIMS[title]
    assert found.wce == float(wce)
    assert expected_mean(mae, found.med)
    assert expected_mean(ep, 100 * found.ep)
    assert expected_mean(mre, 100 * found.mred)


@pytest.mark.parametrize(
    ("key", "title"), [each for each in CITED if each[0][1] > 8 and each not in EXHAUSTIVE]
)
def test_a_wide_design_has_them_within_the_interval_of_its_samples(key, title):
    found, (mae, wce, ep, mre) = sampled(multiplier(*key)), CLAIMS[title]
    # Three half widths of 95 %: of 200 comparisons none should fail by chance.
    assert found.wce <= float(wce)
    assert expected_mean(mae, found.med, 3 * found.ci95["med"])
    assert expected_mean(ep, 100 * found.ep, 300 * found.ci95["ep"])
    assert expected_mean(mre, 100 * found.mred, 300 * found.ci95["mred"])


@pytest.mark.parametrize(("key", "title"), [(k, t) for k, t in CITED if k[1] <= 10 and t in CLAIMS])
def test_a_design_has_the_products_of_its_circuit(key, title):
    file = Path(TABLES) / f"{title}.npy"
    if not TABLES or not file.exists():
        pytest.skip("the tables of EvoApproxLib are not here: ARCHSIM_EVOAPPROXLIB names their folder")
    table = load_table(file, signed=key[2]).multiplier.table()
    assert np.array_equal(table.T if swapped(*key) else table, multiplier(*key).table())


@pytest.mark.parametrize(
    ("name", "bits", "signed", "title"),
    [
        ("drum8", 8, False, "mul8u_1JFF"),
        ("ssm8", 8, True, "mul8s_1KV8"),
        ("lot16", 16, False, "mul16u_BMC"),
        ("truncate_0", 8, False, "mul8u_1JFF"),
        ("truncate_1", 8, False, "mul7u_01L"),
        ("truncate_4", 12, False, "mul8u_1JFF"),
        ("truncate_2", 8, True, "mul8s_1L2D"),
        ("truncate_6", 12, False, "mul16u_HGK"),
        ("bam_0", 8, False, "mul8u_1JFF"),
        ("bam_3_2", 8, True, "mul8s_1KTY"),
        ("bam_2_18", 12, False, "mul12u_2Z6"),
        ("ppt_0", 8, False, "mul8u_1JFF"),
        ("exact", 5, False, "mul12u_35U"),
        ("exact", 13, True, "mul16s_HFZ"),
    ],
)
def test_a_plainer_design_lends_its_cost(name, bits, signed, title):
    assert f"circuit {title}:" in multiplier(name, bits, signed).cost.source


@given(st.sampled_from(["drum", "ssm", "lot", "truncate_", "bam_", "bam_1_", "bam_3_", "bam_6_", "ppt_"]),
       st.integers(0, 15), st.booleans(), st.integers(4, 8))  # fmt: skip
def test_a_plainer_design_has_the_same_products(family, number, signed, bits):
    try:
        design = multiplier(f"{family}{number}", bits, signed)
    except InputError:
        return
    name, inner = design.plainer
    cut = bits - inner
    if inner < 4:  # an exact multiplier of 1 to 3 bits is not asked for by name
        assert name == "exact"
        operands = design.operands()
        assert np.array_equal(design.table(), np.multiply.outer(*[operands >> cut << cut] * 2))
        return
    plain = multiplier(name, inner, signed).table()
    assert np.array_equal(design.table(), np.repeat(np.repeat(plain, 1 << cut, 0), 1 << cut, 1) << (2 * cut))


def test_nothing_is_guessed():
    assert multiplier("drum6").cost is None
    assert multiplier("udm", 8).cost is None
    assert multiplier("udm", 16).cost.power_mw == 1.984
    assert multiplier("udm", 16, True).cost is None
    assert from_table(np.zeros((16, 16), int)).cost is None
    assert estimate(from_table(np.zeros((16, 16), int))) is None


def test_estimates_say_so():
    assert estimate(multiplier("drum6")).kind == "estimate"
    assert "estimate" in estimate(multiplier("drum6")).source
    assert estimate(multiplier("exact")).kind == "estimate"
    assert cost_or_estimate(multiplier("exact")).kind == "cited"
    assert cost_or_estimate(multiplier("roba")).kind == "estimate"


def test_scales_are_the_geometric_means_of_exact_circuits_alone():
    found = [(rectangle(a, b), cost) for a, b, cost in exact_circuits()]
    found += [(adder(bits), cost) for bits, cost in adders().items()]
    assert len(found) == 11 + 3
    power, delay, area = 1.0, 1.0, 1.0
    for gates, cost in found:
        power *= cost.power_mw / gates.gates / sqrt(gates.depth)
        delay *= cost.delay_ns / gates.depth
        area *= cost.area_um2 / gates.gates
    wanted = [product ** (1 / len(found)) for product in (power, delay, area)]
    assert scales() == pytest.approx(wanted, rel=1e-5)


def test_estimates_are_compared_with_circuits_that_took_no_part():
    found = deviations()
    calibrating = {cost.source.split()[5] for _, _, cost in exact_circuits()}
    assert len(found) == 80 - 11
    assert not calibrating & {f"{each.circuit}:" for each in found}


def test_estimates_deviate_as_the_documents_say():
    energies = [each.energy for each in deviations()]
    assert min(energies) > 0.4
    assert max(energies) < 1.25


@pytest.mark.parametrize("bits", [1, 2, 8, 16, 32])
def test_a_ripple_adder_has_a_half_adder_and_full_adders(bits):
    found = adder(bits)
    assert found.gates == 3 + 7 * (bits - 1)
    # XOR of the last bits, then their carry through an AND and an OR for each place.
    assert found.depth == 2 * bits


@pytest.mark.parametrize(("rows", "columns"), [(2, 2), (8, 2), (8, 3), (8, 8), (12, 12), (16, 16)])
def test_an_array_multiplier_has_as_many_adders_as_theory_says(rows, columns):
    adders_in_all, halves = rows * (columns - 1), columns
    assert rectangle(rows, columns).gates == rows * columns + 7 * (adders_in_all - halves) + 3 * halves


@given(st.dictionaries(st.integers(0, 12), st.lists(st.integers(0, 9), max_size=6), max_size=8))
def test_a_heap_takes_a_full_adder_for_each_bit_that_goes(columns):
    found = heap(columns)
    bits = sum(len(times) for times in columns.values())
    most = sum(len(times) << place for place, times in columns.items())
    # At most so many bits come out, so at least the others went; a half adder takes none away.
    assert found.gates >= 7 * max(bits - most.bit_length(), 0)
    assert found.depth >= max((time for times in columns.values() for time in times), default=0)


@given(st.integers(2, 12), st.integers(0, 24))
def test_fewer_cells_never_take_more_gates(bits, v):
    cells = [(i, j) for i in range(bits) for j in range(bits)]
    some = products([cell for cell in cells if sum(cell) >= v])
    less = products([cell for cell in cells if sum(cell) >= v + 1])
    assert less.gates <= some.gates


def test_a_shifter_and_a_detector_by_hand():
    # 4 bits by 0 to 3: a row of 5 multiplexers, one of 7.
    assert (shifter(4, 3).gates, shifter(4, 3).depth) == (2 * (5 + 7), 4)
    assert shifter(4, 0) == rectangle(0, 0)
    # 8 places: 3 levels of 4 ORs, 8 ANDs.
    assert (leading(8).gates, leading(8).depth) == (20, 4)


def test_the_estimate_of_drum_by_hand():
    # Twice: detector 20, encoder 3 x 3, cutter 2 x (5 + 6 + 6); 4 x 4 bits; distances 3 bits; product back.
    both = 2 * (20 + 9 + 2 * (5 + 7 + 8))
    gates = both + rectangle(4, 4).gates + adder(3).gates + 2 * (9 + 11 + 15 + 16)
    assert circuit(multiplier("drum4")).gates == gates


def test_signs_cost_more():
    assert estimate(multiplier("drum6", 8, True)).area_um2 > estimate(multiplier("drum6", 8)).area_um2


def test_layers_have_their_products_and_additions():
    choice = Choice(multiplier("exact"), {"conv": multiplier("bam_1_0")})
    rows = choice.ledger({"conv": 1000, "fc": 200}, sums={"conv": 100, "fc": 20}, accumulator_bits=16)
    assert [(row.component, row.event, row.count) for row in rows] == [
        ("multiplier", "conv bam_1_0", 1000), ("adder", "conv add16", 900),
        ("multiplier", "fc exact", 200), ("adder", "fc add16", 180),
    ]  # fmt: skip
    pj = 1000 * 0.336 * 1.36 + 200 * 0.391 * 1.43 + 1080 * 0.072 * 1.28
    assert total_nj(rows) == pytest.approx(pj / 1000, abs=4 * 2**-13)


def test_a_ledger_refuses_what_is_not_cited_and_marks_estimates():
    choice = Choice(multiplier("drum6"))
    with pytest.raises(
        InputError, match=r"layer 'fc': drum6, 8 bits, unsigned: has no energy from a cited source"
    ):
        choice.ledger({"fc": 10})
    (row,) = choice.ledger({"fc": 10}, estimates=True)
    assert row.event == "fc drum6 (estimate)"
    table = Choice(from_table(np.zeros((256, 256), int)))
    with pytest.raises(InputError, match="a table has no structure"):
        table.ledger({"fc": 10}, estimates=True)
    with pytest.raises(InputError, match="did you mean 'fc1'"):
        Choice(multiplier("exact"), {"fc": multiplier("exact")}).ledger({"fc1": 1})


def test_wide_adders_are_chained_from_cited_ones():
    assert adder_cost(16, estimates=False).energy_pj == pytest.approx(0.09216)
    wide = adder_cost(32, estimates=False)
    assert (wide.kind, wide.power_mw, wide.delay_ns) == ("cited", 0.144, 2.56)
    assert "2 of them" in wide.source
    assert adder_cost(24, estimates=False).delay_ns == pytest.approx(2 * 0.96)
    with pytest.raises(InputError, match="accumulator_bits = 20: has no energy from a cited source"):
        adder_cost(20, estimates=False)
    assert adder_cost(20, estimates=True).kind == "estimate"
    with pytest.raises(InputError, match="whole number from 1 to 64"):
        adder_cost(0, estimates=True)
