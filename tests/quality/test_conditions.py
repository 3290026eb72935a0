"""Conditions dull as they say, name themselves and refuse what makes no sense."""

from __future__ import annotations

import numpy as np
import pytest

from audiosr_fx.errors import ParameterError
from audiosr_fx.quality.conditions import Condition, conditions_of, parse_codec
from audiosr_fx.training.codecs import available_codecs

RATE = 48_000


def noise() -> np.ndarray:
    return 0.1 * np.random.default_rng(0).standard_normal(RATE).astype(np.float32)


def level_db(waveform: np.ndarray, lowest_hz: int, highest_hz: int) -> float:
    spectrum = np.abs(np.fft.rfft(waveform)[lowest_hz:highest_hz]) ** 2
    return float(10 * np.log10(spectrum.mean()))


@pytest.mark.parametrize("family", ["chebyshev", "elliptic", "boxcar"])
def test_a_filter_takes_away_what_lies_above_and_nothing_below(family: str) -> None:
    dull, cutoff_hz = Condition(cutoff_hz=6_000.0, family=family).apply(noise())
    assert cutoff_hz == 6_000.0
    assert level_db(dull, 100, 5_500) == pytest.approx(level_db(noise(), 100, 5_500), abs=0.2)
    assert level_db(dull, 9_000, 24_000) < level_db(noise(), 9_000, 24_000) - 50


@pytest.mark.skipif("mp3" not in available_codecs(), reason="libsndfile has no MP3 here")
def test_a_codec_s_cutoff_is_measured() -> None:
    dull, cutoff_hz = Condition(codec=parse_codec("mp3:32k")).apply(noise())
    assert dull.shape == (RATE,)
    assert 4_000 < cutoff_hz < 16_000
    assert level_db(dull, round(cutoff_hz) + 1_000, 24_000) < level_db(noise(), 1_000, 4_000) - 10


def test_noise_is_in_the_recording_before_it_is_dulled_and_measured_by_its_peak() -> None:
    """A boxcar at 4 kHz leaves a sixth of the power of white noise."""
    clean, _ = Condition(family="boxcar").apply(noise())
    hissing, _ = Condition(family="boxcar", hiss_amplitude=0.02).apply(noise())
    expected = 0.02 * np.abs(noise()).max() / 0.5 * np.sqrt(4 / 24)
    assert np.std(hissing - clean) == pytest.approx(expected, rel=0.03)
    assert level_db(hissing, 5_000, 24_000) < -80


@pytest.mark.skipif("mp3" not in available_codecs(), reason="libsndfile has no MP3 here")
def test_noise_is_in_the_recording_before_a_codec_hears_it() -> None:
    """Of a tone, which has nothing else at 2 kHz."""
    tone = (0.5 * np.sin(2 * np.pi * 300 * np.arange(RATE) / RATE)).astype(np.float32)
    clean, hissing = (
        condition.apply(tone)[0] for condition in conditions_of([], [], ["mp3:128k"], hiss=[0.0, 0.01])
    )
    expected_db = level_db(0.01 * np.random.default_rng(0).standard_normal(RATE), 1_000, 3_000)
    assert level_db(hissing, 1_000, 3_000) == pytest.approx(expected_db, abs=1.0)
    assert level_db(clean, 1_000, 3_000) < expected_db - 20


def test_names_tell_conditions_apart_and_slugs_are_names_of_folders() -> None:
    conditions = conditions_of([4_000.0, 8_000.0], ["chebyshev", "boxcar"], ["vorbis:48k"], hiss=[0.0, 0.01])
    assert [str(condition) for condition in conditions] == [
        "chebyshev 8, 4 kHz",
        "chebyshev 8, 4 kHz, hiss 0.01",
        "chebyshev 8, 8 kHz",
        "chebyshev 8, 8 kHz, hiss 0.01",
        "boxcar, 4 kHz",
        "boxcar, 4 kHz, hiss 0.01",
        "boxcar, 8 kHz",
        "boxcar, 8 kHz, hiss 0.01",
        "vorbis 48k",
        "vorbis 48k, hiss 0.01",
    ]
    assert [condition.treatment for condition in conditions] == [
        *("chebyshev 8", "chebyshev 8, hiss 0.01") * 2,
        *("boxcar", "boxcar, hiss 0.01") * 2,
        *("vorbis 48k", "vorbis 48k, hiss 0.01"),
    ]
    assert conditions[1].slug == "chebyshev_8_4_khz_hiss_0.01"
    assert str(Condition(codec=parse_codec("vorbis:48:44100"))) == "vorbis 48k at 44100 Hz"


def test_what_makes_no_sense_says_what_is_allowed() -> None:
    for values, message in [
        ({"cutoff_hz": 500.0}, "cutoff_hz is 500; expected 1000 to 22000"),
        ({"family": "brick"}, "family is 'brick'; expected one of"),
        ({"order": 0}, "order is 0; expected 1 to 16"),
        ({"hiss_amplitude": 2.0}, "hiss_amplitude is 2.0; expected 0 to 0.5"),
    ]:
        with pytest.raises(ParameterError, match=message):
            Condition(**values)  # type: ignore[arg-type]
    for text in ("mp3", "mp3:fast", "wma:64k", ""):
        with pytest.raises(ParameterError, match="codec is"):
            parse_codec(text)
    with pytest.raises(ParameterError, match="neither cutoffs nor codecs"):
        conditions_of([], ["chebyshev"], [])


@pytest.mark.parametrize("text", ["mp3:8k", "mp3:1000k", "vorbis:16k", "opus:400k", "mp3:320k:22050"])
def test_a_rate_that_a_codec_does_not_have_is_refused(text: str) -> None:
    with pytest.raises(ParameterError, match=r"codec is '.+'; expected [0-9]+ to [0-9]+ kbit/s of"):
        parse_codec(text)
