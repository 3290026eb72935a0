"""Positions at another rate, and in a region."""

from __future__ import annotations

from fractions import Fraction

import pytest
from chunk_files import acid
from hypothesis import given
from hypothesis import strategies as st

from audiosr_fx.metadata import (
    Broadcast,
    CueSheet,
    CueTrack,
    Instrument,
    Loop,
    Marker,
    Metadata,
    moved,
)
from audiosr_fx.render import RenderSettings, render
from audiosr_fx.settings import Region
from audiosr_fx.sources import ArraySource

RATES = st.sampled_from([8_000, 22_050, 44_100, 48_000, 96_000, 192_000])


def marked(*markers: Marker, frames: int = 44_100, **others: object) -> Metadata:
    return Metadata(sample_rate=44_100, frames=frames, markers=markers, **others)  # type: ignore[arg-type]


def positions(metadata: Metadata) -> list[int]:
    return [marker.position for marker in metadata.markers]


def test_the_own_rate_and_all_of_it_change_nothing() -> None:
    metadata = marked(Marker(position=1), broadcast=Broadcast(time_reference=5))
    assert moved(metadata) is metadata
    assert moved(metadata, sample_rate=44_100, start=0, stop=44_100) is metadata


def test_positions_go_to_the_nearest_sample_of_the_other_rate() -> None:
    metadata = marked(*(Marker(position=p) for p in (0, 1, 2, 147, 44_099, 44_100)))
    assert positions(moved(metadata, sample_rate=48_000)) == [0, 1, 2, 160, 47_999, 48_000]
    assert positions(moved(metadata, sample_rate=22_050)) == [0, 1, 1, 74, 22_050, 22_050]


@given(position=st.integers(0, 1 << 33), rate_in=RATES, rate_out=RATES)
def test_a_position_stays_within_half_a_sample(position: int, rate_in: int, rate_out: int) -> None:
    metadata = Metadata(sample_rate=rate_in, markers=(Marker(position=position),))
    there = moved(metadata, sample_rate=rate_out).markers[0].position
    assert abs(Fraction(there, rate_out) - Fraction(position, rate_in)) <= Fraction(1, 2 * rate_out)


def test_a_region_counts_from_its_start_and_leaves_out_what_is_outside() -> None:
    metadata = marked(*(Marker(position=p) for p in (0, 4409, 4410, 5000, 8819, 8820, 44_100)))
    part = moved(metadata, start=4410, stop=8820)
    assert positions(part) == [0, 590, 4409]
    assert part.frames == 4410


def test_the_end_of_a_file_belongs_to_its_last_region() -> None:
    metadata = marked(Marker(position=44_100))
    assert positions(moved(metadata, sample_rate=48_000)) == [48_000]
    assert positions(moved(metadata, start=1000)) == []
    assert positions(moved(metadata, start=1000, stop=44_000)) == []


def test_stretches_are_cut_to_the_region() -> None:
    metadata = marked(
        Marker(position=1000, length=9000, label="over both ends"),
        Marker(position=3000, length=100, label="inside"),
        Marker(position=0, length=2000, label="before"),
        Marker(position=6000, length=10, label="after"),
    )
    part = moved(metadata, start=2000, stop=6000)
    assert [(m.label, m.position, m.length) for m in part.markers] == [
        ("over both ends", 0, 4000),
        ("inside", 1000, 100),
    ]


def test_loops_are_kept_whole_or_not_at_all() -> None:
    instrument = Instrument(
        smpte_offset=7,
        loops=(Loop(start=2000, stop=3000), Loop(start=1999, stop=3000), Loop(start=3000, stop=6001)),
    )
    part = moved(marked(instrument=instrument), start=2000, stop=6000, sample_rate=88_200)
    assert part.instrument is not None
    assert [(loop.start, loop.stop) for loop in part.instrument.loops] == [(0, 2000)]
    assert part.instrument.smpte_offset == 0


def test_the_time_reference_moves_to_the_start_of_the_region() -> None:
    metadata = marked(broadcast=Broadcast(time_reference=10 * 3600 * 44_100, origination_time="10:11:12"))
    assert moved(metadata, sample_rate=48_000).broadcast == Broadcast(
        time_reference=10 * 3600 * 48_000, origination_time="10:11:12"
    )
    part = moved(metadata, sample_rate=48_000, start=22_050).broadcast
    assert part is not None
    assert part.time_reference == 10 * 3600 * 48_000 + 24_000


def test_a_region_of_a_file_without_a_time_reference_gets_one() -> None:
    part = moved(marked(), start=4410)
    assert part.broadcast == Broadcast(time_reference=4410)
    assert moved(marked(), sample_rate=48_000).broadcast is None


@given(
    rate_in=RATES,
    rate_out=RATES,
    start=st.integers(0, 10_000),
    length=st.integers(1, 10_000),
    offset=st.integers(0, 9_999),
)
def test_a_marker_hits_the_same_sample_in_a_region_as_in_the_whole(
    rate_in: int, rate_out: int, start: int, length: int, offset: int
) -> None:
    """Where the render's own rule puts the region's first sample, one sample at its edges excepted."""
    metadata = Metadata(sample_rate=rate_in, frames=20_000, markers=(Marker(position=start + offset),))
    whole = moved(metadata, sample_rate=rate_out).markers[0].position
    part = moved(metadata, sample_rate=rate_out, start=start, stop=start + length)
    first = -(-start * rate_out // rate_in)
    if offset >= length:
        assert part.markers == () or start + length == 20_000
    else:
        assert part.frames is not None
        assert part.markers[0].position == min(max(0, whole - first), part.frames)


def test_the_length_of_a_region_is_that_of_its_render(engine: object) -> None:
    import numpy as np

    source = ArraySource(np.zeros((1, 5000), np.float32), 44_100)
    for start, stop in ((0, 5000), (1, 4999), (1234, 3210)):
        stream = render(source, RenderSettings(), engine, region=Region(start, stop))  # type: ignore[arg-type]
        metadata = Metadata(sample_rate=44_100, frames=5000)
        assert moved(metadata, sample_rate=48_000, start=start, stop=stop).frames == stream.frames


def test_a_cue_sheet_moves_along_and_is_no_cd_any_more() -> None:
    tracks = (
        CueTrack(position=0, number=1, indexes=((0, 1),)),
        CueTrack(position=588 * 10, number=2, isrc="DEABC1900001", indexes=((0, 0), (588, 1))),
    )
    metadata = marked(cue_sheet=CueSheet(catalog="123", lead_in=88_200, is_cd=True, tracks=tracks))
    sheet = moved(metadata, sample_rate=88_200).cue_sheet
    assert sheet is not None
    assert (sheet.is_cd, sheet.lead_in, sheet.catalog) == (False, 0, "123")
    assert sheet.tracks[1] == CueTrack(
        position=11_760, number=2, isrc="DEABC1900001", indexes=((0, 0), (1176, 1))
    )
    part = moved(metadata, start=100).cue_sheet
    assert part is not None
    assert [(track.number, track.position) for track in part.tracks] == [(2, 5780)]
    assert moved(metadata, start=10_000).cue_sheet is None


def test_a_part_does_not_inherit_what_describes_the_whole() -> None:
    metadata = marked(
        tags=(("TITLE", "T"), ("CUESHEET", "FILE x"), ("CDTOC", "1"), ("BPM", "120")),
        chunks=((b"acid", acid(2, 120.0)), (b"axml", b"<adm/>"), (b"_PMX", b"<x/>")),
    )
    part = moved(metadata, stop=22_050)
    assert part.tags == (("TITLE", "T"), ("BPM", "120"))
    assert part.chunks == ((b"acid", acid(1, 120.0)), (b"_PMX", b"<x/>"))
    assert moved(metadata, sample_rate=48_000).chunks == metadata.chunks


@pytest.mark.parametrize("tempo", [0.0, -1.0, float("nan"), float("inf")])
def test_a_tempo_without_sense_leaves_the_number_of_beats(tempo: float) -> None:
    metadata = marked(chunks=((b"acid", acid(2, tempo)),))
    assert moved(metadata, stop=100).chunks == metadata.chunks
