"""Tempo maps from Standard MIDI Files: bars and beats to seconds and back, and regions that markers name.

Bars and beats count from 1, and a beat is what the metre's lower number says. Positions are exact fractions
until they become samples.
"""

from __future__ import annotations

import bisect
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import mido

from audiosr_fx.errors import MessageError, ParameterError
from audiosr_fx.wording import did_you_mean, one_line, shown

MAX_BYTES: Final = 16 << 20
MAX_EVENTS: Final = 100_000
MAX_BAR: Final = 100_000
_DEFAULT_TEMPO: Final = 500_000  # microseconds a quarter note: 120 a minute
_NANO: Final = 1_000_000_000
_POSITION: Final = re.compile(r"(?P<bar>\d{1,6})(?::(?P<beat>\d{1,4}(?:\.\d{1,9})?))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Tempo:
    """From here on: a tick, its time in seconds, and seconds a tick."""

    tick: int
    seconds: Fraction
    seconds_per_tick: Fraction


@dataclass(frozen=True, slots=True)
class _Metre:
    """From here on: a tick, the bar that begins there (from 0), beats a bar, ticks a beat."""

    tick: Fraction
    bar: int
    beats: int
    ticks_per_beat: Fraction


@dataclass(frozen=True, slots=True)
class NamedRegion:
    """A part of a song: from its marker to the next, in seconds; the last has no end but that of a file."""

    name: str
    start_s: Fraction
    stop_s: Fraction | None


class TempoMap:
    """Where bars, beats and named regions of a song are in time.

    Attributes:
        regions: one for each marker, in order.
    """

    def __init__(
        self,
        tempos: Sequence[tuple[int, int]] = (),
        metres: Sequence[tuple[int, int, int]] = (),
        markers: Sequence[tuple[int, str]] = (),
        *,
        ticks_per_quarter: int = 480,
    ) -> None:
        """Make a map.

        Args:
            tempos: tick, and microseconds a quarter note from there on.
            metres: tick, and the two numbers of a metre from there on; one in mid-bar begins a new bar.
            markers: tick and name.
            ticks_per_quarter: of a quarter note.
        """
        self._ticks_per_quarter = ticks_per_quarter
        self._tempos = list(self._placed_tempos(tempos))
        self._metres = list(self._placed_metres(metres))
        placed = sorted(markers, key=lambda marker: marker[0])
        starts = [self._seconds(Fraction(tick)) for tick, _ in placed]
        self.regions = tuple(
            NamedRegion(name, start, stop)
            for (_, name), start, stop in zip(placed, starts, [*starts[1:], None], strict=False)
        )

    def seconds(self, bar: int, beat: Fraction | int = 1) -> Fraction:
        """When a beat of a bar is; both from 1, beats with fractions.

        Raises:
            ParameterError: before the song, or a beat that the bar does not have.
        """
        if not 1 <= bar <= MAX_BAR:
            raise ParameterError(f"bar is {bar}; expected 1 to {MAX_BAR}")
        metre = self._metres[bisect.bisect_right(self._metres, bar - 1, key=lambda one: one.bar) - 1]
        if not 1 <= beat < metre.beats + 1:
            raise ParameterError(f"beat is {float(beat):g}; bar {bar} has beats 1 to {metre.beats}")
        beats = (bar - 1 - metre.bar) * metre.beats + (Fraction(beat) - 1)
        return self._seconds(metre.tick + beats * metre.ticks_per_beat)

    def sixteenths(self, count: int) -> Fraction:
        """When a MIDI song position is: sixteenth notes from the beginning."""
        return self._seconds(Fraction(count * self._ticks_per_quarter, 4))

    def region(self, name: str) -> NamedRegion:
        """The part of the song that a marker names; the first of several.

        Raises:
            ParameterError: there is none of that name, or it is empty.
        """
        found = self._find(name)
        if found.stop_s is not None and found.stop_s <= found.start_s:
            raise ParameterError(f"the marker {found.name!r:.80} lies at the next one, so it names nothing")
        return found

    def region_at(self, seconds: Fraction | float) -> NamedRegion | None:
        """The part that a time lies in."""
        begun = [one for one in self.regions if one.start_s <= seconds]
        return begun[-1] if begun else None

    def position(self, text: str) -> Fraction:
        """Seconds of ``17``, ``17:3`` or ``17:3.5``.

        Raises:
            ParameterError: not of that form, or not in the song.
        """
        match = _POSITION.fullmatch(text.strip())
        if match is None:
            raise ParameterError(f"a position is {text!r:.40}; expected BAR, BAR:BEAT or BAR:BEAT.FRACTION")
        return self.seconds(int(match["bar"]), Fraction(match["beat"] or 1))

    def span(self, start: str, stop: str = "") -> tuple[Fraction, Fraction | None]:
        """From and to in seconds: two positions, of which the second is excluded, or one marker or bar.

        A position with a dash behind it, such as ``17-``, and no second one is all from there on.

        Returns:
            Both; the second is None for what ends where a file does, as the part of the last marker.

        Raises:
            ParameterError: no such marker or position, or nothing between them.
        """
        if not stop:
            return self._whole(start)
        first, last = self._begin(start), self._begin(stop)
        if not first < last:
            raise ParameterError(
                f"the region {start!r:.40} to {stop!r:.40} is empty; it ends where {stop.strip():.40} begins"
            )
        return first, last

    def region_text(self, text: str) -> str:
        """A region in bars, or a marker's name, as one in seconds that ``parse_region`` reads.

        Args:
            text: such as ``17-25``, ``17:3-18:1``, ``17-`` or ``Chorus 2``; the audio begins with the song.

        Raises:
            ParameterError: as ``span``.
        """
        start, stop = self.span(*split_bars(text))
        return f"{_typed(start)}-{'' if stop is None else _typed(stop)}"

    def _named(self, name: str) -> NamedRegion | None:
        wanted = name.strip().casefold()
        return next((one for one in self.regions if one.name.strip().casefold() == wanted), None)

    def _find(self, name: str) -> NamedRegion:
        found = self._named(name)
        if found is None:
            names = list(dict.fromkeys(one.name for one in self.regions))
            there = ", ".join(names[:20]) or "none"
            raise ParameterError(
                f"there is no marker {name!r:.80}{did_you_mean(name, names)}; there are: {there}"
            )
        return found

    def _whole(self, text: str) -> tuple[Fraction, Fraction | None]:
        """The part of a marker; where none is called so, a bar, or all from an open position on."""
        begin = text.strip().removesuffix("-").rstrip()
        match = _POSITION.fullmatch(begin)
        if match is None or self._named(text) is not None:
            found = self.region(text)
            return found.start_s, found.stop_s
        if text.strip() != begin:
            return self.position(begin), None
        if match["beat"]:
            raise ParameterError(
                f"the region begins at {begin}; expected an end too, {begin}- for the file's, or a bar alone"
            )
        bar = int(match["bar"])
        return self.seconds(bar), self.seconds(bar + 1)

    def _begin(self, text: str) -> Fraction:
        """When a position is, or what a marker names begins."""
        return self.position(text) if _POSITION.fullmatch(text.strip()) else self._find(text).start_s

    def _placed_tempos(self, tempos: Iterable[tuple[int, int]]) -> Iterable[_Tempo]:
        at = _Tempo(0, Fraction(0), Fraction(_DEFAULT_TEMPO, 1_000_000 * self._ticks_per_quarter))
        yield at
        for tick, microseconds in sorted(tempos, key=lambda tempo: tempo[0]):
            seconds = at.seconds + (tick - at.tick) * at.seconds_per_tick
            at = _Tempo(tick, seconds, Fraction(microseconds, 1_000_000 * self._ticks_per_quarter))
            yield at

    def _placed_metres(self, metres: Iterable[tuple[int, int, int]]) -> Iterable[_Metre]:
        quarter = self._ticks_per_quarter
        at = _Metre(Fraction(0), 0, 4, Fraction(quarter))
        yield at
        for tick, beats, unit in sorted(metres, key=lambda metre: metre[0]):
            bars = -(-(tick - at.tick) // (at.beats * at.ticks_per_beat))  # a bar cut short is a bar
            at = _Metre(Fraction(tick), at.bar + int(bars), beats, Fraction(4 * quarter, unit))
            yield at

    def _seconds(self, tick: Fraction) -> Fraction:
        at = self._tempos[bisect.bisect_right(self._tempos, tick, key=lambda one: Fraction(one.tick)) - 1]
        return at.seconds + (tick - at.tick) * at.seconds_per_tick


def _typed(seconds: Fraction) -> str:
    nano = round(seconds * _NANO)
    return f"{nano // _NANO}.{nano % _NANO:09d}"


def split_bars(text: str) -> tuple[str, str]:
    """From and to; the name of a marker may hold a dash, so only what looks like two positions is two."""
    first, dash, last = text.partition("-")
    is_span = dash and _POSITION.fullmatch(first.strip()) and _POSITION.fullmatch(last.strip())
    return (first, last) if is_span else (text, "")


def read_tempo_map(path: Path) -> TempoMap:
    """Read the tempo map of a Standard MIDI File: of all its tracks, whatever its format.

    Raises:
        MessageError: no MIDI file, or one that counts in SMPTE frames and so has no bars.
    """
    name = shown(path)
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as cause:
        raise MessageError(f"{name}: cannot be read ({cause.strerror})") from cause
    if len(content) > MAX_BYTES:
        raise MessageError(f"{name}: is larger than {MAX_BYTES >> 20} MiB, so it is no tempo map")
    if len(content) >= 14 and content[:4] == b"MThd" and content[12] & 0x80:
        raise MessageError(
            f"{name}: counts in SMPTE frames, so it has no bars; export it with ticks per quarter note"
        )
    try:
        file = _midi_file(content)
    except Exception as cause:
        raise MessageError(f"{name}: is no MIDI file ({one_line(cause)}); export a .mid") from cause
    return _map_of(file, name)


def _midi_file(content: bytes) -> mido.MidiFile:
    try:
        return mido.MidiFile(file=io.BytesIO(content), charset="utf-8", clip=True)
    except UnicodeDecodeError:  # names as older programs write them
        return mido.MidiFile(file=io.BytesIO(content), clip=True)


def _map_of(file: mido.MidiFile, name: str) -> TempoMap:
    if file.ticks_per_beat <= 0:
        raise MessageError(f"{name}: has {file.ticks_per_beat} ticks a quarter note; expected 1 or more")
    tempos: dict[int, int] = {}
    metres: dict[int, tuple[int, int]] = {}
    markers: list[tuple[int, str]] = []
    for track in file.tracks:
        tick = 0
        for message in track:
            tick += message.time
            if message.type == "set_tempo" and message.tempo > 0:
                tempos[tick] = message.tempo
            elif message.type == "time_signature" and message.numerator > 0:
                metres[tick] = (message.numerator, message.denominator)
            elif message.type in ("marker", "cue_marker") and message.text.strip():
                markers.append((tick, _plain(message.text)))
    if len(tempos) + len(metres) + len(markers) > MAX_EVENTS:
        raise MessageError(f"{name}: has more than {MAX_EVENTS} changes and markers; export a simpler map")
    return TempoMap(
        list(tempos.items()),
        [(tick, *metre) for tick, metre in metres.items()],
        markers,
        ticks_per_quarter=file.ticks_per_beat,
    )


def _plain(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:200]
