"""Audio files to write: streamed, and whole or not there at all. WAV (RF64 beyond 4 GB), AIFF, FLAC."""

from __future__ import annotations

import errno
import hashlib
import os
import struct
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import soundfile
from numpy.typing import NDArray

from audiosr_fx.atomic import publish, refuse_special, sync, temporary_beside
from audiosr_fx.chunks import chunks
from audiosr_fx.dither import Quantizer, choose_dither
from audiosr_fx.errors import NO_ROOM, AudioFormatError, NameTaken, NoRoom
from audiosr_fx.files import BLOCK_FRAMES, BYTES_PER_SAMPLE, FilePath, all_paths, native_name
from audiosr_fx.metadata.flac import comment_block, insert_blocks
from audiosr_fx.metadata.parts import Loudness, Metadata
from audiosr_fx.metadata.writing import Layout
from audiosr_fx.sources import MAX_CHANNELS, check_finite, check_sample_rate
from audiosr_fx.speakers import loudness_weights, speaker_comments
from audiosr_fx.wav import WavFile, append_aiff_chunks, chunks_size
from audiosr_fx.wording import one_line, shown, taken

if TYPE_CHECKING:
    from audiosr_fx.meters import Levels, Meter

_WRITABLE: Final = {
    "WAV": ("PCM_16", "PCM_24", "PCM_32", "FLOAT"),
    "AIFF": ("PCM_16", "PCM_24", "PCM_32", "FLOAT"),
    "FLAC": ("PCM_16", "PCM_24"),
}
_FORMAT_OF_SUFFIX: Final = {".wav": "WAV", ".aif": "AIFF", ".aiff": "AIFF", ".flac": "FLAC"}
_BITS: Final = {"PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
_LARGEST_32_BIT_FILE: Final = 0xFFFFFFFF - 65_536  # leaves room for the header and its chunks
_FLAC_MAX_CHANNELS: Final = 8
_FLAC_MAX_SAMPLE_RATE: Final = 655_350
_FLAC_ODD_RATES_END: Final = 65_535
"""In Hz; above it the headers of FLAC's frames count in tens."""


class AudioWriter:
    """Writes one file in blocks; the name appears only when the file is whole.

    Blocks go to a hidden temporary file in the same folder. ``close`` writes it through to the disk and gives
    it its name in one step, without replacing a file of that name unless ``overwrite`` is set, and never one
    of ``sources``. Leaving the ``with`` block by an exception, or ``abort``, removes the temporary file.

    Attributes: ``path``; ``frames`` written; ``peak`` (largest magnitude, 1.0 is full scale);
    ``clipped_samples`` (samples beyond full scale that an integer format had to clip); ``loudness``, which
    goes into the broadcast fields of a WAV with metadata: measured, unless it is set before ``close``.
    """

    def __init__(
        self,
        path: FilePath,
        sample_rate: float,
        channels: int,
        *,
        subtype: str = "PCM_24",
        speakers: int | None = None,
        format: str | None = None,
        expected_frames: int | None = None,
        overwrite: bool = False,
        sources: FilePath | Iterable[FilePath] = (),
        dither: str | None = None,
        dither_seed: int = 0,
        metadata: Metadata | None = None,
        measured: bool = False,
    ) -> None:
        """Open the temporary file.

        Args:
            path: name of the finished file.
            sample_rate: in Hz.
            channels: 1 to 32 (FLAC: 8).
            subtype: PCM_16, PCM_24, PCM_32, FLOAT; FLAC has the first two.
            speakers: the mask of who plays the channels, as ``AudioInfo`` has it; None is the usual one.
            format: WAV, AIFF or FLAC; None takes it from the name.
            expected_frames: samples per channel to come; a WAV that will pass 4 GB becomes an RF64.
            overwrite: replace a file of that name.
            sources: a file that must not be replaced, or several, whatever ``overwrite`` says.
            dither: tpdf, shaped or none, for integer formats; None takes tpdf at 16 bits and none above. What
                is of the word length already, as digital silence is, is never dithered.
            dither_seed: the same seed and samples give the same file.
            metadata: of the source, as ``read_metadata`` or ``moved`` gave it; rescaled to this rate here.
            measured: let ``levels`` say how loud the file is.

        Raises:
            AudioFormatError: a format we do not write, a name that is taken, or a folder we cannot write to.
        """
        self.path = Path(path)
        self.frames = 0
        self.peak = 0.0
        self.clipped_samples = 0
        self.loudness: Loudness | None = None
        self.channels = channels
        self.sample_rate = check_sample_rate(sample_rate)
        self.subtype = subtype
        self._speakers = speakers
        self.format = check_format(self.path, format, subtype, channels, self.sample_rate)
        self._overwrite = overwrite
        self._sources = all_paths(sources)
        bits = _BITS.get(subtype)
        self.dither = choose_dither(dither, bits)
        self._quantizer = (
            None
            if bits is None
            else Quantizer(bits, channels, self.sample_rate, dither=self.dither, seed=dither_seed)
        )
        self._layout = (
            None
            if metadata is None
            else Layout(
                metadata,
                format=self.format,
                sample_rate=self.sample_rate,
                channels=channels,
                subtype=subtype,
            )
        )
        has_loudness_fields = self._layout is not None and self.format == "WAV"
        self._meter = self._new_meter() if measured or has_loudness_fields else None
        largest = _LARGEST_32_BIT_FILE - self._metadata_bytes()
        container = _container(self.path, self.format, subtype, channels, expected_frames, largest)
        self._largest = None if container in ("RF64", "FLAC") else largest
        self._check_target()
        self._temporary = temporary_beside(self.path)
        self._file: soundfile.SoundFile | WavFile | None = None
        try:
            os.close(os.open(self._temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            self._file = self._opened(container)
        except BaseException as cause:
            self.abort()
            if isinstance(cause, (OSError, soundfile.LibsndfileError, ValueError)):
                raise self._failure(cause) from cause
            raise

    def __enter__(self) -> AudioWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    def write(self, audio: NDArray[np.floating[Any]]) -> None:
        """Append a block, floating point (channels, samples), any number of samples.

        Raises:
            AudioFormatError: another shape, NaN or Inf, or a disk that takes no more; abort then.
        """
        if self._file is None:
            raise AudioFormatError(f"{shown(self.path)}: the file is closed already")
        if audio.ndim != 2 or audio.shape[0] != self.channels or audio.dtype.kind != "f":
            raise AudioFormatError(
                f"{shown(self.path)}: a block is {audio.dtype} {audio.shape};"
                f" expected floating point ({self.channels}, samples)"
            )
        for start in range(0, audio.shape[1], BLOCK_FRAMES):
            self._write_piece(audio[:, start : start + BLOCK_FRAMES])

    def close(self) -> None:
        """Finish the file and give it its name; does nothing when closed or aborted already.

        Raises:
            AudioFormatError: the name was taken meanwhile, or the disk failed; the temporary file is gone.
        """
        if self._file is None:
            return
        try:
            if isinstance(self._file, WavFile) and self._layout is not None:
                self._file.before = self._layout.before(self.loudness or self._measured())
                self._file.after = self._layout.chunks(self.frames)
            self._file.close()
            self._file = None
            self._complete()
            sync(self._temporary)
            self._check_target()
            publish(self._temporary, self.path, overwrite=self._overwrite)
        except FileExistsError as cause:
            raise NameTaken(taken(self.path)) from cause
        except (OSError, soundfile.LibsndfileError) as cause:
            raise self._failure(cause) from cause
        finally:
            self.abort()

    def abort(self) -> None:
        """Drop what was written; does nothing after ``close``."""
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError, soundfile.LibsndfileError):
                file.drop() if isinstance(file, WavFile) else file.close()
        with suppress(OSError):
            self._temporary.unlink()

    def levels(self) -> Levels | None:
        """What the file measures so far; None unless that was asked for, or its metadata needs it."""
        return None if self._meter is None else self._meter.levels()

    def _opened(self, container: str) -> soundfile.SoundFile | WavFile:
        if self.format == "WAV":
            return WavFile(
                self._temporary,
                self.sample_rate,
                self.channels,
                self.subtype,
                speakers=self._speakers,
                is_rf64=container == "RF64",
                before=[] if self._layout is None else self._layout.before(),
            )
        return soundfile.SoundFile(
            native_name(self._temporary),
            "w",
            self.sample_rate,
            self.channels,
            subtype=self.subtype,
            format=container,
        )

    def _new_meter(self) -> Meter:
        from audiosr_fx.meters import Meter

        weights = loudness_weights(self.channels, self._speakers)
        return Meter(self.sample_rate, self.channels, channel_weights=weights)

    def _measured(self) -> Loudness | None:
        """What the broadcast fields say of the samples that were written; None where there are none."""
        if self._meter is None or self.frames == 0:
            return None
        levels = self._meter.levels()
        return Loudness(
            integrated_lufs=levels.integrated_lufs,
            range_lu=levels.loudness_range_lu,
            true_peak_dbtp=levels.true_peak_dbtp,
            momentary_max_lufs=levels.max_momentary_lufs,
            short_term_max_lufs=levels.max_short_term_lufs,
        )

    def _metadata_bytes(self) -> int:
        """What the metadata takes up beside the samples; FLAC has no limit that it could reach."""
        if self._layout is None or self.format == "FLAC":
            return 0
        before = self._layout.before() if self.format == "WAV" else []
        return chunks_size([*before, *self._layout.chunks()])

    def _complete(self) -> None:
        """Add what libsndfile cannot write to its finished file."""
        if self.format == "AIFF":
            if self.subtype == "FLOAT":
                _clear_peak_time(self._temporary)
            if self._layout is not None:
                append_aiff_chunks(self._temporary, self._layout.chunks(self.frames))
        elif self.format == "FLAC":
            if self.frames == 0:  # libsndfile writes no header before the first sample
                self._temporary.write_bytes(
                    _flac_header(self.sample_rate, self.channels, _BITS[self.subtype])
                )
            if self._layout is not None:
                self._layout.insert_into_flac(self._temporary, self.frames, self._speakers)
            elif self._speakers is not None:
                insert_blocks(self._temporary, [comment_block(speaker_comments(self._speakers))])

    def _write_piece(self, audio: NDArray[np.floating[Any]]) -> None:
        assert self._file is not None
        if audio.shape[1] == 0:
            return
        check_finite(audio, f"{shown(self.path)}: not written, as it would hold", self.frames)
        peak = float(np.max(np.abs(audio)))
        frames = self.frames + audio.shape[1]
        if (
            self._largest is not None
            and frames * self.channels * BYTES_PER_SAMPLE[self.subtype] > self._largest
        ):
            raise AudioFormatError(
                f"{shown(self.path)}: passes 4 GB, more than its header can say;"
                " give expected_frames, or write FLAC"
            )
        if self._meter is not None:
            self._meter.write(audio if self._quantizer is None or peak <= 1.0 else audio.clip(-1.0, 1.0))
        try:
            self._file.write(np.ascontiguousarray(self._encode(audio).T))
        except (OSError, soundfile.LibsndfileError, AssertionError) as cause:
            raise self._failure(cause) from cause
        self.peak = max(self.peak, peak)
        self.frames = frames

    def _encode(self, audio: NDArray[np.floating[Any]]) -> NDArray[Any]:
        """Round to the integers of the format, left-aligned in int16 or int32; float passes through."""
        if self._quantizer is None:
            return audio.astype(np.float32, copy=False)
        codes = self._quantizer.quantize(audio)
        self.clipped_samples += int(np.count_nonzero(np.abs(audio) > 1.0))
        bits = _BITS[self.subtype]
        if bits == 16:
            return codes.astype(np.int16)
        return codes.astype(np.int32) << np.int32(32 - bits)

    def _check_target(self) -> None:
        for source in self._sources:
            with suppress(OSError):
                if os.path.samefile(source, self.path):
                    raise AudioFormatError(
                        f"{shown(self.path)}: is the source, which is never replaced; choose another name"
                    )
        if self.path.is_dir():
            raise AudioFormatError(f"{shown(self.path)}: is a folder; expected a file name")
        try:
            refuse_special(self.path)
        except OSError as cause:
            raise AudioFormatError(f"{shown(self.path)}: {cause.strerror}") from cause
        if not self._overwrite and os.path.lexists(self.path):
            raise NameTaken(taken(self.path))

    def _failure(self, cause: BaseException) -> AudioFormatError:
        reason = (cause.strerror or str(cause)) if isinstance(cause, OSError) else one_line(cause)
        is_full = isinstance(cause, OSError) and cause.errno in NO_ROOM
        with suppress(OSError, AttributeError):
            disk = os.statvfs(self.path.parent)
            if disk.f_bavail * disk.f_frsize < BLOCK_FRAMES:  # libsndfile does not say why it failed
                is_full, reason = True, os.strerror(errno.ENOSPC)
        kind = NoRoom if is_full else AudioFormatError
        return kind(f"{shown(self.path)}: cannot be written ({reason}); check the folder and the disk")


def ceiling_of(subtype: str) -> float | None:
    """The largest magnitude that an integer format takes as it is, TPDF dither on top; None for float.

    It is two steps below 1: one that the format lacks, and one for the dither. Steps are of 24 bits at the
    finest, as those of float32 are there.
    """
    bits = _BITS.get(subtype)
    return None if bits is None else 1.0 - 2.0 ** (2 - min(bits, 24))


def check_format(path: Path, format: str | None, subtype: str, channels: int, sample_rate: int) -> str:
    """The format of a file to write, by what was asked for or by its name: WAV, AIFF or FLAC.

    Raises:
        AudioFormatError: one we do not write, or one that cannot hold such samples.
    """
    name_shown = shown(path)
    name = format.upper() if format else _FORMAT_OF_SUFFIX.get(path.suffix.lower())
    if name not in _WRITABLE:
        raise AudioFormatError(
            f"{name_shown}: format is {format or path.suffix!r}; expected wav, aiff or flac"
        )
    if subtype not in _WRITABLE[name]:
        raise AudioFormatError(
            f"{name_shown}: {name} subtype is {subtype!r}; expected {', '.join(_WRITABLE[name])}"
        )
    most = _FLAC_MAX_CHANNELS if name == "FLAC" else MAX_CHANNELS
    if not 1 <= channels <= most:
        raise AudioFormatError(f"{name_shown}: {channels} channels; {name} takes 1 to {most}")
    if name == "FLAC" and sample_rate > _FLAC_MAX_SAMPLE_RATE:
        raise AudioFormatError(
            f"{name_shown}: sample_rate is {sample_rate}; FLAC takes up to {_FLAC_MAX_SAMPLE_RATE}: write WAV"
        )
    if name == "FLAC" and sample_rate > _FLAC_ODD_RATES_END and sample_rate % 10:
        raise AudioFormatError(
            f"{name_shown}: sample_rate is {sample_rate}; above {_FLAC_ODD_RATES_END} FLAC takes multiples of"
            " 10 alone: write WAV, or another rate"
        )
    return name


def _container(
    path: Path, format: str, subtype: str, channels: int, expected_frames: int | None, largest: int
) -> str:
    """The container: the format, or RF64 for a WAV with more bytes of samples than the largest."""
    expected_bytes = (expected_frames or 0) * channels * BYTES_PER_SAMPLE[subtype]
    if format != "FLAC" and expected_bytes > largest:
        if format == "AIFF":
            raise AudioFormatError(
                f"{shown(path)}: {expected_bytes} bytes of audio; AIFF ends at 4 GB: write WAV or FLAC"
            )
        return "RF64"
    return format


def _flac_header(sample_rate: int, channels: int, bits: int) -> bytes:
    """A FLAC file without samples: the marker and one STREAMINFO block (RFC 9639, section 8.2)."""
    block_sizes = struct.pack(">HH", 4096, 4096)
    packed = (sample_rate << 44) | ((channels - 1) << 41) | ((bits - 1) << 36)
    stream_info = block_sizes + bytes(6) + struct.pack(">Q", packed) + hashlib.md5(b"").digest()
    return b"fLaC" + struct.pack(">I", 0x80000000 | len(stream_info)) + stream_info


def _clear_peak_time(path: Path) -> None:
    """Zero the time stamp that libsndfile puts into the PEAK chunk, so that equal audio makes equal files."""
    with path.open("r+b") as stream:
        for chunk in chunks(stream):
            if chunk.name == b"PEAK" and chunk.size >= 8:
                stream.seek(chunk.start + 4)
                stream.write(bytes(4))
                return
            if chunk.name == b"SSND":
                return
