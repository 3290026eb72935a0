"""Metadata out of a file of any format we take, whatever bytes it holds."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from audiosr_fx.errors import AudioFormatError
from audiosr_fx.files import AudioInfo, FilePath, read_info
from audiosr_fx.headers import id3_size
from audiosr_fx.metadata.aiff import read_aiff
from audiosr_fx.metadata.comments import understood
from audiosr_fx.metadata.findings import Findings
from audiosr_fx.metadata.flac import read_flac
from audiosr_fx.metadata.id3 import Id3, parse_id3, parse_id3v1
from audiosr_fx.metadata.moving import within
from audiosr_fx.metadata.ogg import read_ogg
from audiosr_fx.metadata.parts import Metadata
from audiosr_fx.metadata.provenance import Provenance
from audiosr_fx.metadata.riff import read_riff
from audiosr_fx.metadata.tags import merged
from audiosr_fx.wording import shown

_log = logging.getLogger(__name__)


def read_metadata(path: FilePath, *, info: AudioInfo | None = None) -> Metadata:
    """Read what a file says beside its audio.

    What is malformed, or passes the limit of 16 MiB, is left out, with one line each in the log.

    Args:
        path: WAV, RF64, BW64, AIFF, FLAC, Ogg or MP3.
        info: what ``read_info`` said about it, if that is known already.

    Raises:
        AudioFormatError: the file cannot be read as audio.
    """
    path = Path(path)
    info = info or read_info(path)
    findings = Findings()
    try:
        with path.open("rb") as stream:
            metadata = parse_metadata(stream, info.sample_rate, info.frames, findings)
    except OSError as cause:
        raise AudioFormatError(f"{shown(path)}: cannot be read ({cause.strerror or cause})") from cause
    for warning in findings.warnings:
        _log.warning("%s: %s", shown(path), warning)
    return metadata


def read_provenance(path: FilePath) -> tuple[Provenance, ...]:
    """What this program did to a file, oldest first; empty where it did nothing.

    Raises:
        AudioFormatError: the file cannot be read as audio.
    """
    return read_metadata(path).provenance


def parse_metadata(stream: BinaryIO, sample_rate: int, frames: int | None, findings: Findings) -> Metadata:
    """Read the metadata of an open file; any bytes give some, and ``findings`` what was dropped."""
    metadata = Metadata(sample_rate=sample_rate, frames=frames)
    stream.seek(0)
    head = stream.read(12)
    if head[:4] in (b"RIFF", b"RF64", b"BW64") and head[8:] == b"WAVE":
        metadata = read_riff(stream, metadata, findings)
    elif head[:4] == b"FORM" and head[8:] in (b"AIFF", b"AIFC"):
        metadata = read_aiff(stream, metadata, findings)
    elif head[:4] == b"OggS":
        metadata = read_ogg(stream, metadata, findings)
    else:
        metadata = _read_behind_id3(stream, metadata, findings)
    return within(understood(metadata, findings), findings)


def _read_behind_id3(stream: BinaryIO, metadata: Metadata, findings: Findings) -> Metadata:
    """FLAC and MP3, either of them behind ID3 tags."""
    stream.seek(0)
    start = id3_size(stream.read(10))
    if start:
        payload = findings.take(stream, 0, start, "the ID3 tag")
        tag = (
            None
            if payload is None
            else findings.parsed("the ID3 tag", lambda b: parse_id3(b, findings), payload)
        )
        metadata = metadata if tag is None else _with_tag(metadata, tag)
    stream.seek(start)
    if stream.read(4) == b"fLaC":
        return read_flac(stream, start, metadata, findings)
    if not start and stream.seek(0, os.SEEK_END) >= 128:
        stream.seek(-128, os.SEEK_END)
        payload = stream.read(128)
        if payload[:3] == b"TAG":
            return _with_tag(metadata, parse_id3v1(payload))
    return metadata


def _with_tag(metadata: Metadata, tag: Id3) -> Metadata:
    return replace(
        metadata,
        tags=merged(metadata.tags, tag.tags),
        pictures=tag.pictures,
        markers=tag.markers(metadata.sample_rate),
        id3_frames=tag.frames,
    )
