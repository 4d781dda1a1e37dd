"""A report that is written anew in place of one that is there."""

import pytest
from program import run
from report_studies import write_study

from archsim.report.html import write_html


def test_the_command_replaces_a_file_only_when_told_and_only_by_a_whole_one(tmp_path, monkeypatch):
    folder = write_study(tmp_path / "study")
    out = tmp_path / "x.html"
    out.write_text("mine")
    assert run("report", folder, "--out", out).status == 2
    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.write_text", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            write_html(folder, out, replace=True)
    assert out.read_text() == "mine"
    assert {path.name for path in tmp_path.iterdir()} == {"study", "x.html"}
    ended = run("report", folder, "--out", out, "--force")
    assert ended.status == 0, ended.err
    assert out.read_bytes() == write_html(folder, tmp_path / "y.html").path.read_bytes()
    assert run("report", folder, "--out", tmp_path / "z.html", "--force").status == 0
    (tmp_path / "link.html").symlink_to(out)
    (tmp_path / "folder.html").mkdir()
    for name in ("link.html", "folder.html"):
        refused = run("report", folder, "--out", tmp_path / name, "--force")
        assert refused.err == f"archsim: error: {tmp_path}/{name}: not a regular file, and not replaced\n"
