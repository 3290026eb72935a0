"""Lossy codecs as degradations: a round trip through MP3, Vorbis, Opus or AAC, in step with the original."""

from __future__ import annotations

import io
import math
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from audiosr_fx.errors import AudioFormatError, ParameterError
from audiosr_fx.training.data import SAMPLE_RATE

SAMPLE_RATES: Mapping[str, tuple[int, ...]] = {
    "mp3": (16_000, 22_050, 24_000, 32_000, 44_100, 48_000),
    "vorbis": (16_000, 22_050, 24_000, 32_000, 44_100, 48_000),
    "opus": (8_000, 12_000, 16_000, 24_000, 48_000),
    "aac": (16_000, 22_050, 24_000, 32_000, 44_100, 48_000),
}
"""What each codec takes, in Hz."""

_LEAD = 4_096  # samples of mirror image on both sides: encoders start and end in their own ways
_PEAK = 0.7  # encoders judge by loudness what can be heard
_PROBE_KBPS = 64.0
_DRIFT = 48  # samples by which one signal may lie elsewhere than another
_FFMPEG_TIMEOUT_S = 60.0
_OPUS_KBPS = (6.0, 256.0)
# Nominal kbit/s of one channel at qualities 0 to 1 in tenths: half of what the encoder states for two.
_VORBIS_KBPS = (32.0, 40.0, 48.0, 56.0, 64.0, 80.0, 96.0, 112.0, 128.0, 160.0, 250.0)

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Codec:
    """One way to encode one channel: by what, at how many kbit/s (nominal) and which sample rate in Hz.

    Encoders choose their own bandwidth by the bit rate; the sample rate sets a limit to it.

    Raises:
        ParameterError: an unknown codec, a rate it does not take, or a bit rate that is not positive.
    """

    name: str
    bitrate_kbps: float
    sample_rate: int = SAMPLE_RATE

    def __post_init__(self) -> None:
        if self.name not in SAMPLE_RATES:
            raise ParameterError(f"codec is {self.name!r}; expected one of {', '.join(SAMPLE_RATES)}")
        if self.sample_rate not in SAMPLE_RATES[self.name]:
            rates = ", ".join(map(str, SAMPLE_RATES[self.name]))
            raise ParameterError(f"sample_rate of {self.name} is {self.sample_rate}; expected one of {rates}")
        if not self.bitrate_kbps > 0.0:
            raise ParameterError(f"bitrate_kbps is {self.bitrate_kbps}; expected more than 0")


def bitrate_range_kbps(codec: Codec) -> tuple[float, float]:
    """The least and the most kbit/s that make a difference: what lies beyond is encoded at the nearer end."""
    match codec.name:
        case "mp3":
            return (32.0, 320.0) if codec.sample_rate >= 32_000 else (8.0, 160.0)
        case "vorbis":
            return float(_VORBIS_KBPS[0]), float(_VORBIS_KBPS[-1])
        case "opus":
            return _OPUS_KBPS
        case _:
            return 0.0, math.inf


@lru_cache(maxsize=1)
def available_codecs() -> tuple[str, ...]:
    """The names of the codecs that this machine has; AAC needs the ``ffmpeg`` program."""
    subtypes = {"mp3": ("MP3", "MPEG_LAYER_III"), "vorbis": ("OGG", "VORBIS"), "opus": ("OGG", "OPUS")}
    names = [name for name, format in subtypes.items() if soundfile.check_format(*format)]
    return (*names, "aac") if shutil.which("ffmpeg") else tuple(names)


def round_trip(waveform: NDArray[np.floating], codec: Codec) -> Floats:
    """Encode and decode a waveform, and put it back to where it was.

    The codec's delay is measured once on noise and then, within a millisecond, on the waveform itself.

    Args:
        waveform: (T,) at 48 kHz, any level.
        codec: one of ``available_codecs``.

    Returns:
        float32 (T,)

    Raises:
        ParameterError: the codec is not there.
        AudioFormatError: the encoder or decoder failed.
    """
    if codec.name not in available_codecs():
        raise ParameterError(f"codec is {codec.name!r}; this machine has {', '.join(available_codecs())}")
    peak = float(np.abs(waveform).max(initial=0.0))
    if peak < 1e-9:
        return np.zeros(waveform.shape, np.float32)
    padded = np.pad(np.asarray(waveform * (_PEAK / peak), np.float32), _LEAD, mode="reflect")
    decoded = _transcode(padded, codec)
    coarse = _probe_delay(codec if codec.name == "mp3" else replace(codec, bitrate_kbps=_PROBE_KBPS))
    delay = coarse + _find_delay(padded, _shifted(decoded, coarse, len(padded)), _DRIFT)
    aligned = _shifted(decoded, delay, len(padded))[_LEAD : _LEAD + len(waveform)]
    return np.asarray(aligned * np.float32(peak / _PEAK), np.float32)


@lru_cache(maxsize=1024)
def _probe_delay(codec: Codec) -> int:
    """Of MP3 it depends on the bit rate too: small frames have no room to state it for the decoder."""
    noise = np.random.default_rng(0).standard_normal(SAMPLE_RATE // 2).astype(np.float32) * 0.1
    return _find_delay(noise, _transcode(noise, codec), SAMPLE_RATE // 8)


def _find_delay(original: Floats, decoded: Floats, most: int) -> int:
    """Samples by which ``decoded`` comes late, ``most`` at most either way: the peak of the correlation."""
    size = 1 << (len(original) + most).bit_length()
    cross = np.fft.rfft(decoded[: len(original) + most], size) * np.conj(np.fft.rfft(original, size))
    correlation = np.fft.irfft(cross, size)
    near = np.concatenate([correlation[-most:], correlation[: most + 1]])
    return int(np.argmax(near)) - most


def _shifted(decoded: Floats, delay: int, length: int) -> Floats:
    """``length`` samples from ``delay`` on, zeros where there are none."""
    out = np.zeros(length, np.float32)
    start = max(0, -delay)
    piece = decoded[delay + start : delay + length]
    out[start : start + len(piece)] = piece
    return out


def _transcode(waveform: Floats, codec: Codec) -> Floats:
    """Through the codec at its own sample rate, delayed as the codec delays."""
    lower = _resample(waveform, SAMPLE_RATE, codec.sample_rate)
    decoded, rate = _ROUND_TRIPS[codec.name](lower, codec)
    return _resample(decoded, rate, SAMPLE_RATE)


def _resample(waveform: Floats, rate: int, rate_out: int) -> Floats:
    if rate == rate_out:
        return waveform
    return np.asarray(soxr.resample(waveform, rate, rate_out, quality="HQ"), np.float32)


def _through_mp3(waveform: Floats, codec: Codec) -> tuple[Floats, int]:
    low, high = bitrate_range_kbps(codec)
    level = np.clip((high - codec.bitrate_kbps) / (high - low), 0.0, 0.999)  # 1.0 itself is refused
    return _through_soundfile(
        waveform,
        codec.sample_rate,
        format="MP3",
        subtype="MPEG_LAYER_III",
        compression_level=float(level),
        bitrate_mode="CONSTANT",
    )


def _through_vorbis(waveform: Floats, codec: Codec) -> tuple[Floats, int]:
    quality = np.interp(codec.bitrate_kbps, _VORBIS_KBPS, np.linspace(0.0, 1.0, len(_VORBIS_KBPS)))
    return _through_soundfile(
        waveform,
        codec.sample_rate,
        format="OGG",
        subtype="VORBIS",
        compression_level=float(1.0 - quality),
    )


def _through_opus(waveform: Floats, codec: Codec) -> tuple[Floats, int]:
    low, high = _OPUS_KBPS
    level = np.clip((high - codec.bitrate_kbps) / (high - low), 0.0, 1.0)
    return _through_soundfile(
        waveform, codec.sample_rate, format="OGG", subtype="OPUS", compression_level=float(level)
    )


def _through_soundfile(waveform: Floats, sample_rate: int, **options: object) -> tuple[Floats, int]:
    buffer = io.BytesIO()
    try:
        with soundfile.SoundFile(buffer, "w", sample_rate, 1, **options) as file:
            file.write(waveform)
        buffer.seek(0)
        decoded, rate = soundfile.read(buffer, dtype="float32")
    except soundfile.LibsndfileError as error:
        raise AudioFormatError(f"{options['subtype']} at {sample_rate} Hz failed: {error}") from error
    return decoded, rate


def _through_aac(waveform: Floats, codec: Codec) -> tuple[Floats, int]:
    raw = ("-f", "f32le", "-ar", str(codec.sample_rate), "-ac", "1")
    rate = f"{codec.bitrate_kbps * 1000:.0f}"
    encoded = _ffmpeg(waveform.tobytes(), *raw, "-i", "pipe:0", "-c:a", "aac", "-b:a", rate, "-f", "adts")
    decoded = _ffmpeg(encoded, "-f", "aac", "-i", "pipe:0", *raw)
    return np.frombuffer(decoded, np.float32), codec.sample_rate


def _ffmpeg(data: bytes, *arguments: str) -> bytes:
    command = ("ffmpeg", "-nostdin", "-v", "error", "-threads", "1", *arguments, "pipe:1")
    try:
        done = subprocess.run(command, input=data, capture_output=True, check=True, timeout=_FFMPEG_TIMEOUT_S)
    except subprocess.CalledProcessError as error:
        reason = error.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no reason given"]
        raise AudioFormatError(f"ffmpeg failed: {reason[0]}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AudioFormatError(f"ffmpeg failed: {error}") from error
    return done.stdout


_ROUND_TRIPS: Mapping[str, Callable[[Floats, Codec], tuple[Floats, int]]] = {
    "mp3": _through_mp3,
    "vorbis": _through_vorbis,
    "opus": _through_opus,
    "aac": _through_aac,
}
