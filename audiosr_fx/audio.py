"""Audio at the edge of the library: one place to import sources, files and their checks from.

``sources`` reads samples by position and resamples; ``files`` decodes; ``writer`` encodes.
"""

from __future__ import annotations

from audiosr_fx.files import AudioInfo, FileSource, read_info
from audiosr_fx.sources import (
    MAX_CHANNELS,
    MAX_SAMPLE_RATE,
    MIN_SAMPLE_RATE,
    ArraySource,
    Audio,
    GridSource,
    ResampledSource,
    Source,
    check_audio,
    check_sample_rate,
)
from audiosr_fx.writer import AudioWriter

__all__ = [
    "MAX_CHANNELS",
    "MAX_SAMPLE_RATE",
    "MIN_SAMPLE_RATE",
    "ArraySource",
    "Audio",
    "AudioInfo",
    "AudioWriter",
    "FileSource",
    "GridSource",
    "ResampledSource",
    "Source",
    "check_audio",
    "check_sample_rate",
    "read_info",
]
