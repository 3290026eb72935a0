"""Outputs of other systems are found by name, brought to 48 kHz and into step, and refused where they are not
of the clip."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiosr_fx.errors import AudioFormatError, ParameterError
from audiosr_fx.quality.cases import Case
from audiosr_fx.quality.conditions import Condition
from audiosr_fx.quality.outputs import Misfit, output_system, parse_outputs

RATE = 48_000
CONDITIONS = [Condition(cutoff_hz=4_000.0), Condition(cutoff_hz=8_000.0)]


def make_case(condition: Condition = CONDITIONS[0]) -> Case:
    """The middle half second of a second."""
    samples = np.zeros(RATE // 2, np.float32)
    return Case(
        clip="speech/a_1.flac",
        kind="speech",
        source="a",
        condition=condition,
        cutoff_hz=condition.cutoff_hz,
        highest_hz=24_000.0,
        start=RATE // 4,
        whole=RATE,
        bright=samples,
        dull=samples,
    )


def ramp(samples: int) -> np.ndarray:
    return np.linspace(0.0, 0.9, samples).astype(np.float32)


@pytest.mark.parametrize("name", ["speech/a_1.flac", "speech/a_1.wav", "a_1.wav", "speech_a_1.wav"])
def test_files_are_found_by_path_or_name_with_any_ending(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    soundfile.write(tmp_path / name, ramp(RATE // 2), RATE, subtype="PCM_24")
    restored = output_system("other", tmp_path, CONDITIONS[:1]).restore(make_case())
    np.testing.assert_allclose(restored, ramp(RATE // 2), atol=1e-6)


def test_of_a_whole_file_the_compared_stretch_is_taken(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a_1.wav", ramp(RATE + 50), RATE, subtype="FLOAT")
    restored = output_system("other", tmp_path, CONDITIONS[:1]).restore(make_case())
    np.testing.assert_array_equal(restored, ramp(RATE + 50)[RATE // 4 : 3 * RATE // 4])


def test_other_rates_are_resampled_and_the_first_channel_counts(tmp_path: Path) -> None:
    tone = np.sin(2 * np.pi * 500 * np.arange(44_100) / 44_100)
    soundfile.write(tmp_path / "a_1.wav", np.stack([tone, 0 * tone], axis=1), 44_100, subtype="FLOAT")
    restored = output_system("other", tmp_path, CONDITIONS[:1]).restore(make_case())
    expected = np.sin(2 * np.pi * 500 * np.arange(RATE // 4, 3 * RATE // 4) / RATE)
    np.testing.assert_allclose(restored, expected, atol=1e-3)


def test_several_conditions_have_folders_of_their_own(tmp_path: Path) -> None:
    system = output_system("other", tmp_path, CONDITIONS)
    soundfile.write(tmp_path / "a_1.wav", ramp(RATE // 2), RATE)
    with pytest.raises(AudioFormatError, match=r"no output in .*chebyshev_8_4_khz"):
        system.restore(make_case())
    (tmp_path / "chebyshev_8_8_khz").mkdir()
    soundfile.write(tmp_path / "chebyshev_8_8_khz" / "a_1.wav", ramp(RATE // 2), RATE)
    assert system.restore(make_case(CONDITIONS[1])).shape == (RATE // 2,)


def heard_case() -> tuple[Case, np.ndarray]:
    """The middle half second of a second of noise, and that second."""
    whole = (0.1 * np.random.default_rng(0).standard_normal(RATE)).astype(np.float32)
    piece = whole[RATE // 4 : 3 * RATE // 4]
    return replace(make_case(), bright=piece, dull=piece), whole


@pytest.mark.parametrize("lag", [480, -700])
def test_an_output_out_of_step_is_moved_and_told_of(tmp_path: Path, lag: int) -> None:
    told: list[Misfit] = []
    case, whole = heard_case()
    soundfile.write(tmp_path / "a_1.wav", np.roll(0.5 * whole, lag), RATE, subtype="FLOAT")
    system = output_system("other", tmp_path, CONDITIONS[:1], told.append)
    np.testing.assert_allclose(system.restore(case), 0.5 * case.bright, atol=1e-7)
    assert told == [Misfit(clip="speech/a_1.flac", lag=lag, surplus=0, lacking=0)]


def test_an_output_in_step_stays_where_it_is(tmp_path: Path) -> None:
    case, whole = heard_case()
    hiss = 0.03 * np.random.default_rng(1).standard_normal(RATE).astype(np.float32)
    soundfile.write(tmp_path / "a_1.wav", whole + hiss, RATE, subtype="FLOAT")
    system = output_system("other", tmp_path, CONDITIONS[:1], lambda misfit: pytest.fail(str(misfit)))
    np.testing.assert_array_equal(system.restore(case), (whole + hiss)[RATE // 4 : 3 * RATE // 4])


@pytest.mark.parametrize(
    ("first", "last", "padding", "lag", "surplus", "lacking"),
    [
        (0, 48_000, 9_600, 0, 9_600, 0),  # of the file, filled up to a block
        (0, 48_000, 300_000, 0, 300_000, 0),
        (0, 47_800, 0, 0, -200, 0),  # of the file, without its end, which is not compared
        (12_000, 36_000, 11_000, 0, 11_000, 0),  # of the stretch, filled up; nearly as long as the file
        (12_000, 33_700, 0, 0, -2_300, 2_300),  # of the stretch, without its end
        (11_000, 36_000, 7_000, 1_000, 8_000, 0),  # late, too
        (12_000, 36_000, 40_000, 0, 40_000, 0),  # of the stretch, though nearer to the file's length
    ],
)
def test_an_output_of_another_length_is_taken_where_it_is_heard_to_fit(
    tmp_path: Path, first: int, last: int, padding: int, lag: int, surplus: int, lacking: int
) -> None:
    told: list[Misfit] = []
    case, whole = heard_case()
    written = np.pad(0.5 * whole[first:last], (0, padding))
    soundfile.write(tmp_path / "a_1.wav", written, RATE, subtype="FLOAT")
    restored = output_system("other", tmp_path, CONDITIONS[:1], told.append).restore(case)
    np.testing.assert_allclose(restored, 0.5 * case.bright[: RATE // 2 - lacking], atol=1e-7)
    assert told == [Misfit(clip="speech/a_1.flac", lag=lag, surplus=surplus, lacking=lacking)]


def test_an_output_that_ends_too_early_is_named(tmp_path: Path) -> None:
    case, whole = heard_case()
    soundfile.write(tmp_path / "a_1.wav", whole[RATE // 4 : RATE // 4 + 21_599], RATE, subtype="FLOAT")
    told = r"a_1.wav: has 21599 samples at 48 kHz; expected 48000 or 24000, with 2400 less of .* pad it"
    with pytest.raises(AudioFormatError, match=told):
        output_system("other", tmp_path, CONDITIONS[:1]).restore(case)
    whole_case = replace(case, whole=RATE // 2, start=0)
    with pytest.raises(AudioFormatError, match="expected 24000, with 2400 less of what is compared"):
        output_system("other", tmp_path, CONDITIONS[:1]).restore(whole_case)


def test_an_output_of_another_length_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    case, whole = heard_case()
    other = 0.1 * np.random.default_rng(5).standard_normal(RATE + 5_000)
    for samples, rate, wanted in (
        (other, RATE, case),
        (whole, 44_100, case),  # a rate that it does not have
        (other, RATE, make_case()),  # of silence nothing can be told
    ):
        soundfile.write(tmp_path / "a_1.wav", samples, rate, subtype="FLOAT")
        with pytest.raises(AudioFormatError, match=r"a_1.wav: has \d+ samples .* is it of this clip, and of"):
            output_system("other", tmp_path, CONDITIONS[:1]).restore(wanted)


def test_a_file_stands_for_one_clip_only(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a_1.wav", ramp(RATE // 2), RATE)
    system = output_system("other", tmp_path, CONDITIONS[:1])
    for _ in range(2):  # of one clip there may be many cases
        system.restore(make_case())
    with pytest.raises(AudioFormatError, match=r"stands for speech/a_1.flac already; .* music_a_1.flac"):
        system.restore(replace(make_case(), clip="music/a_1.flac"))


def test_a_name_that_says_the_folder_counts_more_than_the_bare_one(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a_1.wav", 0.5 * ramp(RATE // 2), RATE, subtype="FLOAT")  # of another a_1
    soundfile.write(tmp_path / "speech_a_1.wav", ramp(RATE // 2), RATE, subtype="FLOAT")
    np.testing.assert_array_equal(
        output_system("other", tmp_path, CONDITIONS[:1]).restore(make_case()), ramp(RATE // 2)
    )


def test_endings_in_capitals_are_found(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a_1.WAV", ramp(RATE // 2), RATE)
    assert output_system("other", tmp_path, CONDITIONS[:1]).restore(make_case()).shape == (RATE // 2,)


def test_nan_is_refused(tmp_path: Path) -> None:
    broken = ramp(RATE // 2)
    broken[7] = np.nan
    soundfile.write(tmp_path / "a_1.wav", broken, RATE, subtype="FLOAT")
    with pytest.raises(AudioFormatError, match="holds nan at sample"):
        output_system("other", tmp_path, CONDITIONS[:1]).restore(make_case())


def test_a_name_and_a_folder_are_needed(tmp_path: Path) -> None:
    assert parse_outputs(f"theirs={tmp_path}") == ("theirs", tmp_path)
    for text in ("theirs", "=x", "theirs=", f"theirs={tmp_path}/nowhere"):
        with pytest.raises(ParameterError, match="outputs is"):
            parse_outputs(text)
