"""Outputs of another system, in a folder of files named as the originals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from audiosr_fx.bandwidth import apply_fir, lowpass_fir
from audiosr_fx.errors import AudioFormatError, ParameterError
from audiosr_fx.files import FileSource
from audiosr_fx.quality.cases import Case
from audiosr_fx.quality.conditions import Condition
from audiosr_fx.quality.lag import find_lag
from audiosr_fx.quality.spectra import Waveform
from audiosr_fx.quality.systems import System
from audiosr_fx.sources import Audio, ResampledSource, check_finite
from audiosr_fx.training.data import SAMPLE_RATE
from audiosr_fx.training.folders import AUDIO_SUFFIXES
from audiosr_fx.wording import printable, shown

_TOLERANCE = 100  # samples by which a length may differ without a word
_MOST_LAG_S = 0.5
_MOST_LACKING_S = 0.5
_MOST_LACKING = 0.1  # of what is compared
_LIKE = 0.75  # of the low band's energy is explained by the original's: within 6 dB, as ``find_lag`` asks


@dataclass(frozen=True, slots=True, kw_only=True)
class Misfit:
    """How an output was not as its clip, in samples at 48 kHz.

    Attributes:
        clip: whose.
        lag: by how much it came late, negative where it came early; it was moved by that.
        surplus: by how much it is longer than was expected, negative where it is shorter; 0 within 100.
        lacking: how much of the end of what is compared it does not have.
    """

    clip: str
    lag: int
    surplus: int
    lacking: int


OnMisfit = Callable[[Misfit], None]


def parse_outputs(text: str) -> tuple[str, Path]:
    """Read ``NAME=FOLDER``, the name as a line of a table can hold it.

    Raises:
        ParameterError: not of that form, or no such folder.
    """
    name, separator, folder = text.partition("=")
    if not (separator and name and folder):
        raise ParameterError(f"outputs is {text!r}; expected NAME=FOLDER")
    if not Path(folder).is_dir():
        raise ParameterError(f"outputs is {text!r}; there is no folder {shown(Path(folder))}")
    return printable(name), Path(folder)


def output_system(
    name: str, folder: Path, conditions: Sequence[Condition], on_misfit: OnMisfit | None = None
) -> System:
    """A row from files that another system wrote.

    A clip's output is named as the clip, with any ending: in sub-folders as the clips, or all in one folder
    (``speech/a.flac`` as ``speech_a.wav``, or as ``a.wav`` where no other clip could be meant). Outputs of
    several conditions lie in sub-folders named by ``Condition.slug``. Other sample rates are resampled, of
    several channels the first counts. An output is of the clip's file or of the stretch that is compared.
    Where it comes late or early by up to half a second it is moved into step. It may be longer, as systems
    that work in blocks make it, and lack up to half a second or a tenth of the end: then its low band has to
    be that of the original, so that another rate or recording is none. What it lacks at the end is left out
    of the comparison; what an early one lacks at the beginning is silence.

    Args:
        name: of the row.
        folder: with the files.
        conditions: of the comparison.
        on_misfit: told of each output that was moved, or that is longer or shorter by over 100 samples.
    """
    reader = _Reader(folder=folder, single=len(conditions) == 1, on_misfit=on_misfit)
    return System(name=name, restore=reader.read)


@dataclass(kw_only=True)
class _Reader:
    """Finds and reads outputs; ``taken`` says for which clip a file stood already."""

    folder: Path
    single: bool
    on_misfit: OnMisfit | None
    taken: dict[Path, str] = field(default_factory=dict)

    def read(self, case: Case) -> Waveform:
        base = self.folder / case.condition.slug
        path = _find(base, case.clip) or (_find(self.folder, case.clip) if self.single else None)
        if path is None:
            raise AudioFormatError("no output of that name" if self.single else f"no output in {shown(base)}")
        if self.taken.setdefault(path, case.clip) != case.clip:
            raise AudioFormatError(
                f"{shown(path)}: stands for {shown(Path(self.taken[path]))} already; name outputs like"
                f" {case.clip.replace('/', '_')}"
            )
        piece, misfit = _fitted(_first_channel(path), path, case)
        if (misfit.lag or misfit.surplus) and self.on_misfit is not None:
            self.on_misfit(misfit)
        return piece


def _first_channel(path: Path) -> Waveform:
    with FileSource(path) as source:
        resampled = source if source.sample_rate == SAMPLE_RATE else ResampledSource(source, SAMPLE_RATE)
        audio = resampled.read(0, resampled.frames)[:1]
    check_finite(audio, f"{shown(path)}: holds")
    return np.asarray(audio[0], np.float32)


def _fitted(waveform: Waveform, path: Path, case: Case) -> tuple[Waveform, Misfit]:
    """What an output has of the stretch that is compared, in step, and how it was not as its clip."""
    wanted, samples = len(case.bright), len(waveform)
    places = {case.whole: case.start, wanted: 0}  # by length: of the file, and of the stretch alone
    length = min(places, key=lambda length: abs(samples - length))
    if abs(samples - length) <= _TOLERANCE:
        piece, lag = _in_step(waveform, places[length], case)
        return piece, Misfit(clip=case.clip, lag=lag, surplus=0, lacking=wanted - len(piece))
    most_lacking = min(_MOST_LACKING_S * SAMPLE_RATE, _MOST_LACKING * wanted)
    expected = " or ".join(map(str, places))
    found = []
    for length, start in places.items():
        if min(samples - start, wanted) >= wanted - most_lacking:
            piece, lag = _in_step(waveform, start, case)
            misfit = Misfit(clip=case.clip, lag=lag, surplus=samples - length, lacking=wanted - len(piece))
            found.append((_likeness(case, piece), piece, misfit))
    if not found:
        raise AudioFormatError(
            f"{shown(path)}: has {samples} samples at 48 kHz; expected {expected}, with"
            f" {round(most_lacking)} less of what is compared at most: pad it, or take fewer --seconds"
        )
    likeness, piece, misfit = max(found, key=lambda fit: (round(fit[0], 2), -abs(fit[2].lag)))
    if likeness < _LIKE:
        raise AudioFormatError(
            f"{shown(path)}: has {samples} samples at 48 kHz, not {expected}, and not the low band of the"
            " original: is it of this clip, and of the rate that it says?"
        )
    return piece, misfit


def _in_step(waveform: Waveform, start: int, case: Case) -> tuple[Waveform, int]:
    """The stretch that is compared, where its low band is as the original's, and by how much it came late."""
    piece = _stretch(waveform, start, len(case.bright))
    lag = find_lag(*_low_bands(case, piece), round(_MOST_LAG_S * SAMPLE_RATE))
    return (_stretch(waveform, start + lag, len(case.bright)) if lag else piece), lag


def _likeness(case: Case, piece: Waveform) -> float:
    """The share of the energy in the low band of either that a gain makes of the other's: 0 to 1."""
    original, output = (band[0].astype(np.float64) for band in _low_bands(case, piece))
    scale = float(original @ original) * float(output @ output)
    return float(original @ output) ** 2 / scale if scale else 0.0


def _low_bands(case: Case, piece: Waveform) -> tuple[Audio, Audio]:
    """What an original and an output should have in common, (1, T) both."""
    taps = lowpass_fir(0.6 * case.cutoff_hz, SAMPLE_RATE, transition_hz=0.4 * case.cutoff_hz)
    around = len(taps) // 2
    original, output = (
        apply_fir(np.pad(waveform, around)[None], taps) for waveform in (case.bright[: len(piece)], piece)
    )
    return original, output


def _stretch(waveform: Waveform, start: int, length: int) -> Waveform:
    """So much of a waveform, or what there is of it; zeros before its beginning."""
    piece = waveform[max(start, 0) : max(start + length, 0)]
    return np.pad(piece, (max(-start, 0), 0))


def _find(folder: Path, clip: str) -> Path | None:
    for place in (Path(clip), Path(clip.replace("/", "_")), Path(Path(clip).name)):
        for suffix in (place.suffix, *AUDIO_SUFFIXES):
            for spelt in (suffix, suffix.upper()):
                path = folder / place.with_suffix(spelt)
                if path.is_file():
                    return path
    return None
