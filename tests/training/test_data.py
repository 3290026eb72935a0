"""Training audio: what is trusted, what is held out, what is read and what is passed over."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from audiosr_fx.errors import AudioFormatError, ParameterError
from audiosr_fx.training.data import Clip, DataFolder, choose_validation, load_corpus, split_corpus
from audiosr_fx.training.folders import load_data, scan_folder
from audiosr_fx.training.samples import FileSamples


def test_limits_follow_rate_and_codec(clips: list[Clip]) -> None:
    limits = {clip.name: clip.limit_hz for clip in clips}
    assert limits["drums/hits_001.flac"] == 24_000.0
    assert limits["speech/voice_001.flac"] == 21_000.0
    assert limits["mix/codec_001.flac"] == 15_500.0


def test_what_a_lower_rate_could_not_hold_is_not_trusted(tmp_path: Path) -> None:
    rates = {
        "32000": 15_238.1,
        "16000": 7_619.0,
        "44100": 21_000.0,
        "47999": 21_000.0,
        "": 24_000.0,
        "0": 24_000.0,
    }
    rows = [f"a{number}.wav,speech,{rate}" for number, rate in enumerate(rates)]
    (tmp_path / "INDEX.csv").write_text("\n".join(["file,kind,original_sample_rate", *rows]))
    for number in range(len(rates)):
        soundfile.write(tmp_path / f"a{number}.wav", np.zeros(960), 48_000)
    assert [round(clip.limit_hz, 1) for clip in load_corpus(tmp_path)] == list(rates.values())


def test_held_out_sources_are_in_no_training_clip(clips: list[Clip]) -> None:
    training, validation, test = split_corpus(clips)
    assert [clip.source for clip in (*validation, *test)] == ["sms"]
    assert len(training) == 4
    assert all(clip.source != "sms" for clip in training)
    assert validation, "one clip at least is for validation"


def test_without_the_listed_sources_a_share_of_them_all_is_held_out() -> None:
    clips = [_clip(f"s{source}", f"{source}_{take}.wav") for source in range(50) for take in range(6)]
    training, validation, test = split_corpus(clips, fraction=0.2)
    held_out = {clip.source for clip in validation}
    assert 3 <= len(held_out) <= 18
    assert not held_out & {clip.source for clip in training}
    assert len(training) + len(validation) == 300
    assert not test
    assert split_corpus(clips[::-1], fraction=0.2)[1] == validation[::-1]


@pytest.mark.parametrize("sources", [1, 2])
def test_few_sources_still_leave_something_to_validate_on(sources: int) -> None:
    clips = [_clip(f"s{i % sources}", f"{i}.wav") for i in range(8)]
    training, validation, _ = split_corpus(clips, fraction=0.01)
    assert training
    assert validation


def test_a_single_file_is_all_trained_on_and_the_reader_is_told(caplog: pytest.LogCaptureFixture) -> None:
    channels = [_clip("song", "song.wav"), _clip("song", "song.wav#2")]
    assert split_corpus(channels, fraction=0.5) == (channels, [], [])
    assert "there will be no validation" in caplog.text


def test_validation_is_a_bounded_choice_that_stays_the_same() -> None:
    clips = [_clip("s", f"{i}.wav") for i in range(30)]
    chosen = choose_validation(clips, most=7)
    assert len(chosen) == 7
    assert chosen == [clip for clip in clips if clip in choose_validation(clips[::-1], most=7)]


def _clip(source: str, name: str) -> Clip:
    return Clip(name=name, kind="k", source=source, limit_hz=24_000.0, samples=np.zeros(10, np.int16))


def test_a_folder_without_an_index_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AudioFormatError, match=r"has no INDEX\.csv"):
        load_corpus(tmp_path)


def test_an_index_without_its_columns_is_refused(tmp_path: Path) -> None:
    (tmp_path / "INDEX.csv").write_text("name,sort\na.wav,drums\n")
    with pytest.raises(AudioFormatError, match="expected columns file and kind"):
        load_corpus(tmp_path)


def test_an_index_from_a_spreadsheet_with_unfinished_rows_is_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal(4_800)
    soundfile.write(tmp_path / "a.wav", noise, 48_000)
    (tmp_path / "INDEX.csv").write_text("file,kind\na.wav,drums\na.wav\n,drums\n", encoding="utf-8-sig")
    assert [clip.name for clip in load_corpus(tmp_path)] == ["a.wav"]
    assert caplog.text.count("a row without file or kind") == 2


def test_a_name_in_the_log_stays_on_its_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal(4_800)
    soundfile.write(tmp_path / "good.wav", noise, 48_000)
    (tmp_path / "evil\n\x1b[31m.wav").write_bytes(b"RIFF")
    assert len(scan_folder(tmp_path)) == 1
    (told,) = [record.getMessage() for record in caplog.records if "skipped" in record.getMessage()]
    assert told.isprintable()
    assert told.count("evil") == 1


def test_a_sample_that_is_no_number_is_silence(tmp_path: Path) -> None:
    samples = np.full(4_800, 0.25, np.float32)
    samples[100:103] = np.nan, np.inf, -np.inf
    soundfile.write(tmp_path / "a.wav", samples, 48_000, subtype="FLOAT")
    read = FileSamples(tmp_path / "a.wav", channel=0, sample_rate=48_000, frames=4_800)[:]
    assert np.isfinite(read).all()
    assert (read == 0).sum() == 3


def test_clips_of_an_index_that_are_too_short_to_measure_are_skipped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for samples in (0, 1, 959, 960):
        soundfile.write(tmp_path / f"{samples}.wav", np.full(samples, 0.25), 48_000)
    rows = "".join(f"{samples}.wav,drums\n" for samples in (0, 1, 959, 960))
    (tmp_path / "INDEX.csv").write_text(f"file,kind\n{rows}")
    assert [clip.name for clip in load_corpus(tmp_path)] == ["960.wav"]
    assert caplog.text.count("is shorter than 20 ms") == 3


def test_clips_of_an_index_that_are_missing_or_cut_short_are_skipped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    soundfile.write(tmp_path / "good_01.wav", 0.1 * np.ones(5_000), 48_000)
    whole = (tmp_path / "good_01.wav").read_bytes()
    (tmp_path / "short.wav").write_bytes(whole[:4_000])
    (tmp_path / "INDEX.csv").write_text(
        "file,kind,licence,author\ngood_01.wav,fx,CC0-1.0,me\ngone.wav,fx,,\nshort.wav,fx,,\n"
    )
    (clip,) = load_corpus(tmp_path)
    assert (clip.name, clip.source, clip.licence, clip.author) == ("good_01.wav", "good", "CC0-1.0", "me")
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert "gone.wav: no such file" in caplog.text
    assert "short.wav" in caplog.text


@pytest.fixture(scope="module")
def mixed_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of every kind a user has, some of them bad."""
    folder = tmp_path_factory.mktemp("mixed")
    random = np.random.default_rng(0)
    for name, rate, channels in (
        ("drums/kick_01.wav", 48_000, 1),
        ("drums/kick_02.aiff", 44_100, 2),
        ("speech/anna/one.ogg", 44_100, 1),
        ("speech/anna/two.mp3", 48_000, 1),
        ("loose 3.flac", 96_000, 1),
        (".trash/old.wav", 48_000, 1),
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, 0.1 * random.standard_normal((rate, channels)), rate)
    dull = np.fft.irfft(np.fft.rfft(random.standard_normal(96_000)) * (np.arange(48_001) < 14_000))
    soundfile.write(folder / "drums/dull.wav", 0.2 * dull, 48_000)
    soundfile.write(folder / "drums/silent.wav", np.zeros(9_600), 48_000)
    (folder / "drums/broken.wav").write_bytes(b"RIFF, they say")
    (folder / "drums/notes.txt").write_text("not audio")
    return folder


def test_any_folder_gives_kinds_sources_and_limits(
    mixed_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clips = {clip.name: clip for clip in scan_folder(mixed_folder, weight=2.0)}
    assert {name: (clip.kind, clip.source) for name, clip in clips.items()} == {
        "drums/dull.wav": ("drums", "dull"),
        "drums/kick_01.wav": ("drums", "kick"),
        "drums/kick_02.aiff": ("drums", "kick"),
        "drums/kick_02.aiff#2": ("drums", "kick"),
        "loose 3.flac": (mixed_folder.name, "loose"),
        "speech/anna/one.ogg": ("speech", "speech/anna"),
        "speech/anna/two.mp3": ("speech", "speech/anna"),
    }
    assert clips["drums/dull.wav"].limit_hz == pytest.approx(7_000, rel=0.1)
    assert clips["drums/kick_01.wav"].limit_hz == 24_000.0
    assert clips["drums/kick_02.aiff"].limit_hz == pytest.approx(22_000, abs=1)
    assert clips["loose 3.flac"].limit_hz == 24_000.0
    assert all(clip.weight == 2.0 for clip in clips.values())
    assert len(caplog.records) == 2
    assert "broken.wav: cannot be read as audio" in caplog.text
    assert "silent.wav: is silent" in caplog.text


@pytest.mark.parametrize("rate", [48_000, 96_000])
def test_what_was_44100_once_is_trusted_as_far_as_that_goes(tmp_path: Path, rate: int) -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal(44_100)
    soundfile.write(tmp_path / "up.wav", soxr.resample(noise, 44_100, rate), rate, subtype="PCM_24")
    [clip] = scan_folder(tmp_path)
    assert clip.limit_hz == 21_000.0


def test_reading_says_how_far_it_is(
    mixed_folder: Path,
    corpus_folder: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level("INFO", logger="audiosr_fx")
    monkeypatch.setattr("audiosr_fx.training.folders._TOLD_EVERY_S", -1.0)
    speech = mixed_folder / "speech"
    load_data([DataFolder(path=speech), DataFolder(path=corpus_folder)])
    assert caplog.messages == [
        f"{speech}: reading 2 files",
        f"{speech}: 1 of 2 files read",
        f"{speech}: 2 of 2 files read",
        f"{corpus_folder}: reading the files that its INDEX.csv lists",
    ]


def test_measured_limits_are_kept_for_the_next_run(
    mixed_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "runs" / "data.json"
    first = scan_folder(mixed_folder / "speech", cache=cache)
    monkeypatch.setattr("audiosr_fx.training.folders.judge", None)
    again = scan_folder(mixed_folder / "speech", cache=cache)
    assert [clip.limit_hz for clip in again] == [clip.limit_hz for clip in first]
    cache.write_text("[damaged")
    with pytest.raises(TypeError):  # measured again
        scan_folder(mixed_folder / "speech", cache=cache)


def test_several_folders_with_and_without_index_add_up(mixed_folder: Path, corpus_folder: Path) -> None:
    folders = [DataFolder(path=mixed_folder / "speech", weight=0.5), DataFolder(path=corpus_folder)]
    clips = load_data(folders)
    assert [clip.weight for clip in clips] == [0.5] * 2 + [1.0] * 5


def test_folders_without_audio_or_not_there_at_all_are_named(tmp_path: Path) -> None:
    with pytest.raises(AudioFormatError, match="holds no audio that can be used"):
        load_data([DataFolder(path=tmp_path)])
    with pytest.raises(AudioFormatError, match="no such folder"):
        load_data([DataFolder(path=tmp_path / "gone")])


def test_a_folder_is_named_with_or_without_a_weight(tmp_path: Path) -> None:
    assert DataFolder.parse("clips") == DataFolder(path=Path("clips"))
    assert DataFolder.parse("clips:2.5") == DataFolder(path=Path("clips"), weight=2.5)
    assert DataFolder.parse("clips:new") == DataFolder(path=Path("clips:new"))
    (tmp_path / "take:2").mkdir()
    assert DataFolder.parse(f"{tmp_path}/take:2") == DataFolder(path=tmp_path / "take:2")
    with pytest.raises(ParameterError, match="expected a number above 0"):
        DataFolder.parse("clips:-1")
    for text in ("", ":2", ":"):
        with pytest.raises(ParameterError, match="an empty path; expected a folder"):
            DataFolder.parse(text)


@pytest.mark.parametrize(("rate", "seconds"), [(48_000, 3), (44_100, 3), (96_000, 3), (48_000, 40)])
def test_a_stretch_is_the_same_whatever_was_read_before(tmp_path: Path, rate: int, seconds: int) -> None:
    noise = np.random.default_rng(rate).uniform(-0.9, 0.9, (rate * seconds, 2))
    soundfile.write(tmp_path / "noise.flac", noise, rate, subtype="PCM_24")
    samples = FileSamples(tmp_path / "noise.flac", channel=1, sample_rate=rate, frames=rate * seconds)
    assert len(samples) == 48_000 * seconds
    late = samples[100_000:100_777]
    whole = samples.astype(np.float32)
    assert whole.shape == (48_000 * seconds,)
    np.testing.assert_array_equal(late, whole[100_000:100_777])
    np.testing.assert_array_equal(samples[48_000 * seconds - 5 :], whole[-5:])
    assert samples[7:7].shape == (0,)
    if rate == 48_000:
        np.testing.assert_allclose(whole / 32_768, noise[:, 1], atol=1e-6)


@pytest.mark.parametrize("seconds", [3, 40])
def test_what_cannot_be_decoded_is_silence_and_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, seconds: int
) -> None:
    path = tmp_path / "damaged.flac"
    noise = np.random.default_rng(0).uniform(-0.9, 0.9, 48_000 * seconds)
    soundfile.write(path, noise, 48_000, subtype="PCM_16")
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 20_000] = bytes(20_000)
    path.write_bytes(content)
    samples = FileSamples(path, channel=0, sample_rate=48_000, frames=len(noise))
    for _ in range(2):
        assert samples[:48_000].any()
        whole = samples.astype(np.float32)
    assert not whole[len(whole) // 2 + 12_000 : len(whole) // 2 + 24_000].any()
    [message] = caplog.messages
    told = r"damaged.flac: cannot decode samples \d+ to \d+ .* export it again; until then silence stands"
    assert re.search(told, message)
    np.testing.assert_array_equal(samples.intact(0, 4_800), whole[:4_800])
    with pytest.raises(AudioFormatError, match=r"damaged.flac: cannot decode samples"):
        samples.intact(len(whole) // 2, len(whole) // 2 + 24_000)


def test_sixteen_bits_stay_integers(tmp_path: Path) -> None:
    codes = np.array([-32_768, 5, 32_767] * 100, np.int16)
    soundfile.write(tmp_path / "codes.wav", codes, 48_000)
    samples = FileSamples(tmp_path / "codes.wav", channel=0, sample_rate=48_000, frames=300)
    assert samples[:].dtype == np.int16
    np.testing.assert_array_equal(samples[:], codes)


def test_files_of_one_name_in_two_folders_are_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    peaks = []
    for folder, level in (("a", 0.25), ("b", 0.5)):
        (tmp_path / folder).mkdir()
        monkeypatch.chdir(tmp_path / folder)
        soundfile.write("clip.wav", np.full(480, level), 48_000, subtype="PCM_16")
        peaks.append(int(FileSamples(Path("clip.wav"), channel=0, sample_rate=48_000, frames=480)[:].max()))
    assert peaks == [8_192, 16_384]
