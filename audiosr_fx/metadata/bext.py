"""The ``bext`` chunk of broadcast wave files. Source: EBU Tech 3285 version 2; R98 for the coding history."""

from __future__ import annotations

import math
import struct
from dataclasses import replace
from typing import Final

from audiosr_fx.metadata.parts import Broadcast, Loudness, Metadata
from audiosr_fx.metadata.provenance import provenance_in_history

_FIXED: Final = struct.Struct("<256s32s32s10s8sQH64s5h180s")
_UNSET: Final = 0x7FFF  # Tech 3285, section 2.4: a field that is not used
_MAX_HISTORY_BYTES: Final = 64 << 10
_LOUDNESS_AT: Final = struct.calcsize("<256s32s32s10s8sQH64s")
_VERSION_AT: Final = struct.calcsize("<256s32s32s10s8sQ")
_NO_UMID: Final = bytes(64)


def parse_bext(payload: bytes) -> Broadcast:
    """Read a chunk's payload.

    Raises:
        ValueError: shorter than the fixed fields.
    """
    if len(payload) < _FIXED.size:
        raise ValueError(f"it has {len(payload)} bytes; expected {_FIXED.size} or more")
    texts: list[bytes]
    *texts, time_reference, version, umid, value, range_, peak, momentary, short, _ = _FIXED.unpack_from(
        payload
    )
    description, originator, reference, date, time = (decoded(text) for text in texts)
    measured = tuple(_level(level) for level in (value, range_, peak, momentary, short))
    loudness = Loudness(
        integrated_lufs=measured[0],
        range_lu=measured[1],
        true_peak_dbtp=measured[2],
        momentary_max_lufs=measured[3],
        short_term_max_lufs=measured[4],
    )
    return Broadcast(
        description=description,
        originator=originator,
        originator_reference=reference,
        origination_date=date,
        origination_time=time,
        time_reference=time_reference,
        umid=umid if version >= 1 and umid != _NO_UMID else b"",
        coding_history=decoded(payload[_FIXED.size : _FIXED.size + _MAX_HISTORY_BYTES]),
        loudness=loudness if version >= 2 and loudness != Loudness() else None,
    )


def build_bext(broadcast: Broadcast) -> bytes:
    """A chunk's payload: version 2 where there is a loudness, otherwise 1.

    Texts too long for their field are cut, and a time reference that does not fit 64 bits is 0.
    """
    history = _encoded(broadcast.coding_history, _MAX_HISTORY_BYTES)
    fixed = _FIXED.pack(
        _encoded(broadcast.description, 256),
        _encoded(broadcast.originator, 32),
        _encoded(broadcast.originator_reference, 32),
        _encoded(broadcast.origination_date, 10),
        _encoded(broadcast.origination_time, 8),
        broadcast.time_reference if 0 <= broadcast.time_reference < 1 << 64 else 0,
        1,
        broadcast.umid[:64],
        *bytes(5),
        b"",
    )
    return with_loudness(fixed + history, broadcast.loudness)


def with_loudness(payload: bytes, loudness: Loudness | None) -> bytes:
    """The same payload in version 2 with these loudness fields, of the same length; None changes nothing."""
    if loudness is None:
        return payload
    fields = struct.pack(
        "<5h",
        _hundredths(loudness.integrated_lufs),
        _hundredths(loudness.range_lu),
        _hundredths(loudness.true_peak_dbtp),
        _hundredths(loudness.momentary_max_lufs),
        _hundredths(loudness.short_term_max_lufs),
    )
    version = struct.pack("<H", 2)
    umid = payload[_VERSION_AT + len(version) : _LOUDNESS_AT]
    return payload[:_VERSION_AT] + version + umid + fields + payload[_LOUDNESS_AT + len(fields) :]


def with_history(metadata: Metadata, *, sample_rate: int, bits: int, channels: int) -> Broadcast:
    """The broadcast fields with a line of coding history for each step of provenance that has none yet."""
    broadcast = metadata.broadcast or Broadcast()
    history = broadcast.coding_history.rstrip("\r\n\0 ")
    written = len(provenance_in_history(history))
    mode = {1: ",M=mono", 2: ",M=stereo"}.get(channels, "")
    lines = [f"A=PCM,F={sample_rate},W={bits}{mode},T={made}" for made in metadata.provenance[written:]]
    text = "".join(f"{line}\r\n" for line in [*([history] if history else []), *lines])
    return replace(broadcast, coding_history=text)


def decoded(text: bytes) -> str:
    """A field's text up to its first NUL: UTF-8, or else Latin-1."""
    text = text.partition(b"\0")[0]
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        return text.decode("latin-1")


def _encoded(text: str, size: int) -> bytes:
    """UTF-8, cut between characters."""
    return text.encode("utf-8", "replace")[:size].decode("utf-8", "ignore").encode("utf-8")


def _level(hundredths: int) -> float | None:
    return None if hundredths == _UNSET else hundredths / 100.0


def _hundredths(level: float | None) -> int:
    """Rounded to 0.01, halves away from zero (Tech 3285, section 2.4); what is not finite is not set."""
    if level is None or not math.isfinite(level):
        return _UNSET
    return max(-9999, min(9999, math.floor(abs(level) * 100.0 + 0.5) * (-1 if level < 0 else 1)))
