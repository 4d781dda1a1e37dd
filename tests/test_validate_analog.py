"""``archsim validate analog``: what holds, and what judges it."""

import pytest
from program import run, strict_json

from archsim.analog import FlashStage
from archsim.analog.netlist import ngspice_path
from archsim.validate import analog


@pytest.fixture(scope="module")
def rows():
    return list(analog.rows())


def test_every_figure_holds(rows):
    assert len(rows) == 7 + 20 + 12 + 10
    judged = [row for row in rows if row.expected is not None]
    assert [row.figure for row in judged if not row.holds] == []
    assert len(rows) - len(judged) == (0 if ngspice_path() else 7)


def test_without_ngspice_its_rows_are_not_run_and_say_so(monkeypatch):
    monkeypatch.setattr(analog, "ngspice_path", lambda: None)
    missing = [row for row in analog.rows() if row.holds is None]
    assert len(missing) == 7
    assert {row.note for row in missing} == {"not run: there is no ngspice (Debian package ngspice)"}


def test_a_wrong_residue_does_not_hold(monkeypatch):
    def doubled(bits, residue_noise_rms, number):
        return FlashStage(bits, residue_noise_rms=2 * residue_noise_rms, number=number)

    monkeypatch.setattr(analog, "FlashStage", doubled)
    wrong = [row.figure for row in analog.rows() if row.holds is False]
    assert len(wrong) >= 12
    assert all("residue error" in figure for figure in wrong)


def test_the_program_prints_them():
    ended = run("validate", "analog", "--json")
    assert (ended.status, ended.err) == (0, "")
    assert len(strict_json(ended.out)["rows"]) == 49
