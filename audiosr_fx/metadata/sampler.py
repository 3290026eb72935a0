"""What samplers read of a WAV: the ``smpl`` chunk (note, tuning, loops) and ``inst`` (range of keys).

A recording above its note is tuned upwards in ``smpl``; ``inst``, like AIFF, states the correction instead.
Source: Multimedia Data Standards Update 1994 (Microsoft).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from audiosr_fx.metadata.findings import MAX_MARKERS, Findings
from audiosr_fx.metadata.parts import Instrument, Loop

_SAMPLER: Final = struct.Struct("<9I")
_LOOP: Final = struct.Struct("<6I")
_RANGE: Final = struct.Struct("<BbbBBBB")
_LARGEST: Final = 0xFFFFFFFF


def read_instrument(found: Mapping[bytes, list[bytes]], findings: Findings) -> Instrument | None:
    """The instrument that the first ``smpl`` and ``inst`` among payloads by name describe."""
    instrument = None
    for payload in found.get(b"smpl", [])[:1]:
        instrument = findings.parsed("the smpl chunk", _parse_smpl, payload)
    for payload in found.get(b"inst", [])[:1]:
        with findings.dropping("the inst chunk"):
            note, tune, gain, low, high, softest, loudest = _RANGE.unpack_from(payload)
            instrument = replace(
                instrument or Instrument(base_note=note & 127, fine_tune_cents=-tune),
                has_range=True,
                gain_db=gain,
                low_note=low & 127,
                high_note=high & 127,
                low_velocity=softest & 127,
                high_velocity=loudest & 127,
            )
    return instrument


def _parse_smpl(payload: bytes) -> Instrument:
    maker, product, _, note, fraction, smpte, offset, count, _ = _SAMPLER.unpack_from(payload)
    if note > 127:
        raise ValueError(f"its note is {note}; MIDI ends at 127")
    if _SAMPLER.size + count * _LOOP.size > len(payload) or count > MAX_MARKERS:
        raise ValueError(f"it says {count} loops in {len(payload)} bytes")
    loops = tuple(
        Loop(number=number, kind=kind, start=start, stop=end + 1, fraction=part, play_count=plays)
        for number, kind, start, end, part, plays in _LOOP.iter_unpack(
            payload[_SAMPLER.size : _SAMPLER.size + count * _LOOP.size]
        )
        if start <= end
    )
    return Instrument(
        base_note=note,
        fine_tune_cents=fraction * 100.0 / 2**32,
        loops=loops,
        manufacturer=maker,
        product=product,
        smpte_format=smpte,
        smpte_offset=offset,
    )


def build_smpl(instrument: Instrument, sample_rate: int) -> bytes:
    """The ``smpl`` chunk; its tuning is a fraction of a semitone upwards."""
    semitones = math.floor(instrument.fine_tune_cents / 100.0)
    fraction = round((instrument.fine_tune_cents / 100.0 - semitones) * 2**32)
    header = _SAMPLER.pack(
        instrument.manufacturer,
        instrument.product,
        (1_000_000_000 + sample_rate // 2) // sample_rate,
        max(0, min(127, instrument.base_note + semitones)),
        min(fraction, _LARGEST),
        instrument.smpte_format,
        instrument.smpte_offset,
        len(instrument.loops),
        0,
    )
    return header + b"".join(
        _LOOP.pack(loop.number, loop.kind, loop.start, loop.stop - 1, loop.fraction, loop.play_count)
        for loop in instrument.loops
    )


def build_inst(instrument: Instrument) -> bytes:
    """The ``inst`` chunk; its tuning is what corrects the recording's."""
    return _RANGE.pack(
        instrument.base_note & 127,
        max(-50, min(50, round(-instrument.fine_tune_cents))),
        max(-64, min(64, instrument.gain_db)),
        instrument.low_note & 127,
        instrument.high_note & 127,
        instrument.low_velocity & 127,
        instrument.high_velocity & 127,
    )
