"""RRAM cells: levels, variation, faults, drift, measured tables; and the arithmetic that draws them."""

import hashlib
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.analog import Cell, drifted, load_levels, program, read, stuck
from archsim.analog.elementary import exp, key_of, log, normals, uniforms
from archsim.errors import InputError

RANGE = {"g_min_s": 1e-6, "g_max_s": 1e-4}
MASK = (1 << 64) - 1
#: SHA-256 of drawn numbers, little-endian doubles.
GOLDEN_NORMALS = "38b38aa73d5fd39805c1190918dbd5aa811300644ead7b64d70695d1d56c75fc"
GOLDEN_CELLS = "1aac7d5277eee659c68d20ce3e9e9496ae3f98a808ae93d4c1269a0943820f3a"


def splitmix(key, counter):
    """Return word ``counter`` of a stream, on Python's integers."""
    z = (key + counter * 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def normal_twin(key, place):
    u = ((splitmix(key, 2 * place) >> 11) + 0.5) * 2.0**-53
    v = (splitmix(key, 2 * place + 1) >> 11) * 2.0**-53
    return math.sqrt(-2.0 * math.log(u)) * math.cos(2.0 * math.pi * v)


class TestArithmetic:
    @given(st.floats(-700, 700))
    def test_exp_is_within_two_units_of_the_last_place(self, x):
        found, expected = float(exp(x)), math.exp(x)
        assert abs(found - expected) <= 2 * math.ulp(expected)

    @given(st.floats(1e-300, 1e300))
    def test_log_is_within_two_units_of_the_last_place(self, x):
        found, expected = float(log(x)), math.log(x)
        assert abs(found - expected) <= 2 * math.ulp(max(1.0, abs(expected)))

    def test_exact_values_are_exact(self):
        assert float(exp(0.0)) == 1.0
        assert float(log(1.0)) == 0.0
        assert exp([]).shape == log([]).shape == (0,)

    @pytest.mark.parametrize("x", [701.0, -701.0, float("nan"), float("inf")])
    def test_exp_refuses_what_it_cannot(self, x):
        with pytest.raises(InputError, match=r"must be within \+-700"):
            exp([0.0, x])

    @pytest.mark.parametrize("x", [0.0, -1.0, float("nan"), float("inf")])
    def test_log_refuses_what_it_cannot(self, x):
        with pytest.raises(InputError, match="must be of a positive, finite number"):
            log([1.0, x])

    @given(st.integers(0, MASK), st.integers(0, 2**40))
    def test_normals_equal_the_twin(self, seed, place):
        key = key_of(seed, 3)
        found = float(normals(key, 1, place)[0])
        assert found == pytest.approx(normal_twin(int(key), place), rel=1e-12, abs=1e-14)

    def test_normals_are_normal(self):
        z = normals(key_of(0, 1), 1_000_000)
        assert abs(z.mean()) < 4e-3
        assert abs(z.var() - 1) < 6e-3
        assert abs((z**4).mean() - 3) < 0.04
        for threshold, share in ((1.0, 0.158655), (2.0, 0.0227501), (3.0, 0.00134990)):
            both = (np.count_nonzero(z > threshold) + np.count_nonzero(z < -threshold)) / 2e6
            assert both == pytest.approx(share, rel=6 / math.sqrt(2e6 * share))

    def test_a_stream_can_be_cut_anywhere(self):
        key = key_of(5, 6)
        whole = normals(key, 100)
        assert np.array_equal(np.concatenate([normals(key, 33), normals(key, 67, 33)]), whole)
        assert np.array_equal(normals(key, (20, 5)).reshape(-1), whole)
        assert np.array_equal(uniforms(key, 7, 13), uniforms(key, 20)[13:])

    def test_the_bits_are_those_of_every_machine(self):
        values = normals(key_of(2024, 7), 4096)
        assert hashlib.sha256(values.astype("<f8").tobytes()).hexdigest() == GOLDEN_NORMALS
        cell = Cell(
            bits=3,
            **RANGE,
            program_sigma=0.1,
            read_sigma=0.01,
            stuck_low=0.01,
            drift_nu=0.02,
            drift_nu_sigma=0.01,
        )
        g_s = program(cell, np.arange(4096) % 8, 2024)
        g_s = read(cell, drifted(cell, g_s, 1e5, 2024), 2024, cycle=3)
        assert hashlib.sha256(g_s.astype("<f8").tobytes()).hexdigest() == GOLDEN_CELLS

    @pytest.mark.parametrize("seed", [-1, 1 << 64])
    def test_a_seed_outside_64_bits_is_refused(self, seed):
        with pytest.raises(InputError, match=r"must be from 0 to 2\*\*64 - 1"):
            key_of(seed)


class TestLevels:
    @pytest.mark.parametrize("bits", range(1, 9))
    def test_levels_are_in_equal_steps_of_conductance_from_end_to_end(self, bits):
        levels = Cell(bits=bits, **RANGE).levels_s()
        assert len(levels) == 2**bits
        assert (levels[0], levels[-1]) == (1e-6, 1e-4)
        assert np.allclose(np.diff(levels), (1e-4 - 1e-6) / (2**bits - 1), rtol=1e-9)

    def test_or_in_equal_steps_of_resistance(self):
        levels = Cell(bits=3, spacing="resistance", **RANGE).levels_s()
        assert (levels[0], levels[-1]) == (1e-6, 1e-4)
        assert np.allclose(np.diff(1 / levels), (1e4 - 1e6) / 7, rtol=1e-9)

    @pytest.mark.parametrize("spacing", ["conductance", "resistance"])
    def test_the_nearest_level_of_a_level_is_that_level(self, spacing):
        cell = Cell(bits=5, spacing=spacing, **RANGE)
        assert np.array_equal(cell.nearest_level(cell.levels_s()), np.arange(32))

    @given(st.floats(1e-6, 1e-4))
    def test_no_level_is_nearer_than_the_nearest(self, g_s):
        cell = Cell(bits=4, **RANGE)
        away = np.abs(cell.levels_s() - g_s)
        assert away[cell.nearest_level(g_s)] <= away.min() * (1 + 1e-12)

    def test_a_conductance_outside_the_range_has_no_level(self):
        message = r"conductance \[1, 0\] = 0.0002 S: must be from g_min_s = 1e-06 to g_max_s = 0.0001"
        with pytest.raises(InputError, match=message):
            Cell(bits=3, **RANGE).nearest_level([[1e-5], [2e-4]])

    @pytest.mark.parametrize("level", [-1, 8])
    def test_a_level_that_the_cell_does_not_have_is_refused(self, level):
        with pytest.raises(InputError, match=rf"level \[0, 1\] = {level}: must be from 0 to 7 \(bits = 3\)"):
            program(Cell(bits=3, **RANGE), [[0, level]], 0)

    def test_levels_are_whole_numbers(self):
        with pytest.raises(InputError, match="levels of type float64: must be whole numbers"):
            program(Cell(bits=3, **RANGE), [1.0], 0)


class TestVariation:
    def test_without_variation_cells_have_their_levels(self):
        cell = Cell(bits=3, **RANGE)
        assert np.array_equal(program(cell, np.arange(8), 1), cell.levels_s())

    def test_ln_g_is_normal_around_the_level(self):
        cell = Cell(bits=3, **RANGE, program_sigma=0.2)
        spread = np.log(program(cell, np.full(200_000, 5), 1) / cell.levels_s()[5])
        assert abs(spread.mean()) < 4 * 0.2 / math.sqrt(200_000)
        assert spread.std() == pytest.approx(0.2, rel=0.01)

    def test_programming_equals_its_definition_cell_by_cell(self):
        cell = Cell(bits=3, **RANGE, program_sigma=0.2)
        levels = np.arange(24).reshape(4, 6) % 8
        found = program(cell, levels, seed=9, device=4, array=2)
        key = int(key_of(9, 0x520, 4, 2))
        for place, (level, g_s) in enumerate(zip(levels.flat, found.flat, strict=True)):
            assert g_s == pytest.approx(
                cell.levels_s()[level] * math.exp(0.2 * normal_twin(key, place)), rel=1e-12
            )

    def test_each_seed_device_array_and_read_has_numbers_of_its_own(self):
        cell = Cell(bits=3, **RANGE, program_sigma=0.2, read_sigma=0.1)
        levels = np.full(50, 4)
        drawn = [program(cell, levels, *each) for each in ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1))]
        drawn += [read(cell, drawn[0], 0, cycle) for cycle in (0, 1)]
        assert len({each.tobytes() for each in drawn}) == 6
        assert np.array_equal(program(cell, levels, 0), drawn[0])

    def test_reads_vary_around_what_is_programmed(self):
        cell = Cell(bits=3, **RANGE, read_sigma=0.05)
        g_s = program(cell, np.full(100_000, 3), 0)
        seen = np.log(read(cell, g_s, 0, cycle=7) / g_s)
        assert abs(seen.mean()) < 4 * 0.05 / math.sqrt(100_000)
        assert seen.std() == pytest.approx(0.05, rel=0.02)

    def test_without_read_variation_a_read_sees_what_is_there(self):
        cell = Cell(bits=3, **RANGE)
        assert np.array_equal(read(cell, cell.levels_s(), 0, 0), cell.levels_s())


class TestFaults:
    def test_stuck_cells_are_as_many_as_said_and_hold_the_ends(self):
        cell = Cell(bits=3, **RANGE, program_sigma=0.1, read_sigma=0.1, stuck_low=0.03, stuck_high=0.01)
        where = stuck(cell, (100_000,), 3)
        assert np.count_nonzero(where < 0) == pytest.approx(3000, abs=220)
        assert np.count_nonzero(where > 0) == pytest.approx(1000, abs=130)
        g_s = program(cell, np.full(100_000, 4), 3)
        late = read(cell, drifted(cell, g_s, 1e4, 3), 3, cycle=0)
        for each in (g_s, late):
            assert (each[where < 0] == 1e-6).all()
            assert (each[where > 0] == 1e-4).all()
        assert len(np.unique(late[where == 0])) > 90_000

    def test_a_cell_that_is_stuck_stays_so_at_any_variation_and_share_of_others(self):
        few, more = (Cell(bits=2, **RANGE, stuck_low=share) for share in (0.01, 0.05))
        assert not ((stuck(few, (10_000,), 1) == -1) & (stuck(more, (10_000,), 1) == 0)).any()


class TestDrift:
    def test_drift_is_a_power_of_time(self):
        cell = Cell(bits=2, **RANGE, drift_nu=0.05, drift_t0_s=2.0)
        g_s = program(cell, np.arange(4), 0)
        assert np.array_equal(drifted(cell, g_s, 2.0, 0), g_s)
        assert np.allclose(drifted(cell, g_s, 2e6, 0), g_s * (1e6**-0.05), rtol=1e-14)

    def test_each_cell_keeps_its_exponent(self):
        cell = Cell(bits=2, **RANGE, drift_nu=0.05, drift_nu_sigma=0.02)
        g_s = program(cell, np.full(20_000, 3), 0)
        nu = [-np.log(drifted(cell, g_s, time_s, 0) / g_s) / math.log(time_s) for time_s in (1e2, 1e6)]
        assert np.allclose(nu[0], nu[1], rtol=1e-9, atol=1e-12)
        assert nu[0].mean() == pytest.approx(0.05, abs=6e-4)
        assert nu[0].std() == pytest.approx(0.02, rel=0.03)

    @pytest.mark.parametrize("time_s", [0.5, -1.0, float("nan"), float("inf")])
    def test_there_is_no_drift_before_programming(self, time_s):
        with pytest.raises(InputError, match="must be at least drift_t0_s = 1 s"):
            drifted(Cell(bits=2, **RANGE), [1e-5], time_s, 0)


class TestMeasuredLevels:
    MEANS, SIGMAS = (2e-6, 2e-5, 5e-5, 9e-5), (4e-7, 1e-6, 2e-6, 9e-6)

    def cell(self, **changed):
        return Cell(
            **{"bits": 2, **RANGE, "level_mean_s": self.MEANS, "level_sigma_s": self.SIGMAS, **changed}
        )

    def test_drawn_conductances_have_the_measured_mean_and_deviation(self):
        for level, (mean, sigma) in enumerate(zip(self.MEANS, self.SIGMAS, strict=True)):
            g_s = program(self.cell(), np.full(200_000, level), 1)
            assert g_s.mean() == pytest.approx(mean, abs=5 * sigma / math.sqrt(200_000))
            assert g_s.std() == pytest.approx(sigma, rel=0.02)
            assert g_s.min() > 0

    def test_a_file_gives_the_same_cell(self, tmp_path):
        path = tmp_path / "levels.csv"
        rows = [
            f"{k},{mean!r},{sigma!r}"
            for k, (mean, sigma) in enumerate(zip(self.MEANS, self.SIGMAS, strict=True))
        ]
        path.write_text("\n".join(["# device A", "level,mean_s,sigma_s", *rows, ""]), encoding="utf-8")
        assert load_levels(path, RANGE) == self.cell()
        assert load_levels(path).g_max_s == 9e-5

    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            ({"level_sigma_s": None}, "level_sigma_s: missing; measured levels have a mean and"),
            ({"bits": 3}, "level_mean_s: has 4 levels; bits = 3 needs 8"),
            ({"program_sigma": 0.1}, "program_sigma = 0.1: must be 0: level_sigma_s has it"),
            (
                {"level_mean_s": (2e-6, 2e-5, 5e-5, 2e-4)},
                "level_mean_s[3] = 0.0002: must be from g_min_s = 1e-06 to g_max_s = 0.0001",
            ),
            (
                {"level_mean_s": (2e-6, 5e-5, 2e-5, 9e-5)},
                "level_mean_s[2] = 2e-05: must be above the level before it",
            ),
            (
                {"level_sigma_s": (1e-5, 1e-6, 2e-6, 9e-6)},
                "level_sigma_s[0] = 1e-05: must be at most 2 times its mean",
            ),
            ({"g_min_s": 1e-4}, "g_min_s = 0.0001: must be below g_max_s = 0.0001"),
            ({"stuck_low": 0.6, "stuck_high": 0.6}, "stuck_high = 0.6: must be at most 1 with stuck_low"),
            ({"bits": 9}, "bits = 9: must be at most 8"),
            ({"g_max": 1e-4}, "g_max: unknown key (did you mean 'g_max_s'?)"),
        ],
    )
    def test_what_is_wrong_is_said(self, changed, message):
        data = {"bits": 2, **RANGE, "level_mean_s": self.MEANS, "level_sigma_s": self.SIGMAS, **changed}
        with pytest.raises(InputError) as refused:
            Cell.from_dict({key: value for key, value in data.items() if value is not None}, "x")
        assert str(refused.value).startswith(f"x: {message}")

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", ": is empty; must begin with level,mean_s,sigma_s"),
            (
                "level,mean,sigma_s\n",
                "line 1: header 'level,mean,sigma_s': must be level,mean_s,sigma_s (did you mean 'mean_s'?)",
            ),
            ("level,mean_s,sigma_s\n0,1e-6\n", "line 2: 2 columns: must be 3"),
            ("level,mean_s,sigma_s\n0,1e-6,0\n\n2,1e-5,0\n", "line 4, column level = '2': must be 1"),
            (
                "level,mean_s,sigma_s\n0,1e-6 S,0\n",
                "line 2, column mean_s = '1e-6 S': must be a number of siemens",
            ),
            ("level,mean_s,sigma_s\n0,nan,0\n", "line 2, column mean_s = 'nan': must be a number of siemens"),
            ("level,mean_s,sigma_s\n0,0,0\n", "line 2, column mean_s = 0: must be above 0"),
            ("level,mean_s,sigma_s\n0,1e-6,-1\n", "line 2, column sigma_s = -1: must be at least 0"),
            ("level,mean_s,sigma_s\n0,1e-6,0\n1,2e-6,0\n2,3e-6,0\n", ": 3 levels: must be 2, 4, 8, ... 256"),
            ("level,mean_s,sigma_s\n0,2e-6,0\n1,1e-6,0\n", ": g_min_s = 2e-06: must be below g_max_s"),
        ],
    )
    def test_a_damaged_file_is_refused_with_its_place(self, tmp_path, text, message):
        path = tmp_path / "levels.csv"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(InputError) as refused:
            load_levels(path)
        assert str(refused.value).startswith(str(path))
        assert message in str(refused.value)
        assert "\n" not in str(refused.value)

    def test_files_that_are_no_text_or_too_large_or_not_there(self, tmp_path):
        binary, large = tmp_path / "b.csv", tmp_path / "l.csv"
        binary.write_bytes(b"level\xff")
        large.write_bytes(b"#" * (1 << 21))
        for path, message in (
            (binary, "byte 5: not UTF-8 text"),
            (large, "larger than 1 MiB"),
            (tmp_path / "none.csv", "cannot be read: No such file"),
            (tmp_path, "cannot be read: Is a directory"),
        ):
            with pytest.raises(InputError, match=message):
                load_levels(path)

    def test_what_the_file_says_is_not_said_twice(self, tmp_path):
        path = tmp_path / "levels.csv"
        path.write_text("level,mean_s,sigma_s\n0,1e-6,0\n1,2e-6,0\n", encoding="utf-8")
        with pytest.raises(InputError, match="bits: must be absent, the file gives it"):
            load_levels(path, {"bits": 1})


def test_the_shipped_cell_is_of_three_bits():
    cell = Cell.load("rram-3bit", ["program_sigma=0.05", "g_max_s=50 uS"])
    assert (cell.bits, cell.program_sigma, cell.g_max_s) == (3, 0.05, 5e-5)
