"""Random but musical patterns: key, chords, bass, melody, arpeggios and drums on a beat."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

_SCALES: Final = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "harmonic minor": (0, 2, 3, 5, 7, 8, 11),
}
_PROGRESSIONS: Final = (
    *((0, 4, 5, 3), (0, 5, 3, 4), (0, 3, 4, 0), (5, 3, 0, 4), (1, 4, 0, 0)),
    *((0, 6, 5, 4), (0, 2, 3, 4), (0, 0, 3, 4), (0, 5, 1, 4), (3, 0, 4, 5)),
)
# Sixteenths of a bar: probability that a drum sounds there, per General MIDI drum key.
_GROOVES: Final[dict[str, dict[int, str]]] = {
    "rock": {36: "9..1..2.8.2..1..", 38: "....9..1....9..1", 42: "9.8.9.8.9.8.9.8."},
    "four": {36: "9...9...9...9...", 39: "....9.......9...", 42: "..9...9...9...91", 46: "..4...4...4...4."},
    "funk": {36: "9..4..8...6..3..", 38: "....9..3.4..9..2", 42: "9398939893989398"},
    "swing": {51: "9...9..89...9..8", 44: "....9.......9...", 36: "4...2...4...2...", 38: "...1...2...1..2."},
    "half": {36: "9.....3...7.....", 38: "........9.......", 42: "9.9.9.9.9.9.9.9.", 49: "2..............."},
    "latin": {36: "9..8....9..8....", 37: "9..9..9...9.9...", 42: "9.999.999.999.99", 54: "..9...9...9...9."},
    "hands": {60: "9..5..8.6..5.58.", 62: "..7..6...7..6..4", 64: "5...8.6...7.8...", 70: "9595959595959595"},
    "ride": {51: "9.8.9.8.9.8.9.8.", 36: "9.....8.9.2.....", 38: "....9.....1.9...", 53: "..1...1...1...1."},
}
_FILL_KEYS: Final = (50, 48, 47, 45, 43, 41, 38)


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One note: when it starts and how long it is held, in seconds; MIDI key and velocity."""

    start_s: float
    seconds: float
    key: int
    velocity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one player plays. Role: drums, bass, chords, arpeggio, pad or melody. Drums use drum keys."""

    role: str
    notes: tuple[Note, ...]
    program: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Harmony:
    """The frame of a piece: its tonic (a MIDI key), scale, one chord degree per bar, and the beat."""

    tonic: int
    scale: tuple[int, ...]
    degrees: tuple[int, ...]
    sevenths: bool
    beat_s: float
    beats: int
    swing: float

    def key_of(self, degree: int, around: int) -> int:
        """The MIDI key of a scale degree, in the octave nearest to ``around``."""
        octave, step = divmod(degree, len(self.scale))
        key = self.tonic + self.scale[step] + 12 * octave
        return key + 12 * round((around - key) / 12)

    def chord(self, bar: int, around: int) -> list[int]:
        """The keys of the chord of a bar, each near ``around``."""
        root = self.degrees[bar % len(self.degrees)]
        degrees = (root, root + 2, root + 4, root + 6)[: 4 if self.sevenths else 3]
        return sorted({self.key_of(degree, around) for degree in degrees})

    def time_s(self, bar: int, sixteenth: float) -> float:
        """When a sixteenth of a bar falls; swing delays every second eighth."""
        late = self.swing if sixteenth % 4 == 2 else 0.0
        return (bar * self.beats + (sixteenth + late) / 4) * self.beat_s


def draw_harmony(random: np.random.Generator) -> Harmony:
    """A random key, scale, progression, tempo (60 to 175 beats a minute) and metre."""
    scale = str(random.choice(list(_SCALES), p=[0.35, 0.3, 0.15, 0.1, 0.1]))
    return Harmony(
        tonic=int(random.integers(48, 60)),
        scale=_SCALES[scale],
        degrees=_PROGRESSIONS[int(random.integers(len(_PROGRESSIONS)))],
        sevenths=bool(random.random() < 0.35),
        beat_s=60 / float(np.exp(random.uniform(np.log(60), np.log(175)))),
        beats=3 if random.random() < 0.12 else 4,
        swing=float(random.choice([0.0, 0.0, 0.35, 0.66])),
    )


def draw_part(
    random: np.random.Generator, harmony: Harmony, role: str, seconds: float, centre: int | None = None
) -> Part:
    """One part over ``harmony``, long enough for ``seconds``, its keys near ``centre``."""
    writers = {"drums": _drums, "bass": _bass, "chords": _chords, "pad": _pad, "arpeggio": _arpeggio}
    writer = writers.get(role, _melody)
    centres = {"bass": 38, "chords": 60, "pad": 62, "arpeggio": 67}
    where = centres.get(role, 72) if centre is None else centre
    bars = int(np.ceil(seconds / (harmony.beat_s * harmony.beats))) + 1
    notes = writer(random, harmony, bars, where)
    return Part(role=role, notes=tuple(_loosened(random, note) for note in notes if note.start_s < seconds))


def window(part: Part, start_s: float, seconds: float) -> Part:
    """The notes that begin within a stretch of time, moved to its start."""
    inside = [note for note in part.notes if 0 <= note.start_s - start_s < seconds]
    return replace(part, notes=tuple(replace(note, start_s=note.start_s - start_s) for note in inside))


def _drums(random: np.random.Generator, harmony: Harmony, bars: int, centre: int) -> list[Note]:
    """A groove with ghost notes; now and then a fill into a crash. ``centre`` plays no role."""
    groove = _GROOVES[str(random.choice(list(_GROOVES)))]
    if random.random() < 0.3:
        groove = {**groove, 42: _GROOVES["funk"][42]}
    notes: list[Note] = []
    for bar in range(bars):
        fill = bar % 4 == 3 and random.random() < 0.6
        for key, line in groove.items():
            for step, mark in enumerate(line[: 4 * harmony.beats]):
                chance = 0 if mark == "." else int(mark) / 9
                if random.random() < chance and not (fill and step >= 8 and key not in (36, 42)):
                    velocity = 60 + 55 * chance * random.uniform(0.8, 1) + (8 if step % 4 == 0 else 0)
                    notes.append(_note(harmony, bar, step, 1, key, velocity))
        if fill:
            for step in range(8, 4 * harmony.beats):
                if random.random() < 0.75:
                    notes.append(_note(harmony, bar, step, 1, _FILL_KEYS[(step - 8) * 6 // 8], 95))
        if bar % 4 == 0 and random.random() < 0.5:
            notes.append(_note(harmony, bar, 0, 4, int(random.choice([49, 57])), 105))
    return notes


def _bass(random: np.random.Generator, harmony: Harmony, bars: int, centre: int) -> list[Note]:
    steps = [(0, 8), (0, 4, 8, 12), (0, 2, 4, 6, 8, 10, 12, 14), (0, 3, 6, 8, 11, 14), (0, 6, 8, 14)]
    pattern = steps[int(random.integers(len(steps)))]
    notes = []
    for bar in range(bars):
        chord = harmony.chord(bar, centre)
        root = harmony.key_of(harmony.degrees[bar % len(harmony.degrees)], centre)
        inside = [step for step in pattern if step < 4 * harmony.beats]
        for step, following in zip(inside, [*inside[1:], 4 * harmony.beats], strict=True):
            key = root if step == 0 or random.random() < 0.6 else int(random.choice([*chord, root + 12]))
            length = (following - step) * random.uniform(0.5, 0.98)
            notes.append(_note(harmony, bar, step, length, key, random.uniform(85, 115)))
    return notes


def _chords(random: np.random.Generator, harmony: Harmony, bars: int, centre: int) -> list[Note]:
    rhythms = [(0,), (0, 8), (0, 4, 8, 12), (2, 6, 10, 14), (0, 3, 6, 10, 12), (0, 6, 12)]
    rhythm = rhythms[int(random.integers(len(rhythms)))]
    strum = float(random.choice([0.0, 0.0, 0.012, 0.03]))
    short = random.random() < 0.3
    notes = []
    for bar in range(bars):
        chord = harmony.chord(bar, centre)
        inside = [step for step in rhythm if step < 4 * harmony.beats]
        for step, following in zip(inside, [*inside[1:], 4 * harmony.beats], strict=True):
            velocity = random.uniform(65, 105)
            length = 1.5 if short else 0.95 * (following - step)
            for index, key in enumerate(chord):
                note = _note(harmony, bar, step, length, key, velocity)
                notes.append(replace(note, start_s=note.start_s + index * strum))
    return notes


def _pad(random: np.random.Generator, harmony: Harmony, bars: int, centre: int) -> list[Note]:
    return [
        _note(harmony, bar, 0, 4 * harmony.beats, key, random.uniform(60, 95))
        for bar in range(bars)
        for key in harmony.chord(bar, centre)
    ]


def _arpeggio(random: np.random.Generator, harmony: Harmony, bars: int, centre: int) -> list[Note]:
    pace = int(random.choice([1, 2, 2, 4])) if harmony.beat_s > 0.45 else 2
    order = str(random.choice(["up", "down", "both", "random"]))
    notes = []
    for bar in range(bars):
        chord = harmony.chord(bar, centre)
        run = [*chord, *(key + 12 for key in chord)]
        run = {"up": run, "down": run[::-1], "both": [*run, *run[-2:0:-1]], "random": run}[order]
        for index, step in enumerate(range(0, 4 * harmony.beats, pace)):
            key = int(random.choice(run)) if order == "random" else run[index % len(run)]
            notes.append(_note(harmony, bar, step, pace * 1.2, key, random.uniform(70, 110)))
    return notes


def _melody(random: np.random.Generator, harmony: Harmony, bars: int, centre: int) -> list[Note]:
    """A walk by steps and small leaps, ending phrases on chord notes."""
    lengths = random.choice([1, 2, 2, 4, 4, 6, 8, 12], size=5)
    degree = 0
    notes = []
    for bar in range(bars):
        step = 0
        while step < 4 * harmony.beats:
            length = int(random.choice(lengths))
            degree += int(random.choice([-4, -2, -1, -1, 1, 1, 2, 3]))
            degree = int(np.clip(degree, -6, 8))
            key = harmony.key_of(degree % 7, centre + degree)
            if step == 0 or length >= 6:
                key = min(harmony.chord(bar, key), key=lambda chord_key: abs(chord_key - key))
            if random.random() > 0.12:
                held = length * random.uniform(0.6, 1.0)
                notes.append(_note(harmony, bar, step, held, key, random.uniform(70, 118)))
            step += length
    return notes


def _note(harmony: Harmony, bar: int, step: float, steps: float, key: int, velocity: float) -> Note:
    return Note(
        start_s=harmony.time_s(bar, step),
        seconds=max(0.04, steps * harmony.beat_s / 4),
        key=int(np.clip(key, 0, 127)),
        velocity=int(np.clip(velocity, 1, 127)),
    )


def _loosened(random: np.random.Generator, note: Note) -> Note:
    """Nobody plays to the sample."""
    start = max(0.0, note.start_s + float(random.normal(0, 0.005)))
    return replace(note, start_s=start, velocity=int(np.clip(note.velocity + random.normal(0, 4), 20, 127)))
