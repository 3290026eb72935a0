"""Synthesiser voices: in tune, up to 24 kHz, without aliases, the same from the same seed."""

from __future__ import annotations

import numpy as np
import pytest

from audiosr_fx.training.voices import DrumMachine, SynthVoice, draw_drum_machine, draw_voice


def _spectrum_db(sound: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    middle = sound[6_000:42_000].astype(float)  # 0.75 s: 880 Hz falls on a bin
    spectrum = np.abs(np.fft.rfft(middle * np.blackman(len(middle))))
    return np.fft.rfftfreq(len(middle), 1 / 48_000), 20 * np.log10(spectrum / spectrum.max() + 1e-12)


def test_a_saw_has_all_its_harmonics_and_nothing_between() -> None:
    sound = SynthVoice(shape="saw", seed=1, sustain=1.0).play(81, 127, 1.0)  # 880 Hz
    frequency, level = _spectrum_db(sound)
    distance = np.abs(frequency - 880 * np.round(frequency / 880))
    for harmonic in (1, 5, 20, 27):
        peak = level[np.abs(frequency - 880 * harmonic) < 4].max()
        assert peak == pytest.approx(-20 * np.log10(harmonic), abs=0.3)
    assert level[(distance > 20) & (frequency > 100)].max() < -60


def test_fm_does_not_fold_back() -> None:
    voice = SynthVoice(shape="fm", seed=1, sustain=1.0, sweep_s=100.0, fm_ratio=1.0, fm_index=8.0)
    frequency, level = _spectrum_db(voice.play(108, 127, 1.0))  # 4186 Hz, sidebands well beyond 24 kHz
    distance = np.abs(frequency - 4186.01 * np.round(frequency / 4186.01))
    assert level[(distance > 60) & (frequency > 500)].max() < -50


@pytest.mark.parametrize("shape", ["saw", "square", "pulse", "supersaw", "organ", "fm", "pluck"])
def test_voices_sound_at_their_pitch(shape: str) -> None:
    sound = SynthVoice(shape=shape, seed=3, sustain=1.0, fm_index=0.5, fm_ratio=1.0).play(69, 127, 1.0)
    correlation = np.fft.irfft(np.abs(np.fft.rfft(sound[4_000:40_000], 1 << 17)) ** 2)
    lag = 90 + int(np.argmax(correlation[90:130]))
    assert 48_000 / lag == pytest.approx(440, abs=6)


def test_a_filter_takes_the_highs_away() -> None:
    bright = SynthVoice(shape="saw", seed=1, sustain=1.0)
    dark = SynthVoice(shape="saw", seed=1, sustain=1.0, cutoff_hz=(1_000.0, 1_000.0), resonance=0.7)
    at = {}
    for name, voice in (("bright", bright), ("dark", dark)):
        sound = voice.play(57, 127, 1.0)[8_000:40_000]
        spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)))) ** 2
        at[name] = 10 * np.log10(spectrum[5_000:6_000].sum())  # 7.5 to 9 kHz
    assert at["bright"] - at["dark"] > 30


def test_the_same_seed_draws_and_plays_the_same_sound() -> None:
    voices = [draw_voice(np.random.default_rng(5)) for _ in range(2)]
    first, second = (voice.play(60, 100, 0.3) for voice in voices)
    assert voices[0] == voices[1]
    assert np.array_equal(first, second)


@pytest.mark.parametrize("seed", range(12))
def test_drawn_voices_are_finite_and_end_softly(seed: int) -> None:
    random = np.random.default_rng(seed)
    sound = draw_voice(random, bass=seed % 3 == 0, pad=seed % 3 == 1).play(40 + 4 * seed, 100, 0.4)
    assert np.all(np.isfinite(sound))
    assert 1e-4 < np.max(np.abs(sound)) < 8
    assert np.max(np.abs(sound[-8:])) < 1e-3


def test_drums_of_all_keys_reach_high_where_they_should() -> None:
    machine = draw_drum_machine(np.random.default_rng(2))
    hits = {key: machine.play(key, 127, 0.1) for key in range(35, 82)}
    assert all(np.all(np.isfinite(hit)) and np.max(np.abs(hit)) <= 1.0 for hit in hits.values())
    spectrum = np.abs(np.fft.rfft(hits[42])) ** 2
    frequency = np.fft.rfftfreq(len(hits[42]), 1 / 48_000)
    assert spectrum[frequency > 12_000].sum() > 0.3 * spectrum.sum()


def test_a_drum_sounds_the_same_each_time() -> None:
    first, second = DrumMachine(seed=4).play(38, 90, 0.1), DrumMachine(seed=4).play(38, 90, 0.1)
    assert np.array_equal(first, second)
