"""Metadata made ready for one output file, and laid out as its format has it."""

from __future__ import annotations

import logging
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from audiosr_fx.errors import AudioFormatError
from audiosr_fx.metadata import aiff, flac, riff
from audiosr_fx.metadata.bext import with_history, with_loudness
from audiosr_fx.metadata.findings import Findings
from audiosr_fx.metadata.ixml import finish_ixml
from audiosr_fx.metadata.moving import moved, within
from audiosr_fx.metadata.parts import Loudness, Marker, Metadata
from audiosr_fx.wording import shown

_log = logging.getLogger(__name__)
_BITS: Final = {"PCM_16": 16, "PCM_24": 24, "PCM_32": 32, "FLOAT": 32}
_LARGEST: Final = 0xFFFFFFFF  # position in a WAV or AIFF


class Layout:
    """The chunks or blocks of one output file.

    Everything has its length from the beginning, so that a header can be written before the samples; only the
    loudness is filled in at the end.
    """

    def __init__(
        self, metadata: Metadata, *, format: str, sample_rate: int, channels: int, subtype: str
    ) -> None:
        """Rescale to the file's rate, add the coding history, leave out what held for other samples."""
        metadata = _with_tracks_marked(moved(metadata, sample_rate=sample_rate), format)
        bits = _BITS[subtype]
        history = with_history(metadata, sample_rate=sample_rate, bits=bits, channels=channels)
        broadcast = replace(history, loudness=None)  # of other samples
        if format == "WAV" or metadata.broadcast is not None:
            metadata = replace(metadata, broadcast=broadcast)
        ixml = finish_ixml(metadata.ixml, bits, broadcast.coding_history)
        self._metadata = replace(metadata, ixml=ixml)
        self._format = format
        with _packing():
            self._bext = riff.bext_of(broadcast)

    def before(self, loudness: Loudness | None = None) -> list[tuple[bytes, bytes]]:
        """Chunks in front of the samples of a WAV."""
        return [(b"bext", with_loudness(self._bext, loudness))]

    def chunks(self, frames: int | None = None) -> list[tuple[bytes, bytes]]:
        """Chunks behind the samples of a WAV or AIFF; of so many, where that is known."""
        end, findings = self._metadata.frames if frames is None else frames, Findings()
        last = _LARGEST if end is None else min(end, _LARGEST)
        metadata = within(replace(self._metadata, frames=last), findings)
        with _packing():
            made = aiff.chunks_of(metadata) if self._format == "AIFF" else riff.chunks_of(metadata)
        for warning in findings.warnings:
            _log.warning("%s", warning)
        return made

    def insert_into_flac(self, path: Path, frames: int, speakers: int | None) -> None:
        """Put the blocks into a finished FLAC file, with the mask of its speakers.

        Raises:
            OSError: the disk takes no more.
        """
        findings = Findings()
        metadata = within(replace(self._metadata, frames=frames), findings)
        with _packing():
            blocks = flac.blocks_of(metadata, frames, findings, speakers)
        flac.insert_blocks(path, blocks)
        for warning in findings.warnings:
            _log.warning("%s: %s", shown(path), warning)


def _with_tracks_marked(metadata: Metadata, format: str) -> Metadata:
    """With the tracks of a cue sheet as markers, where the format has no cue sheets and nothing is marked."""
    if format == "FLAC" or metadata.markers or metadata.cue_sheet is None:
        return metadata
    tracks = metadata.cue_sheet.tracks
    markers = tuple(Marker(position=track.position, label=f"Track {track.number:02}") for track in tracks)
    return replace(metadata, markers=markers)


@contextmanager
def _packing() -> Iterator[None]:
    try:
        yield
    except (struct.error, OverflowError) as cause:
        raise AudioFormatError(f"the metadata holds a number that no file can ({cause})") from cause
