"""Audio at the edge of the library: one place to import sources, files and their checks from.

``sources`` reads samples by position and resamples; ``files`` decodes; ``writer`` encodes.
"""

from __future__ import annotations

from audiosr_fx.files import AudioInfo, FileSource, read_info
from audiosr_fx.sources import ArraySource, Audio, ResampledSource, Source, check_audio
from audiosr_fx.writer import AudioWriter

__all__ = [
    "ArraySource",
    "Audio",
    "AudioInfo",
    "AudioWriter",
    "FileSource",
    "ResampledSource",
    "Source",
    "check_audio",
    "read_info",
]
