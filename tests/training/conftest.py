"""A corpus small enough to make in a test."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile
from soundfont_file import write_soundfont

from audiosr_fx.training.data import Clip, load_corpus
from audiosr_fx.training.soundfonts import SoundFont

_FIELDS = ("file", "kind", "original_sample_rate", "edge_hz", "lossy_source")
_ROWS = (
    ("drums/hits_001.flac", "drums", "48000", "24000", "no"),
    ("drums/hits_002.flac", "drums", "48000", "24000", "no"),
    ("speech/voice_001.flac", "speech", "44100", "22000", "no"),
    ("mix/codec_001.flac", "mix", "48000", "15500", "mp3"),
    ("speech/sms_001.flac", "speech", "48000", "24000", "no"),
)


@pytest.fixture(scope="session")
def corpus_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    random = np.random.default_rng(0)
    with (folder / "INDEX.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(_FIELDS)
        writer.writerows(_ROWS)
    for index, row in enumerate(_ROWS):
        path = folder / row[0]
        path.parent.mkdir(exist_ok=True)
        decay = np.exp(-np.arange(20_000 + 9_000 * index) % 12_000 / 2_000.0)
        soundfile.write(path, 0.2 * decay * random.standard_normal(len(decay)), 48_000, subtype="PCM_16")
    return folder


@pytest.fixture(scope="session")
def clips(corpus_folder: Path) -> list[Clip]:
    return load_corpus(corpus_folder)


@pytest.fixture(scope="session")
def font(tmp_path_factory: pytest.TempPathFactory) -> SoundFont:
    decay = np.exp(-np.arange(44_100) / 8_000)
    sound = np.clip(0.3 * decay * np.random.default_rng(0).standard_normal(44_100), -1, 1)
    path = tmp_path_factory.mktemp("font") / "a.sf2"
    return SoundFont(write_soundfont(path, sound, cents_per_key=0))  # so that one sample serves all keys
