"""Bars and beats in time: changes of tempo and metre, named regions, and files that are no map."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import mido
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from audiosr_fx.cli import app
from audiosr_fx.errors import MessageError, ParameterError
from audiosr_fx.settings import parse_region
from hosts.tempo import TempoMap, read_tempo_map


def midi_file(path: Path, *tracks: list[mido.MetaMessage], division: int = 480) -> Path:
    """A file of tracks; the time of each message is its absolute tick."""
    file = mido.MidiFile(ticks_per_beat=division, charset="utf-8")
    for messages in tracks:
        track, now = mido.MidiTrack(), 0
        for message in sorted(messages, key=lambda message: message.time):
            track.append(message.copy(time=message.time - now))
            now = message.time
        file.tracks.append(track)
    file.save(path)
    return path


def song(folder: Path) -> Path:
    """Four bars of 4/4 at 120, then 3/8 at 60 with UTF-8 markers, tempo and markers on different tracks."""
    meta = mido.MetaMessage
    tempo = [
        meta("set_tempo", tempo=500_000, time=0),
        meta("time_signature", numerator=4, denominator=4, time=0),
        meta("set_tempo", tempo=1_000_000, time=4 * 1920),
        meta("time_signature", numerator=3, denominator=8, time=4 * 1920),
        meta("end_of_track", time=4 * 1920 + 8 * 720),
    ]
    markers = [
        meta("marker", text="Verse ü", time=0),
        meta("marker", text="Chorus 2", time=2 * 1920),
        meta("marker", text="Outro 🎸", time=4 * 1920 + 720),
    ]
    return midi_file(folder / "song.mid", tempo, markers)


def test_bars_follow_tempo_and_metre(tmp_path: Path) -> None:
    tempo_map = read_tempo_map(song(tmp_path))
    assert tempo_map.position("1") == 0
    assert tempo_map.position("1:2") == Fraction(1, 2)
    assert tempo_map.position("3:3.5") == 4 + Fraction(5, 4)
    assert tempo_map.position("5") == 8
    assert tempo_map.position("5:2") == Fraction(17, 2), "a beat is an eighth here, at a quarter a second"
    assert tempo_map.position("6:1") == Fraction(19, 2)
    assert tempo_map.regions[-1].stop_s is None


def test_mido_gives_the_same_seconds(tmp_path: Path) -> None:
    path = song(tmp_path)
    now, found = 0.0, {}
    for message in mido.MidiFile(path, charset="utf-8"):
        now += message.time
        if message.type == "marker":
            found[message.text] = now
    regions = read_tempo_map(path).regions
    assert {one.name: float(one.start_s) for one in regions} == pytest.approx(found)


def test_markers_name_regions_up_to_the_next(tmp_path: Path) -> None:
    tempo_map = read_tempo_map(song(tmp_path))
    assert [one.name for one in tempo_map.regions] == ["Verse ü", "Chorus 2", "Outro 🎸"]
    assert tempo_map.span("chorus 2") == (4, Fraction(19, 2))
    assert tempo_map.span("Outro 🎸") == (Fraction(19, 2), None), (
        "up to the end of the file, wherever that is"
    )
    assert tempo_map.span("Verse ü", "Chorus 2") == (0, 4)
    assert tempo_map.span("Chorus 2", "4:1") == (4, 6)
    assert tempo_map.span("1:2", "2") == (Fraction(1, 2), 2)
    assert tempo_map.region_at(5.0) == tempo_map.region("Chorus 2")
    assert tempo_map.region_at(21.0) == tempo_map.region("Outro 🎸")


def test_nothing_is_named_before_the_first_marker_and_by_one_of_two_at_a_place() -> None:
    tempo_map = TempoMap([], [], [(960, "A"), (960, "B")])
    assert tempo_map.region_at(0.5) is None
    assert tempo_map.region_at(1.0) == tempo_map.region("B")
    assert tempo_map.span("A", "3") == (1, 4)
    with pytest.raises(ParameterError, match="'A' lies at the next one"):
        tempo_map.span("A")


def test_a_bar_alone_is_that_bar_unless_a_marker_is_called_so(tmp_path: Path) -> None:
    tempo_map = read_tempo_map(song(tmp_path))
    assert tempo_map.span("2") == tempo_map.span("2", "3") == (2, 4)
    assert tempo_map.span("5") == (8, Fraction(19, 2)), "three eighths"
    assert tempo_map.region_text(" 2 ") == "2.000000000-4.000000000"
    assert TempoMap([], [], [(480, "2"), (960, "3")]).span("2") == (Fraction(1, 2), 1)
    assert TempoMap([], [], [(480, "2-"), (960, "3")]).span("2-") == (Fraction(1, 2), 1)
    assert TempoMap([], [], [(480, "2"), (960, "3")]).span("2-") == (2, None)


def test_a_region_on_the_command_line_is_bars_or_a_marker(tmp_path: Path) -> None:
    tempo_map = read_tempo_map(song(tmp_path))
    for text, samples in (
        ("Chorus 2", (192_000, 456_000)),
        ("Outro 🎸", (456_000, None)),
        ("5", (384_000, 456_000)),
        ("1:2-2", (24_000, 96_000)),
        ("3 - 3:1.333333333", (192_000, 200_000)),
        ("5-", (384_000, None)),
        (" 1:2 - ", (24_000, None)),
    ):
        region = parse_region(tempo_map.region_text(text), 48_000)
        assert (region.start, region.stop) == samples
    code = CliRunner().invoke(
        app, ["render", "a.wav", "-o", "b.wav", "--tempo-map", str(tmp_path / "song.mid")]
    )
    assert "name a marker or bars" in code.stderr


@pytest.mark.parametrize(
    ("start", "stop", "says"),
    [
        ("Chrous 2", "", r"no marker 'Chrous 2'.*did you mean.*Chorus 2"),
        ("1:5", "2", "beat is 5; bar 1 has beats 1 to 4"),
        ("5:4", "9", "bar 5 has beats 1 to 3"),
        ("0", "2", "bar is 0"),
        ("2", "2", "is empty; it ends where 2 begins"),
        ("2:3", "", "begins at 2:3; expected an end too, 2:3- for the file's, or"),
        ("0", "", "bar is 0"),
        ("0-", "", "bar is 0"),
        ("1:5-", "", "beat is 5; bar 1 has beats 1 to 4"),
        ("2-", "3", "no marker '2-'"),
        ("-", "", "no marker '-'"),
        ("-2", "", "no marker '-2'"),
        ("3", "1", "is empty"),
        ("1:0.5", "2", "beat is 0.5"),
        ("1:1.5x", "2", "no marker"),
        ("", "", "no marker"),
    ],
)
def test_what_is_not_in_the_song_is_said(start: str, stop: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=says):
        read_tempo_map(song(tmp_path)).span(start, stop)


def test_a_map_without_anything_is_four_four_at_120(tmp_path: Path) -> None:
    tempo_map = read_tempo_map(midi_file(tmp_path / "bare.mid", []))
    assert tempo_map.position("2:3") == 3
    assert tempo_map.position("2:3.5") == Fraction(13, 4)
    assert tempo_map.sixteenths(6) == Fraction(3, 4)


def test_a_metre_that_comes_in_mid_bar_begins_a_new_bar() -> None:
    tempo_map = TempoMap([], [(480 * 6, 3, 4)], ticks_per_quarter=480)
    assert tempo_map.position("2") == 2
    assert tempo_map.position("3") == 3
    assert tempo_map.position("4") == Fraction(9, 2)


TEMPOS = st.lists(st.tuples(st.integers(0, 50_000), st.integers(50_000, 3_000_000)), max_size=5)
METRES = st.lists(
    st.tuples(st.integers(0, 50_000), st.integers(1, 13), st.sampled_from([1, 2, 4, 8, 16])), max_size=5
)


@given(TEMPOS, METRES, st.integers(1, 60), st.integers(0, 1300))
def test_beats_lie_in_their_bar_one_after_the_other(
    tempos: list[tuple[int, int]], metres: list[tuple[int, int, int]], bar: int, hundredths: int
) -> None:
    beat = 1 + Fraction(hundredths, 100)
    tempo_map = TempoMap(list(dict(tempos).items()), metres, ticks_per_quarter=96)
    assert tempo_map.seconds(bar) < tempo_map.seconds(bar + 1)
    try:
        here = tempo_map.seconds(bar, beat)
    except ParameterError:
        return
    assert tempo_map.seconds(bar, max(beat - 1, Fraction(1))) <= here
    assert tempo_map.seconds(bar) <= here


def test_smpte_division_is_refused(tmp_path: Path) -> None:
    path = song(tmp_path)
    content = bytearray(path.read_bytes())
    content[12:14] = b"\xe7\x28"
    path.write_bytes(content)
    with pytest.raises(MessageError, match="counts in SMPTE frames"):
        read_tempo_map(path)


def test_names_that_are_not_utf_8_are_read_as_latin(tmp_path: Path) -> None:
    path = tmp_path / "old.mid"
    file = mido.MidiFile(charset="latin-1")
    file.tracks.append(mido.MidiTrack([mido.MetaMessage("marker", text="Vers ä")]))
    file.save(path)
    assert read_tempo_map(path).regions[0].name == "Vers ä"


@given(content=st.binary(max_size=60), head=st.booleans())
def test_any_bytes_are_a_map_or_refused(
    content: bytes, head: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.mid"
    path.write_bytes((b"MThd\0\0\0\x06\0\x01\0\x01\x01\xe0MTrk\0\0\0\x20" if head else b"") + content)
    try:
        assert read_tempo_map(path).position("1") == 0
    except MessageError:
        return


def test_no_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(MessageError, match="cannot be read"):
        read_tempo_map(tmp_path / "none.mid")
