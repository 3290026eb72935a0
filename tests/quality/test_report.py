"""What a mastering report measures and writes, without a browser."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mastered import CUTOFF_HZ, RATE, air, data_of, dull, mastered_row, save

from audiosr_fx.audio import AudioWriter
from audiosr_fx.errors import AudioFormatError, RenderCancelled
from audiosr_fx.metadata.provenance import Provenance
from audiosr_fx.quality.report import (
    ReportEvent,
    ReportRow,
    StemCheck,
    excerpt_seconds,
    write_report,
)
from audiosr_fx.quality.report_file import measure_file

# --- one file -------------------------------------------------------------------------------------


def test_a_restored_file_is_measured_on_both_sides(tmp_path: Path) -> None:
    row = mastered_row(tmp_path)
    report = measure_file(row.source, row.output, cutoff_hz=CUTOFF_HZ)
    assert report.notes == ()
    assert report.before is not None
    assert report.after is not None
    assert report.before.levels.integrated_lufs is not None
    assert report.comparison is not None
    assert report.comparison.null.outcome == "kept"
    assert report.comparison.mono_added is not None
    assert report.crossover_hz == pytest.approx(CUTOFF_HZ, rel=0.1)
    assert report.excerpt is not None
    assert (report.excerpt.choice, report.excerpt.frames) == ("whole", RATE)
    assert all(picture is not None for picture in report.pictures)
    assert (report.seconds, report.nyquist_hz) == (1.0, 24_000.0)


def test_a_region_is_measured_against_its_own_part(tmp_path: Path) -> None:
    source = dull(2.0)
    source[:, :RATE] *= 0.1
    paths = save(tmp_path / "in.wav", source), save(tmp_path / "out.wav", source[:, RATE:])
    report = measure_file(*paths, start_s=1.0)
    assert report.before is not None
    assert report.after is not None
    assert report.before.levels == report.after.levels
    assert report.comparison is not None
    assert report.comparison.null.depth_db == -np.inf


def test_a_delay_is_told_and_taken_out(tmp_path: Path) -> None:
    source = dull(2.0)
    late = np.roll(source, 96, axis=1)
    late[:, :96] = 0.0
    report = measure_file(save(tmp_path / "in.wav", source), save(tmp_path / "out.wav", late))
    assert report.lag_ms == 2.0
    assert report.comparison is not None
    assert report.comparison.null.depth_db < -25.0  # the last two milliseconds are missing


@pytest.mark.parametrize("content", [None, b"", b"RIFF\x10\0\0\0WAVEjunk", b"nothing like audio" * 99])
@pytest.mark.parametrize("side", ["source", "output"])
def test_a_file_that_cannot_be_read_becomes_a_note(tmp_path: Path, content: bytes | None, side: str) -> None:
    row = mastered_row(tmp_path)
    assert row.output is not None
    broken = row.source if side == "source" else row.output
    broken.unlink()
    if content is not None:
        broken.write_bytes(content)
    report = measure_file(row.source, row.output, cutoff_hz=CUTOFF_HZ)
    assert len(report.notes) == 1
    assert str(broken) in report.notes[0]
    assert (report.before is None, report.after is None) == (side == "source", side == "output")


def test_a_truncated_file_becomes_a_note(tmp_path: Path) -> None:
    row = mastered_row(tmp_path)
    row.source.write_bytes(row.source.read_bytes()[:100_000])
    assert "truncated" in measure_file(row.source, row.output).notes[0]


@pytest.mark.parametrize("samples", [0, 1, 64, 65, 8193])
def test_short_files_are_measured_as_far_as_they_can_be(tmp_path: Path, samples: int) -> None:
    path = save(tmp_path / "short.wav", dull(1.0)[:, :samples])
    report = measure_file(path, path)
    assert len(report.notes) == 1
    assert "nothing to listen to" in report.notes[0]
    assert report.comparison is not None


def test_channels_that_became_others_are_a_note_and_can_still_be_heard(tmp_path: Path) -> None:
    paths = save(tmp_path / "in.wav", dull()), save(tmp_path / "out.wav", dull(channels=1))
    report = measure_file(*paths)
    assert report.notes == ("channels: 2 became 1; they cannot be held against each other",)
    assert report.comparison is None
    assert report.excerpt is not None


def test_what_this_program_wrote_into_a_file_is_read(tmp_path: Path) -> None:
    from audiosr_fx.metadata.parts import Metadata

    source = save(tmp_path / "in.wav", dull())
    step = Provenance(model="mini", seed=7, preset="gentle")
    metadata = Metadata(sample_rate=RATE, frames=RATE, provenance=(step,))
    with AudioWriter(tmp_path / "out.wav", RATE, 2, metadata=metadata) as writer:
        writer.write(dull())
    assert measure_file(source, tmp_path / "out.wav").provenance[-1] == step


# --- the page -------------------------------------------------------------------------------------


def test_a_page_tells_what_was_done(tmp_path: Path) -> None:
    row = replace(mastered_row(tmp_path), decisions=("gain +2.0 dB: -16.00 LUFS to -14",))
    passed = replace(row, rendered=False, cutoff_hz=None, reason="full band: reaches 21.0 kHz already")
    failed = replace(row, output=None, rendered=False, error="in.wav: the disk is full")
    skipped = replace(row, output=None, rendered=False, reason="nothing to do")
    events: list[ReportEvent] = []
    check = StemCheck(null_dbfs=-np.inf, crossover_hz=5760.0, stems=4, reason="all there")
    page = tmp_path / "report.html"
    write_report(
        page, [row, passed, failed, skipped], title="Album", stem_check=check, on_event=events.append
    )
    data = data_of(page)
    assert data["title"] == "Album"
    assert [file["status"] for file in data["files"]] == ["restored", "passed", "failed", "skipped"]
    assert data["files"][0]["decisions"] == ["gain +2.0 dB: -16.00 LUFS to -14"]
    assert data["files"][0]["null"]["tone"] == "good"
    assert data["files"][1]["reason"].startswith("full band")
    assert data["files"][2]["error"] == "in.wav: the disk is full"
    assert data["stem_check"]["null_dbfs"] == "-inf"
    assert [(event.rows_done, event.rows_total) for event in events] == [(i, 4) for i in range(5)]


def test_the_same_sound_lies_in_a_page_once(tmp_path: Path) -> None:
    row = mastered_row(tmp_path)
    write_report(tmp_path / "one.html", [row], title="x")
    write_report(tmp_path / "two.html", [row, row], title="x")
    sizes = [(tmp_path / name).stat().st_size for name in ("one.html", "two.html")]
    assert sizes[1] < 1.1 * sizes[0]


def test_a_page_is_never_lost_to_another(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text("kept")
    with pytest.raises(AudioFormatError, match="exists already"):
        write_report(page, [mastered_row(tmp_path)], title="x")
    assert page.read_text() == "kept"
    write_report(page, [], title="x", overwrite=True)
    assert data_of(page)["files"] == []


def test_a_folder_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(AudioFormatError, match="cannot be written"):
        write_report(tmp_path / "none" / "report.html", [], title="x")


def test_a_cancelled_report_leaves_nothing(tmp_path: Path) -> None:
    row = mastered_row(tmp_path)
    with pytest.raises(RenderCancelled):
        write_report(tmp_path / "report.html", [row], title="x", should_cancel=lambda: True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]


def test_many_files_have_less_of_each() -> None:
    assert [excerpt_seconds(files) for files in (0, 1, 24, 25, 48, 96, 500)] == [20, 20, 20, 19, 10, 5, 5]
    assert excerpt_seconds(12) * 12 * 2 * 48_000 * 4 < 100e6  # bytes of an album, if nothing compressed it


def test_names_are_inert_before_they_reach_a_page(tmp_path: Path) -> None:
    row = ReportRow(source=Path("a\nb\u202e<b>\udcff.wav"), output=None, error="a\nb: no such file")
    write_report(tmp_path / "report.html", [row], title="t\u202e\n")
    data = data_of(tmp_path / "report.html")
    assert data["title"] == r"t\u202e\n"
    assert data["files"][0]["name"] == r"a\nb\u202e<b>\udcff.wav"
    assert data["files"][0]["error"] == r"a\nb: no such file"


def test_what_is_added_is_heard_where_most_was_added(tmp_path: Path) -> None:
    source = dull(30.0, channels=1)
    added = air(source) * np.repeat([0.1, 1.0, 0.1], 10 * RATE).astype(np.float32)
    paths = save(tmp_path / "in.wav", source), save(tmp_path / "out.wav", source + added)
    report = measure_file(*paths, cutoff_hz=CUTOFF_HZ, excerpt_s=8)
    assert report.excerpt is not None
    assert report.excerpt.choice == "most changed"
    assert 9.0 <= report.excerpt.start_s <= 13.0
