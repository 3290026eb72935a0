"""Which speaker plays each channel: a mask, read from headers, and what it means for loudness.

A mask has a bit for every speaker, and channels stand in the order of their bits. None is a file that says
nothing; 0 is one that says its channels are for no speakers in particular.
Sources: WAVEFORMATEXTENSIBLE (Microsoft); RFC 9639 (FLAC), section 8.6.2; ITU-R BS.775 and BS.1770-4.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final

from audiosr_fx.chunks import Chunk, chunks
from audiosr_fx.headers import id3_size, w64_chunks

MASK_FIELD: Final = "WAVEFORMATEXTENSIBLE_CHANNEL_MASK"
"""The comment of FLAC for it."""

_BASS: Final = 0x8
_BACK: Final = 0x10 | 0x20
_SIDE: Final = 0x200 | 0x400
_HEIGHTS: Final = 0x2D000  # front and back, left and right
_DEFAULTS: Final = {1: 0x4, 2: 0x3, 3: 0x7, 4: 0x33, 5: 0x607, 6: 0x60F, 7: 0x70F, 8: 0x63F}
_MEASURED_AS: Final = {**_DEFAULTS, 10: 0x60F | _HEIGHTS, 12: 0x63F | _HEIGHTS}
_SURROUND_WEIGHT: Final = 1.41
_EXTENSIBLE: Final = 0xFFFE
_MASK_TEXT: Final = re.compile(rb"0[xX]([0-9A-Fa-f]{1,8})")
_COMMENTS: Final = 4
_MOST: Final = 4096
"""Chunks, blocks or comments to look at."""


def default_speakers(channels: int) -> int:
    """The mask to write for channels of which nothing is known; 0 beyond eight.

    Three are L R C, four have two behind, seven are FLAC's 6.1, eight are 7.1. The surrounds of five and six
    stand at the side: ITU-R BS.775 has them at 110 degrees, and the masks with both behind are out of use.
    """
    return _DEFAULTS.get(channels, 0)


def loudness_weights(channels: int, speakers: int | None = None) -> tuple[float, ...] | None:
    """How much each channel counts in BS.1770's loudness; None where nobody knows.

    Surrounds at the side count 1.41 times, so do those behind where none are at the side; bass does not
    count. Where the mask does not name every channel, their number decides: mono, stereo, L R C, L R Ls Rs,
    5.0, 5.1, 6.1, 7.1, 5.1.4 or 7.1.4, in the order of WAV.
    """
    if speakers is None or speakers.bit_count() != channels:
        speakers = _MEASURED_AS.get(channels)
    if speakers is None:
        return None
    surrounds = _SIDE if speakers & _SIDE else _BACK
    places = [1 << bit for bit in range(speakers.bit_length()) if speakers >> bit & 1]
    return tuple(
        0.0 if place == _BASS else _SURROUND_WEIGHT if place & surrounds else 1.0 for place in places
    )


def known_layouts() -> Iterable[int]:
    """The numbers of channels that ``loudness_weights`` knows without a mask."""
    return _MEASURED_AS.keys()


def speaker_comments(speakers: int | None) -> list[tuple[str, str]]:
    """What FLAC's comments say of a mask: nothing where there is none."""
    return [] if speakers is None else [(MASK_FIELD, f"0x{speakers:04X}")]


def read_speakers(path: Path, channels: int) -> int | None:
    """The mask that a WAV, Wave64 or FLAC file states; None where it states none, or one of more channels.

    Raises:
        OSError: it cannot be read.
    """
    speakers = None
    with path.open("rb") as stream, suppress(struct.error):
        head = stream.read(40)
        if head[8:12] == b"WAVE" and head[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64"):
            found = chunks(stream)
            speakers = _in_format(stream, found, ">" if head[:4] == b"RIFX" else "<")
        elif head[:4] == b"riff":
            speakers = _in_format(stream, w64_chunks(stream, path.stat().st_size), "<")
        else:
            stream.seek(id3_size(head))
            speakers = _in_comments(stream) if stream.read(4) == b"fLaC" else None
    return None if speakers is None or speakers.bit_count() > channels else speakers


def _in_format(stream: BinaryIO, found: Iterable[Chunk], order: str) -> int | None:
    """The mask of the first ``fmt`` chunk."""
    for chunk in islice(found, _MOST):
        if chunk.name == b"fmt ":
            stream.seek(chunk.start)
            tag, mask = struct.unpack(f"{order}H18xI", stream.read(min(chunk.size, 24)))
            return int(mask) if tag == _EXTENSIBLE else None
        if chunk.name == b"data":
            break
    return None


def _in_comments(stream: BinaryIO) -> int | None:
    """The mask among the comments of a FLAC stream whose first word is read."""
    for _ in range(_MOST):
        header = stream.read(4)
        if len(header) < 4:
            return None
        size = int.from_bytes(header[1:], "big")
        if header[0] & 0x7F == _COMMENTS:
            return next(_masks(stream.read(size)), None)
        if header[0] & 0x80:
            return None
        stream.seek(size, os.SEEK_CUR)
    return None


def _masks(payload: bytes) -> Iterator[int]:
    """The masks that a comment block states."""
    at = 4 + struct.unpack_from("<I", payload)[0]
    count = struct.unpack_from("<I", payload, at)[0]
    at += 4
    for _ in range(min(count, _MOST)):
        end = at + 4 + struct.unpack_from("<I", payload, at)[0]
        name, _, text = payload[at + 4 : end].partition(b"=")
        match = _MASK_TEXT.fullmatch(text.strip())
        if name.upper() == MASK_FIELD.encode() and match:
            yield int(match[1], 16)
        at = end
