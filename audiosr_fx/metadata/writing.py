"""Metadata made ready for one output file, and laid out as its format has it."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Final

from audiosr_fx.files import shown
from audiosr_fx.metadata import aiff, flac, riff
from audiosr_fx.metadata.bext import with_history, with_loudness
from audiosr_fx.metadata.findings import Findings
from audiosr_fx.metadata.ixml import finish_ixml
from audiosr_fx.metadata.moving import moved
from audiosr_fx.metadata.parts import Loudness, Metadata

_log = logging.getLogger(__name__)
_BITS: Final = {"PCM_16": 16, "PCM_24": 24, "PCM_32": 32, "FLOAT": 32}


class Layout:
    """The chunks or blocks of one output file.

    Everything has its length from the beginning, so that a header can be written before the samples; only the
    loudness is filled in at the end.
    """

    def __init__(
        self, metadata: Metadata, *, format: str, sample_rate: int, channels: int, subtype: str
    ) -> None:
        """Rescale to the file's rate, add the coding history, leave out what held for other samples."""
        metadata = moved(metadata, sample_rate=sample_rate)
        bits = _BITS[subtype]
        broadcast = with_history(metadata, sample_rate=sample_rate, bits=bits, channels=channels)
        if format == "WAV" or metadata.broadcast is not None:
            metadata = replace(metadata, broadcast=replace(broadcast, loudness=None))
        ixml = finish_ixml(metadata.ixml, bits, broadcast.coding_history)
        self._metadata = replace(metadata, ixml=ixml)
        self._format = format
        self._bext = riff.bext_of(broadcast)

    def before(self, loudness: Loudness | None = None) -> list[tuple[bytes, bytes]]:
        """Chunks in front of the samples of a WAV."""
        return [(b"bext", with_loudness(self._bext, loudness))]

    def chunks(self) -> list[tuple[bytes, bytes]]:
        """Chunks behind the samples of a WAV or AIFF."""
        return aiff.chunks_of(self._metadata) if self._format == "AIFF" else riff.chunks_of(self._metadata)

    def insert_into_flac(self, path: Path, frames: int) -> None:
        """Put the blocks into a finished FLAC file.

        Raises:
            OSError: the disk takes no more.
        """
        findings = Findings()
        flac.insert_blocks(path, flac.blocks_of(self._metadata, frames, findings))
        for warning in findings.warnings:
            _log.warning("%s: %s", shown(path), warning)
