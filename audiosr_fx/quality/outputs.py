"""Outputs of another system, in a folder of files named as the originals."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from audiosr_fx.errors import AudioFormatError, ParameterError
from audiosr_fx.files import FileSource
from audiosr_fx.quality.cases import Case
from audiosr_fx.quality.conditions import Condition
from audiosr_fx.quality.spectra import Waveform
from audiosr_fx.quality.systems import System
from audiosr_fx.sources import ResampledSource, check_finite
from audiosr_fx.training.data import SAMPLE_RATE
from audiosr_fx.training.folders import AUDIO_SUFFIXES
from audiosr_fx.wording import shown

_TOLERANCE = 100  # samples by which a length may differ


def parse_outputs(text: str) -> tuple[str, Path]:
    """Read ``NAME=FOLDER``.

    Raises:
        ParameterError: not of that form, or no such folder.
    """
    name, separator, folder = text.partition("=")
    if not (separator and name and folder):
        raise ParameterError(f"outputs is {text!r}; expected NAME=FOLDER")
    if not Path(folder).is_dir():
        raise ParameterError(f"outputs is {text!r}; there is no folder {shown(Path(folder))}")
    return name, Path(folder)


def output_system(name: str, folder: Path, conditions: Sequence[Condition]) -> System:
    """A row from files that another system wrote.

    A clip's output is named as the clip, with any ending: in sub-folders as the clips, or all in one folder
    (``speech/a.flac`` as ``a.wav`` or ``speech_a.wav``). Outputs of several conditions lie in sub-folders
    named by ``Condition.slug``. Other sample rates are resampled, of several channels the first counts. An
    output is as long as the clip's file or as the stretch that is compared, within 100 samples.
    """
    return System(name=name, restore=partial(_read, folder, len(conditions) == 1))


def _read(folder: Path, single: bool, case: Case) -> Waveform:
    base = folder / case.condition.slug
    path = _find(base, case.clip) or (_find(folder, case.clip) if single else None)
    if path is None:
        raise AudioFormatError("no output of that name" if single else f"no output in {shown(base)}")
    with FileSource(path) as source:
        resampled = source if source.sample_rate == SAMPLE_RATE else ResampledSource(source, SAMPLE_RATE)
        audio = resampled.read(0, resampled.frames)[:1]
    check_finite(audio, f"{shown(path)}: holds")
    waveform = np.asarray(audio[0], np.float32)
    if abs(len(waveform) - len(case.bright)) <= _TOLERANCE:
        return _fitted(waveform, 0, len(case.bright))
    if abs(len(waveform) - case.whole) <= _TOLERANCE:
        return _fitted(waveform, case.start, len(case.bright))
    raise AudioFormatError(
        f"{shown(path)}: has {len(waveform)} samples at 48 kHz; expected {case.whole} or {len(case.bright)}"
    )


def _fitted(waveform: Waveform, start: int, length: int) -> Waveform:
    piece = waveform[start : start + length]
    return np.pad(piece, (0, length - len(piece)))


def _find(folder: Path, clip: str) -> Path | None:
    for place in (Path(clip), Path(Path(clip).name), Path(clip.replace("/", "_"))):
        for suffix in (place.suffix, *AUDIO_SUFFIXES):
            path = folder / place.with_suffix(suffix)
            if path.is_file():
                return path
    return None
