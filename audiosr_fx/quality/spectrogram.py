"""Spectrogram pictures: one panel per recording, all on the same scales, so that eyes can compare."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.signal import get_window

from audiosr_fx.errors import AudioFormatError
from audiosr_fx.quality.embed import write_whole
from audiosr_fx.sources import Source
from audiosr_fx.wording import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

N_FFT = 2048
MAX_COLUMNS = 1200
FLOOR_DB = -120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One recording's picture: ``level_db`` is (bins, columns), full-scale sine 0 dB, from 0 Hz up."""

    title: str
    level_db: NDArray[np.float32]
    duration_s: float
    nyquist_hz: float


def measure_panel(source: Source, title: str, *, max_columns: int = MAX_COLUMNS) -> Panel:
    """Make a panel of a whole recording, reading only what its columns need.

    Args:
        source: one sample or more; channels are averaged in power.
        title: what stands above the panel.
        max_columns: the picture's width.

    Returns:
        At most so many columns, evenly spread over the recording; bounded memory whatever its length.

    Raises:
        AudioFormatError: the recording is empty.
    """
    if source.frames == 0:
        raise AudioFormatError(f"{title} is empty; there is nothing to draw")
    columns = int(np.clip(source.frames // (N_FFT // 4), 1, max_columns))
    centres = (np.arange(columns) + 0.5) * source.frames / columns
    level_db = np.stack([_column_db(source, int(centre)) for centre in centres], axis=1)
    return Panel(
        title=title,
        level_db=level_db,
        duration_s=source.frames / source.sample_rate,
        nyquist_hz=source.sample_rate / 2,
    )


def _column_db(source: Source, centre: int) -> NDArray[np.float32]:
    """Levels of the frame around one sample, (bins,)."""
    window = get_window("hann", N_FFT)
    frame = source.read(centre - N_FFT // 2, centre + N_FFT // 2) * window
    amplitude = np.abs(np.fft.rfft(frame, axis=1)) * 2.0 / window.sum()
    power = np.mean(amplitude**2, axis=0)
    return np.asarray(10.0 * np.log10(power + 10.0 ** (FLOOR_DB / 10.0)), dtype=np.float32)


def save_spectrogram(path: str | os.PathLike[str], panels: Sequence[Panel]) -> None:
    """Draw panels into a PNG file, there whole or not at all; see :func:`draw_spectrogram`.

    One of that name is replaced.

    Raises:
        AudioFormatError: no panels, or the file cannot be written.
    """
    write_whole(Path(path), draw_spectrogram(panels), overwrite=True)


def draw_spectrogram(panels: Sequence[Panel]) -> bytes:
    """Draw panels below one another as a PNG picture, with common axes and a common colour scale.

    Raises:
        AudioFormatError: no panels.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if not panels:
        raise AudioFormatError("there is nothing to draw; expected one recording or more")
    figure = Figure(figsize=(10, 1.0 + 2.4 * len(panels)), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    loudest_db = max(float(panel.level_db.max()) for panel in panels)
    all_axes = figure.subplots(len(panels), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    for axes, panel in zip(all_axes, panels, strict=True):
        image = axes.imshow(
            panel.level_db,
            extent=(0.0, panel.duration_s, 0.0, panel.nyquist_hz / 1000.0),
            origin="lower",
            aspect="auto",
            interpolation="nearest",
            cmap="magma",
            vmin=FLOOR_DB,
            vmax=max(loudest_db, FLOOR_DB + 1.0),
        )
        axes.set_title(printable(panel.title), loc="left", fontsize=10, parse_math=False)
        axes.set_ylabel("kHz")
    all_axes[0].set_xlim(0.0, max(panel.duration_s for panel in panels))
    all_axes[0].set_ylim(0.0, max(panel.nyquist_hz for panel in panels) / 1000.0)
    all_axes[-1].set_xlabel("seconds")
    figure.colorbar(image, ax=list(all_axes), label="dBFS")
    return png_of(figure)


def png_of(figure: Figure) -> bytes:
    """A figure as a PNG picture; letters that its font lacks are boxes in it."""
    picture = BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        figure.savefig(picture, format="png", metadata={"Software": "audiosr_fx"})
    return picture.getvalue()
