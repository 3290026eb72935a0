"""Metadata moved to another sample rate or a region: positions rescaled, shifted, or dropped when outside."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import Final

from audiosr_fx.metadata.findings import Findings
from audiosr_fx.metadata.ixml import move_ixml
from audiosr_fx.metadata.parts import Broadcast, CueSheet, Instrument, Marker, Metadata
from audiosr_fx.sources import position_at_rate

_OF_THE_WHOLE: Final = {"CUESHEET", "LENGTH", "TIMECODE", "DISCID", "CDTOC", "MUSICBRAINZ_DISCID"}
"""Tags that a part of a file must not inherit."""
_CHUNKS_OF_THE_WHOLE: Final = {b"axml", b"chna"}
_CD_RATE: Final = 44_100


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """From samples of one rate to samples of another, counted from the start of a region.

    Attributes:
        rate_in: in Hz.
        rate_out: in Hz.
        start: first sample of the region, at ``rate_in``.
        stop: where it ends, excluded; None where that is not known.
        is_whole: whether the region is all there is.
    """

    rate_in: int
    rate_out: int
    start: int = 0
    stop: int | None = None
    is_whole: bool = True

    @property
    def start_out(self) -> int:
        """The region's first sample at the other rate: the first that is not before it."""
        return position_at_rate(self.start, self.rate_in, self.rate_out)

    @property
    def frames_out(self) -> int | None:
        """Samples of the region at the other rate."""
        if self.stop is None:
            return None
        return position_at_rate(self.stop, self.rate_in, self.rate_out) - self.start_out

    def scaled(self, samples: int) -> int:
        """A duration at the other rate, to the nearest sample."""
        return (2 * samples * self.rate_out + self.rate_in) // (2 * self.rate_in)

    def position(self, samples: int) -> int | None:
        """A position counted from the region's start; None outside. A file's very end counts as inside."""
        if samples < self.start:
            return None
        if self.stop is not None and (samples > self.stop or (samples == self.stop and not self.is_whole)):
            return None
        moved = max(0, self.scaled(samples) - self.start_out)
        return moved if self.frames_out is None else min(moved, self.frames_out)

    def stretch(self, start: int, stop: int) -> tuple[int, int] | None:
        """What of a stretch lies inside, as start and stop; None where nothing does."""
        start, stop = max(start, self.start), stop if self.stop is None else min(stop, self.stop)
        if stop <= start:
            return None
        first, last = self.position(start), self.scaled(stop) - self.start_out
        if first is None:
            return None
        last = last if self.frames_out is None else min(last, self.frames_out)
        return (first, last) if last > first else None


def moved(
    metadata: Metadata, *, sample_rate: int | None = None, start: int = 0, stop: int | None = None
) -> Metadata:
    """Metadata for the same audio at another rate, or for a region of it.

    Args:
        metadata: of the source; left as it is.
        sample_rate: of the result, in Hz; None keeps the rate.
        start: first sample of the region, at the source's rate.
        stop: where the region ends, excluded; None is the end of the file.

    Returns:
        Markers and loops inside the region, counted from its start; stretches cut to it; the time reference
        moved to its start. What describes a file as a whole (a cue sheet as text, a disc's number) is left
        out of a part.
    """
    rate = metadata.sample_rate if sample_rate is None else sample_rate
    end = metadata.frames if stop is None else stop
    is_whole = start == 0 and (stop is None or stop == metadata.frames)
    if is_whole and rate == metadata.sample_rate:
        return metadata
    move = Move(rate_in=metadata.sample_rate, rate_out=rate, start=start, stop=end, is_whole=is_whole)
    found = (_marker(marker, move) for marker in metadata.markers)
    result = replace(
        metadata,
        sample_rate=rate,
        frames=move.frames_out,
        markers=tuple(marker for marker in found if marker is not None),
        instrument=_instrument(metadata.instrument, move),
        cue_sheet=_cue_sheet(metadata.cue_sheet, move),
        ixml=move_ixml(metadata.ixml, move),
    )
    if metadata.broadcast is not None or move.start_out:
        result = _with_time_reference(result, move)
    if not is_whole:
        result = _part(result, move)
    return result


def within(metadata: Metadata, findings: Findings) -> Metadata:
    """The same without markers, loops and tracks that lie beyond the end of the audio."""
    frames = metadata.frames
    if frames is None:
        return metadata
    markers = tuple(
        replace(marker, length=max(0, min(marker.length, frames - marker.position)))
        for marker in metadata.markers
        if 0 <= marker.position <= frames
    )
    _note_lost("markers", len(metadata.markers), len(markers), frames, findings)
    instrument, sheet = metadata.instrument, metadata.cue_sheet
    if instrument is not None:
        loops = tuple(loop for loop in instrument.loops if 0 <= loop.start < loop.stop <= frames)
        _note_lost("loops", len(instrument.loops), len(loops), frames, findings)
        instrument = replace(instrument, loops=loops)
    if sheet is not None:
        tracks = tuple(track for track in sheet.tracks if 0 <= track.position <= frames)
        _note_lost("tracks", len(sheet.tracks), len(tracks), frames, findings)
        sheet = replace(sheet, tracks=tracks) if tracks else None
    return replace(metadata, markers=markers, instrument=instrument, cue_sheet=sheet)


def _note_lost(what: str, count: int, kept: int, frames: int, findings: Findings) -> None:
    if kept < count:
        findings.drop(f"{count - kept} of {count} {what}", f"beyond the end at sample {frames}")


def _with_time_reference(metadata: Metadata, move: Move) -> Metadata:
    broadcast = metadata.broadcast or Broadcast()
    reference = move.scaled(broadcast.time_reference) + move.start_out
    return replace(metadata, broadcast=replace(broadcast, time_reference=reference))


def _marker(marker: Marker, move: Move) -> Marker | None:
    if marker.length > 0:
        inside = move.stretch(marker.position, marker.position + marker.length)
        if inside is not None:
            return replace(marker, position=inside[0], length=inside[1] - inside[0])
        return None
    position = move.position(marker.position)
    return None if position is None else replace(marker, position=position)


def _instrument(instrument: Instrument | None, move: Move) -> Instrument | None:
    """Loops are kept whole or not at all: one that is cut plays something else."""
    if instrument is None:
        return None
    loops = []
    for loop in instrument.loops:
        inside = move.stretch(loop.start, loop.stop)
        is_cut = loop.start < move.start or (move.stop is not None and loop.stop > move.stop)
        if inside is not None and not is_cut:
            loops.append(replace(loop, start=inside[0], stop=inside[1]))
    return replace(instrument, loops=tuple(loops))


def _cue_sheet(sheet: CueSheet | None, move: Move) -> CueSheet | None:
    if sheet is None:
        return None
    tracks = []
    for track in sheet.tracks:
        position = move.position(track.position)
        if position is not None:
            indexes = tuple((move.scaled(offset), number) for offset, number in track.indexes)
            tracks.append(replace(track, position=position, indexes=indexes))
    if not tracks:
        return None
    is_cd = sheet.is_cd and move.is_whole and move.rate_out == _CD_RATE
    return replace(sheet, tracks=tuple(tracks), lead_in=sheet.lead_in if is_cd else 0, is_cd=is_cd)


def _part(metadata: Metadata, move: Move) -> Metadata:
    return replace(
        metadata,
        tags=tuple((name, text) for name, text in metadata.tags if name not in _OF_THE_WHOLE),
        chunks=tuple(
            (name, _shorter_acid(payload, move) if name == b"acid" else payload)
            for name, payload in metadata.chunks
            if name not in _CHUNKS_OF_THE_WHOLE
        ),
        instrument=metadata.instrument and replace(metadata.instrument, smpte_offset=0),
    )


def _shorter_acid(payload: bytes, move: Move) -> bytes:
    """An ``acid`` chunk with the number of beats that its tempo gives for the region."""
    tempo = struct.unpack_from("<f", payload, 20)[0]
    if move.frames_out is None or not 0.0 < tempo < 1e4:
        return payload
    beats = round(tempo / 60.0 * move.frames_out / move.rate_out)
    return payload[:12] + struct.pack("<I", min(beats, 0xFFFFFFFF)) + payload[16:]
