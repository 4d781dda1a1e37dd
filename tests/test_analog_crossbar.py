"""Crossbars: transfer matrix, sparse solution, nonlinear cells, dual paths; twins and closed forms."""

import crossbar_twin
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.analog import Crossbar, DualPath, Wires
from archsim.analog.threads import one_thread
from archsim.errors import InputError

OHMS = st.sampled_from([0.0, 0.3, 1.0, 7.0, 150.0])
SEEDS = st.integers(0, 2**32 - 1)


@st.composite
def wires(draw):
    lines = {name: draw(OHMS) for name in ("r_word_ohm", "r_bit_ohm", "r_driver_ohm")}
    if draw(st.booleans()):
        return Wires(**lines, r_sense_ohm=draw(OHMS))
    return Wires(**lines, output="voltage", g_load_s=draw(st.sampled_from([0.0, 1e-6, 1e-4])))


def cells(shape, seed, low=1e-6, high=1e-4):
    return np.random.default_rng(seed).uniform(low, high, shape)


def inputs(count, m, seed):
    return np.random.default_rng(seed + 1).uniform(-0.3, 0.3, (count, m))


def rounding(crossbar):
    """Return what rounding may do: a unit of the last place of the greatest conductance, beside the least."""
    around = crossbar.wires
    ohms = [
        each
        for each in (around.r_word_ohm, around.r_bit_ohm, around.r_driver_ohm, around.r_sense_ohm)
        if each
    ]
    all_s = [*crossbar.g_s.flat, *(1 / each for each in ohms), around.g_load_s or crossbar.g_s[0, 0]]
    return 1e-12 + sum(crossbar.shape) * 2.0**-52 * max(all_s) / min(all_s)


def far(found, expected):
    return float(np.abs(found - expected).max() / np.abs(expected).max())


class TestClosedForms:
    def test_an_ideal_crossbar_is_a_matrix_product(self):
        g, v = cells((5, 3), 0), inputs(4, 5, 0)
        assert np.allclose(Crossbar(g).outputs(v), v @ g, rtol=1e-14, atol=0)

    def test_an_ideal_voltage_column_is_a_weighted_mean_of_the_inputs(self):
        g, v = cells((5, 3), 1), inputs(4, 5, 1)
        for load in (0.0, 2e-5):
            found = Crossbar(g, Wires(output="voltage", g_load_s=load)).outputs(v)
            assert np.allclose(found, v @ g / (g.sum(axis=0) + load), rtol=1e-13, atol=0)

    def test_one_cell_is_all_its_resistances_in_a_row(self):
        around = Wires(r_word_ohm=3.0, r_bit_ohm=5.0, r_driver_ohm=70.0, r_sense_ohm=11.0)
        found = Crossbar([[1e-3]], around).outputs([0.5])
        assert found == pytest.approx([0.5 / (1000.0 + 3 + 5 + 70 + 11)], rel=1e-14)

    def test_a_bit_line_without_load_has_the_voltage_of_its_only_source(self):
        around = Wires(r_word_ohm=3.0, r_bit_ohm=5.0, r_driver_ohm=70.0, output="voltage")
        assert Crossbar([[1e-3, 1e-5]], around).outputs([0.5]) == pytest.approx([0.5, 0.5], rel=1e-12)

    def test_a_driver_is_shared_by_all_cells_of_its_word_line(self):
        g = np.array([[1e-3, 3e-3]])
        share = 1 / (1 + 100.0 * g.sum())
        assert Crossbar(g, Wires(r_driver_ohm=100.0)).outputs([1.0]) == pytest.approx(g[0] * share, rel=1e-14)

    def test_a_transposed_crossbar_driven_from_its_other_side_has_the_transposed_transfer_matrix(self):
        """Reciprocity: the current of bit line j by source i is that of a source at j's end by i's driver."""
        g = cells((4, 6), 2)
        straight = Crossbar(
            g, Wires(r_word_ohm=2.0, r_bit_ohm=9.0, r_driver_ohm=30.0, r_sense_ohm=40.0)
        ).transfer
        # Seen from the ends of the bit lines, the last row is the first column; seen so, the drivers sense.
        turned = g[::-1, :].T
        other = Crossbar(turned, Wires(r_word_ohm=9.0, r_bit_ohm=2.0, r_driver_ohm=40.0, r_sense_ohm=30.0))
        mirrored = Crossbar(other.g_s[::-1], other.wires).transfer[::-1]
        assert far(mirrored[:, ::-1].T, straight) < 1e-12

    def test_resistance_in_the_wires_takes_current_away_and_more_takes_more(self):
        g = cells((16, 16), 3)
        currents = [
            Crossbar(g, Wires(r_word_ohm=r, r_bit_ohm=r)).outputs(np.ones(16)).sum() for r in (0, 1, 2, 5)
        ]
        assert currents == sorted(currents, reverse=True)
        assert currents[3] < 0.97 * currents[0]


class TestTwins:
    @given(st.integers(1, 6), st.integers(1, 6), wires(), SEEDS)
    @settings(max_examples=150, deadline=None)
    def test_both_solutions_equal_the_twin(self, m, n, around, seed):
        crossbar, v = Crossbar(cells((m, n), seed, 1e-7, 1e-3), around), inputs(2, m, seed)
        expected = np.array([crossbar_twin.outputs(crossbar.g_s, around, each) for each in v])
        assert far(crossbar.outputs(v), expected) < rounding(crossbar)
        assert far(crossbar.solve_direct(v), expected) < rounding(crossbar)

    @given(st.integers(1, 24), st.integers(1, 24), wires(), SEEDS)
    @settings(max_examples=60, deadline=None)
    def test_the_transfer_matrix_equals_the_sparse_solution(self, m, n, around, seed):
        crossbar, v = Crossbar(cells((m, n), seed), around), inputs(3, m, seed)
        assert far(crossbar.outputs(v), crossbar.solve_direct(v)) < rounding(crossbar)

    @pytest.mark.parametrize("size", [8, 16, 32, 64, 128])
    @pytest.mark.parametrize("output", ["current", "voltage"])
    def test_the_transfer_matrix_equals_the_sparse_solution_up_to_128(self, size, output):
        crossbar = Crossbar(cells((size, size), size), Wires(r_word_ohm=1.0, r_bit_ohm=1.0, output=output))
        v = inputs(2, size, size)
        assert far(crossbar.outputs(v), crossbar.solve_direct(v)) < 1e-10

    def test_inputs_of_any_number_of_dimensions_are_solved_one_by_one(self):
        crossbar = Crossbar(cells((4, 3), 0), Wires(r_word_ohm=1.0))
        v = inputs(6, 4, 0)
        for solve in (crossbar.outputs, crossbar.solve_direct, lambda each: crossbar.solve_sinh(each, 0.2)):
            whole = solve(v.reshape(2, 3, 4))
            assert whole.shape == (2, 3, 3)
            assert np.allclose(whole.reshape(6, 3), [solve(each) for each in v], rtol=1e-12, atol=0)


class TestNonlinearCells:
    @given(st.integers(1, 6), st.integers(1, 6), wires(), SEEDS)
    @settings(max_examples=60, deadline=None)
    def test_cells_that_hardly_bend_give_what_linear_ones_give(self, m, n, around, seed):
        crossbar, v = Crossbar(cells((m, n), seed), around), inputs(2, m, seed)
        assert far(crossbar.solve_sinh(v, 1e5), crossbar.outputs(v)) < 1e-9

    @given(st.integers(1, 4), st.integers(1, 4), wires(), st.sampled_from([0.05, 0.1, 1.0]), SEEDS)
    @settings(max_examples=40, deadline=None)
    def test_newton_equals_the_twin(self, m, n, around, sinh_v, seed):
        crossbar, v = Crossbar(cells((m, n), seed), around), inputs(1, m, seed)[0]
        expected = crossbar_twin.sinh_outputs(crossbar.g_s, around, v, sinh_v)
        assert far(crossbar.solve_sinh(v, sinh_v), expected) < 1e-8

    def test_ideal_sinh_cells_follow_the_formula(self):
        g, v = cells((4, 3), 5), inputs(3, 4, 5)
        expected = 0.1 * np.sinh(v / 0.1) @ g
        assert far(Crossbar(g).solve_sinh(v, 0.1), expected) < 1e-14

    def test_strong_nonlinearity_settles(self):
        crossbar = Crossbar(cells((8, 8), 6), Wires(r_word_ohm=5.0, r_bit_ohm=5.0, r_driver_ohm=100.0))
        found = crossbar.solve_sinh(np.full(8, 1.0), 0.026)
        assert np.isfinite(found).all()
        # No more can flow than the drivers let through.
        assert 0 < found.sum() < 8 * 1.0 / 100.0

    def test_voltages_beyond_double_precision_are_refused(self):
        with pytest.raises(
            InputError, match=r"input voltages span 5 V: must be at most 40 times sinh_v = 0\.1 V"
        ):
            Crossbar([[1e-5]]).solve_sinh([5.0], 0.1)


class TestDualPaths:
    def test_two_bit_lines_subtract_their_currents(self):
        plus, minus, v = cells((5, 3), 7), cells((5, 3), 8), inputs(4, 5, 7)
        pair = DualPath(plus, minus)
        assert np.allclose(pair.outputs(v), v @ (plus - minus), rtol=1e-12, atol=1e-20)
        assert np.allclose(pair.transfer, plus - minus, rtol=1e-12, atol=0)

    def test_two_word_lines_form_a_ratio_whose_weights_add_up_to_at_most_1(self):
        plus, minus, v = cells((5, 3), 7), cells((5, 3), 8), inputs(4, 5, 7)
        pair = DualPath(plus, minus, Wires(output="voltage"))
        weights = (plus - minus) / (plus + minus).sum(axis=0)
        assert np.allclose(pair.outputs(v), v @ weights, rtol=1e-12, atol=1e-16)
        assert (np.abs(pair.transfer).sum(axis=0) <= 1.0).all()

    @given(wires(), st.sampled_from([0.0, 0.6]), SEEDS)
    @settings(max_examples=40, deadline=None)
    def test_transfer_and_offset_say_what_the_outputs_are(self, around, common, seed):
        pair = DualPath(cells((4, 3), seed), cells((4, 3), seed + 1), around, common)
        v = inputs(3, 4, seed)
        assert np.allclose(pair.outputs(v), v @ pair.transfer + pair.offset, rtol=1e-9, atol=1e-15)

    @pytest.mark.parametrize("output", ["current", "voltage"])
    def test_the_ideal_pair_has_the_same_cells(self, output):
        plus, minus = cells((4, 3), 1), cells((4, 3), 2)
        real = DualPath(plus, minus, Wires(r_word_ohm=1.0, r_bit_ohm=1.0, output=output), common_v=0.5)
        v = inputs(2, 4, 1)
        assert np.array_equal(
            real.ideal().outputs(v), DualPath(plus, minus, Wires(output=output), 0.5).outputs(v)
        )

    def test_equal_cells_cancel_without_wires(self):
        g = cells((4, 3), 1)
        assert np.abs(DualPath(g, g, Wires(output="voltage")).outputs([0.1, 0.2, 0.3, 0.4])).max() < 1e-16


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("g", "message"),
        [
            ([1e-5], r"conductances of shape \(1,\): must be \(word lines, bit lines\)"),
            (np.ones((0, 3)), r"conductances of shape \(0, 3\)"),
            ([[1e-5, 0.0]], r"conductance \[0, 1\] = 0 S: must be positive and finite"),
            ([[1e-5], [float("nan")]], r"conductance \[1, 0\] = nan S: must be positive and finite"),
            ([[float("inf")]], r"conductance \[0, 0\] = inf S: must be positive and finite"),
            (np.ones((1, 5000)), "at most 1024 lines each way"),
        ],
    )
    def test_conductances_that_are_none(self, g, message):
        with pytest.raises(InputError, match=message):
            Crossbar(g)

    @pytest.mark.parametrize(
        ("v", "message"),
        [
            ([0.1], r"inputs of shape \(1,\): the last must be 2, the word lines"),
            (0.1, r"inputs of shape \(\): the last must be 2"),
            ([0.1, float("inf")], "inputs: must be finite voltages"),
        ],
    )
    def test_inputs_that_do_not_suit(self, v, message):
        with pytest.raises(InputError, match=message):
            Crossbar([[1e-5], [1e-5]]).outputs(v)

    @pytest.mark.parametrize(
        ("table", "message"),
        [
            ({"r_word_ohm": -1.0}, "x: r_word_ohm = -1.0: must be at least 0"),
            ({"g_load_s": 1e-6}, "x: g_load_s: must be 0 when output = 'current'"),
            ({"output": "voltage", "r_sense_ohm": 1.0}, "x: r_sense_ohm: must be 0 when output = 'voltage'"),
            ({"r_wrod_ohm": 1.0}, "x: r_wrod_ohm: unknown key"),
        ],
    )
    def test_wires_that_do_not_go_together(self, table, message):
        with pytest.raises(InputError) as refused:
            Wires.from_dict(table, "x")
        assert str(refused.value).startswith(message)

    def test_pairs_of_different_shapes(self):
        with pytest.raises(InputError, match=r"conductances of shapes \(2, 1\) and \(1, 1\)"):
            DualPath([[1e-5], [1e-5]], [[1e-5]])

    def test_conductances_that_are_too_far_apart_for_double_precision(self):
        message = "from 1e-09 to 100000 S: the greatest must be at most 1e\\+12 times the least"
        with pytest.raises(InputError, match=message):
            Crossbar([[1.0]], Wires(r_word_ohm=1e-5, r_driver_ohm=1e9))

    def test_at_the_greatest_ratio_a_floating_bit_line_still_has_the_voltage_of_its_sources(self):
        around = Wires(r_word_ohm=1e-6, r_bit_ohm=1e-6, r_driver_ohm=1e6, output="voltage")
        found = Crossbar(np.full((6, 6), 1e-3), around).outputs(np.ones(6))
        assert np.abs(found - 1.0).max() < 1e-3


def test_one_thread_is_what_blas_has_inside():
    from threadpoolctl import threadpool_info

    before = [each["num_threads"] for each in threadpool_info()]
    with one_thread():
        inside = [each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"]
    assert inside
    assert set(inside) == {1}
    assert [each["num_threads"] for each in threadpool_info()] == before


@pytest.mark.filterwarnings("error")
def test_many_rows_with_small_resistances_overflow_nowhere():
    g = np.random.default_rng(0).uniform(1e-6, 1e-4, (256, 24))
    tile = Crossbar(g, Wires(r_word_ohm=0.1, r_bit_ohm=0.1))
    v = np.full(256, 0.2)
    np.testing.assert_allclose(tile.outputs(v), tile.solve_direct(v), rtol=1e-8)
