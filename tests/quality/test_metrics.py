"""All measures at once: bounds, limits, silence, and measures whose package is not there."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from audiosr_fx.quality import speech
from audiosr_fx.quality.metrics import METRIC_NAMES, measure
from audiosr_fx.training.degrade import LowPass, apply_lowpass

RATE = 48_000


def noise(seed: int = 0) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal(RATE).astype(np.float32)


def dull(cutoff_hz: float = 4_000.0) -> np.ndarray:
    return apply_lowpass(noise(), LowPass(family="boxcar", order=2, cutoff_hz=cutoff_hz))


def test_an_equal_signal_is_perfect_and_a_dull_one_is_not() -> None:
    same = measure(noise(), noise(), RATE, cutoff_hz=4_000.0)
    assert [getattr(same, name) for name in METRIC_NAMES[:9]] == pytest.approx([0.0] * 9, abs=1e-7)
    found = measure(noise(), dull(), RATE, cutoff_hz=4_000.0)
    assert found.lsd_low < 0.1
    assert found.lsd_high > found.lsd > 5.0
    assert 60.0 < found.envelope_db < 81.0
    assert found.low_si_sdr_db > 100.0


def test_what_lies_above_the_limit_of_a_clip_does_not_count() -> None:
    missing = dull(16_000.0)
    found = measure(noise(), missing, RATE, cutoff_hz=4_000.0, highest_hz=15_000.0)
    assert found.lsd < 0.1
    assert found.envelope_db < 0.1
    assert found.multi_resolution < 0.1
    assert measure(noise(), missing, RATE, cutoff_hz=4_000.0).lsd > 2.0


def test_silence_has_no_figures() -> None:
    silent = measure(np.zeros(RATE, np.float32), noise(), RATE, cutoff_hz=4_000.0)
    assert np.isnan([silent.lsd, silent.envelope_db, silent.flatness_db, silent.low_si_sdr_db]).all()


def test_speech_measures_without_their_packages_give_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech.importlib.util, "find_spec", lambda name: None)
    assert "pip install" in str(speech.reason_without("pesq"))
    assert np.isnan(speech.measure_pesq(noise(), dull(), RATE))
    assert np.isnan(speech.measure_stoi(noise(), dull(), RATE))


def test_speech_measures_hear_16_khz(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[tuple[int, int, int]] = []

    def listen(clean: np.ndarray, degraded: np.ndarray, rate: int, extended: bool) -> float:
        heard.append((len(clean), len(degraded), rate))
        return 0.9

    fake = ModuleType("pystoi")
    fake.stoi = listen  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pystoi", fake)
    monkeypatch.setattr(speech.importlib.util, "find_spec", lambda name: SimpleNamespace())
    assert speech.measure_stoi(noise(), dull(), RATE) == 0.9
    assert heard == [(16_000, 16_000, 16_000)]


def speech_like() -> np.ndarray:
    """Three seconds of noise in syllables."""
    syllables = np.clip(np.sin(2 * np.pi * 3 * np.arange(3 * RATE) / RATE), 0.0, 1.0)
    return (syllables * 0.3 * np.random.default_rng(0).standard_normal(3 * RATE)).astype(np.float32)


def test_pesq_is_best_for_equal_speech_and_undefined_for_silence() -> None:
    pytest.importorskip("pesq")
    silence = np.zeros(RATE, np.float32)
    dull = apply_lowpass(speech_like(), LowPass(family="boxcar", order=2, cutoff_hz=2_000.0))
    assert speech.measure_pesq(speech_like(), speech_like(), RATE) == pytest.approx(4.64, abs=0.01)
    assert speech.measure_pesq(speech_like(), dull, RATE) < 4.0
    assert np.isnan(speech.measure_pesq(silence, silence, RATE))


def test_stoi_is_best_for_equal_speech_and_undefined_for_silence() -> None:
    pytest.importorskip("pystoi")
    silence = np.zeros(RATE, np.float32)
    dull = apply_lowpass(speech_like(), LowPass(family="boxcar", order=2, cutoff_hz=1_000.0))
    assert speech.measure_stoi(speech_like(), speech_like(), RATE) == pytest.approx(1.0, abs=0.01)
    assert speech.measure_stoi(speech_like(), dull, RATE) < 0.95
    assert np.isnan(speech.measure_stoi(silence, silence, RATE))
    assert np.isnan(speech.measure_stoi(speech_like()[:1_000], speech_like()[:1_000], RATE))
