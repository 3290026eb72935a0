"""TensorBoard files of a run: losses, spectrogram pictures and sounds of held-out clips.

Where they cannot be written, on a full disk say, there are no more of them, and the run goes on.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from audiosr_fx.training.samples import SAMPLE_RATE
from audiosr_fx.training.stage import Example
from audiosr_fx.wording import shown

logger = logging.getLogger(__name__)

_FLOOR = -11.5  # of a log-mel
_GAP = 4  # rows between two spectrograms
_REFERENCES = ("dull", "true")


class Board:
    """Writes one stage's TensorBoard files; does nothing where TensorBoard is not installed."""

    def __init__(self, folder: Path) -> None:
        self._writer: Any = _open_writer(folder)
        self._written: set[str] = set()

    def write_figures(self, step: int, figures: Mapping[str, float], group: str = "training") -> None:
        """One point on each figure's curve."""
        if self._writer is not None:
            with self._ended_by_faults():
                for name, value in figures.items():
                    self._writer.add_scalar(f"{group}/{name}", value, step)

    def write_example(self, step: int, example: Example) -> None:
        """Log-mels as one picture; sounds one by one, the dull and the true one only once."""
        if self._writer is not None:
            with self._ended_by_faults():
                self._write_example(step, example)

    def close(self) -> None:
        """Finish the files."""
        if self._writer is not None:
            with self._ended_by_faults():
                self._writer.close()

    def _write_example(self, step: int, example: Example) -> None:
        if example.mels:
            title = f"{example.name}: {', '.join(example.mels)} (from the top)"
            self._writer.add_image(title, draw_mels(example.mels), step, dataformats="HWC")
        for title, sound in example.sounds.items():
            tag = f"{example.name}/{title}"
            if title not in _REFERENCES or tag not in self._written:
                waveform = sound.detach().float().cpu().clamp(-1.0, 1.0)
                self._writer.add_audio(tag, waveform[None], step, SAMPLE_RATE)
                self._written.add(tag)
        self._writer.flush()

    @contextmanager
    def _ended_by_faults(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            logger.warning("no more TensorBoard files: %s", error.strerror or error)
            self._writer = None


def draw_mels(mels: Mapping[str, Tensor]) -> np.ndarray:
    """Log-mels (L, M) of one length below one another, low bands at the bottom: uint8 (rows, L, 3)."""
    from matplotlib import colormaps

    pictures = [np.asarray(mel.detach().float().cpu()).T[::-1] for mel in mels.values()]
    loudest = max(float(picture.max()) for picture in pictures)
    colours = colormaps["magma"]
    rows = []
    for picture in pictures:
        share = np.clip((picture - _FLOOR) / max(loudest - _FLOOR, 1.0), 0.0, 1.0)
        rows += [colours(share)[..., :3], np.ones((_GAP, picture.shape[1], 3))]
    return np.asarray(np.concatenate(rows[:-1]) * 255.0, np.uint8)


def _open_writer(folder: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of what TensorBoard imports
            from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        logger.warning("no TensorBoard files: pip install 'audiosr-fx[train]' brings what writes them")
        return None
    try:
        return SummaryWriter(str(folder))
    except OSError as error:
        logger.warning("no TensorBoard files in %s: %s", shown(folder), error.strerror or error)
        return None
