"""Training audio: what is trusted, what is held out, what a segment is."""

from __future__ import annotations

from pathlib import Path

import pytest

from audiosr_fx.errors import AudioFormatError
from audiosr_fx.training.data import Clip, load_corpus, split_corpus


def test_limits_follow_rate_and_codec(clips: list[Clip]) -> None:
    limits = {clip.name: clip.limit_hz for clip in clips}
    assert limits["drums/hits_001.flac"] == 24_000.0
    assert limits["speech/voice_001.flac"] == 22_000.0
    assert limits["mix/codec_001.flac"] == 15_500.0


def test_held_out_sources_are_in_no_training_clip(clips: list[Clip]) -> None:
    training, validation, test = split_corpus(clips)
    assert [clip.source for clip in (*validation, *test)] == ["sms"]
    assert len(training) == 4
    assert all(clip.source != "sms" for clip in training)


def test_a_folder_without_an_index_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AudioFormatError, match=r"has no INDEX\.csv"):
        load_corpus(tmp_path)
