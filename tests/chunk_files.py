"""Small WAV, RF64 and AIFF files with chunks built by hand from the specifications, for tests of metadata."""

from __future__ import annotations

import struct

import numpy as np

Chunks = list[tuple[bytes, bytes]]

IXML = """<?xml version="1.0" encoding="UTF-8"?>
<BWFXML>
  <IXML_VERSION>1.61</IXML_VERSION>
  <PROJECT>Prosjekt &amp; Søn</PROJECT>
  <SPEED>
    <TIMECODE_RATE>25/1</TIMECODE_RATE>
    <FILE_SAMPLE_RATE>44100</FILE_SAMPLE_RATE>
    <AUDIO_BIT_DEPTH>16</AUDIO_BIT_DEPTH>
    <DIGITIZER_SAMPLE_RATE>44100</DIGITIZER_SAMPLE_RATE>
    <TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_HI>0</TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_HI>
    <TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_LO>158760000</TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_LO>
    <TIMESTAMP_SAMPLE_RATE>44100</TIMESTAMP_SAMPLE_RATE>
  </SPEED>
  <!-- a remark -->
  <SYNC_POINT_LIST>
    <SYNC_POINT_COUNT>2</SYNC_POINT_COUNT>
    <SYNC_POINT>
      <SYNC_POINT_TYPE>RELATIVE</SYNC_POINT_TYPE>
      <SYNC_POINT_LOW>4410</SYNC_POINT_LOW><SYNC_POINT_HIGH>0</SYNC_POINT_HIGH>
      <SYNC_POINT_EVENT_DURATION>441</SYNC_POINT_EVENT_DURATION>
    </SYNC_POINT>
    <SYNC_POINT>
      <SYNC_POINT_TYPE>ABSOLUTE</SYNC_POINT_TYPE>
      <SYNC_POINT_LOW>158760000</SYNC_POINT_LOW><SYNC_POINT_HIGH>0</SYNC_POINT_HIGH>
    </SYNC_POINT>
  </SYNC_POINT_LIST>
  <TRACK_LIST><TRACK_COUNT>1</TRACK_COUNT><TRACK><CHANNEL_INDEX>1</CHANNEL_INDEX><NAME>Boom</NAME></TRACK>
  </TRACK_LIST>
  <LOUDNESS><LOUDNESS_VALUE>-23.00</LOUDNESS_VALUE></LOUDNESS>
</BWFXML>
"""


def joined(chunks: Chunks, size_format: str = "<I") -> bytes:
    return b"".join(
        name + struct.pack(size_format, len(payload)) + payload + b"\0" * (len(payload) % 2)
        for name, payload in chunks
    )


def codes(frames: int, channels: int = 1, seed: int = 0) -> np.ndarray:
    """Samples of 16 bits, (frames, channels)."""
    return np.random.default_rng(seed).integers(-(2**15), 2**15, (frames, channels)).astype("<i2")


def wav(
    samples: np.ndarray,
    sample_rate: int = 44_100,
    *,
    before: Chunks = (),  # type: ignore[assignment]
    after: Chunks = (),  # type: ignore[assignment]
    mark: bytes = b"RIFF",
) -> bytes:
    """A WAV of 16 bits, or with the mark RF64 or BW64 a long one."""
    channels = samples.shape[1]
    fmt = struct.pack("<HHIIHH", 1, channels, sample_rate, 2 * channels * sample_rate, 2 * channels, 16)
    body = joined([(b"fmt ", fmt), *before])
    data = samples.tobytes()
    tail = data + joined(list(after))
    if mark == b"RIFF":
        content = b"WAVE" + body + b"data" + struct.pack("<I", len(data)) + tail
        return mark + struct.pack("<I", len(content)) + content
    size = 4 + 36 + len(body) + 8 + len(tail)
    long_sizes = struct.pack("<QQQI", size, len(data), len(samples), 0)
    content = b"WAVE" + joined([(b"ds64", long_sizes)]) + body + b"data" + b"\xff" * 4 + tail
    return mark + b"\xff" * 4 + content


def aiff(samples: np.ndarray, chunks: Chunks, sample_rate: int = 44_100) -> bytes:
    """An AIFF of 16 bits."""
    exponent = sample_rate.bit_length() - 1
    extended = struct.pack(">HQ", 16383 + exponent, sample_rate << (63 - exponent))
    common = struct.pack(">hIh", samples.shape[1], len(samples), 16) + extended
    sound = struct.pack(">II", 0, 0) + samples.astype(">i2").tobytes()
    content = b"AIFF" + joined([(b"COMM", common), *chunks, (b"SSND", sound)], ">I")
    return b"FORM" + struct.pack(">I", len(content)) + content


def bext(
    *,
    description: bytes = b"Scene 12, take 3",
    time_reference: int = 158_760_000,
    version: int = 2,
    loudness: tuple[int, ...] = (-2300, 700, -100, -2000, -2100),
    history: bytes = b"A=ANALOGUE,M=stereo,T=Studer A820\r\nA=PCM,F=44100,W=16,M=stereo,T=DAT\r\n",
) -> bytes:
    return (
        description.ljust(256, b"\0")
        + b"Rundfunk".ljust(32, b"\0")
        + b"DEXYZ123".ljust(32, b"\0")
        + b"2019-03-04"
        + b"10:11:12"
        + struct.pack("<QH", time_reference, version)
        + bytes(range(64))
        + struct.pack("<5h", *loudness)
        + bytes(180)
        + history
    )


def cue(*points: tuple[int, int]) -> bytes:
    """Cue points as (number, position)."""
    return struct.pack("<I", len(points)) + b"".join(
        struct.pack("<II4sIII", number, position, b"data", 0, 0, position) for number, position in points
    )


def labels(*parts: tuple[bytes, int, bytes]) -> bytes:
    """A LIST/adtl of (kind, number of the cue point, rest)."""
    return b"adtl" + joined([(kind, struct.pack("<I", number) + rest) for kind, number, rest in parts])


def info(**fields: bytes) -> bytes:
    """A LIST/INFO."""
    return b"INFO" + joined([(name.encode(), text) for name, text in fields.items()])


def smpl(*loops: tuple[int, int, int, int], note: int = 62, fraction: int = 0x40000000) -> bytes:
    """A sampler chunk with loops as (number, kind, first, last)."""
    header = struct.pack("<9I", 0x01000041, 7, 22_675, note, fraction, 25, 0x01020304, len(loops), 0)
    return header + b"".join(struct.pack("<6I", *loop, 0, 3) for loop in loops)


def acid(beats: int, tempo: float) -> bytes:
    return struct.pack("<IHHfIHHf", 0, 60, 0x8000, 0.0, beats, 4, 4, tempo)


def text_chunk(text: str) -> bytes:
    return text.encode("utf-8")


def mark(*markers: tuple[int, int, bytes]) -> bytes:
    """An AIFF MARK chunk of (number, position, name)."""
    parts = [struct.pack(">H", len(markers))]
    for number, position, name in markers:
        text = bytes([len(name)]) + name
        parts.append(struct.pack(">hI", number, position) + text + b"\0" * (len(text) % 2))
    return b"".join(parts)


def full_wav_chunks() -> tuple[Chunks, Chunks]:
    """Every chunk that is carried, for a WAV of 22050 samples at 44.1 kHz: before the data, and behind."""
    before = [(b"bext", bext()), (b"JUNK", bytes(5))]
    after = [
        (b"iXML", text_chunk(IXML)),
        (b"cue ", cue((1, 4410), (2, 0), (7, 22_050))),
        (
            b"LIST",
            labels(
                (b"labl", 1, b"Verse\0"),
                (b"note", 1, b"louder here\0"),
                (b"labl", 7, "Schluß\0".encode()),
                (b"ltxt", 1, struct.pack("<I4s4H", 8820, b"rgn ", 0, 0, 0, 0)),
            ),
        ),
        (b"smpl", smpl((0, 0, 441, 881), (1, 1, 10_000, 19_999))),
        (b"inst", struct.pack("<BbbBBBB", 62, -25, -6, 20, 80, 10, 120)),
        (b"LIST", info(INAM=b"Title\0", IART=b"J\xf6rg\0", ICMT=b"a comment\0", IXYZ=b"unknown\0")),
        (b"acid", acid(1, 120.0)),
        (b"_PMX", b"<x:xmpmeta/>"),
        (b"levl", b"peaks of the old samples"),
    ]
    return before, after
