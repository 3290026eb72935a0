"""Material for tests of mastering reports: dull sources, and outputs with a made-up band above."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from scipy import signal

from audiosr_fx.quality.report import ReportRow
from audiosr_fx.sources import Audio

RATE = 48_000
CUTOFF_HZ = 6_000.0
HOSTILE_NAMES = (
    "<img src=x onerror=window.hacked=1>.wav",
    "'\"><svg onload=window.hacked=1>.wav",
    "two\nlines.wav",
    "\u202egnp.wav",
    "\u0645\u0631\u062d\u0628\u0627.wav",
    "long " * 40 + ".wav",
)


def dull(seconds: float = 1.0, *, level: float = 0.05, channels: int = 2, seed: int = 0) -> Audio:
    """Noise without anything above 6 kHz."""
    sections = signal.ellip(10, 0.1, 100.0, CUTOFF_HZ, fs=RATE, output="sos")
    wave = np.random.default_rng(seed).standard_normal((channels, round(seconds * RATE))) * level
    return signal.sosfilt(sections, wave, axis=1).astype(np.float32)


def air(audio: Audio, *, level: float = 0.01) -> Audio:
    """Noise above 7 kHz, of the same shape, faded at its ends."""
    sections = signal.ellip(10, 0.1, 120.0, 7_000.0, "highpass", fs=RATE, output="sos")
    wave = np.random.default_rng(5).standard_normal(audio.shape) * level
    faded = signal.sosfilt(sections, wave, axis=1) * signal.windows.tukey(audio.shape[1], 0.1)
    return faded.astype(np.float32)


def save(path: Path, audio: Audio, rate: int = RATE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(str(path), audio.T, rate, subtype="PCM_24")
    return path


def mastered_row(folder: Path, name: str = "song.wav", *, seed: int = 0, gain: float = 1.0) -> ReportRow:
    """A source, its restored output, and the row that tells of them."""
    source = dull(seed=seed)
    return ReportRow(
        source=save(folder / "in" / name, source),
        output=save(folder / "out" / name, np.float32(gain) * (source + air(source))),
        preset="gentle",
        rendered=True,
        cutoff_hz=CUTOFF_HZ,
        reason="cut off at 6.00 kHz (steeply, 150 dB per octave)",
        render_s=0.5,
    )


def data_of(path: Path) -> dict[str, Any]:
    """What a page is told."""
    found = re.search(r'id="report">([^<]*)<', path.read_text("utf-8"))
    assert found is not None
    value: dict[str, Any] = json.loads(base64.b64decode(found[1]))
    return value
