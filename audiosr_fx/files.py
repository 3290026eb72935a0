"""Audio files to read: what is in one, and its samples as a source.

Taken: WAV (16/24/32 bit, float, extensible, RF64, BW64), W64, AIFF, FLAC, Ogg (Vorbis, Opus) and MP3.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

import numpy as np
import soundfile

from audiosr_fx.chunks import OPEN_LENGTHS, DataClaim, chunks, claimed_data
from audiosr_fx.errors import AudioFormatError
from audiosr_fx.plain_file import open_plain_file
from audiosr_fx.sources import (
    MAX_CHANNELS,
    MAX_SAMPLE_RATE,
    MIN_SAMPLE_RATE,
    Audio,
    GridSource,
    check_sample_rate,
)
from audiosr_fx.speakers import read_speakers
from audiosr_fx.wording import one_line, shown

_log = logging.getLogger(__name__)

FilePath: TypeAlias = str | os.PathLike[str]

_READABLE_FORMATS: Final = {"WAV", "WAVEX", "RF64", "W64", "AIFF", "FLAC", "OGG", "MP3"}
_LINEAR_SUBTYPES: Final = {"PCM_U8", "PCM_S8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"}
_LOSSY_SUBTYPES: Final = {"VORBIS", "OPUS", "MPEG_LAYER_I", "MPEG_LAYER_II", "MPEG_LAYER_III"}
_RATES: Final = range(MIN_SAMPLE_RATE, MAX_SAMPLE_RATE + 1)
_ABSURD_FRAMES: Final = 1 << 48
_SHORT: Final = "the file is truncated or still being written: wait, or copy or export it again"
BLOCK_FRAMES: Final = 65_536
BYTES_PER_SAMPLE: Final = {"PCM_U8": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8}

SUBTYPES: Final = {"auto": None, "16": "PCM_16", "24": "PCM_24", "32": "FLOAT"}
"""Sample formats by the bits a person asks for; None is what ``AudioInfo.subtype_in`` says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioInfo:
    """What a file's header says, and what was found wrong with it (``warning``: one line, or None).

    ``speakers`` is a mask of who plays its channels, None where it says nothing; see ``audiosr_fx.speakers``.
    """

    path: Path
    format: str
    subtype: str
    sample_rate: int
    channels: int
    frames: int
    speakers: int | None = None
    is_truncated: bool = False
    warning: str | None = None

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.frames / self.sample_rate

    @property
    def is_lossy(self) -> bool:
        """True for MP3 and Ogg."""
        return self.subtype in _LOSSY_SUBTYPES

    def subtype_in(self, format: str) -> str:
        """The sample format of what is made of it in a file format, such as ``wav`` or ``FLAC``.

        Float stays float where the format has that; all else gets 24 bit.
        """
        keeps_float = self.subtype in ("FLOAT", "DOUBLE") and format.lower() != "flac"
        return "FLOAT" if keeps_float else "PCM_24"


def read_info(path: FilePath) -> AudioInfo:
    """Look at a file's header, and whether the file is as long as the header says, without decoding it all.

    Raises:
        AudioFormatError: no such file, no audio, or a format, rate or channel count we do not take.
    """
    file, info = _open(Path(path))
    file.close()
    return info


class FileSource(GridSource):
    """The samples of a file, by position, bit for bit: integers divided by their full scale, as float32.

    Reading onwards never jumps in the file. A jump in an MP3 or Ogg file decodes a stretch more and drops it,
    because these decoders need a run-up to give the samples that they give when they come from the beginning.
    Use it as a context manager, or call ``close``. ``missing`` says why zeros stand for samples in what was
    read so far, None where none do.
    """

    _RUN_UP_FRAMES = 65_536

    def __init__(
        self, path: FilePath, *, allow_truncated: bool = False, rates: range = _RATES, warns: bool = True
    ) -> None:
        """Open a file.

        Args:
            path: the file.
            allow_truncated: take a file that is damaged or shorter than its header says, with zeros for what
                is missing.
            rates: in Hz that are taken.
            warns: log what is odd about the file; False where it is opened again later, and told then.

        Raises:
            AudioFormatError: as ``read_info``, and for a file that is shorter than its header says.
        """
        self._watched = _Watched(Path(path))
        try:
            self._file, self.info = _open(Path(path), rates)
        except BaseException:
            self._watched.close()
            raise
        self._allow_truncated = allow_truncated
        if self.info.warning is not None:
            if self.info.is_truncated and not allow_truncated:
                self.close()
                raise AudioFormatError(self.info.warning)
            if warns:
                _log.warning("%s", self.info.warning)
        super().__init__(
            sample_rate=self.info.sample_rate,
            channels=self.info.channels,
            frames=self.info.frames,
            block_frames=BLOCK_FRAMES,
            speakers=self.info.speakers,
        )
        self._position = 0
        self.missing: str | None = None

    def __enter__(self) -> FileSource:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; further reads fail."""
        self._file.close()
        self._watched.close()

    def check_unchanged(self) -> None:
        """Make sure that all samples so far are of one and the same file; ask before a result is published.

        A file that is replaced by another is still read as it was; only one that is written into changes.

        Raises:
            AudioFormatError: somebody wrote into the file since it was opened.
        """
        if self._watched.has_changed():
            raise AudioFormatError(
                f"{shown(self.info.path)}: changed while it was read;"
                " wait until it is written, and start again"
            )

    def _make_block(self, index: int) -> Audio:
        start = index * BLOCK_FRAMES
        wanted = min(BLOCK_FRAMES, self.frames - start)
        block = np.zeros((self.channels, BLOCK_FRAMES), np.float32)
        try:
            if start != self._position:
                self._jump(start)
            samples = self._file.read(wanted, dtype="float32", always_2d=True)
        except (soundfile.LibsndfileError, RuntimeError) as cause:
            self._position = -1
            self._miss(
                f"cannot decode samples {start} to {start + wanted} ({one_line(cause)}); the file is damaged",
                cause,
            )
            return block
        self._position = start + len(samples)
        if len(samples) < wanted:
            self._miss(f"ends after {self._position} of {self.frames} samples; the file is truncated")
        block[:, : len(samples)] = samples.T
        return block

    def _miss(self, fault: str, cause: Exception | None = None) -> None:
        """Note that zeros stand for samples, where that is allowed."""
        text = f"{shown(self.info.path)}: {fault}: copy or export it again"
        if not self._allow_truncated:
            self.check_unchanged()
            raise AudioFormatError(text) from cause
        self.missing = self.missing or text

    def _jump(self, start: int) -> None:
        run_up = min(start, self._RUN_UP_FRAMES) if self.info.is_lossy else 0
        self._file.seek(start - run_up)
        if run_up:
            self._file.read(run_up, dtype="float32")


class _Watched:
    """A file that is held open to see whether it changes; nothing where it cannot be opened."""

    def __init__(self, path: Path) -> None:
        self._stream: BinaryIO | None = None
        with suppress(OSError, ValueError):  # what is wrong with it is told when it is decoded
            if path.is_file():
                self._stream = path.open("rb")
        self._before = self._state()

    def has_changed(self) -> bool:
        """Whether its size or time of change is another."""
        return self._state() != self._before

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()

    def _state(self) -> tuple[int, int] | None:
        if self._stream is None:
            return None
        status = os.fstat(self._stream.fileno())
        return status.st_size, status.st_mtime_ns


def _open(path: Path, rates: range = _RATES) -> tuple[soundfile.SoundFile, AudioInfo]:
    name = shown(path)
    try:
        if not path.exists():
            raise AudioFormatError(f"{name}: no such file")
        if not path.is_file():
            raise AudioFormatError(f"{name}: not a file; expected one audio file")
        if path.stat().st_size == 0:
            raise AudioFormatError(f"{name}: the file is empty (0 bytes): copy or export it again")
        with path.open("rb") as stream:
            claim = claimed_data(stream)
        file = _decoder(path, claim)
    except AudioFormatError:
        raise
    except OSError as cause:
        raise AudioFormatError(f"{name}: cannot be read ({cause.strerror or cause})") from cause
    except (soundfile.LibsndfileError, RuntimeError, TypeError, ValueError) as cause:
        raise AudioFormatError(
            f"{name}: cannot be read as audio ({_reason(cause)}); expected WAV, AIFF, FLAC, Ogg or MP3"
        ) from cause
    try:
        return file, _describe(file, path, claim, rates)
    except BaseException:
        file.close()
        raise


def _reason(cause: Exception) -> str:
    """Why a decoder gave up, without the file's name, which it would give as bytes."""
    if isinstance(cause, soundfile.LibsndfileError):
        if "SF_INFO" in cause.error_string:  # all that libsndfile says of it
            return "its header has no sample rate, or an absurd one"
        text = " ".join(cause.error_string.split()).rstrip(".")
        return text[:1].lower() + text[1:] if text[1:2].islower() else text
    return one_line(cause)


def _decoder(path: Path, claim: DataClaim | None) -> soundfile.SoundFile:
    """A decoder on a file; where other chunks of a WAV or AIFF lead it astray, on its samples alone."""
    try:
        file = soundfile.SoundFile(native_name(path))
    except soundfile.LibsndfileError:
        if (plain := _plain_file(path)) is not None:
            return plain
        raise
    is_astray = _has_other_length(file, claim) or _is_left_unread(file, claim)
    if is_astray and (plain := _plain_file(path)) is not None:
        file.close()
        return plain
    return file


def _has_other_length(file: soundfile.SoundFile, claim: DataClaim | None) -> bool:
    """Whether a decoder found another number of samples than a whole file states."""
    width = BYTES_PER_SAMPLE.get(file.subtype, 0) * file.channels
    is_whole = claim is not None and claim.claimed <= claim.present and claim.claimed not in OPEN_LENGTHS
    return bool(width and is_whole and claim is not None and claim.claimed // width != file.frames)


def _is_left_unread(file: soundfile.SoundFile, claim: DataClaim | None) -> bool:
    """Whether a decoder believed a header that says there are no samples, and there are, as in a recording
    that was broken off.
    """
    return claim is not None and claim.claimed == 0 < claim.present and file.frames == 0


def _plain_file(path: Path) -> soundfile.SoundFile | None:
    with path.open("rb") as stream:
        if stream.read(4) in (b"RIFF", b"RF64", b"BW64", b"FORM"):
            with suppress(ValueError, soundfile.LibsndfileError):
                return open_plain_file(path, chunks(stream))
    return None


def all_paths(files: FilePath | Iterable[FilePath]) -> tuple[Path, ...]:
    """One file or several as paths; the name of one is no list of letters."""
    return (Path(files),) if isinstance(files, (str, os.PathLike)) else tuple(Path(path) for path in files)


def native_name(path: Path) -> str | bytes:
    """The name as the system has it: on POSIX it need not be UTF-8, and soundfile takes such as bytes."""
    return str(path) if os.name == "nt" else os.fsencode(path)


def _describe(file: soundfile.SoundFile, path: Path, claim: DataClaim | None, rates: range) -> AudioInfo:
    name = shown(path)
    if file.format not in _READABLE_FORMATS or file.subtype not in _LINEAR_SUBTYPES | _LOSSY_SUBTYPES:
        raise AudioFormatError(
            f"{name}: {file.format} with {file.subtype} samples is not taken;"
            " convert it to WAV, AIFF, FLAC, Ogg or MP3 first"
        )
    try:
        check_sample_rate(file.samplerate, rates)
    except AudioFormatError as cause:
        raise AudioFormatError(f"{name}: {cause}") from cause
    if not 1 <= file.channels <= MAX_CHANNELS:
        raise AudioFormatError(f"{name}: has {file.channels} channels; expected 1 to {MAX_CHANNELS}")
    length = _length(file, path, claim)
    return AudioInfo(
        path=path,
        format=file.format,
        subtype=file.subtype,
        sample_rate=file.samplerate,
        channels=file.channels,
        frames=length.frames,
        speakers=read_speakers(path, file.channels),
        is_truncated=length.is_truncated,
        warning=length.warning,
    )


@dataclass(frozen=True, slots=True)
class _Length:
    """Samples per channel, and what is wrong with that number; see ``AudioInfo``."""

    frames: int
    is_truncated: bool = False
    warning: str | None = None


def _length(file: soundfile.SoundFile, path: Path, claim: DataClaim | None) -> _Length:
    name, frames = shown(path), file.frames
    if claim is not None and claim.claimed in OPEN_LENGTHS and claim.claimed != claim.present:
        return _Length(frames, warning=_open_length(file, name, claim))
    elif claim is not None and claim.claimed > claim.present:
        promised = f"{claim.claimed} bytes of audio, {claim.present} are there"
        return _Length(frames, is_truncated=True, warning=f"{name}: the header promises {promised}; {_SHORT}")
    elif frames >= _ABSURD_FRAMES:
        if not _is_empty_flac(path):
            raise AudioFormatError(
                f"{name}: the header leaves the length open (streamed or broken off): export it again"
            )
        return _Length(0)
    elif file.format == "FLAC" and frames > 0 and not _has_last_sample(file):
        promised = f"{frames} samples and the last of them is missing"
        return _Length(frames, is_truncated=True, warning=f"{name}: the header promises {promised}; {_SHORT}")
    return _Length(frames)


def _open_length(file: soundfile.SoundFile, name: str, claim: DataClaim) -> str | None:
    """What to say of a file whose header leaves its length open."""
    if file.frames > 0:
        return f"{name}: the header leaves the length open (streamed or broken off); read to its end"
    if claim.present >= BYTES_PER_SAMPLE.get(file.subtype, 1) * file.channels:
        raise AudioFormatError(
            f"{name}: the header says that there are no samples, but {claim.present} bytes follow it (broken"
            " off?): open it in an audio editor, and save it again"
        )
    return f"{name}: the header leaves the length open, and no samples follow it" if claim.claimed else None


def _is_empty_flac(path: Path) -> bool:
    """Whether a FLAC file ends with its metadata."""
    with path.open("rb") as stream:
        if stream.read(4) != b"fLaC":
            return False
        while len(header := stream.read(4)) == 4:
            stream.seek(int.from_bytes(header[1:], "big"), os.SEEK_CUR)
            if header[0] & 0x80:
                return stream.tell() == path.stat().st_size
    return False


def _has_last_sample(file: soundfile.SoundFile) -> bool:
    try:
        file.seek(file.frames - 1)
        return len(file.read(1)) == 1
    except (soundfile.LibsndfileError, RuntimeError):
        return False
    finally:
        with suppress(soundfile.LibsndfileError, RuntimeError):
            file.seek(0)
