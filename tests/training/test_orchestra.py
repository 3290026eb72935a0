"""The orchestra: every style plays, nothing held out does, kinds are those of the corpus."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from soundfont_file import write_soundfont

from audiosr_fx.errors import ParameterError
from audiosr_fx.training.orchestra import (
    HELD_OUT_SAMPLES,
    LOWEST_LIMIT_HZ,
    STYLES,
    Orchestra,
    RecordedVoice,
    kind_of,
)
from audiosr_fx.training.soundfonts import SoundFont


@pytest.mark.parametrize("style", STYLES)
def test_every_style_plays(font: SoundFont, style: str) -> None:
    music = Orchestra([font]).draw(np.random.default_rng(0), style, seconds=3.0)
    assert music.sound.shape == (144_000,)
    assert np.max(np.abs(music.sound)) > 0.01
    assert music.limit_hz >= LOWEST_LIMIT_HZ


def test_an_unknown_style_is_refused(font: SoundFont) -> None:
    with pytest.raises(ParameterError, match="polka"):
        Orchestra([font]).draw(np.random.default_rng(0), "polka")


@pytest.mark.parametrize("name", ["MSnr-hit 4", "58_81_TAP1", "Violins_A3_v1L", "metronome-MDL1L"])
def test_held_out_samples_are_known_by_name(name: str) -> None:
    assert HELD_OUT_SAMPLES.search(name)
    assert not HELD_OUT_SAMPLES.search("Violin B4")


def test_programs_have_the_kinds_of_the_corpus() -> None:
    found = {program: kind_of(program) for program in (0, 9, 25, 33, 40, 52, 56, 73, 81, 127)}
    assert list(found.values()) == [
        *("piano", "drums", "guitar", "guitar", "strings", "vocals", "brass", "winds", "synth", "fx")
    ]


def test_keys_whose_recording_ends_too_low_are_silent(tmp_path: Path) -> None:
    noise = np.clip(0.2 * np.random.default_rng(0).standard_normal(44_100), -1, 1)
    font = SoundFont(write_soundfont(tmp_path / "noise.sf2", noise, root_key=60))
    voice = RecordedVoice(font=font, preset=font.presets[0])
    assert voice.keys() == list(range(58, 68))  # down to 19 kHz, up to one and a half times the speed
    assert len(voice.play(50, 100, 0.2)) == 0
    assert len(voice.play(60, 100, 0.2)) > 0
