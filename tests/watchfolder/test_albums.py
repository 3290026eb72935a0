from __future__ import annotations

from pathlib import Path

import pytest
from audio_kinds import some_audio, write_kind

from audiosr_fx.presets import load_preset
from watchfolder.albums import decide_album, is_album, with_fixed_gain


def test_a_set_gets_the_gain_that_brings_all_of_it_to_the_target(tmp_path: Path) -> None:
    preset = load_preset("album-stems")
    assert is_album(preset)
    stems = [
        write_kind(tmp_path / f"{n}.wav", "pcm24.wav", gain * some_audio(96_000, seed=n))
        for n, gain in enumerate((1.0, 0.1))
    ]
    (tmp_path / "bad.wav").write_bytes(b"RIFF")
    decision = decide_album(preset, [*stems, tmp_path / "bad.wav"])
    assert decision.measured_lufs is not None
    assert decision.gain_db == pytest.approx(-23.0 - decision.measured_lufs)
    fixed = with_fixed_gain(preset, decision.gain_db)
    assert not is_album(fixed)
    assert [section.type for section in fixed.chain] == ["Gain", *(s.type for s in preset.chain[1:])]
    assert fixed.chain[0].values["gain_db"] == pytest.approx(decision.gain_db, abs=1e-4)


def test_other_presets_have_no_sets() -> None:
    assert not is_album(load_preset("podcast"))
