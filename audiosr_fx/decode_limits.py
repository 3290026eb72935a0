"""What a service takes from a file it knows nothing of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from audiosr_fx.errors import AudioFormatError, ParameterError
from audiosr_fx.files import AudioInfo
from audiosr_fx.headers import Header, Wholeness

DEFAULT_KINDS: Final = ("wav", "rf64", "w64", "aiff", "flac")
ALL_KINDS: Final = (*DEFAULT_KINDS, "ogg", "mp3")
_GIB: Final = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeLimits:
    """Bounds of a file, and of the process that decodes it.

    Attributes:
        kinds: of container, as ``headers.read_header`` names them.
        max_channels: 1 to 32.
        min_rate, max_rate: in Hz.
        max_s: seconds of audio.
        max_bytes: of decoded samples, four for each.
        memory_bytes: that the process may use.
        cpu_s: of computing time.
        silence_s: without a sign of life.
    """

    kinds: tuple[str, ...] = DEFAULT_KINDS
    max_channels: int = 32
    min_rate: int = 4_000
    max_rate: int = 384_000
    max_s: float = 6 * 3600.0
    max_bytes: int = 8 * _GIB
    memory_bytes: int = 2 * _GIB
    cpu_s: int = 600
    silence_s: float = 30.0

    def __post_init__(self) -> None:
        for kind in self.kinds:
            if kind not in ALL_KINDS:
                raise ParameterError(f"kinds holds {kind!r}; expected {', '.join(ALL_KINDS)}")

    def check_header(self, header: Header, name: str) -> None:
        """Refuse a file by what is known before a decoder sees it.

        Raises:
            AudioFormatError: of another kind or codec, or shorter than it says.
        """
        if header.wholeness is Wholeness.FOREIGN:
            raise AudioFormatError(
                f"{name}: cannot be taken: {header.reason}; convert it to WAV, AIFF or FLAC first"
            )
        if header.kind not in self.kinds:
            raise AudioFormatError(
                f"{name}: is {header.kind}; expected {', '.join(self.kinds)}: convert it, or allow its kind"
            )
        if header.wholeness is Wholeness.SHORT:
            raise AudioFormatError(
                f"{name}: {header.reason}; the file is truncated or still being written: wait, or copy or"
                " export it again"
            )

    def check_info(self, info: AudioInfo, name: str) -> None:
        """Refuse a file by what its decoder says of it before the first sample.

        Raises:
            AudioFormatError: outside the limits.
        """
        if info.channels > self.max_channels:
            raise AudioFormatError(f"{name}: has {info.channels} channels; expected 1 to {self.max_channels}")
        if not self.min_rate <= info.sample_rate <= self.max_rate:
            raise AudioFormatError(
                f"{name}: sample_rate is {info.sample_rate}; expected {self.min_rate} to {self.max_rate} Hz"
            )
        if info.duration_s > self.max_s:
            raise AudioFormatError(
                f"{name}: is {info.duration_s / 3600:.1f} hours long; expected up to {self.max_s / 3600:g}:"
                " cut it up"
            )
        size = decoded_bytes(info)
        if size > self.max_bytes:
            raise AudioFormatError(
                f"{name}: decodes to {size / _GIB:.1f} GiB; expected up to {self.max_bytes / _GIB:.3g}:"
                " cut it up"
            )


def decoded_bytes(info: AudioInfo) -> int:
    """The size of a file's samples as float32."""
    return 4 * info.frames * info.channels
