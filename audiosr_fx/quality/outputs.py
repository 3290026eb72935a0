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
from audiosr_fx.sources import ResampledSource, check_finite
from audiosr_fx.training.data import SAMPLE_RATE
from audiosr_fx.training.folders import AUDIO_SUFFIXES
from audiosr_fx.wording import printable, shown

_TOLERANCE = 100  # samples by which a length may differ
_MOST_LAG_S = 0.5

OnLag = Callable[[str, int], None]
"""Hears of an output that was not in step: the clip, and by how many samples it came late."""


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
    name: str, folder: Path, conditions: Sequence[Condition], on_lag: OnLag | None = None
) -> System:
    """A row from files that another system wrote.

    A clip's output is named as the clip, with any ending: in sub-folders as the clips, or all in one folder
    (``speech/a.flac`` as ``speech_a.wav``, or as ``a.wav`` where no other clip could be meant). Outputs of
    several conditions lie in sub-folders named by ``Condition.slug``. Other sample rates are resampled, of
    several channels the first counts. An output is as long as the clip's file or as the stretch that is
    compared, within 100 samples; where it comes late or early by up to half a second it is moved into step,
    and what it then lacks at an end is silence.

    Args:
        name: of the row.
        folder: with the files.
        conditions: of the comparison.
        on_lag: told of each output that was moved: the clip, and by how many samples it came late.
    """
    reader = _Reader(folder=folder, single=len(conditions) == 1, on_lag=on_lag)
    return System(name=name, restore=reader.read)


@dataclass(kw_only=True)
class _Reader:
    """Finds and reads outputs; ``taken`` says for which clip a file stood already."""

    folder: Path
    single: bool
    on_lag: OnLag | None
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
        waveform, start = _placed(_first_channel(path), path, case)
        piece = _fitted(waveform, start, len(case.bright))
        lag = _lag(case, piece)
        if lag and self.on_lag is not None:
            self.on_lag(case.clip, lag)
        return _fitted(waveform, start + lag, len(case.bright)) if lag else piece


def _first_channel(path: Path) -> Waveform:
    with FileSource(path) as source:
        resampled = source if source.sample_rate == SAMPLE_RATE else ResampledSource(source, SAMPLE_RATE)
        audio = resampled.read(0, resampled.frames)[:1]
    check_finite(audio, f"{shown(path)}: holds")
    return np.asarray(audio[0], np.float32)


def _placed(waveform: Waveform, path: Path, case: Case) -> tuple[Waveform, int]:
    """The output, and where in it the stretch that is compared begins."""
    if abs(len(waveform) - len(case.bright)) <= _TOLERANCE:
        return waveform, 0
    if abs(len(waveform) - case.whole) <= _TOLERANCE:
        return waveform, case.start
    lengths = " or ".join(map(str, dict.fromkeys((case.whole, len(case.bright)))))
    raise AudioFormatError(
        f"{shown(path)}: has {len(waveform)} samples at 48 kHz; expected {lengths},"
        f" or up to {_TOLERANCE} more or less: cut or pad it"
    )


def _lag(case: Case, piece: Waveform) -> int:
    """By how many samples an output comes late, heard where it should be as the original is."""
    taps = lowpass_fir(0.6 * case.cutoff_hz, SAMPLE_RATE, transition_hz=0.4 * case.cutoff_hz)
    around = len(taps) // 2
    low = [apply_fir(np.pad(waveform, around)[None], taps) for waveform in (case.bright, piece)]
    return find_lag(low[0], low[1], round(_MOST_LAG_S * SAMPLE_RATE))


def _fitted(waveform: Waveform, start: int, length: int) -> Waveform:
    """A stretch of a waveform, zeros where there is nothing of it."""
    before = max(-start, 0)
    piece = waveform[max(start, 0) : max(start + length, 0)]
    return np.pad(piece, (before, length - before - len(piece)))


def _find(folder: Path, clip: str) -> Path | None:
    for place in (Path(clip), Path(clip.replace("/", "_")), Path(Path(clip).name)):
        for suffix in (place.suffix, *AUDIO_SUFFIXES):
            for spelt in (suffix, suffix.upper()):
                path = folder / place.with_suffix(spelt)
                if path.is_file():
                    return path
    return None
