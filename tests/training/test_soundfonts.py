"""Soundfonts: notes in tune, with their highs, and files that are none refused."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from soundfont_file import write_soundfont

from audiosr_fx.errors import AudioFormatError
from audiosr_fx.training.soundfonts import DRUM_BANK, SoundFont


def _noise(samples: int = 44_100) -> np.ndarray:
    return np.clip(0.2 * np.random.default_rng(0).standard_normal(samples), -1, 1)


def _play(font: SoundFont, key: int, seconds: float, velocity: int = 127) -> np.ndarray:
    (zone,) = font.presets[0].zones_for(key, velocity)
    return font.play(zone, key, velocity, seconds)


def _level_db(sound: np.ndarray, low_hz: float, high_hz: float) -> float:
    power = np.abs(np.fft.rfft(sound * np.hanning(len(sound)))) ** 2
    frequency = np.fft.rfftfreq(len(sound), 1 / 48_000)
    return float(10 * np.log10(power[(frequency >= low_hz) & (frequency < high_hz)].mean()))


@pytest.mark.parametrize(("key", "expected_hz"), [(48, 500.0), (60, 1000.0), (67, 1498.3), (72, 2000.0)])
def test_a_note_sounds_at_its_pitch(tmp_path: Path, key: int, expected_hz: float) -> None:
    sine = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(44_100) / 44_100)
    note = _play(SoundFont(write_soundfont(tmp_path / "sine.sf2", sine)), key, 0.4)
    spectrum = np.abs(np.fft.rfft(note[: 48_000 // 3], 1 << 18))
    assert np.argmax(spectrum) * 48_000 / (1 << 18) == pytest.approx(expected_hz, abs=1.0)


def test_the_top_octave_is_neither_dimmed_nor_mirrored(tmp_path: Path) -> None:
    font = SoundFont(write_soundfont(tmp_path / "noise.sf2", _noise()))
    plain, lower = _play(font, 60, 0.9), _play(font, 55, 0.9)
    assert _level_db(plain, 18_000, 20_000) == pytest.approx(_level_db(plain, 2_000, 9_000), abs=0.5)
    assert (
        _level_db(lower, 18_000, 24_000) < _level_db(lower, 2_000, 9_000) - 60
    )  # its recording ends at 16.5


def test_the_limit_of_a_note_moves_with_its_pitch(tmp_path: Path) -> None:
    (zone,) = SoundFont(write_soundfont(tmp_path / "noise.sf2", _noise())).presets[0].zones_for(60, 100)
    assert zone.limit_hz(60) == pytest.approx(22_050)
    assert zone.limit_hz(72) == pytest.approx(44_100)
    assert zone.limit_hz(48) == pytest.approx(11_025)


def test_a_loop_sounds_on_and_a_release_ends_it(tmp_path: Path) -> None:
    font = SoundFont(write_soundfont(tmp_path / "loop.sf2", _noise(4_410), loop=(410, 4_410), release_s=0.2))
    note = _play(font, 60, 1.0)
    held, after = note[40_000:48_000], note[48_000 + 4_800 :]
    assert len(note) == pytest.approx(1.2 * 48_000, abs=4)  # the file holds whole timecents
    assert np.sqrt(np.mean(held**2)) == pytest.approx(np.sqrt(np.mean(note[:8_000] ** 2)), rel=0.1)
    assert np.max(np.abs(after)) < 0.01 * np.max(np.abs(held))


def test_softer_keys_are_quieter(tmp_path: Path) -> None:
    font = SoundFont(write_soundfont(tmp_path / "noise.sf2", _noise()))
    loud, soft = _play(font, 60, 0.2), _play(font, 60, 0.2, velocity=64)
    assert np.max(np.abs(soft)) / np.max(np.abs(loud)) == pytest.approx((64 / 127) ** 2, rel=1e-3)


def test_presets_come_with_bank_program_and_author(tmp_path: Path) -> None:
    font = SoundFont(write_soundfont(tmp_path / "noise.sf2", _noise()))
    assert [(p.bank, p.program, p.name) for p in font.presets] == [(0, 0, "Sound"), (DRUM_BANK, 0, "Kit")]
    assert font.author == "A. Tester"


def test_samples_to_leave_out_are_left_out(tmp_path: Path) -> None:
    path = write_soundfont(tmp_path / "noise.sf2", _noise(), name="Violins_A3")
    assert SoundFont(path, re.compile("^Violins_")).presets == ()


@pytest.mark.parametrize("content", [b"", b"RIFF", b"RIFF\0\0\0\0WAVEfmt ", b"RIFF\0\0\0\0sfbk", bytes(400)])
def test_what_is_no_soundfont_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.sf2"
    path.write_bytes(content)
    with pytest.raises(AudioFormatError, match=r"broken\.sf2"):
        SoundFont(path)


def test_a_soundfont_cut_short_is_refused(tmp_path: Path) -> None:
    path = write_soundfont(tmp_path / "short.sf2", _noise())
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(AudioFormatError, match=r"short\.sf2"):
        SoundFont(path)


def test_compressed_samples_are_refused(tmp_path: Path) -> None:
    path = write_soundfont(tmp_path / "packed.sf3", _noise(), sample_type=17)
    with pytest.raises(AudioFormatError, match="SF3"):
        SoundFont(path)
