from __future__ import annotations

from pathlib import Path

from recipes import a_result

from audiosr_fx.commands.job import Failure, Outcome
from audiosr_fx.commands.table import Summary, table_text

OUT = Path("out.wav")


def outcomes() -> list[Outcome]:
    return [
        a_result(Path("in/dull.wav"), OUT),
        a_result(
            Path("in/full.wav"), OUT, rendered=False, untouched=True, bandwidth="full_band", cutoff_hz=None
        ),
        a_result(Path("in/silent.wav"), None, rendered=False, untouched=True, bandwidth="silent",
                 cutoff_hz=None, lufs_before=float("-inf"), lufs_after=None, true_peak_after_dbtp=None),
        a_result(Path("in/loud.wav"), OUT, rendered=False, bandwidth=None, cutoff_hz=None, clipped_samples=3),
        Failure(input="in/[red]bad\x1b.wav", error="in/[red]bad\\x1b.wav: damaged", exit_code=3),
    ]  # fmt: skip


def test_a_line_for_every_file_says_what_was_done() -> None:
    header, *lines = table_text(outcomes()).splitlines()
    assert header.split() == [
        "file", "bandwidth", "cutoff", "LUFS", "in", "out", "dBTP", "in", "out", "took", "speed", "what",
        "was", "done",
    ]  # fmt: skip
    assert lines[0].split() == [
        "in/dull.wav", "cut", "off", "6.00", "kHz", "-20.0", "-14.0", "-3.0", "-1.0", "2.0", "s", "5.0x",
        "restored",
    ]  # fmt: skip
    assert "full band" in lines[1]
    assert lines[1].endswith("written untouched")
    assert lines[2].split()[:3] == ["in/silent.wav", "silent", "silent"]
    assert lines[2].endswith("left out, nothing to do")
    assert lines[3].endswith("processed, 3 samples clipped")
    assert lines[4].startswith("in/[red]bad\\x1b.wav")
    assert lines[4].endswith("failed: damaged")


def test_what_full_scale_took_is_told_in_the_table_and_the_line() -> None:
    hot = a_result(Path("in/hot.wav"), OUT, gave_way_s=0.3561, lift_db=2.36)
    assert table_text([hot]).splitlines()[1].endswith("restored, gives way 2.4 dB at full scale")
    assert str(hot).endswith(
        "real time; the new band gives way for 357 ms, where it would go 2.4 dB over full scale"
        " (WAV with --bits 32 keeps it)"
    )
    over = a_result(Path("in/over.wav"), OUT, gave_way_s=2.04, lift_db=0.01, clipped_samples=5)
    assert str(over).endswith(
        "the new band gives way for 2.0 s, where full scale has no room (WAV with --bits 32 keeps it);"
        " 5 samples clipped at full scale (WAV with --bits 32 keeps them)"
    )
    kept = a_result(Path("in/hot.wav"), OUT, lift_db=2.36)
    assert str(kept).endswith("goes 2.4 dB over full scale, as the input did not; float samples keep it")
    assert "full scale" not in str(a_result(Path("in/soft.wav"), OUT))


def test_figures_never_give_way_to_long_names() -> None:
    long = a_result(Path("a folder/" * 9 + "take 2.wav"), OUT)
    failed = Failure(input="x.wav", error="x.wav: " + "no reason " * 40, exit_code=3)
    _, first, second = table_text([long, failed]).splitlines()
    assert "take 2.wav" in first
    assert "6.00 kHz" in first
    assert "restored" in first
    assert len(second) <= 160


def test_the_last_line_counts_them() -> None:
    summary = Summary.of(8, outcomes(), wall_s=20.0, album_lufs=-14.02)
    assert str(summary) == (
        "8 files: 1 restored, 1 without new highs, 1 written untouched, 1 left out, nothing to do, 1 failed,"
        " 3 not done; 40.0 s of audio in 20.0 s, 2.0x real time; the album has -14.0 LUFS"
    )
    assert Summary.of(1, [], 0.0).speed == 0.0
