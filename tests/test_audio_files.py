"""Audio files: bit-exact in, whole or nothing out, one clear line for everything else."""

from __future__ import annotations

import os
import resource
import signal
import socket
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from chunk_files import codes, wav

from audiosr_fx import atomic
from audiosr_fx import writer as writer_module
from audiosr_fx.audio import Audio, AudioWriter, FileSource, read_info
from audiosr_fx.errors import AudioFormatError
from audiosr_fx.writer import ceiling_of


def noise(channels: int, samples: int, seed: int = 0) -> Audio:
    return (0.1 * np.random.default_rng(seed).standard_normal((channels, samples))).astype(np.float32)


def write(path: Path, audio: Audio, sample_rate: int = 48_000, **options: object) -> AudioWriter:
    with AudioWriter(path, sample_rate, audio.shape[0], **options) as file:  # type: ignore[arg-type]
        file.write(audio)
    return file


def read_all(path: Path) -> Audio:
    with FileSource(path) as source:
        return source.read(0, source.frames)


def leftovers(folder: Path) -> list[str]:
    return [name for name in os.listdir(folder) if name.startswith(".")]


# --- reading ---


@pytest.mark.parametrize("bits", [16, 24])
@pytest.mark.parametrize("container", ["WAV", "WAVEX", "RF64", "AIFF", "FLAC"])
def test_integers_are_read_bit_for_bit(tmp_path: Path, bits: int, container: str) -> None:
    codes = np.random.default_rng(1).integers(-(2 ** (bits - 1)), 2 ** (bits - 1), (70_000, 2))
    codes[0], codes[1] = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    path = tmp_path / "in.audio"
    shifted = (codes << (32 - bits)).astype(np.int32)
    soundfile.write(str(path), shifted, 44_100, subtype=f"PCM_{bits}", format=container)
    assert np.array_equal(read_all(path).astype(np.float64) * 2 ** (bits - 1), codes.T)


@pytest.mark.parametrize("mark", [b"RIFF", b"RF64", b"BW64"])
@pytest.mark.parametrize(
    "chunk",
    [
        (b"bext", bytes(603)),
        (b"smpl", bytes(20)),
        (b"cue ", b"\x09\0\0\0"),
        (b"acid", b"short"),
        (b"LIST", b"adtllabl\x02\0\0\0ab"),
    ],
)
def test_chunks_before_the_samples_do_not_lead_astray(
    tmp_path: Path, mark: bytes, chunk: tuple[bytes, bytes]
) -> None:
    path = tmp_path / "in.wav"
    samples = codes(70_000, 2)
    path.write_bytes(wav(samples, before=[chunk], after=[chunk], mark=mark))
    assert read_info(path).warning is None
    assert np.array_equal(read_all(path) * 2.0**15, samples.T)


@pytest.mark.parametrize(
    ("container", "subtype", "tolerance"),
    [
        ("WAV", "FLOAT", 0.0),
        ("WAV", "DOUBLE", 0.0),
        ("WAV", "PCM_32", 2.0**-24),
        ("W64", "PCM_24", 2.0**-23),
        ("OGG", "VORBIS", 0.2),
        ("OGG", "OPUS", 0.4),  # shifts phases, so nothing closer is promised
        ("MP3", "MPEG_LAYER_III", 0.2),
    ],
)
def test_formats_are_read(tmp_path: Path, container: str, subtype: str, tolerance: float) -> None:
    time = np.arange(48_000) / 48_000
    audio = (0.3 * np.sin(2 * np.pi * 440.0 * time)).astype(np.float32)[np.newaxis]
    path = tmp_path / "in"
    soundfile.write(str(path), audio.T, 48_000, subtype=subtype, format=container)
    info = read_info(path)
    assert (info.sample_rate, info.channels, info.frames, info.warning) == (48_000, 1, 48_000, None)
    assert info.duration_s == 1.0
    assert np.abs(read_all(path) - audio).max() <= tolerance


@pytest.mark.parametrize(
    ("container", "subtype"),
    [("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III"), ("WAV", "PCM_24")],
)
def test_jumping_gives_the_samples_that_reading_on_gives(
    tmp_path: Path, container: str, subtype: str
) -> None:
    path = tmp_path / "in"
    with soundfile.SoundFile(
        str(path), "w", 48_000, 2, subtype=subtype, format=container
    ) as file:  # Vorbis wants small blocks
        for block in np.array_split(noise(2, 500_000).T, 20):
            file.write(block)
    whole = np.concatenate(
        [soundfile.read(str(path), dtype="float32")[0].T, np.zeros((2, 9000), np.float32)], 1
    )
    for start in (430_000, 65_536, 3, 499_000, 200_001):
        with FileSource(path) as source:
            assert np.array_equal(source.read(start, start + 8193), whole[:, start : start + 8193])


@pytest.mark.parametrize("container", ["WAV", "RF64", "BW64", "AIFF", "FLAC"])
def test_a_truncated_file_is_refused(tmp_path: Path, container: str) -> None:
    path = tmp_path / "cut.audio"
    written = container.replace("BW", "RF")
    soundfile.write(str(path), noise(2, 100_000).T, 48_000, subtype="PCM_16", format=written)
    content = path.read_bytes().replace(b"RF64", container.encode(), 1)
    path.write_bytes(content[: len(content) // 2])
    assert read_info(path).is_truncated
    with pytest.raises(AudioFormatError, match=r"cut\.audio: the header promises .*truncated.*copy"):
        FileSource(path)


def test_a_truncated_file_is_read_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "cut.wav"
    audio = noise(1, 100_000)
    soundfile.write(str(path), audio.T, 48_000, subtype="FLOAT")
    os.truncate(path, path.stat().st_size - 4 * 50_000)
    with FileSource(path, allow_truncated=True) as source:
        assert source.frames == 50_000
        assert np.array_equal(source.read(0, 50_000), audio[:, :50_000])


def test_a_header_that_promises_four_gigabytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "liar.wav"
    soundfile.write(str(path), noise(1, 200).T, 48_000, subtype="PCM_16")
    data = bytearray(path.read_bytes())
    at = data.index(b"data") + 4
    data[at : at + 4] = struct.pack("<I", 0xFFFFFF00)
    path.write_bytes(data)
    with pytest.raises(AudioFormatError, match="promises 4294967040 bytes"):
        FileSource(path)


@pytest.mark.parametrize("rate", [0, 2**31])
def test_an_absurd_sample_rate_in_a_header_is_told_in_words(rate: int, tmp_path: Path) -> None:
    path = tmp_path / "odd.wav"
    soundfile.write(str(path), noise(1, 500).T, 48_000)
    content = path.read_bytes()
    path.write_bytes(content[:24] + struct.pack("<I", rate) + content[28:])
    with pytest.raises(AudioFormatError, match=r"\(its header has no sample rate, or an absurd one\)"):
        read_info(path)


def test_an_open_length_is_read_to_the_end_with_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "streamed.wav"
    audio = noise(1, 5000)
    soundfile.write(str(path), audio.T, 48_000, subtype="FLOAT", format="WAV")
    data = bytearray(path.read_bytes())
    at = data.index(b"data") + 4
    data[at : at + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    info = read_info(path)
    assert info.warning is not None
    assert "leaves the length open" in info.warning
    assert not info.is_truncated
    assert np.array_equal(read_all(path)[:, :5000], audio)


@pytest.mark.parametrize("form_size", [0, 36, None])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_a_recording_that_was_broken_off_is_read_to_its_end(
    tmp_path: Path, subtype: str, form_size: int | None
) -> None:
    """Its header was written first, of no samples, and never again."""
    path = tmp_path / "off.wav"
    soundfile.write(str(path), noise(2, 5001).T, 48_000, subtype=subtype)
    audio = read_all(path)
    content = bytearray(path.read_bytes())
    start = content.index(b"data") + 8
    content[start - 4 : start] = bytes(4)
    content[4:8] = content[4:8] if form_size is None else struct.pack("<I", form_size)
    path.write_bytes(content)
    info = read_info(path)
    assert str(info.warning).endswith("leaves the length open (streamed or broken off); read to its end")
    assert np.array_equal(read_all(path)[:, :5001], audio)


def test_a_length_left_open_with_nothing_behind_it_is_not_called_read(tmp_path: Path) -> None:
    path = tmp_path / "nothing.wav"
    soundfile.write(str(path), np.zeros((0, 2)), 48_000, subtype="PCM_16")
    content = path.read_bytes()
    assert (read_info(path).frames, read_info(path).warning) == (0, None)
    path.write_bytes(content[:-4] + b"\xff\xff\xff\xff")
    assert str(read_info(path).warning).endswith("leaves the length open, and no samples follow it")
    path.write_bytes(content + b"LIST" + struct.pack("<I", 4) + b"INFO")
    assert (read_info(path).frames, read_info(path).warning) == (0, None)


def test_samples_that_a_header_denies_are_told_of_where_they_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "off.aiff"
    soundfile.write(str(path), noise(2, 500).T, 48_000, subtype="PCM_16")
    content = bytearray(path.read_bytes())
    struct.pack_into(">I", content, content.index(b"COMM") + 10, 0)
    struct.pack_into(">I", content, content.index(b"SSND") + 4, 8)
    path.write_bytes(content)
    with pytest.raises(
        AudioFormatError, match=r"no samples, but 2000 bytes follow it .*audio editor"
    ) as error:
        read_info(path)
    assert "\n" not in str(error.value)


def test_a_flac_of_open_length_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "piped.flac"
    soundfile.write(str(path), noise(1, 5000).T, 48_000, subtype="PCM_16")
    data = bytearray(path.read_bytes())
    data[21] &= 0xF0
    data[22:26] = bytes(4)  # the 36 bits of the sample count
    path.write_bytes(data)
    with pytest.raises(AudioFormatError, match=r"piped\.flac: the header leaves the length open"):
        read_info(path)


def test_damage_inside_a_flac_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "hurt.flac"
    soundfile.write(str(path), noise(1, 400_000).T, 48_000, subtype="PCM_16")
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 60_000] = bytes(60_000)
    path.write_bytes(data)
    with pytest.raises(AudioFormatError, match=r"hurt\.flac: .*copy or export it again") as error:
        read_all(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("empty.wav", b"", "empty"),
        ("text.wav", b"hello, this is no audio at all" * 10, "expected WAV, AIFF, FLAC, Ogg or MP3"),
        ("raw.raw", bytes(1000), "expected WAV"),
        ("stub.wav", b"RIFF\x00\x00", "cannot be read as audio"),
        ("new\nline.wav", b"x" * 100, r"new\\nline"),
    ],
)
def test_what_is_no_audio_is_one_clear_line(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(AudioFormatError, match=words) as error:
        read_info(path)
    assert "\n" not in str(error.value)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_names_need_not_be_utf_8(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    audio = noise(1, 1000)
    write(folder / os.fsdecode(b"\xff.wav"), audio, subtype="FLOAT")
    assert np.array_equal(read_all(folder / os.fsdecode(b"\xff.wav")), audio)


def test_a_name_the_system_refuses_is_one_clear_line() -> None:
    with pytest.raises(AudioFormatError, match=r"a\.wav: cannot be read \(File name too long\)"):
        read_info("a" * 300 + ".wav")


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(AudioFormatError, match=r"gone\.wav: no such file"):
        read_info(tmp_path / "gone.wav")
    with pytest.raises(AudioFormatError, match="not a file"):
        read_info(tmp_path)


def test_subtypes_off_the_list_are_refused_before_decoding(tmp_path: Path) -> None:
    path = tmp_path / "old.wav"
    soundfile.write(str(path), noise(1, 4000).T, 48_000, subtype="IMA_ADPCM")
    with pytest.raises(AudioFormatError, match="IMA_ADPCM"):
        read_info(path)


def test_absurd_rates_and_channel_counts_are_refused(tmp_path: Path) -> None:
    soundfile.write(str(tmp_path / "fast.wav"), np.zeros((10, 1)), 2_000_000)
    with pytest.raises(AudioFormatError, match=r"fast\.wav: sample_rate is 2000000"):
        read_info(tmp_path / "fast.wav")
    soundfile.write(str(tmp_path / "wide.wav"), np.zeros((10, 40)), 48_000)
    with pytest.raises(AudioFormatError, match="40 channels"):
        read_info(tmp_path / "wide.wav")


# --- writing ---


@pytest.mark.parametrize("samples", [0, 1, 64, 65, 8193, 200_000])
@pytest.mark.parametrize("suffix", ["wav", "flac", "aiff"])
def test_24_bit_round_trip(tmp_path: Path, samples: int, suffix: str) -> None:
    audio = noise(2, samples)
    path = tmp_path / f"out.{suffix}"
    file = write(path, audio)
    assert file.frames == samples
    assert read_info(path).subtype == "PCM_24"
    assert read_all(path).shape == (2, samples)
    assert np.abs(read_all(path) - audio).max(initial=0.0) <= 2.0**-24
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("suffix", ["wav", "flac", "aiff"])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24"])
def test_integer_audio_passes_through_exactly(tmp_path: Path, suffix: str, subtype: str) -> None:
    codes = np.random.default_rng(3).integers(-(2**15), 2**15, (2, 9000))
    audio = (codes / 2.0**15).astype(np.float32)
    write(tmp_path / f"out.{suffix}", audio, subtype=subtype)
    assert np.array_equal(read_all(tmp_path / f"out.{suffix}"), audio)


def test_float_files_keep_every_bit_and_have_no_clock_in_them(tmp_path: Path) -> None:
    audio = 3.0 * noise(6, 70_000)
    file = write(tmp_path / "a.wav", audio, subtype="FLOAT")
    write(tmp_path / "b.wav", audio, subtype="FLOAT")
    assert np.array_equal(read_all(tmp_path / "a.wav"), audio)
    assert file.clipped_samples == 0
    data = (tmp_path / "a.wav").read_bytes()
    assert data == (tmp_path / "b.wav").read_bytes()
    at = data.index(b"PEAK")
    assert data[at + 12 : at + 16] == bytes(4)


def test_dither_to_16_bit_is_triangular_seeded_and_free_of_blocks(tmp_path: Path) -> None:
    audio = np.full((1, 200_000), 100.25 / 32768, np.float32)
    write(tmp_path / "a.wav", audio, subtype="PCM_16", dither_seed=5)
    with AudioWriter(tmp_path / "b.wav", 48_000, 1, subtype="PCM_16", dither_seed=5) as file:
        for block in np.array_split(audio, [1, 700, 66_000], axis=1):
            file.write(block)
    write(tmp_path / "c.wav", audio, subtype="PCM_16", dither_seed=6)
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()
    assert (tmp_path / "a.wav").read_bytes() != (tmp_path / "c.wav").read_bytes()
    error = read_all(tmp_path / "a.wav")[0].astype(np.float64) * 32768 - 100.25
    assert abs(error.mean()) < 0.01  # 4 standard errors: sqrt(1/4 / 200000) * 4 = 0.0045
    assert error.var() == pytest.approx(0.25, rel=0.02)  # TPDF plus rounding: 1/6 + 1/12


def test_silence_stays_silent_at_16_bit(tmp_path: Path) -> None:
    write(tmp_path / "out.wav", np.zeros((2, 5000), np.float32), subtype="PCM_16")
    assert not read_all(tmp_path / "out.wav").any()


def test_samples_beyond_full_scale_are_clipped_and_counted(tmp_path: Path) -> None:
    audio = np.array([[0.0, 1.5, -2.0, 1.0, -1.0, 0.5]], np.float32)
    file = write(tmp_path / "out.wav", audio)
    assert file.clipped_samples == 2
    assert file.peak == 2.0
    assert read_all(tmp_path / "out.wav")[0].tolist() == [0.0, 1 - 2**-23, -1.0, 1 - 2**-23, -1.0, 0.5]


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_32"])
def test_what_is_under_the_ceiling_of_a_format_is_not_clipped_by_its_dither(
    subtype: str, tmp_path: Path
) -> None:
    ceiling = ceiling_of(subtype)
    assert ceiling is not None
    audio = np.full((1, 20_000), ceiling, np.float32)
    audio[:, 1::2] *= -1.0
    file = write(tmp_path / "out.wav", audio, subtype=subtype)
    assert file.clipped_samples == 0
    step = 2.0 ** (1 - min(int(subtype[-2:]), 24))
    assert np.abs(read_all(tmp_path / "out.wav") - audio).max() <= 1.5 * step
    assert ceiling > 1.0 - 2.5 * step
    assert ceiling_of("FLOAT") is None


def test_non_finite_values_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    audio = noise(1, 100)
    audio[0, 40] = np.nan
    with pytest.raises(AudioFormatError, match="not written, as it would hold nan at sample 40 of channel"):
        write(tmp_path / "out.wav", audio)
    assert os.listdir(tmp_path) == []


def test_the_name_appears_only_when_the_file_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    with AudioWriter(path, 48_000, 1) as file:
        file.write(noise(1, 1000))
        assert not path.exists()
    assert path.exists()


def test_an_interrupted_write_leaves_nothing(tmp_path: Path) -> None:
    def interrupted() -> None:
        with AudioWriter(tmp_path / "out.wav", 48_000, 1) as file:
            file.write(noise(1, 1000))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert os.listdir(tmp_path) == []


def test_an_interrupt_while_the_file_gets_its_name_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "link", no_links)
    monkeypatch.setattr(atomic, "_system_rename", lambda: None)
    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "out.wav", noise(1, 1000))
    monkeypatch.setattr("soundfile.SoundFile", interrupted)
    monkeypatch.setattr(writer_module, "WavFile", interrupted)
    for name in ("other.wav", "other.flac"):
        with pytest.raises(KeyboardInterrupt):
            AudioWriter(tmp_path / name, 48_000, 1)
    assert os.listdir(tmp_path) == []


def test_existing_files_are_kept_unless_overwriting(tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    path.write_bytes(b"mine")
    with pytest.raises(AudioFormatError, match="exists already"):
        AudioWriter(path, 48_000, 1)
    assert path.read_bytes() == b"mine"
    write(path, noise(1, 10), overwrite=True)
    assert read_info(path).frames == 10


@pytest.mark.parametrize("way", ["hard link", "exclusive rename", "reserved name"])
def test_a_file_that_appears_meanwhile_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    path = tmp_path / "out.wav"

    def no_links(*_: object) -> None:
        raise PermissionError(1, "no hard links here")

    if way != "hard link":
        monkeypatch.setattr(os, "link", no_links)
    if way == "reserved name":
        monkeypatch.setattr(atomic, "_system_rename", lambda: None)
    monkeypatch.setattr(AudioWriter, "_check_target", lambda _: None)  # lose the race to the last check
    file = AudioWriter(path, 48_000, 1)
    file.write(noise(1, 10))
    path.write_bytes(b"theirs")
    with pytest.raises(AudioFormatError, match="exists already"):
        file.close()
    assert path.read_bytes() == b"theirs"
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("way", ["exclusive rename", "reserved name"])
def test_publishing_works_without_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError(1, "no hard links here")

    monkeypatch.setattr(os, "link", no_links)
    if way == "reserved name":
        monkeypatch.setattr(atomic, "_system_rename", lambda: None)
    write(tmp_path / "out.wav", noise(1, 10))
    assert os.listdir(tmp_path) == ["out.wav"]


def test_the_source_is_never_replaced(tmp_path: Path) -> None:
    source, alias = tmp_path / "in.wav", tmp_path / "alias.wav"
    write(source, noise(1, 10))
    before = source.read_bytes()
    alias.symlink_to(source)
    for target in (source, alias):
        with pytest.raises(AudioFormatError, match="is the source"):
            AudioWriter(target, 48_000, 1, overwrite=True, sources=[source])
    assert source.read_bytes() == before


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="there are no such sockets")
def test_what_is_no_file_is_never_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's name must be short
    os.mkfifo("pipe.wav")
    Path("link.wav").symlink_to("pipe.wav")
    Path("null.wav").symlink_to(os.devnull)
    Path("whole.wav").write_bytes(b"whole")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.wav")
        for name, what in [
            ("pipe.wav", "a named pipe"),
            ("link.wav", "a named pipe"),
            ("null.wav", "a device"),
            ("socket.wav", "a socket"),
        ]:
            words = f"is {what}, which is never replaced; choose another name"
            with pytest.raises(AudioFormatError, match=rf"^{name}: {words}$"):
                AudioWriter(name, 48_000, 1, overwrite=True)
            with pytest.raises(OSError, match=words):
                atomic.publish(Path("whole.wav"), Path(name), overwrite=True)
            with pytest.raises(OSError, match=words):
                atomic.write_text(Path(name), "text")
    assert not leftovers(tmp_path)
    assert Path("whole.wav").read_bytes() == b"whole"
    assert Path("pipe.wav").is_fifo()


def test_a_wav_beyond_4_gb_becomes_rf64(tmp_path: Path) -> None:
    with AudioWriter(tmp_path / "long.wav", 48_000, 2, expected_frames=800_000_000) as file:
        file.write(noise(2, 1000))
    assert (tmp_path / "long.wav").read_bytes()[:4] == b"RF64"
    assert read_info(tmp_path / "long.wav").frames == 1000
    with pytest.raises(AudioFormatError, match="AIFF ends at 4 GB"):
        AudioWriter(tmp_path / "long.aiff", 48_000, 2, expected_frames=800_000_000)


def test_more_than_two_channels_become_extensible(tmp_path: Path) -> None:
    write(tmp_path / "out.wav", noise(6, 100))
    assert read_info(tmp_path / "out.wav").format == "WAVEX"


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("out.mp3", {}, "expected wav, aiff or flac"),
        ("out", {}, "expected wav, aiff or flac"),
        ("out.flac", {"subtype": "FLOAT"}, "FLAC subtype is 'FLOAT'"),
        ("nowhere/out.wav", {}, "No such file"),
        ("out.wav", {"channels": 33}, "33 channels"),
        ("out.flac", {"channels": 9}, "FLAC takes 1 to 8"),
        ("out.wav", {"sample_rate": 10}, "sample_rate is 10"),
        (
            "out.flac",
            {"sample_rate": 96_096},
            "sample_rate is 96096; above 65535 FLAC .* write WAV, or another",
        ),
        ("out.flac", {"sample_rate": 95_904}, "FLAC takes multiples of 10 alone"),
    ],
)
def test_what_cannot_be_written_is_one_clear_line(
    tmp_path: Path, name: str, options: dict[str, object], words: str
) -> None:
    arguments = {"sample_rate": 48_000, "channels": 1} | options
    with pytest.raises(AudioFormatError, match=words):
        AudioWriter(tmp_path / name, **arguments)  # type: ignore[arg-type]
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("rate", [1_001, 65_535, 65_540, 88_200, 96_000, 655_350])
def test_a_flac_takes_every_other_rate(tmp_path: Path, rate: int) -> None:
    write(tmp_path / "out.flac", noise(1, 5_000), rate)
    assert (read_info(tmp_path / "out.flac").sample_rate, read_info(tmp_path / "out.flac").frames) == (
        rate,
        5_000,
    )


def test_a_block_of_another_shape_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(AudioFormatError, match=r"expected floating point \(2, samples\)"),
        AudioWriter(tmp_path / "out.wav", 48_000, 2) as file,
    ):
        file.write(noise(1, 10))
    assert os.listdir(tmp_path) == []


_FULL_DISK = """
import os, resource, signal, sys
import numpy as np
from audiosr_fx.audio import AudioWriter
from audiosr_fx.errors import AudioFormatError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    with AudioWriter(sys.argv[1] + "/out.wav", 48_000, 1) as file:
        file.write(np.zeros((1, 500_000), np.float32))
except AudioFormatError as error:
    print(error)
print(os.listdir(sys.argv[1]))
"""


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE") or not hasattr(signal, "SIGXFSZ"), reason="POSIX")
def test_a_disk_that_takes_no_more_leaves_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _FULL_DISK, str(tmp_path)], capture_output=True, text=True, check=True
    )
    first, second = done.stdout.splitlines()
    assert "out.wav: cannot be written" in first
    assert second == "[]"
