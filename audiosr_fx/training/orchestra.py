"""An orchestra of soundfonts and synthesisers: it draws pieces, or takes written parts, and plays them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from audiosr_fx.errors import ParameterError
from audiosr_fx.training.data import SAMPLE_RATE
from audiosr_fx.training.patterns import Note, Part, draw_harmony, draw_part, window
from audiosr_fx.training.soundfonts import DRUM_BANK, Preset, SoundFont, Zone
from audiosr_fx.training.voices import (
    DrumMachine,
    SynthVoice,
    Voice,
    Waveform,
    draw_drum_machine,
    draw_voice,
)

# Samples in soundfonts that belong to held-out sources of ``data.HELD_OUT_SOURCES``: marching drums, violins.
HELD_OUT_SAMPLES: Final = re.compile(r"^(M(Bass|Snr|Tnr)-|5\d_\d\d_|metronome-MDL|Violins_|Vlns)")
LOWEST_LIMIT_HZ: Final = 19_000.0  # notes whose recording ends lower are not played
LARGEST_SPEED: Final = 1.5  # nor notes pitched further from their recording

STYLES: Final = {"band": 0.42, "machines": 0.16, "ensemble": 0.13, "solo": 0.24, "drums": 0.05}  # how often

_LEAD_IN_S: Final = 1.5
_FEWEST_KEYS: Final = 16
_ROLE_LEVEL_DB: Final = {"drums": 0, "bass": -3, "chords": -7, "arpeggio": -7, "pad": -11, "melody": -4}
_KINDS: Final = (  # of General MIDI programs, by the last one of a stretch
    *((8, "piano"), (15, "drums"), (23, "piano"), (37, "guitar"), (39, "synth"), (46, "strings")),
    *(
        (47, "drums"),
        (49, "strings"),
        (51, "synth"),
        (54, "vocals"),
        (55, "mix"),
        (61, "brass"),
        (63, "synth"),
    ),
    *((79, "winds"), (103, "synth"), (107, "guitar"), (108, "drums"), (109, "winds"), (110, "strings")),
    *((111, "winds"), (119, "drums"), (127, "fx")),
)
_CHORDAL: Final = {*range(9), 11, 15, *range(16, 32), 46, 104, 105, 106, 107}
BASSES: Final = range(32, 38)
_LOW: Final = {*BASSES, 0, 24, 25, 43, 45, 58, 60, 70}  # that can play a bass


def kind_of(program: int) -> str:
    """The corpus's kind for a General MIDI program (0-127)."""
    return next(kind for last, kind in _KINDS if program <= last)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedVoice:
    """A preset of a soundfont as a voice; silent where its recordings end too low or it has no note."""

    font: SoundFont
    preset: Preset

    def play(self, key: int, velocity: int, seconds: float) -> Waveform:
        zones = self.preset.zones_for(key, velocity)
        if not zones or not self._can_play(key, zones):
            return np.zeros(0, np.float32)
        notes = [self.font.play(zone, key, velocity, seconds) for zone in zones]
        sound = np.zeros(max(map(len, notes)), np.float32)
        for note in notes:
            sound[: len(note)] += note
        return sound

    def limit_hz(self, key: int) -> float:
        return min((zone.limit_hz(key) for zone in self._zones(key)), default=0.0)

    def keys(self) -> list[int]:
        """The keys it can play with its highs."""
        return [key for key in range(128) if self._can_play(key, self._zones(key))]

    def _zones(self, key: int) -> list[Zone]:
        return [zone for zone in self.preset.zones if key in zone.keys]

    def _can_play(self, key: int, zones: Sequence[Zone]) -> bool:
        largest = np.inf if self.preset.bank == DRUM_BANK else LARGEST_SPEED
        fits = (zone.limit_hz(key) >= LOWEST_LIMIT_HZ and zone.speed(key) <= largest for zone in zones)
        return bool(zones) and all(fits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Player:
    """A part and the voice that plays it."""

    part: Part
    voice: Voice
    kind: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Music:
    """One finished stretch of music, mono at 48 kHz, (T,), trustworthy below ``limit_hz``."""

    sound: Waveform = field(repr=False)
    kind: str
    limit_hz: float
    label: str
    synthetic: bool


class Orchestra:
    """Draws pieces and plays them with the instruments of some soundfonts and with synthesisers."""

    def __init__(self, fonts: Sequence[SoundFont]) -> None:
        self._kits: list[RecordedVoice] = []
        self._programs: dict[int, list[tuple[RecordedVoice, list[int]]]] = defaultdict(list)
        for font in fonts:
            for preset in font.presets:
                voice = RecordedVoice(font=font, preset=preset)
                keys = voice.keys()
                if preset.bank == DRUM_BANK and len(keys) >= _FEWEST_KEYS:
                    self._kits.append(voice)
                elif (
                    preset.bank < DRUM_BANK and len(keys) >= _FEWEST_KEYS and kind_of(preset.program) != "fx"
                ):
                    self._programs[preset.program].append((voice, keys))

    def draw(self, random: np.random.Generator, style: str | None = None, seconds: float = 6.0) -> Music:
        """A piece in one of ``STYLES``, a random one when not given.

        Raises:
            ParameterError: a style we do not know.
        """
        if style is None:
            style = str(random.choice(list(STYLES), p=list(STYLES.values())))
        elif style not in STYLES:
            raise ParameterError(f"style is {style!r}; expected one of {', '.join(STYLES)}")
        if not self._programs and style in ("ensemble", "band"):
            style = "machines"
        harmony = draw_harmony(random)
        total = seconds + _LEAD_IN_S
        players = []
        for role in _roles(random, style):
            voice, program, keys, label = self._player(random, role, style)
            part = draw_part(random, harmony, role, total, _centre(random, role, keys))
            part = replace(part, notes=_fitted(part.notes, keys), program=program)
            kind = "drums" if role == "drums" else "synth" if program is None else kind_of(program)
            players.append(Player(part=part, voice=voice, kind=kind, label=label))
        return perform(random, players, total, _LEAD_IN_S)

    def draw_midi(self, random: np.random.Generator, parts: Sequence[Part]) -> Music:
        """Six seconds somewhere in a MIDI file's parts, each by a voice of its program."""
        end = max((note.start_s for part in parts for note in part.notes), default=0.0)
        total = 6.0 + _LEAD_IN_S
        start = float(random.uniform(0, max(0.0, end - total)))
        players = []
        for part in parts:
            voice, keys, label = self._voice(random, part.role, part.program)
            played = window(part, start, total)
            kind = "drums" if part.role == "drums" else kind_of(part.program or 0)
            notes = _fitted(played.notes, keys)
            players.append(Player(part=replace(part, notes=notes), voice=voice, kind=kind, label=label))
        return perform(random, [player for player in players if player.part.notes], total, _LEAD_IN_S)

    def _player(
        self, random: np.random.Generator, role: str, style: str
    ) -> tuple[Voice, int | None, list[int], str]:
        """A voice for a role, with its program, its keys (none: all) and what it is called."""
        if role == "drums" and (style == "machines" or not self._kits or random.random() < 0.15):
            return draw_drum_machine(random), None, [], "drum machine"
        if role == "drums":
            voice, keys, label = self._voice(random, role, None)
            return voice, None, keys, label
        choices = [p for p in self._programs if p in _LOW or role != "bass"]
        choices = [p for p in choices if (role == "bass" or p not in BASSES) and kind_of(p) != "mix"]
        if role in ("chords", "arpeggio", "pad"):
            choices = [
                p for p in choices if p in _CHORDAL or kind_of(p) in ("strings", "synth", "vocals", "brass")
            ]
        synthetic = {"machines": 0.9, "solo": 0.2, "band": 0.15}.get(style, 0.05)
        if not choices or random.random() < synthetic:
            voice = draw_voice(random, bass=role == "bass", pad=role == "pad")
            return voice, None, [], f"synthesiser ({voice.shape})"
        kinds = sorted({kind_of(p) for p in choices})
        kind = str(random.choice(kinds))
        program = int(random.choice([p for p in choices if kind_of(p) == kind]))
        recorded, keys, label = self._voice(random, role, program)
        return recorded, program, keys, label

    def _voice(
        self, random: np.random.Generator, role: str, program: int | None
    ) -> tuple[Voice, list[int], str]:
        """A recorded kit or instrument; a synthesiser where the soundfonts have none with its highs."""
        if role == "drums":
            if not self._kits:
                return draw_drum_machine(random), [], "drum machine"
            kit = self._kits[int(random.integers(len(self._kits)))]
            return kit, kit.keys(), kit.preset.name
        found = self._programs.get(-1 if program is None else program, [])
        if not found:
            voice = draw_voice(random, bass=role == "bass")
            return voice, [], f"synthesiser ({voice.shape})"
        recorded, keys = found[int(random.integers(len(found)))]
        return recorded, keys, recorded.preset.name


def perform(
    random: np.random.Generator, players: Sequence[Player], seconds: float, lead_in_s: float
) -> Music:
    """Play and mix parts: each to a level of its role, varied by a few dB; the lead-in is cut off.

    Returns silence of kind "mix" if there is nobody to play.
    """
    length = round(seconds * SAMPLE_RATE)
    mixture = np.zeros(length, np.float32)
    limit = SAMPLE_RATE / 2
    heard = []
    for player in players:
        line = np.zeros(length, np.float32)
        for note in player.part.notes:
            sound = player.voice.play(note.key, note.velocity, note.seconds)
            start = round(note.start_s * SAMPLE_RATE)
            sound = sound[: max(0, length - start)]
            line[start : start + len(sound)] += sound
            if len(sound):
                limit = min(limit, player.voice.limit_hz(note.key))
        power = float(np.sqrt(np.mean(line**2)))
        if power > 1e-6:
            level_db = _ROLE_LEVEL_DB.get(player.part.role, -6) + random.normal(0, 2.5)
            mixture += line * np.float32(0.1 * 10 ** (level_db / 20) / power)
            heard.append(player)
    kinds = {player.kind for player in heard}
    return Music(
        sound=mixture[round(lead_in_s * SAMPLE_RATE) :],
        kind=kinds.pop() if len(kinds) == 1 else "mix",
        limit_hz=limit,
        label=", ".join(dict.fromkeys(player.label for player in heard)),
        synthetic=all(isinstance(player.voice, SynthVoice | DrumMachine) for player in heard),
    )


def _roles(random: np.random.Generator, style: str) -> list[str]:
    if style == "drums":
        return ["drums"]
    if style == "solo":
        return [
            str(
                random.choice(["melody", "melody", "arpeggio", "chords", "bass"], p=[0.3, 0.2, 0.2, 0.2, 0.1])
            )
        ]
    if style == "ensemble":
        return ["melody", "melody", "pad", "arpeggio", "bass"][: int(random.integers(2, 6))]
    roles = ["drums", "bass"] if random.random() < 0.9 else ["bass"]
    harmony = [role for role in ("chords", "arpeggio", "pad") if random.random() < 0.5]
    return [*roles, *(harmony or ["chords"]), *(["melody"] if random.random() < 0.7 else [])]


def _centre(random: np.random.Generator, role: str, keys: Sequence[int]) -> int | None:
    """Where a part lies: its role's usual place, moved into the compass of the instrument."""
    usual = {"bass": 38, "chords": 60, "pad": 62, "arpeggio": 67, "melody": 72}.get(role, 60)
    usual += int(random.integers(-7, 8))
    if not keys or role == "drums":
        return usual
    low, high = min(keys) + 6, max(keys) - 6
    return int(np.clip(usual, min(low, high), max(low, high)))


def _fitted(notes: Sequence[Note], keys: Sequence[int]) -> tuple[Note, ...]:
    """Notes moved by octaves onto keys that can be played; those that cannot are left out."""
    if not keys:
        return tuple(notes)
    playable = set(keys)
    fitted = []
    for note in notes:
        octaves = [note.key + 12 * shift for shift in (0, -1, 1, -2, 2, -3, 3)]
        key = next((key for key in octaves if key in playable), None)
        if key is not None:
            fitted.append(replace(note, key=key))
    return tuple(fitted)
