"""Music to train on: random patterns, or MIDI files, played by an orchestra into a folder of clips."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import mido
import numpy as np

from audiosr_fx.errors import AudioFormatError, ParameterError
from audiosr_fx.training.clips import LONGEST_S, ClipRow, Origin, check_unused, write_clip, write_index
from audiosr_fx.training.orchestra import BASSES, STYLES, Music, Orchestra
from audiosr_fx.training.patterns import Note, Part

_FULL_LIMIT_HZ: Final = 21_000.0
_BLOCKS, _FEWEST_HEARD = 60, 0.65  # of the tenths of a second of a clip, that many hold sound
_DRUM_CHANNEL: Final = 9


def make_clips(
    folder: Path,
    orchestra: Orchestra,
    origin: Origin,
    *,
    minutes: float,
    seed: int,
    source: str = "midi",
    style: str | None = None,
    midi: Sequence[Path] = (),
) -> Iterator[ClipRow]:
    """Write clips of 6 s and, at the end, their index; yields a row as each is written.

    Clips with synthesisers only are ours: they are called ``synth_*`` and reach 24 kHz.

    Raises:
        AudioFormatError: the folder holds an index already, or a MIDI file cannot be read.
        ParameterError: a style we do not know.
    """
    if style is not None and style not in STYLES:
        raise ParameterError(f"style is {style!r}; expected one of {', '.join(STYLES)}")
    check_unused(folder)
    pieces = [(path, read_midi(path)) for path in midi]
    return _make_clips(folder, orchestra, origin, minutes, seed, source, style, pieces)


def _make_clips(
    folder: Path,
    orchestra: Orchestra,
    origin: Origin,
    minutes: float,
    seed: int,
    source: str,
    style: str | None,
    pieces: Sequence[tuple[Path, list[Part]]],
) -> Iterator[ClipRow]:
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[ClipRow] = []
    number = 0
    while sum(row.seconds for row in rows) < minutes * 60:
        random = np.random.default_rng([seed, number])
        number += 1
        if number > 20 * (minutes * 60 / LONGEST_S + 10):
            raise AudioFormatError("the MIDI files given hold next to no notes; nothing to play")
        path, parts = pieces[int(random.integers(len(pieces)))] if pieces else (None, [])
        music = orchestra.draw(random, style) if path is None else orchestra.draw_midi(random, parts)
        row = _write(folder, music, origin, f"{source}_{music.kind}_{number:04d}", number, path)
        if row is not None:
            rows.append(row)
            yield row
    write_index(folder, rows)


def read_midi(path: Path) -> list[Part]:
    """The parts of a MIDI file, one per channel and program.

    Raises:
        AudioFormatError: not a MIDI file that can be read.
    """
    try:
        messages = list(mido.MidiFile(path))
    except (OSError, EOFError, ValueError, KeyError, IndexError) as error:
        raise AudioFormatError(
            f"{path} cannot be read as a MIDI file: {error or 'it ends too early'}"
        ) from error
    time, programs = 0.0, defaultdict(int)
    sounding: dict[tuple[int, int], tuple[float, int, int]] = {}
    notes: dict[tuple[int, int], list[Note]] = defaultdict(list)
    for message in messages:
        time += message.time
        if message.type == "program_change":
            programs[message.channel] = message.program
        if message.type not in ("note_on", "note_off"):
            continue
        begun = sounding.pop((message.channel, message.note), None)
        if begun is not None:
            start, velocity, program = begun
            held = min(max(time - start, 0.04), 12.0)
            note = Note(start_s=start, seconds=held, key=message.note, velocity=velocity)
            notes[message.channel, program].append(note)
        if message.type == "note_on" and message.velocity:
            key = (message.channel, message.note)
            sounding[key] = (time, message.velocity, programs[message.channel])
    return [_midi_part(channel, program, found) for (channel, program), found in sorted(notes.items())]


def _write(
    folder: Path, music: Music, origin: Origin, name: str, number: int, midi: Path | None
) -> ClipRow | None:
    """None for what is silent for much of its length."""
    blocks = music.sound[: len(music.sound) // _BLOCKS * _BLOCKS].reshape(_BLOCKS, -1)
    level = np.sqrt(np.mean(blocks**2, axis=1))
    if np.mean(level > max(1e-4, 0.02 * level.max())) < _FEWEST_HEARD:
        return None
    what = "random pattern" if midi is None else midi.name
    path = f"{what}: {music.label}"
    if music.synthetic:
        own = Origin(
            source_repo="audiosr_fx synthesisers", source_path=path, licence="CC0-1.0", author="audiosr_fx"
        )
        return write_clip(folder, music.kind, f"synth_{music.kind}_{number:04d}", music.sound, own)
    dull = music.limit_hz < _FULL_LIMIT_HZ
    origin = replace(origin, source_path=path)
    if dull:
        origin = replace(origin, lossy_source="resampled", limit_hz=music.limit_hz)
    return write_clip(folder, music.kind, name, music.sound, origin)


def _midi_part(channel: int, program: int, notes: list[Note]) -> Part:
    role = "drums" if channel == _DRUM_CHANNEL else "bass" if program in BASSES else "melody"
    return Part(role=role, notes=tuple(notes), program=None if role == "drums" else program)
