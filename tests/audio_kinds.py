"""A few samples in every format we take, and some that we do not, for tests of headers and decoders."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import soundfile

KINDS: Final = {
    "pcm16.wav": ("WAV", "PCM_16"),
    "pcm24.wav": ("WAV", "PCM_24"),
    "float.wav": ("WAV", "FLOAT"),
    "extensible.wav": ("WAVEX", "PCM_24"),
    "rf64.wav": ("RF64", "PCM_24"),
    "wave64.w64": ("W64", "PCM_16"),
    "pcm16.aiff": ("AIFF", "PCM_16"),
    "float.aiff": ("AIFF", "FLOAT"),
    "pcm16.flac": ("FLAC", "PCM_16"),
    "pcm24.flac": ("FLAC", "PCM_24"),
    "vorbis.ogg": ("OGG", "VORBIS"),
    "layer3.mp3": ("MP3", "MPEG_LAYER_III"),
}
"""File name: format and subtype of libsndfile."""

UNTAKEN: Final = {
    "adpcm.wav": ("WAV", "IMA_ADPCM"),
    "gsm.wav": ("WAV", "GSM610"),
    "ulaw.wav": ("WAV", "ULAW"),
    "adpcm.w64": ("W64", "IMA_ADPCM"),
    "ulaw.aiff": ("AIFF", "ULAW"),
    "voc.voc": ("VOC", "PCM_16"),
    "au.au": ("AU", "PCM_16"),
    "mat.mat": ("MAT5", "PCM_16"),
    "caf.caf": ("CAF", "PCM_16"),
    "avr.avr": ("AVR", "PCM_16"),
}


def write_kind(path: Path, kind: str, audio: np.ndarray | None = None, sample_rate: int = 44_100) -> Path:
    """Write audio, (samples, channels), as one of the kinds above."""
    format, subtype = {**KINDS, **UNTAKEN}[kind]
    soundfile.write(path, some_audio() if audio is None else audio, sample_rate, subtype, format=format)
    return path


def load(path: Path) -> np.ndarray:
    """All of a file, float32 (channels, samples)."""
    audio, _ = soundfile.read(path, dtype="float32", always_2d=True)
    return np.ascontiguousarray(audio.T)


def some_audio(samples: int = 8193, channels: int = 1, seed: int = 0) -> np.ndarray:
    """Noise of a moderate level, (samples, channels)."""
    return 0.1 * np.random.default_rng(seed).standard_normal((samples, channels))
