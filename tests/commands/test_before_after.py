from __future__ import annotations

from pathlib import Path

import pytest
from mastered import air, data_of, dull, mastered_row, save
from typer.testing import CliRunner

from audiosr_fx.cli import app
from audiosr_fx.commands.terminal import ExitCode
from audiosr_fx.errors import AudioFormatError
from audiosr_fx.quality.report_pairs import pair_rows


def run(*arguments: str | Path) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["report", *map(str, arguments)])
    return done.exit_code, " ".join(done.output.split())


def test_two_files_become_a_page(tmp_path: Path) -> None:
    row = mastered_row(tmp_path)
    assert row.output is not None
    code, said = run(row.source, row.output, "-o", tmp_path / "report.html")
    assert code == ExitCode.OK
    assert said.startswith(f"{tmp_path / 'report.html'}: ")
    assert "<title>song.wav</title>" in (tmp_path / "report.html").read_text("utf-8")
    code, said = run(row.source, row.output, "-o", tmp_path / "report.html")
    assert code == ExitCode.OUTPUT
    assert "--overwrite" in said


def test_two_folders_are_matched_by_names(tmp_path: Path) -> None:
    save(tmp_path / "in" / "a.wav", dull())
    save(tmp_path / "in" / "b.wav", dull())
    save(tmp_path / "out" / "a.flac", dull() + air(dull()))
    save(tmp_path / "out" / "c.wav", dull())
    first, second, third = pair_rows(tmp_path / "in", tmp_path / "out")
    assert (first.output, first.rendered) == (tmp_path / "out" / "a.flac", None)
    assert first.cutoff_hz == pytest.approx(6000.0, rel=0.1)
    assert second.output is None
    assert second.reason == f"{tmp_path / 'out'} has no file of this name"
    assert third.output == tmp_path / "out" / "c.wav"
    assert [row.lacks for row in (first, second, third)] == ["", "after", "before"]
    code, said = run(tmp_path / "in", tmp_path / "out", "-o", tmp_path / "report.html")
    assert code == ExitCode.OK
    assert said.endswith(f"files: 3 only in {tmp_path / 'in'}: b.wav only in {tmp_path / 'out'}: c.wav")
    data = data_of(tmp_path / "report.html")
    assert [file["status"] for file in data["files"]] == ["compared", "no_after", "no_before"]


def test_what_cannot_be_paired_is_one_clear_line(tmp_path: Path) -> None:
    save(tmp_path / "in" / "a.wav", dull())
    save(tmp_path / "out" / "b.wav", dull())
    with pytest.raises(AudioFormatError, match="expected the same names"):
        pair_rows(tmp_path / "in", tmp_path / "out")
    with pytest.raises(AudioFormatError, match="two files, or two folders"):
        pair_rows(tmp_path / "in", tmp_path / "out" / "b.wav")


def test_files_that_cannot_be_read_are_one_line_when_alone_and_a_line_of_the_page_in_a_folder(
    tmp_path: Path,
) -> None:
    row = mastered_row(tmp_path)
    code, said = run(row.source, tmp_path / "gone.wav", "-o", tmp_path / "report.html")
    assert code == ExitCode.BAD_AUDIO
    assert said == f"error: {tmp_path / 'gone.wav'}: no such file"
    assert not (tmp_path / "report.html").exists()
    for side in ("in", "out"):
        (tmp_path / side / "broken.wav").write_bytes(b"junk")
    code, said = run(tmp_path / "in", tmp_path / "out", "-o", tmp_path / "report.html")
    assert code == ExitCode.SOME_FAILED
    assert "files: 2 error: not measured: " in said
    assert said.count("broken.wav: cannot be read as audio") == 2  # before, and after


def test_a_page_needs_a_name_in_html(tmp_path: Path) -> None:
    code, said = run(tmp_path, tmp_path, "-o", tmp_path / "report.pdf")
    assert code == ExitCode.USAGE
    assert "expected a name in .html" in said
