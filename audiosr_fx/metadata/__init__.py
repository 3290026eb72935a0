"""Metadata that survives: read from any format we take, adapted, and written to any format we write.

What is read, and where it goes; "comment" is a Vorbis comment of FLAC, "ID3" an ID3v2.4 frame:

==================  ==============================  ======================  ==================================
part                WAV, RF64, BW64                 FLAC                    AIFF
==================  ==============================  ======================  ==================================
text fields         LIST/INFO; also id3 where a     comments                NAME AUTH (c) ANNO; others in ID3
                    field has no place there
pictures            id3 (APIC)                      PICTURE                 ID3 (APIC)
markers             cue, LIST/adtl (label, note,    CHAPTERxxx comments,    MARK; notes in COMT; no lengths
                    length)                         no notes or lengths
loops               smpl, any number                LOOPSTART, LOOPLENGTH   INST, MARK: two, not backwards
                                                    comments: one
note, tuning        smpl, inst                      none                    INST
cue sheet           tracks as markers               CUESHEET                tracks as markers
broadcast fields    bext                            comments, FFmpeg names  ID3 (TXXX), FFmpeg names
iXML                iXML                            IXML comment            ID3 (TXXX)
acid _PMX axml      the same                        none                    none
chna
other ID3 frames    id3                             none                    ID3
provenance          bext coding history, ICMT       AUDIOSR_FX comment      ANNO
==================  ==============================  ======================  ==================================

Sources may also be Ogg (comments, pictures, chapters) and MP3 (ID3v2 with chapters, or else ID3v1). Chunks of
W64 and big-endian RIFX are not read. Positions and the time reference are rescaled with the sample rate, and
count from the start of a region. Left out are chunks that nobody named here, because they may hold positions,
peaks or checksums of the old samples, and levels, checksums and encoder names of the source. A file may have
16 MiB of metadata; what is malformed, or more, is dropped with a line in the log.
"""

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
