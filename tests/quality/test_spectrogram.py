from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from audiosr_fx.errors import AudioFormatError
from audiosr_fx.quality.spectrogram import MAX_COLUMNS, N_FFT, measure_panel, save_spectrogram
from audiosr_fx.sources import ArraySource

RATE = 48_000


def sine(frequency_hz: float, seconds: float, channels: int = 1) -> ArraySource:
    time_s = np.arange(round(seconds * RATE)) / RATE
    wave = np.sin(2 * np.pi * frequency_hz * time_s).astype(np.float32)
    return ArraySource(np.tile(wave, (channels, 1)), RATE)


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_a_full_scale_sine_is_drawn_at_its_frequency_and_0_db(channels: int) -> None:
    panel = measure_panel(sine(6000.0, 1.0, channels), "sine")
    middle = panel.level_db[:, panel.level_db.shape[1] // 2]
    assert np.argmax(middle) * RATE / N_FFT == 6000.0
    assert middle.max() == pytest.approx(0.0, abs=0.01)


def test_a_long_recording_has_a_bounded_number_of_columns() -> None:
    panel = measure_panel(sine(440.0, 60.0), "long")
    assert panel.level_db.shape == (N_FFT // 2 + 1, MAX_COLUMNS)
    assert panel.duration_s == 60.0


@pytest.mark.parametrize(
    ("samples", "title"), [(1, "silence $ %"), (64, "a\nb"), (65, "not UTF-8 \udcff"), (8193, "\x1b")]
)
def test_short_recordings_of_any_name_can_be_drawn(samples: int, title: str, tmp_path: Path) -> None:
    panel = measure_panel(ArraySource(np.zeros((1, samples), np.float32), RATE), title)
    save_spectrogram(tmp_path / "silence.png", [panel])
    assert (tmp_path / "silence.png").read_bytes().startswith(b"\x89PNG\r\n")


def test_a_picture_is_there_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    panel = measure_panel(sine(440.0, 0.5), "sine")
    picture = tmp_path / "sine.png"
    picture.write_bytes(b"drawn before")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(AudioFormatError, match=r"sine\.png: cannot be written"):
        save_spectrogram(picture, [panel])
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"drawn before"]


def test_an_empty_recording_says_so() -> None:
    with pytest.raises(AudioFormatError, match="nothing to draw"):
        measure_panel(ArraySource(np.zeros((1, 0), np.float32), RATE), "empty")
    with pytest.raises(AudioFormatError, match="nothing to draw"):
        save_spectrogram("unused.png", [])


def test_panels_of_different_rates_share_one_picture(tmp_path: Path) -> None:
    dull = ArraySource(np.zeros((1, 8000), np.float32), 16_000)
    save_spectrogram(
        tmp_path / "two.png", [measure_panel(dull, "16 kHz"), measure_panel(sine(1e4, 0.5), "48")]
    )
    assert (tmp_path / "two.png").stat().st_size > 5_000
