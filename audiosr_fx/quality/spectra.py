"""Two recordings as power spectra that can be compared: level aligned, silence left out, floors stated."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from audiosr_fx.errors import AudioFormatError, ParameterError

Waveform = NDArray[np.float32]
Power = NDArray[np.float64]

_ALIGNED_SHARE = 0.9  # of the cutoff: a crossover may change what lies nearer to it


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """How a reference and an estimate are made comparable.

    Attributes:
        n_fft: samples of a frame (periodic Hann window, centred, zeros beyond the ends).
        hop_length: samples from frame to frame.
        floor_db: no bin counts as lower than this, relative to the loudest bin of the reference.
        silence_db: frames whose power lies lower than this, relative to the loudest frame of the reference,
            are left out.

    Raises:
        ParameterError: a value outside its range.
    """

    n_fft: int = 2048
    hop_length: int = 512
    floor_db: float = -100.0
    silence_db: float = -60.0

    def __post_init__(self) -> None:
        if not 1 <= self.hop_length <= self.n_fft:
            raise ParameterError(f"hop_length is {self.hop_length}; expected 1 to n_fft ({self.n_fft})")
        for name in ("floor_db", "silence_db"):
            if not getattr(self, name) < 0.0:
                raise ParameterError(f"{name} is {getattr(self, name)}; expected less than 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class SpectrumPair:
    """Floored power of a reference and an estimate, both (bins, frames); the frames may be none at all."""

    frequencies_hz: NDArray[np.float64]
    reference: Power
    estimate: Power

    def band(self, lowest_hz: float, highest_hz: float) -> SpectrumPair:
        """The bins from ``lowest_hz`` to ``highest_hz``, both included."""
        inside = (self.frequencies_hz >= lowest_hz) & (self.frequencies_hz <= highest_hz)
        return replace(
            self,
            frequencies_hz=self.frequencies_hz[inside],
            reference=self.reference[inside],
            estimate=self.estimate[inside],
        )


def compare_spectra(
    reference: Waveform,
    estimate: Waveform,
    sample_rate: int,
    *,
    cutoff_hz: float,
    protocol: Protocol | None = None,
) -> SpectrumPair:
    """Make spectra of two recordings comparable.

    The estimate is scaled so that both have the same power below 0.9 times the cutoff, over the frames that
    count; where either has none there, its level is taken as it is.

    Args:
        reference: (T,)
        estimate: (T,), in step with the reference.
        sample_rate: in Hz.
        cutoff_hz: up to which the estimate was given the truth.
        protocol: floors and frames; None for the default.

    Raises:
        AudioFormatError: lengths that differ, or nothing at all.
    """
    if reference.shape != estimate.shape or reference.ndim != 1 or not len(reference):
        raise AudioFormatError(
            f"shapes are {reference.shape} and {estimate.shape}; expected two waveforms of one length"
        )
    protocol = protocol or Protocol()
    frequencies_hz = np.asarray(np.fft.rfftfreq(protocol.n_fft, 1 / sample_rate), np.float64)
    power = power_spectrum(reference, protocol.n_fft, protocol.hop_length)
    counts = loud_frames(power, protocol.silence_db)
    power = power[:, counts]
    other = power_spectrum(estimate, protocol.n_fft, protocol.hop_length)[:, counts]
    low = frequencies_hz < _ALIGNED_SHARE * cutoff_hz
    wanted, found = float(power[low].sum()), float(other[low].sum())
    if wanted > 0.0 and found > 0.0:
        other *= wanted / found
    floor = float(power.max(initial=0.0)) * 10.0 ** (protocol.floor_db / 10.0)
    return SpectrumPair(
        frequencies_hz=frequencies_hz,
        reference=np.maximum(power, floor),
        estimate=np.maximum(other, floor),
    )


def loud_frames(power: Power, silence_db: float) -> NDArray[np.bool_]:
    """Which frames of (bins, frames) are no quieter than that beside the loudest; none of silence."""
    level = power.sum(axis=0)
    loudest = float(level.max(initial=0.0))
    return np.asarray((level > 0.0) & (level >= loudest * 10.0 ** (silence_db / 10.0)))


def power_spectrum(waveform: Waveform, n_fft: int, hop_length: int) -> Power:
    """STFT power, periodic Hann window, centred frames: (T,) -> (n_fft / 2 + 1, frames)."""
    window = signal.get_window("hann", n_fft)
    padded = np.pad(np.asarray(waveform, np.float64), n_fft // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop_length]
    return np.asarray((np.abs(np.fft.rfft(frames * window)) ** 2).T)
