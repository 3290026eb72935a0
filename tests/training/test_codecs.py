"""Codec round trips: in step, of the same length, dull, and refused in one line."""

from __future__ import annotations

import numpy as np
import pytest

from audiosr_fx.errors import AudioFormatError, ParameterError
from audiosr_fx.training import codecs
from audiosr_fx.training.codecs import SAMPLE_RATES, Codec, available_codecs, round_trip

HIGH_KBPS = {"mp3": 160.0, "vorbis": 160.0, "opus": 160.0, "aac": 160.0}
LOW_KBPS = {"mp3": 32.0, "vorbis": 32.0, "opus": 12.0, "aac": 24.0}


@pytest.fixture(params=sorted(SAMPLE_RATES))
def name(request: pytest.FixtureRequest) -> str:
    if request.param not in available_codecs():
        pytest.skip(f"no {request.param} here")
    return str(request.param)


def _music(samples: int) -> np.ndarray:
    """Decaying tones with a little hiss: most of it below 6 kHz."""
    random = np.random.default_rng(0)
    time = np.arange(samples) / 48_000
    tones = sum(np.sin(2 * np.pi * f * time + f) / f for f in (220.0, 330.0, 990.0, 2_310.0, 5_500.0))
    return (0.3 * np.exp(-((time * 4) % 1)) * (100 * tones + 0.03 * random.standard_normal(samples))).astype(
        np.float32
    )


def test_a_machine_with_soundfile_has_three_codecs() -> None:
    assert set(available_codecs()) >= {"mp3", "vorbis", "opus"}


def test_a_round_trip_at_a_high_rate_gives_the_waveform_back_in_step(name: str) -> None:
    original = _music(30_001)
    decoded = round_trip(original, Codec(name=name, bitrate_kbps=HIGH_KBPS[name]))
    assert decoded.shape == original.shape
    assert decoded.dtype == np.float32
    error = np.square(decoded - original).mean() / np.square(original).mean()
    assert error < 0.02  # one sample of delay alone would make 0.04
    assert error > 1e-9  # it did go through the codec


def test_every_sample_rate_is_put_back_in_step(name: str) -> None:
    original = _music(24_000)
    for sample_rate in SAMPLE_RATES[name]:
        decoded = round_trip(original, Codec(name=name, bitrate_kbps=64.0, sample_rate=sample_rate))
        correlation = np.correlate(decoded[1_000:-1_000], original[900:-900], mode="valid")
        assert int(np.argmax(correlation)) == 100, sample_rate


def test_a_low_rate_takes_the_highs_away(name: str) -> None:
    noise = (0.1 * np.random.default_rng(1).standard_normal(48_000)).astype(np.float32)
    dull = round_trip(noise, Codec(name=name, bitrate_kbps=LOW_KBPS[name], sample_rate=16_000))
    before, after = (np.abs(np.fft.rfft(x)) ** 2 for x in (noise, dull))
    assert after[9_000:].sum() < 1e-3 * before[9_000:].sum()
    assert after[100:2_000].sum() > 0.1 * before[100:2_000].sum()


@pytest.mark.parametrize("samples", [0, 1, 64, 65, 8_193])
def test_any_length_and_silence_come_back(name: str, samples: int) -> None:
    codec = Codec(name=name, bitrate_kbps=48.0)
    assert round_trip(_music(samples), codec).shape == (samples,)
    assert not round_trip(np.zeros(samples, np.float32), codec).any()


def test_loudness_does_not_matter(name: str) -> None:
    codec = Codec(name=name, bitrate_kbps=48.0)
    quiet, loud = (round_trip(level * _music(9_600), codec) / level for level in (1e-3, 3.0))
    np.testing.assert_allclose(quiet, loud, atol=2e-3)


def test_what_is_no_codec_is_refused() -> None:
    with pytest.raises(ParameterError, match="codec is 'wma'; expected one of mp3, vorbis, opus, aac"):
        Codec(name="wma", bitrate_kbps=64.0)
    with pytest.raises(ParameterError, match="sample_rate of opus is 44100; expected one of 8000"):
        Codec(name="opus", bitrate_kbps=64.0, sample_rate=44_100)
    with pytest.raises(ParameterError, match="bitrate_kbps is 0; expected more than 0"):
        Codec(name="mp3", bitrate_kbps=0)


def test_a_codec_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codecs, "available_codecs", lambda: ("mp3",))
    with pytest.raises(ParameterError, match="codec is 'aac'; this machine has mp3"):
        round_trip(_music(100), Codec(name="aac", bitrate_kbps=32.0))


@pytest.mark.skipif("aac" not in available_codecs(), reason="no ffmpeg here")
def test_a_failing_ffmpeg_says_why_in_one_line() -> None:
    with pytest.raises(AudioFormatError, match=r"^ffmpeg failed: .+") as failed:
        codecs._ffmpeg(b"no audio", "-f", "aac", "-i", "pipe:0", "-c:a", "nonsense", "-f", "adts")
    assert "\n" not in str(failed.value)
