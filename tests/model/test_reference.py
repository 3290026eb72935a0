"""The weight-free stages of the published pipeline against frozen outputs, and what is mended in it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from goldens import agree, golden, tensor
from published_pipeline import (
    FILTER_TYPES,
    choose_filter,
    cutoff_index,
    design_low_pass,
    finish,
    low_pass,
    prepare,
    replace_low_band,
    replace_mel_bands,
    resample,
    run_as_published,
)
from tiny import TINY, tiny_model

from audiosr_fx.errors import AudioFormatError
from audiosr_fx.model.config import MelConfig
from audiosr_fx.model.mel import LogMel

RATES = (8000, 16_000, 22_050, 44_100, 48_000, 96_000)


@pytest.fixture(scope="module")
def mel() -> LogMel:
    return LogMel(MelConfig())


def test_mel_front_end_matches(mel: LogMel) -> None:
    frozen = golden("a_mel")
    spectrum = mel(tensor(frozen["waveform"])[None])
    agree("a log-mel", spectrum.log_mel[0], frozen["log_mel"])
    agree("a STFT magnitude", spectrum.magnitude[0, frozen["stft_mag_rows"]], frozen["stft_mag"])
    agree("a mel filterbank", mel.filterbank, frozen["mel_basis"])


@pytest.mark.parametrize("sample_rate", RATES)
def test_loading_matches(sample_rate: int) -> None:
    frozen = golden("a_load")
    audio = tensor(frozen[f"in_{sample_rate}"]).reshape(1, -1)
    resampled, prepared = resample(audio, sample_rate, 48_000), prepare(audio, sample_rate)
    end = int(frozen[f"len48k_{sample_rate}"])
    assert resampled.shape == (1, end)
    assert prepared.shape == (1, 245_760)
    agree(f"a resampling {sample_rate} Hz", resampled[0, :6000], frozen[f"resampled_{sample_rate}"])
    agree(f"a preparation {sample_rate} Hz", prepared[0, :6000], frozen[f"prepared_{sample_rate}"])
    tail = prepared[0, end - 200 : end + 8]
    agree(f"a preparation {sample_rate} Hz, end", tail, frozen[f"prepared_tail_{sample_rate}"])


def test_filter_type_follows_the_seed() -> None:
    assert [choose_filter(seed) for seed in range(64)] == golden("b_lowpass")["ftype_by_seed"].tolist()
    assert choose_filter(42) == "ellip"


@pytest.mark.parametrize("name", ["band4k", "band11k", "full", "tones"])
def test_cutoff_and_low_pass_match(mel: LogMel, name: str) -> None:
    frozen = golden("b_lowpass")
    waveform = tensor(frozen[f"{name}_in"])[None]
    index = cutoff_index(mel(waveform).magnitude[0])
    assert index == frozen[f"{name}_cutoff_bin"]
    cutoff_hz = index / 1024 * 24_000
    assert cutoff_hz == frozen[f"{name}_cutoff_hz"]
    for filter_type in FILTER_TYPES:
        filtered = low_pass(waveform, cutoff_hz, filter_type)[0]
        reference = frozen[f"{name}_{filter_type}"]
        if reference.size == 5000:
            filtered = torch.cat([filtered[:2000], filtered[15_000:16_000], filtered[-2000:]])
        agree(f"b low-pass {name} {filter_type}", filtered, reference)


@pytest.mark.parametrize("filter_type", FILTER_TYPES)
def test_filter_design_matches(filter_type: str) -> None:
    sections = design_low_pass(4000, filter_type)  # type: ignore[arg-type]
    agree(f"b sections {filter_type}", sections, golden("b_lowpass")[f"sos_4000_{filter_type}"])


def test_low_bands_of_the_mel_are_replaced() -> None:
    frozen = golden("h_postprocess")
    lowpass_mel = tensor(frozen["mel_lowpass"])
    assert cutoff_index(lowpass_mel[0].exp()) == frozen["mel_cutoff_bin"]
    replaced = replace_mel_bands(tensor(frozen["mel_generated"])[0], lowpass_mel)
    agree("h mel replacement", replaced, frozen["mel_replaced"])


@pytest.mark.parametrize("case", ["in", "low", "high"])
def test_low_band_of_the_waveform_is_replaced(case: str) -> None:
    frozen = golden("h_postprocess")
    replaced = replace_low_band(tensor(frozen[f"out_ratio_{case}"])[0], tensor(frozen["x_lowpass"])[0])
    agree(f"h waveform replacement, ratio {case}", replaced, frozen[f"post_ratio_{case}"])
    agree(f"h final, ratio {case}", finish(replaced)[0, :4000], frozen[f"final_ratio_{case}"])


def test_front_end_matches_a_run_with_the_published_weights(mel: LogMel) -> None:
    frozen = golden("r_real_inputs")
    audio = tensor(frozen["input_48k_int16"].astype(np.float32) / 32768)[None]
    prepared = prepare(audio, 48_000)
    cutoff_hz = cutoff_index(mel(prepared).magnitude[0]) / 1024 * 24_000
    lowpass = low_pass(prepared, cutoff_hz, choose_filter(42))
    lowpass_mel = mel(lowpass).log_mel
    agree("r low-passed waveform", lowpass[0, :48_000], frozen["waveform_lowpass_first48000"])
    agree("r low-passed log-mel", lowpass_mel[0, :128], frozen["lowpass_mel_rows0_128"])
    audio_frozen = golden("r_real_audio")
    assert cutoff_index(lowpass_mel[0].exp()) == audio_frozen["cutoff_mel_bin"]

    # The peak lies in the part of the vocoder output that is frozen, and the ratio at its limit.
    vocoded = torch.zeros(1, int(audio_frozen["final_len"]))
    vocoded[0, :260_000] = tensor(audio_frozen["vocoder_out_0_260000"])
    final = finish(replace_low_band(vocoded, lowpass))
    agree("r waveform replacement and scaling", final[0, :100_000], audio_frozen["final_0_100000"])


def test_random_numbers_come_in_the_published_order() -> None:
    frozen = golden("r_real_inputs")
    generator = torch.Generator().manual_seed(42)
    _, condition, start = (torch.randn(1, 16, 128, 32, generator=generator) for _ in range(3))
    agree("r condition noise", condition[0, 0], frozen["noise1_first_row"])
    agree("r starting noise", start[0, 0], frozen["noise2_first_row"])


@pytest.mark.parametrize("seconds", [5.12, 25.6, 35.84])
def test_whole_units_get_no_extra_silence(seconds: float) -> None:
    length = round(seconds * 48_000)
    assert prepare(torch.ones(1, length), 48_000).shape == (1, length)


def test_lengths_are_whole_units_where_the_published_arithmetic_slips() -> None:
    assert prepare(torch.ones(1, 8800), 8000).shape == (1, 245_760)  # 1.1 s: 5.119999999999999 s there


def test_bass_passes_unfiltered_where_the_published_code_crashes(mel: LogMel) -> None:
    waveform = 0.5 * torch.sin(torch.arange(30_720) * (2 * np.pi * 100 / 48_000))[None]
    cutoff_hz = cutoff_index(mel(waveform).magnitude[0]) / 1024 * 24_000
    assert cutoff_hz < 1000
    assert low_pass(waveform, cutoff_hz, "butter") is waveform


def test_too_short_a_signal_is_refused() -> None:
    with pytest.raises(AudioFormatError, match="at least 101"):
        prepare(torch.ones(1, 100), 48_000)


def test_pipeline_runs_at_toy_width_and_repeats_itself() -> None:
    config = dataclasses.replace(TINY, shared_encoder=False)
    model = tiny_model(config=config)
    audio = np.random.default_rng(0).standard_normal((2, 8000)).astype(np.float32)
    first, again, other = (
        run_as_published(model, audio, 16_000, steps=2, seed=seed).output for seed in (42, 42, 43)
    )
    assert first.shape == (1, 245_776)
    assert first.dtype == torch.float32
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
