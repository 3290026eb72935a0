"""Metadata that survives: read from any format we take, adapted, and written to any format we write."""

from __future__ import annotations

from audiosr_fx.metadata.moving import moved
from audiosr_fx.metadata.parts import (
    Broadcast,
    CueSheet,
    CueTrack,
    Instrument,
    Loop,
    Loudness,
    Marker,
    Metadata,
    Picture,
)
from audiosr_fx.metadata.provenance import Provenance, weights_sha256
from audiosr_fx.metadata.reading import read_metadata, read_provenance

__all__ = [
    "Broadcast",
    "CueSheet",
    "CueTrack",
    "Instrument",
    "Loop",
    "Loudness",
    "Marker",
    "Metadata",
    "Picture",
    "Provenance",
    "moved",
    "read_metadata",
    "read_provenance",
    "weights_sha256",
]
